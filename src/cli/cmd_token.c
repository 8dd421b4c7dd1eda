/* cmd_token.c - `wrata token`: the API tokens of one's own account. */
#include <stdio.h>
#include <string.h>

#include "cli/caller.h"
#include "cli/verbs.h"
#include "wire/json_out.h"

static void token_row(struct table *t, const json_t *token)
{
    table_cellf(t, "%lld", (long long)js_int(token, "id"));
    table_cell(t, js_text(token, "name"));
    table_cell(t, js_text(token, "scope"));
    list_time(t, token, "created_at", "");
    list_time(t, token, "expires_at", "never");
    list_time(t, token, "used_at", "never");
    table_cell(t, js_text(token, "used_from"));
}

static int token_list(struct cli *cli)
{
    static const char *const heads[] = {"ID", "TOKEN", "SCOPE", "MADE", "ENDS", "LAST USED", "FROM"};
    const struct list_view view = {
        .path = API "/tokens",
        .heads = heads,
        .n_heads = ARRAY_LEN(heads),
        .row = token_row,
        .empty = "No tokens yet. Make one for a script: wrata token add NAME --scope run --days 90",
        .is_array = true};

    return list_show(cli, &view);
}

/* The token is alone on standard output: `wrata token add ci | gh secret set WRATA_TOKEN`. */
static int token_add(struct cli *cli)
{
    struct why why = {0};
    struct json_out j;
    json_t *answer = NULL;
    const char *until;
    struct buf body;
    enum err err;

    buf_init(&body, MIB(1));
    jo_begin(&j, &body);
    jo_obj(&j);
    jo_ktext(&j, "name", cli->args[1]);
    jo_ktext(&j, "scope", cli->o.scope);
    jo_kint(&j, "expires_days", cli->o.days);
    jo_obj_end(&j);
    err = caller_account(cli, NULL, &why);
    if (err == ERR_OK)
        err = ask(cli, "POST", API "/tokens", buf_str(&body), &answer, &why);
    buf_done(&body);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json) {
        print_json(answer);
    } else {
        until = js_text(answer, "expires_at");
        say_out("%s", js_text(answer, "token"));
        cli_note("token '%s', scope %s, %s%.10s; it is shown this once", js_text(answer, "name"),
                 js_text(answer, "scope"), until[0] != '\0' ? "until " : "without an end", until);
    }
    json_decref(answer);
    return EXIT_PASSED;
}

/* By its name, else by its number. */
static int64_t find(const json_t *all, const char *what)
{
    struct why ignored;
    const json_t *t;
    int64_t id = 0;
    size_t i;

    json_array_foreach(all, i, t)
    {
        if (strcmp(js_text(t, "name"), what) == 0)
            return js_int(t, "id");
    }
    if (parse_id("token", what, &id, &ignored) != ERR_OK)
        return 0;
    json_array_foreach(all, i, t)
    {
        if (js_int(t, "id") == id)
            return id;
    }
    return 0;
}

static int token_remove(struct cli *cli)
{
    struct why why = {0};
    json_t *all = NULL;
    char path[64];
    int64_t id;
    enum err err = ask(cli, "GET", API "/tokens", NULL, &all, &why);

    id = find(all, cli->args[1]);
    if (err == ERR_OK && id == 0)
        err = why_set(&why, ERR_NOTFOUND, NULL, "there is no token '%s'; `wrata token list` shows them",
                      cli->args[1]);
    if (err == ERR_OK)
        err = caller_account(cli, NULL, &why);
    json_decref(all);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, sizeof(path), API "/tokens/%lld", (long long)id);
    return send_change(cli, "DELETE", path, NULL, "is removed; whoever used it is signed out", cli->args[1]);
}

int cmd_token(struct cli *cli)
{
    static const struct verb verbs[] = {{"list", 0, 0, token_list},
                                        {"add", 1, 1, token_add},
                                        {"remove", 1, 1, token_remove},
                                        {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}
