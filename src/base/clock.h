/* clock.h - two clocks that the compiler keeps apart.
 *
 * `struct mono` counts microseconds from an arbitrary start and never goes back: durations, timers,
 * leases. `struct wall` is for people, logs and calendars. Neither is read in engine/ or in the
 * agent's core: "now" arrives with the event. */
#ifndef WRATA_BASE_CLOCK_H
#define WRATA_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct mono {
    int64_t us;
};

struct wall {
    int64_t ms; /* since 1970-01-01T00:00:00Z; 0 means "never" */
};

#define MONO_NEVER ((struct mono){INT64_MAX})

struct mono mono_now(void); /* CLOCK_MONOTONIC; any thread */
struct wall wall_now(void); /* CLOCK_REALTIME; any thread */

/* "2026-11-30 10:50 UTC", for sentences. Pure. */
#define WALL_MINUTE_BYTES 40u
void wall_minute(struct wall t, char out[WALL_MINUTE_BYTES]);

static inline bool mono_before(struct mono a, struct mono b)
{
    return a.us < b.us;
}

/* Saturates at both ends, and "never" plus anything stays "never". */
static inline struct mono mono_add_ms(struct mono t, int64_t ms)
{
    int64_t us;

    if (t.us == INT64_MAX)
        return MONO_NEVER;
    if (__builtin_mul_overflow(ms, INT64_C(1000), &us) || __builtin_add_overflow(t.us, us, &us))
        us = ms > 0 ? INT64_MAX : INT64_MIN;
    return (struct mono){us};
}

static inline struct mono mono_min(struct mono a, struct mono b)
{
    return mono_before(a, b) ? a : b;
}

/* From `a` to `b` in milliseconds, rounded towards zero; negative when b is earlier. */
static inline int64_t mono_ms_between(struct mono a, struct mono b)
{
    return (b.us - a.us) / 1000;
}

#endif
