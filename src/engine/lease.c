/* lease.c - who may execute a run, until when.
 *
 * A run is executed only under a lease: granted when it is assigned, renewed by the goals that answer a beat. The
 * agent counts from when it *sent* that beat and takes off its grace; here it counts from when the answer was made.
 * So delay can only shorten it there, and a test queued again here cannot still be executing there.
 *
 *   agent   beat sent ....................... lease_ms - grace -> kills the run
 *   here          | answer made ........................ lease_ms -> the run is LOST
 *
 * The timer is not moved by a renewal: when it goes off early it is set anew, so a beat costs one store per run.
 *
 * Invariants (engine_check.c):
 *   E8   every active run has a lease timer, set no later than its lease's end
 */
#include "engine/engine_private.h"

static struct mono lease_end_of(const struct engine *e, const struct run *r)
{
    return mono_add_ms(e->now.mono, r->launch->row.lease_ms);
}

void lease_grant(struct engine *e, struct run *r)
{
    r->lease_end = lease_end_of(e, r);
    timer_set(&e->timers, &r->lease, TIMER_LEASE, r, r->lease_end);
}

void lease_renew(struct engine *e, struct run *r)
{
    r->lease_end = lease_end_of(e, r);
}

void lease_on_timer(struct engine *e, struct run *r)
{
    if (mono_before(e->now.mono, r->lease_end)) {
        timer_set(&e->timers, &r->lease, TIMER_LEASE, r, r->lease_end);
        return;
    }
    retry_after_loss(e, r, RUN_BY_LEASE_END, NULL);
}
