/* test_agent_world.h - a small world around an agent's decisions: frames go in, every action is written down as a line of
 * the story, a spawn works at once, a record is durable when the story says so. */
#ifndef WRATA_TEST_AGENT_WORLD_H
#define WRATA_TEST_AGENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>

#include "agent/agent_core.h"

#define COMMIT_1 "1111111111111111111111111111111111111111"

struct pending {
    enum agent_event_kind kind;
    uint64_t run;
    uint32_t slot;
};

struct world {
    struct agent *agent;
    struct agent_out out;
    struct mono now;
    struct buf story;
    struct pending pending[64];
    unsigned n_pending;
    uint64_t record_seq; /* the last one written */
    uint64_t last_beat;
    uint64_t goals_seq;
    struct wire_goal goals[16];
    uint32_t n_goals;
    uint64_t room;
    bool hold_prepare; /* the story answers AG_ACT_PREPARE itself */
    bool hold_spawn;
    bool hold_sync;
    struct buf finished[8]; /* encoded FINISHED as recorded, by run */
    struct buf specs[8];
    struct buf spawned; /* the description of the last run that was started */
};

static void note(struct world *w, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    buf_printf(&w->story, "[%6" PRId64 "] %s\n", w->now.us / 1000, line);
}

static void note_frame(struct world *w, const struct frame *f)
{
    char list[256] = "";

    switch (f->type) {
    case FRAME_BEAT:
        for (uint32_t i = 0; i < f->beat.n_held && strlen(list) < 200; i++)
            (void)snprintf(list + strlen(list), sizeof(list) - strlen(list), " %" PRIu64 ":%u",
                           f->beat.held[i].run, f->beat.held[i].state);
        w->last_beat = f->beat.seq;
        note(w, "send BEAT%s", list);
        break;
    case FRAME_HELLO:
        for (uint32_t i = 0; i < f->hello.n_held && strlen(list) < 200; i++)
            (void)snprintf(list + strlen(list), sizeof(list) - strlen(list), " %" PRIu64 ":%u:%" PRIu64,
                           f->hello.held[i].run, f->hello.held[i].state, f->hello.held[i].log_len);
        note(w, "send HELLO%s", list);
        break;
    case FRAME_FINISHED:
        note(w, "send FINISHED %" PRIu64 " how %u log %" PRIu64 "%s%.*s%s%.*s", f->finished.run,
             f->finished.how, f->finished.log_len, f->finished.reason.len > 0 ? " " : "",
             (int)f->finished.reason.len, f->finished.reason.ptr, f->finished.image.len > 0 ? " in " : "",
             (int)f->finished.image.len, f->finished.image.ptr);
        break;
    case FRAME_STARTED:
        note(w, "send STARTED %" PRIu64 " slot %u", f->started.run, f->started.slot);
        break;
    case FRAME_PREPARING:
        note(w, "send PREPARING %" PRIu64 " slot %u %.*s", f->preparing.run, f->preparing.slot,
             (int)f->preparing.step.len, f->preparing.step.ptr);
        break;
    case FRAME_HEALTH:
        note(w, "send HEALTH skew %" PRId64 " error %" PRIu64 " disk %" PRIu64 "%s%.*s", f->health.skew_ms,
             f->health.skew_error_ms, f->health.disk_free_bytes, f->health.n_tools > 0 ? " " : "",
             f->health.n_tools > 0 ? (int)f->health.tools[0].s.len : 0,
             f->health.n_tools > 0 ? f->health.tools[0].s.ptr : "");
        break;
    default:
        note(w, "send %s", frame_name((uint32_t)f->type));
    }
}

static void later(struct world *w, enum agent_event_kind kind, uint64_t run, uint32_t slot)
{
    assert_true(w->n_pending < ARRAY_LEN(w->pending));
    w->pending[w->n_pending++] = (struct pending){kind, run, slot};
}

