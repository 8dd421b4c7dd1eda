/* projects.c - projects: the rows, and keeping their mirrors up to date.
 *
 * A mirror is fetched when somebody asks, before a launch when it is old, and in the background when it is as old as its
 * project says. One fetch per project at a time: whoever asks meanwhile waits for the next one, since what was pushed just
 * before may be missing in the one that runs. What came of it is in the row, so a list that could not be refreshed is
 * shown with its age and the error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/api_private.h"
#include "base/log.h"
#include "model/git_url.h"

#define LOOK_MS 30000 /* between looks for mirrors that are due */
#define BACKGROUND_MAX 2
#define PRUNE_MS (24 * 3600 * 1000)
#define BUNDLE_KEPT_MS (INT64_C(30) * 24 * 3600 * 1000) /* so long its launches can be run again */

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
    struct waiter
        *later; /* asked while a fetch ran: what was pushed before they asked may be missing in it */
    struct arena later_arena; /* of `later_row` */
    struct project_row *later_row;
    struct mono fetched_at; /* the last time, when it went well; 0: it did not */
    struct mono pruned_at;  /* 0 not yet */
    struct wall asked_at;   /* the last try */
    bool is_busy;
    bool is_background;
    bool is_deleted;
    enum err err;
    struct why why;
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
    arena_init(&ps->later_arena);
    HASH_ADD(hh, a->projects, id, sizeof(ps->id), ps);
    return ps;
}

