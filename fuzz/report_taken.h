/* report_taken.h - what a parser of reports gave, taken as the server takes it. */
#ifndef WRATA_FUZZ_REPORT_TAKEN_H
#define WRATA_FUZZ_REPORT_TAKEN_H

#include "base/check.h"
#include "report/report.h"
#include "server/results.h"

struct taken {
    struct results r;
    struct example_list list;
};

static void take(void *ctx, const char *line, size_t n)
{
    struct taken *t = ctx;

    CHECK(n <= REPORT_LINE_MAX && line[n - 1] == '\n');
    results_feed(&t->r, line, n, &t->list);
}

#endif
