#include "net/client.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define CONNECT_MS 10000L
#define DEADLINE_MS 60000
#define REPLY_BYTES_MAX MIB(64)
#define HEADER_BYTES_MAX KIB(256)
/* The server sends a comment every 15 s: three of them missing is a dead connection. */
#define STREAM_SILENCE_S 45L

struct client {
    char *url; /* without a slash at the end */
    char *ca;  /* NULL: the authorities of this computer */
    char *pin; /* NULL: whatever they vouch for */
    CURL *easy;
    bool is_local; /* this computer: no proxy stands in between */
    const volatile sig_atomic_t *cancel;
};

struct client_stream {
    struct client *client;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    struct buf got; /* bytes that are not parsed yet */
    struct sse sse;
    char error[CURL_ERROR_SIZE];
};

enum err client_new(const char *url, struct client **ret, struct why *reterr)
{
    static bool is_ready;
    struct client *c;
    CURLU *u;
    char *host = NULL;
    size_t n = strlen(url);

    if (!is_ready && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return why_set(reterr, ERR_IO, NULL, "libcurl cannot be initialised");
    is_ready = true;
    u = curl_url();
    CHECK(u != NULL);
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
        curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        curl_url_cleanup(u);
        return why_set(reterr, ERR_INVALID, "url", "url: '%s' is not a URL like http://localhost:3000", url);
    }
    c = xcalloc(1, sizeof(*c));
    while (n > 0 && url[n - 1] == '/')
        n--;
    c->url = xstrndup(url, n);
    c->is_local =
        strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
    curl_free(host);
    curl_url_cleanup(u);
    c->easy = curl_easy_init();
    CHECK(c->easy != NULL);
    *ret = c;
    return ERR_OK;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    curl_easy_cleanup(c->easy);
    free(c->url);
    free(c->ca);
    free(c->pin);
    free(c);
}

void client_trust(struct client *c, const char *ca, const char *pin)
{
    free(c->ca);
    free(c->pin);
    c->ca = ca != NULL ? xstrdup(ca) : NULL;
    c->pin = pin != NULL ? xstrdup(pin) : NULL;
}

const char *client_url(const struct client *c)
{
    return c->url;
}

void client_cancel_by(struct client *c, const volatile sig_atomic_t *flag)
{
    c->cancel = flag;
}

void client_escape(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c) != NULL)
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* ---- one request ---- */

static size_t on_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
    return buf_add(ctx, bytes, size * n) == ERR_OK ? size * n : 0;
}

static int on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    const struct client *c = ctx;

    (void)dltotal;
    (void)dlnow;
    (void)ultotal;
    (void)ulnow;
    return c->cancel != NULL && *c->cancel != 0;
}

/* What every transfer has in common. libcurl keeps none of the texts it is given here by pointer. */
static void prepare(struct client *c, CURL *easy, const char *path, struct buf *into, char *error)
{
    char *url = xmalloc(strlen(c->url) + strlen(path) + 1);

    memcpy(url, c->url, strlen(c->url));
    memcpy(url + strlen(c->url), path, strlen(path) + 1);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    free(url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "wrata/" WRATA_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, into);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    if (c->is_local)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->ca != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca);
    if (c->pin != NULL) {
        curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, c->pin);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static enum err transport_error(const struct client *c, CURLcode rc, const char *detail, struct why *reterr)
{
    const char *text = detail[0] != '\0' ? detail : curl_easy_strerror(rc);

    switch (rc) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return why_set(reterr, ERR_BUSY, NULL, "no server answers at %s: %s", c->url, text);
    case CURLE_OPERATION_TIMEDOUT:
        return why_set(reterr, ERR_TIMEOUT, NULL, "%s did not answer in time: %s", c->url, text);
    case CURLE_ABORTED_BY_CALLBACK:
        return why_set(reterr, ERR_TIMEOUT, NULL, "interrupted");
    case CURLE_PEER_FAILED_VERIFICATION:
        return why_set(
            reterr, ERR_DENIED, NULL,
            "%s shows a certificate that is not to be believed: %s; for an authority of your own: --ca "
            "FILE or WRATA_CA",
            c->url, text);
    case CURLE_SSL_CACERT_BADFILE:
        return why_set(reterr, ERR_INVALID, "ca", "--ca: %s holds no certificates that can be read", c->ca);
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return why_set(reterr, ERR_DENIED, NULL, "%s shows another certificate than the one it announced",
                       c->url);
    case CURLE_WRITE_ERROR:
        return why_set(reterr, ERR_LIMIT, NULL, "%s answered more than fits", c->url);
    default:
        return why_set(reterr, ERR_IO, NULL, "%s: %s", c->url, text);
    }
}

