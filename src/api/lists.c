/* lists.c - lists of files: make, edit, delete, launch. What one may read is its own and what others share. */
#include <string.h>

#include "api/account_common.h"
#include "model/rules.h"

#define LIST_WORDS_MAX 50u /* languages, browsers */

/* ---- reading ---- */

struct lists_query {
    struct page_query page;
};

static const struct field lists_query_fields[] = {
    PAGE_FIELDS(struct lists_query),
    {.type = FIELD_END},
};
static const struct lists_query lists_query_preset = {.page = PAGE_PRESET};

static void words(struct json_out *j, const char *key, const char *const *at, uint32_t n)
{
    jo_karr(j, key);
    for (uint32_t i = 0; i < n; i++)
        jo_text(j, at[i]);
    jo_arr_end(j);
}

static void render_list(struct req *rq, const struct list_row *row)
{
    struct json_out *j = &rq->render.j;

    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_ktext(j, "name", row->name);
    render_who(&rq->render, "user", row->user);
    jo_kobj(j, "project");
    jo_kuint(j, "id", row->project.v);
    jo_ktext(j, "name", row->project_name);
    jo_obj_end(j);
    jo_ktext(j, "ref", row->ref);
    jo_ktext(j, "location", row->location);
    words(j, "languages", row->languages, row->n_languages);
    words(j, "browsers", row->browsers, row->n_browsers);
    words(j, "env", row->env, row->n_env);
    jo_ktext(j, "order", launch_order_name(row->order));
    jo_kbool(j, "shared", row->is_shared);
    jo_kuint(j, "version", row->version);
    jo_ktime(j, "created_at", row->created_at);
    jo_ktime(j, "changed_at", row->changed_at);
    jo_kuint(j, "n_files", row->n_files);
    jo_kuint(j, "n_schedules", row->n_schedules);
    if (row->files != NULL)
        words(j, "files", row->files, row->n_files);
    jo_obj_end(j);
}

static bool may_read(const struct req *rq, const struct list_row *row)
{
    return row->is_shared || row->user.v == rq->who.user.v || rq->who.role == ROLE_ADMIN;
}

static void each_list(void *ctx, const struct list_row *row)
{
    render_list(ctx, row);
}

/* Somebody else's that is not shared is not there. */
static void one_list(void *ctx, const struct list_row *row)
{
    struct req *rq = ctx;

    if (may_read(rq, row))
        render_list(rq, row);
    else
        rq->err = why_set(&rq->why, ERR_NOTFOUND, NULL, "there is no list %llu", (unsigned long long)row->id);
}

static void list_job(struct reader *r, struct req *rq)
{
    enum err err = read_list(r, rq->ids[0], one_list, rq, &rq->why);

    if (err != ERR_OK)
        rq->err = err;
}

static void lists_job(struct reader *r, struct req *rq)
{
    const struct lists_query *q = rq->query;
    struct page p = page_of(&q->page);

    page_begin(rq);
    rq->err = read_lists(r, rq->who.user, &p, each_list, rq, &rq->why);
    page_end(rq, &p);
}

static void lists_all(struct req *rq)
{
    req_read(rq, lists_job, NULL);
}

