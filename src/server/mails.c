/* mails.c - mail: the queue of notify/ with the store behind it, the credentials it needs, and who asks for mail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/credentials.h"
#include "config/secret.h"
#include "notify/notice_text.h"
#include "notify/notify.h"
#include "notify/template.h"
#include "server/server.h"
#include "wire/json_out.h"

#define CONNECT_MS (20 * 1000)
#define WHOLE_MS (120 * 1000)
#define STOP_GRACE_MS \
    2000 /* most mails are over by then; one that is cut is tried again by the next process */
#define PORT_DEFAULT 587
#define SITE_BYTES 300

struct mails {
    struct server *server;
    struct notify *notify;
    char *admin; /* the first of admin_emails; "" none */
};

/* ---- the queue's store ----------------------------------------------------------------------------------- */

static void store_add(void *ctx, const struct mail_row *row, uint64_t *ret_id, notify_done_fn *done,
                      void *arg)
{
    struct mails *m = ctx;

    store_mail_add(m->server->store, row, ret_id, done, arg);
}

static void store_set(void *ctx, const struct mail_row *row, notify_done_fn *done, void *arg)
{
    struct mails *m = ctx;

    store_mail_set(m->server->store, row, done, arg);
}

static void store_retry(void *ctx, struct wall now, struct wall give_up_at, uint64_t *ret_n,
                        notify_done_fn *done, void *arg)
{
    struct mails *m = ctx;

    store_mails_retry(m->server->store, now, give_up_at, ret_n, done, arg);
}

static void store_prune(void *ctx, struct wall before, uint32_t max, uint64_t *ret_n, notify_done_fn *done,
                        void *arg)
{
    struct mails *m = ctx;

    store_mails_prune(m->server->store, before, max, ret_n, done, arg);
}

struct next_job {
    notify_next_fn *got;
    void *arg;
    struct arena arena; /* of the row's texts */
    struct mail_row row;
    bool has_row;
    enum err err;
    struct why why;
};

static void copy_row(void *ctx, const struct mail_row *row)
{
    struct next_job *job = ctx;

    mail_row_keep(&job->arena, row, &job->row);
    job->has_row = true;
}

static void next_read(struct reader *r, void *arg)
{
    struct next_job *job = arg;

    job->err = read_mail_next(r, copy_row, job, &job->why);
}

static void next_done(void *arg)
{
    struct next_job *job = arg;

    job->got(job->arg, job->err, job->err == ERR_OK && job->has_row ? &job->row : NULL);
    arena_done(&job->arena);
    free(job);
}

static void store_next(void *ctx, notify_next_fn *got, void *arg)
{
    struct mails *m = ctx;
    struct next_job *job = xcalloc(1, sizeof(*job));

    job->got = got;
    job->arg = arg;
    arena_init(&job->arena);
    store_read(m->server->store, next_read, next_done, job);
}

/* What is held back until a mail of its kind is delivered may go on. */
static void on_ended(void *ctx)
{
    struct mails *m = ctx;

    notices_look(m->server);
}

static const struct notify_store queue_store = {
    .add = store_add, .set = store_set, .next = store_next, .retry = store_retry, .prune = store_prune};

/* ---- who asks for mail ----------------------------------------------------------------------------------- */

/* How people know this server: the name it is reached by, else where it listens. */
static void site_of(const struct server *s, char *out, size_t size)
{
    const char *url = s->api != NULL ? api_url(s->api) : "";
    const char *host = strstr(url, "://");

    (void)snprintf(out, size, "%s",
                   s->opts.public_host != NULL ? s->opts.public_host
                   : host != NULL              ? host + 3
                                               : s->opts.listen);
}

bool mails_can_be_sent(const struct server *s)
{
    return notify_is_configured(s->mails->notify);
}

enum err mails_row(struct server *s, const struct mail *mail, struct arena *arena, struct mail_row *ret,
                   struct why *reterr)
{
    return notify_row(s->mails->notify, mail, arena, ret, reterr);
}

void mails_look(struct server *s)
{
    notify_look(s->mails->notify);
}

/* As auth_page_url(): behind public_host stands a proxy that speaks https to the world. */
void mails_site(const struct server *s, struct arena *arena, struct notice_site *ret)
{
    char site[SITE_BYTES];

    site_of(s, site, sizeof(site));
    ret->site = arena_strdup(arena, site);
    ret->url = s->opts.public_host != NULL ? arena_printf(arena, "https://%s", s->opts.public_host)
                                           : arena_strdup(arena, api_url(s->api));
}

