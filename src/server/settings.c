/* settings.c - bringing settings into force: at the start, and again on SIGHUP.
 *
 * A file with a mistake changes nothing: the log says what is wrong, the server goes on with what it has. Of a good
 * one, what can be changed at once is; for the rest the log says that a restart is needed, and the running server
 * goes on showing and using the old value. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/server.h"

void settings_apply(const struct config *c)
{
    log_set_level((enum log_level)c->set.log_level);
    log_set_json(c->set.log_json);
}

void settings_of_launches(const struct config *c, struct api_launch_defaults *ret)
{
    *ret = (struct api_launch_defaults){.retries = c->set.retries,
                                        .time_limit_s = c->set.time_limit_s,
                                        .silence_limit_s = c->set.silence_limit_s,
                                        .lease_s = c->set.lease_s};
}

void settings_of_keep(const struct config *c, struct api_keep *ret)
{
    *ret = (struct api_keep){.file_bytes = (uint64_t)c->set.artifact_file_max_bytes,
                             .run_bytes = (uint64_t)c->set.artifact_run_max_bytes,
                             .files = (uint32_t)c->set.artifact_files_max};
}

#define HOUR_MS INT64_C(3600000)

static uint32_t lines_of(const char *text, char *copy, size_t size, const char **ret, uint32_t max)
{
    uint32_t n = 0;
    char *rest = copy;

    (void)snprintf(copy, size, "%s", text);
    for (char *line = strsep(&rest, "\n"); line != NULL && n < max; line = strsep(&rest, "\n"))
        if (line[0] != '\0')
            ret[n++] = line;
    return n;
}

void settings_of_accounts(struct server *s, struct api_account_settings *ret)
{
    const struct settings *set = &s->opts.config->set;
    const struct secret *emails = s->credentials.at[CREDENTIAL_admin_emails];

    *ret = (struct api_account_settings){.sign_up = set->sign_up == 0,
                                         .audit_days = set->audit_days,
                                         .rules = {.session_idle_ms = set->session_idle_h * HOUR_MS,
                                                   .session_max_ms = set->session_max_h * HOUR_MS,
                                                   .link_ms = set->link_h * HOUR_MS,
                                                   .admin_emails = s->admin_emails}};
    if (emails != NULL)
        ret->rules.n_admin_emails =
            lines_of(secret_reveal(emails), s->admin_emails_text, sizeof(s->admin_emails_text),
                     s->admin_emails, ARRAY_LEN(s->admin_emails));
}

enum err settings_of_git(struct projects *ps, const struct credentials *c, struct why *reterr)
{
    struct git_login login = {.host = GIT_HOST_DEFAULT, .user = GIT_USER_DEFAULT};

    if (c->at[CREDENTIAL_git_host] != NULL)
        login.host = secret_reveal(c->at[CREDENTIAL_git_host]);
    if (c->at[CREDENTIAL_git_user] != NULL)
        login.user = secret_reveal(c->at[CREDENTIAL_git_user]);
    if (c->at[CREDENTIAL_git_token] != NULL)
        login.token = secret_reveal(c->at[CREDENTIAL_git_token]);
    return projects_set_login(ps, &login, reterr);
}

static void log_problems(const char *event, const struct buf *problems);

/* Credentials with a mistake: at the start they are a reason not to start, later the old ones stay. */
enum err settings_credentials(struct server *s, struct why *reterr)
{
    struct credentials new;
    struct buf problems;
    struct buf warnings;
    enum err err;

    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    buf_init(&warnings, CREDENTIALS_PROBLEMS_BYTES);
    err = credentials_load(s->opts.data_dir, &new, &problems, &warnings);
    log_problems("credentials.odd", &warnings);
    if (err != ERR_OK)
        (void)why_set(reterr, ERR_INVALID, NULL, "the credentials cannot be used: %s", buf_str(&problems));
    else if (s->projects != NULL)
        err = settings_of_git(s->projects, &new, reterr);
    if (err == ERR_OK) {
        credentials_done(&s->credentials);
        s->credentials = new;
    } else {
        credentials_done(&new);
    }
    buf_done(&problems);
    buf_done(&warnings);
    return err == ERR_OK ? ERR_OK : ERR_INVALID;
}

/* A line of the log for each line of the problems. */
static void log_problems(const char *event, const struct buf *problems)
{
    const char *p = buf_str(problems);
    char line[600];
    char quoted[700];

    while (*p != '\0') {
        size_t n = strcspn(p, "\n");

        (void)snprintf(line, sizeof(line), "%.*s", (int)n, p);
        LOG_WARN(event, "why=%s", log_quote(quoted, sizeof(quoted), line));
        p += n + (p[n] == '\n');
    }
}

/* returns whether anything changed that is in force now */
static bool log_changes(const struct config *old, const struct config *new)
{
    bool any = false;

    for (int i = 0; i < N_SETTINGS; i++) {
        enum setting_id id = (enum setting_id)i;
        const struct setting_row *row = &setting_rows[i];
        char text[2][256];
        char quoted[2][300];

        if (config_is_equal(old, new, id))
            continue;
        (void)log_quote(quoted[0], sizeof(quoted[0]), config_text(old, id, text[0], sizeof(text[0])));
        (void)log_quote(quoted[1], sizeof(quoted[1]), config_text(new, id, text[1], sizeof(text[1])));
        if (row->reload == RELOAD_NOW)
            LOG_INFO("config.changed", "name=%s from=%s to=%s", row->name, quoted[0], quoted[1]);
        else
            LOG_WARN("config.needs_restart", "name=%s from=%s to=%s", row->name, quoted[0], quoted[1]);
        any = any || row->reload == RELOAD_NOW;
    }
    return any;
}

void settings_reload(struct server *s)
{
    struct config new;
    struct buf problems;
    struct api_launch_defaults launches;
    struct api_account_settings accounts;
    struct api_keep keep;
    struct why why;
    char quoted[300];

    if (settings_credentials(s, &why) != ERR_OK)
        LOG_WARN("credentials.wrong", "why=%s", log_quote(quoted, sizeof(quoted), why.text));
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    if (config_load(s->opts.sources, &new, &problems) != ERR_OK) {
        log_problems("config.wrong", &problems);
    } else {
        bool any = log_changes(s->opts.config, &new);

        config_take_reloadable(s->opts.config, &new);
        settings_apply(s->opts.config);
        settings_of_launches(s->opts.config, &launches);
        api_set_launch_defaults(s->api, &launches);
        settings_of_keep(s->opts.config, &keep);
        api_set_keep(s->api, &keep);
        api_set_hooks(s->api, s->opts.config->set.hooks);
        settings_of_accounts(s, &accounts);
        api_set_accounts(s->api, &accounts);
        LOG_INFO("config.reloaded", "changed=%s", any ? "yes" : "no");
    }
    config_done(&new);
    buf_done(&problems);
}
