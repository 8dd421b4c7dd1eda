/* test_cause.c - which failures have one cause, and which do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/cause.h"

static void test_cause__general_form_of_a_message(void **state)
{
    static const struct {
        const char *message;
        const char *general;
    } rows[] = {
        {"", ""},
        {"  \n ", ""},
        {"plain words stay", "plain words stay"},
        {"a\n  b\t\tc\r\n", "a b c"},
        {"\nexpected: 5\n     got: 3\n\n(compared using ==)\n", "expected: <n> got: <n> (compared using ==)"},
        {"expected -5, got +5.25", "expected <n>, got <n>"},
        {"1,234.5 of 10.0.0.7", "<n> of <n>"},
        {"[1, 2, 3] or [7]", "[<n>] or [<n>]"},
        {"no element '#btn-12'", "no element '#btn-<n>'"},
        {"no element \"#btn-13\"", "no element \"#btn-<n>\""},
        {"btn12x", "btn<n>x"},
        {"user_a8f3kd92", "user_<id>"},
        {"session 'Zx81Qk3mP7'", "session '<id>'"},
        {"#<Page:0x00007f3a5c0d>", "#<Page:<hex>>"},
        {"commit 4e1c09ab77", "commit <hex>"},
        {"cafebabe", "cafebabe"}, /* a word, not a number: it has no digit */
        {"id 550e8400-e29b-41d4-a716-446655440000!", "id <uuid>!"},
        {"at 2024-01-02T03:04:05.123Z.", "at <time>."},
        {"at 2024-01-02 03:04:05 +0200, at 03:04", "at <time>, at <time>"},
        {"on 2024/01/02", "on <time>"},
        {"no file /tmp/d20240102-77-abc/x.docx here", "no file <tmp> here"},
        {"'/var/folders/zz/T/a b'", "'<tmp> b'"},
        {"see /usr/lib/x", "see /usr/lib/x"},
        {"\x1b[31mred\x1b[0m 7\x1b[", "red <n>"},
        {"<n> and <n>", "<n> and <n>"},
        {"\xc3\xa9"
         "7\xe2\x82\xac",
         "\xc3\xa9<n>\xe2\x82\xac"},
        {"took 12ms", "took <n>ms"},
        {"a.rb:12:30", "a.rb:<time>"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        struct buf again;

        buf_init(&b, KIB(8));
        buf_init(&again, KIB(8));
        cause_general(&b, rows[i].message);
        cause_general(&again, buf_str(&b));
        assert_string_equal(buf_str(&b), rows[i].general);
        assert_string_equal(buf_str(&again), rows[i].general);
        buf_done(&b);
        buf_done(&again);
    }
}

static uint64_t id(const char *exception, const char *message, const char *first, const char *second)
{
    const char *const backtrace[] = {first, second};
    struct arena a;
    struct cause c;

    arena_init(&a);
    cause_of_failure(&a, exception, message, backtrace, second != NULL ? 2 : first != NULL ? 1 : 0, &c);
    arena_done(&a);
    return c.id;
}

static void test_cause__is_one_for_failures_that_differ_in_numbers_and_lines(void **state)
{
    uint64_t one =
        id("Timeout", "no '#btn-12' in 5 s", "/usr/lib/gems/x/a.rb:1", "./lib/page.rb:40:in `click'");

    (void)state;
    assert_int_equal(one, id("Timeout", "no '#btn-13' in 7 s", "./lib/page.rb:44:in `click'", NULL));
    assert_int_equal(one,
                     id("Timeout", "\nno '#btn-1'  in 10 s\n", "./lib/page.rb:1:in `click'", "./b.rb:2"));
}

static void test_cause__differs_by_exception_message_and_place(void **state)
{
    uint64_t one = id("Timeout", "no button", "./lib/page.rb:40:in `click'", NULL);

    (void)state;
    assert_true(one != id("Error", "no button", "./lib/page.rb:40:in `click'", NULL));
    assert_true(one != id("Timeout", "no field", "./lib/page.rb:40:in `click'", NULL));
    assert_true(one != id("Timeout", "no button", "./lib/page.rb:40:in `type'", NULL));
    assert_true(one != id("Timeout", "no button", "./lib/page2.rb:40:in `click'", NULL));
    assert_true(one != id("Timeout", "no button", NULL, NULL));
    assert_true(id("a", "b", NULL, NULL) != id("ab", "", NULL, NULL));
}

