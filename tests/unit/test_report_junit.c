/* test_report_junit.c - JUnit XML as its many producers write it, wherever the bytes are cut, and what is refused. */
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
#include "report/junit.h"

static const struct {
    const char *claim;
    const char *xml;
    const char *story;
} cases[] = {
    {"pytest",
     "<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites><testsuite name=\"pytest\" errors=\"0\" "
     "failures=\"1\" "
     "skipped=\"1\" tests=\"3\" time=\"0.042\"><testcase classname=\"tests.test_a.TestC\" name=\"test_m[x]\" "
     "time=\"0.001\" "
     "/><testcase classname=\"tests.test_a\" name=\"test_bad\" time=\"0.010\"><failure "
     "message=\"AssertionError: assert 1 == "
     "2\">def test_bad():\n&gt;       assert 1 == 2\nE       assert 1 == 2\n\ntests/test_a.py:3: "
     "AssertionError</failure></testcase><testcase classname=\"tests.test_a\" name=\"test_skip\"><skipped "
     "type=\"pytest.skip\" message=\"later\">tests/test_a.py:5: "
     "later</skipped></testcase></testsuite></testsuites>",
     "start junit \nok [pytest > tests.test_a.TestC > test_m[x]] 1ms\nFAIL [pytest > tests.test_a > "
     "test_bad] AssertionError: "
     "assert 1 == 2 {def test_bad():|>       assert 1 == 2|E       assert 1 == 2|tests/test_a.py:3: "
     "AssertionError} "
     "10ms\npend [pytest > tests.test_a > test_skip] later\nplan 3\nend 3 1 1 0\n"},
    {"surefire: properties, output, a locale's number, a rerun",
     "<?xml version='1.0' encoding='UTF-8'?>\n<!-- made by -- no, by - surefire -->\n<testsuite "
     "name='com.x.FooTest' "
     "time='1,234.5'>\n  <properties>\n    <property name='os' value='a&lt;b&#10;c'/>\n  </properties>\n  "
     "<testcase "
     "name='adds' classname='com.x.FooTest' time='1,234.5'>\n    <system-out><![CDATA[ok 1 ]]]]><![CDATA[> "
     "<failure>]]>"
     "</system-out>\n  </testcase>\n  <testcase name='divides' classname='com.x.FooTest'>\n    <error "
     "message='/ by zero' "
     "type='java.lang.ArithmeticException'><![CDATA[java.lang.ArithmeticException: / by zero\n\tat "
     "com.x.Foo.div(Foo.java:7)]]></error>\n    <rerunFailure message='again'>x</rerunFailure>\n  "
     "</testcase>\n</testsuite>\n",
     "start junit \nok [com.x.FooTest > adds] 1.2345e+06ms\nFAIL [com.x.FooTest > divides] "
     "java.lang.ArithmeticException: / by "
     "zero {java.lang.ArithmeticException: / by zero|\tat com.x.Foo.div(Foo.java:7)}\nplan 2\nend 2 1 0 0\n"},
    {"node --test-reporter=junit: suites in suites",
     "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<testsuites>\n\t<testsuite name=\"outer\" time=\"0.003\" "
     "tests=\"2\">\n\t\t"
     "<testsuite name=\"inner\">\n\t\t\t<testcase name=\"x\" time=\"0.0005\" classname=\"test\" "
     "file=\"/work/t.mjs\"/>\n\t\t"
     "</testsuite>\n\t\t<testcase name=\"y\" time=\"0\" classname=\"test\" failure=\"no\">\n\t\t\t<failure "
     "type=\"testCodeFailure\" message=\"no\">\n[Error: no] { code: 1 "
     "}\n\t\t\t</failure>\n\t\t</testcase>\n\t</testsuite>\n\t"
     "<testcase name=\"z\" time=\"0\" classname=\"test\">\n\t\t<skipped type=\"skipped\" "
     "message=\"true\"/>\n\t</testcase>\n\t"
     "<!-- tests 3 -->\n</testsuites>\n",
     "start junit \nok [outer > inner > x] @/work/t.mjs:0 0.5ms\nFAIL [outer > y] testCodeFailure: no "
     "{[Error: no] { code: 1 "
     "}}\npend [z] true\nplan 3\nend 3 1 1 0\n"},
    {"gtest: file, line, a disabled one, two failures",
     "<testsuites tests=\"2\" name=\"AllTests\"><testsuite name=\"Math\"><testcase name=\"Off\" "
     "status=\"notrun\" "
     "result=\"suppressed\" classname=\"Math\"/><testcase name=\"Div\" file=\"m.cc\" line=\"12\" "
     "status=\"run\" "
     "classname=\"Math\"><failure message=\"one\" type=\"\">m.cc:13</failure><failure message=\"two\" "
     "type=\"\">m.cc:14</failure></testcase></testsuite></testsuites>",
     "start junit \npend [Math > Off] skipped\nFAIL [Math > Div] one\n\ntwo {m.cc:13|m.cc:14} @m.cc:12\nplan "
     "2\nend 2 1 1 0\n"},
    {"a failure without an attribute: the text is the message",
     "<testsuite><testcase name='a'><failure>\nboom\n  at x\n</failure></testcase></testsuite>",
     "start junit \nFAIL [a] boom\n  at x\nplan 1\nend 1 1 0 0\n"},
    {"lines in an attribute",
     "<testsuite><testcase name='a'><failure message='one\ntwo'/></testcase></testsuite>",
     "start junit \nFAIL [a] one\ntwo\nplan 1\nend 1 1 0 0\n"},
    {"failed comes before skipped", "<testsuite><testcase name='a'><skipped/><error/></testcase></testsuite>",
     "start junit \nFAIL [a]\nplan 1\nend 1 1 0 0\n"},
    {"an error of a suite is outside of examples",
     "<testsuites><testsuite name='s'><error message='setup broke' type='E'>x:1</error><testcase "
     "name='a'/></testsuite></testsuites>",
     "start junit \nerror setup broke\nok [s > a]\nplan 1\nend 1 0 0 1\n"},
    {"attachments in what it printed, wherever they stand",
     "<testsuite><testcase name='a'><system-out><![CDATA[x [[ATTACHMENT|out/a "
     "b.png]]\n[[ATTACHMENT|no\nend]] [[[ATTACHMENT|/w/[1].png]]"
     "[[ATTACHMENT|]] [[ATTACHMEN|x]]]]></system-out><failure "
     "message='m'>[[ATTACHMENT|not/here]]</failure><system-err>"
     "[[ATTACHMENT|b&amp;c]]</system-err></testcase><testcase name='b'/><system-out>[[ATTACHMENT|of the "
     "suite]]</system-out></testsuite>",
     "start junit \nFAIL [a] m {[[ATTACHMENT|not/here]]} +out/a b.png +/w/[1].png +b&c\nok [b]\nplan 2\nend "
     "2 1 0 0\n"},
    {"no tests", "<testsuites/>", "start junit \nend 0 0 0 0\n"},
    {"a mark at the beginning, numbers of characters, no name",
     "\xef\xbb\xbf<testsuite name='&#x20ac;&#233;&amp;&quot;&apos;&gt;'><testcase/></testsuite>",
     "start junit \nok [\xe2\x82\xac\xc3\xa9&\"'> > (a test without a name)]\nplan 1\nend 1 0 0 0\n"},
    {"raw colours and bytes that are no text",
     "<testsuite><testcase name='a'><failure>\x1b[31mno\xff</failure></testcase></testsuite>",
     "start junit \nFAIL [a] \x1b[31mno\xef\xbf\xbd\nplan 1\nend 1 1 0 0\n"},
    {"a part of a report counts", "<testsuite>\n<testcase name='a'/>\n<testcase name='b'><failure",
     "start junit \nok [a]\nerror JUnit: r.xml, line 3: it ends in the middle: <testcase> is open\nplan "
     "1\nend 1 0 0 1\n"},
    {"an empty file", "", "start junit \nerror JUnit: r.xml, line 1: it is empty\nend 0 0 0 1\n"},
    {"another kind of file", "<html><body>502 Bad Gateway</body></html>",
     "start junit \nerror JUnit: r.xml is no report: it begins with <html>, not with <testsuites> or "
     "<testsuite>\nend 0 0 0 1\n"},
    {"no XML", "hello",
     "start junit \nerror JUnit: r.xml, line 1: it is not XML: there is text where an element should "
     "begin\nend 0 0 0 1\n"},
    {"a billion laughs",
     "<?xml version=\"1.0\"?>\n<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 "
     "\"&lol;&lol;\">]>\n<testsuite/>",
     "start junit \nerror JUnit: r.xml, line 2: it has a document type (<!DOCTYPE): that is refused\nend 0 0 "
     "0 1\n"},
    {"an entity of nobody's", "<testsuite name='&lol;'/>",
     "start junit \nerror JUnit: r.xml, line 1: the entity &lol; is not known: only those of XML itself "
     "are\nend 0 0 0 1\n"},
    {"a character that is none", "<testsuite name='&#xD800;'/>",
     "start junit \nerror JUnit: r.xml, line 1: the entity &#xD800; is not known: only those of XML itself "
     "are\nend 0 0 0 1\n"},
    {"another encoding", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<testsuite/>",
     "start junit \nerror JUnit: r.xml, line 1: its encoding is ISO-8859-1: write it as UTF-8\nend 0 0 0 "
     "1\n"},
    {"UTF-16", "\xff\xfe<",
     "start junit \nerror JUnit: r.xml, line 1: its encoding is UTF-16 or UTF-32: write it as UTF-8\nend 0 0 "
     "0 1\n"},
    {"tags that cross", "<testsuite><testcase name='a'></testsuite></testcase>",
     "start junit \nerror JUnit: r.xml, line 1: </testsuite> closes <testcase>\nend 0 0 0 1\n"},
    {"two roots", "<testsuite/><testsuite/>",
     "start junit \nerror JUnit: r.xml, line 1: there is a second root element <testsuite>\nend 0 0 0 1\n"},
    {"a bare ampersand", "<testsuite name='a & b'/>",
     "start junit \nerror JUnit: r.xml, line 1: a bare \"&\": it is written &amp;\nend 0 0 0 1\n"},
    {"a value without quotes", "<testsuite name=a/>",
     "start junit \nerror JUnit: r.xml, line 1: the attribute name of <testsuite> has no quoted value\nend 0 "
     "0 0 1\n"},
    {"Catch2 counts assertions",
     "<testsuites><testsuite name='t' tests='7' failures='2' errors='1'><testcase name='a'/><testcase "
     "name='b'>"
     "<failure message='x'/></testcase></testsuite></testsuites>",
     "start junit \nok [t > a]\nFAIL [t > b] x\nplan 2\nend 2 1 0 0\n"},
    {"failures that no case shows",
     "<testsuites failures='2'><testsuite name='t' failures='1' errors='1'><testcase name='a'/></testsuite>"
     "<testsuite name='u' failures='1'><testcase name='b'><failure/></testcase></testsuite></testsuites>",
     "start junit \nok [t > a]\nerror JUnit: r.xml says that 2 failed of t, and shows none of them\nFAIL [u "
     "> b]\nplan 2\n"
     "end 2 1 0 1\n"},
    {"failures of all the suites",
     "<testsuites failures='3'><testsuite><testcase name='a'/></testsuite></testsuites>",
     "start junit \nok [a]\nerror JUnit: r.xml says that 3 failed of all its suites, and shows none of "
     "them\nplan 1\nend 1 0 0 1\n"},
    {"an error of the suite is one of them",
     "<testsuite name='t' errors='1'><error message='boom'/></testsuite>",
     "start junit \nerror boom\nend 0 0 0 1\n"},
    {"a suite that lost its tests",
     "<testsuites tests='5'><testsuite name='t' tests='4'/><testsuite name='u' tests='1'><testcase "
     "name='b'/></testsuite><testsuite name='v' tests='0'/></testsuites>",
     "start junit \nplan 4\nleft 4 JUnit: r.xml says tests=\"4\" of t, and holds none\nok [u > b]\nplan "
     "1\nend 1 0 0 0\n"},
    {"no suite at all", "<testsuites tests='5'/>",
     "start junit \nplan 5\nleft 5 JUnit: r.xml says tests=\"5\" of all its suites, and holds none\nend 0 0 "
     "0 0\n"},
    {"numbers that are none",
     "<testsuite tests='-1' failures='x' errors='99999999999999999999'><testcase name='a'/></testsuite>",
     "start junit \nok [a]\nplan 1\nend 1 0 0 0\n"},
};

