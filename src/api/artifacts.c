/* artifacts.c - the files that runs left to be kept: lists, one of them as bytes, and its end.
 *
 * A test may have written anything into them, so a browser gets each in a sandbox without scripts, and most of them only to be
 * saved. They are read piece by piece on reader threads; one that goes meanwhile cuts the connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"
#include "api/artifact_type.h"
#include "net/http_range.h"
#include "store/pack.h"

#define PIECE_BYTES 262144u
#define SANDBOX "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"

/* ---- lists ---- */

struct artifacts_query {
    struct page_query page;
};

static const struct field list_fields[] = {
    PAGE_FIELDS(struct artifacts_query),
    {.type = FIELD_END},
};
static const struct artifacts_query list_preset = {.page = PAGE_PRESET};

static void each_artifact(void *ctx, const struct artifact_row *row)
{
    struct req *rq = ctx;

    render_artifact(&rq->render.j, row);
}

static void list_of(struct reader *r, struct req *rq, const struct artifact_filter *f)
{
    const struct artifacts_query *q = rq->query;
    struct page p = page_of(&q->page);

    page_begin(rq);
    if (rq->err == ERR_OK)
        rq->err = read_artifacts(r, f, &p, each_artifact, rq, &rq->why);
    page_end(rq, &p);
}

static void run_list_job(struct reader *r, struct req *rq)
{
    struct artifact_filter f = {.run = {rq->ids[0]}};

    rq->err = read_run(r, f.run, NULL, NULL, &rq->why);
    list_of(r, rq, &f);
}

static void launch_list_job(struct reader *r, struct req *rq)
{
    struct artifact_filter f = {.launch = {rq->ids[0]}};

    rq->err = read_launch(r, f.launch, NULL, NULL, &rq->why);
    list_of(r, rq, &f);
}

static void run_list(struct req *rq)
{
    req_read(rq, run_list_job, NULL);
}

static void launch_list(struct req *rq)
{
    req_read(rq, launch_list_job, NULL);
}

/* ---- all of them ---- */

static void sums_job(struct reader *r, struct req *rq)
{
    struct json_out *j = &rq->render.j;
    struct artifact_sums sums;

    rq->err = read_artifact_sums(r, &sums, &rq->why);
    jo_obj(j);
    jo_kuint(j, "runs", sums.packs);
    jo_kuint(j, "files", sums.files);
    jo_kuint(j, "bytes", sums.bytes);
    jo_obj_end(j);
}

static void sums_get(struct req *rq)
{
    req_read(rq, sums_job, NULL);
}

/* ---- one of them ---- */

struct one_query {
    bool download;
};

static const struct field one_fields[] = {
    {.name = "download",
     .type = FIELD_BOOL,
     .offset = offsetof(struct one_query, download),
     .help = "as an attachment, whatever it is",
     .preset = "0"},
    {.type = FIELD_END},
};

/* Lives in the request's arena. */
struct one {
    struct artifact_row row;
    struct buf piece;
    uint64_t from; /* the next byte to read, as seen from its begin */
    uint64_t to;
    uint64_t bytes; /* from one to the other, at the start */
    int status;
    size_t taken; /* of the piece, by the client */
    bool is_found;
    bool has_started;
    bool is_reading;
};

static void take_row(void *ctx, const struct artifact_row *row)
{
    struct req *rq = ctx;
    struct one *one = rq->state;

    one->is_found = true;
    one->row = *row;
    one->row.path = arena_strdup(&rq->arena, row->path);
    one->row.pack = arena_strdup(&rq->arena, row->pack);
}

static void ignore_row(void *ctx, const struct artifact_row *row)
{
    (void)ctx;
    (void)row;
}

