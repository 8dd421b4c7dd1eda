#include "agent/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container_order.h"
#include "agent/inside_user.h"
#include "agent/launch.h"
#include "agent/procs.h"
#include "base/clock.h"

#define LAST_WORDS_MS 200 /* for what the script left running, as on the machine itself */
#define KILL_GIVE_UP_MS 10000
#define FILE_BYTES_MAX MIB(1)
#define PROCESSES_MAX 4096
#define NO_AGENT 121 /* exit status: the socket does not answer */

extern char **environ;

struct inside {
    struct arena arena;
    struct inside_order order;
    struct inside_user user;
    struct launch_user as;
    uid_t owner; /* the agent's account, as it looks from here */
    gid_t owner_group;
    int conn;
    int signal_fd;
    int null_fd;
    int out;
    int results;
    bool wants_end;
    bool wants_kill;
    uint64_t oom_before;
    pid_t *before; /* processes that were there before the script */
    size_t n_before;
    pid_t child; /* that is waited for: the hook, then the script */
    bool has_ended;
    int status;
    struct rusage ru;
    struct mono begun; /* of the child */
    struct mono ended;
};

/* ---- the order ---- */

static void say(struct inside *in, const char *line)
{
    size_t n = strlen(line);

    while (n > 0 && in->conn >= 0) {
        ssize_t w = send(in->conn, line, n, MSG_NOSIGNAL);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return; /* nobody listens: the next look at conn says so */
        line += w;
        n -= (size_t)w;
    }
}

static int failed(struct inside *in, const char *text)
{
    say(in, arena_printf(&in->arena, "failed %s\n", text));
    return 1;
}

static bool connect_box(struct inside *in)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = BOX_INSIDE "/sock"};

    in->conn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return in->conn >= 0 && connect(in->conn, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

/* The length of the order and the ends of the run's pipes come in one message. */
static bool receive_head(struct inside *in, uint32_t *retlen)
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct iovec iov = {.iov_base = retlen, .iov_len = sizeof(*retlen)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c;
    int fds[2] = {-1, -1};
    ssize_t n;

    do
        n = recvmsg(in->conn, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    while (n < 0 && errno == EINTR);
    c = n == (ssize_t)sizeof(*retlen) ? CMSG_FIRSTHDR(&m) : NULL;
    if (c == NULL || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(int)))
        return false;
    memcpy(fds, CMSG_DATA(c),
           c->cmsg_len - CMSG_LEN(0) < sizeof(fds) ? c->cmsg_len - CMSG_LEN(0) : sizeof(fds));
    in->out = fds[0];
    in->results = fds[1];
    return *retlen <= ORDER_BYTES_MAX;
}

static bool receive_order(struct inside *in)
{
    uint32_t len = 0;
    uint32_t have = 0;
    char *bytes;

    if (!receive_head(in, &len))
        return false;
    bytes = arena_alloc(&in->arena, len + 1);
    while (have < len) {
        ssize_t n = read(in->conn, bytes + have, len - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        have += (uint32_t)n;
    }
    return inside_order_read(bytes, len, &in->arena, &in->order) == ERR_OK;
}

/* ---- the memory limit ---- */

/* No more memory than the file needs: it is the run's limit that it counts against. What the kernel makes up says no size. */
static const char *read_file(struct arena *a, const char *path, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t have = 0;
    ssize_t n = 0;
    char *text;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size < max)
        max = (size_t)st.st_size;
    text = arena_alloc(a, max + 1);
    while (fd >= 0 && have < max &&
           ((n = read(fd, text + have, max - have)) > 0 || (n < 0 && errno == EINTR)))
        have += n > 0 ? (size_t)n : 0;
    if (fd >= 0)
        (void)close(fd);
    text[have] = '\0';
    return text;
}

/* How many processes of this container memory limits have ended. UINT64_MAX: it cannot be told from here. */
static uint64_t oom_count(struct inside *in)
{
    static const char *const files[] = {"/sys/fs/cgroup/memory.events",
                                        "/sys/fs/cgroup/memory/memory.oom_control"};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const char *text = read_file(&in->arena, files[i], KIB(1));
        const char *at = strstr(text, "oom_kill ");

        if (at != NULL)
            return strtoull(at + 9, NULL, 10);
    }
    return UINT64_MAX;
}

static int oom_digit(struct inside *in)
{
    uint64_t now = in->order.is_limited ? oom_count(in) : 0;

    if (!in->order.is_limited)
        return 0;
    return now == UINT64_MAX || in->oom_before == UINT64_MAX ? 2 : now > in->oom_before;
}

/* The kernel looks for somebody else to end while it takes back the memory of the one it has ended, and we may be all that is
 * left to look at. So half of the limit counts as used by each process of the script, over what counts for us: it ends them
 * first, and we say what came of it. */
static const char *oom_score_below(struct inside *in)
{
    long own = strtol(read_file(&in->arena, "/proc/self/oom_score_adj", 16), NULL, 10);

    return arena_printf(&in->arena, "%ld", own < 500 ? own + 500 : 1000);
}

/* ---- whose files ---- */

