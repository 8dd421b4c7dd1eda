/* exec.h - the processes of runs: started, listened to, ended with all they left behind.
 *
 * A run's process leads its own session and process group, is in its slot's control group where there is one,
 * and dies with the agent. What it leaves behind (background jobs, daemons that forked twice) is found at its
 * end through that group, or else as children: the agent adopts orphans (PR_SET_CHILD_SUBREAPER) and knows
 * them by WRATA_AGENT_RUN in their environment.
 *
 * Reading is lazy on purpose: a pipe is looked at 10 ms after the start at the earliest and then at most every
 * 5 ms unless it fills, so a short script costs one wake-up, its exit, and a chatty one no more than 200 a
 * second. */
#ifndef WRATA_AGENT_EXEC_H
#define WRATA_AGENT_EXEC_H

#include <poll.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "agent/agent_core.h"
#include "agent/cgroup.h"
#include "agent/run_env.h"
#include "agent/spool.h"

#define EXEC_DRAIN_MS 200    /* for others that still hold the pipes when the main process is gone */
#define EXEC_REPORT_MS 60000 /* for reading the report files of a run */
#define EXEC_RESULTS_MAX_BYTES MIB(64)
#define EXEC_LOG_TAIL_MIN_BYTES KIB(64)
#define EXEC_LOG_TAIL_MAX_BYTES MIB(16)
#define EXEC_LOG_MAX_BYTES ((uint64_t)1 << 30) /* of log_max_bytes */

struct exec;
struct container_ground;

/* Where a run goes that is not to be on the machine itself. Borrowed for the call. */
struct exec_box {
    const struct container_ground *ground;
    const char *environment; /* absolute: what `prepare` made for it; NULL: nothing */
    const char *git;         /* absolute: the repository of its work tree; NULL: none */
};

struct exec_opts {
    const char *dir;  /* absolute: DIR/ID */
    const char *mark; /* unique to this agent's place: "ID-crc" */
    uint64_t incarnation;
    const char *adapter_rspec; /* path of the adapter; NULL: none */
    const char *pytest_folder; /* where wrata_pytest.py is; NULL: none */
    const char *warm_script;   /* path of wrata_warm.rb; NULL: none */
    struct spool *spool;
    struct cgroup *cgroup; /* NULL: none */
    /* Events for the core: copied by the callee, given to agent_step() after the present actions. */
    void (*post)(void *ctx, struct mono now, const struct agent_event *ev);
    bool (*is_known_pid)(void *ctx, pid_t pid); /* a child that is not a run's: git */
    /* A run in a container is over; its helper may still be removing that. */
    void (*leave)(void *ctx, pid_t helper, const char *container);
    void *ctx;
};

struct exec *exec_new(const struct exec_opts *opts);
void exec_free(struct exec *x); /* kills what still runs */

/* Start a run; answers with AG_EV_SPAWNED or AG_EV_SPAWN_FAILED. cwd: the slot's folder. box NULL: on the machine itself. */
void exec_spawn(struct exec *x, const struct frame_run_spec *spec, uint32_t slot, const char *cwd,
                const struct exec_box *box);
void exec_signal(struct exec *x, struct mono now, uint64_t run, enum agent_signal sig, bool describe);

/* A child was reaped. false: it was none of the runs' main processes. */
bool exec_reaped(struct exec *x, struct mono now, pid_t pid, int status, const struct rusage *ru);

/* Add what to poll for; returns how many. */
size_t exec_poll_add(struct exec *x, struct mono now, struct pollfd *fds, size_t max);
void exec_poll_done(struct exec *x, struct mono now, const struct pollfd *fds, size_t n);
struct mono exec_deadline(const struct exec *x);
void exec_tick(struct exec *x, struct mono now);

/* At the start: kill what a former agent left running. */
void exec_kill_leftovers(struct exec *x, const struct spool_started *started, size_t n);

#endif
