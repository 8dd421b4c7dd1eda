/* engine_check.c - what is always true between two turns. Numbers are for ever; docs/engine.md lists them.
 *
 *   E1   every object is found under its id, and ids are below the next one
 *   E2   a run is active: ASSIGNED, PREPARING, RUNNING or STOPPING; its test is ACTIVE and points back at it
 *   E3   a test has an active run exactly when it is ACTIVE
 *   E4   every test of a launch is counted exactly once: waiting + active + removed + outcomes = its tests
 *   E5   a WAITING test stands in exactly one of its launch's heap and list; no other test stands in one
 *   E6   a launch with waiting tests is ready for placement exactly while it is RUNNING, a user with one that is and whose
 *        queue is not paused
 *   E7   the runs of a server are those that name it; each counter equals its list
 *   E8   every active run has a lease timer, set no later than its lease's end
 *   E9   an open link belongs to a server that is ONLINE or LOST, and has a silence timer
 *   E10  a server that should come back has a way: an open link, a try under way, or a timer for the next
 *   E11  a server is HUNGRY, IDLE or PART exactly when it is open: online, not resting, a slot free
 *   E12  after a turn no server is HUNGRY unless work was left over
 *   E13  after a turn no IDLE or PART server could take the first waiting test of any launch that is not paused
 *   E14  a launch in memory is not DONE, and has a test that is not
 *   E15  after a turn nothing waits to be told: no goals, notes or goodbyes are due
 *   E16  a test was lost as often as it says, and not more often than its launch allows while it is not done
 *   E17  only ASSIGNED and PREPARING runs are asked back
 *   E18  a removed server holds runs, has no row, and is given nothing
 *   E19  a user's queue holds each of the waiting tests once, in the order of (rank, id), and its sums are theirs; every
 *        rank lies between the user's bounds
 *   E20  a REMOVED test belongs to one undo of its user, no other test to any; an undo has tests and a timer, and a user
 *        at most 20 of them
 *   E21  every run is in the share of its project at its server; shares, lanes and projects are what they say
 *   E22  a server with more slots than that never holds more runs of a project than any launch of these runs allows
 *   E23  a server that is not removed belongs to one fleet, whose counts are theirs; one of a kind that makes no machines
 *        is CREATED. It is in the pool of who booked it, or of all, or in none; the sums of a pool are theirs
 *   E24  what a cloud does has a way on: CREATING has a time limit; DESTROYING a call under way, one that is due, or a
 *        doubt; a doubt is of a server without a machine; a DESTROYED server has no machine, intent or booking
 *   E25  a fleet that makes machines has its list asked for, sooner or later
 *   E26  no machine belongs to two servers, or to one and to nobody; no intent to two
 *   E27  a user whose queue is paused is not ready for placement; it says by whom and since when
 *   E28  a server is out exactly when it has a cause and a time; then it does not rest, and of a machine it is set when it
 *        goes
 *   E29  suspects are the servers with faults; a fault of a launch or project that is blamed is sure, or a loss
 *   E30  a meter runs of a server that is paid for, has a price and is not removed; it was charged since its price began,
 *        and is read sooner or later
 *   E31  a run that holds a slot is at work in a slot that its server has, and it alone; no slot is charged beyond its
 *        machine
 *   E32  a server that is booked for a launch is booked by its user and one of its servers, and after a turn that launch is
 *        not over; only such a server is switched off with an end
 *   E33  while the disk of wrata's own server is full no server takes a test */
#include "engine/engine_private.h"

