#include "sim/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/cost.h"

#define FAULT(st, ...) \
    ((void)((st)->fault[0] == '\0' && snprintf((st)->fault, sizeof((st)->fault), __VA_ARGS__)))

/* An id as printf wants it. */
#define ID(x) ((unsigned long long)(x).v)

void sim_store_init(struct sim_store *st)
{
    *st = (struct sim_store){.next_server = 1,
                             .next_launch = 1,
                             .next_test = 1,
                             .next_run = 1,
                             .next_undo = 1,
                             .next_fleet = 1,
                             .next_intent = 1};
}

static void row_server_free(struct stored_server *s)
{
    arena_done(&s->arena);
    free(s);
}

static void row_fleet_free(struct stored_fleet *f)
{
    arena_done(&f->arena);
    free(f);
}

void sim_store_done(struct sim_store *st)
{
    struct stored_server *s, *s_next;
    struct stored_launch *l, *l_next;
    struct stored_test *t, *t_next;
    struct stored_run *r, *r_next;
    struct stored_undo *u, *u_next;
    struct stored_pause *p, *p_next;
    struct stored_fleet *f, *f_next;

    f = st->fleets;
    HASH_CLEAR(hh, st->fleets); /* the table; its elements stay linked */
    for (; f != NULL; f = f_next) {
        f_next = f->hh.next;
        row_fleet_free(f);
    }
    s = st->servers;
    HASH_CLEAR(hh, st->servers); /* the table; its elements stay linked */
    for (; s != NULL; s = s_next) {
        s_next = s->hh.next;
        row_server_free(s);
    }
    l = st->launches;
    HASH_CLEAR(hh, st->launches); /* the table; its elements stay linked */
    for (; l != NULL; l = l_next) {
        l_next = l->hh.next;
        arena_done(&l->arena);
        free(l);
    }
    t = st->tests;
    HASH_CLEAR(hh, st->tests); /* the table; its elements stay linked */
    for (; t != NULL; t = t_next) {
        t_next = t->hh.next;
        arena_done(&t->arena);
        free(t);
    }
    r = st->runs;
    HASH_CLEAR(hh, st->runs); /* the table; its elements stay linked */
    for (; r != NULL; r = r_next) {
        r_next = r->hh.next;
        arena_done(&r->arena);
        free(r);
    }
    u = st->undos;
    HASH_CLEAR(hh, st->undos); /* the table; its elements stay linked */
    for (; u != NULL; u = u_next) {
        u_next = u->hh.next;
        free((void *)(uintptr_t)u->row.login);
        free(u);
    }
    p = st->pauses;
    HASH_CLEAR(hh, st->pauses); /* the table; its elements stay linked */
    for (; p != NULL; p = p_next) {
        p_next = p->hh.next;
        free((void *)(uintptr_t)p->row.login);
        free(p);
    }
}

void sim_store_delete(struct sim_store *st, uint64_t launch)
{
    struct stored_launch *l = sim_store_launch(st, launch);
    struct stored_test *t, *t_next;
    struct stored_run *r, *r_next;

    CHECK(l != NULL && l->row.state == LAUNCH_DONE);
    for (t = st->tests; t != NULL; t = t_next) {
        t_next = t->hh.next;
        if (t->row.launch.v != launch)
            continue;
        HASH_DEL(st->tests, t);
        arena_done(&t->arena);
        free(t);
    }
    for (r = st->runs; r != NULL; r = r_next) {
        r_next = r->hh.next;
        if (r->row.launch.v != launch)
            continue;
        HASH_DEL(st->runs, r);
        arena_done(&r->arena);
        free(r);
    }
    HASH_DEL(st->launches, l);
    arena_done(&l->arena);
    free(l);
}

struct stored_launch *sim_store_launch(const struct sim_store *st, uint64_t id)
{
    struct stored_launch *l;

    HASH_FIND(hh, st->launches, &id, sizeof(id), l);
    return l;
}