static void on_mail(void *ctx, const struct api_mail *in)
{
    struct server *s = ctx;
    char site[SITE_BYTES];
    char at[JSON_TIME_BYTES];
    char until[64];
    char text[300];
    struct why why = {0};

    site_of(s, site, sizeof(site));
    jo_time_text(in->expires_at, at);
    (void)snprintf(until, sizeof(until), "%.10s %.5s UTC", at, at + 11);
    if (notify_template(s->mails->notify, in->to, in->kind,
                        (const struct template_value[]){
                            {"site", site}, {"login", in->login}, {"url", in->url}, {"until", until}},
                        4, NULL, NULL, &why) != ERR_OK)
        LOG_ERROR("mail.not_queued", "kind=%s why=%s", in->kind, log_quote(text, sizeof(text), why.text));
}

static enum err on_mail_test(void *ctx, const char *to, api_mails_fn *done, void *arg, struct why *reterr)
{
    struct server *s = ctx;
    char site[SITE_BYTES];

    if (to[0] == '\0')
        to = s->mails->admin;
    if (to[0] == '\0')
        return why_set(reterr, ERR_INVALID, "to", "to: takes an address, since there are no admin_emails");
    site_of(s, site, sizeof(site));
    return notify_template(s->mails->notify, to, "test", (const struct template_value[]){{"site", site}}, 1,
                           done, arg, reterr);
}

static void on_mail_retry(void *ctx, api_mails_fn *done, void *arg)
{
    struct server *s = ctx;

    notify_retry(s->mails->notify, done, arg);
}

void mails_of_api(struct server *s, struct api_opts *opts)
{
    opts->mail = notify_is_configured(s->mails->notify) ? on_mail : NULL;
    opts->mail_test = on_mail_test;
    opts->mail_retry = on_mail_retry;
}

/* ---- credentials ----------------------------------------------------------------------------------------- */

/* The first line of one; "" when it is not set. In the arena. */
static const char *first_line(const struct credentials *c, enum credential_id id, struct arena *arena)
{
    const char *s = c->at[id] != NULL ? secret_reveal(c->at[id]) : "";

    return arena_strndup(arena, s, strcspn(s, "\n"));
}

static void configure(struct mails *m)
{
    const struct credentials *c = &m->server->credentials;
    const struct settings *set = &m->server->opts.config->set;
    struct arena arena;
    struct smtp_server sv;
    const char *port;
    const char *password;
    struct why why = {0};
    char text[300];

    arena_init(&arena);
    port = first_line(c, CREDENTIAL_smtp_port, &arena);
    password = c->at[CREDENTIAL_smtp_password] != NULL ? secret_reveal(c->at[CREDENTIAL_smtp_password]) : "";
    sv = (struct smtp_server){.host = first_line(c, CREDENTIAL_smtp_host, &arena),
                              .port = port[0] != '\0' ? (uint16_t)strtol(port, NULL, 10) : PORT_DEFAULT,
                              .user = first_line(c, CREDENTIAL_smtp_user, &arena),
                              .password = password,
                              .from = first_line(c, CREDENTIAL_smtp_from, &arena),
                              .tls = (enum smtp_tls)set->mail_tls,
                              .ca = set->mail_ca,
                              .connect_ms = CONNECT_MS,
                              .whole_ms = WHOLE_MS};
    if (sv.from[0] == '\0')
        sv.from = sv.user;
    free(m->admin);
    m->admin = xstrdup(first_line(c, CREDENTIAL_admin_emails, &arena));
    if (c->at[CREDENTIAL_smtp_host] == NULL)
        (void)notify_configure(m->notify, NULL, "smtp_host is not set; `wrata credentials edit` sets it",
                               NULL);
    else if (notify_configure(m->notify, &sv, NULL, &why) != ERR_OK)
        LOG_ERROR("mail.wrong", "why=%s", log_quote(text, sizeof(text), why.text));
    else
        LOG_INFO("mail.ready", "host=%s port=%u from=%s", sv.host, sv.port, sv.from);
    arena_done(&arena);
}

/* ---- begin and end --------------------------------------------------------------------------------------- */

void mails_open(struct server *s)
{
    struct mails *m = xcalloc(1, sizeof(*m));

    m->server = s;
    m->admin = xstrdup("");
    m->notify = notify_new(&(struct notify_opts){.loop = &s->loop,
                                                 .store = &queue_store,
                                                 .store_ctx = m,
                                                 .seed = (uint64_t)wall_now().ms,
                                                 .ended = on_ended});
    s->mails = m;
    configure(m);
}

void mails_reload(struct server *s)
{
    configure(s->mails);
    api_set_mail(s->api, notify_is_configured(s->mails->notify) ? on_mail : NULL);
}

void mails_halt(struct server *s)
{
    if (s->mails != NULL)
        notify_halt(s->mails->notify, STOP_GRACE_MS);
}

void mails_free(struct server *s)
{
    if (s->mails == NULL)
        return;
    notify_free(s->mails->notify);
    free(s->mails->admin);
    free(s->mails);
    s->mails = NULL;
}
