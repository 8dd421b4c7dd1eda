/* objects.c - the engine's objects begin and end here, and their rows are made here. No decisions. */
#include "engine/engine_private.h"

const char *text_keep(const char *old, const char *s)
{
    char *kept = xstrdup(s == NULL ? "" : s);

    free((void *)(uintptr_t)old);
    return kept;
}

void text_drop(const char *s)
{
    free((void *)(uintptr_t)s);
}

/* ---- servers ---- */

struct server *server_new(struct engine *e, const struct server_row *row)
{
    struct server *s = xcalloc(1, sizeof(*s));

    CHECK(row->slots <= SERVER_SLOTS_MAX);
    s->id = row->id;
    s->row = *row;
    s->row.name = text_keep(NULL, row->name);
    s->row.address = text_keep(NULL, row->address);
    s->row.user = text_keep(NULL, row->user);
    s->row.identity = text_keep(NULL, row->identity);
    s->row.link_reason = text_keep(NULL, row->link_reason);
    s->row.agent_version = text_keep(NULL, row->agent_version);
    s->row.facts = text_keep(NULL, row->facts);
    s->row.status_reason = text_keep(NULL, row->status_reason);
    s->row.progress = text_keep(NULL, row->progress);
    s->row.machine = text_keep(NULL, row->machine);
    s->row.size = text_keep(NULL, row->size);
    s->row.region = text_keep(NULL, row->region);
    s->row.sick = text_keep(NULL, row->sick);
    s->rest_reason = text_keep(NULL, "");
    s->retry_at = MONO_NEVER;
    cost_load(s);
    if (row->fleet_id.v == 0)
        s->row.fleet_id.v = row->fleet == FLEET_SSH ? FLEET_ID_SSH : FLEET_ID_LOCAL;
    s->fleet = fleet_by_id(e, s->row.fleet_id);
    CHECK(s->fleet != NULL);
    s->row.fleet = s->fleet->row.kind;
    if (!fleet_kind_makes_machines(s->row.fleet))
        s->row.status = SERVER_CREATED; /* for ever */
    DL_APPEND2(s->fleet->servers, s, fleet_prev, fleet_next);
    s->fleet->n_servers++;
    s->fleet->n_machines += s->row.status != SERVER_DESTROYED;
    HASH_ADD(hh, e->servers, id.v, sizeof(s->id.v), s);
    e->stats.servers++;
    if (e->next_server <= s->id.v)
        e->next_server = s->id.v + 1;
    if (e->next_intent <= row->intent)
        e->next_intent = row->intent + 1;
    if (row->booked_by.v != 0)
        server_book(e, s, row->booked_by);
    return s;
}

void server_leave_fleet(struct engine *e, struct server *s)
{
    struct fleet *f = s->fleet;

    server_book(e, s, (struct user_id){0});
    timer_stop(&e->timers, &s->life);
    DL_DELETE2(f->servers, s, fleet_prev, fleet_next);
    f->n_servers--;
    f->n_machines -= s->row.status != SERVER_DESTROYED;
    s->fleet = NULL;
}

/* Whoever calls this has the row stored. */
void server_book(struct engine *e, struct server *s, struct user_id user)
{
    if (s->booker != NULL)
        s->booker->n_booked--;
    s->row.booked_by = user;
    if (user.v == 0) {
        s->row.booked_for.v = 0;
        s->row.off_after = false;
    }
    s->booker = user.v != 0 ? user_get(e, user) : NULL;
    if (s->booker != NULL)
        s->booker->n_booked++;
}

static void server_texts_free(struct server *s)
{
    text_drop(s->row.name);
    text_drop(s->row.address);
    text_drop(s->row.user);
    text_drop(s->row.identity);
    text_drop(s->row.link_reason);
    text_drop(s->row.agent_version);
    text_drop(s->row.facts);
    text_drop(s->row.status_reason);
    text_drop(s->row.progress);
    text_drop(s->row.machine);
    text_drop(s->row.size);
    text_drop(s->row.region);
    text_drop(s->row.sick);
    free(s->faults);
    text_drop(s->rest_reason);
}

