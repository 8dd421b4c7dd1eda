/* junit.h - reads JUnit XML, the dialects of it there are, and writes lines of the results channel.
 *
 * One reader takes all files of a run, one after the other:
 *
 *     junit_new -> (junit_open -> junit_feed... -> junit_close)... -> junit_end
 *
 * A testcase is an example; the names of the testsuites around it and its classname are its groups. failure and error make it
 * failed, skipped pending. failure or error right below a testsuite is an error outside of examples. Properties and output are
 * passed over. A file that is no such report, or ends in the middle, is an error outside too; what it told before counts. */
#ifndef WRATA_REPORT_JUNIT_H
#define WRATA_REPORT_JUNIT_H

#include "report/report.h"

struct junit;

OWNED struct junit *junit_new(report_sink *sink, void *ctx);
void junit_free(struct junit *j);

void junit_open(struct junit *j, const char *file); /* its name, for people */
bool junit_feed(struct junit *j, const char *bytes,
                size_t n); /* false: the rest of this file is not wanted */
void junit_close(struct junit *j);
void junit_error(struct junit *j,
                 const char *text); /* outside of examples: what went wrong around the files */

/* whole: the run ended by itself, so the report has an end. Else it was stopped, and files that were cut are no news. */
void junit_end(struct junit *j, bool whole);

#endif