static void story(const char *xml, size_t n, size_t cut, bool whole, struct buf *out)
{
    struct junit *j = junit_new(story_line, out);

    buf_clear(out);
    junit_open(j, "r.xml");
    if (junit_feed(j, xml, cut))
        (void)junit_feed(j, xml + cut, n - cut);
    junit_close(j);
    junit_end(j, whole);
    junit_free(j);
}

static void test_junit__comes_to(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, MIB(4));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].xml);

        for (size_t cut = 0; cut <= n; cut++) {
            story(cases[i].xml, n, cut, true, &out);
            if (strcmp(buf_str(&out), cases[i].story) != 0)
                fail_msg("%s, cut at %zu: got\n%s\nnot\n%s", cases[i].claim, cut, buf_str(&out),
                         cases[i].story);
        }
    }
    buf_done(&out);
}

/* Wherever a report was cut off, that is said; and it never passes for whole. */
static void test_junit__every_truncation_is_an_error(void **state)
{
    struct buf out;
    size_t n = strlen(cases[0].xml);

    (void)state;
    buf_init(&out, MIB(4));
    for (size_t len = 0; len < n; len++) {
        story(cases[0].xml, len, len, true, &out);
        if (strstr(buf_str(&out), "error JUnit: r.xml, line ") == NULL)
            fail_msg("cut off at %zu: got\n%s", len, buf_str(&out));
    }
    story(cases[0].xml, n, n, false, &out);
    assert_null(strstr(buf_str(&out), "\nend "));
    buf_done(&out);
}

