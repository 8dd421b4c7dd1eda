/* do_catalog.c - what can be had, where, and for how much; kept for an hour.
 *
 *     sizes ──▶ regions ──▶ images of the account ──▶ public distributions ──▶ the account's limit ──▶ catalog
 *
 * When it cannot be read anew, the old one is shown with its age and the reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/do_private.h"

#define FRESH_MS 3600000
#define ITEMS_MAX 10000u /* of each kind */

enum step { STEP_SIZES, STEP_REGIONS, STEP_OWN_IMAGES, STEP_PUBLIC_IMAGES, STEP_ACCOUNT, STEP_END };

static void ask(struct do_fleet *d);

static void ended(struct do_fleet *d)
{
    d->catalog.is_wanted = false;
    d->catalog.step = STEP_SIZES;
}

static void tell(struct do_fleet *d)
{
    d->f->all->told.catalog(d->f->all->ctx, d->f, &d->catalog.kept);
}

static void failed(struct do_fleet *d, const struct do_failure *why)
{
    struct do_catalog *c = &d->catalog;

    arena_done(&c->new_arena);
    ended(d);
    if (!c->has_kept) {
        d->f->all->told.catalog_failed(d->f->all->ctx, d->f, &why->f);
        return;
    }
    c->kept.error = why->text;
    tell(d);
    c->kept.error = "";
}

