/* keeper_tidy.c - artifacts that go: at a start what no row names, and from time to time what is old, too much, or of runs that
 * are not there any more. All in small steps; a pack's file is removed after the commit that takes its rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/keeper_private.h"
#include "server/retention.h"

#define FOLDERS 256u
#define NAMES_BYTES_MAX MIB(16) /* of one folder */
#define DAY_MS INT64_C(86400000)
#define ORPHANS_LOOKED_AT 1000u

/* ---- one file ---- */

struct removal {
    uv_work_t work;
    struct keeper *keeper;
    char name[ARTIFACT_PACK_BYTES];
    uint64_t offset;
    uint64_t bytes; /* to be punched out; 0: the file goes */
    bool is_gone;
};

static void on_remove_work(uv_work_t *work)
{
    struct removal *r = work->data;

    if (r->bytes > 0)
        pack_punch(r->keeper->dir, r->name, r->offset, r->bytes);
    r->is_gone = r->bytes > 0 || pack_remove(r->keeper->dir, r->name);
}

static void on_removed(uv_work_t *work, int status)
{
    struct removal *r = work->data;
    struct keeper *k = r->keeper;

    (void)status;
    if (!r->is_gone) /* the next start tries again */
        LOG_WARN("artifacts.stays", "pack=%s", r->name);
    free(r);
    k->n_removals--;
}

static void remove_piece(struct keeper *k, const char *name, uint64_t offset, uint64_t bytes)
{
    struct removal *r = xcalloc(1, sizeof(*r));

    r->work.data = r;
    r->keeper = k;
    (void)snprintf(r->name, sizeof(r->name), "%s", name);
    r->offset = offset;
    r->bytes = bytes;
    k->n_removals++;
    CHECK(uv_queue_work(&k->server->loop, &r->work, on_remove_work, on_removed) == 0);
}

void keeper_remove(struct keeper *k, const char *name)
{
    remove_piece(k, name, 0, 0);
}

void keeper_gone(void *server, const struct artifact_gone *gone)
{
    struct server *s = server;

    if (gone->was_last)
        keeper_remove(s->keeper, gone->pack);
    else if (gone->bytes > 0)
        remove_piece(s->keeper, gone->pack, gone->offset, gone->bytes);
}

/* ---- at a start: a folder after the other ---- */

struct tidy {
    uv_work_t work;
    struct keeper *keeper;
    unsigned folder;
    struct buf names;   /* a NUL after each */
    struct buf unknown; /* of them: those to remove */
    uint32_t n_removed;
};

static void tidy_folder(struct tidy *t);

static void tidy_end(struct tidy *t)
{
    struct keeper *k = t->keeper;

    if (t->n_removed > 0)
        LOG_INFO("artifacts.tidied", "packs=%u", t->n_removed);
    buf_done(&t->names);
    buf_done(&t->unknown);
    free(t);
    k->tidy = NULL;
    if (!k->is_halted)
        retention_start(k->server);
}

static void on_unknown_work(uv_work_t *work)
{
    struct tidy *t = work->data;

    for (const char *n = buf_str(&t->unknown); n < buf_str(&t->unknown) + t->unknown.len; n += strlen(n) + 1)
        t->n_removed += pack_remove(t->keeper->dir, n);
}

static void on_unknown_removed(uv_work_t *work, int status)
{
    struct tidy *t = work->data;

    (void)status;
    t->folder++;
    tidy_folder(t);
}

static void known_job(struct reader *r, void *arg)
{
    struct tidy *t = arg;
    const char *end = buf_str(&t->names) + t->names.len;

    for (const char *n = buf_str(&t->names); n < end; n += strlen(n) + 1) {
        bool is_known = true;
        bool is_ours = false;
        uint64_t run = pack_run(n, t->keeper->stamp, &is_ours);

        if (is_ours)
            continue;
        /* When it cannot be read, nothing is removed. */
        if (read_artifact_pack_is_known(r, (struct run_id){run}, n, &is_known, NULL) == ERR_OK && !is_known)
            buf_put(&t->unknown, n, strlen(n) + 1);
    }
}

static void on_known(void *arg)
{
    struct tidy *t = arg;

    if (t->unknown.len > 0 && !t->keeper->is_halted) {
        CHECK(uv_queue_work(&t->keeper->server->loop, &t->work, on_unknown_work, on_unknown_removed) == 0);
        return;
    }
    t->folder++;
    tidy_folder(t);
}

static void on_list_work(uv_work_t *work)
{
    struct tidy *t = work->data;

    for (; t->folder < FOLDERS && t->names.len == 0; t->folder++)
        pack_list(t->keeper->dir, t->folder, &t->names);
    t->folder--; /* the one that has something, or the last */
}

static void on_listed(uv_work_t *work, int status)
{
    struct tidy *t = work->data;

    (void)status;
    if (t->names.len == 0 || t->keeper->is_halted)
        tidy_end(t);
    else
        store_read(t->keeper->server->store, known_job, on_known, t);
}

static void tidy_folder(struct tidy *t)
{
    buf_clear(&t->names);
    buf_clear(&t->unknown);
    if (t->folder >= FOLDERS || t->keeper->is_halted)
        tidy_end(t);
    else
        CHECK(uv_queue_work(&t->keeper->server->loop, &t->work, on_list_work, on_listed) == 0);
}

