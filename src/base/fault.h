/* fault.h - named places where a test can make something fail, or the process die.
 *
 * An edge call asks before it acts: `if (fault_hit("blob.write")) errno = ENOSPC ...`. Nothing fails until a
 * test arms a point. Builds with WRATA_CHECK_SLOW also read the environment:
 *     WRATA_FAULTS=store.commit=3,blob.write=1       the third commit and the first blob write fail
 * The table is one of the two mutable globals (the logger is the other). Any thread. */
#ifndef WRATA_BASE_FAULT_H
#define WRATA_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* Arm: the `countdown`-th time (from 1) the point is reached it fires, once; 0 disarms it. */
void fault_arm(const char *name, uint32_t countdown);
void fault_disarm_all(void);

/* True when an armed point fires now. Costs one load while nothing is armed. */
bool fault_hit(const char *name);

/* Die at once, as by kill -9, when the point fires. */
void fault_crash(const char *name);

#endif
