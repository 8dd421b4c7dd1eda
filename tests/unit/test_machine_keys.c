/* test_machine_keys.c - keys of machines follow from one sealed secret, and outlive the server. */
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

#include "base/mem.h"
#include "server/machine_keys.h"

struct world {
    char data[64];
    struct sealer *sealer;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct why why;

    assert_non_null(w);
    (void)snprintf(w->data, sizeof(w->data), "/tmp/wrata-machine-keys-XXXXXX");
    assert_non_null(mkdtemp(w->data));
    assert_int_equal(sealer_open(w->data, true, &w->sealer, &why), ERR_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];

    sealer_free(w->sealer);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", w->data);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static struct machine_keys *open_keys(const struct world *w, const char *login)
{
    struct machine_keys *k;
    struct why why;

    if (machine_keys_open(w->data, w->sealer, slice_of(login), &k, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return k;
}

static char *said(const char *command)
{
    static char out[4096];
    FILE *f = popen(command, "r");
    size_t n;

    assert_non_null(f);
    n = fread(out, 1, sizeof(out) - 1, f);
    out[n] = '\0';
    (void)pclose(f);
    return out;
}

static void test_machine_keys__are_the_same_after_a_restart_and_differ_from_each_other(void **state)
{
    static const uint64_t calls[][2] = {{1, 1}, {1, 2}, {2, 1}, {11, 1}, {1, 11}};
    struct world *w = *state;
    struct machine_keys *k = open_keys(w, NULL);
    struct ssh_key keys[ARRAY_LEN(calls)];
    struct ssh_key again;
    char *authorized = xstrdup(machine_keys_authorized(k));

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        machine_keys_host(k, calls[i][0], calls[i][1], &keys[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(keys[i].private_file, keys[j].private_file);
    }
    machine_keys_free(k);
    k = open_keys(w, NULL);
    machine_keys_host(k, 2, 1, &again);
    assert_string_equal(again.private_file, keys[2].private_file);
    assert_string_equal(machine_keys_authorized(k), authorized);
    assert_string_not_equal(authorized, again.public_line);
    free(authorized);
    machine_keys_free(k);
}

static void test_machine_keys__the_login_file_is_one_that_ssh_takes(void **state)
{
    struct world *w = *state;
    struct machine_keys *k = open_keys(w, NULL);
    char command[256];
    char expected[256];
    struct stat st;

    assert_int_equal(stat(machine_keys_identity(k), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    (void)snprintf(command, sizeof(command), "ssh-keygen -y -f '%s'", machine_keys_identity(k));
    (void)snprintf(expected, sizeof(expected), "%s\n", machine_keys_authorized(k));
    assert_string_equal(said(command), expected);
    machine_keys_free(k);
}

static void test_machine_keys__that_of_the_credentials_is_used_when_there_is_one(void **state)
{
    struct world *w = *state;
    char command[256];
    char *login;
    struct machine_keys *k;

    (void)snprintf(command, sizeof(command),
                   "ssh-keygen -q -t rsa -b 2048 -N '' -C '' -f '%s/given' && cat '%s/given'", w->data,
                   w->data);
    login = xstrdup(said(command));
    login[strlen(login) - 1] = '\0'; /* as a credentials file may have it */
    k = open_keys(w, login);
    (void)snprintf(command, sizeof(command), "ssh-keygen -y -f '%s'", machine_keys_identity(k));
    assert_int_equal(strncmp(said(command), "ssh-rsa AAAA", 12), 0);
    assert_int_equal(strncmp(machine_keys_authorized(k), "ssh-rsa AAAA", 12), 0);
    machine_keys_free(k);
    free(login);
}

static void test_machine_keys__one_that_cannot_be_used_says_why(void **state)
{
    struct world *w = *state;
    struct machine_keys *k;
    struct why why;

    assert_int_equal(machine_keys_open(w->data, w->sealer, SLICE("hello"), &k, &why), ERR_INVALID);
    assert_string_equal(why.field, "ssh_key");
}

static void test_machine_keys__nothing_of_the_secret_lies_open(void **state)
{
    struct world *w = *state;
    struct machine_keys *k = open_keys(w, NULL);
    char command[256];

    machine_keys_free(k);
    (void)snprintf(command, sizeof(command), "cat '%s/ssh/machines.key.enc'", w->data);
    assert_int_equal(strncmp(said(command), "1 ", 2), 0);
}

static void test_machine_keys__another_master_key_does_not_open_them(void **state)
{
    struct world *w = *state;
    struct machine_keys *k = open_keys(w, NULL);
    char command[256];
    struct why why;

    machine_keys_free(k);
    sealer_free(w->sealer);
    w->sealer = NULL;
    (void)snprintf(command, sizeof(command), "cd '%s' && rm -f master.key data.key.enc", w->data);
    assert_int_equal(system(command), 0);
    assert_int_equal(sealer_open(w->data, true, &w->sealer, &why), ERR_OK);
    assert_int_equal(machine_keys_open(w->data, w->sealer, slice_of(NULL), &k, &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "machines.key.enc"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_machine_keys__are_the_same_after_a_restart_and_differ_from_each_other),
        TEST(test_machine_keys__the_login_file_is_one_that_ssh_takes),
        TEST(test_machine_keys__that_of_the_credentials_is_used_when_there_is_one),
        TEST(test_machine_keys__one_that_cannot_be_used_says_why),
        TEST(test_machine_keys__nothing_of_the_secret_lies_open),
        TEST(test_machine_keys__another_master_key_does_not_open_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
