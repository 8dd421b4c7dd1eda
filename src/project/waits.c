/* waits.c - jobs that need another one first, and begin again where they were when that is over.
 *
 * A plan whose ref is not known has the mirror refreshed; one of a commit with submodules, or with files of Git LFS, has these brought.
 * Meanwhile it is in no list: it belongs to the other job. What only has to wait for its turn goes back to the front of the queue. */
#include <stdlib.h>
#include <string.h>

#include "project/project_private.h"

/* ---- a plan whose ref is not known here ---- */

static void on_refreshed_for_plan(void *ctx, enum err err, const struct why *why)
{
    struct job *j = ctx;
    struct why more;

    if (err == ERR_OK) {
        j->step = 0;
        job_requeue(j);
        return;
    }
    (void)why_set(&more, err, "ref", "ref: '%.60s' is not known here, and: %s", j->ref, why->text);
    job_end(j, err, &more);
}

void job_refresh_first(struct job *j)
{
    j->has_refreshed = true;
    job_unlist(j); /* it belongs to the refresh until that has ended */
    projects_refresh(j->mirror->ps, j->mirror->id, j->url, on_refreshed_for_plan, j);
}

static void job_park(struct job *j, unsigned step)
{
    job_unlist(j);
    j->step = step;
    job_requeue(j);
}

bool job_waits_for_prune(struct job *j, unsigned step)
{
    const struct job *r = j->mirror->running;

    while (r != NULL && r->kind != JOB_PRUNE)
        r = r->next;
    j->waits_for_prune = r != NULL;
    if (r != NULL)
        job_park(j, step);
    return r != NULL;
}

bool job_waits_for_lfs(struct job *j, unsigned step)
{
    const struct job *r = j->mirror->running;

    while (r != NULL && (r == j || !r->fetches_lfs))
        r = r->next;
    j->waits_for_lfs = r != NULL;
    if (r != NULL)
        job_park(j, step);
    return r != NULL;
}

/* ---- a plan of a commit with submodules ---- */

static void on_subs_for_plan(void *ctx, enum err err, const struct why *why, const struct plan_submodule *all,
                             uint32_t n)
{
    struct job *j = ctx;
    struct plan_submodule *own;

    if (err != ERR_OK) {
        job_end(j, err, why);
        return;
    }
    j->submodules = own = arena_alloc(&j->arena, ((size_t)n + 1) * sizeof(*own));
    for (uint32_t i = 0; i < n; i++)
        own[i] = (struct plan_submodule){.path = arena_strdup(&j->arena, all[i].path),
                                         .commit = arena_strdup(&j->arena, all[i].commit),
                                         .url = arena_strdup(&j->arena, all[i].url)};
    j->n_submodules = n;
    j->has_submodules = true;
    job_requeue(j);
}

void job_subs_first(struct job *j, unsigned step)
{
    struct job *subs;

    job_unlist(j); /* it belongs to the other one until that has ended */
    j->step = step;
    subs = job_new(j->mirror->ps, j->mirror->id, JOB_SUBS, j);
    free(subs->url);
    subs->url = xstrdup(j->url);
    memcpy(subs->commit, j->commit, sizeof(subs->commit));
    subs->on_subs = on_subs_for_plan;
}

/* ---- and with files of Git LFS ---- */

static void on_lfs_for_plan(void *ctx, enum err err, const struct why *why, const char *key, uint32_t n_files,
                            uint64_t bytes)
{
    struct job *j = ctx;

    if (err != ERR_OK) {
        job_end(j, err, why);
        return;
    }
    j->lfs_key = arena_strdup(&j->arena, key);
    j->n_lfs_files = n_files;
    j->lfs_bytes = bytes;
    j->has_lfs = true;
    job_requeue(j);
}

void job_lfs_first(struct job *j, unsigned step)
{
    struct job *lfs;

    job_unlist(j); /* it belongs to the other one until that has ended */
    j->step = step;
    lfs = job_new(j->mirror->ps, j->mirror->id, JOB_LFS, j);
    free(lfs->url);
    lfs->url = xstrdup(j->url);
    memcpy(lfs->commit, j->commit, sizeof(lfs->commit));
    lfs->submodules = j->submodules; /* the plan waits for it */
    lfs->n_submodules = j->n_submodules;
    lfs->on_lfs = on_lfs_for_plan;
}
