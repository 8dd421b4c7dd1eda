/* Submodules before anything is fetched: what .gitmodules says, what its urls mean, where they may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "project/project_private.h"

#define ID "0123456789012345678901234567890123456789"

static const struct {
    const char *project;
    const char *parent;
    const char *url;
    const char *result; /* what it means, or "!" and a part of the refusal */
} urls[] = {
    /* as git resolves them */
    {"https://h/org/top.git", "https://h/org/top.git", "../lib.git", "https://h/org/lib.git"},
    {"https://h/org/top.git", "https://h/org/top/", "../lib/", "https://h/org/lib"},
    {"https://h/org/top.git", "https://h/org/top.git", "../../o/lib", "https://h/o/lib"},
    {"https://h/org/top.git", "https://h/org/top.git", "./sub.git", "https://h/org/top.git/sub.git"},
    {"https://h/org/top.git", "https://h/org/top.git", ".././../x", "https://h/x"},
    {"https://h/org/top.git", "https://h/org/top.git", "./", "https://h/org/top.git"},
    {"https://me:pw@h/org/top", "https://me:pw@h/org/top", "../lib", "https://me:pw@h/org/lib"},
    {"git@h:org/top.git", "git@h:org/top.git", "../lib.git", "git@h:org/lib.git"},
    {"git@h:org/top.git", "git@h:org/top.git", "../../lib.git", "git@h:lib.git"},
    {"git@h:top.git", "git@h:top.git", "../lib.git", "git@h:lib.git"},
    {"git@h:/srv/top", "git@h:/srv/top", "../lib", "git@h:/srv/lib"},
    {"ssh://git@h:22/a/top", "ssh://git@h:22/a/top", "../lib", "ssh://git@h:22/a/lib"},
    {"/srv/git/top", "/srv/git/top", "../lib", "/srv/git/lib"},
    {"/srv/git/top", "/srv/git/top", "../../../lib", "/lib"},
    {"file:///srv/top", "file:///srv/top", "../lib", "file:///srv/lib"},
    {"file:///srv/top", "file:///srv/top", "../../lib", "file:///lib"},
    /* nested ones: relative to their own parent, ruled by the project */
    {"https://h/org/top", "git@other:a/b", "../c", "git@other:a/c"},
    {"https://h/org/top", "https://other/a/b", "../c", "https://other/a/c"},
    /* whole ones */
    {"https://h/t", "https://h/t", "https://other/x.git", "https://other/x.git"},
    {"https://h/t", "https://h/t", "git@other:x.git", "git@other:x.git"},
    {"http://h/t", "http://h/t", "git://other/x", "git://other/x"},
    {"/srv/t", "/srv/t", "http://other/x", "http://other/x"},
    {"/srv/t", "/srv/t", "file:///srv/x", "file:///srv/x"},
    /* out of where they are */
    {"https://h/org/top", "https://h/org/top", "../../../x", "!leads out"},
    {"https://h/top", "https://h/top", "../../other.host/x", "!leads out"},
    {"git@h:top", "git@h:top", "../../x", "!leads out"},
    {"/top", "/top", "../../x", "!leads out"},
    {"https://h/org/top", "https://h/org/top", "../a/../../../x", "!'..'"},
    {"https://h/org/top", "https://h/org/top", "./a/..", "!'..'"},
    {"https://h/org/top", "https://h/org/top", "..", "!is none of"},
    {"https://h/org/top", "", "../x", "!not known"},
    /* weaker than the project */
    {"https://h/t", "https://h/t", "file:///etc", "!folder of this computer"},
    {"https://h/t", "https://h/t", "/srv/x", "!folder of this computer"},
    {"git@h:t", "git@h:t", "/srv/x", "!folder of this computer"},
    {"http://h/t", "http://h/t", "/srv/x", "!folder of this computer"},
    {"https://h/t", "https://h/t", "http://169.254.169.254/x", "!without encryption"},
    {"git@h:t", "git@h:t", "git://h/x", "!without encryption"},
    {"owner/name", "", "http://h/x", "!without encryption"}, /* no url that is known */
    /* nothing that git shall see */
    {"/srv/t", "/srv/t", "ext::sh", "!is none of"},
    {"/srv/t", "/srv/t", "ext::sh -c id", "!blank"},
    {"/srv/t", "/srv/t", "-u", "!is none of"},
    {"/srv/t", "/srv/t", "--upload-pack=x", "!is none of"},
    {"/srv/t", "/srv/t", "ssh://-oProxyCommand=x/y", "!is none of"},
    {"/srv/t", "/srv/t", "ssh://a@-oProxyCommand=x/y", "!is none of"},
    {"/srv/t", "/srv/t", "git@-oProxyCommand=x:y", "!is none of"},
    {"/srv/t", "/srv/t", "-u@h:x", "!is none of"},
    {"/srv/t", "/srv/t", "owner/name", "!is none of"},
    {"/srv/t", "/srv/t", "sub", "!is none of"},
    {"/srv/t", "/srv/t", "ftp://h/x", "!is none of"},
    {"/srv/t", "/srv/t", "a\nb", "!control character"},
    {"/srv/t", "/srv/t", "", "!empty"},
};

