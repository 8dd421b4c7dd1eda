/* launch_retest.c - what ran once, again: of a launch the tests that did not pass, or all, or only the examples that failed; or
 * chosen runs. Each test in its own language and browser.
 *
 * The same commit and the same parameters as far as they were the launch's; with `fresh` what its branch is now. How a file is
 * run says the plan of that commit, as for any launch. The new one belongs to whoever asks.
 *
 * A launch is one commit of one project with one set of parameters. Runs that were chosen from several launches are started together when these
 * were started alike; else the answer says in what they differ, and nothing is started: several launches where one was asked for
 * would have to be watched, and stopped, one by one. */
#include <string.h>

#include "api/launch_start.h"
#include "project/project.h"

#define RUNS_MAX 5000u

enum { WHAT_FAILED, WHAT_ALL, WHAT_FAILED_EXAMPLES };
static const char *const whats[] = {"failed", "all", "failed_examples", NULL};

const struct field launch_retest_fields[] = {
    {.name = "what",
     .type = FIELD_ENUM,
     .offset = offsetof(struct launch_retest_body, what),
     .names = whats,
     .help = "the tests that did not pass; all; or of these tests only the examples that failed, where they "
             "have a name to be run by "
             "(RSpec), else the whole file",
     .preset = "failed"},
    {.name = "fresh",
     .type = FIELD_BOOL,
     .offset = offsetof(struct launch_retest_body, fresh),
     .help = "at what the launch's branch or tag is now, instead of its commit",
     .preset = "false"},
    LAUNCH_MAIL_FIELD(struct launch_retest_body),
    {.type = FIELD_END},
};

const struct field runs_retest_fields[] = {
    {.name = "runs",
     .type = FIELD_INTS,
     .offset = offsetof(struct runs_retest_body, runs),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = INT64_MAX,
     .items_max = RUNS_MAX,
     .help = "their ids; the launches they were of must have had the same project, commit and parameters"},
    {.name = "fresh",
     .type = FIELD_BOOL,
     .offset = offsetof(struct runs_retest_body, fresh),
     .help = "at what the branch or tag of their launches is now, instead of their commit",
     .preset = "false"},
    LAUNCH_MAIL_FIELD(struct runs_retest_body),
    {.type = FIELD_END},
};

struct retest {
    struct launch_body body;
    struct launch_again again;
    struct launch_again_test *tests; /* of again */
    uint32_t n_tests;
    uint32_t cap_tests;
    const char **paths; /* each once, in the order of the tests */
    uint32_t n_paths;
    const char **globs; /* of artifacts, the launch's own */
    bool is_living;
    bool fresh;
    int what;
    uint32_t n_whole;      /* files, of those whose failed examples were asked for */
    struct retest_run *of; /* of tests: what decided them */
    /* of chosen runs */
    uint64_t launch; /* the one that was read last */
    const char *unlike;
};

/* The run that decided a test, as far as it says what failed. */
struct retest_run {
    struct run_id run;
    bool knows; /* every failure by its example */
};

static const char *const *copy_lines(struct arena *arena, const char *const *lines, uint32_t n)
{
    const char **copy = arena_alloc(arena, ((size_t)n + 1) * sizeof(*copy));

    for (uint32_t i = 0; i < n; i++)
        copy[i] = arena_strdup(arena, lines[i]);
    return copy;
}

/* What the new launch takes of the old one. */
static void take_parameters(struct req *rq, struct retest *t, const struct launch_row *row)
{
    uint64_t *servers = arena_alloc(&rq->arena, ((size_t)row->n_servers + 1) * sizeof(*servers));

    if (row->n_servers > 0)
        memcpy(servers, row->servers, row->n_servers * sizeof(*servers));
    t->body = launch_preset;
    t->body.project.number = (int64_t)row->project.v;
    t->body.ref = arena_strdup(&rq->arena, t->fresh ? row->ref : row->commit);
    t->body.name = arena_strdup(&rq->arena, row->name);
    t->body.order = (int)row->order;
    t->body.env = (struct field_texts){copy_lines(&rq->arena, row->env, row->n_env), row->n_env};
    t->again.location = arena_strdup(&rq->arena, row->location);
    t->again.servers = servers;
    t->again.n_servers = row->n_servers;
    t->again.limits = (struct api_launch_defaults){.retries = row->retries,
                                                   .time_limit_s = row->time_limit_ms / 1000,
                                                   .silence_limit_s = row->silence_limit_ms / 1000,
                                                   .lease_s = row->lease_ms / 1000,
                                                   .slots = row->slots};
}

