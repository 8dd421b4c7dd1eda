/* test_store_plans.c - every list that a page shows finds its rows and their order in an index.
 *
 * The reading functions are given a connection whose driver explains each statement that it prepares. Allowed is a
 * SEARCH by an index or a primary key; a SCAN of a table or a sort in memory fails, but for the few rows named below. */
#include "unit/test_store_world.h"

#include "store/db_driver.h"
#include "store/store_private.h"

static struct db *explainer; /* a plain connection to the same file */
static struct buf faults;
static uint32_t n_plans;
static bool may_sort;         /* groups that are ordered by their sums */
static const char *must_use;  /* the index that the plan of a list has to name; NULL any */
static const char *must_walk; /* the one that a statement with a piece of ids uses */
static bool walked;           /* it did */

/* Walked whole, and why that is right. */
static const char *const allowed[] = {
    "SCAN fleets",                        /* at most FLEETS_MAX */
    "SCAN servers",                       /* at most SERVERS_MAX; natural order is made in memory */
    "SCAN projects",                      /* a page of them is all of them */
    "SCAN paths",                         /* a word may be anywhere in a path */
    "SCAN failures",                      /* the same in a message; the newest ones */
    "SCAN e USING INDEX examples_newest", /* what did not pass, newest first */
    "SCAN o",                             /* origins: thousands at most */
    /* indexes of the few rows that live */
    "SCAN l USING INDEX launches_living",
    "SCAN l USING COVERING INDEX launches_living",
    "SCAN r USING INDEX runs_living",
    "SCAN r USING COVERING INDEX runs_living",
    /* all of them live: read at boot, into memory */
    "SCAN users",
    "SCAN sessions",
    "SCAN api_tokens",
    "SCAN one_time_links",
    "SCAN user_env",
    "SCAN mails USING INDEX mails_waiting", /* its first row */
    "SCAN s USING INDEX schedules_due",     /* its first rows */
    "SCAN SUBQUERY",                        /* of rows that were searched */
    "SCAN CONSTANT ROW",
};

static bool is_fine(const char *detail)
{
    size_t i;

    for (i = 0; i < ARRAY_LEN(allowed); i++)
        if (strncmp(detail, allowed[i], strlen(allowed[i])) == 0)
            return true;
    return strncmp(detail, "SCAN", 4) != 0 && (may_sort || strstr(detail, "TEMP B-TREE") == NULL);
}

static enum err prepare_and_explain(void *conn, const char *sql, void **retstmt, struct why *reterr)
{
    struct buf b;
    struct db_stmt *s;

    buf_init(&b, KIB(16));
    buf_printf(&b, "EXPLAIN QUERY PLAN %s", sql);
    s = db_built(explainer, buf_str(&b));
    while (db_row(s)) {
        const char *detail;

        (void)db_get_int(s);
        (void)db_get_int(s);
        (void)db_get_int(s);
        detail = db_get_text(s);
        if (!is_fine(detail) ||
            (must_use != NULL && strstr(sql, "ORDER BY") != NULL && strstr(detail, must_use) == NULL))
            buf_printf(&faults, "%s\n    in: %s\n", detail, sql);
        if (must_walk != NULL && strstr(sql, ".id >= ? AND ") != NULL)
            walked = walked || strstr(detail, must_walk) != NULL;
    }
    assert_int_equal(db_error(explainer, NULL), ERR_OK);
    buf_done(&b);
    n_plans++;
    return db_sqlite.prepare(conn, sql, retstmt, reterr);
}

