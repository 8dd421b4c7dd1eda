#include "store/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "store/folder.h"

#define LOOK_BYTES MIB(4) /* between two looks at how full the disk is */
#define RESERVE_BYTES MIB(512)
#define RESERVE_PART 20u /* of a disk that is small: a twentieth */

struct pack {
    char *dir;
    char name[ARTIFACT_PACK_BYTES];
    int fd;
    uint64_t bytes;
    uint64_t look_at; /* bytes, when to look next */
    bool is_kept;
};

/* ---- names ---- */

uint64_t pack_run(const char *name, const char *stamp, bool *ret_has_stamp)
{
    size_t digits = strspn(name, "0123456789");
    const char *rest = name + digits;
    size_t n = rest[0] == '-' ? strspn(rest + 1, "0123456789abcdef") : 0;
    const char *number = n > 0 ? rest + 1 + n : rest;

    if (digits == 0 || digits > 18 || n == 0 || number[0] != '-' || number[1] == '\0' ||
        strspn(number + 1, "0123456789") != strlen(number + 1) || strlen(name) >= ARTIFACT_PACK_BYTES)
        return 0;
    if (stamp != NULL)
        *ret_has_stamp = strlen(stamp) == n && strncmp(stamp, rest + 1, n) == 0;
    return strtoull(name, NULL, 10);
}

void pack_path(char *out, size_t size, const char *dir, const char *name)
{
    (void)snprintf(out, size, "%s/artifacts/%02x/%s", dir, (unsigned)(pack_run(name, NULL, NULL) & 0xff),
                   name);
}

static void path_of(char out[PATH_MAX], const char *dir, const char *name)
{
    pack_path(out, PATH_MAX, dir, name);
}

static void path_arriving(char out[PATH_MAX], const char *dir, const char *name)
{
    (void)snprintf(out, PATH_MAX, "%s/artifacts/tmp/%s", dir, name);
}

/* ---- writing ---- */

static enum err failed(const char *what, struct why *reterr)
{
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return why_set(reterr, ERR_LIMIT, NULL, "the disk of the controller is full");
    return why_errno(reterr, ERR_IO, errno, "%s on the disk of the controller", what);
}

/* The database and the logs live on that disk as well, and nothing goes on without them. */
static enum err has_room(struct pack *p, size_t n, struct why *reterr)
{
    struct statvfs v;
    uint64_t free_bytes;
    uint64_t reserve;

    if (p->bytes + n < p->look_at)
        return ERR_OK;
    if (fstatvfs(p->fd, &v) != 0)
        return failed("looking for room", reterr);
    free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    reserve = (uint64_t)v.f_blocks * v.f_frsize / RESERVE_PART;
    if (reserve > RESERVE_BYTES)
        reserve = RESERVE_BYTES;
    if (free_bytes < reserve + n)
        return why_set(
            reterr, ERR_LIMIT, NULL,
            "the disk of the controller is nearly full: the last %llu MiB are for its database and logs",
            (unsigned long long)(reserve / MIB(1)));
    free_bytes -= reserve + n;
    p->look_at = p->bytes + n + (free_bytes < LOOK_BYTES ? free_bytes : LOOK_BYTES) + 1;
    return ERR_OK;
}

enum err pack_begin(const char *dir, struct run_id run, const char *stamp, uint64_t number, struct pack **ret,
                    struct why *reterr)
{
    struct pack *p = xcalloc(1, sizeof(*p));
    char path[PATH_MAX];
    enum err err;

    p->dir = xstrdup(dir);
    (void)snprintf(p->name, sizeof(p->name), "%llu-%.*s-%llu", (unsigned long long)run.v,
                   (int)PACK_STAMP_BYTES, stamp, (unsigned long long)number);
    CHECK(pack_run(p->name, NULL, NULL) == run.v);
    path_arriving(path, dir, p->name);
    p->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (p->fd < 0) {
        err = failed("making a file", reterr);
        p->is_kept = true; /* there is nothing to remove */
        pack_free(p);
        return err;
    }
    err = has_room(p, 0, reterr);
    if (err != ERR_OK)
        pack_free(p);
    else
        *ret = p;
    return err;
}

enum err pack_write(struct pack *p, const char *bytes, size_t n, struct why *reterr)
{
    enum err err = has_room(p, n, reterr);

