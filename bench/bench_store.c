/* bench_store.c - what the store can carry: runs a second through the writer, launches of 100,000 tests, logs.
 *
 *     bench_store [FOLDER]        default: a folder in /tmp, removed afterwards
 *
 * A trivial run is what the engine and the link make of one: TEST_SET and RUN_ADD (assigned), RUN_SET (started), a
 * small log, RUN_SET and TEST_SET (done), the end of the log: three submissions of changes that arrive at different
 * times, and two of the log. "in flight" is how many runs take each step together: one wait for the disk per step. */
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/store.h"
#include "store_waited.h"

static uint64_t next_run = 1;

static double cpu_seconds(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) / 1e6;
}

static long rss_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f != NULL)
        (void)fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static const char *path_of(struct arena *a, uint64_t i)
{
    return arena_printf(a, "spec/models/some/folder/of_the_project/test_%06llu_spec.rb",
                        (unsigned long long)i);
}

/* A launch of n tests with the ids first..first+n-1, in one change list. */
static double add_launch(uint64_t launch, uint64_t first, uint32_t n)
{
    struct change *c = xcalloc(n + 1, sizeof(*c));
    const char **argvs = xcalloc((size_t)n * 4, sizeof(*argvs));
    struct arena a;
    struct mono t;
    double s;
    uint32_t i;

    arena_init(&a);
    c[0].kind = CHANGE_LAUNCH_ADD;
    c[0].launch = (struct launch_row){.id = {launch},
                                      .project = {1},
                                      .project_name = "bench",
                                      .name = "",
                                      .ref = "main",
                                      .commit = "4e1c",
                                      .n_tests = n,
                                      .user = {1}};
    for (i = 0; i < n; i++) {
        argvs[4 * i] = "bundle";
        argvs[4 * i + 1] = "exec";
        argvs[4 * i + 2] = "rspec";
        argvs[4 * i + 3] = path_of(&a, i);
        c[i + 1].kind = CHANGE_TEST_ADD;
        c[i + 1].test = (struct test_row){.id = {first + i},
                                          .launch = {launch},
                                          .position = i,
                                          .path = argvs[4 * i + 3],
                                          .adapter = ADAPTER_RSPEC,
                                          .argv = &argvs[4 * i],
                                          .n_argv = 4};
    }
    t = mono_now();
    put(c, n + 1);
    settle();
    s = seconds_since(t);
    arena_done(&a);
    free(argvs);
    free(c);
    return s;
}

static void bench_runs(uint64_t launch, uint64_t first_test, uint32_t n_tests, uint32_t in_flight)
{
    static const char log[] = "running the test\nit passed, all is well\n";
    struct change *c = xcalloc((size_t)in_flight * 2, sizeof(*c));
    struct mono t = mono_now();
    double cpu = cpu_seconds();
    uint32_t done = 0;
    uint32_t i;
    double s;

    while (done + in_flight <= n_tests && (s = seconds_since(t)) < 4) {
        for (i = 0; i < in_flight; i++) {
            uint64_t test = first_test + done + i;

            c[2 * i].kind = CHANGE_TEST_SET;
            c[2 * i].test =
                (struct test_row){.id = {test}, .state = TEST_ACTIVE, .attempts = 1, .run = {next_run + i}};
            c[2 * i + 1].kind = CHANGE_RUN_ADD;
            c[2 * i + 1].run = (struct run_row){.id = {next_run + i},
                                                .test = {test},
                                                .launch = {launch},
                                                .server = {1 + i % 8},
                                                .server_name = "local-1",
                                                .path = "",
                                                .attempt = 1,
                                                .slot = UINT32_MAX,
                                                .created_at = {1700000000000}};
            put(&c[2 * i], 2);
        }
        settle();
        for (i = 0; i < in_flight; i++) {
            c[2 * i] = c[2 * i + 1];
            c[2 * i].kind = CHANGE_RUN_SET;
            c[2 * i].run.state = RUN_RUNNING;
            c[2 * i].run.slot = 1;
            c[2 * i].run.started_at.ms = 1700000000100;
            put(&c[2 * i], 1);
            pending++;
            store_log_append(st, (struct run_id){next_run + i}, 0, xstrdup(log), sizeof(log) - 1, on_done,
                             NULL);
        }
        settle();
        for (i = 0; i < in_flight; i++) {
            c[2 * i].run.state = RUN_DONE;
            c[2 * i].run.outcome = OUTCOME_PASSED;
            c[2 * i].run.reason = "everything passed";
            c[2 * i].run.finish = (struct finish){.duration_us = 1234567,
                                                  .user_us = 900000,
                                                  .system_us = 80000,
                                                  .max_rss_kib = 53000,
                                                  .gap_us = 1800,
                                                  .log_bytes = sizeof(log) - 1};
            c[2 * i].run.tally = (struct tally){.discovered = 3, .passed = 3, .started = true, .ended = true};
            c[2 * i].run.ended_at.ms = 1700000001334;
            c[2 * i + 1].kind = CHANGE_TEST_SET;
            c[2 * i + 1].test = (struct test_row){.id = {first_test + done + i},
                                                  .state = TEST_DONE,
                                                  .outcome = OUTCOME_PASSED,
                                                  .attempts = 1,
                                                  .run = {next_run + i}};
            put(&c[2 * i], 2);
            pending++;
            store_log_end(st, (struct run_id){next_run + i}, on_done, NULL);
        }
        settle();
        done += in_flight;
        next_run += in_flight;
    }
    s = seconds_since(t);
    printf("runs, %4u in flight: %7.0f runs/s  %5.1f us CPU each  %6.2f ms a step\n", in_flight, done / s,
           (cpu_seconds() - cpu) * 1e6 / done, s * 1000 * in_flight / done / 3);
    free(c);
}

