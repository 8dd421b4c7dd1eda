/* parameters.c - what a launch was started with, and how one of its runs was: so that it can be looked at, and done again by hand.
 *
 * The variables of a launch are its own, those of its user's account and those of wrata.yml. Secrets are named, never shown.
 * An account is its user's affair, so the values of the others are shown to that one and to admins. */
#include <string.h>

#include "api/api_private.h"
#include "model/run_vars.h"

struct asked {
    struct req *rq;
    struct launch_row launch; /* its texts are of the request */
    const char **secrets;
    uint32_t n_secrets;
    const char **globs;
    uint32_t n_globs;
};

static const char *const *keep_lines(struct arena *a, const char *const *lines, uint32_t n)
{
    const char **copy = arena_alloc(a, ((size_t)n + 1) * sizeof(*copy));

    for (uint32_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, lines[i]);
    return copy;
}

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct asked *w = ctx;
    struct arena *a = &w->rq->arena;
    uint64_t *servers = arena_alloc(a, ((size_t)row->n_servers + 1) * sizeof(*servers));

    (void)sums;
    if (row->n_servers > 0)
        memcpy(servers, row->servers, row->n_servers * sizeof(*servers));
    w->launch = *row;
    w->launch.location = arena_strdup(a, row->location);
    w->launch.commit = arena_strdup(a, row->commit);
    w->launch.env = keep_lines(a, row->env, row->n_env);
    w->launch.servers = servers;
}

static void take_secret(void *ctx, const char *name)
{
    struct asked *w = ctx;

    if (w->n_secrets < LAUNCH_SECRETS_MAX)
        w->secrets[w->n_secrets++] = arena_strdup(&w->rq->arena, name);
}

static enum err read_asked(struct reader *r, struct asked *w, struct launch_id id)
{
    enum err err = read_launch(r, id, take_launch, w, &w->rq->why);

    w->secrets = arena_alloc(&w->rq->arena, LAUNCH_SECRETS_MAX * sizeof(*w->secrets));
    return err == ERR_OK ? read_launch_secrets(r, id, take_secret, w, &w->rq->why) : err;
}

/* ---- variables ---- */

static void variable(struct json_out *j, const char *line, bool is_secret, bool is_shown)
{
    size_t n = strcspn(line, "=");

    jo_obj(j);
    jo_key(j, "name");
    jo_textn(j, line, n);
    if (is_shown && !is_secret)
        jo_ktext(j, "value", line[n] == '=' ? line + n + 1 : "");
    else
        jo_knull(j, "value");
    jo_kbool(j, "secret", is_secret);
    jo_obj_end(j);
}

static bool is_own(const struct asked *w, const char *line)
{
    for (uint32_t i = 0; i < w->launch.n_env; i++) {
        if (strcmp(w->launch.env[i], line) == 0)
            return true;
    }
    return false;
}

static void variables(const struct asked *w, const char *const *lines, uint32_t n)
{
    struct json_out *j = &w->rq->render.j;
    bool is_theirs = w->rq->who.user.v == w->launch.user.v || w->rq->who.role == ROLE_ADMIN;

    jo_karr(j, "env");
    for (uint32_t i = 0; i < n; i++)
        variable(j, lines[i], false,
                 is_theirs || !is_own(w, lines[i])); /* what wrata says itself is in every object */
    for (uint32_t i = 0; i < w->n_secrets; i++)
        variable(j, w->secrets[i], true, false);
    jo_arr_end(j);
}

static void texts(struct json_out *j, const char *key, const char *const *at, uint32_t n)
{
    jo_karr(j, key);
    for (uint32_t i = 0; i < n; i++)
        jo_text(j, at[i]);
    jo_arr_end(j);
}

/* ---- a launch ---- */

static void take_glob(void *ctx, const char *glob)
{
    struct asked *w = ctx;

    if (w->n_globs < LAUNCH_ARTIFACTS_MAX)
        w->globs[w->n_globs++] = arena_strdup(&w->rq->arena, glob);
}

