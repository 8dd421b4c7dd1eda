/* test_log_search.c - searching a log: lines as people read them, places in them, limits of expressions, long lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/log_search.h"
#include "base/clock.h"
#include "base/mem.h"
#include "wire/log_text.h"

#define CUT 100 /* bytes at a time, and all at once */

static struct log_search *search(const char *query, bool is_regex, enum log_case how, uint32_t hits)
{
    struct log_search *s = NULL;
    struct why why;

    if (log_search_new(query, strlen(query), is_regex, how, hits, &s, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return s;
}

static void feed(struct log_search *s, const char *p, size_t n, size_t cut)
{
    while (n > 0) {
        size_t part = n < cut ? n : cut;

        assert_int_equal(log_search_feed(s, p, part, MONO_NEVER), part);
        p += part;
        n -= part;
    }
}

/* "line@byte+bytes 'text' from-to ...; " of each line found, however the log is cut. */
static void expect_n(const char *query, bool is_regex, enum log_case how, const char *log, size_t n,
                     const char *expected)
{
    for (size_t cut = 1; cut <= CUT; cut += CUT - 1) {
        struct log_search *s = search(query, is_regex, how, 10);
        struct buf out;

        buf_init(&out, KIB(64));
        feed(s, log, n, cut == CUT ? n : cut);
        log_search_end(s);
        for (uint32_t i = 0; i < log_search_hits(s); i++) {
            struct log_hit h;

            log_search_hit(s, i, &h);
            buf_printf(&out, "%llu@%llu+%llu '%.*s'", (unsigned long long)h.line, (unsigned long long)h.byte,
                       (unsigned long long)h.bytes, (int)h.text.len, h.text.ptr);
            for (uint32_t k = 0; k < h.n_at; k++)
                buf_printf(&out, " %u-%u", h.at[k][0], h.at[k][1]);
            buf_puts(&out, "; ");
        }
        assert_string_equal(buf_str(&out), expected);
        buf_done(&out);
        log_search_free(s);
    }
}

static void expect(const char *query, bool is_regex, enum log_case how, const char *log, const char *expected)
{
    expect_n(query, is_regex, how, log, strlen(log), expected);
}

static void test_log_search__finds_lines_and_all_places_in_them(void **state)
{
    (void)state;
    expect("ab", false, LOG_CASE_YES, "one ab\nnone\nabab AB\n",
           "1@0+6 'one ab' 4-6; 3@12+7 'abab AB' 0-2 2-4; ");
    expect("ab", false, LOG_CASE_SMART, "one ab\nnone\nabab AB",
           "1@0+6 'one ab' 4-6; 3@12+7 'abab AB' 0-2 2-4 5-7; ");
    expect("Ab", false, LOG_CASE_SMART, "ab\nAb\n", "2@3+2 'Ab' 0-2; ");
    expect("AB", false, LOG_CASE_NO, "ab\nAb\n", "1@0+2 'ab' 0-2; 2@3+2 'Ab' 0-2; ");
    expect("none", false, LOG_CASE_YES, "a\nb\n\n\n", "");
    expect("x", false, LOG_CASE_YES, "", "");
    expect("[@", false, LOG_CASE_SMART, "{`\n[@\n", "2@3+2 '[@' 0-2; "); /* neighbours of letters are none */
}

static void test_log_search__sees_a_line_as_a_person_does(void **state)
{
    static const char binary[] = "a\0b\xff needle\n";

    (void)state;
    expect("1 failed", false, LOG_CASE_SMART, "\033[31m1\033[0;1m FAILED\033[0m\r\nx\n",
           "1@0+24 '1 FAILED' 0-8; ");
    expect("done$", true, LOG_CASE_SMART, "done\r\n", "1@0+5 'done' 0-4; ");
    expect("title", false, LOG_CASE_SMART, "\033]0;title\a\n\033]8;;http://title\033\\title\n",
           "2@11+24 'title' 0-5; ");
    expect_n("needle", false, LOG_CASE_SMART, binary, sizeof(binary) - 1,
             "1@0+11 'a\xef\xbf\xbd"
             "b\xef\xbf\xbd needle' 5-11; ");
    /* places count as JavaScript does: the first character is two of its units */
    expect("\xc3\x84rger", false, LOG_CASE_SMART, "\xf0\x9f\x98\x80 \xc3\xa4rger \xc3\x84rger\n",
           "1@0+18 '\xf0\x9f\x98\x80 \xc3\xa4rger \xc3\x84rger' 9-14; ");
    expect("\xc3\xa4rger", false, LOG_CASE_SMART, "\xf0\x9f\x98\x80 \xc3\xa4rger \xc3\x84rger\n",
           "1@0+18 '\xf0\x9f\x98\x80 \xc3\xa4rger \xc3\x84rger' 3-8 9-14; ");
}

static void test_log_search__an_expression_sees_one_line(void **state)
{
    (void)state;
    expect("a\\s+b", true, LOG_CASE_SMART, "a\nb\na  b\n", "3@4+4 'a  b' 0-4; ");
    expect("^b", true, LOG_CASE_SMART, "ab\nb\n", "2@3+1 'b' 0-1; ");
    expect("^$", true, LOG_CASE_SMART, "a\n\nb\n", "2@2+0 ''; ");
    expect("\\S+X", true, LOG_CASE_SMART, "ax\naX\n", "2@3+2 'aX' 0-2; ");
    expect("\\Sx", true, LOG_CASE_SMART, "ax\naX\n", "1@0+2 'ax' 0-2; 2@3+2 'aX' 0-2; ");
    expect("b*", true, LOG_CASE_SMART, "abba\n", "1@0+4 'abba' 1-3; ");
    expect("(?<=a)b", true, LOG_CASE_SMART, "b ab abb\n", "1@0+8 'b ab abb' 3-4 6-7; ");
}

static void test_log_search__says_where_an_expression_is_wrong(void **state)
{
    struct log_search *s;
    struct why why;

    (void)state;
    assert_int_equal(log_search_new("a(b", 3, true, LOG_CASE_YES, 1, &s, &why), ERR_INVALID);
    assert_string_equal(why.field, "q");
    assert_non_null(strstr(why.text, "character 4: missing closing parenthesis"));
    assert_int_equal(log_search_new("\\C", 2, true, LOG_CASE_YES, 1, &s, &why), ERR_INVALID);
}

static void test_log_search__counts_more_than_it_keeps(void **state)
{
    struct log_search *s = search("a", false, LOG_CASE_YES, 2);

    (void)state;
    feed(s, "a\na\nb\na\na\n", 10, 10);
    log_search_end(s);
    assert_int_equal(log_search_hits(s), 2);
    assert_int_equal(log_search_count(s), 4);
    assert_int_equal(log_search_more(s), 4);
    log_search_free(s);
}

static void test_log_search__passes_over_a_line_that_is_too_hard(void **state)
{
    struct log_search *s = search("(a+)+$", true, LOG_CASE_YES, 10);
    struct log_hit h;
    uint64_t first;

    (void)state;
    feed(s, "aaa\n", 4, 4);
    feed(s, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n", 42, 42);
    feed(s, "aa\n", 3, 3);
    assert_int_equal(log_search_count(s), 2);
    assert_int_equal(log_search_gave_up(s, &first), 1);
    assert_int_equal(first, 2);
    log_search_hit(s, 1, &h);
    assert_int_equal(h.line, 3);
    assert_int_equal(h.byte, 46);
    log_search_free(s);
}

/* Of this process alone, whatever else the machine does. */
static int64_t worked_ms(void)
{
    struct timespec ts;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* From each start the expression needs no more than it may; from all of them it would take minutes. */
static void test_log_search__passes_over_a_long_line_that_is_too_hard(void **state)
{
    static const char *const hard[] = {"(?:a|b)*[cd]", "a(?:[^cd])*+[cd]"};
    const size_t n = 100000;
    char *line = xmalloc(n);

    (void)state;
    for (size_t i = 0; i < n; i++)
        line[i] = i < n / 4 ? '.' : i % 2 == 0 ? 'a' : 'b';
    for (size_t i = 0; i < ARRAY_LEN(hard); i++) {
        struct log_search *s = search(hard[i], true, LOG_CASE_YES, 10);
        int64_t begun = worked_ms();
        struct log_hit h;
        uint64_t first;

        feed(s, line, n, 65536);
        feed(s, "\nabc\n", 5, 5);
        assert_true(worked_ms() - begun < 5000);
        assert_int_equal(log_search_gave_up(s, &first), 1);
        assert_int_equal(first, 1);
        assert_int_equal(log_search_count(s), 1);
        log_search_hit(s, 0, &h);
        assert_int_equal(h.line, 2);
        assert_int_equal(h.n_at, 1);
        assert_int_equal(h.at[0][0], 0);
        assert_int_equal(h.at[0][1], 3);
        log_search_free(s);
    }
    free(line);
}

/* The borders of what is tried at once are not seen: by what looks behind, runs over them, or needs more than its share. */
static void test_log_search__finds_by_expression_anywhere_in_a_long_line(void **state)
{
    static const char *const queries[] = {"needle(?= end)",       "(?<=\xc3\xa4\\.)needle",
                                          "\xc3\xa4\\.\\Kneedle", "n.*?e.*?dle",
                                          "(?:n|e|d|l){6}",       "needle",
                                          "(?:n|[edl])+ end",     ".*needle",
                                          "^.*needle end"};
    struct buf line;

    (void)state;
    buf_init(&line, KIB(16));
    for (uint32_t chars = 500; chars < 1100; chars++) {
        buf_clear(&line);
        buf_puts(&line, chars % 2 == 0 ? "." : ""); /* the borders are in a character, and are not */
        for (uint32_t i = 0; i < chars; i++)
            buf_puts(&line, i % 3 == 0 ? "." : "\xc3\xa4");
        buf_puts(&line, "\xc3\xa4.needle end");
        for (uint32_t i = 0; i < 3000; i++)
            buf_puts(&line, ".");
        buf_puts(&line, "\n");
        for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
            struct log_search *s = search(queries[i], true, LOG_CASE_YES, 1);
            struct log_hit h;
            uint64_t first;

            feed(s, line.data, line.len, line.len);
            assert_int_equal(log_search_gave_up(s, &first), 0);
            assert_int_equal(log_search_count(s), 1);
            log_search_hit(s, 0, &h);
            assert_int_equal(h.n_at, 1);
            if (i < 6)
                assert_int_equal(h.at[0][1] - h.at[0][0], strlen("needle"));
            log_search_free(s);
        }
    }
    buf_done(&line);
}

static void test_log_search__stops_between_lines_when_its_time_is_up(void **state)
{
    struct log_search *s = search("^a", true, LOG_CASE_YES, 10);
    struct buf log;
    size_t at = 0;
    uint32_t calls = 0;

    (void)state;
    buf_init(&log, KIB(16));
    for (int i = 0; i < 100; i++)
        buf_puts(&log, i % 10 == 0 ? "a line\n" : "no line\n");
    for (; at < log.len; calls++) {
        size_t taken = log_search_feed(s, log.data + at, log.len - at, (struct mono){0});

        assert_true(taken > 0);
        assert_int_equal(log.data[at + taken - 1], '\n');
        at += taken;
    }
    assert_true(calls > 3);
    assert_int_equal(log_search_count(s), 10);
    assert_int_equal(log_search_line(s), 101);
    buf_done(&log);
    log_search_free(s);
}

/* Ten MB without a newline, found anywhere in it, and shown by what stands around the place. */
static void test_log_search__finds_a_needle_anywhere_in_a_long_line(void **state)
{
    size_t n = 10000000;
    char *line = xmalloc(n);
    size_t places[] = {0, 262144 - 3, 262144 - 4096 + 1, 5000000, n - 6};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (int is_regex = 0; is_regex < 2; is_regex++) {
            struct log_search *s = search("Needle", is_regex != 0, LOG_CASE_SMART, 10);
            struct log_hit h;

            memset(line, 'x', n);
            memcpy(line + places[i], "Needle", 6);
            feed(s, "first\n", 6, 6);
            feed(s, line, n, 65536);
            feed(s, "\nlast\n", 6, 6);
            log_search_end(s);
            assert_int_equal(log_search_count(s), 1);
            log_search_hit(s, 0, &h);
            assert_int_equal(h.line, 2);
            assert_int_equal(h.byte, 6);
            assert_int_equal(h.bytes, n);
            assert_true(h.text.len <= LOG_SEARCH_TEXT_BYTES);
            assert_int_equal(h.n_at, 1);
            assert_memory_equal(h.text.ptr + h.at[0][0], "Needle", 6);
            assert_int_equal(h.text_byte + h.at[0][0], 6 + places[i]);
            assert_int_equal(log_search_line(s), 4);
            log_search_free(s);
        }
    }
    free(line);
}

static void test_log_text__shows_no_sequence_and_knows_where_text_came_from(void **state)
{
    static const char in[] = "a\033[1;31mb\033]0;t\ac\033(Bd\033\033[2Je\xffg\033[3";
    static const char no_end[] = "\033]0;no end\nnext \033[31\nx";
    struct buf out;

    (void)state;
    buf_init(&out, LOG_TEXT_GROWTH * sizeof(in));
    log_text_show(in, sizeof(in) - 1, &out);
    assert_string_equal(buf_str(&out), "abcde\xef\xbf\xbdg");
    for (size_t i = 0; i < out.len; i++) {
        size_t raw = log_text_raw(in, sizeof(in) - 1, i);

        if ((unsigned char)out.data[i] < 0x80)
            assert_int_equal(in[raw], out.data[i]);
        else
            assert_int_equal((unsigned char)in[raw], 0xff);
    }
    assert_int_equal(log_text_raw(in, sizeof(in) - 1, out.len), sizeof(in) - 1);
    buf_clear(&out);
    log_text_show(no_end, sizeof(no_end) - 1, &out); /* the line ends it */
    assert_string_equal(buf_str(&out), "\nnext \nx");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_search__finds_lines_and_all_places_in_them),
        cmocka_unit_test(test_log_search__sees_a_line_as_a_person_does),
        cmocka_unit_test(test_log_search__an_expression_sees_one_line),
        cmocka_unit_test(test_log_search__says_where_an_expression_is_wrong),
        cmocka_unit_test(test_log_search__counts_more_than_it_keeps),
        cmocka_unit_test(test_log_search__passes_over_a_line_that_is_too_hard),
        cmocka_unit_test(test_log_search__passes_over_a_long_line_that_is_too_hard),
        cmocka_unit_test(test_log_search__finds_by_expression_anywhere_in_a_long_line),
        cmocka_unit_test(test_log_search__stops_between_lines_when_its_time_is_up),
        cmocka_unit_test(test_log_search__finds_a_needle_anywhere_in_a_long_line),
        cmocka_unit_test(test_log_text__shows_no_sequence_and_knows_where_text_came_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
