/* doctor_outer.c - `wrata doctor`: who may come in, and whether the cloud takes the token. */
#include <string.h>

#include "cli/doctor_private.h"
#include "config/credentials.h"

#define CLOUD_MS 10000 /* a question that takes longer is as good as not answered */
#define CLOUD_REPLY_BYTES KIB(256)
#define CLOUD_ACCOUNT "/v2/account"

/* As load_credentials(). */
static bool load_config(struct doctor *d, struct config *ret)
{
    struct config_sources sources = {.data = d->cli->data};
    struct buf problems;
    bool ok;

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    ok = config_load(&sources, ret, &problems) == ERR_OK;
    if (!ok)
        doctor_mend(doctor_find(d, "settings", LEVEL_WRONG, "%.*s", (int)strcspn(buf_str(&problems), "\n"),
                                buf_str(&problems)),
                    "wrata config check --data '%s'", d->cli->data);
    buf_done(&problems);
    return ok;
}

/* ---- accounts ---- */

static void say_accounts(struct doctor *d, bool is_on, bool has_admin)
{
    if (!is_on)
        doctor_mend(
            doctor_find(d, "accounts", LEVEL_WARN,
                        "accounts: off: whoever reaches the server is its operator and may do everything"),
            "remove `accounts: off` (or WRATA_ACCOUNTS), then start the server again");
    else if (!has_admin)
        doctor_mend(
            doctor_find(
                d, "accounts", LEVEL_WARN,
                "no admin can sign in: nobody can let others in, add machines or projects on the page"),
            "wrata user add LOGIN --admin --data '%s'", d->cli->data);
    else
        (void)doctor_find(d, "accounts", LEVEL_OK, "an admin can sign in");
}

/* A server that runs knows best: flags, and admins by their address. */
static bool ask_server(struct doctor *d)
{
    struct why why = {0};
    json_t *doc = NULL;
    bool ok = ask(d->cli, "GET", API "/me", NULL, &doc, &why) == ERR_OK;

    if (ok)
        say_accounts(d, json_is_true(json_object_get(doc, "accounts")),
                     !json_is_true(json_object_get(doc, "needs_admin")));
    json_decref(doc);
    return ok;
}

static void check_accounts(struct doctor *d, const struct config *config, const struct credentials *c)
{
    if (d->is_served && ask_server(d))
        return;
    if (!d->has_looked || config == NULL)
        return; /* of a folder without a database nothing is known yet; of wrong settings that was said */
    /* Whether one of those addresses is confirmed only a server says. */
    say_accounts(d, config->set.accounts == 0,
                 d->has_admin || (c != NULL && c->at[CREDENTIAL_admin_emails] != NULL));
}

/* ---- the cloud ---- */

struct cloud {
    const char *url;
    int status; /* 0: no answer */
    enum err err;
    char text[240];         /* of the error */
    char account[40];       /* "active" */
    int64_t limit;          /* machines; 0: not said */
    uint64_t retry_after_s; /* 0: not said */
};

static void read_account(struct slice body, struct cloud *c)
{
    json_t *doc = json_loadb(body.ptr, body.len, 0, NULL);
    const json_t *account = json_object_get(doc, "account");

    (void)snprintf(c->account, sizeof(c->account), "%s", js_text(account, "status"));
    c->limit = json_integer_value(json_object_get(account, "droplet_limit"));
    json_decref(doc);
}

/* Ask for the account, once. The client follows no redirect. */
static void ask_cloud(struct client *client, const char *token, struct cloud *c)
{
    struct client_auth auth = {.bearer = token};
    struct client_request rq = {
        .path = CLOUD_ACCOUNT, .deadline_ms = CLOUD_MS, .reply_max_bytes = CLOUD_REPLY_BYTES};
    struct client_reply reply = {0};
    struct why why = {0};

    c->err = client_authorize(client, &auth, &why);
    if (c->err == ERR_OK) {
        c->err = client_call(client, &rq, &reply, &why);
        c->status = reply.status;
        if (c->err == ERR_OK)
            read_account(buf_slice(&reply.body), c);
        c->retry_after_s = client_reply_number(&reply, "retry-after", 0);
        client_reply_done(&reply);
    }
    (void)snprintf(c->text, sizeof(c->text), "%s", why.text);
}

