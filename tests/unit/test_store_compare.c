/* test_store_compare.c - two launches beside each other, against a model that knows no index. */
#include "unit/test_store_world.h"

#include "store/strips.h"

#define TESTS 6u
#define NAMES 5u

enum state { ABSENT, PASSED, FAILED, PENDING };

struct side {
    enum state examples[NAMES];
    enum outcome outcome; /* TIMED_OUT: whatever the examples say */
};

static struct side sides[2][TESTS];

static uint64_t id_of(uint32_t launch, uint32_t test)
{
    return launch * 100 + test;
}

static void draw(struct rng *rng, struct side *s)
{
    uint64_t what = rng_below(rng, 10);
    bool any_failed = false;

    for (uint32_t i = 0; i < NAMES; i++) {
        s->examples[i] = (enum state)rng_below(rng, 4);
        if (what < 4 && s->examples[i] == FAILED)
            s->examples[i] = PASSED; /* many files pass */
        any_failed = any_failed || s->examples[i] == FAILED;
    }
    s->outcome = what == 9 ? OUTCOME_TIMED_OUT : any_failed ? OUTCOME_FAILED : OUTCOME_PASSED;
}

static void put_test(struct world *w, uint32_t launch, uint32_t test, const struct side *s)
{
    static const char *const names[NAMES][2] = {{"A", "a"}, {"A", "b"}, {"B", "a"}, {"B", "b"}, {"C", ""}};
    struct example_row rows[NAMES];
    struct change end[2] = {{.kind = CHANGE_RUN_SET}, {.kind = CHANGE_TEST_SET}};
    struct tally t = {.started = true};
    uint64_t id = id_of(launch, test);
    uint32_t n = 0;

    for (uint32_t i = 0; i < NAMES; i++) {
        if (s->examples[i] == ABSENT)
            continue;
        rows[n] = (struct example_row){.seq = n,
                                       .path = names[i],
                                       .n_path = 2,
                                       .file = "./f",
                                       .status = s->examples[i] == PASSED   ? EXAMPLE_PASSED
                                                 : s->examples[i] == FAILED ? EXAMPLE_FAILED
                                                                            : EXAMPLE_PENDING,
                                       .exception = "",
                                       .message = s->examples[i] == FAILED ? "broke" : "",
                                       .pending = ""};
        rows[n].id = launch == 1 ? "one" : "other"; /* an id may change */
        t.failed += s->examples[i] == FAILED;
        n++;
    }
    w->pending++;
    store_examples(w->st, (struct run_id){id}, (struct launch_id){launch}, rows, n, 10, &t, on_done, w);
    settle(w);
    end[0].run = (struct run_row){.id = {id}, .state = RUN_DONE, .outcome = s->outcome, .reason = "no end"};
    end[1].test = (struct test_row){.id = {id}, .state = TEST_DONE, .outcome = s->outcome, .run = {id}};
    put(w, end, 2);
}

static void put_launch(struct world *w, uint32_t launch, const char *commit)
{
    struct change c[1 + 2 * TESTS];
    char paths[TESTS][32];

    c[0] = a_launch(launch);
    c[0].launch.commit = commit;
    c[0].launch.n_tests = TESTS;
    for (uint32_t i = 0; i < TESTS; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "spec/t%u_spec.rb", i);
        c[1 + i] = a_test(id_of(launch, i), launch, i, paths[i]);
        c[1 + TESTS + i] = a_run(id_of(launch, i), id_of(launch, i), launch, paths[i]);
    }
    put(w, c, 1 + 2 * TESTS);
    for (uint32_t i = 0; i < TESTS; i++)
        put_test(w, launch, i, &sides[launch - 1][i]);
    c[0].kind = CHANGE_LAUNCH_SET;
    c[0].launch.state = LAUNCH_DONE;
    put(w, c, 1);
}

/* ---- the model: the table of docs/causes.md, case by case ---- */

static bool ended(const struct side *s)
{
    return s->outcome == OUTCOME_PASSED || s->outcome == OUTCOME_FAILED;
}

