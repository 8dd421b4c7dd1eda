#include "agent/container_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cgroup.h"
#include "agent/container_order.h"

#define HELLO_MS 30000 /* for `inside` to come, once the engine says that it runs */
#define GONE_MS 10000  /* for everything in the container to be gone when it was told to */
#define BACK_MS 300000 /* and for what was lent to be given back */
#define ENDED_MS 10000 /* for the engine to notice */
#define LINE_BYTES 1400u
#define OOM_UNKNOWN 2 /* `inside` could not see it */

struct box {
    struct helper h;
    struct container_order order;
    struct answer answer;
    char folder[256]; /* box/INCARNATION-RUN */
    int listen_fd;
    int conn;
    int status_fd; /* -1: of a step */
    int out;
    int results;
    pid_t first;        /* the container's first process */
    char oom_file[600]; /* of its control group, where it has a memory limit; "": none that can be read */
    bool was_oom;       /* the limit had ended somebody when `inside` was gone */
    char line[LINE_BYTES];
    size_t line_len;
    bool is_made;
    bool is_cleared;
    bool has_begun;
    bool has_hung_up; /* `inside` was there and is gone */
    bool told_end;
    bool told_kill;
    struct mono patience; /* until then it may take what it was told to do; MONO_NEVER: it was told nothing */
    bool is_gone;
    bool has_settled; /* it said its last word itself */
    bool has_kept;    /* and could not give back what was lent */
    bool has_exited;
    int how;
    int code;
    int oom;
    uint64_t used[4]; /* microseconds of user and system, KiB, microseconds from its begin to its end */
    const char *failure;
};

/* ---- what it says ---- */

static void put_line(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t w = write(fd, text, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return; /* the agent is gone, and its signal comes */
        text += w;
        n -= (size_t)w;
    }
}

static void tell(struct box *b, const char *word, const char *text)
{
    if (b->status_fd >= 0)
        put_line(b->status_fd, arena_printf(&b->h.arena, "%s%s%s\n", word, text[0] != '\0' ? " " : "", text));
    else if (strcmp(word, "say") == 0 || strcmp(word, "failed") == 0)
        put_line(STDOUT_FILENO, arena_printf(&b->h.arena, "[wrata: %s]\n", text));
}

static void tell_exit(struct box *b)
{
    tell(b, "exited",
         arena_printf(&b->h.arena, "%d %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRIu64, b->how, b->code,
                      b->used[0], b->used[1], b->used[2], b->oom, b->used[3]));
}

static void fail(struct box *b, const char *text)
{
    if (b->failure == NULL)
        b->failure = text;
}

/* ---- the order ---- */

