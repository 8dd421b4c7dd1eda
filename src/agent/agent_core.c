/* agent_core.c - goals in, runs started, stopped and reported. See agent_core.h for the rules.
 *
 * Order of this file: actions; what is sent; one on_*() per frame and per event; step; checks. The states of runs are in
 * agent_run.c, what time brings in agent_timers.c, channels in agent_chan.c. */
#include "agent/agent_core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_private.h"

#define BEAT_MS_DEFAULT 1000
#define BEAT_MS_MAX 600000
#define WINDOW_MAX MIB(64) /* bounds what the edge holds for a client */

/* ---- actions ---- */

void agent_out_init(struct agent_out *out)
{
    *out = (struct agent_out){0};
    arena_init(&out->arena);
}

void agent_out_clear(struct agent_out *out)
{
    out->count = 0;
    arena_reset(&out->arena);
}

void agent_out_done(struct agent_out *out)
{
    free(out->actions);
    arena_done(&out->arena);
    *out = (struct agent_out){0};
}

struct agent_action *out_add(struct agent_out *out, enum agent_action_kind kind)
{
    struct agent_action *act;

    if (out->count == out->cap) {
        out->cap = out->cap == 0 ? 16 : out->cap * 2;
        out->actions = xrealloc(out->actions, out->cap * sizeof(*out->actions));
    }
    act = &out->actions[out->count++];
    memset(act, 0, sizeof(*act));
    act->kind = kind;
    return act;
}

struct frame *out_frame(struct agent_out *out, enum frame_type type)
{
    struct frame *f = &out_add(out, AG_ACT_SEND)->frame;

    f->type = type;
    return f;
}

struct slice out_text(struct agent_out *out, struct slice s, size_t max)
{
    size_t n = s.len < max ? s.len : max;

    return (struct slice){arena_strndup(&out->arena, s.ptr, n), n};
}

static void say(struct agent *a, struct agent_out *out, enum log_level level, const char *text)
{
    struct frame *f;

    if (!a->is_welcome)
        return;
    f = out_frame(out, FRAME_AGENT_LOG);
    f->agent_log.level = (uint32_t)level;
    f->agent_log.text = slice_of(text);
}

void link_close(struct agent *a, struct mono now, const char *why, struct agent_out *out)
{
    out_add(out, AG_ACT_CLOSE_LINK)->text = slice_of(why);
    link_is_down(a, now, out);
}

/* ---- what is sent ---- */

static uint32_t held_list(const struct agent *a, struct agent_out *out, struct wire_held **ret)
{
    struct wire_held *h = arena_alloc(&out->arena, (a->n_runs + 1) * sizeof(*h));
    uint32_t n = 0;

    for (const struct run *r = a->first; r != NULL; r = r->next) {
        if (r->state == RUN_DROPPED || n == AGENT_RUNS_MAX)
            continue;
        h[n++] = (struct wire_held){.run = r->id,
                                    .state = (uint32_t)run_held(r),
                                    .slot = r->slot,
                                    .log_len = r->stream[STREAM_LOG].len,
                                    .results_len = r->stream[STREAM_RESULTS].len};
    }
    *ret = h;
    return n;
}

static void send_beat(struct agent *a, struct mono now, struct agent_out *out)
{
    struct frame *f;

    a->beat_seq++;
    a->beats[a->beat_seq % AGENT_BEATS_KEPT] = now;
    a->next_beat = mono_add_ms(now, a->beat_ms);
    a->want_beat = false;
    f = out_frame(out, FRAME_BEAT);
    f->beat.seq = a->beat_seq;
    f->beat.goals_seq = a->goals_seq;
    f->beat.n_held = held_list(a, out, &f->beat.held);
}

static void send_hello(struct agent *a, struct mono now, struct agent_out *out)
{
    struct frame *f = out_frame(out, FRAME_HELLO);

    a->hello_at = now;
    f->hello.protocol = WRATA_PROTOCOL;
    f->hello.version = slice_of(a->version);
    f->hello.hash = slice_of(a->hash);
    f->hello.incarnation = a->incarnation;
    f->hello.hostname = slice_of(a->hostname);
    f->hello.facts = slice_of(a->facts);
    f->hello.n_held = held_list(a, out, &f->hello.held);
}

static void send_started(const struct agent *a, const struct run *r, struct agent_out *out)
{
    struct frame *f;

    if (!a->is_welcome)
        return;
    f = out_frame(out, FRAME_STARTED);
    f->started.run = r->id;
    f->started.slot = r->slot_was;
    f->started.wall_ms = (uint64_t)r->started_wall.ms;
}

