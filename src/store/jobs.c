/* jobs.c - the rows of jobs; what they do is in prune.c, when in server/jobs.c. */
#include <stdio.h>
#include <stdlib.h>

#include "store/store_private.h"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

bool job_is_running(struct writer *w, uint64_t id)
{
    struct db_stmt *s = db_sql(w->db, "SELECT 1 FROM jobs WHERE id = ? AND state = 'running'");
    bool is_running = false;

    db_uint(s, id);
    while (db_row(s))
        is_running = true;
    return is_running;
}

enum err jobs_have_room(struct writer *w, struct why *reterr)
{
    struct db_stmt *s = db_sql(w->db, "SELECT COUNT(*) FROM jobs WHERE state = 'running'");
    uint64_t n = 0;

    while (db_row(s))
        n = db_get_uint(s);
    if (n >= JOBS_RUNNING_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "%u jobs run already: wait for the end of one",
                       JOBS_RUNNING_MAX);
    return ERR_OK;
}

void job_insert(struct writer *w, struct job_row *row)
{
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO jobs (id, kind, state, user_id, login, owner, what, work_cursor, "
                      "done, total, created_at, ended_at, error) "
                      "VALUES (?,?,?,?,?,?,?,?,?,?,?,0,'')");

    row->id = ids_take(w, ID_JOB);
    if (row->kind == JOB_CLEAR && row->cursor == 0)
        row->cursor = w->next_id[ID_RUN]; /* what comes later is not meant */
    row->state = JOB_RUNNING;
    db_uint(s, row->id);
    db_text(s, job_kind_name(row->kind));
    db_text(s, job_state_name(row->state));
    db_uint(s, row->user.v);
    db_text(s, row->login);
    db_uint(s, row->owner.v);
    db_text(s, row->what);
    db_uint(s, row->cursor);
    db_uint(s, row->done);
    db_int(s, row->total);
    db_int(s, row->created_at.ms);
    (void)db_run(s);
}

static enum err job_add(struct writer *w, void *arg, struct why *reterr)
{
    enum err err = jobs_have_room(w, reterr);

    if (err == ERR_OK && !db_failed(w->db))
        job_insert(w, arg);
    return err;
}

struct job_set {
    uint64_t id;
    bool is_end;
    uint64_t total;
    enum job_state state;
    char error[256];
    struct wall at;
    uint32_t max;
    uint64_t *ret_deleted;
};

static enum err job_set(struct writer *w, void *arg, struct why *reterr)
{
    const struct job_set *set = arg;
    struct db_stmt *s;
    uint64_t n;

    if (set->is_end) {
        s = db_sql(w->db,
                   "UPDATE jobs SET state = ?, error = ?, ended_at = ? WHERE id = ? AND state = 'running'");
        db_text(s, job_state_name(set->state));
        db_text(s, set->error);
        db_int(s, set->at.ms);
    } else {
        s = db_sql(w->db, "UPDATE jobs SET total = ? WHERE id = ? AND state = 'running'");
        db_uint(s, set->total);
    }
    db_uint(s, set->id);
    n = db_run(s);
    if (n == 1 || db_failed(w->db))
        return ERR_OK;
    s = db_sql(w->db, "SELECT 1 FROM jobs WHERE id = ?");
    db_uint(s, set->id);
    while (db_row(s))
        n++;
    if (n > 0)
        return why_set(reterr, ERR_CONFLICT, NULL, "job %llu is over", (unsigned long long)set->id);
    return why_set(reterr, ERR_NOTFOUND, NULL, "there is no job %llu", (unsigned long long)set->id);
}

static enum err jobs_prune(struct writer *w, void *arg, struct why *reterr)
{
    const struct job_set *set = arg;
    struct db_stmt *s =
        db_sql(w->db, "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state <> 'running' "
                      "AND ended_at < ? ORDER BY ended_at, id LIMIT ?)");

