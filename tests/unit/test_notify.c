/* test_notify.c - the queue of mail: when it tries, when again, when no more. The mail server and the store are made up
 * here; time passes in the rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "notify/notify.c" /* its own smtp_*() are below */

#define ROWS 8u

struct world {
    uv_loop_t loop;
    struct notify *n;
    struct mail_row rows[ROWS];
    struct arena arena;
    uint32_t n_rows;
    uint32_t n_asked;
    struct mail_row set; /* the last */
    uint32_t n_set;
    enum err add_err;
    uint64_t queued;
    enum err queued_err;
    uint32_t n_queued;
};

/* ---- a mail server in a struct ---- */

struct smtp {
    void (*wake)(void *ctx);
    void *ctx;
    bool is_at_work;
    bool has_result;
    struct smtp_result next; /* what every mail gets */
    char to[64];
    struct buf message;
    uint32_t n_sent;
    bool is_stopped;
};

struct smtp *smtp_new(void (*wake)(void *ctx), void *ctx)
{
    struct smtp *s = xcalloc(1, sizeof(*s));

    s->wake = wake;
    s->ctx = ctx;
    return s;
}

void smtp_send(struct smtp *s, const struct smtp_server *server, const char *to, TAKES struct buf *message)
{
    assert_false(s->is_at_work); /* one at a time */
    assert_string_equal(server->host, "mail.example.org");
    (void)snprintf(s->to, sizeof(s->to), "%s", to);
    buf_done(&s->message);
    s->message = *message;
    s->n_sent++;
    s->is_at_work = s->has_result = true;
    s->wake(s->ctx);
}

bool smtp_take(struct smtp *s, struct smtp_result *ret)
{
    if (!s->has_result)
        return false;
    *ret = s->next;
    s->is_at_work = s->has_result = false;
    return true;
}

void smtp_stop(struct smtp *s, uint32_t grace_ms)
{
    (void)grace_ms;
    s->is_stopped = true;
}

void smtp_free(struct smtp *s)
{
    if (s == NULL)
        return;
    assert_true(s->is_stopped);
    buf_done(&s->message);
    free(s);
}

/* ---- a store in an array ---- */

static void fake_add(void *ctx, const struct mail_row *row, uint64_t *ret_id, notify_done_fn *done, void *arg)
{
    struct world *w = ctx;
    struct why why = {.code = w->add_err, .text = "made up"};

    if (w->add_err == ERR_OK) {
        struct mail_row *r = &w->rows[w->n_rows];

        assert_true(w->n_rows < ROWS);
        *r = *row;
        r->id = *ret_id = ++w->n_rows;
        r->to = arena_strdup(&w->arena, row->to);
        r->kind = arena_strdup(&w->arena, row->kind);
        r->subject = arena_strdup(&w->arena, row->subject);
        r->text = arena_strdup(&w->arena, row->text);
        r->html = arena_strdup(&w->arena, row->html);
        r->message_id = arena_strdup(&w->arena, row->message_id);
    }
    done(arg, w->add_err, &why);
}

static void fake_set(void *ctx, const struct mail_row *row, notify_done_fn *done, void *arg)
{
    struct world *w = ctx;
    struct mail_row *r = &w->rows[row->id - 1];
    struct why why = {0};

    r->state = row->state;
    r->next_at = row->next_at;
    r->ended_at = row->ended_at;
    r->tries = row->tries;
    w->set = *row;
    w->set.error = arena_strdup(&w->arena, row->error);
    w->n_set++;
    done(arg, ERR_OK, &why);
}

static void fake_next(void *ctx, notify_next_fn *got, void *arg)
{
    struct world *w = ctx;
    const struct mail_row *best = NULL;

    w->n_asked++;
    for (uint32_t i = 0; i < w->n_rows; i++) {
        const struct mail_row *r = &w->rows[i];

        if (r->state == MAIL_WAITING && (best == NULL || r->next_at.ms < best->next_at.ms))
            best = r;
    }
    got(arg, ERR_OK, best);
}

