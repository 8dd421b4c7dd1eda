/* me.c - sign in and out; one's own account. */
#include <string.h>

#include "api/account_common.h"
#include "schedule/schedule.h"

static void me_get(struct req *rq)
{
    answer_me(rq, NULL);
}

/* ---- sign in and out ---- */

struct session_body {
    const char *login;
    const char *password;
};

static const struct field session_fields[] = {
    {.name = "login",
     .type = FIELD_TEXT,
     .offset = offsetof(struct session_body, login),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = LOGIN_CHARS_MAX,
     .help = "the name of the account"},
    PASSWORD_FIELD(struct session_body, password, 1, FIELD_REQUIRED, "its password"),
    {.type = FIELD_END},
};

/* Whose password is being checked, as it was when that began. */
struct checking {
    struct user_id user;
    const char *made;
    void (*then)(struct req *rq);
};

static void refuse_sign_in(struct req *rq)
{
    req_fail(rq, ERR_SIGN_IN, NULL, "login or password is wrong");
}

/* Was the password not changed, nor the account deleted, while it was being checked? */
static bool is_still(const struct req *rq, const struct checking *c)
{
    const struct user_row *u = accounts_user(rq->api->accounts, c->user);

    return u != NULL && u->deleted_at.ms == 0 && strcmp(u->password, c->made) == 0;
}

static void on_session_checked(struct req *rq, bool is_right, const char *made_anew)
{
    const struct session_body *in = rq->body;
    const struct checking *c = rq->state;
    struct accounts_out out;
    enum err err = ERR_OK;

    if (!is_right || !is_still(rq, c)) {
        refuse_sign_in(rq);
        return;
    }
    try_right(rq, in->login);
    accounts_out_init(&out);
    if (made_anew != NULL) /* refused to the operator, whose password a hand has put into the database */
        err = accounts_renew_password(rq->api->accounts, c->user, made_anew, &out, &rq->why);
    if (err == ERR_OK)
        begin_session(rq, c->user, &out);
    else
        finish_command(rq, err, &out, NULL);
}

static struct checking *checking_new(struct req *rq, const struct user_row *u)
{
    struct checking *c = arena_alloc(&rq->arena, sizeof(*c));

    c->made = "";
    if (u != NULL) {
        c->user = u->id;
        c->made = arena_strdup(&rq->arena, u->password);
    }
    rq->state = c;
    return c;
}

static void session_begin(struct req *rq)
{
    const struct session_body *in = rq->body;
    const struct checking *c;

    audit_user(rq, in->login, "");
    if (!may_try_password(rq, in->login))
        return;
    c = checking_new(rq, accounts_by_login(rq->api->accounts, in->login));
    check_password(rq, in->login, in->password, c->made, on_session_checked);
}

static void session_end(struct req *rq)
{
    struct accounts_out out;
    enum err err;

    if (rq->who.via != VIA_SESSION && rq->who.via != VIA_TOKEN) {
        req_fail(rq, ERR_CONFLICT, NULL, "there is no session to end: the request came via %s",
                 via_name(rq->who.via));
        return;
    }
    accounts_out_init(&out);
    if (rq->who.via == VIA_TOKEN) {
        /* the one change that a token may make to an account: to take itself back */
        err = accounts_remove_token(rq->api->accounts, rq->who.user, rq->who.id, &out, &rq->why);
        finish_command(rq, err, &out, answer_nothing);
        return;
    }
    err = accounts_end_session(rq->api->accounts, rq->who.user, rq->who.id, &out, &rq->why);
    if (err == ERR_OK)
        auth_cookie(rq, "");
    finish_command(rq, err, &out, answer_nothing);
}

/* ---- what asks for the password again ---- */

static void on_own_checked(struct req *rq, bool is_right, const char *made_anew)
{
    const struct checking *c = rq->state;
    const struct user_row *u = accounts_user(rq->api->accounts, c->user);
    const char *field = strcmp(rq->route->audit, "account.delete") == 0 ? "password" : "current";

    (void)made_anew; /* the next sign-in does that */
    if (!is_right || !is_still(rq, c)) {
        req_fail(rq, ERR_INVALID, field, "%s: it is not your password", field);
        return;
    }
    try_right(rq, u->login);
    c->then(rq);
}

/* Check it, then `then`. A stolen session does not help to guess it: tries count as at the sign-in. */
static void check_own(struct req *rq, const char *password, void (*then)(struct req *rq))
{
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);
    const char *login = arena_strdup(&rq->arena, u->login);
    struct checking *c;

    if (!may_try_password(rq, login))
        return;
    c = checking_new(rq, u);
    c->then = then;
    check_password(rq, login, password, c->made, on_own_checked);
}

/* ---- the profile ---- */

struct me_body {
    struct profile profile;
    struct mail_edit mail; /* launches, schedule_launches: index of whens */
    const char *current;
};

