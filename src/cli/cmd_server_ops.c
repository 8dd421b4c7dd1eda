/* cmd_server_ops.c - `wrata servers on|off|book|unbook|drain|resume|idle|set`: one command for any number of servers, named one by one or by
 * a pattern; and what they answer. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli_private.h"
#include "cli/server_ops.h"
#include "cli/verbs.h"
#include "model/pattern.h"
#include "wire/json_out.h"

#define WAIT_STEP_MS 500

/* ---- which servers ---- */

struct named {
    const char *const *names;
    uint32_t n;
    int64_t *ids; /* 0: not found */
    json_t *all;  /* their names, for a suggestion */
};

static bool take_named(void *ctx, const json_t *item)
{
    struct named *w = ctx;

    for (uint32_t i = 0; i < w->n; i++) {
        if (strcmp(w->names[i], js_text(item, "name")) == 0)
            w->ids[i] = js_int(item, "id");
    }
    return true;
}

/* The ids of all that the arguments from the `first` on name, in their order, as a JSON array into j. */
static enum err put_ids(struct cli *cli, int first, struct json_out *j, struct why *reterr)
{
    struct named w = {0};
    struct arena a;
    const char **names;
    enum err err = ERR_OK;

    arena_init(&a);
    names = arena_alloc(&a, PATTERN_NAMES_MAX * sizeof(*names));
    for (int i = first; i < cli->n_args && err == ERR_OK; i++) {
        const char *const *some;
        uint32_t n;

        err = pattern_expand("NAME", cli->args[i], &a, &some, &n, reterr);
        if (err == ERR_OK && w.n + n > PATTERN_NAMES_MAX)
            err = why_set(reterr, ERR_INVALID, NULL, "more than %u servers at once", PATTERN_NAMES_MAX);
        for (uint32_t k = 0; err == ERR_OK && k < n; k++)
            names[w.n++] = some[k];
    }
    w.names = names;
    w.ids = arena_alloc(&a, (w.n + 1) * sizeof(*w.ids));
    if (err == ERR_OK)
        err = ask_all(cli, API "/servers", take_named, &w, reterr);
    jo_arr(j);
    for (uint32_t i = 0; i < w.n && err == ERR_OK; i++) {
        if (w.ids[i] == 0)
            err = why_set(reterr, ERR_NOTFOUND, NULL, "there is no server '%s'; `wrata servers` lists them",
                          w.names[i]);
        jo_int(j, w.ids[i]);
    }
    jo_arr_end(j);
    arena_done(&a);
    return err;
}

/* ---- what came of it ---- */

static void say_server(const json_t *s, struct table *t)
{
    const char *reason = js_text(s, "status_reason");
    const char *progress = js_text(s, "progress");

    table_cell(t, js_text(s, "name"));
    table_cell(t, js_text(s, "status"));
    table_cell(t, progress[0] != '\0' ? progress : reason);
}

int servers_say(struct cli *cli, json_t *answer, const char *done)
{
    static const char *const heads[] = {"SERVER", "STATUS", ""};
    const json_t *all = js_obj(answer, "servers");
    const json_t *s;
    struct table t;
    size_t i;

    if (cli->o.json) {
        print_json(answer);
        return EXIT_PASSED;
    }
    if (json_array_size(all) == 0) {
        (void)puts("Nothing to do: they are so already.");
        return EXIT_PASSED;
    }
    (void)printf("%zu server%s %s\n", json_array_size(all), json_array_size(all) == 1 ? "" : "s", done);
    list_heads(&t, heads, ARRAY_LEN(heads));
    json_array_foreach(all, i, s) say_server(s, &t);
    list_print(cli, &t);
    return EXIT_PASSED;
}

/* Until none of them is being created. How many are created then, and of the first that is not, why. */
static enum err wait_ready(struct cli *cli, const json_t *answer, size_t *ret_ready, char *why_not,
                           size_t size, struct why *reterr)
{
    const json_t *all = js_obj(answer, "servers");
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
    enum err err = ERR_OK;
    size_t was = SIZE_MAX;

    interrupts_watch();
    for (;;) {
        size_t creating = 0;
        size_t i;
        const json_t *s;

        *ret_ready = 0;
        json_array_foreach(all, i, s)
        {
            char path[64];
            json_t *now = NULL;

            (void)snprintf(path, sizeof(path), API "/servers/%lld", (long long)js_int(s, "id"));
            err = ask(cli, "GET", path, NULL, &now, reterr);
            if (err != ERR_OK)
                return err;
            creating += strcmp(js_text(now, "status"), "creating") == 0;
            *ret_ready += strcmp(js_text(now, "status"), "created") == 0;
            if (strcmp(js_text(now, "status"), "created") != 0 && why_not[0] == '\0')
                (void)snprintf(why_not, size, "%s is %s: %s", js_text(now, "name"), js_text(now, "status"),
                               js_text(now, "status_reason"));
            json_decref(now);
        }
        if (*ret_ready != was && !cli->o.json)
            cli_note("%zu of %zu ready", *ret_ready, json_array_size(all));
        was = *ret_ready;
        if (creating == 0 || interrupts > 0)
            return ERR_OK;
        why_not[0] = '\0';
        (void)nanosleep(&step, NULL);
    }
}

