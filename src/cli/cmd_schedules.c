/* cmd_schedules.c - `wrata schedules`: lists that start by themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "net/client.h"
#include "wire/json_out.h"

static enum err path_of(struct cli *cli, const char *tail, char *out, size_t size, struct why *reterr)
{
    return ask_path(cli, API "/schedules", "schedule", tail, out, size, reterr);
}

/* ---- looking ---- */

/* "every 1 h 30 min", "weekly sun,wed 02:30" */
static void rule_cell(struct table *t, const json_t *s)
{
    const char *kind = js_text(s, "kind");
    struct buf b;

    buf_init(&b, KIB(4));
    buf_puts(&b, kind);
    if (strcmp(kind, "every") == 0)
        buf_printf(&b, " %lld h %lld min", (long long)js_int(s, "hours"), (long long)js_int(s, "minutes"));
    if (js_text(s, "days")[0] != '\0')
        buf_printf(&b, " %s", js_text(s, "days"));
    if (strcmp(kind, "cron") == 0)
        buf_printf(&b, " %s", js_text(s, "cron"));
    else if (strcmp(kind, "every") != 0)
        buf_printf(&b, " %s", js_text(s, "at"));
    table_cell(t, buf_str(&b));
    buf_done(&b);
}

static void last_cell(struct table *t, const json_t *last)
{
    if (!json_is_object(last))
        table_cell(t, "");
    else if (js_int(last, "launch") != 0)
        table_cellf(t, "launch %lld", (long long)js_int(last, "launch"));
    else
        table_cellf(t, "%s: %s", js_text(last, "result"), js_text(last, "text"));
}

/* In the zone of the account, with its offset: "2026-11-24 02:30 +01:00". */
static void local_cell(struct table *t, const json_t *o, const char *key, const char *none)
{
    const char *text = js_text(o, key);

    if (strlen(text) < 19)
        table_cell(t, none);
    else
        table_cellf(t, "%.10s %.5s %s", text, text + 11, text + 19);
}

static void schedule_row(struct table *t, const json_t *s)
{
    bool is_on = json_is_true(js_obj(s, "enabled"));

    table_cellf(t, "#%lld", (long long)js_int(s, "id"));
    table_cell(t, js_text(s, "name"));
    table_cell(t, js_text(js_obj(s, "list"), "name"));
    rule_cell(t, s);
    table_cell(t, js_text(s, "zone"));
    local_cell(t, s, "next_local", is_on ? "never again" : "disabled");
    if (js_text(s, "reason")[0] != '\0')
        table_cell(t, js_text(s, "reason"));
    else
        last_cell(t, js_obj(s, "last"));
}

static int schedules_list(struct cli *cli)
{
    static const char *const heads[] = {"SCHEDULE", "NAME", "LIST", "WHEN", "ZONE", "NEXT", "LAST"};
    const struct list_view view = {
        .path = cli->o.all ? API "/schedules?all=1" : API "/schedules",
        .heads = heads,
        .n_heads = ARRAY_LEN(heads),
        .row = schedule_row,
        .empty = "No schedules yet. To make one: wrata schedules add NAME --list LIST --daily 02:30"};

    return list_show(cli, &view);
}

static void start_row(struct table *t, const json_t *s)
{
    local_cell(t, s, "due_local", "");
    table_cellf(t, "%lld s", (long long)js_int(s, "late_ms") / 1000);
    table_cell(t, js_text(s, "result"));
    if (js_int(s, "launch") != 0)
        table_cellf(t, "%lld", (long long)js_int(s, "launch"));
    else
        table_cell(t, "");
    table_cell(t, js_text(s, "text"));
}

