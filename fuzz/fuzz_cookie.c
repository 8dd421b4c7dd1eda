/* fuzz_cookie.c - bytes as a Cookie header, beside a second reading of the same rules, written to be plain. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* How many pairs are called "sid"? */
static unsigned count(const char *s)
{
    unsigned n = 0;

    for (size_t i = 0; s[i] != '\0'; i++) {
        size_t k = i;

        while (k > 0 && is_blank(s[k - 1]))
            k--;
        n += (k == 0 || s[k - 1] == ';') && strncmp(s + i, "sid=", 4) == 0;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = xmalloc(size + 1);
    const char *v;
    size_t len = 99;

    memcpy(s, data, size);
    s[size] = '\0';
    v = cookie_find(s, "sid", &len);
    if (v == NULL) {
        CHECK(len == 0);
    } else {
        CHECK(strlen(s) <= COOKIE_BYTES_MAX);
        CHECK(count(s) == 1);
        CHECK(v >= s + 4 && v + len <= s + strlen(s));
        CHECK(memcmp(v - 4, "sid=", 4) == 0);
        for (size_t i = 0; i < len; i++)
            CHECK(v[i] > ' ' && v[i] < 0x7f && strchr(";,\\", v[i]) == NULL);
        CHECK(v[len] == '\0' || v[len] == ';' || is_blank(v[len]));
    }
    free(s);
    return 0;
}
