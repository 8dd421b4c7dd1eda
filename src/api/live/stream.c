/* stream.c - GET /api/v1/stream: topics, where to go on from, and writing to one client.
 *
 * A client's queue is bounded. One that is too slow for it is closed; it comes back by itself with the id of the
 * last event it got, and goes on from there out of the ring. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/history_delete.h"
#include "api/live/live_private.h"
#include "base/log.h"

#define OUT_BYTES_MAX MIB(64)
#define OUT_BATCH_BYTES KIB(16) /* small events leave together */
#define RETRY_MS 1000

/* An event of the present state, rendered on a reader thread. */
struct first_event {
    const char *name;
    struct render render;
};

/* ---- topics ---- */

static bool number(const char **s, uint64_t *ret)
{
    char *end;

    if (**s < '0' || **s > '9' || strspn(*s, "0123456789") > 18)
        return false;
    *ret = strtoull(*s, &end, 10);
    *s = end;
    return true;
}

static bool topic_parse(const char *s, struct topic *t)
{
    *t = (struct topic){0};
    if (strcmp(s, "servers") == 0) {
        t->kind = TOPIC_SERVERS;
        return true;
    }
    if (strcmp(s, "launches") == 0) {
        t->kind = TOPIC_LAUNCHES;
        return true;
    }
    if (strcmp(s, "queue") == 0) {
        t->kind = TOPIC_QUEUE; /* one's own */
        return true;
    }
    if (strcmp(s, "jobs") == 0) {
        t->kind = TOPIC_JOBS; /* one's own; of admins all */
        return true;
    }
    if (strncmp(s, "queue:", 6) == 0) {
        s += 6;
        t->kind = TOPIC_QUEUE;
        if (!number(&s, &t->id))
            return false;
    } else if (strncmp(s, "launch:", 7) == 0) {
        s += 7;
        t->kind = TOPIC_LAUNCH;
        if (!number(&s, &t->id))
            return false;
        if (strcmp(s, ":all") == 0) {
            t->kind = TOPIC_LAUNCH_ALL;
            s += 4;
        }
    } else if (strncmp(s, "run:", 4) == 0) {
        s += 4;
        t->kind = TOPIC_RUN;
        if (!number(&s, &t->id))
            return false;
    } else if (strncmp(s, "log:", 4) == 0) {
        s += 4;
        t->kind = TOPIC_LOG;
        if (!number(&s, &t->id))
            return false;
        if (*s == '@') {
            s++;
            if (!number(&s, &t->from))
                return false;
        }
    }
    return t->kind != 0 && *s == '\0';
}

enum err topics_parse(const char *text, struct arena *arena, struct topic **ret, uint32_t *ret_n,
                      struct why *reterr)
{
    struct topic *topics = arena_alloc(arena, SUB_TOPICS_MAX * sizeof(*topics));
    uint32_t n = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        const char *one = arena_strndup(arena, text, len);

        if (n == SUB_TOPICS_MAX)
            return why_set(reterr, ERR_INVALID, "topics", "topics: more than %u", SUB_TOPICS_MAX);
        if (!topic_parse(one, &topics[n]))
            return why_set(reterr, ERR_INVALID, "topics",
                           "topics: '%.48s' is none of servers, launches, queue, queue:USER, jobs, "
                           "launch:N, launch:N:all, run:N, log:N@BYTE",
                           one);
        /* A log is followed once. */
        for (uint32_t i = 0; i < n; i++) {
            if (topics[n].kind == TOPIC_LOG && topics[i].kind == TOPIC_LOG && topics[i].id == topics[n].id)
                return why_set(reterr, ERR_INVALID, "topics", "topics: log:%llu stands twice",
                               (unsigned long long)topics[n].id);
        }
        n++;
        text += len + (text[len] == ',');
    }
    if (n == 0)
        return why_set(reterr, ERR_INVALID, "topics", "topics: name at least one");
    *ret = topics;
    *ret_n = n;
    return ERR_OK;
}

bool rev_parse(const struct hub *h, const char *text, struct topic *topics, uint32_t n_topics,
               uint64_t *ret_rev)
{
    size_t n = strlen(h->epoch);

    if (strncmp(text, h->epoch, n) != 0 || text[n] != '-')
        return false;
    text += n + 1;
    if (!number(&text, ret_rev) || *ret_rev > h->rev)
        return false;
    while (*text == '~') {
        uint64_t run;
        uint64_t at;

        text++;
        if (!number(&text, &run) || *text++ != '@' || !number(&text, &at))
            return false;
        for (uint32_t i = 0; i < n_topics; i++) {
            if (topics[i].kind == TOPIC_LOG && topics[i].id == run && topics[i].from < at)
                topics[i].from = at;
        }
    }
    return *text == '\0';
}

