/* child.h - child processes on the loop: posix_spawn, pipes, reaping, deadlines.
 *
 * Never uv_spawn: it forks, and a fork of a large process blocks the loop for tens of milliseconds. Each child leads
 * a group of its own, so that a kill takes what it started along. It is reaped by its pid alone. Nothing but its three
 * standard streams is inherited; signal mask and dispositions are the default ones.
 *
 * Loop thread. Callbacks never come from inside a call of this module. */
#ifndef WRATA_NET_CHILD_H
#define WRATA_NET_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct uv_loop_s;
struct children; /* all children of one owner */
struct child;

/* SIGPIPE is ignored from here on: a child that closes its input is not our end. */
OWNED struct children *children_new(struct uv_loop_s *loop);

/* SIGKILL to every group, at most a second of waiting for them; no more callbacks. The loop must turn once more for
 * the handles to close. NULL is fine. */
void children_free(struct children *all);

enum child_io {
    CHILD_NULL, /* /dev/null */
    CHILD_PIPE, /* ours: child_write() into it; out of it on_out/on_err, or kept for on_exit */
    CHILD_FD,   /* a file descriptor of the caller, which stays the caller's */
};

struct child_exit {
    bool exited; /* it returned exit_code by itself; else `signal` ended it */
    int exit_code;
    int signal;
    bool timed_out;   /* we killed it at its deadline */
    struct slice out; /* what was kept of its streams; borrowed for the call */
    struct slice err;
    bool out_cut; /* more came than out_max; the rest was read and thrown away */
    bool err_cut;
    bool held; /* something it started still held a stream when drain_ms were over */
};

struct child_opts {
    const char *const *argv; /* NULL-ended; argv[0] is looked up in PATH */
    const char *const
        *env; /* NULL-ended changes to our environment: "NAME=value" sets, "NAME" removes; NULL: none */
    const char *cwd; /* NULL: ours */
    enum child_io in, out, err;
    int in_fd, out_fd, err_fd; /* for CHILD_FD */
    bool new_session;          /* without our terminal: what it starts cannot ask for a password there */
    int64_t deadline_ms;       /* 0: none. TERM to the group, then KILL after grace_ms */
    int64_t grace_ms;          /* 0: 2000 */
    int64_t drain_ms;          /* from its end to the end of its streams; 0: 2000 */
    size_t out_max, err_max;   /* bytes kept when there is no on_out, on_err; 0: 64 KiB */
    void (*on_out)(void *ctx, const char *bytes, size_t n);
    void (*on_err)(void *ctx, const char *bytes, size_t n);
    void (*on_wrote)(void *ctx,
                     size_t n); /* n bytes given to child_write() have left; not called on failure */
    /* Exactly once, after its end and the end of its streams. The child is gone on return. */
    void (*on_exit)(void *ctx, const struct child_exit *e);
    void *ctx;
};

/* On failure nothing was started and no callback comes. *ret is valid until on_exit or child_abandon(). */
MUST_USE enum err child_start(struct children *all, const struct child_opts *opts, struct child **ret,
                              struct why *reterr);

/* Bytes for its input, in order. After the child has closed it they are dropped: its end tells why. */
void child_write(struct child *c, TAKES char *bytes, size_t n);
size_t child_unwritten(const struct child *c);
void child_close_in(struct child *c); /* once everything is written */

void child_pause_out(struct child *c); /* its end is not reported while paused with bytes to come */
void child_resume_out(struct child *c);

void child_kill(struct child *c, int signal); /* the whole group; nothing when it has ended */
pid_t child_pid(const struct child *c);

/* No more callbacks: close its input, TERM, KILL after the grace, reap. Takes the caller's reference. NULL is fine. */
void child_abandon(struct child **c);

/* "it ended with exit status 3", "signal 9 (Killed) ended it", "it took longer than 30 s". Into out; returns out. */
const char *child_exit_text(const struct child_exit *e, char *out, size_t size);

#endif