static const char *const whens[] = {"never", "failed", "always", NULL}; /* enum mail_when less one */

#define WHEN_FIELD(member, help_)                                                                     \
    {                                                                                                 \
        .name = "mail_" #member, .type = FIELD_ENUM, .offset = offsetof(struct me_body, mail.member), \
        .names = whens, .help = help_                                                                 \
    }
#define YES_FIELD(member, help_)                                                                       \
    {                                                                                                  \
        .name = "mail_" #member, .type = FIELD_MAYBE, .offset = offsetof(struct me_body, mail.member), \
        .help = help_                                                                                  \
    }

static const struct field me_fields[] = {
    PERSON_FIELDS(struct me_body, profile),
    {.name = "zone",
     .type = FIELD_TEXT,
     .offset = offsetof(struct me_body, profile.zone),
     .min = 1,
     .max = ZONE_NAME_MAX,
     .help = "the time zone of times that are shown, and of schedules that name none, like Europe/Berlin"},
    WHEN_FIELD(launches, "when you get a mail about a launch of yours that ended"),
    {.name = "mail_launch_min_s",
     .type = FIELD_INT,
     .offset = offsetof(struct me_body, mail.launch_min_s),
     .max = LAUNCH_MIN_S_MAX,
     .help = "but not about one that took less, in seconds"},
    WHEN_FIELD(schedule_launches, "the same of launches that a schedule of yours started, however short"),
    YES_FIELD(schedule_failed, "a mail when a schedule of yours cannot start its list"),
    YES_FIELD(schedule_missed, "when one was due, no server was there, and it is given up"),
    YES_FIELD(schedule_disabled, "when one is disabled because it would not start any more"),
    PASSWORD_FIELD(struct me_body, current, 1, 0, "the present password; another email needs it"),
    {.type = FIELD_END},
};

static const struct me_body me_preset = {.mail = MAIL_EDIT_STAYS};

static void answer_own(struct req *rq)
{
    answer_user(rq, rq->who.user);
}

/* The address that was confirmed hears of it: from now on a forgotten password goes elsewhere. */
static void on_address_saved(struct req *rq)
{
    const char *old = rq->state;
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);

    if (old[0] != '\0')
        notice_mail(rq, "email_changed", old, u->login);
    answer_own(rq);
}

static void edit_own(struct req *rq)
{
    const struct me_body *in = rq->body;
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);
    bool tells = in->profile.email != NULL && strcmp(in->profile.email, u->email) != 0 &&
                 u->email_confirmed_at.ms != 0;
    struct mail_edit mail = in->mail;
    struct profile profile = in->profile;
    struct accounts_out out;
    enum err err;

    mail.launches += mail.launches >= 0;
    mail.schedule_launches += mail.schedule_launches >= 0;
    profile.mail = &mail;
    rq->state = arena_strdup(&rq->arena, tells ? u->email : "");
    accounts_out_init(&out);
    err = accounts_edit(rq->api->accounts, rq->who.user, &profile, &out, &rq->why);
    finish_command(rq, err, &out, on_address_saved);
}

/* Who may choose the address may choose the password, by a letter: so a session alone does not change it. */
static void edit_checked(struct req *rq)
{
    const struct me_body *in = rq->body;
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);
    const char *email = in->profile.email;

    if (email == NULL || strcmp(email, u->email) == 0 || u->id.v == OPERATOR_ID)
        edit_own(rq); /* which refuses the operator */
    else if (email_check(email, &rq->why) != ERR_OK)
        req_error(rq, &rq->why);
    else if (u->password[0] == '\0')
        req_fail(rq, ERR_CONFLICT, "email",
                 "email: the account has no password to show that it is you; ask an admin to change it");
    else if (in->current == NULL)
        req_fail(rq, ERR_INVALID, "current", "current: another email needs the present password");
    else
        check_own(rq, in->current, edit_own);
}

/* Zones are read from the disk. */
static void zone_job(struct reader *r, struct req *rq)
{
    const struct me_body *in = rq->body;
    struct zone *z = NULL;

    (void)r;
    rq->err = zone_load(in->profile.zone, &z, &rq->why);
    zone_free(z);
}

static void on_zone(struct req *rq)
{
    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else if (auth_still(rq))
        edit_checked(rq);
}

static void me_edit(struct req *rq)
{
    const struct me_body *in = rq->body;

    if (in->profile.zone != NULL)
        req_read(rq, zone_job, on_zone);
    else
        edit_checked(rq);
}

/* ---- another password ---- */

struct password_body {
    const char *current;
    const char *password;
};

static const struct field password_fields[] = {
    PASSWORD_FIELD(struct password_body, current, 1, FIELD_REQUIRED, "the password that it replaces"),
    PASSWORD_FIELD(struct password_body, password, 0, FIELD_REQUIRED, "the new one"),
    {.type = FIELD_END},
};

