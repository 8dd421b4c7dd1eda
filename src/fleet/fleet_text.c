/* fleet_text.c - texts from outside, and copies of what is asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/fleet_private.h"

char *fleet_clean_text(struct slice text, char *out, size_t size)
{
    size_t n = 0;
    size_t i = 0;

    CHECK(size > 4);
    while (i < text.len && n + 4 < size) {
        int k = utf8_next(text.ptr + i, text.len - i);
        unsigned char c = (unsigned char)text.ptr[i];

        if (k <= 0 || c < 0x20 || c == 0x7f) {
            /* A run of such bytes, like a line end, is one blank. */
            if (n > 0 && out[n - 1] != ' ')
                out[n++] = ' ';
            i++;
            continue;
        }
        memcpy(out + n, text.ptr + i, (size_t)k);
        n += (size_t)k;
        i += (size_t)k;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return out;
}

bool machine_id_is_fine(const char *id)
{
    size_t n = strlen(id);

    return n > 0 && n <= MACHINE_ID_BYTES_MAX && id[0] != '-' &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@+-") == n;
}

const char *machine_name_clean(const char *name, char out[MACHINE_NAME_BYTES])
{
    static const char fine[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
    size_t n = 0;

    for (; *name != '\0' && n < MACHINE_NAME_BYTES - 1; name++) {
        char c = strchr(fine, *name) != NULL ? *name : '-';

        if (n > 0 || (c != '-' && c != '.'))
            out[n++] = c;
    }
    while (n > 0 && (out[n - 1] == '-' || out[n - 1] == '.'))
        n--;
    out[n] = '\0';
    if (n == 0)
        (void)snprintf(out, MACHINE_NAME_BYTES, "machine");
    return out;
}

struct machine_spec *machine_spec_copy(const struct machine_spec *spec)
{
    struct machine_spec *copy = xmalloc(sizeof(*copy));

    *copy = *spec;
    copy->name = xstrdup(spec->name);
    copy->size = xstrdup(spec->size);
    copy->host_key_private = xstrdup(spec->host_key_private);
    copy->host_key_public = xstrdup(spec->host_key_public);
    copy->authorized_key = xstrdup(spec->authorized_key);
    copy->user = xstrdup(spec->user);
    return copy;
}

void machine_spec_free(struct machine_spec *spec)
{
    char *secret;

    if (spec == NULL)
        return;
    secret = (char *)(uintptr_t)spec->host_key_private;
    mem_wipe(secret, strlen(secret));
    free(secret);
    free((char *)(uintptr_t)spec->name);
    free((char *)(uintptr_t)spec->size);
    free((char *)(uintptr_t)spec->host_key_public);
    free((char *)(uintptr_t)spec->authorized_key);
    free((char *)(uintptr_t)spec->user);
    free(spec);
}
