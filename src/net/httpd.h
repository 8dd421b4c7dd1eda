/* httpd.h - HTTP/1.1 on the libuv loop: libmicrohttpd in external-epoll mode. No domain words.
 *
 * All callbacks run on the loop thread. A request is answered once, at once or later; one that is not answered
 * when its handler returns waits, suspended, and costs nothing. A request may end before it is answered (its
 * client is gone): then on_gone is called and the pointer is dead. Whoever keeps a request across a return to
 * the loop keeps its id and looks it up with http_find(). */
#ifndef WRATA_NET_HTTPD_H
#define WRATA_NET_HTTPD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "net/http_conns.h"

struct uv_loop_s;
struct tls;
struct httpd;
struct http_req;

struct httpd_opts {
    struct uv_loop_s *loop;
    const char
        *listen; /* "127.0.0.1:3000", "[::1]:3000", ":3000" (all addresses), "localhost:3000"; port 0: any */
    const char *tmp_dir;             /* bodies that go to a file */
    unsigned connections_max;        /* 0: 2000 */
    unsigned connections_per_ip_max; /* 0: 256; on a loopback address, where a proxy stands in front, 1000 */
    unsigned idle_timeout_s;         /* 0: 60; a connection that neither sends nor takes */
    struct http_limits limits;       /* zeroes: the defaults of http_conns.h */
    struct tls *tls;                 /* borrowed: until httpd_close(); NULL: plain */
    void *ctx;
    /* The head is in and passed the guard. Say what body is welcome (http_accept_*; none by default), or answer
     * right now: then no body is read and the connection is closed after the answer if there was one to come. */
    void (*on_head)(void *ctx, struct http_req *rq);
    /* The body is in, whole. */
    void (*on_request)(void *ctx, struct http_req *rq);
    /* The request is over: answered, or its client is gone. The last moment of rq. */
    void (*on_gone)(void *ctx, struct http_req *rq);
    /* Write the body of an error that arises here: 400, 413, 500. */
    void (*render_error)(void *ctx, struct http_req *rq, int status, const char *text, struct buf *out);
};

MUST_USE enum err httpd_open(const struct httpd_opts *opts, struct httpd **ret, struct why *reterr);
/* Ends streams, answers what waits with 503, stops listening, frees. Needs no more turns of the loop except to
 * close handles: run the loop once more before closing it. NULL is fine. */
void httpd_close(struct httpd *h);
uint16_t httpd_port(const struct httpd *h);
bool httpd_is_loopback(const struct httpd *h);
bool httpd_is_tls(const struct httpd *h);
const char *httpd_url(const struct httpd *h);
unsigned httpd_requests(const struct httpd *h); /* alive now */
/* Open connections whose other side is still there, idle ones included. */
unsigned httpd_watchers(struct httpd *h);

/* ---- a request ---- */

uint64_t http_id(const struct http_req *rq);              /* grows, never reused */
struct http_req *http_find(struct httpd *h, uint64_t id); /* NULL: it is over */
const char *http_method(const struct http_req *rq);
const char *http_target(const struct http_req *rq);                   /* as sent: path and query */
const char *http_header(const struct http_req *rq, const char *name); /* NULL: not there */
/* All headers of this name, in order, as one list ("a, b"). Returns how long that is: `size` or more was cut, and
 * must not be believed. 0: not there, or empty. */
size_t http_header_list(const struct http_req *rq, const char *name, char *out, size_t size);
/* The address of the connection's other side, without port: "192.0.2.1", "2001:db8::1"; an IPv4 one never as IPv6.
 * That is the proxy, where one stands in front (net/forwarded.h). Lives as long as rq. */
const char *http_peer(const struct http_req *rq);
bool http_has_body(const struct http_req *rq); /* the head announces one, and not an empty one */

void http_accept_memory(struct http_req *rq, size_t max_bytes); /* in on_head */
void http_accept_file(struct http_req *rq, uint64_t max_bytes); /* in on_head; streamed to tmp_dir */
struct slice http_body(const struct http_req *rq);              /* of http_accept_memory */
void http_take_body(struct http_req *rq, struct buf *ret);      /* the same; its memory moves to ret */
const char *http_body_path(const struct http_req *rq); /* of http_accept_file; removed with the request */

void http_set_user(struct http_req *rq, void *user);
void *http_user(const struct http_req *rq);

/* Before the answer: a header of it. Values with line ends are dropped. Headers that make any answer harmless in a
 * browser (no script, no frame, no guessing of types) are added by themselves; one of the same name given here stands
 * instead. */
void http_add(struct http_req *rq, const char *name, const char *value);
void http_addf(struct http_req *rq, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Answer. Content-Type comes by http_add. */
void http_reply(struct http_req *rq, int status,
                TAKES struct buf *body); /* the buffer's memory moves; NULL: empty */
void http_reply_static(struct http_req *rq, int status, const void *data, size_t n); /* data lives forever */

/* Answer with a stream. `read` fills at most `max` bytes and returns how many, HTTP_WAIT when there is nothing
 * yet (http_wake() calls it again), HTTP_END at the end, HTTP_FAIL when it cannot go on: the connection is closed in a way
 * that the client can tell from the end. on_gone comes when it is over. */
#define HTTP_WAIT 0
#define HTTP_END (-1)
#define HTTP_FAIL (-2)
#define HTTP_SIZE_UNKNOWN UINT64_MAX
void http_reply_stream(struct http_req *rq, int status, ssize_t (*read)(void *user, char *out, size_t max));
/* The same with a length that is known; a HEAD is answered without a call of `read`. */
void http_reply_stream_of(struct http_req *rq, int status, uint64_t bytes,
                          ssize_t (*read)(void *user, char *out, size_t max));
void http_wake(struct http_req *rq);

#endif
