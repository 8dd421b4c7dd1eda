/* ready.h - a machine made ready for a project: the steps of `prepare` in wrata.yml, once for each key.
 *
 * The key is a hash of the steps, of what they are given, and of the key that the controller
 * made of the content of the key files (without one: of the commit). What the steps leave is kept under cache/ready/p<project>-<key>: the caches of bundler and npm,
 * whatever they put into $WRATA_CACHE, and what they left in the work tree beside the files of the commit (tree.tar), which
 * each later slot gets unpacked. One slot at a time makes it; others that need it wait. A failure is tried once more, and
 * then remembered for a minute, so that a queue of runs does not repeat it one after another.
 *
 * A launch with an image has that fetched first, once for all slots; its id is part of the key, and the steps run in containers
 * of it.
 *
 * The output of the steps goes to the log of the run that they are done for. Secrets are not given to them: what they leave
 * is used by the runs of everybody. Loop thread. */
#ifndef WRATA_AGENT_READY_H
#define WRATA_AGENT_READY_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "agent/agent_core.h"
#include "agent/container_plan.h"
#include "wire/agent_setup.h"

#define READY_FAILURE_KEPT_MS 60000
#define READY_LOG_BYTES_MAX MIB(4)        /* of the steps of one preparation, in the run's log */
#define READY_IMAGE_LOG_BYTES_MAX KIB(64) /* of fetching an image */
#define READY_KEPT 4u                     /* environments of a project that nobody uses */

struct ready;

struct ready_opts {
    const char *dir;  /* absolute: DIR/ID; the process's own folder as well */
    const char *mark; /* unique to this agent's place: what an agent that died left is found by it */
    uint64_t incarnation;
    void (*post)(void *ctx, struct mono now, const struct agent_event *ev); /* AG_EV_PREPARED */
    /* Bytes for the log of a run that has not begun; nothing when it is gone. */
    void (*say)(void *ctx, struct mono now, uint64_t run, struct slice bytes);
    /* A step's container may not have been removed. */
    void (*leave)(void *ctx, pid_t helper, const char *container);
    void *ctx;
};

struct ready *ready_new(const struct ready_opts *opts);
void ready_free(struct ready *r);

/* The code of a run is being brought to `tree`: what has to be done there afterwards. Copies what it needs. */
void ready_expect(struct ready *r, uint32_t slot, const struct frame_run_spec *spec, const char *tree);
/* The code is there. True: the slot's AG_EV_PREPARED will be posted when all is ready. False: it is. */
bool ready_start(struct ready *r, struct mono now, uint32_t slot);
/* Put where the slot's environment lies behind the variables of a run that names none itself; its list moves to `lists`. */
void ready_env(const struct ready *r, uint32_t slot, struct frame_run_spec *spec, struct arena *lists);

/* The image that the slot's runs are made of, and where their environment lies (NULL: none), in `a`.
 * NULL: they run on the machine itself. */
const struct container_ground *ready_ground(const struct ready *r, uint32_t slot, struct arena *a,
                                            const char **retenvironment);

bool ready_is_known_pid(const struct ready *r, pid_t pid);
bool ready_reaped(struct ready *r, struct mono now, pid_t pid, int status);
size_t ready_poll_add(struct ready *r, struct pollfd *fds, size_t max);
void ready_poll_done(struct ready *r, struct mono now, const struct pollfd *fds, size_t n);
struct mono ready_deadline(const struct ready *r);
void ready_tick(struct ready *r, struct mono now);

#endif
