/* do_create.c - making droplets: which image, in which region, and what an answer means.
 *
 *     image known? ──▶ POST in the first region ──▶ 202: created
 *        │                    │
 *        │                    ├── 422, the region has no room or no such size ──▶ the next region
 *        ▼                    ├── 422, another reason: LIMIT or INVALID. 401, 403: AUTH
 *     looked up               └── 5xx, a lost answer: UNKNOWN. It is not repeated: it may have made one.
 *
 * A region's refusal is certain, so that another region can be asked without buying twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/glob.h"
#include "base/log.h"
#include "fleet/do_private.h"

#define IMAGE_FRESH_MS 600000 /* so long a look-up holds */
#define LIMIT_RETRY_MS 300000
#define NO_ROOM_RETRY_MS 300000
#define IMAGE_PAGES_MAX 50u

static void create_next(struct do_op *op);

/* ---- answers ---- */

static void create_failed(struct do_op *op, const struct do_failure *why)
{
    struct do_fleet *d = op->d;
    struct fleet *f = d->f;
    uint64_t server = op->spec->server;
    uint64_t intent = op->spec->intent;

    do_op_free(&d->creates, op);
    f->all->told.create_failed(f->all->ctx, f, server, intent, &why->f);
}

static void created(struct do_op *op, const struct do_droplet *droplet)
{
    struct do_fleet *d = op->d;
    struct fleet *f = d->f;
    struct machine m = droplet->m;
    struct do_known *k = do_known_add(d, m.id);

    /* Its tags are not looked at: they may be applied a moment later. */
    m.server = op->spec->server;
    m.intent = op->spec->intent;
    m.lease_until = do_lease_round(op->spec->lease_until);
    k->is_young = true;
    k->made_at = f->all->io.now(f->all->io.ctx);
    k->server = m.server;
    k->intent = m.intent;
    k->lease_until = m.lease_until;
    (void)do_tag_until(m.lease_until, k->until);
    LOG_INFO("fleet.created", "fleet=%s machine=%s server=%llu intent=%llu region=%s size=%s", f->name, m.id,
             (unsigned long long)m.server, (unsigned long long)m.intent, m.region, m.size);
    do_op_free(&d->creates, op);
    f->all->told.created(f->all->ctx, f, m.server, m.intent, &m);
}

/* ---- the project of the account: shown there, and not worth a failure ---- */

static void on_assigned(void *ctx, const struct cloud_answer *a)
{
    struct do_op *op = ctx;
    struct do_failure why;

    op->call = NULL;
    if (!do_is_ok(a)) {
        char quoted[500];

        do_failure_of(a, "showing a machine in its project", false, &why);
        LOG_WARN("fleet.project", "fleet=%s machine=%s why=%s", op->d->f->name, op->machine,
                 log_quote(quoted, sizeof(quoted), why.text));
    }
    do_op_free(&op->d->asides, op);
}

static void assign(struct do_fleet *d, const char *machine)
{
    struct do_op *op = do_op_new(d, &d->asides);
    char path[DO_PATH_BYTES];
    char body[128];

    op->machine = xstrdup(machine);
    (void)snprintf(path, sizeof(path), "/v2/projects/%s/resources", d->o->project);
    (void)snprintf(body, sizeof(body), "{\"resources\":[\"do:droplet:%s\"]}", machine);
    cloud_call(d->f->all->cloud,
               &(struct cloud_call_opts){.method = "POST",
                                         .path = path,
                                         .body = slice_of(body),
                                         .rank = CLOUD_TIDY,
                                         .patience_ms = DO_CREATE_PATIENCE_MS,
                                         .done = on_assigned,
                                         .ctx = op},
               &op->call);
}

/* ---- what a refusal is about ---- */

