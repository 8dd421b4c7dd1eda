/* cost.c - the ledger: entries are added to the sums of their day and server, and of their day and launch.
 *
 * The engine writes an entry with each end of a run; they are collected over a batch, so that a day's row is written once
 * however many runs ended. Sums and the moments up to which they go are in one transaction (engine/cost.c). */
#include <stdlib.h>
#include <string.h>

#include "model/cost.h"
#include "store/store_private.h"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

/* What a batch adds to a row. Of a server (launch 0): also what its own row says from now on. */
struct cost_delta {
    struct cost_key {
        int64_t day;
        uint64_t server; /* 0: of a launch */
        uint64_t launch;
    } key;
    char *server_name; /* OWNED */
    char *fleet_name;  /* OWNED */
    uint64_t fleet;
    int64_t nanousd;
    int64_t runs_nanousd;
    int64_t ms;
    int64_t slot_ms;
    UT_hash_handle hh;
};
struct cost_meter {
    uint64_t server;
    int64_t charged_at;
    int64_t nanousd;
    UT_hash_handle hh;
};

static struct cost_delta *delta_of(struct writer *w, int64_t day, uint64_t server, uint64_t launch)
{
    struct cost_delta *d;
    struct cost_key key;

    memset(&key, 0, sizeof(key));
    key.day = day;
    key.server = server;
    key.launch = launch;
    HASH_FIND(hh, w->costs, &key, sizeof(key), d);
    if (d == NULL) {
        d = xcalloc(1, sizeof(*d));
        d->key = key;
        HASH_ADD(hh, w->costs, key, sizeof(d->key), d);
    }
    return d;
}

static void meter_said(struct writer *w, const struct cost_row *row)
{
    struct cost_meter *m;

    HASH_FIND(hh, w->meters, &row->server.v, sizeof(row->server.v), m);
    if (m == NULL) {
        m = xcalloc(1, sizeof(*m));
        m->server = row->server.v;
        HASH_ADD(hh, w->meters, server, sizeof(m->server), m);
    }
    m->charged_at = row->charged_at.ms;
    m->nanousd = row->server_nanousd;
}

void cost_meter_forget(struct writer *w, struct server_id server)
{
    struct cost_meter *m;

    HASH_FIND(hh, w->meters, &server.v, sizeof(server.v), m);
    if (m == NULL)
        return;
    HASH_DEL(w->meters, m);
    free(m);
}

void cost_add(struct writer *w, const struct cost_row *row)
{
    struct cost_delta *d = delta_of(w, row->day, row->server.v, 0);

    if (d->server_name == NULL) {
        d->server_name = xstrdup(row->server_name);
        d->fleet_name = xstrdup(row->fleet_name);
        d->fleet = row->fleet.v;
    }
    if (row->launch.v == 0) {
        d->nanousd += row->nanousd;
        d->ms += row->ms;
        meter_said(w, row);
        return;
    }
    d->runs_nanousd += row->nanousd;
    d->slot_ms += row->ms;
    d = delta_of(w, row->day, 0, row->launch.v);
    d->nanousd += row->nanousd;
    d->slot_ms += row->ms;
    sums_cost(w, row->launch.v, row->nanousd);
}

static void machine_flush(struct writer *w, const struct cost_delta *d)
{
    struct db_stmt *s = db_sql(
        w->db, "INSERT INTO cost_machines (day, server, server_name, fleet_id, fleet_name, cost_nanousd, "
               "runs_nanousd, ms, slot_ms) VALUES (?,?,?,?,?,?,?,?,?) "
               "ON CONFLICT (day, server) DO UPDATE SET server_name = excluded.server_name, "
               "fleet_name = excluded.fleet_name, "
               "cost_nanousd = cost_machines.cost_nanousd + excluded.cost_nanousd, "
               "runs_nanousd = cost_machines.runs_nanousd + excluded.runs_nanousd, "
               "ms = cost_machines.ms + excluded.ms, "
               "slot_ms = cost_machines.slot_ms + excluded.slot_ms");

    db_int(s, d->key.day);
    db_uint(s, d->key.server);
    db_text(s, d->server_name);
    db_uint(s, d->fleet);
    db_text(s, d->fleet_name);
    db_int(s, d->nanousd);
    db_int(s, d->runs_nanousd);
    db_int(s, d->ms);
    db_int(s, d->slot_ms);
    (void)db_run(s);
}

