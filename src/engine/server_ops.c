/* server_ops.c - what people do to servers: switch on and off, book, drain, and put right by hand. A command names any
 * number of servers, and is done to all of them or to none: the first that cannot is named. Those that are as they should
 * be already are passed over.
 *
 * Who may: an admin anything; others what is free, or booked by themselves. */
#include "engine/engine_private.h"

#include "model/rules.h"

struct op {
    enum err (*check)(const struct engine *e, const struct servers_change *c, const struct server *s,
                      struct why *reterr);
    bool (*is_due)(const struct servers_change *c, const struct server *s); /* false: it is so already */
    void (*apply)(struct engine *e, const struct servers_change *c, struct server *s);
    bool is_of_admins;
    bool is_of_machines; /* not of kinds that make none */
};

static enum err may_use(const struct servers_change *c, const struct server *s, struct why *reterr)
{
    if (c->may_any || s->row.booked_by.v == 0 || s->row.booked_by.v == c->user.v)
        return ERR_OK;
    return why_set(reterr, ERR_DENIED, "servers", "%s is booked by somebody else", s->row.name);
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- on and off ---- */

static enum err on_check(const struct engine *e, const struct servers_change *c, const struct server *s,
                         struct why *reterr)
{
    (void)e;
    (void)c;
    if (s->row.status == SERVER_DESTROYING)
        return why_set(reterr, ERR_CONFLICT, "servers", "%s is being destroyed: try again when it is",
                       s->row.name);
    return ERR_OK;
}

static bool on_is_due(const struct servers_change *c, const struct server *s)
{
    (void)c;
    return s->row.status == SERVER_DESTROYED;
}

static void on_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    server_power_on(e, s, c->size != NULL ? c->size : "");
}

static enum err off_check(const struct engine *e, const struct servers_change *c, const struct server *s,
                          struct why *reterr)
{
    enum err err = may_use(c, s, reterr);

    (void)e;
    if (err != ERR_OK || s->n_runs == 0)
        return err;
    if (!c->force)
        return why_set(reterr, ERR_CONFLICT, "servers",
                       "%s holds %u run%s: wait, drain it, or switch it off by force", s->row.name, s->n_runs,
                       plural(s->n_runs));
    if (!c->may_any && s->row.booked_by.v != c->user.v)
        return why_set(reterr, ERR_DENIED, "servers", "%s holds %u run%s, and you have not booked it",
                       s->row.name, s->n_runs, plural(s->n_runs));
    return ERR_OK;
}

static bool off_is_due(const struct servers_change *c, const struct server *s)
{
    (void)c;
    return s->row.status == SERVER_CREATING || s->row.status == SERVER_CREATED;
}

static void off_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    server_power_off(e, s, SERVER_BY_OFF, arena_printf(&e->out->arena, "switched off by %s", c->login));
}

/* ---- booking ---- */

static enum err book_check(const struct engine *e, const struct servers_change *c, const struct server *s,
                           struct why *reterr)
{
    (void)e;
    if (s->row.booked_by.v != 0 && s->row.booked_by.v != c->user.v)
        return why_set(reterr, ERR_CONFLICT, "servers", "%s is booked by somebody else", s->row.name);
    if (s->row.status != SERVER_CREATED && s->row.status != SERVER_CREATING)
        return why_set(reterr, ERR_CONFLICT, "servers", "%s is %s: switch it on first", s->row.name,
                       server_status_name(s->row.status));
    if (s->row.maintenance || s->row.sick[0] != '\0')
        return why_set(reterr, ERR_CONFLICT, "servers", "%s takes no tests: %s", s->row.name,
                       s->row.maintenance ? "it is in maintenance" : s->row.sick);
    return ERR_OK;
}

static bool book_is_due(const struct servers_change *c, const struct server *s)
{
    return s->row.booked_by.v != c->user.v;
}

