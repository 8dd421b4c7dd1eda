/* test_agent_core.c - the agent's decisions as stories in virtual time, in the world of test_agent_world.h. */
#include "unit/test_agent_world.h"

/* ---- stories ---- */

STORY(test_agent__runs_what_the_goals_list)
{
    link_up(w, 1);
    spec(w, 1);
    spec(w, 2);
    goal(w, 1, WANT_RUN);
    goal(w, 2, WANT_RUN);
    goals(w);
    w->now = mono_add_ms(w->now, 20);
    exited(w, 1, 0);
    expect(w, "[  1000] send HELLO\n"
              "[  1000] run 1: NEW to WAITING: its description arrived\n"
              "[  1000] send BEAT 1:0\n"
              "[  1000] run 2: NEW to WAITING: its description arrived\n"
              "[  1000] send BEAT 1:0 2:0\n"
              "[  1000] run 1: WAITING to PREPARING: a slot is free and gets the code\n"
              "[  1000] prepare slot 0 for 1\n"
              "[  1000] run 1: PREPARING to STARTING: the code is there\n"
              "[  1000] spawn 1 in slot 0\n"
              "[  1000] run 1: STARTING to RUNNING: its process was started\n"
              "[  1000] send STARTED 1 slot 0\n"
              "[  1020] run 1: RUNNING to ENDED: its process ended\n"
              "[  1020] run 2: WAITING to STARTING: a slot is free and ready\n"
              "[  1020] spawn 2 in slot 0\n"
              "[  1020] run 2: STARTING to RUNNING: its process was started\n"
              "[  1020] send STARTED 2 slot 0\n"
              "[  1020] run 1: ENDED to FINISHED: its end is on the disk\n"
              "[  1020] send FINISHED 1 how 0 log 0\n");
    ungoal(w, 1);
    goals(w);
    expect(w, "[  1020] run 1: FINISHED to GONE: the controller knows its end\n"
              "[  1020] release 1\n"
              "[  1020] send BEAT 2:2\n");
}

STORY(test_agent__says_finished_only_when_it_is_durable)
{
    start_one(w);
    w->hold_sync = true;
    exited(w, 1, 0);
    assert_false(told(w, "FINISHED"));
    step(w, &(struct agent_event){.kind = AG_EV_SYNCED, .seq = w->record_seq - 1});
    assert_false(told(w, "FINISHED"));
    step(w, &(struct agent_event){.kind = AG_EV_SYNCED, .seq = w->record_seq});
    assert_true(told(w, "send FINISHED 1 how 0"));
}

STORY(test_agent__ends_a_run_at_the_end_of_its_lease)
{
    start_one(w); /* the lease: 30 s from the beat of 1000, less 1 s of grace */
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    advance(w, 28999);
    expect(w, "");
    advance(w, 1);
    expect(w, "[ 30000] run 1: RUNNING to STOPPING: its lease ended\n[ 30000] KILL 1\n");
    exited_with(w, 1, (struct agent_exit){.is_signal = true, .code = 9});
    link_up(w, 1);
    assert_true(told(w, "send HELLO 1:4:0"));
    assert_true(told(w, "send FINISHED 1 how 5"));
}

STORY(test_agent__counts_the_lease_from_the_beat_that_was_answered)
{
    start_one(w);
    advance(w, 20000);
    goals(w); /* still for the beat of 1000: a slow answer does not make the lease longer */
    advance(w, 8999);
    assert_false(told(w, "its lease ended"));
    advance(w, 1);
    assert_true(told(w, "[ 30000] run 1: RUNNING to STOPPING: its lease ended"));
}

STORY(test_agent__forgets_a_waiting_run_whose_lease_ended)
{
    start_one(w);
    spec(w, 2);
    goal(w, 2, WANT_RUN);
    goals(w);
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    advance(w, 30000);
    assert_true(told(w, "run 2: WAITING to GONE: its lease ended before it started"));
}

STORY(test_agent__never_starts_a_run_without_a_lease)
{
    link_up(w, 1);
    spec(w, 1);
    advance(w, 1000);
    goal(w, 1, WANT_RUN);
    w->goals[0].lease_ms = 0;
    goals(w);
    assert_false(told(w, "prepare"));
    w->goals[0].lease_ms = 500; /* ended before it came: the grace alone is longer */
    goals(w);
    assert_false(told(w, "prepare"));
}

STORY(test_agent__stops_with_term_then_kill)
{
    start_one(w);
    goal(w, 1, WANT_STOP);
    goals(w);
    goals(w); /* said again, done once */
    advance(w, 499);
    expect(w,
           "[  1000] run 1: RUNNING to STOPPING: it was stopped\n[  1000] TERM 1\n[  1000] send BEAT 1:3\n");
    advance(w, 1);
    expect(w, "[  1500] KILL 1\n");
    exited_with(w, 1, (struct agent_exit){.is_signal = true, .code = 9});
    assert_true(told(w, "send FINISHED 1 how 2"));
}

