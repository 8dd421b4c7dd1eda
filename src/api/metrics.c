/* metrics.c - GET /metrics: who may have it; what the store knows is read here, the rest is the server's (server/metrics.c). */
#include "api/api_private.h"
#include "model/cost.h"

static void metrics_job(struct reader *r, struct req *rq)
{
    struct api_metrics *m = rq->state;
    struct cost_sums sums = {0};
    struct cost_rate rate = {0};
    struct cost_filter today = {.by = COST_BY_DAY};

    today.from_day = today.to_day = cost_day(wall_now());
    rq->err = read_queue_counts(r, &m->queues, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = read_cost_sums(r, &today, &sums, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = read_cost_rate(r, &rate, &rq->why);
    m->today_nanousd = sums.nanousd;
    m->hour_microusd = rate.hour_microusd;
    m->n_machines = rate.n_machines;
}

static void on_read(struct req *rq)
{
    struct buf out;

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    buf_init(&out, MIB(1));
    rq->api->opts.metrics(rq->api->opts.ctx, rq->state, &out);
    http_add(rq->http, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    http_add(rq->http, "Cache-Control", "no-store");
    http_reply(rq->http, 200, &out);
}

static void metrics_get(struct req *rq)
{
    if (rq->api->opts.metrics == NULL || rq->api->opts.metrics_for(rq->api->opts.ctx) == METRICS_FOR_NOBODY) {
        req_fail(rq, ERR_NOTFOUND, NULL, "there are no metrics here: the setting `metrics` is off");
        return;
    }
    rq->state = arena_alloc(&rq->arena, sizeof(struct api_metrics));
    req_read(rq, metrics_job, on_read);
}

const struct route metrics_routes[] = {
    {ROUTE(GET, METRICS, "/metrics", metrics_get,
           "Numbers of this process, as Prometheus reads them; 404 with `metrics: off`.", "text")},
    ROUTES_END,
};
