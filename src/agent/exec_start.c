/* exec_start.c - how the process of a run comes to be.
 *
 *     exec_spawn: all that can be refused -> pipes, words, environment (struct start) -> a starter
 *
 * A starter makes the process, by whatever way, and ends with exec_started() or exec_start_failed(): at once, or in a later
 * turn. Until then the run is STARTING, holds its slot, has no pid, and may be given up (exec_signal); who comes late looks
 * for it by its number. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/artifacts.h"
#include "agent/exec_private.h"
#include "agent/launch.h"
#include "agent/procs.h"
#include "report/tap.h"

#define FIRST_LOOK_MS 10
#define MARK_ROOM 256u /* of the log's limit, for the lines that tell of the cut */

/* ---- what it needs ---- */

static struct start *start_new(void)
{
    struct start *s = xcalloc(1, sizeof(*s));

    arena_init(&s->arena);
    for (int i = 0; i < STREAM_COUNT; i++)
        s->from[i] = s->to[i] = -1;
    return s;
}

void exec_start_free(struct start *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < STREAM_COUNT; i++) {
        if (s->from[i] >= 0)
            (void)close(s->from[i]);
        if (s->to[i] >= 0)
            (void)close(s->to[i]);
    }
    secret_env_done(&s->secrets);
    arena_done(&s->arena);
    free(s);
}

static bool pipe_make(struct start *s, uint32_t stream)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    s->from[stream] = fds[0];
    s->to[stream] = fds[1];
    return true;
}

static struct cgroup_slot *group_of(struct exec *x, uint32_t slot)
{
    if (!x->group_tried[slot])
        x->groups[slot] = cgroup_slot_open(x->opts.cgroup, slot);
    x->group_tried[slot] = true;
    return x->groups[slot];
}

/* An eighth of a log is for its end. */
static void set_log_limit(struct process *p, uint64_t max)
{
    uint64_t tail;

    if (max == 0 || max > EXEC_LOG_MAX_BYTES)
        max = EXEC_LOG_MAX_BYTES;
    tail = max / 8 < EXEC_LOG_TAIL_MIN_BYTES   ? EXEC_LOG_TAIL_MIN_BYTES
           : max / 8 > EXEC_LOG_TAIL_MAX_BYTES ? EXEC_LOG_TAIL_MAX_BYTES
                                               : max / 8;
    p->log_max = max;
    p->tail_max = max / 2 < tail ? max / 2 : tail;
    p->log_head_max = max - p->tail_max;
    p->log_head_max -= p->log_head_max > MARK_ROOM * 2 ? MARK_ROOM : 0;
}

/* What is to be hidden in what the run writes. False: it is more than can be. */
static bool mask_make(struct process *p, const struct frame_run_spec *spec)
{
    struct slice *values = arena_alloc(&p->start->arena, (spec->n_secrets + 1) * sizeof(*values));
    size_t bytes = 0;

    for (uint32_t i = 0; i < spec->n_secrets; i++) {
        struct slice line = spec->secrets[i].s;
        const char *eq = line.len > 0 ? memchr(line.ptr, '=', line.len) : NULL;

        values[i] = eq == NULL ? (struct slice){"", 0}
                               : (struct slice){eq + 1, line.len - (size_t)(eq + 1 - line.ptr)};
        bytes += values[i].len;
    }
    if (bytes > MASK_SECRETS_BYTES_MAX)
        return false;
    p->mask = spec->n_secrets > 0 ? mask_new(values, spec->n_secrets) : NULL;
    for (int i = 0; i < STREAM_COUNT && p->mask != NULL; i++)
        mask_stream_init(&p->pipe[i].mask, p->mask); /* also of one without a pipe: reports come from files */
    return true;
}

/* Does something inside the framework write to descriptor 3? */
static bool has_channel(const struct frame_run_spec *spec)
{
    return spec->adapter.len > 0 && !slice_eq(spec->adapter, SLICE("exit")) &&
           !slice_eq(spec->adapter, SLICE("tap")) && !slice_eq(spec->adapter, SLICE("junit"));
}

static void tap_line(void *ctx, const char *line, size_t n)
{
    struct process *p = ctx;

    exec_take_bytes(p->exec, p, p->tap_now, STREAM_RESULTS, line, n);
}

/* What reads its results besides a channel of its own. */
static void readers_make(struct exec *x, struct process *p, const struct frame_run_spec *spec)
{
    struct timespec ts = {0};

    if (slice_eq(spec->adapter, SLICE("tap"))) {
        p->exec = x;
        p->tap = tap_new(p->cwd, tap_line, p);
    }
    /* Files get the kernel's coarse time: a finer clock would be ahead of it. */
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &ts);
    p->started_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    p->keep = artifacts_command(spec, x->dir, p->started_ns);
    if (!slice_eq(spec->adapter, SLICE("junit")))
        return;
    p->reports = xcalloc(spec->n_reports + 1, sizeof(*p->reports));
    for (; p->n_reports < spec->n_reports; p->n_reports++)
        p->reports[p->n_reports] =
            xstrndup(spec->reports[p->n_reports].s.ptr, spec->reports[p->n_reports].s.len);
}

