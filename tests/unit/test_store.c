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
    buf_printf(b, " %llu %d %lld %s %s %llu %u %s %s %s %lld %lld %lld %lld",
               (unsigned long long)s->fleet_id.v, s->status, (long long)s->status_since.ms, s->status_reason,
               s->progress, (unsigned long long)s->intent, s->creates, s->machine, s->size, s->region,
               (long long)s->price_hour_microusd, (long long)s->billed_at.ms, (long long)s->lease_until.ms,
               (long long)s->idle_ms);
    buf_printf(b, " metered %lld %lld %lld", (long long)s->metered_at.ms, (long long)s->charged_at.ms,
               (long long)s->cost_nanousd);
    buf_printf(b, " %lld %lld %d %llu %lld %d %s %lld", (long long)s->active_at.ms,
               (long long)s->destroy_at.ms, s->leaving, (unsigned long long)s->booked_by.v,
               (long long)s->booked_at.ms, s->maintenance, s->sick, (long long)s->sick_since.ms);
    buf_printf(b, " %d %u %lld %lld\n", s->sick_cause, s->losses, (long long)s->losses_since.ms,
               (long long)s->lost_at.ms);
}

static void put_fleet(struct buf *b, const struct fleet_row *f)
{
    buf_printf(b, "fleet %llu %s %d %s %d %lld %u %lld %s %lld", (unsigned long long)f->id.v, f->name,
               f->kind, f->options, f->booked_only, (long long)f->idle_ms, f->machines_max,
               (long long)f->day_microusd_max, f->error, (long long)f->created_at.ms);
    buf_printf(b, " %lld", (long long)f->hour_microusd);
    put_words(b, f->kept, f->n_kept);
    buf_puts(b, "\n");
}

static void put_launch(struct buf *b, const struct launch_row *l)
{
    uint32_t i;

    buf_printf(b, "launch %llu %llu %llu %s %s %s %s %d %u %lld %lld %u %u %u %lld %d %d %lld %lld",
               (unsigned long long)l->id.v, (unsigned long long)l->user.v, (unsigned long long)l->project.v,
               l->project_name, l->name, l->ref, l->commit, l->order, l->retries, (long long)l->time_limit_ms,
               (long long)l->silence_limit_ms, l->lease_ms, l->slots, l->n_tests, (long long)l->created_at.ms,
               l->state, l->outcome, (long long)l->started_at.ms, (long long)l->ended_at.ms);
    put_words(b, l->env, l->n_env);
    put_words(b, l->secrets, l->n_secrets);
    for (i = 0; i < l->n_servers; i++)
        buf_printf(b, " %llu", (unsigned long long)l->servers[i]);
    buf_puts(b, "\n");
}

static void put_test(struct buf *b, const struct test_row *t)
{
    buf_printf(b, "test %llu %llu %u %s %d", (unsigned long long)t->id.v, (unsigned long long)t->launch.v,
               t->position, t->path, t->adapter);
    put_words(b, t->argv, t->n_argv);
    put_words(b, t->reports, t->n_reports);
    if (t->limits.time_limit_ms != 0)
        buf_printf(b, " limits=%lld,%lld,%u", (long long)t->limits.time_limit_ms,
                   (long long)t->limits.silence_limit_ms, t->limits.retries_plus_one);
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
    buf_printf(b, " %u %d %d %lld %lld %lld %lld %lld %llu %llu %llu", f->how, f->exit_code, f->signal,
               (long long)f->duration_us, (long long)f->user_us, (long long)f->system_us,
               (long long)f->max_rss_kib, (long long)f->gap_us, (unsigned long long)f->log_bytes,
               (unsigned long long)f->log_dropped_bytes, (unsigned long long)f->log_gap_plus_one);
    buf_printf(b, " slot %lld %lld", (long long)r->slot_at.ms, (long long)r->cost_nanousd);
    buf_printf(b, " %u %u %u %u %u/%s %u %d %d %d %d %u %lld %lld %lld\n", t->discovered, t->passed,
               t->failed, t->pending, t->not_run, t->not_run_reason, t->errors, t->started, t->ended,
               t->aborted, t->miscounted, t->bad_lines, (long long)r->created_at.ms,
               (long long)r->started_at.ms, (long long)r->ended_at.ms);
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
    case CHANGE_FLEET_PUT:
        if (c->fleet.id.v > FLEET_ID_SSH) /* those are always there */
            put_fleet(b, &c->fleet);
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
    case CHANGE_PAUSE_ADD:
        buf_printf(b, "pause %llu %s %lld\n", (unsigned long long)c->pause.user.v, c->pause.login,
                   (long long)c->pause.at.ms);
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
    struct change c[8];
    struct buf expected;
    char *text;
    uint32_t i;

    c[0] = a_fleet(5, "cloud");
    c[1] = a_server(7, "local-1");
    c[2] = a_server(8, "box");
    c[3] = a_launch(5);
    c[4] = a_test(40, 5, 0, "spec/a_spec.rb");
    c[4].test.argv = argv;
    c[4].test.n_argv = 6;
    c[5] = a_test(41, 5, 1, NASTY);
    c[5].test.limits = (struct test_limits){-1, 5000, 3};
    c[6] = a_run(90, 40, 5, "spec/a_spec.rb");
    c[7] = a_run(91, 41, 5, NASTY);
    c[7].run.slot = 3;
    c[7].run.reason = NASTY;
    c[7].run.tally = (struct tally){9, 8, 7, 6, 3, 5, true, false, true, true, 4, "--fail-fast; ä"};
    c[7].run.finish = (struct finish){1, -2, 9, 4, 5, 6, 7, -8, 9, 10, 11};
    put(w, c, 8);
    world_reopen(w);
    buf_init(&expected, MIB(1));
    buf_puts(&expected, "ids 9 6 42 92\n");
    for (i = 0; i < 8; i++)
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
                                .slot_at = {78},
                                .cost_nanousd = 9,
                                .tally = {5, 4, 3, 2, 7, 1, true, true, true, true, 1, "it was stopped"},
                                .finish = {.exit_code = -1, .how = 2}};
    c[3].kind = CHANGE_SERVER_DELETE;
    c[3].server = (struct server_row){.id = {2}};
    put(w, c, 4);
    before = boot_text(w);
    assert_non_null(strstr(before, "ids 3 2 2 2\n"));
    assert_non_null(strstr(before, " 1700000001000 1 0 55 0 ["));
    assert_non_null(strstr(before, "] 1234 1 0 3 2 1\n"));
    assert_non_null(strstr(
        before,
        " 1 2 3 0 " NASTY
        " 2 -1 0 0 0 0 0 0 0 0 0 slot 78 9 5 4 3 2 7/it was stopped 1 1 1 1 1 1 1700000002000 77 0\n"));
    assert_null(strstr(before, "local-2"));
    world_reopen(w);
    text = boot_text(w);
    assert_string_equal(before, text);
    free(before);
    free(text);
}

