#include "wire/json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\\ufffd"
#define DEPTH_MAX 64

void jo_begin(struct json_out *j, struct buf *b)
{
    *j = (struct json_out){.b = b};
}

/* ---- structure ---- */

static void before_value(struct json_out *j)
{
    if (j->needs_comma)
        buf_putc(j->b, ',');
    j->needs_comma = true;
}

static void open_with(struct json_out *j, char c)
{
    before_value(j);
    buf_putc(j->b, c);
    j->needs_comma = false;
    CHECK(++j->depth <= DEPTH_MAX);
}

static void close_with(struct json_out *j, char c)
{
    CHECK(j->depth-- > 0);
    buf_putc(j->b, c);
    j->needs_comma = true;
}

void jo_obj(struct json_out *j)
{
    open_with(j, '{');
}

void jo_obj_end(struct json_out *j)
{
    close_with(j, '}');
}

void jo_arr(struct json_out *j)
{
    open_with(j, '[');
}

void jo_arr_end(struct json_out *j)
{
    close_with(j, ']');
}

/* ---- texts ---- */

int utf8_next(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    int len;

    if (n == 0)
        return -1;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        len = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        len = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        len = 4;
    else
        return 0;
    /* The second byte's range refuses overlong forms, surrogates and what is beyond U+10FFFF. */
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n)
            return -1;
        if (s[i] < low || s[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return len;
}

size_t utf8_whole(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];

        if (c >= 0xc0)
            return utf8_next(s + n - back, back) == -1 ? n - back : n;
        if (c < 0x80)
            break;
    }
    return n;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<';
}

static void put_escaped(struct buf *b, unsigned char c)
{
    static const struct {
        char c;
        const char *text;
    } shorts[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"},
                  {'\t', "\\t"}, {'\b', "\\b"},  {'\f', "\\f"}};

    for (size_t i = 0; i < ARRAY_LEN(shorts); i++) {
        if ((unsigned char)shorts[i].c == c) {
            buf_puts(b, shorts[i].text);
            return;
        }
    }
    buf_printf(b, "\\u%04x", c);
}

void jo_textn(struct json_out *j, const char *s, size_t n)
{
    struct buf *b = j->b;
    size_t i = 0;

    before_value(j);
    buf_putc(b, '"');
    while (i < n) {
        size_t run = i;
        int len;

        while (run < n && is_plain((unsigned char)s[run]))
            run++;
        buf_put(b, s + i, run - i);
        i = run;
        if (i == n)
            break;
        len = utf8_next(s + i, n - i);
        if (len == 1) {
            put_escaped(b, (unsigned char)s[i]);
        } else if (len <= 0) {
            buf_puts(b, REPLACEMENT);
            len = 1;
        } else if (len == 3 && memcmp(s + i, "\xe2\x80\xa8", 3) == 0) {
            buf_puts(b, "\\u2028");
        } else if (len == 3 && memcmp(s + i, "\xe2\x80\xa9", 3) == 0) {
            buf_puts(b, "\\u2029");
        } else {
            buf_put(b, s + i, (size_t)len);
        }
        i += (size_t)len;
    }
    buf_putc(b, '"');
}

void jo_text(struct json_out *j, const char *s)
{
    if (s == NULL)
        jo_null(j);
    else
        jo_textn(j, s, strlen(s));
}

void jo_key(struct json_out *j, const char *key)
{
    jo_textn(j, key, strlen(key));
    buf_putc(j->b, ':');
    j->needs_comma = false;
}

/* ---- other values ---- */

void jo_uint(struct json_out *j, uint64_t v)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    before_value(j);
    buf_put(j->b, digits + at, sizeof(digits) - at);
}

void jo_int(struct json_out *j, int64_t v)
{
    if (v >= 0) {
        jo_uint(j, (uint64_t)v);
        return;
    }
    before_value(j);
    buf_printf(j->b, "%lld", (long long)v);
}

void jo_double(struct json_out *j, double v)
{
    char text[40];

    if (!isfinite(v)) {
        jo_null(j);
        return;
    }
    before_value(j);
    (void)snprintf(text, sizeof(text), "%.15g", v);
    if (strtod(text, NULL) != v)
        (void)snprintf(text, sizeof(text), "%.17g", v);
    buf_puts(j->b, text);
}

void jo_bool(struct json_out *j, bool v)
{
    before_value(j);
    buf_puts(j->b, v ? "true" : "false");
}

void jo_null(struct json_out *j)
{
    before_value(j);
    buf_puts(j->b, "null");
}

void jo_raw(struct json_out *j, const char *s, size_t n)
{
    before_value(j);
    buf_put(j->b, s, n);
}

void jo_time_text(struct wall t, char *out)
{
    /* Civil date from days: H. Hinnant, "chrono-compatible low-level date algorithms". */
    int64_t ms_of_day = ((t.ms % 86400000) + 86400000) % 86400000;
    int64_t z = (t.ms - ms_of_day) / 86400000 + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * mp + 2) / 5 + 1;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2);

    (void)snprintf(out, JSON_TIME_BYTES, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", (int)year, (unsigned)month,
                   (unsigned)day, (unsigned)(ms_of_day / 3600000), (unsigned)(ms_of_day / 60000 % 60),
                   (unsigned)(ms_of_day / 1000 % 60), (unsigned)(ms_of_day % 1000));
}

void jo_time(struct json_out *j, struct wall t)
{
    char text[JSON_TIME_BYTES];

    if (t.ms == 0) {
        jo_null(j);
        return;
    }
    jo_time_text(t, text);
    jo_text(j, text);
}

/* ---- key and value ---- */

void jo_kobj(struct json_out *j, const char *key)
{
    jo_key(j, key);
    jo_obj(j);
}

void jo_karr(struct json_out *j, const char *key)
{
    jo_key(j, key);
    jo_arr(j);
}

void jo_ktext(struct json_out *j, const char *key, const char *s)
{
    jo_key(j, key);
    jo_text(j, s);
}

void jo_ktext_or_null(struct json_out *j, const char *key, const char *s)
{
    jo_key(j, key);
    jo_text(j, s != NULL && s[0] != '\0' ? s : NULL);
}

void jo_kint(struct json_out *j, const char *key, int64_t v)
{
    jo_key(j, key);
    jo_int(j, v);
}

void jo_kuint(struct json_out *j, const char *key, uint64_t v)
{
    jo_key(j, key);
    jo_uint(j, v);
}

void jo_kint_if(struct json_out *j, const char *key, bool is_known, int64_t v)
{
    if (is_known)
        jo_kint(j, key, v);
    else
        jo_knull(j, key);
}

void jo_kdouble(struct json_out *j, const char *key, double v)
{
    jo_key(j, key);
    jo_double(j, v);
}

void jo_kbool(struct json_out *j, const char *key, bool v)
{
    jo_key(j, key);
    jo_bool(j, v);
}

void jo_knull(struct json_out *j, const char *key)
{
    jo_key(j, key);
    jo_null(j);
}

void jo_ktime(struct json_out *j, const char *key, struct wall t)
{
    jo_key(j, key);
    jo_time(j, t);
}
