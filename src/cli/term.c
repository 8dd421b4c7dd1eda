#include "cli/term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/json_out.h"

#define WIDTH_UNKNOWN 80
#define SEQUENCE_BYTES_MAX 64u /* a longer "colour" is none */
#define TEXT_BYTES_MAX \
    KIB(64) /* what is shown of one text; nobody reads more, and a peer decides its length */
#define CELL_BYTES_MAX MIB(1)

static const char *const color_codes[] = {"", "31", "32", "33", "36", "1", "2"};
_Static_assert(ARRAY_LEN(color_codes) == COLOR_COUNT, "a code per colour");

void term_resize(struct term *t, int fd)
{
    struct winsize ws;

    t->width = WIDTH_UNKNOWN;
    if (ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
        t->width = ws.ws_col;
}

void term_init(struct term *t, int fd, const char *color)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    (void)setlocale(LC_CTYPE, "");
    t->is_tty = isatty(fd) && (term == NULL || strcmp(term, "dumb") != 0);
    t->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    t->color = t->is_tty && (no_color == NULL || no_color[0] == '\0');
    if (strcmp(color, "auto") != 0)
        t->color = strcmp(color, "always") == 0;
    term_resize(t, fd);
}

void term_paint(struct buf *out, const struct term *t, enum color c, const char *s)
{
    if (t->color && c != COLOR_NONE)
        buf_printf(out, "\033[%sm%s\033[0m", color_codes[c], s);
    else
        buf_puts(out, s);
}

/* ---- characters ---- */

static uint32_t code_point(const char *s, int n)
{
    const unsigned char *u = (const unsigned char *)s;

    switch (n) {
    case 2:
        return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    case 3:
        return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    case 4:
        return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
    default:
        return u[0];
    }
}

/* Controls of both ranges, line separators, and what changes the direction of the text around it. */
static bool is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
           (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
           c == 0xfeff;
}

static void escape_one(struct buf *out, uint32_t c)
{
    static const char names[] = "\n\t\r";
    static const char letters[] = "ntr";
    const char *p = c != 0 && c < 0x80 ? strchr(names, (int)c) : NULL;

    if (p != NULL)
        buf_printf(out, "\\%c", letters[p - names]);
    else
        buf_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
}

static void escape_n(struct buf *out, const char *s, size_t n, const char *indent)
{
    for (size_t i = 0; i < n;) {
        int len = utf8_next(s + i, n - i);
        uint32_t c = len > 0 ? code_point(s + i, len) : (unsigned char)s[i];

        if (c == '\n' && indent != NULL)
            buf_printf(out, "\n%s", i + 1 < n && s[i + 1] == '\n' ? "" : indent);
        else if (len <= 0)
            buf_printf(out, "\\x%02x", c);
        else if (is_harmful(c))
            escape_one(out, c);
        else
            buf_put(out, s + i, (size_t)len);
        i += len > 0 ? (size_t)len : 1;
    }
}

/* The text, or as much of it as is shown; the cut is between characters. */
static void escape_cut(struct buf *out, const char *s, size_t n, const char *indent)
{
    if (n <= TEXT_BYTES_MAX) {
        escape_n(out, s, n, indent);
        return;
    }
    escape_n(out, s, utf8_whole(s, TEXT_BYTES_MAX), indent);
    buf_puts(out, "...");
}

void text_escape(struct buf *out, const char *s)
{
    escape_cut(out, s, strlen(s), NULL);
}

void text_escape_lines(struct buf *out, const char *s, const char *indent)
{
    size_t n = strlen(s);

    while (n > 0 && (s[n - 1] == '\n' || s[n - 1] == '\r'))
        n--;
    escape_cut(out, s, n, indent);
}

/* Ranges that take two columns or none; whatever is not here takes one. From Unicode's EastAsianWidth and the
 * combining blocks, coarse on purpose: a column too many is a shorter bar, not a wrong result. */
