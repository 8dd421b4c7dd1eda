/* run_fsm.c - a run's state: the table, and the only writer of ->state. A run that ends leaves memory at once;
 * what becomes of its test is decided in retry.c. */
#include "engine/engine_private.h"

static const struct edge edges[] = {
    /* clang-format off */
    {RUN_ASSIGNED,  RUN_BY_PREPARING,     RUN_PREPARING, "its server is made ready for it"},
    {RUN_ASSIGNED,  RUN_BY_STARTED,       RUN_RUNNING,   "the server says that the process started"},
    {RUN_ASSIGNED,  RUN_BY_FINISHED,      RUN_DONE,      "it is over"},
    {RUN_ASSIGNED,  RUN_BY_STOP,          RUN_STOPPING,  "somebody stopped it before it started"},
    {RUN_ASSIGNED,  RUN_BY_LEASE_END,     RUN_LOST,      "the server fell silent past its lease"},
    {RUN_ASSIGNED,  RUN_BY_GONE,          RUN_LOST,      "the agent no longer has it"},
    {RUN_ASSIGNED,  RUN_BY_BACK,          RUN_LOST,      "taken back before it started"},
    {RUN_ASSIGNED,  RUN_BY_NEVER_ARRIVED, RUN_LOST,      "it never reached the server"},
    {RUN_ASSIGNED,  RUN_BY_NOT_BEGUN,     RUN_LOST,      "its lease ended there before it started"},
    {RUN_ASSIGNED,  RUN_BY_REMOVED,       RUN_LOST,      "its server was removed"},
    {RUN_ASSIGNED,  RUN_BY_MACHINE_GONE,  RUN_LOST,      "its machine is gone"},
    {RUN_PREPARING, RUN_BY_PREPARING,     RUN_PREPARING, "another step begins"},
    {RUN_PREPARING, RUN_BY_WAITS,         RUN_ASSIGNED,  "it waits there again: the link broke before all was there"},
    {RUN_PREPARING, RUN_BY_STARTED,       RUN_RUNNING,   "the server says that the process started"},
    {RUN_PREPARING, RUN_BY_FINISHED,      RUN_DONE,      "it is over"},
    {RUN_PREPARING, RUN_BY_STOP,          RUN_STOPPING,  "somebody stopped it before it started"},
    {RUN_PREPARING, RUN_BY_LEASE_END,     RUN_LOST,      "the server fell silent past its lease"},
    {RUN_PREPARING, RUN_BY_GONE,          RUN_LOST,      "the agent no longer has it"},
    {RUN_PREPARING, RUN_BY_BACK,          RUN_LOST,      "taken back before it started"},
    {RUN_PREPARING, RUN_BY_NOT_BEGUN,     RUN_LOST,      "its lease ended there before it started"},
    {RUN_PREPARING, RUN_BY_REMOVED,       RUN_LOST,      "its server was removed"},
    {RUN_PREPARING, RUN_BY_MACHINE_GONE,  RUN_LOST,      "its machine is gone"},
    {RUN_RUNNING,   RUN_BY_FINISHED,      RUN_DONE,      "it is over"},
    {RUN_RUNNING,   RUN_BY_STOP,          RUN_STOPPING,  "somebody stopped it"},
    {RUN_RUNNING,   RUN_BY_LEASE_END,     RUN_LOST,      "the server fell silent past its lease"},
    {RUN_RUNNING,   RUN_BY_GONE,          RUN_LOST,      "the agent no longer has it"},
    {RUN_RUNNING,   RUN_BY_REMOVED,       RUN_LOST,      "its server was removed"},
    {RUN_RUNNING,   RUN_BY_MACHINE_GONE,  RUN_LOST,      "its machine is gone"},
    {RUN_STOPPING,  RUN_BY_FINISHED,      RUN_DONE,      "it is over"},
    {RUN_STOPPING,  RUN_BY_LEASE_END,     RUN_LOST,      "the server fell silent past its lease"},
    {RUN_STOPPING,  RUN_BY_GONE,          RUN_LOST,      "the agent no longer has it"},
    {RUN_STOPPING,  RUN_BY_NEVER_ARRIVED, RUN_LOST,      "it never reached the server"},
    {RUN_STOPPING,  RUN_BY_REMOVED,       RUN_LOST,      "its server was removed"},
    {RUN_STOPPING,  RUN_BY_MACHINE_GONE,  RUN_LOST,      "its machine is gone"},
    /* clang-format on */
};

