/* do_renew.c - the end of a lease is a tag: put the new one on, then take the old ones off.
 *
 * Machines whose lease ends at the same time, rounded, are tagged together: 200 of them cost a handful of calls. The later tag
 * counts, so that nothing is lost when the second half fails.
 *
 * A machine that neither a list nor its own create call has shown is looked at first: without our mark it is left alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fleet/do_private.h"

/* ---- putting a tag on droplets ---- */

static void tagging_free(struct do_tagging *t)
{
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        t->d->taggings = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    cloud_cancel(&t->call);
    buf_done(&t->body);
    free(t);
}

static void tagged(struct do_tagging *t, const struct cloud_answer *a)
{
    void (*done)(void *ctx, const struct cloud_answer *a) = t->done;
    void *ctx = t->ctx;

    tagging_free(t);
    done(ctx, a);
}

static void on_put(void *ctx, const struct cloud_answer *a)
{
    struct do_tagging *t = ctx;

    t->call = NULL;
    tagged(t, a);
}

static void on_made(void *ctx, const struct cloud_answer *a)
{
    struct do_tagging *t = ctx;
    struct buf path;

    t->call = NULL;
    /* 422: there is one of that name already, which is what we want. */
    if (!do_is_ok(a) && !(a->fate == HTTP_ANSWERED && a->status == 422)) {
        tagged(t, a);
        return;
    }
    buf_init(&path, KIB(2));
    buf_puts(&path, "/v2/tags/");
    do_write_segment(t->tag, &path);
    buf_puts(&path, "/resources");
    cloud_call(t->d->f->all->cloud,
               &(struct cloud_call_opts){.method = "POST",
                                         .path = buf_str(&path),
                                         .body = buf_slice(&t->body),
                                         .rank = t->rank,
                                         .patience_ms = DO_RENEW_PATIENCE_MS,
                                         .done = on_put,
                                         .ctx = t},
               &t->call);
    buf_done(&path);
}

void do_tag(struct do_fleet *d, const char *tag, const char *const *ids, uint32_t n, enum cloud_rank rank,
            void (*done)(void *ctx, const struct cloud_answer *a), void *ctx)
{
    struct do_tagging *t = xcalloc(1, sizeof(*t));
    char body[DO_TAG_BYTES + 16];

    CHECK(n > 0);
    CHECK(n <= DO_TAGGED_MAX);
    t->d = d;
    t->rank = rank;
    t->done = done;
    t->ctx = ctx;
    (void)snprintf(t->tag, sizeof(t->tag), "%s", tag);
    buf_init(&t->body, KIB(64));
    do_write_resources(ids, n, &t->body);
    t->next = d->taggings;
    if (t->next != NULL)
        t->next->prev = t;
    d->taggings = t;
    (void)snprintf(body, sizeof(body), "{\"name\":\"%s\"}", tag); /* tags have no quotes */
    cloud_call(d->f->all->cloud,
               &(struct cloud_call_opts){.method = "POST",
                                         .path = "/v2/tags",
                                         .body = slice_of(body),
                                         .rank = rank,
                                         .patience_ms = DO_RENEW_PATIENCE_MS,
                                         .done = on_made,
                                         .ctx = t},
               &t->call);
}

void do_tag_done(struct do_fleet *d)
{
    while (d->taggings != NULL)
        tagging_free(d->taggings);
}

/* ---- renewing ---- */

static void renew_turn(void *ctx);

static void wake(struct do_fleet *d)
{
    d->renew.timer.fn = renew_turn;
    d->renew.timer.ctx = d;
    fleet_timer_set(d->f->all, &d->renew.timer, d->f->all->io.now(d->f->all->io.ctx));
}

/* Tell one end; why NULL: it was renewed. */
static void renewed(struct do_fleet *d, struct do_ops *in, struct do_op *op, const struct do_failure *why)
{
    struct fleet *f = d->f;
    char *machine = op->machine;
    struct wall until = do_lease_round(op->lease_until);

    op->machine = NULL;
    do_op_free(in, op);
    if (why == NULL)
        f->all->told.renewed(f->all->ctx, f, machine, until);
    else
        f->all->told.renew_failed(f->all->ctx, f, machine, &why->f);
    free(machine);
}

