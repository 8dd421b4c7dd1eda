/* bench_logs.c - a large log: how soon its end is there, how long a search through it takes.
 *
 *     bench_logs FOLDER [LINES]        a data folder with one finished run, whose log has LINES lines (default a million)
 *
 * The figures are those of one reader thread, without HTTP; bench/run.py logs asks a server that runs on the folder. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/log_search.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/store.h"
#include "store_waited.h"

#define RUN 1
#define PIECE KIB(32)
#define ROUNDS 7

/* A launch of one test with one run on one server, as it is when the run has started. */
static void add_run(void)
{
    static const char *argv[] = {"bash", "big.sh"};
    struct test_row test = {
        .id = {1}, .launch = {1}, .path = "big.sh", .adapter = ADAPTER_RSPEC, .argv = argv, .n_argv = 2};
    struct run_row run = {.id = {RUN},
                          .test = {1},
                          .launch = {1},
                          .server = {1},
                          .server_name = "local-1",
                          .path = "big.sh",
                          .attempt = 1,
                          .state = RUN_RUNNING,
                          .created_at = {1700000000000},
                          .started_at = {1700000000100}};
    struct change c[] = {
        {.kind = CHANGE_LAUNCH_ADD,
         .launch = {.id = {1},
                    .project = {1},
                    .project_name = "bench",
                    .name = "",
                    .ref = "main",
                    .commit = "4e1c",
                    .n_tests = 1,
                    .user = {1}}},
        {.kind = CHANGE_TEST_ADD, .test = test},
        {.kind = CHANGE_RUN_ADD, .run = run},
    };

    pending++;
    store_changes(st, c, ARRAY_LEN(c), on_done, NULL);
    settle();
}

static void append(struct buf *b, uint64_t *at)
{
    pending++;
    store_log_append(st, (struct run_id){RUN}, *at, xstrndup(buf_str(b), b->len), (uint32_t)b->len, on_done,
                     NULL);
    *at += b->len;
    buf_clear(b);
    if (pending > 16)
        settle();
}

/* Lines as test programs write them, about 105 bytes each; a few are in colour, and one near the end is what is sought. */
static uint64_t add_log(uint64_t n_lines)
{
    static const char *const words[] = {"opens the document", "saves a copy", "checks the header of",
                                        "waits for"};
    struct buf b;
    struct rng rng;
    uint64_t at = 0;

    rng_seed(&rng, 1);
    buf_init(&b, PIECE + KIB(1));
    for (uint64_t i = 0; i < n_lines; i++) {
        unsigned ms = (unsigned)(i % 1000);

        if (i == n_lines - n_lines / 10)
            buf_puts(&b, "Needle in the haystack\n");
        else if (rng_chance(&rng, 1, 50))
            buf_printf(&b,
                       "\033[32m2026-11-30 10:50:22.%03u  INFO [worker-%llu] "
                       "spec/models/document_%llu_spec.rb: ok\033[0m\n",
                       ms, (unsigned long long)rng_below(&rng, 8), (unsigned long long)rng_below(&rng, 9000));
        else
            buf_printf(&b,
                       "2026-11-30 10:50:22.%03u DEBUG [worker-%llu] spec/models/document_%llu_spec.rb: %s "
                       "item %llu in %llu us\n",
                       ms, (unsigned long long)rng_below(&rng, 8), (unsigned long long)rng_below(&rng, 9000),
                       words[rng_below(&rng, ARRAY_LEN(words))], (unsigned long long)rng_next(&rng) >> 32,
                       (unsigned long long)rng_below(&rng, 100000));
        if (b.len >= PIECE)
            append(&b, &at);
    }
    append(&b, &at);
    buf_done(&b);
    return at;
}

static void end_run(uint64_t log_bytes)
{
    struct change c = {.kind = CHANGE_RUN_SET,
                       .run = {.id = {RUN},
                               .test = {1},
                               .launch = {1},
                               .server = {1},
                               .server_name = "local-1",
                               .path = "big.sh",
                               .attempt = 1,
                               .state = RUN_DONE,
                               .outcome = OUTCOME_PASSED,
                               .reason = "everything passed",
                               .finish = {.log_bytes = log_bytes},
                               .created_at = {1700000000000},
                               .started_at = {1700000000100},
                               .ended_at = {1700000060000}}};
    struct change test = {.kind = CHANGE_TEST_SET,
                          .test = {.id = {1},
                                   .launch = {1},
                                   .state = TEST_DONE,
                                   .outcome = OUTCOME_PASSED,
                                   .attempts = 1,
                                   .run = {RUN}}};

    pending += 2;
    store_changes(st, &c, 1, on_done, NULL);
    store_changes(st, &test, 1, on_done, NULL);
    settle();
}

