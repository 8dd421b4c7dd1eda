#include "net/httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <uthash.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/address.h"
#include "net/http_guard.h"
#include "net/http_listen.h"
#include "net/tls.h"

#define CONNECTIONS_MAX 2000u
#define CONNECTIONS_PER_IP_MAX 256u     /* an office behind one address, six and a stream for each browser */
#define CONNECTIONS_PER_PROXY_MAX 1000u /* behind a proxy everybody has one address */
#define SWEEP_MS 1000
#define HSTS "max-age=31536000"
#define IDLE_TIMEOUT_S 60u
#define CONNECTION_BYTES KIB(32) /* of the library's pool; the head of a request must fit */
#define ROUNDS_MAX 16            /* of MHD_run() before the rest of the loop has its turn */
#define CLOSE_ROUNDS 8
#define REPLY_HEADERS_MAX 20
#define STREAM_BLOCK_BYTES KIB(4)
#define FILE_BLOCK_BYTES KIB(64)
#define FILE_CHUNK_BYTES KIB(256)
#define OVERRUN_BYTES MIB(1) /* read and dropped so that a 413 can be said; then the connection ends */

enum req_phase {
    REQ_HEAD,     /* the head is not in */
    REQ_BODY,     /* the body comes */
    REQ_HANDLING, /* the handler runs, or answered without a wait */
    REQ_WAITING,  /* suspended until http_reply() */
    REQ_ANSWERED, /* the response belongs to the library */
};

struct http_req {
    UT_hash_handle hh;
    struct httpd *h;
    uint64_t id;
    struct MHD_Connection *conn;
    struct http_conn *hc;
    enum req_phase phase;
    bool is_suspended;
    bool is_suspect; /* the guard refused it: nothing of it is read any more */
    char *target;
    char method[16];
    char peer[ADDRESS_BYTES];
    void *user;

    /* the body */
    struct buf body;
    bool to_file;
    uint64_t body_max;
    uint64_t body_bytes;      /* received, also what was dropped */
    struct file_job *writing; /* a chunk is on its way to the file; the connection is suspended */
    enum err body_err;
    int fd;
    uint64_t file_bytes;
    char *file_path;

    /* the answer */
    struct {
        char *name;
        char *value;
    } headers[REPLY_HEADERS_MAX];
    unsigned n_headers;
    int status;
    struct MHD_Response *response;
    ssize_t (*read)(void *user, char *out, size_t max);
    bool must_end; /* a stream of a server that closes */
};

struct httpd {
    struct httpd_opts opts;
    char *tmp_dir;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_timer_t sweeper; /* runs while there are connections */
    struct http_conns conns;
    struct http_req *reqs; /* by id */
    uint64_t last_id;
    uint16_t port;
    bool is_loopback;
    char url[160];
    bool is_running; /* inside MHD_run() */
    bool is_dirty;   /* something was resumed: MHD 0.9.75 forgets that by itself */
    bool is_closing;
    unsigned holds; /* handles and jobs of the loop that still point here */
};

/* A file operation on the thread pool. It knows its request by id: that may be over before it is done. */
struct file_job {
    uv_fs_t fs;
    struct httpd *h;
    uint64_t id;
    char *data;
    size_t len;
    int fd; /* to be closed at its end: the request is over; -1 none */
};

/* ---- turning the library's crank ---- */

static void on_timer(uv_timer_t *t);

static void run(struct httpd *h)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    bool has_deadline = false;

    if (h->is_running || h->daemon == NULL)
        return;
    h->is_running = true;
    for (int i = 0; i < ROUNDS_MAX; i++) {
        h->is_dirty = false;
        (void)MHD_run(h->daemon);
        has_deadline = MHD_get_timeout(h->daemon, &ms) == MHD_YES;
        if (!h->is_dirty && !(has_deadline && ms == 0))
            break;
    }
    h->is_running = false;
    if (h->is_dirty)
        ms = 0, has_deadline = true;
    if (has_deadline)
        /* Never 0 here: a timer that is due at once, set by a timer, would shut the sockets out. */
        (void)uv_timer_start(&h->timer, on_timer, ms == 0 ? 1 : ms, 0);
    else
        (void)uv_timer_stop(&h->timer);
}

