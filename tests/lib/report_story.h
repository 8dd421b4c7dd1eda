/* report_story.h - what the readers of reports wrote, as a short text: a line for each event.
 *
 *     start tap 13 / plan 3 / left 2 why / run a / ok [g > a] / FAIL [b] E: message {frame|frame} @file:3 +left.png / pend [c] why / error message / end 3 1 1 0 */
#ifndef TESTS_LIB_REPORT_STORY_H
#define TESTS_LIB_REPORT_STORY_H

#include <jansson.h>
#include <string.h>

#include "base/buf.h"

static inline const char *story_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

static inline void story_list(struct buf *b, const json_t *list, const char *between)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        buf_printf(b, "%s%s", i > 0 ? between : "", json_string_value(json_array_get(list, i)));
}

static inline void story_example(struct buf *b, const json_t *o)
{
    const char *status = story_text(o, "status");
    const char *file = story_text(o, "file");

    buf_puts(b, strcmp(status, "passed") == 0 ? "ok [" : strcmp(status, "failed") == 0 ? "FAIL [" : "pend [");
    story_list(b, json_object_get(o, "path"), " > ");
    buf_puts(b, "]");
    if (*story_text(o, "exception") != '\0')
        buf_printf(b, " %s:", story_text(o, "exception"));
    if (*story_text(o, "message") != '\0')
        buf_printf(b, " %s", story_text(o, "message"));
    if (*story_text(o, "pending") != '\0')
        buf_printf(b, " %s", story_text(o, "pending"));
    if (json_array_size(json_object_get(o, "backtrace")) > 0) {
        buf_puts(b, " {");
        story_list(b, json_object_get(o, "backtrace"), "|");
        buf_puts(b, "}");
    }
    if (*file != '\0')
        buf_printf(b, " @%s:%d", file, (int)json_integer_value(json_object_get(o, "line")));
    if (json_number_value(json_object_get(o, "ms")) > 0)
        buf_printf(b, " %gms", json_number_value(json_object_get(o, "ms")));
    if (json_array_size(json_object_get(o, "artifacts")) > 0) {
        buf_puts(b, " +");
        story_list(b, json_object_get(o, "artifacts"), " +");
    }
}

/* A report_sink; ctx is a struct buf. Stops at a line that the server would refuse. */
static inline void story_line(void *ctx, const char *line, size_t n)
{
    struct buf *b = ctx;
    json_t *o;
    const char *e;

    CHECK(n <= KIB(256) && line[n - 1] == '\n' && memchr(line, '\n', n - 1) == NULL);
    o = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    CHECK(o != NULL);
    e = story_text(o, "e");
    if (strcmp(e, "start") == 0)
        buf_printf(b, "start %s %s", story_text(o, "adapter"), story_text(o, "version"));
    else if (strcmp(e, "plan") == 0)
        buf_printf(b, "plan %d", (int)json_integer_value(json_object_get(o, "discovered")));
    else if (strcmp(e, "not_run") == 0)
        buf_printf(b, "left %d %s", (int)json_integer_value(json_object_get(o, "count")),
                   story_text(o, "why"));
    else if (strcmp(e, "running") == 0)
        buf_printf(b, "run %s", story_text(o, "id"));
    else if (strcmp(e, "example") == 0)
        story_example(b, o);
    else if (strcmp(e, "error") == 0)
        buf_printf(b, "error %s", story_text(o, "message"));
    else if (strcmp(e, "end") == 0)
        buf_printf(b, "end %d %d %d %d%s", (int)json_integer_value(json_object_get(o, "examples")),
                   (int)json_integer_value(json_object_get(o, "failed")),
                   (int)json_integer_value(json_object_get(o, "pending")),
                   (int)json_integer_value(json_object_get(o, "errors")),
                   json_is_true(json_object_get(o, "aborted")) ? " aborted" : "");
    else
        CHECK(!"a kind of line");
    buf_putc(b, '\n');
    json_decref(o);
}

#endif
