/* test_project.c - plans from a tree in memory, and mirrors of real repositories by the real git. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "base/clock.h"
#include "project/project_private.h"

/* ---- plans, pure ---- */

/* Lines "x path" (executable) or "- path", as `git ls-tree -r -z` would print them. */
static struct tree *tree_of(const char *lines)
{
    struct tree *t;
    struct buf b;
    struct why why;

    buf_init(&b, MIB(64));
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");

        buf_printf(&b, "100%s blob 0123456789012345678901234567890123456789\t%.*s",
                   lines[0] == 'x' ? "755" : "644", (int)n - 2, lines + 2);
        buf_putc(&b, '\0');
        lines += n + (lines[n] == '\n');
    }
    assert_int_equal(tree_parse(buf_slice(&b), &t, &why), ERR_OK);
    (void)snprintf(t->commit, sizeof(t->commit), "abcdef0123456789");
    tree_take_yml(t, NULL);
    buf_done(&b);
    return t;
}

static const char small[] = "- Gemfile.lock\n"
                            "- README\n"
                            "x bin/run\n"
                            "- lib/a.rb\n"
                            "- lib/test_helper.py\n"
                            "- spec/a_spec.rb\n"
                            "- spec/b/c_spec.rb\n"
                            "- spec/b/d_spec.rb\n"
                            "- spec/spec_helper.rb\n"
                            "- spec/x.sh\n"
                            "- specs.sh\n"
                            "- t/a[1].sh\n";

/* The plan as "path path" or "!why". */
static const char *plan_text(struct tree *t, const char *patterns)
{
    static char out[4096];
    const char *words[64];
    char copy[1024];
    char *save = NULL;
    uint32_t n = 0;
    struct arena a;
    struct plan plan;
    struct why why;

    arena_init(&a);
    (void)snprintf(copy, sizeof(copy), "%s", patterns);
    for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    out[0] = '\0';
    if (plan_make(t, words, n, &a, &plan, &why) != ERR_OK) {
        assert_string_equal(why.field, "files");
        (void)snprintf(out, sizeof(out), "!%s", why.text);
    } else {
        for (uint32_t i = 0; i < plan.n_files; i++) {
            (void)strcat(out, i > 0 ? " " : "");
            (void)strcat(out, plan.files[i].path);
        }
    }
    arena_done(&a);
    return out;
}

static const struct {
    const char *patterns;
    const char *plan;
} plans[] = {
    {"spec/a_spec.rb", "spec/a_spec.rb"},
    {"./spec/a_spec.rb", "spec/a_spec.rb"},
    {"spec/", "spec/a_spec.rb spec/b/c_spec.rb spec/b/d_spec.rb spec/x.sh"},
    {"spec", "spec/a_spec.rb spec/b/c_spec.rb spec/b/d_spec.rb spec/x.sh"},
    {"spec/b", "spec/b/c_spec.rb spec/b/d_spec.rb"},
    {".", "lib/test_helper.py spec/a_spec.rb spec/b/c_spec.rb spec/b/d_spec.rb spec/x.sh specs.sh t/a[1].sh"},
    {"spec/**/*_spec.rb", "spec/a_spec.rb spec/b/c_spec.rb spec/b/d_spec.rb"},
    {"*.sh", "specs.sh"},
    {"spec/b/d_spec.rb spec/", "spec/b/d_spec.rb spec/a_spec.rb spec/b/c_spec.rb spec/x.sh"},
    {"spec/b spec/b/c_spec.rb", "spec/b/c_spec.rb spec/b/d_spec.rb"},
    {"spec/a_spec.rb spec/a_spec.rb", "spec/a_spec.rb spec/a_spec.rb"},
    {"spec/b spec/b/*", "spec/b/c_spec.rb spec/b/d_spec.rb"},
    {"spec/a_spec.rb:12 spec/a_spec.rb[1:2]", "spec/a_spec.rb:12 spec/a_spec.rb[1:2]"},
    {"./spec/a_spec.rb:12", "spec/a_spec.rb:12"},
    {"bin/run lib/a.rb", "bin/run lib/a.rb"},
    {"t/a[1].sh", "t/a[1].sh"}, /* a name wins over the glob that it would be */
    {"spec/spec_helper.rb", "spec/spec_helper.rb"},
    {"", "!files: name at least one file, folder or glob"},
    {"spec/c_spec.rb",
     "!files: there is no 'spec/c_spec.rb' in commit abcdef0123; did you mean spec/b/c_spec.rb or "
     "spec/a_spec.rb?"},
    {"spec/nothing_like_it.rb", "!files: there is no 'spec/nothing_like_it.rb' in commit abcdef0123"},
    {"spec/q_spec.rb:12",
     "!files: there is no 'spec/q_spec.rb:12' in commit abcdef0123; did you mean spec/a_spec.rb?"},
    {"spec/*_spec.rb:12",
     "!files: 'spec/*_spec.rb:12': a line or an example needs the path of one file, not a glob"},
    {"README",
     "!files: README is not runnable: wrata runs *_spec.rb, *.rb, *.sh, test_*.py, *_test.py and files with "
     "the executable bit"},
    {"R*", "!files: 'R*' matches README, which is not runnable; a folder ('spec/') takes only tests"},
    {"no/*", "!files: 'no/*' matches nothing in commit abcdef0123"},
    {"bin/", "!files: below 'bin/' is no *_spec.rb, test_*.py, *_test.py or *.sh"},
    {"../x", "!files: '../x' leads out of the project by '..'"},
    {"/etc/passwd", "!files: '/etc/passwd' is absolute; paths begin at the project's root"},
};

