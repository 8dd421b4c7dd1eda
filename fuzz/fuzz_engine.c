/* fuzz_engine.c - bytes as events: whatever agents and people say in whatever order, every invariant holds after each
 * turn, each command gets exactly one reply, and an engine rebuilt from the changes shows the same state. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

#include "sim/store.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

#define FLEETS \
    5u /* whose newest question is remembered: two that are always there, and some that people add */
#define SERVERS 8u  /* that events name: the same */
#define MACHINES 8u /* that the cloud shows */
#define INTENTS 16u /* the newest calls to make a machine */

struct fuzz {
    struct engine *e;
    struct outbox *out;
    struct sim_store store;
    struct now now;
    uint64_t link;
    uint64_t era[SERVERS]; /* of the newest order to connect */
    uint64_t ticket;
    uint64_t ask[FLEETS];
    uint64_t intents[INTENTS]; /* a ring: who asked ... */
    uint64_t askers[INTENTS];
    uint32_t n_intents;
};

static void engine_begin(struct fuzz *f)
{
    struct engine_opts opts = {.trace = true,
                               .creating_ms = 240000,
                               .stray_ms = 30000,
                               .missing_ms = 20000,
                               .lease_machine_ms = 600000};

    f->e = engine_new(&opts);
    sim_store_boot(&f->store, f->e, f->now);
}

/* What the cloud is asked for, so that some answers fit. */
static void orders_note(struct fuzz *f)
{
    for (uint32_t i = 0; i < f->out->orders.n; i++) {
        const struct order *o = &f->out->orders.at[i];

        if (o->kind == ORDER_FLEET_LIST && o->fleet.id.v < FLEETS)
            f->ask[o->fleet.id.v] = o->ask;
        if (o->kind == ORDER_CONNECT && o->server.id.v < SERVERS)
            f->era[o->server.id.v] = o->era;
        if (o->kind != ORDER_MACHINE_CREATE)
            continue;
        CHECK(o->server.intent != 0);
        for (uint32_t k = 0; k < INTENTS; k++)
            CHECK(f->intents[k] != o->server.intent); /* never used again */
        f->intents[f->n_intents % INTENTS] = o->server.intent;
        f->askers[f->n_intents++ % INTENTS] = o->server.id.v;
    }
}

static void turn(struct fuzz *f, const struct event *ev)
{
    outbox_clear(f->out);
    engine_step(f->e, f->now, ev, f->out);
    engine_turn_end(f->e, f->now, f->out);
    engine_check(f->e);
    CHECK(f->out->replies.n == (ev->ticket.v != 0 ? 1u : 0u));
    orders_note(f);
    for (uint32_t i = 0; i < f->out->changes.n; i++)
        sim_store_apply(&f->store, &f->out->changes.at[i]);
    CHECK(f->store.fault[0] == '\0');
}

static void rebuild(struct fuzz *f)
{
    struct event ev = {.kind = EV_BOOTED};
    struct buf died;
    struct buf rebuilt;

    buf_init(&died, MIB(64));
    buf_init(&rebuilt, MIB(64));
    engine_dump(f->e, &died);
    engine_free(f->e);
    engine_begin(f);
    memset(f->era, 0, sizeof(f->era));
    engine_dump(f->e, &rebuilt);
    CHECK(strcmp(buf_str(&died), buf_str(&rebuilt)) == 0);
    buf_done(&died);
    buf_done(&rebuilt);
    turn(f, &ev);
}

static uint32_t held(struct input *in, struct held_run out[8])
{
    uint32_t n = byte(in) % 8;

    for (uint32_t i = 0; i < n; i++)
        out[i] = (struct held_run){{byte(in) % 64u}, byte(in) % 6u, byte(in)};
    return n;
}

static void add_server(struct fuzz *f, struct input *in)
{
    static const char *const names[] = {"a", "b", "c", "d", "", "-x"};
    struct event ev = {.kind = EV_SERVER_ADD, .ticket = {++f->ticket}};

    ev.server_add.row = (struct server_row){
        .name = names[byte(in) % 6], .address = "", .user = "", .identity = "", .slots = byte(in) % 5u};
    turn(f, &ev);
}

/* ---- fleets that make machines ---- */

