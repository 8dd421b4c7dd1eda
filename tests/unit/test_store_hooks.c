/* test_store_hooks.c - hooks in the store: who is told what, storms that are one delivery, what a try leaves behind, what goes. */
#include "unit/test_store_world.h"

#define T0 INT64_C(1800000000000)
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static uint64_t last_id;

static uint64_t add_hook(struct world *w, const char *name, struct hook_row row)
{
    row.name = name;
    row.url = row.type == HOOK_WEBHOOK ? "https://example.org/in" : "";
    row.repository = row.seal_name = row.secret = row.reason = row.last_error = "";
    row.user.v = row.user.v != 0 ? row.user.v : 7;
    row.is_enabled = true;
    row.created_at.ms = T0;
    last_id = 0;
    w->pending++;
    store_hook_put(w->st, &row, &last_id, on_done, w);
    settle(w);
    return last_id;
}

static struct change event_of(enum hook_kind kind, uint64_t user, uint64_t object, uint64_t run, int64_t at)
{
    return (struct change){.kind = CHANGE_HOOK_EVENT,
                           .hook_event = {.kind = kind,
                                          .user = {user},
                                          .project = {3},
                                          .object = object,
                                          .word = "",
                                          .name = "nightly",
                                          .text = "3 examples failed",
                                          .run = {run},
                                          .at = {at}}};
}

