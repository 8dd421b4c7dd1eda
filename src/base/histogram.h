/* histogram.h - how long things took, counted in buckets: for /metrics. Any thread may add, any may look meanwhile: what it sees
 * of a moment may be a count apart, never torn. */
#ifndef WRATA_BASE_HISTOGRAM_H
#define WRATA_BASE_HISTOGRAM_H

#include <stdint.h>

/* Upper bounds in microseconds: half a millisecond to half a minute, in steps that a graph can use. */
/* clang-format off */
#define HISTOGRAM_MAP(X) \
    X(500) X(1000) X(2000) X(5000) X(10000) X(20000) X(50000) X(100000) X(200000) X(500000) \
    X(1000000) X(2000000) X(5000000) X(10000000) X(30000000)
/* clang-format on */

#define X(us) +1
enum { HISTOGRAM_BOUNDS = 0 HISTOGRAM_MAP(X) };
#undef X

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last: longer than all bounds */
    uint64_t sum_us;
};

static inline int64_t histogram_bound_us(unsigned i)
{
#define X(us) us,
    static const int64_t bounds[] = {HISTOGRAM_MAP(X)};
#undef X

    return bounds[i];
}

static inline void histogram_add(struct histogram *h, int64_t us)
{
    unsigned i = 0;

    if (us < 0)
        us = 0; /* two clocks, or one that was set */
    while (i < HISTOGRAM_BOUNDS && us > histogram_bound_us(i))
        i++;
    (void)__atomic_fetch_add(&h->counts[i], 1, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&h->sum_us, (uint64_t)us, __ATOMIC_RELAXED);
}

static inline void histogram_read(const struct histogram *h, struct histogram *ret)
{
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        ret->counts[i] = __atomic_load_n(&h->counts[i], __ATOMIC_RELAXED);
    ret->sum_us = __atomic_load_n(&h->sum_us, __ATOMIC_RELAXED);
}

#endif
