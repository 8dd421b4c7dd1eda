/* history_delete.c - runs and launches that are deleted.
 *
 * What is little goes while the request waits, in one commit. Of what is more the first step is that commit, and a job goes on with
 * the rest: it is made in the same commit, so what was begun is ended, whatever dies. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/history_delete.h"
#include "api/history_filter.h"

#define AT_ONCE_ROWS 2000u /* about 50 ms of the storage thread */

struct delete_body {
    struct field_ints runs;
};

static const struct field delete_fields[] = {
    {.name = "runs",
     .type = FIELD_INTS,
     .offset = offsetof(struct delete_body, runs),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = INT64_MAX,
     .items_max = PRUNE_IDS_MAX,
     .help = "ids of the runs; one that may not go refuses all"},
    {.type = FIELD_END},
};

/* In the request's arena; what it points to, too. */
struct deleting {
    struct history_delete d;
    struct job_row rest;
};

static void render_deleted(struct req *rq, const struct deleting *g)
{
    struct json_out *j = answer_begin(rq);

    jo_obj(j);
    jo_kuint(j, "runs", g->d.n_gone);
    jo_kuint(j, "launches", g->d.n_launches);
    jo_key(j, "job");
    if (g->rest.id != 0)
        render_job(j, &g->rest);
    else
        jo_null(j);
    jo_obj_end(j);
    answer_send(rq);
}

static void on_deleted(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    const struct deleting *g = rq->state;

    if (err == ERR_OK && !rq->api->is_closed) {
        api_history_gone(rq->api, &g->d);
        if (g->rest.id != 0)
            api_job(rq->api, &g->rest);
        rq->api->opts.history_gone(rq->api->opts.ctx, g->rest.id);
    }
    if (req_lives(rq) && err != ERR_OK) {
        req_error(rq, why);
    } else if (req_lives(rq)) {
        audit_say(rq, NULL, "%u runs, %u launches%s", g->d.n_gone, g->d.n_launches,
                  g->rest.id != 0 ? ", and more by a job" : "");
        render_deleted(rq, g);
    }
    req_release(rq);
}

static struct deleting *begin(struct req *rq)
{
    struct deleting *g = arena_alloc(&rq->arena, sizeof(*g));

    g->d.owner.v = rq->who.role == ROLE_ADMIN ? 0 : rq->who.user.v;
    g->d.is_strict = true;
    g->d.budget = AT_ONCE_ROWS;
    g->d.rest = &g->rest;
    g->rest = (struct job_row){.kind = JOB_DELETE,
                               .user = rq->who.user,
                               .login = arena_strdup(&rq->arena, rq->who.login),
                               .owner = g->d.owner,
                               .total = -1,
                               .created_at = wall_now(),
                               .error = ""};
    rq->state = g;
    return g;
}

static void go(struct req *rq, struct deleting *g)
{
    req_hold(rq);
    store_history_delete(rq->api->opts.store, &g->d, on_deleted, rq);
}

static void delete_runs(struct req *rq, const uint64_t *runs, uint32_t n)
{
    struct deleting *g = begin(rq);
    struct buf what;

    buf_init(&what, JOB_WHAT_BYTES_MAX);
    buf_puts(&what, "{\"runs\":[");
    for (uint32_t i = 0; i < n; i++)
        buf_printf(&what, "%s%llu", i == 0 ? "" : ",", (unsigned long long)runs[i]);
    buf_puts(&what, "]}");
    g->rest.what = arena_strdup(&rq->arena, buf_str(&what));
    buf_done(&what);
    g->rest.total = n;
    g->d.runs = runs;
    g->d.n_runs = n;
    go(rq, g);
}

void run_delete_handle(struct req *rq)
{
    delete_runs(rq, rq->ids, 1);
}

static int by_number(const void *va, const void *vb)
{
    const uint64_t *a = va;
    const uint64_t *b = vb;

    return (*a > *b) - (*a < *b);
}

/* One that stands there twice is one. */
static void runs_delete(struct req *rq)
{
    const struct delete_body *b = rq->body;
    uint64_t *runs = arena_alloc(&rq->arena, b->runs.n * sizeof(*runs));
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->runs.n; i++)
        runs[i] = (uint64_t)b->runs.at[i];
    qsort(runs, b->runs.n, sizeof(*runs), by_number);
    for (uint32_t i = 0; i < b->runs.n; i++)
        if (n == 0 || runs[n - 1] != runs[i])
            runs[n++] = runs[i];
    (void)snprintf(rq->audit_object, sizeof(rq->audit_object), "run %llu", (unsigned long long)runs[0]);
    delete_runs(rq, runs, n);
}

