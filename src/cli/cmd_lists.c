/* cmd_lists.c - `wrata lists`: files to run again and again, with the parameters of their launch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/prompt.h"
#include "cli/verbs.h"
#include "model/list.h"
#include "wire/json_out.h"

#define LIST_BYTES_MAX MIB(16) /* of a body that the server takes */

/* The path of the one called NAME (or #ID), with `tail` behind it. */
static enum err path_of(struct cli *cli, const char *tail, char *out, size_t size, struct why *reterr)
{
    return ask_path(cli, API "/lists", "list", tail, out, size, reterr);
}

/* ---- looking ---- */

static void words_cell(struct table *t, const json_t *words)
{
    struct buf b;
    const json_t *w;
    size_t i;

    buf_init(&b, MIB(1));
    json_array_foreach(words, i, w)
    {
        buf_printf(&b, "%s%s", i > 0 ? " " : "", json_string_value(w));
    }
    table_cell(t, buf_str(&b));
    buf_done(&b);
}

static void list_row(struct table *t, const json_t *l)
{
    table_cellf(t, "#%lld", (long long)js_int(l, "id"));
    table_cell(t, js_text(l, "name"));
    table_cellf(t, "%lld", (long long)js_int(l, "n_files"));
    table_cell(t, js_text(js_obj(l, "project"), "name"));
    table_cell(t, js_text(l, "ref"));
    table_cell(t, js_text(l, "location"));
    words_cell(t, js_obj(l, "languages"));
    table_cell(t, js_text(js_obj(l, "user"), "login"));
    table_cell(t, json_is_true(js_obj(l, "shared")) ? "shared" : "");
}

static int lists_list(struct cli *cli)
{
    static const char *const heads[] = {"LIST",     "NAME",      "FILES", "PROJECT", "REF",
                                        "LOCATION", "LANGUAGES", "OF",    ""};
    const struct list_view view = {
        .path = API "/lists",
        .heads = heads,
        .n_heads = ARRAY_LEN(heads),
        .row = list_row,
        .empty = "No lists yet. To make one: wrata lists add NAME --project PROJECT FILE..."};

    return list_show(cli, &view);
}

static enum err get_list(struct cli *cli, json_t **ret, struct why *reterr)
{
    char path[64];
    enum err err = path_of(cli, "", path, sizeof(path), reterr);

    return err == ERR_OK ? ask(cli, "GET", path, NULL, ret, reterr) : err;
}

static int print_files(const json_t *list)
{
    const json_t *f;
    size_t i;

    json_array_foreach(js_obj(list, "files"), i, f)
    {
        (void)printf("%s\n", json_string_value(f));
    }
    return EXIT_PASSED;
}

/* What `import`, and POST /lists, takes. */
static int print_export(const json_t *list)
{
    static const char *const kept[] = {"name", "ref",   "location", "languages", "browsers",
                                       "env",  "order", "shared",   "files"};
    json_t *out = json_object();

    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        (void)json_object_set_new(out, kept[i], json_deep_copy(js_obj(list, kept[i])));
    (void)json_object_set_new(out, "project", json_string(js_text(js_obj(list, "project"), "name")));
    print_json(out);
    json_decref(out);
    return EXIT_PASSED;
}

static int show(struct cli *cli, int (*print)(const json_t *list))
{
    struct why why = {0};
    json_t *list = NULL;
    int rc;

    if (get_list(cli, &list, &why) != ERR_OK)
        return cli_fail_why(&why);
    rc = print(list);
    json_decref(list);
    return rc;
}

static int print_whole(const json_t *list)
{
    print_json(list);
    return EXIT_PASSED;
}

static int lists_show(struct cli *cli)
{
    return show(cli, cli->o.json ? print_whole : print_files);
}

static int lists_export(struct cli *cli)
{
    return show(cli, cli->o.files ? print_files : print_export);
}

/* ---- changing ---- */

static void put_text(struct json_out *j, const char *key, const char *value)
{
    if (value != NULL)
        jo_ktext(j, key, value);
}

static void put_words(struct json_out *j, const char *key, const struct text_list *words)
{
    if (words->n == 0)
        return;
    jo_karr(j, key);
    for (size_t i = 0; i < words->n; i++)
        jo_text(j, words->items[i]);
    jo_arr_end(j);
}

static void put_options(struct json_out *j, const struct cli_opts *o)
{
    put_text(j, "project", o->project);
    put_text(j, "ref", o->ref);
    put_text(j, "location", o->list_location);
    put_words(j, "languages", &o->list_languages);
    put_words(j, "browsers", &o->list_browsers);
    put_words(j, "env", &o->env);
    put_text(j, "order", o->list_order);
    if (o->share || o->unshare)
        jo_kbool(j, "shared", o->share);
}

