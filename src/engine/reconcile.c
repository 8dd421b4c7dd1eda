/* reconcile.c - a fleet's list of machines against our records, both ways, each minute and after each doubt.
 *
 * Level-triggered: what is done follows from what the list shows now, never from what was expected to happen.
 *
 *   a machine with our mark       and its server                  then
 *   the one we know, or made by   CREATING, CREATED               it is the server's: address, price, lease
 *   the newest intent             DESTROYING                      it is destroyed
 *   of a server of another fleet  -                               that fleet's: those of a kind may share an account
 *   any other                     -                               a stray: destroyed after stray_ms, unless it is kept
 *
 *   a server without one in the list
 *   CREATED, CREATING             for missing_ms, and no link to it: destroyed, or made again
 *   whose call was doubtful       for missing_ms: the call made nothing
 *   DESTROYING                    destroying says that it is gone
 *
 * A list may be older than what we know: it counts only for what was known before it was asked for (known_ask). And it
 * may lag: a young machine is missing, a dead one is shown. Hence missing_ms; and a server that talks to us is not gone.
 *
 * A machine that is kept is remembered until lists have lacked it for a day: one that they lack for a moment must not be
 * destroyed when they show it again.
 *
 * Nothing is destroyed but by its id, and fleets refuse what does not carry our mark. */
#include "engine/engine_private.h"

#define ASK_APART_MS 1000     /* between two questions, at least */
#define LISTS_PER_CATALOG 60u /* prices are asked for again after so many lists */
#define KEPT_GONE_MS (INT64_C(24) * 3600 * 1000)

/* ---- asking ---- */

void fleet_look_in(struct engine *e, struct fleet *f, int64_t ms)
{
    struct mono at = mono_add_ms(e->now.mono, ms);
    struct mono least = mono_add_ms(f->asked_at, ASK_APART_MS);

    if (!fleet_kind_makes_machines(f->row.kind))
        return;
    if (f->ask > 0 && mono_before(at, least))
        at = least;
    if (!timer_is_set(&f->list) || at.us < (int64_t)f->list.item.k1)
        timer_set(&e->timers, &f->list, TIMER_LIST, f, at);
}

void fleet_on_timer(struct engine *e, struct fleet *f)
{
    struct order o = {.kind = ORDER_FLEET_LIST, .fleet = {.id = f->id}};

    if (e->closing)
        return;
    o.ask = ++f->ask;
    f->asked_at = e->now.mono;
    outbox_order(e->out, &o);
    timer_set(&e->timers, &f->list, TIMER_LIST, f, mono_add_ms(e->now.mono, FLEET_LIST_GUARD_MS));
}

/* ---- machines that belong to nobody ---- */

static struct stray *stray_find(const struct fleet *f, const char *machine)
{
    struct stray *x;

    DL_FOREACH(f->strays, x) {
        if (strcmp(x->id, machine) == 0)
            return x;
    }
    return NULL;
}

static bool is_kept(const struct fleet *f, const char *machine)
{
    uint32_t i;

    for (i = 0; i < f->row.n_kept; i++) {
        if (strcmp(f->row.kept[i], machine) == 0)
            return true;
    }
    return false;
}

void stray_add(struct engine *e, struct fleet *f, const struct machine *m, bool is_certain)
{
    struct stray *x = stray_find(f, m->id);

    if (x == NULL) {
        x = stray_new(f, m->id);
        x->since = e->now.mono;
        x->server = m->server;
        x->intent = m->intent;
        x->seen_ask = f->ask;
        TRACE(e, "fleet %s: machine %s (server %llu, intent %llu) belongs to no server", f->row.name, x->id,
              (unsigned long long)x->server, (unsigned long long)x->intent);
    }
    x->is_certain = x->is_certain || is_certain;
    x->list_mark = e->marks;
}

/* Of this fleet: another one may be another account, with the same names for other machines. */
bool machine_may_be_of(const struct server *s, const char *machine)
{
    struct stray *x = stray_find(s->fleet, machine);
    const struct server *other = server_of_machine(s->fleet, machine);

    if (strcmp(s->row.machine, machine) == 0)
        return true;
    if (other != NULL || (x != NULL && x->is_ending))
        return false;
    if (x != NULL)
        stray_delete(s->fleet, x);
    return true;
}

