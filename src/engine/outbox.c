/* outbox.c - copies what a turn decided into memory of its own, so that the engine may go on while the storage
 * thread commits it. */
#include "engine/outbox.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Memory kept by outbox_clear(): more than this is given back, so that one launch of 100,000 tests does not stay. */
#define VEC_KEEP 4096u

#define VEC_PUSH(v, item)                                               \
    do {                                                                \
        if ((v)->n == (v)->cap) {                                       \
            (v)->cap = (v)->cap == 0 ? 16 : (v)->cap * 2;               \
            (v)->at = xrealloc((v)->at, (v)->cap * sizeof((v)->at[0])); \
        }                                                               \
        (v)->at[(v)->n++] = (item);                                     \
    } while (0)

#define VEC_CLEAR(v)               \
    do {                           \
        (v)->n = 0;                \
        if ((v)->cap > VEC_KEEP) { \
            free((v)->at);         \
            (v)->at = NULL;        \
            (v)->cap = 0;          \
        }                          \
    } while (0)

struct outbox *outbox_new(void)
{
    struct outbox *o = xcalloc(1, sizeof(*o));

    arena_init(&o->arena);
    return o;
}

void outbox_free(struct outbox *o)
{
    if (o == NULL)
        return;
    free(o->changes.at);
    free(o->replies.at);
    free(o->goals.at);
    free(o->orders.at);
    free(o->notes.at);
    arena_done(&o->arena);
    free(o);
}

void outbox_clear(struct outbox *o)
{
    VEC_CLEAR(&o->changes);
    VEC_CLEAR(&o->replies);
    VEC_CLEAR(&o->goals);
    VEC_CLEAR(&o->orders);
    VEC_CLEAR(&o->notes);
    arena_reset(&o->arena);
    o->has_notice = false;
    o->turn++;
}

bool outbox_is_empty(const struct outbox *o)
{
    return o->changes.n == 0 && o->replies.n == 0 && o->goals.n == 0 && o->orders.n == 0 && o->notes.n == 0;
}

/* ---- deep copies ---- */

static const char *text(struct outbox *o, const char *s)
{
    return s == NULL || s[0] == '\0' ? "" : arena_strdup(&o->arena, s);
}

/* The builtin, not <stdio.h>: nothing of this folder can reach a file. */
static const char *format(struct outbox *o, const char *fmt, va_list ap)
{
    va_list again;
    char *s;
    int n;

    va_copy(again, ap);
    n = __builtin_vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    CHECK(n >= 0);
    s = arena_alloc(&o->arena, (size_t)n + 1);
    (void)__builtin_vsnprintf(s, (size_t)n + 1, fmt, ap);
    return s;
}

static const char *const *texts(struct outbox *o, const char *const *from, uint32_t n)
{
    const char **to;
    uint32_t i;

    if (n == 0)
        return NULL;
    to = arena_alloc(&o->arena, n * sizeof(*to));
    for (i = 0; i < n; i++)
        to[i] = text(o, from[i]);
    return to;
}

static const void *copy(struct outbox *o, const void *from, size_t size)
{
    void *to = arena_alloc(&o->arena, size + 1);

    memcpy(to, from, size);
    return to;
}

static struct server_row server_copy(struct outbox *o, struct server_row s)
{
    s.name = text(o, s.name);
    s.address = text(o, s.address);
    s.user = text(o, s.user);
    s.identity = text(o, s.identity);
    s.link_reason = text(o, s.link_reason);
    s.agent_version = text(o, s.agent_version);
    s.facts = text(o, s.facts);
    s.status_reason = text(o, s.status_reason);
    s.progress = text(o, s.progress);
    s.machine = text(o, s.machine);
    s.size = text(o, s.size);
    s.region = text(o, s.region);
    s.sick = text(o, s.sick);
    return s;
}

static struct fleet_row fleet_copy(struct outbox *o, struct fleet_row f)
{
    f.name = text(o, f.name);
    f.options = text(o, f.options);
    f.error = text(o, f.error);
    f.kept = texts(o, f.kept, f.n_kept);
    return f;
}

static struct launch_row launch_copy(struct outbox *o, struct launch_row l)
{
    uint64_t *ids;

    l.project_name = text(o, l.project_name);
    l.name = text(o, l.name);
    l.ref = text(o, l.ref);
    l.commit = text(o, l.commit);
    l.location = text(o, l.location);
    l.note = text(o, l.note);
    l.env = texts(o, l.env, l.n_env);
    l.secrets = texts(o, l.secrets, l.n_secrets);
    l.setup = texts(o, l.setup, l.n_setup);
    l.artifacts = texts(o, l.artifacts, l.n_artifacts);
    if (l.n_servers > 0) {
        ids = arena_alloc(&o->arena, l.n_servers * sizeof(*ids));
        memcpy(ids, l.servers, l.n_servers * sizeof(*ids));
        l.servers = ids;
    } else {
        l.servers = NULL;
    }
    return l;
}

