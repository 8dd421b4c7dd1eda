#include "embed_agents.h"
#include "engine/engine.h"
#include "store/store.h"
