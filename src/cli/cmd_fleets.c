/* cmd_fleets.c - `wrata fleets`: where servers come from, what can be had there, and so many of it, please. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_private.h"
#include "cli/server_ops.h"
#include "cli/verbs.h"
#include "wire/json_out.h"

static void usd_cell(struct table *t, double usd, const char *none)
{
    if (usd > 0)
        table_cellf(t, "$%.2f", usd);
    else
        table_cell(t, none);
}

static void idle_cell(struct table *t, const json_t *f)
{
    long long ms = (long long)js_int(f, "idle_ms");

    if (!json_is_true(js_obj(f, "makes_machines")))
        table_cell(t, "");
    else if (ms == 0)
        table_cell(t, "never");
    else
        table_cellf(t, "%lldm", ms / 60000);
}

static void fleet_row(struct table *t, const json_t *f)
{
    bool makes = json_is_true(js_obj(f, "makes_machines"));

    table_cell(t, js_text(f, "name"));
    table_cell(t, js_text(f, "kind"));
    table_cell(t, json_is_true(js_obj(f, "booked_only")) ? "who booked" : "all");
    if (makes && js_int(f, "machines_max") > 0)
        table_cellf(t, "at most %lld", (long long)js_int(f, "machines_max"));
    else
        table_cell(t, makes ? "any number" : "");
    usd_cell(t, json_number_value(js_obj(f, "today_usd")), "");
    usd_cell(t, json_number_value(js_obj(f, "day_usd_max")), makes ? "any sum" : "");
    idle_cell(t, f);
    table_cell(t, js_text(f, "error"));
}

static int fleets_list(struct cli *cli)
{
    static const char *const heads[] = {"FLEET", "KIND",  "FOR",  "MACHINES",
                                        "TODAY", "A DAY", "IDLE", "ERROR"};
    const struct list_view view = {
        .path = API "/fleets", .heads = heads, .n_heads = ARRAY_LEN(heads), .row = fleet_row, .empty = NULL};

    return list_show(cli, &view);
}

/* What is JSON is that value: 3, true, ["fra1"], "3"; anything else is a text: fra1. */
static void put_value(struct json_out *j, const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    char *shown;

    if (v == NULL) {
        jo_text(j, text);
    } else {
        shown = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        jo_raw(j, shown, strlen(shown));
        free(shown);
    }
    json_decref(v);
}

/* NAME=VALUE, again and again, over what the fleet has. `had` may be NULL. */
static int put_options(struct cli *cli, struct json_out *j, const json_t *had)
{
    const struct text_list *all = &cli->o.options;
    const char *name;
    const json_t *v;
    size_t i;

    if (all->n == 0)
        return EXIT_PASSED;
    jo_kobj(j, "options");
    json_object_foreach((json_t *)(uintptr_t)had, name, v)
    {
        bool is_replaced = false;
        char *shown;

        for (i = 0; i < all->n; i++)
            is_replaced = is_replaced || (strncmp(all->items[i], name, strlen(name)) == 0 &&
                                          all->items[i][strlen(name)] == '=');
        if (is_replaced)
            continue;
        shown = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        jo_key(j, name);
        jo_raw(j, shown, strlen(shown));
        free(shown);
    }
    for (i = 0; i < all->n; i++) {
        const char *eq = strchr(all->items[i], '=');
        char key[64];

        if (eq == NULL || eq == all->items[i] || (size_t)(eq - all->items[i]) >= sizeof(key))
            return cli_fail(EXIT_USAGE, "--option %s: it is not NAME=VALUE", all->items[i]);
        (void)snprintf(key, sizeof(key), "%.*s", (int)(eq - all->items[i]), all->items[i]);
        if (eq[1] == '\0')
            continue; /* NAME= takes it away */
        jo_key(j, key);
        put_value(j, eq + 1);
    }
    jo_obj_end(j);
    return EXIT_PASSED;
}

static int put_rules(struct cli *cli, struct json_out *j)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    int64_t idle;

    if (o->idle != NULL) {
        if (idle_of(o->idle, &idle, &why) != ERR_OK || idle < 0)
            return cli_fail(EXIT_USAGE, "--idle %s: never, or a duration like 30m", o->idle);
        jo_kint(j, "idle_ms", idle);
    }
    if (o->machines_max >= 0)
        jo_kint(j, "machines_max", o->machines_max);
    if (o->day_usd != NULL)
        jo_ktext(j, "day_usd_max", o->day_usd);
    if (o->usd_per_hour != NULL)
        jo_ktext(j, "usd_per_hour", o->usd_per_hour);
    if (o->booked_only || o->share)
        jo_kbool(j, "booked_only", o->booked_only);
    return EXIT_PASSED;
}

