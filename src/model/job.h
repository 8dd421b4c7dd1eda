/* job.h - work that takes longer than an answer may: the row, as the store keeps it.
 *
 * A job deletes things of the history in small steps. Each step and what it says of itself are one commit, so that a job
 * goes on after a restart where it was, and counts nothing twice. */
#ifndef WRATA_MODEL_JOB_H
#define WRATA_MODEL_JOB_H

#include <stdint.h>

#include "base/clock.h"
#include "model/ids.h"

#define JOBS_RUNNING_MAX 100u                        /* at a time, of everybody */
#define JOB_KEPT_MS (INT64_C(30) * 24 * 3600 * 1000) /* after its end */
#define JOB_WHAT_BYTES_MAX 65536u                    /* a filter of the longest texts, each byte as \u003c */

enum job_kind {
    JOB_DELETE, /* what was named: {"runs":[1,2]} or {"launch":3} */
    JOB_CLEAR,  /* all that a filter finds: the fields of GET /runs, or {"all":true} */
    JOB_KIND_COUNT
};
const char *job_kind_name(enum job_kind k);     /* "delete" "clear" */
enum job_kind job_kind_parse(const char *name); /* JOB_KIND_COUNT: none of that name */

enum job_state { JOB_RUNNING, JOB_DONE, JOB_CANCELED, JOB_FAILED, JOB_STATE_COUNT };
const char *job_state_name(enum job_state s);     /* "running" "done" "canceled" "failed" */
enum job_state job_state_parse(const char *name); /* JOB_STATE_COUNT: none of that name */

/* Texts as in rows.h: borrowed, NUL-ended UTF-8, never NULL. */
struct job_row {
    uint64_t id;
    enum job_kind kind;
    enum job_state state;
    struct user_id user;  /* who asked for it */
    const char *login;    /* as it was then */
    struct user_id owner; /* whose things may go; 0: anybody's */
    const char *what;     /* as it was asked for: a JSON object */
    uint64_t cursor;      /* of a clear: what has a higher id was looked at; 0 nothing yet */
    uint64_t done;        /* runs that are gone */
    int64_t total;        /* -1: not counted yet */
    struct wall created_at;
    struct wall ended_at; /* 0: it runs */
    const char *error;    /* why it failed; "" */
};

#endif
