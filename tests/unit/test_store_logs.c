/* test_store_logs.c - logs: any byte of any log, after any sequence of appends and restarts, and valid gzip files. */
#include "unit/test_store_world.h"

#include <zlib.h>

#include "store/blob.h"

struct log_read {
    uint64_t run;
    uint64_t from;
    uint32_t max;
    struct buf out;
    struct log_info info;
    enum err err;
    struct why why;
};

static void read_fn(struct reader *r, void *arg)
{
    struct log_read *l = arg;

    l->err = read_log(r, (struct run_id){l->run}, l->from, l->max, &l->out, &l->info, &l->why);
}

/* The bytes [from, from + max) must be those of `model`. */
static void expect_range(struct world *w, uint64_t run, const struct buf *model, uint64_t from, uint32_t max,
                         bool complete)
{
    struct log_read l = {.run = run, .from = from, .max = max};
    size_t begin = from < model->len ? (size_t)from : model->len;
    size_t n = model->len - begin < max ? model->len - begin : max;

    buf_init(&l.out, (size_t)max + 1);
    read_now(w, read_fn, &l);
    if (l.err != ERR_OK)
        fail_msg("[%llu, +%u): %s", (unsigned long long)from, max, l.why.text);
    assert_int_equal(l.info.size, model->len);
    assert_int_equal(l.info.complete, complete);
    assert_int_equal(l.out.len, n);
    if (n > 0)
        assert_memory_equal(l.out.data, model->data + begin, n);
    buf_done(&l.out);
}

static void blob_file_of(const struct world *w, uint64_t run, char *path, size_t size)
{
    blob_path(path, size, w->dir, run);
}

static bool blob_exists(const struct world *w, uint64_t run)
{
    char path[256];
    struct stat st;

    blob_file_of(w, run, path, sizeof(path));
    return stat(path, &st) == 0;
}

/* What any gzip program makes of the file. */
static void expect_gzip_file(const struct world *w, uint64_t run, const struct buf *model)
{
    char *out = xmalloc(model->len + 100);
    char path[256];
    unsigned char head[2];
    FILE *plain;
    gzFile f;
    int n;

    blob_file_of(w, run, path, sizeof(path));
    plain = fopen(path, "rb");
    assert_non_null(plain);
    assert_int_equal(fread(head, 1, 2, plain), 2);
    (void)fclose(plain);
    assert_int_equal(head[0], 0x1f);
    f = gzopen(path, "rb");
    assert_non_null(f);
    n = gzread(f, out, (unsigned)model->len + 100);
    assert_int_equal(n, model->len);
    assert_memory_equal(out, model->data, model->len);
    assert_int_equal(gzclose_r(f), Z_OK); /* and the trailer was right */
    free(out);
}

static void append_model(struct world *w, uint64_t run, struct buf *model, const void *bytes, size_t n)
{
    append(w, run, model->len, bytes, n);
    buf_put(model, bytes, n);
}

/* Lines like those of a test program: some of it compresses, none of it is the same twice. */
static void fill(struct rng *rng, char *out, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        out[i] = rng_chance(rng, 1, 40) ? '\n' : rng_chance(rng, 1, 2) ? 'a' : (char)rng_below(rng, 256);
}

static void test_store_logs__an_unknown_run_has_no_log_and_a_new_run_an_empty_one(void **state)
{
    struct world *w = *state;
    struct log_read l = {.run = 99, .max = 10};
    struct buf model;

    put_launch_of(w, 1);
    buf_init(&l.out, 100);
    read_now(w, read_fn, &l);
    assert_int_equal(l.err, ERR_NOTFOUND);
    buf_init(&model, 1);
    expect_range(w, 1, &model, 0, 100, false);
    expect_range(w, 1, &model, 5, 100, false);
    end_log(w, 1);
    settle(w);
    expect_range(w, 1, &model, 0, 100, true);
}

static void test_store_logs__a_run_that_ends_ends_its_log_with_it(void **state)
{
    struct world *w = *state;
    struct change end = a_run(1, 1, 1, "spec/t0_spec.rb");
    struct buf model;

    put_launch_of(w, 2);
    buf_init(&model, KIB(1));
    append_model(w, 1, &model, "bye\n", 4);
    end.kind = CHANGE_RUN_SET;
    end.run.state = RUN_DONE;
    end.run.outcome = OUTCOME_PASSED;
    put(w, &end, 1);
    expect_range(w, 1, &model, 0, 100, true);
    buf_done(&model);
    end.run.id.v = 2;
    end.run.state = RUN_LOST; /* and one that never wrote a byte */
    put(w, &end, 1);
    buf_init(&model, 1);
    expect_range(w, 2, &model, 0, 100, true);
}

