/* node.c - a machine: the real agent core, and around it a simulated journal, disk and process table. */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define ROOM_BYTES UINT64_C(65536)
#define HEALTH_FIRST_US 1000000
#define HEALTH_EVERY_US 15000000
#define KILL_US_MAX 100000 /* a process is gone so long after its KILL, at most; the grace pays for it */

uint8_t stream_byte(uint64_t run, uint32_t stream, uint64_t offset)
{
    return (uint8_t)(run * 31 + (uint64_t)stream * 7 + offset * 13 + offset / 251);
}

/* ---- clocks ---- */

struct mono node_clock(const struct world *w, const struct node *n)
{
    return (struct mono){n->clock_offset_us + w->now_us + w->now_us / 1000000 * n->clock_ppm +
                         w->now_us % 1000000 * n->clock_ppm / 1000000};
}

/* Of its other clock, which nobody sets. */
struct wall node_wall(const struct world *w, const struct node *n)
{
    return (struct wall){world_wall(w).ms + n->wall_offset_ms};
}

/* The first true time at which the agent's clock shows at least t. */
static int64_t true_time_of(const struct world *w, const struct node *n, struct mono t)
{
    int64_t here = node_clock(w, n).us;

    if (t.us <= here)
        return w->now_us;
    return w->now_us + (int64_t)((double)(t.us - here) * 1e6 / (double)(1000000 + n->clock_ppm)) + 1;
}

int64_t node_deadline_us(const struct world *w, const struct node *n)
{
    struct mono t;

    if (n->agent == NULL)
        return INT64_MAX;
    t = agent_deadline(n->agent);
    return t.us == MONO_NEVER.us ? INT64_MAX : true_time_of(w, n, t);
}

/* ---- runs on the machine ---- */

static struct node_run *run_of(struct node *n, uint64_t id)
{
    struct node_run *r;

    DL_FOREACH(n->runs, r) {
        if (r->run == id)
            return r;
    }
    return NULL;
}

static struct node_run *run_add(struct node *n, uint64_t id)
{
    struct node_run *r = run_of(n, id);

    if (r != NULL)
        return r;
    r = xcalloc(1, sizeof(*r));
    r->run = id;
    buf_init(&r->spec, FRAME_BODY_MAX + KIB(4));
    buf_init(&r->finished, FRAME_BODY_MAX + KIB(4));
    DL_APPEND(n->runs, r);
    return r;
}

static void run_free(struct node *n, struct node_run *r)
{
    DL_DELETE(n->runs, r);
    buf_done(&r->spec);
    buf_done(&r->finished);
    free(r);
}

struct words {
    uint64_t test;
    uint64_t project;
    uint64_t value[5];
};

/* What a run does is in its command: sim MS EXIT BYTES, and how long its code takes to come: PREPARE_MS. */
static struct words spec_words(struct slice spec)
{
    struct words w = {0};
    struct arena lists;
    struct frame f;
    size_t used;
    char word[32];

    arena_init(&lists);
    CHECK(frame_decode(spec.ptr, spec.len, &lists, &f, &used, NULL) == ERR_OK);
    CHECK(f.type == FRAME_RUN_SPEC);
    w.test = f.run_spec.test;
    w.project = f.run_spec.project;
    for (uint32_t i = 1; i < f.run_spec.n_argv && i < ARRAY_LEN(w.value); i++) {
        CHECK(f.run_spec.argv[i].s.len < sizeof(word));
        memcpy(word, f.run_spec.argv[i].s.ptr, f.run_spec.argv[i].s.len);
        word[f.run_spec.argv[i].s.len] = '\0';
        w.value[i] = strtoull(word, NULL, 10);
    }
    arena_done(&lists);
    return w;
}

static void run_read_spec(struct node_run *r, struct slice spec)
{
    struct words w = spec_words(spec);

    r->test = w.test;
    r->ends_us = (int64_t)w.value[1] * 1000;
    r->exit_code = (uint32_t)w.value[2];
    r->bytes = w.value[3];
}

