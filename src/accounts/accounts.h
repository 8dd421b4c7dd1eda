/* accounts.h - who may come in and as whom: users, sessions, API tokens, one-time links, users' variables.
 *
 * A small engine of its own, as pure as the large one: no clock, I/O, thread or random source is reachable from
 * here. Time comes with the call, secrets come as digests, passwords as what argon2id made of them. Everything
 * that lives is in memory; a command changes memory at once and appends to a list of changes, which the caller
 * saves before it says anything to anybody (store_account_changes()). Boot replays the rows as the changes that made them.
 *
 * It is not in src/engine, because nothing of it meets the queue: launches know their user by its id alone. */
#ifndef WRATA_ACCOUNTS_ACCOUNTS_H
#define WRATA_ACCOUNTS_ACCOUNTS_H

#include "base/err.h"
#include "base/mem.h"
#include "model/account.h"
#include "model/rows.h"

struct accounts;

/* What a caller may be; each may do what those before it may. */
enum role {
    ROLE_NOBODY,
    ROLE_UNVERIFIED, /* signed in, not yet let in by an admin: sees its own account, nothing else */
    ROLE_USER,
    ROLE_ADMIN,
    ROLE_COUNT
};
const char *role_name(enum role r); /* "nobody" "unverified" "user" "admin" */

/* How a caller has shown who it is. */
enum via { VIA_NOTHING, VIA_SESSION, VIA_TOKEN, VIA_HOST, VIA_OPEN, VIA_COUNT };
const char *via_name(enum via v); /* "nothing" "session" "token" "host" "open" */

/* Who sends a request, decided once, when its head is in. Texts are borrowed from the accounts: not kept. */
struct principal {
    enum role role;
    enum via via;
    enum token_scope scope; /* of the token; SCOPE_ADMIN for every other way */
    struct user_id user;    /* 0: nobody */
    uint64_t id;            /* of the session or the token; 0 none */
    const char *login;      /* "" nobody */
};

/* Limits. */
#define LOGIN_CHARS_MAX 64u
#define EMAIL_BYTES_MAX 254u
#define PASSWORD_BYTES_MIN 10u
#define PASSWORD_BYTES_MAX 1024u
#define USERS_MAX 10000u
#define SESSIONS_OF_USER_MAX 50u /* a further one ends the one that was idle longest */
#define TOKENS_OF_USER_MAX 100u
#define LINKS_OF_USER_MAX 5u /* a further one: see accounts_add_link() */
#define USER_ENV_MAX 100u
#define SECRET_BYTES_MIN 6u /* shorter ones would turn every other word of a log into stars */

struct accounts_opts {
    int64_t session_idle_ms;         /* a session not used for so long is over */
    int64_t session_max_ms;          /* and any one after so long */
    int64_t link_ms;                 /* how long a one-time link can be used */
    const char *const *admin_emails; /* copied */
    uint32_t n_admin_emails;
};

/* The changes of one command, in an arena of their own; saved as one piece. */
struct accounts_out {
    struct arena arena;
    struct account_change *at;
    uint32_t n;
    uint32_t cap;
};
void accounts_out_init(struct accounts_out *o);
void accounts_out_done(struct accounts_out *o);

OWNED struct accounts *accounts_new(const struct accounts_opts *opts);
void accounts_free(struct accounts *a);
void accounts_set_opts(struct accounts *a, const struct accounts_opts *opts); /* reloaded */
/* Boot: rows of the store, as changes (store_boot_accounts()). */
void accounts_load(struct accounts *a, const struct account_change *c);
/* Invariants, for tests: every session, token, link has its user; indexes agree; limits hold. CHECK()s. */
void accounts_check(const struct accounts *a);

/* ---- who is it ---- */

/* By the digest of a cookie or of a bearer token. false: none, over, of a locked or deleted user. What is known of
 * the use (seen_at, used_at, address) is brought up to date at most once a minute, as changes. */
bool accounts_session(struct accounts *a, struct wall now, const struct digest *digest, const char *address,
                      struct principal *ret, struct accounts_out *out);
bool accounts_token(struct accounts *a, struct wall now, const struct digest *digest, const char *address,
                    struct principal *ret, struct accounts_out *out);
/* As user 1, the operator: the command line on the host, and everybody when accounts are off. */
void accounts_operator(const struct accounts *a, enum via via, struct principal *ret);
/* Still the same and still in? For streams that stay open: role may have changed, it may be over. */
bool accounts_again(const struct accounts *a, struct wall now, const struct principal *was,
                    struct principal *ret);

