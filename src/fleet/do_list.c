/* do_list.c - all droplets with the mark of this instance: one whole list, or none.
 *
 *     by tag, page after page ──▶ those with a GPU, which no tag selects ──▶ the young that were not shown ──▶ listed
 *
 * The API counts what it lists (meta.total). A list that has fewer, because droplets came and went between two pages, is read
 * again: a machine that seems to be gone would be made a second time. One that is shown twice is taken once.
 *
 * Lists lag. A machine that this process made and that no list has shown yet is asked for by its id: it is there or not,
 * whatever lists say. When its tags did not arrive, it gets them now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fleet/do_private.h"

#define TRIES_MAX 4u
#define AGAIN_MS 2000
#define PAGES_MAX (MACHINES_MAX / DO_PAGE_ITEMS_MAX + 1)
#define RETAG_AFTER_MS 60000
#define BY_ID UINT32_MAX /* do_droplet.seq: it was asked for by its id */

/* A person waits for a reaper. */
#define REAPER_PATIENCE_MS 30000

static int64_t patience(const struct do_fleet *d)
{
    return d->reach.is_reaper ? REAPER_PATIENCE_MS : DO_LIST_PATIENCE_MS;
}

static void begin(struct do_fleet *d, uint64_t ask);
static void ask_page(struct do_fleet *d, int64_t delay_ms);
static void next_young(struct do_fleet *d);

/* ---- ends ---- */

static void ended(struct do_fleet *d)
{
    struct do_list *l = &d->list;

    arena_done(&l->arena);
    free(l->young);
    l->young = NULL;
    free(l->at);
    l->at = NULL;
    l->n = 0;
    l->cap = 0;
    l->is_under_way = false;
    if (l->next_ask != 0)
        begin(d, l->next_ask);
}

static void failed(struct do_fleet *d, const struct do_failure *why)
{
    struct fleet *f = d->f;
    uint64_t ask = d->list.ask;

    ended(d);
    f->all->told.list_failed(f->all->ctx, f, ask, &why->f);
}

/* The text of the newest lease tag; "" none. */
static const char *lease_tag(const struct do_droplet *x)
{
    struct wall t;

    for (uint32_t i = 0; i < x->n_tags; i++) {
        if (do_tag_read_until(x->tags[i], &t) && t.ms == x->mark.lease_until.ms)
            return x->tags[i];
    }
    return "";
}

static bool is_shown(const struct do_list *l, const char *id)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (strcmp(l->at[i].m.id, id) == 0)
            return true;
    }
    return false;
}

/* What is known from now on: what the list shows, and the young that it does not show yet. */
static void remember(struct do_fleet *d)
{
    struct do_list *l = &d->list;
    struct do_known *old = d->known;
    uint32_t n_old = d->n_known;

    d->known = xcalloc(l->n + n_old + 1, sizeof(*d->known));
    d->cap_known = l->n + n_old + 1;
    d->n_known = 0;
    for (uint32_t j = 0; j < l->n; j++) {
        struct do_known *k = &d->known[d->n_known];

        if (l->at[j].seq == BY_ID)
            continue; /* as young as before: no list has shown it */
        d->n_known++;
        k->id = xstrdup(l->at[j].m.id);
        (void)snprintf(k->until, sizeof(k->until), "%s", lease_tag(&l->at[j]));
    }
    for (uint32_t i = 0; i < n_old; i++) {
        bool stays = old[i].is_young;

        for (uint32_t j = 0; j < l->n && stays; j++)
            stays = l->at[j].seq == BY_ID || strcmp(l->at[j].m.id, old[i].id) != 0;
        if (stays)
            d->known[d->n_known++] = old[i];
        else
            free(old[i].id);
    }
    free(old);
}

static void listed(struct do_fleet *d)
{
    struct do_list *l = &d->list;
    struct fleet *f = d->f;
    struct machine *all = arena_alloc(&l->arena, (l->n + 1) * sizeof(*all));
    struct arena arena = l->arena;
    uint64_t ask = l->ask;
    uint32_t n = l->n;

    for (uint32_t i = 0; i < n; i++)
        all[i] = l->at[i].m;
    remember(d);
    l->arena = (struct arena){0}; /* ours, until it was told */
    ended(d);
    do_tidy(d);
    f->all->told.listed(f->all->ctx, f, ask, all, n);
    arena_done(&arena);
}

/* ---- the young ---- */

static void on_retagged(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;

    if (!do_is_ok(a))
        LOG_WARN("fleet.retag", "fleet=%s status=%d", d->f->name, a->status);
}

