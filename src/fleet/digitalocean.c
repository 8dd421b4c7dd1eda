/* digitalocean.c - droplets: what the driver is, how they are destroyed, and why something failed.
 *
 * A droplet that does not carry the mark of this instance is never touched, whoever names its id: its tags are read again right
 * before it is destroyed. The one exception is a droplet that this process made itself and has not yet seen in a list: DigitalOcean
 * says that tags are applied after it was made.
 *
 * See also do_create.c, do_list.c, do_renew.c, do_catalog.c, do_tidy.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fleet/do_private.h"

#define LOCKED_RETRY_MS 15000 /* another event of it is under way */

/* ---- small parts ---- */

struct do_op *do_op_new(struct do_fleet *d, struct do_ops *in)
{
    struct do_op *op = xcalloc(1, sizeof(*op));

    op->d = d;
    op->prev = in->last;
    if (in->last != NULL)
        in->last->next = op;
    else
        in->first = op;
    in->last = op;
    return op;
}

void do_op_free(struct do_ops *in, struct do_op *op)
{
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        in->first = op->next;
    if (op->next != NULL)
        op->next->prev = op->prev;
    else
        in->last = op->prev;
    cloud_cancel(&op->call);
    fleet_timer_stop(op->d->f->all, &op->timer);
    machine_spec_free(op->spec);
    free(op->machine);
    free(op);
}

struct do_reading do_reading_of(const struct do_fleet *d)
{
    return (struct do_reading){.instance = d->reach.is_any ? NULL : d->f->all->instance,
                               .is_private = d->o->address == 1};
}

void do_failure_set(struct do_failure *ret, enum fleet_fault fault, int64_t retry_after_ms, const char *fmt,
                    ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(ret->text, sizeof(ret->text), fmt, ap);
    va_end(ap);
    ret->f = (struct fleet_failure){.fault = fault, .retry_after_ms = retry_after_ms, .reason = ret->text};
}

void do_failure_of(const struct cloud_answer *a, const char *doing, bool is_create, struct do_failure *ret)
{
    enum fleet_fault doubt = is_create ? FLEET_FAULT_UNKNOWN : FLEET_FAULT_BUSY;
    char said[240];

    if (a->fate != HTTP_ANSWERED) {
        do_failure_set(ret, a->fate == HTTP_LOST ? doubt : FLEET_FAULT_BUSY, a->retry_after_ms,
                       a->fate == HTTP_LOST ? "%s: the answer of DigitalOcean was lost: %s"
                                            : "%s: DigitalOcean cannot be reached: %s",
                       doing, a->error);
        return;
    }
    (void)do_read_error(a->body, said, sizeof(said));
    if (said[0] == '\0')
        (void)snprintf(said, sizeof(said), "status %d, without a message", a->status);
    if (a->status == 401 || a->status == 403)
        do_failure_set(ret, FLEET_FAULT_AUTH, 0, "%s: DigitalOcean does not accept the token: %s", doing,
                       said);
    else if (a->status == 404)
        do_failure_set(ret, FLEET_FAULT_GONE, 0, "%s: DigitalOcean: %s", doing, said);
    else if (a->status == 429)
        do_failure_set(ret, FLEET_FAULT_BUSY, a->retry_after_ms, "%s: too many requests: DigitalOcean: %s",
                       doing, said);
    else if (a->status >= 500 || a->status < 400 || a->status == 408)
        do_failure_set(ret, doubt, a->retry_after_ms, "%s: DigitalOcean answered %d: %s", doing, a->status,
                       said);
    else
        do_failure_set(ret, FLEET_FAULT_INVALID, 0, "%s: DigitalOcean refuses it: %s", doing, said);
}

/* ---- known machines ---- */

struct do_known *do_known_find(struct do_fleet *d, const char *id)
{
    for (uint32_t i = 0; i < d->n_known; i++) {
        if (strcmp(d->known[i].id, id) == 0)
            return &d->known[i];
    }
    return NULL;
}

struct do_known *do_known_add(struct do_fleet *d, const char *id)
{
    struct do_known *k = do_known_find(d, id);

    if (k != NULL)
        return k;
    if (d->n_known == d->cap_known) {
        d->cap_known = d->cap_known == 0 ? 64 : d->cap_known * 2;
        d->known = xrealloc(d->known, d->cap_known * sizeof(*d->known));
    }
    k = &d->known[d->n_known++];
    *k = (struct do_known){.id = xstrdup(id)};
    return k;
}

void do_known_remove(struct do_fleet *d, const char *id)
{
    struct do_known *k = do_known_find(d, id);

    if (k == NULL)
        return;
    free(k->id);
    *k = d->known[--d->n_known];
}

/* ---- destroy ---- */

