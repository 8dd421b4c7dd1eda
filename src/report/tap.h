/* tap.h - reads TAP (12, 13, 14) from what a script prints and writes lines of the results channel.
 *
 *     1..2                     plan, first or last
 *     # Subtest: math          names what follows
 *         ok 1 - adds          indented by four: a subtest
 *         1..1
 *     ok 1 - math              sums up its subtest
 *     not ok 2 - divides # todo later
 *       ---                    YAML: message, at, duration_ms, stack ...
 *       ...
 *
 * Examples are the leaves: `math` above is no example but the name of a group. A point that sums up a subtest is one only when it
 * fails although nothing in it did, or when nothing was in it. Lines that are not TAP are passed over: the output is also the log.
 *
 * A point is held until the next line tells that no YAML follows, so that it goes out with its message and time. Whoever feeds
 * calls tap_pause() when nothing more is there for now: what did not fail is let go then. */
#ifndef WRATA_REPORT_TAP_H
#define WRATA_REPORT_TAP_H

#include "report/report.h"

#define TAP_LINE_MAX KIB(64) /* a longer line is cut */
#define TAP_DEPTH_MAX 12u    /* of subtests; what is deeper is passed over */

struct tap;

/* root: the folder the script runs in, taken off the paths in YAML; NULL: none. */
OWNED struct tap *tap_new(const char *root, report_sink *sink, void *ctx);
void tap_free(struct tap *t);
void tap_feed(struct tap *t, const char *bytes, size_t n);
void tap_pause(struct tap *t);

/* The output is over. whole: the script ended by itself, so a missing plan or missing tests are its fault and the report has an
 * end; else it was stopped, and what is missing is no news. */
void tap_end(struct tap *t, bool whole);

#endif
