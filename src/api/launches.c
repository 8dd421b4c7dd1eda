/* launches.c - launches: list, one, stop; launch_start.c starts them. */
#include "api/launch_start.h"

/* ---- reading ---- */

struct launches_query {
    struct page_query page;
    int state;
    int64_t project;
};

static const char *const launch_states[] = {"running", "stopping", "done", NULL};
_Static_assert(ARRAY_LEN(launch_states) == LAUNCH_STATE_COUNT + 1, "a name for each state, in their order");

static const struct field launches_query_fields[] = {
    PAGE_FIELDS(struct launches_query),
    {.name = "state",
     .type = FIELD_ENUM,
     .offset = offsetof(struct launches_query, state),
     .names = launch_states,
     .help = "only launches in this state"},
    {.name = "project",
     .type = FIELD_INT,
     .offset = offsetof(struct launches_query, project),
     .max = INT64_MAX,
     .help = "only launches of this project, by id"},
    {.type = FIELD_END},
};
static const struct launches_query launches_query_preset = {.page = PAGE_PRESET, .state = -1};

static void each_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct req *rq = ctx;

    render_launch(&rq->render, row, sums);
}

void launch_job(struct reader *r, struct req *rq)
{
    rq->err = read_launch(r, (struct launch_id){rq->ids[0]}, each_launch, rq, &rq->why);
}

static void list_job(struct reader *r, struct req *rq)
{
    const struct launches_query *q = rq->query;
    struct launch_filter f = {.project = {(uint64_t)q->project}, .state = q->state};
    struct page p = page_of(&q->page);

    page_begin(rq);
    rq->err = read_launches(r, &f, &p, each_launch, rq, &rq->why);
    page_end(rq, &p);
}

static void launches_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

static void launches_one(struct req *rq)
{
    req_read(rq, launch_job, NULL);
}

void launch_answer(struct req *rq, uint64_t id)
{
    rq->ids[0] = id;
    req_read(rq, launch_job, NULL);
}

static void launches_stop(struct req *rq)
{
    struct event ev = {.kind = EV_LAUNCH_STOP, .launch_stop = {rq->ids[0]}};

    req_post(rq, &ev, launch_answer);
}

const struct route launch_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/launches", launches_list, "Launches, newest first.", "page of launch"),
     .query = launches_query_fields, .query_bytes = sizeof(struct launches_query),
     .query_preset = &launches_query_preset},
    {ROUTE(POST, WORK, "/api/v1/launches", launches_start, "Start a launch.", "launch"),
     .audit = "launch.start", .status = 201, .body_kind = BODY_JSON, .body = launch_fields,
     .body_bytes = sizeof(struct launch_body), .body_preset = &launch_preset, .body_max = BODY_LAUNCH_BYTES},
    {ROUTE(POST, WORK, "/api/v1/launches/plan", launches_plan,
           "What such a launch would run, without starting it.", "launch_plan"),
     .audit = "launch.plan", .body_kind = BODY_JSON, .body = launch_fields,
     .body_bytes = sizeof(struct launch_body), .body_preset = &launch_preset, .body_max = BODY_LAUNCH_BYTES},
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}", launches_one, "One launch.", "launch")},
    {ROUTE(POST, OWN_LAUNCH, "/api/v1/launches/{launch}", launch_rename, "Call a launch something else.",
           "launch"),
     .audit = "launch.name", .body_kind = BODY_JSON, .body = launch_name_fields,
     .body_bytes = sizeof(struct launch_name_body)},
    {ROUTE(POST, OWN_LAUNCH, "/api/v1/launches/{launch}/stop", launches_stop,
           "Stop what runs of it, cancel what waits.", "launch"),
     .audit = "launch.stop"},
    {ROUTE(POST, WORK, "/api/v1/launches/{launch}/retest", launches_retest,
           "Start its tests that did not pass, or all, again with the same parameters.", "launch"),
     .audit = "launch.retest", .status = 201, .body_kind = BODY_JSON, .body = launch_retest_fields,
     .body_bytes = sizeof(struct launch_retest_body)},
    ROUTES_END,
};
