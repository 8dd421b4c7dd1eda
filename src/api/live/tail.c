/* tail.c - followed logs: what is stored first, then live, without a gap or a byte twice.
 *
 * Everything joins on byte offsets. A *feed* is the live end of one log that somebody follows: bytes are gathered
 * in it and sent in pieces, each cut at the end of a UTF-8 character. A *tail* is one client at one offset: it is
 * read from the store until its offset is the feed's, then it takes the feed's pieces; whenever the two differ it
 * is read from the store again. So there is one way to catch up, and any doubt leads there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/live/live_private.h"

struct feed {
    UT_hash_handle hh;
    uint64_t run;
    uint32_t n_tails;
    bool is_known;     /* pos and bytes say where the log ends */
    uint64_t pos;      /* of the first byte of `bytes` */
    struct buf bytes;  /* not sent yet: less than 100 ms old, or the start of a character */
    uint64_t live_end; /* as far as was heard of */
    bool is_complete;
    struct mono flush_at; /* MONO_NEVER: nothing waits */
    struct mono flushed_at;
};

/* ---- events ---- */

static struct live_event *log_event(uint64_t run, uint64_t from, const char *bytes, size_t n, bool complete)
{
    struct live_event *e;
    struct json_out j;
    struct buf json;

    buf_init(&json, (size_t)LOG_EVENT_BYTES * 8);
    jo_begin(&j, &json);
    jo_obj(&j);
    jo_kuint(&j, "run", run);
    jo_kuint(&j, "from", from);
    jo_kuint(&j, "to", from + n);
    jo_key(&j, "text");
    jo_textn(&j, bytes, n);
    jo_kbool(&j, "complete", complete);
    jo_obj_end(&j);
    e = event_new("log", json.data, json.len);
    buf_done(&json);
    e->topics = TOPIC_LOG;
    e->run = run;
    e->log_to = from + n;
    return e;
}

static struct tail *tail_find(struct sub *s, uint64_t run)
{
    for (uint32_t i = 0; i < s->n_tails; i++) {
        if (s->tails[i].run == run)
            return &s->tails[i];
    }
    return NULL;
}

static struct feed *feed_find(struct hub *h, uint64_t run)
{
    struct feed *f;

    HASH_FIND(hh, h->feeds, &run, sizeof(run), f);
    return f;
}

/* ---- the feed: from the live end to everybody who is there ---- */

/* Send the first n gathered bytes. */
static void feed_send(struct hub *h, struct feed *f, size_t n, bool complete)
{
    struct live_event *e = NULL;
    struct sub *s;
    struct sub *next;

    HASH_ITER(hh, h->subs, s, next) {
        struct tail *t = tail_find(s, f->run);

        if (t == NULL || t->mode != TAIL_LIVE)
            continue;
        if (t->pos != f->pos || s->queue_bytes > LOG_QUEUE_BYTES) {
            t->mode = TAIL_BEHIND;
            tails_drained(s);
            continue;
        }
        if (e == NULL)
            e = log_event(f->run, f->pos, buf_str(&f->bytes), n, complete);
        t->pos += n;
        t->mode = complete ? TAIL_DONE : TAIL_LIVE;
        sub_queue(s, e);
    }
    if (e != NULL)
        event_release(e);
    f->pos += n;
    buf_consume(&f->bytes, n);
}

static void feed_flush(struct hub *h, struct feed *f)
{
    f->flush_at = MONO_NEVER;
    f->flushed_at = mono_now();
    while (f->bytes.len > LOG_EVENT_BYTES)
        feed_send(h, f, utf8_whole(f->bytes.data, LOG_EVENT_BYTES), false);
    if (f->is_complete) {
        feed_send(h, f, f->bytes.len, true);
    } else {
        size_t n = utf8_whole(buf_str(&f->bytes), f->bytes.len);

        if (n > 0)
            feed_send(h, f, n, false);
    }
}

/* Something does not fit: forget the live end; the store knows. */
static void feed_doubt(struct hub *h, struct feed *f)
{
    struct sub *s;
    struct sub *next;

    f->is_known = false;
    f->flush_at = MONO_NEVER;
    buf_clear(&f->bytes);
    HASH_ITER(hh, h->subs, s, next) {
        struct tail *t = tail_find(s, f->run);

        if (t != NULL && t->mode == TAIL_LIVE) {
            t->mode = TAIL_BEHIND;
            tails_drained(s);
        }
    }
}

void hub_log(struct hub *h, struct run_id run, uint64_t from, const char *bytes, uint32_t len)
{
    struct feed *f = feed_find(h, run.v);
    struct mono now;
    uint64_t end;

    if (f == NULL)
        return;
    if (from + len > f->live_end)
        f->live_end = from + len;
    if (!f->is_known)
        return;
    end = f->pos + f->bytes.len;
    if (from + len <= end)
        return;
    if (from > end || buf_add(&f->bytes, bytes + (end - from), (size_t)(from + len - end)) != ERR_OK) {
        feed_doubt(h, f);
        return;
    }
    now = mono_now();
    if (f->bytes.len >= LOG_EVENT_BYTES || mono_ms_between(f->flushed_at, now) >= LOG_FLUSH_MS) {
        feed_flush(h, f);
    } else if (f->flush_at.us == MONO_NEVER.us) {
        f->flush_at = mono_add_ms(f->flushed_at, LOG_FLUSH_MS);
        hub_wake_at(h, f->flush_at);
    }
}

