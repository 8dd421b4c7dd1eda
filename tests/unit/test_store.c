/* test_store.c - what the store promises: what was acknowledged is there, once, in order, after anything. */
#include "unit/test_store_world.h"

/* ---- rows as text, so that they can be compared ------------------------------------------------------------ */

static void put_words(struct buf *b, const char *const *words, uint32_t n)
{
    uint32_t i;

    buf_printf(b, " [%u", n);
    for (i = 0; i < n; i++)
        buf_printf(b, "|%s", words[i]);
    buf_puts(b, "]");
}

static void put_server(struct buf *b, const struct server_row *s)
{
    buf_printf(b, "server %llu %s %d %s %s %s %u %u %lld %d %lld %s %s %s\n", (unsigned long long)s->id.v,
               s->name, s->fleet, s->address, s->user, s->identity, s->port, s->slots,
               (long long)s->created_at.ms, s->link, (long long)s->link_since.ms, s->link_reason,
               s->agent_version, s->facts);
}

static void put_launch(struct buf *b, const struct launch_row *l)
{
    uint32_t i;

    buf_printf(b, "launch %llu %llu %llu %s %s %s %s %d %u %lld %lld %u %u %lld %d %d %lld %lld",
               (unsigned long long)l->id.v, (unsigned long long)l->user.v, (unsigned long long)l->project.v,
               l->project_name, l->name, l->ref, l->commit, l->order, l->retries, (long long)l->time_limit_ms,
               (long long)l->silence_limit_ms, l->lease_ms, l->n_tests, (long long)l->created_at.ms, l->state,
               l->outcome, (long long)l->started_at.ms, (long long)l->ended_at.ms);
    put_words(b, l->env, l->n_env);
    for (i = 0; i < l->n_servers; i++)
        buf_printf(b, " %llu", (unsigned long long)l->servers[i]);
    buf_puts(b, "\n");
}

static void put_test(struct buf *b, const struct test_row *t)
{
    buf_printf(b, "test %llu %llu %u %s %d", (unsigned long long)t->id.v, (unsigned long long)t->launch.v,
               t->position, t->path, t->adapter);
    put_words(b, t->argv, t->n_argv);
    buf_printf(b, " %lld %d %d %u %u %llu\n", (long long)t->predicted_ms, t->state, t->outcome, t->attempts,
               t->losses, (unsigned long long)t->run.v);
}

static void put_run(struct buf *b, const struct run_row *r)
{
    const struct finish *f = &r->finish;
    const struct tally *t = &r->tally;

    buf_printf(b, "run %llu %llu %llu %llu %s %s %u %u %d %d %s", (unsigned long long)r->id.v,
               (unsigned long long)r->test.v, (unsigned long long)r->launch.v,
               (unsigned long long)r->server.v, r->server_name, r->path, r->attempt, r->slot, r->state,
               r->outcome, r->reason);
    buf_printf(b, " %u %d %d %lld %lld %lld %lld %lld %llu %llu", f->how, f->exit_code, f->signal,
               (long long)f->duration_us, (long long)f->user_us, (long long)f->system_us,
               (long long)f->max_rss_kib, (long long)f->gap_us, (unsigned long long)f->log_bytes,
               (unsigned long long)f->log_dropped_bytes);
    buf_printf(b, " %u %u %u %u %u %d %d %d %u %lld %lld %lld\n", t->discovered, t->passed, t->failed,
               t->pending, t->errors, t->started, t->ended, t->aborted, t->bad_lines,
               (long long)r->created_at.ms, (long long)r->started_at.ms, (long long)r->ended_at.ms);
}

static void put_change(void *ctx, const struct change *c)
{
    struct buf *b = ctx;

    switch (c->kind) {
    case CHANGE_IDS:
        buf_printf(b, "ids %llu %llu %llu %llu\n", (unsigned long long)c->ids.server,
                   (unsigned long long)c->ids.launch, (unsigned long long)c->ids.test,
                   (unsigned long long)c->ids.run);
        break;
    case CHANGE_SERVER_PUT:
        put_server(b, &c->server);
        break;
    case CHANGE_LAUNCH_ADD:
        put_launch(b, &c->launch);
        break;
    case CHANGE_TEST_ADD:
        put_test(b, &c->test);
        break;
    case CHANGE_RUN_ADD:
        put_run(b, &c->run);
        break;
    default:
        buf_printf(b, "kind %d\n", c->kind);
        break;
    }
}

