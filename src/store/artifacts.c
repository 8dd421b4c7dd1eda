/* artifacts.c - the files that runs left to be kept: their rows. The bytes are in packs (pack.h), which others write and remove:
 * a pack is on disk before its rows are, and goes after they went. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "store/pack.h"
#include "store/store_private.h"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static void sums_change(struct writer *w, int64_t packs, int64_t files, int64_t bytes)
{
    struct db_stmt *s = db_sql(w->db, "UPDATE artifact_sums SET packs = packs + ?, files = files + ?, "
                                      "bytes = bytes + ? WHERE id = 1");

    db_int(s, packs);
    db_int(s, files);
    db_int(s, bytes);
    (void)db_run(s);
}

/* Forget what there is of a run (name NULL), or only this pack of it. The name of what went in `ret`; "" nothing. */
static void pack_delete(struct writer *w, struct run_id run, const char *name, char ret[ARTIFACT_PACK_BYTES])
{
    struct db_stmt *s = db_sql(w->db, "SELECT name, files, bytes FROM artifact_packs WHERE run = ?");
    int64_t files = 0;
    int64_t bytes = 0;

    ret[0] = '\0';
    db_uint(s, run.v);
    while (db_row(s)) {
        const char *found = db_get_text(s);

        if (name == NULL || strcmp(name, found) == 0)
            (void)snprintf(ret, ARTIFACT_PACK_BYTES, "%s", found);
        files = db_get_int(s);
        bytes = db_get_int(s);
    }
    if (ret[0] == '\0')
        return;
    s = db_sql(w->db, "DELETE FROM artifacts WHERE run = ?");
    db_uint(s, run.v);
    (void)db_run(s);
    s = db_sql(w->db, "DELETE FROM artifact_packs WHERE run = ?");
    db_uint(s, run.v);
    (void)db_run(s);
    sums_change(w, -1, -files, -bytes);
}

void artifacts_delete(struct writer *w, struct run_id run)
{
    char name[ARTIFACT_PACK_BYTES];
    char path[GOING_FILE_BYTES];

    pack_delete(w, run, NULL, name);
    if (name[0] == '\0')
        return;
    pack_path(path, sizeof(path), "", name);
    going_file(w, path + 1);
}

static void row_add(struct writer *w, const struct artifacts_put *put, const struct artifact_row *row)
{
    struct db_stmt *s = db_sql(
        w->db, "INSERT INTO artifacts (id, run, launch, path, bytes, mtime, pack_offset, crc, example) "
               "VALUES (?,?,?,?,?,?,?,?,-1)");

    db_uint(s, ids_take(w, ID_ARTIFACT));
    db_uint(s, put->run.v);
    db_uint(s, put->launch.v);
    db_text(s, row->path);
    db_uint(s, row->bytes);
    db_int(s, row->mtime_ms);
    db_uint(s, row->offset);
    db_int(s, row->crc);
    (void)db_run(s);
}

static void pack_add(struct writer *w, const struct artifacts_put *put)
{
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO artifact_packs (run, launch, name, created_at, files, bytes) "
                      "VALUES (?,?,?,?,?,?)");
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < put->n; i++)
        bytes += put->rows[i].bytes;
    db_uint(s, put->run.v);
    db_uint(s, put->launch.v);
    db_text(s, put->pack);
    db_int(s, put->at.ms);
    db_uint(s, put->n);
    db_uint(s, bytes);
    (void)db_run(s);
    for (uint32_t i = 0; i < put->n; i++)
        row_add(w, put, &put->rows[i]);
    sums_change(w, 1, put->n, (int64_t)bytes);
}

static enum err artifacts_put(struct writer *w, void *arg, struct why *reterr)
{
    struct artifacts_put *put = arg;
    struct live_run *live = live_run_get(w, put->run.v);

