/* hooks.c - webhooks and commit statuses: the queue of notify/hooks.h with the store behind it, HTTP before it, and who waits for a
 * try. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "accounts/accounts.h"
#include "base/log.h"
#include "config/seal.h"
#include "model/choice.h"
#include "net/hook_sign.h"
#include "net/http_call.h"
#include "net/outward.h"
#include "notify/notice_text.h"
#include "notify/waiters.h"
#include "server/hook_body.h"
#include "server/server.h"

#define TRY_MS (15 * 1000)
#define CONNECT_MS (5 * 1000)
#define ANSWER_BYTES KIB(4)
#define PRUNE_ROWS 500u
#define SIGNED_HEADERS 6u
#define HEADER_BYTES 200u

struct posts {
    struct server *server;
    struct hooks *hooks;
    struct http_calls *calls;
    struct outward *outward;
    char *git_host; /* whose repositories the API of GitHub knows */
    struct waiters waiters;
    bool is_halted;
    struct post *posts; /* on their way */
};

/* ---- the queue's store ----------------------------------------------------------------------------------- */

static struct wall on_now(void *ctx)
{
    (void)ctx;
    return wall_now();
}

struct due_job {
    struct posts *p;
    hooks_due_fn *got;
    void *arg;
    struct arena arena;
    struct notice_site site;
    struct wall now;
    struct wall next;
    struct hook_due *all;
    uint32_t n;
    uint32_t cap;
    enum err err;
    struct why why;
};

static void each_due(void *ctx, const struct delivery_row *row)
{
    struct due_job *job = ctx;

    if (job->n == job->cap)
        return;
    delivery_row_keep(&job->arena, row, &job->all[job->n].delivery);
    job->n++;
}

struct hook_keep {
    struct due_job *job;
    struct hook_row *to;
};

static void keep_hook(void *ctx, const struct hook_row *row)
{
    struct hook_keep *k = ctx;

    hook_row_keep(&k->job->arena, row, k->to);
}

/* A delivery that is open says what it counts by now. */
static void write_body(struct reader *r, struct due_job *job, struct hook_due *due)
{
    struct buf b;

    buf_init(&b, HOOK_BODY_BYTES_MAX);
    job->err = hook_body_write(r, due, &job->site, job->p->git_host, &b, &job->why);
    due->delivery.body = arena_strdup(&job->arena, buf_str(&b));
    buf_done(&b);
}

static void due_read(struct reader *r, void *arg)
{
    struct due_job *job = arg;

    job->cap = HOOKS_MAX;
    job->all = arena_alloc(&job->arena, job->cap * sizeof(*job->all));
    job->err = read_deliveries_due(r, job->now, each_due, job, &job->next, &job->why);
    for (uint32_t i = 0; job->err == ERR_OK && i < job->n; i++) {
        struct hook_keep k = {job, &job->all[i].hook};

        job->err = read_hook(r, job->all[i].delivery.hook, keep_hook, &k, &job->why);
        if (job->err == ERR_OK && job->all[i].delivery.is_open)
            write_body(r, job, &job->all[i]);
    }
}

static void due_done(void *arg)
{
    struct due_job *job = arg;

    job->got(job->arg, job->err, job->all, job->n, job->next);
    arena_done(&job->arena);
    free(job);
}

static void on_due(void *ctx, struct wall now, hooks_due_fn *got, void *arg)
{
    struct posts *p = ctx;
    struct due_job *job = xcalloc(1, sizeof(*job));

    job->p = p;
    job->got = got;
    job->arg = arg;
    job->now = now;
    arena_init(&job->arena);
    mails_site(p->server, &job->arena, &job->site);
    store_read(p->server->store, due_read, due_done, job);
}

static void on_close(void *ctx, const struct delivery_row *row, hooks_done_fn *done, void *arg)
{
    struct posts *p = ctx;

    store_delivery_close(p->server->store, row, done, arg);
}

static void on_set(void *ctx, const struct delivery_row *row, const struct hook_fate *fate,
                   hooks_done_fn *done, void *arg)
{
    struct posts *p = ctx;

    store_delivery_set(p->server->store, row, fate, done, arg);
}

static void on_prune(void *ctx, struct wall now, uint64_t *ret_n, hooks_done_fn *done, void *arg)
{
    struct posts *p = ctx;

    store_deliveries_prune(p->server->store, now, PRUNE_ROWS, ret_n, done, arg);
}

