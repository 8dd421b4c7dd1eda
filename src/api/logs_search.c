/* logs_search.c - a log by its lines, for programs: those that hold a text, and some of them one after the other.
 *
 * A search reads a slice of the log in one job of a reader thread, then stands behind the other readers again, so that
 * neither a large log nor a costly expression keeps anybody waiting longer than SLICE_MS. */
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"
#include "api/log_search.h"
#include "wire/log_text.h"

#define SLICE_MS 40
#define WORK_MS_MAX 2000 /* of one request; then the answer says where to go on */
#define CHUNK_BYTES LOG_SEARCH_PIECE
#define SEARCHES_MAX 8u /* at a time, of all people */
#define LINES_MAX 1000
#define TIMES_MAX 10000u
#define LINE_BYTES_MAX 4096u   /* shown of a line */
#define LINES_BYTES_MAX MIB(1) /* of an answer, before JSON */

/* ---- search ---- */

struct search_query {
    const char *q;
    bool regex;
    int how;
    int64_t from_line;
    int64_t limit;
};

static const char *const cases[] = {"smart", "yes", "no", NULL};
_Static_assert(ARRAY_LEN(cases) == LOG_CASE_COUNT + 1, "a name for each");

static const struct field search_fields[] = {
    {.name = "q",
     .type = FIELD_TEXT,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct search_query, q),
     .min = 1,
     .max = LOG_SEARCH_QUERY_BYTES,
     .help = "what a line must hold"},
    {.name = "regex",
     .type = FIELD_BOOL,
     .offset = offsetof(struct search_query, regex),
     .help = "q is an expression of PCRE2",
     .preset = "0"},
    {.name = "case",
     .type = FIELD_ENUM,
     .offset = offsetof(struct search_query, how),
     .names = cases,
     .help = "capitals count: smart (when q has one), yes, no",
     .preset = "smart"},
    {.name = "from_line",
     .type = FIELD_INT,
     .offset = offsetof(struct search_query, from_line),
     .min = 1,
     .max = INT64_MAX,
     .help = "begin at this line",
     .preset = "1"},
    {.name = "limit",
     .type = FIELD_INT,
     .offset = offsetof(struct search_query, limit),
     .min = 1,
     .max = LOG_SEARCH_HITS_MAX,
     .help = "most lines of the answer",
     .preset = "100"},
    {.type = FIELD_END},
};
static const struct search_query search_preset = {.from_line = 1, .limit = 100};

/* Of one request; in its arena. */
struct search {
    struct log_search *s;
    struct api *api;
    struct buf chunk;
    size_t taken; /* of it, by the search */
    uint64_t at;  /* the byte behind it */
    struct log_shape shape;
    int64_t work_us;
    bool has_begun;
    bool is_at_end;
    bool is_done;
};

static void search_free(struct req *rq)
{
    struct search *x = rq->state;

    log_search_free(x->s);
    buf_done(&x->chunk);
    x->api->log_searches--;
}

static void search_begin(struct reader *r, struct req *rq, struct search *x)
{
    const struct search_query *q = rq->query;
    uint64_t line = (uint64_t)q->from_line;
    struct run_id run = {rq->ids[0]};

    rq->err = read_log_shape(r, run, &x->shape, &rq->why);
    if (rq->err != ERR_OK)
        return;
    if (line > x->shape.lines)
        x->at = x->shape.size;
    else
        rq->err = read_log_line(r, run, line - 1, &x->at, &rq->why);
    log_search_from(x->s, line, x->at);
    x->has_begun = true;
}

/* Up to the end of a block: none is inflated twice. */
static void read_chunk(struct reader *r, struct req *rq, struct search *x)
{
    struct log_info info;

    buf_clear(&x->chunk);
    x->taken = 0;
    rq->err = read_log(r, (struct run_id){rq->ids[0]}, x->at, CHUNK_BYTES - (uint32_t)(x->at % CHUNK_BYTES),
                       &x->chunk, &info, &rq->why);
    if (rq->err != ERR_OK)
        return;
    x->at += x->chunk.len;
    x->is_at_end = x->chunk.len == 0;
    x->shape.complete = info.complete;
}

