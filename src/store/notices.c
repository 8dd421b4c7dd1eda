/* notices.c - what somebody should be told, until a mail about it waits to be sent.
 *
 * Told exactly once: the mails and the end of what they tell of are one commit, and so are a notice and what it is about. */
#include <stdio.h>
#include <stdlib.h>

#include "model/mail.h"
#include "store/store_private.h"

#define COLUMNS "kind, user_id, object, word, name, reason, run, n, at, last_at"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

void notice_add(struct writer *w, const struct notice_row *row)
{
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO notices (" COLUMNS ", is_taken) VALUES (?,?,?,?,?,?,?,1,?,?,0) "
                      "ON CONFLICT (kind, user_id, is_taken, object, word) DO UPDATE SET "
                      "name = excluded.name, reason = excluded.reason, n = notices.n + 1, "
                      "last_at = excluded.last_at");

    db_text(s, notice_kind_name(row->kind));
    db_uint(s, row->user.v);
    db_uint(s, row->object);
    db_text(s, row->word);
    db_text(s, row->name);
    db_text(s, row->text);
    db_uint(s, row->run.v);
    db_int(s, row->at.ms);
    db_int(s, row->at.ms);
    (void)db_run(s);
    hook_event_of_notice(w, row);
}

struct notice_job {
    struct arena arena; /* of the texts */
    struct notice_row row;
    struct notices_told told;
    uint64_t *ret_n;
};

static enum err notice_put(struct writer *w, void *arg, struct why *reterr)
{
    const struct notice_job *job = arg;

    (void)reterr;
    notice_add(w, &job->row);
    return ERR_OK;
}

static uint64_t count_taken(struct writer *w, const struct notices_told *t)
{
    struct db_stmt *s =
        db_sql(w->db, "SELECT COUNT(*) FROM notices WHERE kind = ? AND user_id = ? AND is_taken = 1");
    uint64_t n = 0;

    db_text(s, notice_kind_name(t->kind));
    db_uint(s, t->user.v);
    while (db_row(s))
        n = db_get_uint(s);
    return n;
}

/* Those that were taken before a crash come first: no more are added to them. */
static enum err notices_take(struct writer *w, void *arg, struct why *reterr)
{
    const struct notice_job *job = arg;
    struct db_stmt *s;

    (void)reterr;
    if (count_taken(w, &job->told) > 0)
        return ERR_OK;
    s = db_sql(w->db, "UPDATE notices SET is_taken = 1 WHERE kind = ? AND user_id = ? AND is_taken = 0");
    db_text(s, notice_kind_name(job->told.kind));
    db_uint(s, job->told.user.v);
    (void)db_run(s);
    return ERR_OK;
}

static enum err notices_told(struct writer *w, void *arg, struct why *reterr)
{
    const struct notice_job *job = arg;
    const struct notices_told *t = &job->told;
    struct db_stmt *s;
    enum err err;

    if (count_taken(w, t) == 0 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "nothing is to be told any more");
    err = t->n_mails > 0 ? mails_have_room(w, t->n_mails, reterr) : ERR_OK;
    if (err != ERR_OK)
        return err;
    for (uint32_t i = 0; i < t->n_mails; i++)
        (void)mail_insert(w, &t->mails[i]);
    if (t->n_mails > 0) {
        s = db_sql(w->db, "INSERT INTO notice_mails (kind, user_id, at) VALUES (?,?,?) "
                          "ON CONFLICT (kind, user_id) DO UPDATE SET at = excluded.at");
        db_text(s, notice_kind_name(t->kind));
        db_uint(s, t->user.v);
        db_int(s, t->at.ms);
        (void)db_run(s);
    }
    s = db_sql(w->db, "DELETE FROM notices WHERE kind = ? AND user_id = ? AND is_taken = 1");
    db_text(s, notice_kind_name(t->kind));
    db_uint(s, t->user.v);
    (void)db_run(s);
    return ERR_OK;
}

static enum err notices_prune(struct writer *w, void *arg, struct why *reterr)
{
    const struct notice_job *job = arg;
    struct db_stmt *s = db_sql(w->db, "DELETE FROM notices WHERE last_at < ?");

    (void)reterr;
    db_int(s, job->told.at.ms);
    *job->ret_n = db_run(s);
    s = db_sql(w->db, "DELETE FROM notice_mails WHERE at < ?");
    db_int(s, job->told.at.ms);
    (void)db_run(s);
    return ERR_OK;
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

static struct notice_job *job_new(void)
{
    struct notice_job *job = xcalloc(1, sizeof(*job));

