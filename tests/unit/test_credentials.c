/* test_credentials.c - sealing and opening, keys, the table of credentials and the predecessor's names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/credentials.h"
#include "config/vault.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static struct secret *key_of(const char *text)
{
    struct secret *key = NULL;

    assert_int_equal(vault_key_parse("k", text, &key, NULL), ERR_OK);
    return key;
}

static void test_vault__a_key_is_hex_or_base64(void **state)
{
    struct secret *a = key_of("  " HEX "\n");
    struct secret *b = key_of(BASE64);
    static const char *const bad[] = {"",       "00",       HEX "00",
                                      "zz" HEX, BASE64 "=", "0123456789abcdef0123456789abcdef"};

    (void)state;
    assert_true(secret_eq(a, b));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct secret *none = NULL;
        struct why why;

        assert_int_equal(vault_key_parse("master.key", bad[i], &none, &why), ERR_INVALID);
        assert_null(none);
        assert_non_null(strstr(why.text, "master.key does not hold a key: 32 bytes as 64 hex digits"));
    }
    secret_free(a);
    secret_free(b);
}

static void test_vault__opens_what_it_sealed(void **state)
{
    static const char *const texts[] = {"", "x", "git_token: a secret of some length\n"};
    struct secret *key = key_of(HEX);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct secret *text = NULL;
        struct buf sealed;

        buf_init(&sealed, KIB(128));
        vault_seal(key, texts[i], strlen(texts[i]), &sealed);
        assert_null(strstr(buf_str(&sealed), "a secret of some length"));
        assert_int_equal(vault_unseal(key, buf_slice(&sealed), &text, NULL), ERR_OK);
        assert_string_equal(secret_reveal(text), texts[i]);
        secret_free(text);
        buf_done(&sealed);
    }
    secret_free(key);
}

static void test_vault__no_changed_byte_goes_unnoticed(void **state)
{
    struct secret *key = key_of(HEX);
    struct secret *text = NULL;
    struct buf sealed;

    (void)state;
    buf_init(&sealed, KIB(128));
    vault_seal(key, "git_token: a secret of some length\n", 15, &sealed);
    for (size_t i = 0; i + 1 < sealed.len; i++) { /* the last is the line end, which means nothing */
        char was = sealed.data[i];

        sealed.data[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(vault_unseal(key, buf_slice(&sealed), &text, NULL), ERR_OK);
        sealed.data[i] = was;
    }
    for (size_t n = 0; n + 1 < sealed.len; n++)
        assert_int_not_equal(vault_unseal(key, (struct slice){sealed.data, n}, &text, NULL), ERR_OK);
    assert_null(text);
    buf_done(&sealed);
    secret_free(key);
}

static void test_vault__tells_another_key_from_damage(void **state)
{
    struct secret *key = key_of(HEX);
    struct secret *other = secret_new(NULL, VAULT_KEY_BYTES);
    struct secret *text = NULL;
    struct buf sealed;
    struct why why;

    (void)state;
    buf_init(&sealed, KIB(128));
    vault_seal(key, "a: b\n", 5, &sealed);
    assert_int_equal(vault_unseal(other, buf_slice(&sealed), &text, &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "sealed with another key"));
    sealed.data[sealed.len - 10] ^= 1;
    assert_int_equal(vault_unseal(key, buf_slice(&sealed), &text, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "changed or is damaged"));
    assert_int_equal(vault_unseal(key, SLICE("wrata-credentials 2 x\n"), &text, &why), ERR_INVALID);
    assert_string_equal(why.text, "it is of version 2, and this wrata knows version 1");
    assert_int_equal(vault_unseal(key, SLICE("hello\n"), &text, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "does not begin as a credentials file does"));
    buf_done(&sealed);
    secret_free(key);
    secret_free(other);
}

static void parse(const char *text, struct credentials *c, struct buf *problems, struct buf *warnings)
{
    buf_init(problems, CREDENTIALS_PROBLEMS_BYTES);
    buf_init(warnings, CREDENTIALS_PROBLEMS_BYTES);
    (void)!credentials_parse("c", slice_of(text), c, problems, warnings);
}

static void test_credentials__understand_the_names_of_the_predecessor(void **state)
{
    struct credentials c;
    struct buf problems;
    struct buf warnings;

    (void)state;
    parse("secret_key_base: 0123\ngithub_user: ann\ngithub_user_password: pw\nssh_user: root\nssh_pass: x\n"
          "admin_emails:\n- a@b.c\n- d@e.f\nfailure_notification_domain: mail\n"
          "failure_notification_username: bot@b.c\nfailure_notification_password: s\n",
          &c, &problems, &warnings);
    assert_string_equal(buf_str(&problems), "");
    assert_string_equal(buf_str(&warnings),
                        "c:5: ssh_pass: is not used: machines are reached with a key, not with a password\n");
    assert_string_equal(secret_reveal(c.at[CREDENTIAL_git_user]), "ann");
    assert_string_equal(secret_reveal(c.at[CREDENTIAL_git_token]), "pw");
    assert_string_equal(secret_reveal(c.at[CREDENTIAL_ssh_user]), "root");
    assert_string_equal(secret_reveal(c.at[CREDENTIAL_smtp_host]), "mail");
    assert_string_equal(secret_reveal(c.at[CREDENTIAL_smtp_user]), "bot@b.c");
    assert_string_equal(secret_reveal(c.at[CREDENTIAL_smtp_password]), "s");
    assert_string_equal(secret_reveal(c.at[CREDENTIAL_admin_emails]), "a@b.c\nd@e.f");
    assert_int_equal(credential_find("github_password"), CREDENTIAL_git_token);
    credentials_done(&c);
    buf_done(&problems);
    buf_done(&warnings);
}

