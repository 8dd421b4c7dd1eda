/* world.h - the simulated world: one engine, its store, machines with agents, links between them, virtual time.
 *
 * True time is `now_us`. The engine lives on it; each agent's clock drifts. Everything that will happen is a job in
 * a heap by (time, sequence), or a deadline that the engine or an agent names. One job is one step. */
#ifndef WRATA_SIM_WORLD_H
#define WRATA_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent_core.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "sim/store.h"

#define NODES_MAX 40 /* of them so many are servers that are there already: */
#define LOCAL_NODES_MAX 12
#define CLOUD_MACHINES_MAX 240

enum fault {
    FAULT_DELAY = 1 << 0,     /* links take up to 300 ms instead of 2 */
    FAULT_DROP = 1 << 1,      /* links break */
    FAULT_CUT = 1 << 2,       /* links carry nothing for a time, up to longer than a lease */
    FAULT_ENGINE = 1 << 3,    /* the engine is killed at any step */
    FAULT_AGENT = 1 << 4,     /* agents are killed */
    FAULT_MACHINE = 1 << 5,   /* machines lose power: what was not synced is gone */
    FAULT_DISK = 1 << 6,      /* disks are full for a time */
    FAULT_DRIFT = 1 << 7,     /* clocks differ by up to 1 % */
    FAULT_PEOPLE = 1 << 8,    /* people stop launches and runs */
    FAULT_FLEET = 1 << 9,     /* servers are added and removed */
    FAULT_COMMIT = 1 << 10,   /* commits take up to 50 ms */
    FAULT_SPAWN = 1 << 11,    /* commands that cannot be started, code that cannot be brought */
    FAULT_SHUTDOWN = 1 << 12, /* planned restarts of the engine */
    FAULT_CLOUD = 1 << 13,    /* of calls to a cloud, and of what it makes */
    FAULT_SICK = 1 << 14,     /* machines that from some moment on can start nothing */
    FAULT_ALL = (1 << 15) - 1,
};
#define FAULTS 15
/* The code of this project can be prepared nowhere, nor that of ids that are more by a multiple of POISONED_STEP. */
#define POISONED_PROJECT 7
#define POISONED_STEP 100

enum cloud_fault {
    CLOUD_BUSY,
    CLOUD_REFUSES,
    CLOUD_500_BEFORE, /* nothing happened */
    CLOUD_500_AFTER,  /* it happened */
    CLOUD_LOST_ANSWER,
    CLOUD_LIST_FAILS,
    CLOUD_WRONG_STATE,
    CLOUD_TWICE, /* in the list */
    CLOUD_NEVER_ACTIVE,
    CLOUD_NO_SSH,
    CLOUD_FAULT_COUNT
};

/* A rule that is broken on purpose: a check must catch it. */
enum broken {
    BROKEN_NONE,
    BROKEN_LEASE_GRACE,    /* agents keep runs for longer than the engine counts */
    BROKEN_INTENT_UNSAVED, /* a call to make a machine leaves before its intent is saved */
    BROKEN_ADOPTION,       /* lists never show a machine whose making nobody was told of */
    BROKEN_DESTROY,        /* the cloud says that a machine is destroyed, and it is not */
    BROKEN_CAP,            /* the engine's cap is one more than the fleet's */
    BROKEN_CLOCK,          /* agents are told a wrong time, so what they say of their clocks is wrong */
    BROKEN_BLAME,          /* launches that fail everywhere cannot be told to be alike */
    BROKEN_CHARGED_TWICE,  /* an entry of the ledger is saved twice */
    BROKEN_LEFT_OUT,       /* nobody says that examples were left out */
    BROKEN_TOLD_TWICE,     /* so is what people should be told */
    BROKEN_COUNT
};

struct world_opts {
    uint64_t seed;
    uint32_t faults;   /* enum fault, ored */
    uint32_t grace_ms; /* told to agents */
    enum broken broken;
    uint32_t forecast_starts; /* as engine_opts; 0 preset */
    bool trace;
    void (*on_trace)(void *ctx, int64_t ms, const char *text);
    void (*on_reply)(void *ctx, const struct reply *r); /* NULL: nobody listens */
    void *ctx;
};

/* One run on one machine: what its disk, journal and process table hold. */
struct node_run {
    uint64_t run;
    uint64_t test;
    struct buf spec;     /* as recorded */
    struct buf finished; /* the same; empty: none */
    bool spec_synced;
    bool finished_synced;
    bool started;
    bool started_synced;
    uint64_t acked[STREAM_COUNT];
    uint64_t len[STREAM_COUNT];
    uint64_t synced[STREAM_COUNT];
    uint64_t acked_by_disk[STREAM_COUNT];

    bool alive;    /* its process */
    uint64_t proc; /* number of it */
    int64_t ends_us;
    uint32_t exit_code;
    uint64_t bytes; /* of log it will write in all */
    bool signalled;
    struct node_run *prev, *next;
};