static void room_for(struct req *rq, struct retest *t, uint32_t n)
{
    t->cap_tests = n;
    t->tests = arena_alloc(&rq->arena, ((size_t)n + 1) * sizeof(*t->tests));
    t->of = arena_alloc(&rq->arena, ((size_t)n + 1) * sizeof(*t->of));
    t->paths = arena_alloc(&rq->arena, ((size_t)n + 1) * sizeof(*t->paths));
}

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct req *rq = ctx;
    struct retest *t = rq->state;

    (void)sums;
    t->is_living = row->state != LAUNCH_DONE;
    take_parameters(rq, t, row);
    room_for(rq, t, row->n_tests);
}

static void take_test(void *ctx, const struct test_row *row)
{
    struct req *rq = ctx;
    struct retest *t = rq->state;

    if ((t->what != WHAT_ALL && row->outcome == OUTCOME_PASSED) || t->n_tests == t->cap_tests)
        return;
    t->of[t->n_tests] = (struct retest_run){row->run, row->adapter == ADAPTER_RSPEC &&
                                                          row->outcome == OUTCOME_FAILED && row->run.v != 0};
    t->tests[t->n_tests++] = (struct launch_again_test){.path = arena_strdup(&rq->arena, row->path),
                                                        .language = arena_strdup(&rq->arena, row->language),
                                                        .browser = arena_strdup(&rq->arena, row->browser),
                                                        .limits = row->limits};
}

/* ---- only the examples that failed ---- */

struct failed_ids {
    const char *path; /* of the file, without a selection behind it */
    size_t path_len;
    struct buf ids; /* "1:2,1:3" */
    bool is_whole;  /* what failed has no such name */
};

/* "./spec/a_spec.rb[1:2]" of the file spec/a_spec.rb. */
static void take_failed(void *ctx, const struct example_row *row)
{
    struct failed_ids *f = ctx;
    const char *id = strncmp(row->id, "./", 2) == 0 ? row->id + 2 : row->id;
    size_t len = strlen(id);

    if (row->status != EXAMPLE_FAILED || len < f->path_len + 3 || strncmp(id, f->path, f->path_len) != 0 ||
        id[f->path_len] != '[' || id[len - 1] != ']' || f->ids.len + len > PATH_BYTES_MAX - f->path_len) {
        f->is_whole = true;
        return;
    }
    if (f->ids.len > 0)
        buf_putc(&f->ids, ',');
    buf_put(&f->ids, id + f->path_len + 1, len - f->path_len - 2);
}

static void take_not_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    (void)commit;
    (void)log_bytes;
    *(bool *)ctx = row->tally.not_run > 0; /* what did not run did not pass either */
}

static enum err failed_of(struct reader *r, struct req *rq, struct retest_run of,
                          struct launch_again_test *test)
{
    struct failed_ids f = {.path = test->path, .path_len = command_path_len(test->path)};
    struct example_filter filter = {.run = of.run, .statuses = 1u << EXAMPLE_FAILED | 1u << EXAMPLE_ERROR};
    struct page p = {.limit = PAGE_LIMIT_MAX};
    enum err err;

    buf_init(&f.ids, PATH_BYTES_MAX + 1);
    err = read_run(r, of.run, take_not_run, &f.is_whole, &rq->why);
    while (err == ERR_OK && !f.is_whole) {
        err = read_examples(r, &filter, &p, take_failed, &f, &rq->why);
        p.after = p.next;
        if (p.next == 0)
            break;
    }
    if (err == ERR_OK && !f.is_whole && f.ids.len > 0)
        test->path = arena_printf(&rq->arena, "%.*s[%s]", (int)f.path_len, test->path, buf_str(&f.ids));
    else if (err == ERR_OK || err == ERR_NOTFOUND)
        ((struct retest *)rq->state)->n_whole++;
    buf_done(&f.ids);
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

static enum err only_failed(struct reader *r, struct req *rq, struct retest *t)
{
    enum err err = ERR_OK;

