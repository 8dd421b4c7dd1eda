/* engine_private.h - what the files of this folder share: the objects and who may do what to them.
 *
 * Objects point at each other freely: all of them belong to one engine, and no pointer outlives a step except
 * inside it. Outside knows ids only. */
#ifndef WRATA_ENGINE_PRIVATE_H
#define WRATA_ENGINE_PRIVATE_H

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/order.h"
#include "engine/timers.h"

#define uthash_malloc(n) xmalloc(n)
#define uthash_free(p, n) free(p)
#include <uthash.h>
#include <utlist.h>

/* Bounded work per turn: what is over waits for a tick at once. */
#define PLACE_TURN_MAX 4096u
#define STOP_TURN_MAX 4096u
#define TIMERS_STEP_MAX 4096u
#define TAKE_BACK_TURN_MAX 64u

#define GOAL_ENTRIES_MAX 4096u      /* the wire's limit of goals and of held runs */
#define AHEAD_SLOT_MAX 16u          /* runs given in advance per slot, at most */
#define LOSSES_MAX 11u              /* retries are at most 10, so a test is lost at most once more */
#define RETRY_LOOK_MAX 16u          /* tests to be tried again that one decision looks at, per launch */
#define RANK_GAP (INT64_C(1) << 20) /* between neighbours, so that a few thousand tests fit in between */
#define UNDO_MS (INT64_C(10) * 60 * 1000)
#define BORROW_MS (INT64_C(30) * 60 * 1000)
#define BORROW_BOOT_MS 60000 /* after a start, for links to come back */
#define UNDOS_MAX 20u        /* of one user */
#define QUEUE_NOTES_MAX 64u  /* of an operation on more tests than that watchers are told as a whole */
#define REST_MIN_MS 1000     /* a server rests so long after an infrastructure failure... */
#define REST_MAX_MS 60000    /* ...doubling up to so long, until a run succeeds */
#define MAY_COME_TRIES 3u    /* a server that failed to connect so often is not waited for */
#define LEASE_DEFAULT_MS 120000u
#define FLEET_LIST_MS 60000        /* between two looks at a cloud's list... */
#define FLEET_LIST_SOON_MS 5000    /* ...while something is to be found out from it */
#define FLEET_LIST_GUARD_MS 300000 /* an answer that does not come is asked for again */
#define CREATE_CALLS_MAX 3u        /* that come to nothing, until it is given up */
#define FLEET_RETRY_MIN_MS 2000    /* between calls that fail, doubling... */
#define FLEET_RETRY_MAX_MS 60000   /* ...up to so long */
#define CREATING_CONNECT_MS 3000   /* between tries to reach a machine that is just starting, at most */
#define CHARGE_MS 60000            /* a meter that runs is read so often */
#define IDLE_NOTE_MS 5000          /* after so long without a run a countdown is shown, and stored */
#define BLAMED_MAX 64u             /* projects that are blamed for failures; more are forgotten */
#define SILENT_CLOSE_FACTOR 4      /* silence_shown_ms times this: the link is closed and made anew */

struct test;
struct launch;
struct share;
struct fleet;

/* Servers that the same people may use: free ones that serve all, or those that a user has booked. */
struct pool {
    struct server *idle; /* those that are PLACE_IDLE */
    struct server *part; /* PLACE_PART */
    uint32_t n_may_come;
    uint32_t slots;                           /* of those online */
    uint32_t online_of[SERVER_SLOTS_MAX + 1]; /* those online, by their slots */
};

/* A run that a server failed: sick.c. */
struct fault {
    struct test_id test;
    struct launch_id launch;
    struct project_id project;
    bool is_loss;
    bool counts;  /* it is one of the row; others belong to one that does */
    bool is_sure; /* a run like it came to an end elsewhere since: the server's fault */
};

/* Where a server stands for placement. */
enum place_class {
    PLACE_OUT,    /* nothing may be given to it, or its slots are full */
    PLACE_HUNGRY, /* has a free slot, and nobody has looked yet for a test */
    PLACE_IDLE,   /* has a free slot, and no waiting test may go to it */
    PLACE_PART,   /* the same, and a project may not have more of it */
};

/* Intrusive lists by <utlist.h> keep "prev" of the head at the tail; `prev == NULL` means "in no list". */
/* In the order in which they are understood, not packed. */
struct server { /* NOLINT(clang-analyzer-optin.performance.Padding) */
    struct server_id id;
    struct server_row row; /* its texts are owned */
    UT_hash_handle hh;
    bool removed; /* its row is gone; it stays for the leases of its runs */

    /* its machine: machine.c, reconcile.c */
    struct fleet *fleet;                    /* NULL: it is removed */
    struct server *fleet_prev, *fleet_next; /* in fleet->servers */
    bool is_asked;                          /* a create call is under way */
    bool is_doubtful;                       /* whether the newest create call made a machine is not known */
    bool is_ending;                         /* a destroy call is under way */
    uint32_t end_tries;                     /* of those that failed */
    uint64_t known_ask;                     /* lists asked for up to this one may not know what we know */
    uint64_t list_mark;                     /* stamp of the last list: servers it showed carry the same */
    struct mono doubt_since;                /* or since when a list lacks its machine */
    bool is_missing;                        /* the last list lacked its machine, or showed it switched off */
    struct mono retry_at;                   /* of the next call; MONO_NEVER none */
    struct timer life;                      /* the next of: a call, the end of a patience, of idleness */

