/* status.c - numbers of the whole. */
#include "api/api_private.h"

static void status_get(struct req *rq)
{
    struct json_out j;
    struct buf out;

    buf_init(&out, KIB(64));
    jo_begin(&j, &out);
    render_status(rq->api, &j);
    req_json(rq, 200, &out);
}

const struct route status_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/status", status_get, "Numbers of the whole.", "status")},
    ROUTES_END,
};
