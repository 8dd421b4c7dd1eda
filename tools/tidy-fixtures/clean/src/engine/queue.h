/* queue.h - a header that opens with a comment. */
#include "base/check.h"