static void lists_one(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

/* ---- making and changing ---- */

struct list_body {
    const char *name;
    struct field_int_or_text project;
    const char *ref;
    struct field_texts files;
    const char *location;
    struct field_texts languages;
    struct field_texts browsers;
    struct field_texts env;
    int order;
    int shared;
    bool replace;
    int64_t version;
};

static const char *const orders[] = {"as-given", "finish-soonest", NULL};

#define LIST_FIELDS(required_)                                                               \
    {.name = "name",                                                                         \
     .type = FIELD_TEXT,                                                                     \
     .offset = offsetof(struct list_body, name),                                             \
     .flags = (required_),                                                                   \
     .min = 1,                                                                               \
     .max = LIST_NAME_CHARS_MAX * 4,                                                         \
     .help = "1 to 80 characters, no two of one's lists the same"},                          \
        {.name = "project",                                                                  \
         .type = FIELD_INT_OR_TEXT,                                                          \
         .offset = offsetof(struct list_body, project),                                      \
         .flags = (required_),                                                               \
         .min = 1,                                                                           \
         .max = URL_BYTES_MAX,                                                               \
         .help = "id, name or URL of a project that is there"},                              \
        {.name = "ref",                                                                      \
         .type = FIELD_TEXT,                                                                 \
         .offset = offsetof(struct list_body, ref),                                          \
         .max = 512,                                                                         \
         .help = "branch, tag or commit",                                                    \
         .preset = "the default branch"},                                                    \
        {.name = "files",                                                                    \
         .type = FIELD_TEXTS,                                                                \
         .offset = offsetof(struct list_body, files),                                        \
         .flags = (required_),                                                               \
         .min = 1,                                                                           \
         .max = PATH_BYTES_MAX,                                                              \
         .items_max = LIST_FILES_MAX,                                                        \
         .help = "paths, folders or globs, in order"},                                       \
        {.name = "location",                                                                 \
         .type = FIELD_TEXT,                                                                 \
         .offset = offsetof(struct list_body, location),                                     \
         .max = URL_BYTES_MAX,                                                               \
         .help = "as a launch takes it"},                                                    \
        {.name = "languages",                                                                \
         .type = FIELD_TEXTS,                                                                \
         .offset = offsetof(struct list_body, languages),                                    \
         .min = 1,                                                                           \
         .max = NAME_BYTES_MAX,                                                              \
         .items_max = LIST_WORDS_MAX,                                                        \
         .help = "as a launch takes them"},                                                  \
        {.name = "browsers",                                                                 \
         .type = FIELD_TEXTS,                                                                \
         .offset = offsetof(struct list_body, browsers),                                     \
         .min = 1,                                                                           \
         .max = NAME_BYTES_MAX,                                                              \
         .items_max = LIST_WORDS_MAX,                                                        \
         .help = "as a launch takes them"},                                                  \
        {.name = "env",                                                                      \
         .type = FIELD_TEXTS,                                                                \
         .offset = offsetof(struct list_body, env),                                          \
         .flags = FIELD_LINES,                                                               \
         .min = 2,                                                                           \
         .max = ENV_LINE_BYTES_MAX,                                                          \
         .items_max = LAUNCH_ENV_MAX,                                                        \
         .help = "lines NAME=value; no secrets: who may read the list reads them"},          \
        {.name = "order",                                                                    \
         .type = FIELD_ENUM,                                                                 \
         .offset = offsetof(struct list_body, order),                                        \
         .names = orders,                                                                    \
         .help = "what runs first",                                                          \
         .preset = "as-given"},                                                              \
    {                                                                                        \
        .name = "shared", .type = FIELD_MAYBE, .offset = offsetof(struct list_body, shared), \
        .help = "every user may read and launch it", .preset = "false"                       \
    }

static const struct field new_fields[] = {
    LIST_FIELDS(FIELD_REQUIRED),
    {.name = "replace",
     .type = FIELD_BOOL,
     .offset = offsetof(struct list_body, replace),
     .help = "one's own list of this name, if there is one, becomes this",
     .preset = "false"},
    {.type = FIELD_END},
};

/* What is not given stays. */
static const struct field edit_fields[] = {
    LIST_FIELDS(0),
    {.name = "version",
     .type = FIELD_INT,
     .offset = offsetof(struct list_body, version),
     .min = 1,
     .max = INT64_MAX,
     .help = "the one that was seen: 409 when somebody has changed the list meanwhile"},
    {.type = FIELD_END},
};
static const struct list_body preset = {.order = -1, .shared = -1};

/* A change on its way. Lives in the request's arena. */
struct change_list {
    struct list_row row;
    bool has_row; /* it is there already */
    uint64_t version;
    uint64_t id;
};

static void take_row(void *ctx, const struct list_row *row)
{
    struct req *rq = ctx;
    struct change_list *c = rq->state;

    list_row_keep(&rq->arena, row, &c->row);
    c->has_row = true;
}

static void take_project(void *ctx, const struct project_row *row)
{
    struct change_list *c = ((struct req *)ctx)->state;

    c->row.project = row->id;
}

static enum err find_project(struct reader *r, struct req *rq, const struct field_int_or_text *p)
{
    enum err err;

    if (p->text == NULL && p->number == 0)
        return ERR_OK; /* not given */
    if (p->text == NULL)
        err = read_project(r, (struct project_id){(uint64_t)p->number}, take_project, rq, &rq->why);
    else
        err = read_project_named(r, p->text, take_project, rq, &rq->why);
    if (err == ERR_NOTFOUND && p->text != NULL)
        err = why_set(&rq->why, ERR_INVALID, "project", "project: there is no project '%.80s'", p->text);
    else if (err == ERR_NOTFOUND)
        err = why_set(&rq->why, ERR_INVALID, "project", "project: there is no project with the id %lld",
                      (long long)p->number);
    return err;
}

/* The texts of `in` are in the request's arena already. */
static void merge(struct list_row *row, const struct list_body *in)
{
    if (in->name != NULL)
        row->name = in->name;
    if (in->ref != NULL)
        row->ref = in->ref;
    if (in->location != NULL)
        row->location = in->location;
    if (in->languages.at != NULL) {
        row->languages = in->languages.at;
        row->n_languages = in->languages.n;
    }
    if (in->browsers.at != NULL) {
        row->browsers = in->browsers.at;
        row->n_browsers = in->browsers.n;
    }
    if (in->env.at != NULL) {
        row->env = in->env.at;
        row->n_env = in->env.n;
    }
    if (in->order >= 0)
        row->order = (enum launch_order)in->order;
    if (in->shared >= 0)
        row->is_shared = in->shared == 1;
    row->files = in->files.at;
    row->n_files = in->files.at == NULL ? row->n_files : in->files.n;
}

static enum err env_line_check(const char *line, uint32_t i, struct why *reterr)
{
    size_t n = strcspn(line, "=");

    if (n > 0 && line[n] == '=' && (line[0] < '0' || line[0] > '9') &&
        strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == n)
        return ERR_OK;
    return why_set(reterr, ERR_INVALID, "env", "env[%u]: '%.48s' is not NAME=value", i, line);
}

static enum err check(const struct list_row *row, struct why *reterr)
{
    enum err err = list_name_check("name", row->name, reterr);
    size_t env_bytes = 0;

    if (err == ERR_OK && row->files != NULL && row->n_files == 0)
        err = why_set(reterr, ERR_INVALID, "files", "files: a list has at least one");
    for (uint32_t i = 0; row->files != NULL && i < row->n_files && err == ERR_OK; i++)
        err = path_check("files", row->files[i], reterr);
    for (uint32_t i = 0; i < row->n_env && err == ERR_OK; i++) {
        err = env_line_check(row->env[i], i, reterr);
        env_bytes += strlen(row->env[i]) + 1;
    }
    if (err == ERR_OK && env_bytes > LAUNCH_ENV_BYTES_MAX)
        err = why_set(reterr, ERR_INVALID, "env", "env: the lines have more than %u bytes together",
                      LAUNCH_ENV_BYTES_MAX);
    return err;
}

static void change_job(struct reader *r, struct req *rq)
{
    const struct list_body *in = rq->body;
    struct change_list *c = rq->state;
    bool is_new = rq->ids[0] == 0;
    uint64_t id = rq->ids[0];

    if (is_new && in->replace) {
        rq->err = read_list_named(r, rq->who.user, in->name, &id, &rq->why);
        if (rq->err == ERR_NOTFOUND)
            rq->err = ERR_OK;
    }
    /* replacing keeps who it belongs to, when it was made and its schedules; the rest is as new */
    if (rq->err == ERR_OK && id != 0)
        rq->err = read_list(r, id, take_row, rq, &rq->why);
    if (rq->err == ERR_OK && is_new)
        c->row = (struct list_row){.id = c->row.id,
                                   .user = rq->who.user,
                                   .ref = "",
                                   .location = "",
                                   .project_name = "",
                                   .created_at = c->has_row ? c->row.created_at : wall_now()};
    if (rq->err == ERR_OK)
        rq->err = find_project(r, rq, &in->project);
    if (rq->err != ERR_OK)
        return;
    merge(&c->row, in);
    c->row.changed_at = wall_now();
    rq->err = check(&c->row, &rq->why);
}

static void on_put(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    const struct change_list *c = rq->state;

    if (req_lives(rq)) {
        rq->ids[0] = c->id;
        if (err != ERR_OK)
            req_error(rq, why);
        else
            req_read(rq, list_job, NULL);
    }
    req_release(rq);
}

static void on_changed(struct req *rq)
{
    struct change_list *c = rq->state;

    if (rq->err != ERR_OK) {
        req_field_error(rq, &rq->why);
        return;
    }
    audit_say(rq, arena_printf(&rq->arena, "list %.80s", c->row.name), "%u files%s", c->row.n_files,
              c->row.is_shared ? ", shared" : "");
    req_hold(rq);
    store_list_put(rq->api->opts.store, &c->row, c->version, &c->id, on_put, rq);
}

static void lists_change(struct req *rq)
{
    const struct list_body *in = rq->body;
    struct change_list *c = arena_alloc(&rq->arena, sizeof(*c));

    *c = (struct change_list){.version = (uint64_t)in->version};
    rq->state = c;
    req_read(rq, change_job, on_changed);
}

/* ---- deleting ---- */

struct delete_query {
    bool force;
};

static const struct field delete_fields[] = {
    {.name = "force",
     .type = FIELD_BOOL,
     .offset = offsetof(struct delete_query, force),
     .help = "also when schedules start it: they are disabled",
     .preset = "0"},
    {.type = FIELD_END},
};

static void on_deleted(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct api *a = rq->api;

    if (req_lives(rq)) {
        if (err != ERR_OK)
            req_error(rq, why);
        else
            answer_nothing(rq);
    }
    if (err == ERR_OK && !a->is_closed && a->opts.schedules_changed != NULL)
        a->opts.schedules_changed(a->opts.ctx);
    req_release(rq);
}

static void lists_delete(struct req *rq)
{
    const struct delete_query *q = rq->query;

    req_hold(rq);
    store_list_delete(rq->api->opts.store, rq->ids[0], q->force, wall_now(), on_deleted, rq);
}

/* ---- launching ---- */

static const struct field launch_fields[] = {
    {.name = "ref",
     .type = FIELD_TEXT,
     .offset = offsetof(struct list_over, ref),
     .max = 512,
     .help = "instead of the list's"},
    {.name = "location",
     .type = FIELD_TEXT,
     .offset = offsetof(struct list_over, location),
     .max = URL_BYTES_MAX,
     .help = "instead of the list's"},
    {.name = "languages",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct list_over, languages),
     .min = 1,
     .max = NAME_BYTES_MAX,
     .items_max = LIST_WORDS_MAX,
     .help = "instead of the list's"},
    {.name = "browsers",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct list_over, browsers),
     .min = 1,
     .max = NAME_BYTES_MAX,
     .items_max = LIST_WORDS_MAX,
     .help = "instead of the list's"},
    {.name = "at",
     .type = FIELD_TEXT,
     .offset = offsetof(struct list_over, at),
     .max = 16,
     .help = "where in the queue, as a launch takes it"},
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct list_over, name),
     .max = NAME_BYTES_MAX,
     .help = "of the launch",
     .preset = "the list's"},
    {.type = FIELD_END},
};