static void look_at_image(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    (void)commit;
    (void)log_bytes;
    buf_printf(ctx, "[%llu %s]", (unsigned long long)row->id.v, row->image);
}

static void read_images(struct reader *r, void *arg)
{
    struct why why = {0};

    assert_int_equal(read_run(r, (struct run_id){1}, look_at_image, arg, &why), ERR_OK);
}

static void test_store__a_run_knows_what_its_container_was_made_of(void **state)
{
    struct world *w = *state;
    struct change c = {.kind = CHANGE_RUN_SET,
                       .run = {.id = {1}, .state = RUN_DONE, .outcome = OUTCOME_PASSED, .reason = ""}};
    struct buf shown;

    put_launch_of(w, 1);
    buf_init(&shown, KIB(1));
    read_now(w, read_images, &shown);
    c.run.image = "debian:12@sha256:00";
    put(w, &c, 1);
    read_now(w, read_images, &shown);
    assert_string_equal(buf_str(&shown), "[1 ][1 debian:12@sha256:00]");
    buf_done(&shown);
}

static void look_at_pause(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    buf_printf(ctx, "[%llu %s %lld]", (unsigned long long)row->id.v, sums->paused_by,
               (long long)sums->paused_at.ms);
}

static void read_paused(struct reader *r, void *arg)
{
    struct why why = {0};

    assert_int_equal(read_launch(r, (struct launch_id){1}, look_at_pause, arg, &why), ERR_OK);
}

static void test_store__a_pause_is_there_until_it_is_over(void **state)
{
    struct world *w = *state;
    struct change c = {.kind = CHANGE_PAUSE_ADD, .pause = {a_launch(1).launch.user, NASTY, {1700000003000}}};
    struct buf shown;
    char *text;

    put_launch_of(w, 1);
    put(w, &c, 1);
    world_reopen(w);
    text = boot_text(w);
    assert_non_null(strstr(text, " " NASTY " 1700000003000\n"));
    assert_true(strstr(text, "pause ") < strstr(text, "test "));
    free(text);
    buf_init(&shown, KIB(4));
    read_now(w, read_paused, &shown);
    assert_string_equal(buf_str(&shown), "[1 " NASTY " 1700000003000]");
    c.kind = CHANGE_PAUSE_DELETE;
    put(w, &c, 1);
    text = boot_text(w);
    assert_null(strstr(text, "pause "));
    free(text);
    buf_done(&shown);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store__##name, setup, teardown)
        TEST(boot_of_an_empty_store_gives_ids_from_one),
        TEST(boot_equals_what_was_written),
        TEST(a_run_knows_what_its_container_was_made_of),
        TEST(a_pause_is_there_until_it_is_over),
        TEST(boot_gives_what_sets_left),
        TEST(boot_leaves_out_what_is_over),
        TEST(an_id_is_never_given_twice),
        TEST(done_is_called_in_the_order_of_submission),
        TEST(close_finishes_what_is_queued_and_tells),
        TEST(second_open_is_refused_with_the_pid),
        TEST(the_folder_is_private_and_keeps_its_instance),
        TEST(migrations_are_idempotent),
        TEST(a_newer_schema_is_refused),
        TEST(a_failed_commit_fails_everything_after_it),
        TEST(a_change_of_what_is_not_there_is_final),
        TEST(everything_acknowledged_survives_kill_9),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
