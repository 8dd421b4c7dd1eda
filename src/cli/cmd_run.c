/* cmd_run.c - `wrata run`: the arguments, the launch, its end.
 *
 * What can be wrong on this side is said before anything is sent: options, files that are not there, a file that
 * cannot be written. Steps that speak to the server are repeated when it went away before the launch was made: a
 * private server may end between our finding it and our asking. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/discover.h"
#include "cli/download.h"
#include "cli/follow.h"
#include "cli/run_private.h"
#include "model/rows.h"
#include "wire/json_out.h"

#define TRIES 3
#define BODY_BYTES_MAX MIB(512)

/* ---- arguments ---- */

static enum err check_env(const struct cli_opts *o, struct why *reterr)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    for (size_t i = 0; i < o->env.n; i++) {
        const char *line = o->env.items[i];
        size_t n = strspn(line, letters);

        if (n == 0 || line[n] != '=' || (line[0] >= '0' && line[0] <= '9'))
            return why_set(reterr, ERR_INVALID, "env", "--env: '%s' is not NAME=VALUE", line);
        if (strlen(line) > ENV_LINE_BYTES_MAX)
            return why_set(reterr, ERR_INVALID, "env", "--env: the value of %.*s is longer than %u bytes",
                           (int)n, line, ENV_LINE_BYTES_MAX);
    }
    if (o->env.n > LAUNCH_ENV_MAX)
        return why_set(reterr, ERR_LIMIT, "env", "--env: at most %u variables", LAUNCH_ENV_MAX);
    return ERR_OK;
}

static enum err check_options(const struct cli *cli, struct why *reterr)
{
    const struct cli_opts *o = &cli->o;

    if (cli->n_args == 0)
        return why_set(
            reterr, ERR_INVALID, "files",
            "which files? `wrata run spec/` runs every test below spec, `wrata run .` every test there is");
    if (o->project != NULL && o->dir != NULL)
        return why_set(reterr, ERR_INVALID, "dir", "--dir and --project exclude each other");
    if (o->ref != NULL && o->project == NULL)
        return why_set(reterr, ERR_INVALID, "ref", "--ref needs --project; a folder is taken as it is now");
    if (o->slots > 0 && o->servers != NULL)
        return why_set(reterr, ERR_INVALID, "slots", "--slots and --servers exclude each other");
    if (o->junit != NULL && o->dry_run)
        return why_set(reterr, ERR_INVALID, "junit",
                       "--junit and --dry-run exclude each other: nothing is run");
    if (o->artifacts_dir != NULL && (o->dry_run || o->no_follow))
        return why_set(reterr, ERR_INVALID, "artifacts-dir",
                       "--artifacts-dir needs the end of the launch; leave out --%s",
                       o->dry_run ? "dry-run" : "no-follow");
    if (o->junit != NULL && o->no_follow)
        return why_set(reterr, ERR_INVALID, "junit",
                       "--junit needs the end of the launch; leave out --no-follow");
    for (int i = 0; i < cli->n_args; i++) {
        struct buf b;

        buf_init(&b, MIB(1));
        text_escape(&b, cli->args[i]);
        if (utf8_whole(cli->args[i], strlen(cli->args[i])) != strlen(cli->args[i]) ||
            strstr(buf_str(&b), "\\x") != NULL || strpbrk(cli->args[i], "\n\r\t") != NULL) {
            (void)why_set(reterr, ERR_INVALID, "files",
                          "%s: a file name with control characters or bytes that are not"
                          " UTF-8 cannot be run; rename it",
                          buf_str(&b));
            buf_done(&b);
            return ERR_INVALID;
        }
        buf_done(&b);
    }
    return check_env(o, reterr);
}

/* The files as the server is to see them: for a folder from its root on, checked against the snapshot. */
static enum err name_files(const struct cli *cli, const struct snapshot *s, json_t *files, struct why *reterr)
{
    char cwd[PATH_MAX];
    char dir[PATH_MAX];
    struct why second;

    if (s == NULL) {
        for (int i = 0; i < cli->n_args; i++)
            json_array_append_new(files, json_string(cli->args[i]));
        return ERR_OK;
    }
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        return why_errno(reterr, ERR_INVALID, errno, "the current folder cannot be read");
    if (realpath(cli->o.dir != NULL ? cli->o.dir : ".", dir) == NULL)
        return why_errno(reterr, ERR_INVALID, errno, "--dir: %s", cli->o.dir);
    for (int i = 0; i < cli->n_args; i++) {
        char *path = NULL;
        enum err err = snapshot_path(s, cwd, cli->args[i], &path, reterr);

        /* with --dir also as seen from there */
        if (err != ERR_OK && cli->o.dir != NULL &&
            snapshot_path(s, dir, cli->args[i], &path, &second) == ERR_OK)
            err = ERR_OK;
        if (err != ERR_OK)
            return err;
        json_array_append_new(files, json_string(path));
        free(path);
    }
    return ERR_OK;
}

