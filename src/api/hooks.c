/* hooks.c - webhooks and commit statuses: make, edit, delete, try; what became of what was sent. One's own; admins have all. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/account_common.h"
#include "base/nearest.h"
#include "net/hook_sign.h"

#define SEAL_NAME_BYTES 16u

enum { HOOKS_FOR_USERS, HOOKS_FOR_ADMINS, HOOKS_FOR_NOBODY };

/* ---- reading ---- */

/* What is behind the host of somebody else's url may be a key to the receiver. */
static void render_url(struct json_out *j, const struct req *rq, const struct hook_row *row)
{
    size_t n = strlen(row->url);
    const char *host = strstr(row->url, "://");
    char cut[300];

    if (row->user.v != rq->who.user.v && host != NULL) {
        n = (size_t)(host + 3 - row->url) + strcspn(host + 3, "/?#");
        (void)snprintf(cut, sizeof(cut), "%.*s/...", n < 280 ? (int)n : 280, row->url);
        jo_ktext(j, "url", cut);
        return;
    }
    jo_ktext_or_null(j, "url", row->url);
}

static void render_hook(struct req *rq, const struct hook_row *row, const char *secret)
{
    struct json_out *j = &rq->render.j;

    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_ktext(j, "name", row->name);
    jo_ktext(j, "type", hook_type_name(row->type));
    render_who(&rq->render, "user", row->user);
    render_url(j, rq, row);
    jo_ktext_or_null(j, "repository", row->repository);
    jo_karr(j, "kinds");
    for (int k = 0; k < HOOK_KIND_COUNT; k++) {
        if (row->kinds & (1u << k))
            jo_text(j, hook_kind_name((enum hook_kind)k));
    }
    jo_arr_end(j);
    jo_kbool(j, "all", row->is_all);
    jo_kint_if(j, "project", row->project.v != 0, (int64_t)row->project.v);
    jo_kbool(j, "enabled", row->is_enabled);
    jo_ktext(j, "reason", row->reason);
    jo_ktime(j, "created_at", row->created_at);
    jo_ktime(j, "failing_since", row->failing_since);
    jo_kuint(j, "failures", row->failures);
    jo_ktime(j, "paused_until", row->failures > 0 ? row->paused_until : (struct wall){0});
    jo_ktime(j, "last_at", row->last_at);
    jo_kint_if(j, "last_status", row->last_status != 0, (int64_t)row->last_status);
    jo_ktext_or_null(j, "last_error", row->last_error);
    if (secret != NULL)
        jo_ktext_or_null(j, "secret", secret);
    jo_obj_end(j);
}

static void each_hook(void *ctx, const struct hook_row *row)
{
    render_hook(ctx, row, NULL);
}

struct hooks_query {
    bool all;
};

static const struct field hooks_query_fields[] = {
    {.name = "all",
     .type = FIELD_BOOL,
     .offset = offsetof(struct hooks_query, all),
     .help = "of all users; for admins",
     .preset = "0"},
    {.type = FIELD_END},
};

static void list_job(struct reader *r, struct req *rq)
{
    const struct hooks_query *q = rq->query;
    struct json_out *j = &rq->render.j;

    jo_obj(j);
    jo_karr(j, "items");
    rq->err = read_hooks(r, q->all ? (struct user_id){0} : rq->who.user, each_hook, rq, &rq->why);
    jo_arr_end(j);
    jo_ktext(j, "next", NULL);
    jo_obj_end(j);
}

static void hooks_list(struct req *rq)
{
    const struct hooks_query *q = rq->query;

    if (q->all && rq->who.role < ROLE_ADMIN)
        req_fail(rq, ERR_DENIED, "all", "all: other people's hooks are for admins");
    else
        req_read(rq, list_job, NULL);
}

static void one_job(struct reader *r, struct req *rq)
{
    rq->err = read_hook(r, rq->ids[0], each_hook, rq, &rq->why);
}

static void hooks_one(struct req *rq)
{
    req_read(rq, one_job, NULL);
}

/* ---- making and changing ---- */

static const char *const types[] = {"webhook", "github", NULL};
_Static_assert(ARRAY_LEN(types) == HOOK_TYPE_COUNT + 1, "a name for each type, in their order");

