#include "api/account_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "accounts/throttle.h"
#include "api/hasher.h"

#define AGENT_BYTES_MAX 200u
#define HASHER_RETRY_MS 2000 /* as long as a full queue takes, about */

/* ---- objects and answers ---- */

enum user_state user_state(const struct accounts *a, const struct user_row *u)
{
    if (u->deleted_at.ms != 0)
        return USER_DELETED;
    if (u->locked_at.ms != 0)
        return USER_LOCKED;
    return accounts_role(a, u) == ROLE_UNVERIFIED ? USER_PENDING : USER_ACTIVE;
}

const char *const user_states[] = {"pending", "active", "locked", "deleted", NULL};
_Static_assert(ARRAY_LEN(user_states) == USER_STATE_COUNT + 1, "a name for each state, in their order");

void render_user_members(struct json_out *j, const struct accounts *a, const struct user_row *u)
{
    enum role role = accounts_role(a, u);

    jo_kuint(j, "id", u->id.v);
    jo_ktext(j, "login", u->login);
    jo_ktext(j, "email", u->email);
    jo_ktext(j, "first_name", u->first_name);
    jo_ktext(j, "last_name", u->last_name);
    jo_ktext(j, "position", u->position);
    jo_ktext(j, "zone", u->zone);
    jo_ktext(j, "mail_launches", mail_when_name(u->mail.launches));
    jo_kuint(j, "mail_launch_min_s", u->mail.launch_min_s);
    jo_ktext(j, "mail_schedule_launches", mail_when_name(u->mail.schedule_launches));
    jo_kbool(j, "mail_schedule_failed", u->mail.schedule_failed);
    jo_kbool(j, "mail_schedule_missed", u->mail.schedule_missed);
    jo_kbool(j, "mail_schedule_disabled", u->mail.schedule_disabled);
    jo_ktext(j, "role", role_name(role));
    jo_ktext(j, "state", user_states[user_state(a, u)]);
    jo_kbool(j, "email_confirmed", u->email_confirmed_at.ms != 0);
    jo_ktext(j, "admin_by", role != ROLE_ADMIN ? NULL : u->is_admin ? "account" : "admin_emails");
    jo_ktime(j, "created_at", u->created_at);
    jo_ktime(j, "verified_at", u->verified_at);
    jo_ktime(j, "locked_at", u->locked_at);
    jo_ktime(j, "seen_at", u->seen_at);
}

void render_user(struct json_out *j, const struct accounts *a, const struct user_row *u)
{
    jo_obj(j);
    render_user_members(j, a, u);
    jo_obj_end(j);
}

struct json_out *answer_begin(struct req *rq)
{
    render_done(&rq->render);
    render_init(&rq->render);
    return &rq->render.j;
}

void answer_send(struct req *rq)
{
    rq->err = ERR_OK;
    req_finish(rq);
}

void answer_nothing(struct req *rq)
{
    struct json_out *j = answer_begin(rq);

    jo_obj(j);
    jo_obj_end(j);
    answer_send(rq);
}

void answer_ended(struct req *rq, uint32_t n)
{
    struct json_out *j = answer_begin(rq);

    jo_obj(j);
    jo_kuint(j, "ended", n);
    jo_obj_end(j);
    answer_send(rq);
}

void answer_user(struct req *rq, struct user_id id)
{
    const struct user_row *u = accounts_user(rq->api->accounts, id);

    if (u == NULL) {
        req_fail(rq, ERR_NOTFOUND, NULL, "there is no user %llu", (unsigned long long)id.v);
        return;
    }
    render_user(answer_begin(rq), rq->api->accounts, u);
    answer_send(rq);
}

