/* test_seal.c - values sealed with the data key, and its file through a rotation that is cut short anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/seal.h"
#include "config/vault.h"
#include "config/whole_file.h"

#define TEXT "git_token: abc\n"

static const char *const files[] = {VAULT_KEY_FILE, VAULT_FILE, VAULT_DATA_KEY_FILE, VAULT_KEY_NEXT};
enum { KEY, CRED, DATA, NEXT, FILES };

struct folder {
    char dir[64];
};

static void folder_make(struct folder *f)
{
    (void)unsetenv(VAULT_KEY_ENV);
    (void)unsetenv(VAULT_KEY_NEXT_ENV);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/wrata-seal-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
}

static const char *path_of(const struct folder *f, const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return path;
}

static void folder_remove(const struct folder *f)
{
    for (int i = 0; i < FILES; i++)
        (void)unlink(path_of(f, files[i]));
    (void)unlink(path_of(f, "credentials.lock"));
    assert_int_equal(rmdir(f->dir), 0);
}

static void put_file(const struct folder *f, int which, const char *text)
{
    assert_int_equal(whole_file_write(path_of(f, files[which]), text, strlen(text), NULL), ERR_OK);
}

static void get_file(const struct folder *f, int which, char out[1024])
{
    struct buf b;

    buf_init(&b, 1023);
    assert_int_equal(whole_file_read(path_of(f, files[which]), &b, NULL, NULL), ERR_OK);
    (void)snprintf(out, 1024, "%s", buf_str(&b));
    buf_done(&b);
}

static bool has_file(const struct folder *f, int which)
{
    return access(path_of(f, files[which]), F_OK) == 0;
}

static void seal_text(const struct sealer *s, const char *context, const char *value, struct buf *out)
{
    buf_init(out, SEALED_TEXT_BYTES_MAX);
    seal_value(s, context, value, strlen(value), out);
}

static void assert_opens(const struct folder *f, const char *context, const char *sealed, const char *value)
{
    struct sealer *s = NULL;
    struct secret *got = NULL;

    assert_int_equal(sealer_open(f->dir, false, &s, NULL), ERR_OK);
    assert_int_equal(unseal_value(s, context, sealed, &got, NULL), ERR_OK);
    assert_string_equal(secret_reveal(got), value);
    secret_free(got);
    sealer_free(s);
}

static void test_seal__opens_what_it_sealed_for_this_place_alone(void **state)
{
    struct folder f;
    struct sealer *s = NULL;
    struct secret *got = NULL;
    struct buf b;
    struct why why;

    (void)state;
    folder_make(&f);
    assert_int_equal(sealer_open(f.dir, false, &s, &why), ERR_NOTFOUND);
    assert_false(has_file(&f, DATA));
    assert_int_equal(sealer_open(f.dir, true, &s, &why), ERR_OK);
    assert_true(has_file(&f, DATA));
    seal_text(s, "user_env 7 A", "hunter2", &b);
    assert_null(strstr(buf_str(&b), "hunter2"));
    assert_opens(&f, "user_env 7 A", buf_str(&b), "hunter2");
    assert_int_equal(unseal_value(s, "user_env 8 A", buf_str(&b), &got, &why), ERR_INVALID);
    assert_string_equal(why.text, "it was changed, damaged, or moved here from elsewhere");
    assert_int_equal(unseal_value(s, "user_env 7 AB", buf_str(&b), &got, &why), ERR_INVALID);
    for (size_t i = 0; i < b.len; i++) {
        char was = b.data[i];

        b.data[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(unseal_value(s, "user_env 7 A", buf_str(&b), &got, &why), ERR_OK);
        b.data[i] = was;
    }
    for (size_t i = 0; i < b.len; i++) {
        char was = b.data[i];

        b.data[i] = '\0';
        assert_int_equal(unseal_value(s, "user_env 7 A", b.data, &got, &why), ERR_INVALID);
        b.data[i] = was;
    }
    assert_null(got);
    buf_done(&b);
    sealer_free(s);
    folder_remove(&f);
}

static void test_seal__tells_another_key(void **state)
{
    struct folder f[2];
    struct sealer *s[2] = {NULL, NULL};
    struct secret *got = NULL;
    struct buf b;
    struct why why;

    (void)state;
    for (int i = 0; i < 2; i++) {
        folder_make(&f[i]);
        assert_int_equal(sealer_open(f[i].dir, true, &s[i], NULL), ERR_OK);
    }
    seal_text(s[0], "c", "value", &b);
    assert_int_equal(unseal_value(s[1], "c", buf_str(&b), &got, &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "sealed with another key"));
    buf_done(&b);
    for (int i = 0; i < 2; i++) {
        sealer_free(s[i]);
        folder_remove(&f[i]);
    }
}

static void write_text(const struct folder *f)
{
    struct vault v;

    assert_int_equal(vault_open(&v, f->dir, true, NULL), ERR_OK);
    assert_int_equal(vault_write(&v, TEXT, strlen(TEXT), NULL), ERR_OK);
    vault_close(&v);
}

static void rotate(const struct folder *f)
{
    struct vault v;

    assert_int_equal(vault_open(&v, f->dir, true, NULL), ERR_OK);
    assert_int_equal(vault_rotate(&v, NULL), ERR_OK);
    vault_close(&v);
}

static void assert_reads(const struct folder *f, bool may_write)
{
    struct vault v;
    struct secret *text = NULL;
    struct why why = {0};

    assert_int_equal(vault_open(&v, f->dir, may_write, &why), ERR_OK);
    assert_int_equal(vault_read(&v, &text, &why), ERR_OK);
    assert_string_equal(secret_reveal(text), TEXT);
    secret_free(text);
    vault_close(&v);
}

/* Every state of the four files that a crash can leave behind. */
static void test_vault__a_rotation_cut_short_anywhere_loses_nothing(void **state)
{
    char before[FILES][1024];
    char after[FILES][1024];
    struct sealer *s = NULL;
    struct folder f;
    struct buf b;

    (void)state;
    folder_make(&f);
    assert_int_equal(sealer_open(f.dir, true, &s, NULL), ERR_OK);
    write_text(&f);
    seal_text(s, "c", "hunter2", &b);
    sealer_free(s);
    for (int i = 0; i <= DATA; i++)
        get_file(&f, i, before[i]);
    rotate(&f);
    assert_false(has_file(&f, NEXT));
    for (int i = 0; i <= DATA; i++)
        get_file(&f, i, after[i]);
    for (int i = 0; i <= DATA; i++)
        assert_string_not_equal(before[i], after[i]);
    for (int cut = 0; cut < 4; cut++) {
        put_file(&f, KEY, before[KEY]);
        put_file(&f, NEXT, after[KEY]);
        put_file(&f, CRED, (cut & 1) != 0 ? after[CRED] : before[CRED]);
        put_file(&f, DATA, (cut & 2) != 0 ? after[DATA] : before[DATA]);
        assert_reads(&f, false);
        assert_opens(&f, "c", buf_str(&b), "hunter2");
        assert_true(has_file(&f, NEXT)); /* who only reads changes nothing */
        assert_reads(&f, true);
        assert_opens(&f, "c", buf_str(&b), "hunter2");
        assert_int_equal(has_file(&f, NEXT), cut == 0);
        rotate(&f);
        assert_false(has_file(&f, NEXT));
        assert_reads(&f, false);
        assert_opens(&f, "c", buf_str(&b), "hunter2");
    }
    buf_done(&b);
    folder_remove(&f);
}

