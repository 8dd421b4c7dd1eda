#include "net/hook_sign.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "whsec_"
#define KEY_BYTES 32u
#define KEY_BYTES_MAX 64u

void hook_secret_make(char out[HOOK_SECRET_BYTES])
{
    unsigned char key[KEY_BYTES];
    size_t n = sizeof(PREFIX) - 1;

    CHECK(sodium_init() >= 0);
    randombytes_buf(key, sizeof(key));
    memcpy(out, PREFIX, n);
    (void)sodium_bin2base64(out + n, HOOK_SECRET_BYTES - n, key, sizeof(key), sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(key, sizeof(key));
}

enum err hook_sign(const char *secret, const char *id, int64_t timestamp_s, struct slice body,
                   char out[HOOK_SIGNATURE_BYTES], struct why *reterr)
{
    crypto_auth_hmacsha256_state st;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    unsigned char key[KEY_BYTES_MAX];
    char head[200];
    size_t key_len = 0;
    int n = snprintf(head, sizeof(head), "%s.%lld.", id, (long long)timestamp_s);

    CHECK(sodium_init() >= 0);
    CHECK(n > 0 && n < (int)sizeof(head));
    if (strncmp(secret, PREFIX, sizeof(PREFIX) - 1) != 0 ||
        sodium_base642bin(key, sizeof(key), secret + sizeof(PREFIX) - 1, strlen(secret) - sizeof(PREFIX) + 1,
                          NULL, &key_len, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        key_len == 0)
        return why_set(reterr, ERR_INVALID, NULL,
                       "the hook's secret is damaged; `wrata hooks edit NAME --new-secret` "
                       "makes another one");
    (void)crypto_auth_hmacsha256_init(&st, key, key_len);
    (void)crypto_auth_hmacsha256_update(&st, (const unsigned char *)head, (unsigned long long)n);
    (void)crypto_auth_hmacsha256_update(&st, (const unsigned char *)body.ptr, body.len);
    (void)crypto_auth_hmacsha256_final(&st, mac);
    memcpy(out, "v1,", 3);
    (void)sodium_bin2base64(out + 3, HOOK_SIGNATURE_BYTES - 3, mac, sizeof(mac),
                            sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(key, sizeof(key));
    sodium_memzero(&st, sizeof(st));
    return ERR_OK;
}