struct stored_test *sim_store_test(const struct sim_store *st, uint64_t id)
{
    struct stored_test *t;

    HASH_FIND(hh, st->tests, &id, sizeof(id), t);
    return t;
}

struct stored_run *sim_store_run(const struct sim_store *st, uint64_t id)
{
    struct stored_run *r;

    HASH_FIND(hh, st->runs, &id, sizeof(id), r);
    return r;
}

static const char *const *row_texts(struct arena *a, const char *const *from, uint32_t n)
{
    const char **to = arena_alloc(a, (n + 1) * sizeof(*to));

    for (uint32_t i = 0; i < n; i++)
        to[i] = arena_strdup(a, from[i]);
    return to;
}

/* ---- servers ---- */

/* Of a machine whose price never changed, the entries come to what its whole life costs, as its provider rounds it. */
static void row_meter_ends(struct sim_store *st, struct stored_server *s)
{
    const struct server_row *r = &s->row;
    int64_t ms = billed_ms(fleet_kind_billing(r->fleet), r->charged_at.ms - r->billed_at.ms);

    if (r->metered_at.ms == r->billed_at.ms && s->machine_nanousd != cost_nanousd(r->price_hour_microusd, ms))
        FAULT(st, "the machine of server %llu cost %lld in the ledger, and %lld by its life", ID(r->id),
              (long long)s->machine_nanousd, (long long)cost_nanousd(r->price_hour_microusd, ms));
    s->machine_nanousd = 0;
    s->runs_nanousd = 0;
}

static void row_server_put(struct sim_store *st, const struct server_row *row)
{
    struct stored_server *s;
    uint64_t intent = 0;

    HASH_FIND(hh, st->servers, &row->id.v, sizeof(row->id.v), s);
    if (s == NULL) {
        s = xcalloc(1, sizeof(*s));
        arena_init(&s->arena);
        s->row.id = row->id;
        HASH_ADD(hh, st->servers, row.id.v, sizeof(s->row.id.v), s);
        if (row->id.v >= st->next_server)
            st->next_server = row->id.v + 1;
    }
    intent = s->row.intent;
    if (row->intent != 0 && row->intent != intent && row->intent < st->next_intent)
        FAULT(st, "intent %llu of server %llu was used before", (unsigned long long)row->intent, ID(row->id));
    if (row->intent >= st->next_intent)
        st->next_intent = row->intent + 1;
    if (s->row.metered_at.ms != 0 && row->metered_at.ms == 0)
        row_meter_ends(st, s);
    arena_reset(&s->arena);
    s->row = *row;
    s->row.name = arena_strdup(&s->arena, row->name);
    s->row.address = arena_strdup(&s->arena, row->address);
    s->row.status_reason = arena_strdup(&s->arena, row->status_reason);
    s->row.progress = arena_strdup(&s->arena, row->progress);
    s->row.machine = arena_strdup(&s->arena, row->machine);
    s->row.size = arena_strdup(&s->arena, row->size);
    s->row.region = arena_strdup(&s->arena, row->region);
    s->row.sick = arena_strdup(&s->arena, row->sick);
    s->row.user = "";
    s->row.identity = "";
    s->row.link_reason = "";
    s->row.agent_version = "";
    s->row.facts = "";
}

static void row_server_delete(struct sim_store *st, struct server_id id)
{
    struct stored_server *s;

    HASH_FIND(hh, st->servers, &id.v, sizeof(id.v), s);
    if (s == NULL) {
        FAULT(st, "server %llu was deleted and does not exist", ID(id));
        return;
    }
    if (s->row.metered_at.ms != 0)
        row_meter_ends(st, s);
    HASH_DEL(st->servers, s);
    row_server_free(s);
}

/* ---- fleets ---- */

