/* test_store_reads.c - lists and single rows: every filter, every page, the counters, and what a write refuses. */
#include "unit/test_store_world.h"

/* ---- reading ----------------------------------------------------------------------------------------------- */

struct list {
    uint64_t ids[600];
    uint32_t n;
    uint64_t log_bytes;
    struct page page;
    struct test_filter tests;
    struct run_filter runs;
    struct launch_filter launches;
    struct launch_sums sums;
    struct buf text;
    enum err err;
    struct why why;
};

static void add_test(void *ctx, const struct test_row *t)
{
    struct list *l = ctx;

    l->ids[l->n++] = t->id.v;
}

static void add_run(void *ctx, const struct run_row *r, const char *commit, uint64_t log_bytes)
{
    struct list *l = ctx;

    assert_string_equal(commit, "4e1c");
    l->log_bytes = log_bytes;
    l->ids[l->n++] = r->id.v;
}

static void add_launch(void *ctx, const struct launch_row *r, const struct launch_sums *sums)
{
    struct list *l = ctx;

    l->sums = *sums;
    l->ids[l->n++] = r->id.v;
}

static void list_tests(struct reader *r, void *arg)
{
    struct list *l = arg;

    l->n = 0;
    l->err = read_tests(r, &l->tests, &l->page, add_test, l, &l->why);
}

static void list_runs(struct reader *r, void *arg)
{
    struct list *l = arg;

    l->n = 0;
    l->err = read_runs(r, &l->runs, &l->page, add_run, l, &l->why);
}

static void list_launches(struct reader *r, void *arg)
{
    struct list *l = arg;

    l->n = 0;
    l->err = read_launches(r, &l->launches, &l->page, add_launch, l, &l->why);
}

static void test_store_reads__a_read_sees_what_was_committed_before_it(void **state)
{
    struct world *w = *state;
    uint32_t i;

    put_launch_of(w, 1);
    for (i = 2; i < 40; i++) {
        struct change c = a_run(i, 1, 1, "spec/t0_spec.rb");
        struct list l = {.runs = {.test = {1}, .state = -1}, .page = {.limit = 1}};

        put(w, &c, 1);
        read_now(w, list_runs, &l);
        assert_int_equal(l.err, ERR_OK);
        assert_int_equal(l.ids[0], i);
    }
}

static void test_store_reads__tests_come_in_order_and_by_pages(void **state)
{
    struct world *w = *state;
    struct list l = {.tests = {.launch = {1}, .state = -1}, .page = {.limit = 7}};
    uint32_t seen = 0;

    put_launch_of(w, 30);
    do {
        uint32_t i;

        read_now(w, list_tests, &l);
        assert_int_equal(l.err, ERR_OK);
        for (i = 0; i < l.n; i++)
            assert_int_equal(l.ids[i], ++seen);
        l.page.after = l.page.next;
    } while (l.page.next != 0);
    assert_int_equal(seen, 30);
    l.page = (struct page){.limit = 30};
    read_now(w, list_tests, &l);
    assert_int_equal(l.n, 30);
    assert_int_equal(l.page.next, 0);
}

static void test_store_reads__tests_are_found_by_state_and_outcome(void **state)
{
    struct world *w = *state;
    struct change c[4] = {{.kind = CHANGE_TEST_SET},
                          {.kind = CHANGE_TEST_SET},
                          {.kind = CHANGE_TEST_SET},
                          {.kind = CHANGE_TEST_SET}};
    struct list l = {.tests = {.launch = {1}, .state = TEST_DONE, .outcome = -1}, .page = {.limit = 50}};

    put_launch_of(w, 6);
    c[0].test = (struct test_row){.id = {2}, .state = TEST_DONE, .outcome = OUTCOME_PASSED};
    c[1].test = (struct test_row){.id = {3}, .state = TEST_DONE, .outcome = OUTCOME_FAILED};
    c[2].test = (struct test_row){.id = {5}, .state = TEST_DONE, .outcome = OUTCOME_FAILED};
    c[3].test = (struct test_row){.id = {6}, .state = TEST_ACTIVE};
    put(w, c, 4);
    read_now(w, list_tests, &l);
    assert_int_equal(l.n, 3);
    assert_int_equal(l.ids[2], 5);
    l.tests.outcome = OUTCOME_FAILED;
    read_now(w, list_tests, &l);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.ids[0], 3);
    l.tests.state = -1;
    l.tests.outcome = OUTCOME_PASSED;
    read_now(w, list_tests, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.ids[0], 2);
    l.tests.state = TEST_WAITING;
    l.tests.outcome = -1;
    read_now(w, list_tests, &l);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.ids[1], 4);
    l.tests.state = -1;
    l.tests.outcome = OUTCOME_NONE;
    read_now(w, list_tests, &l);
    assert_int_equal(l.n, 3);
}