void send_preparing(const struct agent *a, const struct run *r, struct agent_out *out)
{
    struct frame *f;

    if (!a->is_welcome)
        return;
    f = out_frame(out, FRAME_PREPARING);
    f->preparing.run = r->id;
    f->preparing.slot = r->slot;
    f->preparing.step = out_text(out, slice_of(a->slots[r->slot].step), sizeof(a->slots[0].step));
}

static void send_finished(const struct agent *a, const struct run *r, struct agent_out *out)
{
    struct frame *f;

    CHECK(r->state == RUN_FINISHED); /* A6 */
    if (!a->is_welcome)
        return;
    f = out_frame(out, FRAME_FINISHED);
    f->finished = run_finished(r, out);
}

static bool stream_can_send(const struct agent *a, const struct stream *s)
{
    return s->sent < s->len && s->sent - s->acked < a->window_bytes;
}

/* Only now, not at once: of a script that is over before the link takes anything, the end tells it all. */
static void tell_started(struct agent *a, struct agent_out *out)
{
    for (struct run *r = a->first; r != NULL && a->n_untold > 0; r = r->next) {
        if (!r->is_untold)
            continue;
        r->is_untold = false;
        a->n_untold--;
        if (r->state == RUN_RUNNING)
            send_started(a, r, out);
    }
}

/* Streams share the link in turns of one chunk, from where the last pump stopped. */
static void pump(struct agent *a, uint64_t room, struct agent_out *out)
{
    bool progress = true;

    if (!a->is_welcome)
        return;
    if (room > 0 && a->n_untold > 0)
        tell_started(a, out);
    while (room > 0 && progress && a->first != NULL) {
        struct run *stop = a->pump_at != NULL ? a->pump_at : a->first;
        struct run *r = stop;

        progress = false;
        do {
            for (uint32_t i = 0; i < STREAM_COUNT && room > 0; i++) {
                struct stream *s = &r->stream[i];
                struct agent_action *act;
                uint64_t n;

                if (r->state == RUN_DROPPED || !stream_can_send(a, s))
                    continue;
                n = s->len - s->sent;
                if (n > s->acked + a->window_bytes - s->sent)
                    n = s->acked + a->window_bytes - s->sent;
                if (n > AGENT_STREAM_CHUNK_BYTES)
                    n = AGENT_STREAM_CHUNK_BYTES;
                act = out_add(out, AG_ACT_STREAM);
                act->run = r->id;
                act->stream = i;
                act->from = s->sent;
                act->len = n;
                s->sent += n;
                room -= n < room ? n : room;
                progress = true;
            }
            r = r->next != NULL ? r->next : a->first;
        } while (r != stop && room > 0);
        a->pump_at = r;
    }
}

/* ---- frames ---- */

static void on_welcome(struct agent *a, struct mono now, const struct frame_welcome *w, struct agent_out *out)
{
    if (a->is_welcome) {
        link_close(a, now, "a second WELCOME", out);
        return;
    }
    if (w->instance.len > 0 && !slice_eq(w->instance, slice_of(a->instance))) {
        link_close(a, now, "this agent serves another instance", out);
        return;
    }
    if (w->protocol == 0 || w->slots > AGENT_SLOTS_MAX) {
        link_close(a, now, "a WELCOME that makes no sense", out);
        return;
    }
    a->is_welcome = true;
    for (uint32_t i = a->n_slots; i < w->slots; i++)
        if (a->slots[i].run == NULL)
            a->slots[i].free_since = now;
    a->n_slots = w->slots;
    a->beat_ms = w->beat_ms == 0 ? BEAT_MS_DEFAULT : w->beat_ms > BEAT_MS_MAX ? BEAT_MS_MAX : w->beat_ms;
    a->grace_ms = w->grace_ms;
    a->window_bytes = w->window_bytes == 0           ? AGENT_STREAM_CHUNK_BYTES
                      : w->window_bytes > WINDOW_MAX ? WINDOW_MAX
                                                     : w->window_bytes;
    a->next_beat = mono_add_ms(now, a->beat_ms);
    for (struct run *r = a->first; r != NULL; r = r->next) {
        for (uint32_t i = 0; i < STREAM_COUNT; i++)
            r->stream[i].sent = r->stream[i].acked;
        r->needs_link = false;
        if (r->state == RUN_FINISHED)
            send_finished(a, r, out);
        if (r->state == RUN_PREPARING && r->is_long)
            send_preparing(a, r, out);
    }
    runs_start(a, now, out);
}

