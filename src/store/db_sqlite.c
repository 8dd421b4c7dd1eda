/* db_sqlite.c - the driver for SQLite 3: one file, write-ahead log, every commit synced.
 *
 * The writer holds the only connection that writes; readers open the file read-only and see snapshots, so
 * neither waits for the other. Debian builds SQLite with SECURE_DELETE: switched off, since the folder is
 * private and log tails are deleted all the time. Caches are small: the whole server stays below 20 MB idle. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "store/db_driver.h"

#define BUSY_TIMEOUT_MS 10000
#define CACHE_KIB_WRITE 4096
#define CACHE_KIB_READ 1024
#define CHECKPOINT_PAGES 4000 /* 16 MiB of log: a checkpoint costs two syncs, so not too often */

static const struct db_word words[] = {
    {"{id}", "INTEGER PRIMARY KEY"},
    {"{bytes}", "BLOB"},
    {"{clustered}", "WITHOUT ROWID"},
    {NULL, NULL},
};

static void configure(void)
{
    /* Its count of allocated bytes takes a lock on every allocation of every thread. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum err fail(sqlite3 *conn, struct why *reterr)
{
    int code = sqlite3_errcode(conn);
    const char *path = sqlite3_db_filename(conn, "main");

    if (path == NULL)
        path = "the database";
    switch (code & 0xff) {
    case SQLITE_FULL:
        return why_set(reterr, ERR_IO, NULL,
                       "the disk that holds %s is full: free some space and start again", path);
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return why_set(reterr, ERR_IO, NULL,
                       "%s cannot be read or written (%s, errno %d): look at the disk and start again", path,
                       sqlite3_errstr(sqlite3_extended_errcode(conn)), sqlite3_system_errno(conn));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return why_set(reterr, ERR_IO, NULL, "%s is damaged (%s): restore it from a backup", path,
                       sqlite3_errmsg(conn));
    default:
        return why_set(reterr, ERR_IO, NULL, "%s refused a statement: %s", path, sqlite3_errmsg(conn));
    }
}

static void sqlite_close(void *conn)
{
    (void)sqlite3_close_v2(conn);
}

static enum err sqlite_exec(void *conn, const char *sql, struct why *reterr)
{
    return sqlite3_exec(conn, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK : fail(conn, reterr);
}

static enum err sqlite_open(const struct db_opts *opts, void **retconn, struct why *reterr)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool write = opts->mode == DB_WRITE;
    int flags =
        SQLITE_OPEN_NOMUTEX | (write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    sqlite3 *conn = NULL;
    char pragmas[512];
    enum err err;

    (void)pthread_once(&once, configure);
    if (sqlite3_open_v2(opts->path, &conn, flags, NULL) != SQLITE_OK) {
        err = why_set(reterr, ERR_IO, NULL, "%s cannot be opened: %s", opts->path,
                      conn != NULL ? sqlite3_errmsg(conn) : "out of memory");
        (void)sqlite3_close_v2(conn);
        return err;
    }
    (void)sqlite3_extended_result_codes(conn, 1);
    (void)sqlite3_busy_timeout(conn, BUSY_TIMEOUT_MS);
    if (write)
        (void)snprintf(pragmas, sizeof(pragmas),
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                       "PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
                       "PRAGMA cache_size = -%d; PRAGMA wal_autocheckpoint = %d;"
                       "PRAGMA journal_size_limit = 67108864",
                       CACHE_KIB_WRITE, CHECKPOINT_PAGES);
    else
        (void)snprintf(pragmas, sizeof(pragmas),
                       "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
                       "PRAGMA cache_size = -%d",
                       CACHE_KIB_READ);
    err = sqlite_exec(conn, pragmas, reterr);
    if (err != ERR_OK) {
        sqlite_close(conn);
        return err;
    }
    *retconn = conn;
    return ERR_OK;
}

static enum err sqlite_prepare(void *conn, const char *sql, void **retstmt, struct why *reterr)
{
    sqlite3_stmt *s = NULL;

    if (sqlite3_prepare_v3(conn, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK)
        return fail(conn, reterr);
    CHECK(s != NULL);
    *retstmt = s;
    return ERR_OK;
}

static void sqlite_finalize(void *stmt)
{
    (void)sqlite3_finalize(stmt);
}

/* A bind fails only for a parameter that is not there: a bug of ours. */
static void sqlite_bind_int(void *stmt, int i, int64_t v)
{
    CHECK(sqlite3_bind_int64(stmt, i + 1, v) == SQLITE_OK);
}

static void sqlite_bind_double(void *stmt, int i, double v)
{
    CHECK(sqlite3_bind_double(stmt, i + 1, v) == SQLITE_OK);
}

static void sqlite_bind_text(void *stmt, int i, const char *text)
{
    CHECK(sqlite3_bind_text(stmt, i + 1, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

static void sqlite_bind_bytes(void *stmt, int i, const void *p, size_t n)
{
    CHECK(sqlite3_bind_blob64(stmt, i + 1, n == 0 ? "" : p, n, SQLITE_STATIC) == SQLITE_OK);
}

static enum db_step sqlite_step(void *conn, void *stmt, struct why *reterr)
{
    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW:
        return DB_STEP_ROW;
    case SQLITE_DONE:
        return DB_STEP_DONE;
    default:
        (void)fail(conn, reterr);
        return DB_STEP_ERROR;
    }
}

static uint64_t sqlite_changed(void *conn, void *stmt)
{
    (void)stmt;
    return (uint64_t)sqlite3_changes64(conn);
}

static void sqlite_reset(void *stmt)
{
    (void)sqlite3_reset(stmt); /* repeats the error that the step has told */
}

static int64_t sqlite_col_int(void *stmt, int i)
{
    return sqlite3_column_int64(stmt, i);
}

static double sqlite_col_double(void *stmt, int i)
{
    return sqlite3_column_double(stmt, i);
}

static struct slice sqlite_col_text(void *stmt, int i)
{
    const char *s = (const char *)sqlite3_column_text(stmt, i);

    return s == NULL ? (struct slice){"", 0} : (struct slice){s, (size_t)sqlite3_column_bytes(stmt, i)};
}

static struct slice sqlite_col_bytes(void *stmt, int i)
{
    const char *s = sqlite3_column_blob(stmt, i);

    return s == NULL ? (struct slice){"", 0} : (struct slice){s, (size_t)sqlite3_column_bytes(stmt, i)};
}

const struct db_driver db_sqlite = {
    .name = "sqlite",
    .words = words,
    .begin = {"BEGIN IMMEDIATE", "BEGIN"},
    .open = sqlite_open,
    .close = sqlite_close,
    .exec = sqlite_exec,
    .prepare = sqlite_prepare,
    .finalize = sqlite_finalize,
    .bind_int = sqlite_bind_int,
    .bind_double = sqlite_bind_double,
    .bind_text = sqlite_bind_text,
    .bind_bytes = sqlite_bind_bytes,
    .step = sqlite_step,
    .changed = sqlite_changed,
    .reset = sqlite_reset,
    .col_int = sqlite_col_int,
    .col_double = sqlite_col_double,
    .col_text = sqlite_col_text,
    .col_bytes = sqlite_col_bytes,
};