static void test_store_reads__runs_are_found_by_each_filter(void **state)
{
    struct world *w = *state;
    static const struct {
        struct run_filter f;
        uint32_t n;
        uint64_t first;
    } rows[] = {
        {{.state = -1}, 20, 20},
        {{.launch = {1}, .state = -1}, 20, 20},
        {{.launch = {2}, .state = -1}, 0, 0},
        {{.server = {1}, .state = -1}, 20, 20},
        {{.test = {4}, .state = -1}, 1, 4},
        {{.state = -2}, 17, 20},
        {{.state = RUN_DONE}, 2, 5},
        {{.state = RUN_LOST}, 1, 9},
        {{.state = RUN_ASSIGNED}, 17, 20},
        {{.state = -1, .outcomes = 1u << OUTCOME_FAILED}, 1, 5},
        {{.state = -1, .outcomes = 1u << OUTCOME_PASSED}, 1, 3},
        {{.launch = {1}, .state = -1, .outcomes = 1u << OUTCOME_INFRASTRUCTURE}, 1, 9},
        {{.state = -1, .path = "T1"}, 11, 20},
        {{.state = -1, .path = " t1 9_spec "}, 1, 20},
        {{.state = -1, .path = "%"}, 0, 0},
        {{.state = -1, .path = "t_spec"}, 0, 0},
    };
    struct change c[3] = {{.kind = CHANGE_RUN_SET}, {.kind = CHANGE_RUN_SET}, {.kind = CHANGE_RUN_SET}};
    size_t i;

    put_launch_of(w, 20);
    c[0].run = (struct run_row){.id = {3}, .state = RUN_DONE, .outcome = OUTCOME_PASSED};
    c[1].run = (struct run_row){.id = {5}, .state = RUN_DONE, .outcome = OUTCOME_FAILED};
    c[2].run = (struct run_row){.id = {9}, .state = RUN_LOST, .outcome = OUTCOME_INFRASTRUCTURE};
    put(w, c, 3);
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        struct list l = {.runs = rows[i].f, .page = {.limit = 500}};

        read_now(w, list_runs, &l);
        assert_int_equal(l.err, ERR_OK);
        assert_int_equal(l.n, rows[i].n);
        assert_int_equal(l.ids[0], rows[i].first);
    }
}

static void test_store_reads__pages_are_stable_while_runs_are_added(void **state)
{
    struct world *w = *state;
    struct list l = {.runs = {.launch = {1}, .state = -1}, .page = {.limit = 3}};
    uint64_t expected = 20;
    uint64_t id = 21;

    put_launch_of(w, 20);
    do {
        struct change c = a_run(id++, 1, 1, "spec/t0_spec.rb");
        uint32_t i;

        read_now(w, list_runs, &l);
        for (i = 0; i < l.n; i++)
            assert_int_equal(l.ids[i], expected--);
        l.page.after = l.page.next;
        put(w, &c, 1);
    } while (l.page.next != 0);
    assert_int_equal(expected, 0);
}