STORY(test_agent__stops_before_the_start)
{
    start_one(w);
    spec(w, 2);
    goal(w, 2, WANT_STOP);
    goals(w);
    assert_true(told(w, "run 2: WAITING to ENDED: stopped before it started"));
    assert_true(told(w, "send FINISHED 2 how 2 log 0"));
    exited(w, 1, 0);
    assert_false(told(w, "spawn 2"));
}

STORY(test_agent__gives_back_what_has_not_started)
{
    start_one(w);
    spec(w, 2);
    goal(w, 2, WANT_RUN);
    goals(w);
    goal(w, 1, WANT_BACK);
    goal(w, 2, WANT_BACK);
    goals(w);
    assert_true(told(w, "run 2: WAITING to GONE: taken back before it started"));
    assert_true(told(w, "send BEAT 1:2\n"));
    exited(w, 1, 0);
    assert_true(told(w, "send FINISHED 1 how 0"));
}

STORY(test_agent__kills_what_is_no_longer_listed)
{
    start_one(w);
    spec(w, 2);
    ungoal(w, 1);
    goal(w, 2, WANT_RUN);
    goals(w);
    expect(w, "[  1000] run 2: NEW to WAITING: its description arrived\n"
              "[  1000] send BEAT 1:2 2:0\n"
              "[  1000] run 1: RUNNING to DROPPED: no longer wanted\n"
              "[  1000] KILL 1\n"
              "[  1000] send BEAT 2:0\n");
    exited(w, 1, 0);
    assert_true(told(w, "run 1: DROPPED to GONE"));
    assert_true(told(w, "spawn 2 in slot 0"));
    assert_false(told(w, "FINISHED 1"));
}

STORY(test_agent__ignores_what_it_knows_and_what_it_does_not)
{
    start_one(w);
    spec(w, 1);
    goal(w, 99, WANT_RUN); /* no description came */
    goals(w);
    goals(w);
    expect(w, "");
    exited(w, 1, 0);
    buf_clear(&w->story);
    spec(w, 1);
    goals(w);
    assert_false(told(w, "spawn"));
}

STORY(test_agent__keeps_the_order_of_the_goals)
{
    start_one(w);
    spec(w, 2);
    spec(w, 3);
    goal(w, 3, WANT_RUN);
    goal(w, 2, WANT_RUN);
    goals(w);
    exited(w, 1, 0);
    assert_true(told(w, "spawn 3"));
    assert_false(told(w, "spawn 2"));
}

STORY(test_agent__sends_from_the_acknowledged_offset_after_a_reconnect)
{
    start_one(w);
    grew(w, 1, STREAM_LOG, 60);
    frame_in(w, &(struct frame){
                    .type = FRAME_ACKS,
                    .acks = {.acks = &(struct wire_ack){.run = 1, .stream = 0, .offset = 20}, .n_acks = 1}});
    grew(w, 1, STREAM_LOG, 70);
    expect(w, "[  1000] stream 1.0 0+60\n[  1000] stream 1.0 60+10\n");
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    grew(w, 1, STREAM_LOG, 90);
    expect(w, "");
    link_up(w, 1);
    expect(w, "[  1000] send HELLO 1:2:90\n[  1000] stream 1.0 20+70\n");
}

STORY(test_agent__what_the_disk_lost_ends_a_run)
{
    start_one(w);
    grew(w, 1, STREAM_LOG, 60);
    buf_clear(&w->story);
    event(w,
          &(struct agent_event){.kind = AG_EV_LOST, .run = 1, .stream = STREAM_LOG, .len = 20, .wall = {5}});
    grew(w, 1, STREAM_LOG, 80);
    exited(w, 1, 90);
    expect(w,
           "[  1000] run 1: RUNNING to STOPPING: the disk lost what it wrote\n"
           "[  1000] KILL 1\n"
           "[  1000] send BEAT 1:3\n"
           "[  1000] run 1: STOPPING to ENDED: its process ended\n"
           "[  1000] run 1: ENDED to FINISHED: its end is on the disk\n"
           "[  1000] send FINISHED 1 how 11 log 20 the disk of the server lost what the run wrote: its spool "
           "cannot be read back\n");
}

STORY(test_agent__what_the_disk_lost_of_a_finished_run_is_told_again)
{
    start_one(w);
    grew(w, 1, STREAM_LOG, 60);
    exited(w, 1, 60);
    buf_clear(&w->story);
    event(w,
          &(struct agent_event){.kind = AG_EV_LOST, .run = 1, .stream = STREAM_LOG, .len = 20, .wall = {5}});
    event(w, &(struct agent_event){
                 .kind = AG_EV_LOST, .run = 1, .stream = STREAM_LOG, .len = 20, .wall = {5}}); /* old news */
    expect(w,
           "[  1000] run 1: FINISHED to ENDED: the disk lost what it wrote: another end is told\n"
           "[  1000] send BEAT 1:3\n"
           "[  1000] run 1: ENDED to FINISHED: its end is on the disk\n"
           "[  1000] send FINISHED 1 how 11 log 20 the disk of the server lost what the run wrote: its spool "
           "cannot be read back\n");
}