/* ---- the launch ---- */

/* Nothing when there are none: then the server's presets hold. */
static void put_texts(struct json_out *j, const char *key, const struct text_list *list)
{
    if (list->n == 0)
        return;
    jo_karr(j, key);
    for (size_t i = 0; i < list->n; i++)
        jo_text(j, list->items[i]);
    jo_arr_end(j);
}

/* Who waits for the end needs no letter about it. */
static const char *mail_of(const struct cli *cli)
{
    if (cli->o.mail != NULL)
        return cli->o.mail;
    return cli->o.no_follow ? "choice" : "never";
}

static void make_body(const struct cli *cli, const json_t *files, int64_t project, const json_t *servers,
                      const struct snapshot *s, struct buf *out)
{
    const struct cli_opts *o = &cli->o;
    struct json_out j;
    size_t i;
    const json_t *item;

    jo_begin(&j, out);
    jo_obj(&j);
    if (s != NULL)
        jo_kint(&j, "project", project);
    else
        jo_ktext(&j, "project", o->project);
    if (s != NULL || o->ref != NULL)
        jo_ktext(&j, "ref", s != NULL ? snapshot_commit(s) : o->ref);
    jo_karr(&j, "files");
    json_array_foreach(files, i, item)
    {
        jo_text(&j, json_string_value(item));
    }
    jo_arr_end(&j);
    jo_ktext(&j, "name", o->name != NULL ? o->name : "");
    jo_ktext(&j, "order", o->order);
    if (o->retries >= 0) /* else the server's */
        jo_kint(&j, "retries", o->retries);
    if (o->timeout_ms >= 0)
        jo_kint(&j, "time_limit_s", (o->timeout_ms + 999) / 1000);
    if (o->silence_ms >= 0)
        jo_kint(&j, "silence_limit_s", (o->silence_ms + 999) / 1000);
    if (o->per_server > 0)
        jo_kint(&j, "slots", o->per_server);
    if (servers != NULL) {
        jo_karr(&j, "servers");
        json_array_foreach(servers, i, item)
        {
            jo_text(&j, json_string_value(item));
        }
        jo_arr_end(&j);
    }
    jo_ktext(&j, "at", o->at);
    jo_ktext(&j, "mail", mail_of(cli));
    if (o->location != NULL)
        jo_ktext(&j, "location", o->location);
    put_texts(&j, "languages", &o->languages);
    put_texts(&j, "browsers", &o->browsers);
    put_texts(&j, "env", &o->env);
    put_texts(&j, "artifacts", &o->artifacts);
    jo_obj_end(&j);
}

/* Find the server, give it what it lacks, make the launch. ERR_BUSY: nobody there, nothing done. */
static enum err launch_once(struct cli *cli, struct snapshot *s, const json_t *files, json_t **ret,
                            struct why *reterr)
{
    json_t *servers = NULL;
    struct buf body;
    int64_t project = 0;
    enum err err;

    client_free(cli->client);
    cli->client = NULL;
    err = discovery_find(cli->discovery, &cli->client, reterr);
    if (err != ERR_OK)
        return err;
    client_cancel_by(cli->client, &interrupts);
    if (!cli->o.dry_run) /* it may add one */
        err = run_choose_servers(cli, &servers, reterr);
    if (err == ERR_OK && s != NULL)
        err = run_send(cli, s, &project, reterr);
    if (err == ERR_OK && interrupts != 0)
        err = why_set(reterr, ERR_TIMEOUT, NULL, "interrupted");
    if (err == ERR_OK) {
        client_cancel_by(cli->client, &interrupts_twice); /* from here on there may be a launch to stop */
        buf_init(&body, BODY_BYTES_MAX);
        make_body(cli, files, project, servers, s, &body);
        err = ask(cli, "POST", cli->o.dry_run ? API "/launches/plan" : API "/launches", buf_str(&body), ret,
                  reterr);
        buf_done(&body);
    }
    json_decref(servers);
    return err;
}

static enum err launch(struct cli *cli, struct snapshot *s, const json_t *files, json_t **ret,
                       struct why *reterr)
{
    enum err err = ERR_BUSY;

    for (int i = 0; i < TRIES && err == ERR_BUSY && interrupts == 0; i++)
        err = launch_once(cli, s, files, ret, reterr);
    if (interrupts != 0 && err != ERR_OK)
        return why_set(reterr, ERR_TIMEOUT, NULL, "interrupted");
    return err;
}

/* What stands in front of a path to run it again. Not --env: this line ends in the logs of a CI, and a value may be
 * a secret. */
