/* test_log_ring.c - the last bytes of an output, in a file and in memory, against all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/log_ring.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"

static void against_model(const char *dir, uint64_t max, size_t piece_max, struct rng *rng)
{
    struct log_ring *r = log_ring_new(dir, max);
    struct buf model;
    char *out = xmalloc((size_t)max);
    uint64_t kept;

    buf_init(&model, MIB(4));
    for (int i = 0; i < 60; i++) {
        size_t n = 1 + (size_t)rng_below(rng, piece_max);
        size_t from = model.len;

        for (size_t k = 0; k < n; k++)
            buf_putc(&model, (char)rng_below(rng, 256));
        log_ring_put(r, model.data + from, n);
        kept = log_ring_kept(r);
        assert_int_equal(log_ring_total(r), model.len);
        assert_int_equal(kept, model.len < max ? model.len : max);
        assert_true(log_ring_read(r, kept, out, (size_t)kept));
        assert_memory_equal(out, model.data + model.len - kept, (size_t)kept);
        kept = rng_below(rng, kept + 1);
        n = (size_t)rng_below(rng, kept + 1);
        assert_true(log_ring_read(r, kept, out, n));
        assert_memory_equal(out, model.data + model.len - kept, n);
    }
    log_ring_free(r);
    buf_done(&model);
    free(out);
}

static void test_log_ring__has_the_last_bytes(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (uint64_t max = 1; max < 5000; max = max * 3 + 1) {
        against_model("/tmp", max, (size_t)max * 2, &rng);
        against_model(NULL, max, (size_t)max / 3 + 1, &rng);
    }
}

static void test_log_ring__does_without_a_folder(void **state)
{
    char *data = xcalloc(1, LOG_RING_MEMORY_MAX + 10);
    struct log_ring *r = log_ring_new("/nonexistent", 1000000);

    (void)state;
    log_ring_put(r, data, LOG_RING_MEMORY_MAX + 10);
    assert_int_equal(log_ring_kept(r), LOG_RING_MEMORY_MAX);
    log_ring_free(r);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_ring__has_the_last_bytes),
        cmocka_unit_test(test_log_ring__does_without_a_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
