/* cmd_audit.c - `wrata audit`: who did what, when, from where, and how it ended. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/verbs.h"
#include "wire/json_out.h"

static void add_text(struct buf *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(path, "&%s=", name);
    client_escape(path, value);
}

/* "?FIRST" and the filters that were given. */
static enum err make_path(struct cli *cli, const char *base, struct buf *path, struct why *reterr)
{
    const struct cli_opts *o = &cli->o;
    char from[JSON_TIME_BYTES];
    int64_t user = 0;
    enum err err = ERR_OK;

    if (o->user != NULL)
        err = ask_any_user_id(cli, o->user, &user, reterr);
    buf_puts(path, base);
    if (user > 0)
        buf_printf(path, "&user=%lld", (long long)user);
    add_text(path, "action", o->action);
    add_text(path, "object", o->object);
    if (o->since_ms > 0) {
        jo_time_text((struct wall){wall_now().ms - o->since_ms}, from);
        add_text(path, "from", from);
    }
    if (o->refused)
        buf_puts(path, "&refused=1");
    return err;
}

static void audit_row(struct table *t, const json_t *row)
{
    const char *at = js_text(row, "at");

    table_cellf(t, "%.10s %.8s", at, strlen(at) > 11 ? at + 11 : "");
    table_cell(t, js_text(row, "login"));
    table_cell(t, js_text(row, "via"));
    table_cell(t, js_text(row, "address"));
    table_cell(t, js_text(row, "action"));
    table_cell(t, js_text(row, "object"));
    if (js_int(row, "status") == 0)
        table_cell(t, "none: the server ended");
    else
        table_cellf(t, "%lld", (long long)js_int(row, "status"));
    table_cell(t, js_text(row, "detail"));
}

static int audit_list(struct cli *cli)
{
    static const char *const heads[] = {"TIME (UTC)", "WHO",    "BY",     "FROM",
                                        "ACTION",     "OBJECT", "ANSWER", "DETAIL"};
    struct list_view view = {
        .heads = heads,
        .n_heads = ARRAY_LEN(heads),
        .row = audit_row,
        .empty = "Nothing like that is in the audit log. It has every change that somebody asked for,\n"
                 "and every sign-in that was refused.",
        .max = (size_t)cli->o.limit};
    struct why why = {0};
    struct buf path;
    char base[64];
    int rc;

    (void)snprintf(base, sizeof(base), API "/audit?limit=%lld",
                   (long long)(cli->o.limit < 500 ? cli->o.limit : 500));
    buf_init(&path, MIB(2));
    if (make_path(cli, base, &path, &why) == ERR_OK) {
        view.path = buf_str(&path);
        rc = list_show(cli, &view);
    } else {
        rc = cli_fail_why(&why);
    }
    buf_done(&path);
    return rc;
}

int cmd_audit(struct cli *cli)
{
    struct buf path;
    struct why why = {0};
    char base[64];
    int rc;

    if (cli->o.export_as == NULL)
        return audit_list(cli);
    (void)snprintf(base, sizeof(base), API "/audit/export?format=%s", cli->o.export_as);
    buf_init(&path, MIB(2));
    rc = make_path(cli, base, &path, &why) == ERR_OK ? ask_raw(cli, buf_str(&path)) : cli_fail_why(&why);
    buf_done(&path);
    return rc;
}
