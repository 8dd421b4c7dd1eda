#include "report/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/json_out.h"

#define CUT "\xe2\x80\xa6"
#define NUL_PICTURE "\xe2\x90\x80"
#define REPLACEMENT "\xef\xbf\xbd"
#define ESCAPE_GROWTH 6u

/* Before it is known whether a line fits: every text at its limit, every byte escaped. */
#define LINE_BYTES_MAX                                                                                  \
    (ESCAPE_GROWTH * (3 * REPORT_TEXT_MAX + REPORT_FILE_MAX +                                           \
                      (REPORT_FRAMES_MAX + 3 * REPORT_DEPTH_MAX + 2) * (size_t)(REPORT_NAME_MAX + 8)) + \
     KIB(4))

/* How much of what is long goes in: less, when a line would be too long. */
struct limits {
    size_t text;
    uint32_t frames;
    size_t name;
};

static const struct limits steps[] = {
    {REPORT_TEXT_MAX, REPORT_FRAMES_MAX, REPORT_NAME_MAX},
    {KIB(32), 50, REPORT_NAME_MAX},
    {KIB(8), 20, 500},
    {KIB(2), 5, 200},
};

void report_init(struct report *r, report_sink *sink, void *ctx)
{
    *r = (struct report){.sink = sink, .ctx = ctx};
    buf_init(&r->line, LINE_BYTES_MAX);
}

void report_done(struct report *r)
{
    buf_done(&r->line);
}

/* ---- texts ---- */

void text_init(struct buf *b, size_t max)
{
    buf_init(b, max + sizeof(CUT));
}

void text_add(struct buf *b, const char *s, size_t n)
{
    size_t max = b->max - sizeof(CUT);
    size_t room = b->len < max ? max - b->len : 0;

    if (b->len > max)
        return; /* it was cut already */
    if (n <= room) {
        buf_put(b, s, n);
        return;
    }
    while (room > 0 && ((unsigned char)s[room] & 0xc0) == 0x80)
        room--;
    buf_put(b, s, room);
    if (b->len < max) /* so that its length tells that it was cut */
        buf_put(b, "      ", max - b->len < 6 ? max - b->len : 6);
    buf_puts(b, CUT);
}

/* How much of s is taken: at most max bytes with the mark of the cut. */
static size_t cut_at(struct slice s, size_t max, bool *retcut)
{
    size_t n = s.len;

    *retcut = n > max;
    if (*retcut) {
        n = max - (sizeof(CUT) - 1);
        while (n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
            n--;
    }
    return n;
}

static void put_char(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"':
        buf_puts(b, "\\\"");
        break;
    case '\\':
        buf_puts(b, "\\\\");
        break;
    case '\n':
        buf_puts(b, "\\n");
        break;
    case '\r':
        buf_puts(b, "\\r");
        break;
    case '\t':
        buf_puts(b, "\\t");
        break;
    case '\0':
        buf_puts(b, NUL_PICTURE);
        break;
    default:
        if (c < 0x20)
            buf_printf(b, "\\u%04x", c);
        else
            buf_putc(b, (char)c);
    }
}

/* A JSON string in the plainest form: secrets are looked for in that (base/mask.h). */
static void put_text(struct buf *b, struct slice s, size_t max)
{
    bool is_cut;
    size_t n = cut_at(s, max, &is_cut);
    size_t i = 0;

    buf_putc(b, '"');
    while (i < n) {
        int len = utf8_next(s.ptr + i, n - i);

        if (len == 1)
            put_char(b, (unsigned char)s.ptr[i]);
        else if (len > 1)
            buf_put(b, s.ptr + i, (size_t)len);
        else
            buf_puts(b, REPLACEMENT);
        i += len > 0 ? (size_t)len : 1;
    }
    if (is_cut)
        buf_puts(b, CUT);
    buf_putc(b, '"');
}

static void put_field(struct buf *b, const char *key, struct slice s, size_t max)
{
    if (s.len == 0)
        return;
    buf_printf(b, ",\"%s\":", key);
    put_text(b, s, max);
}

static void put_path(struct buf *b, const struct slice *path, uint32_t n, size_t max)
{
    struct buf id;
    bool first = true;

    buf_init(&id, (REPORT_NAME_MAX + 8) * (REPORT_DEPTH_MAX + 1));
    buf_puts(b, ",\"path\":[");
    for (uint32_t i = 0; i < n && i < REPORT_DEPTH_MAX; i++) {
        bool is_cut;
        size_t len = cut_at(path[i], max, &is_cut);

        if (len == 0)
            continue;
        if (!first)
            buf_putc(b, ',');
        put_text(b, path[i], max);
        if (!first)
            buf_puts(&id, " > ");
        buf_put(&id, path[i].ptr, len);
        first = false;
    }
    buf_puts(b, "],\"id\":");
    put_text(b, buf_slice(&id), max);
    buf_done(&id);
}

