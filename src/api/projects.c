/* projects.c - projects: the rows, and keeping their mirrors up to date.
 *
 * A mirror is fetched when somebody asks, before a launch when it is old, and every REFRESH_MS in the background.
 * One fetch per project at a time: whoever asks meanwhile waits for the one that runs. What came of it is in the
 * row, so a list that could not be refreshed is shown with its age and the error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_private.h"
#include "base/log.h"
#include "model/git_url.h"

#define REFRESH_MS (5 * 60 * 1000)
#define LOOK_MS 30000 /* between looks for mirrors that are due */
#define BACKGROUND_MAX 2

/* ---- the fetch of one project ---- */

struct waiter {
    struct waiter *next;
    project_done_fn *done;
    void *ctx;
};

struct project_state {
    UT_hash_handle hh;
    uint64_t id;
    struct api *api;
    struct arena arena; /* of `row` */
    struct project_row *row;
    struct waiter *waiters;
    struct mono fetched_at; /* the last time it went well */
    struct wall asked_at;   /* the last try */
    bool is_busy;
    bool is_background;
    bool is_deleted;
    enum err err;
    struct why why;
    uint64_t put_id;
};

static struct project_state *state_get(const struct api *a, struct project_id id)
{
    struct project_state *ps;

    HASH_FIND(hh, a->projects, &id.v, sizeof(id.v), ps);
    return ps;
}

static struct project_state *state_make(struct api *a, struct project_id id)
{
    struct project_state *ps = state_get(a, id);

    if (ps != NULL)
        return ps;
    ps = xcalloc(1, sizeof(*ps));
    ps->id = id.v;
    ps->api = a;
    arena_init(&ps->arena);
    HASH_ADD(hh, a->projects, id, sizeof(ps->id), ps);
    return ps;
}

static void state_free(struct api *a, struct project_state *ps)
{
    HASH_DEL(a->projects, ps);
    arena_done(&ps->arena);
    free(ps);
}

void projects_clear(struct api *a)
{
    struct project_state *ps;
    struct project_state *next;

    HASH_ITER(hh, a->projects, ps, next) {
        state_free(a, ps);
    }
}

struct project_row *project_copy(struct arena *arena, const struct project_row *row)
{
    struct project_row *copy = arena_alloc(arena, sizeof(*copy));

    *copy = *row;
    copy->name = arena_strdup(arena, row->name);
    copy->url = arena_strdup(arena, row->url);
    copy->error = arena_strdup(arena, row->error);
    return copy;
}

static void tell_waiters(struct project_state *ps)
{
    struct api *a = ps->api;
    struct waiter *w = ps->waiters;

    ps->waiters = NULL;
    ps->is_busy = false;
    ps->row = NULL;
    arena_reset(&ps->arena); /* before the waiters: one may start the next fetch */
    while (w != NULL) {
        struct waiter *next = w->next;

        w->done(w->ctx, ps->err, &ps->why);
        free(w);
        w = next;
    }
    if (ps->is_deleted && !ps->is_busy)
        state_free(a, ps);
    api_unhold(a);
}

static void on_row_put(void *ctx, enum err err, const struct why *why)
{
    struct project_state *ps = ctx;

    if (err != ERR_OK && ps->err == ERR_OK) {
        ps->err = err;
        ps->why = *why;
    }
    tell_waiters(ps);
}

static void on_fetched(void *ctx, enum err err, const struct why *why)
{
    struct project_state *ps = ctx;

    ps->err = err;
    ps->why = err != ERR_OK ? *why : (struct why){0};
    if (ps->is_deleted || ps->api->is_closed) {
        tell_waiters(ps);
        return;
    }
    if (err == ERR_OK) {
        ps->fetched_at = mono_now();
        ps->row->refreshed_at = wall_now();
    } else {
        LOG_WARN("project.refresh", "project=%llu failed=1", (unsigned long long)ps->id);
    }
    ps->row->error = err == ERR_OK ? "" : ps->why.text;
    store_project_put(ps->api->opts.store, ps->row, &ps->put_id, on_row_put, ps);
}