struct launching {
    struct req *rq;
    const struct list_over *over;
};

/* The name of a launch is shorter than that of a list may be; characters stay whole. */
static const char *launch_name(struct arena *arena, const char *name)
{
    size_t n = strlen(name);

    if (n > NAME_BYTES_MAX) {
        n = NAME_BYTES_MAX;
        while (n > 0 && ((unsigned char)name[n] & 0xc0u) == 0x80)
            n--;
    }
    return arena_strndup(arena, name, n);
}

static void over_words(struct json_out *j, const char *key, const struct field_texts *over,
                       const char *const *at, uint32_t n)
{
    if (over->at != NULL)
        words(j, key, over->at, over->n);
    else if (n > 0)
        words(j, key, at, n);
}

static void over_text(struct json_out *j, const char *key, const char *over, const char *text)
{
    if (over != NULL)
        text = over;
    if (text != NULL && text[0] != '\0')
        jo_ktext(j, key, text);
}

static void make_body(void *ctx, const struct list_row *row)
{
    struct launching *l = ctx;
    struct req *rq = l->rq;
    const struct list_over *over = l->over;
    struct json_out j;
    struct buf body;

    if (!may_read(rq, row)) {
        rq->err = why_set(&rq->why, ERR_NOTFOUND, "list",
                          "there is no list %llu, or it is not shared any more", (unsigned long long)row->id);
        return;
    }
    buf_init(&body, RENDER_BYTES_MAX);
    jo_begin(&j, &body);
    jo_obj(&j);
    jo_kuint(&j, "project", row->project.v);
    over_text(&j, "name", over->name, launch_name(&rq->arena, row->name));
    over_text(&j, "ref", over->ref, row->ref);
    over_text(&j, "location", over->location, row->location);
    over_text(&j, "at", over->at, NULL);
    over_words(&j, "languages", &over->languages, row->languages, row->n_languages);
    over_words(&j, "browsers", &over->browsers, row->browsers, row->n_browsers);
    if (row->n_env > 0)
        words(&j, "env", row->env, row->n_env);
    jo_ktext(&j, "order", launch_order_name(row->order));
    words(&j, "files", row->files, row->n_files);
    jo_obj_end(&j);
    rq->err = launch_read(rq, buf_str(&body), body.len);
    buf_done(&body);
}