static void add_record(struct fuzz *f, struct input *in)
{
    static const char *const names[] = {"v", "w", "x", "y", "z"};
    struct event ev = {.kind = EV_SERVER_ADD, .ticket = {++f->ticket}};
    uint8_t n = byte(in);

    ev.server_add.row = (struct server_row){.fleet_id = {2 + n / 8 % 4},
                                            .name = names[n % 5],
                                            .address = "",
                                            .user = "",
                                            .identity = "",
                                            .slots = 1 + n / 32 % 4u,
                                            .idle_ms = n & 128 ? IDLE_AS_FLEET : 0};
    ev.server_add.names = names;
    ev.server_add.n_names = n % 8 > 4 ? n % 8 - 3 : 0;
    turn(f, &ev);
}

static void change_fleet(struct fuzz *f, struct input *in)
{
    static const char *const names[] = {"cloud", "other", "cloud2", "local"};
    struct event ev = {.kind = EV_FLEET_PUT, .ticket = {++f->ticket}};
    uint8_t n = byte(in);
    uint8_t more = byte(in);

    if (n % 8 == 7) {
        ev.kind = EV_FLEET_REMOVE;
        ev.fleet_remove.v = more % FLEETS;
    } else {
        ev.fleet_put = (struct fleet_row){.id = {n & 8 ? more % FLEETS : 0},
                                          .name = names[n % 4],
                                          .kind = n & 16 ? FLEET_DIGITALOCEAN : FLEET_FAKE,
                                          .options = "{}",
                                          .error = "",
                                          .booked_only = (n & 32) != 0,
                                          .idle_ms = n & 64 ? 0 : 60000 + more * INT64_C(1000),
                                          .machines_max = more % 4u,
                                          .day_microusd_max = n & 128 ? more * INT64_C(100000) : 0};
    }
    turn(f, &ev);
}

/* Each member may be named; half of what is said makes sense. */
static void edit_server(struct fuzz *f, struct input *in)
{
    static const char *const texts[] = {NULL, "a", "b", "-x"};
    struct event ev = {.kind = EV_SERVER_EDIT, .ticket = {++f->ticket}};
    uint8_t which = byte(in);
    uint8_t how = byte(in);

    ev.server_edit = (struct server_edit){.server = {1 + which % SERVERS},
                                          .login = "x",
                                          .name = texts[which / 16 % 4],
                                          .address = texts[which / 64],
                                          .user = texts[how % 4],
                                          .sets_port = (how & 4) != 0,
                                          .port = how,
                                          .slots = how / 8 % 4u,
                                          .sets_idle = (how & 32) != 0,
                                          .idle_ms = how & 64 ? IDLE_AS_FLEET : 60000};
    turn(f, &ev);
}

static void change_servers(struct fuzz *f, struct input *in)
{
    static const char *const sizes[] = {"", "small", "large", "none"};
    static const char *const addresses[] = {"", "10.0.0.1", "10.9.9.9", "-x"};
    struct event ev = {.kind = EV_SERVERS_CHANGE, .ticket = {++f->ticket}};
    struct server_id ids[4];
    uint8_t op = byte(in);
    uint8_t how = byte(in);

    if (op % 16 == 15) {
        edit_server(f, in);
        return;
    }
    if (op % 16 > SERVER_OP_COUNT) {
        ev.kind = EV_SERVERS_TAKE;
        ev.servers_take = (struct servers_take){.fleet = {1 + op / 16 % 4},
                                                .n = 1 + how % 5u,
                                                .size = sizes[how / 8 % 4],
                                                .user = {1 + how / 32 % 3},
                                                .login = "x"};
        turn(f, &ev);
        return;
    }
    for (uint32_t i = 0; i < 4; i++)
        ids[i].v = 1 + byte(in) % SERVERS;
    ev.servers_change = (struct servers_change){.op = (enum server_op)(op % 16 % SERVER_OP_COUNT),
                                                .servers = ids,
                                                .n = op / 16 % 5u,
                                                .user = {1 + how % 3u},
                                                .login = "x",
                                                .may_any = (how & 4) != 0,
                                                .force = (how & 8) != 0,
                                                .size = sizes[how / 16 % 4],
                                                .idle_ms = how & 64 ? IDLE_AS_FLEET : 60000,
                                                .address = addresses[how / 64]};
    turn(f, &ev);
}

static void remove_server(struct fuzz *f, struct input *in)
{
    struct event ev = {.kind = EV_SERVER_REMOVE, .ticket = {++f->ticket}};
    uint8_t how = byte(in);

    ev.server_remove.server.v = 1 + how % SERVERS;
    ev.server_remove.force = (how & 8) != 0;
    ev.server_remove.machine = (enum machine_fate)(how / 16 % FATE_COUNT);
    turn(f, &ev);
}

