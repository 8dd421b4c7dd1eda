/* store_private.h - what the store's files share.
 *
 * A file per resource, each in three parts: change -> SQL (writer's functions, storage thread), rows -> model
 * (reader's functions, any reader thread), and what boot needs. Errors stick to the connection (db.h), so the
 * writer's functions return nothing unless an item alone can be refused. */
#ifndef WRATA_STORE_PRIVATE_H
#define WRATA_STORE_PRIVATE_H

#include <uthash.h>

#include "base/mem.h"
#include "model/cause.h"
#include "store/db.h"
#include "store/prune.h"
#include "store/store.h"

/* ---- the writer: everything the storage thread holds between two batches ---------------------------------- */

enum id_kind {
    ID_SERVER,
    ID_LAUNCH,
    ID_TEST,
    ID_RUN,
    ID_PROJECT,
    ID_PATH,
    ID_USER,
    ID_SESSION,
    ID_TOKEN,
    ID_LINK,
    ID_AUDIT,
    ID_MAIL,
    ID_CHOICE,
    ID_LIST,
    ID_SCHEDULE,
    ID_UNDO,
    ID_ARTIFACT,
    ID_FLEET,
    ID_ORIGIN,
    ID_INTENT,
    ID_CASE,
    ID_TEXT,
    ID_FAILURE,
    ID_JOB,
    ID_HOOK,
    ID_DELIVERY,
    ID_KIND_COUNT
};

/* id_times.c: the ids that were given in a day or a minute */
enum id_time_kind { ID_TIME_RUN, ID_TIME_LAUNCH, ID_TIME_KINDS };
#define ID_TIME_SPANS 2
struct id_time {
    bool is_dirty;
    int64_t at;
    uint64_t first;
    uint64_t last;
};

struct origin_entry; /* origins.c */
struct sums_delta;   /* launches.c: counters changed in this batch */
struct cost_delta;   /* cost.c: what a batch adds to the ledger */
struct cost_meter;
struct live_test; /* live.c: what is known of tests and runs at work */
struct live_run;
struct live_path;
struct case_seen;   /* cases.c: cases that were used a moment ago */
struct log_state;   /* logs.c: where a log stands */
struct blob_writer; /* blob.h */
struct blob_reader;

struct writer {
    struct db *db;
    const char *dir;    /* the data folder */
    struct arena batch; /* texts and lists made while the batch is written; reset after it */

    /* ids.c */
    uint64_t next_id[ID_KIND_COUNT];
    uint64_t stored_next_id[ID_KIND_COUNT];

    /* launches.c */
    struct sums_delta *sums;

    /* cost.c */
    struct cost_delta *costs;
    struct cost_meter *meters;
    int64_t cost_day; /* the newest day of the last batch with costs */

    /* id_times.c */
    struct id_time id_times[ID_TIME_KINDS][ID_TIME_SPANS];
    int64_t history_day; /* of the newest row */
    bool is_history_day_new;

    /* origins.c: those that are known, and the launch at hand */
    struct origin_entry *origins;
    uint64_t origin_launch;
    uint64_t origin_user;
    uint64_t origin_project;
    struct buf origin_ref;
    uint64_t origin_swept;

    /* tests.c: the launch that tests were added to last */
    uint64_t tests_launch;
    uint64_t tests_project;
    uint32_t n_commands;
    struct buf command;         /* the newest command of that launch, encoded */
    struct buf command_reports; /* its reports, encoded */
    enum adapter_kind command_adapter;
    struct test_limits command_limits;

    /* live.c */
    struct live_test *tests;
    struct live_run *runs;
    struct live_path *paths; /* of one project */
    uint64_t paths_project;

    /* cases.c */
    struct case_seen *cases;
    uint64_t prune_failure; /* where texts_prune() and cases_prune() go on */

    /* examples.c: the launch whose examples came last */
    uint64_t examples_launch;
    uint64_t examples_project;

    /* logs.c */
    struct log_state *logs;
    struct log_state *dirty_logs;
    struct blob_writer *blobs;

