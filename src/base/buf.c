#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BUF_FIRST_BYTES 256

struct slice slice_of(const char *s)
{
    return (struct slice){s, s == NULL ? 0 : strlen(s)};
}

int slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

void buf_init(struct buf *b, size_t max_bytes)
{
    CHECK(max_bytes > 0);
    *b = (struct buf){.max = max_bytes};
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t n)
{
    size_t cap = b->cap;

    CHECK(b->max > 0);
    if (n > b->max - b->len)
        return NULL;
    if (b->len + n + 1 > cap) {
        if (cap == 0)
            cap = BUF_FIRST_BYTES;
        while (cap < b->len + n + 1)
            cap *= 2;
        b->data = xrealloc(b->data, cap);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
    CHECK(b->len + n < b->cap);
    b->len += n;
    b->data[b->len] = '\0';
}

enum err buf_add(struct buf *b, const void *data, size_t n)
{
    char *p = buf_reserve(b, n);

    if (p == NULL)
        return ERR_LIMIT;
    if (n > 0)
        memcpy(p, data, n);
    buf_commit(b, n);
    return ERR_OK;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
    CHECK(buf_add(b, data, n) == ERR_OK);
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    char *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    p = buf_reserve(b, (size_t)n);
    CHECK(p != NULL);
    va_start(ap, fmt);
    (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    buf_commit(b, (size_t)n);
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->data, b->data + n, b->len + 1);
}

char *buf_take(struct buf *b, size_t *retlen)
{
    char *p = b->data != NULL ? b->data : xstrdup("");

    if (retlen != NULL)
        *retlen = b->len;
    *b = (struct buf){.max = b->max};
    return p;
}

const char *buf_str(const struct buf *b)
{
    return b->data != NULL ? b->data : "";
}

struct slice buf_slice(const struct buf *b)
{
    return (struct slice){buf_str(b), b->len};
}
