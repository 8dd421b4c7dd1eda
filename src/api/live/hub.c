#include "api/live/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/live/live_private.h"

/* ---- events ---- */

struct live_event *event_new(const char *name, const char *json, size_t len)
{
    size_t max = len + strlen(name) + 32;
    struct live_event *e = xmalloc(sizeof(*e) + max);
    int n;

    *e = (struct live_event){.refs = 1};
    n = snprintf(e->text, max, "event: %s\ndata: ", name);
    CHECK(n > 0);
    memcpy(e->text + n, json, len);
    memcpy(e->text + n + len, "\n\n", 3);
    e->len = (size_t)n + len + 2;
    return e;
}

void event_release(struct live_event *e)
{
    if (--e->refs == 0)
        free(e);
}

bool event_concerns(const struct live_event *e, const struct topic *topics, uint32_t n_topics)
{
    for (uint32_t i = 0; i < n_topics; i++) {
        const struct topic *t = &topics[i];

        if (!(e->topics & (unsigned)t->kind))
            continue;
        switch (t->kind) {
        case TOPIC_QUEUE:
            if (t->id == e->user)
                return true;
            break;
        case TOPIC_JOBS:
            if (t->id == 0 || t->id == e->user)
                return true;
            break;
        case TOPIC_SERVERS:
        case TOPIC_LAUNCHES:
            return true;
        case TOPIC_LAUNCH:
        case TOPIC_LAUNCH_ALL:
            if (t->id == e->launch)
                return true;
            break;
        case TOPIC_RUN:
        case TOPIC_LOG:
            if (t->id == e->run)
                return true;
            break;
        }
    }
    return false;
}

bool hub_is_wanted(const struct hub *h, unsigned topics, uint64_t launch, uint64_t run)
{
    struct live_event probe = {.topics = topics, .launch = launch, .run = run};

    for (const struct sub *s = h->subs; s != NULL; s = s->hh.next) {
        if (event_concerns(&probe, s->topics, s->n_topics))
            return true;
    }
    return false;
}

bool hub_is_watched(struct hub *h)
{
    if (h->subs != NULL)
        return true;
    if (h->interest_until.us != 0 && mono_before(mono_now(), h->interest_until))
        return true;
    h->interest_until.us = 0;
    return false;
}

/* ---- the ring ---- */

static void ring_drop_oldest(struct hub *h)
{
    struct live_event *e = h->ring[h->ring_head];

    h->floor = e->rev;
    h->ring_bytes -= e->len;
    h->ring_head = (h->ring_head + 1) % RING_EVENTS;
    h->ring_n--;
    event_release(e);
}

static void ring_add(struct hub *h, struct live_event *e)
{
    if (h->ring == NULL)
        h->ring = xcalloc(RING_EVENTS, sizeof(struct live_event *));
    while (h->ring_n == RING_EVENTS || (h->ring_n > 0 && h->ring_bytes + e->len > RING_BYTES))
        ring_drop_oldest(h);
    h->ring[(h->ring_head + h->ring_n++) % RING_EVENTS] = e;
    h->ring_bytes += e->len;
    e->refs++;
}

/* Nobody was there to see: whoever comes back from before must load again. */
static void ring_break(struct hub *h)
{
    while (h->ring_n > 0)
        ring_drop_oldest(h);
    h->floor = ++h->rev;
}

void hub_publish(struct hub *h, struct live_event *e)
{
    struct sub *s;
    struct sub *next;

    e->rev = ++h->rev;
    ring_add(h, e);
    HASH_ITER(hh, h->subs, s, next) {
        if (event_concerns(e, s->topics, s->n_topics))
            sub_queue(s, e);
    }
    event_release(e);
}

/* ---- what happens ---- */

static void publish_test(struct hub *h, const struct test_row *row)
{
    struct live_event *e;
    struct render r;
    struct buf json;

    render_init(&r);
    render_test(&r, row);
    render_fill(h->api, &r, &json);
    e = event_new("test", json.data, json.len);
    buf_done(&json);
    render_done(&r);
    e->topics = TOPIC_LAUNCH | TOPIC_LAUNCH_ALL;
    e->launch = row->launch.v;
    hub_publish(h, e);
}

static void publish_gone(struct hub *h, uint64_t server)
{
    struct live_event *e;
    char json[48];

    (void)snprintf(json, sizeof(json), "{\"id\":%llu}", (unsigned long long)server);
    e = event_new("server-removed", json, strlen(json));
    e->topics = TOPIC_SERVERS;
    hub_publish(h, e);
}

/* Many tests of a launch changed alike: who shows them lists them again. */
static void publish_tests(struct hub *h, uint64_t launch)
{
    struct live_event *e;
    char json[48];

    (void)snprintf(json, sizeof(json), "{\"launch\":%llu}", (unsigned long long)launch);
    e = event_new("tests", json, strlen(json));
    e->topics = TOPIC_LAUNCH | TOPIC_LAUNCH_ALL;
    e->launch = launch;
    hub_publish(h, e);
}

/* ---- queues: told at most four times a second, and what is told is the newest ---- */

