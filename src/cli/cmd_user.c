/* cmd_user.c - `wrata user`: other people's accounts, for admins, and for whoever is at the host. */
#include <stdio.h>
#include <string.h>

#include "cli/caller.h"
#include "cli/prompt.h"
#include "cli/verbs.h"
#include "config/secret.h"
#include "wire/json_out.h"

#define PAGE_PATH API "/users?limit=500"

/* ---- which ---- */

/* The path of the user that the command names: "/api/v1/users/7SUFFIX". */
static enum err path_of(struct cli *cli, const char *suffix, char *out, size_t size, struct why *reterr)
{
    int64_t id = 0;
    enum err err = ask_user_id(cli, cli->args[1], &id, reterr);

    (void)snprintf(out, size, API "/users/%lld%s", (long long)id, suffix);
    return err;
}

/* ---- looking ---- */

static void name_cell(struct table *t, const json_t *u)
{
    const char *first = js_text(u, "first_name");
    const char *last = js_text(u, "last_name");

    table_cellf(t, "%s%s%s", first, first[0] != '\0' && last[0] != '\0' ? " " : "", last);
}

static void user_row(struct table *t, const json_t *u)
{
    bool waits = strcmp(js_text(u, "state"), "pending") == 0;

    table_cell(t, js_text(u, "login"));
    table_cell(t, waits ? "waits to be verified" : js_text(u, "state"));
    table_cell(t, js_text(u, "role"));
    name_cell(t, u);
    table_cell(t, js_text(u, "email"));
    list_time(t, u, "seen_at", "never");
}

static int user_list(struct cli *cli)
{
    static const char *const heads[] = {"LOGIN", "STATE", "ROLE", "NAME", "EMAIL", "LAST SIGNED IN"};
    const struct list_view view = {.path = PAGE_PATH,
                                   .heads = heads,
                                   .n_heads = ARRAY_LEN(heads),
                                   .row = user_row,
                                   .empty = "No users yet. The first one: wrata user add LOGIN --admin"};

    return list_show(cli, &view);
}

/* What the account is told. */
static void show_mail_lines(const json_t *u)
{
    static const struct {
        const char *key;
        const char *what;
    } starts[] = {{"mail_schedule_failed", "schedules that fail to start"},
                  {"mail_schedule_missed", "schedules that miss their start"},
                  {"mail_schedule_disabled", "schedules that are disabled"}};
    char line[200];

    (void)snprintf(line, sizeof(line), "launches that ended: %s, when they took %lld s or more",
                   js_text(u, "mail_launches"), (long long)js_int(u, "mail_launch_min_s"));
    say_line("mail", line);
    (void)snprintf(line, sizeof(line), "launches of schedules: %s", js_text(u, "mail_schedule_launches"));
    say_line("", line);
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        (void)snprintf(line, sizeof(line), "%s: %s", starts[i].what,
                       json_is_true(js_obj(u, starts[i].key)) ? "yes" : "no");
        say_line("", line);
    }
}

void user_show_lines(const json_t *u)
{
    say_line("login", js_text(u, "login"));
    say_line("state", js_text(u, "state"));
    say_line("role", js_text(u, "role"));
    say_line("admin by", js_text(u, "admin_by"));
    say_line("first name", js_text(u, "first_name"));
    say_line("last name", js_text(u, "last_name"));
    say_line("position", js_text(u, "position"));
    say_line("email", js_text(u, "email"));
    if (js_text(u, "email")[0] != '\0')
        say_line("", json_is_true(js_obj(u, "email_confirmed")) ? "(confirmed)" : "(not confirmed)");
    say_line("time zone", js_text(u, "zone"));
    show_mail_lines(u);
    say_line("made", js_text(u, "created_at"));
    say_line("verified", js_text(u, "verified_at"));
    say_line("locked", js_text(u, "locked_at"));
    say_line("last signed in", js_text(u, "seen_at"));
}

static int user_show(struct cli *cli)
{
    struct why why = {0};
    char path[128];
    json_t *u = NULL;

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        return ask_raw(cli, path);
    if (ask(cli, "GET", path, NULL, &u, &why) != ERR_OK)
        return cli_fail_why(&why);
    user_show_lines(u);
    json_decref(u);
    return EXIT_PASSED;
}

/* ---- add ---- */

/* A link that works once: the address alone on standard output, so that it can be handed on. */
static void say_link(const json_t *link, const char *login, const char *what)
{
    const char *until = js_text(link, "expires_at");

    cli_note("%s may %s at this address; it works once, until %.10s %.5s (UTC)%s", login, what, until,
             strlen(until) > 11 ? until + 11 : "",
             json_is_true(js_obj(link, "mailed")) ? ", and went out by mail, too" : "");
    say_out("%s", js_text(link, "url"));
}

static void make_body(const struct cli *cli, const struct buf *password, struct buf *body)
{
    struct json_out j;

    jo_begin(&j, body);
    jo_obj(&j);
    jo_ktext(&j, "login", cli->args[1]);
    if (cli->o.email != NULL)
        jo_ktext(&j, "email", cli->o.email);
    if (password->len > 0)
        jo_ktext(&j, "password", buf_str(password));
    jo_kbool(&j, "verified", !cli->o.unverified);
    jo_kbool(&j, "admin", cli->o.admin);
    jo_obj_end(&j);
}

