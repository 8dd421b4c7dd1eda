/* warm.c - see warm.h. The process of a slot:
 *
 *     COLD --take--> BOOTING --ready--> READY --take--> FORKING --child--> READY ...
 *
 * and from anywhere back to COLD. A run waits for it in BOOTING and in FORKING, one at a time: a slot has one run. What the
 * two say to each other stands in wrata_warm.rb. */
#include "agent/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_core.h"
#include "agent/launch.h"
#include "agent/procs.h"
#include "agent/warm_plan.h"
#include "base/log.h"

#define PACKET_BYTES 512
#define PIPE_BYTES 65536 /* as pipes are; a request that needs more asks for more */
#define WORTH_FORKS 2u   /* a process that served fewer cost more than it gave */
#define WHY_BYTES 1000u

enum state { COLD, BOOTING, READY, FORKING };

/* A run that waits. */
struct waiting {
    uint64_t run;       /* 0: none does */
    struct buf message; /* its words and environment, secrets as well */
    int request[2];
    int log; /* of the caller, as long as the run waits */
    int results;
};

struct warm_slot {
    enum state state;
    pid_t pid;
    int control;
    int out; /* BOOTING: what it says; -1 later */
    struct buf said;
    bool is_loud; /* that is not all of it */
    char *key;
    size_t key_len;
    char *preload; /* "": none */
    char *mark;
    struct waiting waiting;
    struct mono began;
    struct mono deadline; /* BOOTING, FORKING, and READY while its slot is empty */
    uint32_t forks;
    uint64_t ready_kib;
    struct cgroup_slot *group;
    /* What is remembered of former ones. */
    char *failed_key; /* no use in trying again */
    size_t failed_len;
    char *last_key; /* of the slot's last run */
    size_t last_len;
    bool was_wasted; /* the last one was not worth it: the next needs two runs of one kind in a row */
};

struct warm {
    struct warm_opts opts;
    char *script;
    char *mark;
    int null_fd;
    uint32_t slots_used;
    struct warm_slot *slots[AGENT_SLOTS_MAX];
    struct arena arena;
};

struct warm *warm_new(const struct warm_opts *opts)
{
    struct warm *w = xcalloc(1, sizeof(*w));

    w->opts = *opts;
    w->script = opts->script != NULL ? xstrdup(opts->script) : NULL;
    w->mark = xstrdup(opts->mark);
    w->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    arena_init(&w->arena);
    return w;
}

static struct warm_slot *slot_of(struct warm *w, uint32_t slot)
{
    struct warm_slot *s = w->slots[slot];

