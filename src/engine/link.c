/* link.c - what links and agents say: up, down, beats, runs that started and ended.
 *
 * The rule about a run that an agent does not hold, when its link comes up or in a beat:
 *   it was asked back and had not started  it is queued again, uncounted
 *   the agent had it, never began it       its lease ended there first: it is queued again, uncounted (what the same
 *                                          agent had begun it holds until it is told otherwise)
 *   the agent had it once                  certain loss: queued again at once, counted
 *   loaded at boot, never seen running     it is queued again, uncounted, as a new run: an earlier controller may
 *                                          have stored output of it, and output of one run is never written twice
 *   the agent is another incarnation       certain loss
 *   else                                   it never arrived there: its spec is sent again
 */
#include "engine/engine_private.h"

#define STEPS_AT_ONCE 30u /* of a run's preparation; then one a second */

/* ---- connecting ---- */

void link_connect_at(struct engine *e, struct server *s, int64_t in_ms)
{
    timer_set(&e->timers, &s->connect, TIMER_CONNECT, s, mono_add_ms(e->now.mono, in_ms));
}

void link_on_connect_timer(struct engine *e, struct server *s)
{
    struct order o = {.kind = ORDER_CONNECT};

    if (e->closing || !server_is_reachable(s) || s->link != 0)
        return;
    CHECK(link_state_set(e, s, LINK_BY_CONNECT, NULL));
    o.server = s->row;
    o.era = s->era;
    outbox_order(e->out, &o);
}

/* The order leaves when the turn is saved. What the link, or the try that has no number yet, says until then is of an
 * earlier era. */
void link_drop(struct engine *e, struct server *s, enum link_cause cause)
{
    struct order drop = {.kind = ORDER_DISCONNECT, .server = {.id = s->id}};

    timer_stop(&e->timers, &s->connect);
    timer_stop(&e->timers, &s->silence);
    if (s->link != 0 || s->row.link != LINK_OFFLINE)
        outbox_order(e->out, &drop);
    s->era++;
    s->link = 0;
    s->renew = false;
    s->tries = 0;
    (void)link_state_set(e, s, cause, NULL); /* no edge: it was offline */
}

/* Doubling from reconnect_min_ms, half of it jitter, so that a fleet does not come back all at once. */
static void reconnect_later(struct engine *e, struct server *s)
{
    uint64_t ms = e->opts.reconnect_min_ms;
    uint32_t i;

    for (i = 1; i < s->tries && ms < e->opts.reconnect_max_ms; i++)
        ms *= 2;
    if (ms > e->opts.reconnect_max_ms)
        ms = e->opts.reconnect_max_ms;
    if (s->row.status == SERVER_CREATING && ms > CREATING_CONNECT_MS)
        ms = CREATING_CONNECT_MS;
    link_connect_at(e, s, (int64_t)(ms / 2 + rng_below(&e->rng, ms / 2 + 1)));
}

static void link_gone(struct engine *e, struct server *s, const char *reason)
{
    s->link = 0;
    s->renew = false;
    timer_stop(&e->timers, &s->silence);
    if (s->removed)
        return;
    s->tries++;
    CHECK(link_state_set(e, s, LINK_BY_DOWN, reason));
    if (!e->closing && server_is_reachable(s))
        reconnect_later(e, s);
}

void link_on_silence_timer(struct engine *e, struct server *s)
{
    struct order o = {.kind = ORDER_DISCONNECT, .server = {.id = s->id}};
    int64_t silent_ms = mono_ms_between(s->heard, e->now.mono);
    int64_t shown_ms = e->opts.silence_shown_ms;
    const char *reason;

    if (s->link == 0 || s->removed)
        return;
    if (silent_ms < shown_ms) {
        timer_set(&e->timers, &s->silence, TIMER_SILENCE, s, mono_add_ms(s->heard, shown_ms));
        return;
    }
    reason = arena_printf(&e->out->arena, "no beat for %lld s", (long long)(silent_ms / 1000));
    if (silent_ms < shown_ms * SILENT_CLOSE_FACTOR) {
        (void)link_state_set(e, s, LINK_BY_SILENCE, reason); /* no edge: it is shown already */
        timer_set(&e->timers, &s->silence, TIMER_SILENCE, s,
                  mono_add_ms(s->heard, shown_ms * SILENT_CLOSE_FACTOR));
        return;
    }
    outbox_order(e->out, &o);
    link_gone(e, s, reason);
}

