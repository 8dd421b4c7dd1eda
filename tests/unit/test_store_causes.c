/* test_store_causes.c - examples kept compactly, what runs failed by, and that what nobody refers to goes. */
#include "unit/test_store_world.h"

#include "model/cause.h"
#include "store/store_private.h"

static int64_t sql_number(struct world *w, const char *sql)
{
    struct db *db;
    struct db_stmt *s;
    char path[128];
    int64_t n = -1;

    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_READ}, &db, NULL), ERR_OK);
    s = db_built(db, sql);
    while (db_row(s))
        n = db_get_int(s);
    assert_int_equal(db_error(db, NULL), ERR_OK);
    db_close(db);
    return n;
}

static struct example_row an_example(uint32_t seq, enum example_status status, const char *name,
                                     const char *message)
{
    static const char *const backtrace[] = {"/usr/lib/ruby/x.rb:1", "./lib/page.rb:7:in `click'"};
    static const char *names[64][2];
    bool is_bad = status == EXAMPLE_FAILED || status == EXAMPLE_ERROR;

    names[seq][0] = "Page";
    names[seq][1] = name;
    return (struct example_row){.seq = seq,
                                .id = name,
                                .path = names[seq],
                                .n_path = 2,
                                .file = "./spec/a_spec.rb",
                                .line = 3,
                                .status = status,
                                .duration_ms = 1.25,
                                .exception = is_bad ? "Timeout" : "",
                                .message = message,
                                .backtrace = backtrace,
                                .n_backtrace = is_bad ? 2 : 0,
                                .pending = "",
                                .page_url = is_bad ? "https://a.b/c" : "",
                                .screenshot = ""};
}

