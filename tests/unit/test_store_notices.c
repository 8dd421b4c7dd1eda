/* test_store_notices.c - notices in the store, in virtual time: a storm is one mail, an outage holds, nothing is lost or told
 * twice. The steps are those of server/notices.c, the mail server is made up here. */
#include "unit/test_store_world.h"

#include "notify/notice.h"

#define T0 INT64_C(1800000000000)
#define SECOND 1000
#define MINUTE (60 * SECOND)

static const struct notice_rules rules = {.first_ms = 60 * SECOND, .again_ms = 600 * SECOND};

struct told {
    uint64_t things;
    uint64_t n;
    int64_t at;
};

static struct {
    struct wall now;
    bool is_down;    /* the mail server takes nothing */
    bool is_refused; /* it refuses the receiver for good */
    uint64_t mail;   /* that waits; 0 none */
    struct told mails[64];
    uint32_t n_mails;
} v;

/* ---- what happens ---- */

static void happens(struct world *w, enum notice_kind kind, uint64_t user, uint64_t object, uint32_t times)
{
    struct change c = {.kind = CHANGE_NOTICE,
                       .notice = {.kind = kind,
                                  .user = {user},
                                  .object = object,
                                  .word = "",
                                  .name = "w1",
                                  .text = "the server fell silent",
                                  .run = {object * 10},
                                  .at = v.now}};
    struct change *many = xcalloc(times, sizeof(*many));

    for (uint32_t i = 0; i < times; i++)
        many[i] = c;
    put(w, many, times);
    free(many);
}

/* ---- looking, as the server does ---- */

struct groups {
    struct notice_group at[16];
    uint32_t n;
    enum notice_kind kind;
    struct user_id user;
    struct notice_row first;
    struct told told;
    struct why why;
    enum err err;
    struct world *w;
};

static void each_group(void *ctx, const struct notice_group *g)
{
    struct groups *gs = ctx;

    assert_true(gs->n < ARRAY_LEN(gs->at));
    gs->at[gs->n++] = *g;
}

static void groups_job(struct reader *r, void *arg)
{
    struct groups *gs = arg;

    gs->err = read_notice_groups(r, ARRAY_LEN(gs->at), each_group, gs, &gs->why);
}

static void read_done(void *arg)
{
    struct groups *gs = arg;

    assert_int_equal(gs->err, ERR_OK);
    gs->w->pending--;
}

static struct groups groups(struct world *w)
{
    struct groups gs = {.w = w};

    w->pending++;
    store_read(w->st, groups_job, read_done, &gs);
    settle(w);
    return gs;
}

static void take_first(void *ctx, const struct notice_row *row)
{
    struct groups *gs = ctx;

    if (gs->first.n == 0)
        gs->first = *row;
    gs->first.word = gs->first.name = gs->first.text = "";
}

static void taken_job(struct reader *r, void *arg)
{
    struct groups *gs = arg;

    gs->err = read_notices_taken(r, gs->kind, gs->user, 20, take_first, gs, &gs->told.things, &gs->told.n,
                                 &gs->why);
}

static struct groups taken(struct world *w, enum notice_kind kind, struct user_id user)
{
    struct groups gs = {.w = w, .kind = kind, .user = user};

    w->pending++;
    store_read(w->st, taken_job, read_done, &gs);
    settle(w);
    return gs;
}

static enum err take(struct world *w, enum notice_kind kind, struct user_id user)
{
    w->pending++;
    store_notices_take(w->st, kind, user, on_done, w);
    settle(w);
    return w->last_err;
}

static enum err tell(struct world *w, enum notice_kind kind, struct user_id user, uint32_t n_mails)
{
    char group[MAIL_WORD_BYTES_MAX];
    struct mail_row row = {.to = "boss@example.org",
                           .kind = "trouble",
                           .group = group,
                           .subject = "s",
                           .text = "t",
                           .html = "h",
                           .message_id = "m",
                           .created_at = v.now,
                           .next_at = v.now,
                           .error = ""};
    struct notices_told told = {.kind = kind, .user = user, .mails = &row, .n_mails = n_mails, .at = v.now};

    notice_group_word(kind, user, group, sizeof(group));
    w->pending++;
    store_notices_told(w->st, &told, on_done, w);
    settle(w);
    return w->last_err;
}

