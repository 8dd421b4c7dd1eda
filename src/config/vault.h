/* vault.h - credentials.yml.enc: a text, sealed with a key that lies beside it or comes from the environment.
 *
 *   wrata-credentials 1 0123456789abcdef\n      version, id of the key
 *   base64(nonce of 24 bytes, XChaCha20-Poly1305 of the text)\n
 *
 * The first line is authenticated with the text. The id of a key is a hash of it: it tells "another key" from
 * "damaged", and nothing about the key. */
#ifndef WRATA_CONFIG_VAULT_H
#define WRATA_CONFIG_VAULT_H

#include "config/flat.h"
#include "config/secret.h"

#define VAULT_FILE "credentials.yml.enc"
#define VAULT_DATA_KEY_FILE \
    "data.key.enc" /* what values in the database are sealed with (seal.h); written the same way */
#define VAULT_KEY_FILE "master.key"
#define VAULT_KEY_NEXT "master.key.next" /* of a rotation on its way */
#define VAULT_KEY_ENV "WRATA_MASTER_KEY"
#define VAULT_KEY_NEXT_ENV "WRATA_MASTER_KEY_NEXT"
#define VAULT_KEY_BYTES 32u
#define VAULT_ID_CHARS 16u

/* ---- pure ---- */

/* 64 hex digits or 44 characters of base64, blanks around. `what` names it for people. */
MUST_USE enum err vault_key_parse(const char *what, const char *text, struct secret **ret,
                                  struct why *reterr);
void vault_key_id(const struct secret *key, char out[VAULT_ID_CHARS + 1]);
void vault_seal(const struct secret *key, const char *text, size_t n, struct buf *out);
/* ERR_DENIED: sealed with another key; ERR_INVALID: damaged, or of a newer version. */
MUST_USE enum err vault_unseal(const struct secret *key, struct slice sealed, struct secret **ret,
                               struct why *reterr);

/* ---- in a data folder ---- */

struct vault {
    const char *data;
    struct secret *key; /* NULL: none there */
    struct secret
        *next; /* of a rotation that was cut short: some of the files may be sealed with it; NULL: none */
    bool key_is_env;
    bool has_file;
    bool has_data_key;
    int lock_fd;
};

/* Find the key and whether there is a file. With may_write nobody else may have it open so (ERR_CONFLICT). A
 * rotation that was cut short is finished or undone. vault_close() also after a failure. */
MUST_USE enum err vault_open(struct vault *v, const char *data, bool may_write, struct why *reterr);
void vault_close(struct vault *v);
/* ERR_NOTFOUND: no key. The text is empty when there is no file. */
MUST_USE enum err vault_read(const struct vault *v, struct secret **ret, struct why *reterr);
/* Makes a key when there is neither key nor file. */
MUST_USE enum err vault_write(struct vault *v, const char *text, size_t n, struct why *reterr);
/* The key that values in the database are sealed with. ERR_NOTFOUND: there is none; or no key to open it with. */
MUST_USE enum err vault_read_data_key(const struct vault *v, struct secret **ret, struct why *reterr);
/* Makes one when there is none, and the master key for it when there is neither key nor file. */
MUST_USE enum err vault_make_data_key(struct vault *v, struct secret **ret, struct why *reterr);
/* Seal both files with a new key: one made here, or, when the present one is from the environment, the one in
 * WRATA_MASTER_KEY_NEXT. Cut short anywhere, nothing is lost: each file is sealed with one of two keys that are both
 * there, and says with which. */
MUST_USE enum err vault_rotate(struct vault *v, struct why *reterr);

#endif
