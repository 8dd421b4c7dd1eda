#include "cli/junit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli_private.h"
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

void junit_begin(struct buf *out, const json_t *launch)
{
    const json_t *tests = js_obj(launch, "tests");
    const char *name = js_text(launch, "name");

    buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    attribute(out, "name", name[0] != '\0' ? name : "wrata");
    buf_printf(out, " suites=\"%lld\"", (long long)js_int(tests, "total"));
    if (js_time_ms(launch, "ended_at") > 0)
        seconds(out, (double)(js_time_ms(launch, "ended_at") - js_time_ms(launch, "created_at")));
    buf_puts(out, ">\n");
}

void junit_end(struct buf *out)
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

static void example_case(struct buf *out, const char *path, const json_t *e)
{
    const json_t *words = js_obj(e, "path");
    const char *status = js_text(e, "status");
    const char *kind = strcmp(status, "failed") == 0  ? "failure"
                       : strcmp(status, "error") == 0 ? "error"
                                                      : NULL;
    const json_t *line;
    struct buf name;
    size_t i;

    buf_init(&name, MIB(64)); /* as an answer of the server */
    json_array_foreach(words, i, line)
    {
        buf_printf(&name, "%s%s", i > 0 ? " " : "",
                   json_string_value(line) != NULL ? json_string_value(line) : "");
    }
    buf_puts(out, "    <testcase");
    class_name(out, path);
    attribute(out, "name", name.len > 0 ? buf_str(&name) : "error outside of examples");
    attribute(out, "file", js_text(e, "file"));
    if (js_int(e, "line") > 0)
        buf_printf(out, " line=\"%lld\"", (long long)js_int(e, "line"));
    seconds(out, json_number_value(js_obj(e, "duration_ms")));
    buf_done(&name);
    if (kind != NULL) {
        buf_printf(out, ">\n      <%s", kind);
        attribute(out, "type", js_text(e, "exception"));
        attribute(out, "message", js_text(e, "message"));
        buf_putc(out, '>');
        junit_escape(out, js_text(e, "message"), false);
        json_array_foreach(js_obj(e, "backtrace"), i, line)
        {
            buf_putc(out, '\n');
            junit_escape(out, json_string_value(line) != NULL ? json_string_value(line) : "", false);
        }
        buf_printf(out, "</%s>\n    </testcase>\n", kind);
    } else if (strcmp(status, "pending") == 0) {
        buf_puts(out, ">\n      <skipped");
        attribute(out, "message", js_text(e, "pending"));
        buf_puts(out, "/>\n    </testcase>\n");
    } else {
        buf_puts(out, "/>\n");
    }
}

/* What no example tells: a script's exit status, a time limit, a file without tests, a machine that failed. */
static void file_case(struct buf *out, const struct view_test *test, const json_t *run)
{
    const char *reason = js_text(run, "reason");
    const char *kind = test->outcome == OUTCOME_FAILED ? "failure" : "error";

    buf_puts(out, "    <testcase");
    class_name(out, test->path);
    attribute(out, "name", test->path);
    attribute(out, "file", test->path);
    seconds(out, (double)js_int(run, "duration_ms"));
    if (test->outcome == OUTCOME_PASSED) {
        buf_puts(out, "/>\n");
        return;
    }
    if (test->outcome == OUTCOME_STOPPED) {
        buf_puts(out, ">\n      <skipped message=\"stopped\"/>\n    </testcase>\n");
        return;
    }
    buf_printf(out, ">\n      <%s", kind);
    attribute(out, "type", outcome_name(test->outcome));
    attribute(out, "message", reason[0] != '\0' ? reason : outcome_sentence(test->outcome));
    buf_puts(out, "/>\n    </testcase>\n");
}

/* Examples that were found and not run have no case of their own. */
static void not_run_case(struct buf *out, const struct view_test *test, const json_t *run, int64_t n)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%lld example%s not run", (long long)n, n == 1 ? "" : "s");
    buf_puts(out, "    <testcase");
    class_name(out, test->path);
    attribute(out, "name", name);
    attribute(out, "file", test->path);
    seconds(out, 0);
    buf_puts(out, ">\n      <skipped");
    attribute(out, "message", js_text(run, "not_run_reason"));
    buf_puts(out, "/>\n    </testcase>\n");
}

