/* serve.c - the agent's loop: one thread, ppoll, and a turn that does things in the right order.
 *
 *     1. children that ended (a slot's next run starts here)
 *     2. what can be read: the link, local clients, pipes of runs
 *     3. timers
 *     4. the pump: streams and the beat, as far as the link takes them
 *     5. the journal: one write; then FINISHED of the runs that ended
 *     6. one write to the link
 *
 * Who makes a result durable? While there is a link, the controller: its commit follows at once, and until then
 * nobody was told anything, so a power cut here only means that the run is made again. A sync of the journal would
 * keep slots empty for milliseconds after each short script. Alone, the agent: what it holds must survive by
 * itself until somebody comes for it, so a run's end is synced before the turn is over, and everything at the latest
 * with the next tidy.
 *
 * Signals are blocked except while ppoll sleeps: nothing can be missed. It does not let them through when a descriptor is
 * ready already: then they are asked for. */
#include "agent/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent_core.h"
#include "agent/crc32.h"
#include "agent/exec.h"
#include "agent/launch.h"
#include "agent/prepare.h"
#include "agent/procs.h"
#include "agent/ready.h"
#include "agent/setup.h"
#include "agent/sha256.h"
#include "agent/signals.h"
#include "agent/spool.h"
#include "base/log.h"

#define CONNS_MAX 80
#define POLL_MAX 1024
#define READ_BYTES KIB(64)
#define READS_PER_TURN 16 /* of one connection: the others want their turn as well */
#define LINK_IN_MAX (FRAME_BODY_MAX + KIB(128))
#define LINK_OUT_MAX MIB(32)     /* frames that must go: bounded by runs held; streams stop far below */
#define LINK_OUT_WANTED KIB(512) /* streams are sent while less than this waits */
#define CHAN_OUT_MAX MIB(65)     /* the core allows a window */
#define HELLO_TIMEOUT_MS 5000
#define STALL_TIMEOUT_MS 120000 /* a link that takes nothing for so long is dropped */
/* While runs wait for slots here, nothing that is told is urgent: what happens meanwhile goes in one piece, and costs both
 * sides one wake-up instead of one for each short script. */
#define LINK_GATHER_MS 4
#define LINK_GATHER_BYTES KIB(64)
#define TIDY_MS 1000
#define LOG_FILE_MAX_BYTES MIB(1)

enum conn_kind { CONN_NEW, CONN_LINK, CONN_CHAN };

struct conn {
    int fd;
    enum conn_kind kind;
    uint32_t local;    /* number of a channel's client */
    uint64_t may_read; /* a channel's client: bytes the core takes */
    bool got_eof;
    bool close_when_sent;
    bool send_eof;        /* shut our side down once out is empty */
    struct mono deadline; /* NEW: of its first line; LINK: of the next byte it takes */
    struct buf in;
    struct buf out;
};

/* An event that waits for the present actions to be done, with what it points to. */
struct posted {
    struct posted *next;
    struct mono now;
    struct agent_event ev;
    struct agent_exit exit;
    struct frame_chan_open chan;
    char *text;
    char *text2;
};

struct serve {
    struct agent *agent;
    struct agent_out out;
    struct spool *spool;
    struct exec *exec;
    struct prepare *prepare;
    struct ready *ready;
    struct cgroup *cgroup;
    int listen_fd;
    struct conn *conns[CONNS_MAX];
    uint32_t n_conns;
    uint32_t next_local;
    struct conn *link;
    struct posted *first;
    struct posted *last;
    struct posted *spare;
    struct arena frames; /* lists of frames being read or sent */
    struct buf scratch;
    struct mono next_tidy;
    struct mono gather_until;
    uint64_t told_seq; /* the core knows that records up to this one are safe */
    uint64_t disk_free;
    uint32_t load_percent;
    uint32_t actions_seen; /* in this turn: pump only when there was any */
    bool was_low;
    bool is_done;
    char read_buf[READ_BYTES];
};

/* ---- events ---- */

static void post(void *ctx, struct mono now, const struct agent_event *ev)
{
    struct serve *s = ctx;
    struct posted *p = s->spare != NULL ? s->spare : xmalloc(sizeof(*p));

    s->spare = NULL;
    *p = (struct posted){.now = now, .ev = *ev};
    if (ev->text.len > 0) {
        p->text = xstrndup(ev->text.ptr, ev->text.len);
        p->ev.text.ptr = p->text;
    }
    if (ev->exit != NULL) {
        p->exit = *ev->exit;
        p->ev.exit = &p->exit;
        p->text2 = xstrndup(p->exit.text.ptr, p->exit.text.len);
        p->exit.text.ptr = p->text2;
    }
    if (s->last != NULL)
        s->last->next = p;
    else
        s->first = p;
    s->last = p;
}

