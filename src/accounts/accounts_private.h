/* accounts_private.h - what the files of this folder share: the objects, and who may change them.
 *
 * Objects point at each other freely: all of them belong to one `struct accounts`. Every command is written the same
 * way: find, refuse, refuse, then change; after the first change nothing can fail. */
#ifndef WRATA_ACCOUNTS_PRIVATE_H
#define WRATA_ACCOUNTS_PRIVATE_H

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "accounts/accounts.h"

#define uthash_malloc(n) xmalloc(n)
#define uthash_free(p, n) free(p)
#include <uthash.h>
#include <utlist.h>

#define MINUTE_MS INT64_C(60000)
#define AGENT_BYTES_MAX 256u           /* of what a browser calls itself; the rest is cut */
#define ADDRESS_BYTES_MAX 64u          /* of a client's address, the same */
#define HASH_TEXT_BYTES_MAX 512u       /* argon2id writes 97 */
#define USER_ROWS_MAX (USERS_MAX * 10) /* with the deleted ones, which stay */
#define SEALED_BYTES_MAX (ENV_LINE_BYTES_MAX * 2)

struct session {
    struct session_row row; /* texts are owned */
    struct user *user;
    UT_hash_handle hh;
    UT_hash_handle hh_digest;
    struct session *prev, *next; /* of the user, the oldest first */
};

struct token {
    struct token_row row; /* texts are owned */
    struct user *user;
    UT_hash_handle hh;
    UT_hash_handle hh_digest;
    struct token *prev, *next;
};

/* A one-time link. */
struct once {
    struct one_time_link_row row; /* texts are owned */
    struct user *user;
    UT_hash_handle hh;
    UT_hash_handle hh_digest;
    struct once *prev, *next;
};

struct user {
    struct user_row row; /* texts are owned */
    UT_hash_handle hh;
    UT_hash_handle hh_login;
    UT_hash_handle hh_email;
    const char *login_key; /* in lower case; NULL: not found by it (deleted) */
    const char *email_key; /* of a confirmed address, in lower case; NULL: none */
    struct session *sessions;
    struct token *tokens;
    struct once *links;
    uint32_t n_sessions;
    uint32_t n_tokens;
    uint32_t n_links;
    struct user_env_row *env; /* texts are owned */
    uint32_t n_env;
    bool is_pending;    /* counted in n_pending */
    bool is_able_admin; /* counted in n_able_admins */
};

/* An address of admin_emails, in lower case. */
struct listed {
    UT_hash_handle hh;
    char email[];
};

/* In the order in which they are understood, not packed. */
struct accounts {              /* NOLINT(clang-analyzer-optin.performance.Padding) */
    struct accounts_opts opts; /* without admin_emails */
    struct listed *listed;
    struct user *users; /* by id; in the order of ids */
    struct user *by_login;
    struct user *by_email;
    struct session *sessions;
    struct session *session_digests;
    struct token *tokens;
    struct token *token_digests;
    struct once *links;
    struct once *link_digests;
    uint64_t next_user;
    uint64_t next_session;
    uint64_t next_token;
    uint64_t next_link;
    uint64_t next_audit;
    uint32_t n_living; /* users that are not deleted, the operator among them */
    uint32_t n_pending;
    uint32_t n_able_admins; /* beside the operator */
    int64_t over_at;        /* before this nothing is over: accounts_expire() need not look */
};

/* ---- texts (texts.c) ---- */

const char *text_copy(const char *s); /* a copy, to be freed by text_free; NULL as "" */
void text_free(const char *s);
const char *text_lower(const char *s);               /* a copy; ASCII letters only */
const char *text_clean(const char *s, uint32_t max); /* a copy that is short and harmless to show */

/* ---- what a command says to the store (out.c); texts are copied ---- */

void out_user(struct accounts_out *o, const struct user_row *row);
void out_session(struct accounts_out *o, const struct session_row *row);
void out_token(struct accounts_out *o, const struct token_row *row);
void out_link(struct accounts_out *o, const struct one_time_link_row *row);
void out_env(struct accounts_out *o, struct user_id user, const struct user_env_row *at, uint32_t n);
void out_delete(struct accounts_out *o, enum account_change_kind kind, uint64_t id);

/* ---- users (users.c) ---- */

struct user *user_by_id(const struct accounts *a, uint64_t id);          /* deleted ones, too; NULL none */
struct user *user_by_login(const struct accounts *a, const char *login); /* any case */
struct user *user_by_email(const struct accounts *a, const char *email);
/* One that is there. ERR_NOTFOUND: none, or deleted. */
MUST_USE enum err user_find(const struct accounts *a, struct user_id id, struct user **ret,
                            struct why *reterr);
/* One that is a person: ERR_DENIED for the operator. */
MUST_USE enum err person_find(const struct accounts *a, struct user_id id, struct user **ret,
                              struct why *reterr);
bool user_is_in(const struct user *u); /* neither locked nor deleted */
/* Make the row so, whatever it was: indexes and counters follow. The row's texts may be the user's own. */
void user_apply(struct accounts *a, struct user *u, const struct user_row *row);
struct user *user_put(struct accounts *a, const struct user_row *row); /* made when it is new */
/* The same as a command: refuses to take the last admin away. */
MUST_USE enum err user_change(struct accounts *a, struct user *u, const struct user_row *next,
                              struct accounts_out *out, struct why *reterr);
void user_weigh(struct accounts *a, struct user *u); /* bring the counters up to date */
void user_free(struct accounts *a, struct user *u);
MUST_USE enum err hash_text_check(const char *password, struct why *reterr); /* what argon2id made */

/* ---- what users hold: each kind is made and ended here. `out` NULL: at boot ---- */

bool session_is_over(const struct accounts *a, const struct session *s, struct wall now);
int64_t session_over_at(const struct accounts *a, const struct session *s);
struct session *session_put(struct accounts *a, const struct session_row *row); /* NULL: no such user */
void session_end(struct accounts *a, struct session *s, struct accounts_out *out);

bool token_is_over(const struct token *t, struct wall now);
struct token *token_put(struct accounts *a, const struct token_row *row);
void token_end(struct accounts *a, struct token *t, struct accounts_out *out);
void user_end_tokens(struct accounts *a, struct user *u, struct accounts_out *out);

struct once *once_put(struct accounts *a, const struct one_time_link_row *row);
void once_end(struct accounts *a, struct once *l, struct accounts_out *out);
/* With mailed_only: those that went to the address the user has (or had). */
void user_end_links(struct accounts *a, struct user *u, bool mailed_only, struct accounts_out *out);

void env_put(struct user *u, const struct user_env_row *at, uint32_t n);

/* Something is over then: accounts_expire() looks no later. */
static inline void over_no_later(struct accounts *a, int64_t ms)
{
    if (ms < a->over_at)
        a->over_at = ms;
}

/* Saturating: limits of time come from a file of settings. */
static inline int64_t ms_add(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

#endif
