/* logs.c - the bytes of a run's log: a piece by bytes or lines, its tail, or the whole of it as a download. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"

#define PIECE_BYTES 262144
#define PIECE_BYTES_MAX 4194304
#define DOWNLOAD_CHUNK_BYTES 262144u

struct log_query {
    int64_t from;
    int64_t max;
    int64_t tail;
    int64_t line;
    int64_t lines;
    bool download;
};

#define LINE_NONE INT64_MIN

static const struct field query_fields[] = {
    {.name = "from",
     .type = FIELD_INT,
     .offset = offsetof(struct log_query, from),
     .max = INT64_MAX,
     .help = "first byte",
     .preset = "0"},
    {.name = "max",
     .type = FIELD_INT,
     .offset = offsetof(struct log_query, max),
     .min = 1,
     .max = PIECE_BYTES_MAX,
     .help = "most bytes",
     .preset = "262144"},
    {.name = "tail",
     .type = FIELD_INT,
     .offset = offsetof(struct log_query, tail),
     .min = 1,
     .max = PIECE_BYTES_MAX,
     .help = "the last bytes, instead of from"},
    {.name = "line",
     .type = FIELD_INT,
     .offset = offsetof(struct log_query, line),
     .min = -INT64_MAX,
     .max = INT64_MAX,
     .help = "the first line, from 1, instead of from; -200: the last 200"},
    {.name = "lines",
     .type = FIELD_INT,
     .offset = offsetof(struct log_query, lines),
     .min = 1,
     .max = INT64_MAX,
     .help = "with line: most lines; also then at most max bytes"},
    {.name = "download",
     .type = FIELD_BOOL,
     .offset = offsetof(struct log_query, download),
     .help = "the whole log as an attachment",
     .preset = "0"},
    {.type = FIELD_END},
};
static const struct log_query query_preset = {.from = -1, .max = PIECE_BYTES, .line = LINE_NONE};

/* One piece. Lives in the request's arena. */
struct piece {
    struct buf bytes;
    uint64_t from;
    struct log_info info;
    /* asked for by lines */
    struct log_shape shape;
    uint64_t line;
    /* of a download */
    bool is_download;
    bool has_started;
    bool is_reading;
    uint32_t taken; /* of `bytes`, by the client */
};

enum err log_line_resolve(struct reader *r, struct run_id run, int64_t line, const struct log_shape *shape,
                          uint64_t *ret_line, uint64_t *ret_byte, struct why *reterr)
{
    if (line == 0)
        return why_set(reterr, ERR_INVALID, "line",
                       "line: 0 is not a line; they count from 1, and -200 means the last 200");
    if (line < 0)
        line = (uint64_t)-line < shape->lines ? (int64_t)shape->lines + line + 1 : 1;
    *ret_line = (uint64_t)line;
    *ret_byte = shape->size;
    return *ret_line > shape->lines ? ERR_OK : read_log_line(r, run, *ret_line - 1, ret_byte, reterr);
}

/* From which byte, and how many at most, when lines are asked for. */
static enum err piece_lines(struct reader *r, struct req *rq, struct piece *p, uint32_t *max)
{
    const struct log_query *q = rq->query;
    struct run_id run = {rq->ids[0]};
    uint64_t end;
    uint64_t last;
    enum err err = read_log_shape(r, run, &p->shape, &rq->why);

    if (err == ERR_OK)
        err = log_line_resolve(r, run, q->line, &p->shape, &p->line, &p->from, &rq->why);
    if (err != ERR_OK || q->lines == 0 || p->line > p->shape.lines ||
        (uint64_t)q->lines > p->shape.lines - p->line)
        return err;
    err = log_line_resolve(r, run, (int64_t)p->line + q->lines, &p->shape, &last, &end, &rq->why);
    if (err == ERR_OK && end - p->from < *max)
        *max = (uint32_t)(end - p->from);
    return err;
}

static void piece_job(struct reader *r, struct req *rq)
{
    const struct log_query *q = rq->query;
    struct piece *p = rq->state;
    struct run_id run = {rq->ids[0]};
    uint32_t max = p->is_download ? DOWNLOAD_CHUNK_BYTES : (uint32_t)q->max;

    if (!p->has_started) {
        rq->err = read_run(r, run, NULL, NULL, &rq->why);
        if (rq->err != ERR_OK)
            return;
    }
    if (q->tail > 0 && !p->is_download) {
        rq->err = read_log(r, run, 0, 0, &p->bytes, &p->info, &rq->why);
        if (rq->err != ERR_OK)
            return;
        p->from = p->info.size > (uint64_t)q->tail ? p->info.size - (uint64_t)q->tail : 0;
        max = (uint32_t)q->tail;
    }
    if (q->line != LINE_NONE && !p->is_download) {
        rq->err = piece_lines(r, rq, p, &max);
        if (rq->err != ERR_OK)
            return;
    }
    rq->err = read_log(r, run, p->from, max, &p->bytes, &p->info, &rq->why);
}

