/* store.h - what was committed: the changes, applied to tables in memory, and replayed to a new engine as rows. */
#ifndef WRATA_SIM_STORE_H
#define WRATA_SIM_STORE_H

#include "engine/engine.h"

#include <uthash.h>

struct stored_server {
    struct server_row row;
    int64_t machine_nanousd; /* what the ledger says of its machine, since its meter began */
    int64_t runs_nanousd;    /* of that for runs */
    struct arena arena;      /* its texts */
    UT_hash_handle hh;
};
struct stored_fleet {
    struct fleet_row row;
    struct arena arena;
    UT_hash_handle hh;
};
struct stored_launch {
    struct launch_row row;
    struct arena arena;
    uint32_t n_done;
    enum outcome worst;
    uint32_t told_started; /* what hooks and people were told of it, in the commits of what it was about */
    uint32_t told_ended;
    uint32_t mailed;
    UT_hash_handle hh;
};
struct stored_test {
    struct test_row row;
    struct arena arena;
    uint32_t runs_counted; /* runs of it that ended with an outcome that counts */
    UT_hash_handle hh;
};
struct stored_run {
    struct run_row row;
    struct arena arena;
    UT_hash_handle hh;
};

struct stored_undo {
    struct undo_row row; /* its login owned */
    UT_hash_handle hh;
};

struct stored_pause {
    struct pause_row row; /* its login owned */
    UT_hash_handle hh;
};

struct sim_store {
    struct stored_fleet *fleets;
    struct stored_server *servers;
    struct stored_launch *launches;
    struct stored_test *tests;
    struct stored_run *runs;
    struct stored_undo *undos;
    struct stored_pause *pauses;
    int64_t ledger_runs_nanousd; /* all entries of runs */
    int64_t runs_nanousd;        /* what all runs say that they cost */
    uint64_t next_server, next_launch, next_test, next_run, next_undo, next_fleet, next_intent;
    char fault[256]; /* what a change broke; "" nothing */
};

void sim_store_init(struct sim_store *st);
void sim_store_done(struct sim_store *st);
void sim_store_apply(struct sim_store *st, const struct change *c); /* sets fault when it makes no sense */
void sim_store_check_costs(struct sim_store *st); /* after a commit: the sums of the ledger; sets fault */
void sim_store_delete(struct sim_store *st, uint64_t launch); /* one that is done, with its tests and runs */
void sim_store_boot(const struct sim_store *st, struct engine *e, struct now now);

struct stored_launch *sim_store_launch(const struct sim_store *st, uint64_t id); /* NULL: none */
struct stored_test *sim_store_test(const struct sim_store *st, uint64_t id);
struct stored_run *sim_store_run(const struct sim_store *st, uint64_t id);
bool sim_store_is_paused(const struct sim_store *st, uint64_t user);

#endif