STORY(test_agent__skips_what_the_controller_has)
{
    start_one(w);
    grew(w, 1, STREAM_LOG, 60);
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    buf_clear(&w->story);
    w->room = 0;
    link_up(w, 1);
    frame_in(w, &(struct frame){
                    .type = FRAME_ACKS,
                    .acks = {.acks = &(struct wire_ack){.run = 1, .stream = 0, .offset = 60}, .n_acks = 1}});
    w->room = KIB(1);
    grew(w, 1, STREAM_LOG, 61);
    expect(w, "[  1000] send HELLO 1:2:60\n[  1000] stream 1.0 60+1\n");
}

STORY(test_agent__respects_the_window)
{
    struct wire_ack ack = {.run = 1, .stream = 0, .offset = 30};
    struct frame acks = {.type = FRAME_ACKS, .acks = {.acks = &ack, .n_acks = 1}};

    start_one(w);
    grew(w, 1, STREAM_LOG, 1000);
    grew(w, 1, STREAM_RESULTS, 150);
    frame_in(w, &acks);
    frame_in(w, &acks); /* a late repetition gives nothing */
    ack.offset = 2000;  /* nor does one of bytes that do not exist */
    frame_in(w, &acks);
    expect(w, "[  1000] stream 1.0 0+100\n[  1000] stream 1.1 0+100\n[  1000] stream 1.0 100+30\n");
    assert_false(agent_has_backlog(w->agent));
}

STORY(test_agent__shares_a_full_link_between_streams)
{
    link_up(w, 2);
    spec(w, 1);
    spec(w, 2);
    goal(w, 1, WANT_RUN);
    goal(w, 2, WANT_RUN);
    goals(w);
    w->room = 0;
    grew(w, 1, STREAM_LOG, 50);
    grew(w, 2, STREAM_LOG, 50);
    buf_clear(&w->story);
    w->room = 50;
    settle(w);
    settle(w);
    expect(w, "[  1000] stream 1.0 0+50\n[  1000] stream 2.0 0+50\n");
}

STORY(test_agent__stops_at_time_and_silence_limits)
{
    link_up(w, 2);
    spec_more(w, 1, (struct frame_run_spec){.launch = 1, .time_limit_ms = 5000});
    spec_more(w, 2, (struct frame_run_spec){.launch = 1, .silence_limit_ms = 2000});
    goal(w, 1, WANT_RUN);
    goal(w, 2, WANT_RUN);
    goals(w);
    advance(w, 1500);
    grew(w, 2, STREAM_LOG, 5);
    buf_clear(&w->story);
    advance(w, 1999);
    expect(w, "");
    advance(w, 1);
    assert_true(told(w, "[  4500] run 2: RUNNING to STOPPING: it wrote nothing"));
    exited_with(
        w, 2,
        (struct agent_exit){.is_signal = true, .code = 15, .len = {5, 0}, .text = slice_of("running: sh")});
    assert_true(told(w, "send FINISHED 2 how 4 log 5 no output for 2.0 s; running: sh"));
    advance(w, 1500);
    assert_true(told(w, "[  6000] run 1: RUNNING to STOPPING: it ran longer"));
    exited(w, 1, 0);
    assert_true(told(w, "send FINISHED 1 how 3 log 0 still running after 5.0 s; "));
}

STORY(test_agent__reports_signals_and_memory)
{
    start_one(w);
    exited_with(w, 1, (struct agent_exit){.is_signal = true, .code = 11});
    assert_true(told(w, "send FINISHED 1 how 1"));
    spec(w, 2);
    goal(w, 2, WANT_RUN);
    goals(w);
    exited_with(w, 2, (struct agent_exit){.is_signal = true, .code = 9, .oom = true});
    assert_true(told(w, "send FINISHED 2 how 10"));
}

STORY(test_agent__prepares_again_when_launch_or_commit_changes)
{
    struct frame_run_spec s = {.launch = 1, .project = 3, .commit = slice_of(COMMIT_1)};

    link_up(w, 1);
    for (uint64_t run = 1; run <= 4; run++) {
        s.launch = run < 3 ? 1 : 2;
        spec_more(w, run, s);
        goal(w, run, WANT_RUN);
    }
    goals(w);
    buf_clear(&w->story);
    exited(w, 1, 0);
    assert_false(told(w, "prepare"));
    exited(w, 2, 0);
    assert_true(told(w, "prepare slot 0 for 3"));
    buf_clear(&w->story);
    exited(w, 3, 0);
    assert_false(told(w, "prepare"));
    assert_true(told(w, "spawn 4 in slot 0"));
}

