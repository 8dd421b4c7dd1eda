/* http_call.c - requests by libcurl on the loop; see http_call.h.
 *
 * libcurl names the sockets it wants watched (on_socket) and the time by which it wants to be called (on_timeout); each
 * event goes back into curl_multi_socket_action(). What has ended is collected only after that call has returned, so that an
 * answer may start and cancel calls. */
#include "net/http_call.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/mem.h"

#define DEADLINE_MS 30000
#define CONNECT_MS 10000
#define AT_ONCE 16
#define URL_BYTES_MAX 4096u

struct watch; /* of one socket */

struct http_call {
    struct http_calls *all;
    struct http_call *prev;
    struct http_call *next;
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    size_t body_len;
    bool body_is_secret;
    bool is_too_long;
    bool cuts_answer;
    const char *(*fault_of)(void *ctx, const struct sockaddr *sa);
    char refused[300]; /* an address that was refused, and why; "" none was */
    struct buf answer;
    struct buf answer_headers;
    char error[CURL_ERROR_SIZE];
    void (*on_answer)(void *ctx, const struct http_answer *a);
    void *ctx;
};

struct http_calls {
    uv_loop_t *loop;
    CURLM *multi;
    char *ca;
    uv_timer_t timer;
    struct http_call *first;
    struct watch *watches;
    unsigned handles; /* open or closing */
    bool is_freed;
};

struct watch {
    uv_poll_t poll;
    struct http_calls *all;
    struct watch *prev;
    struct watch *next;
    curl_socket_t fd;
};

/* ---- the loop ---- */

static void maybe_free(struct http_calls *all)
{
    if (!all->is_freed || all->handles > 0)
        return;
    free(all->ca);
    free(all);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct http_calls *all = h->data;

    all->handles--;
    maybe_free(all);
}

static void on_watch_closed(uv_handle_t *h)
{
    struct watch *w = CONTAINER_OF(h, struct watch, poll);
    struct http_calls *all = w->all;

    free(w);
    all->handles--;
    maybe_free(all);
}

static void collect(struct http_calls *all);

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct watch *w = CONTAINER_OF(p, struct watch, poll);
    struct http_calls *all = w->all;
    int flags = 0;
    int running;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    (void)curl_multi_socket_action(all->multi, w->fd, flags, &running);
    collect(all);
}