static void test_junit__several_files_are_one_report(void **state)
{
    static const char one[] = "<testsuite><testcase name='a'/></testsuite>";
    static const char broken[] = "<testsuite><testsuite><testcase name='b'><failure>";
    struct buf out;
    struct junit *j;

    (void)state;
    buf_init(&out, MIB(4));
    j = junit_new(story_line, &out);
    junit_open(j, "1.xml");
    assert_true(junit_feed(j, one, sizeof(one) - 1));
    junit_close(j);
    junit_open(j, "2.xml");
    assert_true(junit_feed(j, broken, sizeof(broken) - 1));
    junit_close(j);
    junit_open(j, "3.xml");
    assert_true(junit_feed(j, one, sizeof(one) - 1));
    junit_close(j);
    junit_error(j, "and more");
    junit_end(j, true);
    junit_free(j);
    assert_string_equal(
        buf_str(&out),
        "start junit \nok [a]\nplan 1\nerror JUnit: 2.xml, line 1: it ends in the middle: <failure> "
        "is open\nok [a]\nplan 1\nerror JUnit: and more\nend 2 0 0 2\n");
    buf_done(&out);
}

static void test_junit__what_is_endless_is_cut(void **state)
{
    struct buf out;
    struct junit *j;
    char *junk = xmalloc(KIB(64));

    (void)state;
    buf_init(&out, MIB(4));
    memset(junk, '"', KIB(64));
    j = junit_new(story_line, &out);
    junit_open(j, "r.xml");
    assert_true(junit_feed(j, "<testsuite><testcase name='", 27));
    for (int i = 0; i < 16; i++)
        assert_true(junit_feed(j, junk, KIB(64)));
    assert_true(junit_feed(j, "'><failure message='m'>", 23));
    for (int i = 0; i < 16; i++)
        assert_true(junit_feed(j, junk, KIB(64)));
    assert_true(junit_feed(j, "</failure><system-out>", 22));
    for (int i = 0; i < 16; i++)
        assert_true(junit_feed(j, junk, KIB(64)));
    assert_true(junit_feed(j, "</system-out></testcase></testsuite>", 36));
    junit_close(j);
    junit_open(j, "deep.xml");
    for (int i = 0; i < 63; i++)
        assert_true(junit_feed(j, "<testsuite>", 11));
    assert_true(junit_feed(j, "<testcase name='deep'/>", 23));
    assert_true(junit_feed(j, "<testsuite>", 11));
    assert_false(junit_feed(j, "<testsuite>", 11));
    junit_close(j);
    junit_end(j, true);
    junit_free(j);
    assert_true(out.len < KIB(256));
    assert_non_null(strstr(buf_str(&out), "\"\xe2\x80\xa6] m {"));
    assert_non_null(strstr(buf_str(&out),
                           "ok [deep]\nerror JUnit: deep.xml, line 1: elements are nested deeper than 64\n"));
    buf_done(&out);
    free(junk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_junit__comes_to),
        cmocka_unit_test(test_junit__every_truncation_is_an_error),
        cmocka_unit_test(test_junit__several_files_are_one_report),
        cmocka_unit_test(test_junit__what_is_endless_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
