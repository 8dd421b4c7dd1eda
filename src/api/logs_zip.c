/* logs_zip.c - the logs of runs as a zip, made while it is taken, newest first.
 *
 *     spec/forms/a_spec.rb/2026-11-30_15-24-58_web-3_run-345.log
 *
 * A log is read a piece at a time and compressed on the way; nothing grows with the number of runs or the size of a log. What is
 * written to a log after its turn came is not in it; a log that is deleted in its turn ends there, one that is
 * deleted before it is left out: the zip is whole either way. */
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "api/history_filter.h"
#include "api/outflow.h"
#include "api/zip_index.h"

#define ROWS 100u
#define PAGES_MAX 8u /* of one job: of runs without logs there may be many */
#define SLICE_MS \
    40 /* of the clock, of one job: what compresses well fills no piece for long, and others wait to read */
#define PIECE_RAW_BYTES KIB(256)
#define DEFLATE_LEVEL 4 /* on the machine that serves people */

struct logs_query {
    struct run_query q;
};

static const struct field fields[] = {RUN_QUERY_FIELDS(struct logs_query), {.type = FIELD_END}};
static const struct logs_query preset = {.q = RUN_QUERY_PRESET};

struct logs {
    struct outflow flow;
    struct run_filter filter;
    struct arena arena; /* of the page of runs */
    struct log_of {
        uint64_t run;
        const char *name;
        int64_t at_ms;
    } page[ROWS];
    uint32_t n;
    uint32_t at;
    uint64_t after;
    bool is_last;
    uint32_t n_pages;     /* of this job */
    struct zip_file file; /* that is open */
    bool is_open;
    uint64_t most; /* bytes of it, as they were when it was opened */
    z_stream z;
    bool has_z;
    struct buf raw;
    struct zip_index index;
    bool is_index; /* all logs are sent */
    uint64_t index_at;
};

static void logs_done(struct req *rq)
{
    struct logs *x = rq->state;

    if (x->has_z)
        (void)deflateEnd(&x->z);
    zip_index_done(&x->index);
    arena_done(&x->arena);
    buf_done(&x->raw);
}

static uint64_t written(const struct logs *x)
{
    return x->flow.sent + x->flow.out.len;
}

/* ---- which runs ---- */

static const char *name_of(struct arena *a, const struct run_row *row)
{
    struct wall at = row->started_at.ms != 0 ? row->started_at : row->created_at;
    char time[JSON_TIME_BYTES];
    char server[256];
    char *path = arena_alloc(a, PATH_BYTES_MAX);

    jo_time_text(at, time); /* 2026-11-30T15:24:58.120Z */
    time[10] = '_';
    time[13] = time[16] = '-';
    time[19] = '\0';
    zip_safe_name(row->path, path, PATH_BYTES_MAX - 400);
    zip_safe_name(row->server_name, server, sizeof(server));
    for (char *p = server; *p != '\0'; p++)
        *p = *p == '/' ? '_' : *p;
    return arena_printf(a, "%s/%s_%s_run-%llu.log", path, time, server, (unsigned long long)row->id.v);
}

static void take_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct logs *x = ctx;

    (void)commit;
    (void)log_bytes;
    x->page[x->n++] = (struct log_of){.run = row->id.v,
                                      .name = name_of(&x->arena, row),
                                      .at_ms = row->ended_at.ms != 0 ? row->ended_at.ms : row->created_at.ms};
}

static enum err next_page(struct reader *r, struct logs *x, struct why *reterr)
{
    struct page p = {.after = x->after, .limit = ROWS};
    enum err err;

    arena_reset(&x->arena);
    x->n = x->at = 0;
    x->n_pages++;
    err = read_runs(r, &x->filter, &p, take_run, x, reterr);
    x->after = p.next;
    x->is_last = p.next == 0;
    return err;
}

/* ---- one log ---- */

static enum err log_begin(struct reader *r, struct logs *x, struct why *reterr)
{
    const struct log_of *of = &x->page[x->at];
    struct log_info info = {0};
    enum err err;

