/* engine.c - a step: timers that are due, then one event through one switch; and the end of a turn.
 *
 * A turn is any number of steps into one outbox, then engine_turn_end(): stopping launches lose waiting tests,
 * tests are placed, goals made, launches announced. See docs/engine.md. */
#include "engine/engine_private.h"

#include "model/rules.h"

struct engine *engine_new(const struct engine_opts *opts)
{
    struct engine *e = xcalloc(1, sizeof(*e));

    if (opts != NULL)
        e->opts = *opts;
    if (e->opts.seed == 0)
        e->opts.seed = 1;
    if (e->opts.silence_shown_ms == 0)
        e->opts.silence_shown_ms = 5000;
    if (e->opts.reconnect_min_ms == 0)
        e->opts.reconnect_min_ms = 500;
    if (e->opts.reconnect_max_ms == 0)
        e->opts.reconnect_max_ms = 30000;
    if (e->opts.ahead_ms == 0)
        e->opts.ahead_ms = 20;
    if (e->opts.forecast_starts == 0)
        e->opts.forecast_starts = 6000;
    if (e->opts.creating_ms == 0)
        e->opts.creating_ms = 900000;
    if (e->opts.stray_ms == 0)
        e->opts.stray_ms = 120000;
    if (e->opts.missing_ms == 0)
        e->opts.missing_ms = 60000;
    if (e->opts.lease_machine_ms == 0)
        e->opts.lease_machine_ms = 7200000;
    if (e->opts.sick_failures == 0)
        e->opts.sick_failures = 3;
    if (e->opts.sick_losses == 0)
        e->opts.sick_losses = 2;
    if (e->opts.sick_disk_bytes == 0)
        e->opts.sick_disk_bytes = UINT64_C(256) << 20;
    if (e->opts.sick_disk_percent == 0)
        e->opts.sick_disk_percent = 2;
    if (e->opts.sick_keep_ms == 0)
        e->opts.sick_keep_ms = 3600000;
    rng_seed(&e->rng, e->opts.seed);
    e->next_server = 1;
    e->next_launch = 1;
    e->next_test = 1;
    e->next_run = 1;
    e->next_undo = 1;
    e->next_fleet = 1;
    e->next_intent = 1;
    fleets_preset(e);
    return e;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    engine_release(e);
    text_drop(e->no_room);
    free(e);
}

/* ---- looking up ---- */

struct server *server_by_id_any(const struct engine *e, struct server_id id)
{
    struct server *s;

    HASH_FIND(hh, e->servers, &id.v, sizeof(id.v), s);
    return s;
}

struct server *server_by_id(const struct engine *e, struct server_id id)
{
    struct server *s = server_by_id_any(e, id);

    return s != NULL && !s->removed ? s : NULL;
}

struct launch *launch_by_id(const struct engine *e, struct launch_id id)
{
    struct launch *l;

    HASH_FIND(hh, e->launches, &id.v, sizeof(id.v), l);
    return l;
}

struct test *test_by_id(const struct engine *e, struct test_id id)
{
    struct test *t;

    HASH_FIND(hh, e->tests, &id.v, sizeof(id.v), t);
    return t;
}

struct run *run_by_id(const struct engine *e, struct run_id id)
{
    struct run *r;

    HASH_FIND(hh, e->runs, &id.v, sizeof(id.v), r);
    return r;
}

struct fleet *fleet_by_id(const struct engine *e, struct fleet_id id)
{
    struct fleet *f;

    HASH_FIND(hh, e->fleets, &id.v, sizeof(id.v), f);
    return f;
}

struct user *user_of_id(const struct engine *e, struct user_id id)
{
    struct user *u;

    HASH_FIND(hh, e->users, &id.v, sizeof(id.v), u);
    return u;
}

void late_news(struct engine *e, const char *what, uint64_t id)
{
    e->stats.late_news++;
    TRACE(e, "late news of %s %llu was dropped", what, (unsigned long long)id);
}

/* ---- commands of people ---- */

