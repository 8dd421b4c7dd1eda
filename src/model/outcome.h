/* outcome.h - what a run, a test, a launch came to, and the one table that decides it (docs/outcomes.md). */
#ifndef WRATA_MODEL_OUTCOME_H
#define WRATA_MODEL_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "model/ledger.h"

/* clang-format off */
/* In rising order of badness: a launch is as bad as its worst test. */
#define OUTCOME_MAP(X)                                                    \
    /* name           wire name         sentence */                       \
    X(NONE, "", "not over yet")                                           \
    X(PASSED, "passed", "everything passed")                              \
    X(STOPPED, "stopped", "somebody stopped it")                          \
    X(NO_TESTS, "no_tests", "no example was executed")                    \
    X(FAILED, "failed", "at least one example failed, or the script did") \
    X(TIMED_OUT, "timed_out", "a time limit ended it")                    \
    X(ERROR, "error", "an error outside of examples")                     \
    X(INFRASTRUCTURE, "infrastructure", "the machine or the way to it failed, not the test")

/* clang-format on */
enum outcome {
#define X(name, wire, text) OUTCOME_##name,
    OUTCOME_MAP(X)
#undef X
        OUTCOME_COUNT
};

const char *outcome_name(enum outcome o); /* "passed"; "" for NONE */
const char *outcome_sentence(enum outcome o);
enum outcome outcome_parse(const char *name); /* OUTCOME_COUNT when there is none of that name */
enum outcome outcome_worst(enum outcome a, enum outcome b);

/* How a process ended, as the agent saw it: mirrors wire's FINISHED, without its texts. */
struct finish {
    uint32_t how; /* enum finish_how of wire/frame.h, by number */
    int32_t exit_code;
    int32_t signal;
    int64_t duration_us;
    int64_t user_us;
    int64_t system_us;
    int64_t max_rss_kib;
    int64_t gap_us; /* slot free -> exec */
    uint64_t log_bytes;
    uint64_t log_dropped_bytes;
    uint64_t log_gap_plus_one; /* where in the log they are missing; 0: at its end, or none are */
};

/* Decide. `has_adapter`: the command is judged by examples (adapter_has_results). Writes a sentence that names the
 * cause into reason (NUL-ended, cut at size), and closes the ledger: where the way it ended explains why examples are
 * missing, they are counted as not run, for that cause. Pure. */
enum outcome outcome_decide(const struct finish *f, bool has_adapter, struct tally *t, char *reason,
                            uint32_t size);

/* The table as Markdown, in the order in which its rows are tried: docs/outcomes.md holds it. */
struct buf;
void outcome_draw(struct buf *out);

/* True when the run says nothing about the test and may be tried again elsewhere. */
bool outcome_is_infrastructure(enum outcome o);
bool finish_is_loss(const struct finish *f);  /* the server was lost, and did not fail the run */
bool finish_is_final(const struct finish *f); /* no other server would do better */

#endif
