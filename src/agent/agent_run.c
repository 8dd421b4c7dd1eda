/* agent_run.c - the life of a run on a server: its states, the one function that changes them, the lists it is in.
 *
 * What calls for a change (frames, events, timers) is in agent_core.c. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent_private.h"

#define KILL_REPEAT_MS 5000       /* KILL again when the end was not seen: a process may hang in the kernel */
#define MS_MAX ((int64_t)1 << 40) /* limits beyond 34 years are none */

/* ---- states and edges ---- */

static const struct {
    const char *name;
    enum held_state held;
} run_states[] = {
#define X(name, held) [RUN_##name] = {#name, held},
    RUN_STATE_MAP(X)
#undef X
};

struct run_edge {
    enum run_state from;
    enum run_why on;
    enum run_state to;
    const char *text;
};

/* clang-format off */
static const struct run_edge run_edges[] = {
    {RUN_NEW,       ON_SPEC,         RUN_WAITING,   "its description arrived"},
    {RUN_NEW,       ON_RESTORED,     RUN_WAITING,   "the journal holds it, it had not started"},
    {RUN_NEW,       ON_DIED,         RUN_ENDED,     "it ran when the agent was killed"},
    {RUN_NEW,       ON_DURABLE,      RUN_FINISHED,  "the journal holds its end"},
    {RUN_WAITING,   ON_NEEDS_CODE,   RUN_PREPARING, "a slot is free and gets the code"},
    {RUN_WAITING,   ON_START,        RUN_STARTING,  "a slot is free and ready"},
    {RUN_WAITING,   ON_STOP,         RUN_ENDED,     "stopped before it started"},
    {RUN_WAITING,   ON_NO_DISK,      RUN_ENDED,     "it cannot be recorded, the disk is full"},
    {RUN_WAITING,   ON_BACK,         RUN_GONE,      "taken back before it started"},
    {RUN_WAITING,   ON_DROP,         RUN_GONE,      "no longer wanted, it had not started"},
    {RUN_WAITING,   ON_LEASE,        RUN_GONE,      "its lease ended before it started"},
    {RUN_PREPARING, ON_START,        RUN_STARTING,  "the code is there"},
    {RUN_PREPARING, ON_LINK_BROKE,   RUN_WAITING,   "the link broke while the code was on its way"},
    {RUN_PREPARING, ON_NO_CODE,      RUN_ENDED,     "the code could not be brought, or the preparation failed"},
    {RUN_PREPARING, ON_STOP,         RUN_ENDED,     "stopped before it started"},
    {RUN_PREPARING, ON_NO_DISK,      RUN_ENDED,     "it cannot be recorded, the disk is full"},
    {RUN_PREPARING, ON_BACK,         RUN_GONE,      "taken back before it started"},
    {RUN_PREPARING, ON_DROP,         RUN_GONE,      "no longer wanted, it had not started"},
    {RUN_PREPARING, ON_LEASE,        RUN_GONE,      "its lease ended before it started"},
    {RUN_STARTING,  ON_SPAWNED,      RUN_RUNNING,   "its process was started"},
    {RUN_STARTING,  ON_SPAWN_FAILED, RUN_ENDED,     "its command could not be started"},
    {RUN_STARTING,  ON_STOP,         RUN_ENDED,     "stopped while it was started"},
    {RUN_STARTING,  ON_DROP,         RUN_DROPPED,   "no longer wanted, just when it was started"},
    {RUN_STARTING,  ON_LEASE,        RUN_DROPPED,   "its lease ended while it was started"},
    {RUN_RUNNING,   ON_EXITED,       RUN_ENDED,     "its process ended"},
    {RUN_RUNNING,   ON_STOP,         RUN_STOPPING,  "it was stopped"},
    {RUN_RUNNING,   ON_TIME,         RUN_STOPPING,  "it ran longer than its time limit"},
    {RUN_RUNNING,   ON_SILENCE,      RUN_STOPPING,  "it wrote nothing for longer than its silence limit"},
    {RUN_RUNNING,   ON_LEASE,        RUN_STOPPING,  "its lease ended"},
    {RUN_RUNNING,   ON_NO_DISK,      RUN_STOPPING,  "its output cannot be kept, the disk is full"},
    {RUN_RUNNING,   ON_LOST,         RUN_STOPPING,  "the disk lost what it wrote"},
    {RUN_RUNNING,   ON_DROP,         RUN_DROPPED,   "no longer wanted"},
    {RUN_STOPPING,  ON_EXITED,       RUN_ENDED,     "its process ended"},
    {RUN_STOPPING,  ON_DROP,         RUN_DROPPED,   "no longer wanted"},
    {RUN_DROPPED,   ON_EXITED,       RUN_GONE,      "its process ended, nobody asks"},
    {RUN_DROPPED,   ON_SPAWN_FAILED, RUN_GONE,      "its command could not be started, nobody asks"},
    {RUN_ENDED,     ON_DURABLE,      RUN_FINISHED,  "its end is on the disk"},
    {RUN_ENDED,     ON_LOST,         RUN_ENDED,     "the disk lost what it wrote"},
    {RUN_ENDED,     ON_DROP,         RUN_GONE,      "no longer wanted"},
    {RUN_FINISHED,  ON_LOST,         RUN_ENDED,     "the disk lost what it wrote: another end is told"},
    {RUN_FINISHED,  ON_DROP,         RUN_GONE,      "the controller knows its end"},
};
/* clang-format on */

