/* child.c - child processes on the loop; see child.h.
 *
 * The life of a child:
 *
 *   RUNNING --SIGCHLD--> ENDED --both streams at their end, or drain_ms over--> REPORTED --handles closed--> freed
 *
 * One timer serves all three waits in turn: the deadline, the grace between TERM and KILL, the drain.
 *
 * Before a killed child is reaped, its group gets KILL once more: while the leader is a zombie its number cannot
 * belong to anybody else, afterwards it can. */
#include "net/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"

#define READ_BYTES KIB(64)
#define KEPT_BYTES KIB(64)
#define GRACE_MS 2000
#define DRAIN_MS 2000
#define FREE_WAIT_MS 1000

extern char **environ;

enum child_state { CHILD_RUNNING, CHILD_ENDED, CHILD_REPORTED };

/* One of the streams that come out of a child. */
struct outlet {
    uv_pipe_t pipe;
    struct child *child;
    bool is_open; /* the handle lives and is not closing */
    bool is_paused;
    bool is_cut;
    struct buf kept;
    void (*on_bytes)(void *ctx, const char *bytes, size_t n);
};

struct child {
    struct children *all;
    struct child *prev;
    struct child *next;
    pid_t pid;
    enum child_state state;
    int status; /* of waitpid */
    bool is_killed;
    bool is_timed_out;
    bool is_held;
    bool close_in_when_written;
    bool in_is_open;
    unsigned handles; /* not yet closed */
    size_t unwritten;
    int64_t grace_ms;
    int64_t drain_ms;
    uv_timer_t timer;
    uv_pipe_t in;
    struct outlet outs[2];
    void (*on_wrote)(void *ctx, size_t n);
    void (*on_exit)(void *ctx, const struct child_exit *e);
    void *ctx;
};

struct children {
    uv_loop_t *loop;
    uv_signal_t sigchld;
    struct child *first;
    unsigned handles; /* of children, not yet closed */
    bool is_freed;
    bool signal_closed;
    char read_buf[READ_BYTES]; /* a read is delivered before the next begins */
};

struct write_req {
    uv_write_t req;
    struct child *child;
    char *bytes;
    size_t n;
};

/* ---- memory: a child goes when its last handle has closed ---- */

static void children_maybe_free(struct children *all)
{
    if (all->is_freed && all->signal_closed && all->handles == 0) {
        CHECK(all->first == NULL);
        free(all);
    }
}

static void child_unlink(struct child *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        c->all->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct child *c = h->data;
    struct children *all = c->all;

    c->handles--;
    all->handles--;
    if (c->handles > 0 || c->state != CHILD_REPORTED)
        return;
    child_unlink(c);
    for (unsigned i = 0; i < ARRAY_LEN(c->outs); i++)
        buf_done(&c->outs[i].kept);
    free(c);
    children_maybe_free(all);
}

static void handle_added(struct child *c, uv_handle_t *h)
{
    h->data = c;
    c->handles++;
    c->all->handles++;
}

static void in_close(struct child *c)
{
    if (c->in_is_open) {
        c->in_is_open = false;
        uv_close((uv_handle_t *)&c->in, on_handle_closed);
    }
}

static void outlet_close(struct outlet *o)
{
    if (o->is_open) {
        o->is_open = false;
        uv_close((uv_handle_t *)&o->pipe, on_handle_closed);
    }
}

