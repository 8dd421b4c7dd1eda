/* blob.c - the gzip files of logs: blocks, trailers, syncing. The rules are in blob.h. */
#include "store/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/fault.h"
#include "base/mem.h"
#include "store/folder.h"

#define LEVEL 4 /* twice as fast as 6 for 4 to 8 % more space, and other writes wait meanwhile */
#define RAW_DEFLATE (-15)
#define OPEN_MAX_FILES 32
#define TRAILER_BYTES 8u

static const unsigned char gzip_header[BLOB_HEADER_BYTES] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

struct blob_file {
    uint64_t run;
    int fd;
    bool is_new;
};

struct blob_writer {
    const char *dir;
    z_stream z;
    bool z_ready;                           /* its 256 KiB are taken at the first use */
    struct blob_file files[OPEN_MAX_FILES]; /* written and not yet synced */
    uint32_t n_files;
};

struct blob_reader {
    const char *dir;
    z_stream z;
    bool z_ready;
};

void blob_path(char *path, size_t size, const char *dir, uint64_t run)
{
    (void)snprintf(path, size, "%s/blobs/%02x/%llu.gz", dir, (unsigned)(run & 0xff), (unsigned long long)run);
}

/* ---- deflate --------------------------------------------------------------------------------------------- */

struct blob_writer *blob_writer_new(const char *dir)
{
    struct blob_writer *w = xcalloc(1, sizeof(*w));

    w->dir = dir;
    return w;
}

static void close_files(struct blob_writer *w)
{
    uint32_t i;

    for (i = 0; i < w->n_files; i++)
        (void)close(w->files[i].fd);
    w->n_files = 0;
}

void blob_writer_free(struct blob_writer *w)
{
    if (w == NULL)
        return;
    close_files(w);
    if (w->z_ready)
        (void)deflateEnd(&w->z);
    free(w);
}