/* Lines as test programs write them: words that come again, numbers that do not. */
static void fill(struct rng *rng, char *out, size_t n)
{
    static const char *const words[] = {"test_",
                                        "ok ",
                                        "spec/models/",
                                        "... ",
                                        "passed ",
                                        "in ",
                                        "ms ",
                                        "ERROR ",
                                        "0x",
                                        "some_method_name ",
                                        "at line ",
                                        "{\"id\": ",
                                        "2026-11-23T02:49:53 ",
                                        "\n"};
    size_t at = 0;

    while (at < n) {
        char word[48];
        int len = rng_chance(rng, 1, 4)
                      ? snprintf(word, sizeof(word), "%llu", (unsigned long long)rng_below(rng, 1000000))
                      : snprintf(word, sizeof(word), "%s", words[rng_below(rng, ARRAY_LEN(words))]);
        size_t take = n - at < (size_t)len ? n - at : (size_t)len;

        memcpy(out + at, word, take);
        at += take;
    }
}

/* One large log, in pieces as they come from a link. */
static void bench_log(uint64_t run, size_t total)
{
    enum { PIECE = 32768 };
    char *text = xmalloc(total);
    struct rng rng;
    struct mono t;
    size_t i;

    rng_seed(&rng, run);
    fill(&rng, text, total);
    t = mono_now();
    for (i = 0; i < total; i += PIECE) {
        char *piece = xmalloc(PIECE);

        memcpy(piece, text + i, PIECE);
        pending++;
        store_log_append(st, (struct run_id){run}, i, piece, PIECE, on_done, NULL);
        if (i % (8 * PIECE) == 0)
            settle();
    }
    pending++;
    store_log_end(st, (struct run_id){run}, on_done, NULL);
    settle();
    printf("a log of %zu MiB:    %7.1f MB/s\n", total / MIB(1), (double)total / seconds_since(t) / 1e6);
    free(text);
}

/* Many logs of one size, whole: where should a log be a row, where a file? */
static void bench_small_logs(uint64_t first_run, uint32_t n, size_t size)
{
    char *text = xmalloc(size);
    struct rng rng;
    struct mono t;
    double cpu = cpu_seconds();
    uint32_t i;
    double s;

    rng_seed(&rng, 1);
    fill(&rng, text, size);
    t = mono_now();
    for (i = 0; i < n; i++) {
        char *piece = xmalloc(size);

        memcpy(piece, text, size);
        pending += 2;
        store_log_append(st, (struct run_id){first_run + i}, 0, piece, (uint32_t)size, on_done, NULL);
        store_log_end(st, (struct run_id){first_run + i}, on_done, NULL);
        if (i % 50 == 49)
            settle();
    }
    settle();
    s = seconds_since(t);
    printf("logs of %6zu bytes: %7.0f logs/s  %6.1f us CPU each\n", size, n / s,
           (cpu_seconds() - cpu) * 1e6 / n);
    free(text);
}

static void each_change(void *ctx, const struct change *c)
{
    (void)c;
    (*(uint64_t *)ctx)++;
}

struct page_job {
    struct test_filter tests;
    struct run_filter runs;
    struct page page;
    uint64_t n;
    uint32_t rounds;
    double s;
    bool done;
};

static void each_test(void *ctx, const struct test_row *row)
{
    (void)row;
    ((struct page_job *)ctx)->n++;
}

static void each_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    (void)row;
    (void)commit;
    (void)log_bytes;
    ((struct page_job *)ctx)->n++;
}

