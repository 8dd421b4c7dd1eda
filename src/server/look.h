/* look.h - what `wrata doctor` may not see by itself: the store. */
#ifndef WRATA_SERVER_LOOK_H
#define WRATA_SERVER_LOOK_H

#include "cli/doctor.h"

look_fn look_at_store;

#endif
