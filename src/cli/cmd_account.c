/* cmd_account.c - `wrata account`, `wrata password` and `wrata sessions`: what belongs to the account itself. */
#include <stdio.h>
#include <string.h>

#include "cli/caller.h"
#include "cli/prompt.h"
#include "cli/verbs.h"
#include "config/secret.h"
#include "net/client.h"
#include "wire/json_out.h"

/* ---- account ---- */

static void put_given(struct json_out *j, const char *key, const char *value, int *n)
{
    if (value == NULL)
        return;
    jo_ktext(j, key, value);
    ++*n;
}

static void put_yes(struct json_out *j, const char *key, const char *value, int *n)
{
    if (value == NULL)
        return;
    jo_kbool(j, key, strcmp(value, "yes") == 0);
    ++*n;
}

static int account_show(struct cli *cli)
{
    struct why why = {0};
    json_t *me = NULL;
    const json_t *u;

    if (cli->o.json)
        return ask_raw(cli, API "/me");
    if (caller_me(cli, &me, &why) != ERR_OK)
        return cli_fail_why(&why);
    u = js_obj(me, "user");
    if (!json_is_object(u)) {
        json_decref(me);
        return cli_fail(EXIT_USAGE, "nobody is signed in at %s; sign in with `wrata login`",
                        client_url(cli->client));
    }
    user_show_lines(u);
    json_decref(me);
    return EXIT_PASSED;
}

static int account_edit(struct cli *cli)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    struct json_out j;
    struct buf body;
    int n = 0;
    int rc;

    buf_init(&body, KIB(64));
    jo_begin(&j, &body);
    jo_obj(&j);
    put_given(&j, "zone", o->zone, &n);
    put_given(&j, "mail_launches", o->mail_launches, &n);
    put_given(&j, "mail_schedule_launches", o->mail_schedule_launches, &n);
    put_yes(&j, "mail_schedule_failed", o->mail_schedule_failed, &n);
    put_yes(&j, "mail_schedule_missed", o->mail_schedule_missed, &n);
    put_yes(&j, "mail_schedule_disabled", o->mail_schedule_disabled, &n);
    if (o->mail_launch_min_ms >= 0) {
        jo_kint(&j, "mail_launch_min_s", (o->mail_launch_min_ms + 999) / 1000);
        n++;
    }
    jo_obj_end(&j);
    if (n == 0)
        rc = cli_fail(EXIT_USAGE, "nothing is to be changed; `wrata help account` lists what can be");
    else if (caller_account(cli, NULL, &why) != ERR_OK)
        rc = cli_fail_why(&why);
    else
        rc = send_change(cli, "POST", API "/me", buf_str(&body), "is changed", "your account");
    buf_done(&body);
    return rc;
}

int cmd_account(struct cli *cli)
{
    static const struct verb verbs[] = {
        {"show", 0, 0, account_show}, {"edit", 0, 0, account_edit}, {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}

/* ---- password ---- */

/* Twice at a terminal, since nobody sees what is typed. */
static enum err read_new(struct cli *cli, struct buf *out, struct why *reterr)
{
    struct buf again;
    enum err err = prompt_password(cli, "New password", out, reterr);

    if (err != ERR_OK || cli->o.password_stdin)
        return err;
    buf_init(&again, PROMPT_BYTES_MAX);
    err = prompt_password(cli, "New password again", &again, reterr);
    if (err == ERR_OK && !slice_eq(buf_slice(out), buf_slice(&again)))
        err = why_set(reterr, ERR_INVALID, "password",
                      "password: the two are not the same; nothing was changed");
    buf_wipe(&again);
    return err;
}

static enum err post_password(struct cli *cli, const struct buf *current, const struct buf *next,
                              struct why *reterr)
{
    struct json_out j;
    struct buf body;
    enum err err;

    buf_init(&body, KIB(64));
    jo_begin(&j, &body);
    jo_obj(&j);
    jo_ktext(&j, "current", buf_str(current));
    jo_ktext(&j, "password", buf_str(next));
    jo_obj_end(&j);
    err = ask(cli, "POST", API "/me/password", buf_str(&body), NULL, reterr);
    buf_wipe(&body);
    return err;
}

int cmd_password(struct cli *cli)
{
    struct why why = {0};
    struct buf current;
    struct buf next;
    enum err err;

    buf_init(&current, PROMPT_BYTES_MAX);
    buf_init(&next, PROMPT_BYTES_MAX);
    err = caller_account(cli, &current, &why);
    if (err == ERR_OK && !cli->in_session)
        err = why_set(
            &why, ERR_INVALID, NULL,
            "there is no account here whose password could change; another one's: wrata user reset LOGIN");
    if (err == ERR_OK)
        err = read_new(cli, &next, &why);
    if (err == ERR_OK)
        err = post_password(cli, &current, &next, &why);
    buf_wipe(&current);
    buf_wipe(&next);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        (void)puts("{}");
    else
        (void)puts("the password is changed; other sessions have ended, tokens stay");
    return EXIT_PASSED;
}

/* ---- sessions ---- */

static void session_row(struct table *t, const json_t *s)
{
    table_cellf(t, "%lld", (long long)js_int(s, "id"));
    list_time(t, s, "created_at", "");
    list_time(t, s, "seen_at", "");
    table_cell(t, js_text(s, "address"));
    table_cell(t, js_text(s, "agent"));
}

static int sessions_list(struct cli *cli)
{
    static const char *const heads[] = {"SESSION", "SINCE", "LAST SEEN", "FROM", "BY"};
    const struct list_view view = {.path = API "/sessions",
                                   .heads = heads,
                                   .n_heads = ARRAY_LEN(heads),
                                   .row = session_row,
                                   .empty =
                                       "No sessions: nobody is signed in to this account with a browser.",
                                   .is_array = true};

    return list_show(cli, &view);
}

static int sessions_end(struct cli *cli)
{
    struct why why = {0};
    char path[64];
    char name[64];
    int64_t id = 0;

    if (parse_id("session", cli->args[1], &id, &why) != ERR_OK || caller_account(cli, NULL, &why) != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, sizeof(path), API "/sessions/%lld", (long long)id);
    (void)snprintf(name, sizeof(name), "session %lld", (long long)id);
    return send_change(cli, "DELETE", path, NULL, "is ended", name);
}

static int sessions_end_others(struct cli *cli)
{
    struct why why = {0};
    json_t *answer = NULL;
    int64_t n;

    if (caller_account(cli, NULL, &why) != ERR_OK ||
        ask(cli, "DELETE", API "/sessions", NULL, &answer, &why) != ERR_OK)
        return cli_fail_why(&why);
    n = js_int(answer, "ended");
    if (cli->o.json)
        print_json(answer);
    else
        say_out("%lld session%s ended; tokens stay", (long long)n, n == 1 ? " is" : "s are");
    json_decref(answer);
    return EXIT_PASSED;
}

int cmd_sessions(struct cli *cli)
{
    static const struct verb verbs[] = {{"list", 0, 0, sessions_list},
                                        {"end", 1, 1, sessions_end},
                                        {"end-others", 0, 0, sessions_end_others},
                                        {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}
