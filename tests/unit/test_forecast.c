/* test_forecast.c - when waiting tests are said to start, against when they do: fleets, queues and scripts of known length
 * in the simulator, without faults. What is said after some seconds is kept for each waiting test; then the world runs to
 * its end. FORECAST=1 in the environment prints the errors.
 *
 * An error is |said - true| as a part of the true time to its start, or of the mean length of a script when that is longer:
 * 10 s too early is nothing for a test that starts in an hour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/checks.c"
#include "sim/cloud.c"
#include "sim/node.c"
#include "sim/store.c"
#include "sim/world.c"

#define TESTS_MAX 2000u
#define RUN_MAX_US (INT64_C(24) * 3600 * 1000000)

void people_job(struct world *w, const struct job *j)
{
    (void)w;
    (void)j;
}

enum known { EXACT, NOISY, UNKNOWN };

struct crowd { /* a launch */
    uint64_t user;
    uint32_t n;
    uint32_t ms_min, ms_max;
    enum known known;
    uint64_t project;
    uint32_t slots;    /* of its project on a server */
    uint32_t on;       /* only the first so many servers; 0 all */
    uint32_t after_ms; /* it comes so much after the one before */
};

struct scene {
    const char *name;
    uint32_t servers;
    uint32_t slots;
    uint32_t booked;  /* the last so many are user 1's */
    uint32_t drained; /* of the first, in maintenance */
    uint32_t forecast_starts;
    struct crowd crowds[4];
    uint32_t look_after_ms;
    double median, p90; /* at most; of what is said for user 1 */
    uint32_t unknown;   /* nothing is said of so many */
};

struct said {
    uint64_t test;
    int64_t start_ms; /* -1 nothing */
};

struct bed {
    struct world w;
    struct said said[TESTS_MAX];
    uint32_t n_said;
    uint64_t next; /* page; 0 none */
    double errors[TESTS_MAX];
    uint32_t n_errors;
    uint32_t n_unknown;
};

static void on_reply(void *ctx, const struct reply *r)
{
    struct bed *b = ctx;
    const struct queue_answer *a = r->queue;

    assert_int_equal(r->err, ERR_OK);
    if (a == NULL)
        return;
    for (uint32_t i = 0; i < a->n_items; i++)
        b->said[b->n_said++] = (struct said){a->items[i].test.id.v, a->items[i].start_in_ms};
    b->next = a->has_more ? a->items[a->n_items - 1].test.id.v : 0;
}

static void until(struct bed *b, int64_t us)
{
    while (world_next_us(&b->w) <= us) {
        world_step(&b->w);
        if (b->w.failed)
            fail_msg("%s", b->w.what);
    }
    b->w.now_us = us;
}

static void post(struct bed *b, struct event *ev)
{
    ev->ticket.v = ++b->w.tickets;
    assert_true(world_post(&b->w, ev));
    world_turn_close(&b->w);
    until(b, b->w.now_us + 1000);
}

static void crowd_come(struct bed *b, const struct crowd *c, double mean[1])
{
    struct event ev = {.kind = EV_LAUNCH_CREATE};
    struct new_test *tests = xcalloc(c->n, sizeof(*tests));
    char(*words)[2][24] = xcalloc(c->n, sizeof(*words));
    const char *(*argv)[4] = xcalloc(c->n, sizeof(*argv));
    uint64_t servers[64];
    int64_t ms;

    until(b, b->w.now_us + (int64_t)c->after_ms * 1000);
    for (uint32_t i = 0; i < c->n; i++) {
        ms = c->ms_min + (int64_t)rng_below(&b->w.rng, c->ms_max - c->ms_min + 1);
        mean[0] += (double)ms / c->n;
        (void)snprintf(words[i][0], 24, "t%u.sh", i);
        (void)snprintf(words[i][1], 24, "%lld", (long long)ms);
        argv[i][0] = "sim";
        argv[i][1] = words[i][1];
        argv[i][2] = "0";
        argv[i][3] = "20";
        tests[i] = (struct new_test){.path = words[i][0], .argv = argv[i], .n_argv = 4};
        if (c->known == EXACT)
            tests[i].predicted_ms = ms;
        else if (c->known == NOISY) /* a third more or less */
            tests[i].predicted_ms = 1 + ms * (67 + (int64_t)rng_below(&b->w.rng, 67)) / 100;
    }
    for (uint32_t i = 0; i < c->on; i++)
        servers[i] = b->w.nodes[i].server.v;
    ev.launch_create.launch = (struct launch_row){.name = "l",
                                                  .project_name = "p",
                                                  .ref = "main",
                                                  .commit = "0123456789012345678901234567890123456789",
                                                  .lease_ms = 3600000,
                                                  .user = {c->user},
                                                  .project = {c->project},
                                                  .slots = c->slots,
                                                  .servers = servers,
                                                  .n_servers = c->on};
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = c->n;
    post(b, &ev);
    free(tests);
    free(words);
    free(argv);
}

