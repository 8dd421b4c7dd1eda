/* test_store_mail.c - mail in the store: what waits, in which order, what is left of it afterwards. */
#include "unit/test_store_world.h"

#define T0 INT64_C(1800000000000)

static uint64_t last_id;

static void add(struct world *w, const char *to, int64_t next_at)
{
    struct mail_row row = {.to = to,
                           .kind = "test",
                           .group = "",
                           .subject = "a subject",
                           .text = "a text with a link",
                           .html = "<p>a link</p>",
                           .message_id = "id@example.org",
                           .created_at = {T0},
                           .next_at = {next_at},
                           .give_up_at = {T0 + 1000000},
                           .error = ""};

    last_id = 0;
    w->pending++;
    store_mail_add(w->st, &row, &last_id, on_done, w);
    settle(w);
}

static enum err set(struct world *w, uint64_t id, enum mail_state state, int64_t ended_at)
{
    struct mail_row row = {
        .id = id, .state = state, .next_at = {T0 + 5}, .ended_at = {ended_at}, .tries = 1, .error = "e"};

    w->pending++;
    store_mail_set(w->st, &row, on_done, w);
    settle(w);
    return w->last_err;
}

/* ---- reading ---- */

struct look {
    struct world *w;
    int kind; /* 0 next, 1 one, 2 list */
    uint64_t id;
    struct page page;
    int state;
    enum err err;
    uint32_t n;
    uint64_t ids[16];
    enum mail_state row_state;
    uint32_t tries;
    size_t body_bytes; /* of subject, text, html */
    char to[64];
};

static void each(void *ctx, const struct mail_row *row)
{
    struct look *l = ctx;

    l->ids[l->n++] = row->id;
    l->row_state = row->state;
    l->tries = row->tries;
    l->body_bytes = strlen(row->subject) + strlen(row->text) + strlen(row->html);
    (void)snprintf(l->to, sizeof(l->to), "%s", row->to);
}

static void look_job(struct reader *r, void *arg)
{
    struct look *l = arg;
    struct why why;

    if (l->kind == 0)
        l->err = read_mail_next(r, each, l, &why);
    else if (l->kind == 1)
        l->err = read_mail(r, l->id, each, l, &why);
    else
        l->err = read_mails(r, l->state, &l->page, each, l, &why);
}

static void look_done(void *arg)
{
    ((struct look *)arg)->w->pending--;
}

static struct look look(struct world *w, struct look l)
{
    l.w = w;
    w->pending++;
    store_read(w->st, look_job, look_done, &l);
    settle(w);
    return l;
}

/* ---- claims ---- */

static void test_store_mail__the_one_that_is_due_first_comes_first(void **state)
{
    struct world *w = *state;
    struct look l;

    assert_int_equal(look(w, (struct look){.kind = 0}).n, 0);
    add(w, "late@example.org", T0 + 10);
    add(w, "soon@example.org", T0 + 1);
    add(w, "same@example.org", T0 + 1);
    world_reopen(w);
    l = look(w, (struct look){.kind = 0});
    assert_string_equal(l.to, "soon@example.org");
    assert_int_equal(l.body_bytes, strlen("a subject"
                                          "a text with a link"
                                          "<p>a link</p>"));
    assert_int_equal(set(w, l.ids[0], MAIL_SENT, T0 + 2), ERR_OK);
    assert_string_equal(look(w, (struct look){.kind = 0}).to, "same@example.org");
}

static void test_store_mail__what_was_sent_has_no_text_and_stays_sent(void **state)
{
    struct world *w = *state;
    struct look l;

    add(w, "a@example.org", T0);
    assert_int_equal(set(w, last_id, MAIL_SENT, T0 + 2), ERR_OK);
    l = look(w, (struct look){.kind = 1, .id = last_id});
    assert_int_equal(l.row_state, MAIL_SENT);
    assert_int_equal(l.tries, 1);
    assert_int_equal(l.body_bytes, 0);
    assert_int_equal(set(w, last_id, MAIL_WAITING, 0), ERR_NOTFOUND);
    assert_int_equal(set(w, 99, MAIL_SENT, T0), ERR_NOTFOUND);
    assert_int_equal(look(w, (struct look){.kind = 0}).n, 0);
    assert_int_equal(look(w, (struct look){.kind = 1, .id = 99}).err, ERR_NOTFOUND);
}