static void on_run_spec(struct agent *a, struct mono now, const struct frame *f, struct agent_out *out)
{
    struct agent_action *act;
    struct buf raw;
    struct run *r;

    (void)now;
    if (f->run_spec.run == 0 || run_get(a, f->run_spec.run) != NULL)
        return; /* held already: a repeated description changes nothing */
    if (a->n_runs >= AGENT_RUNS_MAX) {
        say(a, out, LOG_LEVEL_WARN, "a run was not taken: the agent holds as many as it can");
        return;
    }
    buf_init(&raw, FRAME_BODY_MAX + KIB(4));
    CHECK(buf_reserve(&raw, run_spec_bytes(&f->run_spec)) !=
          NULL); /* growing it would leave secrets behind */
    frame_encode(f, &raw);
    if (a->specs_bytes + raw.len > AGENT_SPECS_MAX_BYTES) {
        mem_wipe(raw.data, raw.cap);
        buf_done(&raw);
        say(a, out, LOG_LEVEL_WARN, "a run was not taken: descriptions fill the agent's memory");
        return;
    }
    r = run_add(a, f->run_spec.run);
    run_take_spec(a, r, &f->run_spec, &raw);
    run_set(a, r, ON_SPEC, out);
    act = out_add(out, AG_ACT_RECORD);
    act->record = AG_RECORD_SPEC;
    act->run = r->id;
    act->seq = ++a->record_seq;
    act->spec =
        f->run_spec.n_secrets > 0 ? run_spec_for_journal(f, out) : (struct slice){r->spec, r->spec_len};
    a->want_beat = true;
}

/* When the beat that these goals answer was sent; false: so long ago that no lease can still count from it. */
static bool beat_sent_at(const struct agent *a, uint64_t seq, struct mono *ret)
{
    if (seq == 0) {
        *ret = a->hello_at;
        return true;
    }
    if (seq + AGENT_BEATS_KEPT <= a->beat_seq)
        return false;
    *ret = a->beats[seq % AGENT_BEATS_KEPT];
    return true;
}

static void goal_apply(struct agent *a, struct run *r, struct mono now, const struct wire_goal *g,
                       struct agent_out *out)
{
    switch (g->want) {
    case WANT_STOP:
        if (r->state == RUN_WAITING || r->state == RUN_PREPARING) {
            slot_leave(a, r, now);
            run_end(a, r, ON_STOP, FINISH_STOPPED, a->wall, out);
            a->want_beat = true;
        } else if (r->state == RUN_STARTING && !r->wants_stop) {
            struct agent_action *act = out_add(out, AG_ACT_SIGNAL);

            r->wants_stop = true;
            act->run = r->id; /* what takes its time may be given up; the answer comes all the same */
            act->signal = AG_TERM;
            a->want_beat = true;
        } else if (r->state == RUN_RUNNING && !r->is_keeping) {
            run_stop(a, r, now, ON_STOP, FINISH_STOPPED, r->kill_grace_ms == 0, out);
            a->want_beat = true;
        }
        break;
    case WANT_BACK:
        if (run_can(r, ON_BACK)) {
            run_drop(a, r, now, ON_BACK, out);
            a->want_beat = true;
        }
        break;
    case WANT_RUN:
    default: /* a newer controller's wish: hold the run, that much is sure */
        break;
    }
}

static void no_disk_for(struct agent *a, struct run *r, struct mono now, struct wall wall,
                        struct agent_out *out)
{
    if (r->state == RUN_WAITING || r->state == RUN_PREPARING) {
        slot_leave(a, r, now);
        run_reason(r, "the disk of the server is full: the run could not be recorded", (struct slice){"", 0});
        for (uint32_t i = a->queue_head; i < a->queue_len; i++)
            if (a->queue[i] == r)
                a->queue[i] = NULL;
        run_end(a, r, ON_NO_DISK, FINISH_NO_DISK, wall, out);
    } else if (r->state == RUN_RUNNING) {
        run_reason(r, "the disk of the server is full: its output could not be kept", (struct slice){"", 0});
        run_stop(a, r, now, ON_NO_DISK, FINISH_NO_DISK, true, out);
    }
}

/* Runs that cannot be recorded must not wait here for room while other servers are free. */
static void no_disk_for_waiting(struct agent *a, struct mono now, struct wall wall, struct agent_out *out)
{
    struct run *next;

    for (struct run *r = a->first; r != NULL; r = next) {
        next = r->next;
        if (r->state == RUN_WAITING || r->state == RUN_PREPARING)
            no_disk_for(a, r, now, wall, out);
    }
}

