/* ready_image.c - the image of a launch on this machine, and the steps of a preparation in containers of it.
 *
 * It is looked for, and fetched when its policy wants that, once for each launch and machine, by a process of its own
 * (container_image.h). All runs of the launch here are made of what it found then, by id: a tag that moves meanwhile moves
 * nothing here. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/container_image.h"
#include "agent/container_start.h"
#include "agent/crc32.h"
#include "agent/ready_private.h"

void ready_image_name(struct ready_job *j)
{
    const struct setup_container *c = &j->setup.container;

    (void)snprintf(j->name, sizeof(j->name), "image-%" PRIu64 "-%08x-%d", j->launch,
                   crc32_of(0, c->image.ptr, c->image.len), (int)c->pull);
}

const struct container_ground *ready_image_known(const struct ready *r, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(r->images); i++)
        if (strcmp(r->images[i].name, name) == 0)
            return &r->images[i].ground;
    return NULL;
}

/* Where the command writes what it found; of the slot, so two do not meet. */
static char *file_of(struct ready *r, uint32_t slot)
{
    return arena_printf(&r->arena, "%s/image-s%u", r->dir, slot);
}

char **ready_image_argv(struct ready *r, uint32_t slot)
{
    static const char *const policies[] = {[SETUP_PULL_DEFAULT] = "default",
                                           [SETUP_PULL_ALWAYS] = "always",
                                           [SETUP_PULL_MISSING] = "missing",
                                           [SETUP_PULL_NEVER] = "never"};
    const struct setup_container *c = &r->jobs[slot]->setup.container;
    char **argv = arena_alloc(&r->arena, 7 * sizeof(*argv));

    argv[0] = arena_strdup(&r->arena, "/proc/self/exe");
    argv[1] = arena_strdup(&r->arena, "container");
    argv[2] = arena_strdup(&r->arena, "image");
    argv[3] = file_of(r, slot);
    argv[4] = arena_strndup(&r->arena, c->image.ptr, c->image.len);
    argv[5] = arena_strdup(&r->arena, policies[c->pull]);
    (void)unlink(argv[3]);
    return argv;
}

const char *ready_image_take(struct ready *r, uint32_t slot)
{
    struct ready_job *j = r->jobs[slot];
    struct ready_image *known = &r->images[r->next_image % ARRAY_LEN(r->images)];
    char why[600];
    bool ok = container_ground_read(file_of(r, slot), &j->ground, why, sizeof(why));

    (void)unlink(file_of(r, slot));
    if (!ok)
        return j->is_late ? "its image did not come within 35 minutes" : arena_strdup(&r->arena, why);
    r->next_image++;
    memcpy(known->name, j->name, sizeof(known->name));
    known->ground = j->ground;
    return NULL;
}

/* ---- steps ---- */

static void step_env(struct ready *r, const struct ready_job *j, struct inside_order *o)
{
    struct arena *a = &r->arena;
    const char *lines[READY_PLACES];
    size_t n = ready_places(r, j->name, a, lines);

    for (size_t i = 0; i < n; i++)
        order_add(a, &o->env, lines[i]);
    order_add(a, &o->env, arena_printf(a, "WRATA_COMMIT=%s", j->commit));
    order_add(a, &o->env, arena_printf(a, "WRATA_AGENT_RUN=%.60s/ready/", r->mark));
    for (uint32_t i = 0; i < j->setup.n_env; i++)
        order_add(a, &o->env, arena_strndup(a, j->setup.env[i].ptr, j->setup.env[i].len));
    order_add(a, &o->defaults, "LANG=C.UTF-8");
}

const char *ready_step_boxed(struct ready *r, struct ready_job *j)
{
    struct arena *a = &r->arena;
    const struct setup_step *s = &j->setup.steps[j->step];
    const struct container_place place = {.dir = r->dir, .mark = r->mark, .incarnation = r->opts.incarnation};
    const struct container_what what = {
        .run = j->run,
        .step = j->tries * 100 + j->step + 1,
        .server = j->server,
        .tree = j->tree,
        .git = j->project > 0 ? arena_printf(a, "%s/cache/p%" PRIu64 ".git", r->dir, j->project) : NULL,
        .environment = arena_printf(a, "%s/cache/ready/%s", r->dir, j->name)};
    struct container_order order;
    struct container_start c = {.order = &order, .results = -1};
    const char *fault = container_plan(a, &place, &j->ground, &j->setup.container, &what, &order);
    int fds[2];

    if (fault != NULL)
        return fault;
    for (uint32_t i = 0; i < s->n_argv; i++)
        order_add(a, &order.inside.argv, arena_strndup(a, s->argv[i].ptr, s->argv[i].len));
    step_env(r, j, &order.inside);
    if (ready_pipe(fds) != 0)
        return "there is no pipe for its output";
    c.out = fds[1];
    fault = container_start(&c, a);
    (void)close(fds[1]);
    if (fault != NULL) {
        (void)close(fds[0]);
        return fault;
    }
    j->pid = c.pid;
    j->fd = fds[0];
    j->is_boxed = true;
    (void)snprintf(j->box, sizeof(j->box), "%s", order.spec.name);
    return NULL;
}