struct live_queue {
    UT_hash_handle hh;
    uint64_t user;
    uint64_t version;
    uint32_t n_waiting;
    char *paused_by; /* owned; NULL: it is not paused */
    struct wall paused_at;
    bool is_dirty;
    struct mono due;
};

static void queue_mark(struct hub *h, const struct note *n)
{
    struct mono now = mono_now();
    struct live_queue *q;
    uint64_t user = n->queue.user.v;

    HASH_FIND(hh, h->queues, &user, sizeof(user), q);
    if (q == NULL) {
        q = xcalloc(1, sizeof(*q));
        q->user = user;
        q->due = now;
        HASH_ADD(hh, h->queues, user, sizeof(q->user), q);
    }
    q->version = n->queue.version;
    q->n_waiting = n->queue.n_waiting;
    free(q->paused_by);
    q->paused_by = n->queue.paused_by != NULL ? xstrdup(n->queue.paused_by) : NULL;
    q->paused_at = n->queue.paused_at;
    q->is_dirty = true;
    hub_wake_at(h, q->due);
}

static void queue_publish(struct hub *h, const struct live_queue *q)
{
    struct live_event *e;
    struct json_out j;
    struct buf json;

    buf_init(&json, KIB(4));
    jo_begin(&j, &json);
    jo_obj(&j);
    jo_kuint(&j, "user", q->user);
    jo_kuint(&j, "version", q->version);
    jo_kuint(&j, "waiting", q->n_waiting);
    render_pause(&j, "paused", q->paused_by != NULL ? q->paused_by : "", q->paused_at);
    jo_obj_end(&j);
    e = event_new("queue", json.data, json.len);
    buf_done(&json);
    e->topics = TOPIC_QUEUE;
    e->user = q->user;
    hub_publish(h, e);
}

static void queue_forget(struct hub *h, struct live_queue *q)
{
    HASH_DEL(h->queues, q);
    free(q->paused_by);
    free(q);
}

/* One that was told stays listed for COALESCE_MS: that is what holds it to its rate. */
static void queues_turn(struct hub *h, struct mono now)
{
    struct live_queue *q;
    struct live_queue *next;

    HASH_ITER(hh, h->queues, q, next) {
        if (mono_before(now, q->due)) {
            hub_wake_at(h, q->due);
        } else if (!q->is_dirty) {
            queue_forget(h, q);
        } else {
            q->is_dirty = false;
            q->due = mono_add_ms(now, COALESCE_MS);
            queue_publish(h, q);
            hub_wake_at(h, q->due);
        }
    }
}

static void queues_clear(struct hub *h)
{
    struct live_queue *q;
    struct live_queue *next;

    HASH_ITER(hh, h->queues, q, next) {
        queue_forget(h, q);
    }
}

void hub_note(struct hub *h, const struct note *n)
{
    if (n->kind == NOTE_TRACE)
        return;
    if (!hub_is_watched(h)) {
        ring_break(h);
        return;
    }
    switch (n->kind) {
    case NOTE_SERVER_SICK: /* a NOTE_SERVER comes with it */
        break;
    case NOTE_SERVER:
        dirty_mark(h, DIRTY_SERVER, n->server.id.v, false);
        break;
    case NOTE_SERVER_GONE:
        publish_gone(h, n->server.id.v);
        break;
    case NOTE_FLEET:
    case NOTE_FLEET_GONE:
        break; /* nobody watches them: a page of them is asked for */
    case NOTE_LAUNCH:
        dirty_mark(h, DIRTY_LAUNCH, n->launch.row.id.v, n->launch.row.state == LAUNCH_DONE);
        if (n->launch.row.state == LAUNCH_DONE && n->launch.row.outcome != OUTCOME_PASSED)
            dirty_mark(h, DIRTY_CAUSES, n->launch.row.id.v, true); /* what it came to, at once */
        break;
    case NOTE_TESTS:
        publish_tests(h, n->tests.v);
        break;
    case NOTE_QUEUE:
        queue_mark(h, n);
        break;
    case NOTE_TEST:
        publish_test(h, &n->test);
        break;
    case NOTE_RUN:
        dirty_mark(h, DIRTY_RUN, n->run.id.v, true);
        if (n->run.outcome != OUTCOME_NONE && n->run.outcome != OUTCOME_PASSED)
            dirty_mark(h, DIRTY_CAUSES, n->run.launch.v, false);
        dirty_mark(h, DIRTY_SERVER, n->run.server.v, false);
        break;
    case NOTE_TRACE:
        break;
    }
}

