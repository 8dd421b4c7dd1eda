/* test_base.c - what every module may rely on from base/: limits hold, nothing is cut in the middle of an
 * escape, "never" stays never. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

/* ---- buf ------------------------------------------------------------------------------------------------- */

static void test_buf__holds_exactly_its_maximum(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    assert_int_equal(buf_add(&b, "abcd", 4), ERR_OK);
    assert_int_equal(buf_add(&b, "", 0), ERR_OK);
    assert_int_equal(buf_add(&b, "e", 1), ERR_LIMIT);
    assert_string_equal(buf_str(&b), "abcd");
    buf_done(&b);
}

static void test_buf__appends_nothing_when_the_limit_is_passed(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    assert_int_equal(buf_add(&b, "1234567", 7), ERR_OK);
    assert_int_equal(buf_add(&b, "89ab", 4), ERR_LIMIT);
    assert_int_equal(b.len, 7);
    assert_int_equal(buf_add(&b, "89a", 3), ERR_OK);
    assert_string_equal(buf_str(&b), "123456789a");
    buf_done(&b);
}

static void test_buf__refuses_a_size_that_would_overflow(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_puts(&b, "x");
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_null(buf_reserve(&b, SIZE_MAX - 1));
    assert_int_equal(b.len, 1);
    buf_done(&b);
}

static void test_buf__keeps_nul_bytes_and_ends_with_one(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_put(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b\0", 4);
    buf_done(&b);
}

static void test_buf__is_an_empty_string_before_the_first_byte(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_slice(&b).len, 0);
    buf_consume(&b, 0);
    buf_clear(&b);
    buf_done(&b);
}

static void test_buf__consumes_from_the_front(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    buf_puts(&b, "0123456789");
    buf_consume(&b, 4);
    assert_string_equal(buf_str(&b), "456789");
    buf_puts(&b, "abcd"); /* the room of what was consumed is free again */
    assert_string_equal(buf_str(&b), "456789abcd");
    buf_consume(&b, 10);
    assert_string_equal(buf_str(&b), "");
    buf_done(&b);
}

static void test_buf__grows_across_many_small_appends(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, KIB(64));
    for (int i = 0; i < 10000; i++)
        buf_printf(&b, "%d,", i % 10);
    assert_int_equal(b.len, 20000);
    assert_memory_equal(b.data + 19998, "9,\0", 3);
    buf_done(&b);
}

static void test_buf__take_gives_the_memory_away(void **state)
{
    struct buf b;
    size_t len = 99;
    char *p;

    (void)state;
    buf_init(&b, 10);
    p = buf_take(&b, &len);
    assert_string_equal(p, "");
    assert_int_equal(len, 0);
    free(p);
    buf_puts(&b, "abc");
    p = buf_take(&b, &len);
    assert_string_equal(p, "abc");
    assert_int_equal(len, 3);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.max, 10);
    free(p);
    buf_done(&b);
}

static void test_slice__of_null_is_empty(void **state)
{
    (void)state;
    assert_int_equal(slice_of(NULL).len, 0);
    assert_true(slice_eq(slice_of(NULL), SLICE("")));
    assert_true(slice_eq(slice_of("ab"), SLICE("ab")));
    assert_false(slice_eq(slice_of("ab"), SLICE("abc")));
    assert_false(slice_eq(slice_of("ab"), SLICE("ac")));
}

/* ---- mem ------------------------------------------------------------------------------------------------- */

static void test_arena__memory_is_zeroed_and_aligned_also_when_reused(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    for (int round = 0; round < 3; round++) {
        for (size_t n = 1; n < 400; n += 7) {
            unsigned char *p = arena_alloc(&a, n);

            assert_int_equal((uintptr_t)p % 16, 0);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xff, n);
        }
        arena_reset(&a);
        assert_int_equal(a.total_bytes, 0);
    }
    arena_done(&a);
}

static void test_arena__serves_what_is_larger_than_a_block(void **state)
{
    struct arena a;
    char *small;
    char *large;

    (void)state;
    arena_init(&a);
    small = arena_strdup(&a, "small");
    large = arena_alloc(&a, KIB(100));
    memset(large, 'x', KIB(100));
    assert_string_equal(small, "small");
    assert_true(a.total_bytes >= KIB(100));
    arena_reset(&a); /* the large block goes, an ordinary one stays */
    assert_non_null(arena_alloc(&a, 10));
    arena_done(&a);
}

static void test_arena__strings_end_with_nul(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    assert_string_equal(arena_printf(&a, "%s-%d", "run", 7), "run-7");
    arena_done(&a);
}

static void test_mem__nothing_is_something_that_can_be_freed(void **state)
{
    void *p = xmalloc(0);
    char *s = xstrndup("abc", 0);

    (void)state;
    assert_non_null(p);
    p = xrealloc(p, 0);
    assert_non_null(p);
    assert_string_equal(s, "");
    free(p);
    free(s);
}

/* ---- err ------------------------------------------------------------------------------------------------- */

