/* cost.c - what machines cost, and whom it was for: the ledger's entries are made here.
 *
 * A machine that is paid for and has a price has a meter. Its slots cost the same, each the price over their number. A run
 * costs what its slot cost while it held it, from when the server said so (prepared or started there) to its end, whatever
 * became of it; that goes to its launch, and with that to its user and schedule. The rest is idle: starting, waiting,
 * being destroyed, and what the provider rounds up.
 *
 *   machine   |---------------------------------------------|··|    up to the least a machine is billed for
 *   slot 0    |  idle |  run 1  | run 2 |  idle             |
 *   slot 1    |  idle                    |     run 3    |   |
 *
 * What a slot cost in a time is the difference of a function of its two ends (model/cost.h): so pieces add up to the whole,
 * to the billionth of a dollar, and an entry depends on nothing but moments that are stored: until when the machine was
 * charged (charged_at), until when a run was (slot_at). Each entry is committed together with the moments that it moves, so
 * after a crash nothing is counted twice, and nothing is missing.
 *
 * An entry is of one day of UTC: what lies across midnight is cut there. A meter is read every CHARGE_MS and at midnight, so
 * that the ledger is never much older.
 *
 * Time here never goes back: what was charged stays charged, and after a clock was set back nothing is until it has
 * caught up. A change of price counts from when it was seen.
 *
 * Invariants: E30, E31 (engine_check.c). Not here: what may be spent (fleet.c). */
#include "model/cost.h"
#include "engine/engine_private.h"

