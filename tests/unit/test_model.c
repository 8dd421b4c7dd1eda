/* test_model.c - rules for input from people, and names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/account.h"
#include "model/git_url.h"
#include "model/rules.h"

static const struct server_row good_server = {
    .name = "qa-1", .fleet = FLEET_SSH, .address = "host", .user = "", .identity = "", .slots = 1};
static const struct launch_row good_launch = {
    .name = "l", .project_name = "p", .ref = "main", .commit = "", .lease_ms = 120000, .retries = 2};

static void test_model__server_rules_name_the_field(void **state)
{
    static const struct {
        struct server_row row;
        const char *field; /* NULL: it is fine */
    } cases[] = {
        {{.name = "a", .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = 256}, NULL},
        {{.name = "", .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = 1}, "name"},
        {{.name = "-a", .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = 1}, "name"},
        {{.name = "a b", .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = 1},
         "name"},
        {{.name = "a\n", .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = 1},
         "name"},
        {{.name = "a", .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = 0}, "slots"},
        {{.name = "a", .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = 257},
         "slots"},
        {{.name = "a", .fleet = FLEET_COUNT, .address = "", .user = "", .identity = "", .slots = 1}, "fleet"},
        {{.name = "a", .fleet = FLEET_LOCAL, .address = "x", .user = "", .identity = "", .slots = 1},
         "address"},
        {{.name = "a", .fleet = FLEET_SSH, .address = "", .user = "", .identity = "", .slots = 1}, "address"},
        {{.name = "a",
          .fleet = FLEET_SSH,
          .address = "-oProxyCommand=x",
          .user = "",
          .identity = "",
          .slots = 1},
         "address"},
        {{.name = "a", .fleet = FLEET_SSH, .address = "h", .user = "-l", .identity = "", .slots = 1}, "user"},
        {{.name = "a", .fleet = FLEET_SSH, .address = "h", .user = "", .identity = "\xff", .slots = 1},
         "identity"},
        {{.name = "a",
          .fleet = FLEET_SSH,
          .address = "h",
          .user = "",
          .identity = "",
          .slots = 1,
          .port = 70000},
         "port"},
    };
    struct why why;

    (void)state;
    assert_int_equal(server_row_check(&good_server, &why), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum err err = server_row_check(&cases[i].row, &why);

        if (cases[i].field == NULL) {
            assert_int_equal(err, ERR_OK);
            continue;
        }
        assert_int_equal(err, ERR_INVALID);
        assert_string_equal(why.field, cases[i].field);
    }
}

static void test_model__launch_rules(void **state)
{
    static const char *const bad_env[] = {"A", "=x", "1A=x", "A B=x", "WRATA_RUN_ID=1"};
    static const char *const bad_secrets[] = {
        "sealed1", "=sealed1", "A=", "1A=sealed1", "A B=sealed1", "WRATA_X=sealed1"};
    static char large[LAUNCH_SECRETS_BYTES_MAX + 2];
    const char *large_secret = large;
    struct launch_row l = good_launch;
    struct why why;

    (void)state;
    assert_int_equal(launch_row_check(&l, &why), ERR_OK);
    l.n_env = 1;
    for (size_t i = 0; i < ARRAY_LEN(bad_env); i++) {
        l.env = &bad_env[i];
        assert_int_equal(launch_row_check(&l, &why), ERR_INVALID);
        assert_string_equal(why.field, "env");
    }
    l = good_launch;
    l.n_secrets = 1;
    for (size_t i = 0; i < ARRAY_LEN(bad_secrets); i++) {
        l.secrets = &bad_secrets[i];
        assert_int_equal(launch_row_check(&l, &why), ERR_INVALID);
        assert_string_equal(why.field, "secrets");
        assert_null(strstr(why.text, "sealed1")); /* not even what is sealed */
    }
    memset(large, 'x', sizeof(large) - 1);
    memcpy(large, "A=", 2);
    l.secrets = &large_secret;
    assert_int_equal(launch_row_check(&l, &why), ERR_LIMIT);
    large[LAUNCH_SECRETS_BYTES_MAX] = '\0';
    assert_int_equal(launch_row_check(&l, &why), ERR_OK);
    l.n_secrets = LAUNCH_SECRETS_MAX + 1;
    assert_int_equal(launch_row_check(&l, &why), ERR_LIMIT);
    l = good_launch;
    l.retries = 11;
    assert_int_equal(launch_row_check(&l, &why), ERR_INVALID);
    assert_string_equal(why.field, "retries");
    l = good_launch;
    l.lease_ms = 10;
    assert_int_equal(launch_row_check(&l, &why), ERR_INVALID);
    l = good_launch;
    l.time_limit_ms = -1;
    assert_int_equal(launch_row_check(&l, &why), ERR_INVALID);
    assert_string_equal(why.field, "time_limit_ms");
    l = good_launch;
    l.slots = 2;
    assert_int_equal(launch_row_check(&l, &why), ERR_INVALID); /* of no project */
    assert_string_equal(why.field, "slots");
    l.project.v = 1;
    assert_int_equal(launch_row_check(&l, &why), ERR_OK);
    l.slots = SERVER_SLOTS_MAX + 1;
    assert_int_equal(launch_row_check(&l, &why), ERR_INVALID);
    assert_string_equal(why.field, "slots");
}

