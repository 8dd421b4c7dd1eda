/* event.h - everything that can happen to the engine. Borrowed for the call; texts are NUL-ended UTF-8 that
 * the sender has checked for length and control characters (api/ and server/translate.c do). */
#ifndef WRATA_ENGINE_EVENT_H
#define WRATA_ENGINE_EVENT_H

#include "model/change.h"

/* The two clocks of a turn, read once in the loop. */
struct now {
    struct mono mono;
    struct wall wall;
};

enum event_kind {
    EV_TICK,   /* engine_deadline() was reached; also harmless at any other time */
    EV_BOOTED, /* all rows were loaded: connect servers, resume launches */
    /* commands of people; each is answered by exactly one reply with its ticket */
    EV_SERVER_ADD,
    EV_SERVER_REMOVE,
    EV_LAUNCH_CREATE,
    EV_LAUNCH_STOP,
    EV_RUN_STOP,
    EV_SHUTDOWN, /* planned end of this controller: extend leases, say goodbye to links */
    /* links */
    EV_LINK_UP,   /* HELLO was answered by WELCOME */
    EV_LINK_DOWN, /* could not be made, or broke */
    EV_BEAT,
    EV_RUN_STARTED,
    EV_RUN_FINISHED, /* posted only when both streams are durable up to their final lengths */
    EV_KIND_COUNT
};

struct held_run {
    struct run_id run;
    uint32_t state; /* enum held_state of wire/frame.h, by number */
    uint32_t slot;
};

/* A test of a launch to be made. */
struct new_test {
    const char *path;
    const char *const *argv;
    uint32_t n_argv;
    enum adapter_kind adapter;
    const char *const *reports; /* n_reports globs, for ADAPTER_JUNIT */
    uint32_t n_reports;
    int64_t predicted_ms;
};

struct event {
    enum event_kind kind;
    struct ticket ticket; /* 0: nobody waits */
    union {
        struct server_row server_add; /* id and link fields are ignored */
        struct {
            struct server_id server;
            bool force; /* queue its runs again instead of refusing */
        } server_remove;
        struct {
            struct launch_row launch;     /* id, state, outcome, times, n_tests are ignored */
            const struct new_test *tests; /* launch order = as given; 1..LAUNCH_TESTS_MAX */
            uint32_t n_tests;
        } launch_create;
        struct launch_id launch_stop;
        struct run_id run_stop;
        struct {
            struct server_id server;
            uint64_t link; /* chosen by the link layer, grows; later events carry it */
            uint64_t incarnation;
            const char *agent_version;
            const char *facts;
            const struct held_run *held;
            uint32_t n_held;
        } link_up;
        struct {
            struct server_id server;
            uint64_t link; /* 0: the link never came up */
            const char *reason;
        } link_down;
        struct {
            struct server_id server;
            uint64_t link;
            uint64_t seq;
            uint64_t goals_seq;
            const struct held_run *held;
            uint32_t n_held;
        } beat;
        struct {
            struct server_id server;
            uint64_t link;
            struct run_id run;
            uint32_t slot;
        } run_started;
        struct {
            struct server_id server;
            uint64_t link;
            struct run_id run;
            uint32_t slot; /* where it ran; UINT32_MAX: nowhere, or not known */
            struct finish finish;
            struct tally tally;
            const char *reason; /* the agent's sentence; "" none */
        } run_finished;
    };
};

#endif
