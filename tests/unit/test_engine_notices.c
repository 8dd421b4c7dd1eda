/* test_engine_notices.c - what the engine saves to be told: in the turn of what it is about, once, and nothing else. */
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
    uint32_t said[NOTICE_KIND_COUNT];
    struct notice_row last; /* its texts are the outbox's */
};

/* A notice of a launch's end is in the changes of the turn that says so. */
static void count(struct ward *w)
{
    bool has_end = false;

    for (uint32_t i = 0; i < w->out->changes.n; i++) {
        const struct change *c = &w->out->changes.at[i];

        has_end = has_end || (c->kind == CHANGE_LAUNCH_SET && c->launch.state == LAUNCH_DONE);
        if (c->kind == CHANGE_NOTICE) {
            assert_true(w->out->has_notice);
            w->said[c->notice.kind]++;
            w->last = c->notice;
        }
    }
    for (uint32_t i = 0; i < w->out->changes.n; i++) {
        const struct change *c = &w->out->changes.at[i];

        if (c->kind == CHANGE_NOTICE && c->notice.kind == NOTICE_LAUNCH_DONE)
            assert_true(has_end);
    }
}

static void turn(struct ward *w, const struct event *ev)
{
    outbox_clear(w->out);
    engine_step(w->e, w->now, ev, w->out);
    engine_turn_end(w->e, w->now, w->out);
    engine_check(w->e);
    if (w->out->replies.n > 0)
        w->last_reply = w->out->replies.at[0].id;
    count(w);
}

static void begin(struct ward *w, bool notices)
{
    *w = (struct ward){
        .e = engine_new(&(struct engine_opts){.silence_shown_ms = 1000000000, .notices = notices}),
        .out = outbox_new(),
        .now = {{1000000}, {INT64_C(1000000000)}}};
    turn(w, &(struct event){.kind = EV_BOOTED});
}

static void end(struct ward *w)
{
    engine_free(w->e);
    outbox_free(w->out);
}

static uint64_t online(struct ward *w, const char *name)
{
    struct event ev = {.kind = EV_SERVER_ADD, .ticket = {1}};
    uint64_t id;

    ev.server_add.row = (struct server_row){
        .name = name, .fleet = FLEET_LOCAL, .address = "", .user = "", .identity = "", .slots = 1};
    turn(w, &ev);
    id = w->last_reply;
    ev = (struct event){.kind = EV_LINK_UP};
    ev.link_up.server.v = id;
    ev.link_up.link = ev.link_up.incarnation = 1;
    ev.link_up.agent_version = "1";
    ev.link_up.facts = "";
    turn(w, &ev);
    return id;
}

static uint64_t launch(struct ward *w, uint64_t user, enum adapter_kind adapter)
{
    static const char *const argv[] = {"true"};
    struct new_test test = {.path = "a.sh", .adapter = adapter, .argv = argv, .n_argv = 1};
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {1}};

    ev.launch_create.tests = &test;
    ev.launch_create.n_tests = 1;
    ev.launch_create.launch = (struct launch_row){.user = {user},
                                                  .project_name = "",
                                                  .name = "l",
                                                  .ref = "",
                                                  .commit = "0123456789012345678901234567890123456789",
                                                  .lease_ms = 3600000};
    turn(w, &ev);
    return w->last_reply;
}

static void finish(struct ward *w, uint64_t server, uint32_t how, const struct tally *tally)
{
    const struct server *s = server_by_id(w->e, (struct server_id){server});
    struct event ev = {.kind = EV_RUN_FINISHED};

    assert_non_null(s->runs);
    ev.run_finished.server.v = server;
    ev.run_finished.link = s->link;
    ev.run_finished.run = s->runs->id;
    ev.run_finished.finish = (struct finish){.how = how, .duration_us = 1000000};
    if (tally != NULL)
        ev.run_finished.tally = *tally;
    ev.run_finished.reason = "";
    turn(w, &ev);
}

static void test_notices__a_launch_of_a_user_ends_and_one_of_the_operator(void **state)
{
    struct ward w;
    uint64_t s;
    uint64_t l;

    (void)state;
    begin(&w, true);
    s = online(&w, "a");
    l = launch(&w, 7, ADAPTER_EXIT);
    assert_int_equal(w.said[NOTICE_LAUNCH_DONE], 0);
    finish(&w, s, FINISH_EXITED, NULL);
    assert_int_equal(w.said[NOTICE_LAUNCH_DONE], 1);
    assert_int_equal(w.last.user.v, 7);
    assert_int_equal(w.last.object, l);
    assert_int_equal(w.last.at.ms, w.now.wall.ms);
    (void)launch(&w, 1, ADAPTER_EXIT);
    finish(&w, s, FINISH_EXITED, NULL);
    assert_int_equal(w.said[NOTICE_LAUNCH_DONE], 1);
    assert_int_equal(w.said[NOTICE_RUNS_LOST] + w.said[NOTICE_NO_TESTS], 0);
    end(&w);
}

static void test_notices__runs_that_were_lost_and_runs_without_a_test(void **state)
{
    static const struct tally none = {.started = true, .ended = true};
    struct ward w;
    uint64_t s;
    uint64_t l;

    (void)state;
    begin(&w, true);
    s = online(&w, "a");
    l = launch(&w, 1, ADAPTER_RSPEC);
    finish(&w, s, FINISH_EXITED, &none);
    assert_int_equal(w.said[NOTICE_NO_TESTS], 1);
    assert_int_equal(w.last.object, l);
    assert_int_equal(w.last.user.v, 0);
    assert_string_equal(w.last.name, "a");
    l = launch(&w, 1, ADAPTER_EXIT);
    finish(&w, s, FINISH_NOT_STARTED, NULL);
    assert_int_equal(w.said[NOTICE_RUNS_LOST], 1);
    assert_int_equal(w.last.object, l);
    assert_true(w.last.run.v != 0);
    assert_string_equal(w.last.text, "the command could not be started on this server");
    end(&w);
}

static void test_notices__none_when_nobody_asked_for_them(void **state)
{
    struct ward w;
    uint64_t s;

    (void)state;
    begin(&w, false);
    s = online(&w, "a");
    (void)launch(&w, 7, ADAPTER_EXIT);
    finish(&w, s, FINISH_NOT_STARTED, NULL);
    for (int k = 0; k < NOTICE_KIND_COUNT; k++)
        assert_int_equal(w.said[k], 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notices__a_launch_of_a_user_ends_and_one_of_the_operator),
        cmocka_unit_test(test_notices__runs_that_were_lost_and_runs_without_a_test),
        cmocka_unit_test(test_notices__none_when_nobody_asked_for_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
