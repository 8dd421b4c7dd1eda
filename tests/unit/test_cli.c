/* test_cli.c - the pure parts of the command line: options, durations, names, terminal text, the progress line, the
 * stream's parser, JUnit, globs. What they are together is in tests/e2e/test_cli.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli_private.h"
#include "cli/junit.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/snapshot.h"
#include "model/cause.h"

/* ---- options --------------------------------------------------------------------------------------------- */

static void test_duration__adds_its_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"10m", 600000}, {"90s", 90000}, {"1h30m", 5400000}, {"500ms", 500},        {"2d", 172800000},
        {"0", 0},        {"0s", 0},      {"1m1ms", 60001},   {"30d", 2592000000LL},
    };
    static const char *const bad[] = {"",
                                      "10",
                                      "m",
                                      "10x",
                                      "1h30",
                                      "-5s",
                                      "1.5h",
                                      " 5s",
                                      "5s ",
                                      "31d",
                                      "999999999999d",
                                      "5S",
                                      "1000000000000000s"};
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(duration_parse(good[i].text, &ms, NULL), ERR_OK);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(duration_parse(bad[i], &ms, NULL), ERR_INVALID);
}

static enum err parse(struct cli_opts *o, const char *command, int *first, struct why *why, char **argv)
{
    const struct command *cmd = command_find(command);
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    *o = (struct cli_opts){0};
    assert_int_equal(options_defaults(o, global_options, n_global_options, why), ERR_OK);
    assert_int_equal(options_defaults(o, cmd->options, cmd->n_options, why), ERR_OK);
    return options_parse(o, cmd, argc, argv, first, why);
}

#define ARGV(...) ((char *[]){__VA_ARGS__, NULL})

static void test_options__reach_their_fields(void **state)
{
    char **argv =
        ARGV("run", "a.sh", "-s", "4", "--timeout=2m", "-e", "A=1", "--env", "B=2", "--json", "--", "-x.sh");
    struct cli_opts o;
    struct why why;
    int first;

    (void)state;
    assert_int_equal(parse(&o, "run", &first, &why, argv), ERR_OK);
    assert_int_equal(o.slots, 4);
    assert_int_equal(o.timeout_ms, 120000);
    assert_int_equal(o.retries, -1); /* the server's */
    assert_int_equal(o.env.n, 2);
    assert_string_equal(o.env.items[1], "B=2");
    assert_true(o.json);
    assert_false(o.no_follow);
    assert_string_equal(o.order, "finish-soonest");
    assert_string_equal(argv[first], "a.sh");
    assert_string_equal(argv[first + 1], "-x.sh");
    options_done(&o);
}

static void test_options__name_what_is_wrong(void **state)
{
    static const struct {
        char *words[4];
        const char *text;
    } bad[] = {
        {{"run", "--timout", "3s"}, "there is no option --timout; did you mean --timeout?"},
        {{"run", "--xyzzy"}, "there is no option --xyzzy; `wrata help run` lists them"},
        {{"run", "-Q"}, "there is no option -Q; `wrata help run` lists them"},
        {{"run", "--timeout"}, "--timeout needs a value: --timeout DURATION"},
        {{"run", "--json=1"}, "--json takes no value"},
        {{"run", "-s", "257"}, "--slots: '257' is not a number from 1 to 256"},
        {{"run", "-s", "-1"}, "--slots: '-1' is not a number from 1 to 256"},
        {{"run", "--order", "as"}, "--order: 'as' is none of finish-soonest|as-given"},
    };
    struct cli_opts o;
    struct why why;
    int first;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *argv[5] = {bad[i].words[0], bad[i].words[1], bad[i].words[2], bad[i].words[3], NULL};

        assert_int_equal(parse(&o, "run", &first, &why, argv), ERR_INVALID);
        assert_string_equal(why.text, bad[i].text);
        options_done(&o);
    }
}