static bool keep_time(void *ctx, uint64_t line, struct wall at)
{
    (void)line;
    *(int64_t *)ctx = at.ms;
    return true;
}

/* When line `line` (from 1) was printed; null: not known. */
static void render_time(struct reader *r, struct req *rq, uint64_t line)
{
    int64_t ms = 0;
    struct why why;

    if (read_log_times(r, (struct run_id){rq->ids[0]}, line - 1, 1, keep_time, &ms, &why) == ERR_OK && ms > 0)
        jo_kint(&rq->render.j, "ms", ms);
    else
        jo_knull(&rq->render.j, "ms");
}

static void render_hit(struct reader *r, struct req *rq, const struct log_hit *h)
{
    struct json_out *j = &rq->render.j;

    jo_obj(j);
    jo_kuint(j, "line", h->line);
    render_time(r, rq, h->line);
    jo_kuint(j, "byte", h->byte);
    jo_kuint(j, "bytes", h->bytes);
    jo_kuint(j, "text_byte", h->text_byte);
    jo_key(j, "text");
    jo_textn(j, h->text.ptr, h->text.len);
    jo_karr(j, "at");
    for (uint32_t i = 0; i < h->n_at; i++) {
        jo_arr(j);
        jo_uint(j, h->at[i][0]);
        jo_uint(j, h->at[i][1]);
        jo_arr_end(j);
    }
    jo_arr_end(j);
    jo_obj_end(j);
}

static void render_search(struct reader *r, struct req *rq, const struct search *x)
{
    struct json_out *j = &rq->render.j;
    uint64_t next = log_search_more(x->s);
    uint64_t first;
    uint64_t gave_up = log_search_gave_up(x->s, &first);

    if (next == 0 && !x->is_at_end)
        next = log_search_line(x->s);
    jo_obj(j);
    jo_karr(j, "matches");
    for (uint32_t i = 0; i < log_search_hits(x->s); i++) {
        struct log_hit h;

        log_search_hit(x->s, i, &h);
        render_hit(r, rq, &h);
    }
    jo_arr_end(j);
    jo_kuint(j, "count", log_search_count(x->s));
    jo_kbool(j, "whole", x->is_at_end);
    jo_kint_if(j, "next_line", next > 0, (int64_t)next);
    jo_kuint(j, "lines", x->shape.lines);
    jo_kbool(j, "complete", x->shape.complete);
    if (gave_up > 0) {
        jo_kobj(j, "gave_up");
        jo_kuint(j, "lines", gave_up);
        jo_kuint(j, "first", first);
        jo_obj_end(j);
    } else {
        jo_knull(j, "gave_up");
    }
    jo_obj_end(j);
}

static void search_job(struct reader *r, struct req *rq)
{
    struct search *x = rq->state;
    struct mono begin = mono_now();
    struct mono until = mono_add_ms(begin, SLICE_MS);

    if (!x->has_begun)
        search_begin(r, rq, x);
    while (rq->err == ERR_OK && !x->is_at_end && mono_before(mono_now(), until)) {
        if (x->taken == x->chunk.len)
            read_chunk(r, rq, x);
        else
            x->taken += log_search_feed(x->s, x->chunk.data + x->taken, x->chunk.len - x->taken, until);
    }
    if (rq->err == ERR_OK && x->is_at_end) { /* as it is by now */
        log_search_end(x->s);
        rq->err = read_log_shape(r, (struct run_id){rq->ids[0]}, &x->shape, &rq->why);
    }
    x->work_us += mono_now().us - begin.us;
    x->is_done = x->is_at_end || x->work_us >= WORK_MS_MAX * INT64_C(1000);
    if (rq->err == ERR_OK && x->is_done)
        render_search(r, rq, x);
}

static void on_slice(struct req *rq)
{
    struct search *x = rq->state;

    if (rq->err == ERR_OK && !x->is_done)
        req_read(rq, search_job, on_slice);
    else
        req_finish(rq);
}

