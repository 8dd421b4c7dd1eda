/* store.h - the truth on disk: rows in SQL, logs as blobs, one writer, many readers.
 *
 * One storage thread owns the writing connection. It takes whatever is queued, makes one transaction of it
 * (group commit) and tells the loop. Reads run on reader threads with connections of their own. The engine is
 * not known here: changes come in, changes come out.
 *
 * Threads: every function is for the loop thread unless it takes a `struct reader`; those run inside a
 * store_read() job, on a reader thread. Callbacks named `done` run on the loop thread, inside store_turn(). */
#ifndef WRATA_STORE_STORE_H
#define WRATA_STORE_STORE_H

#include "base/buf.h"
#include "model/account.h"
#include "model/artifact.h"
#include "model/change.h"
#include "model/choice.h"
#include "model/hook.h"
#include "model/list.h"
#include "model/mail.h"

struct store;
struct reader;
struct arena;

struct store_opts {
    const char *dir;         /* the data folder; made with mode 0700 when absent */
    int64_t lock_wait_ms;    /* wait so long for a controller that is ending there */
    void (*wake)(void *ctx); /* called on any thread: have the loop thread call store_turn() soon */
    void *wake_ctx;
    bool is_unpaced; /* tests: commits do not wait to take more with them (pace.h) */
};

/* Open or make the data folder: lock it (another controller on it: ERR_CONFLICT, naming its pid), migrate the
 * schema, check it, truncate blobs to what was committed. *ret is owned by the caller. */
MUST_USE enum err store_open(const struct store_opts *opts, struct store **ret, struct why *reterr);

/* Finish what is queued, stop the threads, close. NULL is fine. `done` callbacks still owed are called. */
void store_close(struct store *st);

/* Deliver finished work to its `done` callbacks, in the order of submission. Called after wake(). */
void store_turn(struct store *st);

/* How long commits took since the store was opened. Any thread. */
struct histogram;
void store_commits(const struct store *st, struct histogram *ret);
/* How long the commit at work has taken so far, in milliseconds; 0: none is. Any thread. */
int64_t store_writing_ms(const struct store *st);

/* What waits in the queues of mail and of hooks, for /metrics. */
struct queue_counts {
    uint64_t mails_waiting;
    uint64_t mails_failed; /* and are still listed */
    uint64_t deliveries_waiting;
    uint64_t hooks_failing;  /* their last try failed */
    uint64_t hooks_disabled; /* by wrata */
};
MUST_USE enum err read_queue_counts(struct reader *r, struct queue_counts *ret, struct why *reterr);
/* The number of the last migration that the database has had, and of the last one that this program knows. */
MUST_USE enum err read_schema_version(struct reader *r, int64_t *ret, unsigned *ret_known,
                                      struct why *reterr);

/* A random id of this installation, made with the data folder: 16 hex digits. */
const char *store_instance(const struct store *st);

/* ---- boot: before anything is submitted ---- */

/* Every living row as the change that made it: IDS, fleets, servers, launches that are not done, undos, pauses, all their tests,
 * their runs that are neither done nor lost; in that order. Rows are borrowed for the call of `each`. */
MUST_USE enum err store_boot(struct store *st, void (*each)(void *ctx, const struct change *c), void *ctx,
                             struct why *reterr);

/* The accounts: ACCOUNT_IDS, then users (deleted ones, too), sessions, tokens, one-time links, variables. */
MUST_USE enum err store_boot_accounts(struct store *st,
                                      void (*each)(void *ctx, const struct account_change *c), void *ctx,
                                      struct why *reterr);

/* How far the streams of the living runs are durable, so that agents can go on from there. */
struct stream_pos {
    struct run_id run;
    uint64_t log_bytes;
    uint64_t results_bytes;
    struct tally tally; /* of the examples stored so far */
    uint32_t next_seq;  /* of the next example */
};
MUST_USE enum err store_boot_streams(struct store *st, void (*each)(void *ctx, const struct stream_pos *p),
                                     void *ctx, struct why *reterr);

/* ---- writing: in order of submission, durable when `done` is called ----
 * A commit that fails for want of disk or by a broken database is final for this process: `done` gets ERR_IO
 * with a sentence in why, for this and everything after it, and the caller stops (memory is ahead of disk).
 *
 * An item that asks for the impossible is refused alone, before anything of it is written, and what follows goes on:
 * ERR_NOTFOUND (a log or examples of a run that is not there), ERR_CONFLICT (a log that would get a gap, or that is
 * complete; a project name that is taken). */
typedef void store_done_fn(void *ctx, enum err err, const struct why *why);

/* All of them or none. `changes` and their texts must live until `done`. n may be 0: then `done` is still called
 * in its turn. */
void store_changes(struct store *st, const struct change *changes, uint32_t n, store_done_fn *done,
                   void *ctx);

/* The same for accounts; in one order with all others. What the tables refuse (a login that a living user has, a
 * session of a user that is not there) says that the caller's memory is wrong: final, and nothing of it is kept. */
void store_account_changes(struct store *st, const struct account_change *changes, uint32_t n,
                           store_done_fn *done, void *ctx);

/* Append to a run's log. `offset` must be the log's present length, or less: bytes that are there already are
 * passed over. The bytes (malloc'ed) are taken. */
