/* serve_conn.c - who speaks to the agent's socket: the link, and clients that want a channel to the controller. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/serve_private.h"
#include "agent/setup.h"
#include "agent/spool.h"
#include "base/log.h"

#define READS_PER_TURN 16 /* of one connection: the others want their turn as well */
#define LINK_IN_MAX (FRAME_BODY_MAX + KIB(128))
#define CHAN_OUT_MAX MIB(65) /* the core allows a window */
#define HELLO_TIMEOUT_MS 5000

/* ---- connections ---- */

void serve_conn_close(struct serve *s, struct conn *c)
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
void serve_conn_lost(struct serve *s, struct mono now, struct conn *c)
{
    enum conn_kind kind = c->kind;
    uint32_t local = c->local;
    bool was_link = c == s->link;

    serve_conn_close(s, c);
    if (kind == CONN_LINK && was_link) {
        LOG_INFO("link.down", "runs=%u", agent_run_count(s->agent));
        serve_step(s, now, &(struct agent_event){.kind = AG_EV_LINK_DOWN});
    } else if (kind == CONN_CHAN) {
        serve_step(s, now, &(struct agent_event){.kind = AG_EV_CHAN_GONE, .local = local});
    }
}

struct conn *serve_conn_by_local(const struct serve *s, uint32_t local)
{
    for (uint32_t i = 0; i < s->n_conns; i++)
        if (s->conns[i]->kind == CONN_CHAN && s->conns[i]->local == local)
            return s->conns[i];
    return NULL;
}

void serve_conn_accept(struct serve *s, struct mono now)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct conn *c;

    if (fd < 0)
        return;
    if (s->n_conns == SERVE_CONNS_MAX) {
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
bool serve_conn_write(struct serve *s, struct mono now, struct conn *c)
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
        serve_post(s, now, &(struct agent_event){.kind = AG_EV_CHAN_TAKEN, .local = c->local, .len = done});
    return true;
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
        serve_step(s, now, &(struct agent_event){.kind = AG_EV_FRAME, .wall = wall_now(), .frame = &f});
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
        serve_conn_lost(s, now, s->link);
    }
    LOG_INFO("link.up", "runs=%u", agent_run_count(s->agent));
    c->kind = CONN_LINK;
    c->deadline = mono_add_ms(now, STALL_TIMEOUT_MS);
    s->link = c;
    s->disk_free = spool_disk_free(s->spool);
    serve_step(s, now, &(struct agent_event){.kind = AG_EV_LINK_UP});
}

static bool become_chan(struct serve *s, struct mono now, struct conn *c, char *params)
{
    struct frame_chan_open f;

    if (!setup_chan_params(params, &f))
        return false;
    c->kind = CONN_CHAN;
    c->local = ++s->next_local;
    if (slice_eq(f.kind, SLICE("git")) || slice_eq(f.kind, SLICE("lfs")))
        c->project = f.project;
    if (slice_eq(f.kind, SLICE("git")))
        memcpy(c->commit, f.commit.ptr, f.commit.len); /* at most 64; the rest is zero */
    serve_step(s, now, &(struct agent_event){.kind = AG_EV_CHAN_OPEN, .local = c->local, .chan = &f});
    if (c->in.len > 0 && c->may_read >= c->in.len) { /* its first bytes came with the line */
        struct agent_event first = {AG_EV_CHAN_BYTES, .local = c->local, .text = buf_slice(&c->in)};

        c->may_read -= c->in.len;
        serve_step(s, now, &first);
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

void serve_conn_read(struct serve *s, struct mono now, struct conn *c)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        size_t want = SERVE_READ_BYTES;
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
            serve_conn_lost(s, now, c);
            return;
        }
        if (c->kind == CONN_CHAN && n == 0) {
            c->got_eof = true;
            serve_step(s, now, &(struct agent_event){.kind = AG_EV_CHAN_EOF, .local = c->local});
            return;
        }
        if (c->kind == CONN_CHAN) {
            c->may_read -= (uint64_t)n;
            serve_step(s, now,
                       &(struct agent_event){
                           .kind = AG_EV_CHAN_BYTES, .local = c->local, .text = {s->read_buf, (size_t)n}});
            return; /* the next turn goes on: the link's buffer must not fill with one client */
        }
        if (buf_add(&c->in, s->read_buf, (size_t)n) != ERR_OK ||
            !(c->kind == CONN_NEW ? new_line(s, now, c) : link_frames(s, now, c))) {
            serve_conn_lost(s, now, c);
            return;
        }
        if (c->kind != CONN_LINK || (size_t)n < want)
            return;
    }
}
