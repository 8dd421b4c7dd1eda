#include "net/client_sse.h"

#include <string.h>

#define SSE_ID_BYTES_MAX 1024u

void sse_init(struct sse *s, sse_event_fn *on_event, void *ctx)
{
    *s = (struct sse){.on_event = on_event, .ctx = ctx};
    buf_init(&s->line, SSE_EVENT_BYTES_MAX);
    buf_init(&s->data, SSE_EVENT_BYTES_MAX);
    buf_init(&s->name, SSE_ID_BYTES_MAX);
    buf_init(&s->id, SSE_ID_BYTES_MAX);
}

void sse_done(struct sse *s)
{
    buf_done(&s->line);
    buf_done(&s->data);
    buf_done(&s->name);
    buf_done(&s->id);
}

const char *sse_last_id(const struct sse *s)
{
    return buf_str(&s->id);
}

static void dispatch(struct sse *s)
{
    struct sse_event ev = {
        .name = s->name.len > 0 ? buf_str(&s->name) : "message",
        .data = buf_str(&s->data),
        .len = s->data.len,
        .id = buf_str(&s->id),
    };

    if (s->has_data)
        s->on_event(s->ctx, &ev);
    buf_clear(&s->data);
    buf_clear(&s->name);
    s->has_data = false;
}

static enum err add_data(struct sse *s, const char *value, size_t n)
{
    enum err err = ERR_OK;

    if (s->has_data)
        err = buf_add(&s->data, "\n", 1);
    s->has_data = true;
    return err == ERR_OK ? buf_add(&s->data, value, n) : err;
}

static bool field_is(const char *line, size_t n, const char *name)
{
    return n == strlen(name) && memcmp(line, name, n) == 0;
}

static enum err on_line(struct sse *s)
{
    const char *line = buf_str(&s->line);
    size_t n = s->line.len;
    const char *colon = n > 0 ? memchr(line, ':', n) : NULL;
    size_t field = colon != NULL ? (size_t)(colon - line) : n;
    const char *value = colon != NULL ? colon + 1 : line + n;
    size_t len = n - (size_t)(value - line);

    if (n == 0) {
        dispatch(s);
        return ERR_OK;
    }
    if (len > 0 && *value == ' ') {
        value++;
        len--;
    }
    if (field_is(line, field, "data"))
        return add_data(s, value, len);
    if (field_is(line, field, "event")) {
        buf_clear(&s->name);
        return buf_add(&s->name, value, len);
    }
    if (field_is(line, field, "id") && memchr(value, '\0', len) == NULL) {
        buf_clear(&s->id);
        return buf_add(&s->id, value, len);
    }
    return ERR_OK; /* a comment, `retry`, or a field of a later version */
}

enum err sse_feed(struct sse *s, const char *bytes, size_t n)
{
    size_t at = 0;

    while (at < n) {
        size_t end = at;
        enum err err;

        if (s->skip_lf) {
            s->skip_lf = false;
            if (bytes[at] == '\n') {
                at++;
                continue;
            }
        }
        while (end < n && bytes[end] != '\n' && bytes[end] != '\r')
            end++;
        err = buf_add(&s->line, bytes + at, end - at);
        if (err != ERR_OK)
            return err;
        if (end == n)
            return ERR_OK;
        s->skip_lf = bytes[end] == '\r';
        if (!s->begun && s->line.len >= 3 && memcmp(buf_str(&s->line), "\xef\xbb\xbf", 3) == 0)
            buf_consume(&s->line, 3);
        s->begun = true;
        err = on_line(s);
        buf_clear(&s->line);
        if (err != ERR_OK)
            return err;
        at = end + 1;
    }
    return ERR_OK;
}
