#include "notify/waiters.h"

#include <stdlib.h>

#include "base/mem.h"

struct waiter {
    struct waiter *next;
    uint64_t hook;
    uint64_t delivery;
    waiter_fn *done;
    void *arg;
};

void waiters_add(struct waiters *all, uint64_t hook, uint64_t delivery, waiter_fn *done, void *arg)
{
    struct waiter *w;

    if (all->is_shut) {
        done(arg);
        return;
    }
    w = xcalloc(1, sizeof(*w));
    *w = (struct waiter){.next = all->first, .hook = hook, .delivery = delivery, .done = done, .arg = arg};
    all->first = w;
}

void waiters_wake(struct waiters *all, uint64_t hook, uint64_t delivery)
{
    struct waiter **at = &all->first;
    struct waiter *woken = NULL;
    struct waiter *w;

    while ((w = *at) != NULL) {
        if ((hook != 0 && w->hook != hook) || (delivery != 0 && w->delivery != delivery)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = woken;
        woken = w;
    }
    while ((w = woken) != NULL) { /* none is in the list any more: they may call back */
        woken = w->next;
        w->done(w->arg);
        free(w);
    }
}

void waiters_shut(struct waiters *all, bool is_shut)
{
    all->is_shut = is_shut;
    if (is_shut)
        waiters_wake(all, 0, 0);
}