static void mail_ends(struct world *w, enum mail_state state)
{
    struct mail_row row = {.id = v.mail, .state = state, .ended_at = v.now, .tries = 1, .error = ""};

    w->pending++;
    store_mail_set(w->st, &row, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    v.mail = 0;
}

static void write_mail(struct world *w, const struct notice_group *g)
{
    struct groups gs;

    assert_int_equal(take(w, g->kind, g->user), ERR_OK);
    gs = taken(w, g->kind, g->user);
    gs.told.at = v.now.ms;
    assert_int_equal(tell(w, g->kind, g->user, 1), ERR_OK);
    assert_true(v.n_mails < ARRAY_LEN(v.mails));
    v.mails[v.n_mails++] = gs.told;
    v.mail = v.n_mails; /* its id: one mail after the other */
}

static void tick(struct world *w, int64_t ms)
{
    struct groups gs;

    v.now.ms += ms;
    if (v.mail != 0 && !v.is_down)
        mail_ends(w, v.is_refused ? MAIL_FAILED : MAIL_SENT);
    gs = groups(w);
    for (uint32_t i = 0; i < gs.n; i++) {
        if (notice_due(&gs.at[i], &rules, v.now).ms <= v.now.ms)
            write_mail(w, &gs.at[i]);
    }
}

static void pass(struct world *w, int64_t ms)
{
    int64_t step = ms > MINUTE ? 10 * SECOND : SECOND;

    for (; ms > 0; ms -= step)
        tick(w, step);
}

static int begin(void **state)
{
    memset(&v, 0, sizeof(v));
    v.now.ms = T0;
    return setup(state);
}

/* ---- claims ---- */

static void test_store_notices__a_storm_of_a_thousand_is_one_mail(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 10; i++) {
        happens(w, NOTICE_RUNS_LOST, 0, 12, 100);
        tick(w, SECOND);
    }
    pass(w, 49 * SECOND);
    assert_int_equal(v.n_mails, 0); /* a minute after the first */
    pass(w, 2 * SECOND);
    assert_int_equal(v.n_mails, 1);
    assert_int_equal(v.mails[0].things, 1);
    assert_int_equal(v.mails[0].n, 1000);
    pass(w, 30 * MINUTE);
    assert_int_equal(v.n_mails, 1);
}

static void test_store_notices__a_storm_that_goes_on_is_a_mail_each_ten_minutes(void **state)
{
    struct world *w = *state;
    uint64_t n = 0;

    for (uint32_t s = 0; s < 1000; s += 10) {
        happens(w, NOTICE_RUNS_LOST, 0, 1 + s / 10 % 3, 10);
        tick(w, 10 * SECOND);
    }
    pass(w, 30 * MINUTE);
    assert_int_equal(v.n_mails, 3); /* at 60, 660 and 1260 s */
    for (uint32_t i = 0; i < v.n_mails; i++) {
        n += v.mails[i].n;
        assert_int_equal(v.mails[i].things, 3);
        assert_true(i == 0 || v.mails[i].at - v.mails[i - 1].at >= 600 * SECOND);
    }
    assert_int_equal(n, 1000); /* none lost, none twice */
}

static void test_store_notices__while_mail_is_down_one_waits_and_one_follows(void **state)
{
    struct world *w = *state;

    v.is_down = true;
    for (uint32_t s = 0; s < 3600; s += 12) {
        happens(w, NOTICE_RUNS_LOST, 0, 12, 1);
        tick(w, 12 * SECOND);
    }
    assert_int_equal(v.n_mails, 1);
    v.is_down = false;
    pass(w, 2 * MINUTE);
    assert_int_equal(v.n_mails, 2);
    assert_int_equal(v.mails[0].n + v.mails[1].n, 300);
}

static void test_store_notices__a_receiver_that_is_refused_holds_nothing(void **state)
{
    struct world *w = *state;

    v.is_refused = true;
    happens(w, NOTICE_SICK, 0, 3, 1);
    pass(w, 2 * MINUTE);
    assert_int_equal(v.n_mails, 1);
    happens(w, NOTICE_SICK, 0, 3, 1);
    pass(w, 10 * MINUTE);
    assert_int_equal(v.n_mails, 2);
}

