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

struct fuzz {
    struct engine *e;
    struct outbox *out;
    struct sim_store store;
    struct now now;
    uint64_t link;
    uint64_t ticket;
};

static void engine_begin(struct fuzz *f)
{
    struct engine_opts opts = {.trace = true};

    f->e = engine_new(&opts);
    sim_store_boot(&f->store, f->e, f->now);
}

static void turn(struct fuzz *f, const struct event *ev)
{
    outbox_clear(f->out);
    engine_step(f->e, f->now, ev, f->out);
    engine_turn_end(f->e, f->now, f->out);
    engine_check(f->e);
    CHECK(f->out->replies.n == (ev->ticket.v != 0 ? 1u : 0u));
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
        ev.link_up.incarnation = byte(in) % 3u;
        ev.link_up.agent_version = "1";
        ev.link_up.facts = "";
        ev.link_up.n_held = held(in, runs);
        ev.link_up.held = runs;
    } else if (what == 1) {
        ev.kind = EV_LINK_DOWN;
        ev.link_down.server = server;
        ev.link_down.link = byte(in) % 2 ? link : 0;
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
