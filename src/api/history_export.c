/* history_export.c - runs as a file: JSON, CSV, JUnit.
 *
 * All are read a page at a time while the piece before is on its way. In JUnit a run is a suite, its examples are cases; one that is
 * not over, or was lost (it was run again), is none. Of a launch: its tests in their order, each by the run that decided it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/history_filter.h"
#include "api/outflow.h"
#include "model/junit_verdict.h"
#include "wire/csv.h"
#include "wire/frame.h"

#define PAGE_ROWS 200u
#define SUITES 50u
#define CASES 100u
#define PAGES_MAX 8u /* of one job: there may be many runs that are no suites */

enum { FORMAT_JSON, FORMAT_CSV, FORMAT_JUNIT };
static const char *const formats[] = {"json", "csv", "junit", NULL};

struct export_query {
    struct run_query q;
    int format;
};

static const struct field fields[] = {
    RUN_QUERY_FIELDS(struct export_query),
    {.name = "format",
     .type = FIELD_ENUM,
     .offset = offsetof(struct export_query, format),
     .names = formats,
     .help = "what to write; junit: a suite for each run that is over",
     .preset = "json"},
    {.type = FIELD_END},
};
static const struct export_query preset = {.q = RUN_QUERY_PRESET, .format = FORMAT_JSON};

/* ---- rows: JSON, CSV ---- */

struct rows {
    struct outflow flow;
    struct run_filter filter;
    struct render render; /* of this piece */
    uint64_t after;
    uint64_t n;
    bool is_csv;
    bool has_begun;
};

static void rows_done(struct req *rq)
{
    render_done(&((struct rows *)rq->state)->render);
}

static void json_row(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct rows *x = ctx;

    if (x->n++ > 0)
        buf_puts(&x->render.out, ",\n");
    jo_begin(&x->render.j, &x->render.out);
    render_run(&x->render, row, commit, log_bytes);
}

static void csv_cell(struct buf *out, const char *text)
{
    buf_putc(out, ',');
    csv_text(out, text);
}

static void csv_time(struct buf *out, struct wall at)
{
    char text[JSON_TIME_BYTES];

    buf_putc(out, ',');
    if (at.ms == 0)
        return;
    jo_time_text(at, text);
    buf_puts(out, text);
}

static void csv_number(struct buf *out, bool is_there, int64_t v)
{
    buf_putc(out, ',');
    if (is_there)
        buf_printf(out, "%lld", (long long)v);
}

static const char csv_head[] =
    "id,launch,test,attempt,project,ref,commit,path,language,browser,user,server,state,outcome,reason,"
    "created_at,started_at,ended_at,duration_ms,exit_code,signal,discovered,passed,failed,pending,errors,not_"
    "run,"
    "log_bytes\r\n";

static void csv_row(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct rows *x = ctx;
    struct buf *out = &x->render.out;
    const char *const where[] = {row->from.project_name, row->from.ref,    commit, row->path,
                                 row->from.language,     row->from.browser};
    bool has_ended = row->state == RUN_DONE && row->started_at.ms != 0;
    const struct tally *t = &row->tally;

    x->n++;
    buf_printf(out, "%llu,%llu,%llu,%u", (unsigned long long)row->id.v, (unsigned long long)row->launch.v,
               (unsigned long long)row->test.v, row->attempt);
    for (size_t i = 0; i < ARRAY_LEN(where); i++)
        csv_cell(out, where[i]);
    buf_putc(out, ',');
    render_login_csv(&x->render, row->from.user);
    csv_cell(out, row->server_name);
    csv_cell(out, run_state_name(row->state));
    csv_cell(out, outcome_name(row->outcome));
    csv_cell(out, row->reason);
    csv_time(out, row->created_at);
    csv_time(out, row->started_at);
    csv_time(out, row->ended_at);
    csv_number(out, has_ended, row->finish.duration_us / 1000);
    csv_number(out, has_ended && row->finish.how == FINISH_EXITED, row->finish.exit_code);
    csv_number(out, has_ended && row->finish.signal != 0, row->finish.signal);
    buf_printf(out, ",%u,%u,%u,%u,%u,%u,%llu\r\n", t->discovered, t->passed, t->failed, t->pending, t->errors,
               t->not_run,
               (unsigned long long)(log_bytes > row->finish.log_bytes ? log_bytes : row->finish.log_bytes));
}

