/* test_throttle.c - guessing takes long, in virtual time; and nobody is kept out longer than that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "accounts/throttle.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

static const char home[] = "192.0.2.1";

static struct mono at(int64_t ms)
{
    return (struct mono){INT64_C(5000000) + ms * 1000};
}

/* A try from an address that nobody else uses. */
static int64_t try_from_anywhere(struct throttle *t, int64_t ms, const char *login)
{
    static unsigned n;
    char address[32];

    n++;
    (void)snprintf(address, sizeof(address), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
    return throttle_try(t, at(ms), login, address);
}

static void test_throttle__waits_double_up_to_a_quarter_of_an_hour(void **state)
{
    static const int64_t waits[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900};
    struct throttle *t = throttle_new();
    int64_t ms = 0;

    (void)state;
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_int_equal(try_from_anywhere(t, ms, "mira"), 0);
    for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        assert_int_equal(try_from_anywhere(t, ms, "mira"), waits[i] * SECOND);
        /* Asking again neither counts nor makes it longer. */
        assert_int_equal(try_from_anywhere(t, ms + waits[i] * SECOND - 1, "MIRA"), 1);
        ms += waits[i] * SECOND;
        assert_int_equal(try_from_anywhere(t, ms, "Mira"), 0);
    }
    throttle_free(t);
}

static void test_throttle__guessing_for_a_day_gets_about_a_hundred_tries(void **state)
{
    struct throttle *t = throttle_new();
    unsigned tries = 0;

    (void)state;
    for (int64_t ms = 0; ms < 24 * 60 * MINUTE; ms += SECOND)
        tries += try_from_anywhere(t, ms, "mira") == 0;
    assert_in_range(tries, 90, 120);
    throttle_free(t);
}

static void test_throttle__tries_on_their_way_do_not_pass_together(void **state)
{
    struct throttle *t = throttle_new();
    unsigned passed = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        passed += try_from_anywhere(t, 0, "mira") == 0;
    assert_int_equal(passed, THROTTLE_FREE_TRIES);
    throttle_free(t);
}

static void test_throttle__the_right_password_starts_the_account_anew(void **state)
{
    struct throttle *t = throttle_new();

    (void)state;
    for (unsigned round = 0; round < 100; round++) { /* one address all the time: it gets its try back, too */
        for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
            assert_int_equal(try_from_anywhere(t, 0, "mira"), 0);
        assert_int_equal(throttle_try(t, at(0), "mira", home), SECOND);
        assert_int_equal(throttle_try(t, at(SECOND), "mira", home), 0);
        throttle_right(t, "mira", home);
    }
    throttle_free(t);
}

static void test_throttle__an_address_gets_ten_times_as_many(void **state)
{
    struct throttle *t = throttle_new();
    char login[32];

    (void)state;
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES * 10; i++) {
        (void)snprintf(login, sizeof(login), "user%u", i);
        assert_int_equal(throttle_try(t, at(0), login, home), 0);
    }
    assert_int_equal(throttle_try(t, at(0), "mira", home), SECOND);
    assert_int_equal(throttle_try(t, at(0), "mira", "192.0.2.2"), 0); /* others are not touched */
    throttle_free(t);
}

/* Somebody's own account, signed into between guesses at others, must not wash the address clean. */
static void test_throttle__a_right_password_gives_the_address_one_try_back_only(void **state)
{
    struct throttle *t = throttle_new();
    char login[32];
    unsigned passed = 0;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(login, sizeof(login), "user%u", i);
        passed += throttle_try(t, at(0), login, home) == 0;
        if (throttle_try(t, at(0), "mallory", home) == 0)
            throttle_right(t, "mallory", home);
    }
    assert_int_equal(passed, THROTTLE_FREE_TRIES * 10);
    throttle_free(t);
}

static void test_throttle__what_was_not_tried_counts_for_nobody(void **state)
{
    struct throttle *t = throttle_new();

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(throttle_try(t, at(0), "mira", home), 0);
        throttle_undo(t, "mira", home);
    }
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_int_equal(throttle_try(t, at(0), "mira", home), 0);
    assert_int_equal(throttle_try(t, at(0), "mira", home), SECOND);
    assert_int_equal(throttle_try(t, at(SECOND), "mira", home), 0);
    throttle_undo(t, "mira", home);
    assert_int_equal(throttle_try(t, at(SECOND), "mira", home), 0); /* as it was: waited already */
    assert_int_equal(throttle_try(t, at(SECOND), "mira", home), 2 * SECOND);
    throttle_undo(t, "nobody", "192.0.2.9"); /* what is not known is no fault */
    throttle_right(t, "nobody", "192.0.2.9");
    throttle_free(t);
}

