/* render.c - rows as the JSON objects of docs/http-api.md; the same for answers and for the live stream. */
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"
#include "api/artifact_type.h"
#include "model/cause.h"
#include "model/cost.h"
#include "wire/csv.h"
#include "wire/frame.h"

#define NO_SLOT UINT32_MAX

/* ---- gaps ---- */

void render_init(struct render *r)
{
    *r = (struct render){0};
    buf_init(&r->out, RENDER_BYTES_MAX);
    jo_begin(&r->j, &r->out);
}

void render_done(struct render *r)
{
    if (r->out.max > 0)
        buf_done(&r->out);
    free(r->gaps);
    r->gaps = NULL;
    r->n_gaps = r->cap_gaps = 0;
}

static void add_gap_here(struct render *r, enum gap_kind kind, uint64_t id)
{
    if (r->n_gaps == r->cap_gaps) {
        r->cap_gaps = r->cap_gaps == 0 ? 16 : r->cap_gaps * 2;
        r->gaps = xrealloc(r->gaps, r->cap_gaps * sizeof(*r->gaps));
    }
    r->gaps[r->n_gaps++] = (struct gap){.at = r->out.len, .kind = kind, .id = id};
}

static void add_gap(struct render *r, enum gap_kind kind, uint64_t id)
{
    jo_raw(&r->j, "", 0);
    add_gap_here(r, kind, id);
}

void render_login_csv(struct render *r, struct user_id user)
{
    add_gap_here(r, GAP_LOGIN_CSV, user.v);
}

static void fill_gap(struct api *a, const struct gap *g, struct buf *out)
{
    const struct user_row *user;
    struct json_out j;
    char why[240];
    int64_t eta;

    jo_begin(&j, out);
    switch (g->kind) {
    case GAP_WHY:
        why[0] = '\0';
        a->opts.why(a->opts.ctx, (struct test_id){g->id}, why, sizeof(why));
        jo_text(&j, why);
        break;
    case GAP_ETA:
        eta = eta_get(a, (struct launch_id){g->id});
        if (eta < 0)
            jo_null(&j);
        else
            jo_int(&j, eta);
        break;
    case GAP_HEALTH:
        health_render(a, &j, (struct server_id){g->id});
        break;
    case GAP_LOGIN:
        user = accounts_user(a->accounts, (struct user_id){g->id});
        jo_text(&j, user == NULL ? "" : user->login);
        break;
    case GAP_LOGIN_CSV:
        user = accounts_user(a->accounts, (struct user_id){g->id});
        csv_text(out, user == NULL ? "" : user->login);
        break;
    }
}

void render_fill(struct api *a, struct render *r, struct buf *out)
{
    size_t from = 0;

    if (r->n_gaps == 0) {
        *out = r->out;
        r->out = (struct buf){.max = r->out.max};
        return;
    }
    buf_init(out, RENDER_BYTES_MAX);
    for (uint32_t i = 0; i < r->n_gaps; i++) {
        buf_put(out, r->out.data + from, r->gaps[i].at - from);
        from = r->gaps[i].at;
        fill_gap(a, &r->gaps[i], out);
    }
    buf_put(out, r->out.data + from, r->out.len - from);
    render_done(r);
}

/* ---- the objects ---- */

static void outcome_or_null(struct json_out *j, const char *key, enum outcome o)
{
    jo_ktext_or_null(j, key, outcome_name(o));
}

static void render_tally(struct json_out *j, const struct tally *t)
{
    jo_kobj(j, "examples");
    jo_kuint(j, "discovered", t->discovered);
    jo_kuint(j, "passed", t->passed);
    jo_kuint(j, "failed", t->failed);
    jo_kuint(j, "pending", t->pending);
    jo_kuint(j, "not_run", t->not_run);
    jo_kuint(j, "errors", t->errors);
    jo_obj_end(j);
}

void render_usd(struct json_out *j, const char *key, int64_t nanousd)
{
    char text[COST_USD_BYTES];

    cost_usd_text(nanousd, text);
    jo_key(j, key);
    jo_raw(j, text, strlen(text));
}

void render_who(struct render *r, const char *key, struct user_id user)
{
    jo_kobj(&r->j, key);
    jo_kuint(&r->j, "id", user.v);
    jo_key(&r->j, "login");
    add_gap(r, GAP_LOGIN, user.v);
    jo_obj_end(&r->j);
}

