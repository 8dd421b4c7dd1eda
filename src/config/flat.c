#include "config/flat.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/show.h"

#define SHOW_BYTES 60

struct reading {
    const char *file;
    struct arena *arena;
    struct flat *flat;
    struct buf *problems;
    yaml_parser_t parser;
    struct flat_item *item; /* whose value comes next; NULL: a key comes */
    bool in_list;
    bool failed;
};

char *flat_show(char *out, size_t size, const char *value)
{
    return show_text(out, size, value, SHOW_BYTES);
}

static void problem(struct reading *r, size_t line, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void problem(struct reading *r, size_t line, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    buf_printf(r->problems, "%s:%zu: %s\n", r->file, line, text);
    r->failed = true;
}

/* ---- events ---- */

static void on_key(struct reading *r, const yaml_event_t *ev)
{
    const char *text = (const char *)ev->data.scalar.value;
    size_t n = ev->data.scalar.length;
    size_t line = ev->start_mark.line + 1;
    const struct flat_item *other;
    char shown[100];

    if (n == 0 || n > FLAT_KEY_MAX || strlen(text) != n) {
        problem(r, line, "a name has 1 to %u characters", FLAT_KEY_MAX);
        return;
    }
    other = flat_find(r->flat, text);
    if (other != NULL) {
        problem(r, line, "%s: is there already, in line %d; remove one of them",
                flat_show(shown, sizeof(shown), text), other->line);
        return;
    }
    if (r->flat->n == FLAT_ITEMS_MAX) {
        problem(r, line, "more than %u names", FLAT_ITEMS_MAX);
        return;
    }
    r->item = &r->flat->items[r->flat->n];
    *r->item =
        (struct flat_item){.key = arena_strdup(r->arena, text), .line = (int)line, .last_line = (int)line};
}

static bool is_nothing(const yaml_event_t *ev)
{
    const char *text = (const char *)ev->data.scalar.value;

    return ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static void item_ends(struct reading *r, const yaml_event_t *ev)
{
    size_t last = ev->end_mark.line + (ev->end_mark.column > 0 ? 1 : 0);

    r->item->last_line = (int)last < r->item->line ? r->item->line : (int)last;
    r->flat->n++;
    r->item = NULL;
    r->in_list = false;
}

static void on_value(struct reading *r, const yaml_event_t *ev)
{
    struct flat_item *it = r->item;
    const char *text = (const char *)ev->data.scalar.value;
    size_t n = ev->data.scalar.length;
    size_t line = ev->start_mark.line + 1;

    if (strlen(text) != n) {
        problem(r, line, "%s: holds a NUL character", it->key);
        return;
    }
    if (it->n == FLAT_VALUES_MAX) {
        problem(r, line, "%s: has more than %u items", it->key, FLAT_VALUES_MAX);
        return;
    }
    if (!r->in_list && is_nothing(ev)) {
        it->is_null = true;
    } else {
        if (it->values == NULL)
            it->values = arena_alloc(r->arena, (r->in_list ? FLAT_VALUES_MAX : 1) * sizeof(*it->values));
        it->values[it->n++] = arena_strndup(r->arena, text, n);
    }
    if (!r->in_list)
        item_ends(r, ev);
}

static void on_scalar(struct reading *r, const yaml_event_t *ev)
{
    if (ev->data.scalar.anchor != NULL || ev->data.scalar.tag != NULL)
        problem(r, ev->start_mark.line + 1,
                "anchors (&) and tags (!) are not understood here; quote the text");
    else if (r->item == NULL)
        on_key(r, ev);
    else
        on_value(r, ev);
}

static void on_list(struct reading *r, const yaml_event_t *ev)
{
    size_t line = ev->start_mark.line + 1;

    if (r->item == NULL)
        problem(r, line, "a list where a name belongs; write one `name: value` a line");
    else if (r->in_list)
        problem(r, line, "%s: a list inside of a list", r->item->key);
    else if (ev->data.sequence_start.anchor != NULL || ev->data.sequence_start.tag != NULL)
        problem(r, line, "anchors (&) and tags (!) are not understood here; quote the text");
    r->in_list = true;
    if (r->item != NULL)
        r->item->is_list = true;
}

/* returns false at the end of the file */
static bool on_event(struct reading *r, const yaml_event_t *ev, int *documents, int *depth)
{
    size_t line = ev->start_mark.line + 1;

    switch (ev->type) {
    case YAML_STREAM_END_EVENT:
        return false;
    case YAML_DOCUMENT_START_EVENT:
        if (++*documents > 1)
            problem(r, line, "a second document (---); there is one in a file");
        break;
    case YAML_MAPPING_START_EVENT:
        if (++*depth > 1)
            problem(r, line, "%s: settings do not nest; write one `name: value` a line",
                    r->item != NULL ? r->item->key : "?");
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_list(r, ev);
        break;
    case YAML_SEQUENCE_END_EVENT:
        item_ends(r, ev);
        break;
    case YAML_SCALAR_EVENT:
        if (*depth != 1 && !is_nothing(ev)) /* an empty document is a scalar, too */
            problem(r, line, "one `name: value` a line is expected here");
        else if (*depth == 1)
            on_scalar(r, ev);
        break;
    case YAML_ALIAS_EVENT:
        problem(r, line, "aliases (*) are not understood here; quote the text");
        break;
    default:
        break;
    }
    return true;
}

static void syntax_problem(struct reading *r)
{
    const yaml_parser_t *p = &r->parser;
    size_t line = (p->problem_mark.line > 0 ? p->problem_mark.line : p->context_mark.line) + 1;

    if (p->error == YAML_READER_ERROR)
        problem(r, r->parser.mark.line + 1, "the text is not UTF-8, or holds control characters");
    else
        problem(r, line, "this is not YAML: %s%s%s", p->problem != NULL ? p->problem : "cannot be read",
                p->context != NULL ? " " : "", p->context != NULL ? p->context : "");
}

enum err flat_read(const char *file, struct slice text, struct arena *arena, struct flat *ret,
                   struct buf *problems)
{
    struct reading r = {.file = file, .arena = arena, .flat = ret, .problems = problems};
    int documents = 0;
    int depth = 0;
    bool more = true;

    *ret = (struct flat){.items = arena_alloc(arena, FLAT_ITEMS_MAX * sizeof(struct flat_item))};
    if (text.len > FLAT_BYTES_MAX) {
        buf_printf(problems, "%s: has more than %zu bytes\n", file, FLAT_BYTES_MAX);
        return ERR_INVALID;
    }
    CHECK(yaml_parser_initialize(&r.parser) == 1);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.ptr != NULL ? text.ptr : ""),
                                 text.len);
    while (more && !r.failed) {
        yaml_event_t ev;

        if (yaml_parser_parse(&r.parser, &ev) != 1) {
            syntax_problem(&r);
            break;
        }
        more = on_event(&r, &ev, &documents, &depth);
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&r.parser);
    return r.failed ? ERR_INVALID : ERR_OK;
}

