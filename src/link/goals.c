/* goals.c - what the engine wants of a server, as frames. Pure but for the opening of secrets, which is the caller's. */
#include "link/link_private.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/agent_setup.h"

#define FRAME_FIXED_BYTES 256u /* more than the numbers of any frame here */
#define GOAL_BYTES 20u
#define GOALS_MAX 4096u

/* ---- secrets ---- */

/* The room that the values of a spec need, names and all: what is sealed is longer than its value. */
static size_t secrets_bytes(const struct run_spec *s)
{
    size_t n = 0;

    for (uint32_t i = 0; i < s->n_secrets; i++)
        n += strlen(s->secrets[i]) + 1;
    return n;
}

static bool refuse(const struct link_opener *o, const struct run_spec *s, const char *name, const char *why)
{
    char reason[REASON_BYTES_MAX];

    (void)snprintf(reason, sizeof(reason), "a secret of its user could not be given to it: %.*s: %s",
                   (int)strcspn(name, "="), name, why);
    o->refused(o->refused_ctx, s->run, reason);
    return false;
}

/* The lines NAME=value of a spec as one stretch of `plain`, which is reserved whole: nothing is copied about. */
static bool open_secrets(const struct run_spec *s, const struct link_opener *o, struct wire_text *lines,
                         struct buf *plain)
{
    if (o != NULL && o->protocol < PROTOCOL_WITH_SECRETS)
        return refuse(
            o, s, s->secrets[0],
            "the agent on this server is older than secrets are; end it, and a new one is brought along");
    CHECK(buf_reserve(plain, secrets_bytes(s)) != NULL);
    for (uint32_t i = 0; i < s->n_secrets; i++) {
        const char *line = s->secrets[i];
        size_t from = plain->len;
        struct why why = {0};

        if (o == NULL) {
            lines[i].s = slice_of(line);
            continue;
        }
        if (buf_add(plain, line, strcspn(line, "=") + 1) != ERR_OK)
            return refuse(o, s, line, "the values are longer than what was sealed");
        if (o->open_secret == NULL)
            return refuse(o, s, line, "there is no key to open it with");
        if (o->open_secret(o->ctx, s->user, line, plain, &why) != ERR_OK)
            return refuse(o, s, line, why.text);
        if (memchr(plain->data + from, '\0', plain->len - from) != NULL)
            return refuse(o, s, line, "it holds a NUL, which no variable can");
        lines[i].s = (struct slice){plain->data + from, plain->len - from};
    }
    return true;
}

/* ---- frames ---- */

static void encode_spec(const struct run_spec *s, const struct link_opener *o,
                        const struct wire_text *secrets, struct arena *a, struct buf *out)
{
    struct frame f = {.type = FRAME_RUN_SPEC};
    struct wire_text *setup = arena_alloc(a, (s->n_setup + 1) * sizeof(*setup));
    struct wire_text *argv = arena_alloc(a, (s->n_argv + 1) * sizeof(*argv));
    struct wire_text *env = arena_alloc(a, (s->n_env + 1) * sizeof(*env));
    struct wire_text *reports = arena_alloc(a, (s->n_reports + 1) * sizeof(*reports));

    for (uint32_t i = 0; i < s->n_reports; i++)
        reports[i].s = slice_of(s->reports[i]);
    for (uint32_t i = 0; i < s->n_argv; i++)
        argv[i].s = slice_of(s->argv[i]);
    for (uint32_t i = 0; i < s->n_env; i++)
        env[i].s = slice_of(s->env[i]);
    for (uint32_t i = 0; i < s->n_setup; i++)
        setup[i].s = slice_of(s->setup[i]);
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
        .reports = reports,
        .n_reports = s->n_reports,
        .time_limit_ms = (uint64_t)s->time_limit_ms,
        .silence_limit_ms = (uint64_t)s->silence_limit_ms,
        .kill_grace_ms = LINK_KILL_GRACE_MS,
        .log_max_bytes = o != NULL && o->log_max_bytes != 0 ? o->log_max_bytes : LINK_LOG_MAX_BYTES,
        .secrets = (struct wire_text *)(uintptr_t)secrets, /* only read */
        .n_secrets = s->n_secrets,
        .setup = setup,
        .n_setup = s->n_setup,
    };
    frame_encode(&f, out);
}

static bool has_image(const struct run_spec *s)
{
    for (uint32_t i = 0; i < s->n_setup; i++)
        if (strncmp(s->setup[i], SETUP_IMAGE_KEY, strlen(SETUP_IMAGE_KEY)) == 0)
            return true;
    return false;
}

static void encode_with_secrets(const struct run_spec *s, const struct link_opener *o, struct arena *a,
                                struct buf *out)
{
    struct wire_text *lines = arena_alloc(a, (s->n_secrets + 1) * sizeof(*lines));
    struct buf plain;

    if (o != NULL && o->protocol < setup_protocol(s->setup, s->n_setup)) {
        o->refused(
            o->refused_ctx, s->run,
            has_image(s)
                ? "the agent on this server is older than runs in containers, and the project's image would "
                  "be passed over; end it, and a new one is brought along"
                : "the agent on this server is older than what the project asks for (submodules, Git LFS, or "
                  "a "
                  "key of wrata.yml); end it, and a new one is brought along");
        return;
    }
    buf_init(&plain, secrets_bytes(s) + 1);
    if (s->n_secrets == 0 || open_secrets(s, o, lines, &plain))
        encode_spec(s, o, lines, a, out);
    mem_wipe(plain.data, plain.cap);
    buf_done(&plain);
}

void link_encode_goal(const struct goal *g, const struct link_opener *opener, struct buf *out)
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
        .wall_ms = (uint64_t)g->at.ms,
    };
    for (uint32_t i = 0; i < g->n_entries; i++) {
        const struct goal_entry *e = &g->entries[i];

        if (e->spec != NULL)
            encode_with_secrets(e->spec, opener, &a, out);
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
    for (uint32_t k = 0; k < s->n_secrets; k++)
        n += 8 + strlen(s->secrets[k]); /* sealed they are longer */
    for (uint32_t k = 0; k < s->n_reports; k++)
        n += 8 + strlen(s->reports[k]);
    for (uint32_t k = 0; k < s->n_setup; k++)
        n += 8 + strlen(s->setup[k]);
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