static void on_timer(uv_timer_t *t)
{
    run(t->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    run(p->data);
}

/* Something was resumed: run soon. From a timer, because any phase of the loop may come here and only a timer
 * is looked at before the loop sleeps. */
static void mark_dirty(struct httpd *h)
{
    if (!h->is_running && !h->is_dirty)
        (void)uv_timer_start(&h->timer, on_timer, 0, 0);
    h->is_dirty = true;
}

static void suspend(struct http_req *rq)
{
    CHECK(!rq->is_suspended);
    rq->is_suspended = true;
    MHD_suspend_connection(rq->conn);
}

static void resume(struct http_req *rq)
{
    if (!rq->is_suspended)
        return;
    rq->is_suspended = false;
    MHD_resume_connection(rq->conn);
    mark_dirty(rq->h);
}

static void unhold(struct httpd *h)
{
    CHECK(h->holds > 0);
    if (--h->holds > 0)
        return;
    free(h->tmp_dir);
    free(h);
}

static int64_t now_ms(void)
{
    return mono_now().us / 1000;
}

/* ---- bodies that go to a file ---- */

static void reply_error(struct http_req *rq, int status, const char *text);

static void on_file_done(uv_fs_t *fs)
{
    struct file_job *job = fs->data;
    struct httpd *h = job->h;
    struct http_req *rq = http_find(h, job->id);

    if (rq != NULL && job->data != NULL) {
        rq->writing = NULL;
        http_conn_set(rq->hc, CONN_BODY, now_ms());
        if (fs->result < 0 || (size_t)fs->result < job->len) /* less: the disk is full */
            rq->body_err = ERR_IO;
        resume(rq);
    }
    if (job->fd >= 0)
        (void)close(job->fd);
    uv_fs_req_cleanup(fs);
    free(job->data);
    free(job);
    unhold(h);
}

static struct file_job *file_job(struct http_req *rq)
{
    struct file_job *job = xcalloc(1, sizeof(*job));

    job->h = rq->h;
    job->id = rq->id;
    job->fd = -1;
    job->fs.data = job;
    rq->h->holds++;
    return job;
}

/* Send what is gathered to the file and suspend until it is there. */
static void file_flush(struct http_req *rq)
{
    struct file_job *job = file_job(rq);
    size_t len;
    uv_buf_t b;

    job->data = buf_take(&rq->body, &len);
    b = uv_buf_init(job->data, (unsigned)len);
    job->len = len;
    rq->writing = job;
    http_conn_set(rq->hc, CONN_OURS, now_ms());
    suspend(rq);
    if (uv_fs_write(rq->h->opts.loop, &job->fs, rq->fd, &b, 1, (int64_t)rq->file_bytes, on_file_done) < 0) {
        job->fs.result = -1;
        on_file_done(&job->fs);
    }
    rq->file_bytes += len;
}

/* A large file takes long to remove: not here. */
static void file_remove(struct http_req *rq)
{
    struct file_job *job;

    if (rq->writing != NULL)
        rq->writing->fd = rq->fd; /* a thread may be writing to it just now */
    else if (rq->fd >= 0)
        (void)close(rq->fd);
    rq->fd = -1;
    if (rq->file_path == NULL)
        return;
    job = file_job(rq);
    if (uv_fs_unlink(rq->h->opts.loop, &job->fs, rq->file_path, on_file_done) < 0)
        on_file_done(&job->fs);
    free(rq->file_path);
    rq->file_path = NULL;
}

static bool file_open(struct http_req *rq)
{
    size_t size = strlen(rq->h->tmp_dir) + 32;

    rq->file_path = xmalloc(size);
    (void)snprintf(rq->file_path, size, "%s/upload-XXXXXX", rq->h->tmp_dir);
    rq->fd = mkostemp(rq->file_path, O_CLOEXEC);
    if (rq->fd >= 0)
        return true;
    LOG_ERROR("http.upload", "request=%llu errno=%d", (unsigned long long)rq->id, errno);
    free(rq->file_path);
    rq->file_path = NULL;
    return false;
}

/* ---- connections ---- */

static void on_sweep(uv_timer_t *t)
{
    struct httpd *h = t->data;
    unsigned n = http_conns_sweep(&h->conns, now_ms());

    if (n > 0)
        LOG_INFO("http.slow", "cut=%u connections=%u", n, h->conns.n);
}

/* A connection keeps the certificate that it begins with. The library gave it the one of its own start. */
static void take_credentials(struct httpd *h, struct MHD_Connection *conn, struct http_conn *hc)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    CHECK(info != NULL);
    hc->pair = tls_hold(h->opts.tls);
    CHECK(gnutls_credentials_set(info->tls_session, GNUTLS_CRD_CERTIFICATE, tls_credentials(hc->pair)) ==
          GNUTLS_E_SUCCESS);
}

