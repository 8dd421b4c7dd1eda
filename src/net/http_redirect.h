/* http_redirect.h - a plain listener that sends browsers to the TLS one and serves nothing else. */
#ifndef WRATA_NET_HTTP_REDIRECT_H
#define WRATA_NET_HTTP_REDIRECT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct uv_loop_s;
struct http_redirect;

/* Listen on `listen` and point to https on port `to`, at the host that the request names. What is not GET or HEAD is
 * refused: whoever sends it has said a secret in the clear, and should notice. tmp_dir as in httpd.h. */
MUST_USE enum err http_redirect_open(struct uv_loop_s *loop, const char *listen, uint16_t to,
                                     const char *tmp_dir, struct http_redirect **ret, struct why *reterr);
/* Run the loop once more before closing it. NULL is fine. */
void http_redirect_close(struct http_redirect *r);
const char *http_redirect_url(const struct http_redirect *r);

/* Write "https://HOST:PORT/TARGET"; the port is left out when it is 443. ERR_INVALID: `host`, a Host header that passed
 * http_guard.h, is not the name or address of a host. */
MUST_USE enum err http_redirect_target(const char *host, uint16_t port, const char *target, struct buf *out);

#endif