static void test_err__every_code_has_its_three_faces(void **state)
{
    (void)state;
    for (int e = 0; e < ERR_COUNT; e++) {
        int http = err_http((enum err)e);
        int code = err_exit((enum err)e);

        assert_true(strlen(err_name((enum err)e)) > 0);
        assert_true(strlen(err_sentence((enum err)e)) > 0);
        if (e == ERR_OK) {
            assert_int_equal(http, 200);
            assert_int_equal(code, 0);
        } else {
            assert_true(http >= 400 && http <= 599);
            assert_true(code == 2 || code == 3);
        }
    }
    assert_string_equal(err_name(ERR_NOTFOUND), "NOTFOUND");
}

static void test_why__names_the_field_and_returns_the_code(void **state)
{
    struct why why;

    (void)state;
    assert_int_equal(why_set(&why, ERR_INVALID, "count", "%d is more than %d", 7, 5), ERR_INVALID);
    assert_int_equal(why.code, ERR_INVALID);
    assert_string_equal(why.field, "count");
    assert_string_equal(why.text, "7 is more than 5");
    assert_int_equal(why_set(NULL, ERR_IO, NULL, "nobody listens"), ERR_IO);
}

static void test_why__cuts_a_text_that_is_too_long(void **state)
{
    struct why why;
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)why_set(&why, ERR_INVALID, NULL, "%s", text);
    assert_int_equal(strlen(why.text), sizeof(why.text) - 1);
    (void)why_errno(&why, ERR_IO, ENOENT, "%s", text); /* no room for the reason: still a string */
    assert_int_equal(strlen(why.text), sizeof(why.text) - 1);
}

static void test_why__errno_appends_the_reason_of_the_system(void **state)
{
    struct why why;

    (void)state;
    assert_int_equal(why_errno(&why, ERR_IO, ENOENT, "open %s", "/nowhere"), ERR_IO);
    assert_string_equal(why.text, "open /nowhere: No such file or directory");
    assert_null(why.field);
}

/* ---- log ------------------------------------------------------------------------------------------------- */

