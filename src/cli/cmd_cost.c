/* cmd_cost.c - `wrata cost`: what machines cost today, now, and in a time, by day or for what. */
#include <stdio.h>
#include <string.h>

#include "cli/cli_private.h"
#include "cli/verbs.h"
#include "model/account.h"
#include "model/cost.h"
#include "wire/csv.h"

#define PAGE_MAX 500

/* ---- money ---- */

/* The sum as the server counts it: a double holds each up to some million dollars exactly enough. */
static int64_t nano_of(const json_t *o, const char *key)
{
    double usd = json_number_value(js_obj(o, key));

    return (int64_t)(usd * (double)NANOUSD_PER_USD + (usd < 0 ? -0.5 : 0.5));
}

/* "$12.35", and of less than ten dollars as many digits as tell something. */
static const char *usd_of(const json_t *o, const char *key, char out[COST_USD_BYTES])
{
    int64_t nano = nano_of(o, key);
    int digits = nano >= 10 * NANOUSD_PER_USD || nano == 0 ? 2 : nano >= NANOUSD_PER_USD / 100 ? 4 : 6;

    (void)snprintf(out, COST_USD_BYTES, "$%.*f", digits, (double)nano / (double)NANOUSD_PER_USD);
    return out;
}

static void usd_cell(struct table *t, const json_t *o, const char *key)
{
    char text[COST_USD_BYTES];

    table_cell(t, json_is_number(js_obj(o, key)) ? usd_of(o, key, text) : "");
}

static void hours_cell(struct table *t, const json_t *o, const char *key)
{
    long long s = (long long)js_int(o, key);

    if (json_is_integer(js_obj(o, key)))
        table_cellf(t, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        table_cell(t, "");
}

/* ---- what is asked for ---- */

static enum err make_path(struct cli *cli, int64_t limit, struct buf *path, struct why *reterr)
{
    const struct cli_opts *o = &cli->o;
    const char *const texts[][2] = {{"from", o->from_time}, {"to", o->to_time}};
    int64_t user = 0;
    enum err err = ERR_OK;

    if (o->user != NULL && strcmp(o->user, OPERATOR_LOGIN) == 0)
        user = (int64_t)OPERATOR_ID;
    else if (o->user != NULL)
        err = ask_user_id(cli, o->user, &user, reterr);
    buf_printf(path, API "/cost?by=%s&limit=%lld", o->by, (long long)limit);
    if (user > 0)
        buf_printf(path, "&user=%lld", (long long)user);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i][1] == NULL)
            continue;
        buf_printf(path, "&%s=", texts[i][0]);
        client_escape(path, texts[i][1]);
    }
    return err;
}

/* ---- for people ---- */

static void say_today(const json_t *doc)
{
    const json_t *today = js_obj(doc, "today");
    const json_t *now = js_obj(doc, "now");
    char usd[2][COST_USD_BYTES];
    struct buf out;

    buf_init(&out, KIB(4));
    buf_printf(&out, "today, %s (UTC)   %s", js_text(today, "day"), usd_of(today, "cost_usd", usd[0]));
    if (json_is_number(js_obj(today, "idle_usd")))
        buf_printf(&out, ": %s for runs, %s idle", usd_of(today, "runs_usd", usd[0]),
                   usd_of(today, "idle_usd", usd[1]));
    buf_puts(&out, "\nnow                       ");
    if (js_int(now, "machines") == 0)
        buf_puts(&out, "no machine is paid for\n");
    else
        buf_printf(&out, "%s an hour, %lld machine%s\n", usd_of(now, "usd_per_hour", usd[0]),
                   (long long)js_int(now, "machines"), js_int(now, "machines") == 1 ? "" : "s");
    (void)fwrite(out.data, 1, out.len, stdout);
    buf_done(&out);
}

static void say_total(const json_t *doc)
{
    const json_t *total = js_obj(doc, "total");
    char usd[3][COST_USD_BYTES];

    (void)printf("%s to %s  %s", js_text(doc, "from"), js_text(doc, "to"), usd_of(total, "cost_usd", usd[0]));
    if (json_is_number(js_obj(total, "idle_usd_per_day")))
        (void)printf(": %s for runs, %s idle (%lld %%), %s a day on average",
                     usd_of(total, "runs_usd", usd[0]), usd_of(total, "idle_usd", usd[1]),
                     (long long)js_int(total, "idle_percent"), usd_of(total, "idle_usd_per_day", usd[2]));
    (void)putchar('\n');
}

static void name_cell(struct table *t, const json_t *item, const char *by)
{
    long long id = (long long)js_int(item, "id");
    const char *name = js_text(item, "name");

    if (js_text(item, "day")[0] != '\0')
        table_cell(t, js_text(item, "day"));
    else if (strcmp(by, "launch") == 0)
        table_cellf(t, "%lld%s%s", id, name[0] != '\0' ? "  " : "", name);
    else if (name[0] != '\0')
        table_cell(t, name);
    else
        table_cellf(t, "#%lld, which is gone", id);
}