static void row_fleet_put(struct sim_store *st, const struct fleet_row *row)
{
    const char **kept;
    struct stored_fleet *f;

    HASH_FIND(hh, st->fleets, &row->id.v, sizeof(row->id.v), f);
    if (f == NULL) {
        f = xcalloc(1, sizeof(*f));
        arena_init(&f->arena);
        f->row.id = row->id;
        HASH_ADD(hh, st->fleets, row.id.v, sizeof(f->row.id.v), f);
        if (row->id.v >= st->next_fleet)
            st->next_fleet = row->id.v + 1;
    }
    arena_reset(&f->arena);
    f->row = *row;
    f->row.name = arena_strdup(&f->arena, row->name);
    f->row.options = arena_strdup(&f->arena, row->options);
    f->row.error = arena_strdup(&f->arena, row->error);
    kept = arena_alloc(&f->arena, (row->n_kept + 1) * sizeof(*kept));
    for (uint32_t i = 0; i < row->n_kept; i++)
        kept[i] = arena_strdup(&f->arena, row->kept[i]);
    f->row.kept = kept;
}

static void row_fleet_delete(struct sim_store *st, struct fleet_id id)
{
    struct stored_server *s;
    struct stored_fleet *f;

    for (s = st->servers; s != NULL; s = s->hh.next) {
        if (s->row.fleet_id.v == id.v)
            FAULT(st, "fleet %llu was deleted and has a server", ID(id));
    }
    HASH_FIND(hh, st->fleets, &id.v, sizeof(id.v), f);
    if (f == NULL) {
        FAULT(st, "fleet %llu was deleted and does not exist", ID(id));
        return;
    }
    HASH_DEL(st->fleets, f);
    row_fleet_free(f);
}

/* ---- launches and tests ---- */

static void row_launch_add(struct sim_store *st, const struct launch_row *row)
{
    struct stored_launch *l = xcalloc(1, sizeof(*l));
    uint64_t *ids;

    arena_init(&l->arena);
    l->row = *row;
    l->row.name = arena_strdup(&l->arena, row->name);
    l->row.project_name = arena_strdup(&l->arena, row->project_name);
    l->row.ref = arena_strdup(&l->arena, row->ref);
    l->row.commit = arena_strdup(&l->arena, row->commit);
    l->row.location = arena_strdup(&l->arena, row->location);
    l->row.note = arena_strdup(&l->arena, row->note);
    l->row.env = row_texts(&l->arena, row->env, row->n_env);
    l->row.secrets = row_texts(&l->arena, row->secrets, row->n_secrets);
    l->row.setup = row_texts(&l->arena, row->setup, row->n_setup);
    ids = arena_alloc(&l->arena, (row->n_servers + 1) * sizeof(*ids));
    for (uint32_t i = 0; i < row->n_servers; i++)
        ids[i] = row->servers[i];
    l->row.servers = ids;
    HASH_ADD(hh, st->launches, row.id.v, sizeof(l->row.id.v), l);
    st->next_launch = row->id.v + 1;
}

static void row_launch_set(struct sim_store *st, const struct launch_row *row)
{
    struct stored_launch *l = sim_store_launch(st, row->id.v);

    if (l == NULL) {
        FAULT(st, "launch %llu was changed and does not exist", ID(row->id));
        return;
    }
    if (l->row.state == LAUNCH_DONE)
        FAULT(st, "launch %llu changed after it was done", ID(row->id));
    if (row->state == LAUNCH_DONE && l->n_done != l->row.n_tests)
        FAULT(st, "launch %llu is done with %u of %u tests", ID(row->id), l->n_done, l->row.n_tests);
    if (row->state == LAUNCH_DONE && row->outcome != l->worst)
        FAULT(st, "launch %llu came to %s, its tests to %s", ID(row->id), outcome_name(row->outcome),
              outcome_name(l->worst));
    l->row.state = row->state;
    l->row.outcome = row->outcome;
    l->row.started_at = row->started_at;
    l->row.ended_at = row->ended_at;
}

