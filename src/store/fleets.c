/* fleets.c - fleets: put, delete, read. */
#include "store/store_private.h"

#define COLUMNS                                                                                    \
    "id, name, kind, options, booked_only, idle_ms, machines_max, day_microusd_max, kept, error, " \
    "created_at, "                                                                                 \
    "hour_microusd"

void fleet_row_put(struct writer *w, const struct fleet_row *row)
{
    struct slice kept = words_in(&w->batch, row->kept, row->n_kept);
    struct db_stmt *s;

    ids_used(w, ID_FLEET, row->id.v);
    s = db_sql(w->db,
               "INSERT INTO fleets (" COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?) "
               "ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, "
               "options = excluded.options, booked_only = excluded.booked_only, idle_ms = excluded.idle_ms, "
               "machines_max = excluded.machines_max, day_microusd_max = excluded.day_microusd_max, "
               "kept = excluded.kept, error = excluded.error, created_at = excluded.created_at, "
               "hour_microusd = excluded.hour_microusd");
    db_uint(s, row->id.v);
    db_text(s, row->name);
    db_text(s, fleet_kind_name(row->kind));
    db_text(s, row->options);
    db_int(s, row->booked_only);
    db_int(s, row->idle_ms);
    db_int(s, row->machines_max);
    db_int(s, row->day_microusd_max);
    db_bytes(s, kept.ptr, kept.len);
    db_text(s, row->error);
    db_int(s, row->created_at.ms);
    db_int(s, row->hour_microusd);
    (void)db_run(s);
}

void fleet_row_delete(struct writer *w, struct fleet_id id)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM fleets WHERE id = ?");

    db_uint(s, id.v);
    (void)db_run(s);
}

static void get_fleet(struct reader *r, struct db_stmt *s, struct fleet_row *row)
{
    *row = (struct fleet_row){0};
    row->id.v = db_get_uint(s);
    row->name = db_get_text(s);
    row->kind = fleet_of(db_get_text(s));
    row->options = db_get_text(s);
    row->booked_only = db_get_int(s) != 0;
    row->idle_ms = db_get_int(s);
    row->machines_max = (uint32_t)db_get_uint(s);
    row->day_microusd_max = db_get_int(s);
    row->kept = words_decode(&r->row, db_get_bytes(s), &row->n_kept);
    row->error = db_get_text(s);
    row->created_at.ms = db_get_int(s);
    row->hour_microusd = db_get_int(s);
}

/* What it cost on the newest day on which it cost anything. */
static void get_spent(struct reader *r, struct fleet_row *row)
{
    struct db_stmt *s = db_sql(r->db, "SELECT day, SUM(cost_nanousd) FROM cost_machines WHERE fleet_id = ? "
                                      "GROUP BY day ORDER BY day DESC LIMIT 1");

    db_uint(s, row->id.v);
    while (db_row(s)) {
        row->spent_day = db_get_int(s);
        row->spent_nanousd = db_get_int(s);
    }
}

enum err read_fleets(struct reader *r, fleet_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " FROM fleets ORDER BY id");
    struct fleet_row row;

    while (db_row(s)) {
        arena_reset(&r->row);
        get_fleet(r, s, &row);
        get_spent(r, &row);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_fleet(struct reader *r, struct fleet_id id, fleet_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " FROM fleets WHERE id = ?");
    struct fleet_row row;
    bool found = false;

    arena_reset(&r->row);
    db_uint(s, id.v);
    while (db_row(s)) {
        found = true;
        get_fleet(r, s, &row);
        get_spent(r, &row);
        each(ctx, &row);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no fleet %llu", (unsigned long long)id.v);
    return db_error(r->db, reterr);
}

void fleets_boot(struct reader *r, change_fn *each, void *ctx)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " FROM fleets ORDER BY id");

    while (db_row(s)) {
        struct change c = {.kind = CHANGE_FLEET_PUT};

        arena_reset(&r->row);
        get_fleet(r, s, &c.fleet);
        get_spent(r, &c.fleet);
        each(ctx, &c);
    }
}
