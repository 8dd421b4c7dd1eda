/* setup.c - what an agent lays out and finds out once, when it starts. */
#include "agent/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/crc32.h"
#include "agent/exec.h"
#include "agent/launch.h"
#include "agent/procs.h"
#include "agent/serve.h"
#include "base/log.h"

#if defined(__has_include)
#if __has_include("embed_adapters.h")
#define WRATA_HAVE_ADAPTERS 1
#endif
#endif
#ifdef WRATA_HAVE_ADAPTERS
#include "embed_adapters.h"
#endif

#define LOCK_WAIT_MS 15000
#define GIT_VERSION_MS 5000

#ifdef WRATA_HAVE_ADAPTERS
static bool adapter_write(const char *dir, const char *name, const void *data, size_t n, char *ret,
                          size_t size)
{
    char tmp[64];
    char path[80];
    uint32_t crc = crc32_of(0, data, n);
    struct stat st;
    bool ok;
    int fd;

    (void)mkdir("adapters", 0755);
    (void)snprintf(path, sizeof(path), "adapters/%08x", crc);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof(path), "adapters/%08x/%s", crc, name);
    if (snprintf(ret, size, "%s/%s", dir, path) >= (int)size)
        return false;
    if (stat(path, &st) == 0 && (size_t)st.st_size == n)
        return true;
    (void)snprintf(tmp, sizeof(tmp), "adapters/new.%d", (int)getpid());
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    ok = write(fd, data, n) == (ssize_t)n;
    ok = close(fd) == 0 && ok;
    return ok && rename(tmp, path) == 0;
}
#endif

enum err setup_adapters(const char *dir, struct setup_adapters *ret, struct why *reterr)
{
#ifdef WRATA_HAVE_ADAPTERS
    const struct {
        const char *name;
        const unsigned char *data;
        size_t n;
        char *ret;
    } files[] = {
        {"wrata_rspec.rb", adapter_rspec_rb, adapter_rspec_rb_len, ret->rspec},
        {"wrata_warm.rb", adapter_warm_rb, adapter_warm_rb_len, ret->warm},
        {"wrata_pytest.py", adapter_pytest_py, adapter_pytest_py_len, ret->pytest},
    };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        files[i].ret[0] = '\0';
        if (files[i].n > 0 &&
            !adapter_write(dir, files[i].name, files[i].data, files[i].n, files[i].ret, SETUP_PATH_BYTES))
            return why_errno(reterr, ERR_IO, errno, "the adapters cannot be written");
    }
    if (ret->pytest[0] != '\0')
        *strrchr(ret->pytest, '/') = '\0';
#else
    (void)dir;
    (void)reterr;
    ret->rspec[0] = ret->warm[0] = ret->pytest[0] = '\0';
#endif
    return ERR_OK;
}

/* "git 2.39.5" or "no git": for people, so whatever goes wrong is the second. */
static void git_version(char *out, size_t size)
{
    struct arena a;
    struct launch l = {.argv = (char *[]){"git", "--version", NULL}, .results = -1};
    struct pollfd p = {.events = POLLIN};
    char text[96] = "";
    const char *step;
    int fds[2];
    ssize_t len;
    size_t n;
    char **env;
    pid_t pid;

    (void)snprintf(out, size, "no git");
    if (pipe2(fds, O_CLOEXEC) != 0)
        return;
    arena_init(&a);
    env = exec_base_env(&a, 1, &n);
    env[n] = NULL;
    l.envp = env;
    l.in = fds[0]; /* it reads nothing */
    l.out = fds[1];
    pid = launch_child(&l, &a, &step);
    (void)close(fds[1]);
    p.fd = fds[0];
    if (pid > 0 && poll(&p, 1, GIT_VERSION_MS) > 0 && (len = read(fds[0], text, sizeof(text) - 1)) > 0)
        text[len] = '\0';
    if (pid > 0) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    (void)close(fds[0]);
    arena_done(&a);
    text[strcspn(text, "\n")] = '\0';
    if (strncmp(text, "git version ", 12) == 0)
        (void)snprintf(out, size, "git %.40s", text + 12);
}

void setup_facts(const char *groups, char *out, size_t size)
{
    struct utsname u = {0};
    char git[64];

    (void)uname(&u);
    git_version(git, sizeof(git));
    (void)snprintf(out, size, "%s %s, %ld cores, %s, %s", u.sysname, u.machine, sysconf(_SC_NPROCESSORS_ONLN),
                   groups, git);
}

enum err setup_lock(struct why *reterr)
{
    struct mono end = mono_add_ms(mono_now(), LOCK_WAIT_MS);
    int fd = open("agent.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int other;

    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "agent.lock");
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        /* Another agent has the folder. When it listens it is the one; when not, it comes up or goes down. */
        if (serve_connect("\n", &other, NULL) == ERR_OK) {
            (void)close(other);
            (void)close(fd);
            return why_set(reterr, ERR_BUSY, NULL, "another agent serves this folder");
        }
        if (!mono_before(mono_now(), end)) {
            (void)close(fd);
            return why_set(reterr, ERR_TIMEOUT, NULL, "another agent holds agent.lock and does not answer");
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return ERR_OK; /* fd stays open: it is the lock */
}

bool setup_is_same_boot(void)
{
    char was[24] = "";
    char is[24];
    ssize_t n;
    int fd = open("boot", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool same;

    (void)snprintf(is, sizeof(is), "%016" PRIx64 "\n", proc_boot_id());
    n = fd < 0 ? -1 : read(fd, was, sizeof(was) - 1);
    same = n == (ssize_t)strlen(is) && strcmp(was, is) == 0 && proc_boot_id() != 0;
    if (!same && fd >= 0 && pwrite(fd, is, strlen(is), 0) != (ssize_t)strlen(is))
        LOG_WARN("agent.boot", "errno=%d", errno); /* then the next one is careful for nothing */
    if (fd >= 0)
        (void)close(fd);
    return same;
}

void setup_mark(const char *instance, char *out, size_t size)
{
    char text[9] = "";
    uint32_t number;
    int fd = open("mark", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || read(fd, text, sizeof(text)) != 8 || strspn(text, "0123456789abcdef") != 8) {
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            number = (uint32_t)proc_boottime_us() ^ (uint32_t)getpid();
        (void)snprintf(text, sizeof(text), "%08" PRIx32, number);
        if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, text, 8, 0) != 8)
            LOG_WARN("agent.mark", "errno=%d",
                     errno); /* then the next one does not know what this one leaves */
    }
    text[8] = '\0';
    (void)snprintf(out, size, "%.48s-%s", instance, text);
    if (fd >= 0)
        (void)close(fd);
}

enum err setup_listen(int *retfd, struct why *reterr)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = AGENT_SOCKET};
    int fd;

    (void)unlink(AGENT_SOCKET);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *retfd = fd;
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || chmod(AGENT_SOCKET, 0600) != 0 ||
        listen(fd, 64) != 0)
        return why_errno(reterr, ERR_IO, errno, "the agent's socket");
    return ERR_OK;
}

bool setup_chan_params(char *params, struct frame_chan_open *ret)
{
    char *number = strchr(params, ':');
    char *text = number != NULL ? strchr(number + 1, ':') : NULL;

    if (text == NULL)
        return false;
    *number++ = '\0';
    *text++ = '\0';
    *ret = (struct frame_chan_open){
        .kind = slice_of(params), .project = strtoull(number, NULL, 10), .commit = slice_of(text)};
    return ret->kind.len <= 16 && ret->commit.len <= 64;
}