void hub_examples(struct hub *h, struct launch_id launch, const struct example_row *rows, uint32_t n)
{
    if (n == 0)
        return;
    if (!hub_is_watched(h)) {
        ring_break(h);
        return;
    }
    dirty_mark(h, DIRTY_LAUNCH, launch.v, false);
    for (uint32_t i = 0; i < n; i++) {
        const struct example_row *row = &rows[i];
        bool is_passed = row->status == EXAMPLE_PASSED;
        struct live_event *e;
        struct json_out j;
        struct buf json;

        if (row->cause != 0)
            dirty_mark(h, DIRTY_CAUSES, launch.v, false);

        if (is_passed && !hub_is_wanted(h, TOPIC_RUN | TOPIC_LAUNCH_ALL, launch.v, row->run.v)) {
            h->passed_floor = ++h->rev;
            continue;
        }
        buf_init(&json, MIB(8));
        jo_begin(&j, &json);
        render_example(&j, row);
        e = event_new("example", json.data, json.len);
        buf_done(&json);
        e->topics = TOPIC_RUN | TOPIC_LAUNCH_ALL | (is_passed ? 0u : (unsigned)TOPIC_LAUNCH);
        e->launch = launch.v;
        e->run = row->run.v;
        hub_publish(h, e);
    }
}

void hub_launch(struct hub *h, struct launch_id launch)
{
    if (hub_is_watched(h))
        dirty_mark(h, DIRTY_LAUNCH, launch.v, true);
    else
        ring_break(h);
}

void hub_artifacts(struct hub *h, struct launch_id launch, struct run_id run)
{
    struct live_event *e;
    char json[80];

    if (!hub_is_watched(h)) {
        ring_break(h);
        return;
    }
    (void)snprintf(json, sizeof(json), "{\"launch\":%llu,\"run\":%llu}", (unsigned long long)launch.v,
                   (unsigned long long)run.v);
    e = event_new("artifacts", json, strlen(json));
    e->topics = TOPIC_LAUNCH | TOPIC_LAUNCH_ALL | TOPIC_RUN;
    e->launch = launch.v;
    e->run = run.v;
    hub_publish(h, e);
}

static void publish_json(struct hub *h, const char *name, unsigned topics, uint64_t user, struct slice json)
{
    struct live_event *e;

    if (!hub_is_watched(h)) {
        ring_break(h);
        return;
    }
    e = event_new(name, json.ptr, json.len);
    e->topics = topics;
    e->user = user;
    hub_publish(h, e);
}

void hub_job(struct hub *h, struct user_id user, struct slice json)
{
    publish_json(h, "job", TOPIC_JOBS, user.v, json);
}

void hub_gone(struct hub *h, struct slice json)
{
    publish_json(h, "gone", TOPIC_LAUNCHES, 0, json);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *t)
{
    struct hub *h = t->data;
    struct mono now = mono_now();

    h->timer_at = MONO_NEVER;
    dirty_turn(h, now);
    queues_turn(h, now);
    tail_turn(h, now);
}

void hub_wake_at(struct hub *h, struct mono when)
{
    int64_t ms;

    if (h->is_stopped || !mono_before(when, h->timer_at))
        return;
    h->timer_at = when;
    ms = (when.us - mono_now().us + 999) / 1000;
    /* libuv counts from the loop's own time, which may be a little behind. */
    (void)uv_timer_start(&h->timer, on_timer, ms < 0 ? 0 : (uint64_t)ms, 0);
}

static void on_ping(uv_timer_t *t)
{
    struct hub *h = t->data;
    struct sub *s;
    struct sub *next;

    HASH_ITER(hh, h->subs, s, next) {
        sub_ping(s);
    }
}

void hub_look_again(struct hub *h)
{
    struct sub *s;
    struct sub *next;

    HASH_ITER(hh, h->subs, s, next) {
        if (!s->is_over && !auth_again(s->rq))
            sub_end(s);
    }
}

/* ---- life ---- */

struct hub *hub_new(struct api *a)
{
    struct hub *h = xcalloc(1, sizeof(*h));

    h->api = a;
    h->timer_at = MONO_NEVER;
    (void)snprintf(h->epoch, sizeof(h->epoch), "%llx", (unsigned long long)wall_now().ms);
    CHECK(uv_timer_init(a->opts.loop, &h->timer) == 0);
    CHECK(uv_timer_init(a->opts.loop, &h->ping_timer) == 0);
    h->timer.data = h;
    h->ping_timer.data = h;
    CHECK(uv_timer_start(&h->ping_timer, on_ping, PING_MS, PING_MS) == 0);
    uv_unref((uv_handle_t *)&h->ping_timer);
    api_hold(a);
    api_hold(a);
    return h;
}

static void on_closed(uv_handle_t *handle)
{
    struct hub *h = handle->data;

    api_unhold(h->api);
}

void hub_stop(struct hub *h)
{
    h->is_stopped = true;
    uv_close((uv_handle_t *)&h->timer, on_closed);
    uv_close((uv_handle_t *)&h->ping_timer, on_closed);
}

void hub_free(struct hub *h)
{
    if (h == NULL)
        return;
    CHECK(h->subs == NULL);
    while (h->ring_n > 0)
        ring_drop_oldest(h);
    free(h->ring);
    dirty_clear(h);
    queues_clear(h);
    free(h);
}

void hub_rev(struct hub *h, char *out)
{
    h->interest_until = mono_add_ms(mono_now(), INTEREST_MS);
    (void)snprintf(out, HUB_REV_BYTES, "%s-%llu", h->epoch, (unsigned long long)h->rev);
}
