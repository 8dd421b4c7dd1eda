#include "api/zip.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#define MADE_BY_UNIX 0x0300u
#define VERSION_PLAIN 20u
#define VERSION_ZIP64 45u
#define FLAG_UTF8 0x0800u
#define FLAG_BEHIND 0x0008u                      /* CRC and sizes stand behind the bytes */
#define LARGE (UINT32_MAX - UINT32_C(0x1000000)) /* deflate may grow what cannot be compressed a little */
#define MODE (UINT32_C(0100644) << 16)
#define ID_ZIP64 0x0001u
#define ID_TIME 0x5455u
#define TIME_BYTES 9u /* of its extra field */

static void put16(struct buf *out, unsigned v)
{
    const unsigned char b[2] = {(unsigned char)v, (unsigned char)(v >> 8)};

    buf_put(out, b, sizeof(b));
}

static void put32(struct buf *out, uint32_t v)
{
    put16(out, v & 0xffff);
    put16(out, v >> 16);
}

static void put64(struct buf *out, uint64_t v)
{
    put32(out, (uint32_t)v);
    put32(out, (uint32_t)(v >> 32));
}

static uint32_t low32(uint64_t v)
{
    return v >= UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* In UTC: DOS knows no zones. It begins in 1980 and ends in 2107. */
static uint32_t dos_time(int64_t mtime_ms)
{
    time_t t = (time_t)(mtime_ms / 1000);
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || tm.tm_year < 80)
        return 1u << 21 | 1u << 16;
    if (tm.tm_year > 207)
        tm.tm_year = 207;
    return (uint32_t)(tm.tm_year - 80) << 25 | (uint32_t)(tm.tm_mon + 1) << 21 | (uint32_t)tm.tm_mday << 16 |
           (uint32_t)tm.tm_hour << 11 | (uint32_t)tm.tm_min << 5 | (uint32_t)tm.tm_sec / 2;
}

/* The time to the second, where it fits 32 bits. */
static void put_time(struct buf *out, int64_t mtime_ms)
{
    int64_t s = mtime_ms / 1000;

    put16(out, ID_TIME);
    put16(out, TIME_BYTES - 4);
    buf_putc(out, 1); /* the time of the last change alone */
    put32(out, (uint32_t)(s > INT32_MAX ? INT32_MAX : s));
}

static uint64_t packed_of(const struct zip_file *f)
{
    return f->is_deflated ? f->packed : f->bytes;
}

/* What both kinds of header have in common. */
static void put_common(struct buf *out, const struct zip_file *f, bool is_zip64, unsigned extra_bytes)
{
    put16(out, is_zip64 ? VERSION_ZIP64 : VERSION_PLAIN);
    put16(out, f->is_deflated ? FLAG_UTF8 | FLAG_BEHIND : FLAG_UTF8);
    put16(out, f->is_deflated ? 8 : 0); /* stored */
    put32(out, dos_time(f->mtime_ms));
    put32(out, f->crc);
    put32(out, low32(packed_of(f)));
    put32(out, low32(f->bytes));
    put16(out, (unsigned)strlen(f->name));
    put16(out, extra_bytes);
}

void zip_local(struct buf *out, const struct zip_file *f)
{
    bool is_zip64 = f->bytes >= UINT32_MAX;

    put32(out, 0x04034b50);
    put_common(out, f, is_zip64, TIME_BYTES + (is_zip64 ? 20 : 0));
    buf_puts(out, f->name);
    if (is_zip64) {
        put16(out, ID_ZIP64);
        put16(out, 16);
        put64(out, f->bytes);
        put64(out, f->bytes);
    }
    put_time(out, f->mtime_ms);
}

void zip_local_open(struct buf *out, const struct zip_file *f)
{
    bool is_zip64 = f->bytes >= LARGE;
    struct zip_file unknown = *f;

    CHECK(f->is_deflated);
    unknown.crc = 0;
    unknown.bytes = unknown.packed = is_zip64 ? UINT64_MAX : 0;
    put32(out, 0x04034b50);
    put_common(out, &unknown, is_zip64, TIME_BYTES + (is_zip64 ? 20 : 0));
    buf_puts(out, f->name);
    if (is_zip64) { /* says that the sizes behind the bytes are long ones */
        put16(out, ID_ZIP64);
        put16(out, 16);
        put64(out, 0);
        put64(out, 0);
    }
    put_time(out, f->mtime_ms);
}

void zip_local_close(struct buf *out, const struct zip_file *f, uint64_t most)
{
    put32(out, 0x08074b50);
    put32(out, f->crc);
    if (most >= LARGE) {
        put64(out, f->packed);
        put64(out, f->bytes);
    } else {
        put32(out, (uint32_t)f->packed);
        put32(out, (uint32_t)f->bytes);
    }
}

void zip_entry(struct buf *out, const struct zip_file *f)
{
    bool is_large = f->bytes >= UINT32_MAX || packed_of(f) >= UINT32_MAX;
    bool is_far = f->at >= UINT32_MAX;
    unsigned more = (is_large ? 16u : 0) + (is_far ? 8u : 0);
    struct zip_file shown = *f;

    if (is_large) /* both stand in the extra field then */
        shown.bytes = shown.packed = UINT64_MAX;
    put32(out, 0x02014b50);
    put16(out, MADE_BY_UNIX | VERSION_ZIP64);
    put_common(out, &shown, more > 0, TIME_BYTES + (more > 0 ? more + 4 : 0));
    put16(out, 0); /* comment */
    put16(out, 0); /* disk */
    put16(out, 0); /* no text */
    put32(out, MODE);
    put32(out, low32(f->at));
    buf_puts(out, f->name);
    if (more > 0) {
        put16(out, ID_ZIP64);
        put16(out, more);
        if (is_large) {
            put64(out, f->bytes);
            put64(out, packed_of(f));
        }
        if (is_far)
            put64(out, f->at);
    }
    put_time(out, f->mtime_ms);
}

void zip_end(struct buf *out, uint64_t n, uint64_t dir_at, uint64_t dir_bytes)
{
    uint64_t at = dir_at + dir_bytes;

    if (n >= UINT16_MAX || dir_at >= UINT32_MAX || dir_bytes >= UINT32_MAX) {
        put32(out, 0x06064b50);
        put64(out, 44); /* of what follows in this record */
        put16(out, MADE_BY_UNIX | VERSION_ZIP64);
        put16(out, VERSION_ZIP64);
        put32(out, 0);
        put32(out, 0);
        put64(out, n);
        put64(out, n);
        put64(out, dir_bytes);
        put64(out, dir_at);
        put32(out, 0x07064b50);
        put32(out, 0);
        put64(out, at);
        put32(out, 1);
    }
    put32(out, 0x06054b50);
    put16(out, 0);
    put16(out, 0);
    put16(out, n >= UINT16_MAX ? UINT16_MAX : (unsigned)n);
    put16(out, n >= UINT16_MAX ? UINT16_MAX : (unsigned)n);
    put32(out, low32(dir_bytes));
    put32(out, low32(dir_at));
    put16(out, 0);
}

void zip_safe_name(const char *name, char *out, size_t size)
{
    size_t n = 0;

    for (; name[n] != '\0' && n + 1 < size; n++)
        out[n] = strchr("\\:*?\"<>|", name[n]) != NULL ? '_' : name[n];
    while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
        n--; /* whole characters */
    out[n] = '\0';
}