void render_pause(struct json_out *j, const char *key, const char *by, struct wall at)
{
    jo_key(j, key);
    if (by[0] == '\0') {
        jo_null(j);
        return;
    }
    jo_obj(j);
    jo_ktext(j, "by", by);
    jo_ktime(j, "at", at);
    jo_obj_end(j);
}

/* Beside the launch before it, once it is done. */
static void render_compared(struct json_out *j, const struct launch_sums *sums)
{
    jo_key(j, "compare");
    if (!sums->is_compared) {
        jo_null(j);
        return;
    }
    jo_obj(j);
    jo_kint_if(j, "with", sums->compared_with.v != 0, (int64_t)sums->compared_with.v);
    render_compare_counts(j, sums->compared);
    jo_obj_end(j);
}

void render_launch(struct render *r, const struct launch_row *row, const struct launch_sums *sums)
{
    struct json_out *j = &r->j;

    jo_obj(j);
    jo_kuint(j, "id", row->id.v);
    jo_ktext(j, "name", row->name);
    jo_ktext(j, "state", launch_state_name(row->state));
    outcome_or_null(j, "outcome", row->outcome);
    jo_ktext(j, "reason", row->state == LAUNCH_DONE ? outcome_sentence(row->outcome) : "");
    jo_kobj(j, "project");
    jo_kuint(j, "id", row->project.v);
    jo_ktext(j, "name", row->project_name);
    jo_obj_end(j);
    render_who(r, "user", row->user);
    jo_ktext(j, "ref", row->ref);
    jo_ktext(j, "commit", row->commit);
    jo_ktext(j, "location", row->location);
    jo_ktext(j, "note", row->note);
    jo_ktext(j, "order", launch_order_name(row->order));
    jo_kint_if(j, "slots", row->slots > 0, row->slots);
    jo_ktext(j, "mail", mail_when_name(row->mail));
    jo_ktime(j, "created_at", row->created_at);
    jo_ktime(j, "started_at", row->started_at);
    jo_ktime(j, "ended_at", row->ended_at);
    render_usd(j, "cost_usd", row->cost_nanousd);
    jo_kobj(j, "tests");
    jo_kuint(j, "total", row->n_tests);
    jo_kuint(j, "waiting", sums->waiting);
    jo_kuint(j, "running", sums->active);
    jo_kuint(j, "removed", sums->removed);
    for (int o = OUTCOME_NONE + 1; o < OUTCOME_COUNT; o++)
        jo_kuint(j, outcome_name((enum outcome)o), sums->by_outcome[o]);
    jo_obj_end(j);
    render_tally(j, &sums->tally);
    render_compared(j, sums);
    render_pause(j, "paused", sums->waiting > 0 ? sums->paused_by : "", sums->paused_at);
    jo_key(j, "eta_ms");
    if (row->state == LAUNCH_DONE)
        jo_null(j);
    else
        add_gap(r, GAP_ETA, row->id.v);
    jo_obj_end(j);
}

void render_test(struct render *r, const struct test_row *row)
{
    struct json_out *j = &r->j;

    jo_obj(j);
    jo_kuint(j, "id", row->id.v);
    jo_kuint(j, "launch", row->launch.v);
    jo_ktext(j, "path", row->path);
    jo_ktext(j, "language", row->language);
    jo_ktext(j, "browser", row->browser);
    jo_ktext(j, "state", test_state_name(row->state));
    outcome_or_null(j, "outcome", row->outcome);
    jo_kuint(j, "attempts", row->attempts);
    jo_kint_if(j, "run", row->run.v != 0, (int64_t)row->run.v);
    jo_key(j, "why");
    if (row->state == TEST_WAITING || row->state == TEST_ACTIVE)
        add_gap(r, GAP_WHY, row->id.v);
    else
        jo_text(j, row->reason);
    jo_obj_end(j);
}

/* "debian:12@sha256:...": what it was made of, and what that name stood for. */
static void render_image(struct json_out *j, const char *image)
{
    size_t n = strcspn(image, "@");

    jo_key(j, "image");
    if (image[n] != '\0')
        jo_textn(j, image, n);
    else
        jo_null(j);
    jo_key(j, "image_digest");
    if (image[n] != '\0')
        jo_text(j, image + n + 1);
    else
        jo_null(j);
}

/* {"why","at"}, or null: it is there. */
static void render_gone(struct json_out *j, const char *key, const char *why, struct wall at)
{
    if (why == NULL || why[0] == '\0') {
        jo_knull(j, key);
        return;
    }
    jo_kobj(j, key);
    jo_ktext(j, "why", why);
    jo_ktime(j, "at", at);
    jo_obj_end(j);
}