void server_delete(struct engine *e, struct server *s)
{
    CHECK(s->runs == NULL);
    CHECK(s->removed);
    server_refresh(e, s); /* leaves every list of placement */
    CHECK(s->place == PLACE_OUT);
    CHECK(s->fleet == NULL);
    timer_stop(&e->timers, &s->silence);
    timer_stop(&e->timers, &s->connect);
    timer_stop(&e->timers, &s->rest);
    CHECK(s->slot_paid == NULL); /* server_forget() has read its meter */
    SET_REMOVE(e->dirty, s, dirty);
    SET_REMOVE(e->refill, s, refill);
    SET_REMOVE(e->stocked, s, stocked);
    HASH_DEL(e->servers, s);
    CHECK(e->n_removed > 0);
    e->n_removed--;
    server_texts_free(s);
    free(s->holders);
    free(s);
}

void server_changed(struct engine *e, struct server *s)
{
    struct change c = {.kind = CHANGE_SERVER_PUT, .server = s->row};
    struct note n = {.kind = NOTE_SERVER, .server = s->row};

    if (s->removed || e->out == NULL)
        return;
    outbox_change(e->out, &c);
    outbox_note(e->out, &n);
}

/* ---- fleets ---- */

static void fleet_texts_free(struct fleet *f)
{
    uint32_t i;

    text_drop(f->row.name);
    text_drop(f->row.options);
    text_drop(f->row.error);
    for (i = 0; i < f->row.n_kept; i++)
        text_drop(f->row.kept[i]);
    free((void *)(uintptr_t)f->row.kept);
    free(f->kept_gone);
    f->row.kept = NULL;
    f->row.n_kept = 0;
    f->kept_gone = NULL;
}

static void fleet_row_take(struct fleet *f, const struct fleet_row *row)
{
    const char **kept = xmalloc((row->n_kept + 1) * sizeof(*kept));
    uint32_t i;

    f->kept_gone = xmalloc((row->n_kept + 1) * sizeof(*f->kept_gone));
    for (i = 0; i < row->n_kept; i++) {
        kept[i] = text_keep(NULL, row->kept[i]);
        f->kept_gone[i] = MONO_NEVER;
    }
    f->row = *row;
    f->row.name = text_keep(NULL, row->name);
    f->row.options = text_keep(NULL, row->options);
    f->row.error = text_keep(NULL, row->error);
    f->row.kept = kept;
}

struct fleet *fleet_new(struct engine *e, const struct fleet_row *row)
{
    struct fleet *f = xcalloc(1, sizeof(*f));

    f->id = row->id;
    fleet_row_take(f, row);
    HASH_ADD(hh, e->fleets, id.v, sizeof(f->id.v), f);
    if (e->next_fleet <= f->id.v)
        e->next_fleet = f->id.v + 1;
    return f;
}

/* `row` may hold texts of the one before. */
void fleet_row_set(struct engine *e, struct fleet *f, const struct fleet_row *row)
{
    struct fleet old = *f;
    struct server *s;

    fleet_row_take(f, row);
    fleet_texts_free(&old);
    DL_FOREACH2(f->servers, s, fleet_next)
    server_refresh(e, s); /* who may use them */
}

struct stray *stray_new(struct fleet *f, const char *id)
{
    struct stray *x = xcalloc(1, sizeof(*x));

    x->id = xstrdup(id);
    DL_APPEND(f->strays, x);
    f->n_strays++;
    return x;
}

void stray_delete(struct fleet *f, struct stray *x)
{
    DL_DELETE(f->strays, x);
    f->n_strays -= !x->is_kept;
    free(x->id);
    free(x);
}

