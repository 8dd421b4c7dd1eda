/* run_report.c - the end of `wrata run` and `wrata show`: failures, summary, JUnit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/report.h"
#include "cli/run_private.h"

#define LOG_TAIL_BYTES 2048
#define LOG_TAIL_LINES 12
#define TAILS_MAX 20      /* logs fetched for a report */
#define IMAGES_MAX 5      /* different ones that are named: a tag moved, or machines have each their own */
#define FAILURES_MAX 1000 /* nobody reads more, and the lists have them */

int run_exit_code(enum outcome o)
{
    if (o == OUTCOME_PASSED)
        return EXIT_PASSED;
    return o == OUTCOME_INFRASTRUCTURE ? EXIT_INFRA : EXIT_FAILED;
}

/* The last lines of a run's log; "" when there is none. */
static char *log_tail(struct cli *cli, int64_t run)
{
    char path[128];
    struct client_request rq = {.path = path, .reply_max_bytes = MIB(1)};
    struct client_reply reply;
    struct why ignored; /* the report is good without it */
    const char *text;
    const char *from;
    char *tail;
    int lines = 0;

    (void)snprintf(path, sizeof(path), API "/runs/%lld/log?tail=%d", (long long)run, LOG_TAIL_BYTES);
    if (client_call(cli->client, &rq, &reply, &ignored) != ERR_OK)
        buf_clear(&reply.body);
    text = buf_str(&reply.body);
    from = text + strlen(text);
    while (from > text && from[-1] == '\n')
        from--;
    while (from > text && (from[-1] != '\n' || ++lines < LOG_TAIL_LINES))
        from--;
    if (from == text && reply.body.len >= LOG_TAIL_BYTES && strchr(from, '\n') != NULL)
        from = strchr(from, '\n') + 1; /* it begins in the middle of a line */
    tail = xstrdup(from);
    client_reply_done(&reply);
    return tail;
}

struct failures {
    struct cli *cli;
    const struct view *view;
    const struct report_again *again;
    int number;
    int tails;
};

static void put_failures(struct failures *f, const struct view_test *t, struct buf *out)
{
    const json_t *run = t->run != 0 ? view_run(f->view, t->run) : NULL;
    size_t n = 0;
    const json_t **examples = view_failures(f->view, t->run, &n);

    if (t->outcome != OUTCOME_PASSED && t->outcome != OUTCOME_STOPPED && f->number == 0 && out->len == 0)
        term_paint(out, &f->cli->out, COLOR_BOLD, "\nFailures:\n");
    for (size_t i = 0; i < n && t->outcome != OUTCOME_PASSED; i++) {
        if (++f->number <= FAILURES_MAX)
            report_example(out, &f->cli->out, f->number, examples[i], run, f->again);
    }
    /* the examples tell all of a failure, but not of a time limit or a lost machine */
    if (t->outcome != OUTCOME_PASSED && t->outcome != OUTCOME_STOPPED &&
        (n == 0 || (t->outcome != OUTCOME_FAILED && t->outcome != OUTCOME_ERROR)) &&
        ++f->number <= FAILURES_MAX) {
        char *log = t->run != 0 && f->tails++ < TAILS_MAX ? log_tail(f->cli, t->run) : xstrdup("");

        report_failed_file(out, &f->cli->out, f->number, t, run, log, f->again);
        free(log);
    }
    free((void *)examples);
}

/* Each image that a run of a test was in, once: as a rule there is one. */
static void put_images(const struct view *v, const struct view_test **tests, size_t n, struct buf *out)
{
    const char *seen[IMAGES_MAX];
    size_t n_seen = 0;

    for (size_t i = 0; i < n && n_seen < IMAGES_MAX; i++) {
        const json_t *run = tests[i]->run > 0 ? view_run(v, tests[i]->run) : NULL;
        const char *digest = js_text(run, "image_digest");
        size_t k = 0;

        if (digest[0] == '\0')
            continue;
        while (k < n_seen && strcmp(seen[k], digest) != 0)
            k++;
        if (k < n_seen)
            continue;
        seen[n_seen++] = digest;
        buf_puts(out, "  in containers of ");
        text_escape(out, js_text(run, "image"));
        buf_puts(out, ", ");
        text_escape(out, digest);
        buf_putc(out, '\n');
    }
}