static struct job *agent_job(struct world *w, struct node *n, int64_t in_us, enum job_kind kind, uint64_t run)
{
    struct job *j = job_add(w, in_us, kind, n->index);

    j->id = n->gen;
    j->run = run;
    return j;
}

/* ---- the agent's actions ---- */

static void act_spawn(struct world *w, struct node *n, const struct agent_action *act)
{
    struct node_run *r = run_add(n, act->run);
    bool fails = n->is_disk_full || n->is_sick ||
                 ((w->opts.faults & FAULT_SPAWN) && !w->calm && rng_chance(&w->rng, 1, 30));

    run_read_spec(r, act->spec);
    if (fails) {
        agent_job(w, n, 100, JOB_SPAWN_FAILED, act->run);
        return;
    }
    r->started = true;
    r->alive = true;
    r->signalled = false;
    r->proc = ++w->procs;
    r->ends_us += w->now_us;
    checks_spawn(w, n, r);
    agent_job(w, n, 200, JOB_SPAWNED, act->run);
}

static void act_signal(struct world *w, struct node *n, const struct agent_action *act)
{
    struct node_run *r = run_of(n, act->run);
    bool heeds = act->signal == AG_KILL || !rng_chance(&w->rng, 1, 3);
    int64_t at = w->now_us + 1000 + (int64_t)rng_below(&w->rng, KILL_US_MAX);
    struct job *j;

    if (r == NULL || !r->alive || !heeds || at >= r->ends_us)
        return;
    r->ends_us = at;
    r->signalled = true;
    j = agent_job(w, n, at - w->now_us, JOB_EXIT, r->run);
    j->arg = r->proc;
}

static void act_record(struct node *n, const struct agent_action *act)
{
    struct node_run *r = run_add(n, act->run);

    if (act->record == AG_RECORD_SPEC) {
        buf_clear(&r->spec);
        buf_put(&r->spec, act->spec.ptr, act->spec.len);
    } else {
        buf_clear(&r->finished);
        frame_encode(&act->frame, &r->finished);
        n->sync_due = true;
    }
    n->unsynced = act->seq;
}

static void act_stream(struct world *w, struct node *n, const struct agent_action *act)
{
    struct frame f = {.type = FRAME_STREAM};
    char *bytes;

    /* A bad sector, one in a step: a second one would hide where the first was. Only logs are written here. */
    if ((w->opts.faults & FAULT_DISK) && !w->calm && n->lost_run == 0 && rng_chance(&w->rng, 1, 200)) {
        n->lost_run = act->run;
        n->lost_from = act->from;
    }
    if (n->lost_run == act->run)
        return;
    bytes = xmalloc(act->len);
    for (uint64_t i = 0; i < act->len; i++)
        bytes[i] = (char)stream_byte(act->run, act->stream, act->from + i);
    f.stream = (struct frame_stream){act->run, act->stream, act->from, {bytes, act->len}, 0};
    frame_to_engine(w, n, &f);
    free(bytes);
}

static void act_prepare(struct world *w, struct node *n, const struct agent_action *act)
{
    struct words words = spec_words(act->spec);
    int64_t long_us = (int64_t)words.value[4] * 1000;
    struct job *j;

    if (long_us > 0) {
        j = agent_job(w, n, long_us / 2, JOB_STEP, act->run);
        j->arg = act->slot;
    }
    j = agent_job(w, n, long_us > 0 ? long_us : 1000 + (int64_t)rng_below(&w->rng, 50000), JOB_PREPARED,
                  act->run);
    j->arg = act->slot;
    j->what = words.project % POISONED_STEP == POISONED_PROJECT;
}

