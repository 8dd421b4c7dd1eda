/* checks.c - what must be true of the whole, after every step. */
#include "sim/world.h"

#include <stdlib.h>

#include <utlist.h>

void checks_step(struct world *w)
{
    (void)w; /* engine_check() after each turn, agent_check() after each event: world.c, node.c */
}

/* S5: no machine executes more of a project at once than any launch of these runs allows. */
static void check_slots(struct world *w, const struct node *n, const struct node_run *r)
{
    const struct stored_run *stored = sim_store_run(&w->store, r->run);
    const struct stored_launch *l = sim_store_launch(&w->store, stored->row.launch.v);
    uint64_t project = l->row.project.v;
    const struct node_run *other;
    uint32_t least = 0;
    uint32_t runs = 0;

    DL_FOREACH(n->runs, other) {
        stored = other->alive ? sim_store_run(&w->store, other->run) : NULL;
        if (stored == NULL) /* it ended; or it was lost, and deleted with its launch */
            continue;
        l = sim_store_launch(&w->store, stored->row.launch.v);
        if (l->row.project.v != project)
            continue;
        runs++;
        if (l->row.slots > 0 && (least == 0 || l->row.slots < least))
            least = l->row.slots;
    }
    if (least > 0 && runs > least)
        world_fail(w, "%u runs of project %llu execute at once on %s, and %u are allowed", runs,
                   (unsigned long long)project, n->name, least);
}

/* S1: no test executes twice at the same time. S2: a run does not begin again once anything of it was told: the output of
 * two executions would be one log. */
void checks_spawn(struct world *w, const struct node *n, const struct node_run *r)
{
    const struct stored_run *stored = sim_store_run(&w->store, r->run);
    const struct edge_run *told;
    const struct node_run *other;

    HASH_FIND(hh, w->edges, &r->run, sizeof(r->run), told);
    if ((told != NULL && told->have[0] > 0) || (stored != NULL && stored->row.state == RUN_RUNNING))
        world_fail(w, "run %llu begins again on %s", (unsigned long long)r->run, n->name);

    for (uint32_t i = 0; i < w->n_nodes; i++) {
        DL_FOREACH(w->nodes[i].runs, other) {
            if (other != r && other->alive && other->test == r->test)
                world_fail(w, "test %llu executes twice: run %llu on %s while run %llu is alive on %s",
                           (unsigned long long)r->test, (unsigned long long)r->run, n->name,
                           (unsigned long long)other->run, w->nodes[i].name);
        }
    }
    check_slots(w, n, r);
}

/* What the process of a test says when nobody ends it: its first argument after the time. */
static void check_run_end(struct world *w, const struct run_row *row)
{
    const struct stored_run *r = sim_store_run(&w->store, row->id.v);
    const struct stored_test *t;
    enum outcome true_outcome;

    if (r == NULL || row->state != RUN_DONE)
        return;
    t = sim_store_test(&w->store, r->row.test.v);
    if (t == NULL || row->finish.how != FINISH_EXITED)
        return;
    true_outcome = t->row.argv[2][0] == '0' ? OUTCOME_PASSED : OUTCOME_FAILED;
    if (row->outcome != true_outcome)
        world_fail(w, "run %llu came to %s, its process to %s", (unsigned long long)row->id.v,
                   outcome_name(row->outcome), outcome_name(true_outcome));
}

/* S6: nothing is given to a server out of a queue that is paused. Tests are placed at the end of a turn, so what the turn
 * says of pauses counts. */
static void check_pause(struct world *w, const struct run_row *row)
{
    const struct stored_launch *l = sim_store_launch(&w->store, row->launch.v);

    if (l != NULL && sim_store_is_paused(&w->store, l->row.user.v))
        world_fail(w, "run %llu was made while the queue of user %llu is paused",
                   (unsigned long long)row->id.v, (unsigned long long)l->row.user.v);
}

/* S8: what an agent says about its clock is true within what it says about its error; a clock that runs wrong by 1 % measures
 * the round trip wrong by as much. */
void checks_skew(struct world *w, const struct node *n, const struct frame_health *f)
{
    int64_t off_ms = f->skew_ms - n->wall_offset_ms;
    int64_t error_ms = (int64_t)f->skew_error_ms;

    if (error_ms > 0 && llabs(off_ms) > error_ms + error_ms / 25 + 1)
        world_fail(w, "the clock of %s is %lld ms ahead, and it says %lld, give or take %lld", n->name,
                   (long long)n->wall_offset_ms, (long long)f->skew_ms, (long long)error_ms);
}

