/* container_start.h - start the helper of a container (container_run.h), with its order in a memory file. */
#ifndef WRATA_AGENT_CONTAINER_START_H
#define WRATA_AGENT_CONTAINER_START_H

#include <sys/types.h>

#include "agent/container_order.h"

struct container_start {
    const struct container_order *order;
    int out;     /* the log */
    int results; /* -1: none */
    pid_t pid;   /* made here */
    int side;    /* made here, to be read: what it says; -1: of a step, which says nothing */
};

/* NULL, or why it could not be started, in `a`. */
const char *container_start(struct container_start *c, struct arena *a);

#endif