static void act_do(struct world *w, struct node *n, const struct agent_action *act)
{
    struct node_run *r;

    switch (act->kind) {
    case AG_ACT_SEND:
        frame_to_engine(w, n, &act->frame);
        break;
    case AG_ACT_STREAM:
        act_stream(w, n, act);
        break;
    case AG_ACT_CLOSE_LINK:
        n->agent_conn = 0;
        if (n->conn != 0) {
            struct job *j = job_add(w, delay_us(w), JOB_ENGINE_LINK_DOWN, n->index);

            j->id = n->conn;
        }
        break;
    case AG_ACT_RECORD:
        act_record(n, act);
        break;
    case AG_ACT_ACKED:
        run_add(n, act->run)->acked[act->stream] = act->from;
        break;
    case AG_ACT_RELEASE:
        r = run_of(n, act->run);
        if (r != NULL && r->alive)
            world_fail(w, "run %llu was released with its process alive", (unsigned long long)act->run);
        if (r != NULL)
            run_free(n, r);
        break;
    case AG_ACT_PREPARE:
        act_prepare(w, n, act);
        break;
    case AG_ACT_SPAWN:
        act_spawn(w, n, act);
        break;
    case AG_ACT_SIGNAL:
        act_signal(w, n, act);
        break;
    case AG_ACT_TRACE:
    case AG_ACT_CHAN_WRITE:
    case AG_ACT_CHAN_READ:
    case AG_ACT_CHAN_EOF:
    case AG_ACT_CHAN_CLOSE:
    case AG_ACT_EXIT:
        break;
    }
}

static void actions_do(struct world *w, struct node *n)
{
    struct agent_event lost = {.kind = AG_EV_LOST, .wall = node_wall(w, n)};

    for (uint32_t i = 0; i < n->out.count; i++)
        act_do(w, n, &n->out.actions[i]);
    agent_out_clear(&n->out);
    if (n->lost_run == 0)
        return;
    lost.run = n->lost_run;
    lost.len = n->lost_from;
    n->lost_run = 0;
    agent_step(n->agent, node_clock(w, n), &lost, &n->out);
    actions_do(w, n);
}

/* A turn of the agent: the event, then what may be sent, then the journal is made durable. */
void node_agent_event(struct world *w, struct node *n, const struct agent_event *ev)
{
    struct agent_event pump = {.kind = AG_EV_PUMP, .room = ROOM_BYTES, .wall = node_wall(w, n)};
    struct job *j;

    if (n->agent == NULL)
        return;
    agent_step(n->agent, node_clock(w, n), ev, &n->out);
    actions_do(w, n);
    agent_step(n->agent, node_clock(w, n), &pump, &n->out);
    actions_do(w, n);
    agent_check(n->agent);
    if (n->sync_due) {
        n->sync_due = false;
        j = agent_job(w, n, (w->opts.faults & FAULT_COMMIT) ? (int64_t)rng_below(&w->rng, 20000) : 100,
                      JOB_SYNCED, 0);
        j->arg = n->unsynced;
    }
}

/* ---- what happens on the machine ---- */

static void grow_later(struct world *w, struct node *n, struct node_run *r)
{
    int64_t left = r->ends_us - w->now_us;
    struct job *j;

    if (r->len[0] < r->bytes && left > 0) {
        j = agent_job(w, n, (int64_t)rng_below(&w->rng, (uint64_t)left), JOB_GREW, r->run);
        j->arg = r->proc;
    }
}

static void on_spawned(struct world *w, struct node *n, struct node_run *r)
{
    struct agent_event ev = {.kind = AG_EV_SPAWNED, .run = r->run, .wall = node_wall(w, n)};
    struct job *j;
    int64_t in_us = r->ends_us - w->now_us;

    j = agent_job(w, n, in_us > 0 ? in_us : 0, JOB_EXIT, r->run);
    j->arg = r->proc;
    grow_later(w, n, r);
    node_agent_event(w, n, &ev);
}

static void on_grew(struct world *w, struct node *n, struct node_run *r)
{
    struct agent_event ev = {.kind = AG_EV_GREW, .run = r->run, .wall = node_wall(w, n)};

    if (!r->alive)
        return;
    if (n->is_disk_full) {
        ev.kind = AG_EV_NO_DISK;
    } else {
        r->len[0] += 1 + rng_below(&w->rng, r->bytes - r->len[0]);
        ev.len = r->len[0];
        grow_later(w, n, r);
    }
    node_agent_event(w, n, &ev);
}

