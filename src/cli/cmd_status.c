/* cmd_status.c - looking: `wrata status`, `launches`, `show`, and `stop`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/follow.h"
#include "cli/report.h"
#include "cli/run_private.h"

static void print(struct buf *out)
{
    (void)fwrite(buf_str(out), 1, out->len, stdout);
    buf_done(out);
}

static void print_table(struct cli *cli, struct table *t)
{
    struct buf out;

    buf_init(&out, MIB(256));
    table_print(t, &cli->out, &out);
    print(&out);
    table_done(t);
}

/* "5m 03s ago" */
static void age(const json_t *o, const char *key, char *out, size_t size)
{
    int64_t then = js_time_ms(o, key);
    struct buf b;

    buf_init(&b, 256);
    if (then > 0) {
        text_duration(&b, wall_now().ms > then ? wall_now().ms - then : 0);
        buf_puts(&b, " ago");
    }
    (void)snprintf(out, size, "%s", then > 0 ? buf_str(&b) : "-");
    buf_done(&b);
}

/* Only what is wrong with it. */
static void put_disk(struct buf *out, const json_t *disk)
{
    if (js_text(disk, "why")[0] == '\0')
        return;
    buf_puts(out, "disk       ");
    text_bytes(out, js_int(disk, "free"));
    buf_puts(out, " free: ");
    text_escape(out, js_text(disk, "why"));
    buf_putc(out, '\n');
}

int cmd_status(struct cli *cli)
{
    const json_t *servers;
    struct why why = {0};
    json_t *st = NULL;
    struct buf out;
    char since[64];

    if (cli->o.json)
        return ask_raw(cli, API "/status");
    if (ask(cli, "GET", API "/status", NULL, &st, &why) != ERR_OK)
        return cli_fail_why(&why);
    servers = js_obj(st, "servers");
    age(st, "started_at", since, sizeof(since));
    buf_init(&out, MIB(4));
    buf_printf(&out, "server     %s, version ", client_url(cli->client));
    text_escape(&out, js_text(st, "version"));
    buf_printf(&out, ", started %s\ndata       ", since);
    text_escape(&out, js_text(st, "data"));
    buf_printf(&out, "\nmachines   %lld, %lld online; %lld of %lld slots busy\n",
               (long long)js_int(servers, "total"), (long long)js_int(servers, "online"),
               (long long)js_int(servers, "busy"), (long long)js_int(servers, "slots"));
    buf_printf(&out, "launches   %lld running; %lld tests run, %lld wait\n",
               (long long)js_int(js_obj(st, "launches"), "running"),
               (long long)js_int(js_obj(st, "tests"), "running"),
               (long long)js_int(js_obj(st, "tests"), "waiting"));
    put_disk(&out, js_obj(st, "disk"));
    if (js_int(servers, "total") == 0)
        buf_puts(&out, "\nNo machine yet: add this computer with `wrata servers add local --slots 2`.\n");
    print(&out);
    json_decref(st);
    return EXIT_PASSED;
}