static void test_project__patterns_choose_files(void **state)
{
    struct tree *t = tree_of(small);

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(plans); i++)
        assert_string_equal(plan_text(t, plans[i].patterns), plans[i].plan);
    tree_free(t);
}

static void test_project__a_large_tree_is_planned_quickly(void **state)
{
    struct buf b;
    struct tree *t;
    clock_t begin;
    long ms;
    struct arena a;
    struct plan plan;
    struct why why;
    const char *const patterns[] = {"spec/", "spec/**/*_spec.rb"};

    (void)state;
    buf_init(&b, MIB(64));
    for (int i = 0; i < 20000; i++)
        buf_printf(&b, "- spec/dir%d/some_longer_name_%d_spec.rb\n", i % 100, i);
    t = tree_of(buf_str(&b));
    assert_int_equal(t->n_files, 20000);
    begin = clock(); /* of this process: what else runs here does not matter */
    arena_init(&a);
    assert_int_equal(plan_make(t, patterns, 2, &a, &plan, &why), ERR_OK);
    assert_int_equal(plan.n_files, 20000);
    ms = (long)((clock() - begin) * 1000 / CLOCKS_PER_SEC);
    print_message("20,000 files planned twice over in %ld ms\n", ms);
    assert_true(ms < 500); /* with sanitizers; 50 ms is promised without */
    arena_done(&a);
    tree_free(t);
    buf_done(&b);
}

static void test_project__names_that_are_not_utf8_are_counted(void **state)
{
#define ID "0123456789012345678901234567890123456789"
    static const char out[] = "100644 blob " ID "\ta\xff.sh\0"
                              "160000 commit " ID "\tsub\0"
                              "100644 blob " ID "\tb\n.sh\0"
                              "100644 blob --output=x\tc.sh\0";
    struct tree *t;
    struct why why;

    (void)state;
    assert_int_equal(tree_parse((struct slice){out, sizeof(out) - 1}, &t, &why), ERR_OK);
    assert_int_equal(t->n_files, 1);
    assert_int_equal(t->n_skipped, 1);
    assert_string_equal(t->files[0].path, "b\n.sh");
    tree_free(t);
}

static const struct {
    const char *url;
    const char *result; /* NULL: refused */
} urls[] = {
    {"owner/name", "https://github.com/owner/name.git"},
    {"owner/name.git", "https://github.com/owner/name.git"},
    {"https://example.org/a.git", "https://example.org/a.git"},
    {"ssh://git@example.org:22/a.git", "ssh://git@example.org:22/a.git"},
    {"git@example.org:a/b.git", "git@example.org:a/b.git"},
    {"example.org:a", "example.org:a"},
    {"/srv/git/a.git", "/srv/git/a.git"},
    {"file:///srv/a", "file:///srv/a"},
    {"ext::sh -c id", NULL},
    {"ext::id", NULL},
    {"fd::17", NULL},
    {"-oProxyCommand=x:y", NULL},
    {"git@-oProxyCommand:y", NULL},
    {"--upload-pack=x", NULL},
    {"../a", NULL},
    {"a", NULL},
    {"a/b/c", NULL},
    {"", NULL},
    {"ftp://x/y", NULL},
    {"https://", NULL},
    {"ssh://-x/y", NULL},
    {"https://a b", NULL},
    {"file://host/a", NULL},
    {"example.org:", NULL},
};

