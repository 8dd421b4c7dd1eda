/* test_cost.c - the ledger: a machine's cost is divided to the billionth of a dollar, whatever happens to its runs, to its
 * price, to the clock, or to wrata. Whole lives with clouds that lie are the simulator's (sim/store.c adds up there, too). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine_private.h"
#include "model/cost.h"
#include "wire/frame.h"

#define PRICE 3600000 /* $3.60 an hour: a millionth of a dollar a ms, 1,000 billionths */
#define MS_NANOUSD 1000LL
#define NOON INT64_C(1767268800000) /* 2026-01-01T12:00:00Z */
#define DAYS_MAX 64

/* What the ledger has heard. */
struct sum {
    int64_t machines;
    int64_t runs;
    int64_t day[DAYS_MAX]; /* of machines, since the day of NOON */
    int64_t day_runs[DAYS_MAX];
    int64_t launch[8];
    uint32_t n;
};

struct yard {
    struct engine *e;
    struct outbox *out;
    struct now now;
    uint64_t last_reply;
    enum err last_err;
    char text[512];
    uint64_t intent;
    uint64_t link; /* 0: none was ever up */
    uint64_t linked;
    uint64_t seq;
    struct sum sum;
};

static void hear(struct yard *y, const struct cost_row *c)
{
    int64_t day = c->day - cost_day((struct wall){NOON});

    assert_true(c->nanousd >= 0);
    assert_in_range(day, 0, DAYS_MAX - 1);
    y->sum.n++;
    if (c->launch.v == 0) {
        y->sum.machines += c->nanousd;
        y->sum.day[day] += c->nanousd;
    } else {
        y->sum.runs += c->nanousd;
        y->sum.day_runs[day] += c->nanousd;
        y->sum.launch[c->launch.v] += c->nanousd;
    }
}

static void turn(struct yard *y, const struct event *ev)
{
    outbox_clear(y->out);
    engine_step(y->e, y->now, ev, y->out);
    engine_turn_end(y->e, y->now, y->out);
    engine_check(y->e);
    for (uint32_t i = 0; i < y->out->changes.n; i++) {
        if (y->out->changes.at[i].kind == CHANGE_COST)
            hear(y, &y->out->changes.at[i].cost);
    }
    for (uint32_t i = 0; i < y->out->replies.n; i++) {
        y->last_reply = y->out->replies.at[i].id;
        y->last_err = y->out->replies.at[i].err;
        (void)snprintf(y->text, sizeof(y->text), "%s",
                       y->out->replies.at[i].text != NULL ? y->out->replies.at[i].text : "");
    }
    for (uint32_t i = 0; i < y->out->orders.n; i++) {
        if (y->out->orders.at[i].kind == ORDER_MACHINE_CREATE)
            y->intent = y->out->orders.at[i].server.intent;
    }
    assert_true(y->sum.runs <= y->sum.machines);
}

static void yard_begin(struct yard *y)
{
    struct event ev = {.kind = EV_BOOTED};

    *y = (struct yard){.e = engine_new(NULL), .out = outbox_new(), .now = {{1000000}, {NOON}}};
    turn(y, &ev);
}

static void yard_end(struct yard *y)
{
    engine_free(y->e);
    outbox_free(y->out);
}

/* The agent says what it holds: what it was given, as it is. */
static void beat(struct yard *y)
{
    struct event ev = {.kind = EV_BEAT};
    struct held_run held[8];
    const struct run *r;

    if (y->link == 0)
        return;
    ev.beat.server.v = y->linked;
    ev.beat.link = y->link;
    ev.beat.seq = ++y->seq;
    ev.beat.held = held;
    for (r = y->e->runs; r != NULL; r = r->hh.next)
        held[ev.beat.n_held++] =
            (struct held_run){r->id, r->state == RUN_RUNNING ? HOLDS_RUNNING : HOLDS_WAITING, r->slot};
    turn(y, &ev);
}

static void pass(struct yard *y, int64_t ms)
{
    struct event ev = {.kind = EV_TICK};

    while (ms > 0) {
        int64_t step = ms < 4000 ? ms : 4000;

        y->now.mono.us += step * 1000;
        y->now.wall.ms += step;
        turn(y, &ev);
        beat(y);
        ms -= step;
    }
}

