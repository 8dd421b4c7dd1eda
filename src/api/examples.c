/* examples.c - examples: of a run, of a launch, across launches; one of them with the code around the line that failed. */
#include <string.h>

#include "api/api_private.h"
#include "model/cause.h"

static const char *const statuses[] = {"passed", "failed", "pending", "error", NULL};
_Static_assert(ARRAY_LEN(statuses) == EXAMPLE_STATUS_COUNT + 1, "a name for each status, in their order");

#define STATUS_FIELD(owner)                                                                               \
    {                                                                                                     \
        .name = "status", .type = FIELD_ENUM_SET, .offset = offsetof(owner, statuses), .names = statuses, \
        .help = "only these, with commas between: passed, failed, pending, error"                         \
    }

static void each_example(void *ctx, const struct example_row *row)
{
    struct req *rq = ctx;

    render_example(&rq->render.j, row);
}

/* ---- of a run, of a launch ---- */

struct examples_query {
    struct page_query page;
    uint32_t statuses;
};

static const struct field query_fields[] = {
    PAGE_FIELDS(struct examples_query),
    STATUS_FIELD(struct examples_query),
    {.type = FIELD_END},
};
static const struct examples_query query_preset = {.page = PAGE_PRESET};

static void list_job(struct reader *r, struct req *rq)
{
    const struct examples_query *q = rq->query;
    bool of_run = rq->route->path[8] == 'r'; /* /api/v1/runs, /api/v1/launches */
    struct example_filter f = {.statuses = q->statuses};
    struct page p = page_of(&q->page);

    if (of_run)
        f.run.v = rq->ids[0];
    else
        f.launch.v = rq->ids[0];
    page_begin(rq);
    rq->err = read_examples(r, &f, &p, each_example, rq, &rq->why);
    page_end(rq, &p);
}

static void examples_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

#define EXAMPLES_QUERY \
    .query = query_fields, .query_bytes = sizeof(struct examples_query), .query_preset = &query_preset

/* ---- across launches ---- */

struct found_query {
    struct page_query page;
    uint32_t statuses;
    int64_t project;
    int64_t launch;
    const char *path;
    const char *id;
    const char *cause;
    const char *q;
};

static const struct field found_fields[] = {
    PAGE_FIELDS(struct found_query),
    STATUS_FIELD(struct found_query),
    {.name = "project",
     .type = FIELD_INT,
     .offset = offsetof(struct found_query, project),
     .max = INT64_MAX,
     .help = "only of this project, by id"},
    {.name = "launch",
     .type = FIELD_INT,
     .offset = offsetof(struct found_query, launch),
     .max = INT64_MAX,
     .help = "only of this launch"},
    {.name = "path",
     .type = FIELD_TEXT,
     .offset = offsetof(struct found_query, path),
     .max = PATH_BYTES_MAX,
     .help = "only of runs of exactly this path; needs project or launch"},
    {.name = "id",
     .type = FIELD_TEXT,
     .offset = offsetof(struct found_query, id),
     .max = 1024,
     .help = "only with exactly this id; needs project or launch"},
    {.name = "cause",
     .type = FIELD_TEXT,
     .offset = offsetof(struct found_query, cause),
     .max = 16,
     .help = "only failures of this cause: its 16 hex digits"},
    {.name = "q",
     .type = FIELD_TEXT,
     .offset = offsetof(struct found_query, q),
     .max = 512,
     .help = "only those whose message, exception or reason has these words"},
    {.type = FIELD_END},
};
static const struct found_query found_preset = {.page = PAGE_PRESET};

static const char *given(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static void found_job(struct reader *r, struct req *rq)
{
    const struct found_query *q = rq->query;
    struct example_search f = {.project = {(uint64_t)q->project},
                               .launch = {(uint64_t)q->launch},
                               .path = given(q->path),
                               .id = given(q->id),
                               .q = given(q->q),
                               .statuses = q->statuses};
    struct page p = page_of(&q->page);

    if (given(q->cause) != NULL) {
        f.cause = cause_id_parse(q->cause);
        if (f.cause == 0) {
            rq->err =
                why_set(&rq->why, ERR_INVALID, "cause", "'%s' is no cause: it has 16 hex digits", q->cause);
            return;
        }
    }
    page_begin(rq);
    rq->err = read_examples_found(r, &f, &p, each_example, rq, &rq->why);
    page_end(rq, &p);
}

static void examples_found(struct req *rq)
{
    req_read(rq, found_job, NULL);
}

/* ---- one, with its code ---- */

#define CODE_LINES_BEFORE 5u
#define CODE_LINES 11u

struct one {
    struct project_id project;
    char commit[80];
    char file[PATH_BYTES_MAX + 1];
    uint32_t line;
    uint32_t first_line;
    bool found;
};

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct one *one = ctx;

    (void)sums;
    one->project = row->project;
    (void)snprintf(one->commit, sizeof(one->commit), "%s", row->commit);
}

