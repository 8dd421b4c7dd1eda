/* prune.h - what goes from the history: by hand, by a job, by age, by size.
 *
 * Rows go first, in one commit; the names of files that belonged to them are written in that same commit, to a list of what is
 * still to be removed. Wherever the process dies, that list is there at the next start. Each step is small: who calls
 * chooses how many rows it may take, and is told how long it took, so that commits of runs hardly wait.
 *
 * Only what is over goes: a run whose launch is not done is passed over, or refused.
 *
 * Loop thread; `done` runs on it, as store.h says. What is handed over must live until then. */
#ifndef WRATA_STORE_PRUNE_H
#define WRATA_STORE_PRUNE_H

#include "model/job.h"
#include "store/store.h"

#define PRUNE_IDS_MAX 500u /* of one call */

/* ---- deleting ---- */

/* These runs, or a launch with all that it has. A launch goes with the last of its runs; its cost stays in the ledger. The sums
 * of a launch that stays are of what is left. */
struct history_delete {
    struct user_id owner; /* only what is of this user; 0: anybody's */
    const uint64_t *runs;
    uint32_t n_runs;
    struct launch_id launch; /* 0: the runs above */
    bool is_strict;          /* one that may not go refuses all; else it is passed over */
    uint32_t budget;         /* rows to take, about; at least 1 */
    uint64_t job;            /* of this job, which must be running (else ERR_NOTFOUND); 0 none */
    uint64_t job_cursor;     /* what it says when all of these are gone */
    struct job_row
        *rest; /* not all were gone within the budget: this job is made to go on with it. NULL: none */
    /* written before `done` */
    bool is_whole; /* none of them is left but those that were passed over */
    uint32_t n_gone;
    uint32_t n_launches;
    uint64_t launches[PRUNE_IDS_MAX]; /* the first ones that went */
    uint64_t gone[PRUNE_IDS_MAX];     /* runs: of a launch the first ones */
    int64_t us;                       /* of the storage thread */
};
/* Strict: ERR_NOTFOUND; ERR_DENIED: of somebody else; ERR_CONFLICT: its launch is not done. Then nothing is deleted. */
void store_history_delete(struct store *st, struct history_delete *d, store_done_fn *done, void *ctx);

/* ---- giving up, by age or for want of room ---- */

enum kept_kind { KEPT_LOG, KEPT_EXAMPLE, KEPT_RUN, KEPT_COUNT }; /* runs are counted only */
enum gone_why { GONE_AGE, GONE_SIZE, GONE_DISK, GONE_WHY_COUNT };
const char *gone_why_name(enum gone_why w);     /* "age" "size" "disk" */
enum gone_why gone_why_parse(const char *name); /* GONE_WHY_COUNT: none of that name */
const char *gone_why_text(enum gone_why w);     /* for people: "it was older than logs are kept" */

/* The logs, or the examples, of these runs; the runs stay and say it. */
struct kept_drop {
    enum kept_kind kind;
    enum gone_why why;
    struct wall at;
    uint64_t runs[PRUNE_IDS_MAX];
    uint32_t n;
    uint32_t budget;
    /* written before `done` */
    uint32_t n_done; /* of the list, from its begin */
    uint64_t bytes;  /* that are gone */
    int64_t us;
};
void store_kept_drop(struct store *st, struct kept_drop *d, store_done_fn *done, void *ctx);

/* What may go next, the oldest first: logs or examples of runs behind *after, at most `max` looked at. It is called for those
 * that ended before `before`, or for all when `bytes` is not 0, until so many are found. *after moves on; 0: nothing is
 * behind it that could be old enough. */
struct kept_look {
    enum kept_kind kind;
    struct wall before;
    struct wall now;
    uint64_t bytes; /* to be found, of whatever age; 0: by age alone */
    uint32_t max;
    uint64_t after;
    /* written */
    uint32_t n;
    uint64_t runs[PRUNE_IDS_MAX];
    uint64_t n_bytes;  /* of them */
    struct wall first; /* when the oldest that was looked at ended; 0 none */
};
MUST_USE enum err read_kept_oldest(struct reader *r, struct kept_look *look, struct why *reterr);

