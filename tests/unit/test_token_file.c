/* test_token_file.c - the tokens that the command line keeps: one for each server, nobody else's to read; and where a
 * secret may be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "cli/token_file.h"
#include "net/client.h"

struct world {
    char home[64];
    char folder[96];
    char path[128];
};

static int setup(void **state)
{
    static struct world w;

    (void)snprintf(w.home, sizeof(w.home), "/tmp/wrata-tokens-XXXXXX");
    assert_non_null(mkdtemp(w.home));
    (void)snprintf(w.folder, sizeof(w.folder), "%s/c/wrata", w.home);
    (void)snprintf(w.path, sizeof(w.path), "%s/tokens.json", w.folder);
    (void)setenv("HOME", w.home, 1);
    (void)snprintf(w.folder, sizeof(w.folder), "%s/c", w.home);
    (void)setenv("XDG_CONFIG_HOME", w.folder, 1);
    (void)snprintf(w.folder, sizeof(w.folder), "%s/c/wrata", w.home);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    const struct world *w = *state;
    char path[160];

    (void)unlink(w->path);
    (void)rmdir(w->folder);
    (void)snprintf(path, sizeof(path), "%s/c", w->home);
    (void)rmdir(path);
    (void)snprintf(path, sizeof(path), "%s/.config/wrata/tokens.json", w->home);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/.config/wrata", w->home);
    (void)rmdir(path);
    (void)snprintf(path, sizeof(path), "%s/.config", w->home);
    (void)rmdir(path);
    return rmdir(w->home);
}

static void put(const char *url, const char *token)
{
    const struct saved_token t = {.token = (char *)token, .login = (char *)"mira", .id = 3};
    struct why why = {0};

    if (token_file_put(url, &t, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static void assert_kept(const char *url, const char *token)
{
    struct saved_token t;
    enum err err = token_file_get(url, &t, NULL);

    if (token == NULL) {
        assert_int_equal(err, ERR_NOTFOUND);
        assert_null(t.token);
    } else {
        assert_int_equal(err, ERR_OK);
        assert_string_equal(t.token, token);
        assert_string_equal(t.login, "mira");
        assert_int_equal(t.id, 3);
    }
    saved_token_done(&t);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_token_file__keeps_one_token_a_server(void **state)
{
    (void)state;
    assert_kept("https://a.example", NULL);
    put("https://a.example", "ta");
    put("https://b.example:8443", "tb");
    put("https://a.example", "ta2");
    assert_kept("https://a.example", "ta2");
    assert_kept("https://b.example:8443", "tb");
    assert_kept("https://b.example", NULL);
    assert_kept("http://a.example", NULL);
    assert_kept("https://a.example/team", NULL);
    assert_int_equal(token_file_forget("https://a.example", NULL), ERR_OK);
    assert_int_equal(token_file_forget("https://a.example", NULL), ERR_NOTFOUND);
    assert_kept("https://a.example", NULL);
    assert_kept("https://b.example:8443", "tb");
}

static void test_token_file__knows_a_url_however_it_is_written(void **state)
{
    (void)state;
    put("HTTPS://A.Example:443/", "t");
    assert_kept("https://a.example", "t");
    assert_kept("https://u:p@A.example//", "t");
    assert_kept("https://a.example:80", NULL);
}

static void test_token_file__is_its_owners_alone(void **state)
{
    const struct world *w = *state;
    struct stat st;

    put("https://a.example", "t");
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(w->folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_token_file__that_others_can_read_is_not_used(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0644, 0610};
    const struct world *w = *state;
    struct saved_token t = {.token = (char *)"new", .login = (char *)"mira"};
    struct why why = {0};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        put("https://a.example", "hush");
        assert_int_equal(chmod(w->path, modes[i]), 0);
        assert_int_equal(token_file_get("https://a.example", &t, &why), ERR_DENIED);
        assert_null(t.token);
        assert_non_null(strstr(why.text, "chmod 600"));
        assert_null(strstr(why.text, "hush"));
        t = (struct saved_token){.token = (char *)"new", .login = (char *)"mira"};
        assert_int_equal(token_file_put("https://a.example", &t, NULL), ERR_DENIED);
        assert_int_equal(chmod(w->path, 0600), 0);
        assert_kept("https://a.example", "hush");
    }
}

static void test_token_file__that_is_damaged_says_so_and_stays(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{\"https://a.example\":{\"token\":\"hush",
                                      "{\"https://a.example\":{\"token\":\"hush\"},\"https://a.example\":{}}",
                                      "\xff\xfe",
                                      "null"};
    const struct world *w = *state;
    struct saved_token t = {0};
    struct why why = {0};
    char text[256] = "";
    FILE *f;

    put("https://a.example", "t");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_file(w->path, bad[i], 0600);
        assert_int_equal(token_file_get("https://a.example", &t, &why), ERR_INVALID);
        assert_non_null(strstr(why.text, "damaged"));
        assert_null(strstr(why.text, "hush"));
        t = (struct saved_token){.token = (char *)"new", .login = (char *)"mira"};
        assert_int_equal(token_file_put("https://a.example", &t, NULL), ERR_INVALID);
        t = (struct saved_token){0};
        f = fopen(w->path, "re");
        assert_non_null(f);
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        (void)fclose(f);
        assert_string_equal(text, bad[i]);
    }
}

static void test_token_file__of_strange_content_has_no_token(void **state)
{
    static const char *const strange[] = {"{}", "{\"https://a.example\":7}",
                                          "{\"https://a.example\":{\"token\":\"\"}}",
                                          "{\"https://a.example\":{\"token\":[1]}}"};
    const struct world *w = *state;

    put("https://a.example", "t");
    for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
        write_file(w->path, strange[i], 0600);
        assert_kept("https://a.example", NULL);
    }
}

static void test_token_file__has_a_largest_size(void **state)
{
    struct saved_token t = {.login = (char *)"mira", .id = 3};
    struct why why = {0};
    char *large = malloc(TOKEN_FILE_BYTES_MAX + 1);

    (void)state;
    assert_non_null(large);
    memset(large, 'x', TOKEN_FILE_BYTES_MAX);
    large[TOKEN_FILE_BYTES_MAX] = '\0';
    put("https://a.example", "t");
    t.token = large;
    assert_int_equal(token_file_put("https://b.example", &t, &why), ERR_LIMIT);
    assert_kept("https://a.example", "t");
    assert_kept("https://b.example", NULL);
    free(large);
}

static void test_token_file__is_under_home_without_xdg(void **state)
{
    const struct world *w = *state;
    char path[160];

    (void)unsetenv("XDG_CONFIG_HOME");
    put("https://a.example", "t");
    (void)snprintf(path, sizeof(path), "%s/.config/wrata/tokens.json", w->home);
    assert_int_equal(access(path, F_OK), 0);
    (void)unsetenv("HOME");
    assert_kept("https://a.example", NULL);
}

/* ---- the way ---- */

