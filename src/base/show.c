#include "base/show.h"

#include <stdio.h>

#include "base/check.h"

char *show_text(char *out, size_t size, const char *value, size_t bytes_max)
{
    size_t n = 0;
    size_t shown = 0;

    CHECK(size > 16);
    for (; *value != '\0' && n + 8 < size && shown < bytes_max; value++, shown++) {
        unsigned char c = (unsigned char)*value;

        if (c < 0x20 || c == 0x7f)
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
        else
            out[n++] = (char)c;
    }
    while (*value != '\0' && n > 0 && ((unsigned char)*value & 0xc0) == 0x80)
        n--, value--; /* not in the middle of a character */
    (void)snprintf(out + n, size - n, "%s", *value != '\0' ? "..." : "");
    return out;
}