STORY(test_agent__tells_when_the_code_cannot_come)
{
    link_up(w, 1);
    w->hold_prepare = true;
    spec_more(w, 1, (struct frame_run_spec){.launch = 1, .project = 3, .commit = slice_of(COMMIT_1)});
    goal(w, 1, WANT_RUN);
    goals(w);
    event(w,
          &(struct agent_event){
              .kind = AG_EV_PREPARED, .slot = 0, .text = slice_of("git fetch failed: no such"), .wall = {1}});
    assert_true(told(w, "send FINISHED 1 how 7 log 0 git fetch failed: no such"));
}

STORY(test_agent__tries_again_when_the_link_broke_the_fetch)
{
    link_up(w, 1);
    w->hold_prepare = true;
    spec_more(w, 1, (struct frame_run_spec){.launch = 1, .project = 3, .commit = slice_of(COMMIT_1)});
    goal(w, 1, WANT_RUN);
    goals(w);
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    event(w, &(struct agent_event){.kind = AG_EV_PREPARED, .slot = 0, .text = slice_of("the link broke")});
    assert_true(told(w, "run 1: PREPARING to WAITING: the link broke while the code was on its way"));
    buf_clear(&w->story);
    link_up(w, 1);
    assert_true(told(w, "prepare slot 0 for 1"));
}

static void clock_in(struct world *w, int64_t trip_ms, int64_t here_ms, uint64_t there_ms)
{
    struct frame f = {.type = FRAME_GOALS};

    event(w, &(struct agent_event){.kind = AG_EV_LINK_UP}); /* HELLO leaves now */
    welcome(w, 1);
    w->now = mono_add_ms(w->now, trip_ms);
    f.goals.seq = ++w->goals_seq;
    f.goals.wall_ms = there_ms;
    event(w, &(struct agent_event){.kind = AG_EV_FRAME, .wall = {here_ms}, .frame = &f});
}

/* The controller's clock was read at some moment of the round trip, so the difference is known to half of it; the quickest answer
 * is kept, for a while. */
STORY(test_agent__says_how_wrong_its_clock_may_be)
{
    struct wire_text tool = {slice_of("git 2.39.5")};
    struct frame f = {.type = FRAME_HEALTH, .health = {.disk_free_bytes = 7, .tools = &tool, .n_tools = 1}};
    struct agent_event ev = {.kind = AG_EV_HEALTH, .frame = &f};

    event(w, &ev);
    assert_false(told(w, "send HEALTH")); /* nobody is there */
    link_up(w, 1);
    event(w, &ev);
    assert_true(told(w, "send HEALTH skew 0 error 0 disk 7 git 2.39.5")); /* not known yet */
    clock_in(w, 39, 9020, 5000);
    event(w, &ev);
    assert_true(told(w, "send HEALTH skew 4000 error 20 disk 7"));
    clock_in(w, 399, 19999, 15000);
    event(w, &ev);
    assert_false(told(w, "skew 4799"));
    clock_in(w, 9, 20000, 16000);
    event(w, &ev);
    assert_true(told(w, "send HEALTH skew 3995 error 5 disk 7"));
    advance(w, AGENT_CLOCK_KEPT_MS);
    clock_in(w, 399, 90000, 86000); /* clocks drift: what was true a minute ago is not taken for ever */
    event(w, &ev);
    assert_true(told(w, "send HEALTH skew 3800 error 200 disk 7"));
    assert_int_not_equal(agent_link(w->agent), 0);
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    assert_int_equal(agent_link(w->agent), 0);
}

STORY(test_agent__tells_what_it_prepares_when_that_takes_long)
{
    link_up(w, 1);
    w->hold_prepare = true;
    spec_more(w, 1, (struct frame_run_spec){.launch = 1, .project = 3, .commit = slice_of(COMMIT_1)});
    goal(w, 1, WANT_RUN);
    goals(w);
    advance(w, AGENT_PREPARING_TOLD_MS - 1);
    event(w, &(struct agent_event){.kind = AG_EV_STEP, .slot = 0, .text = slice_of("step 1 of 2: gems")});
    assert_false(told(w, "send PREPARING")); /* most are over by now */
    advance(w, 1);
    assert_true(told(w, "send PREPARING 1 slot 0 step 1 of 2: gems"));
    buf_clear(&w->story);
    event(w, &(struct agent_event){.kind = AG_EV_STEP, .slot = 0, .text = slice_of("step 2 of 2: browser")});
    assert_true(told(w, "send PREPARING 1 slot 0 step 2 of 2: browser")); /* at once */
    buf_clear(&w->story);
    advance(w, 5000);
    assert_false(told(w, "send PREPARING")); /* once a step */
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    event(w, &(struct agent_event){.kind = AG_EV_STEP, .slot = 0, .text = slice_of("step 2 of 2: fonts")});
    assert_false(told(w, "send PREPARING"));
    link_up(w, 1);
    assert_true(told(w, "send PREPARING 1 slot 0 step 2 of 2: fonts"));
    buf_clear(&w->story);
    event(w, &(struct agent_event){.kind = AG_EV_PREPARED, .slot = 0});
    exited(w, 1, 0);
    spec_more(w, 2, (struct frame_run_spec){.launch = 2, .project = 3, .commit = slice_of(COMMIT_1)});
    goal(w, 2, WANT_RUN);
    goals(w);
    event(w, &(struct agent_event){.kind = AG_EV_PREPARED, .slot = 0});
    advance(w, 1000);
    assert_false(told(w, "send PREPARING 2")); /* it was over in an instant */
}