static void on_connection(void *ctx, struct MHD_Connection *conn, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct httpd *h = ctx;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct http_conn *hc = http_conn_add(&h->conns, info->connect_fd, now_ms());

        if (h->opts.tls != NULL)
            take_credentials(h, conn, hc);
        *socket_context = hc;
        if (h->conns.n == 1 && !h->is_closing)
            (void)uv_timer_start(&h->sweeper, on_sweep, SWEEP_MS, SWEEP_MS);
    } else if (*socket_context != NULL) {
        http_conn_remove(&h->conns, *socket_context);
        *socket_context = NULL;
        if (h->conns.n == 0)
            (void)uv_timer_stop(&h->sweeper);
    }
}

/* ---- a request's life ---- */

static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *conn)
{
    struct httpd *h = ctx;
    struct http_req *rq = xcalloc(1, sizeof(*rq));

    (void)conn;
    rq->h = h;
    rq->id = ++h->last_id;
    rq->fd = -1;
    rq->target = xstrdup(uri);
    HASH_ADD(hh, h->reqs, id, sizeof(rq->id), rq);
    return rq;
}

static void on_completed(void *ctx, struct MHD_Connection *conn, void **con_cls,
                         enum MHD_RequestTerminationCode how)
{
    struct httpd *h = ctx;
    struct http_req *rq = *con_cls;

    (void)conn;
    (void)how;
    if (rq == NULL)
        return;
    *con_cls = NULL;
    if (rq->conn != NULL)
        h->opts.on_gone(h->opts.ctx, rq);
    if (rq->hc != NULL) {
        rq->hc->requests++;
        http_conn_set(rq->hc, CONN_HEAD, now_ms());
    }
    HASH_DEL(h->reqs, rq);
    if (rq->response != NULL)
        MHD_destroy_response(rq->response);
    for (unsigned i = 0; i < rq->n_headers; i++) {
        free(rq->headers[i].name);
        free(rq->headers[i].value);
    }
    file_remove(rq);
    if (rq->body.max > 0)
        buf_done(&rq->body);
    free(rq->target);
    free(rq);
}

static enum MHD_Result on_head_value(void *ctx, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                     const char *value, size_t value_len)
{
    (void)kind;
    http_guard_header(ctx, (struct slice){key, key_len},
                      (struct slice){value == NULL ? "" : value, value_len});
    return MHD_YES;
}

static enum MHD_Result queue(struct http_req *rq)
{
    struct MHD_Response *response = rq->response;
    enum MHD_Result ret;

    rq->phase = REQ_ANSWERED;
    rq->response = NULL;
    ret = MHD_queue_response(rq->conn, (unsigned)rq->status, response);
    MHD_destroy_response(response);
    return ret;
}

static void take_peer(struct http_req *rq)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(rq->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    CHECK(info != NULL);
    address_of_socket(info->client_addr, rq->peer);
}

static void take_head(struct http_req *rq, const char *method, const char *version)
{
    struct http_guard guard = {0};
    const char *bad;
    const char *length;

    rq->phase = REQ_BODY;
    take_peer(rq);
    (void)snprintf(rq->method, sizeof(rq->method), "%s", method);
    (void)MHD_get_connection_values_n(rq->conn, MHD_HEADER_KIND, on_head_value, &guard);
    bad = http_guard_verdict(&guard, version, rq->target);
    if (bad == NULL && strlen(method) >= sizeof(rq->method))
        bad = "there is no such method";
    if (bad != NULL) {
        rq->is_suspect = true;
        http_add(rq, "Connection", "close");
        reply_error(rq, 400, bad);
        return;
    }
    rq->h->opts.on_head(rq->h->opts.ctx, rq);
    if (rq->response != NULL || !http_has_body(rq))
        return;
    length = http_header(rq, "Content-Length");
    if (length != NULL && strtoull(length, NULL, 10) > rq->body_max) {
        http_add(rq, "Connection", "close");
        reply_error(rq, 413, rq->body_max == 0 ? "this request takes no body" : "the body is too large");
        return;
    }
    if (rq->to_file && !file_open(rq))
        reply_error(rq, 500, "the body cannot be stored");
}

