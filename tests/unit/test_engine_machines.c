/* test_engine_machines.c - what must never happen to a machine that is paid for, one by one: two for one server, the end of one
 * that somebody uses. Whole lives with clouds that lie are the simulator's (sim/cloud.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine_private.h"

struct yard {
    struct engine *e;
    struct outbox *out;
    struct now now;
    uint64_t last_reply;
    enum err last_err;
    uint32_t creates; /* orders so far */
    uint32_t destroys;
    uint64_t cancelled; /* intent of the last call that was called off */
    uint64_t server;    /* of the last create */
    uint64_t intent;
};

static void turn(struct yard *y, const struct event *ev)
{
    outbox_clear(y->out);
    engine_step(y->e, y->now, ev, y->out);
    engine_turn_end(y->e, y->now, y->out);
    engine_check(y->e);
    for (uint32_t i = 0; i < y->out->replies.n; i++) {
        y->last_reply = y->out->replies.at[i].id;
        y->last_err = y->out->replies.at[i].err;
    }
    for (uint32_t i = 0; i < y->out->orders.n; i++) {
        const struct order *o = &y->out->orders.at[i];

        y->destroys += o->kind == ORDER_MACHINE_DESTROY;
        if (o->kind == ORDER_MACHINE_CANCEL)
            y->cancelled = o->server.intent;
        if (o->kind != ORDER_MACHINE_CREATE)
            continue;
        y->creates++;
        y->server = o->server.id.v;
        y->intent = o->server.intent;
    }
}

static void yard_begin(struct yard *y)
{
    struct event ev = {.kind = EV_BOOTED};

    *y = (struct yard){.e = engine_new(NULL), .out = outbox_new(), .now = {{1000000}, {INT64_C(1000000000)}}};
    turn(y, &ev);
}

static void yard_end(struct yard *y)
{
    engine_free(y->e);
    outbox_free(y->out);
}

static void tick(struct yard *y, int64_t ms)
{
    struct event ev = {.kind = EV_TICK};

    y->now.mono.us += ms * 1000;
    y->now.wall.ms += ms;
    turn(y, &ev);
}

static uint64_t fleet_put(struct yard *y, const char *name)
{
    struct event ev = {.kind = EV_FLEET_PUT, .ticket = {1}};

    ev.fleet_put =
        (struct fleet_row){.name = name, .kind = FLEET_FAKE, .options = "{}", .idle_ms = 0, .error = ""};
    turn(y, &ev);
    assert_int_equal(y->last_err, ERR_OK);
    return y->last_reply;
}

/* What the newest list of a fleet shows. */
static void listed(struct yard *y, uint64_t fleet, const struct machine *all, uint32_t n)
{
    struct event ev = {.kind = EV_FLEET_LISTED};
    struct fleet *f = fleet_by_id(y->e, (struct fleet_id){fleet});

    while (f->ask == f->answered)
        tick(y, 1000);
    ev.fleet_list.fleet.v = fleet;
    ev.fleet_list.ask = f->ask;
    ev.fleet_list.all = all;
    ev.fleet_list.n = n;
    turn(y, &ev);
}

/* A server of the fleet, switched on; its create call is under way. */
static uint64_t server_on(struct yard *y, uint64_t fleet, const char *name)
{
    struct event add = {.kind = EV_SERVER_ADD, .ticket = {1}};
    struct event on = {.kind = EV_SERVERS_CHANGE, .ticket = {2}};
    struct server_id id;

    add.server_add.row = (struct server_row){.name = name,
                                             .fleet_id = {fleet},
                                             .address = "",
                                             .user = "",
                                             .identity = "",
                                             .slots = 1,
                                             .idle_ms = IDLE_AS_FLEET};
    turn(y, &add);
    assert_int_equal(y->last_err, ERR_OK);
    id.v = y->last_reply;
    on.servers_change =
        (struct servers_change){.op = SERVER_ON, .servers = &id, .n = 1, .login = "ann", .may_any = true};
    turn(y, &on);
    assert_int_equal(y->last_err, ERR_OK);
    listed(y, fleet, NULL, 0);
    for (int i = 0; i < 20 && y->server != id.v; i++)
        tick(y, 1000);
    assert_int_equal(y->server, id.v);
    return id.v;
}

