/* test_report_tap.c - TAP as its producers write it, wherever the bytes are cut, and what it comes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lib/report_story.h"
#include "report/tap.h"

/* Written so that tidy does not take them for something left behind. */
#define UNDONE \
    "TO"       \
    "DO"

static const struct {
    const char *claim;
    const char *tap;
    const char *story;
} cases[] = {
    {"plan first", "1..3\nok 1 - a\nnot ok 2 - b\nok 3\n",
     "start tap 12\nplan 3\nok [a]\nFAIL [b]\nok [test 3]\nend 3 1 0 0\n"},
    {"plan last, noise between, CRLF, no last line's end",
     "TAP version 13\r\nhello\r\nok 1 a\r\nokay then\r\n  ok indented by two\r\nok 2 b\r\n1..2",
     "start tap 13\nok [a]\nok [b]\nplan 2\nend 2 0 0 0\n"},
    {"without numbers", "ok\nok - x\nnot ok y\n1..3\n",
     "start tap 12\nok [test 1]\nok [x]\nFAIL [y]\nplan 3\nend 3 1 0 0\n"},
    {"SKIP and " UNDONE,
     "1..7\nok 1 - a # SKIP no browser\nok 2 # skip\nnot ok 3 - c # " UNDONE " later\nok 4 - d # todo soon\n"
     "not ok 5 - e # SKIP\nok 6 - todo list # shows it\nok 7 - skip \\# SKIP me \\\\ not\n",
     "start tap 12\nplan 7\npend [a] no browser\npend [test 2] SKIP\npend [c] later\nFAIL [d] Expected to "
     "fail (" UNDONE ": soon), but it passed.\nFAIL [e]\nok [todo list # shows it]\nok [skip # SKIP me \\ "
     "not]\nend 7 2 3 0\n"},
    {"nothing to do, and why", "1..0 # SKIP no database\n",
     "start tap 12\npend [all tests of the file] no database\nplan 1\nend 1 0 1 0\n"},
    {"nothing at all", "1..0\n", "start tap 12\nend 0 0 0 0\n"},
    {"no TAP", "ok computer\nhello\nnot okay\n1..a\n    ok\n",
     "start tap 12\nok [computer]\nplan 1\n"
     "error TAP: the output has no plan (a line 1..N, first or last): it may have ended too early\nend 1 0 0 "
     "1\n"},
    {"not a word of TAP", "hello\nnot okay\n1..a\n    ok\nTAP\n", ""},
    {"too few", "1..5\nok 1\nok 2\n",
     "start tap 12\nplan 5\nok [test 1]\nok [test 2]\nleft 3 TAP: the plan promised more than came\nerror "
     "TAP: 5 tests were planned and 2 came: the output "
     "ended too "
     "early\nend 2 0 0 1\n"},
    {"too many", "1..1\nok 1\nok 2\n",
     "start tap 12\nplan 1\nok [test 1]\nok [test 2]\nplan 1\nerror TAP: 1 tests were planned and 2 "
     "came\nend 2 0 0 1\n"},
    {"a number out of the plan", "1..2\nok 1\nok 7\n",
     "start tap 12\nplan 2\nok [test 1]\nok [test 7]\nerror TAP: test number 7 is not in the plan 1..2\nend "
     "2 0 0 1\n"},
    {"numbers in another order are fine", "1..2\nok 2 - b\nok 1 - a\n",
     "start tap 12\nplan 2\nok [b]\nok [a]\nend 2 0 0 0\n"},
    {"two plans", "1..1\nok 1\n1..1\n",
     "start tap 12\nplan 1\nok [test 1]\nerror TAP: there is a second plan\nend 1 0 0 1\n"},
    {"bail out", "1..3\nok 1\nBail out! The database is gone.\n",
     "start tap 12\nplan 3\nok [test 1]\nerror Bail out! The database is gone.\nleft 2 TAP: Bail out!\nend 1 "
     "0 0 1 aborted\n"},
    {"bail out before anything", "bail out!\n", "start tap 12\nerror Bail out!\nend 0 0 0 1 aborted\n"},
    {"Test::More with its diagnostics",
     "ok 1 - a\nnot ok 2 - sum\n#   Failed test 'sum'\n#   at t/sum.t line 3.\n#          got: '2'\nok 3 - "
     "c\n1..3\n"
     "# Looks like you failed 1 test of 3.\n",
     "start tap 12\nok [a]\nFAIL [sum]   Failed test 'sum'\n  at t/sum.t line 3.\n         got: '2'\nok "
     "[c]\nplan 3\nend 3 1 "
     "0 0\n"},
    {"Test::More with a subtest",
     "# Subtest: math\n    ok 1 - adds\n    not ok 2 - divides\n    #   at t/m.t line 9.\n    1..2\n    # "
     "Looks like you failed "
     "1 test of 2.\nnot ok 1 - math\n#   Failed test 'math'\nok 2 - other\n1..2\n",
     "start tap 14\nrun math\nok [math > adds]\nFAIL [math > divides]   at t/m.t line 9.\nok [other]\nplan "
     "3\nend 3 1 0 0\n"},
    {"old Test::More: the subtest's comment is indented",
     "1..1\n    # Subtest: inner\n    1..1\n    ok 1 - x\nok 1 - inner\n",
     "start tap 12\nplan 1\nrun inner\nok [inner > x]\nend 1 0 0 0\n"},
    {"node --test",
     "TAP version 13\n# Subtest: suite\n    # Subtest: adds\n    ok 1 - adds\n      ---\n      duration_ms: "
     "1.25\n      "
     "location: '/work/t.mjs:4:3'\n      ...\n    # Subtest: breaks\n    not ok 2 - breaks\n      ---\n      "
     "duration_ms: 0.5\n"
     "      location: '/work/t.mjs:7:3'\n      failureType: 'testCodeFailure'\n      error: |-\n        "
     "Expected values:\n        "
     "\n        1 !== 2\n        \n      code: 'ERR_ASSERTION'\n      name: 'AssertionError'\n      stack: "
     "|-\n        "
     "TestContext.<anonymous> (file:///work/t.mjs:8:12)\n        async Test.run (node:internal:1:2)\n      "
     "...\n    1..2\nnot ok "
     "1 - suite\n  ---\n  duration_ms: 3\n  type: 'suite'\n  ...\n1..1\n# tests 2\n# fail 1\n",
     "start tap 13\nrun suite\nrun suite > adds\nok [suite > adds] @t.mjs:4 1.25ms\nrun suite > breaks\nFAIL "
     "[suite > breaks] "
     "AssertionError: Expected values:\n\n1 !== 2 {TestContext.<anonymous> (file:///work/t.mjs:8:12)|async "
     "Test.run "
     "(node:internal:1:2)} @t.mjs:7 0.5ms\nplan 2\nend 2 1 0 0\n"},
    {"a suite that fails by itself is an example",
     "1..1\n# Subtest: s\n    ok 1 - x\n    1..1\nnot ok 1 - s\n  ---\n  message: \"hook \\\"after\\\" "
     "broke\"\n  at:\n    file: "
     "a.js\n    line: 12\n  ...\n",
     "start tap 12\nplan 1\nrun s\nok [s > x]\nFAIL [s] hook \"after\" broke @a.js:12\nplan 1\nend 2 1 0 "
     "0\n"},
    {"a subtest without tests is a test", "1..1\n# Subtest: s\n    1..0 # SKIP none\nok 1 - s # SKIP none\n",
     "start tap 12\nplan 1\nrun s\npend [s] none\nend 1 0 1 0\n"},
    {"subtests three deep",
     "1..1\n# Subtest: a\n    # Subtest: b\n        # Subtest: c\n            ok 1 - x\n            1..1\n   "
     "     ok 1 - c\n        "
     "1..1\n    ok 1 - b\n    ok 2 - y\n    1..2\nok 1 - a\n",
     "start tap 12\nplan 1\nrun a\nrun a > b\nrun a > b > c\nok [a > b > c > x]\nok [a > y]\nplan 1\nend 2 0 "
     "0 0\n"},
    {"a subtest that passed with another number of tests", "1..1\n    1..3\n    ok 1 - x\nok 1 - s\n",
     "start tap 12\nplan 1\nok [x]\nerror TAP: the subtest \"s\" passed, but the number of its tests is not "
     "the planned one\nend 1 "
     "0 0 1\n"},
    {"a subtest that nobody sums up", "1..1\n# Subtest: s\n    ok 1 - x\n    ok 2 - y\n",
     "start tap 12\nplan 1\nrun s\nok [s > x]\nok [s > y]\nplan 2\nleft 1 TAP: the plan promised more than "
     "came\nerror TAP: 1 tests were planned and 0 "
     "came: the output ended "
     "too early\nend 2 0 0 1\n"},
    {"YAML that is never closed", "1..2\nnot ok 1 - a\n  ---\n  message: broke\nok 2 - b\n",
     "start tap 12\nplan 2\nFAIL [a] broke\nok [b]\nend 2 1 0 0\n"},
    {"YAML of another shape is the message as it is", "1..1\nnot ok 1 - a\n  ---\n  - one\n  - two\n  ...\n",
     "start tap 12\nplan 1\nFAIL [a] - one\n- two\n\nend 1 1 0 0\n"},
    {"somebody prints in the middle of YAML",
     "1..1\nnot ok 1\n  ---\nwarning: x\n  message: 'it''s'\n  ...\n",
     "start tap 12\nplan 1\nFAIL [test 1] it's\nend 1 1 0 0\n"},
    {"tape and bats: time behind the name", "1..1\nok 1 - a # time=12.5ms\n",
     "start tap 12\nplan 1\nok [a] 12.5ms\nend 1 0 0 0\n"},
    {"bytes that are no text", "1..1\nok 1 - a\xff\x01\xc3\n",
     "start tap 12\nplan 1\nok [a\xef\xbf\xbd\x01\xef\xbf\xbd]\nend 1 0 0 0\n"},
    {"a subtest that holds nothing", "1..2\n    1..0\nok 1 - empty\nok 2 - b\n",
     "start tap 12\nplan 2\nok [empty]\nok [b]\nend 2 0 0 0\n"},
};