    if (s != NULL)
        return s;
    s = w->slots[slot] = xcalloc(1, sizeof(*s));
    s->control = s->out = s->waiting.request[0] = s->waiting.request[1] = -1;
    s->deadline = MONO_NEVER;
    buf_init(&s->said, WARM_SAID_MAX);
    s->group = cgroup_warm_open(w->opts.cgroup, slot);
    if (w->slots_used <= slot)
        w->slots_used = slot + 1;
    return s;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void set_key(char **key, size_t *len, const char *from, size_t n)
{
    free(*key);
    *key = from != NULL ? xstrndup(from, n) : NULL;
    *len = n;
}

static bool is_key(const char *key, size_t len, struct slice other)
{
    return key != NULL && len == other.len && memcmp(key, other.ptr, len) == 0;
}

static void waiting_done(struct waiting *wt)
{
    close_fd(&wt->request[0]);
    close_fd(&wt->request[1]);
    if (wt->message.data != NULL)
        mem_wipe(wt->message.data, wt->message.cap);
    buf_done(&wt->message);
    wt->run = 0;
}

/* The process goes, and with it a child that has not begun. */
static void end(struct warm_slot *s, const char *why)
{
    if (s->state == COLD)
        return;
    LOG_INFO("warm.end", "pid=%d forks=%u why=\"%s\"", (int)s->pid, s->forks, why);
    (void)kill(-s->pid, SIGKILL);
    if (s->group != NULL)
        cgroup_kill(s->group);
    close_fd(&s->control);
    close_fd(&s->out);
    s->was_wasted = s->forks < WORTH_FORKS;
    s->state = COLD;
    s->pid = 0;
    s->deadline = MONO_NEVER;
}

void warm_free(struct warm *w)
{
    if (w == NULL)
        return;
    for (uint32_t i = 0; i < w->slots_used; i++) {
        struct warm_slot *s = w->slots[i];

        if (s == NULL)
            continue;
        end(s, "the agent ends");
        waiting_done(&s->waiting);
        cgroup_slot_close(s->group);
        buf_done(&s->said);
        free(s->key);
        free(s->preload);
        free(s->mark);
        free(s->failed_key);
        free(s->last_key);
        free(s);
    }
    if (w->null_fd >= 0)
        (void)close(w->null_fd);
    arena_done(&w->arena);
    free(w->mark);
    free(w->script);
    free(w);
}

/* The run that waits is started as if there were no such process. */
static void go_plain(struct warm *w, struct warm_slot *s, const char *why)
{
    uint64_t run = s->waiting.run;

    waiting_done(&s->waiting);
    if (run != 0)
        w->opts.plain(w->opts.ctx, run, why);
}

/* ---- the boot ---- */

static void take_said(struct warm_slot *s)
{
    char text[4096];
    ssize_t n;

    while (s->out >= 0) {
        n = read(s->out, text, sizeof(text));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        s->is_loud = s->is_loud || (n > 0 && buf_add(&s->said, text, (size_t)n) != ERR_OK);
        if (n <= 0 || s->is_loud)
            close_fd(&s->out);
    }
}

/* Its last lines, in one. */
static char *last_words(struct warm *w, const struct warm_slot *s)
{
    size_t n = s->said.len < WHY_BYTES / 2 ? s->said.len : WHY_BYTES / 2;
    char *text = arena_strndup(&w->arena, buf_str(&s->said) + s->said.len - n, n);

    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    while (n > 0 && text[n - 1] == ' ')
        text[--n] = '\0';
    return text;
}

/* It cannot be had for runs like this one. Who asked for it is told; who did not has lost nothing. */
static void boot_failed(struct warm *w, struct warm_slot *s, const char *how)
{
    const char *words;
    char *why = NULL;

    arena_reset(&w->arena);
    take_said(s);
    words = last_words(w, s);
    LOG_WARN("warm.failed", "pid=%d how=\"%s\" last=\"%s\"", (int)s->pid, how, words);
    if (s->preload[0] != '\0')
        why =
            arena_printf(&w->arena, "[wrata: %.200s is not preloaded, each file starts by itself: %s%s%s]\n",
                         s->preload, how, words[0] != '\0' ? ": " : "", words);
    set_key(&s->failed_key, &s->failed_len, s->key, s->key_len);
    end(s, how);
    s->was_wasted = false;
    go_plain(w, s, why);
}

static bool boot(struct warm *w, struct mono now, struct warm_slot *s, const struct warm_plan *p,
                 const struct warm_run *r)
{
    struct launch l = {.argv = p->argv, .envp = p->envp, .cwd = r->cwd, .in = w->null_fd};
    const char *step = "";
    int out[2] = {-1, -1};
    int control[2] = {-1, -1};
    int joins[3];

    if (pipe2(out, O_CLOEXEC) != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) {
        close_fd(&out[0]);
        close_fd(&out[1]);
        return false;
    }
    l.out = out[1];
    l.results = control[1];
    l.joins = joins;
    l.n_joins = cgroup_join_fds(s->group, joins);
    s->pid = launch_child(&l, &w->arena, &step);
    (void)close(out[1]);
    (void)close(control[1]);
    if (s->pid < 0) { /* the plain way says why */
        s->pid = 0;
        (void)close(out[0]);
        (void)close(control[0]);
        return false;
    }
    (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(control[0], F_SETFL, O_NONBLOCK);
    s->out = out[0];
    s->control = control[0];
    s->state = BOOTING;
    s->began = now;
    s->deadline = mono_add_ms(now, p->preload.len > 0 ? WARM_PRELOAD_MS : WARM_BOOT_MS);
    s->forks = 0;
    buf_clear(&s->said);
    s->is_loud = false;
    free(s->preload);
    s->preload = xstrndup(p->preload.ptr, p->preload.len);
    set_key(&s->key, &s->key_len, p->key.ptr, p->key.len);
    return true;
}

/* ---- a run ---- */

static uint64_t rss_kib(pid_t pid)
{
    char path[40];
    char text[128] = "";
    unsigned long pages = 0;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "%*u %lu", &pages) != 1)
            pages = 0;
        (void)close(fd);
    }
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024u;
}

/* What keeps the process from serving this run; NULL: nothing. */
static const char *unfit(const struct warm_slot *s, struct mono now, struct slice key)
{
    if (!is_key(s->key, s->key_len, key))
        return "other code, command or environment";
    if (s->state != READY)
        return NULL;
    if (mono_ms_between(s->began, now) > WARM_AGE_MS)
        return "age";
    if (rss_kib(s->pid) > s->ready_kib * 2 + WARM_GROWTH_KIB)
        return "growth";
    return NULL;
}

