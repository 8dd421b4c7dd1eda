/* req.c - a request's life between its handler and its answer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"
#include "base/log.h"

#define GONE_STATUS 499 /* in the audit log: its client went before the answer */

void req_hold(struct req *rq)
{
    rq->refs++;
}

void req_release(struct req *rq)
{
    struct api *a = rq->api;

    CHECK(rq->refs > 0);
    if (--rq->refs > 0)
        return;
    CHECK(rq->http == NULL);
    CHECK(!rq->has_ticket);
    inside_end(rq, ERR_BUSY, &(struct why){.code = ERR_BUSY, .text = "the server ends"}, 0);
    audit_end(rq, GONE_STATUS);
    render_done(&rq->render);
    buf_done(&rq->raw);
    if (rq->owned != NULL)
        buf_done(rq->owned);
    if (rq->on_free != NULL)
        rq->on_free(rq);
    arena_done(&rq->arena);
    free(rq);
    api_unhold(a);
}

bool req_lives(const struct req *rq)
{
    return (rq->http != NULL || rq->inside != NULL) && !rq->api->is_closed;
}

/* ---- answers ---- */

static void reply(struct req *rq, int status, struct buf *body)
{
    struct http_req *http = rq->http;

    http_add(http, "Content-Type", "application/json");
    http_add(http, "Cache-Control", "no-store");
    http_add(http, "X-Content-Type-Options", "nosniff");
    http_add(http, "X-Request-Id", rq->name);
    audit_end(rq, status);
    http_reply(http, status, body);
}

void req_json(struct req *rq, int status, struct buf *body)
{
    if (rq->http != NULL)
        reply(rq, status, body);
    buf_done(body);
}

static void say(struct req *rq, int status, enum err code, const char *text, const char *field)
{
    struct buf out;

    if (rq->inside != NULL) {
        struct why why;

        (void)why_set(&why, code, NULL, "%s", text);
        inside_end(rq, code, &why, 0);
        return;
    }
    if (rq->http == NULL)
        return;
    if (status >= 500)
        LOG_ERROR("http.failed", "request=%s status=%d method=%s", rq->name, status, http_method(rq->http));
    buf_init(&out, KIB(64));
    render_error(&out, err_name(code), text, field, rq->name);
    reply(rq, status, &out);
    buf_done(&out);
}

void req_later(struct req *rq, enum err code, int64_t retry_s, const char *text)
{
    struct json_out j;
    struct buf out;

    if (rq->http == NULL)
        return;
    buf_init(&out, KIB(4));
    jo_begin(&j, &out);
    jo_obj(&j);
    jo_kobj(&j, "error");
    jo_ktext(&j, "code", err_name(code));
    jo_ktext(&j, "message", text);
    jo_kint(&j, "retry_after_s", retry_s);
    jo_ktext(&j, "request_id", rq->name);
    jo_obj_end(&j);
    jo_obj_end(&j);
    http_addf(rq->http, "Retry-After", "%lld", (long long)retry_s);
    reply(rq, err_http(code), &out);
    buf_done(&out);
}

void req_error(struct req *rq, const struct why *why)
{
    say(rq, err_http(why->code), why->code, why->text, why->field);
}

void req_field_error(struct req *rq, const struct why *why)
{
    struct why as_field = *why;

    if (as_field.code == ERR_NOTFOUND && as_field.field != NULL)
        as_field.code = ERR_INVALID;
    req_error(rq, &as_field);
}

void req_fail(struct req *rq, enum err code, const char *field, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    say(rq, err_http(code), code, text, field);
}

void req_status(struct req *rq, int status, enum err code, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    say(rq, status, code, text, NULL);
}

/* ---- reading the store ---- */

static void on_job(struct reader *r, void *arg)
{
    struct req *rq = arg;

    rq->job(r, rq);
}

static void on_job_done(void *arg)
{
    struct req *rq = arg;

    if (rq->always || req_lives(rq))
        rq->after(rq);
    req_release(rq);
}

void req_read_always(struct req *rq, void (*job)(struct reader *r, struct req *rq),
                     void (*after)(struct req *rq))
{
    rq->always = true;
    req_read(rq, job, after);
}

void req_read(struct req *rq, void (*job)(struct reader *r, struct req *rq), void (*after)(struct req *rq))
{
    render_done(&rq->render);
    render_init(&rq->render);
    rq->err = ERR_OK;
    rq->why = (struct why){0};
    rq->job = job;
    rq->after = after != NULL ? after : req_finish;
    req_hold(rq);
    store_read(rq->api->opts.store, on_job, on_job_done, rq);
}

void req_finish(struct req *rq)
{
    struct buf out;

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    render_fill(rq->api, &rq->render, &out);
    req_json(rq, rq->route->status != 0 ? rq->route->status : 200, &out);
}

/* ---- commands ---- */

void req_post(struct req *rq, struct event *ev, void (*on_reply)(struct req *rq, uint64_t id))
{
    struct api *a = rq->api;

    CHECK(!rq->has_ticket);
    rq->on_reply = on_reply;
    rq->has_ticket = true;
    HASH_ADD(hh, a->tickets, id, sizeof(rq->id), rq);
    req_hold(rq);
    ev->ticket = (struct ticket){rq->id};
    a->opts.post(a->opts.ctx, ev);
}

/* ---- pages ---- */

struct page page_of(const struct page_query *q)
{
    return (struct page){.after = (uint64_t)q->cursor, .limit = (uint32_t)q->limit};
}

void page_begin(struct req *rq)
{
    jo_obj(&rq->render.j);
    jo_karr(&rq->render.j, "items");
}

void render_next(struct json_out *j, const struct page *p)
{
    char next[24];

    (void)snprintf(next, sizeof(next), "%llu", (unsigned long long)p->next);
    jo_ktext(j, "next", p->next == 0 ? NULL : next);
}

void page_end(struct req *rq, const struct page *p)
{
    jo_arr_end(&rq->render.j);
    render_next(&rq->render.j, p);
    jo_obj_end(&rq->render.j);
}

/* ---- live numbers of running launches ---- */

struct eta {
    UT_hash_handle hh;
    uint64_t launch;
    int64_t ms;
};

void eta_set(struct api *a, struct launch_id id, int64_t eta_ms)
{
    struct eta *e;

    HASH_FIND(hh, a->etas, &id.v, sizeof(id.v), e);
    if (eta_ms < 0) {
        if (e != NULL) {
            HASH_DEL(a->etas, e);
            free(e);
        }
        return;
    }
    if (e == NULL) {
        e = xcalloc(1, sizeof(*e));
        e->launch = id.v;
        HASH_ADD(hh, a->etas, launch, sizeof(e->launch), e);
    }
    e->ms = eta_ms;
}

int64_t eta_get(const struct api *a, struct launch_id id)
{
    struct eta *e;

    HASH_FIND(hh, a->etas, &id.v, sizeof(id.v), e);
    return e == NULL ? -1 : e->ms;
}

void eta_clear(struct api *a)
{
    struct eta *e;
    struct eta *next;

    HASH_ITER(hh, a->etas, e, next) {
        HASH_DEL(a->etas, e);
        free(e);
    }
}
