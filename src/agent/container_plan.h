/* container_plan.h - what a run or a step becomes in a container: its mounts, its limits, whose files are whose. Pure. */
#ifndef WRATA_AGENT_CONTAINER_PLAN_H
#define WRATA_AGENT_CONTAINER_PLAN_H

#include "agent/container_order.h"

/* Where an agent lives. */
struct container_place {
    const char *dir; /* absolute: DIR/ID */
    const char *mark;
    uint64_t incarnation;
};

/* An image on this machine, and who runs it. */
struct container_ground {
    enum engine engine;
    int64_t patience_ms;
    char version[40];
    struct container_image image;
};

struct container_what {
    uint64_t run;
    uint32_t step; /* 0: the run itself */
    uint32_t slot;
    const char *server;        /* the machine's name at the controller; "": not known */
    const char *tree;          /* absolute */
    const char *git;           /* absolute: the repository that the tree belongs to; NULL: none */
    const char *environment;   /* absolute: what `prepare` made or makes; NULL: nothing */
    uint64_t memory_max_bytes; /* of the run; 0: none but the container's own */
    uint32_t pids_max;
};

/* All but words and variables. Texts are borrowed from what is given, lists live in `a`.
 * Returns what makes it impossible, for people; NULL: nothing. */
const char *container_plan(struct arena *a, const struct container_place *place,
                           const struct container_ground *ground, const struct setup_container *asked,
                           const struct container_what *what, struct container_order *ret);

#endif
