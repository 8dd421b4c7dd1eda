/* prune.c - commits that bundles brought or that were launched do not stay for ever: refs/wrata/ names each, and its file is as old
 * as its arrival or its last launch (tree.c; nothing packs them). Nor do those of submodules: refs/wrata/sub/, each as old as the
 * last launch with it (subs.c).
 * Those that are old and that nobody needs are dropped, and then, unless branches hold them all, the space is given back:
 * what no ref reaches goes at once, so that a commit is either there with its ref or not at all, and whoever asks whether
 * it must be sent again gets the right answer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "project/project_private.h"

#define DROPPED_MAX 10000u /* of a folder in one go; the rest the next time */

enum { PRUNE_LOOK, PRUNE_LFS, PRUNE_DROPPED, PRUNE_ASKED, PRUNE_REPACKED, PRUNE_SWEPT };

static bool is_kept(const struct job *j, const char *commit)
{
    for (uint32_t i = 0; i < j->n_patterns; i++) {
        if (strcmp(j->patterns[i], commit) == 0)
            return true;
    }
    return false;
}

static bool is_commit(const char *name)
{
    size_t n = strlen(name);

    return (n == 40 || n == 64) && strspn(name, "0123456789abcdef") == n;
}

/* Orders for `git update-ref --stdin`, for the refs in a folder; and the commits, for `git rev-list --stdin`. */
static uint32_t find_old(const struct job *j, const char *folder, struct buf *orders, struct buf *commits)
{
    char path[PATH_BYTES_MAX];
    struct dirent *d;
    struct stat st;
    uint32_t n = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/%s", j->mirror->path, folder);
    dir = opendir(path);
    if (dir == NULL)
        return 0;
    while (n < DROPPED_MAX && (d = readdir(dir)) != NULL) {
        if (!is_commit(d->d_name) || is_kept(j, d->d_name) || fstatat(dirfd(dir), d->d_name, &st, 0) != 0 ||
            (int64_t)st.st_mtim.tv_sec * 1000 >= j->older_than.ms)
            continue;
        buf_printf(orders, "delete %s/%s\n", folder, d->d_name);
        buf_printf(commits, "%s\n", d->d_name);
        n++;
    }
    (void)closedir(dir);
    return n;
}

/* Files of Git LFS that no launch had for so long, and what git-lfs left of its work. */
static void prune_lfs(struct job *j)
{
    const char *folder = arena_printf(&j->arena, "%s/lfs", j->mirror->path);
    const char *then = arena_printf(&j->arena, "@%lld", (long long)(j->older_than.ms / 1000));
    const char *const words[] = {"find", folder, "-type",    "f",  "!",       "-newerat",
                                 then,   "!",    "-newermt", then, "-delete", NULL};

    j->step = PRUNE_LFS;
    job_run(j, words, GIT_FETCH_MS);
}

static void prune_look(struct job *j)
{
    const char *const words[] = {"update-ref", "--stdin", NULL};
    struct buf commits;
    struct buf orders;
    uint32_t n;

    buf_init(&orders, MIB(4));
    buf_init(&commits, MIB(4));
    n = find_old(j, "refs/wrata", &orders, &commits);
    n += find_old(j, "refs/wrata/sub", &orders, &commits);
    free(j->bundle);
    j->bundle = buf_take(&commits, NULL);
    if (n == 0) {
        buf_done(&orders);
        job_end(j, ERR_OK, NULL);
        return;
    }
    LOG_INFO("project.prune", "project=%llu commits=%u", (unsigned long long)j->mirror->id.v, n);
    j->step = PRUNE_DROPPED;
    job_git(j, j->mirror->path, words, buf_take(&orders, NULL), GIT_LOCAL_MS);
}

void prune_step(struct job *j, const struct child_exit *e)
{
    const char *const ask[] = {"rev-list", "--max-count=1", "--stdin", "--not", "--all", NULL};
    const char *const repack[] = {"repack", "-a", "-d", "-q", NULL};
    const char *const sweep[] = {"prune", "--expire=now", NULL};

    if (e != NULL && j->step != PRUNE_LFS && job_failed(e)) { /* there may be none */
        job_end_git(j, e, ERR_IO, "drop old commits");
        return;
    }
    switch (j->step) {
    case PRUNE_LOOK:
        prune_lfs(j);
        break;
    case PRUNE_LFS:
        prune_look(j);
        break;
    case PRUNE_DROPPED:
        j->mirror->generation++;
        j->step = PRUNE_ASKED;
        job_git(j, j->mirror->path, ask, j->bundle, GIT_LOCAL_MS);
        j->bundle = NULL;
        break;
    case PRUNE_ASKED:
        if (e->out.len == 0) { /* branches and tags hold each of them: there is no space to give back */
            job_end(j, ERR_OK, NULL);
            break;
        }
        projects_trees_drop(j->mirror->ps, j->mirror->id); /* some are of commits that go */
        j->step = PRUNE_REPACKED;
        job_git(j, j->mirror->path, repack, NULL, GIT_FETCH_MS);
        break;
    case PRUNE_REPACKED:
        j->step = PRUNE_SWEPT;
        job_git(j, j->mirror->path, sweep, NULL, GIT_FETCH_MS);
        break;
    case PRUNE_SWEPT:
        job_end(j, ERR_OK, NULL);
        break;
    default:
        CHECK(!"a step of prune_step");
    }
}
