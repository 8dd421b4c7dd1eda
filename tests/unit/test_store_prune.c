/* test_store_prune.c - what goes from the history: whole, with its files, counted right, and wherever the process dies. */
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>

#include "store/blob.h"
#include "store/pack.h"
#include "store/prune.h"
#include "unit/test_store_world.h"

#define T0 INT64_C(1800000000000)
#define DAY INT64_C(86400000)

/* ---- what always holds ---- */

static struct db *look_open(struct world *w)
{
    struct db *db = NULL;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_READ}, &db, NULL), ERR_OK);
    db_begin(db);
    return db;
}

static int64_t number(struct db *db, const char *sql)
{
    struct db_stmt *s = db_built(db, sql);
    int64_t n = -1;

    while (db_row(s))
        n = db_get_int(s);
    assert_int_equal(db_error(db, NULL), ERR_OK);
    return n;
}

static int64_t ask(struct world *w, const char *sql)
{
    struct db *db = look_open(w);
    int64_t n = number(db, sql);

    db_rollback(db);
    db_close(db);
    return n;
}

/* Each answers how many rows are wrong. */
static const char *const rules[] = {
    "SELECT COUNT(*) FROM examples WHERE run NOT IN (SELECT id FROM runs)",
    "SELECT COUNT(*) FROM logs WHERE run NOT IN (SELECT id FROM runs)",
    "SELECT COUNT(*) FROM log_blocks WHERE run NOT IN (SELECT run FROM logs)",
    "SELECT COUNT(*) FROM log_tail WHERE run NOT IN (SELECT run FROM logs)",
    "SELECT COUNT(*) FROM artifacts WHERE run NOT IN (SELECT run FROM artifact_packs)",
    "SELECT COUNT(*) FROM artifact_packs WHERE run NOT IN (SELECT id FROM runs)",
    "SELECT COUNT(*) FROM runs WHERE test NOT IN (SELECT id FROM tests)",
    "SELECT COUNT(*) FROM runs WHERE launch NOT IN (SELECT id FROM launches)",
    "SELECT COUNT(*) FROM tests WHERE launch NOT IN (SELECT id FROM launches)",
    "SELECT COUNT(*) FROM tests WHERE run <> 0 AND run NOT IN (SELECT id FROM runs)",
    "SELECT COUNT(*) FROM commands WHERE launch NOT IN (SELECT id FROM launches)",
    "SELECT COUNT(*) FROM launch_secrets WHERE launch NOT IN (SELECT id FROM launches)",
    "SELECT COUNT(*) FROM launch_setup WHERE launch NOT IN (SELECT id FROM launches)",
    "SELECT COUNT(*) FROM launch_artifacts WHERE launch NOT IN (SELECT id FROM launches)",
    "SELECT COUNT(*) FROM launch_sums WHERE launch NOT IN (SELECT id FROM launches)",
    /* sums are those of what is there */
    "SELECT COUNT(*) FROM launch_sums s WHERE s.tests_passed <> (SELECT COUNT(*) FROM tests t "
    "WHERE t.launch = s.launch AND t.outcome = 'passed')",
    "SELECT COUNT(*) FROM launch_sums s WHERE s.tests_failed <> (SELECT COUNT(*) FROM tests t "
    "WHERE t.launch = s.launch AND t.outcome = 'failed')",
    "SELECT COUNT(*) FROM launch_sums s WHERE s.active <> (SELECT COUNT(*) FROM tests t "
    "WHERE t.launch = s.launch AND t.state = 'running')",
    "SELECT COUNT(*) FROM launch_sums s WHERE s.passed <> (SELECT COALESCE(SUM(r.passed), 0) FROM runs r "
    "WHERE r.launch = s.launch AND r.state = 'done' AND r.outcome <> 'infrastructure') + "
    "(SELECT COALESCE(SUM(r.seen_passed), 0) FROM runs r WHERE r.launch = s.launch AND r.state = 'running')",
    "SELECT COUNT(*) FROM kept_sums k WHERE k.kind = 'log' AND (k.items, k.bytes) <> (SELECT COUNT(*), "
    "COALESCE(SUM(blob_file_bytes + length(body)), 0) FROM logs WHERE complete = 1)",
    "SELECT COUNT(*) FROM kept_sums k WHERE k.kind = 'example' AND k.items <> (SELECT COUNT(*) FROM "
    "examples)",
    "SELECT COUNT(*) FROM kept_sums k WHERE k.kind = 'run' AND k.items <> (SELECT COUNT(*) FROM runs)",
    "SELECT COUNT(*) FROM artifact_sums a WHERE (a.packs, a.files, a.bytes) <> (SELECT COUNT(*), "
    "COALESCE(SUM(files), 0), COALESCE(SUM(bytes), 0) FROM artifact_packs)",
    "SELECT COUNT(*) FROM run_causes WHERE run NOT IN (SELECT id FROM runs)",
    "SELECT COUNT(*) FROM launch_compares WHERE launch NOT IN (SELECT id FROM launches)",
};

