/* launch_fsm.c - a launch's state: the table, and the only writer of row.state. */
#include "engine/engine_private.h"

static const struct edge edges[] = {
    /* clang-format off */
    {LAUNCH_RUNNING,  LAUNCH_BY_STOP,       LAUNCH_STOPPING, "somebody stopped it"},
    {LAUNCH_RUNNING,  LAUNCH_BY_TESTS_DONE, LAUNCH_DONE,     "its last test is done"},
    {LAUNCH_STOPPING, LAUNCH_BY_TESTS_DONE, LAUNCH_DONE,     "its last test is done"},
    /* clang-format on */
};

static const char *const states[] = {"RUNNING", "STOPPING", "DONE"};
static const char *const causes[] = {"stop", "tests done"};
_Static_assert(ARRAY_LEN(states) == LAUNCH_STATE_COUNT, "a name for each");
_Static_assert(ARRAY_LEN(causes) == LAUNCH_CAUSE_COUNT, "a name for each");

const struct edge_table launch_table = {
    .name = "launch",
    .edges = edges,
    .n = ARRAY_LEN(edges),
    .states = states,
    .causes = causes,
    .first = LAUNCH_RUNNING,
};

bool launch_state_set(struct engine *e, struct launch *l, enum launch_cause cause)
{
    const struct edge *edge = edge_find(&launch_table, l->row.state, cause);

    if (edge == NULL)
        return false;
    l->row.state = (enum launch_state)edge->to;
    if (l->row.state == LAUNCH_DONE) {
        l->row.outcome = l->worst;
        l->row.ended_at = e->now.wall;
        project_launch_done(e, l);
        notice_launch_done(e, l);
        if (l->row.books > 0)
            SET_ADD(e->giving, l, giving);
        TRACE(e, "launch %llu: %s -> %s: %s (%s)", (unsigned long long)l->id.v, states[edge->from],
              states[edge->to], edge->sentence, outcome_name(l->row.outcome));
    } else {
        l->stop_at = 0;
        SET_ADD(e->stopping, l, stopping);
        TRACE(e, "launch %llu: %s -> %s: %s", (unsigned long long)l->id.v, states[edge->from],
              states[edge->to], edge->sentence);
    }
    launch_ready_update(e, l);
    launch_changed(e, l);
    return true;
}
