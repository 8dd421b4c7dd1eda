/* test_results.c - what the results channel may bring, and that nothing in it can hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/results.h"

static const char suite[] =
    "{\"e\":\"start\",\"v\":1,\"adapter\":\"rspec\",\"discovered\":3}\n"
    "{\"e\":\"running\",\"id\":\"./a_spec.rb[1:1]\",\"path\":[\"A\",\"adds\"]}\n"
    "{\"e\":\"example\",\"id\":\"./a_spec.rb[1:1]\",\"path\":[\"A\",\"adds\"],\"file\":\"./"
    "a_spec.rb\",\"line\":3,"
    "\"status\":\"passed\",\"ms\":1.5}\n"
    "{\"e\":\"example\",\"id\":\"./"
    "a_spec.rb[1:2]\",\"path\":[\"A\",\"fails\"],\"status\":\"failed\",\"ms\":2,"
    "\"message\":\"expected "
    "\\u00e9\",\"backtrace\":[\"./a_spec.rb:9\",\"./b.rb:1\"],\"exception\":\"Boom\","
    "\"artifacts\":[\"tmp/a.png\",7,\"tmp/b.html\"]}\n"
    "{\"e\":\"example\",\"id\":\"./"
    "a_spec.rb[1:3]\",\"path\":[\"A\",\"waits\"],\"status\":\"pending\",\"ms\":0,"
    "\"pending\":\"later\"}\n"
    "{\"e\":\"error\",\"message\":\"after(:suite) broke\"}\n"
    "{\"e\":\"end\",\"examples\":3,\"failed\":1,\"pending\":1,\"errors\":1,\"aborted\":false}\n";

static void check_suite(const struct results *r, const struct example_list *out)
{
    assert_int_equal(r->tally.discovered, 3);
    assert_int_equal(r->tally.passed, 1);
    assert_int_equal(r->tally.failed, 1);
    assert_int_equal(r->tally.pending, 1);
    assert_int_equal(r->tally.errors, 1);
    assert_int_equal(r->tally.bad_lines, 0);
    assert_true(r->tally.started);
    assert_true(r->tally.ended);
    assert_false(r->tally.aborted);
    assert_int_equal(out->n, 4);
    assert_string_equal(out->rows[1].message, "expected \xc3\xa9");
    assert_int_equal(out->rows[1].n_backtrace, 2);
    assert_int_equal(out->rows[1].n_artifacts, 2);
    assert_string_equal(out->rows[1].artifacts[1], "tmp/b.html");
    assert_int_equal(out->rows[0].n_artifacts, 0);
    assert_string_equal(out->rows[2].pending, "later");
    assert_int_equal(out->rows[3].status, EXAMPLE_ERROR);
    assert_int_equal(out->rows[3].seq, 3);
    assert_int_equal(results_position(r), sizeof(suite) - 1);
}

/* What the adapter says of the page goes before what the message says; what is no address of a page is none. */
static void test_results__a_failure_names_its_page(void **state)
{
    static const char lines[] =
        "{\"e\":\"example\",\"status\":\"failed\",\"message\":\"x\\nPage address: 'https://a.b/c'\\nError "
        "screenshot: 'tmp/s.png'\",\"artifacts\":[\"a.png\"]}\n"
        "{\"e\":\"example\",\"status\":\"failed\",\"message\":\"Page address: 'https://a.b/c' Error "
        "screenshot: 'https://s/x.png'\",\"page_url\":\"http://d.e/\"}\n"
        "{\"e\":\"example\",\"status\":\"failed\",\"message\":\"Page address: "
        "'javascript:x'\",\"page_url\":7}\n";
    struct example_list out = {0};
    struct results r;

    (void)state;
    results_init(&r, (struct run_id){7}, 0, NULL, 0);
    results_feed(&r, lines, sizeof(lines) - 1, &out);
    assert_int_equal(out.n, 3);
    assert_string_equal(out.rows[0].page_url, "https://a.b/c");
    assert_string_equal(out.rows[0].screenshot, "");
    assert_int_equal(out.rows[0].n_artifacts, 2);
    assert_string_equal(out.rows[0].artifacts[1], "tmp/s.png");
    assert_string_equal(out.rows[1].page_url, "http://d.e/");
    assert_string_equal(out.rows[1].screenshot, "https://s/x.png");
    assert_int_equal(out.rows[1].n_artifacts, 0);
    assert_string_equal(out.rows[2].page_url, "");
    assert_true(out.rows[0].cause != 0);
    results_done(&r);
    arena_done(&out.arena);
}

static void feed_cut_at(size_t cut)
{
    struct example_list out = {0};
    struct results r;

    results_init(&r, (struct run_id){7}, 0, NULL, 0);
    results_feed(&r, suite, cut, &out);
    results_feed(&r, suite + cut, sizeof(suite) - 1 - cut, &out);
    check_suite(&r, &out);
    results_done(&r);
    arena_done(&out.arena);
}

static void test_results__give_the_same_wherever_the_bytes_are_cut(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof(suite); cut++)
        feed_cut_at(cut);
}

