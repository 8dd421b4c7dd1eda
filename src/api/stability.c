/* stability.c - of a project: which examples are flaky or unstable, which are slow, how long it all takes (docs/causes.md). */
#include "api/api_private.h"

#define WINDOW_DAYS 14
#define RUNS_PRESET 20

struct project_job {
    bool found;
};

static void take_project(void *ctx, const struct project_row *row)
{
    struct project_job *job = ctx;

    (void)row;
    job->found = true;
}

/* A project that is gone has history, too; one that never was has none. */
static bool project_is_there(struct reader *r, struct req *rq)
{
    struct project_job job = {0};

    rq->err = read_project(r, (struct project_id){rq->ids[0]}, take_project, &job, &rq->why);
    return rq->err == ERR_OK;
}

static const char *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

#define TEXT_FIELD(owner, name_, max_, help_)                                                            \
    {                                                                                                    \
        .name = #name_, .type = FIELD_TEXT, .offset = offsetof(owner, name_), .max = max_, .help = help_ \
    }

/* ---- stability --------------------------------------------------------------------------------------------- */

struct stability_query {
    struct page_query page;
    const char *ref;
    const char *path;
    int what;
    int64_t days;
    int64_t runs;
};

static const char *const whats[] = {"flaky", "unstable", "failing", "all", NULL};
static const uint32_t verdicts_of[] = {
    1u << STABILITY_FLAKY, 1u << STABILITY_FLAKY | 1u << STABILITY_UNSTABLE, 1u << STABILITY_FAILING, 0};

static const struct field stability_fields[] = {
    PAGE_FIELDS(struct stability_query),
    TEXT_FIELD(struct stability_query, ref, 512, "only runs of launches of this ref, as it was named"),
    TEXT_FIELD(struct stability_query, path, PATH_BYTES_MAX, "only this file"),
    {.name = "what",
     .type = FIELD_ENUM,
     .offset = offsetof(struct stability_query, what),
     .names = whats,
     .help = "flaky: failed and passed on one commit; unstable: these, and what changes again and again; "
             "failing: failed the "
             "last time; all",
     .preset = "flaky"},
    {.name = "days",
     .type = FIELD_INT,
     .offset = offsetof(struct stability_query, days),
     .min = 1,
     .max = 3650,
     .help = "flaky within so many days",
     .preset = "14"},
    {.name = "runs",
     .type = FIELD_INT,
     .offset = offsetof(struct stability_query, runs),
     .min = 2,
     .max = STABILITY_RUNS_MAX,
     .help = "the last runs of each that are shown and looked at for changes",
     .preset = "20"},
    {.type = FIELD_END},
};
static const struct stability_query stability_preset = {
    .page = PAGE_PRESET, .days = WINDOW_DAYS, .runs = RUNS_PRESET};

static const char *verdict_name(enum stability v)
{
    static const char *const names[] = {"stable", "failing", "unstable", "flaky"};
    _Static_assert(ARRAY_LEN(names) == STABILITY_COUNT, "a name for each");

    return names[v];
}

static void each_stability(void *ctx, const struct stability_row *row)
{
    struct json_out *j = ctx;

    jo_obj(j);
    jo_ktext(j, "path", row->path);
    jo_ktext(j, "description", row->description);
    jo_ktext(j, "id", row->id);
    jo_ktext(j, "language", row->language);
    jo_ktext(j, "browser", row->browser);
    jo_ktext(j, "location", row->location);
    jo_ktext(j, "what", verdict_name(row->verdict));
    jo_kuint(j, "runs", row->n_points);
    jo_kuint(j, "failed", row->n_failed);
    jo_kuint(j, "changes", row->n_changes);
    jo_karr(j, "strip");
    for (uint32_t i = 0; i < row->n_points; i++) {
        jo_obj(j);
        jo_kuint(j, "run", row->points[i].run.v);
        jo_kbool(j, "passed", !row->points[i].failed);
        jo_obj_end(j);
    }
    jo_arr_end(j);
    jo_key(j, "flaky");
    if (row->flaky_commit[0] != '\0') {
        jo_obj(j);
        jo_ktext(j, "commit", row->flaky_commit);
        jo_kuint(j, "failed", row->flaky_failed.v);
        jo_kuint(j, "passed", row->flaky_passed.v);
        jo_obj_end(j);
    } else {
        jo_null(j);
    }
    jo_obj_end(j);
}

static void stability_job(struct reader *r, struct req *rq)
{
    const struct stability_query *q = rq->query;
    struct stability_filter f = {.project = {rq->ids[0]},
                                 .ref = text_or_null(q->ref),
                                 .path = text_or_null(q->path),
                                 .verdicts = verdicts_of[q->what],
                                 .since = {wall_now().ms - q->days * INT64_C(86400000)},
                                 .n_runs = (uint32_t)q->runs};
    struct page p = page_of(&q->page);

    if (!project_is_there(r, rq))
        return;
    page_begin(rq);
    rq->err = read_stability(r, &f, &p, each_stability, &rq->render.j, &rq->why);
    page_end(rq, &p);
}