static void book_for(struct engine *e, struct server *s, struct user_id user, struct launch_id launch,
                     bool off_after)
{
    server_book(e, s, user);
    s->row.booked_for = launch;
    s->row.off_after = off_after;
    s->row.booked_at = user.v != 0 ? e->now.wall : (struct wall){0};
    TRACE(e, "server %s: %s %llu", s->row.name, user.v != 0 ? "booked by user" : "free again; user",
          (unsigned long long)user.v);
    server_changed(e, s);
    server_refresh(e, s);
    if (user.v != 0)
        server_ask_back(e, s); /* what has begun there ends there */
}

void server_book_for(struct engine *e, struct server *s, struct user_id user)
{
    book_for(e, s, user, (struct launch_id){0}, false);
}

static void book_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    server_book_for(e, s, c->user);
}

static enum err unbook_check(const struct engine *e, const struct servers_change *c, const struct server *s,
                             struct why *reterr)
{
    (void)e;
    return may_use(c, s, reterr);
}

static bool unbook_is_due(const struct servers_change *c, const struct server *s)
{
    (void)c;
    return s->row.booked_by.v != 0;
}

static void unbook_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    (void)c;
    server_book_for(e, s, (struct user_id){0});
}

/* ---- maintenance ---- */

static bool drain_is_due(const struct servers_change *c, const struct server *s)
{
    (void)c;
    return !s->row.maintenance;
}

static void drain_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    s->row.maintenance = true;
    TRACE(e, "server %s: in maintenance, by %s: it takes no more tests", s->row.name, c->login);
    server_changed(e, s);
    server_ask_back(e, s);
    server_refresh(e, s);
}

static bool resume_is_due(const struct servers_change *c, const struct server *s)
{
    (void)c;
    return s->row.maintenance || s->row.sick[0] != '\0';
}

static enum err resume_check(const struct engine *e, const struct servers_change *c, const struct server *s,
                             struct why *reterr)
{
    (void)e;
    (void)c;
    if (s->row.sick_cause == SICK_DISK && s->is_disk_low && s->row.link == LINK_ONLINE)
        return why_set(reterr, ERR_CONFLICT, "servers",
                       "%s: %s. Make room there; it comes back by itself then", s->row.name, s->row.sick);
    return ERR_OK;
}

static void resume_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    s->row.maintenance = false;
    if (s->row.sick[0] != '\0') {
        sick_end(e, s);
        sick_forget(e, s);
        s->failed_at.ms = e->now.wall.ms - 1; /* what it still runs was begun before */
        s->row.lost_at = s->failed_at;
        idle_rule_changed(e, s);
    }
    TRACE(e, "server %s: takes tests again, by %s", s->row.name, c->login);
    server_changed(e, s);
    server_refresh(e, s);
}

static enum err idle_check(const struct engine *e, const struct servers_change *c, const struct server *s,
                           struct why *reterr)
{
    (void)e;
    (void)s;
    return idle_ms_check(c->idle_ms, true, reterr);
}

static bool idle_is_due(const struct servers_change *c, const struct server *s)
{
    return s->row.idle_ms != c->idle_ms;
}

static void idle_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    s->row.idle_ms = c->idle_ms;
    server_changed(e, s);
    idle_rule_changed(e, s);
}

/* ---- by hand, when what we know is wrong ---- */

static enum err created_check(const struct engine *e, const struct servers_change *c, const struct server *s,
                              struct why *reterr)
{
    (void)e;
    if (c->address == NULL || c->address[0] == '\0') {
        if (s->row.address[0] != '\0')
            return ERR_OK;
        return why_set(reterr, ERR_INVALID, "address", "where is %s? Its address is not known", s->row.name);
    }
    if (c->n > 1)
        return why_set(reterr, ERR_INVALID, "address", "an address is of one server");
    return address_check(c->address, reterr);
}

static bool created_is_due(const struct servers_change *c, const struct server *s)
{
    (void)c;
    return s->row.status != SERVER_CREATED;
}