/* What keeps the run from being started here, as a sentence; NULL: nothing. */
static const char *refusal(struct exec *x, struct process *p, const struct frame_run_spec *spec)
{
    struct start *s = p->start;

    if (spec->n_argv == 0 || spec->argv[0].s.len == 0)
        return "the command is empty";
    if (spool_is_low(x->opts.spool)) {
        s->no_disk = true;
        return "the disk of the server is full";
    }
    if (!p->is_boxed && !cgroup_limit(group_of(x, p->slot), spec->memory_max_bytes, spec->pids_max))
        return "this server has no control groups that could limit memory or processes";
    if (!mask_make(p, spec))
        return arena_printf(&s->arena, "its secrets have more than %zu bytes", MASK_SECRETS_BYTES_MAX);
    if (!pipe_make(s, STREAM_LOG) || (has_channel(spec) && !pipe_make(s, STREAM_RESULTS)))
        return arena_printf(&s->arena, "no pipe for its output: %s", strerror(errno));
    return NULL;
}

/* ---- how a start ends ---- */

void exec_start_failed(struct exec *x, struct process *p, const char *text)
{
    x->opts.post(x->opts.ctx, mono_now(),
                 &(struct agent_event){.kind = AG_EV_SPAWN_FAILED,
                                       .run = p->run,
                                       .wall = wall_now(),
                                       .no_disk = p->start->no_disk,
                                       .is_not_ready = p->is_boxed,
                                       .text = slice_of(text)});
    exec_process_free(x, p);
}

void exec_pipes_begin(struct process *p, struct mono now)
{
    struct start *s = p->start;

    for (int i = 0; i < STREAM_COUNT; i++) {
        if (s->from[i] < 0)
            continue;
        p->pipe[i].fd = s->from[i];
        p->pipe[i].every_us = EXEC_LOOK_EVERY_US;
        p->pipe[i].look_at = mono_add_ms(now, FIRST_LOOK_MS);
        (void)fcntl(p->pipe[i].fd, F_SETFL, O_NONBLOCK); /* the reader's end only */
        s->from[i] = -1;
    }
}

void exec_started(struct exec *x, struct process *p, const struct spool_started *st)
{
    struct start *s = p->start;
    struct mono now = mono_now();

    p->pid = (pid_t)st->pid;
    p->phase = PHASE_RUNNING;
    spool_started(x->opts.spool, p->run, st);
    exec_pipes_begin(p, now);
    p->start = NULL;
    exec_start_free(s);
    x->opts.post(x->opts.ctx, now,
                 &(struct agent_event){.kind = AG_EV_SPAWNED, .run = p->run, .wall = wall_now()});
}

/* ---- the plain way ---- */

void exec_start_plain(struct exec *x, struct process *p)
{
    struct start *s = p->start;
    struct spool_started st = {.slot = p->slot, .start_us = proc_boottime_us(), .boot = x->boot};
    struct launch l = {.argv = s->argv,
                       .envp = s->envp,
                       .cwd = p->cwd,
                       .in = x->null_fd,
                       .out = s->to[STREAM_LOG],
                       .results = s->to[STREAM_RESULTS]};
    const char *step = "";
    int joins[3];
    pid_t pid;

    l.joins = joins;
    l.n_joins = cgroup_join_fds(group_of(x, p->slot), joins);
    pid = launch_child(&l, &s->arena, &step);
    if (pid < 0) {
        exec_start_failed(x, p, launch_error(&s->arena, &l, step, errno, "on this server"));
        return;
    }
    st.pid = (uint32_t)pid;
    exec_started(x, p, &st);
}

/* ---- the run comes in ---- */

void exec_spawn(struct exec *x, const struct frame_run_spec *spec, uint32_t slot, const char *cwd,
                const struct exec_box *box)
{
    struct process *p = xcalloc(1, sizeof(*p));
    struct start *s = start_new();
    const char *why;

    CHECK(x->slots[slot] == NULL);
    p->run = spec->run;
    p->slot = slot;
    p->phase = PHASE_STARTING;
    p->start = s;
    p->cwd = xstrdup(cwd);
    p->is_boxed = box != NULL;
    for (int i = 0; i < STREAM_COUNT; i++)
        p->pipe[i] = (struct pipe_end){.fd = -1, .quiet_at = MONO_NEVER};
    x->slots[slot] = p;
    if (x->slots_used <= slot)
        x->slots_used = slot + 1;
    (void)snprintf(p->mark, sizeof(p->mark), "WRATA_AGENT_RUN=%.60s/%" PRIx64 "/%" PRIu64 "/", x->mark,
                   x->opts.incarnation, p->run);
    set_log_limit(p, spec->log_max_bytes);
    why = refusal(x, p, spec);
    if (why != NULL) {
        exec_start_failed(x, p, why);
        return;
    }
    s->argv = run_argv(&s->arena, spec, x->adapter_rspec, x->pytest_folder);
    if (box != NULL) {
        readers_make(x, p, spec);
        exec_start_boxed(x, p, spec, box);
        return;
    }
    s->envp = run_env(&s->arena, spec,
                      &(struct run_env_opts){.slot = slot,
                                             .has_channel = has_channel(spec),
                                             .pytest_folder = x->pytest_folder,
                                             .mark = p->mark},
                      &s->secrets);
    readers_make(x, p, spec);
    if (!exec_start_warm(x, p, spec))
        exec_start_plain(x, p);
}