static bool is_known_pid(void *ctx, pid_t pid)
{
    const struct serve *s = ctx;

    return prepare_is_known_pid(s->prepare, pid) || ready_is_known_pid(s->ready, pid);
}

/* What `prepare` asks for comes behind the code. */
static void on_code(void *ctx, struct mono now, const struct agent_event *ev)
{
    struct serve *s = ctx;

    if (ev->text.len > 0 || !ready_start(s->ready, now, ev->slot))
        post(s, now, ev);
}

/* A run that has not begun gets lines in its log: what is done for it. */
static void on_say(void *ctx, struct mono now, uint64_t run, struct slice bytes)
{
    struct serve *s = ctx;
    enum held_state state;

    if (!agent_run_state(s->agent, run, &state) || state != HELD_PREPARING || /* gone: nobody will ask */
        spool_stream(s->spool, run, STREAM_LOG, bytes.ptr, bytes.len) != ERR_OK)
        return; /* or the disk is full; the run ends for that reason when it starts */
    post(s, now,
         &(struct agent_event){.kind = AG_EV_GREW,
                               .run = run,
                               .stream = STREAM_LOG,
                               .len = spool_len(s->spool, run, STREAM_LOG)});
}

static void act(struct serve *s, struct mono now, const struct agent_action *a);

static void step_one(struct serve *s, struct mono now, const struct agent_event *ev)
{
    agent_out_clear(&s->out);
    agent_step(s->agent, now, ev, &s->out);
    s->actions_seen += s->out.count;
    for (uint32_t i = 0; i < s->out.count; i++)
        act(s, now, &s->out.actions[i]);
}

/* Step with an event, and with all that its actions cause. */
static void step(struct serve *s, struct mono now, const struct agent_event *ev)
{
    if (ev != NULL)
        step_one(s, now, ev);
    while (s->first != NULL) {
        struct posted *p = s->first;

        s->first = p->next;
        if (s->first == NULL)
            s->last = NULL;
        step_one(s, p->now, &p->ev);
        free(p->text);
        free(p->text2);
        free(s->spare);
        s->spare = p;
    }
}

/* ---- connections ---- */

static void conn_close(struct serve *s, struct conn *c)
{
    for (uint32_t i = 0; i < s->n_conns; i++)
        if (s->conns[i] == c) {
            s->conns[i] = s->conns[--s->n_conns];
            break;
        }
    if (s->link == c)
        s->link = NULL;
    (void)close(c->fd);
    buf_done(&c->in);
    buf_done(&c->out);
    free(c);
}

/* A connection ended from outside: tell the core. */
static void conn_lost(struct serve *s, struct mono now, struct conn *c)
{
    enum conn_kind kind = c->kind;
    uint32_t local = c->local;
    bool was_link = c == s->link;

    conn_close(s, c);
    if (kind == CONN_LINK && was_link) {
        LOG_INFO("link.down", "runs=%u", agent_run_count(s->agent));
        step(s, now, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    } else if (kind == CONN_CHAN) {
        step(s, now, &(struct agent_event){.kind = AG_EV_CHAN_GONE, .local = local});
    }
}

static struct conn *conn_by_local(const struct serve *s, uint32_t local)
{
    for (uint32_t i = 0; i < s->n_conns; i++)
        if (s->conns[i]->kind == CONN_CHAN && s->conns[i]->local == local)
            return s->conns[i];
    return NULL;
}

static void conn_accept(struct serve *s, struct mono now)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct conn *c;

    if (fd < 0)
        return;
    if (s->n_conns == CONNS_MAX) {
        (void)close(fd);
        return;
    }
    c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    c->deadline = mono_add_ms(now, HELLO_TIMEOUT_MS);
    buf_init(&c->in, LINK_IN_MAX);
    buf_init(&c->out, CHAN_OUT_MAX);
    s->conns[s->n_conns++] = c;
}