    /* prune.c: what this batch adds to the sums of what is kept */
    int64_t kept_items[KEPT_COUNT];
    int64_t kept_bytes[KEPT_COUNT];
    bool *cut; /* after this batch: db_cut(), and whether it worked; NULL: not asked for */

    /* hooks.c */
    struct hook_row *hooks; /* n_hooks that are enabled, without texts */
    uint32_t n_hooks;
    int64_t hook_gather_ms;
};

struct reader {
    struct db *db;
    const char *dir;
    struct arena row; /* lists of the row at hand; reset for each row */
    struct blob_reader *blobs;
};

/* ---- schema.c ---- */
MUST_USE enum err schema_migrate(struct writer *w, struct why *reterr);
/* compact.c: examples as they were kept before, moved to where they are kept now; in the migrations' transaction. */
void examples_compact(struct writer *w);

/* ---- ids.c ---- */
void ids_load(struct writer *w); /* at open, inside a transaction */
void ids_used(struct writer *w, enum id_kind kind, uint64_t id);
uint64_t ids_take(struct writer *w, enum id_kind kind);
void ids_flush(struct writer *w); /* at the end of a batch */
void ids_boot(struct db *db, struct change *ret);
void ids_boot_accounts(struct db *db, struct account_change *ret);

/* ---- changes: one function per kind ---- */
void server_row_put(struct writer *w, const struct server_row *row);
void server_row_delete(struct writer *w, struct server_id id);
void fleet_row_put(struct writer *w, const struct fleet_row *row);
void fleet_row_delete(struct writer *w, struct fleet_id id);
void launch_row_add(struct writer *w, const struct launch_row *row);
void launch_row_set(struct writer *w, const struct launch_row *row);
/* The first of `rows`, which adds a test, and those behind it that do so, too, as many as one statement takes. Returns how
 * many they were. */
uint32_t test_rows_add(struct writer *w, const struct change *rows, uint32_t n);
void test_row_set(struct writer *w, const struct test_row *row);
void launch_row_name(struct writer *w, const struct launch_row *row);
void test_ranks_set(struct writer *w, const struct test_rank *at, uint32_t n);
void tests_range_set(struct writer *w, const struct change *c);
void undo_row_add(struct writer *w, const struct undo_row *row);
void undo_row_delete(struct writer *w, struct undo_id id);
void pause_row_add(struct writer *w, const struct pause_row *row);
void pause_row_delete(struct writer *w, struct user_id user);
void schedule_start_failed(struct writer *w, struct launch_id launch, const char *reason);
void run_row_add(struct writer *w, const struct run_row *row);
void run_row_set(struct writer *w, const struct run_row *row);

/* ---- cost.c ---- */
void cost_add(struct writer *w, const struct cost_row *row);
void cost_meter_forget(struct writer *w, struct server_id server); /* its whole row is written, or goes */
void costs_flush(struct writer *w); /* at the end of a batch, before sums_flush() */
void costs_drop(struct writer *w);  /* after a failed batch */

/* Refused alone, before anything is written: ERR_NOTFOUND (no such run), ERR_CONFLICT. */
MUST_USE enum err examples_add(struct writer *w, struct run_id run, const struct example_row *rows,
                               uint32_t n, uint64_t results_bytes, const struct tally *tally,
                               struct why *reterr);
/* The row of an example that is not there yet. `at`: about when. */
void example_insert(struct writer *w, uint64_t launch, uint64_t project, struct wall at,
                    const struct example_row *row);
uint64_t launch_project(struct writer *w, uint64_t launch); /* 0: it has none */
struct artifact_marks;
/* The example with that number of the run, to `each`; false: there is none. */
bool example_each(struct reader *r, uint64_t run, uint32_t seq, struct artifact_marks *marks,
                  example_fn *each, void *ctx);
MUST_USE enum err project_put(struct writer *w, const struct project_row *row, uint64_t *ret_id,
                              struct why *reterr);
MUST_USE enum err project_delete(struct writer *w, struct project_id id, struct why *reterr);

