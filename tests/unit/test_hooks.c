/* test_hooks.c - the queue of webhooks: when it tries, when again, when no more. The receivers, the store and the clock are made up
 * here: an hour passes in a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "base/log.h"
#include "notify/hooks.c"
#include "notify/waiters.h"

#define HOOKS 3u
#define ROWS 64u
#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)

struct world {
    uv_loop_t loop;
    struct hooks *h;
    struct arena arena;
    struct wall now;
    struct hook_row hooks[HOOKS]; /* ids 1.. */
    struct delivery_row rows[ROWS];
    uint32_t n_rows;
    /* the receivers: what each hook's is like now */
    int status[HOOKS]; /* 0: nobody answers; -1: it hangs */
    int64_t patience_s;
    bool is_hopeless;
    uint32_t sent[ROWS];   /* of each delivery */
    char bodies[ROWS][64]; /* the first that was sent */
    uint32_t in_flight[HOOKS];
    hooks_answer_fn *hanging; /* of one that hangs */
    void *hanging_arg;
    uint32_t n_closes;
    bool refuse_close; /* once: something was counted in meanwhile */
    uint32_t n_tried;
    bool was_disabled; /* said of the last try */
    const char *fault;
    char disabled[200];
};

/* ---- a store in an array ---- */

static struct wall fake_now(void *ctx)
{
    struct world *w = ctx;

    return w->now;
}

static void fake_due(void *ctx, struct wall now, hooks_due_fn *got, void *arg)
{
    struct world *w = ctx;
    struct hook_due all[HOOKS];
    struct wall next = {0};
    uint32_t n = 0;

    for (uint32_t i = 0; i < HOOKS; i++) {
        struct delivery_row *first = NULL;

        for (uint32_t k = 0; k < w->n_rows; k++) {
            struct delivery_row *d = &w->rows[k];
            struct wall due =
                d->next_at.ms > w->hooks[i].paused_until.ms ? d->next_at : w->hooks[i].paused_until;

            if (d->hook != i + 1 || d->state != DELIVERY_WAITING || !w->hooks[i].is_enabled)
                continue;
            if (due.ms > now.ms && (next.ms == 0 || due.ms < next.ms))
                next = due;
            if (due.ms <= now.ms && (first == NULL || d->next_at.ms < first->next_at.ms))
                first = d;
        }
        if (first == NULL)
            continue;
        all[n].hook = w->hooks[i];
        all[n].delivery = *first;
        if (first->is_open)
            all[n].delivery.body = arena_printf(&w->arena, "%llu of %llu", (unsigned long long)first->n,
                                                (unsigned long long)first->id);
        n++;
    }
    got(arg, ERR_OK, all, n, next);
}

static void fake_close(void *ctx, const struct delivery_row *row, hooks_done_fn *done, void *arg)
{
    struct world *w = ctx;
    struct delivery_row *d = &w->rows[row->id - 1];
    struct why why = {0};

    w->n_closes++;
    if (w->refuse_close) {
        w->refuse_close = false;
        d->n++;
    }
    if (d->n != row->n) {
        done(arg, ERR_CONFLICT, &why);
        return;
    }
    d->is_open = false;
    d->body = arena_strdup(&w->arena, row->body);
    done(arg, ERR_OK, &why);
}

static void fake_set(void *ctx, const struct delivery_row *row, const struct hook_fate *fate,
                     hooks_done_fn *done, void *arg)
{
    struct world *w = ctx;
    struct delivery_row *d = &w->rows[row->id - 1];
    struct hook_row *h = &w->hooks[row->hook - 1];
    struct why why = {0};

    assert_int_equal(d->state, DELIVERY_WAITING);
    d->state = row->state;
    d->next_at = row->next_at;
    d->ended_at = row->ended_at;
    d->tries = row->tries;
    d->status = row->status;
    d->error = arena_strdup(&w->arena, row->error);
    d->answer = arena_strdup(&w->arena, row->answer);
    h->failing_since = fate->failing_since;
    h->failures = fate->failures;
    h->paused_until = fate->paused_until;
    if (fate->disable[0] != '\0') {
        h->is_enabled = false;
        (void)snprintf(w->disabled, sizeof(w->disabled), "%s", fate->disable);
    }
    done(arg, ERR_OK, &why);
}