/* ---- the queue ---- */

void sub_wake(struct sub *s)
{
    if (s->rq->http != NULL)
        http_wake(s->rq->http);
}

static void sub_give_up(struct sub *s)
{
    s->is_slow = true;
    LOG_INFO("live.slow", "request=%s events=%u bytes=%zu", s->rq->name, s->n, s->queue_bytes);
    sub_wake(s);
}

void sub_queue(struct sub *s, struct live_event *e)
{
    if (s->is_slow)
        return;
    if (s->n == SUB_EVENTS_MAX || (s->n > 0 && s->queue_bytes + e->len > SUB_BYTES_MAX)) {
        sub_give_up(s);
        return;
    }
    if (s->n == s->cap) {
        uint32_t cap = s->cap == 0 ? 16 : s->cap * 2;
        struct live_event **queue = xcalloc(cap, sizeof(struct live_event *));

        for (uint32_t i = 0; i < s->n; i++)
            queue[i] = s->queue[(s->head + i) % s->cap];
        free(s->queue);
        s->queue = queue;
        s->head = 0;
        s->cap = cap;
    }
    s->queue[(s->head + s->n++) % s->cap] = e;
    s->queue_bytes += e->len;
    e->refs++;
    if (!s->is_loading)
        sub_wake(s);
}

void sub_ping(struct sub *s)
{
    if (s->is_loading || s->out.len > s->out_taken || s->n > 0)
        return; /* it will hear something anyway, or does not take what it has */
    buf_puts(&s->out, ": ping\n\n");
    sub_wake(s);
}

void sub_end(struct sub *s)
{
    s->is_over = true;
    sub_wake(s);
}

static void put_id(struct sub *s)
{
    buf_printf(&s->out, "id: %s-%llu", s->hub->epoch, (unsigned long long)s->rev);
    for (uint32_t i = 0; i < s->n_tails; i++)
        buf_printf(&s->out, "~%llu@%llu", (unsigned long long)s->tails[i].run,
                   (unsigned long long)s->tails[i].sent);
    buf_putc(&s->out, '\n');
}

static void put_next(struct sub *s)
{
    struct live_event *e = s->queue[s->head];

    s->head = (s->head + 1) % s->cap;
    s->n--;
    s->queue_bytes -= e->len;
    if (e->rev > s->rev)
        s->rev = e->rev;
    for (uint32_t i = 0; i < s->n_tails; i++) {
        if (e->topics == TOPIC_LOG && s->tails[i].run == e->run)
            s->tails[i].sent = e->log_to;
    }
    put_id(s);
    buf_put(&s->out, e->text, e->len);
    event_release(e);
}

static ssize_t on_take(void *user, char *out, size_t max)
{
    struct req *rq = user;
    struct sub *s = rq->state;
    size_t n;

    if (s->is_slow || s->is_over)
        return HTTP_END;
    if (s->out_taken == s->out.len) {
        buf_clear(&s->out);
        s->out_taken = 0;
        while (!s->is_loading && s->n > 0 && s->out.len < OUT_BATCH_BYTES)
            put_next(s);
        /* A burst's memory is not kept for the quiet after it. */
        if (s->out.len == 0 && s->out.cap > OUT_BATCH_BYTES)
            buf_done(&s->out);
    }
    if (s->out.len == 0) {
        tails_drained(s);
        return HTTP_WAIT;
    }
    n = s->out.len - s->out_taken < max ? s->out.len - s->out_taken : max;
    memcpy(out, s->out.data + s->out_taken, n);
    s->out_taken += n;
    return (ssize_t)n;
}

/* ---- the present state ---- */

struct first_one {
    struct sub *s;
    struct busy_runs busy;
};

static struct render *first_add(struct sub *s, const char *name)
{
    if ((s->n_first & (s->n_first - 1)) == 0)
        s->first = xrealloc(s->first, (s->n_first == 0 ? 1 : s->n_first * 2) * sizeof(*s->first));
    s->first[s->n_first].name = name;
    render_init(&s->first[s->n_first].render);
    return &s->first[s->n_first++].render;
}

static void first_server(void *ctx, const struct server_row *row)
{
    struct first_one *one = ctx;

    render_server(first_add(one->s, "server"), row, &one->busy);
}

static void first_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct first_one *one = ctx;

    render_launch(first_add(one->s, "launch"), row, sums);
}

static void first_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct first_one *one = ctx;

    render_run(first_add(one->s, "run"), row, commit, log_bytes);
}