bool command_is_refused(struct engine *e, const struct event *ev)
{
    if (!e->booted)
        outbox_refuse(e->out, ev->ticket, ERR_BUSY, NULL, "wrata is starting: try again in a moment");
    else if (e->closing)
        outbox_refuse(e->out, ev->ticket, ERR_BUSY, NULL, "wrata is shutting down");
    return !e->booted || e->closing;
}

struct server *server_named(const struct engine *e, const char *name)
{
    struct server *s;

    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (!s->removed && strcmp(s->row.name, name) == 0)
            return s;
    }
    return NULL;
}

struct server *server_add_one(struct engine *e, const struct server_row *from)
{
    struct server_row row = *from;
    struct server *s;

    row.id.v = e->next_server;
    row.created_at = e->now.wall;
    row.link = LINK_OFFLINE; /* where it begins */
    row.link_since = e->now.wall;
    row.status = SERVER_DESTROYED; /* the same; of kinds that make no machine it is CREATED for ever */
    row.status_since = e->now.wall;
    row.price_hour_microusd = -1;
    s = server_new(e, &row);
    TRACE(e, "server %s: added with %u slot%s", s->row.name, row.slots, row.slots == 1 ? "" : "s");
    cost_own_price(e, s);
    server_changed(e, s);
    server_refresh(e, s);
    if (server_is_reachable(s))
        link_connect_at(e, s, 0);
    return s;
}

/* By kind, when no fleet is named; and by the fleet's kind, when one is. */
static enum err add_fleet(const struct engine *e, struct server_row *row, struct why *reterr)
{
    const struct fleet *f;

    if (row->fleet_id.v == 0)
        row->fleet_id.v = row->fleet == FLEET_SSH ? FLEET_ID_SSH : FLEET_ID_LOCAL;
    f = fleet_by_id(e, row->fleet_id);
    if (f == NULL)
        return why_set(reterr, ERR_INVALID, "fleet", "there is no fleet %llu",
                       (unsigned long long)row->fleet_id.v);
    row->fleet = f->row.kind;
    return ERR_OK;
}

static enum err add_check(const struct engine *e, struct server_row *row, const char *const *names,
                          uint32_t n, struct why *reterr)
{
    enum err err = add_fleet(e, row, reterr);
    uint32_t i;

    for (i = 0; i < n && err == ERR_OK; i++) {
        row->name = names[i];
        err = server_row_check(row, reterr);
        if (err == ERR_OK && server_named(e, row->name) != NULL)
            err = why_set(reterr, ERR_CONFLICT, "name", "there is a server named \"%s\" already", row->name);
    }
    if (err == ERR_OK && e->stats.servers + n > SERVERS_MAX)
        err = why_set(reterr, ERR_LIMIT, NULL, "there are %u servers, %s not possible", e->stats.servers,
                      n > 1 ? "so many more are" : "more are");
    return err;
}

static void on_server_add(struct engine *e, const struct event *ev)
{
    struct server_row row = ev->server_add.row;
    const char *const *names = ev->server_add.n_names > 0 ? ev->server_add.names : &ev->server_add.row.name;
    uint32_t n = ev->server_add.n_names > 0 ? ev->server_add.n_names : 1;
    uint64_t *ids;
    uint32_t i;
    struct why why;

    if (command_is_refused(e, ev))
        return;
    if (add_check(e, &row, names, n, &why) != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
        return;
    }
    ids = xmalloc(n * sizeof(*ids));
    for (i = 0; i < n; i++) {
        row.name = names[i];
        ids[i] = server_add_one(e, &row)->id.v;
    }
    outbox_reply_ids(e->out, ev->ticket, ids, n);
    free(ids);
}

