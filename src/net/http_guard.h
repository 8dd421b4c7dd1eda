/* http_guard.h - what libmicrohttpd 0.9.75 lets through and must not reach us: pure checks of a request's head.
 *
 * Two parties that read one request differently (a proxy and we) can be made to disagree about where it ends.
 * So whatever is ambiguous is refused with 400 and the connection is closed: more than one or a malformed
 * Content-Length, Content-Length beside Transfer-Encoding, any Transfer-Encoding but "chunked", none or two
 * Host, characters that a name or a value may not hold. A NUL ends a line inside the library before anybody can
 * see it: a proxy in front refuses it. */
#ifndef WRATA_NET_HTTP_GUARD_H
#define WRATA_NET_HTTP_GUARD_H

#include <stdbool.h>

#include "base/buf.h"

struct http_guard {
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
    const char *bad; /* what is wrong, static text; NULL fine so far */
};

/* Feed each header of a request, then ask. */
void http_guard_header(struct http_guard *g, struct slice name, struct slice value);
/* NULL: fine; else a sentence. `version` is "HTTP/1.1", target the raw URI. */
const char *http_guard_verdict(const struct http_guard *g, const char *version, const char *target);

/* Is `host` (a Host header) one of the names of this machine itself, with `port`? Against DNS rebinding. */
bool http_host_is_local(const char *host, unsigned port);

/* Is `origin` (an Origin header) the page that `host` (the Host header) served? */
bool http_origin_is_host(const char *origin, const char *host);

#endif