static void test_commands__each_row_can_be_explained(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, MIB(1));
    for (size_t i = 0; i < n_commands; i++) {
        buf_clear(&out);
        help_text(&out, &commands[i]);
        for (size_t j = 0; j < commands[i].n_options; j++) {
            const struct option_row *row = &commands[i].options[j];

            assert_int_equal(row->kind == OPTION_FLAG || row->kind == OPTION_SWITCH, row->arg == NULL);
            if (row->help != NULL)
                assert_non_null(strstr(buf_str(&out), row->name));
        }
        for (const char *p = buf_str(&out); *p != '\0';) {
            size_t n = strcspn(p, "\n");

            assert_true(n <= 110);
            p += n + (p[n] == '\n');
        }
    }
    buf_done(&out);
}

static void assert_file_is(const char *path, const struct buf *want)
{
    const char *root = getenv("WRATA_SOURCE");
    char full[4096];
    struct buf have;
    FILE *f;
    char *p;

    (void)snprintf(full, sizeof(full), "%s/%s", root != NULL ? root : ".", path);
    f = fopen(full, "r");
    assert_non_null(f);
    buf_init(&have, MIB(4));
    p = buf_reserve(&have, MIB(1));
    buf_commit(&have, fread(p, 1, MIB(1), f));
    (void)fclose(f);
    assert_string_equal(buf_str(&have), buf_str(want));
    buf_done(&have);
}

/* Differs? wrata man > packaging/wrata.1; wrata help --markdown > docs/cli.md */
static void test_help__documents_are_up_to_date(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, MIB(4));
    help_man(&out);
    assert_file_is("packaging/wrata.1", &out);
    buf_clear(&out);
    help_markdown(&out);
    assert_file_is("docs/cli.md", &out);
    buf_done(&out);
}

/* ---- terminal text --------------------------------------------------------------------------------------- */

static void test_text__controls_are_shown_not_obeyed(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, MIB(1));
    text_escape(&out, "a\x1b[2J\n\t\x7f \xc2\x9b \xe2\x80\xae \xff\xc3 \xc3\xbc");
    assert_string_equal(buf_str(&out), "a\\x1b[2J\\n\\t\\x7f \\x9b \\u202e \\xff\\xc3 \xc3\xbc");
    buf_clear(&out);
    text_escape_lines(&out, "a\nb\r\n\n", "  ");
    assert_string_equal(buf_str(&out), "a\n  b");
    buf_done(&out);
}

static void test_text__is_as_wide_as_its_columns(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("\xe5\xa5\xbd\xc3\xbc"), 3);
    assert_int_equal(text_width("e\xcc\x81"), 1);
}

static void test_text__sizes_are_said_as_people_do(void **state)
{
    static const struct {
        int64_t n;
        const char *text;
    } sizes[] = {{0, "0 bytes"},
                 {1, "1 byte"},
                 {1023, "1023 bytes"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {1048575, "1.0 MiB"},
                 {20971520, "20.0 MiB"},
                 {INT64_C(5) << 40, "5.0 TiB"},
                 {INT64_C(5) << 50, "5120.0 TiB"}};
    struct buf out;

    (void)state;
    buf_init(&out, 64);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        buf_clear(&out);
        text_bytes(&out, sizes[i].n);
        assert_string_equal(buf_str(&out), sizes[i].text);
    }
    buf_done(&out);
}

static void test_text__a_shell_reads_the_word_back(void **state)
{
    static const char *const pairs[][2] = {{"spec/a_spec.rb", "spec/a_spec.rb"},
                                           {"a b", "'a b'"},
                                           {"a_spec.rb[1:2]", "'a_spec.rb[1:2]'"},
                                           {"it's", "'it'\\''s'"},
                                           {"", "''"},
                                           {"$(x)", "'$(x)'"},
                                           {"a\n'", "$'a\\012\\''"}};
    struct buf out;

    (void)state;
    buf_init(&out, KIB(4));
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        buf_clear(&out);
        text_shell_word(&out, pairs[i][0]);
        assert_string_equal(buf_str(&out), pairs[i][1]);
    }
    buf_done(&out);
}

