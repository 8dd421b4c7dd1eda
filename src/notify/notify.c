#include "notify/notify.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "notify/backoff.h"
#include "notify/mime.h"
#include "notify/template.h"
#include "wire/json_out.h"

#define GIVE_UP_MS (INT64_C(3) * 24 * 3600 * 1000)
#define PAUSE_MIN_MS \
    5000 /* when the server cannot be reached: before any mail tries it again; doubles up to */
#define PAUSE_MAX_MS (5 * 60 * 1000)
#define LOOK_MS (60 * 1000)       /* the wall clock may jump: no timer is set for longer */
#define PRUNE_FIRST_MS (3 * 1000) /* the start has other things to do */
#define PRUNE_MS (60 * 60 * 1000)
#define PRUNE_AGAIN_MS 1000
#define PRUNE_ROWS 500u
#define ADDING_MAX 64u /* on their way to disk: 16 MiB at the most */
#define RANDOM_BYTES 16u

/* Minutes between one try and the next, less or more by a fifth; the last goes on until GIVE_UP_MS are over. */
static const uint16_t retry_minutes[] = {1, 5, 15, 60, 60, 120, 240};

struct notify {
    struct notify_opts opts;
    struct smtp *smtp; /* NULL until a server is configured: its thread is not for those who send no mail */
    uv_async_t wake;
    uv_timer_t timer;
    uv_timer_t prune_timer;
    unsigned handles; /* not yet closed */
    struct rng rng;

    bool has_server;
    struct smtp_server server; /* OWNED texts */
    char reason[240];          /* why there is none */

    bool is_busy; /* asked for the next, or at work on it, or storing what came of it */
    bool is_sending;
    bool look_again; /* something changed meanwhile */
    bool is_halted;
    struct mail_row row; /* at work; its texts are in `arena` */
    struct arena arena;
    struct mono paused_until;
    uint32_t unreached; /* in a row */
    uint32_t adding;
    uint64_t n_pruned;
};

static void look(struct notify *n);
static void on_prune_timer(uv_timer_t *h);

/* ---- when ------------------------------------------------------------------------------------------------ */

static int64_t retry_ms(struct notify *n, uint32_t tries)
{
    size_t i = tries > 0 ? tries - 1 : 0;

    if (i >= ARRAY_LEN(retry_minutes))
        i = ARRAY_LEN(retry_minutes) - 1;
    return backoff_jittered(&n->rng, retry_minutes[i] * INT64_C(60000));
}

static void pause_server(struct notify *n)
{
    n->paused_until =
        mono_add_ms(mono_now(), backoff_doubled(&n->rng, PAUSE_MIN_MS, PAUSE_MAX_MS, n->unreached));
    n->unreached++;
}

static void on_timer(uv_timer_t *h)
{
    look(h->data);
}