static void on_timer(uv_timer_t *t)
{
    struct http_calls *all = t->data;
    int running;

    (void)curl_multi_socket_action(all->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(all);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
    struct http_calls *all = ctx;

    (void)multi;
    if (timeout_ms < 0)
        (void)uv_timer_stop(&all->timer);
    else
        (void)uv_timer_start(&all->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void watch_end(struct watch *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        w->all->watches = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static struct watch *watch_new(struct http_calls *all, curl_socket_t fd)
{
    struct watch *w = xcalloc(1, sizeof(*w));

    w->all = all;
    w->fd = fd;
    CHECK(uv_poll_init_socket(all->loop, &w->poll, fd) == 0);
    all->handles++;
    w->next = all->watches;
    if (w->next != NULL)
        w->next->prev = w;
    all->watches = w;
    (void)curl_multi_assign(all->multi, fd, w);
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http_calls *all = ctx;
    struct watch *w = socket_ctx;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            (void)curl_multi_assign(all->multi, fd, NULL);
            watch_end(w);
        }
        return 0;
    }
    if (w == NULL)
        w = watch_new(all, fd);
    CHECK(uv_poll_start(&w->poll, events, on_poll) == 0);
    return 0;
}

/* ---- all ---- */

struct http_calls *http_calls_new(uv_loop_t *loop, const struct http_calls_opts *opts)
{
    struct http_calls *all = xcalloc(1, sizeof(*all));
    long at_once = opts->at_once != 0 ? (long)opts->at_once : AT_ONCE;

    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
    all->loop = loop;
    all->ca = opts->ca != NULL ? xstrdup(opts->ca) : NULL;
    CHECK(uv_timer_init(loop, &all->timer) == 0);
    all->timer.data = all;
    all->handles = 1;
    all->multi = curl_multi_init();
    CHECK(all->multi != NULL);
    (void)curl_multi_setopt(all->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(all->multi, CURLMOPT_SOCKETDATA, all);
    (void)curl_multi_setopt(all->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(all->multi, CURLMOPT_TIMERDATA, all);
    (void)curl_multi_setopt(all->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, at_once);
    return all;
}

static void call_free(struct http_call *c)
{
    struct http_calls *all = c->all;

    (void)curl_multi_remove_handle(all->multi, c->easy);
    curl_easy_cleanup(c->easy);
    for (struct curl_slist *h = c->headers; h != NULL; h = h->next)
        mem_wipe(h->data, strlen(h->data));
    curl_slist_free_all(c->headers);
    if (c->body_is_secret)
        mem_wipe(c->body, c->body_len);
    free(c->body);
    buf_done(&c->answer);
    buf_done(&c->answer_headers);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        all->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    free(c);
}

void http_calls_free(struct http_calls *all)
{
    if (all == NULL)
        return;
    while (all->first != NULL)
        call_free(all->first);
    (void)curl_multi_cleanup(all->multi); /* closes what is kept, by on_socket */
    all->multi = NULL;
    while (all->watches != NULL)
        watch_end(all->watches);
    curl_global_cleanup();
    all->is_freed = true;
    uv_close((uv_handle_t *)&all->timer, on_timer_closed);
}

/* ---- whom we speak to ---- */

static bool is_loopback(const char *host)
{
    struct in6_addr at;
    size_t n = strlen(host);
    char bare[INET6_ADDRSTRLEN];

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (n > 2 && host[0] == '[' && host[n - 1] == ']' && n - 2 < sizeof(bare)) {
        (void)snprintf(bare, sizeof(bare), "%.*s", (int)n - 2, host + 1);
        return inet_pton(AF_INET6, bare, &at) == 1 && IN6_IS_ADDR_LOOPBACK(&at);
    }
    return inet_pton(AF_INET, host, &at) == 1 && at.s6_addr[0] == 127;
}

enum err http_call_url_check(const char *url, struct why *reterr)
{
    CURLU *u = curl_url();
    char *scheme = NULL;
    char *host = NULL;
    char *user = NULL;
    enum err err = ERR_OK;

    CHECK(u != NULL);
    if (strlen(url) > URL_BYTES_MAX || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        err = why_set(reterr, ERR_INVALID, "url", "url: '%.100s' is not a URL like https://api.example.org",
                      url);
    else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
        err = why_set(reterr, ERR_INVALID, "url", "url: there is a name or a password in it");
    else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
        err = why_set(reterr, ERR_INVALID, "url", "url: '%.100s' begins with neither https:// nor http://",
                      url);
    else if (strcmp(scheme, "http") == 0 && !is_loopback(host))
        err = why_set(
            reterr, ERR_INVALID, "url",
            "url: '%.100s' is plain http: whoever is on the way could read the secrets that are sent there; "
            "write https://",
            url);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(u);
    return err;
}

/* ---- one call ---- */

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct http_call *c = ctx;

    size_t room = c->answer.max - c->answer.len;

    if (buf_add(&c->answer, bytes, size * n) == ERR_OK)
        return size * n;
    if (c->cuts_answer)
        CHECK(buf_add(&c->answer, bytes, room) == ERR_OK);
    c->is_too_long = true;
    return 0;
}

/* Of an answer like "100 Continue" nothing is kept once the next begins. */
static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    struct http_call *c = ctx;

    if (size * n >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        buf_clear(&c->answer_headers);
    if (buf_add(&c->answer_headers, bytes, size * n) == ERR_OK)
        return size * n;
    c->is_too_long = true;
    return 0;
}

static void add_header(struct http_call *c, const char *name, struct slice value)
{
    char *line = xmalloc(strlen(name) + value.len + 3);
    int n = snprintf(line, strlen(name) + 3, "%s: ", name);
    struct curl_slist *list;

    memcpy(line + n, value.ptr, value.len);
    line[(size_t)n + value.len] = '\0';
    list = curl_slist_append(c->headers, line);
    CHECK(list != NULL);
    c->headers = list;
    mem_wipe(line, (size_t)n + value.len);
    free(line);
}

/* The address is what will be connected to: whoever answers for the name cannot change it any more. */
static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *sa)
{
    struct http_call *c = ctx;
    const char *fault =
        purpose == CURLSOCKTYPE_IPCXN ? c->fault_of(c->ctx, &sa->addr) : "it is no connection";

    if (fault != NULL) {
        (void)snprintf(c->refused, sizeof(c->refused), "%s", fault);
        return CURL_SOCKET_BAD;
    }
    return socket(sa->family, sa->socktype | SOCK_CLOEXEC, sa->protocol);
}

static bool is_reading(const char *method)
{
    return method == NULL || strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void set_method(struct http_call *c, const struct http_call_opts *o)
{
    struct curl_slist *list;

    if (!is_reading(o->method)) {
        (void)curl_easy_setopt(c->easy, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L);
    }
    if (o->body.ptr != NULL) {
        c->body = xmalloc(o->body.len + 1);
        memcpy(c->body, o->body.ptr, o->body.len);
        c->body_len = o->body.len;
        c->body_is_secret = o->body_is_secret;
        add_header(c, "Content-Type", slice_of(o->type != NULL ? o->type : "application/json"));
        list = curl_slist_append(c->headers, "Expect:");
        CHECK(list != NULL);
        c->headers = list;
        (void)curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_len);
        (void)curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body);
    }
    if (o->method != NULL && strcmp(o->method, "HEAD") == 0)
        (void)curl_easy_setopt(c->easy, CURLOPT_NOBODY, 1L);
    else if (o->method != NULL)
        (void)curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, o->method);
}

static void set_up(struct http_call *c, const struct http_call_opts *o)
{
    CURL *e = c->easy;

    (void)curl_easy_setopt(e, CURLOPT_URL, o->url);
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, c);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, "wrata/" WRATA_VERSION);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(o->deadline_ms != 0 ? o->deadline_ms : DEADLINE_MS));
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)(o->connect_ms != 0 ? o->connect_ms : CONNECT_MS));
    (void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    if (c->all->ca != NULL) {
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, c->all->ca);
        (void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    }
    /* A name that nobody resolves must not hold the loop while its thread is joined. */
    (void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(e, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
    if (o->bearer.len > 0) {
        struct buf value;

        buf_init(&value, o->bearer.len + 8);
        buf_puts(&value, "Bearer ");
        buf_put(&value, o->bearer.ptr, o->bearer.len);
        add_header(c, "Authorization", buf_slice(&value));
        mem_wipe(value.data, value.len);
        buf_done(&value);
    }
    for (uint32_t i = 0; i < o->n_headers; i++) {
        struct curl_slist *list = curl_slist_append(c->headers, o->headers[i]);

        CHECK(list != NULL);
        c->headers = list;
    }
    if (o->fault_of != NULL) {
        (void)curl_easy_setopt(e, CURLOPT_PROXY, "");
        (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
        (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, c);
        (void)curl_easy_setopt(e, CURLOPT_FRESH_CONNECT,
                               1L); /* a kept connection was looked at for somebody else */
        (void)curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    }
    set_method(c, o);
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
}

void http_call_start(struct http_calls *all, const struct http_call_opts *o, struct http_call **ret)
{
    struct http_call *c = xcalloc(1, sizeof(*c));

    CHECK(o->on_answer != NULL);
    for (size_t i = 0; i < o->bearer.len; i++)
        CHECK(o->bearer.ptr[i] > ' ' && o->bearer.ptr[i] != 127); /* whoever takes it in has looked */
    c->all = all;
    c->on_answer = o->on_answer;
    c->ctx = o->ctx;
    c->cuts_answer = o->cuts_answer;
    c->fault_of = o->fault_of;
    buf_init(&c->answer, o->answer_max != 0 ? o->answer_max : HTTP_CALL_BODY_BYTES_MAX);
    buf_init(&c->answer_headers, HTTP_CALL_HEADERS_BYTES_MAX);
    c->easy = curl_easy_init();
    CHECK(c->easy != NULL);
    c->next = all->first;
    if (c->next != NULL)
        c->next->prev = c;
    all->first = c;
    set_up(c, o);
    *ret = c;
    CHECK(curl_multi_add_handle(all->multi, c->easy) == CURLM_OK); /* begins with the timer, not in here */
}

void http_call_cancel(struct http_call **call)
{
    if (*call == NULL)
        return;
    call_free(*call);
    *call = NULL;
}

/* ---- its end ---- */

/* Did a byte of the request leave? libcurl counts what it has sent of it. */
static bool was_sent(CURL *easy)
{
    long bytes = 0;

    return curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &bytes) != CURLE_OK || bytes > 0;
}

static void say_error(const struct http_call *c, CURLcode code, char *out, size_t size)
{
    const char *said = c->error[0] != '\0' ? c->error : curl_easy_strerror(code);
    char *url = NULL;
    CURLU *u;
    char *host = NULL;

    (void)curl_easy_getinfo(c->easy, CURLINFO_EFFECTIVE_URL, &url);
    u = curl_url();
    CHECK(u != NULL);
    if (url != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
        (void)curl_url_get(u, CURLUPART_HOST, &host, 0);
    if (c->refused[0] != '\0')
        (void)snprintf(out, size, "%.80s: %s", host != NULL ? host : "it", c->refused);
    else if (c->is_too_long)
        (void)snprintf(out, size, "%.120s answered more than fits", host != NULL ? host : "it");
    else
        (void)snprintf(out, size, "%.120s: %.250s", host != NULL ? host : "it", said);
    curl_free(host);
    curl_url_cleanup(u);
}

static void finish(struct http_call *c, CURLcode code)
{
    struct http_calls *all = c->all;
    struct http_answer a = {
        .body = buf_slice(&c->answer), .headers = buf_slice(&c->answer_headers), .error = ""};
    char error[400];
    long status = 0;

    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && c->is_too_long && c->cuts_answer)) {
        (void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        a.status = (int)status;
    } else {
        say_error(c, code, error, sizeof(error));
        a.fate = was_sent(c->easy) ? HTTP_LOST : HTTP_NOT_SENT;
        a.error = error;
    }
    /* Out of the multi first: the answer may start a call that takes its connection. */
    (void)curl_multi_remove_handle(all->multi, c->easy);
    c->on_answer(c->ctx, &a);
    call_free(c);
}

static void collect(struct http_calls *all)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(all->multi, &left)) != NULL) {
        struct http_call *c = NULL;
        CURLcode code;

        if (msg->msg != CURLMSG_DONE)
            continue;
        code = msg->data.result;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        CHECK(c != NULL);
        finish(c, code);
    }
}

/* ---- headers ---- */

bool http_call_header(struct slice headers, const char *name, struct slice *ret)
{
    size_t n = strlen(name);
    const char *p = headers.ptr;
    const char *end = headers.ptr + headers.len;

    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t len = stop != NULL ? (size_t)(stop - p) : (size_t)(end - p);

        if (len > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
            const char *from = p + n + 1;
            const char *to = p + len;

            while (from < to && (*from == ' ' || *from == '\t'))
                from++;
            while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
                to--;
            *ret = (struct slice){from, (size_t)(to - from)};
            return true;
        }
        p += len + 1;
    }
    return false;
}

int64_t http_call_number(struct slice headers, const char *name)
{
    struct slice v;
    int64_t n = 0;

    if (!http_call_header(headers, name, &v) || v.len == 0 || v.len > 18)
        return -1;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9')
            return -1;
        n = n * 10 + (v.ptr[i] - '0');
    }
    return n;
}