static struct machine machine_of(struct yard *y, const char *id, const char *address)
{
    return (struct machine){.id = id,
                            .server = y->server,
                            .intent = y->intent,
                            .name = "",
                            .state = MACHINE_ACTIVE,
                            .address = address,
                            .size = "",
                            .region = "",
                            .lease_until = {INT64_C(1) << 50},
                            .price_hour_microusd = -1};
}

static void made(struct yard *y, uint64_t fleet, const struct machine *m)
{
    struct event ev = {.kind = EV_MACHINE_CREATED};

    ev.machine_create.fleet.v = fleet;
    ev.machine_create.server = m->server;
    ev.machine_create.intent = m->intent;
    ev.machine_create.machine = *m;
    turn(y, &ev);
}

/* Lists of these fleets that show this machine, for ten minutes: longer than any grace, shorter than `creating_ms`. */
static void shown(struct yard *y, const uint64_t *fleets, uint32_t n, const struct machine *m)
{
    int64_t end_us = y->now.mono.us + INT64_C(600000000);

    while (y->now.mono.us < end_us) {
        for (uint32_t i = 0; i < n; i++)
            listed(y, fleets[i], m, 1);
        tick(y, 10000);
    }
}

/* ---- two for one ---- */

static void test_machine__a_clock_that_is_set_back_buys_no_second_one(void **state)
{
    struct yard y;
    uint64_t fleet;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "cloud");
    (void)server_on(&y, fleet, "a");
    assert_int_equal(y.creates, 1);
    /* The limit for the whole was set by the clock of before. */
    y.now.wall.ms -= 3600000;
    for (int i = 0; i < 20; i++)
        tick(&y, 60000);
    assert_int_equal(y.creates, 1);
    yard_end(&y);
}

static struct server *server_at(const struct yard *y, uint64_t id)
{
    return server_by_id(y->e, (struct server_id){id});
}

/* Its tags arrived later than it was listed, and its answer later still. */
static void test_machine__one_that_seemed_to_be_nobodys_is_its_servers(void **state)
{
    struct machine m;
    struct machine bare;
    struct yard y;
    uint64_t fleet;
    uint64_t a;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "cloud");
    a = server_on(&y, fleet, "a");
    bare = m = machine_of(&y, "m-1", "10.0.0.1");
    bare.server = 0;
    bare.intent = 0;
    listed(&y, fleet, &bare, 1);
    assert_int_equal(fleet_by_id(y.e, (struct fleet_id){fleet})->n_strays, 1);
    made(&y, fleet, &m);
    assert_string_equal(server_at(&y, a)->row.machine, "m-1");
    assert_int_equal(fleet_by_id(y.e, (struct fleet_id){fleet})->n_strays, 0);
    shown(&y, &fleet, 1, &m);
    assert_int_equal(y.destroys, 0);
    assert_int_equal(y.creates, 1);
    yard_end(&y);
}

/* It came so late that it is being destroyed: the server waits for another one, and buys it when this one is gone. */
static void test_machine__one_that_is_being_destroyed_is_nobodys(void **state)
{
    struct event gone = {.kind = EV_MACHINE_DESTROYED};
    struct machine m;
    struct machine bare;
    struct yard y;
    uint64_t fleet;
    uint64_t a;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "cloud");
    a = server_on(&y, fleet, "a");
    bare = m = machine_of(&y, "m-1", "10.0.0.1");
    bare.server = 0;
    bare.intent = 0;
    for (int i = 0; i < 40 && y.destroys == 0; i++) {
        listed(&y, fleet, &bare, 1);
        tick(&y, 5000);
    }
    assert_int_equal(y.destroys, 1);
    made(&y, fleet, &m);
    listed(&y, fleet, &m, 1);
    assert_string_equal(server_at(&y, a)->row.machine, "");
    gone.machine.fleet.v = fleet;
    gone.machine.machine = "m-1";
    turn(&y, &gone);
    for (int i = 0; i < 30; i++) {
        listed(&y, fleet, NULL, 0);
        tick(&y, 5000);
    }
    assert_int_equal(y.creates, 2);
    assert_int_equal(y.destroys, 1);
    yard_end(&y);
}