static void put_list(struct buf *b, char *const *list)
{
    uint32_t n = 0;

    while (list[n] != NULL)
        n++;
    buf_printf(b, "%u", n);
    buf_putc(b, '\0');
    for (; *list != NULL; list++)
        buf_put(b, *list, strlen(*list) + 1);
}

static size_t list_bytes(char *const *list)
{
    size_t n = 16;

    for (; *list != NULL; list++)
        n += strlen(*list) + 1;
    return n;
}

/* Its words and environment are written in one piece, when it is its turn. */
static bool wait_begin(struct waiting *wt, const struct warm_run *r, uint32_t n_words)
{
    size_t n = list_bytes(r->argv) + list_bytes(r->envp);

    if (pipe2(wt->request, O_CLOEXEC) != 0)
        return false;
    if (n > PIPE_BYTES && fcntl(wt->request[1], F_SETPIPE_SZ, (int)n) < (int)n) {
        close_fd(&wt->request[0]);
        close_fd(&wt->request[1]);
        return false;
    }
    (void)fcntl(wt->request[1], F_SETFL, O_NONBLOCK);
    buf_init(&wt->message, n);
    CHECK(buf_reserve(&wt->message, n) != NULL); /* moved later, it would leave secrets behind */
    put_list(&wt->message, r->argv + n_words);
    put_list(&wt->message, r->envp);
    buf_puts(&wt->message, "end");
    buf_putc(&wt->message, '\0');
    wt->log = r->log;
    wt->results = r->results;
    wt->run = r->run;
    return true;
}

static uint64_t inode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static void fork_now(struct warm *w, struct mono now, struct warm_slot *s)
{
    const struct waiting *wt = &s->waiting;
    char text[PACKET_BYTES];
    int n = snprintf(text, sizeof(text), "fork %d %d:%" PRIu64 " %d:%" PRIu64 " %d:%" PRIu64, (int)getpid(),
                     wt->log, inode_of(wt->log), wt->results, inode_of(wt->results), wt->request[0],
                     inode_of(wt->request[0]));

    s->state = FORKING;
    s->deadline = mono_add_ms(now, WARM_FORK_MS);
    if (send(s->control, text, (size_t)n, MSG_NOSIGNAL) != n) {
        end(s, "it is gone");
        go_plain(w, s, NULL);
    }
}

bool warm_take(struct warm *w, struct mono now, const struct warm_run *r)
{
    struct warm_slot *s;
    struct warm_plan p;
    const char *why;
    char mark[128];
    bool is_again;

    arena_reset(&w->arena);
    (void)snprintf(mark, sizeof(mark), "WRATA_AGENT_RUN=%.60s/%" PRIx64 "/warm-%u/", w->mark,
                   w->opts.incarnation, r->slot);
    if (w->script == NULL || !warm_plan(r, w->script, mark, &w->arena, &p))
        return false;
    s = slot_of(w, r->slot);
    CHECK(s->waiting.run == 0);
    is_again = is_key(s->last_key, s->last_len, p.key);
    set_key(&s->last_key, &s->last_len, p.key.ptr, p.key.len);
    if (is_key(s->failed_key, s->failed_len, p.key))
        return false;
    why = s->state == COLD ? NULL : unfit(s, now, p.key);
    if (why != NULL)
        end(s, why);
    if (s->mark == NULL)
        s->mark = xstrdup(mark);
    if (s->state == COLD && ((s->was_wasted && !is_again) || !boot(w, now, s, &p, r)))
        return false;
    if (!wait_begin(&s->waiting, r, p.n_words))
        return false;
    if (s->state == READY)
        fork_now(w, now, s);
    return true;
}

void warm_leave(struct warm *w, struct mono now, uint32_t slot)
{
    struct warm_slot *s = w->slots[slot];

    if (s == NULL)
        return;
    waiting_done(&s->waiting);
    if (s->state == FORKING)
        end(s, "its run was given up");
    else if (s->state == READY)
        s->deadline = mono_add_ms(now, WARM_IDLE_MS);
}

/* ---- what it says ---- */

static void on_ready(struct warm *w, struct mono now, struct warm_slot *s)
{
    take_said(s);
    if (s->is_loud) {
        boot_failed(w, s, "it writes too much before it runs anything");
        return;
    }
    close_fd(&s->out);
    s->state = READY;
    s->ready_kib = rss_kib(s->pid);
    s->deadline = mono_add_ms(now, WARM_IDLE_MS);
    LOG_INFO("warm.up", "pid=%d ms=%" PRId64 " kib=%" PRIu64 " preload=\"%s\"", (int)s->pid,
             mono_ms_between(s->began, now), s->ready_kib, s->preload);
    if (s->waiting.run != 0)
        fork_now(w, now, s);
}