void server_forget(struct engine *e, struct server *s)
{
    struct change c = {.kind = CHANGE_SERVER_DELETE, .server = {.id = s->id}};
    struct note n = {.kind = NOTE_SERVER_GONE, .server = {.id = s->id}};

    TRACE(e, "server %s: removed", s->row.name);
    cost_slots_end(e, s);
    cost_meter_end(e, s);
    s->removed = true;
    e->stats.servers--;
    e->n_removed++;
    timer_stop(&e->timers, &s->connect);
    timer_stop(&e->timers, &s->rest);
    sick_forget(e, s);
    server_refresh(e, s);
    server_leave_fleet(e, s);
    outbox_change(e->out, &c);
    outbox_note(e->out, &n);
    goals_due(e, s); /* its agent stops everything; without runs it leaves memory there */
}

/* The machine is left to itself: its fleet remembers not to destroy it. */
static enum err machine_keep(struct engine *e, struct server *s, struct why *reterr)
{
    struct fleet *f = s->fleet;
    struct fleet_row row = f->row;
    const char **kept;

    if (s->row.machine[0] == '\0')
        return why_set(reterr, ERR_CONFLICT, "machine",
                       "the machine of %s is not known yet: wait, or destroy it", s->row.name);
    if (row.n_kept >= FLEET_KEPT_MAX)
        return why_set(reterr, ERR_LIMIT, "machine", "%s keeps %u machines already", row.name, row.n_kept);
    kept = arena_alloc(&e->out->arena, (row.n_kept + 1) * sizeof(*kept));
    if (row.n_kept > 0)
        memcpy(kept, row.kept, row.n_kept * sizeof(*kept));
    kept[row.n_kept++] = s->row.machine;
    row.kept = kept;
    TRACE(e, "fleet %s: machine %s of %s is kept, without a server", row.name, s->row.machine, s->row.name);
    fleet_row_set(e, f, &row);
    fleet_changed(e, f);
    return ERR_OK;
}

static enum err remove_check(const struct server *s, const struct event *ev, struct why *reterr)
{
    if (s->row.leaving)
        return why_set(reterr, ERR_CONFLICT, "server", "%s is being removed already", s->row.name);
    if (fleet_kind_makes_machines(s->row.fleet) && s->row.status != SERVER_DESTROYED &&
        ev->server_remove.machine == FATE_REFUSE)
        return why_set(reterr, ERR_CONFLICT, "machine",
                       "%s is %s: say whether its machine is to be destroyed or kept", s->row.name,
                       server_status_name(s->row.status));
    if (s->n_runs > 0 && !ev->server_remove.force)
        return why_set(reterr, ERR_CONFLICT, "server",
                       "%s holds %u run%s: stop them, wait, or remove it by force", s->row.name, s->n_runs,
                       s->n_runs == 1 ? "" : "s");
    return ERR_OK;
}

static void on_server_remove(struct engine *e, const struct event *ev)
{
    struct server *s = server_by_id(e, ev->server_remove.server);
    struct why why = {0};
    enum err err;
    bool has_machine;

    if (command_is_refused(e, ev))
        return;
    if (s == NULL) {
        outbox_refuse(e->out, ev->ticket, ERR_NOTFOUND, "server", "there is no server %llu",
                      (unsigned long long)ev->server_remove.server.v);
        return;
    }
    has_machine = fleet_kind_makes_machines(s->row.fleet) && s->row.status != SERVER_DESTROYED;
    err = remove_check(s, ev, &why);
    if (err == ERR_OK && has_machine && ev->server_remove.machine == FATE_KEEP)
        err = machine_keep(e, s, &why);
    if (err != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, err, why.field, "%s", why.text);
        return;
    }
    outbox_reply(e->out, ev->ticket, s->id.v);
    if (!has_machine || ev->server_remove.machine == FATE_KEEP) {
        server_forget(e, s);
        return;
    }
    s->row.leaving = true;
    server_changed(e, s);
    if (s->row.status != SERVER_DESTROYING)
        server_power_off(e, s, SERVER_BY_OFF, "its record is removed");
}