/* Write what waits. False: the connection is broken. */
static bool conn_write(struct serve *s, struct mono now, struct conn *c)
{
    size_t done = 0;

    while (done < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + done, c->out.len - done, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    if (done == 0)
        return true;
    if (c->kind == CONN_LINK) {
        c->deadline = mono_add_ms(now, STALL_TIMEOUT_MS);
        s->gather_until = mono_add_ms(now, LINK_GATHER_MS);
    }
    if (done == c->out.len && c->out.cap > KIB(64))
        buf_done(&c->out); /* an idle agent is a small one */
    else
        buf_consume(&c->out, done);
    if (c->kind == CONN_CHAN)
        post(s, now, &(struct agent_event){.kind = AG_EV_CHAN_TAKEN, .local = c->local, .len = done});
    return true;
}

/* ---- doing what the core says ---- */

static void send_frame(struct serve *s, struct mono now, const struct agent_action *a)
{
    struct frame f = a->frame;

    if (s->link == NULL)
        return;
    if (f.type == FRAME_HELLO) {
        f.hello.wall_ms = (uint64_t)wall_now().ms;
        f.hello.disk_free_bytes = s->disk_free;
    } else if (f.type == FRAME_BEAT) {
        f.beat.disk_free_bytes = s->disk_free;
        f.beat.load_percent = s->load_percent;
    }
    if (s->link->out.len == 0)
        s->link->deadline = mono_add_ms(now, STALL_TIMEOUT_MS);
    if (s->link->out.len > LINK_OUT_MAX / 2) {
        LOG_WARN("link.stuck", "waiting_bytes=%zu", s->link->out.len);
        (void)shutdown(s->link->fd, SHUT_RDWR); /* the end is seen when it is read */
        return;
    }
    frame_encode(&f, &s->link->out);
}

static void send_stream(struct serve *s, struct mono now, const struct agent_action *a)
{
    struct frame f = {.type = FRAME_STREAM};

    if (s->link == NULL)
        return;
    buf_clear(&s->scratch);
    if (spool_read(s->spool, a->run, a->stream, a->from, (size_t)a->len, &s->scratch) != ERR_OK) {
        LOG_ERROR("spool.gap", "run=%" PRIu64 " stream=%u from=%" PRIu64 " len=%" PRIu64, a->run, a->stream,
                  a->from, a->len);
        post(s, now,
             &(struct agent_event){
                 .kind = AG_EV_LOST, .run = a->run, .stream = a->stream, .len = a->from, .wall = wall_now()});
        return;
    }
    f.stream.run = a->run;
    f.stream.stream = a->stream;
    f.stream.offset = a->from;
    f.stream.bytes = buf_slice(&s->scratch);
    frame_encode(&f, &s->link->out);
}

static void record(struct serve *s, struct mono now, const struct agent_action *a)
{
    if (a->record == AG_RECORD_SPEC) {
        if (spool_spec(s->spool, a->run, a->spec, a->seq) != ERR_OK)
            post(s, now, &(struct agent_event){.kind = AG_EV_NO_DISK, .run = a->run, .wall = wall_now()});
        return;
    }
    buf_clear(&s->scratch);
    frame_encode(&a->frame, &s->scratch);
    spool_finished(s->spool, a->run, buf_slice(&s->scratch), a->seq);
}

static bool spec_decode(struct serve *s, struct slice raw, struct frame *ret)
{
    size_t used;

    arena_reset(&s->frames);
    return frame_decode(raw.ptr, raw.len, &s->frames, ret, &used, NULL) == ERR_OK && used > 0 &&
           ret->type == FRAME_RUN_SPEC;
}

static void start(struct serve *s, struct mono now, const struct agent_action *a)
{
    struct frame f;

    CHECK(spec_decode(s, a->spec, &f)); /* we encoded it */
    if (a->kind == AG_ACT_SPAWN) {
        ready_env(s->ready, a->slot, &f.run_spec, &s->frames);
        exec_spawn(s->exec, &f.run_spec, a->slot, prepare_folder(s->prepare, a->slot, f.run_spec.project));
    } else {
        ready_expect(s->ready, a->slot, &f.run_spec, prepare_folder(s->prepare, a->slot, f.run_spec.project));
        prepare_start(s->prepare, now, a->slot, f.run_spec.project, f.run_spec.commit);
    }
}

static void chan_act(struct serve *s, const struct agent_action *a)
{
    struct conn *c = conn_by_local(s, a->local);

    if (c == NULL)
        return;
    if (a->kind == AG_ACT_CHAN_WRITE) {
        buf_put(&c->out, a->text.ptr, a->text.len);
    } else if (a->kind == AG_ACT_CHAN_READ) {
        c->may_read += a->len;
    } else if (a->kind == AG_ACT_CHAN_EOF) {
        c->send_eof = true;
    } else {
        if (a->text.len > 0) {
            prepare_channel_error(s->prepare, a->text);
            buf_clear(&c->out);
        }
        c->close_when_sent = true;
    }
}

static void act(struct serve *s, struct mono now, const struct agent_action *a)
{
    switch (a->kind) {
    case AG_ACT_SEND:
        send_frame(s, now, a);
        break;
    case AG_ACT_STREAM:
        send_stream(s, now, a);
        break;
    case AG_ACT_CLOSE_LINK:
        LOG_WARN("link.close", "why=\"%.*s\"", (int)a->text.len, a->text.ptr);
        if (s->link != NULL) {
            s->link->kind = CONN_NEW; /* no more frames; it goes at the end of the turn */
            s->link->deadline = (struct mono){0};
            s->link = NULL;
        }
        break;
    case AG_ACT_RECORD:
        record(s, now, a);
        break;
    case AG_ACT_ACKED:
        spool_acked(s->spool, a->run, a->stream, a->from);
        break;
    case AG_ACT_RELEASE:
        spool_release(s->spool, a->run);
        break;
    case AG_ACT_PREPARE:
    case AG_ACT_SPAWN:
        start(s, now, a);
        break;
    case AG_ACT_SIGNAL:
        exec_signal(s->exec, now, a->run, a->signal, a->describe);
        break;
    case AG_ACT_CHAN_WRITE:
    case AG_ACT_CHAN_READ:
    case AG_ACT_CHAN_EOF:
    case AG_ACT_CHAN_CLOSE:
        chan_act(s, a);
        break;
    case AG_ACT_TRACE:
        LOG_DEBUG("run", "run=%" PRIu64 " from=%s to=%s why=\"%.*s\"", a->run, a->from_state, a->to_state,
                  (int)a->text.len, a->text.ptr);
        break;
    case AG_ACT_EXIT:
        s->is_done = true;
        break;
    default:
        CHECK(!"an action kind");
    }
}

/* ---- reading ---- */

/* The link's bytes as frames. False: the connection is gone. */
static bool link_frames(struct serve *s, struct mono now, struct conn *c)
{
    struct arena lists;
    size_t at = 0;
    bool has_secrets = false;
    bool ok = true;

    arena_init(&lists);
    while (c == s->link) {
        struct why why = {0};
        struct frame f;
        size_t used = 0;

        if (frame_decode(c->in.data + at, c->in.len - at, &lists, &f, &used, &why) != ERR_OK) {
            LOG_WARN("link.bad_frame", "why=\"%s\"", why.text);
            ok = false;
            break;
        }
        if (used == 0)
            break;
        step(s, now, &(struct agent_event){.kind = AG_EV_FRAME, .frame = &f});
        if (f.type == FRAME_RUN_SPEC && f.run_spec.n_secrets > 0)
            has_secrets = true;
        if (has_secrets && c == s->link)
            mem_wipe(c->in.data + at, used);
        at += used;
        arena_reset(&lists);
    }
    arena_done(&lists);
    if (has_secrets)
        mem_wipe(s->read_buf, sizeof(s->read_buf));
    if (c != s->link && ok) /* the core closed it; it is swept at the end of the turn */
        return true;
    if (!ok)
        return false;
    if (at == c->in.len && c->in.cap > KIB(64))
        buf_done(&c->in);
    else
        buf_consume(&c->in, at);
    return true;
}

static void become_link(struct serve *s, struct mono now, struct conn *c)
{
    if (s->link != NULL) {
        LOG_INFO("link.taken_over", "runs=%u", agent_run_count(s->agent));
        conn_lost(s, now, s->link);
    }
    LOG_INFO("link.up", "runs=%u", agent_run_count(s->agent));
    c->kind = CONN_LINK;
    c->deadline = mono_add_ms(now, STALL_TIMEOUT_MS);
    s->link = c;
    s->disk_free = spool_disk_free(s->spool);
    step(s, now, &(struct agent_event){.kind = AG_EV_LINK_UP});
}

static bool become_chan(struct serve *s, struct mono now, struct conn *c, char *params)
{
    struct frame_chan_open f;

    if (!setup_chan_params(params, &f))
        return false;
    c->kind = CONN_CHAN;
    c->local = ++s->next_local;
    step(s, now, &(struct agent_event){.kind = AG_EV_CHAN_OPEN, .local = c->local, .chan = &f});
    if (c->in.len > 0 && c->may_read >= c->in.len) { /* its first bytes came with the line */
        struct agent_event first = {AG_EV_CHAN_BYTES, .local = c->local, .text = buf_slice(&c->in)};

        c->may_read -= c->in.len;
        step(s, now, &first);
    }
    return true;
}

/* The first line tells what a client is. False: close it. */
static bool new_line(struct serve *s, struct mono now, struct conn *c)
{
    char line[AGENT_HELLO_LINE_MAX];
    char *end = memchr(buf_str(&c->in), '\n', c->in.len);
    size_t n;

    if (end == NULL)
        return c->in.len < AGENT_HELLO_LINE_MAX;
    n = (size_t)(end - c->in.data);
    if (n >= sizeof(line))
        return false;
    memcpy(line, c->in.data, n);
    line[n] = '\0';
    buf_consume(&c->in, n + 1);
    if (strcmp(line, "attach") == 0) {
        become_link(s, now, c);
        return link_frames(s, now, c);
    }
    if (strncmp(line, "channel ", 8) == 0)
        return become_chan(s, now, c, line + 8);
    return false;
}

static void conn_read(struct serve *s, struct mono now, struct conn *c)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        size_t want = READ_BYTES;
        ssize_t n;

        if (c->kind == CONN_CHAN)
            want = c->may_read < want ? (size_t)c->may_read : want;
        if (c->kind == CONN_NEW)
            want = AGENT_HELLO_LINE_MAX;
        if (want == 0)
            return;
        n = read(c->fd, s->read_buf, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0 || (n == 0 && c->kind != CONN_CHAN)) {
            conn_lost(s, now, c);
            return;
        }
        if (c->kind == CONN_CHAN && n == 0) {
            c->got_eof = true;
            step(s, now, &(struct agent_event){.kind = AG_EV_CHAN_EOF, .local = c->local});
            return;
        }
        if (c->kind == CONN_CHAN) {
            c->may_read -= (uint64_t)n;
            step(s, now,
                 &(struct agent_event){
                     .kind = AG_EV_CHAN_BYTES, .local = c->local, .text = {s->read_buf, (size_t)n}});
            return; /* the next turn goes on: the link's buffer must not fill with one client */
        }
        if (buf_add(&c->in, s->read_buf, (size_t)n) != ERR_OK ||
            !(c->kind == CONN_NEW ? new_line(s, now, c) : link_frames(s, now, c))) {
            conn_lost(s, now, c);
            return;
        }
        if (c->kind != CONN_LINK || (size_t)n < want)
            return;
    }
}