static const struct run_edge *edge_find(enum run_state from, enum run_why on)
{
    for (size_t i = 0; i < ARRAY_LEN(run_edges); i++)
        if (run_edges[i].from == from && run_edges[i].on == on)
            return &run_edges[i];
    return NULL;
}

bool run_can(const struct run *r, enum run_why on)
{
    return edge_find(r->state, on) != NULL;
}

enum held_state run_held(const struct run *r)
{
    return run_states[r->state].held;
}

/* The only writer of a run's state. */
void run_set(struct agent *a, struct run *r, enum run_why on, struct agent_out *out)
{
    const struct run_edge *e = edge_find(r->state, on);
    struct agent_action *act;

    (void)a;
    CHECK(e != NULL);
    act = out_add(out, AG_ACT_TRACE);
    act->run = r->id;
    act->text = slice_of(e->text);
    act->from_state = run_states[e->from].name;
    act->to_state = run_states[e->to].name;
    r->state = e->to;
}

/* ---- the runs ---- */

static struct run **bucket_of(struct agent *a, uint64_t id)
{
    return &a->buckets[(id * 0x9e3779b97f4a7c15u) >> 54];
}

struct run *run_get(const struct agent *a, uint64_t id)
{
    struct run *r = a->buckets[(id * 0x9e3779b97f4a7c15u) >> 54];

    while (r != NULL && r->id != id)
        r = r->hash_next;
    return r;
}

struct run *run_add(struct agent *a, uint64_t id)
{
    struct run **bucket = bucket_of(a, id);
    struct run *r = xcalloc(1, sizeof(*r));

    r->id = id;
    r->slot = AGENT_NO_SLOT;
    r->lease_end = MONO_NEVER;
    r->kill_at = MONO_NEVER;
    r->hash_next = *bucket;
    *bucket = r;
    r->prev = a->last;
    if (a->last != NULL)
        a->last->next = r;
    else
        a->first = r;
    a->last = r;
    a->n_runs++;
    return r;
}

void run_forget_spec(struct agent *a, struct run *r)
{
    a->specs_bytes -= r->spec_len;
    mem_wipe(r->spec, r->spec_len); /* it may hold secrets */
    free(r->spec);
    r->spec = NULL;
    r->spec_len = 0;
}

/* Out of the table and of memory; its spool goes as well. It must be GONE and hold no slot. */
void run_remove(struct agent *a, struct run *r, struct agent_out *out)
{
    struct run **p = bucket_of(a, r->id);

    CHECK(r->state == RUN_GONE);
    CHECK(r->slot == AGENT_NO_SLOT);
    a->n_untold -= r->is_untold;
    while (*p != r)
        p = &(*p)->hash_next;
    *p = r->hash_next;
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        a->first = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    else
        a->last = r->prev;
    if (a->pump_at == r)
        a->pump_at = r->next;
    for (uint32_t i = a->queue_head; i < a->queue_len; i++)
        if (a->queue[i] == r)
            a->queue[i] = NULL;
    a->n_runs--;
    out_add(out, AG_ACT_RELEASE)->run = r->id;
    run_forget_spec(a, r);
    free(r->reason);
    free(r->image);
    free(r);
}

void slot_leave(struct agent *a, struct run *r, struct mono free_since)
{
    struct slot *s;

    if (r->slot == AGENT_NO_SLOT)
        return;
    s = &a->slots[r->slot];
    CHECK(s->run == r);
    s->run = NULL;
    s->free_since = free_since;
    r->slot = AGENT_NO_SLOT;
}

