/* bench_history.c - a large history, and how long its pages take.
 *
 *     bench_history make FOLDER RUNS EXAMPLES      a data folder of so many runs and (about) examples
 *     bench_history measure FOLDER [ROUNDS]        each filter and combination: p50, p99 and the slowest of ROUNDS pages
 *
 * Through store.h alone, so it measures whatever the store makes of it. The world is one of a team: 20 users, 4 projects of
 * 400 to 3,000 files, half a dozen branches that stay and one new branch for each third launch, 60 servers, launches of
 * a few files or of whole suites that overlap in time, two years of it. The same RUNS give the same world. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/store.h"
#include "store_waited.h"

#define N_USERS 20u
#define N_PROJECTS 4u
#define N_SERVERS 60u
#define BATCH 1000u /* runs that are submitted together */
#define OVERLAP 3u  /* launches at a time */
#define BEGIN_MS INT64_C(1700000000000)
#define SPAN_MS (INT64_C(2) * 365 * 86400000)
#define LOG_BYTES_MAX 65536u
#define N_MESSAGES 3000u
#define EXAMPLES_MAX 400u /* of a run */

static const uint32_t files_of[N_PROJECTS] = {3000, 1500, 800, 400};
static const char *const stable_refs[] = {"develop",     "master",      "release/8.0",
                                          "release/8.1", "release/8.2", "hotfix"};
static const char *const languages[] = {"en-US", "de-DE", "fr-FR"};
static const char *const browsers[] = {"default", "chrome", "firefox"};

/* ---- the store, waited for --------------------------------------------------------------------------------- */

