/* cron.c - cron expressions: five fields as sets of bits, and the next minute that is in all of them. */
#include <string.h>
#include <strings.h>

#include "schedule/schedule.h"

#define DAY_S 86400
/* The rarest day is 29 February, at most eight years from the next (around 2100); a weekday beside it only adds. */
#define SEARCH_DAYS (9 * 366)

struct part {
    const char *name;
    int min;
    int max;
    const char *const *names; /* of min, min + 1, ...; NULL none */
    int n_names;
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const struct part parts[5] = {{"minute", 0, 59, NULL, 0},
                                     {"hour", 0, 23, NULL, 0},
                                     {"day", 1, 31, NULL, 0},
                                     {"month", 1, 12, month_names, 12},
                                     {"weekday", 0, 7, weekday_names, 7}};

/* A number or a name at *s, which moves behind it; -1: neither. */
static int value(const struct part *p, const char **s)
{
    int v = 0;
    int n = 0;

    for (int i = 0; i < p->n_names; i++) {
        if (strncasecmp(*s, p->names[i], 3) == 0) {
            *s += 3;
            return p->min + i;
        }
    }
    while (**s >= '0' && **s <= '9' && n < 4) {
        v = v * 10 + (**s - '0');
        (*s)++;
        n++;
    }
    return n == 0 ? -1 : v;
}

static enum err bad(const struct part *p, const char *item, const char *what, struct why *reterr)
{
    return why_set(reterr, ERR_INVALID, "cron", "cron: the %s '%.*s': %s", p->name,
                   (int)strnlen(item, strcspn(item, " \t")), item, what);
}

/* One of a list: "*", "5", "1-5", "mon", any of them but "5" with "/2"; "5/2" is 5-max/2, as cron takes it. */
static enum err read_item(const struct part *p, const char **s, uint64_t *bits, struct why *reterr)
{
    const char *item = *s;
    int from = p->min;
    int to = p->max;
    int step = 1;

    if (**s == '*') {
        (*s)++;
    } else {
        from = to = value(p, s);
        if (from < 0)
            return bad(p, item, "there is no number or name", reterr);
        if (**s == '-') {
            (*s)++;
            to = value(p, s);
        } else if (**s == '/') {
            to = p->max;
        }
    }
    if (**s == '/') {
        (*s)++;
        step = value(&(struct part){.name = p->name}, s);
        if (step < 1 || step > p->max)
            return bad(p, item, "the step after / is at least 1 and not larger than the field", reterr);
    }
    if (from < p->min || to > p->max || to < 0)
        return why_set(reterr, ERR_INVALID, "cron", "cron: the %s '%.*s' is not within %d-%d", p->name,
                       (int)strcspn(item, " \t"), item, p->min, p->max);
    if (from > to)
        return bad(p, item, "a range goes from the smaller to the larger", reterr);
    for (int v = from; v <= to; v += step)
        *bits |= UINT64_C(1) << v;
    return ERR_OK;
}

static enum err read_part(const struct part *p, const char **s, uint64_t *bits, struct why *reterr)
{
    const char *begin = *s;
    enum err err;

    *bits = 0;
    for (;;) {
        err = read_item(p, s, bits, reterr);
        if (err != ERR_OK || **s != ',')
            break;
        (*s)++;
    }
    if (err == ERR_OK && **s != ' ' && **s != '\t' && **s != '\0')
        return bad(p, begin, "what follows the number is not one of , - / or a blank", reterr);
    return err;
}

static const char *nickname(const char *text)
{
    static const char *const known[][2] = {{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
                                           {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                                           {"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
                                           {"@annually", "0 0 1 1 *"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(text, known[i][0]) == 0)
            return known[i][1];
    }
    return text;
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

enum err cron_parse(const char *text, struct cron *ret, struct why *reterr)
{
    uint64_t bits[5];
    const char *s;
    enum err err = ERR_OK;

    *ret = (struct cron){0};
    if (strlen(text) > CRON_BYTES_MAX)
        return why_set(reterr, ERR_INVALID, "cron", "cron: it has more than %u bytes", CRON_BYTES_MAX);
    s = skip_blanks(nickname(skip_blanks(text)));
    for (int i = 0; i < 5; i++) {
        if (*s == '\0')
            return why_set(reterr, ERR_INVALID, "cron",
                           "cron: '%.60s' has %d fields; it takes five: minute hour day month weekday", text,
                           i);
        ret->any_day = i == 2 ? *s == '*' : ret->any_day;
        ret->any_weekday = i == 4 ? *s == '*' : ret->any_weekday;
        err = read_part(&parts[i], &s, &bits[i], reterr);
        if (err != ERR_OK)
            return err;
        s = skip_blanks(s);
    }
    if (*s != '\0')
        return why_set(reterr, ERR_INVALID, "cron",
                       "cron: '%.60s' has more than the five fields minute hour day month weekday", text);
    ret->minutes = bits[0];
    ret->hours = (uint32_t)bits[1];
    ret->days = (uint32_t)bits[2];
    ret->months = (uint16_t)bits[3];
    ret->weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f);
    if (cron_next_local(ret, 0) == INT64_MAX)
        return why_set(reterr, ERR_INVALID, "cron", "cron: '%.60s' is never: there is no such day", text);
    return ERR_OK;
}

static bool day_fits(const struct cron *c, int64_t days)
{
    struct civil d = civil_of_days(days);
    bool by_day = (c->days >> d.day & 1) != 0;
    bool by_weekday = (c->weekdays >> weekday_of_days(days) & 1) != 0;

    if ((c->months >> d.month & 1) == 0)
        return false;
    return c->any_day || c->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* The first minute of the day at or after `from`; -1: none. */
static int minute_of_day(const struct cron *c, int from)
{
    for (int hour = from / 60; hour < 24; hour++) {
        int first = hour == from / 60 ? from % 60 : 0;
        uint64_t left = c->minutes >> first << first;

        if ((c->hours >> hour & 1) != 0 && left != 0)
            return hour * 60 + __builtin_ctzll(left);
    }
    return -1;
}

int64_t cron_next_local(const struct cron *c, int64_t local_s)
{
    int64_t minutes = local_s / 60 + (local_s % 60 > 0);
    int64_t first = minutes / 1440 - (minutes % 1440 < 0);
    int from = (int)(minutes - first * 1440);

    for (int64_t day = first; day < first + SEARCH_DAYS; day++) {
        int m = day_fits(c, day) ? minute_of_day(c, from) : -1;

        if (m >= 0)
            return day * DAY_S + m * 60;
        from = 0;
    }
    return INT64_MAX;
}