static void test_project__urls_are_known_forms_or_refused(void **state)
{
    char out[URL_BYTES_MAX];
    struct why why;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(urls); i++) {
        enum err err = project_url(urls[i].url, GIT_HOST_DEFAULT, out, sizeof(out), &why);

        if ((err == ERR_OK) != (urls[i].result != NULL))
            fail_msg("url '%s' gave %d", urls[i].url, (int)err);
        if (err == ERR_OK)
            assert_string_equal(out, urls[i].result);
    }
}

static bool finds(const char *words, const char *glob, const char *path)
{
    struct file_filter *f;
    struct arena arena;
    struct why why;
    bool is_found;

    arena_init(&arena);
    assert_int_equal(file_filter_new(&arena, words, glob, &f, &why), ERR_OK);
    is_found = file_filter_match(f, path);
    arena_done(&arena);
    return is_found;
}

static void test_project__a_search_is_words_in_any_order_and_a_glob(void **state)
{
    struct file_filter *f;
    struct arena arena;
    struct why why;

    (void)state;
    assert_true(finds("", "", "spec/a_spec.rb"));
    assert_true(finds("  \t", "", "x"));
    assert_true(finds("spec A_", "", "spec/a_spec.rb"));
    assert_true(finds("RB  docs", "", "Docs/Pivot/copies_spec.rb"));
    assert_false(finds("rb docs x", "", "Docs/Pivot/copies_spec.rb"));
    assert_true(finds("ПРОВЕРКА äÖ", "", "спек/Проверка-ÄöÜ.rb"));
    assert_false(finds("×", "", "÷")); /* no letters */
    assert_true(finds("pivot", "**/*_spec.rb", "Docs/Pivot/copies_spec.rb"));
    assert_false(finds("pivot", "*_spec.rb", "Docs/Pivot/copies_spec.rb"));
    assert_false(finds("\xff", "", "a"));
    assert_true(finds("$(id) .*", "", "a $(id) .*"));
    arena_init(&arena);
    assert_int_equal(file_filter_new(&arena, "a b c d e f g h i j k l m n o p q", "", &f, &why), ERR_INVALID);
    assert_string_equal(why.field, "q");
    arena_done(&arena);
}

static void test_project__what_git_said_first_is_not_lost(void **state)
{
    static const char ssh[] =
        "Warning: Permanently added 'github.com' (ED25519) to the list of known hosts.\r\n"
        "ERROR: Repository not found.\n"
        "fatal: Could not read from remote repository.\n\n"
        "Please make sure you have the correct access rights\n"
        "and the repository exists.\n";
    static const char many[] =
        "remote: Repository not found\nremote: two\nremote: three\nremote: four\nfatal: end\n";
    char out[300];

    (void)state;
    assert_string_equal(text_of_git(slice_of(ssh), out, sizeof(out)),
                        "ERROR: Repository not found.; fatal: Could not read from remote repository.");
    assert_string_equal(text_of_git(slice_of(many), out, sizeof(out)),
                        "remote: Repository not found; remote: four; fatal: end");
}

static void test_project__what_git_said_holds_no_password(void **state)
{
    char out[200];

    (void)state;
    (void)text_of_git(
        SLICE("hint: x\nfatal: unable to access 'https://me:secret@host/a.git/': no \x1b[31mroute\n"), out,
        sizeof(out));
    assert_string_equal(out, "fatal: unable to access 'https://host/a.git/': no ?[31mroute");
}

/* ---- mirrors ---- */

struct world {
    uv_loop_t loop;
    struct projects *ps;
    char dir[64];
    char src[128];
    unsigned calls;
    enum err err;
    char text[16384];
};