void store_log_append(struct store *st, struct run_id run, uint64_t offset, TAKES char *bytes, uint32_t len,
                      store_done_fn *done, void *ctx);

/* The same for bytes of which it is known when they were printed: lines that begin in them began then. */
void store_log_append_at(struct store *st, struct run_id run, uint64_t offset, TAKES char *bytes,
                         uint32_t len, struct wall at, store_done_fn *done, void *ctx);

/* No more bytes will come: the tail is compressed and the log marked complete. The change that ends a run does this by
 * itself, in its transaction. */
void store_log_end(struct store *st, struct run_id run, store_done_fn *done, void *ctx);

/* Examples of a run that have arrived, with the position in the results channel up to which they account and the
 * run's tally so far. Rows and texts must live until `done`. n may be 0 (only the position moved). */
void store_examples(struct store *st, struct run_id run, struct launch_id launch,
                    const struct example_row *rows, uint32_t n, uint64_t results_bytes,
                    const struct tally *tally, store_done_fn *done, void *ctx);

/* Insert a project (row->id 0), or update its name, url and refresh_s. `done` gets ERR_CONFLICT when the name is taken. *ret_id is written
 * before `done` is called and must live until then. The row's texts are copied. */
void store_project_put(struct store *st, const struct project_row *row, uint64_t *ret_id, store_done_fn *done,
                       void *ctx);
/* What a refresh came to; at 0: it failed, what there is stays as old as it is. Name and url are not touched: they may
 * have been edited meanwhile. ERR_NOTFOUND: the project is gone. */
void store_project_fetched(struct store *st, struct project_id id, struct wall at, const char *error,
                           store_done_fn *done, void *ctx);
void store_project_delete(struct store *st, struct project_id id, store_done_fn *done, void *ctx);

/* Mail. A new one waits: state, ended_at, tries and error of the row are not looked at. *ret_id is written before
 * `done` is called and must live until then. ERR_LIMIT: MAILS_WAITING_MAX wait already. Texts are copied. */
void store_mail_add(struct store *st, const struct mail_row *row, uint64_t *ret_id, store_done_fn *done,
                    void *ctx);
/* What a try came to: state, next_at, ended_at, tries, error of the one with this id, which waits (else ERR_NOTFOUND).
 * Subject and bodies of one that was sent are gone with it. */
void store_mail_set(struct store *st, const struct mail_row *row, store_done_fn *done, void *ctx);
/* All that wait are due now, and those that failed wait again; *ret_n is how many wait then. */
void store_mails_retry(struct store *st, struct wall now, struct wall give_up_at, uint64_t *ret_n,
                       store_done_fn *done, void *ctx);
/* A copy with texts of its own. */
void mail_row_keep(struct arena *a, const struct mail_row *from, struct mail_row *to);
/* Delete at most `max` that ended before `before`. */
void store_mails_prune(struct store *st, struct wall before, uint32_t max, uint64_t *ret_deleted,
                       store_done_fn *done, void *ctx);

/* Hooks (model/hook.h). Insert one (row->id 0; ids, times and what came of it are chosen here) or put its settings in place of those
 * of the one with this id, and let it begin anew. *ret_id is written before `done` is called and must live until then. Texts are
 * copied. ERR_CONFLICT (field `name`), ERR_LIMIT, ERR_NOTFOUND. */
void store_hook_put(struct store *st, const struct hook_row *row, uint64_t *ret_id, store_done_fn *done,
                    void *ctx);
void store_hook_delete(struct store *st, uint64_t id, store_done_fn *done,
                       void *ctx); /* with its deliveries */
/* A delivery of kind TEST. ERR_CONFLICT: the hook is disabled. */
void store_hook_test(struct store *st, uint64_t id, struct wall now, uint64_t *ret_delivery,
                     store_done_fn *done, void *ctx);
/* Whatever became of it, it waits to be sent now: with the body that it had, but a status, and what was never written, says what is
 * so by then. ERR_CONFLICT: its hook is disabled. */
void store_delivery_retry(struct store *st, uint64_t id, struct wall now, store_done_fn *done, void *ctx);
/* Nothing is counted in any more, and row->body is what is sent. ERR_CONFLICT: row->n is not what it counts now. */
void store_delivery_close(struct store *st, const struct delivery_row *row, store_done_fn *done, void *ctx);
/* What a try came to: of the delivery, which waits (else ERR_NOTFOUND), and of its hook. When it is disabled, its owner is told. */
void store_delivery_set(struct store *st, const struct delivery_row *row, const struct hook_fate *fate,
                        store_done_fn *done, void *ctx);
/* Delete at most 2 * max that ended long ago, or that are too many; give up what waits for disabled hooks. */
void store_deliveries_prune(struct store *st, struct wall now, uint32_t max, uint64_t *ret_deleted,
                            store_done_fn *done, void *ctx);
/* From now on what comes in storms is gathered for so long before it is sent. */
void store_hooks_gather(struct store *st, int64_t ms, store_done_fn *done, void *ctx);
/* Copies with texts of their own. */
void hook_row_keep(struct arena *a, const struct hook_row *from, struct hook_row *to);
void delivery_row_keep(struct arena *a, const struct delivery_row *from, struct delivery_row *to);

