/* serve.h - the agent itself: its loop, its socket, its edges. And the small programs around it. */
#ifndef WRATA_AGENT_SERVE_H
#define WRATA_AGENT_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define AGENT_SOCKET \
    "agent.sock" /* in DIR/ID; everybody enters that folder first: paths of sockets are short */
#define AGENT_IDLE_EXIT_MS 600000
#define AGENT_HELLO_LINE_MAX \
    256 /* the first line a client of the socket sends: "attach", "channel git:1:abc" */

struct serve_opts {
    const char *dir;      /* DIR */
    const char *instance; /* ID */
    int64_t idle_exit_ms;
    bool no_cgroup; /* do without control groups even where there are some */
    int ready_fd;   /* "ok\n" or an error is written there once; -1: none */
};

/* Be the agent until it has nothing to do any more. ERR_BUSY: another one is there already. */
MUST_USE enum err serve(const struct serve_opts *opts, struct why *reterr);

/* Make DIR/ID and enter it. */
MUST_USE enum err serve_enter(const char *dir, const char *instance, struct why *reterr);

/* Start the agent as a daemon and wait until it can be spoken to. */
MUST_USE enum err serve_start_daemon(const struct serve_opts *opts, struct why *reterr);

/* Connect to the agent of this folder and say what for. */
MUST_USE enum err serve_connect(const char *line, int *retfd, struct why *reterr);

/* Copy bytes between stdio and the agent until one side closes. */
MUST_USE enum err attach(const struct serve_opts *opts, struct why *reterr);
MUST_USE enum err attach_channel(const char *socket, const char *params, struct why *reterr);

#endif