/* ---- cases.c: what identifies examples, and why they failed, each once ---- */
uint64_t case_id(struct writer *w, uint64_t project, struct wall at, const struct example_row *row);
uint64_t failure_id(struct writer *w, const struct example_row *row); /* 0: there is nothing to say */
void cases_trim(struct writer *w);                                    /* at the end of a batch */
void cases_done(struct writer *w);
/* Retention, in steps of at most `limit` rows that are looked at: failures that no example has, with the texts that no failure
 * has then; cases that no run can have any more. How many rows they deleted. texts_prune() goes through all failures, step by
 * step, and begins again. */
uint64_t texts_prune(struct writer *w, uint32_t limit);
uint64_t cases_prune(struct writer *w, uint32_t limit);
/* n examples were deleted: some steps of these, and of causes that did not come for 400 days. */
void left_behind_prune(struct writer *w, uint32_t n);

/* ---- stability.c ---- */
int64_t median_of(int64_t *at, uint32_t n); /* sorts them; n > 0 */

/* ---- causes.c ---- */
void cause_count(struct writer *w, uint64_t run, uint64_t launch, uint64_t project, struct wall at,
                 const struct cause *cause, bool is_run);
/* A run is over: when no example says why it failed, it has a cause itself. */
void cause_of_ended_run(struct writer *w, const struct run_row *row, uint64_t launch, bool has_failed,
                        bool has_errors);
/* Causes that were last seen before that day; how many it deleted. */
uint64_t causes_prune(struct writer *w, struct wall before, uint32_t limit);

/* ---- lists.c, schedules.c ---- */
void lists_of_user_gone(struct writer *w, const struct user_row *user); /* with its schedules */
void schedule_started(struct writer *w, const struct launch_row *l);    /* when a schedule did */

/* ---- accounts.c, audit.c ---- */
void account_change_write(struct writer *w, const struct account_change *c);
void audit_add(struct writer *w, const struct audit_row *row);
void audit_set(struct writer *w, const struct audit_row *row);
uint64_t audit_prune(struct writer *w, struct wall before, uint32_t max); /* how many it deleted */

/* ---- mail.c, notices.c ---- */
MUST_USE enum err mails_have_room(struct writer *w, uint32_t n, struct why *reterr);
uint64_t mail_insert(struct writer *w, const struct mail_row *row); /* its id */
void notice_add(struct writer *w, const struct notice_row *row);

/* ---- hooks.c ---- */
void hooks_load(struct writer *w); /* at open, inside a transaction */
void hook_event_add(struct writer *w, const struct hook_event *ev);
void hook_event_of_notice(struct writer *w, const struct notice_row *row);
void hooks_of_user_gone(struct writer *w, struct user_id user);

/* ---- choices.c ---- */
void own_locations_delete(struct writer *w, struct user_id user);

/* ---- store.c: a write of a resource whose file submits it itself ----
 * `fn` runs on the storage thread in the order of submission. What it returns is about this item alone, and then it has
 * written nothing. `arg` is freed with free_arg after `done`. */
typedef enum err write_fn(struct writer *w, void *arg, struct why *reterr);
void store_call(struct store *st, write_fn *fn, TAKES void *arg, void (*free_arg)(void *arg),
                store_done_fn *done, void *ctx);

/* ---- id_times.c ---- */
struct id_range {
    uint64_t begin; /* [begin, end) */
    uint64_t end;
};
void id_time_add(struct writer *w, enum id_time_kind kind, struct wall at, uint64_t id);
void id_times_flush(struct writer *w); /* at the end of a batch */
void id_times_trim(struct writer *w);  /* once a day */
/* Narrow the range to what may have been made in [since, until); 0: open. */
void id_times_bound(struct reader *r, enum id_time_kind kind, struct wall since, struct wall until,
                    struct id_range *range);

/* ---- origins.c ---- */
/* 0: there is no such launch. */
uint64_t origin_id(struct writer *w, uint64_t launch, const char *language, const char *browser);
void origins_sweep(struct writer *w); /* once a day */
void origins_drop(struct writer *w);  /* what is remembered of them */
/* Numbers, as a list and as bits. All zero before the first. */
struct id_set {
    uint64_t *ids;
    uint32_t n;
    uint32_t cap;
    uint64_t *words;
    uint64_t n_words;
};
void id_set_add(struct id_set *set, uint64_t id);
bool id_set_has(const struct id_set *set, uint64_t id);
void id_set_done(struct id_set *set);
bool origins_are_asked(const struct run_filter *f);
void origins_find(struct reader *r, const struct run_filter *f, struct id_set *set);

