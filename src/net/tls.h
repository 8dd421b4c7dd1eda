/* tls.h - a certificate and its key in two files, read again when they are renewed.
 *
 * A pair is reference-counted: a connection keeps the one it began with, so a renewal disturbs nobody. A pair that
 * does not fit together is never used: at the start it is an error that names the file, later the old pair stays.
 * Loop thread. */
#ifndef WRATA_NET_TLS_H
#define WRATA_NET_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct uv_loop_s;
struct tls;
struct tls_pair;

/* GnuTLS: 1.2 and 1.3 with forward secrecy and authenticated ciphers, nothing else. */
#define TLS_PRIORITIES                                                                        \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:" \
    "+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE:-GROUP-DH-ALL"

struct tls_info {
    int64_t not_after_s; /* since 1970; of the certificate of the chain that ends first */
    char pin[64];        /* "sha256//BASE64" of the public key, as libcurl takes it */
};

/* Read and check without using: a readable certificate and key that belong together, the whole chain in order and
 * valid now. ERR_INVALID names the file and what is wrong. *ret is filled on success, and its end also for a
 * certificate that has expired. */
MUST_USE enum err tls_check(const char *crt, const char *key, struct tls_info *ret, struct why *reterr);

/* Watches both files: a pair that changed is taken within about ten seconds. on_renewed is called after each
 * renewal. Paths are copied. */
MUST_USE enum err tls_open(struct uv_loop_s *loop, const char *crt, const char *key,
                           void (*on_renewed)(void *ctx), void *ctx, struct tls **ret, struct why *reterr);
void tls_close(struct tls *t);  /* NULL is fine; connections may still hold their pairs */
void tls_reload(struct tls *t); /* look now */
const struct tls_info *tls_info(const struct tls *t);

/* The pair for a new connection, and its end. */
struct tls_pair *tls_hold(struct tls *t);
void tls_release(struct tls_pair *p);            /* NULL is fine */
void *tls_credentials(const struct tls_pair *p); /* gnutls_certificate_credentials_t */
const char *tls_crt_pem(const struct tls_pair *p);
const char *tls_key_pem(const struct tls_pair *p);

#endif
