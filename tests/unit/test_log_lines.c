/* test_log_lines.c - stored logs by lines and times: whatever is appended, restarted and read meanwhile, the answer is that of
 * a plain buffer, and a search that goes on while the log grows finds each line once. */
#include "unit/test_store_world.h"

#include "lib/log_story.h"

static void test_log_lines__a_log_that_grows_is_read_as_it_is(void **state)
{
    struct log_story *s = xcalloc(1, sizeof(*s));
    char dir[] = "/tmp/wrata-lines-XXXXXX";
    uint8_t steps[160];
    struct rng rng;

    (void)state;
    assert_non_null(mkdtemp(dir));
    log_story_init(s, dir);
    rng_seed(&rng, 20261130);
    for (int i = 0; i < 25; i++) {
        for (size_t k = 0; k < sizeof(steps); k++)
            steps[k] = (uint8_t)rng_below(&rng, 256);
        for (size_t k = 0; k < sizeof(steps); k += 2) /* starting anew is slow: seldom */
            if ((steps[k] & 15) == 10 && !rng_chance(&rng, 1, 4))
                steps[k] = 9;
        log_story_tell(s, steps, sizeof(steps), true);
    }
    log_story_done(s);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(s);
}

static void collect(void *ctx, struct log_mark m)
{
    buf_printf(ctx, "%llu:%lld ", (unsigned long long)m.line, (long long)m.ms);
}

static void test_log_times__come_back_and_are_bounded(void **state)
{
    struct log_marks m = {0};
    struct buf coded;
    struct buf text;

    (void)state;
    log_marks_add(&m, 0, 1700000000000);
    log_marks_add(&m, 3, 1700000000002); /* nearer than the step */
    log_marks_add(&m, 4, 1700000000005);
    log_marks_add(&m, 4, 1700000000500); /* the line has a time */
    log_marks_add(&m, 5, 1600000000000); /* a clock that went back */
    log_marks_add(&m, 1000000, 1700000100000);
    buf_init(&coded, LOG_TIMES_BYTES_MAX);
    buf_init(&text, KIB(64));
    log_times_encode(&m, &coded);
    log_times_each(buf_slice(&coded), collect, &text);
    assert_string_equal(buf_str(&text), "0:1700000000000 4:1700000000005 1000000:1700000100000 ");
    buf_clear(&text);
    log_times_each((struct slice){coded.data, coded.len - 1}, collect,
                   &text); /* what is broken off is left out */
    assert_string_equal(buf_str(&text), "0:1700000000000 4:1700000000005 ");
    log_times_each(SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), collect, &text);

    m = (struct log_marks){0};
    for (uint64_t i = 0; i < 100000; i++)
        log_marks_add(&m, i, 1700000000000 + (int64_t)i * 7);
    assert_true(m.n <= LOG_TIMES_MAX && m.n > LOG_TIMES_MAX / 4);
    for (uint32_t i = 0; i < m.n; i++)
        assert_int_equal(m.at[i].ms, 1700000000000 + (int64_t)m.at[i].line * 7);
    buf_clear(&coded);
    log_times_encode(&m, &coded);
    assert_true(coded.len < 4 * LOG_TIMES_MAX + 16);
    buf_done(&coded);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_lines__a_log_that_grows_is_read_as_it_is),
        cmocka_unit_test(test_log_times__come_back_and_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
