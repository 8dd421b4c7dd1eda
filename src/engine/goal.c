/* goal.c - what a server is told: the full set of runs it should hold. Made once per turn for each server whose set
 * changed or whose beat waits for an answer. */
#include "engine/engine_private.h"

#include "model/run_vars.h"

static const char *const *spec_env(struct engine *e, const struct run *r, uint32_t *retn)
{
    struct run_vars of = {.launch = &r->launch->row,
                          .run = r->id,
                          .attempt = r->attempt,
                          .language = r->test->language,
                          .browser = r->test->browser,
                          .server = r->server->row.name};

    return run_vars(&e->out->arena, &of, retn);
}

/* A limit of the test's own, -1: none; else its launch's. */
static int64_t limit_of(int64_t own_ms, int64_t launch_ms)
{
    return own_ms == 0 ? launch_ms : own_ms < 0 ? 0 : own_ms;
}

static const struct run_spec *spec_of(struct engine *e, const struct run *r)
{
    struct run_spec *s = arena_alloc(&e->out->arena, sizeof(*s));
    const struct launch_row *l = &r->launch->row;
    const struct test_limits *limits = &r->test->limits;

    *s = (struct run_spec){.run = r->id,
                           .test = r->test->id,
                           .launch = l->id,
                           .attempt = r->attempt,
                           .project = l->project,
                           .commit = l->commit,
                           .adapter = r->test->adapter,
                           .argv = r->test->argv,
                           .n_argv = r->test->n_argv,
                           .user = l->user,
                           .secrets = l->secrets,
                           .n_secrets = l->n_secrets,
                           .reports = r->test->reports,
                           .n_reports = r->test->n_reports,
                           .setup = l->setup,
                           .n_setup = l->n_setup,
                           .time_limit_ms = limit_of(limits->time_limit_ms, l->time_limit_ms),
                           .silence_limit_ms = limit_of(limits->silence_limit_ms, l->silence_limit_ms)};
    s->env = spec_env(e, r, &s->n_env);
    return s;
}

static struct goal_entry entry_of(struct engine *e, struct server *s, struct run *r)
{
    struct goal_entry entry = {.run = r->id, .want = GOAL_RUN, .lease_ms = r->launch->row.lease_ms};

    if (s->renew)
        lease_renew(e, r);
    if (r->goals_seq == 0)
        r->goals_seq = s->goals_seq;
    /* A removed server's runs are stopped, not dropped: FINISHED says that the process is gone, and only then may
     * the test execute elsewhere. */
    if (r->state == RUN_STOPPING || s->removed) {
        entry.want = GOAL_STOP;
    } else if (r->back) {
        entry.want = GOAL_BACK;
        if (r->back_seq == 0)
            r->back_seq = s->goals_seq;
    }
    if (!r->spec_sent) {
        r->spec_sent = true;
        entry.spec = spec_of(e, r);
    }
    return entry;
}

static void goal_make(struct engine *e, struct server *s)
{
    struct goal g = {.server = s->id, .link = s->link, .seq = ++s->goals_seq, .beat_seq = s->beat_seq};
    struct run *r;

    if (e->entries_cap < s->n_runs) {
        e->entries_cap = s->n_runs * 2;
        e->entries = xrealloc(e->entries, e->entries_cap * sizeof(*e->entries));
    }
    DL_FOREACH(s->runs, r) {
        e->entries[g.n_entries++] = entry_of(e, s, r);
    }
    s->renew = false;
    g.entries = e->entries;
    CHECK(g.n_entries <= GOAL_ENTRIES_MAX);
    outbox_goal(e->out, &g);
}

void goals_flush(struct engine *e)
{
    struct server *s;
    struct server *next;
    struct order bye;

    DL_FOREACH_SAFE2(e->dirty, s, next, dirty_next)
    {
        SET_REMOVE(e->dirty, s, dirty);
        if (s->link != 0)
            goal_make(e, s);
        if (s->removed && s->n_runs == 0) {
            bye = (struct order){.kind = ORDER_DISCONNECT, .server = {.id = s->id}};
            outbox_order(e->out, &bye);
            server_delete(e, s);
        }
    }
}

void byes_flush(struct engine *e)
{
    struct order bye = {.kind = ORDER_BYE};
    struct server *s;

    if (!e->say_bye)
        return;
    e->say_bye = false;
    for (s = e->servers; s != NULL; s = s->hh.next) {
        bye.server.id = s->id;
        if (s->link != 0)
            outbox_order(e->out, &bye);
    }
}