static void row_test_add(struct sim_store *st, const struct test_row *row)
{
    struct stored_test *t = xcalloc(1, sizeof(*t));

    arena_init(&t->arena);
    t->row = *row;
    t->row.path = arena_strdup(&t->arena, row->path);
    t->row.argv = row_texts(&t->arena, row->argv, row->n_argv);
    t->row.language = arena_strdup(&t->arena, row->language);
    t->row.browser = arena_strdup(&t->arena, row->browser);
    t->row.reason = arena_strdup(&t->arena, row->reason);
    HASH_ADD(hh, st->tests, row.id.v, sizeof(t->row.id.v), t);
    st->next_test = row->id.v + 1;
}

static void row_test_done(struct sim_store *st, struct stored_test *t)
{
    struct stored_launch *l = sim_store_launch(st, t->row.launch.v);

    if (l == NULL) {
        FAULT(st, "test %llu has no launch", ID(t->row.id));
        return;
    }
    l->n_done++;
    l->worst = outcome_worst(l->worst, t->row.outcome);
}

/* Only what its server failed may be done again, and only to wait. */
static void row_test_undone(struct sim_store *st, const struct stored_test *t, const struct test_row *row)
{
    struct stored_launch *l = sim_store_launch(st, t->row.launch.v);
    const struct stored_test *other;

    if (t->row.outcome != OUTCOME_INFRASTRUCTURE || row->state != TEST_WAITING || l == NULL ||
        l->row.state != LAUNCH_RUNNING) {
        FAULT(st, "test %llu changed after it was done", ID(row->id));
        return;
    }
    l->n_done--;
    l->worst = OUTCOME_NONE;
    for (other = st->tests; other != NULL; other = other->hh.next) {
        if (other != t && other->row.launch.v == t->row.launch.v && other->row.state == TEST_DONE)
            l->worst = outcome_worst(l->worst, other->row.outcome);
    }
}

static void row_test_set(struct sim_store *st, const struct test_row *row)
{
    struct stored_test *t = sim_store_test(st, row->id.v);

    if (t == NULL) {
        FAULT(st, "test %llu was changed and does not exist", ID(row->id));
        return;
    }
    if (t->row.state == TEST_DONE)
        row_test_undone(st, t, row);
    t->row.state = row->state;
    t->row.outcome = row->outcome;
    t->row.attempts = row->attempts;
    t->row.losses = row->losses;
    t->row.run = row->run;
    t->row.undo = row->undo;
    t->row.reason = arena_strdup(&t->arena, row->reason);
    if (row->state == TEST_DONE)
        row_test_done(st, t);
}

static void row_ranks_set(struct sim_store *st, const struct change *c)
{
    for (uint32_t i = 0; i < c->ranks.n; i++) {
        struct stored_test *t = sim_store_test(st, c->ranks.at[i].test.v);

        if (t == NULL || t->row.state != TEST_WAITING)
            FAULT(st, "test %llu was moved and does not wait", ID(c->ranks.at[i].test));
        else
            t->row.rank = c->ranks.at[i].rank;
    }
}

static void row_range_set(struct sim_store *st, const struct change *c)
{
    struct stored_test *t;

    for (uint32_t i = 0; i < c->tests.n; i++) {
        for (uint64_t id = c->tests.at[i].first; id <= c->tests.at[i].last; id++) {
            t = sim_store_test(st, id);
            if (t == NULL || t->row.state != c->tests.from || t->row.launch.v != c->tests.at[i].launch.v) {
                FAULT(st, "test %llu was changed with others and was not like them", (unsigned long long)id);
                continue;
            }
            t->row.state = c->tests.state;
            t->row.outcome = c->tests.outcome;
            t->row.undo = c->tests.undo;
            t->row.reason = arena_strdup(&t->arena, c->tests.reason);
            if (t->row.state == TEST_DONE)
                row_test_done(st, t);
        }
    }
}

static void row_undo_add(struct sim_store *st, const struct undo_row *row)
{
    struct stored_undo *u = xcalloc(1, sizeof(*u));

    if (row->id.v < st->next_undo)
        FAULT(st, "undo id %llu was used before", ID(row->id));
    u->row = *row;
    u->row.login = xstrdup(row->login);
    HASH_ADD(hh, st->undos, row.id.v, sizeof(u->row.id.v), u);
    st->next_undo = row->id.v + 1;
}

