/* lfs_cache.c - files of Git LFS that this machine has, by their SHA-256, and how others come: see lfs.h.
 *
 * A file is written beside its place, under another name, and gets its own when its hash is right. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/lfs.h"
#include "agent/serve.h"
#include "agent/sha256.h"
#include "base/fd.h"
#include "base/mem.h"

#define SILENCE_MS 600000 /* of the controller */
#define ASKED_MAX 32u     /* requests without an answer: they fit into any buffer */
#define USED_FRESH_S 86400
#define PATH_BYTES 256

static void path_of(const struct lfs_cache *c, const char *oid, char out[PATH_BYTES])
{
    (void)snprintf(out, PATH_BYTES, LFS_CACHE "%s/%.2s/%s", c->project, oid, oid);
}

int lfs_cache_open(const struct lfs_cache *c, const struct lfs_pointer *p)
{
    char path[PATH_BYTES];
    struct stat st;
    int fd;

    path_of(c, p->oid, path);
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != p->size) {
        (void)close(fd);
        return -1;
    }
    if (time(NULL) - st.st_mtim.tv_sec >= USED_FRESH_S)
        (void)futimens(fd, NULL);
    return fd;
}

static void make_folders(const struct lfs_cache *c, const char *oid)
{
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof(path), LFS_CACHE "%s", c->project);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), LFS_CACHE "%s/%.2s", c->project, oid);
    (void)mkdir(path, 0700); /* what is missing shows when a file is made there */
}

int lfs_cache_scratch(const struct lfs_cache *c)
{
    char path[PATH_BYTES];
    int fd;

    (void)snprintf(path, sizeof(path), LFS_CACHE "%s", c->project);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), LFS_CACHE "%s/scratch.XXXXXX", c->project);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

/* ---- from the controller ---- */

struct bringing {
    const struct lfs_cache *cache;
    int fd; /* of the channel */
    char data[KIB(64)];
    size_t from;
    size_t have; /* data[from..have) came and is not used yet */
    struct why why;
};

static bool fill(struct bringing *b)
{
    struct pollfd p = {.fd = b->fd, .events = POLLIN};
    ssize_t n;

    b->from = b->have = 0;
    do {
        n = poll(&p, 1, SILENCE_MS) > 0 ? read(b->fd, b->data, sizeof(b->data)) : 0;
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        (void)why_set(&b->why, ERR_IO, NULL, "the controller does not send it any more");
        return false;
    }
    b->have = (size_t)n;
    return true;
}