void launch_delete_handle(struct req *rq)
{
    struct deleting *g = begin(rq);

    g->rest.what = arena_printf(&rq->arena, "{\"launch\":%llu}", (unsigned long long)rq->ids[0]);
    g->d.launch.v = rq->ids[0];
    go(rq, g);
}

/* ---- clear ----------------------------------------------------------------------------------------------- */

struct clear_body {
    struct run_query q;
    bool all;
    bool everybody;
};

static const struct field clear_fields[] = {
    RUN_QUERY_FIELDS(struct clear_body),
    {.name = "all",
     .type = FIELD_BOOL,
     .offset = offsetof(struct clear_body, all),
     .help = "all of it, launches without runs as well; no filter beside it but user",
     .preset = "false"},
    {.name = "everybody",
     .type = FIELD_BOOL,
     .offset = offsetof(struct clear_body, everybody),
     .help = "of all users, for admins; without it and without user: one's own",
     .preset = "false"},
    {.type = FIELD_END},
};
static const struct clear_body clear_preset = {.q = RUN_QUERY_PRESET};

static void put_text(struct json_out *j, const char *key, const char *text)
{
    if (text != NULL)
        jo_ktext(j, key, text);
}

static void put_number(struct json_out *j, const char *key, int64_t v)
{
    if (v > 0)
        jo_kint(j, key, v);
}

/* The filter again, as the job keeps it. How many fields it has but the user. */
static uint32_t put_filter(struct json_out *j, const struct run_query *q)
{
    const char *const texts[][2] = {{"file", q->file},         {"path", q->path},       {"ref", q->ref},
                                    {"language", q->language}, {"browser", q->browser}, {"since", q->since},
                                    {"until", q->until}};
    const bool has[] = {q->launch > 0,  q->server > 0, q->test > 0,
                        q->project > 0, q->state >= 0, q->outcomes != 0};
    struct buf outcomes;
    uint32_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(has); i++)
        n += has[i];
    put_number(j, "launch", q->launch);
    put_number(j, "server", q->server);
    put_number(j, "test", q->test);
    put_number(j, "user", q->user);
    put_number(j, "project", q->project);
    if (q->state >= 0)
        jo_ktext(j, "state", run_states[q->state]);
    if (q->outcomes != 0) {
        buf_init(&outcomes, KIB(1));
        for (int o = OUTCOME_NONE + 1; o < OUTCOME_COUNT; o++)
            if (q->outcomes & 1u << (o - 1))
                buf_printf(&outcomes, "%s%s", outcomes.len > 0 ? "," : "", outcome_names[o]);
        jo_ktext(j, "outcome", buf_str(&outcomes));
        buf_done(&outcomes);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        put_text(j, texts[i][0], texts[i][1]);
        n += texts[i][1] != NULL;
    }
    return n;
}

/* Whose history; false: answered. */
static bool owner_of(struct req *rq, const struct clear_body *b, struct user_id *ret)
{
    bool is_admin = rq->who.role == ROLE_ADMIN;

    if (b->everybody && b->q.user > 0) {
        req_fail(rq, ERR_INVALID, "everybody", "everybody: it excludes user; give one of the two");
        return false;
    }
    if (!is_admin && (b->everybody || (b->q.user > 0 && (uint64_t)b->q.user != rq->who.user.v))) {
        req_fail(rq, ERR_DENIED, b->everybody ? "everybody" : "user",
                 "%s: only admins clear what is of others", b->everybody ? "everybody" : "user");
        return false;
    }
    ret->v = b->everybody ? 0 : b->q.user > 0 ? (uint64_t)b->q.user : rq->who.user.v;
    return true;
}

static void on_job_added(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct job_row *job = rq->state;
    struct buf out;
    struct json_out j;

    if (err == ERR_OK && !rq->api->is_closed) {
        api_job(rq->api, job);
        rq->api->opts.history_gone(rq->api->opts.ctx, job->id);
    }
    if (req_lives(rq) && err != ERR_OK) {
        req_error(rq, why);
    } else if (req_lives(rq)) {
        (void)snprintf(rq->audit_object, sizeof(rq->audit_object), "job %llu", (unsigned long long)job->id);
        audit_say(rq, NULL, "%.200s", job->what);
        buf_init(&out, MIB(1));
        jo_begin(&j, &out);
        render_job(&j, job);
        req_json(rq, 202, &out);
    }
    req_release(rq);
}

