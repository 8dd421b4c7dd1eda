/* goals.c - what the engine wants of a server, as frames. Pure. */
#include "link/link_private.h"

#include <string.h>

#define FRAME_FIXED_BYTES 256u /* more than the numbers of any frame here */
#define GOAL_BYTES 20u
#define GOALS_MAX 4096u

static void encode_spec(const struct run_spec *s, struct arena *a, struct buf *out)
{
    struct frame f = {.type = FRAME_RUN_SPEC};
    struct wire_text *argv = arena_alloc(a, (s->n_argv + 1) * sizeof(*argv));
    struct wire_text *env = arena_alloc(a, (s->n_env + 1) * sizeof(*env));

    for (uint32_t i = 0; i < s->n_argv; i++)
        argv[i].s = slice_of(s->argv[i]);
    for (uint32_t i = 0; i < s->n_env; i++)
        env[i].s = slice_of(s->env[i]);
    f.run_spec = (struct frame_run_spec){
        .run = s->run.v,
        .test = s->test.v,
        .launch = s->launch.v,
        .attempt = s->attempt,
        .project = s->project.v,
        .commit = slice_of(s->commit),
        .adapter = slice_of(adapter_name(s->adapter)),
        .argv = argv,
        .n_argv = s->n_argv,
        .env = env,
        .n_env = s->n_env,
        .time_limit_ms = (uint64_t)s->time_limit_ms,
        .silence_limit_ms = (uint64_t)s->silence_limit_ms,
        .kill_grace_ms = LINK_KILL_GRACE_MS,
        .log_max_bytes = LINK_LOG_MAX_BYTES,
    };
    frame_encode(&f, out);
}

void link_encode_goal(const struct goal *g, struct buf *out)
{
    struct frame f = {.type = FRAME_GOALS};
    struct arena a;

    CHECK(g->n_entries <= GOALS_MAX);
    arena_init(&a);
    f.goals = (struct frame_goals){
        .seq = g->seq,
        .beat_seq = g->beat_seq,
        .goals = arena_alloc(&a, (g->n_entries + 1) * sizeof(*f.goals.goals)),
        .n_goals = g->n_entries,
    };
    for (uint32_t i = 0; i < g->n_entries; i++) {
        const struct goal_entry *e = &g->entries[i];

        if (e->spec != NULL)
            encode_spec(e->spec, &a, out);
        f.goals.goals[i] = (struct wire_goal){.run = e->run.v, .want = e->want, .lease_ms = e->lease_ms};
    }
    frame_encode(&f, out);
    arena_done(&a);
}

static size_t spec_bytes(const struct run_spec *s)
{
    size_t n = FRAME_FIXED_BYTES + strlen(s->commit);

    for (uint32_t k = 0; k < s->n_argv; k++)
        n += 8 + strlen(s->argv[k]);
    for (uint32_t k = 0; k < s->n_env; k++)
        n += 8 + strlen(s->env[k]);
    return n;
}

size_t link_goal_bytes(const struct goal *g)
{
    size_t n = FRAME_FIXED_BYTES + (size_t)g->n_entries * GOAL_BYTES;

    for (uint32_t i = 0; i < g->n_entries; i++)
        n += g->entries[i].spec != NULL ? spec_bytes(g->entries[i].spec) : 0;
    return n;
}

uint64_t link_goal_too_large(const struct goal *g)
{
    for (uint32_t i = 0; i < g->n_entries; i++) {
        if (g->entries[i].spec != NULL && spec_bytes(g->entries[i].spec) > FRAME_BODY_MAX)
            return g->entries[i].run.v;
    }
    return 0;
}
