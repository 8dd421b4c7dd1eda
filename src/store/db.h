/* db.h - SQL for the resource files: prepare, bind, step, in words that every driver understands.
 *
 * A statement is used top to bottom: db_sql(), then one bind per `?` in their order, then db_run() for a
 * change, or `while (db_row())` with one db_get_*() per column in their order:
 *
 *     s = db_sql(db, "SELECT id, name FROM servers WHERE port = ?");
 *     db_int(s, 22);
 *     while (db_row(s)) {
 *         id = db_get_int(s);
 *         name = db_get_text(s);         (valid until the next db_row)
 *     }
 *
 * Errors stick: after the first failure every call on the connection does nothing and every read finds no row,
 * until db_begin(); db_error() tells. So the resource files say what they want and ask once whether it worked.
 *
 * A connection is used by one thread at a time. Statements are prepared once and kept. */
#ifndef WRATA_STORE_DB_H
#define WRATA_STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct db;
struct db_stmt;
struct db_driver;

extern const struct db_driver db_sqlite;

enum db_mode { DB_WRITE, DB_READ };

struct db_opts {
    const struct db_driver *driver;
    const char *path;  /* sqlite: of the file */
    enum db_mode mode; /* DB_READ: the connection cannot write */
};

MUST_USE enum err db_open(const struct db_opts *opts, struct db **ret, struct why *reterr);
void db_close(struct db *db); /* NULL is fine */

/* A transaction; for DB_READ one snapshot from its first read on. Forgets an earlier error. */
void db_begin(struct db *db);
/* Durable when it returns ERR_OK. On any error of the transaction so far: rolled back, ERR_IO, and why. */
MUST_USE enum err db_commit(struct db *db, struct why *reterr);
void db_rollback(struct db *db);

/* ERR_OK, or ERR_IO with the first failure since db_begin(). */
enum err db_error(const struct db *db, struct why *reterr);
bool db_failed(const struct db *db);
/* A failure that the caller found itself: a row that must be there is not. */
void db_fail(struct db *db, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Bytes of the database that hold something, and that are free inside of it. */
void db_space(struct db *db, uint64_t *ret_used, uint64_t *ret_free);
/* In a transaction: give up to `bytes` of the free ones back to the disk, moving what is behind them. The rest of them. */
uint64_t db_give_back(struct db *db, uint64_t bytes);
/* Outside of one: bring what was committed to where it belongs and cut what held it meanwhile, if nobody reads from it now. */
bool db_cut(struct db *db); /* false: somebody does */

/* Run statements without parameters. {words} are replaced by the driver's own:
 *     {id}         the type of a 64-bit primary key
 *     {bytes}      the type of a byte string
 *     {clustered}  after the closing parenthesis of a table: kept in the order of its primary key */
void db_script(struct db *db, const char *sql);

/* The statement of a string literal (its address is its identity)... */
struct db_stmt *db_sql(struct db *db, const char *literal);
/* ...or of a text put together at run time, of which there are few. */
struct db_stmt *db_built(struct db *db, const char *text);

void db_int(struct db_stmt *s, int64_t v);
void db_uint(struct db_stmt *s, uint64_t v); /* at most INT64_MAX */
void db_double(struct db_stmt *s, double v);
void db_text(struct db_stmt *s, const char *text); /* NUL-ended; NULL is "". Borrowed until run or end */
void db_bytes(struct db_stmt *s, const void *p, size_t n);

uint64_t db_run(struct db_stmt *s); /* rows changed */
bool db_row(struct db_stmt *s);     /* false: no more, and the statement has ended */
void db_end(struct db_stmt *s);     /* leave before the last row */

int64_t db_get_int(struct db_stmt *s);
/* The last row's first column, 0 without a row; ends the statement. */
uint64_t db_one_uint(struct db_stmt *s);
uint64_t db_get_uint(struct db_stmt *s);
double db_get_double(struct db_stmt *s);
const char *db_get_text(struct db_stmt *s);   /* never NULL */
struct slice db_get_bytes(struct db_stmt *s); /* the byte after the last may not be read */

#endif
