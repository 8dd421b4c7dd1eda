/* machine.c - a machine's life: asked for, found, waited for, destroyed.
 *
 * The call that makes a machine is the one thing here that costs money when it is done twice, so:
 *   - its intent is a number that is never used again, saved with the server's row before the order leaves;
 *   - nothing is made while it is not known whether the call before made something (is_doubtful): the fleet's list
 *     decides (reconcile.c), and it must lack the machine for missing_ms;
 *   - nothing is made before the fleet's list was seen once since the start, nor beyond the fleet's caps, what belongs
 *     to nobody counted in;
 *   - a refusal ends it, and so does the third call that came to nothing.
 * Destroying is asked for again until it is done: nothing that may exist is forgotten.
 *
 *   CREATING     a call is due (retry_at) -> under way (is_asked) -> its machine is known -> it has an address ->
 *                a link to it comes up -> CREATED; or its time is over -> DESTROYING
 *   DESTROYING   its machine is known: a call is due -> under way (is_ending) -> DESTROYED; or it is not known whether
 *                there is one: as soon as it is
 *
 * After a start a server without a machine whose newest call has no answer is doubtful.
 *
 * Invariants: E23, E24, E25, E26 (engine_check.c). Not here: lists (reconcile.c), people (server_ops.c). */
#include "engine/engine_private.h"

bool server_is_reachable(const struct server *s)
{
    if (s->removed)
        return false;
    return s->row.status == SERVER_CREATED || (s->row.status == SERVER_CREATING && s->row.address[0] != '\0');
}

void server_progress(struct engine *e, struct server *s, const char *text)
{
    if (strcmp(s->row.progress, text) == 0)
        return;
    s->row.progress = text_keep(s->row.progress, text);
    server_changed(e, s);
}

static int64_t backoff_ms(const struct engine *e, uint32_t failures, int64_t least_ms)
{
    int64_t ms = FLEET_RETRY_MIN_MS;
    uint32_t i;

    (void)e;
    for (i = 1; i < failures && ms < FLEET_RETRY_MAX_MS; i++)
        ms *= 2;
    if (ms > FLEET_RETRY_MAX_MS)
        ms = FLEET_RETRY_MAX_MS;
    return ms > least_ms ? ms : least_ms;
}

const char *span_text(struct engine *e, int64_t ms)
{
    if (ms < 120000)
        return arena_printf(&e->out->arena, "%lld s", (long long)ms / 1000);
    return arena_printf(&e->out->arena, "%lld min", (long long)ms / 60000);
}

/* ---- when something is due ---- */

static struct mono creating_ends(const struct engine *e, const struct server *s)
{
    return mono_add_ms(e->now.mono, s->row.status_since.ms + (int64_t)e->opts.creating_ms - e->now.wall.ms);
}

void life_arm(struct engine *e, struct server *s)
{
    struct mono at = MONO_NEVER;

    if (!s->removed && fleet_kind_makes_machines(s->row.fleet)) {
        if (s->row.status == SERVER_CREATING)
            at = mono_min(creating_ends(e, s), s->retry_at);
        else if (s->row.status == SERVER_DESTROYING)
            at = s->retry_at;
        else if (s->row.status == SERVER_CREATED)
            at = idle_due(e, s);
    }
    if (at.us == MONO_NEVER.us)
        timer_stop(&e->timers, &s->life);
    else
        timer_set(&e->timers, &s->life, TIMER_LIFE, s, at);
}

static void call_in(struct engine *e, struct server *s, int64_t ms)
{
    s->retry_at = mono_add_ms(e->now.mono, ms);
    life_arm(e, s);
}

/* ---- making ---- */

/* Room was found when it was switched on; since then machines that nobody owns may have been found, too. */
static bool may_create(struct engine *e, struct server *s)
{
    const struct fleet *f = s->fleet;

    if (f->answered == 0) {
        server_progress(e, s, "waits for the cloud's list of machines");
        fleet_look_in(e, s->fleet, 0);
        return false;
    }
    if (f->row.machines_max > 0 && f->n_machines + f->n_strays > f->row.machines_max) {
        server_progress(e, s, "waits until machines that belong to nobody are destroyed");
        return false;
    }
    return true;
}

static void create_call(struct engine *e, struct server *s)
{
    struct order o = {.kind = ORDER_MACHINE_CREATE, .fleet = {.id = s->fleet->id}};

    s->retry_at = MONO_NEVER;
    if (!may_create(e, s)) {
        call_in(e, s, FLEET_LIST_SOON_MS);
        return;
    }
    s->row.intent = e->next_intent++;
    s->row.creates++;
    s->row.lease_until.ms = e->now.wall.ms + e->opts.lease_machine_ms;
    s->row.price_hour_microusd = fleet_price_now(s->fleet, s->row.size);
    s->row.progress = text_keep(s->row.progress, "the cloud was asked for a machine");
    s->is_asked = true;
    TRACE(e, "server %s: intent %llu: a machine is asked for", s->row.name,
          (unsigned long long)s->row.intent);
    server_changed(e, s);
    o.server = s->row;
    outbox_order(e->out, &o);
    life_arm(e, s);
}

