/* dirty.c - objects that changed and are read from the store when they are due.
 *
 * One job at a time reads whatever is due by then, so a burst of a thousand changes costs one trip to a reader
 * thread. An object stays listed for COALESCE_MS after it was sent: that is what holds it to its rate. */
#include <stdlib.h>
#include <string.h>

#include "api/live/live_private.h"
#include "base/log.h"

#define FETCH_MAX 512

struct dirty_key {
    uint64_t id;
    uint64_t kind;
};

struct dirty {
    UT_hash_handle hh;
    struct dirty_key key;
    bool is_dirty;
    struct mono due; /* not before; when clean: forget it then */
};

struct fetched {
    struct dirty_key key;
    struct render render;
    uint64_t launch;
    uint64_t run;
    enum err err;
};

struct fetch {
    struct hub *hub;
    struct arena arena;
    uint32_t n;
    struct fetched at[FETCH_MAX];
};

void dirty_mark(struct hub *h, enum dirty_kind kind, uint64_t id, bool at_once)
{
    struct dirty_key key = {.id = id, .kind = kind};
    struct mono now = mono_now();
    struct dirty *d;

    HASH_FIND(hh, h->dirty, &key, sizeof(key), d);
    if (d == NULL) {
        d = xcalloc(1, sizeof(*d));
        d->key = key;
        d->due = now;
        HASH_ADD(hh, h->dirty, key, sizeof(d->key), d);
    }
    d->is_dirty = true;
    if (at_once)
        d->due = now;
    hub_wake_at(h, d->due);
}

void dirty_clear(struct hub *h)
{
    struct dirty *d;
    struct dirty *next;

    HASH_ITER(hh, h->dirty, d, next) {
        HASH_DEL(h->dirty, d);
        free(d);
    }
}

/* ---- on a reader thread ---- */

struct one {
    struct fetched *to;
    struct busy_runs busy;
};

static void take_server(void *ctx, const struct server_row *row)
{
    struct one *one = ctx;

    render_server(&one->to->render, row, &one->busy);
}

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct one *one = ctx;

    one->to->launch = row->id.v;
    render_launch(&one->to->render, row, sums);
}

static void take_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct one *one = ctx;

    one->to->launch = row->launch.v;
    one->to->run = row->id.v;
    render_run(&one->to->render, row, commit, log_bytes);
}

static void fetch_job(struct reader *r, void *arg)
{
    struct fetch *f = arg;

    for (uint32_t i = 0; i < f->n; i++) {
        struct fetched *to = &f->at[i];
        struct one one = {.to = to, .busy = {.arena = &f->arena}};
        struct why why;

        render_init(&to->render);
        switch ((enum dirty_kind)to->key.kind) {
        case DIRTY_SERVER:
            to->err = busy_runs_read(r, (struct server_id){to->key.id}, &one.busy, &why);
            if (to->err == ERR_OK)
                to->err = read_server(r, (struct server_id){to->key.id}, take_server, &one, &why);
            break;
        case DIRTY_LAUNCH:
            to->err = read_launch(r, (struct launch_id){to->key.id}, take_launch, &one, &why);
            break;
        case DIRTY_RUN:
            to->err = read_run(r, (struct run_id){to->key.id}, take_run, &one, &why);
            break;
        case DIRTY_CAUSES:
            to->launch = to->key.id;
            to->err = causes_render(r, (struct launch_id){to->key.id}, CAUSES_LIVE_MAX, &to->render.j, &why);
            break;
        }
    }
}

/* ---- on the loop ---- */

static void publish(struct hub *h, struct fetched *from)
{
    static const struct {
        const char *name;
        unsigned topics;
    } kinds[] = {
        [DIRTY_SERVER] = {"server", TOPIC_SERVERS},
        [DIRTY_LAUNCH] = {"launch", TOPIC_LAUNCHES | TOPIC_LAUNCH | TOPIC_LAUNCH_ALL},
        [DIRTY_RUN] = {"run", TOPIC_LAUNCH | TOPIC_LAUNCH_ALL | TOPIC_RUN},
        [DIRTY_CAUSES] = {"causes", TOPIC_LAUNCH | TOPIC_LAUNCH_ALL},
    };
    struct live_event *e;
    struct buf json;

    render_fill(h->api, &from->render, &json);
    e = event_new(kinds[from->key.kind].name, json.data, json.len);
    buf_done(&json);
    e->topics = kinds[from->key.kind].topics;
    e->launch = from->launch;
    e->run = from->run;
    hub_publish(h, e);
}

static void fetch_done(void *arg)
{
    struct fetch *f = arg;
    struct hub *h = f->hub;
    struct api *a = h->api;

    h->is_fetching = false;
    for (uint32_t i = 0; i < f->n; i++) {
        /* What is not there any more was removed meanwhile: its own event says so. */
        if (!h->is_stopped && f->at[i].err == ERR_OK)
            publish(h, &f->at[i]);
        else if (!h->is_stopped && f->at[i].err != ERR_NOTFOUND)
            LOG_WARN("live.read", "kind=%d id=%llu", (int)f->at[i].key.kind,
                     (unsigned long long)f->at[i].key.id);
        render_done(&f->at[i].render);
    }
    arena_done(&f->arena);
    free(f);
    if (!h->is_stopped)
        dirty_turn(h, mono_now());
    api_unhold(a);
}

void dirty_turn(struct hub *h, struct mono now)
{
    struct mono next = MONO_NEVER;
    struct fetch *f = NULL;
    struct dirty *d;
    struct dirty *after;

    if (h->is_fetching || h->is_stopped)
        return; /* fetch_done() looks again */
    HASH_ITER(hh, h->dirty, d, after) {
        if (mono_before(now, d->due)) {
            next = mono_min(next, d->due);
            continue;
        }
        if (!d->is_dirty) {
            HASH_DEL(h->dirty, d);
            free(d);
            continue;
        }
        if (f == NULL) {
            f = xmalloc(sizeof(*f));
            f->hub = h;
            f->n = 0;
            arena_init(&f->arena);
        }
        if (f->n == FETCH_MAX)
            continue; /* fetch_done() looks again */
        f->at[f->n++] = (struct fetched){.key = d->key};
        d->is_dirty = false;
        d->due = mono_add_ms(now, d->key.kind == DIRTY_CAUSES ? CAUSES_MS : COALESCE_MS);
        next = mono_min(next, d->due);
    }
    if (f != NULL) {
        h->is_fetching = true;
        api_hold(h->api);
        store_read(h->api->opts.store, fetch_job, fetch_done, f);
    }
    if (next.us != MONO_NEVER.us)
        hub_wake_at(h, next);
}