int servers_wait(struct cli *cli, json_t *answer, const char *done)
{
    char why_not[REASON_BYTES_MAX * 2] = "";
    struct why why = {0};
    size_t ready = 0;
    int rc = servers_say(cli, answer, done);

    if (rc != EXIT_PASSED || !cli->o.wait)
        return rc;
    if (wait_ready(cli, answer, &ready, why_not, sizeof(why_not), &why) != ERR_OK)
        return cli_fail_why(&why);
    if (interrupts > 0)
        return EXIT_FAILED;
    if (ready < json_array_size(js_obj(answer, "servers")))
        return cli_fail(EXIT_INFRA, "%s", why_not);
    return EXIT_PASSED;
}

/* ---- the verbs ---- */

/* POST what the servers from argument `first` on are to do. The body is open: more members may have been put. */
static int send_op(struct cli *cli, const char *op, int first, struct json_out *j, struct buf *body,
                   const char *done)
{
    char path[64];
    struct why why = {0};
    json_t *answer = NULL;
    int rc;

    if (first < cli->n_args) {
        jo_key(j, "servers");
        if (put_ids(cli, first, j, &why) != ERR_OK) {
            buf_done(body);
            return cli_fail_why(&why);
        }
    }
    jo_obj_end(j);
    (void)snprintf(path, sizeof(path), API "/servers/%s", op);
    if (ask(cli, "POST", path, buf_str(body), &answer, &why) != ERR_OK)
        rc = cli_fail_why(&why);
    else
        rc = servers_wait(cli, answer, done);
    json_decref(answer);
    buf_done(body);
    return rc;
}

static void body_begin(struct json_out *j, struct buf *body)
{
    buf_init(body, MIB(1));
    jo_begin(j, body);
    jo_obj(j);
}

int servers_on(struct cli *cli)
{
    struct json_out j;
    struct buf body;

    body_begin(&j, &body);
    if (cli->o.size != NULL)
        jo_ktext(&j, "size", cli->o.size);
    return send_op(cli, "power_on", 1, &j, &body, "switched on");
}

int servers_off(struct cli *cli)
{
    struct json_out j;
    struct buf body;

    body_begin(&j, &body);
    jo_kbool(&j, "force", cli->o.force);
    return send_op(cli, "power_off", 1, &j, &body, "switched off");
}

int servers_book(struct cli *cli)
{
    struct json_out j;
    struct buf body;

    body_begin(&j, &body);
    return send_op(cli, "book", 1, &j, &body, "booked");
}

int servers_unbook(struct cli *cli)
{
    struct json_out j;
    struct buf body;

    body_begin(&j, &body);
    return send_op(cli, "unbook", 1, &j, &body, "given back");
}

int servers_drain(struct cli *cli)
{
    struct json_out j;
    struct buf body;

    body_begin(&j, &body);
    return send_op(cli, "drain", 1, &j, &body, "in maintenance: what runs there ends, nothing more is given");
}

int servers_resume(struct cli *cli)
{
    struct json_out j;
    struct buf body;

    body_begin(&j, &body);
    return send_op(cli, "resume", 1, &j, &body, "may be used again");
}

/* "never", "fleet" or a duration. */
enum err idle_of(const char *word, int64_t *ret, struct why *reterr)
{
    *ret = strcmp(word, "never") == 0 ? 0 : -1;
    if (*ret == 0 || strcmp(word, "fleet") == 0)
        return ERR_OK;
    return duration_parse(word, ret, reterr);
}

int servers_idle(struct cli *cli)
{
    struct why why = {0};
    struct json_out j;
    struct buf body;
    int64_t ms;

    if (idle_of(cli->args[1], &ms, &why) != ERR_OK)
        return cli_fail(EXIT_USAGE, "after how much doing nothing? never, fleet, or %s", why.text);
    body_begin(&j, &body);
    jo_kint(&j, "idle_ms", ms);
    return send_op(cli, "idle", 2, &j, &body, "changed");
}

int servers_set(struct cli *cli)
{
    struct json_out j;
    struct buf body;

    body_begin(&j, &body);
    jo_ktext(&j, "status", cli->args[1]);
    if (cli->o.address != NULL)
        jo_ktext(&j, "address", cli->o.address);
    return send_op(cli, "status", 2, &j, &body, "set by hand");
}