static void test_store_notices__users_and_kinds_do_not_wait_for_each_other(void **state)
{
    struct world *w = *state;

    happens(w, NOTICE_LAUNCH_DONE, 7, 1, 1);
    happens(w, NOTICE_LAUNCH_DONE, 8, 2, 1);
    happens(w, NOTICE_SCHEDULE_FAILED, 7, 1, 1);
    tick(w, SECOND);
    assert_int_equal(v.n_mails, 3); /* no first minute for users */
    v.mail = 0;                     /* the made-up mail server looks after one at a time */
    happens(w, NOTICE_LAUNCH_DONE, 7, 3, 1);
    happens(w, NOTICE_LAUNCH_DONE, 7, 4, 1);
    pass(w, 30 * SECOND);
    assert_int_equal(v.n_mails, 3);
}

static void test_store_notices__what_was_taken_before_a_crash_is_told_once(void **state)
{
    struct world *w = *state;
    struct user_id admins = {0};
    struct groups gs;

    happens(w, NOTICE_RUNS_LOST, 0, 12, 2);
    assert_int_equal(take(w, NOTICE_RUNS_LOST, admins), ERR_OK);
    world_reopen(w); /* the program died here */
    happens(w, NOTICE_RUNS_LOST, 0, 12, 5);
    gs = groups(w);
    assert_int_equal(gs.n, 2);
    for (uint32_t i = 0; i < gs.n; i++) {
        if (gs.at[i].is_taken)
            assert_true(notice_due(&gs.at[i], &rules, v.now).ms <= v.now.ms); /* at once */
    }
    assert_int_equal(take(w, NOTICE_RUNS_LOST, admins), ERR_OK); /* adds nothing to them */
    gs = taken(w, NOTICE_RUNS_LOST, admins);
    assert_int_equal(gs.told.n, 2);
    assert_int_equal(gs.first.run.v, 120);
    assert_int_equal(tell(w, NOTICE_RUNS_LOST, admins, 1), ERR_OK);
    assert_int_equal(tell(w, NOTICE_RUNS_LOST, admins, 1), ERR_NOTFOUND); /* not again */
    gs = groups(w);
    assert_int_equal(gs.n, 1);
    assert_false(gs.at[0].is_taken);
    assert_int_equal(gs.at[0].told_at.ms, T0);
}

static void test_store_notices__what_nobody_wants_leaves_no_mark(void **state)
{
    struct world *w = *state;
    struct user_id mira = {7};

    happens(w, NOTICE_LAUNCH_DONE, 7, 1, 1);
    assert_int_equal(take(w, NOTICE_LAUNCH_DONE, mira), ERR_OK);
    assert_int_equal(tell(w, NOTICE_LAUNCH_DONE, mira, 0), ERR_OK);
    assert_int_equal(groups(w).n, 0);
    happens(w, NOTICE_LAUNCH_DONE, 7, 2, 1);
    assert_int_equal(groups(w).at[0].told_at.ms, 0);
}

static void test_store_notices__what_is_too_old_goes(void **state)
{
    struct world *w = *state;
    uint64_t n = 0;

    happens(w, NOTICE_SICK, 0, 1, 1);
    v.now.ms += NOTICE_KEPT_MS;
    happens(w, NOTICE_SICK, 0, 2, 1);
    w->pending++;
    store_notices_prune(w->st, (struct wall){T0 + 1}, &n, on_done, w);
    settle(w);
    assert_int_equal(n, 1);
    assert_int_equal(groups(w).n, 1);
}

/* A jump back of the clock delays nothing for longer than the rules do. */
static void test_store_notices__a_clock_that_goes_back_delays_nothing(void **state)
{
    const struct notice_group g = {
        .kind = NOTICE_SICK, .at = {T0 + 1000 * MINUTE}, .told_at = {T0 + 1000 * MINUTE}};

    (void)state;
    assert_int_equal(notice_due(&g, &rules, (struct wall){T0}).ms, T0 + rules.first_ms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_store_notices__##name, begin, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_storm_of_a_thousand_is_one_mail),
        TEST(a_storm_that_goes_on_is_a_mail_each_ten_minutes),
        TEST(while_mail_is_down_one_waits_and_one_follows),
        TEST(a_receiver_that_is_refused_holds_nothing),
        TEST(users_and_kinds_do_not_wait_for_each_other),
        TEST(what_was_taken_before_a_crash_is_told_once),
        TEST(what_nobody_wants_leaves_no_mark),
        TEST(what_is_too_old_goes),
        TEST(a_clock_that_goes_back_delays_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