static void check_meter(const struct engine *e, const struct server *s)
{
    bool runs = s->row.metered_at.ms != 0;
    const struct run *r;
    uint32_t holders = 0;
    uint32_t i;

    CHECK(runs == (s->slot_paid != NULL)); /* E30 */
    CHECK(!runs || !s->removed);           /* E30 */
    if (runs) {
        CHECK(s->row.price_hour_microusd > 0);               /* E30 */
        CHECK(s->row.billed_at.ms != 0);                     /* E30 */
        CHECK(s->row.billed_at.ms <= s->row.metered_at.ms);  /* E30 */
        CHECK(s->row.metered_at.ms <= s->row.charged_at.ms); /* E30 */
        CHECK(s->row.cost_nanousd >= 0);                     /* E30 */
        CHECK(!e->booted || timer_is_set(&s->charge));       /* E30 */
        for (i = 0; i < s->row.slots; i++)
            CHECK(s->slot_paid[i] <= s->row.charged_at.ms); /* E31 */
    } else {
        CHECK(s->row.charged_at.ms == 0); /* E30 */
        CHECK(!timer_is_set(&s->charge)); /* E30 */
    }
    DL_FOREACH(s->runs, r) {
        CHECK(r->cost_nanousd >= 0); /* E31 */
        if (r->slot_at.ms == 0)
            continue;
        CHECK(r->state != RUN_ASSIGNED); /* E31 */
        CHECK(r->has_held);              /* E31 */
        CHECK(!s->removed);              /* E31 */
        CHECK(r->slot < s->row.slots);   /* E31 */
        CHECK(s->holders[r->slot] == r); /* E31 */
        holders++;
    }
    for (i = 0; s->holders != NULL && i < s->row.slots; i++)
        holders -= s->holders[i] != NULL;
    CHECK(holders == 0); /* E31 */
}

/* Of one server: what its runs are, and what its launches allow. */
static void check_shares(const struct server *s)
{
    const struct share *sh;
    const struct run *r;
    uint32_t full = 0;
    uint32_t runs = 0;
    uint32_t n;

    DL_FOREACH2(s->shares, sh, of_server_next)
    {
        CHECK(sh->server == s);                    /* E21 */
        CHECK(server_share(s, sh->project) == sh); /* E21 */
        n = 0;
        DL_FOREACH(s->runs, r) {
            if (r->launch->project != sh->project)
                continue;
            n++;
            if (r->launch->row.slots > 0 && r->launch->row.slots < s->row.slots)
                CHECK(sh->n_runs <= r->launch->row.slots); /* E22 */
        }
        CHECK(sh->n_runs == n); /* E21 */
        CHECK(n > 0);           /* E21 */
        CHECK(sh->is_full == (project_slots_on(sh->project, s) < s->row.slots && n >= sh->project->slots));
        full += sh->is_full;
        runs += n;
    }
    CHECK(s->n_runs == runs);                        /* E21 */
    CHECK(s->n_full == full);                        /* E21 */
    CHECK(s->place != PLACE_IDLE || s->n_full == 0); /* E21 */
    CHECK(s->place != PLACE_PART || s->n_full > 0);  /* E21 */
}

static void check_projects(const struct engine *e)
{
    const struct project *p;
    const struct launch *l;
    const struct server *s;
    const struct share *sh;
    uint32_t least;
    uint32_t full_part;
    uint32_t part = 0;
    uint32_t launches = 0;

    for (p = e->projects; p != NULL; p = p->hh.next) {
        least = 0;
        full_part = 0;
        CHECK(p->launches != NULL); /* E21 */
        DL_FOREACH2(p->launches, l, of_project_next)
        {
            CHECK(l->project == p);             /* E21 */
            CHECK(l->row.project.v == p->id.v); /* E21 */
            CHECK(l->lane->project == p);       /* E21 */
            launches++;
            if (l->row.state != LAUNCH_DONE && l->row.slots > 0 && (least == 0 || l->row.slots < least))
                least = l->row.slots;
        }
        CHECK(p->slots == least); /* E21 */
        DL_FOREACH2(p->shares, sh, of_project_next)
        full_part += sh->is_full && sh->server->place == PLACE_PART;
        CHECK(p->n_full_part == full_part); /* E21 */
    }
    CHECK(launches == HASH_COUNT(e->launches)); /* E21 */
    for (s = e->servers; s != NULL; s = s->hh.next)
        part += s->place == PLACE_PART;
    CHECK(e->n_part == part); /* E21 */
}

