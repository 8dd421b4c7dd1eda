/* account.h - users and what belongs to them, as the store keeps it, and the changes that accounts/ makes of it.
 *
 * Texts are as in rows.h: borrowed, NUL-ended UTF-8, never NULL. */
#ifndef WRATA_MODEL_ACCOUNT_H
#define WRATA_MODEL_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "model/ids.h"
#include "model/notice.h"

#define DIGEST_BYTES 32u
/* BLAKE2b-256 of a secret that somebody holds: of a session's cookie, an API token, a one-time link. */
struct digest {
    unsigned char at[DIGEST_BYTES];
};

/* User 1 is the operator: whoever is at the command line on the host. It has no password and cannot sign in. */
#define OPERATOR_ID 1u
#define OPERATOR_LOGIN "operator"

#define USER_ZONE_BYTES_MAX 64u
#define USER_ZONE_PRESET "UTC"

struct user_row {
    struct user_id id;
    const char *login; /* unique among those that are not deleted, whatever its case */
    const char *email; /* "" none */
    const char *first_name;
    const char *last_name;
    const char *position;
    const char *zone;     /* of times that are shown to the user, and of schedules that name none: "UTC" */
    const char *password; /* as argon2id wrote it, parameters included; "" none: cannot sign in by one */
    struct mail_choices mail;
    bool is_admin;
    struct wall created_at;
    struct wall verified_at;        /* 0: waits for an admin */
    struct wall email_confirmed_at; /* 0: not */
    struct wall locked_at;          /* 0: not */
    struct wall deleted_at;         /* 0: not; else only id, login and times are left */
    struct wall seen_at;            /* the last time it signed in; 0 never */
};

struct session_row {
    uint64_t id;
    struct user_id user;
    struct digest digest;
    struct wall created_at;
    struct wall seen_at; /* to the minute */
    const char *address; /* of the client, when it was seen last */
    const char *agent;   /* what the browser calls itself */
};

/* What a token may do: look; start, stop and whatever its user may daily; everything its user may. */
enum token_scope { SCOPE_READ, SCOPE_RUN, SCOPE_ADMIN, SCOPE_COUNT };
const char *token_scope_name(enum token_scope s);     /* "read" "run" "admin" */
enum token_scope token_scope_parse(const char *name); /* SCOPE_COUNT: none of that name */

struct token_row {
    uint64_t id;
    struct user_id user;
    const char *name;
    struct digest digest;
    enum token_scope scope;
    struct wall created_at;
    struct wall expires_at; /* 0 never */
    struct wall used_at;    /* to the minute; 0 never */
    const char *used_from;  /* "" never */
};

enum link_purpose { LINK_INVITE, LINK_RESET, LINK_CONFIRM, LINK_PURPOSE_COUNT };
const char *link_purpose_name(enum link_purpose p);     /* "invite" "reset" "confirm" */
enum link_purpose link_purpose_parse(const char *name); /* LINK_PURPOSE_COUNT: none of that name */

/* An address in the page that can be used once. */
struct one_time_link_row {
    uint64_t id;
    struct user_id user;
    enum link_purpose purpose;
    struct digest digest;
    const char *email; /* the one that it confirms; "" none */
    struct wall created_at;
    struct wall expires_at;
};

/* A line of a user's own environment, given to every run of the user. */
struct user_env_row {
    const char *name;  /* [A-Za-z_][A-Za-z0-9_]* */
    const char *value; /* of a secret: sealed (config/seal.h), as text */
    bool is_secret;
};

/* Who did what to what, from where. Written before it is done (status 0), completed after. */
struct audit_row {
    uint64_t id;
    struct wall at;
    struct user_id user;
    const char *login;   /* as it was then; of a failed sign-in: the one that was tried */
    const char *via;     /* via_name(), with the token's name: "token ci" */
    const char *address; /* of the client */
    const char *action;  /* "launch.start" */
    const char *object;  /* "launch 12", "user mira" */
    const char *detail;  /* what was asked, without secrets; or why it was refused */
    int status;          /* of the answer, as HTTP counts; 0: the server ended before it */
};

/* ---- one persistent mutation of them; the engine never sees these ---- */

enum account_change_kind {
    ACCOUNT_IDS,      /* boot only: the next id of each */
    ACCOUNT_USER_PUT, /* insert or replace the whole row */
    ACCOUNT_SESSION_PUT,
    ACCOUNT_SESSION_DELETE, /* id only */
    ACCOUNT_TOKEN_PUT,
    ACCOUNT_TOKEN_DELETE, /* id only */
    ACCOUNT_LINK_PUT,
    ACCOUNT_LINK_DELETE, /* id only */
    ACCOUNT_ENV,         /* all lines of a user */
    ACCOUNT_AUDIT_ADD,
    ACCOUNT_AUDIT_SET, /* id, status; object and detail unless NULL */
    ACCOUNT_CHANGE_KIND_COUNT
};

struct account_change {
    enum account_change_kind kind;
    union {
        struct {
            uint64_t user;
            uint64_t session;
            uint64_t token;
            uint64_t link;
            uint64_t audit;
        } ids;
        struct user_row user;
        struct session_row session;
        struct token_row token;
        struct one_time_link_row link;
        struct {
            struct user_id user;
            const struct user_env_row *at;
            uint32_t n;
        } env;
        struct audit_row audit;
    };
};

#endif
