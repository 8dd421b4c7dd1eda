/* load.c - boot: the living rows come back as objects, then EV_BOOTED puts them to work. */
#include "engine/engine_private.h"

static void load_ids(struct engine *e, const struct change *c)
{
    if (e->next_server < c->ids.server)
        e->next_server = c->ids.server;
    if (e->next_launch < c->ids.launch)
        e->next_launch = c->ids.launch;
    if (e->next_test < c->ids.test)
        e->next_test = c->ids.test;
    if (e->next_run < c->ids.run)
        e->next_run = c->ids.run;
    if (e->next_undo < c->ids.undo)
        e->next_undo = c->ids.undo;
    if (e->next_fleet < c->ids.fleet)
        e->next_fleet = c->ids.fleet;
    if (e->next_intent < c->ids.intent)
        e->next_intent = c->ids.intent;
}

static void load_launch(struct engine *e, const struct launch_row *row)
{
    if (row->state != LAUNCH_DONE)
        (void)launch_new(e, row);
}

static void load_test(struct engine *e, const struct test_row *row)
{
    struct launch *l = launch_by_id(e, row->launch);

    struct test *t;
    struct undo *u;

    if (l == NULL)
        return;
    t = launch_test_init(e, l, row);
    if (t->state != TEST_REMOVED)
        return;
    HASH_FIND(hh, e->undos, &row->undo.v, sizeof(row->undo.v), u);
    CHECK(u != NULL);
    undo_take(e, u, t);
}

/* A server that was removed by force lives on, nameless in the store, until the leases of its runs end. */
static struct server *removed_server(struct engine *e, const struct run_row *row)
{
    struct server_row ghost = {.id = row->server, .name = row->server_name, .slots = 1};
    struct server *s = server_new(e, &ghost);

    s->removed = true;
    server_leave_fleet(e, s);
    e->stats.servers--;
    e->n_removed++;
    return s;
}

static void load_run(struct engine *e, const struct run_row *row)
{
    struct server *s = server_by_id_any(e, row->server);
    struct test *t = test_by_id(e, row->test);
    struct run *r;

    if (row->state == RUN_DONE || row->state == RUN_LOST)
        return;
    CHECK(t != NULL);
    CHECK(t->state == TEST_ACTIVE);
    CHECK(t->active == NULL);
    if (s == NULL)
        s = removed_server(e, row);
    r = run_new(e, t, s, row->id);
    r->state = row->state; /* as the store left it */
    r->attempt = row->attempt;
    r->slot = row->slot;
    r->created_at = row->created_at;
    r->started_at = row->started_at;
    r->slot_at = row->slot_at;
    r->cost_nanousd = row->cost_nanousd;
    r->has_held = row->started_at.ms != 0;
    cost_run_load(r);
    r->loaded = true;
    r->seen = row->state == RUN_RUNNING || row->state == RUN_PREPARING || row->started_at.ms != 0;
    if (row->state == RUN_PREPARING)
        r->step = text_keep(NULL, row->reason);
    t->active = r;
}

static void load_fleet(struct engine *e, const struct fleet_row *row)
{
    struct fleet *f = fleet_by_id(e, row->id);

    if (f == NULL)
        (void)fleet_new(e, row);
    else
        fleet_row_set(e, f, row); /* one that is always there */
}

void engine_load(struct engine *e, struct now now, const struct change *c)
{
    CHECK(!e->booted);
    e->now = now;
    switch (c->kind) {
    case CHANGE_IDS:
        load_ids(e, c);
        return;
    case CHANGE_SERVER_PUT:
        (void)server_new(e, &c->server);
        return;
    case CHANGE_FLEET_PUT:
        load_fleet(e, &c->fleet);
        return;
    case CHANGE_LAUNCH_ADD:
        load_launch(e, &c->launch);
        return;
    case CHANGE_TEST_ADD:
        load_test(e, &c->test);
        return;
    case CHANGE_RUN_ADD:
        load_run(e, &c->run);
        return;
    case CHANGE_UNDO_ADD:
        (void)undo_new(e, &c->undo);
        return;
    case CHANGE_PAUSE_ADD:
        pause_load(e, &c->pause);
        return;
    case CHANGE_SERVER_DELETE:
    case CHANGE_FLEET_DELETE:
    case CHANGE_LAUNCH_SET:
    case CHANGE_LAUNCH_NAME:
    case CHANGE_TEST_SET:
    case CHANGE_TEST_RANKS:
    case CHANGE_TESTS_SET:
    case CHANGE_UNDO_DELETE:
    case CHANGE_PAUSE_DELETE:
    case CHANGE_START_FAILED:
    case CHANGE_RUN_SET:
    case CHANGE_COST:
    case CHANGE_NOTICE:
    case CHANGE_HOOK_EVENT:
    case CHANGE_KIND_COUNT:
        break;
    }
    CHECK(!"a kind of change that boot never brings");
}

/* The sums of a launch, from its tests; its waiting tests into their queue. */
static void launch_boot(struct engine *e, struct launch *l)
{
    struct test *t;
    uint32_t i;

    CHECK(l->n_loaded == l->row.n_tests);
    launch_predict(l);
    for (i = 0; i < l->row.n_tests; i++) {
        t = &l->tests[i];
        CHECK((t->state == TEST_ACTIVE) == (t->active != NULL));
        rank_seen(l->user, t->rank);
        switch (t->state) {
        case TEST_WAITING:
            queue_add(e, t);
            break;
        case TEST_ACTIVE:
            launch_count_active(l, t, true);
            break;
        case TEST_REMOVED:
            l->n_removed++;
            break;
        case TEST_DONE:
            launch_count_done(l, t);
            break;
        case TEST_STATE_COUNT:
            CHECK(!"no such state");
            break;
        }
    }
    if (l->row.state == LAUNCH_STOPPING)
        SET_ADD(e->stopping, l, stopping);
    launch_ready_update(e, l);
    borrow_start(e, l);
}

void on_booted(struct engine *e)
{
    struct server *s;
    struct launch *l;
    struct undo *undo;
    struct undo *undo_next;
    struct run *r;
    struct fleet *f;
    uint32_t i = 0;

    CHECK(!e->booted);
    e->booted = true;
    e->booted_at = e->now.wall;
    for (f = e->fleets; f != NULL; f = f->hh.next)
        fleet_boot(e, f);
    for (l = e->launches; l != NULL; l = l->hh.next)
        launch_boot(e, l);
    for (undo = e->undos; undo != NULL; undo = undo_next) {
        undo_next = undo->hh.next;
        undo_start(e, undo);
    }
    for (r = e->runs; r != NULL; r = r->hh.next) {
        /* Every lease that an earlier controller gave was counted from before this moment. */
        lease_grant(e, r);
    }
    pause_boot(e);
    room_boot(e);
    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (s->removed)
            continue;
        (void)link_state_set(e, s, LINK_BY_BOOT, NULL); /* no edge: it was offline */
        server_refresh(e, s);
        life_boot(e, s);
        cost_boot(e, s);
        if (!server_is_reachable(s))
            continue;
        /* Sixteen at once, then sixteen more each tenth of a second: a boot is no stampede. */
        link_connect_at(e, s, (int64_t)(i++ / 16) * 100);
    }
}
