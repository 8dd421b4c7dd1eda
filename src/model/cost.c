#include "model/cost.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

#define HOUR_MS INT64_C(3600000)

struct billing fleet_kind_billing(enum fleet_kind k)
{
    /* DigitalOcean bills Droplets by the second since 2026, at least 60 of them and a cent. How the cloud behind a command
     * rounds is not known here. */
    static const struct billing all[FLEET_COUNT] = {
        [FLEET_LOCAL] = {1, 0, 0},
        [FLEET_SSH] = {1, 0, 0},
        [FLEET_DIGITALOCEAN] = {1000, 60000, 10000000},
        [FLEET_COMMAND] = {1000, 0, 0},
        [FLEET_FAKE] = {1000, 60000, 0},
    };

    CHECK(k < FLEET_COUNT);
    return all[k];
}

int64_t billed_ms(struct billing b, int64_t ms)
{
    int64_t whole = (ms + b.unit_ms - 1) / b.unit_ms * b.unit_ms;

    return whole > b.least_ms ? whole : b.least_ms;
}

int64_t cost_nanousd(int64_t price_hour_microusd, int64_t ms)
{
    CHECK(price_hour_microusd >= 0);
    CHECK(price_hour_microusd <= PRICE_HOUR_MICROUSD_MAX);
    CHECK(ms >= 0);
    /* price * 1000 * ms / HOUR_MS, without a product that is too large for years of a dear machine. */
    return price_hour_microusd * NANOUSD_PER_MICROUSD * (ms / HOUR_MS) +
           price_hour_microusd * (ms % HOUR_MS) / (HOUR_MS / NANOUSD_PER_MICROUSD);
}

/* floor(x / n) + floor((x + 1) / n) + ... + floor((x + n - 1) / n) = x, for every whole x (Hermite's identity): what
 * does not divide goes to the last slots, one billionth each. */
int64_t cost_of_slot(int64_t nanousd, uint32_t slots, uint32_t slot)
{
    CHECK(slot < slots);
    CHECK(nanousd >= 0);
    return (nanousd + slot) / slots;
}

int64_t cost_day(struct wall at)
{
    return at.ms >= 0 ? at.ms / COST_DAY_MS : -((-at.ms + COST_DAY_MS - 1) / COST_DAY_MS);
}

struct wall cost_day_begin(int64_t day)
{
    return (struct wall){day * COST_DAY_MS};
}

void cost_date_text(int64_t day, char out[COST_DATE_BYTES])
{
    time_t t = (time_t)(day * (COST_DAY_MS / 1000));
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(out, COST_DATE_BYTES, "%Y-%m-%d", &tm) == 0)
        out[0] = '\0';
}

void cost_usd_text(int64_t nanousd, char out[COST_USD_BYTES])
{
    uint64_t n = nanousd < 0 ? (uint64_t)0 - (uint64_t)nanousd : (uint64_t)nanousd;
    size_t len;

    (void)snprintf(out, COST_USD_BYTES, "%s%" PRIu64 ".%09" PRIu64, nanousd < 0 ? "-" : "",
                   n / (uint64_t)NANOUSD_PER_USD, n % (uint64_t)NANOUSD_PER_USD);
    for (len = strlen(out); out[len - 1] == '0'; len--)
        out[len - 1] = '\0';
    if (out[len - 1] == '.')
        out[len - 1] = '\0';
}