struct running_jobs {
    uint64_t user;
    uint64_t last;
    bool is_found;
    job_fn *each;
    void *ctx;
};

static void one_running(void *ctx, const struct job_row *row)
{
    struct running_jobs *jobs = ctx;

    jobs->is_found = true;
    jobs->last = row->id;
    if (jobs->user == 0 || jobs->user == row->user.v)
        jobs->each(jobs->ctx, row);
}

static void first_running(void *ctx, const struct job_row *row)
{
    struct first_one *one = ctx;

    render_job(&first_add(one->s, "job")->j, row);
}

/* Those that run, of a user (0: of all). */
static enum err jobs_running(struct reader *r, uint64_t user, job_fn *each, void *ctx, struct why *reterr)
{
    struct running_jobs jobs = {.user = user, .each = each, .ctx = ctx};
    enum err err;

    do {
        jobs.is_found = false;
        err = read_job_next(r, jobs.last, one_running, &jobs, reterr);
    } while (err == ERR_OK && jobs.is_found);
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

static enum err first_of(struct reader *r, const struct topic *t, struct first_one *one, struct why *reterr)
{
    static const int alive[] = {LAUNCH_RUNNING, LAUNCH_STOPPING};
    enum err err = ERR_OK;

    switch (t->kind) {
    case TOPIC_SERVERS:
        err = busy_runs_read(r, (struct server_id){0}, &one->busy, reterr);
        return err != ERR_OK ? err : read_servers(r, first_server, one, reterr);
    case TOPIC_LAUNCHES:
        for (size_t i = 0; i < ARRAY_LEN(alive) && err == ERR_OK; i++) {
            struct launch_filter f = {.state = alive[i]};
            struct page p = {.limit = PAGE_LIMIT_MAX};

            err = read_launches(r, &f, &p, first_launch, one, reterr);
        }
        return err;
    case TOPIC_LAUNCH:
    case TOPIC_LAUNCH_ALL:
        return read_launch(r, (struct launch_id){t->id}, first_launch, one, reterr);
    case TOPIC_RUN:
        return read_run(r, (struct run_id){t->id}, first_run, one, reterr);
    case TOPIC_JOBS:
        return jobs_running(r, t->id, first_running, one, reterr);
    case TOPIC_LOG:
        return ERR_OK; /* its bytes are its state */
    case TOPIC_QUEUE:
        return ERR_OK; /* GET /queue, when the stream is open */
    }
    return ERR_OK;
}

static void first_job(struct reader *r, struct req *rq)
{
    struct sub *s = rq->state;
    struct first_one one = {.s = s, .busy = {.arena = &rq->arena}};

    for (uint32_t i = 0; i < s->n_topics; i++) {
        enum err err = first_of(r, &s->topics[i], &one, &rq->why);

        /* What is not there (yet) has no state. */
        if (err != ERR_OK && err != ERR_NOTFOUND)
            rq->err = err;
    }
}

static void first_free(struct sub *s)
{
    for (uint32_t i = 0; i < s->n_first; i++)
        render_done(&s->first[i].render);
    free(s->first);
    s->first = NULL;
    s->n_first = 0;
}

static void on_first(struct req *rq)
{
    struct sub *s = rq->state;

    if (rq->err != ERR_OK)
        LOG_WARN("live.first", "request=%s error=%s", rq->name, err_name(rq->err));
    for (uint32_t i = 0; i < s->n_first; i++) {
        struct buf json;

        render_fill(rq->api, &s->first[i].render, &json);
        put_id(s);
        buf_printf(&s->out, "event: %s\ndata: ", s->first[i].name);
        buf_put(&s->out, json.data, json.len);
        buf_puts(&s->out, "\n\n");
        buf_done(&json);
    }
    first_free(s);
    s->is_loading = false;
    sub_wake(s);
}

/* ---- resuming ---- */

static bool wants_passed(const struct sub *s)
{
    for (uint32_t i = 0; i < s->n_topics; i++) {
        if (s->topics[i].kind == TOPIC_LAUNCH_ALL || s->topics[i].kind == TOPIC_RUN)
            return true;
    }
    return false;
}

static void resume_from(struct sub *s, uint64_t rev, bool is_known)
{
    struct hub *h = s->hub;

    if (!is_known || rev < h->floor || (rev < h->passed_floor && wants_passed(s))) {
        put_id(s);
        buf_puts(&s->out, "event: reset\ndata: {}\n\n");
        return;
    }
    for (uint32_t i = 0; i < h->ring_n; i++) {
        struct live_event *e = h->ring[(h->ring_head + i) % RING_EVENTS];

        if (e->rev > rev && event_concerns(e, s->topics, s->n_topics))
            sub_queue(s, e);
    }
}

/* ---- the route ---- */

struct stream_query {
    const char *topics;
    const char *since;
};

static const struct field query_fields[] = {
    {.name = "topics",
     .type = FIELD_TEXT,
     .offset = offsetof(struct stream_query, topics),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 4096,
     .help = "servers, launches, launch:N, launch:N:all, run:N, log:N@BYTE; with commas between"},
    {.name = "since",
     .type = FIELD_TEXT,
     .offset = offsetof(struct stream_query, since),
     .max = 4096,
     .help = "rev of a snapshot or id of the last event; also as the header Last-Event-ID"},
    {.type = FIELD_END},
};

/* The client is gone. What the request's arena holds goes with it. */
static void on_gone(struct req *rq)
{
    struct sub *s = rq->state;
    struct hub *h = s->hub;

    HASH_DEL(h->subs, s);
    tails_close(s);
    while (s->n > 0) {
        event_release(s->queue[s->head]);
        s->head = (s->head + 1) % s->cap;
        s->n--;
    }
    free(s->queue);
    buf_done(&s->out);
    h->interest_until = mono_add_ms(mono_now(), INTEREST_MS);
}

static void open_tails(struct sub *s)
{
    s->tails = arena_alloc(&s->rq->arena, SUB_TOPICS_MAX * sizeof(*s->tails));
    for (uint32_t i = 0; i < s->n_topics; i++) {
        if (s->topics[i].kind == TOPIC_LOG)
            s->tails[s->n_tails++] = (struct tail){.run = s->topics[i].id,
                                                   .pos = s->topics[i].from,
                                                   .sent = s->topics[i].from,
                                                   .mode = TAIL_BEHIND};
    }
    tails_open(s);
}

/* Frees what a reader thread may have been filling when the client went. */
static void first_done(struct req *rq)
{
    if (rq->http == NULL || rq->api->is_closed)
        first_free(rq->state);
    else
        on_first(rq);
}

/* "queue" is one's own; those of others are for admins. */
static bool queues_are_allowed(struct req *rq, struct topic *topics, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (topics[i].kind == TOPIC_JOBS)
            topics[i].id = rq->who.role == ROLE_ADMIN ? 0 : rq->who.user.v;
        if (topics[i].kind != TOPIC_QUEUE)
            continue;
        if (topics[i].id == 0)
            topics[i].id = rq->who.user.v;
        if (topics[i].id == rq->who.user.v || rq->who.role == ROLE_ADMIN)
            continue;
        req_fail(rq, ERR_DENIED, "topics", "topics: queue:%llu is the queue of somebody else",
                 (unsigned long long)topics[i].id);
        return false;
    }
    return true;
}

