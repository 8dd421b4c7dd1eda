/* tests.c - the tests of a launch. */
#include "api/api_private.h"

struct tests_query {
    struct page_query page;
    int state;
    int outcome;
};

static const char *const states[] = {"waiting", "running", "removed", "done", NULL};
_Static_assert(ARRAY_LEN(states) == TEST_STATE_COUNT + 1, "a name for each state, in their order");
#define X(name, wire, text) wire,
static const char *const outcomes[] = {OUTCOME_MAP(X) NULL};
#undef X

static const struct field query_fields[] = {
    PAGE_FIELDS(struct tests_query),
    {.name = "state",
     .type = FIELD_ENUM,
     .offset = offsetof(struct tests_query, state),
     .names = states,
     .help = "only tests in this state"},
    {.name = "outcome",
     .type = FIELD_ENUM,
     .offset = offsetof(struct tests_query, outcome),
     .names = outcomes + 1,
     .help = "only tests that came to this"},
    {.type = FIELD_END},
};
static const struct tests_query query_preset = {.page = PAGE_PRESET, .state = -1, .outcome = -1};

static void each_test(void *ctx, const struct test_row *row)
{
    struct req *rq = ctx;

    render_test(&rq->render, row);
}

static void list_job(struct reader *r, struct req *rq)
{
    const struct tests_query *q = rq->query;
    struct test_filter f = {.launch = {rq->ids[0]},
                            .state = q->state,
                            .outcome = q->outcome < 0 ? -1 : q->outcome + 1}; /* names skip "not over yet" */
    struct page p = page_of(&q->page);

    rq->err = read_launch(r, f.launch, NULL, NULL, &rq->why);
    if (rq->err != ERR_OK)
        return;
    page_begin(rq);
    rq->err = read_tests(r, &f, &p, each_test, rq, &rq->why);
    page_end(rq, &p);
}

static void tests_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

const struct route test_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/tests", tests_list, "The tests of a launch, in its order.",
           "page of test"),
     .query = query_fields, .query_bytes = sizeof(struct tests_query), .query_preset = &query_preset},
    ROUTES_END,
};
