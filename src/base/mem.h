/* mem.h - allocation that cannot fail quietly, and arenas.
 *
 * Small allocations that fail stop the process: the supervisor restarts it and the store brings it
 * back. Sizes that a peer can influence are bounded by their owner before they come here. */
#ifndef WRATA_BASE_MEM_H
#define WRATA_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

OWNED void *xmalloc(size_t n);               /* n may be 0 */
OWNED void *xcalloc(size_t count, size_t n); /* zeroed */
void *xrealloc(void *p, size_t n);           /* the old pointer is gone on return */
OWNED char *xstrdup(const char *s);
OWNED char *xstrndup(const char *s, size_t n); /* copies n bytes and ends them with NUL */

void mem_wipe(void *p, size_t n); /* overwrite what was secret; not optimised away. NULL with 0 is fine */

/* A list of blocks freed together. For the memory of one turn or one request. One thread at a time. */
struct arena {
    struct arena_block *head;
    size_t total_bytes; /* handed out since the last arena_reset */
};

void arena_init(struct arena *a);
void *arena_alloc(struct arena *a, size_t n); /* 16-byte aligned, zeroed; lives until reset or done */
char *arena_strndup(struct arena *a, const char *s, size_t n); /* with NUL at the end */
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void arena_reset(struct arena *a); /* keeps one block for reuse */
void arena_done(struct arena *a);

#endif