static void fail(const char *text)
{
    (void)fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Skewed: the first ones most of the time, as it is with users and branches. */
static uint32_t some(struct rng *rng, uint32_t n)
{
    return (uint32_t)rng_below(rng, 1 + rng_below(rng, n));
}

/* ---- what is made ------------------------------------------------------------------------------------------- */

struct launch_made {
    uint64_t id;
    uint64_t project;
    uint64_t first_test;
    uint32_t n_tests;
    uint32_t n_run; /* of them have run */
    uint32_t first_file;
    int64_t at;
};

struct maker {
    struct rng rng;
    struct arena arena; /* of a batch */
    uint64_t next_launch;
    uint64_t next_test;
    uint64_t next_run;
    uint64_t runs;             /* wanted */
    uint32_t examples_per_run; /* about */
    uint64_t examples;         /* made */
    struct launch_made open[OVERLAP];
    uint32_t n_branches;
    char *messages[N_MESSAGES];
};

static const char *path_of(struct arena *a, uint64_t project, uint32_t file)
{
    static const char *const parts[] = {"smoke", "editors/cells", "editors/slides", "portal/people", "api"};

    return arena_printf(a, "spec/%s/%s_of_the_project_%04u_spec.rb", parts[file % ARRAY_LEN(parts)],
                        file % 3 == 0   ? "styles"
                        : file % 3 == 1 ? "sharing"
                                        : "history",
                        file * 4 + (uint32_t)project);
}

static int64_t time_now(const struct maker *m)
{
    return BEGIN_MS + (int64_t)((double)(m->next_run - 1) / (double)m->runs * (double)SPAN_MS);
}

/* A whole suite now and then, some files mostly. */
static uint32_t size_of_launch(struct maker *m, uint32_t files)
{
    if (rng_chance(&m->rng, 1, 8))
        return files / (1 + (uint32_t)rng_below(&m->rng, 4));
    return 1 + some(&m->rng, files / 20);
}

static const char *ref_of_launch(struct maker *m)
{
    if (rng_chance(&m->rng, 1, 3))
        return arena_printf(&m->arena, "feature/task-%u", ++m->n_branches);
    return stable_refs[some(&m->rng, ARRAY_LEN(stable_refs))];
}

static void add_launch(struct maker *m, struct launch_made *l)
{
    uint64_t project = 1 + some(&m->rng, N_PROJECTS);
    uint32_t files = files_of[project - 1];
    uint32_t n = size_of_launch(m, files);
    struct change *c = xcalloc(n + 1, sizeof(*c));
    const char *language = languages[some(&m->rng, ARRAY_LEN(languages))];
    const char *browser = browsers[some(&m->rng, ARRAY_LEN(browsers))];
    const char **argvs = arena_alloc(&m->arena, (size_t)n * 4 * sizeof(*argvs));

    *l = (struct launch_made){.id = m->next_launch++,
                              .project = project,
                              .first_test = m->next_test,
                              .n_tests = n,
                              .first_file = (uint32_t)rng_below(&m->rng, files),
                              .at = time_now(m)};
    m->next_test += n;
    c[0].kind = CHANGE_LAUNCH_ADD;
    c[0].launch = (struct launch_row){
        .id = {l->id},
        .user = {1 + some(&m->rng, N_USERS)},
        .project = {project},
        .project_name = arena_printf(&m->arena, "project-%llu", (unsigned long long)project),
        .name = rng_chance(&m->rng, 1, 2) ? arena_printf(&m->arena, "nightly %llu", (unsigned long long)l->id)
                                          : "",
        .ref = ref_of_launch(m),
        .commit = arena_printf(&m->arena, "%040llx", (unsigned long long)(l->id * 7919)),
        .n_tests = n,
        .schedule = {.id = rng_chance(&m->rng, 1, 5) ? 1 + some(&m->rng, 8) : 0},
        .created_at = {l->at},
        .state = LAUNCH_RUNNING};
    for (uint32_t i = 0; i < n; i++) {
        const char **argv = &argvs[(size_t)4 * i];

        argv[0] = "bundle";
        argv[1] = "exec";
        argv[2] = "rspec";
        argv[3] = path_of(&m->arena, project, (l->first_file + i) % files);
        c[i + 1].kind = CHANGE_TEST_ADD;
        c[i + 1].test = (struct test_row){.id = {l->first_test + i},
                                          .launch = {l->id},
                                          .position = i,
                                          .path = argv[3],
                                          .adapter = ADAPTER_RSPEC,
                                          .argv = argv,
                                          .n_argv = 4,
                                          .language = language,
                                          .browser = browser};
    }
    put(c, n + 1);
    settle();
    free(c);
}

static void end_launch(struct maker *m, struct launch_made *l)
{
    struct change c = {.kind = CHANGE_LAUNCH_SET};

    c.launch = (struct launch_row){.id = {l->id},
                                   .state = LAUNCH_DONE,
                                   .outcome = rng_chance(&m->rng, 2, 3) ? OUTCOME_FAILED : OUTCOME_PASSED,
                                   .started_at = {l->at},
                                   .ended_at = {time_now(m)}};
    put(&c, 1);
    settle();
    l->n_tests = 0;
}

static enum outcome some_outcome(struct rng *rng)
{
    static const struct {
        uint32_t below; /* of 1,000 */
        enum outcome outcome;
    } rows[] = {{905, OUTCOME_PASSED},    {975, OUTCOME_FAILED},   {983, OUTCOME_ERROR},
                {986, OUTCOME_TIMED_OUT}, {988, OUTCOME_NO_TESTS}, {994, OUTCOME_STOPPED}};
    uint64_t at = rng_below(rng, 1000);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (at < rows[i].below)
            return rows[i].outcome;
    return OUTCOME_INFRASTRUCTURE;
}

static void make_messages(struct maker *m)
{
    for (uint32_t i = 0; i < N_MESSAGES; i++) {
        struct buf b;

        buf_init(&b, KIB(4));
        buf_printf(&b,
                   "expected: \"cell %u is bold\"\n     got: \"cell %u is plain\"\n\n(compared using ==)\n",
                   i, i);
        for (uint64_t k = rng_below(&m->rng, 6); k > 0; k--)
            buf_printf(&b, "  element #toolbar-%llu was not visible after 15 s\n",
                       (unsigned long long)rng_below(&m->rng, 100));
        m->messages[i] = xstrdup(buf_str(&b));
        buf_done(&b);
    }
}

/* ---- a batch of runs ---------------------------------------------------------------------------------------- */

struct batch {
    struct change begin[2 * BATCH];
    struct change end[2 * BATCH];
    struct launch_made *of[BATCH];
    uint32_t n;
};

static const char *const *backtrace(struct maker *m, const char *path, uint32_t i)
{
    const char **lines = arena_alloc(&m->arena, 8 * sizeof(*lines));

    for (uint32_t k = 0; k < 8; k++)
        lines[k] = arena_printf(&m->arena, "./%s:%u:in `block (%u levels) in <top (required)>'", path,
                                12 + i * 9 + k, k);
    return lines;
}

static struct tally add_examples(struct maker *m, const struct run_row *run, enum outcome outcome,
                                 struct buf *log)
{
    uint32_t n = 1 + (uint32_t)rng_below(&m->rng, 2 * m->examples_per_run);
    struct example_row *rows = arena_alloc(&m->arena, n * sizeof(*rows));
    struct tally t = {.discovered = n, .started = true, .ended = true};

    for (uint32_t i = 0; i < n; i++) {
        const char **words = arena_alloc(&m->arena, 3 * sizeof(*words));
        bool fails = outcome == OUTCOME_FAILED && (i == 0 || rng_chance(&m->rng, 1, 12));
        uint32_t at = some(&m->rng, N_MESSAGES);

        words[0] = arena_printf(&m->arena, "Documents of the project");
        words[1] = arena_printf(&m->arena, "when group %u is shared", i / 5);
        words[2] = arena_printf(&m->arena, "keeps what was written in part %u", i);
        rows[i] = (struct example_row){
            .run = run->id,
            .seq = i,
            .id = arena_printf(&m->arena, "./%s[1:%u:%u]", run->path, i / 5 + 1, i % 5 + 1),
            .path = words,
            .n_path = 3,
            .file = arena_printf(&m->arena, "./%s", run->path),
            .line = 10 + i * 9,
            .status = fails ? EXAMPLE_FAILED : EXAMPLE_PASSED,
            .duration_ms = (double)rng_below(&m->rng, 4000) / 3,
            .exception = fails ? "RSpec::Expectations::ExpectationNotMetError" : "",
            .message = fails ? m->messages[at] : "",
            .backtrace = fails ? backtrace(m, run->path, i) : NULL,
            .n_backtrace = fails ? 8 : 0,
            .pending = ""};
        t.failed += fails;
        t.passed += !fails;
        if (log->len + 600 < LOG_BYTES_MAX)
            buf_printf(log, "  %s %s%s\n", words[1], words[2], fails ? " (FAILED - 1)" : "");
        if (fails && log->len + 4096 < LOG_BYTES_MAX)
            buf_puts(log, rows[i].message);
    }
    m->examples += n;
    pending++;
    store_examples(st, run->id, run->launch, rows, n, (uint64_t)n * 300, &t, on_done, NULL);
    return t;
}

static void add_run(struct maker *m, struct batch *b)
{
    struct launch_made *l = b->of[b->n];
    uint64_t test = l->first_test + l->n_run - 1;
    uint64_t server = 1 + some(&m->rng, N_SERVERS);
    enum outcome outcome = some_outcome(&m->rng);
    struct change *begin = &b->begin[(size_t)2 * b->n];
    struct change *end = &b->end[(size_t)2 * b->n];

    begin[0].kind = end[0].kind = CHANGE_TEST_SET;
    begin[0].test =
        (struct test_row){.id = {test}, .state = TEST_ACTIVE, .attempts = 1, .run = {m->next_run}};
    end[0].test = begin[0].test;
    end[0].test.state = TEST_DONE;
    end[0].test.outcome = outcome;
    begin[1].kind = CHANGE_RUN_ADD;
    begin[1].run = (struct run_row){
        .id = {m->next_run},
        .test = {test},
        .launch = {l->id},
        .server = {server},
        .server_name = arena_printf(&m->arena, "web-%llu", (unsigned long long)server),
        .path = path_of(&m->arena, l->project, (l->first_file + l->n_run - 1) % files_of[l->project - 1]),
        .attempt = 1,
        .created_at = {time_now(m)},
        .started_at = {time_now(m) + 20}};
    end[1].kind = CHANGE_RUN_SET;
    end[1].run = begin[1].run;
    end[1].run.state = rng_chance(&m->rng, 1, 200) ? RUN_LOST : RUN_DONE;
    end[1].run.outcome = outcome;
    end[1].run.ended_at.ms = begin[1].run.started_at.ms + 1000 + (int64_t)rng_below(&m->rng, 60000);
    end[1].run.finish.duration_us = (end[1].run.ended_at.ms - begin[1].run.started_at.ms) * 1000;
    m->next_run++;
    b->n++;
}

/* Its results and its log, between its two changes. */
static void add_output(struct maker *m, struct change *end)
{
    struct run_row *run = &end[1].run;
    struct buf log;

    buf_init(&log, LOG_BYTES_MAX + KIB(8));
    buf_printf(&log, "Run options: include {:focus=>true}\n\n%s\n", run->path);
    if (run->outcome == OUTCOME_PASSED || run->outcome == OUTCOME_FAILED)
        run->tally = add_examples(m, run, run->outcome, &log);
    buf_printf(&log, "\nFinished in 12.3 seconds\n%u examples, %u failures\n", run->tally.discovered,
               run->tally.failed);
    pending++;
    run->finish.log_bytes = log.len;
    store_log_append(st, run->id, 0, xstrndup(buf_str(&log), log.len), (uint32_t)log.len, on_done, NULL);
    buf_done(&log);
}

static void make_batch(struct maker *m, struct batch *b)
{
    b->n = 0;
    while (b->n < BATCH && m->next_run <= m->runs) {
        struct launch_made *l = &m->open[rng_below(&m->rng, OVERLAP)];

        if (l->n_run == l->n_tests) {
            if (b->n > 0)
                break; /* what is in the batch goes first */
            if (l->n_tests > 0)
                end_launch(m, l);
            add_launch(m, l);
        }
        l->n_run++;
        b->of[b->n] = l;
        add_run(m, b);
    }
    put(b->begin, 2 * b->n);
    for (uint32_t i = 0; i < b->n; i++)
        add_output(m, &b->end[(size_t)2 * i]);
    put(b->end, 2 * b->n);
    settle();
    arena_reset(&m->arena);
}

static void make(uint64_t runs, uint64_t examples)
{
    static struct batch b;
    static struct maker m;
    struct mono t = mono_now();

    m.next_launch = m.next_test = m.next_run = 1;
    m.runs = runs;
    m.examples_per_run = (uint32_t)(examples / runs);
    if (m.examples_per_run < 1 || m.examples_per_run * 2 > EXAMPLES_MAX)
        fail("make: between 1 and 200 examples of a run");
    rng_seed(&m.rng, 20260723);
    arena_init(&m.arena);
    make_messages(&m);
    while (m.next_run <= m.runs)
        make_batch(&m, &b);
    for (uint32_t i = 1; i < OVERLAP; i++) /* one stays alive */
        if (m.open[i].n_tests > 0 && m.open[i].n_run > 0)
            end_launch(&m, &m.open[i]);
    (void)printf("made: %llu runs of %llu launches, %llu examples in %.0f s\n", (unsigned long long)runs,
                 (unsigned long long)(m.next_launch - 1), (unsigned long long)m.examples, seconds_since(t));
    arena_done(&m.arena);
    for (uint32_t i = 0; i < N_MESSAGES; i++)
        free(m.messages[i]);
}

/* ---- measuring ---------------------------------------------------------------------------------------------- */

enum ask {
    NOTHING = 0,
    USER = 1,
    PROJECT = 2,
    REF = 4,
    LANGUAGE = 8,
    SERVER = 16,
    A_FILE = 32,
    WORDS = 64,
    FAILED = 128,
    RARE = 256, /* timed out */
    PASSED = 512,
    WEEK = 1024, /* some week */
    MONTH = 2048,
    LAUNCH = 4096,
    LOST = 8192,
    BROWSER = 16384,
    BRANCH = 32768,  /* one that lived for one launch */
    SEVERAL = 65536, /* outcomes: all that are bad */
};

static const struct {
    const char *name;
    unsigned ask;
} asked[] = {
    {"nothing: the newest", NOTHING},
    {"user", USER},
    {"project", PROJECT},
    {"project, ref", PROJECT | REF},
    {"ref of one launch", BRANCH},
    {"language", LANGUAGE},
    {"browser", BROWSER},
    {"server", SERVER},
    {"launch", LAUNCH},
    {"file", A_FILE},
    {"words of a path", WORDS},
    {"failed", FAILED},
    {"timed out", RARE},
    {"all that is bad", SEVERAL},
    {"lost", LOST},
    {"a week", WEEK},
    {"user, failed", USER | FAILED},
    {"user, timed out", USER | RARE},
    {"user, passed", USER | PASSED},
    {"user, language, browser", USER | LANGUAGE | BROWSER},
    {"user, server", USER | SERVER},
    {"project, ref, failed", PROJECT | REF | FAILED},
    {"project, ref, timed out", PROJECT | REF | RARE},
    {"project, ref, user, failed", PROJECT | REF | USER | FAILED},
    {"server, a week", SERVER | WEEK},
    {"server, failed", SERVER | FAILED},
    {"server, timed out, a month", SERVER | RARE | MONTH},
    {"file, failed", A_FILE | FAILED},
    {"file, user", A_FILE | USER},
    {"file, ref", A_FILE | REF},
    {"file, server", A_FILE | SERVER},
    {"file, a month", A_FILE | MONTH},
    {"file, language, passed", A_FILE | LANGUAGE | PASSED},
    {"words, failed", WORDS | FAILED},
    {"words, timed out", WORDS | RARE},
    {"words, passed", WORDS | PASSED},
    {"words, user", WORDS | USER},
    {"words, server, a month", WORDS | SERVER | MONTH},
    {"all that is bad, a week", SEVERAL | WEEK},
    {"user, a month", USER | MONTH},
    {"launch, failed", LAUNCH | FAILED},
};

struct sample {
    struct run_filter f;
    struct page page;
    uint32_t n;
    double ms;
    double cpu_ms; /* of the reader's thread: on a busy computer that is what it would take on a quiet one */
    bool is_done;
};

struct measure {
    struct rng rng;
    struct arena arena;
    uint64_t runs;
    uint64_t launches;
};

static struct run_filter some_filter(struct measure *m, unsigned ask)
{
    static const char *const words[] = {"styles 12", "cells",         "people sharing 3",
                                        "00",        "history api 7", "slides 44 spec"};
    uint64_t project = 1 + some(&m->rng, N_PROJECTS);
    int64_t at = BEGIN_MS + (int64_t)rng_below(&m->rng, (uint64_t)SPAN_MS);
    int64_t length = (ask & WEEK) != 0 ? 7 : 30;
    struct run_filter f = {.state = (ask & LOST) != 0 ? RUN_LOST : -1};

    f.user.v = (ask & USER) != 0 ? 1 + rng_below(&m->rng, N_USERS) : 0;
    f.project.v = (ask & PROJECT) != 0 ? project : 0;
    if ((ask & REF) != 0)
        f.ref = stable_refs[rng_below(&m->rng, ARRAY_LEN(stable_refs))];
    if ((ask & BRANCH) != 0)
        f.ref = arena_printf(&m->arena, "feature/task-%llu",
                             (unsigned long long)(1 + rng_below(&m->rng, m->launches / 3)));
    if ((ask & LANGUAGE) != 0)
        f.language = languages[rng_below(&m->rng, ARRAY_LEN(languages))];
    if ((ask & BROWSER) != 0)
        f.browser = browsers[rng_below(&m->rng, ARRAY_LEN(browsers))];
    f.server.v = (ask & SERVER) != 0 ? 1 + rng_below(&m->rng, N_SERVERS) : 0;
    f.launch.v = (ask & LAUNCH) != 0 ? 1 + rng_below(&m->rng, m->launches) : 0;
    if ((ask & A_FILE) != 0)
        f.file = path_of(&m->arena, project, (uint32_t)rng_below(&m->rng, files_of[project - 1]));
    if ((ask & WORDS) != 0)
        f.path = words[rng_below(&m->rng, ARRAY_LEN(words))];
    f.outcomes =
        ((ask & FAILED) != 0 ? 1u << OUTCOME_FAILED : 0) | ((ask & RARE) != 0 ? 1u << OUTCOME_TIMED_OUT : 0) |
        ((ask & PASSED) != 0 ? 1u << OUTCOME_PASSED : 0) |
        ((ask & SEVERAL) != 0 ? (1u << OUTCOME_COUNT) - 1 - (1u << OUTCOME_NONE) - (1u << OUTCOME_PASSED)
                              : 0);
    if ((ask & (WEEK | MONTH)) != 0) {
        f.since.ms = at;
        f.until.ms = at + length * 86400000;
    }
    return f;
}

static void count_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    (void)row;
    (void)commit;
    (void)log_bytes;
    ((struct sample *)ctx)->n++;
}

