/* seal.h - one value, sealed with the data key: how secrets of users lie in the database.
 *
 *   "1 0123456789abcdef BASE64"      version, id of the key, nonce and XChaCha20-Poly1305 of the value
 *
 * The context (of a user's variable: "user_env 7 NAME") is authenticated with it: a sealed text that is moved to another row
 * does not open. The data key lies in data.key.enc, sealed with the master key (vault.h): a new master key touches that file
 * and no row.
 *
 * Any thread, with a sealer of one's own or under a lock. */
#ifndef WRATA_CONFIG_SEAL_H
#define WRATA_CONFIG_SEAL_H

#include "config/secret.h"

#define SEALED_TEXT_BYTES_MAX KIB(64) /* of a sealed text; its value is three quarters of that */

struct sealer;

/* The key of a data folder. One is made when there is none and `may_make`; else ERR_NOTFOUND. */
MUST_USE enum err sealer_open(const char *data, bool may_make, struct sealer **ret, struct why *reterr);
void sealer_free(struct sealer *s); /* NULL is fine */

/* Appends the sealed text: some 4/3 of the value and 80 bytes. */
void seal_value(const struct sealer *s, const char *context, const char *value, size_t n, struct buf *out);
/* ERR_DENIED: sealed with another key; ERR_INVALID: damaged, or of another context. */
MUST_USE enum err unseal_value(const struct sealer *s, const char *context, const char *sealed,
                               struct secret **ret, struct why *reterr);

#endif
