/* place.c - which waiting test goes to which server.
 *
 * Two looks, each taken only when there is a reason, so that neither 100,000 waiting tests nor 2,000 idle servers
 * are ever walked for one decision:
 *   a server that gained a free slot is HUNGRY: it gets the first test of a user that may go there; when no test
 *   of anybody may, it is IDLE until one comes;
 *   a launch that gained waiting tests is fresh: its tests go to IDLE servers it may use.
 * A server with a free slot of which a project may not have more is PART instead of IDLE (share.c), so that a fresh launch of
 * this project passes over such servers only when it knows that one of them has room.
 * Then, when no free slot is left for them, tests are given *ahead*: a server gets up to ahead_ms of work per slot
 * beyond its slots, by the launch's mean duration, so that short scripts leave no gap of a round trip. What lies
 * ahead at one server while another has a free slot is asked back.
 *
 * Users take turns: the one with the fewest runs is next, of equals the one whose turn was longest ago. So a queue of
 * 100,000 tests holds up nobody else's, and a user is never passed over twice by the same one.
 *
 * Deterministic: lists in the order of arrival, heaps by (runs, turn) and (rank, id).
 *
 * Not here: whether a lost test is tried again (retry.c). */
#include "engine/engine_private.h"

/* ---- what a server may get ---- */

bool server_is_usable(const struct server *s)
{
    return !s->removed && s->row.status == SERVER_CREATED && !s->row.maintenance && s->row.sick[0] == '\0';
}

bool server_serves(const struct server *s, const struct user *u)
{
    return s->booker != NULL ? s->booker == u : s->fleet != NULL && !s->fleet->row.booked_only;
}

static struct pool *pool_of(struct engine *e, const struct server *s)
{
    if (s->removed || (s->booker == NULL && s->fleet->row.booked_only))
        return NULL;
    if (s->row.booked_for.v != 0)
        return &e->lent;
    return s->booker != NULL ? &s->booker->booked : &e->free;
}

/* Tests may be given to it, when it has room. */
static bool server_takes_tests(const struct engine *e, const struct server *s)
{
    return s->row.link == LINK_ONLINE && server_is_usable(s) && s->pool != NULL && !s->resting &&
           !e->closing && e->no_room == NULL;
}

bool server_is_open(const struct engine *e, const struct server *s)
{
    return server_takes_tests(e, s) && s->n_runs < s->row.slots;
}

static bool server_may_come(const struct engine *e, const struct server *s)
{
    if (!server_is_usable(s) || e->closing)
        return false;
    return s->row.link == LINK_ONLINE || s->tries < MAY_COME_TRIES;
}

/* It has a free slot, and nothing that waits may go there. */
static bool server_is_idle(const struct server *s)
{
    return s->place == PLACE_IDLE || s->place == PLACE_PART;
}

static struct server **place_list(struct engine *e, const struct server *s)
{
    switch (s->place) {
    case PLACE_HUNGRY:
        return &e->hungry;
    case PLACE_IDLE:
        return &s->pool->idle;
    case PLACE_PART:
        return &s->pool->part;
    case PLACE_OUT:
        break;
    }
    return NULL;
}

static void part_count(struct engine *e, const struct server *s, bool in)
{
    uint32_t one = in ? 1 : UINT32_MAX; /* unsigned -1 */
    struct share *sh;

    e->n_part += one;
    DL_FOREACH2(s->shares, sh, of_server_next)
    sh->project->n_full_part += sh->is_full ? one : 0;
}

static void place_class_set(struct engine *e, struct server *s, enum place_class place)
{
    struct server **list;

    if (s->place == place)
        return;
    list = place_list(e, s);
    if (list != NULL)
        DL_DELETE2(*list, s, place_prev, place_next);
    if (s->place == PLACE_PART)
        part_count(e, s, false);
    e->n_idle -= server_is_idle(s);
    s->place = place;
    e->n_idle += server_is_idle(s);
    list = place_list(e, s);
    if (list != NULL)
        DL_APPEND2(*list, s, place_prev, place_next);
    if (place == PLACE_PART)
        part_count(e, s, true);
}

static enum place_class idle_class(const struct server *s)
{
    return s->n_full > 0 ? PLACE_PART : PLACE_IDLE;
}