static uint64_t fleet_put(struct yard *y, struct fleet_row row)
{
    struct event ev = {.kind = EV_FLEET_PUT, .ticket = {1}, .fleet_put = row};

    ev.fleet_put.options = "{}";
    ev.fleet_put.error = "";
    turn(y, &ev);
    assert_int_equal(y->last_err, ERR_OK);
    return y->last_reply;
}

static void priced(struct yard *y, uint64_t fleet, int64_t price)
{
    struct fleet_size sizes[] = {{.name = "s", .price_hour_microusd = price}};
    struct event ev = {.kind = EV_FLEET_CATALOG};

    ev.fleet_catalog.fleet.v = fleet;
    ev.fleet_catalog.sizes = sizes;
    ev.fleet_catalog.n = 1;
    turn(y, &ev);
}

static void listed(struct yard *y, uint64_t fleet, const struct machine *all, uint32_t n)
{
    struct event ev = {.kind = EV_FLEET_LISTED};
    struct fleet *f = fleet_by_id(y->e, (struct fleet_id){fleet});

    while (f->ask == f->answered)
        pass(y, 1000);
    ev.fleet_list.fleet.v = fleet;
    ev.fleet_list.ask = f->ask;
    ev.fleet_list.all = all;
    ev.fleet_list.n = n;
    turn(y, &ev);
}

static uint64_t server_add(struct yard *y, uint64_t fleet, uint32_t slots)
{
    struct event ev = {.kind = EV_SERVER_ADD, .ticket = {1}};

    ev.server_add.row = (struct server_row){.name = "a",
                                            .fleet_id = {fleet},
                                            .address = "",
                                            .user = "",
                                            .identity = "",
                                            .slots = slots,
                                            .idle_ms = IDLE_AS_FLEET};
    turn(y, &ev);
    assert_int_equal(y->last_err, ERR_OK);
    return y->last_reply;
}

static enum err server_do(struct yard *y, enum server_op op, uint64_t server)
{
    struct event ev = {.kind = EV_SERVERS_CHANGE, .ticket = {2}};
    struct server_id id = {server};

    ev.servers_change = (struct servers_change){
        .op = op, .servers = &id, .n = 1, .login = "ann", .may_any = true, .force = true, .size = "s"};
    turn(y, &ev);
    return y->last_err;
}

static struct server *server_at(const struct yard *y, uint64_t id)
{
    return server_by_id_any(y->e, (struct server_id){id});
}

static struct machine machine_of(const struct yard *y, uint64_t server)
{
    return (struct machine){.id = "m1",
                            .server = server,
                            .intent = y->intent,
                            .name = "",
                            .state = MACHINE_ACTIVE,
                            .address = "10.0.0.1",
                            .size = "s",
                            .region = "",
                            .created_at = y->now.wall,
                            .lease_until = {INT64_C(1) << 50},
                            .price_hour_microusd = -1};
}

static void link_up(struct yard *y, uint64_t server)
{
    struct event ev = {.kind = EV_LINK_UP};

    ev.link_up.server.v = server;
    ev.link_up.link = ++y->link;
    ev.link_up.incarnation = 1;
    ev.link_up.agent_version = "1";
    ev.link_up.facts = "";
    y->linked = server;
    turn(y, &ev);
}

/* A cloud's machine with so many slots, that is online; its life begins now. */
static uint64_t machine_on(struct yard *y, uint32_t slots, uint64_t *ret_fleet)
{
    uint64_t fleet = fleet_put(y, (struct fleet_row){.name = "cloud", .kind = FLEET_FAKE});
    uint64_t server = server_add(y, fleet, slots);
    struct event made = {.kind = EV_MACHINE_CREATED};

    priced(y, fleet, PRICE);
    assert_int_equal(server_do(y, SERVER_ON, server), ERR_OK);
    listed(y, fleet, NULL, 0);
    while (y->intent == 0)
        pass(y, 1000);
    made.machine_create.fleet.v = fleet;
    made.machine_create.server = server;
    made.machine_create.intent = y->intent;
    made.machine_create.machine = machine_of(y, server);
    turn(y, &made);
    link_up(y, server);
    if (ret_fleet != NULL)
        *ret_fleet = fleet;
    return server;
}