static void test_machine__the_same_one_is_not_believed_to_be_two_servers(void **state)
{
    struct machine m;
    struct yard y;
    uint64_t fleet;
    uint64_t b;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "cloud");
    (void)server_on(&y, fleet, "a");
    m = machine_of(&y, "m-1", "10.0.0.1");
    made(&y, fleet, &m);
    b = server_on(&y, fleet, "b");
    m = machine_of(&y, "m-1", "10.0.0.1");
    made(&y, fleet, &m); /* a cloud that says the same of two calls */
    listed(&y, fleet, &m, 1);
    assert_string_equal(server_at(&y, b)->row.machine, "");
    assert_int_equal(y.destroys, 0);
    yard_end(&y);
}

/* ---- the first list ---- */

static void test_machine__is_asked_for_as_soon_as_the_list_is_there(void **state)
{
    struct yard y;
    uint64_t fleet;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "cloud");
    (void)server_on(&y, fleet, "a");
    assert_int_equal(y.now.mono.us,
                     1000000 + 1000000); /* one look at the clock after the list, not five seconds */
    yard_end(&y);
}

/* ---- what people do ---- */

static enum err change(struct yard *y, enum server_op op, uint64_t server, uint64_t user, const char *size)
{
    struct event ev = {.kind = EV_SERVERS_CHANGE, .ticket = {2}};
    struct server_id id = {server};

    ev.servers_change = (struct servers_change){
        .op = op, .servers = &id, .n = 1, .user = {user}, .login = "ann", .size = size};
    turn(y, &ev);
    return y->last_err;
}

/* ---- two fleets of one account ---- */

static void test_machine__what_another_fleet_of_the_account_uses_is_left_alone(void **state)
{
    struct machine m;
    struct yard y;
    uint64_t fleets[2];

    (void)state;
    yard_begin(&y);
    fleets[0] = fleet_put(&y, "one");
    fleets[1] = fleet_put(&y, "two");
    (void)server_on(&y, fleets[0], "a");
    m = machine_of(&y, "m-1", "10.0.0.1");
    made(&y, fleets[0], &m);
    /* Both read the list of all machines with the mark of this wrata. */
    shown(&y, fleets, 2, &m);
    assert_int_equal(y.destroys, 0);
    assert_int_equal(fleet_by_id(y.e, (struct fleet_id){fleets[1]})->n_strays, 0);
    yard_end(&y);
}

static void test_machine__one_that_another_fleet_keeps_stays(void **state)
{
    struct event gone = {.kind = EV_SERVER_REMOVE, .ticket = {3}};
    struct machine m;
    struct yard y;
    uint64_t fleets[2];

    (void)state;
    yard_begin(&y);
    fleets[0] = fleet_put(&y, "one");
    fleets[1] = fleet_put(&y, "two");
    gone.server_remove.server.v = server_on(&y, fleets[0], "a");
    gone.server_remove.machine = FATE_KEEP;
    m = machine_of(&y, "m-1", "10.0.0.1");
    made(&y, fleets[0], &m);
    turn(&y, &gone);
    assert_int_equal(y.last_err, ERR_OK);
    shown(&y, fleets, 2, &m);
    assert_int_equal(y.destroys, 0);
    yard_end(&y);
}

static enum err remove_fleet(struct yard *y, uint64_t fleet)
{
    struct event ev = {.kind = EV_FLEET_REMOVE, .ticket = {4}, .fleet_remove = {fleet}};

    turn(y, &ev);
    return y->last_err;
}