static void created_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    if (c->address != NULL && c->address[0] != '\0')
        s->row.address = text_keep(s->row.address, c->address);
    CHECK(
        server_status_set(e, s, SERVER_BY_HAND_CREATED, arena_printf(&e->out->arena, "set by %s", c->login)));
    if (s->link == 0 && s->row.link != LINK_CONNECTING)
        link_connect_at(e, s, 0);
}

static enum err destroyed_check(const struct engine *e, const struct servers_change *c,
                                const struct server *s, struct why *reterr)
{
    (void)e;
    (void)c;
    if (s->n_runs == 0)
        return ERR_OK;
    return why_set(reterr, ERR_CONFLICT, "servers",
                   "%s holds %u run%s: stop them, or wait until their leases end, lest they run twice",
                   s->row.name, s->n_runs, plural(s->n_runs));
}

static bool destroyed_is_due(const struct servers_change *c, const struct server *s)
{
    (void)c;
    return s->row.status != SERVER_DESTROYED;
}

/* A machine that is there all the same belongs to nobody, and is destroyed. */
static void destroyed_apply(struct engine *e, const struct servers_change *c, struct server *s)
{
    struct machine m = {.id = s->row.machine, .server = s->id.v, .intent = s->row.intent};

    if (m.id[0] != '\0')
        stray_add(e, s->fleet, &m, true);
    server_ended(e, s, SERVER_BY_HAND_DESTROYED, arena_printf(&e->out->arena, "set by %s", c->login));
}

static const struct op ops[SERVER_OP_COUNT] = {
    [SERVER_ON] = {on_check, on_is_due, on_apply, false, true},
    [SERVER_OFF] = {off_check, off_is_due, off_apply, false, true},
    [SERVER_BOOK] = {book_check, book_is_due, book_apply, false, false},
    [SERVER_UNBOOK] = {unbook_check, unbook_is_due, unbook_apply, false, false},
    [SERVER_DRAIN] = {NULL, drain_is_due, drain_apply, true, false},
    [SERVER_RESUME] = {resume_check, resume_is_due, resume_apply, true, false},
    [SERVER_SET_IDLE] = {idle_check, idle_is_due, idle_apply, true, true},
    [SERVER_SET_CREATED] = {created_check, created_is_due, created_apply, true, true},
    [SERVER_SET_DESTROYED] = {destroyed_check, destroyed_is_due, destroyed_apply, true, true},
};

/* ---- the command ---- */

static enum err one_check(const struct engine *e, const struct servers_change *c, struct server_id id,
                          struct why *reterr)
{
    const struct server *s = server_by_id(e, id);
    const struct op *op = &ops[c->op];

    if (s == NULL)
        return why_set(reterr, ERR_NOTFOUND, "servers", "there is no server %llu", (unsigned long long)id.v);
    if (op->is_of_machines && !fleet_kind_makes_machines(s->row.fleet))
        return why_set(reterr, ERR_INVALID, "servers",
                       "%s is of the fleet %s: wrata neither makes its machine nor destroys it", s->row.name,
                       s->fleet->row.name);
    if (op->check == NULL || !op->is_due(c, s))
        return ERR_OK;
    return op->check(e, c, s, reterr);
}

/* What is to be switched on, fleet by fleet. */
static enum err room_check(const struct engine *e, const struct servers_change *c, struct why *reterr)
{
    const struct fleet *f;
    const struct server *s;
    enum err err = ERR_OK;
    uint32_t n;
    uint32_t i;

    for (f = e->fleets; f != NULL && err == ERR_OK; f = f->hh.next) {
        n = 0;
        for (i = 0; i < c->n; i++) {
            s = server_by_id(e, c->servers[i]);
            n += s->fleet == f && s->row.status == SERVER_DESTROYED;
        }
        if (n > 0)
            err = fleet_room_check(e, f, n, c->size != NULL ? c->size : "", reterr);
    }
    return err;
}

static enum err change_check(const struct engine *e, const struct servers_change *c, struct why *reterr)
{
    enum err err = ERR_OK;
    uint32_t i;