/* The list was seen for the first time: what waited for it waits no more. */
void creates_begin(struct engine *e, struct fleet *f)
{
    struct server *s;

    DL_FOREACH2(f->servers, s, fleet_next)
    {
        if (s->row.status == SERVER_CREATING && s->retry_at.us != MONO_NEVER.us)
            call_in(e, s, 0);
    }
}

/* What the cloud says it costs; else what was known when it was asked for. */
static bool price_found(struct engine *e, struct server *s, const struct machine *m)
{
    struct wall metered_at = s->row.metered_at;
    int64_t price = s->row.price_hour_microusd;

    cost_price_set(e, s, m->price_hour_microusd >= 0 ? m->price_hour_microusd : price);
    return s->row.metered_at.ms != metered_at.ms || s->row.price_hour_microusd != price;
}

/* Its machine is known from now on. */
void machine_found(struct engine *e, struct server *s, const struct machine *m)
{
    bool has_news = false;

    s->is_doubtful = false;
    if (strcmp(s->row.machine, m->id) != 0) {
        TRACE(e, "server %s: its machine is %s", s->row.name, m->id);
        s->row.machine = text_keep(s->row.machine, m->id);
        s->row.intent = m->intent != 0 ? m->intent : s->row.intent;
        s->row.billed_at =
            m->created_at.ms > 0 && m->created_at.ms < e->now.wall.ms ? m->created_at : e->now.wall;
        s->known_ask = s->fleet->ask;
        s->retry_at = MONO_NEVER;
        has_news = true;
    }
    if (m->region[0] != '\0' && strcmp(s->row.region, m->region) != 0) {
        s->row.region = text_keep(s->row.region, m->region);
        has_news = true;
    }
    has_news = price_found(e, s, m) || has_news;
    if (m->address[0] != '\0' && strcmp(s->row.address, m->address) != 0) {
        s->row.address = text_keep(s->row.address, m->address);
        has_news = true;
        if (server_is_reachable(s) && s->link == 0 && s->row.link != LINK_CONNECTING)
            link_connect_at(e, s, 0);
    }
    if (s->row.status == SERVER_CREATING) {
        const char *text = s->row.address[0] != '\0' ? "waits for its ssh" : "waits until it has an address";

        has_news = has_news || strcmp(s->row.progress, text) != 0;
        s->row.progress = text_keep(s->row.progress, text);
        if (s->row.address[0] == '\0')
            fleet_look_in(e, s->fleet, FLEET_LIST_SOON_MS);
    }
    if (has_news)
        server_changed(e, s);
    life_arm(e, s);
}

/* The server that this answer is about; NULL: it is about a call that nobody waits for any more. */
static struct server *asked_by(const struct engine *e, const struct event *ev)
{
    struct server *s = server_by_id(e, (struct server_id){ev->machine_create.server});

    if (s == NULL || s->fleet->id.v != ev->machine_create.fleet.v ||
        s->row.intent != ev->machine_create.intent || s->row.intent == 0)
        return NULL;
    return s;
}

void on_machine_created(struct engine *e, const struct event *ev)
{
    struct fleet *f = fleet_by_id(e, ev->machine_create.fleet);
    struct server *s = asked_by(e, ev);
    struct machine m = ev->machine_create.machine;

    if (f == NULL) {
        late_news(e, "a machine of fleet", ev->machine_create.fleet.v);
        return;
    }
    m.server = ev->machine_create.server;
    m.intent = ev->machine_create.intent;
    if (s != NULL)
        s->is_asked = false;
    if (s == NULL || (s->row.machine[0] != '\0' && strcmp(s->row.machine, m.id) != 0)) {
        stray_add(e, f, &m, true);
        strays_end(e, f);
        return;
    }
    if (!machine_may_be_of(s, m.id)) { /* the list decides */
        TRACE(e, "server %s: machine %s is not its own", s->row.name, m.id);
        machine_doubt(e, s);
        return;
    }
    machine_found(e, s, &m);
    if (s->row.status == SERVER_DESTROYING)
        machine_destroy_soon(e, s, 0);
}