void project_refresh(struct api *a, const struct project_row *row, project_done_fn *done, void *ctx)
{
    struct project_state *ps = state_make(a, row->id);

    if (done != NULL) {
        struct waiter *w = xcalloc(1, sizeof(*w));

        w->done = done;
        w->ctx = ctx;
        w->next = ps->waiters;
        ps->waiters = w;
    }
    if (ps->is_busy)
        return;
    ps->is_busy = true;
    ps->asked_at = wall_now();
    ps->row = project_copy(&ps->arena, row);
    api_hold(a);
    projects_refresh(a->opts.projects, row->id, ps->row->url, on_fetched, ps);
}

bool project_is_fresh(const struct api *a, struct project_id id, int64_t ms)
{
    const struct project_state *ps = state_get(a, id);

    return ps != NULL && ps->fetched_at.us != 0 && mono_ms_between(ps->fetched_at, mono_now()) < ms;
}

/* ---- in the background ---- */

struct look {
    struct api *api;
    struct arena arena;
    struct project_row *due[BACKGROUND_MAX];
    unsigned n_due;
    struct wall now;
};

static void look_at(void *ctx, const struct project_row *row)
{
    struct look *look = ctx;

    if (look->n_due < BACKGROUND_MAX && row->error[0] == '\0' &&
        look->now.ms - row->refreshed_at.ms >= REFRESH_MS)
        look->due[look->n_due++] = project_copy(&look->arena, row);
}

/* One whose last try failed waits its turn too: the row has no time of the try, the state has. */
static void look_at_failed(void *ctx, const struct project_row *row)
{
    struct look *look = ctx;

    if (look->n_due < BACKGROUND_MAX && row->error[0] != '\0')
        look->due[look->n_due++] = project_copy(&look->arena, row);
}

static void look_job(struct reader *r, void *arg)
{
    struct look *look = arg;
    struct why why;

    if (read_projects(r, look_at, look, &why) != ERR_OK ||
        read_projects(r, look_at_failed, look, &why) != ERR_OK)
        LOG_WARN("project.look", "failed=1");
}

static void look_done(void *arg)
{
    struct look *look = arg;
    struct api *a = look->api;

    for (unsigned i = 0; i < look->n_due && !a->is_closed; i++) {
        const struct project_state *ps = state_get(a, look->due[i]->id);

        if (ps == NULL || (!ps->is_busy && look->now.ms - ps->asked_at.ms >= REFRESH_MS))
            project_refresh(a, look->due[i], NULL, NULL);
    }
    arena_done(&look->arena);
    free(look);
    api_unhold(a);
}

static void on_look(uv_timer_t *t)
{
    struct api *a = t->data;
    struct look *look = xcalloc(1, sizeof(*look));

    look->api = a;
    look->now = wall_now();
    arena_init(&look->arena);
    api_hold(a);
    store_read(a->opts.store, look_job, look_done, look);
}

void projects_start(struct api *a)
{
    CHECK(uv_timer_init(a->opts.loop, &a->refresh_timer) == 0);
    a->refresh_timer.data = a;
    api_hold(a);
    CHECK(uv_timer_start(&a->refresh_timer, on_look, LOOK_MS, LOOK_MS) == 0);
}

static void on_timer_closed(uv_handle_t *h)
{
    api_unhold(h->data);
}

void projects_stop(struct api *a)
{
    uv_close((uv_handle_t *)&a->refresh_timer, on_timer_closed);
}

/* ---- rows ---- */

static void each_project(void *ctx, const struct project_row *row)
{
    struct req *rq = ctx;

    render_project(&rq->render.j, row);
}

void project_job(struct reader *r, struct req *rq)
{
    rq->err = read_project(r, (struct project_id){rq->ids[0]}, each_project, rq, &rq->why);
}

struct list_query {
    const char *remote;
};

static const struct field list_fields[] = {
    {.name = "remote",
     .type = FIELD_TEXT,
     .offset = offsetof(struct list_query, remote),
     .max = URL_BYTES_MAX,
     .help = "only projects of the repository that this url names; ssh and https are the same one"},
    {.type = FIELD_END},
};
static const struct list_query list_preset = {.remote = ""};

