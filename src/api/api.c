/* api.c - the route table, what every request passes before its handler, and the life of the whole.
 *
 * Order of refusals: the guard of net/ (400), the host and the origin (403), the route (404, 405), who sends it (401),
 * whether that one may (403), the type of the body (400), its size (413), its fields (422), who sends it and whether
 * that one may still (401, 403), its owner (403). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/api_private.h"
#include "api/live/hub.h"
#include "base/log.h"
#include "net/http_guard.h"

const struct route *const all_routes[] = {
    history_delete_routes,
    job_routes,
    retention_routes,
    health_routes,
    metrics_routes,
    status_routes,
    board_routes,
    launch_routes,
    test_routes,
    example_routes,
    cause_routes,
    compare_routes,
    stability_routes,
    run_routes,
    log_routes,
    log_search_routes,
    server_routes,
    server_op_routes,
    parameter_routes,
    fleet_routes,
    project_routes,
    project_code_routes,
    plan_routes,
    stream_routes,
    openapi_routes,
    me_routes,
    user_routes,
    session_routes,
    token_routes,
    link_routes,
    env_routes,
    audit_routes,
    mail_routes,
    hook_routes,
    choice_routes,
    queue_routes,
    list_routes,
    schedule_routes,
    artifact_routes,
    cost_routes,
    history_export_routes,
    logs_zip_routes,
    NULL,
};

/* ---- finding the row ---- */

const char *route_method_name(enum route_method m)
{
    static const char *const names[] = {
        [ROUTE_GET] = "GET", [ROUTE_POST] = "POST", [ROUTE_DELETE] = "DELETE"};

    return names[m];
}

/* Does path match the pattern, "{...}" taking a number? */
static bool path_matches(const char *pattern, const char *path, size_t len, uint64_t *ids)
{
    size_t i = 0;
    unsigned n_ids = 0;

    while (*pattern != '\0') {
        if (*pattern == '{') {
            uint64_t v = 0;
            size_t digits = 0;

            while (i < len && path[i] >= '0' && path[i] <= '9' && digits < 18) {
                v = v * 10 + (uint64_t)(path[i] - '0');
                i++;
                digits++;
            }
            if (digits == 0 || n_ids == ROUTE_IDS_MAX)
                return false;
            ids[n_ids++] = v;
            pattern = strchr(pattern, '}') + 1;
        } else {
            if (i == len || path[i] != *pattern)
                return false;
            i++;
            pattern++;
        }
    }
    return i == len;
}

const struct route *route_find(const char *method, const char *path, size_t path_len,
                               uint64_t ids[ROUTE_IDS_MAX], unsigned *ret_allowed)
{
    *ret_allowed = 0;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (const struct route *const *table = all_routes; *table != NULL; table++) {
        for (const struct route *r = *table; r->path != NULL; r++) {
            uint64_t found[ROUTE_IDS_MAX] = {0};

            if (!path_matches(r->path, path, path_len, found))
                continue;
            *ret_allowed |= 1u << r->method;
            if (strcmp(method, route_method_name(r->method)) == 0) {
                memcpy(ids, found, sizeof(found));
                return r;
            }
        }
    }
    return NULL;
}

/* ---- the head ---- */

