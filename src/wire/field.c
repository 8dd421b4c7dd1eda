#include "wire/field.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_BYTES 48 /* of a refused value, in the sentence that refuses it */

/* ---- what the sentences say ---- */

/* A value from outside, cut and made printable, for a sentence. */
static const char *shown(const char *s, char *out, size_t size)
{
    size_t len = strlen(s);
    size_t n = 0;
    size_t i = 0;

    CHECK(size > SHOWN_BYTES + 8);
    while (i < len) {
        int k = utf8_next(s + i, len - i);
        bool is_odd = k <= 0 || (unsigned char)s[i] < 0x20 || s[i] == 0x7f;
        size_t bytes = k <= 0 ? 1 : (size_t)k;

        if (n + bytes > SHOWN_BYTES)
            break;
        memcpy(out + n, is_odd ? "?" : s + i, bytes);
        n += bytes;
        i += bytes;
    }
    (void)snprintf(out + n, size - n, "%s", i < len ? "…" : "");
    return out;
}

/* "one of a, b, c" into out. */
static const char *choices(const struct field *f, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (uint32_t i = 0; f->names[i] != NULL && n < size; i++) {
        int k = snprintf(out + n, size - n, "%s%s", i == 0 ? "" : ", ", f->names[i]);

        n += k > 0 ? (size_t)k : 0;
    }
    return out;
}

/* v: NULL when there is none */
static const char *kind_name(const json_t *v)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",    [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return v == NULL ? "nothing" : names[json_typeof(v)];
}

static enum err wrong_kind(const struct field *f, const json_t *v, const char *right, struct why *reterr)
{
    return why_set(reterr, ERR_INVALID, f->name, "%s: it is %s and must be %s", f->name, kind_name(v), right);
}

static enum err wrong_item(const struct field *f, uint32_t i, const json_t *item, const char *right,
                           struct why *reterr)
{
    return why_set(reterr, ERR_INVALID, f->name, "%s[%u]: it is %s and must be %s", f->name, i,
                   kind_name(item), right);
}

static bool is_size_right(const struct field *f, uint32_t n, uint32_t least, struct why *reterr)
{
    if (n > f->items_max)
        why_set(reterr, ERR_INVALID, f->name, "%s: %u items; at most %u are allowed", f->name, n,
                f->items_max);
    else if (n < least)
        why_set(reterr, ERR_INVALID, f->name, "%s: the list is empty; name at least one", f->name);
    return n >= least && n <= f->items_max;
}

static enum err unknown_name(const struct field *table, const char *name, struct why *reterr)
{
    char known[160];
    char bad[SHOWN_BYTES + 16];
    size_t n = 0;

    known[0] = '\0';
    for (const struct field *f = table; f->type != FIELD_END && n < sizeof(known); f++) {
        int k = snprintf(known + n, sizeof(known) - n, "%s%s", f == table ? "" : ", ", f->name);

        n += k > 0 ? (size_t)k : 0;
    }
    return why_set(reterr, ERR_INVALID, NULL, "there is no field '%s'; there %s %s",
                   shown(name, bad, sizeof(bad)), n == 0 ? "is" : "are", n == 0 ? "none here" : known);
}

/* ---- one value ---- */

bool field_text_is_clean(const char *s, size_t n, bool lines)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        int len = utf8_next(s + i, n - i);

        if (len <= 0)
            return false;
        if (c == 0x7f || (c < 0x20 && !(lines && (c == '\n' || c == '\r' || c == '\t'))))
            return false;
        i += (size_t)len;
    }
    return true;
}

static enum err set_int(const struct field *f, int64_t v, void *ret, struct why *reterr)
{
    if (v < f->min || v > f->max)
        return why_set(reterr, ERR_INVALID, f->name, "%s: %" PRId64 " is not in %" PRId64 "..%" PRId64,
                       f->name, v, f->min, f->max);
    memcpy((char *)ret + f->offset, &v, sizeof(v));
    return ERR_OK;
}