static void test_store_reads__launches_are_found_by_project_and_state(void **state)
{
    struct world *w = *state;
    struct change c[8];
    struct list l = {.launches = {.state = -1}, .page = {.limit = 2}};
    uint32_t i;

    for (i = 0; i < 6; i++) {
        c[i] = a_launch(i + 1);
        c[i].launch.project.v = 1 + i % 2;
    }
    c[6] = (struct change){.kind = CHANGE_LAUNCH_SET, .launch = {.id = {2}, .state = LAUNCH_DONE}};
    c[7] = (struct change){.kind = CHANGE_LAUNCH_SET, .launch = {.id = {4}, .state = LAUNCH_STOPPING}};
    put(w, c, 8);
    read_now(w, list_launches, &l);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.ids[0], 6);
    assert_int_equal(l.page.next, 5);
    l.page = (struct page){.after = 2, .limit = 2};
    read_now(w, list_launches, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.page.next, 0);
    l.page = (struct page){.limit = 10};
    l.launches = (struct launch_filter){.project = {2}, .state = -1};
    read_now(w, list_launches, &l);
    assert_int_equal(l.n, 3);
    l.launches.state = LAUNCH_RUNNING;
    read_now(w, list_launches, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.ids[0], 6);
    l.launches = (struct launch_filter){.state = LAUNCH_STOPPING};
    read_now(w, list_launches, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.ids[0], 4);
    l.launches = (struct launch_filter){.state = LAUNCH_DONE};
    read_now(w, list_launches, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.ids[0], 2);
}

static void add_name(void *ctx, const struct server_row *s)
{
    struct buf *b = ctx;

    buf_printf(b, "%s ", s->name);
}

static void list_servers(struct reader *r, void *arg)
{
    struct list *l = arg;

    l->err = read_servers(r, add_name, &l->text, &l->why);
    if (l->err == ERR_OK)
        l->err = read_server(r, (struct server_id){2}, add_name, &l->text, &l->why);
    assert_int_equal(read_server(r, (struct server_id){99}, add_name, &l->text, &l->why), ERR_NOTFOUND);
}

static void test_store_reads__servers_come_in_natural_order(void **state)
{
    struct world *w = *state;
    struct change c[] = {a_server(1, "local-10"), a_server(2, "local-9"),  a_server(3, "Box"),
                         a_server(4, "local-1"),  a_server(5, "local-01"), a_server(6, "local")};
    struct list l = {0};

    put(w, c, 6);
    buf_init(&l.text, KIB(4));
    read_now(w, list_servers, &l);
    assert_int_equal(l.err, ERR_OK);
    assert_string_equal(buf_str(&l.text), "Box local local-01 local-1 local-9 local-10 local-9 ");
    buf_done(&l.text);
}

static void read_sums(struct reader *r, void *arg)
{
    struct list *l = arg;

    l->n = 0;
    l->err = read_launch(r, (struct launch_id){1}, add_launch, l, &l->why);
}

static struct launch_sums sums_now(struct world *w)
{
    struct list l = {0};

    read_now(w, read_sums, &l);
    assert_int_equal(l.err, ERR_OK);
    return l.sums;
}

static void test_store_reads__launch_counters_follow_tests_and_runs(void **state)
{
    struct world *w = *state;
    struct change c[3] = {{.kind = CHANGE_TEST_SET}, {.kind = CHANGE_RUN_SET}, {.kind = CHANGE_TEST_SET}};
    struct tally so_far = {
        .discovered = 10, .passed = 2, .not_run = 3, .started = true, .not_run_reason = "its fixtures"};
    struct launch_sums s;

    put_launch_of(w, 3);
    s = sums_now(w);
    assert_int_equal(s.waiting, 3);
    c[0].test = (struct test_row){.id = {1}, .state = TEST_ACTIVE, .run = {1}};
    c[1].run = (struct run_row){.id = {1}, .state = RUN_RUNNING};
    put(w, c, 2);
    w->pending++;
    store_examples(w->st, (struct run_id){1}, (struct launch_id){1}, NULL, 0, 100, &so_far, on_done, w);
    settle(w);
    s = sums_now(w);
    assert_int_equal(s.waiting, 2);
    assert_int_equal(s.active, 1);
    assert_int_equal(s.tally.discovered, 10);
    assert_int_equal(s.tally.passed, 2);
    assert_int_equal(s.tally.not_run, 3);
    /* the machine dies: the run's examples do not count any more */
    c[1].run =
        (struct run_row){.id = {1}, .state = RUN_LOST, .outcome = OUTCOME_INFRASTRUCTURE, .tally = so_far};
    c[0].test = (struct test_row){.id = {1}, .state = TEST_WAITING, .losses = 1, .run = {1}};
    put(w, c, 2);
    s = sums_now(w);
    assert_int_equal(s.waiting, 3);
    assert_int_equal(s.active, 0);
    assert_int_equal(s.tally.discovered, 0);
    assert_int_equal(s.tally.passed, 0);
    assert_int_equal(s.tally.not_run, 0);
    /* another test ends */
    c[0].test = (struct test_row){.id = {2}, .state = TEST_DONE, .outcome = OUTCOME_FAILED, .run = {2}};
    c[1].run = (struct run_row){
        .id = {2},
        .state = RUN_DONE,
        .outcome = OUTCOME_FAILED,
        .tally = {.discovered = 9, .passed = 1, .failed = 2, .pending = 1, .not_run = 5, .errors = 3}};
    put(w, c, 2);
    s = sums_now(w);
    assert_int_equal(s.waiting, 2);
    assert_int_equal(s.by_outcome[OUTCOME_FAILED], 1);
    assert_int_equal(s.tally.discovered, 9);
    assert_int_equal(s.tally.not_run, 5);
    assert_true(tally_adds_up(&s.tally));
    assert_int_equal(s.tally.failed, 2);
    assert_int_equal(s.tally.errors, 3);
}