/* The controller read its clock between the sending of that beat and now: in the middle, as far as anybody can tell. The quickest
 * answer of a while tells best. */
static void clock_look(struct agent *a, struct mono now, struct mono sent, uint64_t wall_ms)
{
    int64_t trip_ms = mono_ms_between(sent, now) + 1; /* clocks are read in whole ms */

    if (a->clock_trip_ms >= 0 && a->clock_trip_ms <= trip_ms &&
        mono_ms_between(a->clock_at, now) < AGENT_CLOCK_KEPT_MS)
        return;
    a->clock_at = now;
    a->clock_trip_ms = trip_ms;
    a->skew_ms = a->wall.ms - trip_ms / 2 - (int64_t)wall_ms;
}

static void on_goals(struct agent *a, struct mono now, const struct frame_goals *g, struct agent_out *out)
{
    struct mono base = {0};
    struct run *next;
    bool is_known;

    if (g->beat_seq > a->beat_seq) {
        link_close(a, now, "goals for a beat that was not sent", out);
        return;
    }
    is_known = beat_sent_at(a, g->beat_seq, &base);
    if (is_known && g->wall_ms > 0 && g->wall_ms < INT64_MAX && a->wall.ms > 0)
        clock_look(a, now, base, g->wall_ms);
    a->goals_seq = g->seq;
    a->goals_count++;
    a->queue_head = a->queue_len = 0;
    for (uint32_t i = 0; i < g->n_goals; i++) {
        struct run *r = run_get(a, g->goals[i].run);

        if (r == NULL || r->goals_count == a->goals_count || r->state == RUN_DROPPED)
            continue; /* without a description nothing can be done; the next beat shows that it is missing */
        r->goals_count = a->goals_count;
        /* The lease can only be moved by what is known: 0 and an ancient beat leave it where it is. */
        if (is_known && g->goals[i].lease_ms > 0)
            r->lease_end = mono_add_ms(base, (int64_t)g->goals[i].lease_ms - (int64_t)a->grace_ms);
        r->is_leased = r->is_leased || (is_known && g->goals[i].lease_ms > 0);
        goal_apply(a, r, now, &g->goals[i], out);
        r = run_get(a, g->goals[i].run);
        if (r != NULL && r->state == RUN_WAITING && r->is_leased && g->goals[i].want != WANT_STOP)
            runs_queue(a, r);
    }
    for (struct run *r = a->first; r != NULL; r = next) {
        next = r->next;
        if (r->goals_count == a->goals_count || r->state == RUN_DROPPED)
            continue;
        run_drop(a, r, now, ON_DROP, out);
        a->want_beat = true;
    }
    if (a->is_disk_full)
        no_disk_for_waiting(a, now, a->wall, out);
    runs_start(a, now, out);
}

static void on_acks(struct agent *a, const struct frame_acks *f, struct agent_out *out)
{
    for (uint32_t i = 0; i < f->n_acks; i++) {
        const struct wire_ack *k = &f->acks[i];
        struct run *r = run_get(a, k->run);
        struct agent_action *act;
        struct stream *s;

        if (r == NULL || k->stream >= STREAM_COUNT)
            continue;
        s = &r->stream[k->stream];
        if (k->offset <= s->acked || k->offset > s->len)
            continue; /* late, or of bytes that do not exist */
        s->acked = k->offset;
        if (s->sent < s->acked)
            s->sent = s->acked; /* the controller had them from the link before */
        act = out_add(out, AG_ACT_ACKED);
        act->run = r->id;
        act->stream = k->stream;
        act->from = s->acked;
    }
}

static void on_frame(struct agent *a, struct mono now, const struct frame *f, struct agent_out *out)
{
    if (!a->is_up)
        return; /* the last words of a link that was dropped */
    a->last_heard = now;
    if (!a->is_welcome && f->type != FRAME_WELCOME && f->type != FRAME_BYE && (int)f->type != 0) {
        link_close(a, now, "a frame before WELCOME", out);
        return;
    }
    switch (f->type) {
    case FRAME_WELCOME:
        on_welcome(a, now, &f->welcome, out);
        break;
    case FRAME_RUN_SPEC:
        on_run_spec(a, now, f, out);
        break;
    case FRAME_GOALS:
        on_goals(a, now, &f->goals, out);
        break;
    case FRAME_ACKS:
        on_acks(a, &f->acks, out);
        break;
    case FRAME_CHAN_DATA:
        chan_on_data(a, &f->chan_data, out);
        break;
    case FRAME_CHAN_CREDIT:
        chan_on_credit(a, &f->chan_credit, out);
        break;
    case FRAME_CHAN_CLOSE:
        chan_on_close(a, &f->chan_close, out);
        break;
    case FRAME_BYE:
        break; /* the link ends by itself; runs go on under their leases */
    case FRAME_HELLO:
    case FRAME_BEAT:
    case FRAME_STARTED:
    case FRAME_STREAM:
    case FRAME_FINISHED:
    case FRAME_PREPARING:
    case FRAME_HEALTH:
    case FRAME_CHAN_OPEN:
    case FRAME_AGENT_LOG:
        link_close(a, now, "a frame that only an agent may send", out);
        break;
    default:
        break; /* a newer controller's frame */
    }
}