/* It certainly made nothing, or it is not worth a second thought. */
static void create_came_to_nothing(struct engine *e, struct server *s, const struct fleet_failure *why)
{
    if (s->row.status == SERVER_CREATED)
        return; /* an admin says that it is there */
    if (s->row.status == SERVER_DESTROYING)
        server_ended(e, s, SERVER_BY_NOTHING, NULL);
    else if (why->fault != FLEET_FAULT_BUSY)
        server_ended(e, s, SERVER_BY_REFUSAL, why->reason);
    else {
        s->row.creates--; /* the patience for the whole limits these */
        server_progress(e, s, arena_printf(&e->out->arena, "tries again soon: %s", why->reason));
        call_in(e, s, backoff_ms(e, 1, why->retry_after_ms) + (int64_t)rng_below(&e->rng, 1000));
    }
}

void on_machine_create_failed(struct engine *e, const struct event *ev)
{
    const struct fleet_failure *why = &ev->machine_create.failed;
    struct server *s = asked_by(e, ev);

    if (s == NULL || !s->is_asked) {
        late_news(e, "a failure to make a machine of server", ev->machine_create.server);
        return;
    }
    s->is_asked = false;
    TRACE(e, "server %s: intent %llu failed: %s", s->row.name, (unsigned long long)s->row.intent,
          why->reason);
    if (s->row.machine[0] != '\0')
        return; /* the list has shown it meanwhile */
    if (why->fault != FLEET_FAULT_UNKNOWN) {
        s->is_doubtful = false;
        create_came_to_nothing(e, s, why);
        return;
    }
    machine_doubt(e, s);
    server_progress(e, s, arena_printf(&e->out->arena, "looks whether the cloud made it: %s", why->reason));
}

void machine_doubt(struct engine *e, struct server *s)
{
    s->is_doubtful = true;
    s->doubt_since = e->now.mono;
    s->known_ask = s->fleet->ask;
    s->retry_at = MONO_NEVER;
    fleet_look_in(e, s->fleet, 0);
    life_arm(e, s);
}

/* The list has lacked it for so long that it does not exist. */
void machine_absent(struct engine *e, struct server *s)
{
    s->is_doubtful = false;
    s->is_asked = false;
    if (s->row.status == SERVER_CREATED)
        return; /* an admin says that it is there */
    if (s->row.status == SERVER_DESTROYING)
        server_ended(e, s, SERVER_BY_NOTHING, NULL);
    else if (s->row.creates >= CREATE_CALLS_MAX)
        server_ended(e, s, SERVER_BY_NEVER_MADE, NULL);
    else
        call_in(e, s, 0);
}

/* ---- destroying ---- */

/* A call that waits for its turn would make what is destroyed at once. */
static void create_cancel(struct engine *e, const struct server *s)
{
    struct order o = {.kind = ORDER_MACHINE_CANCEL, .fleet = {.id = s->fleet->id}};

    o.server.id = s->id;
    o.server.intent = s->row.intent;
    outbox_order(e->out, &o);
}

void machine_destroy_soon(struct engine *e, struct server *s, int64_t in_ms)
{
    if (s->row.machine[0] != '\0') {
        call_in(e, s, in_ms);
    } else {
        if (s->is_asked)
            create_cancel(e, s);
        machine_doubt(e, s); /* a call is under way, or was: what it makes is destroyed when it is seen */
        server_progress(e, s, "looks whether there is a machine to destroy");
    }
}

static void destroy_call(struct engine *e, struct server *s)
{
    struct order o = {
        .kind = ORDER_MACHINE_DESTROY, .fleet = {.id = s->fleet->id}, .machine = s->row.machine};

    s->retry_at = MONO_NEVER;
    if (s->is_ending)
        return;
    s->is_ending = true;
    server_progress(e, s, "the cloud was asked to destroy its machine");
    outbox_order(e->out, &o);
    life_arm(e, s);
}

struct server *server_of_machine(const struct fleet *f, const char *machine)
{
    struct server *s;

    DL_FOREACH2(f->servers, s, fleet_next)
    {
        if (s->row.machine[0] != '\0' && strcmp(s->row.machine, machine) == 0)
            return s;
    }
    return NULL;
}

/* It is switched off: the record stays, unless it was to go, too. */
void server_ended(struct engine *e, struct server *s, enum server_cause cause, const char *reason)
{
    CHECK(server_status_set(e, s, cause, reason));
    CHECK(s->row.status == SERVER_DESTROYED);
    if (s->row.leaving)
        server_forget(e, s);
}

void on_machine_destroyed(struct engine *e, const struct event *ev)
{
    struct fleet *f = fleet_by_id(e, ev->machine.fleet);
    struct server *s;

    if (f == NULL) {
        late_news(e, "a machine of fleet", ev->machine.fleet.v);
        return;
    }
    if (stray_destroyed(e, f, ev->machine.machine))
        return;
    s = server_of_machine(f, ev->machine.machine);
    if (s == NULL) {
        late_news(e, "a destroyed machine of fleet", f->id.v);
        return;
    }
    if (s->row.status != SERVER_DESTROYING) { /* an admin meant it to stay, and was too late */
        if (s->row.status == SERVER_CREATED)
            CHECK(server_status_set(e, s, SERVER_BY_MISSING, NULL));
        else
            CHECK(server_status_set(e, s, SERVER_BY_OFF, NULL));
    }
    server_ended(e, s, SERVER_BY_GONE, NULL);
}

