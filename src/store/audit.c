/* audit.c - the audit log: add, complete, list, prune.
 *
 * It is listed by time, then id: a clock that was set back puts rows where their time says, so that [from, to) is
 * one piece of whichever index serves the list. A page's `after` is an id, whose time is looked up; when retention
 * took that row, it has taken all that would follow it, too. */
#include <string.h>

#include "store/store_private.h"

#define COLUMNS "id, created_at, user_id, login, via, address, action, object, detail, status"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

void audit_add(struct writer *w, const struct audit_row *row)
{
    const char *area = arena_strndup(&w->batch, row->action, strcspn(row->action, "."));
    struct db_stmt *s;

    ids_used(w, ID_AUDIT, row->id);
    s = db_sql(w->db, "INSERT INTO audit (" COLUMNS ", area) VALUES (?,?,?,?,?,?,?,?,?,?,?)");
    db_uint(s, row->id);
    db_int(s, row->at.ms);
    db_uint(s, row->user.v);
    db_text(s, row->login);
    db_text(s, row->via);
    db_text(s, row->address);
    db_text(s, row->action);
    db_text(s, row->object);
    db_text(s, row->detail);
    db_int(s, row->status);
    db_text(s, area);
    (void)db_run(s);
}

/* A row that retention has taken meanwhile is no fault. */
void audit_set(struct writer *w, const struct audit_row *row)
{
    static const char *const sql[2][2] = {
        {"UPDATE audit SET status = ? WHERE id = ?", "UPDATE audit SET status = ?, detail = ? WHERE id = ?"},
        {"UPDATE audit SET status = ?, object = ? WHERE id = ?",
         "UPDATE audit SET status = ?, object = ?, detail = ? WHERE id = ?"},
    };
    struct db_stmt *s = db_sql(w->db, sql[row->object != NULL][row->detail != NULL]);

    db_int(s, row->status);
    if (row->object != NULL)
        db_text(s, row->object);
    if (row->detail != NULL)
        db_text(s, row->detail);
    db_uint(s, row->id);
    (void)db_run(s);
}

uint64_t audit_prune(struct writer *w, struct wall before, uint32_t max)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM audit WHERE id IN (SELECT id FROM audit "
                                      "WHERE created_at < ? ORDER BY created_at, id LIMIT ?)");

    db_int(s, before.ms);
    db_int(s, max);
    return db_run(s);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

/* Only rows below this are listed. */
struct audit_key {
    int64_t at;
    uint64_t id;
};

static struct audit_key first_key(struct reader *r, const struct audit_filter *f, const struct page *p)
{
    struct audit_key key = {0, 0}; /* nothing is below: what a page would begin after is gone */
    struct db_stmt *s;

    if (p->after == 0) {
        key = (struct audit_key){INT64_MAX, KEY_MAX};
    } else {
        s = db_sql(r->db, "SELECT created_at FROM audit WHERE id = ?");
        db_uint(s, p->after);
        while (db_row(s))
            key = (struct audit_key){db_get_int(s), p->after};
    }
    if (f->to.ms != 0 && f->to.ms <= key.at)
        key = (struct audit_key){f->to.ms, 0};
    return key;
}

static bool is_area(const char *action)
{
    return strchr(action, '.') == NULL;
}

static struct db_stmt *audit_query(struct reader *r, const struct audit_filter *f, const struct page *p)
{
    struct audit_key below = first_key(r, f, p);
    struct db_stmt *s;
    struct buf b;

    buf_init(&b, SQL_BYTES_MAX);
    buf_puts(&b, "SELECT " COLUMNS " FROM audit WHERE (created_at, id) < (?, ?) AND created_at >= ?");
    if (f->user.v != 0)
        buf_puts(&b, " AND user_id = ?");
    if (f->action != NULL)
        buf_puts(&b, is_area(f->action) ? " AND area = ?" : " AND action = ?");
    if (f->object != NULL)
        buf_puts(&b, " AND object = ?");
    if (f->refused)
        buf_puts(&b, " AND status >= 400");
    buf_puts(&b, " ORDER BY created_at DESC, id DESC LIMIT ?");
    s = db_built(r->db, buf_str(&b));
    buf_done(&b);
    db_int(s, below.at);
    db_uint(s, below.id);
    db_int(s, f->from.ms);
    if (f->user.v != 0)
        db_uint(s, f->user.v);
    if (f->action != NULL)
        db_text(s, f->action);
    if (f->object != NULL)
        db_text(s, f->object);
    db_int(s, page_limit(p));
    return s;
}

enum err read_audit(struct reader *r, const struct audit_filter *f, struct page *p, audit_fn *each, void *ctx,
                    struct why *reterr)
{
    struct db_stmt *s = audit_query(r, f, p);
    uint64_t last = 0;
    uint32_t n = 0;

    p->next = 0;
    while (db_row(s)) {
        struct audit_row row = {0};

        if (!page_take(p, &n, last)) {
            db_end(s);
            break;
        }
        row.id = last = db_get_uint(s);
        row.at.ms = db_get_int(s);
        row.user.v = db_get_uint(s);
        row.login = db_get_text(s);
        row.via = db_get_text(s);
        row.address = db_get_text(s);
        row.action = db_get_text(s);
        row.object = db_get_text(s);
        row.detail = db_get_text(s);
        row.status = (int)db_get_int(s);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}