    for (uint32_t i = 0; i < t->n_tests && err == ERR_OK; i++) {
        if (t->of[i].knows)
            err = failed_of(r, rq, t->of[i], &t->tests[i]);
        else
            t->n_whole++;
    }
    if (t->n_whole > 0)
        t->again.note = arena_printf(
            &rq->arena, "%u of %u files run whole: which examples failed there is not known by their names",
            t->n_whole, t->n_tests);
    return err;
}

/* ---- what is common ---- */

struct path_seen {
    UT_hash_handle hh;
};

static void paths_once(struct req *rq, struct retest *t)
{
    struct path_seen *all = NULL;
    struct path_seen *p;

    for (uint32_t i = 0; i < t->n_tests; i++) {
        const char *path = t->tests[i].path;

        HASH_FIND(hh, all, path, strlen(path), p);
        if (p != NULL)
            continue;
        p = arena_alloc(&rq->arena, sizeof(*p));
        HASH_ADD_KEYPTR(hh, all, path, strlen(path), p);
        t->paths[t->n_paths++] = path;
    }
    HASH_CLEAR(hh, all);
}

static void take_glob(void *ctx, const char *glob)
{
    struct req *rq = ctx;
    struct retest *t = rq->state;

    if (t->body.artifacts.n < LAUNCH_ARTIFACTS_MAX)
        t->globs[t->body.artifacts.n++] = arena_strdup(&rq->arena, glob);
}

static enum err take_globs(struct reader *r, struct req *rq, struct retest *t, struct launch_id launch)
{
    t->globs = arena_alloc(&rq->arena, LAUNCH_ARTIFACTS_MAX * sizeof(*t->globs));
    t->body.artifacts = (struct field_texts){t->globs, 0};
    return read_launch_artifacts(r, launch, take_glob, rq, &rq->why);
}

static void begin(struct req *rq, struct retest *t, int mail)
{
    t->body.mail = mail;
    t->body.files = (struct field_texts){t->paths, t->n_paths};
    t->again.tests = t->tests;
    t->again.n_tests = t->n_tests;
    launch_begin(rq, &t->body, false, &t->again);
}

/* ---- a launch ---- */

static void retest_job(struct reader *r, struct req *rq)
{
    struct retest *t = rq->state;
    struct test_filter f = {.launch = {rq->ids[0]}, .state = -1, .outcome = -1};
    struct page p = {.limit = PAGE_LIMIT_MAX};

    rq->err = read_launch(r, f.launch, take_launch, rq, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = take_globs(r, rq, t, f.launch);
    do {
        p.after = p.next;
        if (rq->err == ERR_OK)
            rq->err = read_tests(r, &f, &p, take_test, rq, &rq->why);
    } while (rq->err == ERR_OK && p.next != 0);
    if (rq->err == ERR_OK && t->what == WHAT_FAILED_EXAMPLES && !t->is_living)
        rq->err = only_failed(r, rq, t);
    if (rq->err == ERR_OK)
        paths_once(rq, t);
}

static void on_read(struct req *rq)
{
    struct retest *t = rq->state;

    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else if (t->is_living)
        req_fail(rq, ERR_CONFLICT, NULL, "launch %llu is not over yet", (unsigned long long)rq->ids[0]);
    else if (t->n_tests == 0)
        req_fail(rq, ERR_INVALID, "what", "what: every test of launch %llu passed; 'all' runs them again",
                 (unsigned long long)rq->ids[0]);
    else
        begin(rq, t, ((const struct launch_retest_body *)rq->body)->mail);
}

void launches_retest(struct req *rq)
{
    const struct launch_retest_body *in = rq->body;
    struct retest *t = arena_alloc(&rq->arena, sizeof(*t));

    t->what = in->what;
    t->fresh = in->fresh;
    rq->state = t;
    req_read(rq, retest_job, on_read);
}

/* ---- chosen runs ---- */

static bool lines_are(const struct field_texts *a, const char *const *b, uint32_t n)
{
    if (a->n != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(a->at[i], b[i]) != 0)
            return false;
    return true;
}

/* In what a launch differs from the one that was read first; NULL: in nothing that matters. */
static const char *difference(const struct retest *t, const struct launch_row *row)
{
    const struct api_launch_defaults *l = &t->again.limits;

    if (t->body.project.number != (int64_t)row->project.v)
        return "project";
    if (strcmp(t->body.ref, t->fresh ? row->ref : row->commit) != 0)
        return t->fresh ? "ref" : "commit";
    if (strcmp(t->again.location, row->location) != 0)
        return "location";
    if (!lines_are(&t->body.env, row->env, row->n_env))
        return "variables";
    if (t->again.n_servers != row->n_servers ||
        (row->n_servers > 0 &&
         memcmp(t->again.servers, row->servers, row->n_servers * sizeof(*row->servers)) != 0))
        return "servers";
    if (l->time_limit_s != row->time_limit_ms / 1000 || l->silence_limit_s != row->silence_limit_ms / 1000 ||
        l->retries != row->retries || l->slots != row->slots)
        return "limits";
    return NULL;
}

static void take_launch_of_run(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct req *rq = ctx;
    struct retest *t = rq->state;

    (void)sums;
    if (t->launch == 0)
        take_parameters(rq, t, row);
    else
        t->unlike = difference(t, row);
    t->launch = row->id.v;
}

struct chosen_run {
    struct test_id test;
    struct launch_id launch;
    bool is_over;
};

static void take_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct chosen_run *c = ctx;

    (void)commit;
    (void)log_bytes;
    *c = (struct chosen_run){row->test, row->launch, row->state == RUN_DONE || row->state == RUN_LOST};
}

struct test_seen {
    uint64_t id;
    UT_hash_handle hh;
};

/* Two attempts of one test are one test. */
static bool is_first(struct req *rq, struct test_seen **all, uint64_t id)
{
    struct test_seen *s;

    HASH_FIND(hh, *all, &id, sizeof(id), s);
    if (s != NULL)
        return false;
    s = arena_alloc(&rq->arena, sizeof(*s));
    s->id = id;
    HASH_ADD(hh, *all, id, sizeof(s->id), s);
    return true;
}

static enum err add_run(struct reader *r, struct req *rq, struct retest *t, uint64_t id,
                        struct test_seen **seen)
{
    uint64_t first = t->launch;
    struct chosen_run c;
    enum err err = read_run(r, (struct run_id){id}, take_run, &c, &rq->why);