/* ---- children ---- */

static void reap(struct serve *s)
{
    struct rusage ru;
    int status;
    pid_t pid;

    signals.child_ended = 0;
    while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0) {
        struct mono now = mono_now();

        /* A pid that nobody knows is an orphan that we adopted. */
        if (!exec_reaped(s->exec, now, pid, status, &ru) && !prepare_reaped(s->prepare, now, pid, status))
            (void)ready_reaped(s->ready, now, pid, status);
        step(s, now, NULL);
    }
}

/* ---- the turn ---- */

/* A beat that is due goes at once: until then its deadline would keep the loop from sleeping. */
static bool link_gathers(const struct serve *s, struct mono now)
{
    return s->link != NULL && mono_before(now, s->gather_until) && s->link->out.len < LINK_GATHER_BYTES &&
           agent_has_next(s->agent) && mono_before(now, agent_deadline(s->agent));
}

static size_t poll_fill(struct serve *s, struct mono now, struct pollfd *fds, size_t *retexec,
                        size_t *retprepare)
{
    size_t n = 0;

    fds[n++] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
    for (uint32_t i = 0; i < s->n_conns; i++) {
        const struct conn *c = s->conns[i];
        short events = 0;

        if (!c->got_eof && (c->kind != CONN_CHAN ||
                            (c->may_read > 0 && (s->link == NULL || s->link->out.len < LINK_OUT_WANTED))))
            events |= POLLIN;
        if (c->out.len > 0 && !(c == s->link && link_gathers(s, now)))
            events |= POLLOUT;
        /* Who waits for nothing is not looked at: poll tells of a hang-up unasked, again and again. */
        fds[n++] = (struct pollfd){.fd = events != 0 ? c->fd : -1, .events = events};
    }
    *retexec = n;
    n += exec_poll_add(s->exec, now, fds + n, POLL_MAX - n);
    *retprepare = n;
    n += prepare_poll_add(s->prepare, fds + n, POLL_MAX - n);
    n += ready_poll_add(s->ready, fds + n, POLL_MAX - n);
    return n;
}

