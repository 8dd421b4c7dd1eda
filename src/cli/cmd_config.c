/* cmd_config.c - `wrata config`: the settings that a server would have, and what is wrong with them.
 *
 * It reads the file and the environment by itself, as `wrata serve` does: no server needs to run. */
#include <stdio.h>
#include <string.h>

#include "cli/cli_private.h"
#include "net/forwarded.h"
#include "wire/json_out.h"

static int wrong(const struct buf *problems)
{
    const char *p = buf_str(problems);

    while (*p != '\0') {
        size_t n = strcspn(p, "\n");

        (void)cli_fail(EXIT_USAGE, "%.*s", (int)n, p);
        p += n + (p[n] == '\n');
    }
    return EXIT_USAGE;
}

static void origin_text(const struct config *c, enum setting_id id, char *out, size_t size)
{
    switch (c->at[id].from) {
    case ORIGIN_DEFAULT:
        (void)snprintf(out, size, "default");
        break;
    case ORIGIN_FILE:
        (void)snprintf(out, size, "file, line %d", c->at[id].line);
        break;
    case ORIGIN_ENV:
        (void)snprintf(out, size, "%s", setting_rows[id].env);
        break;
    case ORIGIN_FLAG:
        (void)snprintf(out, size, "--%s", setting_rows[id].flag);
        break;
    }
}

static void show_json(const struct cli *cli, const struct config *c, struct buf *out)
{
    struct json_out j;

    jo_begin(&j, out);
    jo_obj(&j);
    jo_ktext(&j, "data", cli->data);
    jo_ktext(&j, "file", c->has_file ? c->file : "");
    jo_karr(&j, "settings");
    for (int i = 0; i < N_SETTINGS; i++) {
        char value[PATH_MAX];
        char origin[80];

        origin_text(c, (enum setting_id)i, origin, sizeof(origin));
        jo_obj(&j);
        jo_ktext(&j, "name", setting_rows[i].name);
        jo_ktext(&j, "value", config_text(c, (enum setting_id)i, value, sizeof(value)));
        jo_ktext(&j, "origin", origin);
        jo_obj_end(&j);
    }
    jo_arr_end(&j);
    jo_obj_end(&j);
    buf_putc(out, '\n');
}

/* As a file that could be read again: comments say where each value comes from. */
static void show_text(const struct cli *cli, const struct config *c, struct buf *out)
{
    buf_printf(out, "# data folder: %s\n# file: %s%s\n", cli->data, c->file,
               c->has_file ? "" : " (not there)");
    for (int i = 0; i < N_SETTINGS; i++) {
        char value[PATH_MAX];
        char origin[80];
        size_t from = out->len;

        origin_text(c, (enum setting_id)i, origin, sizeof(origin));
        (void)config_text(c, (enum setting_id)i, value, sizeof(value));
        if (setting_rows[i].kind <= SETTING_ADDRESS) {
            buf_printf(out, "%s: \"", setting_rows[i].name);
            for (const char *p = value; *p != '\0'; p++)
                buf_printf(out, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
            buf_putc(out, '"');
        } else {
            buf_printf(out, "%s: %s", setting_rows[i].name, value);
        }
        text_pad(out, out->len - from < 40 ? 40 - (int)(out->len - from) : 1);
        buf_printf(out, " # %s\n", origin);
    }
}

static int show(const struct cli *cli, const struct config *c)
{
    struct buf out;

    buf_init(&out, MIB(1));
    if (cli->o.json)
        show_json(cli, c, &out);
    else
        show_text(cli, c, &out);
    (void)fputs(buf_str(&out), stdout);
    buf_done(&out);
    return EXIT_PASSED;
}

static int markdown(void)
{
    struct buf out;

    buf_init(&out, MIB(1));
    config_markdown(&out);
    (void)fputs(buf_str(&out), stdout);
    buf_done(&out);
    return EXIT_PASSED;
}

/* What needs more than the table to be read. */
static bool check_values(const struct config *c, struct buf *problems)
{
    struct forwarded *trusted = NULL;
    struct why why = {0};

    if (strcmp(c->set.trusted_proxies, "none") != 0 &&
        forwarded_parse(c->set.trusted_proxies, &trusted, &why) != ERR_OK) {
        buf_printf(problems, "trusted_proxies: %s\n", why.text);
        return false;
    }
    forwarded_free(trusted);
    return true;
}

int cmd_config(struct cli *cli)
{
    const char *verb = cli->n_args > 0 ? cli->args[0] : "show";
    bool is_check = strcmp(verb, "check") == 0;
    struct config_sources sources = {.data = cli->data, .file = cli->o.config};
    struct config config;
    struct buf problems;
    int rc;

    if (cli->o.markdown)
        return markdown();
    if (!is_check && strcmp(verb, "show") != 0)
        return cli_fail(EXIT_USAGE, "`wrata config` does not know '%s'; it knows show and check", verb);
    if (!is_check && cli->n_args > 1)
        return cli_fail(EXIT_USAGE, "`wrata config show` takes no argument, but got '%s'", cli->args[1]);
    if (cli->n_args > 1) { /* this file, as it is: the environment does not mend it */
        sources.file = cli->args[1];
        sources.no_env = true;
    }
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    if (config_load(&sources, &config, &problems) != ERR_OK || !check_values(&config, &problems)) {
        rc = wrong(&problems);
    } else if (is_check) {
        (void)printf(config.has_file ? "%s is right\n" : "%s is not there: the defaults are used\n",
                     config.file);
        rc = EXIT_PASSED;
    } else {
        rc = show(cli, &config);
    }
    config_done(&config);
    buf_done(&problems);
    return rc;
}
