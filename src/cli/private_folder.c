#include "cli/private_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH_MAX 4 /* editors make folders for their backups */

/* ---- the guard ---- */

static void overwrite(int folder, const char *name)
{
    static const char zeroes[4096];
    struct stat st;
    int fd = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        for (off_t left = st.st_size; left > 0; left -= (off_t)sizeof(zeroes)) {
            size_t n = left < (off_t)sizeof(zeroes) ? (size_t)left : sizeof(zeroes);

            if (write(fd, zeroes, n) != (ssize_t)n)
                break; /* nobody is there to be told; it is removed all the same */
        }
        (void)fsync(fd);
    }
    (void)close(fd);
}

static void shred(int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (entry->d_type == DT_DIR && depth < DEPTH_MAX) {
            shred(fd, entry->d_name, depth + 1);
            continue;
        }
        overwrite(fd, entry->d_name);
        (void)unlinkat(fd, entry->d_name, 0);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* Deaf to everything but the end of its starter. */
_Noreturn static void guard_run(const char *path, int fd)
{
    sigset_t all;
    int nowhere = open("/dev/null", O_RDWR);
    char byte;
    ssize_t n;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    (void)setsid();
    for (int i = 0; i < 3 && nowhere >= 0; i++) /* nobody who reads our output has to wait for the guard */
        (void)dup2(nowhere, i);
    do
        n = read(fd, &byte, 1);
    while (n > 0 || (n < 0 && errno == EINTR));
    shred(AT_FDCWD, path, 0);
    _exit(0);
}

/* ---- the folder ---- */

static enum err make_folder(struct private_folder *f, const char *data, struct why *reterr)
{
    struct stat st;
    const char *place =
        stat("/dev/shm", &st) == 0 && S_ISDIR(st.st_mode) && access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm"
                                                                                                  : data;

    if (snprintf(f->path, sizeof(f->path), "%s/wrata-private-XXXXXX", place) >= (int)sizeof(f->path) - 64)
        return why_set(reterr, ERR_INVALID, NULL, "the path is too long");
    if (mkdtemp(f->path) == NULL) /* mode 0700 */
        return why_errno(reterr, ERR_IO, errno, "a private folder in %s cannot be made", place);
    return ERR_OK;
}

enum err private_folder_open(struct private_folder *f, const char *data, struct why *reterr)
{
    int fds[2];
    enum err err;

    *f = (struct private_folder){.guard_fd = -1};
    if (pipe2(fds, O_CLOEXEC) != 0)
        return why_errno(reterr, ERR_IO, errno, "no pipe for the guard of the private folder");
    err = make_folder(f, data, reterr);
    if (err == ERR_OK) {
        (void)fflush(NULL);
        f->guard = fork();
        if (f->guard == 0) {
            (void)close(fds[1]);
            guard_run(f->path, fds[0]);
        }
        if (f->guard < 0) {
            err = why_errno(reterr, ERR_IO, errno, "the guard of the private folder cannot be started");
            (void)rmdir(f->path);
        }
    }
    (void)close(fds[0]);
    if (err != ERR_OK) {
        (void)close(fds[1]);
        return err;
    }
    f->guard_fd = fds[1];
    return ERR_OK;
}

enum err private_folder_write(const struct private_folder *f, const char *name, const void *bytes, size_t n,
                              struct why *reterr)
{
    char path[PATH_MAX + 64];
    const char *p = bytes;
    bool ok;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", f->path, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    ok = fd >= 0;
    while (ok && n > 0) {
        ssize_t wrote = write(fd, p, n);

        ok = wrote > 0 || (wrote < 0 && errno == EINTR);
        if (wrote > 0) {
            p += wrote;
            n -= (size_t)wrote;
        }
    }
    if (!ok)
        (void)why_errno(reterr, ERR_IO, errno, "%s cannot be written", path);
    if (fd >= 0)
        (void)close(fd);
    return ok ? ERR_OK : ERR_IO;
}

void private_folder_close(struct private_folder *f)
{
    if (f->guard_fd < 0)
        return;
    (void)close(f->guard_fd);
    f->guard_fd = -1;
    while (waitpid(f->guard, NULL, 0) < 0 && errno == EINTR)
        ;
}
