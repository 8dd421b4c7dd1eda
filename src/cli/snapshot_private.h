/* snapshot_private.h - what snapshot.c, snapshot_subs.c and snapshot_path.c share. */
#ifndef WRATA_CLI_SNAPSHOT_PRIVATE_H
#define WRATA_CLI_SNAPSHOT_PRIVATE_H

#include <limits.h>
#include <stdbool.h>

#include "base/buf.h"
#include "cli/snapshot.h"

#define ID_BYTES 72 /* 40 or 64 hex digits; "" is none */
#define SNAPSHOT_SUBS_MAX 500u

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
    char subs[SNAPSHOT_SUBS_MAX][ID_BYTES]; /* the commits of submodules */
    unsigned n_subs;
    unsigned n_taken;
};

struct git;
/* Lend the objects of the repository in that folder, and copy its index. */
enum err snapshot_borrow(struct snapshot *s, const char *folder, const char *index, struct why *reterr);
struct git snapshot_git(const struct snapshot *s, const char *folder, const char *index);
enum err snapshot_id(const struct git *g, const char *const *argv, char *ret, struct why *reterr);

/* Put the commits of submodules, as they are now, in the index that git works on. */
enum err snapshot_subs(struct snapshot *s, const struct git *g, unsigned depth, struct why *reterr);

#endif