static void test_store_logs__what_comes_twice_is_kept_once(void **state)
{
    struct world *w = *state;
    struct buf model;

    put_launch_of(w, 1);
    buf_init(&model, KIB(1));
    append_model(w, 1, &model, "hello ", 6);
    append(w, 1, 0, "hello ", 6);
    append(w, 1, 3, "lo world", 8);
    settle(w);
    buf_puts(&model, "world");
    assert_int_equal(w->last_err, ERR_OK);
    expect_range(w, 1, &model, 0, 100, false);
    world_reopen(w);
    append(w, 1, 0, "hello world", 11);
    end_log(w, 1);
    end_log(w, 1);
    append(w, 1, 5, " world", 6); /* after the end, but nothing new */
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    append(w, 1, 5, " world!", 7);
    settle(w);
    assert_int_equal(w->last_err, ERR_CONFLICT);
    expect_range(w, 1, &model, 0, 100, true);
    expect_range(w, 1, &model, 4, 3, true);
    buf_done(&model);
}

static void test_store_logs__small_logs_need_no_file_and_large_ones_are_gzip(void **state)
{
    struct world *w = *state;
    static const size_t sizes[] = {0,      1,           255,         256,        1024,
                                   1025,   65536,       65537,       100000,     262143,
                                   262144, 262145,      524288,      524289,     786432,
                                   999999, 1048576 - 1, 1048576 + 1, 3 * 262144, 5 * 262144 + 77};
    char *bytes = xmalloc(2000000);
    struct rng rng;
    uint32_t i;

    rng_seed(&rng, 5);
    fill(&rng, bytes, 2000000);
    put_launch_of(w, 2 * ARRAY_LEN(sizes));
    for (i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
        size_t size = sizes[i / 2];
        struct buf model;
        size_t from = 0;

        buf_init(&model, MIB(2));
        while (from < size) { /* in one piece, or in 10,000 byte pieces */
            size_t n = i % 2 == 0 || size - from < 10000 ? size - from : 10000;

            append_model(w, i + 1, &model, bytes + from, n);
            from += n;
        }
        if (i % 3 == 0)
            settle(w);
        end_log(w, i + 1);
        settle(w);
        assert_int_equal(w->last_err, ERR_OK);
        expect_range(w, i + 1, &model, 0, (uint32_t)size + 1, true);
        assert_int_equal(blob_exists(w, i + 1), size > 65536);
        if (size > 65536)
            expect_gzip_file(w, i + 1, &model);
        buf_done(&model);
    }
    free(bytes);
}

/* A plain buffer beside the store: random appends, repeats, ends, restarts, and any range in between. */
static void random_log(struct world *w, struct rng *rng, uint64_t run, char *bytes, size_t piece_max)
{
    struct buf model;
    int steps = 10 + (int)rng_below(rng, 60);
    int i;

    buf_init(&model, MIB(32));
    while (steps-- > 0) {
        size_t n = 1 + rng_below(rng, piece_max);
        size_t again = rng_below(rng, 1 + (model.len < 100 ? model.len : 100));

        fill(rng, bytes + again, n);
        memcpy(bytes, model.data == NULL ? bytes : model.data + model.len - again, again);
        append(w, run, model.len - again, bytes, again + n);
        buf_put(&model, bytes + again, n);
        if (rng_chance(rng, 1, 3))
            settle(w);
        if (rng_chance(rng, 1, 25))
            world_reopen(w);
        if (rng_chance(rng, 1, 4)) {
            settle(w);
            expect_range(w, run, &model, rng_below(rng, model.len + 10),
                         (uint32_t)rng_below(rng, 3 * piece_max), false);
        }
    }
    end_log(w, run);
    settle(w);
    if (rng_chance(rng, 1, 2))
        world_reopen(w);
    for (i = 0; i < 8; i++)
        expect_range(w, run, &model, rng_below(rng, model.len + 10), (uint32_t)rng_below(rng, 600000), true);
    expect_range(w, run, &model, 0, (uint32_t)model.len, true);
    if (blob_exists(w, run))
        expect_gzip_file(w, run, &model);
    buf_done(&model);
}