static void put_frames(struct buf *b, struct slice text, const struct limits *l)
{
    const char *end;
    uint32_t n = 0;

    if (text.len == 0)
        return;
    end = text.ptr + text.len;
    buf_puts(b, ",\"backtrace\":[");
    for (const char *p = text.ptr; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        struct slice line = {p, (size_t)((nl != NULL ? nl : end) - p)};

        p = nl != NULL ? nl + 1 : end;
        while (line.len > 0 && strchr(" \t\r", line.ptr[line.len - 1]) != NULL &&
               line.ptr[line.len - 1] != '\0')
            line.len--;
        if (line.len == 0)
            continue;
        if (n > 0)
            buf_putc(b, ',');
        if (++n >= l->frames) {
            buf_puts(b, "\"" CUT "\"");
            break;
        }
        put_text(b, line, l->name);
    }
    buf_putc(b, ']');
}

static void send(struct report *r)
{
    r->sink(r->ctx, r->line.data, r->line.len);
    buf_clear(&r->line);
}

/* ---- lines ---- */

void report_start(struct report *r, const char *adapter, const char *version)
{
    if (r->started)
        return;
    r->started = true;
    buf_printf(&r->line, "{\"e\":\"start\",\"v\":1,\"adapter\":\"%s\",\"version\":", adapter);
    put_text(&r->line, slice_of(version), REPORT_NAME_MAX);
    buf_puts(&r->line, ",\"discovered\":0}\n");
    send(r);
}

void report_plan(struct report *r, uint32_t more)
{
    if (more == 0)
        return;
    buf_printf(&r->line, "{\"e\":\"plan\",\"discovered\":%u}\n", more);
    send(r);
}

void report_not_run(struct report *r, uint32_t n, const char *fmt, ...)
{
    char why[512];
    va_list ap;

    if (n == 0)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    buf_printf(&r->line, "{\"e\":\"not_run\",\"count\":%u", n);
    put_field(&r->line, "why", slice_of(why), REPORT_NAME_MAX);
    buf_puts(&r->line, "}\n");
    send(r);
}

void report_running(struct report *r, const struct slice *path, uint32_t n)
{
    buf_puts(&r->line, "{\"e\":\"running\"");
    put_path(&r->line, path, n, REPORT_NAME_MAX);
    buf_puts(&r->line, "}\n");
    send(r);
}

static void put_example(struct buf *b, const struct report_example *e, const struct limits *l)
{
    static const char *const statuses[] = {
        [REPORT_PASSED] = "passed", [REPORT_FAILED] = "failed", [REPORT_PENDING] = "pending"};

    buf_printf(b, "{\"e\":\"example\",\"status\":\"%s\",\"ms\":%.3f", statuses[e->status],
               e->ms > 0 && e->ms < 1e12 ? e->ms : 0);
    put_path(b, e->path, e->n_path, l->name);
    put_field(b, "file", e->file, REPORT_FILE_MAX);
    if (e->line > 0)
        buf_printf(b, ",\"line\":%u", e->line);
    put_field(b, "exception", e->exception, l->name);
    put_field(b, "message", e->message, l->text);
    put_frames(b, e->backtrace, l);
    put_field(b, "pending", e->pending, l->text);
    if (e->n_artifacts > 0) {
        buf_puts(b, ",\"artifacts\":[");
        for (uint32_t i = 0; i < e->n_artifacts && i < REPORT_ARTIFACTS_MAX; i++) {
            buf_puts(b, i > 0 ? "," : "");
            put_text(b, slice_of(e->artifacts[i]), REPORT_NAME_MAX);
        }
        buf_putc(b, ']');
    }
    buf_puts(b, "}\n");
}

void report_example(struct report *r, const struct report_example *e)
{
    r->examples++;
    r->failed += e->status == REPORT_FAILED;
    r->pending += e->status == REPORT_PENDING;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buf_clear(&r->line);
        put_example(&r->line, e, &steps[i]);
        if (r->line.len <= REPORT_LINE_MAX)
            break;
    }
    send(r);
}

void report_error_text(struct report *r, struct slice exception, struct slice message, struct slice backtrace)
{
    r->errors++;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buf_clear(&r->line);
        buf_puts(&r->line, "{\"e\":\"error\"");
        put_field(&r->line, "exception", exception, steps[i].name);
        put_field(&r->line, "message", message, steps[i].text);
        put_frames(&r->line, backtrace, &steps[i]);
        buf_puts(&r->line, "}\n");
        if (r->line.len <= REPORT_LINE_MAX)
            break;
    }
    send(r);
}

void report_error(struct report *r, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    report_error_text(r, (struct slice){"", 0}, slice_of(text), (struct slice){"", 0});
}

void report_end(struct report *r, bool aborted)
{
    buf_printf(&r->line,
               "{\"e\":\"end\",\"examples\":%u,\"failed\":%u,\"pending\":%u,\"errors\":%u,\"aborted\":%s}\n",
               r->examples, r->failed, r->pending, r->errors, aborted ? "true" : "false");
    send(r);
}
