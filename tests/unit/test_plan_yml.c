/* test_plan_yml.c - plans of a tree with a wrata.yml: which command runs which file, and the steps of prepare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "project/project_private.h"

#define BLOB_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BLOB_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* Lines "MODE path", each with the blob; and the text of its wrata.yml. */
static struct tree *tree_of(const char *lines, const char *blob, const char *yml)
{
    struct slice text = slice_of(yml);
    struct tree *t;
    struct why why;
    struct buf b;

    buf_init(&b, MIB(64));
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");

        buf_printf(&b, "%.6s blob %s\t%.*s", lines, blob, (int)n - 7, lines + 7);
        buf_putc(&b, '\0');
        lines += n + (lines[n] == '\n');
    }
    assert_int_equal(tree_parse(buf_slice(&b), &t, &why), ERR_OK);
    (void)snprintf(t->commit, sizeof(t->commit), "abcdef0123456789");
    tree_take_yml(t, &text);
    buf_done(&b);
    return t;
}

static const char files[] = "100755 bin/prepare\n"
                            "100644 a.lock\n"
                            "100644 docs/notes.txt\n"
                            "100644 f/a.feature\n"
                            "100644 f/b/c.feature\n"
                            "100644 f/b/d.sh\n"
                            "100644 spec/a_spec.rb\n"
                            "100644 wrata.yml\n";

static const char yml[] =
    "report: tap\n"
    "commands:\n"
    "- {glob: f/b/*.feature, run: [special, \"{file}\", \"-l{line}\"], report: exit, time_limit: 1m}\n"
    "- {glob: \"**/*.feature\", run: [bin/run, \"{file}\"]}\n"
    "- {glob: spec/*_spec.rb, run: [x, y, rspec, \"{file}\"], report: rspec}\n";

/* "path=word,word(report) ..." or "!why". */
static const char *plan_text(const struct tree *t, const char *patterns)
{
    static char out[4096];
    const char *words[16];
    char copy[1024];
    char *save = NULL;
    uint32_t n = 0;
    struct arena a;
    struct buf b;
    struct plan plan;
    struct why why;

    arena_init(&a);
    buf_init(&b, sizeof(out));
    (void)snprintf(copy, sizeof(copy), "%s", patterns);
    for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    if (plan_make(t, words, n, &a, &plan, &why) != ERR_OK) {
        buf_printf(&b, "!%s: %s", why.field, why.text);
    } else {
        for (uint32_t i = 0; i < plan.n_files; i++) {
            buf_printf(&b, "%s%s=", i > 0 ? " " : "", plan.files[i].path);
            for (uint32_t k = 0; k < plan.files[i].n_argv; k++)
                buf_printf(&b, "%s%s", k > 0 ? "," : "", plan.files[i].argv[k]);
            buf_printf(&b, "(%s)", adapter_name(plan.files[i].adapter));
        }
    }
    (void)snprintf(out, sizeof(out), "%s", buf_str(&b));
    buf_done(&b);
    arena_done(&a);
    return out;
}

static const struct {
    const char *patterns;
    const char *plan;
} plans[] = {
    {"f/a.feature", "f/a.feature=bin/run,f/a.feature(tap)"},
    {"f/a.feature:12", "f/a.feature:12=bin/run,f/a.feature:12(tap)"},
    {"f/b/c.feature:7", "f/b/c.feature:7=special,f/b/c.feature,-l7(exit)"},
    {"f/b/c.feature", "f/b/c.feature=special,f/b/c.feature(exit)"},
    {"f/", "f/a.feature=bin/run,f/a.feature(tap) f/b/c.feature=special,f/b/c.feature(exit) "
           "f/b/d.sh=bash,f/b/d.sh(exit)"},
    {"spec", "spec/a_spec.rb=x,y,rspec,spec/a_spec.rb(rspec)"},
    {"spec/a_spec.rb[1:2]", "spec/a_spec.rb[1:2]=x,y,rspec,spec/a_spec.rb[1:2](rspec)"},
    {"bin/prepare", "bin/prepare=./bin/prepare(exit)"},
    {"docs/notes.txt:3", "!files: files: there is no 'docs/notes.txt:3' in commit abcdef0123; did you mean "
                         "docs/notes.txt?"},
    {"docs/",
     "!files: files: below 'docs/' is no *_spec.rb, test_*.py, *_test.py or *.sh, and nothing that wrata.yml "
     "has a command for"},
};