    if (db_failed(w->db))
        return ERR_OK;
    if (live == NULL)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no run %llu", (unsigned long long)put->run.v);
    if (live->state == RUN_DONE || live->state == RUN_LOST)
        return why_set(reterr, ERR_CONFLICT, NULL, "run %llu is over", (unsigned long long)put->run.v);
    put->launch.v = live->launch;
    pack_delete(w, put->run, NULL, put->replaced);
    if (put->n > 0)
        pack_add(w, put);
    live->has_artifacts = put->n > 0;
    fault_crash("artifacts.crash_before_commit");
    return ERR_OK;
}

static enum err artifact_delete(struct writer *w, void *arg, struct why *reterr)
{
    struct artifact_gone *gone = arg;
    struct db_stmt *s =
        db_sql(w->db, "SELECT a.run, a.launch, a.bytes, a.pack_offset, p.name, p.files FROM artifacts a "
                      "JOIN artifact_packs p ON p.run = a.run WHERE a.id = ?");
    uint64_t files = 0;

    db_uint(s, gone->id);
    while (db_row(s)) {
        gone->run.v = db_get_uint(s);
        gone->launch.v = db_get_uint(s);
        gone->bytes = db_get_uint(s);
        gone->offset = db_get_uint(s);
        (void)snprintf(gone->pack, sizeof(gone->pack), "%s", db_get_text(s));
        files = db_get_uint(s);
    }
    if (files == 0 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no artifact %llu", (unsigned long long)gone->id);
    gone->was_last = files == 1;
    if (gone->was_last) {
        pack_delete(w, gone->run, NULL, gone->pack);
        return ERR_OK;
    }
    s = db_sql(w->db, "DELETE FROM artifacts WHERE id = ?");
    db_uint(s, gone->id);
    (void)db_run(s);
    s = db_sql(w->db, "UPDATE artifact_packs SET files = files - 1, bytes = bytes - ? WHERE run = ?");
    db_uint(s, gone->bytes);
    db_uint(s, gone->run.v);
    (void)db_run(s);
    sums_change(w, 0, -1, -(int64_t)gone->bytes);
    return ERR_OK;
}

static enum err artifacts_drop(struct writer *w, void *arg, struct why *reterr)
{
    struct artifact_drop *drop = arg;
    char name[ARTIFACT_PACK_BYTES];