static void row_undo_delete(struct sim_store *st, struct undo_id id)
{
    struct stored_undo *u;

    HASH_FIND(hh, st->undos, &id.v, sizeof(id.v), u);
    if (u == NULL) {
        FAULT(st, "undo %llu was deleted and does not exist", ID(id));
        return;
    }
    HASH_DEL(st->undos, u);
    free((void *)(uintptr_t)u->row.login);
    free(u);
}

static void row_pause_add(struct sim_store *st, const struct pause_row *row)
{
    struct stored_pause *p = xcalloc(1, sizeof(*p));

    if (sim_store_is_paused(st, row->user.v))
        FAULT(st, "the queue of user %llu was paused twice", ID(row->user));
    p->row = *row;
    p->row.login = xstrdup(row->login);
    HASH_ADD(hh, st->pauses, row.user.v, sizeof(p->row.user.v), p);
}

static void row_pause_delete(struct sim_store *st, struct user_id user)
{
    struct stored_pause *p;

    HASH_FIND(hh, st->pauses, &user.v, sizeof(user.v), p);
    if (p == NULL) {
        FAULT(st, "the queue of user %llu was resumed and is not paused", ID(user));
        return;
    }
    HASH_DEL(st->pauses, p);
    free((void *)(uintptr_t)p->row.login);
    free(p);
}

bool sim_store_is_paused(const struct sim_store *st, uint64_t user)
{
    const struct stored_pause *p;

    HASH_FIND(hh, st->pauses, &user, sizeof(user), p);
    return p != NULL;
}

/* ---- runs ---- */

static void row_run_add(struct sim_store *st, const struct run_row *row)
{
    struct stored_run *r = xcalloc(1, sizeof(*r));

    if (row->id.v < st->next_run)
        FAULT(st, "run id %llu was used before", ID(row->id));
    arena_init(&r->arena);
    r->row = *row;
    r->row.server_name = arena_strdup(&r->arena, row->server_name);
    r->row.path = arena_strdup(&r->arena, row->path);
    r->row.reason = "";
    HASH_ADD(hh, st->runs, row.id.v, sizeof(r->row.id.v), r);
    st->next_run = row->id.v + 1;
}

static void row_run_set(struct sim_store *st, const struct run_row *row)
{
    struct stored_run *r = sim_store_run(st, row->id.v);
    struct stored_test *t;

    if (r == NULL) {
        FAULT(st, "run %llu was changed and does not exist", ID(row->id));
        return;
    }
    if (r->row.state == RUN_DONE || r->row.state == RUN_LOST)
        FAULT(st, "run %llu changed after its end", ID(row->id));
    r->row.slot = row->slot;
    r->row.state = row->state;
    r->row.outcome = row->outcome;
    r->row.reason = arena_strdup(&r->arena, row->reason);
    r->row.finish = row->finish;
    r->row.tally = row->tally;
    r->row.started_at = row->started_at;
    r->row.ended_at = row->ended_at;
    r->row.slot_at = row->slot_at;
    st->runs_nanousd += row->cost_nanousd - r->row.cost_nanousd;
    r->row.cost_nanousd = row->cost_nanousd;
    if (!tally_adds_up(&row->tally))
        FAULT(st, "of run %llu %u examples were found, %llu ended and %u did not run", ID(row->id),
              row->tally.discovered, (unsigned long long)tally_reported(&row->tally), row->tally.not_run);
    if (row->state != RUN_DONE || row->outcome == OUTCOME_INFRASTRUCTURE)
        return;
    t = sim_store_test(st, r->row.test.v);
    if (t != NULL && ++t->runs_counted > 1)
        FAULT(st, "test %llu was counted by two runs", ID(t->row.id));
}

/* ---- the ledger ---- */

