/* test_fsm.c - a test's state: the table, and the only writer of ->state. The counters of its launch are kept
 * here, so that every test is counted exactly once (E4). */
#include "engine/engine_private.h"

static const struct edge edges[] = {
    /* clang-format off */
    {TEST_WAITING, TEST_BY_PLACED, TEST_ACTIVE,  "a server has room for it"},
    {TEST_WAITING, TEST_BY_STOP,   TEST_DONE,    "its launch was stopped before it ran"},
    {TEST_WAITING, TEST_BY_REMOVE, TEST_REMOVED, "somebody took it out of the queue"},
    {TEST_ACTIVE,  TEST_BY_RETRY,  TEST_WAITING, "its run was lost and may be tried again"},
    {TEST_ACTIVE,  TEST_BY_BACK,   TEST_WAITING, "its run never began"},
    {TEST_ACTIVE,  TEST_BY_END,    TEST_DONE,    "its run is over"},
    {TEST_REMOVED, TEST_BY_UNDO,   TEST_WAITING, "it was put back into the queue"},
    {TEST_REMOVED, TEST_BY_EXPIRY, TEST_DONE,    "it was not put back in time"},
    {TEST_REMOVED, TEST_BY_STOP,   TEST_DONE,    "its launch was stopped before it ran"},
    {TEST_DONE,    TEST_BY_PARDON, TEST_WAITING, "the server that failed it was taken out: that does not count"},
    /* clang-format on */
};

static const char *const states[] = {"WAITING", "ACTIVE", "REMOVED", "DONE"};
static const char *const causes[] = {"placed",  "lost",     "back",     "ended",   "stopped",
                                     "removed", "put back", "too late", "pardoned"};
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
    l->user->n_active += one;
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

void launch_count_undone(struct launch *l, const struct test *t)
{
    unsigned o;

    l->by_outcome[t->outcome]--;
    l->n_done--;
    l->worst = OUTCOME_NONE;
    for (o = 0; o < OUTCOME_COUNT; o++) {
        if (l->by_outcome[o] > 0)
            l->worst = outcome_worst(l->worst, (enum outcome)o);
    }
}

void test_changed(struct engine *e, struct test *t)
{
    struct change c = {.kind = CHANGE_TEST_SET, .test = test_row_of(t)};
    struct note n = {.kind = NOTE_TEST, .test = c.test};

    outbox_change(e->out, &c);
    outbox_note(e->out, &n);
    launch_note(e, t->launch);
}

static void leave(struct engine *e, struct test *t)
{
    switch (t->state) {
    case TEST_WAITING:
        queue_remove(e, t);
        break;
    case TEST_ACTIVE:
        launch_count_active(t->launch, t, false);
        t->active = NULL;
        break;
    case TEST_REMOVED:
        t->launch->n_removed--;
        undo_drop(e, t);
        break;
    case TEST_DONE:
        launch_count_undone(t->launch, t);
        t->outcome = OUTCOME_NONE;
        break;
    case TEST_STATE_COUNT:
        CHECK(!"no way out");
        break;
    }
}

/* `undo`: of REMOVED. `outcome`: of DONE. */
static void enter(struct engine *e, struct test *t, enum test_state to, struct undo *undo,
                  enum outcome outcome)
{
    t->state = to;
    switch (to) {
    case TEST_WAITING:
        queue_add(e, t);
        break;
    case TEST_ACTIVE:
        launch_count_active(t->launch, t, true);
        break;
    case TEST_REMOVED:
        t->launch->n_removed++;
        undo_take(e, undo, t);
        break;
    case TEST_DONE:
        CHECK(outcome != OUTCOME_NONE);
        t->outcome = outcome;
        launch_count_done(t->launch, t);
        break;
    case TEST_STATE_COUNT:
        CHECK(!"no such state");
        break;
    }
    launch_ready_update(e, t->launch);
}

static void launch_look_done(struct engine *e, struct launch *l)
{
    if (l->n_done == l->row.n_tests && l->row.state != LAUNCH_DONE)
        CHECK(launch_state_set(e, l, LAUNCH_BY_TESTS_DONE));
}