int cmd_launches(struct cli *cli)
{
    char path[64];
    struct why why = {0};
    json_t *page = NULL;
    const json_t *l;
    struct table t;
    size_t i;

    (void)snprintf(path, sizeof(path), API "/launches?limit=%lld", (long long)cli->o.limit);
    if (cli->o.json)
        return ask_raw(cli, path);
    if (ask(cli, "GET", path, NULL, &page, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (json_array_size(js_obj(page, "items")) == 0) {
        (void)puts("No launch yet. Start one: wrata run spec/");
        json_decref(page);
        return EXIT_PASSED;
    }
    table_init(&t, 7);
    for (i = 0; i < 7; i++) {
        static const char *const heads[] = {"LAUNCH",  "OUTCOME", "FILES", "NOT PASSED",
                                            "PROJECT", "STARTED", "NAME"};

        table_cell(&t, heads[i]);
    }
    json_array_foreach(js_obj(page, "items"), i, l)
    {
        const json_t *tests = js_obj(l, "tests");
        const struct look *look = look_of(outcome_parse(js_text(l, "outcome")));
        bool is_done = strcmp(js_text(l, "state"), "done") == 0;
        int64_t over = js_int(tests, "total") - js_int(tests, "waiting") - js_int(tests, "running");
        char since[64];

        age(l, "created_at", since, sizeof(since));
        table_cellf(&t, "%lld", (long long)js_int(l, "id"));
        if (is_done)
            table_cellf(&t, "%s %s", look_mark(look, &cli->out), look->word);
        else
            table_cell(&t, js_text(l, "state"));
        table_cellf(&t, "%lld/%lld", (long long)over, (long long)js_int(tests, "total"));
        table_cellf(&t, "%lld", (long long)(over - js_int(tests, "passed")));
        table_cell(&t, js_text(js_obj(l, "project"), "name"));
        table_cell(&t, since);
        table_cell(&t, js_text(l, "name"));
    }
    print_table(cli, &t);
    json_decref(page);
    return EXIT_PASSED;
}

/* ---- show ---- */

struct show {
    struct cli *cli;
};

static void on_finished(void *ctx, const struct view_test *test, const json_t *run)
{
    struct show *s = ctx;
    struct buf line;

    if (!s->cli->o.all && test->outcome == OUTCOME_PASSED)
        return;
    buf_init(&line, MIB(16));
    report_file(&line, &s->cli->out, test, run);
    print(&line);
}

static void on_lost(void *ctx, const json_t *run)
{
    (void)ctx;
    (void)run;
}

static void show_head(const struct cli *cli, const json_t *l)
{
    struct buf out;
    char since[64];

    age(l, "created_at", since, sizeof(since));
    buf_init(&out, MIB(8));
    buf_printf(&out, "launch %lld  ", (long long)js_int(l, "id"));
    text_escape(&out, js_text(l, "name"));
    buf_puts(&out, js_text(l, "name")[0] != '\0' ? "  " : "");
    text_escape(&out, js_text(js_obj(l, "project"), "name"));
    buf_printf(&out, " at %.12s, %s order, made %s: %s", js_text(l, "commit"), js_text(l, "order"), since,
               js_text(l, "state"));
    if (json_number_value(js_obj(l, "cost_usd")) > 0)
        buf_printf(&out, ", cost $%.4f", json_number_value(js_obj(l, "cost_usd")));
    buf_putc(&out, '\n');
    (void)cli;
    print(&out);
}

/* What is done before files begin, on which machine. */
static void put_prepared(struct buf *out, const struct view *v)
{
    const json_t *run;
    int64_t n = view_preparing(v, &run);

    if (n == 0)
        return;
    text_count(out, n, "is prepared", "are prepared");
    buf_puts(out, ": ");
    text_escape(out, js_text(run, "path"));
    buf_puts(out, " on ");
    text_escape(out, js_text(js_obj(run, "server"), "name"));
    buf_puts(out, ", ");
    text_escape(out, js_text(run, "reason"));
    buf_putc(out, '\n');
}

int cmd_show(struct cli *cli)
{
    struct show s = {cli};
    const struct view_hooks hooks = {on_finished, NULL, on_lost, NULL, &s};
    char path[64];
    struct why why = {0};
    json_t *launch = NULL;
    struct view *v;
    struct buf out;
    int64_t id = 0;
    int64_t end;
    enum err err = parse_id("launch", cli->args[0], &id, &why);

    (void)snprintf(path, sizeof(path), API "/launches/%lld", (long long)id);
    if (err == ERR_OK && cli->o.json)
        return ask_raw(cli, path);
    if (err == ERR_OK)
        err = ask(cli, "GET", path, NULL, &launch, &why);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    show_head(cli, launch);
    v = view_new(&hooks);
    err = follow_load(cli, v, id, &why);
    if (err != ERR_OK) {
        (void)cli_fail_why(&why);
    } else if (view_is_done(v)) {
        end = js_time_ms(view_launch(v), "ended_at");
        (void)run_report(cli, v, &(struct report_again){"wrata run ", ""},
                         end > 0 ? end - js_time_ms(view_launch(v), "created_at") : -1);
    } else {
        buf_init(&out, MIB(1));
        text_count(&out, js_int(js_obj(view_launch(v), "tests"), "running"), "file runs", "files run");
        buf_printf(&out, ", %lld wait\n", (long long)js_int(js_obj(view_launch(v), "tests"), "waiting"));
        put_prepared(&out, v);
        print(&out);
    }
    view_free(v);
    json_decref(launch);
    return err == ERR_OK ? EXIT_PASSED : err_exit(err);
}

/* ---- stop ---- */

int cmd_stop(struct cli *cli)
{
    const char *text = cli->args[0];
    bool is_run = strncmp(text, "run:", 4) == 0;
    struct why why = {0};
    json_t *answer = NULL;
    char path[64];
    int64_t id = 0;

    if (parse_id(is_run ? "run" : "launch", is_run ? text + 4 : text, &id, &why) != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, sizeof(path), API "/%s/%lld/stop", is_run ? "runs" : "launches", (long long)id);
    if (ask(cli, "POST", path, NULL, &answer, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json) {
        char *dump = json_dumps(answer, JSON_COMPACT);

        (void)puts(dump != NULL ? dump : "null");
        free(dump);
    } else {
        (void)printf("%s %lld: %s\n", is_run ? "run" : "launch", (long long)id, js_text(answer, "state"));
    }
    json_decref(answer);
    return EXIT_PASSED;
}