    if (err == ERR_NOTFOUND)
        return why_set(&rq->why, ERR_INVALID, "runs", "runs: there is no run %llu", (unsigned long long)id);
    if (err != ERR_OK)
        return err;
    if (!c.is_over)
        return why_set(&rq->why, ERR_CONFLICT, "runs", "runs: run %llu is not over yet",
                       (unsigned long long)id);
    if (c.launch.v != first) {
        err = read_launch(r, c.launch, take_launch_of_run, rq, &rq->why);
        if (err == ERR_OK && first == 0)
            err = take_globs(r, rq, t, c.launch);
        if (err == ERR_OK && t->unlike != NULL)
            return why_set(
                &rq->why, ERR_INVALID, "runs",
                "runs: run %llu is of launch %llu, which had another %s than launch %llu: a launch has "
                "one, so start them apart",
                (unsigned long long)id, (unsigned long long)c.launch.v, t->unlike, (unsigned long long)first);
    }
    if (err == ERR_OK && is_first(rq, seen, c.test.v))
        err = read_test(r, c.test, take_test, rq, &rq->why);
    return err;
}

static void runs_job(struct reader *r, struct req *rq)
{
    const struct runs_retest_body *in = rq->body;
    struct retest *t = rq->state;
    struct test_seen *seen = NULL;

    room_for(rq, t, in->runs.n);
    for (uint32_t i = 0; i < in->runs.n && rq->err == ERR_OK; i++)
        rq->err = add_run(r, rq, t, (uint64_t)in->runs.at[i], &seen);
    HASH_CLEAR(hh, seen);
    if (rq->err == ERR_OK)
        paths_once(rq, t);
}

static void on_runs_read(struct req *rq)
{
    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else
        begin(rq, rq->state, ((const struct runs_retest_body *)rq->body)->mail);
}

void runs_retest(struct req *rq)
{
    struct retest *t = arena_alloc(&rq->arena, sizeof(*t));

    t->what = WHAT_ALL;
    t->fresh = ((const struct runs_retest_body *)rq->body)->fresh;
    rq->state = t;
    req_read(rq, runs_job, on_runs_read);
}
