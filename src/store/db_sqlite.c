/* db_sqlite.c - the driver for SQLite 3: one file, write-ahead log, every commit synced.
 *
 * The writer holds the only connection that writes; readers open the file read-only and see snapshots, so
 * neither waits for the other. Debian builds SQLite with SECURE_DELETE: switched off, since the folder is
 * private and log tails are deleted all the time. Caches are small: the whole server stays below 20 MB idle. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/db_driver.h"

#define BUSY_TIMEOUT_MS 10000
#define COPY_MARGIN_BYTES MIB(16)
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

static enum err sqlite_open(const struct db_opts *opts, void **retconn, struct why *reterr);

static void sqlite_close(void *conn)
{
    (void)sqlite3_close_v2(conn);
}

static enum err sqlite_exec(void *conn, const char *sql, struct why *reterr)
{
    return sqlite3_exec(conn, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK : fail(conn, reterr);
}

/* The one number that a pragma answers; -1: it did not. */
static int64_t pragma(sqlite3 *conn, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t v = -1;

    if (sqlite3_prepare_v2(conn, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        v = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    return v;
}

/* ---- a database of before: free pages inside of it never go back to the disk ------------------------------ */

static bool sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_fine = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        (void)close(fd);
    return is_fine;
}

static bool has_room_for_a_copy(const char *path)
{
    struct statvfs fs;
    struct stat st;

    if (stat(path, &st) != 0 || statvfs(path, &fs) != 0)
        return false;
    return (uint64_t)fs.f_bavail * fs.f_frsize > (uint64_t)st.st_size + COPY_MARGIN_BYTES;
}

/* Into a file of its own, which then takes the place of the old one: a crash leaves one of the two, whole. No write-ahead log
 * may be left by then, since it would be taken for the new file's. */
static bool copy_whole(sqlite3 *conn, const char *copy)
{
    sqlite3_stmt *s = NULL;
    bool is_fine = sqlite3_exec(conn, "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = INCREMENTAL", NULL,
                                NULL, NULL) == SQLITE_OK &&
                   sqlite3_prepare_v2(conn, "VACUUM INTO ?", -1, &s, NULL) == SQLITE_OK &&
                   sqlite3_bind_text(s, 1, copy, -1, SQLITE_STATIC) == SQLITE_OK &&
                   sqlite3_step(s) == SQLITE_DONE;

    (void)sqlite3_finalize(s);
    return is_fine && sync_path(copy);
}

/* Once in the life of a database that was made before its pages could be given back. True: the file is another one. */
static bool rewrite_once(sqlite3 *conn, const char *path)
{
    char copy[PATH_MAX];
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (pragma(conn, "PRAGMA auto_vacuum") != 0 || pragma(conn, "PRAGMA page_count") <= 0)
        return false;
    (void)snprintf(copy, sizeof(copy), "%s.new", path);
    (void)snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path) : 1,
                   slash != NULL ? path : ".");
    (void)unlink(copy);
    if (!has_room_for_a_copy(path)) {
        LOG_WARN("store.not_rewritten", "why=\"there is no room for a copy of it\" file=%s", path);
        return false;
    }
    LOG_INFO("store.rewrite", "bytes=%lld",
             (long long)(pragma(conn, "PRAGMA page_count") * pragma(conn, "PRAGMA page_size")));
    if (!copy_whole(conn, copy) || rename(copy, path) != 0 || !sync_path(folder)) {
        LOG_WARN("store.not_rewritten", "why=\"%s\" file=%s", sqlite3_errmsg(conn), path);
        (void)unlink(copy);
        return false;
    }
    LOG_INFO("store.rewritten", "file=%s", path);
    return true;
}

/* ---- connections ----------------------------------------------------------------------------------------- */

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
    if (write && rewrite_once(conn, opts->path)) {
        sqlite_close(conn);
        return sqlite_open(opts, retconn, reterr);
    }
    if (write)
        (void)snprintf(pragmas, sizeof(pragmas),
                       "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = "
                       "FULL; PRAGMA foreign_keys = ON;"
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

static enum err sqlite_space(void *conn, uint64_t *ret_used, uint64_t *ret_free, struct why *reterr)
{
    int64_t page = pragma(conn, "PRAGMA page_size");
    int64_t all = pragma(conn, "PRAGMA page_count");
    int64_t unused = pragma(conn, "PRAGMA freelist_count");

    if (page <= 0 || all < unused || unused < 0)
        return fail(conn, reterr);
    *ret_used = (uint64_t)((all - unused) * page);
    /* A file that could not be rewritten uses such pages again, and cannot give them back. */
    *ret_free = pragma(conn, "PRAGMA auto_vacuum") == 0 ? 0 : (uint64_t)(unused * page);
    return ERR_OK;
}

static enum err sqlite_give_back(void *conn, uint64_t bytes, struct why *reterr)
{
    int64_t page = pragma(conn, "PRAGMA page_size");
    char sql[64];

    if (page <= 0)
        return fail(conn, reterr);
    (void)snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%lld)",
                   (long long)(bytes / (uint64_t)page > 0 ? bytes / (uint64_t)page : 1));
    return sqlite_exec(conn, sql, reterr);
}

/* Without waiting for readers: then it is for the next time. */
static bool sqlite_cut(void *conn)
{
    int rc;

    (void)sqlite3_busy_timeout(conn, 0);
    rc = sqlite3_wal_checkpoint_v2(conn, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(conn, BUSY_TIMEOUT_MS);
    return rc == SQLITE_OK;
}

const struct db_driver db_sqlite = {
    .name = "sqlite",
    .words = words,
    .begin = {"BEGIN IMMEDIATE", "BEGIN"},
    .open = sqlite_open,
    .close = sqlite_close,
    .exec = sqlite_exec,
    .prepare = sqlite_prepare,
    .space = sqlite_space,
    .give_back = sqlite_give_back,
    .cut = sqlite_cut,
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