/* The columns that the items of this kind have. */
static void print_items(const struct cli *cli, const json_t *doc)
{
    static const struct {
        const char *by;
        const char *head;
        const char *of; /* NULL: they are of nothing */
        bool is_of_machines;
    } kinds[] = {
        {"day", "DAY (UTC)", NULL, true}, {"server", "SERVER", "FLEET", true},
        {"fleet", "FLEET", NULL, true},   {"launch", "LAUNCH", "USER", false},
        {"user", "USER", NULL, false},    {"schedule", "SCHEDULE", NULL, false},
    };
    const char *by = js_text(doc, "by");
    const json_t *item;
    struct table t;
    size_t k = 0;
    size_t i;
    bool has_idle;

    while (k + 1 < ARRAY_LEN(kinds) && strcmp(kinds[k].by, by) != 0)
        k++;
    has_idle = kinds[k].is_of_machines && json_is_number(js_obj(js_obj(doc, "total"), "idle_usd"));
    table_init(&t, (kinds[k].of != NULL ? 4u : 3u) + (has_idle ? 3u : 0u));
    table_cell(&t, kinds[k].head);
    if (kinds[k].of != NULL)
        table_cell(&t, kinds[k].of);
    table_cell(&t, "COST");
    if (has_idle) {
        table_cell(&t, "FOR RUNS");
        table_cell(&t, "IDLE");
        table_cell(&t, "PAID FOR");
    }
    table_cell(&t, "IN SLOTS");
    json_array_foreach(js_obj(doc, "items"), i, item)
    {
        name_cell(&t, item, by);
        if (kinds[k].of != NULL)
            table_cell(&t, js_text(item, "of"));
        usd_cell(&t, item, "cost_usd");
        if (has_idle) {
            usd_cell(&t, item, "runs_usd");
            usd_cell(&t, item, "idle_usd");
            hours_cell(&t, item, "machines_s");
        }
        hours_cell(&t, item, "runs_s");
    }
    list_print(cli, &t);
}

static int cost_show(struct cli *cli, const char *path)
{
    struct why why = {0};
    json_t *doc = NULL;

    if (ask(cli, "GET", path, NULL, &doc, &why) != ERR_OK)
        return cli_fail_why(&why);
    say_today(doc);
    say_total(doc);
    if (json_array_size(js_obj(doc, "items")) > 0) {
        (void)putchar('\n');
        print_items(cli, doc);
    }
    if (js_text(doc, "next")[0] != '\0')
        cli_note("there are more: --limit %d, or --csv for all", PAGE_MAX);
    json_decref(doc);
    return EXIT_PASSED;
}

/* ---- for spreadsheets ---- */

static void csv_usd(struct buf *out, const json_t *o, const char *key)
{
    char text[COST_USD_BYTES] = "";

    if (json_is_number(js_obj(o, key)))
        cost_usd_text(nano_of(o, key), text);
    buf_printf(out, ",%s", text);
}

static void csv_seconds(struct buf *out, const json_t *o, const char *key)
{
    buf_putc(out, ',');
    if (json_is_integer(js_obj(o, key)))
        buf_printf(out, "%lld", (long long)js_int(o, key));
}

static bool csv_row(void *ctx, const json_t *item)
{
    struct buf *out = ctx;

    buf_clear(out);
    buf_puts(out, js_text(item, "day"));
    buf_putc(out, ',');
    if (json_is_integer(js_obj(item, "id")))
        buf_printf(out, "%lld", (long long)js_int(item, "id"));
    buf_putc(out, ',');
    csv_text(out, js_text(item, "name"));
    buf_putc(out, ',');
    csv_text(out, js_text(item, "of"));
    csv_usd(out, item, "cost_usd");
    csv_usd(out, item, "runs_usd");
    csv_usd(out, item, "idle_usd");
    csv_seconds(out, item, "machines_s");
    csv_seconds(out, item, "runs_s");
    buf_puts(out, "\r\n");
    return fwrite(out->data, 1, out->len, stdout) == out->len;
}

static int cost_csv(struct cli *cli, const char *path)
{
    struct why why = {0};
    struct buf row;
    enum err err;

    (void)fputs("day,id,name,of,cost_usd,runs_usd,idle_usd,machines_s,runs_s\r\n", stdout);
    buf_init(&row, KIB(64));
    err = ask_all(cli, path, csv_row, &row, &why);
    buf_done(&row);
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}

int cmd_cost(struct cli *cli)
{
    struct why why = {0};
    struct buf path;
    int rc;

    if (cli->o.csv && cli->o.json)
        return cli_fail(EXIT_USAGE, "--csv and --json: one of them");
    buf_init(&path, KIB(16));
    if (make_path(cli, cli->o.csv ? PAGE_MAX : cli->o.limit, &path, &why) != ERR_OK)
        rc = cli_fail_why(&why);
    else if (cli->o.csv)
        rc = cost_csv(cli, buf_str(&path));
    else
        rc = cli->o.json ? ask_raw(cli, buf_str(&path)) : cost_show(cli, buf_str(&path));
    buf_done(&path);
    return rc;
}
