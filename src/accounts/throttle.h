/* throttle.h - how often somebody may try a password. Pure: time comes with the call.
 *
 * Two counters: of the account that is tried (by the text that was typed, so one that does not exist behaves
 * the same) and of the address that tries. After FREE_TRIES failures each further try has to wait: 1 s, 2 s, 4 s, up to
 * 15 minutes; an address gets ten times as many, because a whole office may have one. What was not tried for an
 * hour is forgotten; at most THROTTLE_KEYS_MAX keys are kept, the one that failed longest ago goes first. */
#ifndef WRATA_ACCOUNTS_THROTTLE_H
#define WRATA_ACCOUNTS_THROTTLE_H

#include "base/clock.h"
#include "base/err.h"

struct throttle;

#define THROTTLE_FREE_TRIES 5u
#define THROTTLE_KEYS_MAX 20000u

OWNED struct throttle *throttle_new(void);
void throttle_free(struct throttle *t);

/* May a password be tried now? 0: yes, and it counts as a failure until throttle_right(): tries that are on their
 * way at the same time do not pass together. Else how long to wait, in ms. `address` NULL: it is not counted (again). */
int64_t throttle_try(struct throttle *t, struct mono now, const char *login, const char *address);
/* It was right: the account starts anew, the address gets this try back. */
void throttle_right(struct throttle *t, const char *login, const char *address);
/* It was not tried after all (too many wait): neither counts. */
void throttle_undo(struct throttle *t, const char *login, const char *address);

#endif