static void model(bool same_commit, uint32_t n[COMPARE_COUNT])
{
    memset(n, 0, COMPARE_COUNT * sizeof(n[0]));
    for (uint32_t i = 0; i < TESTS; i++) {
        const struct side *then = &sides[0][i];
        const struct side *now = &sides[1][i];

        for (uint32_t k = 0; k < NAMES; k++) {
            if (now->examples[k] == FAILED && then->examples[k] == FAILED)
                n[COMPARE_KNOWN]++;
            else if (now->examples[k] == FAILED)
                n[same_commit && (ended(then) || then->examples[k] == PASSED) ? COMPARE_FLAKY
                                                                              : COMPARE_NEW]++;
            else if (then->examples[k] == FAILED && ended(now))
                n[now->examples[k] != PASSED ? COMPARE_GONE : same_commit ? COMPARE_FLAKY : COMPARE_FIXED]++;
        }
        if (now->outcome == OUTCOME_TIMED_OUT && then->outcome == OUTCOME_TIMED_OUT)
            n[COMPARE_KNOWN]++;
        else if (now->outcome == OUTCOME_TIMED_OUT)
            n[same_commit ? COMPARE_FLAKY : COMPARE_NEW]++;
        else if (then->outcome == OUTCOME_TIMED_OUT && now->outcome == OUTCOME_PASSED)
            n[same_commit ? COMPARE_FLAKY : COMPARE_FIXED]++;
    }
}

struct compare_job {
    struct compare compare;
    struct page page;
    uint32_t n[COMPARE_COUNT];
    enum compare_what last;
    enum err err;
};

static void count_item(void *ctx, const struct compare_item *item)
{
    struct compare_job *j = ctx;

    j->n[item->what]++;
    assert_true(item->what >= j->last);
    j->last = item->what;
}

static void compare_now(struct reader *r, void *arg)
{
    struct compare_job *j = arg;
    struct why why;

    j->err = read_compare(r, (struct launch_id){2}, (struct launch_id){0}, 0, &j->page, count_item, j,
                          &j->compare, &why);
}

static void compare_one(uint64_t seed)
{
    struct world *w;
    struct compare_job j = {.page = {.limit = 7}};
    uint32_t expected[COMPARE_COUNT];
    bool same_commit;
    struct rng rng;
    void *state;

    assert_int_equal(setup(&state), 0);
    w = state;
    rng_seed(&rng, seed);
    for (uint32_t l = 0; l < 2; l++)
        for (uint32_t i = 0; i < TESTS; i++)
            draw(&rng, &sides[l][i]);
    same_commit = rng_chance(&rng, 1, 3);
    put_launch(w, 1, "4e1c");
    put_launch(w, 2, same_commit ? "4e1c" : "77aa");
    model(same_commit, expected);
    do {
        read_now(w, compare_now, &j);
        assert_int_equal(j.err, ERR_OK);
        j.page.after = j.page.next;
    } while (j.page.next != 0);
    assert_int_equal(j.compare.other.v, 1);
    for (int what = 0; what < COMPARE_COUNT; what++) {
        if (j.compare.n[what] != expected[what] || j.n[what] != expected[what])
            fail_msg("seed %llu, %s: %u counted, %u listed, %u by the model%s", (unsigned long long)seed,
                     compare_what_name((enum compare_what)what), j.compare.n[what], j.n[what], expected[what],
                     same_commit ? " (one commit)" : "");
    }
    assert_int_equal(teardown(&state), 0);
}

static void test_store_compare__agrees_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 25; seed++)
        compare_one(seed);
}

static void test_store_compare__the_file_of_a_path(void **state)
{
    static const struct {
        const char *path;
        const char *file;
    } rows[] = {
        {"spec/a_spec.rb", "spec/a_spec.rb"},
        {"spec/a_spec.rb:12", "spec/a_spec.rb"},
        {"spec/a_spec.rb[1:2]", "spec/a_spec.rb"},
        {"t/test_a.py::test_x[1]", "t/test_a.py"},
        {"dir[x]/a.sh", "dir[x]/a.sh"},
        {"a:b.sh", "a:b.sh"},
        {":12", ":12"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(file_of_path(rows[i].path), strlen(rows[i].file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_compare__agrees_with_the_model),
        cmocka_unit_test(test_store_compare__the_file_of_a_path),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