    (void)reterr;
    for (uint32_t i = 0; i < drop->n; i++) {
        pack_delete(w, drop->at[i].run, drop->at[i].name, name);
        drop->at[i].is_gone = name[0] != '\0';
    }
    return ERR_OK;
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

static void not_ours(void *arg)
{
    (void)arg; /* the caller's, until `done` */
}

void store_artifacts_put(struct store *st, struct artifacts_put *put, store_done_fn *done, void *ctx)
{
    store_call(st, artifacts_put, put, not_ours, done, ctx);
}

void store_artifact_delete(struct store *st, struct artifact_gone *gone, store_done_fn *done, void *ctx)
{
    store_call(st, artifact_delete, gone, not_ours, done, ctx);
}

void store_artifacts_drop(struct store *st, struct artifact_drop *drop, store_done_fn *done, void *ctx)
{
    store_call(st, artifacts_drop, drop, not_ours, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

#define COLUMNS                                                                                 \
    "a.id, a.run, a.launch, a.path, a.bytes, a.mtime, a.pack_offset, a.crc, a.example, p.name " \
    "FROM artifacts a JOIN artifact_packs p ON p.run = a.run "

static void get_artifact(struct db_stmt *s, struct artifact_row *row)
{
    *row = (struct artifact_row){.id = db_get_uint(s)};
    row->run.v = db_get_uint(s);
    row->launch.v = db_get_uint(s);
    row->path = db_get_text(s);
    row->bytes = db_get_uint(s);
    row->mtime_ms = db_get_int(s);
    row->offset = db_get_uint(s);
    row->crc = (uint32_t)db_get_uint(s);
    row->example = db_get_int(s);
    row->pack = db_get_text(s);
}

enum err read_artifact(struct reader *r, uint64_t id, artifact_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS "WHERE a.id = ?");
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        struct artifact_row row;

        found = true;
        get_artifact(s, &row);
        each(ctx, &row);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no artifact %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}

enum err read_artifacts(struct reader *r, const struct artifact_filter *f, struct page *p, artifact_fn *each,
                        void *ctx, struct why *reterr)
{
    struct db_stmt *s =
        f->run.v != 0
            ? db_sql(r->db, "SELECT " COLUMNS "WHERE a.run = ? AND a.id > ? ORDER BY a.id LIMIT ?")
            : db_sql(r->db, "SELECT " COLUMNS "WHERE a.launch = ? AND a.id > ? ORDER BY a.id LIMIT ?");
    uint32_t n = 0;
    uint64_t last = 0;

    CHECK((f->run.v == 0) != (f->launch.v == 0));
    p->next = 0;
    db_uint(s, f->run.v != 0 ? f->run.v : f->launch.v);
    db_uint(s, p->after);
    db_int(s, page_limit(p));
    while (db_row(s)) {
        struct artifact_row row;

        if (!page_take(p, &n, last)) {
            db_end(s);
            break;
        }
        get_artifact(s, &row);
        last = row.id;
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_artifact_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT l.user_id FROM artifacts a JOIN launches l ON l.id = a.launch WHERE a.id = ?");
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        found = true;
        ret->v = db_get_uint(s);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no artifact %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}

enum err read_artifact_sums(struct reader *r, struct artifact_sums *ret, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT packs, files, bytes FROM artifact_sums WHERE id = 1");

    *ret = (struct artifact_sums){0};
    while (db_row(s)) {
        ret->packs = db_get_uint(s);
        ret->files = db_get_uint(s);
        ret->bytes = db_get_uint(s);
    }
    return db_error(r->db, reterr);
}

static void get_pack(struct db_stmt *s, struct artifact_pack_row *row)
{
    *row = (struct artifact_pack_row){.run = {db_get_uint(s)}};
    row->launch.v = db_get_uint(s);
    row->name = db_get_text(s);
    row->created_at.ms = db_get_int(s);
    row->files = (uint32_t)db_get_uint(s);
    row->bytes = db_get_uint(s);
}

#define PACK_COLUMNS "p.run, p.launch, p.name, p.created_at, p.files, p.bytes"

enum err read_artifact_packs_oldest(struct reader *r, uint32_t max, artifact_pack_fn *each, void *ctx,
                                    struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " PACK_COLUMNS " FROM artifact_packs p WHERE p.created_at >= 0 "
                                      "ORDER BY p.created_at, p.run LIMIT ?");

    db_int(s, max);
    while (db_row(s)) {
        struct artifact_pack_row row;

        get_pack(s, &row);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_artifact_packs_orphaned(struct reader *r, struct run_id *at, uint32_t max,
                                      artifact_pack_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT " PACK_COLUMNS ", r.id IS NULL FROM artifact_packs p "
                      "LEFT JOIN runs r ON r.id = p.run WHERE p.run > ? ORDER BY p.run LIMIT ?");
    uint32_t n = 0;

    db_uint(s, at->v);
    db_int(s, max);
    while (db_row(s)) {
        struct artifact_pack_row row;

        n++;
        get_pack(s, &row);
        at->v = row.run.v;
        if (db_get_int(s) != 0)
            each(ctx, &row);
    }
    if (n < max)
        at->v = 0;
    return db_error(r->db, reterr);
}

enum err read_artifact_pack_is_known(struct reader *r, struct run_id run, const char *name, bool *ret,
                                     struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT name FROM artifact_packs WHERE run = ?");

    *ret = false;
    db_uint(s, run.v);
    while (db_row(s))
        *ret = strcmp(db_get_text(s), name) == 0;
    return db_error(r->db, reterr);
}

enum err read_launch_artifacts(struct reader *r, struct launch_id id,
                               void (*each)(void *ctx, const char *glob), void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT globs FROM launch_artifacts WHERE launch = ?");

    db_uint(s, id.v);
    while (db_row(s)) {
        uint32_t n;
        const char *const *globs = words_decode(&r->row, db_get_bytes(s), &n);

        for (uint32_t i = 0; i < n; i++)
            each(ctx, globs[i]);
    }
    return db_error(r->db, reterr);
}
