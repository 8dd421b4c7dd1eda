/* Files of Git LFS before anything is fetched: pointers, what git prints of a tree, where the content is; and the process that gives it. */
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

#include "project/lfs_send.h"
#include "project/project_private.h"

#define OID "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4" /* of "hi\n" */
#define V1 "version https://git-lfs.github.com/spec/v1\n"
#define ID_A "0123456789012345678901234567890123456789"
#define ID_B "1123456789012345678901234567890123456789"

static const struct {
    const char *text;
    enum lfs_kind kind;
    uint64_t size;
} pointers[] = {
    {V1 "oid sha256:" OID "\nsize 3\n", LFS_POINTER, 3},
    {V1 "oid sha256:" OID "\nsize 0", LFS_POINTER, 0},
    {"version https://hawser.github.com/spec/v1\r\noid sha256:" OID "\r\nsize 12\r\n\n", LFS_POINTER, 12},
    {V1 "oid sha256:" OID "\nsize 1099511627776\n", LFS_POINTER, UINT64_C(1) << 40},
    {"", LFS_NONE, 0},
    {"hello\n", LFS_NONE, 0},
    {"version 1\noid sha256:" OID "\nsize 3\n", LFS_NONE, 0},
    {V1, LFS_BROKEN, 0},
    {V1 "oid sha256:../../../../../../etc/passwd\nsize 3\n", LFS_BROKEN, 0},
    {V1 "oid sha256:98EA6E4F216F2FB4B69FFF9B3A44842C38686CA685F3F55DC48C5D3FB1107BE4\nsize 3\n", LFS_BROKEN,
     0},
    {V1 "oid md5:" OID "\nsize 3\n", LFS_BROKEN, 0},
    {V1 "size 3\noid sha256:" OID "\n", LFS_BROKEN, 0},
    {V1 "oid sha256:" OID "\nsize -3\n", LFS_BROKEN, 0},
    {V1 "oid sha256:" OID "\nsize 1099511627777\n", LFS_BROKEN, 0},
    {V1 "oid sha256:" OID "\nsize 99999999999999999999\n", LFS_BROKEN, 0},
    {V1 "ext-0-x sha256:" OID "\noid sha256:" OID "\nsize 3\n", LFS_BROKEN, 0},
    {V1 "oid sha256:" OID "\nsize 3\nx 1\n", LFS_BROKEN, 0},
};

static void test_lfs__pointers_as_git_lfs_writes_them_and_no_others(void **state)
{
    char long_text[LFS_POINTER_BYTES_MAX + 2];
    struct lfs_pointer p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pointers); i++) {
        if (lfs_pointer_read(slice_of(pointers[i].text), &p) != pointers[i].kind)
            fail_msg("%s", pointers[i].text);
        if (pointers[i].kind == LFS_POINTER) {
            assert_int_equal(p.size, pointers[i].size);
            assert_string_equal(p.oid, OID);
        }
    }
    memset(long_text, '\n', sizeof(long_text));
    memcpy(long_text, pointers[0].text, strlen(pointers[0].text));
    assert_int_equal(lfs_pointer_read((struct slice){long_text, LFS_POINTER_BYTES_MAX}, &p), LFS_POINTER);
    assert_int_equal(lfs_pointer_read((struct slice){long_text, LFS_POINTER_BYTES_MAX + 1}, &p), LFS_NONE);
    assert_true(lfs_request_read(SLICE(OID " 3"), &p));
    assert_false(lfs_request_read(SLICE(OID " "), &p));
    assert_false(lfs_request_read(SLICE("../" OID " 3"), &p));
    assert_false(lfs_request_read(SLICE("3"), &p));
}

