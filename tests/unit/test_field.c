/* Field tables: what is let in, and what is said about what is not. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/field.h"

struct sample {
    int64_t n;
    bool yes;
    const char *text;
    struct field_texts list;
    int choice;
    uint32_t set;
    struct field_int_or_text either;
};

static const char *const names[] = {"red", "green", "blue", NULL};
#define AT(member) .offset = offsetof(struct sample, member)
static const struct field table[] = {
    {.name = "n", .type = FIELD_INT, AT(n), .min = -5, .max = 10, .help = "a number"},
    {.name = "yes", .type = FIELD_BOOL, AT(yes), .help = "a flag"},
    {.name = "text",
     .type = FIELD_TEXT,
     AT(text),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 8,
     .help = "a text"},
    {.name = "list", .type = FIELD_TEXTS, AT(list), .min = 1, .max = 4, .items_max = 3, .help = "texts"},
    {.name = "choice", .type = FIELD_ENUM, AT(choice), .names = names, .help = "a colour"},
    {.name = "set", .type = FIELD_ENUM_SET, AT(set), .names = names, .help = "colours"},
    {.name = "either", .type = FIELD_INT_OR_TEXT, AT(either), .min = 1, .max = 8, .help = "id or name"},
    {.type = FIELD_END},
};
/* A query has no lists. */
static const struct field query_table[] = {
    {.name = "n", .type = FIELD_INT, AT(n), .min = -5, .max = 10, .help = "a number"},
    {.name = "yes", .type = FIELD_BOOL, AT(yes), .help = "a flag"},
    {.name = "text", .type = FIELD_TEXT, AT(text), .max = 8, .help = "a text"},
    {.name = "choice", .type = FIELD_ENUM, AT(choice), .names = names, .help = "a colour"},
    {.name = "set", .type = FIELD_ENUM_SET, AT(set), .names = names, .help = "colours"},
    {.name = "either", .type = FIELD_INT_OR_TEXT, AT(either), .min = 1, .max = 8, .help = "id or name"},
    {.type = FIELD_END},
};

static void test_field__a_body_fills_the_struct(void **state)
{
    static const char body[] = "{\"n\":-5,\"yes\":true,\"text\":\"gr\\u00fcn\",\"list\":[\"a\",\"bc\"],"
                               "\"choice\":\"green\",\"set\":\"red,blue\",\"either\":7}";
    struct sample s = {0};
    struct arena arena;
    struct why why;

    (void)state;
    arena_init(&arena);
    assert_int_equal(field_read_json(table, body, strlen(body), &arena, &s, &why), ERR_OK);
    assert_int_equal(s.n, -5);
    assert_true(s.yes);
    assert_string_equal(s.text, "gr\xc3\xbcn");
    assert_int_equal(s.list.n, 2);
    assert_string_equal(s.list.at[1], "bc");
    assert_int_equal(s.choice, 1);
    assert_int_equal(s.set, 5);
    assert_null(s.either.text);
    assert_int_equal(s.either.number, 7);
    arena_done(&arena);
}

static void test_field__what_is_absent_or_null_keeps_its_preset(void **state)
{
    struct sample s = {.n = 3, .choice = 2};
    struct arena arena;
    struct why why;

    (void)state;
    arena_init(&arena);
    assert_int_equal(field_read_json(table, "{\"text\":\"a\",\"n\":null}", 21, &arena, &s, &why), ERR_OK);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.choice, 2);
    arena_done(&arena);
}

