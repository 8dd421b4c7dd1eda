/* snapshot.h - the work tree as it is now, as a commit that the server can have. */
#ifndef WRATA_CLI_SNAPSHOT_H
#define WRATA_CLI_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct snapshot;

/* Take the folder `dir` (of a git repository: its whole work tree) as a commit, in a folder of our own; the user's
 * repository is only read. data: the data folder, left out when it lies inside.
 * Errors: ERR_INVALID the folder cannot be used; ERR_IO git or the disk failed. */
MUST_USE enum err snapshot_take(const char *dir, const char *data, struct snapshot **ret, struct why *reterr);
void snapshot_free(struct snapshot *s); /* removes its files; NULL is fine */

const char *snapshot_commit(const struct snapshot *s);
const char *snapshot_root(const struct snapshot *s); /* absolute, without links */
/* Its folder's name and a hash of its path: "docs-3f9a12bc". */
const char *snapshot_project(const struct snapshot *s);
const char *snapshot_url(const struct snapshot *s); /* file://… */

/* The repositories that its remotes name, origin first, as git_url_key() writes them; until one answers false. */
void snapshot_remotes(const struct snapshot *s, bool (*one)(void *ctx, const char *key), void *ctx);

/* Does the server have this commit? */
typedef bool snapshot_has_fn(void *ctx, const char *commit);
/* Write what is missing there as a git bundle; *ret_path is borrowed, NULL when nothing is missing. */
MUST_USE enum err snapshot_bundle(struct snapshot *s, snapshot_has_fn *has, void *ctx, const char **ret_path,
                                  struct why *reterr);
/* The server has it now: next time only differences to it are sent. */
void snapshot_sent(struct snapshot *s);

/* All files, sorted, paths from the root. */
const char *const *snapshot_files(const struct snapshot *s, size_t *ret_n);

/* Turn what a person wrote (relative to `cwd`) into paths or globs from the root, checked against the snapshot:
 * "b_spec.rb:12" in folder spec becomes "spec/b_spec.rb:12". *ret is malloc'ed.
 * ERR_INVALID says which one is wrong, and why. */
MUST_USE enum err snapshot_path(const struct snapshot *s, const char *cwd, const char *given, char **ret,
                                struct why *reterr);

/* Does a slash-separated path match a glob with * ? [a-z] within a segment and ** over segments? */
bool snapshot_glob(const char *glob, const char *path);

#endif