void on_machine_destroy_failed(struct engine *e, const struct event *ev)
{
    const struct fleet_failure *why = &ev->machine.failed;
    struct fleet *f = fleet_by_id(e, ev->machine.fleet);
    struct server *s = f != NULL ? server_of_machine(f, ev->machine.machine) : NULL;
    int64_t slow_ms =
        why->fault == FLEET_FAULT_BUSY || why->fault == FLEET_FAULT_UNKNOWN ? 0 : FLEET_RETRY_MAX_MS;

    if (f != NULL && stray_not_destroyed(e, f, ev->machine.machine, why))
        return;
    if (s == NULL || !s->is_ending) {
        late_news(e, "a failure to destroy a machine of fleet", ev->machine.fleet.v);
        return;
    }
    s->is_ending = false;
    if (s->row.status != SERVER_DESTROYING)
        return;
    s->end_tries++;
    server_progress(e, s, arena_printf(&e->out->arena, "tries again to destroy it: %s", why->reason));
    call_in(e, s, backoff_ms(e, s->end_tries, why->retry_after_ms > slow_ms ? why->retry_after_ms : slow_ms));
    fleet_look_in(e, f, FLEET_LIST_SOON_MS);
}

/* ---- patience ---- */

static void not_ready(struct engine *e, struct server *s)
{
    const char *span = span_text(e, e->opts.creating_ms);
    const char *reason;

    if (s->row.machine[0] == '\0')
        reason = arena_printf(&e->out->arena, "after %s there was no machine: %s", span, s->row.progress);
    else if (s->row.address[0] == '\0')
        reason = arena_printf(&e->out->arena, "after %s its machine had no address", span);
    else
        reason = arena_printf(&e->out->arena, "after %s its agent had not answered: %s", span,
                              s->row.link_reason[0] != '\0' ? s->row.link_reason : "it was not reached");
    if (s->row.machine[0] == '\0' && !s->is_asked && !s->is_doubtful) {
        server_ended(e, s, SERVER_BY_NEVER_MADE, reason);
        return;
    }
    CHECK(server_status_set(e, s, SERVER_BY_NOT_READY, reason));
    machine_destroy_soon(e, s, 0);
}

void life_on_timer(struct engine *e, struct server *s)
{
    if (e->closing)
        return;
    switch (s->row.status) {
    case SERVER_CREATING:
        if (!mono_before(e->now.mono, creating_ends(e, s)))
            not_ready(e, s);
        else if (!mono_before(e->now.mono, s->retry_at))
            create_call(e, s);
        else
            life_arm(e, s); /* the clock was set back since the limit was set */
        break;
    case SERVER_DESTROYING:
        destroy_call(e, s);
        break;
    case SERVER_CREATED:
        idle_on_timer(e, s);
        break;
    case SERVER_DESTROYED:
    case SERVER_STATUS_COUNT:
        break;
    }
}

void life_boot(struct engine *e, struct server *s)
{
    if (!fleet_kind_makes_machines(s->row.fleet))
        return;
    switch (s->row.status) {
    case SERVER_CREATING:
        if (s->row.machine[0] != '\0')
            break;
        if (s->row.intent != 0)
            machine_doubt(e, s);
        else
            call_in(e, s, 0);
        break;
    case SERVER_DESTROYING:
        machine_destroy_soon(e, s, 0);
        break;
    case SERVER_CREATED:
        idle_boot(e, s);
        break;
    case SERVER_DESTROYED:
    case SERVER_STATUS_COUNT:
        break;
    }
    life_arm(e, s);
}

/* ---- switching on and off ---- */

void server_power_on(struct engine *e, struct server *s, const char *size)
{
    s->row.size = text_keep(s->row.size, size);
    CHECK(server_status_set(e, s, SERVER_BY_ON, NULL));
    call_in(e, s, 0);
}

/* By its own will or not: what it had to run it runs no more. */
void server_power_off(struct engine *e, struct server *s, enum server_cause cause, const char *reason)
{
    if (s->row.status == SERVER_CREATING && s->row.machine[0] == '\0' && !s->is_asked && !s->is_doubtful) {
        server_ended(e, s, SERVER_BY_NOTHING, reason);
        return;
    }
    CHECK(server_status_set(e, s, cause, reason));
    machine_destroy_soon(e, s, 0);
}
