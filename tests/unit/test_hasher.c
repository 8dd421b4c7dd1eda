/* test_hasher.c - passwords are made and checked beside the loop, in order, and never without a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sodium.h>
#include <uv.h>

#include "accounts/accounts.h"
#include "api/hasher.h"
#include "base/clock.h"
#include "base/mem.h"

struct world {
    uv_loop_t loop;
    struct hasher *h;
    unsigned n; /* answers */
    unsigned want;
    unsigned free_at; /* free the hasher from inside this answer; 0: not */
    uint64_t order[HASHER_QUEUE_MAX];
    char made[crypto_pwhash_STRBYTES];
    char made_anew[crypto_pwhash_STRBYTES];
    bool is_right;
};

struct asked {
    struct world *w;
    unsigned id;
};

static void world_begin(struct world *w)
{
    struct why why;

    *w = (struct world){0};
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(hasher_new(&w->loop, &w->h, &why), ERR_OK);
}

static void world_end(struct world *w)
{
    hasher_free(w->h);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void answered(struct world *w)
{
    w->n++;
    if (w->n == w->free_at) {
        hasher_free(w->h);
        w->h = NULL;
    }
    if (w->n == w->want)
        uv_stop(&w->loop);
}

static void on_made(void *ctx, const char *made)
{
    struct world *w = ctx;

    assert_non_null(made);
    (void)snprintf(w->made, sizeof(w->made), "%s", made);
    answered(w);
}

static void on_checked(void *ctx, bool is_right, const char *made_anew)
{
    struct world *w = ctx;

    w->is_right = is_right;
    (void)snprintf(w->made_anew, sizeof(w->made_anew), "%s", made_anew == NULL ? "" : made_anew);
    answered(w);
}

static void wait_for(struct world *w, unsigned more)
{
    w->want = w->n + more;
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->n, w->want);
}

static const char *make(struct world *w, const char *password)
{
    assert_int_equal(hasher_make(w->h, password, on_made, w), ERR_OK);
    wait_for(w, 1);
    return w->made;
}

static bool check(struct world *w, const char *password, const char *made)
{
    assert_int_equal(hasher_check(w->h, password, made, on_checked, w), ERR_OK);
    wait_for(w, 1);
    return w->is_right;
}

static void test_hasher__knows_the_right_password(void **state)
{
    struct world w;
    char first[crypto_pwhash_STRBYTES];

    (void)state;
    world_begin(&w);
    (void)snprintf(first, sizeof(first), "%s", make(&w, "correct horse"));
    assert_memory_equal(first, "$argon2id$v=19$m=65536,", 23);
    assert_true(check(&w, "correct horse", first));
    assert_string_equal(w.made_anew, ""); /* today's parameters */
    assert_false(check(&w, "correct horsf", first));
    assert_false(check(&w, "", first));
    assert_string_not_equal(make(&w, "correct horse"), first); /* salted */
    assert_true(check(&w, "gr\xc3\xbc\xc3\x9f Gott, Welt", make(&w, "gr\xc3\xbc\xc3\x9f Gott, Welt")));
    world_end(&w);
}

static void test_hasher__nothing_is_right_where_there_is_no_password(void **state)
{
    static const char *const made[] = {"", "x", "$argon2id$", "$argon2id$v=19$m=65536,t=2,p=1$AAAA$AAAA",
                                       "$2a$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"};
    struct world w;

    (void)state;
    world_begin(&w);
    for (unsigned i = 0; i < ARRAY_LEN(made); i++) {
        assert_false(check(&w, "", made[i]));
        assert_false(check(&w, "correct horse", made[i]));
        assert_string_equal(w.made_anew, "");
    }
    world_end(&w);
}

static void test_hasher__what_was_made_with_less_is_made_anew(void **state)
{
    struct world w;
    char old[crypto_pwhash_STRBYTES];

    (void)state;
    world_begin(&w);
    assert_int_equal(crypto_pwhash_str(old, "correct horse", 13, 1, 8192u * 1024u), 0);
    assert_false(check(&w, "wrong horse", old));
    assert_string_equal(w.made_anew, "");
    assert_true(check(&w, "correct horse", old));
    assert_memory_equal(w.made_anew, "$argon2id$v=19$m=65536,", 23);
    memcpy(old, w.made_anew, sizeof(old));
    assert_true(check(&w, "correct horse", old));
    assert_string_equal(w.made_anew, "");
    world_end(&w);
}

