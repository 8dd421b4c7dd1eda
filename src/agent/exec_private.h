/* exec_private.h - what exec.c and exec_files.c share. */
#ifndef WRATA_AGENT_EXEC_PRIVATE_H
#define WRATA_AGENT_EXEC_PRIVATE_H

#include "agent/exec.h"
#include "base/mask.h"

#define READ_BYTES KIB(64)

struct tap;

enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_KILLING, PHASE_REPORTING, PHASE_KEEPING };

struct pipe_end {
    int fd; /* -1: closed */
    bool is_large;
    int64_t every_us; /* between looks: shorter when much was found, longer when little was */
    struct mono look_at;
    struct mask_stream mask; /* of a run that has secrets */
    struct mono quiet_at;    /* let go what it holds then */
};

struct process {
    uint64_t run;
    uint32_t slot;
    pid_t pid;
    enum phase phase;
    struct mono phase_end;  /* DRAINING, KILLING: not longer than this */
    struct mono next_check; /* KILLING: when to look again */
    struct pipe_end pipe[STREAM_COUNT];
    uint64_t log_head_max; /* bytes of the log that go straight to the spool */
    uint64_t log_max;
    uint64_t log_over; /* bytes beyond the head */
    char *tail;        /* a ring of the last of them; NULL until the head is full */
    size_t tail_max;
    uint64_t lost; /* the disk did not take them */
    bool no_disk;
    struct agent_exit exit;
    struct mask *mask; /* NULL: it has no secrets, nothing is looked for */
    struct tap *tap;   /* reads its output; NULL: nobody does */
    struct exec *exec; /* of tap's sink */
    struct mono tap_now;
    bool was_signalled; /* by us: what is missing in its reports is no fault of theirs */
    char **reports;     /* n_reports globs, then NULL; NULL: none */
    uint32_t n_reports;
    char *cwd;
    int64_t started_ns; /* by the clock that files are stamped with */
    pid_t reader;       /* REPORTING, KEEPING: reads the files; 0: it is gone */
    bool has_reported;
    char **keep; /* the command that takes its artifacts, once; NULL: none, or it has begun */
    char *text;  /* what it did when a limit ended it, in a sentence; NULL: none did */
    char *note;  /* the same in lines */
    char mark[128];
};

struct exec {
    struct exec_opts opts;
    char *dir;
    char *mark;
    char *adapter_rspec;
    char *pytest_folder;
    uint64_t boot;
    int null_fd;
    struct process *slots[AGENT_SLOTS_MAX];
    struct cgroup_slot *groups[AGENT_SLOTS_MAX];
    bool group_tried[AGENT_SLOTS_MAX];
    struct mono polled_at; /* pipes to be looked at later than this are waited for by time */
    uint32_t slots_used;   /* one past the highest slot with a process */
    struct arena arena;
    struct buf masked;
    char buf[READ_BYTES];
};

/* exec.c */
void exec_take_bytes(struct exec *x, struct process *p, struct mono now, uint32_t stream, const char *data,
                     size_t n);
size_t exec_pipe_read(struct exec *x, struct process *p, struct mono now, uint32_t stream);
void exec_advance(struct exec *x, struct process *p,
                  struct mono now); /* go as far towards the end as is possible now */

/* exec_files.c. What is being read or sent is p->reader, whose end comes here. */
void exec_begin_reporting(struct exec *x, struct process *p, struct mono now);
/* False: there is nothing (more) of it. */
bool exec_begin_keeping(struct exec *x, struct process *p, struct mono now);
bool exec_reporting_is_over(struct exec *x, struct process *p, struct mono now);
void exec_reader_ended(struct exec *x, struct process *p, struct mono now, int status);

#endif