    buf_clear(&x->raw);
    err = read_log(r, (struct run_id){of->run}, 0, 1, &x->raw, &info, reterr);
    if (err == ERR_NOTFOUND || (err == ERR_OK && info.size == 0)) {
        x->at++;
        return ERR_OK;
    }
    if (err != ERR_OK)
        return err;
    if (!x->has_z && deflateInit2(&x->z, DEFLATE_LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return why_set(reterr, ERR_IO, NULL, "cannot compress");
    x->has_z = true;
    (void)deflateReset(&x->z);
    x->most = info.size;
    x->file = (struct zip_file){
        .name = of->name, .bytes = info.size, .mtime_ms = of->at_ms, .at = written(x), .is_deflated = true};
    zip_local_open(&x->flow.out, &x->file);
    x->file.bytes = 0;
    x->file.crc = (uint32_t)crc32(0, NULL, 0);
    x->is_open = true;
    return ERR_OK;
}

static void deflate_raw(struct logs *x, int flush)
{
    x->z.next_in = (Bytef *)x->raw.data;
    x->z.avail_in = (uInt)x->raw.len;
    do {
        size_t room = KIB(64);

        x->z.next_out = (Bytef *)buf_reserve(&x->flow.out, room);
        x->z.avail_out = (uInt)room;
        CHECK(deflate(&x->z, flush) != Z_STREAM_ERROR);
        buf_commit(&x->flow.out, room - x->z.avail_out);
        x->file.packed += room - x->z.avail_out;
    } while (x->z.avail_out == 0);
}

static enum err log_end(struct req *rq, struct logs *x)
{
    buf_clear(&x->raw);
    deflate_raw(x, Z_FINISH);
    zip_local_close(&x->flow.out, &x->file, x->most);
    x->is_open = false;
    x->at++;
    return zip_index_add(&x->index, rq->api->data_dir, &x->file, &rq->why);
}

static enum err log_step(struct reader *r, struct req *rq, struct logs *x)
{
    uint64_t left = x->most - x->file.bytes;
    struct log_info info;
    enum err err;

    buf_clear(&x->raw);
    err = read_log(r, (struct run_id){x->page[x->at].run}, x->file.bytes,
                   left < PIECE_RAW_BYTES ? (uint32_t)left : PIECE_RAW_BYTES, &x->raw, &info, &rq->why);
    if (err != ERR_OK && err != ERR_NOTFOUND)
        return err;
    if (err == ERR_NOTFOUND || x->raw.len == 0)
        return log_end(rq, x); /* deleted meanwhile */
    x->file.crc = (uint32_t)crc32(x->file.crc, (const Bytef *)x->raw.data, (uInt)x->raw.len);
    x->file.bytes += x->raw.len;
    deflate_raw(x, Z_NO_FLUSH);
    return x->file.bytes >= x->most ? log_end(rq, x) : ERR_OK;
}

/* ---- the zip ---- */

static enum err logs_step(struct reader *r, struct req *rq, struct logs *x)
{
    if (x->is_open)
        return log_step(r, rq, x);
    if (x->at < x->n)
        return log_begin(r, x, &rq->why);
    if (!x->is_last)
        return next_page(r, x, &rq->why);
    if (x->index.n == 0)
        return why_set(&rq->why, ERR_NOTFOUND, NULL, "no run that fits has a log");
    x->is_index = true;
    x->index_at = written(x);
    return ERR_OK;
}

static enum err index_step(struct req *rq, struct logs *x)
{
    bool is_end;
    enum err err = zip_index_read(&x->index, OUTFLOW_PIECE_BYTES, &x->flow.out, &is_end, &rq->why);

    if (err == ERR_OK && is_end) {
        zip_end(&x->flow.out, x->index.n, x->index_at, x->index.bytes);
        x->flow.is_all = true;
    }
    return err;
}

static enum err logs_job(struct reader *r, struct req *rq)
{
    struct logs *x = rq->state;
    struct mono until = mono_add_ms(mono_now(), SLICE_MS);
    enum err err = ERR_OK;

    x->n_pages = 0;
    do
        err = x->is_index ? index_step(rq, x) : logs_step(r, rq, x);
    while (x->n_pages < PAGES_MAX && err == ERR_OK && x->flow.out.len < OUTFLOW_PIECE_BYTES &&
           !x->flow.is_all && mono_before(mono_now(), until));
    return err;
}

static void logs_head(struct req *rq)
{
    outflow_head(rq, "application/zip", "logs.zip");
}

static void runs_logs_zip(struct req *rq)
{
    const struct logs_query *q = rq->query;
    struct logs *x = arena_alloc(&rq->arena, sizeof(*x));

    if (!run_filter_of(rq, &q->q, &x->filter))
        return;
    x->flow = (struct outflow){.job = logs_job, .head = logs_head, .done = logs_done};
    arena_init(&x->arena);
    buf_init(&x->raw, MIB(4));
    zip_index_init(&x->index);
    rq->state = x;
    outflow_begin(rq);
}

const struct route logs_zip_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/runs/logs.zip", runs_logs_zip,
           "The logs of runs as a zip, made while it is taken, newest first; 404 when there are none.",
           "zip"),
     .query = fields, .query_bytes = sizeof(struct logs_query), .query_preset = &preset},
    ROUTES_END,
};