static void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void sh(const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (system(text) != 0)
        fail_msg("failed: %s", text);
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    char dir[128];
    struct why why;

    assert_non_null(w);
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/wrata-test-project-%d", (int)getpid());
    (void)snprintf(w->src, sizeof(w->src), "%s/src", w->dir);
    (void)snprintf(dir, sizeof(dir), "%s/mirrors", w->dir);
    sh("rm -rf %s && mkdir %s", w->dir, w->dir);
    sh("git init -q -b trunk %s && cd %s && git config user.name a && git config user.email a@b && "
       "mkdir spec && echo 1 >spec/a_spec.rb && echo 2 >spec/b.sh && git add . && git commit -qm one && "
       "git tag -a v1 -m v1 && git checkout -qb develop && echo 3 >spec/c_spec.rb && git add . && "
       "GIT_COMMITTER_DATE='2030-01-01T00:00:00Z' git commit -qm two && git checkout -q trunk",
       w->src, w->src);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(projects_new(&w->loop, dir, &w->ps, &why), ERR_OK);
    return w;
}

static void world_free(struct world *w)
{
    projects_free(w->ps);
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0) {
    }
    assert_int_equal(uv_loop_close(&w->loop), 0);
    sh("rm -rf %s", w->dir);
    free(w);
}

static void told(struct world *w, enum err err, const struct why *why)
{
    w->calls++;
    w->err = err;
    w->text[0] = '\0';
    if (err != ERR_OK)
        (void)snprintf(w->text, sizeof(w->text), "%s", why->text);
}

static void on_done(void *ctx, enum err err, const struct why *why)
{
    told(ctx, err, why);
}

static void on_refs(void *ctx, enum err err, const struct why *why, const struct git_refs *refs)
{
    struct world *w = ctx;
    size_t at = 0;

    told(w, err, why);
    for (uint32_t i = 0; err == ERR_OK && i < refs->n_branches; i++)
        at += (size_t)snprintf(w->text + at, sizeof(w->text) - at, "%s ", refs->branches[i].name);
    for (uint32_t i = 0; err == ERR_OK && i < refs->n_tags; i++)
        at += (size_t)snprintf(w->text + at, sizeof(w->text) - at, "tag:%s=%.4s ", refs->tags[i].name,
                               refs->tags[i].commit);
    if (err == ERR_OK)
        (void)snprintf(w->text + at, sizeof(w->text) - at, "head:%s", refs->head);
}

static void on_plan(void *ctx, enum err err, const struct why *why, const struct plan *plan)
{
    struct world *w = ctx;
    size_t at = 0;

    told(w, err, why);
    for (uint32_t i = 0; err == ERR_OK && i < plan->n_files && at < sizeof(w->text); i++)
        at += (size_t)snprintf(w->text + at, sizeof(w->text) - at, "%s ", plan->files[i].path);
    if (err == ERR_OK)
        (void)snprintf(w->text + at, sizeof(w->text) - at, "@%.4s", plan->commit);
}

static void on_tree(void *ctx, enum err err, const struct why *why, const char *commit,
                    const char *const *files, uint32_t n)
{
    struct world *w = ctx;

    told(w, err, why);
    if (err == ERR_OK)
        (void)snprintf(w->text, sizeof(w->text), "%.4s %u %s", commit, n, n > 0 ? files[0] : "");
}

static void on_bundle(void *ctx, enum err err, const struct why *why, const char *const *commits, uint32_t n)
{
    struct world *w = ctx;

    told(w, err, why);
    if (err == ERR_OK)
        (void)snprintf(w->text, sizeof(w->text), "%u %s", n, commits[0]);
}

static void until(struct world *w, unsigned calls)
{
    struct mono end = mono_add_ms(mono_now(), 60000);

    while (w->calls < calls && mono_before(mono_now(), end))
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->calls, calls);
    w->calls = 0;
}

static void git_line(const struct world *w, const char *args, char *out, size_t size)
{
    char cmd[512];
    FILE *f;

    (void)snprintf(cmd, sizeof(cmd), "git -C %s %s", w->src, args);
    f = popen(cmd, "r");
    assert_non_null(f);
    assert_non_null(fgets(out, (int)size, f));
    out[strcspn(out, "\n")] = '\0';
    (void)pclose(f);
}

static void plan(struct world *w, const char *ref, const char *pattern)
{
    projects_plan(w->ps, (struct project_id){1}, w->src, ref, &pattern, 1, on_plan, w);
    assert_int_equal(w->calls, 0);
    until(w, 1);
}