static void take_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    (void)commit;
    (void)log_bytes;
    *(struct launch_id *)ctx = row->launch;
}

/* The place that failed: the first line of the project in its backtrace, else where the example stands. */
static void take_one(void *ctx, const struct example_row *row)
{
    struct req *rq = ctx;
    struct one *one = rq->state;
    const char *frame = frame_top(row->backtrace, row->n_backtrace);
    const char *file = row->file;
    struct slice at;

    one->found = true;
    render_example(&rq->render.j, row);
    if (frame != NULL && frame_is_own(frame) && frame_place(frame, &at, &one->line) &&
        at.len <= PATH_BYTES_MAX) {
        (void)snprintf(one->file, sizeof(one->file), "%.*s", (int)at.len, at.ptr);
    } else {
        while (file[0] == '.' && file[1] == '/')
            file += 2;
        (void)snprintf(one->file, sizeof(one->file), "%s", file);
        one->line = row->line;
    }
    one->first_line = one->line > CODE_LINES_BEFORE ? one->line - CODE_LINES_BEFORE : 1;
}

static void one_job(struct reader *r, struct req *rq)
{
    struct one *one = rq->state;
    struct run_id run = {rq->ids[0]};
    struct launch_id launch = {0};

    rq->err = read_run(r, run, take_run, &launch, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = read_launch(r, launch, take_launch, one, &rq->why);
    if (rq->err == ERR_NOTFOUND)
        rq->err = launch.v != 0 ? ERR_OK : ERR_NOTFOUND;
    if (rq->err != ERR_OK)
        return;
    jo_obj(&rq->render.j);
    jo_key(&rq->render.j, "example");
    rq->err = read_example(r, run, (uint32_t)rq->ids[1], take_one, rq, &rq->why);
}

static void one_answer(struct req *rq, struct slice lines)
{
    const struct one *one = rq->state;
    struct json_out *j = &rq->render.j;

    jo_key(j, "code");
    if (lines.len > 0) {
        jo_obj(j);
        jo_ktext(j, "file", one->file);
        jo_kuint(j, "line", one->line);
        jo_kuint(j, "first_line", one->first_line);
        jo_key(j, "text");
        jo_textn(j, lines.ptr, lines.len);
        jo_obj_end(j);
    } else {
        jo_null(j);
    }
    jo_obj_end(j);
    req_finish(rq);
}

static void on_code(void *ctx, enum err err, const struct why *why, struct slice lines)
{
    struct req *rq = ctx;

    (void)why; /* a file that is not in the project has no code to show: a library, a project that is gone */
    if (req_lives(rq))
        one_answer(rq, err == ERR_OK ? lines : (struct slice){"", 0});
    req_release(rq);
}

static void on_one(struct req *rq)
{
    const struct one *one = rq->state;

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
    } else if (one->project.v == 0 || one->commit[0] == '\0' || one->line == 0 || one->file[0] == '\0' ||
               one->file[0] == '/') {
        one_answer(rq, (struct slice){"", 0});
    } else {
        req_hold(rq);
        projects_file(rq->api->opts.projects, one->project, one->commit, one->file, one->first_line,
                      CODE_LINES, on_code, rq);
    }
}

static void examples_one(struct req *rq)
{
    rq->state = arena_alloc(&rq->arena, sizeof(struct one));
    req_read(rq, one_job, on_one);
}

const struct route example_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/examples", examples_list, "The examples of a launch.",
           "page of example"),
     EXAMPLES_QUERY},
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/examples", examples_list,
           "The examples of a run, in the order they ran.", "page of example"),
     EXAMPLES_QUERY},
    {ROUTE(GET, LOOK, "/api/v1/examples", examples_found,
           "Examples of all launches by any of these together, newest first.", "page of example"),
     .query = found_fields, .query_bytes = sizeof(struct found_query), .query_preset = &found_preset},
    {ROUTE(GET, LOOK, "/api/v1/runs/{run}/examples/{seq}", examples_one,
           "One example, with the code around the line that failed, as it was at the launch's commit.",
           "one_example")},
    ROUTES_END,
};
