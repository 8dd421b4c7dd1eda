/* secrets.c - the credentials in the data folder: read at the start and on SIGHUP, handed to whoever needs them.
 *
 * As with the settings: a mistake in them keeps the server from starting, and changes nothing while it runs. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/server.h"

static void log_lines(const char *event, const struct buf *lines)
{
    const char *p = buf_str(lines);
    char line[600];
    char quoted[700];

    while (*p != '\0') {
        size_t n = strcspn(p, "\n");

        (void)snprintf(line, sizeof(line), "%.*s", (int)n, p);
        LOG_WARN(event, "why=%s", log_quote(quoted, sizeof(quoted), line));
        p += n + (p[n] == '\n');
    }
}

const char *secrets_text(const struct server *s, enum credential_id id)
{
    return s->credentials.at[id] != NULL ? secret_reveal(s->credentials.at[id]) : NULL;
}

static enum err give_git(struct server *s, const struct credentials *c, struct why *reterr)
{
    struct git_login login = {.host = GIT_HOST_DEFAULT, .user = "x-access-token"};

    if (c->at[CREDENTIAL_git_host] != NULL)
        login.host = secret_reveal(c->at[CREDENTIAL_git_host]);
    if (c->at[CREDENTIAL_git_user] != NULL)
        login.user = secret_reveal(c->at[CREDENTIAL_git_user]);
    if (c->at[CREDENTIAL_git_token] != NULL)
        login.token = secret_reveal(c->at[CREDENTIAL_git_token]);
    return projects_set_login(s->projects, &login, reterr);
}

enum err secrets_load(struct server *s, struct why *reterr)
{
    struct credentials new;
    struct buf problems;
    struct buf warnings;
    enum err err;

    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    buf_init(&warnings, CREDENTIALS_PROBLEMS_BYTES);
    err = credentials_load(s->opts.data_dir, &new, &problems, &warnings);
    log_lines("credentials.left_aside", &warnings);
    if (err != ERR_OK)
        (void)why_set(reterr, err, "credentials", "the credentials are wrong: %.*s",
                      (int)strcspn(buf_str(&problems), "\n"), buf_str(&problems));
    else
        err = give_git(s, &new, reterr);
    if (err == ERR_OK) {
        credentials_done(&s->credentials);
        s->credentials = new;
    } else {
        log_lines("credentials.wrong", &problems);
        credentials_done(&new);
    }
    buf_done(&problems);
    buf_done(&warnings);
    return err;
}

void secrets_reload(struct server *s)
{
    struct why why = {0};
    char quoted[300];

    if (secrets_load(s, &why) == ERR_OK)
        LOG_INFO("credentials.reloaded", "git_token=%s",
                 secrets_text(s, CREDENTIAL_git_token) != NULL ? "yes" : "no");
    else
        LOG_WARN("credentials.kept", "why=%s", log_quote(quoted, sizeof(quoted), why.text));
}