static void on_exit_job(struct world *w, struct node *n, struct node_run *r)
{
    struct agent_exit x = {.at = node_clock(w, n), .wall = node_wall(w, n)};
    struct agent_event ev = {.kind = AG_EV_EXITED, .run = r->run, .exit = &x, .wall = x.wall};

    if (!r->alive || w->now_us < r->ends_us)
        return;
    r->alive = false;
    x.is_signal = r->signalled;
    x.code = r->signalled ? 9 : r->exit_code;
    if (!r->signalled && !n->is_disk_full)
        r->len[0] = r->bytes;
    x.len[0] = r->len[0];
    x.len[1] = r->len[1];
    node_agent_event(w, n, &ev);
}

static void on_synced(struct world *w, struct node *n, const struct job *j)
{
    struct agent_event ev = {.kind = AG_EV_SYNCED, .seq = j->arg, .wall = node_wall(w, n)};
    bool is_durable = n->agent_conn == 0 || (w->opts.faults & FAULT_MACHINE) == 0 ||
                      rng_chance(&w->rng, 1, 8); /* with a link only now and then */
    struct node_run *r;

    DL_FOREACH(n->runs, r) {
        if (!is_durable)
            break;
        r->started_synced = r->started;
        r->spec_synced = r->spec.len > 0;
        r->finished_synced = r->finished.len > 0;
        r->synced[0] = r->len[0];
        r->synced[1] = r->len[1];
    }
    node_agent_event(w, n, &ev);
}

void node_health(struct world *w, struct node *n)
{
    struct frame f = {.type = FRAME_HEALTH};
    struct agent_event ev = {.kind = AG_EV_HEALTH, .wall = node_wall(w, n), .frame = &f};

    f.health = (struct frame_health){.disk_path = SLICE("/work"),
                                     .disk_free_bytes = n->is_disk_full ? 0 : n->disk_free_bytes,
                                     .disk_total_bytes = n->disk_total_bytes};
    node_agent_event(w, n, &ev);
}

void node_disk(struct world *w, struct node *n, bool is_full)
{
    struct agent_event ev = {.kind = is_full ? AG_EV_NO_DISK : AG_EV_DISK_OK, .wall = node_wall(w, n)};

    n->is_disk_full = is_full;
    node_agent_event(w, n, &ev);
    node_health(w, n);
}

void node_job(struct world *w, struct node *n, const struct job *j)
{
    struct agent_event ev = {.run = j->run, .wall = node_wall(w, n)};
    struct node_run *r;

    if (j->kind == JOB_POWER_ON) {
        n->is_up = true;
        return;
    }
    if (j->kind == JOB_DISK_OK) {
        node_disk(w, n, false);
        return;
    }
    if (n->agent == NULL || j->id != n->gen)
        return;
    r = run_of(n, j->run);
    switch (j->kind) {
    case JOB_SPAWNED:
        on_spawned(w, n, r);
        break;
    case JOB_SPAWN_FAILED:
        ev.kind = AG_EV_SPAWN_FAILED;
        ev.no_disk = n->is_disk_full;
        ev.text = SLICE("no such command");
        node_agent_event(w, n, &ev);
        break;
    case JOB_GREW:
        if (r != NULL && r->proc == j->arg)
            on_grew(w, n, r);
        break;
    case JOB_EXIT:
        if (r != NULL && r->proc == j->arg)
            on_exit_job(w, n, r);
        break;
    case JOB_STEP:
        ev.kind = AG_EV_STEP;
        ev.slot = (uint32_t)j->arg;
        ev.text = SLICE("step 1 of 1: gems");
        node_agent_event(w, n, &ev);
        break;
    case JOB_PREPARED:
        ev.kind = AG_EV_PREPARED;
        ev.slot = (uint32_t)j->arg;
        if (j->what != 0) {
            ev.text = SLICE("step 1 of 1: gems: exit status 7");
            ev.is_not_ready = true;
        } else if ((n->agent_conn == 0 && rng_chance(&w->rng, 1, 2)) ||
                   ((w->opts.faults & FAULT_SPAWN) && !w->calm && rng_chance(&w->rng, 1, 30)))
            ev.text = SLICE("git: the remote end hung up");
        node_agent_event(w, n, &ev);
        break;
    case JOB_SYNCED:
        on_synced(w, n, j);
        break;
    case JOB_HEALTH:
        node_health(w, n);
        agent_job(w, n, HEALTH_EVERY_US, JOB_HEALTH, 0);
        break;
    default:
        CHECK(!"not a job of a machine");
        break;
    }
}

