/* do_write.h - what DigitalOcean's API is asked, and how a fleet of it is described. Pure. */
#ifndef WRATA_FLEET_DO_WRITE_H
#define WRATA_FLEET_DO_WRITE_H

#include "fleet/fleet.h"

/* The options of a fleet. */
struct do_options {
    struct field_texts regions; /* tried in this order */
    const char *size;
    struct field_int_or_text image; /* a number, a slug, the name of a snapshot, or a glob of such names */
    const char *user;
    const char *vpc;
    const char *project;
    struct field_texts ssh_keys;
    struct field_texts commands;
    struct field_texts tags;
    bool monitoring;
    int address; /* 0 public, 1 private */
};
extern const struct field do_option_fields[];
extern const struct do_options do_presets;
MUST_USE enum err do_options_check(const void *options, struct why *reterr);

/* The body of POST /v2/droplets. image: a number or a slug. It holds a secret. Errors as user_data_write(). */
MUST_USE enum err do_write_create(const struct do_options *o, const struct machine_spec *spec,
                                  const char *instance, const char *region, const char *image,
                                  struct buf *out, struct why *reterr);

/* {"resources":[{"resource_id":"1","resource_type":"droplet"}, ...]} */
void do_write_resources(const char *const *ids, uint32_t n, struct buf *out);

/* A path segment with what has a meaning in URLs as %XX. */
void do_write_segment(const char *s, struct buf *out);

#endif
