#include "queue_private.h"
