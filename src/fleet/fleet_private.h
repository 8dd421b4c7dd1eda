/* fleet_private.h - what the files of fleet/ share.
 *
 *   fleets.c   the registry: kinds, which fleets are open, answers that must wait for the loop's next turn */
#ifndef WRATA_FLEET_FLEET_PRIVATE_H
#define WRATA_FLEET_FLEET_PRIVATE_H

#include "fleet/fleet.h"

struct fleet {
    struct fleets *all;
    struct fleet *prev;
    struct fleet *next;
    const struct fleet_ops *ops;
    char *name;
    void *driver; /* the driver's own */
};

struct fleets {
    struct uv_loop_s *loop;
    struct fleet_told told;
    void *ctx;
    char *instance;
    char *cloud_url;
    char *cloud_ca; /* NULL: the authorities of this computer */
    char *token;    /* NULL: none */
    uint64_t seed;
    struct fleet *first;
};

#endif