/* ---- history.c, runs.c ---- */
#define SEARCH_WORDS_MAX 8u
uint32_t search_words(struct arena *a, const char *text, const char *ret[SEARCH_WORDS_MAX]);
bool search_fits(const char *text, const char *const *words, uint32_t n); /* whatever their case (ASCII) */
/* Read it for `each`, when its time fits the filter; `each` NULL: only whether it does. */
bool run_read_within(struct reader *r, uint64_t id, const struct run_filter *f, run_fn *each, void *ctx);

/* ---- live.c: what the writer would read again and again of tests and runs at work ----
 * NULL: there is no such row, or the connection has failed. Borrowed until the row is over or the batch ends. */
struct live_test {
    uint64_t id;
    uint64_t launch;
    uint64_t path;
    uint64_t origin;
    enum test_state state;
    enum outcome outcome;
    UT_hash_handle hh;
};
struct live_run {
    uint64_t id;
    uint64_t launch;
    enum run_state state;
    enum outcome outcome;
    struct tally said; /* as the last change said */
    struct tally seen; /* of the examples that are stored */
    uint64_t results_bytes;
    uint32_t next_seq;
    bool has_artifacts;
    UT_hash_handle hh;
};
struct live_test *live_test_get(struct writer *w, uint64_t id);
void live_tests_forget(struct writer *w, uint64_t first,
                       uint64_t last); /* these ids, as far as they are known */
struct live_run *live_run_get(struct writer *w, uint64_t id);
struct live_run *live_run_add(struct writer *w, uint64_t id); /* just inserted: nothing to read */
void live_test_forget(struct writer *w, struct live_test *t);
void live_run_forget(struct writer *w, struct live_run *r);
/* The number of a path of a project; 0: not known here. Paths are only ever added, so what is known stays true. */
uint64_t live_path_get(struct writer *w, uint64_t project, struct slice path);
void live_path_add(struct writer *w, uint64_t project, struct slice path, uint64_t id);
void live_run_drop(struct writer *w, uint64_t id); /* its row goes; fine when nothing is known of it */
void live_test_drop(struct writer *w, uint64_t id);
void live_trim(struct writer *w); /* at the end of a batch: bounds the memory */
void live_done(struct writer *w);

/* ---- prune.c: how much is kept, collected over a batch; files that are to go when the batch is on disk ---- */
void kept_add(struct writer *w, enum kept_kind kind, int64_t items, int64_t bytes);
void kept_flush(struct writer *w);
void going_file(struct writer *w, const char *path); /* below the data folder */
/* ---- jobs.c ---- */
bool job_is_running(struct writer *w, uint64_t id);
MUST_USE enum err jobs_have_room(struct writer *w, struct why *reterr);
void job_insert(struct writer *w, struct job_row *row); /* its id in the row */
/* What a resource has of a run that is over: rows away, files to those that go. */
uint64_t log_delete(struct writer *w, uint64_t run); /* bytes that it took */
uint32_t examples_delete(struct writer *w, uint64_t run,
                         uint32_t max); /* how many went: less than max, and it has none */
void artifacts_delete(struct writer *w, struct run_id run);

/* ---- launch counters: collected over a batch, written once ---- */
void sums_tests(struct writer *w, uint64_t launch, enum test_state state, enum outcome outcome, int32_t by);
void sums_tally(struct writer *w, uint64_t launch, const struct tally *t, int32_t by);
void sums_cost(struct writer *w, uint64_t launch, int64_t nanousd);
void sums_flush(struct writer *w);
void sums_drop(struct writer *w); /* after a failed batch */

/* Whether the tally of a run in this state counts for its launch. */
bool run_counts(enum run_state state, enum outcome outcome);
/* What is known of a run's examples: while it lives, what has been stored of them. */
const struct tally *tally_so_far(enum run_state state, const struct tally *said, const struct tally *seen);

