/* forecast.c - when the waiting tests of a user should start: what place.c would do from now on, played through with the
 * durations that are known.
 *
 * Played is what decides: which servers may be used now (online, not in maintenance, not sick, a rest to its end), whose
 * they are (booked, or shared by turns: the user with the fewest runs is next), which of them a launch may use, how many
 * runs of a project may be on one, what runs there already and how long it will take, and every waiting test of everybody
 * who takes part, in the order of the queues. Not played: machines that may come, tests that avoid a server which lost
 * them, failures, and what people will do.
 *
 * A test takes as long as is predicted; else the mean that was measured in its launch, else that of the predictions of its
 * launch, else of its user. A run that is older than that takes a quarter of its age more. When that of half the slots is not
 * known, nothing later is known either: -1, rather than a number that is made up.
 *
 * Work is bounded: after opts.forecast_starts starts, of all users together, the rest of a queue of one kind follows from the speed so far, that of any other
 * is unknown. */
#include "engine/engine_private.h"

#define WALK_MAX 12000u /* waiting tests looked at, the same */
#define USERS_MAX 32u
#define CLASSES_MAX 16u /* of one user */
#define CAPPED_MAX 8u   /* projects that may not have all of a server */
#define SLOTS_MAX 8192u /* more of them, and nothing is said */
#define RATE_STARTS_MIN 64u
#define NOBODY UINT32_MAX

/* A slot, and until when it is taken. */
struct fslot {
    int64_t free_ms;
    uint32_t server;
    uint32_t user;    /* who has it; NOBODY: it is free */
    uint32_t project; /* a capped one that its run is of; NOBODY: any other */
};

struct fserver {
    const struct server *s;
    uint32_t booker; /* NOBODY: it is shared */
    uint32_t runs_of[CAPPED_MAX];
    uint32_t *parked; /* n_parked of its slots, which nobody could use */
    uint32_t n_parked;
};

/* A waiting test that was passed over, since the server at hand was none for it. */
struct passed {
    const struct test *test;
    uint32_t place;
    struct passed *next;
};

/* Tests that may go to the same servers. */
struct fclass {
    const struct launch *limited;  /* to its servers; NULL: any */
    const struct project *project; /* of a limited launch it does not matter which */
    uint32_t capped;               /* project; NOBODY: it may have all slots */
    uint32_t n_servers;            /* that it may use, of those there are */
    struct passed *first, *last;
};

struct fuser {
    const struct user *u;
    uint32_t runs;
    uint64_t turn;
    int64_t mean_ms; /* -1 unknown */
    struct order_walk walk;
    uint32_t place; /* of the next test of the walk */
    struct fclass classes[CLASSES_MAX];
    uint32_t n_classes;
    const struct launch *last_launch; /* its class is last_class */
    uint32_t last_class;
};

struct forecast {
    const struct engine *e;
    struct arena arena;
    struct fuser users[USERS_MAX]; /* the one who asks is the first */
    uint32_t n_users;
    struct fserver *servers;
    uint32_t n_servers;
    struct fslot *slots;
    uint32_t n_slots;
    uint32_t *heap; /* of slots, the next to be free on top */
    uint32_t n_heap;
    const struct project *capped[CAPPED_MAX];
    uint32_t n_capped;
    uint64_t turns;
    int64_t now_ms; /* of the play, from 0 */
    uint32_t starts;
    uint32_t walked;
    uint32_t own_starts;
    int64_t own_ms;     /* slots times time that who asks had in them, and will have */
    uint32_t n_unknown; /* slots that nobody knows the end of */
    bool is_stuck;      /* there are too many of them: what comes after is not known */
    uint32_t skip, n;
    int64_t *start_ms; /* n of them, of the tests from place `skip` on */
};

/* ---- slots, by the time when they are free ---- */

static bool slot_before(const struct forecast *f, uint32_t a, uint32_t b)
{
    return f->slots[a].free_ms != f->slots[b].free_ms ? f->slots[a].free_ms < f->slots[b].free_ms : a < b;
}