STORY(test_agent__drops_a_run_whose_slot_is_preparing)
{
    link_up(w, 1);
    w->hold_prepare = true;
    spec(w, 1);
    spec(w, 2);
    goal(w, 1, WANT_RUN);
    goal(w, 2, WANT_RUN);
    goals(w);
    ungoal(w, 1);
    goals(w);
    assert_true(told(w, "run 1: PREPARING to GONE"));
    assert_false(told(w, "prepare slot 0 for 2"));
    event(w, &(struct agent_event){.kind = AG_EV_PREPARED, .slot = 0});
    assert_true(told(w, "spawn 2 in slot 0")); /* of the same launch: the code is there */
}

STORY(test_agent__stops_and_drops_between_spawn_and_its_answer)
{
    link_up(w, 2);
    w->hold_spawn = true;
    spec(w, 1);
    spec(w, 2);
    goal(w, 1, WANT_RUN);
    goal(w, 2, WANT_RUN);
    goals(w);
    goal(w, 1, WANT_STOP);
    ungoal(w, 2);
    goals(w);
    assert_true(told(w, "run 2: STARTING to DROPPED"));
    buf_clear(&w->story);
    event(w, &(struct agent_event){.kind = AG_EV_SPAWNED, .run = 1});
    event(w, &(struct agent_event){.kind = AG_EV_SPAWNED, .run = 2});
    assert_true(told(w, "TERM 1"));
    assert_true(told(w, "KILL 2"));
}

STORY(test_agent__gives_up_a_slow_start_that_is_stopped_or_whose_lease_ends)
{
    link_up(w, 2);
    w->hold_spawn = true;
    spec(w, 1);
    spec(w, 2);
    goal(w, 1, WANT_RUN);
    goal(w, 2, WANT_RUN);
    goals(w);
    buf_clear(&w->story);
    goal(w, 1, WANT_STOP);
    goals(w);
    goals(w);
    assert_true(told(w, "TERM 1"));
    assert_null(strstr(strstr(buf_str(&w->story), "TERM 1") + 1, "TERM 1")); /* once is enough */
    event(w, &(struct agent_event){.kind = AG_EV_SPAWN_FAILED, .run = 1, .is_not_ready = true, .wall = {1}});
    assert_true(told(w, "run 1: STARTING to ENDED: stopped while it was started"));
    assert_true(told(w, "send FINISHED 1 how 2"));
    advance(w, 120000);
    assert_true(told(w, "run 2: STARTING to DROPPED: its lease ended while it was started"));
    assert_true(told(w, "KILL 2"));
    event(w, &(struct agent_event){.kind = AG_EV_SPAWN_FAILED, .run = 2, .wall = {1}});
    assert_true(told(w, "run 2: DROPPED to GONE"));
}

STORY(test_agent__makes_a_slot_ready_again_when_its_ground_was_gone)
{
    link_up(w, 1);
    w->hold_spawn = true;
    spec(w, 1);
    spec(w, 2);
    goal(w, 1, WANT_RUN);
    goal(w, 2, WANT_RUN);
    goals(w);
    buf_clear(&w->story);
    event(w, &(struct agent_event){.kind = AG_EV_SPAWN_FAILED,
                                   .run = 1,
                                   .is_not_ready = true,
                                   .text = slice_of("no image"),
                                   .wall = {1}});
    assert_true(told(w, "run 2: WAITING to PREPARING"));
}

STORY(test_agent__tells_what_could_not_be_started)
{
    link_up(w, 1);
    w->hold_spawn = true;
    spec(w, 1);
    goal(w, 1, WANT_RUN);
    goals(w);
    event(w, &(struct agent_event){.kind = AG_EV_SPAWN_FAILED,
                                   .run = 1,
                                   .text = slice_of("ruby: command not found"),
                                   .wall = {1}});
    assert_true(told(w, "send FINISHED 1 how 6 log 0 ruby: command not found"));
}