void flat_wipe(struct flat *f)
{
    for (uint32_t i = 0; i < f->n; i++) {
        for (uint32_t k = 0; k < f->items[i].n; k++)
            sodium_memzero(f->items[i].values[k], strlen(f->items[i].values[k]));
    }
}

const struct flat_item *flat_find(const struct flat *f, const char *key)
{
    for (uint32_t i = 0; i < f->n; i++) {
        if (strcmp(f->items[i].key, key) == 0)
            return &f->items[i];
    }
    return NULL;
}

/* ---- writing ---- */

static void put_quoted(struct buf *out, const char *s)
{
    buf_putc(out, '"');
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '\t')
            buf_puts(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

/* Several lines are easier on the eye as a block; only where nothing needs escaping. */
static bool put_block(struct buf *out, const char *s)
{
    size_t n = strlen(s);

    if (strchr(s, '\n') == NULL || s[0] == ' ' || s[0] == '\n' ||
        (n > 1 && s[n - 1] == '\n' && s[n - 2] == '\n'))
        return false;
    for (const char *p = s; *p != '\0'; p++) {
        if ((*p < 0x20 && *p != '\n') || *p == 0x7f)
            return false;
    }
    buf_puts(out, s[n - 1] == '\n' ? "|" : "|-");
    while (*s != '\0') {
        size_t len = strcspn(s, "\n");

        buf_puts(out, "\n");
        if (len > 0)
            buf_puts(out, "  ");
        buf_put(out, s, len);
        s += len + (s[len] == '\n');
    }
    return true;
}

static void put_item(struct buf *out, const char *key, const char *const *values, uint32_t n, bool is_list)
{
    buf_printf(out, "%s: ", key);
    if (is_list)
        buf_putc(out, '[');
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            buf_puts(out, ", ");
        if (is_list || !put_block(out, values[i]))
            put_quoted(out, values[i]);
    }
    buf_puts(out, is_list ? "]\n" : "\n");
}