static struct test_row new_test_row(const struct new_test *t)
{
    return (struct test_row){.path = t->path,
                             .adapter = t->adapter,
                             .argv = t->argv,
                             .n_argv = t->n_argv,
                             .reports = t->reports,
                             .n_reports = t->n_reports,
                             .language = t->language != NULL ? t->language : "",
                             .browser = t->browser != NULL ? t->browser : "",
                             .reason = "",
                             .limits = t->limits,
                             .predicted_ms = t->predicted_ms,
                             .state = TEST_WAITING,
                             .outcome = OUTCOME_NONE};
}

static enum err launch_check(const struct engine *e, const struct launch_row *row,
                             const struct new_test *tests, uint32_t n, struct why *reterr)
{
    struct test_row t;
    uint32_t queued;
    uint32_t i;
    enum err err = launch_row_check(row, reterr);

    if (err != ERR_OK)
        return err;
    if (n == 0)
        return why_set(reterr, ERR_INVALID, "tests", "there is no test to run");
    if (n > LAUNCH_TESTS_MAX)
        return why_set(reterr, ERR_LIMIT, "tests", "%u tests, at most %u are allowed", n, LAUNCH_TESTS_MAX);
    queued = user_of_id(e, row->user) != NULL && user_of_id(e, row->user)->queue != NULL
                 ? user_of_id(e, row->user)->queue->order.sums.n
                 : 0;
    if (queued + n > QUEUE_TESTS_MAX)
        return why_set(reterr, ERR_LIMIT, "tests", "%u tests wait in the queue, %u more would be over %u",
                       queued, n, QUEUE_TESTS_MAX);
    for (i = 0; i < row->n_servers; i++) {
        if (server_by_id(e, (struct server_id){row->servers[i]}) == NULL)
            return why_set(reterr, ERR_INVALID, "servers", "there is no server %llu",
                           (unsigned long long)row->servers[i]);
    }
    for (i = 0; err == ERR_OK && i < n; i++) {
        t = new_test_row(&tests[i]);
        err = test_row_check(&t, reterr);
    }
    return err;
}

struct ranked {
    int64_t ms;
    uint32_t position;
};