struct hook_body {
    const char *name, *url, *repository;
    int type;
    struct field_texts kinds;
    int64_t project;
    int all;
    int enabled;
    bool new_secret;
};

#define HOOK_FIELDS(name_flags_)                                                                      \
    {.name = "name",                                                                                  \
     .type = FIELD_TEXT,                                                                              \
     .offset = offsetof(struct hook_body, name),                                                      \
     .flags = (name_flags_),                                                                          \
     .min = 1,                                                                                        \
     .max = HOOK_NAME_BYTES_MAX,                                                                      \
     .help = "what it is for; unique among one's own"},                                               \
        {.name = "url",                                                                               \
         .type = FIELD_TEXT,                                                                          \
         .offset = offsetof(struct hook_body, url),                                                   \
         .min = 1,                                                                                    \
         .max = HOOK_URL_BYTES_MAX,                                                                   \
         .help = "of a webhook: where it is sent; https, and http in the networks of hooks_private"}, \
        {.name = "repository",                                                                        \
         .type = FIELD_TEXT,                                                                          \
         .offset = offsetof(struct hook_body, repository),                                            \
         .max = HOOK_REPOSITORY_BYTES_MAX,                                                            \
         .help = "of github: owner/name; absent or \"\": that of the project's url"},                 \
        {.name = "kinds",                                                                             \
         .type = FIELD_TEXTS,                                                                         \
         .offset = offsetof(struct hook_body, kinds),                                                 \
         .min = 1,                                                                                    \
         .max = 40,                                                                                   \
         .items_max = HOOK_KIND_COUNT,                                                                \
         .help = "of a webhook: what it hears of"},                                                   \
        {.name = "project",                                                                           \
         .type = FIELD_INT,                                                                           \
         .offset = offsetof(struct hook_body, project),                                               \
         .max = INT64_MAX,                                                                            \
         .help = "id of the project whose launches it hears of alone; 0: of any"},                    \
        {.name = "all",                                                                               \
         .type = FIELD_MAYBE,                                                                         \
         .offset = offsetof(struct hook_body, all),                                                   \
         .help = "of everybody's launches, of servers and errors; for admins"},                       \
    {                                                                                                 \
        .name = "enabled", .type = FIELD_MAYBE, .offset = offsetof(struct hook_body, enabled),        \
        .help = "it is sent to"                                                                       \
    }

static const struct field add_fields[] = {
    HOOK_FIELDS(FIELD_REQUIRED),
    {.name = "type",
     .type = FIELD_ENUM,
     .offset = offsetof(struct hook_body, type),
     .names = types,
     .help = "webhook: signed JSON; github: the status of each commit that a launch of the project is of, "
             "for admins",
     .preset = "webhook"},
    {.type = FIELD_END},
};
static const struct field edit_fields[] = {
    HOOK_FIELDS(0),
    {.name = "new_secret",
     .type = FIELD_BOOL,
     .offset = offsetof(struct hook_body, new_secret),
     .help = "sign with another secret from now on, shown in this answer alone"},
    {.type = FIELD_END},
};
static const struct hook_body body_preset = {.project = -1, .all = -1, .enabled = -1};

/* A command under way. In the request's arena. */
struct put {
    struct hook_row row;
    char secret[HOOK_SECRET_BYTES]; /* "" the one that it has */
    struct buf sealed;
    uint64_t id;
};

static void put_free(struct req *rq)
{
    struct put *p = rq->state;

    sodium_memzero(p->secret, sizeof(p->secret));
    buf_done(&p->sealed);
}

static enum err seal_secret(struct req *rq, struct put *p)
{
    unsigned char random[SEAL_NAME_BYTES];
    char *name = arena_alloc(&rq->arena, 2 * SEAL_NAME_BYTES + 1);
    char context[80];
    enum err err;

    if (rq->api->opts.seal == NULL)
        return why_set(&rq->why, ERR_BUSY, NULL, "this server seals no secrets");
    randombytes_buf(random, sizeof(random));
    (void)sodium_bin2hex(name, 2 * SEAL_NAME_BYTES + 1, random, sizeof(random));
    hook_secret_make(p->secret);
    (void)snprintf(context, sizeof(context), "hook %s", name);
    err = rq->api->opts.seal(rq->api->opts.ctx, context, p->secret, &p->sealed, &rq->why);
    p->row.seal_name = name;
    p->row.secret = buf_str(&p->sealed);
    return err;
}

