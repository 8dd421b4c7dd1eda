#include "api/zip_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void zip_index_init(struct zip_index *x)
{
    *x = (struct zip_index){.fd = -1};
}

void zip_index_done(struct zip_index *x)
{
    if (x->fd >= 0)
        (void)close(x->fd);
    x->fd = -1;
}

static enum err index_open(struct zip_index *x, const char *dir, struct why *reterr)
{
    char path[4200];

    (void)snprintf(path, sizeof(path), "%s/tmp", dir);
    x->fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (x->fd < 0) { /* a file system that cannot */
        (void)snprintf(path, sizeof(path), "%s/tmp/zip-XXXXXX", dir);
        x->fd = mkostemp(path, O_CLOEXEC);
        if (x->fd >= 0)
            (void)unlink(path);
    }
    return x->fd >= 0 ? ERR_OK : why_errno(reterr, ERR_IO, errno, "cannot make a file for a zip");
}

enum err zip_index_add(struct zip_index *x, const char *dir, const struct zip_file *f, struct why *reterr)
{
    enum err err = x->fd >= 0 ? ERR_OK : index_open(x, dir, reterr);
    struct buf entry;
    ssize_t n;

    if (err != ERR_OK)
        return err;
    buf_init(&entry, ZIP_PART_BYTES_MAX);
    zip_entry(&entry, f);
    n = pwrite(x->fd, entry.data, entry.len, (off_t)x->bytes);
    if (n != (ssize_t)entry.len)
        err = why_errno(reterr, ERR_IO, n < 0 ? errno : ENOSPC, "cannot write a file for a zip");
    x->bytes += entry.len;
    x->n++;
    buf_done(&entry);
    return err;
}

enum err zip_index_read(struct zip_index *x, size_t room, struct buf *out, bool *ret_end, struct why *reterr)
{
    uint64_t left = x->bytes - x->sent;
    size_t want = left < room ? (size_t)left : room;
    ssize_t n;

    *ret_end = left == 0;
    if (want == 0)
        return ERR_OK;
    n = pread(x->fd, buf_reserve(out, want), want, (off_t)x->sent);
    if (n <= 0)
        return why_errno(reterr, ERR_IO, n < 0 ? errno : EIO, "cannot read a file for a zip");
    buf_commit(out, (size_t)n);
    x->sent += (uint64_t)n;
    return ERR_OK;
}
