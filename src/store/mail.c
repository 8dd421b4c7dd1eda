/* mail.c - mail that waits to be sent, and what became of it.
 *
 * Submitted as calls (store_private.h): the queue of store.c knows nothing of mail. A row's bodies go with the
 * commit that says it was sent: they may hold links that open accounts. */
#include <stdlib.h>

#include "model/mail.h"
#include "store/store_private.h"

#define HEAD                                                                                       \
    "id, state, recipient, kind, group_name, subject, message_id, created_at, next_at, ended_at, " \
    "give_up_at, tries, error"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static uint64_t count_waiting(struct writer *w)
{
    struct db_stmt *s = db_sql(w->db, "SELECT COUNT(*) FROM mails WHERE state = 'waiting'");
    uint64_t n = 0;

    while (db_row(s))
        n = db_get_uint(s);
    return n;
}

enum err mails_have_room(struct writer *w, uint32_t n, struct why *reterr)
{
    if (count_waiting(w) + n > MAILS_WAITING_MAX)
        return why_set(reterr, ERR_LIMIT, NULL,
                       "%u mails wait to be sent already; `wrata mail list` says why", MAILS_WAITING_MAX);
    return ERR_OK;
}

uint64_t mail_insert(struct writer *w, const struct mail_row *row)
{
    uint64_t id = ids_take(w, ID_MAIL);
    struct db_stmt *s = db_sql(w->db, "INSERT INTO mails (" HEAD ", body_text, body_html) "
                                      "VALUES (?, 'waiting', ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, '', ?, ?)");

    db_uint(s, id);
    db_text(s, row->to);
    db_text(s, row->kind);
    db_text(s, row->group);
    db_text(s, row->subject);
    db_text(s, row->message_id);
    db_int(s, row->created_at.ms);
    db_int(s, row->next_at.ms);
    db_int(s, row->give_up_at.ms);
    db_text(s, row->text);
    db_text(s, row->html);
    (void)db_run(s);
    return id;
}

void mail_row_keep(struct arena *a, const struct mail_row *from, struct mail_row *to)
{
    *to = *from;
    to->to = arena_strdup(a, from->to);
    to->kind = arena_strdup(a, from->kind);
    to->group = arena_strdup(a, from->group);
    to->subject = arena_strdup(a, from->subject);
    to->text = arena_strdup(a, from->text);
    to->html = arena_strdup(a, from->html);
    to->message_id = arena_strdup(a, from->message_id);
    to->error = arena_strdup(a, from->error);
}

struct mail_job {
    struct arena arena; /* of the row's texts */
    struct mail_row row;
    uint64_t *ret; /* id or count */
    struct wall at;
    struct wall give_up_at;
    uint32_t max;
};

static enum err mail_add(struct writer *w, void *arg, struct why *reterr)
{
    struct mail_job *job = arg;
    enum err err = mails_have_room(w, 1, reterr);

    if (err == ERR_OK)
        *job->ret = mail_insert(w, &job->row);
    return err;
}

static enum err mail_set(struct writer *w, void *arg, struct why *reterr)
{
    const struct mail_job *job = arg;
    const struct mail_row *row = &job->row;
    struct db_stmt *s =
        db_sql(w->db, "UPDATE mails SET state = ?, next_at = ?, ended_at = ?, tries = ?, error = ? "
                      "WHERE id = ? AND state = 'waiting'");

    db_text(s, mail_state_name(row->state));
    db_int(s, row->next_at.ms);
    db_int(s, row->ended_at.ms);
    db_uint(s, row->tries);
    db_text(s, row->error);
    db_uint(s, row->id);
    if (db_run(s) != 1 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "no mail %llu waits", (unsigned long long)row->id);
    if (row->state == MAIL_SENT) {
        s = db_sql(w->db, "UPDATE mails SET subject = '', body_text = '', body_html = '' WHERE id = ?");
        db_uint(s, row->id);
        (void)db_run(s);
    }
    return ERR_OK;
}

static enum err mails_retry(struct writer *w, void *arg, struct why *reterr)
{
    const struct mail_job *job = arg;
    uint64_t waiting = count_waiting(w);
    struct db_stmt *s;

    (void)reterr;
    s = db_sql(w->db, "UPDATE mails SET next_at = ? WHERE state = 'waiting' AND next_at > ?");
    db_int(s, job->at.ms);
    db_int(s, job->at.ms);
    (void)db_run(s);
    s = db_sql(w->db, "UPDATE mails SET state = 'waiting', next_at = ?, ended_at = 0, give_up_at = ? "
                      "WHERE id IN (SELECT id FROM mails WHERE state = 'failed' ORDER BY id DESC LIMIT ?)");
    db_int(s, job->at.ms);
    db_int(s, job->give_up_at.ms);
    db_uint(s, waiting < MAILS_WAITING_MAX ? MAILS_WAITING_MAX - waiting : 0);
    *job->ret = waiting + db_run(s);
    return ERR_OK;
}