/* Every file has a row that names it: of what is kept, or of what is still to be removed. */
static void files_are_named(struct world *w, struct db *db, const char *top)
{
    char folder[128];

    for (unsigned aa = 0; aa < 256; aa++) {
        const struct dirent *e;
        DIR *d;

        (void)snprintf(folder, sizeof(folder), "%s/%s/%02x", w->dir, top, aa);
        d = opendir(folder);
        if (d == NULL)
            continue;
        while ((e = readdir(d)) != NULL) {
            char sql[1200];

            if (e->d_name[0] == '.')
                continue;
            if (strcmp(top, "blobs") == 0)
                (void)snprintf(sql, sizeof(sql),
                               "SELECT (SELECT COUNT(*) FROM logs WHERE run = %d AND blob_file_bytes > 0) + "
                               "(SELECT COUNT(*) FROM going_files WHERE path = 'blobs/%02x/%s')",
                               atoi(e->d_name), aa, e->d_name);
            else
                (void)snprintf(sql, sizeof(sql),
                               "SELECT (SELECT COUNT(*) FROM artifact_packs WHERE name = '%s') + "
                               "(SELECT COUNT(*) FROM going_files WHERE path = 'artifacts/%02x/%s')",
                               e->d_name, aa, e->d_name);
            if (number(db, sql) != 1)
                fail_msg("%s/%s is nobody's", folder, e->d_name);
        }
        (void)closedir(d);
    }
}

static void check_all(struct world *w)
{
    struct db *db = look_open(w);

    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (number(db, rules[i]) != 0)
            fail_msg("%lld: %s", (long long)number(db, rules[i]), rules[i]);
    files_are_named(w, db, "blobs");
    files_are_named(w, db, "artifacts");
    db_rollback(db);
    db_close(db);
}

/* ---- a history ---- */

static const char *const example_path[] = {"Wall", "is high"};

static void put_examples(struct world *w, uint64_t run, uint32_t n)
{
    struct example_row rows[40];
    struct tally t = {.passed = n, .discovered = n, .started = true};

    for (uint32_t i = 0; i < n; i++)
        rows[i] = (struct example_row){.run = {run},
                                       .seq = i,
                                       .id = "./spec/a_spec.rb[1:1]",
                                       .path = example_path,
                                       .n_path = 2,
                                       .file = "./spec/a_spec.rb",
                                       .status = EXAMPLE_PASSED,
                                       .exception = "",
                                       .message = i % 3 == 0 ? "expected a door" : "",
                                       .pending = "",
                                       .page_url = "",
                                       .screenshot = ""};
    w->pending++;
    store_examples(w->st, (struct run_id){run}, (struct launch_id){0}, rows, n, 100, &t, on_done, w);
    settle(w);
}

static void put_log(struct world *w, uint64_t run, size_t n)
{
    char *bytes = xmalloc(n + 1);
    struct rng rng;

    rng_seed(&rng, run);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(rng_next(&rng) & 0xff);
    append(w, run, 0, bytes, n);
    settle(w);
    free(bytes);
}

