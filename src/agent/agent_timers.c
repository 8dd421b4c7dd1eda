/* agent_timers.c - what the passing of time brings: leases and limits of runs, beats, links that say nothing, the agent's own end.
 *
 * Nothing is counted down: each deadline is a time that follows from what is known, and agent_deadline() is the first. */
#include "agent/agent_private.h"

static struct mono run_deadline(const struct run *r)
{
    struct mono t = MONO_NEVER;

    switch (r->state) {
    case RUN_WAITING:
    case RUN_STARTING:
        return r->is_leased ? r->lease_end : MONO_NEVER;
    case RUN_PREPARING:
        t = r->is_leased ? r->lease_end : MONO_NEVER;
        return r->is_long ? t : mono_min(t, mono_add_ms(r->preparing_at, AGENT_PREPARING_TOLD_MS));
    case RUN_RUNNING:
        if (r->is_leased)
            t = r->lease_end;
        if (r->is_keeping)
            return t;
        if (r->time_limit_ms > 0)
            t = mono_min(t, mono_add_ms(r->started_at, r->time_limit_ms));
        if (r->silence_limit_ms > 0)
            t = mono_min(t, mono_add_ms(r->last_output, r->silence_limit_ms));
        return t;
    case RUN_STOPPING:
        if (r->is_keeping && !r->is_killed)
            return r->is_leased ? r->lease_end : MONO_NEVER;
        return r->is_killed || !r->is_leased ? r->kill_at : mono_min(r->kill_at, r->lease_end);
    case RUN_DROPPED:
        return r->kill_at;
    case RUN_NEW:
    case RUN_ENDED:
    case RUN_FINISHED:
    case RUN_GONE:
    default:
        return MONO_NEVER;
    }
}

static void run_tick(struct agent *a, struct run *r, struct mono now, struct agent_out *out)
{
    if (mono_before(now, run_deadline(r)))
        return;
    switch (r->state) {
    case RUN_WAITING:
    case RUN_PREPARING:
    case RUN_STARTING:
        if (r->is_leased && !mono_before(now, r->lease_end)) {
            run_drop(a, r, now, ON_LEASE, out);
            a->want_beat = true;
        } else {
            r->is_long = true;
            send_preparing(a, r, out);
        }
        break;
    case RUN_RUNNING:
        if (r->is_leased && !mono_before(now, r->lease_end))
            run_stop(a, r, now, ON_LEASE, FINISH_LEASE_ENDED, true, out);
        else if (r->time_limit_ms > 0 && !mono_before(now, mono_add_ms(r->started_at, r->time_limit_ms)))
            run_stop(a, r, now, ON_TIME, FINISH_TIME_LIMIT, r->kill_grace_ms == 0, out);
        else
            run_stop(a, r, now, ON_SILENCE, FINISH_SILENCE_LIMIT, r->kill_grace_ms == 0, out);
        break;
    case RUN_STOPPING:
    case RUN_DROPPED:
        run_stop(a, r, now, ON_STOP, FINISH_STOPPED, true, out);
        break;
    case RUN_NEW:
    case RUN_ENDED:
    case RUN_FINISHED:
    case RUN_GONE:
    default:
        break;
    }
}

static struct mono link_deadline(const struct agent *a)
{
    if (!a->is_up)
        return MONO_NEVER;
    if (!a->is_welcome)
        return mono_add_ms(a->last_heard, AGENT_WELCOME_TIMEOUT_MS);
    return mono_min(a->next_beat, mono_add_ms(a->last_heard, AGENT_SILENCE_TIMEOUT_MS));
}

static struct mono idle_deadline(const struct agent *a)
{
    if (a->is_up || a->n_runs > 0 || a->idle_exit_ms == 0)
        return MONO_NEVER;
    return mono_add_ms(a->link_lost_at, a->idle_exit_ms);
}

struct mono agent_deadline(const struct agent *a)
{
    struct mono t = mono_min(link_deadline(a), idle_deadline(a));

    for (const struct run *r = a->first; r != NULL; r = r->next)
        t = mono_min(t, run_deadline(r));
    return t;
}

void on_tick(struct agent *a, struct mono now, struct agent_out *out)
{
    struct run *next;

    for (struct run *r = a->first; r != NULL; r = next) {
        next = r->next;
        run_tick(a, r, now, out);
    }
    runs_start(a, now, out);
    if (a->is_up && !a->is_welcome && !mono_before(now, link_deadline(a)))
        link_close(a, now, "no WELCOME came", out);
    else if (a->is_up && !mono_before(now, mono_add_ms(a->last_heard, AGENT_SILENCE_TIMEOUT_MS)))
        link_close(a, now, "nothing was heard for long", out);
    else if (a->is_welcome && !mono_before(now, a->next_beat))
        a->want_beat = true;
    if (!mono_before(now, idle_deadline(a)))
        (void)out_add(out, AG_ACT_EXIT);
}
