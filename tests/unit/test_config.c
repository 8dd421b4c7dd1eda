/* test_config.c - the table of settings, config.yml, precedence, and every message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/flat.h"

static void parse(const char *text, struct config *c, struct buf *problems)
{
    buf_init(problems, CONFIG_PROBLEMS_BYTES);
    (void)!config_parse("/c.yml", slice_of(text), c, problems);
}

static void test_config__an_empty_file_is_the_defaults(void **state)
{
    struct config c;
    struct buf problems;
    char text[PATH_MAX];

    (void)state;
    parse("", &c, &problems);
    assert_string_equal(buf_str(&problems), "");
    assert_string_equal(c.set.listen, "127.0.0.1:3000");
    for (int i = 0; i < N_SETTINGS; i++) {
        assert_int_equal(c.at[i].from, ORIGIN_DEFAULT);
        assert_string_equal(config_text(&c, (enum setting_id)i, text, sizeof(text)), setting_rows[i].preset);
    }
    config_done(&c);
    buf_done(&problems);
}

static void test_config__values_reach_their_fields(void **state)
{
    struct config c;
    struct buf problems;

    (void)state;
    parse("# a comment\nlisten: '[::1]:80'\nlog_level: warn\nlog_json: Yes\n\"retries\": \"0\"\nagent: "
          "bin/agent\n"
          "public_host: >-\n  ci.example.org\n",
          &c, &problems);
    assert_string_equal(buf_str(&problems), "");
    assert_string_equal(c.set.listen, "[::1]:80");
    assert_int_equal(c.set.log_level, 2);
    assert_true(c.set.log_json);
    assert_int_equal(c.set.retries, 0);
    assert_string_equal(c.set.agent, "/bin/agent"); /* from the folder of the file */
    assert_string_equal(c.set.public_host, "ci.example.org");
    assert_int_equal(c.at[SETTING_log_json].from, ORIGIN_FILE);
    assert_int_equal(c.at[SETTING_log_json].line, 4);
    config_done(&c);
    buf_done(&problems);
}

/* clang-format off */
static const struct {
    const char *text;
    const char *problems;
} wrong[] = {
    {"listne: x", "/c.yml:1: listne: there is no such setting; did you mean listen?\n"},
    {"\nzzzzzz: x", "/c.yml:2: zzzzzz: there is no such setting; `wrata config show` lists them\n"},
    {"data: /x", "/c.yml:1: data: the data folder is chosen by --data or WRATA_DATA: this file lies in it\n"},
    {"retries: 1\nretries: 2", "/c.yml:2: retries: is there already, in line 1; remove one of them\n"},
    {"retries: 11", "/c.yml:1: retries: '11' is not a number of tries from 0 to 10\n"},
    {"retries: -1", "/c.yml:1: retries: '-1' is not a number of tries from 0 to 10\n"},
    {"retries: 1.5", "/c.yml:1: retries: '1.5' is not a number of tries from 0 to 10\n"},
    {"lease_s: 1h", "/c.yml:1: lease_s: '1h' is not a number of seconds from 10 to 3600\n"},
    {"lease_s: 99999999999999999999", "/c.yml:1: lease_s: '99999999999999999999' is not a number of seconds from 10 to 3600\n"},
    {"log_json: maybe", "/c.yml:1: log_json: 'maybe' is neither true nor false\n"},
    {"log_level: loud", "/c.yml:1: log_level: 'loud' is none of debug|info|warn|error\n"},
    {"listen: 3000", "/c.yml:1: listen: '3000' is not ADDRESS:PORT, like 127.0.0.1:3000, [::1]:3000 or :3000\n"},
    {"listen: a:65536", "/c.yml:1: listen: 'a:65536' is not ADDRESS:PORT, like 127.0.0.1:3000, [::1]:3000 or :3000\n"},
    {"listen: '::1:80'", "/c.yml:1: listen: '::1:80' is not ADDRESS:PORT, like 127.0.0.1:3000, [::1]:3000 or :3000\n"},
    {"listen: 'http://a:80'", "/c.yml:1: listen: 'http://a:80' is not ADDRESS:PORT, like 127.0.0.1:3000, [::1]:3000 or :3000\n"},
    {"listen: ''", "/c.yml:1: listen: '' is not a text of 2 to 255 bytes\n"},
    {"agent: \"a\\x1bb\"", "/c.yml:1: agent: 'a\\x1bb' holds a control character\n"},
    {"agent: [a, b]", "/c.yml:1: agent: is a list, but takes one value\n"},
    {"agent:", "/c.yml:1: agent: has no value; write one, or remove the line\n"},
    {"a:\n  b: c", "/c.yml:2: a: settings do not nest; write one `name: value` a line\n"},
    {"agent: &x y", "/c.yml:1: anchors (&) and tags (!) are not understood here; quote the text\n"},
    {"agent: !!str y", "/c.yml:1: anchors (&) and tags (!) are not understood here; quote the text\n"},
    {"agent: *x", "/c.yml:1: aliases (*) are not understood here; quote the text\n"},
    {"- a\n- b", "/c.yml:1: a list where a name belongs; write one `name: value` a line\n"},
    {"just words", "/c.yml:1: one `name: value` a line is expected here\n"},
    {"retries: 1\n---\nretries: 2", "/c.yml:2: a second document (---); there is one in a file\n"},
    {"agent: \"a\\0b\"", "/c.yml:1: agent: holds a NUL character\n"},
    {"agent: \xff", "/c.yml:1: the text is not UTF-8, or holds control characters\n"},
    {"beat_ms: 4000", "silence_shown_ms: '5000' is less than two beats of beat_ms: '4000'\n"},
    {"reconnect_min_ms: 60000", "reconnect_max_ms: '30000' is less than reconnect_min_ms: '60000'\n"},
    {"retries: x\nlease_s: y", "/c.yml:1: retries: 'x' is not a number of tries from 0 to 10\n"
                               "/c.yml:2: lease_s: 'y' is not a number of seconds from 10 to 3600\n"},
};
/* clang-format on */