/* A machine as the cloud may show it: with the mark of one of the newest calls, another one, or none. */
static struct machine machine_of(const struct fuzz *f, struct input *in)
{
    static const char *const ids[MACHINES] = {"m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"};
    uint8_t n = byte(in);
    uint8_t how = byte(in);
    uint32_t k = (how & 4 ? n : how / 8) % INTENTS;

    return (struct machine){.id = ids[n % MACHINES],
                            .server = how % 4 == 3 ? n / 8 % SERVERS : f->askers[k],
                            .intent = how % 4 == 2 ? 0 : f->intents[k],
                            .name = "m",
                            .state =
                                n & 128 ? (enum machine_state)(n / 8 % MACHINE_STATE_COUNT) : MACHINE_ACTIVE,
                            .address = how & 128 ? "10.0.0.1" : "",
                            .size = "small",
                            .region = "r",
                            .created_at = {f->now.wall.ms - 1000},
                            .lease_until = {f->now.wall.ms + n * INT64_C(6000)},
                            .price_hour_microusd = n & 64 ? 5000 : -1};
}

static struct fleet_failure failure(struct input *in)
{
    uint8_t n = byte(in);

    return (struct fleet_failure){(enum fleet_fault)(n % FLEET_FAULT_COUNT), n / 16 * INT64_C(5000),
                                  "so it was"};
}

static void list_event(struct fuzz *f, struct input *in)
{
    static const struct fleet_size sizes[] = {{.name = "small", .price_hour_microusd = 5000},
                                              {.name = "large", .price_hour_microusd = -1}};
    struct machine all[MACHINES];
    uint8_t what = byte(in);
    struct event ev = {.kind = what % 8 == 7 ? EV_FLEET_LIST_FAILED : EV_FLEET_LISTED};
    uint32_t fleet = 3 + what / 8 % 2;

    if (what % 8 == 6) {
        ev.kind = EV_FLEET_CATALOG;
        ev.fleet_catalog.fleet.v = fleet;
        ev.fleet_catalog.sizes = sizes;
        ev.fleet_catalog.n = what / 16 % 3;
        turn(f, &ev);
        return;
    }
    ev.fleet_list.fleet.v = fleet;
    ev.fleet_list.ask = what & 128 ? byte(in) : f->ask[fleet];
    ev.fleet_list.n = what % 8 < 6 ? what % 8 : 0;
    for (uint32_t i = 0; i < ev.fleet_list.n; i++)
        all[i] = machine_of(f, in);
    ev.fleet_list.all = all;
    if (ev.kind == EV_FLEET_LIST_FAILED)
        ev.fleet_list.failed = failure(in);
    turn(f, &ev);
}

static void machine_event(struct fuzz *f, struct input *in)
{
    uint8_t what = byte(in);
    struct machine m = machine_of(f, in);
    struct event ev = {0};
    uint32_t fleet = 3 + what / 8 % 2;

    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        ev.kind = what % 8 == 2 ? EV_MACHINE_CREATE_FAILED : EV_MACHINE_CREATED;
        ev.machine_create.fleet.v = fleet;
        ev.machine_create.server = m.server;
        ev.machine_create.intent = m.intent;
        if (ev.kind == EV_MACHINE_CREATED)
            ev.machine_create.machine = m;
        else
            ev.machine_create.failed = failure(in);
        break;
    case 3:
    case 4:
        ev.kind = EV_MACHINE_DESTROYED;
        ev.machine.fleet.v = fleet;
        ev.machine.machine = m.id;
        break;
    default:
        ev.kind = what % 8 == 5   ? EV_MACHINE_DESTROY_FAILED
                  : what % 8 == 6 ? EV_MACHINE_RENEWED
                                  : EV_MACHINE_RENEW_FAILED;
        ev.machine.fleet.v = fleet;
        ev.machine.machine = m.id;
        ev.machine.lease_until = m.lease_until;
        if (ev.kind != EV_MACHINE_RENEWED)
            ev.machine.failed = failure(in);
        break;
    }
    turn(f, &ev);
}

static void cloud_op(struct fuzz *f, struct input *in)
{
    switch (byte(in) % 8) {
    case 0:
        change_fleet(f, in);
        break;
    case 1:
        add_record(f, in);
        break;
    case 2:
    case 3:
        change_servers(f, in);
        break;
    case 4:
        remove_server(f, in);
        break;
    case 5:
        machine_event(f, in);
        break;
    default:
        list_event(f, in);
        break;
    }
}

