/* test_engine_sick.c - the breaker, rule by rule: what counts, what does not, who is told. Whole lives are stories
 * (tests/stories/sick_*, lost_twice, fails_everywhere, disk_full), chance is the simulator's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine_private.h"
#include "wire/frame.h"

struct ward {
    struct engine *e;
    struct outbox *out;
    struct now now;
    uint64_t last_reply;
    enum err last_err;
    uint64_t links;
    uint32_t told; /* NOTE_SERVER_SICK so far */
};

static void turn(struct ward *w, const struct event *ev)
{
    outbox_clear(w->out);
    engine_step(w->e, w->now, ev, w->out);
    engine_turn_end(w->e, w->now, w->out);
    engine_check(w->e);
    for (uint32_t i = 0; i < w->out->replies.n; i++) {
        w->last_reply = w->out->replies.at[i].id;
        w->last_err = w->out->replies.at[i].err;
    }
    for (uint32_t i = 0; i < w->out->notes.n; i++)
        w->told += w->out->notes.at[i].kind == NOTE_SERVER_SICK;
}

static void ward_begin(struct ward *w, const struct engine_opts *opts)
{
    struct engine_opts patient = opts != NULL ? *opts : (struct engine_opts){0};

    patient.silence_shown_ms = 1000000000; /* there are no beats here */
    *w = (struct ward){
        .e = engine_new(&patient), .out = outbox_new(), .now = {{1000000}, {INT64_C(1000000000)}}};
    turn(w, &(struct event){.kind = EV_BOOTED});
    w->now.mono.us += 1000;
    w->now.wall.ms += 1;
}

static void ward_end(struct ward *w)
{
    engine_free(w->e);
    outbox_free(w->out);
}

static void tick(struct ward *w, int64_t ms)
{
    w->now.mono.us += ms * 1000;
    w->now.wall.ms += ms;
    turn(w, &(struct event){.kind = EV_TICK});
}

static struct server *the(const struct ward *w, uint64_t id)
{
    return server_by_id(w->e, (struct server_id){id});
}

static void link_up(struct ward *w, uint64_t server)
{
    struct event ev = {.kind = EV_LINK_UP};

    ev.link_up.server.v = server;
    ev.link_up.link = ++w->links;
    ev.link_up.incarnation = w->links;
    ev.link_up.agent_version = "1";
    ev.link_up.facts = "";
    turn(w, &ev);
}

static uint64_t server_new_online(struct ward *w, const char *name, uint32_t slots)
{
    struct event ev = {.kind = EV_SERVER_ADD, .ticket = {1}};

    ev.server_add.row = (struct server_row){
        .name = name, .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = slots};
    turn(w, &ev);
    assert_int_equal(w->last_err, ERR_OK);
    link_up(w, w->last_reply);
    return w->last_reply;
}

/* n tests that this server alone may run. */
static uint64_t launch_on(struct ward *w, uint64_t server, uint32_t n, uint64_t project, uint32_t retries)
{
    static const char *const argv[] = {"true"};
    struct new_test tests[64];
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {1}};

    for (uint32_t i = 0; i < n; i++)
        tests[i] = (struct new_test){.path = "a.sh", .adapter = ADAPTER_EXIT, .argv = argv, .n_argv = 1};
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = n;
    ev.launch_create.launch = (struct launch_row){.user = {1},
                                                  .project = {project},
                                                  .project_name = "",
                                                  .name = "l",
                                                  .ref = "",
                                                  .commit = "0123456789012345678901234567890123456789",
                                                  .retries = retries,
                                                  .lease_ms = 3600000,
                                                  .servers = &server,
                                                  .n_servers = 1};
    turn(w, &ev);
    assert_int_equal(w->last_err, ERR_OK);
    return w->last_reply;
}

/* The oldest run of the server ends so. */
static void end_one(struct ward *w, uint64_t server, uint32_t how)
{
    struct event ev = {.kind = EV_RUN_FINISHED};
    const struct server *s = the(w, server);

    assert_non_null(s->runs);
    ev.run_finished.server.v = server;
    ev.run_finished.link = s->link;
    ev.run_finished.run = s->runs->id;
    ev.run_finished.finish = (struct finish){.how = how, .duration_us = 1000000};
    ev.run_finished.reason = "";
    turn(w, &ev);
}

static void fail_in_row(struct ward *w, uint64_t server, int n)
{
    for (int i = 0; i < n; i++) {
        end_one(w, server, FINISH_NOT_STARTED);
        for (int64_t ms = 0; ms < 70000 && the(w, server)->resting; ms += 1000)
            tick(w, 1000);
    }
}

