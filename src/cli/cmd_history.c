/* cmd_history.c - `wrata history`: the runs that were, by any filters together, as a table or a file, and their logs. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/download.h"
#include "cli/history.h"
#include "cli/verbs.h"
#include "wire/json_out.h"

/* ---- the filters ---- */

static void add_name(struct buf *path, const char *name)
{
    buf_printf(path, "%c%s=", strchr(buf_str(path), '?') != NULL ? '&' : '?', name);
}

static void add_text(struct buf *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    add_name(path, name);
    client_escape(path, value);
}

static void add_id(struct buf *path, const char *name, int64_t id)
{
    if (id <= 0)
        return;
    add_name(path, name);
    buf_printf(path, "%lld", (long long)id);
}

/* A time as the server takes it, or how long ago: 2h, 7d. */
static void add_time(struct buf *path, const char *name, const char *text)
{
    char at[JSON_TIME_BYTES];
    struct why why;
    int64_t ms;

    if (text != NULL && strchr(text, '-') == NULL && duration_parse(text, &ms, &why) == ERR_OK) {
        jo_time_text((struct wall){wall_now().ms - ms}, at);
        text = at;
    }
    add_text(path, name, text);
}

/* What is called so now, or by its number what once was: '#12'. */
static enum err add_named(struct cli *cli, struct buf *path, const char *what, const char *list,
                          const char *name, struct why *reterr)
{
    int64_t id = 0;
    enum err err;

    if (name == NULL)
        return ERR_OK;
    err = name[0] == '#' ? parse_id(what, name, &id, reterr)
                         : ask_id_by_name(cli, list, what, name, &id, reterr);
    add_id(path, what, id);
    return err;
}

enum err history_query(struct cli *cli, struct buf *path, struct why *reterr)
{
    const struct cli_opts *o = &cli->o;
    int64_t id = 0;
    enum err err = ERR_OK;

    if (o->user != NULL)
        err = ask_any_user_id(cli, o->user, &id, reterr);
    add_id(path, "user", id);
    if (err == ERR_OK)
        err = add_named(cli, path, "project", API "/projects", o->project, reterr);
    if (err == ERR_OK)
        err = add_named(cli, path, "server", API "/servers", o->server, reterr);
    if (err == ERR_OK && o->launch != NULL) {
        err = parse_id("launch", o->launch, &id, reterr);
        add_id(path, "launch", id);
    }
    add_text(path, "outcome", o->outcome);
    add_text(path, "state", o->state);
    add_text(path, "file", o->file);
    add_text(path, "path", o->words);
    add_text(path, "ref", o->ref);
    add_text(path, "language", o->run_language);
    add_text(path, "browser", o->run_browser);
    add_time(path, "since", o->since);
    add_time(path, "until", o->until);
    return err;
}

/* ---- files ---- */

/* To --output, or to standard output. */
static int history_file(struct cli *cli, const char *base)
{
    const char *file = cli->o.output;
    struct why why = {0};
    struct buf path;
    struct buf size;
    int64_t bytes = 0;
    enum err err;

    interrupts_watch();
    client_cancel_by(cli->client, &interrupts);
    buf_init(&path, MIB(1));
    buf_puts(&path, base);
    err = history_query(cli, &path, &why);
    if (err == ERR_OK && file != NULL)
        err = download_file(cli, buf_str(&path), file, &bytes, &why);
    else if (err == ERR_OK)
        err = download_stream(cli, buf_str(&path), stdout, &why);
    buf_done(&path);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (file != NULL && !cli->o.json) {
        buf_init(&size, 64);
        text_bytes(&size, bytes);
        say_out("%s, %s", file, buf_str(&size));
        buf_done(&size);
    }
    return EXIT_PASSED;
}

/* ---- the list ---- */

static void run_row(struct table *t, const json_t *row)
{
    const char *outcome = js_text(row, "outcome");
    struct buf took;

    buf_init(&took, 64);
    if (json_is_integer(js_obj(row, "duration_ms")))
        text_duration(&took, js_int(row, "duration_ms"));
    table_cellf(t, "%lld", (long long)js_int(row, "id"));
    list_time(t, row, "created_at", "");
    table_cell(t, outcome[0] != '\0' ? outcome : js_text(row, "state"));
    table_cell(t, took.len > 0 ? buf_str(&took) : "-");
    table_cell(t, js_text(js_obj(row, "server"), "name"));
    table_cell(t, js_text(row, "login"));
    table_cell(t, js_text(row, "project_name"));
    table_cell(t, js_text(row, "ref"));
    table_cell(t, js_text(row, "path"));
    buf_done(&took);
}

static int history_list(struct cli *cli)
{
    static const char *const heads[] = {"RUN", "TIME (UTC)", "OUTCOME", "TOOK", "SERVER",
                                        "WHO", "PROJECT",    "REF",     "FILE"};
    struct list_view view = {.heads = heads,
                             .n_heads = ARRAY_LEN(heads),
                             .row = run_row,
                             .empty = "No run fits. `wrata launches` shows what was started last.",
                             .max = (size_t)cli->o.limit};
    struct why why = {0};
    struct buf path;
    int rc;

    if (cli->o.csv)
        return history_file(cli, API "/runs/export?format=csv");
    buf_init(&path, MIB(1));
    buf_printf(&path, API "/runs?limit=%lld", (long long)(cli->o.limit < 500 ? cli->o.limit : 500));
    if (history_query(cli, &path, &why) == ERR_OK) {
        view.path = buf_str(&path);
        rc = list_show(cli, &view);
    } else {
        rc = cli_fail_why(&why);
    }
    buf_done(&path);
    return rc;
}

/* ---- export, logs ---- */

static int history_export(struct cli *cli)
{
    char base[64];

    (void)snprintf(base, sizeof(base), API "/runs/export?format=%s", cli->o.format);
    return history_file(cli, base);
}

static int history_logs(struct cli *cli)
{
    if (cli->o.output == NULL)
        return cli_fail(EXIT_USAGE, "history logs: -o FILE.zip says where to");
    return history_file(cli, API "/runs/logs.zip");
}

int cmd_history(struct cli *cli)
{
    static const struct verb verbs[] = {
        {"list", 0, 0, history_list},   {"export", 0, 0, history_export},
        {"logs", 0, 0, history_logs},   {"kept", 0, 0, history_kept},
        {"prune", 0, 0, history_prune}, {"delete", 1, -1, history_delete},
        {"clear", 0, 0, history_clear}, {NULL, 0, 0, NULL},
    };

    return verbs_run(cli, verbs);
}