static void row_cost_machine(struct sim_store *st, struct stored_server *s, const struct cost_row *row)
{
    struct stored_fleet *f;

    if (row->charged_at.ms < s->row.charged_at.ms || row->server_nanousd < s->row.cost_nanousd)
        FAULT(st, "the meter of server %llu runs backwards", ID(row->server));
    s->row.charged_at = row->charged_at;
    s->row.cost_nanousd = row->server_nanousd;
    s->machine_nanousd += row->nanousd;
    if (s->machine_nanousd != row->server_nanousd)
        FAULT(st, "the machine of server %llu cost %lld by its row, and %lld in the ledger", ID(row->server),
              (long long)row->server_nanousd, (long long)s->machine_nanousd);
    HASH_FIND(hh, st->fleets, &row->fleet.v, sizeof(row->fleet.v), f);
    if (f == NULL)
        return;
    if (row->day > f->row.spent_day) {
        f->row.spent_day = row->day;
        f->row.spent_nanousd = 0;
    }
    f->row.spent_nanousd += row->day == f->row.spent_day ? row->nanousd : 0;
}

static void row_cost(struct sim_store *st, const struct cost_row *row)
{
    struct stored_launch *l = sim_store_launch(st, row->launch.v);
    struct stored_server *s;

    HASH_FIND(hh, st->servers, &row->server.v, sizeof(row->server.v), s);
    if (s == NULL || row->nanousd < 0 || row->ms < 0 || (row->launch.v != 0 && l == NULL)) {
        FAULT(st, "an entry of the ledger for server %llu and launch %llu makes no sense", ID(row->server),
              ID(row->launch));
        return;
    }
    if (row->launch.v == 0) {
        row_cost_machine(st, s, row);
        return;
    }
    s->runs_nanousd += row->nanousd;
    st->ledger_runs_nanousd += row->nanousd;
    l->row.cost_nanousd += row->nanousd;
}

void sim_store_check_costs(struct sim_store *st)
{
    const struct stored_server *s;

    for (s = st->servers; s != NULL; s = s->hh.next) {
        if (s->runs_nanousd > s->machine_nanousd)
            FAULT(st, "runs on server %llu cost %lld, and the machine %lld", ID(s->row.id),
                  (long long)s->runs_nanousd, (long long)s->machine_nanousd);
    }
    if (st->ledger_runs_nanousd != st->runs_nanousd)
        FAULT(st, "runs cost %lld in the ledger, and %lld by themselves", (long long)st->ledger_runs_nanousd,
              (long long)st->runs_nanousd);
}

/* A launch that something is told of: it was added before. */
static struct stored_launch *told_launch(struct sim_store *st, uint64_t id)
{
    static struct stored_launch nowhere;
    struct stored_launch *l = sim_store_launch(st, id);

    if (l == NULL)
        FAULT(st, "launch %llu is told of and does not exist", (unsigned long long)id);
    return l != NULL ? l : &nowhere;
}