/* The key of `remote`, and what is needed to compare. In the request's arena. */
struct same {
    const char *git_host;
    char key[URL_BYTES_MAX + GIT_HOST_BYTES];
};

static void each_same(void *ctx, const struct project_row *row)
{
    struct req *rq = ctx;
    const struct same *same = rq->state;
    char key[sizeof(same->key)];

    if (git_url_key(row->url, same->git_host, key, sizeof(key)) && strcmp(key, same->key) == 0)
        render_project(&rq->render.j, row);
}

static void list_job(struct reader *r, struct req *rq)
{
    struct page none = {0};

    page_begin(rq);
    rq->err = read_projects(r, rq->state != NULL ? each_same : each_project, rq, &rq->why);
    page_end(rq, &none);
}

static void projects_list(struct req *rq)
{
    const struct list_query *q = rq->query;
    struct same *same;

    if (q->remote[0] != '\0') {
        same = arena_alloc(&rq->arena, sizeof(*same));
        same->git_host = arena_strdup(&rq->arena, projects_git_host(rq->api->opts.projects));
        if (!git_url_key(q->remote, same->git_host, same->key, sizeof(same->key))) {
            req_fail(rq, ERR_INVALID, "remote", "remote: '%.100s' is no url of a git repository", q->remote);
            return;
        }
        rq->state = same;
    }
    req_read(rq, list_job, NULL);
}

static void projects_one(struct req *rq)
{
    req_read(rq, project_job, NULL);
}

struct project_body {
    const char *name;
    const char *url;
};

static const struct field body_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct project_body, name),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = NAME_BYTES_MAX,
     .help = "a name for people; unique"},
    {.name = "url",
     .type = FIELD_TEXT,
     .offset = offsetof(struct project_body, url),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = URL_BYTES_MAX,
     .help = "of a git repository, as git clone takes it"},
    {.type = FIELD_END},
};

/* A row that is on its way into the store. Lives in the request's arena. */
struct adding {
    struct project_row row;
    uint64_t id;
};

static void on_added(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct adding *adding = rq->state;

    adding->row.id.v = adding->id;
    if (err == ERR_OK && !rq->api->is_closed)
        project_refresh(rq->api, &adding->row, NULL, NULL);
    if (rq->http != NULL && !rq->api->is_closed) {
        rq->ids[0] = adding->id;
        if (err != ERR_OK)
            req_error(rq, why);
        else
            req_read(rq, project_job, NULL);
    }
    req_release(rq);
}

static void projects_add(struct req *rq)
{
    const struct project_body *in = rq->body;
    struct adding *adding = arena_alloc(&rq->arena, sizeof(*adding));

    if (in->url[0] == '-' || in->name[0] == '-') {
        req_fail(rq, ERR_INVALID, in->url[0] == '-' ? "url" : "name", "it may not begin with a dash");
        return;
    }
    adding->row =
        (struct project_row){.name = in->name, .url = in->url, .created_at = wall_now(), .error = ""};
    rq->state = adding;
    req_hold(rq);
    store_project_put(rq->api->opts.store, &adding->row, &adding->id, on_added, rq);
}

/* ---- what needs the row first ---- */

static void take_row(void *ctx, const struct project_row *row)
{
    struct req *rq = ctx;

    rq->state = project_copy(&rq->arena, row);
}

static void row_job(struct reader *r, struct req *rq)
{
    rq->err = read_project(r, (struct project_id){rq->ids[0]}, take_row, rq, &rq->why);
}

/* A step that answers with an error, or goes on. */
static bool has_row(struct req *rq)
{
    if (rq->err == ERR_OK)
        return true;
    req_error(rq, &rq->why);
    return false;
}

void project_forget(struct api *a, struct project_id id)
{
    struct project_state *ps = state_get(a, id);

    if (a->is_closed)
        return;
    projects_remove(a->opts.projects, id);
    if (ps != NULL && ps->is_busy)
        ps->is_deleted = true;
    else if (ps != NULL)
        state_free(a, ps);
}

