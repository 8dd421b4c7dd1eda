#include "config/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static enum err read_fd(int fd, const char *path, struct buf *out, struct why *reterr)
{
    for (;;) {
        char piece[4096];
        ssize_t n = read(fd, piece, sizeof(piece));
        enum err err;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return why_errno(reterr, ERR_IO, errno, "%s cannot be read", path);
        if (n == 0)
            return ERR_OK;
        err = buf_add(out, piece, (size_t)n);
        explicit_bzero(piece, sizeof(piece)); /* it may have been a key */
        if (err != ERR_OK)
            return why_set(reterr, err, NULL, "%s has more than %zu bytes", path, out->max);
    }
}

enum err whole_file_read(const char *path, struct buf *out, struct stat *ret_st, struct why *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    enum err err;

    if (fd < 0 && errno == ENOENT)
        return why_set(reterr, ERR_NOTFOUND, NULL, "%s is not there", path);
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be read", path);
    if (fstat(fd, &st) != 0)
        err = why_errno(reterr, ERR_IO, errno, "%s cannot be read", path);
    else if (!S_ISREG(st.st_mode))
        err = why_set(reterr, ERR_INVALID, NULL, "%s is not a file", path);
    else
        err = read_fd(fd, path, out, reterr);
    (void)close(fd);
    if (err == ERR_OK && ret_st != NULL)
        *ret_st = st;
    return err;
}

enum err folder_sync(const char *path, struct why *reterr)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    enum err err = ERR_OK;
    int fd;

    (void)snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path) : 1,
                   slash != NULL ? path : ".");
    fd = open(folder[0] != '\0' ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        err = why_errno(reterr, ERR_IO, errno, "%s cannot be made durable", folder);
    if (fd >= 0)
        (void)close(fd);
    return err;
}

enum err whole_file_write(const char *path, const void *bytes, size_t n, struct why *reterr)
{
    char temp[PATH_MAX];
    int fd;
    bool ok;
    int e;

    if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp))
        return why_set(reterr, ERR_INVALID, NULL, "the path is too long");
    (void)unlink(temp); /* of somebody who died half-way; and never through a link that was laid here */
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be written", temp);
    ok = fd_write_all(fd, bytes, n) && fsync(fd) == 0;
    e = errno;
    ok = close(fd) == 0 && ok;
    if (!ok) {
        (void)unlink(temp);
        return why_errno(reterr, ERR_IO, e, "%s cannot be written", temp);
    }
    if (rename(temp, path) != 0) {
        e = errno;
        (void)unlink(temp);
        return why_errno(reterr, ERR_IO, e, "%s cannot be written", path);
    }
    return folder_sync(path, reterr);
}

enum err folders_make(const char *given, struct why *reterr)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s", given) >= (int)sizeof(path) - 64)
        return why_set(reterr, ERR_INVALID, "data", "the path of the data folder is too long");
    for (char *p = path + 1;; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return why_errno(reterr, ERR_IO, errno, "the folder %s cannot be made", path);
        *p = c;
        if (c == '\0')
            return ERR_OK;
    }
}
