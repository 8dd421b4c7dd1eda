/* change.h - one persistent mutation. The engine writes them into its outbox, the store makes each one row
 * change, and boot replays the living rows as the same changes: the engine is a cache of the store. */
#ifndef WRATA_MODEL_CHANGE_H
#define WRATA_MODEL_CHANGE_H

#include "model/hook.h"
#include "model/rows.h"

enum change_kind {
    CHANGE_IDS,        /* boot only: the next id of each kind */
    CHANGE_SERVER_PUT, /* insert or replace the whole row */
    CHANGE_SERVER_DELETE,
    CHANGE_FLEET_PUT, /* insert or replace the whole row */
    CHANGE_FLEET_DELETE,
    CHANGE_LAUNCH_ADD,
    CHANGE_LAUNCH_SET, /* state, outcome, started_at, ended_at of an existing launch */
    CHANGE_LAUNCH_NAME,
    CHANGE_TEST_ADD,
    CHANGE_TEST_SET,   /* state, outcome, attempts, losses, run, undo, reason */
    CHANGE_TEST_RANKS, /* the rank of many */
    CHANGE_TESTS_SET,  /* state, outcome, undo, reason of many, all alike */
    CHANGE_UNDO_ADD,
    CHANGE_UNDO_DELETE,
    CHANGE_PAUSE_ADD,
    CHANGE_PAUSE_DELETE,
    CHANGE_START_FAILED, /* a schedule started a launch, and nothing came of it */
    CHANGE_RUN_ADD,
    CHANGE_RUN_SET, /* slot, state, outcome, reason, finish, tally, started_at, ended_at, slot_at, cost_nanousd */
    CHANGE_COST,       /* an entry of the ledger: added to the sums of its day, launch and server */
    CHANGE_NOTICE,     /* somebody should be told */
    CHANGE_HOOK_EVENT, /* something happened that hooks may want to hear of */
    CHANGE_KIND_COUNT
};

struct test_rank {
    struct test_id test;
    int64_t rank;
};

/* All the tests of a launch whose ids are in [first, last]. */
struct test_range {
    struct launch_id launch;
    uint64_t first;
    uint64_t last;
};

struct change {
    enum change_kind kind;
    union {
        struct {
            uint64_t server;
            uint64_t launch;
            uint64_t test;
            uint64_t run;
            uint64_t undo;
            uint64_t fleet;
            uint64_t intent;
        } ids;
        struct server_row server; /* DELETE: id only */
        struct fleet_row fleet;   /* the same */
        struct launch_row launch; /* SET, NAME: id and the named fields only, texts may be NULL */
        struct test_row test;
        struct run_row run;
        struct {
            const struct test_rank *at;
            uint32_t n;
        } ranks;
        struct {
            const struct test_range *at; /* 1.. of them */
            uint32_t n;
            enum test_state from; /* they are all in this state */
            enum test_state state;
            enum outcome outcome;
            struct undo_id undo;
            const char *reason;
        } tests;
        struct undo_row undo;   /* DELETE: id only */
        struct pause_row pause; /* DELETE: user only */
        struct cost_row cost;
        struct notice_row notice;
        struct hook_event hook_event;
        struct {
            struct launch_id launch;
            const char *reason;
        } start_failed;
    };
};

#endif