/* ---- full reports of what an agent holds ---- */

static void run_started(struct engine *e, struct run *r, uint32_t slot)
{
    r->seen = true;
    if (!run_is_early(r))
        return;
    run_unask_back(e, r);
    cost_slot_set(e, r, slot);
    r->started_at = e->now.wall;
    r->started = e->now.mono;
    r->launch->active_started++;
    r->launch->active_start_us += e->now.mono.us;
    CHECK(run_state_set(e, r, RUN_BY_STARTED, NULL));
    SET_ADD(e->refill, r->server, refill);
}

static void run_waits(struct engine *e, struct run *r)
{
    if (r->state != RUN_PREPARING)
        return;
    cost_slot_set(e, r, UINT32_MAX);
    CHECK(run_state_set(e, r, RUN_BY_WAITS, NULL));
}

static void mark_held(struct engine *e, struct server *s, const struct held_run *held, uint32_t n)
{
    struct run *r;
    uint32_t i;

    s->mark = ++e->marks;
    for (i = 0; i < n; i++) {
        r = run_by_id(e, held[i].run);
        if (r == NULL || r->server != s)
            continue; /* not listed in the goals that answer: the agent drops it */
        r->mark = s->mark;
        r->seen = true;
        if (held[i].state == HOLDS_RUNNING)
            run_started(e, r, held[i].slot); /* its STARTED may have been lost with a link */
        else if (held[i].state == HOLDS_WAITING)
            run_waits(e, r);
    }
}

static bool was_asked_back(const struct run *r)
{
    return r->back && r->back_seq != 0 && run_is_early(r);
}

static void run_gone(struct engine *e, struct run *r, bool other_incarnation)
{
    struct run_end end = {.outcome = OUTCOME_INFRASTRUCTURE};

    if (other_incarnation)
        end.reason = "the agent started again without it";
    retry_after_loss(e, r, r->server->removed ? RUN_BY_REMOVED : RUN_BY_GONE, &end);
}

/* The agent that held it does not: what it had begun it would hold. */
static void run_missing(struct engine *e, struct run *r)
{
    if (r->seen && run_is_early(r) && !r->server->removed)
        retry_uncounted(e, r, RUN_BY_NOT_BEGUN);
    else
        run_gone(e, r, false);
}

static void link_up_runs(struct engine *e, struct server *s, bool other_incarnation)
{
    struct run *r;
    struct run *next;

    DL_FOREACH_SAFE(s->runs, r, next) {
        if (r->mark != s->mark) {
            if (was_asked_back(r)) {
                retry_uncounted(e, r, RUN_BY_BACK);
                continue;
            }
            if (r->seen || (other_incarnation && !r->loaded)) {
                if (other_incarnation)
                    run_gone(e, r, true);
                else
                    run_missing(e, r);
                continue;
            }
            if (r->loaded) {
                retry_uncounted(e, r, RUN_BY_NEVER_ARRIVED);
                continue;
            }
        }
        r->loaded = false;
        r->goals_seq = 0;
        r->back_seq = 0;
        r->spec_sent = r->mark == s->mark;
    }
}