static void test_lfs__of_a_tree_what_is_a_pointer_and_has_the_filter(void **state)
{
    static const char list[] = "100644 blob " ID_A "     126\ta.bin\0"
                               "100755 blob " ID_B "    1024\tb/c d.bin\0"
                               "100644 blob " ID_A "    1025\ttoo large\0"
                               "100644 blob " ID_A "      99\ttoo small\0"
                               "120000 blob " ID_A "     126\ta link\0"
                               "160000 commit " ID_A "       -\ta submodule\0";
    static const char blobs[] = ID_A " blob 126\n" V1 "oid sha256:" OID "\nsize 3\n\n" ID_B " blob 2\nhi\n";
    static const char attributes[] = "a.bin\0filter\0lfs";
    static const char no_attributes[] = "a.bin\0filter\0unspecified";
    struct lfs_files files;
    struct arena arena;
    struct why why;

    (void)state;
    arena_init(&arena);
    assert_int_equal(lfs_candidates((struct slice){list, sizeof(list) - 1}, &arena, &files, &why), ERR_OK);
    assert_int_equal(files.n, 2);
    assert_string_equal(files.at[0].path, "a.bin");
    assert_string_equal(files.at[1].path, "b/c d.bin");
    assert_int_equal(lfs_pointers((struct slice){blobs, sizeof(blobs) - 1}, &files, &why), ERR_OK);
    assert_int_equal(files.n, 1);
    assert_string_equal(files.at[0].pointer.oid, OID);
    assert_int_equal(lfs_filtered((struct slice){attributes, sizeof(attributes)}, &files, &why), ERR_OK);
    assert_int_equal(files.n, 1);
    assert_int_equal(lfs_filtered((struct slice){no_attributes, sizeof(no_attributes)}, &files, &why),
                     ERR_OK);
    assert_int_equal(files.n, 0);
    /* an answer that is about something else */
    assert_int_equal(lfs_candidates((struct slice){list, sizeof(list) - 1}, &arena, &files, &why), ERR_OK);
    assert_int_equal(lfs_pointers(SLICE(ID_B " blob 2\nhi\n"), &files, &why), ERR_IO);
    assert_int_equal(lfs_filtered((struct slice){attributes, sizeof(attributes)}, &files, &why), ERR_IO);
    assert_true(lfs_is_attributes("a/.gitattributes") && lfs_is_attributes(".gitattributes"));
    assert_false(lfs_is_attributes("x.gitattributes") || lfs_is_attributes(".gitattributes/x"));
    arena_done(&arena);
}

static const struct {
    const char *project;
    const char *source;
    const char *said;
    const char *result; /* or "!" and a part of the refusal */
} endpoints[] = {
    {"https://h/o/n.git", "https://h/o/n.git", "", "https://h/o/n.git/info/lfs"},
    {"https://h/o/n", "https://h/o/n/", "", "https://h/o/n.git/info/lfs"},
    {"https://h/o/n", "git@other:a/b.git", "", "git@other:a/b.git"},
    {"https://h/o/n", "git@tok.en:a/b.git", "", "https://tok.en/a/b.git/info/lfs"},
    {"/srv/n", "/srv/n", "", "file:///srv/n"},
    {"file:///srv/n", "file:///srv/n", "", "file:///srv/n"},
    {"https://h/o/n", "https://h/o/n", "https://lfs.example/x", "https://lfs.example/x"},
    {"git://h/n", "git://h/n", "", "!git:// has no place"},
    {"https://h/o/n", "", "", "!nobody says"},
    {"https://h/o/n", "https://h/o/n", "file:///etc", "!folder of this computer"},
    {"https://h/o/n", "https://h/o/n", "/etc", "!folder of this computer"},
    {"https://h/o/n", "https://h/o/n", "http://169.254.169.254/", "!without encryption"},
    {"https://h/o/n", "https://h/o/n", "../x", "!is no url"},
    {"https://h/o/n", "https://h/o/n", "ssh://-oProxyCommand=x/y", "!is no url"},
    {"https://h/o/n", "https://h/o/n", "ext::x", "!is no url"},
};

