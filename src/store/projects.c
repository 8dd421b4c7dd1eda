/* projects.c - projects: written by the API, read by it; the engine knows their ids only. */
#include <stdio.h>
#include <stdlib.h>

#include "store/store_private.h"

#define COLUMNS "id, name, url, created_at, refreshed_at, error, refresh_s"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static bool name_is_taken(struct writer *w, const struct project_row *row)
{
    struct db_stmt *s = db_sql(w->db, "SELECT id FROM projects WHERE name = ? AND id <> ?");
    bool taken = false;

    db_text(s, row->name);
    db_uint(s, row->id.v);
    while (db_row(s))
        taken = true;
    return taken;
}

enum err project_put(struct writer *w, const struct project_row *row, uint64_t *ret_id, struct why *reterr)
{
    bool is_new = row->id.v == 0;
    struct db_stmt *s;
    uint64_t id = row->id.v;

    if (name_is_taken(w, row))
        return why_set(reterr, ERR_CONFLICT, "name", "name: there is a project named '%.100s' already",
                       row->name);
    if (is_new) {
        id = ids_take(w, ID_PROJECT);
        s = db_sql(w->db, "INSERT INTO projects (name, url, refresh_s, created_at, refreshed_at, error, id) "
                          "VALUES (?, ?, ?, ?, ?, ?, ?)");
    } else {
        s = db_sql(w->db, "UPDATE projects SET name = ?, url = ?, refresh_s = ? WHERE id = ?");
    }
    db_text(s, row->name);
    db_text(s, row->url);
    db_uint(s, row->refresh_s);
    if (is_new) {
        db_int(s, row->created_at.ms);
        db_int(s, row->refreshed_at.ms);
        db_text(s, row->error);
    }
    db_uint(s, id);
    if (db_run(s) != 1 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no project %llu", (unsigned long long)id);
    *ret_id = id;
    return ERR_OK;
}

struct fetched_job {
    struct project_id id;
    struct wall at;
    char error[sizeof(((struct why *)0)->text)];
};

static enum err project_fetched(struct writer *w, void *arg, struct why *reterr)
{
    const struct fetched_job *job = arg;
    struct db_stmt *s;

    if (job->at.ms != 0) {
        s = db_sql(w->db, "UPDATE projects SET error = ?, refreshed_at = ? WHERE id = ?");
        db_text(s, job->error);
        db_int(s, job->at.ms);
    } else {
        s = db_sql(w->db, "UPDATE projects SET error = ? WHERE id = ?");
        db_text(s, job->error);
    }
    db_uint(s, job->id.v);
    if (db_run(s) != 1 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no project %llu", (unsigned long long)job->id.v);
    return ERR_OK;
}

void store_project_fetched(struct store *st, struct project_id id, struct wall at, const char *error,
                           store_done_fn *done, void *ctx)
{
    struct fetched_job *job = xcalloc(1, sizeof(*job));

    job->id = id;
    job->at = at;
    (void)snprintf(job->error, sizeof(job->error), "%s", error);
    store_call(st, project_fetched, job, free, done, ctx);
}

/* A launch of the project that still takes code from its mirror; 0: none. */
static uint64_t living_launch(struct writer *w, struct project_id id)
{
    struct db_stmt *s =
        db_sql(w->db, "SELECT id FROM launches WHERE state <> 'done' AND project = ? ORDER BY id LIMIT 1");
    uint64_t launch = 0;

    db_uint(s, id.v);
    while (db_row(s))
        launch = db_get_uint(s);
    return launch;
}

enum err project_delete(struct writer *w, struct project_id id, struct why *reterr)
{
    uint64_t launch = living_launch(w, id);
    struct db_stmt *s;

    if (launch != 0)
        return why_set(reterr, ERR_CONFLICT, NULL, "launch %llu of this project is not done; stop it first",
                       (unsigned long long)launch);
    s = db_sql(w->db, "DELETE FROM projects WHERE id = ?");
    db_uint(s, id.v);
    if (db_run(s) != 1 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no project %llu", (unsigned long long)id.v);
    return ERR_OK;
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

static uint32_t each_project(struct db_stmt *s, project_fn *each, void *ctx)
{
    uint32_t n = 0;

    while (db_row(s)) {
        struct project_row row = {0};

        row.id.v = db_get_uint(s);
        row.name = db_get_text(s);
        row.url = db_get_text(s);
        row.created_at.ms = db_get_int(s);
        row.refreshed_at.ms = db_get_int(s);
        row.error = db_get_text(s);
        row.refresh_s = (uint32_t)db_get_uint(s);
        if (each != NULL)
            each(ctx, &row);
        n++;
    }
    return n;
}

enum err read_projects(struct reader *r, project_fn *each, void *ctx, struct why *reterr)
{
    (void)each_project(db_sql(r->db, "SELECT " COLUMNS " FROM projects ORDER BY id DESC"), each, ctx);
    return db_error(r->db, reterr);
}

enum err read_project(struct reader *r, struct project_id id, project_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " FROM projects WHERE id = ?");

    db_uint(s, id.v);
    if (each_project(s, each, ctx) == 0 && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no project %llu", (unsigned long long)id.v);
    return db_error(r->db, reterr);
}

enum err read_project_named(struct reader *r, const char *name_or_url, project_fn *each, void *ctx,
                            struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " FROM projects WHERE name = ?");

    db_text(s, name_or_url);
    if (each_project(s, each, ctx) > 0)
        return db_error(r->db, reterr);
    s = db_sql(r->db, "SELECT " COLUMNS " FROM projects WHERE url = ? ORDER BY id LIMIT 1");
    db_text(s, name_or_url);
    if (each_project(s, each, ctx) == 0 && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no project '%.150s'", name_or_url);
    return db_error(r->db, reterr);
}

enum err read_living_commits(struct reader *r, struct project_id id,
                             void (*each)(void *ctx, const char *commit), void *ctx, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT commit_hash FROM launches WHERE state <> 'done' AND project = ?");

    db_uint(s, id.v);
    while (db_row(s))
        each(ctx, db_get_text(s));
    return db_error(r->db, reterr);
}
