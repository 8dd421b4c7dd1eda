#include "base/nearest.h"

#include <string.h>

#define NAME_FAR 3 /* names further apart than this are not suggested */

/* Insertions, deletions, replacements and swaps of neighbours that make b out of a. */
static unsigned distance(const char *a, const char *b)
{
    enum { N = 40 };
    unsigned d[N + 1][N + 1];
    size_t la = strlen(a);
    size_t lb = strlen(b);

    if (la > N || lb > N)
        return N;
    for (size_t i = 0; i <= la; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= lb; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[la][lb];
}

const char *nearest_name(const char *name, const char *(*next)(const void *ctx, size_t i), const void *ctx)
{
    const char *best = NULL;
    unsigned best_far = NAME_FAR;
    const char *other;

    for (size_t i = 0; (other = next(ctx, i)) != NULL; i++) {
        unsigned far = distance(name, other);

        if (strlen(name) >= 2 && strncmp(name, other, strlen(name)) == 0)
            far = 1;
        /* two of three letters wrong is another word */
        if (far < best_far && far <= strlen(name) / 2) {
            best = other;
            best_far = far;
        }
    }
    return best;
}