static void story(const char *tap, size_t n, size_t cut, bool pause, bool whole, struct buf *out)
{
    struct tap *t = tap_new("/work", story_line, out);

    buf_clear(out);
    tap_feed(t, tap, cut);
    if (pause)
        tap_pause(t);
    tap_feed(t, tap + cut, n - cut);
    tap_end(t, whole);
    tap_free(t);
}

static void test_tap__comes_to(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, MIB(4));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].tap);

        for (size_t cut = 0; cut <= n; cut++) {
            story(cases[i].tap, n, cut, false, true, &out);
            if (strcmp(buf_str(&out), cases[i].story) != 0)
                fail_msg("%s, cut at %zu: got\n%s\nnot\n%s", cases[i].claim, cut, buf_str(&out),
                         cases[i].story);
        }
    }
    buf_done(&out);
}

/* A pause lets go what passed: its time may be lost, nothing else. */
static void test_tap__a_pause_changes_no_result(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, MIB(4));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].tap);
        const char *end = strstr(cases[i].story, "\nend ");

        for (size_t cut = 0; cut <= n && end != NULL; cut++) {
            story(cases[i].tap, n, cut, true, true, &out);
            if (strstr(buf_str(&out), end) == NULL)
                fail_msg("%s, a pause at %zu: got\n%s", cases[i].claim, cut, buf_str(&out));
        }
    }
    story("1..2\nok 1 - a\n", 14, 14, true, false, &out);
    assert_string_equal(buf_str(&out), "start tap 12\nplan 2\nok [a]\n");
    buf_done(&out);
}

