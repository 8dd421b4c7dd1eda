/* report.h - what a person reads of a launch: a line per file, the failures, the summary. Pure but for the log's end,
 * which is fetched by the caller. */
#ifndef WRATA_CLI_REPORT_H
#define WRATA_CLI_REPORT_H

#include <jansson.h>

#include "cli/term.h"
#include "cli/view.h"

/* "✓ passed    spec/a_spec.rb  12 examples  1.4s  local-1" and a newline. run may be NULL. */
void report_file(struct buf *out, const struct term *t, const struct view_test *test, const json_t *run);

/* "↻ again     spec/a_spec.rb  local-1: it fell silent" */
void report_lost(struct buf *out, const struct term *t, const json_t *run);

/* How a file is run again from where the user is. */
struct report_again {
    const char *command; /* what stands in front of the path: "wrata run " */
    const char *folder;  /* the user's folder within the project; "" its root */
};

/* One failed example, or an error outside of examples. */
void report_example(struct buf *out, const struct term *t, int number, const json_t *example,
                    const json_t *run, const struct report_again *again);

/* A file that did not pass and has no failed example; log: the end of its output, may be "". */
void report_failed_file(struct buf *out, const struct term *t, int number, const struct view_test *test,
                        const json_t *run, const char *log, const struct report_again *again);

/* "238 failures, 3 causes: 230 × no element …; …" of what GET /launches/N/causes answered, and a newline. */
void report_causes(struct buf *out, const json_t *causes);
/* "2 new, 5 known, 3 fixed since launch 11" of its counts, and a newline. */
void report_compared(struct buf *out, const json_t *counts, int64_t with);

/* "FAILED: 3 of 12 files failed …": outcome in a word, counts, time. */
void report_summary(struct buf *out, const struct term *t, const json_t *launch, int64_t elapsed_ms);

#endif