static void no_fleet(void *ctx, const struct fleet_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_server(void *ctx, const struct server_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    (void)ctx;
    (void)row;
    (void)sums;
}

static void no_test(void *ctx, const struct test_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    (void)ctx;
    (void)row;
    (void)commit;
    (void)log_bytes;
}

static void no_example(void *ctx, const struct example_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_project(void *ctx, const struct project_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_prediction(void *ctx, const char *path, int64_t ms)
{
    (void)ctx;
    (void)path;
    (void)ms;
}

static void no_change(void *ctx, const struct change *c)
{
    (void)ctx;
    (void)c;
}

static void no_account_change(void *ctx, const struct account_change *c)
{
    (void)ctx;
    (void)c;
}

static void no_audit(void *ctx, const struct audit_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_stream(void *ctx, const struct stream_pos *p)
{
    (void)ctx;
    (void)p;
}

static void with_explained(struct world *w, void (*fn)(struct reader *r))
{
    struct db_driver spy = db_sqlite;
    struct reader r = {.dir = w->dir};
    char path[128];

    spy.prepare = prepare_and_explain;
    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_READ}, &explainer, NULL), ERR_OK);
    assert_int_equal(db_open(&(struct db_opts){&spy, path, DB_READ}, &r.db, NULL), ERR_OK);
    arena_init(&r.row);
    buf_init(&faults, MIB(1));
    n_plans = 0;
    db_begin(r.db);
    fn(&r);
    db_rollback(r.db);
    db_close(r.db);
    db_close(explainer);
    arena_done(&r.row);
    assert_true(n_plans > 0);
    if (must_walk != NULL && !walked)
        fail_msg("no statement uses %s", must_walk);
    must_walk = NULL;
    walked = false;
    assert_string_equal(buf_str(&faults), "");
    buf_done(&faults);
}

/* Each bit of `bits` is a filter. */
static struct run_filter run_filter_of_bits(uint32_t bits)
{
    return (struct run_filter){.launch = {bits & 1},
                               .server = {bits >> 1 & 1},
                               .test = {bits >> 2 & 1},
                               .path = (bits & 8) != 0 ? "t1 spec" : NULL,
                               .file = (bits & 16) != 0 ? "spec/t1_spec.rb" : NULL,
                               .user = {bits >> 5 & 1},
                               .project = {(bits & 64) != 0 ? 3 : 0},
                               .ref = (bits & 128) != 0 ? "develop" : NULL,
                               .language = (bits & 256) != 0 ? "" : NULL,
                               .since = {(bits & 512) != 0 ? 1699999999000 : 0},
                               .until = {(bits & 512) != 0 ? 1700000009000 : 0},
                               .state = -1};
}

static void all_runs(struct reader *r)
{
    static const uint32_t outcomes[] = {0, 1u << OUTCOME_PASSED, 1u << OUTCOME_FAILED,
                                        1u << OUTCOME_FAILED | 1u << OUTCOME_ERROR,
                                        1u << OUTCOME_PASSED | 1u << OUTCOME_FAILED};
    uint32_t bits;
    size_t o;
    int state;

    for (bits = 0; bits < 1024; bits += 1 + bits % 3) {
        for (o = 0; o < ARRAY_LEN(outcomes); o++) {
            struct page p = {.limit = 50, .after = bits % 3 * 1000};
            struct run_filter f = run_filter_of_bits(bits);

            f.outcomes = outcomes[o];
            assert_int_equal(read_runs(r, &f, &p, no_run, NULL, NULL), ERR_OK);
        }
    }
    for (bits = 0; bits < 32; bits++) {
        for (state = -2; state < RUN_STATE_COUNT; state++) {
            struct page p = {.limit = 50};
            struct run_filter f = run_filter_of_bits(bits);

            f.state = state;
            assert_int_equal(read_runs(r, &f, &p, no_run, NULL, NULL), ERR_OK);
        }
    }
}

static void test_store_plans__runs_by_every_filter(void **state)
{
    put_launch_of(*state, 3);
    with_explained(*state, all_runs);
}

static void test_store_plans__runs_by_a_word_that_many_paths_hold(void **state)
{
    put_launch_of(*state, 700);
    with_explained(*state, all_runs);
}

/* Whatever the page offers has an index that finds the run and its place; what else is asked stands in it, too. */
static const struct {
    struct run_filter f;
    const char *index;
} indexed_runs[] = {
    {{.state = -1}, "INTEGER PRIMARY KEY (rowid"},
    {{.launch = {1}, .state = -1}, "INDEX runs_launch (launch=? AND id"},
    {{.test = {1}, .state = -1}, "INDEX runs_test (test=? AND id"},
    {{.server = {1}, .state = -1}, "COVERING INDEX runs_server (server=? AND id"},
    {{.server = {1}, .user = {1}, .state = -1}, "COVERING INDEX runs_server (server=? AND id"},
    {{.server = {1}, .since = {1}, .until = {1800000000000}, .state = -1},
     "COVERING INDEX runs_server (server=? AND id"},
    {{.server = {1}, .outcomes = 1u << OUTCOME_FAILED, .state = -1},
     "COVERING INDEX runs_server_outcome (server=? AND outcome=? AND id"},
    {{.file = "spec/t1_spec.rb", .state = -1}, "COVERING INDEX runs_path (path=? AND id"},
    {{.file = "spec/t1_spec.rb", .user = {1}, .state = -1}, "COVERING INDEX runs_path (path=? AND id"},
    {{.file = "spec/t1_spec.rb", .outcomes = 1u << OUTCOME_ERROR, .state = -1},
     "COVERING INDEX runs_path_outcome (path=? AND outcome=? AND id"},
    {{.path = "t11", .state = -1}, "COVERING INDEX runs_path (path=? AND id"},
    {{.path = "t11", .outcomes = 1u << OUTCOME_FAILED, .state = -1},
     "COVERING INDEX runs_path_outcome (path=? AND outcome=? AND id"},
    {{.user = {1}, .state = -1}, "COVERING INDEX runs_origin (origin=? AND id"},
    {{.project = {3}, .state = -1}, "COVERING INDEX runs_origin (origin=? AND id"},
    {{.ref = "develop", .state = -1}, "COVERING INDEX runs_origin (origin=? AND id"},
    {{.browser = "", .language = "", .state = -1}, "COVERING INDEX runs_origin (origin=? AND id"},
    {{.user = {1}, .outcomes = 1u << OUTCOME_FAILED, .state = -1},
     "COVERING INDEX runs_origin_outcome (origin=? AND outcome=? AND id"},
    {{.project = {3}, .ref = "develop", .outcomes = 1u << OUTCOME_FAILED, .state = -1},
     "COVERING INDEX runs_origin_outcome (origin=? AND outcome=? AND id"},
    {{.outcomes = 1u << OUTCOME_TIMED_OUT, .state = -1}, "COVERING INDEX runs_outcome (outcome=? AND id"},
    {{.state = -2}, "INDEX runs_living (id"},
    {{.state = RUN_LOST}, "INDEX runs_lost (id"},
};
static size_t at_index; /* of the row that is looked at */

static void runs_by_their_index(struct reader *r)
{
    struct page p = {.limit = 50};

    assert_int_equal(read_runs(r, &indexed_runs[at_index].f, &p, no_run, NULL, NULL), ERR_OK);
}

static void test_store_plans__each_filter_of_runs_has_an_index(void **state)
{
    put_launch_of(*state, 1500); /* more than the first window */
    for (at_index = 0; at_index < ARRAY_LEN(indexed_runs); at_index++) {
        must_walk = indexed_runs[at_index].index;
        with_explained(*state, runs_by_their_index);
    }
}

static void all_tests(struct reader *r)
{
    int state;
    int outcome;

    for (state = -1; state < TEST_STATE_COUNT; state++) {
        for (outcome = -1; outcome < OUTCOME_COUNT; outcome++) {
            struct page p = {.limit = 50};
            struct test_filter f = {{1}, state, outcome};

            assert_int_equal(read_tests(r, &f, &p, no_test, NULL, NULL), ERR_OK);
        }
    }
    assert_int_equal(read_test(r, (struct test_id){1}, no_test, NULL, NULL), ERR_OK);
}

static void test_store_plans__tests_by_every_filter(void **state)
{
    put_launch_of(*state, 3);
    with_explained(*state, all_tests);
}

static void all_launches(struct reader *r)
{
    uint64_t project;
    int state;

    for (project = 0; project < 2; project++) {
        for (state = -1; state < LAUNCH_STATE_COUNT; state++) {
            struct page p = {.limit = 50};
            struct launch_filter f = {.project = {project}, .state = state};

            assert_int_equal(read_launches(r, &f, &p, no_launch, NULL, NULL), ERR_OK);
        }
    }
    assert_int_equal(read_launch(r, (struct launch_id){1}, no_launch, NULL, NULL), ERR_OK);
}

static void test_store_plans__launches_by_every_filter(void **state)
{
    put_launch_of(*state, 3);
    with_explained(*state, all_launches);
}

static const struct {
    struct launch_filter f;
    const char *index;
} indexed_launches[] = {
    {{.state = -1}, "INTEGER PRIMARY KEY (rowid"},
    {{.state = LAUNCH_DONE, .name = "x"}, "INTEGER PRIMARY KEY (rowid"},
    {{.state = LAUNCH_RUNNING}, "INDEX launches_living (id"},
    {{.user = {1}, .state = -1}, "INDEX launches_user (user_id=? AND id"},
    {{.project = {3}, .state = -1}, "INDEX launches_project (project=? AND id"},
    {{.ref = "develop", .project = {3}, .state = -1}, "INDEX launches_ref (ref=? AND id"},
    {{.schedule = 1, .state = LAUNCH_RUNNING}, "INDEX launches_schedule (schedule=? AND id"},
    {{.outcomes = 1u << OUTCOME_FAILED, .state = -1}, "INDEX launches_outcome (outcome=? AND id"},
    {{.since = {1700000000000}, .until = {1800000000000}, .state = -1}, "INTEGER PRIMARY KEY (rowid"},
};

static void launches_by_their_index(struct reader *r)
{
    struct page p = {.limit = 50};

    assert_int_equal(read_launches(r, &indexed_launches[at_index].f, &p, no_launch, NULL, NULL), ERR_OK);
}

static void test_store_plans__each_filter_of_launches_has_an_index(void **state)
{
    put_launch_of(*state, 3);
    for (at_index = 0; at_index < ARRAY_LEN(indexed_launches); at_index++) {
        must_walk = indexed_launches[at_index].index;
        with_explained(*state, launches_by_their_index);
    }
}

static void all_examples(struct reader *r)
{
    uint32_t statuses;

    for (statuses = 0; statuses < 1u << EXAMPLE_STATUS_COUNT; statuses++) {
        struct page p = {.limit = 50};
        struct example_filter of_run = {.run = {1}, .statuses = statuses};
        struct example_filter of_launch = {.launch = {1}, .statuses = statuses};

        assert_int_equal(read_examples(r, &of_run, &p, no_example, NULL, NULL), ERR_OK);
        assert_int_equal(read_examples(r, &of_launch, &p, no_example, NULL, NULL), ERR_OK);
    }
}

static void test_store_plans__examples_by_every_filter(void **state)
{
    put_launch_of(*state, 3);
    with_explained(*state, all_examples);
}

static void no_cause(void *ctx, const struct cause_row *row)
{
    (void)ctx;
    (void)row;
}

static void all_of_causes(struct reader *r)
{
    struct cause_sums sums;

    assert_int_equal(read_causes(r, (struct launch_id){1}, 1, no_cause, NULL, &sums, NULL), ERR_OK);
}

static void all_found_examples(struct reader *r)
{
    for (uint32_t bits = 0; bits < 128; bits++) {
        struct page p = {.limit = 50, .after = bits % 3 == 0 ? 1 << 26 : 0};
        struct example_search f = {.project = {(bits & 1) != 0 ? 3 : 0},
                                   .launch = {(bits & 2) != 0 ? 1 : 0},
                                   .path = (bits & 4) != 0 ? "spec/t0_spec.rb" : NULL,
                                   .id = (bits & 8) != 0 ? "x" : NULL,
                                   .q = (bits & 16) != 0 ? "some words" : NULL,
                                   .cause = (bits & 32) != 0 ? 7 : 0,
                                   .statuses = (bits & 64) != 0 ? 1u << EXAMPLE_FAILED : 0};
        struct why why;
        bool refused = (bits & 3) == 0 && (bits & 12) != 0;

        assert_int_equal(read_examples_found(r, &f, &p, no_example, NULL, &why),
                         refused ? ERR_INVALID : ERR_OK);
    }
}

static void test_store_plans__examples_across_launches(void **state)
{
    put_launch_of(*state, 3);
    with_explained(*state, all_found_examples);
}

static void no_item(void *ctx, const struct compare_item *item)
{
    (void)ctx;
    (void)item;
}

static void no_stability(void *ctx, const struct stability_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_slow(void *ctx, const struct slow_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_trend(void *ctx, const struct trend_row *row)
{
    (void)ctx;
    (void)row;
}

static void all_of_comparison(struct reader *r)
{
    struct stability_filter f = {.project = {3}, .n_runs = 20};
    struct slow_filter slow = {.project = {3}, .ref = "develop", .max = 10};
    struct trend_filter trend = {.project = {3}, .max = 10};
    struct page p = {.limit = 50};
    struct compare c;

    assert_int_equal(
        read_compare(r, (struct launch_id){2}, (struct launch_id){0}, 0, &p, no_item, NULL, &c, NULL),
        ERR_OK);
    assert_int_equal(c.other.v, 1);
    p.after = 0;
    assert_int_equal(read_stability(r, &f, &p, no_stability, NULL, NULL), ERR_OK);
    p.after = 0;
    f.path = "spec/t0_spec.rb:12";
    assert_int_equal(read_stability(r, &f, &p, no_stability, NULL, NULL), ERR_OK);
    for (slow.of_examples = false;; slow.of_examples = true) {
        assert_int_equal(read_slowest(r, &slow, no_slow, NULL, NULL), ERR_OK);
        if (slow.of_examples)
            break;
    }
    assert_int_equal(read_trend(r, &trend, no_trend, NULL, NULL), ERR_OK);
    trend.path = "spec/t0_spec.rb";
    assert_int_equal(read_trend(r, &trend, no_trend, NULL, NULL), ERR_OK);
}

/* Launch 1 is done and launch 2 has its tests; one of each has failed. */
static void put_two_launches(struct world *w)
{
    struct change c[4] = {a_launch(2),
                          a_test(9, 2, 0, "spec/t0_spec.rb"),
                          a_run(9, 9, 2, "spec/t0_spec.rb"),
                          {.kind = CHANGE_LAUNCH_SET}};
    struct change end[2] = {{.kind = CHANGE_RUN_SET}, {.kind = CHANGE_TEST_SET}};

    put_launch_of(w, 3);
    c[3].launch = a_launch(1).launch;
    c[3].launch.state = LAUNCH_DONE;
    c[3].launch.outcome = OUTCOME_FAILED;
    put(w, c, 4);
    for (uint64_t id = 1; id <= 9; id += 8) {
        end[0].run =
            (struct run_row){.id = {id}, .state = RUN_DONE, .outcome = OUTCOME_FAILED, .reason = "exit 1"};
        end[1].test =
            (struct test_row){.id = {id}, .state = TEST_DONE, .outcome = OUTCOME_FAILED, .run = {id}};
        put(w, end, 2);
    }
}

/* The tests of a launch are sorted by nothing: their index has them in order. */
static void test_store_plans__comparison_and_stability(void **state)
{
    put_two_launches(*state);
    with_explained(*state, all_of_comparison);
}

static void test_store_plans__causes(void **state)
{
    put_launch_of(*state, 3);
    with_explained(*state, all_of_causes);
}

/* Each filter, alone and with a time, has an index of its own; any of them together use one of those. */
static void all_of_the_audit_log(struct reader *r)
{
    static const struct {
        struct audit_filter f;
        const char *index;
    } alone[] = {
        {{.user = {0}}, "INDEX audit_time (created_at"},
        {{.user = {1}}, "INDEX audit_user (user_id=? AND created_at"},
        {{.action = "launch"}, "INDEX audit_area (area=? AND created_at"},
        {{.action = "launch.start"}, "INDEX audit_action (action=? AND created_at"},
        {{.object = "launch 1"}, "INDEX audit_object (object=? AND created_at"},
        {{.refused = true}, "INDEX audit_refused (created_at"},
    };
    size_t i;
    uint32_t bits;

    for (i = 0; i < ARRAY_LEN(alone); i++) {
        for (bits = 0; bits < 4; bits++) {
            struct page p = {.limit = 50, .after = bits & 1};
            struct audit_filter f = alone[i].f;

            f.from.ms = (bits & 2) != 0 ? 1000 : 0;
            f.to.ms = (bits & 2) != 0 ? 2000 : 0;
            must_use = alone[i].index;
            assert_int_equal(read_audit(r, &f, &p, no_audit, NULL, NULL), ERR_OK);
            must_use = NULL;
        }
    }
    for (bits = 0; bits < 32; bits++) {
        struct page p = {.limit = 50};
        struct audit_filter f = {.user = {bits & 1},
                                 .action = (bits & 2) != 0 ? (bits & 16) != 0 ? "run" : "run.stop" : NULL,
                                 .object = (bits & 4) != 0 ? "run 1" : NULL,
                                 .refused = (bits & 8) != 0};

        assert_int_equal(read_audit(r, &f, &p, no_audit, NULL, NULL), ERR_OK);
    }
}

static void no_mail(void *ctx, const struct mail_row *row)
{
    (void)ctx;
    (void)row;
}

static void all_of_mail(struct reader *r)
{
    struct page p = {.limit = 50, .after = 7};
    struct why why;
    int state;

    for (state = -1; state < (int)MAIL_STATE_COUNT; state++)
        assert_int_equal(read_mails(r, state, &p, no_mail, NULL, NULL), ERR_OK);
    assert_int_equal(read_mail(r, 1, no_mail, NULL, &why), ERR_NOTFOUND);
    must_use = "mails_waiting";
    assert_int_equal(read_mail_next(r, no_mail, NULL, NULL), ERR_OK);
    must_use = NULL;
}

static void test_store_plans__mail(void **state)
{
    with_explained(*state, all_of_mail);
}

static void no_commit(void *ctx, const char *commit)
{
    (void)ctx;
    (void)commit;
}

static void no_choice(void *ctx, const struct choice_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_own_location(void *ctx, const struct own_location_row *row)
{
    (void)ctx;
    (void)row;
}

static void all_of_choices(struct reader *r)
{
    must_use = "choices_order";
    assert_int_equal(read_choices(r, CHOICE_LOCATION, true, no_choice, NULL, NULL), ERR_OK);
    assert_int_equal(read_choice_preset(r, CHOICE_BROWSER, no_choice, NULL, NULL), ERR_OK);
    must_use = "choices_name";
    assert_int_equal(read_choice_named(r, CHOICE_LANGUAGE, "en-US", no_choice, NULL, NULL), ERR_OK);
    must_use = "own_locations_age";
    assert_int_equal(read_own_locations(r, (struct user_id){7}, no_own_location, NULL, NULL), ERR_OK);
    must_use = NULL;
    assert_int_equal(read_choice(r, CHOICE_LOCATION, 1, no_choice, NULL, NULL), ERR_OK);
}

static void test_store_plans__choices(void **state)
{
    with_explained(*state, all_of_choices);
}

static void no_cost(void *ctx, const struct cost_item *item)
{
    (void)ctx;
    (void)item;
}

/* Only the days that are asked for are read, of a user only what is the user's. */
static void all_of_the_ledger(struct reader *r)
{
    struct cost_filter f = {.from_day = 20000, .to_day = 20029};
    struct cost_rate rate;
    struct cost_sums sums;

    may_sort = true;
    for (f.user.v = 0; f.user.v < 2; f.user.v++) {
        assert_int_equal(read_cost_sums(r, &f, &sums, NULL), ERR_OK);
        for (int by = 0; by < COST_BY_COUNT; by++) {
            struct cost_page p = {.limit = 50, .has_after = by % 2 == 0};

            f.by = (enum cost_by)by;
            if (f.user.v != 0 && (f.by == COST_BY_SERVER || f.by == COST_BY_FLEET))
                continue;
            must_use =
                by == COST_BY_DAY && f.user.v != 0 ? "INDEX cost_launches_user (user_id=? AND day" : NULL;
            assert_int_equal(read_costs(r, &f, &p, no_cost, NULL, NULL), ERR_OK);
            must_use = NULL;
        }
    }
    may_sort = false;
    assert_int_equal(read_cost_rate(r, &rate, NULL), ERR_OK);
}

static void test_store_plans__the_ledger(void **state)
{
    with_explained(*state, all_of_the_ledger);
}

static void no_list(void *ctx, const struct list_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_schedule(void *ctx, const struct schedule_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_start(void *ctx, const struct start_row *row)
{
    (void)ctx;
    (void)row;
}

static void lists_and_schedules(struct reader *r)
{
    struct page p = {.limit = 50, .after = 7};
    struct launch_id launch;
    struct user_id user;
    struct why why;
    uint64_t id;

    assert_int_equal(read_list(r, 1, no_list, NULL, &why), ERR_NOTFOUND);
    assert_int_equal(read_lists(r, (struct user_id){1}, &p, no_list, NULL, NULL), ERR_OK);
    assert_int_equal(read_list_user(r, 1, &user, &why), ERR_NOTFOUND);
    assert_int_equal(read_schedule(r, 1, no_schedule, NULL, &why), ERR_NOTFOUND);
    assert_int_equal(read_schedules(r, &(struct schedule_filter){{1}, 2}, &p, no_schedule, NULL, NULL),
                     ERR_OK);
    assert_int_equal(read_schedule_user(r, 1, &user, &why), ERR_NOTFOUND);
    assert_int_equal(read_starts(r, 1, &p, no_start, NULL, NULL), ERR_OK);
    assert_int_equal(read_start(r, 1, (struct wall){5}, no_start, NULL, NULL), ERR_OK);
    assert_int_equal(read_schedule_launch_living(r, 1, &launch, NULL), ERR_OK);
    must_use = "lists_name";
    assert_int_equal(read_list_named(r, (struct user_id){1}, "x", &id, &why), ERR_NOTFOUND);
    must_use = NULL;
    assert_int_equal(read_schedules_due(r, 16, no_schedule, NULL, NULL), ERR_OK);
}

static void test_store_plans__lists_and_schedules(void **state)
{
    with_explained(*state, lists_and_schedules);
}

static void no_artifact(void *ctx, const struct artifact_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_pack(void *ctx, const struct artifact_pack_row *row)
{
    (void)ctx;
    (void)row;
}

static void no_glob(void *ctx, const char *glob)
{
    (void)ctx;
    (void)glob;
}

static void all_of_artifacts(struct reader *r)
{
    struct page p = {.limit = 50, .after = 7};
    struct artifact_sums sums;
    struct user_id user;
    struct run_id at = {0};
    struct why why;
    bool is_known;

    assert_int_equal(read_artifacts(r, &(struct artifact_filter){.run = {1}}, &p, no_artifact, NULL, NULL),
                     ERR_OK);
    assert_int_equal(read_artifacts(r, &(struct artifact_filter){.launch = {1}}, &p, no_artifact, NULL, NULL),
                     ERR_OK);
    assert_int_equal(read_artifact(r, 1, no_artifact, NULL, &why), ERR_NOTFOUND);
    assert_int_equal(read_artifact_user(r, 1, &user, &why), ERR_NOTFOUND);
    assert_int_equal(read_artifact_sums(r, &sums, NULL), ERR_OK);
    assert_int_equal(read_artifact_packs_orphaned(r, &at, 50, no_pack, NULL, NULL), ERR_OK);
    assert_int_equal(read_artifact_pack_is_known(r, at, "x", &is_known, NULL), ERR_OK);
    assert_int_equal(read_launch_artifacts(r, (struct launch_id){1}, no_glob, NULL, NULL), ERR_OK);
    must_use = "artifact_packs_age";
    assert_int_equal(read_artifact_packs_oldest(r, 50, no_pack, NULL, NULL), ERR_OK);
    must_use = NULL;
}

static void test_store_plans__artifacts(void **state)
{
    with_explained(*state, all_of_artifacts);
}

static void test_store_plans__audit_by_every_filter(void **state)
{
    with_explained(*state, all_of_the_audit_log);
}

static void accounts(struct reader *r)
{
    struct user_sums sums;
    struct user_id user;

    accounts_boot(r, no_account_change, NULL);
    assert_int_equal(read_launch_user(r, (struct launch_id){1}, &user, NULL), ERR_OK);
    assert_int_equal(read_run_user(r, (struct run_id){1}, &user, NULL), ERR_OK);
    assert_int_equal(read_user_sums(r, (struct user_id){1}, &sums, NULL), ERR_OK);
}

static void test_store_plans__accounts(void **state)
{
    put_launch_of(*state, 3);
    with_explained(*state, accounts);
}

static void the_rest(struct reader *r)
{
    struct log_info info;
    struct buf out;

    buf_init(&out, 100);
    assert_int_equal(read_fleets(r, no_fleet, NULL, NULL), ERR_OK);
    assert_int_equal(read_fleet(r, (struct fleet_id){1}, no_fleet, NULL, NULL), ERR_OK);
    assert_int_equal(read_servers(r, no_server, NULL, NULL), ERR_OK);
    assert_int_equal(read_server(r, (struct server_id){1}, no_server, NULL, NULL), ERR_OK);
    assert_int_equal(read_projects(r, no_project, NULL, NULL), ERR_OK);
    assert_int_equal(read_project(r, (struct project_id){1}, no_project, NULL, NULL), ERR_NOTFOUND);
    assert_int_equal(read_project_named(r, "none", no_project, NULL, NULL), ERR_NOTFOUND);
    assert_int_equal(read_living_commits(r, (struct project_id){3}, no_commit, NULL, NULL), ERR_OK);
    assert_int_equal(read_predictions(r, (struct project_id){3}, no_prediction, NULL, NULL), ERR_OK);
    assert_int_equal(read_run(r, (struct run_id){1}, no_run, NULL, NULL), ERR_OK);
    assert_int_equal(read_log(r, (struct run_id){1}, 0, 50, &out, &info, NULL), ERR_OK);
    fleets_boot(r, no_change, NULL);
    servers_boot(r, no_change, NULL);
    launches_boot(r, no_change, NULL);
    tests_boot(r, no_change, NULL);
    runs_boot(r, no_change, NULL);
    streams_boot(r, no_stream, NULL);
    buf_done(&out);
}

static void test_store_plans__single_rows_predictions_logs_and_boot(void **state)
{
    struct world *w = *state;

    put_launch_of(w, 3);
    append(w, 1, 0, "hello", 5);
    append(w, 1, 5, "world", 5);
    settle(w);
    with_explained(w, the_rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_plans__##name, setup, teardown)
        TEST(runs_by_every_filter),
        TEST(runs_by_a_word_that_many_paths_hold),
        TEST(each_filter_of_runs_has_an_index),
        TEST(tests_by_every_filter),
        TEST(launches_by_every_filter),
        TEST(each_filter_of_launches_has_an_index),
        TEST(examples_by_every_filter),
        TEST(causes),
        TEST(examples_across_launches),
        TEST(comparison_and_stability),
        TEST(audit_by_every_filter),
        TEST(mail),
        TEST(choices),
        TEST(artifacts),
        TEST(lists_and_schedules),
        TEST(accounts),
        TEST(the_ledger),
        TEST(single_rows_predictions_logs_and_boot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