/* ---- artifact_links.c ---- */
void artifacts_link(struct writer *w, struct run_id run); /* with its examples, when it ends */
/* Which artifacts belong to examples: of one run at a time, read when another one is asked for. All zero before the first. */
struct artifact_marks {
    uint64_t run;
    struct artifact_mark {
        uint64_t id;
        int64_t example;
    } * at;
    uint32_t n;
    uint32_t cap;
};
void artifact_marks_read(struct reader *r, uint64_t run,
                         struct artifact_marks *marks); /* free(marks->at) at the end */
const uint64_t *artifact_marks_of(const struct artifact_marks *marks, struct arena *a, uint32_t seq,
                                  uint32_t *retn);

/* ---- logs.c ---- */
MUST_USE enum err log_append(struct writer *w, struct run_id run, uint64_t offset, const char *bytes,
                             uint32_t len, struct wall at,
                             struct why *reterr); /* bytes borrowed until log_flush() */
MUST_USE enum err log_end(struct writer *w, struct run_id run, struct why *reterr);
MUST_USE enum err log_flush(struct writer *w,
                            struct why *reterr); /* the batch's appends and ends, blobs synced */
void log_new(struct writer *w, uint64_t run);    /* just inserted: it has no log yet */
void log_forget(struct writer *w);               /* free the cache */
MUST_USE enum err log_repair(struct db *db, const char *dir, struct why *reterr); /* at open */

/* ---- boot: every living row ---- */
typedef void change_fn(void *ctx, const struct change *c);
void fleets_boot(struct reader *r, change_fn *each, void *ctx);
void servers_boot(struct reader *r, change_fn *each, void *ctx);
void launches_boot(struct reader *r, change_fn *each, void *ctx);
void undos_boot(struct reader *r, change_fn *each, void *ctx);
void pauses_boot(struct reader *r, change_fn *each, void *ctx);
void tests_boot(struct reader *r, change_fn *each, void *ctx);
void runs_boot(struct reader *r, change_fn *each, void *ctx);
typedef void account_change_fn(void *ctx, const struct account_change *c);
void accounts_boot(struct reader *r, account_change_fn *each, void *ctx); /* in the order of store.h */
void streams_boot(struct reader *r, void (*each)(void *ctx, const struct stream_pos *p), void *ctx);

/* ---- words.c: lists of texts as bytes, names as enums, pages ---- */
void words_encode(struct buf *out, const char *const *words, uint32_t n); /* appends */
const char *const *words_decode(struct arena *a, struct slice bytes, uint32_t *retn);
const char *names_joined(struct arena *a, struct slice words); /* with blanks between */
struct slice words_in(struct arena *a, const char *const *words, uint32_t n);
/* The value of a name in a table. */
enum outcome outcome_of(const char *name);
enum link_state link_of(const char *name);
enum sick_cause sick_of(const char *name);
enum launch_state launch_state_of(const char *name);
enum test_state test_state_of(const char *name);
enum run_state run_state_of(const char *name);
enum server_status server_status_of(const char *name);
enum fleet_kind fleet_of(const char *name);
enum launch_order order_of(const char *name);
enum adapter_kind adapter_of(const char *name);
enum example_status example_status_of(const char *name);
enum token_scope scope_of(const char *name);
enum link_purpose purpose_of(const char *name);

void bind_tally(struct db_stmt *s, const struct tally *t); /* 9 parameters */
struct tally get_tally(struct db_stmt *s);                 /* 9 columns */

/* One row more than the page is asked for, which tells that there is a next page. */
int64_t page_limit(const struct page *p);
/* True when the row is one of the page; false: it belongs to the next, which begins after `last_key`. */
bool page_take(struct page *p, uint32_t *n, uint64_t last_key);

/* MAX of uint64 keys that SQL can hold; keyset lists "below anything". */
#define KEY_MAX ((uint64_t)INT64_MAX)
#define PAGE_LIMIT_MAX 500u

#define SQL_BYTES_MAX KIB(8) /* of a statement put together at run time */

#endif
