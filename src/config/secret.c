#include "config/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct secret {
    size_t len;
    unsigned char *bytes;
};

struct secret *secret_new(const void *bytes, size_t n)
{
    struct secret *s = xcalloc(1, sizeof(*s));

    CHECK(sodium_init() >= 0);
    s->len = n;
    s->bytes = sodium_malloc(n + 1);
    CHECK(s->bytes != NULL);
    memset(s->bytes, 0, n + 1);
    if (bytes != NULL && n > 0)
        memcpy(s->bytes, bytes, n);
    return s;
}

void secret_free(struct secret *s)
{
    if (s == NULL)
        return;
    sodium_free(s->bytes);
    free(s);
}

size_t secret_len(const struct secret *s)
{
    return s->len;
}

const char *secret_reveal(const struct secret *s)
{
    return (const char *)s->bytes;
}

unsigned char *secret_bytes(struct secret *s)
{
    return s->bytes;
}

bool secret_eq(const struct secret *a, const struct secret *b)
{
    return a->len == b->len && sodium_memcmp(a->bytes, b->bytes, a->len) == 0;
}

void buf_wipe(struct buf *b)
{
    if (b->data != NULL)
        sodium_memzero(b->data, b->cap);
    buf_done(b);
}
