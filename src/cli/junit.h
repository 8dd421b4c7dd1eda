/* junit.h - results as JUnit XML, in the dialect that Jenkins, GitLab and GitHub's reporters read. */
#ifndef WRATA_CLI_JUNIT_H
#define WRATA_CLI_JUNIT_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/view.h"
#include "wire/junit_out.h"

void junit_begin(struct buf *out, const json_t *launch);
/* A file as a suite; examples in their order, n may be 0: then the file itself is the one case. */
void junit_suite(struct buf *out, const struct view_test *test, const json_t *run,
                 const json_t *const *examples, size_t n);
void junit_end(struct buf *out);

/* A file that appears whole or not at all: it is written beside its place and renamed at the end. */
struct junit_file;
MUST_USE enum err junit_file_open(const char *path, struct junit_file **ret, struct why *reterr);
MUST_USE enum err junit_file_write(struct junit_file *f, struct buf *bytes,
                                   struct why *reterr); /* empties it */
/* commit: put it in its place; else forget it. Frees f in every case; NULL is fine when not committing. */
MUST_USE enum err junit_file_close(struct junit_file *f, bool commit, struct why *reterr);

#endif
