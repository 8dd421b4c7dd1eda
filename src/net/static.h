/* static.h - the embedded page: finding a file of it. */
#ifndef WRATA_NET_STATIC_H
#define WRATA_NET_STATIC_H

#include "base/buf.h"
#include "net/web_assets.h"

/* By path, as in the URL ("/assets/app.js"). NULL: no such file. */
const struct web_asset *static_find(struct slice path);

/* Does an If-None-Match header name this etag? */
int static_matches(const char *if_none_match, const char *etag);

/* Does an Accept-Encoding header allow gzip? */
int static_takes_gzip(const char *accept_encoding);

/* Undo the gzip, for the rare client that cannot. */
MUST_USE enum err static_unpack(const struct web_asset *a, struct buf *out);

#endif