/* ---- who may, and who waits ------------------------------------------------------------------------------ */

enum { HOOKS_FOR_ALL, HOOKS_FOR_ADMINS, HOOKS_OFF };

static const char *on_fault(void *ctx, const struct hook_row *hook)
{
    struct posts *p = ctx;
    const struct settings *set = &p->server->opts.config->set;
    const struct accounts *a = api_accounts(p->server->api);
    const struct user_row *u = accounts_user(a, hook->user);

    if (hook->user.v == 1 || set->accounts != 0)
        return NULL; /* the operator's */
    if (u == NULL || u->deleted_at.ms != 0 || u->locked_at.ms != 0 || accounts_role(a, u) < ROLE_USER)
        return "its owner may not work here any more";
    if (accounts_role(a, u) < ROLE_ADMIN && (hook->is_all || hook->type == HOOK_GITHUB))
        return "its owner is no admin any more";
    if (accounts_role(a, u) < ROLE_ADMIN && set->hooks == HOOKS_FOR_ADMINS)
        return "hooks are for admins alone here";
    return NULL;
}

static void on_tried(void *ctx, const struct hook_due *what)
{
    struct posts *p = ctx;
    const struct delivery_row *row = &what->delivery;

    if (row->state == DELIVERY_FAILED || !what->hook.is_enabled)
        notices_look(p->server); /* its owner may have to hear of it */
    waiters_wake(&p->waiters, row->hook, what->hook.is_enabled ? row->id : 0);
}

void posts_wait(void *server, uint64_t hook, uint64_t delivery, void (*done)(void *arg), void *arg)
{
    struct server *s = server;

    if (s->posts == NULL)
        done(arg);
    else
        waiters_add(&s->posts->waiters, hook, delivery, done, arg);
}

void posts_gone(void *server, uint64_t hook)
{
    struct server *s = server;

    if (s->posts != NULL)
        waiters_wake(&s->posts->waiters, hook, 0);
}

/* ---- a try ----------------------------------------------------------------------------------------------- */

struct post {
    struct posts *p;
    struct post *prev;
    struct post *next;
    struct http_call *call;
    hooks_answer_fn *answer;
    void *arg;
    bool is_plain;
    bool is_github;
    char headers[SIGNED_HEADERS][HEADER_BYTES];
    const char *lines[SIGNED_HEADERS];
};

static void post_free(struct post *x)
{
    DL_DELETE(x->p->posts, x);
    free(x);
}

static const char *on_address(void *ctx, const struct sockaddr *sa)
{
    const struct post *x = ctx;

    return outward_fault_of_socket(x->p->outward, sa, x->is_plain);
}

/* GitHub says when its limit is over by the hour of its clock. */
static int64_t patience_of(const struct post *x, const struct http_answer *a)
{
    int64_t after_s = http_call_number(a->headers, "Retry-After");
    int64_t reset_s = http_call_number(a->headers, "X-RateLimit-Reset");

    if (after_s >= 0 || !x->is_github || http_call_number(a->headers, "X-RateLimit-Remaining") != 0 ||
        reset_s < 0)
        return after_s;
    after_s = reset_s - wall_now().ms / 1000;
    return after_s > 0 ? after_s : 1;
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct post *x = ctx;
    struct hook_answer out = {.status = a->fate == HTTP_ANSWERED ? a->status : 0,
                              .body = a->body,
                              .error = a->error,
                              .retry_after_s = patience_of(x, a),
                              .is_hopeless = x->is_github && a->fate == HTTP_ANSWERED && a->status == 422};

    x->answer(x->arg, &out);
    post_free(x);
}

/* Nothing was sent. */
static void refuse(struct post *x, const char *error, bool is_hopeless)
{
    struct hook_answer out = {.error = error, .retry_after_s = -1, .is_hopeless = is_hopeless};

    x->answer(x->arg, &out);
    post_free(x);
}

static enum err sign(struct post *x, const struct hook_due *due, struct why *why)
{
    struct server *s = x->p->server;
    const struct sealer *sealer;
    struct secret *secret = NULL;
    char context[80];
    char id[HOOK_ID_BYTES];
    char signature[HOOK_SIGNATURE_BYTES];
    int64_t now_s = wall_now().ms / 1000;
    enum err err = secrets_sealer(s, &sealer, why);

