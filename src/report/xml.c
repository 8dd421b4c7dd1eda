/* xml.c - see xml.h. A state a byte; a state's function takes the byte. */
#include "report/xml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "report/report.h"

void xml_init(struct xml *x, const struct xml_handler *handler, void *ctx)
{
    memset(x, 0, sizeof(*x));
    x->handler = handler;
    x->ctx = ctx;
    x->line = 1;
    for (uint32_t i = 0; i < XML_ATTRS_MAX; i++)
        text_init(&x->attrs[i].value, XML_VALUE_MAX);
    text_init(&x->declaration, 512);
}

void xml_done(struct xml *x)
{
    for (uint32_t i = 0; i < XML_ATTRS_MAX; i++)
        buf_done(&x->attrs[i].value);
    buf_done(&x->declaration);
}

static void fail(struct xml *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fail(struct xml *x, const char *fmt, ...)
{
    va_list ap;

    if (x->state == XML_FAILED)
        return;
    x->state = XML_FAILED;
    va_start(ap, fmt);
    (void)vsnprintf(x->why, sizeof(x->why), fmt, ap);
    va_end(ap);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' ||
           u == ':' || u == '-' || u == '.' || u >= 0x80;
}

static bool name_add(struct xml *x, char c)
{
    if (x->name_len + 1 >= XML_NAME_MAX) {
        fail(x, "a name has more than %u bytes", XML_NAME_MAX - 1);
        return false;
    }
    x->name[x->name_len++] = c;
    x->name[x->name_len] = '\0';
    return true;
}

static void name_clear(struct xml *x)
{
    x->name_len = 0;
    x->name[0] = '\0';
}

static void put(struct xml *x, const char *s, size_t n)
{
    if (x->state == XML_ATTR_VALUE)
        text_add(&x->attrs[x->n_attrs].value, s, n);
    else if (x->depth > 0)
        x->handler->text(x->ctx, s, n);
}

/* ---- entities ---- */

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* "#233" or "#xe9"; false when it is no character. */
static bool char_of(const char *s, uint32_t *ret)
{
    uint32_t base = s[1] == 'x' ? 16 : 10;
    uint32_t v = 0;
    const char *p = s + (base == 16 ? 2 : 1);

    if (*p == '\0')
        return false;
    for (; *p != '\0'; p++) {
        uint32_t digit = *p >= '0' && *p <= '9'   ? (uint32_t)(*p - '0')
                         : *p >= 'a' && *p <= 'f' ? (uint32_t)(*p - 'a') + 10
                         : *p >= 'A' && *p <= 'F' ? (uint32_t)(*p - 'A') + 10
                                                  : 99;

        if (digit >= base || v > 0x10ffff)
            return false;
        v = v * base + digit;
    }
    *ret = v;
    return v <= 0x10ffff && !(v >= 0xd800 && v <= 0xdfff);
}

static void entity_end(struct xml *x)
{
    static const struct {
        const char *name;
        const char *text;
    } known[] = {{"lt", "<"}, {"gt", ">"}, {"amp", "&"}, {"quot", "\""}, {"apos", "'"}};
    char out[4];
    uint32_t c;

    x->in_entity = false;
    x->word[x->word_len] = '\0';
    if (x->word[0] == '#' && char_of(x->word, &c)) {
        put(x, out, put_utf8(out, c));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(x->word, known[i].name) == 0) {
            put(x, known[i].text, 1);
            return;
        }
    }
    fail(x, "the entity &%.40s; is not known: only those of XML itself are", x->word);
}

static void entity_char(struct xml *x, char c)
{
    if (c == ';')
        entity_end(x);
    else if ((is_name(c) || c == '#') && x->word_len + 1 < 16)
        x->word[x->word_len++] = c;
    else
        fail(x, "a bare \"&\": it is written &amp;");
}

static void entity_begin(struct xml *x)
{
    x->in_entity = true;
    x->word_len = 0;
}

/* ---- elements ---- */

static void element_open(struct xml *x)
{
    if (x->depth == XML_DEPTH_MAX) {
        fail(x, "elements are nested deeper than %u", XML_DEPTH_MAX);
        return;
    }
    if (x->depth == 0 && x->had_root) {
        fail(x, "there is a second root element <%.60s>", x->name);
        return;
    }
    x->had_root = true;
    memcpy(x->names[x->depth++], x->name, x->name_len + 1);
    x->handler->open(x->ctx, x->name, x->attrs, x->n_attrs);
    x->state = XML_TEXT;
}

static void element_close(struct xml *x)
{
    if (x->depth == 0 || strcmp(x->names[x->depth - 1], x->name) != 0) {
        fail(x, "</%.60s> closes %s%.60s%s", x->name, x->depth > 0 ? "<" : "nothing",
             x->depth > 0 ? x->names[x->depth - 1] : "", x->depth > 0 ? ">" : "");
        return;
    }
    x->depth--;
    x->state = XML_TEXT;
    x->handler->close(x->ctx, x->name);
}

