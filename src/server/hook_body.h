/* hook_body.h - what a hook is sent: JSON about what happened, or a commit status for GitHub. */
#ifndef WRATA_SERVER_HOOK_BODY_H
#define WRATA_SERVER_HOOK_BODY_H

#include "notify/hooks.h"
#include "store/store.h"

struct notice_site;

/* On a reader thread: the body of a delivery as it stands now, appended to `out`. Of GitHub "/repos/OWNER/NAME/statuses/SHA", a line's
 * end and the JSON, or a sentence why there is none. ERR_IO: the store cannot be read. */
MUST_USE enum err hook_body_write(struct reader *r, const struct hook_due *due,
                                  const struct notice_site *site, const char *git_host, struct buf *out,
                                  struct why *reterr);
/* "msg_INSTANCE_ID": of a delivery, the same for ever. */
#define HOOK_ID_BYTES 64u
void hook_message_id(const char *instance, uint64_t delivery, char out[HOOK_ID_BYTES]);

#endif
