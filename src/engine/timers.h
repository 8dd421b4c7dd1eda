/* timers.h - what is due when, in (deadline, sequence) order: equal deadlines go off in the order they were set. */
#ifndef WRATA_ENGINE_TIMERS_H
#define WRATA_ENGINE_TIMERS_H

#include "base/clock.h"
#include "engine/heap.h"

enum timer_kind {
    TIMER_LEASE,   /* owner: run */
    TIMER_SILENCE, /* owner: server */
    TIMER_CONNECT, /* owner: server */
    TIMER_REST,    /* owner: server */
    TIMER_UNDO,    /* owner: undo */
    TIMER_LIFE,    /* owner: server */
    TIMER_LIST,    /* owner: fleet */
    TIMER_CHARGE,  /* owner: server */
    TIMER_BORROW,  /* owner: launch */
};

struct timer {
    struct heap_item item; /* first: a timer is found by its item */
    enum timer_kind kind;
    void *owner;
};

struct timers {
    struct heap heap;
    uint64_t seq;
};

void timer_set(struct timers *t, struct timer *timer, enum timer_kind kind, void *owner, struct mono when);
void timer_stop(struct timers *t, struct timer *timer); /* harmless when it is not set */
struct mono timers_deadline(const struct timers *t);    /* MONO_NEVER: none is set */

/* Take out the first timer that is due by now; NULL: none is. */
struct timer *timers_pop(struct timers *t, struct mono now);

static inline bool timer_is_set(const struct timer *timer)
{
    return heap_has(&timer->item);
}

#endif
