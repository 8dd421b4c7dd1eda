/* history_filter.h - what runs are looked for by, as fields of a query or of a body. */
#ifndef WRATA_API_HISTORY_FILTER_H
#define WRATA_API_HISTORY_FILTER_H

#include "api/api_private.h"

struct run_query {
    int64_t launch;
    int64_t server;
    int64_t test;
    int64_t user;
    int64_t project;
    int state;
    uint32_t outcomes; /* bits 1 << (enum outcome - 1) */
    const char *file;
    const char *path;
    const char *ref;
    const char *language;
    const char *browser;
    const char *since;
    const char *until;
};
#define RUN_QUERY_PRESET \
    {                    \
        .state = -1      \
    }

extern const char *const run_states[];
extern const char *const outcome_names[]; /* of all, by their number */

/* `q` names the member of `owner` that is a struct run_query. */
#define RUN_QUERY_NUMBER(owner, name_, help_)                                                    \
    {                                                                                            \
        .name = #name_, .type = FIELD_INT, .offset = offsetof(owner, q.name_), .max = INT64_MAX, \
        .help = help_                                                                            \
    }
#define RUN_QUERY_TEXT(owner, name_, max_, help_)                                                      \
    {                                                                                                  \
        .name = #name_, .type = FIELD_TEXT, .offset = offsetof(owner, q.name_), .min = 1, .max = max_, \
        .help = help_                                                                                  \
    }
#define RUN_QUERY_FIELDS(owner)                                                                         \
    RUN_QUERY_NUMBER(owner, launch, "only runs of this launch"),                                        \
        RUN_QUERY_NUMBER(owner, server, "only runs on this server"),                                    \
        RUN_QUERY_NUMBER(owner, test, "only runs of this test"),                                        \
        RUN_QUERY_NUMBER(owner, user, "only runs of launches of this user, by id"),                     \
        RUN_QUERY_NUMBER(owner, project, "only runs of this project, by id"),                           \
        {.name = "state",                                                                               \
         .type = FIELD_ENUM,                                                                            \
         .offset = offsetof(owner, q.state),                                                            \
         .names = run_states,                                                                           \
         .help = "only runs in this state"},                                                            \
        {.name = "outcome",                                                                             \
         .type = FIELD_ENUM_SET,                                                                        \
         .offset = offsetof(owner, q.outcomes),                                                         \
         .names = outcome_names + 1, /* without "not over yet" */                                       \
         .help = "only runs that came to one of these, with commas between"},                           \
        RUN_QUERY_TEXT(owner, file, PATH_BYTES_MAX, "only runs of exactly this path"),                  \
        {.name = "path",                                                                                \
         .type = FIELD_TEXT,                                                                            \
         .offset = offsetof(owner, q.path),                                                             \
         .max = PATH_BYTES_MAX,                                                                         \
         .help = "only runs whose path contains these words"},                                          \
        {.name = "ref",                                                                                 \
         .type = FIELD_TEXT,                                                                            \
         .offset = offsetof(owner, q.ref),                                                              \
         .max = 512,                                                                                    \
         .help = "only runs of launches of this ref as it was named; empty: that named none"},          \
        RUN_QUERY_TEXT(owner, language, CHOICE_NAME_BYTES_MAX, "only runs in this language"),           \
        RUN_QUERY_TEXT(owner, browser, CHOICE_NAME_BYTES_MAX, "only runs in this browser"),             \
        RUN_QUERY_TEXT(owner, since, JSON_TIME_BYTES,                                                   \
                       "only runs made at this time or later: 2026-11-23 or 2026-11-23T02:49:53.120Z"), \
        RUN_QUERY_TEXT(owner, until, JSON_TIME_BYTES,                                                   \
                       "only runs made before this time; of a date alone: before its midnight")

/* false: answered, the error names the field. Texts are those of q. */
bool run_filter_of(struct req *rq, const struct run_query *q, struct run_filter *ret);
/* The same for a job on a reader thread; the error is in *reterr. */
MUST_USE enum err run_filter_read(const struct run_query *q, struct run_filter *ret, struct why *reterr);

#endif
