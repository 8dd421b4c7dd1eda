/* cmd_causes.c - why a launch failed, what of it is new, and what of a project is flaky or slow. */
#include <stdio.h>
#include <string.h>

#include "cli/cli_private.h"
#include "cli/report.h"
#include "cli/verbs.h"

static int of_launch(struct cli *cli, const char *tail, char *path, size_t size)
{
    struct why why;
    int64_t launch;

    if (parse_id("launch", cli->args[0], &launch, &why) != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, size, API "/launches/%lld/%s", (long long)launch, tail);
    return EXIT_PASSED;
}

/* ---- wrata causes ---- */

static void put_cause(struct buf *out, const struct term *t, int number, const json_t *cause)
{
    const json_t *examples = js_obj(cause, "examples");
    const json_t *first = js_obj(cause, "first_seen");
    const json_t *e;
    size_t i;
    struct buf b;

    buf_init(&b, KIB(64));
    text_escape(&b, js_text(cause, "title"));
    buf_printf(out, "\n  %d) ", number);
    term_paint(out, t, COLOR_BOLD, buf_str(&b));
    buf_done(&b);
    buf_puts(out, "\n     ");
    text_count(out, js_int(cause, "count"), "failure", "failures");
    buf_puts(out, " in ");
    text_count(out, js_int(cause, "files"), "file", "files");
    json_array_foreach(js_obj(cause, "servers"), i, e)
    {
        if (i == 3) {
            buf_printf(out, " and %lld more", (long long)js_int(cause, "n_servers") - 3);
            break;
        }
        buf_puts(out, i == 0 ? " on " : ", ");
        text_escape(out, json_string_value(e));
    }
    if (json_is_true(js_obj(cause, "known")))
        buf_printf(out, "; known since launch %lld, %.10s", (long long)js_int(first, "launch"),
                   js_text(first, "at"));
    else
        buf_puts(out, "; new");
    buf_putc(out, '\n');
    if (js_text(cause, "frame")[0] != '\0') {
        buf_puts(out, "     # ");
        text_escape(out, js_text(cause, "frame"));
        buf_putc(out, '\n');
    }
    json_array_foreach(examples, i, e)
    {
        buf_printf(out, "     run %lld  ", (long long)js_int(e, "run"));
        text_escape(out, js_text(e, "path"));
        buf_puts(out, js_text(e, "description")[0] != '\0' ? "  " : "");
        text_escape(out, js_text(e, "description"));
        buf_putc(out, '\n');
    }
}

int cmd_causes(struct cli *cli)
{
    char path[96];
    json_t *doc = NULL;
    const json_t *cause;
    struct why why;
    struct buf out;
    size_t i;
    int rc = of_launch(cli, "causes?limit=500", path, sizeof(path));

    if (rc != EXIT_PASSED)
        return rc;
    if (cli->o.json)
        return ask_raw(cli, path);
    if (ask(cli, "GET", path, NULL, &doc, &why) != ERR_OK)
        return cli_fail_why(&why);
    buf_init(&out, MIB(64));
    if (js_int(doc, "failures") == 0)
        buf_printf(&out, "Launch %lld has no failures so far.\n", (long long)js_int(doc, "launch"));
    else
        report_causes(&out, doc);
    json_array_foreach(js_obj(doc, "causes"), i, cause) put_cause(&out, &cli->out, (int)i + 1, cause);
    if (js_int(doc, "n_causes") > (int64_t)json_array_size(js_obj(doc, "causes")))
        buf_printf(&out, "\n  ... and %lld more causes\n",
                   (long long)js_int(doc, "n_causes") - (long long)json_array_size(js_obj(doc, "causes")));
    (void)fwrite(buf_str(&out), 1, out.len, stdout);
    buf_done(&out);
    json_decref(doc);
    return EXIT_PASSED;
}

/* ---- wrata compare ---- */

static void print_items(const struct cli *cli, const json_t *items)
{
    static const char *const heads[] = {"WHAT", "RUN", "FILE", "EXAMPLE"};
    const json_t *item;
    struct table t;
    size_t i;

    list_heads(&t, heads, ARRAY_LEN(heads));
    json_array_foreach(items, i, item)
    {
        table_cell(&t, js_text(item, "what"));
        if (js_int(item, "run") != 0)
            table_cellf(&t, "%lld", (long long)js_int(item, "run"));
        else
            table_cell(&t, "");
        table_cell(&t, js_text(item, "path"));
        table_cell(&t, js_text(item, "description"));
    }
    list_print(cli, &t);
}

