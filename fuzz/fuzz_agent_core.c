/* fuzz_agent_core.c - the agent's core under any order of frames and events: its invariants hold after every one.
 *
 * Two bytes of input are one event. What a real edge never does (an exit of a run that was not started) is left
 * out by remembering, as an edge would, what was asked of it. */
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include "agent/agent_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS 8
#define SLOTS 4

enum process { NONE, ASKED, ALIVE };

struct edge {
    struct agent *agent;
    struct agent_out out;
    struct mono now;
    enum process process[RUNS + 1];
    uint64_t len[RUNS + 1][STREAM_COUNT];
    bool preparing[SLOTS];
    bool chan[4];
    uint64_t may_read[4];
    uint64_t seq;
    uint64_t beat;
};

static void edge_act(struct edge *e, const struct agent_action *a)
{
    if (a->kind == AG_ACT_SPAWN) {
        CHECK(e->process[a->run] == NONE);
        e->process[a->run] = ASKED;
    } else if (a->kind == AG_ACT_PREPARE) {
        CHECK(!e->preparing[a->slot]);
        e->preparing[a->slot] = true;
    } else if (a->kind == AG_ACT_RECORD) {
        CHECK(a->seq == e->seq + 1);
        e->seq = a->seq;
    } else if (a->kind == AG_ACT_STREAM) {
        CHECK(a->len > 0);
        CHECK(a->from + a->len <= e->len[a->run][a->stream]);
    } else if (a->kind == AG_ACT_RELEASE) {
        CHECK(e->process[a->run] == NONE);
        memset(e->len[a->run], 0, sizeof(e->len[a->run]));
    } else if (a->kind == AG_ACT_SEND && a->frame.type == FRAME_BEAT) {
        e->beat = a->frame.beat.seq;
    } else if (a->kind == AG_ACT_CHAN_READ) {
        CHECK(e->chan[a->local]);
        e->may_read[a->local] += a->len;
    } else if (a->kind == AG_ACT_CHAN_CLOSE) {
        e->chan[a->local] = false;
    }
}

static void edge_step(struct edge *e, const struct agent_event *ev)
{
    agent_out_clear(&e->out);
    agent_step(e->agent, e->now, ev, &e->out);
    for (uint32_t i = 0; i < e->out.count; i++)
        edge_act(e, &e->out.actions[i]);
    agent_check(e->agent);
}

static void frame_in(struct edge *e, struct frame *f)
{
    edge_step(e, &(struct agent_event){.kind = AG_EV_FRAME, .frame = f});
}

static void spec_in(struct edge *e, uint64_t run, uint8_t arg)
{
    struct wire_text argv = {slice_of("x")};
    struct frame f = {.type = FRAME_RUN_SPEC,
                      .run_spec = {.run = run,
                                   .launch = arg & 1,
                                   .project = arg & 2,
                                   .commit = slice_of(""),
                                   .argv = &argv,
                                   .n_argv = 1,
                                   .time_limit_ms = arg & 4 ? 50 : 0,
                                   .silence_limit_ms = arg & 8 ? 20 : 0,
                                   .kill_grace_ms = arg & 16}};

    frame_in(e, &f);
}

static void goals_in(struct edge *e, uint8_t arg)
{
    struct wire_goal goals[RUNS];
    struct frame f = {.type = FRAME_GOALS,
                      .goals = {.seq = 1, .beat_seq = arg & 1 ? e->beat : 0, .goals = goals}};

    for (uint64_t run = 1; run <= RUNS; run++)
        if (arg & (1u << (run - 1)))
            goals[f.goals.n_goals++] = (struct wire_goal){
                .run = run, .want = run == 3 ? arg % 3 : 0, .lease_ms = run == 5 ? 10 : 1000};
    frame_in(e, &f);
}

static void process_event(struct edge *e, uint64_t run, uint8_t arg)
{
    struct agent_exit x = {.at = e->now,
                           .is_signal = arg & 1,
                           .code = arg,
                           .oom = arg & 2,
                           .len = {e->len[run][0] + (arg & 4), e->len[run][1]},
                           .text = slice_of("text")};

    if (e->process[run] == ASKED && arg & 0x80) {
        e->process[run] = NONE;
        edge_step(e, &(struct agent_event){
                         .kind = AG_EV_SPAWN_FAILED, .run = run, .text = slice_of("no"), .no_disk = arg & 1});
    } else if (e->process[run] == ASKED) {
        e->process[run] = ALIVE;
        edge_step(e, &(struct agent_event){.kind = AG_EV_SPAWNED, .run = run, .wall = {1}});
    } else if (e->process[run] == ALIVE && arg & 0x80) {
        e->process[run] = NONE;
        memcpy(e->len[run], x.len, sizeof(x.len));
        edge_step(e, &(struct agent_event){.kind = AG_EV_EXITED, .run = run, .exit = &x});
    } else if (e->process[run] == ALIVE) {
        e->len[run][arg & 1] += arg;
        edge_step(e, &(struct agent_event){
                         .kind = AG_EV_GREW, .run = run, .stream = arg & 1, .len = e->len[run][arg & 1]});
    }
}

