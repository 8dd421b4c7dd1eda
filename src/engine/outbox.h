/* outbox.h - everything the world must do after a turn, in this order. Nothing in it leaves before its changes
 * are committed (docs/engine.md). All memory is the arena's. */
#ifndef WRATA_ENGINE_OUTBOX_H
#define WRATA_ENGINE_OUTBOX_H

#include "base/err.h"
#include "base/mem.h"
#include "model/change.h"
#include "model/goal.h"

/* A waiting test as its user's queue shows it. */
struct queue_item {
    struct test_row test; /* without argv */
    const char *launch_name;
    struct project_id project;
    const char *project_name;
    const char *ref;
    const char *commit;
    const char *location;
    uint32_t ahead;      /* tests of the same queue before it */
    int64_t start_in_ms; /* as predicted; -1 unknown */
    const char *why;     /* it waits */
};

/* What a queue was taken out of it and can be put back. */
struct queue_undo {
    struct undo_id id;
    const char *login;
    struct wall at;
    struct wall until;
    uint32_t n_tests;
};

/* Answer to EV_QUEUE_LOOK and EV_QUEUE_CHANGE. */
struct queue_answer {
    uint64_t version;
    uint32_t n_waiting;
    const char *paused_by; /* NULL: it is not paused */
    struct wall paused_at;
    uint32_t n_done;     /* CHANGE: tests that it was done to */
    uint32_t n_passed;   /* CHANGE: passed over: they do not wait there any more */
    struct undo_id undo; /* CHANGE: what can be undone by this; 0 none */
    const struct queue_item *items;
    uint32_t n_items;
    bool has_more;
    const struct queue_undo *undos; /* LOOK: newest first */
    uint32_t n_undos;
};

/* Answer to a waiting request. */
struct reply {
    struct ticket ticket;
    enum err err; /* ERR_OK: `id` names what was made or changed */
    uint64_t id;
    const uint64_t *ids; /* n_ids of them, when it was done to more than one; `id` is the first */
    uint32_t n_ids;
    const char *field;                /* on error; NULL none */
    const char *text;                 /* on error */
    const struct queue_answer *queue; /* of a queue; else NULL */
};

/* For the edges that make and break links. */
enum order_kind {
    ORDER_CONNECT,    /* open a link to `server`; answered by EV_LINK_UP or EV_LINK_DOWN */
    ORDER_DISCONNECT, /* close it; the server record may be gone already. Answered by nothing */
    ORDER_BYE,        /* tell the agent that this controller goes on purpose, then close */
    /* to fleets; each is answered by an event (event.h) */
    ORDER_MACHINE_CREATE, /* for `server`, with server.intent and a lease until server.lease_until */
    ORDER_MACHINE_CANCEL, /* the call of `server` with server.intent, if it has not left: it is answered by its failure, then */
    ORDER_MACHINE_DESTROY,
    ORDER_MACHINE_RENEW,
    ORDER_FLEET_LIST,
    ORDER_FLEET_CATALOG,
    ORDER_FLEET_OPEN, /* it is there from now on, or has other options. Answered by nothing */
    ORDER_FLEET_CLOSE,
};

struct order {
    enum order_kind kind;
    struct server_row server; /* CONNECT, MACHINE_CREATE: whole; else: id and intent only */
    struct fleet_row fleet;   /* FLEET_OPEN: whole; others to fleets: id only */
    uint64_t era;             /* CONNECT: EV_LINK_UP and EV_LINK_DOWN give it back */
    const char *machine;      /* DESTROY, RENEW */
    struct wall lease_until;  /* RENEW */
    uint64_t ask;             /* LIST */
};

/* For watchers: what changed, as it is now. Rows are whole except where said. */
enum note_kind {
    NOTE_SERVER,
    NOTE_SERVER_GONE, /* id only */
    NOTE_SERVER_SICK, /* it was taken out: for admins, once each time */
    NOTE_FLEET,
    NOTE_FLEET_GONE, /* id only */
    NOTE_LAUNCH,     /* with `launch_counts`; without env and servers. At most one per launch and turn */
    NOTE_TESTS,      /* launch: many of its tests changed at once. With no NOTE_TEST for each */
    NOTE_QUEUE,      /* at most one per user and turn */
    NOTE_TEST,       /* without argv. Not for each test of a new launch: NOTE_LAUNCH has their number */
    NOTE_RUN,
    NOTE_TRACE, /* a plain sentence: "run 7: RUNNING -> DONE: the process exited (passed)" */
};

/* Tests of a launch by state and outcome. */
struct launch_counts {
    uint32_t waiting;
    uint32_t active;
    uint32_t removed;
    uint32_t by_outcome[OUTCOME_COUNT];
    int64_t eta_ms; /* -1 unknown */
};

struct note {
    enum note_kind kind;
    union {
        struct server_row server;
        struct fleet_row fleet;
        struct {
            struct launch_row row;
            struct launch_counts counts;
        } launch;
        struct test_row test;
        struct run_row run;
        struct launch_id tests;
        struct {
            struct user_id user;
            uint64_t version;
            uint32_t n_waiting;
            const char *paused_by; /* NULL: it is not paused */
            struct wall paused_at;
        } queue;
        const char *trace;
    };
};

#define VEC(type)     \
    struct {          \
        type *at;     \
        uint32_t n;   \
        uint32_t cap; \
    }

struct outbox {
    struct arena arena;
    uint64_t turn;              /* counts outbox_clear() */
    bool has_notice;            /* one of the changes is a CHANGE_NOTICE or a CHANGE_HOOK_EVENT */
    VEC(struct change) changes; /* 1. to disk, in one transaction */
    VEC(struct reply) replies;  /* 2. to waiting requests */
    VEC(struct goal) goals;     /* 3. to servers; at most one per server and turn, the newest wins */
    VEC(struct order) orders;   /* 4. to fleets and links */
    VEC(struct note) notes;     /* 5. to live watchers, and the trace */
};

OWNED struct outbox *outbox_new(void);
void outbox_free(struct outbox *o);  /* NULL is fine */
void outbox_clear(struct outbox *o); /* empties it, keeps memory */
bool outbox_is_empty(const struct outbox *o);

/* Of a change of kind SET only the id and the members named in change.h are kept; its texts come back as "".
 * Append; texts and arrays are copied into the arena, so the caller's memory may go at once. */
void outbox_change(struct outbox *o, const struct change *c);
void outbox_reply(struct outbox *o, struct ticket t, uint64_t id);
void outbox_reply_ids(struct outbox *o, struct ticket t, const uint64_t *ids, uint32_t n); /* n may be 0 */
/* With all of `a` copied. */
void outbox_reply_queue(struct outbox *o, struct ticket t, const struct queue_answer *a);
void outbox_refuse(struct outbox *o, struct ticket t, enum err err, const char *field, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
void outbox_goal(struct outbox *o, const struct goal *g); /* entries and specs are copied deep */
void outbox_order(struct outbox *o, const struct order *r);
void outbox_note(struct outbox *o, const struct note *n);
void outbox_trace(struct outbox *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