/* The end of a child: whoever waits is told, then the handles close. */
static void child_report(struct child *c)
{
    struct child_exit e = {
        .exited = WIFEXITED(c->status),
        .exit_code = WIFEXITED(c->status) ? WEXITSTATUS(c->status) : 0,
        .signal = WIFSIGNALED(c->status) ? WTERMSIG(c->status) : 0,
        .timed_out = c->is_timed_out,
        .out = buf_slice(&c->outs[0].kept),
        .err = buf_slice(&c->outs[1].kept),
        .out_cut = c->outs[0].is_cut,
        .err_cut = c->outs[1].is_cut,
        .held = c->is_held,
    };

    CHECK(c->state == CHILD_ENDED);
    c->state = CHILD_REPORTED;
    in_close(c);
    outlet_close(&c->outs[0]);
    outlet_close(&c->outs[1]);
    if (c->on_exit != NULL)
        c->on_exit(c->ctx, &e);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

static void child_maybe_report(struct child *c)
{
    if (c->state == CHILD_ENDED && !c->outs[0].is_open && !c->outs[1].is_open)
        child_report(c);
}

/* ---- ends: deadlines, kills, reaping ---- */

static void on_timer(uv_timer_t *t)
{
    struct child *c = t->data;

    if (c->state == CHILD_ENDED) {
        for (unsigned i = 0; i < ARRAY_LEN(c->outs); i++) {
            if (c->outs[i].is_open && c->outs[i].is_paused) {
                /* Whoever paused it bounds the wait; look again later. */
                (void)uv_timer_start(t, on_timer, (uint64_t)c->drain_ms, 0);
                return;
            }
        }
        c->is_held = true;
        child_report(c);
        return;
    }
    if (c->state != CHILD_RUNNING)
        return;
    if (c->is_killed) {
        child_kill(c, SIGKILL);
        return;
    }
    c->is_timed_out = true;
    child_kill(c, SIGTERM);
    (void)uv_timer_start(t, on_timer, (uint64_t)c->grace_ms, 0);
}

void child_kill(struct child *c, int signal)
{
    if (c->state != CHILD_RUNNING)
        return;
    c->is_killed = true;
    (void)kill(-c->pid, signal); /* it may have ended this moment: SIGCHLD is on its way */
}

static bool child_reap(struct child *c)
{
    siginfo_t info = {0};
    pid_t pid;

    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
        return false;
    if (c->is_killed)
        (void)kill(-c->pid, SIGKILL);
    do {
        pid = waitpid(c->pid, &c->status, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    if (pid < 0)
        c->status = 0xff00; /* somebody else reaped it: all that is known is that it ended badly */
    c->state = CHILD_ENDED;
    return true;
}

static void on_sigchld(uv_signal_t *s, int signum)
{
    struct children *all = s->data;
    struct child *c;
    struct child *next;

    (void)signum;
    for (c = all->first; c != NULL; c = next) {
        next = c->next;
        if (c->state != CHILD_RUNNING || !child_reap(c))
            continue;
        (void)uv_timer_start(&c->timer, on_timer, (uint64_t)c->drain_ms, 0);
        child_maybe_report(c);
        if (all->is_freed)
            return;
    }
}

/* ---- streams ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct child *c = h->data;

    (void)suggested;
    *buf = uv_buf_init(c->all->read_buf, READ_BYTES);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct outlet *o = CONTAINER_OF(s, struct outlet, pipe);
    struct child *c = o->child;
    size_t room;

    if (n == 0)
        return;
    if (n < 0) {
        outlet_close(o);
        child_maybe_report(c);
        return;
    }
    if (o->on_bytes != NULL) {
        o->on_bytes(c->ctx, buf->base, (size_t)n);
        return;
    }
    room = o->kept.max - o->kept.len;
    if ((size_t)n > room) {
        o->is_cut = true;
        n = (ssize_t)room;
    }
    buf_put(&o->kept, buf->base, (size_t)n);
}

static void on_written(uv_write_t *req, int status)
{
    struct write_req *w = CONTAINER_OF(req, struct write_req, req);
    struct child *c = w->child;
    size_t n = w->n;

    c->unwritten -= n;
    free(w->bytes);
    free(w);
    if (status < 0) {
        in_close(c);
        return;
    }
    if (c->unwritten == 0 && c->close_in_when_written)
        in_close(c);
    if (c->on_wrote != NULL && c->state != CHILD_REPORTED)
        c->on_wrote(c->ctx, n);
}

void child_write(struct child *c, char *bytes, size_t n)
{
    struct write_req *w;
    uv_buf_t buf;

    if (!c->in_is_open || c->close_in_when_written || n == 0) {
        free(bytes);
        return;
    }
    CHECK(n < UINT32_MAX);
    w = xmalloc(sizeof(*w));
    *w = (struct write_req){.child = c, .bytes = bytes, .n = n};
    buf = uv_buf_init(bytes, (unsigned)n);
    c->unwritten += n;
    if (uv_write(&w->req, (uv_stream_t *)&c->in, &buf, 1, on_written) != 0) {
        c->unwritten -= n;
        free(bytes);
        free(w);
        in_close(c);
    }
}

size_t child_unwritten(const struct child *c)
{
    return c->unwritten;
}

void child_close_in(struct child *c)
{
    c->close_in_when_written = true;
    if (c->unwritten == 0)
        in_close(c);
}

void child_pause_out(struct child *c)
{
    struct outlet *o = &c->outs[0];

    if (o->is_open && !o->is_paused) {
        o->is_paused = true;
        (void)uv_read_stop((uv_stream_t *)&o->pipe);
    }
}

void child_resume_out(struct child *c)
{
    struct outlet *o = &c->outs[0];

    if (o->is_open && o->is_paused) {
        o->is_paused = false;
        (void)uv_read_start((uv_stream_t *)&o->pipe, on_alloc, on_read);
    }
}

pid_t child_pid(const struct child *c)
{
    return c->pid;
}

/* ---- starting ---- */

/* A pipe whose ends are no standard streams, even when we were started without some of them. */
static int pipe_above_stdio(int fds[2])
{
    int moved;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return errno;
    for (int i = 0; i < 2; i++) {
        if (fds[i] > STDERR_FILENO)
            continue;
        moved = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (moved < 0) {
            moved = errno;
            (void)close(fds[0]);
            (void)close(fds[1]);
            return moved;
        }
        (void)close(fds[i]);
        fds[i] = moved;
    }
    return 0;
}

struct plumbing {
    int theirs[3]; /* what the child gets as 0, 1, 2 */
    int ours[3];   /* the other ends; -1: none */
    bool is_pipe[3];
};

static void plumbing_close(struct plumbing *p)
{
    for (int i = 0; i < 3; i++) {
        if (!p->is_pipe[i])
            continue;
        (void)close(p->theirs[i]);
        if (p->ours[i] >= 0)
            (void)close(p->ours[i]);
    }
}

static int plumbing_make(struct plumbing *p, const struct child_opts *opts)
{
    const enum child_io kinds[3] = {opts->in, opts->out, opts->err};
    const int given[3] = {opts->in_fd, opts->out_fd, opts->err_fd};
    int fds[2];
    int rc;

    *p = (struct plumbing){{-1, -1, -1}, {-1, -1, -1}, {false, false, false}};
    for (int i = 0; i < 3; i++) {
        if (kinds[i] == CHILD_FD)
            p->theirs[i] = given[i];
        if (kinds[i] != CHILD_PIPE)
            continue;
        rc = pipe_above_stdio(fds);
        if (rc != 0) {
            plumbing_close(p);
            return rc;
        }
        p->is_pipe[i] = true;
        p->theirs[i] = i == 0 ? fds[0] : fds[1];
        p->ours[i] = i == 0 ? fds[1] : fds[0];
    }
    return 0;
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return n == strcspn(b, "=") && memcmp(a, b, n) == 0;
}

/* Our environment with the changes; the array alone is allocated. */
static OWNED char **environment(const char *const *changes)
{
    size_t ours = 0;
    size_t more = 0;
    size_t n = 0;
    char **env;

    while (environ[ours] != NULL)
        ours++;
    while (changes != NULL && changes[more] != NULL)
        more++;
    env = xmalloc((ours + more + 1) * sizeof(*env));
    for (size_t i = 0; i < ours; i++) {
        bool is_changed = false;

        for (size_t k = 0; k < more && !is_changed; k++)
            is_changed = same_name(environ[i], changes[k]);
        if (!is_changed)
            env[n++] = environ[i];
    }
    for (size_t k = 0; k < more; k++) {
        if (strchr(changes[k], '=') != NULL)
            env[n++] = (char *)(uintptr_t)changes[k];
    }
    env[n] = NULL;
    return env;
}

static int spawn(const struct child_opts *opts, const struct plumbing *p, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t set;
    char **env;
    int rc;

    rc = posix_spawnattr_init(&attr);
    if (rc != 0)
        return rc;
    rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0) {
        (void)posix_spawnattr_destroy(&attr);
        return rc;
    }
    (void)sigemptyset(&set);
    (void)posix_spawnattr_setsigmask(&attr, &set);
    (void)sigfillset(&set);
    (void)posix_spawnattr_setsigdefault(&attr, &set);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    rc = posix_spawnattr_setflags(&attr,
                                  (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                          (opts->new_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP)));
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = p->theirs[i] < 0 ? posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0)
                              : posix_spawn_file_actions_adddup2(&actions, p->theirs[i], i);
    /* Every descriptor of ours is close-on-exec; this is for those of libraries. */
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (rc == 0 && opts->cwd != NULL)
        rc = posix_spawn_file_actions_addchdir_np(&actions, opts->cwd);
    env = environment(opts->env);
    if (rc == 0)
        rc = posix_spawnp(ret, opts->argv[0], &actions, &attr, (char *const *)(uintptr_t)opts->argv, env);
    free(env);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    return rc;
}

static void outlet_open(struct child *c, int which, int fd, size_t max,
                        void (*on_bytes)(void *ctx, const char *bytes, size_t n))
{
    struct outlet *o = &c->outs[which];

    buf_init(&o->kept, max != 0 ? max : KEPT_BYTES);
    o->child = c;
    o->on_bytes = on_bytes;
    if (fd < 0)
        return;
    CHECK(uv_pipe_init(c->all->loop, &o->pipe, 0) == 0);
    handle_added(c, (uv_handle_t *)&o->pipe);
    o->is_open = true;
    CHECK(uv_pipe_open(&o->pipe, fd) == 0);
    CHECK(uv_read_start((uv_stream_t *)&o->pipe, on_alloc, on_read) == 0);
}

enum err child_start(struct children *all, const struct child_opts *opts, struct child **ret,
                     struct why *reterr)
{
    struct plumbing p;
    struct child *c;
    pid_t pid = 0;
    int rc;

    CHECK(!all->is_freed);
    rc = plumbing_make(&p, opts);
    if (rc != 0)
        return why_errno(reterr, ERR_IO, rc, "%s: no pipe for it", opts->argv[0]);
    rc = spawn(opts, &p, &pid);
    if (rc != 0) {
        plumbing_close(&p);
        return why_errno(reterr, ERR_IO, rc, "%s%s%s", opts->argv[0], opts->cwd != NULL ? " in " : "",
                         opts->cwd != NULL ? opts->cwd : "");
    }
    for (int i = 0; i < 3; i++) {
        if (p.is_pipe[i])
            (void)close(p.theirs[i]);
    }
    c = xcalloc(1, sizeof(*c));
    c->all = all;
    c->pid = pid;
    c->grace_ms = opts->grace_ms > 0 ? opts->grace_ms : GRACE_MS;
    c->drain_ms = opts->drain_ms > 0 ? opts->drain_ms : DRAIN_MS;
    c->on_wrote = opts->on_wrote;
    c->on_exit = opts->on_exit;
    c->ctx = opts->ctx;
    c->next = all->first;
    if (c->next != NULL)
        c->next->prev = c;
    all->first = c;
    CHECK(uv_timer_init(all->loop, &c->timer) == 0);
    handle_added(c, (uv_handle_t *)&c->timer);
    if (opts->deadline_ms > 0)
        (void)uv_timer_start(&c->timer, on_timer, (uint64_t)opts->deadline_ms, 0);
    if (p.ours[0] >= 0) {
        CHECK(uv_pipe_init(all->loop, &c->in, 0) == 0);
        handle_added(c, (uv_handle_t *)&c->in);
        c->in_is_open = true;
        CHECK(uv_pipe_open(&c->in, p.ours[0]) == 0);
    }
    outlet_open(c, 0, p.ours[1], opts->out_max, opts->on_out);
    outlet_open(c, 1, p.ours[2], opts->err_max, opts->on_err);
    *ret = c;
    return ERR_OK;
}

static void drop_bytes(void *ctx, const char *bytes, size_t n)
{
    (void)ctx;
    (void)bytes;
    (void)n;
}

void child_abandon(struct child **ref)
{
    struct child *c = *ref;

    *ref = NULL;
    if (c == NULL)
        return;
    c->on_exit = NULL;
    c->on_wrote = NULL;
    c->outs[0].on_bytes = drop_bytes;
    c->outs[1].on_bytes = drop_bytes;
    child_resume_out(c);
    in_close(c);
    if (c->state == CHILD_RUNNING) {
        child_kill(c, SIGTERM);
        (void)uv_timer_start(&c->timer, on_timer, (uint64_t)c->grace_ms, 0);
    }
}

const char *child_exit_text(const struct child_exit *e, char *out, size_t size)
{
    if (e->timed_out)
        (void)snprintf(out, size, "it took too long and was ended");
    else if (e->exited)
        (void)snprintf(out, size, "it ended with exit status %d", e->exit_code);
    else
        (void)snprintf(out, size, "signal %d (%s) ended it", e->signal, strsignal(e->signal));
    return out;
}

/* ---- the owner ---- */

struct children *children_new(struct uv_loop_s *loop)
{
    struct children *all = xcalloc(1, sizeof(*all));

    (void)signal(SIGPIPE, SIG_IGN);
    all->loop = loop;
    CHECK(uv_signal_init(loop, &all->sigchld) == 0);
    all->sigchld.data = all;
    CHECK(uv_signal_start(&all->sigchld, on_sigchld, SIGCHLD) == 0);
    uv_unref((uv_handle_t *)&all->sigchld); /* the children's own handles keep the loop going */
    return all;
}

static void on_signal_closed(uv_handle_t *h)
{
    struct children *all = h->data;

    all->signal_closed = true;
    children_maybe_free(all);
}

void children_free(struct children *all)
{
    const struct timespec nap = {0, 1000000};
    struct child *c;
    int waited_ms = 0;

    if (all == NULL)
        return;
    for (c = all->first; c != NULL; c = c->next)
        child_kill(c, SIGKILL);
    for (c = all->first; c != NULL; c = c->next) {
        while (c->state == CHILD_RUNNING && !child_reap(c) && waited_ms < FREE_WAIT_MS) {
            (void)nanosleep(&nap, NULL);
            waited_ms++;
        }
        if (c->state == CHILD_REPORTED)
            continue;
        c->on_exit = NULL;
        c->on_wrote = NULL;
        c->state = CHILD_ENDED;
        child_report(c);
    }
    all->is_freed = true;
    uv_close((uv_handle_t *)&all->sigchld, on_signal_closed);
}