static void tidy(struct serve *s, struct mono now)
{
    double load[1];
    struct stat st;
    struct why why = {0};
    uint64_t seq;

    s->next_tidy = mono_add_ms(now, TIDY_MS);
    if (spool_wants_sync(s->spool) && spool_sync(s->spool, &seq, &why) != ERR_OK && !s->was_low)
        LOG_ERROR("spool.sync", "why=\"%s\"", why.text);
    spool_tidy(s->spool);
    if (s->link == NULL && access(AGENT_SOCKET, F_OK) != 0 && errno == ENOENT) {
        LOG_WARN("agent.folder_gone", "runs=%u", agent_run_count(s->agent));
        s->is_done = true; /* nobody can ever ask for what is held here */
    }
    s->disk_free = spool_disk_free(s->spool);
    s->load_percent = getloadavg(load, 1) == 1 ? (uint32_t)(load[0] * 100.0) : 0;
    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > (off_t)LOG_FILE_MAX_BYTES &&
        ftruncate(STDERR_FILENO, 0) != 0)
        LOG_WARN("log.cut", "errno=%d", errno);
    if (s->was_low && !spool_is_low(s->spool)) {
        LOG_INFO("disk.ok", "free_bytes=%" PRIu64, s->disk_free);
        s->was_low = false;
        step(s, now, &(struct agent_event){.kind = AG_EV_DISK_OK, .wall = wall_now()});
    }
}