    while (err == ERR_OK && n > 0) {
        ssize_t w;

        if (fault_hit("pack.write")) {
            errno = ENOSPC;
            return failed("writing", reterr);
        }
        w = write(p->fd, bytes, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return failed("writing", reterr);
        p->bytes += (uint64_t)w;
        bytes += w;
        n -= (size_t)w;
    }
    return err;
}

static enum err sync_folder(const char *path, struct why *reterr)
{
    return folder_entries_sync(path) ? ERR_OK : failed("syncing a folder", reterr);
}

/* A folder that was just made is an entry of the one above it. */
static enum err make_folder(const char *dir, unsigned aa, struct why *reterr)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/artifacts/%02x", dir, aa);
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? ERR_OK : failed("making a folder", reterr);
    (void)snprintf(path, sizeof(path), "%s/artifacts", dir);
    return sync_folder(path, reterr);
}

enum err pack_keep(struct pack *p, struct why *reterr)
{
    unsigned aa = (unsigned)(pack_run(p->name, NULL, NULL) & 0xff);
    char from[PATH_MAX];
    char to[PATH_MAX];
    enum err err;

    if (fdatasync(p->fd) != 0)
        return failed("syncing", reterr);
    fault_crash("pack.crash_before_rename");
    err = make_folder(p->dir, aa, reterr);
    if (err != ERR_OK)
        return err;
    path_arriving(from, p->dir, p->name);
    path_of(to, p->dir, p->name);
    if (rename(from, to) != 0)
        return failed("renaming", reterr);
    p->is_kept = true;
    fault_crash("pack.crash_after_rename");
    (void)snprintf(to, sizeof(to), "%s/artifacts/%02x", p->dir, aa);
    return sync_folder(to, reterr);
}

const char *pack_name(const struct pack *p)
{
    return p->name;
}

uint64_t pack_bytes(const struct pack *p)
{
    return p->bytes;
}

void pack_free(struct pack *p)
{
    char path[PATH_MAX];

    if (p == NULL)
        return;
    if (p->fd >= 0)
        (void)close(p->fd);
    if (!p->is_kept) {
        path_arriving(path, p->dir, p->name);
        (void)unlink(path);
    }
    free(p->dir);
    free(p);
}

/* ---- reading ---- */

enum err pack_read(const char *dir, const char *name, uint64_t offset, char *out, size_t n, size_t *ret_n,
                   struct why *reterr)
{
    char path[PATH_MAX];
    size_t have = 0;
    ssize_t got = 1;
    int fd;

    path_of(path, dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? why_set(reterr, ERR_NOTFOUND, NULL, "its file is not there any more")
                               : why_errno(reterr, ERR_IO, errno, "an artifact cannot be read");
    while (have < n && got != 0) {
        got = pread(fd, out + have, n - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        have += (size_t)got;
    }
    if (got < 0)
        (void)why_errno(reterr, ERR_IO, errno, "an artifact cannot be read");
    (void)close(fd);
    *ret_n = have;
    return got < 0 ? ERR_IO : ERR_OK;
}

/* ---- going ---- */

bool pack_remove(const char *dir, const char *name)
{
    char path[PATH_MAX];

    path_of(path, dir, name);
    return unlink(path) == 0 || errno == ENOENT;
}

void pack_punch(const char *dir, const char *name, uint64_t offset, uint64_t bytes)
{
    char path[PATH_MAX];
    int fd;

    path_of(path, dir, name);
    fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (bytes > 0) /* where it cannot be done, the space comes back with the last artifact of the run */
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes);
    (void)close(fd);
}

/* ---- at a start ---- */

enum err pack_tidy(const char *dir, struct why *reterr)
{
    char path[PATH_MAX];
    struct dirent *e;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/artifacts", dir);
    if (mkdir(path, 0700) == 0) {
        if (sync_folder(dir, reterr) != ERR_OK) /* what is synced in it must not be lost with it */
            return ERR_IO;
    } else if (errno != EEXIST) {
        return why_errno(reterr, ERR_IO, errno, "cannot make the folder %s", path);
    }
    (void)snprintf(path, sizeof(path), "%s/artifacts/tmp", dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return why_errno(reterr, ERR_IO, errno, "cannot make the folder %s", path);
    d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL)
        if (pack_run(e->d_name, NULL, NULL) != 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL)
        (void)closedir(d);
    return ERR_OK;
}

void pack_list(const char *dir, unsigned aa, struct buf *out)
{
    char path[PATH_MAX];
    struct dirent *e;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/artifacts/%02x", dir, aa);
    d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL)
        if (pack_run(e->d_name, NULL, NULL) != 0 && buf_add(out, e->d_name, strlen(e->d_name) + 1) != ERR_OK)
            break;
    if (d != NULL)
        (void)closedir(d);
}
