/* test_ledger.c - the ledger of a run's examples: what is missing, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/ledger.h"

static void test_ledger__closing_takes_what_is_missing(void **state)
{
    struct tally t = {.discovered = 12, .passed = 5, .failed = 2, .pending = 1};

    (void)state;
    assert_false(tally_adds_up(&t));
    tally_close(&t, "it was stopped");
    assert_true(tally_adds_up(&t));
    assert_int_equal(t.not_run, 4);
    assert_string_equal(t.not_run_reason, "it was stopped");
    tally_close(&t, "again");
    assert_int_equal(t.not_run, 4);
    assert_string_equal(t.not_run_reason, "it was stopped");
}

static void test_ledger__reasons_stand_behind_each_other(void **state)
{
    struct tally t = {.discovered = 9, .passed = 1};

    (void)state;
    tally_not_run(&t, 0, "nothing");
    tally_not_run(&t, 2, "its fixtures were set up");
    tally_not_run(&t, 3, "-x");
    tally_not_run(&t, 1, "-x");
    tally_close(&t, "it was stopped");
    assert_string_equal(t.not_run_reason, "its fixtures were set up; -x; it was stopped");
    assert_int_equal(t.not_run, 8);
    assert_true(tally_adds_up(&t));
}

static void test_ledger__too_many_reported_stays_to_be_seen(void **state)
{
    struct tally t = {.discovered = 2, .passed = 3};

    (void)state;
    tally_close(&t, "it was stopped");
    assert_int_equal(t.not_run, 0);
    assert_false(tally_adds_up(&t));
}

static void test_ledger__nothing_runs_over(void **state)
{
    struct tally t = {.discovered = UINT32_MAX, .passed = UINT32_MAX, .failed = UINT32_MAX, .not_run = 5};
    char why[3 * NOT_RUN_REASON_BYTES_MAX];

    (void)state;
    assert_int_equal(tally_reported(&t), 2 * (uint64_t)UINT32_MAX);
    tally_not_run(&t, UINT64_MAX, "all");
    assert_int_equal(t.not_run, UINT32_MAX);
    memset(why, 0, sizeof(why));
    for (size_t i = 0; i + 2 < sizeof(why); i += 2)
        memcpy(why + i, "\xc3\xa4", 2);
    tally_not_run(&t, 1, why);
    assert_true(strlen(t.not_run_reason) <= NOT_RUN_REASON_BYTES_MAX - 1);
    assert_int_equal((unsigned char)t.not_run_reason[strlen(t.not_run_reason) - 1],
                     0xa4); /* no half character */
    tally_not_run(&t, 1, "one more");
    assert_null(strstr(t.not_run_reason, "one more"));
}

static void test_ledger__sums(void **state)
{
    struct tally sum = {.discovered = 1, .not_run = 1};
    struct tally t = {
        .discovered = 6, .passed = 1, .failed = 2, .pending = 1, .not_run = 2, .errors = 3, .bad_lines = 4};

    (void)state;
    tally_add(&sum, &t);
    assert_int_equal(sum.not_run, 3);
    assert_int_equal(sum.errors, 3);
    assert_int_equal(sum.bad_lines, 4);
    assert_true(tally_adds_up(&sum));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger__closing_takes_what_is_missing),
        cmocka_unit_test(test_ledger__reasons_stand_behind_each_other),
        cmocka_unit_test(test_ledger__too_many_reported_stays_to_be_seen),
        cmocka_unit_test(test_ledger__nothing_runs_over),
        cmocka_unit_test(test_ledger__sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
