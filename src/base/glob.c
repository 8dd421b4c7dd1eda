/* glob.c - does a slash-separated path match a glob. Pure; linear memory, time at most (glob × path).
 *
 * Two levels of the same greedy search: `**` skips whole segments, `*` skips characters within one. At each level only
 * the last star has to be tried again - an earlier one could give nothing that the later cannot - so no pattern makes
 * it slow. Bytes that are not UTF-8 count as a character each. */
#include "base/glob.h"

#include <string.h>

uint32_t text_rune(const char *p, size_t n, size_t *retlen)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *u = (const unsigned char *)p;
    uint32_t rune;
    size_t len;

    *retlen = 0;
    if (n == 0)
        return 0;
    if (u[0] < 0x80) {
        *retlen = 1;
        return u[0];
    }
    len = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || len > n)
        return 0;
    rune = u[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        rune = rune << 6 | (u[i] & 0x3f);
    }
    if (rune < least[len] || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
        return 0;
    *retlen = len;
    return rune;
}

/* The character at *p, which moves on; p < end. */
static uint32_t next_rune(const char **p, const char *end)
{
    size_t len;
    uint32_t rune = text_rune(*p, (size_t)(end - *p), &len);

    if (len == 0) {
        rune = 0x110000u + (unsigned char)**p;
        len = 1;
    }
    *p += len;
    return rune;
}

/* "[a-z]" at p, which stands on '['. Returns past its ']', NULL when there is none: then '[' is itself. */
static const char *class_match(const char *p, const char *end, uint32_t rune, bool *ret)
{
    bool is_not = false;
    bool found = false;
    const char *first;

    p++;
    if (p < end && (*p == '!' || *p == '^')) {
        is_not = true;
        p++;
    }
    for (first = p; p < end && (*p != ']' || p == first);) {
        uint32_t low;
        uint32_t high;

        if (*p == '\\' && p + 1 < end)
            p++;
        low = next_rune(&p, end);
        high = low;
        if (p + 1 < end && *p == '-' && p[1] != ']') {
            p++;
            if (*p == '\\' && p + 1 < end)
                p++;
            high = next_rune(&p, end);
        }
        if (rune >= low && rune <= high)
            found = true;
    }
    if (p >= end)
        return NULL;
    *ret = found != is_not;
    return p + 1;
}

/* One segment: [g, g_end) against [s, s_end). */
static bool segment_match(const char *g, const char *g_end, const char *s, const char *s_end)
{
    const char *star = NULL; /* past the last '*' */
    const char *retry = NULL;

    for (;;) {
        const char *after = s;
        const char *past;
        uint32_t rune;
        bool matches = false;

        if (g < g_end && *g == '*') {
            while (g < g_end && *g == '*')
                g++;
            star = g;
            retry = s;
            continue;
        }
        if (s == s_end && g == g_end)
            return true;
        if (s == s_end)
            return false;
        rune = next_rune(&after, s_end);
        if (g < g_end) {
            past = *g == '[' ? class_match(g, g_end, rune, &matches) : NULL;
            if (past == NULL) {
                past = g;
                if (*g == '?') {
                    past++;
                    matches = true;
                } else {
                    if (*g == '\\' && g + 1 < g_end)
                        past++;
                    matches = next_rune(&past, g_end) == rune;
                }
            }
            if (matches) {
                g = past;
                s = after;
                continue;
            }
        }
        if (star == NULL)
            return false;
        g = star;
        (void)next_rune(&retry, s_end);
        s = retry;
    }
}

static const char *segment_end(const char *p)
{
    return p + strcspn(p, "/");
}

static bool is_double_star(const char *g)
{
    return g[0] == '*' && g[1] == '*' && (g[2] == '/' || g[2] == '\0');
}

/* From "x" of "x/y" to "y"; to the end when nothing follows. */
static const char *segment_next(const char *end)
{
    return *end == '/' ? end + 1 : end;
}

bool glob_match(const char *glob, const char *path)
{
    const char *g = glob;
    const char *p = path;
    const char *star = NULL;  /* past the last double star */
    const char *retry = NULL; /* the path's segment from which it is tried next */

    for (;;) {
        const char *g_end;
        const char *p_end;

        if (is_double_star(g)) {
            if (g[2] == '\0')
                return *p != '\0'; /* everything below, at any depth */
            g += 3;
            star = g;
            retry = p;
            continue;
        }
        if (*p == '\0')
            return *g == '\0';
        g_end = segment_end(g);
        p_end = segment_end(p);
        /* Both or neither must have more segments; a double star that may stand for nothing comes later. */
        if (*g != '\0' && segment_match(g, g_end, p, p_end) && (*g_end == '/') == (*p_end == '/')) {
            g = segment_next(g_end);
            p = segment_next(p_end);
            continue;
        }
        if (star == NULL)
            return false;
        p_end = segment_end(retry);
        if (*p_end == '\0')
            return false;
        retry = p_end + 1;
        g = star;
        p = retry;
    }
}