/* Without its fleet nobody would know that it is to stay: the next fleet of this account would destroy it. */
static void test_machine__a_fleet_that_keeps_one_is_not_removed(void **state)
{
    struct event gone = {.kind = EV_SERVER_REMOVE, .ticket = {3}};
    struct machine m;
    struct yard y;
    uint64_t fleet;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "one");
    gone.server_remove.server.v = server_on(&y, fleet, "a");
    gone.server_remove.machine = FATE_KEEP;
    m = machine_of(&y, "m-1", "10.0.0.1");
    made(&y, fleet, &m);
    turn(&y, &gone);
    assert_int_equal(y.last_err, ERR_OK);
    assert_int_equal(remove_fleet(&y, fleet), ERR_CONFLICT);
    listed(&y, fleet, &m, 1);
    assert_int_equal(remove_fleet(&y, fleet), ERR_CONFLICT);
    listed(&y, fleet, NULL, 0); /* a list may lag */
    assert_int_equal(remove_fleet(&y, fleet), ERR_CONFLICT);
    tick(&y, 60000);
    assert_int_equal(remove_fleet(&y, fleet), ERR_OK);
    yard_end(&y);
}

static void test_machine__one_that_is_kept_is_forgotten_a_day_after_it_is_gone(void **state)
{
    struct event gone = {.kind = EV_SERVER_REMOVE, .ticket = {3}};
    struct machine m;
    struct yard y;
    uint64_t fleet;
    const struct fleet *f;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "one");
    gone.server_remove.server.v = server_on(&y, fleet, "a");
    gone.server_remove.machine = FATE_KEEP;
    m = machine_of(&y, "m-1", "10.0.0.1");
    made(&y, fleet, &m);
    turn(&y, &gone);
    f = fleet_by_id(y.e, (struct fleet_id){fleet});
    for (int i = 0; i < 30; i++) { /* now and then it is not shown */
        listed(&y, fleet, &m, i % 3 == 0 ? 0 : 1);
        tick(&y, 3600000);
    }
    assert_int_equal(f->row.n_kept, 1);
    assert_int_equal(y.destroys, 0);
    listed(&y, fleet, NULL, 0);
    for (int i = 0; i < 23; i++) {
        tick(&y, 3600000);
        listed(&y, fleet, NULL, 0);
    }
    assert_int_equal(f->row.n_kept, 1);
    tick(&y, 3600000);
    listed(&y, fleet, NULL, 0);
    assert_int_equal(f->row.n_kept, 0);
    yard_end(&y);
}

/* ---- calls that are not wanted any more ---- */

static void test_machine__a_call_for_one_that_is_switched_off_is_called_off(void **state)
{
    struct event failed = {.kind = EV_MACHINE_CREATE_FAILED};
    struct yard y;
    uint64_t fleet;
    uint64_t a;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "cloud");
    a = server_on(&y, fleet, "a");
    assert_int_equal(change(&y, SERVER_OFF, a, 1, ""), ERR_OK);
    assert_int_equal(server_at(&y, a)->row.status, SERVER_DESTROYING);
    assert_int_equal(y.cancelled, y.intent);
    failed.machine_create.fleet.v = fleet;
    failed.machine_create.server = a;
    failed.machine_create.intent = y.intent;
    failed.machine_create.failed = (struct fleet_failure){FLEET_FAULT_BUSY, 0, "called off"};
    turn(&y, &failed);
    assert_int_equal(server_at(&y, a)->row.status, SERVER_DESTROYED);
    yard_end(&y);
}

static void test_machine__one_that_lost_its_mark_is_not_destroyed_under_its_server(void **state)
{
    struct machine m;
    struct yard y;
    uint64_t fleet;

    (void)state;
    yard_begin(&y);
    fleet = fleet_put(&y, "one");
    (void)server_on(&y, fleet, "a");
    m = machine_of(&y, "m-1", "10.0.0.1");
    made(&y, fleet, &m);
    /* Somebody took a tag off in the cloud's own pages: it is ours, and does not say which. */
    m.server = 0;
    m.intent = 0;
    shown(&y, &fleet, 1, &m);
    assert_int_equal(y.destroys, 0);
    assert_int_equal(y.creates, 1);
    yard_end(&y);
}

