#include "wire/junit_out.h"

#include <stdio.h>
#include <string.h>

#include "wire/json_out.h"

#define REPLACEMENT "\xef\xbf\xbd"

void junit_escape(struct buf *out, const char *s, bool is_attribute)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n;) {
        int len = utf8_next(s + i, n - i);
        unsigned char c = (unsigned char)s[i];
        /* U+FFFE and U+FFFF are UTF-8, and no XML */
        bool is_never =
            len <= 0 || (len == 3 && memcmp(s + i, "\xef\xbf", 2) == 0 && (unsigned char)s[i + 2] >= 0xbe);

        if (is_never || (c < 0x20 && c != '\n' && c != '\t'))
            buf_puts(out, REPLACEMENT);
        else if (c == '&')
            buf_puts(out, "&amp;");
        else if (c == '<')
            buf_puts(out, "&lt;");
        else if (c == '>')
            buf_puts(out, "&gt;");
        else if (c == '"')
            buf_puts(out, "&quot;");
        else if (is_attribute && c < 0x20)
            buf_printf(out, "&#%d;", c);
        else
            buf_put(out, s + i, (size_t)len);
        i += len > 0 ? (size_t)len : 1;
    }
}

static void attribute(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, " %s=\"", name);
    junit_escape(out, value, true);
    buf_putc(out, '"');
}

static void seconds(struct buf *out, double ms)
{
    buf_printf(out, " time=\"%.6f\"", ms / 1000.0);
}

void junit_out_begin(struct buf *out, const char *name, int64_t n_suites, int64_t ms)
{
    buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    attribute(out, "name", name[0] != '\0' ? name : "wrata");
    if (n_suites >= 0)
        buf_printf(out, " suites=\"%lld\"", (long long)n_suites);
    if (ms >= 0)
        seconds(out, (double)ms);
    buf_puts(out, ">\n");
}

void junit_out_end(struct buf *out)
{
    buf_puts(out, "</testsuites>\n");
}

/* "spec/forms/a_spec.rb" is the class "spec.forms.a_spec", as other RSpec reporters have it. */
static void class_name(struct buf *out, const char *path)
{
    struct buf b;
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(path, '.');
    size_t n = dot != NULL && dot != path && (slash == NULL || dot > slash + 1) ? (size_t)(dot - path)
                                                                                : strlen(path);

    buf_init(&b, MIB(1));
    for (size_t i = 0; i < n; i++)
        buf_putc(&b, path[i] == '/' ? '.' : path[i]);
    attribute(out, "classname", buf_str(&b));
    buf_done(&b);
}

static void example_name(struct buf *out, const struct junit_case *e)
{
    buf_puts(out, " name=\"");
    for (uint32_t i = 0; i < e->n_path; i++) {
        if (i > 0)
            buf_putc(out, ' ');
        junit_escape(out, e->path[i], true);
    }
    if (e->n_path == 0)
        buf_puts(out, "error outside of examples");
    buf_putc(out, '"');
}

void junit_out_case(struct buf *out, const char *path, const struct junit_case *e)
{
    const char *kind = e->verdict == JUNIT_FAILED ? "failure" : e->verdict == JUNIT_ERROR ? "error" : NULL;

    buf_puts(out, "    <testcase");
    class_name(out, path);
    example_name(out, e);
    attribute(out, "file", e->file);
    if (e->line > 0)
        buf_printf(out, " line=\"%u\"", e->line);
    seconds(out, e->duration_ms);
    if (kind != NULL) {
        buf_printf(out, ">\n      <%s", kind);
        attribute(out, "type", e->exception);
        attribute(out, "message", e->message);
        buf_putc(out, '>');
        junit_escape(out, e->message, false);
        for (uint32_t i = 0; i < e->n_backtrace; i++) {
            buf_putc(out, '\n');
            junit_escape(out, e->backtrace[i], false);
        }
        buf_printf(out, "</%s>\n    </testcase>\n", kind);
    } else if (e->verdict == JUNIT_SKIPPED) {
        buf_puts(out, ">\n      <skipped");
        attribute(out, "message", e->pending);
        buf_puts(out, "/>\n    </testcase>\n");
    } else {
        buf_puts(out, "/>\n");
    }
}

/* What no example tells: a script's exit status, a time limit, a file without tests, a machine that failed. */
static void file_case(struct buf *out, const struct junit_suite *s)
{
    const char *kind = s->verdict == JUNIT_FAILED ? "failure" : "error";

    buf_puts(out, "    <testcase");
    class_name(out, s->path);
    attribute(out, "name", s->path);
    attribute(out, "file", s->path);
    seconds(out, s->duration_ms);
    if (s->verdict == JUNIT_PASSED) {
        buf_puts(out, "/>\n");
        return;
    }
    if (s->verdict == JUNIT_SKIPPED) {
        buf_puts(out, ">\n      <skipped");
        attribute(out, "message", s->word);
        buf_puts(out, "/>\n    </testcase>\n");
        return;
    }
    buf_printf(out, ">\n      <%s", kind);
    attribute(out, "type", s->word);
    attribute(out, "message", s->reason);
    buf_puts(out, "/>\n    </testcase>\n");
}

/* Examples that were found and not run have no case of their own. */
static void not_run_case(struct buf *out, const struct junit_suite *s)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%llu example%s not run", (unsigned long long)s->not_run,
                   s->not_run == 1 ? "" : "s");
    buf_puts(out, "    <testcase");
    class_name(out, s->path);
    attribute(out, "name", name);
    attribute(out, "file", s->path);
    seconds(out, 0);
    buf_puts(out, ">\n      <skipped");
    attribute(out, "message", s->not_run_reason);
    buf_puts(out, "/>\n    </testcase>\n");
}

/* The outcome must be seen, also when no example shows it. */
static bool has_own_case(const struct junit_suite *s)
{
    return s->n == 0 || (s->verdict != JUNIT_PASSED && s->failed + s->errors == 0);
}

void junit_out_suite(struct buf *out, const struct junit_suite *s)
{
    uint64_t failures = s->failed;
    uint64_t errors = s->errors;
    uint64_t skipped = s->pending + (s->not_run > 0);

    if (has_own_case(s)) {
        failures += s->verdict == JUNIT_FAILED;
        skipped += s->verdict == JUNIT_SKIPPED;
        errors += s->verdict == JUNIT_ERROR;
    }
    buf_puts(out, "  <testsuite");
    attribute(out, "name", s->path);
    buf_printf(out, " tests=\"%llu\" failures=\"%llu\" errors=\"%llu\" skipped=\"%llu\"",
               (unsigned long long)(s->n + has_own_case(s) + (s->not_run > 0)), (unsigned long long)failures,
               (unsigned long long)errors, (unsigned long long)skipped);
    seconds(out, s->duration_ms);
    if (s->started_at[0] != '\0')
        attribute(out, "timestamp", s->started_at);
    if (s->server != NULL)
        attribute(out, "hostname", s->server);
    buf_puts(out, ">\n");
}

void junit_out_suite_end(struct buf *out, const struct junit_suite *s)
{
    if (s->not_run > 0)
        not_run_case(out, s);
    if (has_own_case(s))
        file_case(out, s);
    buf_puts(out, "  </testsuite>\n");
}
