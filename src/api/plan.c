/* plan.c - what wrata.yml says, for people: the file of a project at a commit; what a launch would run, without starting it. */
#include <string.h>

#include "api/api_private.h"

/* ---- who decides ---- */

static int64_t first_of(int64_t launch, int64_t file, int64_t server)
{
    return launch >= 0 ? launch : file >= 0 ? file : server;
}

struct api_launch_defaults launch_limits(const struct api *a, const struct api_launch_defaults *said,
                                         const struct yml_file *yml)
{
    const struct api_launch_defaults *server = &a->opts.launches;

    return (struct api_launch_defaults){
        .retries = first_of(said->retries, yml->retries, server->retries),
        .time_limit_s = first_of(said->time_limit_s, yml->time_limit < 0 ? -1 : yml->time_limit / 1000,
                                 server->time_limit_s),
        .silence_limit_s =
            first_of(said->silence_limit_s, yml->silence_limit < 0 ? -1 : yml->silence_limit / 1000,
                     server->silence_limit_s),
        .lease_s = first_of(said->lease_s, yml->lease < 0 ? -1 : yml->lease / 1000, server->lease_s),
        .slots = first_of(said->slots, yml->slots, 0)};
}

/* As struct test_limits has it: 0 the launch's, -1 none. */
static int64_t own_limit(int64_t said, int64_t command_ms)
{
    return said >= 0 || command_ms < 0 ? 0 : command_ms == 0 ? -1 : command_ms;
}

struct test_limits test_limits_of(const struct api_launch_defaults *said, const struct yml_command *command)
{
    if (command == NULL)
        return (struct test_limits){0};
    return (struct test_limits){
        .time_limit_ms = own_limit(said->time_limit_s, command->time_limit),
        .silence_limit_ms = own_limit(said->silence_limit_s, command->silence_limit),
        .retries_plus_one = said->retries >= 0 || command->retries < 0 ? 0 : (uint32_t)command->retries + 1};
}

/* ---- what would be run ---- */

static void put_words(struct json_out *j, const char *key, const char *const *words, uint32_t n)
{
    jo_karr(j, key);
    for (uint32_t i = 0; i < n; i++)
        jo_text(j, words[i]);
    jo_arr_end(j);
}

static int64_t limit_s(int64_t own_ms, int64_t launch_s)
{
    return own_ms == 0 ? launch_s : own_ms < 0 ? 0 : own_ms / 1000;
}

static void put_file(struct json_out *j, const struct plan_file *f, const struct api_launch_defaults *said,
                     const struct api_launch_defaults *limits)
{
    struct test_limits own = test_limits_of(said, f->command);

    jo_obj(j);
    jo_ktext(j, "path", f->path);
    put_words(j, "command", f->argv, f->n_argv);
    jo_ktext(j, "rule", f->command != NULL ? f->command->glob : "");
    jo_ktext(j, "report", adapter_name(f->adapter));
    put_words(j, "reports", f->reports, f->n_reports);
    jo_kint(j, "time_limit_s", limit_s(own.time_limit_ms, limits->time_limit_s));
    jo_kint(j, "silence_limit_s", limit_s(own.silence_limit_ms, limits->silence_limit_s));
    jo_kint(j, "retries", own.retries_plus_one > 0 ? own.retries_plus_one - 1 : limits->retries);
    jo_obj_end(j);
}

static void put_slots(struct json_out *j, const struct api_launch_defaults *limits)
{
    jo_kint_if(j, "slots", limits->slots > 0, limits->slots);
}