static void batch_ends(struct do_fleet *d, const struct do_failure *why)
{
    d->renew.is_tagging = false;
    while (d->renew.batch.first != NULL)
        renewed(d, &d->renew.batch, d->renew.batch.first, why);
    wake(d);
}

static void on_untagged(void *ctx, const struct cloud_answer *a);

/* Take off the old tag of as many of the batch as share it; false: there is none left. */
static bool untag_next(struct do_fleet *d)
{
    const char *ids[DO_TAGGED_MAX];
    char old[DO_TAG_BYTES] = "";
    struct buf body;
    struct buf path;
    uint32_t n = 0;

    for (struct do_op *op = d->renew.batch.first; op != NULL; op = op->next) {
        struct do_known *k = do_known_find(d, op->machine);

        if (k == NULL || k->until[0] == '\0' || strcmp(k->until, d->renew.tag) == 0)
            continue;
        if (n > 0 && strcmp(k->until, old) != 0)
            continue;
        (void)snprintf(old, sizeof(old), "%s", k->until);
        (void)snprintf(k->until, sizeof(k->until), "%s", d->renew.tag);
        ids[n++] = op->machine;
    }
    if (n == 0)
        return false;
    buf_init(&body, KIB(64));
    do_write_resources(ids, n, &body);
    buf_init(&path, KIB(2));
    buf_puts(&path, "/v2/tags/");
    do_write_segment(old, &path);
    buf_puts(&path, "/resources");
    cloud_call(d->f->all->cloud,
               &(struct cloud_call_opts){.method = "DELETE",
                                         .path = buf_str(&path),
                                         .body = buf_slice(&body),
                                         .rank = CLOUD_TIDY,
                                         .patience_ms = DO_LIST_PATIENCE_MS,
                                         .done = on_untagged,
                                         .ctx = d},
               &d->renew.call);
    buf_done(&path);
    buf_done(&body);
    return true;
}

/* An old tag that stays does no harm: the later one counts. */
static void on_untagged(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;

    d->renew.call = NULL;
    if (!do_is_ok(a) && !(a->fate == HTTP_ANSWERED && a->status == 404))
        LOG_WARN("fleet.untag", "fleet=%s status=%d", d->f->name, a->status);
    if (!untag_next(d))
        batch_ends(d, NULL);
}

static void on_batch_tagged(void *ctx, const struct cloud_answer *a)
{
    struct do_fleet *d = ctx;
    struct do_failure why;

    if (do_is_ok(a)) {
        if (!untag_next(d))
            batch_ends(d, NULL);
        return;
    }
    if (a->fate == HTTP_ANSWERED && (a->status == 404 || a->status == 422) &&
        d->renew.batch.first != d->renew.batch.last) {
        /* One of them is not there, and the answer does not say which. */
        d->renew.is_tagging = false;
        while (d->renew.batch.first != NULL) {
            struct do_op *op = d->renew.batch.first;
            struct do_op *back = do_op_new(d, &d->renew.waiting);

            back->machine = op->machine;
            back->lease_until = op->lease_until;
            back->is_checked = true;
            op->machine = NULL;
            do_op_free(&d->renew.batch, op);
            d->renew.singly++;
        }
        wake(d);
        return;
    }
    do_failure_of(a, "renewing the lease of a machine", false, &why);
    batch_ends(d, &why);
}