/* Lanes: the first test of each, and how many launches there are. */
static void check_lanes(const struct user *u)
{
    const struct lane *lane;
    const struct launch *first;
    uint32_t ready = 0;

    DL_FOREACH(u->lanes, lane) {
        heap_check(&lane->launches);
        CHECK(lane->n_launches >= lane->launches.n);             /* E21 */
        CHECK(lane->n_launches > 0);                             /* E21 */
        CHECK(heap_has(&lane->ready) == (lane->launches.n > 0)); /* E6 */
        if (lane->launches.n == 0)
            continue;
        ready++;
        first = CONTAINER_OF(heap_top(&lane->launches), struct launch, ready);
        CHECK(lane->ready.k1 == first->ready.k1); /* E6 */
        CHECK(lane->ready.k2 == first->ready.k2); /* E6 */
    }
    CHECK(u->ready.n == ready); /* E6 */
}

static void check_pool(const struct engine *e, const struct pool *p, uint32_t *idle)
{
    const struct server *s;
    uint32_t may_come = 0;
    uint32_t slots = 0;

    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (s->pool != p)
            continue;
        may_come += s->may_come;
        slots += s->is_counted ? s->row.slots : 0;
        *idle += s->place == PLACE_IDLE || s->place == PLACE_PART;
    }
    CHECK(p->n_may_come == may_come); /* E23 */
    CHECK(p->slots == slots);         /* E23 */
    DL_FOREACH2(p->idle, s, place_next)
    {
        CHECK(s->pool == p);           /* E23 */
        CHECK(s->place == PLACE_IDLE); /* E23 */
    }
    DL_FOREACH2(p->part, s, place_next)
    {
        CHECK(s->pool == p);           /* E23 */
        CHECK(s->place == PLACE_PART); /* E23 */
    }
}

static void check_pools(const struct engine *e)
{
    const struct user *u;
    const struct server *s;
    uint32_t booked = 0;
    uint32_t n = 0;
    uint32_t idle = 0;

    check_pool(e, &e->free, &idle);
    check_pool(e, &e->lent, &idle);
    for (u = e->users; u != NULL; u = u->hh.next) {
        if (u->n_booked > 0)
            check_pool(e, &u->booked, &idle);
        else
            CHECK(u->booked.idle == NULL && u->booked.part == NULL && u->booked.slots == 0 &&
                  u->booked.n_may_come == 0); /* E23 */
        booked += u->n_booked;
    }
    for (s = e->servers; s != NULL; s = s->hh.next)
        n += s->booker != NULL;
    CHECK(n == booked);       /* E23 */
    CHECK(e->n_idle == idle); /* E23 */
}

static void check_lent(const struct engine *e, const struct server *s)
{
    const struct launch *l = launch_by_id(e, s->row.booked_for);

    CHECK(!s->row.off_after || s->row.booked_for.v != 0); /* E32 */
    if (s->row.booked_for.v == 0 || e->turn_open)
        return;
    CHECK(l != NULL);               /* E32 */
    CHECK(s->booker == l->user);    /* E32 */
    CHECK(launch_allows(l, s->id)); /* E32 */
    CHECK(l->row.n_servers > 0);    /* E32 */
    CHECK(s->pool == &e->lent);     /* E32 */
}