static void happen(struct world *w, enum hook_kind kind, uint64_t user, uint64_t object, uint64_t run,
                   int64_t at)
{
    struct change c = event_of(kind, user, object, run, at);

    w->pending++;
    store_changes(w->st, &c, 1, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

/* ---- reading ---- */

#define SEEN 64u

struct look {
    struct world *w;
    int kind; /* 0 due, 1 list of a hook, 2 hook */
    uint64_t id;
    struct wall now;
    struct page page;
    enum err err;
    uint32_t n;
    struct delivery_row rows[SEEN];
    struct wall next;
    struct hook_row hook;
    struct arena arena;
};

static void each(void *ctx, const struct delivery_row *row)
{
    struct look *l = ctx;

    assert_true(l->n < SEEN);
    delivery_row_keep(&l->arena, row, &l->rows[l->n++]);
}

static void each_hook(void *ctx, const struct hook_row *row)
{
    struct look *l = ctx;

    hook_row_keep(&l->arena, row, &l->hook);
}

static void look_job(struct reader *r, void *arg)
{
    struct look *l = arg;
    struct why why;

    if (l->kind == 0)
        l->err = read_deliveries_due(r, l->now, each, l, &l->next, &why);
    else if (l->kind == 1)
        l->err = read_deliveries(r, l->id, -1, &l->page, each, l, &why);
    else
        l->err = read_hook(r, l->id, each_hook, l, &why);
}

static void look_done(void *arg)
{
    ((struct look *)arg)->w->pending--;
}

static void look(struct world *w, struct look *l)
{
    l->w = w;
    l->n = 0;
    arena_init(&l->arena);
    w->pending++;
    store_read(w->st, look_job, look_done, l);
    settle(w);
}

static struct look *due(struct world *w, int64_t now)
{
    static struct look l;

    arena_done(&l.arena);
    l = (struct look){.kind = 0, .now = {now}};
    look(w, &l);
    assert_int_equal(l.err, ERR_OK);
    return &l;
}

static struct look *of(struct world *w, uint64_t hook)
{
    static struct look l;

    arena_done(&l.arena);
    l = (struct look){.kind = 1, .id = hook, .page = {.limit = 50}};
    look(w, &l);
    return &l;
}

static struct look *hook_of(struct world *w, uint64_t hook)
{
    static struct look l;

    arena_done(&l.arena);
    l = (struct look){.kind = 2, .id = hook};
    look(w, &l);
    return &l;
}

/* ---- changing ---- */

static enum err close_it(struct world *w, const struct delivery_row *d, const char *body)
{
    struct delivery_row row = *d;

    row.body = body;
    w->pending++;
    store_delivery_close(w->st, &row, on_done, w);
    settle(w);
    return w->last_err;
}

static enum err set(struct world *w, const struct delivery_row *d, enum delivery_state state,
                    const char *disable)
{
    struct delivery_row row = *d;
    struct hook_fate fate = {.at = {T0 + 50},
                             .failing_since = {state == DELIVERY_DELIVERED ? 0 : T0 + 50},
                             .failures = state == DELIVERY_DELIVERED ? 0 : 1,
                             .paused_until = {state == DELIVERY_DELIVERED ? 0 : T0 + 5000},
                             .status = 500,
                             .error = "it answered 500",
                             .disable = disable};

    row.state = state;
    row.tries = 1;
    row.next_at.ms = T0 + 10000;
    row.ended_at.ms = state == DELIVERY_WAITING ? 0 : T0 + 50;
    row.answer = "oh";
    row.error = "it answered 500";
    w->pending++;
    store_delivery_set(w->st, &row, &fate, on_done, w);
    settle(w);
    return w->last_err;
}

/* ---- claims ---- */

static void test_store_hooks__each_hook_gets_what_it_wants_and_no_other(void **state)
{
    struct world *w = *state;
    uint64_t mine = add_hook(w, "mine", (struct hook_row){.kinds = 1u << HOOK_KIND_LAUNCH_ENDED});
    uint64_t all =
        add_hook(w, "all", (struct hook_row){.kinds = 1u << HOOK_KIND_LAUNCH_ENDED, .is_all = true});
    uint64_t other =
        add_hook(w, "other", (struct hook_row){.kinds = 1u << HOOK_KIND_LAUNCH_STARTED, .is_all = true});

    happen(w, HOOK_KIND_LAUNCH_ENDED, 7, 12, 0, T0);
    happen(w, HOOK_KIND_LAUNCH_ENDED, 8, 13, 0, T0);
    world_reopen(w);
    happen(w, HOOK_KIND_LAUNCH_ENDED, 8, 14, 0, T0); /* who wants what is known after a restart */
    assert_int_equal(of(w, mine)->n, 1);
    assert_int_equal(of(w, all)->n, 3);
    assert_int_equal(of(w, other)->n, 0);
    assert_int_equal(add_hook(w, "mine", (struct hook_row){.kinds = 1}), 0);
    assert_int_equal(w->last_err, ERR_CONFLICT);
}

static void test_store_hooks__a_storm_is_one_delivery(void **state)
{
    struct world *w = *state;
    uint64_t hook = add_hook(w, "h", (struct hook_row){.kinds = 1u << HOOK_KIND_RUNS_FAILED});
    struct look *l;

    w->pending++;
    store_hooks_gather(w->st, 10000, on_done, w);
    settle(w);
    for (uint64_t i = 0; i < 1000; i++)
        happen(w, HOOK_KIND_RUNS_FAILED, 7, 12 + i % 2, 100 + i, T0 + (int64_t)i);
    l = due(w, T0 + 9999);
    assert_int_equal(l->n, 0);
    assert_int_equal(l->next.ms, T0 + 10000);
    l = of(w, hook);
    assert_int_equal(l->n, 2); /* of two launches */
    assert_int_equal(l->rows[1].n, 500);
    assert_int_equal(l->rows[1].object, 12);
    assert_int_equal(l->rows[1].at.ms, T0);
    assert_int_equal(l->rows[1].last_at.ms, T0 + 998);
    assert_string_equal(l->rows[1].runs,
                        "100,102,104,106,108,110,112,114,116,118,120,122,124,126,128,130,132,134,136,138");
    /* What comes while it is read is in it, or in the next one. */
    l = due(w, T0 + 20000);
    assert_int_equal(l->n, 1); /* one at a time of a hook */
    happen(w, HOOK_KIND_RUNS_FAILED, 7, 12, 5, T0 + 20000);
    assert_int_equal(close_it(w, &l->rows[0], "old"), ERR_CONFLICT);
    l = due(w, T0 + 20000);
    assert_int_equal(l->rows[0].n, 501);
    assert_int_equal(close_it(w, &l->rows[0], "body"), ERR_OK);
    happen(w, HOOK_KIND_RUNS_FAILED, 7, 12, 6, T0 + 20000);
    l = of(w, hook);
    assert_int_equal(l->n, 3);
    assert_int_equal(l->rows[0].n, 1);
    l = due(w, T0 + 20000);
    assert_string_equal(l->rows[0].body, "body");
    assert_false(l->rows[0].is_open);
}

static void test_store_hooks__a_failed_try_pauses_the_hook(void **state)
{
    struct world *w = *state;
    uint64_t hook = add_hook(w, "h", (struct hook_row){.kinds = 1u << HOOK_KIND_LAUNCH_ENDED});
    struct look *l;

    happen(w, HOOK_KIND_LAUNCH_ENDED, 7, 12, 0, T0);
    happen(w, HOOK_KIND_LAUNCH_ENDED, 7, 13, 0, T0);
    l = due(w, T0);
    assert_int_equal(l->rows[0].object, 12);
    assert_int_equal(set(w, &l->rows[0], DELIVERY_WAITING, ""), ERR_OK);
    world_reopen(w);
    l = due(w, T0 + 4999);
    assert_int_equal(l->n, 0);
    assert_int_equal(l->next.ms, T0 + 5000);
    l = due(w, T0 + 5000);
    assert_int_equal(l->rows[0].object, 13); /* the other one goes first: it was not tried yet */
    assert_int_equal(set(w, &l->rows[0], DELIVERY_DELIVERED, ""), ERR_OK);
    assert_int_equal(set(w, &l->rows[0], DELIVERY_DELIVERED, ""), ERR_NOTFOUND);
    assert_int_equal(hook_of(w, hook)->hook.failures, 0);
    l = due(w, T0 + 10000);
    assert_int_equal(l->n, 1);
    assert_string_equal(l->rows[0].answer, "oh");
}

static uint64_t count(struct world *w, const char *sql)
{
    char path[128];
    struct db *db;
    struct db_stmt *s;
    struct why why;
    uint64_t n = 0;

    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(
        db_open(&(struct db_opts){.driver = &db_sqlite, .path = path, .mode = DB_READ}, &db, &why), ERR_OK);
    db_begin(db);
    s = db_built(db, sql);
    while (db_row(s))
        n = db_get_uint(s);
    db_rollback(db);
    db_close(db);
    return n;
}

static void test_store_hooks__one_that_is_disabled_tells_its_owner_once(void **state)
{
    struct world *w = *state;
    uint64_t hook = add_hook(w, "h", (struct hook_row){.kinds = 1u << HOOK_KIND_LAUNCH_ENDED});

    happen(w, HOOK_KIND_LAUNCH_ENDED, 7, 12, 0, T0);
    happen(w, HOOK_KIND_LAUNCH_ENDED, 7, 13, 0, T0);
    assert_int_equal(set(w, &due(w, T0)->rows[0], DELIVERY_WAITING, "nothing was taken for 72 hours"),
                     ERR_OK);
    assert_false(hook_of(w, hook)->hook.is_enabled);
    assert_int_equal(
        count(w, "SELECT COUNT(*) FROM notices WHERE kind = 'hook_disabled' AND user_id = 7 AND n = 1"), 1);
    assert_int_equal(due(w, T0 + DAY_MS)->n, 0);
    happen(w, HOOK_KIND_LAUNCH_ENDED, 7, 14, 0, T0); /* nothing is kept for it */
    assert_int_equal(of(w, hook)->n, 2);
    w->pending++;
    store_hook_test(w->st, hook, (struct wall){T0}, &last_id, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_CONFLICT);
    w->pending++;
    store_deliveries_prune(w->st, (struct wall){T0 + 2 * DAY_MS}, 100, &last_id, on_done, w);
    settle(w);
    assert_int_equal(count(w, "SELECT COUNT(*) FROM deliveries WHERE state = 'failed'"), 2);
}

static void test_store_hooks__of_a_status_only_the_newest_is_sent(void **state)
{
    struct world *w = *state;
    uint64_t hook =
        add_hook(w, "g",
                 (struct hook_row){.type = HOOK_GITHUB,
                                   .is_all = true,
                                   .project = {3},
                                   .kinds = 1u << HOOK_KIND_LAUNCH_STARTED | 1u << HOOK_KIND_LAUNCH_ENDED});
    struct look *l;

    happen(w, HOOK_KIND_LAUNCH_STARTED, 9, 12, 0, T0);
    happen(w, HOOK_KIND_LAUNCH_ENDED, 9, 12, 0, T0 + 1); /* it was not sent yet: one is enough */
    happen(w, HOOK_KIND_LAUNCH_STARTED, 9, 13, 0, T0 + 2);
    l = due(w, T0 + 2);
    assert_int_equal(of(w, hook)->n, 2);
    assert_int_equal(l->rows[0].kind, HOOK_KIND_LAUNCH_ENDED);
    assert_int_equal(close_it(w, &l->rows[0], "/repos/a/b/statuses/c\n{}"), ERR_OK);
    assert_int_equal(set(w, &l->rows[0], DELIVERY_DELIVERED, ""), ERR_OK);
    l = due(w, T0 + 2);
    assert_int_equal(l->rows[0].object, 13);
    assert_int_equal(close_it(w, &l->rows[0], "pending"), ERR_OK);
    assert_int_equal(set(w, &l->rows[0], DELIVERY_WAITING, ""), ERR_OK); /* GitHub is down */
    happen(w, HOOK_KIND_LAUNCH_ENDED, 9, 13, 0, T0 + 3);
    l = due(w, T0 + DAY_MS / 2);
    assert_int_equal(l->n, 1);
    assert_int_equal(l->rows[0].kind, HOOK_KIND_LAUNCH_ENDED);
    assert_int_equal(count(w, "SELECT COUNT(*) FROM deliveries WHERE error LIKE 'a newer status%'"), 1);
}

static void retry(struct world *w, uint64_t delivery, int64_t at)
{
    w->pending++;
    store_delivery_retry(w->st, delivery, (struct wall){at}, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

static void test_store_hooks__what_is_tried_again_is_written_if_it_never_was(void **state)
{
    struct world *w = *state;
    uint64_t hook = add_hook(w, "h", (struct hook_row){.kinds = 1u << HOOK_KIND_RUNS_FAILED});
    struct hook_row row;
    struct look *l;

    happen(w, HOOK_KIND_RUNS_FAILED, 7, 12, 1, T0);
    happen(w, HOOK_KIND_RUNS_FAILED, 7, 13, 1, T0);
    l = due(w, T0);
    assert_int_equal(close_it(w, &l->rows[0], "sent"), ERR_OK);
    assert_int_equal(set(w, &l->rows[0], DELIVERY_WAITING, "nothing was taken"), ERR_OK);
    w->pending++; /* a day later both are given up; the second was never written */
    store_deliveries_prune(w->st, (struct wall){T0 + 2 * DAY_MS}, 100, &last_id, on_done, w);
    settle(w);
    assert_int_equal(count(w, "SELECT COUNT(*) FROM deliveries WHERE state = 'failed' AND body = ''"), 1);
    row = hook_of(w, hook)->hook;
    row.is_enabled = true;
    w->pending++;
    store_hook_put(w->st, &row, &last_id, on_done, w);
    settle(w);
    happen(w, HOOK_KIND_RUNS_FAILED, 7, 13, 2, T0 + 3 * DAY_MS);
    l = of(w, hook);
    assert_int_equal(l->n, 3);
    retry(w, l->rows[1].id, T0 + 2 * DAY_MS);
    l = due(w, T0 + 2 * DAY_MS);
    assert_int_equal(l->rows[0].object, 13);
    assert_true(l->rows[0].is_open); /* its body comes first */
    happen(w, HOOK_KIND_RUNS_FAILED, 7, 13, 3, T0 + 3 * DAY_MS);
    assert_int_equal(of(w, hook)->rows[0].n, 2); /* what comes now is counted once, in the newer one */
    assert_int_equal(of(w, hook)->rows[1].n, 1);
    assert_int_equal(close_it(w, &l->rows[0], "late"), ERR_OK);
    l = due(w, T0 + 2 * DAY_MS);
    assert_false(l->rows[0].is_open);
    assert_string_equal(l->rows[0].body, "late");
    assert_int_equal(set(w, &l->rows[0], DELIVERY_DELIVERED, ""), ERR_OK);
    retry(w, of(w, hook)->rows[2].id, T0 + 2 * DAY_MS);
    l = due(w, T0 + 2 * DAY_MS);
    assert_false(l->rows[0].is_open); /* a webhook has the same bytes each time */
    assert_string_equal(l->rows[0].body, "sent");
}

static void test_store_hooks__a_status_that_is_tried_again_says_what_is_so_now(void **state)
{
    struct world *w = *state;
    uint64_t hook =
        add_hook(w, "g",
                 (struct hook_row){.type = HOOK_GITHUB,
                                   .is_all = true,
                                   .project = {3},
                                   .kinds = 1u << HOOK_KIND_LAUNCH_STARTED | 1u << HOOK_KIND_LAUNCH_ENDED});
    struct delivery_row flying;
    struct look *l;

    happen(w, HOOK_KIND_LAUNCH_STARTED, 9, 12, 0, T0);
    l = due(w, T0);
    assert_int_equal(close_it(w, &l->rows[0], "pending"), ERR_OK);
    assert_int_equal(set(w, &l->rows[0], DELIVERY_DELIVERED, ""), ERR_OK);
    retry(w, l->rows[0].id, T0 + 1);
    l = due(w, T0 + 1);
    assert_true(l->rows[0].is_open); /* not the "pending" of then */
    flying = l->rows[0];
    happen(w, HOOK_KIND_LAUNCH_ENDED, 9, 12, 0, T0 + 2);
    assert_int_equal(close_it(w, &flying, "pending"), ERR_CONFLICT); /* the newer one took its place */
    l = due(w, T0 + 2);
    assert_int_equal(l->rows[0].kind, HOOK_KIND_LAUNCH_ENDED);
    assert_int_equal(of(w, hook)->n, 2);
    assert_int_equal(count(w, "SELECT COUNT(*) FROM deliveries WHERE state = 'waiting'"), 1);
}

static void test_store_hooks__what_somebody_asks_for_goes_before_all_that_waits(void **state)
{
    struct world *w = *state;
    uint64_t hook = add_hook(w, "h", (struct hook_row){.kinds = 1u << HOOK_KIND_LAUNCH_ENDED});
    uint64_t test = 0;
    struct delivery_row flying;
    struct look *l;

    for (uint64_t i = 0; i < 10; i++)
        happen(w, HOOK_KIND_LAUNCH_ENDED, 7, 12 + i, 0, T0);
    flying = due(w, T0)->rows[0];
    w->pending++;
    store_hook_test(w->st, hook, (struct wall){T0 + 40}, &test, on_done, w);
    settle(w);
    assert_int_equal(set(w, &flying, DELIVERY_WAITING, ""), ERR_OK); /* fails meanwhile: the hook pauses */
    l = due(w, T0 + 60);
    assert_int_equal(l->n, 1);
    assert_int_equal(l->rows[0].id, test);
    assert_int_equal(set(w, &l->rows[0], DELIVERY_WAITING, ""), ERR_OK);
    assert_int_equal(due(w, T0 + 60)->n, 0); /* from then on it waits as all do */
    retry(w, flying.id + 5, T0 + 60);
    l = due(w, T0 + 60);
    assert_int_equal(l->n, 1);
    assert_int_equal(l->rows[0].id, flying.id + 5);
    assert_int_equal(set(w, &l->rows[0], DELIVERY_DELIVERED, ""), ERR_OK);
    assert_int_equal(due(w, T0 + 60)->rows[0].id, flying.id + 1);
}

static void test_store_hooks__there_is_an_end_to_what_waits_and_to_what_is_kept(void **state)
{
    struct world *w = *state;
    uint64_t hook = add_hook(w, "h", (struct hook_row){.kinds = 1u << HOOK_KIND_LAUNCH_ENDED});
    struct change *many = xcalloc(DELIVERIES_WAITING_MAX + 3, sizeof(*many));
    uint64_t deleted = 0;

    for (uint32_t i = 0; i < DELIVERIES_WAITING_MAX + 3; i++)
        many[i] = event_of(HOOK_KIND_LAUNCH_ENDED, 7, i + 1, 0, T0);
    w->pending++;
    store_changes(w->st, many, DELIVERIES_WAITING_MAX + 3, on_done, w);
    settle(w);
    free(many);
    assert_int_equal(count(w, "SELECT COUNT(*) FROM deliveries WHERE state = 'waiting'"),
                     DELIVERIES_WAITING_MAX);
    assert_int_equal(
        count(w, "SELECT COUNT(*) FROM deliveries WHERE state = 'failed' AND error LIKE 'too many%'"), 3);
    last_id = of(w, hook)->rows[0].id;
    w->pending++;
    store_delivery_retry(w->st, last_id, (struct wall){T0 + 1}, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    w->pending++;
    store_deliveries_prune(w->st, (struct wall){T0 + DELIVERIES_KEPT_MS + 1}, 1000, &deleted, on_done, w);
    settle(w);
    assert_int_equal(deleted, 2); /* that failed 14 days ago; what waits is not touched */
    w->pending++;
    store_hook_delete(w->st, hook, on_done, w);
    settle(w);
    assert_int_equal(count(w, "SELECT COUNT(*) FROM deliveries"), 0);
}

static void test_store_hooks__schedules_servers_and_errors_come_with_their_notices(void **state)
{
    struct world *w = *state;
    uint64_t own = add_hook(w, "own", (struct hook_row){.kinds = 1u << HOOK_KIND_SCHEDULE_FAILED});
    uint64_t all = add_hook(
        w, "all",
        (struct hook_row){.is_all = true, .kinds = 1u << HOOK_KIND_ERROR | 1u << HOOK_KIND_SERVER_SICK});
    struct notice_row rows[] = {
        {.kind = NOTICE_SCHEDULE_FAILED,
         .user = {7},
         .object = 4,
         .word = "",
         .name = "s",
         .text = "t",
         .at = {T0}},
        {.kind = NOTICE_SICK, .object = 5, .word = "", .name = "qa-1", .text = "t", .at = {T0}},
        {.kind = NOTICE_ERROR, .word = "tls.kept", .name = "", .text = "why", .at = {T0}},
        {.kind = NOTICE_ERROR, .word = "tls.kept", .name = "", .text = "why", .at = {T0 + 1}}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        w->pending++;
        store_notice_add(w->st, &rows[i], on_done, w);
        settle(w);
    }
    assert_int_equal(of(w, own)->n, 1);
    assert_int_equal(of(w, all)->n, 2);
    assert_string_equal(of(w, all)->rows[0].word, "tls.kept");
    assert_int_equal(of(w, all)->rows[0].n, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_store_hooks__each_hook_gets_what_it_wants_and_no_other),
        TEST(test_store_hooks__a_storm_is_one_delivery),
        TEST(test_store_hooks__a_failed_try_pauses_the_hook),
        TEST(test_store_hooks__one_that_is_disabled_tells_its_owner_once),
        TEST(test_store_hooks__of_a_status_only_the_newest_is_sent),
        TEST(test_store_hooks__what_is_tried_again_is_written_if_it_never_was),
        TEST(test_store_hooks__a_status_that_is_tried_again_says_what_is_so_now),
        TEST(test_store_hooks__what_somebody_asks_for_goes_before_all_that_waits),
        TEST(test_store_hooks__there_is_an_end_to_what_waits_and_to_what_is_kept),
        TEST(test_store_hooks__schedules_servers_and_errors_come_with_their_notices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
