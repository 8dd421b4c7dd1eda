/* test_log.c - a line of the log is one line that can be read, whatever stands in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"

static char got[20000];

/* What log_line() writes to standard error. */
static void begin(int ret[2], int *ret_stderr)
{
    assert_int_equal(pipe(ret), 0);
    (void)fflush(stderr);
    *ret_stderr = dup(STDERR_FILENO);
    assert_int_equal(dup2(ret[1], STDERR_FILENO), STDERR_FILENO);
    (void)close(ret[1]);
}

static void end(int fds[2], int old)
{
    ssize_t n;

    assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
    (void)close(old);
    n = read(fds[0], got, sizeof(got) - 1);
    (void)close(fds[0]);
    assert_true(n > 0);
    got[n] = '\0';
}

#define WRITTEN(...)           \
    do {                       \
        int fds[2];            \
        int old;               \
                               \
        begin(fds, &old);      \
        LOG_WARN(__VA_ARGS__); \
        end(fds, old);         \
    } while (0)

static json_t *as_json(void)
{
    json_error_t error;
    size_t n = strlen(got);
    json_t *o;

    assert_true(n > 1 && got[n - 1] == '\n' && memchr(got, '\n', n) == got + n - 1);
    o = json_loads(got, JSON_REJECT_DUPLICATES, &error);
    if (o == NULL)
        fail_msg("%s: %s", error.text, got);
    return o;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    assert_non_null(s);
    return s;
}

static void test_log__a_line_has_time_level_event_and_fields(void **state)
{
    char quoted[100];

    (void)state;
    log_set_json(0);
    WRITTEN("server.sick", "server=%s n=%d why=%s", "qa-1", 3,
            log_quote(quoted, sizeof(quoted), "a \"b\"\n"));
    assert_string_equal(got + 24, " level=warn event=server.sick server=qa-1 n=3 why=\"a \\\"b\\\"\\x0a\"\n");
}

static void test_log__json_has_a_member_for_each_field(void **state)
{
    char quoted[100];
    json_t *o;

    (void)state;
    log_set_json(1);
    WRITTEN("server.sick", "server=%s n=%d big=%s zero=007 why=%s empty= off=-5", "qa-1", 3,
            "18446744073709551615", log_quote(quoted, sizeof(quoted), "a \"b\" \\ c\x1b[1m\n"));
    o = as_json();
    assert_string_equal(text_of(o, "level"), "warn");
    assert_string_equal(text_of(o, "event"), "server.sick");
    assert_int_equal(strlen(text_of(o, "time")), 24);
    assert_string_equal(text_of(o, "server"), "qa-1");
    assert_int_equal(json_integer_value(json_object_get(o, "n")), 3);
    assert_int_equal(json_integer_value(json_object_get(o, "off")), -5);
    assert_string_equal(text_of(o, "big"),
                        "18446744073709551615"); /* more than a number of JSON holds surely */
    assert_string_equal(text_of(o, "zero"), "007");
    assert_string_equal(text_of(o, "why"), "a \"b\" \\ c\x1b[1m\n");
    assert_string_equal(text_of(o, "empty"), "");
    json_decref(o);
}

static void test_log__json_is_valid_whatever_the_bytes_are(void **state)
{
    static const char *const evil[] = {"\xff\xfe",    "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                       "\xc0\xaf",    "\"",   "\\",       "\\x",          "a=\"",
                                       "a=\"b\\",     "=",    "a==b",     "</script>",    "\x7f\x01",
                                       "\xe2\x80\xa8"};
    char quoted[100];

    (void)state;
    log_set_json(1);
    for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
        WRITTEN("x", "why=%s", log_quote(quoted, sizeof(quoted), evil[i]));
        json_decref(as_json());
        WRITTEN("x", "why=%s", evil[i]);
        json_decref(as_json());
        WRITTEN("x", "%s", evil[i]);
        json_decref(as_json());
    }
}

static void test_log__what_is_too_long_is_cut_and_can_still_be_read(void **state)
{
    static char text[4000];
    static char quoted[5000];
    json_t *o;

    (void)state;
    for (unsigned skew = 0; skew < 8; skew++) {
        for (size_t i = 0; i < sizeof(text) - 1; i++)
            text[i] = "\"\\a\xc3\xa9"[(i + skew) % 5];
        log_set_json(1);
        WRITTEN("x", "n=1 why=%s more=2", log_quote(quoted, sizeof(quoted), text));
        o = as_json();
        assert_true(strlen(text_of(o, "why")) > 500);
        json_decref(o);
        log_set_json(0);
        WRITTEN("x", "n=1 why=%s more=2", log_quote(quoted, sizeof(quoted), text));
        assert_string_equal(got + strlen(got) - 2, "\"\n");
        assert_true(strlen(got) < 2048);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__a_line_has_time_level_event_and_fields),
        cmocka_unit_test(test_log__json_has_a_member_for_each_field),
        cmocka_unit_test(test_log__json_is_valid_whatever_the_bytes_are),
        cmocka_unit_test(test_log__what_is_too_long_is_cut_and_can_still_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