STORY(test_agent__lives_through_a_full_disk)
{
    start_one(w);
    spec(w, 2);
    goal(w, 2, WANT_RUN);
    goals(w);
    event(w, &(struct agent_event){.kind = AG_EV_NO_DISK, .wall = {1}});
    assert_true(told(w, "run 2: WAITING to ENDED: it cannot be recorded, the disk is full"));
    assert_true(told(w, "send FINISHED 2 how 9"));
    assert_false(told(w, "KILL 1")); /* as long as it writes nothing, it may go on */
    event(w, &(struct agent_event){.kind = AG_EV_NO_DISK, .run = 1, .wall = {1}});
    assert_true(told(w, "KILL 1"));
    exited(w, 1, 0);
    assert_true(told(w, "send FINISHED 1 how 9"));
    spec(w, 4);
    goal(w, 4, WANT_RUN);
    goals(w); /* the engine may not know yet: it must not wait here for room */
    assert_true(told(w, "send FINISHED 4 how 9"));
    event(w, &(struct agent_event){.kind = AG_EV_DISK_OK});
    spec(w, 3);
    goal(w, 3, WANT_RUN);
    goals(w);
    assert_true(told(w, "spawn 3"));
}

STORY(test_agent__comes_back_from_its_journal)
{
    struct agent_opts o = opts();
    struct agent_restored re;

    /* One finished, one running, one waiting; then the agent dies. */
    link_up(w, 2);
    for (uint64_t run = 1; run <= 3; run++) {
        spec(w, run);
        goal(w, run, WANT_RUN);
    }
    goals(w);
    event(w, &(struct agent_event){.kind = AG_EV_BOXED, .run = 1, .text = SLICE("debian:12@sha256:00")});
    grew(w, 1, STREAM_LOG, 10);
    exited(w, 1, 12);
    assert_true(told(w, "send FINISHED 1 how 0 log 12 in debian:12@sha256:00\n"));
    agent_free(w->agent);
    buf_clear(&w->story);
    w->now = (struct mono){5000000};
    o.incarnation = 8;
    w->agent = agent_new(&o, w->now);
    w->last_beat = 0;
    w->record_seq = 0;

    re = (struct agent_restored){
        .run = 1, .was_started = true, .finished = buf_slice(&w->finished[1]), .len = {12, 0}};
    step(w, &(struct agent_event){.kind = AG_EV_RESTORED, .restored = &re});
    re =
        (struct agent_restored){.run = 2, .was_started = true, .acked = {30, 0}, .len = {50, 0}, .wall = {9}};
    step(w, &(struct agent_event){.kind = AG_EV_RESTORED, .restored = &re});
    re = (struct agent_restored){.run = 3, .spec = buf_slice(&w->specs[3])};
    step(w, &(struct agent_event){.kind = AG_EV_RESTORED, .restored = &re});
    settle(w);
    buf_clear(&w->story);
    link_up(w, 2);
    expect(w,
           "[  5000] send HELLO 1:4:12 2:4:50 3:0:0\n"
           "[  5000] send FINISHED 1 how 0 log 12 in debian:12@sha256:00\n"
           "[  5000] send FINISHED 2 how 8 log 50 the agent on the server was killed while the script ran\n"
           "[  5000] stream 1.0 0+12\n"
           "[  5000] stream 2.0 30+20\n");
    goals(w);
    assert_true(told(w, "prepare slot 0 for 3"));
}

STORY(test_agent__secrets_are_in_no_journal)
{
    struct wire_text secrets[] = {{SLICE("TOKEN=hunter2")}, {SLICE("KEY=hunter3")}};
    struct agent_opts o = opts();
    struct agent_restored re;

    link_up(w, 1);
    spec(w, 1);
    goal(w, 1, WANT_RUN);
    spec_more(
        w, 2,
        (struct frame_run_spec){.launch = 1, .commit = slice_of(""), .secrets = secrets, .n_secrets = 2});
    goal(w, 2, WANT_RUN);
    goals(w);
    assert_null(memmem(w->specs[2].data, w->specs[2].len, "hunter", 6));
    assert_non_null(memmem(w->specs[2].data, w->specs[2].len, "TOKEN", 5));
    exited(w, 1, 0);
    assert_true(told(w, "spawn 2"));
    assert_non_null(memmem(w->spawned.data, w->spawned.len, "TOKEN=hunter2", 13));

    /* Another agent finds it waiting in the journal: it does not hold it, the controller gives it anew. */
    agent_free(w->agent);
    buf_clear(&w->story);
    o.incarnation = 8;
    w->agent = agent_new(&o, w->now);
    w->last_beat = 0;
    w->record_seq = 0;
    re = (struct agent_restored){.run = 2, .spec = buf_slice(&w->specs[2])};
    step(w, &(struct agent_event){.kind = AG_EV_RESTORED, .restored = &re});
    assert_int_equal(agent_run_count(w->agent), 0);
    assert_true(told(w, "release 2"));
}