static const char *kind_at(const void *ctx, size_t i)
{
    (void)ctx;
    return hook_kind_names[i];
}

static enum err read_kinds(const struct field_texts *words, uint32_t *ret, struct why *why)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < words->n; i++) {
        enum hook_kind k = hook_kind_parse(words->at[i]);
        const char *near = k < HOOK_KIND_TEST ? NULL : nearest_name(words->at[i], kind_at, NULL);

        if (k >= HOOK_KIND_TEST)
            return why_set(why, ERR_INVALID, "kinds", "kinds: '%s' is nothing that a hook hears of%s%s%s",
                           words->at[i],
                           near != NULL ? "; did you mean '" : "; `wrata help hooks` lists what is",
                           near != NULL ? near : "", near != NULL ? "'?" : "");
        found |= 1u << k;
    }
    *ret = found;
    return ERR_OK;
}

/* What the body says goes over what is there. */
static enum err merge(struct req *rq, struct hook_row *row)
{
    const struct hook_body *in = rq->body;

    if (in->name != NULL)
        row->name = in->name;
    if (in->url != NULL)
        row->url = in->url;
    if (in->repository != NULL)
        row->repository = in->repository;
    if (in->project >= 0)
        row->project.v = (uint64_t)in->project;
    if (in->all >= 0)
        row->is_all = in->all == 1;
    if (in->enabled >= 0)
        row->is_enabled = in->enabled == 1;
    if (row->is_enabled)
        row->reason = "";
    return in->kinds.n > 0 ? read_kinds(&in->kinds, &row->kinds, &rq->why) : ERR_OK;
}

static enum err check_webhook(struct req *rq, struct hook_row *row)
{
    uint32_t for_admins = 0;
    char kinds[HOOK_KINDS_BYTES];

    for (int k = 0; k < HOOK_KIND_COUNT; k++) {
        if (hook_kind_is_for_admins((enum hook_kind)k))
            for_admins |= 1u << k;
    }
    if (row->url[0] == '\0')
        return why_set(&rq->why, ERR_INVALID, "url", "url: it is missing");
    if (row->repository[0] != '\0')
        return why_set(&rq->why, ERR_INVALID, "repository", "repository: is for hooks of type github");
    if (row->kinds == 0)
        return why_set(&rq->why, ERR_INVALID, "kinds", "kinds: at least one is needed");
    if (row->is_all && rq->who.role < ROLE_ADMIN)
        return why_set(&rq->why, ERR_DENIED, "all", "all: everybody's launches are for admins");
    if (!row->is_all && (row->kinds & for_admins) != 0) {
        hook_kinds_write(row->kinds & for_admins, kinds, sizeof(kinds));
        return why_set(&rq->why, ERR_INVALID, "kinds",
                       "kinds: %.150s: only hooks with all: true hear of these", kinds);
    }
    if (rq->api->opts.hook_url_check == NULL)
        return http_url_check("url", row->url, &rq->why);
    return rq->api->opts.hook_url_check(rq->api->opts.ctx, row->url, &rq->why);
}

static enum err check_github(struct req *rq, struct hook_row *row)
{
    const char *fault = row->repository[0] != '\0' ? hook_repository_fault(row->repository) : NULL;
    const struct hook_body *in = rq->body;

    if (in->all == 0)
        return why_set(&rq->why, ERR_INVALID, "all", "all: a hook of type github is of everybody's launches");
    row->kinds = 1u << HOOK_KIND_LAUNCH_STARTED | 1u << HOOK_KIND_LAUNCH_ENDED;
    row->is_all = true;
    if (rq->who.role < ROLE_ADMIN)
        return why_set(&rq->why, ERR_DENIED, "type", "type: hooks of type github are for admins");
    if (row->url[0] != '\0')
        return why_set(&rq->why, ERR_INVALID, "url",
                       "url: is for webhooks; the setting github_url says where GitHub is");
    if (row->project.v == 0)
        return why_set(&rq->why, ERR_INVALID, "project", "project: a hook of type github needs one");
    if (fault != NULL)
        return why_set(&rq->why, ERR_INVALID, "repository", "repository: '%.100s' %s", row->repository,
                       fault);
    return ERR_OK;
}