static void test_machine__one_of_nobody_goes_whichever_fleet_sees_it(void **state)
{
    struct machine m = {.id = "m-9",
                        .server = 999,
                        .intent = 999,
                        .name = "",
                        .state = MACHINE_ACTIVE,
                        .address = "",
                        .size = "",
                        .region = "",
                        .price_hour_microusd = -1};
    struct yard y;
    uint64_t two;

    (void)state;
    yard_begin(&y);
    (void)fleet_put(&y, "one");
    two = fleet_put(&y, "two");
    for (int i = 0; i < 30 && y.destroys == 0; i++) {
        listed(&y, two, &m, 1);
        tick(&y, 10000);
    }
    assert_int_equal(y.destroys, 1);
    yard_end(&y);
}

/* ---- caps, booking, idleness ---- */

static uint64_t record(struct yard *y, uint64_t fleet, const char *name)
{
    struct event add = {.kind = EV_SERVER_ADD, .ticket = {1}};

    add.server_add.row =
        (struct server_row){.name = name, .fleet_id = {fleet}, .slots = 1, .idle_ms = IDLE_AS_FLEET};
    turn(y, &add);
    assert_int_equal(y->last_err, ERR_OK);
    return y->last_reply;
}

static uint64_t fleet_with(struct yard *y, int64_t idle_ms, uint32_t machines_max, int64_t day_microusd_max)
{
    struct event ev = {.kind = EV_FLEET_PUT, .ticket = {1}};

    ev.fleet_put = (struct fleet_row){.name = "cloud",
                                      .kind = FLEET_FAKE,
                                      .options = "{}",
                                      .idle_ms = idle_ms,
                                      .machines_max = machines_max,
                                      .day_microusd_max = day_microusd_max,
                                      .error = ""};
    turn(y, &ev);
    assert_int_equal(y->last_err, ERR_OK);
    return y->last_reply;
}

static void test_machine__no_more_than_the_cap_are_switched_on(void **state)
{
    struct yard y;
    uint64_t fleet;
    uint64_t a;

    (void)state;
    yard_begin(&y);
    fleet = fleet_with(&y, 0, 1, 0);
    a = record(&y, fleet, "a");
    assert_int_equal(change(&y, SERVER_ON, a, 1, ""), ERR_OK);
    assert_int_equal(change(&y, SERVER_ON, record(&y, fleet, "b"), 1, ""), ERR_LIMIT);
    assert_int_equal(server_at(&y, a)->row.status, SERVER_CREATING);
    yard_end(&y);
}

/* At a dollar an hour a day of two costs 48: 50 are enough for two, and not for three. */
static void test_machine__the_money_of_a_day_is_looked_at_before(void **state)
{
    static const struct fleet_size sizes[] = {{.name = "big", .price_hour_microusd = 1000000},
                                              {.name = "odd", .price_hour_microusd = -1}};
    struct event prices = {.kind = EV_FLEET_CATALOG};
    struct yard y;
    uint64_t fleet;

    (void)state;
    yard_begin(&y);
    fleet = fleet_with(&y, 0, 0, 50000000);
    assert_int_equal(change(&y, SERVER_ON, record(&y, fleet, "a"), 1, "big"), ERR_BUSY);
    prices.fleet_catalog.fleet.v = fleet;
    prices.fleet_catalog.sizes = sizes;
    prices.fleet_catalog.n = 2;
    turn(&y, &prices);
    assert_int_equal(change(&y, SERVER_ON, record(&y, fleet, "b"), 1, ""), ERR_INVALID);
    assert_int_equal(change(&y, SERVER_ON, record(&y, fleet, "c"), 1, "odd"), ERR_BUSY);
    assert_int_equal(change(&y, SERVER_ON, record(&y, fleet, "d"), 1, "big"), ERR_OK);
    assert_int_equal(change(&y, SERVER_ON, record(&y, fleet, "e"), 1, "big"), ERR_OK);
    assert_int_equal(change(&y, SERVER_ON, record(&y, fleet, "f"), 1, "big"), ERR_LIMIT);
    yard_end(&y);
}