/* returns false when the connection must end. */
static bool take_body(struct http_req *rq, const char *data, size_t n)
{
    rq->body_bytes += n;
    if (rq->body_bytes > rq->body_max) {
        rq->body_err = ERR_LIMIT;
        return rq->body_bytes <= rq->body_max + OVERRUN_BYTES;
    }
    if (rq->body_err != ERR_OK)
        return true;
    if (buf_add(&rq->body, data, n) != ERR_OK)
        rq->body_err = ERR_LIMIT;
    return true;
}

static void take_end(struct http_req *rq)
{
    rq->phase = REQ_HANDLING;
    if (rq->body_err == ERR_LIMIT) {
        http_add(rq, "Connection", "close");
        reply_error(rq, 413, rq->body_max == 0 ? "this request takes no body" : "the body is too large");
    } else if (rq->body_err != ERR_OK) {
        reply_error(rq, 500, "the body could not be stored");
    } else {
        rq->h->opts.on_request(rq->h->opts.ctx, rq);
    }
}

/* An answer before the body ends the connection, and a client that still writes may never read it. So what is not
 * large is read and dropped first; but not from somebody who is not understood. */
static bool must_answer_now(const struct http_req *rq)
{
    const char *length = http_header(rq, "Content-Length");

    return rq->is_suspect || (length != NULL && strtoull(length, NULL, 10) > OVERRUN_BYTES);
}

static enum MHD_Result on_access(void *ctx, struct MHD_Connection *conn, const char *url, const char *method,
                                 const char *version, const char *data, size_t *size, void **con_cls)
{
    struct httpd *h = ctx;
    struct http_req *rq = *con_cls;

    (void)url;
    if (rq == NULL)
        return MHD_NO;
    if (rq->phase == REQ_HEAD) {
        if (h->is_closing)
            return MHD_NO;
        rq->conn = conn;
        rq->hc = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
        http_conn_set(rq->hc, CONN_BODY, now_ms());
        take_head(rq, method, version);
        return rq->response != NULL && must_answer_now(rq) ? queue(rq) : MHD_YES;
    }
    rq->hc->body_bytes += *size;
    if (*size > 0 && rq->response != NULL) {
        rq->body_bytes += *size;
        *size = 0;
        return rq->body_bytes <= OVERRUN_BYTES ? MHD_YES : MHD_NO;
    }
    if (*size > 0) {
        /* The file's chunk went out whole; what is left comes again when it is written. */
        if (rq->to_file && rq->body.len >= FILE_CHUNK_BYTES && rq->body_err == ERR_OK) {
            file_flush(rq);
            return MHD_YES;
        }
        if (!take_body(rq, data, *size))
            return MHD_NO;
        *size = 0;
        return MHD_YES;
    }
    if (rq->phase == REQ_BODY) {
        if (rq->to_file && rq->body.len > 0 && rq->body_err == ERR_OK) {
            file_flush(rq);
            return MHD_YES;
        }
        http_conn_set(rq->hc, CONN_OURS, now_ms());
        if (rq->response == NULL)
            take_end(rq);
    }
    if (rq->response != NULL)
        return queue(rq);
    CHECK(rq->phase == REQ_HANDLING || rq->phase == REQ_WAITING);
    rq->phase = REQ_WAITING;
    suspend(rq);
    return MHD_YES;
}