void hub_log_end(struct hub *h, struct run_id run)
{
    struct feed *f = feed_find(h, run.v);

    if (f == NULL)
        return;
    f->is_complete = true;
    if (f->is_known)
        feed_flush(h, f);
}

void tail_turn(struct hub *h, struct mono now)
{
    struct mono next = MONO_NEVER;
    struct feed *f;
    struct feed *after;

    HASH_ITER(hh, h->feeds, f, after) {
        if (f->flush_at.us == MONO_NEVER.us)
            continue;
        if (mono_before(now, f->flush_at))
            next = mono_min(next, f->flush_at);
        else
            feed_flush(h, f);
    }
    if (next.us != MONO_NEVER.us)
        hub_wake_at(h, next);
}

/* ---- the store: for whoever is behind ---- */

struct catch_up {
    struct hub *hub;
    uint64_t sub;
    uint64_t run;
    uint64_t from;
    struct buf bytes;
    struct log_info info;
    enum err err;
};

static void catch_up_job(struct reader *r, void *arg)
{
    struct catch_up *c = arg;
    struct why why;

    c->err = read_log(r, (struct run_id){c->run}, c->from, LOG_EVENT_BYTES, &c->bytes, &c->info, &why);
}

/* The tail is at the stored end. Is that the feed's position too? */
static void tail_join(struct hub *h, struct tail *t, const struct catch_up *c, size_t whole)
{
    struct feed *f = feed_find(h, t->run);

    CHECK(f != NULL);
    if (!f->is_known && c->info.size >= f->live_end) {
        f->is_known = true;
        buf_clear(&f->bytes);
        f->pos = t->pos <= c->info.size ? t->pos : c->info.size;
        buf_put(&f->bytes, buf_str(&c->bytes) + whole, c->bytes.len - whole);
    } else if (f->is_known && t->pos > f->pos) {
        feed_flush(h, f); /* what is gathered was committed, and may be what was read */
    }
    /* A byte that was asked for and is not written yet: it will come. */
    t->mode = f->is_known && (t->pos >= f->pos) ? TAIL_LIVE : TAIL_BEHIND;
    if (f->is_known && f->is_complete)
        t->mode = TAIL_BEHIND; /* the store says so too by now, and ends it */
}

static void caught_up(struct hub *h, struct sub *s, struct tail *t, struct catch_up *c)
{
    bool at_end = c->from + c->bytes.len >= c->info.size;
    bool complete = at_end && c->info.complete;
    size_t whole = complete ? c->bytes.len : utf8_whole(buf_str(&c->bytes), c->bytes.len);

    t->mode = TAIL_BEHIND;
    if (c->err != ERR_OK) {
        t->mode = TAIL_DONE; /* there is no such run */
        return;
    }
    if (whole > 0 || complete) {
        struct live_event *e = log_event(t->run, t->pos, buf_str(&c->bytes), whole, complete);

        t->pos += whole;
        sub_queue(s, e);
        event_release(e);
    }
    if (complete)
        t->mode = TAIL_DONE;
    else if (at_end)
        tail_join(h, t, c, whole);
}

static void catch_up_done(void *arg)
{
    struct catch_up *c = arg;
    struct hub *h = c->hub;
    struct api *a = h->api;
    struct sub *s = NULL;
    struct tail *t;

    if (!h->is_stopped)
        HASH_FIND(hh, h->subs, &c->sub, sizeof(c->sub), s);
    if (s != NULL) {
        t = tail_find(s, c->run);
        CHECK(t != NULL);
        CHECK(t->mode == TAIL_READING);
        caught_up(h, s, t, c);
        sub_wake(s);
    }
    buf_done(&c->bytes);
    free(c);
    api_unhold(a);
}

void tails_drained(struct sub *s)
{
    if (s->is_loading || s->is_slow || s->hub->is_stopped)
        return;
    for (uint32_t i = 0; i < s->n_tails; i++) {
        struct tail *t = &s->tails[i];
        struct catch_up *c;

        if (t->mode != TAIL_BEHIND || s->queue_bytes > LOG_QUEUE_BYTES / 2)
            continue;
        t->mode = TAIL_READING;
        c = xcalloc(1, sizeof(*c));
        c->hub = s->hub;
        c->sub = s->id;
        c->run = t->run;
        c->from = t->pos;
        buf_init(&c->bytes, LOG_EVENT_BYTES);
        api_hold(s->hub->api);
        store_read(s->hub->api->opts.store, catch_up_job, catch_up_done, c);
    }
}

/* ---- life ---- */

void tails_open(struct sub *s)
{
    for (uint32_t i = 0; i < s->n_tails; i++) {
        uint64_t run = s->tails[i].run;
        struct feed *f = feed_find(s->hub, run);

        if (f == NULL) {
            f = xcalloc(1, sizeof(*f));
            f->run = run;
            f->flush_at = MONO_NEVER;
            buf_init(&f->bytes, MIB(4));
            HASH_ADD(hh, s->hub->feeds, run, sizeof(f->run), f);
        }
        f->n_tails++;
    }
}

void tails_close(struct sub *s)
{
    for (uint32_t i = 0; i < s->n_tails; i++) {
        struct feed *f = feed_find(s->hub, s->tails[i].run);

        CHECK(f != NULL);
        if (--f->n_tails > 0)
            continue;
        HASH_DEL(s->hub->feeds, f);
        buf_done(&f->bytes);
        free(f);
    }
}
