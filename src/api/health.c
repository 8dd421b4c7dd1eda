/* health.c - for whoever watches the process: does the loop turn, does the store answer. */
#include "api/api_private.h"

static void answer_text(struct req *rq, int status, const char *text)
{
    struct buf out;

    if (rq->http == NULL)
        return;
    buf_init(&out, KIB(4));
    buf_puts(&out, text);
    http_add(rq->http, "Content-Type", "text/plain; charset=utf-8");
    http_add(rq->http, "Cache-Control", "no-store");
    http_reply(rq->http, status, &out);
}

static void health_get(struct req *rq)
{
    answer_text(rq, 200, "ok\n");
}

static void ignore_project(void *ctx, const struct project_row *row)
{
    (void)ctx;
    (void)row;
}

static void ready_job(struct reader *r, struct req *rq)
{
    rq->err = read_projects(r, ignore_project, NULL, &rq->why);
}

static void on_ready(struct req *rq)
{
    if (rq->err == ERR_OK)
        answer_text(rq, 200, "ready\n");
    else
        answer_text(rq, 503, rq->why.text);
}

static void ready_get(struct req *rq)
{
    req_read(rq, ready_job, on_ready);
}

const struct route health_routes[] = {
    {ROUTE(GET, "/healthz", health_get, "200 while the loop turns.", "text")},
    {ROUTE(GET, "/readyz", ready_get, "200 when requests can be served, else 503 with the reason.", "text")},
    ROUTES_END,
};
