/* report.h - lines of the results channel (docs/results-channel.md), written for frameworks that do not know it.
 *
 * The readers of TAP and JUnit call these; each call hands one JSON line to the sink at once. Texts may hold any bytes: what
 * is not UTF-8 becomes U+FFFD, NUL its picture, and what is over its limit is cut and ends in "…". Pure; one thread. */
#ifndef WRATA_REPORT_REPORT_H
#define WRATA_REPORT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define REPORT_LINE_MAX KIB(256) /* of a line with its end */
#define REPORT_TEXT_MAX KIB(64)  /* message, reason */
#define REPORT_NAME_MAX 1000u    /* a part of a path, an exception's class, a frame: the server takes 1024 */
#define REPORT_FILE_MAX 4000u
#define REPORT_FRAMES_MAX 200u
#define REPORT_DEPTH_MAX 16u /* parts of a path */
#define REPORT_ARTIFACTS_MAX 50u

/* `line` ends in '\n'. Borrowed for the call. */
typedef void report_sink(void *ctx, const char *line, size_t n);

struct report {
    report_sink *sink;
    void *ctx;
    struct buf line;
    bool started;
    uint32_t examples;
    uint32_t failed;
    uint32_t pending;
    uint32_t errors;
};

enum report_status { REPORT_PASSED, REPORT_FAILED, REPORT_PENDING };

struct report_example {
    const struct slice *path; /* outermost first; empty parts are left out */
    uint32_t n_path;
    enum report_status status;
    struct slice file; /* may be empty */
    uint32_t line;
    double ms;
    struct slice exception;
    struct slice message;
    struct slice backtrace;       /* lines */
    struct slice pending;         /* reason */
    const char *const *artifacts; /* paths of files that it left */
    uint32_t n_artifacts;
};

void report_init(struct report *r, report_sink *sink, void *ctx);
void report_done(struct report *r);

void report_start(struct report *r, const char *adapter,
                  const char *version);            /* once; later calls do nothing */
void report_plan(struct report *r, uint32_t more); /* so many more examples will come */
void report_not_run(struct report *r, uint32_t n, const char *fmt, ...)
    PRINTF_LIKE(3, 4); /* of those announced; why */
void report_running(struct report *r, const struct slice *path, uint32_t n);
void report_example(struct report *r, const struct report_example *e);
void report_error(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3); /* outside of examples */
void report_error_text(struct report *r, struct slice exception, struct slice message,
                       struct slice backtrace);
void report_end(struct report *r, bool aborted);

/* A text that is collected up to a maximum; what is over it is dropped, and the text ends in "…". */
void text_init(struct buf *b, size_t max);
void text_add(struct buf *b, const char *s, size_t n);

#endif