/* Notices (model/notice.h) that no other write brings along. */
void store_notice_add(struct store *st, const struct notice_row *row, store_done_fn *done, void *ctx);
/* Those of a kind for a user (0: the admins) are taken, to be told; what comes later waits for the next time. */
void store_notices_take(struct store *st, enum notice_kind kind, struct user_id user, store_done_fn *done,
                        void *ctx);
/* These mails tell of all that are taken, in one commit: the mails wait, the notices are gone. No mails: nobody wants to
 * hear it. ERR_NOTFOUND: nothing is taken; ERR_LIMIT: too many mails wait; then nothing was written. */
struct notices_told {
    enum notice_kind kind;
    struct user_id user;
    const struct mail_row *mails;
    uint32_t n_mails;
    struct wall at;
};
void store_notices_told(struct store *st, const struct notices_told *told, store_done_fn *done, void *ctx);
/* Delete what nobody was told of until `before`, and what is known of mails before. */
void store_notices_prune(struct store *st, struct wall before, uint64_t *ret_deleted, store_done_fn *done,
                         void *ctx);

/* Locations, browsers, languages. The edit must have passed choice_edit_check(). `done` gets ERR_CONFLICT (a name that is
 * taken; the preset of its kind cannot go), ERR_NOTFOUND, ERR_LIMIT. *ret_id and *ret_archived are written before
 * `done` is called and must live until then. One that was used is archived instead of deleted. Texts are copied. */
void store_choice_put(struct store *st, const struct choice_edit *edit, uint64_t *ret_id, store_done_fn *done,
                      void *ctx);
void store_choice_delete(struct store *st, enum choice_kind kind, uint64_t id, struct wall now,
                         bool *ret_archived, store_done_fn *done, void *ctx);
/* For whoever makes a launch: these were chosen. Of a user's own locations the last OWN_LOCATIONS_MAX are kept. */
void store_choices_used(struct store *st, const struct choices_used *used, store_done_fn *done, void *ctx);
void store_own_location_forget(struct store *st, struct user_id user, const char *url, store_done_fn *done,
                               void *ctx);
/* A list (row->id 0: a new one) with its files, replaced in one piece. `version`: the one that the caller has seen, 0
 * any. *ret_id is written before `done` and must live until then. ERR_CONFLICT: the name is taken, or somebody has
 * changed it meanwhile; ERR_NOTFOUND; ERR_LIMIT. Texts are copied. */
void store_list_put(struct store *st, const struct list_row *row, uint64_t version, uint64_t *ret_id,
                    store_done_fn *done, void *ctx);
/* ERR_CONFLICT names the schedules that start it; with `force` they are disabled, with the reason. */
void store_list_delete(struct store *st, uint64_t id, bool force, struct wall now, store_done_fn *done,
                       void *ctx);
/* The same for a schedule; `last` of the row is not looked at. */
void store_schedule_put(struct store *st, const struct schedule_row *row, uint64_t version, uint64_t *ret_id,
                        store_done_fn *done, void *ctx);
void store_schedule_delete(struct store *st, uint64_t id, store_done_fn *done, void *ctx);
/* What came of a time at which it was due, when that was no launch. A schedule that is gone is passed over. */
void store_schedule_step(struct store *st, const struct schedule_step *step, store_done_fn *done, void *ctx);

/* What a run left to be kept, in place of what there is of it: the rows of a pack that is on disk under its name (store/pack.h).
 * ERR_NOTFOUND, ERR_CONFLICT: there is no such run, or it is over. `put` and what it points to must live until `done`. */
struct artifacts_put {
    struct run_id run;
    const char *pack;
    const struct artifact_row
        *rows; /* path, bytes, mtime_ms, offset, crc; none: the run has no artifacts any more */
    uint32_t n;
    struct wall at;
    /* written before `done` */
    struct launch_id launch;
    char replaced[ARTIFACT_PACK_BYTES]; /* a pack that no row names any more; "" none */
};
void store_artifacts_put(struct store *st, struct artifacts_put *put, store_done_fn *done, void *ctx);
/* One of them. ERR_NOTFOUND. `gone` must live until `done`, and so what follows. */
struct artifact_gone {
    uint64_t id;
    /* written before `done` */
    struct run_id run;
    struct launch_id launch;
    char pack[ARTIFACT_PACK_BYTES];
    uint64_t offset;
    uint64_t bytes;
    bool was_last; /* no row names the pack any more */
};
void store_artifact_delete(struct store *st, struct artifact_gone *gone, store_done_fn *done, void *ctx);
/* All artifacts of some runs, by the packs that they have now; another pack is left alone. */
#define ARTIFACT_DROP_MAX 50u
struct artifact_drop {
    uint32_t n;
    struct {
        struct run_id run;
        char name[ARTIFACT_PACK_BYTES];
        bool is_gone; /* written before `done` */
    } at[ARTIFACT_DROP_MAX];
};
void store_artifacts_drop(struct store *st, struct artifact_drop *drop, store_done_fn *done, void *ctx);

/* ---- reading ---- */

/* Run `fn(r, arg)` on a reader thread, then `done(arg)` on the loop thread. A job sees everything that was
 * committed before it was queued, all of it as of one moment. Jobs end in any order. */