static void check_machine(const struct engine *e, const struct server *s)
{
    bool is_waiting = timer_is_set(&s->life);

    CHECK((s->booker != NULL) == (s->row.booked_by.v != 0)); /* E23 */
    check_lent(e, s);
    CHECK(s->booker == NULL || s->booker->id.v == s->row.booked_by.v); /* E23 */
    CHECK(s->row.intent < e->next_intent);                             /* E1 */
    if (!fleet_kind_makes_machines(s->row.fleet)) {
        CHECK(s->row.status == SERVER_CREATED); /* E23 */
        CHECK(!is_waiting);                     /* E23 */
        return;
    }
    CHECK(!s->is_doubtful || s->row.machine[0] == '\0'); /* E24 */
    CHECK(!s->is_ending || s->row.machine[0] != '\0');   /* E24 */
    switch (s->row.status) {
    case SERVER_DESTROYED:
        CHECK(s->row.machine[0] == '\0'); /* E24 */
        CHECK(s->row.intent == 0);        /* E24 */
        CHECK(s->booker == NULL);         /* E24 */
        CHECK(!s->is_asked);              /* E24 */
        CHECK(!is_waiting);               /* E24 */
        break;
    case SERVER_CREATING:
        CHECK(e->closing || is_waiting); /* E24 */
        break;
    case SERVER_DESTROYING:
        CHECK(e->closing || is_waiting || s->is_ending || s->is_doubtful); /* E24 */
        break;
    case SERVER_CREATED:
    case SERVER_STATUS_COUNT:
        break;
    }
}

static void check_machine_is_ones(const struct fleet *f, const struct server *s)
{
    const struct server *other;
    const struct stray *x;

    for (other = s->fleet_next; other != NULL; other = other->fleet_next) {
        CHECK(s->row.intent == 0 || other->row.intent != s->row.intent);                     /* E26 */
        CHECK(s->row.machine[0] == '\0' || strcmp(s->row.machine, other->row.machine) != 0); /* E26 */
    }
    DL_FOREACH(f->strays, x)
        CHECK(strcmp(x->id, s->row.machine) != 0); /* E26 */
}

static void check_fleets(const struct engine *e)
{
    const struct server *s;
    const struct stray *x;
    const struct fleet *f;
    uint32_t machines;
    uint32_t servers;
    uint32_t strays;

    for (f = e->fleets; f != NULL; f = f->hh.next) {
        machines = 0;
        servers = 0;
        strays = 0;
        CHECK(fleet_by_id(e, f->id) == f); /* E1 */
        CHECK(f->id.v < e->next_fleet);    /* E1 */
        CHECK(f->answered <= f->ask);      /* E25 */
        DL_FOREACH2(f->servers, s, fleet_next)
        {
            CHECK(s->fleet == f); /* E23 */
            servers++;
            machines += s->row.status != SERVER_DESTROYED;
            if (e->booted)
                check_machine(e, s);
            if (fleet_kind_makes_machines(f->row.kind))
                check_machine_is_ones(f, s);
        }
        DL_FOREACH(f->strays, x)
            strays += !x->is_kept;
        CHECK(f->n_servers == servers);   /* E23 */
        CHECK(f->n_machines == machines); /* E23 */
        CHECK(f->n_strays == strays);     /* E23 */
        if (e->booted && !e->closing && fleet_kind_makes_machines(f->row.kind))
            CHECK(timer_is_set(&f->list)); /* E25 */
    }
}

static void check_faults(const struct engine *e, const struct server *s)
{
    const struct launch *l;
    uint32_t i;

    CHECK(s->is_suspect == (s->n_faults > 0)); /* E29 */
    for (i = 0; i < s->n_faults; i++) {
        l = launch_by_id(e, s->faults[i].launch);
        if (l != NULL && !s->faults[i].is_sure && !s->faults[i].is_loss)
            CHECK(!launch_is_blamed(e, l)); /* E29 */
    }
}

static void check_sick(const struct engine *e, const struct server *s)
{
    bool is_out = s->row.sick[0] != '\0';

    CHECK(is_out == (s->row.sick_cause != SICK_NOT)); /* E28 */
    CHECK(is_out == (s->row.sick_since.ms != 0));     /* E28 */
    CHECK(!is_out || !s->resting);                    /* E28 */
    if (is_out && e->booted)
        CHECK(s->row.destroy_at.ms == sick_until(e, s).ms); /* E28 */
}