/* ---- events of the edges ---- */

void link_is_down(struct agent *a, struct mono now, struct agent_out *out)
{
    if (!a->is_up)
        return;
    a->is_up = false;
    a->is_welcome = false;
    a->want_beat = false;
    a->link_lost_at = now;
    a->goals_seq = 0;
    chans_drop(a, out);
}

static void on_link_up(struct agent *a, struct mono now, struct agent_out *out)
{
    link_is_down(a, now, out);
    a->is_up = true;
    a->link_count++;
    a->last_heard = now;
    send_hello(a, now, out);
}

static void on_health(const struct agent *a, const struct agent_event *ev, struct agent_out *out)
{
    const struct frame_health *h = &ev->frame->health;
    struct wire_text *tools = arena_alloc(&out->arena, (h->n_tools + 1) * sizeof(*tools));
    struct frame *f;

    if (!a->is_up || !a->is_welcome)
        return;
    f = out_frame(out, FRAME_HEALTH);
    f->health = *h;
    f->health.disk_path = out_text(out, h->disk_path, 4096);
    f->health.os = out_text(out, h->os, 256);
    f->health.kernel = out_text(out, h->kernel, 256);
    f->health.tools = tools;
    for (uint32_t i = 0; i < h->n_tools; i++)
        tools[i].s = out_text(out, h->tools[i].s, 256);
    if (a->clock_trip_ms < 0)
        return;
    f->health.skew_ms = a->skew_ms;
    f->health.skew_error_ms = (uint64_t)(a->clock_trip_ms + 1) / 2;
}

static void on_step(struct agent *a, const struct agent_event *ev, struct agent_out *out)
{
    struct slot *s;

    CHECK(ev->slot < AGENT_SLOTS_MAX);
    s = &a->slots[ev->slot];
    CHECK(s->is_preparing);
    copy_text(s->step, sizeof(s->step), ev->text);
    if (s->run != NULL && s->run->is_long)
        send_preparing(a, s->run, out);
}

static void on_prepared(struct agent *a, struct mono now, const struct agent_event *ev, struct agent_out *out)
{
    struct slot *s;
    struct run *r;

    CHECK(ev->slot < AGENT_SLOTS_MAX);
    s = &a->slots[ev->slot];
    CHECK(s->is_preparing);
    r = s->run;
    s->is_preparing = false;
    s->is_ready = ev->text.len == 0;
    if (r != NULL && s->is_ready) {
        run_spawn(a, r, out);
    } else if (r != NULL && !ev->is_not_ready && (!a->is_welcome || s->link_count != a->link_count)) {
        slot_leave(a, r, now);
        run_set(a, r, ON_LINK_BROKE, out);
        r->needs_link = true;
        runs_queue(a, r); /* behind the others: goals put it back in its place */
    } else if (r != NULL) {
        slot_leave(a, r, now);
        run_reason(r, NULL, ev->text);
        run_end(a, r, ON_NO_CODE, ev->is_not_ready ? FINISH_NOT_PREPARED : FINISH_NO_CODE, ev->wall, out);
    }
    runs_start(a, now, out);
}

static void on_boxed(struct agent *a, const struct agent_event *ev)
{
    struct run *r = run_get(a, ev->run);

    CHECK(r != NULL);
    free(r->image);
    r->image = xstrndup(ev->text.ptr, ev->text.len);
}

static void on_spawned(struct agent *a, struct mono now, const struct agent_event *ev, struct agent_out *out)
{
    struct run *r = run_get(a, ev->run);

    CHECK(r != NULL);
    r->started_at = now;
    r->started_wall = ev->wall;
    r->last_output = now;
    r->finished.gap_us = (uint64_t)(now.us - a->slots[r->slot].free_since.us);
    run_forget_spec(a, r);
    if (r->state == RUN_DROPPED) {
        run_stop(a, r, now, ON_STOP, FINISH_STOPPED, true,
                 out); /* the first KILL came before there was a process */
        return;
    }
    run_set(a, r, ON_SPAWNED, out);
    r->is_untold = true;
    a->n_untold++;
    if (r->wants_stop)
        run_stop(a, r, now, ON_STOP, FINISH_STOPPED, r->kill_grace_ms == 0, out);
}

