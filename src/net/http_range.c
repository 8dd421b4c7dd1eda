#include "net/http_range.h"

#include <stdbool.h>
#include <string.h>

/* Digits at *s, which moves on; a number that no file has counts as the largest. False: none. */
static bool number(const char **s, uint64_t *ret)
{
    uint64_t v = 0;
    const char *p = *s;

    for (; *p >= '0' && *p <= '9'; p++)
        v = v > UINT64_MAX / 10 - 1 ? UINT64_MAX / 10 : v * 10 + (uint64_t)(*p - '0');
    if (p == *s)
        return false;
    *s = p;
    *ret = v;
    return true;
}

enum http_range http_range_parse(const char *header, uint64_t size, uint64_t *ret_from, uint64_t *ret_to)
{
    const char *s = header;
    uint64_t first = 0;
    uint64_t last = 0;
    bool has_first;
    bool has_last;

    if (s == NULL || strncmp(s, "bytes=", 6) != 0)
        return RANGE_NONE;
    s += 6;
    s += strspn(s, " \t");
    has_first = number(&s, &first);
    if (*s != '-')
        return RANGE_NONE;
    s++;
    has_last = number(&s, &last);
    s += strspn(s, " \t");
    if (*s != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
        return RANGE_NONE;
    if (!has_first) { /* the last bytes */
        if (last == 0 || size == 0)
            return RANGE_BEYOND;
        *ret_from = last < size ? size - last : 0;
        *ret_to = size;
        return RANGE_PART;
    }
    if (first >= size)
        return RANGE_BEYOND;
    *ret_from = first;
    *ret_to = has_last && last < size ? last + 1 : size;
    return RANGE_PART;
}