static void test_model__paths(void **state)
{
    static const struct {
        const char *path;
        enum err err;
    } cases[] = {
        {"spec/a_spec.rb", ERR_OK},    {"a b'\"c.sh", ERR_OK},    {"-x.sh", ERR_OK},
        {"\xd0\xb6.rb", ERR_OK},       {"a..b/..c", ERR_OK},      {"", ERR_INVALID},
        {"/etc/passwd", ERR_INVALID},  {"../x", ERR_INVALID},     {"a/../b", ERR_INVALID},
        {"a/..", ERR_INVALID},         {"a\nb", ERR_INVALID},     {"\xc0\xaf", ERR_INVALID},
        {"\xed\xa0\x80", ERR_INVALID}, {"a\x1b[0m", ERR_INVALID}, {"\xc2\x85", ERR_INVALID},
    };
    struct why why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(path_check("path", cases[i].path, &why), cases[i].err);
}

static void test_model__a_wrong_value_is_shown_without_its_bytes(void **state)
{
    struct why why;

    (void)state;
    assert_int_equal(text_check("ref", "a\x1b[31mred", 100, &why), ERR_INVALID);
    assert_null(strchr(why.text, '\x1b'));
    assert_non_null(strstr(why.text, "a?[31mred"));
}

static void test_model__names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < FLEET_COUNT; i++)
        assert_int_equal(fleet_kind_parse(fleet_kind_name((enum fleet_kind)i)), i);
    for (int i = 0; i < ORDER_COUNT; i++)
        assert_int_equal(launch_order_parse(launch_order_name((enum launch_order)i)), i);
    for (int i = 0; i < EXAMPLE_STATUS_COUNT; i++)
        assert_int_equal(example_status_parse(example_status_name((enum example_status)i)), i);
    assert_int_equal(fleet_kind_parse("cloud"), FLEET_COUNT);
    assert_int_equal(launch_order_parse(""), ORDER_COUNT);
    assert_string_equal(test_state_name(TEST_ACTIVE), "running");
    for (int a = ADAPTER_EXIT; a < ADAPTER_COUNT; a++)
        assert_int_equal(adapter_parse(adapter_name((enum adapter_kind)a)), a);
    assert_int_equal(adapter_parse("xunit"), ADAPTER_COUNT);
    assert_string_equal(adapter_name(ADAPTER_RSPEC), "rspec");
    assert_false(adapter_has_results(ADAPTER_EXIT));
    assert_true(adapter_has_results(ADAPTER_TAP));
    for (int i = 0; i < SCOPE_COUNT; i++)
        assert_int_equal(token_scope_parse(token_scope_name((enum token_scope)i)), i);
    for (int i = 0; i < LINK_PURPOSE_COUNT; i++)
        assert_int_equal(link_purpose_parse(link_purpose_name((enum link_purpose)i)), i);
    assert_int_equal(token_scope_parse("Admin"), SCOPE_COUNT);
    assert_int_equal(token_scope_parse(NULL), SCOPE_COUNT);
    assert_int_equal(link_purpose_parse(""), LINK_PURPOSE_COUNT);
    assert_string_equal(token_scope_name(SCOPE_RUN), "run");
    assert_string_equal(link_purpose_name(LINK_RESET), "reset");
}

static void test_model__one_repository_has_one_key_whatever_the_way_to_it(void **state)
{
    static const struct {
        const char *url, *key; /* key NULL: none */
    } rows[] = {
        {"https://github.com/owner/name", "github.com/owner/name"},
        {"https://me:secret@GitHub.com:443/owner/name.git/", "github.com/owner/name"},
        {"https://a@b@github.com/owner/name", "github.com/owner/name"},
        {"http://github.com/owner/name.git", "github.com/owner/name"},
        {"git@github.com:owner/name.git", "github.com/owner/name"},
        {"github.com:owner/name", "github.com/owner/name"},
        {"git@github.com:/owner/name", "github.com/owner/name"},
        {"ssh://git@github.com/owner/name.git", "github.com/owner/name"},
        {"ssh://git@github.com:2222/owner/name.git", "github.com/owner/name"},
        {"owner/name", "git.example.org/owner/name"},
        {"owner/name.git", "git.example.org/owner/name"},
        {"https://localhost:8001/owner/name", "localhost:8001/owner/name"},
        {"https://[::1]:8001/owner/name", "[::1]:8001/owner/name"},
        {"ssh://[::1]:22/owner/name", "[::1]/owner/name"},
        {"https://github.com/Owner/Name", "github.com/Owner/Name"},
        {"/srv/git/docs.git", "/srv/git/docs"},
        {"file:///srv/git/docs/", "/srv/git/docs"},
        {"/srv/git/.git", "/srv/git/.git"},
        {"https://github.com", NULL},
        {"https://github.com/", NULL},
        {"https:///x", NULL},
        {"ext::sh -c id", "ext/:sh -c id"}, /* nothing is run with a key: it is compared */
        {"ftp://github.com/owner/name", NULL},
        {"../docs", NULL},
        {"docs", NULL},
        {"a/b/c", NULL},
        {"", NULL},
        {"/", NULL},
    };
    char key[64];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool is_one = git_url_key(rows[i].url, "git.example.org", key, sizeof(key));

        if (is_one != (rows[i].key != NULL))
            fail_msg("%s: %s", rows[i].url, is_one ? key : "none");
        if (is_one)
            assert_string_equal(key, rows[i].key);
    }
    assert_false(git_url_key("owner/name", NULL, key, sizeof(key)));
    assert_false(git_url_key("https://github.com/owner/name", NULL, key, 20));
    assert_true(git_url_key("https://github.com/owner/name", NULL, key, 22));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__server_rules_name_the_field),
        cmocka_unit_test(test_model__launch_rules),
        cmocka_unit_test(test_model__paths),
        cmocka_unit_test(test_model__a_wrong_value_is_shown_without_its_bytes),
        cmocka_unit_test(test_model__names_go_both_ways),
        cmocka_unit_test(test_model__one_repository_has_one_key_whatever_the_way_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