static void test_log_filter__is_the_same_for_every_split(void **state)
{
    static const char in[] = "\x1b[1;31mred\x1b[0m \x1b[2J \x1b]0;t\x07 \xc3\xbc\xff\xe5\xa5 a\r\nb\rc\x1b[";
    static const char want[] =
        "\x1b[1;31mred\x1b[0m \\x1b[2J \\x1b]0;t\\x07 \xc3\xbc\\xff\\xe5\\xa5 a\r\nb\\rc\\x1b[";
    struct log_filter f;
    struct buf out;

    (void)state;
    for (size_t split = 0; split < sizeof(in); split++) {
        log_filter_init(&f);
        buf_init(&out, KIB(4));
        log_filter_feed(&f, in, split, &out);
        log_filter_feed(&f, in + split, sizeof(in) - 1 - split, &out);
        log_filter_end(&f, &out);
        assert_string_equal(buf_str(&out), want);
        buf_done(&out);
        log_filter_done(&f);
    }
}

/* ---- progress -------------------------------------------------------------------------------------------- */

static void test_progress__fits_every_width(void **state)
{
    struct progress p = {.total = 340, .done = 230, .running = 8, .eta_ms = 840000};
    struct term t = {.is_tty = true, .utf8 = true};
    struct buf out;

    (void)state;
    p.counts[OUTCOME_PASSED] = 200;
    p.counts[OUTCOME_FAILED] = 20;
    p.counts[OUTCOME_NO_TESTS] = 10;
    buf_init(&out, KIB(64));
    for (t.width = 1; t.width < 300; t.width++) {
        buf_clear(&out);
        progress_render(&out, &p, &t);
        assert_true(text_width(buf_str(&out)) < t.width || (t.width == 1 && out.len == 0));
        assert_null(strchr(buf_str(&out), '\n'));
        if (t.width > 8)
            assert_non_null(strstr(buf_str(&out), "230/340"));
        if (t.width > 22)
            assert_non_null(strstr(buf_str(&out), "20 failed"));
        if (t.width > 90)
            assert_non_null(strstr(buf_str(&out), "ETA 14m 00s"));
    }
    p.paused_by = "mira";
    t.width = 30;
    buf_clear(&out);
    progress_render(&out, &p, &t);
    assert_non_null(strstr(buf_str(&out), "paused by mira"));
    p.note = "reconnecting";
    t.width = 40;
    buf_clear(&out);
    progress_render(&out, &p, &t);
    assert_non_null(strstr(buf_str(&out), "reconnecting"));
    buf_done(&out);
}

/* ---- server-sent events ---------------------------------------------------------------------------------- */

static void on_event(void *ctx, const struct sse_event *ev)
{
    buf_printf(ctx, "[%s|%s|%.*s]", ev->id, ev->name, (int)ev->len, ev->data);
}

static void test_sse__is_the_same_for_every_split(void **state)
{
    static const char in[] = "\xef\xbb\xbf: hello\n\nid: 1\nevent: run\ndata: {\"a\":1}\n\n"
                             "data:x\ndata: y\ndata\n\nevent: lonely\n\r\nid: 7\r\nretry: 5\rdata: cr\r\r"
                             "id\ndata: no id\n\n: ping\n\nunknown: 1\ndata: z\n\ndata: unfinished\n";
    static const char want[] =
        "[1|run|{\"a\":1}][1|message|x\ny\n][7|message|cr][|message|no id][|message|z]";
    struct buf out;
    struct sse s;

    (void)state;
    buf_init(&out, KIB(4));
    for (size_t split = 0; split < sizeof(in); split++) {
        buf_clear(&out);
        sse_init(&s, on_event, &out);
        assert_int_equal(sse_feed(&s, in, split), ERR_OK);
        assert_int_equal(sse_feed(&s, in + split, sizeof(in) - 1 - split), ERR_OK);
        assert_string_equal(buf_str(&out), want);
        sse_done(&s);
    }
    buf_clear(&out);
    sse_init(&s, on_event, &out);
    for (size_t i = 0; i + 1 < sizeof(in); i++)
        assert_int_equal(sse_feed(&s, in + i, 1), ERR_OK);
    assert_string_equal(buf_str(&out), want);
    sse_done(&s);
    buf_done(&out);
}

static void test_sse__a_line_without_end_is_refused(void **state)
{
    static char block[65536];
    enum err err = ERR_OK;
    struct sse s;

    (void)state;
    memset(block, 'x', sizeof(block));
    sse_init(&s, on_event, NULL);
    for (int i = 0; i < 1000 && err == ERR_OK; i++)
        err = sse_feed(&s, block, sizeof(block));
    assert_int_equal(err, ERR_LIMIT);
    sse_done(&s);
}

