/* private_folder.h - a place for a text that must not stay: a folder of mode 0700, in memory where there is one.
 *
 * A guard process waits for our end, however it comes, and then overwrites and removes what lies there: also after
 * kill -9, when no handler of ours could. */
#ifndef WRATA_CLI_PRIVATE_FOLDER_H
#define WRATA_CLI_PRIVATE_FOLDER_H

#include <limits.h>
#include <sys/types.h>

#include "base/err.h"

struct private_folder {
    char path[PATH_MAX];
    pid_t guard;
    int guard_fd; /* ours alone; when it is closed the guard goes to work */
};

/* In /dev/shm, else in `data`. To be called before there is any secret in memory: the guard is a copy of us. */
MUST_USE enum err private_folder_open(struct private_folder *f, const char *data, struct why *reterr);
/* Write a file of mode 0600 there. */
MUST_USE enum err private_folder_write(const struct private_folder *f, const char *name, const void *bytes,
                                       size_t n, struct why *reterr);
/* Returns when nothing of it is left. */
void private_folder_close(struct private_folder *f);

#endif