static enum err check_secret(const struct field *f, const char *s, size_t n, struct why *reterr)
{
    if ((int64_t)n > f->max)
        return why_set(reterr, ERR_INVALID, f->name, "%s: it has %zu bytes; at most %" PRId64 " are allowed",
                       f->name, n, f->max);
    if ((int64_t)n < f->min)
        return why_set(reterr, ERR_INVALID, f->name, "%s: it has %zu bytes; there must be at least %" PRId64,
                       f->name, n, f->min);
    if (!field_text_is_clean(s, n, (f->flags & FIELD_LINES) != 0))
        return why_set(reterr, ERR_INVALID, f->name, "%s: it holds a control character or is not UTF-8",
                       f->name);
    return ERR_OK;
}

/* `item`: its index in a list, -1 for a single text. */
static enum err check_text(const struct field *f, const char *s, size_t n, long item, struct why *reterr)
{
    char name[80];
    char bad[SHOWN_BYTES + 16];

    if (f->flags & FIELD_SECRET)
        return check_secret(f, s, n, reterr);
    (void)snprintf(name, sizeof(name), item < 0 ? "%s" : "%s[%ld]", f->name, item);
    if ((int64_t)n > f->max)
        return why_set(reterr, ERR_INVALID, f->name,
                       "%s: '%s' has %zu bytes; at most %" PRId64 " are allowed", name,
                       shown(s, bad, sizeof(bad)), n, f->max);
    if ((int64_t)n < f->min && n == 0)
        return why_set(reterr, ERR_INVALID, f->name, "%s: it is empty", name);
    if ((int64_t)n < f->min)
        return why_set(reterr, ERR_INVALID, f->name, "%s: '%s' is shorter than %" PRId64 " bytes", name,
                       shown(s, bad, sizeof(bad)), f->min);
    if (!field_text_is_clean(s, n, (f->flags & FIELD_LINES) != 0))
        return why_set(reterr, ERR_INVALID, f->name, "%s: '%s' holds a control character or is not UTF-8",
                       name, shown(s, bad, sizeof(bad)));
    return ERR_OK;
}

static enum err set_text(const struct field *f, const char *s, size_t n, struct arena *arena, void *ret,
                         struct why *reterr)
{
    enum err err = check_text(f, s, n, -1, reterr);
    const char *copy;

    if (err != ERR_OK)
        return err;
    copy = arena_strndup(arena, s, n);
    memcpy((char *)ret + f->offset, &copy, sizeof(copy));
    return ERR_OK;
}

static enum err find_choice(const struct field *f, const char *s, size_t n, int *ret, struct why *reterr)
{
    char bad[SHOWN_BYTES + 16];
    char all[128];
    char cut[SHOWN_BYTES + 2];

    for (int i = 0; f->names[i] != NULL; i++) {
        if (slice_eq((struct slice){s, n}, slice_of(f->names[i]))) {
            *ret = i;
            return ERR_OK;
        }
    }
    (void)snprintf(cut, sizeof(cut), "%.*s", (int)(n < SHOWN_BYTES + 1 ? n : SHOWN_BYTES + 1), s);
    return why_set(reterr, ERR_INVALID, f->name, "%s: '%s' is none of: %s", f->name,
                   shown(cut, bad, sizeof(bad)), choices(f, all, sizeof(all)));
}

static enum err set_enum(const struct field *f, const char *s, size_t n, void *ret, struct why *reterr)
{
    int i;
    enum err err = find_choice(f, s, n, &i, reterr);

    if (err == ERR_OK)
        memcpy((char *)ret + f->offset, &i, sizeof(i));
    return err;
}

/* "a,b,c" */
static enum err set_enum_set(const struct field *f, const char *s, void *ret, struct why *reterr)
{
    uint32_t bits = 0;

    for (;;) {
        size_t n = strcspn(s, ",");
        int i;
        enum err err = find_choice(f, s, n, &i, reterr);

        if (err != ERR_OK)
            return err;
        bits |= 1u << i;
        if (s[n] == '\0')
            break;
        s += n + 1;
    }
    memcpy((char *)ret + f->offset, &bits, sizeof(bits));
    return ERR_OK;
}

/* ---- JSON ---- */

static enum err set_object(const struct field *f, const json_t *v, struct arena *arena, void *ret,
                           struct why *reterr)
{
    size_t n = json_dumpb(v, NULL, 0, JSON_COMPACT);
    char *text;