/* ---- JUnit ----------------------------------------------------------------------------------------------- */

static void test_junit__holds_only_what_xml_can(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, KIB(4));
    junit_escape(&out, "<a b=\"1\">&\x1b\x01\n\t\xff\xef\xbf\xbf \xc3\xbc", true);
    assert_string_equal(buf_str(&out),
                        "&lt;a b=&quot;1&quot;&gt;&amp;\xef\xbf\xbd\xef\xbf\xbd&#10;&#9;\xef\xbf\xbd"
                        "\xef\xbf\xbd \xc3\xbc");
    buf_clear(&out);
    junit_escape(&out, "a\n\"", false);
    assert_string_equal(buf_str(&out), "a\n&quot;");
    buf_done(&out);
}

static void test_junit__a_file_without_examples_is_its_own_case(void **state)
{
    static const struct {
        enum outcome outcome;
        const char *text;
    } rows[] = {
        {OUTCOME_PASSED, "tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\""},
        {OUTCOME_FAILED, "tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\""},
        {OUTCOME_NO_TESTS, "tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\""},
        {OUTCOME_TIMED_OUT, "<error type=\"timed_out\""},
        {OUTCOME_STOPPED, "tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"1\""},
    };
    struct view_test t = {.path = (char[]){"d/a.b.sh"}};
    struct buf out;

    (void)state;
    buf_init(&out, KIB(64));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        t.outcome = rows[i].outcome;
        buf_clear(&out);
        junit_suite(&out, &t, NULL, NULL, 0);
        assert_non_null(strstr(buf_str(&out), rows[i].text));
        assert_non_null(strstr(buf_str(&out), "classname=\"d.a.b\""));
    }
    buf_done(&out);
}

/* ---- the rest -------------------------------------------------------------------------------------------- */

static void test_glob__stars_stay_in_their_segment(void **state)
{
    (void)state;
    assert_true(snapshot_glob("spec/**/*_spec.rb", "spec/a_spec.rb"));
    assert_true(snapshot_glob("spec/**/*_spec.rb", "spec/x/y/a_spec.rb"));
    assert_true(snapshot_glob("**", "a/b"));
    assert_true(snapshot_glob("**/*.sh", "a.sh"));
    assert_true(snapshot_glob("[ab]?.sh", "ax.sh"));
    assert_false(snapshot_glob("spec/*_spec.rb", "spec/x/a_spec.rb"));
    assert_false(snapshot_glob("spec/*", "spec"));
    assert_false(snapshot_glob("spec", "spec/a"));
    assert_false(snapshot_glob("*.sh", "a/b.sh"));
}

static void test_report__libraries_are_not_the_project(void **state)
{
    (void)state;
    assert_true(frame_is_own("./spec/a_spec.rb:1:in `x'"));
    assert_false(frame_is_own("/var/lib/gems/3.1.0/gems/rspec/x.rb:1"));
    assert_false(frame_is_own("./vendor/bundle/ruby/3.1.0/gems/x/y.rb:1"));
    assert_false(frame_is_own("<internal:kernel>:18:in `loop'"));
}

struct told {
    int finished, lost, again;
};

static void on_finished(void *ctx, const struct view_test *t, const json_t *run)
{
    (void)t;
    assert_non_null(run);
    ((struct told *)ctx)->finished++;
}

static void on_again(void *ctx, const struct view_test *t)
{
    assert_int_equal(t->outcome, OUTCOME_INFRASTRUCTURE);
    ((struct told *)ctx)->again++;
}

static void on_lost(void *ctx, const json_t *run)
{
    (void)run;
    ((struct told *)ctx)->lost++;
}