static void search_get(struct req *rq)
{
    const struct search_query *q = rq->query;
    struct search *x = arena_alloc(&rq->arena, sizeof(*x));
    struct why why;

    if (rq->api->log_searches >= SEARCHES_MAX) {
        req_later(rq, ERR_BUSY, 1, "many logs are being searched just now; try again in a second");
        return;
    }
    if (log_search_new(q->q, strlen(q->q), q->regex, (enum log_case)q->how, (uint32_t)q->limit, &x->s,
                       &why) != ERR_OK) {
        req_error(rq, &why);
        return;
    }
    x->api = rq->api;
    x->api->log_searches++;
    buf_init(&x->chunk, CHUNK_BYTES);
    rq->state = x;
    rq->on_free = search_free;
    req_read(rq, search_job, on_slice);
}

/* ---- some lines ---- */

struct lines_query {
    int64_t line;
    int64_t lines;
};

static const struct field lines_fields[] = {
    {.name = "line",
     .type = FIELD_INT,
     .offset = offsetof(struct lines_query, line),
     .min = -INT64_MAX,
     .max = INT64_MAX,
     .help = "the first line, from 1; -200: the last 200",
     .preset = "1"},
    {.name = "lines",
     .type = FIELD_INT,
     .offset = offsetof(struct lines_query, lines),
     .min = 1,
     .max = LINES_MAX,
     .help = "most lines of the answer",
     .preset = "200"},
    {.type = FIELD_END},
};
static const struct lines_query lines_preset = {.line = 1, .lines = 200};

/* The lines from `line` on, as bytes come. */
struct lines {
    struct reader *r;
    struct req *rq;
    struct log_shape shape;
    uint64_t line;    /* from 1 */
    uint64_t byte;    /* where it begins */
    uint64_t at;      /* the byte behind what was read */
    uint64_t left;    /* lines that may still be shown */
    size_t shown;     /* bytes of them */
    struct buf bytes; /* from `byte` on */
};

static void render_line(struct lines *x, struct slice raw, uint64_t bytes)
{
    struct json_out *j = &x->rq->render.j;
    struct buf text;
    size_t n;

    if (raw.len > 0 && raw.len == bytes && raw.ptr[raw.len - 1] == '\r')
        raw.len--;
    buf_init(&text, LOG_TEXT_GROWTH * CHUNK_BYTES);
    log_text_show(raw.ptr, raw.len, &text);
    n = text.len > LINE_BYTES_MAX ? utf8_whole(text.data, LINE_BYTES_MAX) : text.len;
    jo_obj(j);
    jo_kuint(j, "line", x->line);
    render_time(x->r, x->rq, x->line);
    jo_kuint(j, "byte", x->byte);
    jo_kuint(j, "bytes", bytes);
    jo_key(j, "text");
    jo_textn(j, buf_str(&text), n);
    jo_kbool(j, "cut", n < text.len || raw.len + 1 < bytes);
    jo_obj_end(j);
    buf_done(&text);
    x->shown += n;
    x->line++;
    x->byte += bytes + 1;
    x->left--;
}

/* More bytes behind those that are here. */
static enum err lines_read(struct lines *x)
{
    struct log_info info;
    enum err err = read_log(x->r, (struct run_id){x->rq->ids[0]}, x->at, CHUNK_BYTES - (uint32_t)x->bytes.len,
                            &x->bytes, &info, &x->rq->why);

    x->at = x->byte + x->bytes.len;
    return err;
}

/* A line that is longer than a chunk: only its beginning is here, its end is asked of the index. */
static enum err lines_long(struct lines *x)
{
    uint64_t end = x->shape.size;
    uint64_t next;
    enum err err = read_log_line(x->r, (struct run_id){x->rq->ids[0]}, x->line, &next, &x->rq->why);

    if (err == ERR_OK)
        end = next - 1;
    else if (err != ERR_NOTFOUND) /* not found: it is the last one, and not ended */
        return err;
    render_line(x, buf_slice(&x->bytes), end - x->byte);
    buf_clear(&x->bytes);
    x->at = x->byte;
    return ERR_OK;
}

static enum err lines_render(struct lines *x)
{
    enum err err = ERR_OK;