static void test_config__says_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct config c;
        struct buf problems;

        parse(wrong[i].text, &c, &problems);
        assert_string_equal(buf_str(&problems), wrong[i].problems);
        config_done(&c);
        buf_done(&problems);
    }
}

static void test_config__broken_yaml_and_too_much_of_it_are_refused(void **state)
{
    struct config c;
    struct buf problems;
    char *large = xmalloc(FLAT_BYTES_MAX + 2);

    (void)state;
    parse("listen: [a\nb: }", &c, &problems);
    assert_non_null(strstr(buf_str(&problems), "/c.yml:2: this is not YAML: "));
    config_done(&c);
    buf_done(&problems);
    memset(large, '#', FLAT_BYTES_MAX + 1);
    large[FLAT_BYTES_MAX + 1] = '\0';
    parse(large, &c, &problems);
    assert_string_equal(buf_str(&problems), "/c.yml: has more than 65536 bytes\n");
    config_done(&c);
    buf_done(&problems);
    free(large);
}

static void test_config__flags_go_before_the_environment_before_the_file(void **state)
{
    char folder[] = "/tmp/wrata-unit-XXXXXX";
    char path[64];
    const char *flags[N_SETTINGS] = {[SETTING_retries] = "3"};
    struct config_sources sources = {.data = folder, .flags = flags};
    struct config c;
    struct buf problems;
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/config.yml", folder);
    f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs("retries: 1\nlease_s: 11\nahead_ms: 7\n", f);
    (void)fclose(f);
    (void)setenv("WRATA_RETRIES", "2", 1);
    (void)setenv("WRATA_LEASE_S", "12", 1);
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(config_load(&sources, &c, &problems), ERR_OK);
    assert_int_equal(c.set.retries, 3);
    assert_int_equal(c.at[SETTING_retries].from, ORIGIN_FLAG);
    assert_int_equal(c.set.lease_s, 12);
    assert_int_equal(c.at[SETTING_lease_s].from, ORIGIN_ENV);
    assert_int_equal(c.set.ahead_ms, 7);
    assert_int_equal(c.at[SETTING_ahead_ms].from, ORIGIN_FILE);
    assert_int_equal(c.at[SETTING_beat_ms].from, ORIGIN_DEFAULT);
    config_done(&c);
    flags[SETTING_retries] = "x";
    (void)setenv("WRATA_LEASE_S", "y", 1);
    assert_int_equal(config_load(&sources, &c, &problems), ERR_INVALID);
    assert_string_equal(buf_str(&problems),
                        "--retries: 'x' is not a number of tries from 0 to 10\n"
                        "WRATA_LEASE_S: 'y' is not a number of seconds from 10 to 3600\n");
    config_done(&c);
    sources.file = "/nonexistent/c.yml";
    sources.no_env = true;
    sources.flags = NULL;
    buf_clear(&problems);
    assert_int_equal(config_load(&sources, &c, &problems), ERR_INVALID);
    assert_string_equal(buf_str(&problems), "/nonexistent/c.yml is not there\n");
    config_done(&c);
    buf_done(&problems);
    (void)unsetenv("WRATA_RETRIES");
    (void)unsetenv("WRATA_LEASE_S");
    (void)unlink(path);
    (void)rmdir(folder);
}