static void fake_retry(void *ctx, struct wall now, struct wall give_up_at, uint64_t *ret_n,
                       notify_done_fn *done, void *arg)
{
    struct world *w = ctx;
    struct why why = {0};

    *ret_n = 0;
    for (uint32_t i = 0; i < w->n_rows; i++) {
        if (w->rows[i].state == MAIL_SENT)
            continue;
        w->rows[i].state = MAIL_WAITING;
        w->rows[i].next_at = now;
        w->rows[i].give_up_at = give_up_at;
        (*ret_n)++;
    }
    done(arg, ERR_OK, &why);
}

static void fake_prune(void *ctx, struct wall before, uint32_t max, uint64_t *ret_n, notify_done_fn *done,
                       void *arg)
{
    (void)ctx;
    (void)before;
    (void)max;
    (void)ret_n;
    (void)done;
    (void)arg;
    fail_msg("nothing is pruned in a test's time");
}

static const struct notify_store fake_store = {
    .add = fake_add, .set = fake_set, .next = fake_next, .retry = fake_retry, .prune = fake_prune};

/* ---- the world ---- */

static const struct smtp_server server = {.host = "mail.example.org",
                                          .port = 587,
                                          .user = "u",
                                          .password = "p",
                                          .from = "wrata@ci.example.org",
                                          .ca = ""};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    arena_init(&w->arena);
    w->n =
        notify_new(&(struct notify_opts){.loop = &w->loop, .store = &fake_store, .store_ctx = w, .seed = 7});
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    notify_halt(w->n, 0);
    notify_free(w->n);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    arena_done(&w->arena);
    free(w);
    return 0;
}

