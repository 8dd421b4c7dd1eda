/* lists.c - lists of files: written by the API, read by it. A list is replaced with all its files in one item. */
#include <stdlib.h>
#include <string.h>

#include "model/list.h"
#include "store/store_private.h"

#define COLUMNS                                                                                              \
    "l.id, l.user_id, l.name, l.project, COALESCE(p.name, ''), l.ref, l.location, l.languages, l.browsers, " \
    "l.env, l.test_order, l.is_shared, l.created_at, l.changed_at, l.version, l.n_files, "                   \
    "(SELECT COUNT(*) FROM schedules x WHERE x.list = l.id)"
#define FROM " FROM lists l LEFT JOIN projects p ON p.id = l.project "

struct list_job {
    struct arena arena; /* of the row's texts */
    struct list_row row;
    bool keep_files;
    uint64_t version; /* that the caller has seen; 0 any */
    bool force;
    uint64_t *ret_id;
};

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static enum err check_put(struct writer *w, const struct list_job *job, struct why *reterr)
{
    const struct list_row *row = &job->row;
    struct db_stmt *s = db_sql(w->db, "SELECT id FROM lists WHERE user_id = ? AND name = ? AND id <> ?");
    uint64_t n;

    db_uint(s, row->user.v);
    db_text(s, row->name);
    db_uint(s, row->id);
    if (db_one_uint(s) != 0)
        return why_set(reterr, ERR_CONFLICT, "name", "name: you have a list named '%.80s' already",
                       row->name);
    if (row->id == 0) {
        s = db_sql(w->db, "SELECT COUNT(*) FROM lists WHERE user_id = ?");
        db_uint(s, row->user.v);
        if (db_one_uint(s) >= LISTS_OF_USER_MAX)
            return why_set(reterr, ERR_LIMIT, NULL, "you have %u lists, which is the most; delete one first",
                           LISTS_OF_USER_MAX);
        return ERR_OK;
    }
    s = db_sql(w->db, "SELECT version FROM lists WHERE id = ?");
    db_uint(s, row->id);
    n = db_one_uint(s);
    if (n == 0 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no list %llu", (unsigned long long)row->id);
    if (job->version != 0 && job->version != n)
        return why_set(reterr, ERR_CONFLICT, "version",
                       "version: somebody has changed the list meanwhile: it is at version %llu, not %llu",
                       (unsigned long long)n, (unsigned long long)job->version);
    return ERR_OK;
}

static void bind_words(struct writer *w, struct db_stmt *s, const char *const *words, uint32_t n)
{
    struct slice bytes = words_in(&w->batch, words, n);

    db_bytes(s, bytes.ptr, bytes.len);
}

static void put_files(struct writer *w, const struct list_row *row)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM list_files WHERE list = ?");

    db_uint(s, row->id);
    (void)db_run(s);
    for (uint32_t i = 0; i < row->n_files; i++) {
        s = db_sql(w->db, "INSERT INTO list_files (list, position, path) VALUES (?, ?, ?)");
        db_uint(s, row->id);
        db_uint(s, i);
        db_text(s, row->files[i]);
        (void)db_run(s);
    }
    s = db_sql(w->db, "UPDATE lists SET n_files = ? WHERE id = ?");
    db_uint(s, row->n_files);
    db_uint(s, row->id);
    (void)db_run(s);
}

static enum err list_put(struct writer *w, void *arg, struct why *reterr)
{
    struct list_job *job = arg;
    struct list_row *row = &job->row;
    enum err err = check_put(w, job, reterr);
    struct db_stmt *s;

    if (err != ERR_OK)
        return err;
    if (row->id == 0) {
        row->id = ids_take(w, ID_LIST);
        s = db_sql(w->db, "INSERT INTO lists (name, project, ref, location, languages, browsers, env, "
                          "test_order, is_shared, changed_at, created_at, user_id, id, version, n_files) "
                          "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,1,0)");
    } else {
        s = db_sql(w->db, "UPDATE lists SET name = ?, project = ?, ref = ?, location = ?, languages = ?, "
                          "browsers = ?, env = ?, test_order = ?, is_shared = ?, changed_at = ?, "
                          "created_at = ?, user_id = ?, version = version + 1 WHERE id = ?");
    }
    db_text(s, row->name);
    db_uint(s, row->project.v);
    db_text(s, row->ref);
    db_text(s, row->location);
    bind_words(w, s, row->languages, row->n_languages);
    bind_words(w, s, row->browsers, row->n_browsers);
    bind_words(w, s, row->env, row->n_env);
    db_text(s, launch_order_name(row->order));
    db_int(s, row->is_shared);
    db_int(s, row->changed_at.ms);
    db_int(s, row->created_at.ms);
    db_uint(s, row->user.v);
    db_uint(s, row->id);
    (void)db_run(s);
    if (!job->keep_files)
        put_files(w, row);
    *job->ret_id = row->id;
    return ERR_OK;
}