static const struct {
    uint32_t first, last;
    int width;
} widths[] = {
    {0x0300, 0x036f, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05bd, 0},   {0x064b, 0x065f, 0},
    {0x1100, 0x115f, 2},   {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},   {0x200b, 0x200d, 0},
    {0x20d0, 0x20ff, 0},   {0x231a, 0x231b, 2},   {0x23e9, 0x23ec, 2},   {0x2e80, 0x303e, 2},
    {0x3041, 0xa4cf, 2},   {0xa960, 0xa97f, 2},   {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},
    {0xfe00, 0xfe0f, 0},   {0xfe10, 0xfe19, 2},   {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},
    {0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2}, {0x1f680, 0x1f6ff, 2},
    {0x1f900, 0x1faff, 2}, {0x20000, 0x3fffd, 2},
};

static int char_width(uint32_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(widths) && c >= widths[i].first; i++) {
        if (c <= widths[i].last)
            return widths[i].width;
    }
    return 1;
}

int text_width(const char *s)
{
    size_t n = strlen(s);
    int sum = 0;

    for (size_t i = 0; i < n;) {
        int len = utf8_next(s + i, n - i);

        sum += len > 0 ? char_width(code_point(s + i, len)) : 1;
        i += len > 0 ? (size_t)len : 1;
    }
    return sum;
}

void text_pad(struct buf *out, int columns)
{
    for (int i = 0; i < columns; i++)
        buf_putc(out, ' ');
}

void text_shell_word(struct buf *out, const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+";
    size_t n = strlen(s);

    if (n > 0 && strspn(s, plain) == n) {
        buf_puts(out, s);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c == 0x7f) { /* only $'…' can name these, and it must be all of the word */
            buf_puts(out, "$'");
            for (const char *p = s; *p != '\0'; p++) {
                c = (unsigned char)*p;
                if (c == '\'' || c == '\\')
                    buf_printf(out, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                    buf_printf(out, "\\%03o", c);
                else
                    buf_putc(out, (char)c);
            }
            buf_putc(out, '\'');
            return;
        }
    }
    buf_putc(out, '\'');
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            buf_puts(out, "'\\''");
        else
            buf_putc(out, *s);
    }
    buf_putc(out, '\'');
}

void text_duration(struct buf *out, int64_t ms)
{
    int64_t s = ms / 1000;

    if (ms < 0)
        buf_puts(out, "-");
    else if (s < 60)
        buf_printf(out, "%lld.%llds", (long long)s, (long long)(ms % 1000 / 100));
    else if (s < 3600)
        buf_printf(out, "%lldm %02llds", (long long)(s / 60), (long long)(s % 60));
    else
        buf_printf(out, "%lldh %02lldm", (long long)(s / 3600), (long long)(s % 3600 / 60));
}

void text_bytes(struct buf *out, int64_t n)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double v = (double)n / 1024;
    size_t unit = 0;

    if (n < 1024) {
        text_count(out, n, "byte", "bytes");
        return;
    }
    while (v >= 1023.95 && unit + 1 < ARRAY_LEN(units)) { /* what would be shown as 1024.0 */
        v /= 1024;
        unit++;
    }
    buf_printf(out, "%.1f %s", v, units[unit]);
}

void text_count(struct buf *out, int64_t n, const char *one, const char *many)
{
    buf_printf(out, "%lld %s", (long long)n, n == 1 ? one : many);
}

/* ---- outcomes ---- */

static const struct look looks[] = {
    [OUTCOME_NONE] = {"\xc2\xb7", ".", "waiting", COLOR_DIM},
    [OUTCOME_PASSED] = {"\xe2\x9c\x93", "+", "passed", COLOR_GREEN},
    [OUTCOME_STOPPED] = {"\xe2\x96\xa0", "-", "stopped", COLOR_YELLOW},
    [OUTCOME_NO_TESTS] = {"\xe2\x97\x8c", "o", "no tests", COLOR_YELLOW},
    [OUTCOME_FAILED] = {"\xe2\x9c\x97", "x", "failed", COLOR_RED},
    [OUTCOME_TIMED_OUT] = {"\xe2\x8f\xb1", "T", "timed out", COLOR_RED},
    [OUTCOME_ERROR] = {"!", "!", "error", COLOR_RED},
    [OUTCOME_INFRASTRUCTURE] = {"\xe2\x9a\xa0", "?", "machine failed", COLOR_CYAN},
};
_Static_assert(ARRAY_LEN(looks) == OUTCOME_COUNT, "a look per outcome");

const struct look *look_of(enum outcome o)
{
    return &looks[o < OUTCOME_COUNT ? o : OUTCOME_NONE];
}

