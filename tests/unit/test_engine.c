/* test_engine.c - parts of the engine that stories do not show one by one: heap, timers, queue, lease, placement on
 * random fleets, work in advance, bounds, and the tables in docs/engine.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine_private.h"

/* ---- a fleet of ideal agents ---- */

struct yard {
    struct engine *e;
    struct outbox *out;
    struct now now;
    uint64_t next_link;
    uint64_t last_reply;
    enum err last_err;
    struct rng rng;
};

static void turn(struct yard *f, const struct event *ev)
{
    outbox_clear(f->out);
    engine_step(f->e, f->now, ev, f->out);
    engine_turn_end(f->e, f->now, f->out);
    engine_check(f->e);
    for (uint32_t i = 0; i < f->out->replies.n; i++) {
        f->last_reply = f->out->replies.at[i].id;
        f->last_err = f->out->replies.at[i].err;
    }
}

static void fleet_begin(struct yard *f)
{
    struct event ev = {.kind = EV_BOOTED};

    *f =
        (struct yard){.e = engine_new(NULL), .out = outbox_new(), .now = {{1000000}, {1000}}, .next_link = 1};
    rng_seed(&f->rng, 7);
    turn(f, &ev);
}

static void fleet_end(struct yard *f)
{
    engine_free(f->e);
    outbox_free(f->out);
}

static void tick(struct yard *f, int64_t ms)
{
    struct event ev = {.kind = EV_TICK};

    f->now.mono.us += ms * 1000;
    f->now.wall.ms += ms;
    turn(f, &ev);
}

static uint64_t server_up(struct yard *f, const char *name, uint32_t slots)
{
    struct event ev = {.kind = EV_SERVER_ADD, .ticket = {1}};
    uint64_t id;

    ev.server_add.row =
        (struct server_row){.name = name, .address = "", .user = "", .identity = "", .slots = slots};
    turn(f, &ev);
    assert_int_equal(f->last_err, ERR_OK);
    id = f->last_reply;
    ev = (struct event){.kind = EV_LINK_UP};
    ev.link_up.server.v = id;
    ev.link_up.link = f->next_link++;
    ev.link_up.incarnation = 1;
    ev.link_up.agent_version = "";
    ev.link_up.facts = "";
    turn(f, &ev);
    return id;
}

static uint64_t launch(struct yard *f, uint32_t n, const struct launch_row *more, const int64_t *predicted)
{
    static const char *const argv[] = {"true"};
    struct launch_row row = {
        .name = "l", .project_name = "", .ref = "", .commit = "", .lease_ms = 30000, .retries = 2};
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {1}};
    struct new_test *tests = xcalloc(n, sizeof(*tests));

    for (uint32_t i = 0; i < n; i++)
        tests[i] = (struct new_test){
            .path = "t.sh", .argv = argv, .n_argv = 1, .predicted_ms = predicted != NULL ? predicted[i] : 0};
    if (more != NULL) {
        row.user = more->user;
        row.order = more->order;
        row.servers = more->servers;
        row.n_servers = more->n_servers;
        row.secrets = more->secrets;
        row.n_secrets = more->n_secrets;
    }
    ev.launch_create.launch = row;
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = n;
    turn(f, &ev);
    free(tests);
    return f->last_reply;
}

static void beat(struct yard *f, uint64_t server, uint64_t seq)
{
    struct server *s = server_by_id(f->e, (struct server_id){server});
    struct held_run held[64];
    struct event ev = {.kind = EV_BEAT};
    struct run *r;

    ev.beat.server.v = server;
    ev.beat.link = s->link;
    ev.beat.seq = seq;
    ev.beat.goals_seq = s->goals_seq;
    DL_FOREACH(s->runs, r) {
        held[ev.beat.n_held++] =
            (struct held_run){r->id, r->state == RUN_RUNNING ? HOLDS_RUNNING : HOLDS_WAITING, 0};
    }
    ev.beat.held = held;
    turn(f, &ev);
}

static void finish(struct yard *f, struct run *r, int64_t took_us)
{
    struct event ev = {.kind = EV_RUN_FINISHED};

    ev.run_finished.server = r->server->id;
    ev.run_finished.link = r->server->link;
    ev.run_finished.run = r->id;
    ev.run_finished.finish.duration_us = took_us;
    ev.run_finished.reason = "";
    turn(f, &ev);
}