static enum err status_to_err(int status)
{
    if (status == 413)
        return ERR_LIMIT;
    if (status == 405)
        return ERR_INVALID;
    for (int e = 1; e < ERR_COUNT; e++) {
        if (err_http((enum err)e) == status)
            return (enum err)e;
    }
    return ERR_PROTO;
}

/* The server's own sentence, with the field in front when the sentence does not begin with it. */
static enum err server_error(const struct client *c, const struct client_reply *r, struct why *reterr)
{
    json_t *doc = json_loadb(buf_str(&r->body), r->body.len, 0, NULL);
    const json_t *error = json_object_get(doc, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *field = json_string_value(json_object_get(error, "field"));
    enum err code = status_to_err(r->status);

    if (message == NULL)
        (void)why_set(reterr, ERR_PROTO, NULL, "%s answered %d, which is not what a wrata server says",
                      c->url, r->status);
    else if (field != NULL && field[0] != '\0' && strncmp(message, field, strlen(field)) != 0)
        (void)why_set(reterr, code, NULL, "%s: %s", field, message);
    else
        (void)why_set(reterr, code, NULL, "%s", message);
    if (message == NULL)
        code = ERR_PROTO;
    json_decref(doc);
    return code;
}

static enum err open_body_file(CURL *easy, const char *path, FILE **ret, struct why *reterr)
{
    FILE *f = fopen(path, "rbe");
    off_t size;

    if (f == NULL || fseeko(f, 0, SEEK_END) != 0 || (size = ftello(f)) < 0 || fseeko(f, 0, SEEK_SET) != 0) {
        if (f != NULL)
            (void)fclose(f);
        return why_set(reterr, ERR_IO, NULL, "%s cannot be read", path);
    }
    curl_easy_setopt(easy, CURLOPT_READDATA, f);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    *ret = f;
    return ERR_OK;
}

enum err client_call(struct client *c, const struct client_request *rq, struct client_reply *ret,
                     struct why *reterr)
{
    CURL *easy = c->easy;
    struct curl_slist *headers = NULL;
    char error[CURL_ERROR_SIZE] = "";
    char type[128];
    long status = 0;
    FILE *file = NULL;
    CURLcode rc;
    enum err err = ERR_OK;

    *ret = (struct client_reply){0};
    buf_init(&ret->body, rq->reply_max_bytes != 0 ? rq->reply_max_bytes : REPLY_BYTES_MAX);
    buf_init(&ret->headers, HEADER_BYTES_MAX);
    curl_easy_reset(easy); /* keeps the connection */
    prepare(c, easy, rq->path, &ret->body, error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &ret->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(rq->deadline_ms != 0 ? rq->deadline_ms : DEADLINE_MS));
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    if (rq->body != NULL || rq->body_file != NULL ||
        (rq->method != NULL && strcmp(rq->method, "POST") == 0)) {
        (void)snprintf(type, sizeof(type), "Content-Type: %s",
                       rq->body_type != NULL ? rq->body_type : "application/json");
        headers = curl_slist_append(headers, type);
        headers = curl_slist_append(headers, "Expect:");
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        if (rq->body_file != NULL) {
            err = open_body_file(easy, rq->body_file, &file, reterr);
        } else {
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, rq->body != NULL ? rq->body : "");
        }
    }
    if (rq->method != NULL)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, rq->method);
    if (err == ERR_OK) {
        rc = curl_easy_perform(easy);
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        ret->status = (int)status;
        if (rc != CURLE_OK)
            err = transport_error(c, rc, error, reterr);
        else if (status < 200 || status > 299)
            err = server_error(c, ret, reterr);
    }
    curl_slist_free_all(headers);
    if (file != NULL)
        (void)fclose(file);
    return err;
}

void client_reply_done(struct client_reply *r)
{
    buf_done(&r->body);
    buf_done(&r->headers);
}

