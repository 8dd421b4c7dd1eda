/* links.c - links that can be used once: an invitation, another password, a confirmed address; and the first admin.
 *
 * The secret stands in the fragment of the address, which a browser keeps to itself, and comes here in a body: no log of
 * ours or of a proxy ever holds it. */
#include <string.h>

#include "api/account_common.h"

#define NO_MAIL_RETRY_MS 60000

/* ---- making and sending ---- */

enum err link_make(struct req *rq, const struct user_row *u, enum link_purpose purpose, bool by_mail,
                   struct accounts_out *out, struct made_link *ret, struct why *reterr)
{
    char secret[SECRET_TEXT_BYTES];
    struct digest digest;
    enum err err;

    secret_text("", secret, &digest);
    *ret = (struct made_link){.purpose = purpose, .is_mailed = by_mail};
    err = accounts_add_link(rq->api->accounts, wall_now(), u->id, purpose, by_mail, &digest, out,
                            &ret->expires_at, reterr);
    if (err == ERR_OK)
        ret->url = auth_link_url(rq, "/welcome", secret);
    explicit_bzero(secret, sizeof(secret));
    return err;
}

void render_link(struct json_out *j, const struct made_link *link)
{
    jo_obj(j);
    jo_ktext(j, "url", link->url);
    jo_ktext(j, "purpose", link_purpose_name(link->purpose));
    jo_ktime(j, "expires_at", link->expires_at);
    jo_kbool(j, "mailed", link->is_mailed);
    jo_obj_end(j);
}

bool has_mail(struct req *rq)
{
    if (rq->api->opts.mail != NULL)
        return true;
    answer_later(rq, ERR_BUSY, NO_MAIL_RETRY_MS,
                 "no mail is configured on this server; ask an admin for a link");
    return false;
}

/* Purposes of links and templates have the same names. */
void link_mail(struct req *rq, const struct user_row *u, const struct made_link *link)
{
    struct api_mail m = {.to = u->email,
                         .kind = link_purpose_name(link->purpose),
                         .login = u->login,
                         .url = link->url,
                         .expires_at = link->expires_at};

    rq->api->opts.mail(rq->api->opts.ctx, &m);
}

/* Whoever asks may be the thief of a session: the address of the page is the server's own word, not a Host header's. */
void notice_mail(struct req *rq, const char *kind, const char *to, const char *login)
{
    struct api_mail m = {.to = to, .kind = kind, .login = login, .url = auth_page_url(rq)};

    if (rq->api->opts.mail != NULL)
        rq->api->opts.mail(rq->api->opts.ctx, &m);
}

void password_notice(struct req *rq, struct user_id user)
{
    const struct user_row *u = accounts_user(rq->api->accounts, user);

    if (u != NULL && u->email_confirmed_at.ms != 0)
        notice_mail(rq, "password", u->email, u->login);
}

/* ---- looking ---- */

struct token_body {
    const char *token;
};

#define TOKEN_FIELD(owner)                                                          \
    {                                                                               \
        .name = "token", .type = FIELD_TEXT, .offset = offsetof(owner, token),      \
        .flags = FIELD_REQUIRED | FIELD_SECRET, .min = 1, .max = SECRET_TEXT_BYTES, \
        .help = "what stands behind # in the link"                                  \
    }

static const struct field look_fields[] = {TOKEN_FIELD(struct token_body), {.type = FIELD_END}};

static void answer_look(struct req *rq, const char *purpose, const char *login, const char *email)
{
    struct json_out *j = answer_begin(rq);

    jo_obj(j);
    jo_ktext(j, "purpose", purpose);
    jo_ktext(j, "login", login);
    jo_ktext(j, "email", email);
    jo_obj_end(j);
    answer_send(rq);
}

