/* nearest.h - which of the known names somebody may have meant. */
#ifndef WRATA_BASE_NEAREST_H
#define WRATA_BASE_NEAREST_H

#include <stddef.h>

/* The most similar of the names, or NULL when none is near. `next(ctx, i)` gives name i, NULL ends. */
const char *nearest_name(const char *name, const char *(*next)(const void *ctx, size_t i), const void *ctx);

#endif
