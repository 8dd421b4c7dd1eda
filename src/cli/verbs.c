#include "cli/verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

static const char *verb_name(const void *ctx, size_t i)
{
    return ((const struct verb *)ctx)[i].name;
}

/* "1 argument", "at least 1 argument": what the verb takes. */
static void args_text(const struct verb *v, char *out, size_t size)
{
    int n = v->args_min;

    (void)snprintf(out, size, "%s%d argument%s", v->args_max < 0 ? "at least " : "", n, n == 1 ? "" : "s");
}

int verbs_run(struct cli *cli, const struct verb *verbs)
{
    const char *word = cli->n_args > 0 ? cli->args[0] : verbs[0].name;
    const struct verb *v = verbs;
    int given = cli->n_args > 0 ? cli->n_args - 1 : 0;
    const char *near;
    char takes[64];

    while (v->name != NULL && strcmp(v->name, word) != 0)
        v++;
    if (v->name == NULL) {
        near = nearest_name(word, verb_name, verbs);
        return near != NULL ? cli_fail(EXIT_USAGE, "there is no '%s %s'; did you mean '%s'?", cli->cmd->name,
                                       word, near)
                            : cli_fail(EXIT_USAGE, "there is no '%s %s'; `wrata help %s` shows what there is",
                                       cli->cmd->name, word, cli->cmd->name);
    }
    args_text(v, takes, sizeof(takes));
    if (given < v->args_min || (v->args_max >= 0 && given > v->args_max))
        return cli_fail(EXIT_USAGE, "`wrata %s %s` takes %s; `wrata help %s` shows which", cli->cmd->name,
                        word, takes, cli->cmd->name);
    return v->run(cli);
}

/* ---- lists ---- */

json_t *list_all(struct cli *cli, const char *path, int *retcode)
{
    json_t *all = json_array();
    struct why why = {0};

    if (ask_all(cli, path, ask_collect, all, &why) == ERR_OK)
        return all;
    json_decref(all);
    *retcode = cli_fail_why(&why);
    return NULL;
}

void list_heads(struct table *t, const char *const *heads, size_t n)
{
    table_init(t, n);
    for (size_t i = 0; i < n; i++)
        table_cell(t, heads[i]);
}

void list_print(const struct cli *cli, struct table *t)
{
    struct buf out;

    buf_init(&out, MIB(256));
    table_print(t, &cli->out, &out);
    (void)fwrite(buf_str(&out), 1, out.len, stdout);
    buf_done(&out);
    table_done(t);
}

struct wanted {
    json_t *items;
    size_t max;
};

static bool take(void *ctx, const json_t *item)
{
    struct wanted *w = ctx;

    (void)json_array_append_new(w->items, json_deep_copy(item));
    return json_array_size(w->items) < w->max;
}

/* The items; *retcode is to be returned when it is NULL. */
static json_t *view_items(struct cli *cli, const struct list_view *v, int *retcode)
{
    struct wanted w = {.max = v->max};
    struct why why = {0};
    enum err err;

    if (v->max == 0 && !v->is_array)
        return list_all(cli, v->path, retcode);
    if (v->is_array) {
        err = ask(cli, "GET", v->path, NULL, &w.items, &why);
    } else {
        w.items = json_array();
        err = ask_all(cli, v->path, take, &w, &why);
    }
    if (err == ERR_OK)
        return w.items;
    json_decref(w.items);
    *retcode = cli_fail_why(&why);
    return NULL;
}

int list_show(struct cli *cli, const struct list_view *v)
{
    const json_t *item;
    struct table t;
    json_t *all;
    size_t i;
    int rc = EXIT_PASSED;

    all = view_items(cli, v, &rc);
    if (all == NULL)
        return rc;
    if (cli->o.json && v->is_array) {
        print_json(all);
    } else if (cli->o.json) {
        print_json_page(all);
    } else if (json_array_size(all) == 0 && v->empty != NULL) {
        (void)puts(v->empty);
    } else {
        list_heads(&t, v->heads, v->n_heads);
        json_array_foreach(all, i, item)
        {
            v->row(&t, item);
        }
        list_print(cli, &t);
    }
    json_decref(all);
    return EXIT_PASSED;
}

void list_time(struct table *t, const json_t *o, const char *key, const char *none)
{
    const char *text = js_text(o, key);

    if (js_time_ms(o, key) == 0)
        table_cell(t, none);
    else
        table_cellf(t, "%.10s %.5s", text, text + 11);
}

void print_json(const json_t *doc)
{
    char *text = json_dumps(doc, JSON_COMPACT);

    (void)puts(text != NULL ? text : "null");
    free(text);
}

void print_json_page(json_t *items)
{
    json_t *page = json_object();

    (void)json_object_set(page, "items", items);
    (void)json_object_set_new(page, "next", json_null());
    print_json(page);
    json_decref(page);
}

/* ---- changes ---- */

void say_out(const char *fmt, ...)
{
    char text[4096];
    struct buf b;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    buf_init(&b, MIB(1));
    text_escape_lines(&b, text, "");
    (void)puts(buf_str(&b));
    buf_done(&b);
}

void say_line(const char *what, const char *value)
{
    if (value[0] != '\0')
        say_out("%-16s %s", what, value);
}

int send_change(struct cli *cli, const char *method, const char *path, const char *body, const char *done,
                const char *name)
{
    struct why why = {0};
    json_t *answer = NULL;
    bool has_answer = strcmp(method, "DELETE") != 0;

    if (ask(cli, method, path, body, has_answer ? &answer : NULL, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json && has_answer) {
        print_json(answer);
    } else if (!cli->o.json) {
        struct buf b;

        buf_init(&b, MIB(1));
        text_escape(&b, name);
        (void)printf("%s %s\n", buf_str(&b), done);
        buf_done(&b);
    }
    json_decref(answer);
    return EXIT_PASSED;
}