enum role accounts_role(const struct accounts *a, const struct user_row *u);
/* Borrowed until the next command. NULL: none (deleted ones are found by id only). */
const struct user_row *accounts_user(const struct accounts *a, struct user_id id);
const struct user_row *accounts_by_login(const struct accounts *a, const char *login);
const struct user_row *accounts_by_email(const struct accounts *a, const char *email); /* a confirmed one */
/* Where mail to the admins goes: the confirmed addresses of all who are admins and may sign in, and those of admin_emails
 * which no account has confirmed: whoever configures the server knows them. Each once. */
void accounts_each_admin_email(const struct accounts *a, void (*each)(void *ctx, const char *email),
                               void *ctx);
bool accounts_has_admin(const struct accounts *a);   /* beside the operator, able to sign in */
uint32_t accounts_pending(const struct accounts *a); /* who wait to be verified */
void accounts_each_user(const struct accounts *a, void (*each)(void *ctx, const struct user_row *u),
                        void *ctx);
void accounts_each_session(const struct accounts *a, struct user_id user,
                           void (*each)(void *ctx, const struct session_row *s), void *ctx);
/* When it is over unless it is used before. */
struct wall accounts_session_expires(const struct accounts *a, const struct session_row *s);
void accounts_each_token(const struct accounts *a, struct user_id user,
                         void (*each)(void *ctx, const struct token_row *t), void *ctx);
/* The lines of a user, in order. */
const struct user_env_row *accounts_env(const struct accounts *a, struct user_id user, uint32_t *retn);

/* ---- commands: memory now, changes to be saved. An error changes nothing. ---- */

struct new_user {
    const char *login;
    const char *email;
    const char *first_name;
    const char *last_name;
    const char *position;
    const char *password; /* as argon2id wrote it; "" none yet: by a link */
    bool verified;
    bool admin;
};
/* ERR_INVALID names the field; ERR_CONFLICT: the login is taken (or was the operator's). */
MUST_USE enum err accounts_add(struct accounts *a, struct wall now, const struct new_user *in,
                               struct accounts_out *out, struct user_id *ret, struct why *reterr);

/* What is -1 stays. */
struct mail_edit {
    int launches; /* enum mail_when, but not AS_CHOSEN */
    int64_t launch_min_s;
    int schedule_launches;
    int schedule_failed; /* 0, 1 */
    int schedule_missed;
    int schedule_disabled;
};
#define MAIL_EDIT_STAYS                                                                     \
    {                                                                                       \
        .launches = -1, .launch_min_s = -1, .schedule_launches = -1, .schedule_failed = -1, \
        .schedule_missed = -1, .schedule_disabled = -1                                      \
    }

/* What is NULL stays. A new email is an unconfirmed one, and links that were mailed to the old one are void. */
struct profile {
    const char *email;
    const char *first_name;
    const char *last_name;
    const char *position;
    const char *zone; /* the caller knows that there is one of that name */
    const struct mail_edit *mail;
};
MUST_USE enum err accounts_edit(struct accounts *a, struct user_id id, const struct profile *in,
                                struct accounts_out *out, struct why *reterr);
/* A locked user's sessions and one-time links end at once; the last admin who could sign in is neither locked, unmade
 * (also by another email) nor deleted (ERR_CONFLICT). User 1 is nobody's to change (ERR_DENIED), but for its zone
 * and what it wants to be told. */
MUST_USE enum err accounts_set_verified(struct accounts *a, struct wall now, struct user_id id, bool on,
                                        struct accounts_out *out, struct why *reterr);
MUST_USE enum err accounts_set_locked(struct accounts *a, struct wall now, struct user_id id, bool on,
                                      struct accounts_out *out, struct why *reterr);
MUST_USE enum err accounts_set_admin(struct accounts *a, struct user_id id, bool on, struct accounts_out *out,
                                     struct why *reterr);
/* Several of these at once, or none of them: what each would refuse is refused for all, by what the user would be in
 * the end. -1: stays. `email_confirmed` is of the new email, when there is one, and cannot be taken back (0: stays). */
struct user_edit {
    struct profile profile;
    int verified;
    int locked;
    int admin;
    int email_confirmed;
};
MUST_USE enum err accounts_change(struct accounts *a, struct wall now, struct user_id id,
                                  const struct user_edit *in, struct accounts_out *out, struct why *reterr);
MUST_USE enum err accounts_confirm_email(struct accounts *a, struct wall now, struct user_id id,
                                         struct accounts_out *out, struct why *reterr);
/* Ends every session of the user but `keep` (0: none is kept), and its one-time links. */
MUST_USE enum err accounts_set_password(struct accounts *a, struct user_id id, const char *password,
                                        uint64_t keep, struct accounts_out *out, struct why *reterr);
