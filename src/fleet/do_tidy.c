/* do_tidy.c - tags stay behind when their droplets are gone; each create call leaves one, each hour of leases a few.
 *
 * Once an hour all tags of the account are read. Of ours, what nothing carries goes: the tag of a create call when it was unused
 * an hour ago already (a droplet gets its tags a moment after it was made), that of a lease's end when it is past. A tag that
 * somebody else wrote is left alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fleet/do_private.h"

#define FIRST_AFTER_MS 600000
#define EVERY_MS 3600000
#define PAGES_MAX 100u
#define REMOVED_MAX 200u /* in a round: each is a call */
#define PAST_MS 3600000

/* ---- lists of texts ---- */

void do_texts_add(struct do_texts *t, const char *text)
{
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 32 : t->cap * 2;
        t->at = xrealloc(t->at, t->cap * sizeof(*t->at));
    }
    t->at[t->n++] = xstrdup(text);
}

bool do_texts_has(const struct do_texts *t, const char *text)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (strcmp(t->at[i], text) == 0)
            return true;
    }
    return false;
}

void do_texts_done(struct do_texts *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        free(t->at[i]);
    free(t->at);
    *t = (struct do_texts){0};
}

/* ---- a round ---- */

static void remove_next(struct do_fleet *d);

static void round_ends(struct do_fleet *d)
{
    struct do_tidy *t = &d->tidy;

    do_texts_done(&t->before);
    t->before = t->unused;
    t->unused = (struct do_texts){0};
}

static void on_removed(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;

    d->tidy.call = NULL;
    if (!do_is_ok(a) && !(a->fate == HTTP_ANSWERED && a->status == 404)) {
        LOG_WARN("fleet.tidy", "fleet=%s status=%d", d->f->name, a->status);
        round_ends(d); /* another time */
        return;
    }
    remove_next(d);
}

static bool may_go(const struct do_fleet *d, const char *tag)
{
    struct wall until;

    if (do_tag_read_until(tag, &until))
        return true; /* it was past when it was noted */
    return do_texts_has(&d->tidy.before, tag);
}

static void remove_next(struct do_fleet *d)
{
    struct do_tidy *t = &d->tidy;
    struct buf path;

    while (t->at < t->unused.n && t->at < REMOVED_MAX && !may_go(d, t->unused.at[t->at]))
        t->at++;
    if (t->at == t->unused.n || t->at >= REMOVED_MAX) {
        round_ends(d);
        return;
    }
    buf_init(&path, KIB(2));
    buf_puts(&path, "/v2/tags/");
    do_write_segment(t->unused.at[t->at++], &path);
    cloud_call(d->f->all->cloud,
               &(struct cloud_call_opts){.method = "DELETE",
                                         .path = buf_str(&path),
                                         .rank = CLOUD_TIDY,
                                         .patience_ms = DO_LIST_PATIENCE_MS,
                                         .done = on_removed,
                                         .ctx = d},
               &t->call);
    buf_done(&path);
}

/* Is it a tag of ours that may be noted as unused? */
static bool is_of_interest(const struct do_fleet *d, const struct do_tag *tag)
{
    uint64_t server;
    uint64_t intent;
    struct wall until;

    if (tag->resources > 0)
        return false;
    if (do_tag_read_until(tag->name, &until))
        return until.ms + PAST_MS < d->f->all->io.wall(d->f->all->io.ctx).ms;
    if (!do_tag_read_intent(tag->name, d->f->all->instance, &server, &intent))
        return false;
    for (const struct do_op *op = d->creates.first; op != NULL; op = op->next) {
        if (op->spec->intent == intent)
            return false;
    }
    for (uint32_t i = 0; i < d->n_known; i++) {
        if (d->known[i].is_young && d->known[i].intent == intent)
            return false;
    }
    return true;
}

static void ask(struct do_fleet *d);

static void on_tags(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;
    struct do_tidy *t = &d->tidy;
    struct arena arena;
    struct do_tags page;
    struct why why;

    t->call = NULL;
    if (!do_is_ok(a)) {
        do_texts_done(&t->unused);
        return;
    }
    arena_init(&arena);
    if (do_read_tags(a->body, &arena, &page, &why) != ERR_OK) {
        do_texts_done(&t->unused);
    } else {
        for (uint32_t i = 0; i < page.n; i++) {
            if (is_of_interest(d, &page.at[i]))
                do_texts_add(&t->unused, page.at[i].name);
        }
        if (page.page.has_next && t->page < PAGES_MAX) {
            t->page++;
            ask(d);
        } else {
            t->at = 0;
            remove_next(d);
        }
    }
    arena_done(&arena);
}

static void ask(struct do_fleet *d)
{
    char path[DO_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "/v2/tags?per_page=%u&page=%u", DO_PAGE_ITEMS_MAX, d->tidy.page);
    cloud_call(
        d->f->all->cloud,
        &(struct cloud_call_opts){
            .path = path, .rank = CLOUD_TIDY, .patience_ms = DO_LIST_PATIENCE_MS, .done = on_tags, .ctx = d},
        &d->tidy.call);
}

void do_tidy(struct do_fleet *d)
{
    struct do_tidy *t = &d->tidy;
    struct mono now = d->f->all->io.now(d->f->all->io.ctx);

    if (!t->is_begun) {
        t->is_begun = true;
        t->next_at = mono_add_ms(now, FIRST_AFTER_MS);
    }
    if (t->call != NULL || mono_before(now, t->next_at))
        return;
    t->next_at = mono_add_ms(now, EVERY_MS);
    do_texts_done(&t->unused);
    t->page = 1;
    ask(d);
}

void do_tidy_done(struct do_fleet *d)
{
    cloud_cancel(&d->tidy.call);
    do_texts_done(&d->tidy.unused);
    do_texts_done(&d->tidy.before);
}
