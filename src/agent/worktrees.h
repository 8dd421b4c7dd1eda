/* worktrees.h - the linked work trees of a cache: that of a slot, and those of its submodules inside of it.
 *
 * What a run leaves in its folder is not believed: a `.git` there counts only when it is the file that git wrote and when the
 * cache points back to it, and no way to a submodule leads through a symbolic link. Paths are relative to the agent's
 * folder or absolute below it. */
#ifndef WRATA_AGENT_WORKTREES_H
#define WRATA_AGENT_WORKTREES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

/* The folder `rel` ("" itself) below `tree`, each part of it a real folder; -1: it is not. To be closed by the caller. */
int worktree_open(const char *tree, const char *rel);

/* The git dir of the work tree in that folder ("CACHE/worktrees/NAME"), in the arena. NULL: there is none. Both paths absolute. */
const char *worktree_git_dir(const char *cache, const char *tree, const char *rel, struct arena *arena);

/* Is it at this commit, by its HEAD? */
bool worktree_is_at(const char *git_dir, const char *commit);

/* Take out what a git that was killed has left half done: with it, git does nothing more in this cache. Only while none is at work there. */
void worktrees_mend(const char *cache);

/* The folders inside of `tree` that are work trees of the cache and that `wanted` does not name, as paths from `tree` in the arena, at
 * most max. */
size_t worktrees_stale(const char *cache, const char *tree, bool (*wanted)(void *ctx, const char *rel),
                       void *ctx, const char **ret, size_t max, struct arena *arena);

#endif