static void put_pack(struct world *w, uint64_t run)
{
    static const struct artifact_row rows[] = {{.path = "a.png", .bytes = 5}};
    struct artifacts_put p = {.run = {run}, .rows = rows, .n = 1, .at = {T0}};
    struct pack *pack = NULL;
    struct why why;

    assert_int_equal(pack_begin(w->dir, (struct run_id){run}, "1f", run, &pack, &why), ERR_OK);
    assert_int_equal(pack_write(pack, "hello", 5, &why), ERR_OK);
    assert_int_equal(pack_keep(pack, &why), ERR_OK);
    p.pack = pack_name(pack);
    w->pending++;
    store_artifacts_put(w->st, &p, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    pack_free(pack);
}

static void end_run(struct world *w, uint64_t run, uint64_t test, enum run_state state, uint32_t passed,
                    int64_t at)
{
    struct change c[2] = {{.kind = CHANGE_RUN_SET}, {.kind = CHANGE_TEST_SET}};

    c[0].run =
        (struct run_row){.id = {run},
                         .state = state,
                         .outcome = state == RUN_DONE ? OUTCOME_PASSED : OUTCOME_INFRASTRUCTURE,
                         .reason = "",
                         .image = "",
                         .tally = {.passed = passed, .discovered = passed, .started = true, .ended = true},
                         .ended_at = {at}};
    c[1].test = (struct test_row){.id = {test},
                                  .state = state == RUN_DONE ? TEST_DONE : TEST_ACTIVE,
                                  .outcome = state == RUN_DONE ? OUTCOME_PASSED : OUTCOME_NONE,
                                  .attempts = 1,
                                  .run = {run},
                                  .reason = ""};
    put(w, c, 2);
}

static void end_launch(struct world *w, uint64_t launch, int64_t at)
{
    struct change c = {
        .kind = CHANGE_LAUNCH_SET,
        .launch = {.id = {launch}, .state = LAUNCH_DONE, .outcome = OUTCOME_PASSED, .ended_at = {at}}};

    put(w, &c, 1);
}

/* A launch of `user` with n tests of one run each (ids: 100 * launch + i), done at T0 + launch days; logs of every size. */
static void put_history(struct world *w, uint64_t launch, uint64_t user, uint32_t n, bool is_over)
{
    struct change c = a_launch(launch);
    char path[32];

    c.launch.user.v = user;
    c.launch.n_tests = n;
    c.launch.created_at.ms = T0 + (int64_t)launch * DAY;
    put(w, &c, 1);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t id = 100 * launch + i;
        struct change two[2];
        bool was_lost = (id % 5) == 4;

        (void)snprintf(path, sizeof(path), "spec/t%u_spec.rb", i);
        two[0] = a_test(id, launch, i, path);
        two[0].test.state = TEST_ACTIVE;
        two[1] = a_run(id, id, launch, path);
        two[1].run.created_at.ms = T0 + (int64_t)launch * DAY;
        two[1].run.state = RUN_RUNNING;
        put(w, two, 2);
        put_examples(w, id, (uint32_t)(id % 7));
        put_log(w, id, id % 4 == 0 ? 300000 + id : id % 4 == 1 ? 5000 : id % 4 == 2 ? 10 : 70000);
        if (id % 3 == 0)
            put_pack(w, id);
        if (!is_over && i + 1 == n)
            return;
        if (was_lost) {
            end_run(w, id, id, RUN_LOST, 0, T0 + (int64_t)launch * DAY);
            two[1] = a_run(id + 50, id, launch, path);
            two[1].run.created_at.ms = T0 + (int64_t)launch * DAY;
            put(w, &two[1], 1);
            id += 50;
        }
        end_run(w, id, id - (was_lost ? 50 : 0), RUN_DONE, (uint32_t)(id % 7), T0 + (int64_t)launch * DAY);
    }
    end_launch(w, launch, T0 + (int64_t)launch * DAY);
}

static struct history_delete delete_runs(struct world *w, struct history_delete d)
{
    w->pending++;
    store_history_delete(w->st, &d, on_done, w);
    settle(w);
    return d;
}

/* All names of files that are to go are removed, as the server does it. */
static void remove_files(struct world *w)
{
    struct db *db;
    struct db_stmt *s;
    char(*paths)[GOING_FILE_BYTES] = xcalloc(1000, sizeof(*paths));
    struct going_files f = {0, paths};
    struct why why;

    db = look_open(w);
    s = db_built(db, "SELECT path FROM going_files ORDER BY path LIMIT 1000");
    while (db_row(s))
        (void)snprintf(paths[f.n++], GOING_FILE_BYTES, "%s", db_get_text(s));
    db_rollback(db);
    db_close(db);
    assert_true(going_files_remove(w->dir, &f, &why));
    w->pending++;
    store_going_files_gone(w->st, &f, on_done, w);
    settle(w);
    free(paths);
}