static void check_servers(const struct engine *e)
{
    const struct server *s;
    const struct run *r;
    uint32_t servers = 0;
    uint32_t removed = 0;
    uint32_t online = 0;
    uint32_t slots = 0;
    uint32_t n;
    uint32_t back;

    for (s = e->servers; s != NULL; s = s->hh.next) {
        CHECK(server_by_id_any(e, s->id) == s); /* E1 */
        CHECK(s->id.v < e->next_server);        /* E1 */
        n = 0;
        back = 0;
        check_faults(e, s);
        DL_FOREACH(s->runs, r) {
            CHECK(r->server == s); /* E7 */
            n++;
            back += r->back;
            CHECK(!r->back || run_is_early(r)); /* E17 */
        }
        check_shares(s);
        check_meter(e, s);
        CHECK(s->n_runs == n);    /* E7 */
        CHECK(s->n_back == back); /* E7 */
        if (s->link != 0) {
            CHECK(s->removed || s->row.link == LINK_ONLINE || s->row.link == LINK_LOST); /* E9 */
            CHECK(s->removed || timer_is_set(&s->silence));                              /* E9 */
        }
        if (s->removed) {
            removed++;
            CHECK(s->n_runs > 0);         /* E18 */
            CHECK(s->place == PLACE_OUT); /* E18 */
            continue;
        }
        servers++;
        online += s->row.link == LINK_ONLINE;
        slots += s->row.link == LINK_ONLINE ? s->row.slots : 0;
        CHECK(s->fleet != NULL);                              /* E21 */
        CHECK(s->is_counted == (s->row.link == LINK_ONLINE)); /* E7 */
        if (e->booted && !e->closing && server_is_reachable(s))
            CHECK(s->link != 0 || s->row.link == LINK_CONNECTING || timer_is_set(&s->connect)); /* E10 */
        CHECK((s->place != PLACE_OUT) == server_is_open(e, s));                                 /* E11 */
        CHECK(e->no_room == NULL || s->place == PLACE_OUT);                                     /* E33 */
        CHECK(s->is_stocked == (s->n_runs > s->row.slots));                                     /* E11 */
        CHECK(s->resting == timer_is_set(&s->rest));                                            /* E11 */
        check_sick(e, s);
    }
    CHECK(e->stats.servers == servers);       /* E7 */
    CHECK(e->n_removed == removed);           /* E7 */
    CHECK(e->stats.servers_online == online); /* E7 */
    CHECK(e->stats.slots == slots);           /* E7 */
}

static void check_runs(const struct engine *e)
{
    const struct run *r;
    uint32_t n = 0;
    uint32_t back = 0;

    for (r = e->runs; r != NULL; r = r->hh.next) {
        n++;
        back += r->back;
        CHECK(run_by_id(e, r->id) == r);                                               /* E1 */
        CHECK(r->id.v < e->next_run);                                                  /* E1 */
        CHECK(run_is_early(r) || r->state == RUN_RUNNING || r->state == RUN_STOPPING); /* E2 */
        CHECK((r->state == RUN_PREPARING) == (r->step != NULL));                       /* E2 */
        CHECK(r->test->state == TEST_ACTIVE);                                          /* E2 */
        CHECK(r->test->active == r);                                                   /* E2 */
        CHECK(r->test->run.v == r->id.v);                                              /* E2 */
        CHECK(r->launch == r->test->launch);                                           /* E2 */
        if (e->booted) {
            CHECK(timer_is_set(&r->lease));                      /* E8 */
            CHECK((int64_t)r->lease.item.k1 <= r->lease_end.us); /* E8 */
        }
    }
    CHECK(e->stats.runs_active == n); /* E7 */
    CHECK(e->stats.slots_busy == n);  /* E7 */
    CHECK(e->n_back == back);         /* E7 */
}

