/* zone.c - a time zone, from the bytes of a TZif file (RFC 9636).
 *
 * Such a file has a block with 32-bit times, which is passed over, one with 64-bit times, and a footer: a POSIX TZ
 * string that holds for what comes after the last transition. Whatever does not fit its place is refused: the bytes may
 * come from anywhere. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "schedule/schedule.h"

#define DAY_S 86400
#define TRANSITIONS_MAX 4096u
#define TYPES_MAX 256u
#define OFFSET_S_MAX (26 * 3600) /* RFC 9636: -25:59:59 .. +26:00 */
#define HEADER_BYTES 44u

/* When in a year summer time begins or ends: Mm.w.d, Jn or n, with a time of the day. */
struct change_day {
    char kind; /* 'M', 'J', 'N' */
    int month;
    int week; /* 1..5, 5 = the last */
    int day;  /* of the week or of the year */
    int32_t time_s;
};

struct footer {
    bool is_set;
    bool has_summer;
    int32_t offset;
    int32_t summer_offset;
    struct change_day begin;
    struct change_day end;
};

struct zone {
    uint32_t n;
    int64_t *at;      /* n moments, ascending */
    int32_t *offsets; /* n: from then on */
    int32_t first;    /* before all of them */
    struct footer footer;
};

void zone_free(struct zone *z)
{
    if (z == NULL)
        return;
    free(z->at);
    free(z->offsets);
    free(z);
}

/* ---- the footer ------------------------------------------------------------------------------------------ */

static bool read_number(const char **s, int max, int *ret)
{
    int v = 0;
    int n = 0;

    while (**s >= '0' && **s <= '9' && n < 4) {
        v = v * 10 + (**s - '0');
        (*s)++;
        n++;
    }
    *ret = v;
    return n > 0 && v <= max;
}

/* "CET" or "<+0330>" */
static bool skip_name(const char **s)
{
    const char *begin = *s;

    if (**s == '<') {
        while (**s != '>' && **s != '\0')
            (*s)++;
        if (**s == '\0')
            return false;
        (*s)++;
        return true;
    }
    while ((**s >= 'A' && **s <= 'Z') || (**s >= 'a' && **s <= 'z'))
        (*s)++;
    return *s - begin >= 3;
}

/* "[+-]hh[:mm[:ss]]" */
static bool read_time(const char **s, int hours_max, int32_t *ret)
{
    int sign = 1;
    int h = 0;
    int m = 0;
    int sec = 0;

    if (**s == '+' || **s == '-')
        sign = *(*s)++ == '-' ? -1 : 1;
    if (!read_number(s, hours_max, &h))
        return false;
    if (**s == ':') {
        (*s)++;
        if (!read_number(s, 59, &m))
            return false;
        if (**s == ':') {
            (*s)++;
            if (!read_number(s, 59, &sec))
                return false;
        }
    }
    *ret = sign * (h * 3600 + m * 60 + sec);
    return true;
}

static bool read_change_day(const char **s, struct change_day *ret)
{
    *ret = (struct change_day){.kind = 'N', .time_s = 7200};
    if (**s != ',')
        return false;
    (*s)++;
    if (**s == 'M') {
        (*s)++;
        ret->kind = 'M';
        if (!read_number(s, 12, &ret->month) || ret->month < 1 || *(*s)++ != '.')
            return false;
        if (!read_number(s, 5, &ret->week) || ret->week < 1 || *(*s)++ != '.')
            return false;
        if (!read_number(s, 6, &ret->day))
            return false;
    } else {
        if (**s == 'J') {
            (*s)++;
            ret->kind = 'J';
        }
        if (!read_number(s, 365, &ret->day) || (ret->kind == 'J' && ret->day < 1))
            return false;
    }
    if (**s != '/')
        return true;
    (*s)++;
    return read_time(s, 167, &ret->time_s);
}

/* Its offsets are counted west of Greenwich. */
static bool read_footer(const char *s, struct footer *ret)
{
    int32_t west;

    *ret = (struct footer){0};
    if (*s == '\0')
        return true;
    ret->is_set = true;
    if (!skip_name(&s) || !read_time(&s, 24, &west))
        return false;
    ret->offset = -west;
    if (*s == '\0')
        return true;
    ret->has_summer = true;
    ret->summer_offset = ret->offset + 3600;
    if (!skip_name(&s))
        return false;
    if (*s != ',') {
        if (!read_time(&s, 24, &west))
            return false;
        ret->summer_offset = -west;
    }
    return read_change_day(&s, &ret->begin) && read_change_day(&s, &ret->end) && *s == '\0';
}

/* The local time of a change in a year, in seconds since 1970. */
static int64_t change_local(const struct change_day *c, int64_t year)
{
    int64_t jan1 = days_of_civil((struct civil){year, 1, 1});
    int64_t day;

    if (c->kind == 'M') {
        int64_t first = days_of_civil((struct civil){year, c->month, 1});
        int back = (c->day - weekday_of_days(first) + 7) % 7;

        day = first + back + (c->week - 1) * 7;
        while (day >= first + days_in_month(year, c->month))
            day -= 7;
    } else if (c->kind == 'J') { /* 29 February is never counted */
        day = jan1 + c->day - 1 + (days_in_month(year, 2) == 29 && c->day >= 60);
    } else {
        day = jan1 + c->day;
    }
    return day * DAY_S + c->time_s;
}

