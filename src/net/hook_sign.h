/* hook_sign.h - what a receiver of a webhook checks: Standard Webhooks (standardwebhooks.com), version v1.
 *
 *   webhook-id: msg_0123456789abcdef_17          the same for every try: a receiver drops what it has seen
 *   webhook-timestamp: 1795400593                of this try, in seconds
 *   webhook-signature: v1,BASE64                 HMAC-SHA256 of "ID.TIMESTAMP.BODY" with the key
 *
 * The key is what stands behind "whsec_" in the secret, as base64. Pure but for the secret's making. Any thread. */
#ifndef WRATA_NET_HOOK_SIGN_H
#define WRATA_NET_HOOK_SIGN_H

#include <stdint.h>

#include "base/buf.h"

#define HOOK_SECRET_BYTES 64u    /* of the text, its NUL included */
#define HOOK_SIGNATURE_BYTES 64u /* the same */

/* A new one: "whsec_" and 32 random bytes. */
void hook_secret_make(char out[HOOK_SECRET_BYTES]);
/* The value of webhook-signature. ERR_INVALID: `secret` is none. */
MUST_USE enum err hook_sign(const char *secret, const char *id, int64_t timestamp_s, struct slice body,
                            char out[HOOK_SIGNATURE_BYTES], struct why *reterr);

#endif