static void on_password_saved(struct req *rq)
{
    password_notice(rq, rq->who.user);
    answer_nothing(rq);
}

static void on_own_made(struct req *rq, const char *made)
{
    const struct checking *c = rq->state;
    uint64_t keep = rq->who.via == VIA_SESSION ? rq->who.id : 0;
    struct accounts_out out;
    enum err err;

    if (!is_still(rq, c)) {
        req_fail(rq, ERR_CONFLICT, NULL, "the password was changed meanwhile");
        return;
    }
    accounts_out_init(&out);
    err = accounts_set_password(rq->api->accounts, c->user, made, keep, &out, &rq->why);
    finish_command(rq, err, &out, on_password_saved);
}

static void make_own(struct req *rq)
{
    make_password(rq, ((const struct password_body *)rq->body)->password, on_own_made);
}

static void me_password(struct req *rq)
{
    const struct password_body *in = rq->body;
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);

    if (password_check(in->password, u->login, &rq->why) != ERR_OK)
        req_error(rq, &rq->why);
    else
        check_own(rq, in->current, make_own);
}

/* ---- the end ---- */

static void me_deletion(struct req *rq)
{
    deletion_answer(rq, rq->who.user);
}

struct delete_body {
    const char *password;
};

static const struct field delete_fields[] = {
    PASSWORD_FIELD(struct delete_body, password, 1, FIELD_REQUIRED,
                   "one's own, so that nobody else deletes it"),
    {.type = FIELD_END},
};

static void on_own_deleted(struct req *rq)
{
    if (rq->http == NULL)
        return;
    if (rq->who.via == VIA_SESSION)
        auth_cookie(rq, "");
    answer_nothing(rq);
}

static void delete_own(struct req *rq)
{
    deletion_do(rq, rq->who.user, on_own_deleted);
}

static void me_delete(struct req *rq)
{
    const struct delete_body *in = rq->body;

    check_own(rq, in->password, delete_own);
}

/* ---- the address ---- */

static void on_confirm_saved(struct req *rq)
{
    const struct made_link *link = rq->state;
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);
    struct json_out *j;

    if (u != NULL)
        link_mail(rq, u, link);
    j = answer_begin(rq);
    jo_obj(j);
    jo_kbool(j, "mailed", u != NULL);
    jo_obj_end(j);
    answer_send(rq);
}

static void me_confirm(struct req *rq)
{
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);
    struct made_link *link = arena_alloc(&rq->arena, sizeof(*link));
    struct accounts_out out;
    enum err err;

    if (u->email[0] == '\0') {
        req_fail(rq, ERR_CONFLICT, NULL, "the account has no address; give one first");
    } else if (u->email_confirmed_at.ms != 0) {
        req_fail(rq, ERR_CONFLICT, NULL, "the address %.100s is confirmed already", u->email);
    } else if (has_mail(rq) && may_try(rq, "confirm")) {
        accounts_out_init(&out);
        err = link_make(rq, u, LINK_CONFIRM, true, &out, link, &rq->why);
        rq->state = link;
        finish_command(rq, err, &out, on_confirm_saved);
    }
}

const struct route me_routes[] = {
    {ROUTE(GET, ANYONE, "/api/v1/me", me_get, "Who asks, and what a page must know first.", "me")},
    {ROUTE(POST, ANYONE, "/api/v1/session", session_begin, "Sign in.", "me"), .audit = "session.begin",
     BODY(session_fields, struct session_body)},
    {ROUTE(DELETE, ACCOUNT_LOOK, "/api/v1/session", session_end,
           "Sign out: end this session, or revoke the token that asks.", "nothing"),
     .audit = "session.end"},
    {ROUTE(POST, ACCOUNT, "/api/v1/me", me_edit, "Change the own account; what is not given stays.", "user"),
     .audit = "account.edit", BODY(me_fields, struct me_body), .body_preset = &me_preset},
    {ROUTE(POST, ACCOUNT, "/api/v1/me/password", me_password,
           "Change the password; every other session ends.", "nothing"),
     .audit = "account.password", BODY(password_fields, struct password_body)},
    {ROUTE(GET, ACCOUNT_LOOK, "/api/v1/me/deletion", me_deletion,
           "What goes with the own account, and what stays.", "deletion")},
    {ROUTE(POST, ACCOUNT, "/api/v1/me/delete", me_delete, "Delete the own account.", "nothing"),
     .audit = "account.delete", BODY(delete_fields, struct delete_body)},
    {ROUTE(POST, ACCOUNT, "/api/v1/me/confirm", me_confirm, "Have a letter sent that confirms the address.",
           "mailed"),
     .audit = "account.confirm"},
    ROUTES_END,
};
