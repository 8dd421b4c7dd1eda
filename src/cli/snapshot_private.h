/* snapshot_private.h - what snapshot.c and snapshot_path.c share. */
#ifndef WRATA_CLI_SNAPSHOT_PRIVATE_H
#define WRATA_CLI_SNAPSHOT_PRIVATE_H

#include <limits.h>
#include <stdbool.h>

#include "base/buf.h"
#include "cli/snapshot.h"

#define ID_BYTES 72 /* 40 or 64 hex digits; "" is none */

struct snapshot {
    char root[PATH_MAX];
    char data[PATH_MAX];
    char project[64];
    char url[PATH_MAX];
    bool is_repo;
    char temp[PATH_MAX]; /* "" before it is made */
    char repo[PATH_MAX];
    char objects[PATH_MAX];
    char index[PATH_MAX];
    char bundle[PATH_MAX];
    char anchor_tree[ID_BYTES];
    char anchor[ID_BYTES];
    char commit[ID_BYTES];
    struct buf listing; /* what the files point into */
    const char **files;
    size_t n_files;
};

#endif
