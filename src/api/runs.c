/* runs.c - runs: history, one, stop. */
#include "api/api_private.h"

struct runs_query {
    struct page_query page;
    int64_t launch;
    int64_t server;
    int64_t test;
    int state;
    int outcome;
    const char *path;
};

static const char *const states[] = {"assigned", "preparing", "running", "stopping", "done", "lost", NULL};
_Static_assert(ARRAY_LEN(states) == RUN_STATE_COUNT + 1, "a name for each state, in their order");
#define X(name, wire, text) wire,
static const char *const outcomes[] = {OUTCOME_MAP(X) NULL};
#undef X

static const struct field query_fields[] = {
    PAGE_FIELDS(struct runs_query),
    {.name = "launch",
     .type = FIELD_INT,
     .offset = offsetof(struct runs_query, launch),
     .max = INT64_MAX,
     .help = "only runs of this launch"},
    {.name = "server",
     .type = FIELD_INT,
     .offset = offsetof(struct runs_query, server),
     .max = INT64_MAX,
     .help = "only runs on this server"},
    {.name = "test",
     .type = FIELD_INT,
     .offset = offsetof(struct runs_query, test),
     .max = INT64_MAX,
     .help = "only runs of this test"},
    {.name = "state",
     .type = FIELD_ENUM,
     .offset = offsetof(struct runs_query, state),
     .names = states,
     .help = "only runs in this state"},
    {.name = "outcome",
     .type = FIELD_ENUM,
     .offset = offsetof(struct runs_query, outcome),
     .names = outcomes + 1,
     .help = "only runs that came to this"},
    {.name = "path",
     .type = FIELD_TEXT,
     .offset = offsetof(struct runs_query, path),
     .max = PATH_BYTES_MAX,
     .help = "only runs whose path contains these words"},
    {.type = FIELD_END},
};
static const struct runs_query query_preset = {.page = PAGE_PRESET, .state = -1, .outcome = -1};

static void each_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct req *rq = ctx;

    render_run(&rq->render, row, commit, log_bytes);
}

void run_job(struct reader *r, struct req *rq)
{
    rq->err = read_run(r, (struct run_id){rq->ids[0]}, each_run, rq, &rq->why);
}

static void list_job(struct reader *r, struct req *rq)
{
    const struct runs_query *q = rq->query;
    struct run_filter f = {.launch = {(uint64_t)q->launch},
                           .server = {(uint64_t)q->server},
                           .test = {(uint64_t)q->test},
                           .state = q->state,
                           .outcome = q->outcome < 0 ? -1 : q->outcome + 1, /* names skip "not over yet" */
                           .path = q->path};
    struct page p = page_of(&q->page);

    page_begin(rq);
    rq->err = read_runs(r, &f, &p, each_run, rq, &rq->why);
    page_end(rq, &p);
}

static void runs_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

static void runs_one(struct req *rq)
{
    req_read(rq, run_job, NULL);
}

static void on_stopped(struct req *rq, uint64_t id)
{
    rq->ids[0] = id;
    req_read(rq, run_job, NULL);
}

static void runs_stop(struct req *rq)
{
    struct event ev = {.kind = EV_RUN_STOP, .run_stop = {rq->ids[0]}};

    req_post(rq, &ev, on_stopped);
}

const struct route run_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/runs", runs_list, "Runs, newest first.", "page of run"), .query = query_fields,
     .query_bytes = sizeof(struct runs_query), .query_preset = &query_preset},
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}", runs_one, "One run.", "run")},
    {ROUTE(POST, OWN_RUN, "/api/v1/runs/{run}/stop", runs_stop,
           "Stop this run; its test is done with the outcome stopped.", "run"),
     .audit = "run.stop"},
    ROUTES_END,
};
