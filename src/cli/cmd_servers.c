/* cmd_servers.c - `wrata servers` and `wrata projects`: what there is, and changing it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_private.h"
#include "cli/server_ops.h"
#include "cli/verbs.h"
#include "model/pattern.h"
#include "wire/json_out.h"

/* ---- servers ---- */

/* Of a machine that is there, or was always: the connection. Else what becomes of the machine. */
static void status_cell(struct table *t, const json_t *s)
{
    const char *status = js_text(s, "status");
    const char *word = strcmp(status, "created") == 0 ? js_text(s, "link") : status;
    const char *more = js_text(s, "progress");

    if (strcmp(status, "destroyed") == 0)
        word = "off";
    if (strcmp(status, "created") != 0 && more[0] == '\0')
        more = js_text(s, "status_reason");
    if (strcmp(status, "created") == 0)
        more = strcmp(word, "online") != 0 ? js_text(s, "reason") : "";
    if (js_text(s, "sick")[0] != '\0') {
        word = "taken out";
        more = js_text(s, "sick");
    } else if (json_is_true(js_obj(s, "maintenance"))) {
        word = "maintenance";
    }
    table_cellf(t, "%s%s%.5s%s%s", word, js_time_ms(s, "destroys_at") != 0 ? ", goes at " : "",
                js_time_ms(s, "destroys_at") != 0 ? js_text(s, "destroys_at") + 11 : "",
                more[0] != '\0' ? ": " : "", more);
}

static void server_row(struct table *t, const json_t *s)
{
    const json_t *running = js_obj(s, "running");
    table_cell(t, js_text(s, "name"));
    table_cell(t, js_text(s, "fleet"));
    table_cellf(t, "%s%s%s", js_text(s, "user"), js_text(s, "user")[0] != '\0' ? "@" : "",
                js_text(s, "address"));
    table_cellf(t, "%lld", (long long)js_int(s, "slots"));
    if (json_is_number(js_obj(s, "usd_per_hour")))
        table_cellf(t, "$%.4f", json_number_value(js_obj(s, "usd_per_hour")));
    else
        table_cell(t, "");
    status_cell(t, s);
    table_cell(t, js_text(js_obj(s, "booked_by"), "login"));
    table_cellf(t, "%zu%s%s%s", json_array_size(running), json_array_size(running) > 0 ? ": " : "",
                js_text(json_array_get(running, 0), "path"),
                strcmp(js_text(json_array_get(running, 0), "state"), "preparing") == 0 ? " (prepared)" : "");
}

static int servers_list(struct cli *cli)
{
    static const char *const heads[] = {"SERVER",  "FLEET",  "ADDRESS", "SLOTS",
                                        "AN HOUR", "STATUS", "FOR",     "RUNNING"};
    const struct list_view view = {.path = API "/servers",
                                   .heads = heads,
                                   .n_heads = ARRAY_LEN(heads),
                                   .row = server_row,
                                   .empty =
                                       "No servers yet. This computer: wrata servers add local --slots 2\n"
                                       "Another one, by ssh: wrata servers add NAME --address HOST"};

    return list_show(cli, &view);
}

static int add_many(struct cli *cli, const char *body)
{
    struct why why = {0};
    json_t *answer = NULL;
    int rc;

    if (ask(cli, "POST", API "/servers/add_many", body, &answer, &why) != ERR_OK)
        return cli_fail_why(&why);
    rc = servers_say(cli, answer, "added");
    json_decref(answer);
    return rc;
}

/* The server's current folder is another one; a key of another computer is named as it is there. false: there is none here. */
static bool identity_read(const struct cli_opts *o, char out[PATH_MAX])
{
    if (o->identity == NULL || realpath(o->identity, out) != NULL)
        return true;
    (void)snprintf(out, PATH_MAX, "%s", o->identity);
    return o->url != NULL || o->identity[0] == '\0';
}