bool stray_destroyed(struct engine *e, struct fleet *f, const char *machine)
{
    struct stray *x = stray_find(f, machine);

    if (x == NULL)
        return false;
    TRACE(e, "fleet %s: machine %s, which belonged to no server, is destroyed", f->row.name, machine);
    stray_delete(f, x);
    return true;
}

bool stray_not_destroyed(struct engine *e, struct fleet *f, const char *machine,
                         const struct fleet_failure *why)
{
    struct stray *x = stray_find(f, machine);

    if (x == NULL)
        return false;
    x->is_ending = false;
    TRACE(e, "fleet %s: machine %s, which belongs to no server, was not destroyed: %s", f->row.name, machine,
          why->reason);
    if (why->fault == FLEET_FAULT_INVALID || why->fault == FLEET_FAULT_GONE)
        stray_delete(f, x); /* it is not ours to destroy, or there is nothing left to do */
    else
        fleet_look_in(e, f,
                      why->retry_after_ms > FLEET_LIST_SOON_MS ? why->retry_after_ms : FLEET_LIST_SOON_MS);
    return true;
}

void strays_end(struct engine *e, struct fleet *f)
{
    struct order o = {.kind = ORDER_MACHINE_DESTROY, .fleet = {.id = f->id}};
    struct stray *x;

    DL_FOREACH(f->strays, x) {
        if (x->is_ending || e->closing ||
            (!x->is_certain && mono_ms_between(x->since, e->now.mono) < (int64_t)e->opts.stray_ms))
            continue;
        x->is_ending = true;
        TRACE(e, "fleet %s: machine %s, which belongs to no server, is being destroyed", f->row.name, x->id);
        o.machine = x->id;
        outbox_order(e->out, &o);
    }
}

/* ---- machines that are kept ---- */

static bool is_shown(const char *machine, const struct machine *all, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        if (all[i].state != MACHINE_GONE && strcmp(all[i].id, machine) == 0)
            return true;
    }
    return false;
}

static bool is_gone_for(const struct engine *e, struct mono since, int64_t ms)
{
    return since.us != MONO_NEVER.us && mono_ms_between(since, e->now.mono) >= ms;
}

static void kept_look(struct engine *e, struct fleet *f, const struct machine *all, uint32_t n)
{
    struct fleet_row row = f->row;
    const char **kept = arena_alloc(&e->out->arena, (row.n_kept + 1) * sizeof(*kept));
    uint32_t i;

    row.kept = kept;
    row.n_kept = 0;
    for (i = 0; i < f->row.n_kept; i++) {
        if (is_shown(f->row.kept[i], all, n))
            f->kept_gone[i] = MONO_NEVER;
        else if (f->kept_gone[i].us == MONO_NEVER.us)
            f->kept_gone[i] = e->now.mono;
        if (is_gone_for(e, f->kept_gone[i], KEPT_GONE_MS))
            TRACE(e, "fleet %s: machine %s, which was kept, is gone", f->row.name, f->row.kept[i]);
        else
            kept[row.n_kept++] = f->row.kept[i];
    }
    if (row.n_kept == f->row.n_kept)
        return;
    fleet_row_set(e, f, &row);
    fleet_changed(e, f);
}

uint32_t fleet_kept_there(const struct engine *e, const struct fleet *f, const char **ret)
{
    uint32_t n = 0;
    uint32_t i;

    for (i = 0; i < f->row.n_kept; i++) {
        if (is_gone_for(e, f->kept_gone[i], e->opts.missing_ms))
            continue;
        *ret = f->row.kept[i];
        n++;
    }
    return n;
}

/* ---- one machine of the list ---- */

static bool is_machine_of(const struct server *s, const struct fleet *f, const struct machine *m)
{
    if (s == NULL || s->fleet != f || s->row.status == SERVER_DESTROYED)
        return false;
    if (s->row.machine[0] != '\0')
        return strcmp(s->row.machine, m->id) == 0;
    return m->intent != 0 && m->intent == s->row.intent;
}

/* Whose mark it carries. A mark that cannot be read, on a machine that we know, is still no reason to destroy it. */
static struct server *owner_of(const struct engine *e, const struct fleet *f, const struct machine *m)
{
    struct server *s = server_by_id(e, (struct server_id){m->server});
    const struct fleet *x;

    for (x = e->fleets; m->server == 0 && s == NULL && x != NULL; x = x->hh.next) {
        if (x->row.kind == f->row.kind)
            s = server_of_machine(x, m->id);
    }
    return s;
}

