/* inspect.h - is the database of a data folder whole, and whose is it? */
#ifndef WRATA_STORE_INSPECT_H
#define WRATA_STORE_INSPECT_H

#include "store/store.h"

struct store_look {
    int64_t schema;       /* of the file */
    int64_t schema_known; /* the newest that this program knows */
    char damage[160];     /* "": none found */
    bool has_admin; /* when the schema is ours: an admin beside the operator, with a password, not locked */
    struct artifact_sums artifacts; /* likewise */
};

/* Any thread. When the schema is ours, `each` is called with each server. ERR_IO: it is no database, or cannot be
 * read. */
MUST_USE enum err store_inspect(const char *dir, struct store_look *ret, server_fn *each, void *ctx,
                                struct why *reterr);

#endif