void on_link_up(struct engine *e, const struct event *ev)
{
    struct order drop = {.kind = ORDER_DISCONNECT, .server = {.id = ev->link_up.server}};
    struct server *s = server_by_id(e, ev->link_up.server);
    bool other;

    if (s == NULL || s->row.status == SERVER_DESTROYED) {
        late_news(e, "a link to server", ev->link_up.server.v);
        outbox_order(e->out, &drop);
        return;
    }
    if (ev->link_up.era != s->era || ev->link_up.link <= s->link_last) {
        late_news(e, "an old link of server", s->id.v);
        return;
    }
    other = s->incarnation != 0 && s->incarnation != ev->link_up.incarnation;
    s->incarnation = ev->link_up.incarnation;
    s->link = ev->link_up.link;
    s->link_last = s->link;
    s->goals_seq = 0;
    s->beat_seq = 0;
    s->heard = e->now.mono;
    s->renew = true;
    timer_stop(&e->timers, &s->connect);
    timer_set(&e->timers, &s->silence, TIMER_SILENCE, s, mono_add_ms(e->now.mono, e->opts.silence_shown_ms));
    if (strcmp(s->row.agent_version, ev->link_up.agent_version) != 0)
        s->row.agent_version = text_keep(s->row.agent_version, ev->link_up.agent_version);
    if (strcmp(s->row.facts, ev->link_up.facts) != 0)
        s->row.facts = text_keep(s->row.facts, ev->link_up.facts);
    CHECK(link_state_set(e, s, LINK_BY_UP, NULL));
    if (s->row.status == SERVER_CREATING)
        CHECK(server_status_set(e, s, SERVER_BY_ANSWER, NULL));
    mark_held(e, s, ev->link_up.held, ev->link_up.n_held);
    link_up_runs(e, s, other);
    SET_ADD(e->refill, s, refill);
    goals_due(e, s);
    if (e->closing)
        e->say_bye = true;
}

void on_link_down(struct engine *e, const struct event *ev)
{
    struct server *s = server_by_id_any(e, ev->link_down.server);
    uint64_t link = ev->link_down.link;

    if (s == NULL) {
        late_news(e, "the end of a link to server", ev->link_down.server.v);
        return;
    }
    if (ev->link_down.era != s->era) {
        late_news(e, "the end of a dropped link of server", s->id.v);
        return;
    }
    if (s->link != 0 && s->link == link) {
        link_gone(e, s, ev->link_down.reason);
        return;
    }
    /* A try that failed: without a number, or with one never seen up. */
    if (!s->removed && s->link == 0 && s->row.link == LINK_CONNECTING && (link == 0 || link > s->link_last)) {
        if (link != 0)
            s->link_last = link;
        link_gone(e, s, ev->link_down.reason);
        return;
    }
    late_news(e, "the end of an old link of server", s->id.v);
}

/* The agent applied our goals up to goals_seq and does not hold r. */
static void beat_without(struct engine *e, struct run *r, uint64_t goals_seq)
{
    if (r->goals_seq == 0 || goals_seq < r->goals_seq)
        return; /* it cannot have it yet */
    if (was_asked_back(r) && goals_seq >= r->back_seq)
        retry_uncounted(e, r, RUN_BY_BACK);
    else
        run_missing(e, r);
}

void on_beat(struct engine *e, const struct event *ev)
{
    struct server *s = server_by_id_any(e, ev->beat.server);
    struct run *r;
    struct run *next;

    if (s == NULL || s->link == 0 || s->link != ev->beat.link) {
        late_news(e, "a beat of server", ev->beat.server.v);
        return;
    }
    s->beat_seq = ev->beat.seq;
    s->heard = e->now.mono;
    s->tries = 0;
    s->renew = true;
    if (s->row.link == LINK_LOST && !s->removed)
        CHECK(link_state_set(e, s, LINK_BY_BEAT, NULL));
    server_refresh(e, s);
    mark_held(e, s, ev->beat.held, ev->beat.n_held);
    DL_FOREACH_SAFE(s->runs, r, next) {
        if (r->mark != s->mark)
            beat_without(e, r, ev->beat.goals_seq);
        else if (r->back && r->back_seq != 0 && ev->beat.goals_seq >= r->back_seq)
            run_unask_back(e, r); /* the agent keeps it: it is about to start */
    }
    goals_due(e, s);
}

/* ---- single runs ---- */

/* The run, when this server is the one that may speak about it. */
static struct run *run_of(struct engine *e, struct server_id server, struct run_id id)
{
    struct run *r = run_by_id(e, id);

    if (r == NULL || r->server->id.v != server.v) {
        late_news(e, "run", id.v);
        return NULL;
    }
    return r;
}