static void test_plan_yml__the_first_command_that_fits_is_taken(void **state)
{
    struct tree *t = tree_of(files, BLOB_A, yml);

    (void)state;
    assert_int_equal(t->yml_problems.n, 0);
    for (unsigned i = 0; i < ARRAY_LEN(plans); i++)
        assert_string_equal(plan_text(t, plans[i].patterns), plans[i].plan);
    tree_free(t);
}

static void test_plan_yml__with_a_fault_nothing_is_planned(void **state)
{
    struct tree *t = tree_of(files, BLOB_A, "slots: 4\nretries: many\nsplit: 3\n");

    (void)state;
    assert_string_equal(plan_text(t, "spec/"),
                        "!wrata.yml: wrata.yml:2: retries: 'many' is not a number from 0 to 10; and 1 more");
    tree_free(t);
    t = tree_of(files, BLOB_A, "prepare:\n- script: docs/notes.txt\n- script: no/such.sh\n");
    assert_string_equal(
        plan_text(t, "spec/"),
        "!wrata.yml: wrata.yml:2: prepare[0].script: 'docs/notes.txt' cannot be run: it has neither "
        "the executable bit nor a name like *.sh or *.rb; and 1 more");
    tree_free(t);
    t = tree_of("100644 a.sh\n120000 wrata.yml\n", BLOB_A, "slots: 4\n");
    assert_string_equal(plan_text(t, "a.sh"), "!wrata.yml: wrata.yml: is a symbolic link; it must be a file");
    tree_free(t);
    t = tree_of("100644 a.sh\n", BLOB_A, "no such file is in the tree, so these bytes are nobody's");
    assert_string_equal(plan_text(t, "a.sh"), "a.sh=bash,a.sh(exit)");
    tree_free(t);
}

/* The keys of the steps, "KEY KEY". */
static void keys_of(const char *blob, const char *text, char *out, size_t size)
{
    const char *const patterns[] = {"spec/"};
    struct tree *t = tree_of(files, blob, text);
    struct plan plan;
    struct arena a;
    struct why why;

    arena_init(&a);
    assert_int_equal(plan_make(t, patterns, 1, &a, &plan, &why), ERR_OK);
    assert_int_equal(plan.n_prepare, 2);
    assert_string_equal(plan.prepare[0].name, "a");
    assert_int_equal(plan.prepare[0].time_limit_ms, 60000);
    assert_string_equal(plan.prepare[1].name, "bin/prepare");
    assert_string_equal(plan.prepare[1].argv[0], "./bin/prepare");
    assert_int_equal(plan.prepare[1].time_limit_ms, -1);
    (void)snprintf(out, size, "%s %s", plan.prepare[0].key, plan.prepare[1].key);
    arena_done(&a);
    tree_free(t);
}

static void test_plan_yml__the_key_of_a_step_changes_with_what_it_depends_on(void **state)
{
    static const char steps[] =
        "prepare:\n- {name: a, run: [x], key: [\"*.lock\"], time_limit: 1m}\n- script: bin/prepare\n";
    static const char other[] =
        "prepare:\n- {name: a, run: [x, y], key: [\"*.lock\"], time_limit: 1m}\n- script: bin/prepare\n";
    static const char no_lock[] = "prepare:\n- {name: a, run: [x], time_limit: 1m}\n- script: bin/prepare\n";
    char first[160];
    char again[160];
    char changed[160];

    (void)state;
    keys_of(BLOB_A, steps, first, sizeof(first));
    keys_of(BLOB_A, steps, again, sizeof(again));
    assert_int_equal(strlen(first), 129);
    assert_string_equal(first, again);
    keys_of(BLOB_B, steps, changed, sizeof(changed)); /* the lock file */
    assert_int_not_equal(strncmp(first, changed, 64), 0);
    assert_int_not_equal(strcmp(first + 65, changed + 65), 0);
    keys_of(BLOB_A, other, changed,
            sizeof(changed)); /* its command; then what comes after it is done again, too */
    assert_int_not_equal(strncmp(first, changed, 64), 0);
    assert_int_not_equal(strcmp(first + 65, changed + 65), 0);
    keys_of(BLOB_A, no_lock, first,
            sizeof(first)); /* without key files only the script's own content counts */
    keys_of(BLOB_B, no_lock, changed, sizeof(changed));
    assert_int_equal(strncmp(first, changed, 64), 0);
    assert_int_not_equal(strcmp(first + 65, changed + 65), 0);
}