struct node {
    uint32_t index;
    char name[32];
    struct server_id server; /* 0: its record was not made yet */
    bool removed;
    uint32_t slots;
    bool is_machine; /* of the cloud */
    bool is_over;    /* it is no more */
    bool is_current; /* its server's link goes there */

    struct agent *agent; /* NULL: not running */
    struct agent_out out;
    uint64_t gen; /* of the agent: jobs for an older one are dropped */
    uint64_t n_agents;
    int64_t clock_offset_us;
    int64_t clock_ppm;
    int64_t wall_offset_ms;
    uint64_t disk_free_bytes; /* unless is_disk_full */
    uint64_t disk_total_bytes;
    struct node_run *runs;
    uint64_t unsynced; /* newest record number written and not synced */
    bool sync_due;
    bool lost_power; /* since its agent died: what its journal does not tell may have happened all the same */
    uint64_t lost_run; /* bytes of it could not be read back in this step; 0 none */
    uint64_t lost_from;

    bool is_up; /* the machine has power */
    bool is_cut;
    bool is_disk_full;
    bool is_sick; /* nothing can be started there */
    bool was_sick;
    struct wall forgiven_at; /* an admin put it back; 0 never */
    uint64_t era;            /* of the newest order to connect */
    uint64_t connecting;     /* token of the try under way; 0 none */
    uint64_t conn;           /* serial of the link as the controller sees it; 0 none */
    uint64_t agent_conn;     /* as the agent sees it */
    uint64_t link;           /* the engine's number; 0: no HELLO yet */
    int64_t last_to_agent_us;
    int64_t last_to_engine_us;
    struct job *stash; /* what waits behind a cut */
};

enum job_kind {
    JOB_TO_AGENT,
    JOB_TO_ENGINE,
    JOB_CONNECT,
    JOB_CONNECT_FAILED,
    JOB_ENGINE_LINK_DOWN,
    JOB_AGENT_LINK_DOWN,
    JOB_HEAL,
    JOB_COMMIT,
    JOB_TURN_CLOSE,
    JOB_DURABLE,
    JOB_SPAWNED,
    JOB_SPAWN_FAILED,
    JOB_GREW,
    JOB_EXIT,
    JOB_STEP,
    JOB_PREPARED,
    JOB_SYNCED,
    JOB_HEALTH,
    JOB_POWER_ON,
    JOB_DISK_OK,
    JOB_ROOM, /* on the controller's own disk */
    JOB_BOOT,
    JOB_PERSON,
    JOB_FAULT,
    JOB_CLOUD_CREATE,
    JOB_CLOUD_DESTROY,
    JOB_CLOUD_LIST,
    JOB_CLOUD_RENEW,
    JOB_CLOUD_ACTIVE,
    JOB_CLOUD_TOLD,
    JOB_CLOUD_CHECK,
};

struct job {
    int64_t at_us;
    uint64_t seq;
    enum job_kind kind;
    uint32_t node;
    uint64_t id; /* link serial, agent generation, engine epoch */
    uint64_t run;
    uint64_t arg;
    uint32_t what;    /* an answer of the cloud: enum event_kind */
    uint32_t machine; /* which of the cloud's */
    enum fleet_fault fault;
    char *bytes; /* owned: a frame */
    size_t len;
    struct job *prev, *next; /* in a stash */
};

/* The controller's side of one run's streams. */
struct edge_run {
    uint64_t run;
    uint64_t have[STREAM_COUNT];
    uint64_t durable[STREAM_COUNT];
    bool has_finished;
    struct event finished; /* waits for the streams */
    char reason[256];
    uint64_t final[STREAM_COUNT];
    UT_hash_handle hh;
};

struct cloud_machine {
    char id[16];
    char name[32];
    char address[24];
    uint64_t server;
    uint64_t intent;
    enum machine_state state;
    bool has_address;
    bool has_node;
    bool is_gone;
    bool has_vanished;
    bool is_untold; /* nobody was told that it was made */
    uint32_t node;
    struct wall lease_until;
    int64_t created_us;
    int64_t gone_us;
    int64_t shown_us; /* lists lag */
    int64_t shown_until_us;
    uint64_t epoch;      /* of the engine that the next two count for */
    int64_t unwanted_ms; /* nobody wants it */
    int64_t unheeded_ms; /* and nobody destroys it */
    uint32_t n_ending;   /* calls to destroy it that are under way */
};

struct cloud_shown {
    uint32_t machine;
    enum machine_state state;
    bool has_address;
};

struct cloud {
    struct fleet_id fleet; /* 0: there is no cloud in this world */
    int64_t lease_ms;
    struct cloud_machine machines[CLOUD_MACHINES_MAX]; /* all there ever were */
    uint32_t n;
    uint32_t n_created;
    uint32_t ordered[CLOUD_FAULT_COUNT]; /* of the next calls, by a story */
    uint64_t cancelled[16];              /* intents of the newest calls that were called off; a ring */
    uint32_t n_cancelled;
};

