/* inspect.c - a look at a data folder from outside, also while a server works on it: nothing is written, no lock. */
#include <limits.h>
#include <stdio.h>

#include "store/inspect.h"
#include "store/migrations.h"
#include "store/store_private.h"

static void find_damage(struct db *db, struct store_look *ret)
{
    struct db_stmt *s = db_sql(db, "PRAGMA quick_check(1)");

    while (db_row(s)) {
        const char *text = db_get_text(s);

        if (strcmp(text, "ok") != 0)
            (void)snprintf(ret->damage, sizeof(ret->damage), "%s", text);
    }
}

static void find_schema(struct db *db, struct store_look *ret)
{
    struct db_stmt *s = db_sql(db, "SELECT COALESCE(MAX(version), 0) FROM schema_version");

    while (db_row(s))
        ret->schema = db_get_int(s);
    ret->schema_known = (int64_t)migrations_count;
}

/* Those who are admins by their address are not counted: the addresses are in the credentials. */
static void find_admin(struct db *db, struct store_look *ret)
{
    struct db_stmt *s = db_sql(db, "SELECT id FROM users WHERE id <> 1 AND is_admin <> 0 AND password <> ''"
                                   " AND locked_at = 0 AND deleted_at = 0 LIMIT 1");

    while (db_row(s))
        ret->has_admin = true;
}

enum err store_inspect(const char *dir, struct store_look *ret, server_fn *each, void *ctx,
                       struct why *reterr)
{
    char path[PATH_MAX];
    struct reader r = {.dir = dir};
    enum err err;

    *ret = (struct store_look){0};
    (void)snprintf(path, sizeof(path), "%s/wrata.db", dir);
    err = db_open(&(struct db_opts){.driver = &db_sqlite, .path = path, .mode = DB_READ}, &r.db, reterr);
    if (err != ERR_OK)
        return err;
    arena_init(&r.row);
    db_begin(r.db);
    find_damage(r.db, ret);
    if (ret->damage[0] == '\0')
        find_schema(r.db, ret);
    if (ret->damage[0] == '\0' && ret->schema == ret->schema_known)
        find_admin(r.db, ret);
    err = db_error(r.db, reterr);
    if (err == ERR_OK && ret->damage[0] == '\0' && ret->schema == ret->schema_known)
        err = read_artifact_sums(&r, &ret->artifacts, reterr);
    db_rollback(r.db);
    /* rows of another schema may have other columns */
    if (err == ERR_OK && ret->damage[0] == '\0' && ret->schema == ret->schema_known)
        err = read_servers(&r, each, ctx, reterr);
    arena_done(&r.row);
    db_close(r.db);
    return err;
}