/* It is read once and overwritten: it may hold secrets. */
static bool read_order(struct box *b)
{
    struct stat st;
    size_t have = 0;
    char *bytes;

    if (fstat(STDIN_FILENO, &st) != 0 || st.st_size <= 0 || st.st_size > (off_t)ORDER_BYTES_MAX)
        return false;
    bytes = arena_alloc(&b->h.arena, (size_t)st.st_size + 1);
    while (have < (size_t)st.st_size) {
        ssize_t n = pread(STDIN_FILENO, bytes + have, (size_t)st.st_size - have, (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    if (ftruncate(STDIN_FILENO, 0) != 0)
        return false;
    (void)dup2(b->h.null_fd, STDIN_FILENO);
    return container_order_read(bytes, have, &b->h.arena, &b->order) == ERR_OK;
}

static void wipe_secrets(struct box *b)
{
    const struct order_list *secrets = &b->order.inside.secrets;

    for (uint32_t i = 0; i < secrets->n; i++)
        mem_wipe((char *)(uintptr_t)secrets->at[i], strlen(secrets->at[i]));
}

/* ---- its folder ---- */

static bool copy_self(const char *to)
{
    static char bytes[KIB(64)];
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    bool ok = from >= 0 && fd >= 0;
    ssize_t n = 0;

    while (ok && (n = read(from, bytes, sizeof(bytes))) > 0)
        ok = write(fd, bytes, (size_t)n) == n;
    ok = ok && n == 0 && fchmod(fd, 0755) == 0;
    if (from >= 0)
        (void)close(from);
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    return ok;
}

/* A folder with this program and a socket. Both may be reached by every user of the container; on the machine the folder
 * above is the agent's own. */
static bool make_folder(struct box *b)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char path[300];

    (void)mkdir(BOX_FOLDER, 0700);
    (void)snprintf(b->folder, sizeof(b->folder), "%s/%s", BOX_FOLDER,
                   container_box(b->order.spec.name, b->order.spec.mark));
    if (mkdir(b->folder, 0755) != 0 || chmod(b->folder, 0755) != 0)
        return false;
    (void)snprintf(path, sizeof(path), "%s/agent", b->folder);
    if (!copy_self(path))
        return false;
    (void)snprintf(path, sizeof(path), "%s/sock", b->folder);
    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    b->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return b->listen_fd >= 0 && bind(b->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
           chmod(path, 0666) == 0 && listen(b->listen_fd, 1) == 0;
}

void container_folder_remove(const char *folder)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/sock", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/agent", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

/* While a container's user may own files of ours, a note for each folder says who can give them back (container_tidy.c). Root
 * of the machine can do as it likes with what was given for good. */
static void note_path(const char *folder, char *ret, size_t size)
{
    const char *slash = strrchr(folder, '/');

    (void)snprintf(ret, size, "%s/%s", LENT_FOLDER, slash != NULL ? slash + 1 : folder);
}

static void write_notes(struct box *b, const struct order_list *folders)
{
    for (uint32_t i = 0; i < folders->n && b->order.has_notes; i++) {
        const char *text = arena_printf(&b->h.arena, "%s %s %s\n", engine_name(b->order.spec.engine),
                                        b->order.spec.image, folders->at[i]);
        char path[300];
        int fd;

        (void)mkdir(LENT_FOLDER, 0700);
        note_path(folders->at[i], path, sizeof(path));
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd >= 0)
            put_line(fd, text);
        if (fd >= 0)
            (void)close(fd);
    }
}

static void remove_notes(struct box *b)
{
    for (uint32_t i = 0; i < b->order.inside.lent.n && b->order.has_notes; i++) {
        char path[300];

        note_path(b->order.inside.lent.at[i], path, sizeof(path));
        (void)unlink(path);
    }
}

/* ---- talking to `inside` ---- */

static bool send_order(struct box *b)
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    int fds[2] = {b->out, b->results};
    size_t fds_bytes = b->results >= 0 ? sizeof(fds) : sizeof(fds[0]);
    struct buf order;
    uint32_t len;
    struct iovec iov = {.iov_base = &len, .iov_len = sizeof(len)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = (socklen_t)CMSG_SPACE(fds_bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    bool ok;

    buf_init(&order, ORDER_BYTES_MAX);
    inside_order_write(&b->order.inside, &order);
    len = (uint32_t)order.len;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = (socklen_t)CMSG_LEN(fds_bytes);
    memcpy(CMSG_DATA(c), fds, fds_bytes);
    ok = sendmsg(b->conn, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(len);
    for (size_t at = 0; ok && at < order.len;) {
        ssize_t n = send(b->conn, order.data + at, order.len - at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        ok = n > 0;
        at += ok ? (size_t)n : 0;
    }
    mem_wipe(order.data, order.cap);
    buf_done(&order);
    return ok;
}

/* An `inside` that was ended cannot say why. The control group can, until the engine removes it: so now. */
static void hang_up(struct box *b)
{
    uint64_t n = b->oom_file[0] != '\0' ? cgroup_oom_kills(b->oom_file) : 0;

    b->was_oom = n > 0 && n != UINT64_MAX;
    (void)close(b->conn);
    b->conn = -1;
    b->has_hung_up = true;
}

/* Nobody else may hold the ends of the run's pipes: their closing is the end of its output. */
static void let_pipes_go(struct box *b)
{
    if (b->status_fd < 0) /* what is wrong is still to be said */
        return;
    (void)dup2(b->h.null_fd, STDOUT_FILENO);
    (void)dup2(b->h.null_fd, STDERR_FILENO);
    if (b->results >= 0)
        (void)close(b->results);
    b->results = -1;
}

static void accept_inside(struct box *b)
{
    struct timeval limit = {.tv_sec = 10};
    struct ucred peer = {0};
    socklen_t n = sizeof(peer);

    b->conn = accept4(b->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (b->conn < 0)
        return;
    if (getsockopt(b->conn, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0)
        b->first = peer.pid;
    if (b->order.spec.memory_bytes == 0 || !cgroup_oom_file(b->first, b->oom_file, sizeof(b->oom_file)))
        b->oom_file[0] = '\0';
    (void)setsockopt(b->conn, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (!send_order(b)) {
        fail(b, "the container does not take its order");
        hang_up(b);
    }
    wipe_secrets(b);
    let_pipes_go(b);
}

static void take_line(struct box *b, const char *line)
{
    if (strcmp(line, "began") == 0) {
        b->has_begun = true;
        tell(b, "began", arena_printf(&b->h.arena, "%ld", (long)b->first));
    } else if (strcmp(line, "gone") == 0) {
        b->is_gone = true;
    } else if (strncmp(line, "failed ", 7) == 0) {
        b->has_settled = true;
        fail(b, arena_strdup(&b->h.arena, line + 7));
    } else if (strncmp(line, "kept ", 5) == 0) {
        b->has_kept = true;
        tell(b, "say", line + 5);
    } else if (sscanf(line, "exited %d %d %" SCNu64 " %" SCNu64 " %" SCNu64 " %d %" SCNu64, &b->how, &b->code,
                      &b->used[0], &b->used[1], &b->used[2], &b->oom, &b->used[3]) == 7) {
        b->has_settled = b->has_exited = true;
        if (b->oom != OOM_UNKNOWN)
            tell_exit(b);
    }
}

/* False: it is gone. */
static bool hear(struct box *b)
{
    char bytes[512];
    ssize_t n = recv(b->conn, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] != '\n') {
            if (b->line_len + 1 < sizeof(b->line))
                b->line[b->line_len++] = bytes[i];
            continue;
        }
        b->line[b->line_len] = '\0';
        b->line_len = 0;
        take_line(b, b->line);
    }
    return n > 0;
}

/* What we are told goes to it, what it says comes to us. */
static void talk(struct box *b)
{
    bool was_gone = b->is_gone;

    if (b->h.wants_end && !b->told_end && !b->told_kill)
        b->told_end = send(b->conn, "T", 1, MSG_NOSIGNAL) == 1;
    if (b->h.wants_kill && !b->told_kill) {
        b->told_kill = true;
        (void)send(b->conn, "K", 1, MSG_NOSIGNAL);
        b->patience = mono_add_ms(mono_now(), GONE_MS);
    }
    if (!hear(b))
        hang_up(b);
    else if (b->is_gone && !was_gone)
        b->patience = mono_add_ms(mono_now(), BACK_MS);
}

/* While the engine starts the container: `inside` may be at work, even done, before that has an answer. */
static bool on_round(void *ctx, int *watch)
{
    struct box *b = ctx;

    if (b->conn < 0 && !b->has_hung_up)
        accept_inside(b);
    if (b->conn >= 0)
        talk(b);
    *watch = b->conn >= 0 ? b->conn : b->has_hung_up ? -1 : b->listen_fd;
    return b->conn >= 0 || b->has_hung_up;
}

/* Until it is gone. */
static void converse(struct box *b)
{
    int none;

    while (b->conn >= 0 && mono_before(mono_now(), b->patience)) { /* later: the engine will end it */
        struct pollfd fds[2] = {{.fd = b->h.signal_fd, .events = POLLIN}, {.fd = b->conn, .events = POLLIN}};

        talk(b);
        if (b->conn < 0)
            return;
        (void)poll(fds, 2, b->patience.us != MONO_NEVER.us ? 1000 : -1);
        (void)helper_signals(&b->h, -1, &none);
    }
}

/* ---- the engine ---- */

const char *container_clear(struct helper *h, enum engine e, const char *name)
{
    struct answer *a = arena_alloc(&h->arena, sizeof(*a));
    struct call c = {.argv = container_remove_argv(&h->arena, e, name), .is_stubborn = true};

    if (call_engine(h, &c, a) || strstr(a->err, "o such container") != NULL ||
        strstr(a->err, "no container with") != NULL)
        return NULL;
    return call_error(h, &c, a);
}

static bool call(struct box *b, char **argv, bool is_stubborn)
{
    struct call c = {.argv = argv, .is_stubborn = is_stubborn};

    if (call_engine(&b->h, &c, &b->answer))
        return true;
    fail(b, call_error(&b->h, &c, &b->answer));
    return false;
}

static bool make_and_start(struct box *b)
{
    const struct container_spec *s = &b->order.spec;
    struct call c = {.argv = container_argv(&b->h.arena, s->engine, (const char *[]){"start", s->name, NULL}),
                     .on_round = on_round,
                     .ctx = b};
    struct mono end;
    int none;

    b->is_made = true; /* also when the answer does not come */
    if (!call(b, container_create_argv(&b->h.arena, s), false))
        return false;
    /* Podman without root on a v1 hierarchy only warns, and leaves the limits out. */
    if ((s->memory_bytes > 0 || s->pids > 0) && strstr(b->answer.err, "limits are not supported") != NULL) {
        fail(b, "this server has no control groups that could limit memory or processes of its containers");
        return false;
    }
    if (!call_engine(&b->h, &c, &b->answer) && !b->has_begun) {
        fail(b, call_error(&b->h, &c, &b->answer));
        return false;
    }
    end = mono_add_ms(mono_now(), HELLO_MS);
    while (b->conn < 0 && !b->has_hung_up && mono_before(mono_now(), end) && !b->h.wants_kill &&
           !b->h.wants_end) {
        struct pollfd fds[2] = {{.fd = b->listen_fd, .events = POLLIN},
                                {.fd = b->h.signal_fd, .events = POLLIN}};

        (void)poll(fds, 2, 1000);
        (void)helper_signals(&b->h, -1, &none);
        if (fds[0].revents != 0)
            accept_inside(b);
    }
    if (b->conn < 0 && !b->has_hung_up)
        fail(b, b->h.wants_kill || b->h.wants_end
                    ? "it was given up while its container was started"
                    : "the container does not reach its agent: it cannot connect to a "
                      "socket in a mounted folder (docs/containers.md)");
    return b->conn >= 0 || b->has_hung_up;
}

static bool ask_state(struct box *b, struct container_state *ret)
{
    struct call c = {.argv = container_state_argv(&b->h.arena, b->order.spec.engine, b->order.spec.name),
                     .is_stubborn = true};

    return call_engine(&b->h, &c, &b->answer) && container_state_parse(b->answer.out, ret);
}

/* It said nothing of its end: the engine knows how its first process ended. What we had to end is ended for sure before that
 * is told. */
static void ask_how_it_ended(struct box *b)
{
    const struct container_spec *s = &b->order.spec;
    struct call wait = {.argv = container_ended_argv(&b->h.arena, s->engine, s->name),
                        .limit_ms = ENDED_MS,
                        .is_stubborn = true};
    struct container_state state = {.is_running = true};

    if (!b->h.wants_kill) {
        (void)call_engine(&b->h, &wait, &b->answer);
        (void)ask_state(b, &state);
    }
    b->oom = s->memory_bytes > 0 && (state.oom || b->was_oom);
    if (!b->has_begun) {
        fail(b, state.is_running ? "its container does not answer"
                : b->oom         ? "the memory limit ended its container before the script began"
                         : arena_printf(&b->h.arena, "its container ended at once, with exit status %u%s%s",
                                        state.code, state.error[0] != '\0' ? ": " : "", state.error));
        return;
    }
    if (state.is_running)
        (void)container_clear(&b->h, s->engine, s->name);
    b->has_exited = true;
    b->how = state.is_running || state.code > 128;
    b->code = state.is_running ? SIGKILL : (int)(b->how ? state.code - 128 : state.code);
    if (!b->h.wants_kill && !b->oom)
        tell(b, "say",
             arena_printf(&b->h.arena, "the container was ended from outside%s%s",
                          state.error[0] != '\0' ? ": " : "", state.error));
    tell_exit(b);
}

static void finish(struct box *b)
{
    const char *why = NULL;

    if (b->conn >= 0)
        (void)close(b->conn);
    if (b->is_made)
        why = container_clear(&b->h, b->order.spec.engine, b->order.spec.name);
    if (b->folder[0] != '\0' && why == NULL)
        container_folder_remove(b->folder);
    if (why == NULL && !b->has_kept && (b->has_settled || (b->conn < 0 && !b->has_hung_up)))
        remove_notes(b);
    if (b->failure != NULL && !b->has_begun)
        tell(b, "failed", b->failure);
    b->is_cleared = why == NULL;
    if (why != NULL)
        tell(b, "say",
             arena_printf(&b->h.arena, "the container %s is not removed yet: %s", b->order.spec.name, why));
}

/* Of a run: is nothing left? Of a step: as its command ended. */
static int exit_status(const struct box *b)
{
    sigset_t none;

    if (b->status_fd >= 0)
        return b->is_cleared ? 0 : 1;
    if (b->failure != NULL || !b->has_exited)
        return CONTAINER_STEP_FAILED;
    if (b->how == 0)
        return b->code;
    (void)signal(b->code, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)raise(b->code);
    return 128 + b->code;
}

int container_run_main(int argc, char **argv)
{
    static struct box b = {
        .listen_fd = -1, .conn = -1, .out = STDOUT_FILENO, .results = -1, .patience = {INT64_MAX}};

    (void)argv;
    if (argc != 0 || !helper_init(&b.h) || prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || !read_order(&b)) {
        (void)fputs("wrata-agent: no order\n", stderr);
        return 2;
    }
    b.status_fd = b.order.is_step ? -1 : 4;
    b.results = b.order.inside.has_results ? 3 : -1;
    if (b.status_fd >= 0)
        (void)fcntl(b.status_fd, F_SETFD, FD_CLOEXEC);
    if (b.results >= 0)
        (void)fcntl(b.results, F_SETFD, FD_CLOEXEC);
    if (b.order.patience_ms > 0)
        b.h.patience_ms = b.order.patience_ms;
    if (!make_folder(&b)) {
        fail(&b,
             arena_printf(&b.h.arena, "the folder for its container cannot be made: %s", strerror(errno)));
    } else {
        write_notes(&b, &b.order.inside.lent);
        if (geteuid() != 0)
            write_notes(&b, &b.order.inside.given);
        if (make_and_start(&b))
            converse(&b);
        if (b.has_exited && b.oom == OOM_UNKNOWN) {
            struct container_state state;

            b.oom = ask_state(&b, &state) && state.oom;
            tell_exit(&b);
        } else if ((b.conn >= 0 || b.has_hung_up) && !b.has_exited && b.failure == NULL) {
            ask_how_it_ended(&b);
        }
    }
    finish(&b);
    return exit_status(&b);
}