static void begin_batch(struct do_fleet *d)
{
    const char *ids[DO_TAGGED_MAX];
    uint32_t most = d->renew.singly > 0 ? 1 : DO_TAGGED_MAX;
    uint32_t n = 0;
    struct do_op *next;

    for (struct do_op *op = d->renew.waiting.first; op != NULL && n < most; op = next) {
        struct wall until = do_lease_round(op->lease_until);
        struct do_op *in;

        next = op->next;
        if (!op->is_checked || (n > 0 && until.ms != d->renew.until.ms))
            continue;
        d->renew.until = until;
        in = do_op_new(d, &d->renew.batch);
        in->machine = op->machine;
        in->lease_until = op->lease_until;
        in->is_checked = true;
        op->machine = NULL;
        do_op_free(&d->renew.waiting, op);
        ids[n++] = in->machine;
    }
    if (n == 0)
        return;
    if (d->renew.singly > 0)
        d->renew.singly--;
    d->renew.is_tagging = true;
    (void)do_tag_until(d->renew.until, d->renew.tag);
    do_tag(d, d->renew.tag, ids, n, CLOUD_RENEW, on_batch_tagged, d);
}

/* Does it carry our mark? */
static void on_renew_looked(void *ctx, const struct cloud_answer *a)
{
    struct do_op *op = ctx;
    struct do_fleet *d = op->d;
    struct do_reading how = do_reading_of(d);
    struct do_droplet x;
    struct do_failure failure;
    struct arena arena;
    struct why why;

    op->call = NULL;
    if (!do_is_ok(a)) {
        do_failure_of(a, "renewing the lease of a machine", false, &failure);
        renewed(d, &d->renew.waiting, op, &failure);
        return;
    }
    arena_init(&arena);
    if (do_read_droplet(a->body, &how, &arena, &x, &why) != ERR_OK) {
        do_failure_set(&failure, FLEET_FAULT_BUSY, 0, "renewing the lease of a machine: %s", why.text);
        renewed(d, &d->renew.waiting, op, &failure);
    } else if (!x.mark.is_ours || strcmp(x.m.id, op->machine) != 0) {
        do_failure_set(&failure, FLEET_FAULT_INVALID, 0,
                       "droplet %.30s does not carry the tag " DO_TAG ":%.64s; it is left alone", op->machine,
                       d->f->all->instance);
        renewed(d, &d->renew.waiting, op, &failure);
    } else {
        op->is_checked = true;
        wake(d);
    }
    arena_done(&arena);
}

static void look(struct do_op *op)
{
    char path[DO_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "/v2/droplets/%s", op->machine);
    cloud_call(op->d->f->all->cloud,
               &(struct cloud_call_opts){.path = path,
                                         .rank = CLOUD_RENEW,
                                         .patience_ms = DO_RENEW_PATIENCE_MS,
                                         .done = on_renew_looked,
                                         .ctx = op},
               &op->call);
}

static void renew_turn(void *ctx)
{
    struct do_fleet *d = ctx;
    struct do_op *next;

    for (struct do_op *op = d->renew.waiting.first; op != NULL; op = next) {
        next = op->next;
        if (op->is_checked || op->call != NULL)
            continue;
        if (do_known_find(d, op->machine) != NULL) {
            op->is_checked = true;
        } else if (do_is_id(op->machine)) {
            look(op);
        } else {
            struct do_failure why;

            do_failure_set(&why, FLEET_FAULT_INVALID, 0, "'%.40s' is no droplet's number", op->machine);
            renewed(d, &d->renew.waiting, op, &why);
            wake(d); /* the answer may have changed the list */
            return;
        }
    }
    if (!d->renew.is_tagging)
        begin_batch(d);
}

void do_renew(struct fleet *f, const char *machine, struct wall lease_until)
{
    struct do_fleet *d = f->driver;
    struct do_op *op = do_op_new(d, &d->renew.waiting);

    op->machine = xstrdup(machine);
    op->lease_until = lease_until;
    wake(d);
}

void do_renew_done(struct do_fleet *d)
{
    fleet_timer_stop(d->f->all, &d->renew.timer);
    cloud_cancel(&d->renew.call);
    while (d->renew.waiting.first != NULL)
        do_op_free(&d->renew.waiting, d->renew.waiting.first);
    while (d->renew.batch.first != NULL)
        do_op_free(&d->renew.batch, d->renew.batch.first);
}
