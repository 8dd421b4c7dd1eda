/* auth.c - who sends a request, and may it.
 *
 * Decided in one place for every route: the head shows who it is (auth_head), the route's row says who may use it
 * (auth_route, auth_owner). Handlers do not ask again.
 *
 * The accounts live in memory (accounts/); here is what they may not have: the clock, random secrets, the store. */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "accounts/throttle.h"
#include "api/api_private.h"
#include "api/hasher.h"
#include "api/live/hub.h"
#include "base/log.h"
#include "net/cookie.h"
#include "net/forwarded.h"

#define EXPIRE_MS 60000
#define EXPIRE_MAX 1000u
#define PRUNE_MAX 5000u
#define DAY_MS INT64_C(86400000)
#define SECRET_BYTES 32u

/* Rows of the audit log that nobody signed in for, or somebody whom no admin has let in: anybody can sign up. A flood of them
 * must not fill the disk. */
#define STRANGER_ROWS_PER_S 1
#define STRANGER_ROWS_MAX 200

struct auth {
    struct digest host; /* of the token in serve.json */
    char host_token[SECRET_TEXT_BYTES];
    struct digest first_admin;
    char first_admin_secret[SECRET_TEXT_BYTES]; /* "": not needed */
    uv_timer_t timer;
    int64_t stranger_rows; /* that may still be written now */
    struct mono stranger_at;
    uint64_t stranger_dropped;
    uint64_t pruned;
    bool is_pruning;
    bool has_timer;
};

const struct access_rule access_rules[ACCESS_COUNT] = {
    [ACCESS_ANYONE] = {"anyone", ROLE_NOBODY, SCOPE_READ, false, OWNER_NONE,
                       "Everybody who reaches the server, signed in or not."},
    [ACCESS_ACCOUNT_LOOK] = {"account look", ROLE_UNVERIFIED, SCOPE_READ, false, OWNER_NONE,
                             "Everybody who is signed in, about the own account."},
    [ACCESS_ACCOUNT] = {"account", ROLE_UNVERIFIED, SCOPE_ADMIN, true, OWNER_NONE,
                        "The same, to change it. No token can: a stolen one must not make itself at home."},
    [ACCESS_LOOK] = {"look", ROLE_USER, SCOPE_READ, false, OWNER_NONE, "Every verified user, to read."},
    [ACCESS_WORK] = {"work", ROLE_USER, SCOPE_RUN, false, OWNER_NONE,
                     "Every verified user, to start something of its own."},
    [ACCESS_OWN_LAUNCH] = {"own launch", ROLE_USER, SCOPE_RUN, false, OWNER_LAUNCH,
                           "Whoever started the launch, and admins."},
    [ACCESS_OWN_RUN] = {"own run", ROLE_USER, SCOPE_RUN, false, OWNER_RUN,
                        "Whoever started the run's launch, and admins."},
    [ACCESS_OWN_ARTIFACT] = {"own artifact", ROLE_USER, SCOPE_RUN, false, OWNER_ARTIFACT,
                             "Whoever started the launch of the artifact's run, and admins."},
    [ACCESS_OWN_LIST] = {"own list", ROLE_USER, SCOPE_RUN, false, OWNER_LIST,
                         "Whoever made the list, and admins."},
    [ACCESS_OWN_SCHEDULE] = {"own schedule", ROLE_USER, SCOPE_RUN, false, OWNER_SCHEDULE,
                             "Whoever made the schedule, and admins."},
    [ACCESS_OWN_SCHEDULE_LOOK] = {"own schedule look", ROLE_USER, SCOPE_READ, false, OWNER_SCHEDULE,
                                  "Whoever made the schedule, and admins, to read."},
    [ACCESS_OWN_JOB] = {"own job", ROLE_USER, SCOPE_RUN, false, OWNER_JOB,
                        "Whoever asked for the job, and admins."},
    [ACCESS_OWN_JOB_LOOK] = {"own job look", ROLE_USER, SCOPE_READ, false, OWNER_JOB,
                             "Whoever asked for the job, and admins, to read."},
    [ACCESS_HOOK] = {"hook", ROLE_USER, SCOPE_ADMIN, false, OWNER_NONE,
                     "Every verified user; a token that may all that its user may, for a hook outlives it."},
    [ACCESS_OWN_HOOK] = {"own hook", ROLE_USER, SCOPE_ADMIN, false, OWNER_HOOK,
                         "Whoever made the hook, and admins."},
    [ACCESS_OWN_HOOK_LOOK] = {"own hook look", ROLE_USER, SCOPE_READ, false, OWNER_HOOK,
                              "Whoever made the hook, and admins, to read."},
    [ACCESS_OWN_DELIVERY] = {"own delivery", ROLE_USER, SCOPE_RUN, false, OWNER_DELIVERY,
                             "Whoever made the delivery's hook, and admins."},
    [ACCESS_OWN_DELIVERY_LOOK] = {"own delivery look", ROLE_USER, SCOPE_READ, false, OWNER_DELIVERY,
                                  "Whoever made the delivery's hook, and admins, to read."},
    [ACCESS_ADMIN_LOOK] = {"admin look", ROLE_ADMIN, SCOPE_READ, false, OWNER_NONE, "Admins, to read."},
    [ACCESS_ADMIN] = {"admin", ROLE_ADMIN, SCOPE_ADMIN, false, OWNER_NONE, "Admins."},
    [ACCESS_METRICS] =
        {"metrics", ROLE_USER, SCOPE_READ, false, OWNER_NONE,
         "Every verified user; with `metrics: local` also who asks from this machine, with `metrics: open` "
         "everybody."},
};

