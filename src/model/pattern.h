/* pattern.h - many names in one word: "web-{0..19}" is web-0, web-1 ... web-19; "{08..11}" keeps its width: 08, 09, 10, 11. */
#ifndef WRATA_MODEL_PATTERN_H
#define WRATA_MODEL_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define PATTERN_NAMES_MAX 1000u

bool pattern_is(const char *word); /* it has a brace; else it is a name */

/* *ret: *retn names, in the arena, in order; of a word without a brace it is the word itself. ERR_INVALID of `field`: it is no
 * range, or a second one, or one that goes backwards; ERR_LIMIT: more than PATTERN_NAMES_MAX. */
MUST_USE enum err pattern_expand(const char *field, const char *word, struct arena *a,
                                 const char *const **ret, uint32_t *retn, struct why *reterr);

#endif
