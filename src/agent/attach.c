/* attach.c - the programs that speak to the agent's socket: the stdio end of a link, and git's helper. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/serve.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

#define START_TIMEOUT_MS 20000
#define CONNECT_TRIES 5
#define FIRST_BYTE_MS 10000
#define COPY_BYTES KIB(64)
#define LOG_MAX_BYTES MIB(1)

enum err serve_enter(const char *dir, const char *instance, struct why *reterr)
{
    char path[PATH_MAX];

    if (instance[0] == '\0' || instance[0] == '.' || strchr(instance, '/') != NULL || strlen(instance) > 64)
        return why_set(reterr, ERR_INVALID, "instance",
                       "the instance must be a plain name of at most 64 characters");
    if (snprintf(path, sizeof(path), "%s/%s", dir, instance) >= (int)sizeof(path))
        return why_set(reterr, ERR_INVALID, "dir", "the folder's name is too long");
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        (void)mkdir(path, 0700); /* what is missing shows below */
        *p = '/';
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be made", path);
    if (chdir(path) != 0)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be entered", path);
    return ERR_OK;
}

enum err serve_connect(const char *line, int *retfd, struct why *reterr)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = AGENT_SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "no socket");
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        enum err e = errno == ENOENT || errno == ECONNREFUSED ? ERR_NOTFOUND : ERR_IO;

        e = why_errno(reterr, e, errno, "the agent's socket");
        (void)close(fd);
        return e;
    }
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) {
        (void)close(fd);
        return why_errno(reterr, ERR_IO, errno, "the agent's socket");
    }
    *retfd = fd;
    return ERR_OK;
}

/* In the grandchild: become the agent. */
static _Noreturn void become_agent(const struct serve_opts *opts, int ready_fd)
{
    char number[16];
    char idle[24];
    struct stat st;
    int null_fd;
    int log_fd;

    for (int fd = 3; fd < 1024; fd++) /* of whoever started us: a daemon must not keep a session open */
        if (fd != ready_fd)
            (void)close(fd);
    null_fd = open("/dev/null", O_RDWR);
    if (stat("agent.log", &st) == 0 && st.st_size > (off_t)LOG_MAX_BYTES)
        (void)rename("agent.log", "agent.log.old");
    log_fd = open("agent.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (null_fd < 0 || log_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(log_fd, 2) < 0)
        _exit(3);
    if (null_fd > 2)
        (void)close(null_fd);
    if (log_fd > 2)
        (void)close(log_fd);
    (void)snprintf(number, sizeof(number), "%d", ready_fd);
    (void)snprintf(idle, sizeof(idle), "%lld", (long long)(opts->idle_exit_ms / 1000));
    (void)execl("/proc/self/exe", "wrata-agent", "serve", "--foreground", "--dir", opts->dir, "--instance",
                opts->instance, "--idle-exit-s", idle, "--ready-fd", number,
                opts->no_cgroup ? "--no-cgroup" : (char *)NULL, (char *)NULL);
    _exit(3);
}

static enum err wait_ready(int fd, struct why *reterr)
{
    struct mono end = mono_add_ms(mono_now(), START_TIMEOUT_MS);
    char text[256];
    size_t len = 0;

    for (;;) {
        int64_t left = mono_ms_between(mono_now(), end);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (left <= 0)
            return why_set(reterr, ERR_TIMEOUT, NULL, "the agent did not come up within %d s",
                           START_TIMEOUT_MS / 1000);
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        n = read(fd, text + len, sizeof(text) - 1 - len);
        if (n > 0) {
            len += (size_t)n;
            continue;
        }
        text[len] = '\0';
        if (strcmp(text, "ok\n") == 0)
            return ERR_OK;
        text[strcspn(text, "\n")] = '\0';
        return why_set(reterr, ERR_IO, NULL, "the agent did not start: %s", len > 0 ? text : "see agent.log");
    }
}

enum err serve_start_daemon(const struct serve_opts *opts, struct why *reterr)
{
    char dir[PATH_MAX];
    struct serve_opts abs = *opts;
    int fds[2];
    enum err e;
    pid_t pid;

    /* The present folder is DIR/ID already: what is given on is absolute. */
    if (getcwd(dir, sizeof(dir)) == NULL || strrchr(dir, '/') == NULL)
        return why_errno(reterr, ERR_IO, errno, "the present folder");
    *strrchr(dir, '/') = '\0';
    abs.dir = dir[0] != '\0' ? dir : "/";
    if (pipe(fds) != 0)
        return why_errno(reterr, ERR_IO, errno, "no pipe");
    pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        (void)setsid();
        pid = fork();
        if (pid == 0)
            become_agent(&abs, fds[1]);
        _exit(pid < 0 ? 3 : 0);
    }
    (void)close(fds[1]);
    if (pid < 0) {
        e = why_errno(reterr, ERR_IO, errno, "no process for the agent");
    } else {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        e = wait_ready(fds[0], reterr);
    }
    (void)close(fds[0]);
    return e;
}