static void state_free(struct api *a, struct project_state *ps)
{
    HASH_DEL(a->projects, ps);
    arena_done(&ps->arena);
    arena_done(&ps->later_arena);
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

static void fetch(struct project_state *ps, const struct project_row *row);

/* The fetch that those wait for who asked while the last one ran. */
static void fetch_again(struct project_state *ps)
{
    ps->waiters = ps->later;
    ps->later = NULL;
    fetch(ps, ps->later_row);
    ps->later_row = NULL;
    arena_reset(&ps->later_arena);
}

static void tell_waiters(struct project_state *ps)
{
    struct api *a = ps->api;
    struct waiter *w = ps->waiters;
    struct waiter **end = &ps->waiters;

    if (ps->is_deleted && ps->later != NULL) { /* there is nothing more to fetch for them */
        while (*end != NULL)
            end = &(*end)->next;
        *end = ps->later;
        ps->later = NULL;
        w = ps->waiters;
    }
    ps->waiters = NULL;
    ps->is_busy = false;
    ps->row = NULL;
    arena_reset(&ps->arena); /* before the waiters: one may start the next fetch */
    if (ps->later != NULL)
        fetch_again(ps);
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

/* ---- commits that bundles brought, and nobody needs ---- */

struct pruning {
    struct api *api;
    struct project_id id;
    struct arena arena;
    const char **keep;
    uint32_t n_keep, cap_keep;
    enum err err;
};

static void keep_commit(void *ctx, const char *commit)
{
    struct pruning *p = ctx;

    if (p->n_keep == p->cap_keep) {
        p->cap_keep = p->cap_keep * 2 + 16;
        p->keep = xrealloc(p->keep, p->cap_keep * sizeof(*p->keep));
    }
    p->keep[p->n_keep++] = arena_strdup(&p->arena, commit);
}

static void pruning_job(struct reader *r, void *arg)
{
    struct pruning *p = arg;
    struct why why;

    p->err = read_living_commits(r, p->id, keep_commit, p, &why);
}

static void pruning_done(void *arg)
{
    struct pruning *p = arg;
    struct api *a = p->api;

    if (p->err == ERR_OK && !a->is_closed)
        projects_prune(a->opts.projects, p->id, (struct wall){wall_now().ms - BUNDLE_KEPT_MS}, p->keep,
                       p->n_keep, NULL, NULL);
    arena_done(&p->arena);
    free(p->keep);
    free(p);
    api_unhold(a);
}

/* Once a day, after a fetch, well or not. */
static void prune_sometimes(struct project_state *ps)
{
    struct pruning *p;

    if (ps->is_deleted || ps->api->is_closed ||
        (ps->pruned_at.us != 0 && mono_ms_between(ps->pruned_at, mono_now()) < PRUNE_MS))
        return;
    ps->pruned_at = mono_now();
    p = xcalloc(1, sizeof(*p));
    p->api = ps->api;
    p->id.v = ps->id;
    arena_init(&p->arena);
    api_hold(p->api);
    store_read(p->api->opts.store, pruning_job, pruning_done, p);
}

static void on_row_put(void *ctx, enum err err, const struct why *why)
{
    struct project_state *ps = ctx;

    if (err != ERR_OK && ps->err == ERR_OK) {
        ps->err = err;
        ps->why = *why;
    }
    prune_sometimes(ps);
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
    ps->fetched_at = err == ERR_OK ? mono_now() : (struct mono){0};
    if (err != ERR_OK)
        LOG_WARN("project.refresh", "project=%llu failed=1", (unsigned long long)ps->id);
    store_project_fetched(ps->api->opts.store, (struct project_id){ps->id},
                          err == ERR_OK ? wall_now() : (struct wall){0}, err == ERR_OK ? "" : ps->why.text,
                          on_row_put, ps);
}

void project_refresh(struct api *a, const struct project_row *row, project_done_fn *done, void *ctx)
{
    struct project_state *ps = state_make(a, row->id);

    if (done != NULL) {
        struct waiter **list = ps->is_busy ? &ps->later : &ps->waiters;
        struct waiter *w = xcalloc(1, sizeof(*w));

        w->done = done;
        w->ctx = ctx;
        w->next = *list;
        *list = w;
        if (ps->is_busy) {
            arena_reset(&ps->later_arena);
            ps->later_row = project_copy(&ps->later_arena, row);
        }
    }
    if (!ps->is_busy)
        fetch(ps, row);
}

static void fetch(struct project_state *ps, const struct project_row *row)
{
    ps->is_busy = true;
    ps->asked_at = wall_now();
    ps->row = project_copy(&ps->arena, row);
    api_hold(ps->api);
    projects_refresh(ps->api->opts.projects, row->id, ps->row->url, on_fetched, ps);
}

bool project_is_fresh(const struct api *a, struct project_id id, int64_t ms)
{
    const struct project_state *ps = state_get(a, id);

    return ps != NULL && ps->fetched_at.us != 0 && mono_ms_between(ps->fetched_at, mono_now()) < ms;
}

const char *project_old_note(struct arena *arena, const struct project_row *row, const char *ref,
                             const char *why)
{
    time_t at = (time_t)(row->refreshed_at.ms / 1000);
    char date[32];
    struct tm tm;

    (void)gmtime_r(&at, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
    return arena_printf(arena, "%s%s is as it was fetched at %s; it could not be fetched for this launch: %s",
                        ref, ref[0] != '\0' ? "" : "the default branch", date, why);
}

/* ---- in the background ---- */

struct look {
    struct api *api;
    struct arena arena;
    struct due {
        struct project_row *row;
        struct wall tried_at; /* the last fetch, well or not */
    } * due;
    unsigned n_due, cap_due;
    struct wall now;
};

static void look_at(void *ctx, const struct project_row *row)
{
    struct look *look = ctx;

    if (row->refresh_s == 0 || look->now.ms - row->refreshed_at.ms < (int64_t)row->refresh_s * 1000)
        return;
    if (look->n_due == look->cap_due) {
        look->cap_due = look->cap_due * 2 + 16;
        look->due = xrealloc(look->due, look->cap_due * sizeof(*look->due));
    }
    look->due[look->n_due++] = (struct due){project_copy(&look->arena, row), row->refreshed_at};
}

static void look_job(struct reader *r, void *arg)
{
    struct look *look = arg;
    struct why why;

    if (read_projects(r, look_at, look, &why) != ERR_OK)
        LOG_WARN("project.look", "failed=1");
}

static int by_age(const void *va, const void *vb)
{
    const struct due *a = va;
    const struct due *b = vb;

    return a->tried_at.ms < b->tried_at.ms ? -1 : a->tried_at.ms > b->tried_at.ms;
}

/* Those whose last try is longest ago, so that some that always fail do not keep the others from their turn. */
static void refresh_due(struct look *look)
{
    struct api *a = look->api;
    unsigned n = 0;

    for (unsigned i = 0; i < look->n_due; i++) {
        const struct project_state *ps = state_get(a, look->due[i].row->id);

        if (ps != NULL && ps->asked_at.ms > look->due[i].tried_at.ms)
            look->due[i].tried_at = ps->asked_at;
    }
    if (look->n_due > 1)
        qsort(look->due, look->n_due, sizeof(*look->due), by_age);
    for (unsigned i = 0; i < look->n_due && n < BACKGROUND_MAX; i++) {
        const struct due *due = &look->due[i];
        const struct project_state *ps = state_get(a, due->row->id);

        if ((ps != NULL && ps->is_busy) ||
            look->now.ms - due->tried_at.ms < (int64_t)due->row->refresh_s * 1000)
            continue;
        project_refresh(a, due->row, NULL, NULL);
        n++;
    }
}

static void look_done(void *arg)
{
    struct look *look = arg;
    struct api *a = look->api;

    if (!a->is_closed)
        refresh_due(look);
    arena_done(&look->arena);
    free(look->due);
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
    const char *name; /* NULL in an edit: as it is */
    const char *url;
    int64_t refresh_s; /* -1 as it is */
};

#define BODY_FIELDS(flags_)                                                                           \
    {.name = "name",                                                                                  \
     .type = FIELD_TEXT,                                                                              \
     .offset = offsetof(struct project_body, name),                                                   \
     .flags = (flags_),                                                                               \
     .min = 1,                                                                                        \
     .max = NAME_BYTES_MAX,                                                                           \
     .help = "a name for people; unique"},                                                            \
        {.name = "url",                                                                               \
         .type = FIELD_TEXT,                                                                          \
         .offset = offsetof(struct project_body, url),                                                \
         .flags = (flags_),                                                                           \
         .min = 1,                                                                                    \
         .max = URL_BYTES_MAX,                                                                        \
         .help = "of a git repository, as git clone takes it; or owner/name of the git host"},        \
    {                                                                                                 \
        .name = "refresh_s", .type = FIELD_INT, .offset = offsetof(struct project_body, refresh_s),   \
        .min = 0, .max = PROJECT_REFRESH_S_MAX,                                                       \
        .help = "seconds between fetches in the background, at least 30; 0: only when somebody asks", \
        .preset = "300; in a change as it is"                                                         \
    }

static const struct field body_fields[] = {BODY_FIELDS(FIELD_REQUIRED), {.type = FIELD_END}};
static const struct field edit_fields[] = {BODY_FIELDS(0), {.type = FIELD_END}};
static const struct project_body body_preset = {.refresh_s = -1};

/* false: refused. */
static bool body_is_fine(struct req *rq)
{
    const struct project_body *in = rq->body;
    char url[URL_BYTES_MAX + GIT_HOST_BYTES];
    struct why why = {0};

    if (in->name != NULL && in->name[0] == '-') {
        req_fail(rq, ERR_INVALID, "name", "name: '%.60s' may not begin with a dash", in->name);
        return false;
    }
    if (in->url != NULL &&
        project_url(in->url, projects_git_host(rq->api->opts.projects), url, sizeof(url), &why) != ERR_OK) {
        req_error(rq, &why);
        return false;
    }
    if (in->refresh_s > 0 && in->refresh_s < PROJECT_REFRESH_S_MIN) {
        req_fail(rq, ERR_INVALID, "refresh_s", "refresh_s: %lld is neither 0 nor at least %u",
                 (long long)in->refresh_s, PROJECT_REFRESH_S_MIN);
        return false;
    }
    return true;
}

/* A row that is on its way into the store. Lives in the request's arena. */
struct adding {
    struct project_row row;
    uint64_t id;
    bool fetch; /* what its url names is not what the mirror has */
};

/* A fetch of the old url runs: when it is over, the new one is fetched. */
struct again {
    struct api *api;
    struct arena arena;
    struct project_row *row;
};

static void on_old_fetched(void *ctx, enum err err, const struct why *why)
{
    struct again *again = ctx;

    (void)err;
    (void)why;
    if (!again->api->is_closed)
        project_refresh(again->api, again->row, NULL, NULL);
    arena_done(&again->arena);
    free(again);
}

static void fetch_anew(struct api *a, const struct project_row *row)
{
    struct project_state *ps = state_get(a, row->id);
    struct again *again;

    if (ps != NULL)
        ps->fetched_at = (struct mono){0}; /* it was another one's */
    if (ps == NULL || !ps->is_busy) {
        project_refresh(a, row, NULL, NULL);
        return;
    }
    again = xcalloc(1, sizeof(*again));
    again->api = a;
    arena_init(&again->arena);
    again->row = project_copy(&again->arena, row);
    project_refresh(a, row, on_old_fetched, again);
}

static void on_put(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct adding *adding = rq->state;

    adding->row.id.v = adding->id;
    if (err == ERR_OK && adding->fetch && !rq->api->is_closed)
        fetch_anew(rq->api, &adding->row);
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

    if (!body_is_fine(rq))
        return;
    audit_say(rq, NULL, "%s", in->name);
    adding->row =
        (struct project_row){.name = in->name,
                             .url = in->url,
                             .created_at = wall_now(),
                             .error = "",
                             .refresh_s = in->refresh_s >= 0 ? (uint32_t)in->refresh_s : PROJECT_REFRESH_S};
    adding->fetch = true;
    rq->state = adding;
    req_hold(rq);
    store_project_put(rq->api->opts.store, &adding->row, &adding->id, on_put, rq);
}

/* ---- what needs the row first ---- */

static void take_row(void *ctx, const struct project_row *row)
{
    struct req *rq = ctx;

    rq->state = project_copy(&rq->arena, row);
}

void project_row_job(struct reader *r, struct req *rq)
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

static void on_row_to_edit(struct req *rq)
{
    const struct project_body *in = rq->body;
    struct adding *adding;

    if (!has_row(rq))
        return;
    adding = arena_alloc(&rq->arena, sizeof(*adding));
    adding->row = *(const struct project_row *)rq->state;
    adding->id = adding->row.id.v;
    adding->fetch = in->url != NULL && strcmp(in->url, adding->row.url) != 0;
    if (in->name != NULL)
        adding->row.name = in->name;
    if (in->url != NULL)
        adding->row.url = in->url;
    if (in->refresh_s >= 0)
        adding->row.refresh_s = (uint32_t)in->refresh_s;
    audit_say(rq, NULL, "%s", adding->row.name);
    rq->state = adding;
    req_hold(rq);
    store_project_put(rq->api->opts.store, &adding->row, &adding->id, on_put, rq);
}

static void projects_edit(struct req *rq)
{
    if (body_is_fine(rq))
        req_read(rq, project_row_job, on_row_to_edit);
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
    req_read(rq, project_row_job, on_row_to_delete);
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
    req_read(rq, project_row_job, on_row_to_refresh);
}

const struct route project_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/projects", projects_list, "All projects.", "page of project"),
     .query = list_fields, .query_bytes = sizeof(struct list_query), .query_preset = &list_preset},
    {ROUTE(POST, ADMIN, "/api/v1/projects", projects_add,
           "Add a project; its mirror is made in the background.", "project"),
     .audit = "project.add", .status = 201, .body_kind = BODY_JSON, .body = body_fields,
     .body_bytes = sizeof(struct project_body), .body_preset = &body_preset},
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}", projects_one, "One project.", "project")},
    {ROUTE(POST, ADMIN, "/api/v1/projects/{project}", projects_edit,
           "Change what the body names; with another url it is fetched anew.", "project"),
     .audit = "project.edit", .body_kind = BODY_JSON, .body = edit_fields,
     .body_bytes = sizeof(struct project_body), .body_preset = &body_preset},
    {ROUTE(DELETE, ADMIN, "/api/v1/projects/{project}", projects_delete, "Remove a project; history stays.",
           "nothing"),
     .audit = "project.remove"},
    {ROUTE(POST, WORK, "/api/v1/projects/{project}/refresh", projects_do_refresh,
           "Fetch now; answers when done.", "project"),
     .audit = "project.refresh"},
    ROUTES_END,
};