static void test_log_quote__escapes_what_would_break_a_line(void **state)
{
    char out[100];

    (void)state;
    assert_string_equal(log_quote(out, sizeof(out), "two words"), "\"two words\"");
    assert_string_equal(log_quote(out, sizeof(out), "a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_string_equal(log_quote(out, sizeof(out), "a\nb\x7f"), "\"a\\x0ab\\x7f\"");
    assert_string_equal(log_quote(out, sizeof(out), ""), "\"\"");
    assert_string_equal(log_quote(out, sizeof(out), "\xc3\xa4"), "\"\xc3\xa4\"");
}

static void test_log_quote__cuts_between_escapes_and_closes_the_quote(void **state)
{
    (void)state;
    for (size_t size = 3; size < 40; size++) {
        char out[40];
        size_t len;

        (void)memset(out, '#', sizeof(out));
        (void)log_quote(out, size, "\n\"\\\n\"\\\n\"\\\n\"\\\n\"\\");
        len = strlen(out);
        assert_true(len >= 2 && len < size);
        assert_int_equal(out[0], '"');
        assert_int_equal(out[len - 1], '"');
        for (size_t i = 1; i < len - 1; i++) {
            assert_int_equal(out[i], '\\'); /* an escape begins here ... */
            i += out[i + 1] == 'x' ? 3 : 1; /* ... and is whole */
            assert_true(i < len - 1);
        }
    }
}

/* What one log_line() writes to standard error; json and text. */
static void read_one_line(int json, char *out, size_t size)
{
    int pipe_fd[2];
    int saved = dup(STDERR_FILENO);
    ssize_t n;

    assert_int_equal(pipe(pipe_fd), 0);
    assert_true(dup2(pipe_fd[1], STDERR_FILENO) >= 0);
    log_set_json(json);
    LOG_DEBUG("debug.line", "shown=%d", 0);
    LOG_WARN("server.lost", "server=%s silent_ms=%d", "alpha", 5000);
    log_set_json(0);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(pipe_fd[1]);
    n = read(pipe_fd[0], out, size - 1);
    assert_true(n > 0);
    out[n] = '\0';
    (void)close(pipe_fd[0]);
}

static void test_log__a_line_is_time_level_event_fields(void **state)
{
    char line[4096];

    (void)state;
    read_one_line(0, line, sizeof(line));
    assert_string_equal(line + strlen("2026-01-02T03:04:05.678"),
                        "Z level=warn event=server.lost server=alpha silent_ms=5000\n");
    read_one_line(1, line, sizeof(line));
    assert_non_null(strstr(
        line, "\"level\":\"warn\",\"event\":\"server.lost\",\"server\":\"alpha\",\"silent_ms\":5000}"));
    assert_string_equal(line + strlen(line) - 2, "}\n");
}

/* ---- clock ----------------------------------------------------------------------------------------------- */

static void test_mono__never_plus_anything_is_never(void **state)
{
    struct mono late = {INT64_MAX - 999};

    (void)state;
    assert_true(mono_add_ms(MONO_NEVER, 1).us == INT64_MAX);
    assert_true(mono_add_ms(MONO_NEVER, 0).us == INT64_MAX);
    assert_true(mono_add_ms(MONO_NEVER, -1).us == INT64_MAX);
    assert_true(mono_add_ms(late, 1).us == INT64_MAX);
    assert_true(mono_add_ms((struct mono){5}, 2).us == 2005);
    assert_true(mono_add_ms((struct mono){5000}, -2).us == 3000);
}

static void test_mono__saturates_for_any_number_of_milliseconds(void **state)
{
    (void)state;
    assert_true(mono_add_ms((struct mono){1}, INT64_MAX).us == INT64_MAX);
    assert_true(mono_add_ms((struct mono){1}, INT64_MAX / 1000 + 1).us == INT64_MAX);
    assert_true(mono_add_ms((struct mono){-5}, INT64_MIN).us == INT64_MIN);
}

static void test_mono__goes_forward(void **state)
{
    struct mono a = mono_now();
    struct mono b = mono_now();

    (void)state;
    assert_false(mono_before(b, a));
    assert_true(mono_min(a, MONO_NEVER).us == a.us);
    assert_int_equal(mono_ms_between((struct mono){5000}, (struct mono){1000}), -4);
}

static void test_wall__a_minute_as_text(void **state)
{
    char minute[WALL_MINUTE_BYTES];

    (void)state;
    wall_minute((struct wall){1764500000123}, minute);
    assert_string_equal(minute, "2025-11-30 10:53 UTC");
    wall_minute((struct wall){INT64_MAX}, minute); /* a clock gone mad */
    assert_true(strlen(minute) < sizeof(minute));
}

/* ---- check, rng ------------------------------------------------------------------------------------------ */

static void test_check__a_failed_check_names_its_place_and_aborts(void **state)
{
    char text[512];
    int pipe_fd[2];
    int status;
    ssize_t n;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(pipe_fd), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(pipe_fd[1], STDERR_FILENO);
        CHECK(1 == 2);
        _exit(0);
    }
    (void)close(pipe_fd[1]);
    n = read(pipe_fd[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    (void)close(pipe_fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "test_base.c"));
    assert_non_null(strstr(text, "cond=\"1 == 2\""));
}

static void test_rng__equal_seeds_give_equal_numbers(void **state)
{
    struct rng a;
    struct rng b;
    struct rng c;
    int differ = 0;

    (void)state;
    rng_seed(&a, 42);
    rng_seed(&b, 42);
    rng_seed(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_next(&a);

        assert_true(x == rng_next(&b));
        differ += x != rng_next(&c);
    }
    assert_true(differ > 90);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_below(&a, 7) < 7);
    assert_false(rng_chance(&a, 0, 10));
    assert_true(rng_chance(&a, 10, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf__holds_exactly_its_maximum),
        cmocka_unit_test(test_buf__appends_nothing_when_the_limit_is_passed),
        cmocka_unit_test(test_buf__refuses_a_size_that_would_overflow),
        cmocka_unit_test(test_buf__keeps_nul_bytes_and_ends_with_one),
        cmocka_unit_test(test_buf__is_an_empty_string_before_the_first_byte),
        cmocka_unit_test(test_buf__consumes_from_the_front),
        cmocka_unit_test(test_buf__grows_across_many_small_appends),
        cmocka_unit_test(test_buf__take_gives_the_memory_away),
        cmocka_unit_test(test_slice__of_null_is_empty),
        cmocka_unit_test(test_arena__memory_is_zeroed_and_aligned_also_when_reused),
        cmocka_unit_test(test_arena__serves_what_is_larger_than_a_block),
        cmocka_unit_test(test_arena__strings_end_with_nul),
        cmocka_unit_test(test_mem__nothing_is_something_that_can_be_freed),
        cmocka_unit_test(test_err__every_code_has_its_three_faces),
        cmocka_unit_test(test_why__names_the_field_and_returns_the_code),
        cmocka_unit_test(test_why__cuts_a_text_that_is_too_long),
        cmocka_unit_test(test_why__errno_appends_the_reason_of_the_system),
        cmocka_unit_test(test_log_quote__escapes_what_would_break_a_line),
        cmocka_unit_test(test_log_quote__cuts_between_escapes_and_closes_the_quote),
        cmocka_unit_test(test_log__a_line_is_time_level_event_fields),
        cmocka_unit_test(test_mono__never_plus_anything_is_never),
        cmocka_unit_test(test_mono__saturates_for_any_number_of_milliseconds),
        cmocka_unit_test(test_mono__goes_forward),
        cmocka_unit_test(test_wall__a_minute_as_text),
        cmocka_unit_test(test_check__a_failed_check_names_its_place_and_aborts),
        cmocka_unit_test(test_rng__equal_seeds_give_equal_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