static void turn(struct world *w)
{
    for (int i = 0; i < 6; i++)
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void configure(struct world *w, enum smtp_verdict verdict)
{
    struct why why = {0};

    if (notify_configure(w->n, &server, NULL, &why) != ERR_OK)
        fail_msg("%s", why.text);
    w->n->smtp->next = (struct smtp_result){.verdict = verdict, .text = "made up"};
}

static void on_queued_here(void *ctx, uint64_t id, enum err err, const struct why *why)
{
    struct world *w = ctx;

    (void)why;
    w->queued = id;
    w->queued_err = err;
    w->n_queued++;
}

static const struct mail hello = {
    .to = "mira@example.org", .subject = "Hello", .text = "text\n", .kind = "test"};

static void send_hello(struct world *w)
{
    struct why why = {0};

    if (notify_mail(w->n, &hello, on_queued_here, w, &why) != ERR_OK)
        fail_msg("%s", why.text);
    turn(w);
}

/* ---- claims ---- */

static void test_notify__a_mail_is_stored_then_sent_then_done(void **state)
{
    struct world *w = *state;

    configure(w, SMTP_SENT);
    send_hello(w);
    assert_int_equal(w->n_queued, 1);
    assert_int_equal(w->queued, 1);
    assert_int_equal(w->n->smtp->n_sent, 1);
    assert_string_equal(w->n->smtp->to, "mira@example.org");
    assert_int_equal(w->rows[0].state, MAIL_SENT);
    assert_int_equal(w->rows[0].tries, 1);
    assert_true(w->rows[0].ended_at.ms > 0);
    assert_non_null(strstr(buf_str(&w->n->smtp->message), w->rows[0].message_id));
    turn(w);
    assert_int_equal(w->n->smtp->n_sent, 1);
}

static void test_notify__what_is_wrong_is_not_queued(void **state)
{
    static char large[MAIL_BYTES_MAX + 1];
    static const struct {
        const char *field;
        struct mail mail;
    } rows[] = {
        {"to", {.to = "a@b\r\nBcc: c@d", .subject = "s", .text = "t", .kind = "k"}},
        {"to", {.to = "", .subject = "s", .text = "t", .kind = "k"}},
        {"subject", {.to = "a@b", .subject = "s\nBcc: c@d", .text = "t", .kind = "k"}},
        {"kind", {.to = "a@b", .subject = "s", .text = "t", .kind = "a b"}},
        {"group", {.to = "a@b", .subject = "s", .text = "t", .kind = "k", .group = "a\nb"}},
        {"text", {.to = "a@b", .subject = "s", .text = "\xff", .kind = "k"}},
        {"text", {.to = "a@b", .subject = "s", .text = "", .kind = "k"}},
        {"html", {.to = "a@b", .subject = "s", .text = "t", .kind = "k", .html = "\xc3"}},
        {"text", {.to = "a@b", .subject = "s", .text = large, .kind = "k"}},
    };
    struct world *w = *state;
    struct why why = {0};

    memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(notify_mail(w->n, &hello, NULL, NULL, &why), ERR_BUSY);
    configure(w, SMTP_SENT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        why = (struct why){.field = ""};
        assert_int_not_equal(notify_mail(w->n, &rows[i].mail, NULL, NULL, &why), ERR_OK);
        assert_string_equal(why.field, rows[i].field);
    }
    turn(w);
    assert_int_equal(w->n_rows, 0);
    large[MAIL_BYTES_MAX - 1] = '\0'; /* with the subject's one byte exactly as much as there may be */
    assert_int_equal(notify_mail(w->n, &rows[ARRAY_LEN(rows) - 1].mail, NULL, NULL, &why), ERR_OK);
    turn(w);
    assert_int_equal(w->rows[0].state, MAIL_SENT);
}

static void test_notify__a_refused_mail_is_not_tried_again(void **state)
{
    struct world *w = *state;

    configure(w, SMTP_REFUSED);
    log_set_level(LOG_LEVEL_ERROR + 1);
    send_hello(w);
    assert_int_equal(w->rows[0].state, MAIL_FAILED);
    assert_string_equal(w->set.error, "made up");
    turn(w);
    assert_int_equal(w->n->smtp->n_sent, 1);
}

static void test_notify__pauses_grow_until_three_days_are_over(void **state)
{
    struct world *w = *state;
    int64_t waited_ms = 0;
    uint32_t tries = 0;

    configure(w, SMTP_LATER);
    log_set_level(LOG_LEVEL_ERROR + 1);
    send_hello(w);
    while (w->rows[0].state == MAIL_WAITING) {
        static const int minutes[] = {1, 5, 15, 60, 60, 120, 240};
        int64_t ms = w->rows[0].next_at.ms - wall_now().ms;
        int64_t want = minutes[tries < 7 ? tries : 6] * INT64_C(60000);

        assert_int_equal(w->rows[0].tries, ++tries);
        assert_in_range(ms, want * 4 / 5 - 5000, want * 6 / 5 + 5000);
        waited_ms += ms;
        w->rows[0].next_at.ms -= ms; /* time passes */
        w->rows[0].give_up_at.ms -= ms;
        look(w->n);
        turn(w);
        assert_true(tries < 60);
    }
    assert_int_equal(w->rows[0].state, MAIL_FAILED);
    assert_in_range(waited_ms, INT64_C(3) * 24 * 3600000, INT64_C(3) * 24 * 3600000 + 5 * 3600000);
    assert_in_range(tries, 20, 30);
}

static void test_notify__a_server_that_is_not_there_is_left_alone_for_a_while(void **state)
{
    struct world *w = *state;

    configure(w, SMTP_UNREACHED);
    log_set_level(LOG_LEVEL_ERROR + 1);
    send_hello(w);
    assert_int_equal(w->n->smtp->n_sent, 1);
    send_hello(w); /* it is due, but it would fare no better */
    send_hello(w);
    assert_int_equal(w->n->smtp->n_sent, 1);
    assert_int_equal(w->rows[1].tries, 0);
    w->n->paused_until = mono_now();
    look(w->n);
    turn(w);
    assert_int_equal(w->n->smtp->n_sent, 2);
    assert_true(mono_ms_between(mono_now(), w->n->paused_until) >= 2 * PAUSE_MIN_MS * 4 / 5 - 1000);
    w->n->smtp->next.verdict = SMTP_SENT; /* a person knows that it is back */
    notify_retry(w->n, on_queued_here, w);
    turn(w);
    assert_int_equal(w->queued, 3);
    assert_int_equal(w->rows[0].state, MAIL_SENT);
    assert_int_equal(w->rows[1].state, MAIL_SENT);
    assert_int_equal(w->rows[2].state, MAIL_SENT);
    assert_int_equal(w->n->smtp->n_sent, 5);
}

static void test_notify__every_try_sends_the_same_bytes(void **state)
{
    struct world *w = *state;
    char *first;

    configure(w, SMTP_LATER);
    log_set_level(LOG_LEVEL_ERROR + 1);
    send_hello(w);
    first = xstrdup(buf_str(&w->n->smtp->message));
    notify_retry(w->n, NULL, NULL);
    turn(w);
    assert_int_equal(w->n->smtp->n_sent, 2);
    assert_string_equal(buf_str(&w->n->smtp->message), first);
    free(first);
}

static void test_notify__an_end_in_between_leaves_it_waiting(void **state)
{
    struct world *w = *state;

    configure(w, SMTP_CANCELLED);
    send_hello(w);
    assert_int_equal(w->n->smtp->n_sent, 1);
    assert_int_equal(w->n_set, 0);
    assert_int_equal(w->rows[0].state, MAIL_WAITING);
    assert_int_equal(w->rows[0].tries, 0);
    notify_halt(w->n, 0);
    assert_int_equal(notify_mail(w->n, &hello, NULL, NULL, NULL), ERR_BUSY);
}

static void test_notify__what_is_not_stored_is_not_queued(void **state)
{
    struct world *w = *state;
    struct why why = {0};

    configure(w, SMTP_SENT);
    log_set_level(LOG_LEVEL_ERROR + 1);
    w->add_err = ERR_LIMIT;
    assert_int_equal(notify_mail(w->n, &hello, on_queued_here, w, &why), ERR_OK);
    turn(w);
    assert_int_equal(w->queued_err, ERR_LIMIT);
    assert_int_equal(w->n->smtp->n_sent, 0);
}

static void test_notify__passwords_go_by_tls_alone(void **state)
{
    static const struct {
        const char *host;
        uint16_t port;
        enum smtp_tls tls;
        const char *password;
        const char *from;
        const char *field; /* NULL: it is fine */
    } rows[] = {
        {"mail.example.org", 587, SMTP_TLS_REQUIRED, "p", "a@b", NULL},
        {"mail.example.org", 587, SMTP_TLS_OPTIONAL, "p", "a@b", "mail_tls"},
        {"mail.example.org", 25, SMTP_TLS_OPTIONAL, "", "a@b", NULL},
        {"mail.example.org", 25, SMTP_TLS_OFF, "", "a@b", "mail_tls"},
        {"127.0.0.1.example.org", 25, SMTP_TLS_OFF, "", "a@b", "mail_tls"},
        {"mail.example.org", 465, SMTP_TLS_OFF, "p", "a@b", NULL},
        {"localhost", 25, SMTP_TLS_OFF, "p", "a@b", NULL},
        {"127.0.0.1", 25, SMTP_TLS_OPTIONAL, "p", "a@b", NULL},
        {"::1", 25, SMTP_TLS_OFF, "", "a@b", NULL},
        {"a/b", 587, SMTP_TLS_REQUIRED, "p", "a@b", "smtp_host"},
        {"u@h", 587, SMTP_TLS_REQUIRED, "p", "a@b", "smtp_host"},
        {"", 587, SMTP_TLS_REQUIRED, "p", "a@b", "smtp_host"},
        {"h", 587, SMTP_TLS_REQUIRED, "p", "robot", "smtp_from"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_server s = server;
        struct why why = {.field = NULL};
        enum err err;

        s.host = rows[i].host;
        s.port = rows[i].port;
        s.tls = rows[i].tls;
        s.password = rows[i].password;
        s.from = rows[i].from;
        err = notify_configure(w->n, &s, NULL, &why);
        if ((err == ERR_OK) != (rows[i].field == NULL))
            fail_msg("row %zu: %s", i, why.text);
        if (rows[i].field != NULL)
            assert_string_equal(why.field, rows[i].field);
        assert_int_equal(notify_is_configured(w->n), rows[i].field == NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_notify__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_mail_is_stored_then_sent_then_done),
        TEST(what_is_wrong_is_not_queued),
        TEST(a_refused_mail_is_not_tried_again),
        TEST(pauses_grow_until_three_days_are_over),
        TEST(a_server_that_is_not_there_is_left_alone_for_a_while),
        TEST(every_try_sends_the_same_bytes),
        TEST(an_end_in_between_leaves_it_waiting),
        TEST(what_is_not_stored_is_not_queued),
        TEST(passwords_go_by_tls_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
