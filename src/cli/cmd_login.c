/* cmd_login.c - `wrata login`, `wrata logout`, `wrata whoami`.
 *
 * Signing in takes the password once and keeps a token: the token has a scope, an end and a name, and can be taken away
 * from the page without a change of the password. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/caller.h"
#include "cli/discover.h"
#include "cli/prompt.h"
#include "cli/token_file.h"
#include "cli/verbs.h"
#include "config/secret.h"
#include "wire/json_out.h"

#define NAMES_MAX 20 /* tokens of this name before we give up: an account has at most a hundred */

/* ---- login ---- */

static enum err read_login(struct cli *cli, struct buf *out, struct why *reterr)
{
    if (cli->o.login != NULL) {
        if (buf_add(out, cli->o.login, strlen(cli->o.login)) != ERR_OK)
            return why_set(reterr, ERR_INVALID, "login", "--login: it has more than %zu bytes", out->max);
        return ERR_OK;
    }
    if (cli->o.password_stdin)
        return why_set(reterr, ERR_INVALID, "login", "--login is needed with --password-stdin");
    return prompt_line("Login", out, reterr);
}

/* "HOST command line", "HOST command line 2": what the page shows. */
static void token_name(char *out, size_t size, int n)
{
    char host[HOST_NAME_MAX + 1] = "";

    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(out, size, "%.40s command line", host[0] != '\0' ? host : "unknown host");
    if (n > 1)
        (void)snprintf(out + strlen(out), size - strlen(out), " %d", n);
}

static enum err post_token(struct cli *cli, json_t **ret, struct why *reterr)
{
    char name[128];
    struct json_out j;
    struct buf body;
    enum err err = ERR_CONFLICT;

    for (int n = 1; err == ERR_CONFLICT && n <= NAMES_MAX; n++) {
        token_name(name, sizeof(name), n);
        buf_init(&body, KIB(4));
        jo_begin(&j, &body);
        jo_obj(&j);
        jo_ktext(&j, "name", name);
        jo_ktext(&j, "scope", cli->o.scope);
        jo_kint(&j, "expires_days", cli->o.days);
        jo_obj_end(&j);
        err = ask(cli, "POST", API "/tokens", buf_str(&body), ret, reterr);
        buf_done(&body);
    }
    return err;
}

static enum err delete_token(struct cli *cli, int64_t id, struct why *reterr)
{
    char path[64];

    (void)snprintf(path, sizeof(path), API "/tokens/%lld", (long long)id);
    return ask(cli, "DELETE", path, NULL, NULL, reterr);
}

/* The one that is to be replaced has no use any more. That it was of another account, or is gone, is no news. */
static void revoke_old(struct cli *cli)
{
    struct saved_token old = {0};
    struct why why;

    if (token_file_get(client_url(cli->client), &old, &why) == ERR_OK && old.id > 0 &&
        delete_token(cli, old.id, &why) != ERR_OK && why.code != ERR_NOTFOUND)
        cli_note("the token that was kept before is still valid on the server: %s", why.text);
    saved_token_done(&old);
}

static enum err keep_token(struct cli *cli, const char *login, const json_t *answer, struct why *reterr)
{
    struct saved_token t = {
        .token = (char *)js_text(answer, "token"), .login = (char *)login, .id = js_int(answer, "id")};
    struct why why;
    enum err err;

    if (t.token[0] == '\0')
        return why_set(reterr, ERR_PROTO, NULL, "%s made a token and did not say it",
                       client_url(cli->client));
    err = token_file_put(client_url(cli->client), &t, reterr);
    if (err != ERR_OK && delete_token(cli, t.id, &why) != ERR_OK) /* nobody knows it now */
        cli_note("the token that was made is still valid on the server: %s", why.text);
    return err;
}

static void say_signed_in(const struct cli *cli, const json_t *me, const json_t *answer)
{
    const char *until = js_text(answer, "expires_at");

    if (cli->o.json) {
        json_t *doc = json_object();

        (void)json_object_set_new(doc, "url", json_string(client_url(cli->client)));
        (void)json_object_set(doc, "user", json_object_get(me, "user"));
        (void)json_object_set_new(doc, "role", json_string(js_text(me, "role")));
        (void)json_object_set_new(doc, "scope", json_string(js_text(answer, "scope")));
        (void)json_object_set(doc, "expires_at", json_object_get(answer, "expires_at"));
        print_json(doc);
        json_decref(doc);
        return;
    }
    say_out("%s is signed in at %s: scope %s, %s%.10s", js_text(js_obj(me, "user"), "login"),
            client_url(cli->client), js_text(answer, "scope"), until[0] != '\0' ? "until " : "without an end",
            until);
    if (strcmp(js_text(me, "role"), "unverified") == 0)
        cli_note("the account waits to be verified by an admin; until then it can only look at itself");
    if (caller_has_env_token())
        cli_note("WRATA_TOKEN is set and goes before the token that is kept now");
}

