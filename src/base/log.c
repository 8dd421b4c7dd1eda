#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_BYTES 2048
#define FIELDS_BYTES (LINE_BYTES - 256)
#define JSON_BYTES (6 * LINE_BYTES) /* each byte may become \uXXXX */

static enum log_level least_level = LOG_LEVEL_INFO;
static int as_json;
static log_watch_fn *error_watch;
static void *error_watch_ctx;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level least)
{
    least_level = least;
}

void log_set_json(int on)
{
    as_json = on;
}

void log_set_watch(log_watch_fn *watch, void *ctx)
{
    error_watch_ctx = ctx;
    __atomic_store_n(&error_watch, watch, __ATOMIC_RELEASE);
}

char *log_quote(char *out, size_t size, const char *s)
{
    size_t n = 0;

    CHECK(size >= 3);
    out[n++] = '"';
    for (; *s != '\0' && n + 6 < size; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

/* A line under way; what does not fit is left out, and room for its end is kept. */
struct line {
    char *at;
    size_t size;
    size_t n;
};

static void put(struct line *l, const char *s, size_t n)
{
    if (l->n + n < l->size) {
        memcpy(l->at + l->n, s, n);
        l->n += n;
    }
}

/* Bytes of the UTF-8 sequence at s, which has n more; 0: it is none. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : 0;

    if (s[0] >= 0xf0 && s[0] < 0xf5)
        len = 4;
    if (len > n)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return len;
}

static void put_escaped(struct line *l, const char *s, size_t n)
{
    const unsigned char *at = (const unsigned char *)s;
    char hex[8];

    for (size_t i = 0, len; i<n; i += len> 0 ? len : 1) {
        len = utf8_len(at + i, n - i);
        if (at[i] == '"' || at[i] == '\\') {
            put(l, at[i] == '"' ? "\\\"" : "\\\\", 2);
        } else if (len > 0 && at[i] >= 0x20 && at[i] != 0x7f) {
            put(l, s + i, len);
        } else {
            (void)snprintf(hex, sizeof(hex), "\\u%04x", len > 0 ? at[i] : 0xfffdu);
            put(l, hex, 6);
        }
    }
}

static bool is_number(const char *s, size_t n)
{
    size_t i = n > 0 && s[0] == '-' ? 1 : 0;

    if (i == n || n - i > 15 || (s[i] == '0' && n - i > 1))
        return false;
    while (i < n && s[i] >= '0' && s[i] <= '9')
        i++;
    return i == n;
}

static size_t key_len(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");

    return s[n] == '=' ? n : 0;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* What log_quote() wrote, the other way; returns its end. */
static const char *unquote(const char *p, char *out, size_t *ret_n)
{
    size_t n = 0;

    for (p++; *p != '\0' && *p != '"'; p++) {
        if (p[0] == '\\' && p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
            out[n++] = (char)(hex_digit(p[2]) * 16 + hex_digit(p[3]));
            p += 3;
        } else {
            if (p[0] == '\\' && p[1] != '\0')
                p++;
            out[n++] = *p;
        }
    }
    *ret_n = n;
    return *p == '"' ? p + 1 : p;
}

/* key=value, key="value": members. What is no field is the member "text". */
static void put_members(struct line *l, const char *p)
{
    char value[LINE_BYTES];

    for (p += strspn(p, " "); *p != '\0'; p += strspn(p, " ")) {
        size_t key = key_len(p);
        size_t n;

        put(l, ",\"", 2);
        put(l, key > 0 ? p : "text", key > 0 ? key : 4);
        put(l, "\":", 2);
        p += key > 0 ? key + 1 : 0;
        if (key > 0 && *p == '"') {
            p = unquote(p, value, &n);
        } else {
            n = strcspn(p, key > 0 ? " " : "");
            memcpy(value, p, n);
            p += n;
        }
        if (key > 0 && is_number(value, n)) {
            put(l, value, n);
        } else {
            put(l, "\"", 1);
            put_escaped(l, value, n);
            put(l, "\"", 1);
        }
    }
}

/* ---- a line ---------------------------------------------------------------------------------------------- */

/* Fields that were cut may have lost the end of their last quotes. */
static void close_quotes(char *fields, size_t size)
{
    bool is_open = false;
    size_t n = strlen(fields);

    for (size_t i = 0; i < n; i++) {
        if (is_open && fields[i] == '\\')
            i++;
        else if (fields[i] == '"')
            is_open = !is_open;
    }
    if (!is_open)
        return;
    n = n < size - 4 ? n : size - 4;
    while (n > 0 && (fields[n - 1] == '\\' || ((unsigned char)fields[n] & 0xc0) == 0x80))
        n--;
    memcpy(fields + n, "\"", 2);
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    char fields[FIELDS_BYTES];
    char text[JSON_BYTES];
    struct line l = {text, sizeof(text) - 4, 0};
    char head[160];
    char stamp[40];
    struct wall now;
    struct tm tm;
    log_watch_fn *watch;
    time_t sec;
    va_list ap;
    int n;

    if (level < least_level)
        return;
    now = wall_now();
    sec = (time_t)(now.ms / 1000);
    (void)gmtime_r(&sec, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    va_start(ap, fmt);
    if (vsnprintf(fields, sizeof(fields), fmt, ap) >= (int)sizeof(fields))
        close_quotes(fields, sizeof(fields));
    va_end(ap);
    watch = __atomic_load_n(&error_watch, __ATOMIC_ACQUIRE);
    if (level == LOG_LEVEL_ERROR && watch != NULL)
        watch(error_watch_ctx, event, fields);
    n = snprintf(head, sizeof(head),
                 as_json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":\"%s\""
                         : "%s.%03dZ level=%s event=%s ",
                 stamp, (int)(now.ms % 1000), level_names[level], event);
    put(&l, head, (size_t)n < sizeof(head) ? (size_t)n : sizeof(head) - 1);
    if (as_json)
        put_members(&l, fields);
    else
        put(&l, fields, strlen(fields));
    if (as_json)
        text[l.n++] = '}';
    text[l.n++] = '\n';
    /* One write per line, so that lines of two threads never mix. A log that cannot be written has
     * nowhere to say so. */
    if (write(STDERR_FILENO, text, l.n) < 0)
        return;
}
