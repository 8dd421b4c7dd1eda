/* exec_private.h - what the exec*.c share. */
#ifndef WRATA_AGENT_EXEC_PRIVATE_H
#define WRATA_AGENT_EXEC_PRIVATE_H

#include "agent/container.h"
#include "agent/exec.h"
#include "agent/log_ring.h"
#include "agent/warm.h"
#include "base/mask.h"

#define READ_BYTES KIB(64)
#define EXEC_LOOK_EVERY_US 5000

struct tap;

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_DRAINING, PHASE_KILLING, PHASE_REPORTING, PHASE_KEEPING };

/* What a run needs until its process is there. */
struct start {
    struct arena arena; /* of what is here */
    char **argv;
    char **envp;
    struct secret_env secrets; /* entries of envp */
    int from[STREAM_COUNT];    /* the ends of its pipes that are read; -1: none */
    int to[STREAM_COUNT];      /* and those that become its own */
    bool no_disk;              /* that is why it cannot be started */
};

struct pipe_end {
    int fd; /* -1: closed */
    bool is_large;
    int64_t every_us; /* between looks: shorter when much was found, longer when little was */
    struct mono look_at;
    struct mask_stream mask; /* of a run that has secrets */
    struct mono quiet_at;    /* let go what it holds then */
};

/* A run in a container: the helper that makes it and removes it, and what that said (container_run.h). */
struct box {
    pid_t pid;
    int fd; /* what it says */
    char line[1500];
    size_t len;
    pid_t first; /* the container's first process, as seen here */
    char *failure;
    bool is_cleared;     /* nothing of the container is left */
    struct mono give_up; /* the helper itself is ended then */
    char name[CONTAINER_NAME_BYTES];
};

struct process {
    uint64_t run;
    uint32_t slot;
    pid_t pid; /* 0 while it is STARTING */
    enum phase phase;
    struct start *start;    /* STARTING: what for; else NULL */
    struct mono phase_end;  /* DRAINING, KILLING: not longer than this */
    struct mono next_check; /* KILLING: when to look again */
    struct pipe_end pipe[STREAM_COUNT];
    uint64_t log_head_max; /* bytes of the log that go straight to the spool */
    uint64_t log_max;
    uint64_t tail_max;
    struct log_ring *tail; /* the bytes beyond the head, the last of them; NULL until it is full */
    uint64_t gap_plus_one; /* where the log tells that some are not kept; 0: it does not */
    uint64_t lost;         /* the disk did not take them */
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
    struct box *box; /* NULL: on the machine itself, or its container has ended */
    bool is_boxed;
};

struct exec {
    struct exec_opts opts;
    char *dir;
    char *mark;
    char *adapter_rspec;
    char *pytest_folder;
    struct warm *warm;
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
void exec_process_free(struct exec *x, struct process *p); /* its slot is free then */
/* Go as far towards the end as is possible now. */
void exec_advance(struct exec *x, struct process *p, struct mono now);

/* exec_start.c. A starter ends with one of these two. */
void exec_started(struct exec *x, struct process *p, const struct spool_started *st);
void exec_start_failed(struct exec *x, struct process *p, const char *text); /* why, for people; p is gone */
void exec_start_free(struct start *s);                                       /* NULL is fine */
void exec_pipes_begin(struct process *p, struct mono now); /* its pipes are read from here on */
void exec_start_plain(struct exec *x, struct process *p);  /* by fork and exec */

/* exec_warm.c: by a fork of what has RSpec loaded. False: that is not possible, or not worth it. */
bool exec_start_warm(struct exec *x, struct process *p, const struct frame_run_spec *spec);
struct warm *exec_warm_new(struct exec *x);

/* exec_container.c */
/* The starter of a run that goes into a container. */
void exec_start_boxed(struct exec *x, struct process *p, const struct frame_run_spec *spec,
                      const struct exec_box *box);
void exec_box_signal(struct exec *x, struct process *p, struct mono now, enum agent_signal sig);
void exec_box_read(struct exec *x, struct process *p,
                   struct mono now); /* what its helper said; p may be gone then */
bool exec_box_reaped(struct exec *x, struct mono now, pid_t pid,
                     int status); /* false: it is no such helper */
void exec_box_tick(struct exec *x, struct process *p, struct mono now);
void exec_box_leave(struct exec *x, struct process *p); /* the run does without it from here on */
size_t exec_box_pids(const struct process *p, pid_t *pids, size_t max); /* of all in the container */

/* exec_stream.c */
/* Bytes of a stream to the spool, to what reads them, and to the core. */
void exec_take_bytes(struct exec *x, struct process *p, struct mono now, uint32_t stream, const char *data,
                     size_t n);
/* The same for what may hold a secret: it is hidden. */
void exec_take_raw(struct exec *x, struct process *p, struct mono now, uint32_t stream, const char *data,
                   size_t n);
/* Read a pipe until it is empty, at most a few times. Returns the bytes read. */
size_t exec_pipe_read(struct exec *x, struct process *p, struct mono now, uint32_t stream);
void exec_next_look(struct pipe_end *e, struct mono now, size_t got); /* when, after so many bytes */
/* Nothing came for a while (or will come any more, at_end): what is held back goes, as far as it may. */
void exec_let_go(struct exec *x, struct process *p, struct mono now, uint32_t stream, bool at_end);
/* The end of the log: what was kept of the tail, behind lines that tell of the gap. Returns the bytes that are missing. */
uint64_t exec_log_close(struct exec *x, struct process *p);

/* exec_files.c. What is being read or sent is p->reader, whose end comes here. */
void exec_begin_reporting(struct exec *x, struct process *p, struct mono now);
/* False: there is nothing (more) of it. */
bool exec_begin_keeping(struct exec *x, struct process *p, struct mono now);
bool exec_reporting_is_over(struct exec *x, struct process *p, struct mono now);
void exec_reader_ended(struct exec *x, struct process *p, struct mono now, int status);

#endif
