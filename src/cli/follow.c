/* follow.c - watching a launch until its end.
 *
 * The live stream brings news; the lists bring what the stream did not: at the start, after a `reset`, and at the end
 * to make sure that nothing is missing. A connection that breaks is made again from the last event; a private server
 * that has gone with its starter is started again, on the same data, and goes on with the launch. */
#include "cli/follow.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/discover.h"
#include "cli/progress.h"
#include "cli/report.h"

#define GIVE_UP_MS INT64_C(300000)
#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS 2000
#define REDRAW_MS 100 /* at most 10 a second */
#define TICK_MS 1000  /* the time left changes without news */
#define LINE_BYTES_MAX MIB(16)

struct follow {
    struct cli *cli;
    struct follow_opts opts;
    struct view *view;
    int64_t counts[OUTCOME_COUNT]; /* of the tests that were told */
    int64_t n_told;
    bool must_load;   /* the lists know more than the stream will tell */
    bool is_stopping; /* Ctrl-C came, and the server knows */
    bool bar_is_drawn;
    bool bar_is_dirty;
    bool is_lost;       /* the connection */
    char paused_by[80]; /* who paused the queue that its tests wait in; "" nobody */
    struct mono drawn_at;
    struct mono eta_at; /* when eta_ms was true */
    int64_t eta_ms;
};

/* ---- writing ---- */

static void put_out(const struct buf *b)
{
    (void)fwrite(buf_str(b), 1, b->len, stdout); /* a reader that has gone does not end the launch */
}

static void bar_erase(struct follow *f)
{
    if (f->bar_is_drawn)
        (void)fputs("\r\033[K", stdout);
    f->bar_is_drawn = false;
}

static void bar_draw(struct follow *f, struct mono now)
{
    const json_t *tests = js_obj(view_launch(f->view), "tests");
    struct progress p = {.total = js_int(tests, "total"),
                         .done = f->n_told,
                         .running = js_int(tests, "running"),
                         .eta_ms = -1,
                         .paused_by = f->paused_by,
                         .note = f->is_lost       ? "reconnecting"
                                 : f->is_stopping ? "stopping"
                                                  : NULL};
    const json_t *early;
    struct buf out;

    if (!f->cli->out.is_tty || f->opts.as_json || view_launch(f->view) == NULL)
        return;
    memcpy(p.counts, f->counts, sizeof(p.counts));
    p.preparing = view_preparing(f->view, &early);
    p.step = js_text(early, "reason");
    if (f->eta_ms >= 0) {
        p.eta_ms = f->eta_ms - mono_ms_between(f->eta_at, now);
        if (p.eta_ms < 0)
            p.eta_ms = 0;
    }
    buf_init(&out, KIB(64));
    buf_puts(&out, "\r\033[K");
    progress_render(&out, &p, &f->cli->out);
    put_out(&out);
    (void)fflush(stdout);
    buf_done(&out);
    f->bar_is_drawn = true;
    f->bar_is_dirty = false;
    f->drawn_at = now;
}

static void put_line(struct follow *f, const struct buf *line)
{
    bar_erase(f);
    put_out(line);
    f->bar_is_dirty = true;
}

static void note(struct follow *f, const char *text)
{
    bar_erase(f);
    cli_note("%s", text);
    f->bar_is_dirty = true;
}

/* ---- what the view tells ---- */

/* Its tests wait for somebody, not for a server: that is said when it begins and when it ends. */
static void pause_look(struct follow *f, const json_t *launch)
{
    const json_t *paused = js_obj(launch, "paused");
    const char *by = js_text(paused, "by");
    const char *at = js_text(paused, "at");
    char text[240];

    if (strncmp(f->paused_by, by, sizeof(f->paused_by) - 1) == 0)
        return;
    (void)snprintf(f->paused_by, sizeof(f->paused_by), "%s", by);
    if (f->opts.as_json)
        return;
    if (by[0] == '\0') {
        if (strcmp(js_text(launch, "state"), "running") == 0 &&
            js_int(js_obj(launch, "tests"), "waiting") > 0)
            note(f, "the queue goes on");
        return;
    }
    (void)snprintf(
        text, sizeof(text),
        "the queue is paused by %.60s since %.10s %.8s UTC: what waits starts after `wrata queue resume`", by,
        at, strlen(at) > 18 ? at + 11 : "");
    note(f, text);
}

