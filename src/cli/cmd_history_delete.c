/* cmd_history_delete.c - `wrata history kept`, `prune`, `delete`, `clear`: what is kept, and what goes. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/history.h"
#include "cli/verbs.h"
#include "wire/field.h"
#include "wire/json_out.h"

#define LOOK_MS 500

/* ---- what is kept ---- */

static void put_bytes(struct table *t, const json_t *o, const char *key)
{
    struct buf b;

    buf_init(&b, 64);
    text_bytes(&b, js_int(o, key));
    table_cell(t, json_is_null(js_obj(o, key)) ? "-" : buf_str(&b));
    buf_done(&b);
}

static void print_kept(const struct cli *cli, const json_t *doc, bool is_pruned)
{
    static const char *const heads[] = {"KIND",  "KEPT",   "AT MOST",   "THINGS",
                                        "TAKES", "OLDEST", "GOES NEXT", "GOES"};
    const json_t *k;
    struct table t;
    size_t i;

    list_heads(&t, heads, is_pruned ? 8 : 7);
    json_array_foreach(js_obj(doc, "kinds"), i, k)
    {
        table_cell(&t, js_text(k, "kind"));
        if (json_is_null(js_obj(k, "days")))
            table_cell(&t, "for ever");
        else
            table_cellf(&t, "%lld days", (long long)js_int(k, "days"));
        put_bytes(&t, k, "max_bytes");
        table_cellf(&t, "%lld", (long long)js_int(k, "items"));
        put_bytes(&t, k, "bytes");
        list_time(&t, k, "oldest_at", "-");
        list_time(&t, k, "goes_next", "-");
        if (is_pruned)
            table_cellf(&t, "%lld", (long long)js_int(k, "goes"));
    }
    list_print(cli, &t);
}

static void print_disk(const json_t *disk)
{
    struct buf b;

    buf_init(&b, KIB(4));
    buf_puts(&b, "\ndisk: ");
    text_bytes(&b, js_int(disk, "free"));
    buf_puts(&b, " of ");
    text_bytes(&b, js_int(disk, "total"));
    buf_puts(&b, " are free");
    if (js_text(disk, "why")[0] != '\0') {
        buf_puts(&b, "; ");
        text_escape(&b, js_text(disk, "why"));
    }
    (void)puts(buf_str(&b));
    buf_done(&b);
}

int history_kept(struct cli *cli)
{
    struct why why = {0};
    json_t *doc = NULL;

    if (cli->o.json)
        return ask_raw(cli, API "/retention");
    if (ask(cli, "GET", API "/retention", NULL, &doc, &why) != ERR_OK)
        return cli_fail_why(&why);
    print_kept(cli, doc, false);
    print_disk(js_obj(doc, "disk"));
    json_decref(doc);
    return EXIT_PASSED;
}

int history_prune(struct cli *cli)
{
    struct why why = {0};
    json_t *doc = NULL;

    if (ask(cli, "POST", API "/retention/prune", cli->o.dry_run ? "{\"dry_run\":true}" : "{}", &doc, &why) !=
        ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json) {
        print_json(doc);
    } else {
        print_kept(cli, doc, true);
        (void)puts(cli->o.dry_run ? "\nNothing was deleted."
                                  : "\nIt goes now, in small steps beside everything else.");
    }
    json_decref(doc);
    return EXIT_PASSED;
}

/* ---- jobs ---- */

static void say_job(const struct cli *cli, const json_t *job)
{
    if (cli->o.json)
        print_json(job);
    else
        say_out("job %lld is %s: %lld runs are gone%s%s", (long long)js_int(job, "id"), js_text(job, "state"),
                (long long)js_int(job, "done"), js_text(job, "error")[0] != '\0' ? "; " : "",
                js_text(job, "error"));
}

static void say_progress(const struct cli *cli, const json_t *job)
{
    if (cli->o.json || !cli->out.is_tty)
        return;
    (void)printf("\r%lld of %lld runs ", (long long)js_int(job, "done"), (long long)js_int(job, "total"));
    (void)fflush(stdout);
}

