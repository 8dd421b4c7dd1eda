/* snapshot_subs.c - the submodules of a work tree, each as it is now.
 *
 * A submodule that is checked out becomes a commit of its own, made as the project's is: of content alone, with its uncommitted
 * changes and its own submodules. The commit above names that one. One that is not checked out is an empty folder here, and
 * is left out: nothing is fetched that the folder does not have. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/git.h"
#include "cli/snapshot_private.h"

#define DEPTH_MAX 10u
#define LIST_BYTES_MAX MIB(512)

static bool is_checked_out(const char *folder)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof(path), "%s/.git", folder) < (int)sizeof(path) && access(path, F_OK) == 0;
}

static enum err add_sub(struct snapshot *s, const char *commit, struct why *reterr)
{
    if (s->n_subs == SNAPSHOT_SUBS_MAX)
        return why_set(reterr, ERR_LIMIT, "dir", "there are more than %u submodules", SNAPSHOT_SUBS_MAX);
    (void)snprintf(s->subs[s->n_subs++], ID_BYTES, "%s", commit);
    return ERR_OK;
}

static enum err take_one(struct snapshot *s, const char *folder, unsigned depth, char *ret,
                         struct why *reterr)
{
    char index[PATH_MAX];
    char tree[ID_BYTES] = "";
    struct git g;
    enum err err;

    if (depth > DEPTH_MAX)
        return why_set(reterr, ERR_LIMIT, "dir", "submodules are nested more than %u deep", DEPTH_MAX);
    if (snprintf(index, sizeof(index), "%s/index-sub-%u", s->temp, s->n_taken++) >= (int)sizeof(index))
        return why_set(reterr, ERR_LIMIT, "dir", "%.100s: the path is too long", s->temp);
    err = snapshot_borrow(s, folder, index, reterr);
    g = snapshot_git(s, folder, index);
    if (err == ERR_OK)
        err = git_run(&g, GIT_ARGS("add", "-A", "--", "."), NULL, reterr);
    if (err == ERR_OK)
        err = snapshot_subs(s, &g, depth, reterr);
    if (err == ERR_OK)
        err = snapshot_id(&g, GIT_ARGS("write-tree"), tree, reterr);
    if (err == ERR_OK)
        err = snapshot_id(&g, GIT_ARGS("commit-tree", tree, "-m", "work tree of a submodule"), ret, reterr);
    return err == ERR_OK ? add_sub(s, ret, reterr) : err;
}

/* The place of one submodule in the index of what holds it. */
static enum err place_one(struct snapshot *s, const struct git *g, const char *path, unsigned depth,
                          struct why *reterr)
{
    char folder[PATH_MAX];
    char commit[ID_BYTES] = "";
    char entry[PATH_MAX + ID_BYTES + 16];
    enum err err;

    if (snprintf(folder, sizeof(folder), "%s/%s", g->folder, path) >= (int)sizeof(folder))
        return why_set(reterr, ERR_LIMIT, "dir", "%.100s: the path is too long", path);
    if (!is_checked_out(folder))
        return git_run(g, GIT_ARGS("update-index", "--force-remove", "--", path), NULL, reterr);
    err = take_one(s, folder, depth + 1, commit, reterr);
    if (err != ERR_OK)
        return err;
    (void)snprintf(entry, sizeof(entry), "160000,%s,%s", commit, path);
    return git_run(g, GIT_ARGS("update-index", "--add", "--cacheinfo", entry), NULL, reterr);
}

enum err snapshot_subs(struct snapshot *s, const struct git *g, unsigned depth, struct why *reterr)
{
    struct buf list;
    const char *end;
    enum err err;

    buf_init(&list, LIST_BYTES_MAX);
    err = git_run(g, GIT_ARGS("ls-files", "-s", "-z"), &list, reterr);
    end = buf_str(&list) + list.len;
    for (const char *p = buf_str(&list); err == ERR_OK && p < end; p += strlen(p) + 1) {
        const char *path = strchr(p, '\t');

        if (strncmp(p, "160000 ", 7) == 0 && path != NULL)
            err = place_one(s, g, path + 1, depth, reterr);
    }
    buf_done(&list);
    return err;
}
