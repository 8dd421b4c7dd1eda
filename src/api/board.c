/* board.c - one snapshot for the page: status, servers, the running launches and the newest others.
 *
 * `rev` is taken before the read is queued, and a read sees everything committed before that: a stream that goes
 * on from `rev` may repeat what the snapshot shows, and never misses anything. */
#include <stdio.h>
#include <string.h>

#include "api/api_private.h"
#include "api/live/hub.h"

#define RECENT 20

struct board {
    struct req *rq;
    struct busy_runs busy;
    uint64_t *shown; /* ids of running launches, newest first */
    uint32_t n_shown;
    uint32_t n_recent;
    char rev[HUB_REV_BYTES];
    struct buf status;
};

static void each_server(void *ctx, const struct server_row *row)
{
    struct board *b = ctx;

    render_server(&b->rq->render, row, &b->busy);
}

static void each_running(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct board *b = ctx;

    b->shown[b->n_shown++] = row->id.v;
    render_launch(&b->rq->render, row, sums);
}

static void each_recent(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct board *b = ctx;

    for (uint32_t i = 0; i < b->n_shown; i++) {
        if (b->shown[i] == row->id.v)
            return;
    }
    if (b->n_recent++ < RECENT)
        render_launch(&b->rq->render, row, sums);
}

static void board_job(struct reader *r, struct req *rq)
{
    struct board *b = rq->state;
    struct json_out *j = &rq->render.j;
    static const int alive[] = {LAUNCH_RUNNING, LAUNCH_STOPPING};
    struct launch_filter any = {.state = -1};
    struct page p = {.limit = RECENT * 2};

    b->busy.arena = &rq->arena;
    b->shown = arena_alloc(&rq->arena, ARRAY_LEN(alive) * PAGE_LIMIT_MAX * sizeof(*b->shown));
    rq->err = busy_runs_read(r, (struct server_id){0}, &b->busy, &rq->why);
    if (rq->err != ERR_OK)
        return;
    jo_obj(j);
    jo_ktext(j, "rev", b->rev);
    jo_key(j, "status");
    jo_raw(j, buf_str(&b->status), b->status.len);
    jo_karr(j, "servers");
    rq->err = read_servers(r, each_server, b, &rq->why);
    jo_arr_end(j);
    jo_karr(j, "launches");
    for (size_t i = 0; i < ARRAY_LEN(alive) && rq->err == ERR_OK; i++) {
        struct launch_filter f = {.state = alive[i]};
        struct page all = {.limit = PAGE_LIMIT_MAX};

        rq->err = read_launches(r, &f, &all, each_running, b, &rq->why);
    }
    if (rq->err == ERR_OK)
        rq->err = read_launches(r, &any, &p, each_recent, b, &rq->why);
    jo_arr_end(j);
    jo_obj_end(j);
}

static void board_get(struct req *rq)
{
    struct board *b = arena_alloc(&rq->arena, sizeof(*b));
    struct json_out j;

    b->rq = rq;
    rq->state = b;
    hub_rev(rq->api->hub, b->rev);
    buf_init(&b->status, KIB(64));
    rq->owned = &b->status;
    jo_begin(&j, &b->status);
    render_status(rq->api, &j);
    req_read(rq, board_job, NULL);
}

const struct route board_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/board", board_get, "One snapshot for the page.", "board")},
    ROUTES_END,
};