void render_run(struct render *r, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct json_out *j = &r->j;
    const struct finish *f = &row->finish;
    bool has_ended = row->state == RUN_DONE && row->started_at.ms != 0;

    jo_obj(j);
    jo_kuint(j, "id", row->id.v);
    jo_kuint(j, "launch", row->launch.v);
    jo_kuint(j, "test", row->test.v);
    jo_kuint(j, "attempt", row->attempt);
    jo_ktext(j, "path", row->path);
    jo_kuint(j, "user", row->from.user.v);
    jo_key(j, "login");
    add_gap(r, GAP_LOGIN, row->from.user.v);
    jo_kuint(j, "project", row->from.project.v);
    jo_ktext(j, "project_name", row->from.project_name);
    jo_ktext(j, "ref", row->from.ref);
    jo_ktext(j, "language", row->from.language);
    jo_ktext(j, "browser", row->from.browser);
    jo_kobj(j, "server");
    jo_kuint(j, "id", row->server.v);
    jo_ktext(j, "name", row->server_name);
    jo_obj_end(j);
    jo_kint_if(j, "slot", row->slot != NO_SLOT, row->slot);
    jo_ktext(j, "state", run_state_name(row->state));
    outcome_or_null(j, "outcome", row->outcome);
    jo_ktext(j, "reason", row->reason);
    jo_kint_if(j, "exit_code", has_ended && f->how == FINISH_EXITED, f->exit_code);
    jo_kint_if(j, "signal", has_ended && f->signal != 0, f->signal);
    jo_ktime(j, "created_at", row->created_at);
    jo_ktime(j, "started_at", row->started_at);
    jo_ktime(j, "ended_at", row->ended_at);
    jo_kint_if(j, "duration_ms", has_ended, f->duration_us / 1000);
    jo_kint_if(j, "cpu_ms", has_ended, (f->user_us + f->system_us) / 1000);
    jo_kint_if(j, "max_rss_kib", has_ended, f->max_rss_kib);
    jo_kint_if(j, "gap_us", has_ended, f->gap_us);
    render_tally(j, &row->tally);
    jo_ktext(j, "not_run_reason", row->tally.not_run_reason);
    render_usd(j, "cost_usd", row->cost_nanousd);
    jo_kuint(j, "log_bytes", log_bytes > f->log_bytes ? log_bytes : f->log_bytes);
    if (f->log_dropped_bytes > 0) {
        jo_kobj(j, "log_dropped");
        jo_kuint(j, "from", f->log_gap_plus_one > 0 ? f->log_gap_plus_one - 1 : f->log_bytes);
        jo_kuint(j, "bytes", f->log_dropped_bytes);
        jo_obj_end(j);
    } else {
        jo_knull(j, "log_dropped");
    }
    jo_ktext(j, "commit", commit);
    render_image(j, row->image);
    render_gone(j, "log_gone", row->log_gone, row->log_gone_at);
    render_gone(j, "examples_gone", row->examples_gone, row->examples_gone_at);
    jo_obj_end(j);
}

void render_cause_id(struct json_out *j, const char *key, uint64_t cause)
{
    char text[CAUSE_ID_BYTES] = "";

    if (cause != 0)
        cause_id_text(cause, text);
    jo_ktext_or_null(j, key, text);
}

void render_example(struct json_out *j, const struct example_row *row)
{
    jo_obj(j);
    jo_kuint(j, "run", row->run.v);
    jo_kuint(j, "seq", row->seq);
    jo_ktext(j, "id", row->id);
    jo_karr(j, "path");
    for (uint32_t i = 0; i < row->n_path; i++)
        jo_text(j, row->path[i]);
    jo_arr_end(j);
    jo_ktext(j, "file", row->file);
    jo_kuint(j, "line", row->line);
    jo_ktext(j, "status", example_status_name(row->status));
    jo_kdouble(j, "duration_ms", row->duration_ms);
    jo_ktext(j, "exception", row->exception);
    jo_ktext(j, "message", row->message);
    jo_karr(j, "backtrace");
    for (uint32_t i = 0; i < row->n_backtrace; i++)
        jo_text(j, row->backtrace[i]);
    jo_arr_end(j);
    jo_ktext_or_null(j, "pending", row->pending);
    render_cause_id(j, "cause", row->cause);
    jo_ktext_or_null(j, "page_url", row->page_url);
    jo_ktext_or_null(j, "screenshot", row->screenshot);
    jo_karr(j, "artifacts");
    for (uint32_t i = 0; i < row->n_kept; i++)
        jo_uint(j, row->kept[i]);
    jo_arr_end(j);
    jo_obj_end(j);
}