/* A turn on its way to the disk. */
struct turn {
    struct outbox *out;
    struct buf dump;
    struct turn *prev, *next;
};

struct world {
    struct world_opts opts;
    struct rng rng;
    int64_t now_us;
    uint64_t step;
    uint64_t seq;
    struct job **jobs; /* a heap */
    uint32_t n_jobs;
    uint32_t cap_jobs;

    struct engine *engine; /* NULL: the controller is down */
    uint64_t epoch;
    struct outbox *open; /* the turn being filled; NULL none */
    struct turn *turns;
    struct turn *spare;
    struct sim_store store;
    struct buf committed; /* the engine's dump as of the last commit */
    bool has_committed;
    struct edge_run *edges;
    uint64_t serial;
    uint64_t tickets;
    bool closing;     /* a planned end is under way */
    bool has_no_room; /* on the controller's own disk */

    struct node nodes[NODES_MAX];
    uint32_t n_nodes;
    uint32_t n_local;
    struct cloud cloud;
    bool calm; /* faults and people have stopped */

    uint64_t last_reply_id;
    enum err last_reply_err;
    uint64_t crashes;
    uint64_t procs;
    bool failed;
    char what[512];
};

void world_init(struct world *w, const struct world_opts *opts);
void world_done(struct world *w);
void world_step(struct world *w);             /* the next thing that happens */
int64_t world_next_us(const struct world *w); /* when that is; INT64_MAX: never */
void world_fail(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The controller */
void world_boot(struct world *w);
void world_crash(struct world *w);
bool world_post(struct world *w, const struct event *ev); /* false: the controller is down */
void world_turn_close(struct world *w);
void world_room(struct world *w, bool has_room); /* on its disk */
void world_restart_at(struct world *w, int64_t in_us);

/* Links */
void link_cut(struct world *w, struct node *n);
void link_heal(struct world *w, struct node *n);
void link_break(struct world *w, struct node *n); /* both sides will learn of it */

/* node.c */
struct node *node_add(struct world *w, const char *name, uint32_t slots);
struct node *node_of(struct world *w, struct server_id id); /* NULL: none */
void node_agent_event(struct world *w, struct node *n, const struct agent_event *ev);
void node_job(struct world *w, struct node *n, const struct job *j);
void node_link_up(struct world *w, struct node *n); /* starts the agent when it is not running */
void node_agent_kill(struct world *w, struct node *n);
void node_power_off(struct world *w, struct node *n, int64_t back_in_us);
void node_disk(struct world *w, struct node *n, bool is_full);
struct wall node_wall(const struct world *w, const struct node *n);
void node_health(struct world *w, struct node *n); /* its agent says how it is */
struct mono node_clock(const struct world *w, const struct node *n);
int64_t node_deadline_us(const struct world *w, const struct node *n); /* in true time */
void node_done(struct node *n);
uint8_t stream_byte(uint64_t run, uint32_t stream, uint64_t offset);

void node_connect(struct world *w, struct node *n,
                  uint64_t era); /* of the cloud: its server's link goes there from now on */
uint32_t node_machine_begin(struct world *w, const char *name, uint32_t slots,
                            uint64_t server); /* its index */
void node_machine_end(struct world *w, struct node *n);

/* cloud.c */
void cloud_order(struct world *w, const struct order *o);
void cloud_job(struct world *w, const struct job *j);
void cloud_find(struct world *w); /* its fleet, once it is stored */
void cloud_vanish(struct world *w, uint32_t which);
struct cloud_machine *cloud_machine_of(struct world *w, const char *address); /* NULL: none */
bool cloud_is_wanted(const struct world *w, const struct cloud_machine *m);
void cloud_check(struct world *w);
void cloud_check_begin(struct world *w, const struct cloud_machine *made);
bool cloud_at_rest(const struct world *w);

/* people.c */
void people_begin(struct world *w);
void people_job(struct world *w, const struct job *j);
void people_calm(struct world *w);                        /* everything is healed; no more faults */
uint64_t world_launch(struct world *w, struct event *ev); /* a ticket */

/* checks.c */
void checks_step(struct world *w);
void checks_skew(struct world *w, const struct node *n, const struct frame_health *f);
void checks_spawn(struct world *w, const struct node *n, const struct node_run *r);
void checks_turn(struct world *w, const struct outbox *out); /* before its commit */
void checks_committed(struct world *w, const struct outbox *out);
bool checks_at_rest(const struct world *w);

struct job *job_add(struct world *w, int64_t in_us, enum job_kind kind, uint32_t node);
void frame_to_agent(struct world *w, struct node *n, const struct buf *frames);
void frame_to_engine(struct world *w, struct node *n, const struct frame *f);
int64_t delay_us(struct world *w);
struct wall world_wall(const struct world *w);

#endif
