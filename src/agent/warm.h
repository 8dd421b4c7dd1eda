/* warm.h - a process per slot in which RSpec is booted, and which forks for each run (adapters/rspec/wrata_warm.rb).
 *
 * It is started with the first run that could use it, of one launch, one work tree, one command and one environment, and
 * serves what has the same (the key). Another key, files that changed, age, growth, and a minute without runs end it; it
 * dies with the agent. A run's child is our own child, in the groups of its run before anything of the run happens: what
 * takes part in nothing but the boot is all it shares with others.
 *
 * A run never fails here. Until its child has been given its words and environment it can be started the plain way
 * instead, and that is what is done whenever something is not as it should be. docs/warm.md tells users. */
#ifndef WRATA_AGENT_WARM_H
#define WRATA_AGENT_WARM_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/cgroup.h"
#include "agent/run_env.h"
#include "base/buf.h"
#include "base/clock.h"

#define WARM_IDLE_MS 60000
#define WARM_AGE_MS 3600000
#define WARM_GROWTH_KIB (64u << 10) /* over twice of what it had when it was ready */
#define WARM_BOOT_MS 60000          /* then the run that waits goes the plain way */
#define WARM_PRELOAD_MS 180000      /* the same, with code of the project to be loaded */
#define WARM_FORK_MS 10000
#define WARM_SAID_MAX KIB(64) /* by a boot, to be repeated for each run: more than that and there is none */

struct warm;

struct warm_opts {
    const char *script; /* path of wrata_warm.rb; NULL: there is none, and so nothing is warm */
    const char *mark;   /* unique to this agent's place */
    uint64_t incarnation;
    struct cgroup *cgroup; /* NULL: none */
    /* How a run that was taken goes on: one of these, once. The child waits until child() returns; `said` is what stands in a
     * log before its own output. plain(): start it as ever; `why` is a line for its log, or NULL. */
    void (*child)(void *ctx, uint64_t run, pid_t pid, struct slice said);
    void (*plain)(void *ctx, uint64_t run, const char *why);
    void *ctx;
};

/* A run that is to be started; all is borrowed for the call. */
struct warm_run {
    uint64_t run;
    uint64_t launch;
    uint64_t project;
    struct slice commit;
    uint32_t slot;
    char *const *argv;
    char *const *envp;
    const struct secret_env *secrets; /* which of envp are */
    const char *cwd;
    struct slice preload; /* "": nothing of the project */
    int log;              /* become its 1 and 2 */
    int results;          /* becomes its 3 */
};

struct warm *warm_new(const struct warm_opts *opts);
void warm_free(struct warm *w); /* ends them all; NULL is fine */

/* False: it is nothing for a warm process, start it the plain way. True: child() or plain() will follow. */
bool warm_take(struct warm *w, struct mono now, const struct warm_run *r);
/* The slot's run is over, or is not wanted any more before it began: then neither child() nor plain() follows. */
void warm_leave(struct warm *w, struct mono now, uint32_t slot);

/* A child was reaped. True: it was one of these processes. */
bool warm_reaped(struct warm *w, struct mono now, pid_t pid);
bool warm_is_known_pid(const struct warm *w, pid_t pid);
/* Of the slot's process: what its children have in their first environment; NULL: there is none. */
const char *warm_mark(const struct warm *w, uint32_t slot);

size_t warm_poll_add(struct warm *w, struct pollfd *fds, size_t max);
void warm_poll_done(struct warm *w, struct mono now, const struct pollfd *fds, size_t n);
struct mono warm_deadline(const struct warm *w);
void warm_tick(struct warm *w, struct mono now);

#endif
