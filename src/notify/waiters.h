/* waiters.h - who waits until a delivery was tried. Each is called once, whatever becomes of the delivery: tried, gone with its hook,
 * or nothing is sent any more. Loop thread. */
#ifndef WRATA_NOTIFY_WAITERS_H
#define WRATA_NOTIFY_WAITERS_H

#include <stdbool.h>
#include <stdint.h>

struct waiter;

/* Zeroed: nobody waits, and things are sent. */
struct waiters {
    struct waiter *first;
    bool is_shut; /* nothing is sent: nobody needs to wait */
};

typedef void waiter_fn(void *arg);

/* May call `done` from inside. */
void waiters_add(struct waiters *all, uint64_t hook, uint64_t delivery, waiter_fn *done, void *arg);
/* Call those of this delivery; 0: of all of the hook, 0: of every hook. */
void waiters_wake(struct waiters *all, uint64_t hook, uint64_t delivery);
/* Shut: call all, and from now on whoever comes. */
void waiters_shut(struct waiters *all, bool is_shut);

#endif
