/* do_read.h - what DigitalOcean's API answers, as structs.
 *
 * Readers take whatever a server sends, and trust nothing of it: sizes, types and texts are checked, and an answer that makes no
 * sense is ERR_PROTO as a whole. Texts live in the arena. Pure. */
#ifndef WRATA_FLEET_DO_READ_H
#define WRATA_FLEET_DO_READ_H

#include "base/buf.h"
#include "base/mem.h"
#include "fleet/do_mark.h"
#include "fleet/fleet.h"

#define DO_PAGE_ITEMS_MAX 200u /* that the API gives on a page */
#define DO_TAGS_MAX 256u       /* of a droplet */

struct do_droplet {
    uint64_t id;
    struct machine m; /* server, intent and lease_until from the mark */
    struct do_mark mark;
    const char *const *tags; /* n_tags */
    uint32_t n_tags;
    uint32_t seq; /* for whoever sorts them */
};

/* What stands around the items of a page. */
struct do_page {
    uint64_t total; /* of all pages */
    bool has_next;
};

struct do_droplets {
    struct do_droplet *at;
    uint32_t n;
    struct do_page page;
};

/* How addresses are chosen and marks are read. */
struct do_reading {
    const char *instance; /* NULL: of any */
    bool is_private;      /* the address in the VPC */
};

MUST_USE enum err do_read_droplet(struct slice json, const struct do_reading *how, struct arena *arena,
                                  struct do_droplet *ret, struct why *reterr);
/* The answer to a create call: tags may be missing, they are applied later. */
MUST_USE enum err do_read_created(struct slice json, const struct do_reading *how, struct arena *arena,
                                  struct do_droplet *ret, struct why *reterr);
MUST_USE enum err do_read_droplets(struct slice json, const struct do_reading *how, struct arena *arena,
                                   struct do_droplets *ret, struct why *reterr);

struct do_sizes {
    struct fleet_size *at;
    uint32_t n;
    struct do_page page;
};
MUST_USE enum err do_read_sizes(struct slice json, struct arena *arena, struct do_sizes *ret,
                                struct why *reterr);

struct do_regions {
    struct fleet_region *at;
    uint32_t n;
    struct do_page page;
};
MUST_USE enum err do_read_regions(struct slice json, struct arena *arena, struct do_regions *ret,
                                  struct why *reterr);

struct do_image {
    struct fleet_image image;
    uint64_t id;
    const char *slug; /* "" it has none */
    const char *const *regions;
    uint32_t n_regions;
};
struct do_images {
    struct do_image *at;
    uint32_t n;
    struct do_page page;
};
/* Those that can be used: not being made, and not retired. */
MUST_USE enum err do_read_images(struct slice json, struct arena *arena, struct do_images *ret,
                                 struct why *reterr);

struct do_tag {
    const char *name;
    uint64_t resources; /* that carry it */
};
struct do_tags {
    struct do_tag *at;
    uint32_t n;
    struct do_page page;
};
MUST_USE enum err do_read_tags(struct slice json, struct arena *arena, struct do_tags *ret,
                               struct why *reterr);

/* How many droplets the account may have; 0: it is not said. */
MUST_USE enum err do_read_account(struct slice json, uint32_t *ret, struct why *reterr);

/* The message of an error, as one printable line into out; "" there is none. Returns out. */
char *do_read_error(struct slice json, char *out, size_t size);

#endif