static uint32_t runs_of(struct yard *f, uint64_t server)
{
    return server_by_id(f->e, (struct server_id){server})->n_runs;
}

/* ---- heap and timers ---- */

static void test_heap__pops_in_order_whatever_was_moved(void **state)
{
    struct heap_item items[200];
    struct heap h = {0};
    struct heap_item *top;
    uint64_t last = 0;
    struct rng rng;

    (void)state;
    memset(items, 0, sizeof(items));
    rng_seed(&rng, 3);
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        heap_add(&h, &items[i], rng_below(&rng, 50), i);
    for (size_t i = 0; i < ARRAY_LEN(items); i += 3)
        heap_move(&h, &items[i], rng_below(&rng, 50), i);
    for (size_t i = 1; i < ARRAY_LEN(items); i += 7)
        heap_remove(&h, &items[i]);
    heap_check(&h);
    while ((top = heap_top(&h)) != NULL) {
        assert_true(top->k1 >= last);
        last = top->k1;
        heap_remove(&h, top);
        heap_check(&h);
    }
    heap_done(&h);
}

static void test_timers__equal_deadlines_go_off_in_the_order_set(void **state)
{
    struct timers t = {0};
    struct timer a = {0};
    struct timer b = {0};
    struct timer c = {0};

    (void)state;
    timer_set(&t, &b, TIMER_LEASE, &b, (struct mono){50});
    timer_set(&t, &a, TIMER_LEASE, &a, (struct mono){50});
    timer_set(&t, &c, TIMER_LEASE, &c, (struct mono){40});
    assert_int_equal(timers_deadline(&t).us, 40);
    assert_null(timers_pop(&t, (struct mono){39}));
    timer_set(&t, &c, TIMER_LEASE, &c, (struct mono){60}); /* moved */
    assert_ptr_equal(timers_pop(&t, (struct mono){60}), &b);
    assert_ptr_equal(timers_pop(&t, (struct mono){60}), &a);
    timer_stop(&t, &c);
    timer_stop(&t, &c); /* harmless */
    assert_null(timers_pop(&t, (struct mono){60}));
    assert_int_equal(timers_deadline(&t).us, MONO_NEVER.us);
    heap_done(&t.heap);
}

/* ---- leases ---- */

static void test_lease__ends_when_the_server_is_silent_and_not_before(void **state)
{
    struct yard f;

    (void)state;
    fleet_begin(&f);
    (void)server_up(&f, "a", 1);
    (void)launch(&f, 1, NULL, NULL);
    assert_int_equal(engine_stats(f.e).runs_active, 1);
    tick(&f, 29999);
    assert_int_equal(engine_stats(f.e).runs_active, 1);
    tick(&f, 1);
    assert_int_equal(engine_stats(f.e).runs_active, 0);
    assert_int_equal(engine_stats(f.e).tests_waiting, 1);
    fleet_end(&f);
}

static void test_lease__is_renewed_by_the_answer_to_a_beat(void **state)
{
    struct yard f;
    uint64_t a;

    (void)state;
    fleet_begin(&f);
    a = server_up(&f, "a", 1);
    (void)launch(&f, 1, NULL, NULL);
    for (uint64_t i = 1; i <= 10; i++) {
        tick(&f, 20000);
        if (server_by_id(f.e, (struct server_id){a})->link == 0)
            break; /* so long a silence closes the link, not the lease */
        beat(&f, a, i);
        assert_int_equal(f.out->goals.n, 1);
        assert_int_equal(f.out->goals.at[0].beat_seq, i);
    }
    assert_int_equal(engine_stats(f.e).runs_active, 1);
    fleet_end(&f);
}