void render_artifact(struct json_out *j, const struct artifact_row *row)
{
    const struct artifact_type *type = artifact_type_of(row->path);

    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_kuint(j, "run", row->run.v);
    jo_kuint(j, "launch", row->launch.v);
    jo_ktext(j, "path", row->path);
    jo_kuint(j, "bytes", row->bytes);
    jo_ktime(j, "modified_at", (struct wall){row->mtime_ms});
    jo_ktext(j, "type", type->media);
    jo_kbool(j, "inline", type->shown != SHOWN_AS_FILE);
    jo_kint_if(j, "example", row->example >= 0, row->example);
    jo_obj_end(j);
}

/* Its machine and who uses it. */
static void render_machine(struct render *r, const struct server_row *row)
{
    struct json_out *j = &r->j;

    jo_ktext(j, "status", server_status_name(row->status));
    jo_ktime(j, "status_since", row->status_since.ms != 0 ? row->status_since : row->created_at);
    jo_ktext(j, "status_reason", row->status_reason);
    jo_ktext(j, "progress", row->progress);
    jo_ktext_or_null(j, "machine", row->machine);
    jo_ktext_or_null(j, "size", row->size);
    jo_ktext_or_null(j, "region", row->region);
    if (row->price_hour_microusd >= 0)
        render_usd(j, "usd_per_hour", row->price_hour_microusd * NANOUSD_PER_MICROUSD);
    else
        jo_knull(j, "usd_per_hour");
    jo_ktime(j, "billed_at", row->billed_at);
    render_usd(j, "cost_usd", row->cost_nanousd);
    jo_kint_if(j, "idle_ms", row->idle_ms != IDLE_AS_FLEET, row->idle_ms);
    jo_ktime(j, "destroys_at", row->destroy_at);
    if (row->booked_by.v != 0)
        render_who(r, "booked_by", row->booked_by);
    else
        jo_knull(j, "booked_by");
    jo_ktime(j, "booked_at", row->booked_at);
    jo_kbool(j, "maintenance", row->maintenance);
    jo_ktext_or_null(j, "sick", row->sick);
    jo_ktext_or_null(j, "sick_cause", sick_cause_name(row->sick_cause));
    jo_ktime(j, "sick_since", row->sick_since);
    jo_kbool(j, "removing", row->leaving);
}

void render_server(struct render *r, const struct server_row *row, const struct busy_runs *busy)
{
    struct json_out *j = &r->j;

    jo_obj(j);
    jo_kuint(j, "id", row->id.v);
    jo_ktext(j, "name", row->name);
    jo_ktext(j, "fleet", row->fleet_name != NULL ? row->fleet_name : fleet_kind_name(row->fleet));
    jo_ktext(j, "kind", fleet_kind_name(row->fleet));
    jo_ktext(j, "address", row->address);
    jo_kuint(j, "port", row->port);
    jo_ktext(j, "user", row->user);
    jo_kuint(j, "slots", row->slots);
    render_machine(r, row);
    jo_ktext(j, "link", link_state_name(row->link));
    jo_ktext(j, "reason", row->link_reason);
    jo_ktime(j, "since", row->link_since.ms != 0 ? row->link_since : row->created_at);
    jo_ktext_or_null(j, "agent", row->agent_version);
    jo_ktext_or_null(j, "facts", row->facts);
    jo_key(j, "health");
    add_gap(r, GAP_HEALTH, row->id.v);
    jo_karr(j, "running");
    for (uint32_t i = 0; i < busy->n; i++) {
        const struct busy_run *b = &busy->at[i];

        if (b->server != row->id.v)
            continue;
        jo_obj(j);
        jo_kuint(j, "run", b->run);
        jo_ktext(j, "path", b->path);
        jo_kuint(j, "launch", b->launch);
        jo_kint_if(j, "slot", b->slot != NO_SLOT, b->slot);
        jo_ktext(j, "state", run_state_name(b->state));
        jo_ktext(j, "reason", b->reason);
        jo_ktime(j, "started_at", b->started_at);
        jo_obj_end(j);
    }
    jo_arr_end(j);
    jo_obj_end(j);
}

