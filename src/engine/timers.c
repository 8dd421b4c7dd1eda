#include "engine/timers.h"

#include "base/check.h"

_Static_assert(offsetof(struct timer, item) == 0, "a timer is found by its item");

void timer_set(struct timers *t, struct timer *timer, enum timer_kind kind, void *owner, struct mono when)
{
    uint64_t k1 = when.us < 0 ? 0 : (uint64_t)when.us;

    timer->kind = kind;
    timer->owner = owner;
    if (timer_is_set(timer))
        heap_move(&t->heap, &timer->item, k1, ++t->seq);
    else
        heap_add(&t->heap, &timer->item, k1, ++t->seq);
}

void timer_stop(struct timers *t, struct timer *timer)
{
    if (timer_is_set(timer))
        heap_remove(&t->heap, &timer->item);
}

struct mono timers_deadline(const struct timers *t)
{
    const struct heap_item *top = heap_top(&t->heap);

    return top != NULL ? (struct mono){(int64_t)top->k1} : MONO_NEVER;
}

struct timer *timers_pop(struct timers *t, struct mono now)
{
    struct heap_item *top = heap_top(&t->heap);

    if (top == NULL || (int64_t)top->k1 > now.us)
        return NULL;
    heap_remove(&t->heap, top);
    return (struct timer *)(void *)top;
}
