/* cmd_queue.c - `wrata queue`: the waiting tests of a user, in their order, and what can be done to it. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "wire/json_out.h"

#define PAGE_MAX 500 /* of the route */
#define LOOK_TRIES 5
#define BODY_BYTES_MAX MIB(8)

/* Whose: 0 the caller's own. */
static enum err owner(struct cli *cli, int64_t *ret, struct why *reterr)
{
    *ret = 0;
    return cli->o.user == NULL ? ERR_OK : ask_user_id(cli, cli->o.user, ret, reterr);
}

static enum err look_page(struct cli *cli, int64_t user, const char *cursor, int64_t limit, json_t **ret,
                          struct why *reterr)
{
    char path[160];
    int n = snprintf(path, sizeof(path), API "/queue?limit=%lld", (long long)limit);

    if (user != 0)
        n += snprintf(path + n, sizeof(path) - (size_t)n, "&user=%lld", (long long)user);
    if (cursor[0] != '\0')
        (void)snprintf(path + n, sizeof(path) - (size_t)n, "&cursor=%.40s", cursor);
    return ask(cli, "GET", path, NULL, ret, reterr);
}

/* ---- list ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first --limit tests as one answer. ERR_CONFLICT: the queue changed between two pages. */
static enum err look_once(struct cli *cli, int64_t user, json_t **ret, struct why *reterr)
{
    json_t *all = NULL;
    json_t *page = NULL;
    char cursor[41] = "";
    int64_t left = cli->o.limit;
    enum err err;

    do {
        err = look_page(cli, user, cursor, least(left, PAGE_MAX), &page, reterr);
        if (err != ERR_OK)
            break;
        if (all == NULL) {
            all = json_incref(page);
        } else if (js_int(page, "version") != js_int(all, "version")) {
            err = why_set(reterr, ERR_CONFLICT, NULL,
                          "the queue changes faster than it can be read; try again");
        } else {
            (void)json_array_extend(json_object_get(all, "items"), json_object_get(page, "items"));
            (void)json_object_set(all, "next", json_object_get(page, "next"));
        }
        left = cli->o.limit - (int64_t)json_array_size(js_obj(all, "items"));
        (void)snprintf(cursor, sizeof(cursor), "%s", js_text(page, "next"));
        json_decref(page);
    } while (err == ERR_OK && left > 0 && cursor[0] != '\0');
    if (err == ERR_OK)
        *ret = all;
    else
        json_decref(all);
    return err;
}

static void print_item(struct table *t, const json_t *item)
{
    struct buf b;

    table_cellf(t, "%lld", (long long)js_int(item, "id"));
    table_cell(t, js_text(item, "path"));
    table_cell(t, js_text(item, "language"));
    table_cell(t, js_text(item, "browser"));
    table_cell(t, js_text(item, "location"));
    table_cellf(t, "%lld", (long long)js_int(js_obj(item, "launch"), "id"));
    buf_init(&b, KIB(4));
    if (json_is_integer(js_obj(item, "starts_in_ms")))
        text_duration(&b, js_int(item, "starts_in_ms"));
    table_cell(t, buf_str(&b));
    buf_done(&b);
    table_cell(t, js_text(item, "why"));
}

static void print_undos(const struct cli *cli, const json_t *doc)
{
    size_t i;
    const json_t *u;

    json_array_foreach(js_obj(doc, "undos"), i, u)
    {
        struct buf n;

        buf_init(&n, KIB(4));
        text_count(&n, js_int(u, "tests"), "test", "tests");
        say_out("%s out of the queue by %s, until %.8s UTC: `wrata queue undo %lld%s%s`", buf_str(&n),
                js_text(u, "by"), js_text(u, "until") + 11, (long long)js_int(u, "id"),
                cli->o.user != NULL ? " --user " : "", cli->o.user != NULL ? cli->o.user : "");
        buf_done(&n);
    }
}

/* "Paused by mira since 10:50:00 UTC: ..." */
static void print_paused(const struct cli *cli, const json_t *doc)
{
    const json_t *paused = js_obj(doc, "paused");
    const char *at = js_text(paused, "at");

    if (!json_is_object(paused))
        return;
    say_out("Paused by %s since %.10s %.8s UTC: nothing new starts until `wrata queue resume%s%s`.",
            js_text(paused, "by"), at, strlen(at) > 18 ? at + 11 : "", cli->o.user != NULL ? " --user " : "",
            cli->o.user != NULL ? cli->o.user : "");
}