static bool says(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

/* "creating this/these droplet(s) will exceed your droplet limit" */
static bool is_limit(const char *said)
{
    return says(said, "limit");
}

/* "Size is not available in this region.", "Region is not available", "... is currently unavailable" */
static bool is_region(const char *said)
{
    return says(said, "region") || says(said, "unavailable") || says(said, "not available") ||
           says(said, "capacity");
}

static bool is_image(const char *said)
{
    return says(said, "image");
}

static void refused(struct do_op *op, const struct cloud_answer *a)
{
    struct do_failure why;
    char said[240];

    (void)do_read_error(a->body, said, sizeof(said));
    do_failure_of(a, "making a machine", true, &why);
    if (is_limit(said)) {
        why.f.fault = FLEET_FAULT_LIMIT;
        why.f.retry_after_ms = LIMIT_RETRY_MS;
        create_failed(op, &why);
    } else if (is_image(said) && !op->looked_again && op->d->image.is_own) {
        /* The snapshot may have been replaced since it was looked up. */
        op->looked_again = true;
        op->d->image.is_known = false;
        create_next(op);
    } else if (is_region(said)) {
        op->has_hope = op->has_hope || !says(said, "invalid");
        (void)snprintf(op->refusal, sizeof(op->refusal), "%s: %.240s", op->asked_region, said);
        /* With other options since then, another region stands there, that was not asked. */
        if (op->region < op->d->o->regions.n &&
            strcmp(op->d->o->regions.at[op->region], op->asked_region) == 0)
            op->region++;
        create_next(op);
    } else {
        if (why.f.fault == FLEET_FAULT_GONE)
            why.f.fault = FLEET_FAULT_INVALID;
        create_failed(op, &why);
    }
}

static void on_posted(void *ctx, const struct cloud_answer *a)
{
    struct do_op *op = ctx;
    struct do_reading how = do_reading_of(op->d);
    struct do_droplet droplet;
    struct do_failure failure;
    struct arena arena;
    struct why why;

    op->call = NULL;
    if (a->fate == HTTP_ANSWERED && a->status >= 400 && a->status < 500 && a->status != 401 &&
        a->status != 403 && a->status != 429 && a->status != 408) {
        refused(op, a);
        return;
    }
    if (!do_is_ok(a)) {
        do_failure_of(a, "making a machine", true, &failure);
        create_failed(op, &failure);
        return;
    }
    arena_init(&arena);
    if (do_read_created(a->body, &how, &arena, &droplet, &why) != ERR_OK) {
        do_failure_set(&failure, FLEET_FAULT_UNKNOWN, 0, "making a machine: %s", why.text);
        create_failed(op, &failure);
    } else {
        if (op->d->o->project[0] != '\0')
            assign(op->d, droplet.m.id);
        created(op, &droplet);
    }
    arena_done(&arena);
}

/* ---- the next try ---- */

static bool image_is_in(const struct do_image_choice *c, const char *region)
{
    if (!c->is_own)
        return true; /* a public one: not looked up */
    for (uint32_t i = 0; i < c->n_regions; i++) {
        if (strcmp(c->regions[i], region) == 0)
            return true;
    }
    return false;
}

/* Of a list of names a sentence has the first few. */
static void put_names(struct buf *out, const char *const *names, uint32_t n)
{
    for (uint32_t i = 0; i < n && out->len < 200; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", names[i]);
}

/* Does the catalog, if it was read, say that waiting is of no use? */
static bool is_hopeless(const struct do_op *op, struct do_failure *why)
{
    const struct do_fleet *d = op->d;
    const char *size = op->spec->size[0] != '\0' ? op->spec->size : d->o->size;
    const struct fleet_size *found = NULL;
    struct buf in;

    if (!d->catalog.has_kept)
        return false;
    for (uint32_t i = 0; i < d->catalog.kept.n_sizes; i++) {
        if (strcmp(d->catalog.kept.sizes[i].name, size) == 0)
            found = &d->catalog.kept.sizes[i];
    }
    if (found == NULL) {
        do_failure_set(why, FLEET_FAULT_INVALID, 0, "making a machine: DigitalOcean has no size '%.80s'",
                       size);
        return true;
    }
    for (uint32_t i = 0; i < found->n_regions; i++) {
        for (uint32_t k = 0; k < d->o->regions.n; k++) {
            if (strcmp(found->regions[i], d->o->regions.at[k]) == 0)
                return false;
        }
    }
    buf_init(&in, KIB(8));
    put_names(&in, found->regions, found->n_regions);
    do_failure_set(
        why, FLEET_FAULT_INVALID, 0,
        "making a machine: the size '%.80s' is to be had in %s, and in none of the fleet's regions", size,
        in.len > 0 ? buf_str(&in) : "no region");
    buf_done(&in);
    return true;
}

static void no_region(struct do_op *op)
{
    struct do_failure why;
    struct buf in;

    if (op->refusal[0] != '\0') {
        if (!is_hopeless(op, &why))
            do_failure_set(&why, op->has_hope ? FLEET_FAULT_BUSY : FLEET_FAULT_INVALID,
                           op->has_hope ? NO_ROOM_RETRY_MS : 0,
                           "making a machine: none of the fleet's regions has it: the last one, %s",
                           op->refusal);
    } else {
        buf_init(&in, KIB(8));
        put_names(&in, (const char *const *)op->d->image.regions, op->d->image.n_regions);
        do_failure_set(&why, FLEET_FAULT_INVALID, 0,
                       "making a machine: the image '%.80s' is in %s, and in none of the fleet's regions",
                       op->d->image_option, in.len > 0 ? buf_str(&in) : "no region");
        buf_done(&in);
    }
    create_failed(op, &why);
}

static void post(struct do_op *op, const char *region)
{
    struct do_fleet *d = op->d;
    struct do_failure failure;
    struct why why;
    struct buf body;

    (void)snprintf(op->asked_region, sizeof(op->asked_region), "%s", region);
    buf_init(&body, MIB(1));
    if (do_write_create(d->o, op->spec, d->f->all->instance, region, d->image.image, &body, &why) != ERR_OK) {
        do_failure_set(&failure, FLEET_FAULT_INVALID, 0, "making a machine: %s", why.text);
        create_failed(op, &failure);
    } else {
        cloud_call(d->f->all->cloud,
                   &(struct cloud_call_opts){.method = "POST",
                                             .path = "/v2/droplets",
                                             .body = buf_slice(&body),
                                             .body_is_secret = true,
                                             .rank = CLOUD_CREATE,
                                             .only_once = true,
                                             .patience_ms = DO_CREATE_PATIENCE_MS,
                                             .done = on_posted,
                                             .ctx = op},
                   &op->call);
    }
    if (body.data != NULL)
        mem_wipe(body.data, body.len);
    buf_done(&body);
}

/* ---- the image ---- */

static void image_forget(struct do_image_choice *c)
{
    free(c->image);
    for (uint32_t i = 0; i < c->n_regions; i++)
        free(c->regions[i]);
    free(c->regions);
    c->image = NULL;
    c->regions = NULL;
    c->n_regions = 0;
    c->is_known = false;
    c->is_own = false;
}

static bool is_number(const char *s)
{
    return s[0] != '\0' && strspn(s, "0123456789") == strlen(s);
}

static bool is_glob(const char *s)
{
    return strpbrk(s, "*?[") != NULL;
}

/* The creates that wait for it go on, or fail. `why` NULL: it is known. */
static void image_settled(struct do_fleet *d, const struct do_failure *why)
{
    struct do_op *op = d->creates.first;

    while (op != NULL) {
        if (!op->waits_for_image) {
            op = op->next;
            continue;
        }
        op->waits_for_image = false;
        if (why != NULL)
            create_failed(op, why);
        else
            create_next(op);
        op = d->creates.first; /* an answer may have changed the list */
    }
}

static void image_keep(struct do_image_choice *c, const struct do_image *x)
{
    image_forget(c);
    c->image = xstrdup(x->image.id);
    c->is_own = true;
    c->regions = xcalloc(x->n_regions + 1, sizeof(*c->regions));
    for (uint32_t i = 0; i < x->n_regions; i++)
        c->regions[c->n_regions++] = xstrdup(x->regions[i]);
    c->best_id = x->id;
    c->best_at = x->image.created_at;
}

static bool image_matches(const char *option, const struct do_image *x)
{
    return is_glob(option) ? glob_match(option, x->image.name) : strcmp(option, x->image.name) == 0;
}

/* Of those that match the newest; of equals the one with the higher number. */
static void image_consider(struct do_fleet *d, const struct do_images *page)
{
    struct do_image_choice *c = &d->image;

    for (uint32_t i = 0; i < page->n; i++) {
        const struct do_image *x = &page->at[i];

        if (image_matches(d->image_option, x) &&
            (c->best_id == 0 || x->image.created_at.ms > c->best_at.ms ||
             (x->image.created_at.ms == c->best_at.ms && x->id > c->best_id)))
            image_keep(c, x);
    }
}

static void image_page(struct do_fleet *d);

static void on_images(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;
    struct do_image_choice *c = &d->image;
    struct do_images page = {0};
    struct do_failure failure;
    struct arena arena;
    struct why why;

    c->call = NULL;
    if (!do_is_ok(a)) {
        do_failure_of(a, "looking up the image", false, &failure);
        image_settled(d, &failure);
        return;
    }
    arena_init(&arena);
    if (do_read_images(a->body, &arena, &page, &why) != ERR_OK) {
        do_failure_set(&failure, FLEET_FAULT_BUSY, 0, "looking up the image: %s", why.text);
        image_settled(d, &failure);
        goto done;
    }
    image_consider(d, &page);
    if (page.page.has_next && c->page < IMAGE_PAGES_MAX) {
        c->page++;
        image_page(d);
        goto done;
    }
    if (c->best_id == 0 && is_glob(d->image_option)) {
        do_failure_set(&failure, FLEET_FAULT_INVALID, 0,
                       "looking up the image: no snapshot of the account matches '%.80s'", d->image_option);
        image_settled(d, &failure);
        goto done;
    }
    if (c->best_id == 0) {
        image_forget(c);
        c->image = xstrdup(d->image_option); /* none of the account's is called so: it is a slug */
    }
    c->is_known = true;
    c->at = d->f->all->io.now(d->f->all->io.ctx);
    image_settled(d, NULL);
done:
    arena_done(&arena);
}

static void image_page(struct do_fleet *d)
{
    char path[DO_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "/v2/images?private=true&per_page=%u&page=%u", DO_PAGE_ITEMS_MAX,
                   d->image.page);
    cloud_call(d->f->all->cloud,
               &(struct cloud_call_opts){.path = path,
                                         .rank = CLOUD_CREATE,
                                         .patience_ms = DO_CREATE_PATIENCE_MS,
                                         .done = on_images,
                                         .ctx = d},
               &d->image.call);
}

/* Is it known what the option means? Else it is looked up, once for all who wait. */
static bool image_is_known(struct do_fleet *d)
{
    struct do_image_choice *c = &d->image;
    struct mono now = d->f->all->io.now(d->f->all->io.ctx);

    if (c->call != NULL)
        return false;
    if (c->is_known && mono_ms_between(c->at, now) < IMAGE_FRESH_MS)
        return true;
    image_forget(c);
    if (is_number(d->image_option)) {
        c->image = xstrdup(d->image_option);
        c->is_known = true;
        c->at = now;
        return true;
    }
    c->best_id = 0;
    c->page = 1;
    image_page(d);
    return false;
}

static void create_next(struct do_op *op)
{
    struct do_fleet *d = op->d;

    if (!image_is_known(d)) {
        op->waits_for_image = true;
        return;
    }
    while (op->region < d->o->regions.n && !image_is_in(&d->image, d->o->regions.at[op->region]))
        op->region++;
    if (op->region >= d->o->regions.n)
        no_region(op);
    else
        post(op, d->o->regions.at[op->region]);
}

/* From the loop: nothing is answered from inside of do_create(). */
static void on_begin(void *ctx)
{
    create_next(ctx);
}

void do_create(struct fleet *f, const struct machine_spec *spec)
{
    struct do_fleet *d = f->driver;
    struct do_op *op = do_op_new(d, &d->creates);

    op->spec = machine_spec_copy(spec);
    op->timer.fn = on_begin;
    op->timer.ctx = op;
    fleet_timer_set(f->all, &op->timer, f->all->io.now(f->all->io.ctx));
}

static void on_cancelled(void *ctx)
{
    struct do_failure why;

    do_failure_set(&why, FLEET_FAULT_BUSY, 0, "making a machine: it was called off before it was asked for");
    create_failed(ctx, &why);
}

void do_cancel(struct fleet *f, uint64_t server, uint64_t intent)
{
    struct do_fleet *d = f->driver;
    struct do_op *op = d->creates.first;

    while (op != NULL && (op->spec->server != server || op->spec->intent != intent))
        op = op->next;
    if (op == NULL || (op->call != NULL && !cloud_call_waits(op->call)))
        return;
    cloud_cancel(&op->call);
    op->waits_for_image = false;
    op->timer.fn = on_cancelled;
    fleet_timer_set(f->all, &op->timer, f->all->io.now(f->all->io.ctx));
}

void do_create_changed(struct do_fleet *d)
{
    /* A look-up that is under way ends with what the option meant before; those who wait for it ask again. */
    cloud_cancel(&d->image.call);
    image_forget(&d->image);
    for (struct do_op *op = d->creates.first; op != NULL; op = op->next) {
        op->region = 0;
        if (op->waits_for_image) {
            op->waits_for_image = false;
            fleet_timer_set(d->f->all, &op->timer, d->f->all->io.now(d->f->all->io.ctx));
        }
    }
}

void do_create_done(struct do_fleet *d)
{
    while (d->creates.first != NULL)
        do_op_free(&d->creates, d->creates.first);
    while (d->asides.first != NULL)
        do_op_free(&d->asides, d->asides.first);
    cloud_cancel(&d->image.call);
    image_forget(&d->image);
}
