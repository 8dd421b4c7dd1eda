#include "agent/container_call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/launch.h"
#include "agent/run_env.h"

extern char **environ;

bool helper_init(struct helper *h)
{
    sigset_t set;

    *h = (struct helper){.patience_ms = CONTAINER_PATIENCE_S * 1000};
    arena_init(&h->arena);
    launch_init();
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGQUIT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGPIPE);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    h->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    h->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* conmon is not an orphan of some other run */
    return h->signal_fd >= 0 && h->null_fd >= 0;
}

bool helper_signals(struct helper *h, pid_t pid, int *retstatus)
{
    struct signalfd_siginfo info;
    bool ended = false;
    int status;
    pid_t child;

    while (read(h->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM)
            h->wants_end = true;
        if (info.ssi_signo == SIGQUIT || info.ssi_signo == SIGINT)
            h->wants_kill = true;
    }
    while ((child = waitpid(-1, &status, WNOHANG)) > 0)
        if (child == pid) {
            *retstatus = status;
            ended = true;
        }
    return ended;
}

char **engine_env(struct arena *a)
{
    static const char *const begins[] = {"CONTAINERS_", "CONTAINER_", "DOCKER_",
                                         "PODMAN_",     "STORAGE_",   "XDG_"};
    static const char *const names[] = {"DBUS_SESSION_BUS_ADDRESS",
                                        "REGISTRY_AUTH_FILE",
                                        "SSH_AUTH_SOCK",
                                        "http_proxy",
                                        "https_proxy",
                                        "no_proxy",
                                        "all_proxy",
                                        "HTTP_PROXY",
                                        "HTTPS_PROXY",
                                        "NO_PROXY",
                                        "ALL_PROXY"};
    size_t max = 1;
    size_t n;
    char **env;

    for (char **e = environ; *e != NULL; e++)
        max++;
    env = exec_base_env(a, max, &n);
    for (char **e = environ; *e != NULL; e++) {
        bool takes = false;

        for (size_t i = 0; i < ARRAY_LEN(begins); i++)
            takes = takes || strncmp(*e, begins[i], strlen(begins[i])) == 0;
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            takes = takes || (strncmp(*e, names[i], strlen(names[i])) == 0 && (*e)[strlen(names[i])] == '=');
        if (takes)
            env[n++] = *e;
    }
    env[n] = NULL;
    return env;
}

/* ---- a call ---- */

struct calling {
    struct helper *h;
    const struct call *c;
    struct answer *a;
    pid_t pid;
    int fd[2]; /* of out and err; -1: closed */
    size_t n[2];
};

/* Of out the beginning is kept, of err the end. */
static void keep(struct calling *k, int which, const char *bytes, size_t n)
{
    char *to = which == 0 ? k->a->out : k->a->err;
    size_t size = which == 0 ? CALL_OUT_BYTES : CALL_ERR_BYTES;

    for (size_t i = 0; i < n; i++) {
        if (k->n[which] == size - 1) {
            if (which == 0)
                return;
            memmove(to, to + size / 2, size / 2);
            k->n[which] = size / 2 - 1;
        }
        to[k->n[which]++] = bytes[i] == '\0' ? ' ' : bytes[i];
    }
}

static void drain(struct calling *k, int which)
{
    char bytes[4096];
    ssize_t n;

    while (k->fd[which] >= 0) {
        n = read(k->fd[which], bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            (void)close(k->fd[which]);
            k->fd[which] = -1;
            return;
        }
        keep(k, which, bytes, (size_t)n);
    }
}

static bool start(struct calling *k)
{
    struct launch l = {
        .argv = k->c->argv, .envp = engine_env(&k->h->arena), .in = k->h->null_fd, .results = -1};
    const char *step;
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    int error = 0;

    l.out = l.err = k->c->out;
    if (k->c->out == 0) {
        if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
            error = errno;
        l.out = out[1];
        l.err = err[1];
    }
    k->pid = error == 0 ? launch_child(&l, &k->h->arena, &step) : -1;
    if (error == 0)
        error = errno;
    for (int i = 0; i < 2; i++)
        if ((i == 0 ? out : err)[1] >= 0)
            (void)close((i == 0 ? out : err)[1]);
    k->fd[0] = out[0];
    k->fd[1] = err[0];
    for (int i = 0; i < 2; i++)
        if (k->fd[i] >= 0)
            (void)fcntl(k->fd[i], F_SETFL, O_NONBLOCK);
    if (k->pid < 0)
        (void)snprintf(k->a->err, sizeof(k->a->err), "%s",
                       error == ENOENT ? "command not found on this server" : strerror(error));
    return k->pid > 0;
}

/* Until the command has ended, or may not go on. What it left running may hold its pipes: they are not waited for. */
static void await(struct calling *k, struct mono end)
{
    for (;;) {
        int watch = -1;
        bool goes_on = k->c->on_round != NULL ? k->c->on_round(k->c->ctx, &watch) : k->c->is_stubborn;
        struct pollfd fds[4] = {{.fd = k->h->signal_fd, .events = POLLIN},
                                {.fd = k->fd[0], .events = POLLIN},
                                {.fd = k->fd[1], .events = POLLIN},
                                {.fd = watch, .events = POLLIN}};
        int64_t left_ms = (end.us - mono_now().us) / 1000;

        k->a->is_late = left_ms <= 0;
        k->a->is_cut = !goes_on && (k->h->wants_kill || k->h->wants_end);
        if (k->a->is_late || k->a->is_cut)
            return;
        (void)poll(fds, 4, left_ms > 1000 ? 1000 : (int)left_ms + 1);
        drain(k, 0);
        drain(k, 1);
        if (helper_signals(k->h, k->pid, &k->a->status)) {
            k->pid = 0;
            return;
        }
    }
}

bool call_engine(struct helper *h, const struct call *c, struct answer *ret)
{
    struct calling k = {.h = h, .c = c, .a = ret, .fd = {-1, -1}};

    memset(ret, 0, sizeof(*ret));
    ret->is_started = start(&k);
    if (ret->is_started)
        await(&k, mono_add_ms(mono_now(), c->limit_ms > 0 ? c->limit_ms : h->patience_ms));
    if (k.pid > 0) {
        (void)kill(-k.pid, SIGKILL);
        while (waitpid(k.pid, &ret->status, 0) < 0 && errno == EINTR)
            continue;
    }
    for (int i = 0; i < 2; i++) {
        drain(&k, i);
        if (k.fd[i] >= 0)
            (void)close(k.fd[i]);
    }
    return ret->is_started && !ret->is_late && !ret->is_cut && WIFEXITED(ret->status) &&
           WEXITSTATUS(ret->status) == 0;
}

const char *call_error(struct helper *h, const struct call *c, const struct answer *a)
{
    char words[400];
    const char *what = arena_printf(&h->arena, "%s %s", c->argv[0], c->argv[1]);

    if (a->is_late)
        return arena_printf(&h->arena, "%s gave no answer for %lld s", what,
                            (long long)((c->limit_ms > 0 ? c->limit_ms : h->patience_ms) / 1000));
    if (a->is_cut)
        return arena_printf(&h->arena, "%s was given up", what);
    container_last_words(a->err, words, sizeof(words));
    if (words[0] != '\0')
        return arena_printf(&h->arena, "%s: %s", what, words);
    if (WIFSIGNALED(a->status))
        return arena_printf(&h->arena, "%s: signal %d ended it", what, WTERMSIG(a->status));
    return arena_printf(&h->arena, "%s: exit status %d", what, WEXITSTATUS(a->status));
}
