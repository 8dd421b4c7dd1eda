/* lfs.h - files of Git LFS on a machine: git's filter for them, without git-lfs.
 *
 *     git checkout --sh -c--> wrata-agent lfs DIR/ID PROJECT     `filter.lfs.process` of the cache (prepare_lfs.c)
 *           | pointers             | cache/lfs-p<PROJECT>/ab/OID, or through the agent's socket from the controller
 *           v content              v
 *
 * git decides which files they are, by their attributes; so a checkout writes only what changed, `git status` in a run is clean, and a
 * script may use git as with git-lfs. (Pointers that are replaced after a checkout would be changes to git.)
 *
 * lfs_filter.c speaks git's protocol (gitattributes(5), "Long Running Filter Process"), lfs_cache.c has the files. */
#ifndef WRATA_AGENT_LFS_H
#define WRATA_AGENT_LFS_H

#include <stdbool.h>

#include "base/err.h"
#include "wire/agent_lfs.h"

#define LFS_CACHE "cache/lfs-p" /* and the project's number */

/* `wrata-agent lfs DIR/ID PROJECT`. Its exit status. */
int lfs_main(int argc, char **argv);

/* ---- lfs_cache.c: the process's own folder is DIR/ID ---- */

struct lfs_cache {
    const char *project; /* its number */
};
/* The file, open; its place in the list of those that go is the last. -1: it is not here. */
int lfs_cache_open(const struct lfs_cache *c, const struct lfs_pointer *p);
/* Bring n files that are not here; ok[i] says which came, and *reterr why the first that did not was not. Others that bring files of
 * this project are waited for, since what they bring may be the same. */
void lfs_cache_bring(const struct lfs_cache *c, const struct lfs_pointer *all, size_t n, bool *ok,
                     struct why *reterr);
/* A file of no name that is gone when it is closed. -1: errno. */
int lfs_cache_scratch(const struct lfs_cache *c);

#endif