void store_read(struct store *st, void (*fn)(struct reader *r, void *arg), void (*done)(void *arg),
                void *arg);

/* Where a page of a list begins and ends. Keyset: `after` is the last id of the page before; 0 starts. */
struct page {
    uint64_t after;
    uint32_t limit; /* 1..500 */
    uint64_t next;  /* written: what `after` should be for the next page; 0: this was the last */
};

/* What a failure is beside another launch (docs/causes.md). */
enum compare_what { COMPARE_NEW, COMPARE_FLAKY, COMPARE_KNOWN, COMPARE_FIXED, COMPARE_GONE, COMPARE_COUNT };
const char *compare_what_name(enum compare_what what); /* "new" */

/* The counters of a launch, maintained in the transactions that change its tests. */
struct launch_sums {
    uint32_t waiting;
    uint32_t active;
    uint32_t removed;
    uint32_t by_outcome[OUTCOME_COUNT];
    struct tally tally;    /* of the runs that decided their tests, and of the running ones so far */
    const char *paused_by; /* who paused the queue of its user; "" it is not paused */
    struct wall paused_at;
    bool is_compared;               /* with the launch before it, once it is done */
    struct launch_id compared_with; /* 0: there was none */
    uint32_t compared[COMPARE_COUNT];
};

typedef void server_fn(void *ctx, const struct server_row *row);
typedef void fleet_fn(void *ctx, const struct fleet_row *row);
typedef void launch_fn(void *ctx, const struct launch_row *row, const struct launch_sums *sums);
typedef void test_fn(void *ctx, const struct test_row *row);
typedef void run_fn(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes);
typedef void example_fn(void *ctx, const struct example_row *row);
typedef void project_fn(void *ctx, const struct project_row *row);

/* Each returns ERR_NOTFOUND (single rows) or ERR_IO with reterr. Lists are newest first unless said. */
MUST_USE enum err read_servers(struct reader *r, server_fn *each, void *ctx,
                               struct why *reterr); /* by name, natural order */
MUST_USE enum err read_server(struct reader *r, struct server_id id, server_fn *each, void *ctx,
                              struct why *reterr);

MUST_USE enum err read_fleets(struct reader *r, fleet_fn *each, void *ctx, struct why *reterr); /* by id */
MUST_USE enum err read_fleet(struct reader *r, struct fleet_id id, fleet_fn *each, void *ctx,
                             struct why *reterr);

struct launch_filter {
    struct project_id project; /* 0 any */
    struct user_id user;       /* 0 any */
    uint64_t schedule;         /* that started it; 0 any */
    int state;                 /* enum launch_state, -1 any */
    uint32_t outcomes;         /* bits 1 << enum outcome; 0 any */
    const char *ref;           /* as it was named; NULL any */
    const char *name;          /* words that its name must contain; NULL any */
    struct wall since, until;  /* made in [since, until); 0 open */
};
/* `each` NULL: only whether it is there. */
MUST_USE enum err read_launch(struct reader *r, struct launch_id id, launch_fn *each, void *ctx,
                              struct why *reterr);
/* A page may end early, as one of read_runs(). */
MUST_USE enum err read_launches(struct reader *r, const struct launch_filter *f, struct page *p,
                                launch_fn *each, void *ctx, struct why *reterr);

/* In the launch's own order. */
struct test_filter {
    struct launch_id launch;
    int state;   /* enum test_state, -1 any */
    int outcome; /* enum outcome, -1 any */
};
MUST_USE enum err read_tests(struct reader *r, const struct test_filter *f, struct page *p, test_fn *each,
                             void *ctx, struct why *reterr);
MUST_USE enum err read_test(struct reader *r, struct test_id id, test_fn *each, void *ctx,
                            struct why *reterr);

struct run_filter {
    struct launch_id launch; /* 0 any, and so all numbers */
    struct server_id server;
    struct test_id test;
    struct user_id user; /* who started its launch */
    struct project_id project;
    int state;            /* enum run_state, -1 any; -2: living (neither done nor lost) */
    uint32_t outcomes;    /* bits 1 << enum outcome; 0 any */
    const char *file;     /* exactly this path; NULL any, and so all texts */
    const char *path;     /* words that its path must contain */
    const char *ref;      /* of its launch, as it was named */
    const char *language; /* of its test */
    const char *browser;
    struct wall since, until; /* made in [since, until); 0 open */
};
/* `each` NULL: only whether it is there. */
MUST_USE enum err read_run(struct reader *r, struct run_id id, run_fn *each, void *ctx, struct why *reterr);
/* All filters together; the work of a page is bounded, whatever they are, so it may end early: with fewer than `limit` runs, or
 * none, and a `next` all the same. */
MUST_USE enum err read_runs(struct reader *r, const struct run_filter *f, struct page *p, run_fn *each,
                            void *ctx, struct why *reterr);

/* Of one run in the order they came, or of a launch's deciding runs (by run, then order). */
struct example_filter {
    struct run_id run; /* one of the two is set */
    struct launch_id launch;
    uint32_t statuses; /* bits 1 << enum example_status; 0 all */
};
MUST_USE enum err read_examples(struct reader *r, const struct example_filter *f, struct page *p,
                                example_fn *each, void *ctx, struct why *reterr);