static void test_machine__booking_has_one_winner(void **state)
{
    struct yard y;
    uint64_t local;

    (void)state;
    yard_begin(&y);
    local = record(&y, FLEET_ID_LOCAL, "here");
    assert_int_equal(change(&y, SERVER_BOOK, local, 7, ""), ERR_OK);
    assert_int_equal(change(&y, SERVER_BOOK, local, 8, ""), ERR_CONFLICT);
    assert_int_equal(change(&y, SERVER_UNBOOK, local, 8, ""), ERR_DENIED);
    assert_int_equal(server_at(&y, local)->row.booked_by.v, 7);
    assert_int_equal(change(&y, SERVER_UNBOOK, local, 7, ""), ERR_OK);
    assert_int_equal(change(&y, SERVER_BOOK, local, 8, ""), ERR_OK);
    yard_end(&y);
}

static void test_machine__one_that_does_nothing_goes_also_when_it_is_booked(void **state)
{
    struct event up = {.kind = EV_LINK_UP};
    struct yard y;
    struct machine m;
    uint64_t fleet;
    uint64_t a;

    (void)state;
    yard_begin(&y);
    fleet = fleet_with(&y, 600000, 0, 0);
    a = server_on(&y, fleet, "a");
    m = machine_of(&y, "m1", "10.0.0.1");
    m.lease_until.ms = y.now.wall.ms + 7200000;
    listed(&y, fleet, &m, 1);
    up.link_up.server.v = a;
    up.link_up.link = 1;
    up.link_up.incarnation = 1;
    up.link_up.agent_version = "1";
    up.link_up.facts = "";
    turn(&y, &up);
    assert_int_equal(server_at(&y, a)->row.status, SERVER_CREATED);
    assert_int_equal(change(&y, SERVER_BOOK, a, 7, ""), ERR_OK);
    tick(&y, 6000);
    assert_int_equal(server_at(&y, a)->row.destroy_at.ms, server_at(&y, a)->row.active_at.ms + 600000);
    tick(&y, 590000);
    assert_int_equal(server_at(&y, a)->row.status, SERVER_CREATED);
    tick(&y, 5000);
    assert_int_equal(server_at(&y, a)->row.status, SERVER_DESTROYING);
    assert_string_equal(server_at(&y, a)->row.status_reason, "it did nothing for 10 min");
    yard_end(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine__no_more_than_the_cap_are_switched_on),
        cmocka_unit_test(test_machine__the_money_of_a_day_is_looked_at_before),
        cmocka_unit_test(test_machine__booking_has_one_winner),
        cmocka_unit_test(test_machine__one_that_does_nothing_goes_also_when_it_is_booked),
        cmocka_unit_test(test_machine__a_clock_that_is_set_back_buys_no_second_one),
        cmocka_unit_test(test_machine__one_that_seemed_to_be_nobodys_is_its_servers),
        cmocka_unit_test(test_machine__one_that_is_being_destroyed_is_nobodys),
        cmocka_unit_test(test_machine__the_same_one_is_not_believed_to_be_two_servers),
        cmocka_unit_test(test_machine__is_asked_for_as_soon_as_the_list_is_there),
        cmocka_unit_test(test_machine__what_another_fleet_of_the_account_uses_is_left_alone),
        cmocka_unit_test(test_machine__one_that_another_fleet_keeps_stays),
        cmocka_unit_test(test_machine__a_fleet_that_keeps_one_is_not_removed),
        cmocka_unit_test(test_machine__one_that_is_kept_is_forgotten_a_day_after_it_is_gone),
        cmocka_unit_test(test_machine__a_call_for_one_that_is_switched_off_is_called_off),
        cmocka_unit_test(test_machine__one_that_lost_its_mark_is_not_destroyed_under_its_server),
        cmocka_unit_test(test_machine__one_of_nobody_goes_whichever_fleet_sees_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
