/* test_child.c - children of all kinds: quick, stubborn, loud, with heirs. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/child.h"

struct world {
    uv_loop_t loop;
    struct children *all;
    struct child *child;
    unsigned exits;
    struct child_exit e;
    char out[200000];
    size_t out_len;
    char err[1024];
    size_t wrote;
    bool pause_first;
};

static void on_exit_of(void *ctx, const struct child_exit *e)
{
    struct world *w = ctx;

    w->exits++;
    w->e = *e;
    if (e->out.len > 0 && w->out_len == 0) {
        assert_true(e->out.len < sizeof(w->out));
        memcpy(w->out, e->out.ptr, e->out.len);
        w->out_len = e->out.len;
    }
    (void)snprintf(w->err, sizeof(w->err), "%.*s", (int)e->err.len, e->err.ptr);
    w->child = NULL;
}

static void on_out(void *ctx, const char *bytes, size_t n)
{
    struct world *w = ctx;

    assert_true(w->out_len + n < sizeof(w->out));
    memcpy(w->out + w->out_len, bytes, n);
    w->out_len += n;
    if (w->pause_first) {
        w->pause_first = false;
        child_pause_out(w->child);
    }
}

static void on_wrote(void *ctx, size_t n)
{
    struct world *w = ctx;

    w->wrote += n;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    (void)uv_loop_init(&w->loop);
    w->all = children_new(&w->loop);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    children_free(w->all);
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0) {
    }
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

static void on_tick(uv_timer_t *t)
{
    (void)t;
}

/* For what must come: it takes milliseconds, but for a machine that is busy. */
#define PATIENCE_MS 40000

