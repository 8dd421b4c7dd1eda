/* retry.c - what becomes of a test when its run is over: done, again elsewhere, or given up; and the rest a server
 * must take after an infrastructure failure, so that a dead one cannot swallow the queue.
 *
 * Only infrastructure is tried again, `retries` times: of the test itself, else of its launch. A run that was being
 * stopped never is. */
#include "engine/engine_private.h"

/* The run leaves its server; whoever calls this has written its last state and its test's. */
static void run_leave(struct engine *e, struct run *r)
{
    struct server *s = r->server;

    run_delete(e, r);
    SET_ADD(e->refill, s, refill);
    goals_due(e, s);
    idle_look(e, s);
    server_refresh(e, s);
}

/* ---- a server's rest ---- */

/* `is_its_own`: else what was to run there is to blame, and a moment is enough. */
static void rest_begin(struct engine *e, struct server *s, bool is_its_own, const char *reason)
{
    if (s->removed || s->resting || s->row.sick[0] != '\0')
        return; /* one failure may take many runs with it: they count once */
    s->rest_ms = s->rest_ms == 0 || !is_its_own ? REST_MIN_MS : s->rest_ms * 2;
    if (s->rest_ms > REST_MAX_MS)
        s->rest_ms = REST_MAX_MS;
    s->resting = true;
    s->rest_reason = text_keep(s->rest_reason, reason);
    timer_set(&e->timers, &s->rest, TIMER_REST, s, mono_add_ms(e->now.mono, s->rest_ms));
    TRACE(e, "server %s: rests for %u ms: %s", s->row.name, s->rest_ms, reason);
    server_ask_back(e, s);
    server_refresh(e, s);
}

void rest_on_timer(struct engine *e, struct server *s)
{
    s->resting = false;
    TRACE(e, "server %s: may be used again", s->row.name);
    server_refresh(e, s);
}

void rest_clear(struct engine *e, struct server *s)
{
    s->rest_ms = 0;
    if (s->resting) {
        timer_stop(&e->timers, &s->rest);
        rest_on_timer(e, s);
    }
}

/* ---- the three ways a run ends ---- */

void run_ended(struct engine *e, struct run *r, enum outcome outcome)
{
    CHECK(test_state_set(e, r->test, TEST_BY_END, outcome));
    run_leave(e, r);
}

static void lost_on_add(struct test *t, struct server_id s)
{
    if (!test_was_lost_on(t, s) && t->n_lost_on < LOSSES_MAX)
        t->lost_on[t->n_lost_on++] = s.v;
}

uint32_t test_retries(const struct test *t)
{
    return t->limits.retries_plus_one > 0 ? t->limits.retries_plus_one - 1 : t->launch->row.retries;
}

void retry_after_loss(struct engine *e, struct run *r, enum run_cause cause, const struct run_end *end)
{
    static const struct run_end lost = {.outcome = OUTCOME_INFRASTRUCTURE};
    struct test *t = r->test;
    bool was_stopping = r->state == RUN_STOPPING || r->launch->row.state == LAUNCH_STOPPING;
    const struct edge *edge = edge_find(&run_table, r->state, cause);
    struct run_end stopped;

    CHECK(edge != NULL);
    if (end == NULL)
        end = &lost;
    if (was_stopping) {
        stopped = *end;
        stopped.outcome = OUTCOME_STOPPED;
        CHECK(run_state_set(e, r, cause, &stopped));
        run_ended(e, r, OUTCOME_STOPPED);
        return;
    }
    CHECK(run_state_set(e, r, cause, end));
    t->losses++;
    lost_on_add(t, r->server->id);
    if (cause != RUN_BY_REMOVED && cause != RUN_BY_MACHINE_GONE) {
        const char *reason = end->reason != NULL ? end->reason : edge->sentence;

        bool is_loss = cause != RUN_BY_FINISHED || finish_is_loss(end->finish);

        sick_on_fault(e, r, is_loss, reason);
        rest_begin(e, r->server, is_loss || !launch_is_blamed(e, r->launch), reason);
    }
    if (t->losses > test_retries(t)) {
        run_ended(e, r, OUTCOME_INFRASTRUCTURE);
        return;
    }
    CHECK(test_state_set(e, t, TEST_BY_RETRY, OUTCOME_NONE));
    run_leave(e, r);
}

void retry_uncounted(struct engine *e, struct run *r, enum run_cause cause)
{
    static const struct run_end none = {.outcome = OUTCOME_NONE};
    static const struct run_end stopped = {.outcome = OUTCOME_STOPPED};
    struct test *t = r->test;

    if (r->state == RUN_STOPPING || r->launch->row.state == LAUNCH_STOPPING) {
        CHECK(run_state_set(e, r, cause, &stopped));
        run_ended(e, r, OUTCOME_STOPPED);
        return;
    }
    CHECK(run_state_set(e, r, cause, &none));
    CHECK(t->attempts > 0);
    t->attempts--;
    if (cause == RUN_BY_NOT_BEGUN) /* its link is slower than a lease: not this server again at once */
        rest_begin(e, r->server, true, edge_find(&run_table, RUN_ASSIGNED, cause)->sentence);
    CHECK(test_state_set(e, t, TEST_BY_BACK, OUTCOME_NONE));
    run_leave(e, r);
}
