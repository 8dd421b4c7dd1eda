/* launch.h - start a child process: vfork and exec, with everything set between the two. */
#ifndef WRATA_AGENT_LAUNCH_H
#define WRATA_AGENT_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mem.h"

struct launch {
    char *const *argv; /* argv[0] without a slash is looked for in the PATH of envp */
    char *const *envp;
    const char *cwd;
    int in;           /* becomes 0 */
    int out;          /* becomes 1 and 2 */
    int err;          /* becomes 2; 0: as out */
    int results;      /* becomes 3; -1: none */
    int side;         /* becomes 4; 0: none */
    const int *joins; /* cgroup.procs files that get a "0" */
    size_t n_joins;
    const struct launch_user *as; /* NULL: who we are */
    const char *oom_score_adj;    /* "1000" is ended first when memory is short; NULL: as we are */
};

struct launch_user {
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t n_groups;
};

/* Every descriptor of the agent but 0, 1, 2 is at 4 or above (launch_init), so that 3 is the child's.
 * The child leads a session and a group of its own and dies with the agent.
 * returns the pid, or -1 with errno and *retstep: what failed, "user", "chdir" or "exec". `a` for the call's memory. */
pid_t launch_child(const struct launch *l, struct arena *a, const char **retstep);
/* That failure in words. place: "on this server". */
const char *launch_error(struct arena *a, const struct launch *l, const char *step, int error,
                         const char *place);

void launch_init(void); /* once, before any other descriptor is opened */

/* The value of name in envp; NULL: not there. */
const char *env_get(char *const *envp, const char *name);

#endif
