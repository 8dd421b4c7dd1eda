/* test_store_history.c - the history as a list against a simple model of it: random runs, random filters, random pages. */
/* So small that every way of the walk is taken: windows that grow and shrink, leaps, pages that end early. */
#define WINDOW_FIRST 16u
#define WINDOW_ROWS_MAX 64u
#define STREAMS_MERGED_MAX 8u
#define PATHS_FIRST_MAX 4u
#define COST_MAX 2500
#include "store/history.c"

#include "unit/test_store_world.h"

#define N_LAUNCHES 40u
#define N_RUNS 3000u
#define N_PATHS 60u
#define BEGIN_MS INT64_C(1700000000000)

struct model_launch {
    uint64_t user;
    uint64_t project;
    uint64_t schedule;
    char ref[16];
    char name[32];
    int64_t at;
    enum launch_state state;
    enum outcome outcome;
};

struct model_run {
    uint64_t id;
    uint64_t test;
    uint32_t launch; /* its index */
    uint64_t server;
    uint32_t path;
    const char *language;
    int64_t at;
    enum run_state state;
    enum outcome outcome;
};

static struct model_launch launches[N_LAUNCHES];
static struct model_run runs[N_RUNS];
static char paths[N_PATHS][40];
static const char *const languages[] = {"en-US", "fr", "de"};

/* Skewed: the first ones most of the time, as it is with users and branches. */
static uint32_t some(struct rng *rng, uint32_t n)
{
    return (uint32_t)rng_below(rng, 1 + (uint32_t)rng_below(rng, n));
}

static void make_launch(struct rng *rng, uint32_t i)
{
    struct model_launch *l = &launches[i];

    *l = (struct model_launch){.user = 1 + some(rng, 5),
                               .project = 1 + some(rng, 3),
                               .schedule = rng_chance(rng, 1, 4) ? 1 + some(rng, 2) : 0,
                               .at = BEGIN_MS + i * INT64_C(7200000), /* over some days */
                               .state = i + 2 < N_LAUNCHES ? LAUNCH_DONE : LAUNCH_RUNNING};
    (void)snprintf(l->ref, sizeof(l->ref), "branch-%u", some(rng, 6));
    (void)snprintf(l->name, sizeof(l->name), "%s number %u", i % 3 == 0 ? "Nightly" : "smoke", i);
    l->outcome = l->state == LAUNCH_DONE ? (enum outcome)(1 + some(rng, OUTCOME_COUNT - 1)) : OUTCOME_NONE;
}

static void make_run(struct rng *rng, uint32_t i)
{
    struct model_run *r = &runs[i];
    uint32_t launch = i * N_LAUNCHES / N_RUNS;

    *r = (struct model_run){.id = i + 1,
                            .test = i + 1,
                            .launch = launch,
                            .server = 1 + some(rng, 6),
                            .path = some(rng, N_PATHS),
                            .language = languages[some(rng, ARRAY_LEN(languages))],
                            .at = launches[launch].at + i,
                            .state = RUN_DONE};
    if (rng_chance(rng, 1, 200))
        r->at -= 3 * INT64_C(86400000); /* a clock that was wrong for a moment */
    if (rng_chance(rng, 1, 50))
        r->state = RUN_LOST;
    else if (launches[launch].state != LAUNCH_DONE && rng_chance(rng, 1, 3))
        r->state = (enum run_state)rng_below(rng, RUN_DONE);
    if (r->state == RUN_LOST)
        r->outcome = OUTCOME_INFRASTRUCTURE;
    else if (r->state == RUN_DONE)
        r->outcome =
            rng_chance(rng, 4, 5) ? OUTCOME_PASSED : (enum outcome)(1 + some(rng, OUTCOME_COUNT - 1));
}

static void put_launches(struct world *w)
{
    struct change c[2 * N_LAUNCHES] = {0};
    uint32_t i;

    for (i = 0; i < N_LAUNCHES; i++) {
        const struct model_launch *l = &launches[i];

        c[i] = a_launch(i + 1);
        c[i].launch.user.v = l->user;
        c[i].launch.project.v = l->project;
        c[i].launch.ref = l->ref;
        c[i].launch.name = l->name;
        c[i].launch.schedule.id = l->schedule;
        c[i].launch.created_at.ms = l->at;
        c[N_LAUNCHES + i].kind = CHANGE_LAUNCH_SET;
        c[N_LAUNCHES + i].launch =
            (struct launch_row){.id = {i + 1}, .state = l->state, .outcome = l->outcome};
    }
    put(w, c, N_LAUNCHES);
    put(w, c + N_LAUNCHES, N_LAUNCHES);
}

