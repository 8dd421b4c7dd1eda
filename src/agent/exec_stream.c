/* exec_stream.c - what a run writes: read from its pipes, its secrets hidden, kept in the spool up to its limits.
 *
 * A stream goes pipe -> mask -> head of the spool, or the ring of the tail once the head is full (log_ring.h); what the
 * script prints as TAP is read on the way. Up to its limit a log is what was printed, byte for byte; beyond it the
 * head and the tail are, and between them two lines of ours. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/exec_private.h"
#include "report/tap.h"

#define LOOK_AT_ONCE_US 150 /* a wait shorter than this costs more than it saves */
#define PIPE_BYTES 262144   /* for a script that fills the usual 64 KiB: fewer turns each way */
#define READS_PER_LOOK 8
#define MASK_QUIET_MS 50 /* what a secret could begin with is held back so long, then a log must not lag */
#define TAP_QUIET_MS 50  /* then what follows a test of TAP is not waited for */
#define LOW_TAIL_BYTES KIB(64) /* of the tail of a log, when the disk is full */

/* The first byte is given up: whoever watches is told why nothing more comes. */
static void say_limit(struct exec *x, struct process *p)
{
    char text[160];
    int n =
        snprintf(text, sizeof(text),
                 "\n[wrata: the limit of %" PRIu64 " bytes of output is reached: of what follows only the "
                 "end is kept, and shown when the run is over]\n",
                 p->log_max);

    p->gap_plus_one = spool_len(x->opts.spool, p->run, STREAM_LOG) + 1;
    spool_stream_end(x->opts.spool, p->run, STREAM_LOG, text, (size_t)n);
}

static void keep_tail(struct exec *x, struct process *p, const char *data, size_t n)
{
    if (p->tail == NULL)
        p->tail = log_ring_new(p->tail_max > LOG_RING_MEMORY_MAX ? x->dir : NULL,
                               p->tail_max > 0 ? p->tail_max : 1);
    log_ring_put(p->tail, data, n);
    if (p->gap_plus_one == 0 && log_ring_total(p->tail) > log_ring_kept(p->tail))
        say_limit(x, p);
}

static void lost(struct exec *x, struct process *p, struct mono now, size_t n)
{
    p->lost += n;
    if (p->no_disk)
        return;
    p->no_disk = true;
    x->opts.post(x->opts.ctx, now,
                 &(struct agent_event){.kind = AG_EV_NO_DISK, .run = p->run, .wall = wall_now()});
}

void exec_take_bytes(struct exec *x, struct process *p, struct mono now, uint32_t stream, const char *data,
                     size_t n)
{
    uint64_t len = spool_len(x->opts.spool, p->run, stream);
    uint64_t max = stream == STREAM_LOG ? p->log_head_max : EXEC_RESULTS_MAX_BYTES;
    size_t part = len >= max ? 0 : max - len < n ? (size_t)(max - len) : n;

    if (stream == STREAM_LOG && p->tap != NULL) { /* with its secrets hidden, as in the log */
        p->tap_now = now;
        tap_feed(p->tap, data, n);
        p->pipe[STREAM_LOG].quiet_at = mono_min(p->pipe[STREAM_LOG].quiet_at, mono_add_ms(now, TAP_QUIET_MS));
    }
    if (p->no_disk || (part > 0 && spool_stream(x->opts.spool, p->run, stream, data, part) != ERR_OK)) {
        lost(x, p, now, n);
        return;
    }
    if (stream == STREAM_LOG && part < n)
        keep_tail(x, p, data + part, n - part);
    x->opts.post(x->opts.ctx, now,
                 &(struct agent_event){.kind = AG_EV_GREW,
                                       .run = p->run,
                                       .stream = stream,
                                       .len = spool_len(x->opts.spool, p->run, stream)});
}

/* What the mask lets go of a stream. Bytes that it holds are output too: the run is not silent. */
static void take_masked(struct exec *x, struct process *p, struct mono now, uint32_t stream)
{
    if (x->masked.len > 0)
        exec_take_bytes(x, p, now, stream, x->masked.data, x->masked.len);
    else if (!p->no_disk)
        x->opts.post(x->opts.ctx, now,
                     &(struct agent_event){.kind = AG_EV_GREW,
                                           .run = p->run,
                                           .stream = stream,
                                           .len = spool_len(x->opts.spool, p->run, stream)});
}