static void piece_job(struct reader *r, struct req *rq)
{
    struct one *one = rq->state;
    size_t want;
    size_t got = 0;

    if (!one->is_found) {
        rq->err = read_artifact(r, rq->ids[0], take_row, rq, &rq->why);
        return;
    }
    want = one->to - one->from < PIECE_BYTES ? (size_t)(one->to - one->from) : PIECE_BYTES;
    if (want == 0)
        return;
    rq->err = pack_read(rq->api->data_dir, one->row.pack, one->row.offset + one->from,
                        buf_reserve(&one->piece, want), want, &got, &rq->why);
    if (rq->err == ERR_NOTFOUND)
        (void)why_set(&rq->why, ERR_NOTFOUND, NULL, "the file of artifact %llu is not there any more",
                      (unsigned long long)one->row.id);
    if (rq->err == ERR_OK && got < want)
        rq->err = why_set(&rq->why, ERR_IO, NULL, "the file of artifact %llu is shorter than it was",
                          (unsigned long long)one->row.id);
    /* The space of one that is deleted is given back after its row went: with a row, what was read before is it. */
    if (rq->err == ERR_OK)
        rq->err = read_artifact(r, one->row.id, ignore_row, NULL, &rq->why);
    if (rq->err == ERR_OK)
        buf_commit(&one->piece, want);
}

static void read_piece(struct req *rq);

static ssize_t on_take(void *user, char *out, size_t max)
{
    struct req *rq = user;
    struct one *one = rq->state;
    size_t n;

    if (one->is_reading)
        return HTTP_WAIT;
    if (one->taken == one->piece.len) {
        if (rq->err != ERR_OK)
            return HTTP_FAIL;
        if (one->from == one->to)
            return HTTP_END;
        read_piece(rq);
        return HTTP_WAIT;
    }
    n = one->piece.len - one->taken < max ? one->piece.len - one->taken : max;
    memcpy(out, one->piece.data + one->taken, n);
    one->taken += n;
    return (ssize_t)n;
}

/* The last part of the path, twice: for old clients without anything special, and as it is (RFC 6266, 4.3). */
static const char *disposition(struct arena *a, const char *path, bool is_inline)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char *simple = arena_strdup(a, name);
    char *coded = arena_alloc(a, strlen(name) * 3 + 1);
    size_t n = 0;

    for (char *c = simple; *c != '\0'; c++)
        if (strchr(plain, *c) == NULL)
            *c = '_';
    for (const char *c = name; *c != '\0'; c++) {
        if (strchr(plain, *c) != NULL)
            coded[n++] = *c;
        else
            n += (size_t)snprintf(coded + n, 4, "%%%02X", (unsigned char)*c);
    }
    return arena_printf(a, "%s; filename=\"%s\"; filename*=UTF-8''%s", is_inline ? "inline" : "attachment",
                        simple, coded);
}

static void put_headers(struct req *rq)
{
    const struct one_query *q = rq->query;
    const struct one *one = rq->state;
    const struct artifact_type *type = artifact_type_of(one->row.path);
    bool is_inline = type->shown != SHOWN_AS_FILE && !q->download;

    http_add(rq->http, "Content-Type",
             type->shown == SHOWN_AS_TEXT ? "text/plain; charset=utf-8" : type->media);
    http_add(rq->http, "Content-Disposition", disposition(&rq->arena, one->row.path, is_inline));
    http_add(rq->http, "Content-Security-Policy", SANDBOX);
    http_add(rq->http, "X-Content-Type-Options", "nosniff");
    http_add(rq->http, "X-Request-Id", rq->name);
}

/* Its bytes never change, so a browser may keep them; whether it may still show them it asks each time. */
static void put_etag(struct req *rq, char etag[48])
{
    const struct one *one = rq->state;

    (void)snprintf(etag, 48, "\"a%llu-%08x\"", (unsigned long long)one->row.id, one->row.crc);
    http_add(rq->http, "ETag", etag);
    http_add(rq->http, "Cache-Control", "private, no-cache");
    http_add(rq->http, "Accept-Ranges", "bytes");
}

static void on_piece(struct req *rq)
{
    struct one *one = rq->state;

    one->is_reading = false;
    one->from += one->piece.len;
    if (one->has_started) {
        http_wake(rq->http);
        return;
    }
    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    one->has_started = true;
    put_headers(rq);
    http_reply_stream_of(rq->http, one->status, one->bytes, on_take);
}

static void read_piece(struct req *rq)
{
    struct one *one = rq->state;

    buf_clear(&one->piece);
    one->taken = 0;
    one->is_reading = true;
    req_read(rq, piece_job, on_piece);
}

static bool is_same(const char *header, const char *etag)
{
    return header != NULL && (strstr(header, etag) != NULL || strcmp(header, "*") == 0);
}