static void on_spawn_failed(struct agent *a, struct mono now, const struct agent_event *ev,
                            struct agent_out *out)
{
    struct run *r = run_get(a, ev->run);

    CHECK(r != NULL);
    if (ev->is_not_ready)
        a->slots[r->slot].is_ready = false;
    slot_leave(a, r, now);
    if (r->state == RUN_DROPPED) {
        run_set(a, r, ON_SPAWN_FAILED, out);
        run_remove(a, r, out);
    } else if (r->wants_stop) {
        run_end(a, r, ON_STOP, FINISH_STOPPED, ev->wall, out);
    } else {
        run_reason(r, NULL, ev->text);
        run_end(a, r, ON_SPAWN_FAILED, ev->no_disk ? FINISH_NO_DISK : FINISH_NOT_STARTED, ev->wall, out);
    }
    runs_start(a, now, out);
}

static void on_grew(struct agent *a, struct mono now, const struct agent_event *ev)
{
    struct run *r = run_get(a, ev->run);

    if (r == NULL)
        return;
    CHECK(ev->stream < STREAM_COUNT);
    CHECK(ev->len >= r->stream[ev->stream].len);
    if (!r->stream[ev->stream].is_cut)
        r->stream[ev->stream].len = ev->len;
    r->last_output = now;
}

/* The controller waits for bytes that nobody has any more: the run ends where they are missing, and elsewhere it may
 * succeed. Its end, when that was told already, is told again. */
static void on_lost(struct agent *a, struct mono now, const struct agent_event *ev, struct agent_out *out)
{
    struct run *r = run_get(a, ev->run);
    struct stream *s;

    CHECK(ev->stream < STREAM_COUNT);
    if (r == NULL || r->state == RUN_DROPPED)
        return;
    s = &r->stream[ev->stream];
    if (ev->len < s->acked || ev->len >= s->len)
        return;
    if (ev->stream == STREAM_LOG)
        r->finished.log_dropped += s->len - ev->len;
    s->len = ev->len;
    s->sent = ev->len;
    s->is_cut = true;
    run_reason(r, finish_how_sentence(FINISH_DISK_LOST), SLICE(": its spool cannot be read back"));
    if (r->state == RUN_RUNNING) {
        run_stop(a, r, now, ON_LOST, FINISH_DISK_LOST, true, out);
    } else if (r->state == RUN_STOPPING) {
        r->cause = FINISH_DISK_LOST;
    } else if (run_can(r, ON_LOST)) {
        run_end(a, r, ON_LOST, FINISH_DISK_LOST, ev->wall, out);
    }
    a->want_beat = true;
}

static void on_no_disk(struct agent *a, struct mono now, const struct agent_event *ev, struct agent_out *out)
{
    struct run *r;

    if (ev->run != 0) {
        r = run_get(a, ev->run);
        if (r != NULL)
            no_disk_for(a, r, now, ev->wall, out);
        return;
    }
    if (!a->is_disk_full)
        say(a, out, LOG_LEVEL_ERROR, "the disk of this server is full");
    a->is_disk_full = true;
    no_disk_for_waiting(a, now, ev->wall, out);
}

/* The reason of an end that the table's sentence does not tell in full. */
static void limit_reason(struct run *r, struct slice what_ran)
{
    char head[96];
    int64_t ms = r->cause == FINISH_SILENCE_LIMIT ? r->silence_limit_ms : r->time_limit_ms;
    struct buf b;

    buf_init(&b, sizeof(head));
    buf_printf(&b,
               r->cause == FINISH_SILENCE_LIMIT ? "no output for %" PRId64 ".%01" PRId64 " s; "
                                                : "still running after %" PRId64 ".%01" PRId64 " s; ",
               ms / 1000, ms % 1000 / 100);
    memcpy(head, buf_str(&b), b.len + 1);
    buf_done(&b);
    run_reason(r, head, what_ran);
}