static void on_log(void *ctx, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_log(void *ctx, const char *fmt, va_list ap)
{
    char text[200];
    char quoted[260];

    (void)ctx;
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    LOG_DEBUG("http.library", "text=%s", log_quote(quoted, sizeof(quoted), text));
}

/* ---- open and close ---- */

static enum err listen_on(struct httpd *h, int *ret_fd, struct why *reterr)
{
    struct http_address at;
    enum err err = http_listen(h->opts.listen, ret_fd, &at, reterr);

    if (err != ERR_OK)
        return err;
    h->port = at.port;
    h->is_loopback = at.is_loopback;
    (void)snprintf(h->url, sizeof(h->url), "%s://%s:%u", httpd_is_tls(h) ? "https" : "http", at.host,
                   at.port);
    return ERR_OK;
}

static unsigned or_default(unsigned v, unsigned preset)
{
    return v != 0 ? v : preset;
}

static struct MHD_Daemon *start_daemon(struct httpd *h, int fd)
{
    const struct httpd_opts *o = &h->opts;
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct tls_pair *pair = o->tls != NULL ? tls_hold(o->tls) : NULL;
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    union {
        const char *in;
        void *out;
    } key = {pair != NULL ? tls_key_pem(pair) : ""}, crt = {pair != NULL ? tls_crt_pem(pair) : ""},
      priorities = {TLS_PRIORITIES}; /* the library does not write to them, and says void * */
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_KEY, 0, key.out},
                                   {MHD_OPTION_HTTPS_MEM_CERT, 0, crt.out},
                                   {MHD_OPTION_HTTPS_PRIORITIES, 0, priorities.out},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags | (pair != NULL ? MHD_USE_TLS : 0), 0, NULL, NULL, on_access, h, MHD_OPTION_EXTERNAL_LOGGER,
        on_log, h, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
        MHD_OPTION_CONNECTION_LIMIT, or_default(o->connections_max, CONNECTIONS_MAX),
        MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        or_default(o->connections_per_ip_max,
                   h->is_loopback ? CONNECTIONS_PER_PROXY_MAX : CONNECTIONS_PER_IP_MAX),
        MHD_OPTION_CONNECTION_TIMEOUT, or_default(o->idle_timeout_s, IDLE_TIMEOUT_S),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, pair != NULL ? tls : plain, MHD_OPTION_END);

    tls_release(pair); /* the library has made its own of it */
    return daemon;
}

static void init_handles(struct httpd *h)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    CHECK(info != NULL);
    h->holds = 3;
    CHECK(uv_poll_init(h->opts.loop, &h->poll, info->epoll_fd) == 0);
    CHECK(uv_timer_init(h->opts.loop, &h->timer) == 0);
    CHECK(uv_timer_init(h->opts.loop, &h->sweeper) == 0);
    h->poll.data = h->timer.data = h->sweeper.data = h;
    CHECK(uv_poll_start(&h->poll, UV_READABLE, on_poll) == 0);
}

enum err httpd_open(const struct httpd_opts *opts, struct httpd **ret, struct why *reterr)
{
    struct httpd *h = xcalloc(1, sizeof(*h));
    enum err err;
    int fd = -1;

    h->opts = *opts;
    h->tmp_dir = xstrdup(opts->tmp_dir);
    http_conns_init(&h->conns, &opts->limits);
    err = listen_on(h, &fd, reterr);
    if (err != ERR_OK)
        goto fail;
    h->daemon = start_daemon(h, fd);
    if (h->daemon == NULL) {
        err = why_set(reterr, ERR_IO, NULL, "listen on %s: the HTTP library did not start", opts->listen);
        (void)close(fd);
        goto fail;
    }
    init_handles(h);
    *ret = h;
    return ERR_OK;
fail:
    free(h->tmp_dir);
    free(h);
    return err;
}

static void on_closed(uv_handle_t *handle)
{
    unhold(handle->data);
}

void httpd_close(struct httpd *h)
{
    struct http_req *rq;
    struct http_req *next;

    if (h == NULL)
        return;
    h->is_closing = true;
    /* All must be resumed before the library stops; streams end politely. */
    HASH_ITER(hh, h->reqs, rq, next) {
        rq->must_end = true;
        if (rq->phase == REQ_BODY)
            rq->body_err = ERR_BUSY; /* writes nothing more */
        if (rq->phase == REQ_WAITING && rq->response == NULL)
            reply_error(rq, 503, "the server is stopping");
        resume(rq);
    }
    h->is_running = true; /* no more turns from the timer */
    for (int i = 0; i < CLOSE_ROUNDS; i++)
        (void)MHD_run(h->daemon);
    (void)uv_poll_stop(&h->poll);
    (void)uv_timer_stop(&h->timer);
    (void)uv_timer_stop(&h->sweeper);
    HASH_ITER(hh, h->reqs, rq, next) {
        resume(rq);
    }
    (void)MHD_run(h->daemon);
    MHD_stop_daemon(h->daemon);
    h->daemon = NULL;
    uv_close((uv_handle_t *)&h->poll, on_closed);
    uv_close((uv_handle_t *)&h->timer, on_closed);
    uv_close((uv_handle_t *)&h->sweeper, on_closed);
}