static void made_job(struct reader *r, struct req *rq);

void hooks_gone(struct api *a, uint64_t hook)
{
    if (a->opts.hook_gone != NULL && !a->is_closed)
        a->opts.hook_gone(a->opts.ctx, hook);
}

static void on_put(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct put *p = rq->state;

    if (rq->http != NULL && !rq->api->is_closed) {
        rq->ids[0] = p->id;
        if (err != ERR_OK)
            req_error(rq, why);
        else
            req_read(rq, made_job, NULL);
    }
    if (err == ERR_OK && rq->api->opts.hooks_changed != NULL && !rq->api->is_closed)
        rq->api->opts.hooks_changed(rq->api->opts.ctx);
    if (err == ERR_OK && !p->row.is_enabled)
        hooks_gone(rq->api, p->id);
    req_release(rq);
}

static void each_made(void *ctx, const struct hook_row *row)
{
    struct req *rq = ctx;
    const struct put *p = rq->state;

    render_hook(rq, row, p->secret);
}

static void made_job(struct reader *r, struct req *rq)
{
    rq->err = read_hook(r, rq->ids[0], each_made, rq, &rq->why);
}

/* The row is whole: check and save it. */
static void put_row(struct req *rq)
{
    const struct hook_body *in = rq->body;
    struct put *p = rq->state;
    enum err err = merge(rq, &p->row);

    if (err == ERR_OK)
        err = p->row.type == HOOK_GITHUB ? check_github(rq, &p->row) : check_webhook(rq, &p->row);
    if (err == ERR_OK && p->row.type == HOOK_WEBHOOK && (p->row.secret[0] == '\0' || in->new_secret))
        err = seal_secret(rq, p);
    if (err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    p->id = p->row.id;
    req_hold(rq);
    store_hook_put(rq->api->opts.store, &p->row, &p->id, on_put, rq);
}

static void find_project(struct reader *r, struct req *rq)
{
    const struct hook_body *in = rq->body;
    enum err err = ERR_OK;

    if (in->project > 0)
        err = read_project(r, (struct project_id){(uint64_t)in->project}, NULL, NULL, &rq->why);
    if (err == ERR_NOTFOUND)
        err = why_set(&rq->why, ERR_INVALID, "project", "project: there is no project %lld",
                      (long long)in->project);
    rq->err = err;
}

static void on_found(struct req *rq)
{
    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else
        put_row(rq);
}

static struct put *put_new(struct req *rq)
{
    struct put *p = arena_alloc(&rq->arena, sizeof(*p));

    *p = (struct put){.row = {.name = "",
                              .url = "",
                              .repository = "",
                              .seal_name = "",
                              .secret = "",
                              .reason = "",
                              .last_error = "",
                              .user = rq->who.user,
                              .is_enabled = true,
                              .created_at = wall_now()}};
    buf_init(&p->sealed, KIB(4));
    rq->state = p;
    rq->on_free = put_free;
    return p;
}

static bool may_have(struct req *rq)
{
    int who = rq->api->opts.hooks_for;

    if (who == HOOKS_FOR_NOBODY)
        req_fail(rq, ERR_CONFLICT, NULL, "there are no hooks here: the setting `hooks` is off");
    else if (who == HOOKS_FOR_ADMINS && rq->who.role < ROLE_ADMIN)
        req_fail(rq, ERR_DENIED, NULL, "hooks are for admins here: the setting `hooks` says so");
    else
        return true;
    return false;
}

static void hooks_add(struct req *rq)
{
    const struct hook_body *in = rq->body;
    struct put *p;

    if (!may_have(rq))
        return;
    p = put_new(rq);
    p->row.type = (enum hook_type)in->type;
    audit_say(rq, NULL, "%s %.60s%s", hook_type_name(p->row.type), in->name,
              in->all == 1 ? ", everybody's" : "");
    req_read(rq, find_project, on_found);
}

static void take_row(void *ctx, const struct hook_row *row)
{
    struct req *rq = ctx;
    struct put *p = rq->state;

    hook_row_keep(&rq->arena, row, &p->row);
}

static void edit_job(struct reader *r, struct req *rq)
{
    find_project(r, rq);
    if (rq->err == ERR_OK)
        rq->err = read_hook(r, rq->ids[0], take_row, rq, &rq->why);
}

static void hooks_edit(struct req *rq)
{
    const struct hook_body *in = rq->body;

    if (in->enabled == 1 && !may_have(rq))
        return;
    audit_say(rq, NULL, "%s%s%s%s", in->name != NULL ? in->name : "", in->url != NULL ? " another url" : "",
              in->new_secret ? " another secret" : "",
              in->enabled == 1   ? " enabled"
              : in->enabled == 0 ? " disabled"
                                 : "");
    (void)put_new(rq);
    req_read(rq, edit_job, on_found);
}

static void on_deleted(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;

    if (err == ERR_OK)
        hooks_gone(rq->api, rq->ids[0]);
    if (rq->http != NULL && !rq->api->is_closed) {
        if (err != ERR_OK)
            req_error(rq, why);
        else
            answer_nothing(rq);
    }
    req_release(rq);
}

static void hooks_delete(struct req *rq)
{
    req_hold(rq);
    store_hook_delete(rq->api->opts.store, rq->ids[0], on_deleted, rq);
}

/* ---- deliveries ---- */

static void render_delivery(struct json_out *j, const struct delivery_row *row, bool is_whole)
{
    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_kuint(j, "hook", row->hook);
    jo_ktext(j, "kind", hook_kind_name(row->kind));
    jo_ktext(j, "state", delivery_state_name(row->state));
    jo_kuint(j, "object", row->object);
    jo_kuint(j, "count", row->n);
    jo_ktime(j, "at", row->at);
    jo_ktime(j, "next_at", row->state == DELIVERY_WAITING ? row->next_at : (struct wall){0});
    jo_ktime(j, "ended_at", row->ended_at);
    jo_kuint(j, "tries", row->tries);
    jo_kint_if(j, "status", row->status != 0, (int64_t)row->status);
    jo_kint_if(j, "took_ms", row->tries > 0, (int64_t)row->took_ms);
    jo_ktext_or_null(j, "error", row->error);
    jo_ktext(j, "answer", row->answer);
    if (is_whole)
        jo_ktext(j, "body", row->body);
    jo_obj_end(j);
}

static void each_delivery(void *ctx, const struct delivery_row *row)
{
    struct req *rq = ctx;

    render_delivery(&rq->render.j, row, false);
}

static void whole_delivery(void *ctx, const struct delivery_row *row)
{
    struct req *rq = ctx;

    render_delivery(&rq->render.j, row, true);
}

static const char *const states[] = {"waiting", "delivered", "failed", NULL};
_Static_assert(ARRAY_LEN(states) == DELIVERY_STATE_COUNT + 1, "a name for each state, in their order");

struct deliveries_query {
    struct page_query page;
    int state; /* -1 any */
};

static const struct field deliveries_fields[] = {
    PAGE_FIELDS(struct deliveries_query),
    {.name = "state",
     .type = FIELD_ENUM,
     .offset = offsetof(struct deliveries_query, state),
     .names = states,
     .help = "only deliveries in this state"},
    {.type = FIELD_END},
};
static const struct deliveries_query deliveries_preset = {.page = PAGE_PRESET, .state = -1};

static void deliveries_job(struct reader *r, struct req *rq)
{
    const struct deliveries_query *q = rq->query;
    struct page page = page_of(&q->page);

    page_begin(rq);
    rq->err = read_hook(r, rq->ids[0], NULL, NULL, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = read_deliveries(r, rq->ids[0], q->state, &page, each_delivery, rq, &rq->why);
    page_end(rq, &page);
}

static void deliveries_list(struct req *rq)
{
    req_read(rq, deliveries_job, NULL);
}

static void delivery_job(struct reader *r, struct req *rq)
{
    rq->err = read_delivery(r, rq->ids[0], whole_delivery, rq, &rq->why);
}

static void deliveries_one(struct req *rq)
{
    req_read(rq, delivery_job, NULL);
}

/* ---- trying ---- */

static void on_tried(void *ctx)
{
    struct req *rq = ctx;

    if (rq->http != NULL && !rq->api->is_closed)
        req_read(rq, delivery_job, NULL);
    req_release(rq);
}

struct testing {
    uint64_t delivery;
};

/* It waits for the first try: whoever asked wants to see what the receiver says. */
static void on_test(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    const struct testing *t = rq->state;
    struct api *a = rq->api;
    uint64_t hook;

    if (err != ERR_OK || a->is_closed || a->opts.hook_wait == NULL) {
        if (rq->http != NULL && !a->is_closed)
            req_error(rq, why);
        req_release(rq);
        return;
    }
    hook = rq->ids[0];
    rq->ids[0] = t->delivery;
    a->opts.hook_wait(a->opts.ctx, hook, t->delivery, on_tried, rq); /* may have ended `rq` */
    a->opts.hooks_changed(a->opts.ctx);
}

static void hooks_test(struct req *rq)
{
    struct testing *t = arena_alloc(&rq->arena, sizeof(*t));

    if (!may_have(rq))
        return;
    rq->state = t;
    req_hold(rq);
    store_hook_test(rq->api->opts.store, rq->ids[0], wall_now(), &t->delivery, on_test, rq);
}

static void on_retry(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct api *a = rq->api;

    if (err == ERR_OK && !a->is_closed) {
        a->opts.hooks_changed(a->opts.ctx);
        if (rq->http != NULL)
            req_read(rq, delivery_job, NULL);
    } else if (rq->http != NULL && !a->is_closed) {
        req_error(rq, why);
    }
    req_release(rq);
}

static void deliveries_retry(struct req *rq)
{
    req_hold(rq);
    store_delivery_retry(rq->api->opts.store, rq->ids[0], wall_now(), on_retry, rq);
}

void api_set_hooks(struct api *a, int hooks_for)
{
    a->opts.hooks_for = hooks_for;
}

#define PUT(fields_) BODY(fields_, struct hook_body), .body_preset = &body_preset

const struct route hook_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/hooks", hooks_list, "The own hooks, oldest first.", "page of hook"),
     .query = hooks_query_fields, .query_bytes = sizeof(struct hooks_query)},
    {ROUTE(POST, HOOK, "/api/v1/hooks", hooks_add, "Make a hook; its secret is in this answer alone.",
           "new_hook"),
     .audit = "hook.add", .status = 201, PUT(add_fields)},
    {ROUTE(GET, OWN_HOOK_LOOK, "/api/v1/hooks/{hook}", hooks_one, "One hook.", "hook")},
    {ROUTE(POST, OWN_HOOK, "/api/v1/hooks/{hook}", hooks_edit,
           "Change what the body names; what failed so far is forgotten.", "new_hook"),
     .audit = "hook.edit", PUT(edit_fields)},
    {ROUTE(DELETE, OWN_HOOK, "/api/v1/hooks/{hook}", hooks_delete, "Remove it, and what waits for it.",
           "nothing"),
     .audit = "hook.delete"},
    {ROUTE(POST, OWN_HOOK, "/api/v1/hooks/{hook}/test", hooks_test,
           "Send it a delivery of kind test at once, and answer what became of the first try.",
           "whole_delivery"),
     .audit = "hook.test", .status = 201},
    {ROUTE(GET, OWN_HOOK_LOOK, "/api/v1/hooks/{hook}/deliveries", deliveries_list,
           "What was sent to it and what waits, newest first; 14 days and 1000 of what is over.",
           "page of delivery"),
     .query = deliveries_fields, .query_bytes = sizeof(struct deliveries_query),
     .query_preset = &deliveries_preset},
    {ROUTE(GET, OWN_DELIVERY_LOOK, "/api/v1/deliveries/{delivery}", deliveries_one,
           "One delivery, with what is sent and the beginning of the answer.", "whole_delivery")},
    {ROUTE(POST, OWN_DELIVERY, "/api/v1/deliveries/{delivery}/retry", deliveries_retry,
           "Send it now, whatever became of it, with the same id.", "whole_delivery"),
     .audit = "delivery.retry"},
    ROUTES_END,
};