static void change(struct bed *b, uint32_t node, enum server_op op)
{
    struct event ev = {.kind = EV_SERVERS_CHANGE};

    ev.servers_change = (struct servers_change){.op = op,
                                                .servers = &b->w.nodes[node].server,
                                                .n = 1,
                                                .user = {1},
                                                .login = "mira",
                                                .may_any = true,
                                                .size = "",
                                                .address = ""};
    post(b, &ev);
}

static void ask(struct bed *b)
{
    struct event ev = {.kind = EV_QUEUE_LOOK};

    do {
        ev.queue_look.user.v = 1;
        ev.queue_look.after.v = b->next;
        ev.queue_look.limit = 128;
        post(b, &ev);
    } while (b->next != 0);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static bool is_over(const struct bed *b)
{
    const struct stored_launch *l;

    for (l = b->w.store.launches; l != NULL; l = l->hh.next) {
        if (l->row.state != LAUNCH_DONE)
            return false;
    }
    return true;
}

static void compare(struct bed *b, int64_t asked_us, double mean_ms)
{
    for (uint32_t i = 0; i < b->n_said; i++) {
        const struct stored_test *t = sim_store_test(&b->w.store, b->said[i].test);
        const struct stored_run *r = sim_store_run(&b->w.store, t->row.run.v);
        double real = (double)(r->row.started_at.ms - 1700000000000 - asked_us / 1000);
        double off = real - (double)b->said[i].start_ms;

        if (b->said[i].start_ms < 0)
            b->n_unknown++;
        else
            b->errors[b->n_errors++] = (off < 0 ? -off : off) / (real > mean_ms ? real : mean_ms);
    }
    qsort(b->errors, b->n_errors, sizeof(b->errors[0]), by_size);
}

static void scene_play(const struct scene *s)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    struct world_opts opts = {
        .seed = 1, .grace_ms = 2000, .forecast_starts = s->forecast_starts, .on_reply = on_reply, .ctx = b};
    double mean_ms = 0;
    int64_t asked_us;
    double median;
    double p90;

    world_init(&b->w, &opts);
    world_boot(&b->w);
    for (uint32_t i = 0; i < s->servers; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "s%u", i);
        (void)node_add(&b->w, name, s->slots);
    }
    until(b, b->w.now_us + 1000000);
    for (uint32_t i = 0; i < s->booked; i++)
        change(b, s->servers - 1 - i, SERVER_BOOK);
    for (uint32_t i = 0; i < s->drained; i++)
        change(b, i, SERVER_DRAIN);
    for (size_t i = 0; i < ARRAY_LEN(s->crowds) && s->crowds[i].n > 0; i++)
        crowd_come(b, &s->crowds[i], s->crowds[i].user == 1 ? &mean_ms : &(double){0});
    until(b, b->w.now_us + (int64_t)s->look_after_ms * 1000);
    asked_us = b->w.now_us;
    ask(b);
    assert_true(b->n_said > 10);
    while (!is_over(b)) {
        assert_true(b->w.now_us < RUN_MAX_US);
        until(b, b->w.now_us + 1000000);
    }
    compare(b, asked_us, mean_ms);
    median = b->n_errors > 0 ? b->errors[b->n_errors / 2] : 0;
    p90 = b->n_errors > 0 ? b->errors[b->n_errors * 9 / 10] : 0;
    if (getenv("FORECAST") != NULL)
        (void)printf("%-52s %5u said  median %5.1f %%  p90 %5.1f %%  unknown %u\n", s->name, b->n_errors,
                     median * 100, p90 * 100, b->n_unknown);
    if (getenv("FORECAST") == NULL && (median > s->median || p90 > s->p90 || b->n_unknown != s->unknown))
        fail_msg("%s: median %.3f, p90 %.3f, %u unknown", s->name, median, p90, b->n_unknown);
    world_done(&b->w);
    free(b);
}