void list_launch_job(struct reader *r, struct req *rq, uint64_t list, const struct list_over *over)
{
    static const struct list_over nothing;
    struct launching l = {rq, over != NULL ? over : &nothing};
    enum err err = read_list(r, list, make_body, &l, &rq->why);

    if (err != ERR_OK)
        rq->err = err;
}

static void launch_job_of_list(struct reader *r, struct req *rq)
{
    const struct list_over *over = rq->body;

    list_launch_job(r, rq, rq->ids[0], over);
}

static void on_launch_body(struct req *rq)
{
    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else
        launch_start(rq);
}

static void lists_launch(struct req *rq)
{
    req_read(rq, launch_job_of_list, on_launch_body);
}

/* For a schedule: a request of our own, with the same end as that of a client. */
static void inside_job(struct reader *r, struct req *rq)
{
    list_launch_job(r, rq, rq->ids[0], NULL);
}

static void on_inside_body(struct req *rq)
{
    if (inside_still(rq))
        on_launch_body(rq);
}

void api_start_list(struct api *a, struct user_id user, uint64_t list, const struct launch_schedule *cause,
                    api_started_fn *done, void *ctx)
{
    static const struct user_row nobody = {.login = ""};
    const struct user_row *u = accounts_user(a->accounts, user);
    struct req *rq = inside_new(a, u != NULL ? u : &nobody, done, ctx);

    rq->cause = *cause;
    if (cause->book.n > 0)
        rq->cause.book.size = arena_strdup(&rq->arena, cause->book.size);
    rq->ids[0] = list;
    req_read(rq, inside_job, on_inside_body);
    req_release(rq);
}

