/* cmd_hooks.c - `wrata hooks`: programs elsewhere that are told what happens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "wire/json_out.h"

static const char *list_path(const struct cli *cli)
{
    return cli->o.all ? API "/hooks?all=1" : API "/hooks";
}

static enum err path_of(struct cli *cli, const char *tail, char *out, size_t size, struct why *reterr)
{
    int64_t id = 0;
    enum err err = cli->args[1][0] == '#'
                       ? parse_id("hook", cli->args[1], &id, reterr)
                       : ask_id_by_name(cli, list_path(cli), "hook", cli->args[1], &id, reterr);

    (void)snprintf(out, size, API "/hooks/%lld%s", (long long)id, tail);
    return err;
}

/* ---- looking ---- */

static void kinds_text(const json_t *hook, struct buf *out)
{
    const json_t *k;
    size_t i;

    json_array_foreach(js_obj(hook, "kinds"), i, k)
    {
        buf_printf(out, "%s%s", i > 0 ? "," : "", json_string_value(k));
    }
}

static void where_text(const json_t *hook, struct buf *out)
{
    const char *repository = js_text(hook, "repository");

    if (strcmp(js_text(hook, "type"), "github") == 0)
        buf_printf(out, "github %s", repository[0] != '\0' ? repository : "as the project's url says");
    else
        buf_puts(out, js_text(hook, "url"));
}

static void state_text(const json_t *hook, struct buf *out)
{
    if (!json_is_true(js_obj(hook, "enabled")))
        buf_printf(out, "disabled%s%s", js_text(hook, "reason")[0] != '\0' ? ": " : "",
                   js_text(hook, "reason"));
    else if (js_int(hook, "failures") > 0)
        buf_printf(out, "failing, %lld in a row: %s", (long long)js_int(hook, "failures"),
                   js_text(hook, "last_error"));
    else
        buf_puts(out, js_text(hook, "last_at")[0] != '\0' ? "well" : "nothing sent yet");
}

static void text_cell(struct table *t, const json_t *hook, void (*write)(const json_t *hook, struct buf *out))
{
    struct buf b;

    buf_init(&b, KIB(16));
    write(hook, &b);
    table_cell(t, buf_str(&b));
    buf_done(&b);
}

static int hooks_list(struct cli *cli)
{
    static const char *const heads[] = {"HOOK", "NAME", "OF", "WHERE", "ON", "STATE"};
    json_t *all;
    const json_t *h;
    struct table t;
    size_t i;
    int rc;

    if (cli->o.json)
        return ask_raw(cli, list_path(cli));
    all = list_all(cli, list_path(cli), &rc);
    if (all == NULL)
        return rc;
    list_heads(&t, heads, ARRAY_LEN(heads));
    json_array_foreach(all, i, h)
    {
        table_cellf(&t, "#%lld", (long long)js_int(h, "id"));
        table_cell(&t, js_text(h, "name"));
        table_cell(&t, json_is_true(js_obj(h, "all")) ? "everybody" : js_text(js_obj(h, "user"), "login"));
        text_cell(&t, h, where_text);
        text_cell(&t, h, kinds_text);
        text_cell(&t, h, state_text);
    }
    if (json_array_size(all) > 0) {
        list_print(cli, &t);
    } else {
        (void)puts("No hooks yet. To make one: wrata hooks add NAME URL --on launch_ended");
        table_done(&t);
    }
    json_decref(all);
    return EXIT_PASSED;
}

static void show_line(const json_t *hook, const char *label,
                      void (*write)(const json_t *hook, struct buf *out))
{
    struct buf b;

    buf_init(&b, KIB(16));
    write(hook, &b);
    say_out("%-10s %s", label, buf_str(&b));
    buf_done(&b);
}

static void show_hook(const json_t *h)
{
    say_out("%-10s %s, #%lld", "hook", js_text(h, "name"), (long long)js_int(h, "id"));
    say_out("%-10s %s", "of",
            json_is_true(js_obj(h, "all")) ? "everybody" : js_text(js_obj(h, "user"), "login"));
    show_line(h, "where", where_text);
    show_line(h, "on", kinds_text);
    if (js_int(h, "project") > 0)
        say_out("%-10s #%lld alone", "project", (long long)js_int(h, "project"));
    show_line(h, "state", state_text);
    if (js_text(h, "failing_since")[0] != '\0')
        say_out("%-10s since %.16s UTC", "failing", js_text(h, "failing_since"));
}

