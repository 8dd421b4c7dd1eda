/* container_call.h - one command of podman or docker, with an end to waiting. For the agent's helper processes, which may
 * wait; the agent's own loop never calls an engine. */
#ifndef WRATA_AGENT_CONTAINER_CALL_H
#define WRATA_AGENT_CONTAINER_CALL_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/container.h"
#include "base/clock.h"

#define CALL_OUT_BYTES KIB(64)
#define CALL_ERR_BYTES KIB(8)

/* A helper process: what it was told by signals, and memory for its whole short life. */
struct helper {
    struct arena arena;
    int signal_fd;
    int null_fd;
    bool wants_end;  /* SIGTERM: gracefully */
    bool wants_kill; /* SIGQUIT, SIGINT: at once; also when the agent is gone */
    int64_t patience_ms;
};

/* Signals come through signal_fd from here on. False: that cannot be had. */
bool helper_init(struct helper *h);
/* Read what signals said; children that ended and are not `pid` are forgotten. True: pid ended, with *retstatus. */
bool helper_signals(struct helper *h, pid_t pid, int *retstatus);

struct call {
    char **argv;
    int64_t limit_ms; /* 0: the helper's patience */
    int out;          /* where its output goes, both streams; 0: it is kept for the answer */
    bool is_stubborn; /* goes on when the helper is told to end */
    /* Called in each round while it runs, to see to something else meanwhile: sets what is to be watched (-1: nothing). Does the
     * call go on when the helper is told to end? NULL: nothing else. */
    bool (*on_round)(void *ctx, int *watch);
    void *ctx;
};

struct answer {
    bool is_started;
    bool is_late;
    bool is_cut; /* the helper was told to end */
    int status;  /* as wait() says */
    char out[CALL_OUT_BYTES];
    char err[CALL_ERR_BYTES]; /* the end of it */
};

/* True: it ended with exit status 0. */
bool call_engine(struct helper *h, const struct call *c, struct answer *ret);
/* What went wrong, in words: "podman create: no such image". Lives in the helper's arena. */
const char *call_error(struct helper *h, const struct call *c, const struct answer *a);

/* Podman's and docker's own settings pass through the clean environment. */
char **engine_env(struct arena *a);

#endif