static void link_look(struct req *rq)
{
    const struct token_body *in = rq->body;
    struct api *a = rq->api;
    const struct user_row *u;
    enum link_purpose purpose;
    struct user_id id;
    struct digest digest;

    secret_digest(in->token, &digest);
    if (auth_is_first_admin(a, &digest)) {
        answer_look(rq, "first_admin", "", "");
    } else if (accounts_look_link(a->accounts, wall_now(), &digest, &purpose, &id, &rq->why) != ERR_OK) {
        req_error(rq, &rq->why);
    } else {
        u = accounts_user(a->accounts, id);
        audit_user(rq, u->login, link_purpose_name(purpose));
        answer_look(rq, link_purpose_name(purpose), u->login, u->email);
    }
}

/* ---- using ---- */

struct use_body {
    const char *token;
    const char *password;
    const char *login;
    const char *email;
};

static const struct field use_fields[] = {
    TOKEN_FIELD(struct use_body),
    PASSWORD_FIELD(struct use_body, password, 0, 0, "the one to be: invite, reset, first admin"),
    {.name = "login",
     .type = FIELD_TEXT,
     .offset = offsetof(struct use_body, login),
     .max = LOGIN_CHARS_MAX,
     .help = "of the first admin"},
    {.name = "email",
     .type = FIELD_TEXT,
     .offset = offsetof(struct use_body, email),
     .max = EMAIL_BYTES_MAX,
     .help = "of the first admin"},
    {.type = FIELD_END},
};

static void on_first_made(struct req *rq, const char *made)
{
    const struct use_body *in = rq->body;
    const struct digest *digest = rq->state;
    struct new_user u = {.login = in->login,
                         .email = in->email != NULL ? in->email : "",
                         .first_name = "",
                         .last_name = "",
                         .position = "",
                         .password = made,
                         .verified = true,
                         .admin = true};
    struct accounts_out out;
    struct user_id id;
    enum err err;

    if (!auth_is_first_admin(rq->api, digest)) {
        req_fail(rq, ERR_NOTFOUND, NULL, "there is an admin by now; this link is void");
        return;
    }
    accounts_out_init(&out);
    err = accounts_add(rq->api->accounts, wall_now(), &u, &out, &id, &rq->why);
    if (err == ERR_OK)
        begin_session(rq, id, &out);
    else
        finish_command(rq, err, &out, NULL);
}

static void use_first(struct req *rq, const struct use_body *in)
{
    if (in->login == NULL)
        req_fail(rq, ERR_INVALID, "login", "login: it is missing (the name of the first admin's account)");
    else if (in->password == NULL)
        req_fail(rq, ERR_INVALID, "password", "password: it is missing");
    else if (login_check(in->login, &rq->why) != ERR_OK ||
             (in->email != NULL && email_check(in->email, &rq->why) != ERR_OK) ||
             password_check(in->password, in->login, &rq->why) != ERR_OK)
        req_error(rq, &rq->why);
    else {
        audit_user(rq, in->login, "the first admin");
        make_password(rq, in->password, on_first_made);
    }
}

static void on_link_made(struct req *rq, const char *made)
{
    struct accounts *a = rq->api->accounts;
    struct accounts_out out;
    enum link_purpose purpose;
    struct user_id id;
    bool had_one = false;
    enum err err = accounts_look_link(a, wall_now(), rq->state, &purpose, &id, &rq->why);

    accounts_out_init(&out);
    if (err == ERR_OK) {
        had_one = accounts_user(a, id)->password[0] != '\0';
        err = accounts_use_link(a, wall_now(), rq->state, made, &out, &id, &rq->why);
    }
    if (err == ERR_OK && had_one)
        begin_session_anew(rq, id, &out);
    else if (err == ERR_OK)
        begin_session(rq, id, &out); /* the first one: nobody's was changed */
    else
        finish_command(rq, err, &out, NULL);
}

/* Its roles may be others now: an address of admin_emails. */
static void on_confirmed(struct req *rq)
{
    struct principal now;

    if (rq->who.via == VIA_SESSION && accounts_again(rq->api->accounts, wall_now(), &rq->who, &now)) {
        rq->who = now;
        rq->who.login = arena_strdup(&rq->arena, now.login);
    }
    answer_me(rq, NULL);
}