static void history_clear(struct req *rq)
{
    const struct clear_body *b = rq->body;
    struct job_row *job = arena_alloc(&rq->arena, sizeof(*job));
    struct run_filter filter;
    struct user_id owner;
    struct json_out j;
    struct buf what;
    uint32_t n;

    if (!run_filter_of(rq, &b->q, &filter) || !owner_of(rq, b, &owner))
        return;
    buf_init(&what, JOB_WHAT_BYTES_MAX);
    jo_begin(&j, &what);
    jo_obj(&j);
    n = put_filter(&j, &b->q);
    if (b->all)
        jo_kbool(&j, "all", true);
    if (b->everybody)
        jo_kbool(&j, "everybody", true);
    jo_obj_end(&j);
    *job = (struct job_row){.kind = JOB_CLEAR,
                            .user = rq->who.user,
                            .login = arena_strdup(&rq->arena, rq->who.login),
                            .owner = owner,
                            .what = arena_strdup(&rq->arena, buf_str(&what)),
                            .total = -1,
                            .created_at = wall_now(),
                            .error = ""};
    buf_done(&what);
    if (b->all ? n > 0 : n == 0) {
        req_fail(rq, ERR_INVALID, "all",
                 b->all ? "all: it excludes filters" : "all: give filters, or {\"all\":true} for all of it");
        return;
    }
    rq->state = job;
    req_hold(rq);
    store_job_add(rq->api->opts.store, job, on_job_added, rq);
}

static enum err clear_what(const struct job_row *job, struct arena *arena, struct job_what *ret,
                           struct why *reterr)
{
    struct clear_body *b = arena_alloc(arena, sizeof(*b));
    enum err err;

    *b = clear_preset;
    err = field_read_json(clear_fields, job->what, strlen(job->what), arena, b, reterr);
    if (err == ERR_OK)
        err = run_filter_read(&b->q, &ret->filter, reterr);
    ret->filter.user = job->owner; /* 0: everybody's */
    ret->is_all = b->all;
    return err;
}

/* ---- what a job is about --------------------------------------------------------------------------------- */

enum err api_job_what(const struct job_row *job, struct arena *arena, struct job_what *ret,
                      struct why *reterr)
{
    json_t *json = json_loads(job->what, 0, NULL);
    json_t *runs = json_object_get(json, "runs");
    json_t *run;
    size_t i;
    enum err err = ERR_OK;

    if (job->kind == JOB_CLEAR) {
        json_decref(json);
        *ret = (struct job_what){0};
        return clear_what(job, arena, ret, reterr);
    }
    *ret = (struct job_what){.launch = {(uint64_t)json_integer_value(json_object_get(json, "launch"))}};
    ret->runs = arena_alloc(arena, PRUNE_IDS_MAX * sizeof(*ret->runs));
    json_array_foreach(runs, i, run) if (ret->n_runs < PRUNE_IDS_MAX) ret->runs[ret->n_runs++] =
        (uint64_t)json_integer_value(run);
    if (json == NULL || (ret->launch.v == 0 && ret->n_runs == 0))
        err = why_set(reterr, ERR_INVALID, NULL, "job %llu does not say what it is to delete",
                      (unsigned long long)job->id);
    json_decref(json);
    return err;
}

/* DELETE of a run and of a launch stand in the tables of runs.c and launches.c: a path is in one table. */
const struct route history_delete_routes[] = {
    {ROUTE(POST, WORK, "/api/v1/runs/delete", runs_delete, "Delete several runs.", "deleted"),
     .audit = "run.delete", .body_kind = BODY_JSON, .body = delete_fields,
     .body_bytes = sizeof(struct delete_body)},
    {ROUTE(POST, WORK, "/api/v1/history/clear", history_clear,
           "Delete all runs that a filter finds, and launches of which nothing is left: a job.", "job"),
     .audit = "history.clear", .status = 202, .body_kind = BODY_JSON, .body = clear_fields,
     .body_bytes = sizeof(struct clear_body), .body_preset = &clear_preset},
    ROUTES_END,
};