static void test_field__a_refusal_names_field_value_and_what_is_right(void **state)
{
    static const struct {
        const char *body;
        enum err err;
        const char *field;
        const char *words;
    } rows[] = {
        {"", ERR_INVALID, "text", "missing"},
        {"{\"text\":null}", ERR_INVALID, "text", "null and must be a text"},
        {"{\"text\":\"\"}", ERR_INVALID, "text", "empty"},
        {"{\"text\":\"123456789\"}", ERR_INVALID, "text", "'123456789' has 9 bytes; at most 8"},
        {"{\"text\":\"a\\u0001\"}", ERR_INVALID, "text", "control character"},
        {"{\"text\":\"a\\u0000\"}", ERR_PROTO, NULL, "not JSON"},
        {"{\"text\":\"\xff\"}", ERR_PROTO, NULL, "unable to decode byte 0xff"},
        {"{\"text\":5}", ERR_INVALID, "text", "a number and must be a text"},
        {"{\"text\":\"a\",\"n\":11}", ERR_INVALID, "n", "11 is not in -5..10"},
        {"{\"text\":\"a\",\"n\":1.0}", ERR_INVALID, "n", "whole number"},
        {"{\"text\":\"a\",\"n\":99999999999999999999}", ERR_PROTO, NULL, "not JSON"},
        {"{\"text\":\"a\",\"yes\":1}", ERR_INVALID, "yes", "true or false"},
        {"{\"text\":\"a\",\"list\":[\"a\",2]}", ERR_INVALID, "list", "list[1]"},
        {"{\"text\":\"a\",\"list\":[\"a\",\"\"]}", ERR_INVALID, "list", "list[1]: it is empty"},
        {"{\"text\":\"a\",\"list\":[\"a\",\"a\",\"a\",\"a\"]}", ERR_INVALID, "list", "at most 3"},
        {"{\"text\":\"a\",\"choice\":\"pink\"}", ERR_INVALID, "choice",
         "'pink' is none of: red, green, blue"},
        {"{\"text\":\"a\",\"set\":\"red,,blue\"}", ERR_INVALID, "set", "none of"},
        {"{\"text\":\"a\",\"either\":[]}", ERR_INVALID, "either", "a list and must be"},
        {"{\"text\":\"a\",\"txet\":\"b\"}", ERR_INVALID, NULL, "no field 'txet'; there are n, yes, text"},
        {"{\"text\":\"a\",\"text\":\"b\"}", ERR_INVALID, NULL, "text"},
        {"[]", ERR_PROTO, NULL, "a list and must be an object"},
        {"{\"text\":\"a\"} x", ERR_PROTO, NULL, "line 1"},
    };
    struct sample s = {0};
    struct arena arena;
    struct why why;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = (struct why){0};
        if (field_read_json(table, rows[i].body, strlen(rows[i].body), &arena, &s, &why) != rows[i].err)
            fail_msg("%s: %s %s", rows[i].body, err_name(why.code), why.text);
        if (rows[i].field != NULL)
            assert_string_equal(why.field, rows[i].field);
        else
            assert_null(why.field);
        if (strstr(why.text, rows[i].words) == NULL)
            fail_msg("%s: '%s' does not say '%s'", rows[i].body, why.text, rows[i].words);
    }
    arena_done(&arena);
}

struct line {
    const char *name;
    const char *value;
};
struct account {
    int locked;
    const char *password;
    struct field_rows lines;
};

static const struct field line_table[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct line, name),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 8,
     .help = "a name"},
    {.name = "value",
     .type = FIELD_TEXT,
     .offset = offsetof(struct line, value),
     .flags = FIELD_SECRET,
     .max = 8,
     .help = "a value"},
    {.type = FIELD_END},
};
static const struct field account_table[] = {
    {.name = "locked",
     .type = FIELD_MAYBE,
     .offset = offsetof(struct account, locked),
     .help = "yes, no, or as it is"},
    {.name = "password",
     .type = FIELD_TEXT,
     .offset = offsetof(struct account, password),
     .flags = FIELD_SECRET,
     .min = 4,
     .max = 8,
     .help = "a password"},
    {.name = "lines",
     .type = FIELD_ROWS,
     .offset = offsetof(struct account, lines),
     .rows = line_table,
     .row_bytes = sizeof(struct line),
     .items_max = 2,
     .help = "objects"},
    {.type = FIELD_END},
};

static void test_field__objects_in_a_list_and_flags_that_may_be_left_out(void **state)
{
    static const char body[] =
        "{\"lines\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":null}]}";
    struct account a = {.locked = -1};
    const struct line *lines;
    struct arena arena;
    struct why why;

    (void)state;
    arena_init(&arena);
    assert_int_equal(field_read_json(account_table, body, strlen(body), &arena, &a, &why), ERR_OK);
    assert_int_equal(a.locked, -1);
    assert_int_equal(a.lines.n, 2);
    lines = a.lines.at;
    assert_string_equal(lines[0].value, "1");
    assert_string_equal(lines[1].name, "B");
    assert_null(lines[1].value);
    assert_int_equal(field_read_json(account_table, "{\"locked\":false}", 16, &arena, &a, &why), ERR_OK);
    assert_int_equal(a.locked, 0);
    assert_int_equal(field_read_json(account_table, "{\"locked\":true}", 15, &arena, &a, &why), ERR_OK);
    assert_int_equal(a.locked, 1);
    arena_done(&arena);
}

