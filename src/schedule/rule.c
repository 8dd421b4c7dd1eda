/* rule.c - what people say about when, and the next moment of it. */
#include <string.h>

#include "schedule/schedule.h"

#define MINUTE_MS INT64_C(60000)

static const char *const kind_names[] = {"once", "every", "daily", "weekly", "cron"};

const char *rule_kind_name(enum rule_kind k)
{
    return k < RULE_KIND_COUNT ? kind_names[k] : "";
}

enum rule_kind rule_kind_parse(const char *name)
{
    int k = 0;

    while (k < RULE_KIND_COUNT && strcmp(kind_names[k], name) != 0)
        k++;
    return (enum rule_kind)k;
}

/* ---- making one ------------------------------------------------------------------------------------------ */

/* What this kind has no use for is a mistake of whoever wrote it. */
static enum err check_use(const struct rule_text *in, struct why *reterr)
{
    const char *kind = rule_kind_name(in->kind);

    if (in->kind == RULE_CRON && in->at[0] != '\0')
        return why_set(reterr, ERR_INVALID, "at", "at: a cron expression has its times in itself");
    if (in->kind != RULE_CRON && in->cron[0] != '\0')
        return why_set(reterr, ERR_INVALID, "cron",
                       "cron: only a schedule of the kind cron has one, not '%s'", kind);
    if (in->kind != RULE_WEEKLY && in->weekdays != 0)
        return why_set(reterr, ERR_INVALID, "days",
                       "days: only a schedule of the kind weekly has them, not '%s'", kind);
    if (in->kind != RULE_EVERY && in->every_minutes != 0)
        return why_set(reterr, ERR_INVALID, "minutes",
                       "hours, minutes: only a schedule of the kind every has them, not '%s'", kind);
    if (in->kind != RULE_CRON && in->kind != RULE_EVERY && in->at[0] == '\0')
        return why_set(reterr, ERR_INVALID, "at", "at: a schedule of the kind '%s' needs %s", kind,
                       in->kind == RULE_ONCE ? "a date and time like 2026-11-24T02:30"
                                             : "a time of the day like 02:30");
    return ERR_OK;
}

static enum err make_day_time(const struct rule_text *in, struct rule *ret, struct why *reterr)
{
    int minute = 0;
    enum err err = day_time_parse("at", in->at, &minute, reterr);

    if (err != ERR_OK)
        return err;
    if (in->kind == RULE_WEEKLY && (in->weekdays & 0x7f) == 0)
        return why_set(reterr, ERR_INVALID, "days",
                       "days: a schedule of the kind weekly needs days of the week, like mon,fri");
    ret->cron = (struct cron){.minutes = UINT64_C(1) << (minute % 60),
                              .hours = UINT32_C(1) << (minute / 60),
                              .days = ~UINT32_C(1),
                              .months = 0x1ffe,
                              .weekdays = in->kind == RULE_WEEKLY ? (uint8_t)(in->weekdays & 0x7f) : 0x7f,
                              .any_day = true};
    return ERR_OK;
}

static enum err make_every(const struct rule_text *in, const struct zone *z, struct rule *ret,
                           struct why *reterr)
{
    if (in->every_minutes < 1 || in->every_minutes > EVERY_MINUTES_MAX)
        return why_set(reterr, ERR_INVALID, "minutes",
                       "hours, minutes: a period of %lld minutes; it must be 1 minute to 366 days",
                       (long long)in->every_minutes);
    ret->every_ms = in->every_minutes * MINUTE_MS;
    if (in->at[0] != '\0')
        return local_parse("at", in->at, z, &ret->first, reterr);
    ret->first.ms = in->start.ms / MINUTE_MS * MINUTE_MS + ret->every_ms;
    return ERR_OK;
}

enum err rule_make(const struct rule_text *in, const struct zone *z, struct rule *ret, struct why *reterr)
{
    enum err err = check_use(in, reterr);

    *ret = (struct rule){.kind = in->kind};
    if (err == ERR_OK && in->until[0] != '\0')
        err = local_parse("until", in->until, z, &ret->until, reterr);
    if (err != ERR_OK)
        return err;
    switch (in->kind) {
    case RULE_ONCE:
        return local_parse("at", in->at, z, &ret->first, reterr);
    case RULE_EVERY:
        return make_every(in, z, ret, reterr);
    case RULE_DAILY:
    case RULE_WEEKLY:
        return make_day_time(in, ret, reterr);
    case RULE_CRON:
        return cron_parse(in->cron, &ret->cron, reterr);
    case RULE_KIND_COUNT:
        break;
    }
    return why_set(reterr, ERR_INVALID, "kind", "kind: there is no such kind of schedule");
}

/* ---- asking it ------------------------------------------------------------------------------------------- */

/* Local minutes ascend, their moments do not fall: after a gap several share one moment, and in the hour that comes
 * again all of them have passed. So from the first candidate on, those that are not later are passed over. */
static struct wall next_by_calendar(const struct cron *c, const struct zone *z, struct wall after)
{
    int64_t after_s = after.ms / 1000 - (after.ms % 1000 < 0);
    int64_t local = after_s + zone_offset(z, after_s);

    local -= local % 60 + (local % 60 < 0 ? 60 : 0);
    for (;;) {
        int64_t found = cron_next_local(c, local);
        int64_t utc;

        if (found == INT64_MAX)
            return (struct wall){0};
        utc = zone_utc(z, found);
        if (utc > after_s)
            return (struct wall){utc * 1000};
        local = found + 60;
    }
}

struct wall rule_next(const struct rule *r, const struct zone *z, struct wall after)
{
    struct wall next = {0};

    if (r->kind == RULE_ONCE)
        next.ms = r->first.ms > after.ms ? r->first.ms : 0;
    else if (r->kind != RULE_EVERY)
        next = next_by_calendar(&r->cron, z, after);
    else if (r->first.ms > after.ms)
        next = r->first;
    else
        next.ms = r->first.ms + ((after.ms - r->first.ms) / r->every_ms + 1) * r->every_ms;
    return r->until.ms != 0 && next.ms > r->until.ms ? (struct wall){0} : next;
}

/* A window back from now is doubled until it holds one, so it holds few. */
struct wall rule_last(const struct rule *r, const struct zone *z, struct wall after, struct wall now)
{
    struct wall from = now;
    struct wall last = {0};
    int64_t window = MINUTE_MS;

    while (from.ms > after.ms) {
        struct wall next;

        from.ms = now.ms - window > after.ms ? now.ms - window : after.ms;
        next = rule_next(r, z, from);
        while (next.ms != 0 && next.ms <= now.ms) {
            last = next;
            next = rule_next(r, z, last);
        }
        if (last.ms != 0)
            break;
        window *= 2;
    }
    return last;
}
