/* test_metrics.c - what the numbers of the server count, from notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/metrics.c"

static void note_run(struct server *s, uint64_t run, enum run_state state)
{
    struct note n = {.kind = NOTE_RUN};

    n.run = (struct run_row){.id = {run},
                             .server = {1},
                             .slot = 0,
                             .state = state,
                             .outcome = state == RUN_DONE ? OUTCOME_PASSED : OUTCOME_NONE,
                             .created_at = {1000},
                             .started_at = {state == RUN_RUNNING || state == RUN_DONE ? 61000 : 0},
                             .ended_at = {state == RUN_DONE ? 62000 : 0}};
    metrics_note(s, &n);
}

static uint64_t gaps(const struct server *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += s->metrics->gaps.counts[i];
    return n;
}

static void test_metrics__making_a_machine_ready_is_no_gap_however_many_steps_it_has(void **state)
{
    struct server *s = xcalloc(1, sizeof(*s));

    (void)state;
    metrics_open(s);
    for (uint64_t steps = 0; steps < 5; steps++) {
        uint64_t run = steps + 1;

        note_run(s, run, RUN_ASSIGNED);
        for (uint64_t i = 0; i < steps; i++)
            note_run(s, run, RUN_PREPARING);
        note_run(s, run, RUN_RUNNING);
        assert_int_equal(gaps(s), 1); /* of the one without steps */
        note_run(s, run, RUN_DONE);
        assert_null(s->metrics->preparing);
    }
    assert_int_equal(s->metrics->runs[OUTCOME_PASSED], 5);
    metrics_free(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics__making_a_machine_ready_is_no_gap_however_many_steps_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