/* The stream and the lists bring the same objects in any order; each file is told once. */
static void test_view__tells_each_file_once(void **state)
{
    static const struct {
        const char *kind, *text;
    } objects[] = {
        {"launch", "{\"id\":1,\"state\":\"running\",\"tests\":{\"total\":1}}"},
        {"run", "{\"id\":5,\"test\":7,\"state\":\"lost\"}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"waiting\",\"run\":5}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"running\",\"run\":6}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"done\",\"run\":6,\"outcome\":\"failed\"}"},
        {"example", "{\"run\":6,\"seq\":1,\"status\":\"failed\"}"},
        {"run", "{\"id\":6,\"test\":7,\"state\":\"done\"}"},
        {"launch", "{\"id\":1,\"state\":\"done\",\"outcome\":\"failed\",\"tests\":{\"total\":1}}"},
        {"launch", "{\"id\":1,\"state\":\"running\",\"tests\":{\"total\":1}}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"running\",\"run\":6}"},
    };
    struct told told = {0};
    const struct view_hooks hooks = {on_finished, on_again, on_lost, NULL, &told};
    struct view *v = view_new(&hooks);
    size_t n;
    const json_t **failures;

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
            json_t *o = json_loads(objects[i].text, 0, NULL);

            view_apply(v, objects[i].kind, o);
            json_decref(o);
            assert_int_equal(told.finished, round > 0 || i >= 6 ? 1 : 0);
        }
    }
    assert_int_equal(told.lost, 1);
    assert_true(view_is_complete(v));
    assert_int_equal(view_outcome(v), OUTCOME_FAILED);
    failures = view_failures(v, 6, &n);
    assert_int_equal(n, 1);
    free((void *)failures);
    view_free(v);
}

/* What a sick server failed is run again: the end that counts is the last one. */
static void test_view__takes_back_what_is_over_again(void **state)
{
    static const struct {
        const char *kind, *text;
    } objects[] = {
        {"launch", "{\"id\":1,\"state\":\"running\",\"tests\":{\"total\":1}}"},
        {"run", "{\"id\":5,\"test\":7,\"state\":\"done\"}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"done\",\"run\":5,\"outcome\":\"infrastructure\"}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"waiting\",\"run\":5,\"outcome\":\"\"}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"running\",\"run\":6,\"outcome\":\"\"}"},
        {"run", "{\"id\":6,\"test\":7,\"state\":\"done\"}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"done\",\"run\":6,\"outcome\":\"passed\"}"},
        {"test", "{\"id\":7,\"path\":\"a.sh\",\"state\":\"done\",\"run\":5,\"outcome\":\"infrastructure\"}"},
        {"launch", "{\"id\":1,\"state\":\"done\",\"outcome\":\"passed\",\"tests\":{\"total\":1}}"},
    };
    struct told told = {0};
    const struct view_hooks hooks = {on_finished, on_again, on_lost, NULL, &told};
    struct view *v = view_new(&hooks);
    const struct view_test **tests;
    size_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        json_t *o = json_loads(objects[i].text, 0, NULL);

        view_apply(v, objects[i].kind, o);
        json_decref(o);
        assert_int_equal(told.again, i >= 6);
        assert_int_equal(told.finished, i < 2 ? 0 : i < 6 ? 1 : 2);
    }
    assert_true(view_is_complete(v));
    tests = view_tests(v, &n);
    assert_int_equal(n, 1);
    assert_int_equal(tests[0]->outcome, OUTCOME_PASSED);
    free((void *)tests);
    view_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration__adds_its_units),
        cmocka_unit_test(test_options__reach_their_fields),
        cmocka_unit_test(test_options__name_what_is_wrong),
        cmocka_unit_test(test_commands__each_row_can_be_explained),
        cmocka_unit_test(test_help__documents_are_up_to_date),
        cmocka_unit_test(test_text__controls_are_shown_not_obeyed),
        cmocka_unit_test(test_text__is_as_wide_as_its_columns),
        cmocka_unit_test(test_text__sizes_are_said_as_people_do),
        cmocka_unit_test(test_text__a_shell_reads_the_word_back),
        cmocka_unit_test(test_log_filter__is_the_same_for_every_split),
        cmocka_unit_test(test_progress__fits_every_width),
        cmocka_unit_test(test_sse__is_the_same_for_every_split),
        cmocka_unit_test(test_sse__a_line_without_end_is_refused),
        cmocka_unit_test(test_junit__holds_only_what_xml_can),
        cmocka_unit_test(test_junit__a_file_without_examples_is_its_own_case),
        cmocka_unit_test(test_glob__stars_stay_in_their_segment),
        cmocka_unit_test(test_report__libraries_are_not_the_project),
        cmocka_unit_test(test_view__tells_each_file_once),
        cmocka_unit_test(test_view__takes_back_what_is_over_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
