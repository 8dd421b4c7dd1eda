#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_BYTES 2048

static enum log_level least_level = LOG_LEVEL_INFO;
static int as_json;
static log_watch_fn *error_watch;
static void *error_watch_ctx;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level least)
{
    least_level = least;
}

void log_set_json(int on)
{
    as_json = on;
}

void log_set_watch(log_watch_fn *watch, void *ctx)
{
    error_watch_ctx = ctx;
    __atomic_store_n(&error_watch, watch, __ATOMIC_RELEASE);
}

char *log_quote(char *out, size_t size, const char *s)
{
    size_t n = 0;

    CHECK(size >= 3);
    out[n++] = '"';
    for (; *s != '\0' && n + 6 < size; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    char fields[LINE_BYTES - 256];
    char quoted[LINE_BYTES - 200];
    char line[LINE_BYTES];
    char stamp[40];
    struct wall now;
    struct tm tm;
    log_watch_fn *watch;
    time_t sec;
    va_list ap;
    int n;

    if (level < least_level)
        return;
    now = wall_now();
    sec = (time_t)(now.ms / 1000);
    (void)gmtime_r(&sec, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    va_start(ap, fmt);
    (void)vsnprintf(fields, sizeof(fields), fmt, ap);
    va_end(ap);
    watch = __atomic_load_n(&error_watch, __ATOMIC_ACQUIRE);
    if (level == LOG_LEVEL_ERROR && watch != NULL)
        watch(error_watch_ctx, event, fields);
    if (as_json)
        n = snprintf(line, sizeof(line),
                     "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":\"%s\",\"fields\":%s}\n", stamp,
                     (int)(now.ms % 1000), level_names[level], event,
                     log_quote(quoted, sizeof(quoted), fields));
    else
        n = snprintf(line, sizeof(line), "%s.%03dZ level=%s event=%s %s\n", stamp, (int)(now.ms % 1000),
                     level_names[level], event, fields);
    if (n >= (int)sizeof(line)) {
        n = (int)sizeof(line) - 1;
        line[n - 1] = '\n';
    }
    /* One write per line, so that lines of two threads never mix. A log that cannot be written has
     * nowhere to say so. */
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
}
