/* flat.h - the little of YAML that our files are written in: one mapping of names to texts or to lists of texts.
 *
 *   name: value          # plain, quoted or block text
 *   names: [a, b]        # or one "- item" a line
 *
 * libyaml reads; everything else of YAML (nesting, anchors, tags, several documents) is refused with the line. */
#ifndef WRATA_CONFIG_FLAT_H
#define WRATA_CONFIG_FLAT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/mem.h"

#define FLAT_BYTES_MAX KIB(64)
#define FLAT_ITEMS_MAX 200u
#define FLAT_VALUES_MAX 200u /* of one list */
#define FLAT_KEY_MAX 64u

struct flat_item {
    const char *key;
    int line;      /* of the key, from 1 */
    int last_line; /* of the value */
    bool is_list;
    bool is_null; /* "name:" with nothing behind it; n is 0 */
    char **values;
    uint32_t n;
};

struct flat {
    struct flat_item *items; /* in the order of the file */
    uint32_t n;
};

/* Read `text`. Everything lives in `arena`. Each problem is a line "FILE:LINE: …" in `problems`; when there was
 * one, ERR_INVALID, and *ret holds what came before it. `file` is its name for people. */
MUST_USE enum err flat_read(const char *file, struct slice text, struct arena *arena, struct flat *ret,
                            struct buf *problems);

/* Overwrite every value: they were secrets. */
void flat_wipe(struct flat *f);

const struct flat_item *flat_find(const struct flat *f, const char *key); /* NULL: none */

/* The text with `key` set to these values (a list, or one text) in place of what it was, or at the end. Other
 * lines stay as they are. ERR_INVALID when the text is written so that this cannot be done line by line. */
MUST_USE enum err flat_set(const char *file, struct slice text, const char *key, const char *const *values,
                           uint32_t n, bool is_list, struct buf *out, struct buf *problems);

/* A value for people: control characters escaped, cut after some 60 bytes. Into out (size bytes); returns out. */
char *flat_show(char *out, size_t size, const char *value);

#endif
