#include "cli/caller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli_private.h"
#include "cli/prompt.h"
#include "cli/token_file.h"
#include "config/secret.h"
#include "wire/json_out.h"

#define TOKEN_ENV "WRATA_TOKEN"
#define URL_ENV "WRATA_URL"
#define INSECURE_ENV "WRATA_INSECURE"

static struct secret *env_token;

void caller_init(void)
{
    const char *token = getenv(TOKEN_ENV);

    if (token == NULL)
        return;
    if (token[0] != '\0')
        env_token = secret_new(token, strlen(token));
    (void)unsetenv(TOKEN_ENV);
}

void caller_done(void)
{
    secret_free(env_token);
    env_token = NULL;
}

bool caller_has_env_token(void)
{
    return env_token != NULL;
}

/* ---- which token ---- */

/* A token in the environment belongs to the server that the environment names; it names none: to any. */
static bool env_token_fits(const struct client *c)
{
    const char *url = getenv(URL_ENV);
    struct why ignored;
    struct buf a;
    struct buf b;
    bool fits = false;

    if (env_token == NULL || url == NULL || url[0] == '\0')
        return env_token != NULL;
    buf_init(&a, KIB(64));
    buf_init(&b, KIB(64));
    if (client_url_normal(url, &a, &ignored) == ERR_OK &&
        client_url_normal(client_url(c), &b, &ignored) == ERR_OK)
        fits = slice_eq(buf_slice(&a), buf_slice(&b)) != 0;
    buf_done(&a);
    buf_done(&b);
    return fits;
}

static enum err check_way(const struct client *c, const char *what, struct why *reterr)
{
    const char *insecure = getenv(INSECURE_ENV);

    if (client_is_secret(c) || (insecure != NULL && strcmp(insecure, "1") == 0))
        return ERR_OK;
    return why_set(reterr, ERR_INVALID, "url",
                   "%s is plain http to another computer: everybody on the way could read the %s; use https, "
                   "or set " INSECURE_ENV "=1 if the way is safe",
                   client_url(c), what);
}

static enum err authorize_by(struct client *c, const char *token, const char *hint, struct why *reterr)
{
    struct client_auth auth = {.bearer = token, .hint = hint};
    enum err err = token[0] != '\0' ? check_way(c, "token", reterr) : ERR_OK;

    return err == ERR_OK ? client_authorize(c, &auth, reterr) : err;
}

enum err caller_authorize(struct client *c, const char *host_token, struct why *reterr)
{
    struct saved_token saved = {0};
    struct why why = {0};
    char hint[400];
    enum err err;

    if (env_token_fits(c))
        return authorize_by(c, secret_reveal(env_token), "the token in " TOKEN_ENV " is not valid there",
                            reterr);
    if (host_token != NULL)
        (void)snprintf(hint, sizeof(hint), "sign in with `wrata login`, or be the user that runs the server");
    else
        (void)snprintf(hint, sizeof(hint), "sign in with `wrata login --url %.300s`", client_url(c));
    err = token_file_get(client_url(c), &saved, &why);
    if (err == ERR_OK)
        err = authorize_by(c, saved.token, hint, reterr);
    else if (err == ERR_NOTFOUND)
        err = authorize_by(c, host_token != NULL ? host_token : "", hint, reterr);
    else if (reterr != NULL)
        *reterr = why;
    saved_token_done(&saved);
    return err;
}

/* ---- sessions ---- */

enum err caller_me(struct cli *cli, json_t **ret, struct why *reterr)
{
    return ask(cli, "GET", API "/me", NULL, ret, reterr);
}

static enum err post_session(struct cli *cli, const char *login, const char *password, struct buf *cookie,
                             json_t **ret_me, struct why *reterr)
{
    struct client_request rq = {.method = "POST", .path = API "/session"};
    struct client_reply reply;
    struct json_out j;
    struct buf body;
    enum err err;

    buf_init(&body, KIB(64));
    jo_begin(&j, &body);
    jo_obj(&j);
    jo_ktext(&j, "login", login);
    jo_ktext(&j, "password", password);
    jo_obj_end(&j);
    rq.body = buf_str(&body);
    rq.body_len = body.len;
    err = client_call(cli->client, &rq, &reply, reterr);
    buf_wipe(&body);
    if (err == ERR_OK) {
        *ret_me = json_loadb(buf_str(&reply.body), reply.body.len, 0, NULL);
        if (*ret_me == NULL || !client_reply_cookie(&reply, cookie))
            err = why_set(reterr, ERR_PROTO, NULL, "%s opened no session", client_url(cli->client));
    }
    buf_wipe(&reply.headers);
    client_reply_done(&reply);
    return err;
}

enum err caller_session_begin(struct cli *cli, const char *login, const char *password, json_t **ret_me,
                              struct why *reterr)
{
    struct client_auth auth = {0};
    json_t *me = NULL;
    struct buf cookie;
    enum err err = check_way(cli->client, "password", reterr);

    buf_init(&cookie, CLIENT_SECRET_BYTES_MAX);
    if (err == ERR_OK)
        err = client_authorize(cli->client, &auth, reterr);
    if (err == ERR_OK)
        err = post_session(cli, login, password, &cookie, &me, reterr);
    if (err == ERR_OK) {
        auth.cookie = buf_str(&cookie);
        auth.csrf = js_text(me, "csrf");
        err = client_authorize(cli->client, &auth, reterr);
        cli->in_session = err == ERR_OK;
    }
    buf_wipe(&cookie);
    if (ret_me != NULL && err == ERR_OK)
        *ret_me = me;
    else
        json_decref(me);
    return err;
}

enum err caller_account(struct cli *cli, struct buf *keep_password, struct why *reterr)
{
    json_t *me = NULL;
    struct buf password;
    struct buf what;
    const char *login;
    enum err err = caller_me(cli, &me, reterr);

    if (err != ERR_OK)
        return err;
    login = js_text(js_obj(me, "user"), "login");
    buf_init(&password, PROMPT_BYTES_MAX);
    buf_init(&what, KIB(64));
    if (strcmp(js_text(me, "via"), "token") == 0) {
        buf_printf(&what, "Password of %.200s", login);
        err = prompt_password(cli, buf_str(&what), &password, reterr);
        if (err == ERR_OK)
            err = caller_session_begin(cli, login, buf_str(&password), NULL, reterr);
        if (err == ERR_OK && keep_password != NULL)
            buf_put(keep_password, password.data, password.len);
    }
    buf_wipe(&password);
    buf_done(&what);
    json_decref(me);
    return err;
}

void caller_session_end(struct cli *cli)
{
    struct why why;

    if (!cli->in_session)
        return;
    cli->in_session = false;
    /* a session that stays behind ends by itself; the command has done what it should */
    if (ask(cli, "DELETE", API "/session", NULL, NULL, &why) != ERR_OK && why.code != ERR_SIGN_IN)
        cli_note("the session could not be ended: %s", why.text);
}
