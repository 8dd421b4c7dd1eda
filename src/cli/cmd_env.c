/* cmd_env.c - `wrata env`: the variables that every run of one's own account gets.
 *
 * The API knows them only as a whole: a change is read, changed, written back. A secret is written back without its
 * value, which the server then keeps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/caller.h"
#include "cli/prompt.h"
#include "cli/verbs.h"
#include "config/secret.h"

#define VALUE_BYTES_MAX KIB(64)

static void env_row(struct table *t, const json_t *v)
{
    table_cell(t, js_text(v, "name"));
    table_cell(t, json_is_true(js_obj(v, "secret")) ? "(secret)" : js_text(v, "value"));
}

static int env_list(struct cli *cli)
{
    static const char *const heads[] = {"NAME", "VALUE"};
    const struct list_view view = {
        .path = API "/env",
        .heads = heads,
        .n_heads = ARRAY_LEN(heads),
        .row = env_row,
        .empty = "No variables yet. Every run of yours gets those of: wrata env set NAME=VALUE\n"
                 "One that nobody may read again: wrata env secret NAME",
        .is_array = true};

    return list_show(cli, &view);
}

/* ---- changes ---- */

static json_t *find(json_t *all, const char *name, size_t *ret_at)
{
    json_t *line;
    size_t i;

    json_array_foreach(all, i, line)
    {
        if (strcmp(js_text(line, "name"), name) == 0) {
            if (ret_at != NULL)
                *ret_at = i;
            return line;
        }
    }
    return NULL;
}

/* Ask for the account first: the list is read as the one whose it is. */
static enum err begin(struct cli *cli, json_t **ret, struct why *reterr)
{
    enum err err = caller_account(cli, NULL, reterr);

    return err == ERR_OK ? ask(cli, "GET", API "/env", NULL, ret, reterr) : err;
}

static void put(json_t *all, const char *name, const char *value, size_t n, bool is_secret)
{
    json_t *line = find(all, name, NULL);

    if (line == NULL) {
        line = json_object();
        (void)json_object_set_new(line, "name", json_string(name));
        (void)json_array_append_new(all, line);
    }
    (void)json_object_set_new(line, "value", json_stringn(value, n));
    (void)json_object_set_new(line, "secret", json_boolean(is_secret));
}

static int write_back(struct cli *cli, json_t *all, const char *done)
{
    json_t *doc = json_object();
    json_t *answer = NULL;
    json_t *line;
    struct why why = {0};
    char *text;
    size_t i;
    enum err err;

    json_array_foreach(all, i, line)
    {
        if (json_is_null(js_obj(line, "value")))
            (void)json_object_del(line, "value");
    }
    (void)json_object_set(doc, "lines", all);
    text = json_dumps(doc, JSON_COMPACT);
    CHECK(text != NULL);
    err = ask(cli, "POST", API "/env", text, &answer, &why);
    explicit_bzero(text, strlen(text));
    free(text);
    json_decref(doc);
    if (err == ERR_OK && cli->o.json)
        print_json(answer);
    else if (err == ERR_OK)
        say_out("%s", done);
    json_decref(answer);
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}

static enum err check_line(const char *word, struct why *reterr)
{
    const char *eq = strchr(word, '=');

    if (eq == NULL || eq == word)
        return why_set(reterr, ERR_INVALID, NULL, "'%s' is not of the form NAME=VALUE", word);
    if (strlen(eq + 1) > VALUE_BYTES_MAX)
        return why_set(reterr, ERR_INVALID, NULL, "%.*s: the value has more than %u bytes", (int)(eq - word),
                       word, (unsigned)VALUE_BYTES_MAX);
    return ERR_OK;
}

static enum err set_line(json_t *all, const char *word, struct why *reterr)
{
    const char *eq = strchr(word, '=');
    const json_t *old;
    char name[256];