/* The way to it, as far as the options say it. */
static void put_way(const struct cli_opts *o, const char *identity, struct json_out *j)
{
    if (o->address != NULL)
        jo_ktext(j, "address", o->address);
    if (o->user != NULL)
        jo_ktext(j, "user", o->user);
    if (o->port > 0)
        jo_kint(j, "port", o->port);
    if (o->identity != NULL)
        jo_ktext(j, "identity", identity);
}

static int servers_add(struct cli *cli)
{
    const struct cli_opts *o = &cli->o;
    const char *fleet = o->fleet != NULL ? o->fleet : o->address != NULL ? "ssh" : "local";
    char identity[PATH_MAX];
    struct json_out j;
    struct buf body;
    int rc;

    if (strcmp(fleet, "ssh") == 0 && o->address == NULL)
        return cli_fail(EXIT_USAGE, "--address is needed: which host is %s?", cli->args[1]);
    if (strcmp(fleet, "local") == 0 &&
        (o->address != NULL || o->user != NULL || o->port > 0 || o->identity != NULL))
        return cli_fail(EXIT_USAGE, "a local server has no --address, --user, --port or --identity");
    if (!identity_read(o, identity))
        return cli_fail(EXIT_USAGE, "--identity: there is no file %s", o->identity);
    buf_init(&body, MIB(1));
    jo_begin(&j, &body);
    jo_obj(&j);
    jo_ktext(&j, "name", cli->args[1]);
    jo_ktext(&j, "fleet", fleet);
    put_way(o, identity, &j);
    jo_kint(&j, "slots", o->slots > 0 ? o->slots : 1);
    jo_obj_end(&j);
    if (pattern_is(cli->args[1])) {
        rc = add_many(cli, buf_str(&body));
    } else {
        bool is_there = strcmp(fleet, "local") == 0 || strcmp(fleet, "ssh") == 0;

        rc = send_change(cli, "POST", API "/servers", buf_str(&body),
                         is_there ? "is added; `wrata servers` shows its connection"
                                  : "is added; `wrata servers on` has its machine made",
                         cli->args[1]);
    }
    buf_done(&body);
    return rc;
}

