/* secret.h - bytes that are nobody's business: locked in memory, overwritten at their end, left out of core dumps.
 *
 * The type is opaque, so neither log_line() nor the JSON writer nor a %s takes one: what shows a secret says
 * secret_reveal(), and a search for that word finds every place. */
#ifndef WRATA_CONFIG_SECRET_H
#define WRATA_CONFIG_SECRET_H

#include <stdbool.h>

#include "base/buf.h"

struct secret;

OWNED struct secret *secret_new(const void *bytes, size_t n); /* bytes NULL: zeroes, to be filled in place */
void secret_free(struct secret *s);                           /* overwrites; NULL is fine */
size_t secret_len(const struct secret *s);
const char *secret_reveal(const struct secret *s); /* a NUL follows the bytes */
unsigned char *secret_bytes(struct secret *s);     /* to fill it */
bool secret_eq(const struct secret *a, const struct secret *b);

/* A buffer that held a secret: overwrite, then free. */
void buf_wipe(struct buf *b);

#endif