const char *look_mark(const struct look *l, const struct term *t)
{
    return t->utf8 ? l->utf8 : l->ascii;
}

/* ---- log output ---- */

void log_filter_init(struct log_filter *f)
{
    f->drop_colors = false;
    buf_init(&f->held, KIB(1));
}

void log_filter_done(struct log_filter *f)
{
    buf_done(&f->held);
}

/* Length of the colour sequence ESC [ digits;digits m at s; 0: it is none; -1: more bytes are needed. */
static int sgr_length(const char *s, size_t n)
{
    if (n >= 2 && s[1] != '[')
        return 0;
    for (size_t i = 2; i < n && i < SEQUENCE_BYTES_MAX; i++) {
        if (s[i] == 'm')
            return (int)i + 1;
        if ((s[i] < '0' || s[i] > '9') && s[i] != ';' && s[i] != ':')
            return 0;
    }
    return n < SEQUENCE_BYTES_MAX ? -1 : 0;
}

/* Append what can be decided of s; returns how many bytes that were. */
static size_t filter_some(const char *s, size_t n, bool is_end, bool drop_colors, struct buf *out)
{
    size_t i = 0;

    while (i < n) {
        int len = utf8_next(s + i, n - i);
        uint32_t c = len > 0 ? code_point(s + i, len) : (unsigned char)s[i];
        int take = len > 0 ? len : 1;

        if (c == 0x1b)
            take = sgr_length(s + i, n - i);
        if ((take < 0 || len < 0 || (c == '\r' && i + 1 == n)) && !is_end)
            break;
        if (c == 0x1b && take > 0) {
            if (!drop_colors)
                buf_put(out, s + i, (size_t)take);
        } else if (c == '\n' || c == '\t' || (c == '\r' && i + 1 < n && s[i + 1] == '\n')) {
            buf_putc(out, (char)c);
        } else if (len <= 0) {
            buf_printf(out, "\\x%02x", c);
        } else if (is_harmful(c)) {
            escape_one(out, c);
        } else {
            buf_put(out, s + i, (size_t)len);
        }
        i += take > 0 ? (size_t)take : 1;
    }
    return i;
}

void log_filter_feed(struct log_filter *f, const char *bytes, size_t n, struct buf *out)
{
    size_t used;

    while (f->held.len > 0 && n > 0) { /* finish what the last chunk began */
        buf_putc(&f->held, *bytes++);
        n--;
        used = filter_some(buf_str(&f->held), f->held.len, false, f->drop_colors, out);
        buf_consume(&f->held, used);
    }
    used = filter_some(bytes, n, false, f->drop_colors, out);
    if (used < n)
        buf_put(&f->held, bytes + used, n - used);
}

void log_filter_end(struct log_filter *f, struct buf *out)
{
    (void)filter_some(buf_str(&f->held), f->held.len, true, f->drop_colors, out);
    buf_clear(&f->held);
}

/* ---- tables ---- */

void table_init(struct table *t, size_t columns)
{
    *t = (struct table){.columns = columns};
}

void table_done(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct table){.columns = t->columns};
}

void table_cell(struct table *t, const char *text)
{
    struct buf b;

    buf_init(&b, CELL_BYTES_MAX);
    text_escape(&b, text);
    t->cells = xrealloc(t->cells, (t->n + 1) * sizeof(*t->cells));
    t->cells[t->n++] = buf_take(&b, NULL);
}

void table_cellf(struct table *t, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    table_cell(t, text);
}

void table_print(const struct table *t, const struct term *term, struct buf *out)
{
    int *wide = xcalloc(t->columns, sizeof(*wide));

    for (size_t i = 0; i < t->n; i++) {
        int w = text_width(t->cells[i]);

        if (w > wide[i % t->columns])
            wide[i % t->columns] = w;
    }
    for (size_t i = 0; i < t->n; i++) {
        bool is_last = i % t->columns == t->columns - 1;

        term_paint(out, term, i < t->columns ? COLOR_BOLD : COLOR_NONE, t->cells[i]);
        if (is_last)
            buf_putc(out, '\n');
        else
            text_pad(out, wide[i % t->columns] - text_width(t->cells[i]) + 2);
    }
    free(wide);
}