static void use_confirm(struct req *rq, const struct digest *digest)
{
    struct accounts_out out;
    struct user_id id;
    enum err err;

    accounts_out_init(&out);
    err = accounts_use_link(rq->api->accounts, wall_now(), digest, NULL, &out, &id, &rq->why);
    finish_command(rq, err, &out, on_confirmed);
}

/* What the link does not take is refused, and not passed over. */
static bool takes(struct req *rq, const char *field, const char *value)
{
    if (value == NULL)
        return true;
    req_fail(rq, ERR_INVALID, field, "%s: this link does not take it", field);
    return false;
}

static void link_use(struct req *rq)
{
    const struct use_body *in = rq->body;
    struct digest *digest = arena_alloc(&rq->arena, sizeof(*digest));
    const struct user_row *u;
    enum link_purpose purpose;
    struct user_id id;

    rq->state = digest;
    secret_digest(in->token, digest);
    if (!may_try(rq, "link"))
        return;
    if (auth_is_first_admin(rq->api, digest)) {
        try_back(rq, "link");
        use_first(rq, in);
        return;
    }
    if (accounts_look_link(rq->api->accounts, wall_now(), digest, &purpose, &id, &rq->why) != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    try_back(rq, "link"); /* nobody guesses 256 bits: a whole office may come in by its invitations */
    u = accounts_user(rq->api->accounts, id);
    audit_user(rq, u->login, link_purpose_name(purpose));
    if (!takes(rq, "login", in->login) || !takes(rq, "email", in->email))
        return;
    if (purpose == LINK_CONFIRM) {
        if (takes(rq, "password", in->password))
            use_confirm(rq, digest);
    } else if (in->password == NULL) {
        req_fail(rq, ERR_INVALID, "password", "password: it is missing (the one to be)");
    } else if (password_check(in->password, u->login, &rq->why) != ERR_OK) {
        req_error(rq, &rq->why);
    } else {
        make_password(rq, in->password, on_link_made);
    }
}

/* ---- a forgotten password ---- */

struct reset_body {
    const char *login;
};

static const struct field reset_fields[] = {
    {.name = "login",
     .type = FIELD_TEXT,
     .offset = offsetof(struct reset_body, login),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = EMAIL_BYTES_MAX,
     .help = "login or confirmed address"},
    {.type = FIELD_END},
};

/* Somebody who can be written to. */
static const struct user_row *reachable(const struct accounts *a, const char *login)
{
    const struct user_row *u = accounts_by_login(a, login);

    if (u == NULL)
        u = accounts_by_email(a, login);
    return u == NULL || u->email_confirmed_at.ms == 0 || u->locked_at.ms != 0 ? NULL : u;
}

/* The answer is on its way before anything is looked up: neither its words nor its time say who has an account. */
static void link_reset(struct req *rq)
{
    const struct reset_body *in = rq->body;
    struct api *a = rq->api;
    const struct user_row *u;
    struct made_link link;
    struct accounts_out out;

    audit_user(rq, in->login, "");
    if (!may_try(rq, "reset"))
        return;
    req_hold(rq);
    answer_nothing(rq);
    u = reachable(a->accounts, in->login);
    accounts_out_init(&out);
    if (u != NULL && a->opts.mail != NULL && may_mail(rq, "reset", u) &&
        link_make(rq, u, LINK_RESET, true, &out, &link, &rq->why) == ERR_OK) {
        auth_save(a, &out);
        link_mail(rq, u, &link);
    } else {
        accounts_out_done(&out);
    }
    req_release(rq);
}

const struct route link_routes[] = {
    {ROUTE(POST, ANYONE, "/api/v1/links/look", link_look, "What a one-time link is for.", "link_look"),
     .audit = "link.look", BODY(look_fields, struct token_body)},
    {ROUTE(POST, ANYONE, "/api/v1/links/use", link_use, "Use a one-time link; signs in with it.", "me"),
     .audit = "link.use", BODY(use_fields, struct use_body)},
    {ROUTE(POST, ANYONE, "/api/v1/links/reset", link_reset,
           "Ask for a letter with a link to choose another password.", "nothing"),
     .audit = "link.reset", BODY(reset_fields, struct reset_body)},
    ROUTES_END,
};