/* What a test's own command says goes before its launch. */
static void test_launch__tests_may_have_limits_of_their_own(void **state)
{
    static const char *const argv[] = {"true"};
    const struct new_test tests[] = {
        {.path = "a", .argv = argv, .n_argv = 1},
        {.path = "b", .argv = argv, .n_argv = 1, .limits = {.time_limit_ms = -1, .retries_plus_one = 1}},
        {.path = "c", .argv = argv, .n_argv = 1, .limits = {.silence_limit_ms = 77, .retries_plus_one = 4}},
    };
    static const int64_t times[] = {5000, 0, 5000};
    static const int64_t silences[] = {6000, 6000, 77};
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {1}};
    struct yard f;

    (void)state;
    fleet_begin(&f);
    (void)server_up(&f, "a", 3);
    ev.launch_create.launch = (struct launch_row){.name = "l",
                                                  .project_name = "",
                                                  .ref = "",
                                                  .commit = "",
                                                  .lease_ms = 30000,
                                                  .retries = 2,
                                                  .time_limit_ms = 5000,
                                                  .silence_limit_ms = 6000};
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = 3;
    turn(&f, &ev);
    assert_int_equal(f.out->goals.n, 1);
    assert_int_equal(f.out->goals.at[0].n_entries, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(f.out->goals.at[0].entries[i].spec->time_limit_ms, times[i]);
        assert_int_equal(f.out->goals.at[0].entries[i].spec->silence_limit_ms, silences[i]);
    }
    tick(&f, 30000); /* the lease's end: one was to be tried once alone */
    assert_int_equal(engine_stats(f.e).runs_active, 0);
    assert_int_equal(engine_stats(f.e).tests_waiting, 2);
    fleet_end(&f);
}

/* The agent dropped it at its lease's end: it never ran, so it is no loss of the test. */
static void test_lease__a_run_that_never_began_is_no_loss(void **state)
{
    struct event ev = {.kind = EV_BEAT};
    struct test *t;
    struct yard f;
    uint64_t a;

    (void)state;
    fleet_begin(&f);
    a = server_up(&f, "a", 1);
    (void)launch(&f, 1, NULL, NULL);
    beat(&f, a, 1);
    t = server_by_id(f.e, (struct server_id){a})->runs->test;
    ev.beat.server.v = a;
    ev.beat.link = server_by_id(f.e, (struct server_id){a})->link;
    ev.beat.seq = 2;
    ev.beat.goals_seq = server_by_id(f.e, (struct server_id){a})->goals_seq;
    turn(&f, &ev);
    assert_int_equal(t->losses, 0);
    assert_int_equal(t->attempts, 0);
    assert_int_equal(runs_of(&f, a), 0); /* it rests */
    tick(&f, 1000);
    assert_int_equal(runs_of(&f, a), 1);
    assert_int_equal(t->attempts, 1);
    fleet_end(&f);
}

static void test_lease__nothing_said_after_its_end_counts(void **state)
{
    struct yard f;
    struct run *r;
    struct event ev = {.kind = EV_RUN_FINISHED};

    (void)state;
    fleet_begin(&f);
    (void)server_up(&f, "a", 1);
    (void)launch(&f, 1, NULL, NULL);
    r = f.e->runs;
    ev.run_finished.server = r->server->id;
    ev.run_finished.run = r->id;
    ev.run_finished.reason = "";
    f.now.mono.us += 30000 * 1000; /* exactly its end, and no tick came before this event */
    turn(&f, &ev);
    assert_int_equal(engine_stats(f.e).late_news, 1);
    assert_int_equal(engine_stats(f.e).launches, 1);
    fleet_end(&f);
}

/* ---- queue and placement ---- */

static void test_queue__longest_predicted_first_unknown_as_the_mean(void **state)
{
    static const int64_t predicted[] = {1000, 9000, 0, 3000}; /* the mean of the known is 4333 */
    static const uint32_t expected[] = {1, 2, 3, 0};
    struct launch_row row = {.order = ORDER_FINISH_SOONEST};
    struct yard f;

    (void)state;
    fleet_begin(&f);
    (void)server_up(&f, "a", 1);
    (void)launch(&f, 4, &row, predicted);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f.e->runs->test->position, expected[i]);
        finish(&f, f.e->runs, 5000000);
    }
    assert_int_equal(engine_stats(f.e).launches, 0);
    fleet_end(&f);
}

static void test_place__users_share_servers_fairly(void **state)
{
    struct launch_row mira = {.user = {1}};
    struct launch_row omar = {.user = {2}};
    struct yard f;
    uint64_t first;
    uint64_t second;
    uint64_t third;

    (void)state;
    fleet_begin(&f);
    first = launch(&f, 20, &mira, NULL);
    second = launch(&f, 20, &mira, NULL);
    third = launch(&f, 20, &omar, NULL);
    (void)server_up(&f, "a", 6);
    assert_int_equal(launch_by_id(f.e, (struct launch_id){first})->n_active, 3);
    assert_int_equal(launch_by_id(f.e, (struct launch_id){second})->n_active, 0); /* behind the first */
    assert_int_equal(launch_by_id(f.e, (struct launch_id){third})->n_active, 3);
    fleet_end(&f);
}