static void test_client__sends_secrets_to_this_computer_or_by_https(void **state)
{
    static const struct {
        const char *url;
        bool is_secret;
    } rows[] = {
        {"http://localhost:3000", true},
        {"http://LOCALHOST:3000", true},
        {"http://127.0.0.1:3000", true},
        {"http://127.8.9.10", true},
        {"http://[::1]:3000", true},
        {"https://wrata.example.org", true},
        {"https://192.0.2.1", true},
        {"http://wrata.example.org", false},
        {"http://192.0.2.1:3000", false},
        {"http://[2001:db8::1]", false},
        {"http://127.0.0.1.example.org", false}, /* a name */
        {"http://127.example.org", false},
        {"http://localhost.example.org", false},
        {"http://localhost@192.0.2.1", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client *c = NULL;

        assert_int_equal(client_new(rows[i].url, &c, NULL), ERR_OK);
        if (client_is_secret(c) != rows[i].is_secret)
            fail_msg("%s", rows[i].url);
        client_free(c);
    }
}

static void test_client__refuses_a_secret_that_is_more_than_one_header(void **state)
{
    static const char *const bad[] = {"a\r\nX-Admin: 1", "a b", "a\n", "\x7f", "sm\xc3\xb8r", "\t"};
    struct client *c = NULL;
    struct why why = {0};

    (void)state;
    assert_int_equal(client_new("http://localhost:1", &c, NULL), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct client_auth auth = {.bearer = bad[i]};

        assert_int_equal(client_authorize(c, &auth, &why), ERR_INVALID);
        assert_null(strstr(why.text, "Admin"));
    }
    client_free(c);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_token_file__keeps_one_token_a_server),
        TEST(test_token_file__knows_a_url_however_it_is_written),
        TEST(test_token_file__is_its_owners_alone),
        TEST(test_token_file__that_others_can_read_is_not_used),
        TEST(test_token_file__that_is_damaged_says_so_and_stays),
        TEST(test_token_file__of_strange_content_has_no_token),
        TEST(test_token_file__has_a_largest_size),
        TEST(test_token_file__is_under_home_without_xdg),
        cmocka_unit_test(test_client__sends_secrets_to_this_computer_or_by_https),
        cmocka_unit_test(test_client__refuses_a_secret_that_is_more_than_one_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
