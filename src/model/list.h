/* list.h - lists of files to run, and schedules that start them, as the store keeps them.
 *
 * Texts are as in rows.h: borrowed, NUL-ended UTF-8, never NULL. */
#ifndef WRATA_MODEL_LIST_H
#define WRATA_MODEL_LIST_H

#include "base/err.h"
#include "model/rows.h"

#define LIST_NAME_CHARS_MAX 80u /* of UTF-8 */
#define LIST_FILES_MAX 20000u
#define LISTS_OF_USER_MAX 1000u
#define SCHEDULES_OF_USER_MAX 500u
#define STARTS_KEPT 200u /* of each schedule, the newest */

struct list_row {
    uint64_t id;
    struct user_id user;
    const char *name; /* unique among the user's */
    struct project_id project;
    const char *project_name; /* read only; "" when the project is gone */
    const char *ref;          /* "" the default branch */
    const char *location;     /* "" as a launch that names none */
    const char *const *languages;
    uint32_t n_languages;
    const char *const *browsers;
    uint32_t n_browsers;
    const char *const *env; /* lines NAME=value; no secrets: whoever sees the list sees them */
    uint32_t n_env;
    enum launch_order order;
    bool is_shared; /* every user may read and launch it */
    struct wall created_at;
    struct wall changed_at;
    uint64_t version; /* grows with every change; from 1 */
    /* Paths or patterns, in order. NULL, to store_list_put(): they stay as they are. Read by read_list() alone. */
    const char *const *files;
    uint32_t n_files;
    uint32_t n_schedules; /* read only: that start it */
};

/* 1..LIST_NAME_CHARS_MAX characters, no control characters, no blank at either end. */
MUST_USE enum err list_name_check(const char *field, const char *name, struct why *reterr);

enum schedule_overlap {
    OVERLAP_SKIP,  /* the launch before is not done: not this time */
    OVERLAP_QUEUE, /* start all the same: it waits in the queue */
    OVERLAP_COUNT
};
const char *schedule_overlap_name(enum schedule_overlap o); /* "skip" "queue" */
enum schedule_overlap schedule_overlap_parse(const char *name);

/* What came of a time at which a schedule was due. */
enum start_result {
    START_STARTED, /* as `launch` */
    START_SKIPPED, /* the launch before still ran */
    START_MISSED,  /* the server was not there, and it is too late now */
    START_FAILED,  /* `text` says why */
    START_RESULT_COUNT
};
const char *start_result_name(enum start_result r); /* "started" "skipped" "missed" "failed" */
enum start_result start_result_parse(const char *name);

struct start_row {
    uint64_t schedule;
    struct wall due_at;
    struct wall at; /* when that was decided */
    enum start_result result;
    struct launch_id launch;
    const char *text;
};

#define SCHEDULE_TEXT_MAX 64u /* `at`, `until` */

struct schedule_row {
    uint64_t id;
    struct user_id user;
    const char *name;
    uint64_t list;
    const char *list_name; /* read only; "" when the list is gone */
    /* the rule, as written: schedule/schedule.h reads it */
    const char *kind;
    const char *at;
    int64_t every_minutes;
    uint32_t weekdays;
    const char *cron;
    const char *zone;
    const char *until;
    struct wall start_at;
    bool is_enabled;
    const char *reason; /* why it was disabled by itself; "" it was not */
    enum schedule_overlap overlap;
    uint32_t give_up_h; /* a start that is later than this is not made up for */
    struct wall created_at;
    struct wall changed_at;
    uint64_t version;
    struct wall next_at;   /* 0: never again */
    uint32_t servers_book; /* so many servers are booked for its launch, and given back; 0 none */
    struct fleet_id servers_fleet;
    const char *servers_fleet_name; /* read only; "" when the fleet is gone */
    const char *servers_size;       /* of those that are made; "" the fleet's own */
    struct start_row last;          /* read only; due_at 0: it was never due */
};

/* What its launch gets for itself. */
static inline struct launch_book schedule_book(const struct schedule_row *row)
{
    return (struct launch_book){row->servers_fleet, row->servers_book, row->servers_size};
}

/* A time at which it was due is dealt with, or it cannot go on. */
struct schedule_step {
    uint64_t schedule;
    uint64_t version;       /* another one by now: only `start` is kept */
    struct start_row start; /* due_at 0: none */
    struct wall next_at;
    const char *disable; /* NULL: it goes on; else the reason */
    bool has_notice;     /* and its user should hear of it */
    struct notice_row notice;
};

#endif
