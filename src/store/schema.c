/* schema.c - bring the database to the program's version, one numbered migration after the other. */
#include <string.h>

#include "store/migrations.h"
#include "store/store_private.h"

static int64_t schema_version(struct db *db)
{
    struct db_stmt *s = db_sql(db, "SELECT COALESCE(MAX(version), 0) FROM schema_version");
    int64_t version = 0;

    while (db_row(s))
        version = db_get_int(s);
    return version;
}

static void migrate_one(struct db *db, const struct migration *m)
{
    struct db_stmt *s;

    db_script(db, m->sql);
    s = db_sql(db, "INSERT INTO schema_version (version, name, applied_at) VALUES (?, ?, ?)");
    db_int(s, m->number);
    db_text(s, m->name);
    db_int(s, wall_now().ms);
    (void)db_run(s);
}

/* Migrations that need more than SQL: what the program does when the tables are all there. */
static const struct {
    const char *name;
    void (*fn)(struct writer *w);
} steps[] = {{"compact_examples", examples_compact}};

static void migrate_rows(struct writer *w, const struct migration *m)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (strcmp(steps[i].name, m->name) == 0)
            steps[i].fn(w);
}

enum err schema_migrate(struct writer *w, struct why *reterr)
{
    struct db *db = w->db;
    const struct migration *m;
    int64_t version;

    db_begin(db);
    db_script(db, "CREATE TABLE IF NOT EXISTS schema_version ("
                  "version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)");
    version = schema_version(db);
    if (version > (int64_t)migrations_count) {
        db_rollback(db);
        return why_set(reterr, ERR_CONFLICT, NULL,
                       "the data was written by a newer wrata (schema %lld, this program knows up to %u): "
                       "start that version, or restore a backup made before the upgrade",
                       (long long)version, migrations_count);
    }
    for (m = migrations; m->number != 0; m++)
        if (m->number > version)
            migrate_one(db, m);
    for (m = migrations; m->number != 0; m++)
        if (m->number > version)
            migrate_rows(w, m);
    return db_commit(db, reterr);
}

enum err read_schema_version(struct reader *r, int64_t *ret, unsigned *ret_known, struct why *reterr)
{
    *ret = schema_version(r->db);
    *ret_known = migrations_count;
    return db_error(r->db, reterr);
}
