/* fleet.c - fleets: where servers come from, and how much of it there may be at most.
 *
 * `local` and `ssh` are always there; their machines are nobody's to make or destroy. Caps are looked at before anything is
 * asked of a cloud: so many machines at once, those that belong to nobody counted in; so much money a day. */
#include "engine/engine_private.h"

#include "model/cost.h"
#include "model/rules.h"

void fleets_preset(struct engine *e)
{
    struct fleet_row local = {.id = {FLEET_ID_LOCAL},
                              .name = "local",
                              .kind = FLEET_LOCAL,
                              .options = "{}",
                              .idle_ms = FLEET_IDLE_MS_PRESET};
    struct fleet_row ssh = local;

    ssh.id.v = FLEET_ID_SSH;
    ssh.name = "ssh";
    ssh.kind = FLEET_SSH;
    (void)fleet_new(e, &local);
    (void)fleet_new(e, &ssh);
}

void fleet_boot(struct engine *e, struct fleet *f)
{
    struct order o = {.kind = ORDER_FLEET_OPEN, .fleet = f->row};

    if (!fleet_kind_makes_machines(f->row.kind))
        return;
    outbox_order(e->out, &o);
    o.kind = ORDER_FLEET_CATALOG;
    outbox_order(e->out, &o);
    fleet_look_in(e, f, 0);
}

static bool name_is_taken(const struct engine *e, const struct fleet_row *row)
{
    const struct fleet *f;

    for (f = e->fleets; f != NULL; f = f->hh.next) {
        if (f->id.v != row->id.v && strcmp(f->row.name, row->name) == 0)
            return true;
    }
    return false;
}

static enum err fleet_check(const struct engine *e, const struct fleet *old, const struct fleet_row *row,
                            struct why *reterr)
{
    enum err err = fleet_row_check(row, reterr);

    if (err != ERR_OK)
        return err;
    if (old == NULL && row->id.v != 0)
        return why_set(reterr, ERR_NOTFOUND, "fleet", "there is no fleet %llu",
                       (unsigned long long)row->id.v);
    if (old == NULL && !fleet_kind_makes_machines(row->kind))
        return why_set(reterr, ERR_INVALID, "kind", "there is one fleet of kind %s, and it is named so",
                       fleet_kind_name(row->kind));
    if (old != NULL && row->kind != old->row.kind)
        return why_set(reterr, ERR_INVALID, "kind", "%s is of kind %s, and stays so", old->row.name,
                       fleet_kind_name(old->row.kind));
    if (old != NULL && !fleet_kind_makes_machines(row->kind) && strcmp(row->name, old->row.name) != 0)
        return why_set(reterr, ERR_INVALID, "name", "the fleet %s keeps its name", old->row.name);
    if (name_is_taken(e, row))
        return why_set(reterr, ERR_CONFLICT, "name", "there is a fleet named \"%s\" already", row->name);
    if (old == NULL && HASH_COUNT(e->fleets) >= FLEETS_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "there are %u fleets, more are not possible", FLEETS_MAX);
    return ERR_OK;
}

static void own_price_changed(struct engine *e, struct server *s)
{
    struct wall metered_at = s->row.metered_at;
    int64_t price = s->row.price_hour_microusd;

    cost_own_price(e, s);
    if (s->row.metered_at.ms != metered_at.ms || s->row.price_hour_microusd != price)
        server_changed(e, s);
}

void on_fleet_put(struct engine *e, const struct event *ev)
{
    struct fleet_row row = ev->fleet_put;
    struct fleet *f = fleet_by_id(e, row.id);
    struct server *s;
    struct why why;

    if (command_is_refused(e, ev))
        return;
    if (fleet_check(e, f, &row, &why) != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
        return;
    }
    if (f == NULL) {
        row.id.v = e->next_fleet;
        row.created_at = e->now.wall;
        row.kept = NULL;
        row.n_kept = 0;
        row.error = "";
        row.spent_day = 0;
        row.spent_nanousd = 0;
        f = fleet_new(e, &row);
        TRACE(e, "fleet %s: added, of kind %s", row.name, fleet_kind_name(row.kind));
    } else {
        row.created_at = f->row.created_at;
        row.kept = f->row.kept;
        row.n_kept = f->row.n_kept;
        row.error = f->row.error;
        row.spent_day = f->row.spent_day;
        row.spent_nanousd = f->row.spent_nanousd;
        fleet_row_set(e, f, &row);
        TRACE(e, "fleet %s: changed", f->row.name);
    }
    fleet_changed(e, f);
    DL_FOREACH2(f->servers, s, fleet_next)
    {
        idle_rule_changed(e, s);
        own_price_changed(e, s);
    }
    fleet_boot(e, f);
    outbox_reply(e->out, ev->ticket, f->id.v);
}