static void chan_event(struct edge *e, uint8_t arg)
{
    static const char bytes[64] = "";
    struct frame_chan_open what = {.kind = slice_of("git"), .commit = slice_of("c")};
    uint32_t local = arg & 3;
    size_t n = arg >> 5 << 3;

    if (local == 0)
        return;
    if (!e->chan[local]) {
        e->chan[local] = true;
        e->may_read[local] = 0;
        edge_step(e, &(struct agent_event){.kind = AG_EV_CHAN_OPEN, .local = local, .chan = &what});
    } else if (arg & 4 && n <= e->may_read[local]) {
        e->may_read[local] -= n;
        edge_step(e, &(struct agent_event){.kind = AG_EV_CHAN_BYTES, .local = local, .text = {bytes, n}});
    } else if (arg & 8) {
        edge_step(e, &(struct agent_event){.kind = AG_EV_CHAN_TAKEN, .local = local, .len = n});
    } else if (arg & 16) {
        edge_step(e, &(struct agent_event){.kind = AG_EV_CHAN_EOF, .local = local});
    } else {
        e->chan[local] = false;
        edge_step(e, &(struct agent_event){.kind = AG_EV_CHAN_GONE, .local = local});
    }
}

static void link_event(struct edge *e, uint8_t arg)
{
    static const char bytes[64] = "";
    struct wire_ack ack = {.run = arg % RUNS + 1, .stream = arg & 1, .offset = arg};
    struct frame f = {
        .type = FRAME_WELCOME,
        .welcome = {
            .protocol = 1, .slots = arg % (SLOTS + 1), .beat_ms = 10, .grace_ms = 5, .window_bytes = 40}};

    switch (arg >> 5) {
    case 0:
        edge_step(e, &(struct agent_event){.kind = AG_EV_LINK_UP});
        break;
    case 1:
        edge_step(e, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
        break;
    case 2:
    case 3:
        frame_in(e, &f);
        break;
    case 4:
        f = (struct frame){.type = FRAME_ACKS, .acks = {.acks = &ack, .n_acks = 1}};
        frame_in(e, &f);
        break;
    case 5:
        f = (struct frame){.type = FRAME_CHAN_DATA,
                           .chan_data = {.chan = arg & 3, .bytes = {bytes, arg & 28}}};
        frame_in(e, &f);
        break;
    case 6:
        f = (struct frame){.type = FRAME_CHAN_CREDIT, .chan_credit = {.chan = arg & 3, .bytes = arg & 28}};
        frame_in(e, &f);
        break;
    default:
        f = (struct frame){.type = FRAME_CHAN_CLOSE,
                           .chan_close = {.chan = arg & 3, .error = slice_of(arg & 4 ? "bad" : "")}};
        frame_in(e, &f);
    }
}

static void edge_event(struct edge *e, uint8_t what, uint8_t arg)
{
    uint64_t run = what % RUNS + 1;

    switch (what >> 4) {
    case 0:
    case 1:
        process_event(e, run, arg);
        break;
    case 2:
        spec_in(e, run, arg);
        break;
    case 3:
    case 4:
        goals_in(e, arg);
        break;
    case 5:
        link_event(e, arg);
        break;
    case 6:
        chan_event(e, arg);
        break;
    case 7:
        if (e->preparing[what % SLOTS] && (arg & 4) != 0) {
            edge_step(e, &(struct agent_event){.kind = AG_EV_STEP,
                                               .slot = what % SLOTS,
                                               .text = slice_of("step 1 of 1: gems")});
        } else if (e->preparing[what % SLOTS]) {
            e->preparing[what % SLOTS] = false;
            edge_step(e, &(struct agent_event){.kind = AG_EV_PREPARED,
                                               .slot = what % SLOTS,
                                               .text = slice_of(arg & 1 ? "no" : "")});
        }
        break;
    case 8:
        e->now = mono_add_ms(e->now, arg);
        edge_step(e, &(struct agent_event){.kind = AG_EV_TICK});
        break;
    case 9:
        edge_step(e,
                  &(struct agent_event){.kind = AG_EV_SYNCED, .seq = e->seq - (arg < e->seq ? arg & 1 : 0)});
        break;
    case 10:
        edge_step(e, &(struct agent_event){.kind = arg & 1 ? AG_EV_NO_DISK : AG_EV_DISK_OK,
                                           .run = arg & 2 ? run : 0});
        break;
    default:
        edge_step(e, &(struct agent_event){.kind = AG_EV_PUMP, .room = arg});
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct edge e = {.now = {1000000}};
    struct agent_opts o = {.incarnation = 1,
                           .instance = "",
                           .version = "",
                           .hash = "",
                           .hostname = "",
                           .facts = "",
                           .idle_exit_ms = 100};

    e.agent = agent_new(&o, e.now);
    agent_out_init(&e.out);
    for (size_t i = 0; i + 1 < size; i += 2)
        edge_event(&e, data[i], data[i + 1]);
    agent_out_done(&e.out);
    agent_free(e.agent);
    return 0;
}