static void on_deleted(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct buf out;

    if (err == ERR_OK)
        project_forget(rq->api, (struct project_id){rq->ids[0]});
    if (err != ERR_OK) {
        req_error(rq, why);
    } else {
        buf_init(&out, KIB(1));
        buf_puts(&out, "{}");
        req_json(rq, 200, &out);
    }
    req_release(rq);
}

static void on_row_to_delete(struct req *rq)
{
    if (!has_row(rq))
        return;
    req_hold(rq);
    store_project_delete(rq->api->opts.store, (struct project_id){rq->ids[0]}, on_deleted, rq);
}

static void projects_delete(struct req *rq)
{
    req_read(rq, row_job, on_row_to_delete);
}

static void on_refreshed(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;

    (void)err; /* it stands in the row: "error" */
    (void)why;
    if (rq->http != NULL && !rq->api->is_closed)
        req_read(rq, project_job, NULL);
    req_release(rq);
}

static void on_row_to_refresh(struct req *rq)
{
    if (!has_row(rq))
        return;
    req_hold(rq);
    project_refresh(rq->api, rq->state, on_refreshed, rq);
}

static void projects_do_refresh(struct req *rq)
{
    req_read(rq, row_job, on_row_to_refresh);
}

/* ---- refs, tree, bundle ---- */

static void render_refs(struct json_out *j, const char *key, const struct git_ref *refs, uint32_t n)
{
    jo_karr(j, key);
    for (uint32_t i = 0; i < n; i++) {
        jo_obj(j);
        jo_ktext(j, "name", refs[i].name);
        jo_ktext(j, "commit", refs[i].commit);
        jo_ktime(j, "time", (struct wall){refs[i].time_s * 1000});
        jo_obj_end(j);
    }
    jo_arr_end(j);
}

static void on_refs(void *ctx, enum err err, const struct why *why, const struct git_refs *refs)
{
    struct req *rq = ctx;
    const struct project_row *row = rq->state;
    struct json_out j;
    struct buf out;

    if (rq->http != NULL && err != ERR_OK) {
        req_error(rq, why);
    } else if (rq->http != NULL) {
        buf_init(&out, RENDER_BYTES_MAX);
        jo_begin(&j, &out);
        jo_obj(&j);
        jo_ktime(&j, "refreshed_at", row->refreshed_at);
        jo_ktext_or_null(&j, "error", row->error);
        jo_ktext_or_null(&j, "head", refs->head);
        render_refs(&j, "branches", refs->branches, refs->n_branches);
        render_refs(&j, "tags", refs->tags, refs->n_tags);
        jo_obj_end(&j);
        req_json(rq, 200, &out);
    }
    req_release(rq);
}

static void refs_of(struct req *rq)
{
    req_hold(rq);
    projects_refs(rq->api->opts.projects, (struct project_id){rq->ids[0]}, on_refs, rq);
}

static void tree_of(struct req *rq);

static bool wants_refs(const struct req *rq)
{
    return rq->route->query == NULL;
}

static void go_on(struct req *rq)
{
    if (wants_refs(rq))
        refs_of(rq);
    else
        tree_of(rq);
}

static void after_second_row(struct req *rq)
{
    const struct project_row *row = rq->state;

    if (!has_row(rq))
        return;
    if (row->refreshed_at.ms == 0)
        req_fail(rq, ERR_BUSY, NULL, "%s", row->error[0] != '\0' ? row->error : "the mirror is not made yet");
    else
        go_on(rq);
}

static void on_first_fetch(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;

    (void)err;
    (void)why;
    if (rq->http != NULL && !rq->api->is_closed)
        req_read(rq, row_job, after_second_row);
    req_release(rq);
}

/* At first use the mirror is made; later what is there is shown, with its age. */
static void with_mirror(struct req *rq)
{
    const struct project_row *row = rq->state;

    if (!has_row(rq))
        return;
    if (row->refreshed_at.ms != 0) {
        go_on(rq);
        return;
    }
    req_hold(rq);
    project_refresh(rq->api, row, on_first_fetch, rq);
}

static void projects_refs_or_tree(struct req *rq)
{
    req_read(rq, row_job, with_mirror);
}

struct tree_query {
    const char *ref;
};