static void destroyed(struct do_op *op)
{
    struct do_fleet *d = op->d;
    struct fleet *f = d->f;
    char *machine = op->machine;

    op->machine = NULL;
    do_op_free(&d->destroys, op);
    do_known_remove(d, machine);
    f->all->told.destroyed(f->all->ctx, f, machine);
    free(machine);
}

static void destroy_failed(struct do_op *op, const struct do_failure *why)
{
    struct do_fleet *d = op->d;
    struct fleet *f = d->f;
    char *machine = op->machine;

    op->machine = NULL;
    do_op_free(&d->destroys, op);
    f->all->told.destroy_failed(f->all->ctx, f, machine, &why->f);
    free(machine);
}

static void on_deleted(void *ctx, const struct cloud_answer *a)
{
    struct do_op *op = ctx;
    struct do_failure why;

    op->call = NULL;
    if (do_is_ok(a) || (a->fate == HTTP_ANSWERED && a->status == 404)) {
        LOG_INFO("fleet.destroyed", "fleet=%s machine=%s", op->d->f->name, op->machine);
        destroyed(op);
        return;
    }
    do_failure_of(a, "destroying a machine", false, &why);
    if (a->fate == HTTP_ANSWERED && (a->status == 422 || a->status == 409 || a->status == 423)) {
        why.f.fault = FLEET_FAULT_BUSY; /* "Droplet already has a pending event" */
        why.f.retry_after_ms = LOCKED_RETRY_MS;
    }
    destroy_failed(op, &why);
}

static void send_delete(struct do_op *op)
{
    char path[DO_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "/v2/droplets/%s", op->machine);
    cloud_call(op->d->f->all->cloud,
               &(struct cloud_call_opts){.method = "DELETE",
                                         .path = path,
                                         .rank = CLOUD_DESTROY,
                                         .patience_ms = DO_DESTROY_PATIENCE_MS,
                                         .done = on_deleted,
                                         .ctx = op},
               &op->call);
}

/* A reaper has no records: what the tags say now decides. False: it is left alone. */
static bool may_reap(const struct do_fleet *d, const struct do_droplet *x, struct do_failure *why)
{
    int64_t now = d->f->all->io.wall(d->f->all->io.ctx).ms;

    if (!d->reach.is_reaper || d->reach.force)
        return true;
    if (x->mark.lease_until.ms > now)
        do_failure_set(why, FLEET_FAULT_INVALID, 0, "its lease was moved on meanwhile");
    else if (x->mark.lease_until.ms == 0 && d->reach.needs_lease)
        do_failure_set(why, FLEET_FAULT_INVALID, 0, "it has no lease any more");
    else
        return true;
    return false;
}

/* Is it ours to destroy? */
static void on_looked(void *ctx, const struct cloud_answer *a)
{
    struct do_op *op = ctx;
    struct do_reading how = do_reading_of(op->d);
    const struct do_known *k = do_known_find(op->d, op->machine);
    struct do_droplet droplet;
    struct do_failure failure;
    struct arena arena;
    struct why why;

    op->call = NULL;
    if (a->fate == HTTP_ANSWERED && a->status == 404) {
        destroyed(op);
        return;
    }
    if (!do_is_ok(a)) {
        do_failure_of(a, "destroying a machine", false, &failure);
        destroy_failed(op, &failure);
        return;
    }
    arena_init(&arena);
    if (do_read_droplet(a->body, &how, &arena, &droplet, &why) != ERR_OK) {
        do_failure_set(&failure, FLEET_FAULT_BUSY, LOCKED_RETRY_MS, "destroying a machine: %s", why.text);
        destroy_failed(op, &failure);
    } else if (strcmp(droplet.m.id, op->machine) != 0) {
        do_failure_set(&failure, FLEET_FAULT_BUSY, LOCKED_RETRY_MS,
                       "destroying a machine: DigitalOcean was asked for droplet %.30s and showed another",
                       op->machine);
        destroy_failed(op, &failure);
    } else if (!droplet.mark.is_ours && (k == NULL || !k->is_young)) {
        do_failure_set(&failure, FLEET_FAULT_INVALID, 0,
                       "droplet %.30s does not carry the tag " DO_TAG ":%.64s; it is left alone", op->machine,
                       op->d->f->all->instance);
        destroy_failed(op, &failure);
    } else if (!may_reap(op->d, &droplet, &failure)) {
        destroy_failed(op, &failure);
    } else {
        send_delete(op);
    }
    arena_done(&arena);
}

static void on_not_an_id(void *ctx)
{
    struct do_op *op = ctx;
    struct do_failure why;

    do_failure_set(&why, FLEET_FAULT_INVALID, 0, "'%.40s' is no droplet's number", op->machine);
    destroy_failed(op, &why);
}

bool do_is_id(const char *machine)
{
    size_t n = strlen(machine);

    return n > 0 && n <= 18 && machine[0] != '0' && strspn(machine, "0123456789") == n;
}