static void test_project__a_plan_fetches_what_it_does_not_know(void **state)
{
    struct world *w = world_new();
    char commit[64];
    char expect[256];

    (void)state;
    git_line(w, "rev-parse trunk", commit, sizeof(commit));
    plan(w, "", "spec/"); /* no mirror yet */
    assert_int_equal(w->err, ERR_OK);
    (void)snprintf(expect, sizeof(expect), "spec/a_spec.rb spec/b.sh @%.4s", commit);
    assert_string_equal(w->text, expect);
    plan(w, "v1", "spec/");
    assert_string_equal(w->text, expect);
    commit[8] = '\0';
    plan(w, commit, "spec/");
    assert_string_equal(w->text, expect);
    sh("cd %s && git checkout -q -b new/branch && git commit -q --allow-empty -m three", w->src);
    plan(w, "new/branch", "spec/a_spec.rb:1");
    assert_int_equal(w->err, ERR_OK);
    assert_memory_equal(w->text, "spec/a_spec.rb:1 @", 18);
    plan(w, "nothing", "spec/");
    assert_int_equal(w->err, ERR_NOTFOUND);
    assert_string_equal(w->text, "ref: there is no branch, tag or commit 'nothing'");
    plan(w, "a..b", "spec/");
    assert_int_equal(w->err, ERR_INVALID);
    plan(w, "--output=x", "spec/");
    assert_int_equal(w->err, ERR_INVALID);
    sh("mv %s %s.away", w->src, w->src);
    plan(w, "nothing", "spec/");
    assert_int_equal(w->err, ERR_IO);
    assert_non_null(strstr(w->text, "ref: 'nothing' is not known here, and: cannot fetch: fatal:"));
    plan(w, "v1", "spec/"); /* what is here needs no network */
    assert_int_equal(w->err, ERR_OK);
    world_free(w);
}

static void test_project__refs_are_ordered_and_pruned(void **state)
{
    struct world *w = world_new();
    char tag[64];
    char expect[256];

    (void)state;
    projects_refs(w->ps, (struct project_id){1}, on_refs, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_NOTFOUND);
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    projects_refs(w->ps, (struct project_id){1}, on_refs, w); /* waits for the first fetch */
    until(w, 2);
    git_line(w, "rev-parse 'v1^{commit}'", tag, sizeof(tag));
    (void)snprintf(expect, sizeof(expect), "develop trunk tag:v1=%.4s head:trunk", tag);
    assert_string_equal(w->text, expect);
    sh("cd %s && git branch -q -D develop && git branch zeta && git tag -d v1 >/dev/null", w->src);
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_OK);
    projects_refs(w->ps, (struct project_id){1}, on_refs, w);
    until(w, 1);
    assert_string_equal(w->text, "trunk zeta head:trunk");
    projects_tree(w->ps, (struct project_id){1}, "trunk", false, on_tree, w);
    until(w, 1);
    assert_non_null(strstr(w->text, " 2 spec/a_spec.rb"));
    projects_remove(w->ps, (struct project_id){1});
    projects_refs(w->ps, (struct project_id){1}, on_refs, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_NOTFOUND);
    world_free(w);
}

static void test_project__a_failed_refresh_says_why_and_changes_nothing(void **state)
{
    struct world *w = world_new();

    (void)state;
    projects_refresh(w->ps, (struct project_id){1}, "/nowhere/at/all", on_done, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_IO);
    assert_non_null(strstr(w->text, "cannot fetch: fatal: "));
    projects_refresh(w->ps, (struct project_id){1}, "ext::sh -c 'touch /tmp/x'", on_done, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_INVALID);
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_OK);
    projects_refresh(w->ps, (struct project_id){1}, "/nowhere/at/all", on_done, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_IO);
    plan(w, "develop", "spec/c_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    world_free(w);
}