/* Fleets of one kind may share an account: then the list of each shows the machines of all. */
static bool is_of_another(const struct engine *e, const struct fleet *f, const struct server *s,
                          const struct machine *m)
{
    const struct fleet *x;

    if (s != NULL && s->fleet != NULL)
        return s->fleet != f && s->fleet->row.kind == f->row.kind;
    for (x = e->fleets; x != NULL; x = x->hh.next) {
        if (x != f && x->row.kind == f->row.kind && is_kept(x, m->id))
            return true;
    }
    return false;
}

/* Half of it is over. Again with the next list, until it is renewed. */
static void lease_look(struct engine *e, struct fleet *f, const struct machine *m)
{
    struct order o = {.kind = ORDER_MACHINE_RENEW, .fleet = {.id = f->id}, .machine = m->id};

    if (e->closing || m->lease_until.ms > e->now.wall.ms + e->opts.lease_machine_ms / 2)
        return;
    o.lease_until.ms = e->now.wall.ms + e->opts.lease_machine_ms;
    outbox_order(e->out, &o);
}

static void machine_look(struct engine *e, struct fleet *f, const struct machine *m)
{
    struct server *s = owner_of(e, f, m);

    if (m->state == MACHINE_GONE || is_of_another(e, f, s, m))
        return; /* as good as not listed */
    if (!is_machine_of(s, f, m)) {
        if (is_kept(f, m->id))
            lease_look(e, f, m);
        else
            stray_add(e, f, m, false);
        return;
    }
    if (!machine_may_be_of(s, m->id))
        return;
    machine_found(e, s, m);
    if (m->state != MACHINE_OFF || s->row.status != SERVER_CREATED)
        s->list_mark = e->marks;
    if (s->row.status != SERVER_DESTROYING)
        lease_look(e, f, m);
    else if (!s->is_ending && s->retry_at.us == MONO_NEVER.us)
        machine_destroy_soon(e, s, 0);
}

/* ---- a server that the list does not show ---- */

static void server_vanished(struct engine *e, struct server *s)
{
    struct machine m = {.id = s->row.machine, .server = s->id.v, .intent = s->row.intent};

    if (s->row.status == SERVER_CREATED) {
        server_power_off(e, s, SERVER_BY_MISSING, NULL);
        return;
    }
    TRACE(e, "server %s: its machine %s is not in the cloud's list any more", s->row.name, m.id);
    stray_add(e, s->fleet, &m, true); /* if it is there all the same, it will not stay */
    s->row.machine = text_keep(s->row.machine, "");
    s->row.address = text_keep(s->row.address, "");
    cost_meter_end(e, s);
    s->row.billed_at.ms = 0;
    s->is_missing = false;
    server_progress(e, s, "its machine vanished before it was ready");
    machine_absent(e, s);
}

static void server_missing(struct engine *e, struct fleet *f, struct server *s, uint64_t ask)
{
    bool has_waited = mono_ms_between(s->doubt_since, e->now.mono) >= (int64_t)e->opts.missing_ms;

    if (ask <= s->known_ask)
        return;
    if (s->row.machine[0] == '\0') {
        if (s->is_doubtful && has_waited)
            machine_absent(e, s);
        return;
    }
    if (s->row.status == SERVER_DESTROYING) {
        if (!s->is_ending && s->retry_at.us == MONO_NEVER.us)
            machine_destroy_soon(e, s, 0);
    } else if (s->row.link == LINK_ONLINE) {
        s->is_missing = false; /* it talks to us */
    } else if (!s->is_missing) {
        s->is_missing = true;
        s->doubt_since = e->now.mono;
    } else if (has_waited) {
        server_vanished(e, s);
    }
    (void)f;
}

/* ---- the list ---- */

static bool is_in_doubt(const struct server *s)
{
    return s->is_doubtful || s->is_missing || s->row.status == SERVER_DESTROYING ||
           (s->row.status == SERVER_CREATING && s->row.address[0] == '\0');
}

static void servers_look(struct engine *e, struct fleet *f, uint64_t ask)
{
    struct server *s;
    struct server *next;

    DL_FOREACH_SAFE2(f->servers, s, next, fleet_next)
    {
        if (s->row.status == SERVER_DESTROYED)
            continue;
        if (s->list_mark == e->marks)
            s->is_missing = false;
        else
            server_missing(e, f, s, ask);
    }
}

