/* pacer.h - how much a step of deleting takes, and how long it rests after it, so that commits of runs hardly wait. Pure.
 *
 * A step holds the storage thread for PACE_STEP_US at about; a commit that comes meanwhile waits so long. Then nothing is done for
 * four times as long, so that deletion has a fifth of that thread at most. While nothing runs, it need not wait. */
#ifndef WRATA_SERVER_PACER_H
#define WRATA_SERVER_PACER_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_STEP_US 8000
#define PACE_ROWS_MIN 20u
#define PACE_ROWS_MAX 4000u
#define PACE_ROWS_FIRST 100u
#define PACE_REST 4

struct pacer {
    uint32_t rows; /* of the next step; 0: the first */
};

static inline uint32_t pacer_rows(struct pacer *p)
{
    if (p->rows == 0)
        p->rows = PACE_ROWS_FIRST;
    return p->rows;
}

/* A step took so long; `was_full`: it took all that it might. The milliseconds until the next one. */
static inline uint64_t pacer_rest_ms(struct pacer *p, int64_t us, bool was_full, bool is_idle)
{
    if (us > 2 * PACE_STEP_US && p->rows > PACE_ROWS_MIN)
        p->rows = p->rows / 2 > PACE_ROWS_MIN ? p->rows / 2 : PACE_ROWS_MIN;
    else if (was_full && us < PACE_STEP_US)
        p->rows = p->rows + p->rows / 4 < PACE_ROWS_MAX ? p->rows + p->rows / 4 + 1 : PACE_ROWS_MAX;
    if (is_idle)
        return 0;
    return us * PACE_REST / 1000 < 10 ? 10 : (uint64_t)(us * PACE_REST / 1000);
}

#endif
