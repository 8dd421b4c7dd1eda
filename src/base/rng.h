/* rng.h - a small seeded generator (xorshift64*, Vigna 2016) for the engine's ids and the simulator.
 * Not for secrets: those come from libsodium. */
#ifndef WRATA_BASE_RNG_H
#define WRATA_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s;
};

static inline void rng_seed(struct rng *r, uint64_t seed)
{
    r->s = seed * 0x9e3779b97f4a7c15u + 0x1234567u;
    if (r->s == 0)
        r->s = 1;
}

static inline uint64_t rng_next(struct rng *r)
{
    r->s ^= r->s >> 12;
    r->s ^= r->s << 25;
    r->s ^= r->s >> 27;
    return r->s * 0x2545f4914f6cdd1du;
}

/* 0..n-1; n > 0. The bias is below n / 2^64. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

/* True with probability num / den. */
static inline int rng_chance(struct rng *r, uint64_t num, uint64_t den)
{
    return rng_below(r, den) < num;
}

#endif
