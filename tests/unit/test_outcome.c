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

/* discovered passed failed pending errors | started ended aborted | unreadable lines */
#define TALLY(d, p, f, n, e, s, x, a, b)                                                                \
    {                                                                                                   \
        .discovered = (d), .passed = (p), .failed = (f), .pending = (n), .errors = (e), .started = (s), \
        .ended = (x), .aborted = (a), .bad_lines = (b)                                                  \
    }

static const struct {
    const char *claim;
    struct finish finish;
    bool rspec;
    struct tally tally;
    enum outcome outcome;
    const char *reason; /* a part of it */
} cases[] = {
    {"a script that exits 0 passed",
     {.how = FINISH_EXITED},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_PASSED,
     "status 0"},
    {"a script that exits 3 failed",
     {.how = FINISH_EXITED, .exit_code = 3},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_FAILED,
     "exit status 3"},
    {"a script ended by a signal failed",
     {.how = FINISH_SIGNALLED, .signal = 11},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_FAILED,
     "signal 11"},
    {"rspec ended by a signal is an error",
     {.how = FINISH_SIGNALLED, .signal = 9},
     true,
     TALLY(3, 1, 1, 0, 0, 1, 0, 0, 0),
     OUTCOME_ERROR,
     "signal 9"},
    {"all passed",
     {.how = FINISH_EXITED},
     true,
     TALLY(3, 2, 0, 1, 0, 1, 1, 0, 0),
     OUTCOME_PASSED,
     "2 passed"},
    {"only pending examples are no failure",
     {.how = FINISH_EXITED},
     true,
     TALLY(2, 0, 0, 2, 0, 1, 1, 0, 0),
     OUTCOME_PASSED,
     "2 pending"},
    {"a failed example fails the file",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(3, 2, 1, 0, 0, 1, 1, 0, 0),
     OUTCOME_FAILED,
     "1 of 3"},
    {"a failed example fails although the exit status is 0",
     {.how = FINISH_EXITED},
     true,
     TALLY(3, 2, 1, 0, 0, 1, 1, 0, 0),
     OUTCOME_FAILED,
     "1 of 3"},
    {"fail-fast leaves examples out",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(9, 0, 1, 0, 0, 1, 1, 0, 0),
     OUTCOME_FAILED,
     "failed"},
    {"a file that fails to load is an error",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(0, 0, 0, 0, 1, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "outside of examples"},
    {"an error outside comes before failures",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(2, 1, 1, 0, 1, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "outside of examples"},
    {"0 examples are not green",
     {.how = FINISH_EXITED},
     true,
     TALLY(0, 0, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_NO_TESTS,
     "no example"},
    {"0 examples are not green whatever the status",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(0, 0, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_NO_TESTS,
     "no example"},
    {"found but never executed",
     {.how = FINISH_EXITED},
     true,
     TALLY(4, 0, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_NO_TESTS,
     "no example"},
    {"rspec never began",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_ERROR,
     "before its tests began"},
    {"rspec never began and says 0",
     {.how = FINISH_EXITED},
     true,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_ERROR,
     "before its tests began"},
    {"results without an end",
     {.how = FINISH_EXITED},
     true,
     TALLY(3, 2, 0, 0, 0, 1, 0, 0, 0),
     OUTCOME_ERROR,
     "no end"},
    {"cut short from within",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(3, 2, 0, 0, 0, 1, 1, 1, 0),
     OUTCOME_ERROR,
     "cut short"},
    {"unreadable results are not green",
     {.how = FINISH_EXITED},
     true,
     TALLY(2, 2, 0, 0, 0, 1, 1, 0, 1),
     OUTCOME_ERROR,
     "could not be read"},
    {"examples that were never reported",
     {.how = FINISH_EXITED},
     true,
     TALLY(5, 3, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "2 of 5"},
    {"rspec says it failed and nothing did",
     {.how = FINISH_EXITED, .exit_code = 1},
     true,
     TALLY(2, 2, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_ERROR,
     "exit status 1"},
    {"stopped", {.how = FINISH_STOPPED}, true, TALLY(3, 1, 1, 0, 0, 1, 1, 1, 0), OUTCOME_STOPPED, "stopped"},
    {"time limit",
     {.how = FINISH_TIME_LIMIT},
     true,
     TALLY(3, 1, 1, 0, 0, 1, 0, 1, 0),
     OUTCOME_TIMED_OUT,
     "time limit"},
    {"silence limit",
     {.how = FINISH_SILENCE_LIMIT},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_TIMED_OUT,
     "silence limit"},
    {"lease ended",
     {.how = FINISH_LEASE_ENDED},
     true,
     TALLY(3, 1, 0, 0, 0, 1, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "lease"},
    {"not started",
     {.how = FINISH_NOT_STARTED},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "could not be started"},
    {"no code",
     {.how = FINISH_NO_CODE},
     true,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "code"},
    {"agent died",
     {.how = FINISH_AGENT_DIED},
     true,
     TALLY(3, 3, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "agent"},
    {"no disk",
     {.how = FINISH_NO_DISK},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "disk"},
    {"disk lost",
     {.how = FINISH_DISK_LOST},
     true,
     TALLY(3, 3, 0, 0, 0, 1, 1, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "lost"},
    {"no secret",
     {.how = FINISH_NO_SECRET},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_INFRASTRUCTURE,
     "a secret of its user could not be given to it"},
    {"memory limit",
     {.how = FINISH_MEMORY_LIMIT},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_ERROR,
     "memory"},
    {"a newer agent's word",
     {.how = 999},
     false,
     TALLY(0, 0, 0, 0, 0, 0, 0, 0, 0),
     OUTCOME_ERROR,
     "does not know"},
};

static void test_outcome__every_cause(void **state)
{
    char reason[256];
    enum outcome o;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        o = outcome_decide(&cases[i].finish, cases[i].rspec, &cases[i].tally, reason, sizeof(reason));
        if (o != cases[i].outcome || strstr(reason, cases[i].reason) == NULL)
            fail_msg("%s: came to %s, %s", cases[i].claim, outcome_name(o), reason);
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