static const struct scene scenes[] = {
    {"one user, 4 servers of 2 slots",
     4,
     2,
     0,
     0,
     0,
     {{1, 300, 1000, 60000, EXACT, 0, 0, 0, 0}},
     5000,
     0.01,
     0.03,
     0},
    {"the same, predictions a third off",
     4,
     2,
     0,
     0,
     0,
     {{1, 300, 1000, 60000, NOISY, 0, 0, 0, 0}},
     5000,
     0.03,
     0.1,
     0},
    {"the same, most of it reckoned",
     4,
     2,
     0,
     0,
     100,
     {{1, 300, 1000, 60000, EXACT, 0, 0, 0, 0}},
     5000,
     0.02,
     0.05,
     0},
    {"no predictions, after the first ends",
     4,
     2,
     0,
     0,
     0,
     {{1, 300, 20000, 40000, UNKNOWN, 0, 0, 0, 0}},
     60000,
     0.1,
     0.2,
     0},
    {"no predictions, before the first ends",
     4,
     2,
     0,
     0,
     0,
     {{1, 40, 20000, 40000, UNKNOWN, 0, 0, 0, 0}},
     5000,
     0,
     0,
     32},
    {"shared with one who came first",
     4,
     2,
     0,
     0,
     0,
     {{2, 200, 10000, 60000, EXACT, 0, 0, 0, 0}, {1, 100, 1000, 60000, EXACT, 0, 0, 0, 5000}},
     5000,
     0.01,
     0.03,
     0},
    {"shared with two who want little",
     4,
     2,
     0,
     0,
     0,
     {{1, 200, 10000, 60000, EXACT, 0, 0, 0, 0},
      {2, 30, 1000, 60000, EXACT, 0, 0, 0, 0},
      {3, 30, 1000, 20000, EXACT, 0, 0, 0, 0}},
     5000,
     0.01,
     0.03,
     0},
    {"two servers booked, two shared",
     4,
     2,
     2,
     0,
     0,
     {{1, 200, 10000, 60000, EXACT, 0, 0, 0, 0}, {2, 200, 1000, 60000, EXACT, 0, 0, 0, 0}},
     5000,
     0.01,
     0.03,
     0},
    {"somebody else's servers are booked",
     4,
     2,
     0,
     2,
     0,
     {{1, 200, 10000, 60000, EXACT, 0, 0, 0, 0}},
     5000,
     0.01,
     0.03,
     0},
    {"at most 1 of 4 slots for the project",
     3,
     4,
     0,
     0,
     0,
     {{1, 100, 10000, 60000, EXACT, 1, 1, 0, 0}},
     5000,
     0.01,
     0.03,
     0},
    {"two projects, one of them limited",
     3,
     4,
     0,
     0,
     0,
     {{1, 60, 10000, 60000, EXACT, 1, 1, 0, 0}, {1, 100, 10000, 60000, EXACT, 2, 0, 0, 0}},
     5000,
     0.01,
     0.03,
     0},
    {"a launch limited to a server, one that is not",
     4,
     2,
     0,
     0,
     0,
     {{1, 40, 10000, 60000, EXACT, 0, 0, 1, 0}, {1, 100, 10000, 60000, EXACT, 0, 0, 0, 0}},
     5000,
     0.01,
     0.03,
     0},
};

static void test_forecast__is_near_to_what_comes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scenes); i++)
        scene_play(&scenes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forecast__is_near_to_what_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