static void again_command(const struct cli *cli, struct buf *out)
{
    const struct cli_opts *o = &cli->o;
    const struct {
        const char *option, *value;
    } kept[] = {{"--url", getenv("WRATA_URL") == NULL ? o->url : NULL},
                {"--project", o->project},
                {"--ref", o->ref},
                {"--dir", o->dir}};

    buf_puts(out, "wrata run ");
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (kept[i].value == NULL)
            continue;
        buf_printf(out, "%s ", kept[i].option);
        text_shell_word(out, kept[i].value);
        buf_putc(out, ' ');
    }
}

static void say_started(struct cli *cli, const json_t *launched, const struct snapshot *s)
{
    int64_t id = js_int(launched, "id");
    struct buf out;

    if (cli->o.json) {
        if (cli->o.no_follow) {
            char *text = json_dumps(launched, JSON_COMPACT);

            (void)printf("{\"event\":\"launch\",\"data\":%s}\n", text != NULL ? text : "null");
            free(text);
        }
        return;
    }
    buf_init(&out, KIB(64));
    buf_printf(&out, "launch %lld: ", (long long)id);
    text_count(&out, js_int(js_obj(launched, "tests"), "total"), "file", "files");
    buf_puts(&out, " of ");
    text_escape(&out, s != NULL ? snapshot_root(s) : js_text(js_obj(launched, "project"), "name"));
    if (s == NULL && js_text(launched, "ref")[0] != '\0') {
        buf_puts(&out, " at ");
        text_escape(&out, js_text(launched, "ref"));
    }
    buf_printf(&out, "  %s\n", client_url(cli->client));
    if (js_text(launched, "note")[0] != '\0') {
        buf_puts(&out, "note: ");
        text_escape(&out, js_text(launched, "note"));
        buf_putc(&out, '\n');
    }
    (void)fputs(buf_str(&out), stdout);
    (void)fflush(stdout);
    buf_done(&out);
}

/* Where the user is, as seen from the root of the project; with --dir from elsewhere, that folder. */
static void folder_within(const struct cli *cli, const struct snapshot *s, char *out, size_t size)
{
    const char *root = s != NULL ? snapshot_root(s) : NULL;
    size_t n = root != NULL ? strlen(root) : 0;
    char here[PATH_MAX];

    out[0] = '\0';
    if (root == NULL || getcwd(here, sizeof(here)) == NULL)
        return;
    if ((strncmp(here, root, n) != 0 || (here[n] != '/' && here[n] != '\0')) &&
        (cli->o.dir == NULL || realpath(cli->o.dir, here) == NULL))
        return;
    if (strncmp(here, root, n) == 0 && here[n] == '/')
        (void)snprintf(out, size, "%s", here + n + 1);
}

/* What the runs left, at the end. That it cannot be had is not the launch's fault. */
static int bring_artifacts(struct cli *cli, int64_t launch, int rc)
{
    struct download_of of = {.launch = launch};
    struct why why = {0};
    int64_t files = 0;
    int64_t bytes = 0;
    struct buf out;

    if (download_all(cli, &of, cli->o.artifacts_dir, &files, &bytes, &why) != ERR_OK) {
        (void)cli_fail_why(&why);
        return rc == EXIT_PASSED ? EXIT_INFRA : rc;
    }
    if (cli->o.json)
        return rc;
    buf_init(&out, KIB(64));
    buf_puts(&out, "artifacts: ");
    text_count(&out, files, "file", "files");
    buf_puts(&out, ", ");
    text_bytes(&out, bytes);
    buf_puts(&out, ", below ");
    text_escape(&out, cli->o.artifacts_dir);
    (void)puts(buf_str(&out));
    buf_done(&out);
    return rc;
}

static int follow_and_report(struct cli *cli, const json_t *launched, const struct snapshot *s,
                             struct junit_file **junit)
{
    const struct follow_opts opts = {js_int(launched, "id"), cli->o.json};
    const struct mono started = mono_now();
    struct view *v = NULL;
    struct why why = {0};
    char folder[PATH_MAX];
    struct buf command;
    enum err err = follow_launch(cli, &opts, &v, &why);
    int rc;

    if (err != ERR_OK && interrupts_twice != 0) {
        rc = cli_fail(EXIT_FAILED, "left while launch %lld was ending", (long long)opts.launch);
    } else if (err != ERR_OK) {
        rc = cli_fail(EXIT_INFRA, "launch %lld cannot be followed: %s", (long long)opts.launch, why.text);
    } else {
        buf_init(&command, MIB(16));
        again_command(cli, &command);
        folder_within(cli, s, folder, sizeof(folder));
        rc = run_report(cli, v, &(struct report_again){buf_str(&command), folder},
                        mono_ms_between(started, mono_now()));
        buf_done(&command);
        if (*junit != NULL) {
            err = run_junit(cli, v, *junit, &why);
            if (err == ERR_OK)
                err = junit_file_close(*junit, true, &why);
            else
                err = junit_file_close(*junit, false, NULL) == ERR_OK ? err : ERR_IO;
            *junit = NULL;
            if (err != ERR_OK) {
                (void)cli_fail_why(&why);
                rc = rc == EXIT_PASSED ? EXIT_INFRA : rc;
            }
        }
        if (cli->o.artifacts_dir != NULL)
            rc = bring_artifacts(cli, opts.launch, rc);
    }
    view_free(v);
    return rc;
}