/* "nightly, weekend and 3 more" */
static void name_schedules(struct writer *w, uint64_t list, struct buf *out, uint64_t *retn)
{
    struct db_stmt *s = db_sql(w->db, "SELECT name FROM schedules WHERE list = ? ORDER BY id");
    uint64_t n = 0;

    db_uint(s, list);
    while (db_row(s)) {
        if (n++ < 3)
            buf_printf(out, "%s'%.40s'", n > 1 ? ", " : "", db_get_text(s));
    }
    if (n > 3)
        buf_printf(out, " and %llu more", (unsigned long long)(n - 3));
    *retn = n;
}

/* Those whose schedules end because of what somebody else did hear of it. `s` selects id, user_id, name, reason. */
static void tell_disabled(struct writer *w, struct db_stmt *s, struct wall now)
{
    struct notice_row *rows = NULL;
    uint32_t n = 0;

    while (db_row(s)) {
        if (n % 16 == 0)
            rows = xrealloc(rows, (n + 16) * sizeof(*rows));
        rows[n] = (struct notice_row){.kind = NOTICE_SCHEDULE_DISABLED, .word = "", .at = now};
        rows[n].object = db_get_uint(s);
        rows[n].user.v = db_get_uint(s);
        rows[n].name = arena_strdup(&w->batch, db_get_text(s));
        rows[n].text = arena_strdup(&w->batch, db_get_text(s));
        n++;
    }
    for (uint32_t i = 0; i < n; i++)
        notice_add(w, &rows[i]);
    free(rows);
}

static void disable_schedules(struct writer *w, uint64_t list, struct wall now)
{
    struct db_stmt *s =
        db_sql(w->db, "UPDATE schedules SET is_enabled = 0, changed_at = ?, version = version + 1, "
                      "reason = 'its list ''' || (SELECT name FROM lists WHERE id = ?) || ''' was deleted' "
                      "WHERE list = ?");

    db_int(s, now.ms);
    db_uint(s, list);
    db_uint(s, list);
    (void)db_run(s);
    s = db_sql(w->db,
               "SELECT s.id, s.user_id, s.name, s.reason FROM schedules s JOIN lists l ON l.id = s.list "
               "WHERE s.list = ? AND s.user_id <> l.user_id");
    db_uint(s, list);
    tell_disabled(w, s, now);
}

static enum err list_delete(struct writer *w, void *arg, struct why *reterr)
{
    const struct list_job *job = arg;
    struct db_stmt *s;
    struct buf names;
    uint64_t n;
    enum err err = ERR_OK;

    s = db_sql(w->db, "SELECT id FROM lists WHERE id = ?");
    db_uint(s, job->row.id);
    if (db_one_uint(s) == 0 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no list %llu", (unsigned long long)job->row.id);
    buf_init(&names, KIB(4));
    name_schedules(w, job->row.id, &names, &n);
    if (n > 0 && !job->force)
        err = why_set(reterr, ERR_CONFLICT, "force",
                      "%s %s this list; with force it is deleted and %s disabled", buf_str(&names),
                      n == 1 ? "starts" : "start", n == 1 ? "the schedule is" : "the schedules are");
    buf_done(&names);
    if (err != ERR_OK)
        return err;
    disable_schedules(w, job->row.id, job->row.changed_at);
    s = db_sql(w->db, "DELETE FROM lists WHERE id = ?");
    db_uint(s, job->row.id);
    (void)db_run(s);
    return ERR_OK;
}

void lists_of_user_gone(struct writer *w, const struct user_row *user)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM schedules WHERE user_id = ?");