static void test_place__a_launch_goes_only_where_it_may(void **state)
{
    struct yard f;
    uint64_t a;
    uint64_t b;
    struct launch_row row = {.n_servers = 1};

    (void)state;
    fleet_begin(&f);
    a = server_up(&f, "a", 2);
    b = server_up(&f, "b", 2);
    row.servers = &b;
    (void)launch(&f, 6, &row, NULL);
    assert_int_equal(runs_of(&f, a), 0);
    assert_int_equal(runs_of(&f, b), 2);
    fleet_end(&f);
}

static void test_place__work_in_advance_only_for_short_runs(void **state)
{
    struct yard f;
    uint64_t a;

    (void)state;
    fleet_begin(&f);
    a = server_up(&f, "a", 2);
    (void)launch(&f, 500, NULL, NULL);
    assert_int_equal(runs_of(&f, a), 2); /* nothing is measured yet */
    finish(&f, f.e->runs, 4000);         /* 4 ms: 20 / 4 = 5 per slot */
    assert_int_equal(runs_of(&f, a), 2 + 10);
    for (int i = 0; i < 10; i++)
        finish(&f, f.e->runs, 1000000); /* the mean is a second now */
    while (runs_of(&f, a) > 2)
        finish(&f, f.e->runs, 1000000);
    finish(&f, f.e->runs, 1000000);
    assert_int_equal(runs_of(&f, a), 2);
    fleet_end(&f);
}

static void test_place__never_in_advance_while_a_slot_is_free(void **state)
{
    struct yard f;
    uint64_t a;
    uint64_t b;

    (void)state;
    fleet_begin(&f);
    a = server_up(&f, "a", 1);
    (void)launch(&f, 100, NULL, NULL);
    finish(&f, f.e->runs, 100);
    assert_int_equal(runs_of(&f, a), 1 + AHEAD_SLOT_MAX);
    b = server_up(&f, "b", 1);
    assert_true(runs_of(&f, b) >= 1);
    fleet_end(&f);
}

static void random_event(struct yard *f)
{
    struct run *r = f->e->runs;
    uint64_t skip = rng_below(&f->rng, HASH_COUNT(f->e->runs) + 1);

    while (r != NULL && skip-- > 0 && r->hh.next != NULL)
        r = r->hh.next;
    if (r != NULL)
        finish(f, r, (int64_t)rng_below(&f->rng, 30000));
}

/* Random fleets and launches; engine_check() after each turn holds E11, E12, E13: nothing idle could take what waits. */
static void test_place__random_fleets_are_never_idle_with_work(void **state)
{
    char name[16];

    (void)state;
    for (int round = 0; round < 40; round++) {
        struct yard f;
        uint64_t ids[8];
        uint32_t n;

        fleet_begin(&f);
        rng_seed(&f.rng, (uint64_t)round);
        n = 1 + (uint32_t)rng_below(&f.rng, 8);
        for (uint32_t i = 0; i < n; i++) {
            (void)snprintf(name, sizeof(name), "s%u", i);
            ids[i] = server_up(&f, name, 1 + (uint32_t)rng_below(&f.rng, 4));
        }
        for (int i = 0; i < 4; i++) {
            struct launch_row row = {.servers = ids, .n_servers = (uint32_t)rng_below(&f.rng, n + 1)};

            (void)launch(&f, 1 + (uint32_t)rng_below(&f.rng, 40), &row, NULL);
            for (int k = 0; k < 10; k++)
                random_event(&f);
        }
        while (f.e->runs != NULL)
            random_event(&f);
        assert_int_equal(engine_stats(f.e).launches, 0);
        fleet_end(&f);
    }
}

/* ---- bounds ---- */

static void test_engine__a_stop_of_many_tests_takes_several_turns(void **state)
{
    struct event stop = {.kind = EV_LAUNCH_STOP, .ticket = {1}};
    struct yard f;
    int turns = 1;

    (void)state;
    fleet_begin(&f);
    stop.launch_stop.v = launch(&f, 3 * STOP_TURN_MAX, NULL, NULL);
    turn(&f, &stop);
    assert_int_equal(f.last_err, ERR_OK);
    while (engine_stats(f.e).launches > 0) {
        assert_int_equal(engine_deadline(f.e).us, f.now.mono.us);
        tick(&f, 0);
        turns++;
    }
    assert_in_range(turns, 3, 4);
    fleet_end(&f);
}

