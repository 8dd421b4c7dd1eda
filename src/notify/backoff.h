/* backoff.h - how long the senders of mail and of webhooks wait before they try again. Pure. */
#ifndef WRATA_NOTIFY_BACKOFF_H
#define WRATA_NOTIFY_BACKOFF_H

#include <stdint.h>

#include "base/rng.h"

/* A fifth more or less, so that what failed together is not tried together again. */
static inline int64_t backoff_jittered(struct rng *rng, int64_t ms)
{
    return ms * 4 / 5 + (int64_t)rng_below(rng, (uint64_t)(ms * 2 / 5 + 1));
}

/* min_ms, doubled so many times, at most max_ms; jittered. */
static inline int64_t backoff_doubled(struct rng *rng, int64_t min_ms, int64_t max_ms, uint32_t times)
{
    int64_t ms = min_ms;

    for (uint32_t i = 0; i < times && ms < max_ms; i++)
        ms *= 2;
    return backoff_jittered(rng, ms < max_ms ? ms : max_ms);
}

#endif
