/* health.c - for whoever watches the process: does the loop turn, can requests be served.
 *
 * /readyz says no with its reasons. Whoever stands before several controllers sends nobody to one that is not ready; a person
 * reads what is wrong. */
#include <sys/statvfs.h>

#include "api/api_private.h"

#define COMMIT_LATE_MS 5000         /* one that takes longer is no slow disk any more */
#define DISK_LEAST_BYTES (MIB(100)) /* as `wrata doctor`: below it a commit may fail at any moment */
#define DISK_LEAST_FILES 500u

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

struct checks {
    int64_t schema;
    unsigned schema_known;
};

struct ready {
    struct req *rq;
    struct buf reasons; /* a line each: "disk: 3 MiB are free in ..." */
    struct json_out *j; /* NULL: as text */
    bool is_ready;
};

static void check(struct ready *r, const char *name, const char *why)
{
    bool is_ok = why == NULL;

    r->is_ready = r->is_ready && is_ok;
    if (!is_ok)
        buf_printf(&r->reasons, "%s: %s\n", name, why);
    if (r->j == NULL)
        return;
    jo_obj(r->j);
    jo_ktext(r->j, "name", name);
    jo_kbool(r->j, "ok", is_ok);
    jo_ktext(r->j, "why", why);
    jo_obj_end(r->j);
}

/* In the request's arena; NULL: there is room. */
static const char *disk_fault(struct req *rq)
{
    struct api_retention kept = {0};
    struct statvfs fs;
    uint64_t bytes;

    if (rq->api->opts.retention != NULL)
        rq->api->opts.retention(rq->api->opts.ctx, &kept);
    if (kept.disk.is_full)
        return arena_printf(&rq->arena, "%s", kept.disk.why);
    if (rq->api->data_dir == NULL || statvfs(rq->api->data_dir, &fs) != 0)
        return "the disk of the data folder cannot be looked at";
    bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (bytes < DISK_LEAST_BYTES)
        return arena_printf(&rq->arena, "%llu MiB are free on the disk of the data folder",
                            (unsigned long long)(bytes / MIB(1)));
    if (fs.f_files > 0 && fs.f_favail < DISK_LEAST_FILES)
        return arena_printf(&rq->arena, "%llu files may still be made on the disk of the data folder",
                            (unsigned long long)fs.f_favail);
    return NULL;
}

static void check_all(struct ready *r)
{
    struct req *rq = r->rq;
    const struct checks *c = rq->state;
    int64_t ms = store_writing_ms(rq->api->opts.store);

    check(r, "running", rq->api->is_stopping ? "the server is ending" : NULL);
    check(r, "store", rq->err != ERR_OK ? rq->why.text : NULL);
    check(r, "commit",
          ms > COMMIT_LATE_MS
              ? arena_printf(&rq->arena, "a commit has taken %lld s so far", (long long)ms / 1000)
              : NULL);
    check(r, "schema",
          rq->err == ERR_OK && c->schema != (int64_t)c->schema_known
              ? arena_printf(&rq->arena, "the database is at %lld, the program at %u", (long long)c->schema,
                             c->schema_known)
              : NULL);
    check(r, "disk", disk_fault(rq));
    /* The lock of the data folder is held as long as this process lives: there is no other controller to lead. */
    check(r, "leader", NULL);
}

struct ready_query {
    int format; /* 0 text, 1 json */
};

static const char *const formats[] = {"text", "json", NULL};

static const struct field ready_fields[] = {
    {.name = "format",
     .type = FIELD_ENUM,
     .offset = offsetof(struct ready_query, format),
     .names = formats,
     .help = "json: every check with its name; text: one line for each that failed",
     .preset = "text"},
    {.type = FIELD_END},
};

static void ready_job(struct reader *r, struct req *rq)
{
    struct checks *c = rq->state;

    rq->err = read_schema_version(r, &c->schema, &c->schema_known, &rq->why);
}

static void on_ready(struct req *rq)
{
    const struct ready_query *q = rq->query;
    struct ready r = {.rq = rq, .is_ready = true};
    struct json_out j;
    struct buf out;

    buf_init(&r.reasons, KIB(4));
    buf_init(&out, KIB(16));
    if (q->format == 1) {
        jo_begin(&j, &out);
        jo_obj(&j);
        jo_karr(&j, "checks");
        r.j = &j;
    }
    check_all(&r);
    if (r.j != NULL) {
        jo_arr_end(&j);
        jo_kbool(&j, "ready", r.is_ready);
        jo_obj_end(&j);
        http_add(rq->http, "Cache-Control", "no-store");
        req_json(rq, r.is_ready ? 200 : 503, &out);
    } else {
        answer_text(rq, r.is_ready ? 200 : 503, r.is_ready ? "ready\n" : buf_str(&r.reasons));
        buf_done(&out);
    }
    buf_done(&r.reasons);
}

static void ready_get(struct req *rq)
{
    rq->state = arena_alloc(&rq->arena, sizeof(struct checks));
    req_read(rq, ready_job, on_ready);
}

const struct route health_routes[] = {
    {ROUTE(GET, ANYONE, "/healthz", health_get,
           "200 while the loop turns, 503 when the server is about to end.", "text")},
    {ROUTE(GET, ANYONE, "/readyz", ready_get, "200 when requests can be served, else 503 with the reasons.",
           "text"),
     .query = ready_fields, .query_bytes = sizeof(struct ready_query)},
    ROUTES_END,
};
