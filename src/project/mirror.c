/* mirror.c - the jobs that change a mirror: refresh, bundle, remove.
 *
 * The first fetch goes into DIR/p<ID>.git.new, which takes its name when it is whole. Every fetch names the url and
 * what it takes: heads and tags, pruned. refs/wrata/ - commits from bundles - is left to prune.c.
 * A mirror has no hooks, no gc and no remote of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "project/project_private.h"

/* ---- what is on disk ---- */

bool mirror_exists(const struct mirror *m)
{
    char path[PATH_BYTES_MAX];

    (void)snprintf(path, sizeof(path), "%s/HEAD", m->path);
    return access(path, F_OK) == 0;
}

void mirror_head(const struct mirror *m, char *out, size_t size)
{
    char path[PATH_BYTES_MAX];
    char text[512];
    FILE *f;

    out[0] = '\0';
    (void)snprintf(path, sizeof(path), "%s/HEAD", m->path);
    f = fopen(path, "re");
    if (f == NULL)
        return;
    answer_head((struct slice){text, fread(text, 1, sizeof(text), f)}, out, size);
    (void)fclose(f);
}

/* ---- refresh ---- */

enum { REFRESH_BEGIN, REFRESH_CLEARED, REFRESH_MADE, REFRESH_ASKED, REFRESH_FETCHED, REFRESH_HEAD_SET };

static const char *refresh_dir(const struct job *j)
{
    return j->is_new ? j->mirror->path_new : j->mirror->path;
}

static void refresh_ask(struct job *j)
{
    const char *const words[] = {"ls-remote", "--quiet", "--symref", "--", j->url, "HEAD", NULL};

    j->step = REFRESH_ASKED;
    job_git_remote(j, refresh_dir(j), words, GIT_ASK_MS);
}

