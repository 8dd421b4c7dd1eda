#include "wire/log_text.h"

#include <string.h>

#include "wire/json_out.h"

#define ESC '\033'

bool log_text_is_plain(const char *s, size_t n)
{
    uint64_t high = 0;
    uint64_t word;
    size_t i = 0;

    for (; i + sizeof(word) <= n; i += sizeof(word)) {
        memcpy(&word, s + i, sizeof(word));
        high |= word;
    }
    for (; i < n; i++)
        high |= (unsigned char)s[i];
    return (high & 0x8080808080808080u) == 0 && memchr(s, ESC, n) == NULL && memchr(s, '\0', n) == NULL;
}

static bool is_in(char c, unsigned char first, unsigned char last)
{
    return (unsigned char)c >= first && (unsigned char)c <= last;
}

/* ESC [ parameters, intermediates, final byte. What breaks it off is not part of it. */
static size_t csi_length(const char *s, size_t n)
{
    size_t i = 2;

    while (i < n && is_in(s[i], 0x20, 0x3f))
        i++;
    return i < n && is_in(s[i], 0x40, 0x7e) ? i + 1 : i;
}

/* ESC ] and its like, up to BEL or ESC \ or the end of the line. */
static size_t string_length(const char *s, size_t n)
{
    for (size_t i = 2; i < n; i++) {
        if (s[i] == '\n')
            return i;
        if (s[i] == '\a')
            return i + 1;
        if (s[i] == ESC)
            return i + 1 < n && s[i + 1] == '\\' ? i + 2 : i;
    }
    return n;
}

/* s[0] is ESC. */
static size_t sequence_length(const char *s, size_t n)
{
    size_t i = 1;

    if (n < 2)
        return n;
    if (s[1] == '[')
        return csi_length(s, n);
    if (strchr("]PX^_", s[1]) != NULL && s[1] != '\0')
        return string_length(s, n);
    while (i < n && is_in(s[i], 0x20, 0x2f))
        i++;
    return i < n && is_in(s[i], 0x30, 0x7e) ? i + 1 : i;
}

size_t log_text_step(const char *s, size_t n, struct slice *ret)
{
    int len;

    if (s[0] == ESC) {
        *ret = (struct slice){"", 0};
        return sequence_length(s, n);
    }
    len = s[0] == '\0' ? 0 : utf8_next(s, n);
    if (len <= 0) {
        *ret = SLICE("\xef\xbf\xbd");
        return 1;
    }
    *ret = (struct slice){s, (size_t)len};
    return (size_t)len;
}

void log_text_show(const char *s, size_t n, struct buf *out)
{
    size_t i = 0;

    while (i < n) {
        size_t plain = i;
        struct slice shown;

        while (plain < n && is_in(s[plain], 1, 0x7f) && s[plain] != ESC)
            plain++;
        if (plain > i)
            buf_put(out, s + i, plain - i);
        i = plain;
        if (i == n)
            break;
        i += log_text_step(s + i, n - i, &shown);
        if (shown.len > 0)
            buf_put(out, shown.ptr, shown.len);
    }
}

size_t log_text_raw(const char *s, size_t n, size_t shown)
{
    size_t i = 0;
    size_t seen = 0;

    while (i < n) {
        struct slice one;
        size_t len = log_text_step(s + i, n - i, &one);

        if (one.len > 0 && seen + one.len > shown)
            break;
        seen += one.len;
        i += len;
    }
    return i;
}