/* Two lines: why, and what of it is new. The report is good without them. */
static void put_causes(struct cli *cli, const struct view *v, struct buf *out)
{
    long long launch = (long long)js_int(view_launch(v), "id");
    char path[96];
    json_t *doc = NULL;
    struct why ignored;

    (void)snprintf(path, sizeof(path), API "/launches/%lld/causes?limit=3", launch);
    if (ask(cli, "GET", path, NULL, &doc, &ignored) == ERR_OK && js_int(doc, "failures") > 0) {
        buf_puts(out, "  ");
        report_causes(out, doc);
    }
    json_decref(doc);
    doc = NULL;
    (void)snprintf(path, sizeof(path), API "/launches/%lld/compare?limit=1", launch);
    if (ask(cli, "GET", path, NULL, &doc, &ignored) == ERR_OK && json_is_object(js_obj(doc, "with"))) {
        buf_puts(out, "  ");
        report_compared(out, js_obj(doc, "counts"), js_int(js_obj(doc, "with"), "id"));
    }
    json_decref(doc);
}

int run_report(struct cli *cli, const struct view *v, const struct report_again *again, int64_t elapsed_ms)
{
    struct failures f = {cli, v, again, 0, 0};
    enum outcome outcome = view_outcome(v);
    int rc = run_exit_code(outcome);
    struct buf out;
    size_t n;
    const struct view_test **tests;

    if (cli->o.json) {
        (void)printf("{\"event\":\"end\",\"data\":{\"launch\":%lld,\"outcome\":\"%s\",\"exit_code\":%d}}\n",
                     (long long)js_int(view_launch(v), "id"), outcome_name(outcome), rc);
        return rc;
    }
    tests = view_tests(v, &n);
    buf_init(&out, MIB(256));
    for (size_t i = 0; i < n; i++) {
        put_failures(&f, tests[i], &out);
        (void)fwrite(buf_str(&out), 1, out.len, stdout);
        buf_clear(&out);
    }
    if (f.number > FAILURES_MAX)
        buf_printf(&out, "\n  ... and %d more failures\n", f.number - FAILURES_MAX);
    report_summary(&out, &cli->out, view_launch(v), elapsed_ms);
    if (outcome != OUTCOME_PASSED)
        put_causes(cli, v, &out);
    put_images(v, tests, n, &out);
    (void)fwrite(buf_str(&out), 1, out.len, stdout);
    buf_done(&out);
    free((void *)tests);
    return rc;
}

/* ---- JUnit ---- */

struct examples {
    const json_t **items;
    size_t n, cap;
};

static bool keep_example(void *ctx, const json_t *item)
{
    struct examples *e = ctx;

    if (e->n == e->cap) {
        e->cap = e->cap == 0 ? 1024 : e->cap * 2;
        e->items = xrealloc((void *)e->items, e->cap * sizeof(void *));
    }
    e->items[e->n++] = json_incref((json_t *)item);
    return true;
}

static int by_run_and_seq(const void *a, const void *b)
{
    const json_t *ea = *(const json_t *const *)a;
    const json_t *eb = *(const json_t *const *)b;
    int64_t ra = js_int(ea, "run");
    int64_t rb = js_int(eb, "run");

    if (ra != rb)
        return (ra > rb) - (ra < rb);
    return (js_int(ea, "seq") > js_int(eb, "seq")) - (js_int(ea, "seq") < js_int(eb, "seq"));
}

/* The examples of one run within the sorted array. */
static const json_t **slice_of_run(const struct examples *e, int64_t run, size_t *ret_n)
{
    size_t low = 0;
    size_t high = e->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (js_int(e->items[mid], "run") < run)
            low = mid + 1;
        else
            high = mid;
    }
    for (high = low; high < e->n && js_int(e->items[high], "run") == run; high++)
        continue;
    *ret_n = high - low;
    return e->items + low;
}

enum err run_junit(struct cli *cli, const struct view *v, struct junit_file *f, struct why *reterr)
{
    struct examples e = {0};
    const struct view_test **tests = NULL;
    char path[128];
    struct buf out;
    size_t n = 0;
    enum err err;

    buf_init(&out, MIB(4096)); /* a suite at a time */
    (void)snprintf(path, sizeof(path), API "/launches/%lld/examples?limit=500",
                   (long long)js_int(view_launch(v), "id"));
    err = ask_all(cli, path, keep_example, &e, reterr);
    if (e.n > 0)
        qsort((void *)e.items, e.n, sizeof(void *), by_run_and_seq);
    if (err == ERR_OK) {
        junit_begin(&out, view_launch(v));
        tests = view_tests(v, &n);
    }
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        size_t n_examples = 0;
        const json_t **examples = slice_of_run(&e, tests[i]->run, &n_examples);

        junit_suite(&out, tests[i], tests[i]->run != 0 ? view_run(v, tests[i]->run) : NULL, examples,
                    n_examples);
        err = junit_file_write(f, &out, reterr);
    }
    if (err == ERR_OK) {
        junit_end(&out);
        err = junit_file_write(f, &out, reterr);
    }
    for (size_t i = 0; i < e.n; i++)
        json_decref((json_t *)e.items[i]);
    free((void *)e.items);
    free((void *)tests);
    buf_done(&out);
    return err;
}
