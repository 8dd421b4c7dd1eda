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
    EV_LAUNCH_NAME, /* also of one that is over */
    EV_QUEUE_LOOK, /* a page of a queue: a reading, answered like a command, so that it shows one moment that is saved */
    EV_QUEUE_CHANGE,
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

#define QUEUE_PAGE_MAX 500u

/* A test of a launch to be made. */
struct new_test {
    const char *path;
    const char *const *argv;
    uint32_t n_argv;
    enum adapter_kind adapter;
    const char *const *reports; /* n_reports globs, for ADAPTER_JUNIT */
    uint32_t n_reports;
    const char *language; /* NULL: "" */
    const char *browser;  /* NULL: "" */
    struct test_limits limits;
    int64_t predicted_ms;
};

/* What can be done to the waiting tests of a user. */
enum queue_op {
    QUEUE_MOVE,    /* `tests` before `before`, to the front or to the end, in the order they stand */
    QUEUE_DELETE,  /* `tests` */
    QUEUE_CLEAR,   /* all */
    QUEUE_SHUFFLE, /* by `seed` */
    QUEUE_DEDUPE,  /* of tests that would do the same the first stays */
    QUEUE_SORT,    /* the longest predicted first */
    QUEUE_UNDO,    /* of `undo`; 0: the newest */
    QUEUE_OP_COUNT
};
enum queue_to { QUEUE_TO_END, QUEUE_TO_FRONT, QUEUE_TO_BEFORE };

struct queue_change {
    struct user_id user; /* whose queue */
    enum queue_op op;
    uint64_t version; /* of the queue as it was seen; another one is refused. 0: never mind */
    const struct test_id *tests;
    uint32_t n_tests;
    enum queue_to to;
    struct test_id before;
    uint64_t seed;
    struct undo_id undo;
    const char *login; /* who does it */
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
            bool at_front; /* of the queue; else at its end */
        } launch_create;
        struct launch_id launch_stop;
        struct {
            struct launch_id launch;
            const char *name;
        } launch_name;
        struct {
            struct user_id user;
            struct test_id after; /* the last of the page before; 0: from the front */
            uint32_t limit;       /* 1..QUEUE_PAGE_MAX */
        } queue_look;
        struct queue_change queue_change;
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
