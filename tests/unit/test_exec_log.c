/* test_exec_log.c - the end of a log that was too long, when the disk is full: what is left out is said where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/exec_private.h"
#include "agent/log_ring.h"
#include "agent/spool.h"
#include "base/mem.h"

#define RUN 7u
#define TAIL KIB(200)
#define KEPT KIB(64) /* of it, while the disk is full */

struct fixture {
    char dir[64];
    struct spool *spool;
    struct exec *exec;
    bool disk_is_full;
};

static ssize_t write_at(void *ctx, int fd, const void *data, size_t n, off_t at)
{
    struct fixture *f = ctx;

    if (f->disk_is_full) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, data, n, at);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct why why = {0};

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/wrata-exec-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    if (spool_open(&(struct spool_opts){.dir = f->dir, .write_at = write_at, .write_ctx = f}, &f->spool,
                   &why) != ERR_OK)
        fail_msg("%s", why.text);
    f->exec = xcalloc(1, sizeof(*f->exec));
    f->exec->opts.spool = f->spool;
    arena_init(&f->exec->arena);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];

    spool_close(f->spool);
    arena_done(&f->exec->arena);
    free(f->exec);
    (void)snprintf(command, sizeof(command), "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static struct process a_process(struct fixture *f)
{
    struct process p = {.run = RUN, .tail = log_ring_new(f->dir, TAIL)};
    char *bytes = xmalloc(TAIL);

    for (size_t i = 0; i < TAIL; i++)
        bytes[i] = (char)('a' + i % 26);
    assert_int_equal(spool_stream(f->spool, RUN, STREAM_LOG, "head", 4), ERR_OK);
    log_ring_put(p.tail, bytes, TAIL);
    free(bytes);
    return p;
}

static void fill_disk(struct fixture *f)
{
    struct why why;

    f->disk_is_full = true;
    assert_int_equal(spool_flush(f->spool, &why), ERR_LIMIT);
    assert_true(spool_is_low(f->spool));
}

static void test_exec_log__says_what_a_full_disk_leaves_out(void **state)
{
    struct fixture *f = *state;
    struct process p = a_process(f);
    uint64_t kept = log_ring_kept(p.tail);
    char mark[128];
    size_t n = (size_t)snprintf(mark, sizeof(mark), "head\n[wrata: %llu bytes of output are not kept here]\n",
                                (unsigned long long)(kept - KEPT));
    struct buf log;

    buf_init(&log, MIB(1));
    assert_true(kept == TAIL);
    fill_disk(f);
    assert_true(exec_log_close(f->exec, &p) == TAIL - KEPT);
    assert_true(p.gap_plus_one == strlen("head") + 1);
    assert_true(spool_len(f->spool, RUN, STREAM_LOG) == n + KEPT);
    assert_int_equal(spool_read(f->spool, RUN, STREAM_LOG, 0, n, &log), ERR_OK);
    assert_memory_equal(log.data, mark, n);
    log_ring_free(p.tail);
    buf_done(&log);
}

static void test_exec_log__is_whole_while_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct process p = a_process(f);

    assert_true(exec_log_close(f->exec, &p) == 0);
    assert_true(p.gap_plus_one == 0);
    assert_true(spool_len(f->spool, RUN, STREAM_LOG) == strlen("head") + TAIL);
    log_ring_free(p.tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exec_log__says_what_a_full_disk_leaves_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exec_log__is_whole_while_there_is_room, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
