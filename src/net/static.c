#include "net/static.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>

const struct web_asset *static_find(struct slice path)
{
    unsigned low = 0;
    unsigned high = web_assets_count;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        const char *at = web_assets[mid].path;
        size_t n = strlen(at);
        int c = memcmp(path.ptr, at, path.len < n ? path.len : n);

        if (c == 0 && path.len == n)
            return &web_assets[mid];
        if (c < 0 || (c == 0 && path.len < n))
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

int static_matches(const char *if_none_match, const char *etag)
{
    return if_none_match != NULL && (strcmp(if_none_match, "*") == 0 || strstr(if_none_match, etag) != NULL);
}

int static_takes_gzip(const char *accept_encoding)
{
    const char *p = accept_encoding == NULL ? NULL : strcasestr(accept_encoding, "gzip");

    if (p == NULL)
        return 0;
    p += strlen("gzip");
    while (*p == ' ')
        p++;
    if (*p != ';')
        return 1;
    /* "gzip;q=0", "gzip; q=0.0" refuse it. */
    p += 1 + strspn(p + 1, " ");
    if (strncmp(p, "q=0", 3) != 0)
        return 1;
    p += 3;
    p += strspn(p, ".0");
    return *p >= '1' && *p <= '9';
}

enum err static_unpack(const struct web_asset *a, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)a->gz, .avail_in = a->gz_len};
    char chunk[8192];
    enum err err = ERR_OK;
    int r;

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return ERR_IO;
    do {
        z.next_out = (Bytef *)chunk;
        z.avail_out = sizeof(chunk);
        r = inflate(&z, Z_NO_FLUSH);
        if (r == Z_OK || r == Z_STREAM_END)
            err = buf_add(out, chunk, sizeof(chunk) - z.avail_out);
    } while (r == Z_OK && err == ERR_OK);
    (void)inflateEnd(&z);
    return r == Z_STREAM_END ? err : ERR_IO;
}