    (void)snprintf(context, sizeof(context), "hook %.40s", due->hook.seal_name);
    hook_message_id(store_instance(s->store), due->delivery.id, id);
    if (err == ERR_OK)
        err = unseal_value(sealer, context, due->hook.secret, &secret, why);
    if (err == ERR_OK)
        err = hook_sign(secret_reveal(secret), id, now_s, slice_of(due->delivery.body), signature, why);
    secret_free(secret);
    if (err != ERR_OK)
        return err;
    (void)snprintf(x->headers[0], HEADER_BYTES, "webhook-id: %s", id);
    (void)snprintf(x->headers[1], HEADER_BYTES, "webhook-timestamp: %lld", (long long)now_s);
    (void)snprintf(x->headers[2], HEADER_BYTES, "webhook-signature: %s", signature);
    (void)snprintf(x->headers[3], HEADER_BYTES, "Wrata-Kind: %s", hook_kind_name(due->delivery.kind));
    (void)snprintf(x->headers[4], HEADER_BYTES, "Wrata-Try: %u", due->delivery.tries + 1);
    return ERR_OK;
}

static void send_signed(struct post *x, const struct hook_due *due)
{
    struct http_call_opts o = {.method = "POST",
                               .url = due->hook.url,
                               .body = slice_of(due->delivery.body),
                               .headers = x->lines,
                               .n_headers = 5,
                               .deadline_ms = TRY_MS,
                               .connect_ms = CONNECT_MS,
                               .answer_max = ANSWER_BYTES,
                               .cuts_answer = true,
                               .fault_of = on_address,
                               .on_answer = on_answer,
                               .ctx = x};
    struct why why;

    if (sign(x, due, &why) != ERR_OK) {
        refuse(x, why.text, false);
        return;
    }
    x->is_plain = strncmp(due->hook.url, "https://", 8) != 0;
    http_call_start(x->p->calls, &o, &x->call);
}

static struct slice github_token(const struct server *s)
{
    const struct secret *t = s->credentials.at[CREDENTIAL_github_token];

    return t != NULL ? (struct slice){secret_reveal(t), secret_len(t)} : (struct slice){"", 0};
}

static bool token_is_fine(struct slice t)
{
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] <= ' ' || t.ptr[i] >= 127)
            return false;
    }
    return t.len > 0;
}

/* Its address is the admin's own: what the url of the settings says. */
static void send_status(struct post *x, const struct hook_due *due)
{
    struct server *s = x->p->server;
    const char *body = due->delivery.body;
    const char *nl = strchr(body, '\n');
    struct slice token = github_token(s);
    char url[1000];
    struct http_call_opts o = {.method = "POST",
                               .url = url,
                               .headers = x->lines,
                               .n_headers = 2,
                               .bearer = token,
                               .deadline_ms = TRY_MS,
                               .connect_ms = CONNECT_MS,
                               .answer_max = ANSWER_BYTES,
                               .cuts_answer = true,
                               .on_answer = on_answer,
                               .ctx = x};

    x->is_github = true;
    if (body[0] != '/' || nl == NULL) {
        refuse(x, body, true);
        return;
    }
    if (!token_is_fine(token)) {
        refuse(x, "github_token is missing in the credentials, or is none; `wrata credentials edit` sets it",
               false);
        return;
    }
    (void)snprintf(url, sizeof(url), "%s%.*s", s->opts.config->set.github_url, (int)(nl - body), body);
    o.body = slice_of(nl + 1);
    (void)snprintf(x->headers[0], HEADER_BYTES, "Accept: application/vnd.github+json");
    (void)snprintf(x->headers[1], HEADER_BYTES, "X-GitHub-Api-Version: 2022-11-28");
    http_call_start(x->p->calls, &o, &x->call);
}

static void on_send(void *ctx, const struct hook_due *due, hooks_answer_fn *answer, void *arg)
{
    struct post *x = xcalloc(1, sizeof(*x));

    x->p = ctx;
    DL_APPEND(x->p->posts, x);
    x->answer = answer;
    x->arg = arg;
    for (unsigned i = 0; i < SIGNED_HEADERS; i++)
        x->lines[i] = x->headers[i];
    if (due->hook.type == HOOK_GITHUB)
        send_status(x, due);
    else
        send_signed(x, due);
}

