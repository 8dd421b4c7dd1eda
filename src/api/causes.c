/* causes.c - what a launch failed by: many failures, few causes (docs/causes.md). */
#include "api/api_private.h"

struct causes_query {
    int64_t limit;
};

static const struct field query_fields[] = {
    {.name = "limit",
     .type = FIELD_INT,
     .offset = offsetof(struct causes_query, limit),
     .min = 1,
     .max = 500,
     .help = "most causes to list, those that failed most come first",
     .preset = "100"},
    {.type = FIELD_END},
};
static const struct causes_query query_preset = {.limit = 100};

static void render_cause_example(struct json_out *j, const struct cause_example *e)
{
    jo_obj(j);
    jo_kuint(j, "run", e->run.v);
    jo_kint_if(j, "seq", e->seq >= 0, e->seq);
    jo_ktext(j, "path", e->path);
    jo_ktext(j, "description", e->description);
    jo_obj_end(j);
}

static void each_cause(void *ctx, const struct cause_row *row)
{
    struct json_out *j = ctx;

    jo_obj(j);
    render_cause_id(j, "cause", row->id);
    jo_ktext(j, "title", row->title);
    jo_ktext(j, "exception", row->exception);
    jo_ktext(j, "frame", row->frame);
    jo_kuint(j, "count", row->count);
    jo_kuint(j, "runs", row->n_runs);
    jo_kuint(j, "files", row->n_files);
    jo_kobj(j, "first_seen");
    jo_kuint(j, "launch", row->first_launch.v);
    jo_kuint(j, "run", row->first_run.v);
    jo_ktime(j, "at", row->first_at);
    jo_obj_end(j);
    jo_karr(j, "servers");
    for (uint32_t i = 0; i < row->n_servers; i++)
        jo_text(j, row->servers[i]);
    jo_arr_end(j);
    jo_kuint(j, "n_servers", row->n_servers_all);
    jo_kbool(j, "known", row->is_known);
    jo_karr(j, "examples");
    for (uint32_t i = 0; i < row->n_examples; i++)
        render_cause_example(j, &row->examples[i]);
    jo_arr_end(j);
    jo_obj_end(j);
}

enum err causes_render(struct reader *r, struct launch_id launch, uint32_t max, struct json_out *j,
                       struct why *reterr)
{
    struct cause_sums sums;
    enum err err;

    jo_obj(j);
    jo_kuint(j, "launch", launch.v);
    jo_karr(j, "causes");
    err = read_causes(r, launch, max, each_cause, j, &sums, reterr);
    jo_arr_end(j);
    jo_kuint(j, "failures", sums.failures);
    jo_kuint(j, "n_causes", sums.causes);
    jo_obj_end(j);
    return err;
}

static void causes_job(struct reader *r, struct req *rq)
{
    const struct causes_query *q = rq->query;

    rq->err = causes_render(r, (struct launch_id){rq->ids[0]}, (uint32_t)q->limit, &rq->render.j, &rq->why);
}

static void causes_list(struct req *rq)
{
    req_read(rq, causes_job, NULL);
}

const struct route cause_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/causes", causes_list,
           "What the launch failed by so far: its failures, grouped by cause.", "causes"),
     .query = query_fields, .query_bytes = sizeof(struct causes_query), .query_preset = &query_preset},
    ROUTES_END,
};