/* ---- examples ---------------------------------------------------------------------------------------------- */

static struct example_row an_example(uint32_t seq, enum example_status status)
{
    static const char *const path[] = {"Pivot", "copies style", NASTY};
    static const char *const backtrace[] = {"./a.rb:1:in `x'", ""};

    return (struct example_row){.seq = seq,
                                .id = "./a[1:1]",
                                .path = path,
                                .n_path = 3,
                                .file = "./a.rb",
                                .line = 118,
                                .status = status,
                                .duration_ms = 12.5,
                                .exception = "E",
                                .message = NASTY,
                                .backtrace = backtrace,
                                .n_backtrace = 2,
                                .pending = "later"};
}

struct examples {
    struct example_filter f;
    struct page page;
    struct buf text;
    uint32_t n;
    enum err err;
    struct why why;
};

static void add_example(void *ctx, const struct example_row *e)
{
    struct examples *x = ctx;

    x->n++;
    buf_printf(&x->text, "%llu/%u ", (unsigned long long)e->run.v, e->seq);
    assert_string_equal(e->message, NASTY);
    assert_int_equal(e->n_path, 3);
    assert_string_equal(e->path[2], NASTY);
    assert_int_equal(e->n_backtrace, 2);
    assert_string_equal(e->backtrace[1], "");
    assert_true(e->duration_ms > 12.4 && e->duration_ms < 12.6);
}

static void list_examples(struct reader *r, void *arg)
{
    struct examples *x = arg;

    x->n = 0;
    x->err = read_examples(r, &x->f, &x->page, add_example, x, &x->why);
}

static void expect_examples(struct world *w, struct example_filter f, uint32_t limit, const char *expected)
{
    struct examples x = {.f = f, .page = {.limit = limit}};

    buf_init(&x.text, KIB(16));
    do {
        read_now(w, list_examples, &x);
        assert_int_equal(x.err, ERR_OK);
        assert_true(x.n <= limit);
        x.page.after = x.page.next;
    } while (x.page.next != 0);
    assert_string_equal(buf_str(&x.text), expected);
    buf_done(&x.text);
}