static void put_runs(struct world *w, uint32_t first, uint32_t n)
{
    struct change *c = xcalloc((size_t)n * 3, sizeof(*c));
    uint32_t at = 0;
    uint32_t i;

    for (i = first; i < first + n; i++) {
        c[at] = a_test(runs[i].test, runs[i].launch + 1, i, paths[runs[i].path]);
        c[at++].test.language = runs[i].language;
    }
    for (i = first; i < first + n; i++) {
        const struct model_run *r = &runs[i];

        c[at] = a_run(r->id, r->test, r->launch + 1, paths[r->path]);
        c[at].run.server.v = r->server;
        c[at++].run.created_at.ms = r->at;
        c[at] = c[at - 1];
        c[at].kind = CHANGE_RUN_SET;
        c[at].run.state = r->state;
        c[at++].run.outcome = r->outcome;
    }
    put(w, c, at);
    free(c);
}

static void make_world(struct world *w, struct rng *rng)
{
    uint32_t i;

    for (i = 0; i < N_PATHS; i++)
        (void)snprintf(paths[i], sizeof(paths[i]), "spec/%s/part_%02u_spec.rb", i % 2 == 0 ? "Cells" : "docs",
                       i);
    for (i = 0; i < N_LAUNCHES; i++)
        make_launch(rng, i);
    for (i = 0; i < N_RUNS; i++)
        make_run(rng, i);
    put_launches(w);
    for (i = 0; i < N_RUNS; i += 500)
        put_runs(w, i, 500);
}

/* ---- the model's answer ------------------------------------------------------------------------------------ */

static bool words_fit(const char *text, const char *words)
{
    char copy[80];
    char *at;
    char *word;

    (void)snprintf(copy, sizeof(copy), "%s", words);
    for (word = strtok_r(copy, " ", &at); word != NULL; word = strtok_r(NULL, " ", &at))
        if (strcasestr(text, word) == NULL)
            return false;
    return true;
}

static bool within(int64_t at, struct wall since, struct wall until)
{
    return at >= since.ms && (until.ms == 0 || at < until.ms);
}

static bool run_fits(const struct run_filter *f, const struct model_run *r)
{
    const struct model_launch *l = &launches[r->launch];
    bool lives = r->state != RUN_DONE && r->state != RUN_LOST;

    return (f->launch.v == 0 || f->launch.v == r->launch + 1) &&
           (f->server.v == 0 || f->server.v == r->server) && (f->test.v == 0 || f->test.v == r->test) &&
           (f->user.v == 0 || f->user.v == l->user) && (f->project.v == 0 || f->project.v == l->project) &&
           (f->state == -1 || (f->state == -2 ? lives : f->state == (int)r->state)) &&
           (f->outcomes == 0 || (f->outcomes >> r->outcome & 1) != 0) &&
           (f->file == NULL || strcmp(f->file, paths[r->path]) == 0) &&
           (f->path == NULL || words_fit(paths[r->path], f->path)) &&
           (f->ref == NULL || strcmp(f->ref, l->ref) == 0) &&
           (f->language == NULL || strcmp(f->language, r->language) == 0) &&
           (f->browser == NULL || f->browser[0] == '\0') && within(r->at, f->since, f->until);
}

static bool launch_fits(const struct launch_filter *f, const struct model_launch *l)
{
    return (f->project.v == 0 || f->project.v == l->project) && (f->user.v == 0 || f->user.v == l->user) &&
           (f->schedule == 0 || f->schedule == l->schedule) && (f->state < 0 || f->state == (int)l->state) &&
           (f->outcomes == 0 || (f->outcomes >> l->outcome & 1) != 0) &&
           (f->ref == NULL || strcmp(f->ref, l->ref) == 0) &&
           (f->name == NULL || words_fit(l->name, f->name)) && within(l->at, f->since, f->until);
}

/* ---- the store's answer ------------------------------------------------------------------------------------ */

struct answer {
    struct run_filter runs;
    struct launch_filter launches;
    struct page page;
    uint64_t ids[N_RUNS + 1000];
    uint32_t n;
    uint32_t n_page;
};
static uint32_t n_early; /* pages that ended before they were full */

static void take_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct answer *a = ctx;
    const struct model_run *r = &runs[row->id.v - 1];

    (void)commit;
    (void)log_bytes;
    assert_int_equal(row->from.user.v, launches[r->launch].user);
    assert_int_equal(row->from.project.v, launches[r->launch].project);
    assert_string_equal(row->from.ref, launches[r->launch].ref);
    assert_string_equal(row->from.language, r->language);
    assert_string_equal(row->from.browser, "");
    a->ids[a->n++] = row->id.v;
    a->n_page++;
}

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct answer *a = ctx;

    (void)sums;
    a->ids[a->n++] = row->id.v;
    a->n_page++;
}

