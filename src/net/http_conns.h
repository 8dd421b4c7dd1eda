/* http_conns.h - the connections of a listener and how long each may take.
 *
 * The library ends a connection that is silent. One that sends a byte every few seconds is never silent: so the
 * whole of a head has a deadline, and a body a rate that it must keep on average. A connection past it is cut
 * without an answer. What we do ourselves (handling, answering, streaming) does not count.
 *
 * Private to net/. Times are milliseconds of one monotonic clock, given by the caller. */
#ifndef WRATA_NET_HTTP_CONNS_H
#define WRATA_NET_HTTP_CONNS_H

#include <stdint.h>

struct tls_pair;

#define HTTP_HEAD_MS 20000         /* of the first request: from the connection's begin, TLS included */
#define HTTP_NEXT_MS 75000         /* of each further one: idle time included */
#define HTTP_BODY_MS 30000         /* a body has this, and ... */
#define HTTP_BODY_BYTES_PER_S 4096 /* ... a second for each so many bytes that came */

struct http_limits {
    int64_t head_ms;
    int64_t next_ms;
    int64_t body_ms;
    int64_t body_bytes_per_s;
};

enum http_conn_phase {
    CONN_HEAD, /* waits for the whole head of a request */
    CONN_BODY, /* waits for the body */
    CONN_OURS, /* the next step is ours */
};

struct http_conn {
    struct http_conn *prev;
    struct http_conn *next;
    int fd;
    enum http_conn_phase phase;
    int64_t since_ms;      /* of the phase */
    uint64_t body_bytes;   /* of this body so far */
    unsigned requests;     /* that were answered */
    struct tls_pair *pair; /* what it began with; NULL: plain */
};

struct http_conns {
    struct http_conn *first;
    struct http_limits limits;
    unsigned n;
};

void http_conns_init(struct http_conns *cs, const struct http_limits *limits); /* zeroes: the defaults */
struct http_conn *http_conn_add(struct http_conns *cs, int fd, int64_t now_ms);
void http_conn_remove(struct http_conns *cs, struct http_conn *c); /* and free; releases its pair */
void http_conn_set(struct http_conn *c, enum http_conn_phase phase, int64_t now_ms);

/* When is this connection overdue? INT64_MAX: never, as it is. */
int64_t http_conn_deadline(const struct http_conns *cs, const struct http_conn *c);
/* Shut the sockets of all that are overdue: the library then sees their end. returns how many. */
unsigned http_conns_sweep(struct http_conns *cs, int64_t now_ms);

#endif