/* ---- secrets ---- */

void secret_digest(const char *text, struct digest *ret)
{
    (void)crypto_generichash(ret->at, sizeof(ret->at), (const unsigned char *)text, strlen(text), NULL, 0);
}

void secret_text(const char *prefix, char out[SECRET_TEXT_BYTES], struct digest *ret)
{
    unsigned char bytes[SECRET_BYTES];
    char text[sodium_base64_ENCODED_LEN(SECRET_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];

    randombytes_buf(bytes, sizeof(bytes));
    (void)sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes),
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(out, SECRET_TEXT_BYTES, "%s%s", prefix, text);
    secret_digest(out, ret);
    sodium_memzero(bytes, sizeof(bytes));
    sodium_memzero(text, sizeof(text));
}

/* Whoever has the cookie can compute it, a page on another site has not. Nothing more has to be kept. */
void auth_csrf(const char *secret, char out[SECRET_TEXT_BYTES])
{
    static const unsigned char what[] = "csrf";
    unsigned char bytes[SECRET_BYTES];

    (void)crypto_generichash(bytes, sizeof(bytes), (const unsigned char *)secret, strlen(secret), what,
                             sizeof(what) - 1);
    (void)sodium_bin2base64(out, SECRET_TEXT_BYTES, bytes, sizeof(bytes),
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static bool digest_eq(const struct digest *a, const struct digest *b)
{
    return sodium_memcmp(a->at, b->at, sizeof(a->at)) == 0;
}

/* ---- cookies ---- */

/* With the prefix a browser takes it by https only, from this host only, and no other host can set it (RFC 6265bis,
 * 4.1.3.2). */
static const char *cookie_name(const struct req *rq)
{
    return rq->is_secure ? "__Host-wrata_session" : "wrata_session";
}

const char *auth_cookie_of(struct req *rq)
{
    const char *header = rq->http == NULL ? NULL : http_header(rq->http, "Cookie");
    size_t n;
    const char *value = header == NULL ? NULL : cookie_find(header, cookie_name(rq), &n);

    return value == NULL || n == 0 || n >= SECRET_TEXT_BYTES ? NULL : arena_strndup(&rq->arena, value, n);
}

void auth_cookie(struct req *rq, const char *secret)
{
    int64_t max_age_s = secret[0] == '\0' ? 0 : rq->api->opts.accounts.rules.session_max_ms / 1000;

    if (rq->http != NULL)
        http_addf(rq->http, "Set-Cookie", "%s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s",
                  cookie_name(rq), secret, (long long)max_age_s, rq->is_secure ? "; Secure" : "");
}

const char *auth_page_url(struct req *rq)
{
    const struct api *a = rq->api;

    if (a->opts.public_host == NULL)
        return arena_printf(&rq->arena, "%s/", httpd_url(a->http));
    return arena_printf(&rq->arena, "https://%s/", a->opts.public_host); /* as below */
}

/* A link that goes out by mail on a stranger's wish must not lead where that stranger's Host header says. */
const char *auth_link_url(struct req *rq, const char *path, const char *secret)
{
    const struct api *a = rq->api;
    const char *host = rq->http == NULL ? NULL : http_header(rq->http, "Host");
    bool is_trusted = rq->who.role == ROLE_ADMIN && host != NULL;

    if (!is_trusted && a->opts.public_host == NULL)
        return arena_printf(&rq->arena, "%s%s#%s", httpd_url(a->http), path, secret);
    /* Behind public_host stands a proxy that speaks https to the world: a stranger's plain request says nothing about it. */
    return arena_printf(&rq->arena, "%s://%s%s#%s", !is_trusted || rq->is_secure ? "https" : "http",
                        is_trusted ? host : a->opts.public_host, path, secret);
}

/* ---- who is it ---- */

static void find_address(struct req *rq)
{
    char xff[FORWARDED_BYTES_MAX + 2]; /* one that does not fit is too long to be believed */
    char xfp[32];
    bool is_https = false;

    /* All lines of them: a proxy may have added its own below the client's. */
    (void)http_header_list(rq->http, "X-Forwarded-For", xff, sizeof(xff));
    (void)http_header_list(rq->http, "X-Forwarded-Proto", xfp, sizeof(xfp));
    forwarded_client(rq->api->opts.trusted, http_peer(rq->http), xff, xfp, rq->address, &is_https);
    rq->is_secure = is_https || httpd_is_tls(rq->api->http);
}

static bool refuse_token(struct req *rq, const char *why)
{
    http_add(rq->http, "WWW-Authenticate", "Bearer");
    req_status(rq, 401, ERR_SIGN_IN, "%s", why);
    return false;
}

static bool by_token(struct req *rq, const char *header, struct accounts_out *out)
{
    struct api *a = rq->api;
    const char *text = header + strcspn(header, " \t");
    struct digest digest;

    text += strspn(text, " \t");
    if (strncasecmp(header, "Bearer", 6) != 0 || (header[6] != ' ' && header[6] != '\t') || text[0] == '\0')
        return refuse_token(rq, "Authorization must be: Bearer TOKEN");
    secret_digest(text, &digest);
    if (digest_eq(&digest, &a->auth->host)) {
        accounts_operator(a->accounts, VIA_HOST, &rq->who);
        return true;
    }
    if (accounts_token(a->accounts, wall_now(), &digest, rq->address, &rq->who, out))
        return true;
    return refuse_token(rq, "the token is not valid: unknown, over, revoked, or of a locked account");
}

static void by_cookie(struct req *rq, struct accounts_out *out)
{
    const char *secret = auth_cookie_of(rq);
    struct digest digest;

    if (secret == NULL)
        return;
    secret_digest(secret, &digest);
    if (!accounts_session(rq->api->accounts, wall_now(), &digest, rq->address, &rq->who, out))
        auth_cookie(rq, ""); /* it is over: the browser need not go on sending it */
}

bool auth_head(struct req *rq)
{
    struct api *a = rq->api;
    const char *header = http_header(rq->http, "Authorization");
    struct accounts_out out;
    bool is_fine = true;

    find_address(rq);
    rq->who = (struct principal){.login = "", .scope = SCOPE_ADMIN};
    accounts_out_init(&out);
    if (header != NULL)
        is_fine = by_token(rq, header, &out);
    else
        by_cookie(rq, &out);
    if (is_fine && rq->who.via == VIA_NOTHING && a->opts.accounts_off)
        accounts_operator(a->accounts, VIA_OPEN, &rq->who);
    /* The accounts may change while the request waits. */
    rq->who.login = arena_strdup(&rq->arena, rq->who.login != NULL ? rq->who.login : "");
    auth_save(a, &out);
    return is_fine;
}

bool auth_again(struct req *rq)
{
    struct principal now;

    if (rq->who.role == ROLE_NOBODY || rq->who.via == VIA_HOST || rq->who.via == VIA_OPEN)
        return true;
    return accounts_again(rq->api->accounts, wall_now(), &rq->who, &now) &&
           now.role >= access_rules[rq->route->access].role;
}

/* ---- may it ---- */

static bool refuse(struct req *rq, int status, enum err code, const char *text)
{
    if (rq->route->audit != NULL) {
        audit_begin(rq);
        audit_say(rq, NULL, "%s", text);
    }
    req_status(rq, status, code, "%s", text);
    return false;
}

static bool csrf_is_right(struct req *rq)
{
    const char *given = http_header(rq->http, "X-CSRF-Token");
    const char *secret = auth_cookie_of(rq);
    char right[SECRET_TEXT_BYTES];

    if (given == NULL || secret == NULL)
        return false;
    auth_csrf(secret, right);
    return strlen(given) == strlen(right) && sodium_memcmp(given, right, strlen(right)) == 0;
}

/* The setting may let in who has not signed in. A proxy on this machine speaks for others: what it passes on does not count as
 * from here. */
static bool metrics_are_free(const struct req *rq)
{
    enum api_metrics_for who =
        rq->api->opts.metrics_for != NULL ? rq->api->opts.metrics_for(rq->api->opts.ctx) : METRICS_FOR_TOKENS;
    bool is_here = strcmp(rq->address, "127.0.0.1") == 0 || strcmp(rq->address, "::1") == 0;

    return who == METRICS_FOR_ALL || who == METRICS_FOR_NOBODY || /* then its handler says so */
           (who == METRICS_FOR_THIS_MACHINE && is_here && http_header(rq->http, "X-Forwarded-For") == NULL &&
            http_header(rq->http, "Forwarded") == NULL);
}

bool auth_route(struct req *rq)
{
    const struct access_rule *rule = &access_rules[rq->route->access];

    if (rq->route->access == ACCESS_METRICS && metrics_are_free(rq))
        return true;
    if (rq->who.via == VIA_SESSION && rq->route->method != ROUTE_GET && !csrf_is_right(rq))
        return refuse(rq, 403, ERR_CSRF,
                      "X-CSRF-Token is missing, or of another session: load the page again");
    if (rq->who.role < rule->role) {
        if (rq->who.role == ROLE_NOBODY)
            return refuse(rq, 401, ERR_SIGN_IN, "sign in first");
        if (rq->who.role == ROLE_UNVERIFIED)
            return refuse(rq, 403, ERR_DENIED, "this account waits until an admin lets it in");
        return refuse(rq, 403, ERR_DENIED, "only an admin may do this");
    }
    if (rq->who.via == VIA_TOKEN && rule->no_token)
        return refuse(rq, 403, ERR_DENIED, "an account is not changed with a token: sign in");
    if (rq->who.via == VIA_TOKEN && rq->who.scope < rule->scope) {
        char text[160];

        (void)snprintf(text, sizeof(text), "this token may only '%s'; this needs one that may '%s'",
                       token_scope_name(rq->who.scope), token_scope_name(rule->scope));
        return refuse(rq, 403, ERR_DENIED, text);
    }
    return true;
}

bool auth_still(struct req *rq)
{
    struct principal now;

    if (rq->inside != NULL)
        return inside_still(rq);
    if (rq->who.via != VIA_SESSION && rq->who.via != VIA_TOKEN)
        return true;
    if (!accounts_again(rq->api->accounts, wall_now(), &rq->who, &now))
        return refuse(rq, 401, ERR_SIGN_IN, "signed out, locked or revoked since the request began");
    now.login = arena_strdup(&rq->arena, now.login);
    rq->who = now;
    return auth_route(rq);
}

/* ---- the owner rule ---- */

struct owner_wait {
    void (*then)(struct req *rq);
    struct user_id owner;
};

static void owner_job(struct reader *r, struct req *rq)
{
    struct owner_wait *w = rq->state;
    uint64_t id = rq->ids[0];

    switch (access_rules[rq->route->access].owner) {
    case OWNER_LAUNCH:
        rq->err = read_launch_user(r, (struct launch_id){id}, &w->owner, &rq->why);
        break;
    case OWNER_RUN:
        rq->err = read_run_user(r, (struct run_id){id}, &w->owner, &rq->why);
        break;
    case OWNER_ARTIFACT:
        rq->err = read_artifact_user(r, id, &w->owner, &rq->why);
        break;
    case OWNER_LIST:
        rq->err = read_list_user(r, id, &w->owner, &rq->why);
        break;
    case OWNER_SCHEDULE:
        rq->err = read_schedule_user(r, id, &w->owner, &rq->why);
        break;
    case OWNER_JOB:
        rq->err = read_job_user(r, id, &w->owner, &rq->why);
        break;
    case OWNER_HOOK:
        rq->err = read_hook_user(r, id, &w->owner, &rq->why);
        break;
    case OWNER_DELIVERY:
        rq->err = read_delivery_user(r, id, &w->owner, &rq->why);
        break;
    case OWNER_NONE:
        CHECK(!"a route without an owner");
    }
}

static void on_owner(struct req *rq)
{
    const struct owner_wait *w = rq->state;

    rq->state = NULL;
    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else if (w->owner.v != rq->who.user.v)
        (void)refuse(rq, 403, ERR_DENIED, "it is somebody else's: its owner and admins may do this");
    else if (auth_still(rq))
        w->then(rq);
}

void auth_owner(struct req *rq, void (*then)(struct req *rq))
{
    struct owner_wait *w;

    if (access_rules[rq->route->access].owner == OWNER_NONE || rq->who.role == ROLE_ADMIN) {
        then(rq);
        return;
    }
    w = arena_alloc(&rq->arena, sizeof(*w));
    *w = (struct owner_wait){.then = then};
    rq->state = w;
    req_read(rq, owner_job, on_owner);
}

/* ---- saving ---- */

struct save {
    struct api *api;
    struct req *rq; /* NULL: nobody waits */
    void (*then)(struct req *rq);
    struct accounts_out out;
};

static void on_saved(void *ctx, enum err err, const struct why *why)
{
    struct save *s = ctx;
    struct api *a = s->api;

    if (err != ERR_OK &&
        err != ERR_BUSY) /* the store ends before the requests do; what it says then is heard by nobody */
        a->opts.broken(a->opts.ctx, why); /* memory is ahead of disk: it does not come back */
    if (s->rq != NULL) {
        if (!a->is_closed && err == ERR_OK)
            s->then(s->rq);
        req_release(s->rq);
    }
    accounts_out_done(&s->out);
    free(s);
    api_unhold(a);
}

static void save(struct api *a, struct req *rq, struct accounts_out *out, void (*then)(struct req *rq))
{
    struct save *s;

    /* Once there is an admin the address for the first one is void, and stays so whatever becomes of that admin. */
    if (a->auth->first_admin_secret[0] != '\0' && accounts_has_admin(a->accounts))
        sodium_memzero(a->auth->first_admin_secret, sizeof(a->auth->first_admin_secret));

    if (out->n == 0 || a->opts.store == NULL) {
        bool is_saved = out->n == 0;

        accounts_out_done(out);
        if (then != NULL && is_saved)
            then(rq);
        return;
    }
    s = xcalloc(1, sizeof(*s));
    *s = (struct save){.api = a, .rq = rq, .then = then, .out = *out};
    if (rq != NULL)
        req_hold(rq);
    api_hold(a);
    store_account_changes(a->opts.store, s->out.at, s->out.n, on_saved, s);
}

/* Streams of somebody who was locked out or signed out end with it. */
static bool concerns_streams(const struct accounts_out *out)
{
    for (uint32_t i = 0; i < out->n; i++) {
        enum account_change_kind k = out->at[i].kind;

        if (k == ACCOUNT_USER_PUT || k == ACCOUNT_SESSION_DELETE || k == ACCOUNT_TOKEN_DELETE)
            return true;
    }
    return false;
}

void req_save(struct req *rq, struct accounts_out *out, void (*then)(struct req *rq))
{
    bool look = concerns_streams(out);

    save(rq->api, rq, out, then);
    if (look)
        hub_look_again(rq->api->hub);
}

void auth_save(struct api *a, struct accounts_out *out)
{
    save(a, NULL, out, NULL);
}

/* ---- the audit log ---- */

/* A row is worth its place when a user asks; of strangers only so many a minute are. */
static bool stranger_may(struct auth *au)
{
    struct mono now = mono_now();
    int64_t more = (now.us - au->stranger_at.us) / 1000000 * STRANGER_ROWS_PER_S;

    if (more > 0) {
        au->stranger_rows =
            au->stranger_rows + more > STRANGER_ROWS_MAX ? STRANGER_ROWS_MAX : au->stranger_rows + more;
        au->stranger_at = now;
        if (au->stranger_dropped > 0) {
            LOG_WARN("audit.dropped", "rows=%llu why=\"too many requests of strangers\"",
                     (unsigned long long)au->stranger_dropped);
            au->stranger_dropped = 0;
        }
    }
    if (au->stranger_rows > 0) {
        au->stranger_rows--;
        return true;
    }
    au->stranger_dropped++;
    return false;
}

/* "launch 12": the last thing that the path names. */
static void object_of_path(const struct req *rq, char *out, size_t size)
{
    const char *open = strrchr(rq->route->path, '{');
    unsigned n = 0;

    out[0] = '\0';
    for (const char *p = rq->route->path; (p = strchr(p, '{')) != NULL; p++)
        n++;
    if (open != NULL && n <= ROUTE_IDS_MAX)
        (void)snprintf(out, size, "%.*s %llu", (int)strcspn(open + 1, "}"), open + 1,
                       (unsigned long long)rq->ids[n - 1]);
}

void audit_begin(struct req *rq)
{
    struct api *a = rq->api;
    struct accounts_out out;
    char via[40];

    if (rq->audit != 0 || (rq->who.role < ROLE_USER && !stranger_may(a->auth)))
        return;
    if (rq->audit_object[0] == '\0')
        object_of_path(rq, rq->audit_object, sizeof(rq->audit_object));
    (void)snprintf(via, sizeof(via), rq->who.via == VIA_TOKEN ? "%s %llu" : "%s", via_name(rq->who.via),
                   (unsigned long long)rq->who.id);
    accounts_out_init(&out);
    rq->audit = accounts_audit(a->accounts,
                               &(struct audit_row){.at = wall_now(),
                                                   .user = rq->who.user,
                                                   .login = rq->who.login,
                                                   .via = via,
                                                   .address = rq->address,
                                                   .action = rq->route->audit,
                                                   .object = rq->audit_object,
                                                   .detail = rq->audit_detail},
                               &out);
    auth_save(a, &out);
}

void api_audit(struct api *a, const char *action, const char *object, const char *detail)
{
    struct accounts_out out;

    if (a->is_closed)
        return;
    accounts_out_init(&out);
    (void)accounts_audit(a->accounts,
                         &(struct audit_row){.at = wall_now(),
                                             .login = "wrata",
                                             .via = "server",
                                             .address = "",
                                             .action = action,
                                             .object = object,
                                             .detail = detail,
                                             .status = 200},
                         &out);
    auth_save(a, &out);
}

void audit_end(struct req *rq, int status)
{
    struct accounts_out out;

    if (rq->audit == 0)
        return;
    accounts_out_init(&out);
    accounts_audit_end(rq->api->accounts, rq->audit, status, rq->audit_object, rq->audit_detail, &out);
    rq->audit = 0;
    auth_save(rq->api, &out);
}

void audit_say(struct req *rq, const char *object, const char *detail_fmt, ...)
{
    va_list ap;

    if (object != NULL)
        (void)snprintf(rq->audit_object, sizeof(rq->audit_object), "%s", object);
    va_start(ap, detail_fmt);
    (void)vsnprintf(rq->audit_detail, sizeof(rq->audit_detail), detail_fmt, ap);
    va_end(ap);
}

/* ---- from time to time ---- */

static void on_pruned(void *ctx, enum err err, const struct why *why)
{
    struct api *a = ctx;

    if (err != ERR_OK && err != ERR_BUSY)
        a->opts.broken(a->opts.ctx, why);
    a->auth->is_pruning = false;
    if (a->auth->pruned > 0)
        LOG_INFO("audit.pruned", "rows=%llu", (unsigned long long)a->auth->pruned);
    api_unhold(a);
}

static void on_timer(uv_timer_t *h)
{
    struct api *a = h->data;
    struct wall before = {wall_now().ms - a->opts.accounts.audit_days * DAY_MS};
    struct accounts_out out;

    accounts_out_init(&out);
    (void)accounts_expire(a->accounts, wall_now(), EXPIRE_MAX, &out);
    auth_save(a, &out);
    hub_look_again(a->hub); /* what was over by time alone */
    if (a->auth->is_pruning)
        return;
    a->auth->is_pruning = true;
    api_hold(a);
    store_audit_prune(a->opts.store, before, PRUNE_MAX, &a->auth->pruned, on_pruned, a);
}

/* ---- open and close ---- */

static void load(void *ctx, const struct account_change *c)
{
    struct api *a = ctx;

    accounts_load(a->accounts, c);
}

enum err auth_open(struct api *a, struct why *reterr)
{
    struct auth *au = xcalloc(1, sizeof(*au));
    enum err err;

    a->auth = au;
    if (sodium_init() < 0)
        return why_set(reterr, ERR_IO, NULL, "the crypto library does not start");
    a->accounts = accounts_new(&a->opts.accounts.rules);
    a->throttle = throttle_new();
    secret_text("", au->host_token, &au->host);
    err = store_boot_accounts(a->opts.store, load, a, reterr);
    if (err == ERR_OK)
        err = hasher_new(a->opts.loop, &a->hasher, reterr);
    if (err != ERR_OK)
        return err;
    if (!a->opts.accounts_off && !accounts_has_admin(a->accounts))
        secret_text("", au->first_admin_secret, &au->first_admin);
    au->stranger_rows = STRANGER_ROWS_MAX;
    au->stranger_at = mono_now();
    return ERR_OK;
}

void auth_start(struct api *a)
{
    CHECK(uv_timer_init(a->opts.loop, &a->auth->timer) == 0);
    a->auth->timer.data = a;
    CHECK(uv_timer_start(&a->auth->timer, on_timer, EXPIRE_MS, EXPIRE_MS) == 0);
    uv_unref((uv_handle_t *)&a->auth->timer);
    a->auth->has_timer = true;
    api_hold(a);
}

static void on_timer_closed(uv_handle_t *h)
{
    api_unhold(h->data);
}

void auth_stop(struct api *a)
{
    if (a->auth->has_timer)
        uv_close((uv_handle_t *)&a->auth->timer, on_timer_closed);
    a->auth->has_timer = false;
    hasher_free(a->hasher);
    a->hasher = NULL;
}

void auth_free(struct api *a)
{
    if (a->auth == NULL)
        return;
    hasher_free(a->hasher);
    throttle_free(a->throttle);
    accounts_free(a->accounts);

    sodium_memzero(a->auth, sizeof(*a->auth));
    free(a->auth);
    a->auth = NULL;
}

const char *api_host_token(const struct api *a)
{
    return a->auth->host_token;
}

const char *api_first_admin_secret(const struct api *a)
{
    return a->auth->first_admin_secret[0] == '\0' ? NULL : a->auth->first_admin_secret;
}

void api_set_accounts(struct api *a, const struct api_account_settings *set)
{
    a->opts.accounts = *set;
    accounts_set_opts(a->accounts, &set->rules);
    hub_look_again(a->hub);
}

bool auth_needs_admin(const struct api *a)
{
    return a->auth->first_admin_secret[0] != '\0' && !accounts_has_admin(a->accounts);
}

bool auth_is_first_admin(const struct api *a, const struct digest *digest)
{
    return auth_needs_admin(a) && digest_eq(digest, &a->auth->first_admin);
}