/* They are stored: another value would make every known failure a new one. */
static void test_cause__ids_stay_from_version_to_version(void **state)
{
    char text[CAUSE_ID_BYTES];
    struct arena a;
    struct cause c;

    (void)state;
    cause_id_text(id("Timeout", "no '#btn-12'", "./lib/page.rb:40:in `click'", NULL), text);
    assert_string_equal(text, "050e7f4a4c009b94");
    arena_init(&a);
    cause_of_run(&a, OUTCOME_TIMED_OUT, "no end after 60 s", &c);
    cause_id_text(c.id, text);
    assert_string_equal(text, "48690b69627f00be");
    assert_int_equal(cause_id_parse(text), c.id);
    assert_string_equal(c.title, "no end after <n> s");
    arena_done(&a);
    assert_int_equal(cause_id_parse("12"), 0);
    assert_int_equal(cause_id_parse("zz00000000000000"), 0);
    assert_int_equal(cause_id_parse("ffffffffffffffff"), 0);
}

static void test_cause__has_a_title_whatever_the_message(void **state)
{
    struct arena a;
    struct cause c;
    char *longest = xmalloc(5001);

    (void)state;
    arena_init(&a);
    cause_of_failure(&a, "Boom", "", NULL, 0, &c);
    assert_string_equal(c.title, "Boom");
    cause_of_failure(&a, "", "", NULL, 0, &c);
    assert_string_equal(c.title, "failed without a message");
    memset(longest, 'x', 5000);
    longest[5000] = '\0';
    cause_of_failure(&a, "", longest, NULL, 0, &c);
    assert_int_equal(strlen(c.title), CAUSE_TITLE_BYTES);
    assert_string_equal(c.title + CAUSE_TITLE_BYTES - 3, "\xe2\x80\xa6");
    free(longest);
    arena_done(&a);
}

static void test_cause__frames_of_the_project_come_first(void **state)
{
    static const char *const lines[] = {"/usr/lib/ruby/3.1/net/http.rb:1", "<internal:kernel>:18:in `loop'",
                                        "./spec/a_spec.rb:3:in `x'"};
    struct slice file;
    uint32_t line;

    (void)state;
    assert_ptr_equal(frame_top(lines, 3), lines[2]);
    assert_ptr_equal(frame_top(lines, 2), lines[0]);
    assert_null(frame_top(NULL, 0));
    assert_false(frame_is_own("vendor/bundle/gems/x.rb:1"));
    assert_true(frame_is_own("lib/x.rb:1"));
    assert_true(frame_place(lines[2], &file, &line));
    assert_int_equal(line, 3);
    assert_true(slice_eq(file, SLICE("spec/a_spec.rb")));
    assert_false(frame_place("no place", &file, &line));
    assert_false(frame_place(":12", &file, &line));
    assert_false(frame_place("a.rb:0", &file, &line));
    assert_false(frame_place("a.rb:99999999999", &file, &line));
}

static void test_cause__a_message_names_its_page(void **state)
{
    struct slice url;
    struct slice shot;

    (void)state;
    message_page("broke\nPage address: 'https://a.b/c'\nError screenshot: 'shots/a.png'\n", &url, &shot);
    assert_true(slice_eq(url, SLICE("https://a.b/c")));
    assert_true(slice_eq(shot, SLICE("shots/a.png")));
    message_page("Page address: https://a.b/c\n'not this'", &url, &shot);
    assert_int_equal(url.len, 0);
    assert_int_equal(shot.len, 0);
    assert_true(url_is_web("https://a", 9));
    assert_false(url_is_web("javascript:alert(1)", 19));
    assert_false(url_is_web("http://", 7));
}

#define TEST(name) cmocka_unit_test(test_cause__##name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(general_form_of_a_message),
        TEST(is_one_for_failures_that_differ_in_numbers_and_lines),
        TEST(differs_by_exception_message_and_place),
        TEST(ids_stay_from_version_to_version),
        TEST(has_a_title_whatever_the_message),
        TEST(frames_of_the_project_come_first),
        TEST(a_message_names_its_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