/* What cannot be given; NULL: nothing. */
static const char *give(struct inside *in, const struct order_list *folders, bool once)
{
    for (uint32_t i = 0; i < folders->n; i++) {
        struct stat st;
        int error = 0;

        if (once && stat(folders->at[i], &st) == 0 && st.st_uid == in->user.uid)
            continue;
        if (inside_own(folders->at[i], in->user.uid, in->user.gid, &error) > 0)
            return arena_printf(&in->arena, "%s cannot be given to user %ld in the container: %s",
                                folders->at[i], (long)in->user.uid, strerror(error));
    }
    return NULL;
}

static const char *lend(struct inside *in)
{
    const char *fault;

    if (in->user.uid == 0 || in->user.uid == in->owner) /* it may write everywhere, or owns it already */
        return NULL;
    fault = give(in, &in->order.lent, false);
    return fault != NULL ? fault : give(in, &in->order.given, true);
}

static void take_back(struct inside *in)
{
    for (uint32_t i = 0; i < in->order.lent.n && in->user.uid != in->owner; i++) {
        int error = 0;
        size_t n = inside_own(in->order.lent.at[i], in->owner, in->owner_group, &error);

        if (n > 0)
            say(in, arena_printf(&in->arena, "kept %zu files in %s cannot be given back to the agent: %s\n",
                                 n, in->order.lent.at[i], strerror(error)));
    }
}

/* ---- processes ---- */

static void signals_block(struct inside *in)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGPIPE);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    in->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What came from outside. No agent any more: at once. */
static void listen_once(struct inside *in, int wait_ms)
{
    struct pollfd fds[2] = {{.fd = in->signal_fd, .events = POLLIN}, {.fd = in->conn, .events = POLLIN}};
    struct signalfd_siginfo info;
    char bytes[16];

    (void)poll(fds, 2, wait_ms);
    while (read(in->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) /* of somebody who stops the container */
            in->wants_end = true;
    if (in->conn >= 0 && fds[1].revents != 0) {
        ssize_t n = recv(in->conn, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            (void)close(in->conn);
            in->conn = -1;
            in->wants_kill = true;
        }
        for (ssize_t i = 0; i < n; i++) {
            in->wants_end = in->wants_end || bytes[i] == 'T';
            in->wants_kill = in->wants_kill || bytes[i] == 'K';
        }
    }
}

/* Collect who has ended. False: nobody is left who could. */
static bool reap(struct inside *in)
{
    struct rusage ru;
    int status;
    pid_t pid;

    while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0)
        if (pid == in->child) {
            in->has_ended = true;
            in->ended = mono_now();
            in->status = status;
            in->ru = ru;
        }
    return pid == 0 || errno != ECHILD;
}

/* Wait for the child, at most until then. False: it was cut, or is late. */
static bool await(struct inside *in, struct mono end)
{
    bool told = false;

    for (;;) {
        (void)reap(in);
        if (in->has_ended)
            return true;
        if (in->wants_kill || !mono_before(mono_now(), end))
            return false;
        if (in->wants_end && !told) {
            (void)kill(-in->child, SIGTERM);
            (void)kill(-in->child, SIGCONT); /* a stopped process does not see TERM */
            told = true;
        }
        listen_once(in, 1000);
    }
}

static bool was_before(const struct inside *in, pid_t pid)
{
    for (size_t i = 0; i < in->n_before; i++)
        if (in->before[i] == pid)
            return true;
    return false;
}

static void note_processes(struct inside *in)
{
    in->before = arena_alloc(&in->arena, PROCESSES_MAX * sizeof(*in->before));
    in->n_before = proc_all(in->before, PROCESSES_MAX);
}

/* Is something of the script's still there? The hook's daemons are not, and nobody waits for them. */
static bool has_left(struct inside *in)
{
    static pid_t all[PROCESSES_MAX];
    size_t n = proc_all(all, PROCESSES_MAX);
    struct proc_info info;

    for (size_t i = 0; i < n; i++)
        if (!was_before(in, all[i]) && proc_get(all[i], &info) && info.state != 'Z')
            return true;
    return false;
}

/* The script has ended: what it left may say its last words, then everything ends. */
static void end_all(struct inside *in)
{
    struct mono end = mono_add_ms(mono_now(), LAST_WORDS_MS);

    while (!in->wants_kill && has_left(in) && mono_before(mono_now(), end)) {
        (void)reap(in);
        listen_once(in, 5);
    }
    end = mono_add_ms(mono_now(), KILL_GIVE_UP_MS);
    while (mono_before(mono_now(), end)) {
        (void)kill(-1, SIGKILL); /* of all in here: we are process 1 */
        if (!reap(in))
            return;
        (void)poll(&(struct pollfd){.fd = in->signal_fd, .events = POLLIN}, 1, 5);
    }
}

