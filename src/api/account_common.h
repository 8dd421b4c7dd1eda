/* account_common.h - what the routes of accounts share: their objects, limits of tries, passwords, sessions, links.
 *
 * A command goes: fields (by the route's table) -> throttle -> argon2id on its own thread -> the accounts, in memory ->
 * req_save() -> the answer. Loop thread. */
#ifndef WRATA_API_ACCOUNT_COMMON_H
#define WRATA_API_ACCOUNT_COMMON_H

#include "api/api_private.h"

/* ---- objects and answers ---- */

/* What an account is, for people. An admin does not wait. */
enum user_state { USER_PENDING, USER_ACTIVE, USER_LOCKED, USER_DELETED, USER_STATE_COUNT };
enum user_state user_state(const struct accounts *a, const struct user_row *u);
extern const char *const user_states[]; /* "pending" "active" "locked" "deleted", NULL */

void render_user(struct json_out *j, const struct accounts *a, const struct user_row *u);
void render_user_members(struct json_out *j, const struct accounts *a, const struct user_row *u);
void answer_nothing(struct req *rq); /* {} */
void answer_user(struct req *rq, struct user_id id);
void answer_ended(struct req *rq, uint32_t n); /* {"ended":n} */
/* Who rq->who is now. `secret`: of the session that was just begun; NULL: what the request's own cookie holds. */
void answer_me(struct req *rq, const char *secret);
/* Begin an answer that is rendered on the loop, and send it with the route's status. */
struct json_out *answer_begin(struct req *rq);
void answer_send(struct req *rq);

/* 429 or 503 with the time after which it may be tried again. */
void answer_later(struct req *rq, enum err code, int64_t wait_ms, const char *text);

/* The living user that {user} names. NULL: answered. */
const struct user_row *user_of_path(struct req *rq);

/* For the audit log: "user mira". */
void audit_user(struct req *rq, const char *login, const char *detail);

/* End the command `out`: save and answer by `then`; with `err` answer rq->why, after saving what was changed before it. */
void finish_command(struct req *rq, enum err err, struct accounts_out *out, void (*then)(struct req *rq));

/* ---- limits and passwords ---- */

/* Count a try of `what` by the request's address; false: too often, answered. It counts whether it goes well or not,
 * unless try_back() says that it was nothing. */
bool may_try(struct req *rq, const char *what);
void try_back(struct req *rq, const char *what);
/* The same for a mail to this user on a stranger's wish. What the address has left is the same afterwards, whether there is
 * such a user or not: it could be counted. Answers nothing. */
bool may_mail(struct req *rq, const char *what, const struct user_row *u);
/* The same for the password of `login`; try_right() when it was right. */
bool may_try_password(struct req *rq, const char *login);
void try_right(struct req *rq, const char *login);

/* Is it the password of the account (`made` "": of none, at the same cost)? `then` runs when the client is still
 * there; `made_anew`, or NULL, is in the request's arena. `login` is the one whose try was counted. The password is
 * overwritten. */
void check_password(struct req *rq, const char *login, const char *password, const char *made,
                    void (*then)(struct req *rq, bool is_right, const char *made_anew));
void make_password(struct req *rq, const char *password, void (*then)(struct req *rq, const char *made));

/* A session for somebody who has shown who it is, in one piece with what is in `out` already; answers `me` with
 * its cookie. */
void begin_session(struct req *rq, struct user_id user, struct accounts_out *out);
/* The same after another password: its owner hears of it. */
void begin_session_anew(struct req *rq, struct user_id user, struct accounts_out *out);

/* ---- one-time links (links.c) ---- */

struct made_link {
    enum link_purpose purpose;
    const char *url;
    struct wall expires_at;
    bool is_mailed;
};
/* Make one; ret's texts are in the arena. */
MUST_USE enum err link_make(struct req *rq, const struct user_row *u, enum link_purpose purpose, bool by_mail,
                            struct accounts_out *out, struct made_link *ret, struct why *reterr);
void link_mail(struct req *rq, const struct user_row *u, const struct made_link *link);
/* Tell somebody what was done to the account, by a template without a link that does anything; nothing without mail. */
void notice_mail(struct req *rq, const char *kind, const char *to, const char *login);
void password_notice(struct req *rq, struct user_id user); /* to the confirmed address; after it was saved */
void render_link(struct json_out *j, const struct made_link *link);
/* false: no mail is configured; answered. */
bool has_mail(struct req *rq);

/* ---- deleting (deletion.c) ---- */

void deletion_answer(struct req *rq, struct user_id user); /* what goes with it and what stays */
/* Stop what runs of it, delete it, then `then`. */
void deletion_do(struct req *rq, struct user_id user, void (*then)(struct req *rq));
/* hooks.c: nothing is sent to this hook (0: to some) any more; whoever waits for it is answered. */
void hooks_gone(struct api *a, uint64_t hook);

/* ---- the audit log (audit.c) ---- */

/* "2026-11-23" or "2026-11-23T02:49[:53[.120]]Z", in UTC. ERR_INVALID names the field. Pure. */
MUST_USE enum err time_read(const char *field, const char *text, struct wall *ret, struct why *reterr);

/* ---- the fields of a person ---- */

#define PERSON_BYTES_MAX NAME_BYTES_MAX
#define PERSON_FIELDS(owner, member)                                                        \
    {.name = "email",                                                                       \
     .type = FIELD_TEXT,                                                                    \
     .offset = offsetof(owner, member.email),                                               \
     .max = EMAIL_BYTES_MAX,                                                                \
     .help = "an address for letters"},                                                     \
        {.name = "first_name",                                                              \
         .type = FIELD_TEXT,                                                                \
         .offset = offsetof(owner, member.first_name),                                      \
         .max = PERSON_BYTES_MAX,                                                           \
         .help = "as the person writes it"},                                                \
        {.name = "last_name",                                                               \
         .type = FIELD_TEXT,                                                                \
         .offset = offsetof(owner, member.last_name),                                       \
         .max = PERSON_BYTES_MAX,                                                           \
         .help = "as the person writes it"},                                                \
    {                                                                                       \
        .name = "position", .type = FIELD_TEXT, .offset = offsetof(owner, member.position), \
        .max = PERSON_BYTES_MAX, .help = "what the person does in the team"                 \
    }

#define PASSWORD_FIELD(owner, member, min_, flags_, help_)                                        \
    {                                                                                             \
        .name = #member, .type = FIELD_TEXT, .offset = offsetof(owner, member),                   \
        .flags = FIELD_SECRET | (flags_), .min = (min_), .max = PASSWORD_BYTES_MAX, .help = help_ \
    }

/* Of a route's row. */
#define BODY(fields_, struct_) .body_kind = BODY_JSON, .body = fields_, .body_bytes = sizeof(struct_)

#endif