static void test_vault__a_rotation_with_keys_of_the_environment_goes_on(void **state)
{
    static const char old[] = "1111111111111111111111111111111111111111111111111111111111111111";
    static const char new[] = "2222222222222222222222222222222222222222222222222222222222222222";
    char before[FILES][1024];
    struct sealer *s = NULL;
    struct folder f;
    struct buf b;

    (void)state;
    folder_make(&f);
    (void)setenv(VAULT_KEY_ENV, old, 1);
    assert_int_equal(sealer_open(f.dir, true, &s, NULL), ERR_OK);
    assert_false(has_file(&f, KEY));
    write_text(&f);
    seal_text(s, "c", "hunter2", &b);
    sealer_free(s);
    get_file(&f, DATA, before[DATA]);
    (void)setenv(VAULT_KEY_NEXT_ENV, new, 1);
    rotate(&f);
    put_file(&f, DATA, before[DATA]); /* as if it had not been reached */
    assert_reads(&f, false);
    assert_opens(&f, "c", buf_str(&b), "hunter2");
    rotate(&f);
    (void)setenv(VAULT_KEY_ENV, new, 1);
    (void)unsetenv(VAULT_KEY_NEXT_ENV);
    assert_reads(&f, false);
    assert_opens(&f, "c", buf_str(&b), "hunter2");
    (void)unsetenv(VAULT_KEY_ENV);
    buf_done(&b);
    folder_remove(&f);
}

static void test_vault__makes_no_key_where_one_was_lost(void **state)
{
    struct folder f;
    struct sealer *s = NULL;
    struct vault v;
    struct why why;

    (void)state;
    folder_make(&f);
    assert_int_equal(sealer_open(f.dir, true, &s, NULL), ERR_OK);
    sealer_free(s);
    assert_int_equal(unlink(path_of(&f, VAULT_KEY_FILE)), 0);
    assert_int_equal(sealer_open(f.dir, true, &s, &why), ERR_NOTFOUND);
    assert_non_null(strstr(why.text, "but not its key"));
    assert_int_equal(vault_open(&v, f.dir, true, NULL), ERR_OK);
    assert_int_equal(vault_write(&v, TEXT, strlen(TEXT), &why), ERR_NOTFOUND);
    vault_close(&v);
    assert_false(has_file(&f, KEY));
    folder_remove(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal__opens_what_it_sealed_for_this_place_alone),
        cmocka_unit_test(test_seal__tells_another_key),
        cmocka_unit_test(test_vault__a_rotation_cut_short_anywhere_loses_nothing),
        cmocka_unit_test(test_vault__a_rotation_with_keys_of_the_environment_goes_on),
        cmocka_unit_test(test_vault__makes_no_key_where_one_was_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