static void check_test(const struct engine *e, const struct launch *l, const struct test *t)
{
    CHECK(test_by_id(e, t->id) == t);                                            /* E1 */
    CHECK(t->id.v < e->next_test);                                               /* E1 */
    CHECK(t->launch == l);                                                       /* E1 */
    CHECK((t->state == TEST_ACTIVE) == (t->active != NULL));                     /* E3 */
    CHECK((t->state == TEST_WAITING) == (t->in_retry || heap_has(&t->waiting))); /* E5 */
    CHECK(!(t->in_retry && heap_has(&t->waiting)));                              /* E5 */
    CHECK((t->state == TEST_REMOVED) == (t->undo != NULL));                      /* E20 */
    CHECK(t->undo == NULL || t->undo->user == l->user);                          /* E20 */
    CHECK(t->rank >= l->user->rank_low);                                         /* E19 */
    CHECK(t->rank <= l->user->rank_high);                                        /* E19 */
    CHECK(!t->is_chosen);
    CHECK((t->state == TEST_DONE) == (t->outcome != OUTCOME_NONE)); /* E4 */
    CHECK(t->losses <= t->attempts);                                /* E16 */
    if (t->state != TEST_DONE)
        CHECK(t->losses <= test_retries(t)); /* E16 */
}

static void check_launch(const struct engine *e, const struct launch *l)
{
    uint32_t by_outcome[OUTCOME_COUNT] = {0};
    uint32_t by_state[TEST_STATE_COUNT] = {0};
    const struct test *t;
    int64_t waiting_ms = 0;
    int64_t active_ms = 0;
    uint32_t retry = 0;
    uint32_t i;
    bool ready;
    bool has_first;

    CHECK(l->user == user_of_id(e, l->row.user)); /* E1 */
    CHECK(launch_by_id(e, l->id) == l);           /* E1 */
    CHECK(l->id.v < e->next_launch);              /* E1 */
    CHECK(l->row.state != LAUNCH_DONE);           /* E14 */
    CHECK(l->n_done < l->row.n_tests);            /* E14 */
    for (i = 0; i < l->row.n_tests; i++) {
        t = &l->tests[i];
        check_test(e, l, t);
        by_state[t->state]++;
        if (t->state == TEST_DONE)
            by_outcome[t->outcome]++;
        waiting_ms += t->state == TEST_WAITING ? t->predicted_ms : 0;
        active_ms += t->state == TEST_ACTIVE ? t->predicted_ms : 0;
    }
    DL_FOREACH2(l->retry, t, retry_next)
    retry++;
    heap_check(&l->waiting);
    CHECK(l->waiting_ms == waiting_ms);            /* E4 */
    CHECK(l->active_ms == active_ms);              /* E4 */
    CHECK(l->n_waiting == by_state[TEST_WAITING]); /* E4 */
    CHECK(l->n_waiting == retry + l->waiting.n);   /* E5 */
    CHECK(l->n_active == by_state[TEST_ACTIVE]);   /* E4 */
    CHECK(l->n_removed == by_state[TEST_REMOVED]); /* E4 */
    CHECK(l->n_done == by_state[TEST_DONE]);       /* E4 */
    for (i = 0; i < OUTCOME_COUNT; i++)
        CHECK(l->by_outcome[i] == by_outcome[i]); /* E4 */
    ready = l->row.state == LAUNCH_RUNNING;
    has_first = ready && l->waiting.n > 0;
    CHECK(has_first == (l->row.n_servers > 0 ? l->is_limited_ready : heap_has(&l->ready))); /* E6 */
    CHECK((ready && l->retry != NULL) == l->is_choosy);                                     /* E6 */
    if (heap_has(&l->ready)) {
        CHECK(l->ready.k1 == heap_top(&l->waiting)->k1); /* E6 */
        CHECK(l->ready.k2 == heap_top(&l->waiting)->k2); /* E6 */
    }
    CHECK(l->row.state != LAUNCH_STOPPING || l->n_waiting + l->n_removed == 0 || l->is_stopping); /* E6 */
}

