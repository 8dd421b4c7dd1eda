/* tap_yaml.c - see tap_private.h. */
#include "report/tap_private.h"

#include <string.h>

void tap_yaml_init(struct tap_yaml *y)
{
    *y = (struct tap_yaml){.line = 0};
    text_init(&y->message, REPORT_TEXT_MAX - 8);
    text_init(&y->stack, REPORT_TEXT_MAX - 8);
    text_init(&y->exception, REPORT_NAME_MAX - 8);
    text_init(&y->file, REPORT_FILE_MAX - 8);
}

void tap_yaml_clear(struct tap_yaml *y)
{
    buf_clear(&y->message);
    buf_clear(&y->stack);
    buf_clear(&y->exception);
    buf_clear(&y->file);
    y->line = 0;
    y->ms = 0;
}

void tap_yaml_done(struct tap_yaml *y)
{
    buf_done(&y->message);
    buf_done(&y->stack);
    buf_done(&y->exception);
    buf_done(&y->file);
}

bool tap_number(const char *s, size_t n, uint32_t *ret, size_t *retlen)
{
    size_t i = 0;

    *ret = 0;
    while (i < n && s[i] >= '0' && s[i] <= '9') {
        if (i == 9)
            return false;
        *ret = *ret * 10 + (uint32_t)(s[i++] - '0');
    }
    *retlen = i;
    return i > 0;
}

double tap_decimal(const char *s, size_t n)
{
    double v = 0;
    double part = 1;
    bool is_fraction = false;

    for (size_t i = 0; i < n && i < 30; i++) {
        if (s[i] == '.' && !is_fraction) {
            is_fraction = true;
        } else if (s[i] >= '0' && s[i] <= '9') {
            if (is_fraction)
                v += (s[i] - '0') * (part /= 10);
            else
                v = v * 10 + (s[i] - '0');
        } else if (s[i] != ',') { /* some write 1,234.5 */
            break;
        }
    }
    return v;
}

/* ---- lines ---- */

static struct slice next_line(struct slice *text)
{
    const char *nl = text->len > 0 ? memchr(text->ptr, '\n', text->len) : NULL;
    struct slice line = {text->ptr, nl != NULL ? (size_t)(nl - text->ptr) : text->len};
    size_t used = nl != NULL ? line.len + 1 : line.len;

    text->ptr += used;
    text->len -= used;
    return line;
}

static size_t indent_of(struct slice s)
{
    size_t n = 0;

    while (n < s.len && s.ptr[n] == ' ')
        n++;
    return n;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && strchr(" \t\r", s.ptr[s.len - 1]) != NULL && s.ptr[s.len - 1] != '\0')
        s.len--;
    return s;
}

/* A quoted text without its quotes and escapes. */
static void put_quoted(struct buf *to, struct slice s)
{
    char quote = s.ptr[0];

    for (size_t i = 1; i < s.len; i++) {
        char c = s.ptr[i];

        if (quote == '\'' && c == '\'') {
            if (i + 1 >= s.len || s.ptr[i + 1] != '\'')
                return;
            i++;
        } else if (quote == '"' && c == '"') {
            return;
        } else if (quote == '"' && c == '\\' && i + 1 < s.len) {
            c = s.ptr[++i];
            c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
        }
        text_add(to, &c, 1);
    }
}

static void put_value(struct buf *to, struct slice v)
{
    if (v.len > 1 && (v.ptr[0] == '\'' || v.ptr[0] == '"'))
        put_quoted(to, v);
    else
        text_add(to, v.ptr, v.len);
}

/* The lines of a block that are indented deeper than `outer`; into `to` unless it is NULL. */
static void take_block(struct slice *text, size_t outer, struct buf *to)
{
    size_t inner = 0;

    while (text->len > 0) {
        struct slice rest = *text;
        struct slice line = next_line(&rest);
        size_t indent = indent_of(line);

        if (trim(line).len == 0) {
            if (to != NULL && to->len > 0)
                text_add(to, "\n", 1);
            *text = rest;
            continue;
        }
        if (indent <= outer)
            break;
        if (inner == 0)
            inner = indent;
        if (indent > inner)
            indent = inner;
        if (to != NULL) {
            text_add(to, line.ptr + indent, line.len - indent);
            text_add(to, "\n", 1);
        }
        *text = rest;
    }
    while (to != NULL && to->len > 0 && to->data[to->len - 1] == '\n')
        to->data[--to->len] = '\0';
}