/* ---- agents begin and end ---- */

static void agent_begin(struct world *w, struct node *n)
{
    struct agent_opts opts = {.incarnation = rng_next(&w->rng) | 1,
                              .instance = "sim",
                              .version = "sim",
                              .hash = "",
                              .hostname = n->name,
                              .facts = ""};
    struct agent_restored back;
    struct agent_event ev = {.kind = AG_EV_RESTORED, .restored = &back};
    struct node_run *r, *next;

    n->agent = agent_new(&opts, node_clock(w, n));
    n->n_agents++;
    DL_FOREACH_SAFE(n->runs, r, next) {
        if (n->lost_power && !r->started && r->finished.len == 0) {
            run_free(n, r);
            continue;
        }
        back = (struct agent_restored){.run = r->run,
                                       .was_started = r->started,
                                       .finished = buf_slice(&r->finished),
                                       .wall = node_wall(w, n)};
        if (!r->started)
            back.spec = buf_slice(&r->spec);
        for (uint32_t i = 0; i < STREAM_COUNT; i++) {
            back.acked[i] = r->acked[i];
            back.len[i] = r->len[i];
        }
        node_agent_event(w, n, &ev);
    }
    n->lost_power = false;
    agent_job(w, n, HEALTH_FIRST_US, JOB_HEALTH, 0);
    if (n->is_disk_full)
        node_disk(w, n, true);
}

void node_link_up(struct world *w, struct node *n)
{
    struct agent_event ev = {.kind = AG_EV_LINK_UP, .wall = node_wall(w, n)};

    if (n->agent == NULL)
        agent_begin(w, n);
    node_agent_event(w, n, &ev);
}

/* kill -9: its processes die with it (PDEATHSIG); what it wrote stays in the kernel's hands. */
void node_agent_kill(struct world *w, struct node *n)
{
    struct node_run *r;

    if (n->agent == NULL)
        return;
    agent_free(n->agent);
    n->agent = NULL;
    n->gen++;
    DL_FOREACH(n->runs, r)
        r->alive = false;
    n->agent_conn = 0;
    n->sync_due = false;
    link_break(w, n);
}

/* Power is lost: so is what was not synced, the last record perhaps torn in the middle. */
void node_power_off(struct world *w, struct node *n, int64_t back_in_us)
{
    struct node_run *r, *next;

    n->is_up = false;
    n->lost_power = true;
    node_agent_kill(w, n);
    DL_FOREACH_SAFE(n->runs, r, next) {
        for (uint32_t i = 0; i < STREAM_COUNT; i++) {
            uint64_t kept = r->len[i] - r->synced[i];

            r->len[i] = r->synced[i] + (kept > 0 ? rng_below(&w->rng, kept + 1) : 0);
            if (r->acked[i] > r->len[i])
                r->acked[i] = r->len[i];
        }
        if (!r->finished_synced && r->finished.len > 0)
            r->finished.len = rng_below(&w->rng, r->finished.len + 1);
        if (!r->finished_synced && r->finished.len > 0 && r->finished.data != NULL)
            r->finished.len--; /* torn */
        if (r->started && !r->started_synced && rng_chance(&w->rng, 1, 2)) {
            r->started = false; /* and with this record all that came behind it */
            r->len[0] = r->len[1] = 0;
            r->acked[0] = r->acked[1] = 0;
            buf_clear(&r->finished);
        }
        if (!r->spec_synced && rng_chance(&w->rng, 1, 2))
            run_free(n, r);
    }
    job_add(w, back_in_us, JOB_POWER_ON, n->index);
}

