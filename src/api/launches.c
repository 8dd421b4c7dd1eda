/* launches.c - launches: list, one, stop; launch_start.c starts them. */
#include "api/account_common.h"
#include "api/history_filter.h"
#include "api/launch_start.h"

/* ---- reading ---- */

struct launches_query {
    struct page_query page;
    int state;
    int64_t project;
    int64_t user;
    int64_t schedule;
    uint32_t outcomes; /* bits 1 << (enum outcome - 1) */
    const char *ref;
    const char *name;
    const char *since;
    const char *until;
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
    {.name = "user",
     .type = FIELD_INT,
     .offset = offsetof(struct launches_query, user),
     .max = INT64_MAX,
     .help = "only launches that this user started, by id"},
    {.name = "schedule",
     .type = FIELD_INT,
     .offset = offsetof(struct launches_query, schedule),
     .max = INT64_MAX,
     .help = "only launches that this schedule started, by id"},
    {.name = "outcome",
     .type = FIELD_ENUM_SET,
     .offset = offsetof(struct launches_query, outcomes),
     .names = outcome_names + 1,
     .help = "only launches that came to one of these, with commas between"},
    {.name = "ref",
     .type = FIELD_TEXT,
     .offset = offsetof(struct launches_query, ref),
     .max = 512,
     .help = "only launches of this ref as it was named; empty: that named none"},
    {.name = "q",
     .type = FIELD_TEXT,
     .offset = offsetof(struct launches_query, name),
     .max = 1000,
     .help = "only launches whose name contains these words"},
    {.name = "since",
     .type = FIELD_TEXT,
     .offset = offsetof(struct launches_query, since),
     .min = 1,
     .max = JSON_TIME_BYTES,
     .help = "only launches made at this time or later: 2026-11-23 or 2026-11-23T02:49:53.120Z"},
    {.name = "until",
     .type = FIELD_TEXT,
     .offset = offsetof(struct launches_query, until),
     .min = 1,
     .max = JSON_TIME_BYTES,
     .help = "only launches made before this time; of a date alone: before its midnight"},
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
    struct page p = page_of(&((const struct launches_query *)rq->query)->page);

    page_begin(rq);
    rq->err = read_launches(r, rq->state, &p, each_launch, rq, &rq->why);
    page_end(rq, &p);
}

static void launches_list(struct req *rq)
{
    const struct launches_query *q = rq->query;
    struct launch_filter *f = arena_alloc(&rq->arena, sizeof(*f));

    *f = (struct launch_filter){.project = {(uint64_t)q->project},
                                .user = {(uint64_t)q->user},
                                .schedule = (uint64_t)q->schedule,
                                .state = q->state,
                                .outcomes = q->outcomes << 1, /* names skip "not over yet" */
                                .ref = q->ref,
                                .name = q->name};
    rq->state = f;
    if ((q->since != NULL && time_read("since", q->since, &f->since, &rq->why) != ERR_OK) ||
        (q->until != NULL && time_read("until", q->until, &f->until, &rq->why) != ERR_OK))
        req_error(rq, &rq->why);
    else
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
    {ROUTE(DELETE, OWN_LAUNCH, "/api/v1/launches/{launch}", launch_delete_handle,
           "Delete a launch with all that it has; what takes longer goes on as a job.", "deleted"),
     .audit = "launch.delete"},
    {ROUTE(POST, OWN_LAUNCH, "/api/v1/launches/{launch}/stop", launches_stop,
           "Stop what runs of it, cancel what waits.", "launch"),
     .audit = "launch.stop"},
    {ROUTE(POST, WORK, "/api/v1/launches/{launch}/retest", launches_retest,
           "Start its tests that did not pass, or all, again with the same parameters.", "launch"),
     .audit = "launch.retest", .status = 201, .body_kind = BODY_JSON, .body = launch_retest_fields,
     .body_bytes = sizeof(struct launch_retest_body)},
    ROUTES_END,
};