static void test_store_logs__any_range_is_what_was_written(void **state)
{
    struct world *w = *state;
    static const size_t pieces[] = {20, 300, 3000, 20000, 70000};
    char *bytes = xmalloc(80000);
    struct rng rng;
    uint32_t i;

    rng_seed(&rng, 20261123);
    put_launch_of(w, 20);
    for (i = 0; i < 20; i++)
        random_log(w, &rng, i + 1, bytes, pieces[i % ARRAY_LEN(pieces)]);
    free(bytes);
}

static void test_store_logs__boot_says_where_to_go_on(void **state)
{
    struct world *w = *state;
    struct log_read l = {.run = 1, .max = 1};
    char *bytes = xcalloc(1, 300000);

    put_launch_of(w, 1);
    append(w, 1, 0, bytes, 300000);
    settle(w);
    world_reopen(w);
    buf_init(&l.out, 10);
    read_now(w, read_fn, &l);
    assert_int_equal(l.info.size, 300000);
    buf_done(&l.out);
    free(bytes);
}

struct line_read {
    uint64_t line;
    uint64_t offset;
    enum err err;
};

static void line_fn(struct reader *r, void *arg)
{
    struct line_read *l = arg;

    l->err = read_log_line(r, (struct run_id){1}, l->line, &l->offset, NULL);
}

static void test_store_logs__any_line_is_found(void **state)
{
    struct world *w = *state;
    char *bytes = xmalloc(1000000);
    struct rng rng;
    uint64_t line = 0;
    uint32_t i;

    rng_seed(&rng, 8);
    fill(&rng, bytes, 1000000);
    memset(bytes + 200000, 'x', 300000); /* one line over two blocks */
    put_launch_of(w, 1);
    append(w, 1, 0, bytes, 700000);
    settle(w);
    append(w, 1, 700000, bytes + 700000, 300000);
    settle(w);
    for (i = 0; i < 1000000; i++) {
        if (i != 0 && bytes[i - 1] != '\n')
            continue;
        if (line % 97 == 0 || (i > 150000 && i < 550000 && line % 11 == 0)) {
            struct line_read l = {.line = line};

            read_now(w, line_fn, &l);
            assert_int_equal(l.err, ERR_OK);
            assert_int_equal(l.offset, i);
        }
        line++;
    }
    {
        struct line_read l = {.line = line + 1};

        read_now(w, line_fn, &l);
        assert_int_equal(l.err, ERR_NOTFOUND);
    }
    free(bytes);
}

/* ---- crashes --------------------------------------------------------------------------------------------- */

/* The file is as long as its row says, and not there when there is none. */
static void expect_file_as_recorded(const struct world *w, uint64_t run)
{
    struct stat st = {0};
    struct db_stmt *s;
    struct db *db;
    char path[256];
    int64_t recorded = 0;

    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_READ}, &db, NULL), ERR_OK);
    s = db_sql(db, "SELECT blob_file_bytes FROM logs WHERE run = ?");
    db_uint(s, run);
    while (db_row(s))
        recorded = db_get_int(s);
    assert_int_equal(db_error(db, NULL), ERR_OK);
    db_close(db);
    blob_file_of(w, run, path, sizeof(path));
    assert_int_equal(stat(path, &st) == 0, recorded > 0);
    assert_int_equal(st.st_size, recorded);
}

/* A child appends n pieces and dies at the point; what is left must be a prefix that can be continued. */
static void crash_and_go_on(struct world *w, const char *point, uint32_t countdown, char *bytes, size_t piece,
                            uint32_t n)
{
    struct log_read l = {.run = 1, .max = 1};
    struct buf model;
    uint64_t at;
    pid_t pid;
    int status;

    store_close(w->st);
    w->st = NULL;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        uint32_t i;

        if (world_open(w, NULL) != ERR_OK)
            _exit(1);
        fault_arm(point, countdown);
        for (i = 0; i < n; i++) {
            append(w, 1, i * piece, bytes + i * piece, piece);
            settle(w);
        }
        _exit(2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 137);
    assert_int_equal(world_open(w, NULL), ERR_OK);
    expect_file_as_recorded(w, 1);
    buf_init(&l.out, 10);
    read_now(w, read_fn, &l);
    assert_int_equal(l.err, ERR_OK);
    buf_done(&l.out);
    at = l.info.size;
    assert_true(at % piece == 0);
    buf_init(&model, piece * n + 1);
    buf_put(&model, bytes, (size_t)at);
    expect_range(w, 1, &model, 0, (uint32_t)at + 1, false);
    append_model(w, 1, &model, bytes + at, piece * n - (size_t)at);
    end_log(w, 1);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    expect_range(w, 1, &model, 0, (uint32_t)model.len, true);
    expect_gzip_file(w, 1, &model);
    buf_done(&model);
}