static void test_field__a_refused_row_is_named_and_a_secret_is_never_shown(void **state)
{
    static const struct {
        const char *body;
        enum err err;
        const char *field;
        const char *words;
    } rows[] = {
        {"{\"locked\":1}", ERR_INVALID, "locked", "true or false"},
        {"{\"lines\":{}}", ERR_INVALID, "lines", "a list of objects"},
        {"{\"lines\":[7]}", ERR_INVALID, "lines", "lines[0]: it is a number"},
        {"{\"lines\":[{\"name\":\"A\"},{\"value\":\"x\"}]}", ERR_INVALID, "lines",
         "lines[1]: name: it is missing"},
        {"{\"lines\":[{\"name\":\"A\",\"x\":1}]}", ERR_INVALID, "lines", "lines[0]: there is no field 'x'"},
        {"{\"lines\":[{\"name\":\"A\"},{\"name\":\"B\"},{\"name\":\"C\"}]}", ERR_INVALID, "lines",
         "at most 2"},
        {"{\"lines\":[{\"name\":\"A\",\"value\":\"hush hush\"}]}", ERR_INVALID, "lines",
         "lines[0]: value: it has 9 bytes"},
        {"{\"password\":\"hus\"}", ERR_INVALID, "password", "it has 3 bytes; there must be at least 4"},
        {"{\"password\":\"hush\\n\"}", ERR_INVALID, "password", "control character"},
        {"{\"password\":\"hush\" hush}", ERR_PROTO, NULL, "not JSON: line 1"},
    };
    struct account a = {0};
    struct arena arena;
    struct why why;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = (struct why){0};
        if (field_read_json(account_table, rows[i].body, strlen(rows[i].body), &arena, &a, &why) !=
            rows[i].err)
            fail_msg("%s: %s %s", rows[i].body, err_name(why.code), why.text);
        if (rows[i].field != NULL)
            assert_string_equal(why.field, rows[i].field);
        if (strstr(why.text, rows[i].words) == NULL || strstr(why.text, "hus") != NULL)
            fail_msg("%s: '%s' does not say '%s', or too much", rows[i].body, why.text, rows[i].words);
    }
    arena_done(&arena);
}

static void test_field__a_query_fills_the_struct(void **state)
{
    struct sample s = {0};
    struct arena arena;
    struct why why;

    (void)state;
    arena_init(&arena);
    assert_int_equal(field_read_query(query_table,
                                      "n=-2&yes=1&text=a%20b+c&&choice=blue&set=green%2Cred&either=docs",
                                      &arena, &s, &why),
                     ERR_OK);
    assert_int_equal(s.n, -2);
    assert_true(s.yes);
    assert_string_equal(s.text, "a b c");
    assert_int_equal(s.choice, 2);
    assert_int_equal(s.set, 3);
    assert_string_equal(s.either.text, "docs");
    assert_int_equal(field_read_query(query_table, NULL, &arena, &s, &why), ERR_OK);
    arena_done(&arena);
}

static void test_field__a_bad_query_is_refused(void **state)
{
    static const struct {
        const char *query;
        enum err err;
    } rows[] = {
        {"n=1&n=2", ERR_INVALID},
        {"n=", ERR_INVALID},
        {"n=1x", ERR_INVALID},
        {"n=+1", ERR_INVALID},
        {"n=99999999999999999999", ERR_INVALID},
        {"yes=true", ERR_INVALID},
        {"m=1", ERR_INVALID},
        {"text=%", ERR_PROTO},
        {"text=%4", ERR_PROTO},
        {"text=%4g", ERR_PROTO},
        {"text=%00", ERR_PROTO},
        {"text=%ff", ERR_PROTO},
        {"text=%0a", ERR_INVALID},
        {"te%zzxt=a", ERR_PROTO},
        {"=", ERR_INVALID},
    };
    struct sample s = {0};
    struct arena arena;
    struct why why;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (field_read_query(query_table, rows[i].query, &arena, &s, &why) != rows[i].err)
            fail_msg("%s", rows[i].query);
    }
    arena_done(&arena);
}

static void test_field__the_schema_is_json(void **state)
{
    struct json_out j;
    struct buf b;
    json_t *v;

    (void)state;
    buf_init(&b, KIB(64));
    jo_begin(&j, &b);
    field_schema(table, &j);
    v = json_loadb(buf_str(&b), b.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(v);
    assert_int_equal(json_object_size(json_object_get(v, "properties")), 7);
    assert_int_equal(json_array_size(json_object_get(v, "required")), 1);
    json_decref(v);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field__a_body_fills_the_struct),
        cmocka_unit_test(test_field__what_is_absent_or_null_keeps_its_preset),
        cmocka_unit_test(test_field__a_refusal_names_field_value_and_what_is_right),
        cmocka_unit_test(test_field__objects_in_a_list_and_flags_that_may_be_left_out),
        cmocka_unit_test(test_field__a_refused_row_is_named_and_a_secret_is_never_shown),
        cmocka_unit_test(test_field__a_query_fills_the_struct),
        cmocka_unit_test(test_field__a_bad_query_is_refused),
        cmocka_unit_test(test_field__the_schema_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