int cmd_run(struct cli *cli)
{
    struct snapshot *s = NULL;
    struct junit_file *junit = NULL;
    json_t *files = json_array();
    json_t *launched = NULL;
    struct why why = {0};
    int rc = EXIT_PASSED;
    enum err err = check_options(cli, &why);

    interrupts_watch();
    if (err == ERR_OK && cli->o.junit != NULL)
        err = junit_file_open(cli->o.junit, &junit, &why);
    if (err == ERR_OK && cli->o.project == NULL)
        err = snapshot_take(cli->o.dir != NULL ? cli->o.dir : ".", cli->data, &s, &why);
    if (err == ERR_OK)
        err = name_files(cli, s, files, &why);
    if (err == ERR_OK)
        err = launch(cli, s, files, &launched, &why);
    if (err == ERR_OK && cli->o.dry_run) {
        run_say_plan(cli, launched);
    } else if (err == ERR_OK) {
        say_started(cli, launched, s);
        if (cli->o.no_follow)
            rc = EXIT_PASSED;
        else
            rc = follow_and_report(cli, launched, s, &junit);
    } else if (interrupts != 0) {
        rc = cli_fail(EXIT_FAILED, "interrupted before the launch was made");
    } else {
        rc = cli_fail_why(&why);
    }
    (void)!junit_file_close(junit, false, NULL);
    snapshot_free(s);
    json_decref(files);
    json_decref(launched);
    return rc;
}

/* "LAUNCH", or runs: all arguments begin with "run:". */
static enum err retest_request(struct cli *cli, struct buf *path, struct buf *body, struct why *reterr)
{
    const struct cli_opts *o = &cli->o;
    bool of_runs = strncmp(cli->args[0], "run:", 4) == 0;
    int64_t id = 0;
    enum err err = ERR_OK;

    if (!of_runs && cli->n_args > 1)
        return why_set(reterr, ERR_INVALID, NULL, "retest takes one LAUNCH, or runs: run:RUN...");
    if (o->all && o->failed_examples)
        return why_set(reterr, ERR_INVALID, "failed-examples",
                       "--all and --failed-examples exclude each other");
    if (of_runs && (o->all || o->failed_examples))
        return why_set(reterr, ERR_INVALID, o->all ? "all" : "failed-examples",
                       "--all and --failed-examples are of a launch; runs are run again as they are named");
    buf_puts(body, "{");
    for (int i = 0; i < cli->n_args && err == ERR_OK && of_runs; i++) {
        err = parse_id("run", strncmp(cli->args[i], "run:", 4) == 0 ? cli->args[i] + 4 : cli->args[i], &id,
                       reterr);
        buf_printf(body, "%s%lld", i == 0 ? "\"runs\":[" : ",", (long long)id);
    }
    if (of_runs) {
        buf_puts(path, API "/runs/retest");
        buf_puts(body, "],");
    } else {
        err = parse_id("launch", cli->args[0], &id, reterr);
        buf_printf(path, API "/launches/%lld/retest", (long long)id);
        buf_printf(body, "\"what\":\"%s\",",
                   o->all               ? "all"
                   : o->failed_examples ? "failed_examples"
                                        : "failed");
    }
    buf_printf(body, "\"fresh\":%s,\"mail\":\"%s\"}", o->fresh ? "true" : "false", mail_of(cli));
    return err;
}

int cmd_retest(struct cli *cli)
{
    struct junit_file *junit = NULL;
    struct why why = {0};
    json_t *launched = NULL;
    struct buf body;
    struct buf path;
    int rc = EXIT_PASSED;
    enum err err;

    interrupts_watch();
    buf_init(&body, MIB(1));
    buf_init(&path, KIB(1));
    err = retest_request(cli, &path, &body, &why);
    if (err == ERR_OK)
        err = ask(cli, "POST", buf_str(&path), buf_str(&body), &launched, &why);
    buf_done(&path);
    buf_done(&body);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    /* what the report offers to run again is of that project, and not of this folder */
    cli->o.project = js_text(js_obj(launched, "project"), "name");
    cli->o.ref = js_text(launched, "ref");
    say_started(cli, launched, NULL);
    if (!cli->o.no_follow)
        rc = follow_and_report(cli, launched, NULL, &junit);
    cli->o.project = cli->o.ref = NULL; /* they were the answer's */
    json_decref(launched);
    return rc;
}