static double thread_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void sample_job(struct reader *r, void *arg)
{
    struct sample *s = arg;
    double cpu = thread_ms();
    struct mono t = mono_now();
    struct why why;

    if (read_runs(r, &s->f, &s->page, count_run, s, &why) != ERR_OK)
        fail(why.text);
    s->ms = seconds_since(t) * 1000;
    s->cpu_ms = thread_ms() - cpu;
}

static void sample_done(void *arg)
{
    ((struct sample *)arg)->is_done = true;
}

static int by_size(const void *va, const void *vb)
{
    const double *a = va;
    const double *b = vb;

    return (*a > *b) - (*a < *b);
}

/* Half of the pages are first ones, half begin anywhere. */
static void measure_one(struct measure *m, size_t row, uint32_t rounds)
{
    double *ms = xcalloc(rounds, sizeof(*ms));
    double *cpu = xcalloc(rounds, sizeof(*cpu));
    uint64_t rows = 0;
    uint32_t early = 0;

    for (uint32_t i = 0; i < rounds; i++) {
        struct sample s = {.f = some_filter(m, asked[row].ask), .page = {.limit = 50}};

        if (i % 2 == 1)
            s.page.after = 1 + rng_below(&m->rng, m->runs);
        store_read(st, sample_job, sample_done, &s);
        while (!s.is_done)
            wait_turn();
        ms[i] = s.ms;
        cpu[i] = s.cpu_ms;
        rows += s.n;
        early += s.n < s.page.limit && s.page.next != 0;
        arena_reset(&m->arena);
    }
    qsort(ms, rounds, sizeof(*ms), by_size);
    qsort(cpu, rounds, sizeof(*cpu), by_size);
    (void)printf("| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.1f | %u |\n", asked[row].name, ms[rounds / 2],
                 ms[rounds * 99 / 100], cpu[rounds / 2], cpu[rounds * 99 / 100], cpu[rounds - 1],
                 (double)rows / rounds, early);
    (void)fflush(stdout);
    free(ms);
    free(cpu);
}

