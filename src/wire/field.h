/* field.h - field tables: what comes from outside, as rows. One table drives the strict reading of a JSON body
 * or of a URL's query into a struct, the OpenAPI schema and the documents.
 *
 * Reading is strict: an unknown name, a wrong type, a value out of range, a text that is too long, a control
 * character, a NUL, bytes that are not UTF-8 and a name given twice are all refused, with a sentence that names
 * the field, the value and what would be right. The struct is filled by its owner with the defaults first.
 * No I/O. */
#ifndef WRATA_WIRE_FIELD_H
#define WRATA_WIRE_FIELD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/json_out.h"

enum field_type {
    FIELD_END,         /* ends a table */
    FIELD_INT,         /* int64_t; min..max */
    FIELD_BOOL,        /* bool; in a query 0 or 1 */
    FIELD_TEXT,        /* const char *; min..max bytes */
    FIELD_TEXTS,       /* struct field_texts; 1..items_max items of min..max bytes each */
    FIELD_INTS,        /* struct field_ints; 1..items_max whole numbers of min..max; JSON only */
    FIELD_ENUM,        /* int: index in names */
    FIELD_ENUM_SET,    /* uint32_t: bits 1 << index; in a query "a,b" */
    FIELD_INT_OR_TEXT, /* struct field_int_or_text */
    FIELD_MAYBE,       /* int: 0 or 1, whatever the preset is (-1) when it is not given; JSON only */
    FIELD_ROWS,        /* struct field_rows; 0..items_max objects of the table `rows`; JSON only */
    FIELD_OBJECT, /* const char *: an object as JSON of at most max bytes, read by somebody else; JSON only */
};

enum {
    FIELD_REQUIRED = 1,
    FIELD_LINES = 2, /* a text may hold line ends and tabs */
    /* Of a text that nobody else may read: no sentence shows it, also not the one about a body that is not JSON. */
    FIELD_SECRET = 4,
};

struct field_texts {
    const char *const *at;
    uint32_t n;
};

struct field_ints {
    const int64_t *at;
    uint32_t n;
};

struct field_int_or_text {
    const char *text; /* NULL: it is the number */
    int64_t number;
};

struct field_rows {
    void *at; /* n structs of row_bytes each */
    uint32_t n;
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset; /* offsetof() in the struct that is filled */
    unsigned flags;
    int64_t min;
    int64_t max;
    uint32_t items_max;
    const char *const *names; /* ENUM, ENUM_SET: ends with NULL */
    const struct field *rows; /* ROWS: the table of one */
    size_t row_bytes;         /* and its struct, which begins as zeros */
    const char *help;
    const char *preset; /* the default as a person reads it; NULL none */
};

/* Read a JSON object into `ret`. Texts and lists are copied into `arena`. ERR_PROTO: not JSON; ERR_INVALID: a
 * field is wrong. An empty body counts as {}. Any thread. */
MUST_USE enum err field_read_json(const struct field *table, const char *text, size_t len,
                                  struct arena *arena, void *ret, struct why *reterr);

/* Read "a=1&b=x%20y" into `ret`; NULL or "" is no field at all. ERR_PROTO: a broken % sequence. */
MUST_USE enum err field_read_query(const struct field *table, const char *query, struct arena *arena,
                                   void *ret, struct why *reterr);

/* Undo % sequences (and + as a blank when plus_is_blank) of s[0..n) into the arena. NULL when a sequence is
 * broken, or the result holds a NUL or is not UTF-8. */
const char *field_unescape(const char *s, size_t n, bool plus_is_blank, struct arena *arena);

/* The JSON Schema object of a whole table (a body), and of one field (a query parameter). */
void field_schema(const struct field *table, struct json_out *j);
void field_schema_one(const struct field *f, struct json_out *j);

/* Is s[0..n) valid UTF-8 without NUL and control characters (lines: '\n', '\r', '\t' are fine)? */
bool field_text_is_clean(const char *s, size_t n, bool lines);

#endif