    /* its meter: cost.c */
    struct run **holders; /* row.slots runs, by the slot that each holds; NULL: none ever held one */
    struct timer charge;
    int64_t *
        slot_paid; /* row.slots times on the wall clock: up to there a slot was charged. NULL: it does not run */

    /* the link */
    uint64_t link;      /* 0: none is open */
    uint64_t link_last; /* newest link ever seen: older ones are late */
    uint64_t
        era; /* grows when a link is dropped: tries ordered before have no number yet, and are late too */
    uint64_t incarnation; /* of the agent; 0: not known */
    uint64_t goals_seq;   /* last one sent on this link */
    uint64_t beat_seq;    /* last one seen on this link; 0: none yet */
    struct mono heard;    /* last beat, or link up */
    bool renew;           /* a beat waits for its answer */
    uint32_t tries;       /* to connect that failed in a row */
    struct timer silence;
    struct timer connect;

    /* what it holds */
    struct run *runs; /* in the order given */
    uint32_t n_runs;
    uint32_t n_back;      /* of them asked back */
    uint64_t mark;        /* stamp of the last full report: runs it named carry the same */
    struct share *shares; /* of them, by project */
    uint32_t n_full;      /* shares that are full */

    /* placement */
    enum place_class place;
    struct server *place_prev, *place_next;
    struct pool *pool;   /* whose it is; NULL: nobody may use it */
    struct user *booker; /* NULL: it is free */
    bool may_come;       /* online, or may be soon: worth waiting for */
    bool is_counted;     /* in the sums of online servers and slots */
    bool resting;
    uint32_t rest_ms;
    const char *rest_reason; /* owned */
    struct timer rest;

    /* whether it is well */
    struct fault *faults; /* oldest first; NULL: there were none yet */
    uint32_t n_faults;
    struct wall failed_at; /* the last failure that counts: runs that it had by then belong to that one */
    bool is_disk_low;      /* as its agent said */
    bool is_suspect;       /* it has faults */
    struct server *suspect_prev, *suspect_next;

    bool is_dirty; /* its goals must be made this turn */
    struct server *dirty_prev, *dirty_next;
    bool is_refill; /* runs ended or started: look whether it gets more in advance */
    struct server *refill_prev, *refill_next;
    bool is_stocked; /* holds more runs than slots */
    struct server *stocked_prev, *stocked_next;
};

/* A machine with our mark that belongs to no server. */
struct stray {
    char *id;
    uint64_t server; /* from its mark */
    uint64_t intent;
    struct mono since; /* when it was seen first */
    bool is_certain;   /* it is known that nobody wants it: no grace */
    bool is_kept;
    bool is_ending;
    uint64_t seen_ask; /* lists asked for up to this one may not know it */
    uint64_t list_mark;
    struct stray *prev, *next;
};

struct fleet_price {
    char *size;
    int64_t hour_microusd;
};

struct fleet {
    struct fleet_id id;
    struct fleet_row row; /* its texts are owned */
    UT_hash_handle hh;
    struct server *servers;
    uint32_t n_servers;
    uint32_t n_machines; /* servers that are not DESTROYED */
    struct stray *strays;
    uint32_t n_strays;      /* but for kept ones */
    struct mono *kept_gone; /* of each of row.kept: since when lists lack it; MONO_NEVER: they show it */
    uint64_t ask;           /* newest list that was asked for */
    uint64_t answered;      /* newest that came */
    struct mono asked_at;
    struct timer list;
    uint32_t list_fails; /* in a row */
    uint32_t n_lists;
    struct fleet_price *prices;
    uint32_t n_prices;
    bool has_prices;
};

struct run {
    struct run_id id;
    struct test *test;
    struct launch *launch;
    struct server *server;
    UT_hash_handle hh;
    struct run *prev, *next; /* in server->runs */
    uint32_t attempt;
    uint32_t slot;
    enum run_state state;
    const char *step; /* PREPARING: what is done, owned; else NULL */
    uint32_t n_steps; /* of late: one less each second */
    struct mono steps_at;
    struct wall created_at;
    struct wall started_at;
    struct wall slot_at; /* as run_row's */
    int64_t cost_nanousd;
    bool has_held;       /* a slot, at any time */
    struct mono started; /* when it was seen running; for the ETA */
    struct mono lease_end;
    struct timer lease;
    bool seen;          /* the agent named it */
    bool loaded;        /* from the store: what an earlier controller sent is not known */
    bool spec_sent;     /* on this link */
    uint64_t goals_seq; /* first goals of this link that listed it; 0 none */
    bool back;          /* asked back */
    uint64_t back_seq;  /* first goals that asked; 0: not sent yet */
    uint64_t mark;
};

