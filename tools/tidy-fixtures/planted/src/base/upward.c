#include "model/test.h"
#include "embed_agents.h"