static void on_exited(struct agent *a, struct mono now, const struct agent_event *ev, struct agent_out *out)
{
    const struct agent_exit *x = ev->exit;
    struct run *r = run_get(a, ev->run);
    enum finish_how how;

    CHECK(r != NULL);
    CHECK(x != NULL);
    for (uint32_t i = 0; i < STREAM_COUNT; i++) {
        CHECK(x->len[i] >= r->stream[i].len);
        if (!r->stream[i].is_cut)
            r->stream[i].len = x->len[i];
    }
    slot_leave(a, r, x->at);
    if (r->state == RUN_DROPPED) {
        run_set(a, r, ON_EXITED, out);
        run_remove(a, r, out);
        runs_start(a, now, out);
        return;
    }
    if (r->state == RUN_STOPPING)
        how = r->cause;
    else if (x->oom)
        how = FINISH_MEMORY_LIMIT;
    else
        how = x->is_signal ? FINISH_SIGNALLED : FINISH_EXITED;
    if (how == FINISH_TIME_LIMIT || how == FINISH_SILENCE_LIMIT)
        limit_reason(r, x->text);
    r->finished.exit_code = x->is_signal ? 0 : x->code;
    r->finished.signal = x->is_signal ? x->code : 0;
    r->finished.log_dropped = x->log_dropped + (x->len[STREAM_LOG] - r->stream[STREAM_LOG].len);
    r->finished.log_gap_plus_one = x->log_gap_plus_one;
    r->finished.duration_us = x->ran_us > 0                 ? x->ran_us
                              : x->at.us > r->started_at.us ? (uint64_t)(x->at.us - r->started_at.us)
                                                            : 1;
    r->finished.user_us = x->user_us;
    r->finished.system_us = x->system_us;
    r->finished.max_rss_kib = x->max_rss_kib;
    r->kill_at = MONO_NEVER;
    run_end(a, r, ON_EXITED, how, x->wall, out);
    runs_start(a, now, out);
}

static void on_keeping(struct agent *a, const struct agent_event *ev)
{
    struct run *r = run_get(a, ev->run);

    if (r == NULL)
        return;
    r->is_keeping = true;
    r->is_killed = false; /* what was killed is dead: the next KILL is for those that send */
}

static void on_synced(struct agent *a, const struct agent_event *ev, struct agent_out *out)
{
    if (ev->seq > a->synced_seq)
        a->synced_seq = ev->seq;
    for (struct run *r = a->first; r != NULL; r = r->next) {
        if (r->state != RUN_ENDED || r->record_seq > a->synced_seq)
            continue;
        run_set(a, r, ON_DURABLE, out);
        send_finished(a, r, out);
    }
}

/* ---- step ---- */

struct agent *agent_new(const struct agent_opts *opts, struct mono now)
{
    struct agent *a = xcalloc(1, sizeof(*a));

    a->incarnation = opts->incarnation;
    a->instance = xstrdup(opts->instance);
    a->version = xstrdup(opts->version);
    a->hash = xstrdup(opts->hash);
    a->hostname = xstrdup(opts->hostname);
    a->facts = xstrdup(opts->facts);
    a->clock_trip_ms = -1;
    a->idle_exit_ms = opts->idle_exit_ms;
    a->link_lost_at = now;
    a->window_bytes = AGENT_STREAM_CHUNK_BYTES;
    a->beat_ms = BEAT_MS_DEFAULT;
    return a;
}

void agent_free(struct agent *a)
{
    struct run *next;

    if (a == NULL)
        return;
    for (struct run *r = a->first; r != NULL; r = next) {
        next = r->next;
        run_forget_spec(a, r);
        free(r->reason);
        free(r->image);
        free(r);
    }
    free(a->queue);
    free(a->instance);
    free(a->version);
    free(a->hash);
    free(a->hostname);
    free(a->facts);
    free(a);
}

