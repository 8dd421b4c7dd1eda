/* launch_retest.c - the tests of a launch again: those that did not pass, or all, each in its own language and browser.
 *
 * The same commit and the same parameters as far as they were the launch's; with `fresh` what its branch is now. How a file is
 * run says the plan of that commit, as for any launch. The new one belongs to whoever asks. */
#include <string.h>

#include "api/launch_start.h"

static const char *const whats[] = {"failed", "all", NULL};

const struct field launch_retest_fields[] = {
    {.name = "what",
     .type = FIELD_ENUM,
     .offset = offsetof(struct launch_retest_body, what),
     .names = whats,
     .help = "the tests that did not pass, or all",
     .preset = "failed"},
    {.name = "fresh",
     .type = FIELD_BOOL,
     .offset = offsetof(struct launch_retest_body, fresh),
     .help = "at what the launch's branch or tag is now, instead of its commit",
     .preset = "false"},
    LAUNCH_MAIL_FIELD(struct launch_retest_body),
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
    bool all;
};

static const char *const *copy_lines(struct arena *arena, const char *const *lines, uint32_t n)
{
    const char **copy = arena_alloc(arena, ((size_t)n + 1) * sizeof(*copy));

    for (uint32_t i = 0; i < n; i++)
        copy[i] = arena_strdup(arena, lines[i]);
    return copy;
}

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct req *rq = ctx;
    const struct launch_retest_body *in = rq->body;
    struct retest *t = rq->state;
    uint64_t *servers = arena_alloc(&rq->arena, ((size_t)row->n_servers + 1) * sizeof(*servers));

    (void)sums;
    if (row->n_servers > 0)
        memcpy(servers, row->servers, row->n_servers * sizeof(*servers));
    t->is_living = row->state != LAUNCH_DONE;
    t->body = launch_preset;
    t->body.project.number = (int64_t)row->project.v;
    t->body.ref = arena_strdup(&rq->arena, in->fresh ? row->ref : row->commit);
    t->body.name = arena_strdup(&rq->arena, row->name);
    t->body.order = (int)row->order;
    t->body.mail = in->mail;
    t->body.env = (struct field_texts){copy_lines(&rq->arena, row->env, row->n_env), row->n_env};
    t->again.location = arena_strdup(&rq->arena, row->location);
    t->again.servers = servers;
    t->again.n_servers = row->n_servers;
    t->again.limits = (struct api_launch_defaults){.retries = row->retries,
                                                   .time_limit_s = row->time_limit_ms / 1000,
                                                   .silence_limit_s = row->silence_limit_ms / 1000,
                                                   .lease_s = row->lease_ms / 1000,
                                                   .slots = row->slots};
    t->cap_tests = row->n_tests;
    t->tests = arena_alloc(&rq->arena, ((size_t)row->n_tests + 1) * sizeof(*t->tests));
    t->paths = arena_alloc(&rq->arena, ((size_t)row->n_tests + 1) * sizeof(*t->paths));
}

static void take_test(void *ctx, const struct test_row *row)
{
    struct req *rq = ctx;
    struct retest *t = rq->state;

    if ((!t->all && row->outcome == OUTCOME_PASSED) || t->n_tests == t->cap_tests)
        return;
    t->tests[t->n_tests++] = (struct launch_again_test){.path = arena_strdup(&rq->arena, row->path),
                                                        .language = arena_strdup(&rq->arena, row->language),
                                                        .browser = arena_strdup(&rq->arena, row->browser),
                                                        .limits = row->limits};
}

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

static void retest_job(struct reader *r, struct req *rq)
{
    struct retest *t = rq->state;
    struct test_filter f = {.launch = {rq->ids[0]}, .state = -1, .outcome = -1};
    struct page p = {.limit = PAGE_LIMIT_MAX};

    rq->err = read_launch(r, f.launch, take_launch, rq, &rq->why);
    t->globs = arena_alloc(&rq->arena, LAUNCH_ARTIFACTS_MAX * sizeof(*t->globs));
    t->body.artifacts.at = t->globs;
    if (rq->err == ERR_OK)
        rq->err = read_launch_artifacts(r, f.launch, take_glob, rq, &rq->why);
    do {
        p.after = p.next;
        if (rq->err == ERR_OK)
            rq->err = read_tests(r, &f, &p, take_test, rq, &rq->why);
    } while (rq->err == ERR_OK && p.next != 0);
    if (rq->err == ERR_OK)
        paths_once(rq, t);
}

static void on_read(struct req *rq)
{
    struct retest *t = rq->state;

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
    } else if (t->is_living) {
        req_fail(rq, ERR_CONFLICT, NULL, "launch %llu is not over yet", (unsigned long long)rq->ids[0]);
    } else if (t->n_tests == 0) {
        req_fail(rq, ERR_INVALID, "what", "what: every test of launch %llu passed; 'all' runs them again",
                 (unsigned long long)rq->ids[0]);
    } else {
        t->body.files = (struct field_texts){t->paths, t->n_paths};
        t->again.tests = t->tests;
        t->again.n_tests = t->n_tests;
        launch_begin(rq, &t->body, false, &t->again);
    }
}

void launches_retest(struct req *rq)
{
    const struct launch_retest_body *in = rq->body;
    struct retest *t = arena_alloc(&rq->arena, sizeof(*t));

    t->all = in->what == 1;
    rq->state = t;
    req_read(rq, retest_job, on_read);
}