static void test_store_logs__death_between_block_and_commit_leaves_no_gap_and_no_double(void **state)
{
    struct world *w = *state;
    char *bytes = xmalloc(1000000);
    struct rng rng;
    uint32_t countdown;

    rng_seed(&rng, 3);
    fill(&rng, bytes, 1000000);
    for (countdown = 1; countdown <= 9; countdown++) {
        if (countdown > 1) {
            (void)teardown(state);
            (void)setup(state);
            w = *state;
        }
        put_launch_of(w, 1);
        crash_and_go_on(w, countdown % 2 == 0 ? "store.crash_after_commit" : "store.crash_before_commit",
                        countdown, bytes, 100000, 10);
    }
    free(bytes);
}

/* The first block of a log that no row knows: the batch that made the file never committed. */
static void test_store_logs__a_file_that_was_never_committed_is_removed(void **state)
{
    struct world *w = *state;
    char *bytes = xcalloc(1, 600000);

    put_launch_of(w, 1);
    crash_and_go_on(w, "store.crash_before_commit", 1, bytes, 300000, 2);
    free(bytes);
}

static void fail_and_go_on(struct world *w, const char *point)
{
    char *bytes = xcalloc(1, 700000);
    struct buf model;

    buf_init(&model, MIB(1));
    append_model(w, 1, &model, bytes, 300000);
    settle(w);
    fault_arm(point, 1);
    w->n_failed = 0;
    append(w, 1, 300000, bytes, 400000);
    settle(w);
    assert_int_equal(w->n_failed, 1);
    assert_int_equal(w->last_err, ERR_IO);
    assert_true(strlen(w->last_why.text) > 20);
    append(w, 1, 300000, bytes, 1);
    settle(w);
    assert_int_equal(w->n_failed, 2); /* final */
    expect_range(w, 1, &model, 0, 300000, false);
    world_reopen(w);
    expect_range(w, 1, &model, 0, 300000, false);
    append_model(w, 1, &model, bytes, 400000);
    end_log(w, 1);
    settle(w);
    expect_range(w, 1, &model, 0, 700000, true);
    expect_gzip_file(w, 1, &model);
    buf_done(&model);
    free(bytes);
}

static void test_store_logs__a_failed_block_write_fails_the_batch(void **state)
{
    put_launch_of(*state, 1);
    fail_and_go_on(*state, "blob.write");
}

static void test_store_logs__a_failed_sync_fails_the_batch(void **state)
{
    put_launch_of(*state, 1);
    fail_and_go_on(*state, "blob.sync");
}

static void test_store_logs__a_failed_commit_leaves_the_log_as_it_was(void **state)
{
    put_launch_of(*state, 1);
    fail_and_go_on(*state, "db.commit");
}

static void test_store_logs__a_lost_file_is_told_when_it_is_read(void **state)
{
    struct world *w = *state;
    struct log_read l = {.run = 1, .max = 1000};
    char *bytes = xcalloc(1, 300000);
    char path[256];

    put_launch_of(w, 1);
    append(w, 1, 0, bytes, 300000);
    settle(w);
    blob_file_of(w, 1, path, sizeof(path));
    assert_int_equal(truncate(path, 20), 0);
    world_reopen(w);
    buf_init(&l.out, 1000);
    read_now(w, read_fn, &l);
    assert_int_equal(l.err, ERR_IO);
    assert_non_null(strstr(l.why.text, "log file"));
    buf_done(&l.out);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_logs__##name, setup, teardown)
        TEST(an_unknown_run_has_no_log_and_a_new_run_an_empty_one),
        TEST(a_run_that_ends_ends_its_log_with_it),
        TEST(what_comes_twice_is_kept_once),
        TEST(small_logs_need_no_file_and_large_ones_are_gzip),
        TEST(any_range_is_what_was_written),
        TEST(any_line_is_found),
        TEST(boot_says_where_to_go_on),
        TEST(death_between_block_and_commit_leaves_no_gap_and_no_double),
        TEST(a_file_that_was_never_committed_is_removed),
        TEST(a_failed_block_write_fails_the_batch),
        TEST(a_failed_sync_fails_the_batch),
        TEST(a_failed_commit_leaves_the_log_as_it_was),
        TEST(a_lost_file_is_told_when_it_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