static enum err rows_job(struct reader *r, struct req *rq)
{
    struct rows *x = rq->state;
    struct page p = {.after = x->after, .limit = PAGE_ROWS};
    enum err err;

    render_done(&x->render);
    render_init(&x->render);
    if (!x->has_begun)
        buf_puts(&x->render.out, x->is_csv ? csv_head : "[");
    x->has_begun = true;
    err = read_runs(r, &x->filter, &p, x->is_csv ? csv_row : json_row, x, &rq->why);
    x->after = p.next;
    x->flow.is_all = err == ERR_OK && p.next == 0;
    if (x->flow.is_all && !x->is_csv)
        buf_puts(&x->render.out, "]\n");
    return err;
}

/* Logins stand in memory, with the loop. */
static void rows_piece(struct req *rq)
{
    struct rows *x = rq->state;

    buf_done(&x->flow.out);
    render_fill(rq->api, &x->render, &x->flow.out);
}

static void rows_head(struct req *rq)
{
    bool is_csv = ((struct rows *)rq->state)->is_csv;

    outflow_head(rq, is_csv ? "text/csv; charset=utf-8" : "application/json",
                 is_csv ? "runs.csv" : "runs.json");
}

static void rows_begin(struct req *rq, const struct run_filter *f, bool is_csv)
{
    struct rows *x = arena_alloc(&rq->arena, sizeof(*x));

    x->flow = (struct outflow){.job = rows_job, .head = rows_head, .piece = rows_piece, .done = rows_done};
    x->filter = *f;
    x->is_csv = is_csv;
    render_init(&x->render);
    rq->state = x;
    outflow_begin(rq);
}

/* ---- suites ---- */

struct suite {
    uint64_t run; /* 0: there was none */
    const char *path;
    const char *reason;
    enum outcome outcome;
};

struct suites {
    struct outflow flow;
    struct run_filter filter; /* of runs, or */
    struct launch_id launch;  /* of this one */
    char name[200];
    int64_t n_tests;
    int64_t ms;
    bool is_living;
    struct arena page_arena;
    struct suite page[SUITES];
    uint32_t n;
    uint32_t at;
    uint64_t after;
    bool is_last;
    uint32_t n_pages; /* of this job */
    bool has_begun;
    struct arena arena; /* of the suite that is open */
    struct junit_suite open;
    bool is_open;
    struct page cases;
    bool has_header;
};

static void suites_done(struct req *rq)
{
    struct suites *x = rq->state;

    arena_done(&x->page_arena);
    arena_done(&x->arena);
}

static void add_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct suites *x = ctx;

    (void)commit;
    (void)log_bytes;
    if (row->state == RUN_DONE)
        x->page[x->n++] = (struct suite){.run = row->id.v};
}

static void add_test(void *ctx, const struct test_row *row)
{
    struct suites *x = ctx;

    x->page[x->n++] = (struct suite){.run = row->run.v,
                                     .path = arena_strdup(&x->page_arena, row->path),
                                     .reason = arena_strdup(&x->page_arena, row->reason),
                                     .outcome = row->outcome};
}

static void set_verdict(struct suites *x, enum outcome o, const char *reason)
{
    x->open.verdict = junit_verdict_of(o);
    x->open.word = outcome_name(o);
    x->open.reason = reason[0] != '\0' ? reason : outcome_sentence(o);
}

