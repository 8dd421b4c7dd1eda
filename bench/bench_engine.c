/* bench_engine.c - the engine alone, in one thread: how many runs a second go through assigned, started, finished.
 *
 *   bench_engine [TESTS]
 *
 * Agents are ideal: what a goal lists starts and finishes at once. Each line is one shape of a fleet; `batch` is how
 * many events share a turn (1 is the worst case: each event pays for placement and goals of its own). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "engine/engine.h"

struct shape {
    uint32_t servers;
    uint32_t slots;
    uint32_t batch;
    uint32_t launches;
    uint32_t limit; /* of their project on one server; 0: none */
};

struct seen {
    uint64_t run; /* newest run already played on this server */
};

struct bench {
    struct engine *e;
    struct outbox *out;
    struct now now;
    struct event *queue; /* events to come; a ring as long as all of them */
    size_t head;
    size_t tail;
    struct seen *seen;
    uint64_t done;
    uint64_t changes;
};

static void play_goal(struct bench *b, const struct goal *g)
{
    struct event ev;
    uint64_t newest = b->seen[g->server.v].run;

    for (uint32_t i = 0; i < g->n_entries; i++) {
        if (g->entries[i].run.v <= newest)
            continue;
        b->seen[g->server.v].run = g->entries[i].run.v;
        ev = (struct event){.kind = EV_RUN_STARTED};
        ev.run_started.server = g->server;
        ev.run_started.link = g->link;
        ev.run_started.run = g->entries[i].run;
        b->queue[b->tail++] = ev;
        ev = (struct event){.kind = EV_RUN_FINISHED};
        ev.run_finished.server = g->server;
        ev.run_finished.link = g->link;
        ev.run_finished.run = g->entries[i].run;
        ev.run_finished.finish.duration_us = 1000;
        ev.run_finished.reason = "";
        b->queue[b->tail++] = ev;
        b->done++;
    }
}

static void turn(struct bench *b, const struct event *events, size_t n)
{
    for (size_t i = 0; i < n; i++)
        engine_step(b->e, b->now, &events[i], b->out);
    engine_turn_end(b->e, b->now, b->out);
    b->changes += b->out->changes.n;
    for (uint32_t i = 0; i < b->out->goals.n; i++)
        play_goal(b, &b->out->goals.at[i]);
    outbox_clear(b->out);
}

static void fleet_up(struct bench *b, const struct shape *s)
{
    char name[32];
    struct event ev = {.kind = EV_BOOTED};

    turn(b, &ev, 1);
    for (uint32_t i = 1; i <= s->servers; i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        ev = (struct event){.kind = EV_SERVER_ADD, .ticket = {1}};
        ev.server_add.row =
            (struct server_row){.name = name, .address = "", .user = "", .identity = "", .slots = s->slots};
        turn(b, &ev, 1);
        ev = (struct event){.kind = EV_LINK_UP};
        ev.link_up.server.v = i;
        ev.link_up.link = i;
        ev.link_up.incarnation = 1;
        ev.link_up.agent_version = "";
        ev.link_up.facts = "";
        turn(b, &ev, 1);
    }
}

static void launches_create(struct bench *b, const struct shape *s, uint32_t n_tests)
{
    static const char *const argv[] = {"true"};
    struct new_test *tests = calloc(n_tests, sizeof(*tests));
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {1}};

    if (tests == NULL)
        abort();
    for (uint32_t i = 0; i < n_tests; i++)
        tests[i] = (struct new_test){.path = "spec/some_file_spec.rb", .argv = argv, .n_argv = 1};
    ev.launch_create.launch = (struct launch_row){.name = "bench",
                                                  .project = {1},
                                                  .project_name = "p",
                                                  .slots = s->limit,
                                                  .ref = "main",
                                                  .commit = "0123456789abcdef0123456789abcdef01234567"};
    ev.launch_create.tests = tests;
    for (uint32_t i = 0; i < s->launches; i++) {
        ev.launch_create.n_tests = n_tests / s->launches;
        turn(b, &ev, 1);
    }
    free(tests);
}

