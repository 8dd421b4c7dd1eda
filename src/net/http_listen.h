/* http_listen.h - an address to listen on, as people write it.
 *
 * "127.0.0.1:3000", "[::1]:3000", ":3000" and "*:3000" (all addresses), "localhost:3000"; port 0 is any free one. */
#ifndef WRATA_NET_HTTP_LISTEN_H
#define WRATA_NET_HTTP_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct http_address {
    char host[64]; /* as a URL has it: "127.0.0.1", "[::1]" */
    uint16_t port; /* the real one */
    bool is_loopback;
};

/* A socket that listens there. ERR_INVALID: it is no such address; ERR_CONFLICT: somebody else has it. */
MUST_USE enum err http_listen(const char *listen_text, int *ret_fd, struct http_address *ret,
                              struct why *reterr);

/* Would it be heard on this machine alone? Opens nothing. */
MUST_USE enum err http_listen_is_loopback(const char *listen, bool *ret, struct why *reterr);

#endif
