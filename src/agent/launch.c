#include "agent/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CANDIDATES_MAX 64

enum step { STEP_EXEC, STEP_CHDIR, STEP_USER };

static const char *const step_names[] = {[STEP_EXEC] = "exec", [STEP_CHDIR] = "chdir", [STEP_USER] = "user"};

/* What the child needs, made before the fork: it shares our memory and must not allocate. */
struct plan {
    const struct launch *l;
    char *paths[CANDIDATES_MAX]; /* what argv[0] may be, in the order of PATH */
    size_t n_paths;
    char **sh_argv; /* for a script without "#!": /bin/sh path args */
    pid_t parent;
    volatile int error;
    volatile int step;
};

const char *env_get(char *const *envp, const char *name)
{
    size_t n = strlen(name);

    for (; *envp != NULL; envp++)
        if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
            return *envp + n + 1;
    return NULL;
}

void launch_init(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < 2); /* 0, 1, 2 exist from here on */
    if (fd == 2)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd > 3)
        (void)close(fd); /* 3 was taken already */
    else if (fd == 3)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void plan_paths(struct plan *p, struct arena *a)
{
    const char *name = p->l->argv[0];
    const char *path = env_get(p->l->envp, "PATH");

    if (strchr(name, '/') != NULL || path == NULL) {
        p->paths[p->n_paths++] = arena_strdup(a, name);
        return;
    }
    for (; p->n_paths < CANDIDATES_MAX; path++) {
        size_t n = strcspn(path, ":");

        p->paths[p->n_paths++] = arena_printf(a, "%.*s%s%s", (int)n, path, n > 0 ? "/" : "./", name);
        path += n;
        if (*path == '\0')
            break;
    }
}

/* The system calls themselves: a C library would stop threads that there are none of, in memory that is not ours. */
static bool become(const struct launch_user *u)
{
    return syscall(SYS_setgroups, u->n_groups, u->groups) == 0 &&
           syscall(SYS_setresgid, u->gid, u->gid, u->gid) == 0 &&
           syscall(SYS_setresuid, u->uid, u->uid, u->uid) == 0;
}

static bool adjust_oom(const char *value)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, value, strlen(value)) > 0;

    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* In the child, on the parent's memory. Only system calls from here. */
static _Noreturn void child(struct plan *p)
{
    const struct launch *l = p->l;
    int error = ENOENT;
    sigset_t none;

    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != p->parent)
        _exit(127);
    for (size_t i = 0; i < l->n_joins; i++)
        if (write(l->joins[i], "0", 1) != 1)
            continue; /* a group that is gone: /proc is walked at the run's end */
    if (l->oom_score_adj != NULL)
        (void)adjust_oom(l->oom_score_adj); /* no reason not to run: it is chosen as its parent would be */
    (void)dup2(l->in, 0);
    (void)dup2(l->out, 1);
    (void)dup2(l->err > 0 ? l->err : l->out, 2);
    if (l->results >= 0)
        (void)dup2(l->results, 3);
    if (l->side == 4)
        (void)fcntl(4, F_SETFD, 0);
    else if (l->side > 0)
        (void)dup2(l->side, 4);
    if (l->as != NULL && !become(l->as)) {
        p->error = errno;
        p->step = STEP_USER;
        _exit(127);
    }
    if (l->cwd != NULL && chdir(l->cwd) != 0) {
        p->error = errno;
        p->step = STEP_CHDIR;
        _exit(127);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < p->n_paths; i++) {
        (void)execve(p->paths[i], l->argv, l->envp);
        if (errno == ENOEXEC) {
            p->sh_argv[1] = p->paths[i];
            (void)execve("/bin/sh", p->sh_argv, l->envp);
        }
        if (errno == EACCES)
            error = EACCES; /* another folder may have one we may run */
        else if (errno != ENOENT && errno != ENOTDIR) {
            error = errno;
            break;
        }
    }
    p->error = error;
    p->step = STEP_EXEC;
    _exit(127);
}

pid_t launch_child(const struct launch *l, struct arena *a, const char **retstep)
{
    struct plan p = {.l = l, .parent = getpid()};
    size_t n = 0;
    pid_t pid;

    plan_paths(&p, a);
    while (l->argv[n] != NULL)
        n++;
    p.sh_argv = arena_alloc(a, (n + 2) * sizeof(char *));
    p.sh_argv[0] = arena_strdup(a, "/bin/sh");
    memcpy(p.sh_argv + 2, l->argv + 1, n * sizeof(char *)); /* with the NULL; [1] is set when it is needed */
    pid = vfork();
    if (pid == 0)
        child(&p);
    *retstep = "fork";
    if (pid > 0 && p.error != 0) {
        *retstep = step_names[p.step];
        errno = p.error;
        /* The loop reaps it as a child it does not know. */
        return -1;
    }
    return pid;
}

const char *launch_error(struct arena *a, const struct launch *l, const char *step, int error,
                         const char *place)
{
    const char *name = l->argv[0];

    if (strcmp(step, "chdir") == 0)
        return arena_printf(a, "the folder %s cannot be entered: %s", l->cwd, strerror(error));
    if (strcmp(step, "user") == 0)
        return arena_printf(a, "user %ld cannot be become: %s", (long)l->as->uid, strerror(error));
    if (error == ENOENT && strchr(name, '/') == NULL)
        return arena_printf(a, "%.200s: command not found %s", name, place);
    if (error == ENOENT)
        return arena_printf(a, "%.200s: no such file %s (or the program its first line names)", name, place);
    return arena_printf(a, "%.200s: %s", name, strerror(error));
}