    if (n > (size_t)f->max)
        return why_set(reterr, ERR_INVALID, f->name, "%s: %zu bytes of JSON, at most %lld are allowed",
                       f->name, n, (long long)f->max);
    text = arena_alloc(arena, n + 1);
    (void)json_dumpb(v, text, n, JSON_COMPACT);
    memcpy((char *)ret + f->offset, &text, sizeof(text));
    return ERR_OK;
}

static enum err set_list(const struct field *f, const json_t *v, struct arena *arena, void *ret,
                         struct why *reterr)
{
    struct field_texts list = {.n = (uint32_t)json_array_size(v)};
    const char **at;

    if (!is_size_right(f, list.n, (f->flags & FIELD_REQUIRED) ? 1 : 0, reterr))
        return ERR_INVALID;
    at = arena_alloc(arena, (list.n + 1) * sizeof(*at));
    for (uint32_t i = 0; i < list.n; i++) {
        const json_t *item = json_array_get(v, i);
        enum err err;

        if (!json_is_string(item))
            return wrong_item(f, i, item, "a text", reterr);
        err = check_text(f, json_string_value(item), json_string_length(item), i, reterr);
        if (err != ERR_OK)
            return err;
        at[i] = arena_strndup(arena, json_string_value(item), json_string_length(item));
    }
    list.at = at;
    memcpy((char *)ret + f->offset, &list, sizeof(list));
    return ERR_OK;
}

static enum err set_ints(const struct field *f, const json_t *v, struct arena *arena, void *ret,
                         struct why *reterr)
{
    struct field_ints list = {.n = (uint32_t)json_array_size(v)};
    int64_t *at;

    if (!is_size_right(f, list.n, (f->flags & FIELD_REQUIRED) ? 1 : 0, reterr))
        return ERR_INVALID;
    at = arena_alloc(arena, ((size_t)list.n + 1) * sizeof(*at));
    for (uint32_t i = 0; i < list.n; i++) {
        const json_t *item = json_array_get(v, i);

        if (!json_is_integer(item))
            return wrong_item(f, i, item, "a whole number", reterr);
        at[i] = json_integer_value(item);
        if (at[i] < f->min || at[i] > f->max)
            return why_set(reterr, ERR_INVALID, f->name, "%s[%u]: %lld is not one of %lld..%lld", f->name, i,
                           (long long)at[i], (long long)f->min, (long long)f->max);
    }
    list.at = at;
    memcpy((char *)ret + f->offset, &list, sizeof(list));
    return ERR_OK;
}

static enum err read_object(const struct field *table, json_t *root, struct arena *arena, void *ret,
                            struct why *reterr);

static enum err set_rows(const struct field *f, const json_t *v, struct arena *arena, void *ret,
                         struct why *reterr)
{
    struct field_rows rows = {.n = (uint32_t)json_array_size(v)};

    if (!is_size_right(f, rows.n, 0, reterr))
        return ERR_INVALID;
    rows.at = arena_alloc(arena, (rows.n + 1) * f->row_bytes);
    for (uint32_t i = 0; i < rows.n; i++) {
        json_t *item = json_array_get(v, i);
        struct why why = {0};

        if (!json_is_object(item))
            return wrong_item(f, i, item, "an object", reterr);
        if (read_object(f->rows, item, arena, (char *)rows.at + i * f->row_bytes, &why) != ERR_OK)
            return why_set(reterr, why.code, f->name, "%s[%u]: %s", f->name, i, why.text);
    }
    memcpy((char *)ret + f->offset, &rows, sizeof(rows));
    return ERR_OK;
}

static enum err set_json(const struct field *f, const json_t *v, struct arena *arena, void *ret,
                         struct why *reterr)
{
    const char *s = json_string_value(v);
    size_t n = s == NULL ? 0 : json_string_length(v);
    struct field_int_or_text either = {0};
    bool yes = json_is_true(v);
    int maybe = yes;