static void put_examples(struct world *w, uint64_t run, const struct example_row *rows, uint32_t n,
                         uint64_t bytes)
{
    struct tally t = {.discovered = n, .not_run = 1, .started = true, .not_run_reason = "-x"};

    w->pending++;
    store_examples(w->st, (struct run_id){run}, (struct launch_id){1}, rows, n, bytes, &t, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

static void test_store_reads__examples_come_by_run_and_by_launch(void **state)
{
    struct world *w = *state;
    struct example_row rows[5];
    struct change c[3] = {{.kind = CHANGE_TEST_SET}, {.kind = CHANGE_TEST_SET}, {.kind = CHANGE_TEST_SET}};
    uint32_t failed = 1u << EXAMPLE_FAILED | 1u << EXAMPLE_ERROR;
    uint32_t i;

    put_launch_of(w, 3);
    for (i = 0; i < 3; i++)
        c[i].test =
            (struct test_row){.id = {i + 1}, .state = i == 1 ? TEST_WAITING : TEST_ACTIVE, .run = {i + 1}};
    put(w, c, 3);
    for (i = 0; i < 5; i++)
        rows[i] = an_example(i, i == 2 ? EXAMPLE_FAILED : i == 4 ? EXAMPLE_ERROR : EXAMPLE_PASSED);
    put_examples(w, 1, rows, 3, 300);
    put_examples(w, 1, rows, 5, 500); /* the first three again: passed over */
    put_examples(w, 2, rows, 5, 500); /* of a run that was lost */
    put_examples(w, 3, rows, 5, 500);
    expect_examples(w, (struct example_filter){.run = {1}}, 2, "1/0 1/1 1/2 1/3 1/4 ");
    expect_examples(w, (struct example_filter){.run = {1}, .statuses = failed}, 1, "1/2 1/4 ");
    expect_examples(w, (struct example_filter){.launch = {1}, .statuses = failed}, 1, "1/2 1/4 3/2 3/4 ");
    expect_examples(w, (struct example_filter){.launch = {1}}, 2, "1/0 1/1 1/2 1/3 1/4 3/0 3/1 3/2 3/3 3/4 ");
    expect_examples(w, (struct example_filter){.launch = {2}}, 2, "");
}

static void put_stream(void *ctx, const struct stream_pos *p)
{
    buf_printf(ctx, "%llu:%llu:%llu:%u:%u:%u%s ", (unsigned long long)p->run.v,
               (unsigned long long)p->log_bytes, (unsigned long long)p->results_bytes, p->next_seq,
               p->tally.discovered, p->tally.not_run, p->tally.not_run_reason);
}

static void test_store_reads__boot_says_how_far_streams_are(void **state)
{
    struct world *w = *state;
    struct example_row rows[2] = {an_example(0, EXAMPLE_PASSED), an_example(1, EXAMPLE_PASSED)};
    struct buf b;

    put_launch_of(w, 2);
    put_examples(w, 2, rows, 2, 222);
    append(w, 2, 0, "hello", 5);
    settle(w);
    world_reopen(w);
    buf_init(&b, KIB(1));
    assert_int_equal(store_boot_streams(w->st, put_stream, &b, NULL), ERR_OK);
    assert_string_equal(buf_str(&b), "1:0:0:0:0:0 2:5:222:2:2:1-x ");
    buf_done(&b);
}

static void test_store_reads__what_nobody_knows_is_refused_alone(void **state)
{
    struct world *w = *state;
    struct tally t = {0};

    put_launch_of(w, 1);
    w->n_failed = 0;
    append(w, 77, 0, "x", 1);
    append(w, 1, 0, "x", 1);
    w->pending++;
    store_examples(w->st, (struct run_id){78}, (struct launch_id){1}, NULL, 0, 0, &t, on_done, w);
    append(w, 1, 2, "x", 1); /* a gap */
    settle(w);
    assert_int_equal(w->n_failed, 3);
    assert_int_equal(w->last_err, ERR_CONFLICT);
    append(w, 1, 1, "y", 1);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

/* ---- projects ---------------------------------------------------------------------------------------------- */

static uint64_t put_project(struct world *w, uint64_t id, const char *name, const char *url)
{
    struct project_row row = {.id = {id}, .name = name, .url = url, .error = "", .created_at = {5}};
    uint64_t ret = 0;

    w->pending++;
    store_project_put(w->st, &row, &ret, on_done, w);
    settle(w);
    return ret;
}

static void add_project(void *ctx, const struct project_row *p)
{
    buf_printf(ctx, "%llu=%s ", (unsigned long long)p->id.v, p->name);
}

static void list_projects(struct reader *r, void *arg)
{
    struct buf *b = arg;

    assert_int_equal(read_projects(r, add_project, b, NULL), ERR_OK);
    assert_int_equal(read_project_named(r, "docs", add_project, b, NULL), ERR_OK);
    assert_int_equal(read_project_named(r, "https://x/site.git", add_project, b, NULL), ERR_OK);
    assert_int_equal(read_project_named(r, "none", add_project, b, NULL), ERR_NOTFOUND);
    assert_int_equal(read_project(r, (struct project_id){1}, add_project, b, NULL), ERR_NOTFOUND);
}

static void test_store_reads__projects_have_unique_names_and_new_ids(void **state)
{
    struct world *w = *state;
    struct buf b;

    assert_int_equal(put_project(w, 0, "old", "https://x/old.git"), 1);
    assert_int_equal(put_project(w, 0, "docs", "https://x/docs.git"), 2);
    assert_int_equal(put_project(w, 0, "docs", "https://x/other.git"), 0);
    assert_int_equal(w->last_err, ERR_CONFLICT);
    w->pending++;
    store_project_delete(w->st, (struct project_id){1}, on_done, w);
    settle(w);
    assert_int_equal(put_project(w, 0, "new", "https://x/new.git"), 3);
    assert_int_equal(put_project(w, 3, "site", "https://x/site.git"), 3);
    assert_int_equal(put_project(w, 9, "none", "https://x/none.git"), 0);
    assert_int_equal(w->last_err, ERR_NOTFOUND);
    buf_init(&b, KIB(1));
    read_now(w, list_projects, &b);
    assert_string_equal(buf_str(&b), "3=site 2=docs 2=docs 3=site ");
    buf_done(&b);
}

/* ---- predictions ------------------------------------------------------------------------------------------- */

static void add_prediction(void *ctx, const char *path, int64_t ms)
{
    buf_printf(ctx, "%s=%lld ", path, (long long)ms);
}

static void list_predictions(struct reader *r, void *arg)
{
    assert_int_equal(read_predictions(r, (struct project_id){3}, add_prediction, arg, NULL), ERR_OK);
}

static void test_store_reads__predictions_are_medians_of_the_last_ten(void **state)
{
    struct world *w = *state;
    struct buf b;
    uint32_t i;

    put_launch_of(w, 2);
    for (i = 0; i < 14; i++) {
        struct change c[2] = {a_run(10 + i, 1, 1, "spec/t0_spec.rb"), {.kind = CHANGE_RUN_SET}};

        /* 4 old ones of an hour, then 1..10 s; every fifth an error that says nothing */
        c[1].run = (struct run_row){.id = {10 + i},
                                    .state = RUN_DONE,
                                    .outcome = OUTCOME_PASSED,
                                    .finish = {.duration_us = i < 4 ? 3600000000 : (i - 3) * 1000000}};
        put(w, c, 2);
    }
    buf_init(&b, KIB(1));
    read_now(w, list_predictions, &b);
    assert_string_equal(buf_str(&b), "spec/t0_spec.rb=5500 ");
    buf_done(&b);
}

/* ---- size ------------------------------------------------------------------------------------------------- */

static void test_store_reads__a_hundred_thousand_tests_are_one_change_list(void **state)
{
    struct world *w = *state;
    struct list l = {.tests = {.launch = {1}, .state = -1}, .page = {.after = 99990, .limit = 500}};

    put_launch_of(w, 100000);
    read_now(w, list_tests, &l);
    assert_int_equal(l.n, 10);
    assert_int_equal(l.ids[9], 100000);
    assert_int_equal(sums_now(w).waiting, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_reads__##name, setup, teardown)
        TEST(a_read_sees_what_was_committed_before_it),
        TEST(tests_come_in_order_and_by_pages),
        TEST(tests_are_found_by_state_and_outcome),
        TEST(runs_are_found_by_each_filter),
        TEST(pages_are_stable_while_runs_are_added),
        TEST(launches_are_found_by_project_and_state),
        TEST(servers_come_in_natural_order),
        TEST(launch_counters_follow_tests_and_runs),
        TEST(examples_come_by_run_and_by_launch),
        TEST(boot_says_how_far_streams_are),
        TEST(what_nobody_knows_is_refused_alone),
        TEST(projects_have_unique_names_and_new_ids),
        TEST(predictions_are_medians_of_the_last_ten),
        TEST(a_hundred_thousand_tests_are_one_change_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