/* The setup lines of this wrata.yml, "LINE|LINE". */
static const char *setup_text(const char *text, const char *const *globs, uint32_t n_globs)
{
    static char out[2048];
    const char *const patterns[] = {"spec/"};
    struct plan_keep keep = {
        .globs = globs, .n_globs = n_globs, .file_bytes = 10, .run_bytes = 20, .files = 30};
    struct tree *t = tree_of(files, BLOB_A, text);
    const char *const *lines;
    struct plan plan;
    struct arena a;
    struct why why;
    uint32_t n = 0;

    arena_init(&a);
    assert_int_equal(plan_make(t, patterns, 1, &a, &plan, &why), ERR_OK);
    lines = plan_setup(&plan, &keep, &a, &n);
    out[0] = '\0';
    for (uint32_t i = 0; i < n; i++)
        (void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i > 0 ? "|" : "", lines[i]);
    arena_done(&a);
    tree_free(t);
    return out;
}

static void test_plan_yml__a_launch_carries_its_image_and_how_containers_are_made(void **state)
{
    (void)state;
    assert_string_equal(setup_text("image: debian:12\n", NULL, 0), "image=debian:12");
    assert_string_equal(
        setup_text("image: a/b@sha256:"
                   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
                   "container:\n"
                   "  {pull: never, shm: 1g, network: none, memory: 64m, pids: 100, user: \"1:2\",\n"
                   "   mounts: [/a:/b:ro, /c:/d], privileged: true, new_privileges: true,\n"
                   "   hostname: qa}\n"
                   "warm: false\n",
                   NULL, 0),
        "image=a/b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef|"
        "pull=never|container_shm=1073741824|container_memory=67108864|container_pids=100|"
        "container_network=none|container_user=1:2|container_host=qa|container_mount=/a:/b:ro|"
        "container_mount=/c:/d|container_privileged=1|container_new_privileges=1|warm=off");
    assert_string_equal(
        setup_text("image: a\ncontainer: {pull: missing, privileged: false, new_privileges: false}\n", NULL,
                   0),
        "image=a|pull=missing");
}

static void test_plan_yml__a_launch_asks_for_artifacts_with_the_limits_of_the_server(void **state)
{
    static const char *const globs[] = {"own/*"};
    static const char limits[] = "artifact_file_max=10|artifact_run_max=20|artifact_files_max=30";
    char want[256];

    (void)state;
    assert_string_equal(setup_text("env: {A: b}\n", NULL, 0), "");
    (void)snprintf(want, sizeof(want), "artifact=own/*|%s", limits);
    assert_string_equal(setup_text("env: {A: b}\n", globs, 1), want);
    (void)snprintf(want, sizeof(want), "artifact=a/**|artifact=*.mp4|artifact_max=52428800|artifact=own/*|%s",
                   limits);
    assert_string_equal(setup_text("artifacts: [a/**, {glob: \"*.mp4\", max_size: 50m}]\n", globs, 1), want);
    (void)snprintf(want, sizeof(want), "step=x|arg=x|prepare_env=A=b|artifact=a/**|%s", limits);
    assert_string_equal(setup_text("env: {A: b}\nartifacts: [a/**]\nprepare: [{run: [x]}]\n", NULL, 0), want);
}

static void test_plan_yml__how_rspec_is_started_goes_with_the_launch(void **state)
{
    (void)state;
    assert_string_equal(setup_text("warm: true\n", NULL, 0), "");
    assert_string_equal(setup_text("warm: false\n", NULL, 0), "warm=off");
    assert_string_equal(setup_text("preload: spec/a_spec.rb\n", NULL, 0), "preload=spec/a_spec.rb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_yml__the_first_command_that_fits_is_taken),
        cmocka_unit_test(test_plan_yml__with_a_fault_nothing_is_planned),
        cmocka_unit_test(test_plan_yml__the_key_of_a_step_changes_with_what_it_depends_on),
        cmocka_unit_test(test_plan_yml__a_launch_carries_its_image_and_how_containers_are_made),
        cmocka_unit_test(test_plan_yml__a_launch_asks_for_artifacts_with_the_limits_of_the_server),
        cmocka_unit_test(test_plan_yml__how_rspec_is_started_goes_with_the_launch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