/* The same password, made anew with today's parameters: nothing ends. */
MUST_USE enum err accounts_renew_password(struct accounts *a, struct user_id id, const char *password,
                                          struct accounts_out *out, struct why *reterr);
/* The row stays, without names, address and password, so that history can say who it was; sessions, tokens, links
 * and variables go. */
MUST_USE enum err accounts_delete(struct accounts *a, struct wall now, struct user_id id,
                                  struct accounts_out *out, struct why *reterr);

/* The password was right: who may have a session? ERR_DENIED: locked (says so). The digest is of a fresh secret.
 * Marks the user as seen. */
MUST_USE enum err accounts_sign_in(struct accounts *a, struct wall now, struct user_id id,
                                   const struct digest *digest, const char *address, const char *agent,
                                   struct accounts_out *out, uint64_t *ret_session, struct why *reterr);
/* Of this user only. ERR_NOTFOUND. */
MUST_USE enum err accounts_end_session(struct accounts *a, struct user_id user, uint64_t session,
                                       struct accounts_out *out, struct why *reterr);
uint32_t accounts_end_sessions(struct accounts *a, struct user_id user, uint64_t keep,
                               struct accounts_out *out);

/* Sessions, tokens and links that are over: at most `max` of them a call. Returns how many. */
uint32_t accounts_expire(struct accounts *a, struct wall now, uint32_t max, struct accounts_out *out);

struct new_token {
    const char *name; /* 1..NAME_BYTES_MAX; unique per user */
    enum token_scope scope;
    struct wall expires_at; /* 0: never */
    const struct digest *digest;
};
MUST_USE enum err accounts_add_token(struct accounts *a, struct wall now, struct user_id user,
                                     const struct new_token *in, struct accounts_out *out, uint64_t *ret_id,
                                     struct why *reterr);
MUST_USE enum err accounts_remove_token(struct accounts *a, struct user_id user, uint64_t token,
                                        struct accounts_out *out, struct why *reterr);

/* A link that can be used once. Older ones stay valid beside it, for a stranger may ask for one; when there are
 * LINKS_OF_USER_MAX the oldest goes, mailed ones before those handed over, of this purpose before others. `by_mail`: it goes to the user's
 * address and nowhere else, so whoever uses it has shown that the address is theirs (always so with CONFIRM). One that
 * an admin hands over shows nothing. ERR_CONFLICT: no address, or locked. */
MUST_USE enum err accounts_add_link(struct accounts *a, struct wall now, struct user_id user,
                                    enum link_purpose purpose, bool by_mail, const struct digest *digest,
                                    struct accounts_out *out, struct wall *ret_expires_at,
                                    struct why *reterr);
/* Look, without using it. ERR_NOTFOUND: never was, used, over, or its user is gone: one sentence for all. */
MUST_USE enum err accounts_look_link(const struct accounts *a, struct wall now, const struct digest *digest,
                                     enum link_purpose *ret_purpose, struct user_id *ret_user,
                                     struct why *reterr);
/* Use it up, and all others of its kind: CONFIRM confirms the address it was made for; RESET and INVITE take a password (as argon2id wrote it)
 * and confirm the address, too, when the link went `by_mail`; all sessions and links end. */
MUST_USE enum err accounts_use_link(struct accounts *a, struct wall now, const struct digest *digest,
                                    const char *password, struct accounts_out *out, struct user_id *ret,
                                    struct why *reterr);

/* Replace all lines of a user. A secret whose value is NULL keeps the one it had (ERR_INVALID when it had none).
 * Values of secrets arrive sealed. */
MUST_USE enum err accounts_set_env(struct accounts *a, struct user_id user, const struct user_env_row *lines,
                                   uint32_t n, struct accounts_out *out, struct why *reterr);

/* ---- the audit log ---- */

/* Who asked for what. Its id is also the one to say the end with. Nothing is kept in memory. */
uint64_t accounts_audit(struct accounts *a, const struct audit_row *row, struct accounts_out *out);
/* How it ended; object and detail as in the row, NULL: leave. */
void accounts_audit_end(struct accounts *a, uint64_t id, int status, const char *object, const char *detail,
                        struct accounts_out *out);

/* ---- rules for what comes in, shared with the command line's own checks ---- */
MUST_USE enum err login_check(const char *login, struct why *reterr);
MUST_USE enum err email_check(const char *email, struct why *reterr); /* "" is fine */
/* Length, not the login itself, not one of the commonest. */
MUST_USE enum err password_check(const char *password, const char *login, struct why *reterr);

#endif