    db_uint(s, user->id.v);
    (void)db_run(s);
    s = db_sql(w->db, "UPDATE schedules SET is_enabled = 0, changed_at = ?, version = version + 1, "
                      "reason = 'the account whose list it started was deleted' "
                      "WHERE list IN (SELECT id FROM lists WHERE user_id = ?)");
    db_int(s, user->deleted_at.ms);
    db_uint(s, user->id.v);
    (void)db_run(s);
    s = db_sql(w->db, "SELECT id, user_id, name, reason FROM schedules "
                      "WHERE list IN (SELECT id FROM lists WHERE user_id = ?)");
    db_uint(s, user->id.v);
    tell_disabled(w, s, user->deleted_at);
    s = db_sql(w->db, "DELETE FROM lists WHERE user_id = ?");
    db_uint(s, user->id.v);
    (void)db_run(s);
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

static const char *const *keep_words(struct arena *a, const char *const *words, uint32_t n)
{
    const char **copy = arena_alloc(a, ((size_t)n + 1) * sizeof(*copy));

    for (uint32_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, words[i]);
    return copy;
}

void list_row_keep(struct arena *a, const struct list_row *from, struct list_row *to)
{
    *to = *from;
    to->name = arena_strdup(a, from->name);
    to->project_name = arena_strdup(a, from->project_name);
    to->ref = arena_strdup(a, from->ref);
    to->location = arena_strdup(a, from->location);
    to->languages = keep_words(a, from->languages, from->n_languages);
    to->browsers = keep_words(a, from->browsers, from->n_browsers);
    to->env = keep_words(a, from->env, from->n_env);
    to->files = from->files == NULL ? NULL : keep_words(a, from->files, from->n_files);
}

static void job_free(void *arg)
{
    struct list_job *job = arg;

    arena_done(&job->arena);
    free(job);
}

void store_list_put(struct store *st, const struct list_row *row, uint64_t version, uint64_t *ret_id,
                    store_done_fn *done, void *ctx)
{
    struct list_job *job = xcalloc(1, sizeof(*job));

    arena_init(&job->arena);
    list_row_keep(&job->arena, row, &job->row);
    job->keep_files = row->files == NULL;
    job->version = version;
    job->ret_id = ret_id;
    store_call(st, list_put, job, job_free, done, ctx);
}

void store_list_delete(struct store *st, uint64_t id, bool force, struct wall now, store_done_fn *done,
                       void *ctx)
{
    struct list_job *job = xcalloc(1, sizeof(*job));

    arena_init(&job->arena);
    job->row = (struct list_row){.id = id, .changed_at = now};
    job->force = force;
    store_call(st, list_delete, job, job_free, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

static void get_list(struct arena *a, struct db_stmt *s, struct list_row *row)
{
    *row = (struct list_row){0};
    row->id = db_get_uint(s);
    row->user.v = db_get_uint(s);
    row->name = db_get_text(s);
    row->project.v = db_get_uint(s);
    row->project_name = db_get_text(s);
    row->ref = db_get_text(s);
    row->location = db_get_text(s);
    row->languages = words_decode(a, db_get_bytes(s), &row->n_languages);
    row->browsers = words_decode(a, db_get_bytes(s), &row->n_browsers);
    row->env = words_decode(a, db_get_bytes(s), &row->n_env);
    row->order = order_of(db_get_text(s));
    row->is_shared = db_get_int(s) != 0;
    row->created_at.ms = db_get_int(s);
    row->changed_at.ms = db_get_int(s);
    row->version = db_get_uint(s);
    row->n_files = (uint32_t)db_get_uint(s);
    row->n_schedules = (uint32_t)db_get_uint(s);
}

static void get_files(struct reader *r, struct list_row *row)
{
    struct db_stmt *s = db_sql(r->db, "SELECT path FROM list_files WHERE list = ? ORDER BY position");
    const char **files = arena_alloc(&r->row, ((size_t)row->n_files + 1) * sizeof(*files));
    uint32_t n = 0;

    db_uint(s, row->id);
    while (db_row(s)) {
        if (n < row->n_files)
            files[n++] = arena_strdup(&r->row, db_get_text(s));
    }
    row->files = files;
    row->n_files = n;
}

enum err read_list(struct reader *r, uint64_t id, list_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS FROM "WHERE l.id = ?");
    struct list_row row;
    bool found = false;

    db_uint(s, id);
    arena_reset(&r->row);
    while (db_row(s)) {
        struct list_row here;

        get_list(&r->row, s, &here);
        list_row_keep(&r->row, &here, &row); /* its texts go with the statement */
        found = true;
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no list %llu", (unsigned long long)id);
    if (found) {
        get_files(r, &row);
        if (!db_failed(r->db))
            each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_lists(struct reader *r, struct user_id user, struct page *p, list_fn *each, void *ctx,
                    struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT " COLUMNS FROM "WHERE l.id < ? AND (l.user_id = ? OR l.is_shared = 1) "
                      "ORDER BY l.id DESC LIMIT ?");
    uint64_t last = 0;
    uint32_t n = 0;

    db_uint(s, p->after != 0 ? p->after : KEY_MAX);
    db_uint(s, user.v);
    db_int(s, page_limit(p));
    p->next = 0;
    while (db_row(s)) {
        struct list_row row;

        if (!page_take(p, &n, last)) {
            db_end(s);
            break;
        }
        arena_reset(&r->row);
        get_list(&r->row, s, &row);
        last = row.id;
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_list_named(struct reader *r, struct user_id user, const char *name, uint64_t *ret_id,
                         struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT id FROM lists WHERE user_id = ? AND name = ?");

    db_uint(s, user.v);
    db_text(s, name);
    *ret_id = db_one_uint(s);
    if (*ret_id == 0 && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, "list", "list: you have no list named '%.80s'", name);
    return db_error(r->db, reterr);
}

enum err read_list_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT user_id FROM lists WHERE id = ?");

    db_uint(s, id);
    ret->v = db_one_uint(s);
    if (ret->v == 0 && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no list %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}