static void test_submodules__urls_mean_what_git_means_or_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        char out[URL_BYTES_MAX] = "";
        struct why why = {0};
        enum err err =
            submodule_url(url_kind(urls[i].project), urls[i].parent, urls[i].url, out, sizeof(out), &why);
        bool is_right = urls[i].result[0] == '!'
                            ? err != ERR_OK && strstr(why.text, urls[i].result + 1) != NULL
                            : err == ERR_OK && strcmp(out, urls[i].result) == 0;

        if (!is_right)
            fail_msg("'%s' of '%s' gave '%s' '%s', not '%s'", urls[i].url, urls[i].parent, out, why.text,
                     urls[i].result);
    }
}

static void test_submodules__ssh_of_a_forge_as_https(void **state)
{
    static const struct {
        const char *url;
        const char *https; /* NULL: no */
    } rows[] = {
        {"git@h:org/x.git", "https://h/org/x.git"},
        {"git@h:/org/x.git", "https://h/org/x.git"},
        {"ssh://git@h/org/x.git", "https://h/org/x.git"},
        {"ssh://git@h:2222/org/x.git", NULL},
        {"ssh://me@h/org/x.git", NULL},
        {"me@h:x", NULL},
        {"h:x", NULL},
        {"git@", NULL},
        {"git@h", NULL},
        {"git@:x", NULL},
        {"git://h/x", NULL},
        {"https://git@h/x", NULL},
    };
    char out[URL_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_one = url_as_https(rows[i].url, out, sizeof(out));

        if (is_one != (rows[i].https != NULL) || (is_one && strcmp(out, rows[i].https) != 0))
            fail_msg("'%s' gave %d '%s'", rows[i].url, is_one, out);
    }
}

static void test_submodules__urls_are_shown_without_their_login(void **state)
{
    char out[200];

    (void)state;
    assert_string_equal(url_shown("https://me:pw@h/x@y", out, sizeof(out)), "https://h/x@y");
    assert_string_equal(url_shown("https://a@b@h/x", out, sizeof(out)), "https://h/x");
    assert_string_equal(url_shown("git@h:x", out, sizeof(out)), "git@h:x");
    assert_string_equal(url_shown("/srv/x", out, sizeof(out)), "/srv/x");
}

/* ---- .gitmodules ---- */

