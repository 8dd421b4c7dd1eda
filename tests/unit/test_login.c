/* test_login.c - which url the git token is for, what git gets to hear, and what people read of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "project/askpass.h"
#include "project/project_private.h"

static void test_login__is_for_https_at_its_host_alone(void **state)
{
    static const struct {
        const char *host;
        const char *url;
        bool fits;
    } rows[] = {
        {"github.com", "https://github.com/a/b.git", true},
        {"github.com", "https://GitHub.com/a/b", true},
        {"github.com", "https://github.com:443/a", true},
        {"github.com:443", "https://github.com/a", true},
        {"github.com", "https://github.com", true},
        {"git.example.org:8443", "https://git.example.org:8443/a", true},
        {"[::1]:8443", "https://[::1]:8443/a", true},
        {"github.com", "http://github.com/a", false},
        {"github.com", "HTTPS://github.com/a", false},
        {"github.com", "https://github.com:8443/a", false},
        {"github.com", "https://github.com.evil.org/a", false},
        {"github.com", "https://evil.org/github.com", false},
        {"github.com", "https://xgithub.com/a", false},
        {"github.com", "https://github.com@evil.org/a", false},
        {"github.com", "https://ann@github.com/a", false}, /* a login of its own */
        {"github.com", "https://github.com%2f@evil.org/a", false},
        {"github.com", "https://github.com\\@evil.org/a", false},
        {"github.com", "https://github.com?@evil.org/a", false},
        {"github.com", "https://github.com#/a", false},
        {"github.com", "https:///a", false},
        {"github.com", "ssh://github.com/a", false},
        {"github.com", "git@github.com:a/b", false},
        {"github.com", "", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct git_login login = {.host = rows[i].host, .user = "ann", .token = "t"};

        if (login_fits(&login, rows[i].url) != rows[i].fits)
            fail_msg("%s for %s", rows[i].host, rows[i].url);
        login.token = NULL;
        assert_false(login_fits(&login, rows[i].url));
    }
}

static void test_login__a_host_is_a_host(void **state)
{
    static const char *const good[] = {"github.com", "h", "h:1", "127.0.0.1:80", "[::1]:80"};
    static const char *const bad[] = {"",   "https://h", "h/",  "a b", "ann@h",
                                      "-h", ".h",        ":80", "h\n", "h\xc3\xbc"};
    char longest[GIT_HOST_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(login_is_host(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(login_is_host(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[GIT_HOST_BYTES] = '\0';
    assert_false(login_is_host(longest));
    assert_true(login_is_host(longest + 1));
}

static void test_login__a_short_name_means_the_git_host(void **state)
{
    char out[URL_BYTES_MAX];
    struct why why;

    (void)state;
    assert_int_equal(project_url("team/app", "git.example.org:8443", out, sizeof(out), &why), ERR_OK);
    assert_string_equal(out, "https://git.example.org:8443/team/app.git");
}

static void test_askpass__answers_two_questions(void **state)
{
    static const char *const none[] = {
        "",
        "Username for 'http://h:1': ",
        "Username for 'https://h:1'",
        "Username for 'https://h:1': x",
        "Username for 'https://h': ",
        "Username for 'https://h:12': ",
        "Password for 'https://h:1': ",
        "Password for 'https://eve@h:1': ",
        "Password for 'https://a@b@h:2': ",
        "Password for 'https://a@b@h:1/path': ",
        "Password for 'https://a@b@h:1@evil': ",
        "Password for 'https://evil/a@b@h:1': ",
    };

    (void)state;
    assert_string_equal(askpass_answer("Username for 'https://h:1': ", "h:1", "a@b", "t"), "a@b");
    assert_string_equal(askpass_answer("Password for 'https://a@b@h:1': ", "h:1", "a@b", "t"), "t");
    assert_string_equal(askpass_answer("Password for 'https://a%40b@h:1': ", "h:1", "a@b", "t"), "t");
    /* git-lfs */
    assert_string_equal(askpass_answer("Username for \"https://h:1\"", "h:1", "a@b", "t"), "a@b");
    assert_string_equal(askpass_answer("Password for \"https://a%40b@h:1\"", "h:1", "a@b", "t"), "t");
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_null(askpass_answer(none[i], "h:1", "a@b", "t"));
}

static const char *masked(const char *token, const char *said)
{
    static char ret[200];
    struct buf b;

    buf_init(&b, KIB(1));
    login_mask(token, slice_of(said), &b);
    (void)snprintf(ret, sizeof(ret), "%s", buf_str(&b));
    buf_done(&b);
    return ret;
}

static void test_login__what_is_said_holds_no_token(void **state)
{
    (void)state;
    assert_string_equal(masked("abc", "remote: abc, abcabc; ab"), "remote: ***, ******; ab");
    assert_string_equal(masked("abc", "abc"), "***");
    assert_string_equal(masked("abc", ""), "");
    assert_string_equal(masked("", "abc"), "abc");
    assert_string_equal(masked(NULL, "abc"), "abc");
}

static const char *explained(const char *token, const char *url, const char *said)
{
    static char ret[300];
    struct git_login login = {.host = "h", .user = "ann", .token = token};

    ret[0] = '\0';
    return login_explains(&login, url, slice_of(said), ret, sizeof(ret)) ? ret : NULL;
}

static void test_login__a_refusal_names_what_mends_it(void **state)
{
    static const char failed[] = "remote: x\nfatal: Authentication failed for 'https://h/a/'\n";
    static const char asked[] = "fatal: could not read Username for 'https://h': terminal prompts disabled\n";

    (void)state;
    assert_non_null(strstr(explained("t", "https://h/a", failed), "refuses git_user 'ann' with git_token"));
    assert_non_null(strstr(explained(NULL, "https://h/a", asked), "have no git_token"));
    assert_non_null(
        strstr(explained("t", "https://other/a", asked), "git_token of the credentials is for https://h"));
    assert_non_null(strstr(explained("t", "https://h/a", asked), "sends git on"));
    assert_null(explained("t", "https://h/a", "fatal: repository not found\n"));
    assert_null(explained("t", "ssh://h/a", asked));
    assert_null(explained(NULL, "https://ann:pw@h/a", failed)); /* what git says is enough */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_login__is_for_https_at_its_host_alone),
        cmocka_unit_test(test_login__a_host_is_a_host),
        cmocka_unit_test(test_login__a_short_name_means_the_git_host),
        cmocka_unit_test(test_askpass__answers_two_questions),
        cmocka_unit_test(test_login__what_is_said_holds_no_token),
        cmocka_unit_test(test_login__a_refusal_names_what_mends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
