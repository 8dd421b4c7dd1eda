/* cmd_choices.c - `wrata locations|browsers|languages`: what a launch may choose from. The command's own name is that of
 * the route. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "model/choice.h"
#include "wire/json_out.h"

static bool is_location(const struct cli *cli)
{
    return strcmp(cli->cmd->name, "locations") == 0;
}

/* "/api/v1/locations" and "location". */
static const char *list_path(const struct cli *cli, char *out, size_t size)
{
    (void)snprintf(out, size, API "/%s", cli->cmd->name);
    return out;
}

static const char *thing(const struct cli *cli, char *out, size_t size)
{
    (void)snprintf(out, size, "%.*s", (int)strlen(cli->cmd->name) - 1, cli->cmd->name);
    return out;
}

/* The path of the one called NAME, archived or not. */
static enum err path_of(struct cli *cli, char *out, size_t size, struct why *reterr)
{
    char what[32];
    char list[64];
    char all[80];
    int64_t id = 0;
    enum err err;

    (void)snprintf(all, sizeof(all), "%s?archived=1", list_path(cli, list, sizeof(list)));
    err = ask_id_by_name(cli, all, thing(cli, what, sizeof(what)), cli->args[1], &id, reterr);
    (void)snprintf(out, size, "%s/%lld", list, (long long)id);
    return err;
}

/* ---- list ---- */

static void print_row(const struct cli *cli, struct table *t, const json_t *row)
{
    bool is_archived = json_is_true(js_obj(row, "archived"));

    if (is_archived)
        table_cell(t, "archived");
    else
        table_cellf(t, "%lld", (long long)js_int(row, "position"));
    table_cell(t, js_text(row, "name"));
    if (is_location(cli)) {
        table_cell(t, js_text(row, "type"));
        table_cell(t, js_text(row, "url"));
        table_cell(t, js_text(row, "health_url"));
    }
    table_cell(t, json_is_true(js_obj(row, "preset")) ? "preset" : "");
}

static void print_own(struct table *t, const json_t *row)
{
    table_cell(t, "own");
    table_cell(t, "");
    table_cell(t, "custom");
    table_cell(t, js_text(row, "url"));
    table_cell(t, "");
    table_cell(t, "");
}

static int choices_list(struct cli *cli)
{
    static const char *const location_heads[] = {"PLACE", "NAME", "TYPE", "URL", "HEALTH", ""};
    static const char *const heads[] = {"PLACE", "NAME", ""};
    struct why why = {0};
    json_t *doc = NULL;
    const json_t *row;
    struct table t;
    char list[64];
    char path[80];
    size_t i;

    (void)snprintf(path, sizeof(path), "%s%s", list_path(cli, list, sizeof(list)),
                   cli->o.all ? "?archived=1" : "");
    if (cli->o.json)
        return ask_raw(cli, path);
    if (ask(cli, "GET", path, NULL, &doc, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (is_location(cli))
        list_heads(&t, location_heads, ARRAY_LEN(location_heads));
    else
        list_heads(&t, heads, ARRAY_LEN(heads));
    json_array_foreach(js_obj(doc, "items"), i, row)
    {
        print_row(cli, &t, row);
    }
    json_array_foreach(js_obj(doc, "own"), i, row)
    {
        print_own(&t, row);
    }
    list_print(cli, &t);
    json_decref(doc);
    return EXIT_PASSED;
}

/* ---- changes ---- */

static void put_text(struct json_out *j, const char *key, const char *value)
{
    if (value != NULL)
        jo_ktext(j, key, value);
}

/* With `name` when it is to be set. */
static int send_edit(struct cli *cli, const char *path, const char *name, const char *done)
{
    const struct cli_opts *o = &cli->o;
    struct json_out j;
    struct buf body;
    int rc;

    buf_init(&body, MIB(1));
    jo_begin(&j, &body);
    jo_obj(&j);
    put_text(&j, "name", name);
    put_text(&j, "type", o->type);
    put_text(&j, "url", o->target);
    put_text(&j, "health_url", o->health_url);
    if (o->position > 0)
        jo_kint(&j, "position", o->position);
    if (o->preset)
        jo_kbool(&j, "preset", true);
    if (o->archive || o->restore)
        jo_kbool(&j, "archived", o->archive);
    jo_obj_end(&j);
    rc = send_change(cli, "POST", path, buf_str(&body), done, cli->args[1]);
    buf_done(&body);
    return rc;
}

static int choices_add(struct cli *cli)
{
    char path[64];

    if (cli->o.rename != NULL || cli->o.archive || cli->o.restore)
        return cli_fail(EXIT_USAGE, "--rename, --archive and --restore are for `wrata %s edit`",
                        cli->cmd->name);
    return send_edit(cli, list_path(cli, path, sizeof(path)), cli->args[1], "is added");
}

static int choices_edit(struct cli *cli)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    char path[96];

    if (o->archive && o->restore)
        return cli_fail(EXIT_USAGE, "--archive and --restore exclude each other");
    if (o->rename == NULL && o->type == NULL && o->target == NULL && o->health_url == NULL &&
        o->position <= 0 && !o->preset && !o->archive && !o->restore)
        return cli_fail(EXIT_USAGE, "what is to change? `wrata help %s` shows the options", cli->cmd->name);
    if (path_of(cli, path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    return send_edit(cli, path, o->rename, "is changed");
}

static int choices_move(struct cli *cli)
{
    struct why why = {0};
    char path[96];
    int64_t place = 0;

    if (parse_id("place", cli->args[2], &place, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (place > CHOICES_MAX)
        return cli_fail(EXIT_USAGE, "place: %lld is more than %u", (long long)place, CHOICES_MAX);
    if (path_of(cli, path, sizeof(path), &why) != ERR_OK)
        return cli_fail_why(&why);
    cli->o.position = place;
    return send_edit(cli, path, NULL, "is moved");
}

static int choices_remove(struct cli *cli)
{
    struct why why = {0};
    json_t *answer = NULL;
    char path[96];

    if (path_of(cli, path, sizeof(path), &why) != ERR_OK ||
        ask(cli, "DELETE", path, NULL, &answer, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        print_json(answer);
    else
        say_out("%s %s", cli->args[1],
                json_is_true(js_obj(answer, "archived"))
                    ? "is archived: launches that used it keep it, new ones cannot"
                    : "is removed");
    json_decref(answer);
    return EXIT_PASSED;
}

/* ---- which ---- */

int cmd_choices(struct cli *cli)
{
    static const struct verb verbs[] = {{"list", 0, 0, choices_list},     {"add", 1, 1, choices_add},
                                        {"edit", 1, 1, choices_edit},     {"move", 2, 2, choices_move},
                                        {"remove", 1, 1, choices_remove}, {NULL, 0, 0, NULL}};

    return verbs_run(cli, verbs);
}