static bool has_file(struct world *w, uint64_t run)
{
    char path[128];

    blob_path(path, sizeof(path), w->dir, run);
    return access(path, F_OK) == 0;
}

/* ---- tests ---- */

static void test_store_prune__a_run_goes_with_all_that_it_has(void **state)
{
    struct world *w = *state;
    const uint64_t run = 300; /* a log in a file, examples, a pack */
    struct history_delete d;

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    put_history(w, 3, 1, 4, true);
    check_all(w);
    assert_true(has_file(w, run));
    d = delete_runs(w, (struct history_delete){.runs = &run, .n_runs = 1, .is_strict = true, .budget = 1000});
    assert_int_equal(w->last_err, ERR_OK);
    assert_true(d.is_whole);
    assert_int_equal(d.n_gone, 1);
    assert_int_equal(d.gone[0], run);
    assert_int_equal(d.n_launches, 0);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM runs WHERE id = 300"), 0);
    assert_int_equal(ask(w, "SELECT run FROM tests WHERE id = 300"),
                     0); /* its test stays, with what it came to */
    assert_int_equal(ask(w, "SELECT tests_passed FROM launch_sums WHERE launch = 3"), 4);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM going_files"), 2);
    check_all(w);
    remove_files(w);
    assert_false(has_file(w, run));
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM going_files"), 0);
    check_all(w);
}

static void test_store_prune__a_launch_goes_with_its_last_run(void **state)
{
    struct world *w = *state;
    const uint64_t runs[] = {300, 301, 302};
    struct history_delete d;

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    put_history(w, 3, 1, 3, true);
    put_history(w, 4, 1, 2, true);
    d = delete_runs(w, (struct history_delete){.runs = runs, .n_runs = 3, .is_strict = true, .budget = 1000});
    assert_int_equal(d.n_gone, 3);
    assert_int_equal(d.n_launches, 1);
    assert_int_equal(d.launches[0], 3);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM launches"), 1);
    check_all(w);
    d = delete_runs(w, (struct history_delete){.launch = {4}, .is_strict = true, .budget = 1000});
    assert_true(d.is_whole);
    assert_int_equal(d.n_gone, 2);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM launches"), 0);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM tests"), 0);
    check_all(w);
    d = delete_runs(w, (struct history_delete){.launch = {4}, .is_strict = true, .budget = 1000});
    assert_int_equal(w->last_err, ERR_NOTFOUND);
    assert_string_equal(w->last_why.text, "there is no launch 4");
}

static void test_store_prune__what_may_not_go_refuses_all(void **state)
{
    struct world *w = *state;
    const uint64_t runs[] = {300, 400};
    struct history_delete d = {.runs = runs, .n_runs = 2, .is_strict = true, .budget = 1000};

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    put_history(w, 3, 1, 2, true);
    put_history(w, 4, 2, 2, false);
    (void)delete_runs(w, d);
    assert_int_equal(w->last_err, ERR_CONFLICT);
    assert_string_equal(
        w->last_why.text,
        "run 400 is of launch 4, and that is not over: wait for its end, or stop it first (wrata stop 4)");
    d.owner.v = 1;
    (void)delete_runs(w, d);
    assert_int_equal(w->last_err, ERR_DENIED);
    (void)delete_runs(w, (struct history_delete){.launch = {4}, .is_strict = true, .budget = 9});
    assert_int_equal(w->last_err, ERR_CONFLICT);
    assert_string_equal(w->last_why.text,
                        "launch 4 is not over: wait for its end, or stop it first (wrata stop 4)");
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM runs"), 4);
    d.is_strict = false; /* a clear passes them over */
    d = delete_runs(w, d);
    assert_true(d.is_whole);
    assert_int_equal(d.n_gone, 1);
    check_all(w);
}

