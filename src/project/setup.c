/* setup.c - what a project and its wrata.yml ask of a machine, as the lines that a launch carries to it (wire/agent_setup.h). Pure. */
#include <stdarg.h>

#include "base/mem.h"
#include "project/project.h"
#include "wire/agent_setup.h"

#define CONTAINER_LINES 11u /* besides its mounts */

static bool has_key_files(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->yml->prepare.n; i++)
        if (plan->yml->prepare.at[i].key.n > 0)
            return true;
    return false;
}

/* Collects lines, as many as there was room made for. */
struct lines {
    struct arena *arena;
    const char **at;
    uint32_t n;
};

static void put(struct lines *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(struct lines *l, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    l->at[l->n++] = arena_vprintf(l->arena, fmt, ap);
    va_end(ap);
}

static void put_steps(struct lines *l, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->n_prepare; i++) {
        const struct plan_step *s = &plan->prepare[i];

        put(l, "step=%s", s->name);
        for (uint32_t k = 0; k < s->n_argv; k++)
            put(l, "arg=%s", s->argv[k]);
        if (s->time_limit_ms > 0)
            put(l, "limit_ms=%lld", (long long)s->time_limit_ms);
    }
    if (plan->n_prepare == 0)
        return;
    /* Each step's key holds that of the step before. Where no step names key files, the machine goes by the commit: what a step
     * reads is not known then. */
    if (has_key_files(plan))
        put(l, "key=%s", plan->prepare[plan->n_prepare - 1].key);
    for (uint32_t i = 0; i < plan->yml->env.n; i++)
        put(l, "prepare_env=%s", plan->yml->env.at[i]);
}

static void put_artifacts(struct lines *l, const struct plan *plan, const struct plan_keep *keep)
{
    for (uint32_t i = 0; i < plan->yml->artifacts.n; i++) {
        const struct yml_artifact *a = &plan->yml->artifacts.at[i];

        put(l, "artifact=%s", a->glob);
        if (a->max_size >= 0)
            put(l, "artifact_max=%lld", (long long)a->max_size);
    }
    for (uint32_t i = 0; i < keep->n_globs; i++)
        put(l, "artifact=%s", keep->globs[i]);
    put(l, "artifact_file_max=%llu", (unsigned long long)keep->file_bytes);
    put(l, "artifact_run_max=%llu", (unsigned long long)keep->run_bytes);
    put(l, "artifact_files_max=%u", keep->files);
}

static void put_container(struct lines *l, const struct yml_file *yml)
{
    const struct yml_container *c = &yml->container;

    put(l, SETUP_IMAGE_KEY "%s", yml->image);
    if (c->pull >= 0)
        put(l, "pull=%s", yml_pull_name(c->pull));
    if (c->shm >= 0)
        put(l, "container_shm=%lld", (long long)c->shm);
    if (c->memory >= 0)
        put(l, "container_memory=%lld", (long long)c->memory);
    if (c->pids >= 0)
        put(l, "container_pids=%lld", (long long)c->pids);
    if (c->network[0] != '\0')
        put(l, "container_network=%s", c->network);
    if (c->user[0] != '\0')
        put(l, "container_user=%s", c->user);
    if (c->hostname[0] != '\0')
        put(l, "container_host=%s", c->hostname);
    for (uint32_t i = 0; i < c->mounts.n; i++)
        put(l, "container_mount=%s", c->mounts.at[i]);
    if (c->privileged == 1)
        put(l, "container_privileged=1");
    if (c->new_privileges == 1)
        put(l, "container_new_privileges=1");
}

const char *const *plan_setup(const struct plan *plan, const struct plan_keep *keep, struct arena *arena,
                              uint32_t *retn)
{
    uint32_t n_artifacts = plan->yml->artifacts.n + keep->n_globs;
    struct lines l = {.arena = arena};
    size_t max = (size_t)n_artifacts * 2 + 3 + plan->yml->env.n + 1 + plan->n_submodules + 3 +
                 CONTAINER_LINES + plan->yml->container.mounts.n;

    for (uint32_t i = 0; i < plan->n_prepare; i++)
        max += plan->prepare[i].n_argv + 2;
    l.at = arena_alloc(arena, max * sizeof(*l.at));
    for (uint32_t i = 0; i < plan->n_submodules; i++)
        put(&l, "submodule=%s %s", plan->submodules[i].commit, plan->submodules[i].path);
    if (plan->lfs_key != NULL && plan->lfs_key[0] != '\0')
        put(&l, "lfs=%s", plan->lfs_key);
    if (plan->yml->image[0] != '\0')
        put_container(&l, plan->yml);
    put_steps(&l, plan);
    if (n_artifacts > 0)
        put_artifacts(&l, plan, keep);
    if (plan->yml->warm == 0)
        put(&l, "warm=off");
    if (plan->yml->preload[0] != '\0')
        put(&l, "preload=%s", plan->yml->preload);
    *retn = l.n;
    return l.n > 0 ? l.at : NULL;
}
