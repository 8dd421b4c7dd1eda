#include "net/cookie.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

static bool is_octet(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

static bool is_value(struct slice v)
{
    if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"')
        v = (struct slice){v.ptr + 1, v.len - 2};
    for (size_t i = 0; i < v.len; i++) {
        if (!is_octet((unsigned char)v.ptr[i]))
            return false;
    }
    return true;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s.ptr++, s.len--;
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

const char *cookie_find(const char *header, const char *name, size_t *ret_len)
{
    size_t name_len = strlen(name);
    struct slice found = {NULL, 0};
    unsigned n = 0;

    CHECK(name_len > 0);
    *ret_len = 0;
    if (header == NULL || strnlen(header, COOKIE_BYTES_MAX + 1) > COOKIE_BYTES_MAX)
        return NULL;
    for (const char *p = header; *p != '\0';) {
        size_t len = strcspn(p, ";");
        struct slice pair = trim((struct slice){p, len});

        if (pair.len > name_len && pair.ptr[name_len] == '=' && memcmp(pair.ptr, name, name_len) == 0) {
            found = (struct slice){pair.ptr + name_len + 1, pair.len - name_len - 1};
            n++;
        }
        p += len + (p[len] == ';');
    }
    if (n != 1 || !is_value(found))
        return NULL;
    *ret_len = found.len;
    return found.ptr;
}