static enum err next_page(struct reader *r, struct suites *x, struct why *reterr)
{
    struct test_filter of_launch = {.launch = x->launch, .state = -1, .outcome = -1};
    struct page p = {.after = x->after, .limit = SUITES};
    enum err err;

    arena_reset(&x->page_arena);
    x->n = x->at = 0;
    x->n_pages++;
    if (x->launch.v != 0)
        err = read_tests(r, &of_launch, &p, add_test, x, reterr);
    else
        err = read_runs(r, &x->filter, &p, add_run, x, reterr);
    x->after = p.next;
    x->is_last = p.next == 0;
    return err;
}

static void open_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct suites *x = ctx;
    const struct tally *t = &row->tally;
    char *at = arena_alloc(&x->arena, JSON_TIME_BYTES);

    (void)commit;
    (void)log_bytes;
    if (row->started_at.ms != 0)
        jo_time_text(row->started_at, at);
    x->open = (struct junit_suite){.path = arena_strdup(&x->arena, row->path),
                                   .started_at = at,
                                   .server = arena_strdup(&x->arena, row->server_name),
                                   .duration_ms = (double)row->finish.duration_us / 1000,
                                   .n = (uint64_t)t->passed + t->failed + t->pending + t->errors,
                                   .failed = t->failed,
                                   .errors = t->errors,
                                   .pending = t->pending,
                                   .not_run = t->not_run,
                                   .not_run_reason = arena_strdup(&x->arena, t->not_run_reason)};
    set_verdict(x, row->outcome, arena_strdup(&x->arena, row->reason));
}

static enum err suite_open(struct reader *r, struct suites *x, struct why *reterr)
{
    const struct suite *s = &x->page[x->at];
    enum err err = ERR_OK;

    arena_reset(&x->arena);
    x->is_open = true;
    x->has_header = false;
    x->cases = (struct page){.limit = CASES};
    x->open = (struct junit_suite){.path = s->path, .started_at = "", .not_run_reason = ""};
    set_verdict(x, s->outcome, s->reason != NULL ? s->reason : "");
    if (s->run != 0)
        err = read_run(r, (struct run_id){s->run}, open_run, x, reterr);
    if (err != ERR_NOTFOUND)
        return err;
    x->is_open = false; /* deleted meanwhile */
    x->at++;
    return ERR_OK;
}

struct case_ctx {
    struct suites *x;
    uint32_t n;
};

/* The header says how many cases there are; of a run whose examples are kept no more there are none, and it says so itself. */
static void put_header(struct suites *x, uint32_t n_first)
{
    if (x->has_header)
        return;
    x->has_header = true;
    if (n_first == 0)
        x->open.n = x->open.failed = x->open.errors = x->open.pending = 0;
    junit_out_suite(&x->flow.out, &x->open);
}

static void put_case(void *ctx, const struct example_row *row)
{
    static const enum junit_verdict verdicts[] = {[EXAMPLE_PASSED] = JUNIT_PASSED,
                                                  [EXAMPLE_FAILED] = JUNIT_FAILED,
                                                  [EXAMPLE_PENDING] = JUNIT_SKIPPED,
                                                  [EXAMPLE_ERROR] = JUNIT_ERROR};
    struct case_ctx *c = ctx;

    c->n++;
    put_header(c->x, c->n);
    junit_out_case(&c->x->flow.out, c->x->open.path,
                   &(struct junit_case){.verdict = verdicts[row->status],
                                        .path = row->path,
                                        .n_path = row->n_path,
                                        .file = row->file,
                                        .line = row->line,
                                        .duration_ms = row->duration_ms,
                                        .exception = row->exception,
                                        .message = row->message,
                                        .backtrace = row->backtrace,
                                        .n_backtrace = row->n_backtrace,
                                        .pending = row->pending});
}

static enum err suite_step(struct reader *r, struct suites *x, struct why *reterr)
{
    struct example_filter f = {.run = {x->page[x->at].run}};
    struct case_ctx c = {x, 0};
    enum err err = ERR_OK;