uint64_t client_reply_number(const struct client_reply *r, const char *name, uint64_t fallback)
{
    const char *line = buf_str(&r->headers);
    size_t n = strlen(name);

    while (line != NULL && *line != '\0') {
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            char *end;
            unsigned long long v = strtoull(line + n + 1, &end, 10);

            return *end == '\r' || *end == '\n' ? v : fallback;
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return fallback;
}

/* ---- live ---- */

struct client_stream *client_stream_open(struct client *c, const char *path, const char *last_id,
                                         sse_event_fn *on_event, void *ctx)
{
    struct client_stream *s = xcalloc(1, sizeof(*s));
    char header[256];

    s->client = c;
    buf_init(&s->got, MIB(64));
    sse_init(&s->sse, on_event, ctx);
    s->multi = curl_multi_init();
    s->easy = curl_easy_init();
    CHECK(s->multi != NULL);
    CHECK(s->easy != NULL);
    prepare(c, s->easy, path, &s->got, s->error);
    s->headers = curl_slist_append(s->headers, "Accept: text/event-stream");
    if (last_id != NULL && last_id[0] != '\0' && strpbrk(last_id, "\r\n") == NULL) {
        (void)snprintf(header, sizeof(header), "Last-Event-ID: %s", last_id);
        s->headers = curl_slist_append(s->headers, header);
        if (buf_add(&s->sse.id, last_id, strlen(last_id)) != ERR_OK)
            buf_clear(&s->sse.id); /* it goes out, but is not ours to keep */
    }
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
    curl_easy_setopt(s->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(s->easy, CURLOPT_LOW_SPEED_TIME, STREAM_SILENCE_S);
    (void)curl_multi_add_handle(s->multi, s->easy);
    return s;
}

void client_stream_close(struct client_stream *s)
{
    if (s == NULL)
        return;
    (void)curl_multi_remove_handle(s->multi, s->easy);
    curl_easy_cleanup(s->easy);
    (void)curl_multi_cleanup(s->multi);
    curl_slist_free_all(s->headers);
    sse_done(&s->sse);
    buf_done(&s->got);
    free(s);
}

static int stream_status(const struct client_stream *s)
{
    long status = 0;

    (void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

bool client_stream_is_open(const struct client_stream *s)
{
    return stream_status(s) == 200;
}

const char *client_stream_last_id(const struct client_stream *s)
{
    return sse_last_id(&s->sse);
}

/* The transfer is over: say why. */
static enum err stream_end(struct client_stream *s, CURLcode rc, struct why *reterr)
{
    int status = stream_status(s);

    if (status != 0 && status != 200) {
        struct client_reply r = {.status = status, .body = s->got};

        return server_error(s->client, &r, reterr);
    }
    if (rc != CURLE_OK)
        return transport_error(s->client, rc, s->error, reterr);
    return why_set(reterr, ERR_IO, NULL, "%s ended the stream", s->client->url);
}

/* Parse apart from libcurl's callback, so that an event may start a request of its own. */
static enum err deliver(struct client_stream *s, struct why *reterr)
{
    struct buf bytes = s->got;
    enum err err;

    if (bytes.len == 0 || stream_status(s) != 200)
        return ERR_OK;
    buf_init(&s->got, bytes.max);
    err = sse_feed(&s->sse, buf_str(&bytes), bytes.len);
    buf_done(&bytes);
    if (err != ERR_OK)
        return why_set(reterr, ERR_PROTO, NULL, "%s sent an event that is too long", s->client->url);
    return ERR_OK;
}

enum err client_stream_wait(struct client_stream *s, int fd, int timeout_ms, struct why *reterr)
{
    struct curl_waitfd extra = {.fd = fd, .events = CURL_WAIT_POLLIN};
    CURLMsg *msg;
    int running = 0;
    int left = 0;
    enum err err;

    (void)curl_multi_perform(s->multi, &running);
    if (running > 0 && s->got.len == 0) {
        (void)curl_multi_poll(s->multi, &extra, fd >= 0 ? 1 : 0, timeout_ms, NULL);
        (void)curl_multi_perform(s->multi, &running);
    }
    err = deliver(s, reterr);
    if (err != ERR_OK)
        return err;
    while ((msg = curl_multi_info_read(s->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE)
            return stream_end(s, msg->data.result, reterr);
    }
    return ERR_OK;
}