/* The row is there: which part of it is wanted? */
static void on_row(struct req *rq)
{
    struct one *one = rq->state;
    const char *condition = rq->http == NULL ? NULL : http_header(rq->http, "If-Range");
    const char *header = rq->http == NULL ? NULL : http_header(rq->http, "Range");
    char etag[48];

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    put_etag(rq, etag);
    if (is_same(http_header(rq->http, "If-None-Match"), etag)) {
        http_reply(rq->http, 304, NULL);
        return;
    }
    one->to = one->row.bytes;
    one->status = 200;
    if (condition == NULL || strcmp(condition, etag) == 0) {
        switch (http_range_parse(header, one->row.bytes, &one->from, &one->to)) {
        case RANGE_BEYOND:
            http_addf(rq->http, "Content-Range", "bytes */%llu", (unsigned long long)one->row.bytes);
            req_status(rq, 416, ERR_INVALID, "the artifact has %llu bytes",
                       (unsigned long long)one->row.bytes);
            return;
        case RANGE_PART:
            one->status = 206;
            http_addf(rq->http, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)one->from,
                      (unsigned long long)one->to - 1, (unsigned long long)one->row.bytes);
            break;
        case RANGE_NONE:
            break;
        }
    }
    one->bytes = one->to - one->from;
    if (one->bytes > 0) {
        read_piece(rq);
        return;
    }
    put_headers(rq);
    http_reply(rq->http, 200, NULL);
}

static void one_get(struct req *rq)
{
    struct one *one = arena_alloc(&rq->arena, sizeof(*one));

    buf_init(&one->piece, PIECE_BYTES + 1);
    rq->state = one;
    rq->owned = &one->piece;
    req_read(rq, piece_job, on_row);
}

/* ---- its end ---- */

struct deletion {
    struct req *rq;
    struct artifact_gone gone;
};

static void on_deleted(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    const struct deletion *d = rq->state;
    struct buf out;

    if (err == ERR_OK && !rq->api->is_closed)
        rq->api->opts.artifact_gone(rq->api->opts.ctx, &d->gone);
    if (err == ERR_OK)
        api_artifacts(rq->api, d->gone.launch, d->gone.run);
    if (req_lives(rq) && err != ERR_OK) {
        req_error(rq, why);
    } else if (req_lives(rq)) {
        audit_say(rq, NULL, "of run %llu", (unsigned long long)d->gone.run.v);
        buf_init(&out, 16);
        buf_puts(&out, "{}");
        req_json(rq, 200, &out);
    }
    req_release(rq);
}

static void one_delete(struct req *rq)
{
    struct deletion *d = arena_alloc(&rq->arena, sizeof(*d));

    d->gone.id = rq->ids[0];
    rq->state = d;
    req_hold(rq);
    store_artifact_delete(rq->api->opts.store, &d->gone, on_deleted, rq);
}

#define LIST_QUERY \
    .query = list_fields, .query_bytes = sizeof(struct artifacts_query), .query_preset = &list_preset

const struct route artifact_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/artifacts", run_list,
           "The files that a run left to be kept, by their paths.", "page of artifact"),
     LIST_QUERY},
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/artifacts", launch_list,
           "The files that the runs of a launch left to be kept.", "page of artifact"),
     LIST_QUERY},
    {ROUTE(GET, LOOK, "/api/v1/artifacts", sums_get, "What the files of all runs take.", "artifact_sums")},
    {ROUTE(GET, LOOK, "/api/v1/artifacts/{artifact}", one_get, "One of them, or a range of its bytes.",
           "file"),
     .query = one_fields, .query_bytes = sizeof(struct one_query)},
    {ROUTE(DELETE, OWN_ARTIFACT, "/api/v1/artifacts/{artifact}", one_delete, "Delete one of them.",
           "nothing"),
     .audit = "artifact.delete"},
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/artifacts.zip", artifacts_zip_of_run,
           "All files that a run left to be kept, as a zip.", "zip")},
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/artifacts.zip", artifacts_zip_of_launch,
           "All files that the runs of a launch left to be kept, as a zip; a folder for each run.", "zip")},
    ROUTES_END,
};