static enum err mails_prune(struct writer *w, void *arg, struct why *reterr)
{
    const struct mail_job *job = arg;
    struct db_stmt *s = db_sql(w->db, "DELETE FROM mails WHERE id IN (SELECT id FROM mails "
                                      "WHERE state <> 'waiting' AND ended_at < ? ORDER BY ended_at LIMIT ?)");

    (void)reterr;
    db_int(s, job->at.ms);
    db_uint(s, job->max);
    *job->ret = db_run(s);
    return ERR_OK;
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

static struct mail_job *job_new(uint64_t *ret)
{
    struct mail_job *job = xcalloc(1, sizeof(*job));

    arena_init(&job->arena);
    job->ret = ret;
    return job;
}

static void job_free(void *arg)
{
    struct mail_job *job = arg;

    arena_done(&job->arena);
    free(job);
}

void store_mail_add(struct store *st, const struct mail_row *row, uint64_t *ret_id, store_done_fn *done,
                    void *ctx)
{
    struct mail_job *job = job_new(ret_id);

    mail_row_keep(&job->arena, row, &job->row);
    store_call(st, mail_add, job, job_free, done, ctx);
}

void store_mail_set(struct store *st, const struct mail_row *row, store_done_fn *done, void *ctx)
{
    struct mail_job *job = job_new(NULL);

    job->row = *row;
    job->row.error = arena_strdup(&job->arena, row->error);
    store_call(st, mail_set, job, job_free, done, ctx);
}

void store_mails_retry(struct store *st, struct wall now, struct wall give_up_at, uint64_t *ret_n,
                       store_done_fn *done, void *ctx)
{
    struct mail_job *job = job_new(ret_n);

    job->at = now;
    job->give_up_at = give_up_at;
    store_call(st, mails_retry, job, job_free, done, ctx);
}

void store_mails_prune(struct store *st, struct wall before, uint32_t max, uint64_t *ret_deleted,
                       store_done_fn *done, void *ctx)
{
    struct mail_job *job = job_new(ret_deleted);

    job->at = before;
    job->max = max;
    store_call(st, mails_prune, job, job_free, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

static void get_head(struct db_stmt *s, struct mail_row *row)
{
    *row = (struct mail_row){.text = "", .html = ""};
    row->id = db_get_uint(s);
    row->state = mail_state_parse(db_get_text(s));
    row->to = db_get_text(s);
    row->kind = db_get_text(s);
    row->group = db_get_text(s);
    row->subject = db_get_text(s);
    row->message_id = db_get_text(s);
    row->created_at.ms = db_get_int(s);
    row->next_at.ms = db_get_int(s);
    row->ended_at.ms = db_get_int(s);
    row->give_up_at.ms = db_get_int(s);
    row->tries = (uint32_t)db_get_uint(s);
    row->error = db_get_text(s);
}

enum err read_mail_next(struct reader *r, mail_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " HEAD ", body_text, body_html FROM mails "
                                      "WHERE state = 'waiting' ORDER BY next_at, id LIMIT 1");
    struct mail_row row;

    while (db_row(s)) {
        get_head(s, &row);
        row.text = db_get_text(s);
        row.html = db_get_text(s);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_mail(struct reader *r, uint64_t id, mail_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " HEAD " FROM mails WHERE id = ?");
    struct mail_row row;
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        get_head(s, &row);
        each(ctx, &row);
        found = true;
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no mail %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}

enum err read_mails(struct reader *r, int state, struct page *p, mail_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " HEAD " FROM mails WHERE id < ? AND (? < 0 OR state = ?) "
                                      "ORDER BY id DESC LIMIT ?");
    uint64_t last = 0;
    uint32_t n = 0;

    db_uint(s, p->after != 0 ? p->after : KEY_MAX);
    db_int(s, state);
    db_text(s, state >= 0 ? mail_state_name((enum mail_state)state) : "");
    db_int(s, page_limit(p));
    p->next = 0;
    while (db_row(s)) {
        struct mail_row row;

        if (!page_take(p, &n, last)) {
            db_end(s);
            break;
        }
        get_head(s, &row);
        last = row.id;
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

static uint64_t count_of(struct reader *r, const char *sql)
{
    struct db_stmt *s = db_sql(r->db, sql);
    uint64_t n = 0;

    while (db_row(s))
        n = db_get_uint(s);
    return n;
}

/* Each by the index of its state. */
enum err read_queue_counts(struct reader *r, struct queue_counts *ret, struct why *reterr)
{
    *ret = (struct queue_counts){
        .mails_waiting = count_of(r, "SELECT COUNT(*) FROM mails WHERE state = 'waiting'"),
        .mails_failed = count_of(r, "SELECT COUNT(*) FROM mails WHERE state = 'failed'"),
        .deliveries_waiting = count_of(r, "SELECT COUNT(*) FROM deliveries WHERE state = 'waiting'"),
        .hooks_failing = count_of(r, "SELECT COUNT(*) FROM hooks WHERE is_enabled = 1 AND failures > 0"),
        .hooks_disabled = count_of(r, "SELECT COUNT(*) FROM hooks WHERE is_enabled = 0 AND reason <> ''")};
    return db_error(r->db, reterr);
}