static int send_fleet(struct cli *cli, const char *path, const json_t *had, const char *done)
{
    struct json_out j;
    struct buf body;
    int rc;

    buf_init(&body, MIB(1));
    jo_begin(&j, &body);
    jo_obj(&j);
    if (had == NULL)
        jo_ktext(&j, "name", cli->args[1]);
    else if (cli->o.rename != NULL)
        jo_ktext(&j, "name", cli->o.rename);
    if (had == NULL && cli->o.kind != NULL)
        jo_ktext(&j, "kind", cli->o.kind);
    rc = put_options(cli, &j, had != NULL ? js_obj(had, "options") : NULL);
    if (rc == EXIT_PASSED)
        rc = put_rules(cli, &j);
    jo_obj_end(&j);
    if (rc == EXIT_PASSED)
        rc = send_change(cli, "POST", path, buf_str(&body), done, cli->args[1]);
    buf_done(&body);
    return rc;
}

static int fleets_add(struct cli *cli)
{
    if (cli->o.kind == NULL)
        return cli_fail(EXIT_USAGE, "--kind is needed: digitalocean, command or fake");
    return send_fleet(cli, API "/fleets", NULL,
                      "is added; `wrata fleets catalog` shows what can be had there");
}

static enum err path_of(struct cli *cli, const char *tail, char *out, size_t size, struct why *reterr)
{
    return ask_path(cli, API "/fleets", "fleet", tail, out, size, reterr);
}

static int fleets_edit(struct cli *cli)
{
    struct why why = {0};
    json_t *had = NULL;
    char path[128];
    int rc;

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK ||
        ask(cli, "GET", path, NULL, &had, &why) != ERR_OK)
        return cli_fail_why(&why);
    rc = send_fleet(cli, path, had, "is changed");
    json_decref(had);
    return rc;
}

static int fleets_remove(struct cli *cli)
{
    struct why why = {0};
    char path[128];

    if (path_of(cli, "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_change(cli, "DELETE", path, NULL, "is removed", cli->args[1]);
}

static int fleets_catalog(struct cli *cli)
{
    static const char *const heads[] = {"SIZE", "AN HOUR", "CPUS", "MEMORY", "DISK", ""};
    struct why why = {0};
    json_t *c = NULL;
    const json_t *s;
    char path[128];
    struct table t;
    size_t i;

    if (path_of(cli, "/catalog", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        return ask_raw(cli, path);
    if (ask(cli, "GET", path, NULL, &c, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (js_text(c, "error")[0] != '\0')
        cli_note("it cannot be read just now: %s", js_text(c, "error"));
    list_heads(&t, heads, ARRAY_LEN(heads));
    json_array_foreach(js_obj(c, "sizes"), i, s)
    {
        table_cell(&t, js_text(s, "name"));
        if (json_is_number(js_obj(s, "usd_per_hour")))
            table_cellf(&t, "$%.5f", json_number_value(js_obj(s, "usd_per_hour")));
        else
            table_cell(&t, "?");
        table_cellf(&t, "%lld", (long long)js_int(s, "cpus"));
        table_cellf(&t, "%lld MiB", (long long)js_int(s, "memory_mib"));
        table_cellf(&t, "%lld GiB", (long long)js_int(s, "disk_gib"));
        table_cell(&t, json_is_true(js_obj(s, "available")) ? "" : "not to be had now");
    }
    list_print(cli, &t);
    json_decref(c);
    return EXIT_PASSED;
}

static int fleets_take(struct cli *cli)
{
    struct why why = {0};
    struct json_out j;
    struct buf body;
    json_t *answer = NULL;
    char path[128];
    int64_t count;
    int rc;

    if (parse_id("number of servers", cli->args[2], &count, &why) != ERR_OK ||
        path_of(cli, "/take", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    buf_init(&body, KIB(4));
    jo_begin(&j, &body);
    jo_obj(&j);
    jo_kint(&j, "count", count);
    if (cli->o.size != NULL)
        jo_ktext(&j, "size", cli->o.size);
    jo_obj_end(&j);
    if (ask(cli, "POST", path, buf_str(&body), &answer, &why) != ERR_OK)
        rc = cli_fail_why(&why);
    else
        rc = servers_wait(cli, answer, "booked");
    json_decref(answer);
    buf_done(&body);
    return rc;
}

static const struct verb verbs[] = {{"list", 0, 0, fleets_list},
                                    {"add", 1, 1, fleets_add},
                                    {"edit", 1, 1, fleets_edit},
                                    {"remove", 1, 1, fleets_remove},
                                    {"catalog", 1, 1, fleets_catalog},
                                    {"take", 2, 2, fleets_take},
                                    {NULL, 0, 0, NULL}};

int cmd_fleets(struct cli *cli)
{
    return verbs_run(cli, verbs);
}
