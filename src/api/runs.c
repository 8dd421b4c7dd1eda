/* runs.c - runs: history, one, stop. */
#include "api/history_filter.h"
#include "api/launch_start.h"

struct runs_query {
    struct page_query page;
    struct run_query q;
};

static const struct field query_fields[] = {
    PAGE_FIELDS(struct runs_query), RUN_QUERY_FIELDS(struct runs_query), {.type = FIELD_END}};
static const struct runs_query query_preset = {.page = PAGE_PRESET, .q = RUN_QUERY_PRESET};

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
    struct page p = page_of(&((const struct runs_query *)rq->query)->page);

    page_begin(rq);
    rq->err = read_runs(r, rq->state, &p, each_run, rq, &rq->why);
    page_end(rq, &p);
}

static void runs_list(struct req *rq)
{
    struct run_filter *f = arena_alloc(&rq->arena, sizeof(*f));

    rq->state = f;
    if (run_filter_of(rq, &((const struct runs_query *)rq->query)->q, f))
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
    {ROUTE(DELETE, OWN_RUN, "/api/v1/runs/{run}", run_delete_handle,
           "Delete a run with its log, examples and artifacts; its launch goes with its last run.",
           "deleted"),
     .audit = "run.delete"},
    {ROUTE(POST, OWN_RUN, "/api/v1/runs/{run}/stop", runs_stop,
           "Stop this run; its test is done with the outcome stopped.", "run"),
     .audit = "run.stop"},
    {ROUTE(POST, WORK, "/api/v1/runs/retest", runs_retest,
           "Start the tests of chosen runs again with the same parameters, as one launch.", "launch"),
     .audit = "run.retest", .status = 201, .body_kind = BODY_JSON, .body = runs_retest_fields,
     .body_bytes = sizeof(struct runs_retest_body), .body_max = KIB(256)},
    ROUTES_END,
};
