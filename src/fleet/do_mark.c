/* do_mark.c - tags of droplets; see do_mark.h. */
#include "fleet/do_mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/check.h"

#define UNTIL "wrata:until:"
#define TAG_BYTES_MAX 255u
#define YEAR_MAX 9999

bool do_tag_is_fine(const char *tag)
{
    size_t n = strlen(tag);

    return n > 0 && n <= TAG_BYTES_MAX &&
           strspn(tag, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_") == n &&
           strncasecmp(tag, DO_TAG, sizeof(DO_TAG) - 1) != 0;
}

struct wall do_lease_round(struct wall t)
{
    int64_t over = t.ms % DO_LEASE_STEP_MS;

    return over == 0 ? t : (struct wall){t.ms - over + DO_LEASE_STEP_MS};
}

/* ---- writing ---- */

const char *do_tag_instance(const char *instance, char *out)
{
    CHECK((size_t)snprintf(out, DO_TAG_BYTES, DO_TAG ":%s", instance) < DO_TAG_BYTES);
    return out;
}

const char *do_tag_intent(const char *instance, uint64_t server, uint64_t intent, char *out)
{
    int n = snprintf(out, DO_TAG_BYTES, DO_TAG ":%s:s%" PRIu64 ":i%" PRIu64, instance, server, intent);

    CHECK((size_t)n < DO_TAG_BYTES);
    return out;
}

const char *do_tag_until(struct wall t, char *out)
{
    time_t s = (time_t)(do_lease_round(t).ms / 1000);
    struct tm tm;

    CHECK(gmtime_r(&s, &tm) != NULL);
    CHECK(tm.tm_year + 1900 <= YEAR_MAX);
    (void)snprintf(out, DO_TAG_BYTES, UNTIL "%04d-%02d-%02d-%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min);
    return out;
}

/* ---- reading ---- */

/* Digits at *p, without a zero in front, into ret; *p goes behind them. */
static bool read_number(const char **p, uint64_t *ret)
{
    uint64_t n = 0;
    const char *s = *p;

    if (*s < '1' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
            return false;
    }
    *p = s;
    *ret = n;
    return true;
}

static bool skip(const char **p, const char *text)
{
    size_t n = strlen(text);

    if (strncasecmp(*p, text, n) != 0)
        return false;
    *p += n;
    return true;
}

bool do_tag_read_intent(const char *tag, const char *instance, uint64_t *server, uint64_t *intent)
{
    const char *p = tag;

    if (!skip(&p, DO_TAG ":"))
        return false;
    if (instance != NULL) {
        if (!skip(&p, instance))
            return false;
    } else {
        size_t n = strcspn(p, ":");

        if (n == 0)
            return false;
        p += n;
    }
    return skip(&p, ":s") && read_number(&p, server) && skip(&p, ":i") && read_number(&p, intent) &&
           *p == '\0';
}

static bool digits(const char *p, unsigned n, int *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *ret = *ret * 10 + (p[i] - '0');
    }
    return true;
}

bool do_tag_read_until(const char *tag, struct wall *ret)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *p = tag;
    struct tm tm = {0};
    time_t s;

    if (!skip(&p, UNTIL) || strlen(p) != 15 || p[4] != '-' || p[7] != '-' || p[10] != '-' ||
        !digits(p, 4, &tm.tm_year) || !digits(p + 5, 2, &tm.tm_mon) || !digits(p + 8, 2, &tm.tm_mday) ||
        !digits(p + 11, 2, &tm.tm_hour) || !digits(p + 13, 2, &tm.tm_min))
        return false;
    if (tm.tm_year < 2000 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > month_days[tm.tm_mon - 1] || tm.tm_hour > 23 || tm.tm_min > 59)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    s = timegm(&tm);
    if (s <= 0)
        return false;
    ret->ms = (int64_t)s * 1000;
    return true;
}

void do_mark_read(const char *const *tags, uint32_t n, const char *instance, struct do_mark *ret)
{
    char own[DO_TAG_BYTES] = "";

    *ret = (struct do_mark){0};
    if (instance != NULL)
        (void)do_tag_instance(instance, own);
    for (uint32_t i = 0; i < n; i++) {
        struct wall until;
        uint64_t server;
        uint64_t intent;

        if (strcasecmp(tags[i], DO_TAG) == 0)
            ret->is_wrata = true;
        else if (own[0] != '\0' && strcasecmp(tags[i], own) == 0)
            ret->is_ours = true;
        else if (do_tag_read_until(tags[i], &until)) {
            if (until.ms > ret->lease_until.ms)
                ret->lease_until = until;
        } else if (do_tag_read_intent(tags[i], instance, &server, &intent)) {
            /* Two of them were not written by us: neither is believed. */
            ret->server = ret->intent == 0 ? server : 0;
            ret->intent = ret->intent == 0 ? intent : UINT64_MAX;
        }
    }
    if (ret->intent == UINT64_MAX)
        ret->intent = 0;
    if (instance == NULL)
        ret->is_ours = ret->is_wrata;
}