static void test_store_mail__lists_are_newest_first_and_paged(void **state)
{
    struct world *w = *state;
    struct look l;
    int i;

    for (i = 0; i < 5; i++)
        add(w, "a@example.org", T0);
    assert_int_equal(set(w, 2, MAIL_FAILED, T0 + 2), ERR_OK);
    l = look(w, (struct look){.kind = 2, .state = -1, .page = {.limit = 3}});
    assert_int_equal(l.n, 3);
    assert_int_equal(l.ids[0], 5);
    assert_int_equal(l.page.next, 3);
    l = look(w, (struct look){.kind = 2, .state = -1, .page = {.limit = 3, .after = 3}});
    assert_int_equal(l.n, 2);
    assert_int_equal(l.ids[0], 2);
    assert_int_equal(l.page.next, 0);
    assert_int_equal(l.row_state, MAIL_WAITING);
    l = look(w, (struct look){.kind = 2, .state = MAIL_FAILED, .page = {.limit = 3}});
    assert_int_equal(l.n, 1);
    assert_int_equal(l.ids[0], 2);
    assert_int_equal(l.body_bytes, strlen("a subject"));
}

static void test_store_mail__a_retry_wakes_all_but_the_sent(void **state)
{
    struct world *w = *state;
    uint64_t n = 0;

    add(w, "sent@example.org", T0);
    add(w, "failed@example.org", T0);
    add(w, "later@example.org", T0 + 100000);
    assert_int_equal(set(w, 1, MAIL_SENT, T0 + 2), ERR_OK);
    assert_int_equal(set(w, 2, MAIL_FAILED, T0 + 2), ERR_OK);
    w->pending++;
    store_mails_retry(w->st, (struct wall){T0 + 50}, (struct wall){T0 + 60}, &n, on_done, w);
    settle(w);
    assert_int_equal(n, 2);
    assert_int_equal(look(w, (struct look){.kind = 2, .state = MAIL_WAITING, .page = {.limit = 9}}).n, 2);
    assert_int_equal(look(w, (struct look){.kind = 1, .id = 1}).row_state, MAIL_SENT);
    assert_string_equal(look(w, (struct look){.kind = 0}).to, "failed@example.org");
}

static void test_store_mail__pruning_takes_what_ended_long_ago_in_steps(void **state)
{
    struct world *w = *state;
    uint64_t n = 0;
    int i;

    for (i = 0; i < 4; i++)
        add(w, "a@example.org", T0);
    for (i = 1; i <= 3; i++)
        assert_int_equal(set(w, (uint64_t)i, i == 2 ? MAIL_FAILED : MAIL_SENT, T0 + i), ERR_OK);
    w->pending++;
    store_mails_prune(w->st, (struct wall){T0 + 3}, 1, &n, on_done, w);
    settle(w);
    assert_int_equal(n, 1);
    w->pending++;
    store_mails_prune(w->st, (struct wall){T0 + 3}, 9, &n, on_done, w);
    settle(w);
    assert_int_equal(n, 1);
    assert_int_equal(look(w, (struct look){.kind = 2, .state = -1, .page = {.limit = 9}}).n, 2);
    world_reopen(w);
    add(w, "a@example.org", T0);
    assert_int_equal(last_id, 5);
}

static void test_store_mail__too_many_are_refused(void **state)
{
    struct world *w = *state;
    static uint64_t ids[MAILS_WAITING_MAX];
    struct mail_row row = {.to = "a@b",
                           .kind = "k",
                           .group = "",
                           .subject = "s",
                           .text = "t",
                           .html = "",
                           .message_id = "m",
                           .error = ""};
    uint32_t i;

    for (i = 0; i < MAILS_WAITING_MAX; i++) {
        w->pending++;
        store_mail_add(w->st, &row, &ids[i], on_done, w);
    }
    settle(w);
    assert_int_equal(w->n_failed, 0);
    add(w, "one@too.many", T0);
    assert_int_equal(w->last_err, ERR_LIMIT);
    assert_int_equal(last_id, 0);
    assert_int_equal(set(w, 1, MAIL_SENT, T0), ERR_OK);
    add(w, "one@place.free", T0);
    assert_int_equal(w->last_err, ERR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_store_mail__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_one_that_is_due_first_comes_first),      TEST(what_was_sent_has_no_text_and_stays_sent),
        TEST(lists_are_newest_first_and_paged),           TEST(a_retry_wakes_all_but_the_sent),
        TEST(pruning_takes_what_ended_long_ago_in_steps), TEST(too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