static void check_user(const struct engine *e, const struct user *u)
{
    const struct launch *l;
    const struct undo *undo;
    const struct test *t;
    uint32_t waiting = 0;
    uint32_t active = 0;
    uint32_t undos = 0;
    uint32_t n;
    bool ready = false;

    CHECK(user_of_id(e, u->id) == u); /* E1 */
    for (l = e->launches; l != NULL; l = l->hh.next) {
        if (l->user != u || l->row.state == LAUNCH_DONE)
            continue;
        waiting += l->n_waiting;
        active += l->n_active;
        ready = ready || (l->row.state == LAUNCH_RUNNING && l->n_waiting > 0);
    }
    order_check(u->queue);                                             /* E19 */
    CHECK(waiting == (u->queue != NULL ? u->queue->order.sums.n : 0)); /* E19 */
    for (t = order_first(u->queue); t != NULL; t = order_after(u->queue, t->rank, t->id.v)) {
        CHECK(t->state == TEST_WAITING); /* E19 */
        CHECK(t->launch->user == u);     /* E19 */
    }
    CHECK(u->n_active == active);                            /* E7 */
    CHECK((u->paused_by != NULL) == (u->paused_at.ms != 0)); /* E27 */
    ready = ready && !user_is_paused(u);                     /* E27 */
    CHECK(ready == heap_has(&u->fair));                      /* E6 */
    if (ready) {
        CHECK(u->fair.k1 == u->n_active); /* E6 */
        CHECK(u->fair.k2 == u->turn);     /* E6 */
    }
    heap_check(&u->ready);
    check_lanes(u);
    DL_FOREACH(u->undos, undo) {
        undos++;
        CHECK(undo->user == u);           /* E20 */
        CHECK(undo->id.v < e->next_undo); /* E1 */
        CHECK(timer_is_set(&undo->end));  /* E20 */
        n = 0;
        DL_FOREACH2(undo->tests, t, undo_next)
        {
            CHECK(t->undo == undo); /* E20 */
            n++;
        }
        CHECK(n == undo->n_tests); /* E20 */
        CHECK(n > 0);              /* E20 */
    }
    CHECK(undos == u->n_undos); /* E20 */
    CHECK(undos <= UNDOS_MAX);  /* E20 */
}

/* The first waiting test of each launch, against a server with a free slot. */
static void check_idle(const struct engine *e, const struct server *s)
{
    const struct launch *l;

    for (l = e->launches; l != NULL; l = l->hh.next) {
        if (l->row.state != LAUNCH_RUNNING || user_is_paused(l->user))
            continue;
        CHECK(l->waiting.n == 0 || !launch_may_go(l, s));        /* E13 */
        CHECK(l->retry == NULL || !test_may_go(e, l->retry, s)); /* E13 */
    }
}

static void check_placed(const struct engine *e)
{
    const struct server *s;

    CHECK(e->hungry == NULL); /* E12 */
    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (s->place == PLACE_IDLE || s->place == PLACE_PART)
            check_idle(e, s);
    }
}

void engine_check(const struct engine *e)
{
    const struct launch *l;
    const struct user *u;

    check_servers(e);
    check_fleets(e);
    check_pools(e);
    check_runs(e);
    heap_check(&e->timers.heap);
    heap_check(&e->ready);
    check_projects(e);
    if (!e->booted)
        return;
    for (l = e->launches; l != NULL; l = l->hh.next) {
        if (!e->turn_open || l->row.state != LAUNCH_DONE)
            check_launch(e, l);
    }
    for (u = e->users; u != NULL; u = u->hh.next)
        check_user(e, u);
    if (e->turn_open)
        return;
    CHECK(e->queues_noted == NULL); /* E15 */
    CHECK(e->noted == NULL);        /* E15 */
    CHECK(e->dirty == NULL);        /* E15 */
    CHECK(!e->say_bye);             /* E15 */
    if (!e->more && !e->closing)
        check_placed(e);
}