const struct route list_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/lists", lists_all, "The own lists and those that others share, newest first.",
           "page of list"),
     .query = lists_query_fields, .query_bytes = sizeof(struct lists_query),
     .query_preset = &lists_query_preset},
    {ROUTE(GET, LOOK, "/api/v1/lists/{list}", lists_one, "One list, with its files.", "whole_list")},
    {ROUTE(POST, WORK, "/api/v1/lists", lists_change, "Make a list.", "whole_list"), .audit = "list.add",
     .status = 201, BODY(new_fields, struct list_body), .body_preset = &preset,
     .body_max = BODY_LAUNCH_BYTES},
    {ROUTE(POST, OWN_LIST, "/api/v1/lists/{list}", lists_change,
           "Change a list; what is not given stays, files are replaced together.", "whole_list"),
     .audit = "list.edit", BODY(edit_fields, struct list_body), .body_preset = &preset,
     .body_max = BODY_LAUNCH_BYTES},
    {ROUTE(DELETE, OWN_LIST, "/api/v1/lists/{list}", lists_delete, "Delete a list.", "nothing"),
     .audit = "list.delete", .query = delete_fields, .query_bytes = sizeof(struct delete_query)},
    {ROUTE(POST, WORK, "/api/v1/lists/{list}/launch", lists_launch,
           "Start a launch of the files of a list, with its parameters.", "launch"),
     .audit = "list.launch", .status = 201, BODY(launch_fields, struct list_over)},
    ROUTES_END,
};