/* ---- the declaration ---- */

static bool has_encoding(const char *text, const char *name)
{
    size_t n = strlen(name);

    return strncasecmp(text, name, n) == 0 && (text[n] == '"' || text[n] == '\'');
}

static void declaration_end(struct xml *x)
{
    const char *text = buf_str(&x->declaration);
    const char *e;

    if (strncmp(text, "xml", 3) != 0 || !is_space(text[3]))
        return; /* another instruction: not for us */
    e = strstr(text, "encoding");
    if (e == NULL)
        return;
    e += 8;
    while (is_space(*e) || *e == '=')
        e++;
    if (*e != '"' && *e != '\'')
        return;
    e++;
    if (!has_encoding(e, "utf-8") && !has_encoding(e, "utf8") && !has_encoding(e, "us-ascii") &&
        !has_encoding(e, "ascii"))
        fail(x, "its encoding is %.*s: write it as UTF-8",
             (int)strnlen(e, 40) < (int)strcspn(e, "\"'") ? 40 : (int)strcspn(e, "\"'"), e);
}

/* ---- states ---- */

static void in_text(struct xml *x, char c)
{
    if (c == '<') {
        x->state = XML_TAG;
    } else if (x->depth == 0) {
        if (!is_space(c))
            fail(x, "it is not XML: there is text where an element should begin");
    } else if (c == '&') {
        entity_begin(x);
    } else {
        x->handler->text(x->ctx, &c, 1);
    }
}

static void in_tag_begin(struct xml *x, char c)
{
    name_clear(x);
    x->n_attrs = 0;
    x->word_len = 0;
    x->ends = 0;
    if (c == '/') {
        x->state = XML_CLOSE;
    } else if (c == '!') {
        x->state = XML_BANG;
    } else if (c == '?') {
        buf_clear(&x->declaration);
        x->state = XML_PI;
    } else if (is_name(c)) {
        x->state = XML_NAME;
        (void)name_add(x, c);
    } else {
        fail(x, "a bare \"<\": it is written &lt;");
    }
}

static void in_tag(struct xml *x, char c)
{
    if (is_space(c)) {
        x->state = XML_IN_TAG;
    } else if (c == '>') {
        element_open(x);
    } else if (c == '/') {
        x->state = XML_EMPTY;
    } else if (is_name(c) && x->state == XML_NAME) {
        (void)name_add(x, c);
    } else if (is_name(c)) {
        if (x->n_attrs == XML_ATTRS_MAX) {
            fail(x, "an element has more than %u attributes", XML_ATTRS_MAX);
            return;
        }
        x->state = XML_ATTR_NAME;
        x->attrs[x->n_attrs].name[0] = c;
        x->attrs[x->n_attrs].name[1] = '\0';
        buf_clear(&x->attrs[x->n_attrs].value);
    } else {
        fail(x, "the tag <%.60s> is broken", x->name);
    }
}

static void in_attr_name(struct xml *x, char c)
{
    char *name = x->attrs[x->n_attrs].name;
    size_t n = strlen(name);

    if (c == '=') {
        x->state = XML_ATTR_QUOTE;
    } else if (is_space(c)) {
        x->state = XML_ATTR_EQ;
    } else if (is_name(c) && n + 1 < XML_NAME_MAX) {
        name[n] = c;
        name[n + 1] = '\0';
    } else {
        fail(x, "an attribute of <%.60s> is broken", x->name);
    }
}

static void in_attr_value(struct xml *x, char c)
{
    if (c == x->quote) {
        x->n_attrs++;
        x->state = XML_IN_TAG;
    } else if (c == '&') {
        entity_begin(x);
    } else if (c == '<') {
        fail(x, "\"<\" in an attribute of <%.60s>: it is written &lt;", x->name);
    } else {
        put(x, &c, 1); /* a line's end stays one, whatever XML says: messages are easier to read so */
    }
}

static void in_close(struct xml *x, char c)
{
    if (c == '>')
        element_close(x);
    else if (is_space(c))
        x->state = XML_CLOSE_END;
    else if (!is_name(c))
        fail(x, "a closing tag is broken");
    else
        (void)name_add(x, c);
}

/* Is what follows "<!" so far the beginning of `word`, with more of it to come? By length: a NUL is a character here. */
static bool begins_as(const struct xml *x, const char *word)
{
    return x->word_len < strlen(word) && memcmp(x->word, word, x->word_len) == 0;
}