static enum err remove_check(const struct engine *e, const struct fleet *f, struct why *reterr)
{
    const char *kept = "";
    uint32_t n_kept = fleet_kept_there(e, f, &kept);

    if (!fleet_kind_makes_machines(f->row.kind))
        return why_set(reterr, ERR_CONFLICT, "fleet", "the fleet %s cannot be removed", f->row.name);
    if (f->n_servers > 0)
        return why_set(reterr, ERR_CONFLICT, "fleet", "%s has %u server%s: remove them first", f->row.name,
                       f->n_servers, f->n_servers == 1 ? "" : "s");
    if (f->n_strays > 0)
        return why_set(
            reterr, ERR_CONFLICT, "fleet",
            "%u machine%s of %s that belong%s to no server %s being destroyed: try again in a few minutes",
            f->n_strays, f->n_strays == 1 ? "" : "s", f->row.name, f->n_strays == 1 ? "s" : "",
            f->n_strays == 1 ? "is" : "are");
    if (n_kept > 0) /* nobody would know that they were to stay */
        return why_set(
            reterr, ERR_CONFLICT, "fleet",
            "%s keeps %u machine%s (%.40s) that nobody else would spare: destroy them at the cloud, or "
            "take the mark of wrata off them there, and try again in a few minutes",
            f->row.name, n_kept, n_kept == 1 ? "" : "s", kept);
    return ERR_OK;
}

void on_fleet_remove(struct engine *e, const struct event *ev)
{
    struct fleet *f = fleet_by_id(e, ev->fleet_remove);
    struct why why;
    struct change c = {.kind = CHANGE_FLEET_DELETE, .fleet = {.id = ev->fleet_remove}};
    struct note n = {.kind = NOTE_FLEET_GONE, .fleet = {.id = ev->fleet_remove}};
    struct order o = {.kind = ORDER_FLEET_CLOSE, .fleet = {.id = ev->fleet_remove}};

    if (command_is_refused(e, ev))
        return;
    if (f == NULL) {
        outbox_refuse(e->out, ev->ticket, ERR_NOTFOUND, "fleet", "there is no fleet %llu",
                      (unsigned long long)ev->fleet_remove.v);
    } else if (remove_check(e, f, &why) != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
    } else {
        TRACE(e, "fleet %s: removed", f->row.name);
        outbox_change(e->out, &c);
        outbox_note(e->out, &n);
        outbox_order(e->out, &o);
        outbox_reply(e->out, ev->ticket, f->id.v);
        fleet_delete(e, f);
    }
}

/* ---- what there may be ---- */

void on_fleet_catalog(struct engine *e, const struct event *ev)
{
    struct fleet *f = fleet_by_id(e, ev->fleet_catalog.fleet);
    uint32_t i;

    if (f == NULL) {
        late_news(e, "the prices of fleet", ev->fleet_catalog.fleet.v);
        return;
    }
    for (i = 0; i < f->n_prices; i++)
        free(f->prices[i].size);
    f->n_prices = ev->fleet_catalog.n;
    f->prices = xrealloc(f->prices, (f->n_prices + 1) * sizeof(*f->prices));
    for (i = 0; i < f->n_prices; i++)
        f->prices[i] = (struct fleet_price){xstrdup(ev->fleet_catalog.sizes[i].name),
                                            ev->fleet_catalog.sizes[i].price_hour_microusd};
    f->has_prices = true;
}

static const struct fleet_price *price_of(const struct fleet *f, const char *size)
{
    uint32_t i;

    for (i = 0; i < f->n_prices; i++) {
        if (strcmp(f->prices[i].size, size) == 0)
            return &f->prices[i];
    }
    return NULL;
}

int64_t fleet_price_now(const struct fleet *f, const char *size)
{
    const struct fleet_price *price = price_of(f, size);

    if (price != NULL && price->hour_microusd >= 0 && price->hour_microusd <= PRICE_HOUR_MICROUSD_MAX)
        return price->hour_microusd;
    return f->row.hour_microusd > 0 ? f->row.hour_microusd : -1;
}

static enum err size_check(const struct fleet *f, const char *size, struct why *reterr)
{
    enum err err = text_check("size", size, NAME_BYTES_MAX, reterr);

    if (err != ERR_OK || size[0] == '\0' || f->n_prices == 0 || price_of(f, size) != NULL)
        return err;
    return why_set(reterr, ERR_INVALID, "size", "%s has no size \"%s\"; the cheapest is \"%s\"", f->row.name,
                   size, f->prices[0].size);
}

