#include "agent/log_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

struct log_ring {
    int fd;    /* -1: memory */
    char *mem; /* `max` bytes; NULL: a file */
    uint64_t max;
    uint64_t total;
    uint64_t good; /* bytes before this one are not to be had */
};

static int nameless_file(const char *dir)
{
    char path[4096];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || snprintf(path, sizeof(path), "%s/tail-XXXXXX", dir) >= (int)sizeof(path))
        return fd;
    fd = mkostemp(path, O_CLOEXEC); /* not every file system can do without a name */
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

struct log_ring *log_ring_new(const char *dir, uint64_t max)
{
    struct log_ring *r = xcalloc(1, sizeof(*r));

    CHECK(max > 0);
    r->max = max;
    r->fd = dir == NULL ? -1 : nameless_file(dir);
    if (r->fd < 0) {
        r->max = max < LOG_RING_MEMORY_MAX ? max : LOG_RING_MEMORY_MAX;
        r->mem = xmalloc((size_t)r->max);
    }
    return r;
}

void log_ring_free(struct log_ring *r)
{
    if (r == NULL)
        return;
    if (r->fd >= 0)
        (void)close(r->fd);
    free(r->mem);
    free(r);
}

static bool write_all(int fd, const char *data, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t done = pwrite(fd, data, n, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        data += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return true;
}

void log_ring_put(struct log_ring *r, const char *data, size_t n)
{
    if (n > r->max) { /* only its end would stay */
        size_t skip = n - (size_t)r->max;

        r->total += skip;
        data += skip;
        n -= skip;
    }
    while (n > 0) {
        uint64_t at = r->total % r->max;
        size_t part = r->max - at < n ? (size_t)(r->max - at) : n;

        if (r->mem != NULL)
            memcpy(r->mem + at, data, part);
        else if (!write_all(r->fd, data, part, at))
            r->good = r->total + part;
        r->total += part;
        data += part;
        n -= part;
    }
}

uint64_t log_ring_total(const struct log_ring *r)
{
    return r->total;
}

uint64_t log_ring_kept(const struct log_ring *r)
{
    uint64_t from = r->total > r->max ? r->total - r->max : 0;

    return r->total - (from > r->good ? from : r->good);
}

static bool read_all(int fd, char *out, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t done = pread(fd, out, n, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        out += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return true;
}

bool log_ring_read(const struct log_ring *r, uint64_t back, char *out, size_t n)
{
    CHECK(n <= back && back <= log_ring_kept(r));
    while (n > 0) {
        uint64_t at = (r->total - back) % r->max;
        size_t part = r->max - at < n ? (size_t)(r->max - at) : n;

        if (r->mem != NULL)
            memcpy(out, r->mem + at, part);
        else if (!read_all(r->fd, out, part, at))
            return false;
        out += part;
        back -= part;
        n -= part;
    }
    return true;
}