static bool is_metered(const struct server *s)
{
    return s->row.metered_at.ms != 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The time up to which this server can be charged now. */
static int64_t charge_until(const struct engine *e, const struct server *s)
{
    return later(e->now.wall.ms, s->row.charged_at.ms);
}

/* ---- entries ---- */

/* The end of the piece of a time that begins at `from` and is of one day. A machine that was forgotten for years, or a clock
 * that was wrong by as much, is no reason for an entry a day: what is older than the ledger is one piece. */
static int64_t piece_end(int64_t from, int64_t until)
{
    int64_t oldest = until - COST_DAYS_KEPT * COST_DAY_MS;
    int64_t end = cost_day_begin(cost_day((struct wall){later(from, oldest)}) + 1).ms;

    return end < until ? end : until;
}

/* The day of the piece that ends there. */
static int64_t piece_day(int64_t end)
{
    return cost_day((struct wall){end - 1});
}

static void fleet_spent(struct fleet *f, int64_t day, int64_t nanousd)
{
    if (day > f->row.spent_day) {
        f->row.spent_day = day;
        f->row.spent_nanousd = 0;
    }
    if (day == f->row.spent_day)
        f->row.spent_nanousd += nanousd;
}

static void entry(struct engine *e, struct server *s, struct launch *l, int64_t day, int64_t nanousd,
                  int64_t ms)
{
    struct change c = {.kind = CHANGE_COST,
                       .cost = {.day = day,
                                .server = s->id,
                                .server_name = s->row.name,
                                .fleet = s->fleet->id,
                                .fleet_name = s->fleet->row.name,
                                .launch = l != NULL ? l->id : (struct launch_id){0},
                                .nanousd = nanousd,
                                .ms = ms}};

    if (l != NULL) {
        l->row.cost_nanousd += nanousd;
        launch_note(e, l);
    } else {
        s->row.cost_nanousd += nanousd;
        fleet_spent(s->fleet, day, nanousd);
        c.cost.charged_at = s->row.charged_at;
        c.cost.server_nanousd = s->row.cost_nanousd;
    }
    outbox_change(e->out, &c);
}

/* What the machine cost at the present price until then. */
static int64_t cost_at(const struct server *s, int64_t at)
{
    return cost_nanousd(s->row.price_hour_microusd, at - s->row.metered_at.ms);
}

static int64_t slot_cost_at(const struct server *s, uint32_t slot, int64_t at)
{
    return cost_of_slot(cost_at(s, at), s->row.slots, slot);
}

static void machine_charge(struct engine *e, struct server *s, int64_t until)
{
    int64_t from;
    int64_t end;

    for (from = s->row.charged_at.ms; from < until; from = end) {
        end = piece_end(from, until);
        s->row.charged_at.ms = end;
        entry(e, s, NULL, piece_day(end), cost_at(s, end) - cost_at(s, from), end - from);
    }
}

/* Its slot, from `from` until then; what was charged before is left out. */
static void run_charge(struct engine *e, struct run *r, int64_t from, int64_t until)
{
    struct server *s = r->server;
    int64_t nanousd;
    int64_t end;

    from = later(later(from, s->slot_paid[r->slot]), s->row.metered_at.ms);
    for (; from < until; from = end) {
        end = piece_end(from, until);
        nanousd = slot_cost_at(s, r->slot, end) - slot_cost_at(s, r->slot, from);
        r->cost_nanousd += nanousd;
        s->slot_paid[r->slot] = end;
        entry(e, s, r->launch, piece_day(end), nanousd, end - from);
    }
}

/* ---- slots ---- */

static void run_told(struct engine *e, const struct run *r)
{
    struct change c = {.kind = CHANGE_RUN_SET, .run = run_row_of(r)};

    outbox_change(e->out, &c);
}

static struct run *slot_holder(const struct server *s, uint32_t slot)
{
    return s->holders != NULL ? s->holders[slot] : NULL;
}

static void slot_hold(struct run *r, struct wall at)
{
    struct server *s = r->server;

    if (s->holders == NULL)
        s->holders = xcalloc(s->row.slots, sizeof(*s->holders));
    s->holders[r->slot] = r;
    r->slot_at = at;
    r->has_held = true;
}

/* ms: how long it says that it took; 0: it says nothing. */
static void slot_leave(struct engine *e, struct run *r, int64_t ms)
{
    struct server *s = r->server;
    int64_t until = charge_until(e, s);

    if (is_metered(s)) {
        /* Its beginning may have been told together with its end. */
        run_charge(e, r, until - ms < r->slot_at.ms ? until - ms : r->slot_at.ms, until);
        machine_charge(e, s, until);
    }
    s->holders[r->slot] = NULL;
    r->slot_at.ms = 0;
}

void cost_slot_set(struct engine *e, struct run *r, uint32_t slot)
{
    struct server *s = r->server;
    struct run *other;

    if (r->slot_at.ms != 0 && r->slot == slot)
        return;
    if (r->slot_at.ms != 0)
        slot_leave(e, r, 0);
    r->slot = slot;
    if (s->removed || slot >= s->row.slots)
        return;
    /* The end of the run before may not have been told yet: its output is still on its way. */
    other = slot_holder(s, slot);
    if (other != NULL) {
        slot_leave(e, other, 0);
        run_told(e, other);
    }
    slot_hold(r, (struct wall){charge_until(e, s)});
}

void cost_slots_end(struct engine *e, struct server *s)
{
    struct run *r;

    DL_FOREACH(s->runs, r) {
        if (r->slot_at.ms == 0)
            continue;
        slot_leave(e, r, 0);
        run_told(e, r);
    }
}

/* A short run is over before anything was said of it: its end says where it was, and for how long. Several ends may come at
 * once, so each run is put where its slot was free first since it was given to the server. */
static void short_run_charge(struct engine *e, struct run *r, int64_t ms)
{
    struct server *s = r->server;
    const struct run *other = slot_holder(s, r->slot);
    int64_t now = charge_until(e, s);
    int64_t end = other != NULL && other->slot_at.ms < now ? other->slot_at.ms : now;
    int64_t from = later(r->created_at.ms, s->slot_paid[r->slot]);

    run_charge(e, r, from, from + ms < end ? from + ms : end);
    machine_charge(e, s, now);
}

void cost_run_ends(struct engine *e, struct run *r, const struct finish *f)
{
    int64_t ms = f != NULL && f->duration_us > 0 ? (f->duration_us + 999) / 1000 : 0;

    if (r->slot_at.ms != 0)
        slot_leave(e, r, ms);
    else if (!r->has_held && ms > 0 && is_metered(r->server) && r->slot < r->server->row.slots)
        short_run_charge(e, r, ms);
}

/* ---- meters ---- */

static void slots_paid_until(struct server *s, int64_t at)
{
    uint32_t i;

    if (s->slot_paid == NULL)
        s->slot_paid = xcalloc(s->row.slots, sizeof(*s->slot_paid));
    for (i = 0; i < s->row.slots; i++)
        s->slot_paid[i] = at;
}

static void charge_arm(struct engine *e, struct server *s)
{
    int64_t ms = cost_day_begin(cost_day(e->now.wall) + 1).ms - e->now.wall.ms;

    timer_set(&e->timers, &s->charge, TIMER_CHARGE, s,
              mono_add_ms(e->now.mono, ms < CHARGE_MS ? ms : CHARGE_MS));
}

/* Everything up to now is in the ledger. */
static void settle(struct engine *e, struct server *s)
{
    int64_t until = charge_until(e, s);
    struct run *r;

    DL_FOREACH(s->runs, r) {
        if (r->slot_at.ms == 0 || r->slot_at.ms >= until)
            continue;
        run_charge(e, r, r->slot_at.ms, until);
        r->slot_at.ms = until;
        run_told(e, r);
    }
    machine_charge(e, s, until);
}

void cost_price_set(struct engine *e, struct server *s, int64_t price_hour_microusd)
{
    if (price_hour_microusd > PRICE_HOUR_MICROUSD_MAX)
        return; /* no machine costs that */
    if (is_metered(s) && s->row.price_hour_microusd == price_hour_microusd)
        return;
    if (is_metered(s)) {
        settle(e, s);
        s->row.metered_at = s->row.charged_at;
    } else {
        s->row.metered_at = s->row.billed_at;
        s->row.charged_at = s->row.billed_at;
        s->row.cost_nanousd = 0;
    }
    s->row.price_hour_microusd = price_hour_microusd;
    if (price_hour_microusd <= 0 || s->row.billed_at.ms == 0) {
        s->row.metered_at.ms = 0;
        s->row.charged_at.ms = 0;
        free(s->slot_paid);
        s->slot_paid = NULL;
        timer_stop(&e->timers, &s->charge);
        return;
    }
    slots_paid_until(s, s->row.metered_at.ms);
    charge_arm(e, s);
}

void cost_slots_set(struct engine *e, struct server *s, uint32_t slots)
{
    CHECK(s->runs == NULL);
    CHECK(!s->is_counted);
    if (is_metered(s))
        settle(e, s);
    free(s->holders);
    free(s->slot_paid);
    s->holders = NULL;
    s->slot_paid = NULL;
    s->row.slots = slots;
    if (is_metered(s))
        slots_paid_until(s, s->row.charged_at.ms);
}

/* What the provider rounds up is charged at the end, and is nobody's. */
static void rounding_charge(struct engine *e, struct server *s)
{
    struct billing b = fleet_kind_billing(s->row.fleet);
    int64_t end = s->row.charged_at.ms;
    int64_t ms = end - s->row.billed_at.ms;
    int64_t more_ms = billed_ms(b, ms) - ms;
    int64_t more = cost_at(s, end + more_ms) - cost_at(s, end);

    if (s->row.cost_nanousd + more < b.least_nanousd)
        more = b.least_nanousd - s->row.cost_nanousd;
    if (more_ms > 0 || more > 0)
        entry(e, s, NULL, piece_day(ms > 0 ? end : end + 1), more, more_ms);
}

void cost_meter_end(struct engine *e, struct server *s)
{
    if (!is_metered(s))
        return;
    settle(e, s);
    rounding_charge(e, s);
    s->row.metered_at.ms = 0;
    s->row.charged_at.ms = 0;
    s->row.cost_nanousd = 0;
    free(s->slot_paid);
    s->slot_paid = NULL;
    timer_stop(&e->timers, &s->charge);
}

void cost_own_price(struct engine *e, struct server *s)
{
    int64_t price = s->fleet->row.hour_microusd;

    if (fleet_kind_makes_machines(s->row.fleet))
        return;
    if (price > 0) {
        if (!is_metered(s))
            s->row.billed_at = e->now.wall;
        cost_price_set(e, s, price);
    } else {
        cost_meter_end(e, s);
        s->row.billed_at.ms = 0;
        s->row.price_hour_microusd = -1;
    }
}

void cost_on_timer(struct engine *e, struct server *s)
{
    struct note n = {.kind = NOTE_SERVER};

    settle(e, s);
    charge_arm(e, s);
    n.server = s->row;
    outbox_note(e->out, &n);
}

void cost_load(struct server *s)
{
    if (is_metered(s))
        slots_paid_until(s, s->row.charged_at.ms);
}

void cost_run_load(struct run *r)
{
    if (r->server->removed || r->slot >= r->server->row.slots)
        r->slot_at.ms = 0;
    else if (r->slot_at.ms != 0)
        slot_hold(r, r->slot_at);
}

void cost_boot(struct engine *e, struct server *s)
{
    if (is_metered(s))
        timer_set(&e->timers, &s->charge, TIMER_CHARGE, s, e->now.mono);
}