static int schedules_starts(struct cli *cli)
{
    static const char *const heads[] = {"DUE", "LATE", "RESULT", "LAUNCH", "WHY"};
    struct list_view view = {.heads = heads, .n_heads = ARRAY_LEN(heads), .row = start_row};
    struct why why = {0};
    char path[80];

    if (path_of(cli, "/starts", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    view.path = path;
    return list_show(cli, &view);
}

/* ---- the rule that the options say ---- */

struct said {
    const char *kind; /* NULL: none */
    const char *at;
    const char *days;
    const char *cron;
    int64_t minutes; /* -1: none */
};

static enum err said_by(const struct cli_opts *o, struct said *ret, struct why *reterr)
{
    int n =
        (o->once != NULL) + (o->daily != NULL) + (o->weekly != NULL) + (o->cron != NULL) + (o->every_ms >= 0);

    *ret = (struct said){.at = o->sched_at, .minutes = -1};
    if (n > 1)
        return why_set(reterr, ERR_INVALID, NULL,
                       "--once, --every, --daily, --weekly and --cron exclude each other");
    if ((o->once != NULL || o->daily != NULL) && o->sched_at != NULL)
        return why_set(reterr, ERR_INVALID, NULL,
                       "--at is for --weekly and --every; the time stands behind %s",
                       o->once != NULL ? "--once" : "--daily");
    if (o->once != NULL)
        *ret = (struct said){.kind = "once", .at = o->once, .minutes = -1};
    else if (o->daily != NULL)
        *ret = (struct said){.kind = "daily", .at = o->daily, .minutes = -1};
    else if (o->weekly != NULL)
        *ret = (struct said){.kind = "weekly", .at = o->sched_at, .days = o->weekly, .minutes = -1};
    else if (o->cron != NULL)
        *ret = (struct said){.kind = "cron", .cron = o->cron, .at = o->sched_at, .minutes = -1};
    else if (o->every_ms >= 0)
        *ret = (struct said){.kind = "every", .at = o->sched_at, .minutes = o->every_ms / 60000};
    if (o->every_ms >= 0 && o->every_ms % 60000 != 0)
        return why_set(reterr, ERR_INVALID, NULL, "--every counts whole minutes, like 90m or 1h30m");
    return ERR_OK;
}

static void put_text(struct json_out *j, const char *key, const char *value)
{
    if (value != NULL)
        jo_ktext(j, key, value);
}

/* LIST may be the name of an own list, or #ID. */
static enum err put_list(struct json_out *j, const char *list, struct why *reterr)
{
    int64_t id = 0;
    enum err err = ERR_OK;

    if (list == NULL)
        return ERR_OK;
    if (list[0] != '#') {
        jo_ktext(j, "list", list);
        return ERR_OK;
    }
    err = parse_id("list", list, &id, reterr);
    jo_kint(j, "list", id);
    return err;
}

/* What is booked for its launch. */
static void put_servers(struct json_out *j, const struct cli_opts *o)
{
    if (o->no_book || o->book > 0)
        jo_kint(j, "servers_book", o->no_book ? 0 : o->book);
    put_text(j, "servers_fleet", o->fleet);
    put_text(j, "servers_size", o->size);
}

static int send_schedule(struct cli *cli, const char *path, const char *name, int enabled, const char *done)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    struct json_out j;
    struct said said;
    struct buf body;
    enum err err = said_by(o, &said, &why);
    int rc;

    buf_init(&body, KIB(64));
    jo_begin(&j, &body);
    jo_obj(&j);
    put_text(&j, "name", name);
    if (err == ERR_OK)
        err = put_list(&j, o->list, &why);
    put_text(&j, "kind", said.kind);
    put_text(&j, "at", said.at);
    put_text(&j, "cron", said.cron);
    if (said.minutes >= 0)
        jo_kint(&j, "minutes", said.minutes);
    put_text(&j, "days", said.days);
    put_text(&j, "zone", o->zone);
    put_text(&j, "until", o->until);
    put_text(&j, "overlap", o->overlap);
    if (o->give_up_h > 0)
        jo_kint(&j, "give_up_h", o->give_up_h);
    put_servers(&j, o);
    if (enabled >= 0)
        jo_kbool(&j, "enabled", enabled == 1);
    jo_obj_end(&j);
    rc = err == ERR_OK ? send_change(cli, "POST", path, buf_str(&body), done, cli->args[1])
                       : cli_fail_why(&why);
    buf_done(&body);
    return rc;
}

static int schedules_add(struct cli *cli)
{
    return send_schedule(cli, API "/schedules", cli->args[1], -1, "is added");
}

static int change(struct cli *cli, const char *name, int enabled, const char *done)
{
    struct why why = {0};
    char path[80];

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_schedule(cli, path, name, enabled, done);
}

static int schedules_edit(struct cli *cli)
{
    return change(cli, cli->o.rename, -1, "is changed");
}

static int schedules_enable(struct cli *cli)
{
    return change(cli, NULL, 1, "is enabled");
}

static int schedules_disable(struct cli *cli)
{
    return change(cli, NULL, 0, "is disabled");
}

static int schedules_remove(struct cli *cli)
{
    struct why why = {0};
    char path[80];

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_change(cli, "DELETE", path, NULL, "is removed", cli->args[1]);
}

static int schedules_run_now(struct cli *cli)
{
    struct why why = {0};
    json_t *launch = NULL;
    char path[80];

    if (path_of(cli, "/run", path, sizeof(path), &why) != ERR_OK ||
        ask(cli, "POST", path, NULL, &launch, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        print_json(launch);
    else
        say_out("launch %lld: %lld files", (long long)js_int(launch, "id"),
                (long long)js_int(js_obj(launch, "tests"), "total"));
    json_decref(launch);
    return EXIT_PASSED;
}

/* ---- preview ---- */

static void query(struct buf *b, const char *key, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(b, "&%s=", key);
    client_escape(b, value);
}

static int schedules_preview(struct cli *cli)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    struct said said;
    json_t *page = NULL;
    const json_t *item;
    struct buf b;
    size_t i;
    enum err err = said_by(o, &said, &why);

    if (err == ERR_OK && said.kind == NULL)
        err = why_set(&why, ERR_INVALID, NULL,
                      "one of --once, --every, --daily, --weekly and --cron says when");
    buf_init(&b, KIB(16));
    buf_printf(&b, API "/schedules/preview?count=%lld", (long long)o->count);
    query(&b, "kind", said.kind);
    query(&b, "at", said.at);
    query(&b, "days", said.days);
    query(&b, "cron", said.cron);
    query(&b, "zone", o->zone);
    query(&b, "until", o->until);
    query(&b, "from", o->from_time);
    if (said.minutes >= 0)
        buf_printf(&b, "&minutes=%lld", (long long)said.minutes);
    if (err == ERR_OK)
        err = ask(cli, "GET", buf_str(&b), NULL, &page, &why);
    buf_done(&b);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        print_json(page);
    else
        json_array_foreach(js_obj(page, "items"), i, item)
        {
            say_out("%s", js_text(item, "local"));
        }
    json_decref(page);
    return EXIT_PASSED;
}

int cmd_schedules(struct cli *cli)
{
    static const struct verb verbs[] = {
        {"list", 0, 0, schedules_list},       {"add", 1, 1, schedules_add},
        {"edit", 1, 1, schedules_edit},       {"enable", 1, 1, schedules_enable},
        {"disable", 1, 1, schedules_disable}, {"remove", 1, 1, schedules_remove},
        {"starts", 1, 1, schedules_starts},   {"run-now", 1, 1, schedules_run_now},
        {"preview", 0, 0, schedules_preview}, {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}