static void test_failures__three_in_a_row_and_one_notice(void **state)
{
    struct ward w;
    uint64_t a;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 1);
    (void)server_new_online(&w, "b", 1);
    (void)launch_on(&w, a, 9, 0, 9);
    fail_in_row(&w, a, 2);
    end_one(&w, a, FINISH_EXITED); /* it works after all */
    fail_in_row(&w, a, 2);
    assert_string_equal(the(&w, a)->row.sick, "");
    fail_in_row(&w, a, 1);
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_FAILURES);
    assert_non_null(strstr(the(&w, a)->row.sick, "3 runs in a row failed there"));
    assert_int_equal(w.told, 1);
    assert_int_equal(the(&w, a)->n_runs, 0);
    tick(&w, 60000);
    assert_int_equal(w.told, 1);
    ward_end(&w);
}

static void test_failures__that_came_together_are_one(void **state)
{
    struct ward w;
    uint64_t a;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 8);
    (void)server_new_online(&w, "b", 1);
    (void)launch_on(&w, a, 30, 0, 9);
    for (int i = 0; i < 8; i++) {
        tick(&w, 5);
        end_one(&w, a, FINISH_NOT_STARTED);
    }
    assert_int_equal(sick_failures(the(&w, a)), 1);
    assert_int_equal(the(&w, a)->n_faults, 8);
    ward_end(&w);
}

/* However many fail together, each time is remembered. */
static void test_failures__of_many_slots_are_counted(void **state)
{
    struct ward w;
    uint64_t a;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 200);
    (void)server_new_online(&w, "b", 1);
    for (int i = 0; i < 25; i++)
        (void)launch_on(&w, a, 40, 0, 9);
    for (int round = 1; round <= 3; round++) {
        uint32_t runs = the(&w, a)->n_runs;

        assert_int_equal(runs, 200);
        for (uint32_t i = 0; i < runs; i++)
            end_one(&w, a, FINISH_NOT_STARTED);
        assert_int_equal(sick_failures(the(&w, a)), round);
        for (int s = 0; s < 60 && the(&w, a)->resting; s++)
            tick(&w, 1000);
    }
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_FAILURES);
    ward_end(&w);
}

static void test_failures__slow_ones_are_left_out(void **state)
{
    struct ward w;
    uint64_t a;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 1);
    (void)server_new_online(&w, "b", 1);
    (void)launch_on(&w, a, 3, 0, 9);
    for (int i = 0; i < 3; i++) {
        tick(&w, INT64_C(11) * 60000);
        fail_in_row(&w, a, 1);
    }
    assert_int_equal(sick_failures(the(&w, a)), 0);
    assert_string_equal(the(&w, a)->row.sick, "");
    ward_end(&w);
}

/* A project that fails on both is blamed, also for its next launch, until one of its runs comes to an end. */
static void test_blame__outlives_the_launch(void **state)
{
    struct ward w;
    uint64_t a;
    uint64_t b;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 1);
    b = server_new_online(&w, "b", 1);
    (void)launch_on(&w, a, 1, 5, 0);
    end_one(&w, a, FINISH_NOT_PREPARED);
    (void)launch_on(&w, b, 1, 5, 0);
    end_one(&w, b, FINISH_NOT_PREPARED);
    assert_int_equal(w.e->n_blamed, 1);
    assert_null(w.e->suspects);
    tick(&w, 2000);
    (void)launch_on(&w, a, 8, 5, 0);
    fail_in_row(&w, a, 5);
    assert_string_equal(the(&w, a)->row.sick, "");
    end_one(&w, a, FINISH_EXITED);
    assert_int_equal(w.e->n_blamed, 0);
    ward_end(&w);
}

/* Two machines can be sick at once: what works elsewhere is not to blame. */
static void test_blame__not_when_it_works_elsewhere(void **state)
{
    struct ward w;
    uint64_t a;
    uint64_t b;
    uint64_t c;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 1);
    b = server_new_online(&w, "b", 1);
    c = server_new_online(&w, "c", 1);
    (void)launch_on(&w, a, 5, 5, 0);
    (void)launch_on(&w, b, 5, 5, 0);
    (void)launch_on(&w, c, 5, 5, 0);
    fail_in_row(&w, a, 1);
    end_one(&w, c, FINISH_EXITED);
    fail_in_row(&w, b, 1);
    end_one(&w, c, FINISH_EXITED);
    fail_in_row(&w, a, 2);
    end_one(&w, c, FINISH_EXITED);
    fail_in_row(&w, b, 2);
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_FAILURES);
    assert_int_equal(the(&w, b)->row.sick_cause, SICK_FAILURES);
    ward_end(&w);
}