int cmd_compare(struct cli *cli)
{
    char path[160];
    char page[32] = "";
    json_t *doc = NULL;
    json_t *items;
    struct why why;
    struct buf out;
    int64_t with = 0;
    int rc = of_launch(cli, "compare?limit=500", path, sizeof(path));

    if (rc != EXIT_PASSED)
        return rc;
    if (cli->o.with != NULL && parse_id("with", cli->o.with, &with, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (with > 0)
        (void)snprintf(page, sizeof(page), "&with=%lld", (long long)with);
    (void)strncat(path, page, sizeof(path) - strlen(path) - 1);
    if (ask(cli, "GET", path, NULL, &doc, &why) != ERR_OK)
        return cli_fail_why(&why);
    items = json_array();
    if (ask_all(cli, path, ask_collect, items, &why) != ERR_OK) {
        json_decref(doc);
        json_decref(items);
        return cli_fail_why(&why);
    }
    if (cli->o.json) {
        (void)json_object_set(doc, "items", items);
        (void)json_object_set_new(doc, "next", json_null());
        print_json(doc);
    } else {
        buf_init(&out, KIB(16));
        if (json_is_object(js_obj(doc, "with")))
            report_compared(&out, js_obj(doc, "counts"), js_int(js_obj(doc, "with"), "id"));
        text_escape(&out, js_text(doc, "why"));
        (void)puts(buf_str(&out));
        buf_done(&out);
        if (json_array_size(items) > 0)
            print_items(cli, items);
    }
    json_decref(items);
    json_decref(doc);
    return EXIT_PASSED;
}

/* ---- wrata flaky, wrata slowest: of a project ---- */

static enum err of_project(struct cli *cli, const char *what, struct buf *path, struct why *reterr)
{
    int64_t id;
    enum err err = ask_id_by_name(cli, API "/projects", "project", cli->args[0], &id, reterr);

    if (err != ERR_OK)
        return err;
    buf_printf(path, API "/projects/%lld/%s", (long long)id, what);
    if (cli->o.ref != NULL) {
        buf_puts(path, "&ref=");
        client_escape(path, cli->o.ref);
    }
    return ERR_OK;
}

/* The newest last, as one reads: "..F.F". */
static void strip_cell(struct table *t, const json_t *strip)
{
    char text[64];
    size_t n = json_array_size(strip);
    size_t at = 0;

    for (size_t i = n; i > 0 && at + 1 < sizeof(text); i--)
        text[at++] = json_is_true(js_obj(json_array_get(strip, i - 1), "passed")) ? '.' : 'F';
    text[at] = '\0';
    table_cell(t, text);
}

static void stability_row(struct table *t, const json_t *item)
{
    table_cell(t, js_text(item, "what"));
    strip_cell(t, js_obj(item, "strip"));
    table_cellf(t, "%.10s", js_text(js_obj(item, "flaky"), "commit"));
    table_cell(t, js_text(item, "path"));
    table_cell(t, js_text(item, "description"));
}

static int show(struct cli *cli, const char *what, const char *const *heads, size_t n_heads,
                void (*row)(struct table *t, const json_t *item), const char *empty)
{
    struct list_view v = {.heads = heads, .n_heads = n_heads, .row = row, .empty = empty};
    struct buf path;
    struct why why;
    int rc;

    buf_init(&path, KIB(16));
    if (of_project(cli, what, &path, &why) != ERR_OK) {
        buf_done(&path);
        return cli_fail_why(&why);
    }
    v.path = buf_str(&path);
    rc = list_show(cli, &v);
    buf_done(&path);
    return rc;
}

int cmd_flaky(struct cli *cli)
{
    static const char *const heads[] = {"WHAT", "RUNS", "COMMIT", "FILE", "EXAMPLE"};
    char what[96];

    (void)snprintf(what, sizeof(what), "stability?what=%s&days=%lld", cli->o.all ? "unstable" : "flaky",
                   (long long)cli->o.days);
    return show(cli, what, heads, ARRAY_LEN(heads), stability_row,
                "Nothing failed and passed on one commit.");
}

static void slow_row(struct table *t, const json_t *item)
{
    struct buf b;

    buf_init(&b, 256);
    text_duration(&b, (int64_t)json_number_value(js_obj(item, "duration_ms")));
    table_cell(t, buf_str(&b));
    buf_done(&b);
    table_cellf(t, "%lld", (long long)js_int(item, "run"));
    table_cell(t, js_text(item, "path"));
    table_cell(t, js_text(item, "description"));
}

int cmd_slowest(struct cli *cli)
{
    static const char *const heads[] = {"TIME", "LAST RUN", "FILE", "EXAMPLE"};
    char what[96];

    (void)snprintf(what, sizeof(what), "slowest?what=%s&limit=%lld", cli->o.examples ? "examples" : "files",
                   (long long)cli->o.limit);
    return show(cli, what, heads, ARRAY_LEN(heads), slow_row, "Nothing of this project has run yet.");
}