static void turn_ms(struct world *w, int64_t ms, bool until_exit)
{
    struct mono end = mono_add_ms(mono_now(), ms);
    uv_timer_t tick;

    (void)uv_timer_init(&w->loop, &tick);
    (void)uv_timer_start(&tick, on_tick, 5, 5);
    while (!(until_exit && w->exits > 0) && mono_before(mono_now(), end))
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void start(struct world *w, const char *script, struct child_opts opts)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct why why;

    opts.argv = argv;
    opts.on_exit = on_exit_of;
    opts.ctx = w;
    if (opts.out == CHILD_NULL)
        opts.out = CHILD_PIPE;
    if (opts.err == CHILD_NULL)
        opts.err = CHILD_PIPE;
    if (child_start(w->all, &opts, &w->child, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static void test_child__its_end_and_its_words_are_told_once(void **state)
{
    struct world *w = *state;

    start(w, "echo out; echo err >&2; exit 3", (struct child_opts){0});
    assert_int_equal(w->exits, 0);
    turn_ms(w, PATIENCE_MS, true);
    assert_int_equal(w->exits, 1);
    assert_true(w->e.exited);
    assert_int_equal(w->e.exit_code, 3);
    assert_string_equal(w->out, "out\n");
    assert_string_equal(w->err, "err\n");
    assert_false(w->e.held);
}

static void test_child__a_program_that_is_not_there_fails_at_once(void **state)
{
    struct world *w = *state;
    const char *argv[] = {"/nowhere/prog", NULL};
    struct child_opts opts = {.argv = argv, .on_exit = on_exit_of, .ctx = w};
    struct why why;

    assert_int_equal(child_start(w->all, &opts, &w->child, &why), ERR_IO);
    assert_string_equal(why.text, "/nowhere/prog: No such file or directory");
    turn_ms(w, 50, false);
    assert_int_equal(w->exits, 0);
}

static void test_child__input_is_written_and_closed(void **state)
{
    struct world *w = *state;
    char *big = malloc(150000);

    assert_non_null(big);
    memset(big, 'x', 150000);
    start(w, "wc -c", (struct child_opts){.in = CHILD_PIPE, .on_wrote = on_wrote});
    child_write(w->child, big, 150000);
    child_close_in(w->child);
    turn_ms(w, PATIENCE_MS, true);
    assert_string_equal(w->out, "150000\n");
    assert_int_equal(w->wrote, 150000);
}

static void test_child__a_closed_input_is_no_end_of_ours(void **state)
{
    struct world *w = *state;
    char *big = calloc(1, 150000);

    start(w, "exec <&-; sleep 0.1; exit 4", (struct child_opts){.in = CHILD_PIPE});
    child_write(w->child, big, 150000);
    turn_ms(w, PATIENCE_MS, true);
    assert_int_equal(w->e.exit_code, 4);
}

/* Gone, or a zombie that nobody has collected yet. */
static bool is_dead(long pid)
{
    char path[64];
    char line[512] = "";
    const char *state;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    f = fopen(path, "r");
    if (f == NULL)
        return true;
    (void)fgets(line, sizeof(line), f);
    (void)fclose(f);
    state = strrchr(line, ')');
    return state == NULL || state[2] == 'Z' || state[2] == 'X';
}

static void test_child__a_deadline_ends_the_whole_group(void **state)
{
    struct world *w = *state;
    struct mono begin = mono_now();

    /* The heir ignores TERM; its number is told so that we can look for it. */
    start(w, "sh -c 'trap \"\" TERM; sleep 300 & sleep 300' & echo $!; sleep 300",
          (struct child_opts){.deadline_ms = 150, .grace_ms = 200});
    turn_ms(w, PATIENCE_MS, true);
    assert_int_equal(w->exits, 1);
    assert_true(w->e.timed_out);
    assert_true(mono_ms_between(begin, mono_now()) < PATIENCE_MS);
    for (int i = 0; i < PATIENCE_MS / 50 && !is_dead(strtol(w->out, NULL, 10)); i++)
        turn_ms(w, 50, false);
    assert_true(is_dead(strtol(w->out, NULL, 10)));
}

static void test_child__one_that_ignores_term_is_killed(void **state)
{
    struct world *w = *state;

    start(w, "trap '' TERM; while :; do sleep 1; done",
          (struct child_opts){.deadline_ms = 100, .grace_ms = 100});
    turn_ms(w, PATIENCE_MS, true);
    assert_false(w->e.exited);
    assert_int_equal(w->e.signal, SIGKILL);
}

static void test_child__an_heir_cannot_hold_its_end(void **state)
{
    struct world *w = *state;
    struct mono begin = mono_now();

    start(w, "echo a; setsid sleep 60 & exit 0", (struct child_opts){.drain_ms = 200});
    turn_ms(w, PATIENCE_MS, true);
    assert_int_equal(w->exits, 1);
    assert_true(w->e.held);
    assert_string_equal(w->out, "a\n");
    assert_true(mono_ms_between(begin, mono_now()) < PATIENCE_MS);
}

static void test_child__output_over_the_limit_is_cut(void **state)
{
    struct world *w = *state;

    start(w, "head -c 1000000 /dev/zero | tr '\\0' x", (struct child_opts){.out_max = 1000});
    turn_ms(w, PATIENCE_MS, true);
    assert_int_equal(w->e.exit_code, 0);
    assert_int_equal(w->out_len, 1000);
    assert_true(w->e.out_cut);
    assert_false(w->e.err_cut);
}

static void test_child__paused_output_waits(void **state)
{
    struct world *w = *state;
    size_t before;

    w->pause_first = true;
    start(w, "head -c 150000 /dev/zero", (struct child_opts){.on_out = on_out, .drain_ms = 50});
    for (int i = 0; i < PATIENCE_MS / 50 && w->out_len == 0; i++)
        turn_ms(w, 50, false);
    turn_ms(w, 300, false);
    before = w->out_len;
    assert_true(before > 0);
    assert_true(before < 150000);
    assert_int_equal(w->exits, 0);
    child_resume_out(w->child);
    turn_ms(w, PATIENCE_MS, true);
    assert_int_equal(w->out_len, 150000);
    assert_int_equal(w->exits, 1);
}

static void test_child__folder_and_environment_are_as_told(void **state)
{
    struct world *w = *state;
    const char *const env[] = {"WRATA_A=1", "HOME", NULL};

    start(w, "pwd; echo ${WRATA_A}${HOME-none}; ls /proc/self/fd | wc -l",
          (struct child_opts){.cwd = "/usr", .env = env, .new_session = true});
    turn_ms(w, PATIENCE_MS, true);
    assert_string_equal(w->out, "/usr\n1none\n4\n"); /* 0, 1, 2 and ls's own */
}

static void test_child__signals_are_as_at_first(void **state)
{
    struct world *w = *state;
    sigset_t set;
    sigset_t old;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, &old);
    start(w, "grep -E 'SigBlk|SigIgn' /proc/self/status", (struct child_opts){0});
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    turn_ms(w, PATIENCE_MS, true);
    /* The two signals of the C library's own (32 and 33) can be set by nobody. */
    assert_memory_equal(w->out, "SigBlk:\t0000000000000000\nSigIgn:\t", 32);
    assert_int_equal(strtoull(w->out + 32, NULL, 16) & ~UINT64_C(0x180000000), 0);
}

static void test_child__an_abandoned_one_is_reaped_silently(void **state)
{
    struct world *w = *state;
    pid_t pid;

    start(w, "trap '' TERM; while :; do sleep 0.1; done",
          (struct child_opts){.grace_ms = 100, .in = CHILD_PIPE});
    pid = child_pid(w->child);
    child_abandon(&w->child);
    assert_null(w->child);
    for (int i = 0; i < PATIENCE_MS / 50 && kill(pid, 0) == 0; i++)
        turn_ms(w, 50, false);
    assert_int_equal(w->exits, 0);
    assert_int_equal(kill(pid, 0), -1);
}

static void test_child__many_at_once_end_once_each(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 60; i++)
        start(w, "exit 0", (struct child_opts){0});
    for (int i = 0; i < 1000 && w->exits < 60; i++)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    turn_ms(w, 50, false);
    assert_int_equal(w->exits, 60);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_child__its_end_and_its_words_are_told_once),
        TEST(test_child__a_program_that_is_not_there_fails_at_once),
        TEST(test_child__input_is_written_and_closed),
        TEST(test_child__a_closed_input_is_no_end_of_ours),
        TEST(test_child__a_deadline_ends_the_whole_group),
        TEST(test_child__one_that_ignores_term_is_killed),
        TEST(test_child__an_heir_cannot_hold_its_end),
        TEST(test_child__output_over_the_limit_is_cut),
        TEST(test_child__paused_output_waits),
        TEST(test_child__folder_and_environment_are_as_told),
        TEST(test_child__signals_are_as_at_first),
        TEST(test_child__an_abandoned_one_is_reaped_silently),
        TEST(test_child__many_at_once_end_once_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