static void create_launch(struct fuzz *f, struct input *in)
{
    static const char *const argv[] = {"true"};
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {++f->ticket}};
    struct new_test tests[16];
    uint64_t servers[4];
    struct launch_row *l = &ev.launch_create.launch;

    *l = (struct launch_row){.name = "l", .project_name = "", .ref = "", .commit = ""};
    l->user.v = byte(in) % 3u;
    ev.launch_create.at_front = byte(in) % 2;
    l->order = (enum launch_order)(byte(in) % 3);
    l->retries = byte(in) % 12u;
    l->lease_ms = byte(in) * 500u;
    ev.launch_create.n_tests = byte(in) % 16u;
    for (uint32_t i = 0; i < ev.launch_create.n_tests; i++)
        tests[i] = (struct new_test){.path = "t",
                                     .adapter = (enum adapter_kind)(byte(in) % 2),
                                     .argv = argv,
                                     .n_argv = 1,
                                     .predicted_ms = byte(in)};
    l->n_servers = byte(in) % 4u;
    for (uint32_t i = 0; i < l->n_servers; i++)
        servers[i] = 1 + byte(in) % 4u;
    l->servers = servers;
    l->project.v = byte(in) % 3u;
    l->slots = l->project.v > 0 ? byte(in) % 4u : 0;
    ev.launch_create.tests = tests;
    turn(f, &ev);
}

static void change_queue(struct fuzz *f, struct input *in)
{
    struct event ev = {.kind = EV_QUEUE_CHANGE, .ticket = {++f->ticket}};
    struct queue_change *q = &ev.queue_change;
    struct test_id ids[16];

    *q = (struct queue_change){.user = {byte(in) % 3u},
                               .op = (enum queue_op)(byte(in) % QUEUE_OP_COUNT),
                               .tests = ids,
                               .to = (enum queue_to)(byte(in) % 3),
                               .seed = byte(in),
                               .login = "x"};
    q->n_tests = byte(in) % 16u;
    for (uint32_t i = 0; i < q->n_tests; i++)
        ids[i].v = byte(in) % 64u;
    q->before.v = byte(in) % 64u;
    q->undo.v = byte(in) % 4u;
    turn(f, &ev);
}

static void look_at_queue(struct fuzz *f, struct input *in)
{
    struct event ev = {.kind = EV_QUEUE_LOOK, .ticket = {++f->ticket}};

    ev.queue_look.user.v = byte(in) % 3u;
    ev.queue_look.after.v = byte(in) % 64u;
    ev.queue_look.limit = 1 + byte(in) % 20u;
    turn(f, &ev);
}

static void link_event(struct fuzz *f, struct input *in, uint8_t what)
{
    struct held_run runs[8];
    struct server_id server = {1 + byte(in) % 5u};
    uint64_t link = f->link > 3 ? f->link - byte(in) % 4u : f->link;
    struct event ev = {0};

    if (what == 0) {
        ev.kind = EV_LINK_UP;
        ev.link_up.server = server;
        ev.link_up.link = ++f->link;
        ev.link_up.era = f->era[server.v];
        ev.link_up.incarnation = byte(in) % 3u;
        ev.link_up.agent_version = "1";
        ev.link_up.facts = "";
        ev.link_up.n_held = held(in, runs);
        ev.link_up.held = runs;
    } else if (what == 1) {
        ev.kind = EV_LINK_DOWN;
        ev.link_down.server = server;
        ev.link_down.link = byte(in) % 2 ? link : 0;
        ev.link_down.era = f->era[server.v];
        ev.link_down.reason = "broke";
    } else {
        ev.kind = EV_BEAT;
        ev.beat.server = server;
        ev.beat.link = link;
        ev.beat.seq = byte(in);
        ev.beat.goals_seq = byte(in) % 32u;
        ev.beat.n_held = held(in, runs);
        ev.beat.held = runs;
    }
    turn(f, &ev);
}