STORY(test_agent__loses_bytes_of_a_bad_disk_openly)
{
    struct agent_restored re = {.run = 1, .was_started = true, .len = {7, 0}};

    start_one(w);
    exited(w, 1, 12);
    step(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    ungoal(w, 1);
    agent_free(w->agent);
    w->agent = agent_new(
        &(struct agent_opts){.instance = "i1", .version = "", .hash = "", .hostname = "", .facts = ""},
        w->now);
    re.finished = buf_slice(&w->finished[1]);
    step(w, &(struct agent_event){.kind = AG_EV_RESTORED, .restored = &re});
    buf_clear(&w->story);
    link_up(w, 1);
    assert_true(told(w, "send FINISHED 1 how 0 log 7"));
}

STORY(test_agent__drops_links_that_break_the_rules)
{
    event(w, &(struct agent_event){.kind = AG_EV_LINK_UP});
    goals(w);
    assert_true(told(w, "close link: a frame before WELCOME"));
    event(w, &(struct agent_event){.kind = AG_EV_LINK_UP});
    frame_in(
        w, &(struct frame){.type = FRAME_WELCOME, .welcome = {.protocol = 1, .instance = slice_of("other")}});
    assert_true(told(w, "close link: this agent serves another instance"));
    link_up(w, 1);
    welcome(w, 1);
    assert_true(told(w, "close link: a second WELCOME"));
    link_up(w, 1);
    frame_in(w, &(struct frame){.type = FRAME_STARTED});
    assert_true(told(w, "close link: a frame that only an agent may send"));
    link_up(w, 1);
    goals_as_of(w, 77);
    assert_true(told(w, "close link: goals for a beat that was not sent"));
    event(w, &(struct agent_event){.kind = AG_EV_LINK_UP});
    advance(w, AGENT_WELCOME_TIMEOUT_MS);
    assert_true(told(w, "close link: no WELCOME came"));
    link_up(w, 1);
    advance(w, AGENT_SILENCE_TIMEOUT_MS);
    assert_true(told(w, "close link: nothing was heard for long"));
    assert_false(agent_has_link(w->agent));
}

STORY(test_agent__beats_on_time_but_not_into_a_full_link)
{
    link_up(w, 1);
    buf_clear(&w->story);
    advance(w, 100000);
    expect(w, "[101000] send BEAT\n");
    w->room = 0;
    advance(w, 150000);
    expect(w, "");
    w->room = 1;
    settle(w);
    expect(w, "[251000] send BEAT\n");
}

STORY(test_agent__ends_when_nobody_needs_it)
{
    start_one(w);
    exited(w, 1, 0);
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    buf_clear(&w->story);
    advance(w, 600000);
    assert_false(told(w, "exit")); /* it holds a result */
    link_up(w, 1);
    ungoal(w, 1);
    goals_as_of(w, 0);
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    w->now = mono_add_ms(w->now, 599999);
    assert_false(told(w, "exit"));
    w->now = mono_add_ms(w->now, 1);
    step(w, &(struct agent_event){.kind = AG_EV_TICK});
    assert_true(told(w, "exit"));
}

STORY(test_agent__takes_fewer_slots_when_told)
{
    link_up(w, 2);
    for (uint64_t run = 1; run <= 3; run++) {
        spec(w, run);
        goal(w, run, WANT_RUN);
    }
    goals(w);
    link_up(w, 1);
    buf_clear(&w->story);
    exited(w, 2, 0);
    assert_false(told(w, "3: WAITING"));
    exited(w, 1, 0);
    assert_true(told(w, "run 3: WAITING to STARTING"));
}

STORY(test_agent__relays_channels_under_credit)
{
    struct frame_chan_open what = {.kind = slice_of("git"), .project = 3, .commit = slice_of(COMMIT_1)};

    event(w, &(struct agent_event){.kind = AG_EV_CHAN_OPEN, .local = 5, .chan = &what});
    expect(w, "[  1000] client 5 closed: there is no link to the controller\n");
    link_up(w, 1);
    buf_clear(&w->story);
    event(w, &(struct agent_event){.kind = AG_EV_CHAN_OPEN, .local = 6, .chan = &what});
    event(w, &(struct agent_event){.kind = AG_EV_CHAN_BYTES, .local = 6, .text = slice_of("want")});
    frame_in(w, &(struct frame){.type = FRAME_CHAN_CREDIT, .chan_credit = {.chan = 1, .bytes = 4}});
    frame_in(w,
             &(struct frame){.type = FRAME_CHAN_DATA, .chan_data = {.chan = 1, .bytes = slice_of("pack")}});
    event(w, &(struct agent_event){
                 .kind = AG_EV_CHAN_TAKEN, .local = 6, .len = 4}); /* little: no frame for it */
    event(w, &(struct agent_event){.kind = AG_EV_CHAN_TAKEN, .local = 6, .len = 40});
    frame_in(w, &(struct frame){.type = FRAME_CHAN_CLOSE, .chan_close = {.chan = 1, .error = slice_of("")}});
    event(w, &(struct agent_event){.kind = AG_EV_CHAN_EOF, .local = 6});
    expect(w, "[  1000] send CHAN_OPEN\n"
              "[  1000] client 6 may send 100\n"
              "[  1000] send CHAN_DATA\n"
              "[  1000] client 6 may send 4\n"
              "[  1000] client 6 gets pack\n"
              "[  1000] send CHAN_CREDIT\n"
              "[  1000] client 6: end\n"
              "[  1000] send CHAN_CLOSE\n"
              "[  1000] client 6 closed: \n");
}

STORY(test_agent__closes_a_channel_that_breaks_its_credit)
{
    struct frame_chan_open what = {.kind = slice_of("git"), .project = 3, .commit = slice_of(COMMIT_1)};
    static const char many[101] = "";

    link_up(w, 1);
    event(w, &(struct agent_event){.kind = AG_EV_CHAN_OPEN, .local = 6, .chan = &what});
    frame_in(w, &(struct frame){.type = FRAME_CHAN_DATA, .chan_data = {.chan = 1, .bytes = {many, 101}}});
    assert_true(told(w, "client 6 closed: the controller sent more than its credit"));
    event(w, &(struct agent_event){.kind = AG_EV_CHAN_OPEN, .local = 7, .chan = &what});
    event(w, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    assert_true(told(w, "client 7 closed: the link to the controller broke"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent__runs_what_the_goals_list),
        cmocka_unit_test(test_agent__says_finished_only_when_it_is_durable),
        cmocka_unit_test(test_agent__ends_a_run_at_the_end_of_its_lease),
        cmocka_unit_test(test_agent__counts_the_lease_from_the_beat_that_was_answered),
        cmocka_unit_test(test_agent__forgets_a_waiting_run_whose_lease_ended),
        cmocka_unit_test(test_agent__never_starts_a_run_without_a_lease),
        cmocka_unit_test(test_agent__stops_with_term_then_kill),
        cmocka_unit_test(test_agent__stops_before_the_start),
        cmocka_unit_test(test_agent__gives_back_what_has_not_started),
        cmocka_unit_test(test_agent__kills_what_is_no_longer_listed),
        cmocka_unit_test(test_agent__ignores_what_it_knows_and_what_it_does_not),
        cmocka_unit_test(test_agent__keeps_the_order_of_the_goals),
        cmocka_unit_test(test_agent__sends_from_the_acknowledged_offset_after_a_reconnect),
        cmocka_unit_test(test_agent__skips_what_the_controller_has),
        cmocka_unit_test(test_agent__what_the_disk_lost_ends_a_run),
        cmocka_unit_test(test_agent__what_the_disk_lost_of_a_finished_run_is_told_again),
        cmocka_unit_test(test_agent__respects_the_window),
        cmocka_unit_test(test_agent__shares_a_full_link_between_streams),
        cmocka_unit_test(test_agent__stops_at_time_and_silence_limits),
        cmocka_unit_test(test_agent__reports_signals_and_memory),
        cmocka_unit_test(test_agent__prepares_again_when_launch_or_commit_changes),
        cmocka_unit_test(test_agent__tells_when_the_code_cannot_come),
        cmocka_unit_test(test_agent__tries_again_when_the_link_broke_the_fetch),
        cmocka_unit_test(test_agent__tells_what_it_prepares_when_that_takes_long),
        cmocka_unit_test(test_agent__says_how_wrong_its_clock_may_be),
        cmocka_unit_test(test_agent__drops_a_run_whose_slot_is_preparing),
        cmocka_unit_test(test_agent__stops_and_drops_between_spawn_and_its_answer),
        cmocka_unit_test(test_agent__gives_up_a_slow_start_that_is_stopped_or_whose_lease_ends),
        cmocka_unit_test(test_agent__makes_a_slot_ready_again_when_its_ground_was_gone),
        cmocka_unit_test(test_agent__tells_what_could_not_be_started),
        cmocka_unit_test(test_agent__lives_through_a_full_disk),
        cmocka_unit_test(test_agent__comes_back_from_its_journal),
        cmocka_unit_test(test_agent__secrets_are_in_no_journal),
        cmocka_unit_test(test_agent__loses_bytes_of_a_bad_disk_openly),
        cmocka_unit_test(test_agent__drops_links_that_break_the_rules),
        cmocka_unit_test(test_agent__beats_on_time_but_not_into_a_full_link),
        cmocka_unit_test(test_agent__ends_when_nobody_needs_it),
        cmocka_unit_test(test_agent__takes_fewer_slots_when_told),
        cmocka_unit_test(test_agent__relays_channels_under_credit),
        cmocka_unit_test(test_agent__closes_a_channel_that_breaks_its_credit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