static const char *const states[] = {"ASSIGNED", "PREPARING", "RUNNING", "STOPPING", "DONE", "LOST"};
static const char *const causes[] = {"preparing",     "waits again", "started",        "finished",
                                     "stop",          "lease end",   "gone",           "back",
                                     "never arrived", "not begun",   "server removed", "machine gone"};
_Static_assert(ARRAY_LEN(states) == RUN_STATE_COUNT, "a name for each");
_Static_assert(ARRAY_LEN(causes) == RUN_CAUSE_COUNT, "a name for each");

const struct edge_table run_table = {
    .name = "run",
    .edges = edges,
    .n = ARRAY_LEN(edges),
    .states = states,
    .causes = causes,
    .first = RUN_ASSIGNED,
};

static void tell(struct engine *e, enum change_kind kind, const struct run_row *row)
{
    struct change c = {.kind = kind, .run = *row};
    struct note n = {.kind = NOTE_RUN, .run = *row};

    outbox_change(e->out, &c);
    outbox_note(e->out, &n);
}

void run_begin(struct engine *e, struct run *r)
{
    struct run_row row;

    r->state = RUN_ASSIGNED;
    r->created_at = e->now.wall;
    TRACE(e, "run %llu: %s: attempt %u of test %llu goes to %s", (unsigned long long)r->id.v,
          states[RUN_ASSIGNED], r->attempt, (unsigned long long)r->test->id.v, r->server->row.name);
    row = run_row_of(r);
    tell(e, CHANGE_RUN_ADD, &row);
}

bool run_is_early(const struct run *r)
{
    return r->state == RUN_ASSIGNED || r->state == RUN_PREPARING;
}

/* What is done for it, while something is. */
static void step_set(struct run *r, const char *step)
{
    if (step != NULL) {
        r->step = text_keep(r->step, step);
    } else {
        text_drop(r->step);
        r->step = NULL;
    }
}

bool run_state_set(struct engine *e, struct run *r, enum run_cause cause, const struct run_end *end)
{
    const struct edge *edge = edge_find(&run_table, r->state, cause);
    struct run_row row;

    if (edge == NULL)
        return false;
    r->state = (enum run_state)edge->to;
    step_set(r, r->state == RUN_PREPARING ? end->reason : NULL);
    if (r->state == RUN_DONE || r->state == RUN_LOST) {
        CHECK(end != NULL);
        cost_run_ends(e, r, end->finish);
    }
    row = run_row_of(r);
    if (r->state == RUN_DONE || r->state == RUN_LOST) {
        row.outcome = end->outcome;
        row.reason = end->reason != NULL ? end->reason : edge->sentence;
        if (end->image != NULL)
            row.image = end->image;
        if (end->finish != NULL)
            row.finish = *end->finish;
        if (end->tally != NULL)
            row.tally = *end->tally;
        row.ended_at = e->now.wall;
        notice_run_over(e, r, cause, &row);
    }
    if (r->state == RUN_PREPARING)
        TRACE(e, "run %llu: %s -> %s: %s (%s)", (unsigned long long)r->id.v, states[edge->from],
              states[edge->to], edge->sentence, r->step);
    else
        TRACE(e, "run %llu: %s -> %s: %s%s%s%s", (unsigned long long)r->id.v, states[edge->from],
              states[edge->to], edge->sentence,
              row.outcome != OUTCOME_NONE && r->state == RUN_DONE ? " (" : "",
              r->state == RUN_DONE ? outcome_name(row.outcome) : "",
              row.outcome != OUTCOME_NONE && r->state == RUN_DONE ? ")" : "");
    tell(e, CHANGE_RUN_SET, &row);
    return true;
}