static void note_low_disk(struct serve *s, struct mono now)
{
    if (s->was_low || !spool_is_low(s->spool))
        return;
    s->was_low = true;
    LOG_ERROR("disk.full", "free_bytes=%" PRIu64, spool_disk_free(s->spool));
    step(s, now, &(struct agent_event){.kind = AG_EV_NO_DISK, .wall = wall_now()});
}

static struct mono deadline_of(const struct serve *s, struct mono now)
{
    struct mono t = mono_min(agent_deadline(s->agent), exec_deadline(s->exec));

    t = mono_min(t, prepare_deadline(s->prepare));
    t = mono_min(t, ready_deadline(s->ready));
    for (uint32_t i = 0; i < s->n_conns; i++)
        if (s->conns[i]->kind == CONN_NEW || (s->conns[i]->kind == CONN_LINK && s->conns[i]->out.len > 0))
            t = mono_min(t, s->conns[i]->deadline);
    if (s->link != NULL && mono_before(now, s->gather_until) && agent_run_count(s->agent) > 0)
        t = mono_min(t, s->gather_until); /* what is gathered must go, whatever else happens */
    /* Nothing held and no link: nothing to tidy either, sleep on. */
    if (agent_run_count(s->agent) > 0 || agent_has_link(s->agent) || s->was_low || spool_wants_sync(s->spool))
        t = mono_min(t, s->next_tidy);
    return t;
}

/* Step 5: the journal is written, and made durable where that is the agent's part (see the top). */
static void journal_out(struct serve *s)
{
    bool must_sync = s->link == NULL && spool_wants_sync(s->spool);
    struct why why = {0};
    uint64_t seq = 0;
    enum err err = must_sync ? spool_sync(s->spool, &seq, &why) : spool_flush(s->spool, &why);

    if (err == ERR_OK && !must_sync)
        seq = spool_flushed_seq(s->spool);
    if (err != ERR_OK) {
        if (!s->was_low)
            LOG_ERROR("spool.write", "why=\"%s\"", why.text);
    } else if (seq != s->told_seq) {
        s->told_seq = seq;
        step(s, mono_now(), &(struct agent_event){.kind = AG_EV_SYNCED, .seq = seq});
    }
}

/* Steps 4 to 6. */
static void turn_out(struct serve *s, struct mono now)
{
    size_t waiting = s->link != NULL ? s->link->out.len : 0;
    bool gathers = link_gathers(s, now);

    if (s->link != NULL && !gathers)
        step(s, now,
             &(struct agent_event){.kind = AG_EV_PUMP,
                                   .room = waiting < LINK_OUT_WANTED ? LINK_OUT_WANTED - waiting : 0});
    journal_out(s);
    note_low_disk(s, now);
    for (uint32_t i = 0; i < s->n_conns;) {
        struct conn *c = s->conns[i];
        bool ok = c->out.len == 0 || (c == s->link && gathers) || conn_write(s, now, c);

        if (ok && c->out.len == 0 && c->send_eof) {
            (void)shutdown(c->fd, SHUT_WR);
            c->send_eof = false;
        }
        if (!ok)
            conn_lost(s, now, c);
        else if (c->close_when_sent && c->out.len == 0)
            conn_close(s, c);
        else if ((c->kind == CONN_NEW || (c->kind == CONN_LINK && c->out.len > 0)) &&
                 !mono_before(now, c->deadline))
            conn_lost(s, now, c);
        else
            i++;
    }
    step(s, now, NULL); /* what was taken by clients */
}