static void fleet_free(struct fleet *f)
{
    uint32_t i;

    while (f->strays != NULL)
        stray_delete(f, f->strays);
    for (i = 0; i < f->n_prices; i++)
        free(f->prices[i].size);
    free(f->prices);
    fleet_texts_free(f);
    free(f);
}

void fleet_delete(struct engine *e, struct fleet *f)
{
    CHECK(f->servers == NULL);
    timer_stop(&e->timers, &f->list);
    HASH_DEL(e->fleets, f);
    fleet_free(f);
}

void fleet_changed(struct engine *e, struct fleet *f)
{
    struct change c = {.kind = CHANGE_FLEET_PUT, .fleet = f->row};
    struct note n = {.kind = NOTE_FLEET, .fleet = f->row};

    outbox_change(e->out, &c);
    outbox_note(e->out, &n);
}

/* ---- users ---- */

struct user *user_get(struct engine *e, struct user_id id)
{
    struct user *u = user_of_id(e, id);

    if (u != NULL)
        return u;
    u = xcalloc(1, sizeof(*u));
    u->id = id;
    u->turn = ++e->turns_given;
    u->version = (uint64_t)e->now.wall.ms;
    HASH_ADD(hh, e->users, id.v, sizeof(u->id.v), u);
    return u;
}

struct undo *undo_new(struct engine *e, const struct undo_row *row)
{
    struct undo *u = xcalloc(1, sizeof(*u));

    u->id = row->id;
    u->user = user_get(e, row->user);
    u->login = text_keep(NULL, row->login);
    u->at = row->at;
    HASH_ADD(hh, e->undos, id.v, sizeof(u->id.v), u);
    DL_APPEND(u->user->undos, u);
    u->user->n_undos++;
    if (e->next_undo <= u->id.v)
        e->next_undo = u->id.v + 1;
    return u;
}

void undo_delete(struct engine *e, struct undo *u)
{
    CHECK(u->tests == NULL);
    timer_stop(&e->timers, &u->end);
    HASH_DEL(e->undos, u);
    DL_DELETE(u->user->undos, u);
    u->user->n_undos--;
    text_drop(u->login);
    free(u);
}

/* ---- launches and tests ---- */