static void each_server(void *ctx, const struct server_row *row)
{
    const struct asked *w = ctx;
    struct json_out *j = &w->rq->render.j;

    for (uint32_t i = 0; i < w->launch.n_servers; i++) {
        if (w->launch.servers[i] != row->id.v)
            continue;
        jo_obj(j);
        jo_kuint(j, "id", row->id.v);
        jo_ktext(j, "name", row->name);
        jo_obj_end(j);
        return;
    }
}

static void launch_parameters_job(struct reader *r, struct req *rq)
{
    struct json_out *j = &rq->render.j;
    struct asked w = {.rq = rq};
    struct launch_id id = {rq->ids[0]};

    rq->err = read_asked(r, &w, id);
    w.globs = arena_alloc(&rq->arena, LAUNCH_ARTIFACTS_MAX * sizeof(*w.globs));
    if (rq->err == ERR_OK)
        rq->err = read_launch_artifacts(r, id, take_glob, &w, &rq->why);
    if (rq->err != ERR_OK)
        return;
    jo_obj(j);
    jo_kuint(j, "launch", id.v);
    jo_kuint(j, "retries", w.launch.retries);
    jo_kint(j, "time_limit_s", w.launch.time_limit_ms / 1000);
    jo_kint(j, "silence_limit_s", w.launch.silence_limit_ms / 1000);
    jo_kuint(j, "lease_s", w.launch.lease_ms / 1000);
    jo_karr(j, "servers");
    if (w.launch.n_servers > 0)
        rq->err = read_servers(r, each_server, &w, &rq->why);
    jo_arr_end(j);
    texts(j, "artifacts", w.globs, w.n_globs);
    variables(&w, w.launch.env, w.launch.n_env);
    jo_obj_end(j);
}

static void launch_parameters(struct req *rq)
{
    req_read(rq, launch_parameters_job, NULL);
}

/* ---- a run ---- */

struct asked_run {
    struct asked of;
    struct run_vars vars;
    struct test_id test;
    struct launch_id launch;
};

static void take_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct asked_run *w = ctx;

    (void)commit;
    (void)log_bytes;
    w->test = row->test;
    w->launch = row->launch;
    w->vars = (struct run_vars){.launch = &w->of.launch,
                                .run = row->id,
                                .attempt = row->attempt,
                                .server = arena_strdup(&w->of.rq->arena, row->server_name)};
}

/* A limit of the test's own, -1: none; else its launch's. */
static int64_t limit_s(int64_t own_ms, int64_t launch_ms)
{
    return (own_ms == 0 ? launch_ms : own_ms < 0 ? 0 : own_ms) / 1000;
}

static void each_test(void *ctx, const struct test_row *row)
{
    struct asked_run *w = ctx;
    struct json_out *j = &w->of.rq->render.j;
    const char *const *lines;
    uint32_t n;

    w->vars.language = row->language;
    w->vars.browser = row->browser;
    lines = run_vars(&w->of.rq->arena, &w->vars, &n);
    jo_obj(j);
    jo_kuint(j, "run", w->vars.run.v);
    texts(j, "argv", row->argv, row->n_argv);
    jo_ktext(j, "report", adapter_name(row->adapter));
    texts(j, "reports", row->reports, row->n_reports);
    jo_kint(j, "time_limit_s", limit_s(row->limits.time_limit_ms, w->of.launch.time_limit_ms));
    jo_kint(j, "silence_limit_s", limit_s(row->limits.silence_limit_ms, w->of.launch.silence_limit_ms));
    variables(&w->of, lines, n);
    jo_obj_end(j);
}

static void run_command_job(struct reader *r, struct req *rq)
{
    struct asked_run w = {.of = {.rq = rq}};

    rq->err = read_run(r, (struct run_id){rq->ids[0]}, take_run, &w, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = read_asked(r, &w.of, w.launch);
    if (rq->err == ERR_OK)
        rq->err = read_test(r, w.test, each_test, &w, &rq->why);
}

static void run_command(struct req *rq)
{
    req_read(rq, run_command_job, NULL);
}

const struct route parameter_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/parameters", launch_parameters,
           "What a launch was started with; secrets by their names.", "launch_parameters")},
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/command", run_command,
           "The words that a run was started by, and its variables; secrets by their names.", "run_command")},
    ROUTES_END,
};