    if (snprintf(name, sizeof(name), "%.*s", (int)(eq - word), word) >= (int)sizeof(name))
        return why_set(reterr, ERR_INVALID, NULL, "'%.40s…': the name is too long", word);
    old = find(all, name, NULL);
    if (json_is_true(js_obj(old, "secret")))
        return why_set(
            reterr, ERR_CONFLICT, NULL,
            "%s is a secret: change it with `wrata env secret %s`, or take it away first with `wrata env "
            "unset %s`",
            name, name, name);
    put(all, name, eq + 1, strlen(eq + 1), false);
    if (!json_is_string(js_obj(find(all, name, NULL), "value")))
        return why_set(reterr, ERR_INVALID, NULL, "%s: the value is not UTF-8", name);
    return ERR_OK;
}

static int env_set(struct cli *cli)
{
    struct why why = {0};
    json_t *all = NULL;
    char done[64];
    enum err err = ERR_OK;
    int rc;

    for (int i = 1; i < cli->n_args && err == ERR_OK; i++)
        err = check_line(cli->args[i], &why);
    if (err == ERR_OK)
        err = begin(cli, &all, &why);
    for (int i = 1; i < cli->n_args && err == ERR_OK; i++)
        err = set_line(all, cli->args[i], &why);
    (void)snprintf(done, sizeof(done), "%d variable%s set; the next launch has %s", cli->n_args - 1,
                   cli->n_args == 2 ? " is" : "s are", cli->n_args == 2 ? "it" : "them");
    rc = err == ERR_OK ? write_back(cli, all, done) : cli_fail_why(&why);
    json_decref(all);
    return rc;
}

/* The value: unseen at a terminal, else all of standard input without its last line end. */
static enum err read_secret(const char *name, struct buf *out, struct why *reterr)
{
    enum err err =
        isatty(STDIN_FILENO) == 1 ? prompt_unseen(name, out, reterr) : stdin_rest(name, out, reterr);
    size_t n = out->len;

    if (err != ERR_OK)
        return err;
    if (n > 0 && out->data[n - 1] == '\n')
        n--;
    if (n > 0 && out->data[n - 1] == '\r')
        n--;
    out->len = n;
    if (n == 0)
        return why_set(reterr, ERR_INVALID, NULL, "%s: the value is empty", name);
    return ERR_OK;
}

static int env_secret(struct cli *cli)
{
    const char *name = cli->args[1];
    struct why why = {0};
    json_t *all = NULL;
    struct buf value;
    enum err err = ERR_OK;
    int rc;

    if (strchr(name, '=') != NULL)
        return cli_fail(EXIT_USAGE,
                        "a secret on a command line can be read by everybody on this computer: give the "
                        "value on standard input");
    buf_init(&value, VALUE_BYTES_MAX);
    err = begin(cli, &all,
                &why); /* with --password-stdin the password is the first line, the value what follows */
    if (err == ERR_OK)
        err = read_secret(name, &value, &why);
    if (err == ERR_OK) {
        put(all, name, value.data, value.len, true);
        if (!json_is_string(js_obj(find(all, name, NULL), "value")))
            err = why_set(&why, ERR_INVALID, NULL, "%s: the value is not UTF-8", name);
    }
    buf_wipe(&value);
    rc = err == ERR_OK ? write_back(cli, all, "the secret is set; nobody can read it again")
                       : cli_fail_why(&why);
    json_decref(all);
    return rc;
}

static int env_unset(struct cli *cli)
{
    const char *name = cli->args[1];
    struct why why = {0};
    json_t *all = NULL;
    size_t at = 0;
    enum err err = begin(cli, &all, &why);
    int rc;

    if (err == ERR_OK && find(all, name, &at) == NULL)
        err =
            why_set(&why, ERR_NOTFOUND, NULL, "there is no variable '%s'; `wrata env list` shows them", name);
    if (err == ERR_OK)
        (void)json_array_remove(all, at);
    rc = err == ERR_OK ? write_back(cli, all, "the variable is unset") : cli_fail_why(&why);
    json_decref(all);
    return rc;
}

int cmd_env(struct cli *cli)
{
    static const struct verb verbs[] = {{"list", 0, 0, env_list},
                                        {"set", 1, -1, env_set},
                                        {"secret", 1, 1, env_secret},
                                        {"unset", 1, 1, env_unset},
                                        {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}