static void act(struct world *w, const struct agent_action *a)
{
    switch (a->kind) {
    case AG_ACT_SEND:
        note_frame(w, &a->frame);
        break;
    case AG_ACT_STREAM:
        note(w, "stream %" PRIu64 ".%u %" PRIu64 "+%" PRIu64, a->run, a->stream, a->from, a->len);
        break;
    case AG_ACT_CLOSE_LINK:
        note(w, "close link: %.*s", (int)a->text.len, a->text.ptr);
        break;
    case AG_ACT_RECORD:
        w->record_seq = a->seq;
        if (a->run < 8 && a->record == AG_RECORD_FINISHED) {
            buf_clear(&w->finished[a->run]);
            frame_encode(&a->frame, &w->finished[a->run]);
        } else if (a->run < 8) {
            buf_clear(&w->specs[a->run]);
            buf_put(&w->specs[a->run], a->spec.ptr, a->spec.len);
        }
        break;
    case AG_ACT_ACKED:
        break;
    case AG_ACT_RELEASE:
        note(w, "release %" PRIu64, a->run);
        break;
    case AG_ACT_PREPARE:
        note(w, "prepare slot %u for %" PRIu64, a->slot, a->run);
        if (!w->hold_prepare)
            later(w, AG_EV_PREPARED, a->run, a->slot);
        break;
    case AG_ACT_SPAWN:
        note(w, "spawn %" PRIu64 " in slot %u", a->run, a->slot);
        buf_clear(&w->spawned);
        buf_put(&w->spawned, a->spec.ptr, a->spec.len);
        if (!w->hold_spawn)
            later(w, AG_EV_SPAWNED, a->run, a->slot);
        break;
    case AG_ACT_SIGNAL:
        note(w, "%s %" PRIu64, a->signal == AG_TERM ? "TERM" : "KILL", a->run);
        break;
    case AG_ACT_CHAN_WRITE:
        note(w, "client %u gets %.*s", a->local, (int)a->text.len, a->text.ptr);
        break;
    case AG_ACT_CHAN_READ:
        note(w, "client %u may send %" PRIu64, a->local, a->len);
        break;
    case AG_ACT_CHAN_EOF:
        note(w, "client %u: end", a->local);
        break;
    case AG_ACT_CHAN_CLOSE:
        note(w, "client %u closed: %.*s", a->local, (int)a->text.len, a->text.ptr);
        break;
    case AG_ACT_TRACE:
        note(w, "run %" PRIu64 ": %s to %s: %.*s", a->run, a->from_state, a->to_state, (int)a->text.len,
             a->text.ptr);
        break;
    case AG_ACT_EXIT:
        note(w, "exit");
        break;
    default:
        fail();
    }
}

static void step(struct world *w, const struct agent_event *ev)
{
    agent_out_clear(&w->out);
    agent_step(w->agent, w->now, ev, &w->out);
    for (uint32_t i = 0; i < w->out.count; i++)
        act(w, &w->out.actions[i]);
    agent_check(w->agent);
}

/* The end of a turn: what the actions caused, the pump, the sync. */
static void settle(struct world *w)
{
    while (w->n_pending > 0) {
        struct pending p = w->pending[0];

        memmove(w->pending, w->pending + 1, --w->n_pending * sizeof(p));
        step(w, &(struct agent_event){.kind = p.kind, .run = p.run, .slot = p.slot, .wall = {1}});
    }
    step(w, &(struct agent_event){.kind = AG_EV_PUMP, .room = w->room});
    if (!w->hold_sync)
        step(w, &(struct agent_event){.kind = AG_EV_SYNCED, .seq = w->record_seq});
}

static void event(struct world *w, const struct agent_event *ev)
{
    step(w, ev);
    settle(w);
}

static void frame_in(struct world *w, const struct frame *f)
{
    event(w, &(struct agent_event){.kind = AG_EV_FRAME, .frame = f});
}

/* Let time pass, with every timer of the agent on the way. */
static void advance(struct world *w, int64_t ms)
{
    struct mono end = mono_add_ms(w->now, ms);

    for (;;) {
        struct mono next = agent_deadline(w->agent);

        if (mono_before(end, next))
            break;
        if (mono_before(w->now, next))
            w->now = next;
        event(w, &(struct agent_event){.kind = AG_EV_TICK, .wall = {1}});
    }
    w->now = end;
}

static struct agent_opts opts(void)
{
    return (struct agent_opts){.incarnation = 7,
                               .instance = "i1",
                               .version = "1",
                               .hash = "h",
                               .hostname = "host",
                               .facts = "facts",
                               .idle_exit_ms = 600000};
}