static void test_project__bundles_are_kept_through_a_refresh(void **state)
{
    struct world *w = world_new();
    char commit[64];
    char path[128];
    char expect[128];

    (void)state;
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    until(w, 1);
    /* A commit that the remote does not have, on top of one that it has. */
    sh("git clone -q %s %s/work && cd %s/work && git config user.name a && git config user.email a@b && "
       "echo 4 >spec/d_spec.rb && git add . && git commit -qm local && git bundle create -q ../b.bundle "
       "origin/trunk..HEAD",
       w->src, w->dir, w->dir);
    (void)snprintf(path, sizeof(path), "%s/b.bundle", w->dir);
    projects_bundle(w->ps, (struct project_id){1}, path, on_bundle, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_OK);
    assert_memory_equal(w->text, "1 ", 2);
    (void)snprintf(commit, sizeof(commit), "%s", w->text + 2);
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    until(w, 1);
    plan(w, commit, "spec/d_spec.rb");
    (void)snprintf(expect, sizeof(expect), "spec/d_spec.rb @%.4s", commit);
    assert_string_equal(w->text, expect);
    sh("echo nonsense >%s", path);
    projects_bundle(w->ps, (struct project_id){1}, path, on_bundle, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_INVALID);
    /* Its parents are not in an empty mirror. */
    sh("cd %s/work && git bundle create -q ../b.bundle origin/trunk..HEAD", w->dir);
    projects_bundle(w->ps, (struct project_id){2}, path, on_bundle, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_INVALID);
    assert_non_null(strstr(w->text, "prerequisite"));
    world_free(w);
}

/* A commit on top of trunk, brought as a bundle. */
static void bring(struct world *w, const char *name, char *commit, size_t size)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s.bundle", w->dir, name);
    sh("cd %s/work && git checkout -q -B %s origin/trunk && echo %s >spec/%s_spec.rb && git add . && "
       "git commit -qm %s && git bundle create -q %s origin/trunk..HEAD",
       w->dir, name, name, name, name, path);
    projects_bundle(w->ps, (struct project_id){1}, path, on_bundle, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_OK);
    (void)snprintf(commit, size, "%s", w->text + 2);
}