/* What it took is given back, three times for a test. */
static void test_pardon__is_bounded(void **state)
{
    struct ward w;
    uint64_t a;
    uint64_t launch;
    struct server_id id;
    const struct test *t;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 1);
    (void)server_new_online(&w, "b", 1);
    launch = launch_on(&w, a, 1, 0, 2);
    t = &launch_by_id(w.e, (struct launch_id){launch})->tests[0];
    fail_in_row(&w, a, 3);
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_FAILURES);
    assert_int_equal(t->state, TEST_WAITING);
    assert_int_equal(t->losses, 0);
    assert_int_equal(t->attempts, 3);
    id.v = a;
    turn(&w,
         &(struct event){.kind = EV_SERVERS_CHANGE,
                         .ticket = {1},
                         .servers_change = {
                             .op = SERVER_RESUME, .servers = &id, .n = 1, .login = "ann", .may_any = true}});
    assert_int_equal(w.last_err, ERR_OK);
    fail_in_row(&w, a, 3);
    assert_null(launch_by_id(w.e, (struct launch_id){launch})); /* given up at last */
    ward_end(&w);
}

static void lose(struct ward *w, uint64_t server)
{
    link_up(w, server); /* another incarnation, without the runs */
}

static void test_losses__two_within_an_hour(void **state)
{
    struct ward w;
    uint64_t a;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 2);
    (void)server_new_online(&w, "b", 1);
    (void)launch_on(&w, a, 20, 0, 9);
    tick(&w, 10);
    lose(&w, a);
    assert_int_equal(the(&w, a)->row.losses, 1); /* with both of its runs */
    tick(&w, 61 * 60000);                        /* their leases end, an hour is over */
    lose(&w, a);
    assert_int_equal(the(&w, a)->row.losses, 1);
    assert_string_equal(the(&w, a)->row.sick, "");
    tick(&w, 70000);
    lose(&w, a);
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_LOSSES);
    assert_non_null(strstr(the(&w, a)->row.sick, "twice"));
    ward_end(&w);
}

static void test_losses__of_all_are_of_none(void **state)
{
    struct ward w;
    uint64_t a;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 1);
    (void)launch_on(&w, a, 20, 0, 9);
    for (int i = 0; i < 5; i++) {
        tick(&w, 10);
        lose(&w, a);
        tick(&w, 61000);
        link_up(&w, a);
    }
    assert_int_equal(the(&w, a)->row.losses, 0);
    assert_string_equal(the(&w, a)->row.sick, "");
    ward_end(&w);
}

static void room(struct ward *w, uint64_t server, uint64_t free_mib, uint64_t total_mib)
{
    struct disk_room disk = {"/w", free_mib << 20, total_mib << 20};
    struct event ev = {.kind = EV_HEALTH};

    ev.health.server.v = server;
    ev.health.link = the(w, server)->link;
    ev.health.disks = &disk;
    ev.health.n_disks = 1;
    turn(w, &ev);
}

static void test_disk__limits_and_what_lies_between(void **state)
{
    struct ward w;
    struct ward off;
    uint64_t a;

    (void)state;
    ward_begin(&w, NULL);
    a = server_new_online(&w, "a", 1);
    room(&w, a, 1, 100000);
    assert_string_equal(the(&w, a)->row.sick, ""); /* the last one */
    (void)server_new_online(&w, "b", 1);
    room(&w, a, 256, 100000);
    assert_string_equal(the(&w, a)->row.sick, "");
    room(&w, a, 255, 100000);
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_DISK);
    room(&w, a, 511, 100000);
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_DISK);
    room(&w, a, 512, 100000);
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_NOT);
    room(&w, a, 3, 100); /* more than two per cent */
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_NOT);
    room(&w, a, 1, 100);
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_DISK);
    room(&w, a, 0, 0); /* not known: neither full nor the end of it */
    assert_int_equal(the(&w, a)->row.sick_cause, SICK_DISK);
    assert_int_equal(w.told, 2);
    ward_end(&w);

    ward_begin(&off, &(struct engine_opts){.sick_disk_bytes = UINT64_MAX});
    a = server_new_online(&off, "a", 1);
    (void)server_new_online(&off, "b", 1);
    room(&off, a, 0, 100000);
    assert_string_equal(the(&off, a)->row.sick, "");
    ward_end(&off);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures__three_in_a_row_and_one_notice),
        cmocka_unit_test(test_failures__that_came_together_are_one),
        cmocka_unit_test(test_failures__of_many_slots_are_counted),
        cmocka_unit_test(test_failures__slow_ones_are_left_out),
        cmocka_unit_test(test_blame__outlives_the_launch),
        cmocka_unit_test(test_blame__not_when_it_works_elsewhere),
        cmocka_unit_test(test_pardon__is_bounded),
        cmocka_unit_test(test_losses__two_within_an_hour),
        cmocka_unit_test(test_losses__of_all_are_of_none),
        cmocka_unit_test(test_disk__limits_and_what_lies_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