    CHECK(c->op < SERVER_OP_COUNT);
    if (ops[c->op].is_of_admins && !c->may_any)
        return why_set(reterr, ERR_DENIED, NULL, "only an admin may do this");
    if (c->n > SERVERS_CHANGE_MAX)
        return why_set(reterr, ERR_LIMIT, "servers", "%u servers, at most %u are allowed", c->n,
                       SERVERS_CHANGE_MAX);
    if (c->n == 0 && c->op != SERVER_UNBOOK)
        return why_set(reterr, ERR_INVALID, "servers", "no server is named");
    for (i = 0; i < c->n && err == ERR_OK; i++)
        err = one_check(e, c, c->servers[i], reterr);
    if (err == ERR_OK && c->op == SERVER_ON)
        err = room_check(e, c, reterr);
    return err;
}

static void all_of_mine(struct engine *e, const struct servers_change *c, uint64_t *done, uint32_t *n)
{
    struct server *s;

    for (s = e->servers; s != NULL && *n < SERVERS_CHANGE_MAX; s = s->hh.next) {
        if (s->removed || s->row.booked_by.v != c->user.v)
            continue;
        unbook_apply(e, c, s);
        done[(*n)++] = s->id.v;
    }
}

void on_servers_change(struct engine *e, const struct event *ev)
{
    const struct servers_change *c = &ev->servers_change;
    struct server *s;
    uint64_t *done;
    uint32_t n = 0;
    uint32_t i;
    struct why why;

    if (command_is_refused(e, ev))
        return;
    if (change_check(e, c, &why) != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
        return;
    }
    done = xmalloc(SERVERS_CHANGE_MAX * sizeof(*done));
    for (i = 0; i < c->n; i++) {
        s = server_by_id(e, c->servers[i]);
        if (s == NULL || !ops[c->op].is_due(c, s)) /* named twice, and gone with the first */
            continue;
        ops[c->op].apply(e, c, s);
        done[n++] = c->servers[i].v;
    }
    if (c->n == 0)
        all_of_mine(e, c, done, &n);
    outbox_reply_ids(e->out, ev->ticket, done, n);
    free(done);
}

/* ---- book so many, and make what is missing ---- */

struct take {
    const struct servers_take *want;
    struct server **free;
    uint32_t n_free;
    struct server **off;
    uint32_t n_off;
};

static bool size_fits(const struct server *s, const char *size)
{
    return size[0] == '\0' || strcmp(s->row.size, size) == 0;
}

/* Free ones: first those that are ready and do nothing, then those at work, then those that are being made. */
static void take_find(const struct fleet *f, struct take *t)
{
    struct server *s;
    int round;

    for (round = 0; round < 3; round++) {
        DL_FOREACH2(f->servers, s, fleet_next)
        {
            bool is_ready = server_is_usable(s) && s->row.link == LINK_ONLINE;
            bool is_coming = s->row.status == SERVER_CREATING || (server_is_usable(s) && !is_ready);

            if (s->booker != NULL || s->row.leaving || t->n_free == t->want->n || s->row.maintenance ||
                !size_fits(s, t->want->size))
                continue;
            if ((round == 0 && is_ready && s->n_runs == 0) || (round == 1 && is_ready && s->n_runs > 0) ||
                (round == 2 && is_coming))
                t->free[t->n_free++] = s;
        }
    }
    DL_FOREACH2(f->servers, s, fleet_next)
    {
        if (s->row.status == SERVER_DESTROYED && !s->row.leaving && !s->row.maintenance &&
            t->n_free + t->n_off < t->want->n)
            t->off[t->n_off++] = s;
    }
}

static enum err take_check(const struct engine *e, const struct fleet *f, const struct take *t,
                           struct why *reterr)
{
    uint32_t missing = t->want->n - t->n_free;
    uint32_t new_records = missing - t->n_off;