void copy_text(char *to, size_t size, struct slice s)
{
    size_t n = s.len < size - 1 ? s.len : size - 1;

    if (n > 0)
        memcpy(to, s.ptr, n);
    to[n] = '\0';
}

static int64_t limit_ms(uint64_t ms)
{
    return ms > (uint64_t)MS_MAX ? MS_MAX : (int64_t)ms;
}

size_t run_spec_bytes(const struct frame_run_spec *s)
{
    size_t n = KIB(1);

    for (uint32_t i = 0; i < s->n_argv; i++)
        n += 8 + s->argv[i].s.len;
    for (uint32_t i = 0; i < s->n_env; i++)
        n += 8 + s->env[i].s.len;
    for (uint32_t i = 0; i < s->n_secrets; i++)
        n += 8 + s->secrets[i].s.len;
    return n;
}

struct slice run_spec_for_journal(const struct frame *f, struct agent_out *out)
{
    struct frame g = *f;
    struct wire_text *names = arena_alloc(&out->arena, (f->run_spec.n_secrets + 1) * sizeof(*names));
    struct buf raw;
    struct slice copy;

    for (uint32_t i = 0; i < f->run_spec.n_secrets; i++) {
        struct slice line = f->run_spec.secrets[i].s;
        const char *eq = memchr(line.ptr, '=', line.len);

        names[i].s = (struct slice){line.ptr, eq != NULL ? (size_t)(eq - line.ptr) : 0};
    }
    g.run_spec.secrets = names;
    buf_init(&raw, FRAME_BODY_MAX + KIB(4));
    frame_encode(&g, &raw);
    copy = out_text(out, buf_slice(&raw), raw.len);
    buf_done(&raw);
    return copy;
}

void run_take_spec(struct agent *a, struct run *r, const struct frame_run_spec *s, TAKES struct buf *raw)
{
    r->launch = s->launch;
    r->project = s->project;
    copy_text(r->commit, sizeof(r->commit), s->commit);
    r->time_limit_ms = limit_ms(s->time_limit_ms);
    r->silence_limit_ms = limit_ms(s->silence_limit_ms);
    r->kill_grace_ms = limit_ms(s->kill_grace_ms);
    r->spec = buf_take(raw, &r->spec_len);
    if (s->n_secrets == 0) /* else moving it would leave them behind */
        r->spec = xrealloc(r->spec, r->spec_len + 1);
    a->specs_bytes += r->spec_len;
}

/* ---- ending runs ---- */

void run_reason(struct run *r, const char *head, struct slice tail)
{
    struct buf b;

    buf_init(&b, REASON_MAX + 1);
    if (head != NULL)
        buf_puts(&b, head);
    for (size_t i = 0; i < tail.len && b.len < REASON_MAX; i++)
        buf_putc(&b, tail.ptr[i] == '\0' ? ' ' : tail.ptr[i]);
    free(r->reason);
    r->reason = buf_take(&b, NULL);
}

struct frame_finished run_finished(const struct run *r, struct agent_out *out)
{
    struct frame_finished f = r->finished;

    f.reason = out_text(out, slice_of(r->reason), REASON_MAX);
    f.image = out_text(out, slice_of(r->image), IMAGE_TEXT_MAX);
    return f;
}

/* Record how the run ended; FINISHED follows when that is durable. */
void run_end(struct agent *a, struct run *r, enum run_why on, enum finish_how how, struct wall wall,
             struct agent_out *out)
{
    struct agent_action *act;

    run_set(a, r, on, out);
    r->finished.run = r->id;
    r->finished.how = (uint32_t)how;
    if (r->finished.duration_us > 0)
        r->finished.slot_plus_one = r->slot_was + 1;
    r->finished.log_len = r->stream[STREAM_LOG].len;
    r->finished.results_len = r->stream[STREAM_RESULTS].len;
    r->finished.ended_wall_ms = (uint64_t)wall.ms;
    run_forget_spec(a, r);
    r->record_seq = ++a->record_seq;
    act = out_add(out, AG_ACT_RECORD);
    act->record = AG_RECORD_FINISHED;
    act->run = r->id;
    act->seq = r->record_seq;
    act->frame.type = FRAME_FINISHED;
    act->frame.finished = run_finished(r, out);
}