static void launch_flush(struct writer *w, const struct cost_delta *d)
{
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO cost_launches (day, launch, user_id, schedule, cost_nanousd, slot_ms) "
                      "SELECT ?, l.id, l.user_id, l.schedule, ?, ? FROM launches l WHERE l.id = ? "
                      "ON CONFLICT (day, launch) DO UPDATE SET "
                      "cost_nanousd = cost_launches.cost_nanousd + excluded.cost_nanousd, "
                      "slot_ms = cost_launches.slot_ms + excluded.slot_ms");

    db_int(s, d->key.day);
    db_int(s, d->nanousd);
    db_int(s, d->slot_ms);
    db_uint(s, d->key.launch);
    if (db_run(s) != 1)
        db_fail(w->db, "launch %llu cost something and is not in the database: something else wrote to it",
                (unsigned long long)d->key.launch);
}

/* The newest days with costs stay, so many of them: a clock that is wrong by years adds a day, and takes one. */
static void old_days_delete(struct writer *w)
{
    struct db_stmt *s = db_sql(w->db, "SELECT COALESCE(MIN(day), 0) FROM (SELECT DISTINCT day FROM "
                                      "cost_machines ORDER BY day DESC LIMIT ?)");
    int64_t oldest = 0;

    db_int(s, COST_DAYS_KEPT);
    while (db_row(s))
        oldest = db_get_int(s);
    s = db_sql(w->db, "DELETE FROM cost_machines WHERE day < ?");
    db_int(s, oldest);
    (void)db_run(s);
    s = db_sql(w->db, "DELETE FROM cost_launches WHERE day < ?");
    db_int(s, oldest);
    (void)db_run(s);
}

void costs_flush(struct writer *w)
{
    struct cost_delta *d;
    struct cost_delta *next;
    struct cost_meter *m;
    struct cost_meter *m_next;
    int64_t newest = 0;

    if (w->costs == NULL && w->meters == NULL)
        return;
    HASH_ITER(hh, w->costs, d, next) {
        if (d->key.server != 0)
            machine_flush(w, d);
        else
            launch_flush(w, d);
        newest = d->key.day > newest ? d->key.day : newest;
    }
    HASH_ITER(hh, w->meters, m, m_next) {
        struct db_stmt *s = db_sql(w->db, "UPDATE servers SET charged_at = ?, cost_nanousd = ? WHERE id = ?");

        db_int(s, m->charged_at);
        db_int(s, m->nanousd);
        db_uint(s, m->server);
        (void)db_run(s); /* it may have been removed meanwhile */
    }
    if (newest != w->cost_day) {
        old_days_delete(w);
        w->cost_day = newest;
    }
    costs_drop(w);
}