/* Where line `line` (from 1) begins; the end when there are fewer. */
static size_t line_at(struct slice text, int line)
{
    size_t at = 0;

    for (int i = 1; i < line && at < text.len; i++) {
        const char *end = memchr(text.ptr + at, '\n', text.len - at);

        at = end == NULL ? text.len : (size_t)(end - text.ptr) + 1;
    }
    return at;
}

/* Does the new text say what it should: everything as before, and the key its values? */
static bool is_as_meant(const struct flat *before, const struct flat *after, const char *key,
                        const char *const *values, uint32_t n)
{
    for (uint32_t i = 0; i < after->n; i++) {
        const struct flat_item *it = &after->items[i];
        const struct flat_item *was = flat_find(before, it->key);
        bool is_key = strcmp(it->key, key) == 0;

        if (!is_key && (was == NULL || was->n != it->n))
            return false;
        if (is_key && it->n != n)
            return false;
        for (uint32_t k = 0; k < it->n; k++) {
            if (strcmp(it->values[k], is_key ? values[k] : was->values[k]) != 0)
                return false;
        }
    }
    return flat_find(after, key) != NULL && after->n == before->n + (flat_find(before, key) == NULL);
}

enum err flat_set(const char *file, struct slice text, const char *key, const char *const *values, uint32_t n,
                  bool is_list, struct buf *out, struct buf *problems)
{
    struct arena arena;
    struct flat before;
    struct flat after = {0};
    const struct flat_item *it;
    struct buf ignored;
    enum err err;

    arena_init(&arena);
    buf_init(&ignored, KIB(64));
    err = flat_read(file, text, &arena, &before, problems);
    if (err == ERR_OK) {
        size_t from;
        size_t to;

        it = flat_find(&before, key);
        from = it != NULL ? line_at(text, it->line) : text.len;
        to = it != NULL ? line_at(text, it->last_line + 1) : text.len;
        if (from > 0)
            buf_put(out, text.ptr, from);
        if (from > 0 && text.ptr[from - 1] != '\n')
            buf_putc(out, '\n');
        put_item(out, key, values, n, is_list);
        if (to < text.len)
            buf_put(out, text.ptr + to, text.len - to);
        if (flat_read(file, buf_slice(out), &arena, &after, &ignored) != ERR_OK ||
            !is_as_meant(&before, &after, key, values, n)) {
            buf_printf(problems, "%s: %s cannot be set in a file that is written like this; edit it\n", file,
                       key);
            err = ERR_INVALID;
        }
    }
    flat_wipe(&before);
    flat_wipe(&after);
    arena_done(&arena);
    buf_done(&ignored);
    return err;
}