static void run_event(struct fuzz *f, struct input *in, bool finished)
{
    struct disk_room disk = {.where = "/work", .total_bytes = UINT64_C(1) << 40};
    struct event ev = {0};

    if (finished) {
        ev.kind = EV_RUN_FINISHED;
        ev.run_finished.server.v = 1 + byte(in) % 4u;
        ev.run_finished.link = f->link;
        ev.run_finished.run.v = byte(in) % 64u;
        ev.run_finished.finish.how = byte(in) % 13u;
        ev.run_finished.finish.exit_code = byte(in) % 2;
        ev.run_finished.finish.duration_us = byte(in) * 100;
        ev.run_finished.tally = (struct tally){.discovered = 1, .passed = 1, .started = true, .ended = true};
        ev.run_finished.reason = byte(in) % 2 ? "so it was" : "";
    } else {
        ev.kind = EV_RUN_STARTED;
        ev.run_started.server.v = 1 + byte(in) % 4u;
        ev.run_started.link = f->link;
        ev.run_started.run.v = byte(in) % 64u;
        ev.run_started.slot = byte(in);
        if (ev.run_started.slot >= 128) { /* above all slots there are: rather what is done before */
            ev.kind = EV_RUN_PREPARING;
            ev.run_preparing.server = ev.run_started.server;
            ev.run_preparing.link = f->link;
            ev.run_preparing.run = ev.run_started.run;
            ev.run_preparing.slot = ev.run_started.slot - 128;
            ev.run_preparing.step = ev.run_started.slot % 2 == 0 ? "gems" : "browser";
        }
        if (ev.kind == EV_RUN_PREPARING && ev.run_preparing.slot >= 112) { /* or how full a disk is */
            uint32_t slot = ev.run_preparing.slot;

            ev.kind = EV_HEALTH;
            ev.health.server = (struct server_id){1 + (uint64_t)slot % 4};
            ev.health.link = f->link;
            ev.health.disks = &disk;
            ev.health.n_disks = 1;
            disk.free_bytes = (uint64_t)byte(in) << 22;
            if (slot >= 124) /* or our own */
                ev = (struct event){.kind = EV_ROOM, .no_room = disk.free_bytes >> 29 != 0 ? NULL : "full"};
        }
    }
    turn(f, &ev);
}

static void stop_event(struct fuzz *f, struct input *in, uint8_t what)
{
    struct event ev = {.ticket = {++f->ticket}};

    if (what == 0) {
        ev.kind = EV_LAUNCH_STOP;
        ev.launch_stop.v = byte(in) % 16u;
    } else if (what == 1) {
        ev.kind = EV_RUN_STOP;
        ev.run_stop.v = byte(in) % 64u;
    } else if (what == 2) {
        ev.kind = EV_SERVER_REMOVE;
        ev.server_remove.server.v = byte(in) % 5u;
        ev.server_remove.force = byte(in) % 2;
    } else {
        ev.kind = EV_SHUTDOWN;
    }
    turn(f, &ev);
}

static void op(struct fuzz *f, struct input *in)
{
    struct event tick = {.kind = EV_TICK};
    char why[256];
    uint8_t what = byte(in);

    switch (what % 16) {
    case 0:
        if (what & 128) /* the corpus was grown when there were no clouds: its bytes mean what they meant */
            cloud_op(f, in);
        else
            add_server(f, in);
        break;
    case 1:
        create_launch(f, in);
        break;
    case 2:
    case 3:
    case 4:
        link_event(f, in, 0);
        break;
    case 5:
        link_event(f, in, 1);
        break;
    case 6:
    case 7:
        link_event(f, in, 2);
        break;
    case 8:
        run_event(f, in, false);
        break;
    case 9:
    case 10:
        run_event(f, in, true);
        break;
    case 11:
        stop_event(f, in, byte(in) % 3);
        break;
    case 12:
        rebuild(f);
        break;
    case 13:
        if (what & 32)
            change_queue(f, in);
        else if (what & 16)
            look_at_queue(f, in);
        engine_why(f->e, (struct test_id){byte(in)}, why, sizeof(why));
        break;
    case 14:
        if (what == 14) {
            stop_event(f, in, 3);
            break;
        }
        f->now.mono.us += byte(in) * 1000;
        turn(f, &tick);
        break;
    default:
        f->now.mono.us += byte(in) * INT64_C(500000);
        f->now.wall.ms = 1000 + f->now.mono.us / 1000;
        turn(f, &tick);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {.out = outbox_new(), .now = {{1000}, {1000}}};
    struct input in = {data, size};
    struct event ev = {.kind = EV_BOOTED};

    sim_store_init(&f.store);
    engine_begin(&f);
    turn(&f, &ev);
    while (in.left > 0)
        op(&f, &in);
    engine_free(f.e);
    outbox_free(f.out);
    sim_store_done(&f.store);
    return 0;
}