static void do_destroy(struct fleet *f, const char *machine)
{
    struct do_fleet *d = f->driver;
    struct do_op *op = do_op_new(d, &d->destroys);
    char path[DO_PATH_BYTES];

    op->machine = xstrdup(machine);
    if (!do_is_id(machine)) {
        op->timer.fn = on_not_an_id;
        op->timer.ctx = op;
        fleet_timer_set(f->all, &op->timer, f->all->io.now(f->all->io.ctx));
        return;
    }
    (void)snprintf(path, sizeof(path), "/v2/droplets/%s", machine);
    cloud_call(f->all->cloud,
               &(struct cloud_call_opts){.path = path,
                                         .rank = CLOUD_DESTROY,
                                         .patience_ms = DO_DESTROY_PATIENCE_MS,
                                         .done = on_looked,
                                         .ctx = op},
               &op->call);
}

/* ---- the way to a machine ---- */

struct do_way {
    struct do_way *next;
    char *machine;
    char *address;
    char *user;
};

static void way_free(struct do_way *w)
{
    free(w->machine);
    free(w->address);
    free(w->user);
    free(w);
}

static void on_ways(void *ctx)
{
    struct do_fleet *d = ctx;
    struct fleet *f = d->f;
    struct do_way *w = d->ways;
    struct fleet_way way = {.address = w->address, .user = w->user};

    d->ways = w->next;
    if (d->ways != NULL)
        fleet_timer_set(f->all, &d->ways_timer, f->all->io.now(f->all->io.ctx));
    f->all->told.way(f->all->ctx, f, w->machine, &way);
    way_free(w);
}

static void do_connect(struct fleet *f, const struct machine *m, const char *user)
{
    struct do_fleet *d = f->driver;
    struct do_way *w = xcalloc(1, sizeof(*w));
    struct do_way **last = &d->ways;

    w->machine = xstrdup(m->id);
    w->address = xstrdup(m->address);
    w->user = xstrdup(user[0] != '\0' ? user : d->o->user);
    while (*last != NULL)
        last = &(*last)->next;
    *last = w;
    fleet_timer_set(f->all, &d->ways_timer, f->all->io.now(f->all->io.ctx));
}

/* ---- the fleet ---- */

static void take_options(struct do_fleet *d, const struct do_options *o)
{
    d->o = o;
    if (o->image.text != NULL)
        (void)snprintf(d->image_option, sizeof(d->image_option), "%s", o->image.text);
    else
        (void)snprintf(d->image_option, sizeof(d->image_option), "%lld", (long long)o->image.number);
}

static enum err do_open(struct fleet *f, const void *options, struct why *reterr)
{
    struct do_fleet *d = xcalloc(1, sizeof(*d));

    (void)reterr;
    d->f = f;
    take_options(d, options);
    d->ways_timer.fn = on_ways;
    d->ways_timer.ctx = d;
    f->driver = d;
    return ERR_OK;
}

static void do_change(struct fleet *f, const void *options)
{
    struct do_fleet *d = f->driver;

    take_options(d, options);
    do_create_changed(d);
}

void do_reap(struct fleet *f, bool any, bool needs_lease, bool force)
{
    struct do_fleet *d = f->driver;

    CHECK(f->ops == &digitalocean_ops);
    d->reach =
        (struct do_reach){.is_reaper = true, .is_any = any, .needs_lease = needs_lease, .force = force};
}

static void do_close(struct fleet *f)
{
    struct do_fleet *d = f->driver;

    do_create_done(d);
    while (d->destroys.first != NULL)
        do_op_free(&d->destroys, d->destroys.first);
    do_list_done(d);
    do_renew_done(d);
    do_tag_done(d);
    do_catalog_done(d);
    do_tidy_done(d);
    fleet_timer_stop(f->all, &d->ways_timer);
    while (d->ways != NULL) {
        struct do_way *w = d->ways;

        d->ways = w->next;
        way_free(w);
    }
    for (uint32_t i = 0; i < d->n_known; i++)
        free(d->known[i].id);
    free(d->known);
    free(d);
}

const struct fleet_ops digitalocean_ops = {
    .kind = "digitalocean",
    .help = "droplets of a DigitalOcean account; cloud_token of the credentials is its token",
    .options = do_option_fields,
    .presets = &do_presets,
    .options_bytes = sizeof(struct do_options),
    .check = do_options_check,
    .makes_machines = true,
    .billing = {.unit_s = 1, .min_s = 60},
    .open = do_open,
    .change = do_change,
    .create = do_create,
    .cancel = do_cancel,
    .destroy = do_destroy,
    .list = do_list,
    .renew = do_renew,
    .catalog = do_catalog,
    .connect = do_connect,
    .close = do_close,
};
