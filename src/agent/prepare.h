/* prepare.h - the code of a launch, brought to a slot with git.
 *
 * A bare cache for each project (cache/p<project>.git), fetched from the controller through a channel of the
 * link, and for each slot a linked work tree of it (work/p<project>-s<slot>), so that `git ls-files` works
 * inside. Submodules are commits of the same cache, and linked work trees inside of that one: `git submodule status` and
 * `foreach` work, and each is clean for each run. One git at a time touches a cache; checkouts of different slots go on
 * side by side. A run without a project gets an empty folder. */
#ifndef WRATA_AGENT_PREPARE_H
#define WRATA_AGENT_PREPARE_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "agent/agent_core.h"

#define PREPARE_TIME_LIMIT_MS 600000
#define PREPARE_TREES_PER_SLOT 8

struct prepare;

struct prepare_opts {
    const char *dir;  /* absolute: DIR/ID; the process's own folder as well */
    const char *self; /* the agent's program, for git's ext:: helper */
    void (*post)(void *ctx, struct mono now, const struct agent_event *ev); /* AG_EV_PREPARED */
    void *ctx;
};

struct prepare *prepare_new(const struct prepare_opts *opts);
void prepare_free(struct prepare *p);

/* spec is borrowed for the call. */
void prepare_start(struct prepare *p, struct mono now, uint32_t slot, const struct frame_run_spec *spec);
/* The folder of a slot's runs; valid until the next call. */
const char *prepare_folder(struct prepare *p, uint32_t slot, uint64_t project);
/* Why the channel that brings this commit of a project broke, or one that brings files of Git LFS (commit ""): told with the reason
 * when git fails for it. Others: ignored. */
void prepare_channel_error(struct prepare *p, uint64_t project, const char *commit, struct slice text);

bool prepare_is_known_pid(const struct prepare *p, pid_t pid);
bool prepare_reaped(struct prepare *p, struct mono now, pid_t pid, int status);
size_t prepare_poll_add(struct prepare *p, struct pollfd *fds, size_t max);
void prepare_poll_done(struct prepare *p, const struct pollfd *fds, size_t n);
struct mono prepare_deadline(const struct prepare *p);
void prepare_tick(struct prepare *p, struct mono now);

#endif