    arena_init(&job->arena);
    return job;
}

static void job_free(void *arg)
{
    struct notice_job *job = arg;

    arena_done(&job->arena);
    free(job);
}

void store_notice_add(struct store *st, const struct notice_row *row, store_done_fn *done, void *ctx)
{
    struct notice_job *job = job_new();

    job->row = *row;
    job->row.word = arena_strdup(&job->arena, row->word);
    job->row.name = arena_strdup(&job->arena, row->name);
    job->row.text = arena_strdup(&job->arena, row->text);
    store_call(st, notice_put, job, job_free, done, ctx);
}

void store_notices_take(struct store *st, enum notice_kind kind, struct user_id user, store_done_fn *done,
                        void *ctx)
{
    struct notice_job *job = job_new();

    job->told.kind = kind;
    job->told.user = user;
    store_call(st, notices_take, job, job_free, done, ctx);
}

void store_notices_told(struct store *st, const struct notices_told *told, store_done_fn *done, void *ctx)
{
    struct notice_job *job = job_new();
    struct mail_row *mails = arena_alloc(&job->arena, (told->n_mails + 1) * sizeof(*mails));

    job->told = *told;
    for (uint32_t i = 0; i < told->n_mails; i++)
        mail_row_keep(&job->arena, &told->mails[i], &mails[i]);
    job->told.mails = mails;
    store_call(st, notices_told, job, job_free, done, ctx);
}

void store_notices_prune(struct store *st, struct wall before, uint64_t *ret_deleted, store_done_fn *done,
                         void *ctx)
{
    struct notice_job *job = job_new();

    job->told.at = before;
    job->ret_n = ret_deleted;
    store_call(st, notices_prune, job, job_free, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

/* The mails that told the last time wait, all of them: nobody has got one, and nobody is refused one. */
static bool is_held(struct reader *r, const struct notice_group *g)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT state, COUNT(*) FROM mails WHERE group_name = ? AND created_at >= ? "
                      "GROUP BY state");
    bool waits = false;
    bool is_over = false;
    char group[MAIL_WORD_BYTES_MAX];

    notice_group_word(g->kind, g->user, group, sizeof(group));
    db_text(s, group);
    db_int(s, g->told_at.ms);
    while (db_row(s)) {
        if (mail_state_parse(db_get_text(s)) == MAIL_WAITING)
            waits = true;
        else
            is_over = true;
    }
    return waits && !is_over;
}

enum err read_notice_groups(struct reader *r, uint32_t max, notice_group_fn *each, void *ctx,
                            struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT n.kind, n.user_id, n.is_taken, MIN(n.at), COALESCE(m.at, 0) "
                                      "FROM notices n LEFT JOIN notice_mails m ON m.kind = n.kind AND "
                                      "m.user_id = n.user_id GROUP BY n.kind, n.user_id, n.is_taken, m.at "
                                      "ORDER BY MIN(n.at), n.kind, n.user_id, n.is_taken LIMIT ?");
    struct notice_group *at = NULL;
    uint32_t n = 0;

    db_int(s, max);
    while (db_row(s)) {
        struct notice_group g = {0};

        g.kind = notice_kind_parse(db_get_text(s));
        g.user.v = db_get_uint(s);
        g.is_taken = db_get_int(s) != 0;
        g.at.ms = db_get_int(s);
        g.told_at.ms = db_get_int(s);
        if (g.kind == NOTICE_KIND_COUNT)
            continue; /* of a later version: it is pruned */
        if (n % 64 == 0)
            at = xrealloc(at, (n + 64) * sizeof(*at));
        at[n++] = g;
    }
    for (uint32_t i = 0; i < n && !db_failed(r->db); i++) {
        at[i].is_held = at[i].told_at.ms != 0 && is_held(r, &at[i]);
        each(ctx, &at[i]);
    }
    free(at);
    return db_error(r->db, reterr);
}

enum err read_notices_taken(struct reader *r, enum notice_kind kind, struct user_id user, uint32_t max,
                            notice_fn *each, void *ctx, uint64_t *ret_things, uint64_t *ret_n,
                            struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT COUNT(*), COALESCE(SUM(n), 0) FROM notices "
                                      "WHERE kind = ? AND user_id = ? AND is_taken = 1");

    *ret_things = *ret_n = 0;
    db_text(s, notice_kind_name(kind));
    db_uint(s, user.v);
    while (db_row(s)) {
        *ret_things = db_get_uint(s);
        *ret_n = db_get_uint(s);
    }
    s = db_sql(r->db, "SELECT " COLUMNS " FROM notices WHERE kind = ? AND user_id = ? AND is_taken = 1 "
                      "ORDER BY at, object, word LIMIT ?");
    db_text(s, notice_kind_name(kind));
    db_uint(s, user.v);
    db_int(s, max);
    while (db_row(s)) {
        struct notice_row row = {0};

        row.kind = notice_kind_parse(db_get_text(s));
        row.user.v = db_get_uint(s);
        row.object = db_get_uint(s);
        row.word = db_get_text(s);
        row.name = db_get_text(s);
        row.text = db_get_text(s);
        row.run.v = db_get_uint(s);
        row.n = db_get_uint(s);
        row.at.ms = db_get_int(s);
        row.last_at.ms = db_get_int(s);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}
