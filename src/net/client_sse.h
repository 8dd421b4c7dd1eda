/* client_sse.h - server-sent events, as bytes come: any split of the input gives the same events.
 *
 * The rules are those of the HTML standard, section 9.2.6: lines end in LF, CR or CRLF; a blank line ends an
 * event; a comment starts with a colon; an id stays until another one comes. */
#ifndef WRATA_NET_CLIENT_SSE_H
#define WRATA_NET_CLIENT_SSE_H

#include <stdbool.h>

#include "base/buf.h"

#define SSE_EVENT_BYTES_MAX MIB(16)

/* Borrowed for the call. */
struct sse_event {
    const char *name; /* "message" when the server named none */
    const char *data; /* data lines joined by LF; NUL-ended */
    size_t len;
    const char *id; /* the newest id; "" when there was none yet */
};

typedef void sse_event_fn(void *ctx, const struct sse_event *ev);

struct sse {
    struct buf line;
    struct buf data;
    struct buf name;
    struct buf id;
    bool has_data;
    bool skip_lf; /* the last byte was a CR */
    bool begun;   /* a byte order mark is possible only before this */
    sse_event_fn *on_event;
    void *ctx;
};

void sse_init(struct sse *s, sse_event_fn *on_event, void *ctx);
void sse_done(struct sse *s);

/* ERR_LIMIT: a line or an event is longer than SSE_EVENT_BYTES_MAX; the parser is of no further use. */
MUST_USE enum err sse_feed(struct sse *s, const char *bytes, size_t n);

/* The newest id: what goes into Last-Event-ID. */
const char *sse_last_id(const struct sse *s);

#endif