static void test_results__go_on_from_the_position_that_was_stored(void **state)
{
    struct example_list first = {0};
    struct example_list second = {0};
    struct results before;
    struct results after;
    const size_t cut = 300; /* within a line */

    (void)state;
    results_init(&before, (struct run_id){7}, 0, NULL, 0);
    results_feed(&before, suite, cut, &first);
    assert_true(results_position(&before) < cut);

    /* The server died here; another goes on from what the store has. */
    results_init(&after, (struct run_id){7}, results_position(&before), &before.tally, before.next_seq);
    results_feed(&after, suite + results_position(&before),
                 sizeof(suite) - 1 - (size_t)results_position(&before), &second);
    assert_int_equal(first.n + second.n, 4);
    assert_int_equal(after.tally.passed + after.tally.failed + after.tally.pending, 3);
    assert_int_equal(results_position(&after), sizeof(suite) - 1);
    results_done(&before);
    results_done(&after);
    arena_done(&first.arena);
    arena_done(&second.arena);
}

static void test_results__count_lines_they_cannot_read_and_go_on(void **state)
{
    static const char bad[] = "not json\n{\"e\":1}\n[]\n{\"e\":\"example\",\"status\":\"odd\"}\n\n"
                              "{\"e\":\"later-invention\"}\n{\"e\":\"example\",\"status\":\"passed\"}\n";
    struct example_list out = {0};
    struct results r;

    (void)state;
    results_init(&r, (struct run_id){7}, 0, NULL, 0);
    results_feed(&r, bad, sizeof(bad) - 1, &out);
    assert_int_equal(r.tally.bad_lines, 4);
    assert_int_equal(r.tally.passed, 1);
    assert_int_equal(out.n, 1);
    results_done(&r);
    arena_done(&out.arena);
}

static struct tally told(const char *lines)
{
    struct example_list out = {0};
    struct results r;
    struct tally t;

    results_init(&r, (struct run_id){7}, 0, NULL, 0);
    results_feed(&r, lines, strlen(lines), &out);
    t = r.tally;
    results_done(&r);
    arena_done(&out.arena);
    return t;
}

static void test_results__take_what_is_left_out_with_its_reason(void **state)
{
    struct tally t = told("{\"e\":\"start\",\"discovered\":9}\n"
                          "{\"e\":\"not_run\",\"count\":4,\"why\":\"--fail\\n\\u001b[31mfast\"}\n"
                          "{\"e\":\"not_run\",\"count\":-3,\"why\":\"less\"}\n"
                          "{\"e\":\"not_run\",\"count\":2}\n{\"e\":\"not_run\"}\n");

    (void)state;
    assert_int_equal(t.not_run, 6);
    assert_string_equal(t.not_run_reason, "--fail  [31mfast; its framework does not say why");
    assert_int_equal(t.bad_lines, 0);
    t = told("{\"e\":\"start\",\"discovered\":4294967295}\n{\"e\":\"start\",\"discovered\":4294967295}\n");
    assert_int_equal(t.discovered, UINT32_MAX);
}

static void test_results__notice_that_the_adapter_counted_more(void **state)
{
    static const char passed[] = "{\"e\":\"example\",\"status\":\"passed\"}\n";
    static const struct {
        const char *end;
        bool miscounted;
    } cases[] = {
        {"{\"e\":\"end\",\"examples\":1,\"failed\":0,\"pending\":0,\"errors\":0}\n", false},
        {"{\"e\":\"end\"}\n", false},
        {"{\"e\":\"end\",\"examples\":2}\n", true},
        {"{\"e\":\"end\",\"examples\":1,\"failed\":1}\n", true},
        {"{\"e\":\"end\",\"examples\":1,\"errors\":1}\n", true},
    };
    char lines[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(lines, sizeof(lines), "%s%s", passed, cases[i].end);
        assert_int_equal(told(lines).miscounted, cases[i].miscounted);
    }
}

static void test_results__pass_over_a_line_without_end(void **state)
{
    struct example_list out = {0};
    static const char last[] = "\n{\"e\":\"example\",\"status\":\"failed\"}\n";
    struct results r;
    char *junk = malloc(KIB(64));
    uint64_t at = 0;

    (void)state;
    memset(junk, 'x', KIB(64));
    results_init(&r, (struct run_id){7}, 0, NULL, 0);
    for (int i = 0; i < 64; i++) { /* 4 MiB without a line's end */
        results_feed(&r, junk, KIB(64), &out);
        assert_true(results_position(&r) >= at);
        at = results_position(&r);
    }
    assert_true(at >=
                MIB(4) -
                    RESULTS_LINE_MAX); /* so that it is acknowledged and the channel does not stand still */
    results_feed(&r, last, sizeof(last) - 1, &out);
    assert_int_equal(r.tally.bad_lines, 1);
    assert_int_equal(r.tally.failed, 1);
    assert_int_equal(results_position(&r), MIB(4) + sizeof(last) - 1);
    results_done(&r);
    arena_done(&out.arena);
    free(junk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results__give_the_same_wherever_the_bytes_are_cut),
        cmocka_unit_test(test_results__go_on_from_the_position_that_was_stored),
        cmocka_unit_test(test_results__count_lines_they_cannot_read_and_go_on),
        cmocka_unit_test(test_results__take_what_is_left_out_with_its_reason),
        cmocka_unit_test(test_results__notice_that_the_adapter_counted_more),
        cmocka_unit_test(test_results__pass_over_a_line_without_end),
        cmocka_unit_test(test_results__a_failure_names_its_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