static void retag(struct do_fleet *d, const struct do_known *k)
{
    const char *const ids[] = {k->id};
    char tag[DO_TAG_BYTES];

    LOG_WARN("fleet.untagged", "fleet=%s machine=%s server=%llu", d->f->name, k->id,
             (unsigned long long)k->server);
    do_tag(d, do_tag_until(k->lease_until, tag), ids, 1, CLOUD_DESTROY, on_retagged, d);
    do_tag(d, do_tag_intent(d->f->all->instance, k->server, k->intent, tag), ids, 1, CLOUD_DESTROY,
           on_retagged, d);
    do_tag(d, DO_TAG, ids, 1, CLOUD_DESTROY, on_retagged, d);
    do_tag(d, do_tag_instance(d->f->all->instance, tag), ids, 1, CLOUD_DESTROY, on_retagged, d);
}

static void add(struct do_fleet *d, const struct do_droplet *x);

static void on_young(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;
    struct do_list *l = &d->list;
    struct do_reading how = do_reading_of(d);
    struct do_known *k = do_known_find(d, l->young);
    struct do_droplet x;
    struct do_failure failure;
    struct why why;

    l->call = NULL;
    if (a->fate == HTTP_ANSWERED && a->status == 404) {
        do_known_remove(d, l->young);
        l->young_at = 0;
    } else if (!do_is_ok(a)) {
        do_failure_of(a, "listing machines", false, &failure);
        failed(d, &failure);
        return;
    } else if (do_read_droplet(a->body, &how, &l->arena, &x, &why) != ERR_OK) {
        do_failure_set(&failure, FLEET_FAULT_BUSY, 0, "listing machines: %s", why.text);
        failed(d, &failure);
        return;
    } else if (k != NULL) { /* else it was destroyed meanwhile */
        if (!x.mark.is_ours) {
            x.m.server = k->server;
            x.m.intent = k->intent;
            x.m.lease_until = k->lease_until;
            if (mono_ms_between(k->made_at, d->f->all->io.now(d->f->all->io.ctx)) >= RETAG_AFTER_MS)
                retag(d, k);
        }
        x.seq = BY_ID;
        add(d, &x);
    }
    next_young(d);
}

static void next_young(struct do_fleet *d)
{
    struct do_list *l = &d->list;
    char path[DO_PATH_BYTES];

    free(l->young);
    l->young = NULL;
    for (; l->young_at < d->n_known; l->young_at++) {
        const struct do_known *k = &d->known[l->young_at];

        if (!k->is_young || !mono_before(k->made_at, l->began_at) || is_shown(l, k->id))
            continue;
        l->young = xstrdup(k->id);
        (void)snprintf(path, sizeof(path), "/v2/droplets/%s", k->id);
        cloud_call(
            d->f->all->cloud,
            &(struct cloud_call_opts){
                .path = path, .rank = CLOUD_LIST, .patience_ms = patience(d), .done = on_young, .ctx = d},
            &l->call);
        return;
    }
    listed(d);
}

/* ---- pages ---- */

static void add(struct do_fleet *d, const struct do_droplet *x)
{
    struct do_list *l = &d->list;

    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->at = xrealloc(l->at, l->cap * sizeof(*l->at));
    }
    l->at[l->n++] = *x;
}

static int by_id(const void *a, const void *b)
{
    const struct do_droplet *x = a;
    const struct do_droplet *y = b;

    return x->id != y->id ? (x->id < y->id ? -1 : 1) : (x->seq < y->seq ? -1 : 1);
}

/* Of this half: each once, as its last page showed it. */
static void unite(struct do_list *l)
{
    struct do_droplet *half = l->at + l->half;
    uint32_t n = l->n - l->half;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++)
        half[i].seq = i;
    if (n > 0)
        qsort(half, n, sizeof(*half), by_id);
    for (uint32_t i = 0; i < n; i++) {
        if (i + 1 < n && half[i].id == half[i + 1].id)
            continue;
        half[kept++] = half[i];
    }
    l->n = l->half + kept;
}

/* Those without our mark go: the second half is of everybody, and of the first a server may say anything. */
static void keep_ours(struct do_list *l)
{
    uint32_t kept = l->half;

    for (uint32_t i = l->half; i < l->n; i++) {
        bool is_new = l->at[i].mark.is_ours;

        for (uint32_t j = 0; j < l->half && is_new; j++)
            is_new = l->at[j].id != l->at[i].id;
        if (is_new)
            l->at[kept++] = l->at[i];
    }
    l->n = kept;
}

