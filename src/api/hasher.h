/* hasher.h - argon2id on a thread of its own: tens of milliseconds and tens of megabytes each, never on the loop.
 *
 * One thread, of low priority, and a queue with a maximum: whatever is thrown at the sign-in page, everybody else's
 * requests lose at most what one thread takes. Loop thread, except where said. */
#ifndef WRATA_API_HASHER_H
#define WRATA_API_HASHER_H

#include <stdbool.h>

#include "base/err.h"

struct uv_loop_s;
struct hasher;

#define HASHER_QUEUE_MAX 64u

MUST_USE enum err hasher_new(struct uv_loop_s *loop, struct hasher **ret, struct why *reterr);
/* What waits is dropped, `done` is not called for it; what is being worked on is waited for. Also from inside a `done`.
 * The loop must run once more: its handle closes there. */
void hasher_free(struct hasher *h);

/* Password -> "$argon2id$v=19$m=...". `done` gets NULL when memory is short. Password is copied, and overwritten after
 * use. ERR_BUSY: too many wait (say 503 with Retry-After). */
MUST_USE enum err hasher_make(struct hasher *h, const char *password,
                              void (*done)(void *ctx, const char *made), void *ctx);

/* Is it the password? `made` "" (an account without, or no such account) costs the same time and is false.
 * `made_anew` is not NULL when it is right and was made with other parameters than today's. */
MUST_USE enum err hasher_check(struct hasher *h, const char *password, const char *made,
                               void (*done)(void *ctx, bool is_right, const char *made_anew), void *ctx);

#endif
