#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_BYTES KIB(16)

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    size_t pad; /* keeps data[] 16-byte aligned */
    char data[];
};
_Static_assert(sizeof(struct arena_block) % 16 == 0, "data[] must be aligned");

void *xmalloc(size_t n)
{
    void *p = malloc(n == 0 ? 1 : n);

    CHECK(p != NULL);
    return p;
}

void *xcalloc(size_t count, size_t n)
{
    void *p = calloc(count == 0 ? 1 : count, n == 0 ? 1 : n);

    CHECK(p != NULL);
    return p;
}

void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n == 0 ? 1 : n);

    CHECK(q != NULL);
    return q;
}

char *xstrndup(const char *s, size_t n)
{
    char *p = xmalloc(n + 1);

    if (n > 0)
        memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

void mem_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void *arena_alloc(struct arena *a, size_t n)
{
    struct arena_block *b = a->head;
    size_t size;
    void *p;

    CHECK(n < SIZE_MAX / 2);
    n = (n + 15) & ~(size_t)15;
    if (b == NULL || b->size - b->used < n) {
        size = n > ARENA_BLOCK_BYTES ? n : ARENA_BLOCK_BYTES;
        b = xmalloc(sizeof(*b) + size);
        *b = (struct arena_block){.next = a->head, .size = size};
        a->head = b;
    }
    p = b->data + b->used;
    b->used += n;
    a->total_bytes += n;
    memset(p, 0, n);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1);

    if (n > 0)
        memcpy(p, s, n);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    char *p;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    CHECK(n >= 0);
    p = arena_alloc(a, (size_t)n + 1);
    (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *p;

    va_start(ap, fmt);
    p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL;
    struct arena_block *b;
    struct arena_block *next;

    for (b = a->head; b != NULL; b = next) {
        next = b->next;
        if (keep == NULL && b->size == ARENA_BLOCK_BYTES) {
            keep = b;
            keep->used = 0;
        } else {
            free(b);
        }
    }
    if (keep != NULL)
        keep->next = NULL;
    a->head = keep;
    a->total_bytes = 0;
}

void arena_done(struct arena *a)
{
    struct arena_block *b;
    struct arena_block *next;

    for (b = a->head; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    *a = (struct arena){0};
}