struct test {
    struct test_id id;
    struct launch *launch;
    UT_hash_handle hh;
    uint32_t position;
    const char *path; /* texts live in the launch's arena */
    const char *language;
    const char *browser;
    const char *reason; /* of a test that is done without a run */
    enum adapter_kind adapter;
    const char *const *argv;
    uint32_t n_argv;
    const char *const *reports;
    uint32_t n_reports;
    struct test_limits limits;
    int64_t predicted_ms;
    enum test_state state;
    enum outcome outcome;
    uint32_t attempts;
    uint32_t losses;
    struct run_id run;
    struct run *active; /* while ACTIVE */
    int64_t rank;
    struct order_node order; /* while WAITING: in its user's queue */
    struct heap_item waiting;
    struct undo *undo; /* while REMOVED */
    struct test *undo_prev, *undo_next;
    bool is_chosen; /* scratch of queue_ops.c */
    struct test *retry_prev, *retry_next;
    bool in_retry;
    uint64_t lost_on[LOSSES_MAX];
    uint32_t n_lost_on;
    uint32_t pardons; /* losses that do not count: the server was sick */
};

/* What an operation took out of a queue; kept while it can be put back. */
struct undo {
    struct undo_id id;
    struct user *user;
    const char *login; /* owned */
    struct wall at;
    struct test *tests;
    uint32_t n_tests;
    struct timer end;
    struct undo *prev, *next; /* in user->undos, oldest first */
    UT_hash_handle hh;
};

/* A project with launches, as far as it matters which server may have how much of it: share.c. */
struct project {
    struct project_id id;
    uint32_t slots; /* at most so many of its runs at once on a server; 0: as many as there are slots */
    struct launch *launches;
    struct share *shares;
    uint32_t n_full_part; /* PART servers that may not have more of it */
    UT_hash_handle hh;
};

/* The runs of a project that a server holds; as long as there is one. */
struct share {
    struct project *project;
    struct server *server;
    uint32_t n_runs;
    bool is_full; /* it may not have more */
    struct share *of_server_prev, *of_server_next;
    struct share *of_project_prev, *of_project_next;
};

/* The launches of a user that are of one project. Ready are those that run and any server may take, by their first test
 * never lost. */
struct lane {
    struct project *project;
    uint32_t n_launches;
    struct heap launches;   /* that are ready */
    struct heap_item ready; /* in user->ready, when one is */
    struct lane *prev, *next;
};

/* Somebody with launches, and the queue: all waiting tests of these. Made with the first launch, and stays. */
struct user { /* NOLINT(clang-analyzer-optin.performance.Padding) */
    struct user_id id;
    UT_hash_handle hh;
    struct test *queue; /* a tree: order.h */
    int64_t rank_low;   /* every rank given lies between these, which lie outside */
    int64_t rank_high;
    uint64_t
        version; /* of the queue: other people's pages show this one. The time of the last change, or more */
    struct undo *undos;
    uint32_t n_undos;
    const char *paused_by; /* owned; NULL: it is not paused */
    struct wall paused_at;

    /* placement */
    struct pool booked;
    uint32_t n_booked; /* servers */
    uint32_t n_active;
    uint64_t turn; /* of its last run, as the engine counts them; never equal to another user's */
    struct lane *lanes;
    struct heap ready;      /* lanes, by the first test of their launches */
    struct launch *limited; /* launches that run, limited to servers, with tests never lost; in a list */
    struct launch *choosy;  /* launches that run and have lost tests waiting */
    struct heap_item fair;  /* in engine->ready: something of it waits, and it is not paused */

    bool is_noted; /* a NOTE_QUEUE is due this turn */
    struct user *noted_prev, *noted_next;

    /* for predictions */
    uint64_t n_measured;
    int64_t measured_us;
};

struct launch { /* NOLINT(clang-analyzer-optin.performance.Padding) */
    struct launch_id id;
    struct launch_row row; /* its texts live in the arena, but for the name */
    struct user *user;
    struct project *project;
    struct launch *of_project_prev, *of_project_next;
    struct lane *lane;
    struct arena arena;
    UT_hash_handle hh;
    struct test *tests; /* row.n_tests of them, by position */
    uint32_t n_loaded;  /* boot: so many came */
    uint64_t *sorted_servers;
    uint32_t cursor; /* in row.servers: where the last look for a free one ended */

    struct heap waiting; /* tests never lost, by (rank, id) */
    struct test *retry;  /* tests lost before, first lost first */
    uint32_t n_waiting;
    uint32_t n_active;
    uint32_t n_removed;
    uint32_t by_outcome[OUTCOME_COUNT];
    uint32_t n_done;
    enum outcome worst;
    int64_t mean_known_ms; /* of the predictions given; 0 none */

    struct heap_item ready; /* in lane->launches */
    bool is_limited_ready;  /* in user->limited */
    struct launch *limited_ready_prev, *limited_ready_next;
    bool is_choosy; /* in user->choosy */
    struct launch *choosy_prev, *choosy_next;
    bool is_fresh; /* tests came to wait: idle servers may take them */
    struct launch *fresh_prev, *fresh_next;
    bool is_noted; /* a NOTE_LAUNCH is due this turn */
    struct launch *noted_prev, *noted_next;
    bool is_blamed;   /* of no project: what fails of it counts against no server */
    bool is_stopping; /* tests that wait or were removed are still to be ended: those from stop_at on */
    uint32_t stop_at;
    uint64_t like;           /* scratch of queue_ops.c */
    struct timer borrow;     /* until its own servers must be there */
    const char *stop_reason; /* why it was stopped by itself; NULL it was not. In its arena */
    bool is_giving;          /* it is over, and gives its servers back this turn */
    struct launch *giving_prev, *giving_next;
    struct launch *stopping_prev, *stopping_next;

