/* notice.h - which notices become mails, and when. Pure: time comes with the call.
 *
 * So that a storm is one mail and not a thousand, what happens is collected for each kind and receiver: the first mail to
 * admins is written a while after the first notice, the next one of the kind a longer while after that, and none while the one
 * before waits for the mail server. */
#ifndef WRATA_NOTIFY_NOTICE_H
#define WRATA_NOTIFY_NOTICE_H

#include "model/rows.h"

struct notice_rules {
    int64_t first_ms; /* admins are told so long after the first notice of a kind */
    int64_t again_ms; /* and of further ones so long after the last mail; users of their schedules, too */
};
#define NOTICE_LAUNCHES_MS \
    60000 /* mails about launches to one user: one in so long, or in again_ms when that is less */
#define NOTICE_HELD_MS 60000 /* is it delivered now? */

/* When a mail about these may be written; `now` or earlier: at once. Clocks that jump back delay nothing for longer than the
 * rules do. */
struct wall notice_due(const struct notice_group *g, const struct notice_rules *rules, struct wall now);

/* Does its user want to hear how this launch ended? `by_schedule`: one started it. What it says itself goes first. */
bool notice_launch_is_wanted(const struct mail_choices *c, const struct launch_row *launch, bool by_schedule);
/* The same of a schedule that did not start its list. True for other kinds. */
bool notice_kind_is_wanted(const struct mail_choices *c, enum notice_kind kind);

#endif