/* The secret is to be seen once: beside what was made, and never again. */
static int say_made(struct cli *cli, json_t *hook)
{
    const char *secret = js_text(hook, "secret");

    if (cli->o.json) {
        print_json(hook);
    } else {
        show_hook(hook);
        if (secret[0] != '\0')
            say_out("%-10s %s\n\nIt signs what is sent and is not shown again. To see whether it arrives: "
                    "wrata hooks test %s",
                    "secret", secret, js_text(hook, "name"));
    }
    json_decref(hook);
    return EXIT_PASSED;
}

static int hooks_show(struct cli *cli)
{
    struct why why = {0};
    json_t *hook = NULL;
    char path[80];

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        return ask_raw(cli, path);
    if (ask(cli, "GET", path, NULL, &hook, &why) != ERR_OK)
        return cli_fail_why(&why);
    show_hook(hook);
    json_decref(hook);
    return EXIT_PASSED;
}

/* ---- changing ---- */

/* --on launch_ended,runs_failed --on error */
static void put_kinds(struct json_out *j, const struct text_list *on)
{
    if (on->n == 0)
        return;
    jo_karr(j, "kinds");
    for (size_t i = 0; i < on->n; i++) {
        for (const char *p = on->items[i];; p++) {
            size_t n = strcspn(p, ",");
            char word[64];

            (void)snprintf(word, sizeof(word), "%.*s", n < sizeof(word) ? (int)n : (int)sizeof(word) - 1, p);
            jo_text(j, word);
            p += n;
            if (*p == '\0')
                break;
        }
    }
    jo_arr_end(j);
}

static enum err put_project(struct cli *cli, struct json_out *j, struct why *why)
{
    const char *name = cli->o.project;
    int64_t id = 0;
    enum err err = ERR_OK;

    if (name == NULL)
        return ERR_OK;
    if (name[0] == '#')
        err = parse_id("project", name, &id, why);
    else if (name[0] != '\0')
        err = ask_id_by_name(cli, API "/projects", "project", name, &id, why);
    jo_kint(j, "project", id);
    return err;
}

static void put_text(struct json_out *j, const char *key, const char *value)
{
    if (value != NULL)
        jo_ktext(j, key, value);
}

static int send_hook(struct cli *cli, const char *path, const char *name, const char *url, int enabled)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    json_t *made = NULL;
    struct json_out j;
    struct buf body;
    enum err err;

    buf_init(&body, KIB(64));
    jo_begin(&j, &body);
    jo_obj(&j);
    put_text(&j, "name", name);
    put_text(&j, "url", url);
    put_text(&j, "repository", o->repository);
    put_kinds(&j, &o->kinds);
    err = put_project(cli, &j, &why);
    if (o->everybody)
        jo_kbool(&j, "all", true);
    if (o->github)
        jo_ktext(&j, "type", "github");
    if (o->new_secret)
        jo_kbool(&j, "new_secret", true);
    if (enabled >= 0)
        jo_kbool(&j, "enabled", enabled == 1);
    jo_obj_end(&j);
    if (err == ERR_OK)
        err = ask(cli, "POST", path, buf_str(&body), &made, &why);
    buf_done(&body);
    return err == ERR_OK ? say_made(cli, made) : cli_fail_why(&why);
}

static int hooks_add(struct cli *cli)
{
    const char *url = cli->n_args > 2 ? cli->args[2] : NULL;

    if (cli->o.github && url != NULL)
        return cli_fail(
            EXIT_USAGE,
            "with --github no URL is needed: the server's setting github_url says where GitHub is");
    if (!cli->o.github && url == NULL)
        return cli_fail(EXIT_USAGE, "wrata hooks add NAME URL --on KIND: the URL is missing");
    if (!cli->o.github && cli->o.kinds.n == 0)
        return cli_fail(EXIT_USAGE, "--on is needed: what the hook hears of; `wrata help hooks` lists it");
    return send_hook(cli, API "/hooks", cli->args[1], url, -1);
}

static int change(struct cli *cli, int enabled)
{
    struct why why = {0};
    char path[80];

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_hook(cli, path, cli->o.rename, cli->o.receiver, enabled);
}

static int hooks_edit(struct cli *cli)
{
    return change(cli, -1);
}

static int hooks_enable(struct cli *cli)
{
    return change(cli, 1);
}

static int hooks_disable(struct cli *cli)
{
    return change(cli, 0);
}

static int hooks_delete(struct cli *cli)
{
    struct why why = {0};
    char path[80];

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_change(cli, "DELETE", path, NULL, "is deleted", cli->args[1]);
}

