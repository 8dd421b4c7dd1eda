#include "notify/notice.h"

struct wall notice_due(const struct notice_group *g, const struct notice_rules *rules, struct wall now)
{
    bool is_launch = g->kind == NOTICE_LAUNCH_DONE;
    int64_t first_ms = notice_is_for_admins(g->kind) ? rules->first_ms : 0;
    int64_t again_ms =
        is_launch && rules->again_ms > NOTICE_LAUNCHES_MS ? NOTICE_LAUNCHES_MS : rules->again_ms;
    int64_t at = g->at.ms < now.ms ? g->at.ms : now.ms; /* one of the future: the clock has gone back */
    struct wall due = {at + first_ms};

    if (g->is_taken)
        return now; /* the mail was being written when the program died */
    if (g->is_held)
        return (struct wall){now.ms + NOTICE_HELD_MS};
    if (g->told_at.ms != 0 && g->told_at.ms <= now.ms && g->told_at.ms + again_ms > due.ms)
        due.ms = g->told_at.ms + again_ms;
    return due;
}

/* What a person stopped has not failed. */
static bool is_failure(enum outcome o)
{
    return o != OUTCOME_PASSED && o != OUTCOME_STOPPED && o != OUTCOME_NONE;
}

bool notice_launch_is_wanted(const struct mail_choices *c, const struct launch_row *launch, bool by_schedule)
{
    enum mail_when when = launch->mail;
    int64_t took_ms = launch->ended_at.ms - launch->created_at.ms;

    if (when == WHEN_AS_CHOSEN && !by_schedule && took_ms < (int64_t)c->launch_min_s * 1000)
        return false;
    if (when == WHEN_AS_CHOSEN)
        when = by_schedule ? c->schedule_launches : c->launches;
    return when == WHEN_ALWAYS || (when == WHEN_FAILED && is_failure(launch->outcome));
}

bool notice_kind_is_wanted(const struct mail_choices *c, enum notice_kind kind)
{
    switch (kind) {
    case NOTICE_SCHEDULE_FAILED:
        return c->schedule_failed;
    case NOTICE_SCHEDULE_MISSED:
        return c->schedule_missed;
    case NOTICE_SCHEDULE_DISABLED:
        return c->schedule_disabled;
    default:
        return true;
    }
}
