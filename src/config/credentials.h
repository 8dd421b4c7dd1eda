/* credentials.h - what is in the credentials: a table of keys, and their values as secrets.
 *
 * The names of the predecessor's file are understood, so its text can be pasted as it is. Messages name keys and
 * lines, never a value. */
#ifndef WRATA_CONFIG_CREDENTIALS_H
#define WRATA_CONFIG_CREDENTIALS_H

#include "config/flat.h"
#include "config/secret.h"

/* clang-format off */
#define CREDENTIAL_MAP(X)                                                                                          \
    /* name           kind    secret old names                                      env               what */      \
    X(cloud_token,    TEXT,   true,  NULL, NULL,                                    "DO_ACCESS_TOKEN",             \
      "token of the cloud that makes machines")                                                                    \
    X(git_host,       TEXT,   false, NULL, NULL,                                    NULL,                          \
      "the host that git_user and git_token are for; default: github.com")                                         \
    X(git_user,       TEXT,   false, "github_user", NULL,                           NULL,                          \
      "user name for projects that are fetched by https")                                                          \
    X(git_token,      TEXT,   true,  "github_user_password", "github_password",     NULL,                          \
      "token or password that goes with git_user")                                                                 \
    X(github_token,   TEXT,   true,  NULL, NULL,                                    NULL,                          \
      "token that may set the status of commits; see hooks of type github")                                         \
    X(ssh_user,       TEXT,   false, NULL, NULL,                                    NULL,                          \
      "login name on machines of the cloud")                                                                       \
    X(ssh_key,        PEM,    true,  NULL, NULL,                                    NULL,                          \
      "private key for machines of the cloud, as ssh-keygen writes it")                                            \
    X(smtp_host,      TEXT,   false, "failure_notification_domain", NULL,           NULL,                          \
      "where mail is handed in")                                                                                   \
    X(smtp_port,      PORT,   false, NULL, NULL,                                    NULL,                          \
      "its port; default: 587")                                                                                    \
    X(smtp_user,      TEXT,   false, "failure_notification_username", NULL,         NULL,                          \
      "user name there, and the sender when smtp_from is missing")                                                 \
    X(smtp_password,  TEXT,   true,  "failure_notification_password", NULL,         NULL,                          \
      "its password")                                                                                              \
    X(smtp_from,      EMAILS, false, NULL, NULL,                                    NULL,                          \
      "sender of the mail")                                                                                        \
    X(admin_emails,   EMAILS, false, NULL, NULL,                                    NULL,                          \
      "list: who is told when something is wrong")

enum credential_id {
#define X(name, ...) CREDENTIAL_##name,
    CREDENTIAL_MAP(X)
#undef X
    N_CREDENTIALS
};
/* clang-format on */

enum credential_kind { CREDENTIAL_TEXT, CREDENTIAL_PEM, CREDENTIAL_PORT, CREDENTIAL_EMAILS };

struct credential_row {
    const char *name;
    enum credential_kind kind;
    bool is_secret;     /* never shown unless asked for by name */
    const char *was[2]; /* in the predecessor's file */
    const char *env;    /* used when the file has none */
    const char *help;
};
extern const struct credential_row credential_rows[N_CREDENTIALS];

struct credentials {
    struct secret *at[N_CREDENTIALS]; /* NULL: not set; a list has one item a line */
    int line[N_CREDENTIALS];          /* 0: from the environment */
};

#define CREDENTIALS_PROBLEMS_BYTES MIB(4)

/* Read the text of a credentials file. `problems` as config_load(); `warnings` are lines of the same form about
 * what is left aside: unknown names, old ones without a use. credentials_done() in any case. */
MUST_USE enum err credentials_parse(const char *file, struct slice text, struct credentials *ret,
                                    struct buf *problems, struct buf *warnings);
/* Those of a data folder, sealed; none at all when there is no file. Then the environment. */
MUST_USE enum err credentials_load(const char *data, struct credentials *ret, struct buf *problems,
                                   struct buf *warnings);
void credentials_done(struct credentials *c);

int credential_find(const char *name);            /* also by an old name; -1: none */
const char *credential_nearest(const char *name); /* NULL: none */

/* What a new file begins with. */
void credentials_template(struct buf *out);
/* The table of docs/security.md. */
void credentials_markdown(struct buf *out);

#endif