    switch (f->type) {
    case FIELD_INT:
        if (!json_is_integer(v))
            return wrong_kind(f, v, "a whole number", reterr);
        return set_int(f, json_integer_value(v), ret, reterr);
    case FIELD_BOOL:
        if (!json_is_boolean(v))
            return wrong_kind(f, v, "true or false", reterr);
        memcpy((char *)ret + f->offset, &yes, sizeof(yes));
        return ERR_OK;
    case FIELD_TEXT:
        return s == NULL ? wrong_kind(f, v, "a text", reterr) : set_text(f, s, n, arena, ret, reterr);
    case FIELD_TEXTS:
        return !json_is_array(v) ? wrong_kind(f, v, "a list of texts", reterr)
                                 : set_list(f, v, arena, ret, reterr);
    case FIELD_INTS:
        return !json_is_array(v) ? wrong_kind(f, v, "a list of whole numbers", reterr)
                                 : set_ints(f, v, arena, ret, reterr);
    case FIELD_ENUM:
        return s == NULL ? wrong_kind(f, v, "a text", reterr) : set_enum(f, s, n, ret, reterr);
    case FIELD_ENUM_SET:
        return s == NULL ? wrong_kind(f, v, "a text", reterr) : set_enum_set(f, s, ret, reterr);
    case FIELD_INT_OR_TEXT:
        if (s != NULL) {
            enum err err = check_text(f, s, n, -1, reterr);

            if (err != ERR_OK)
                return err;
            either.text = arena_strndup(arena, s, n);
        } else if (json_is_integer(v)) {
            either.number = json_integer_value(v);
        } else {
            return wrong_kind(f, v, "a whole number or a text", reterr);
        }
        memcpy((char *)ret + f->offset, &either, sizeof(either));
        return ERR_OK;
    case FIELD_MAYBE:
        if (!json_is_boolean(v))
            return wrong_kind(f, v, "true or false", reterr);
        memcpy((char *)ret + f->offset, &maybe, sizeof(maybe));
        return ERR_OK;
    case FIELD_ROWS:
        return !json_is_array(v) ? wrong_kind(f, v, "a list of objects", reterr)
                                 : set_rows(f, v, arena, ret, reterr);
    case FIELD_OBJECT:
        return !json_is_object(v) ? wrong_kind(f, v, "an object", reterr)
                                  : set_object(f, v, arena, ret, reterr);
    case FIELD_END:
        break;
    }
    CHECK(!"a type that the table does not have");
    return ERR_INVALID;
}