static void each_prediction(void *ctx, const char *path, int64_t ms)
{
    (void)path;
    (void)ms;
    ((struct page_job *)ctx)->n++;
}

static void pages(struct reader *r, void *arg)
{
    struct page_job *j = arg;
    struct mono t = mono_now();
    uint32_t i;

    for (i = 0; i < j->rounds; i++) {
        struct why why;
        enum err err = j->tests.launch.v != 0 ? read_tests(r, &j->tests, &j->page, each_test, j, &why)
                                              : read_runs(r, &j->runs, &j->page, each_run, j, &why);

        if (err != ERR_OK) {
            fprintf(stderr, "%s\n", why.text);
            exit(1);
        }
    }
    j->s = seconds_since(t);
}

static void predictions(struct reader *r, void *arg)
{
    struct page_job *j = arg;
    struct mono t = mono_now();

    if (read_predictions(r, (struct project_id){1}, each_prediction, j, NULL) != ERR_OK)
        exit(1);
    j->s = seconds_since(t);
}

static void read_done(void *arg)
{
    ((struct page_job *)arg)->done = true;
}

static void read_now(void (*fn)(struct reader *r, void *arg), struct page_job *j)
{
    store_read(st, fn, read_done, j);
    while (!j->done)
        wait_turn();
}

static void bench_pages(const char *what, struct page_job j)
{
    j.rounds = 20;
    j.page.limit = 50;
    read_now(pages, &j);
    printf("page: %-32s %7.2f ms (%llu rows)\n", what, j.s * 1000 / j.rounds,
           (unsigned long long)(j.n / j.rounds));
}

static int remove_one(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    (void)s;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    static const uint32_t in_flight[] = {1, 20, 50, 100, 500};
    static const size_t sizes[] = {200, 1000, 4000, 16000, 64000, 66000};
    char dir[] = "/tmp/wrata-bench-XXXXXX";
    const char *folder = argc > 1 ? argv[1] : mkdtemp(dir);
    struct page_job job = {0};
    struct why why;
    uint64_t n = 0;
    struct mono t;
    uint64_t launch;
    uint32_t i;

    if (folder == NULL || pipe(wake_fds) != 0)
        return 1;
    if (store_open(&(struct store_opts){.dir = folder, .wake = on_wake}, &st, &why) != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    printf("idle: %ld KiB resident\n", rss_kib());
    printf("a launch of 100000 tests: %.2f s\n", add_launch(1, 1, 100000));
    printf("the same once more:       %.2f s\n", add_launch(2, 100001, 100000));
    for (launch = 3, i = 0; i < ARRAY_LEN(in_flight); i++, launch++) {
        uint32_t tests = in_flight[i] == 1 ? 2000 : 60000;

        (void)add_launch(launch, launch * 100000 + 1, tests);
        bench_runs(launch, launch * 100000 + 1, tests, in_flight[i]);
    }
    for (i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t first = next_run;
        struct change *c = xcalloc(2001, sizeof(*c));
        uint32_t k;

        for (k = 0; k < 2001; k++, next_run++) { /* the last one is for the large log below */
            c[k].kind = CHANGE_RUN_ADD;
            c[k].run =
                (struct run_row){.id = {next_run}, .test = {1}, .launch = {1}, .server_name = "", .path = ""};
        }
        put(c, 2001);
        settle();
        bench_small_logs(first, 2000, sizes[i]);
        free(c);
    }
    bench_log(next_run - 1, MIB(64));
    bench_pages("tests of a launch", (struct page_job){.tests = {{3}, -1, -1}});
    bench_pages("tests that failed (none)", (struct page_job){.tests = {{4}, -1, OUTCOME_FAILED}});
    bench_pages("runs, newest", (struct page_job){.runs = {.state = -1}});
    bench_pages("runs of a server", (struct page_job){.runs = {.server = {1}, .state = -1}});
    bench_pages("runs that failed (none)",
                (struct page_job){.runs = {.state = -1, .outcomes = 1u << OUTCOME_FAILED}});
    bench_pages("runs by path, one file", (struct page_job){.runs = {.state = -1, .path = "test_000777"}});
    bench_pages("runs by path, no file", (struct page_job){.runs = {.state = -1, .path = "nothing"}});
    read_now(predictions, &job);
    printf("predictions of %llu paths: %.0f ms\n", (unsigned long long)job.n, job.s * 1000);
    t = mono_now();
    if (store_boot(st, each_change, &n, &why) != ERR_OK)
        return 1;
    printf("boot: %llu rows in %.2f s\n", (unsigned long long)n, seconds_since(t));
    printf("after all: %ld KiB resident\n", rss_kib());
    store_close(st);
    if (argc <= 1)
        (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