/* ---- what was sent ---- */

static int say_delivery(struct cli *cli, json_t *d)
{
    const char *state = js_text(d, "state");
    bool is_fine = strcmp(state, "delivered") == 0;
    int rc = EXIT_PASSED;

    if (cli->o.json)
        print_json(d);
    else if (is_fine)
        say_out("delivery %lld was taken: %lld in %lld ms%s%s", (long long)js_int(d, "id"),
                (long long)js_int(d, "status"), (long long)js_int(d, "took_ms"),
                js_text(d, "answer")[0] != '\0' ? "\n" : "", js_text(d, "answer"));
    if (!is_fine && !cli->o.json)
        rc = cli_fail(EXIT_INFRA, "delivery %lld was not taken%s: %s%s%s", (long long)js_int(d, "id"),
                      strcmp(state, "waiting") == 0 ? " and is tried again" : "",
                      js_text(d, "error")[0] != '\0' ? js_text(d, "error") : "it was not tried yet",
                      js_text(d, "answer")[0] != '\0' ? "\n" : "", js_text(d, "answer"));
    else if (!is_fine)
        rc = EXIT_INFRA;
    json_decref(d);
    return rc;
}

static int hooks_test(struct cli *cli)
{
    struct why why = {0};
    json_t *d = NULL;
    char path[80];

    if (path_of(cli, "/test", path, sizeof(path), &why) != ERR_OK ||
        ask(cli, "POST", path, NULL, &d, &why) != ERR_OK)
        return cli_fail_why(&why);
    return say_delivery(cli, d);
}

static int hooks_deliveries(struct cli *cli)
{
    static const char *const heads[] = {"DELIVERY", "KIND",  "OF",     "COUNT", "AT",
                                        "STATE",    "TRIES", "STATUS", "ERROR"};
    struct why why = {0};
    json_t *all;
    const json_t *d;
    struct table t;
    char path[80];
    size_t i;
    int rc;

    if (path_of(cli, "/deliveries", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    all = list_all(cli, path, &rc);
    if (all == NULL)
        return rc;
    if (cli->o.json) {
        print_json_page(all);
        json_decref(all);
        return EXIT_PASSED;
    }
    list_heads(&t, heads, ARRAY_LEN(heads));
    json_array_foreach(all, i, d)
    {
        table_cellf(&t, "%lld", (long long)js_int(d, "id"));
        table_cell(&t, js_text(d, "kind"));
        table_cellf(&t, "%lld", (long long)js_int(d, "object"));
        table_cellf(&t, "%lld", (long long)js_int(d, "count"));
        list_time(&t, d, "at", "");
        table_cell(&t, js_text(d, "state"));
        table_cellf(&t, "%lld", (long long)js_int(d, "tries"));
        if (js_int(d, "status") > 0)
            table_cellf(&t, "%lld", (long long)js_int(d, "status"));
        else
            table_cell(&t, "");
        table_cell(&t, js_text(d, "error"));
    }
    if (json_array_size(all) > 0) {
        list_print(cli, &t);
    } else {
        say_out("Nothing was sent yet. To see whether it arrives: wrata hooks test %s", cli->args[1]);
        table_done(&t);
    }
    json_decref(all);
    return EXIT_PASSED;
}

static int hooks_retry(struct cli *cli)
{
    struct why why = {0};
    json_t *d = NULL;
    char path[80];
    int64_t id;

    if (parse_id("delivery", cli->args[1], &id, &why) != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, sizeof(path), API "/deliveries/%lld/retry", (long long)id);
    if (ask(cli, "POST", path, NULL, &d, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        print_json(d);
    else
        say_out("delivery %lld is sent now; `wrata hooks deliveries #%lld` shows what becomes of it",
                (long long)id, (long long)js_int(d, "hook"));
    json_decref(d);
    return EXIT_PASSED;
}

int cmd_hooks(struct cli *cli)
{
    static const struct verb verbs[] = {{"list", 0, 0, hooks_list},
                                        {"add", 1, 2, hooks_add},
                                        {"show", 1, 1, hooks_show},
                                        {"edit", 1, 1, hooks_edit},
                                        {"enable", 1, 1, hooks_enable},
                                        {"disable", 1, 1, hooks_disable},
                                        {"delete", 1, 1, hooks_delete},
                                        {"test", 1, 1, hooks_test},
                                        {"deliveries", 1, 1, hooks_deliveries},
                                        {"retry", 1, 1, hooks_retry},
                                        {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}