    (void)reterr;
    db_int(s, set->at.ms);
    db_int(s, set->max);
    *set->ret_deleted = db_run(s);
    return ERR_OK;
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

static void not_ours(void *arg)
{
    (void)arg; /* the caller's, until `done` */
}

void store_job_add(struct store *st, struct job_row *row, store_done_fn *done, void *ctx)
{
    store_call(st, job_add, row, not_ours, done, ctx);
}

void store_job_count(struct store *st, uint64_t id, uint64_t total, store_done_fn *done, void *ctx)
{
    struct job_set *set = xcalloc(1, sizeof(*set));

    set->id = id;
    set->total = total;
    store_call(st, job_set, set, free, done, ctx);
}

void store_job_end(struct store *st, uint64_t id, enum job_state state, const char *error, struct wall at,
                   store_done_fn *done, void *ctx)
{
    struct job_set *set = xcalloc(1, sizeof(*set));

    set->id = id;
    set->is_end = true;
    set->state = state;
    set->at = at;
    (void)snprintf(set->error, sizeof(set->error), "%s", error);
    store_call(st, job_set, set, free, done, ctx);
}

void store_jobs_prune(struct store *st, struct wall before, uint32_t max, uint64_t *ret_deleted,
                      store_done_fn *done, void *ctx)
{
    struct job_set *set = xcalloc(1, sizeof(*set));

    *ret_deleted = 0;
    set->at = before;
    set->max = max;
    set->ret_deleted = ret_deleted;
    store_call(st, jobs_prune, set, free, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

#define COLUMNS                                                                                            \
    "id, kind, state, user_id, login, owner, what, work_cursor, done, total, created_at, ended_at, error " \
    "FROM jobs"

static void get_job(struct db_stmt *s, struct job_row *row)
{
    *row = (struct job_row){.id = db_get_uint(s)};
    row->kind = job_kind_parse(db_get_text(s));
    row->state = job_state_parse(db_get_text(s));
    row->user.v = db_get_uint(s);
    row->login = db_get_text(s);
    row->owner.v = db_get_uint(s);
    row->what = db_get_text(s);
    row->cursor = db_get_uint(s);
    row->done = db_get_uint(s);
    row->total = db_get_int(s);
    row->created_at.ms = db_get_int(s);
    row->ended_at.ms = db_get_int(s);
    row->error = db_get_text(s);
}

static enum err read_one(struct reader *r, struct db_stmt *s, uint64_t id, job_fn *each, void *ctx,
                         struct why *reterr)
{
    bool found = false;

    while (db_row(s)) {
        struct job_row row;

        found = true;
        get_job(s, &row);
        each(ctx, &row);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no job %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}

enum err read_job(struct reader *r, uint64_t id, job_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " WHERE id = ?");

    db_uint(s, id);
    return read_one(r, s, id, each, ctx, reterr);
}

enum err read_job_next(struct reader *r, uint64_t after, job_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT " COLUMNS " WHERE id > ? AND state = 'running' ORDER BY id LIMIT 1");

    db_uint(s, after);
    return read_one(r, s, after, each, ctx, reterr);
}

enum err read_jobs(struct reader *r, struct user_id user, struct page *p, job_fn *each, void *ctx,
                   struct why *reterr)
{
    struct db_stmt *s =
        user.v != 0
            ? db_sql(r->db, "SELECT " COLUMNS " WHERE id < ? AND user_id = ? ORDER BY id DESC LIMIT ?")
            : db_sql(r->db, "SELECT " COLUMNS " WHERE id < ? ORDER BY id DESC LIMIT ?");
    uint64_t last = 0;
    uint32_t n = 0;

    p->next = 0;
    db_uint(s, p->after != 0 ? p->after : KEY_MAX);
    if (user.v != 0)
        db_uint(s, user.v);
    db_int(s, page_limit(p));
    while (db_row(s)) {
        struct job_row row;

        if (!page_take(p, &n, last)) {
            db_end(s);
            break;
        }
        get_job(s, &row);
        last = row.id;
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_job_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT user_id FROM jobs WHERE id = ?");
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        found = true;
        ret->v = db_get_uint(s);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no job %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}