static char *boot_text(struct world *w)
{
    struct buf b;
    struct why why = {0};

    buf_init(&b, MIB(64));
    if (store_boot(w->st, put_change, &b, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return buf_take(&b, NULL);
}

/* ---- boot -------------------------------------------------------------------------------------------------- */

static void test_store__boot_of_an_empty_store_gives_ids_from_one(void **state)
{
    struct world *w = *state;
    char *text = boot_text(w);

    assert_string_equal(text, "ids 1 1 1 1\n");
    free(text);
}

static void test_store__boot_equals_what_was_written(void **state)
{
    struct world *w = *state;
    const char *argv[] = {"rspec", "spec/a_spec.rb", "", "\1", "\1\1", NASTY};
    struct change c[7];
    struct buf expected;
    char *text;
    uint32_t i;

    c[0] = a_server(7, "local-1");
    c[1] = a_server(8, "box");
    c[2] = a_launch(5);
    c[3] = a_test(40, 5, 0, "spec/a_spec.rb");
    c[3].test.argv = argv;
    c[3].test.n_argv = 6;
    c[4] = a_test(41, 5, 1, NASTY);
    c[5] = a_run(90, 40, 5, "spec/a_spec.rb");
    c[6] = a_run(91, 41, 5, NASTY);
    c[6].run.slot = 3;
    c[6].run.reason = NASTY;
    c[6].run.tally = (struct tally){9, 8, 7, 6, 5, true, false, true, 4};
    c[6].run.finish = (struct finish){1, -2, 9, 4, 5, 6, 7, -8, 9, 10};
    put(w, c, 7);
    world_reopen(w);
    buf_init(&expected, MIB(1));
    buf_puts(&expected, "ids 9 6 42 92\n");
    for (i = 0; i < 7; i++)
        put_change(&expected, &c[i]);
    text = boot_text(w);
    assert_string_equal(text, buf_str(&expected));
    free(text);
    buf_done(&expected);
}

static void test_store__boot_gives_what_sets_left(void **state)
{
    struct world *w = *state;
    struct change c[4];
    char *before;
    char *text;

    put_launch_of(w, 1);
    c[0] = a_launch(1);
    c[0].kind = CHANGE_LAUNCH_SET;
    c[0].launch = (struct launch_row){.id = {1}, .state = LAUNCH_STOPPING, .started_at = {55}};
    c[1].kind = CHANGE_TEST_SET;
    c[1].test = (struct test_row){.id = {1}, .state = TEST_ACTIVE, .attempts = 3, .losses = 2, .run = {1}};
    c[2].kind = CHANGE_RUN_SET;
    c[2].run = (struct run_row){.id = {1},
                                .slot = 2,
                                .state = RUN_STOPPING,
                                .reason = NASTY,
                                .started_at = {77},
                                .tally = {5, 4, 3, 2, 1, true, true, true, 1},
                                .finish = {.exit_code = -1, .how = 2}};
    c[3].kind = CHANGE_SERVER_DELETE;
    c[3].server = (struct server_row){.id = {2}};
    put(w, c, 4);
    before = boot_text(w);
    assert_non_null(strstr(before, "ids 3 2 2 2\n"));
    assert_non_null(strstr(before, " 1700000001000 1 0 55 0 ["));
    assert_non_null(strstr(before, "] 1234 1 0 3 2 1\n"));
    assert_non_null(
        strstr(before, " 1 2 2 0 " NASTY " 2 -1 0 0 0 0 0 0 0 0 5 4 3 2 1 1 1 1 1 1700000002000 77 0\n"));
    assert_null(strstr(before, "local-2"));
    world_reopen(w);
    text = boot_text(w);
    assert_string_equal(before, text);
    free(before);
    free(text);
}

static void test_store__boot_leaves_out_what_is_over(void **state)
{
    struct world *w = *state;
    struct change c[3] = {{.kind = CHANGE_RUN_SET}, {.kind = CHANGE_TEST_SET}, {.kind = CHANGE_LAUNCH_SET}};
    char *text;

    put_launch_of(w, 2);
    c[0].run = (struct run_row){.id = {1}, .state = RUN_DONE, .outcome = OUTCOME_PASSED, .reason = ""};
    c[1].test = (struct test_row){.id = {1}, .state = TEST_DONE, .outcome = OUTCOME_PASSED, .run = {1}};
    put(w, c, 2);
    text = boot_text(w);
    assert_null(strstr(text, "run 1 "));
    assert_non_null(strstr(text, "run 2 "));
    assert_non_null(strstr(text, "test 1 "));
    free(text);
    c[2].launch = (struct launch_row){.id = {1}, .state = LAUNCH_DONE, .outcome = OUTCOME_PASSED};
    put(w, &c[2], 1);
    text = boot_text(w);
    assert_null(strstr(text, "launch"));
    assert_null(strstr(text, "test"));
    assert_null(strstr(text, "run"));
    free(text);
}

static void test_store__an_id_is_never_given_twice(void **state)
{
    struct world *w = *state;
    struct change c = a_server(30, "gone");
    char *text;

    put(w, &c, 1);
    c.kind = CHANGE_SERVER_DELETE;
    put(w, &c, 1);
    world_reopen(w);
    text = boot_text(w);
    assert_string_equal(text, "ids 31 1 1 1\n");
    free(text);
}

/* ---- order and wake ----------------------------------------------------------------------------------------- */

struct order {
    struct world *w;
    uint32_t next;
    uint32_t n_wrong;
};

struct numbered {
    struct order *o;
    uint32_t number;
};

static void on_numbered(void *ctx, enum err err, const struct why *why)
{
    struct numbered *n = ctx;

    (void)why;
    assert_int_equal(err, ERR_OK);
    if (n->o->next++ != n->number)
        n->o->n_wrong++;
    n->o->w->pending--;
}

static void test_store__done_is_called_in_the_order_of_submission(void **state)
{
    struct world *w = *state;
    struct order o = {w, 0, 0};
    struct numbered n[3000];
    struct change c[2] = {{.kind = CHANGE_TEST_SET}};
    uint32_t i;

    put_launch_of(w, 2);
    c[0].test = (struct test_row){.id = {1}, .state = TEST_ACTIVE};
    for (i = 0; i < 3000; i++) {
        n[i] = (struct numbered){&o, i};
        w->pending++;
        switch (i % 4) {
        case 0:
            store_changes(w->st, NULL, 0, on_numbered, &n[i]);
            break;
        case 1:
            store_changes(w->st, c, 1, on_numbered, &n[i]);
            break;
        case 2:
            store_log_append(w->st, (struct run_id){1}, i / 4, xstrdup("x"), 1, on_numbered, &n[i]);
            break;
        default:
            store_log_append(w->st, (struct run_id){2}, 0, NULL, 0, on_numbered, &n[i]);
            break;
        }
    }
    settle(w);
    assert_int_equal(o.n_wrong, 0);
    assert_int_equal(o.next, 3000);
}

static void test_store__close_finishes_what_is_queued_and_tells(void **state)
{
    struct world *w = *state;
    struct change c[200];
    uint32_t i;
    char *text;

    for (i = 0; i < 200; i++) {
        c[i] = a_server(1, "busy");
        c[i].server.slots = i + 1;
        put_changes(w, &c[i], 1);
    }
    world_reopen(w);
    assert_int_equal(w->pending, 0);
    assert_int_equal(w->n_failed, 0);
    text = boot_text(w);
    assert_non_null(strstr(text, " 2222 200 "));
    free(text);
}

/* ---- the folder -------------------------------------------------------------------------------------------- */

static void test_store__second_open_is_refused_with_the_pid(void **state)
{
    struct world *w = *state;
    struct world other = *w;
    struct why why = {0};
    char pid[32];

    (void)snprintf(pid, sizeof(pid), "(pid %ld)", (long)getpid());
    assert_int_equal(world_open(&other, &why), ERR_CONFLICT);
    assert_non_null(strstr(why.text, pid));
    assert_non_null(strstr(why.text, w->dir));
}

static void test_store__the_folder_is_private_and_keeps_its_instance(void **state)
{
    struct world *w = *state;
    char instance[32];
    char path[128];
    struct stat st;

    (void)snprintf(instance, sizeof(instance), "%s", store_instance(w->st));
    assert_int_equal(strlen(instance), 16);
    world_reopen(w);
    assert_string_equal(instance, store_instance(w->st));
    store_close(w->st);
    w->st = NULL;
    (void)snprintf(path, sizeof(path), "%s/a/b", w->dir);
    assert_int_equal(
        store_open(&(struct store_opts){.dir = path, .wake = on_wake, .wake_ctx = w}, &w->st, NULL), ERR_OK);
    assert_string_not_equal(instance, store_instance(w->st));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void test_store__migrations_are_idempotent(void **state)
{
    struct world *w = *state;
    struct db *db;
    struct db_stmt *s;
    char path[128];
    int64_t n = 0;

    world_reopen(w);
    world_reopen(w);
    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_READ}, &db, NULL), ERR_OK);
    s = db_sql(db, "SELECT COUNT(*) FROM schema_version");
    while (db_row(s))
        n = db_get_int(s);
    assert_int_equal(db_error(db, NULL), ERR_OK);
    assert_int_equal(n, migrations_count);
    db_close(db);
}