int cmd_login(struct cli *cli)
{
    struct why why = {0};
    struct buf login;
    struct buf password;
    json_t *me = NULL;
    json_t *answer = NULL;
    char what[256];
    enum err err;

    buf_init(&login, 256);
    buf_init(&password, PROMPT_BYTES_MAX);
    err = read_login(cli, &login, &why);
    (void)snprintf(what, sizeof(what), "Password of %s", buf_str(&login));
    if (err == ERR_OK)
        err = prompt_password(cli, what, &password, &why);
    if (err == ERR_OK)
        err = caller_session_begin(cli, buf_str(&login), buf_str(&password), &me, &why);
    buf_wipe(&password);
    if (err == ERR_OK) {
        revoke_old(cli);
        err = post_token(cli, &answer, &why);
    }
    if (err == ERR_OK)
        err = keep_token(cli, js_text(js_obj(me, "user"), "login"), answer, &why);
    if (err == ERR_OK)
        say_signed_in(cli, me, answer);
    json_decref(me);
    json_decref(answer);
    buf_done(&login);
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}

/* ---- logout ---- */

/* Have the server forget the token that asks. What stands in the way is said: it goes from here in any case. */
static void revoke_kept(struct cli *cli)
{
    struct client_request rq = {.method = "DELETE", .path = "/api/v1/session"};
    struct client_reply reply = {0};
    struct why why = {0};
    enum err err = client_call(cli->client, &rq, &reply, &why);

    client_reply_done(&reply);
    if (err != ERR_OK && err != ERR_SIGN_IN && err != ERR_NOTFOUND) /* those: it is none any more */
        cli_note("the token is still valid on the server, until it ends or is removed there: %s", why.text);
}

int cmd_logout(struct cli *cli)
{
    struct saved_token t = {0};
    struct why why = {0};
    struct why unreached = {0};
    const char *url = cli->o.url;
    enum err err = discovery_find(cli->discovery, &cli->client, &unreached);

    if (err == ERR_OK)
        url = client_url(cli->client);
    if (url == NULL)
        return cli_fail_why(&unreached);
    err = token_file_get(url, &t, &why);
    if (err == ERR_NOTFOUND) {
        saved_token_done(&t);
        say_out("nobody is signed in at %s", url);
        return EXIT_PASSED;
    }
    if (err == ERR_OK && cli->client == NULL)
        cli_note("the token is still valid on the server, until it ends or is removed there: %s",
                 unreached.text);
    else if (err == ERR_OK && caller_has_env_token())
        /* the server would be asked by another token than the one that goes */
        cli_note("the token is still valid on the server, since WRATA_TOKEN is set");
    else if (err == ERR_OK)
        revoke_kept(cli);
    if (err == ERR_OK)
        err = token_file_forget(url, &why);
    if (err == ERR_OK)
        say_out("%s is signed out at %s", t.login[0] != '\0' ? t.login : "the token", url);
    saved_token_done(&t);
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}

/* ---- whoami ---- */

int cmd_whoami(struct cli *cli)
{
    struct why why = {0};
    json_t *me = NULL;
    const char *via;
    const char *role;

    if (cli->o.json)
        return ask_raw(cli, API "/me");
    if (caller_me(cli, &me, &why) != ERR_OK)
        return cli_fail_why(&why);
    via = js_text(me, "via");
    role = js_text(me, "role");
    if (strcmp(via, "nothing") == 0)
        say_out("nobody is signed in at %s; sign in with `wrata login`", client_url(cli->client));
    else if (strcmp(via, "open") == 0)
        say_out("%s: accounts are off at %s, so everybody is", js_text(js_obj(me, "user"), "login"),
                client_url(cli->client));
    else if (strcmp(via, "host") == 0)
        say_out("%s: at the command line of the server's own host, %s", js_text(js_obj(me, "user"), "login"),
                client_url(cli->client));
    else
        say_out("%s: %s at %s, by a %s of scope %s", js_text(js_obj(me, "user"), "login"), role,
                client_url(cli->client), via, js_text(me, "scope"));
    if (js_int(me, "pending") > 0)
        say_out("%lld account%s to be verified: wrata user list", (long long)js_int(me, "pending"),
                js_int(me, "pending") == 1 ? " waits" : "s wait");
    json_decref(me);
    return EXIT_PASSED;
}
