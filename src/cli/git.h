/* git.h - running git as a child process and waiting for it. */
#ifndef WRATA_CLI_GIT_H
#define WRATA_CLI_GIT_H

#include "base/buf.h"
#include "base/err.h"

/* Where git works. All borrowed, NULL: not set. */
struct git {
    const char *folder; /* git -C */
    const char *git_dir;
    const char *work_tree;
    const char *index_file;
    const char *object_dir;
    const char *date; /* of author and committer, who are then wrata itself: equal content, equal commit */
};

/* Run git with the words of argv (NULL-ended, without "git"). Its standard output goes into `out` (NULL: dropped). Whatever
 * the caller's own environment says of repositories is not passed on.
 * Errors: ERR_IO with git's own last words; ERR_TIMEOUT when interrupted. */
MUST_USE enum err git_run(const struct git *g, const char *const *argv, struct buf *out, struct why *reterr);

/* As git_run, with the newline at the end of the output removed. */
MUST_USE enum err git_line(const struct git *g, const char *const *argv, struct buf *out, struct why *reterr);

#define GIT_ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