void tidy_start(struct keeper *k)
{
    struct tidy *t = xcalloc(1, sizeof(*t));

    k->tidy = t;
    t->keeper = k;
    t->work.data = t;
    buf_init(&t->names, NAMES_BYTES_MAX);
    buf_init(&t->unknown, NAMES_BYTES_MAX);
    tidy_folder(t);
}

/* ---- from time to time ---- */

struct prune {
    struct keeper *keeper;
    struct wall before;    /* what was made earlier goes */
    uint64_t bytes_max;    /* 0: any */
    uint64_t bytes;        /* of all, less what goes in this step */
    struct run_id orphans; /* looked for behind this one */
    bool is_first;         /* the orphans are to be looked for */
    bool is_urgent;        /* the disk is low: `before` is a day ago, and one step is made */
    uint64_t needed;       /* then: bytes that are enough */
    keeper_pruned_fn *done;
    void *ctx;
    struct artifact_drop drop;
    uint32_t n_dropped;
    uint64_t bytes_dropped;
};

static void prune_step(struct prune *p);

static void drop_add(struct prune *p, const struct artifact_pack_row *row)
{
    if (p->drop.n == ARTIFACT_DROP_MAX)
        return;
    p->drop.at[p->drop.n].run = row->run;
    (void)snprintf(p->drop.at[p->drop.n].name, ARTIFACT_PACK_BYTES, "%s", row->name);
    p->drop.n++;
    p->bytes -= row->bytes < p->bytes ? row->bytes : p->bytes;
    p->bytes_dropped += row->bytes;
}

static void each_oldest(void *ctx, const struct artifact_pack_row *row)
{
    struct prune *p = ctx;

    if (p->is_urgent && p->bytes_dropped >= p->needed)
        return;
    if (row->created_at.ms < p->before.ms || (p->bytes_max > 0 && p->bytes > p->bytes_max))
        drop_add(p, row);
}

static void each_orphan(void *ctx, const struct artifact_pack_row *row)
{
    drop_add(ctx, row);
}

static void prune_job(struct reader *r, void *arg)
{
    struct prune *p = arg;
    struct artifact_sums sums;

    p->drop.n = 0;
    if (read_artifact_sums(r, &sums, NULL) != ERR_OK)
        return;
    p->bytes = sums.bytes;
    if (read_artifact_packs_oldest(r, ARTIFACT_DROP_MAX, each_oldest, p, NULL) != ERR_OK || p->drop.n > 0)
        return;
    if (p->is_urgent)
        return;
    /* Of many orphans of one look only the first are dropped; the next round finds the others. */
    if ((p->is_first || p->orphans.v != 0) &&
        read_artifact_packs_orphaned(r, &p->orphans, ORPHANS_LOOKED_AT, each_orphan, p, NULL) != ERR_OK)
        p->orphans.v = 0;
    p->is_first = false;
}

static void prune_end(struct prune *p)
{
    struct keeper *k = p->keeper;
    struct prune was = *p;

    if (p->n_dropped > 0)
        LOG_INFO("artifacts.pruned", "runs=%u bytes=%llu%s", p->n_dropped,
                 (unsigned long long)p->bytes_dropped, p->is_urgent ? " why=disk" : "");
    free(p);
    k->prune = NULL;
    was.done(was.ctx, was.n_dropped, was.bytes_dropped);
}

static void on_dropped(void *ctx, enum err err, const struct why *why)
{
    struct prune *p = ctx;

    if (err == ERR_IO)
        server_die("artifacts.prune", why);
    for (uint32_t i = 0; err == ERR_OK && i < p->drop.n; i++) {
        if (!p->drop.at[i].is_gone)
            continue;
        p->n_dropped++;
        keeper_remove(p->keeper, p->drop.at[i].name);
    }
    if (p->is_urgent)
        prune_end(p);
    else
        prune_step(p);
}

static void on_prune_read(void *arg)
{
    struct prune *p = arg;

    if (p->keeper->is_halted || (p->drop.n == 0 && p->orphans.v == 0))
        prune_end(p);
    else if (p->drop.n == 0)
        prune_step(p);
    else
        store_artifacts_drop(p->keeper->server->store, &p->drop, on_dropped, p);
}

static void prune_step(struct prune *p)
{
    if (p->keeper->is_halted)
        prune_end(p);
    else
        store_read(p->keeper->server->store, prune_job, on_prune_read, p);
}

void keeper_prune(struct server *s, uint64_t needed, keeper_pruned_fn *done, void *ctx)
{
    struct keeper *k = s->keeper;
    const struct settings *set = &s->opts.config->set;
    struct prune *p;

    if (k->prune != NULL || k->tidy != NULL || k->is_halted) {
        done(ctx, 0, 0);
        return;
    }
    p = xcalloc(1, sizeof(*p));
    k->prune = p;
    p->keeper = k;
    p->before.ms = wall_now().ms - (needed > 0 ? 1 : set->artifact_days) * DAY_MS;
    p->bytes_max = (uint64_t)set->artifacts_max_bytes;
    p->is_first = true;
    p->is_urgent = needed > 0;
    p->needed = needed;
    p->done = done;
    p->ctx = ctx;
    prune_step(p);
}