    if (missing == 0)
        return ERR_OK;
    if (!fleet_kind_makes_machines(f->row.kind))
        return why_set(reterr, ERR_CONFLICT, "count", "%u of %u servers of %s are free", t->n_free,
                       t->want->n, f->row.name);
    if (e->stats.servers + new_records > SERVERS_MAX)
        return why_set(reterr, ERR_LIMIT, "count", "there are %u servers, %u more are not possible",
                       e->stats.servers, new_records);
    return fleet_room_check(e, f, missing, t->want->size, reterr);
}

/* The next free name of the kind FLEET-N. */
static struct server *record_new(struct engine *e, const struct fleet *f, uint32_t *number)
{
    struct server_row row = {.fleet_id = f->id, .slots = 1, .idle_ms = IDLE_AS_FLEET};

    do
        row.name = arena_printf(&e->out->arena, "%.50s-%u", f->row.name, ++*number);
    while (server_named(e, row.name) != NULL);
    return server_add_one(e, &row);
}

static void take_apply(struct engine *e, struct fleet *f, const struct take *t, struct launch_id launch,
                       uint64_t *ids)
{
    uint32_t number = 0;
    struct server *s;
    uint32_t i;

    for (i = 0; i < t->want->n; i++) {
        if (i < t->n_free) {
            s = t->free[i];
        } else {
            s = i < t->n_free + t->n_off ? t->off[i - t->n_free] : record_new(e, f, &number);
            server_power_on(e, s, t->want->size);
        }
        book_for(e, s, t->want->user, launch, launch.v != 0 && i >= t->n_free);
        ids[i] = s->id.v;
    }
}

uint32_t servers_borrow(struct engine *e, const struct servers_take *want, struct launch_id launch,
                        uint64_t *ids, struct why *reterr)
{
    struct fleet *f = fleet_by_id(e, want->fleet);
    struct servers_take some = *want;
    struct take t = {.want = &some};

    if (f == NULL) {
        (void)why_set(reterr, ERR_NOTFOUND, "fleet", "there is no fleet %llu",
                      (unsigned long long)want->fleet.v);
        return 0;
    }
    t.free = xcalloc(want->n, sizeof(*t.free));
    t.off = xcalloc(want->n, sizeof(*t.off));
    take_find(f, &t);
    while (some.n > 0 && take_check(e, f, &t, reterr) != ERR_OK) {
        some.n--;
        t.n_free = t.n_free < some.n ? t.n_free : some.n;
        t.n_off = t.n_off < some.n - t.n_free ? t.n_off : some.n - t.n_free;
    }
    take_apply(e, f, &t, launch, ids);
    free(t.off);
    free(t.free);
    return some.n;
}

void on_servers_take(struct engine *e, const struct event *ev)
{
    const struct servers_take *want = &ev->servers_take;
    struct fleet *f = fleet_by_id(e, want->fleet);
    struct take t = {.want = want};
    uint64_t *ids;
    struct why why;

    if (command_is_refused(e, ev))
        return;
    if (f == NULL) {
        outbox_refuse(e->out, ev->ticket, ERR_NOTFOUND, "fleet", "there is no fleet %llu",
                      (unsigned long long)want->fleet.v);
        return;
    }
    if (want->n == 0 || want->n > SERVERS_CHANGE_MAX) {
        outbox_refuse(e->out, ev->ticket, ERR_INVALID, "count", "count %u is not one of 1..%u", want->n,
                      SERVERS_CHANGE_MAX);
        return;
    }
    t.free = xcalloc(want->n, sizeof(*t.free));
    t.off = xcalloc(want->n, sizeof(*t.off));
    ids = xcalloc(want->n, sizeof(*ids));
    take_find(f, &t);
    if (take_check(e, f, &t, &why) != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
    } else {
        take_apply(e, f, &t, (struct launch_id){0}, ids);
        outbox_reply_ids(e->out, ev->ticket, ids, want->n);
    }
    free(ids);
    free(t.off);
    free(t.free);
}
