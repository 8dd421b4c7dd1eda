/* goal.h - what the engine wants of a server: the full set of runs it should hold. link/ makes frames of it. */
#ifndef WRATA_MODEL_GOAL_H
#define WRATA_MODEL_GOAL_H

#include "model/rows.h"

/* The wire's enum goal_want and enum held_state, by the same numbers (names.c compares them): the engine may
 * not see the wire. */
enum goal_wants { GOAL_RUN, GOAL_STOP, GOAL_BACK };
enum holds_state { HOLDS_WAITING, HOLDS_PREPARING, HOLDS_RUNNING, HOLDS_STOPPING, HOLDS_FINISHED };

/* What a run is, for an agent that has not seen it. Borrowed from the outbox's arena. */
struct run_spec {
    struct run_id run;
    struct test_id test;
    struct launch_id launch;
    uint32_t attempt;
    struct project_id project;
    const char *commit;
    enum adapter_kind adapter;
    const char *const *argv;
    uint32_t n_argv;
    const char *const *env; /* whole: the launch's lines and the WRATA_ and SPEC_ ones */
    uint32_t n_env;
    struct user_id user;        /* whose secrets they are */
    const char *const *secrets; /* lines NAME=sealed text; link/ has them opened when it writes the frame */
    uint32_t n_secrets;
    const char *const *reports; /* n_reports globs of report files */
    uint32_t n_reports;
    const char *const *setup; /* of the launch */
    uint32_t n_setup;
    int64_t time_limit_ms;
    int64_t silence_limit_ms;
};

struct goal_entry {
    struct run_id run;
    uint32_t want; /* enum goal_want of wire/frame.h, by number: 0 run, 1 stop, 2 back */
    uint32_t lease_ms;
    const struct run_spec *spec; /* not NULL: send it before the goals */
};

struct goal {
    struct server_id server;
    uint64_t link; /* which link of this server (event EV_LINK_UP); another one drops it */
    uint64_t seq;
    uint64_t beat_seq;
    struct wall at; /* when it is sent: whoever sends it says so */
    const struct goal_entry *entries;
    uint32_t n_entries;
};

#endif