static void put_examples(struct world *w, uint64_t run, const struct example_row *rows, uint32_t n)
{
    struct tally t = {.discovered = n, .started = true};

    for (uint32_t i = 0; i < n; i++) {
        t.failed += rows[i].status == EXAMPLE_FAILED;
        t.errors += rows[i].status == EXAMPLE_ERROR;
    }
    w->pending++;
    store_examples(w->st, (struct run_id){run}, (struct launch_id){1}, rows, n, 100 * n, &t, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

/* Its test is done with it, or waits for another one. */
static void end_run(struct world *w, uint64_t run, enum run_state state, enum outcome outcome,
                    const char *reason, bool is_final)
{
    struct change c[2] = {{.kind = CHANGE_RUN_SET}, {.kind = CHANGE_TEST_SET}};

    c[0].run = (struct run_row){.id = {run}, .state = state, .outcome = outcome, .reason = reason};
    c[1].test = (struct test_row){.id = {run},
                                  .state = is_final ? TEST_DONE : TEST_WAITING,
                                  .outcome = is_final ? outcome : OUTCOME_NONE,
                                  .run = {run}};
    put(w, c, 2);
}

static void start_tests(struct world *w, uint32_t n)
{
    put_launch_of(w, n);
    for (uint32_t i = 1; i <= n; i++) {
        struct change c = {.kind = CHANGE_TEST_SET};

        c.test = (struct test_row){.id = {i}, .state = TEST_ACTIVE, .run = {i}};
        put(w, &c, 1);
    }
}

struct causes_job {
    struct launch_id launch;
    struct buf text;
    struct cause_sums sums;
    uint32_t max;
    enum err err;
};

static void put_cause(void *ctx, const struct cause_row *row)
{
    struct causes_job *j = ctx;

    buf_printf(&j->text, "%llu %s|%s|%s runs=%u files=%u first=%llu/%llu known=%d",
               (unsigned long long)row->count, row->title, row->exception, row->frame, row->n_runs,
               row->n_files, (unsigned long long)row->first_launch.v, (unsigned long long)row->first_run.v,
               row->is_known);
    for (uint32_t i = 0; i < row->n_servers; i++)
        buf_printf(&j->text, " %s", row->servers[i]);
    for (uint32_t i = 0; i < row->n_examples; i++)
        buf_printf(&j->text, " [%llu/%lld %s %s]", (unsigned long long)row->examples[i].run.v,
                   (long long)row->examples[i].seq, row->examples[i].path, row->examples[i].description);
    buf_puts(&j->text, "\n");
}

static void read_job_causes(struct reader *r, void *arg)
{
    struct causes_job *j = arg;
    struct why why;

    j->err = read_causes(r, j->launch, j->max, put_cause, j, &j->sums, &why);
}

static void expect_causes(struct world *w, uint64_t launch, uint64_t failures, const char *expected)
{
    struct causes_job j = {.launch = {launch}, .max = 100};

    buf_init(&j.text, KIB(64));
    read_now(w, read_job_causes, &j);
    assert_int_equal(j.err, ERR_OK);
    assert_string_equal(buf_str(&j.text), expected);
    assert_int_equal(j.sums.failures, failures);
    buf_done(&j.text);
}

static void test_store_causes__many_failures_are_few_causes(void **state)
{
    struct world *w = *state;
    struct example_row a[3] = {an_example(0, EXAMPLE_FAILED, "one", "no '#btn-1' in 5 s"),
                               an_example(1, EXAMPLE_PASSED, "two", ""),
                               an_example(2, EXAMPLE_FAILED, "three", "no '#btn-22' in 5 s")};
    struct example_row b[2] = {an_example(0, EXAMPLE_FAILED, "one", "no '#btn-9' in 7 s"),
                               an_example(1, EXAMPLE_ERROR, "", "cannot load such file")};

    start_tests(w, 2);
    put_examples(w, 1, a, 3);
    put_examples(w, 2, b, 2);
    expect_causes(
        w, 1, 4,
        "3 no '#btn-<n>' in <n> s|Timeout|./lib/page.rb:7:in `click' runs=2 files=2 first=1/1 known=0 "
        "local-1 [1/0 spec/t0_spec.rb Page one] [1/2 spec/t0_spec.rb Page three] "
        "[2/0 spec/t1_spec.rb Page one]\n"
        "1 cannot load such file|Timeout|./lib/page.rb:7:in `click' runs=1 files=1 first=1/2 known=0 "
        "local-1 [2/1 spec/t1_spec.rb Page ]\n");
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM cases"), 4);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM texts"), 1);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM failures"), 4);
}

static void test_store_causes__runs_that_no_example_explains_have_their_own(void **state)
{
    struct world *w = *state;
    struct example_row bad = an_example(0, EXAMPLE_FAILED, "one", "broke");

    start_tests(w, 6);
    put_examples(w, 1, &bad, 1);
    end_run(w, 1, RUN_DONE, OUTCOME_FAILED, "1 of 1 examples failed", true); /* its example says it */
    put_examples(w, 2, &bad, 1);
    end_run(w, 2, RUN_DONE, OUTCOME_TIMED_OUT, "no end after 60 s", true); /* that says its example, too */
    end_run(w, 3, RUN_DONE, OUTCOME_FAILED, "exit status 3", true);
    end_run(w, 4, RUN_DONE, OUTCOME_STOPPED, "stopped by bob", true);
    end_run(w, 5, RUN_DONE, OUTCOME_PASSED, "", true);
    end_run(w, 6, RUN_LOST, OUTCOME_INFRASTRUCTURE, "its machine is gone", true);
    expect_causes(
        w, 1, 5,
        "2 broke|Timeout|./lib/page.rb:7:in `click' runs=2 files=2 first=1/1 known=0 local-1 "
        "[1/0 spec/t0_spec.rb Page one] [2/0 spec/t1_spec.rb Page one]\n"
        "1 no end after <n> s|| runs=1 files=1 first=1/2 known=0 local-1 [2/-1 spec/t1_spec.rb ]\n"
        "1 exit status <n>|| runs=1 files=1 first=1/3 known=0 local-1 [3/-1 spec/t2_spec.rb ]\n"
        "1 its machine is gone|| runs=1 files=1 first=1/6 known=0 local-1 [6/-1 spec/t5_spec.rb ]\n");
}