void costs_drop(struct writer *w)
{
    struct cost_delta *d = w->costs;
    struct cost_meter *m = w->meters;

    HASH_CLEAR(hh, w->costs); /* the tables; the entries stay chained */
    HASH_CLEAR(hh, w->meters);
    while (d != NULL) {
        struct cost_delta *next = d->hh.next;

        free(d->server_name);
        free(d->fleet_name);
        free(d);
        d = next;
    }
    while (m != NULL) {
        struct cost_meter *next = m->hh.next;

        free(m);
        m = next;
    }
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

/* Of which table the rows are, by what they are grouped, and what is shown of a group beside the sums. */
struct grouping {
    bool is_of_machines;
    const char *key;  /* column of `c` */
    const char *name; /* SQL; "''" none */
    const char *also; /* the same: a second name */
};
static const struct grouping groupings[COST_BY_COUNT] = {
    [COST_BY_DAY] = {true, "c.day", "''", "''"},
    [COST_BY_SERVER] = {true, "c.server", "MAX(c.server_name)", "MAX(c.fleet_name)"},
    [COST_BY_FLEET] = {true, "c.fleet_id", "MAX(c.fleet_name)", "''"},
    [COST_BY_LAUNCH] = {false, "c.launch",
                        "COALESCE((SELECT l.name FROM launches l WHERE l.id = c.launch), '')",
                        "COALESCE((SELECT u.login FROM users u WHERE u.id = c.user_id), '')"},
    [COST_BY_USER] = {false, "c.user_id",
                      "COALESCE((SELECT u.login FROM users u WHERE u.id = c.user_id), '')", "''"},
    [COST_BY_SCHEDULE] = {false, "c.schedule",
                          "COALESCE((SELECT s.name FROM schedules s WHERE s.id = c.schedule), '')", "''"},
};

#define MACHINE_SUMS "SUM(c.cost_nanousd), SUM(c.runs_nanousd), SUM(c.ms), SUM(c.slot_ms)"
#define LAUNCH_SUMS "SUM(c.cost_nanousd), SUM(c.cost_nanousd), 0, SUM(c.slot_ms)"

static void get_sums(struct db_stmt *s, struct cost_sums *sums)
{
    sums->nanousd = db_get_int(s);
    sums->runs_nanousd = db_get_int(s);
    sums->ms = db_get_int(s);
    sums->slot_ms = db_get_int(s);
}

/* Of one user only what launches cost is known. */
static bool is_of_machines(const struct cost_filter *f)
{
    return f->user.v == 0 && (f->by == COST_BY_COUNT || groupings[f->by].is_of_machines);
}

static void put_from(struct buf *b, const struct cost_filter *f)
{
    buf_puts(b, is_of_machines(f) ? " FROM cost_machines c WHERE " : " FROM cost_launches c WHERE ");
    if (f->user.v != 0)
        buf_puts(b, "c.user_id = ? AND ");
    buf_puts(b, "c.day >= ? AND c.day <= ?");
    if (f->by == COST_BY_SCHEDULE)
        buf_puts(b, " AND c.schedule > 0");
}

static void bind_from(struct db_stmt *s, const struct cost_filter *f)
{
    if (f->user.v != 0)
        db_uint(s, f->user.v);
    db_int(s, f->from_day);
    db_int(s, f->to_day);
}

enum err read_cost_sums(struct reader *r, const struct cost_filter *filter, struct cost_sums *ret,
                        struct why *reterr)
{
    struct cost_filter f = *filter;
    struct db_stmt *s;
    struct buf b;

    f.by = COST_BY_COUNT;
    *ret = (struct cost_sums){0};
    buf_init(&b, SQL_BYTES_MAX);
    buf_puts(&b, is_of_machines(&f) ? "SELECT " MACHINE_SUMS ", COUNT(DISTINCT c.day)"
                                    : "SELECT " LAUNCH_SUMS ", COUNT(DISTINCT c.day)");
    put_from(&b, &f);
    s = db_built(r->db, buf_str(&b));
    buf_done(&b);
    bind_from(s, &f);
    while (db_row(s)) {
        get_sums(s, ret);
        ret->n_days = (uint32_t)db_get_uint(s);
    }
    return db_error(r->db, reterr);
}

/* Days come newest first, everything else the dearest first; a page begins behind the last sum and key of the one before. */
enum err read_costs(struct reader *r, const struct cost_filter *f, struct cost_page *p, cost_fn *each,
                    void *ctx, struct why *reterr)
{
    const struct grouping *g = &groupings[f->by];
    bool by_day = f->by == COST_BY_DAY;
    struct cost_item item;
    struct db_stmt *s;
    struct buf b;
    uint32_t n = 0;

    CHECK(f->user.v == 0 || by_day || !g->is_of_machines);
    buf_init(&b, SQL_BYTES_MAX);
    buf_printf(&b, "SELECT %s, %s, %s, ", g->key, g->name, g->also);
    buf_puts(&b, is_of_machines(f) ? MACHINE_SUMS : LAUNCH_SUMS);
    put_from(&b, f);
    buf_printf(&b, " GROUP BY %s HAVING ", g->key);
    buf_puts(&b, by_day ? "c.day < ? ORDER BY c.day DESC LIMIT ?"
                        : "SUM(c.cost_nanousd) < ? OR (SUM(c.cost_nanousd) = ? AND ");
    if (!by_day)
        buf_printf(&b, "%s < ?) ORDER BY SUM(c.cost_nanousd) DESC, %s DESC LIMIT ?", g->key, g->key);
    s = db_built(r->db, buf_str(&b));
    buf_done(&b);
    bind_from(s, f);
    if (!by_day) {
        db_int(s, p->has_after ? p->after_nanousd : INT64_MAX);
        db_int(s, p->has_after ? p->after_nanousd : INT64_MAX);
    }
    db_int(s, p->has_after ? p->after_key : INT64_MAX);
    db_int(s, (int64_t)p->limit + 1);
    p->has_next = false;
    while (db_row(s)) {
        if (n++ == p->limit) {
            p->has_next = true;
            db_end(s);
            break;
        }
        item.key = db_get_int(s);
        item.name = db_get_text(s);
        item.also = db_get_text(s);
        get_sums(s, &item.sums);
        p->next_key = item.key;
        p->next_nanousd = item.sums.nanousd;
        each(ctx, &item);
    }
    return db_error(r->db, reterr);
}

enum err read_cost_rate(struct reader *r, struct cost_rate *ret, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT COUNT(*), COALESCE(SUM(price_hour_microusd), 0), "
                                      "COALESCE(MIN(charged_at), 0) FROM servers WHERE metered_at > 0");

    *ret = (struct cost_rate){0};
    while (db_row(s)) {
        ret->n_machines = (uint32_t)db_get_uint(s);
        ret->hour_microusd = db_get_int(s);
        ret->charged_at.ms = db_get_int(s);
    }
    return db_error(r->db, reterr);
}