static int user_add(struct cli *cli)
{
    struct why why = {0};
    json_t *answer = NULL;
    struct buf password;
    struct buf body;
    enum err err = ERR_OK;

    buf_init(&password, PROMPT_BYTES_MAX);
    buf_init(&body, MIB(2));
    if (cli->o.password_stdin) {
        err = stdin_line("password", &password, &why);
        if (err == ERR_OK && password.len == 0)
            err = why_set(&why, ERR_INVALID, "password", "password: the line on standard input is empty");
    }
    if (err == ERR_OK) {
        make_body(cli, &password, &body);
        err = ask(cli, "POST", API "/users", buf_str(&body), &answer, &why);
    }
    buf_wipe(&password);
    buf_wipe(&body);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json) {
        print_json(answer);
    } else {
        cli_note("%s is added%s%s", js_text(answer, "login"), cli->o.admin ? " as an admin" : "",
                 cli->o.unverified ? "; to let them in: wrata user verify" : "");
        if (json_is_object(js_obj(answer, "link")))
            say_link(js_obj(answer, "link"), js_text(answer, "login"), "choose a password");
    }
    json_decref(answer);
    return EXIT_PASSED;
}

static int user_reset(struct cli *cli)
{
    struct why why = {0};
    json_t *link = NULL;
    char path[128];

    if (path_of(cli, "/link", path, sizeof(path), &why) != ERR_OK ||
        ask(cli, "POST", path, "{\"purpose\":\"reset\",\"mail\":false}", &link, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        print_json(link);
    else
        say_link(link, cli->args[1], "choose a new password");
    json_decref(link);
    return EXIT_PASSED;
}

/* ---- switches ---- */

static int set_flag(struct cli *cli, const char *body, const char *done)
{
    struct why why = {0};
    char path[128];

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_change(cli, "POST", path, body, done, cli->args[1]);
}

static int user_verify(struct cli *cli)
{
    return set_flag(cli, "{\"verified\":true}", "is verified and may start launches");
}

static int user_unverify(struct cli *cli)
{
    return set_flag(cli, "{\"verified\":false}", "is not verified any more and sees its own account only");
}

static int user_lock(struct cli *cli)
{
    return set_flag(cli, "{\"locked\":true}",
                    "is locked; its sessions have ended and its tokens do not work");
}

static int user_unlock(struct cli *cli)
{
    return set_flag(cli, "{\"locked\":false}", "may sign in again");
}

static int user_admin(struct cli *cli)
{
    return set_flag(cli, "{\"admin\":true}", "is an admin");
}

static int user_unadmin(struct cli *cli)
{
    return set_flag(cli, "{\"admin\":false}", "is no admin any more");
}

static int user_sessions_end(struct cli *cli)
{
    struct why why = {0};
    json_t *answer = NULL;
    char path[128];
    int64_t n;

    if (path_of(cli, "/sessions", path, sizeof(path), &why) != ERR_OK ||
        ask(cli, "DELETE", path, NULL, &answer, &why) != ERR_OK)
        return cli_fail_why(&why);
    n = js_int(answer, "ended");
    if (cli->o.json)
        print_json(answer);
    else
        say_out("%lld session%s of %s ended; tokens stay", (long long)n, n == 1 ? "" : "s", cli->args[1]);
    json_decref(answer);
    return EXIT_PASSED;
}

/* ---- delete ---- */

static void say_deletion(const char *login, const json_t *d)
{
    cli_note("with %s go: %lld session(s), %lld token(s), %lld variable(s), names and address", login,
             (long long)js_int(d, "sessions"), (long long)js_int(d, "tokens"), (long long)js_int(d, "env"));
    if (js_int(d, "running") > 0)
        cli_note("%lld of its launches run and are stopped", (long long)js_int(d, "running"));
    cli_note("what stays: %lld launch(es) with their results, under the login",
             (long long)js_int(d, "launches"));
}

static int user_delete(struct cli *cli)
{
    struct why why = {0};
    json_t *d = NULL;
    bool is_wanted = cli->o.yes;
    char question[160];
    char path[128];
    char look[160];
    enum err err = path_of(cli, "", path, sizeof(path), &why);

    (void)snprintf(look, sizeof(look), "%s/deletion", path);
    if (err == ERR_OK)
        err = ask(cli, "GET", look, NULL, &d, &why);
    if (err == ERR_OK && !cli->o.json)
        say_deletion(cli->args[1], d);
    json_decref(d);
    if (err == ERR_OK && !is_wanted) {
        (void)snprintf(question, sizeof(question), "Delete the account %.64s for good?", cli->args[1]);
        err = prompt_yes(question, &is_wanted, &why);
        if (err != ERR_OK)
            err = why_set(&why, ERR_INVALID, NULL,
                          "nothing is deleted, since there is nobody to ask; --yes does it");
    }
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (!is_wanted)
        return cli_fail(EXIT_USAGE, "nothing was deleted");
    return send_change(cli, "DELETE", path, NULL, "is deleted", cli->args[1]);
}

int cmd_user(struct cli *cli)
{
    static const struct verb verbs[] = {
        {"list", 0, 0, user_list},
        {"add", 1, 1, user_add},
        {"show", 1, 1, user_show},
        {"verify", 1, 1, user_verify},
        {"unverify", 1, 1, user_unverify},
        {"lock", 1, 1, user_lock},
        {"unlock", 1, 1, user_unlock},
        {"admin", 1, 1, user_admin},
        {"unadmin", 1, 1, user_unadmin},
        {"reset", 1, 1, user_reset},
        {"delete", 1, 1, user_delete},
        {"sessions-end", 1, 1, user_sessions_end},
        {NULL, 0, 0, NULL},
    };

    return verbs_run(cli, verbs);
}