static const struct field tree_fields[] = {
    {.name = "ref",
     .type = FIELD_TEXT,
     .offset = offsetof(struct tree_query, ref),
     .max = 512,
     .help = "branch, tag or commit",
     .preset = "the default branch"},
    {.type = FIELD_END},
};
static const struct tree_query tree_preset = {.ref = ""};

static void on_tree(void *ctx, enum err err, const struct why *why, const char *commit,
                    const char *const *files, uint32_t n_files)
{
    struct req *rq = ctx;
    struct json_out j;
    struct buf out;

    if (rq->http != NULL && err != ERR_OK) {
        req_field_error(rq, why);
    } else if (rq->http != NULL) {
        buf_init(&out, RENDER_BYTES_MAX);
        jo_begin(&j, &out);
        jo_obj(&j);
        jo_ktext(&j, "commit", commit);
        jo_karr(&j, "files");
        for (uint32_t i = 0; i < n_files; i++)
            jo_text(&j, files[i]);
        jo_arr_end(&j);
        jo_obj_end(&j);
        req_json(rq, 200, &out);
    }
    req_release(rq);
}

static void tree_of(struct req *rq)
{
    const struct tree_query *q = rq->query;

    req_hold(rq);
    projects_tree(rq->api->opts.projects, (struct project_id){rq->ids[0]}, q->ref, on_tree, rq);
}

static void on_bundle(void *ctx, enum err err, const struct why *why, const char *const *commits, uint32_t n)
{
    struct req *rq = ctx;
    struct json_out j;
    struct buf out;

    if (rq->http != NULL && err != ERR_OK) {
        req_error(rq, why);
    } else if (rq->http != NULL) {
        buf_init(&out, MIB(64));
        jo_begin(&j, &out);
        jo_obj(&j);
        jo_karr(&j, "commits");
        for (uint32_t i = 0; i < n; i++)
            jo_text(&j, commits[i]);
        jo_arr_end(&j);
        jo_obj_end(&j);
        req_json(rq, 200, &out);
    }
    req_release(rq);
}

static void on_row_for_bundle(struct req *rq)
{
    const char *path;

    if (!has_row(rq))
        return;
    path = http_body_path(rq->http);
    if (path == NULL) {
        req_fail(rq, ERR_PROTO, NULL, "the body is empty and must be a git bundle");
        return;
    }
    req_hold(rq);
    projects_bundle(rq->api->opts.projects, (struct project_id){rq->ids[0]}, path, on_bundle, rq);
}

static void projects_take_bundle(struct req *rq)
{
    req_read(rq, row_job, on_row_for_bundle);
}

const struct route project_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/projects", projects_list, "All projects.", "page of project"),
     .query = list_fields, .query_bytes = sizeof(struct list_query), .query_preset = &list_preset},
    {ROUTE(POST, ADMIN, "/api/v1/projects", projects_add,
           "Add a project; its mirror is made in the background.", "project"),
     .audit = "project.add", .status = 201, .body_kind = BODY_JSON, .body = body_fields,
     .body_bytes = sizeof(struct project_body)},
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}", projects_one, "One project.", "project")},
    {ROUTE(DELETE, ADMIN, "/api/v1/projects/{project}", projects_delete, "Remove a project; history stays.",
           "nothing"),
     .audit = "project.remove"},
    {ROUTE(POST, WORK, "/api/v1/projects/{project}/refresh", projects_do_refresh,
           "Fetch now; answers when done.", "project"),
     .audit = "project.refresh"},
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}/refs", projects_refs_or_tree,
           "Branches and tags; develop, master, main first.", "refs")},
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}/tree", projects_refs_or_tree, "All files at a ref.",
           "tree"),
     .query = tree_fields, .query_bytes = sizeof(struct tree_query), .query_preset = &tree_preset},
    {ROUTE(POST, WORK, "/api/v1/projects/{project}/bundle", projects_take_bundle,
           "Bring commits as a git bundle.", "bundle"),
     .audit = "project.push", .body_kind = BODY_FILE, .body_max = BODY_BUNDLE_BYTES},
    ROUTES_END,
};
