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
    struct buf out;

    if (!rq->api->is_stopping) {
        answer_text(rq, 200, "ok\n");
        return;
    }
    buf_init(&out, KIB(4));
    render_error(&out, err_name(ERR_BUSY), "the server is ending", NULL, rq->name);
    http_add(rq->http, "Content-Type", "application/json");
    http_add(rq->http, "Cache-Control", "no-store");
    http_reply(rq->http, 503, &out);
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
    {ROUTE(GET, ANYONE, "/healthz", health_get,
           "200 while the loop turns, 503 when the server is about to end.", "text")},
    {ROUTE(GET, ANYONE, "/readyz", ready_get, "200 when requests can be served, else 503 with the reason.",
           "text")},
    ROUTES_END,
};