void server_look_again(struct engine *e, struct server *s)
{
    if (server_is_idle(s))
        place_class_set(e, s, PLACE_HUNGRY);
}

void launches_look_again(struct engine *e)
{
    struct user *u;
    struct launch *l;

    for (u = e->users; u != NULL; u = u->hh.next) {
        DL_FOREACH2(u->choosy, l, choosy_next)
        SET_ADD(e->fresh, l, fresh);
    }
}

/* Its share of its pool comes or goes. */
static void pool_count(struct server *s, bool in)
{
    if (s->pool == NULL)
        return;
    s->pool->n_may_come += !s->may_come ? 0 : in ? 1 : UINT32_MAX;
    if (!s->is_counted)
        return;
    s->pool->slots += in ? s->row.slots : -s->row.slots;
    s->pool->online_of[s->row.slots] += in ? 1 : UINT32_MAX;
}

static void pool_set(struct engine *e, struct server *s, struct pool *pool)
{
    if (pool == s->pool)
        return;
    place_class_set(e, s, PLACE_OUT);
    pool_count(s, false);
    s->pool = pool;
    pool_count(s, true);
    launches_look_again(e);
}

void server_refresh(struct engine *e, struct server *s)
{
    bool online = s->row.link == LINK_ONLINE && !s->removed;
    bool may_come = server_may_come(e, s);
    bool open;

    pool_set(e, s, pool_of(e, s));
    open = server_is_open(e, s);
    if (!open)
        place_class_set(e, s, PLACE_OUT);
    else if (s->place == PLACE_OUT)
        place_class_set(e, s, PLACE_HUNGRY);
    else if (server_is_idle(s))
        place_class_set(e, s, idle_class(s));
    if (s->n_runs > s->row.slots)
        SET_ADD(e->stocked, s, stocked);
    else
        SET_REMOVE(e->stocked, s, stocked);
    if (online != s->is_counted) {
        pool_count(s, false);
        s->is_counted = online;
        pool_count(s, true);
        e->stats.servers_online += online ? 1 : UINT32_MAX;
        e->stats.slots += online ? s->row.slots : -s->row.slots;
    }
    if (may_come != s->may_come) {
        pool_count(s, false);
        s->may_come = may_come;
        pool_count(s, true);
        if (!may_come)
            launches_look_again(e);
    }
}