    x->cases.after = x->cases.next;
    x->cases.next = 0;
    if (f.run.v != 0)
        err = read_examples(r, &f, &x->cases, put_case, &c, reterr);
    if (err != ERR_OK || x->cases.next != 0)
        return err;
    put_header(x, c.n);
    junit_out_suite_end(&x->flow.out, &x->open);
    x->is_open = false;
    x->at++;
    return ERR_OK;
}

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct suites *x = ctx;

    (void)sums;
    (void)snprintf(x->name, sizeof(x->name), "%s", row->name);
    x->n_tests = row->n_tests;
    x->ms = row->ended_at.ms - row->created_at.ms;
    x->is_living = row->state != LAUNCH_DONE;
}

static enum err suites_begin(struct reader *r, struct suites *x, struct why *reterr)
{
    enum err err = ERR_OK;

    x->n_tests = x->ms = -1;
    if (x->launch.v != 0)
        err = read_launch(r, x->launch, take_launch, x, reterr);
    if (err == ERR_OK && x->is_living)
        return why_set(reterr, ERR_CONFLICT, NULL, "launch %llu is not over yet",
                       (unsigned long long)x->launch.v);
    x->has_begun = true;
    if (err == ERR_OK)
        junit_out_begin(&x->flow.out, x->name, x->n_tests, x->ms);
    return err;
}

static enum err suites_job(struct reader *r, struct req *rq)
{
    struct suites *x = rq->state;
    enum err err = x->has_begun ? ERR_OK : suites_begin(r, x, &rq->why);

    x->n_pages = 0;
    while (err == ERR_OK && x->n_pages < PAGES_MAX && x->flow.out.len < OUTFLOW_PIECE_BYTES &&
           !x->flow.is_all) {
        if (x->is_open) {
            err = suite_step(r, x, &rq->why);
        } else if (x->at < x->n) {
            err = suite_open(r, x, &rq->why);
        } else if (!x->is_last) {
            err = next_page(r, x, &rq->why);
        } else {
            junit_out_end(&x->flow.out);
            x->flow.is_all = true;
        }
    }
    return err;
}

static void suites_head(struct req *rq)
{
    const struct suites *x = rq->state;
    char name[64] = "runs.xml";

    if (x->launch.v != 0)
        (void)snprintf(name, sizeof(name), "launch-%llu.xml", (unsigned long long)x->launch.v);
    outflow_head(rq, "application/xml; charset=utf-8", name);
}

static void suites_start(struct req *rq, const struct run_filter *f, struct launch_id launch)
{
    struct suites *x = arena_alloc(&rq->arena, sizeof(*x));

    x->flow = (struct outflow){.job = suites_job, .head = suites_head, .done = suites_done};
    if (f != NULL)
        x->filter = *f;
    x->launch = launch;
    arena_init(&x->page_arena);
    arena_init(&x->arena);
    rq->state = x;
    outflow_begin(rq);
}

/* ---- routes ---- */

static void runs_export(struct req *rq)
{
    const struct export_query *q = rq->query;
    struct run_filter f;

    if (!run_filter_of(rq, &q->q, &f))
        return;
    if (q->format == FORMAT_JUNIT)
        suites_start(rq, &f, (struct launch_id){0});
    else
        rows_begin(rq, &f, q->format == FORMAT_CSV);
}

static void launch_junit(struct req *rq)
{
    suites_start(rq, NULL, (struct launch_id){rq->ids[0]});
}

const struct route history_export_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/runs/export", runs_export, "Runs as a file, newest first.", "[run]"),
     .query = fields, .query_bytes = sizeof(struct export_query), .query_preset = &preset},
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/junit", launch_junit,
           "What a launch came to as JUnit XML, once it is over.", "xml")},
    ROUTES_END,
};