/* Of this process: other work on the machine does not count. */
static double cpu_s(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void bench(const struct shape *s, uint32_t n_tests)
{
    struct bench b = {.out = outbox_new(), .e = engine_new(NULL), .now = {{1000000}, {1700000000000}}};
    double a;
    double create_s;
    double run_s;

    b.queue = malloc((2 * (size_t)n_tests + 16) * sizeof(*b.queue));
    b.seen = calloc(s->servers + 1, sizeof(*b.seen));
    if (b.queue == NULL || b.seen == NULL)
        abort();
    fleet_up(&b, s);
    a = cpu_s();
    launches_create(&b, s, n_tests);
    create_s = cpu_s() - a;
    a = cpu_s();
    while (b.head < b.tail) {
        size_t n = b.tail - b.head < s->batch ? b.tail - b.head : s->batch;
        size_t at = b.head;

        b.now.mono.us += 10;
        b.head += n;
        turn(&b, &b.queue[at], n);
    }
    run_s = cpu_s() - a;
    printf("%5u servers x %2u slots, %u for a project, %3u launches, batch %3u: %8.0f runs per second of "
           "CPU, %llu runs, %.1f "
           "changes each; "
           "create %u tests %.0f ms\n",
           s->servers, s->slots, s->limit > 0 ? s->limit : s->slots, s->launches, s->batch,
           (double)b.done / run_s, (unsigned long long)b.done, (double)b.changes / (double)b.done, n_tests,
           create_s * 1000);
    if (engine_stats(b.e).launches != 0)
        printf("      and %u launches are left over\n", engine_stats(b.e).launches);
    engine_free(b.e);
    outbox_free(b.out);
    free(b.queue);
    free(b.seen);
}

/* What a page of a long queue costs: at its front, in the middle and at its end, when nobody else waits and when others do. */
static void bench_look(uint32_t n_tests, uint32_t users)
{
    static const struct shape fleet = {200, 4, 64, 0, 0};
    static const char *const argv[] = {"true"};
    const struct shape *s = &fleet;
    struct bench b = {.out = outbox_new(), .e = engine_new(NULL), .now = {{1000000}, {1700000000000}}};
    struct new_test *tests = calloc(n_tests, sizeof(*tests));
    struct event ev = {.kind = EV_LAUNCH_CREATE};
    uint64_t places[] = {0, n_tests / 2, n_tests - 501};
    double took_ms[3];

    b.queue = malloc((2 * (size_t)n_tests * users + 16) * sizeof(*b.queue));
    b.seen = calloc(s->servers + 1, sizeof(*b.seen));
    if (b.queue == NULL || b.seen == NULL || tests == NULL)
        abort();
    fleet_up(&b, s);
    for (uint32_t i = 0; i < n_tests; i++)
        tests[i] = (struct new_test){
            .path = "t", .argv = argv, .n_argv = 1, .predicted_ms = 1000 + (int64_t)(i * 7919 % 60000)};
    ev.launch_create.launch =
        (struct launch_row){.name = "", .project_name = "", .ref = "", .commit = "", .location = ""};
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = n_tests;
    for (uint32_t i = 0; i < users; i++) {
        ev.launch_create.launch.user.v = 1 + i;
        turn(&b, &ev, 1);
    }
    ev = (struct event){.kind = EV_QUEUE_LOOK, .ticket = {1}};
    ev.queue_look.user.v = 1;
    ev.queue_look.limit = 500;
    for (size_t i = 0; i < 3; i++) {
        double a = cpu_s();

        ev.queue_look.after.v = places[i] == 0 ? 0 : n_tests < 501 ? 0 : places[i];
        for (int round = 0; round < 20; round++)
            turn(&b, &ev, 1);
        took_ms[i] = (cpu_s() - a) * 1000 / 20;
    }
    printf(
        "a page of 500 of %u waiting tests, %u users, 200 servers x 4 slots: front %.2f ms, middle %.2f ms, "
        "end %.2f ms\n",
        n_tests, users, took_ms[0], took_ms[1], took_ms[2]);
    engine_free(b.e);
    outbox_free(b.out);
    free(tests);
    free(b.queue);
    free(b.seen);
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        {1, 2, 1, 1, 0},     {1, 2, 64, 1, 0},      {4, 8, 16, 1, 0},      {100, 4, 64, 20, 0},
        {2000, 2, 64, 1, 0}, {2000, 2, 64, 200, 0}, {2000, 4, 64, 200, 2},
    };
    uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        bench(&shapes[i], n);
    bench_look(10000, 1);
    bench_look(10000, 4);
    bench_look(100000, 1);
    return 0;
}
