/* The JSON writer: what it writes, jansson reads back; and whatever bytes come, what leaves is valid. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "wire/json_out.h"

static json_t *read_back(const struct buf *b)
{
    json_error_t e;
    json_t *v = json_loadb(buf_str(b), b->len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);

    if (v == NULL)
        fail_msg("%s at %d in %s", e.text, e.position, buf_str(b));
    return v;
}

static void test_json__writes_what_is_read_back(void **state)
{
    struct json_out j;
    struct buf b;
    json_t *v;

    (void)state;
    buf_init(&b, MIB(1));
    jo_begin(&j, &b);
    jo_obj(&j);
    jo_ktext(&j, "text", "a\"b\\c\n\t\x01/<script>");
    jo_ktext(&j, "null", NULL);
    jo_ktext_or_null(&j, "empty", "");
    jo_kint(&j, "least", INT64_MIN);
    jo_kuint(&j, "most", INT64_MAX);
    jo_kdouble(&j, "half", 12.4);
    jo_kdouble(&j, "nan", NAN);
    jo_kbool(&j, "yes", true);
    jo_ktime(&j, "at", (struct wall){1795402193120});
    jo_ktime(&j, "never", (struct wall){0});
    jo_karr(&j, "list");
    jo_obj(&j);
    jo_obj_end(&j);
    jo_arr(&j);
    jo_arr_end(&j);
    jo_int(&j, 0);
    jo_arr_end(&j);
    jo_obj_end(&j);
    assert_null(strchr(buf_str(&b), '<'));
    v = read_back(&b);
    assert_string_equal(json_string_value(json_object_get(v, "text")), "a\"b\\c\n\t\x01/<script>");
    assert_true(json_is_null(json_object_get(v, "null")));
    assert_true(json_is_null(json_object_get(v, "empty")));
    assert_true(json_integer_value(json_object_get(v, "least")) == INT64_MIN);
    assert_true(json_integer_value(json_object_get(v, "most")) == INT64_MAX);
    assert_true(json_real_value(json_object_get(v, "half")) == 12.4);
    assert_true(json_is_null(json_object_get(v, "nan")));
    assert_string_equal(json_string_value(json_object_get(v, "at")), "2026-11-23T02:49:53.120Z");
    assert_true(json_is_null(json_object_get(v, "never")));
    assert_int_equal(json_array_size(json_object_get(v, "list")), 3);
    json_decref(v);
    buf_done(&b);
}

static const char *one_text(struct buf *b, const char *s, size_t n)
{
    struct json_out j;

    buf_clear(b);
    jo_begin(&j, b);
    jo_textn(&j, s, n);
    return buf_str(b);
}

static void test_json__bad_bytes_become_replacement_characters(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, KIB(4));
    assert_string_equal(one_text(&b, "a\xff\xfe z", 5), "\"a\\ufffd\\ufffd z\"");
    assert_string_equal(one_text(&b, "\xc0\xaf", 2), "\"\\ufffd\\ufffd\"");            /* overlong */
    assert_string_equal(one_text(&b, "\xed\xa0\x80", 3), "\"\\ufffd\\ufffd\\ufffd\""); /* surrogate */
    assert_string_equal(one_text(&b, "\xf5\x80\x80\x80", 4), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
    assert_string_equal(one_text(&b, "\xe2\x82", 2), "\"\\ufffd\\ufffd\""); /* cut */
    assert_string_equal(one_text(&b, "\xe2\x82\xac", 3), "\"\xe2\x82\xac\"");
    assert_string_equal(one_text(&b, "\xe2\x80\xa8\xe2\x80\xa9", 6), "\"\\u2028\\u2029\"");
    assert_string_equal(one_text(&b, "\0\x7f", 2), "\"\\u0000\\u007f\"");
    buf_done(&b);
}

static void test_json__any_bytes_give_valid_json(void **state)
{
    struct rng rng;
    struct buf b;

    (void)state;
    rng_seed(&rng, 7);
    buf_init(&b, KIB(4));
    for (int i = 0; i < 20000; i++) {
        char bytes[24];
        size_t n = rng_below(&rng, sizeof(bytes) + 1);

        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)(rng_chance(&rng, 1, 2) ? rng_below(&rng, 256) : 0x80 + rng_below(&rng, 0x78));
        (void)one_text(&b, bytes, n);
        json_decref(read_back(&b));
    }
    buf_done(&b);
}

static void test_json__a_chunk_is_cut_at_a_whole_character(void **state)
{
    static const char text[] = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};

    (void)state;
    for (size_t n = 0; n < sizeof(whole) / sizeof(whole[0]); n++)
        assert_int_equal(utf8_whole(text, n), whole[n]);
    assert_int_equal(utf8_whole("\x80\x80\x80\x80", 4), 4); /* never valid: nothing to wait for */
    assert_int_equal(utf8_whole("a\xff", 2), 2);
    assert_int_equal(utf8_whole("\xe2\xe2", 2), 1);
}

static void test_json__times_are_calendar_times(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {1, "1970-01-01T00:00:00.001Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1709251199999, "2024-02-29T23:59:59.999Z"},
        {4102444800000, "2100-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
    };
    char text[JSON_TIME_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        jo_time_text((struct wall){rows[i].ms}, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__writes_what_is_read_back),
        cmocka_unit_test(test_json__bad_bytes_become_replacement_characters),
        cmocka_unit_test(test_json__any_bytes_give_valid_json),
        cmocka_unit_test(test_json__a_chunk_is_cut_at_a_whole_character),
        cmocka_unit_test(test_json__times_are_calendar_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