static void test_engine__refusals_name_the_field(void **state)
{
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {1}};
    struct yard f;

    (void)state;
    fleet_begin(&f);
    ev.launch_create.launch = (struct launch_row){.name = "", .project_name = "", .ref = "", .commit = ""};
    turn(&f, &ev);
    assert_int_equal(f.last_err, ERR_INVALID);
    assert_string_equal(f.out->replies.at[0].field, "tests");
    ev = (struct event){.kind = EV_LAUNCH_STOP, .ticket = {1}};
    ev.launch_stop.v = 99;
    turn(&f, &ev);
    assert_int_equal(f.last_err, ERR_NOTFOUND);
    (void)server_up(&f, "a", 1);
    ev = (struct event){.kind = EV_SERVER_ADD, .ticket = {1}};
    ev.server_add.row =
        (struct server_row){.name = "a", .address = "", .user = "", .identity = "", .slots = 1};
    turn(&f, &ev);
    assert_int_equal(f.last_err, ERR_CONFLICT);
    ev.ticket.v = 0; /* nobody waits: no reply */
    turn(&f, &ev);
    assert_int_equal(f.out->replies.n, 0);
    fleet_end(&f);
}

static void edit(struct yard *f, uint64_t server, struct server_edit what)
{
    struct event ev = {.kind = EV_SERVER_EDIT, .ticket = {1}};

    what.server.v = server;
    what.login = "ann";
    ev.server_edit = what;
    turn(f, &ev);
}

static void test_engine__a_record_changes_when_nothing_runs_there(void **state)
{
    struct yard f;
    struct server *s;
    uint64_t id;
    uint64_t old_link;

    (void)state;
    fleet_begin(&f);
    id = server_up(&f, "a", 2);
    (void)server_up(&f, "b", 1);
    s = server_by_id(f.e, (struct server_id){id});
    (void)launch(&f, 1, NULL, NULL);
    while (s->n_runs > 0) { /* it is on one of the two */
        edit(&f, id, (struct server_edit){.slots = 3});
        assert_int_equal(f.last_err, ERR_CONFLICT);
        edit(&f, id, (struct server_edit){.name = "a", .slots = 2});
        assert_int_equal(f.last_err, ERR_OK); /* it is so already: no link ends */
        assert_int_equal(s->row.link, LINK_ONLINE);
        finish(&f, s->runs, 1000);
    }
    edit(&f, id, (struct server_edit){.address = "10.0.0.1"});
    assert_int_equal(f.last_err, ERR_INVALID);
    assert_string_equal(f.out->replies.at[0].field, "address");
    edit(&f, 99, (struct server_edit){.slots = 3});
    assert_int_equal(f.last_err, ERR_NOTFOUND);
    edit(&f, id, (struct server_edit){.name = "c", .slots = 5}); /* its folder is DATA/servers/a */
    assert_int_equal(f.last_err, ERR_INVALID);
    assert_string_equal(f.out->replies.at[0].field, "name");
    old_link = s->link;
    edit(&f, id, (struct server_edit){.name = "a", .slots = 5});
    assert_int_equal(f.last_err, ERR_OK);
    assert_string_equal(s->row.name, "a");
    assert_int_equal(s->row.slots, 5);
    assert_int_equal(s->link, 0);
    assert_int_equal(f.out->orders.at[0].kind, ORDER_DISCONNECT);
    tick(&f, 1);
    assert_int_equal(s->row.link, LINK_CONNECTING);
    beat(&f, id, old_link); /* what the old one still says is late news */
    assert_int_equal(s->row.link, LINK_CONNECTING);
    fleet_end(&f);
}

static uint64_t ordered_era(const struct yard *f)
{
    uint32_t i = 0;

    while (i < f->out->orders.n && f->out->orders.at[i].kind != ORDER_CONNECT)
        i++;
    assert_true(i < f->out->orders.n);
    return f->out->orders.at[i].era;
}

static void answer(struct yard *f, uint64_t server, uint64_t era, uint64_t incarnation)
{
    struct event ev = {.kind = EV_LINK_UP};

    ev.link_up.server.v = server;
    ev.link_up.link = f->next_link++;
    ev.link_up.era = era;
    ev.link_up.incarnation = incarnation;
    ev.link_up.agent_version = "";
    ev.link_up.facts = "";
    turn(f, &ev);
}