uint16_t httpd_port(const struct httpd *h)
{
    return h->port;
}

bool httpd_is_tls(const struct httpd *h)
{
    return h->opts.tls != NULL;
}

bool httpd_is_loopback(const struct httpd *h)
{
    return h->is_loopback;
}

const char *httpd_url(const struct httpd *h)
{
    return h->url;
}

unsigned httpd_requests(const struct httpd *h)
{
    return HASH_COUNT(h->reqs);
}

/* The library does not look at a connection that is suspended, so it learns late that such a one was closed. */
static bool is_closed_by_peer(const struct http_req *rq)
{
    const union MHD_ConnectionInfo *info;
    char byte;

    if (rq->conn == NULL || !rq->is_suspended)
        return false;
    info = MHD_get_connection_info(rq->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

unsigned httpd_watchers(struct httpd *h)
{
    const union MHD_DaemonInfo *info;
    const struct http_req *rq;
    unsigned n;

    if (h->daemon == NULL)
        return 0;
    info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    n = info != NULL ? info->num_connections : 0;
    for (rq = h->reqs; rq != NULL && n > 0; rq = rq->hh.next)
        n -= is_closed_by_peer(rq);
    return n;
}

/* ---- a request, as its handler sees it ---- */

uint64_t http_id(const struct http_req *rq)
{
    return rq->id;
}

struct http_req *http_find(struct httpd *h, uint64_t id)
{
    struct http_req *rq;

    HASH_FIND(hh, h->reqs, &id, sizeof(id), rq);
    return rq;
}

const char *http_method(const struct http_req *rq)
{
    return rq->method;
}

const char *http_target(const struct http_req *rq)
{
    return rq->target;
}

const char *http_header(const struct http_req *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, name);
}

struct header_list {
    const char *name;
    char *out;
    size_t size;
    size_t len;
};

static enum MHD_Result on_list_value(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct header_list *list = ctx;
    size_t at = list->len < list->size ? list->len : list->size - 1;

    (void)kind;
    if (value == NULL || value[0] == '\0' || strcasecmp(key, list->name) != 0)
        return MHD_YES;
    (void)snprintf(list->out + at, list->size - at, "%s%s", list->len > 0 ? ", " : "", value);
    list->len += strlen(value) + (list->len > 0 ? 2 : 0);
    return MHD_YES;
}

size_t http_header_list(const struct http_req *rq, const char *name, char *out, size_t size)
{
    struct header_list list = {.name = name, .out = out, .size = size};

    CHECK(size > 0);
    out[0] = '\0';
    (void)MHD_get_connection_values(rq->conn, MHD_HEADER_KIND, on_list_value, &list);
    return list.len;
}

const char *http_peer(const struct http_req *rq)
{
    return rq->peer;
}

bool http_has_body(const struct http_req *rq)
{
    const char *length = http_header(rq, "Content-Length");

    return http_header(rq, "Transfer-Encoding") != NULL || (length != NULL && strtoull(length, NULL, 10) > 0);
}

void http_accept_memory(struct http_req *rq, size_t max_bytes)
{
    rq->to_file = false;
    rq->body_max = max_bytes;
    buf_init(&rq->body, max_bytes);
}

void http_accept_file(struct http_req *rq, uint64_t max_bytes)
{
    rq->to_file = true;
    rq->body_max = max_bytes;
    buf_init(&rq->body, FILE_CHUNK_BYTES + CONNECTION_BYTES);
}

struct slice http_body(const struct http_req *rq)
{
    return rq->body.max == 0 ? (struct slice){"", 0} : buf_slice(&rq->body);
}

void http_take_body(struct http_req *rq, struct buf *ret)
{
    *ret = rq->body;
    rq->body = (struct buf){.max = rq->body.max};
    if (ret->max == 0)
        buf_init(ret, 1);
}

const char *http_body_path(const struct http_req *rq)
{
    return rq->file_path;
}

void http_set_user(struct http_req *rq, void *user)
{
    rq->user = user;
}

void *http_user(const struct http_req *rq)
{
    return rq->user;
}

void http_add(struct http_req *rq, const char *name, const char *value)
{
    if (rq->n_headers == REPLY_HEADERS_MAX || strpbrk(value, "\r\n") != NULL) {
        LOG_WARN("http.header", "request=%llu name=%s", (unsigned long long)rq->id, name);
        return;
    }
    rq->headers[rq->n_headers].name = xstrdup(name);
    rq->headers[rq->n_headers++].value = xstrdup(value);
}

void http_addf(struct http_req *rq, const char *name, const char *fmt, ...)
{
    char value[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    http_add(rq, name, value);
}

/* What every answer carries unless its handler said otherwise. */
static const struct {
    const char *name;
    const char *value;
} default_headers[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    {"X-Frame-Options", "DENY"}, /* for what does not know frame-ancestors */
    {"Referrer-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

static bool has_header(const struct http_req *rq, const char *name)
{
    for (unsigned i = 0; i < rq->n_headers; i++) {
        if (strcasecmp(rq->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* A browser that has seen it goes to this host by TLS alone, on any port: nothing that may be said of localhost. */
static bool wants_hsts(const struct http_req *rq)
{
    return httpd_is_tls(rq->h) && rq->conn != NULL &&
           !http_host_is_local(http_header(rq, "Host"), rq->h->port);
}

static void add_default_headers(struct http_req *rq, struct MHD_Response *response)
{
    for (size_t i = 0; i < ARRAY_LEN(default_headers); i++) {
        if (!has_header(rq, default_headers[i].name))
            (void)MHD_add_response_header(response, default_headers[i].name, default_headers[i].value);
    }
    if (wants_hsts(rq))
        (void)MHD_add_response_header(response, "Strict-Transport-Security", HSTS);
}

static void answer(struct http_req *rq, int status, struct MHD_Response *response)
{
    CHECK(rq->phase != REQ_ANSWERED);
    CHECK(rq->response == NULL);
    CHECK(response != NULL);
    for (unsigned i = 0; i < rq->n_headers; i++)
        (void)MHD_add_response_header(response, rq->headers[i].name, rq->headers[i].value);
    add_default_headers(rq, response);
    rq->status = status;
    rq->response = response;
    if (rq->phase == REQ_WAITING)
        resume(rq);
}

void http_reply(struct http_req *rq, int status, struct buf *body)
{
    char *data = NULL;
    size_t len = 0;

    if (body != NULL)
        data = buf_take(body, &len);
    answer(rq, status,
           MHD_create_response_from_buffer(len, data,
                                           data == NULL ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE));
}

void http_reply_static(struct http_req *rq, int status, const void *data, size_t n)
{
    union {
        const void *in;
        void *out;
    } pun = {data}; /* the library does not write to it, and says void * */

    answer(rq, status, MHD_create_response_from_buffer(n, pun.out, MHD_RESPMEM_PERSISTENT));
}

static void reply_error(struct http_req *rq, int status, const char *text)
{
    struct buf out;

    buf_init(&out, KIB(64));
    rq->h->opts.render_error(rq->h->opts.ctx, rq, status, text, &out);
    http_reply(rq, status, &out);
}

/* ---- streams ---- */

static ssize_t on_stream(void *ctx, uint64_t pos, char *out, size_t max)
{
    struct http_req *rq = ctx;
    ssize_t n;

    (void)pos;
    if (rq->must_end)
        return MHD_CONTENT_READER_END_OF_STREAM;
    n = rq->read(rq->user, out, max);
    if (n == HTTP_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == HTTP_FAIL)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == HTTP_WAIT)
        suspend(rq);
    return n;
}

static void reply_stream(struct http_req *rq, int status, uint64_t bytes, size_t block,
                         ssize_t (*read)(void *user, char *out, size_t max))
{
    rq->read = read;
    answer(rq, status, MHD_create_response_from_callback(bytes, block, on_stream, rq, NULL));
}

void http_reply_stream(struct http_req *rq, int status, ssize_t (*read)(void *user, char *out, size_t max))
{
    reply_stream(rq, status, MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read);
}

void http_reply_stream_of(struct http_req *rq, int status, uint64_t bytes,
                          ssize_t (*read)(void *user, char *out, size_t max))
{
    reply_stream(rq, status, bytes == HTTP_SIZE_UNKNOWN ? MHD_SIZE_UNKNOWN : bytes, FILE_BLOCK_BYTES, read);
}

void http_wake(struct http_req *rq)
{
    if (rq->phase == REQ_ANSWERED)
        resume(rq);
}