static void stream_get(struct req *rq)
{
    const struct stream_query *q = rq->query;
    const char *last_id = http_header(rq->http, "Last-Event-ID");
    struct hub *h = rq->api->hub;
    struct sub *s = arena_alloc(&rq->arena, sizeof(*s));
    struct topic *topics;
    uint64_t rev = h->rev;
    bool resumes = q->since != NULL || last_id != NULL;
    bool is_known = true;

    if (topics_parse(q->topics, &rq->arena, &topics, &s->n_topics, &rq->why) != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    if (!queues_are_allowed(rq, topics, s->n_topics))
        return;
    /* The header is newer than the URL: a browser that reconnects repeats the URL. */
    if (resumes)
        is_known = rev_parse(h, last_id != NULL ? last_id : q->since, topics, s->n_topics, &rev);
    s->rq = rq;
    s->hub = h;
    s->id = rq->id;
    s->topics = topics;
    s->rev = is_known ? rev : h->rev;
    s->is_loading = !resumes;
    buf_init(&s->out, OUT_BYTES_MAX);
    open_tails(s);
    rq->state = s;
    rq->on_gone = on_gone;
    HASH_ADD(hh, h->subs, id, sizeof(s->id), s);
    buf_printf(&s->out, "retry: %d\n\n", RETRY_MS);
    if (resumes)
        resume_from(s, rev, is_known);
    http_add(rq->http, "Content-Type", "text/event-stream");
    http_add(rq->http, "Cache-Control", "no-store");
    http_add(rq->http, "X-Accel-Buffering", "no");
    http_add(rq->http, "X-Content-Type-Options", "nosniff");
    http_reply_stream(rq->http, 200, on_take);
    if (!resumes)
        req_read_always(rq, first_job, first_done);
}

const struct route stream_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/stream", stream_get, "Live, server-sent events.", "events"),
     .query = query_fields, .query_bytes = sizeof(struct stream_query)},
    ROUTES_END,
};
