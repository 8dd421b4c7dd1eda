/* db.c - what all drivers share: the kept statements, the error that sticks, the {words} of migrations. */
#include "store/db.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <uthash.h>

#include "base/fault.h"
#include "base/mem.h"
#include "store/db_driver.h"

#define SCRIPT_BYTES_MAX MIB(1)

struct db_stmt {
    struct db *db;
    void *h;          /* NULL: the connection has failed, do nothing */
    const char *text; /* of the literal, or OWNED when built */
    bool built;
    bool busy;   /* between db_sql() and its end */
    bool extra;  /* a second use of a busy statement: not kept */
    bool is_row; /* a row is there to be read */
    int param;
    int col;
    UT_hash_handle hh;
};

struct db {
    const struct db_driver *drv;
    void *h;
    enum db_mode mode;
    bool failed;
    bool in_transaction;
    struct why why;
    struct db_stmt *literals; /* by address */
    struct db_stmt *texts;    /* by content */
    struct db_stmt dead;      /* handed out after a failure */
};

/* ---- connection ------------------------------------------------------------------------------------------ */

enum err db_open(const struct db_opts *opts, struct db **ret, struct why *reterr)
{
    struct db *db = xcalloc(1, sizeof(*db));
    enum err err;

    db->drv = opts->driver;
    db->mode = opts->mode;
    db->dead.db = db;
    err = db->drv->open(opts, &db->h, reterr);
    if (err != ERR_OK) {
        free(db);
        return err;
    }
    *ret = db;
    return ERR_OK;
}

static void stmt_free(struct db_stmt *s)
{
    s->db->drv->finalize(s->h);
    if (s->built)
        free((char *)(uintptr_t)s->text);
    free(s);
}

static void stmts_free(struct db_stmt *s)
{
    while (s != NULL) {
        struct db_stmt *next = s->hh.next;

        stmt_free(s);
        s = next;
    }
}

void db_close(struct db *db)
{
    struct db_stmt *literals;
    struct db_stmt *texts;

    if (db == NULL)
        return;
    literals = db->literals;
    texts = db->texts;
    /* The tables; the statements stay chained. */
    HASH_CLEAR(hh, db->literals);
    HASH_CLEAR(hh, db->texts);
    stmts_free(literals);
    stmts_free(texts);
    db->drv->close(db->h);
    free(db);
}

void db_fail(struct db *db, const char *fmt, ...)
{
    char text[sizeof(db->why.text)];
    va_list ap;

    if (db->failed)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)why_set(&db->why, ERR_IO, NULL, "%s", text);
    db->failed = true;
}

bool db_failed(const struct db *db)
{
    return db->failed;
}

enum err db_error(const struct db *db, struct why *reterr)
{
    if (!db->failed)
        return ERR_OK;
    if (reterr != NULL)
        *reterr = db->why;
    return ERR_IO;
}

static void exec(struct db *db, const char *sql)
{
    if (!db->failed && db->drv->exec(db->h, sql, &db->why) != ERR_OK)
        db->failed = true;
}

void db_begin(struct db *db)
{
    CHECK(!db->in_transaction);
    db->failed = false;
    exec(db, db->drv->begin[db->mode]);
    db->in_transaction = !db->failed;
}

void db_rollback(struct db *db)
{
    struct why ignored;

    if (!db->in_transaction)
        return;
    db->in_transaction = false;
    /* It may fail because the library has rolled back by itself: either way the changes are gone. */
    (void)db->drv->exec(db->h, "ROLLBACK", &ignored);
}

enum err db_commit(struct db *db, struct why *reterr)
{
    CHECK(db->in_transaction || db->failed);
    if (!db->failed && db->mode == DB_WRITE && fault_hit("db.commit"))
        db_fail(db, "a fault was asked for in the commit");
    exec(db, "COMMIT");
    if (db->failed)
        db_rollback(db);
    db->in_transaction = false;
    return db_error(db, reterr);
}

void db_space(struct db *db, uint64_t *ret_used, uint64_t *ret_free)
{
    *ret_used = *ret_free = 0;
    if (!db->failed && db->drv->space(db->h, ret_used, ret_free, &db->why) != ERR_OK)
        db->failed = true;
}

uint64_t db_give_back(struct db *db, uint64_t bytes)
{
    uint64_t used;
    uint64_t rest;

    CHECK(db->in_transaction || db->failed);
    if (!db->failed && db->drv->give_back(db->h, bytes, &db->why) != ERR_OK)
        db->failed = true;
    db_space(db, &used, &rest);
    return rest;
}

bool db_cut(struct db *db)
{
    CHECK(!db->in_transaction);
    return db->drv->cut(db->h);
}

void db_script(struct db *db, const char *sql)
{
    struct buf out;

    buf_init(&out, SCRIPT_BYTES_MAX);
    while (*sql != '\0') {
        const struct db_word *w = db->drv->words;

        while (w->word != NULL && strncmp(sql, w->word, strlen(w->word)) != 0)
            w++;
        if (w->word != NULL) {
            buf_puts(&out, w->sql);
            sql += strlen(w->word);
        } else {
            buf_putc(&out, *sql++);
        }
    }
    exec(db, buf_str(&out));
    buf_done(&out);
}