/* The longest first; of equals the one given first. */
static int by_length(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    if (x->ms != y->ms)
        return x->ms > y->ms ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* The rank of each test by its position; a test without a prediction counts as the mean of those with one. */
static void launch_rank(struct launch *l, const struct new_test *tests, uint32_t n, bool at_front,
                        int64_t *ranks)
{
    int64_t first = at_front ? rank_front(l->user, n) : rank_end(l->user, n);
    struct ranked *order = xmalloc(n * sizeof(*order));
    int64_t known = 0;
    int64_t sum = 0;
    uint32_t i;

    for (i = 0; i < n; i++) {
        known += tests[i].predicted_ms > 0;
        sum += tests[i].predicted_ms;
    }
    for (i = 0; i < n; i++)
        order[i] =
            (struct ranked){tests[i].predicted_ms > 0 || known == 0 ? tests[i].predicted_ms : sum / known, i};
    if (l->row.order == ORDER_FINISH_SOONEST)
        qsort(order, n, sizeof(*order), by_length);
    for (i = 0; i < n; i++)
        ranks[order[i].position] = first + (int64_t)i * RANK_GAP;
    free(order);
}

static void launch_fill(struct engine *e, struct launch *l, const struct new_test *tests, uint32_t n,
                        bool at_front)
{
    struct change c = {.kind = CHANGE_LAUNCH_ADD, .launch = l->row};
    int64_t *ranks = xmalloc(n * sizeof(*ranks));
    struct test_row row;
    uint32_t i;

    launch_rank(l, tests, n, at_front, ranks);
    outbox_change(e->out, &c);
    for (i = 0; i < n; i++) {
        row = new_test_row(&tests[i]);
        row.rank = ranks[i];
        row.id.v = e->next_test;
        row.launch = l->id;
        row.position = i;
        (void)launch_test_init(e, l, &row);
        c = (struct change){.kind = CHANGE_TEST_ADD, .test = row};
        outbox_change(e->out, &c);
    }
    launch_predict(l);
    for (i = 0; i < n; i++)
        queue_add(e, &l->tests[i]);
    launch_ready_update(e, l);
    queue_changed(e, l->user);
    free(ranks);
}

/* It gets servers of its own, and is limited to them. False: it was refused, since there is none. */
static bool launch_borrow(struct engine *e, const struct event *ev, struct launch_row *row)
{
    const struct launch_book *book = &row->schedule.book;
    struct servers_take want = {.fleet = book->fleet,
                                .n = book->n < SERVERS_CHANGE_MAX ? book->n : SERVERS_CHANGE_MAX,
                                .size = book->size,
                                .user = row->user,
                                .login = ""};
    uint64_t *ids = arena_alloc(&e->out->arena, want.n * sizeof(*ids));
    struct why why;

    row->n_servers = servers_borrow(e, &want, row->id, ids, &why);
    row->servers = ids;
    row->books = book->n;
    row->schedule.book = (struct launch_book){0};
    if (row->n_servers == 0)
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
    return row->n_servers > 0;
}

static void on_launch_create(struct engine *e, const struct event *ev)
{
    struct launch_row row = ev->launch_create.launch;
    uint32_t n = ev->launch_create.n_tests;
    struct launch *l;
    struct why why;

    if (command_is_refused(e, ev))
        return;
    if (row.location == NULL)
        row.location = "";
    if (row.note == NULL)
        row.note = "";
    if (row.lease_ms == 0)
        row.lease_ms = LEASE_DEFAULT_MS;
    if (launch_check(e, &row, ev->launch_create.tests, n, &why) != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
        return;
    }
    row.id.v = e->next_launch;
    row.books = 0;
    if (row.schedule.book.n > 0 && !launch_borrow(e, ev, &row))
        return;
    row.n_tests = n;
    row.created_at = e->now.wall;
    row.started_at.ms = 0;
    row.ended_at.ms = 0;
    row.state = LAUNCH_RUNNING; /* where it begins */
    row.outcome = OUTCOME_NONE;
    l = launch_new(e, &row);
    TRACE(e, "launch %llu: RUNNING: %u test%s", (unsigned long long)l->id.v, n, n == 1 ? "" : "s");
    launch_fill(e, l, ev->launch_create.tests, n, ev->launch_create.at_front);
    borrow_start(e, l);
    launch_note(e, l);
    outbox_reply(e->out, ev->ticket, l->id.v);
}

static void run_stop(struct engine *e, struct run *r)
{
    run_unask_back(e, r);
    if (run_state_set(e, r, RUN_BY_STOP, NULL)) /* no edge: it is being stopped already */
        goals_due(e, r->server);
}

static void on_launch_stop(struct engine *e, const struct event *ev)
{
    struct launch *l = launch_by_id(e, ev->launch_stop);
    uint32_t i;

    if (command_is_refused(e, ev))
        return;
    if (l == NULL) {
        outbox_refuse(e->out, ev->ticket, ERR_NOTFOUND, "launch", "there is no launch %llu that is not over",
                      (unsigned long long)ev->launch_stop.v);
        return;
    }
    if (launch_state_set(e, l, LAUNCH_BY_STOP)) { /* no edge: it is being stopped already */
        for (i = 0; i < l->row.n_tests; i++) {
            if (l->tests[i].active != NULL)
                run_stop(e, l->tests[i].active);
        }
    }
    outbox_reply(e->out, ev->ticket, l->id.v);
}

/* Also a launch that is over may be called something else: then only its row is changed. */
static void on_launch_name(struct engine *e, const struct event *ev)
{
    struct launch *l = launch_by_id(e, ev->launch_name.launch);
    struct change c = {.kind = CHANGE_LAUNCH_NAME,
                       .launch = {.id = ev->launch_name.launch, .name = ev->launch_name.name}};
    struct why why;

    if (command_is_refused(e, ev))
        return;
    if (text_check("name", c.launch.name, NAME_BYTES_MAX, &why) != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
        return;
    }
    outbox_change(e->out, &c);
    if (l != NULL) {
        l->row.name = text_keep(l->row.name, c.launch.name);
        launch_note(e, l);
    }
    outbox_reply(e->out, ev->ticket, c.launch.id.v);
}

static void on_run_stop(struct engine *e, const struct event *ev)
{
    struct run *r = run_by_id(e, ev->run_stop);

    if (command_is_refused(e, ev))
        return;
    if (r == NULL) {
        outbox_refuse(e->out, ev->ticket, ERR_NOTFOUND, "run", "there is no run %llu that is not over",
                      (unsigned long long)ev->run_stop.v);
        return;
    }
    run_stop(e, r);
    outbox_reply(e->out, ev->ticket, r->id.v);
}

static void on_shutdown(struct engine *e, const struct event *ev)
{
    struct server *s;

    e->closing = true;
    e->say_bye = true;
    TRACE(e, "wrata is shutting down: %u run%s go on", e->stats.runs_active,
          e->stats.runs_active == 1 ? "" : "s");
    for (s = e->servers; s != NULL; s = s->hh.next) {
        timer_stop(&e->timers, &s->connect);
        server_refresh(e, s);
        goals_due(e, s);
    }
    outbox_reply(e->out, ev->ticket, 0);
}

/* ---- the step and the turn ---- */

static void timers_run(struct engine *e)
{
    struct timer *t;
    uint32_t n;

    for (n = 0; n < TIMERS_STEP_MAX; n++) {
        t = timers_pop(&e->timers, e->now.mono);
        if (t == NULL)
            return;
        switch (t->kind) {
        case TIMER_LEASE:
            lease_on_timer(e, t->owner);
            break;
        case TIMER_SILENCE:
            link_on_silence_timer(e, t->owner);
            break;
        case TIMER_CONNECT:
            link_on_connect_timer(e, t->owner);
            break;
        case TIMER_REST:
            rest_on_timer(e, t->owner);
            break;
        case TIMER_UNDO:
            undo_on_timer(e, t->owner);
            break;
        case TIMER_LIFE:
            life_on_timer(e, t->owner);
            break;
        case TIMER_LIST:
            fleet_on_timer(e, t->owner);
            break;
        case TIMER_CHARGE:
            cost_on_timer(e, t->owner);
            break;
        case TIMER_BORROW:
            borrow_on_timer(e, t->owner);
            break;
        }
    }
}

static void on_tick(struct engine *e, const struct event *ev)
{
    (void)e;
    (void)ev;
}

static void on_boot(struct engine *e, const struct event *ev)
{
    (void)ev;
    on_booted(e);
}

static void on_look(struct engine *e, const struct event *ev)
{
    if (!command_is_refused(e, ev))
        on_queue_look(e, ev);
}

static void on_change(struct engine *e, const struct event *ev)
{
    if (!command_is_refused(e, ev))
        on_queue_change(e, ev);
}

static void (*const on_event[EV_KIND_COUNT])(struct engine *e, const struct event *ev) = {
    [EV_TICK] = on_tick,
    [EV_BOOTED] = on_boot,
    [EV_SERVER_ADD] = on_server_add,
    [EV_SERVER_EDIT] = on_server_edit,
    [EV_SERVER_REMOVE] = on_server_remove,
    [EV_SERVERS_CHANGE] = on_servers_change,
    [EV_SERVERS_TAKE] = on_servers_take,
    [EV_FLEET_PUT] = on_fleet_put,
    [EV_FLEET_REMOVE] = on_fleet_remove,
    [EV_LAUNCH_CREATE] = on_launch_create,
    [EV_LAUNCH_STOP] = on_launch_stop,
    [EV_LAUNCH_NAME] = on_launch_name,
    [EV_QUEUE_LOOK] = on_look,
    [EV_QUEUE_CHANGE] = on_change,
    [EV_RUN_STOP] = on_run_stop,
    [EV_SHUTDOWN] = on_shutdown,
    [EV_LINK_UP] = on_link_up,
    [EV_LINK_DOWN] = on_link_down,
    [EV_BEAT] = on_beat,
    [EV_HEALTH] = on_health,
    [EV_ROOM] = on_room,
    [EV_RUN_PREPARING] = on_run_preparing,
    [EV_RUN_STARTED] = on_run_started,
    [EV_RUN_FINISHED] = on_run_finished,
    [EV_MACHINE_CREATED] = on_machine_created,
    [EV_MACHINE_CREATE_FAILED] = on_machine_create_failed,
    [EV_MACHINE_DESTROYED] = on_machine_destroyed,
    [EV_MACHINE_DESTROY_FAILED] = on_machine_destroy_failed,
    [EV_MACHINE_RENEWED] = on_machine_renewed,
    [EV_MACHINE_RENEW_FAILED] = on_machine_renew_failed,
    [EV_FLEET_LISTED] = on_fleet_listed,
    [EV_FLEET_LIST_FAILED] = on_fleet_list_failed,
    [EV_FLEET_CATALOG] = on_fleet_catalog,
};

void engine_step(struct engine *e, struct now now, const struct event *ev, struct outbox *out)
{
    if (e->turn_open) {
        CHECK(e->out == out);        /* engine_turn_end() was forgotten */
        CHECK(e->turn == out->turn); /* the same */
    }
    CHECK(!mono_before(now.mono, e->now.mono));
    e->turn_open = true;
    e->out = out;
    e->turn = out->turn;
    e->now = now;
    if (e->booted)
        timers_run(e); /* a lease that ended is over before anything said after its end is heard */
    CHECK(ev->kind < EV_KIND_COUNT);
    CHECK(on_event[ev->kind] != NULL);
    on_event[ev->kind](e, ev);
}

/* Tests of launches that are being stopped and that wait or were removed, so many a turn. None of them comes to wait
 * again meanwhile (retry.c), so one walk finds them all. */
void stopping_flush(struct engine *e)
{
    uint32_t budget = STOP_TURN_MAX;
    struct launch *l;
    struct test *t;

    while ((l = e->stopping) != NULL) {
        if (l->stop_at == l->row.n_tests) {
            SET_REMOVE(e->stopping, l, stopping);
            continue;
        }
        if (budget-- == 0) {
            e->more = true;
            return;
        }
        t = &l->tests[l->stop_at++];
        if (t->state == TEST_WAITING || t->state == TEST_REMOVED)
            CHECK(test_state_set(e, t, TEST_BY_STOP, OUTCOME_STOPPED));
    }
}

void engine_turn_end(struct engine *e, struct now now, struct outbox *out)
{
    if (e->turn_open) {
        CHECK(e->out == out);
        CHECK(e->turn == out->turn);
    }
    e->out = out;
    e->now = now;
    e->more = false;
    if (e->booted) {
        stopping_flush(e);
        borrow_flush(e);
        place_turn(e);
        goals_flush(e);
        queue_notes_flush(e);
        launch_notes_flush(e);
        byes_flush(e);
    }
    e->turn_open = false;
    e->out = NULL;
}

struct mono engine_deadline(const struct engine *e)
{
    if (!e->booted)
        return MONO_NEVER;
    return e->more ? e->now.mono : timers_deadline(&e->timers);
}

struct engine_stats engine_stats(const struct engine *e)
{
    return e->stats;
}

void engine_census(const struct engine *e, struct engine_census *ret)
{
    *ret = (struct engine_census){0};
    for (const struct server *s = e->servers; s != NULL; s = s->hh.next) {
        ret->servers[s->row.status]++;
        ret->links[s->row.link]++;
        ret->sick += s->row.sick_cause != SICK_NOT;
        ret->in_maintenance += s->row.maintenance;
        ret->booked += s->row.booked_by.v != 0;
    }
    for (const struct launch *l = e->launches; l != NULL; l = l->hh.next) {
        if (l->n_waiting > 0 && (ret->oldest_wait.ms == 0 || l->row.created_at.ms < ret->oldest_wait.ms))
            ret->oldest_wait = l->row.created_at;
    }
}
