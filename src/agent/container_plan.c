#include "agent/container_plan.h"

#include <stdio.h>
#include <string.h>

struct planning {
    struct arena *a;
    struct container_order *to;
    struct container_mount *mounts;
    const char *fault;
};

static const char *text_of(struct arena *a, struct slice s)
{
    return s.len > 0 ? arena_strndup(a, s.ptr, s.len) : "";
}

static void mount(struct planning *p, const char *source, const char *target, bool is_read_only)
{
    const char *fault = container_path_fault(source);

    if (fault == NULL)
        fault = container_path_fault(target);
    if (fault != NULL && p->fault == NULL)
        p->fault = arena_printf(p->a, "the path %.200s %s", source, fault);
    p->mounts[p->to->spec.n_mounts++] =
        (struct container_mount){.source = source, .target = target, .is_read_only = is_read_only};
}

/* Is `path` below one of the mounts that were asked for? Its folders are the machine's then, and not ours to open. */
static bool is_below_asked(const struct planning *p, uint32_t first, const char *path)
{
    for (uint32_t i = first; i < p->to->spec.n_mounts; i++) {
        size_t n = strlen(p->mounts[i].target);

        if (strncmp(path, p->mounts[i].target, n) == 0 && (path[n] == '/' || path[n] == '\0'))
            return true;
    }
    return false;
}

/* What the run works with lies where it lies on the machine: paths in reports, backtraces and caches stay true. */
static uint32_t mount_own(struct planning *p, const struct container_place *place,
                          const struct container_what *what)
{
    const char *box = container_box(p->to->spec.name, place->mark);

    mount(p, arena_printf(p->a, "%s/" BOX_FOLDER "/%s", place->dir, box), BOX_INSIDE, true);
    mount(p, arena_printf(p->a, "%s/adapters", place->dir), arena_printf(p->a, "%s/adapters", place->dir),
          true);
    if (what->git != NULL)
        mount(p, what->git, what->git, true);
    mount(p, what->tree, what->tree, false);
    if (what->environment != NULL)
        mount(p, what->environment, what->environment, false);
    return p->to->spec.n_mounts;
}

static void mount_asked(struct planning *p, const struct setup_container *asked)
{
    for (uint32_t i = 0; i < asked->n_mounts; i++) {
        struct slice source;
        struct slice target;
        bool is_read_only;

        if (setup_mount_split(asked->mounts[i], &source, &target, &is_read_only))
            mount(p, text_of(p->a, source), text_of(p->a, target), is_read_only);
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a == 0 ? b : b == 0 || a < b ? a : b;
}

const char *container_plan(struct arena *a, const struct container_place *place,
                           const struct container_ground *ground, const struct setup_container *asked,
                           const struct container_what *what, struct container_order *ret)
{
    struct planning p = {.a = a, .to = ret};
    struct container_spec *s = &ret->spec;
    char *name = arena_alloc(a, CONTAINER_NAME_BYTES);
    char *host = arena_alloc(a, 64);
    uint32_t first;

    container_name(place->mark, place->incarnation, what->run, what->step, name);
    container_host(what->server, what->slot, host);
    *ret = (struct container_order){
        .is_step = what->step > 0, .patience_ms = ground->patience_ms, .has_notes = true};
    ret->inside =
        (struct inside_order){.cwd = what->tree,
                              .user = asked->user.len > 0 ? text_of(a, asked->user) : ground->image.user,
                              .has_home = ground->image.has_home,
                              .has_hook = true};
    *s = (struct container_spec){.engine = ground->engine,
                                 .name = name,
                                 .mark = place->mark,
                                 .run = what->run,
                                 .image = ground->image.id,
                                 .host = asked->host.len > 0 ? text_of(a, asked->host) : host,
                                 .network = text_of(a, asked->network),
                                 .shm_bytes = asked->shm_bytes,
                                 .memory_bytes = least(asked->memory_bytes, what->memory_max_bytes),
                                 .pids = least(asked->pids, what->pids_max),
                                 .is_privileged = asked->is_privileged,
                                 .has_new_privileges = asked->has_new_privileges};
    ret->inside.is_limited = s->memory_bytes > 0;
    s->mounts = p.mounts = arena_alloc(a, (5 + (size_t)asked->n_mounts) * sizeof(*p.mounts));
    first = mount_own(&p, place, what);
    mount_asked(&p, asked);
    for (uint32_t i = 0; i < first; i++)
        if (!is_below_asked(&p, first, p.mounts[i].target))
            order_add(a, &ret->inside.ways, p.mounts[i].target);
    if (what->git != NULL)
        order_add(a, &ret->inside.safe, what->tree);
    order_add(a, &ret->inside.lent, what->tree);
    if (what->environment != NULL)
        order_add(a, what->step > 0 ? &ret->inside.lent : &ret->inside.given, what->environment);
    return p.fault;
}