/* Everything that can go wrong did not: it is a process of ours, and waits for its words. */
static void on_child(struct warm *w, struct warm_slot *s, pid_t pid)
{
    struct waiting *wt = &s->waiting;
    struct proc_info info;

    if (s->state != FORKING || !proc_get(pid, &info) || info.ppid != getpid() || info.session != pid) {
        end(s, "its child is none");
        go_plain(w, s, NULL);
        return;
    }
    s->state = READY;
    s->deadline = MONO_NEVER;
    s->forks++;
    w->opts.child(w->opts.ctx, wt->run, pid, buf_slice(&s->said));
    if (write(wt->request[1], wt->message.data, wt->message.len) != (ssize_t)wt->message.len)
        (void)kill(-pid, SIGKILL); /* the pipe has room for it, so it is dead already */
    waiting_done(wt);
}

static void on_packet(struct warm *w, struct mono now, struct warm_slot *s, const char *text)
{
    if (strcmp(text, "ready") == 0 && s->state == BOOTING) {
        on_ready(w, now, s);
    } else if (strncmp(text, "child ", 6) == 0) {
        on_child(w, s, (pid_t)strtol(text + 6, NULL, 10));
    } else if (strncmp(text, "stale ", 6) == 0 && s->state == FORKING) {
        end(s, text);
        if (s->was_wasted) /* runs that change what it is made of: it would be so again and again */
            set_key(&s->failed_key, &s->failed_len, s->key, s->key_len);
        go_plain(w, s, NULL);
    } else {
        boot_failed(w, s, text);
    }
}

static void control_read(struct warm *w, struct mono now, struct warm_slot *s)
{
    while (s->control >= 0) {
        char text[PACKET_BYTES + 1];
        ssize_t n = recv(s->control, text, PACKET_BYTES, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n > 0) {
            text[n] = '\0';
            on_packet(w, now, s, text);
        } else if (s->state == BOOTING) {
            boot_failed(w, s, "it ended while it started");
        } else {
            end(s, "it is gone");
            go_plain(w, s, NULL);
        }
    }
}

/* ---- the loop's side ---- */

bool warm_is_known_pid(const struct warm *w, pid_t pid)
{
    for (uint32_t i = 0; i < w->slots_used; i++)
        if (w->slots[i] != NULL && w->slots[i]->pid == pid)
            return true;
    return false;
}

const char *warm_mark(const struct warm *w, uint32_t slot)
{
    return w->slots[slot] != NULL ? w->slots[slot]->mark : NULL;
}

bool warm_reaped(struct warm *w, struct mono now, pid_t pid)
{
    for (uint32_t i = 0; i < w->slots_used; i++) {
        struct warm_slot *s = w->slots[i];

        if (s == NULL || s->pid != pid)
            continue;
        control_read(w, now, s); /* its last word, and that there is no more */
        if (s->pid == pid) {
            end(s, "it is gone");
            go_plain(w, s, NULL);
        }
        return true;
    }
    return false;
}

size_t warm_poll_add(struct warm *w, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    for (uint32_t i = 0; i < w->slots_used && n + 2 <= max; i++) {
        const struct warm_slot *s = w->slots[i];

        if (s == NULL || (s->state != BOOTING && s->state != FORKING))
            continue; /* READY: it says nothing, and its end is reaped */
        fds[n++] = (struct pollfd){.fd = s->control, .events = POLLIN};
        if (s->out >= 0)
            fds[n++] = (struct pollfd){.fd = s->out, .events = POLLIN};
    }
    return n;
}

void warm_poll_done(struct warm *w, struct mono now, const struct pollfd *fds, size_t n)
{
    for (uint32_t i = 0; i < w->slots_used; i++) {
        struct warm_slot *s = w->slots[i];

        for (size_t k = 0; k < n && s != NULL && s->state != COLD; k++) {
            if (fds[k].revents == 0)
                continue;
            if (fds[k].fd == s->out)
                take_said(s);
            else if (fds[k].fd == s->control)
                control_read(w, now, s);
        }
    }
}

struct mono warm_deadline(const struct warm *w)
{
    struct mono t = MONO_NEVER;

    for (uint32_t i = 0; i < w->slots_used; i++)
        if (w->slots[i] != NULL)
            t = mono_min(t, w->slots[i]->deadline);
    return t;
}

void warm_tick(struct warm *w, struct mono now)
{
    for (uint32_t i = 0; i < w->slots_used; i++) {
        struct warm_slot *s = w->slots[i];

        if (s == NULL || mono_before(now, s->deadline))
            continue;
        if (s->state == BOOTING) {
            boot_failed(w, s, "it takes too long");
        } else {
            end(s, s->state == READY ? "nobody needs it" : "no child came");
            go_plain(w, s, NULL);
        }
    }
}