static void test_throttle__without_an_address_only_the_login_counts(void **state)
{
    struct throttle *t = throttle_new();
    char login[32];

    (void)state;
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_int_equal(throttle_try(t, at(0), "mira", NULL), 0);
    assert_int_equal(throttle_try(t, at(0), "mira", NULL), SECOND);
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES * 100; i++) {
        (void)snprintf(login, sizeof(login), "user%u", i);
        assert_int_equal(throttle_try(t, at(0), login, NULL), 0);
    }
    throttle_free(t);
}

static void test_throttle__an_hour_later_all_is_forgotten(void **state)
{
    struct throttle *t = throttle_new();

    (void)state;
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_int_equal(try_from_anywhere(t, 0, "mira"), 0);
    assert_int_equal(try_from_anywhere(t, 59 * MINUTE, "mira"), 0);
    assert_int_equal(try_from_anywhere(t, 59 * MINUTE, "mira"), 2 * SECOND);
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_int_equal(try_from_anywhere(t, 119 * MINUTE, "mira"), 0);
    assert_int_equal(try_from_anywhere(t, 119 * MINUTE, "mira"), SECOND);
    throttle_free(t);
}

/* Tries of `first` make six keys (itself and five addresses), those of `second`, too, and one of anybody else two: when
 * all have tried, exactly the six are too many. */
static void test_throttle__keeps_so_many_keys_and_the_oldest_goes_first(void **state)
{
    struct throttle *t = throttle_new();
    char login[32];

    (void)state;
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_int_equal(try_from_anywhere(t, 0, "first"), 0);
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_int_equal(try_from_anywhere(t, 1, "second"), 0);
    for (unsigned i = 0; i < THROTTLE_KEYS_MAX / 2 - 3; i++) {
        (void)snprintf(login, sizeof(login), "user%u", i);
        assert_int_equal(try_from_anywhere(t, 2, login), 0);
    }
    assert_int_equal(try_from_anywhere(t, 2, "second"), SECOND - 1);
    assert_int_equal(try_from_anywhere(t, 2, "first"), 0); /* gone: it starts anew */
    throttle_free(t);
}

static void test_throttle__one_ipv6_network_is_one_address(void **state)
{
    struct throttle *t = throttle_new();
    char login[32];
    char address[64];

    (void)state;
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES * 10; i++) {
        (void)snprintf(login, sizeof(login), "user%u", i);
        (void)snprintf(address, sizeof(address), "2001:db8:0:1::%x", i);
        assert_int_equal(throttle_try(t, at(0), login, address), 0);
    }
    assert_int_equal(throttle_try(t, at(0), "mira", "2001:db8:0:1:ffff::1"), SECOND);
    assert_int_equal(throttle_try(t, at(0), "mira", "2001:db8:0:2::1"), 0);
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES * 10; i++) {
        (void)snprintf(login, sizeof(login), "other%u", i);
        assert_int_equal(throttle_try(t, at(0), login, i % 2 == 0 ? "::ffff:192.0.2.7" : "192.0.2.7"), 0);
    }
    assert_int_equal(throttle_try(t, at(0), "ida", "::ffff:192.0.2.7"), SECOND);
    throttle_free(t);
}

static void test_throttle__very_long_logins_are_cut(void **state)
{
    static char endless[100000];
    struct throttle *t = throttle_new();

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(endless); i++)
        endless[i] = 'x';
    for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
        assert_int_equal(throttle_try(t, at(0), endless, endless), 0);
    assert_int_equal(throttle_try(t, at(0), endless + 1, endless), SECOND);
    throttle_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_throttle__waits_double_up_to_a_quarter_of_an_hour),
        cmocka_unit_test(test_throttle__guessing_for_a_day_gets_about_a_hundred_tries),
        cmocka_unit_test(test_throttle__tries_on_their_way_do_not_pass_together),
        cmocka_unit_test(test_throttle__the_right_password_starts_the_account_anew),
        cmocka_unit_test(test_throttle__an_address_gets_ten_times_as_many),
        cmocka_unit_test(test_throttle__a_right_password_gives_the_address_one_try_back_only),
        cmocka_unit_test(test_throttle__what_was_not_tried_counts_for_nobody),
        cmocka_unit_test(test_throttle__without_an_address_only_the_login_counts),
        cmocka_unit_test(test_throttle__an_hour_later_all_is_forgotten),
        cmocka_unit_test(test_throttle__keeps_so_many_keys_and_the_oldest_goes_first),
        cmocka_unit_test(test_throttle__one_ipv6_network_is_one_address),
        cmocka_unit_test(test_throttle__very_long_logins_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
