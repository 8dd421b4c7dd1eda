/* The lines that say how a machine is made ready: what is read, what is refused, what is passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/agent_setup.h"
#include "wire/frame.h"

#define ID "0123456789012345678901234567890123456789"

static enum err read_lines(const char *const *texts, struct arena *a, struct setup *ret, struct why *why)
{
    struct slice lines[64];
    uint32_t n = 0;

    for (; texts[n] != NULL; n++)
        lines[n] = slice_of(texts[n]);
    return setup_read(lines, n, a, ret, why);
}

static void test_agent_setup__steps_key_and_artifacts(void **state)
{
    static const char *const lines[] = {"step=gems",
                                        "arg=bundle",
                                        "arg=in=stall",
                                        "limit_ms=90000",
                                        "step=",
                                        "arg=true",
                                        "key=abc",
                                        "prepare_env=A=b=c",
                                        "artifact=**/*.png",
                                        "artifact_max=10",
                                        "artifact=*.log",
                                        "artifact_files_max=7",
                                        "of=the future",
                                        "artifact_run_max=9",
                                        "preload=spec/spec_helper.rb",
                                        "warm=off",
                                        NULL};
    struct why why = {0};
    struct setup s;
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_int_equal(read_lines(lines, &a, &s, &why), ERR_OK);
    assert_int_equal(s.n_steps, 2);
    assert_int_equal(s.steps[0].n_argv, 2);
    assert_true(slice_eq(s.steps[0].argv[1], SLICE("in=stall")));
    assert_int_equal(s.steps[0].limit_ms, 90000);
    assert_int_equal(s.steps[1].limit_ms, SETUP_STEP_LIMIT_MS);
    assert_true(slice_eq(s.key, SLICE("abc")));
    assert_true(slice_eq(s.env[0], SLICE("A=b=c")));
    assert_int_equal(s.n_artifacts, 2);
    assert_int_equal(s.artifacts[0].max_bytes, 10);
    assert_int_equal(s.files_max, 7);
    assert_int_equal(s.run_bytes_max, 9);
    assert_int_equal(s.file_bytes_max, ARTIFACT_FILE_BYTES_DEFAULT);
    assert_true(slice_eq(s.preload, SLICE("spec/spec_helper.rb")));
    assert_true(s.is_cold);
    assert_int_equal(setup_read(NULL, 0, &a, &s, &why), ERR_OK);
    assert_int_equal(s.preload.len, 0);
    assert_false(s.is_cold);
    arena_done(&a);
}

static void test_agent_setup__what_is_refused(void **state)
{
    static const struct {
        const char *lines[3];
        const char *says;
    } rows[] = {
        {{"arg=x"}, "no step stands before it"},
        {{"limit_ms=1"}, "no step stands before it"},
        {{"step=a"}, "step 'a' has no command"},
        {{"nothing"}, "it is not KEY=value"},
        {{"artifact="}, "it is empty"},
        {{"artifact_max=1"}, "no artifact stands before it"},
        {{"prepare_env=x"}, "it is not NAME=value"},
        {{"artifact=a", "artifact_max=-1"}, "its number is none"},
        {{"step=a", "limit_ms=1e9"}, "its number is none"},
        {{"step=a", "limit_ms=999999999999"}, "its number is too large"},
        {{"submodule=abc"}, "it is not COMMIT PATH"},
        {{"submodule=0123 a"}, "its commit is not a full commit id"},
        {{"submodule=" ID " "}, "is empty"},
        {{"submodule=" ID " /etc"}, "is absolute"},
        {{"submodule=" ID " a/../../b"}, "has a part that is empty, '.', '..' or '.git'"},
        {{"submodule=" ID " a/./b"}, "has a part"},
        {{"submodule=" ID " a/"}, "has a part"},
        {{"submodule=" ID " .git/hooks"}, "has a part"},
        {{"submodule=" ID " -x"}, "begins with '-'"},
        {{"submodule=" ID " a\nb"}, "holds a control character"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct why why = {0};
        struct setup s;
        struct arena a;

        arena_init(&a);
        assert_int_not_equal(read_lines(rows[i].lines, &a, &s, &why), ERR_OK);
        if (strstr(why.text, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, why.text);
        arena_done(&a);
    }
}

static void test_agent_setup__lists_have_an_end(void **state)
{
    struct slice lines[SETUP_STEPS_MAX * 2 + 2];
    struct why why = {0};
    struct setup s;
    struct arena a;
    uint32_t n = 0;

    (void)state;
    arena_init(&a);
    for (uint32_t i = 0; i <= SETUP_STEPS_MAX; i++) {
        lines[n++] = SLICE("step=a");
        lines[n++] = SLICE("arg=b");
    }
    assert_int_equal(setup_read(lines, n - 2, &a, &s, &why), ERR_OK);
    assert_int_equal(s.n_steps, SETUP_STEPS_MAX);
    assert_int_equal(setup_read(lines, n, &a, &s, &why), ERR_LIMIT);
    arena_done(&a);
}

static void test_agent_setup__lines_know_the_agents_they_are_for(void **state)
{
    static const char *const old[] = {"step=a", "arg=b", "submodules=of the future"};
    static const char *const kept[] = {"artifact=a", "artifact_max=1"};
    static const char *const new[] = {"submodule=" ID " a", "step=a", "arg=b"};

    (void)state;
    assert_int_equal(setup_protocol(NULL, 0), 1);
    assert_int_equal(setup_protocol(kept, 2), 1);
    assert_int_equal(setup_protocol(old, 3), PROTOCOL_WITH_SETUP);
    assert_int_equal(setup_protocol(new, 3), PROTOCOL_WITH_SUBMODULES);
}

static void test_agent_setup__submodules(void **state)
{
    static const char *const lines[] = {"submodule=" ID " a", "submodule=" ID " a/b c/.gitx", NULL};
    struct why why = {0};
    struct setup s;
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_int_equal(read_lines(lines, &a, &s, &why), ERR_OK);
    assert_int_equal(s.n_submodules, 2);
    assert_true(slice_eq(s.submodules[1].commit, SLICE(ID)));
    assert_true(slice_eq(s.submodules[1].path, SLICE("a/b c/.gitx")));
    arena_done(&a);
}

static void test_agent_setup__files_of_git_lfs(void **state)
{
    static const char *const lines[] = {"lfs=0123456789abcdef", NULL};
    static const char *const bad[] = {
        "lfs=", "lfs=../x", "lfs=ABC",
        "lfs=00000000000000000000000000000000000000000000000000000000000000000"};
    struct why why = {0};
    struct setup s;
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_int_equal(read_lines(lines, &a, &s, &why), ERR_OK);
    assert_true(slice_eq(s.lfs, SLICE("0123456789abcdef")));
    assert_int_equal(setup_protocol(lines, 1), PROTOCOL_WITH_LFS);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *const one[] = {bad[i], NULL};

        assert_int_equal(read_lines(one, &a, &s, &why), ERR_INVALID);
    }
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent_setup__steps_key_and_artifacts),
        cmocka_unit_test(test_agent_setup__what_is_refused),
        cmocka_unit_test(test_agent_setup__lists_have_an_end),
        cmocka_unit_test(test_agent_setup__lines_know_the_agents_they_are_for),
        cmocka_unit_test(test_agent_setup__submodules),
        cmocka_unit_test(test_agent_setup__files_of_git_lfs),
    };

    return cmocka_run_group_tests_name("agent_setup", tests, NULL, NULL);
}