static int send_list(struct cli *cli, const char *path, const char *name, bool is_new, const char *done)
{
    struct json_out j;
    struct buf body;
    int rc;

    buf_init(&body, LIST_BYTES_MAX);
    jo_begin(&j, &body);
    jo_obj(&j);
    put_text(&j, "name", name);
    put_options(&j, &cli->o);
    if (cli->n_args > 2) {
        jo_karr(&j, "files");
        for (int i = 2; i < cli->n_args; i++)
            jo_text(&j, cli->args[i]);
        jo_arr_end(&j);
    }
    if (is_new && cli->o.replace)
        jo_kbool(&j, "replace", true);
    jo_obj_end(&j);
    rc = send_change(cli, "POST", path, buf_str(&body), done, cli->args[1]);
    buf_done(&body);
    return rc;
}

static int lists_add(struct cli *cli)
{
    return send_list(cli, API "/lists", cli->args[1], true, "is saved");
}

static int lists_edit(struct cli *cli)
{
    struct why why = {0};
    char path[64];

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_list(cli, path, cli->o.rename, false, "is changed");
}

static int lists_remove(struct cli *cli)
{
    struct why why = {0};
    char path[64];

    if (path_of(cli, cli->o.force ? "?force=1" : "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_change(cli, "DELETE", path, NULL, "is removed", cli->args[1]);
}

/* A file of paths, one a line, or what `export` wrote; "-" is standard input. */
static enum err read_import(const char *path, struct buf *out, struct why *reterr)
{
    char chunk[4096];
    size_t n;
    FILE *f;
    enum err err = ERR_OK;

    if (strcmp(path, "-") == 0)
        return stdin_rest("the list", out, reterr);
    f = fopen(path, "rbe");
    if (f == NULL)
        return why_set(reterr, ERR_INVALID, NULL, "%.150s cannot be read", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0 && err == ERR_OK) {
        if (out->len + n >= LIST_BYTES_MAX)
            err = why_set(reterr, ERR_INVALID, NULL, "%.150s has more than %u bytes", path,
                          (unsigned)LIST_BYTES_MAX);
        else
            buf_put(out, chunk, n);
    }
    (void)fclose(f);
    return err;
}

static json_t *lines_of(const char *text)
{
    json_t *doc = json_object();
    json_t *files = json_array();

    while (*text != '\0') {
        size_t n = strcspn(text, "\r\n");

        if (n > 0)
            (void)json_array_append_new(files, json_stringn(text, n));
        text += n;
        text += strspn(text, "\r\n");
    }
    (void)json_object_set_new(doc, "files", files);
    return doc;
}

/* Options go before what the file says. */
static enum err import_doc(struct cli *cli, const struct buf *text, json_t **ret, struct why *reterr)
{
    const char *s = buf_str(text);
    json_t *options;
    struct json_out j;
    struct buf b;

    *ret = s[strspn(s, " \t\r\n")] == '{' ? json_loadb(text->data, text->len, 0, NULL) : lines_of(s);
    if (!json_is_object(*ret))
        return why_set(reterr, ERR_INVALID, NULL, "%.150s begins like JSON and is none", cli->args[2]);
    buf_init(&b, MIB(4));
    jo_begin(&j, &b);
    jo_obj(&j);
    jo_ktext(&j, "name", cli->args[1]);
    put_options(&j, &cli->o);
    jo_kbool(&j, "replace", cli->o.replace);
    jo_obj_end(&j);
    options = json_loads(buf_str(&b), 0, NULL);
    buf_done(&b);
    if (options == NULL)
        return why_set(reterr, ERR_INVALID, NULL, "an argument is not UTF-8");
    (void)json_object_update(*ret, options);
    json_decref(options);
    return ERR_OK;
}

static int lists_import(struct cli *cli)
{
    struct why why = {0};
    json_t *doc = NULL;
    struct buf text;
    char *body;
    int rc;
    enum err err;

    buf_init(&text, LIST_BYTES_MAX);
    err = read_import(cli->args[2], &text, &why);
    if (err == ERR_OK)
        err = import_doc(cli, &text, &doc, &why);
    buf_done(&text);
    if (err != ERR_OK) {
        json_decref(doc);
        return cli_fail_why(&why);
    }
    body = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    CHECK(body != NULL);
    rc = send_change(cli, "POST", API "/lists", body, "is saved", cli->args[1]);
    free(body);
    return rc;
}

static int lists_launch(struct cli *cli)
{
    struct why why = {0};
    json_t *launch = NULL;
    char path[64];

    if (path_of(cli, "/launch", path, sizeof(path), &why) != ERR_OK ||
        ask(cli, "POST", path, "{}", &launch, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        print_json(launch);
    else
        say_out("launch %lld: %lld files", (long long)js_int(launch, "id"),
                (long long)js_int(js_obj(launch, "tests"), "total"));
    json_decref(launch);
    return EXIT_PASSED;
}

int cmd_lists(struct cli *cli)
{
    static const struct verb verbs[] = {
        {"list", 0, 0, lists_list},     {"show", 1, 1, lists_show},     {"add", 2, -1, lists_add},
        {"edit", 1, -1, lists_edit},    {"remove", 1, 1, lists_remove}, {"launch", 1, 1, lists_launch},
        {"export", 1, 1, lists_export}, {"import", 2, 2, lists_import}, {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}
