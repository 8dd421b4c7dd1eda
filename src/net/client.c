#include "net/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <ifaddrs.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define CONNECT_MS 10000L
#define DEADLINE_MS 60000
#define REPLY_BYTES_MAX MIB(64)
#define STALL_S 60L /* of a long answer */
#define HEADER_BYTES_MAX KIB(256)
#define URL_BYTES_MAX 2048
/* The server sends a comment every 15 s: three of them missing is a dead connection. */
#define STREAM_SILENCE_S 45L

struct client {
    char *url; /* without a slash at the end */
    char *ca;  /* NULL: the authorities of this computer */
    char *pin; /* NULL: whatever they vouch for */
    CURL *easy;
    bool is_local; /* this computer: no proxy stands in between */
    bool is_https;
    /* headers, whole; NULL: none */
    char *bearer;
    char *cookie;
    char *csrf;
    char *hint;
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

/* ---- whom it talks to ---- */

static enum err url_parse(const char *url, CURLU **ret, char **ret_host, struct why *reterr)
{
    CURLU *u = curl_url();

    CHECK(u != NULL);
    *ret_host = NULL;
    if (strlen(url) > URL_BYTES_MAX) {
        curl_url_cleanup(u);
        return why_set(reterr, ERR_INVALID, "url", "url: it has more than %d characters", URL_BYTES_MAX);
    }
    if ((strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) ||
        curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, ret_host, 0) != CURLUE_OK) {
        curl_url_cleanup(u);
        return why_set(reterr, ERR_INVALID, "url", "url: '%s' is not a URL like http://localhost:3000", url);
    }
    *ret = u;
    return ERR_OK;
}

/* The bytes of a numeric address, as a host of a URL; 0: it is a name. */
static int host_address(const char *host, struct in6_addr *ret)
{
    char bare[INET6_ADDRSTRLEN + 2];
    size_t n = strlen(host);

    if (n > 2 && host[0] == '[' && host[n - 1] == ']' && n < sizeof(bare)) {
        (void)snprintf(bare, sizeof(bare), "%.*s", (int)n - 2, host + 1);
        return inet_pton(AF_INET6, bare, ret) == 1 ? AF_INET6 : 0;
    }
    return inet_pton(AF_INET, host, ret) == 1 ? AF_INET : 0;
}

/* A name that begins with "127." is no loopback address. */
static bool is_loopback(const char *host)
{
    struct in6_addr at = {0};
    int family = host_address(host, &at);

    if (family == AF_INET)
        return at.s6_addr[0] == 127;
    return family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&at) != 0 : strcasecmp(host, "localhost") == 0;
}

static bool is_own_address(const char *host)
{
    struct in6_addr at = {0};
    int family = host_address(host, &at);
    struct ifaddrs *all = NULL;
    bool found = false;

    if (family == 0 || getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != family)
            continue;
        if (family == AF_INET)
            found = memcmp(&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, &at, 4) == 0;
        else
            found =
                memcmp(&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr, &at, 16) == 0;
    }
    freeifaddrs(all);
    return found;
}

enum err client_new(const char *url, struct client **ret, struct why *reterr)
{
    static bool is_ready;
    struct client *c;
    CURLU *u;
    char *host;
    size_t n = strlen(url);
    enum err err;

    if (!is_ready && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return why_set(reterr, ERR_IO, NULL, "libcurl cannot be initialised");
    is_ready = true;
    err = url_parse(url, &u, &host, reterr);
    if (err != ERR_OK)
        return err;
    c = xcalloc(1, sizeof(*c));
    while (n > 0 && url[n - 1] == '/')
        n--;
    c->url = xstrndup(url, n);
    c->is_local = is_loopback(host);
    c->is_https = strncasecmp(url, "https:", 6) == 0;
    curl_free(host);
    curl_url_cleanup(u);
    c->easy = curl_easy_init();
    CHECK(c->easy != NULL);
    *ret = c;
    return ERR_OK;
}

static void forget(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static void forget_auth(struct client *c)
{
    forget(&c->bearer);
    forget(&c->cookie);
    forget(&c->csrf);
    forget(&c->hint);
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    curl_easy_cleanup(c->easy);
    free(c->url);
    free(c->ca);
    free(c->pin);
    forget_auth(c);
    free(c);
}

enum err client_url_normal(const char *url, struct buf *out, struct why *reterr)
{
    char *host;
    char *port = NULL;
    char *path = NULL;
    bool is_https = strncasecmp(url, "https:", 6) == 0;
    CURLU *u;
    enum err err = url_parse(url, &u, &host, reterr);
    size_t n;

    if (err != ERR_OK)
        return err;
    buf_puts(out, is_https ? "https://" : "http://");
    for (const char *p = host; *p != '\0'; p++)
        buf_putc(out, *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p);
    if (curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) == CURLUE_OK)
        buf_printf(out, ":%s", port);
    if (curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
        n = strlen(path);
        while (n > 0 && path[n - 1] == '/')
            n--;
        buf_put(out, path, n);
    }
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(u);
    return ERR_OK;
}

bool client_is_here(const struct client *c)
{
    struct why ignored;
    CURLU *u;
    char *host;
    bool is_here = c->is_local;

    if (!is_here && url_parse(c->url, &u, &host, &ignored) == ERR_OK) {
        is_here = is_own_address(host);
        curl_free(host);
        curl_url_cleanup(u);
    }
    return is_here;
}

bool client_is_secret(const struct client *c)
{
    return c->is_https || client_is_here(c);
}

/* ---- as whom ---- */

/* "NAME: VALUE", or NULL for none. A secret that could begin another header is not sent. */
static enum err auth_header(const char *name, const char *value, char **ret, struct why *reterr)
{
    size_t n = value != NULL ? strlen(value) : 0;