static struct test_row test_copy(struct outbox *o, struct test_row t)
{
    t.path = text(o, t.path);
    t.argv = texts(o, t.argv, t.n_argv);
    t.language = text(o, t.language);
    t.browser = text(o, t.browser);
    t.reason = text(o, t.reason);
    return t;
}

static struct run_row run_copy(struct outbox *o, struct run_row r)
{
    r.server_name = text(o, r.server_name);
    r.path = text(o, r.path);
    r.reason = text(o, r.reason);
    r.image = text(o, r.image);
    return r;
}

/* ---- appending ---- */

void outbox_change(struct outbox *o, const struct change *from)
{
    struct change c = *from;

    CHECK(c.kind < CHANGE_KIND_COUNT);
    switch (c.kind) {
    case CHANGE_SERVER_PUT:
        c.server = server_copy(o, from->server);
        break;
    case CHANGE_FLEET_PUT:
        c.fleet = fleet_copy(o, from->fleet);
        break;
    case CHANGE_FLEET_DELETE:
        c.fleet = fleet_copy(o, (struct fleet_row){.id = from->fleet.id});
        break;
    case CHANGE_LAUNCH_ADD:
        c.launch = launch_copy(o, from->launch);
        break;
    case CHANGE_TEST_ADD:
        c.test = test_copy(o, from->test);
        break;
    case CHANGE_RUN_ADD:
        c.run = run_copy(o, from->run);
        break;
    case CHANGE_SERVER_DELETE:
        c.server = server_copy(o, (struct server_row){.id = from->server.id});
        break;
    case CHANGE_LAUNCH_SET:
        c.launch = launch_copy(o, (struct launch_row){.id = from->launch.id,
                                                      .state = from->launch.state,
                                                      .outcome = from->launch.outcome,
                                                      .started_at = from->launch.started_at,
                                                      .ended_at = from->launch.ended_at});
        break;
    case CHANGE_LAUNCH_NAME:
        c.launch = launch_copy(o, (struct launch_row){.id = from->launch.id, .name = from->launch.name});
        break;
    case CHANGE_TEST_SET:
        c.test.path = c.test.language = c.test.browser = "";
        c.test.argv = NULL;
        c.test.n_argv = 0;
        c.test.reason = text(o, from->test.reason);
        break;
    case CHANGE_TEST_RANKS:
        c.ranks.at = copy(o, from->ranks.at, from->ranks.n * sizeof(*from->ranks.at));
        break;
    case CHANGE_TESTS_SET:
        c.tests.at = copy(o, from->tests.at, from->tests.n * sizeof(*from->tests.at));
        c.tests.reason = text(o, from->tests.reason);
        break;
    case CHANGE_UNDO_ADD:
    case CHANGE_UNDO_DELETE:
        c.undo.login = text(o, from->undo.login);
        break;
    case CHANGE_PAUSE_ADD:
    case CHANGE_PAUSE_DELETE:
        c.pause.login = text(o, from->pause.login);
        break;
    case CHANGE_START_FAILED:
        c.start_failed.reason = text(o, from->start_failed.reason);
        break;
    case CHANGE_RUN_SET:
        c.run.server_name = "";
        c.run.path = "";
        c.run.reason = text(o, from->run.reason);
        c.run.image = text(o, from->run.image);
        break;
    case CHANGE_COST:
        c.cost.server_name = text(o, from->cost.server_name);
        c.cost.fleet_name = text(o, from->cost.fleet_name);
        break;
    case CHANGE_NOTICE:
        c.notice.word = text(o, from->notice.word);
        c.notice.name = text(o, from->notice.name);
        c.notice.text = text(o, from->notice.text);
        o->has_notice = true;
        break;
    case CHANGE_HOOK_EVENT:
        c.hook_event.word = text(o, from->hook_event.word);
        c.hook_event.name = text(o, from->hook_event.name);
        c.hook_event.text = text(o, from->hook_event.text);
        o->has_notice = true;
        break;
    case CHANGE_IDS:
    case CHANGE_KIND_COUNT:
        break;
    }
    VEC_PUSH(&o->changes, c);
}

void outbox_reply(struct outbox *o, struct ticket t, uint64_t id)
{
    struct reply r = {.ticket = t, .id = id};

    if (t.v != 0)
        VEC_PUSH(&o->replies, r);
}

void outbox_reply_ids(struct outbox *o, struct ticket t, const uint64_t *ids, uint32_t n)
{
    struct reply r = {.ticket = t, .n_ids = n};

    if (t.v == 0)
        return;
    if (n > 0) {
        r.id = ids[0];
        r.ids = copy(o, ids, n * sizeof(*ids));
    }
    VEC_PUSH(&o->replies, r);
}

static struct queue_item item_copy(struct outbox *o, struct queue_item item)
{
    item.test.n_argv = 0;
    item.test = test_copy(o, item.test);
    item.launch_name = text(o, item.launch_name);
    item.project_name = text(o, item.project_name);
    item.ref = text(o, item.ref);
    item.commit = text(o, item.commit);
    item.location = text(o, item.location);
    item.why = text(o, item.why);
    return item;
}

