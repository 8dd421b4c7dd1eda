/* test_fsm.c - a test's state: the table, and the only writer of ->state. The counters of its launch are kept
 * here, so that every test is counted exactly once (E4). */
#include "engine/engine_private.h"

static const struct edge edges[] = {
    /* clang-format off */
    {TEST_WAITING, TEST_BY_PLACED, TEST_ACTIVE,  "a server has room for it"},
    {TEST_WAITING, TEST_BY_STOP,   TEST_DONE,    "its launch was stopped before it ran"},
    {TEST_ACTIVE,  TEST_BY_RETRY,  TEST_WAITING, "its run was lost and may be tried again"},
    {TEST_ACTIVE,  TEST_BY_BACK,   TEST_WAITING, "its run never began"},
    {TEST_ACTIVE,  TEST_BY_END,    TEST_DONE,    "its run is over"},
    /* clang-format on */
};

static const char *const states[] = {"WAITING", "ACTIVE", "DONE"};
static const char *const causes[] = {"placed", "lost", "back", "ended", "stopped"};
_Static_assert(ARRAY_LEN(states) == TEST_STATE_COUNT, "a name for each");
_Static_assert(ARRAY_LEN(causes) == TEST_CAUSE_COUNT, "a name for each");

const struct edge_table test_table = {
    .name = "test",
    .edges = edges,
    .n = ARRAY_LEN(edges),
    .states = states,
    .causes = causes,
    .first = TEST_WAITING,
};

void launch_count_active(struct launch *l, const struct test *t, bool in)
{
    uint32_t one = in ? 1 : UINT32_MAX; /* unsigned -1 */

    l->n_active += one;
    if (t->predicted_ms > 0)
        l->active_ms += in ? t->predicted_ms : -t->predicted_ms;
    else
        l->active_unknown += one;
}

void launch_count_done(struct launch *l, const struct test *t)
{
    l->by_outcome[t->outcome]++;
    l->worst = outcome_worst(l->worst, t->outcome);
    l->n_done++;
}

static void tell(struct engine *e, struct test *t)
{
    struct change c = {.kind = CHANGE_TEST_SET, .test = test_row_of(t)};
    struct note n = {.kind = NOTE_TEST, .test = c.test};

    outbox_change(e->out, &c);
    outbox_note(e->out, &n);
    launch_note(e, t->launch);
}

bool test_state_set(struct engine *e, struct test *t, enum test_cause cause, enum outcome outcome)
{
    const struct edge *edge = edge_find(&test_table, t->state, cause);
    struct launch *l = t->launch;

    if (edge == NULL)
        return false;
    if (edge->to == TEST_DONE)
        TRACE(e, "test %llu: %s -> %s: %s (%s)", (unsigned long long)t->id.v, states[edge->from],
              states[edge->to], edge->sentence, outcome_name(outcome));
    else
        TRACE(e, "test %llu: %s -> %s: %s", (unsigned long long)t->id.v, states[edge->from], states[edge->to],
              edge->sentence);
    if (edge->from == TEST_WAITING)
        queue_remove(e, t);
    else
        launch_count_active(l, t, false);
    t->state = (enum test_state)edge->to;
    if (t->state == TEST_ACTIVE) {
        launch_count_active(l, t, true);
    } else if (t->state == TEST_WAITING) {
        t->active = NULL;
        queue_add(e, t);
    } else {
        CHECK(outcome != OUTCOME_NONE);
        t->active = NULL;
        t->outcome = outcome;
        launch_count_done(l, t);
    }
    launch_ready_update(e, l);
    tell(e, t);
    if (l->n_done == l->row.n_tests)
        CHECK(launch_state_set(e, l, LAUNCH_BY_TESTS_DONE));
    return true;
}