/* What all its machines and n more of this size could cost in a day. Those whose price is not known count like the new. */
static int64_t day_cost(const struct fleet *f, uint32_t n, int64_t hour_microusd)
{
    const struct server *s;
    int64_t sum = (int64_t)(n + f->n_strays) * hour_microusd;

    DL_FOREACH2(f->servers, s, fleet_next)
    {
        if (s->row.status != SERVER_DESTROYED)
            sum += s->row.price_hour_microusd >= 0 ? s->row.price_hour_microusd : hour_microusd;
    }
    return sum * 24 * NANOUSD_PER_MICROUSD;
}

/* The same from now on until midnight, with what lies behind the last entry of the ledger. */
static int64_t rest_of_day_cost(const struct engine *e, const struct fleet *f, uint32_t n,
                                int64_t hour_microusd)
{
    int64_t end = cost_day_begin(cost_day(e->now.wall) + 1).ms;
    int64_t least_ms = fleet_kind_billing(f->row.kind).least_ms;
    int64_t ms = end - e->now.wall.ms > least_ms ? end - e->now.wall.ms : least_ms;
    int64_t sum = (int64_t)(n + f->n_strays) * cost_nanousd(hour_microusd, ms);
    const struct server *s;
    int64_t from;

    DL_FOREACH2(f->servers, s, fleet_next)
    {
        if (s->row.status == SERVER_DESTROYED)
            continue;
        from = s->row.charged_at.ms != 0 ? s->row.charged_at.ms : e->now.wall.ms;
        sum += cost_nanousd(s->row.price_hour_microusd >= 0 ? s->row.price_hour_microusd : hour_microusd,
                            end > from ? end - from : 0);
    }
    return sum;
}

#define USD(nanousd) \
    (long long)((nanousd) / NANOUSD_PER_USD), (long long)((nanousd) / (NANOUSD_PER_USD / 100) % 100)

/* So that no day can cost more, neither this one nor, if all of them run on, one that comes. */
static enum err spend_check(const struct engine *e, const struct fleet *f, uint32_t n, const char *size,
                            int64_t hour_microusd, struct why *reterr)
{
    int64_t max = f->row.day_microusd_max * NANOUSD_PER_MICROUSD;
    int64_t spent = f->row.spent_day == cost_day(e->now.wall) ? f->row.spent_nanousd : 0;
    int64_t cost = day_cost(f, n, hour_microusd);

    if (cost > max)
        return why_set(reterr, ERR_LIMIT, "servers",
                       "%s may cost $%lld.%02lld a day: with %u more of \"%s\" it could cost $%lld.%02lld",
                       f->row.name, USD(max), n, size, USD(cost));
    cost = rest_of_day_cost(e, f, n, hour_microusd);
    if (spent + cost > max)
        return why_set(
            reterr, ERR_LIMIT, "servers",
            "%s may cost $%lld.%02lld a day: $%lld.%02lld are spent since 00:00 UTC, and with %u more "
            "of \"%s\" it could be $%lld.%02lld more until midnight",
            f->row.name, USD(max), USD(spent), n, size, USD(cost));
    return ERR_OK;
}

/* Looked at before anything is asked for. */
static enum err money_check(const struct engine *e, const struct fleet *f, uint32_t n, const char *size,
                            struct why *reterr)
{
    int64_t max = f->row.day_microusd_max * NANOUSD_PER_MICROUSD;
    int64_t price = fleet_price_now(f, size);

    if (f->row.day_microusd_max == 0)
        return ERR_OK;
    if (size[0] == '\0' && price < 0)
        return why_set(reterr, ERR_INVALID, "size",
                       "say which size: %s may cost $%lld.%02lld a day, and only the price of "
                       "a size tells whether there is room",
                       f->row.name, USD(max));
    if (price < 0)
        return why_set(reterr, ERR_BUSY, "size",
                       "the price of \"%s\" at %s is not known yet: try again in a moment", size,
                       f->row.name);
    return spend_check(e, f, n, size, price, reterr);
}

enum err fleet_room_check(const struct engine *e, const struct fleet *f, uint32_t n, const char *size,
                          struct why *reterr)
{
    uint32_t there = f->n_machines + f->n_strays;
    enum err err = size_check(f, size, reterr);

    if (err != ERR_OK)
        return err;
    if (f->row.machines_max > 0 && there + n > f->row.machines_max)
        return why_set(reterr, ERR_LIMIT, "servers",
                       "%s may have %u machines: there are %u, %u more would be too many", f->row.name,
                       f->row.machines_max, there, n);
    return money_check(e, f, n, size, reterr);
}