void render_project(struct json_out *j, const struct project_row *row)
{
    jo_obj(j);
    jo_kuint(j, "id", row->id.v);
    jo_ktext(j, "name", row->name);
    jo_ktext(j, "url", row->url);
    jo_ktime(j, "refreshed_at", row->refreshed_at);
    jo_ktext_or_null(j, "error", row->error);
    jo_kuint(j, "refresh_s", row->refresh_s);
    jo_obj_end(j);
}

void render_status(struct api *a, struct json_out *j)
{
    uint32_t n[8] = {0};
    struct api_retention kept = {0};
    struct wall now;

    a->opts.stats(a->opts.ctx, &now, n);
    if (a->opts.retention != NULL)
        a->opts.retention(a->opts.ctx, &kept);
    jo_obj(j);
    jo_ktext(j, "version", a->version);
    jo_ktext(j, "instance", store_instance(a->opts.store));
    jo_ktime(j, "started_at", a->opts.started_at);
    jo_ktext(j, "data", a->data_dir);
    jo_kobj(j, "servers");
    jo_kuint(j, "total", n[API_SERVERS]);
    jo_kuint(j, "online", n[API_SERVERS_ONLINE]);
    jo_kuint(j, "slots", n[API_SLOTS]);
    jo_kuint(j, "busy", n[API_SLOTS_BUSY]);
    jo_obj_end(j);
    jo_kobj(j, "launches");
    jo_kuint(j, "running", n[API_LAUNCHES]);
    jo_obj_end(j);
    jo_kobj(j, "tests");
    jo_kuint(j, "waiting", n[API_TESTS_WAITING]);
    jo_kuint(j, "running", n[API_RUNS_ACTIVE]);
    jo_obj_end(j);
    jo_kobj(j, "disk");
    jo_kuint(j, "free", kept.disk.free_bytes);
    jo_kuint(j, "total", kept.disk.total_bytes);
    jo_kbool(j, "low", kept.disk.is_low);
    jo_kbool(j, "full", kept.disk.is_full);
    jo_ktext_or_null(j, "why", kept.disk.why);
    jo_obj_end(j);
    jo_obj_end(j);
}

void render_error(struct buf *out, const char *code, const char *message, const char *field,
                  const char *request_id)
{
    struct json_out j;

    jo_begin(&j, out);
    jo_obj(&j);
    jo_kobj(&j, "error");
    jo_ktext(&j, "code", code);
    jo_ktext(&j, "message", message);
    if (field != NULL)
        jo_ktext(&j, "field", field);
    jo_ktext(&j, "request_id", request_id);
    jo_obj_end(&j);
    jo_obj_end(&j);
}

/* ---- the runs at work ---- */

static void take_busy(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct busy_runs *list = ctx;

    (void)commit;
    (void)log_bytes;
    if (row->state != RUN_PREPARING && row->state != RUN_RUNNING && row->state != RUN_STOPPING)
        return;
    if (list->n == list->cap) {
        uint32_t cap = list->cap == 0 ? 32 : list->cap * 2;
        struct busy_run *at = arena_alloc(list->arena, cap * sizeof(*at));

        if (list->n > 0)
            memcpy(at, list->at, list->n * sizeof(*at));
        list->at = at;
        list->cap = cap;
    }
    list->at[list->n++] = (struct busy_run){.server = row->server.v,
                                            .run = row->id.v,
                                            .launch = row->launch.v,
                                            .slot = row->slot,
                                            .state = row->state,
                                            .reason = arena_strdup(list->arena, row->reason),
                                            .path = arena_strdup(list->arena, row->path),
                                            .started_at = row->started_at};
}

static int by_server_and_slot(const void *a, const void *b)
{
    const struct busy_run *x = a;
    const struct busy_run *y = b;

    if (x->server != y->server)
        return x->server < y->server ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

enum err busy_runs_read(struct reader *r, struct server_id server, struct busy_runs *list, struct why *reterr)
{
    struct run_filter f = {.server = server, .state = -2};
    struct page p = {.limit = PAGE_LIMIT_MAX};
    enum err err;

    do {
        err = read_runs(r, &f, &p, take_busy, list, reterr);
        p.after = p.next;
    } while (err == ERR_OK && p.next != 0);
    if (list->n > 1)
        qsort(list->at, list->n, sizeof(*list->at), by_server_and_slot);
    return err;
}