static void stability(struct req *rq)
{
    req_read(rq, stability_job, NULL);
}

/* ---- the slowest ------------------------------------------------------------------------------------------- */

struct slowest_query {
    int what;
    const char *ref;
    int64_t limit;
};

static const char *const slow_whats[] = {"files", "examples", NULL};

static const struct field slowest_fields[] = {
    {.name = "what",
     .type = FIELD_ENUM,
     .offset = offsetof(struct slowest_query, what),
     .names = slow_whats,
     .help = "files, by the median of their last ten runs; examples, by the last run of each file",
     .preset = "files"},
    TEXT_FIELD(struct slowest_query, ref, 512, "only runs of launches of this ref, as it was named"),
    {.name = "limit",
     .type = FIELD_INT,
     .offset = offsetof(struct slowest_query, limit),
     .min = 1,
     .max = SLOW_MAX,
     .help = "so many",
     .preset = "50"},
    {.type = FIELD_END},
};
static const struct slowest_query slowest_preset = {.limit = 50};

static void each_slow(void *ctx, const struct slow_row *row)
{
    struct json_out *j = ctx;

    jo_obj(j);
    jo_ktext(j, "path", row->path);
    jo_ktext(j, "description", row->description);
    jo_ktext(j, "id", row->id);
    jo_kuint(j, "run", row->run.v);
    jo_kint_if(j, "seq", row->seq >= 0, row->seq);
    jo_kdouble(j, "duration_ms", (double)row->us / 1000);
    jo_kuint(j, "runs", row->n_runs);
    jo_obj_end(j);
}

static void slowest_job(struct reader *r, struct req *rq)
{
    const struct slowest_query *q = rq->query;
    struct slow_filter f = {.project = {rq->ids[0]},
                            .ref = text_or_null(q->ref),
                            .of_examples = q->what == 1,
                            .max = (uint32_t)q->limit};
    struct page none = {0};

    if (!project_is_there(r, rq))
        return;
    page_begin(rq);
    rq->err = read_slowest(r, &f, each_slow, &rq->render.j, &rq->why);
    page_end(rq, &none);
}

static void slowest(struct req *rq)
{
    req_read(rq, slowest_job, NULL);
}

/* ---- the trend --------------------------------------------------------------------------------------------- */

struct trend_query {
    const char *path;
    const char *ref;
    int64_t limit;
};

static const struct field trend_fields[] = {
    TEXT_FIELD(struct trend_query, path, PATH_BYTES_MAX, "of the runs of this file; without: of launches"),
    TEXT_FIELD(struct trend_query, ref, 512, "only launches of this ref, as it was named"),
    {.name = "limit",
     .type = FIELD_INT,
     .offset = offsetof(struct trend_query, limit),
     .min = 1,
     .max = TREND_MAX,
     .help = "so many, the newest first",
     .preset = "100"},
    {.type = FIELD_END},
};
static const struct trend_query trend_preset = {.limit = 100};

static void each_trend(void *ctx, const struct trend_row *row)
{
    struct json_out *j = ctx;

    jo_obj(j);
    jo_kint_if(j, "run", row->run.v != 0, (int64_t)row->run.v);
    jo_kuint(j, "launch", row->launch.v);
    jo_ktime(j, "at", row->at);
    jo_ktext_or_null(j, "outcome", outcome_name(row->outcome));
    jo_kint(j, "duration_ms", row->us / 1000);
    jo_ktext(j, "commit", row->commit);
    jo_kuint(j, "passed", row->n_passed);
    jo_kuint(j, "failed", row->n_failed);
    jo_obj_end(j);
}

static void trend_job(struct reader *r, struct req *rq)
{
    const struct trend_query *q = rq->query;
    struct trend_filter f = {.project = {rq->ids[0]},
                             .ref = text_or_null(q->ref),
                             .path = text_or_null(q->path),
                             .max = (uint32_t)q->limit};
    struct page none = {0};

    if (!project_is_there(r, rq))
        return;
    page_begin(rq);
    rq->err = read_trend(r, &f, each_trend, &rq->render.j, &rq->why);
    page_end(rq, &none);
}

static void trend(struct req *rq)
{
    req_read(rq, trend_job, NULL);
}

const struct route stability_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}/stability", stability,
           "How the examples of a project did in their last runs: flaky, unstable, failing ones, or all.",
           "page of stability"),
     .query = stability_fields, .query_bytes = sizeof(struct stability_query),
     .query_preset = &stability_preset},
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}/slowest", slowest,
           "The slowest files or examples of a project.", "page of slow"),
     .query = slowest_fields, .query_bytes = sizeof(struct slowest_query), .query_preset = &slowest_preset},
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}/trend", trend,
           "How long the launches of a project took, or the runs of one file.", "page of trend"),
     .query = trend_fields, .query_bytes = sizeof(struct trend_query), .query_preset = &trend_preset},
    ROUTES_END,
};