MUST_USE enum err read_example(struct reader *r, struct run_id run, uint32_t seq, example_fn *each, void *ctx,
                               struct why *reterr);
/* Of all launches, newest first, by all of these together; the work of a page is bounded: it may end early. Runs that were lost do
 * not count. ERR_INVALID: path or id without a project or a launch. */
struct example_search {
    struct project_id project; /* 0 any, and so all numbers */
    struct launch_id launch;
    const char *path; /* of the run, exactly; NULL any, and so all texts */
    const char *id;
    const char *q; /* words of message, exception or reason */
    uint64_t cause;
    uint32_t statuses; /* bits 1 << enum example_status; 0 all */
};
MUST_USE enum err read_examples_found(struct reader *r, const struct example_search *f, struct page *p,
                                      example_fn *each, void *ctx, struct why *reterr);

/* What a launch failed by: of the runs that its tests came to, so far. Those that failed most come first. */
#define CAUSE_EXAMPLES_MAX 5u
#define CAUSE_SERVERS_MAX 20u
struct cause_example {
    struct run_id run;
    int64_t seq;      /* -1: it is the run itself */
    const char *path; /* of the run */
    const char
        *description; /* the names, joined by blanks; "" of a run, and of an error outside of examples */
};
struct cause_row {
    uint64_t id;
    const char *title;
    const char *exception;
    const char *frame;
    uint64_t count; /* failures */
    uint32_t n_runs;
    uint32_t n_files;
    struct launch_id first_launch; /* of the project */
    struct run_id first_run;       /* may be gone */
    struct wall first_at;
    bool is_known; /* an earlier launch failed by it */
    const char *const *servers;
    uint32_t n_servers; /* at most CAUSE_SERVERS_MAX, of n_servers_all */
    uint32_t n_servers_all;
    const struct cause_example *examples;
    uint32_t n_examples;
};
struct cause_sums {
    uint64_t failures;
    uint32_t causes; /* all of them, however many were asked for */
};
typedef void cause_fn(void *ctx, const struct cause_row *row);
MUST_USE enum err read_causes(struct reader *r, struct launch_id launch, uint32_t max, cause_fn *each,
                              void *ctx, struct cause_sums *ret, struct why *reterr);

/* A launch beside another one: what fails now and did not then (docs/causes.md). */
struct compare_item {
    enum compare_what what;
    const char *path;
    const char *language;
    const char *browser;
    const char *description; /* "": the file as a whole, or an error outside of examples */
    struct run_id run;       /* of this launch; 0: it has none of it */
    int64_t seq;             /* -1: the run itself */
    uint64_t cause;          /* of the failure, now or then */
    struct run_id before;    /* of the other; 0 none */
};
struct compare {
    struct launch_id other; /* 0: there is none to compare with */
    char why[200];          /* which was taken, or why there is none */
    uint32_t n[COMPARE_COUNT];
    bool is_done;  /* the launch is over: its counts will not change */
    bool is_whole; /* false: more failed than are compared (COMPARE_FAILURES_MAX) */
};
#define COMPARE_FAILURES_MAX 20000u /* of each */
typedef void compare_fn(void *ctx, const struct compare_item *item);
/* `with` 0: the last one that can be compared. whats: bits 1 << enum compare_what of the items that are wanted, 0 all;
 * all are counted. page->after is a place in the list. ERR_NOTFOUND: no such launch; ERR_INVALID with
 * the field "with": it cannot be compared with that. */
MUST_USE enum err read_compare(struct reader *r, struct launch_id launch, struct launch_id with,
                               uint32_t whats, struct page *p, compare_fn *each, void *ctx,
                               struct compare *ret, struct why *reterr);
/* Keep the counts of a launch that is done, for those who list launches. */
void store_compare_put(struct store *st, struct launch_id launch, const struct compare *compare,
                       store_done_fn *done, void *ctx);

/* How the examples of a project did in their last runs, file by file in the order of their paths (docs/causes.md). Each language,
 * browser and location is told by itself; a file of which no example says why it failed is told as a whole. The work of a page is
 * bounded: it may end early. */
#define STABILITY_RUNS_MAX 50u
#define STABILITY_CHANGES_MIN 3u
enum stability {
    STABILITY_STABLE,
    STABILITY_FAILING,  /* it failed the last time */
    STABILITY_UNSTABLE, /* it changed STABILITY_CHANGES_MIN times between passed and failed */
    STABILITY_FLAKY,    /* it failed and passed on one commit */
    STABILITY_COUNT
};
struct stability_point {
    struct run_id run;
    bool failed;
};
struct stability_row {
    const char *path;        /* of the file */
    const char *description; /* the names of the example, joined; "": the file itself */
    const char *id;          /* as it was called last */
    const char *language;
    const char *browser;
    const char *location;
    enum stability verdict;
    const struct stability_point *points; /* n_points, the newest first */
    uint32_t n_points;
    uint32_t n_failed; /* of them */
    uint32_t n_changes;
    const char *flaky_commit; /* the newest on which it did both; "" none */
    struct run_id flaky_failed, flaky_passed;
};
struct stability_filter {
    struct project_id project;
    const char *ref;   /* NULL any */
    const char *path;  /* only this file; NULL all */
    uint32_t verdicts; /* bits 1 << enum stability; 0 all */
    struct wall since; /* flaky: within this time */
    uint32_t n_runs;   /* 1..STABILITY_RUNS_MAX */
};
typedef void stability_fn(void *ctx, const struct stability_row *row);
MUST_USE enum err read_stability(struct reader *r, const struct stability_filter *f, struct page *p,
                                 stability_fn *each, void *ctx, struct why *reterr);