static void next_half(struct do_fleet *d)
{
    struct do_list *l = &d->list;

    keep_ours(l);
    l->tries = 0;
    l->half = l->n;
    l->page = 1;
    if (!l->is_gpus) {
        l->is_gpus = true;
        ask_page(d, 0);
        return;
    }
    l->young_at = 0;
    next_young(d);
}

/* All pages of this half were read. */
static void half_read(struct do_fleet *d)
{
    struct do_list *l = &d->list;
    struct do_failure why;

    unite(l);
    if (l->n - l->half >= l->total) {
        next_half(d);
        return;
    }
    if (++l->tries < TRIES_MAX) {
        l->n = l->half;
        l->page = 1;
        ask_page(d, AGAIN_MS * (int64_t)l->tries);
        return;
    }
    do_failure_set(
        &why, FLEET_FAULT_BUSY, 0,
        "listing machines: DigitalOcean says that there are %llu and shows %u, each time it is asked",
        (unsigned long long)l->total, l->n - l->half);
    failed(d, &why);
}

/* An API that does not know the question has no machines with a GPU for us. Any other refusal tells nothing about machines: a list
 * that leaves one out would have it made again. */
static bool has_no_gpus(const struct do_list *l, const struct cloud_answer *a)
{
    return l->is_gpus && a->fate == HTTP_ANSWERED && (a->status == 400 || a->status == 422);
}

static void on_page(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;
    struct do_list *l = &d->list;
    struct do_reading how = do_reading_of(d);
    struct do_droplets page;
    struct do_failure failure;
    struct why why;

    l->call = NULL;
    if (has_no_gpus(l, a)) {
        l->n = l->half;
        next_half(d);
        return;
    }
    if (!do_is_ok(a)) {
        do_failure_of(a, "listing machines", false, &failure);
        failed(d, &failure);
        return;
    }
    if (do_read_droplets(a->body, &how, &l->arena, &page, &why) != ERR_OK) {
        do_failure_set(&failure, strstr(why.text, "tag:read") != NULL ? FLEET_FAULT_AUTH : FLEET_FAULT_BUSY,
                       0, "listing machines: %s", why.text);
        failed(d, &failure);
        return;
    }
    for (uint32_t i = 0; i < page.n; i++)
        add(d, &page.at[i]);
    l->total = page.page.total;
    if (!page.page.has_next) {
        half_read(d);
    } else if (l->page < PAGES_MAX) {
        l->page++;
        ask_page(d, 0);
    } else {
        do_failure_set(&failure, FLEET_FAULT_BUSY, 0, "listing machines: there are more than %u",
                       MACHINES_MAX);
        failed(d, &failure);
    }
}

static void ask_page(struct do_fleet *d, int64_t delay_ms)
{
    struct do_list *l = &d->list;
    struct buf path;
    char tag[DO_TAG_BYTES];

    buf_init(&path, DO_PATH_BYTES);
    buf_printf(&path, "/v2/droplets?per_page=%u&page=%u&", DO_PAGE_ITEMS_MAX, l->page);
    if (l->is_gpus) {
        buf_puts(&path, "type=gpus");
    } else {
        buf_puts(&path, "tag_name=");
        do_write_segment(d->reach.is_any ? DO_TAG : do_tag_instance(d->f->all->instance, tag), &path);
    }
    cloud_call(d->f->all->cloud,
               &(struct cloud_call_opts){.path = buf_str(&path),
                                         .rank = CLOUD_LIST,
                                         .delay_ms = delay_ms,
                                         .patience_ms = patience(d),
                                         .done = on_page,
                                         .ctx = d},
               &l->call);
    buf_done(&path);
}

static void begin(struct do_fleet *d, uint64_t ask)
{
    struct do_list *l = &d->list;

    *l = (struct do_list){
        .is_under_way = true, .ask = ask, .page = 1, .began_at = d->f->all->io.now(d->f->all->io.ctx)};
    arena_init(&l->arena);
    ask_page(d, 0);
}

void do_list(struct fleet *f, uint64_t ask)
{
    struct do_fleet *d = f->driver;

    if (d->list.is_under_way)
        d->list.next_ask = ask;
    else
        begin(d, ask);
}

void do_list_done(struct do_fleet *d)
{
    struct do_list *l = &d->list;

    cloud_cancel(&l->call);
    if (!l->is_under_way)
        return;
    arena_done(&l->arena);
    free(l->at);
    free(l->young);
}