static void on_finished(void *ctx, const struct view_test *t, const json_t *run)
{
    struct follow *f = ctx;
    struct buf line;

    f->counts[t->outcome]++;
    f->n_told++;
    f->bar_is_dirty = true;
    if (f->opts.as_json)
        return;
    buf_init(&line, LINE_BYTES_MAX);
    report_file(&line, &f->cli->out, t, run);
    put_line(f, &line);
    buf_done(&line);
}

static void on_again(void *ctx, const struct view_test *t)
{
    struct follow *f = ctx;

    f->counts[t->outcome]--;
    f->n_told--;
    f->bar_is_dirty = true;
}

static void on_lost(void *ctx, const json_t *run)
{
    struct follow *f = ctx;
    struct buf line;

    if (f->opts.as_json)
        return;
    buf_init(&line, LINE_BYTES_MAX);
    report_lost(&line, &f->cli->out, run);
    put_line(f, &line);
    buf_done(&line);
}

static void on_news(void *ctx, const char *kind, const json_t *object)
{
    struct follow *f = ctx;
    char *text;

    f->bar_is_dirty = f->bar_is_dirty || strcmp(js_text(object, "state"), "preparing") == 0;

    if (strcmp(kind, "launch") == 0) {
        f->eta_ms = json_is_integer(js_obj(object, "eta_ms")) ? js_int(object, "eta_ms") : -1;
        f->eta_at = mono_now();
        f->bar_is_dirty = true;
        pause_look(f, object);
    }
    if (!f->opts.as_json)
        return;
    text = json_dumps(object, JSON_COMPACT);
    (void)printf("{\"event\":\"%s\",\"data\":%s}\n", kind, text != NULL ? text : "null");
    (void)fflush(stdout);
    free(text);
}

static void on_event(void *ctx, const struct sse_event *ev)
{
    struct follow *f = ctx;
    json_t *object;

    if (strcmp(ev->name, "reset") == 0) {
        f->must_load = true;
        return;
    }
    object = json_loadb(ev->data, ev->len, JSON_ALLOW_NUL, NULL);
    view_apply(f->view, ev->name, object);
    json_decref(object);
}

/* ---- the lists ---- */

struct load {
    struct view *view;
    const char *kind;
};

static bool load_item(void *ctx, const json_t *item)
{
    const struct load *l = ctx;

    view_apply(l->view, l->kind, item);
    return interrupts_twice == 0;
}

enum err follow_load(struct cli *cli, struct view *v, int64_t launch, struct why *reterr)
{
    static const struct {
        const char *kind, *before, *after;
    } lists[] = {
        {"run", API "/runs?limit=500&launch=", ""},
        {"example", API "/launches/", "/examples?limit=500&status=failed,error"},
        {"test", API "/launches/", "/tests?limit=500&state=done"},
    };
    char path[128];
    json_t *object = NULL;
    enum err err;

    /* The launch first: should it end meanwhile, its event or the next load shows it. */
    (void)snprintf(path, sizeof(path), API "/launches/%lld", (long long)launch);
    err = ask(cli, "GET", path, NULL, &object, reterr);
    for (size_t i = 0; i < ARRAY_LEN(lists) && err == ERR_OK; i++) {
        struct load l = {v, lists[i].kind};

        (void)snprintf(path, sizeof(path), "%s%lld%s", lists[i].before, (long long)launch, lists[i].after);
        err = ask_all(cli, path, load_item, &l, reterr);
    }
    if (err == ERR_OK)
        view_apply(v, "launch", object);
    json_decref(object);
    return err;
}

/* ---- signals, connection ---- */

/* The first Ctrl-C asks the server to stop the launch; asked again until it has heard. */
static void stop_when_asked(struct follow *f)
{
    char path[128];
    struct why why = {0};

    interrupts_drain();
    if (interrupts == 0 || f->is_stopping || interrupts_twice != 0)
        return;
    (void)snprintf(path, sizeof(path), API "/launches/%lld/stop", (long long)f->opts.launch);
    if (ask(f->cli, "POST", path, NULL, NULL, &why) == ERR_OK || why.code == ERR_CONFLICT) {
        f->is_stopping = true;
        note(f, "stopping the launch; Ctrl-C again leaves at once");
    } else if (interrupts_twice == 0) {
        note(f, why.text);
    }
}

static void pause_ms(int ms)
{
    struct pollfd p = {.fd = interrupts_fd(), .events = POLLIN};

    (void)poll(&p, 1, ms);
    interrupts_drain();
}

/* Is this an answer that trying again will not change? */
static bool is_final(enum err err)
{
    return err == ERR_NOTFOUND || err == ERR_SIGN_IN || err == ERR_DENIED || err == ERR_INVALID;
}