    *ret = NULL;
    if (n == 0)
        return ERR_OK;
    for (size_t i = 0; i < n; i++) {
        if (value[i] <= ' ' || value[i] >= 127 || n > CLIENT_SECRET_BYTES_MAX)
            return why_set(
                reterr, ERR_INVALID, NULL,
                "the secret for this server cannot be sent: it is longer than %u characters, or has some "
                "that no secret has (blanks, line ends)",
                CLIENT_SECRET_BYTES_MAX);
    }
    *ret = xmalloc(strlen(name) + n + 1);
    memcpy(*ret, name, strlen(name));
    memcpy(*ret + strlen(name), value, n + 1);
    return ERR_OK;
}

enum err client_authorize(struct client *c, const struct client_auth *auth, struct why *reterr)
{
    enum err err;

    forget_auth(c);
    err = auth_header("Authorization: Bearer ", auth->bearer, &c->bearer, reterr);
    if (err == ERR_OK)
        err = auth_header("Cookie: ", auth->cookie, &c->cookie, reterr);
    if (err == ERR_OK)
        err = auth_header("X-CSRF-Token: ", auth->csrf, &c->csrf, reterr);
    if (err == ERR_OK)
        c->hint = auth->hint != NULL ? xstrdup(auth->hint) : NULL;
    else
        forget_auth(c);
    return err;
}

/* Appended to the headers of a transfer. */
static struct curl_slist *auth_headers(const struct client *c, struct curl_slist *headers)
{
    const char *const all[] = {c->bearer, c->cookie, c->csrf};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NULL)
            headers = curl_slist_append(headers, all[i]);
    }
    return headers;
}

/* libcurl's copies. */
static void free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *h = headers; h != NULL; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(headers);
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

/* The body of an answer: that of an error is kept, whatever becomes of the other. */
struct body_to {
    CURL *easy;
    struct buf *body;
    FILE *file;
    bool file_failed;
};

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct body_to *to = ctx;
    long status = 0;

    (void)curl_easy_getinfo(to->easy, CURLINFO_RESPONSE_CODE, &status);
    if (to->file == NULL || status < 200 || status > 299)
        return on_bytes(bytes, size, n, to->body);
    if (fwrite(bytes, size, n, to->file) == n)
        return size * n;
    to->file_failed = true;
    return 0;
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
    else if (code == ERR_SIGN_IN && c->hint != NULL)
        (void)why_set(reterr, code, NULL, "%s; %s", message, c->hint);
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
    struct body_to to = {.easy = easy, .body = &ret->body, .file = rq->reply_to};
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
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &to);
    if (rq->reply_to != NULL) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, STALL_S);
    }
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
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        if (rq->body_file != NULL) {
            err = open_body_file(easy, rq->body_file, &file, reterr);
        } else {
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, rq->body != NULL ? rq->body : "");
        }
    }
    headers = auth_headers(c, headers);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (rq->method != NULL)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, rq->method);
    if (err == ERR_OK) {
        rc = curl_easy_perform(easy);
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        ret->status = (int)status;
        if (to.file_failed)
            err = why_errno(reterr, ERR_INVALID, errno, "the answer of %s cannot be written", c->url);
        else if (rc != CURLE_OK)
            err = transport_error(c, rc, error, reterr);
        else if (status < 200 || status > 299)
            err = server_error(c, ret, reterr);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    free_headers(headers);
    if (file != NULL)
        (void)fclose(file);
    return err;
}

void client_reply_done(struct client_reply *r)
{
    buf_done(&r->body);
    buf_done(&r->headers);
}

bool client_reply_cookie(const struct client_reply *r, struct buf *out)
{
    static const char name[] = "set-cookie:";
    const char *line = buf_str(&r->headers);

    while (line != NULL && *line != '\0') {
        if (strncasecmp(line, name, sizeof(name) - 1) == 0) {
            line += sizeof(name) - 1;
            line += strspn(line, " ");
            return buf_add(out, line, strcspn(line, ";\r\n")) == ERR_OK;
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return false;
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
    s->headers = auth_headers(c, s->headers);
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
    free_headers(s->headers);
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
