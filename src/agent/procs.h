/* procs.h - other processes, as /proc tells of them. */
#ifndef WRATA_AGENT_PROCS_H
#define WRATA_AGENT_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_info {
    pid_t pid;
    pid_t ppid;
    pid_t pgrp;
    pid_t session;
    char state;        /* 'Z': dead, not reaped */
    uint64_t start_us; /* CLOCK_BOOTTIME, in steps of a clock tick */
    char name[32];
};

bool proc_get(pid_t pid, struct proc_info *ret);  /* false: there is no such process */
bool proc_has_env(pid_t pid, const char *prefix); /* a variable of its first environment starts with it */
uint64_t proc_boot_id(void);
uint64_t proc_boottime_us(void);

/* Our own children, at most max; dead ones too. */
size_t proc_children(pid_t *pids, size_t max);

/* Every process, at most max. */
size_t proc_all(pid_t *pids, size_t max);

/* The words of a process with blanks between them, at most size - 1 bytes; 0: it has none. */
size_t proc_cmdline(pid_t pid, char *out, size_t size);

#endif
