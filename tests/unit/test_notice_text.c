/* test_notice_text.c - who wants to hear of what, and that no name, message or log breaks out of its mail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/mail.h"
#include "notify/mime.h"
#include "notify/notice.h"
#include "notify/notice_text.h"

static const struct notice_site site = {"ci.example.org", "https://ci.example.org"};

struct parts {
    struct buf subject;
    struct buf text;
    struct buf html;
    struct why why;
};

static void parts_init(struct parts *p)
{
    *p = (struct parts){0};
    buf_init(&p->subject, MAIL_BYTES_MAX);
    buf_init(&p->text, MAIL_BYTES_MAX);
    buf_init(&p->html, MAIL_BYTES_MAX);
}

static void parts_check_and_free(struct parts *p, enum err err)
{
    if (err != ERR_OK)
        fail_msg("%s", p->why.text);
    assert_null(mime_wrong_subject(buf_str(&p->subject)));
    assert_true(p->subject.len + p->text.len + p->html.len < MAIL_BYTES_MAX);
    assert_null(strstr(buf_str(&p->html), "<script"));
    assert_null(strchr(buf_str(&p->text), 0x1b));
    assert_null(strstr(buf_str(&p->text), "\u202e"));
    buf_done(&p->subject);
    buf_done(&p->text);
    buf_done(&p->html);
}

/* ---- wishes ---- */

static void test_notice__a_launch_is_told_as_was_chosen(void **state)
{
    struct mail_choices c = MAIL_CHOICES_PRESET;
    struct launch_row l = {.outcome = OUTCOME_FAILED, .created_at = {1000}, .ended_at = {1000 + 60000}};

    (void)state;
    assert_true(notice_launch_is_wanted(&c, &l, false));
    l.ended_at.ms--;
    assert_false(notice_launch_is_wanted(&c, &l, false)); /* too short */
    assert_true(notice_launch_is_wanted(&c, &l, true));   /* not of a schedule */
    l.mail = WHEN_FAILED;
    assert_true(notice_launch_is_wanted(&c, &l, false)); /* it says so itself */
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        l.outcome = (enum outcome)o;
        assert_int_equal(notice_launch_is_wanted(&c, &l, false), o >= OUTCOME_NO_TESTS);
    }
    l.outcome = OUTCOME_PASSED;
    l.mail = WHEN_ALWAYS;
    assert_true(notice_launch_is_wanted(&c, &l, false));
    l.mail = WHEN_NEVER;
    assert_false(notice_launch_is_wanted(&c, &l, true));
    c.schedule_missed = false;
    assert_false(notice_kind_is_wanted(&c, NOTICE_SCHEDULE_MISSED));
    assert_true(notice_kind_is_wanted(&c, NOTICE_SCHEDULE_DISABLED));
    assert_true(notice_kind_is_wanted(&c, NOTICE_RUNS_LOST));
}

/* ---- words ---- */

static void test_notice_text__a_line_is_one_line(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"plain", "plain"},
        {"a\r\nb\tc", "a  b c"},
        {"\x1b[31mred\x1b[0m", "red"},
        {"\x1b[", ""},
        {"\x1b", ""},
        {"\u202eevil", "?evil"},
        {"\xff\xfe", "??"},
        {"\xc2\x85next", "?next"},
        {"0123456789x", "0123456789\u2026"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;

        buf_init(&b, KIB(1));
        notice_text_line(&b, rows[i].in, 10);
        assert_string_equal(buf_str(&b), rows[i].out);
        buf_done(&b);
    }
}

static char *filled(const char *with, size_t n)
{
    char *s = xmalloc(n + 1);

    for (size_t i = 0; i < n; i++)
        s[i] = with[i % strlen(with)];
    s[n] = '\0';
    return s;
}

static void test_notice_text__the_worst_mail_to_admins_fits(void **state)
{
    char *log = filled("<script>&&&&'\"\n", NOTICE_LOG_BYTES);
    char *name = filled("\xf0\x9f\x98\x80", 128);
    struct notice_thing at[NOTICE_THINGS_MAX];
    struct parts p;

    (void)state;
    for (int k = NOTICE_RUNS_LOST; k < NOTICE_KIND_COUNT; k++) {
        struct notice_things things = {
            .kind = (enum notice_kind)k, .at = at, .things = 5000, .count = UINT64_MAX};

        for (uint32_t i = 0; i < ARRAY_LEN(at); i++)
            at[i] = (struct notice_thing){.row = {.kind = things.kind,
                                                  .object = UINT64_MAX,
                                                  .word = "<script>\x1b[31m",
                                                  .name = name,
                                                  .text = "\u202e<script>{{details}}",
                                                  .run = {UINT64_MAX},
                                                  .n = 1000},
                                          .project = name,
                                          .ref = name,
                                          .launch_name = name,
                                          .log = log};
        for (things.n = 1; things.n <= ARRAY_LEN(at); things.n += ARRAY_LEN(at) - 1) {
            enum err err;

            parts_init(&p);
            things.things = things.n == 1 ? 1 : 5000;
            err = notice_text_trouble(&site, &things, &p.subject, &p.text, &p.html, &p.why);
            if (things.n > 1)
                assert_non_null(strstr(buf_str(&p.text), "and 4980 more"));
            else
                assert_non_null(strstr(buf_str(&p.text), "  | "));
            parts_check_and_free(&p, err);
        }
    }
    free(log);
    free(name);
}