/* Nothing of a run that has secrets reaches spool, tail or link but through here. */
void exec_take_raw(struct exec *x, struct process *p, struct mono now, uint32_t stream, const char *data,
                   size_t n)
{
    struct pipe_end *e = &p->pipe[stream];

    if (p->mask == NULL) {
        exec_take_bytes(x, p, now, stream, data, n);
        return;
    }
    buf_clear(&x->masked);
    mask_feed(&e->mask, data, n, &x->masked);
    e->quiet_at = mask_held(&e->mask) > 0 ? mono_add_ms(now, MASK_QUIET_MS) : MONO_NEVER;
    take_masked(x, p, now, stream);
}

void exec_let_go(struct exec *x, struct process *p, struct mono now, uint32_t stream, bool at_end)
{
    struct pipe_end *e = &p->pipe[stream];

    e->quiet_at = MONO_NEVER;
    if (stream == STREAM_LOG && p->tap != NULL && !at_end) {
        p->tap_now = now;
        tap_pause(p->tap);
    }
    if (p->mask == NULL || mask_held(&e->mask) == 0)
        return;
    buf_clear(&x->masked);
    if (at_end)
        mask_end(&e->mask, &x->masked);
    else
        mask_rest(&e->mask, &x->masked);
    if (x->masked.len > 0)
        exec_take_bytes(x, p, now, stream, x->masked.data, x->masked.len);
}

size_t exec_pipe_read(struct exec *x, struct process *p, struct mono now, uint32_t stream)
{
    struct pipe_end *e = &p->pipe[stream];
    size_t total = 0;

    for (int i = 0; i < READS_PER_LOOK && e->fd >= 0; i++) {
        ssize_t n = read(e->fd, x->buf, sizeof(x->buf));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0) {
            (void)close(e->fd);
            e->fd = -1;
            exec_let_go(x, p, now, stream, true);
            break;
        }
        exec_take_raw(x, p, now, stream, x->buf, (size_t)n);
        total += (size_t)n;
        if (p->phase == PHASE_RUNNING && (size_t)n < READ_BYTES / 2)
            break; /* most likely all there was: the next look tells */
    }
    return total;
}

void exec_next_look(struct pipe_end *e, struct mono now, size_t got)
{
    if (got >= READ_BYTES / 2) {
        if (!e->is_large)
            (void)fcntl(e->fd, F_SETPIPE_SZ, PIPE_BYTES); /* without it all works as well */
        e->is_large = true;
        e->every_us = e->every_us / 4 < LOOK_AT_ONCE_US ? 0 : e->every_us / 4;
    } else if (got < READ_BYTES / 8) {
        e->every_us = e->every_us == 0 ? LOOK_AT_ONCE_US : e->every_us * 2;
        if (e->every_us > EXEC_LOOK_EVERY_US)
            e->every_us = EXEC_LOOK_EVERY_US;
    }
    e->look_at = (struct mono){now.us + e->every_us};
}

/* What is left out here is lost, counted, and said in the log. */
static void lose_here(struct exec *x, struct process *p, uint64_t n)
{
    const char *mark =
        arena_printf(&x->arena, "\n[wrata: %" PRIu64 " bytes of output are not kept here]\n", n);

    p->lost += n;
    if (p->gap_plus_one == 0)
        p->gap_plus_one = spool_len(x->opts.spool, p->run, STREAM_LOG) + 1;
    spool_stream_end(x->opts.spool, p->run, STREAM_LOG, mark, strlen(mark));
}

/* The last n bytes of the ring go into the log. What the disk cannot give or take back is lost. */
static void append_tail(struct exec *x, struct process *p, uint64_t n)
{
    while (n > 0) {
        size_t part = n < sizeof(x->buf) ? (size_t)n : sizeof(x->buf);

        if (spool_is_low(x->opts.spool) && n > LOW_TAIL_BYTES) {
            lose_here(x, p, n - LOW_TAIL_BYTES);
            n = LOW_TAIL_BYTES;
            continue;
        }
        if (!log_ring_read(p->tail, n, x->buf, part)) {
            lose_here(x, p, n);
            return;
        }
        spool_stream_end(x->opts.spool, p->run, STREAM_LOG, x->buf, part);
        n -= part;
    }
}

uint64_t exec_log_close(struct exec *x, struct process *p)
{
    uint64_t kept;
    uint64_t dropped;

    if (p->tail == NULL)
        return p->lost;
    kept = log_ring_kept(p->tail);
    dropped = log_ring_total(p->tail) - kept;
    if (dropped > 0) {
        const char *mark =
            arena_printf(&x->arena, "[wrata: %" PRIu64 " bytes of output are not kept here]\n", dropped);

        spool_stream_end(x->opts.spool, p->run, STREAM_LOG, mark, strlen(mark));
    }
    append_tail(x, p, kept);
    return dropped + p->lost;
}