static int32_t footer_offset(const struct footer *f, int64_t utc_s)
{
    int64_t local = utc_s + f->offset;
    int64_t year;
    int64_t begin;
    int64_t end;
    bool is_summer;

    if (!f->has_summer)
        return f->offset;
    year = civil_of_days(local / DAY_S - (local % DAY_S < 0)).year;
    begin = change_local(&f->begin, year) - f->offset;
    end = change_local(&f->end, year) - f->summer_offset;
    is_summer = begin < end ? utc_s >= begin && utc_s < end : utc_s >= begin || utc_s < end;
    return is_summer ? f->summer_offset : f->offset;
}

/* ---- the file -------------------------------------------------------------------------------------------- */

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct header {
    uint32_t isut;
    uint32_t isstd;
    uint32_t leaps;
    uint32_t times;
    uint32_t types;
    uint32_t chars;
};

static bool read_header(const unsigned char *p, size_t len, struct header *h)
{
    if (len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return false;
    *h = (struct header){be32(p + 20), be32(p + 24), be32(p + 28), be32(p + 32), be32(p + 36), be32(p + 40)};
    return h->isut <= TYPES_MAX && h->isstd <= TYPES_MAX && h->leaps <= TRANSITIONS_MAX &&
           h->times <= TRANSITIONS_MAX && h->types >= 1 && h->types <= TYPES_MAX && h->chars <= 4096;
}

static size_t block_bytes(const struct header *h, size_t time_bytes)
{
    return h->times * (time_bytes + 1) + h->types * 6 + h->chars + h->leaps * (time_bytes + 4) + h->isstd +
           h->isut;
}

static bool read_block(const unsigned char *p, const struct header *h, struct zone *z)
{
    const unsigned char *kinds = p + (size_t)h->times * 8;
    const unsigned char *types = kinds + h->times;

    for (uint32_t i = 0; i < h->types; i++) {
        int32_t offset = (int32_t)be32(types + (size_t)i * 6);

        if (offset < -OFFSET_S_MAX || offset > OFFSET_S_MAX)
            return false;
    }
    z->first = (int32_t)be32(types);
    z->n = h->times;
    z->at = xcalloc(h->times + 1, sizeof(*z->at));
    z->offsets = xcalloc(h->times + 1, sizeof(*z->offsets));
    for (uint32_t i = 0; i < h->times; i++) {
        z->at[i] = be64(p + (size_t)i * 8);
        if (kinds[i] >= h->types || (i > 0 && z->at[i] <= z->at[i - 1]))
            return false;
        z->offsets[i] = (int32_t)be32(types + (size_t)kinds[i] * 6);
    }
    return true;
}

/* "\nCET-1CEST,...\n" */
static bool read_tail(const unsigned char *p, size_t len, struct footer *ret)
{
    char text[256];
    const unsigned char *end;
    size_t n;

    if (len < 2 || p[0] != '\n')
        return false;
    end = memchr(p + 1, '\n', len - 1);
    n = end == NULL ? sizeof(text) : (size_t)(end - p) - 1;
    if (n >= sizeof(text) || memchr(p + 1, '\0', n) != NULL)
        return false;
    memcpy(text, p + 1, n);
    text[n] = '\0';
    return read_footer(text, ret);
}

static bool parse(const unsigned char *p, size_t len, struct zone *z)
{
    struct header h;
    size_t skip;

    if (!read_header(p, len, &h) || p[4] < '2')
        return false;
    skip = HEADER_BYTES + block_bytes(&h, 4);
    if (skip > len || !read_header(p + skip, len - skip, &h))
        return false;
    p += skip + HEADER_BYTES;
    len -= skip + HEADER_BYTES;
    skip = block_bytes(&h, 8);
    return skip <= len && read_block(p, &h, z) && read_tail(p + skip, len - skip, &z->footer);
}

enum err zone_parse(const void *bytes, size_t len, struct zone **ret, struct why *reterr)
{
    struct zone *z = xcalloc(1, sizeof(*z));

    *ret = NULL;
    if (len > ZONE_FILE_BYTES_MAX || !parse(bytes, len, z)) {
        zone_free(z);
        return why_set(reterr, ERR_INVALID, "zone",
                       "zone: its file is not a TZif file of version 2 or later");
    }
    *ret = z;
    return ERR_OK;
}

/* ---- what it is for -------------------------------------------------------------------------------------- */

int32_t zone_offset(const struct zone *z, int64_t utc_s)
{
    uint32_t low = 0;
    uint32_t high = z->n;

    if (z->n == 0 || (z->footer.is_set && utc_s >= z->at[z->n - 1]))
        return z->footer.is_set ? footer_offset(&z->footer, utc_s) : z->first;
    while (low < high) { /* how many are at or before it */
        uint32_t mid = low + (high - low) / 2;

        if (z->at[mid] <= utc_s)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? z->first : z->offsets[low - 1];
}

/* The clock of a zone changes at most once in two days. */
int64_t zone_utc(const struct zone *z, int64_t local_s)
{
    int64_t before = local_s - DAY_S;
    int64_t after = local_s + DAY_S;
    int32_t old = zone_offset(z, before);
    int32_t new = zone_offset(z, after);

    if (zone_offset(z, local_s - old) == old)
        return local_s - old; /* of two occurrences the first */
    if (zone_offset(z, local_s - new) == new)
        return local_s - new;
    while (after - before > 1) { /* in the gap: where it ends */
        int64_t mid = before + (after - before) / 2;

        if (zone_offset(z, mid) == old)
            before = mid;
        else
            after = mid;
    }
    return after;
}