static void count_servers(void *ctx, const struct cause_row *row)
{
    uint32_t *got = ctx;

    got[0] = row->n_servers;
    got[1] = row->n_servers_all;
}

static void read_job_servers(struct reader *r, void *arg)
{
    struct cause_sums sums;
    struct why why;

    assert_int_equal(read_causes(r, (struct launch_id){2}, 100, count_servers, arg, &sums, &why), ERR_OK);
}

/* Three runs on each of 25, of which fewer are named. */
static void test_store_causes__counts_servers_and_not_runs_on_them(void **state)
{
    struct world *w = *state;
    uint32_t got[2] = {0};
    char names[25][16];
    struct change launch = a_launch(2);

    start_tests(w, 1);
    put(w, &launch, 1);
    for (uint32_t i = 0; i < 75; i++) {
        uint64_t id = 100 + i;
        struct change c[2] = {a_test(id, 2, i, "spec/t0_spec.rb"), a_run(id, id, 2, "spec/t0_spec.rb")};
        struct change active = {.kind = CHANGE_TEST_SET};

        (void)snprintf(names[i % 25], sizeof(names[0]), "web-%u", i % 25);
        c[1].run.server_name = names[i % 25];
        put(w, c, 2);
        active.test = (struct test_row){.id = {id}, .state = TEST_ACTIVE, .run = {id}};
        put(w, &active, 1);
        end_run(w, id, RUN_DONE, OUTCOME_FAILED, "exit status 3", true);
    }
    read_now(w, read_job_servers, got);
    assert_int_equal(got[0], CAUSE_SERVERS_MAX);
    assert_int_equal(got[1], 25);
}

static void test_store_causes__what_was_lost_and_runs_again_does_not_count(void **state)
{
    struct world *w = *state;
    struct example_row bad = an_example(0, EXAMPLE_FAILED, "one", "broke");

    start_tests(w, 1);
    put_examples(w, 1, &bad, 1);
    end_run(w, 1, RUN_LOST, OUTCOME_INFRASTRUCTURE, "the server fell silent", false);
    expect_causes(w, 1, 0, "");
}

static void test_store_causes__are_known_when_an_earlier_launch_had_them(void **state)
{
    struct world *w = *state;
    struct example_row bad = an_example(0, EXAMPLE_FAILED, "one", "broke 1");
    struct change c[3] = {a_launch(2), a_test(9, 2, 0, "spec/t0_spec.rb"), a_run(9, 9, 2, "spec/t0_spec.rb")};
    struct change active = {.kind = CHANGE_TEST_SET};

    start_tests(w, 1);
    put_examples(w, 1, &bad, 1);
    put(w, c, 3);
    active.test = (struct test_row){.id = {9}, .state = TEST_ACTIVE, .run = {9}};
    put(w, &active, 1);
    bad.message = "broke 2";
    put_examples(w, 9, &bad, 1);
    expect_causes(w, 2, 1,
                  "1 broke <n>|Timeout|./lib/page.rb:7:in `click' runs=1 files=1 first=1/1 known=1 local-1 "
                  "[9/0 spec/t0_spec.rb Page one]\n");
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM cases"), 1);
}

/* ---- retention ---- */

static enum err prune(struct writer *w, void *arg, struct why *reterr)
{
    uint64_t *n = arg;

    (void)reterr;
    n[0] = texts_prune(w, 2);
    n[1] = cases_prune(w, 10);
    n[2] = causes_prune(w, (struct wall){wall_now().ms + 1000}, 1);
    return ERR_OK;
}