static void test_store_prune__a_step_keeps_to_its_budget_and_a_job_goes_on(void **state)
{
    struct world *w = *state;
    struct job_row job = {
        .kind = JOB_DELETE, .user = {1}, .login = "ada", .what = "{\"launch\":3}", .total = -1};
    struct history_delete d = {.launch = {3}, .is_strict = true, .budget = 1, .rest = &job};
    uint32_t steps = 0;

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    put_history(w, 3, 1, 10, true);
    d = delete_runs(w, d);
    assert_false(d.is_whole);
    assert_int_equal(job.id, 1);
    check_all(w);
    while (!d.is_whole && steps++ < 1000) {
        if (steps % 7 == 0)
            world_reopen(w);
        d = delete_runs(w, (struct history_delete){.launch = {3}, .budget = 3, .job = 1});
        assert_int_equal(w->last_err, ERR_OK);
        assert_true(d.n_gone <= 1);
        check_all(w);
    }
    assert_in_range(steps, 10, 900);
    assert_int_equal(ask(w, "SELECT done FROM jobs WHERE id = 1"), 12);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM launches"), 0);
    w->pending++;
    store_job_end(w->st, 1, JOB_CANCELED, "", (struct wall){T0}, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    (void)delete_runs(w, (struct history_delete){.launch = {3}, .budget = 3, .job = 1});
    assert_int_equal(w->last_err, ERR_NOTFOUND);
    w->pending++;
    store_job_end(w->st, 1, JOB_DONE, "", (struct wall){T0}, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_CONFLICT);
}

struct look_job {
    struct kept_look look;
    struct launches_look launches;
    struct log_info info;
    struct kept_sums sums;
    struct buf bytes;
    struct run_id run;
    enum err err;
    struct why why;
};

static void kept_job(struct reader *r, void *arg)
{
    struct look_job *j = arg;

    assert_int_equal(read_kept_oldest(r, &j->look, NULL), ERR_OK);
}

static void launches_job(struct reader *r, void *arg)
{
    struct look_job *j = arg;

    assert_int_equal(read_launches_oldest(r, &j->launches, NULL), ERR_OK);
}

static void log_job(struct reader *r, void *arg)
{
    struct look_job *j = arg;

    j->err = read_log(r, j->run, 0, 1000, &j->bytes, &j->info, &j->why);
    assert_int_equal(read_kept_sums(r, &j->sums, NULL), ERR_OK);
}

static void drop(struct world *w, struct kept_drop *d)
{
    w->pending++;
    store_kept_drop(w->st, d, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

static void test_store_prune__a_log_that_was_given_up_says_so(void **state)
{
    struct world *w = *state;
    struct kept_drop d = {
        .kind = KEPT_LOG, .why = GONE_AGE, .at = {T0 + 90 * DAY}, .runs = {300, 301}, .n = 2, .budget = 100};
    struct look_job j = {.run = {300}};

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    put_history(w, 3, 1, 4, true);
    drop(w, &d);
    assert_int_equal(d.n_done, 2);
    assert_true(d.bytes > 100000);
    check_all(w);
    buf_init(&j.bytes, KIB(8));
    read_now(w, log_job, &j);
    assert_int_equal(j.err, ERR_NOTFOUND);
    assert_string_equal(
        j.why.text,
        "the log of run 300 is gone since 2027-04-15 08:00 UTC: it was older than such things are kept");
    assert_int_equal(j.sums.items[KEPT_LOG], 2);
    j.run.v = 302;
    read_now(w, log_job, &j);
    assert_int_equal(j.err, ERR_OK);
    buf_done(&j.bytes);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM runs WHERE log_gone = 'age' AND log_gone_at > 0"), 2);
    remove_files(w);
    assert_false(has_file(w, 300));
}

static void test_store_prune__examples_go_in_pieces_and_the_run_keeps_its_counts(void **state)
{
    struct world *w = *state;
    struct kept_drop d = {
        .kind = KEPT_EXAMPLE, .why = GONE_SIZE, .at = {T0}, .runs = {301, 302}, .n = 2, .budget = 3};
    int64_t passed;

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    put_history(w, 3, 1, 4, true);
    passed = ask(w, "SELECT passed FROM launch_sums WHERE launch = 3");
    for (uint32_t steps = 0; d.n > 0 && steps < 20; steps++) {
        drop(w, &d);
        check_all(w);
        d.n -= d.n_done;
        memmove(d.runs, d.runs + d.n_done, d.n * sizeof(d.runs[0]));
        d.budget = 3;
    }
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM examples WHERE run IN (301, 302)"), 0);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM runs WHERE examples_gone = 'size'"), 2);
    assert_int_equal(ask(w, "SELECT passed FROM launch_sums WHERE launch = 3"), passed);
}

static void test_store_prune__the_oldest_is_found_by_age_and_by_size(void **state)
{
    struct world *w = *state;
    struct look_job j = {
        .look = {.kind = KEPT_LOG, .before = {T0 + 4 * DAY}, .now = {T0 + 99 * DAY}, .max = 100}};

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    for (uint64_t l = 3; l < 7; l++)
        put_history(w, l, 1, 4, l != 6);
    read_now(w, kept_job, &j);
    assert_int_equal(j.look.n, 4);
    assert_int_equal(j.look.runs[0], 300);
    assert_int_equal(j.look.after, 0);
    assert_int_equal(j.look.first.ms, T0 + 3 * DAY);
    j.look.max = 3;
    read_now(w, kept_job, &j);
    assert_int_equal(j.look.n, 3);
    assert_int_equal(j.look.after, 302);
    read_now(w, kept_job, &j); /* 303, and two that are too young */
    assert_int_equal(j.look.n, 1);
    assert_int_equal(j.look.after, 401);
    read_now(w, kept_job, &j); /* all too young: it needs not go on */
    assert_int_equal(j.look.n, 0);
    assert_int_equal(j.look.after, 0);
    j.look = (struct kept_look){.kind = KEPT_LOG, .now = {T0 + 99 * DAY}, .bytes = 1, .max = 100};
    read_now(w, kept_job, &j);
    assert_int_equal(j.look.n, 1);
    assert_int_equal(j.look.runs[0], 300);
    j.look = (struct kept_look){
        .kind = KEPT_EXAMPLE, .before = {T0 + 5 * DAY}, .now = {T0 + 99 * DAY}, .max = 100};
    read_now(w, kept_job, &j);
    assert_int_equal(j.look.n, ask(w, "SELECT COUNT(DISTINCT run) FROM examples WHERE run < 500"));
    j.launches = (struct launches_look){.before = {T0 + 5 * DAY}, .now = {T0 + 99 * DAY}, .max = 100};
    read_now(w, launches_job, &j);
    assert_int_equal(j.launches.n, 2);
    assert_int_equal(j.launches.launches[1], 4);
    j.launches = (struct launches_look){.is_any = true, .now = {T0 + 99 * DAY}, .max = 100};
    read_now(w, launches_job, &j);
    assert_int_equal(j.launches.n, 3); /* the last one lives */
}

/* Random deletes against the rules, with restarts and deaths between and within them. */
static void one_random_step(struct world *w, struct rng *rng)
{
    uint64_t runs[8];
    struct history_delete d = {
        .runs = runs, .n_runs = 1 + (uint32_t)rng_below(rng, 8), .budget = 1 + (uint32_t)rng_below(rng, 40)};
    struct kept_drop k = {.kind = rng_below(rng, 2) == 0 ? KEPT_LOG : KEPT_EXAMPLE,
                          .why = GONE_DISK,
                          .at = {T0},
                          .n = 2,
                          .budget = 1 + (uint32_t)rng_below(rng, 10)};

    for (uint32_t i = 0; i < 8; i++)
        runs[i] = 100 * (1 + rng_below(rng, 6)) + rng_below(rng, 5);
    k.runs[0] = runs[0];
    k.runs[1] = runs[1];
    d.owner.v = rng_below(rng, 3);
    if (rng_below(rng, 4) == 0)
        d.launch.v = 1 + rng_below(rng, 6);
    if (rng_below(rng, 3) == 0)
        drop(w, &k);
    else
        (void)delete_runs(w, d);
    if (rng_below(rng, 8) == 0)
        remove_files(w);
}

static void test_store_prune__random_deletes_leave_nothing_behind(void **state)
{
    struct world *w = *state;
    struct rng rng;
    uint64_t last = 7;

    rng_seed(&rng, 20261130);
    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    for (uint64_t l = 1; l < last; l++)
        put_history(w, l, 1 + l % 2, 4, l % 3 != 0);
    for (int i = 0; i < 120; i++) {
        one_random_step(w, &rng);
        if (i % 10 == 9)
            check_all(w);
        if (i % 40 == 39)
            world_reopen(w);
    }
    remove_files(w);
    check_all(w);
}

static void test_store_prune__a_death_in_a_step_leaves_all_or_nothing(void **state)
{
    struct world *w = *state;
    static const char *const points[] = {"prune.crash_before_commit", "store.crash_before_commit",
                                         "store.crash_after_commit"};

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    put_history(w, 3, 1, 12, true);
    for (uint32_t i = 0; i < 9; i++) {
        pid_t pid;
        int status;

        store_close(w->st);
        w->st = NULL;
        pid = fork();
        if (pid == 0) {
            if (world_open(w, NULL) != ERR_OK)
                _exit(1);
            fault_arm(points[i % 3], 1);
            (void)delete_runs(w, (struct history_delete){.launch = {3}, .budget = 20});
            _exit(2);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 137);
        assert_int_equal(world_open(w, NULL), ERR_OK);
        check_all(w);
    }
    assert_in_range(ask(w, "SELECT COUNT(*) FROM runs"), 1, 14);
    remove_files(w); /* those of all the steps */
    check_all(w);
}

/* ---- space ---- */

static int64_t size_of(struct world *w, const char *name)
{
    char path[128];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", w->dir, name);
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void give_all_back(struct world *w)
{
    struct space_back b = {.bytes = KIB(256), .may_cut = true};

    for (int i = 0; i < 200; i++) {
        w->pending++;
        store_space_back(w->st, &b, on_done, w);
        settle(w);
        assert_int_equal(w->last_err, ERR_OK);
        if (b.left == 0)
            break;
    }
    assert_int_equal(b.left, 0);
}

static void test_store_prune__space_goes_back_to_the_disk(void **state)
{
    struct world *w = *state;
    int64_t before;
    int64_t empty;

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    assert_int_equal(ask(w, "PRAGMA auto_vacuum"), 2);
    give_all_back(w);
    empty = size_of(w, "wrata.db");
    for (uint64_t l = 3; l < 9; l++)
        put_history(w, l, 1, 12, true);
    give_all_back(w);
    before = size_of(w, "wrata.db");
    for (uint64_t l = 3; l < 8; l++)
        (void)delete_runs(w, (struct history_delete){.launch = {l}, .budget = 100000});
    give_all_back(w);
    assert_int_equal(size_of(w, "wrata.db-wal"), 0);
    assert_true(size_of(w, "wrata.db") - empty < (before - empty) / 4); /* one of six is left */
    check_all(w);
}

/* As a wrata before this one made it: pages that get free stay in the file. */
static void make_old(struct world *w)
{
    char path[128];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(
            db, "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM; PRAGMA journal_mode = WAL",
            NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_store_prune__an_old_database_learns_to_give_space_back(void **state)
{
    struct world *w = *state;
    char path[128];
    int fd;

    assert_int_equal(pack_tidy(w->dir, NULL), ERR_OK);
    put_history(w, 3, 1, 10, true);
    store_close(w->st);
    w->st = NULL;
    make_old(w);
    (void)snprintf(path, sizeof(path), "%s/wrata.db.new", w->dir); /* of a try that was killed */
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "half", 4), 4);
    (void)close(fd);
    assert_int_equal(ask(w, "PRAGMA auto_vacuum"), 0);
    assert_int_equal(world_open(w, NULL), ERR_OK);
    assert_int_equal(ask(w, "PRAGMA auto_vacuum"), 2);
    assert_int_equal(size_of(w, "wrata.db.new"), 0);
    assert_int_equal(ask(w, "SELECT COUNT(*) FROM runs"), 12);
    check_all(w);
    (void)delete_runs(w, (struct history_delete){.launch = {3}, .budget = 100000});
    give_all_back(w);
    check_all(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_prune__##name, setup, teardown)
        TEST(a_run_goes_with_all_that_it_has),
        TEST(a_launch_goes_with_its_last_run),
        TEST(what_may_not_go_refuses_all),
        TEST(a_step_keeps_to_its_budget_and_a_job_goes_on),
        TEST(a_log_that_was_given_up_says_so),
        TEST(examples_go_in_pieces_and_the_run_keeps_its_counts),
        TEST(the_oldest_is_found_by_age_and_by_size),
        TEST(random_deletes_leave_nothing_behind),
        TEST(a_death_in_a_step_leaves_all_or_nothing),
        TEST(space_goes_back_to_the_disk),
        TEST(an_old_database_learns_to_give_space_back),
    };

    return cmocka_run_group_tests_name("test_store_prune", tests, NULL, NULL);
}