static void turn(struct serve *s, const sigset_t *sleep_mask)
{
    static struct pollfd fds[POLL_MAX];
    struct mono now = mono_now();
    struct timespec ts = {0};
    int64_t left_us;
    struct mono end;
    size_t at_exec;
    size_t at_prepare;
    size_t n;
    int got;

    n = poll_fill(s, now, fds, &at_exec, &at_prepare);
    end = deadline_of(s, now); /* with the pipes that are not polled yet */
    left_us = end.us == INT64_MAX ? -1 : end.us > now.us ? end.us - now.us : 0;
    if (left_us > 0)
        ts = (struct timespec){left_us / 1000000, left_us % 1000000 * 1000};
    if (signals.child_ended)
        ts = (struct timespec){0};
    got = ppoll(fds, n, left_us < 0 && !signals.child_ended ? NULL : &ts, sleep_mask);
    if (got > 0)
        signals_take();
    if (signals.child_ended) {
        reap(s); /* first of all: a slot may be free */
        got = poll(fds, n, 0);
    }
    now = mono_now();
    if (got > 0) {
        struct conn *ready[CONNS_MAX];
        uint32_t n_ready = 0;

        for (size_t i = 1; i < at_exec; i++)
            for (uint32_t k = 0; k < s->n_conns && fds[i].revents != 0; k++)
                if (s->conns[k]->fd == fds[i].fd && (fds[i].revents & ~POLLOUT) != 0)
                    ready[n_ready++] = s->conns[k];
        for (uint32_t i = 0; i < n_ready; i++)
            for (uint32_t k = 0; k < s->n_conns; k++)
                if (s->conns[k] == ready[i]) { /* an earlier one may have closed it */
                    conn_read(s, now, ready[i]);
                    break;
                }
        exec_poll_done(s->exec, now, fds + at_exec, at_prepare - at_exec);
        prepare_poll_done(s->prepare, fds + at_prepare, n - at_prepare);
        ready_poll_done(s->ready, now, fds + at_prepare, n - at_prepare);
        step(s, now, NULL);
        if (fds[0].revents != 0)
            conn_accept(s, now);
    }
    exec_tick(s->exec, now);
    prepare_tick(s->prepare, now);
    ready_tick(s->ready, now);
    step(s, now, NULL);
    if (!mono_before(now, agent_deadline(s->agent)))
        step(s, now, &(struct agent_event){.kind = AG_EV_TICK, .wall = wall_now()});
    if (!mono_before(now, s->next_tidy))
        tidy(s, now);
    turn_out(s, now);
}

/* ---- coming up ---- */

struct restoring {
    struct serve *s;
    bool is_same_boot;
    struct spool_started *started;
    size_t n;
    size_t runs;
};

static void restore_note(void *ctx, const struct agent_restored *r, const struct spool_started *started)
{
    struct restoring *x = ctx;

    x->runs++;
    if (started == NULL || r->finished.len > 0)
        return;
    x->started = xrealloc(x->started, (x->n + 1) * sizeof(*x->started));
    x->started[x->n++] = *started;
}

static void restore_run(void *ctx, const struct agent_restored *r, const struct spool_started *started)
{
    struct restoring *x = ctx;
    struct agent_restored re = *r;

    (void)started;
    /* What was not synced is gone with the power, and with a link nothing is synced: it may have begun, and the controller
     * may have its output. Whoever gave it learns that it is lost. */
    if (!x->is_same_boot && !r->was_started && r->finished.len == 0) {
        spool_release(x->s->spool, r->run);
        return;
    }
    re.wall = wall_now();
    step(x->s, mono_now(), &(struct agent_event){.kind = AG_EV_RESTORED, .wall = re.wall, .restored = &re});
}

/* What an agent that died held: first its processes end, then the core is told. Processes are looked for even when the
 * journal names none: the agent may have died before it was written. */
static void restore(struct serve *s)
{
    struct restoring x = {.s = s};

    spool_each(s->spool, restore_note, &x);
    exec_kill_leftovers(s->exec, x.started, x.n);
    free(x.started);
    if (x.runs > 0) {
        x.is_same_boot = setup_is_same_boot();
        LOG_INFO("restore", "runs=%zu running=%zu same_boot=%d", x.runs, x.n, x.is_same_boot);
        spool_each(s->spool, restore_run, &x);
    } else {
        (void)setup_is_same_boot();
    }
}

static enum err serve_init(struct serve *s, const struct serve_opts *opts, struct why *reterr)
{
    struct agent_opts ao = {
        .instance = opts->instance, .version = WRATA_VERSION, .idle_exit_ms = opts->idle_exit_ms};
    char dir[3072];
    char self[3072];
    char host[256] = "";
    char facts[512];
    char hash[65] = "";
    char mark[96];
    struct setup_adapters adapters;
    uint64_t incarnation = 0;
    ssize_t n;
    enum err e;