static void fake_prune(void *ctx, struct wall now, uint64_t *ret_n, hooks_done_fn *done, void *arg)
{
    (void)ctx;
    (void)now;
    (void)ret_n;
    (void)done;
    (void)arg;
    fail_msg("nothing is pruned in a test's time");
}

static void fake_send(void *ctx, const struct hook_due *due, hooks_answer_fn *answer, void *arg)
{
    struct world *w = ctx;
    uint64_t i = due->delivery.id - 1;
    uint64_t hook = due->hook.id - 1;
    struct hook_answer a = {.status = w->status[hook],
                            .body = slice_of("fine"),
                            .error = w->status[hook] == 0 ? "nobody answers" : "",
                            .retry_after_s = w->patience_s,
                            .is_hopeless = w->is_hopeless};

    assert_int_equal(w->in_flight[hook], 0); /* one at a time to each */
    assert_false(w->rows[i].is_open);        /* its body is saved before it leaves */
    assert_string_equal(w->rows[i].body, due->delivery.body);
    if (w->sent[i]++ == 0)
        (void)snprintf(w->bodies[i], sizeof(w->bodies[i]), "%s", due->delivery.body);
    assert_string_equal(w->bodies[i], due->delivery.body); /* the same bytes each time */
    if (w->status[hook] == -1) {
        w->in_flight[hook]++;
        w->hanging = answer;
        w->hanging_arg = arg;
        return;
    }
    answer(arg, &a);
}

static const char *fake_fault(void *ctx, const struct hook_row *hook)
{
    struct world *w = ctx;

    (void)hook;
    return w->fault;
}

static void fake_tried(void *ctx, const struct hook_due *what)
{
    struct world *w = ctx;

    w->n_tried++;
    w->was_disabled = !what->hook.is_enabled;
    assert_int_equal(w->hooks[what->hook.id - 1].is_enabled, what->hook.is_enabled);
}

static const struct hooks_ops fakes = {.now = fake_now,
                                       .due = fake_due,
                                       .close = fake_close,
                                       .set = fake_set,
                                       .prune = fake_prune,
                                       .send = fake_send,
                                       .fault = fake_fault,
                                       .tried = fake_tried};

/* ---- the world ---- */

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    arena_init(&w->arena);
    w->now.ms = 1795400593000;
    w->patience_s = -1;
    for (uint32_t i = 0; i < HOOKS; i++) {
        w->hooks[i] = (struct hook_row){.id = i + 1,
                                        .name = "h",
                                        .user = {2},
                                        .url = "https://example.org/",
                                        .repository = "",
                                        .seal_name = "",
                                        .secret = "",
                                        .is_enabled = true,
                                        .reason = "",
                                        .last_error = ""};
        w->status[i] = 200;
    }
    w->h = hooks_new(
        &(struct hooks_opts){.loop = &w->loop, .ops = &fakes, .ctx = w, .seed = 7, .dead_ms = 72 * HOUR});
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    hooks_free(w->h);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    arena_done(&w->arena);
    free(w);
    return 0;
}

static struct delivery_row *happen(struct world *w, uint64_t hook, uint64_t n)
{
    struct delivery_row *d = &w->rows[w->n_rows++];

    assert_true(w->n_rows <= ROWS);
    *d = (struct delivery_row){.id = w->n_rows,
                               .hook = hook,
                               .kind = HOOK_KIND_RUNS_FAILED,
                               .is_open = true,
                               .word = "",
                               .name = "",
                               .text = "",
                               .runs = "",
                               .n = n,
                               .at = w->now,
                               .last_at = w->now,
                               .next_at = w->now,
                               .give_up_at = {w->now.ms + 24 * HOUR},
                               .answer = "",
                               .error = "",
                               .body = ""};
    return d;
}