static void text_headers(struct http_req *http)
{
    http_add(http, "Content-Type", "text/plain; charset=utf-8");
    http_add(http, "X-Content-Type-Options", "nosniff");
    http_add(http, "Content-Security-Policy", "sandbox; default-src 'none'");
}

static void on_piece(struct req *rq)
{
    struct piece *p = rq->state;

    if (rq->err != ERR_OK) {
        buf_done(&p->bytes);
        req_error(rq, &rq->why);
        return;
    }
    text_headers(rq->http);
    http_add(rq->http, "Cache-Control", "no-store");
    http_add(rq->http, "X-Request-Id", rq->name);
    http_addf(rq->http, "X-Log-From", "%llu", (unsigned long long)p->from);
    http_addf(rq->http, "X-Log-To", "%llu", (unsigned long long)(p->from + p->bytes.len));
    http_addf(rq->http, "X-Log-Size", "%llu", (unsigned long long)p->info.size);
    http_addf(rq->http, "X-Log-Complete", "%d", p->info.complete);
    if (p->line > 0) {
        http_addf(rq->http, "X-Log-Line", "%llu", (unsigned long long)p->line);
        http_addf(rq->http, "X-Log-Lines", "%llu", (unsigned long long)p->shape.lines);
    }
    http_reply(rq->http, 200, &p->bytes);
}

/* ---- the whole log: a chunk is read while the one before it is on its way ---- */

static void read_chunk(struct req *rq);

static ssize_t on_take(void *user, char *out, size_t max)
{
    struct req *rq = user;
    struct piece *p = rq->state;
    size_t n;

    if (p->is_reading)
        return HTTP_WAIT;
    if (p->taken == p->bytes.len) {
        if (rq->err != ERR_OK)
            return HTTP_FAIL;
        if (p->from >= p->info.size)
            return HTTP_END;
        read_chunk(rq);
        return HTTP_WAIT;
    }
    n = p->bytes.len - p->taken < max ? p->bytes.len - p->taken : max;
    memcpy(out, p->bytes.data + p->taken, n);
    p->taken += (uint32_t)n;
    return (ssize_t)n;
}

static void on_chunk(struct req *rq)
{
    struct piece *p = rq->state;

    p->is_reading = false;
    p->from += p->bytes.len;
    if (p->bytes.len == 0)
        p->info.size = p->from; /* shorter than it said: end here */
    if (p->has_started) {
        http_wake(rq->http);
        return;
    }
    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    p->has_started = true;
    text_headers(rq->http);
    http_addf(rq->http, "Content-Disposition", "attachment; filename=\"run-%llu.log\"",
              (unsigned long long)rq->ids[0]);
    http_reply_stream(rq->http, 200, on_take);
}

static void read_chunk(struct req *rq)
{
    struct piece *p = rq->state;

    buf_clear(&p->bytes);
    p->taken = 0;
    p->is_reading = true;
    req_read(rq, piece_job, on_chunk);
}

static void log_get(struct req *rq)
{
    const struct log_query *q = rq->query;
    struct piece *p = arena_alloc(&rq->arena, sizeof(*p));

    if ((q->tail > 0) + (q->from >= 0) + (q->line != LINE_NONE) > 1) {
        req_fail(rq, ERR_INVALID, q->tail > 0 ? "tail" : "line",
                 "%s: from, tail and line exclude each other; give one of them",
                 q->tail > 0 ? "tail" : "line");
        return;
    }
    if (q->lines > 0 && q->line == LINE_NONE) {
        req_fail(rq, ERR_INVALID, "lines", "lines: it wants line, the first of them");
        return;
    }
    rq->state = p;
    p->is_download = q->download;
    p->from = q->from > 0 && !q->download ? (uint64_t)q->from : 0;
    buf_init(&p->bytes, PIECE_BYTES_MAX + 1);
    rq->owned = &p->bytes;
    if (p->is_download)
        read_chunk(rq);
    else
        req_read(rq, piece_job, on_piece);
}

const struct route log_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/log", log_get, "The log of a run, as the script wrote it.",
           "bytes"),
     .query = query_fields, .query_bytes = sizeof(struct log_query), .query_preset = &query_preset},
    ROUTES_END,
};