/* "file:///work/a.js:12:5" -> "a.js", 12 */
static void put_place(struct tap_yaml *y, struct slice s, const char *root)
{
    size_t root_len = root != NULL ? strlen(root) : 0;
    uint32_t numbers[2] = {0, 0};
    int n = 0;

    if (y->file.len > 0)
        return;
    if (s.len > 7 && memcmp(s.ptr, "file://", 7) == 0) {
        s.ptr += 7;
        s.len -= 7;
    }
    if (root_len > 0 && s.len > root_len + 1 && memcmp(s.ptr, root, root_len) == 0 &&
        s.ptr[root_len] == '/') {
        s.ptr += root_len + 1;
        s.len -= root_len + 1;
    }
    while (n < 2) {
        size_t at = s.len;
        size_t used;
        uint32_t v;

        while (at > 0 && s.ptr[at - 1] >= '0' && s.ptr[at - 1] <= '9')
            at--;
        if (at == s.len || at < 2 || s.ptr[at - 1] != ':' || !tap_number(s.ptr + at, s.len - at, &v, &used))
            break;
        numbers[n++] = v;
        s.len = at - 1;
    }
    text_add(&y->file, s.ptr, s.len);
    if (n > 0)
        y->line = numbers[n - 1];
}

/* ---- keys ---- */

enum key { KEY_OTHER, KEY_MESSAGE, KEY_STACK, KEY_EXCEPTION, KEY_FILE, KEY_LINE, KEY_PLACE, KEY_MS };

static enum key key_of(struct slice s)
{
    static const struct {
        const char *name;
        enum key key;
    } keys[] = {{"message", KEY_MESSAGE}, {"error", KEY_MESSAGE},   {"stack", KEY_STACK},
                {"trace", KEY_STACK},     {"name", KEY_EXCEPTION},  {"file", KEY_FILE},
                {"line", KEY_LINE},       {"lineNumber", KEY_LINE}, {"location", KEY_PLACE},
                {"at", KEY_PLACE},        {"duration_ms", KEY_MS}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (slice_eq(s, slice_of(keys[i].name)))
            return keys[i].key;
    return KEY_OTHER;
}

static struct buf *text_of(struct tap_yaml *y, enum key k)
{
    struct buf *to = k == KEY_MESSAGE     ? &y->message
                     : k == KEY_STACK     ? &y->stack
                     : k == KEY_EXCEPTION ? &y->exception
                                          : NULL;

    return to != NULL && to->len > 0 ? NULL : to; /* the first one of a kind counts */
}

static void take_value(struct tap_yaml *y, enum key k, struct slice v, const char *root)
{
    struct buf *to = text_of(y, k);
    struct buf place;
    size_t used;

    if (to != NULL) {
        put_value(to, v);
    } else if (k == KEY_MS) {
        y->ms = tap_decimal(v.ptr, v.len);
    } else if (k == KEY_LINE) {
        if (y->line == 0 && !tap_number(v.ptr, v.len, &y->line, &used))
            y->line = 0;
    } else if (k == KEY_PLACE || k == KEY_FILE) {
        text_init(&place, REPORT_FILE_MAX - 8);
        put_value(&place, v);
        put_place(y, buf_slice(&place), root);
        buf_done(&place);
    }
}

void tap_yaml_read(struct tap_yaml *y, struct slice text, const char *root)
{
    bool below_at = false;

    while (text.len > 0) {
        struct slice line = next_line(&text);
        size_t indent = indent_of(line);
        const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
        struct slice v;
        enum key k;

        if (indent == 0)
            below_at = false;
        if (colon == NULL || (indent > 0 && !below_at))
            continue;
        k = key_of(trim((struct slice){line.ptr, (size_t)(colon - line.ptr)}));
        if (indent > 0 && k != KEY_FILE && k != KEY_LINE)
            continue;
        v = trim((struct slice){colon + 1, line.len - (size_t)(colon + 1 - line.ptr)});
        if (v.len == 0 && k == KEY_PLACE)
            below_at = true;
        else if (v.len > 0 && v.len <= 3 && (v.ptr[0] == '|' || v.ptr[0] == '>'))
            take_block(&text, indent, text_of(y, k));
        else if (v.len > 0)
            take_value(y, k, v, root);
    }
}
