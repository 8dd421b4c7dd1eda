#include "net/http_redirect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/httpd.h"

struct http_redirect {
    struct httpd *http;
    uint16_t to;
};

/* The length of the host in front of ":PORT"; 0: it is none. */
static size_t host_length(const char *host)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t n;

    if (host[0] == '[') {
        n = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
        n = n > 1 && host[n] == ']' ? n + 1 : 0;
    } else {
        n = 0;
        while (host[n] != '\0' && (strchr(letters, host[n]) != NULL || strchr("-._", host[n]) != NULL))
            n++;
    }
    if (n == 0 ||
        (host[n] != '\0' && (host[n] != ':' || host[n + 1 + strspn(host + n + 1, "0123456789")] != '\0')))
        return 0;
    return n;
}

enum err http_redirect_target(const char *host, uint16_t port, const char *target, struct buf *out)
{
    size_t n = host_length(host);

    if (n == 0)
        return ERR_INVALID;
    buf_printf(out, "https://%.*s", (int)n, host);
    if (port != 443)
        buf_printf(out, ":%u", port);
    buf_puts(out, target);
    return ERR_OK;
}

static void answer_text(struct http_req *rq, int status, const char *text)
{
    http_add(rq, "Content-Type", "text/plain; charset=utf-8");
    http_add(rq, "Cache-Control", "no-store");
    http_reply_static(rq, status, text, strlen(text));
}

static void on_head(void *ctx, struct http_req *rq)
{
    const struct http_redirect *r = ctx;
    const char *host = http_header(rq, "Host");
    const char *method = http_method(rq);
    struct buf url;

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        answer_text(rq, 403, "this server speaks https; what was sent here could be read on the way\n");
        return;
    }
    buf_init(&url, KIB(64));
    if (host == NULL || http_redirect_target(host, r->to, http_target(rq), &url) != ERR_OK) {
        answer_text(rq, 400, "this server speaks https\n");
    } else {
        http_add(rq, "Location", buf_str(&url));
        answer_text(rq, 308, "this server speaks https\n");
    }
    buf_done(&url);
}

static void on_request(void *ctx, struct http_req *rq)
{
    (void)ctx;
    answer_text(rq, 500, "");
}

static void on_gone(void *ctx, struct http_req *rq)
{
    (void)ctx;
    (void)rq;
}

static void on_render_error(void *ctx, struct http_req *rq, int status, const char *text, struct buf *out)
{
    (void)ctx;
    (void)status;
    http_add(rq, "Content-Type", "text/plain; charset=utf-8");
    buf_printf(out, "%s\n", text);
}

enum err http_redirect_open(struct uv_loop_s *loop, const char *listen, uint16_t to, const char *tmp_dir,
                            struct http_redirect **ret, struct why *reterr)
{
    struct http_redirect *r = xcalloc(1, sizeof(*r));
    struct httpd_opts ho = {.loop = loop,
                            .listen = listen,
                            .tmp_dir = tmp_dir,
                            .connections_max = 500,
                            .idle_timeout_s = 15,
                            .ctx = r,
                            .on_head = on_head,
                            .on_request = on_request,
                            .on_gone = on_gone,
                            .render_error = on_render_error};
    enum err err = httpd_open(&ho, &r->http, reterr);

    if (err != ERR_OK) {
        free(r);
        return err;
    }
    r->to = to;
    *ret = r;
    return ERR_OK;
}

void http_redirect_close(struct http_redirect *r)
{
    if (r == NULL)
        return;
    httpd_close(r->http); /* calls nothing of ours any more */
    free(r);
}

const char *http_redirect_url(const struct http_redirect *r)
{
    return httpd_url(r->http);
}