/* Time passes, second by second as far as the queue can tell: it is asked at each step. */
static void pass(struct world *w, int64_t ms, int64_t step_ms)
{
    for (int64_t i = 0; i < ms; i += step_ms) {
        w->now.ms += step_ms;
        hooks_look(w->h);
    }
}

static uint32_t count(const struct world *w, enum delivery_state s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n_rows; i++)
        n += w->rows[i].state == s;
    return n;
}

/* ---- tests ---- */

static void test_hooks__what_is_taken_is_sent_once(void **state)
{
    struct world *w = *state;

    happen(w, 1, 1);
    happen(w, 1, 1);
    happen(w, 2, 1);
    hooks_look(w->h);
    assert_int_equal(count(w, DELIVERY_DELIVERED), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(w->sent[i], 1);
    assert_int_equal(w->n_tried, 3);
    assert_string_equal(w->rows[0].answer, "fine");
    pass(w, HOUR, SECOND);
    assert_int_equal(w->sent[0], 1);
}

static void test_hooks__a_receiver_that_is_down_for_an_hour_loses_nothing(void **state)
{
    struct world *w = *state;
    uint32_t tries = 0;

    w->status[0] = 0;
    for (int i = 0; i < 20; i++) { /* things go on happening, also to another hook */
        happen(w, 1, 50);
        happen(w, 2, 1);
        pass(w, HOUR / 20, SECOND);
    }
    assert_int_equal(count(w, DELIVERY_DELIVERED), 20); /* the other one never waited */
    assert_int_equal(w->hooks[0].failures > 0, 1);
    for (uint32_t i = 0; i < w->n_rows; i++)
        tries += w->rows[i].hook == 1 ? w->rows[i].tries : 0;
    assert_in_range(tries, 10, 40); /* it is asked now and then, not by each delivery again and again */
    w->status[0] = 204;
    pass(w, 3 * HOUR, SECOND);
    assert_int_equal(count(w, DELIVERY_DELIVERED), 40);
    assert_int_equal(w->hooks[0].failures, 0);
    assert_int_equal(w->hooks[0].failing_since.ms, 0);
}

static void test_hooks__after_a_day_it_has_failed(void **state)
{
    struct world *w = *state;
    struct delivery_row *d = happen(w, 1, 1);

    w->status[0] = 500;
    pass(w, 23 * HOUR, 10 * SECOND);
    assert_int_equal(d->state, DELIVERY_WAITING);
    assert_in_range(d->tries, 8, 16);
    pass(w, 6 * HOUR, 10 * SECOND);
    assert_int_equal(d->state, DELIVERY_FAILED);
    assert_string_equal(d->error, "it answered 500");
    assert_true(w->hooks[0].is_enabled);
}

static void test_hooks__a_dead_receiver_is_disabled_after_days(void **state)
{
    struct world *w = *state;

    w->status[0] = 0;
    for (int day = 0; day < 4 && w->hooks[0].is_enabled; day++) {
        happen(w, 1, 1);
        pass(w, 24 * HOUR, 60 * SECOND);
    }
    assert_false(w->hooks[0].is_enabled);
    assert_string_equal(w->disabled, "nothing was taken for 72 hours: nobody answers");
    assert_true(w->hooks[1].is_enabled);
}

static void test_hooks__one_success_begins_the_days_anew(void **state)
{
    struct world *w = *state;

    for (int day = 0; day < 5; day++) {
        happen(w, 1, 1);
        w->status[0] = 0;
        pass(w, 23 * HOUR, 60 * SECOND);
        w->status[0] = 200;
        pass(w, 6 * HOUR, 60 * SECOND);
    }
    assert_true(w->hooks[0].is_enabled);
    assert_int_equal(count(w, DELIVERY_DELIVERED), 5);
}

/* next_at 0: somebody asked for it. */
static void test_hooks__what_was_asked_for_is_tried_later_as_all_are(void **state)
{
    struct world *w = *state;
    struct delivery_row *d = happen(w, 1, 1);

    d->next_at.ms = 0;
    w->status[0] = 500;
    hooks_look(w->h);
    assert_int_equal(d->tries, 1);
    assert_int_equal(d->state, DELIVERY_WAITING);
    assert_true(d->next_at.ms > w->now.ms);
    w->status[0] = 200;
    pass(w, 60 * SECOND, SECOND);
    assert_int_equal(d->state, DELIVERY_DELIVERED);
    assert_int_equal(d->tries, 2);
}

static void test_hooks__gone_is_gone(void **state)
{
    struct world *w = *state;
    struct delivery_row *d = happen(w, 1, 1);

    w->status[0] = 410;
    hooks_look(w->h);
    assert_false(w->hooks[0].is_enabled);
    assert_int_equal(d->state, DELIVERY_FAILED);
    assert_int_equal(d->tries, 1);
    assert_true(w->was_disabled); /* whoever waits for another one of it need not */
}

static void test_hooks__patience_that_is_asked_for_is_had_but_not_for_ever(void **state)
{
    struct world *w = *state;
    struct delivery_row *d = happen(w, 1, 1);

    w->status[0] = 429;
    w->patience_s = 600;
    hooks_look(w->h);
    assert_int_equal(w->hooks[0].paused_until.ms, w->now.ms + 600 * SECOND);
    assert_true(d->next_at.ms >= w->now.ms + 600 * SECOND);
    pass(w, 590 * SECOND, SECOND);
    assert_int_equal(d->tries, 1);
    w->patience_s = INT64_C(1) << 40; /* ten thousands of years */
    pass(w, 30 * SECOND, SECOND);
    assert_int_equal(d->tries, 2);
    assert_true(w->hooks[0].paused_until.ms <= w->now.ms + HOUR);
}

static void test_hooks__what_is_hopeless_is_no_fault_of_the_receiver(void **state)
{
    struct world *w = *state;
    struct delivery_row *d = happen(w, 1, 1);

    w->status[0] = 422;
    w->is_hopeless = true;
    hooks_look(w->h);
    assert_int_equal(d->state, DELIVERY_FAILED);
    assert_int_equal(w->hooks[0].failures, 0);
    assert_int_equal(w->hooks[0].paused_until.ms, 0);
}

static void test_hooks__what_is_counted_in_meanwhile_is_told_as_well(void **state)
{
    struct world *w = *state;

    happen(w, 1, 41);
    w->refuse_close = true;
    hooks_look(w->h);
    assert_int_equal(w->n_closes, 2);
    assert_int_equal(w->sent[0], 1);
    assert_string_equal(w->bodies[0], "42 of 1");
}

static void test_hooks__one_that_hangs_holds_up_nobody_else(void **state)
{
    struct world *w = *state;
    struct hook_answer late = {.status = 200, .error = "", .retry_after_s = -1};

    w->status[0] = -1;
    for (int i = 0; i < 5; i++) {
        happen(w, 1, 1);
        happen(w, 2, 1);
        happen(w, 3, 1);
    }
    pass(w, HOUR, SECOND);
    assert_int_equal(count(w, DELIVERY_DELIVERED), 10);
    assert_int_equal(w->in_flight[0], 1);
    w->in_flight[0] = 0;
    w->status[0] = 200;
    w->hanging(w->hanging_arg, &late);
    assert_int_equal(count(w, DELIVERY_DELIVERED), 15);
}

static void test_hooks__who_may_not_any_more_is_told_nothing(void **state)
{
    struct world *w = *state;
    struct delivery_row *d = happen(w, 1, 1);

    w->fault = "its owner is no admin any more";
    hooks_look(w->h);
    assert_int_equal(w->sent[0], 0);
    assert_int_equal(d->state, DELIVERY_FAILED);
    assert_false(w->hooks[0].is_enabled);
    assert_string_equal(w->disabled, "its owner is no admin any more");
    assert_true(w->was_disabled);
}

static void test_hooks__nothing_leaves_after_the_end(void **state)
{
    struct world *w = *state;
    struct hook_answer late = {.status = 200, .error = "", .retry_after_s = -1};

    w->status[0] = -1;
    happen(w, 1, 1);
    happen(w, 2, 1);
    hooks_look(w->h);
    hooks_halt(w->h);
    happen(w, 2, 1);
    hooks_look(w->h);
    assert_int_equal(w->sent[2], 0);
    w->hanging(w->hanging_arg, &late); /* too late to count: the next process sends it again */
    assert_int_equal(w->rows[0].state, DELIVERY_WAITING);
}

/* ---- who waits for a try ---- */

static void called(void *arg)
{
    ++*(int *)arg;
}

static void test_hooks__whoever_waits_is_answered_when_it_is_tried_or_gone(void **state)
{
    struct waiters all = {0};
    int n[4] = {0};

    (void)state;
    waiters_add(&all, 1, 11, called, &n[0]);
    waiters_add(&all, 1, 12, called, &n[1]);
    waiters_add(&all, 2, 13, called, &n[2]);
    waiters_add(&all, 3, 14, called, &n[3]);
    waiters_wake(&all, 1, 11); /* tried */
    assert_true(n[0] == 1 && n[1] == 0 && n[2] == 0 && n[3] == 0);
    waiters_wake(&all, 1, 0); /* the hook was deleted, or disabled */
    assert_true(n[0] == 1 && n[1] == 1 && n[2] == 0 && n[3] == 0);
    waiters_wake(&all, 0, 0); /* somebody with hooks was deleted */
    assert_true(n[0] == 1 && n[1] == 1 && n[2] == 1 && n[3] == 1);
    assert_null(all.first);
}

static void test_hooks__nobody_waits_while_nothing_is_sent(void **state)
{
    struct waiters all = {0};
    int n = 0;

    (void)state;
    waiters_add(&all, 1, 11, called, &n);
    assert_int_equal(n, 0);
    waiters_shut(&all, true); /* hooks are off, or the server ends */
    assert_int_equal(n, 1);
    waiters_add(&all, 1, 12, called, &n); /* one that comes while it ends */
    assert_int_equal(n, 2);
    waiters_shut(&all, false);
    waiters_add(&all, 1, 13, called, &n);
    assert_int_equal(n, 2);
    waiters_wake(&all, 1, 13);
    assert_int_equal(n, 3);
    assert_null(all.first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hooks__what_is_taken_is_sent_once),
        TEST(test_hooks__a_receiver_that_is_down_for_an_hour_loses_nothing),
        TEST(test_hooks__after_a_day_it_has_failed),
        TEST(test_hooks__a_dead_receiver_is_disabled_after_days),
        TEST(test_hooks__one_success_begins_the_days_anew),
        TEST(test_hooks__what_was_asked_for_is_tried_later_as_all_are),
        TEST(test_hooks__gone_is_gone),
        TEST(test_hooks__patience_that_is_asked_for_is_had_but_not_for_ever),
        TEST(test_hooks__what_is_hopeless_is_no_fault_of_the_receiver),
        TEST(test_hooks__what_is_counted_in_meanwhile_is_told_as_well),
        TEST(test_hooks__one_that_hangs_holds_up_nobody_else),
        TEST(test_hooks__who_may_not_any_more_is_told_nothing),
        TEST(test_hooks__nothing_leaves_after_the_end),
        TEST(test_hooks__whoever_waits_is_answered_when_it_is_tried_or_gone),
        TEST(test_hooks__nobody_waits_while_nothing_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