static void test_submodules__gitmodules_as_git_prints_it(void **state)
{
    static const char out[] = "submodule.a.b.path\nvendor/a\0"
                              "submodule.a.b.url\n../a.git\0"
                              "submodule.x.path\nx\0"
                              "submodule.x.update\nnone\0"
                              "submodule.x.url\nhttps://h/x\0"
                              "submodule.y.path\ny\0"
                              "submodule.y.update\n!touch /pwned\0"
                              "submodule.novalue.path\0"
                              "submodule.path\nz\0"
                              "other.x.path\nz\0"
                              "submodule.x.path\nx\0"; /* said twice, the same */
    struct gitmodules m;
    struct arena a;
    struct why why;

    (void)state;
    arena_init(&a);
    assert_int_equal(gitmodules_parse((struct slice){out, sizeof(out) - 1}, &a, &m, &why), ERR_OK);
    assert_int_equal(m.n, 4);
    assert_string_equal(gitmodules_find(&m, "vendor/a")->name, "a.b");
    assert_string_equal(gitmodules_find(&m, "vendor/a")->url, "../a.git");
    assert_true(gitmodules_find(&m, "x")->is_left_out);
    assert_false(gitmodules_find(&m, "y")->is_left_out);
    assert_string_equal(gitmodules_find(&m, "y")->url, "");
    assert_null(gitmodules_find(&m, "z"));
    assert_null(gitmodules_find(&m, "vendor"));
    arena_done(&a);
}

static void test_submodules__gitmodules_that_say_two_things(void **state)
{
    static const struct {
        const char *out;
        const char *says;
    } rows[] = {
        {"submodule.x.url\na|submodule.x.url\nb|", "'x' has more than one url"},
        {"submodule.x.path\na|submodule.x.path\nb|", "'x' has more than one path"},
        {"submodule.x.path\na|submodule.x.url\n1|submodule.y.path\na|submodule.y.url\n2|",
         "a is there twice"},
        {"submodule.x.path\na\xff|", "path of 'x' is not UTF-8"},
        {"submodule.\xff.path\na|", "a name is not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gitmodules m;
        struct arena a;
        struct why why = {0};
        char out[200];
        size_t n = strlen(rows[i].out);

        memcpy(out, rows[i].out, n);
        for (size_t k = 0; k < n; k++)
            out[k] = out[k] == '|' ? '\0' : out[k];
        arena_init(&a);
        assert_int_equal(gitmodules_parse((struct slice){out, n}, &a, &m, &why), ERR_INVALID);
        if (strstr(why.text, rows[i].says) == NULL)
            fail_msg("'%s' is not in: %s", rows[i].says, why.text);
        arena_done(&a);
    }
}

static void test_submodules__gitmodules_have_an_end(void **state)
{
    struct gitmodules m;
    struct arena a;
    struct why why;
    struct buf b;

    (void)state;
    arena_init(&a);
    buf_init(&b, MIB(1));
    for (int i = 0; i < 1001; i++) {
        buf_printf(&b, "submodule.%d.path\np%d", i, i);
        buf_putc(&b, '\0');
    }
    assert_int_equal(gitmodules_parse(buf_slice(&b), &a, &m, &why), ERR_LIMIT);
    buf_done(&b);
    arena_done(&a);
}

/* ---- places ---- */

/* Lines "MODE path". */
static struct tree *tree_of(const char *lines)
{
    struct tree *t;
    struct buf b;
    struct why why;

    buf_init(&b, MIB(1));
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");

        buf_printf(&b, "%.6s x " ID "\t%.*s", lines, (int)n - 7, lines + 7);
        buf_putc(&b, '\0');
        lines += n + (lines[n] == '\n');
    }
    assert_int_equal(tree_parse(buf_slice(&b), &t, &why), ERR_OK);
    buf_done(&b);
    return t;
}

