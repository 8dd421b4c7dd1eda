/* log_text.h - what a person reads of the bytes of a log.
 *
 * Control sequences of terminals (CSI, OSC and the like) are gone, bytes that are not UTF-8 and NUL are shown as U+FFFD; all
 * else stays, also other control characters. No sequence reaches over the end of its line, so a text has the lines of
 * its bytes. Pure; any thread. */
#ifndef WRATA_WIRE_LOG_TEXT_H
#define WRATA_WIRE_LOG_TEXT_H

#include <stdbool.h>

#include "base/buf.h"

#define LOG_TEXT_GROWTH 3u /* a text takes at most so many times the room of its bytes */

/* ASCII without ESC and NUL: then the text is the bytes. */
bool log_text_is_plain(const char *s, size_t n);

/* The first thing of s[0..n), n > 0: how many bytes it is; *ret: what is shown of it, nothing of a control sequence. */
size_t log_text_step(const char *s, size_t n, struct slice *ret);

/* Append the text of s[0..n). `out` must have room for LOG_TEXT_GROWTH * n more. */
void log_text_show(const char *s, size_t n, struct buf *out);

/* The byte of s[0..n) where what stands at byte `shown` of its text begins; n: behind all of it. */
size_t log_text_raw(const char *s, size_t n, size_t shown);

#endif