void answer_me(struct req *rq, const char *secret)
{
    const struct api *a = rq->api;
    const struct principal *who = &rq->who;
    const struct user_row *u = who->user.v == 0 ? NULL : accounts_user(a->accounts, who->user);
    char csrf[SECRET_TEXT_BYTES] = "";
    struct json_out *j;

    if (rq->http == NULL)
        return;
    if (secret == NULL && who->via == VIA_SESSION)
        secret = auth_cookie_of(rq);
    if (secret != NULL)
        auth_csrf(secret, csrf);
    j = answer_begin(rq);
    jo_obj(j);
    jo_key(j, "user");
    if (u == NULL)
        jo_null(j);
    else
        render_user(j, a->accounts, u);
    jo_ktext(j, "role", role_name(who->role));
    jo_ktext(j, "via", via_name(who->via));
    jo_ktext(j, "scope", token_scope_name(who->scope));
    jo_ktext(j, "csrf", csrf[0] == '\0' ? NULL : csrf);
    jo_key(j, "session");
    if (who->via == VIA_SESSION)
        jo_uint(j, who->id);
    else
        jo_null(j);
    jo_kbool(j, "accounts", !a->opts.accounts_off);
    jo_kbool(j, "sign_up", a->opts.accounts.sign_up);
    jo_kbool(j, "needs_admin", auth_needs_admin(a));
    jo_kuint(j, "pending", who->role == ROLE_ADMIN ? accounts_pending(a->accounts) : 0);
    jo_kuint(j, "password_min", PASSWORD_BYTES_MIN);
    jo_obj_end(j);
    answer_send(rq);
}

const struct user_row *user_of_path(struct req *rq)
{
    const struct user_row *u = accounts_user(rq->api->accounts, (struct user_id){rq->ids[0]});

    if (u != NULL && u->deleted_at.ms == 0)
        return u;
    req_fail(rq, ERR_NOTFOUND, NULL, "there is no user %llu", (unsigned long long)rq->ids[0]);
    return NULL;
}

void audit_user(struct req *rq, const char *login, const char *detail)
{
    char object[sizeof(rq->audit_object)];

    (void)snprintf(object, sizeof(object), "user %s", login);
    audit_say(rq, object, "%s", detail);
}

static void answer_why(struct req *rq)
{
    req_error(rq, &rq->why);
}

void finish_command(struct req *rq, enum err err, struct accounts_out *out, void (*then)(struct req *rq))
{
    if (err == ERR_OK) {
        req_save(rq, out, then);
    } else if (out->n > 0) {
        req_save(rq, out, answer_why);
    } else {
        accounts_out_done(out);
        answer_why(rq);
    }
}

/* ---- how often ---- */

void answer_later(struct req *rq, enum err code, int64_t wait_ms, const char *text)
{
    req_later(rq, code, (wait_ms + 999) / 1000, text);
}

static bool is_in_time(struct req *rq, int64_t wait_ms)
{
    if (wait_ms == 0)
        return true;
    answer_later(rq, ERR_LIMIT, wait_ms, "too many tries; wait a little");
    return false;
}

/* A key of its own. No text that somebody sends as a login can be it, right or wrong: a field refuses line ends. */
static const char *key_of(struct req *rq, const char *what, const char *whose)
{
    return arena_printf(&rq->arena, "\n%s %s", what, whose);
}

bool may_try(struct req *rq, const char *what)
{
    return is_in_time(
        rq, throttle_try(rq->api->throttle, mono_now(), key_of(rq, what, rq->address), rq->address));
}

bool may_mail(struct req *rq, const char *what, const struct user_row *u)
{
    return throttle_try(rq->api->throttle, mono_now(), key_of(rq, what, u->login), NULL) == 0;
}

void try_back(struct req *rq, const char *what)
{
    throttle_undo(rq->api->throttle, key_of(rq, what, rq->address), rq->address);
}

bool may_try_password(struct req *rq, const char *login)
{
    return is_in_time(rq, throttle_try(rq->api->throttle, mono_now(), login, rq->address));
}

void try_right(struct req *rq, const char *login)
{
    throttle_right(rq->api->throttle, login, rq->address);
}

/* ---- passwords ---- */

/* In the request's arena; the request is held until the hasher is done. */
struct hashing {
    struct hashing *prev, *next; /* of the api */
    struct req *rq;
    void (*checked)(struct req *rq, bool is_right, const char *made_anew);
    void (*made)(struct req *rq, const char *made);
};

/* The fields of a body lie in the request's arena: nobody else has them. */
static void forget(const char *secret)
{
    explicit_bzero((char *)(uintptr_t)secret, strlen(secret));
}

static bool is_waited_for(const struct req *rq)
{
    return rq->http != NULL && !rq->api->is_closed;
}

/* The end of it: returns the request, which the caller releases. */
static struct req *hashing_end(struct hashing *h)
{
    DL_DELETE(h->rq->api->hashings, h);
    return h->rq;
}