    if (getcwd(dir, sizeof(dir)) == NULL)
        return why_errno(reterr, ERR_IO, errno, "the present folder");
    e = setup_listen(&s->listen_fd, reterr);
    if (e == ERR_OK)
        e = spool_open(&(struct spool_opts){.dir = "spool"}, &s->spool, reterr);
    if (e != ERR_OK)
        return e;
    (void)snprintf(mark, sizeof(mark), "%.48s-%08x", opts->instance, crc32_of(0, dir, strlen(dir)));
    s->cgroup = opts->no_cgroup ? NULL : cgroup_open(mark);
    if (getrandom(&incarnation, sizeof(incarnation), 0) != sizeof(incarnation))
        incarnation = proc_boottime_us() ^ (uint64_t)getpid() << 40;
    (void)gethostname(host, sizeof(host) - 1);
    if (sha256_file("/proc/self/exe", hash) != ERR_OK)
        hash[0] = '\0';
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0)
        return why_errno(reterr, ERR_IO, errno, "/proc/self/exe");
    self[n] = '\0';
    e = setup_adapters(dir, &adapters, reterr);
    if (e != ERR_OK)
        return e;
    setup_facts(cgroup_facts(s->cgroup), facts, sizeof(facts));
    ao.incarnation = incarnation;
    ao.hash = hash;
    ao.hostname = host;
    ao.facts = facts;
    s->agent = agent_new(&ao, mono_now());
    s->prepare = prepare_new(&(struct prepare_opts){.dir = dir, .self = self, .post = on_code, .ctx = s});
    s->ready =
        ready_new(&(struct ready_opts){.dir = dir, .mark = mark, .post = post, .say = on_say, .ctx = s});
    s->exec =
        exec_new(&(struct exec_opts){.dir = dir,
                                     .mark = mark,
                                     .incarnation = incarnation,
                                     .adapter_rspec = adapters.rspec[0] != '\0' ? adapters.rspec : NULL,
                                     .pytest_folder = adapters.pytest[0] != '\0' ? adapters.pytest : NULL,
                                     .spool = s->spool,
                                     .cgroup = s->cgroup,
                                     .post = post,
                                     .is_known_pid = is_known_pid,
                                     .ctx = s});
    s->disk_free = spool_disk_free(s->spool);
    restore(s);
    LOG_INFO("agent.up", "version=%s incarnation=%" PRIx64 " facts=\"%s\"", WRATA_VERSION, incarnation,
             facts);
    return ERR_OK;
}

static void serve_done(struct serve *s)
{
    while (s->n_conns > 0)
        conn_close(s, s->conns[0]);
    exec_free(s->exec);
    prepare_free(s->prepare);
    ready_free(s->ready);
    agent_free(s->agent);
    spool_close(s->spool);
    cgroup_close(s->cgroup);
    while (s->first != NULL) {
        struct posted *p = s->first;

        s->first = p->next;
        free(p->text);
        free(p->text2);
        free(p);
    }
    free(s->spare);
    agent_out_done(&s->out);
    arena_done(&s->frames);
    buf_done(&s->scratch);
    if (s->listen_fd >= 0) {
        (void)unlink(AGENT_SOCKET);
        (void)close(s->listen_fd);
    }
    free(s);
}

enum err serve(const struct serve_opts *opts, struct why *reterr)
{
    struct serve *s;
    sigset_t sleep_mask;
    int ready_fd = opts->ready_fd;
    enum err e;

    if (ready_fd >= 0 && ready_fd < 10) { /* out of the way of the numbers that children get */
        ready_fd = fcntl(opts->ready_fd, F_DUPFD_CLOEXEC, 10);
        (void)close(opts->ready_fd);
    }
    launch_init();
    signals_init(&sleep_mask);
    e = serve_enter(opts->dir, opts->instance, reterr);
    if (e == ERR_OK)
        e = setup_lock(reterr);
    s = xcalloc(1, sizeof(*s));
    s->listen_fd = -1;
    agent_out_init(&s->out);
    arena_init(&s->frames);
    buf_init(&s->scratch, FRAME_BODY_MAX + KIB(4));
    if (e == ERR_OK)
        e = serve_init(s, opts, reterr);
    if (ready_fd >= 0) {
        const char *text = e == ERR_OK || e == ERR_BUSY ? "ok" : reterr->text;

        if (dprintf(ready_fd, "%s\n", text) < 0)
            LOG_WARN("ready", "errno=%d", errno);
        (void)close(ready_fd);
    }
    while (e == ERR_OK && !s->is_done && !signals.told_to_end)
        turn(s, &sleep_mask);
    if (e == ERR_OK)
        LOG_INFO("agent.end", "why=%s", s->is_done ? "idle" : "signal");
    serve_done(s);
    return e;
}