static void test_project__old_commits_of_bundles_go_but_those_that_are_needed(void **state)
{
    struct world *w = world_new();
    char commits[3][64];
    const char *keep;
    char out[64];

    (void)state;
    projects_prune(w->ps, (struct project_id){1}, wall_now(), NULL, 0, on_done, w); /* no mirror yet */
    until(w, 1);
    assert_int_equal(w->err, ERR_OK);
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    until(w, 1);
    sh("git clone -q %s %s/work && cd %s/work && git config user.name a && git config user.email a@b", w->src,
       w->dir, w->dir);
    bring(w, "gone", commits[0], sizeof(commits[0]));
    bring(w, "used", commits[1], sizeof(commits[1]));
    bring(w, "young", commits[2], sizeof(commits[2]));
    plan(w, commits[0], "spec/gone_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    sh("touch -d '40 days ago' $(find %s -path '*/refs/wrata/%s') $(find %s -path '*/refs/wrata/%s')", w->dir,
       commits[0], w->dir, commits[1]);
    keep = commits[1];
    projects_prune(w->ps, (struct project_id){1}, (struct wall){wall_now().ms - 30 * 24 * INT64_C(3600000)},
                   &keep, 1, on_done, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_OK);
    plan(w, commits[0], "spec/gone_spec.rb");
    assert_int_equal(w->err, ERR_NOTFOUND);
    plan(w, commits[1], "spec/used_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    plan(w, commits[2], "spec/young_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    plan(w, "trunk", "spec/a_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    /* gone altogether: whoever asks whether it must be sent again is told so */
    (void)snprintf(out, sizeof(out), "%s", commits[0]);
    sh("! git --git-dir=$(find %s -maxdepth 2 -name p1.git) cat-file -e %s 2>/dev/null", w->dir, out);
    world_free(w);
}

/* Files of Git LFS go by their last use, with what git-lfs left half done; what a branch holds needs no sweep. */
static void test_project__files_of_git_lfs_go_with_their_last_launch(void **state)
{
    struct world *w = world_new();
    char mirror[256];

    (void)state;
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    until(w, 1);
    projects_mirror_path(w->ps, (struct project_id){1}, mirror, sizeof(mirror));
    sh("mkdir -p %s/lfs/objects/aa/bb %s/lfs/tmp && cd %s/lfs && echo x | tee objects/aa/bb/old "
       "objects/aa/bb/used "
       "objects/aa/bb/new tmp/part >/dev/null && touch -d '40 days ago' objects/aa/bb/old objects/aa/bb/used "
       "tmp/part && touch -a objects/aa/bb/used",
       mirror, mirror, mirror);
    plan(w, "trunk", "spec/a_spec.rb");
    sh("touch -d '40 days ago' %s/refs/wrata/*", mirror);
    projects_prune(w->ps, (struct project_id){1}, (struct wall){wall_now().ms - 30 * 24 * INT64_C(3600000)},
                   NULL, 0, on_done, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_OK);
    sh("cd %s && test \"$(cd lfs && find . -type f | sort | xargs)\" = './objects/aa/bb/new "
       "./objects/aa/bb/used' && "
       "test -z \"$(ls refs/wrata)\"",
       mirror);
    plan(w, "trunk", "spec/a_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    world_free(w);
}

/* A launch with them makes them young again; without one they go, and are fetched anew when they are wanted. */
static void test_project__commits_of_submodules_go_with_their_last_launch(void **state)
{
    struct world *w = world_new();
    const struct wall month = {wall_now().ms - 30 * 24 * INT64_C(3600000)};
    char find[128];

    (void)state;
    (void)snprintf(find, sizeof(find), "find %s -path '*/refs/wrata/sub/*' -type f", w->dir);
    sh("git init -q %s/lib && cd %s/lib && git config user.name a && git config user.email a@b && echo x >f "
       "&& "
       "git add . && git commit -qm x",
       w->dir, w->dir);
    sh("git clone -q %s %s/work && cd %s/work && git config user.name a && git config user.email a@b && "
       "git -c protocol.file.allow=always submodule add -q %s/lib lib && git commit -qm lib && git push -q "
       "origin "
       "HEAD:refs/heads/with-lib",
       w->src, w->dir, w->dir, w->dir);
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    until(w, 1);
    plan(w, "with-lib", "spec/a_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    sh("touch -d '40 days ago' $(%s)", find);
    plan(w, "with-lib", "spec/a_spec.rb");
    projects_prune(w->ps, (struct project_id){1}, month, NULL, 0, on_done, w);
    until(w, 1);
    sh("test $(%s | wc -l) = 1", find);
    sh("touch -d '40 days ago' $(%s)", find);
    projects_prune(w->ps, (struct project_id){1}, month, NULL, 0, on_done, w);
    until(w, 1);
    assert_int_equal(w->err, ERR_OK);
    sh("test $(%s | wc -l) = 0 && ! git --git-dir=$(find %s -maxdepth 2 -name p1.git) cat-file -e "
       "$(git -C %s/lib rev-parse HEAD) 2>/dev/null",
       find, w->dir, w->dir);
    plan(w, "with-lib", "spec/a_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    sh("mv %s/lib %s/lib.away", w->dir, w->dir);
    plan(w, "with-lib", "spec/a_spec.rb");
    assert_int_equal(w->err, ERR_OK);
    world_free(w);
}

static void test_project__free_answers_what_is_owed(void **state)
{
    struct world *w = world_new();
    const char *pattern = "spec/";

    (void)state;
    projects_refresh(w->ps, (struct project_id){1}, w->src, on_done, w);
    projects_plan(w->ps, (struct project_id){2}, w->src, "x", &pattern, 1, on_plan, w);
    for (int i = 0; i < 6; i++)
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    projects_refs(w->ps, (struct project_id){1}, on_refs, w);
    projects_free(w->ps);
    w->ps = NULL;
    assert_int_equal(w->calls, 3);
    assert_int_equal(w->err, ERR_BUSY);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_project__patterns_choose_files),
        cmocka_unit_test(test_project__a_large_tree_is_planned_quickly),
        cmocka_unit_test(test_project__names_that_are_not_utf8_are_counted),
        cmocka_unit_test(test_project__urls_are_known_forms_or_refused),
        cmocka_unit_test(test_project__a_search_is_words_in_any_order_and_a_glob),
        cmocka_unit_test(test_project__what_git_said_first_is_not_lost),
        cmocka_unit_test(test_project__what_git_said_holds_no_password),
        cmocka_unit_test(test_project__a_plan_fetches_what_it_does_not_know),
        cmocka_unit_test(test_project__refs_are_ordered_and_pruned),
        cmocka_unit_test(test_project__a_failed_refresh_says_why_and_changes_nothing),
        cmocka_unit_test(test_project__bundles_are_kept_through_a_refresh),
        cmocka_unit_test(test_project__old_commits_of_bundles_go_but_those_that_are_needed),
        cmocka_unit_test(test_project__commits_of_submodules_go_with_their_last_launch),
        cmocka_unit_test(test_project__files_of_git_lfs_go_with_their_last_launch),
        cmocka_unit_test(test_project__free_answers_what_is_owed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
