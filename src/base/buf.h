/* buf.h - bytes that grow up to a maximum.
 *
 * A buffer cannot be made without its maximum (the idea is curl's dynbuf): whoever feeds it from
 * outside learns from ERR_LIMIT that the peer sent too much. Content may hold NUL bytes; one NUL
 * follows the content always, so buf_str() can be printed. */
#ifndef WRATA_BASE_BUF_H
#define WRATA_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A view of bytes owned elsewhere; not NUL-ended. */
struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
struct slice slice_of(const char *s); /* NULL gives an empty slice */
int slice_eq(struct slice a, struct slice b);

struct buf {
    char *data; /* NULL until the first byte */
    size_t len;
    size_t cap;
    size_t max; /* most bytes it may ever hold */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);  /* frees; the buffer may be used again */
void buf_clear(struct buf *b); /* keeps the memory */

/* Append n bytes. ERR_LIMIT when the maximum would be passed; then nothing was appended. */
MUST_USE enum err buf_add(struct buf *b, const void *data, size_t n);

/* The same for our own output, whose size is known to fit: passing the maximum is a bug. */
void buf_put(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Make room for n more bytes and return where they go; buf_commit() counts them in. NULL: limit. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

/* Drop the first n bytes; the rest moves to the front. */
void buf_consume(struct buf *b, size_t n);

/* Give the memory away as a malloc'ed NUL-ended block; the buffer is empty afterwards. */
OWNED char *buf_take(struct buf *b, size_t *retlen);

const char *buf_str(const struct buf *b); /* "" when empty; never NULL */
struct slice buf_slice(const struct buf *b);

#endif