static void look_in(struct notify *n, int64_t ms)
{
    if (ms > LOOK_MS)
        ms = LOOK_MS;
    if (!n->is_halted)
        (void)uv_timer_start(&n->timer, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

/* ---- one mail -------------------------------------------------------------------------------------------- */

static void idle(struct notify *n)
{
    n->is_busy = false;
    if (n->look_again) {
        n->look_again = false;
        look_in(n, 0);
    }
}

static void on_set(void *ctx, enum err err, const struct why *why)
{
    struct notify *n = ctx;
    char text[300];

    /* ERR_NOTFOUND is nobody's harm: the row is gone. A broken store ends the server by itself. */
    if (err != ERR_OK)
        LOG_ERROR("mail.not_stored", "id=%" PRIu64 " why=%s", n->row.id,
                  log_quote(text, sizeof(text), why->text));
    n->look_again = err == ERR_OK || err == ERR_NOTFOUND;
    if (err == ERR_OK && n->row.state != MAIL_WAITING && n->opts.ended != NULL && !n->is_halted)
        n->opts.ended(n->opts.store_ctx);
    idle(n);
}

static void log_result(const struct mail_row *row, const char *why)
{
    char text[400];

    (void)log_quote(text, sizeof(text), why);
    if (row->state == MAIL_SENT)
        LOG_INFO("mail.sent", "id=%" PRIu64 " kind=%s tries=%u", row->id, row->kind, row->tries);
    else if (row->state == MAIL_FAILED)
        LOG_ERROR("mail.failed", "id=%" PRIu64 " kind=%s tries=%u why=%s", row->id, row->kind, row->tries,
                  text);
    else
        LOG_WARN("mail.later", "id=%" PRIu64 " kind=%s tries=%u in_s=%" PRId64 " why=%s", row->id, row->kind,
                 row->tries, (row->next_at.ms - wall_now().ms) / 1000, text);
}

static void finish(struct notify *n, enum smtp_verdict verdict, const char *why)
{
    struct mail_row *row = &n->row;
    struct wall now = wall_now();

    row->tries++;
    row->error = why;
    if (verdict == SMTP_SENT)
        row->state = MAIL_SENT;
    else if (verdict == SMTP_REFUSED || now.ms >= row->give_up_at.ms)
        row->state = MAIL_FAILED;
    if (row->state == MAIL_WAITING)
        row->next_at.ms = now.ms + retry_ms(n, row->tries);
    else
        row->ended_at = now;
    if (verdict == SMTP_UNREACHED)
        pause_server(n);
    else
        n->unreached = 0;
    log_result(row, why);
    n->opts.store->set(n->opts.store_ctx, row, on_set, n);
    row->error = ""; /* it was the caller's */
}

static void take_result(struct notify *n)
{
    struct smtp_result result;

    if (!n->is_sending || !smtp_take(n->smtp, &result))
        return;
    n->is_sending = false;
    if (result.verdict == SMTP_CANCELLED) { /* the next process tries it; nothing to store */
        idle(n);
        return;
    }
    fault_crash("mail.crash_before_set");
    finish(n, result.verdict, result.text);
}

static void on_wake(uv_async_t *h)
{
    take_result(h->data);
}

static void send_row(struct notify *n, const struct mail_row *row)
{
    struct mime mime = {.from = n->server.from,
                        .to = row->to,
                        .subject = row->subject,
                        .text = row->text,
                        .html = row->html,
                        .message_id = row->message_id,
                        .date = row->created_at};
    struct buf message;

    arena_reset(&n->arena);
    n->row = *row;
    n->row.to = n->row.subject = n->row.text = n->row.html = n->row.message_id = n->row.group = "";
    n->row.kind = arena_strdup(&n->arena, row->kind);
    n->row.error = "";
    buf_init(&message, MIME_BYTES_MAX);
    mime_write(&mime, &message);
    n->is_sending = true;
    smtp_send(n->smtp, &n->server, row->to, &message);
}

static void on_next(void *ctx, enum err err, const struct mail_row *row)
{
    struct notify *n = ctx;
    int64_t in_ms;

    if (err != ERR_OK) {
        LOG_ERROR("mail.not_read", "why=\"the store cannot be read\"");
        look_in(n, LOOK_MS);
        idle(n);
        return;
    }
    if (row == NULL || n->is_halted || !n->has_server) {
        idle(n);
        return;
    }
    in_ms = row->next_at.ms - wall_now().ms;
    if (in_ms > 0) {
        look_in(n, in_ms);
        idle(n);
        return;
    }
    send_row(n, row);
}

/* Is there something to do? Asked whenever there may be. */
static void look(struct notify *n)
{
    int64_t pause_ms = mono_ms_between(mono_now(), n->paused_until);

    if (n->is_halted || !n->has_server)
        return;
    if (n->is_busy) {
        n->look_again = true;
        return;
    }
    if (n->unreached > 0 && pause_ms > 0) {
        look_in(n, pause_ms + 1);
        return;
    }
    n->is_busy = true;
    n->opts.store->next(n->opts.store_ctx, on_next, n);
}

/* ---- the server ------------------------------------------------------------------------------------------ */

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

static enum err check_server(const struct smtp_server *s, struct why *reterr)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_";
    const char *wrong = mime_wrong_address(s->from);
    bool is_local = is_loopback(s->host);

    if (s->host[0] == '\0' || strspn(s->host, allowed) != strlen(s->host) || strlen(s->host) > 255)
        return why_set(reterr, ERR_INVALID, "smtp_host",
                       "smtp_host: '%.100s' is not the name or the address of a host", s->host);
    if (wrong != NULL)
        return why_set(reterr, ERR_INVALID, "smtp_from", "smtp_from: '%.100s' %s%s", s->from, wrong,
                       s->from[0] == '\0' ? ", since smtp_user is none" : "");
    if (s->tls == SMTP_TLS_OFF && !is_local && s->port != 465)
        return why_set(reterr, ERR_INVALID, "mail_tls",
                       "mail_tls: off is for a server on this machine; %.60s is another one", s->host);
    /* Whoever is on the way can take the offer of TLS out of the greeting. */
    if (s->tls == SMTP_TLS_OPTIONAL && !is_local && s->port != 465 && s->password[0] != '\0')
        return why_set(reterr, ERR_INVALID, "mail_tls",
                       "mail_tls: optional could send smtp_password to %.100s in the clear; use required",
                       s->host);
    return ERR_OK;
}

static void wake_loop(void *ctx)
{
    struct notify *n = ctx;

    (void)uv_async_send(&n->wake);
}

static void forget_server(struct notify *n)
{
    if (n->has_server)
        explicit_bzero((char *)n->server.password, strlen(n->server.password));
    free((char *)n->server.host);
    free((char *)n->server.user);
    free((char *)n->server.password);
    free((char *)n->server.from);
    free((char *)n->server.ca);
    n->server = (struct smtp_server){0};
    n->has_server = false;
}

enum err notify_configure(struct notify *n, const struct smtp_server *server, const char *reason,
                          struct why *reterr)
{
    struct why why = {0};
    enum err err = server != NULL ? check_server(server, &why) : ERR_OK;

    forget_server(n);
    if (server == NULL || err != ERR_OK) {
        (void)snprintf(n->reason, sizeof(n->reason), "%s", server == NULL ? reason : why.text);
        if (reterr != NULL)
            *reterr = why;
        return err;
    }
    n->server = *server;
    n->server.host = xstrdup(server->host);
    n->server.user = xstrdup(server->user);
    n->server.password = xstrdup(server->password);
    n->server.from = xstrdup(server->from);
    n->server.ca = xstrdup(server->ca);
    n->has_server = true;
    if (n->smtp == NULL)
        n->smtp = smtp_new(wake_loop, n);
    n->unreached = 0;
    look(n);
    return ERR_OK;
}

bool notify_is_configured(const struct notify *n)
{
    return n->has_server;
}

/* ---- a new mail ------------------------------------------------------------------------------------------ */

struct adding {
    struct notify *n;
    uint64_t id;
    char kind[MAIL_WORD_BYTES_MAX + 1];
    notify_queued_fn *done;
    void *ctx;
};

static void on_added(void *ctx, enum err err, const struct why *why)
{
    struct adding *a = ctx;
    struct notify *n = a->n;
    char text[300];

    n->adding--;
    if (err == ERR_OK)
        LOG_INFO("mail.queued", "id=%" PRIu64 " kind=%s", a->id, a->kind);
    else
        LOG_ERROR("mail.not_queued", "kind=%s why=%s", a->kind, log_quote(text, sizeof(text), why->text));
    if (a->done != NULL)
        a->done(a->ctx, err == ERR_OK ? a->id : 0, err, why);
    free(a);
    look(n);
}

static bool is_word(const char *s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.:-";

    return strlen(s) <= MAIL_WORD_BYTES_MAX && strspn(s, allowed) == strlen(s);
}

static bool is_utf8(const char *s)
{
    size_t n = strlen(s);
    int len = 1;

    for (size_t i = 0; i < n && len > 0; i += (size_t)len) {
        len = utf8_next(s + i, n - i);
        if (len <= 0)
            return false;
    }
    return true;
}

static enum err check_mail(const struct mail *m, struct why *reterr)
{
    const char *html = m->html != NULL ? m->html : "";
    const char *wrong = mime_wrong_address(m->to);

    if (wrong != NULL)
        return why_set(reterr, ERR_INVALID, "to", "to: '%.60s' %s", m->to, wrong);
    wrong = mime_wrong_subject(m->subject);
    if (wrong != NULL)
        return why_set(reterr, ERR_INVALID, "subject", "subject: %s", wrong);
    if (m->kind[0] == '\0' || !is_word(m->kind))
        return why_set(reterr, ERR_INVALID, "kind", "kind: '%.60s' is not a word", m->kind);
    if (m->group != NULL && !is_word(m->group))
        return why_set(reterr, ERR_INVALID, "group", "group: '%.60s' is not a word", m->group);
    if (m->text[0] == '\0' || !is_utf8(m->text))
        return why_set(reterr, ERR_INVALID, "text", "text: takes valid UTF-8, not nothing");
    if (!is_utf8(html))
        return why_set(reterr, ERR_INVALID, "html", "html: takes valid UTF-8");
    if (strlen(m->subject) + strlen(m->text) + strlen(html) > MAIL_BYTES_MAX)
        return why_set(reterr, ERR_LIMIT, "text", "text: a mail has at most %u bytes", MAIL_BYTES_MAX);
    return ERR_OK;
}

/* "RANDOM@DOMAIN of the sender": the same for every try. */
static void make_message_id(const struct notify *n, char *out, size_t size)
{
    unsigned char random[RANDOM_BYTES];
    char hex[2 * RANDOM_BYTES + 1];
    const char *at = strchr(n->server.from, '@');

    randombytes_buf(random, sizeof(random));
    (void)sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
    (void)snprintf(out, size, "wrata.%s@%s", hex, at != NULL ? at + 1 : "localhost");
}

enum err notify_row(const struct notify *n, const struct mail *mail, struct arena *arena,
                    struct mail_row *ret, struct why *reterr)
{
    char message_id[MAIL_ADDRESS_BYTES_MAX + 64];
    struct wall now = wall_now();
    enum err err;

    if (n->is_halted)
        return why_set(reterr, ERR_BUSY, NULL, "the server is about to end");
    if (!n->has_server)
        return why_set(reterr, ERR_BUSY, NULL, "no mail can be sent: %.200s", n->reason);
    err = check_mail(mail, reterr);
    if (err != ERR_OK)
        return err;
    make_message_id(n, message_id, sizeof(message_id));
    *ret = (struct mail_row){.state = MAIL_WAITING,
                             .to = mail->to,
                             .kind = mail->kind,
                             .group = mail->group != NULL ? mail->group : "",
                             .subject = mail->subject,
                             .text = mail->text,
                             .html = mail->html != NULL ? mail->html : "",
                             .message_id = arena_strdup(arena, message_id),
                             .created_at = now,
                             .next_at = now,
                             .give_up_at = {now.ms + GIVE_UP_MS},
                             .error = ""};
    return ERR_OK;
}

void notify_look(struct notify *n)
{
    look(n);
}

enum err notify_mail(struct notify *n, const struct mail *mail, notify_queued_fn *done, void *ctx,
                     struct why *reterr)
{
    struct mail_row row;
    struct arena arena;
    struct adding *a;
    enum err err;

    arena_init(&arena);
    err = notify_row(n, mail, &arena, &row, reterr);
    if (err == ERR_OK && n->adding >= ADDING_MAX)
        err = why_set(reterr, ERR_LIMIT, NULL, "%u mails are being written to disk; try again", n->adding);
    if (err == ERR_OK) {
        a = xcalloc(1, sizeof(*a));
        a->n = n;
        a->done = done;
        a->ctx = ctx;
        (void)snprintf(a->kind, sizeof(a->kind), "%s", mail->kind);
        n->adding++;
        n->opts.store->add(n->opts.store_ctx, &row, &a->id, on_added, a);
    }
    arena_done(&arena);
    return err;
}

enum err notify_template(struct notify *n, const char *to, const char *kind,
                         const struct template_value *values, size_t n_values, notify_queued_fn *done,
                         void *ctx, struct why *reterr)
{
    struct buf subject;
    struct buf text;
    struct buf html;
    enum err err;

    buf_init(&subject, MAIL_BYTES_MAX);
    buf_init(&text, MAIL_BYTES_MAX);
    buf_init(&html, MAIL_BYTES_MAX);
    err = template_render(kind, values, n_values, &subject, &text, &html, reterr);
    if (err == ERR_OK)
        err = notify_mail(n,
                          &(struct mail){.to = to,
                                         .subject = buf_str(&subject),
                                         .text = buf_str(&text),
                                         .html = buf_str(&html),
                                         .kind = kind},
                          done, ctx, reterr);
    buf_done(&subject);
    buf_done(&text);
    buf_done(&html);
    return err;
}

/* ---- again ----------------------------------------------------------------------------------------------- */

static void on_retried(void *ctx, enum err err, const struct why *why)
{
    struct adding *a = ctx;
    struct notify *n = a->n;

    n->unreached = 0;
    if (err == ERR_OK)
        LOG_INFO("mail.retry", "waiting=%" PRIu64, a->id);
    if (a->done != NULL)
        a->done(a->ctx, a->id, err, why);
    free(a);
    look(n);
}

void notify_retry(struct notify *n, notify_queued_fn *done, void *ctx)
{
    struct adding *a = xcalloc(1, sizeof(*a));
    struct wall now = wall_now();

    a->n = n;
    a->done = done;
    a->ctx = ctx;
    n->opts.store->retry(n->opts.store_ctx, now, (struct wall){now.ms + GIVE_UP_MS}, &a->id, on_retried, a);
}

/* ---- what is over, goes ---------------------------------------------------------------------------------- */

static void on_pruned(void *ctx, enum err err, const struct why *why)
{
    struct notify *n = ctx;
    bool more = err == ERR_OK && n->n_pruned == PRUNE_ROWS;

    (void)why; /* a broken store says so by itself */
    if (n->n_pruned > 0)
        LOG_DEBUG("mail.pruned", "rows=%" PRIu64, n->n_pruned);
    if (!n->is_halted)
        (void)uv_timer_start(&n->prune_timer, on_prune_timer, more ? PRUNE_AGAIN_MS : PRUNE_MS, 0);
}

static void on_prune_timer(uv_timer_t *h)
{
    struct notify *n = h->data;
    struct wall before = {wall_now().ms - MAIL_KEPT_MS};

    n->n_pruned = 0;
    n->opts.store->prune(n->opts.store_ctx, before, PRUNE_ROWS, &n->n_pruned, on_pruned, n);
}

/* ---- begin and end --------------------------------------------------------------------------------------- */

struct notify *notify_new(const struct notify_opts *opts)
{
    struct notify *n = xcalloc(1, sizeof(*n));

    CHECK(sodium_init() >= 0);
    n->opts = *opts;
    arena_init(&n->arena);
    rng_seed(&n->rng, opts->seed);
    (void)snprintf(n->reason, sizeof(n->reason), "no mail server is configured");
    CHECK(uv_async_init(opts->loop, &n->wake, on_wake) == 0);
    CHECK(uv_timer_init(opts->loop, &n->timer) == 0);
    CHECK(uv_timer_init(opts->loop, &n->prune_timer) == 0);
    n->handles = 3;
    n->wake.data = n->timer.data = n->prune_timer.data = n;
    CHECK(uv_timer_start(&n->prune_timer, on_prune_timer, PRUNE_FIRST_MS, 0) == 0);
    return n;
}

void notify_halt(struct notify *n, uint32_t grace_ms)
{
    if (n == NULL || n->is_halted)
        return;
    n->is_halted = true;
    (void)uv_timer_stop(&n->timer);
    (void)uv_timer_stop(&n->prune_timer);
    if (n->smtp != NULL)
        smtp_stop(n->smtp, grace_ms);
    take_result(n);
}

static void on_closed(uv_handle_t *h)
{
    struct notify *n = h->data;

    if (--n->handles > 0)
        return;
    arena_done(&n->arena);
    free(n);
}

void notify_free(struct notify *n)
{
    if (n == NULL)
        return;
    notify_halt(n, 0);
    smtp_free(n->smtp);
    n->smtp = NULL;
    forget_server(n);
    uv_close((uv_handle_t *)&n->wake, on_closed);
    uv_close((uv_handle_t *)&n->timer, on_closed);
    uv_close((uv_handle_t *)&n->prune_timer, on_closed);
}