/* The password's first 1024 bytes are not the password. */
static void test_hasher__a_password_that_is_too_long_is_wrong(void **state)
{
    struct world w;
    char longest[PASSWORD_BYTES_MAX + 2];
    char made[crypto_pwhash_STRBYTES];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[PASSWORD_BYTES_MAX] = '\0';
    world_begin(&w);
    (void)snprintf(made, sizeof(made), "%s", make(&w, longest));
    assert_true(check(&w, longest, made));
    longest[PASSWORD_BYTES_MAX] = 'x';
    longest[PASSWORD_BYTES_MAX + 1] = '\0';
    assert_false(check(&w, longest, made));
    world_end(&w);
}

/* Of this process alone, whatever else the machine does. */
static int64_t worked_us(void)
{
    struct timespec ts;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The least of some: caches are shared with other programs. */
static int64_t quickest_us(struct world *w, const char *made)
{
    int64_t best = INT64_MAX;

    for (unsigned i = 0; i < 4; i++) {
        int64_t begin = worked_us();
        int64_t us;

        assert_false(check(w, "wrong horse", made));
        us = worked_us() - begin;
        best = us < best ? us : best;
    }
    return best;
}

static void test_hasher__who_has_no_account_costs_the_same(void **state)
{
    struct world w;
    char made[crypto_pwhash_STRBYTES];
    int64_t some;
    int64_t none;

    (void)state;
    world_begin(&w);
    (void)snprintf(made, sizeof(made), "%s", make(&w, "correct horse"));
    some = quickest_us(&w, made);
    none = quickest_us(&w, "");
    print_message("a password %lld us, none %lld us\n", (long long)some, (long long)none);
    assert_true(none > some / 4 && none < some * 4);
    world_end(&w);
}

static void on_ordered(void *ctx, const char *made)
{
    struct asked *a = ctx;

    assert_non_null(made);
    a->w->order[a->w->n] = a->id;
    answered(a->w);
}

static void test_hasher__answers_in_order_and_takes_only_so_many(void **state)
{
    struct world w;
    struct asked asked[HASHER_QUEUE_MAX];

    (void)state;
    world_begin(&w);
    for (unsigned i = 0; i < HASHER_QUEUE_MAX; i++) {
        asked[i] = (struct asked){&w, i};
        assert_int_equal(hasher_make(w.h, "correct horse", on_ordered, &asked[i]), ERR_OK);
    }
    /* However far the thread is: what was not answered counts. */
    assert_int_equal(hasher_make(w.h, "correct horse", on_ordered, &asked[0]), ERR_BUSY);
    assert_int_equal(hasher_check(w.h, "correct horse", "", on_checked, &w), ERR_BUSY);
    wait_for(&w, 3);
    for (unsigned i = 0; i < w.n; i++)
        assert_int_equal(w.order[i], i);
    assert_int_equal(hasher_check(w.h, "correct horse", "", on_checked, &w),
                     ERR_OK); /* there is room again */
    world_end(&w);
    assert_int_equal(w.n, w.want); /* what waited is dropped, without a word */
}

static void test_hasher__ends_while_it_works(void **state)
{
    struct world w;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        world_begin(&w);
        for (unsigned k = 0; k < i * 4; k++)
            assert_int_equal(hasher_make(w.h, "correct horse", on_made, &w), ERR_OK);
        world_end(&w);
        assert_int_equal(w.n, 0);
    }
}

static void test_hasher__ends_from_inside_an_answer(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w);
    w.free_at = 2;
    for (unsigned k = 0; k < 6; k++)
        assert_int_equal(hasher_make(w.h, "correct horse", on_made, &w), ERR_OK);
    (void)uv_run(&w.loop, UV_RUN_DEFAULT);
    assert_int_equal(w.n, 2);
    world_end(&w);
}

static void on_made_then_check(void *ctx, const char *made)
{
    struct world *w = ctx;

    assert_int_equal(hasher_check(w->h, "correct horse", made, on_checked, w), ERR_OK);
}

static void test_hasher__takes_work_from_inside_an_answer(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w);
    assert_int_equal(hasher_make(w.h, "correct horse", on_made_then_check, &w), ERR_OK);
    wait_for(&w, 1);
    assert_true(w.is_right);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hasher__knows_the_right_password),
        cmocka_unit_test(test_hasher__nothing_is_right_where_there_is_no_password),
        cmocka_unit_test(test_hasher__what_was_made_with_less_is_made_anew),
        cmocka_unit_test(test_hasher__a_password_that_is_too_long_is_wrong),
        cmocka_unit_test(test_hasher__who_has_no_account_costs_the_same),
        cmocka_unit_test(test_hasher__answers_in_order_and_takes_only_so_many),
        cmocka_unit_test(test_hasher__ends_while_it_works),
        cmocka_unit_test(test_hasher__ends_from_inside_an_answer),
        cmocka_unit_test(test_hasher__takes_work_from_inside_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
