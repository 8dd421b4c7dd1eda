/* log_times.h - when lines of a log were printed, as few bytes.
 *
 * A mark says that a line, and those behind it up to the next mark, began at a time. Coded: for each mark the
 * difference of its line to the one before, then that of its time, as variable-length numbers (7 bits in a byte, the
 * lowest first, the high bit: more follows); times never go back. The first mark's differences are to 0. Pure. */
#ifndef WRATA_STORE_LOG_TIMES_H
#define WRATA_STORE_LOG_TIMES_H

#include <stdbool.h>

#include "base/buf.h"

#define LOG_TIMES_MAX 256u  /* marks of a piece of a log; with more, every second one goes */
#define LOG_TIMES_STEP_MS 5 /* marks that are nearer to each other are one */
#define LOG_TIMES_BYTES_MAX (LOG_TIMES_MAX * 20u)

struct log_mark {
    uint64_t line; /* from 0 */
    int64_t ms;    /* since 1970 */
};

struct log_marks {
    struct log_mark at[LOG_TIMES_MAX];
    uint32_t n;
    int64_t step_ms; /* between two of them; 0: LOG_TIMES_STEP_MS */
};

/* Behind those that are there. What is nearer than the step, or not behind them in lines, is not added; a time that went
 * back is the one before. */
void log_marks_add(struct log_marks *m, uint64_t line, int64_t ms);

void log_times_encode(const struct log_marks *m, struct buf *out); /* at most LOG_TIMES_BYTES_MAX */

/* Call `each` for each mark; what is no code ends it. */
void log_times_each(struct slice coded, void (*each)(void *ctx, struct log_mark mark), void *ctx);

#endif
