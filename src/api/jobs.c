/* jobs.c - work that takes longer than an answer may: the list, one, its end. What does it is server/jobs.c. */
#include <string.h>

#include "api/history_delete.h"
#include "api/live/hub.h"

struct jobs_query {
    struct page_query page;
};

static const struct field query_fields[] = {PAGE_FIELDS(struct jobs_query), {.type = FIELD_END}};
static const struct jobs_query query_preset = {.page = PAGE_PRESET};

void render_job(struct json_out *j, const struct job_row *row)
{
    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_ktext(j, "kind", job_kind_name(row->kind));
    jo_ktext(j, "state", job_state_name(row->state));
    jo_kuint(j, "done", row->done);
    jo_key(j, "total");
    if (row->total >= 0)
        jo_int(j, row->total);
    else
        jo_null(j);
    jo_ktext(j, "by", row->login);
    jo_key(j, "what");
    jo_raw(j, row->what, strlen(row->what));
    jo_ktime(j, "at", row->created_at);
    jo_ktime(j, "ended_at", row->ended_at);
    jo_key(j, "error");
    if (row->error[0] != '\0')
        jo_text(j, row->error);
    else
        jo_null(j);
    jo_obj_end(j);
}

static void each_job(void *ctx, const struct job_row *row)
{
    struct req *rq = ctx;

    render_job(&rq->render.j, row);
}

static void list_job(struct reader *r, struct req *rq)
{
    const struct jobs_query *q = rq->query;
    struct user_id user = {rq->who.role == ROLE_ADMIN ? 0 : rq->who.user.v};
    struct page p = page_of(&q->page);

    page_begin(rq);
    rq->err = read_jobs(r, user, &p, each_job, rq, &rq->why);
    page_end(rq, &p);
}

static void one_job(struct reader *r, struct req *rq)
{
    rq->err = read_job(r, rq->ids[0], each_job, rq, &rq->why);
}

static void jobs_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

static void jobs_one(struct req *rq)
{
    req_read(rq, one_job, NULL);
}

/* Whoever watches is told as well. */
static void on_canceled_read(struct req *rq)
{
    struct user_id *user = rq->state;

    if (rq->err == ERR_OK && !rq->api->is_closed)
        hub_job(rq->api->hub, *user, buf_slice(&rq->render.out));
    req_finish(rq);
}

static void each_canceled(void *ctx, const struct job_row *row)
{
    struct req *rq = ctx;

    *(struct user_id *)rq->state = row->user;
    each_job(rq, row);
}

static void canceled_job(struct reader *r, struct req *rq)
{
    rq->err = read_job(r, rq->ids[0], each_canceled, rq, &rq->why);
}

static void on_canceled(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;

    if (err == ERR_OK && !rq->api->is_closed) {
        rq->api->opts.history_gone(rq->api->opts.ctx, rq->ids[0]);
        rq->state = arena_alloc(&rq->arena, sizeof(struct user_id));
        req_read_always(rq, canceled_job, on_canceled_read);
    } else if (req_lives(rq)) {
        req_error(rq, why);
    }
    req_release(rq);
}

/* What it has deleted is gone; the rest stays. */
static void jobs_cancel(struct req *rq)
{
    req_hold(rq);
    store_job_end(rq->api->opts.store, rq->ids[0], JOB_CANCELED, "", wall_now(), on_canceled, rq);
}

/* ---- for who watches ---- */

void api_job(struct api *a, const struct job_row *row)
{
    struct json_out j;
    struct buf json;

    buf_init(&json, MIB(1));
    jo_begin(&j, &json);
    render_job(&j, row);
    hub_job(a->hub, row->user, buf_slice(&json));
    buf_done(&json);
}

void api_history_gone(struct api *a, const struct history_delete *d)
{
    struct json_out j;
    struct buf json;

    if (d->n_gone == 0 && d->n_launches == 0)
        return;
    buf_init(&json, KIB(64));
    jo_begin(&j, &json);
    jo_obj(&j);
    jo_karr(&j, "launches");
    for (uint32_t i = 0; i < d->n_launches && i < PRUNE_IDS_MAX; i++)
        jo_uint(&j, d->launches[i]);
    jo_arr_end(&j);
    jo_karr(&j, "runs");
    for (uint32_t i = 0; i < d->n_gone && i < PRUNE_IDS_MAX; i++)
        jo_uint(&j, d->gone[i]);
    jo_arr_end(&j);
    jo_obj_end(&j);
    hub_gone(a->hub, buf_slice(&json));
    buf_done(&json);
}

const struct route job_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/jobs", jobs_list, "Jobs, newest first: one's own, for admins everybody's.",
           "page of job"),
     .query = query_fields, .query_bytes = sizeof(struct jobs_query), .query_preset = &query_preset},
    {ROUTE(GET, OWN_JOB_LOOK, "/api/v1/jobs/{job}", jobs_one, "One job.", "job")},
    {ROUTE(DELETE, OWN_JOB, "/api/v1/jobs/{job}", jobs_cancel,
           "Cancel a job: what it has deleted is gone, the rest stays.", "job"),
     .audit = "job.cancel"},
    ROUTES_END,
};
