/* log.h - one line per event to standard error: time, level, event name, then key=value fields.
 *
 * Ids always, payloads never. error: someone must act; warn: handled, and odd; info: the life of
 * launches, runs and servers; debug: everything else. Any thread. */
#ifndef WRATA_BASE_LOG_H
#define WRATA_BASE_LOG_H

#include "base/check.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_set_level(enum log_level least);
void log_set_json(int on); /* JSON lines instead of key=value */

/* `watch` hears of every error line, on the thread that writes it; it must not log an error itself.
 * NULL: nobody; whoever takes it back keeps ctx until all other threads have ended. */
typedef void log_watch_fn(void *ctx, const char *event, const char *fields);
void log_set_watch(log_watch_fn *watch, void *ctx);

/* `fmt` makes the fields, already in the form "server=%s silent_ms=%lld". Values that hold blanks
 * are written with log_quote(). */
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Write `s` as a quoted, escaped value into out (size bytes, NUL-ended, cut if too long); returns out. */
char *log_quote(char *out, size_t size, const char *s);

#define LOG_DEBUG(event, ...) log_line(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define LOG_INFO(event, ...) log_line(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define LOG_WARN(event, ...) log_line(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define LOG_ERROR(event, ...) log_line(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
