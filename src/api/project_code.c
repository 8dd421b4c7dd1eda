/* project_code.c - what is in a project: branches and tags, files, and commits that are brought.
 *
 * What is shown is what the mirror has, with its age and what the last refresh met; nothing waits for the network but the
 * first look at a project. */
#include <stdio.h>
#include <string.h>

#include "api/api_private.h"

/* ---- what needs the row first ---- */

static bool has_row(struct req *rq)
{
    if (rq->err == ERR_OK)
        return true;
    req_error(rq, &rq->why);
    return false;
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
        jo_ktext(j, "subject", refs[i].subject);
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

struct tree_state {
    const struct project_row *row;
    struct file_filter *filter;
};

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
        req_read(rq, project_row_job, after_second_row);
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
    req_read(rq, project_row_job, with_mirror);
}

struct tree_query {
    const char *ref;
    const char *q;
    const char *glob;
    const char *after;
    int64_t limit;
    bool tests;
};

static const struct field tree_fields[] = {
    {.name = "ref",
     .type = FIELD_TEXT,
     .offset = offsetof(struct tree_query, ref),
     .max = 512,
     .help = "branch, tag or commit",
     .preset = "the default branch"},
    {.name = "q",
     .type = FIELD_TEXT,
     .offset = offsetof(struct tree_query, q),
     .max = 512,
     .help = "only files whose path holds each of these words, in any order, whatever the case"},
    {.name = "glob",
     .type = FIELD_TEXT,
     .offset = offsetof(struct tree_query, glob),
     .max = 1024,
     .help = "only files that it matches: * ? [a-z], and ** for any number of folders"},
    {.name = "limit",
     .type = FIELD_INT,
     .offset = offsetof(struct tree_query, limit),
     .min = 1,
     .max = 1000000,
     .help = "most files of an answer",
     .preset = "all"},
    {.name = "after",
     .type = FIELD_TEXT,
     .offset = offsetof(struct tree_query, after),
     .max = PATH_BYTES_MAX,
     .help = "next of the page before: only files that come behind this one"},
    {.name = "tests",
     .type = FIELD_BOOL,
     .offset = offsetof(struct tree_query, tests),
     .help = "only what a folder takes: tests by their name, and files that wrata.yml has a command for",
     .preset = "0"},
    {.type = FIELD_END},
};
static const struct tree_query tree_preset = {.ref = "", .q = "", .glob = "", .after = ""};

/* The first file behind `after`; files are in the order of bytes. */
static uint32_t files_after(const char *const *files, uint32_t n, const char *after)
{
    uint32_t low = 0;

    if (after[0] == '\0')
        return 0;
    while (low < n) {
        uint32_t mid = low + (n - low) / 2;

        if (strcmp(files[mid], after) <= 0)
            low = mid + 1;
        else
            n = mid;
    }
    return low;
}

static void render_tree(struct req *rq, const char *commit, const char *const *files, uint32_t n_files)
{
    const struct tree_query *q = rq->query;
    const struct project_row *row = ((struct tree_state *)rq->state)->row;
    const struct file_filter *filter = ((struct tree_state *)rq->state)->filter;
    const char *last = NULL;
    const char *next = NULL;
    int64_t n = 0;
    struct json_out j;
    struct buf out;

    buf_init(&out, RENDER_BYTES_MAX);
    jo_begin(&j, &out);
    jo_obj(&j);
    jo_ktext(&j, "commit", commit);
    jo_ktime(&j, "refreshed_at", row->refreshed_at);
    jo_ktext_or_null(&j, "error", row->error);
    jo_karr(&j, "files");
    for (uint32_t i = files_after(files, n_files, q->after); i < n_files; i++) {
        if (!file_filter_match(filter, files[i]))
            continue;
        if (q->limit > 0 && n == q->limit) {
            next = last;
            break;
        }
        last = files[i];
        n++;
        jo_text(&j, last);
    }
    jo_arr_end(&j);
    jo_ktext(&j, "next", next);
    jo_obj_end(&j);
    req_json(rq, 200, &out);
}

static void on_tree(void *ctx, enum err err, const struct why *why, const char *commit,
                    const char *const *files, uint32_t n_files)
{
    struct req *rq = ctx;

    if (rq->http != NULL && err != ERR_OK)
        req_field_error(rq, why);
    else if (rq->http != NULL)
        render_tree(rq, commit, files, n_files);
    req_release(rq);
}

static void tree_of(struct req *rq)
{
    const struct tree_query *q = rq->query;
    struct tree_state *state = arena_alloc(&rq->arena, sizeof(*state));
    struct why why;

    state->row = rq->state;
    if (file_filter_new(&rq->arena, q->q, q->glob, &state->filter, &why) != ERR_OK) {
        req_error(rq, &why);
        return;
    }
    rq->state = state;
    req_hold(rq);
    projects_tree(rq->api->opts.projects, (struct project_id){rq->ids[0]}, q->ref, q->tests, on_tree, rq);
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
    req_read(rq, project_row_job, on_row_for_bundle);
}

const struct route project_code_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}/refs", projects_refs_or_tree,
           "Branches and tags; develop, master, main first.", "refs")},
    {ROUTE(GET, LOOK, "/api/v1/projects/{project}/tree", projects_refs_or_tree,
           "The files at a ref, by words and glob.", "tree"),
     .query = tree_fields, .query_bytes = sizeof(struct tree_query), .query_preset = &tree_preset},
    {ROUTE(POST, WORK, "/api/v1/projects/{project}/bundle", projects_take_bundle,
           "Bring commits as a git bundle.", "bundle"),
     .audit = "project.push", .body_kind = BODY_FILE, .body_max = BODY_BUNDLE_BYTES},
    ROUTES_END,
};