static void test_config__only_what_may_change_is_taken_over(void **state)
{
    struct config old;
    struct config new;
    struct buf problems;

    (void)state;
    parse("", &old, &problems);
    buf_done(&problems);
    parse("log_level: debug\nlog_json: true\nlease_s: 77\nbeat_ms: 200\nlisten: ':1'\n", &new, &problems);
    buf_done(&problems);
    config_take_reloadable(&old, &new);
    assert_int_equal(old.set.log_level, 0);
    assert_true(old.set.log_json);
    assert_int_equal(old.set.lease_s, 77);
    assert_int_equal(old.set.beat_ms, 1000);
    assert_string_equal(old.set.listen, "127.0.0.1:3000");
    config_done(&new);
    config_done(&old);
}

/* Names are unique, flags and variables follow them, and every row has its help. */
static void test_settings__each_row_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < N_SETTINGS; i++) {
        const struct setting_row *row = &setting_rows[i];
        char flag[64];

        (void)snprintf(flag, sizeof(flag), "%s", row->name);
        for (char *p = flag; *p != '\0'; p++)
            *p = *p == '_' ? '-' : *p;
        assert_string_equal(row->flag, flag);
        assert_int_equal(strncmp(row->env, "WRATA_", 6), 0);
        assert_true(strlen(row->help) > 10);
        assert_int_equal(row->arg == NULL, row->kind == SETTING_BOOL);
        if (row->reload == RELOAD_NOW)
            assert_true(row->kind >= SETTING_CHOICE);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(row->name, setting_rows[k].name);
            assert_string_not_equal(row->env, setting_rows[k].env);
        }
    }
}

/* Differs? wrata config --markdown > docs/configuration.md */
static void test_settings__are_what_the_page_says(void **state)
{
    const char *root = getenv("WRATA_SOURCE");
    char path[4096];
    struct buf want;
    struct buf have;
    FILE *f;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/docs/configuration.md", root != NULL ? root : ".");
    f = fopen(path, "r");
    assert_non_null(f);
    buf_init(&want, MIB(1));
    buf_init(&have, MIB(1));
    config_markdown(&want);
    buf_commit(&have, fread(buf_reserve(&have, KIB(512)), 1, KIB(512), f));
    (void)fclose(f);
    assert_string_equal(buf_str(&have), buf_str(&want));
    buf_done(&want);
    buf_done(&have);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__an_empty_file_is_the_defaults),
        cmocka_unit_test(test_config__values_reach_their_fields),
        cmocka_unit_test(test_config__says_what_is_wrong_and_where),
        cmocka_unit_test(test_config__broken_yaml_and_too_much_of_it_are_refused),
        cmocka_unit_test(test_config__flags_go_before_the_environment_before_the_file),
        cmocka_unit_test(test_config__only_what_may_change_is_taken_over),
        cmocka_unit_test(test_settings__each_row_is_whole),
        cmocka_unit_test(test_settings__are_what_the_page_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
