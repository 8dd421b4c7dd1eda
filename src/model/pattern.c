#include "model/pattern.h"

#include <string.h>

bool pattern_is(const char *word)
{
    return strpbrk(word, "{}") != NULL;
}

/* Digits at *at, at most nine; how many. */
static uint32_t read_digits(const char **at, uint32_t *ret)
{
    uint32_t n = 0;

    *ret = 0;
    while (**at >= '0' && **at <= '9' && n < 9) {
        *ret = *ret * 10 + (uint32_t)(**at - '0');
        (*at)++;
        n++;
    }
    return n;
}

static enum err not_a_range(const char *field, const char *word, struct why *reterr)
{
    return why_set(reterr, ERR_INVALID, field,
                   "%s \"%.80s\": a range of names is written like web-{0..19}, one in a name", field, word);
}

enum err pattern_expand(const char *field, const char *word, struct arena *a, const char *const **ret,
                        uint32_t *retn, struct why *reterr)
{
    const char *open = strchr(word, '{');
    const char *at = open;
    const char **names;
    uint32_t from;
    uint32_t to;
    uint32_t width;
    uint32_t to_width;
    uint32_t n;

    if (!pattern_is(word)) {
        names = arena_alloc(a, sizeof(*names));
        names[0] = arena_strdup(a, word);
        *ret = names;
        *retn = 1;
        return ERR_OK;
    }
    if (open == NULL)
        return not_a_range(field, word, reterr);
    at++;
    width = read_digits(&at, &from);
    if (width == 0 || strncmp(at, "..", 2) != 0)
        return not_a_range(field, word, reterr);
    at += 2;
    to_width = read_digits(&at, &to);
    if (to_width == 0 || *at != '}' || pattern_is(at + 1) || to < from)
        return not_a_range(field, word, reterr);
    if (to - from >= PATTERN_NAMES_MAX)
        return why_set(reterr, ERR_LIMIT, field, "%s \"%.80s\" is %u names, at most %u are allowed", field,
                       word, to - from + 1, PATTERN_NAMES_MAX);
    if (width == 1 || open[1] != '0')
        width = 1;
    names = arena_alloc(a, (to - from + 1) * sizeof(*names));
    for (n = 0; from + n <= to; n++)
        names[n] = arena_printf(a, "%.*s%0*u%s", (int)(open - word), word, (int)width, from + n, at + 1);
    *ret = names;
    *retn = n;
    return ERR_OK;
}