/* The slowest files of a project, by the median of their last runs that passed or failed; or its slowest examples, by the
 * newest such run of each file. */
#define SLOW_MAX 200u
struct slow_row {
    const char *path;
    const char *description; /* "": the file */
    const char *id;
    struct run_id run; /* the newest */
    int64_t seq;       /* -1: the file */
    int64_t us;
    uint32_t n_runs; /* that it is the median of */
};
struct slow_filter {
    struct project_id project;
    const char *ref; /* NULL any */
    bool of_examples;
    uint32_t max; /* 1..SLOW_MAX */
};
typedef void slow_fn(void *ctx, const struct slow_row *row);
MUST_USE enum err read_slowest(struct reader *r, const struct slow_filter *f, slow_fn *each, void *ctx,
                               struct why *reterr);

/* How long the launches of a project took, or the runs of one file, the newest first. */
#define TREND_MAX 500u
struct trend_row {
    struct run_id run; /* 0: of a launch */
    struct launch_id launch;
    struct wall at;
    enum outcome outcome;
    int64_t us;
    const char *commit;
    uint64_t n_passed; /* examples */
    uint64_t n_failed;
};
struct trend_filter {
    struct project_id project;
    const char *ref;  /* NULL any */
    const char *path; /* NULL: launches */
    uint32_t max;     /* 1..TREND_MAX */
};
typedef void trend_fn(void *ctx, const struct trend_row *row);
MUST_USE enum err read_trend(struct reader *r, const struct trend_filter *f, trend_fn *each, void *ctx,
                             struct why *reterr);

/* Bytes [from, from + max) of a run's log, as the script wrote them, appended to out. */
struct log_info {
    uint64_t size; /* committed so far */
    bool complete; /* no more will come */
};
MUST_USE enum err read_log(struct reader *r, struct run_id run, uint64_t from, uint32_t max, struct buf *out,
                           struct log_info *ret, struct why *reterr);

/* How many lines: the last one counts also while its newline is missing. */
struct log_shape {
    uint64_t size;
    uint64_t lines;
    bool complete;
};
MUST_USE enum err read_log_shape(struct reader *r, struct run_id run, struct log_shape *ret,
                                 struct why *reterr);

/* The byte where line `line` (from 0) begins. ERR_NOTFOUND: the log has fewer lines. Reads at most two blocks. */
MUST_USE enum err read_log_line(struct reader *r, struct run_id run, uint64_t line, uint64_t *ret_offset,
                                struct why *reterr);

/* When lines [from, from + lines) (from 0) began: `each` gets marks in ascending order, a line and its time; the lines up to the
 * next mark began then, too. The first mark may stand for a line before `from`. Lines of which nothing is known
 * stand before the first. Returns false from `each` to stop. */
typedef bool log_time_fn(void *ctx, uint64_t line, struct wall at);
MUST_USE enum err read_log_times(struct reader *r, struct run_id run, uint64_t from, uint64_t lines,
                                 log_time_fn *each, void *ctx, struct why *reterr);

