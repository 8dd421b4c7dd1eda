/* world.c - time, the controller's edges around the engine, and links. */
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "link/link.h"

#define WINDOW_BYTES 4096
#define BEAT_MS 1000
#define LEASE_EXTRA_MS 15000 /* of the broken rule */
#define CLOCK_EXTRA_MS 60000 /* of another */
#define INSTANCE "sim"

/* ---- jobs: a heap by (time, sequence) ---- */

static bool job_before(const struct job *a, const struct job *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

static void job_push(struct world *w, struct job *j)
{
    uint32_t at = w->n_jobs++;

    if (w->n_jobs > w->cap_jobs) {
        w->cap_jobs = w->cap_jobs == 0 ? 64 : w->cap_jobs * 2;
        w->jobs = xrealloc(w->jobs, w->cap_jobs * sizeof(struct job *));
    }
    while (at > 0 && job_before(j, w->jobs[(at - 1) / 2])) {
        w->jobs[at] = w->jobs[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->jobs[at] = j;
}

static struct job *job_pop(struct world *w)
{
    struct job *top = w->jobs[0];
    struct job *last = w->jobs[--w->n_jobs];
    uint32_t at = 0;
    uint32_t child;

    while ((child = at * 2 + 1) < w->n_jobs) {
        if (child + 1 < w->n_jobs && job_before(w->jobs[child + 1], w->jobs[child]))
            child++;
        if (!job_before(w->jobs[child], last))
            break;
        w->jobs[at] = w->jobs[child];
        at = child;
    }
    if (w->n_jobs > 0)
        w->jobs[at] = last;
    return top;
}

/* Not before `least_us`: within a link nothing overtakes. */
static struct job *job_add_after(struct world *w, int64_t in_us, int64_t least_us, enum job_kind kind,
                                 uint32_t node)
{
    struct job *j = xcalloc(1, sizeof(*j));

    j->at_us = w->now_us + in_us < least_us ? least_us : w->now_us + in_us;
    j->seq = ++w->seq;
    j->kind = kind;
    j->node = node;
    job_push(w, j);
    return j;
}

struct job *job_add(struct world *w, int64_t in_us, enum job_kind kind, uint32_t node)
{
    return job_add_after(w, in_us, w->now_us, kind, node);
}

static void job_free(struct job *j)
{
    free(j->bytes);
    free(j);
}

void world_fail(struct world *w, const char *fmt, ...)
{
    va_list ap;

    if (w->failed)
        return;
    w->failed = true;
    va_start(ap, fmt);
    (void)vsnprintf(w->what, sizeof(w->what), fmt, ap);
    va_end(ap);
}

struct wall world_wall(const struct world *w)
{
    return (struct wall){1700000000000 + w->now_us / 1000};
}

static struct now now_of(const struct world *w)
{
    return (struct now){{w->now_us}, world_wall(w)};
}

int64_t delay_us(struct world *w)
{
    if (w->opts.faults & FAULT_DELAY)
        return rng_chance(&w->rng, 1, 10) ? 1000 + (int64_t)rng_below(&w->rng, 300000)
                                          : 200 + (int64_t)rng_below(&w->rng, 2000);
    return 1000;
}

/* ---- links ---- */

void frame_to_agent(struct world *w, struct node *n, const struct buf *frames)
{
    struct job *j;

    if (n->conn == 0)
        return;
    j = job_add_after(w, delay_us(w), n->last_to_agent_us, JOB_TO_AGENT, n->index);
    n->last_to_agent_us = j->at_us;
    j->id = n->conn;
    j->bytes = xmalloc(frames->len);
    memcpy(j->bytes, frames->data, frames->len);
    j->len = frames->len;
}

void frame_to_engine(struct world *w, struct node *n, const struct frame *f)
{
    struct buf b;
    struct job *j;

    if (n->agent_conn == 0)
        return;
    buf_init(&b, FRAME_BODY_MAX + FRAME_HEADER_BYTES);
    frame_encode(f, &b);
    j = job_add_after(w, delay_us(w), n->last_to_engine_us, JOB_TO_ENGINE, n->index);
    n->last_to_engine_us = j->at_us;
    j->id = n->agent_conn;
    j->bytes = buf_take(&b, &j->len);
}

void link_cut(struct world *w, struct node *n)
{
    (void)w;
    n->is_cut = true;
}

void link_heal(struct world *w, struct node *n)
{
    struct job *j, *next;

    n->is_cut = false;
    DL_FOREACH_SAFE(n->stash, j, next) {
        DL_DELETE(n->stash, j);
        j->at_us = w->now_us; /* its old number: before what was sent after it */
        job_push(w, j);
    }
}

static void agent_learns_of_end(struct world *w, struct node *n, uint64_t serial)
{
    struct job *j = job_add_after(w, delay_us(w), n->last_to_agent_us, JOB_AGENT_LINK_DOWN, n->index);

    j->id = serial;
}

void link_break(struct world *w, struct node *n)
{
    struct job *j;

    if (n->conn == 0)
        return;
    j = job_add(w, delay_us(w), JOB_ENGINE_LINK_DOWN, n->index);
    j->id = n->conn;
    agent_learns_of_end(w, n, n->conn);
}

static void connect_begin(struct world *w, struct node *n, uint64_t era)
{
    bool reachable = n->is_up && !n->is_cut;
    struct job *j = job_add(w, reachable ? 10000 + 10 * delay_us(w) : 1000000,
                            reachable ? JOB_CONNECT : JOB_CONNECT_FAILED, n->index);

    n->era = era;
    n->connecting = ++w->serial;
    j->id = n->connecting;
}

static void disconnect(struct world *w, struct node *n)
{
    n->connecting = 0;
    if (n->conn != 0)
        agent_learns_of_end(w, n, n->conn);
    n->conn = 0;
    n->link = 0;
}

void node_connect(struct world *w, struct node *n, uint64_t era)
{
    for (uint32_t i = 0; i < w->n_nodes; i++) {
        struct node *o = &w->nodes[i];

        if (o != n && o->is_current && o->server.v == n->server.v) {
            disconnect(w, o);
            o->is_current = false;
        }
    }
    n->is_current = true;
    connect_begin(w, n, era);
}

static void on_connect(struct world *w, struct node *n, const struct job *j)
{
    struct event ev = {.kind = EV_LINK_DOWN};

    if (n->connecting != j->id)
        return;
    n->connecting = 0;
    if (j->kind == JOB_CONNECT && n->is_up && !n->is_cut) {
        n->conn = ++w->serial;
        n->link = 0;
        n->agent_conn = n->conn;
        node_link_up(w, n);
        return;
    }
    ev.link_down.server = n->server;
    ev.link_down.era = n->era;
    ev.link_down.reason = "connection timed out";
    (void)world_post(w, &ev);
}

static void on_engine_link_down(struct world *w, struct node *n, uint64_t serial)
{
    struct event ev = {.kind = EV_LINK_DOWN};

    if (n->conn != serial)
        return;
    ev.link_down.server = n->server;
    ev.link_down.era = n->era;
    ev.link_down.link = n->link;
    ev.link_down.reason = "the connection was reset";
    n->conn = 0;
    n->link = 0;
    (void)world_post(w, &ev);
}

/* ---- frames from agents ---- */

static struct edge_run *edge_of(struct world *w, uint64_t run)
{
    struct edge_run *x;

    HASH_FIND(hh, w->edges, &run, sizeof(run), x);
    if (x == NULL) {
        x = xcalloc(1, sizeof(*x));
        x->run = run;
        HASH_ADD(hh, w->edges, run, sizeof(x->run), x);
    }
    return x;
}

static void ack(struct world *w, struct node *n, const struct edge_run *x)
{
    struct wire_ack acks[STREAM_COUNT];
    struct frame f = {.type = FRAME_ACKS, .acks = {.acks = acks}};
    struct buf b;

    for (uint32_t i = 0; i < STREAM_COUNT; i++) {
        if (x->durable[i] > 0)
            acks[f.acks.n_acks++] = (struct wire_ack){x->run, i, x->durable[i]};
    }
    if (f.acks.n_acks == 0)
        return;
    buf_init(&b, FRAME_BODY_MAX);
    frame_encode(&f, &b);
    frame_to_agent(w, n, &b);
    buf_done(&b);
}

static void edge_settle(struct world *w, struct edge_run *x)
{
    struct event ev;

    if (!x->has_finished || x->durable[0] < x->final[0] || x->durable[1] < x->final[1])
        return;
    x->has_finished = false;
    ev = x->finished;
    ev.run_finished.reason = x->reason;
    (void)world_post(w, &ev);
}

static uint32_t held_of(const struct wire_held *held, uint32_t n, struct held_run *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (struct held_run){{held[i].run}, held[i].state, held[i].slot};
    return n;
}

static void on_hello(struct world *w, struct node *n, const struct frame_hello *h)
{
    struct frame f = {.type = FRAME_WELCOME};
    struct event ev = {.kind = EV_LINK_UP};
    struct held_run *held;
    struct buf b;

    n->link = ++w->serial;
    f.welcome = (struct frame_welcome){.protocol = WRATA_PROTOCOL,
                                       .instance = SLICE(INSTANCE),
                                       .server = slice_of(n->name),
                                       .server_id = n->server.v,
                                       .slots = n->slots,
                                       .beat_ms = BEAT_MS,
                                       .grace_ms = w->opts.grace_ms,
                                       .window_bytes = WINDOW_BYTES};
    buf_init(&b, FRAME_BODY_MAX);
    frame_encode(&f, &b);
    frame_to_agent(w, n, &b);
    buf_done(&b);
    for (uint32_t i = 0; i < h->n_held; i++)
        ack(w, n, edge_of(w, h->held[i].run));
    held = xcalloc(h->n_held + 1, sizeof(*held));
    ev.link_up.server = n->server;
    ev.link_up.era = n->era;
    ev.link_up.link = n->link;
    ev.link_up.incarnation = h->incarnation;
    ev.link_up.agent_version = "sim";
    ev.link_up.facts = "";
    ev.link_up.held = held;
    ev.link_up.n_held = held_of(h->held, h->n_held, held);
    (void)world_post(w, &ev);
    free(held);
}

static void on_beat(struct world *w, struct node *n, const struct frame_beat *f)
{
    struct held_run *held = xcalloc(f->n_held + 1, sizeof(*held));
    struct event ev = {.kind = EV_BEAT};

    ev.beat.server = n->server;
    ev.beat.link = n->link;
    ev.beat.seq = f->seq;
    ev.beat.goals_seq = f->goals_seq;
    ev.beat.held = held;
    ev.beat.n_held = held_of(f->held, f->n_held, held);
    (void)world_post(w, &ev);
    free(held);
}

static void on_stream(struct world *w, struct node *n, const struct frame_stream *f)
{
    struct edge_run *x = edge_of(w, f->run);
    struct job *j;

    if (f->stream >= STREAM_COUNT) {
        world_fail(w, "a stream of number %u", f->stream);
        return;
    }
    if (f->offset > x->have[f->stream]) {
        world_fail(w, "a gap in stream %u of run %llu: have %llu, got %llu", f->stream,
                   (unsigned long long)f->run, (unsigned long long)x->have[f->stream],
                   (unsigned long long)f->offset);
        return;
    }
    for (size_t i = 0; i < f->bytes.len; i++) {
        if ((uint8_t)f->bytes.ptr[i] != stream_byte(f->run, f->stream, f->offset + i)) {
            world_fail(w, "a wrong byte in stream %u of run %llu", f->stream, (unsigned long long)f->run);
            return;
        }
    }
    if (f->offset + f->bytes.len > x->have[f->stream])
        x->have[f->stream] = f->offset + f->bytes.len;
    j = job_add(w, (w->opts.faults & FAULT_COMMIT) ? (int64_t)rng_below(&w->rng, 50000) : 0, JOB_DURABLE,
                n->index);
    j->id = w->epoch;
    j->run = f->run;
}

static void on_durable(struct world *w, struct node *n, const struct job *j)
{
    struct edge_run *x = edge_of(w, j->run);

    if (j->id != w->epoch || w->engine == NULL)
        return;
    x->durable[0] = x->have[0];
    x->durable[1] = x->have[1];
    if (n->conn != 0 && n->link != 0)
        ack(w, n, x);
    edge_settle(w, x);
}

/* What the results channel of such a run said: by its number, so that nothing else is drawn for it. A run that fails stops at
 * its first failure when its number is odd; one that somebody ended came as far as it came. */
static struct tally tally_of(struct world *w, const struct frame_finished *f)
{
    const struct stored_run *r = sim_store_run(&w->store, f->run);
    const struct stored_test *t = r != NULL ? sim_store_test(&w->store, r->row.test.v) : NULL;
    struct tally y = {.discovered = 1 + (uint32_t)(f->run % 7), .started = true};

    if (t == NULL || !adapter_has_results(t->row.adapter) || f->how == FINISH_NOT_STARTED ||
        f->how == FINISH_NOT_PREPARED)
        return (struct tally){0};
    if (f->how != FINISH_EXITED) {
        y.passed = (uint32_t)(f->run % y.discovered);
        return y;
    }
    y.ended = true;
    y.failed = f->exit_code != 0;
    y.pending = y.discovered > 3;
    y.passed = y.discovered - y.failed - y.pending;
    if (y.failed > 0 && f->run % 2 == 1) {
        uint32_t left = y.passed;

        y.passed = 0;
        if (w->opts.broken != BROKEN_LEFT_OUT)
            tally_not_run(&y, left, "--fail-fast");
    }
    return y;
}

static void on_finished(struct world *w, struct node *n, const struct frame_finished *f)
{
    struct edge_run *x = edge_of(w, f->run);
    struct event *ev = &x->finished;
    size_t len = f->reason.len < sizeof(x->reason) ? f->reason.len : sizeof(x->reason) - 1;

    memcpy(x->reason, f->reason.ptr, len);
    x->reason[len] = '\0';
    *ev = (struct event){.kind = EV_RUN_FINISHED};
    ev->run_finished.server = n->server;
    ev->run_finished.link = n->link;
    ev->run_finished.run.v = f->run;
    ev->run_finished.slot = f->slot_plus_one - 1;
    ev->run_finished.finish = (struct finish){.how = f->how,
                                              .exit_code = (int32_t)f->exit_code,
                                              .signal = (int32_t)f->signal,
                                              .duration_us = (int64_t)f->duration_us,
                                              .log_bytes = f->log_len};
    ev->run_finished.tally = tally_of(w, f);
    x->final[0] = f->log_len;
    x->final[1] = f->results_len;
    x->has_finished = true;
    edge_settle(w, x);
}

static void on_health(struct world *w, struct node *n, const struct frame_health *f)
{
    struct disk_room disk = {"/work", f->disk_free_bytes, f->disk_total_bytes};
    struct event ev = {.kind = EV_HEALTH};

    checks_skew(w, n, f);
    ev.health.server = n->server;
    ev.health.link = n->link;
    ev.health.disks = &disk;
    ev.health.n_disks = 1;
    (void)world_post(w, &ev);
}

static void on_frame(struct world *w, struct node *n, const struct frame *f)
{
    struct event ev = {.kind = EV_RUN_STARTED};

    if (f->type != FRAME_HELLO && n->link == 0) {
        world_fail(w, "%s before HELLO", frame_name(f->type));
        return;
    }
    switch ((int)f->type) {
    case FRAME_HELLO:
        on_hello(w, n, &f->hello);
        break;
    case FRAME_BEAT:
        on_beat(w, n, &f->beat);
        break;
    case FRAME_STREAM:
        on_stream(w, n, &f->stream);
        break;
    case FRAME_FINISHED:
        on_finished(w, n, &f->finished);
        break;
    case FRAME_STARTED:
        ev.run_started.server = n->server;
        ev.run_started.link = n->link;
        ev.run_started.run.v = f->started.run;
        ev.run_started.slot = f->started.slot;
        (void)world_post(w, &ev);
        break;
    case FRAME_PREPARING: {
        char step[RUN_STEP_BYTES_MAX];

        (void)snprintf(step, sizeof(step), "%.*s", (int)f->preparing.step.len, f->preparing.step.ptr);
        ev.kind = EV_RUN_PREPARING;
        ev.run_preparing.server = n->server;
        ev.run_preparing.link = n->link;
        ev.run_preparing.run.v = f->preparing.run;
        ev.run_preparing.slot = f->preparing.slot;
        ev.run_preparing.step = step;
        (void)world_post(w, &ev);
        break;
    }
    case FRAME_HEALTH:
        on_health(w, n, &f->health);
        break;
    case FRAME_AGENT_LOG:
        break;
    default:
        world_fail(w, "%s from an agent", frame_name(f->type));
        break;
    }
}

static void deliver(struct world *w, struct node *n, const struct job *j)
{
    struct agent_event aev = {.kind = AG_EV_FRAME};
    size_t at = 0;
    size_t used;
    struct arena lists;
    struct frame f;

    arena_init(&lists);
    while (at < j->len) {
        if (j->kind == JOB_TO_AGENT && (n->agent == NULL || n->agent_conn != j->id))
            break;
        if (j->kind == JOB_TO_ENGINE && (w->engine == NULL || n->conn != j->id))
            break;
        if (frame_decode(j->bytes + at, j->len - at, &lists, &f, &used, NULL) != ERR_OK || used == 0) {
            world_fail(w, "a frame that cannot be read");
            break;
        }
        at += used;
        if (j->kind == JOB_TO_ENGINE) {
            on_frame(w, n, &f);
        } else {
            aev.frame = &f;
            aev.wall = node_wall(w, n);
            node_agent_event(w, n, &aev);
        }
    }
    arena_done(&lists);
}

/* ---- the controller ---- */

static void turn_free(struct turn *t)
{
    outbox_free(t->out);
    buf_done(&t->dump);
    free(t);
}

static struct turn *turn_new(struct world *w)
{
    struct turn *t = w->spare;

    if (t != NULL) {
        DL_DELETE(w->spare, t);
        outbox_clear(t->out);
        buf_clear(&t->dump);
        return t;
    }
    t = xcalloc(1, sizeof(*t));
    t->out = outbox_new();
    buf_init(&t->dump, MIB(64));
    return t;
}

/* In the open turn, or a new one, which stays open. */
static void turn_step(struct world *w, const struct event *ev)
{
    struct turn *t;

    if (w->open == NULL) {
        t = turn_new(w);
        DL_APPEND(w->turns, t);
        w->open = t->out;
    }
    engine_step(w->engine, now_of(w), ev, w->open);
}

bool world_post(struct world *w, const struct event *ev)
{
    struct job *j;

    if (w->engine == NULL)
        return false;
    turn_step(w, ev);
    /* Most turns are one event; some gather all that happens at this moment. */
    if (w->opts.faults == 0 || !rng_chance(&w->rng, 1, 4)) {
        world_turn_close(w);
    } else {
        j = job_add(w, 0, JOB_TURN_CLOSE, 0);
        j->id = w->epoch;
    }
    return true;
}

/* The broken rule: before they are saved. */
static void calls_leave(struct world *w, const struct outbox *out)
{
    for (uint32_t i = 0; i < out->orders.n; i++) {
        if (out->orders.at[i].kind == ORDER_MACHINE_CREATE)
            cloud_order(w, &out->orders.at[i]);
    }
}

void world_turn_close(struct world *w)
{
    struct turn *t;
    struct job *j;

    if (w->open == NULL)
        return;
    engine_turn_end(w->engine, now_of(w), w->open);
    engine_check(w->engine);
    t = w->turns->prev; /* the newest */
    checks_turn(w, t->out);
    if (w->opts.faults & (FAULT_ENGINE | FAULT_SHUTDOWN))
        engine_dump(w->engine, &t->dump);
    w->open = NULL;
    for (uint32_t i = 0; i < t->out->notes.n; i++) {
        if (t->out->notes.at[i].kind == NOTE_TRACE && w->opts.on_trace != NULL)
            w->opts.on_trace(w->opts.ctx, w->now_us / 1000, t->out->notes.at[i].trace);
    }
    if (w->opts.broken == BROKEN_INTENT_UNSAVED)
        calls_leave(w, t->out);
    j = job_add(w, (w->opts.faults & FAULT_COMMIT) ? (int64_t)rng_below(&w->rng, 50000) : 0, JOB_COMMIT, 0);
    j->id = w->epoch;
}

static void release_goal(struct world *w, const struct goal *g)
{
    struct node *n = node_of(w, g->server);
    struct goal_entry *entries;
    struct goal longer = *g;
    struct buf b;

    if (n == NULL || n->conn == 0 || n->link != g->link)
        return;
    entries = xcalloc(g->n_entries + 1, sizeof(*entries));
    for (uint32_t i = 0; i < g->n_entries; i++) {
        entries[i] = g->entries[i];
        entries[i].lease_ms += w->opts.broken == BROKEN_LEASE_GRACE ? LEASE_EXTRA_MS : 0;
    }
    longer.entries = entries;
    longer.at.ms = world_wall(w).ms + (w->opts.broken == BROKEN_CLOCK ? CLOCK_EXTRA_MS : 0);
    buf_init(&b, MIB(64));
    link_encode_goal(&longer, NULL, &b);
    frame_to_agent(w, n, &b);
    buf_done(&b);
    free(entries);
}

static void release_order(struct world *w, const struct order *o)
{
    struct node *n;

    if (o->kind == ORDER_MACHINE_CREATE && w->opts.broken == BROKEN_INTENT_UNSAVED)
        return; /* it has left */
    if (o->kind >= ORDER_MACHINE_CREATE ||
        (o->kind == ORDER_CONNECT && fleet_kind_makes_machines(o->server.fleet))) {
        cloud_order(w, o);
        return;
    }
    n = node_of(w, o->server.id);
    if (n == NULL)
        return;
    switch (o->kind) {
    case ORDER_CONNECT:
        connect_begin(w, n, o->era);
        break;
    case ORDER_DISCONNECT:
    case ORDER_BYE:
        disconnect(w, n);
        break;
    default:
        break;
    }
}

/* The oldest turn is on disk: only now anything of it leaves. */
static void on_commit(struct world *w)
{
    struct turn *t = w->turns;
    struct outbox *o = t->out;

    CHECK(t != NULL);
    CHECK(o != w->open);
    DL_DELETE(w->turns, t);
    for (uint32_t i = 0; i < o->changes.n; i++) {
        sim_store_apply(&w->store, &o->changes.at[i]);
        if ((w->opts.broken == BROKEN_CHARGED_TWICE && o->changes.at[i].kind == CHANGE_COST) ||
            (w->opts.broken == BROKEN_TOLD_TWICE && o->changes.at[i].kind == CHANGE_NOTICE))
            sim_store_apply(&w->store, &o->changes.at[i]);
    }
    sim_store_check_costs(&w->store);
    if (w->store.fault[0] != '\0')
        world_fail(w, "%s", w->store.fault);
    checks_committed(w, o);
    if (w->opts.faults & (FAULT_ENGINE | FAULT_SHUTDOWN)) {
        buf_clear(&w->committed);
        buf_puts(&w->committed, buf_str(&t->dump));
        w->has_committed = true;
        if ((w->opts.faults & FAULT_ENGINE) && !w->calm &&
            rng_chance(&w->rng, 1, 3000)) { /* on disk, and nobody was told */
            DL_APPEND(w->spare, t);
            world_crash(w);
            return;
        }
    }
    for (uint32_t i = 0; i < o->replies.n; i++) {
        w->last_reply_id = o->replies.at[i].id;
        w->last_reply_err = o->replies.at[i].err;
        if (w->opts.on_reply != NULL)
            w->opts.on_reply(w->opts.ctx, &o->replies.at[i]);
    }
    for (uint32_t i = 0; i < o->goals.n; i++)
        release_goal(w, &o->goals.at[i]);
    for (uint32_t i = 0; i < o->orders.n; i++)
        release_order(w, &o->orders.at[i]);
    DL_APPEND(w->spare, t);
    if (w->closing && w->turns == NULL)
        world_crash(w); /* the planned end: all is said and saved */
}

static const struct event no_room = {.kind = EV_ROOM,
                                     .no_room = "the disk of the server is full: free some space on it"};

void world_boot(struct world *w)
{
    struct engine_opts opts = {.seed = rng_next(&w->rng),
                               .trace = w->opts.trace,
                               .notices = true,
                               .creating_ms = 240000,
                               .stray_ms = 60000,
                               .missing_ms = 45000,
                               .forecast_starts = w->opts.forecast_starts,
                               .lease_machine_ms = (int64_t)w->cloud.lease_ms};
    struct event ev = {.kind = EV_BOOTED};
    struct buf dump;

    CHECK(w->engine == NULL);
    w->closing = false;
    w->engine = engine_new(&opts);
    sim_store_boot(&w->store, w->engine, now_of(w));
    if (w->has_committed) {
        buf_init(&dump, MIB(64));
        engine_dump(w->engine, &dump);
        if (strcmp(buf_str(&dump), buf_str(&w->committed)) != 0)
            world_fail(w,
                       "the engine rebuilt from the store differs from the one that died:\n--- died\n%.4000s"
                       "--- rebuilt\n%.4000s",
                       buf_str(&w->committed), buf_str(&dump));
        if (w->failed && w->opts.trace)
            fprintf(stderr, "--- died\n%s--- rebuilt\n%s", buf_str(&w->committed), buf_str(&dump));
        buf_done(&dump);
    }
    if (w->has_no_room)
        turn_step(w, &no_room); /* known before anything is placed */
    (void)world_post(w, &ev);
}

void world_room(struct world *w, bool has_room)
{
    static const struct event has = {.kind = EV_ROOM};

    if (w->has_no_room != has_room)
        return;
    w->has_no_room = !has_room;
    (void)world_post(w, has_room ? &has : &no_room);
}

/* kill -9 of the controller: its links die with it, what was not committed is gone. */
void world_crash(struct world *w)
{
    struct edge_run *x;
    struct turn *t, *next;

    engine_free(w->engine);
    w->engine = NULL;
    w->open = NULL;
    w->epoch++;
    w->crashes++;
    DL_FOREACH_SAFE(w->turns, t, next) {
        DL_DELETE(w->turns, t);
        DL_APPEND(w->spare, t);
    }
    for (x = w->edges; x != NULL; x = x->hh.next) {
        x->has_finished = false;
        x->have[0] = x->durable[0];
        x->have[1] = x->durable[1];
    }
    for (uint32_t i = 0; i < w->n_nodes; i++)
        disconnect(w, &w->nodes[i]);
    world_restart_at(w, w->calm || rng_chance(&w->rng, 2, 3) ? 10000 + (int64_t)rng_below(&w->rng, 2000000)
                                                             : (int64_t)rng_below(&w->rng, 90000000));
}

void world_restart_at(struct world *w, int64_t in_us)
{
    struct job *j = job_add(w, in_us, JOB_BOOT, 0);

    j->id = w->epoch;
}

/* ---- time ---- */

int64_t world_next_us(const struct world *w)
{
    int64_t at = w->n_jobs > 0 ? w->jobs[0]->at_us : INT64_MAX;
    int64_t t;

    if (w->engine != NULL && w->open == NULL) {
        t = engine_deadline(w->engine).us;
        at = t < at ? t : at;
    }
    for (uint32_t i = 0; i < w->n_nodes; i++) {
        t = node_deadline_us(w, &w->nodes[i]);
        at = t < at ? t : at;
    }
    return at < w->now_us ? w->now_us : at;
}

static bool waits_behind_cut(const struct node *n, const struct job *j)
{
    return n->is_cut &&
           (j->kind == JOB_TO_AGENT || j->kind == JOB_TO_ENGINE || j->kind == JOB_AGENT_LINK_DOWN);
}

static void job_do(struct world *w, struct job *j)
{
    struct node *n = &w->nodes[j->node];
    struct agent_event down = {.kind = AG_EV_LINK_DOWN};

    if (waits_behind_cut(n, j)) {
        DL_APPEND(n->stash, j);
        return;
    }
    switch (j->kind) {
    case JOB_TO_AGENT:
    case JOB_TO_ENGINE:
        deliver(w, n, j);
        break;
    case JOB_CONNECT:
    case JOB_CONNECT_FAILED:
        on_connect(w, n, j);
        break;
    case JOB_ENGINE_LINK_DOWN:
        on_engine_link_down(w, n, j->id);
        break;
    case JOB_AGENT_LINK_DOWN:
        if (n->agent != NULL && n->agent_conn == j->id) {
            n->agent_conn = 0;
            node_agent_event(w, n, &down);
        }
        break;
    case JOB_HEAL:
        link_heal(w, n);
        break;
    case JOB_COMMIT:
        if (j->id == w->epoch && w->engine != NULL)
            on_commit(w);
        break;
    case JOB_TURN_CLOSE:
        if (j->id == w->epoch && w->engine != NULL)
            world_turn_close(w);
        break;
    case JOB_DURABLE:
        on_durable(w, n, j);
        break;
    case JOB_BOOT:
        if (j->id == w->epoch && w->engine == NULL)
            world_boot(w);
        break;
    case JOB_ROOM:
        world_room(w, true);
        break;
    case JOB_PERSON:
    case JOB_FAULT:
        people_job(w, j);
        break;
    case JOB_CLOUD_CREATE:
    case JOB_CLOUD_DESTROY:
    case JOB_CLOUD_LIST:
    case JOB_CLOUD_RENEW:
    case JOB_CLOUD_ACTIVE:
    case JOB_CLOUD_TOLD:
    case JOB_CLOUD_CHECK:
        cloud_job(w, j);
        break;
    case JOB_SPAWNED:
    case JOB_SPAWN_FAILED:
    case JOB_GREW:
    case JOB_EXIT:
    case JOB_STEP:
    case JOB_PREPARED:
    case JOB_SYNCED:
    case JOB_HEALTH:
    case JOB_POWER_ON:
    case JOB_DISK_OK:
        node_job(w, n, j);
        break;
    }
    job_free(j);
}

void world_step(struct world *w)
{
    struct agent_event atick = {.kind = AG_EV_TICK};
    struct event tick = {.kind = EV_TICK};
    int64_t at = world_next_us(w);

    CHECK(at != INT64_MAX);
    w->now_us = at;
    w->step++;
    for (uint32_t i = 0; i < w->n_nodes; i++) {
        if (node_deadline_us(w, &w->nodes[i]) <= at) {
            atick.wall = node_wall(w, &w->nodes[i]);
            node_agent_event(w, &w->nodes[i], &atick);
            checks_step(w);
            return;
        }
    }
    if (w->engine != NULL && w->open == NULL && engine_deadline(w->engine).us <= at)
        (void)world_post(w, &tick);
    else
        job_do(w, job_pop(w));
    checks_step(w);
}

void world_init(struct world *w, const struct world_opts *opts)
{
    memset(w, 0, sizeof(*w));
    w->opts = *opts;
    rng_seed(&w->rng, opts->seed);
    w->now_us = 1000000;
    w->cloud.lease_ms = 600000;
    sim_store_init(&w->store);
    buf_init(&w->committed, MIB(64));
}

void world_done(struct world *w)
{
    struct edge_run *x, *x_next;
    struct turn *t, *t_next;
    struct job *j, *j_next;

    engine_free(w->engine);
    for (uint32_t i = 0; i < w->n_nodes; i++) {
        DL_FOREACH_SAFE(w->nodes[i].stash, j, j_next) {
            DL_DELETE(w->nodes[i].stash, j);
            job_free(j);
        }
        node_done(&w->nodes[i]);
    }
    while (w->n_jobs > 0)
        job_free(job_pop(w));
    free(w->jobs);
    x = w->edges;
    HASH_CLEAR(hh, w->edges); /* the table; its elements stay linked */
    for (; x != NULL; x = x_next) {
        x_next = x->hh.next;
        free(x);
    }
    DL_FOREACH_SAFE(w->turns, t, t_next) {
        DL_DELETE(w->turns, t);
        turn_free(t);
    }
    DL_FOREACH_SAFE(w->spare, t, t_next) {
        DL_DELETE(w->spare, t);
        turn_free(t);
    }
    buf_done(&w->committed);
    sim_store_done(&w->store);
}