bool test_state_set(struct engine *e, struct test *t, enum test_cause cause, enum outcome outcome)
{
    const struct edge *edge = edge_find(&test_table, t->state, cause);

    if (edge == NULL)
        return false;
    if (edge->to == TEST_DONE)
        TRACE(e, "test %llu: %s -> %s: %s (%s)", (unsigned long long)t->id.v, states[edge->from],
              states[edge->to], edge->sentence, outcome_name(outcome));
    else
        TRACE(e, "test %llu: %s -> %s: %s", (unsigned long long)t->id.v, states[edge->from], states[edge->to],
              edge->sentence);
    if (edge->to == TEST_DONE && edge->from != TEST_ACTIVE)
        t->reason = t->launch->stop_reason != NULL ? t->launch->stop_reason : edge->sentence;
    leave(e, t);
    enter(e, t, (enum test_state)edge->to, NULL, outcome);
    test_changed(e, t);
    launch_look_done(e, t->launch);
    return true;
}

/* ---- many at once ---- */

static int by_id(const void *a, const void *b)
{
    const struct test *x = *(const struct test *const *)a;
    const struct test *y = *(const struct test *const *)b;

    return x->id.v < y->id.v ? -1 : x->id.v > y->id.v;
}

/* Ids that follow each other are one range: a whole launch is one row of the change. */
static void tell_many(struct engine *e, struct test *const *tests, uint32_t n, enum test_state from)
{
    struct test_row row = test_row_of(tests[0]);
    struct change c = {.kind = CHANGE_TESTS_SET,
                       .tests = {.from = from,
                                 .state = row.state,
                                 .outcome = row.outcome,
                                 .undo = row.undo,
                                 .reason = row.reason}};
    struct test_range *ranges = xmalloc(n * sizeof(*ranges));
    struct note note = {.kind = NOTE_TEST};
    uint32_t i;

    for (i = 0; i < n; i++) {
        if (i > 0 && tests[i]->launch == tests[i - 1]->launch && tests[i]->id.v == tests[i - 1]->id.v + 1)
            ranges[c.tests.n - 1].last++;
        else
            ranges[c.tests.n++] = (struct test_range){tests[i]->launch->id, tests[i]->id.v, tests[i]->id.v};
        if (n <= QUEUE_NOTES_MAX) {
            note.test = test_row_of(tests[i]);
            outbox_note(e->out, &note);
        } else if (i == 0 || tests[i]->launch != tests[i - 1]->launch) {
            outbox_note(e->out, &(struct note){.kind = NOTE_TESTS, .tests = tests[i]->launch->id});
        }
        launch_note(e, tests[i]->launch);
    }
    c.tests.at = ranges;
    outbox_change(e->out, &c);
    free(ranges);
}

void tests_state_set(struct engine *e, struct test **tests, uint32_t n, enum test_cause cause,
                     struct undo *undo, const char *reason)
{
    enum test_state from;
    const struct edge *edge;
    uint32_t i;

    if (n == 0)
        return;
    from = tests[0]->state;
    edge = edge_find(&test_table, from, cause);
    CHECK(edge != NULL);
    TRACE(e, "%u test%s of user %llu: %s -> %s: %s", n, n == 1 ? "" : "s",
          (unsigned long long)tests[0]->launch->user->id.v, states[edge->from], states[edge->to],
          edge->sentence);
    qsort(tests, n, sizeof(struct test *), by_id);
    for (i = 0; i < n; i++) {
        CHECK(tests[i]->state == from);
        leave(e, tests[i]);
        if (edge->to == TEST_DONE)
            tests[i]->reason = i > 0 && tests[i]->launch == tests[i - 1]->launch
                                   ? tests[i - 1]->reason
                                   : arena_strdup(&tests[i]->launch->arena, reason);
        enter(e, tests[i], (enum test_state)edge->to, undo, OUTCOME_STOPPED);
    }
    tell_many(e, tests, n, from);
    for (i = 0; i < n; i++)
        launch_look_done(e, tests[i]->launch);
}
