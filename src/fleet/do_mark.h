/* do_mark.h - our mark on a droplet: its tags.
 *
 *     wrata                          whoever made it was a wrata
 *     wrata:INSTANCE                 which one: by this tag it is listed
 *     wrata:INSTANCE:s17:i4711       the server, and the create call that made it
 *     wrata:until:2026-11-30-0120    end of its lease, UTC, rounded up to ten minutes so that machines share a tag
 *
 * DigitalOcean's tags have letters, digits, ':', '-' and '_', at most 255 of them, and keep the case in which somebody wrote
 * them first: they are compared without it. Pure. */
#ifndef WRATA_FLEET_DO_MARK_H
#define WRATA_FLEET_DO_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define DO_TAG_BYTES 160u /* of one of ours, its NUL included */
#define DO_TAG "wrata"
#define DO_LEASE_STEP_MS (INT64_C(10) * 60 * 1000)

struct do_mark {
    bool is_wrata;
    bool is_ours; /* of this instance */
    uint64_t server;
    uint64_t intent;
    struct wall lease_until; /* the latest of them; 0 none */
};

/* May it stand in a tag of an admin's: the alphabet, the length, and none of ours? */
bool do_tag_is_fine(const char *tag);

/* Texts of the tags, each into out (DO_TAG_BYTES); they return out. */
const char *do_tag_instance(const char *instance, char *out);
const char *do_tag_intent(const char *instance, uint64_t server, uint64_t intent, char *out);
const char *do_tag_until(struct wall t, char *out);

/* What a tag says. */
bool do_tag_read_intent(const char *tag, const char *instance, uint64_t *server, uint64_t *intent);
bool do_tag_read_until(const char *tag, struct wall *ret);

/* All tags of a droplet together. instance NULL: of any. */
void do_mark_read(const char *const *tags, uint32_t n, const char *instance, struct do_mark *ret);

/* The time that a tag written for `t` will show. */
struct wall do_lease_round(struct wall t);

#endif
