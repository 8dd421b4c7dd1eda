#include "config/seal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "config/vault.h"

#define VERSION "1"
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD_CHARS (sizeof(VERSION) + VAULT_ID_CHARS + 1) /* "1 0123456789abcdef " */
#define TRIES 5                                           /* the loop thread may wait here */
#define TRY_MS 20

struct sealer {
    struct secret *key;
    char id[VAULT_ID_CHARS + 1];
};

/* ---- the key ---- */

static enum err get_key(const char *data, bool may_make, struct secret **ret, struct why *reterr)
{
    struct vault v;
    enum err err = vault_open(&v, data, may_make, reterr);

    if (err == ERR_OK)
        err = may_make ? vault_make_data_key(&v, ret, reterr) : vault_read_data_key(&v, ret, reterr);
    vault_close(&v);
    return err;
}

/* While somebody changes the keys just now, what is read may not fit together, or the lock is taken: both are over in a
 * moment. Who holds the lock for long has an editor open; then it is told. */
enum err sealer_open(const char *data, bool may_make, struct sealer **ret, struct why *reterr)
{
    struct secret *key = NULL;
    enum err err = get_key(data, false, &key, reterr);

    for (int i = 0; i < TRIES && err != ERR_OK; i++) {
        if (err == ERR_NOTFOUND && !may_make)
            return err;
        if (i > 0)
            (void)nanosleep(&(struct timespec){.tv_nsec = TRY_MS * 1000000L}, NULL);
        err = get_key(data, may_make, &key, reterr);
        if (err != ERR_CONFLICT && err != ERR_DENIED)
            break;
    }
    if (err != ERR_OK)
        return err;
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->key = key;
    vault_key_id(key, (*ret)->id);
    return ERR_OK;
}

void sealer_free(struct sealer *s)
{
    if (s == NULL)
        return;
    secret_free(s->key);
    free(s);
}

/* ---- values ---- */

/* What is authenticated: "1 ID context". */
static char *bound_to(const char *id, const char *context)
{
    size_t n = HEAD_CHARS + strlen(context) + 1;
    char *text = xmalloc(n);

    (void)snprintf(text, n, VERSION " %s %s", id, context);
    return text;
}

void seal_value(const struct sealer *s, const char *context, const char *value, size_t n, struct buf *out)
{
    size_t bytes = NONCE_BYTES + n + TAG_BYTES;
    size_t chars = sodium_base64_encoded_len(bytes, sodium_base64_VARIANT_ORIGINAL);
    char *bound = bound_to(s->id, context);
    unsigned char *box = xmalloc(bytes);
    char *base64 = xmalloc(chars);

    randombytes_buf(box, NONCE_BYTES);
    CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_BYTES, NULL, (const unsigned char *)value, n,
                                                     (const unsigned char *)bound, strlen(bound), NULL, box,
                                                     (const unsigned char *)secret_reveal(s->key)) == 0);
    (void)sodium_bin2base64(base64, chars, box, bytes, sodium_base64_VARIANT_ORIGINAL);
    buf_printf(out, VERSION " %s %s", s->id, base64);
    free(base64);
    free(box);
    free(bound);
}

static struct secret *decrypt(const struct sealer *s, const char *context, const char *base64)
{
    size_t max = strlen(base64) + 1; /* base64 only gets shorter */
    unsigned char *box = xmalloc(max);
    char *bound = bound_to(s->id, context);
    struct secret *value = NULL;
    size_t n = 0;
    bool ok =
        sodium_base642bin(box, max, base64, max - 1, NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;

    if (ok && n >= NONCE_BYTES + TAG_BYTES) {
        value = secret_new(NULL, n - NONCE_BYTES - TAG_BYTES);
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(secret_bytes(value), NULL, NULL, box + NONCE_BYTES,
                                                       n - NONCE_BYTES, (const unsigned char *)bound,
                                                       strlen(bound), box,
                                                       (const unsigned char *)secret_reveal(s->key)) != 0) {
            secret_free(value);
            value = NULL;
        }
    }
    free(bound);
    free(box);
    return value;
}

enum err unseal_value(const struct sealer *s, const char *context, const char *sealed, struct secret **ret,
                      struct why *reterr)
{
    size_t n = strlen(sealed);
    const char *id = sealed + sizeof(VERSION);
    struct secret *value;

    if (n > SEALED_TEXT_BYTES_MAX || n < HEAD_CHARS || strncmp(sealed, VERSION " ", sizeof(VERSION)) != 0 ||
        id[VAULT_ID_CHARS] != ' ' || strspn(id, "0123456789abcdef") != VAULT_ID_CHARS)
        return why_set(reterr, ERR_INVALID, NULL, "it is no sealed text of version " VERSION);
    if (strncmp(id, s->id, VAULT_ID_CHARS) != 0)
        return why_set(reterr, ERR_DENIED, NULL, "it was sealed with another key (%.16s, and this one is %s)",
                       id, s->id);
    value = decrypt(s, context, sealed + HEAD_CHARS);
    if (value == NULL)
        return why_set(reterr, ERR_INVALID, NULL, "it was changed, damaged, or moved here from elsewhere");
    *ret = value;
    return ERR_OK;
}