void junit_suite(struct buf *out, const struct view_test *test, const json_t *run,
                 const json_t *const *examples, size_t n)
{
    size_t failures = 0;
    size_t errors = 0;
    size_t skipped = 0;
    int64_t not_run = js_int(js_obj(run, "examples"), "not_run");
    bool has_own_case;

    for (size_t i = 0; i < n; i++) {
        const char *status = js_text(examples[i], "status");

        failures += strcmp(status, "failed") == 0;
        errors += strcmp(status, "error") == 0;
        skipped += strcmp(status, "pending") == 0;
    }
    /* The outcome must be seen, also when no example shows it. */
    has_own_case = n == 0 || (test->outcome != OUTCOME_PASSED && failures + errors == 0);
    if (has_own_case) {
        failures += test->outcome == OUTCOME_FAILED;
        skipped += test->outcome == OUTCOME_STOPPED;
        errors += test->outcome != OUTCOME_FAILED && test->outcome != OUTCOME_STOPPED &&
                  test->outcome != OUTCOME_PASSED;
    }
    skipped += not_run > 0;
    buf_puts(out, "  <testsuite");
    attribute(out, "name", test->path);
    buf_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\"",
               n + has_own_case + (not_run > 0), failures, errors, skipped);
    seconds(out, (double)js_int(run, "duration_ms"));
    if (js_text(run, "started_at")[0] != '\0')
        attribute(out, "timestamp", js_text(run, "started_at"));
    if (run != NULL)
        attribute(out, "hostname", js_text(js_obj(run, "server"), "name"));
    buf_puts(out, ">\n");
    for (size_t i = 0; i < n; i++)
        example_case(out, test->path, examples[i]);
    if (not_run > 0)
        not_run_case(out, test, run, not_run);
    if (has_own_case)
        file_case(out, test, run);
    buf_puts(out, "  </testsuite>\n");
}

/* ---- the file ---- */

struct junit_file {
    FILE *f;
    char path[PATH_MAX];
    char temp[PATH_MAX];
};

enum err junit_file_open(const char *path, struct junit_file **ret, struct why *reterr)
{
    struct junit_file *f = xcalloc(1, sizeof(*f));
    mode_t mask = umask(0);
    int fd = -1;

    (void)umask(mask);
    if (snprintf(f->path, sizeof(f->path), "%s", path) < (int)sizeof(f->path) &&
        snprintf(f->temp, sizeof(f->temp), "%s.XXXXXX", path) < (int)sizeof(f->temp))
        fd = mkostemp(f->temp, O_CLOEXEC);
    else
        errno = ENAMETOOLONG;
    if (fd < 0 || fchmod(fd, 0666 & ~mask) != 0 || (f->f = fdopen(fd, "w")) == NULL) {
        enum err err = why_errno(reterr, ERR_INVALID, errno, "--junit: %s cannot be written", path);

        if (fd >= 0) {
            (void)unlink(f->temp);
            (void)close(fd);
        }
        free(f);
        return err;
    }
    *ret = f;
    return ERR_OK;
}

enum err junit_file_write(struct junit_file *f, struct buf *bytes, struct why *reterr)
{
    bool ok = fwrite(buf_str(bytes), 1, bytes->len, f->f) == bytes->len;

    buf_clear(bytes);
    return ok ? ERR_OK : why_errno(reterr, ERR_IO, errno, "--junit: %s cannot be written", f->path);
}

enum err junit_file_close(struct junit_file *f, bool commit, struct why *reterr)
{
    enum err err = ERR_OK;

    if (f == NULL)
        return ERR_OK;
    if (fclose(f->f) != 0 && commit)
        err = why_errno(reterr, ERR_IO, errno, "--junit: %s cannot be written", f->path);
    if (err == ERR_OK && commit && rename(f->temp, f->path) != 0)
        err = why_errno(reterr, ERR_IO, errno, "--junit: %s cannot be written", f->path);
    if (err != ERR_OK || !commit)
        (void)unlink(f->temp);
    free(f);
    return err;
}