static void print_queue(const struct cli *cli, const json_t *doc)
{
    static const char *const heads[] = {"ID",       "FILE",   "LANGUAGE",  "BROWSER",
                                        "LOCATION", "LAUNCH", "STARTS IN", "WHY"};
    int64_t waiting = js_int(doc, "waiting");
    size_t n = json_array_size(js_obj(doc, "items"));
    const json_t *item;
    struct table t;
    size_t i;

    print_paused(cli, doc);
    if (n == 0) {
        say_out("Nothing waits in %s%s.", cli->o.user != NULL ? "the queue of " : "your queue",
                cli->o.user != NULL ? cli->o.user : "");
    } else {
        list_heads(&t, heads, ARRAY_LEN(heads));
        json_array_foreach(js_obj(doc, "items"), i, item)
        {
            print_item(&t, item);
        }
        list_print(cli, &t);
        if ((int64_t)n < waiting)
            say_out("%lld of %lld; --limit N shows more", (long long)n, (long long)waiting);
    }
    print_undos(cli, doc);
}

static int queue_list(struct cli *cli)
{
    struct why why = {0};
    json_t *doc = NULL;
    int64_t user;
    enum err err = owner(cli, &user, &why);

    if (err == ERR_OK) {
        err = ERR_CONFLICT;
        for (int i = 0; i < LOOK_TRIES && err == ERR_CONFLICT; i++)
            err = look_once(cli, user, &doc, &why);
    }
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (cli->o.json)
        print_json(doc);
    else
        print_queue(cli, doc);
    json_decref(doc);
    return EXIT_PASSED;
}

/* ---- changes ---- */

/* A change being made: its body is open until send(). */
struct edit {
    struct cli *cli;
    const char *what; /* the last part of the route */
    const char *done; /* "3 tests DONE" */
    json_t **ret; /* not NULL: the answer goes there instead of being said; --json prints it all the same */
    int64_t user;
    struct buf body;
    struct json_out j;
};

static enum err edit_begin(struct edit *ed, struct cli *cli, const char *what, const char *done,
                           struct why *reterr)
{
    enum err err;

    *ed = (struct edit){.cli = cli, .what = what, .done = done};
    buf_init(&ed->body, BODY_BYTES_MAX);
    err = owner(cli, &ed->user, reterr);
    jo_begin(&ed->j, &ed->body);
    jo_obj(&ed->j);
    if (ed->user != 0)
        jo_kint(&ed->j, "user", ed->user);
    if (cli->o.if_version > 0)
        jo_kint(&ed->j, "version", cli->o.if_version);
    return err;
}

static enum err edit_tests(struct edit *ed, struct why *reterr)
{
    enum err err = ERR_OK;
    int64_t id = 0;

    jo_karr(&ed->j, "tests");
    for (int i = 1; i < ed->cli->n_args && err == ERR_OK; i++) {
        err = parse_id("test", ed->cli->args[i], &id, reterr);
        jo_int(&ed->j, id);
    }
    jo_arr_end(&ed->j);
    return err;
}

/* How it is undone, and until when: the queue itself knows. */
static void say_undo(const struct edit *ed, int64_t undo)
{
    struct why ignored;
    json_t *doc = NULL;
    const json_t *u;
    const char *until = "";
    size_t i;

    if (look_page(ed->cli, ed->user, "", 1, &doc, &ignored) == ERR_OK) {
        json_array_foreach(js_obj(doc, "undos"), i, u)
        {
            if (js_int(u, "id") == undo)
                until = js_text(u, "until");
        }
    }
    if (strlen(until) > 18)
        say_out("Until %.8s UTC they can be put back: wrata queue undo %lld%s%s", until + 11, (long long)undo,
                ed->cli->o.user != NULL ? " --user " : "", ed->cli->o.user != NULL ? ed->cli->o.user : "");
    json_decref(doc);
}

static void say_done(const struct edit *ed, const json_t *answer)
{
    int64_t passed = js_int(answer, "passed_over");
    struct buf b;

    buf_init(&b, KIB(4));
    text_count(&b, js_int(answer, "done"), "test", "tests");
    buf_printf(&b, " %s, ", ed->done);
    text_count(&b, js_int(answer, "waiting"), "waits", "wait");
    if (passed > 0) {
        buf_puts(&b, "; ");
        text_count(&b, passed, "does not wait there any more", "do not wait there any more");
    }
    say_out("%s", buf_str(&b));
    buf_done(&b);
    if (js_int(answer, "undo") > 0)
        say_undo(ed, js_int(answer, "undo"));
}