static bool start(struct inside *in, char **argv, bool is_script, const char **reterror)
{
    struct launch l = {.argv = argv,
                       .envp = inside_env(&in->arena, &in->order, environ, is_script),
                       .cwd = in->order.cwd,
                       .in = in->null_fd,
                       .out = in->out,
                       .results = is_script ? in->results : -1,
                       .as = in->user.uid != 0 || in->user.gid != 0 ? &in->as : NULL,
                       .oom_score_adj = in->order.is_limited ? oom_score_below(in) : NULL};
    const char *step = "";

    in->has_ended = false;
    in->begun = mono_now();
    in->child = launch_child(&l, &in->arena, &step);
    if (in->child < 0)
        *reterror = launch_error(&in->arena, &l, step, errno, "in this image");
    return in->child > 0;
}

/* The image's own preparation. What is wrong with it; NULL: nothing. */
static const char *run_hook(struct inside *in)
{
    char *argv[] = {arena_strdup(&in->arena, CONTAINER_HOOK), NULL};
    const char *error = NULL;

    if (!in->order.has_hook || access(CONTAINER_HOOK, F_OK) != 0)
        return NULL;
    if (!start(in, argv, false, &error))
        return arena_printf(&in->arena, "the image's hook: %s", error);
    if (!await(in, mono_add_ms(mono_now(), INSIDE_HOOK_LIMIT_MS)))
        return in->wants_kill ? CONTAINER_HOOK " of the image was given up"
                              : CONTAINER_HOOK " of the image took longer than 10 minutes";
    if (WIFSIGNALED(in->status))
        return arena_printf(&in->arena, "%s of the image: signal %d ended it", CONTAINER_HOOK,
                            WTERMSIG(in->status));
    if (WEXITSTATUS(in->status) != 0)
        return arena_printf(&in->arena, "%s of the image ended with exit status %d", CONTAINER_HOOK,
                            WEXITSTATUS(in->status));
    return NULL;
}

/* ---- the whole ---- */

static const char *become_ready(struct inside *in)
{
    const char *passwd = read_file(&in->arena, "/etc/passwd", FILE_BYTES_MAX);
    const char *group = read_file(&in->arena, "/etc/group", FILE_BYTES_MAX);
    char *why = arena_alloc(&in->arena, 256);
    struct stat st;

    if (!inside_user_find(in->order.user, passwd, group, &in->user, why, 256))
        return why;
    in->as = (struct launch_user){
        .uid = in->user.uid, .gid = in->user.gid, .groups = in->user.groups, .n_groups = in->user.n_groups};
    if (in->user.uid != 0 && !in->order.has_home) /* the engine set root's */
        (void)setenv("HOME", in->user.home, 1);
    if (stat(BOX_INSIDE, &st) != 0)
        return arena_printf(&in->arena, "%s: %s", BOX_INSIDE, strerror(errno));
    in->owner = st.st_uid;
    in->owner_group = st.st_gid;
    for (uint32_t i = 0; i < in->order.ways.n && in->user.uid != 0; i++)
        inside_open_way(in->order.ways.at[i]);
    return lend(in);
}

static void say_end(struct inside *in)
{
    const struct rusage *ru = &in->ru;
    int status = in->has_ended ? in->status : SIGKILL;
    struct mono ended = in->has_ended ? in->ended : mono_now();

    say(in, arena_printf(&in->arena, "exited %d %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRId64 "\n",
                         WIFSIGNALED(status), WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                         (uint64_t)ru->ru_utime.tv_sec * 1000000u + (uint64_t)ru->ru_utime.tv_usec,
                         (uint64_t)ru->ru_stime.tv_sec * 1000000u + (uint64_t)ru->ru_stime.tv_usec,
                         (uint64_t)ru->ru_maxrss, oom_digit(in), ended.us - in->begun.us));
}

static int script(struct inside *in)
{
    char **argv = arena_alloc(&in->arena, (in->order.argv.n + 1) * sizeof(*argv));
    const char *error = NULL;
    bool ok;

    for (uint32_t i = 0; i < in->order.argv.n; i++)
        argv[i] = (char *)(uintptr_t)in->order.argv.at[i];
    in->oom_before = in->order.is_limited ? oom_count(in) : 0;
    note_processes(in);
    ok = start(in, argv, true, &error);
    for (uint32_t i = 0; i < in->order.secrets.n; i++)
        mem_wipe((char *)(uintptr_t)in->order.secrets.at[i], strlen(in->order.secrets.at[i]));
    if (ok) {
        say(in, "began\n");
        (void)await(in, MONO_NEVER);
    }
    end_all(in);
    (void)close(in->out);
    if (in->results >= 0)
        (void)close(in->results);
    say(in, "gone\n");
    take_back(in);
    if (!ok)
        return failed(in, error);
    say_end(in);
    return 0;
}

int inside_main(void)
{
    struct inside in = {.conn = -1, .out = -1, .results = -1};
    const char *fault;

    arena_init(&in.arena);
    launch_init();
    signals_block(&in);
    in.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (getpid() != 1 || !connect_box(&in) ||
        !receive_order(&in)) /* whoever is not the first must not end all */
        return NO_AGENT;
    fault = become_ready(&in);
    if (fault == NULL)
        fault = run_hook(&in);
    if (fault != NULL) {
        end_all(&in);
        take_back(&in);
        return failed(&in, fault);
    }
    return script(&in);
}
