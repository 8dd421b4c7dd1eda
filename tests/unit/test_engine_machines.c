/* test_engine_machines.c - what must never happen to a machine that is paid for, one by one: two for one server. Whole lives with clouds that lie are the simulator's (sim/cloud.c). */
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
    uint64_t server; /* of the last create */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine__a_clock_that_is_set_back_buys_no_second_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
