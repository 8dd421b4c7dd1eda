#include "net/http_conns.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/mem.h"
#include "net/tls.h"

static int64_t or_default(int64_t v, int64_t preset)
{
    return v > 0 ? v : preset;
}

void http_conns_init(struct http_conns *cs, const struct http_limits *limits)
{
    *cs = (struct http_conns){
        .limits = {.head_ms = or_default(limits->head_ms, HTTP_HEAD_MS),
                   .next_ms = or_default(limits->next_ms, HTTP_NEXT_MS),
                   .body_ms = or_default(limits->body_ms, HTTP_BODY_MS),
                   .body_bytes_per_s = or_default(limits->body_bytes_per_s, HTTP_BODY_BYTES_PER_S)}};
}

struct http_conn *http_conn_add(struct http_conns *cs, int fd, int64_t now_ms)
{
    struct http_conn *c = xcalloc(1, sizeof(*c));

    c->fd = fd;
    c->since_ms = now_ms;
    DL_APPEND(cs->first, c);
    cs->n++;
    return c;
}

void http_conn_remove(struct http_conns *cs, struct http_conn *c)
{
    DL_DELETE(cs->first, c);
    cs->n--;
    tls_release(c->pair);
    free(c);
}

void http_conn_set(struct http_conn *c, enum http_conn_phase phase, int64_t now_ms)
{
    c->phase = phase;
    c->since_ms = now_ms;
    if (phase == CONN_BODY)
        c->body_bytes = 0;
}

int64_t http_conn_deadline(const struct http_conns *cs, const struct http_conn *c)
{
    const struct http_limits *l = &cs->limits;

    switch (c->phase) {
    case CONN_HEAD:
        return c->since_ms + (c->requests == 0 ? l->head_ms : l->next_ms);
    case CONN_BODY:
        return c->since_ms + l->body_ms + (int64_t)(c->body_bytes * 1000 / (uint64_t)l->body_bytes_per_s);
    case CONN_OURS:
        break;
    }
    return INT64_MAX;
}

unsigned http_conns_sweep(struct http_conns *cs, int64_t now_ms)
{
    struct http_conn *c;
    unsigned n = 0;

    DL_FOREACH(cs->first, c) {
        if (now_ms < http_conn_deadline(cs, c))
            continue;
        (void)shutdown(c->fd, SHUT_RDWR);
        c->phase = CONN_OURS; /* once is enough: what is left is the library's */
        n++;
    }
    return n;
}
