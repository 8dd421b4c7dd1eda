/* servers.c - servers: put, delete, read. Runs keep the name of theirs, so a deleted server leaves no row. */
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

#define COLUMNS                                                                               \
    "id, name, fleet, address, user_name, identity, port, slots, created_at, link, "          \
    "link_since, link_reason, agent_version, facts, fleet_id, status, status_since, "         \
    "status_reason, progress, intent, creates, machine, size, region, price_hour_microusd, "  \
    "billed_at, lease_until, idle_ms, active_at, destroy_at, leaving, booked_by, booked_at, " \
    "maintenance, sick, sick_cause, sick_since, losses, losses_since, lost_at, "              \
    "metered_at, charged_at, cost_nanousd, booked_for, off_after"

/* With the name of its fleet, which a row does not hold. */
#define SELECT_SERVERS \
    "SELECT " COLUMNS  \
    ", COALESCE((SELECT f.name FROM fleets f WHERE f.id = servers.fleet_id), '') FROM servers "

static void bind_machine(struct db_stmt *s, const struct server_row *row)
{
    db_uint(s, row->fleet_id.v);
    db_text(s, server_status_name(row->status));
    db_int(s, row->status_since.ms);
    db_text(s, row->status_reason);
    db_text(s, row->progress);
    db_uint(s, row->intent);
    db_int(s, row->creates);
    db_text(s, row->machine);
    db_text(s, row->size);
    db_text(s, row->region);
    db_int(s, row->price_hour_microusd);
    db_int(s, row->billed_at.ms);
    db_int(s, row->lease_until.ms);
    db_int(s, row->idle_ms);
    db_int(s, row->active_at.ms);
    db_int(s, row->destroy_at.ms);
    db_int(s, row->leaving);
    db_uint(s, row->booked_by.v);
    db_int(s, row->booked_at.ms);
    db_int(s, row->maintenance);
    db_text(s, row->sick);
    db_text(s, sick_cause_name(row->sick_cause));
    db_int(s, row->sick_since.ms);
    db_int(s, row->losses);
    db_int(s, row->losses_since.ms);
    db_int(s, row->lost_at.ms);
    db_int(s, row->metered_at.ms);
    db_int(s, row->charged_at.ms);
    db_int(s, row->cost_nanousd);
    db_uint(s, row->booked_for.v);
    db_int(s, row->off_after);
}

void server_row_put(struct writer *w, const struct server_row *row)
{
    struct db_stmt *s;

    ids_used(w, ID_SERVER, row->id.v);
    ids_used(w, ID_INTENT, row->intent);
    cost_meter_forget(w, row->id);
    s = db_sql(w->db,
               "INSERT INTO servers (" COLUMNS ") VALUES "
               "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
               "ON CONFLICT (id) DO UPDATE SET "
               "name = excluded.name, fleet = excluded.fleet, address = excluded.address, "
               "user_name = excluded.user_name, identity = excluded.identity, port = excluded.port, "
               "slots = excluded.slots, created_at = excluded.created_at, link = excluded.link, "
               "link_since = excluded.link_since, link_reason = excluded.link_reason, "
               "agent_version = excluded.agent_version, facts = excluded.facts, "
               "fleet_id = excluded.fleet_id, status = excluded.status, "
               "status_since = excluded.status_since, status_reason = excluded.status_reason, "
               "progress = excluded.progress, intent = excluded.intent, creates = excluded.creates, "
               "machine = excluded.machine, size = excluded.size, region = excluded.region, "
               "price_hour_microusd = excluded.price_hour_microusd, billed_at = excluded.billed_at, "
               "lease_until = excluded.lease_until, idle_ms = excluded.idle_ms, "
               "active_at = excluded.active_at, destroy_at = excluded.destroy_at, "
               "leaving = excluded.leaving, booked_by = excluded.booked_by, "
               "booked_at = excluded.booked_at, maintenance = excluded.maintenance, "
               "sick = excluded.sick, sick_cause = excluded.sick_cause, "
               "sick_since = excluded.sick_since, losses = excluded.losses, "
               "losses_since = excluded.losses_since, lost_at = excluded.lost_at, "
               "metered_at = excluded.metered_at, charged_at = excluded.charged_at, "
               "cost_nanousd = excluded.cost_nanousd, "
               "booked_for = excluded.booked_for, off_after = excluded.off_after");
    db_uint(s, row->id.v);
    db_text(s, row->name);
    db_text(s, fleet_kind_name(row->fleet));
    db_text(s, row->address);
    db_text(s, row->user);
    db_text(s, row->identity);
    db_int(s, row->port);
    db_int(s, row->slots);
    db_int(s, row->created_at.ms);
    db_text(s, link_state_name(row->link));
    db_int(s, row->link_since.ms);
    db_text(s, row->link_reason);
    db_text(s, row->agent_version);
    db_text(s, row->facts);
    bind_machine(s, row);
    (void)db_run(s);
}

void server_row_delete(struct writer *w, struct server_id id)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM servers WHERE id = ?");

    cost_meter_forget(w, id);
    db_uint(s, id.v);
    (void)db_run(s);
}