static const struct hooks_ops ops = {.now = on_now,
                                     .due = on_due,
                                     .close = on_close,
                                     .set = on_set,
                                     .prune = on_prune,
                                     .send = on_send,
                                     .fault = on_fault,
                                     .tried = on_tried};

/* ---- for the API ----------------------------------------------------------------------------------------- */

enum err posts_url_check(void *server, const char *url, struct why *reterr)
{
    struct server *s = server;
    char host[256];
    struct address a;
    const char *fault;
    enum err err = http_url_check("url", url, reterr);

    if (err != ERR_OK || s->posts == NULL)
        return err;
    http_url_host(url, host, sizeof(host));
    if (!address_read(slice_of(host), &a))
        return ERR_OK; /* a name: where it leads is looked at when it is connected to */
    fault = outward_fault(s->posts->outward, &a, strncmp(url, "https://", 8) != 0);
    return fault == NULL ? ERR_OK : why_set(reterr, ERR_INVALID, "url", "url: %.60s: %s", host, fault);
}

void posts_changed(void *server)
{
    posts_look(server);
}

void posts_look(struct server *s)
{
    if (s->posts != NULL && s->api != NULL && s->opts.config->set.hooks != HOOKS_OFF)
        hooks_look(s->posts->hooks);
}

struct hooks_counts posts_counts(const struct server *s)
{
    return s->posts != NULL ? hooks_counts(s->posts->hooks) : (struct hooks_counts){0};
}

/* ---- begin and end --------------------------------------------------------------------------------------- */

static void on_gather(void *ctx, enum err err, const struct why *why)
{
    (void)ctx;
    (void)err;
    (void)why; /* a broken store says so by itself */
}

static int64_t dead_ms_of(const struct server *s)
{
    return s->opts.config->set.hooks_dead_h * INT64_C(3600000);
}

/* github.com for its own API; an Enterprise server has both under one name. */
static char *git_host_of(const char *api)
{
    char host[256];

    http_url_host(api, host, sizeof(host));
    return xstrdup(strcmp(host, "api.github.com") == 0 ? "github.com" : host);
}

enum err posts_open(struct server *s, struct why *reterr)
{
    const struct settings *set = &s->opts.config->set;
    struct outward *outward;
    struct posts *p;
    enum err err;

    if (s->opts.private_fd >= 0)
        return ERR_OK; /* of a single `wrata run` */
    err = outward_parse(set->hooks_private, &outward, reterr);
    if (err != ERR_OK)
        return err;
    if (http_call_url_check(set->github_url, reterr) != ERR_OK) {
        outward_free(outward);
        return ERR_INVALID;
    }
    p = xcalloc(1, sizeof(*p));
    p->server = s;
    p->outward = outward;
    p->git_host = git_host_of(set->github_url);
    p->calls = http_calls_new(&s->loop,
                              &(struct http_calls_opts){.ca = set->hooks_ca[0] != '\0' ? set->hooks_ca : NULL,
                                                        .at_once = HOOKS_FLYING_MAX});
    p->hooks = hooks_new(&(struct hooks_opts){
        .loop = &s->loop, .ops = &ops, .ctx = p, .seed = (uint64_t)wall_now().ms, .dead_ms = dead_ms_of(s)});
    s->posts = p;
    posts_reload(s);
    return ERR_OK;
}

void posts_reload(struct server *s)
{
    if (s->posts == NULL)
        return;
    hooks_set_dead(s->posts->hooks, dead_ms_of(s));
    store_hooks_gather(s->store, s->opts.config->set.hooks_gather_s * 1000, on_gather, NULL);
    waiters_shut(&s->posts->waiters, s->posts->is_halted || s->opts.config->set.hooks == HOOKS_OFF);
    posts_look(s);
}

void posts_halt(struct server *s)
{
    struct posts *p = s->posts;

    if (p == NULL)
        return;
    p->is_halted = true;
    hooks_halt(p->hooks);
    waiters_shut(&p->waiters, true);
}

void posts_free(struct server *s)
{
    struct posts *p = s->posts;

    if (p == NULL)
        return;
    s->posts = NULL;
    http_calls_free(p->calls); /* those on their way end without an answer */
    while (p->posts != NULL)
        post_free(p->posts);
    hooks_free(p->hooks);
    outward_free(p->outward);
    free(p->git_host);
    free(p);
}
