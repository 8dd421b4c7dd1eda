/* junit_out.h - results as JUnit XML, in the dialect that Jenkins, GitLab and GitHub's reporters read. Pure.
 *
 *     junit_out_begin, [junit_out_suite, [junit_out_case]…, junit_out_suite_end]…, junit_out_end */
#ifndef WRATA_WIRE_JUNIT_OUT_H
#define WRATA_WIRE_JUNIT_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum junit_verdict { JUNIT_PASSED, JUNIT_FAILED, JUNIT_ERROR, JUNIT_SKIPPED };

/* A run as a suite; the counts are those of the examples that follow. */
struct junit_suite {
    const char *path;
    enum junit_verdict verdict;
    const char *word;       /* "timed_out" */
    const char *reason;     /* a sentence */
    const char *started_at; /* "" it never did */
    const char *server;     /* NULL: there was no run */
    double duration_ms;
    uint64_t n; /* examples */
    uint64_t failed;
    uint64_t errors;
    uint64_t pending;
    uint64_t not_run;
    const char *not_run_reason;
};

struct junit_case {
    enum junit_verdict verdict;
    const char *const *path; /* its n_path descriptions, outermost first */
    uint32_t n_path;
    const char *file;
    uint32_t line;
    double duration_ms;
    const char *exception;
    const char *message;
    const char *const *backtrace;
    uint32_t n_backtrace;
    const char *pending; /* why it was skipped */
};

/* n_suites -1, ms -1: not known. */
void junit_out_begin(struct buf *out, const char *name, int64_t n_suites, int64_t ms);
void junit_out_suite(struct buf *out, const struct junit_suite *s);
void junit_out_case(struct buf *out, const char *path, const struct junit_case *e);
/* With a case of its own where no example shows the outcome. */
void junit_out_suite_end(struct buf *out, const struct junit_suite *s);
void junit_out_end(struct buf *out);

/* Text as XML: markup escaped, what XML cannot hold as U+FFFD. In an attribute also newlines are escaped. */
void junit_escape(struct buf *out, const char *s, bool is_attribute);

#endif