static void heap_sink(struct forecast *f, uint32_t at)
{
    uint32_t slot = f->heap[at];
    uint32_t child;

    while ((child = at * 2 + 1) < f->n_heap) {
        if (child + 1 < f->n_heap && slot_before(f, f->heap[child + 1], f->heap[child]))
            child++;
        if (!slot_before(f, f->heap[child], slot))
            break;
        f->heap[at] = f->heap[child];
        at = child;
    }
    f->heap[at] = slot;
}

static void heap_push(struct forecast *f, uint32_t slot)
{
    uint32_t at = f->n_heap++;

    while (at > 0 && slot_before(f, slot, f->heap[(at - 1) / 2])) {
        f->heap[at] = f->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    f->heap[at] = slot;
}

static void heap_drop_top(struct forecast *f)
{
    f->heap[0] = f->heap[--f->n_heap];
    if (f->n_heap > 0)
        heap_sink(f, 0);
}

/* ---- how long ---- */

static int64_t mean_of(const struct user *u)
{
    const struct order_sums none = {0};
    const struct order_sums *sums = u->queue != NULL ? &u->queue->order.sums : &none;

    if (sums->n_known > 0)
        return sums->known_ms / sums->n_known;
    return u->n_measured > 0 ? u->measured_us / 1000 / (int64_t)u->n_measured : -1;
}

/* -1 unknown. */
static int64_t length_of(const struct test *t, int64_t user_mean_ms)
{
    const struct launch *l = t->launch;

    if (t->predicted_ms > 0)
        return t->predicted_ms;
    if (l->n_measured > 0)
        return l->measured_us / 1000 / (int64_t)l->n_measured;
    return l->mean_known_ms > 0 ? l->mean_known_ms : user_mean_ms;
}

static int64_t left_of(const struct engine *e, const struct run *r)
{
    int64_t all = length_of(r->test, mean_of(r->launch->user));
    int64_t age = 0;

    if (r->started.us != 0)
        age = mono_ms_between(r->started, e->now.mono);
    else if (r->started_at.ms != 0) /* before the last boot */
        age = e->now.wall.ms - r->started_at.ms;
    if (all < 0)
        return -1;
    return age < all ? all - age : age / 4;
}

/* ---- what there is ---- */

static uint32_t user_index(struct forecast *f, const struct user *u)
{
    uint32_t i;

    for (i = 0; i < f->n_users; i++) {
        if (f->users[i].u == u)
            return i;
    }
    return NOBODY;
}

static void user_add(struct forecast *f, const struct user *u)
{
    struct fuser *x;

    if (f->n_users == USERS_MAX || user_is_paused(u) || user_index(f, u) != NOBODY)
        return;
    x = &f->users[f->n_users++];
    *x = (struct fuser){.u = u, .runs = u->n_active, .turn = u->turn, .mean_ms = mean_of(u)};
    order_walk_begin(&x->walk, u->queue);
}

static uint32_t capped_index(struct forecast *f, const struct project *p)
{
    uint32_t i;

    if (p->slots == 0)
        return NOBODY;
    for (i = 0; i < f->n_capped; i++) {
        if (f->capped[i] == p)
            return i;
    }
    if (f->n_capped == CAPPED_MAX)
        return NOBODY;
    f->capped[f->n_capped] = p;
    return f->n_capped++;
}

/* Its runs into its slots: each into the one that is free first, what began before what did not. */
static void runs_take(struct forecast *f, uint32_t server, struct fslot *slots, uint32_t n)
{
    const struct run *r;
    struct fslot *best;
    int64_t left;
    uint32_t pass;
    uint32_t i;

    for (pass = 0; pass < 2; pass++) {
        DL_FOREACH(f->servers[server].s->runs, r) {
            if (run_is_early(r) != (pass == 1))
                continue;
            best = &slots[0];
            for (i = 1; i < n; i++) {
                if (slots[i].free_ms < best->free_ms || (slots[i].user == NOBODY && best->user != NOBODY))
                    best = &slots[i];
            }
            if (best->user != NOBODY && best->user < f->n_users)
                f->users[best->user].runs--; /* one run after another in one slot counts once */
            left = left_of(f->e, r);
            best->free_ms = left < 0 || best->free_ms == INT64_MAX ? INT64_MAX : best->free_ms + left;
            best->user = user_index(f, r->launch->user);
            if (best->user == NOBODY)
                best->user = f->n_users; /* of somebody who wants nothing more */
            best->project = capped_index(f, r->launch->project);
        }
    }
}

static void server_take(struct forecast *f, const struct server *s)
{
    struct fserver *x = &f->servers[f->n_servers];
    struct fslot *slots = &f->slots[f->n_slots];
    int64_t rest_ms = s->resting ? ((int64_t)s->rest.item.k1 - f->e->now.mono.us) / 1000 : 0;
    uint32_t i;

    *x = (struct fserver){.s = s, .booker = s->booker != NULL ? user_index(f, s->booker) : NOBODY};
    x->parked = arena_alloc(&f->arena, s->row.slots * sizeof(*x->parked));
    for (i = 0; i < s->row.slots; i++)
        slots[i] = (struct fslot){.server = f->n_servers, .user = NOBODY, .project = NOBODY};
    runs_take(f, f->n_servers, slots, s->row.slots);
    for (i = 0; i < s->row.slots; i++) {
        if (slots[i].free_ms < rest_ms)
            slots[i].free_ms = rest_ms;
        if (slots[i].project != NOBODY)
            x->runs_of[slots[i].project]++;
        if (slots[i].free_ms == INT64_MAX)
            f->n_unknown++;
        else if (slots[i].user == 0)
            f->own_ms += slots[i].free_ms;
        heap_push(f, f->n_slots + i);
    }
    f->n_slots += s->row.slots;
    f->n_servers++;
}

static bool server_counts(const struct forecast *f, const struct server *s)
{
    return s->row.link == LINK_ONLINE && server_is_usable(s) && s->pool != NULL && !f->e->closing &&
           f->e->no_room == NULL &&
           (s->booker == NULL || user_index((struct forecast *)(uintptr_t)f, s->booker) != NOBODY);
}

/* False: there are too many. */
static bool servers_take(struct forecast *f)
{
    const struct server *s;
    uint32_t servers = 0;
    uint32_t slots = 0;

    for (s = f->e->servers; s != NULL; s = s->hh.next) {
        if (!server_counts(f, s))
            continue;
        servers++;
        slots += s->row.slots;
    }
    if (slots > SLOTS_MAX)
        return false;
    f->servers = arena_alloc(&f->arena, ((size_t)servers + 1) * sizeof(*f->servers));
    f->slots = arena_alloc(&f->arena, ((size_t)slots + 1) * sizeof(*f->slots));
    f->heap = arena_alloc(&f->arena, ((size_t)slots + 1) * sizeof(*f->heap));
    for (s = f->e->servers; s != NULL; s = s->hh.next) {
        if (server_counts(f, s))
            server_take(f, s);
    }
    return true;
}

/* ---- which test ---- */

static bool class_may_go(const struct forecast *f, const struct fclass *c, const struct fserver *x)
{
    return (c->limited == NULL ? x->s->row.booked_for.v == 0
                               : launch_allows(c->limited, x->s->id) && server_is_for(x->s, c->limited)) &&
           (c->capped == NOBODY || x->runs_of[c->capped] < f->capped[c->capped]->slots);
}

/* The class of a test; NOBODY: there are too many. */
static uint32_t class_of(struct forecast *f, struct fuser *x, const struct test *t)
{
    const struct launch *l = t->launch;
    const struct launch *limited = l->row.n_servers > 0 ? l : NULL;
    const struct project *project = l->project->slots > 0 ? l->project : NULL;
    struct fclass *c;
    uint32_t i;

    if (l == x->last_launch)
        return x->last_class;
    for (i = 0; i < x->n_classes; i++) {
        if (x->classes[i].limited == limited && x->classes[i].project == project)
            break;
    }
    if (i == CLASSES_MAX || (project != NULL && capped_index(f, project) == NOBODY))
        return NOBODY;
    if (i == x->n_classes) {
        c = &x->classes[x->n_classes++];
        *c = (struct fclass){.limited = limited, .project = project, .capped = NOBODY};
        if (project != NULL)
            c->capped = capped_index(f, project);
        for (uint32_t s = 0; s < f->n_servers; s++)
            c->n_servers += server_serves(f->servers[s].s, x->u) &&
                            (limited == NULL || launch_allows(l, f->servers[s].s->id));
    }
    x->last_launch = l;
    x->last_class = i;
    return i;
}

static const struct test *passed_take(struct fclass *c, uint32_t *ret_place)
{
    const struct test *t = c->first->test;

    *ret_place = c->first->place;
    c->first = c->first->next;
    return t;
}

static void passed_add(struct forecast *f, struct fclass *c, const struct test *t, uint32_t place)
{
    struct passed *p = arena_alloc(&f->arena, sizeof(*p));

    *p = (struct passed){t, place, NULL};
    if (c->first == NULL)
        c->first = p;
    else
        c->last->next = p;
    c->last = p;
}

/* The next test of a user that may go to a server; NULL: none. Those passed over earlier come first: they stand before. */
static const struct test *test_for(struct forecast *f, struct fuser *x, const struct fserver *s,
                                   uint32_t *ret_place)
{
    struct fclass *best = NULL;
    const struct test *t;
    uint32_t i;

    for (i = 0; i < x->n_classes; i++) {
        struct fclass *c = &x->classes[i];

        if (c->first != NULL && (best == NULL || c->first->place < best->first->place) &&
            class_may_go(f, c, s))
            best = c;
    }
    if (best != NULL)
        return passed_take(best, ret_place);
    while (f->walked < WALK_MAX && (t = order_walk_next(&x->walk)) != NULL) {
        uint32_t place = x->place++;

        f->walked++;
        i = t->launch->row.state == LAUNCH_RUNNING ? class_of(f, x, t) : NOBODY;
        if (i == NOBODY)
            continue;
        if (class_may_go(f, &x->classes[i], s)) {
            *ret_place = place;
            return t;
        }
        passed_add(f, &x->classes[i], t, place);
    }
    return NULL;
}

/* By fair share, as test_for_server() in place.c. */
static const struct test *next_for(struct forecast *f, const struct fserver *s, uint32_t *ret_user,
                                   uint32_t *ret_place)
{
    uint32_t tried = 0; /* bits */
    const struct test *t;
    uint32_t best;
    uint32_t i;

    _Static_assert(USERS_MAX <= 32, "a bit for each");
    if (s->s->booker != NULL) {
        *ret_user = s->booker;
        return test_for(f, &f->users[s->booker], s, ret_place);
    }
    for (;;) {
        best = NOBODY;
        for (i = 0; i < f->n_users; i++) {
            const struct fuser *x = &f->users[i];

            if (!(tried & (UINT32_C(1) << i)) &&
                (best == NOBODY || x->runs < f->users[best].runs ||
                 (x->runs == f->users[best].runs && x->turn < f->users[best].turn)))
                best = i;
        }
        if (best == NOBODY)
            return NULL;
        t = test_for(f, &f->users[best], s, ret_place);
        *ret_user = best;
        if (t != NULL)
            return t;
        tried |= UINT32_C(1) << best;
    }
}

/* ---- the play ---- */

static void slot_leave(struct forecast *f, struct fslot *slot)
{
    struct fserver *s = &f->servers[slot->server];

    if (slot->user < f->n_users)
        f->users[slot->user].runs--;
    slot->user = NOBODY;
    if (slot->project == NOBODY)
        return;
    s->runs_of[slot->project]--;
    slot->project = NOBODY;
    while (s->n_parked > 0) { /* what a project could not have it may have now */
        uint32_t parked = s->parked[--s->n_parked];

        f->slots[parked].free_ms = f->now_ms;
        heap_push(f, parked);
    }
}

static void test_start(struct forecast *f, struct fslot *slot, const struct test *t, uint32_t user,
                       uint32_t place)
{
    struct fuser *x = &f->users[user];
    int64_t ms = length_of(t, x->mean_ms);
    uint32_t capped = t->launch->project->slots > 0 ? capped_index(f, t->launch->project) : NOBODY;

    f->starts++;
    if (user == 0) {
        f->own_starts++;
        f->own_ms += ms > 0 ? ms : 0;
        if (place >= f->skip && place - f->skip < f->n)
            f->start_ms[place - f->skip] = f->now_ms;
    }
    slot->user = user;
    slot->project = capped;
    if (capped != NOBODY)
        f->servers[slot->server].runs_of[capped]++;
    x->runs++;
    x->turn = ++f->turns;
    slot->free_ms = ms < 0 ? INT64_MAX : f->now_ms + ms;
    f->n_unknown += ms < 0;
}

/* Until everything that is asked for has its time, or there is no more to be known. */
static void play(struct forecast *f)
{
    uint32_t wanted = f->n;
    const struct test *t;
    struct fslot *slot;
    uint32_t own;
    uint32_t user;
    uint32_t place;

    while (f->n_heap > 0 && wanted > 0 && f->starts < f->e->opts.forecast_starts && f->walked < WALK_MAX) {
        uint32_t at = f->heap[0];

        slot = &f->slots[at];
        if (slot->free_ms == INT64_MAX || f->n_unknown > f->n_slots / 2) {
            f->is_stuck = true;
            return;
        }
        f->now_ms = slot->free_ms;
        if (slot->user != NOBODY) {
            slot_leave(f, slot);
            if (f->heap[0] != at) /* parked ones came before it */
                continue;
        }
        t = next_for(f, &f->servers[slot->server], &user, &place);
        if (t == NULL) {
            heap_drop_top(f);
            f->servers[slot->server].parked[f->servers[slot->server].n_parked++] = at;
            continue;
        }
        own = f->own_starts;
        test_start(f, slot, t, user, place);
        heap_sink(f, 0);
        wanted -= f->own_starts > own && place >= f->skip && place - f->skip < f->n;
    }
}

/* Slots that who asks has had on the average; 0 not known. */
static double own_slots(const struct forecast *f)
{
    int64_t ms = f->own_ms;
    uint32_t i;

    if (f->own_starts < RATE_STARTS_MIN || f->now_ms <= 0)
        return 0;
    for (i = 0; i < f->n_slots; i++) {
        if (f->slots[i].user == 0 && f->slots[i].free_ms != INT64_MAX)
            ms -= f->slots[i].free_ms > f->now_ms ? f->slots[i].free_ms - f->now_ms : 0;
    }
    return (double)ms / (double)f->now_ms;
}

/* The tests behind the last that was played, in a queue of one kind: at the speed so far. */
static void go_on_alike(struct forecast *f, const struct test *first)
{
    const struct fuser *x = &f->users[0];
    double slots = own_slots(f);
    double at = (double)f->now_ms;
    const struct test *t;
    struct order_sums here;
    struct order_sums there;
    uint32_t i = 0;

    if (f->is_stuck || x->n_classes != 1 || x->classes[0].first != NULL || slots <= 0 || x->mean_ms < 0)
        return;
    t = first;
    if (x->place > f->skip) {
        for (; t != NULL && i < f->n && i < x->place - f->skip; i++)
            t = order_after(x->u->queue, t->rank, t->id.v);
    } else {
        here = order_upto(x->u->queue, x->place);
        there = order_upto(x->u->queue, f->skip);
        at += (double)(there.known_ms - here.known_ms +
                       (int64_t)(there.n - there.n_known - here.n + here.n_known) * x->mean_ms) /
              slots;
    }
    for (; t != NULL && i < f->n; i++) {
        if (class_of(f, &f->users[0], t) != 0)
            return; /* another kind */
        f->start_ms[i] = (int64_t)at;
        at += (double)length_of(t, x->mean_ms) / slots;
        t = order_after(x->u->queue, t->rank, t->id.v);
    }
}

void queue_forecast(const struct engine *e, const struct user *u, const struct test *first, uint32_t skip,
                    uint32_t n, int64_t *start_ms)
{
    struct forecast *f = xcalloc(1, sizeof(*f));
    uint32_t i;

    for (i = 0; i < n; i++)
        start_ms[i] = -1;
    f->e = e;
    f->skip = skip;
    f->n = n;
    f->start_ms = start_ms;
    f->turns = e->turns_given;
    arena_init(&f->arena);
    user_add(f, u);
    for (i = 0; i < e->ready.n; i++)
        user_add(f, CONTAINER_OF(e->ready.items[i], struct user, fair));
    if (!user_is_paused(u) && servers_take(f)) {
        play(f);
        go_on_alike(f, first);
    }
    for (i = 0; i < f->n_users; i++)
        order_walk_end(&f->users[i].walk);
    arena_done(&f->arena);
    free(f);
}
