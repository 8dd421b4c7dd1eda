/* glob.h - slash-separated paths and globs, for the controller's trees and the agent's folders. Pure. */
#ifndef WRATA_BASE_GLOB_H
#define WRATA_BASE_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does a slash-separated path match a glob: * and ? within a segment, ** over segments, [a-z] classes. */
bool glob_match(const char *glob, const char *path);

/* The character that p begins with. *retlen 0: n is 0, or it is not UTF-8. */
uint32_t text_rune(const char *p, size_t n, size_t *retlen);

#endif