    while (err == ERR_OK && x->left > 0 && x->line <= x->shape.lines && x->shown < LINES_BYTES_MAX) {
        const char *end = memchr(buf_str(&x->bytes), '\n', x->bytes.len);

        if (end != NULL) {
            size_t n = (size_t)(end - x->bytes.data);

            render_line(x, (struct slice){x->bytes.data, n}, n);
            buf_consume(&x->bytes, n + 1);
        } else if (x->at >= x->shape.size) {
            render_line(x, buf_slice(&x->bytes), x->bytes.len);
            buf_clear(&x->bytes);
        } else if (x->bytes.len < CHUNK_BYTES) {
            err = lines_read(x);
        } else {
            err = lines_long(x);
        }
    }
    return err;
}

static void lines_job(struct reader *r, struct req *rq)
{
    const struct lines_query *q = rq->query;
    struct lines x = {.r = r, .rq = rq, .left = (uint64_t)q->lines};
    struct run_id run = {rq->ids[0]};
    struct json_out *j = &rq->render.j;

    rq->err = read_log_shape(r, run, &x.shape, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = log_line_resolve(r, run, q->line, &x.shape, &x.line, &x.byte, &rq->why);
    if (rq->err != ERR_OK)
        return;
    x.at = x.byte;
    buf_init(&x.bytes, CHUNK_BYTES);
    jo_obj(j);
    jo_karr(j, "items");
    rq->err = lines_render(&x);
    jo_arr_end(j);
    jo_kuint(j, "lines", x.shape.lines);
    jo_kbool(j, "complete", x.shape.complete);
    jo_kint_if(j, "next_line", x.line <= x.shape.lines, (int64_t)x.line);
    jo_obj_end(j);
    buf_done(&x.bytes);
}

static void lines_get(struct req *rq)
{
    req_read(rq, lines_job, NULL);
}

/* ---- times ---- */

struct times_query {
    int64_t from_line;
    int64_t lines;
};

static const struct field times_fields[] = {
    {.name = "from_line",
     .type = FIELD_INT,
     .offset = offsetof(struct times_query, from_line),
     .min = 1,
     .max = INT64_MAX,
     .help = "the first line",
     .preset = "1"},
    {.name = "lines",
     .type = FIELD_INT,
     .offset = offsetof(struct times_query, lines),
     .min = 1,
     .max = INT64_MAX,
     .help = "of so many lines; without: of all"},
    {.type = FIELD_END},
};
static const struct times_query times_preset = {.from_line = 1, .lines = INT64_MAX};

struct times_out {
    struct json_out *j;
    uint64_t from; /* from 0 */
    uint64_t next; /* line, from 1, where the answer was full; 0 it was not */
    uint32_t n;
};

static bool on_time(void *ctx, uint64_t line, struct wall at)
{
    struct times_out *o = ctx;

    if (o->n == TIMES_MAX) {
        o->next = line + 1;
        return false;
    }
    o->n++;
    jo_arr(o->j);
    jo_uint(o->j, (line < o->from ? o->from : line) + 1);
    jo_int(o->j, at.ms);
    jo_arr_end(o->j);
    return true;
}

static void times_job(struct reader *r, struct req *rq)
{
    const struct times_query *q = rq->query;
    struct json_out *j = &rq->render.j;
    struct times_out o = {.j = j, .from = (uint64_t)q->from_line - 1};

    jo_obj(j);
    jo_karr(j, "times");
    rq->err =
        read_log_times(r, (struct run_id){rq->ids[0]}, o.from, (uint64_t)q->lines, on_time, &o, &rq->why);
    jo_arr_end(j);
    jo_kint_if(j, "next_line", o.next > 0, (int64_t)o.next);
    jo_obj_end(j);
}

static void times_get(struct req *rq)
{
    req_read(rq, times_job, NULL);
}

const struct route log_search_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/log/search", search_get,
           "The lines of a log that hold a text or fit an expression.", "log_found"),
     .query = search_fields, .query_bytes = sizeof(struct search_query), .query_preset = &search_preset},
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/log/lines", lines_get,
           "Lines of a log as text: without control sequences, each cut at 4096 bytes.", "log_lines"),
     .query = lines_fields, .query_bytes = sizeof(struct lines_query), .query_preset = &lines_preset},
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/log/times", times_get,
           "When the lines of a log were printed: [line, ms since 1970], of it and those up to the next.",
           "log_times"),
     .query = times_fields, .query_bytes = sizeof(struct times_query), .query_preset = &times_preset},
    ROUTES_END,
};