MUST_USE enum err read_projects(struct reader *r, project_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_project(struct reader *r, struct project_id id, project_fn *each, void *ctx,
                               struct why *reterr);
MUST_USE enum err read_project_named(struct reader *r, const char *name_or_url, project_fn *each, void *ctx,
                                     struct why *reterr);

/* The commits that launches of a project which are not done need; `each` may hear one several times. */
MUST_USE enum err read_living_commits(struct reader *r, struct project_id id,
                                      void (*each)(void *ctx, const char *commit), void *ctx,
                                      struct why *reterr);

/* Who owns it, and what it is called: for owner rules and the audit log. ERR_NOTFOUND. */
MUST_USE enum err read_launch_user(struct reader *r, struct launch_id id, struct user_id *ret,
                                   struct why *reterr);
MUST_USE enum err read_run_user(struct reader *r, struct run_id id, struct user_id *ret, struct why *reterr);

/* What an account has, for the question before it is deleted. */
struct user_sums {
    uint64_t launches;
    uint64_t launches_living;
};
MUST_USE enum err read_user_sums(struct reader *r, struct user_id id, struct user_sums *ret,
                                 struct why *reterr);

/* The audit log, newest first: by time, then id. page->after is an id. */
struct audit_filter {
    struct user_id user;  /* 0 any */
    const char *action;   /* "launch.start"; without a dot all of that area: "launch"; NULL any */
    const char *object;   /* exactly; NULL any */
    struct wall from, to; /* [from, to); 0 open */
    bool refused;         /* only answers of 400 and more */
};
typedef void audit_fn(void *ctx, const struct audit_row *row);
MUST_USE enum err read_audit(struct reader *r, const struct audit_filter *f, struct page *p, audit_fn *each,
                             void *ctx, struct why *reterr);

/* Retention of the audit log: delete at most `max` rows older than `before`, the oldest first, in one commit.
 * *ret_deleted is written before `done` is called and must live until then. */
void store_audit_prune(struct store *st, struct wall before, uint32_t max, uint64_t *ret_deleted,
                       store_done_fn *done, void *ctx);

/* Mail: the one that is due first, with its bodies (`each` is called once or not at all); one; lists, newest first.
 * state: enum mail_state, -1 any. */
typedef void mail_fn(void *ctx, const struct mail_row *row);
MUST_USE enum err read_mail_next(struct reader *r, mail_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_mail(struct reader *r, uint64_t id, mail_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_mails(struct reader *r, int state, struct page *p, mail_fn *each, void *ctx,
                             struct why *reterr);

/* What somebody should be told, by kind and user, what is oldest first; at most `max`. */
typedef void notice_group_fn(void *ctx, const struct notice_group *g);
MUST_USE enum err read_notice_groups(struct reader *r, uint32_t max, notice_group_fn *each, void *ctx,
                                     struct why *reterr);
/* Those that are taken: the first `max` of them; *ret_things, *ret_n: how many there are, and what they count. */
typedef void notice_fn(void *ctx, const struct notice_row *row);
MUST_USE enum err read_notices_taken(struct reader *r, enum notice_kind kind, struct user_id user,
                                     uint32_t max, notice_fn *each, void *ctx, uint64_t *ret_things,
                                     uint64_t *ret_n, struct why *reterr);
/* The schedule that started a launch: its id and name; 0: none, or it is gone. */
MUST_USE enum err read_launch_schedule(struct reader *r, struct launch_id launch, uint64_t *ret_id,
                                       struct arena *arena, const char **ret_name, struct why *reterr);

/* Locations, browsers, languages in their order, archived ones last when they are wanted. A name or preset is of one that
 * may be chosen: ERR_NOTFOUND names the field "location", "browser" or "language". Own locations: the last used first. */
typedef void choice_fn(void *ctx, const struct choice_row *row);
typedef void own_location_fn(void *ctx, const struct own_location_row *row);
MUST_USE enum err read_choices(struct reader *r, enum choice_kind kind, bool archived, choice_fn *each,
                               void *ctx, struct why *reterr);
MUST_USE enum err read_choice(struct reader *r, enum choice_kind kind, uint64_t id, choice_fn *each,
                              void *ctx, struct why *reterr);
MUST_USE enum err read_choice_named(struct reader *r, enum choice_kind kind, const char *name,
                                    choice_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_choice_preset(struct reader *r, enum choice_kind kind, choice_fn *each, void *ctx,
                                     struct why *reterr);
MUST_USE enum err read_own_locations(struct reader *r, struct user_id user, own_location_fn *each, void *ctx,
                                     struct why *reterr);
/* One with its files; those of a user with those that others share, newest first, without files; by name. */
typedef void list_fn(void *ctx, const struct list_row *row);
MUST_USE enum err read_list(struct reader *r, uint64_t id, list_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_lists(struct reader *r, struct user_id user, struct page *p, list_fn *each, void *ctx,
                             struct why *reterr);
MUST_USE enum err read_list_named(struct reader *r, struct user_id user, const char *name, uint64_t *ret_id,
                                  struct why *reterr);
MUST_USE enum err read_list_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr);
/* Copies that outlive the callback. */
void list_row_keep(struct arena *a, const struct list_row *from, struct list_row *to);
void schedule_row_keep(struct arena *a, const struct schedule_row *from, struct schedule_row *to);

struct schedule_filter {
    struct user_id user; /* 0 any */
    uint64_t list;       /* 0 any */
};
typedef void schedule_fn(void *ctx, const struct schedule_row *row);
MUST_USE enum err read_schedule(struct reader *r, uint64_t id, schedule_fn *each, void *ctx,
                                struct why *reterr);
MUST_USE enum err read_schedules(struct reader *r, const struct schedule_filter *f, struct page *p,
                                 schedule_fn *each, void *ctx, struct why *reterr);
/* Those that are enabled and have a next time, the earliest first. */
MUST_USE enum err read_schedules_due(struct reader *r, uint32_t max, schedule_fn *each, void *ctx,
                                     struct why *reterr);
MUST_USE enum err read_schedule_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr);
/* What came of its times, newest first (page->after is due_at); of one time (`each` is called once or not at all); a
 * launch that it has started and that is not done, 0 none. */
typedef void start_fn(void *ctx, const struct start_row *row);
MUST_USE enum err read_starts(struct reader *r, uint64_t schedule, struct page *p, start_fn *each, void *ctx,
                              struct why *reterr);
MUST_USE enum err read_start(struct reader *r, uint64_t schedule, struct wall due, start_fn *each, void *ctx,
                             struct why *reterr);
MUST_USE enum err read_schedule_launch_living(struct reader *r, uint64_t schedule, struct launch_id *ret,
                                              struct why *reterr);

/* The globs that a launch itself had asked for. */
MUST_USE enum err read_launch_artifacts(struct reader *r, struct launch_id id,
                                        void (*each)(void *ctx, const char *glob), void *ctx,
                                        struct why *reterr);
/* The names of its user's secrets that it was given. */
MUST_USE enum err read_launch_secrets(struct reader *r, struct launch_id id,
                                      void (*each)(void *ctx, const char *name), void *ctx,
                                      struct why *reterr);
/* Artifacts, of a run or of a launch, the first ones first: those of a run by their paths. */
struct artifact_filter {
    struct run_id run; /* one of the two is set */
    struct launch_id launch;
};
typedef void artifact_fn(void *ctx, const struct artifact_row *row);
MUST_USE enum err read_artifact(struct reader *r, uint64_t id, artifact_fn *each, void *ctx,
                                struct why *reterr);
MUST_USE enum err read_artifacts(struct reader *r, const struct artifact_filter *f, struct page *p,
                                 artifact_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_artifact_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr);
struct artifact_sums {
    uint64_t packs;
    uint64_t files;
    uint64_t bytes;
};
MUST_USE enum err read_artifact_sums(struct reader *r, struct artifact_sums *ret, struct why *reterr);
/* Packs: the oldest ones; those of runs that are not there any more, looking at `max` behind *at, which moves on and is 0 at the
 * end; whether this is the pack of its run. */
typedef void artifact_pack_fn(void *ctx, const struct artifact_pack_row *row);
MUST_USE enum err read_artifact_packs_oldest(struct reader *r, uint32_t max, artifact_pack_fn *each,
                                             void *ctx, struct why *reterr);
MUST_USE enum err read_artifact_packs_orphaned(struct reader *r, struct run_id *at, uint32_t max,
                                               artifact_pack_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_artifact_pack_is_known(struct reader *r, struct run_id run, const char *name,
                                              bool *ret, struct why *reterr);

/* Hooks of a user (0: of all), oldest first; all that there may be fit in one answer. */
typedef void hook_fn(void *ctx, const struct hook_row *row);
typedef void delivery_fn(void *ctx, const struct delivery_row *row);
MUST_USE enum err read_hooks(struct reader *r, struct user_id user, hook_fn *each, void *ctx,
                             struct why *reterr);
/* `each` NULL: only whether it is there. */
MUST_USE enum err read_hook(struct reader *r, uint64_t id, hook_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_hook_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr);
MUST_USE enum err read_delivery(struct reader *r, uint64_t id, delivery_fn *each, void *ctx,
                                struct why *reterr);
MUST_USE enum err read_delivery_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr);
/* state: enum delivery_state, -1 any. Without bodies. */
MUST_USE enum err read_deliveries(struct reader *r, uint64_t hook, int state, struct page *p,
                                  delivery_fn *each, void *ctx, struct why *reterr);
/* Of each enabled hook that does not pause the delivery that is due first, at most one, with its body; *ret_next: when the next of
 * the others is due, 0: none waits. */
MUST_USE enum err read_deliveries_due(struct reader *r, struct wall now, delivery_fn *each, void *ctx,
                                      struct wall *ret_next, struct why *reterr);

/* The ledger (docs/cost.md), by what it is added up. Sums of days from_day..to_day, both included, as days since 1970. */
enum cost_by {
    COST_BY_DAY,
    COST_BY_SERVER,
    COST_BY_FLEET,
    COST_BY_LAUNCH,
    COST_BY_USER,
    COST_BY_SCHEDULE,
    COST_BY_COUNT
};
struct cost_filter {
    enum cost_by by;
    struct user_id
        user; /* only launches of this one: then not by server or fleet. 0: all, and what was for nobody */
    int64_t from_day;
    int64_t to_day;
};
struct cost_sums {
    int64_t nanousd;      /* with what was for nobody, where machines are added up */
    int64_t runs_nanousd; /* of that for runs */
    int64_t ms;           /* of machines; 0 where launches are added up */
    int64_t slot_ms;      /* that runs held slots */
    uint32_t n_days;      /* with any cost; read_cost_sums() alone */
};
struct cost_item {
    int64_t key;      /* a day, or an id; user 1 is the operator */
    const char *name; /* of what has that id, "" when it is gone; of days "" */
    const char *also; /* of a server its fleet, of a launch its user's login; else "" */
    struct cost_sums sums;
};
struct cost_page {
    uint32_t limit; /* 1..PAGE_LIMIT_MAX */
    bool has_after;
    int64_t after_nanousd; /* of the last item of the page before; of days not looked at */
    int64_t after_key;
    bool has_next; /* written, and so what follows */
    int64_t next_nanousd;
    int64_t next_key;
};
struct cost_rate {
    uint32_t n_machines; /* that are paid for */
    int64_t hour_microusd;
    struct wall charged_at; /* so old is what the ledger says of one of them; 0: there is none */
};
typedef void cost_fn(void *ctx, const struct cost_item *item);
MUST_USE enum err read_cost_sums(struct reader *r, const struct cost_filter *f, struct cost_sums *ret,
                                 struct why *reterr); /* `by` is not looked at */
MUST_USE enum err read_costs(struct reader *r, const struct cost_filter *f, struct cost_page *p,
                             cost_fn *each, void *ctx, struct why *reterr);
MUST_USE enum err read_cost_rate(struct reader *r, struct cost_rate *ret, struct why *reterr);

/* The median duration of the last (up to 10) passed or failed runs of each path of a project. */
MUST_USE enum err read_predictions(struct reader *r, struct project_id project,
                                   void (*each)(void *ctx, const char *path, int64_t ms), void *ctx,
                                   struct why *reterr);

#endif
