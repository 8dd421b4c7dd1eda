/* text.c - UTF-8, and what git says as a sentence. Pure.
 *
 * What git writes to standard error is for people, but not ready for them: it holds hints, progress, control
 * characters of a remote, and urls with the password that they were given. */
#include <string.h>

#include "project/project_private.h"

#define ERR_LINES 3u

bool text_is_utf8(const char *p, size_t n)
{
    size_t len;

    while (n > 0) {
        (void)text_rune(p, n, &len);
        if (len == 0)
            return false;
        p += len;
        n -= len;
    }
    return true;
}

/* Append a line: control characters and broken bytes become '?', "://name:password@" becomes "://". */
static size_t add_clean(struct slice line, char *out, size_t at, size_t size)
{
    for (size_t i = 0; i < line.len && at + 5 < size;) {
        size_t len;
        uint32_t rune = text_rune(line.ptr + i, line.len - i, &len);

        if (len == 0 || (rune < 0x20 && rune != '\t') || rune == 0x7f) {
            out[at++] = '?';
            i++;
            continue;
        }
        memcpy(out + at, line.ptr + i, len);
        at += len;
        i += len;
        if (at >= 3 && memcmp(out + at - 3, "://", 3) == 0) {
            size_t host = 0;

            for (size_t k = i; k < line.len && strchr("/ '\"", line.ptr[k]) == NULL; k++) {
                if (line.ptr[k] == '@')
                    host = k + 1;
            }
            if (host > 0)
                i = host;
        }
    }
    return at;
}

/* A line that is not why it failed. */
static bool is_noise(struct slice line)
{
    static const char *const begins[] = {"hint:",
                                         "warning:",
                                         "Warning:",
                                         "Cloning into",
                                         "Please make sure you have the correct access rights",
                                         "and the repository exists."};

    for (unsigned i = 0; i < ARRAY_LEN(begins); i++) {
        if (line.len >= strlen(begins[i]) && memcmp(line.ptr, begins[i], strlen(begins[i])) == 0)
            return true;
    }
    return false;
}

const char *text_of_git(struct slice err, char *out, size_t size)
{
    struct slice lines[ERR_LINES];
    unsigned n = 0;
    size_t at = 0;

    for (size_t i = 0; i < err.len;) {
        size_t len = 0;

        while (i + len < err.len && err.ptr[i + len] != '\n' && err.ptr[i + len] != '\r')
            len++;
        if (len > 0 && !is_noise((struct slice){err.ptr + i, len})) {
            if (n == ERR_LINES) { /* the first says what is wrong, the last ones what came of it */
                memmove(lines + 1, lines + 2, sizeof(lines) - 2 * sizeof(lines[0]));
                n--;
            }
            lines[n++] = (struct slice){err.ptr + i, len};
        }
        i += len + 1;
    }
    for (unsigned k = 0; k < n; k++) {
        if (k > 0) {
            if (at + 8 >= size) /* never two lines as one word: it may be the one that was masked */
                break;
            out[at++] = ';';
            out[at++] = ' ';
        }
        at = add_clean(lines[k], out, at, size);
    }
    out[at] = '\0';
    return out;
}