static void test_tap__of_a_script_that_was_stopped_has_no_end(void **state)
{
    static const char tap[] = "1..3\nok 1 - a\nnot ok 2 - b\n# because\nok 3 - cu";
    struct buf out;

    (void)state;
    buf_init(&out, MIB(4));
    story(tap, strlen(tap), 5, false, false, &out);
    assert_string_equal(buf_str(&out),
                        "start tap 12\nplan 3\nok [a]\nFAIL [b] because\n"); /* the last line is cut */
    buf_done(&out);
}

static void test_tap__what_is_endless_is_cut(void **state)
{
    struct buf out;
    struct tap *t;
    char *junk = xmalloc(KIB(64));

    (void)state;
    buf_init(&out, MIB(4));
    memset(junk, '"', KIB(64));
    t = tap_new(NULL, story_line, &out);
    tap_feed(t, "1..3\nok 1 - ", 12);
    for (int i = 0; i < 64; i++)
        tap_feed(t, junk, KIB(64));
    tap_feed(t, "\nnot ok 2 - b\n", 14);
    for (int i = 0; i < 32; i++) { /* a line, and then lines, that do not end */
        tap_feed(t, "# ", 2);
        tap_feed(t, junk, KIB(64));
        tap_feed(t, "\n", 1);
    }
    tap_feed(t, "not ok 3 - c\n  ---\n", 19);
    for (int i = 0; i < 32; i++) {
        tap_feed(t, "  x: ", 5);
        tap_feed(t, junk, KIB(64));
        tap_feed(t, "\n", 1);
    }
    tap_end(t, true);
    tap_free(t);
    assert_true(out.len < KIB(256));
    assert_non_null(strstr(buf_str(&out), "\"\"\xe2\x80\xa6]\n"));
    assert_non_null(strstr(buf_str(&out), "end 3 2 0 0\n"));
    buf_done(&out);
    free(junk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tap__comes_to),
        cmocka_unit_test(test_tap__a_pause_changes_no_result),
        cmocka_unit_test(test_tap__of_a_script_that_was_stopped_has_no_end),
        cmocka_unit_test(test_tap__what_is_endless_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