static void strays_forget(struct engine *e, struct fleet *f, uint64_t ask)
{
    struct stray *x;
    struct stray *next;

    DL_FOREACH_SAFE(f->strays, x, next) {
        if (x->list_mark != e->marks && !x->is_ending && !x->is_certain && ask > x->seen_ask)
            stray_delete(f, x);
    }
}

static void next_look(struct engine *e, struct fleet *f)
{
    const struct server *s;
    bool soon = f->strays != NULL;

    if (f->ask > f->answered)
        return; /* a newer one is on its way */
    DL_FOREACH2(f->servers, s, fleet_next)
    {
        if (soon)
            break;
        soon = is_in_doubt(s);
    }
    timer_stop(&e->timers, &f->list);
    fleet_look_in(e, f, soon ? FLEET_LIST_SOON_MS : FLEET_LIST_MS);
}

static void fleet_error(struct engine *e, struct fleet *f, const char *error)
{
    if (strcmp(f->row.error, error) == 0)
        return;
    f->row.error = text_keep(f->row.error, error);
    TRACE(e, "fleet %s: %s", f->row.name, error[0] != '\0' ? error : "its cloud answers again");
    fleet_changed(e, f);
}

static struct fleet *asked_fleet(struct engine *e, const struct event *ev)
{
    struct fleet *f = fleet_by_id(e, ev->fleet_list.fleet);

    if (f != NULL && ev->fleet_list.ask > f->answered && ev->fleet_list.ask <= f->ask)
        return f;
    late_news(e, "a list of fleet", ev->fleet_list.fleet.v);
    return NULL;
}

void on_fleet_listed(struct engine *e, const struct event *ev)
{
    struct fleet *f = asked_fleet(e, ev);
    bool is_first;
    uint32_t i;

    if (f == NULL)
        return;
    is_first = f->answered == 0;
    f->answered = ev->fleet_list.ask;
    f->list_fails = 0;
    fleet_error(e, f, "");
    e->marks++;
    for (i = 0; i < ev->fleet_list.n; i++)
        machine_look(e, f, &ev->fleet_list.all[i]);
    servers_look(e, f, ev->fleet_list.ask);
    kept_look(e, f, ev->fleet_list.all, ev->fleet_list.n);
    strays_forget(e, f, ev->fleet_list.ask);
    strays_end(e, f);
    if (is_first)
        creates_begin(e, f);
    if (++f->n_lists % LISTS_PER_CATALOG == 0)
        outbox_order(e->out, &(struct order){.kind = ORDER_FLEET_CATALOG, .fleet = {.id = f->id}});
    next_look(e, f);
}

void on_fleet_list_failed(struct engine *e, const struct event *ev)
{
    struct fleet *f = asked_fleet(e, ev);
    const struct fleet_failure *why = &ev->fleet_list.failed;
    int64_t ms = FLEET_RETRY_MIN_MS;
    uint32_t i;

    if (f == NULL)
        return;
    f->list_fails++;
    for (i = 1; i < f->list_fails && ms < FLEET_RETRY_MAX_MS; i++)
        ms *= 2;
    if (why->retry_after_ms > ms)
        ms = why->retry_after_ms;
    if (f->list_fails > 1 || why->fault == FLEET_FAULT_AUTH) /* one is nothing */
        fleet_error(e, f, why->reason);
    if (f->ask > ev->fleet_list.ask)
        return;
    timer_stop(&e->timers, &f->list);
    fleet_look_in(e, f, ms);
}

void on_machine_renewed(struct engine *e, const struct event *ev)
{
    struct fleet *f = fleet_by_id(e, ev->machine.fleet);
    struct server *s;

    if (f == NULL)
        return;
    DL_FOREACH2(f->servers, s, fleet_next)
    {
        if (s->row.machine[0] == '\0' || strcmp(s->row.machine, ev->machine.machine) != 0)
            continue;
        if (s->row.lease_until.ms != ev->machine.lease_until.ms) {
            s->row.lease_until = ev->machine.lease_until;
            server_changed(e, s);
        }
        return;
    }
}

void on_machine_renew_failed(struct engine *e, const struct event *ev)
{
    TRACE(e, "machine %s: its lease was not renewed, the next list will tell: %s", ev->machine.machine,
          ev->machine.failed.reason);
}