static int servers_edit(struct cli *cli)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    char path[128];
    char identity[PATH_MAX];
    struct json_out j;
    struct buf body;
    int rc;

    if (o->rename == NULL && o->address == NULL && o->user == NULL && o->port <= 0 && o->identity == NULL &&
        o->slots <= 0)
        return cli_fail(EXIT_USAGE, "what is to change? `wrata help servers` shows the options");
    if (!identity_read(o, identity))
        return cli_fail(EXIT_USAGE, "--identity: there is no file %s", o->identity);
    if (ask_path(cli, API "/servers", "server", "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    buf_init(&body, KIB(16));
    jo_begin(&j, &body);
    jo_obj(&j);
    if (o->rename != NULL)
        jo_ktext(&j, "name", o->rename);
    put_way(o, identity, &j);
    if (o->slots > 0)
        jo_kint(&j, "slots", o->slots);
    jo_obj_end(&j);
    rc = send_change(cli, "POST", path, buf_str(&body), "is changed; `wrata servers` shows its connection",
                     cli->args[1]);
    buf_done(&body);
    return rc;
}

/* The path of what is called NAME: "/api/v1/servers/7SUFFIX". */
static int servers_remove(struct cli *cli)
{
    struct why why = {0};
    char path[128];
    char query[64];
    bool goes_later = strcmp(cli->o.machine, "destroy") == 0;

    (void)snprintf(query, sizeof(query), "?force=%d&machine=%s", cli->o.force, cli->o.machine);
    if (ask_path(cli, API "/servers", "server", query, path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_change(cli, "DELETE", path, NULL,
                       goes_later ? "is removed, with its machine when it has one" : "is removed",
                       cli->args[1]);
}

/* ---- projects ---- */

static void project_row(struct table *t, const json_t *p)
{
    table_cell(t, js_text(p, "name"));
    table_cell(t, js_text(p, "url"));
    table_cell(t, js_text(p, "refreshed_at")[0] != '\0' ? js_text(p, "refreshed_at") : "never");
    table_cell(t, js_text(p, "error"));
}

static int projects_list(struct cli *cli)
{
    static const char *const heads[] = {"PROJECT", "URL", "REFRESHED", "ERROR"};
    const struct list_view view = {.path = API "/projects",
                                   .heads = heads,
                                   .n_heads = ARRAY_LEN(heads),
                                   .row = project_row,
                                   .empty = "No projects yet. Add one: wrata projects add NAME URL\n"
                                            "Or run a folder of yours, which needs none: wrata run spec/"};

    return list_show(cli, &view);
}

/* What the options say, with `name` and `url` where they are not NULL. */
static int send_project(struct cli *cli, const char *path, const char *name, const char *url,
                        const char *done)
{
    struct json_out j;
    struct buf body;
    int rc;

    buf_init(&body, MIB(1));
    jo_begin(&j, &body);
    jo_obj(&j);
    if (name != NULL)
        jo_ktext(&j, "name", name);
    if (url != NULL)
        jo_ktext(&j, "url", url);
    if (cli->o.refresh_ms >= 0)
        jo_kint(&j, "refresh_s", (cli->o.refresh_ms + 999) / 1000);
    jo_obj_end(&j);
    rc = send_change(cli, "POST", path, buf_str(&body), done, cli->args[1]);
    buf_done(&body);
    return rc;
}

static int projects_add(struct cli *cli)
{
    return send_project(cli, API "/projects", cli->args[1], cli->args[2],
                        "is added; its branches are being fetched");
}

static int projects_edit(struct cli *cli)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    char path[128];

    if (o->rename == NULL && o->git == NULL && o->refresh_ms < 0)
        return cli_fail(EXIT_USAGE, "what is to change? `wrata help projects` shows the options");
    if (ask_path(cli, API "/projects", "project", "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_project(cli, path, o->rename, o->git, "is changed");
}

static int projects_refresh(struct cli *cli)
{
    struct why why = {0};
    char path[128];

    if (ask_path(cli, API "/projects", "project", "/refresh", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_change(cli, "POST", path, NULL, "is up to date", cli->args[1]);
}

static int projects_remove(struct cli *cli)
{
    struct why why = {0};
    char path[128];

    if (ask_path(cli, API "/projects", "project", "", path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_change(cli, "DELETE", path, NULL, "is removed; its history stays", cli->args[1]);
}

/* ---- which ---- */

static const struct verb server_verbs[] = {
    {"list", 0, 0, servers_list},     {"show", 1, 1, servers_show},
    {"add", 1, 1, servers_add},       {"edit", 1, 1, servers_edit},
    {"on", 1, -1, servers_on},        {"off", 1, -1, servers_off},
    {"book", 1, -1, servers_book},    {"unbook", 0, -1, servers_unbook},
    {"drain", 1, -1, servers_drain},  {"resume", 1, -1, servers_resume},
    {"idle", 2, -1, servers_idle},    {"set", 2, -1, servers_set},
    {"remove", 1, 1, servers_remove}, {NULL, 0, 0, NULL}};

static const struct verb project_verbs[] = {{"list", 0, 0, projects_list},
                                            {"add", 2, 2, projects_add},
                                            {"edit", 1, 1, projects_edit},
                                            {"refresh", 1, 1, projects_refresh},
                                            {"remove", 1, 1, projects_remove},
                                            {"config", 1, 1, say_project_config},
                                            {NULL, 0, 0, NULL}};

int cmd_servers(struct cli *cli)
{
    return verbs_run(cli, server_verbs);
}

int cmd_projects(struct cli *cli)
{
    return verbs_run(cli, project_verbs);
}

int cmd_openapi(struct cli *cli)
{
    return ask_raw(cli, API "/openapi.json");
}