/* Begin to end a running run: the first cause is the one that is told. */
void run_stop(struct agent *a, struct run *r, struct mono now, enum run_why on, enum finish_how how,
              bool at_once, struct agent_out *out)
{
    struct agent_action *act;

    if (run_can(r, on)) {
        run_set(a, r, on, out);
        r->cause = how;
    }
    act = out_add(out, AG_ACT_SIGNAL);
    act->run = r->id;
    act->signal = at_once ? AG_KILL : AG_TERM;
    act->describe = how == FINISH_TIME_LIMIT || how == FINISH_SILENCE_LIMIT;
    r->is_killed = at_once;
    r->kill_at = mono_add_ms(now, at_once ? KILL_REPEAT_MS : r->kill_grace_ms);
}

void run_drop(struct agent *a, struct run *r, struct mono now, enum run_why on, struct agent_out *out)
{
    struct agent_action *act;

    if (r->state == RUN_DROPPED)
        return;
    if (r->state == RUN_PREPARING)
        slot_leave(a, r, now); /* the slot itself goes on preparing */
    run_set(a, r, on, out);
    if (r->state == RUN_GONE) {
        run_remove(a, r, out);
        return;
    }
    act = out_add(out, AG_ACT_SIGNAL);
    act->run = r->id;
    act->signal = AG_KILL;
    r->is_killed = true;
    r->kill_at = mono_add_ms(now, KILL_REPEAT_MS);
}

/* ---- starting runs ---- */

static bool slot_fits(const struct slot *s, const struct run *r)
{
    return s->is_ready && s->launch == r->launch && s->project == r->project &&
           strcmp(s->commit, r->commit) == 0;
}

/* A free slot, best one that has the run's code already; NULL: none. */
static struct slot *slot_for(struct agent *a, const struct run *r)
{
    struct slot *any = NULL;

    for (uint32_t i = 0; i < a->n_slots; i++) {
        struct slot *s = &a->slots[i];

        if (s->run != NULL || s->is_preparing)
            continue;
        if (slot_fits(s, r))
            return s;
        if (any == NULL)
            any = s;
    }
    return any;
}

void run_spawn(struct agent *a, struct run *r, struct agent_out *out)
{
    struct agent_action *act;

    run_set(a, r, ON_START, out);
    act = out_add(out, AG_ACT_SPAWN);
    act->run = r->id;
    act->slot = r->slot;
    act->spec = (struct slice){r->spec, r->spec_len};
}

/* Give free slots to waiting runs, in the order the goals list them. */
void runs_start(struct agent *a, struct mono now, struct agent_out *out)
{
    uint32_t i = a->queue_head;

    for (; i < a->queue_len; i++) {
        struct run *r = a->queue[i];
        struct agent_action *act;
        struct slot *s;

        if (r == NULL || (r->needs_link && !a->is_welcome)) {
            if (r == NULL && i == a->queue_head)
                a->queue_head++;
            continue;
        }
        if (!mono_before(now, r->lease_end) || a->is_disk_full)
            continue; /* a timer or AG_EV_DISK_OK sees to it */
        s = slot_for(a, r);
        if (s == NULL)
            break;
        a->queue[i] = NULL;
        if (i == a->queue_head)
            a->queue_head++;
        s->run = r;
        r->slot = (uint32_t)(s - a->slots);
        r->slot_was = r->slot;
        if (slot_fits(s, r)) {
            run_spawn(a, r, out);
            continue;
        }
        run_set(a, r, ON_NEEDS_CODE, out);
        r->preparing_at = now;
        r->is_long = false;
        copy_text(s->step, sizeof(s->step), SLICE("its code is brought"));
        s->is_ready = false;
        s->is_preparing = true;
        s->link_count = a->link_count;
        s->launch = r->launch;
        s->project = r->project;
        memcpy(s->commit, r->commit, sizeof(s->commit));
        act = out_add(out, AG_ACT_PREPARE);
        act->run = r->id;
        act->slot = r->slot;
        act->spec = (struct slice){r->spec, r->spec_len};
    }
}

void runs_queue(struct agent *a, struct run *r)
{
    if (a->queue_head == a->queue_len)
        a->queue_head = a->queue_len = 0;
    if (a->queue_len == a->queue_cap) {
        a->queue_cap = a->queue_cap == 0 ? 16 : a->queue_cap * 2;
        a->queue = xrealloc(a->queue, a->queue_cap * sizeof(struct run *));
    }
    a->queue[a->queue_len++] = r;
}
