/* test_agent_spool.c - the agent's journal: what was written is there again, whatever happens to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/spool.h"

#define SMALL_SEGMENT KIB(64)

struct fixture {
    char dir[64];
    struct spool *spool;
    size_t segment_bytes;
    bool disk_is_full;
    size_t room; /* while disk_is_full: so many bytes more go in, then none */
};

static ssize_t write_at(void *ctx, int fd, const void *data, size_t n, off_t at)
{
    struct fixture *f = ctx;

    if (f->disk_is_full) {
        if (f->room == 0) {
            errno = ENOSPC;
            return -1;
        }
        n = n < f->room ? n : f->room;
        f->room -= n;
    }
    return pwrite(fd, data, n, at);
}

static void open_spool(struct fixture *f)
{
    struct spool_opts o = {
        .dir = f->dir, .segment_bytes = f->segment_bytes, .write_at = write_at, .write_ctx = f};
    struct why why = {0};

    if (spool_open(&o, &f->spool, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static void reopen(struct fixture *f)
{
    struct why why;

    assert_int_equal(spool_flush(f->spool, &why), ERR_OK);
    spool_close(f->spool);
    open_spool(f);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/wrata-spool-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->segment_bytes = SMALL_SEGMENT;
    open_spool(f);
    *state = f;
    return 0;
}

static unsigned each_file(const struct fixture *f, const char *end, char *last, size_t size)
{
    struct dirent *de;
    DIR *d = opendir(f->dir);
    unsigned n = 0;
    char best[64] = "";

    assert_non_null(d);
    while ((de = readdir(d)) != NULL) {
        size_t len = strlen(de->d_name);

        if (len < strlen(end) || len > 60 || strcmp(de->d_name + len - strlen(end), end) != 0)
            continue;
        n++;
        if (strcmp(de->d_name, best) > 0)
            memcpy(best, de->d_name, len + 1);
    }
    (void)closedir(d);
    if (last != NULL)
        (void)snprintf(last, size, "%s/%s", f->dir, best);
    return n;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[128];

    spool_close(f->spool);
    while (each_file(f, ".seg", path, sizeof(path)) > 0)
        (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/reserve", f->dir);
    (void)unlink(path);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* What the journal says of its runs, one line each. */
static void list_one(void *ctx, const struct agent_restored *r, const struct spool_started *st)
{
    buf_printf(ctx, "%" PRIu64 ": spec \"%.*s\" pid %u%s finished \"%.*s\" log %" PRIu64 "..%" PRIu64 "\n",
               r->run, (int)r->spec.len, r->spec.ptr, st != NULL ? st->pid : 0,
               r->was_started ? " started" : "", (int)r->finished.len, r->finished.ptr, r->acked[0],
               r->len[0]);
}

static void expect(struct fixture *f, const char *want)
{
    struct buf b;

    buf_init(&b, MIB(1));
    spool_each(f->spool, list_one, &b);
    assert_string_equal(buf_str(&b), want);
    buf_done(&b);
}

static void put_stream(struct fixture *f, uint64_t run, uint64_t total)
{
    char data[1000];

    while (spool_len(f->spool, run, 0) < total) {
        uint64_t at = spool_len(f->spool, run, 0);
        size_t n = total - at < sizeof(data) ? (size_t)(total - at) : sizeof(data);

        for (size_t i = 0; i < n; i++)
            data[i] = (char)((at + i) * 31 % 251);
        assert_int_equal(spool_stream(f->spool, run, 0, data, n), ERR_OK);
    }
}

static void check_stream(struct fixture *f, uint64_t run, uint64_t from, size_t len)
{
    struct buf b;

    buf_init(&b, MIB(4));
    assert_int_equal(spool_read(f->spool, run, 0, from, len, &b), ERR_OK);
    assert_int_equal(b.len, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal((unsigned char)b.data[i], (unsigned char)((from + i) * 31 % 251));
    buf_done(&b);
}

static void sync_now(struct fixture *f, uint64_t want_seq)
{
    struct why why;
    uint64_t seq = 0;

    assert_int_equal(spool_sync(f->spool, &seq, &why), ERR_OK);
    assert_int_equal(seq, want_seq);
}

static void test_spool__tells_again_what_it_was_told(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(spool_spec(f->spool, 1, SLICE("one"), 1), ERR_OK);
    assert_int_equal(spool_spec(f->spool, 2, SLICE("two"), 2), ERR_OK);
    assert_int_equal(spool_spec(f->spool, 3, SLICE("three"), 3), ERR_OK);
    assert_int_equal(spool_spec(f->spool, 4, SLICE("four"), 4), ERR_OK);
    spool_started(f->spool, 1, &(struct spool_started){.pid = 11});
    spool_started(f->spool, 2, &(struct spool_started){.pid = 22});
    put_stream(f, 1, 5);
    assert_false(spool_wants_sync(f->spool));
    spool_finished(f->spool, 2, SLICE("end"), 5);
    spool_release(f->spool, 4);
    assert_true(spool_wants_sync(f->spool));
    sync_now(f, 5);
    assert_false(spool_wants_sync(f->spool));
    reopen(f);
    expect(f, "1: spec \"one\" pid 11 started finished \"\" log 0..5\n"
              "2: spec \"two\" pid 22 started finished \"end\" log 0..0\n"
              "3: spec \"three\" pid 0 finished \"\" log 0..0\n");
    check_stream(f, 1, 0, 5);
    check_stream(f, 1, 3, 2);
}

static void test_spool__cuts_a_torn_tail(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct stat st;
    struct why why;

    assert_int_equal(spool_spec(f->spool, 1, SLICE("one"), 1), ERR_OK);
    put_stream(f, 1, 500);
    assert_int_equal(spool_flush(f->spool, &why), ERR_OK);
    (void)each_file(f, ".seg", path, sizeof(path));
    assert_int_equal(stat(path, &st), 0);
    put_stream(f, 1, 900);
    assert_int_equal(spool_flush(f->spool, &why), ERR_OK);
    spool_close(f->spool);
    for (off_t more = 1; more < 420; more += 37) {
        assert_int_equal(truncate(path, st.st_size + more), 0);
        open_spool(f);
        expect(f, "1: spec \"one\" pid 0 started finished \"\" log 0..500\n");
        check_stream(f, 1, 0, 500);
        put_stream(f, 1, 510); /* and goes on behind the cut */
        assert_int_equal(spool_flush(f->spool, &why), ERR_OK);
        check_stream(f, 1, 480, 30);
        spool_close(f->spool);
        /* Away with what was written in this round. */
        while (each_file(f, ".seg", NULL, 0) > 1) {
            char newest[128];

            (void)each_file(f, ".seg", newest, sizeof(newest));
            assert_int_equal(unlink(newest), 0);
        }
    }
    open_spool(f);
}

static void test_spool__believes_no_bad_checksum(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct stat st;
    struct why why;
    int fd;

    assert_int_equal(spool_spec(f->spool, 1, SLICE("one"), 1), ERR_OK);
    assert_int_equal(spool_flush(f->spool, &why), ERR_OK);
    (void)each_file(f, ".seg", path, sizeof(path));
    assert_int_equal(stat(path, &st), 0);
    spool_started(f->spool, 1, &(struct spool_started){.pid = 11});
    spool_finished(f->spool, 1, SLICE("end"), 2);
    assert_int_equal(spool_flush(f->spool, &why), ERR_OK);
    spool_close(f->spool);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\xff", 1, st.st_size + 30), 1); /* in the pid */
    (void)close(fd);
    open_spool(f);
    expect(f, "1: spec \"one\" pid 0 finished \"\" log 0..0\n");
}

static void test_spool__reads_back_over_segments(void **state)
{
    struct fixture *f = *state;

    for (int i = 1; i <= 40; i++)
        for (uint64_t run = 1; run <= 3; run++)
            put_stream(f, run, (uint64_t)i * 20000);
    assert_true(each_file(f, ".seg", NULL, 0) > 20);
    for (int round = 0; round < 2; round++) {
        check_stream(f, 1, 0, 800000);
        check_stream(f, 2, 399999, 65536);
        check_stream(f, 3, 799999, 1);
        check_stream(f, 3, 1, 1);
        reopen(f);
    }
}

static void test_spool__lets_segments_go(void **state)
{
    struct fixture *f = *state;
    struct buf b;

    assert_int_equal(spool_spec(f->spool, 1, SLICE("waits all the while"), 1), ERR_OK);
    spool_started(f->spool, 2, &(struct spool_started){.pid = 22});
    spool_finished(f->spool, 3, SLICE("told, not yet dropped"), 2);
    put_stream(f, 2, 300000);
    assert_true(each_file(f, ".seg", NULL, 0) >= 4);
    spool_tidy(f->spool);
    assert_true(each_file(f, ".seg", NULL, 0) >= 4); /* all of it may be asked for again */
    spool_acked(f->spool, 2, 0, 250000);
    spool_tidy(f->spool);
    assert_in_range(each_file(f, ".seg", NULL, 0), 1, 3);
    check_stream(f, 2, 250000, 50000);
    buf_init(&b, KIB(64));
    assert_int_equal(spool_read(f->spool, 2, 0, 0, 10, &b), ERR_NOTFOUND);
    buf_done(&b);
    reopen(f);
    expect(f, "2: spec \"\" pid 22 started finished \"\" log 250000..300000\n"
              "1: spec \"waits all the while\" pid 0 finished \"\" log 0..0\n"
              "3: spec \"\" pid 0 finished \"told, not yet dropped\" log 0..0\n");
    check_stream(f, 2, 250000, 50000);
    spool_acked(f->spool, 2, 0, 300000);
    spool_tidy(f->spool);
    reopen(f);
    for (uint64_t run = 1; run <= 3; run++)
        spool_release(f->spool, run);
    reopen(f);
    expect(f, "");
    spool_tidy(f->spool);
    assert_int_equal(each_file(f, ".seg", NULL, 0), 1);
}

static void test_spool__stays_small_over_many_runs(void **state)
{
    struct fixture *f = *state;

    for (uint64_t run = 1; run <= 5000; run++) {
        assert_int_equal(spool_spec(f->spool, run, SLICE("a description of some length for a run"), run),
                         ERR_OK);
        spool_started(f->spool, run, &(struct spool_started){.pid = 5});
        put_stream(f, run, 100);
        spool_finished(f->spool, run, SLICE("end"), run);
        if (run > 10)
            spool_release(f->spool, run - 10);
        if (run % 100 == 0) {
            sync_now(f, run);
            spool_tidy(f->spool);
            assert_in_range(each_file(f, ".seg", NULL, 0), 1, 3);
        }
    }
}

static void test_spool__survives_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct why why = {0};
    uint64_t seq;

    put_stream(f, 1, 1000);
    assert_int_equal(spool_flush(f->spool, &why), ERR_OK);
    put_stream(f, 1, 2000);
    f->disk_is_full = true;
    f->room = 300; /* a torn write */
    assert_int_equal(spool_flush(f->spool, &why), ERR_LIMIT);
    assert_true(spool_is_low(f->spool));
    assert_int_equal(spool_stream(f->spool, 1, 0, "x", 1), ERR_LIMIT);
    assert_int_equal(spool_spec(f->spool, 2, SLICE("two"), 1), ERR_LIMIT);
    spool_finished(f->spool, 1, SLICE("no disk"), 2); /* it waits in memory */
    assert_int_equal(spool_sync(f->spool, &seq, &why), ERR_LIMIT);
    check_stream(f, 1, 0, 2000);
    f->disk_is_full = false;
    sync_now(f, 2);
    spool_tidy(f->spool);
    assert_false(spool_is_low(f->spool));
    assert_int_equal(spool_spec(f->spool, 2, SLICE("two"), 3), ERR_OK);
    reopen(f);
    expect(f, "1: spec \"\" pid 0 started finished \"no disk\" log 0..2000\n"
              "2: spec \"two\" pid 0 finished \"\" log 0..0\n");
    check_stream(f, 1, 0, 2000);
}

static void test_spool__gives_its_reserve_for_an_end(void **state)
{
    struct fixture *f = *state;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/reserve", f->dir);
    assert_int_equal(access(path, F_OK), 0);
    spool_finished(f->spool, 1, SLICE("end"), 1);
    f->disk_is_full = true;
    f->room = 0;
    {
        struct why why;

        assert_int_equal(spool_flush(f->spool, &why), ERR_LIMIT);
    }
    assert_int_not_equal(access(path, F_OK), 0);
    f->disk_is_full = false; /* what the reserve left */
    sync_now(f, 1);
    spool_tidy(f->spool);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_spool__takes_records_larger_than_a_segment(void **state)
{
    struct fixture *f = *state;
    char *big = xcalloc(1, KIB(200));

    memset(big, 'b', KIB(200));
    assert_int_equal(spool_spec(f->spool, 1, (struct slice){big, KIB(200)}, 1), ERR_OK);
    assert_int_equal(spool_spec(f->spool, 2, (struct slice){big, KIB(100)}, 2), ERR_OK);
    spool_stream_end(f->spool, 3, 0, big, KIB(200));
    assert_int_equal(spool_len(f->spool, 3, 0), KIB(200));
    free(big);
    reopen(f);
    assert_int_equal(spool_len(f->spool, 3, 0), KIB(200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spool__tells_again_what_it_was_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool__cuts_a_torn_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool__believes_no_bad_checksum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool__reads_back_over_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool__lets_segments_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool__stays_small_over_many_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool__survives_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool__gives_its_reserve_for_an_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool__takes_records_larger_than_a_segment, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