static const struct field *find_field(const struct field *table, const char *name)
{
    for (const struct field *f = table; f->type != FIELD_END; f++) {
        if (strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

static enum err read_object(const struct field *table, json_t *root, struct arena *arena, void *ret,
                            struct why *reterr)
{
    const char *key;
    json_t *v;

    if (!json_is_object(root))
        return why_set(reterr, ERR_PROTO, NULL, "the body is %s and must be an object", kind_name(root));
    json_object_foreach(root, key, v)
    {
        const struct field *f = find_field(table, key);
        enum err err;

        if (f == NULL)
            return unknown_name(table, key, reterr);
        if (json_is_null(v) && !(f->flags & FIELD_REQUIRED))
            continue;
        err = set_json(f, v, arena, ret, reterr);
        if (err != ERR_OK)
            return err;
    }
    for (const struct field *f = table; f->type != FIELD_END; f++) {
        if ((f->flags & FIELD_REQUIRED) && json_object_get(root, f->name) == NULL)
            return why_set(reterr, ERR_INVALID, f->name, "%s: it is missing (%s)", f->name, f->help);
    }
    return ERR_OK;
}

static bool has_secret(const struct field *table)
{
    for (const struct field *f = table; f->type != FIELD_END; f++) {
        if ((f->flags & FIELD_SECRET) || (f->type == FIELD_ROWS && has_secret(f->rows)))
            return true;
    }
    return false;
}

enum err field_read_json(const struct field *table, const char *text, size_t len, struct arena *arena,
                         void *ret, struct why *reterr)
{
    json_error_t e;
    json_t *root;
    enum err err;

    if (len == 0)
        text = "{}", len = 2;
    root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (root == NULL) {
        char bad[SHOWN_BYTES + 16];

        if (json_error_code(&e) == json_error_duplicate_key)
            return why_set(reterr, ERR_INVALID, NULL, "line %d, column %d: %s; a field may stand once",
                           e.line, e.column, shown(e.text, bad, sizeof(bad)));
        return why_set(reterr, ERR_PROTO, NULL, "the body is not JSON: line %d, column %d%s%s", e.line,
                       e.column, has_secret(table) ? "" : ": ",
                       has_secret(table) ? "" : shown(e.text, bad, sizeof(bad)));
    }
    err = read_object(table, root, arena, ret, reterr);
    json_decref(root);
    return err;
}

/* ---- a URL's query ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

const char *field_unescape(const char *s, size_t n, bool plus_is_blank, struct arena *arena)
{
    char *out = arena_alloc(arena, n + 1);
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%') {
            int high = i + 1 < n ? hex_digit(s[i + 1]) : -1;
            int low = i + 2 < n ? hex_digit(s[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return NULL;
            out[k++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[k++] = s[i] == '+' && plus_is_blank ? ' ' : s[i];
        }
    }
    out[k] = '\0';
    for (size_t i = 0; i < k;) {
        int len = utf8_next(out + i, k - i);

        if (len <= 0 || out[i] == '\0')
            return NULL;
        i += (size_t)len;
    }
    return out;
}

/* A whole number and nothing else. */
static bool read_number(const char *s, int64_t *ret)
{
    char *end;

    if (!(s[0] == '-' || (s[0] >= '0' && s[0] <= '9')))
        return false;
    errno = 0;
    *ret = strtoll(s, &end, 10);
    return errno == 0 && *end == '\0' && end != s;
}

static enum err set_query(const struct field *f, const char *s, struct arena *arena, void *ret,
                          struct why *reterr)
{
    char bad[SHOWN_BYTES + 16];
    struct field_int_or_text either = {0};
    bool yes = strcmp(s, "1") == 0;
    int64_t v;

    switch (f->type) {
    case FIELD_INT:
        if (!read_number(s, &v))
            return why_set(reterr, ERR_INVALID, f->name, "%s: '%s' is not a whole number", f->name,
                           shown(s, bad, sizeof(bad)));
        return set_int(f, v, ret, reterr);
    case FIELD_BOOL:
        if (!yes && strcmp(s, "0") != 0)
            return why_set(reterr, ERR_INVALID, f->name, "%s: '%s' is neither 0 nor 1", f->name,
                           shown(s, bad, sizeof(bad)));
        memcpy((char *)ret + f->offset, &yes, sizeof(yes));
        return ERR_OK;
    case FIELD_TEXT:
        return set_text(f, s, strlen(s), arena, ret, reterr);
    case FIELD_ENUM:
        return set_enum(f, s, strlen(s), ret, reterr);
    case FIELD_ENUM_SET:
        return set_enum_set(f, s, ret, reterr);
    case FIELD_INT_OR_TEXT:
        if (!read_number(s, &either.number)) {
            enum err err = check_text(f, s, strlen(s), -1, reterr);

            if (err != ERR_OK)
                return err;
            either.text = arena_strdup(arena, s);
        }
        memcpy((char *)ret + f->offset, &either, sizeof(either));
        return ERR_OK;
    case FIELD_TEXTS:
    case FIELD_INTS:
    case FIELD_MAYBE:
    case FIELD_ROWS:
    case FIELD_OBJECT:
    case FIELD_END:
        break;
    }
    CHECK(!"a type that a query does not have");
    return ERR_INVALID;
}

enum err field_read_query(const struct field *table, const char *query, struct arena *arena, void *ret,
                          struct why *reterr)
{
    uint64_t seen = 0;

    while (query != NULL && *query != '\0') {
        size_t n = strcspn(query, "&");
        const char *eq = memchr(query, '=', n);
        size_t name_len = eq == NULL ? n : (size_t)(eq - query);
        const char *name = field_unescape(query, name_len, true, arena);
        const char *value = eq == NULL ? "" : field_unescape(eq + 1, n - name_len - 1, true, arena);
        const struct field *f;
        enum err err;

        if (name == NULL || value == NULL)
            return why_set(reterr, ERR_PROTO, NULL,
                           "the query of the URL holds a broken %% sequence or is not UTF-8");
        query += n + (query[n] == '&');
        if (n == 0)
            continue;
        f = find_field(table, name);
        if (f == NULL)
            return unknown_name(table, name, reterr);
        if (seen & (UINT64_C(1) << (f - table)))
            return why_set(reterr, ERR_INVALID, f->name, "%s: it stands twice in the URL", f->name);
        seen |= UINT64_C(1) << (f - table);
        err = set_query(f, value, arena, ret, reterr);
        if (err != ERR_OK)
            return err;
    }
    for (const struct field *f = table; f->type != FIELD_END; f++) {
        if ((f->flags & FIELD_REQUIRED) && !(seen & (UINT64_C(1) << (f - table))))
            return why_set(reterr, ERR_INVALID, f->name, "%s: it is missing (%s)", f->name, f->help);
    }
    return ERR_OK;
}

/* ---- schema ---- */

static void schema_range(struct json_out *j, const char *low, const char *high, const struct field *f)
{
    if (f->min != INT64_MIN && (f->min != 0 || f->type == FIELD_INT))
        jo_kint(j, low, f->min);
    if (f->max != INT64_MAX)
        jo_kint(j, high, f->max);
}

static void schema_body(const struct field *f, struct json_out *j)
{
    switch (f->type) {
    case FIELD_INT:
        jo_ktext(j, "type", "integer");
        schema_range(j, "minimum", "maximum", f);
        break;
    case FIELD_BOOL:
    case FIELD_MAYBE:
        jo_ktext(j, "type", "boolean");
        break;
    case FIELD_ENUM_SET:
    case FIELD_TEXT:
        jo_ktext(j, "type", "string");
        if (f->type == FIELD_TEXT)
            schema_range(j, "minLength", "maxLength", f);
        break;
    case FIELD_TEXTS:
        jo_ktext(j, "type", "array");
        jo_kint(j, "maxItems", f->items_max);
        if (f->flags & FIELD_REQUIRED)
            jo_kint(j, "minItems", 1);
        jo_kobj(j, "items");
        jo_ktext(j, "type", "string");
        schema_range(j, "minLength", "maxLength", f);
        jo_obj_end(j);
        break;
    case FIELD_INTS:
        jo_ktext(j, "type", "array");
        jo_kint(j, "maxItems", f->items_max);
        if (f->flags & FIELD_REQUIRED)
            jo_kint(j, "minItems", 1);
        jo_kobj(j, "items");
        jo_ktext(j, "type", "integer");
        schema_range(j, "minimum", "maximum", f);
        jo_obj_end(j);
        break;
    case FIELD_ENUM:
        jo_ktext(j, "type", "string");
        jo_karr(j, "enum");
        for (uint32_t i = 0; f->names[i] != NULL; i++)
            jo_text(j, f->names[i]);
        jo_arr_end(j);
        break;
    case FIELD_INT_OR_TEXT:
        jo_karr(j, "type");
        jo_text(j, "integer");
        jo_text(j, "string");
        jo_arr_end(j);
        break;
    case FIELD_ROWS:
        jo_ktext(j, "type", "array");
        jo_kint(j, "maxItems", f->items_max);
        jo_key(j, "items");
        field_schema(f->rows, j);
        break;
    case FIELD_OBJECT:
        jo_ktext(j, "type", "object");
        break;
    case FIELD_END:
        break;
    }
}

void field_schema_one(const struct field *f, struct json_out *j)
{
    jo_obj(j);
    schema_body(f, j);
    jo_ktext(j, "description", f->help);
    jo_obj_end(j);
}

void field_schema(const struct field *table, struct json_out *j)
{
    bool any = false;

    jo_obj(j);
    jo_ktext(j, "type", "object");
    jo_kobj(j, "properties");
    for (const struct field *f = table; f->type != FIELD_END; f++) {
        jo_key(j, f->name);
        field_schema_one(f, j);
        any = any || (f->flags & FIELD_REQUIRED);
    }
    jo_obj_end(j);
    if (any) {
        jo_karr(j, "required");
        for (const struct field *f = table; f->type != FIELD_END; f++) {
            if (f->flags & FIELD_REQUIRED)
                jo_text(j, f->name);
        }
        jo_arr_end(j);
    }
    jo_kbool(j, "additionalProperties", false);
    jo_obj_end(j);
}