static int by_price(const void *a, const void *b)
{
    const struct fleet_size *x = a;
    const struct fleet_size *y = b;

    if (x->price_hour_microusd != y->price_hour_microusd)
        return x->price_hour_microusd < y->price_hour_microusd ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_age(const void *a, const void *b)
{
    const struct fleet_image *x = a;
    const struct fleet_image *y = b;

    if (x->is_snapshot != y->is_snapshot)
        return x->is_snapshot ? -1 : 1;
    if (x->created_at.ms != y->created_at.ms)
        return x->created_at.ms > y->created_at.ms ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void read_all(struct do_fleet *d)
{
    struct do_catalog *c = &d->catalog;

    if (c->new.n_sizes > 0)
        qsort(c->sizes, c->new.n_sizes, sizeof(*c->sizes), by_price);
    if (c->new.n_images > 0)
        qsort(c->images, c->new.n_images, sizeof(*c->images), by_age);
    c->new.sizes = c->sizes;
    c->new.regions = c->regions;
    c->new.images = c->images;
    c->new.at = d->f->all->io.wall(d->f->all->io.ctx);
    c->new.error = "";
    arena_done(&c->arena);
    c->arena = c->new_arena;
    c->kept = c->new;
    c->at = d->f->all->io.now(d->f->all->io.ctx);
    c->has_kept = true;
    ended(d);
    tell(d);
}

/* Room for more items behind n of them, in the arena. */
static void *grow(struct arena *a, const void *old, uint32_t n, uint32_t more, size_t bytes)
{
    void *at = arena_alloc(a, (size_t)(n + more + 1) * bytes);

    if (n > 0)
        memcpy(at, old, n * bytes);
    return at;
}

static enum err take_sizes(struct do_catalog *c, struct slice body, struct do_page *page, struct why *reterr)
{
    struct do_sizes got;
    enum err err = do_read_sizes(body, &c->new_arena, &got, reterr);

    if (err != ERR_OK)
        return err;
    c->sizes = grow(&c->new_arena, c->sizes, c->new.n_sizes, got.n, sizeof(*c->sizes));
    for (uint32_t i = 0; i < got.n; i++)
        c->sizes[c->new.n_sizes++] = got.at[i];
    *page = got.page;
    return ERR_OK;
}

static enum err take_regions(struct do_catalog *c, struct slice body, struct do_page *page,
                             struct why *reterr)
{
    struct do_regions got;
    enum err err = do_read_regions(body, &c->new_arena, &got, reterr);

    if (err != ERR_OK)
        return err;
    c->regions = grow(&c->new_arena, c->regions, c->new.n_regions, got.n, sizeof(*c->regions));
    for (uint32_t i = 0; i < got.n; i++)
        c->regions[c->new.n_regions++] = got.at[i];
    *page = got.page;
    return ERR_OK;
}

static enum err take_images(struct do_catalog *c, struct slice body, struct do_page *page, struct why *reterr)
{
    struct do_images got;
    enum err err = do_read_images(body, &c->new_arena, &got, reterr);

    if (err != ERR_OK)
        return err;
    c->images = grow(&c->new_arena, c->images, c->new.n_images, got.n, sizeof(*c->images));
    for (uint32_t i = 0; i < got.n; i++)
        c->images[c->new.n_images++] = got.at[i].image;
    *page = got.page;
    return ERR_OK;
}

static enum err take(struct do_catalog *c, struct slice body, struct do_page *page, struct why *reterr)
{
    *page = (struct do_page){0};
    switch (c->step) {
    case STEP_SIZES:
        return take_sizes(c, body, page, reterr);
    case STEP_REGIONS:
        return take_regions(c, body, page, reterr);
    case STEP_OWN_IMAGES:
    case STEP_PUBLIC_IMAGES:
        return take_images(c, body, page, reterr);
    default:
        return do_read_account(body, &c->new.machines_max, reterr);
    }
}

static void on_part(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;
    struct do_catalog *c = &d->catalog;
    struct do_failure failure;
    struct do_page page;
    struct why why;

    c->call = NULL;
    if (c->step == STEP_ACCOUNT && a->fate == HTTP_ANSWERED && a->status == 403) {
        read_all(d); /* a token may be kept from the account: then its limit is not known */
        return;
    }
    if (!do_is_ok(a)) {
        do_failure_of(a, "reading what can be had", false, &failure);
        failed(d, &failure);
        return;
    }
    if (take(c, a->body, &page, &why) != ERR_OK) {
        do_failure_set(&failure, FLEET_FAULT_BUSY, 0, "reading what can be had: %s", why.text);
        failed(d, &failure);
        return;
    }
    if (page.has_next && c->page < ITEMS_MAX / DO_PAGE_ITEMS_MAX) {
        c->page++;
    } else {
        c->page = 1;
        c->step++;
    }
    if (c->step == STEP_END)
        read_all(d);
    else
        ask(d);
}

static void ask(struct do_fleet *d)
{
    static const char *const paths[] = {
        [STEP_SIZES] = "/v2/sizes?",
        [STEP_REGIONS] = "/v2/regions?",
        [STEP_OWN_IMAGES] = "/v2/images?private=true&",
        [STEP_PUBLIC_IMAGES] = "/v2/images?type=distribution&",
        [STEP_ACCOUNT] = "/v2/account",
    };
    struct do_catalog *c = &d->catalog;
    char path[DO_PATH_BYTES];

    if (c->step == STEP_ACCOUNT)
        (void)snprintf(path, sizeof(path), "%s", paths[c->step]);
    else
        (void)snprintf(path, sizeof(path), "%sper_page=%u&page=%u", paths[c->step], DO_PAGE_ITEMS_MAX,
                       c->page);
    cloud_call(d->f->all->cloud,
               &(struct cloud_call_opts){.path = path,
                                         .rank = CLOUD_CATALOG,
                                         .patience_ms = DO_CATALOG_PATIENCE_MS,
                                         .done = on_part,
                                         .ctx = d},
               &c->call);
}

static void on_kept(void *ctx)
{
    struct do_fleet *d = ctx;

    if (!d->catalog.is_wanted) /* else the new one is on its way, and answers all */
        tell(d);
}

void do_catalog(struct fleet *f, bool fresh)
{
    struct do_fleet *d = f->driver;
    struct do_catalog *c = &d->catalog;
    struct mono now = f->all->io.now(f->all->io.ctx);

    if (c->is_wanted)
        return;
    if (c->has_kept && !fresh && mono_ms_between(c->at, now) < FRESH_MS) {
        c->later.fn = on_kept;
        c->later.ctx = d;
        fleet_timer_set(f->all, &c->later, now);
        return;
    }
    c->is_wanted = true;
    c->page = 1;
    c->step = STEP_SIZES;
    c->new = (struct fleet_catalog){.error = ""};
    c->sizes = NULL;
    c->regions = NULL;
    c->images = NULL;
    arena_init(&c->new_arena);
    ask(d);
}

void do_catalog_done(struct do_fleet *d)
{
    struct do_catalog *c = &d->catalog;

    fleet_timer_stop(d->f->all, &c->later);
    cloud_cancel(&c->call);
    if (c->is_wanted)
        arena_done(&c->new_arena);
    if (c->has_kept)
        arena_done(&c->arena);
}