static void refresh_begin(struct job *j)
{
    const char *const clear[] = {"rm", "-rf", "--", j->mirror->path_new, NULL};
    char url[URL_BYTES_MAX + 64];
    struct why why;

    if (project_url(j->url, projects_login(j->mirror->ps)->host, url, sizeof(url), &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return;
    }
    free(j->url);
    j->url = xstrdup(url);
    j->is_new = !mirror_exists(j->mirror);
    if (!j->is_new) {
        refresh_ask(j);
        return;
    }
    j->step = REFRESH_CLEARED;
    job_run(j, clear, GIT_LOCAL_MS);
}

static void refresh_fetch(struct job *j)
{
    const char *const words[] = {"fetch",
                                 "--quiet",
                                 "--prune",
                                 "--no-tags",
                                 "--no-auto-maintenance",
                                 "--no-write-fetch-head",
                                 "--no-recurse-submodules",
                                 "--",
                                 j->url,
                                 "+refs/heads/*:refs/heads/*",
                                 "+refs/tags/*:refs/tags/*",
                                 NULL};

    j->step = REFRESH_FETCHED;
    job_git_remote(j, refresh_dir(j), words, GIT_FETCH_MS);
}

static void refresh_set_head(struct job *j)
{
    const char *name = arena_printf(&j->arena, "refs/heads/%s", j->head);
    const char *const words[] = {"symbolic-ref", "HEAD", name, NULL};

    j->step = REFRESH_HEAD_SET;
    job_git(j, refresh_dir(j), words, NULL, GIT_LOCAL_MS);
}

static void refresh_finish(struct job *j)
{
    struct why why;

    j->mirror->refs.is_valid = false;
    j->mirror->generation++;
    if (j->is_new && rename(j->mirror->path_new, j->mirror->path) != 0) {
        (void)why_errno(&why, ERR_IO, errno, "%s", j->mirror->path);
        job_end(j, why.code, &why);
        return;
    }
    job_end(j, ERR_OK, NULL);
}

void refresh_step(struct job *j, const struct child_exit *e)
{
    const char *const init[] = {"init", "--quiet", "--bare", "--template=", NULL};

    if (e != NULL && j->step == REFRESH_FETCHED) { /* one that failed may have changed some of them */
        j->mirror->refs.is_valid = false;
        j->mirror->generation++;
    }
    if (e != NULL && job_failed(e) && j->step != REFRESH_HEAD_SET) {
        job_end_git(j, e, ERR_IO,
                    j->step == REFRESH_ASKED || j->step == REFRESH_FETCHED ? "fetch" : "make the mirror");
        return;
    }
    switch (j->step) {
    case REFRESH_BEGIN:
        refresh_begin(j);
        break;
    case REFRESH_CLEARED:
        j->step = REFRESH_MADE;
        job_git(j, refresh_dir(j), init, NULL, GIT_LOCAL_MS);
        break;
    case REFRESH_MADE:
        refresh_ask(j);
        break;
    case REFRESH_ASKED:
        answer_head(e->out, j->head, sizeof(j->head));
        refresh_fetch(j);
        break;
    case REFRESH_FETCHED:
        if (j->head[0] != '\0')
            refresh_set_head(j);
        else
            refresh_finish(j);
        break;
    case REFRESH_HEAD_SET: /* a name that git does not like leaves the old one: no reason to fail */
        refresh_finish(j);
        break;
    default:
        CHECK(!"a step of refresh_step");
    }
}

/* ---- remove ---- */

void remove_step(struct job *j, const struct child_exit *e)
{
    const char *const words[] = {"rm", "-rf", "--", j->mirror->path, j->mirror->path_new, NULL};

    if (e != NULL) {
        job_end(j, ERR_OK, NULL);
        return;
    }
    projects_trees_drop(j->mirror->ps, j->mirror->id);
    j->mirror->refs.is_valid = false;
    j->mirror->generation++;
    job_run(j, words, GIT_FETCH_MS);
}

/* ---- bundle ---- */

enum { BUNDLE_BEGIN, BUNDLE_MADE, BUNDLE_TAKEN, BUNDLE_PEELED, BUNDLE_REFS_MADE };

static void bundle_take(struct job *j)
{
    const char *const words[] = {"bundle", "unbundle", j->bundle, NULL};

    j->step = BUNDLE_TAKEN;
    job_git(j, j->mirror->path, words, NULL, GIT_FETCH_MS);
}

static void bundle_peel(struct job *j, struct slice out)
{
    const char *const words[] = {"cat-file", "--batch-check", NULL};
    struct buf questions;

    buf_init(&questions, MIB(1));
    bundle_questions(out, &questions);
    j->step = BUNDLE_PEELED;
    job_git(j, j->mirror->path, words, buf_take(&questions, NULL), GIT_LOCAL_MS);
}

static void bundle_make_refs(struct job *j, struct slice out)
{
    const char *const words[] = {"update-ref", "--stdin", NULL};
    struct buf orders;
    struct why why;

    buf_init(&orders, MIB(2));
    j->n_commits = bundle_commits(out, &j->arena, &j->commits, &orders);
    if (j->n_commits == 0) {
        buf_done(&orders);
        (void)why_set(&why, ERR_INVALID, NULL, "the bundle has no commit");
        job_end(j, why.code, &why);
        return;
    }
    j->step = BUNDLE_REFS_MADE;
    job_git(j, j->mirror->path, words, buf_take(&orders, NULL), GIT_LOCAL_MS);
}

void bundle_step(struct job *j, const struct child_exit *e)
{
    const char *const init[] = {"init", "--quiet", "--bare", "--template=", NULL};

    if (e != NULL && job_failed(e)) {
        job_end_git(j, e, j->step == BUNDLE_TAKEN ? ERR_INVALID : ERR_IO, "take the bundle");
        return;
    }
    switch (j->step) {
    case BUNDLE_BEGIN:
        j->step = BUNDLE_MADE;
        if (mirror_exists(j->mirror))
            bundle_take(j);
        else
            job_git(j, j->mirror->path, init, NULL, GIT_LOCAL_MS);
        break;
    case BUNDLE_MADE:
        bundle_take(j);
        break;
    case BUNDLE_TAKEN:
        bundle_peel(j, e->out);
        break;
    case BUNDLE_PEELED:
        bundle_make_refs(j, e->out);
        break;
    case BUNDLE_REFS_MADE:
        j->mirror->generation++;
        j->is_told = true;
        j->on_bundle(j->ctx, ERR_OK, NULL, j->commits, j->n_commits);
        job_end(j, ERR_OK, NULL);
        break;
    default:
        CHECK(!"a step of bundle_step");
    }
}