/* Append one block to out: a full flush at its end, or the end of the stream. */
static void deflate_block(struct blob_writer *w, const char *bytes, uint32_t len, bool last, struct buf *out)
{
    uLong bound;
    int rc;

    if (w->z_ready)
        CHECK(deflateReset(&w->z) == Z_OK);
    else
        CHECK(deflateInit2(&w->z, LEVEL, Z_DEFLATED, RAW_DEFLATE, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    w->z_ready = true;
    bound = deflateBound(&w->z, len) + 16; /* and the empty block of the flush */
    w->z.next_out = (Bytef *)buf_reserve(out, bound);
    CHECK(w->z.next_out != NULL);
    w->z.avail_out = (uInt)bound;
    w->z.next_in = (Bytef *)(uintptr_t)bytes;
    w->z.avail_in = len;
    rc = deflate(&w->z, last ? Z_FINISH : Z_FULL_FLUSH);
    CHECK(rc == (last ? Z_STREAM_END : Z_OK));
    CHECK(w->z.avail_in == 0);
    CHECK(w->z.avail_out > 0);
    buf_commit(out, bound - w->z.avail_out);
}

static void put_le32(struct buf *out, uint32_t v)
{
    const unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                                (unsigned char)(v >> 24)};

    buf_put(out, b, sizeof(b));
}

static uint32_t get_le32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint32_t crc_of(uint32_t crc, const char *bytes, uint32_t len)
{
    return (uint32_t)crc32(crc, (const Bytef *)bytes, len);
}

void blob_gzip(struct blob_writer *w, const char *bytes, uint32_t len, struct buf *out)
{
    buf_put(out, gzip_header, sizeof(gzip_header));
    deflate_block(w, bytes, len, true, out);
    put_le32(out, crc_of((uint32_t)crc32(0, NULL, 0), bytes, len));
    put_le32(out, len);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

static enum err sync_folder(const char *path, struct why *reterr)
{
    return folder_entries_sync(path) ? ERR_OK : why_errno(reterr, ERR_IO, errno, "cannot sync %s", path);
}

/* The file, cut to its length so far; its folder is made when needed. */
static enum err open_file(struct blob_writer *w, uint64_t run, bool is_new, int *retfd, struct why *reterr)
{
    char path[PATH_MAX];
    char folder[PATH_MAX];
    struct blob_file *f;
    uint32_t i;
    int fd;

    for (i = 0; i < w->n_files; i++) {
        if (w->files[i].run == run) {
            *retfd = w->files[i].fd;
            return ERR_OK;
        }
    }
    if (w->n_files == OPEN_MAX_FILES) {
        enum err err = blob_sync(w, reterr);

        if (err != ERR_OK)
            return err;
    }
    blob_path(path, sizeof(path), w->dir, run);
    fd = open(path, O_WRONLY | O_CLOEXEC | (is_new ? O_CREAT | O_TRUNC : 0), 0600);
    if (fd < 0 && errno == ENOENT && is_new) {
        (void)snprintf(folder, sizeof(folder), "%s/blobs/%02x", w->dir, (unsigned)(run & 0xff));
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return why_errno(reterr, ERR_IO, errno, "cannot make %s", folder);
        (void)snprintf(folder, sizeof(folder), "%s/blobs", w->dir);
        if (sync_folder(folder, reterr) != ERR_OK)
            return ERR_IO;
        fd = open(path, O_WRONLY | O_CLOEXEC | O_CREAT | O_TRUNC, 0600);
    }
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "cannot write the log file %s", path);
    f = &w->files[w->n_files++];
    *f = (struct blob_file){.run = run, .fd = fd, .is_new = is_new};
    *retfd = fd;
    return ERR_OK;
}

static enum err write_at(int fd, const char *bytes, size_t len, uint64_t at, uint64_t run, struct why *reterr)
{
    while (len > 0) {
        ssize_t n = fault_hit("blob.write") ? (errno = ENOSPC, -1) : pwrite(fd, bytes, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return why_errno(
                reterr, ERR_IO, errno,
                "cannot write the log of run %llu (free some space on its disk, then start again)",
                (unsigned long long)run);
        bytes += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return ERR_OK;
}

enum err blob_write(struct blob_writer *w, uint64_t run, struct blob_pos *pos, const char *bytes,
                    uint32_t len, bool last, uint64_t *ret_file_offset, struct why *reterr)
{
    bool is_new = pos->file_bytes == 0;
    uint32_t crc = crc_of(is_new ? (uint32_t)crc32(0, NULL, 0) : pos->crc, bytes, len);
    struct buf out;
    enum err err;
    int fd = -1;

    CHECK(len <= BLOB_BLOCK_BYTES);
    buf_init(&out, (size_t)2 * BLOB_BLOCK_BYTES);
    if (is_new)
        buf_put(&out, gzip_header, sizeof(gzip_header));
    deflate_block(w, bytes, len, last, &out);
    if (last) {
        put_le32(&out, crc);
        put_le32(&out, (uint32_t)(pos->raw_bytes + len));
    }
    err = open_file(w, run, is_new, &fd, reterr);
    if (err == ERR_OK)
        err = write_at(fd, out.data, out.len, pos->file_bytes, run, reterr);
    if (err == ERR_OK) {
        *ret_file_offset = is_new ? BLOB_HEADER_BYTES : pos->file_bytes;
        *pos = (struct blob_pos){pos->raw_bytes + len, pos->file_bytes + out.len, crc};
    }
    buf_done(&out);
    return err;
}

enum err blob_sync(struct blob_writer *w, struct why *reterr)
{
    enum err err = ERR_OK;
    uint32_t i;

    for (i = 0; i < w->n_files && err == ERR_OK; i++) {
        char folder[PATH_MAX];

        if (fault_hit("blob.sync") ? (errno = EIO, true) : fdatasync(w->files[i].fd) != 0)
            err = why_errno(reterr, ERR_IO, errno, "cannot bring the log of run %llu to disk",
                            (unsigned long long)w->files[i].run);
        if (err == ERR_OK && w->files[i].is_new) {
            (void)snprintf(folder, sizeof(folder), "%s/blobs/%02x", w->dir,
                           (unsigned)(w->files[i].run & 0xff));
            err = sync_folder(folder, reterr);
        }
    }
    close_files(w);
    return err;
}

enum err blob_cut(const char *dir, uint64_t run, uint64_t file_bytes, struct why *reterr)
{
    char path[PATH_MAX];
    struct stat st;

    blob_path(path, sizeof(path), dir, run);
    if (file_bytes == 0) {
        if (unlink(path) != 0 && errno != ENOENT)
            return why_errno(reterr, ERR_IO, errno, "cannot remove %s", path);
        return ERR_OK;
    }
    if (stat(path, &st) != 0)
        return why_errno(reterr, ERR_IO, errno, "the log file %s is gone", path);
    if ((uint64_t)st.st_size < file_bytes)
        return why_set(reterr, ERR_IO, NULL, "the log file %.150s is shorter than it was: %llu of %llu bytes",
                       path, (unsigned long long)st.st_size, (unsigned long long)file_bytes);
    if ((uint64_t)st.st_size > file_bytes && truncate(path, (off_t)file_bytes) != 0)
        return why_errno(reterr, ERR_IO, errno, "cannot cut %s", path);
    return ERR_OK;
}

/* ---- inflate --------------------------------------------------------------------------------------------- */

struct blob_reader *blob_reader_new(const char *dir)
{
    struct blob_reader *r = xcalloc(1, sizeof(*r));

    r->dir = dir;
    return r;
}

void blob_reader_free(struct blob_reader *r)
{
    if (r == NULL)
        return;
    if (r->z_ready)
        (void)inflateEnd(&r->z);
    free(r);
}

/* True when `in` holds exactly raw_bytes of a stream, as far as it goes. */
static bool inflate_block(struct blob_reader *r, const char *in, size_t in_len, uint32_t raw_bytes, char *out)
{
    char none;
    int rc;

    if (r->z_ready)
        CHECK(inflateReset(&r->z) == Z_OK);
    else
        CHECK(inflateInit2(&r->z, RAW_DEFLATE) == Z_OK);
    r->z_ready = true;
    r->z.next_in = (Bytef *)(uintptr_t)in;
    r->z.avail_in = (uInt)in_len;
    r->z.next_out = (Bytef *)(raw_bytes == 0 ? &none : out);
    r->z.avail_out = raw_bytes;
    rc = inflate(&r->z, Z_SYNC_FLUSH);
    return (rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR) && r->z.avail_out == 0;
}

enum err blob_read(struct blob_reader *r, uint64_t run, uint64_t file_offset, uint64_t file_bytes,
                   uint32_t raw_bytes, char *out, struct why *reterr)
{
    char path[PATH_MAX];
    char *in = NULL;
    uint64_t got = 0;
    enum err err = ERR_OK;
    int fd;

    blob_path(path, sizeof(path), r->dir, run);
    if (file_bytes > 2 * (uint64_t)BLOB_BLOCK_BYTES || raw_bytes > BLOB_BLOCK_BYTES)
        return why_set(reterr, ERR_IO, NULL, "the index of the log file %.150s is damaged", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "cannot read the log file %s", path);
    in = xmalloc((size_t)file_bytes);
    while (got < file_bytes) {
        ssize_t n = pread(fd, in + got, (size_t)(file_bytes - got), (off_t)(file_offset + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err = why_errno(reterr, ERR_IO, n == 0 ? ENODATA : errno, "cannot read the log file %s", path);
            break;
        }
        got += (uint64_t)n;
    }
    if (err == ERR_OK && !inflate_block(r, in, (size_t)file_bytes, raw_bytes, out))
        err = why_set(reterr, ERR_IO, NULL, "the log file %.150s is damaged at byte %llu", path,
                      (unsigned long long)file_offset);
    free(in);
    (void)close(fd);
    return err;
}

enum err blob_gunzip(struct blob_reader *r, struct slice gzip, uint32_t raw_bytes, char *out,
                     struct why *reterr)
{
    size_t frame = BLOB_HEADER_BYTES + TRAILER_BYTES;

    if (gzip.len < frame || memcmp(gzip.ptr, gzip_header, sizeof(gzip_header)) != 0 ||
        !inflate_block(r, gzip.ptr + BLOB_HEADER_BYTES, gzip.len - frame, raw_bytes, out) ||
        crc_of((uint32_t)crc32(0, NULL, 0), out, raw_bytes) != get_le32(gzip.ptr + gzip.len - TRAILER_BYTES))
        return why_set(reterr, ERR_IO, NULL, "a stored log is damaged");
    return ERR_OK;
}
