#include "cli/doctor_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

bool probe_has(const char *program)
{
    const char *path = getenv("PATH");
    char full[4096];

    for (const char *p = path; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, ":");

        (void)snprintf(full, sizeof(full), "%.*s/%s", (int)n, p, program);
        if (access(full, X_OK) == 0)
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}

static int start(const char *const *argv, int out_fd, pid_t *ret)
{
    union {
        const char *const *in;
        char *const *out;
    } pun = {argv}; /* posix_spawn does not write to it */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t defaults;
    int rc;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    (void)posix_spawn_file_actions_adddup2(&actions, out_fd, 2);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    (void)posix_spawnattr_setsigdefault(&attr, &defaults);
    (void)posix_spawnattr_setpgroup(&attr, 0); /* what it starts dies with it */
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawnp(ret, argv[0], &actions, &attr, pun.out, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    return rc;
}

int probe_run(const char *const *argv, int ms, char *line, size_t size)
{
    const struct mono end = mono_add_ms(mono_now(), ms);
    size_t got = 0;
    bool is_late = false;
    int fds[2];
    int status;
    pid_t pid;

    line[0] = '\0';
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    if (start(argv, fds[1], &pid) != 0) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        return -1;
    }
    (void)close(fds[1]);
    for (;;) {
        struct pollfd p = {.fd = fds[0], .events = POLLIN};
        int64_t left = mono_ms_between(mono_now(), end);
        char rest[512];
        ssize_t n;

        is_late = left <= 0;
        if (is_late || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
            break;
        if (p.revents == 0)
            continue;
        n = got + 1 < size ? read(fds[0], line + got, size - 1 - got) : read(fds[0], rest, sizeof(rest));
        if (n <= 0)
            break;
        if (got + 1 < size)
            got += (size_t)n;
    }
    (void)close(fds[0]);
    line[got] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (is_late)
        (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (is_late)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
