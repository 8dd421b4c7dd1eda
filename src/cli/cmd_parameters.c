/* cmd_parameters.c - `wrata parameters`: what a launch was started with, and how a run was. */
#include <stdio.h>
#include <string.h>

#include "cli/cli_private.h"
#include "cli/verbs.h"

static void put_text(struct table *t, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    table_cell(t, name);
    table_cell(t, value);
}

/* 0: none. */
static void put_limit(struct table *t, const char *name, int64_t s)
{
    table_cell(t, name);
    if (s == 0)
        table_cell(t, "none");
    else
        table_cellf(t, "%lld s", (long long)s);
}

/* The texts of a list, or of its objects' names, with commas between. */
static void put_texts(struct table *t, const char *name, const json_t *all, const char *none)
{
    const json_t *v;
    struct buf b;
    size_t i;

    buf_init(&b, MIB(1));
    json_array_foreach(all, i, v)
    {
        buf_puts(&b, i > 0 ? ", " : "");
        buf_puts(&b, json_is_string(v) ? json_string_value(v) : js_text(v, "name"));
    }
    put_text(t, name, b.len > 0 ? buf_str(&b) : none);
    buf_done(&b);
}

static void put_variables(struct table *t, const json_t *all)
{
    const json_t *v;
    size_t i;

    json_array_foreach(all, i, v)
    {
        table_cell(t, js_text(v, "name"));
        if (json_is_string(js_obj(v, "value")))
            table_cell(t, js_text(v, "value"));
        else
            table_cell(t,
                       json_is_true(js_obj(v, "secret")) ? "(secret)" : "(for its user and admins to see)");
    }
}

/* A word as a shell takes it. */
static void put_word(struct buf *out, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";

    buf_puts(out, out->len > 0 ? " " : "");
    if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
        buf_puts(out, word);
        return;
    }
    buf_putc(out, '\'');
    for (; *word != '\0'; word++)
        buf_puts(out, *word == '\'' ? "'\\''" : (const char[]){*word, '\0'});
    buf_putc(out, '\'');
}

static void put_run(struct table *t, const json_t *doc)
{
    const json_t *word;
    struct buf b;
    size_t i;

    buf_init(&b, MIB(4));
    json_array_foreach(js_obj(doc, "argv"), i, word) put_word(&b, json_string_value(word));
    put_text(t, "command", buf_str(&b));
    buf_done(&b);
    put_text(t, "report", js_text(doc, "report"));
    put_texts(t, "reports", js_obj(doc, "reports"), "");
}

static void put_launch(struct table *t, const json_t *l, const json_t *doc)
{
    put_text(t, "project", js_text(js_obj(l, "project"), "name"));
    put_text(t, "ref", js_text(l, "ref"));
    put_text(t, "commit", js_text(l, "commit"));
    put_text(t, "location", js_text(l, "location"));
    put_text(t, "order", js_text(l, "order"));
    put_text(t, "mail", js_text(l, "mail"));
    put_texts(t, "servers", js_obj(doc, "servers"), "any");
    put_texts(t, "artifacts", js_obj(doc, "artifacts"), "");
    table_cell(t, "retries");
    table_cellf(t, "%lld", (long long)js_int(doc, "retries"));
    put_limit(t, "lease", js_int(doc, "lease_s"));
}

static int say(struct cli *cli, const json_t *launch, const json_t *doc)
{
    static const char *const heads[] = {"WHAT", ""};
    static const char *const names[] = {"VARIABLE", ""};
    struct table t;

    list_heads(&t, heads, ARRAY_LEN(heads));
    if (launch != NULL)
        put_launch(&t, launch, doc);
    else
        put_run(&t, doc);
    put_limit(&t, "time limit", js_int(doc, "time_limit_s"));
    put_limit(&t, "silence limit", js_int(doc, "silence_limit_s"));
    list_print(cli, &t);
    if (json_array_size(js_obj(doc, "env")) == 0)
        return EXIT_PASSED;
    (void)putchar('\n');
    list_heads(&t, names, ARRAY_LEN(names));
    put_variables(&t, js_obj(doc, "env"));
    list_print(cli, &t);
    return EXIT_PASSED;
}

int cmd_parameters(struct cli *cli)
{
    const char *text = cli->args[0];
    bool is_run = strncmp(text, "run:", 4) == 0;
    json_t *launch = NULL;
    json_t *doc = NULL;
    char path[96];
    struct why why;
    int64_t id;
    int rc;

    if (parse_id(is_run ? "run" : "launch", is_run ? text + 4 : text, &id, &why) != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, sizeof(path), is_run ? API "/runs/%lld/command" : API "/launches/%lld/parameters",
                   (long long)id);
    if (cli->o.json)
        return ask_raw(cli, path);
    if (ask(cli, "GET", path, NULL, &doc, &why) != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, sizeof(path), API "/launches/%lld", (long long)id);
    if (!is_run && ask(cli, "GET", path, NULL, &launch, &why) != ERR_OK)
        rc = cli_fail_why(&why);
    else
        rc = say(cli, launch, doc);
    json_decref(launch);
    json_decref(doc);
    return rc;
}
