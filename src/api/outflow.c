/* outflow.c - one job reads a piece; it is taken by the client; then the next one. */
#include "api/outflow.h"

#include <string.h>

#include "base/log.h"

static void flow_free(struct req *rq)
{
    struct outflow *f = rq->state;

    if (f->done != NULL)
        f->done(rq);
    buf_done(&f->out);
}

static void flow_job(struct reader *r, struct req *rq)
{
    struct outflow *f = rq->state;

    rq->err = f->job(r, rq);
}

static void read_piece(struct req *rq);

static ssize_t on_take(void *user, char *out, size_t max)
{
    struct req *rq = user;
    struct outflow *f = rq->state;
    size_t n;

    if (f->is_reading)
        return HTTP_WAIT;
    if (f->taken == f->out.len) {
        if (rq->err != ERR_OK)
            return HTTP_FAIL;
        if (f->is_all)
            return HTTP_END;
        read_piece(rq);
        return HTTP_WAIT;
    }
    n = f->out.len - f->taken < max ? f->out.len - f->taken : max;
    memcpy(out, f->out.data + f->taken, n);
    f->taken += n;
    return (ssize_t)n;
}

static void on_piece(struct req *rq)
{
    struct outflow *f = rq->state;

    f->is_reading = false;
    if (rq->err == ERR_OK && f->piece != NULL)
        f->piece(rq);
    if (f->has_started) {
        if (rq->err != ERR_OK)
            LOG_ERROR("answer.cut", "request=%s path=%s sent=%llu why=\"%s\"", rq->name, rq->route->path,
                      (unsigned long long)f->sent, rq->why.text);
        http_wake(rq->http);
        return;
    }
    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    if (f->out.len == 0 && !f->is_all) {
        read_piece(rq); /* it may still come to an error */
        return;
    }
    f->has_started = true;
    f->head(rq);
    http_reply_stream_of(rq->http, 200, HTTP_SIZE_UNKNOWN, on_take);
}

static void read_piece(struct req *rq)
{
    struct outflow *f = rq->state;

    f->sent += f->out.len;
    buf_clear(&f->out);
    f->taken = 0;
    f->is_reading = true;
    req_read(rq, flow_job, on_piece);
}

void outflow_begin(struct req *rq)
{
    struct outflow *f = rq->state;

    buf_init(&f->out, RENDER_BYTES_MAX);
    rq->on_free = flow_free;
    read_piece(rq);
}

void outflow_head(struct req *rq, const char *type, const char *name)
{
    http_add(rq->http, "Content-Type", type);
    http_addf(rq->http, "Content-Disposition", "attachment; filename=\"%s\"", name);
    http_add(rq->http, "Cache-Control", "no-store");
    http_add(rq->http, "X-Content-Type-Options", "nosniff");
    http_add(rq->http, "X-Request-Id", rq->name);
}
