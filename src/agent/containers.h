/* containers.h - the machine's containers beside its runs: that nothing is left behind.
 *
 * Three things can leave a container: an agent that died (what other incarnations made is removed when this one starts), a
 * helper that was ended, and an engine that did not answer (both are tried again until it is gone). Each attempt is a process
 * of its own. Loop thread. */
#ifndef WRATA_AGENT_CONTAINERS_H
#define WRATA_AGENT_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/clock.h"

struct containers;

struct containers_opts {
    const char *mark; /* unique to this agent's place */
    uint64_t incarnation;
    /* The slot's work tree is the agent's own again; error: why not, NULL when it is. */
    void (*on_mended)(void *ctx, struct mono now, uint32_t slot, struct slice spec, const char *error);
    void *ctx;
};

/* The process's own folder is DIR/ID. */
struct containers *containers_new(const struct containers_opts *opts);
void containers_free(struct containers *c);

/* A run in a container is over; the helper goes on removing it. helper 0: it ended without. */
void containers_leave(struct containers *c, struct mono now, pid_t helper, const char *name);

/* A container that came to a bad end may have kept files of a slot's work tree. spec: as encoded,
 * given back. True: on_mended() will be called. */
bool containers_mend(struct containers *c, uint32_t slot, const char *tree, struct slice spec);

bool containers_is_known_pid(const struct containers *c, pid_t pid);
bool containers_reaped(struct containers *c, struct mono now, pid_t pid, int status);
struct mono containers_deadline(const struct containers *c);
void containers_tick(struct containers *c, struct mono now);

#endif