/* Copy both ways until a side closes. With half_close the end of stdin only ends that direction.
 * Blocking writes are enough: the agent and whoever holds our stdio read whatever comes at all times. */
static void relay(int sock, bool half_close)
{
    char *data = xmalloc(COPY_BYTES);
    bool in_open = true;

    for (;;) {
        struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = in_open ? 0 : -1, .events = POLLIN}};
        ssize_t n;

        if (poll(p, 2, -1) < 0) { /* no deadline: a link lives as long as both of its ends */
            if (errno == EINTR)
                continue;
            break;
        }
        if (p[0].revents != 0) {
            n = read(sock, data, COPY_BYTES);
            if (n <= 0 || !fd_write_all(1, data, (size_t)n))
                break;
        }
        if (p[1].revents != 0) {
            n = read(0, data, COPY_BYTES);
            if (n > 0 && !fd_write_all(sock, data, (size_t)n))
                break;
            if (n <= 0 && !half_close)
                break;
            if (n <= 0) {
                (void)shutdown(sock, SHUT_WR);
                in_open = false;
            }
        }
    }
    free(data);
}

/* An agent that just dies may still take a connection and never say HELLO on it. */
static bool says_something(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;

    return poll(&p, 1, FIRST_BYTE_MS) > 0 && recv(fd, &c, 1, MSG_PEEK) == 1;
}

enum err attach(const struct serve_opts *opts, struct why *reterr)
{
    enum err e = serve_enter(opts->dir, opts->instance, reterr);
    int fd = -1;

    if (e != ERR_OK)
        return e;
    (void)signal(SIGPIPE, SIG_IGN);
    e = ERR_NOTFOUND;
    for (int i = 0; i < CONNECT_TRIES && e == ERR_NOTFOUND; i++) {
        e = serve_connect("attach\n", &fd, reterr);
        if (e == ERR_OK && !says_something(fd)) {
            (void)close(fd);
            e = why_set(reterr, ERR_NOTFOUND, NULL, "the agent closes every connection");
        }
        if (e == ERR_NOTFOUND) {
            /* Two attaches may start two agents; the folder's lock lets one live, and both find that one. */
            enum err started = serve_start_daemon(opts, reterr);

            if (started != ERR_OK)
                return started;
        }
    }
    if (e != ERR_OK)
        return e;
    relay(fd, false);
    (void)close(fd);
    return ERR_OK;
}

enum err attach_channel(const char *socket_path, const char *params, struct why *reterr)
{
    char dir[PATH_MAX];
    char line[AGENT_HELLO_LINE_MAX];
    enum err e;
    char *end;
    int fd;

    if (snprintf(dir, sizeof(dir), "%s", socket_path) >= (int)sizeof(dir) ||
        (end = strrchr(dir, '/')) == NULL ||
        snprintf(line, sizeof(line), "channel %s\n", params) >= (int)sizeof(line))
        return why_set(reterr, ERR_INVALID, NULL, "the socket's path or the parameters make no sense");
    *end = '\0';
    if (chdir(dir) != 0)
        return why_errno(reterr, ERR_IO, errno, "%s", dir);
    (void)signal(SIGPIPE, SIG_IGN);
    e = serve_connect(line, &fd, reterr);
    if (e != ERR_OK)
        return e;
    relay(fd, true);
    (void)close(fd);
    return ERR_OK;
}
