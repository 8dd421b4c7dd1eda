/* examples.c - the examples of a launch or of a run. */
#include "api/api_private.h"

struct examples_query {
    struct page_query page;
    uint32_t statuses;
};

static const char *const statuses[] = {"passed", "failed", "pending", "error", NULL};
_Static_assert(ARRAY_LEN(statuses) == EXAMPLE_STATUS_COUNT + 1, "a name for each status, in their order");

static const struct field query_fields[] = {
    PAGE_FIELDS(struct examples_query),
    {.name = "status",
     .type = FIELD_ENUM_SET,
     .offset = offsetof(struct examples_query, statuses),
     .names = statuses,
     .help = "only these, with commas between: passed, failed, pending, error"},
    {.type = FIELD_END},
};
static const struct examples_query query_preset = {.page = PAGE_PRESET};

static void each_example(void *ctx, const struct example_row *row)
{
    struct req *rq = ctx;

    render_example(&rq->render.j, row);
}

static void list_job(struct reader *r, struct req *rq)
{
    const struct examples_query *q = rq->query;
    bool of_run = rq->route->path[8] == 'r'; /* /api/v1/runs, /api/v1/launches */
    struct example_filter f = {.statuses = q->statuses};
    struct page p = page_of(&q->page);

    if (of_run)
        f.run.v = rq->ids[0];
    else
        f.launch.v = rq->ids[0];
    page_begin(rq);
    rq->err = read_examples(r, &f, &p, each_example, rq, &rq->why);
    page_end(rq, &p);
}

static void examples_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

#define EXAMPLES_QUERY \
    .query = query_fields, .query_bytes = sizeof(struct examples_query), .query_preset = &query_preset

const struct route example_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/examples", examples_list, "The examples of a launch.",
           "page of example"),
     EXAMPLES_QUERY},
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/examples", examples_list,
           "The examples of a run, in the order they ran.", "page of example"),
     EXAMPLES_QUERY},
    ROUTES_END,
};