void passwords_drop(struct api *a)
{
    while (a->hashings != NULL)
        req_release(hashing_end(a->hashings));
}

static void on_checked(void *ctx, bool is_right, const char *made_anew)
{
    struct hashing *h = ctx;
    struct req *rq = hashing_end(h);

    if (is_waited_for(rq) && auth_still(rq))
        h->checked(rq, is_right, made_anew == NULL ? NULL : arena_strdup(&rq->arena, made_anew));
    req_release(rq);
}

static void on_made(void *ctx, const char *made)
{
    struct hashing *h = ctx;
    struct req *rq = hashing_end(h);

    if (is_waited_for(rq)) {
        if (made == NULL)
            answer_later(rq, ERR_BUSY, HASHER_RETRY_MS, "memory is short; try again");
        else if (auth_still(rq))
            h->made(rq, arena_strdup(&rq->arena, made));
    }
    req_release(rq);
}

static struct hashing *hashing_new(struct req *rq)
{
    struct hashing *h = arena_alloc(&rq->arena, sizeof(*h));

    h->rq = rq;
    DL_APPEND(rq->api->hashings, h);
    req_hold(rq);
    return h;
}

static void refuse_busy(struct hashing *h)
{
    struct req *rq = hashing_end(h);

    answer_later(rq, ERR_BUSY, HASHER_RETRY_MS, "too many passwords are being checked; try again");
    req_release(rq);
}

void check_password(struct req *rq, const char *login, const char *password, const char *made,
                    void (*then)(struct req *rq, bool is_right, const char *made_anew))
{
    struct hashing *h = hashing_new(rq);
    enum err err;

    h->checked = then;
    err = hasher_check(rq->api->hasher, password, made, on_checked, h);
    forget(password);
    if (err == ERR_OK)
        return;
    throttle_undo(rq->api->throttle, login, rq->address);
    refuse_busy(h);
}

void make_password(struct req *rq, const char *password, void (*then)(struct req *rq, const char *made))
{
    struct hashing *h = hashing_new(rq);
    enum err err;

    h->made = then;
    err = hasher_make(rq->api->hasher, password, on_made, h);
    forget(password);
    if (err != ERR_OK)
        refuse_busy(h);
}

/* ---- sessions ---- */

/* What the browser calls itself: from outside, so cut and clean or nothing. */
static const char *agent_of(struct req *rq)
{
    const char *s = http_header(rq->http, "User-Agent");
    size_t n = s == NULL ? 0 : strlen(s);

    if (n > AGENT_BYTES_MAX)
        n = utf8_whole(s, AGENT_BYTES_MAX);
    return n == 0 || !field_text_is_clean(s, n, false) ? "" : arena_strndup(&rq->arena, s, n);
}

static void on_session(struct req *rq)
{
    answer_me(rq, rq->state);
}

static void on_session_anew(struct req *rq)
{
    password_notice(rq, rq->who.user);
    on_session(rq);
}

static void begin(struct req *rq, struct user_id user, struct accounts_out *out, void (*then)(struct req *rq))
{
    struct accounts *a = rq->api->accounts;
    char *secret = arena_alloc(&rq->arena, SECRET_TEXT_BYTES);
    struct digest digest;
    uint64_t session;
    enum err err;

    secret_text("", secret, &digest);
    err = accounts_sign_in(a, wall_now(), user, &digest, rq->address, agent_of(rq), out, &session, &rq->why);
    if (err == ERR_OK) {
        if (!accounts_session(a, wall_now(), &digest, rq->address, &rq->who, out))
            CHECK(!"a session that is over at once");
        rq->who.login = arena_strdup(&rq->arena, rq->who.login);
        if (rq->route->audit != NULL)
            audit_begin(rq); /* a flood of strangers may have kept its row out; now it is somebody */
        auth_cookie(rq, secret);
        rq->state = secret;
    }
    finish_command(rq, err, out, then);
}

void begin_session(struct req *rq, struct user_id user, struct accounts_out *out)
{
    begin(rq, user, out, on_session);
}

void begin_session_anew(struct req *rq, struct user_id user, struct accounts_out *out)
{
    begin(rq, user, out, on_session_anew);
}