bool launch_allows(const struct launch *l, struct server_id s)
{
    uint32_t lo = 0;
    uint32_t hi = l->row.n_servers;
    uint32_t mid;

    if (l->row.n_servers == 0)
        return true;
    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (l->sorted_servers[mid] == s.v)
            return true;
        if (l->sorted_servers[mid] < s.v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

bool test_was_lost_on(const struct test *t, struct server_id s)
{
    uint32_t i;

    for (i = 0; i < t->n_lost_on; i++) {
        if (t->lost_on[i] == s.v)
            return true;
    }
    return false;
}

/* Is there, or may there soon be, a server that did not lose this test? */
static bool test_has_other_server(const struct engine *e, const struct test *t)
{
    const struct launch *l = t->launch;
    const struct server *s;
    uint32_t others;
    uint32_t i;

    if (l->row.n_servers > 0) {
        for (i = 0; i < l->row.n_servers; i++) {
            s = server_by_id(e, (struct server_id){l->row.servers[i]});
            if (s != NULL && s->may_come && server_is_for(s, l) && !test_was_lost_on(t, s->id))
                return true;
        }
        return false;
    }
    others = e->free.n_may_come + l->user->booked.n_may_come;
    for (i = 0; i < t->n_lost_on; i++) {
        s = server_by_id(e, (struct server_id){t->lost_on[i]});
        others -= s != NULL && s->may_come && s->pool != &e->lent && server_serves(s, l->user);
    }
    return others > 0;
}

bool test_avoids(const struct engine *e, const struct test *t, const struct server *s)
{
    return test_was_lost_on(t, s->id) && test_has_other_server(e, t);
}

bool launch_may_go(const struct launch *l, const struct server *s)
{
    return launch_allows(l, s->id) && server_is_for(s, l) && server_has_room(s, l->project);
}

bool test_may_go(const struct engine *e, const struct test *t, const struct server *s)
{
    return launch_may_go(t->launch, s) && !test_avoids(e, t, s);
}

/* ---- giving ---- */

void goals_due(struct engine *e, struct server *s)
{
    SET_ADD(e->dirty, s, dirty);
}

static void assign(struct engine *e, struct test *t, struct server *s)
{
    struct launch *l = t->launch;
    struct run *r = run_new(e, t, s, (struct run_id){e->next_run});

    CHECK(e->no_room == NULL); /* E33 */
    l->user->turn = ++e->turns_given;
    t->attempts++;
    t->run = r->id;
    r->attempt = t->attempts;
    run_begin(e, r);
    t->active = r;
    CHECK(test_state_set(e, t, TEST_BY_PLACED, OUTCOME_NONE));
    lease_grant(e, r);
    if (l->row.started_at.ms == 0) {
        l->row.started_at = e->now.wall;
        notice_launch_started(e, l);
        launch_changed(e, l);
    }
    idle_look(e, s);
    server_refresh(e, s);
    goals_due(e, s);
}

static struct test *first_of(const struct launch *l)
{
    struct heap_item *top = heap_top(&l->waiting);

    return top != NULL ? CONTAINER_OF(top, struct test, waiting) : NULL;
}

static struct test *lane_first(const struct lane *lane)
{
    return first_of(CONTAINER_OF(heap_top(&lane->launches), struct launch, ready));
}

/* The first of a user's tests that any server may have, as far as there is room for its project; NULL: none. */
static struct test *any_test_for(const struct user *u, const struct server *s)
{
    const struct lane *lane;
    struct test *best = NULL;
    struct test *t;
    uint32_t i;

    if (u->ready.n == 0)
        return NULL;
    lane = CONTAINER_OF(heap_top(&u->ready), struct lane, ready);
    if (server_has_room(s, lane->project))
        return lane_first(lane);
    for (i = 1; i < u->ready.n; i++) { /* the user's other projects: there are not many */
        lane = CONTAINER_OF(u->ready.items[i], struct lane, ready);
        t = lane_first(lane);
        if ((best == NULL || test_before(t, best)) && server_has_room(s, lane->project))
            best = t;
    }
    return best;
}

/* The first test of a user's queue that may go to s now; NULL: none. */
static struct test *user_test_for(const struct engine *e, const struct user *u, const struct server *s)
{
    struct test *best = s->row.booked_for.v != 0 ? NULL : any_test_for(u, s);
    const struct launch *l;
    struct test *t;
    uint32_t looked;

    if (user_is_paused(u))
        return NULL;
    DL_FOREACH2(u->limited, l, limited_ready_next)
    {
        t = first_of(l);
        if ((best == NULL || test_before(t, best)) && launch_may_go(l, s))
            best = t;
    }
    DL_FOREACH2(u->choosy, l, choosy_next)
    {
        looked = 0;
        DL_FOREACH2(l->retry, t, retry_next)
        {
            if (looked++ == RETRY_LOOK_MAX)
                break;
            if ((best == NULL || test_before(t, best)) && test_may_go(e, t, s))
                best = t;
        }
    }
    return best;
}

/* The next test for a server: of who booked it, else by fair share of the users. */
static struct test *test_for_server(const struct engine *e, const struct server *s)
{
    struct heap_item *top = heap_top(&e->ready);
    const struct user *best;
    const struct user *u;
    struct test *found;
    struct test *t;
    uint32_t i;

    if (s->booker != NULL)
        return user_test_for(e, s->booker, s);
    if (top == NULL)
        return NULL;
    best = CONTAINER_OF(top, struct user, fair);
    found = user_test_for(e, best, s);
    if (found != NULL)
        return found;
    best = NULL; /* it has only tests that may not go there: look through all, there are not many users */
    for (i = 0; i < e->ready.n; i++) {
        u = CONTAINER_OF(e->ready.items[i], struct user, fair);
        if (user_is_fairer(u, best) && (t = user_test_for(e, u, s)) != NULL) {
            best = u;
            found = t;
        }
    }
    return found;
}

static struct server *idle_server_of(const struct engine *e, const struct pool *p, const struct test *t)
{
    struct server *s;

    DL_FOREACH2(p->idle, s, place_next)
    {
        if (test_may_go(e, t, s))
            return s;
    }
    if (t->launch->project->n_full_part == e->n_part)
        return NULL;
    DL_FOREACH2(p->part, s, place_next)
    {
        if (test_may_go(e, t, s))
            return s;
    }
    return NULL;
}

/* An idle server for this test, a booked one first; NULL: none. */
static struct server *idle_server_for(const struct engine *e, struct launch *l, const struct test *t)
{
    struct server *s;
    uint32_t i;

    if (l->row.n_servers == 0) {
        s = idle_server_of(e, &l->user->booked, t);
        return s != NULL ? s : idle_server_of(e, &e->free, t);
    }
    for (i = 0; i < l->row.n_servers; i++) {
        s = server_by_id(e, (struct server_id){l->row.servers[(l->cursor + i) % l->row.n_servers]});
        if (s != NULL && server_is_idle(s) && test_may_go(e, t, s)) {
            l->cursor = (l->cursor + i + 1) % l->row.n_servers;
            return s;
        }
    }
    return NULL;
}

/* The same for a launch: its lost tests first, since they waited longest, then its first. */
static bool place_one_fresh(struct engine *e, struct launch *l)
{
    struct server *s;
    struct test *t;
    uint32_t looked = 0;

    if (e->n_idle == 0 || user_is_paused(l->user))
        return false;
    DL_FOREACH2(l->retry, t, retry_next)
    {
        if (looked++ == RETRY_LOOK_MAX)
            break;
        s = idle_server_for(e, l, t);
        if (s != NULL) {
            assign(e, t, s);
            return true;
        }
    }
    t = first_of(l);
    s = t != NULL ? idle_server_for(e, l, t) : NULL;
    if (s == NULL)
        return false;
    assign(e, t, s);
    return true;
}

static uint32_t place_hungry(struct engine *e, uint32_t budget)
{
    struct server *s;
    struct test *t;

    while (budget > 0 && (s = e->hungry) != NULL) {
        t = test_for_server(e, s);
        if (t == NULL) {
            place_class_set(e, s, idle_class(s));
            continue;
        }
        assign(e, t, s);
        budget--;
        if (s->place == PLACE_HUNGRY) { /* more slots: behind the others, so that work spreads */
            DL_DELETE2(e->hungry, s, place_prev, place_next);
            DL_APPEND2(e->hungry, s, place_prev, place_next);
        }
    }
    return budget;
}

/* Of two launches with new tests: the fairer user's, then the one whose tests stand first. */
static bool launch_goes_before(const struct launch *a, const struct launch *b)
{
    const struct test *x;
    const struct test *y;

    if (b == NULL || a->user != b->user)
        return b == NULL || user_is_fairer(a->user, b->user);
    x = a->retry != NULL ? a->retry : first_of(a);
    y = b->retry != NULL ? b->retry : first_of(b);
    return x != NULL && (y == NULL || test_before(x, y));
}

static uint32_t place_fresh(struct engine *e, uint32_t budget)
{
    struct launch *best;
    struct launch *l;

    while (budget > 0 && e->fresh != NULL) {
        best = NULL;
        DL_FOREACH2(e->fresh, l, fresh_next)
        {
            if (launch_goes_before(l, best))
                best = l;
        }
        if (place_one_fresh(e, best))
            budget--;
        else
            SET_REMOVE(e->fresh, best, fresh);
    }
    return budget;
}

/* ---- ahead ---- */

/* How many runs of this launch a server may hold beyond its slots. */
static uint32_t ahead_max(const struct engine *e, const struct launch *l, const struct server *s)
{
    int64_t mean_us;
    int64_t per_slot;

    if (l->n_measured == 0)
        return 0;
    mean_us = l->measured_us / (int64_t)l->n_measured;
    per_slot = mean_us <= 0 ? AHEAD_SLOT_MAX : (int64_t)e->opts.ahead_ms * 1000 / mean_us;
    if (per_slot > AHEAD_SLOT_MAX)
        per_slot = AHEAD_SLOT_MAX;
    return (uint32_t)per_slot * s->row.slots;
}

static uint32_t place_ahead(struct engine *e, uint32_t budget)
{
    struct server *s;
    struct test *t;

    while (budget > 0 && (s = e->refill) != NULL) {
        t = NULL;
        if (server_takes_tests(e, s) && s->n_runs >= s->row.slots && s->n_runs < GOAL_ENTRIES_MAX &&
            s->n_back == 0)
            t = test_for_server(e, s);
        if (t != NULL && t->in_retry) /* never far from a free slot: it has waited long enough */
            t = first_of(t->launch);
        if (t == NULL || s->n_runs - s->row.slots >= ahead_max(e, t->launch, s)) {
            SET_REMOVE(e->refill, s, refill);
            continue;
        }
        assign(e, t, s);
        budget--;
    }
    return budget;
}

/* ---- asking back ---- */

static void run_ask_back(struct engine *e, struct run *r)
{
    if (r->back || !run_is_early(r))
        return;
    r->back = true;
    r->back_seq = 0;
    r->server->n_back++;
    e->n_back++;
    TRACE(e, "run %llu: asked back from %s", (unsigned long long)r->id.v, r->server->row.name);
    goals_due(e, r->server);
}

void run_unask_back(struct engine *e, struct run *r)
{
    if (!r->back)
        return;
    r->back = false;
    r->server->n_back--;
    e->n_back--;
}

void server_ask_back(struct engine *e, struct server *s)
{
    struct run *r;

    DL_FOREACH(s->runs, r)
        run_ask_back(e, r);
}

void user_ask_back(struct engine *e, const struct user *u)
{
    struct run *r;

    for (r = e->runs; r != NULL; r = r->hh.next) {
        if (r->launch->user == u)
            run_ask_back(e, r);
    }
}

/* Free slots of idle servers, as far as they matter in one turn. */
static uint32_t idle_slots_of(const struct pool *p)
{
    const struct server *s;
    uint32_t slots = 0;

    DL_FOREACH2(p->idle, s, place_next)
    {
        slots += s->row.slots - s->n_runs;
        if (slots >= TAKE_BACK_TURN_MAX)
            return slots;
    }
    DL_FOREACH2(p->part, s, place_next)
    {
        slots += s->row.slots - s->n_runs;
        if (slots >= TAKE_BACK_TURN_MAX)
            return slots;
    }
    return slots;
}

static uint32_t idle_slots(const struct engine *e)
{
    uint32_t slots = idle_slots_of(&e->free);
    const struct user *u;

    for (u = e->users; u != NULL && slots < TAKE_BACK_TURN_MAX; u = u->hh.next)
        slots += idle_slots_of(&u->booked);
    return slots;
}

/* The newest runs first: they would start last. Only as many as lie beyond the server's slots. */
static uint32_t take_back_from(struct engine *e, struct server *s, uint32_t wanted)
{
    uint32_t beyond = s->n_runs - s->row.slots;
    uint32_t taken = 0;
    struct run *r;

    if (beyond <= s->n_back)
        return 0;
    beyond -= s->n_back;
    for (r = s->runs->prev; taken < wanted && taken < beyond; r = r->prev) {
        if (r->state == RUN_ASSIGNED && !r->back && idle_server_for(e, r->launch, r->test) != NULL) {
            run_ask_back(e, r);
            taken++;
        }
        if (r == s->runs)
            break;
    }
    return taken;
}

static void take_back(struct engine *e)
{
    struct server *s;
    uint32_t wanted;
    uint32_t looked = 0;

    if (e->n_idle == 0 || e->stocked == NULL)
        return;
    wanted = idle_slots(e);
    wanted = wanted > e->n_back ? wanted - e->n_back : 0;
    if (wanted > TAKE_BACK_TURN_MAX)
        wanted = TAKE_BACK_TURN_MAX;
    DL_FOREACH2(e->stocked, s, stocked_next)
    {
        if (wanted == 0 || looked++ == TAKE_BACK_TURN_MAX)
            break;
        if (s->row.link == LINK_ONLINE && !s->removed)
            wanted -= take_back_from(e, s, wanted);
    }
}

void place_turn(struct engine *e)
{
    uint32_t budget = PLACE_TURN_MAX;

    if (e->closing)
        return;
    budget = place_hungry(e, budget);
    budget = place_fresh(e, budget);
    budget = place_ahead(e, budget);
    if (budget == 0)
        e->more = true;
    else
        take_back(e);
}