static void say_cloud(struct doctor *d, const struct cloud *c)
{
    const char *data = d->cli->data;

    if (c->status == 0)
        doctor_mend(doctor_find(d, "cloud", LEVEL_WARN, "%s did not answer: %s", c->url,
                                c->err == ERR_TIMEOUT ? "it took longer than 10 s" : c->text),
                    "curl -sS -m 10 -o /dev/null -w '%%{http_code}\\n' '%s" CLOUD_ACCOUNT "'", c->url);
    else if (c->status == 401)
        doctor_mend(
            doctor_find(d, "cloud", LEVEL_WRONG,
                        "%s does not know cloud_token (401): it was revoked, has expired, or is incomplete",
                        c->url),
            "wrata credentials set cloud_token --data '%s'", data);
    else if (c->status == 403)
        doctor_mend(
            doctor_find(d, "cloud", LEVEL_WARN,
                        "%s knows cloud_token, but it may not read the account (403): its scopes are too "
                        "few; it needs account:read, and may lack others",
                        c->url),
            "wrata credentials set cloud_token --data '%s'", data);
    else if (c->status == 429)
        doctor_mend(
            doctor_find(d, "cloud", LEVEL_WARN,
                        "%s has had too many requests of this account (429): somebody else uses it, too",
                        c->url),
            "sleep %llu; wrata doctor --data '%s'",
            (unsigned long long)(c->retry_after_s > 0 && c->retry_after_s < 7200 ? c->retry_after_s : 60),
            data);
    else if (c->status >= 500)
        doctor_mend(doctor_find(d, "cloud", LEVEL_WARN, "%s has a fault of its own (%d)", c->url, c->status),
                    "sleep 60; wrata doctor --data '%s'", data);
    else if (c->status != 200 || c->account[0] == '\0')
        doctor_mend(
            doctor_find(d, "cloud", LEVEL_WRONG, "%s is not the API of a cloud (%d)", c->url, c->status),
            "wrata config show --data '%s' | grep cloud_url", data);
    else if (strcmp(c->account, "active") != 0)
        (void)doctor_find(d, "cloud", LEVEL_WARN,
                          "%s takes the token, but the account is '%s': it may make no machines", c->url,
                          c->account);
    else
        (void)doctor_find(d, "cloud", LEVEL_OK, "%s takes the token; at most %lld machines", c->url,
                          (long long)c->limit);
}

static void check_token(struct doctor *d, const char *url, const char *token)
{
    struct cloud c = {.url = url};
    struct client *client = NULL;
    struct why why = {0};

    if (client_new(url, &client, &why) != ERR_OK) {
        doctor_mend(doctor_find(d, "cloud", LEVEL_WRONG,
                                "cloud_url: '%s' is not a URL like https://api.example.org", url),
                    "wrata config show --data '%s' | grep cloud_url", d->cli->data);
    } else if (!client_is_secret(client)) {
        doctor_mend(
            doctor_find(
                d, "cloud", LEVEL_WRONG,
                "cloud_url: '%s' is plain HTTP: the token would be read on the way, so it was not sent", url),
            "wrata config show --data '%s' | grep cloud_url", d->cli->data);
    } else {
        ask_cloud(client, token, &c);
        say_cloud(d, &c);
    }
    client_free(client);
}

static void check_cloud(struct doctor *d, const struct config *config, const struct credentials *c)
{
    if (c->at[CREDENTIAL_cloud_token] == NULL)
        (void)doctor_find(d, "cloud", LEVEL_OK, "no cloud_token: no machines of a cloud");
    else if (config != NULL)
        check_token(d, config->set.cloud_url, secret_reveal(c->at[CREDENTIAL_cloud_token]));
}

/* As the next start of a server would have them. false: they are wrong; that was said. */
static bool load_credentials(struct doctor *d, struct credentials *ret)
{
    struct buf problems;
    struct buf warnings;
    bool ok;

    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    buf_init(&warnings, CREDENTIALS_PROBLEMS_BYTES);
    ok = credentials_load(d->cli->data, ret, &problems, &warnings) == ERR_OK;
    if (!ok)
        doctor_mend(doctor_find(d, "credentials", LEVEL_WRONG, "%.*s", (int)strcspn(buf_str(&problems), "\n"),
                                buf_str(&problems)),
                    "wrata credentials show --data '%s'", d->cli->data);
    buf_done(&problems);
    buf_done(&warnings);
    return ok;
}

void doctor_check_outer(struct doctor *d)
{
    struct credentials credentials = {0};
    struct config config = {0};
    bool has_config;
    bool has_credentials;

    if (!d->has_data) {
        if (d->is_served)
            (void)ask_server(d);
        return;
    }
    has_config = load_config(d, &config);
    has_credentials = load_credentials(d, &credentials);
    check_accounts(d, has_config ? &config : NULL, has_credentials ? &credentials : NULL);
    if (has_credentials)
        check_cloud(d, has_config ? &config : NULL, &credentials);
    config_done(&config);
    credentials_done(&credentials);
}
