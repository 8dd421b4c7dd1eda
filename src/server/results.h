/* results.h - reads the results channel of one run: bytes in, examples and counts out (docs/results-channel.md).
 *
 * What a test framework's adapter writes is input from outside: every line and every text has a maximum, a line
 * that cannot be read is counted and passed over, and nothing here fails the run. Pure: no I/O, no clock. */
#ifndef WRATA_SERVER_RESULTS_H
#define WRATA_SERVER_RESULTS_H

#include "base/buf.h"
#include "base/mem.h"
#include "model/rows.h"

/* Twice what adapters may write, half of the link's window: a line must fit the window to be acknowledged. */
#define RESULTS_LINE_MAX KIB(512)

struct results {
    struct run_id run;
    struct buf line;     /* the beginning of a line whose end has not come */
    bool skipping;       /* within a line that is over the maximum */
    uint64_t line_start; /* position in the channel where that line began */
    struct tally tally;
    uint32_t next_seq;
    char *running; /* id of the example that has begun and not ended; NULL none */
};

/* Begin at position `at` of the channel: 0, or where the store says it accounts up to. */
void results_init(struct results *r, struct run_id run, uint64_t at, const struct tally *tally,
                  uint32_t next_seq);
void results_done(struct results *r);

/* Examples found by results_feed(). Rows and texts live in `arena`. */
struct example_list {
    struct arena arena;
    struct example_row *rows;
    uint32_t n;
    uint32_t cap;
};

/* Take the next bytes of the channel. Examples that are complete are appended to `out`. */
void results_feed(struct results *r, const char *bytes, size_t len, struct example_list *out);

/* Everything before this position is accounted for in the tally and the examples given out. */
static inline uint64_t results_position(const struct results *r)
{
    return r->line_start;
}

#endif