static void test_credentials__messages_name_keys_and_never_values(void **state)
{
    static const struct {
        const char *text;
        const char *problems;
        const char *warnings;
    } rows[] = {
        {"git_tokn: hush", "", "c:1: git_tokn: is not known and not used; did you mean git_token?\n"},
        {"wat_is_this: hush", "", "c:1: wat_is_this: is not known and not used\n"},
        {"git_token: \"hu\\nsh\"", "c:1: git_token: has one line, without control characters\n", ""},
        {"git_token: ''", "c:1: git_token: is empty; write a value, or remove the line\n", ""},
        {"git_token: [hush, x]", "c:1: git_token: is a list, but takes one value\n", ""},
        {"git_token: hush\ngithub_password: hush",
         "c:2: github_password: is there already, in line 1 (git_token); remove one of them\n", ""},
        {"smtp_port: hush", "c:1: smtp_port: takes a port, from 1 to 65535\n", ""},
        {"smtp_port: 70000", "c:1: smtp_port: takes a port, from 1 to 65535\n", ""},
        {"admin_emails: [hush]", "c:1: admin_emails: takes addresses like qa@example.org\n", ""},
        {"ssh_key: hush",
         "c:1: ssh_key: takes the whole private key, from \"-----BEGIN ...\" on; write it as a block, after "
         "|\n",
         ""},
        {"git_token:\n", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct credentials c;
        struct buf problems;
        struct buf warnings;

        parse(rows[i].text, &c, &problems, &warnings);
        assert_string_equal(buf_str(&problems), rows[i].problems);
        assert_string_equal(buf_str(&warnings), rows[i].warnings);
        credentials_done(&c);
        buf_done(&problems);
        buf_done(&warnings);
    }
}

static void test_credentials__the_template_is_right_and_empty(void **state)
{
    struct credentials c;
    struct buf text;
    struct buf problems;
    struct buf warnings;

    (void)state;
    buf_init(&text, KIB(64));
    credentials_template(&text);
    parse(buf_str(&text), &c, &problems, &warnings);
    assert_int_equal(problems.len + warnings.len, 0);
    for (int i = 0; i < N_CREDENTIALS; i++)
        assert_null(c.at[i]);
    credentials_done(&c);
    buf_done(&text);
    buf_done(&problems);
    buf_done(&warnings);
}

static void test_credentials__are_what_the_page_says(void **state)
{
    const char *root = getenv("WRATA_SOURCE");
    char path[4096];
    struct buf want;
    struct buf have;
    FILE *f;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/docs/security.md", root != NULL ? root : ".");
    f = fopen(path, "r");
    assert_non_null(f);
    buf_init(&want, MIB(1));
    buf_init(&have, MIB(1));
    credentials_markdown(&want);
    buf_commit(&have, fread(buf_reserve(&have, KIB(512)), 1, KIB(512), f));
    (void)fclose(f);
    if (strstr(buf_str(&have), buf_str(&want)) == NULL)
        fail_msg("docs/security.md does not hold this table:\n%s", buf_str(&want));
    buf_done(&want);
    buf_done(&have);
}

static void test_flat__setting_a_key_leaves_the_other_lines_alone(void **state)
{
    static const struct {
        const char *text;
        const char *value;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"", "v", "k: \"v\"\n"},
        {"# c\na: 1", "v", "# c\na: 1\nk: \"v\"\n"},
        {"a: 1\nk: old # gone\nb: 2\n", "n\"w", "a: 1\nk: \"n\\\"w\"\nb: 2\n"},
        {"k: |\n  x\n  y\n# kept\nb: 2\n", "v", "k: \"v\"\n# kept\nb: 2\n"},
        {"k:\n- x\n- y\nb: 2\n", "v", "k: \"v\"\nb: 2\n"},
        {"b: 2\n", "x\n\ny\n", "b: 2\nk: |\n  x\n\n  y\n"},
        {"b: 2\n", "x\ny", "b: 2\nk: |-\n  x\n  y\n"},
        {"{k: 1, b: 2}", "v", NULL},
        {"k: 1\n...\n", "v", "k: \"v\"\n...\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *const values[] = {rows[i].value};
        struct buf out;
        struct buf problems;
        enum err err;

        buf_init(&out, KIB(256));
        buf_init(&problems, KIB(256));
        err = flat_set("f", slice_of(rows[i].text), "k", values, 1, false, &out, &problems);
        assert_int_equal(err == ERR_OK, rows[i].want != NULL);
        if (rows[i].want != NULL)
            assert_string_equal(buf_str(&out), rows[i].want);
        buf_done(&out);
        buf_done(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vault__a_key_is_hex_or_base64),
        cmocka_unit_test(test_vault__opens_what_it_sealed),
        cmocka_unit_test(test_vault__no_changed_byte_goes_unnoticed),
        cmocka_unit_test(test_vault__tells_another_key_from_damage),
        cmocka_unit_test(test_credentials__understand_the_names_of_the_predecessor),
        cmocka_unit_test(test_credentials__messages_name_keys_and_never_values),
        cmocka_unit_test(test_credentials__the_template_is_right_and_empty),
        cmocka_unit_test(test_credentials__are_what_the_page_says),
        cmocka_unit_test(test_flat__setting_a_key_leaves_the_other_lines_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