static void newest_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct measure *m = ctx;

    (void)commit;
    (void)log_bytes;
    m->runs = row->id.v;
    m->launches = row->launch.v;
}

struct newest {
    struct measure *m;
    bool is_done;
};

static void newest_job(struct reader *r, void *arg)
{
    struct newest *n = arg;
    struct page p = {.limit = 1};
    struct run_filter f = {.state = -1};

    if (read_runs(r, &f, &p, newest_run, n->m, NULL) != ERR_OK)
        fail("the newest run cannot be read");
}

static void newest_done(void *arg)
{
    ((struct newest *)arg)->is_done = true;
}

static void measure(uint32_t rounds)
{
    struct measure m = {0};
    struct newest n = {&m, false};

    rng_seed(&m.rng, 99);
    arena_init(&m.arena);
    store_read(st, newest_job, newest_done, &n);
    while (!n.is_done)
        wait_turn();
    if (m.runs == 0)
        fail("measure: there is no run in that folder");
    (void)printf("%llu runs; %u pages of 50 each, every other one deep\n", (unsigned long long)m.runs,
                 rounds);
    (void)printf("| filter | p50 ms | p99 ms | CPU p50 ms | CPU p99 ms | CPU most ms | rows | ended early "
                 "|\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        measure_one(&m, i, rounds);
    arena_done(&m.arena);
}

int main(int argc, char **argv)
{
    bool is_make = argc == 5 && strcmp(argv[1], "make") == 0;
    bool is_measure = (argc == 3 || argc == 4) && strcmp(argv[1], "measure") == 0;
    struct why why;

    if (!is_make && !is_measure)
        fail("bench_history make FOLDER RUNS EXAMPLES | bench_history measure FOLDER [ROUNDS]");
    if (pipe(wake_fds) != 0)
        return 1;
    if (store_open(&(struct store_opts){.dir = argv[2], .wake = on_wake}, &st, &why) != ERR_OK)
        fail(why.text);
    if (is_make)
        make(strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    else
        measure(argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 300);
    store_close(st);
    (void)close(wake_fds[0]);
    (void)close(wake_fds[1]);
    return 0;
}