/* Until it is over. Takes the job. */
static int wait_for_job(struct cli *cli, json_t *job)
{
    struct why why = {0};
    enum err err = ERR_OK;
    char path[64];
    int rc;

    (void)snprintf(path, sizeof(path), API "/jobs/%lld", (long long)js_int(job, "id"));
    while (err == ERR_OK && strcmp(js_text(job, "state"), "running") == 0 && !cli->o.no_follow) {
        struct timespec ts = {.tv_nsec = LOOK_MS * 1000000L};

        (void)nanosleep(&ts, NULL);
        json_decref(job);
        job = NULL;
        err = ask(cli, "GET", path, NULL, &job, &why);
        if (err == ERR_OK)
            say_progress(cli, job);
    }
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (!cli->o.json && cli->out.is_tty)
        (void)printf("\r\x1b[K");
    say_job(cli, job);
    rc = strcmp(js_text(job, "state"), "failed") == 0 ? EXIT_INFRA : EXIT_PASSED;
    json_decref(job);
    return rc;
}

/* ---- delete ---- */

/* "run:12", or the number of a launch. */
static int delete_one(struct cli *cli, const char *text)
{
    bool is_run = strncmp(text, "run:", 4) == 0;
    struct why why = {0};
    json_t *answer = NULL;
    char path[64];
    int64_t id = 0;
    int rc = EXIT_PASSED;

    if (parse_id(is_run ? "run" : "launch", is_run ? text + 4 : text, &id, &why) != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, sizeof(path), API "/%s/%lld", is_run ? "runs" : "launches", (long long)id);
    if (ask(cli, "DELETE", path, NULL, &answer, &why) != ERR_OK)
        return cli_fail_why(&why);
    if (!json_is_null(js_obj(answer, "job")))
        rc = wait_for_job(cli, json_incref((json_t *)(uintptr_t)js_obj(answer, "job")));
    else if (cli->o.json)
        print_json(answer);
    else
        (void)printf("%s %lld is deleted: %lld runs, %lld launches\n", is_run ? "run" : "launch",
                     (long long)id, (long long)js_int(answer, "runs"), (long long)js_int(answer, "launches"));
    json_decref(answer);
    return rc;
}

int history_delete(struct cli *cli)
{
    int rc = EXIT_PASSED;

    for (int i = 1; i < cli->n_args && rc == EXIT_PASSED; i++)
        rc = delete_one(cli, cli->args[i]);
    return rc;
}

/* ---- clear ---- */

/* NAME=VALUE, as GET /runs has them: numbers are numbers. */
static enum err put_filter(struct json_out *j, const char *text, struct why *reterr)
{
    static const char *const numbers[] = {"launch", "server", "test", "user", "project"};
    const char *eq = strchr(text, '=');
    char name[32];
    int64_t id;

    if (eq == NULL || eq == text || (size_t)(eq - text) >= sizeof(name))
        return why_set(reterr, ERR_INVALID, NULL,
                       "'%.60s' is no filter: server=3, outcome=failed, until=2026-01-01", text);
    (void)snprintf(name, sizeof(name), "%.*s", (int)(eq - text), text);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strcmp(numbers[i], name) != 0)
            continue;
        if (parse_id(name, eq + 1, &id, reterr) != ERR_OK)
            return ERR_INVALID;
        jo_kint(j, name, id);
        return ERR_OK;
    }
    jo_ktext(j, name, eq + 1);
    return ERR_OK;
}

int history_clear(struct cli *cli)
{
    struct why why = {0};
    struct json_out j;
    struct arena arena;
    struct buf query;
    struct buf body;
    json_t *job = NULL;
    enum err err;

    arena_init(&arena);
    buf_init(&query, MIB(1));
    err = history_query(cli, &query, &why);
    if (err == ERR_OK && query.len == 0 && !cli->o.all) {
        buf_done(&query);
        return cli_fail(EXIT_USAGE,
                        "history clear: say what by filters such as --server NAME, or --all for all of it");
    }
    buf_init(&body, KIB(64));
    jo_begin(&j, &body);
    jo_obj(&j);
    for (const char *p = buf_str(&query); *p != '\0' && err == ERR_OK; p += strcspn(p + 1, "&") + 1)
        err = put_filter(&j, field_unescape(p + 1, strcspn(p + 1, "&"), false, &arena), &why);
    buf_done(&query);
    if (cli->o.all)
        jo_kbool(&j, "all", true);
    if (cli->o.everybody)
        jo_kbool(&j, "everybody", true);
    jo_obj_end(&j);
    if (err == ERR_OK)
        err = ask(cli, "POST", API "/history/clear", buf_str(&body), &job, &why);
    buf_done(&body);
    arena_done(&arena);
    return err == ERR_OK ? wait_for_job(cli, job) : cli_fail_why(&why);
}