static bool read_answer(struct bringing *b, char out[LFS_ANSWER_BYTES_MAX])
{
    size_t n = 0;

    for (;;) {
        char c;

        if (b->from == b->have && !fill(b))
            return false;
        c = b->data[b->from++];
        if (c == '\n')
            break;
        if (n + 1 == LFS_ANSWER_BYTES_MAX) {
            (void)why_set(&b->why, ERR_PROTO, NULL, "the controller's answer makes no sense");
            return false;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

/* The bytes of a file to `fd`. *ret_is_fine: they are what they should be; false is returned when the channel is of no use any more. */
static bool read_file(struct bringing *b, const struct lfs_pointer *p, int fd, bool *ret_is_fine)
{
    uint64_t left = p->size;
    bool is_written = fd >= 0;
    struct sha256 h;
    char hex[65];

    sha256_begin(&h);
    while (left > 0) {
        size_t n;

        if (b->from == b->have && !fill(b))
            return false;
        n = b->have - b->from;
        n = n < left ? n : (size_t)left;
        sha256_add(&h, b->data + b->from, n);
        if (is_written && !fd_write_all(fd, b->data + b->from, n)) {
            (void)why_errno(&b->why, ERR_IO, errno, "%.12s…", p->oid);
            is_written = false; /* the rest is read all the same: other files come behind it */
        }
        b->from += n;
        left -= n;
    }
    sha256_end(&h, hex);
    if (is_written && strcmp(hex, p->oid) != 0) {
        (void)why_set(&b->why, ERR_IO, NULL, "%.12s… is damaged on the server of wrata", p->oid);
        is_written = false;
    }
    *ret_is_fine = is_written;
    return true;
}

/* One file, whose turn it is. */
static bool take_one(struct bringing *b, const struct lfs_pointer *p, bool *ret_is_fine)
{
    char answer[LFS_ANSWER_BYTES_MAX];
    char path[PATH_BYTES];
    char part[PATH_BYTES + 32];
    bool is_open;
    int fd;

    *ret_is_fine = false;
    if (!read_answer(b, answer))
        return false;
    if (strcmp(answer, "ok") != 0) {
        (void)why_set(&b->why, ERR_NOTFOUND, NULL, "%.12s…: %.200s", p->oid,
                      strncmp(answer, "no ", 3) == 0 ? answer + 3 : "the controller's answer makes no sense");
        return strncmp(answer, "no ", 3) == 0;
    }
    path_of(b->cache, p->oid, path);
    (void)snprintf(part, sizeof(part), "%s.%ld", path, (long)getpid());
    make_folders(b->cache, p->oid);
    fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        (void)why_errno(&b->why, ERR_IO, errno, "%s", part);
    is_open = read_file(b, p, fd, ret_is_fine);
    if (fd >= 0)
        (void)close(fd);
    if (*ret_is_fine && rename(part, path) != 0) {
        (void)why_errno(&b->why, ERR_IO, errno, "%s", path);
        *ret_is_fine = false;
    }
    if (!*ret_is_fine)
        (void)unlink(part);
    return is_open;
}

static bool ask(struct bringing *b, const struct lfs_pointer *p)
{
    char line[LFS_REQUEST_BYTES_MAX];
    int n = snprintf(line, sizeof(line), "%s %" PRIu64 "\n", p->oid, p->size);

    if (fd_write_all(b->fd, line, (size_t)n))
        return true;
    (void)why_set(&b->why, ERR_IO, NULL, "the controller does not listen any more");
    return false;
}

/* Of `all` those whose ok is false. */
static void bring(struct bringing *b, const struct lfs_pointer *all, size_t n, bool *ok)
{
    size_t asked = 0;
    size_t out = 0;

    for (size_t at = 0; at < n; at++) {
        if (ok[at])
            continue;
        for (; asked < n && out < ASKED_MAX; asked++) {
            if (ok[asked])
                continue;
            if (!ask(b, &all[asked]))
                return;
            out++;
        }
        out--;
        if (!take_one(b, &all[at], &ok[at]))
            return;
    }
}

/* One that brings files of this project at a time: what the others want may be the same. -1: it does not matter so much. */
static int lock(const struct lfs_cache *c)
{
    char path[PATH_BYTES];
    int fd;

    (void)snprintf(path, sizeof(path), LFS_CACHE "%s", c->project);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), LFS_CACHE "%s/lock", c->project);
    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR) {
    }
    return fd;
}

void lfs_cache_bring(const struct lfs_cache *c, const struct lfs_pointer *all, size_t n, bool *ok,
                     struct why *reterr)
{
    struct bringing *b = xcalloc(1, sizeof(*b));
    char line[AGENT_HELLO_LINE_MAX];
    int held = lock(c);
    size_t missing = 0;

    b->cache = c;
    for (size_t i = 0; i < n; i++) {
        int fd = lfs_cache_open(c, &all[i]);

        ok[i] = fd >= 0;
        missing += fd < 0;
        if (fd >= 0)
            (void)close(fd);
    }
    (void)snprintf(line, sizeof(line), "channel lfs:%s:\n", c->project);
    if (missing > 0 && serve_connect(line, &b->fd, &b->why) == ERR_OK) {
        bring(b, all, n, ok);
        (void)close(b->fd);
    }
    if (held >= 0)
        (void)close(held);
    *reterr = b->why;
    free(b);
}
