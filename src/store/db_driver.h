/* db_driver.h - what a database library must do for db.c. A row of functions per library.
 *
 * `conn` and `stmt` are the driver's own. Every function that can fail fills *reterr with one sentence that says
 * what happened and, for want of space, what to do. Columns and parameters count from 0. */
#ifndef WRATA_STORE_DB_DRIVER_H
#define WRATA_STORE_DB_DRIVER_H

#include "store/db.h"

enum db_step { DB_STEP_ROW, DB_STEP_DONE, DB_STEP_ERROR };

struct db_word {
    const char *word; /* "{id}" */
    const char *sql;
};

struct db_driver {
    const char *name;
    const struct db_word *words; /* ended by a row of NULL */
    const char *begin[2];        /* by enum db_mode */
    enum err (*open)(const struct db_opts *opts, void **retconn, struct why *reterr);
    void (*close)(void *conn);
    enum err (*exec)(void *conn, const char *sql, struct why *reterr);
    enum err (*prepare)(void *conn, const char *sql, void **retstmt, struct why *reterr);
    enum err (*space)(void *conn, uint64_t *ret_used, uint64_t *ret_free, struct why *reterr);
    enum err (*give_back)(void *conn, uint64_t bytes, struct why *reterr);
    bool (*cut)(void *conn);
    void (*finalize)(void *stmt);
    void (*bind_int)(void *stmt, int i, int64_t v);
    void (*bind_double)(void *stmt, int i, double v);
    void (*bind_text)(void *stmt, int i, const char *text);
    void (*bind_bytes)(void *stmt, int i, const void *p, size_t n);
    enum db_step (*step)(void *conn, void *stmt, struct why *reterr);
    uint64_t (*changed)(void *conn, void *stmt); /* rows changed by the last step */
    void (*reset)(void *stmt);
    int64_t (*col_int)(void *stmt, int i);
    double (*col_double)(void *stmt, int i);
    struct slice (*col_text)(void *stmt, int i); /* NUL-ended */
    struct slice (*col_bytes)(void *stmt, int i);
};

#endif
