/* event.h - everything that can happen to the engine. Borrowed for the call; texts are NUL-ended UTF-8 that
 * the sender has checked for length and control characters (api/ and server/translate.c do). */
#ifndef WRATA_ENGINE_EVENT_H
#define WRATA_ENGINE_EVENT_H

#include "model/change.h"
#include "model/machine.h"

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
    EV_SERVER_EDIT,
    EV_SERVER_REMOVE,
    EV_SERVERS_CHANGE, /* switch on and off, book, drain ... any number, all or none */
    EV_SERVERS_TAKE,   /* book so many of a fleet, and make what is missing */
    EV_FLEET_PUT,
    EV_FLEET_REMOVE,
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
    EV_HEALTH, /* what an agent says about its disks */
    EV_ROOM,   /* of the disk of wrata's own server; also before EV_BOOTED (room.c) */
    EV_RUN_PREPARING,
    EV_RUN_STARTED,
    EV_RUN_FINISHED, /* posted only when both streams are durable up to their final lengths */
    /* fleets: each order to one is answered by one of these (fleet/fleet.h) */
    EV_MACHINE_CREATED,
    EV_MACHINE_CREATE_FAILED,
    EV_MACHINE_DESTROYED, /* also when it was gone already */
    EV_MACHINE_DESTROY_FAILED,
    EV_MACHINE_RENEWED,
    EV_MACHINE_RENEW_FAILED,
    EV_FLEET_LISTED,
    EV_FLEET_LIST_FAILED,
    EV_FLEET_CATALOG,
    EV_KIND_COUNT
};

struct held_run {
    struct run_id run;
    uint32_t state; /* enum held_state of wire/frame.h, by number */
    uint32_t slot;
};

/* One that a run needs: of the agent's folder, of /tmp. */
struct disk_room {
    const char *where; /* "/var/lib/wrata" */
    uint64_t free_bytes;
    uint64_t total_bytes; /* 0 not known: then it is not judged */
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
    QUEUE_PAUSE,   /* no new test starts, and what lies ahead on servers comes back */
    QUEUE_RESUME,
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

/* The record of a server: what is NULL, or 0 of the numbers that have `sets_...`, stays. */
struct server_edit {
    struct server_id server;
    const char *login; /* who does it */
    const char *name;
    const char *address;
    const char *user;
    const char *identity;
    bool sets_port; /* 0 leaves it to ssh */
    uint32_t port;
    uint32_t slots; /* 0: as many as it has */
    bool sets_idle;
    int64_t idle_ms;
};

/* What people do to servers. */
enum server_op {
    SERVER_ON, /* with `size` */
    SERVER_OFF,
    SERVER_BOOK,
    SERVER_UNBOOK,      /* none named: all of the user's */
    SERVER_DRAIN,       /* maintenance: it finishes what it runs */
    SERVER_RESUME,      /* the end of that, and of being taken out for sickness */
    SERVER_SET_IDLE,    /* idle_ms */
    SERVER_SET_CREATED, /* by hand, for recovery: it is there, at `address` */
    SERVER_SET_DESTROYED,
    SERVER_OP_COUNT
};
#define SERVERS_CHANGE_MAX 1000u

struct servers_change {
    enum server_op op;
    const struct server_id *servers;
    uint32_t n;
    struct user_id user; /* who does it */
    const char *login;
    bool may_any;     /* an admin: also what others have booked */
    bool force;       /* OFF: also while it runs something */
    const char *size; /* ON: "" the fleet's own */
    int64_t idle_ms;
    const char *address;
};

struct servers_take {
    struct fleet_id fleet;
    uint32_t n; /* 1..SERVERS_CHANGE_MAX */
    const char *size;
    struct user_id user;
    const char *login;
};

/* What is to become of the machine of a record that is removed. */
enum machine_fate {
    FATE_REFUSE,  /* do not remove a record with a machine */
    FATE_DESTROY, /* the record goes when the machine is gone */
    FATE_KEEP,    /* leave it alone, whatever it costs */
    FATE_COUNT
};

struct event {
    enum event_kind kind;
    struct ticket ticket; /* 0: nobody waits */
    union {
        struct {
            struct server_row row;    /* id, link, status and booking are ignored */
            const char *const *names; /* n_names records that differ in nothing else; 0: row.name */
            uint32_t n_names;
        } server_add;
        struct server_edit server_edit;
        struct {
            struct server_id server;
            bool force; /* queue its runs again instead of refusing */
            enum machine_fate machine;
        } server_remove;
        struct servers_change servers_change;
        struct servers_take servers_take;
        struct fleet_row fleet_put; /* id 0: a new one; kind of another is ignored, kept too */
        struct fleet_id fleet_remove;
        struct {
            struct fleet_id fleet;
            uint64_t server;
            uint64_t intent;
            struct machine machine;      /* CREATED */
            struct fleet_failure failed; /* CREATE_FAILED */
        } machine_create;
        struct {
            struct fleet_id fleet;
            const char *machine;
            struct wall lease_until;     /* RENEWED */
            struct fleet_failure failed; /* *_FAILED */
        } machine; /* MACHINE_DESTROYED, MACHINE_DESTROY_FAILED, MACHINE_RENEWED, MACHINE_RENEW_FAILED */
        struct {
            struct fleet_id fleet;
            uint64_t ask;              /* of the order; answers all orders up to it */
            const struct machine *all; /* LISTED: all of ours there are, each once or more often */
            uint32_t n;
            struct fleet_failure failed; /* LIST_FAILED */
        } fleet_list;
        struct {
            struct fleet_id fleet;
            const struct fleet_size *sizes;
            uint32_t n;
        } fleet_catalog;
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
            uint64_t era;  /* of the ORDER_CONNECT that this answers */
            uint64_t incarnation;
            const char *agent_version;
            const char *facts;
            const struct held_run *held;
            uint32_t n_held;
        } link_up;
        struct {
            struct server_id server;
            uint64_t link; /* 0: the link never came up */
            uint64_t era;  /* of the ORDER_CONNECT that began it */
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
            const struct disk_room *disks;
            uint32_t n_disks;
        } health;
        const char *no_room; /* ROOM: why nothing may begin; NULL: there is room */
        struct {
            struct server_id server;
            uint64_t link;
            struct run_id run;
            uint32_t slot;
            const char *step; /* what is done; less than RUN_STEP_BYTES_MAX */
        } run_preparing;
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
            const char *image;  /* of its container, as in struct run_row; NULL or "": none */
        } run_finished;
    };
};

#endif