void launch_plan_answer(struct req *rq, const struct plan *plan, const struct api_launch_defaults *said)
{
    struct api_launch_defaults limits = launch_limits(rq->api, said, plan->yml);
    struct json_out j;
    struct buf out;

    buf_init(&out, RENDER_BYTES_MAX);
    jo_begin(&j, &out);
    jo_obj(&j);
    jo_ktext(&j, "commit", plan->commit);
    jo_kbool(&j, "has_file", plan->has_yml);
    jo_kint(&j, "lease_s", limits.lease_s);
    put_slots(&j, &limits);
    if (plan->yml->image[0] != '\0') {
        jo_ktext(&j, "image", plan->yml->image);
        jo_key(&j, "container");
        wrata_yml_container_json(&plan->yml->container, &j);
    } else {
        jo_knull(&j, "image");
        jo_knull(&j, "container");
    }
    put_words(&j, "env", plan->yml->env.at, plan->yml->env.n);
    jo_karr(&j, "prepare");
    for (uint32_t i = 0; i < plan->n_prepare; i++) {
        jo_obj(&j);
        jo_ktext(&j, "name", plan->prepare[i].name);
        put_words(&j, "command", plan->prepare[i].argv, plan->prepare[i].n_argv);
        jo_ktext(&j, "key", plan->prepare[i].key);
        jo_obj_end(&j);
    }
    jo_arr_end(&j);
    jo_karr(&j, "submodules");
    for (uint32_t i = 0; i < plan->n_submodules; i++) {
        jo_obj(&j);
        jo_ktext(&j, "path", plan->submodules[i].path);
        jo_ktext(&j, "commit", plan->submodules[i].commit);
        jo_obj_end(&j);
    }
    jo_arr_end(&j);
    jo_kobj(&j, "lfs");
    jo_kuint(&j, "files", plan->n_lfs_files);
    jo_kuint(&j, "bytes", plan->lfs_bytes);
    jo_obj_end(&j);
    jo_karr(&j, "files");
    for (uint32_t i = 0; i < plan->n_files; i++)
        put_file(&j, &plan->files[i], said, &limits);
    jo_arr_end(&j);
    jo_obj_end(&j);
    req_json(rq, 200, &out);
}

/* ---- the file of a project ---- */

struct config_query {
    const char *ref;
};

static const struct field config_fields[] = {
    {.name = "ref",
     .type = FIELD_TEXT,
     .offset = offsetof(struct config_query, ref),
     .max = 512,
     .help = "branch, tag or commit",
     .preset = "the default branch"},
    {.type = FIELD_END},
};
static const struct config_query config_preset = {.ref = ""};

static void render_config(struct req *rq, const struct project_config *config, struct json_out *j)
{
    static const struct api_launch_defaults nothing = {-1, -1, -1, -1, -1};
    struct api_launch_defaults limits = rq->api->opts.launches;

    if (config->yml != NULL)
        limits = launch_limits(rq->api, &nothing, config->yml);
    jo_obj(j);
    jo_ktext(j, "commit", config->commit);
    jo_kbool(j, "has_file", config->has_file);
    yml_problems_json(config->problems, j);
    jo_key(j, "config");
    if (config->yml != NULL)
        wrata_yml_json(config->yml, j);
    else
        jo_null(j);
    jo_kobj(j, "limits");
    jo_kint(j, "retries", limits.retries);
    jo_kint(j, "time_limit_s", limits.time_limit_s);
    jo_kint(j, "silence_limit_s", limits.silence_limit_s);
    jo_kint(j, "lease_s", limits.lease_s);
    put_slots(j, &limits);
    jo_obj_end(j);
    jo_obj_end(j);
}

static void on_config(void *ctx, enum err err, const struct why *why, const struct project_config *config)
{
    struct req *rq = ctx;
    struct json_out j;
    struct buf out;

    if (rq->http != NULL && err != ERR_OK) {
        req_field_error(rq, why);
    } else if (rq->http != NULL) {
        buf_init(&out, RENDER_BYTES_MAX);
        jo_begin(&j, &out);
        render_config(rq, config, &j);
        req_json(rq, 200, &out);
    }
    req_release(rq);
}

static void ask_config(struct req *rq)
{
    const struct config_query *q = rq->query;

    req_hold(rq);
    projects_config(rq->api->opts.projects, (struct project_id){rq->ids[0]}, q->ref, on_config, rq);
}

static void on_first_fetch(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;

    if (rq->http != NULL && !rq->api->is_closed) {
        if (err != ERR_OK)
            req_fail(rq, ERR_BUSY, NULL, "%s", why->text);
        else
            ask_config(rq);
    }
    req_release(rq);
}

static void take_row(void *ctx, const struct project_row *row)
{
    struct req *rq = ctx;

    rq->state = project_copy(&rq->arena, row);
}

static void row_job(struct reader *r, struct req *rq)
{
    rq->err = read_project(r, (struct project_id){rq->ids[0]}, take_row, rq, &rq->why);
}

static void on_row(struct req *rq)
{
    const struct project_row *row = rq->state;

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
    } else if (row->refreshed_at.ms != 0) {
        ask_config(rq);
    } else {
        req_hold(rq);
        project_refresh(rq->api, row, on_first_fetch, rq);
    }
}

static void config_of(struct req *rq)
{
    req_read(rq, row_job, on_row);
}

const struct route plan_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}/config", config_of,
           "What wrata.yml says at a ref, or what is wrong with it.", "project_config"),
     .query = config_fields, .query_bytes = sizeof(struct config_query), .query_preset = &config_preset},
    ROUTES_END,
};