    /* for the ETA and for work in advance */
    uint64_t n_measured;
    int64_t measured_us;
    int64_t waiting_ms; /* sum of the predictions known */
    uint32_t waiting_unknown;
    int64_t active_ms;
    uint32_t active_unknown;
    int64_t active_start_us; /* sum over runs that started */
    uint32_t active_started;
};

struct engine {
    struct engine_opts opts;
    struct rng rng;
    struct now now;     /* of the step in hand */
    struct outbox *out; /* the same */
    bool turn_open;
    uint64_t turn;
    bool booted;
    struct wall booted_at;
    bool closing;
    bool say_bye;        /* this turn ends with a goodbye to every link */
    bool more;           /* work was left over: tick at once */
    const char *no_room; /* owned; why nothing begins; NULL: there is room on the disk (room.c) */

    uint64_t next_server;
    uint64_t next_launch;
    uint64_t next_test;
    uint64_t next_run;
    uint64_t next_undo;
    uint64_t next_fleet;
    uint64_t next_intent;
    uint64_t turns_given; /* to users */
    struct fleet *fleets;
    struct server *servers; /* hashes iterate in order of insertion */
    struct launch *launches;
    struct test *tests;
    struct run *runs;
    struct user *users;
    struct undo *undos;
    struct project *projects;

    struct timers timers;
    struct heap ready; /* users with something to place, by fairness */
    struct user *queues_noted;
    struct launch *fresh;
    struct launch *noted;
    struct launch *stopping;
    struct server *hungry;
    struct pool free; /* servers that are not booked, and serve all */
    struct pool lent; /* those that are booked for a launch */
    struct launch *giving;
    struct server *suspects; /* those with faults */
    uint64_t
        blamed[BLAMED_MAX]; /* ids of projects: what fails of them counts against no server. Oldest first */
    uint32_t n_blamed;
    struct server *dirty;
    struct server *refill;
    struct server *stocked;
    uint32_t n_idle; /* of all pools: IDLE and PART */
    uint32_t n_part; /* of them PART */
    uint32_t n_back;
    uint32_t n_removed; /* servers kept for leases only */
    uint64_t marks;

    struct engine_stats stats; /* kept as things change; tests_waiting and runs_active too */

    struct goal_entry *entries; /* scratch of goal.c */
    uint32_t entries_cap;
};

