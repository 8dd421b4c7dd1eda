/* forwarded.h - who the client is when proxies stand between: X-Forwarded-For and X-Forwarded-Proto.
 *
 * Anybody can send these headers. They are believed only from a peer that is trusted; then each address in
 * X-Forwarded-For, from the right, was added by the hop after it, so the rightmost one that is not trusted itself is the
 * client, and what stands left of it is the client's own say. Pure. */
#ifndef WRATA_NET_FORWARDED_H
#define WRATA_NET_FORWARDED_H

#include <stdbool.h>

#include "base/err.h"

#define FORWARDED_NETWORKS_MAX 64
#define FORWARDED_BYTES_MAX 4096 /* of X-Forwarded-For; of a longer one nothing is believed */

struct forwarded;

/* Read a list of the trusted: addresses and networks, with commas between ("127.0.0.1, ::1, 10.0.0.0/8"). "" is nobody.
 * ERR_INVALID names the part and what would be right. Freed by the caller. */
MUST_USE enum err forwarded_parse(const char *list, struct forwarded **ret, struct why *reterr);
void forwarded_free(struct forwarded *f); /* NULL is fine */

/* The address of the client as text into `out` (NUL-ended; the peer's when the headers say nothing that counts), and
 * whether it came to the outermost trusted proxy by https. `xff` and `xfp` are the whole headers, all lines of a name
 * as one list, NULL when absent. `trusted` NULL: nobody is. Not for the own listener's TLS: the caller knows that. */
void forwarded_client(const struct forwarded *trusted, const char *peer, const char *xff, const char *xfp,
                      char out[64], bool *ret_https);

#endif
