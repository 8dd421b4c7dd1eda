/* store_waited.h - a store of a benchmark: what is handed to it is waited for. */
#ifndef WRATA_BENCH_STORE_WAITED_H
#define WRATA_BENCH_STORE_WAITED_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store.h"

static struct store *st;
static int wake_fds[2]; /* pipe(), before the store is opened */
static uint32_t pending;

static inline void on_wake(void *ctx)
{
    (void)ctx;
    if (write(wake_fds[1], "x", 1) != 1)
        abort();
}

static inline void on_done(void *ctx, enum err err, const struct why *why)
{
    (void)ctx;
    pending--;
    if (err != ERR_OK) {
        fprintf(stderr, "%s\n", why->text);
        exit(1);
    }
}

static inline void wait_turn(void)
{
    char bytes[256];

    if (read(wake_fds[0], bytes, sizeof(bytes)) <= 0)
        abort();
    store_turn(st);
}

static inline void settle(void)
{
    while (pending > 0)
        wait_turn();
}

static inline void put(const struct change *c, uint32_t n)
{
    pending++;
    store_changes(st, c, n, on_done, NULL);
}

static inline double seconds_since(struct mono t)
{
    return (double)(mono_now().us - t.us) / 1e6;
}

#endif