/* Each step is written and shown: what an agent says faster than anybody can read is not. */
static bool is_one_step_too_many(const struct engine *e, struct run *r)
{
    int64_t past_s = mono_ms_between(r->steps_at, e->now.mono) / 1000;

    if (r->n_steps == 0 || past_s >= (int64_t)r->n_steps) {
        r->n_steps = 0;
        r->steps_at = e->now.mono;
    } else if (past_s > 0) {
        r->n_steps -= (uint32_t)past_s;
        r->steps_at = mono_add_ms(r->steps_at, past_s * 1000);
    }
    if (r->n_steps >= STEPS_AT_ONCE)
        return true;
    r->n_steps++;
    return false;
}

void on_run_preparing(struct engine *e, const struct event *ev)
{
    struct run *r = run_of(e, ev->run_preparing.server, ev->run_preparing.run);
    struct run_end what = {.reason = ev->run_preparing.step};

    if (r == NULL)
        return;
    r->seen = true;
    if (!run_is_early(r) || (r->state == RUN_PREPARING && strcmp(r->step, what.reason) == 0))
        return; /* it is being stopped; or a new link says it again */
    if (is_one_step_too_many(e, r)) {
        e->stats.late_news++; /* without a trace, which would be a line of the log for each */
        return;
    }
    cost_slot_set(e, r, ev->run_preparing.slot);
    CHECK(run_state_set(e, r, RUN_BY_PREPARING, &what));
}

void on_run_started(struct engine *e, const struct event *ev)
{
    struct run *r = run_of(e, ev->run_started.server, ev->run_started.run);

    if (r != NULL)
        run_started(e, r, ev->run_started.slot);
}

static void measure(struct launch *l, const struct finish *f)
{
    l->n_measured++;
    l->user->n_measured++;
    l->user->measured_us += f->duration_us > 0 ? f->duration_us : 0;
    l->measured_us += f->duration_us > 0 ? f->duration_us : 0;
}

/* A short run is over before its agent says that it started: the end tells it all. */
static void note_start(struct engine *e, struct run *r, uint32_t slot, const struct finish *f)
{
    if (r->started_at.ms != 0 || f->duration_us <= 0)
        return;
    if (r->slot_at.ms != 0)
        cost_slot_set(e, r, slot);
    else
        r->slot = slot;
    r->started_at.ms = e->now.wall.ms - f->duration_us / 1000;
}

void on_run_finished(struct engine *e, const struct event *ev)
{
    struct run *r = run_of(e, ev->run_finished.server, ev->run_finished.run);
    const char *said = ev->run_finished.reason;
    char reason[REASON_BYTES_MAX];
    struct tally tally = ev->run_finished.tally;
    struct run_end end = {
        .finish = &ev->run_finished.finish, .tally = &tally, .image = ev->run_finished.image};

    if (r == NULL)
        return;
    note_start(e, r, ev->run_finished.slot, end.finish);
    end.outcome =
        outcome_decide(end.finish, adapter_has_results(r->test->adapter), &tally, reason, sizeof(reason));
    end.reason = reason;
    if (said != NULL && strncmp(said, reason, strlen(reason)) == 0 && said[0] != '\0')
        end.reason = said; /* the agent's sentence begins with ours and tells more */
    else if (said != NULL && said[0] != '\0')
        end.reason = arena_printf(&e->out->arena, "%s: %s", reason, said);
    if (r->server->removed && end.outcome == OUTCOME_STOPPED) {
        end.outcome = OUTCOME_INFRASTRUCTURE; /* we stopped it, nobody else did */
        end.reason = NULL;
        retry_after_loss(e, r, RUN_BY_REMOVED, &end);
        return;
    }
    /* What cannot be opened here cannot be opened for another server either, and it is none of this one's faults. */
    if (finish_is_final(end.finish)) {
        CHECK(run_state_set(e, r, RUN_BY_FINISHED, &end));
        run_ended(e, r, end.outcome);
        return;
    }
    if (outcome_is_infrastructure(end.outcome)) {
        retry_after_loss(e, r, RUN_BY_FINISHED, &end);
        return;
    }
    measure(r->launch, end.finish);
    rest_clear(e, r->server);
    if (end.outcome != OUTCOME_STOPPED)
        sick_on_success(e, r);
    CHECK(run_state_set(e, r, RUN_BY_FINISHED, &end));
    run_ended(e, r, end.outcome);
}