static void machine_off(struct yard *y, uint64_t server)
{
    struct event gone = {.kind = EV_MACHINE_DESTROYED};

    gone.machine.fleet = server_at(y, server)->fleet->id;
    gone.machine.machine = "m1";
    assert_int_equal(server_do(y, SERVER_OFF, server), ERR_OK);
    turn(y, &gone);
    assert_int_equal(server_at(y, server)->row.status, SERVER_DESTROYED);
}

static uint64_t launch(struct yard *y, uint32_t n, uint32_t retries)
{
    static const char *const argv[] = {"x"};
    struct new_test tests[8] = {{0}};
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {1}};

    for (uint32_t i = 0; i < n; i++)
        tests[i] = (struct new_test){.path = "a.sh", .argv = argv, .n_argv = 1};
    ev.launch_create.launch = (struct launch_row){.user = {1},
                                                  .project_name = "p",
                                                  .name = "",
                                                  .ref = "",
                                                  .commit = "",
                                                  .retries = retries,
                                                  .lease_ms = 120000};
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = n;
    turn(y, &ev);
    assert_int_equal(y->last_err, ERR_OK);
    return y->last_reply;
}

static void started(struct yard *y, uint64_t server, uint64_t run, uint32_t slot)
{
    struct event ev = {.kind = EV_RUN_STARTED};

    ev.run_started.server.v = server;
    ev.run_started.link = y->link;
    ev.run_started.run.v = run;
    ev.run_started.slot = slot;
    turn(y, &ev);
}

static void finished(struct yard *y, uint64_t server, uint64_t run, uint32_t slot, int64_t ms)
{
    struct event ev = {.kind = EV_RUN_FINISHED};

    ev.run_finished.server.v = server;
    ev.run_finished.link = y->link;
    ev.run_finished.run.v = run;
    ev.run_finished.slot = slot;
    ev.run_finished.finish = (struct finish){.how = FINISH_EXITED, .duration_us = ms * 1000};
    turn(y, &ev);
}

/* ---- arithmetic ---- */

__extension__ typedef __int128 wide;

static void test_cost__parts_add_up_to_the_whole(void **state)
{
    static const int64_t prices[] = {1, 7440, 8930, 999999, 3600000, PRICE_HOUR_MICROUSD_MAX};
    int64_t sum;

    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(prices); p++) {
        for (int64_t ms = 0; ms < INT64_C(40000000000); ms = ms * 3 + 1) {
            int64_t whole = cost_nanousd(prices[p], ms);

            assert_true(whole >= 0);
            assert_int_equal(whole, (int64_t)((wide)prices[p] * ms / 3600));
            for (uint32_t slots = 1; slots <= SERVER_SLOTS_MAX; slots = slots * 2 + 1) {
                sum = 0;
                for (uint32_t k = 0; k < slots; k++)
                    sum += cost_of_slot(whole, slots, k);
                assert_int_equal(sum, whole);
            }
        }
    }
}

static void test_cost__a_provider_rounds_up(void **state)
{
    struct billing ocean = fleet_kind_billing(FLEET_DIGITALOCEAN);

    (void)state;
    assert_int_equal(billed_ms(ocean, 0), 60000);
    assert_int_equal(billed_ms(ocean, 60000), 60000);
    assert_int_equal(billed_ms(ocean, 60001), 61000);
    assert_int_equal(ocean.least_nanousd, NANOUSD_PER_USD / 100);
    assert_int_equal(billed_ms(fleet_kind_billing(FLEET_LOCAL), 12345), 12345);
}

static void test_cost__dollars_and_days_as_text(void **state)
{
    static const struct {
        int64_t nanousd;
        const char *text;
    } usd[] = {{0, "0"},
               {1, "0.000000001"},
               {1500000000, "1.5"},
               {12345678901, "12.345678901"},
               {100000000000, "100"},
               {-2500000000, "-2.5"},
               {INT64_MAX, "9223372036.854775807"}};
    char out[COST_USD_BYTES];
    char date[COST_DATE_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(usd); i++) {
        cost_usd_text(usd[i].nanousd, out);
        assert_string_equal(out, usd[i].text);
    }
    assert_int_equal(cost_day((struct wall){COST_DAY_MS - 1}), 0);
    assert_int_equal(cost_day((struct wall){COST_DAY_MS}), 1);
    assert_int_equal(cost_day((struct wall){-1}), -1);
    cost_date_text(cost_day((struct wall){NOON}), date);
    assert_string_equal(date, "2026-01-01");
}