/* ---- reading ---- */

struct job {
    const char *query; /* NULL: the last 200 lines */
    bool is_regex;
    double best_ms;
    double worst_ms;
    uint64_t found;
    bool done;
};

static void check(enum err err, const struct why *why)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "%s\n", why->text);
    exit(1);
}

static uint64_t read_end(struct reader *r)
{
    struct log_shape shape;
    struct log_info info;
    struct why why;
    struct buf b;
    uint64_t from;
    uint64_t n;

    buf_init(&b, LOG_SEARCH_PIECE);
    check(read_log_shape(r, (struct run_id){RUN}, &shape, &why), &why);
    check(read_log_line(r, (struct run_id){RUN}, shape.lines - 200, &from, &why), &why);
    check(read_log(r, (struct run_id){RUN}, from, LOG_SEARCH_PIECE, &b, &info, &why), &why);
    n = b.len;
    buf_done(&b);
    return n;
}

static uint64_t search(struct reader *r, const struct job *j)
{
    struct log_search *s;
    struct log_info info;
    struct why why;
    struct buf b;
    uint64_t at = 0;
    uint64_t n;

    buf_init(&b, LOG_SEARCH_PIECE);
    check(log_search_new(j->query, strlen(j->query), j->is_regex, LOG_CASE_SMART, 100, &s, &why), &why);
    do {
        buf_clear(&b);
        check(read_log(r, (struct run_id){RUN}, at, LOG_SEARCH_PIECE, &b, &info, &why), &why);
        (void)log_search_feed(s, buf_str(&b), b.len, MONO_NEVER);
        at += b.len;
    } while (b.len > 0);
    log_search_end(s);
    n = log_search_count(s);
    log_search_free(s);
    buf_done(&b);
    return n;
}

static void job_run(struct reader *r, void *arg)
{
    struct job *j = arg;

    for (int i = 0; i < ROUNDS; i++) {
        struct mono t = mono_now();
        double ms;

        j->found = j->query == NULL ? read_end(r) : search(r, j);
        ms = (double)(mono_now().us - t.us) / 1000;
        j->best_ms = i == 0 || ms < j->best_ms ? ms : j->best_ms;
        j->worst_ms = ms > j->worst_ms ? ms : j->worst_ms;
    }
}

static void job_done(void *arg)
{
    ((struct job *)arg)->done = true;
}

static void measure(const char *query, bool is_regex)
{
    struct job j = {.query = query, .is_regex = is_regex};

    store_read(st, job_run, job_done, &j);
    while (!j.done)
        wait_turn();
    printf("%-10s %-28s %8.1f ms best, %8.1f ms worst of %d  (%llu)\n",
           query == NULL ? "end"
           : is_regex    ? "expression"
                         : "text",
           query == NULL ? "the last 200 lines" : query, j.best_ms, j.worst_ms, ROUNDS,
           (unsigned long long)j.found);
}

int main(int argc, char **argv)
{
    uint64_t n_lines = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    struct why why;
    struct mono t;
    uint64_t bytes;

    if (argc < 2 || n_lines < 1000 || pipe(wake_fds) != 0) {
        fprintf(stderr, "bench_logs FOLDER [LINES, at least 1000]\n");
        return 2;
    }
    check(store_open(&(struct store_opts){.dir = argv[1], .wake = on_wake}, &st, &why), &why);
    add_run();
    t = mono_now();
    bytes = add_log(n_lines);
    end_run(bytes);
    printf("a log of %llu lines, %.0f MB, written at %.0f MB/s\n", (unsigned long long)n_lines,
           (double)bytes / 1e6, (double)bytes / (double)(mono_now().us - t.us));
    measure(NULL, false);
    measure("Needle", false);
    measure("needle", false);
    measure("nowhere to be found", false);
    measure("document", false); /* on nearly every line */
    measure("item \\d+ in 99\\d{3} us", true);
    measure("needle|haystack", true);
    store_close(st);
    return 0;
}
