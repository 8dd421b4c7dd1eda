/* mask_forms.c - how a secret looks when a program writes it: as it is, and encoded in the usual ways.
 *
 * Each form costs its length in memory and nothing in time, so there are rather too many than too few. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mask.h"
#include "base/mem.h"

struct forms {
    void (*each)(void *ctx, struct slice form);
    void *ctx;
    struct buf b; /* the form that is being made */
    struct buf once;
};

static void emit(const struct forms *f, const char *s, size_t n)
{
    if (n >= MASK_SECRET_BYTES_MIN)
        f->each(f->ctx, (struct slice){s, n});
}

/* ---- base64 ---- */

static const char *const alphabets[] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

/* Six bits of s that begin `bit` bits in; bits outside are not asked for. */
static unsigned sextet(struct slice s, size_t bit)
{
    const unsigned char *p = (const unsigned char *)s.ptr + bit / 8;
    unsigned two = (unsigned)p[0] << 8;

    if (bit % 8 > 2)
        two |= p[1];
    return two >> (10 - bit % 8) & 63;
}

/* The characters that the secret alone decides when `shift` bytes stand before it in its group of three. */
static void base64_form(struct forms *f, struct slice s, size_t shift, const char *alphabet)
{
    size_t first = (8 * shift + 5) / 6;
    size_t last = 8 * (shift + s.len) / 6;

    buf_clear(&f->b);
    for (size_t i = first; i < last; i++)
        buf_putc(&f->b, alphabet[sextet(s, 6 * i - 8 * shift)]);
    emit(f, buf_str(&f->b), f->b.len);
}

/* Encoders break lines after 60 (Ruby), 64 (PEM) or 76 characters (MIME, base64(1)): each whole line is a form. A text
 * that begins elsewhere in its line is not found by this. */
static void base64_wrapped(const struct forms *f)
{
    static const size_t widths[] = {60, 64, 76};

    for (size_t w = 0; w < ARRAY_LEN(widths); w++)
        for (size_t at = 0; f->b.len > widths[w] && at < f->b.len; at += widths[w])
            emit(f, f->b.data + at, f->b.len - at < widths[w] ? f->b.len - at : widths[w]);
}

static void base64_forms(struct forms *f, struct slice s)
{
    for (size_t a = 0; a < ARRAY_LEN(alphabets); a++) {
        for (size_t shift = 3; shift-- > 0;)
            base64_form(f, s, shift, alphabets[a]);
        base64_wrapped(f); /* of shift 0 */
    }
}

/* ---- JSON ---- */

enum { JSON_ASCII = 1, JSON_SLASH = 2, JSON_HTML = 4, JSON_KINDS = 8 };

/* The code point at s[0..n) and its bytes; bytes that are no UTF-8 stand for themselves. */
static uint32_t code_point(const unsigned char *s, size_t n, size_t *retlen)
{
    size_t len = s[0] < 0xc0 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t v = s[0] & (0xffu >> (len + 1));

    *retlen = 1;
    if (len == 1 || len > n)
        return s[0];
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return s[0];
        v = v << 6 | (s[i] & 0x3fu);
    }
    *retlen = len;
    return v;
}

static void json_form(struct buf *out, struct slice s, unsigned kind)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t len;

    for (size_t i = 0; i < s.len; i += len) {
        uint32_t c = code_point(p + i, s.len - i, &len);
        const char *known = c != 0 && c < 0x80 ? strchr(plain, (int)c) : NULL;

        if (known != NULL)
            buf_printf(out, "\\%c", letters[known - plain]);
        else if (c == '/' && (kind & JSON_SLASH) != 0)
            buf_puts(out, "\\/");
        else if (c < 0x20 || ((kind & JSON_HTML) != 0 && (c == '<' || c == '>' || c == '&')) ||
                 ((kind & JSON_ASCII) != 0 && (c == 0x7f || (c > 0x7f && c < 0x10000 && len > 1))))
            buf_printf(out, "\\u%04x", c);
        else if ((kind & JSON_ASCII) != 0 && c >= 0x10000)
            buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                       0xdc00 + ((c - 0x10000) & 0x3ff));
        else
            buf_put(out, p + i, len);
    }
}