/* ---- statements ------------------------------------------------------------------------------------------ */

static struct db_stmt *stmt_new(struct db *db, const char *text, bool built)
{
    struct db_stmt *s;
    void *h;

    if (db->drv->prepare(db->h, text, &h, &db->why) != ERR_OK) {
        db->failed = true;
        return &db->dead;
    }
    s = xcalloc(1, sizeof(*s));
    s->db = db;
    s->h = h;
    s->built = built;
    s->text = built ? xstrdup(text) : text;
    return s;
}

static struct db_stmt *stmt_begin(struct db_stmt *s)
{
    if (s->h == NULL)
        return s;
    CHECK(!s->busy);
    s->busy = true;
    s->is_row = false;
    s->param = 0;
    return s;
}

/* A callback of a list may ask the same list again: it gets a statement of its own. */
static struct db_stmt *stmt_extra(struct db *db, const char *text)
{
    struct db_stmt *s = stmt_new(db, text, true);

    if (s->h != NULL)
        s->extra = true;
    return stmt_begin(s);
}

struct db_stmt *db_sql(struct db *db, const char *literal)
{
    struct db_stmt *s;

    if (db->failed)
        return &db->dead;
    HASH_FIND_PTR(db->literals, &literal, s);
    if (s == NULL) {
        s = stmt_new(db, literal, false);
        if (s->h != NULL)
            HASH_ADD_PTR(db->literals, text, s);
    }
    return s->busy ? stmt_extra(db, literal) : stmt_begin(s);
}

struct db_stmt *db_built(struct db *db, const char *text)
{
    struct db_stmt *s;

    if (db->failed)
        return &db->dead;
    HASH_FIND_STR(db->texts, text, s);
    if (s == NULL) {
        s = stmt_new(db, text, true);
        if (s->h != NULL)
            HASH_ADD_KEYPTR(hh, db->texts, s->text, strlen(s->text), s);
    }
    return s->busy ? stmt_extra(db, text) : stmt_begin(s);
}

void db_int(struct db_stmt *s, int64_t v)
{
    if (s->h != NULL)
        s->db->drv->bind_int(s->h, s->param++, v);
}

void db_uint(struct db_stmt *s, uint64_t v)
{
    CHECK(v <= INT64_MAX);
    db_int(s, (int64_t)v);
}

void db_double(struct db_stmt *s, double v)
{
    if (s->h != NULL)
        s->db->drv->bind_double(s->h, s->param++, v);
}

void db_text(struct db_stmt *s, const char *text)
{
    if (s->h != NULL)
        s->db->drv->bind_text(s->h, s->param++, text != NULL ? text : "");
}

void db_bytes(struct db_stmt *s, const void *p, size_t n)
{
    if (s->h != NULL)
        s->db->drv->bind_bytes(s->h, s->param++, p, n);
}

void db_end(struct db_stmt *s)
{
    if (s->h == NULL || !s->busy)
        return;
    s->db->drv->reset(s->h);
    s->busy = false;
    s->is_row = false;
    if (s->extra)
        stmt_free(s);
}

bool db_row(struct db_stmt *s)
{
    struct db *db = s->db;
    enum db_step step;

    if (s->h == NULL || !s->busy)
        return false;
    step = db->failed ? DB_STEP_ERROR : db->drv->step(db->h, s->h, &db->why);
    s->is_row = step == DB_STEP_ROW;
    s->col = 0;
    if (step == DB_STEP_ROW)
        return true;
    if (step == DB_STEP_ERROR)
        db->failed = true;
    db_end(s);
    return false;
}

uint64_t db_run(struct db_stmt *s)
{
    struct db *db = s->db;
    uint64_t changed = 0;

    if (s->h == NULL || !s->busy)
        return 0;
    switch (db->failed ? DB_STEP_DONE : db->drv->step(db->h, s->h, &db->why)) {
    case DB_STEP_DONE:
        changed = db->drv->changed(db->h, s->h);
        break;
    case DB_STEP_ROW:
        break;
    case DB_STEP_ERROR:
        db->failed = true;
        break;
    }
    db_end(s);
    return changed;
}

int64_t db_get_int(struct db_stmt *s)
{
    return s->is_row ? s->db->drv->col_int(s->h, s->col++) : 0;
}

uint64_t db_get_uint(struct db_stmt *s)
{
    int64_t v = db_get_int(s);

    return v < 0 ? 0 : (uint64_t)v;
}

uint64_t db_one_uint(struct db_stmt *s)
{
    uint64_t n = 0;

    while (db_row(s))
        n = db_get_uint(s);
    return n;
}

double db_get_double(struct db_stmt *s)
{
    return s->is_row ? s->db->drv->col_double(s->h, s->col++) : 0;
}

const char *db_get_text(struct db_stmt *s)
{
    return s->is_row ? s->db->drv->col_text(s->h, s->col++).ptr : "";
}

struct slice db_get_bytes(struct db_stmt *s)
{
    return s->is_row ? s->db->drv->col_bytes(s->h, s->col++) : (struct slice){"", 0};
}
