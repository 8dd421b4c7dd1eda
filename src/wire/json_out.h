/* json_out.h - writing JSON: append only, no tree, no allocation per value.
 *
 * The prefix is jo_, because jansson owns json_.
 * Commas are its own business: call key and value in turn inside an object, values inside an array. Whatever
 * bytes a text holds, the output is valid UTF-8 and valid JSON, and may stand inside a <script>: invalid bytes
 * become U+FFFD, control characters, '<' and U+2028/2029 are escaped. */
#ifndef WRATA_WIRE_JSON_OUT_H
#define WRATA_WIRE_JSON_OUT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/clock.h"

#define JSON_TIME_BYTES 40

struct json_out {
    struct buf *b;
    bool needs_comma;
    uint32_t depth;
};

void jo_begin(struct json_out *j, struct buf *b); /* appends to b */

void jo_obj(struct json_out *j);
void jo_obj_end(struct json_out *j);
void jo_arr(struct json_out *j);
void jo_arr_end(struct json_out *j);
void jo_key(struct json_out *j, const char *key);

void jo_text(struct json_out *j, const char *s); /* NULL is null */
void jo_textn(struct json_out *j, const char *s, size_t n);
void jo_int(struct json_out *j, int64_t v);
void jo_uint(struct json_out *j, uint64_t v);
void jo_double(struct json_out *j, double v); /* null when it is not a number */
void jo_bool(struct json_out *j, bool v);
void jo_null(struct json_out *j);
void jo_time(struct json_out *j, struct wall t);          /* "2026-11-23T02:49:53.120Z"; null for never */
void jo_raw(struct json_out *j, const char *s, size_t n); /* one value that is JSON already */

/* Key and value in one call: what most objects are made of. */
void jo_kobj(struct json_out *j, const char *key);
void jo_karr(struct json_out *j, const char *key);
void jo_ktext(struct json_out *j, const char *key, const char *s);
void jo_ktext_or_null(struct json_out *j, const char *key, const char *s); /* "" is null */
void jo_kint(struct json_out *j, const char *key, int64_t v);
void jo_kuint(struct json_out *j, const char *key, uint64_t v);
/* null when it is not known */
void jo_kint_if(struct json_out *j, const char *key, bool is_known, int64_t v);
void jo_kdouble(struct json_out *j, const char *key, double v);
void jo_kbool(struct json_out *j, const char *key, bool v);
void jo_knull(struct json_out *j, const char *key);
void jo_ktime(struct json_out *j, const char *key, struct wall t);

/* The time alone, without quotes, into out (JSON_TIME_BYTES). */
void jo_time_text(struct wall t, char *out);

/* How many bytes at the start of s[0..n) are one valid UTF-8 character: 1..4. 0: not one. -1: the bytes end
 * inside a character that could still become valid. */
int utf8_next(const char *s, size_t n);

/* n less the unfinished character at the end of s, if there is one: where a chunk may be cut. */
size_t utf8_whole(const char *s, size_t n);

#endif