static enum err forget_run(struct writer *w, void *arg, struct why *reterr)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM runs WHERE id = ?");

    (void)reterr;
    db_uint(s, *(uint64_t *)arg);
    (void)db_run(s);
    return ERR_OK;
}

static enum err age_cases(struct writer *w, void *arg, struct why *reterr)
{
    (void)arg;
    (void)reterr;
    db_script(w->db, "UPDATE cases SET used_at = 1000 WHERE example_id = 'two'");
    return ERR_OK;
}

static void call(struct world *w, write_fn *fn, void *arg)
{
    w->pending++;
    store_call(w->st, fn, arg, NULL, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

static void test_store_causes__what_nobody_refers_to_goes_in_steps(void **state)
{
    struct world *w = *state;
    struct example_row a[3] = {an_example(0, EXAMPLE_FAILED, "one", "x"),
                               an_example(1, EXAMPLE_FAILED, "two", "y"),
                               an_example(2, EXAMPLE_FAILED, "three", "z")};
    struct example_row b = an_example(0, EXAMPLE_FAILED, "one", "x");
    uint64_t run = 1;
    uint64_t n[3];

    start_tests(w, 2);
    put_examples(w, 1, a, 3);
    put_examples(w, 2, &b, 1);
    call(w, prune, n);
    assert_int_equal(n[0], 0);
    assert_int_equal(n[1], 0);
    assert_int_equal(n[2], 1);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM causes"), 2);
    call(w, forget_run, &run);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM run_causes"), 1);
    call(w, age_cases, NULL);
    call(w, prune, n); /* the third failure */
    assert_int_equal(n[0], 1);
    assert_int_equal(n[1], 1);
    call(w, prune, n); /* and the second, from the beginning */
    call(w, prune, n);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM failures"), 1);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM texts"), 1);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM cases"), 2);
    run = 2;
    call(w, forget_run, &run);
    call(w, prune, n);
    call(w, prune, n);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM failures"), 0);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM texts"), 0);
}

/* ---- a folder of before ---- */

static void make_folder_of_before(struct world *w)
{
    const struct migration *m;
    struct db *db;
    char path[128];
    char sql[256];

    store_close(w->st);
    w->st = NULL;
    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_WRITE}, &db, NULL), ERR_OK);
    db_begin(db);
    db_script(db, "CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, "
                  "applied_at BIGINT NOT NULL)");
    for (m = migrations; m->number != 0 && strcmp(m->name, "compact_examples") != 0; m++) {
        db_script(db, m->sql);
        (void)snprintf(sql, sizeof(sql), "INSERT INTO schema_version VALUES (%d, '%s', 1600000000000)",
                       m->number, m->name);
        db_script(db, sql);
    }
    db_script(
        db,
        "INSERT INTO launches (id, user_id, project, project_name, name, ref, commit_hash, test_order, "
        "retries, "
        "time_limit_ms, silence_limit_ms, lease_ms, n_tests, created_at, state, outcome, started_at, "
        "ended_at, servers, env) VALUES (1, 1, 3, 'p', '', 'main', '', 'as-given', 0, 0, 0, 1, 2, 7, 'done', "
        "'failed', 7, 9, '', x'');"
        "INSERT INTO paths VALUES (1, 3, 'spec/t0_spec.rb'), (2, 3, 'b.sh');"
        "INSERT INTO tests (id, launch, position, path, command, predicted_ms, state, outcome, attempts, "
        "losses, "
        "run) VALUES (1, 1, 0, 1, 1, 0, 'done', 'failed', 1, 0, 1), (2, 1, 1, 2, 1, 0, 'done', 'failed', 1, "
        "0, 2)");
    for (int run = 1; run <= 2; run++) {
        char insert[1024];

        (void)snprintf(
            insert, sizeof(insert),
            "INSERT INTO runs (id, test, launch, server, server_name, path, attempt, slot, state, outcome, "
            "reason, created_at, started_at, ended_at, how, exit_code, signal, duration_us, user_us, "
            "system_us, max_rss_kib, gap_us, log_bytes, log_dropped_bytes, discovered, passed, failed, "
            "pending, errors, flags, bad_lines) VALUES (%d, %d, 1, 1, 'local-1', %d, 1, 0, 'done', 'failed', "
            "'exit status 3', 1600000000000, 7, 8, 1, 3, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, %d, 0, 0, 3, 0)",
            run, run, run, run == 1 ? 2 : 0);
        db_script(db, insert);
    }
    for (int i = 0; i < 3; i++) {
        char insert[1024];

        (void)snprintf(
            insert, sizeof(insert),
            "INSERT INTO examples (run, seq, launch, status, example_id, description, file, line, "
            "duration_ms, exception, message, backtrace, pending, artifacts) VALUES (1, %d, 1, '%s', 'i%d', "
            "x'5000%02x00', './spec/t0_spec.rb', %d, 12.5, '%s', '%s', x'612e72623a3700', '%s', "
            "x'612e706e6700')",
            i, i == 0 ? "passed" : "failed", i, 'a' + i, 40 + i, i == 0 ? "" : "Boom",
            i == 0   ? ""
            : i == 1 ? "no 1"
                     : "no 22",
            "");
        db_script(db, insert);
    }
    assert_int_equal(db_commit(db, NULL), ERR_OK);
    db_close(db);
}