void sim_store_apply(struct sim_store *st, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_SERVER_PUT:
        row_server_put(st, &c->server);
        break;
    case CHANGE_SERVER_DELETE:
        row_server_delete(st, c->server.id);
        break;
    case CHANGE_FLEET_PUT:
        row_fleet_put(st, &c->fleet);
        break;
    case CHANGE_FLEET_DELETE:
        row_fleet_delete(st, c->fleet.id);
        break;
    case CHANGE_LAUNCH_ADD:
        row_launch_add(st, &c->launch);
        break;
    case CHANGE_LAUNCH_SET:
        row_launch_set(st, &c->launch);
        break;
    case CHANGE_TEST_ADD:
        row_test_add(st, &c->test);
        break;
    case CHANGE_TEST_SET:
        row_test_set(st, &c->test);
        break;
    case CHANGE_RUN_ADD:
        row_run_add(st, &c->run);
        break;
    case CHANGE_RUN_SET:
        row_run_set(st, &c->run);
        break;
    case CHANGE_TEST_RANKS:
        row_ranks_set(st, c);
        break;
    case CHANGE_TESTS_SET:
        row_range_set(st, c);
        break;
    case CHANGE_UNDO_ADD:
        row_undo_add(st, &c->undo);
        break;
    case CHANGE_UNDO_DELETE:
        row_undo_delete(st, c->undo.id);
        break;
    case CHANGE_START_FAILED:
        break;
    case CHANGE_PAUSE_ADD:
        row_pause_add(st, &c->pause);
        break;
    case CHANGE_PAUSE_DELETE:
        row_pause_delete(st, c->pause.user);
        break;
    case CHANGE_COST:
        row_cost(st, &c->cost);
        break;
    case CHANGE_NOTICE:
        if (c->notice.kind == NOTICE_LAUNCH_DONE)
            told_launch(st, c->notice.object)->mailed++;
        break;
    case CHANGE_HOOK_EVENT:
        if (c->hook_event.kind == HOOK_KIND_LAUNCH_STARTED)
            told_launch(st, c->hook_event.object)->told_started++;
        else if (c->hook_event.kind == HOOK_KIND_LAUNCH_ENDED)
            told_launch(st, c->hook_event.object)->told_ended++;
        break;
    case CHANGE_LAUNCH_NAME: {
        struct stored_launch *l = sim_store_launch(st, c->launch.id.v);

        if (l != NULL)
            l->row.name = arena_strdup(&l->arena, c->launch.name);
        break;
    }
    case CHANGE_IDS:
    case CHANGE_KIND_COUNT:
        FAULT(st, "a change of kind %d", (int)c->kind);
        break;
    }
}

void sim_store_boot(const struct sim_store *st, struct engine *e, struct now now)
{
    struct change c = {.kind = CHANGE_IDS};
    const struct stored_server *s;
    const struct stored_launch *l;
    const struct stored_test *t;
    const struct stored_run *r;
    const struct stored_undo *u;
    const struct stored_pause *p;
    const struct stored_fleet *f;

    c.ids.fleet = st->next_fleet;
    c.ids.intent = st->next_intent;
    c.ids.server = st->next_server;
    c.ids.launch = st->next_launch;
    c.ids.test = st->next_test;
    c.ids.run = st->next_run;
    c.ids.undo = st->next_undo;
    engine_load(e, now, &c);
    for (f = st->fleets; f != NULL; f = f->hh.next) {
        c = (struct change){.kind = CHANGE_FLEET_PUT, .fleet = f->row};
        engine_load(e, now, &c);
    }
    for (s = st->servers; s != NULL; s = s->hh.next) {
        c = (struct change){.kind = CHANGE_SERVER_PUT, .server = s->row};
        engine_load(e, now, &c);
    }
    for (l = st->launches; l != NULL; l = l->hh.next) {
        c = (struct change){.kind = CHANGE_LAUNCH_ADD, .launch = l->row};
        if (l->row.state != LAUNCH_DONE)
            engine_load(e, now, &c);
    }
    for (u = st->undos; u != NULL; u = u->hh.next) {
        c = (struct change){.kind = CHANGE_UNDO_ADD, .undo = u->row};
        engine_load(e, now, &c);
    }
    for (p = st->pauses; p != NULL; p = p->hh.next) {
        c = (struct change){.kind = CHANGE_PAUSE_ADD, .pause = p->row};
        engine_load(e, now, &c);
    }
    for (t = st->tests; t != NULL; t = t->hh.next) {
        l = sim_store_launch(st, t->row.launch.v);
        c = (struct change){.kind = CHANGE_TEST_ADD, .test = t->row};
        if (l != NULL && l->row.state != LAUNCH_DONE)
            engine_load(e, now, &c);
    }
    for (r = st->runs; r != NULL; r = r->hh.next) {
        c = (struct change){.kind = CHANGE_RUN_ADD, .run = r->row};
        if (r->row.state != RUN_DONE && r->row.state != RUN_LOST)
            engine_load(e, now, &c);
    }
}