static void get_machine(struct db_stmt *s, struct server_row *row)
{
    row->fleet_id.v = db_get_uint(s);
    row->status = server_status_of(db_get_text(s));
    row->status_since.ms = db_get_int(s);
    row->status_reason = db_get_text(s);
    row->progress = db_get_text(s);
    row->intent = db_get_uint(s);
    row->creates = (uint32_t)db_get_uint(s);
    row->machine = db_get_text(s);
    row->size = db_get_text(s);
    row->region = db_get_text(s);
    row->price_hour_microusd = db_get_int(s);
    row->billed_at.ms = db_get_int(s);
    row->lease_until.ms = db_get_int(s);
    row->idle_ms = db_get_int(s);
    row->active_at.ms = db_get_int(s);
    row->destroy_at.ms = db_get_int(s);
    row->leaving = db_get_int(s) != 0;
    row->booked_by.v = db_get_uint(s);
    row->booked_at.ms = db_get_int(s);
    row->maintenance = db_get_int(s) != 0;
    row->sick = db_get_text(s);
    row->sick_cause = sick_of(db_get_text(s));
    row->sick_since.ms = db_get_int(s);
    row->losses = (uint32_t)db_get_uint(s);
    row->losses_since.ms = db_get_int(s);
    row->lost_at.ms = db_get_int(s);
    row->metered_at.ms = db_get_int(s);
    row->charged_at.ms = db_get_int(s);
    row->cost_nanousd = db_get_int(s);
    row->booked_for.v = db_get_uint(s);
    row->off_after = db_get_int(s) != 0;
    row->fleet_name = db_get_text(s);
}

static void get_server(struct db_stmt *s, struct server_row *row)
{
    *row = (struct server_row){0};
    row->id.v = db_get_uint(s);
    row->name = db_get_text(s);
    row->fleet = fleet_of(db_get_text(s));
    row->address = db_get_text(s);
    row->user = db_get_text(s);
    row->identity = db_get_text(s);
    row->port = (uint32_t)db_get_uint(s);
    row->slots = (uint32_t)db_get_uint(s);
    row->created_at.ms = db_get_int(s);
    row->link = link_of(db_get_text(s));
    row->link_since.ms = db_get_int(s);
    row->link_reason = db_get_text(s);
    row->agent_version = db_get_text(s);
    row->facts = db_get_text(s);
    get_machine(s, row);
}

/* "local-2" before "local-10": digits compare as numbers. */
static int natural_compare(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
            size_t na;
            size_t nb;
            int order;

            a += strspn(a, "0");
            b += strspn(b, "0");
            na = strspn(a, "0123456789");
            nb = strspn(b, "0123456789");
            if (na != nb)
                return na < nb ? -1 : 1;
            order = memcmp(a, b, na);
            if (order != 0)
                return order;
            a += na;
            b += nb;
            continue;
        }
        if (*a != *b)
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        a++;
        b++;
    }
    return (*a != '\0') - (*b != '\0');
}

static int by_name(const void *va, const void *vb)
{
    const struct server_row *a = va;
    const struct server_row *b = vb;
    int order = natural_compare(a->name, b->name);

    return order != 0 ? order : strcmp(a->name, b->name);
}

/* At most SERVERS_MAX rows, so that they can be sorted in memory: SQL knows no natural order. */
enum err read_servers(struct reader *r, server_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, SELECT_SERVERS "ORDER BY id");
    struct server_row *rows = NULL;
    size_t n = 0;
    size_t cap = 0;
    size_t i;

    arena_reset(&r->row);
    while (db_row(s)) {
        struct server_row *row;

        if (n == cap) {
            cap = cap == 0 ? 64 : cap * 2;
            rows = xrealloc(rows, cap * sizeof(*rows));
        }
        row = &rows[n++];
        get_server(s, row);
        row->name = arena_strdup(&r->row, row->name);
        row->address = arena_strdup(&r->row, row->address);
        row->user = arena_strdup(&r->row, row->user);
        row->identity = arena_strdup(&r->row, row->identity);
        row->link_reason = arena_strdup(&r->row, row->link_reason);
        row->agent_version = arena_strdup(&r->row, row->agent_version);
        row->facts = arena_strdup(&r->row, row->facts);
        row->status_reason = arena_strdup(&r->row, row->status_reason);
        row->progress = arena_strdup(&r->row, row->progress);
        row->machine = arena_strdup(&r->row, row->machine);
        row->size = arena_strdup(&r->row, row->size);
        row->region = arena_strdup(&r->row, row->region);
        row->sick = arena_strdup(&r->row, row->sick);
        row->fleet_name = arena_strdup(&r->row, row->fleet_name);
    }
    if (n > 0)
        qsort(rows, n, sizeof(*rows), by_name);
    for (i = 0; i < n && !db_failed(r->db); i++)
        each(ctx, &rows[i]);
    free(rows);
    return db_error(r->db, reterr);
}

enum err read_server(struct reader *r, struct server_id id, server_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, SELECT_SERVERS "WHERE id = ?");
    struct server_row row;
    bool found = false;

    db_uint(s, id.v);
    while (db_row(s)) {
        found = true;
        get_server(s, &row);
        each(ctx, &row);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no server %llu", (unsigned long long)id.v);
    return db_error(r->db, reterr);
}

void servers_boot(struct reader *r, change_fn *each, void *ctx)
{
    struct db_stmt *s = db_sql(r->db, SELECT_SERVERS "ORDER BY id");

    while (db_row(s)) {
        struct change c = {.kind = CHANGE_SERVER_PUT};

        get_server(s, &c.server);
        each(ctx, &c);
    }
}
