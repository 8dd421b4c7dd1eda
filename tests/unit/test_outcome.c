/* test_outcome.c - a case for every cause in the table of model/outcome.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/outcome.h"
#include "wire/frame.h"

/* discovered passed failed pending errors | started ended aborted | unreadable lines; not run is in LEFT */
#define TALLY(d, p, f, n, e, s, x, a, b)                                                                \
    {                                                                                                   \
        .discovered = (d), .passed = (p), .failed = (f), .pending = (n), .errors = (e), .started = (s), \
        .ended = (x), .aborted = (a), .bad_lines = (b)                                                  \
    }

/* The adapter says that so many are left out, and why. */
#define LEFT(d, p, f, n, left, why)                                                                          \
    {                                                                                                        \
        .discovered = (d), .passed = (p), .failed = (f), .pending = (n), .not_run = (left), .started = true, \
        .ended = true, .not_run_reason = (why)                                                               \
    }

static const struct {
    const char *claim;
    struct finish finish;
    bool rspec;
    struct tally tally;
    enum outcome outcome;
    const char *reason; /* a part of it */
    uint32_t not_run;   /* in its ledger */
    const char *why;    /* a part of that reason */
} cases[] = {
    {"a script that exits 0 passed",
     {.how = FINISH_EXITED},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_PASSED,
     "status 0",
     0,
     ""},
    {"a script that exits 3 failed",
     {.how = FINISH_EXITED, .exit_code = 3},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_FAILED,
     "exit status 3",
     0,
     ""},
    {"a script ended by a signal failed",
     {.how = FINISH_SIGNALLED, .signal = 11},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_FAILED,
     "signal 11",
     0,
     ""},
    {"rspec ended by a signal is an error",
     {.how = FINISH_SIGNALLED, .signal = 9},
     true,
     TALLY(3, 1, 1, 0, 0, 1, 0, 0, 0),
     OUTCOME_ERROR,
     "signal 9",
     1,
     "a signal"},
    {"all passed",
     {.how = FINISH_EXITED},
     true,
     TALLY(3, 2, 0, 1, 0, 1, 1, 0, 0),
     OUTCOME_PASSED,
     "2 passed",
     0,
     ""},
    {"only pending examples are no failure",
     {.how = FINISH_EXITED},
     true,
     TALLY(2, 0, 0, 2, 0, 1, 1, 0, 0),
     OUTCOME_PASSED,
     "2 pending",
     0,
     ""},
    {"a failed example fails the file",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(3, 2, 1, 0, 0, 1, 1, 0, 0),
     OUTCOME_FAILED,
     "1 of 3",
     0,
     ""},
    {"a failed example fails although the exit status is 0",
     {.how = FINISH_EXITED},
     true,
     TALLY(3, 2, 1, 0, 0, 1, 1, 0, 0),
     OUTCOME_FAILED,
     "1 of 3",
     0,
     ""},
    {"fail-fast leaves examples out",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     LEFT(9, 0, 1, 0, 8, "--fail-fast"),
     OUTCOME_FAILED,
     "1 of 1",
     8,
     "--fail-fast"},
    {"a file that fails to load is an error",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(0, 0, 0, 0, 1, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "outside of examples",
     0,
     ""},
    {"an error outside comes before failures",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(2, 1, 1, 0, 1, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "outside of examples",
     0,
     ""},
    {"0 examples are not green",
     {.how = FINISH_EXITED},
     true,
     TALLY(0, 0, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_NO_TESTS,
     "no example",
     0,
     ""},
    {"0 examples are not green whatever the status",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(0, 0, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_NO_TESTS,
     "no example",
     0,
     ""},
    {"found and only listed",
     {.how = FINISH_EXITED},
     true,
     LEFT(4, 0, 0, 0, 4, "--dry-run"),
     OUTCOME_NO_TESTS,
     "no example was executed (4 of 4 not run: --dry-run)",
     4,
     "--dry-run"},
    {"found and never executed",
     {.how = FINISH_EXITED},
     true,
     TALLY(4, 0, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "do not add up (4 discovered; 0 passed, 0 failed, 0 pending, 0 not run)",
     0,
     ""},
    {"told twice, after an error",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(3, 2, 3, 0, 1, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "an error outside of examples (1); the examples do not add up (3 discovered; 2 passed, 3 failed",
     0,
     ""},
    {"rspec never began",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_ERROR,
     "before its tests began",
     0,
     ""},
    {"rspec never began and says 0",
     {.how = FINISH_EXITED},
     true,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_ERROR,
     "before its tests began",
     0,
     ""},
    {"results without an end",
     {.how = FINISH_EXITED},
     true,
     TALLY(3, 2, 0, 0, 0, 1, 0, 0, 0),
     OUTCOME_ERROR,
     "no end",
     1,
     "went away in mid-suite"},
    {"cut short from within",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(3, 2, 0, 0, 0, 1, 1, 1, 0),
     OUTCOME_ERROR,
     "cut short",
     1,
     "cut short from within"},
    {"unreadable results are not green",
     {.how = FINISH_EXITED},
     true,
     TALLY(3, 2, 0, 0, 0, 1, 1, 0, 1),
     OUTCOME_ERROR,
     "could not be read (1 lines); the examples do not add up (3 discovered; 2 passed",
     0,
     ""},
    {"examples that were never reported",
     {.how = FINISH_EXITED},
     true,
     TALLY(5, 3, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "do not add up (5 discovered; 3 passed, 0 failed, 0 pending, 0 not run)",
     0,
     ""},
    {"examples that were never reported come before failures",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(5, 3, 1, 0, 0, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "do not add up",
     0,
     ""},
    {"more reported than discovered",
     {.how = FINISH_EXITED},
     true,
     TALLY(3, 4, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "do not add up (3 discovered; 4 passed",
     0,
     ""},
    {"more left out than there are",
     {.how = FINISH_EXITED},
     true,
     LEFT(4, 2, 0, 0, 3, "--fail-fast"),
     OUTCOME_ERROR,
     "do not add up",
     3,
     "--fail-fast"},
    {"the adapter counted a failure that was not read",
     {.how = FINISH_EXITED},
     true,
     {.discovered = 3, .passed = 3, .started = true, .ended = true, .miscounted = true},
     OUTCOME_ERROR,
     "do not add up",
     0,
     ""},
    {"some left out and nothing failed is not green",
     {.how = FINISH_EXITED},
     true,
     LEFT(5, 3, 0, 0, 2, "its fixtures were set up"),
     OUTCOME_ERROR,
     "found and not run (2 of 5 not run: its fixtures were set up)",
     2,
     "fixtures"},
    {"rspec says it failed and nothing did",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(2, 2, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "exit status 1",
     0,
     ""},
    {"stopped",
     {.how = FINISH_STOPPED},
     true,
     TALLY(3, 1, 1, 0, 0, 1, 1, 1, 0),
     OUTCOME_STOPPED,
     "stopped",
     1,
     "it was stopped"},
    {"time limit",
     {.how = FINISH_TIME_LIMIT},
     true,
     TALLY(3, 1, 1, 0, 0, 1, 0, 1, 0),
     OUTCOME_TIMED_OUT,
     "time limit",
     1,
     "longer than its time limit"},
    {"silence limit",
     {.how = FINISH_SILENCE_LIMIT},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_TIMED_OUT,
     "silence limit",
     0,
     ""},
    {"lease ended",
     {.how = FINISH_LEASE_ENDED},
     true,
     TALLY(3, 1, 0, 0, 0, 1, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "lease",
     2,
     "until the lease ended"},
    {"not started",
     {.how = FINISH_NOT_STARTED},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "could not be started",
     0,
     ""},
    {"no code",
     {.how = FINISH_NO_CODE},
     true,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "code",
     0,
     ""},
    {"agent died",
     {.how = FINISH_AGENT_DIED},
     true,
     TALLY(3, 3, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "agent",
     0,
     ""},
    {"no disk",
     {.how = FINISH_NO_DISK},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "disk",
     0,
     ""},
    {"disk lost",
     {.how = FINISH_DISK_LOST},
     true,
     TALLY(3, 3, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "lost",
     0,
     ""},
    {"no secret",
     {.how = FINISH_NO_SECRET},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "a secret of its user could not be given to it",
     0,
     ""},
    {"memory limit",
     {.how = FINISH_MEMORY_LIMIT},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_ERROR,
     "memory",
     0,
     ""},
    {"a newer agent's word",
     {.how = 999},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_ERROR,
     "does not know",
     0,
     ""},
};

static void test_outcome__every_cause(void **state)
{
    char reason[256];
    enum outcome o;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tally t = cases[i].tally;

        o = outcome_decide(&cases[i].finish, cases[i].rspec, &t, reason, sizeof(reason));
        if (o != cases[i].outcome || strstr(reason, cases[i].reason) == NULL)
            fail_msg("%s: came to %s, %s", cases[i].claim, outcome_name(o), reason);
        if (t.not_run != cases[i].not_run ||
            strstr(t.not_run_reason, cases[i].why != NULL ? cases[i].why : "") == NULL ||
            (t.not_run == 0) != (t.not_run_reason[0] == '\0'))
            fail_msg("%s: %u not run: %s", cases[i].claim, t.not_run, t.not_run_reason);
        if (!tally_adds_up(&t) && strstr(reason, "do not add up") == NULL)
            fail_msg("%s: %s, and its ledger does not add up", cases[i].claim, reason);
    }
}

static void test_outcome__every_way_to_end_has_a_row(void **state)
{
    struct tally t = {0};
    char reason[256];

    (void)state;
    for (uint32_t how = 0; how < FINISH_HOW_COUNT; how++) {
        struct finish f = {.how = how};

        for (int rspec = 0; rspec < 2; rspec++) {
            assert_int_not_equal(outcome_decide(&f, rspec, &t, reason, sizeof(reason)), OUTCOME_NONE);
            assert_null(strstr(reason, "does not know"));
        }
    }
}

static void test_outcome__reason_is_cut_at_size(void **state)
{
    struct finish f = {.how = FINISH_STOPPED};
    struct tally t = {0};
    char reason[4];

    (void)state;
    (void)outcome_decide(&f, false, &t, reason, sizeof(reason));
    assert_string_equal(reason, "it ");
}

static void test_outcome__names_and_order(void **state)
{
    (void)state;
    for (int o = OUTCOME_PASSED; o < OUTCOME_COUNT; o++)
        assert_int_equal(outcome_parse(outcome_name((enum outcome)o)), o);
    assert_int_equal(outcome_parse("green"), OUTCOME_COUNT);
    assert_int_equal(outcome_worst(OUTCOME_FAILED, OUTCOME_PASSED), OUTCOME_FAILED);
    assert_int_equal(outcome_worst(OUTCOME_FAILED, OUTCOME_INFRASTRUCTURE), OUTCOME_INFRASTRUCTURE);
}

static void test_outcome__docs_show_the_table(void **state)
{
    static char docs[65536];
    struct buf table;
    FILE *f = fopen("docs/outcomes.md", "r");

    (void)state;
    assert_non_null(f);
    docs[fread(docs, 1, sizeof(docs) - 1, f)] = '\0';
    (void)fclose(f);
    buf_init(&table, sizeof(docs));
    outcome_draw(&table);
    if (strstr(docs, buf_str(&table)) == NULL)
        fail_msg("docs/outcomes.md should hold this table:\n%s", buf_str(&table));
    buf_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcome__every_cause),
        cmocka_unit_test(test_outcome__every_way_to_end_has_a_row),
        cmocka_unit_test(test_outcome__reason_is_cut_at_size),
        cmocka_unit_test(test_outcome__names_and_order),
        cmocka_unit_test(test_outcome__docs_show_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