/* The same for whole launches. */
struct launches_look {
    struct wall before;
    struct wall now;
    bool is_any; /* of whatever age */
    uint32_t max;
    uint64_t after;
    /* written */
    uint32_t n;
    uint64_t launches[PRUNE_IDS_MAX];
    uint64_t n_runs; /* of them */
    struct wall first;
};
MUST_USE enum err read_launches_oldest(struct reader *r, struct launches_look *look, struct why *reterr);

/* The first launch of a user (0: of all) that is done, has no runs, and was made until then. *ret 0: none. */
MUST_USE enum err read_launch_empty(struct reader *r, struct user_id user, struct wall until,
                                    struct launch_id *ret, struct why *reterr);

/* What no example has any more: failures with their texts, cases, causes that were not met since `before`; a step of each. *ret_n:
 * how many rows went. */
void store_texts_prune(struct store *st, struct wall before, uint64_t *ret_n, store_done_fn *done, void *ctx);

/* How much there is. */
struct kept_sums {
    uint64_t items[KEPT_COUNT];
    uint64_t bytes[KEPT_COUNT];
    uint64_t database_bytes; /* of the file, less what is free in it */
    uint64_t free_bytes;     /* in the file, to be given back */
};
MUST_USE enum err read_kept_sums(struct reader *r, struct kept_sums *ret, struct why *reterr);

/* ---- files ---- */

#define GOING_FILE_BYTES 256u
/* Of what is still to be removed, the first ones: at most `max`. Then, when they are gone from the disk, their names. */
struct going_files {
    uint32_t n;
    char (*paths)[GOING_FILE_BYTES]; /* below the data folder; room for `max` */
};
MUST_USE enum err read_going_files(struct reader *r, struct going_files *files, uint32_t max,
                                   struct why *reterr);
void store_going_files_gone(struct store *st, const struct going_files *files, store_done_fn *done,
                            void *ctx);
/* Any thread but the loop's: remove them, and bring that to disk. False: one of them is still there; their names stay. */
MUST_USE bool going_files_remove(const char *dir, const struct going_files *files, struct why *reterr);

/* ---- space ---- */

/* Give free space at the end of the database back to the disk, at most `bytes` of it; what is needed for it is moved. *ret_left:
 * what can still be given back. `may_cut`: and have the write-ahead log written over and cut, when nobody reads from it. */
struct space_back {
    uint64_t bytes;
    bool may_cut;
    /* written before `done` */
    uint64_t left;
    bool is_cut;
    int64_t us;
};
void store_space_back(struct store *st, struct space_back *s, store_done_fn *done, void *ctx);

/* ---- jobs ---- */

/* A new one runs; its id is in row->id before `done`, its texts are the caller's until then. ERR_LIMIT: too many do. */
void store_job_add(struct store *st, struct job_row *row, store_done_fn *done, void *ctx);
/* Only while it runs, else ERR_CONFLICT; ERR_NOTFOUND. The text is copied. */
void store_job_count(struct store *st, uint64_t id, uint64_t total, store_done_fn *done, void *ctx);
void store_job_end(struct store *st, uint64_t id, enum job_state state, const char *error, struct wall at,
                   store_done_fn *done, void *ctx);
/* Delete at most `max` that ended before. */
void store_jobs_prune(struct store *st, struct wall before, uint32_t max, uint64_t *ret_deleted,
                      store_done_fn *done, void *ctx);

typedef void job_fn(void *ctx, const struct job_row *row);
MUST_USE enum err read_job(struct reader *r, uint64_t id, job_fn *each, void *ctx, struct why *reterr);
/* Of a user (0: everybody's), newest first. */
MUST_USE enum err read_jobs(struct reader *r, struct user_id user, struct page *p, job_fn *each, void *ctx,
                            struct why *reterr);
/* The first one that runs behind this id. ERR_NOTFOUND: none. */
MUST_USE enum err read_job_next(struct reader *r, uint64_t after, job_fn *each, void *ctx,
                                struct why *reterr);
MUST_USE enum err read_job_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr);

#endif