/* The order to end it leaves when the edit is saved: until then the old machine may still answer, on a link whose number
 * is the newest. */
static void test_engine__the_answer_of_a_try_before_an_edit_is_late(void **state)
{
    struct event ev = {.kind = EV_SERVER_ADD, .ticket = {1}};
    struct event down = {.kind = EV_LINK_DOWN};
    struct yard f;
    struct server *s;
    uint64_t old;
    uint64_t new;

    (void)state;
    fleet_begin(&f);
    ev.server_add.row = (struct server_row){.name = "a",
                                            .fleet = FLEET_SSH,
                                            .fleet_id = {FLEET_ID_SSH},
                                            .address = "10.0.0.1",
                                            .user = "",
                                            .identity = "",
                                            .slots = 1};
    turn(&f, &ev);
    assert_int_equal(f.last_err, ERR_OK);
    s = server_by_id(f.e, (struct server_id){f.last_reply});
    tick(&f, 1);
    assert_int_equal(s->row.link, LINK_CONNECTING);
    old = ordered_era(&f);
    edit(&f, s->id.v, (struct server_edit){.address = "10.0.0.2"});
    assert_int_equal(f.last_err, ERR_OK);
    assert_int_equal(f.out->orders.at[0].kind, ORDER_DISCONNECT);
    assert_int_equal(s->row.link, LINK_OFFLINE);
    answer(&f, s->id.v, old, 7); /* in the turn that orders another try */
    assert_int_equal(s->row.link, LINK_CONNECTING);
    new = ordered_era(&f);
    answer(&f, s->id.v, old, 7); /* and after it */
    assert_int_equal(s->row.link, LINK_CONNECTING);
    assert_int_equal(s->link, 0);
    assert_int_equal(s->incarnation, 0);
    down.link_down.server = s->id;
    down.link_down.era = old;
    down.link_down.reason = "10.0.0.1: connection refused";
    turn(&f, &down); /* nor is its end that of the new one */
    assert_int_equal(s->row.link, LINK_CONNECTING);
    answer(&f, s->id.v, new, 8);
    assert_int_equal(s->row.link, LINK_ONLINE);
    assert_int_equal(s->incarnation, 8);
    (void)server_up(&f, "b", 1);
    edit(&f, s->id.v, (struct server_edit){.name = "b"});
    assert_int_equal(f.last_err, ERR_CONFLICT);
    (void)launch(&f, 1, NULL, NULL);
    assert_int_equal(s->n_runs, 1);
    fleet_end(&f);
}

/* Another server would not open a secret either, and it is no fault of this one. */
static void test_engine__a_run_without_its_secret_is_not_tried_again(void **state)
{
    static const char *const secrets[] = {"TOKEN=sealed"};
    struct launch_row more = {.secrets = secrets, .n_secrets = 1};
    struct event ev = {.kind = EV_RUN_FINISHED};
    const struct run_spec *spec;
    struct yard f;
    uint64_t server;

    (void)state;
    fleet_begin(&f);
    server = server_up(&f, "a", 1);
    (void)launch(&f, 1, &more, NULL);
    assert_int_equal(f.out->goals.n, 1);
    spec = f.out->goals.at[0].entries[0].spec;
    assert_non_null(spec);
    assert_int_equal(spec->n_secrets, 1);
    assert_string_equal(spec->secrets[0], "TOKEN=sealed");
    ev.run_finished.server.v = server;
    ev.run_finished.link = 1;
    ev.run_finished.run = f.out->goals.at[0].entries[0].run;
    ev.run_finished.slot = UINT32_MAX;
    ev.run_finished.finish.how = 12;
    ev.run_finished.reason = "a secret of its user could not be given to it: TOKEN: why";
    turn(&f, &ev);
    assert_int_equal(engine_stats(f.e).launches, 0);
    assert_false(server_by_id(f.e, (struct server_id){server})->resting);
    fleet_end(&f);
}

static void test_engine__silence_is_shown_and_forgiven(void **state)
{
    struct yard f;
    uint64_t a;

    (void)state;
    fleet_begin(&f);
    a = server_up(&f, "a", 1);
    tick(&f, 5001);
    assert_int_equal(server_by_id(f.e, (struct server_id){a})->row.link, LINK_LOST);
    assert_int_equal(f.out->changes.n, 1);
    assert_string_equal(f.out->changes.at[0].server.link_reason, "no beat for 5 s");
    beat(&f, a, 1);
    assert_int_equal(server_by_id(f.e, (struct server_id){a})->row.link, LINK_ONLINE);
    fleet_end(&f);
}