static void world_init(struct world *w)
{
    struct agent_opts o = opts();

    *w = (struct world){.now = {1000000}, .room = MIB(1)};
    buf_init(&w->story, MIB(1));
    buf_init(&w->spawned, KIB(64));
    for (int i = 0; i < 8; i++) {
        buf_init(&w->finished[i], KIB(64));
        buf_init(&w->specs[i], KIB(64));
    }
    agent_out_init(&w->out);
    w->agent = agent_new(&o, w->now);
}

static void world_done(struct world *w)
{
    agent_free(w->agent);
    agent_out_done(&w->out);
    buf_done(&w->story);
    buf_done(&w->spawned);
    for (int i = 0; i < 8; i++) {
        buf_done(&w->finished[i]);
        buf_done(&w->specs[i]);
    }
}

static void welcome(struct world *w, uint32_t slots)
{
    frame_in(w, &(struct frame){.type = FRAME_WELCOME,
                                .welcome = {.protocol = 1,
                                            .instance = slice_of("i1"),
                                            .slots = slots,
                                            .beat_ms = 100000,
                                            .grace_ms = 1000,
                                            .window_bytes = 100}});
}

static void link_up(struct world *w, uint32_t slots)
{
    event(w, &(struct agent_event){.kind = AG_EV_LINK_UP});
    welcome(w, slots);
}

static void spec_more(struct world *w, uint64_t run, struct frame_run_spec s)
{
    struct wire_text argv = {slice_of("true")};

    s.run = run;
    s.argv = &argv;
    s.n_argv = 1;
    s.kill_grace_ms = 500;
    frame_in(w, &(struct frame){.type = FRAME_RUN_SPEC, .run_spec = s});
}

static void spec(struct world *w, uint64_t run)
{
    spec_more(w, run, (struct frame_run_spec){.launch = 1, .commit = slice_of("")});
}

static void goals_as_of(struct world *w, uint64_t beat_seq)
{
    frame_in(w, &(struct frame){.type = FRAME_GOALS,
                                .goals = {.seq = ++w->goals_seq,
                                          .beat_seq = beat_seq,
                                          .goals = w->goals,
                                          .n_goals = w->n_goals}});
}

static void goals(struct world *w)
{
    goals_as_of(w, w->last_beat);
}

static void goal(struct world *w, uint64_t run, enum goal_want want)
{
    for (uint32_t i = 0; i < w->n_goals; i++)
        if (w->goals[i].run == run) {
            w->goals[i].want = (uint32_t)want;
            return;
        }
    w->goals[w->n_goals++] = (struct wire_goal){.run = run, .want = (uint32_t)want, .lease_ms = 30000};
}

static void ungoal(struct world *w, uint64_t run)
{
    for (uint32_t i = 0; i < w->n_goals; i++)
        if (w->goals[i].run == run) {
            memmove(&w->goals[i], &w->goals[i + 1], (--w->n_goals - i) * sizeof(w->goals[0]));
            return;
        }
}

static void grew(struct world *w, uint64_t run, uint32_t stream, uint64_t len)
{
    event(w, &(struct agent_event){.kind = AG_EV_GREW, .run = run, .stream = stream, .len = len});
}

static void exited_with(struct world *w, uint64_t run, struct agent_exit x)
{
    x.at = w->now;
    x.wall = (struct wall){5};
    event(w, &(struct agent_event){.kind = AG_EV_EXITED, .run = run, .exit = &x, .wall = x.wall});
}

static void exited(struct world *w, uint64_t run, uint64_t log_len)
{
    exited_with(w, run, (struct agent_exit){.len = {log_len, 0}});
}

static bool told(const struct world *w, const char *line)
{
    return strstr(buf_str(&w->story), line) != NULL;
}

/* The story since it was last asked for, must be this. */
static void expect(struct world *w, const char *text)
{
    assert_string_equal(buf_str(&w->story), text);
    buf_clear(&w->story);
}

static void start_one(struct world *w)
{
    link_up(w, 1);
    spec(w, 1);
    goal(w, 1, WANT_RUN);
    goals(w);
    buf_clear(&w->story);
}

#define STORY(name)                         \
    static void name##_in(struct world *w); \
    static void name(void **state)          \
    {                                       \
        struct world w;                     \
                                            \
        (void)state;                        \
        world_init(&w);                     \
        name##_in(&w);                      \
        world_done(&w);                     \
    }                                       \
    static void name##_in(struct world *w)

#endif