/* ---- a machine's life ---- */

static void test_cost__a_run_costs_its_slot_and_the_rest_is_idle(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 2, NULL);
    pass(&y, 100000);
    (void)launch(&y, 1, 0);
    started(&y, server, 1, 1);
    pass(&y, 30000);
    finished(&y, server, 1, 1, 30000);
    pass(&y, 70000);
    machine_off(&y, server);
    assert_int_equal(y.sum.machines, 200000 * MS_NANOUSD);
    assert_int_equal(y.sum.runs, 30000 * MS_NANOUSD / 2);
    assert_int_equal(y.sum.launch[1], y.sum.runs);
    assert_int_equal(server_at(&y, server)->row.cost_nanousd, 0);
    yard_end(&y);
}

static void test_cost__a_machine_that_went_at_once_is_paid_for_a_minute(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    (void)launch(&y, 1, 0);
    started(&y, server, 1, 0);
    pass(&y, 10000);
    finished(&y, server, 1, 0, 10000);
    pass(&y, 500);
    machine_off(&y, server);
    assert_int_equal(y.sum.machines, 60000 * MS_NANOUSD);
    assert_int_equal(y.sum.runs, 10000 * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__seconds_are_whole_at_the_end(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    pass(&y, 61001);
    machine_off(&y, server);
    assert_int_equal(y.sum.machines, 62000 * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__midnight_cuts_machines_and_runs(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    y.now.wall.ms = NOON + COST_DAY_MS / 2 - 100000;
    server = machine_on(&y, 1, NULL);
    y.now.wall.ms = NOON + COST_DAY_MS / 2 - 50000; /* 50 s later, to the ms */
    (void)launch(&y, 1, 0);
    started(&y, server, 1, 0);
    pass(&y, 80000);
    finished(&y, server, 1, 0, 80000);
    assert_int_equal(y.sum.day_runs[0], 50000 * MS_NANOUSD);
    assert_int_equal(y.sum.day_runs[1], 30000 * MS_NANOUSD);
    machine_off(&y, server);
    assert_int_equal(y.sum.day[1], 30000 * MS_NANOUSD);
    assert_int_equal(y.sum.day[0] + y.sum.day[1], y.sum.machines);
    yard_end(&y);
}

/* A day is closed at midnight, not when something happens next. */
static void test_cost__a_day_is_closed_though_nothing_happens(void **state)
{
    struct yard y;
    int64_t begin;

    (void)state;
    yard_begin(&y);
    y.now.wall.ms = NOON + COST_DAY_MS / 2 - 100000;
    begin = server_at(&y, machine_on(&y, 1, NULL))->row.billed_at.ms;
    pass(&y, NOON + COST_DAY_MS / 2 - y.now.wall.ms);
    assert_int_equal(y.sum.day[1], 0);
    assert_int_equal(y.sum.day[0], (NOON + COST_DAY_MS / 2 - begin) * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__another_price_does_not_change_the_past(void **state)
{
    struct machine m;
    struct yard y;
    uint64_t server;
    uint64_t fleet;
    int64_t begin;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, &fleet);
    begin = server_at(&y, server)->row.billed_at.ms;
    priced(&y, fleet, 10 * PRICE); /* for those that come */
    pass(&y, 100000);
    m = machine_of(&y, server);
    m.created_at.ms = begin;
    listed(&y, fleet, &m, 1);
    assert_int_equal(server_at(&y, server)->row.price_hour_microusd, PRICE);
    m.price_hour_microusd = 2 * PRICE; /* the cloud says it of this machine */
    listed(&y, fleet, &m, 1);
    begin = y.now.wall.ms - begin;
    assert_int_equal(y.sum.machines, begin * MS_NANOUSD);
    pass(&y, 60000);
    machine_off(&y, server);
    assert_int_equal(y.sum.machines, begin * MS_NANOUSD + 60000 * 2 * MS_NANOUSD);
    yard_end(&y);
}

/* ---- slots ---- */

static void test_cost__who_comes_into_a_slot_ends_the_time_of_who_was_there(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    (void)launch(&y, 1, 0);
    started(&y, server, 1, 0);
    pass(&y, 10000);
    /* Its output is still on its way when the next one runs there already. */
    (void)launch(&y, 1, 0);
    assert_null(run_by_id(y.e, (struct run_id){2})); /* one slot: it waits... */
    finished(&y, server, 1, 0, 10000);
    started(&y, server, 2, 0);
    pass(&y, 7000);
    finished(&y, server, 2, 0, 7000);
    assert_int_equal(y.sum.launch[1], 10000 * MS_NANOUSD);
    assert_int_equal(y.sum.launch[2], 7000 * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__two_runs_in_one_slot_are_never_paid_for_twice(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 2, NULL);
    (void)launch(&y, 2, 0);
    started(&y, server, 1, 0);
    pass(&y, 10000);
    started(&y, server, 2, 0); /* the end of run 1 has not been told yet */
    pass(&y, 10000);
    finished(&y, server, 1, 0, 10000);
    finished(&y, server, 2, 0, 10000);
    assert_int_equal(y.sum.runs, 20000 * MS_NANOUSD / 2);
    yard_end(&y);
}

static void test_cost__a_run_too_short_to_be_seen_costs_its_time(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    pass(&y, 5000);
    (void)launch(&y, 1, 0);
    pass(&y, 40);
    finished(&y, server, 1, 0, 30);
    assert_int_equal(y.sum.runs, 30 * MS_NANOUSD);
    /* One that says that it took longer than its slot was free is not believed. */
    (void)launch(&y, 1, 0);
    pass(&y, 10);
    finished(&y, server, 2, 0, 3600000);
    assert_int_equal(y.sum.runs, 40 * MS_NANOUSD);
    yard_end(&y);
}

/* Their ends arrive together, one after the other. */
static void test_cost__short_runs_that_end_at_once_cost_their_time_each(void **state)
{
    struct yard y;
    uint64_t server;
    uint64_t run = 0;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    for (int i = 0; i < 3; i++) { /* the mean of short ones is known: then they are given in advance */
        (void)launch(&y, 1, 0);
        pass(&y, 5);
        finished(&y, server, ++run, 0, 5);
    }
    assert_int_equal(y.sum.runs, 15 * MS_NANOUSD);
    (void)launch(&y, 4, 0);
    pass(&y, 5);
    finished(&y, server, ++run, 0, 5);
    assert_non_null(run_by_id(y.e, (struct run_id){run + 2}));
    pass(&y, 12);
    finished(&y, server, run + 1, 0, 5);
    finished(&y, server, run + 2, 0, 5);
    assert_int_equal(y.sum.runs, 30 * MS_NANOUSD);
    yard_end(&y);
}

/* It began and ended in one piece of news. */
static void test_cost__a_run_whose_start_was_told_late_costs_its_time(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    (void)launch(&y, 1, 0);
    pass(&y, 900);
    started(&y, server, 1, 0);
    finished(&y, server, 1, 0, 800);
    assert_int_equal(y.sum.runs, 800 * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__a_lost_run_and_its_retry_are_of_the_launch(void **state)
{
    struct event back = {.kind = EV_LINK_UP};
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    (void)launch(&y, 1, 3);
    started(&y, server, 1, 0);
    pass(&y, 4000);
    back.link_up.server.v = server; /* the agent was started again, without it */
    back.link_up.link = ++y.link;
    back.link_up.incarnation = 2;
    back.link_up.agent_version = "1";
    back.link_up.facts = "";
    turn(&y, &back);
    assert_null(run_by_id(y.e, (struct run_id){1}));
    assert_int_equal(y.sum.launch[1], 4000 * MS_NANOUSD);
    pass(&y, 2000); /* it rests */
    assert_non_null(run_by_id(y.e, (struct run_id){2}));
    started(&y, server, 2, 0);
    pass(&y, 3000);
    finished(&y, server, 2, 0, 3000);
    assert_int_equal(y.sum.launch[1], 7000 * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__a_run_dies_with_its_machine(void **state)
{
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    (void)launch(&y, 1, 0);
    started(&y, server, 1, 0);
    pass(&y, 70000);
    machine_off(&y, server);
    assert_int_equal(y.sum.machines, 70000 * MS_NANOUSD);
    assert_int_equal(y.sum.runs, y.sum.machines);
    yard_end(&y);
}

/* ---- clocks ---- */

static void test_cost__a_clock_that_is_set_back_counts_nothing_twice(void **state)
{
    struct event tick = {.kind = EV_TICK};
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, NULL);
    (void)launch(&y, 2, 0);
    started(&y, server, 1, 0);
    pass(&y, 100000);
    y.now.wall.ms -= 3600000;
    turn(&y, &tick);
    finished(&y, server, 1, 0, 100000);
    started(&y, server, 2, 0);
    pass(&y, 1800000);
    finished(&y, server, 2, 0, 1800000);
    assert_true(y.sum.machines <= 100000 * MS_NANOUSD); /* it stands until the clock has caught up */
    assert_int_equal(y.sum.launch[1], y.sum.machines);
    pass(&y, 1800000);
    pass(&y, 100000);
    machine_off(&y, server);
    assert_int_equal(y.sum.machines, 200000 * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__a_clock_that_jumps_ahead_by_years_makes_no_entry_a_day(void **state)
{
    struct event tick = {.kind = EV_TICK};
    struct yard y;

    (void)state;
    yard_begin(&y);
    (void)machine_on(&y, 1, NULL);
    y.now.wall.ms += COST_DAY_MS * 3650;
    y.now.mono.us += INT64_C(120000000);
    outbox_clear(y.out);
    engine_step(y.e, y.now, &tick, y.out);
    engine_turn_end(y.e, y.now, y.out);
    engine_check(y.e);
    assert_in_range(y.out->changes.n, 1, COST_DAYS_KEPT + 20);
    yard_end(&y);
}

/* ---- own hosts ---- */

static void test_cost__own_hosts_cost_what_their_fleet_says(void **state)
{
    struct fleet_row local = {.id = {FLEET_ID_LOCAL}, .name = "local", .kind = FLEET_LOCAL};
    struct event gone = {.kind = EV_SERVER_REMOVE, .ticket = {9}};
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    server = server_add(&y, FLEET_ID_LOCAL, 2);
    pass(&y, 100000);
    assert_int_equal(y.sum.n, 0);
    local.hour_microusd = PRICE;
    (void)fleet_put(&y, local);
    pass(&y, 10000);
    local.hour_microusd = 3 * PRICE;
    (void)fleet_put(&y, local);
    pass(&y, 10000);
    assert_int_equal(server_at(&y, server)->row.price_hour_microusd, 3 * PRICE);
    gone.server_remove.server.v = server;
    turn(&y, &gone);
    assert_int_equal(y.last_err, ERR_OK);
    assert_int_equal(y.sum.machines, 10000 * MS_NANOUSD + 30000 * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__a_run_of_a_removed_host_costs_no_more(void **state)
{
    struct fleet_row local = {
        .id = {FLEET_ID_LOCAL}, .name = "local", .kind = FLEET_LOCAL, .hour_microusd = PRICE};
    struct event gone = {.kind = EV_SERVER_REMOVE, .ticket = {9}};
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    (void)fleet_put(&y, local);
    server = server_add(&y, FLEET_ID_LOCAL, 2);
    link_up(&y, server);
    (void)launch(&y, 1, 0);
    started(&y, server, 1, 1);
    pass(&y, 10000);
    gone.server_remove.server.v = server;
    gone.server_remove.force = true;
    turn(&y, &gone);
    assert_int_equal(y.last_err, ERR_OK);
    assert_non_null(run_by_id(y.e, (struct run_id){1})); /* until its lease ends */
    pass(&y, 20000);
    finished(&y, server, 1, 1, 30000);
    assert_int_equal(y.sum.machines, 10000 * MS_NANOUSD);
    assert_int_equal(y.sum.launch[1], 5000 * MS_NANOUSD);
    yard_end(&y);
}

static void test_cost__a_price_taken_away_ends_it(void **state)
{
    struct fleet_row local = {
        .id = {FLEET_ID_LOCAL}, .name = "local", .kind = FLEET_LOCAL, .hour_microusd = PRICE};
    struct yard y;
    uint64_t server;

    (void)state;
    yard_begin(&y);
    (void)fleet_put(&y, local);
    server = server_add(&y, FLEET_ID_LOCAL, 1);
    pass(&y, 20000);
    local.hour_microusd = 0;
    (void)fleet_put(&y, local);
    pass(&y, 200000);
    assert_int_equal(y.sum.machines, 20000 * MS_NANOUSD);
    assert_int_equal(server_at(&y, server)->row.billed_at.ms, 0);
    yard_end(&y);
}

/* ---- the cap ---- */

/* At $3.60 an hour: two for a day are 172.80. */
static void test_cost__what_was_spent_today_counts_against_the_cap(void **state)
{
    struct fleet_row row = {.name = "cloud", .kind = FLEET_FAKE};
    struct yard y;
    uint64_t server;
    uint64_t fleet;

    (void)state;
    yard_begin(&y);
    server = machine_on(&y, 1, &fleet);
    row.id.v = fleet;
    row.day_microusd_max = 90000000; /* one for the whole day, and $3.60 */
    y.now.wall.ms += 2 * 3600000;
    y.now.mono.us += INT64_C(2) * 3600000000;
    (void)fleet_put(&y, row);
    machine_off(&y, server);
    assert_int_equal(y.sum.day[0], 7200000 * MS_NANOUSD); /* $7.20 */
    y.now.wall.ms = NOON + 3 * 3600000;                   /* 15:00: 9 hours are $32.40, there is room */
    assert_int_equal(server_do(&y, SERVER_ON, server), ERR_OK);
    assert_int_equal(server_do(&y, SERVER_SET_DESTROYED, server), ERR_OK);
    fleet_by_id(y.e, (struct fleet_id){fleet})->row.spent_nanousd += 60 * NANOUSD_PER_USD;
    assert_int_equal(server_do(&y, SERVER_ON, server), ERR_LIMIT);
    assert_string_equal(y.text,
                        "cloud may cost $90.00 a day: $67.20 are spent since 00:00 UTC, and with 1 more of "
                        "\"s\" it could be $32.40 more until midnight");
    y.now.wall.ms += 10 * 3600000;
    y.now.mono.us += INT64_C(10) * 3600000000;
    assert_int_equal(server_do(&y, SERVER_ON, server), ERR_OK); /* another day */
    yard_end(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost__parts_add_up_to_the_whole),
        cmocka_unit_test(test_cost__a_provider_rounds_up),
        cmocka_unit_test(test_cost__dollars_and_days_as_text),
        cmocka_unit_test(test_cost__a_run_costs_its_slot_and_the_rest_is_idle),
        cmocka_unit_test(test_cost__a_machine_that_went_at_once_is_paid_for_a_minute),
        cmocka_unit_test(test_cost__seconds_are_whole_at_the_end),
        cmocka_unit_test(test_cost__midnight_cuts_machines_and_runs),
        cmocka_unit_test(test_cost__a_day_is_closed_though_nothing_happens),
        cmocka_unit_test(test_cost__another_price_does_not_change_the_past),
        cmocka_unit_test(test_cost__who_comes_into_a_slot_ends_the_time_of_who_was_there),
        cmocka_unit_test(test_cost__two_runs_in_one_slot_are_never_paid_for_twice),
        cmocka_unit_test(test_cost__a_run_too_short_to_be_seen_costs_its_time),
        cmocka_unit_test(test_cost__short_runs_that_end_at_once_cost_their_time_each),
        cmocka_unit_test(test_cost__a_run_whose_start_was_told_late_costs_its_time),
        cmocka_unit_test(test_cost__a_lost_run_and_its_retry_are_of_the_launch),
        cmocka_unit_test(test_cost__a_run_dies_with_its_machine),
        cmocka_unit_test(test_cost__a_clock_that_is_set_back_counts_nothing_twice),
        cmocka_unit_test(test_cost__a_clock_that_jumps_ahead_by_years_makes_no_entry_a_day),
        cmocka_unit_test(test_cost__own_hosts_cost_what_their_fleet_says),
        cmocka_unit_test(test_cost__a_run_of_a_removed_host_costs_no_more),
        cmocka_unit_test(test_cost__a_price_taken_away_ends_it),
        cmocka_unit_test(test_cost__what_was_spent_today_counts_against_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
