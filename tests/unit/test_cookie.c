/* test_cookie.c - one cookie of a header: strict, and never one of two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "net/cookie.h"

static void test_cookie__is_found_among_others(void **state)
{
    static const struct {
        const char *header;
        const char *value; /* NULL: none */
    } rows[] = {
        {"sid=abc", "abc"},
        {"a=1; sid=abc; b=2", "abc"},
        {"a=1;sid=abc;b=2", "abc"},
        {" sid=abc ", "abc"},
        {"sid=", ""},
        {"sid=a=b==", "a=b=="},
        {"sid=\"abc\"", "\"abc\""},
        /* The others may be as they like. */
        {"a; =; ;; x y=\"; {\"j\":1}; \xc3\xbc=1; sid=abc;", "abc"},
        {"xsid=1; sid2=2; SID=3; sid=abc", "abc"},
        {"a=sid=no; sid=abc", "abc"},
        {"", NULL},
        {"sid", NULL},
        {"a=1; b=2", NULL},
        {"SID=abc", NULL},
        {"sid =abc", NULL},
        {"a=sid=abc", NULL},
        {"a=1, sid=abc", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = 99;
        const char *v = cookie_find(rows[i].header, "sid", &len);

        if ((v == NULL) != (rows[i].value == NULL))
            fail_msg("%s: %s", rows[i].header, v == NULL ? "none" : v);
        assert_int_equal(len, rows[i].value == NULL ? 0 : strlen(rows[i].value));
        if (v != NULL)
            assert_memory_equal(v, rows[i].value, len);
    }
}

static void test_cookie__of_two_neither_is_believed(void **state)
{
    static const char *const rows[] = {
        "sid=a; sid=b", "sid=a; sid=a", "sid=a;x=1;sid=", "sid=; sid=a", "sid=a; sid=\x01", "sid=\"; sid=a\"",
    };
    size_t len;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_null(cookie_find(rows[i], "sid", &len));
}

static void test_cookie__a_value_holds_no_more_than_it_may(void **state)
{
    static const char *const rows[] = {
        "sid=a b",  "sid=a,b",  "sid=a\"b",     "sid=\"a",   "sid=\"",
        "sid=a\\b", "sid=a\tb", "sid=\xc3\xbc", "sid=a\x7f",
    };
    size_t len;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_null(cookie_find(rows[i], "sid", &len));
}

static void test_cookie__a_header_has_a_greatest_size(void **state)
{
    static char header[COOKIE_BYTES_MAX + 2];
    size_t len;

    (void)state;
    assert_null(cookie_find(NULL, "sid", &len));
    memset(header, 'x', sizeof(header) - 1);
    memcpy(header + sizeof(header) - 8, "; sid=a", 7);
    assert_null(cookie_find(header, "sid", &len));
    assert_non_null(cookie_find(header + 1, "sid", &len));
    assert_int_equal(len, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookie__is_found_among_others),
        cmocka_unit_test(test_cookie__of_two_neither_is_believed),
        cmocka_unit_test(test_cookie__a_value_holds_no_more_than_it_may),
        cmocka_unit_test(test_cookie__a_header_has_a_greatest_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