/* Send it, say what it did, and free it; with an error of the steps before only the last. */
static int edit_send(struct edit *ed, enum err err, struct why *why)
{
    json_t *answer = NULL;
    char path[64];

    (void)snprintf(path, sizeof(path), API "/queue/%s", ed->what);
    jo_obj_end(&ed->j);
    if (err == ERR_OK)
        err = ask(ed->cli, "POST", path, buf_str(&ed->body), &answer, why);
    if (err == ERR_OK && ed->cli->o.json)
        print_json(answer);
    else if (err == ERR_OK && ed->ret != NULL)
        *ed->ret = json_incref(answer);
    else if (err == ERR_OK)
        say_done(ed, answer);
    json_decref(answer);
    buf_done(&ed->body);
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(why);
}

static int queue_move(struct cli *cli)
{
    const struct cli_opts *o = &cli->o;
    struct why why = {0};
    struct edit ed;
    int64_t before = 0;
    enum err err;

    if ((o->before != NULL) + o->front + o->end != 1)
        return cli_fail(EXIT_USAGE, "where to? say one of --before ID, --front and --end");
    err = edit_begin(&ed, cli, "move", "moved", &why);
    if (err == ERR_OK)
        err = edit_tests(&ed, &why);
    if (err == ERR_OK && o->before != NULL)
        err = parse_id("--before", o->before, &before, &why);
    if (before != 0)
        jo_kint(&ed.j, "before", before);
    else
        jo_ktext(&ed.j, "to", o->front ? "front" : "end");
    return edit_send(&ed, err, &why);
}

static int queue_delete(struct cli *cli)
{
    struct why why = {0};
    struct edit ed;
    enum err err = edit_begin(&ed, cli, "delete", "taken out of the queue", &why);

    if (err == ERR_OK)
        err = edit_tests(&ed, &why);
    return edit_send(&ed, err, &why);
}

static int change_all(struct cli *cli, const char *what, const char *done)
{
    struct why why = {0};
    struct edit ed;
    enum err err = edit_begin(&ed, cli, what, done, &why);

    return edit_send(&ed, err, &why);
}

static int queue_clear(struct cli *cli)
{
    return change_all(cli, "clear", "taken out of the queue");
}

static int queue_shuffle(struct cli *cli)
{
    return change_all(cli, "shuffle", "shuffled");
}

static int queue_dedupe(struct cli *cli)
{
    return change_all(cli, "dedupe", "taken out as duplicates");
}

static int queue_sort(struct cli *cli)
{
    return change_all(cli, "sort", "sorted, the longest first");
}

static int queue_undo(struct cli *cli)
{
    struct why why = {0};
    struct edit ed;
    int64_t undo = 0;
    enum err err = edit_begin(&ed, cli, "undo", "put back", &why);

    if (err == ERR_OK && cli->n_args > 1)
        err = parse_id("undo", cli->args[1], &undo, &why);
    if (undo != 0)
        jo_kint(&ed.j, "undo", undo);
    return edit_send(&ed, err, &why);
}

/* What it is now is said, whoever made it so. */
static int pause_or_resume(struct cli *cli, const char *what)
{
    struct why why = {0};
    struct edit ed;
    json_t *answer = NULL;
    enum err err = edit_begin(&ed, cli, what, "", &why);
    struct buf n;
    int status;

    ed.ret = &answer;
    status = edit_send(&ed, err, &why);
    if (answer == NULL)
        return status;
    buf_init(&n, KIB(4));
    if (js_int(answer, "waiting") == 0)
        buf_puts(&n, "Nothing waits");
    else
        text_count(&n, js_int(answer, "waiting"), "test waits", "tests wait");
    if (json_is_object(js_obj(answer, "paused")))
        print_paused(cli, answer);
    else
        say_out("The queue%s%s is not paused.", cli->o.user != NULL ? " of " : "",
                cli->o.user != NULL ? cli->o.user : "");
    say_out("%s.", buf_str(&n));
    buf_done(&n);
    json_decref(answer);
    return status;
}

static int queue_pause(struct cli *cli)
{
    return pause_or_resume(cli, "pause");
}

static int queue_resume(struct cli *cli)
{
    return pause_or_resume(cli, "resume");
}

static const struct verb queue_verbs[] = {{"list", 0, 0, queue_list},
                                          {"move", 1, -1, queue_move},
                                          {"delete", 1, -1, queue_delete},
                                          {"clear", 0, 0, queue_clear},
                                          {"shuffle", 0, 0, queue_shuffle},
                                          {"dedupe", 0, 0, queue_dedupe},
                                          {"sort", 0, 0, queue_sort},
                                          {"undo", 0, 1, queue_undo},
                                          {"pause", 0, 0, queue_pause},
                                          {"resume", 0, 0, queue_resume},
                                          {NULL, 0, 0, NULL}};

int cmd_queue(struct cli *cli)
{
    return verbs_run(cli, queue_verbs);
}