/* S7: where nothing else can go wrong, only a machine that is sick is taken out for its failures; and one that only failed
 * what can be prepared nowhere is not out, once that has failed on another machine that is well. What an admin forgave that one
 * is no evidence any more. */
static void check_sick(struct world *w)
{
    const uint32_t harmless = FAULT_DELAY | FAULT_PEOPLE | FAULT_COMMIT | FAULT_DRIFT | FAULT_SICK;
    const struct stored_server *s;
    const struct stored_run *r;
    const struct node *n;
    uint64_t failed_on[NODES_MAX] = {0};
    uint32_t well = 0;
    uint32_t i;

    if (w->opts.faults == 0 || (w->opts.faults & ~harmless) != 0 || w->cloud.fleet.v != 0)
        return;
    for (s = w->store.servers; s != NULL && s->row.sick_cause != SICK_FAILURES; s = s->hh.next)
        ;
    if (s == NULL)
        return;
    n = node_of(w, s->row.id);
    if (n == NULL || n->was_sick)
        return;
    for (r = w->store.runs; r != NULL; r = r->hh.next) {
        const struct stored_launch *l = sim_store_launch(&w->store, r->row.launch.v);

        n = node_of(w, r->row.server);
        if (r->row.state != RUN_DONE || r->row.outcome != OUTCOME_INFRASTRUCTURE || n == NULL ||
            n->was_sick || l == NULL || l->row.project.v % POISONED_STEP != POISONED_PROJECT)
            continue;
        if (r->row.server.v != s->row.id.v && r->row.ended_at.ms <= n->forgiven_at.ms)
            continue;
        for (i = 0; i < well && failed_on[i] != r->row.server.v; i++)
            ;
        if (i == well && well < NODES_MAX)
            failed_on[well++] = r->row.server.v;
    }
    if (well != 1)
        world_fail(w, "%s is out, is well, and what can be prepared nowhere has failed on %u machines: %s",
                   s->row.name, well, s->row.sick);
}

/* S7: of each launch people and programs are told once that it ended, and programs that it began, in the commits of just that. */
static void check_told(struct world *w, uint64_t id)
{
    const struct stored_launch *l = sim_store_launch(&w->store, id);
    uint32_t ended = l->row.state == LAUNCH_DONE;

    if (l->told_started != (l->row.started_at.ms != 0))
        world_fail(w, "launch %llu %s, and that was told %u times", (unsigned long long)id,
                   l->row.started_at.ms != 0 ? "has begun" : "has not begun", l->told_started);
    if (l->told_ended != ended || l->mailed != (l->row.user.v != 1 ? ended : 0))
        world_fail(w, "launch %llu %s, and %u hooks and %u mails tell of its end", (unsigned long long)id,
                   ended ? "is done" : "goes on", l->told_ended, l->mailed);
}

/* S9: nothing is given to a server while the controller's own disk is full. Tests are placed at the end of a turn. */
void checks_turn(struct world *w, const struct outbox *out)
{
    for (uint32_t i = 0; w->has_no_room && i < out->changes.n; i++) {
        if (out->changes.at[i].kind == CHANGE_RUN_ADD)
            world_fail(w, "run %llu was made while the disk of the controller is full",
                       (unsigned long long)out->changes.at[i].run.id.v);
    }
}

/* S3: results are true and from the holder. S4: streams are whole when a run is done. */
void checks_committed(struct world *w, const struct outbox *out)
{
    const struct change *c;
    const struct edge_run *x;

    check_sick(w);
    for (uint32_t i = 0; i < out->changes.n; i++) {
        c = &out->changes.at[i];
        if (c->kind == CHANGE_LAUNCH_SET)
            check_told(w, c->launch.id.v);
        if (c->kind == CHANGE_HOOK_EVENT && c->hook_event.kind <= HOOK_KIND_RUNS_FAILED)
            check_told(w, c->hook_event.object);
        if (c->kind == CHANGE_RUN_ADD)
            check_pause(w, &c->run);
        if (c->kind != CHANGE_RUN_SET)
            continue;
        check_run_end(w, &c->run);
        if (c->run.state != RUN_DONE)
            continue;
        HASH_FIND(hh, w->edges, &c->run.id.v, sizeof(c->run.id.v), x);
        if (x == NULL || x->durable[0] < c->run.finish.log_bytes)
            world_fail(w, "run %llu is done and its log is not whole", (unsigned long long)c->run.id.v);
    }
}

bool checks_at_rest(const struct world *w)
{
    const struct stored_launch *l;

    if (w->engine == NULL || w->turns != NULL)
        return false;
    for (l = w->store.launches; l != NULL; l = l->hh.next) {
        if (l->row.state != LAUNCH_DONE)
            return false;
    }
    return cloud_at_rest(w);
}
