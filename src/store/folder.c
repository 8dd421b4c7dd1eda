/* folder.c - the data folder: made, locked by one controller, and known by 16 hex digits of its own.
 *
 * Files of it: `lock` (flock, holds the pid), `instance`; the rest is made by who writes it. */
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LOCK_NAP_MS 10

/* dir and the folders above it that are not there. */
enum err folder_make(const char *dir, struct why *reterr)
{
    char path[PATH_MAX];
    size_t i;

    if (strlen(dir) == 0 || strlen(dir) >= sizeof(path) - 64)
        return why_set(reterr, ERR_INVALID, "data", "data: '%.100s' is not the name of a folder", dir);
    for (i = 1; i <= strlen(dir); i++) {
        if (dir[i] != '/' && dir[i] != '\0')
            continue;
        memcpy(path, dir, i);
        path[i] = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return why_errno(reterr, ERR_IO, errno, "cannot make the data folder %s", path);
    }
    return ERR_OK;
}

/* flock(), patient for a while. */
static int take_lock(int fd, int64_t wait_ms)
{
    const struct mono end = mono_add_ms(mono_now(), wait_ms);
    const struct timespec nap = {0, LOCK_NAP_MS * 1000000L};

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || !mono_before(mono_now(), end))
            return -1;
        (void)nanosleep(&nap, NULL);
    }
    return 0;
}

enum err folder_lock(const char *dir, int64_t wait_ms, int *ret_fd, struct why *reterr)
{
    char path[PATH_MAX];
    char pid[32] = "";
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/lock", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    *ret_fd = fd;
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "cannot open %s", path);
    if (take_lock(fd, wait_ms) != 0) {
        if (errno != EWOULDBLOCK)
            return why_errno(reterr, ERR_IO, errno, "cannot lock %s", path);
        n = pread(fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
        return why_set(reterr, ERR_CONFLICT, "data", "data: %.150s is in use by another wrata (pid %s)", dir,
                       pid[0] != '\0' ? pid : "unknown");
    }
    n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        return why_errno(reterr, ERR_IO, errno, "cannot write %s", path);
    return ERR_OK;
}

bool folder_entries_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int e = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = e;
    return ok;
}

/* Written beside and renamed, so that a crash leaves it whole or absent. */
static enum err make_instance(char instance[INSTANCE_DIGITS + 1], const char *path, struct why *reterr)
{
    unsigned char bytes[INSTANCE_DIGITS / 2];
    char tmp[PATH_MAX + 8];
    enum err err = ERR_OK;
    size_t i;
    int fd;

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return why_errno(reterr, ERR_IO, errno, "cannot get random bytes");
    for (i = 0; i < sizeof(bytes); i++)
        (void)snprintf(instance + 2 * i, 3, "%02x", bytes[i]);
    (void)snprintf(tmp, sizeof(tmp), "%s.new", path);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "cannot make %s", tmp);
    if (write(fd, instance, INSTANCE_DIGITS) != INSTANCE_DIGITS || write(fd, "\n", 1) != 1 ||
        fsync(fd) != 0 || rename(tmp, path) != 0)
        err = why_errno(reterr, ERR_IO, errno, "cannot make %s", path);
    (void)close(fd);
    return err;
}

enum err folder_instance(const char *dir, char instance[INSTANCE_DIGITS + 1], struct why *reterr)
{
    char path[PATH_MAX];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/instance", dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return make_instance(instance, path, reterr);
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "cannot read %s", path);
    n = read(fd, instance, INSTANCE_DIGITS);
    (void)close(fd);
    instance[INSTANCE_DIGITS] = '\0';
    if (n != INSTANCE_DIGITS || strspn(instance, "0123456789abcdef") != INSTANCE_DIGITS)
        return why_set(reterr, ERR_IO, NULL,
                       "%.150s does not hold 16 hex digits: remove it to get a new identity", path);
    return ERR_OK;
}