static const char *const *arena_texts(struct arena *a, const char *const *from, uint32_t n)
{
    const char **to;
    uint32_t i;

    if (n == 0)
        return NULL;
    to = arena_alloc(a, n * sizeof(*to));
    for (i = 0; i < n; i++)
        to[i] = arena_strdup(a, from[i]);
    return to;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

struct launch *launch_new(struct engine *e, const struct launch_row *row)
{
    struct launch *l = xcalloc(1, sizeof(*l));
    struct arena *a = &l->arena;

    arena_init(a);
    l->id = row->id;
    l->row = *row;
    l->row.project_name = arena_strdup(a, row->project_name);
    l->row.name = text_keep(NULL, row->name); /* it may be changed any number of times */
    l->row.location = arena_strdup(a, row->location == NULL ? "" : row->location);
    l->row.note = arena_strdup(a, row->note == NULL ? "" : row->note);
    l->user = user_get(e, row->user);
    l->row.ref = arena_strdup(a, row->ref);
    l->row.commit = arena_strdup(a, row->commit);
    l->row.env = arena_texts(a, row->env, row->n_env);
    l->row.secrets = arena_texts(a, row->secrets, row->n_secrets);
    l->row.setup = arena_texts(a, row->setup, row->n_setup);
    l->row.artifacts = arena_texts(a, row->artifacts, row->n_artifacts);
    l->row.servers = NULL;
    if (row->n_servers > 0) {
        l->row.servers = arena_alloc(a, row->n_servers * sizeof(*l->row.servers));
        l->sorted_servers = arena_alloc(a, row->n_servers * sizeof(*l->sorted_servers));
        memcpy((void *)(uintptr_t)l->row.servers, row->servers, row->n_servers * sizeof(*row->servers));
        memcpy(l->sorted_servers, row->servers, row->n_servers * sizeof(*row->servers));
        qsort(l->sorted_servers, row->n_servers, sizeof(*l->sorted_servers), by_number);
    }
    l->tests = arena_alloc(a, row->n_tests * sizeof(*l->tests));
    HASH_ADD(hh, e->launches, id.v, sizeof(l->id.v), l);
    project_enter(e, l);
    e->stats.launches++;
    if (e->next_launch <= l->id.v)
        e->next_launch = l->id.v + 1;
    return l;
}

/* Most tests of a launch share them with the one before. */
static const char *shared_text(struct launch *l, const char *text, const char *last)
{
    if (text == NULL || text[0] == '\0')
        return "";
    return last != NULL && strcmp(text, last) == 0 ? last : arena_strdup(&l->arena, text);
}

struct test *launch_test_init(struct engine *e, struct launch *l, const struct test_row *row)
{
    const struct test *last = row->position > 0 ? &l->tests[row->position - 1] : NULL;
    struct test *t;

    CHECK(row->position < l->row.n_tests);
    t = &l->tests[row->position];
    CHECK(t->id.v == 0);
    t->id = row->id;
    t->launch = l;
    t->position = row->position;
    t->path = arena_strdup(&l->arena, row->path);
    t->adapter = row->adapter;
    t->argv = arena_texts(&l->arena, row->argv, row->n_argv);
    t->n_argv = row->n_argv;
    t->reports = row->n_reports > 0 ? arena_texts(&l->arena, row->reports, row->n_reports) : NULL;
    t->n_reports = row->n_reports;
    t->language = shared_text(l, row->language, last != NULL ? last->language : NULL);
    t->browser = shared_text(l, row->browser, last != NULL ? last->browser : NULL);
    t->reason = shared_text(l, row->reason, last != NULL ? last->reason : NULL);
    t->limits = row->limits;
    t->predicted_ms = row->predicted_ms;
    t->rank = row->rank;
    t->state = row->state; /* where it begins, or where the store left it */
    t->outcome = row->outcome;
    t->attempts = row->attempts;
    t->losses = row->losses;
    t->run = row->run;
    l->n_loaded++;
    HASH_ADD(hh, e->tests, id.v, sizeof(t->id.v), t);
    if (e->next_test <= t->id.v)
        e->next_test = t->id.v + 1;
    return t;
}

void launch_delete(struct engine *e, struct launch *l)
{
    struct test *t;
    uint32_t i;

    SET_REMOVE(e->fresh, l, fresh);
    SET_REMOVE(e->noted, l, noted);
    SET_REMOVE(e->stopping, l, stopping);
    timer_stop(&e->timers, &l->borrow);
    CHECK(!l->is_giving);
    CHECK(!l->is_limited_ready); /* nothing of it waits */
    CHECK(!l->is_choosy);
    CHECK(!heap_has(&l->ready));
    for (i = 0; i < l->row.n_tests; i++) {
        t = &l->tests[i];
        if (t->id.v != 0)
            HASH_DEL(e->tests, t); /* NOLINT(clang-analyzer-core.NullDereference) */
    }
    HASH_DEL(e->launches, l);
    project_leave(e, l);
    e->stats.launches--;
    heap_done(&l->waiting);
    arena_done(&l->arena);
    text_drop(l->row.name);
    free(l);
}

struct test_row test_row_of(const struct test *t)
{
    return (struct test_row){.id = t->id,
                             .launch = t->launch->id,
                             .position = t->position,
                             .path = t->path,
                             .adapter = t->adapter,
                             .argv = t->argv,
                             .n_argv = t->n_argv,
                             .reports = t->reports,
                             .n_reports = t->n_reports,
                             .language = t->language,
                             .browser = t->browser,
                             .rank = t->rank,
                             .undo = t->undo != NULL ? t->undo->id : (struct undo_id){0},
                             .reason = t->reason,
                             .limits = t->limits,
                             .predicted_ms = t->predicted_ms,
                             .state = t->state,
                             .outcome = t->outcome,
                             .attempts = t->attempts,
                             .losses = t->losses,
                             .run = t->run};
}

void launch_note(struct engine *e, struct launch *l)
{
    SET_ADD(e->noted, l, noted);
}

void launch_changed(struct engine *e, struct launch *l)
{
    struct change c = {.kind = CHANGE_LAUNCH_SET, .launch = l->row};

    outbox_change(e->out, &c);
    launch_note(e, l);
}

/* Slots of online servers that a project may have. */
static uint32_t slots_of_pool(const struct pool *pool, const struct project *p)
{
    uint32_t slots = 0;
    uint32_t i;

    if (p->slots == 0)
        return pool->slots;
    for (i = 1; i < ARRAY_LEN(pool->online_of); i++)
        slots += pool->online_of[i] * (i < p->slots ? i : p->slots);
    return slots;
}

/* Slots of online servers that the launch may use. */
static uint32_t slots_for(const struct engine *e, const struct launch *l)
{
    uint32_t slots = 0;
    struct server *s;
    uint32_t i;

    if (l->row.n_servers == 0)
        return slots_of_pool(&e->free, l->project) + slots_of_pool(&l->user->booked, l->project);
    for (i = 0; i < l->row.n_servers; i++) {
        s = server_by_id(e, (struct server_id){l->row.servers[i]});
        if (s != NULL && s->is_counted && server_is_for(s, l))
            slots += project_slots_on(l->project, s);
    }
    return slots;
}

/* What is predicted and not yet done, over the slots; tests without a prediction count as the mean of what was
 * measured in this launch, or of what is known. */
static int64_t launch_eta_ms(const struct engine *e, const struct launch *l)
{
    int64_t mean = l->n_measured > 0 ? l->measured_us / 1000 / (int64_t)l->n_measured : l->mean_known_ms;
    uint32_t slots = slots_for(e, l);
    uint32_t unknown = l->waiting_unknown + l->active_unknown;
    int64_t active;
    int64_t spent;

    if (l->row.state == LAUNCH_DONE)
        return 0;
    if (slots == 0 || (unknown > 0 && l->n_measured == 0 && l->mean_known_ms == 0))
        return -1;
    if (l->n_waiting > 0 && user_is_paused(l->user))
        return -1;
    active = l->active_ms + (int64_t)l->active_unknown * mean;
    spent = ((int64_t)l->active_started * e->now.mono.us - l->active_start_us) / 1000;
    active = active > spent ? active - spent : 0;
    return (l->waiting_ms + (int64_t)l->waiting_unknown * mean + active + slots - 1) / slots;
}

struct launch_counts launch_counts_of(const struct engine *e, const struct launch *l)
{
    struct launch_counts c = {.waiting = l->n_waiting, .active = l->n_active, .removed = l->n_removed};

    memcpy(c.by_outcome, l->by_outcome, sizeof(c.by_outcome));
    c.eta_ms = launch_eta_ms(e, l);
    return c;
}

/* Each launch that changed in this turn is announced once; one that is over leaves memory after that. */
void launch_notes_flush(struct engine *e)
{
    struct launch *l;
    struct launch *next;
    struct note n;

    DL_FOREACH_SAFE2(e->noted, l, next, noted_next)
    {
        n = (struct note){.kind = NOTE_LAUNCH};
        n.launch.row = l->row;
        n.launch.counts = launch_counts_of(e, l);
        outbox_note(e->out, &n);
        SET_REMOVE(e->noted, l, noted);
        if (l->row.state == LAUNCH_DONE)
            launch_delete(e, l);
    }
}

/* ---- runs ---- */

struct run *run_new(struct engine *e, struct test *t, struct server *s, struct run_id id)
{
    struct run *r = xcalloc(1, sizeof(*r));

    r->id = id;
    r->test = t;
    r->launch = t->launch;
    r->server = s;
    r->slot = UINT32_MAX;
    HASH_ADD(hh, e->runs, id.v, sizeof(r->id.v), r);
    DL_APPEND(s->runs, r);
    s->n_runs++;
    share_add(e, r);
    e->stats.runs_active++;
    e->stats.slots_busy++;
    if (e->next_run <= id.v)
        e->next_run = id.v + 1;
    return r;
}

void run_delete(struct engine *e, struct run *r)
{
    struct server *s = r->server;

    if (r->started.us != 0) {
        r->launch->active_started--;
        r->launch->active_start_us -= r->started.us;
    }
    run_unask_back(e, r);
    timer_stop(&e->timers, &r->lease);
    HASH_DEL(e->runs, r);
    DL_DELETE(s->runs, r);
    CHECK(s->n_runs > 0);
    s->n_runs--;
    share_remove(e, r);
    e->stats.runs_active--;
    e->stats.slots_busy--;
    text_drop(r->step);
    free(r);
}

struct run_row run_row_of(const struct run *r)
{
    return (struct run_row){.id = r->id,
                            .test = r->test->id,
                            .launch = r->launch->id,
                            .server = r->server->id,
                            .server_name = r->server->row.name,
                            .path = r->test->path,
                            .attempt = r->attempt,
                            .slot = r->slot,
                            .state = r->state,
                            .reason = r->step != NULL ? r->step : "",
                            .image = "",
                            .created_at = r->created_at,
                            .started_at = r->started_at,
                            .slot_at = r->slot_at,
                            .cost_nanousd = r->cost_nanousd};
}

/* ---- the end of everything ---- */

void engine_release(struct engine *e)
{
    struct server *s;
    struct server *s_next;
    struct launch *l;
    struct launch *l_next;
    struct run *r;
    struct run *r_next;
    struct user *u;
    struct user *u_next;
    struct undo *undo;
    struct undo *undo_next;
    struct fleet *f;
    struct fleet *f_next;

    r = e->runs;
    HASH_CLEAR(hh, e->runs); /* the table; its elements stay linked */
    for (; r != NULL; r = r_next) {
        r_next = r->hh.next;
        text_drop(r->step);
        free(r);
    }
    HASH_CLEAR(hh, e->tests);
    projects_release(e);
    l = e->launches;
    HASH_CLEAR(hh, e->launches); /* the table; its elements stay linked */
    for (; l != NULL; l = l_next) {
        l_next = l->hh.next;
        heap_done(&l->waiting);
        arena_done(&l->arena);
        text_drop(l->row.name);
        free(l);
    }
    undo = e->undos;
    HASH_CLEAR(hh, e->undos); /* the same */
    for (; undo != NULL; undo = undo_next) {
        undo_next = undo->hh.next;
        text_drop(undo->login);
        free(undo);
    }
    u = e->users;
    HASH_CLEAR(hh, e->users); /* the same */
    for (; u != NULL; u = u_next) {
        u_next = u->hh.next;
        heap_done(&u->ready);
        free((void *)(uintptr_t)u->paused_by);
        free(u);
    }
    s = e->servers;
    HASH_CLEAR(hh, e->servers); /* the table; its elements stay linked */
    for (; s != NULL; s = s_next) {
        s_next = s->hh.next;
        server_texts_free(s);
        free(s->slot_paid);
        free(s->holders);
        free(s);
    }
    f = e->fleets;
    HASH_CLEAR(hh, e->fleets); /* the same */
    for (; f != NULL; f = f_next) {
        f_next = f->hh.next;
        fleet_free(f);
    }
    heap_done(&e->timers.heap);
    heap_done(&e->ready);
    free(e->entries);
}