/* ---- a set of objects linked through <name>_prev/_next with a flag is_<name> ---- */
#define SET_ADD(head, el, name)                             \
    do {                                                    \
        if (!(el)->is_##name) {                             \
            (el)->is_##name = true;                         \
            DL_APPEND2(head, el, name##_prev, name##_next); \
        }                                                   \
    } while (0)
#define SET_REMOVE(head, el, name)                          \
    do {                                                    \
        if ((el)->is_##name) {                              \
            (el)->is_##name = false;                        \
            DL_DELETE2(head, el, name##_prev, name##_next); \
        }                                                   \
    } while (0)

/* ---- engine.c ---- */
struct server *server_by_id(const struct engine *e, struct server_id id);     /* NULL: none, or removed */
struct server *server_by_id_any(const struct engine *e, struct server_id id); /* also a removed one */
struct launch *launch_by_id(const struct engine *e, struct launch_id id);
struct test *test_by_id(const struct engine *e, struct test_id id);
struct run *run_by_id(const struct engine *e, struct run_id id);
struct fleet *fleet_by_id(const struct engine *e, struct fleet_id id);
struct user *user_of_id(const struct engine *e, struct user_id id); /* NULL: it never had a launch */

#define TRACE(e, ...)                            \
    do {                                         \
        if ((e)->opts.trace && (e)->out != NULL) \
            outbox_trace((e)->out, __VA_ARGS__); \
    } while (0)

/* Late news: something about an attempt that holds no lease, or from a link that is gone. Counted, traced, and
 * without effect. */
void late_news(struct engine *e, const char *what, uint64_t id);

/* ---- objects: new, gone (objects.c) ---- */
struct server *server_new(struct engine *e, const struct server_row *row);
void server_delete(struct engine *e, struct server *s);                    /* holds no run */
void server_leave_fleet(struct engine *e, struct server *s);               /* it is removed */
void server_book(struct engine *e, struct server *s, struct user_id user); /* 0: it is free */
struct fleet *fleet_new(struct engine *e, const struct fleet_row *row);
void fleet_row_set(struct engine *e, struct fleet *f, const struct fleet_row *row);
void fleet_delete(struct engine *e, struct fleet *f); /* has no servers */
struct stray *stray_new(struct fleet *f, const char *id);
void stray_delete(struct fleet *f, struct stray *x);
void fleet_changed(struct engine *e, struct fleet *f); /* CHANGE_FLEET_PUT and NOTE_FLEET */
struct launch *launch_new(struct engine *e, const struct launch_row *row);
void launch_delete(struct engine *e, struct launch *l); /* DONE, or the whole engine goes */
struct test *launch_test_init(struct engine *e, struct launch *l, const struct test_row *row);
struct run *run_new(struct engine *e, struct test *t, struct server *s, struct run_id id);
void run_delete(struct engine *e, struct run *r);
struct user *user_get(struct engine *e, struct user_id id); /* made if need be */
struct undo *undo_new(struct engine *e, const struct undo_row *row);
void undo_delete(struct engine *e, struct undo *u);    /* holds no test */
void engine_release(struct engine *e);                 /* everything, whatever its state */
const char *text_keep(const char *old, const char *s); /* an owned copy of s; frees old */
void text_drop(const char *s);

/* Rows as they are now; texts borrowed. */
struct test_row test_row_of(const struct test *t);
struct run_row run_row_of(const struct run *r);
void server_changed(struct engine *e, struct server *s); /* CHANGE_SERVER_PUT and NOTE_SERVER */
void launch_changed(struct engine *e, struct launch *l); /* CHANGE_LAUNCH_SET, and noted */
void launch_note(struct engine *e, struct launch *l);    /* a NOTE_LAUNCH at the end of the turn */
void launch_notes_flush(struct engine *e);
struct launch_counts launch_counts_of(const struct engine *e, const struct launch *l);

/* ---- the writers of state ---- */
enum link_cause {
    LINK_BY_CONNECT,
    LINK_BY_UP,
    LINK_BY_BEAT,
    LINK_BY_SILENCE,
    LINK_BY_DOWN,
    LINK_BY_BOOT,
    LINK_BY_MACHINE_GONE,
    LINK_BY_EDIT,
    LINK_CAUSE_COUNT
};
enum server_cause {
    SERVER_BY_ON,
    SERVER_BY_ANSWER,
    SERVER_BY_REFUSAL,
    SERVER_BY_NEVER_MADE,
    SERVER_BY_NOT_READY,
    SERVER_BY_OFF,
    SERVER_BY_IDLE,
    SERVER_BY_SICK,
    SERVER_BY_MISSING,
    SERVER_BY_GONE,
    SERVER_BY_NOTHING,
    SERVER_BY_HAND_CREATED,
    SERVER_BY_HAND_DESTROYED,
    SERVER_CAUSE_COUNT
};
enum launch_cause { LAUNCH_BY_STOP, LAUNCH_BY_TESTS_DONE, LAUNCH_CAUSE_COUNT };
enum test_cause {
    TEST_BY_PLACED,
    TEST_BY_RETRY,
    TEST_BY_BACK,
    TEST_BY_END,
    TEST_BY_STOP,
    TEST_BY_REMOVE,
    TEST_BY_UNDO,
    TEST_BY_EXPIRY,
    TEST_BY_PARDON,
    TEST_CAUSE_COUNT
};
enum run_cause {
    RUN_BY_PREPARING,
    RUN_BY_WAITS,
    RUN_BY_STARTED,
    RUN_BY_FINISHED,
    RUN_BY_STOP,
    RUN_BY_LEASE_END,
    RUN_BY_GONE,
    RUN_BY_BACK,
    RUN_BY_NEVER_ARRIVED,
    RUN_BY_NOT_BEGUN,
    RUN_BY_REMOVED,
    RUN_BY_MACHINE_GONE,
    RUN_CAUSE_COUNT
};

/* One row of a state table. The sentence becomes the trace, the log and the reason shown. */
struct edge {
    unsigned from;
    unsigned cause;
    unsigned to;
    const char *sentence;
};
struct edge_table {
    const char *name;
    const struct edge *edges;
    size_t n;
    const char *const *states; /* upper case */
    const char *const *causes; /* as words */
    unsigned first;            /* where an object begins */
};
extern const struct edge_table server_table, link_table, launch_table, test_table, run_table;
const struct edge *edge_find(const struct edge_table *t, unsigned from, unsigned cause); /* NULL: none */

/* Each returns false, with nothing done, when there is no such edge. `reason` may be NULL. */
bool server_status_set(struct engine *e, struct server *s, enum server_cause cause, const char *reason);
bool link_state_set(struct engine *e, struct server *s, enum link_cause cause, const char *reason);
bool launch_state_set(struct engine *e, struct launch *l, enum launch_cause cause);
/* outcome: for the causes that end it */
bool test_state_set(struct engine *e, struct test *t, enum test_cause cause, enum outcome outcome);
void test_changed(struct engine *e, struct test *t); /* CHANGE_TEST_SET and notes */
/* The same for many, which are all in one state that has the edge; told as a whole. `undo`: of TEST_BY_REMOVE.
 * reason: of tests that are done by it, copied. Sorts `tests` by id. */
void tests_state_set(struct engine *e, struct test **tests, uint32_t n, enum test_cause cause,
                     struct undo *undo, const char *reason);
/* How a run ended, for the causes that end it, and of RUN_BY_PREPARING the reason: what is done. NULL otherwise. */
struct run_end {
    enum outcome outcome;
    const char *reason; /* NULL: the edge's sentence */
    const char *image;  /* NULL: none */
    const struct finish *finish;
    const struct tally *tally;
};
bool run_state_set(struct engine *e, struct run *r, enum run_cause cause, const struct run_end *end);
void run_begin(struct engine *e, struct run *r); /* the first state: ASSIGNED */
bool run_is_early(const struct run *r);          /* its process was not started */

/* ---- queue.c: which test is next ---- */
void queue_add(struct engine *e, struct test *t);
void queue_remove(struct engine *e, struct test *t);
void launch_ready_update(struct engine *e, struct launch *l); /* after its waiting tests or state changed */
void user_ready_update(struct engine *e, struct user *u);     /* after n_active changed */
bool user_is_fairer(const struct user *a, const struct user *b); /* a before b, which may be NULL */
/* Other ranks for n waiting tests of a user: those of `sorted`, in their order, from `first` on in steps. */
void queue_rank_all(struct engine *e, struct user *u, struct test *const *sorted, const int64_t *ranks,
                    uint32_t n);
void queue_rank_some(struct engine *e, struct user *u, struct test *const *tests, const int64_t *ranks,
                     uint32_t n);
void queue_changed(struct engine *e, struct user *u); /* by people: a new version, and noted */
void queue_notes_flush(struct engine *e);
int64_t rank_end(struct user *u,
                 uint32_t n); /* the first of n ranks, RANK_GAP apart, behind all of the user's */
int64_t rank_front(struct user *u, uint32_t n); /* the same before all */
void rank_seen(struct user *u, int64_t rank);

/* ---- queue_ops.c: what people do to a queue; queue_look.c: what they see ---- */
void on_queue_change(struct engine *e, const struct event *ev);
void undo_on_timer(struct engine *e, struct undo *u);
void undo_start(struct engine *e, struct undo *u); /* boot: its time runs */
void undo_take(struct engine *e, struct undo *u, struct test *t);
void undo_drop(struct engine *e,
               struct test *t); /* a test that is no longer removed; an undo without tests goes */
void on_queue_look(struct engine *e, const struct event *ev);

/* ---- forecast.c: when it should start ---- */
/* Of the n tests of a user's queue from `first` on, which has `skip` before it: in so many ms from now; -1 unknown. */
void queue_forecast(const struct engine *e, const struct user *u, const struct test *first, uint32_t skip,
                    uint32_t n, int64_t *start_ms);

/* ---- pause.c: queues that start no new test ---- */
bool user_is_paused(const struct user *u);
void pause_load(struct engine *e, const struct pause_row *row); /* boot: only what is said of it... */
void pause_boot(struct engine *e);                              /* ...and what follows from that */
/* False: nothing changed, it is so already. */
bool queue_pause(struct engine *e, struct user *u, const char *login);
bool queue_resume(struct engine *e, struct user *u, const char *login);

/* ---- room.c: nothing begins while the server's disk is full ---- */
void on_room(struct engine *e, const struct event *ev);
void room_boot(struct engine *e);

/* ---- engine_why.c ---- */
struct look {
    uint32_t servers; /* that its launch may use; of them... */
    uint32_t others;  /* ...are booked by others, or must be booked */
    uint32_t coming;  /* are being created */
    uint32_t off;
    uint32_t out;    /* are in maintenance, or taken out; of them... */
    uint32_t sick;   /* ...these */
    uint32_t usable; /* the rest, but for those being destroyed; of them... */
    uint32_t online;
    uint32_t resting;
    uint32_t avoided; /* open, but they lost it before */
    uint32_t full;    /* open, but its project may not have more of them */
    uint32_t busy;    /* all their slots are taken */
    uint32_t shared;  /* online, and not booked: they serve all */
    uint32_t slots;   /* of those online that do not rest */
};
struct look look_at(const struct engine *e, const struct test *t); /* walks all servers */
void engine_why_in(const struct engine *e, const struct test *t, const struct look *look, uint32_t ahead,
                   char *out, uint32_t size);

void launch_predict(struct launch *l); /* mean_known_ms, from all tests; before any is queued */

/* ---- the counters of a launch (test_fsm.c) ---- */
void launch_count_active(struct launch *l, const struct test *t, bool in);
void launch_count_done(struct launch *l, const struct test *t);
void launch_count_undone(struct launch *l, const struct test *t);

/* ---- place.c: which server ---- */
bool server_is_open(const struct engine *e, const struct server *s); /* a test may be given to it now */
bool server_is_usable(const struct server *s); /* as far as its machine goes, and people */
bool server_serves(const struct server *s, const struct user *u);
bool launch_allows(const struct launch *l, struct server_id s);
bool launch_may_go(const struct launch *l,
                   const struct server *s); /* it is one of its servers, and has room */
bool test_may_go(const struct engine *e, const struct test *t, const struct server *s);
bool test_avoids(const struct engine *e, const struct test *t,
                 const struct server *s); /* lost there: not again */
bool test_was_lost_on(const struct test *t, struct server_id s);
void server_refresh(struct engine *e, struct server *s);    /* after anything that placement looks at */
void launches_look_again(struct engine *e);                 /* which servers may come has changed */
void server_look_again(struct engine *e, struct server *s); /* a project may have more of it */
void place_turn(struct engine *e);
void goals_due(struct engine *e, struct server *s);
void server_ask_back(struct engine *e, struct server *s);   /* all that has not started there */
void user_ask_back(struct engine *e, const struct user *u); /* all of a user that has not started anywhere */
void run_unask_back(struct engine *e, struct run *r);

/* ---- share.c: how much of a server a project may have ---- */
void project_enter(struct engine *e, struct launch *l); /* a new one; its row and user are known */
void project_leave(struct engine *e, struct launch *l);
void project_launch_done(struct engine *e, struct launch *l); /* what it says about slots counts no more */
void projects_release(struct engine *e);                      /* everything, whatever its state */
void lane_follow(struct launch *l, bool ready); /* after its first test or its readiness changed */
void share_add(struct engine *e, struct run *r);
void share_remove(struct engine *e, struct run *r);
struct share *server_share(const struct server *s, const struct project *p); /* NULL: it holds no run of it */
bool server_has_room(const struct server *s, const struct project *p); /* as far as the project's slots go */
uint32_t project_slots_on(const struct project *p, const struct server *s); /* it may have so many at once */

/* ---- lease.c ---- */
void lease_grant(struct engine *e, struct run *r);
void lease_renew(struct engine *e, struct run *r);
void lease_on_timer(struct engine *e, struct run *r);

/* ---- notice.c ---- */
void notice_launch_started(struct engine *e, const struct launch *l);
void notice_server_lost(struct engine *e, const struct server *s);
void notice_launch_done(struct engine *e, const struct launch *l);
void notice_run_over(struct engine *e, const struct run *r, enum run_cause cause, const struct run_row *row);
void notice_not_created(struct engine *e, const struct server *s);
void notice_sick(struct engine *e, const struct server *s); /* it was taken out */

/* ---- retry.c ---- */
uint32_t test_retries(const struct test *t); /* after losses of infrastructure; its own, or its launch's */
void retry_after_loss(struct engine *e, struct run *r, enum run_cause cause, const struct run_end *end);
void retry_uncounted(struct engine *e, struct run *r, enum run_cause cause);
void run_ended(struct engine *e, struct run *r, enum outcome outcome); /* its test is over with it */
void rest_on_timer(struct engine *e, struct server *s);
void rest_clear(struct engine *e, struct server *s); /* a run succeeded there */

/* ---- sick.c: servers that do not work ---- */
/* A run was lost, or the server failed it; its test's loss is counted already, and may be given back here. `reason` is a sentence. */
void sick_on_fault(struct engine *e, struct run *r, bool is_loss, const char *reason);
void sick_on_success(struct engine *e, struct run *r); /* it came to an end of its own */
void sick_forget(struct engine *e,
                 struct server *s);                /* what it did is forgiven, or it is another machine now */
void sick_end(struct engine *e, struct server *s); /* it is not out any more; whoever calls this stores it */
uint32_t sick_failures(const struct server *s);    /* that count, in a row */
bool launch_is_blamed(const struct engine *e, const struct launch *l);
void on_health(struct engine *e, const struct event *ev);

/* ---- goal.c ---- */
void goals_flush(struct engine *e);
void byes_flush(struct engine *e);

/* ---- link.c ---- */
void on_link_up(struct engine *e, const struct event *ev);
void on_link_down(struct engine *e, const struct event *ev);
void on_beat(struct engine *e, const struct event *ev);
void on_run_preparing(struct engine *e, const struct event *ev);
void on_run_started(struct engine *e, const struct event *ev);
void on_run_finished(struct engine *e, const struct event *ev);
void link_connect_at(struct engine *e, struct server *s, int64_t in_ms);
void link_drop(struct engine *e, struct server *s, enum link_cause cause);
void link_on_connect_timer(struct engine *e, struct server *s);
void link_on_silence_timer(struct engine *e, struct server *s);

/* ---- machine.c: a machine's life ---- */
bool server_is_reachable(const struct server *s); /* a link to it makes sense */
void server_power_on(struct engine *e, struct server *s, const char *size);
void server_power_off(struct engine *e, struct server *s, enum server_cause cause, const char *reason);
void server_ended(struct engine *e, struct server *s, enum server_cause cause, const char *reason);
void server_progress(struct engine *e, struct server *s, const char *text);
const char *span_text(struct engine *e, int64_t ms); /* "15 min", "90 s"; lives as long as the turn */
struct server *server_of_machine(const struct fleet *f, const char *machine); /* NULL: of none */
void machine_found(struct engine *e, struct server *s, const struct machine *m);
void creates_begin(struct engine *e, struct fleet *f);
void machine_doubt(struct engine *e, struct server *s);
void machine_absent(struct engine *e, struct server *s);
void machine_destroy_soon(struct engine *e, struct server *s, int64_t in_ms);
void life_arm(struct engine *e, struct server *s);
void life_on_timer(struct engine *e, struct server *s);
void life_boot(struct engine *e, struct server *s);
void on_machine_created(struct engine *e, const struct event *ev);
void on_machine_create_failed(struct engine *e, const struct event *ev);
void on_machine_destroyed(struct engine *e, const struct event *ev);
void on_machine_destroy_failed(struct engine *e, const struct event *ev);

/* ---- cost.c: what machines cost, and whom it was for ---- */
void cost_price_set(struct engine *e, struct server *s,
                    int64_t price_hour_microusd); /* of a machine that is paid for */
void cost_slots_set(struct engine *e, struct server *s,
                    uint32_t slots);                     /* it holds no runs, and is offline */
void cost_own_price(struct engine *e, struct server *s); /* of a server whose machine nobody makes */
void cost_meter_end(struct engine *e,
                    struct server *s); /* it is not paid for any more; harmless when none runs */
void cost_slot_set(struct engine *e, struct run *r,
                   uint32_t slot);                       /* its server says so; UINT32_MAX: in none */
void cost_slots_end(struct engine *e, struct server *s); /* it is removed: its runs hold none any more */
void cost_run_ends(struct engine *e, struct run *r, const struct finish *f); /* f may be NULL */
void cost_load(struct server *s);                                            /* boot: the row says it all */
void cost_run_load(struct run *r);
void cost_boot(struct engine *e, struct server *s);
void cost_on_timer(struct engine *e, struct server *s);

/* ---- reconcile.c: a fleet's list against our records ---- */
void fleet_look_in(struct engine *e, struct fleet *f, int64_t ms); /* or sooner */
void fleet_on_timer(struct engine *e, struct fleet *f);
void stray_add(struct engine *e, struct fleet *f, const struct machine *m, bool is_certain);
void strays_end(struct engine *e, struct fleet *f);
/* A server may have it from now on: it is not another one's, and no call destroys it already. It belongs to nobody no more. */
uint32_t fleet_kept_there(const struct engine *e, const struct fleet *f,
                          const char **ret); /* and one of them */
bool machine_may_be_of(const struct server *s, const char *machine);
/* True when it was one. */
bool stray_destroyed(struct engine *e, struct fleet *f, const char *machine);
bool stray_not_destroyed(struct engine *e, struct fleet *f, const char *machine,
                         const struct fleet_failure *why);
void on_fleet_listed(struct engine *e, const struct event *ev);
void on_fleet_list_failed(struct engine *e, const struct event *ev);
void on_machine_renewed(struct engine *e, const struct event *ev);
void on_machine_renew_failed(struct engine *e, const struct event *ev);

/* ---- fleet.c: fleets, and what there may be of them ---- */
void fleets_preset(struct engine *e); /* those that are always there */
void fleet_boot(struct engine *e, struct fleet *f);
MUST_USE enum err fleet_room_check(const struct engine *e, const struct fleet *f, uint32_t n,
                                   const char *size, struct why *reterr);
int64_t fleet_price_now(const struct fleet *f, const char *size); /* microusd an hour; -1 not known */
void on_fleet_put(struct engine *e, const struct event *ev);
void on_fleet_remove(struct engine *e, const struct event *ev);
void on_fleet_catalog(struct engine *e, const struct event *ev);

/* ---- idle.c ---- */
void idle_look(struct engine *e, struct server *s); /* after it gained or lost a run */
void idle_rule_changed(struct engine *e, struct server *s);
struct mono idle_due(const struct engine *e, const struct server *s);
void idle_on_timer(struct engine *e, struct server *s);
struct wall sick_until(const struct engine *e,
                       const struct server *s); /* it is destroyed; 0 never, or not out */
void idle_boot(struct engine *e, struct server *s);

/* ---- borrow.c: servers that a launch gets for itself ---- */
bool server_is_for(const struct server *s,
                   const struct launch *l);            /* server_serves(), and it is not another's */
void borrow_start(struct engine *e, struct launch *l); /* its time runs, if it has such servers */
void borrow_on_timer(struct engine *e, struct launch *l);
void borrow_flush(struct engine *e);

/* ---- server_ops.c: what people do to servers ---- */
/* As many as there can be, at most want->n, booked for this launch alone. 0 with reterr: none. */
uint32_t servers_borrow(struct engine *e, const struct servers_take *want, struct launch_id launch,
                        uint64_t *ids, struct why *reterr);
void server_book_for(struct engine *e, struct server *s, struct user_id user); /* 0: it is free */
void on_servers_change(struct engine *e, const struct event *ev);
void on_servers_take(struct engine *e, const struct event *ev);

/* ---- server_edit.c ---- */
void on_server_edit(struct engine *e, const struct event *ev);

/* ---- load.c ---- */
void on_booted(struct engine *e);

/* ---- records of servers (engine.c) ---- */
struct server *server_named(const struct engine *e, const char *name);
struct server *server_add_one(struct engine *e,
                              const struct server_row *row);       /* that is valid, and there is room */
void server_forget(struct engine *e, struct server *s);            /* its record goes */
bool command_is_refused(struct engine *e, const struct event *ev); /* not now; it has been told so */

/* ---- stopping a launch, some tests per turn (engine.c) ---- */
void stopping_flush(struct engine *e);

#endif