static unsigned json_kinds(struct slice s)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        kinds |= c >= 0x7f                          ? JSON_ASCII
                 : c == '/'                         ? JSON_SLASH
                 : c == '<' || c == '>' || c == '&' ? JSON_HTML
                                                    : 0u;
    }
    return kinds;
}

/* Also twice over: a text in quotes, as an assertion shows it, inside a report. */
static void json_forms(struct forms *f, struct slice s)
{
    unsigned kinds = json_kinds(s);

    for (unsigned kind = 0; kind < JSON_KINDS; kind++) {
        if ((kind & ~kinds) != 0)
            continue; /* the same as without */
        buf_clear(&f->once);
        json_form(&f->once, s, kind);
        emit(f, buf_str(&f->once), f->once.len);
        if (f->once.len == s.len)
            continue;
        buf_clear(&f->b);
        json_form(&f->b, buf_slice(&f->once), kind);
        emit(f, buf_str(&f->b), f->b.len);
    }
}

/* ---- URLs ---- */

static void url_form(struct forms *f, struct slice s, const char *kept, bool is_upper, bool blank_is_plus)
{
    buf_clear(&f->b);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c == ' ' && blank_is_plus)
            buf_putc(&f->b, '+');
        else if (c < 0x80 && (isalnum(c) || (c != 0 && strchr(kept, c) != NULL)))
            buf_putc(&f->b, (char)c);
        else
            buf_printf(&f->b, is_upper ? "%%%02X" : "%%%02x", c);
    }
    emit(f, buf_str(&f->b), f->b.len);
}

static void url_forms(struct forms *f, struct slice s)
{
    static const char *const kept[] = {
        "-._~",                 /* RFC 3986 */
        "-._~!*'()",            /* encodeURIComponent */
        "-._~/",                /* Python's quote */
        "-._~!*'();/?:@&=+$,#", /* encodeURI */
        "-._*",                 /* forms */
    };

    bool is_plain = true;

    for (size_t i = 0; i < s.len; i++)
        is_plain = is_plain && isalnum((unsigned char)s.ptr[i]) && (unsigned char)s.ptr[i] < 0x80;
    for (size_t k = 0; k < ARRAY_LEN(kept) && !is_plain; k++)
        for (unsigned i = 0; i < 4; i++)
            url_form(f, s, kept[k], (i & 1) == 0, (i & 2) != 0);
}

/* ---- all of them ---- */

static void text_forms(struct forms *f, struct slice s)
{
    if (s.len < MASK_SECRET_BYTES_MIN)
        return;
    emit(f, s.ptr, s.len);
    base64_forms(f, s);
    json_forms(f, s);
    url_forms(f, s);
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && isspace((unsigned char)s.ptr[0]))
        s = (struct slice){s.ptr + 1, s.len - 1};
    while (s.len > 0 && isspace((unsigned char)s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static void line_forms(struct forms *f, struct slice s)
{
    struct slice t = trimmed(s);

    if (t.len < s.len)
        text_forms(f, t);
    if (t.len == 0 || memchr(t.ptr, '\n', t.len) == NULL)
        return;
    for (size_t at = 0; at < t.len;) {
        const char *end = memchr(t.ptr + at, '\n', t.len - at);
        size_t n = end != NULL ? (size_t)(end - t.ptr) - at : t.len - at;

        text_forms(f, trimmed((struct slice){t.ptr + at, n}));
        at += n + 1;
    }
}

void mask_forms(struct slice secret, void (*each)(void *ctx, struct slice form), void *ctx)
{
    struct forms f = {.each = each, .ctx = ctx};

    CHECK(secret.len <= MASK_SECRETS_BYTES_MAX);
    buf_init(&f.b, MASK_FORM_BYTES_MAX);
    buf_init(&f.once, MASK_FORM_BYTES_MAX);
    (void)buf_reserve(&f.b, secret.len * 14 + 16); /* grown later it would leave copies behind */
    (void)buf_reserve(&f.once, secret.len * 6 + 16);
    text_forms(&f, secret);
    line_forms(&f, secret);
    mem_wipe(f.b.data, f.b.cap);
    mem_wipe(f.once.data, f.once.cap);
    buf_done(&f.b);
    buf_done(&f.once);
}
