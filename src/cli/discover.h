/* discover.h - which server a command talks to: a named one, the one on the data folder, or a private one. */
#ifndef WRATA_CLI_DISCOVER_H
#define WRATA_CLI_DISCOVER_H

#include "base/err.h"

#include <stdbool.h>

struct client;
struct discovery;

struct discovery_opts {
    const char *url;  /* of --url or WRATA_URL; NULL: look at the data folder */
    const char *ca;   /* of --ca or WRATA_CA; NULL: the authorities of this computer */
    const char *data; /* absolute path */
    bool may_start;   /* when none runs there, start a private server */
};

struct discovery *discovery_new(const struct discovery_opts *opts);

/* Find or start. *ret is a client the caller owns. May be called again when the server has gone: a private one may
 * have ended with its starter, and then this process starts its own. */
MUST_USE enum err discovery_find(struct discovery *d, struct client **ret, struct why *reterr);

/* Lets a private server of ours go: it ends when nothing runs there. NULL is fine. */
void discovery_free(struct discovery *d);

#endif
