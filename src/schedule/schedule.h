/* schedule.h - when something is due: rules, cron expressions, time zones.
 *
 * Everything here is a function of its arguments: no clock is read. Any thread; a struct zone may be shared, it does not
 * change. Local times are "seconds since 1970-01-01T00:00 on the wall clock of the zone".
 *
 * What summer time does (docs/schedules.md): a time in the gap of spring is the first moment after the gap; a time in
 * the hour that comes twice in autumn is its first occurrence, and that only; "every" counts time that has elapsed. */
#ifndef WRATA_SCHEDULE_SCHEDULE_H
#define WRATA_SCHEDULE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

/* ---- zones (zone.c, zone_file.c) ---- */

#define ZONE_NAME_MAX 64u
#define ZONE_FILE_BYTES_MAX 65536u

struct zone;

/* Of the system's tz database: "Europe/Berlin". "UTC" needs no database. *ret is the caller's, zone_free() it.
 * ERR_INVALID: no such zone, field "zone"; ERR_IO: this computer has no tz database. */
MUST_USE enum err zone_load(const char *name, struct zone **ret, struct why *reterr);
/* The same from the bytes of a TZif file (RFC 9636). ERR_INVALID: they are none. */
MUST_USE enum err zone_parse(const void *bytes, size_t len, struct zone **ret, struct why *reterr);
void zone_free(struct zone *z); /* NULL is fine */

/* Seconds east of UTC at a moment. */
int32_t zone_offset(const struct zone *z, int64_t utc_s);
/* The moment of a local time, by the rules above. */
int64_t zone_utc(const struct zone *z, int64_t local_s);

/* ---- calendar (calendar.c) ---- */

struct civil {
    int64_t year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
};
int64_t days_of_civil(struct civil c); /* since 1970-01-01 */
struct civil civil_of_days(int64_t days);
int weekday_of_days(int64_t days); /* 0 Sunday .. 6 */
int days_in_month(int64_t year, int month);

#define LOCAL_TEXT_BYTES 40u
/* "2026-11-24T02:30:00+01:00" */
void local_text(const struct zone *z, struct wall at, char out[LOCAL_TEXT_BYTES]);
/* "2026-11-24T02:30", also with a blank for T, with seconds, and with Z for UTC whatever the zone. ERR_INVALID names `field`. */
MUST_USE enum err local_parse(const char *field, const char *text, const struct zone *z, struct wall *ret,
                              struct why *reterr);
/* "02:30" -> minutes of the day. */
MUST_USE enum err day_time_parse(const char *field, const char *text, int *ret, struct why *reterr);

/* ---- cron expressions (cron.c) ---- */

#define CRON_BYTES_MAX 256u

struct cron {
    uint64_t minutes; /* bits 0..59 */
    uint32_t hours;   /* bits 0..23 */
    uint32_t days;    /* of the month, bits 1..31 */
    uint16_t months;  /* bits 1..12 */
    uint8_t weekdays; /* bits 0 (Sunday) .. 6 */
    bool any_day; /* the field of days begins with * : then both fields of days must fit, else one of them */
    bool any_weekday;
};

/* Five fields: minute hour day month weekday; lists, ranges, steps, names (jan, mon), 7 is Sunday too; also @hourly,
 * @daily, @midnight, @weekly, @monthly, @yearly, @annually. ERR_INVALID (field "cron") says what is wrong where, also
 * when no day is ever met (30 February). */
MUST_USE enum err cron_parse(const char *text, struct cron *ret, struct why *reterr);
/* The first local minute at or after `local_s` that fits; INT64_MAX: none within nine years, so none at all. */
int64_t cron_next_local(const struct cron *c, int64_t local_s);

/* ---- rules (rule.c) ---- */

enum rule_kind { RULE_ONCE, RULE_EVERY, RULE_DAILY, RULE_WEEKLY, RULE_CRON, RULE_KIND_COUNT };
const char *rule_kind_name(enum rule_kind k);     /* "once" "every" "daily" "weekly" "cron" */
enum rule_kind rule_kind_parse(const char *name); /* RULE_KIND_COUNT: none of that name */

#define EVERY_MINUTES_MAX (366 * 24 * 60)

/* As people write it, and as it is stored. */
struct rule_text {
    enum rule_kind kind;
    const char *at; /* once: a local time; every: the first time, "" = `start`; daily, weekly: "02:30" */
    int64_t every_minutes; /* every */
    uint32_t weekdays;     /* weekly: bits 0 (Sunday) .. 6 */
    const char *cron;      /* cron */
    const char *until;     /* a local time, the end of it; "" never */
    struct wall start;     /* every, without `at`: when it was made */
};

struct rule {
    enum rule_kind kind;
    struct cron cron;  /* daily, weekly, cron */
    struct wall first; /* once, every */
    int64_t every_ms;
    struct wall until; /* 0 never */
};

/* ERR_INVALID names the field: at, minutes, days, cron, until. Also when what a kind has no use for is given. */
MUST_USE enum err rule_make(const struct rule_text *in, const struct zone *z, struct rule *ret,
                            struct why *reterr);
/* The first moment strictly after `after`; 0: never again. */
struct wall rule_next(const struct rule *r, const struct zone *z, struct wall after);
/* The last moment in (after, now]; 0: none. Quick however many there are between. */
struct wall rule_last(const struct rule *r, const struct zone *z, struct wall after, struct wall now);

#endif