/* ---- docs: UPDATE=1 writes the tables, which are the end of the page, anew ---- */

static void docs_update(const char *docs, const struct buf *tables)
{
    const char *begin = strstr(docs, "\n### ");
    FILE *f = fopen("docs/engine.md", "w");

    assert_non_null(begin);
    assert_non_null(f);
    (void)fwrite(docs, 1, (size_t)(begin - docs) + 1, f);
    (void)fwrite(buf_str(tables), 1, tables->len, f);
    (void)fclose(f);
}

static void test_engine__docs_show_the_tables(void **state)
{
    static char docs[262144];
    struct buf tables;
    FILE *f = fopen("docs/engine.md", "r");

    (void)state;
    assert_non_null(f);
    docs[fread(docs, 1, sizeof(docs) - 1, f)] = '\0';
    (void)fclose(f);
    buf_init(&tables, sizeof(docs));
    engine_draw(&tables);
    if (getenv("UPDATE") != NULL)
        docs_update(docs, &tables);
    else if (strstr(docs, buf_str(&tables)) == NULL)
        fail_msg("docs/engine.md should hold these tables:\n%s", buf_str(&tables));
    buf_done(&tables);
}

/* Each step that is told is a write, and a line for everybody who watches. */
static void test_engine__an_agent_that_says_steps_without_end_is_not_heard(void **state)
{
    struct event ev = {.kind = EV_RUN_PREPARING};
    struct yard f;
    struct run *r;
    uint64_t told = 0;
    char step[32];

    (void)state;
    fleet_begin(&f);
    (void)server_up(&f, "a", 1);
    (void)launch(&f, 1, NULL, NULL);
    r = f.e->runs;
    assert_non_null(r);
    ev.run_preparing.server = r->server->id;
    ev.run_preparing.link = r->server->link;
    ev.run_preparing.run = r->id;
    ev.run_preparing.step = step;
    for (int i = 0; i < 1000; i++) { /* in ten seconds */
        (void)snprintf(step, sizeof(step), "step %d", i);
        tick(&f, 10);
        turn(&f, &ev);
        told += f.out->changes.n;
    }
    assert_in_range(told, 30, 45);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(step, sizeof(step), "slow %d", i);
        tick(&f, 1100);
        turn(&f, &ev);
        assert_string_equal(r->step, step);
    }
    fleet_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine__an_agent_that_says_steps_without_end_is_not_heard),
        cmocka_unit_test(test_heap__pops_in_order_whatever_was_moved),
        cmocka_unit_test(test_timers__equal_deadlines_go_off_in_the_order_set),
        cmocka_unit_test(test_lease__ends_when_the_server_is_silent_and_not_before),
        cmocka_unit_test(test_lease__is_renewed_by_the_answer_to_a_beat),
        cmocka_unit_test(test_launch__tests_may_have_limits_of_their_own),
        cmocka_unit_test(test_lease__a_run_that_never_began_is_no_loss),
        cmocka_unit_test(test_lease__nothing_said_after_its_end_counts),
        cmocka_unit_test(test_queue__longest_predicted_first_unknown_as_the_mean),
        cmocka_unit_test(test_place__users_share_servers_fairly),
        cmocka_unit_test(test_place__a_launch_goes_only_where_it_may),
        cmocka_unit_test(test_place__work_in_advance_only_for_short_runs),
        cmocka_unit_test(test_place__never_in_advance_while_a_slot_is_free),
        cmocka_unit_test(test_place__random_fleets_are_never_idle_with_work),
        cmocka_unit_test(test_engine__a_stop_of_many_tests_takes_several_turns),
        cmocka_unit_test(test_engine__refusals_name_the_field),
        cmocka_unit_test(test_engine__a_record_changes_when_nothing_runs_there),
        cmocka_unit_test(test_engine__the_answer_of_a_try_before_an_edit_is_late),
        cmocka_unit_test(test_engine__a_run_without_its_secret_is_not_tried_again),
        cmocka_unit_test(test_engine__silence_is_shown_and_forgiven),
        cmocka_unit_test(test_engine__docs_show_the_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