static void test_lfs__where_they_are_fetched_from(void **state)
{
    static const char config[] = "remote.origin.lfsurl\nhttps://a\0lfs.url\nhttps://b\0lfs.fetchexclude";
    static const char config_of_remote[] = "remote.origin.lfsurl\nhttps://a\0lfs.urlx\nhttps://b";
    const struct git_login login = {"tok.en", "u", "t"};
    char out[512];
    struct arena arena;
    struct why why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        enum err err = lfs_endpoint(&login, url_kind(endpoints[i].project), endpoints[i].source,
                                    endpoints[i].said, out, sizeof(out), &why);

        if (endpoints[i].result[0] == '!') {
            assert_int_not_equal(err, ERR_OK);
            if (strstr(why.text, endpoints[i].result + 1) == NULL)
                fail_msg("%s: %s", endpoints[i].said, why.text);
        } else {
            assert_int_equal(err, ERR_OK);
            assert_string_equal(out, endpoints[i].result);
        }
    }
    arena_init(&arena);
    assert_string_equal(lfs_config_url((struct slice){config, sizeof(config)}, &arena), "https://b");
    assert_string_equal(lfs_config_url((struct slice){config_of_remote, sizeof(config_of_remote)}, &arena),
                        "https://a");
    assert_string_equal(lfs_config_url(SLICE(""), &arena), "");
    arena_done(&arena);
}

/* What lfs_send() says to `asked`, of a store that has "hi\n" under OID and, when `damaged`, three other bytes. */
static bool ask(const char *asked, bool damaged, char *out, size_t size, struct why *reterr)
{
    char store[] = "/tmp/wrata-lfs-XXXXXX";
    char path[256];
    int in[2];
    int back[2];
    ssize_t n;
    bool ok;
    FILE *f;

    assert_non_null(mkdtemp(store));
    (void)snprintf(path, sizeof(path), "%s/98", store);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)strcat(path, "/ea");
    assert_int_equal(mkdir(path, 0700), 0);
    (void)strcat(path, "/" OID);
    f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(damaged ? "ho\n" : "hi\n", f);
    (void)fclose(f);
    assert_int_equal(pipe(in) | pipe(back), 0);
    assert_int_equal(write(in[1], asked, strlen(asked)), strlen(asked));
    (void)close(in[1]);
    ok = lfs_send(store, in[0], back[1], reterr);
    (void)alarm(0);
    (void)close(in[0]);
    (void)close(back[1]);
    n = read(back[0], out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    (void)close(back[0]);
    assert_int_equal(access(path, F_OK) == 0, !damaged);
    (void)snprintf(path, sizeof(path), "rm -rf %s", store);
    assert_int_equal(system(path), 0);
    return ok;
}

static void test_lfs__gives_what_is_there_and_what_it_says_it_is(void **state)
{
    static const char other[] = "18ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4";
    char asked[512];
    char out[512];
    struct why why;

    (void)state;
    (void)snprintf(asked, sizeof(asked), OID " 3\n%s 3\n" OID " 4\n" OID " 3\n", other);
    assert_true(ask(asked, false, out, sizeof(out), &why));
    assert_string_equal(
        out, "ok\nhi\nno it is not on the server of wrata\nno it is not on the server of wrata\nok\nhi\n");
    assert_false(ask(OID " 3\n", true, out, sizeof(out), &why));
    assert_non_null(strstr(why.text, "was damaged"));
    assert_false(ask("../../../../../../etc/passwd 3\n", false, out, sizeof(out), &why));
    assert_string_equal(out, "");
    memset(asked, 'a', sizeof(asked) - 1);
    asked[sizeof(asked) - 1] = '\0';
    assert_false(ask(asked, false, out, sizeof(out), &why));
    assert_int_equal(why.code, ERR_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lfs__pointers_as_git_lfs_writes_them_and_no_others),
        cmocka_unit_test(test_lfs__of_a_tree_what_is_a_pointer_and_has_the_filter),
        cmocka_unit_test(test_lfs__where_they_are_fetched_from),
        cmocka_unit_test(test_lfs__gives_what_is_there_and_what_it_says_it_is),
    };

    return cmocka_run_group_tests_name("lfs", tests, NULL, NULL);
}
