/* idle.c - a machine that does nothing for too long is destroyed.
 *
 * Idleness counts from the end of the last run, or from when the server was ready. A countdown is shown and stored once
 * it has lasted for IDLE_NOTE_MS, so that a server between two short scripts costs no write. After a start it begins
 * anew for servers that were at work, as far as the store knows.
 *
 * A machine that was taken out (sick.c) is kept for who wants to look at it, for sick_keep_ms; it does nothing, so this is
 * another clock, which never waits but for what the machine still runs. One that shall never be destroyed, as its own row and
 * not its fleet's says, is kept without end.
 *
 * Never: while it holds runs; while a test waits that may go to this server and for some reason does not (it looks
 * again after a minute); when the fleet, or the server itself, says so. Booking does not protect, nor does a queue that
 * somebody paused: what is kept and not used costs as much. */
#include "engine/engine_private.h"

#define IDLE_WANTED_MS 60000 /* a server that is waited for is looked at again after so long */

static int64_t idle_ms_of(const struct server *s)
{
    return s->row.idle_ms == IDLE_AS_FLEET ? s->fleet->row.idle_ms : s->row.idle_ms;
}

static bool is_counted_down(const struct server *s)
{
    return !s->removed && s->row.status == SERVER_CREATED && fleet_kind_makes_machines(s->row.fleet) &&
           s->n_runs == 0 && s->row.sick[0] == '\0' && idle_ms_of(s) > 0;
}

struct wall sick_until(const struct engine *e, const struct server *s)
{
    if (s->removed || s->row.status != SERVER_CREATED || !fleet_kind_makes_machines(s->row.fleet) ||
        s->row.sick[0] == '\0' || s->row.idle_ms == 0 || e->opts.sick_keep_ms < 0)
        return (struct wall){0};
    return (struct wall){s->row.sick_since.ms + e->opts.sick_keep_ms};
}

static struct mono when(const struct engine *e, struct wall at)
{
    return mono_add_ms(e->now.mono, at.ms - e->now.wall.ms);
}

static struct wall destroy_at(const struct server *s)
{
    return (struct wall){s->row.active_at.ms + idle_ms_of(s)};
}

/* When idle_on_timer() has something to do. */
struct mono idle_due(const struct engine *e, const struct server *s)
{
    if (s->row.sick[0] != '\0')
        return s->n_runs > 0 || sick_until(e, s).ms == 0 ? MONO_NEVER : when(e, sick_until(e, s));
    if (!is_counted_down(s))
        return MONO_NEVER;
    if (s->row.destroy_at.ms == 0)
        return mono_min(when(e, (struct wall){s->row.active_at.ms + IDLE_NOTE_MS}), when(e, destroy_at(s)));
    return when(e, s->row.destroy_at);
}

static void countdown_show(struct engine *e, struct server *s, struct wall at)
{
    if (s->row.destroy_at.ms == at.ms)
        return;
    s->row.destroy_at = at;
    server_changed(e, s);
}

void idle_look(struct engine *e, struct server *s)
{
    if (s->removed || s->row.status != SERVER_CREATED || !fleet_kind_makes_machines(s->row.fleet))
        return;
    if (s->row.sick[0] != '\0') {
        life_arm(e, s);
        return;
    }
    if (s->n_runs == 0)
        s->row.active_at = e->now.wall; /* stored with the countdown */
    else if (s->n_runs == 1)
        countdown_show(e, s, (struct wall){0});
    life_arm(e, s);
}

/* Another rule: the countdown may be another, too. */
void idle_rule_changed(struct engine *e, struct server *s)
{
    if (s->row.sick[0] != '\0')
        countdown_show(e, s, sick_until(e, s));
    else if (!is_counted_down(s))
        countdown_show(e, s, (struct wall){0});
    else if (s->row.destroy_at.ms != 0)
        countdown_show(e, s, destroy_at(s));
    life_arm(e, s);
}

/* Does a test wait that may go there? Then why it does not is a matter of a moment, or of people. */
static bool is_wanted(const struct engine *e, const struct server *s)
{
    const struct launch *l;

    for (l = e->launches; l != NULL; l = l->hh.next) {
        if (l->row.state == LAUNCH_RUNNING && l->n_waiting > 0 && !user_is_paused(l->user) &&
            launch_allows(l, s->id) && server_is_for(s, l))
            return true;
    }
    return false;
}

static void sick_on_timer(struct engine *e, struct server *s)
{
    struct wall until = sick_until(e, s);

    if (until.ms == 0 || s->n_runs > 0)
        return;
    if (e->now.wall.ms < until.ms)
        life_arm(e, s);
    else
        server_power_off(e, s, SERVER_BY_SICK,
                         arena_printf(&e->out->arena, "nobody put it back within %lld min: %s",
                                      (long long)(e->opts.sick_keep_ms / 60000), s->row.sick));
}

void idle_on_timer(struct engine *e, struct server *s)
{
    int64_t ms = idle_ms_of(s);

    if (s->row.sick[0] != '\0') {
        sick_on_timer(e, s);
        return;
    }
    if (!is_counted_down(s))
        return;
    if (e->now.wall.ms < s->row.active_at.ms + ms) {
        countdown_show(e, s, destroy_at(s));
    } else if (server_is_usable(s) && is_wanted(e, s)) {
        s->row.active_at.ms = e->now.wall.ms - ms + IDLE_WANTED_MS;
        if (s->row.active_at.ms > e->now.wall.ms)
            s->row.active_at = e->now.wall;
        countdown_show(e, s, destroy_at(s));
    } else {
        server_power_off(e, s, SERVER_BY_IDLE,
                         arena_printf(&e->out->arena, "it did nothing for %s", span_text(e, ms)));
        return;
    }
    life_arm(e, s);
}

void idle_boot(struct engine *e, struct server *s)
{
    if (s->row.sick[0] != '\0') {
        countdown_show(e, s, sick_until(e, s)); /* for how long may have been set anew */
        return;
    }
    if (s->row.destroy_at.ms != 0 && s->n_runs == 0)
        return; /* it goes on */
    s->row.active_at = e->now.wall;
    s->row.destroy_at.ms = 0;
    server_changed(e, s);
}