static void read_a_page(struct reader *r, void *arg)
{
    struct answer *a = arg;

    a->n_page = 0;
    assert_int_equal(read_runs(r, &a->runs, &a->page, take_run, a, NULL), ERR_OK);
    assert_true(a->n_page <= a->page.limit);
    n_early += a->n_page < a->page.limit && a->page.next != 0;
}

static void read_launches_page(struct reader *r, void *arg)
{
    struct answer *a = arg;

    a->n_page = 0;
    assert_int_equal(read_launches(r, &a->launches, &a->page, take_launch, a, NULL), ERR_OK);
    assert_true(a->n_page <= a->page.limit);
}

static void read_all(struct world *w, struct answer *a, void (*fn)(struct reader *r, void *arg))
{
    a->n = 0;
    a->page.after = 0;
    do {
        read_now(w, fn, a);
        assert_true(a->page.next == 0 || a->page.after == 0 || a->page.next < a->page.after);
        a->page.after = a->page.next;
    } while (a->page.next != 0);
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static struct wall some_time(struct rng *rng)
{
    return (struct wall){BEGIN_MS - INT64_C(90000000) +
                         (int64_t)rng_below(rng, (N_LAUNCHES + 20) * UINT64_C(7200000))};
}

static struct run_filter some_filter(struct rng *rng)
{
    struct run_filter f = {.state = -1};
    uint32_t n = 1 + (uint32_t)rng_below(rng, 4);

    while (n-- > 0) {
        switch (rng_below(rng, 13)) {
        case 0:
            f.launch.v = 1 + rng_below(rng, N_LAUNCHES + 2);
            break;
        case 1:
            f.server.v = 1 + rng_below(rng, 7);
            break;
        case 2:
            f.test.v = 1 + rng_below(rng, N_RUNS + 1);
            break;
        case 3:
            f.user.v = 1 + rng_below(rng, 6);
            break;
        case 4:
            f.project.v = 1 + rng_below(rng, 4);
            break;
        case 5:
            f.state = (int)rng_below(rng, RUN_STATE_COUNT + 1) - 2;
            break;
        case 6:
            f.outcomes = 1u << rng_below(rng, OUTCOME_COUNT);
            break;
        case 7:
            f.outcomes = (uint32_t)rng_below(rng, 1u << OUTCOME_COUNT);
            break;
        case 8:
            f.file = rng_chance(rng, 1, 8) ? "spec/none" : paths[rng_below(rng, N_PATHS)];
            break;
        case 9:
            f.path = rng_chance(rng, 1, 2) ? "CELLS 1" : rng_chance(rng, 1, 2) ? "spec" : "docs 0";
            break;
        case 10:
            f.ref = launches[rng_below(rng, N_LAUNCHES)].ref;
            break;
        case 11:
            f.language = languages[rng_below(rng, ARRAY_LEN(languages))];
            break;
        case 12:
            f.since = some_time(rng);
            f.until = rng_chance(rng, 1, 2) ? some_time(rng) : (struct wall){0};
            break;
        }
    }
    return f;
}

static void test_store_history__runs_are_those_of_a_simple_model(void **state)
{
    static struct answer a;
    struct rng rng;
    uint32_t round;

    rng_seed(&rng, 11);
    make_world(*state, &rng);
    for (round = 0; round < 600; round++) {
        uint32_t at = 0;
        uint32_t i;

        a.runs = some_filter(&rng);
        a.page.limit = 1 + (uint32_t)rng_below(&rng, rng_chance(&rng, 1, 10) ? 20 : 500);
        read_all(*state, &a, read_a_page);
        for (i = N_RUNS; i-- > 0;) {
            if (!run_fits(&a.runs, &runs[i]))
                continue;
            assert_true(at < a.n);
            assert_int_equal(a.ids[at++], runs[i].id);
        }
        assert_int_equal(at, a.n);
    }
    assert_true(n_early > 0);
}

static void test_store_history__launches_are_those_of_a_simple_model(void **state)
{
    static struct answer a;
    struct rng rng;
    uint32_t round;

    rng_seed(&rng, 12);
    make_world(*state, &rng);
    for (round = 0; round < 400; round++) {
        uint32_t bits = (uint32_t)rng_below(&rng, 128);
        uint32_t at = 0;
        uint32_t i;

        a.launches = (struct launch_filter){
            .project = {(bits & 1) != 0 ? 1 + rng_below(&rng, 4) : 0},
            .user = {(bits & 2) != 0 ? 1 + rng_below(&rng, 6) : 0},
            .schedule = (bits & 4) != 0 ? 1 + rng_below(&rng, 3) : 0,
            .state = (bits & 8) != 0 ? (int)rng_below(&rng, LAUNCH_STATE_COUNT) : -1,
            .outcomes = (bits & 16) != 0 ? (uint32_t)rng_below(&rng, 1u << OUTCOME_COUNT) : 0,
            .ref = (bits & 32) != 0 ? launches[rng_below(&rng, N_LAUNCHES)].ref : NULL,
            .name = (bits & 64) != 0 ? "nightly 1" : NULL};
        if (rng_chance(&rng, 1, 3)) {
            a.launches.since = some_time(&rng);
            a.launches.until = rng_chance(&rng, 1, 2) ? some_time(&rng) : (struct wall){0};
        }
        a.page.limit = 1 + (uint32_t)rng_below(&rng, 12);
        read_all(*state, &a, read_launches_page);
        for (i = N_LAUNCHES; i-- > 0;) {
            if (!launch_fits(&a.launches, &launches[i]))
                continue;
            assert_true(at < a.n);
            assert_int_equal(a.ids[at++], i + 1);
        }
        assert_int_equal(at, a.n);
    }
}

/* While runs are added, the pages below a cursor stay what they were. */
static void test_store_history__pages_have_no_gap_while_runs_are_added(void **state)
{
    static struct answer a;
    struct rng rng;
    uint32_t n_fit = 0;
    uint32_t more = 2500;
    uint32_t i;

    rng_seed(&rng, 13);
    for (i = 0; i < N_PATHS; i++)
        (void)snprintf(paths[i], sizeof(paths[i]), "spec/part_%02u_spec.rb", i);
    for (i = 0; i < N_LAUNCHES; i++)
        make_launch(&rng, i);
    for (i = 0; i < N_RUNS; i++)
        make_run(&rng, i);
    put_launches(*state);
    put_runs(*state, 0, more);
    a = (struct answer){.runs = {.state = -1, .server = {1}, .user = {1}}, .page = {.limit = 40}};
    for (i = 0; i < more; i++)
        n_fit += run_fits(&a.runs, &runs[i]);
    do {
        read_now(*state, read_a_page, &a);
        a.page.after = a.page.next;
        if (more < N_RUNS) {
            put_runs(*state, more, 50);
            more += 50;
        }
    } while (a.page.next != 0);
    assert_int_equal(a.n, n_fit);
    for (i = 1; i < a.n; i++)
        assert_true(a.ids[i] < a.ids[i - 1]);
}

/* What an older program wrote is found as well: the migration fills what is new. */
static void test_store_history__what_was_there_before_is_found(void **state)
{
    static const char *const undo =
        "DROP INDEX runs_origin; DROP INDEX runs_server; DROP INDEX runs_path; DROP INDEX runs_outcome;"
        "DROP INDEX runs_origin_outcome; DROP INDEX runs_server_outcome; DROP INDEX runs_path_outcome;"
        "DROP INDEX runs_lost; DROP INDEX launches_ref; DROP INDEX launches_outcome;"
        "DROP INDEX launches_schedule; DROP TABLE id_times; DROP TABLE origins;"
        "ALTER TABLE runs DROP COLUMN origin;"
        "CREATE INDEX runs_server ON runs (server, id); CREATE INDEX runs_path ON runs (path, id);"
        "CREATE INDEX runs_outcome ON runs (outcome, id) WHERE outcome NOT IN ('', 'passed');"
        "UPDATE tests SET attempts = 1; DELETE FROM ids WHERE kind = 'origin'";
    static struct answer a;
    struct world *w = *state;
    struct rng rng;
    struct db *db;
    char path[96];
    const struct migration *m;
    uint32_t round;
    bool found = false;

    rng_seed(&rng, 14);
    make_world(w, &rng);
    store_close(w->st);
    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_WRITE}, &db, NULL), ERR_OK);
    db_begin(db);
    db_script(db, undo);
    for (m = migrations; m->number != 0; m++) {
        if (strcmp(m->name, "history") == 0) {
            db_script(db, m->sql);
            found = true;
        }
    }
    assert_true(found);
    assert_int_equal(db_commit(db, NULL), ERR_OK);
    db_close(db);
    w->st = NULL;
    world_reopen(w);
    for (round = 0; round < 200; round++) {
        uint32_t n = 0;
        uint32_t i;

        a.runs = some_filter(&rng);
        a.page.limit = 500;
        read_all(w, &a, read_a_page);
        for (i = 0; i < N_RUNS; i++)
            n += run_fits(&a.runs, &runs[i]);
        assert_int_equal(n, a.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_history__##name, setup, teardown)
        TEST(runs_are_those_of_a_simple_model),
        TEST(launches_are_those_of_a_simple_model),
        TEST(pages_have_no_gap_while_runs_are_added),
        TEST(what_was_there_before_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