void agent_step(struct agent *a, struct mono now, const struct agent_event *ev, struct agent_out *out)
{
    if (ev->wall.ms != 0)
        a->wall = ev->wall;
    switch (ev->kind) {
    case AG_EV_TICK:
        on_tick(a, now, out);
        break;
    case AG_EV_LINK_UP:
        on_link_up(a, now, out);
        break;
    case AG_EV_LINK_DOWN:
        link_is_down(a, now, out);
        break;
    case AG_EV_FRAME:
        on_frame(a, now, ev->frame, out);
        break;
    case AG_EV_PUMP:
        /* One beat for all that changed since; none while the link is full, it would only lie in a buffer. */
        if (a->is_welcome && a->want_beat && ev->room > 0)
            send_beat(a, now, out);
        else if (a->is_welcome && !mono_before(now, a->next_beat))
            a->next_beat = mono_add_ms(now, a->beat_ms);
        pump(a, ev->room, out);
        break;
    case AG_EV_STEP:
        on_step(a, ev, out);
        break;
    case AG_EV_PREPARED:
        on_prepared(a, now, ev, out);
        break;
    case AG_EV_SPAWNED:
        on_spawned(a, now, ev, out);
        break;
    case AG_EV_SPAWN_FAILED:
        on_spawn_failed(a, now, ev, out);
        break;
    case AG_EV_GREW:
        on_grew(a, now, ev);
        break;
    case AG_EV_NO_DISK:
        on_no_disk(a, now, ev, out);
        break;
    case AG_EV_DISK_OK:
        a->is_disk_full = false;
        runs_start(a, now, out);
        break;
    case AG_EV_HEALTH:
        on_health(a, ev, out);
        break;
    case AG_EV_LOST:
        on_lost(a, now, ev, out);
        break;
    case AG_EV_BOXED:
        on_boxed(a, ev);
        break;
    case AG_EV_EXITED:
        on_exited(a, now, ev, out);
        break;
    case AG_EV_KEEPING:
        on_keeping(a, ev);
        break;
    case AG_EV_SYNCED:
        on_synced(a, ev, out);
        break;
    case AG_EV_RESTORED:
        run_restore(a, ev->restored, out);
        break;
    case AG_EV_CHAN_OPEN:
        chan_open(a, ev->local, ev->chan, out);
        break;
    case AG_EV_CHAN_BYTES:
        chan_bytes(a, ev->local, ev->text, out);
        break;
    case AG_EV_CHAN_TAKEN:
        chan_taken(a, ev->local, ev->len, out);
        break;
    case AG_EV_CHAN_EOF:
        chan_eof(a, ev->local, out);
        break;
    case AG_EV_CHAN_GONE:
        chan_gone(a, ev->local, out);
        break;
    default:
        CHECK(!"an event kind");
    }
    CHECK_SLOW((agent_check(a), true));
}

/* ---- looking in ---- */

bool agent_has_next(const struct agent *a)
{
    for (uint32_t i = a->queue_head; i < a->queue_len; i++)
        if (a->queue[i] != NULL)
            return true;
    return false;
}

uint32_t agent_run_count(const struct agent *a)
{
    return a->n_runs;
}

bool agent_run_state(const struct agent *a, uint64_t run, enum held_state *ret)
{
    const struct run *r = run_get(a, run);

    if (r == NULL || r->state == RUN_DROPPED)
        return false;
    *ret = run_held(r);
    return true;
}

bool agent_has_link(const struct agent *a)
{
    return a->is_up;
}

uint32_t agent_link(const struct agent *a)
{
    return a->is_up && a->is_welcome ? a->link_count : 0;
}

bool agent_has_backlog(const struct agent *a)
{
    if (!a->is_welcome)
        return false;
    for (const struct run *r = a->first; r != NULL; r = r->next)
        for (uint32_t i = 0; i < STREAM_COUNT; i++)
            if (r->state != RUN_DROPPED && stream_can_send(a, &r->stream[i]))
                return true;
    return false;
}

static bool has_slot(enum run_state s)
{
    return s == RUN_PREPARING || s == RUN_STARTING || s == RUN_RUNNING || s == RUN_STOPPING ||
           s == RUN_DROPPED;
}

void agent_check(const struct agent *a)
{
    uint32_t n = 0;

    for (const struct run *r = a->first; r != NULL; r = r->next) {
        n++;
        CHECK(run_get(a, r->id) == r);                           /* A7 */
        CHECK(has_slot(r->state) == (r->slot != AGENT_NO_SLOT)); /* A2 */
        if (r->slot != AGENT_NO_SLOT)
            CHECK(a->slots[r->slot].run == r); /* A1 */
        for (uint32_t i = 0; i < STREAM_COUNT; i++) {
            CHECK(r->stream[i].acked <= r->stream[i].sent); /* A3 */
            CHECK(r->stream[i].sent <= r->stream[i].len);
        }
        CHECK(r->state != RUN_NEW);
        CHECK(r->state != RUN_GONE);
        if (r->state == RUN_FINISHED)
            CHECK(r->record_seq <= a->synced_seq); /* A6 */
    }
    CHECK(n == a->n_runs);
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (a->slots[i].run != NULL)
            CHECK(a->slots[i].run->slot == i); /* A1 */
    for (uint32_t i = a->queue_head; i < a->queue_len; i++)
        if (a->queue[i] != NULL)
            CHECK(a->queue[i]->state == RUN_WAITING); /* A5 */
}