/* ---- machines ---- */

static struct node *node_begin(struct world *w, const char *name, uint32_t slots)
{
    struct node *n = &w->nodes[w->n_nodes];

    CHECK(w->n_nodes < NODES_MAX);
    memset(n, 0, sizeof(*n));
    n->index = w->n_nodes++;
    (void)snprintf(n->name, sizeof(n->name), "%s", name);
    n->slots = slots;
    n->is_up = true;
    n->gen = 1;
    agent_out_init(&n->out);
    n->wall_offset_ms = (int64_t)n->index * 7321 - 20000;
    n->disk_total_bytes = UINT64_C(20) << 30;
    n->disk_free_bytes = n->disk_total_bytes / 2;
    n->clock_offset_us = 1000000 + (int64_t)n->index * 77777777;
    if (w->opts.faults & FAULT_DRIFT)
        n->clock_ppm = (int64_t)rng_below(&w->rng, 20001) - 10000;
    return n;
}

struct node *node_add(struct world *w, const char *name, uint32_t slots)
{
    struct node *n = node_begin(w, name, slots);
    struct event ev = {.kind = EV_SERVER_ADD};

    w->n_local++;
    ev.server_add.row = (struct server_row){
        .name = n->name, .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = slots};
    ev.ticket.v = ++w->tickets;
    (void)world_post(w, &ev);
    return n;
}

/* One that is over, and that nobody talks to any more, is used again. */
static struct node *node_free(struct world *w)
{
    for (uint32_t i = 0; i < w->n_nodes; i++) {
        struct node *n = &w->nodes[i];

        if (n->is_machine && n->is_over && n->conn == 0 && n->connecting == 0 && n->agent_conn == 0)
            return n;
    }
    return NULL;
}

uint32_t node_machine_begin(struct world *w, const char *name, uint32_t slots, uint64_t server)
{
    struct node *n = node_free(w);

    if (n == NULL)
        n = node_begin(w, name, slots);
    n->is_machine = true;
    n->is_over = false;
    n->is_current = false;
    n->is_up = true;
    n->is_disk_full = false;
    n->is_sick = false;
    n->was_sick = false;
    n->lost_power = false;
    n->slots = slots;
    n->gen++;
    n->link = 0;
    n->server.v = server;
    (void)snprintf(n->name, sizeof(n->name), "%s", name);
    return n->index;
}

/* Nothing of it is left. Who talked to it hears silence, or an end. */
void node_machine_end(struct world *w, struct node *n)
{
    struct node_run *r, *next;

    n->is_up = false;
    n->is_over = true;
    if (n->is_cut)
        link_heal(w, n);
    node_agent_kill(w, n);
    n->gen++;
    DL_FOREACH_SAFE(n->runs, r, next)
        run_free(n, r);
}

/* A machine gets its id when the record is committed: by name, as a person would look. */
struct node *node_of(struct world *w, struct server_id id)
{
    const struct stored_server *s;

    for (uint32_t i = 0; i < w->n_nodes; i++) {
        if (w->nodes[i].server.v == id.v && (!w->nodes[i].is_machine || w->nodes[i].is_current))
            return &w->nodes[i];
    }
    for (s = w->store.servers; s != NULL; s = s->hh.next) {
        if (s->row.id.v != id.v)
            continue;
        for (uint32_t i = 0; i < w->n_nodes; i++) {
            if (!w->nodes[i].is_machine && strcmp(w->nodes[i].name, s->row.name) == 0) {
                w->nodes[i].server = id;
                return &w->nodes[i];
            }
        }
    }
    return NULL;
}

void node_done(struct node *n)
{
    struct node_run *r, *next;

    agent_free(n->agent);
    DL_FOREACH_SAFE(n->runs, r, next)
        run_free(n, r);
    agent_out_done(&n->out);
}