static void test_submodules__places(void **state)
{
    static const struct {
        const char *tree;
        const char *says; /* NULL: all are fine */
    } rows[] = {
        {"100644 a\n", NULL},
        {"160000 a\n160000 a.b\n160000 b/a\n100644 a-\n100644 a0/x\n100644 b/c\n", NULL},
        {"160000 a/../b\n", "its path has a part"},
        {"160000 .git\n", "its path has a part"},
        {"160000 a/.GiT/hooks\n", "its path has a part"},
        {"160000 a//b\n", "its path has a part"},
        {"160000 /a\n", "its path is absolute"},
        {"160000 -a\n", "its path begins with '-'"},
        {"160000 a\tb\n", "control character"},
        {"120000 a\n160000 a/b\n", "'a' is a file as well"},
        {"100644 a/b\n160000 a/b/c/d\n", "'a/b' is a file as well"},
        {"100644 a\n160000 a\n", "'a' is a file as well"},
        {"160000 a\n100644 a/b\n", "is a folder with files as well"},
        {"160000 a\n100644 a-\n100644 a/b\n", "is a folder with files as well"},
        {"160000 a\n160000 a\n", "in another one, or there twice"},
        {"160000 a\n160000 a/b\n", "in another one, or there twice"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tree *t = tree_of(rows[i].tree);
        struct why why = {0};
        enum err err = submodule_places_check(t, &why);

        if ((err == ERR_OK) != (rows[i].says == NULL))
            fail_msg("%s: %s", rows[i].tree, why.text);
        if (err != ERR_OK && strstr(why.text, rows[i].says) == NULL)
            fail_msg("'%s' is not in: %s", rows[i].says, why.text);
        tree_free(t);
    }
}

static void test_submodules__their_files_are_not_run_and_their_commits_are_keys(void **state)
{
    static const char *const inside[] = {"lib/spec/a_spec.rb"};
    struct tree *t = tree_of("100644 spec/b_spec.rb\n160000 lib\n");
    struct plan plan;
    struct arena a;
    struct why why = {0};

    (void)state;
    arena_init(&a);
    tree_take_yml(t, NULL);
    assert_int_equal(t->n_links, 1);
    assert_string_equal(t->links[0].commit, ID);
    assert_int_equal(plan_make(t, inside, 1, &a, &plan, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "is in the submodule lib"));
    tree_free(t);
    arena_done(&a);
}

static void test_submodules__a_plan_has_a_line_for_each(void **state)
{
    static const char *const files[] = {"spec/"};
    static const struct plan_submodule all[] = {{"lib", ID, ""}, {"lib/a b", ID, ""}};
    struct tree *t = tree_of("100644 spec/b_spec.rb\n160000 lib\n");
    const struct plan_keep keep = {0};
    const char *const *lines;
    struct plan plan;
    struct arena a;
    struct why why = {0};
    uint32_t n;

    (void)state;
    arena_init(&a);
    tree_take_yml(t, NULL);
    assert_int_equal(plan_make(t, files, 1, &a, &plan, &why), ERR_OK);
    assert_null(plan_setup(&plan, &keep, &a, &n));
    assert_int_equal(n, 0);
    plan.submodules = all;
    plan.n_submodules = 2;
    lines = plan_setup(&plan, &keep, &a, &n);
    assert_int_equal(n, 2);
    assert_string_equal(lines[0], "submodule=" ID " lib");
    assert_string_equal(lines[1], "submodule=" ID " lib/a b");
    assert_int_equal(setup_protocol(lines, n), 4);
    tree_free(t);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submodules__urls_mean_what_git_means_or_are_refused),
        cmocka_unit_test(test_submodules__ssh_of_a_forge_as_https),
        cmocka_unit_test(test_submodules__urls_are_shown_without_their_login),
        cmocka_unit_test(test_submodules__gitmodules_as_git_prints_it),
        cmocka_unit_test(test_submodules__gitmodules_that_say_two_things),
        cmocka_unit_test(test_submodules__gitmodules_have_an_end),
        cmocka_unit_test(test_submodules__places),
        cmocka_unit_test(test_submodules__their_files_are_not_run_and_their_commits_are_keys),
        cmocka_unit_test(test_submodules__a_plan_has_a_line_for_each),
    };

    return cmocka_run_group_tests_name("submodules", tests, NULL, NULL);
}
