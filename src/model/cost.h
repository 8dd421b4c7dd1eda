/* cost.h - money: what a machine costs for a time, and how it is divided. Whole numbers only.
 *
 * Prices come as millionths of a dollar an hour (microusd), sums are billionths of a dollar (nanousd): a second of the
 * cheapest machine is still some thousand of them, and 9 thousand million dollars fit. Days are those of UTC. */
#ifndef WRATA_MODEL_COST_H
#define WRATA_MODEL_COST_H

#include <stdint.h>

#include "base/clock.h"
#include "model/rows.h"

#define NANOUSD_PER_MICROUSD 1000
#define NANOUSD_PER_USD INT64_C(1000000000)
#define COST_DAY_MS (INT64_C(24) * 3600 * 1000)
#define COST_DAYS_KEPT 400 /* of the ledger */

/* How a provider rounds the life of a machine: up to whole units, and at least so much time, and so much money. */
struct billing {
    int64_t unit_ms;
    int64_t least_ms;
    int64_t least_nanousd;
};
struct billing fleet_kind_billing(enum fleet_kind k);
int64_t billed_ms(struct billing b, int64_t ms); /* ms >= 0 */

/* Of a machine in its first `ms`, rounded down. price 0..PRICE_HOUR_MICROUSD_MAX, ms >= 0. Pieces of a time are
 * differences of this, so they add up to the whole. */
int64_t cost_nanousd(int64_t price_hour_microusd, int64_t ms);

/* The part of one slot, so that the parts of all `slots` add up to nanousd. slot < slots; nanousd >= 0. */
int64_t cost_of_slot(int64_t nanousd, uint32_t slots, uint32_t slot);

int64_t cost_day(struct wall at);        /* days since 1970-01-01 */
struct wall cost_day_begin(int64_t day); /* its midnight */
#define COST_DATE_BYTES 16
void cost_date_text(int64_t day, char out[COST_DATE_BYTES]); /* "2026-11-30" */

/* "12.345678901", a number of dollars with as few digits as say it exactly. nanousd may be negative. */
#define COST_USD_BYTES 32
void cost_usd_text(int64_t nanousd, char out[COST_USD_BYTES]);

#endif