/* Find the server again after the connection was lost. */
static enum err reconnect(struct follow *f, const struct why *cause, struct why *reterr)
{
    const struct mono end = mono_add_ms(mono_now(), GIVE_UP_MS);
    int wait_ms = RETRY_FIRST_MS;
    char text[400];
    enum err err = cause->code;

    while (interrupts_twice == 0) {
        struct client *c = NULL;

        err = discovery_find(f->cli->discovery, &c, reterr);
        if (err == ERR_OK) {
            client_free(f->cli->client);
            f->cli->client = c;
            client_cancel_by(c, &interrupts_twice);
            return ERR_OK;
        }
        if (!mono_before(mono_now(), end))
            return err;
        if (!f->is_lost) { /* once, and only when it was not back at once */
            f->is_lost = true;
            (void)snprintf(text, sizeof(text), "%s; reconnecting", cause->text);
            note(f, text);
        }
        bar_draw(f, mono_now());
        pause_ms(wait_ms);
        wait_ms = wait_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : wait_ms * 2;
    }
    return why_set(reterr, ERR_TIMEOUT, NULL, "left");
}

/* One connection: until the launch is over, or the connection is. */
static enum err follow_stream(struct follow *f, struct client_stream *s, struct why *reterr)
{
    enum err err = ERR_OK;

    while (err == ERR_OK && !view_is_done(f->view)) {
        struct mono now;
        int64_t since_ms;

        err = client_stream_wait(s, interrupts_fd(), f->bar_is_dirty ? REDRAW_MS : TICK_MS, reterr);
        if (interrupts_twice != 0)
            return why_set(reterr, ERR_TIMEOUT, NULL, "left");
        stop_when_asked(f);
        if (err == ERR_OK && client_stream_is_open(s)) {
            if (f->is_lost)
                note(f, "connected again");
            f->is_lost = false;
            if (f->must_load) {
                err = follow_load(f->cli, f->view, f->opts.launch, reterr);
                f->must_load = err != ERR_OK;
            }
        }
        now = mono_now();
        since_ms = mono_ms_between(f->drawn_at, now);
        term_resize(&f->cli->out, STDOUT_FILENO);
        if ((f->bar_is_dirty && since_ms >= REDRAW_MS) || since_ms >= TICK_MS)
            bar_draw(f, now);
        if (!f->opts.as_json)
            (void)fflush(stdout);
    }
    return err;
}

enum err follow_launch(struct cli *cli, const struct follow_opts *opts, struct view **ret, struct why *reterr)
{
    struct follow f = {.cli = cli, .opts = *opts, .must_load = true, .eta_ms = -1};
    const struct view_hooks hooks = {on_finished, on_again, on_lost, on_news, &f};
    char last_id[256] = "";
    char path[128];
    struct why cause = {0};
    struct mono good_at = mono_now();
    int failures = 0;
    enum err err = ERR_OK;

    f.view = view_new(&hooks);
    *ret = f.view;
    f.drawn_at = mono_now();
    client_cancel_by(cli->client, &interrupts_twice);
    (void)snprintf(path, sizeof(path), API "/stream?topics=launch:%lld", (long long)opts->launch);
    while (!view_is_complete(f.view)) {
        struct client_stream *s;

        if (view_is_done(f.view)) { /* over, with news still on their way when it ended */
            err = follow_load(cli, f.view, opts->launch, &cause);
            if (err == ERR_OK)
                break;
        } else {
            f.must_load = f.must_load || last_id[0] == '\0';
            s = client_stream_open(cli->client, path, last_id, on_event, &f);
            err = follow_stream(&f, s, &cause);
            if (client_stream_is_open(s)) {
                failures = 0;
                good_at = mono_now();
            }
            (void)snprintf(last_id, sizeof(last_id), "%s", client_stream_last_id(s));
            client_stream_close(s);
        }
        if (err == ERR_OK)
            continue;
        if (is_final(err) || interrupts_twice != 0 || mono_ms_between(good_at, mono_now()) > GIVE_UP_MS) {
            *reterr = cause;
            break;
        }
        /* A server that answers and still cannot serve the stream is not asked in a tight circle. */
        if (failures++ > 0)
            pause_ms(failures > 10 ? RETRY_MOST_MS : RETRY_FIRST_MS * failures);
        err = reconnect(&f, &cause, reterr);
        if (err != ERR_OK)
            break;
    }
    bar_erase(&f);
    (void)fflush(stdout);
    return err;
}