static void test_notice_text__a_log_is_its_last_sixty_lines(void **state)
{
    struct notice_thing at = {
        .row =
            {.kind = NOTICE_NO_TESTS, .object = 1, .word = "", .name = "w1", .text = "", .run = {2}, .n = 1},
        .project = "",
        .ref = "",
        .launch_name = ""};
    struct notice_things things = {.kind = NOTICE_NO_TESTS, .at = &at, .n = 1, .things = 1, .count = 1};
    struct parts p;
    struct buf log;
    uint32_t n = 0;
    enum err err;

    (void)state;
    buf_init(&log, KIB(64));
    for (int i = 1; i <= 200; i++)
        buf_printf(&log, "line %d\n", i);
    at.log = buf_str(&log);
    parts_init(&p);
    err = notice_text_trouble(&site, &things, &p.subject, &p.text, &p.html, &p.why);
    for (const char *s = buf_str(&p.text); (s = strstr(s, "  | ")) != NULL; s++)
        n++;
    assert_int_equal(n, NOTICE_LOG_LINES);
    assert_non_null(strstr(buf_str(&p.text), "  | line 141\n"));
    assert_non_null(strstr(buf_str(&p.text), "  | line 200\n"));
    assert_string_equal(buf_str(&p.subject), "No tests were executed: launch 1");
    parts_check_and_free(&p, err);
    buf_done(&log);
}

static void test_notice_text__the_worst_launch_fits(void **state)
{
    char *path = filled("<script>&'\"", PATH_BYTES_MAX);
    char *message = filled("a line of a message\n\n<script>&&&", KIB(64));
    char *name = filled("\xf0\x9f\x98\x80", 128);
    struct notice_launch *l = xcalloc(1, sizeof(*l));
    const struct notice_launch *many[NOTICE_THINGS_MAX];
    struct parts p;
    enum err err;

    (void)state;
    l->row = (struct launch_row){.id = {UINT64_MAX},
                                 .project_name = name,
                                 .name = name,
                                 .ref = name,
                                 .note = message,
                                 .outcome = OUTCOME_INFRASTRUCTURE,
                                 .n_tests = UINT32_MAX};
    l->schedule = name;
    l->tally =
        (struct tally){.discovered = 10, .passed = 3, .failed = 4, .pending = 1, .not_run = 2, .errors = 2};
    l->by_outcome[OUTCOME_FAILED] = 1000;
    l->n_tests = NOTICE_TESTS_MAX;
    for (uint32_t i = 0; i < NOTICE_TESTS_MAX; i++) {
        l->tests[i] = (struct notice_test){.path = path,
                                           .outcome = OUTCOME_FAILED,
                                           .reason = message,
                                           .run = {UINT64_MAX},
                                           .n_examples = NOTICE_EXAMPLES_MAX,
                                           .n_failed = 50};
        for (uint32_t k = 0; k < NOTICE_EXAMPLES_MAX; k++)
            l->tests[i].examples[k] =
                (struct notice_example){.name = path, .file = path, .line = 12, .message = message};
        many[i] = l;
    }
    parts_init(&p);
    err = notice_text_launch(&site, "mira", l, &p.subject, &p.text, &p.html, &p.why);
    assert_non_null(
        strstr(buf_str(&p.text),
               "Examples: 3 passed, 4 failed, 1 pending, 2 not run, 2 errors outside of examples"));
    assert_non_null(strstr(buf_str(&p.text), "https://ci.example.org/launches/18446744073709551615\n"));
    parts_check_and_free(&p, err);
    parts_init(&p);
    err = notice_text_launches(&site, "mira", many, NOTICE_THINGS_MAX, 500, &p.subject, &p.text, &p.html,
                               &p.why);
    assert_string_equal(buf_str(&p.subject), "500 launches have ended");
    parts_check_and_free(&p, err);
    free(l);
    free(path);
    free(message);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notice__a_launch_is_told_as_was_chosen),
        cmocka_unit_test(test_notice_text__a_line_is_one_line),
        cmocka_unit_test(test_notice_text__the_worst_mail_to_admins_fits),
        cmocka_unit_test(test_notice_text__a_log_is_its_last_sixty_lines),
        cmocka_unit_test(test_notice_text__the_worst_launch_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
