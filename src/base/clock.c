#include "base/clock.h"

#include <time.h>

#include "base/check.h"

struct mono mono_now(void)
{
    struct timespec ts;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return (struct mono){(int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000};
}

struct wall wall_now(void)
{
    struct timespec ts;

    CHECK(clock_gettime(CLOCK_REALTIME, &ts) == 0);
    return (struct wall){(int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000};
}

void wall_minute(struct wall t, char out[WALL_MINUTE_BYTES])
{
    time_t s = t.ms / 1000;
    struct tm tm;

    if (gmtime_r(&s, &tm) == NULL || strftime(out, WALL_MINUTE_BYTES, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        out[0] = '\0';
}