static bool is_read(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void refuse_method(struct req *rq, unsigned allowed)
{
    char list[64] = "";

    for (unsigned m = ROUTE_GET; m <= ROUTE_DELETE; m++) {
        if (!(allowed & (1u << m)))
            continue;
        (void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", list[0] == '\0' ? "" : ", ",
                       m == ROUTE_GET ? "GET, HEAD" : route_method_name((enum route_method)m));
    }
    http_add(rq->http, "Allow", list);
    req_status(rq, 405, ERR_INVALID, "%s is not for this path; there %s: %s", http_method(rq->http),
               strchr(list, ',') == NULL ? "is" : "are", list);
}

/* A page on another site can make a browser send requests here: by a name that it has pointed to this machine
 * (the host shows it), or across origins (the browser says so). Both ask for what only our own page may ask. */
static bool is_ours(struct req *rq)
{
    const char *host = http_header(rq->http, "Host");
    const char *origin = http_header(rq->http, "Origin");

    if (httpd_is_loopback(rq->api->http) && !http_host_is_local(host, httpd_port(rq->api->http)) &&
        (rq->api->opts.public_host == NULL || host == NULL ||
         strcasecmp(host, rq->api->opts.public_host) != 0)) {
        req_status(rq, 403, ERR_DENIED, "this server is %s; the Host of the request is another",
                   httpd_url(rq->api->http));
        return false;
    }
    if (!is_read(http_method(rq->http)) && origin != NULL && !http_origin_is_host(origin, host)) {
        req_status(rq, 403, ERR_DENIED, "the request comes from another site");
        return false;
    }
    return true;
}

static bool type_is_right(struct req *rq)
{
    static const char *const types[] = {
        [BODY_JSON] = "application/json", [BODY_FILE] = "application/octet-stream"};
    const char *type = http_header(rq->http, "Content-Type");
    enum route_body kind = rq->route->body_kind == BODY_FILE ? BODY_FILE : BODY_JSON;
    size_t n = strlen(types[kind]);

    if (rq->route->method != ROUTE_POST || (type == NULL && !http_has_body(rq->http)))
        return true;
    if (type != NULL && strncasecmp(type, types[kind], n) == 0 && strchr("; \t", type[n]) != NULL)
        return true;
    req_status(rq, 400, ERR_PROTO, "Content-Type must be %s", types[kind]);
    return false;
}

static struct req *req_new(struct api *a, struct http_req *http)
{
    struct req *rq = xcalloc(1, sizeof(*rq));

    rq->api = a;
    rq->http = http;
    rq->id = http_id(http);
    rq->refs = 1;
    (void)snprintf(rq->name, sizeof(rq->name), "r-%llx", (unsigned long long)rq->id);
    arena_init(&rq->arena);
    buf_init(&rq->raw, 1);
    api_hold(a);
    http_set_user(http, rq);
    return rq;
}

static void on_head(void *ctx, struct http_req *http)
{
    struct req *rq = req_new(ctx, http);
    const char *target = http_target(http);
    size_t path_len = strcspn(target, "?#");
    unsigned allowed;

    if (!is_ours(rq))
        return;
    /* the page itself is for everybody: what it shows, it asks for */
    rq->route = route_find(http_method(http), target, path_len, rq->ids, &allowed);
    if (rq->route == NULL) {
        if (allowed != 0)
            refuse_method(rq, allowed);
        else if (strncmp(target, "/api", 4) == 0 && (path_len == 4 || target[4] == '/'))
            req_status(rq, 404, ERR_NOTFOUND, "there is no such route; see /api/v1/openapi.json");
        else if (!is_read(http_method(http)))
            refuse_method(rq, 1u << ROUTE_GET);
        return; /* the page, once the request is whole */
    }
    if (!auth_head(rq) || !auth_route(rq) || !type_is_right(rq))
        return;
    if (rq->route->body_kind == BODY_FILE)
        http_accept_file(http, rq->route->body_max);
    else if (rq->route->method != ROUTE_GET)
        http_accept_memory(http, rq->route->body_max != 0 ? rq->route->body_max : BODY_SMALL_BYTES);
}

/* ---- the fields, then the handler ---- */

static const struct field no_fields[] = {{.type = FIELD_END}};

static void *preset(struct arena *arena, size_t n, const void *from)
{
    void *p = arena_alloc(arena, n == 0 ? 1 : n);

    if (from != NULL)
        memcpy(p, from, n);
    return p;
}

static void read_body(struct req *rq)
{
    const struct route *route = rq->route;

    rq->body = preset(&rq->arena, route->body_bytes, route->body_preset);
    rq->err = field_read_json(route->body != NULL ? route->body : no_fields, buf_str(&rq->raw), rq->raw.len,
                              &rq->arena, rq->body, &rq->why);
    buf_done(&rq->raw);
}

static void handle(struct req *rq)
{
    if (rq->route->audit != NULL)
        audit_begin(rq);
    rq->route->handle(rq);
}

static void dispatch(struct req *rq)
{
    if (rq->http == NULL)
        return;
    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else if (auth_still(rq)) /* a body may take minutes */
        auth_owner(rq, handle);
}

struct body_work {
    uv_work_t work;
    struct req *rq;
};

static void on_body_work(uv_work_t *work)
{
    read_body(((struct body_work *)work->data)->rq);
}

static void on_body_worked(uv_work_t *work, int status)
{
    struct body_work *bw = work->data;

    (void)status;
    dispatch(bw->rq);
    req_release(bw->rq);
    free(bw);
}

static void on_request(void *ctx, struct http_req *http)
{
    struct req *rq = http_user(http);
    const char *target = http_target(http);
    const char *query = strchr(target, '?');
    struct body_work *bw;

    (void)ctx;
    if (rq->route == NULL) {
        page_serve(http, target, strcspn(target, "?#"));
        return;
    }
    rq->query = preset(&rq->arena, rq->route->query_bytes, rq->route->query_preset);
    rq->err = field_read_query(rq->route->query != NULL ? rq->route->query : no_fields,
                               query == NULL ? NULL : query + 1, &rq->arena, rq->query, &rq->why);
    if (rq->err != ERR_OK || rq->route->method == ROUTE_GET || rq->route->body_kind == BODY_FILE) {
        dispatch(rq);
        return;
    }
    http_take_body(http, &rq->raw);
    if (rq->raw.len <= BODY_SMALL_BYTES) {
        read_body(rq);
        dispatch(rq);
        return;
    }
    /* 3 ms per 100 KB is too long for the loop. */
    bw = xcalloc(1, sizeof(*bw));
    bw->work.data = bw;
    bw->rq = rq;
    req_hold(rq);
    if (uv_queue_work(rq->api->opts.loop, &bw->work, on_body_work, on_body_worked) != 0)
        CHECK(!"a job that the pool does not take");
}

static void on_gone(void *ctx, struct http_req *http)
{
    struct req *rq = http_user(http);

    (void)ctx;
    if (rq == NULL)
        return;
    if (rq->on_gone != NULL)
        rq->on_gone(rq);
    rq->http = NULL;
    if (rq->has_ticket) {
        HASH_DEL(rq->api->tickets, rq);
        rq->has_ticket = false;
        req_release(rq);
    }
    req_release(rq);
}

static void on_render_error(void *ctx, struct http_req *http, int status, const char *text, struct buf *out)
{
    char name[24];
    enum err code = status == 413 ? ERR_LIMIT : status == 503 ? ERR_BUSY : status == 500 ? ERR_IO : ERR_PROTO;

    (void)ctx;
    (void)snprintf(name, sizeof(name), "r-%llx", (unsigned long long)http_id(http));
    http_add(http, "Content-Type", "application/json");
    render_error(out, err_name(code), text, NULL, name);
}

/* ---- open and close ---- */

enum err api_open(const struct api_opts *opts, struct api **ret, struct why *reterr)
{
    struct api *a = xcalloc(1, sizeof(*a));
    char tmp[4096];
    struct httpd_opts ho = {.loop = opts->loop,
                            .listen = opts->listen,
                            .tls = opts->tls,
                            .connections_per_ip_max = opts->connections_per_address,
                            .connections_max = opts->connections_max,
                            .idle_timeout_s = opts->idle_timeout_s,
                            .tmp_dir = tmp,
                            .ctx = a,
                            .on_head = on_head,
                            .on_request = on_request,
                            .on_gone = on_gone,
                            .render_error = on_render_error};
    enum err err;

    a->opts = *opts;
    a->data_dir = xstrdup(opts->data_dir);
    a->version = xstrdup(opts->version);
    a->holds = 1;
    (void)snprintf(tmp, sizeof(tmp), "%s/tmp", opts->data_dir);
    err = upload_dir_prepare(tmp, reterr);
    if (err == ERR_OK)
        err = auth_open(a, reterr);
    if (err == ERR_OK)
        err = httpd_open(&ho, &a->http, reterr);
    if (err != ERR_OK) {
        auth_free(a);
        free(a->data_dir);
        free(a->version);
        free(a);
        return err;
    }
    a->hub = hub_new(a);
    auth_start(a);
    projects_start(a);
    *ret = a;
    return ERR_OK;
}

void api_close(struct api *a)
{
    if (a == NULL || a->is_closed)
        return;
    a->is_closed = true;
    projects_stop(a);
    auth_stop(a);
    passwords_drop(a);
    inside_drop(a);
    hub_stop(a->hub);
    httpd_close(a->http);
    a->http = NULL;
    api_unhold(a);
}

void api_store_is_closed(struct api *a)
{
    if (a != NULL)
        a->opts.store = NULL;
}

void api_hold(struct api *a)
{
    a->holds++;
}

void api_unhold(struct api *a)
{
    CHECK(a->holds > 0);
    if (--a->holds > 0)
        return;
    CHECK(a->is_closed);
    healths_done(a);
    hub_free(a->hub);
    eta_clear(a);
    projects_clear(a);
    auth_free(a);
    free(a->data_dir);
    free(a->version);
    free(a);
}

void api_set_launch_defaults(struct api *a, const struct api_launch_defaults *defaults)
{
    a->opts.launches = *defaults;
}

void api_set_keep(struct api *a, const struct api_keep *keep)
{
    a->opts.keep = *keep;
}

uint16_t api_port(const struct api *a)
{
    return httpd_port(a->http);
}

const char *api_url(const struct api *a)
{
    return httpd_url(a->http);
}

const struct accounts *api_accounts(const struct api *a)
{
    return a->accounts;
}

unsigned api_watchers(struct api *a)
{
    return httpd_watchers(a->http);
}

void api_stopping(struct api *a)
{
    a->is_stopping = true;
}

/* ---- what comes from the engine, after the commit ---- */

void api_reply(struct api *a, const struct reply *r)
{
    struct req *rq;

    HASH_FIND(hh, a->tickets, &r->ticket.v, sizeof(r->ticket.v), rq);
    if (rq == NULL)
        return; /* its client is gone */
    HASH_DEL(a->tickets, rq);
    rq->has_ticket = false;
    if (r->err != ERR_OK) {
        req_fail(rq, r->err, r->field, "%s", r->text != NULL ? r->text : err_sentence(r->err));
    } else {
        rq->queue = r->queue;
        rq->reply_ids = r->ids;
        rq->n_reply_ids = r->n_ids;
        rq->on_reply(rq, r->id);
        rq->queue = NULL;
        rq->reply_ids = NULL;
    }
    req_release(rq);
}

void api_note(struct api *a, const struct note *n)
{
    if (a->is_closed)
        return;
    if (n->kind == NOTE_LAUNCH)
        eta_set(a, n->launch.row.id, n->launch.row.state == LAUNCH_DONE ? -1 : n->launch.counts.eta_ms);
    hub_note(a->hub, n);
    if (n->kind == NOTE_LAUNCH && n->launch.row.state == LAUNCH_DONE)
        compare_ended(a, n->launch.row.id);
}

void api_examples(struct api *a, struct launch_id launch, const struct example_row *rows, uint32_t n,
                  const struct tally *tally)
{
    (void)tally; /* the launch's sums are read from the store, which counted it in */
    if (!a->is_closed)
        hub_examples(a->hub, launch, rows, n);
}

void api_log(struct api *a, struct run_id run, uint64_t from, const char *bytes, uint32_t len)
{
    if (!a->is_closed)
        hub_log(a->hub, run, from, bytes, len);
}

void api_artifacts(struct api *a, struct launch_id launch, struct run_id run)
{
    if (!a->is_closed)
        hub_artifacts(a->hub, launch, run);
}

void api_log_end(struct api *a, struct run_id run)
{
    if (!a->is_closed)
        hub_log_end(a->hub, run);
}