static void test_store__a_newer_schema_is_refused(void **state)
{
    struct world *w = *state;
    struct why why = {0};
    struct db *db;
    char path[128];

    store_close(w->st);
    w->st = NULL;
    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_WRITE}, &db, NULL), ERR_OK);
    db_script(db, "INSERT INTO schema_version VALUES (9999, 'from the future', 0)");
    assert_int_equal(db_error(db, NULL), ERR_OK);
    db_close(db);
    assert_int_equal(world_open(w, &why), ERR_CONFLICT);
    assert_non_null(strstr(why.text, "newer wrata (schema 9999"));
    w->st = NULL;
}

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

static void test_store__a_read_sees_what_was_committed_before_it(void **state)
{
    struct world *w = *state;
    uint32_t i;

    put_launch_of(w, 1);
    for (i = 2; i < 40; i++) {
        struct change c = a_run(i, 1, 1, "spec/t0_spec.rb");
        struct list l = {.runs = {.test = {1}, .state = -1, .outcome = -1}, .page = {.limit = 1}};

        put(w, &c, 1);
        read_now(w, list_runs, &l);
        assert_int_equal(l.err, ERR_OK);
        assert_int_equal(l.ids[0], i);
    }
}

static void test_store__tests_come_in_order_and_by_pages(void **state)
{
    struct world *w = *state;
    struct list l = {.tests = {.launch = {1}, .state = -1, .outcome = -1}, .page = {.limit = 7}};
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

static void test_store__tests_are_found_by_state_and_outcome(void **state)
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

static void test_store__runs_are_found_by_each_filter(void **state)
{
    struct world *w = *state;
    static const struct {
        struct run_filter f;
        uint32_t n;
        uint64_t first;
    } rows[] = {
        {{.state = -1, .outcome = -1}, 20, 20},
        {{.launch = {1}, .state = -1, .outcome = -1}, 20, 20},
        {{.launch = {2}, .state = -1, .outcome = -1}, 0, 0},
        {{.server = {1}, .state = -1, .outcome = -1}, 20, 20},
        {{.test = {4}, .state = -1, .outcome = -1}, 1, 4},
        {{.state = -2, .outcome = -1}, 17, 20},
        {{.state = RUN_DONE, .outcome = -1}, 2, 5},
        {{.state = RUN_LOST, .outcome = -1}, 1, 9},
        {{.state = RUN_ASSIGNED, .outcome = -1}, 17, 20},
        {{.state = -1, .outcome = OUTCOME_FAILED}, 1, 5},
        {{.state = -1, .outcome = OUTCOME_PASSED}, 1, 3},
        {{.launch = {1}, .state = -1, .outcome = OUTCOME_INFRASTRUCTURE}, 1, 9},
        {{.state = -1, .outcome = -1, .path = "T1"}, 11, 20},
        {{.state = -1, .outcome = -1, .path = " t1 9_spec "}, 1, 20},
        {{.state = -1, .outcome = -1, .path = "%"}, 0, 0},
        {{.state = -1, .outcome = -1, .path = "t_spec"}, 0, 0},
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

static void test_store__pages_are_stable_while_runs_are_added(void **state)
{
    struct world *w = *state;
    struct list l = {.runs = {.launch = {1}, .state = -1, .outcome = -1}, .page = {.limit = 3}};
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

static void test_store__launches_are_found_by_project_and_state(void **state)
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

static void test_store__servers_come_in_natural_order(void **state)
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

static void test_store__launch_counters_follow_tests_and_runs(void **state)
{
    struct world *w = *state;
    struct change c[3] = {{.kind = CHANGE_TEST_SET}, {.kind = CHANGE_RUN_SET}, {.kind = CHANGE_TEST_SET}};
    struct tally so_far = {.discovered = 10, .passed = 2, .started = true};
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
    /* another test ends */
    c[0].test = (struct test_row){.id = {2}, .state = TEST_DONE, .outcome = OUTCOME_FAILED, .run = {2}};
    c[1].run =
        (struct run_row){.id = {2},
                         .state = RUN_DONE,
                         .outcome = OUTCOME_FAILED,
                         .tally = {.discovered = 4, .passed = 1, .failed = 2, .pending = 1, .errors = 3}};
    put(w, c, 2);
    s = sums_now(w);
    assert_int_equal(s.waiting, 2);
    assert_int_equal(s.by_outcome[OUTCOME_FAILED], 1);
    assert_int_equal(s.tally.discovered, 4);
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
    struct tally t = {.discovered = n, .started = true};

    w->pending++;
    store_examples(w->st, (struct run_id){run}, (struct launch_id){1}, rows, n, bytes, &t, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

static void test_store__examples_come_by_run_and_by_launch(void **state)
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
    buf_printf(ctx, "%llu:%llu:%llu:%u:%u ", (unsigned long long)p->run.v, (unsigned long long)p->log_bytes,
               (unsigned long long)p->results_bytes, p->next_seq, p->tally.discovered);
}

static void test_store__boot_says_how_far_streams_are(void **state)
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
    assert_string_equal(buf_str(&b), "1:0:0:0:0 2:5:222:2:2 ");
    buf_done(&b);
}

static void test_store__what_nobody_knows_is_refused_alone(void **state)
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

static void test_store__projects_have_unique_names_and_new_ids(void **state)
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

static void test_store__predictions_are_medians_of_the_last_ten(void **state)
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

/* ---- failure ----------------------------------------------------------------------------------------------- */

static void test_store__a_failed_commit_fails_everything_after_it(void **state)
{
    struct world *w = *state;
    struct change c = a_server(3, "never");
    char *before;
    char *text;

    put_launch_of(w, 1);
    before = boot_text(w);
    fault_arm("db.commit", 1);
    w->n_failed = 0;
    put_changes(w, &c, 1);
    settle(w);
    assert_int_equal(w->last_err, ERR_IO);
    append(w, 1, 0, "x", 1);
    put_changes(w, NULL, 0);
    settle(w);
    assert_int_equal(w->n_failed, 3);
    assert_int_equal(w->last_err, ERR_IO);
    world_reopen(w);
    text = boot_text(w);
    assert_string_equal(before, text);
    free(before);
    free(text);
    put(w, &c, 1);
}

static void test_store__a_change_of_what_is_not_there_is_final(void **state)
{
    struct world *w = *state;
    struct change c = {.kind = CHANGE_TEST_SET, .test = {.id = {5}}};

    w->n_failed = 0;
    put_changes(w, &c, 1);
    settle(w);
    assert_int_equal(w->last_err, ERR_IO);
    assert_non_null(strstr(w->last_why.text, "test 5"));
}

/* A child writes launches one by one and says each that was acknowledged; it is killed at a random moment. */
static void child_writes(struct world *w, int out)
{
    uint64_t id;

    for (id = 1;; id++) {
        char path[32];
        struct change c[4] = {
            a_launch(id), a_test(id, id, 0, path), a_run(id, id, id, path), {.kind = CHANGE_TEST_SET}};

        (void)snprintf(path, sizeof(path), "spec/%llu", (unsigned long long)id);
        c[3].test = (struct test_row){.id = {id}, .state = TEST_ACTIVE, .attempts = 1, .run = {id}};
        put(w, c, 4);
        append(w, id, 0, "0123456789", 10);
        settle(w);
        if (write(out, &id, sizeof(id)) != (ssize_t)sizeof(id))
            _exit(1);
    }
}

static void test_store__everything_acknowledged_survives_kill_9(void **state)
{
    struct world *w = *state;
    struct rng rng;
    int round;

    rng_seed(&rng, 17);
    for (round = 0; round < 5; round++) {
        struct pollfd p;
        uint64_t last = 0;
        uint64_t id;
        uint64_t want = 1 + rng_below(&rng, 30);
        char needle[64];
        char *text;
        int pipes[2];
        pid_t pid;

        store_close(w->st);
        w->st = NULL;
        (void)nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        assert_int_equal(pipe(pipes), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            if (world_open(w, NULL) != ERR_OK)
                _exit(1);
            child_writes(w, pipes[1]);
        }
        (void)close(pipes[1]);
        while (last < want && read(pipes[0], &id, sizeof(id)) == (ssize_t)sizeof(id))
            last = id;
        p = (struct pollfd){.fd = -1};
        (void)poll(&p, 1, (int)rng_below(&rng, 3)); /* anywhere in a commit */
        assert_int_equal(kill(pid, SIGKILL), 0);
        while (read(pipes[0], &id, sizeof(id)) == (ssize_t)sizeof(id))
            last = id;
        (void)close(pipes[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(world_open(w, NULL), ERR_OK);
        text = boot_text(w);
        (void)snprintf(needle, sizeof(needle), "launch %llu ", (unsigned long long)last);
        assert_non_null(strstr(text, needle));
        (void)snprintf(needle, sizeof(needle), "run %llu %llu ", (unsigned long long)last,
                       (unsigned long long)last);
        assert_non_null(strstr(text, needle));
        free(text);
    }
}

/* ---- size ------------------------------------------------------------------------------------------------- */

static void test_store__a_hundred_thousand_tests_are_one_change_list(void **state)
{
    struct world *w = *state;
    struct list l = {.tests = {.launch = {1}, .state = -1, .outcome = -1},
                     .page = {.after = 99990, .limit = 500}};

    put_launch_of(w, 100000);
    read_now(w, list_tests, &l);
    assert_int_equal(l.n, 10);
    assert_int_equal(l.ids[9], 100000);
    assert_int_equal(sums_now(w).waiting, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store__##name, setup, teardown)
        TEST(boot_of_an_empty_store_gives_ids_from_one),
        TEST(boot_equals_what_was_written),
        TEST(boot_gives_what_sets_left),
        TEST(boot_leaves_out_what_is_over),
        TEST(an_id_is_never_given_twice),
        TEST(done_is_called_in_the_order_of_submission),
        TEST(close_finishes_what_is_queued_and_tells),
        TEST(second_open_is_refused_with_the_pid),
        TEST(the_folder_is_private_and_keeps_its_instance),
        TEST(migrations_are_idempotent),
        TEST(a_newer_schema_is_refused),
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
        TEST(a_failed_commit_fails_everything_after_it),
        TEST(a_change_of_what_is_not_there_is_final),
        TEST(everything_acknowledged_survives_kill_9),
        TEST(a_hundred_thousand_tests_are_one_change_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
