/* cgroup.h - what the kernel offers to hold the processes of a run together: control groups.
 *
 * One group per slot, made once and used for run after run, in every hierarchy that is there and may be
 * written: v2 (cgroup.kill, memory.max, pids.max), v1 (memory, pids), or none. A group for killing is joined
 * by every run; the ones of v1's memory and pids only when the run has such a limit. */
#ifndef WRATA_AGENT_CGROUP_H
#define WRATA_AGENT_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup;      /* what this machine has */
struct cgroup_slot; /* the groups of one slot */

/* name: of the agent's own folder in each hierarchy. NULL is returned when there are no groups to use. */
struct cgroup *cgroup_open(const char *name);
void cgroup_close(struct cgroup *c);              /* removes what is empty */
const char *cgroup_facts(const struct cgroup *c); /* "cgroup v1 (memory pids)", "no cgroup" */

/* The groups of a slot, emptied of whatever a former agent left in them; NULL: none. */
struct cgroup_slot *cgroup_slot_open(struct cgroup *c, uint32_t slot);
/* Another one beside it, for what forks a slot's runs (warm.h). */
struct cgroup_slot *cgroup_warm_open(struct cgroup *c, uint32_t slot);
void cgroup_slot_close(struct cgroup_slot *s);

/* Kill what any former agent of this name left running, in all slots. */
void cgroup_kill_all(struct cgroup *c);

/* Set limits for the next run; 0: none. Returns false when a limit was asked for and cannot be set. */
bool cgroup_limit(struct cgroup_slot *s, uint64_t memory_bytes, uint32_t pids);

/* The files the new process writes "0" to, before exec; returns how many, at most 3. */
size_t cgroup_join_fds(const struct cgroup_slot *s, int fds[3]);

void cgroup_join(const struct cgroup_slot *s, pid_t pid); /* put another process there; NULL is fine */

bool cgroup_can_hold(const struct cgroup_slot *s); /* every process of the run is in a group of its own */
bool cgroup_is_empty(const struct cgroup_slot *s);
void cgroup_kill(const struct cgroup_slot *s);

/* Did the memory limit kill something since cgroup_limit()? */
bool cgroup_was_oom(const struct cgroup_slot *s);

/* The file that tells whom memory limits have ended in the group of any process. False: it is not found. */
bool cgroup_oom_file(pid_t pid, char *ret, size_t size);
/* How many these were. UINT64_MAX: it cannot be told, also because the group is gone. */
uint64_t cgroup_oom_kills(const char *file);

/* The pids in the group, at most max. */
size_t cgroup_pids(const struct cgroup_slot *s, pid_t *pids, size_t max);

#endif
