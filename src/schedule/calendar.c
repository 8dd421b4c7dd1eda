/* calendar.c - days, dates and their texts (proleptic Gregorian). */
#include <stdio.h>
#include <string.h>

#include "schedule/schedule.h"

#define DAY_S 86400

/* Both ways count years from March, so that the leap day is the last of a year, in eras of 400 years. */
int64_t days_of_civil(struct civil c)
{
    int64_t y = c.year - (c.month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct civil civil_of_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct civil c = {.year = yoe + era * 400,
                      .month = (int)(mp < 10 ? mp + 3 : mp - 9),
                      .day = (int)(doy - (153 * mp + 2) / 5 + 1)};

    c.year += c.month <= 2;
    return c;
}

int weekday_of_days(int64_t days)
{
    int64_t w = (days + 4) % 7; /* 1970-01-01 was a Thursday */

    return (int)(w < 0 ? w + 7 : w);
}

int days_in_month(int64_t year, int month)
{
    static const int days[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && is_leap ? 29 : days[month];
}

void local_text(const struct zone *z, struct wall at, char out[LOCAL_TEXT_BYTES])
{
    int64_t utc_s = at.ms / 1000 - (at.ms % 1000 < 0);
    int32_t offset = zone_offset(z, utc_s);
    int32_t abs = offset < 0 ? -offset : offset;
    int64_t local = utc_s + offset;
    int64_t days = local / DAY_S - (local % DAY_S < 0);
    int64_t s = local - days * DAY_S;
    struct civil c = civil_of_days(days);

    (void)snprintf(out, LOCAL_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", (int)c.year, c.month,
                   c.day, (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60), offset < 0 ? '-' : '+',
                   abs / 3600, abs / 60 % 60);
}

/* n digits; -1: they are not. */
static int digits(const char *s, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

enum err local_parse(const char *field, const char *text, const struct zone *z, struct wall *ret,
                     struct why *reterr)
{
    size_t n = strlen(text);
    bool is_utc = n > 0 && text[n - 1] == 'Z';
    size_t len = n - is_utc;
    bool shape = (len == 16 || len == 19) && text[4] == '-' && text[7] == '-' &&
                 (text[10] == 'T' || text[10] == ' ') && text[13] == ':' && (len == 16 || text[16] == ':');
    struct civil c;
    int hour;
    int minute;
    int second;
    int64_t local;

    if (!shape)
        return why_set(reterr, ERR_INVALID, field, "%s: '%.40s' is not a date and time like 2026-11-24T02:30",
                       field, text);
    c = (struct civil){.year = digits(text, 4), .month = digits(text + 5, 2), .day = digits(text + 8, 2)};
    hour = digits(text + 11, 2);
    minute = digits(text + 14, 2);
    second = len == 19 ? digits(text + 17, 2) : 0;
    if (c.year < 1970 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > days_in_month(c.year, c.month) ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return why_set(reterr, ERR_INVALID, field, "%s: there is no such date and time as '%.40s'", field,
                       text);
    local = days_of_civil(c) * DAY_S + hour * 3600 + minute * 60 + second;
    ret->ms = (is_utc ? local : zone_utc(z, local)) * 1000;
    return ERR_OK;
}

enum err day_time_parse(const char *field, const char *text, int *ret, struct why *reterr)
{
    size_t n = strlen(text);
    int hour = n == 5 ? digits(text, 2) : n == 4 ? digits(text, 1) : -1;
    int minute = n == 5 || n == 4 ? digits(text + n - 2, 2) : -1;

    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || text[n - 3] != ':')
        return why_set(reterr, ERR_INVALID, field, "%s: '%.40s' is not a time of the day like 02:30", field,
                       text);
    *ret = hour * 60 + minute;
    return ERR_OK;
}