void outbox_reply_queue(struct outbox *o, struct ticket t, const struct queue_answer *from)
{
    struct reply r = {.ticket = t};
    struct queue_answer *a;
    struct queue_item *items;
    struct queue_undo *undos;
    uint32_t i;

    if (t.v == 0)
        return;
    a = arena_alloc(&o->arena, sizeof(*a));
    items = arena_alloc(&o->arena, (from->n_items + 1) * sizeof(*items));
    undos = arena_alloc(&o->arena, (from->n_undos + 1) * sizeof(*undos));
    *a = *from;
    for (i = 0; i < a->n_items; i++)
        items[i] = item_copy(o, from->items[i]);
    for (i = 0; i < a->n_undos; i++) {
        undos[i] = from->undos[i];
        undos[i].login = text(o, undos[i].login);
    }
    a->items = items;
    a->undos = undos;
    if (a->paused_by != NULL)
        a->paused_by = text(o, a->paused_by);
    r.queue = a;
    VEC_PUSH(&o->replies, r);
}

void outbox_refuse(struct outbox *o, struct ticket t, enum err err, const char *field, const char *fmt, ...)
{
    struct reply r = {.ticket = t, .err = err, .field = field};
    va_list ap;

    CHECK(err != ERR_OK);
    if (t.v == 0)
        return;
    va_start(ap, fmt);
    r.text = format(o, fmt, ap);
    va_end(ap);
    VEC_PUSH(&o->replies, r);
}

static const struct run_spec *spec_copy(struct outbox *o, const struct run_spec *from)
{
    struct run_spec *s = arena_alloc(&o->arena, sizeof(*s));

    *s = *from;
    s->commit = text(o, from->commit);
    s->argv = texts(o, from->argv, from->n_argv);
    s->env = texts(o, from->env, from->n_env);
    s->secrets = texts(o, from->secrets, from->n_secrets);
    s->setup = texts(o, from->setup, from->n_setup);
    return s;
}

void outbox_goal(struct outbox *o, const struct goal *from)
{
    struct goal g = *from;
    struct goal_entry *to = NULL;
    uint32_t i;

    if (g.n_entries > 0) {
        to = arena_alloc(&o->arena, g.n_entries * sizeof(*to));
        memcpy(to, from->entries, g.n_entries * sizeof(*to));
    }
    for (i = 0; to != NULL && i < g.n_entries; i++) {
        if (to[i].spec != NULL)
            to[i].spec = spec_copy(o, to[i].spec);
    }
    g.entries = to;
    VEC_PUSH(&o->goals, g);
}

void outbox_order(struct outbox *o, const struct order *from)
{
    struct order r = *from;

    bool is_whole = r.kind == ORDER_CONNECT || r.kind == ORDER_MACHINE_CREATE;

    r.server =
        server_copy(o, is_whole ? from->server
                                : (struct server_row){.id = from->server.id, .intent = from->server.intent});
    r.fleet =
        fleet_copy(o, r.kind == ORDER_FLEET_OPEN ? from->fleet : (struct fleet_row){.id = from->fleet.id});
    r.machine = text(o, from->machine);
    VEC_PUSH(&o->orders, r);
}

void outbox_note(struct outbox *o, const struct note *from)
{
    struct note n = *from;

    switch (n.kind) {
    case NOTE_SERVER:
    case NOTE_SERVER_SICK:
        n.server = server_copy(o, from->server);
        break;
    case NOTE_SERVER_GONE:
        n.server = server_copy(o, (struct server_row){.id = from->server.id});
        break;
    case NOTE_FLEET:
        n.fleet = fleet_copy(o, from->fleet);
        break;
    case NOTE_FLEET_GONE:
        n.fleet = fleet_copy(o, (struct fleet_row){.id = from->fleet.id});
        break;
    case NOTE_LAUNCH:
        n.launch.row.n_env = 0;
        n.launch.row.n_secrets = 0;
        n.launch.row.n_setup = 0;
        n.launch.row.n_artifacts = 0;
        n.launch.row.n_servers = 0;
        n.launch.row = launch_copy(o, n.launch.row);
        break;
    case NOTE_TEST:
        n.test.n_argv = 0;
        n.test = test_copy(o, n.test);
        break;
    case NOTE_RUN:
        n.run = run_copy(o, from->run);
        break;
    case NOTE_QUEUE:
        if (from->queue.paused_by != NULL)
            n.queue.paused_by = text(o, from->queue.paused_by);
        break;
    case NOTE_TESTS:
        break;
    case NOTE_TRACE:
        n.trace = text(o, from->trace);
        break;
    }
    VEC_PUSH(&o->notes, n);
}

void outbox_trace(struct outbox *o, const char *fmt, ...)
{
    struct note n = {.kind = NOTE_TRACE};
    va_list ap;

    va_start(ap, fmt);
    n.trace = format(o, fmt, ap);
    va_end(ap);
    VEC_PUSH(&o->notes, n);
}