static void in_bang(struct xml *x, char c)
{
    x->word[x->word_len++] = c;
    x->word[x->word_len] = '\0';
    if (strcmp(x->word, "--") == 0)
        x->state = XML_COMMENT;
    else if (strcmp(x->word, "[CDATA[") == 0 && x->depth > 0)
        x->state = XML_CDATA;
    else if (!begins_as(x, "--") && !begins_as(x, "[CDATA["))
        fail(x,
             c == 'D' ? "it has a document type (<!DOCTYPE): that is refused"
                      : "\"<!%.20s\" makes no sense there",
             x->word);
}

/* "-->", "]]>" or "?>": how many of its characters have been seen; the last one ends the state. */
static bool ends_with(struct xml *x, char c, char mark, uint32_t n)
{
    if (c == '>' && x->ends >= n)
        return true;
    x->ends = c == mark ? (x->ends < n ? x->ends + 1 : n) : 0;
    return false;
}

static void in_cdata(struct xml *x, char c)
{
    uint32_t before = x->ends;

    if (ends_with(x, c, ']', 2)) {
        x->state = XML_TEXT;
        return;
    }
    if (c == ']' && before == 2) { /* "]]]": the first is text */
        put(x, "]", 1);
    } else if (c != ']') {
        if (before > 0)
            put(x, "]]", before);
        put(x, &c, 1);
    }
}

static void in_pi(struct xml *x, char c)
{
    if (ends_with(x, c, '?', 1)) {
        x->state = XML_TEXT;
        declaration_end(x);
        return;
    }
    text_add(&x->declaration, &c, 1);
}

static void take(struct xml *x, char c)
{
    if (x->in_entity) {
        entity_char(x, c);
        return;
    }
    switch (x->state) {
    case XML_TEXT:
        in_text(x, c);
        break;
    case XML_TAG:
        in_tag_begin(x, c);
        break;
    case XML_NAME:
    case XML_IN_TAG:
        in_tag(x, c);
        break;
    case XML_ATTR_NAME:
        in_attr_name(x, c);
        break;
    case XML_ATTR_EQ:
    case XML_ATTR_QUOTE:
        if (x->state == XML_ATTR_EQ && c == '=') {
            x->state = XML_ATTR_QUOTE;
        } else if (x->state == XML_ATTR_QUOTE && (c == '"' || c == '\'')) {
            x->quote = c;
            x->state = XML_ATTR_VALUE;
        } else if (!is_space(c)) {
            fail(x, "the attribute %.60s of <%.60s> has no quoted value", x->attrs[x->n_attrs].name, x->name);
        }
        break;
    case XML_ATTR_VALUE:
        in_attr_value(x, c);
        break;
    case XML_EMPTY:
        if (c != '>') {
            fail(x, "the tag <%.60s> is broken", x->name);
            break;
        }
        element_open(x);
        if (x->state == XML_TEXT)
            element_close(x);
        break;
    case XML_CLOSE:
        in_close(x, c);
        break;
    case XML_CLOSE_END:
        if (c == '>')
            element_close(x);
        else if (!is_space(c))
            fail(x, "a closing tag is broken");
        break;
    case XML_BANG:
        in_bang(x, c);
        break;
    case XML_COMMENT:
        if (ends_with(x, c, '-', 2))
            x->state = XML_TEXT;
        break;
    case XML_CDATA:
        in_cdata(x, c);
        break;
    case XML_PI:
        in_pi(x, c);
        break;
    case XML_FAILED:
        break;
    }
}

/* The mark at the very beginning, or the first byte of what is not UTF-8. True: it is not for take(). */
static bool is_mark(struct xml *x, unsigned char c)
{
    static const unsigned char bom[] = {0xef, 0xbb, 0xbf};

    if (x->at == 0 && (c == 0xfe || c == 0xff || c == 0)) {
        fail(x, "its encoding is UTF-16 or UTF-32: write it as UTF-8");
        return true;
    }
    if (x->at > 2 || c != bom[x->at])
        return false;
    if (x->at == 0 || x->word_len == x->at) {
        x->word_len++; /* so much of the mark was there */
        return true;
    }
    return false;
}

bool xml_feed(struct xml *x, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n && x->state != XML_FAILED; i++) {
        if (!is_mark(x, (unsigned char)bytes[i]))
            take(x, bytes[i]);
        if (x->state != XML_FAILED)
            x->line += bytes[i] == '\n';
        x->at++;
    }
    return x->state != XML_FAILED;
}

bool xml_end(struct xml *x)
{
    if (!x->had_root)
        fail(x, "it is empty");
    else if (x->depth > 0)
        fail(x, "it ends in the middle: <%.60s> is open", x->names[x->depth - 1]);
    else if (x->state != XML_TEXT)
        fail(x, "it ends in the middle of a tag");
    return x->state != XML_FAILED;
}