static void put_example(void *ctx, const struct example_row *row)
{
    buf_printf(ctx, "%u %s %s %s:%u %d %.1f %s|%s|%s|%s %d\n", row->seq, row->id, row->path[1], row->file,
               row->line, row->status, row->duration_ms, row->exception, row->message,
               row->n_backtrace > 0 ? row->backtrace[0] : "", row->pending, row->cause != 0);
}

static void read_job_examples(struct reader *r, void *arg)
{
    struct example_filter f = {.launch = {1}};
    struct page p = {.limit = 50};

    assert_int_equal(read_examples(r, &f, &p, put_example, arg, NULL), ERR_OK);
}

static void test_store_causes__a_folder_of_before_keeps_its_examples(void **state)
{
    struct world *w = *state;
    struct buf b;

    make_folder_of_before(w);
    assert_int_equal(world_open(w, NULL), ERR_OK);
    buf_init(&b, KIB(8));
    read_now(w, read_job_examples, &b);
    assert_string_equal(buf_str(&b), "0 i0 a ./spec/t0_spec.rb:40 0 12.5 ||a.rb:7| 0\n"
                                     "1 i1 b ./spec/t0_spec.rb:41 1 12.5 Boom|no 1|a.rb:7| 1\n"
                                     "2 i2 c ./spec/t0_spec.rb:42 1 12.5 Boom|no 22|a.rb:7| 1\n");
    buf_done(&b);
    expect_causes(w, 1, 3,
                  "2 no <n>|Boom|a.rb:7 runs=1 files=1 first=1/1 known=0 local-1 [1/1 spec/t0_spec.rb P b] "
                  "[1/2 spec/t0_spec.rb P c]\n"
                  "1 exit status <n>|| runs=1 files=1 first=1/2 known=0 local-1 [2/-1 b.sh ]\n");
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM examples WHERE length(artifacts) > 0"), 3);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'examples_before'"), 0);
    assert_int_equal(sql_number(w, "SELECT next_id FROM ids WHERE kind = 'case'"), 4);
    world_reopen(w);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM examples"), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_store_causes__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_failures_are_few_causes),
        TEST(runs_that_no_example_explains_have_their_own),
        TEST(counts_servers_and_not_runs_on_them),
        TEST(what_was_lost_and_runs_again_does_not_count),
        TEST(are_known_when_an_earlier_launch_had_them),
        TEST(what_nobody_refers_to_goes_in_steps),
        TEST(a_folder_of_before_keeps_its_examples),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
