/* exec.c - see exec.h. A slot's process goes through:
 *
 *     running -> (exit seen) -> draining its pipes -> killing what is left -> gone, AG_EV_EXITED
 *
 * and for the usual script all of that happens in the turn that saw the exit. When its results are in files
 * (adapter junit) it is reporting before it is gone: a process of ours reads them. */
#include "agent/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/artifacts.h"
#include "agent/describe.h"
#include "agent/exec_private.h"
#include "agent/launch.h"
#include "agent/procs.h"
#include "base/log.h"
#include "base/mask.h"
#include "report/tap.h"

#define FIRST_LOOK_MS 10
#define LOOK_EVERY_US 5000
#define LOOK_AT_ONCE_US 150 /* a wait shorter than this costs more than it saves */
#define PIPE_BYTES 262144   /* for a script that fills the usual 64 KiB: fewer turns each way */
#define READS_PER_LOOK 8
#define KILL_CHECK_MS 2
#define KILL_GIVE_UP_MS 3000 /* a process the kernel does not let die must not hold the slot for ever */
#define MARK_ROOM 256u       /* of the log's limit, for the line that tells of the cut */
#define DESCRIBE_MAX 900u
#define CHILDREN_MAX 512
#define MASK_QUIET_MS 50 /* what a secret could begin with is held back so long, then a log must not lag */
#define MASKED_BYTES_MAX (MASK_GROWTH * (READ_BYTES + MASK_FORM_BYTES_MAX))
#define START_TOLERANCE_US 50000u

#define TAP_QUIET_MS 50 /* then what follows a test of TAP is not waited for */

static void post(struct exec *x, struct mono now, const struct agent_event *ev)
{
    x->opts.post(x->opts.ctx, now, ev);
}

static struct process *process_of(const struct exec *x, uint64_t run)
{
    for (uint32_t i = 0; i < x->slots_used; i++)
        if (x->slots[i] != NULL && x->slots[i]->run == run)
            return x->slots[i];
    return NULL;
}

struct exec *exec_new(const struct exec_opts *opts)
{
    struct exec *x = xcalloc(1, sizeof(*x));

    x->opts = *opts;
    x->dir = xstrdup(opts->dir);
    x->mark = xstrdup(opts->mark);
    x->adapter_rspec = opts->adapter_rspec != NULL ? xstrdup(opts->adapter_rspec) : NULL;
    x->pytest_folder = opts->pytest_folder != NULL ? xstrdup(opts->pytest_folder) : NULL;
    x->boot = proc_boot_id();
    x->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    buf_init(&x->masked, MASKED_BYTES_MAX);
    arena_init(&x->arena);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return x;
}

static void reports_free(struct process *p)
{
    for (uint32_t i = 0; i < p->n_reports; i++)
        free(p->reports[i]);
    free(p->reports);
    free(p->cwd);
    artifacts_command_free(p->keep);
    tap_free(p->tap);
}

static void process_free(struct exec *x, struct process *p)
{
    if (p->reader > 0)
        (void)kill(-p->reader, SIGKILL);
    reports_free(p);
    for (int i = 0; i < STREAM_COUNT; i++) {
        if (p->pipe[i].fd >= 0)
            (void)close(p->pipe[i].fd);
        if (p->mask != NULL)
            mask_stream_done(&p->pipe[i].mask);
    }
    if (p->mask != NULL)
        mem_wipe(x->buf, sizeof(x->buf)); /* it may have written them */
    mask_free(p->mask);
    x->slots[p->slot] = NULL;
    while (x->slots_used > 0 && x->slots[x->slots_used - 1] == NULL)
        x->slots_used--;
    free(p->tail);
    free(p->text);
    free(p->note);
    free(p);
}

void exec_free(struct exec *x)
{
    if (x == NULL)
        return;
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++) {
        if (x->slots[i] != NULL) {
            (void)kill(-x->slots[i]->pid, SIGKILL);
            process_free(x, x->slots[i]);
        }
        if (x->groups[i] != NULL)
            cgroup_kill(x->groups[i]);
        cgroup_slot_close(x->groups[i]);
    }
    if (x->null_fd >= 0)
        (void)close(x->null_fd);
    arena_done(&x->arena);
    buf_done(&x->masked);
    free(x->adapter_rspec);
    free(x->pytest_folder);
    free(x->mark);
    free(x->dir);
    free(x);
}

void exec_take_bytes(struct exec *x, struct process *p, struct mono now, uint32_t stream, const char *data,
                     size_t n);

/* ---- starting ---- */

static void spawn_failed(struct exec *x, const struct process *p, bool no_disk, const char *text)
{
    post(x, mono_now(),
         &(struct agent_event){.kind = AG_EV_SPAWN_FAILED,
                               .run = p->run,
                               .wall = wall_now(),
                               .no_disk = no_disk,
                               .text = slice_of(text)});
}

static const char *start_error(struct exec *x, const char *name, const char *cwd, const char *step, int error)
{
    if (strcmp(step, "chdir") == 0)
        return arena_printf(&x->arena, "the folder %s cannot be entered: %s", cwd, strerror(error));
    if (error == ENOENT && strchr(name, '/') == NULL)
        return arena_printf(&x->arena, "%.200s: command not found on this server", name);
    if (error == ENOENT)
        return arena_printf(
            &x->arena, "%.200s: no such file on this server (or the program its first line names)", name);
    return arena_printf(&x->arena, "%.200s: %s", name, strerror(error));
}

static struct cgroup_slot *group_of(struct exec *x, uint32_t slot)
{
    if (!x->group_tried[slot])
        x->groups[slot] = cgroup_slot_open(x->opts.cgroup, slot);
    x->group_tried[slot] = true;
    return x->groups[slot];
}

static void set_log_limit(struct process *p, uint64_t max)
{
    if (max == 0 || max > EXEC_LOG_MAX_BYTES)
        max = EXEC_LOG_MAX_BYTES;
    p->log_max = max;
    p->tail_max = max / 2 < EXEC_LOG_TAIL_BYTES ? (size_t)(max / 2) : EXEC_LOG_TAIL_BYTES;
    p->log_head_max = max - p->tail_max;
    p->log_head_max -= p->log_head_max > MARK_ROOM * 2 ? MARK_ROOM : 0;
}

/* What is to be hidden in what the run writes. False: it is more than can be. */
static bool mask_make(struct process *p, const struct frame_run_spec *spec, struct arena *a)
{
    struct slice *values = arena_alloc(a, (spec->n_secrets + 1) * sizeof(*values));
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
static void readers_make(struct exec *x, struct process *p, const struct frame_run_spec *spec,
                         const char *cwd)
{
    struct timespec ts = {0};

    if (slice_eq(spec->adapter, SLICE("tap"))) {
        p->exec = x;
        p->tap = tap_new(cwd, tap_line, p);
    }
    /* Files get the kernel's coarse time: a finer clock would be ahead of it. */
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &ts);
    p->started_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    p->cwd = xstrdup(cwd);
    p->keep = artifacts_command(spec, x->dir, p->started_ns);
    if (!slice_eq(spec->adapter, SLICE("junit")))
        return;
    p->reports = xcalloc(spec->n_reports + 1, sizeof(*p->reports));
    for (; p->n_reports < spec->n_reports; p->n_reports++)
        p->reports[p->n_reports] =
            xstrndup(spec->reports[p->n_reports].s.ptr, spec->reports[p->n_reports].s.len);
}

void exec_spawn(struct exec *x, const struct frame_run_spec *spec, uint32_t slot, const char *cwd)
{
    struct process *p = xcalloc(1, sizeof(*p));
    bool has_results = has_channel(spec);
    struct cgroup_slot *group = group_of(x, slot);
    struct launch l = {.cwd = cwd, .in = x->null_fd, .out = -1, .results = -1};
    int log[2] = {-1, -1};
    int results[2] = {-1, -1};
    struct secret_env secrets = {NULL, 0};
    struct spool_started st;
    const char *step = "";
    struct mono now;
    int joins[3];
    int error;

    CHECK(x->slots[slot] == NULL);
    arena_reset(&x->arena);
    p->run = spec->run;
    p->slot = slot;
    p->pipe[0].fd = p->pipe[1].fd = -1;
    (void)snprintf(p->mark, sizeof(p->mark), "WRATA_AGENT_RUN=%.60s/%" PRIx64 "/%" PRIu64 "/", x->mark,
                   x->opts.incarnation, p->run);
    set_log_limit(p, spec->log_max_bytes);
    if (spec->n_argv == 0 || spec->argv[0].s.len == 0) {
        spawn_failed(x, p, false, "the command is empty");
        goto fail;
    }
    if (spool_is_low(x->opts.spool)) {
        spawn_failed(x, p, true, "the disk of the server is full");
        goto fail;
    }
    if (!cgroup_limit(group, spec->memory_max_bytes, spec->pids_max)) {
        spawn_failed(x, p, false, "this server has no control groups that could limit memory or processes");
        goto fail;
    }
    if (!mask_make(p, spec, &x->arena)) {
        spawn_failed(x, p, false,
                     arena_printf(&x->arena, "its secrets have more than %zu bytes", MASK_SECRETS_BYTES_MAX));
        goto fail;
    }
    if (pipe2(log, O_CLOEXEC) != 0 || (has_results && pipe2(results, O_CLOEXEC) != 0)) {
        spawn_failed(x, p, false, arena_printf(&x->arena, "no pipe for its output: %s", strerror(errno)));
        goto fail;
    }
    l.out = log[1];
    l.results = results[1];
    l.joins = joins;
    l.n_joins = cgroup_join_fds(group, joins);
    l.argv = run_argv(&x->arena, spec, x->adapter_rspec, x->pytest_folder);
    l.envp = run_env(
        &x->arena, spec,
        &(struct run_env_opts){
            .slot = slot, .has_channel = has_results, .pytest_folder = x->pytest_folder, .mark = p->mark},
        &secrets);
    readers_make(x, p, spec, cwd);
    st = (struct spool_started){.slot = slot, .start_us = proc_boottime_us(), .boot = x->boot};
    p->pid = launch_child(&l, &x->arena, &step);
    now = mono_now();
    error = errno;
    secret_env_done(&secrets);
    if (p->pid < 0) {
        spawn_failed(x, p, false, start_error(x, l.argv[0], cwd, step, error));
        goto fail;
    }
    (void)close(log[1]);
    if (has_results)
        (void)close(results[1]);
    st.pid = (uint32_t)p->pid;
    spool_started(x->opts.spool, p->run, &st);
    for (int i = 0; i < STREAM_COUNT; i++) {
        p->pipe[i] = (struct pipe_end){.fd = i == STREAM_LOG ? log[0] : results[0],
                                       .every_us = LOOK_EVERY_US,
                                       .look_at = mono_add_ms(now, FIRST_LOOK_MS),
                                       .quiet_at = MONO_NEVER};
        if (p->mask != NULL)
            mask_stream_init(&p->pipe[i].mask, p->mask);
        if (p->pipe[i].fd >= 0)
            (void)fcntl(p->pipe[i].fd, F_SETFL, O_NONBLOCK); /* the reader's end only */
    }
    x->slots[slot] = p;
    if (x->slots_used <= slot)
        x->slots_used = slot + 1;
    post(x, now, &(struct agent_event){.kind = AG_EV_SPAWNED, .run = p->run, .wall = wall_now()});
    return;
fail:
    for (int i = 0; i < 2; i++) {
        if (log[i] >= 0)
            (void)close(log[i]);
        if (results[i] >= 0)
            (void)close(results[i]);
    }
    mask_free(p->mask);
    reports_free(p);
    free(p);
}

/* ---- streams ---- */

static void keep_tail(struct process *p, const char *data, size_t n)
{
    if (p->tail == NULL)
        p->tail = xmalloc(p->tail_max + 1);
    while (n > 0) {
        size_t at = (size_t)(p->log_over % (p->tail_max + 1));
        size_t part = p->tail_max + 1 - at < n ? p->tail_max + 1 - at : n;

        memcpy(p->tail + at, data, part);
        p->log_over += part;
        data += part;
        n -= part;
    }
}

static void lost(struct exec *x, struct process *p, struct mono now, size_t n)
{
    p->lost += n;
    if (p->no_disk)
        return;
    p->no_disk = true;
    post(x, now, &(struct agent_event){.kind = AG_EV_NO_DISK, .run = p->run, .wall = wall_now()});
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
        keep_tail(p, data + part, n - part);
    post(x, now,
         &(struct agent_event){.kind = AG_EV_GREW, .run = p->run, .stream = stream, .len = len + part});
}

/* What the mask lets go of a stream. Bytes that it holds are output too: the run is not silent. */
static void take_masked(struct exec *x, struct process *p, struct mono now, uint32_t stream)
{
    if (x->masked.len > 0)
        exec_take_bytes(x, p, now, stream, x->masked.data, x->masked.len);
    else if (!p->no_disk)
        post(x, now,
             &(struct agent_event){.kind = AG_EV_GREW,
                                   .run = p->run,
                                   .stream = stream,
                                   .len = spool_len(x->opts.spool, p->run, stream)});
}

/* Nothing of a run that has secrets reaches spool, tail or link but through here. */
static void take_raw(struct exec *x, struct process *p, struct mono now, uint32_t stream, const char *data,
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

/* Nothing came for a while (or will come any more, at_end): what is held back goes, as far as it may. */
static void let_go(struct exec *x, struct process *p, struct mono now, uint32_t stream, bool at_end)
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

/* Read a pipe until it is empty, at most READS_PER_LOOK times. Returns the bytes read. */
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
            let_go(x, p, now, stream, true);
            break;
        }
        take_raw(x, p, now, stream, x->buf, (size_t)n);
        total += (size_t)n;
        if (p->phase == PHASE_RUNNING && (size_t)n < READ_BYTES / 2)
            break; /* most likely all there was: the next look tells */
    }
    return total;
}

static void next_look(struct pipe_end *e, struct mono now, size_t got)
{
    if (got >= READ_BYTES / 2) {
        if (!e->is_large)
            (void)fcntl(e->fd, F_SETPIPE_SZ, PIPE_BYTES); /* without it all works as well */
        e->is_large = true;
        e->every_us = e->every_us / 4 < LOOK_AT_ONCE_US ? 0 : e->every_us / 4;
    } else if (got < READ_BYTES / 8) {
        e->every_us = e->every_us == 0 ? LOOK_AT_ONCE_US : e->every_us * 2;
        if (e->every_us > LOOK_EVERY_US)
            e->every_us = LOOK_EVERY_US;
    }
    e->look_at = (struct mono){now.us + e->every_us};
}

static bool pipes_are_closed(const struct process *p)
{
    return p->pipe[STREAM_LOG].fd < 0 && p->pipe[STREAM_RESULTS].fd < 0;
}

/* The end of the log: what was kept of the tail, behind a line that tells of the gap. */
static uint64_t log_close(struct exec *x, struct process *p)
{
    uint64_t dropped = 0;
    size_t ring = p->tail_max + 1;
    size_t n;
    size_t at;

    if (p->log_over == 0)
        return p->lost;
    n = p->log_over > p->tail_max ? p->tail_max : (size_t)p->log_over;
    dropped = p->log_over - n;
    if (dropped > 0) {
        char *mark =
            arena_printf(&x->arena,
                         "\n[wrata: %" PRIu64 " bytes of output are not kept here: the limit of %" PRIu64
                         " bytes was reached]\n",
                         dropped, p->log_max);

        spool_stream_end(x->opts.spool, p->run, STREAM_LOG, mark, strlen(mark));
    }
    at = (size_t)((p->log_over - n) % ring);
    while (n > 0) {
        size_t part = ring - at < n ? ring - at : n;

        spool_stream_end(x->opts.spool, p->run, STREAM_LOG, p->tail + at, part);
        n -= part;
        at = 0;
    }
    return dropped + p->lost;
}

/* ---- what a run leaves behind ---- */

static bool is_main_pid(const struct exec *x, pid_t pid)
{
    for (uint32_t i = 0; i < x->slots_used; i++)
        if (x->slots[i] != NULL &&
            ((x->slots[i]->pid == pid && x->slots[i]->phase == PHASE_RUNNING) || x->slots[i]->reader == pid))
            return true;
    return false;
}

static bool is_alone(const struct exec *x, const struct process *p)
{
    for (uint32_t i = 0; i < x->slots_used; i++)
        if (x->slots[i] != NULL && x->slots[i] != p)
            return false;
    return true;
}

/* Orphans that we adopted and that were this run's. A process that wiped its environment belongs to the run
 * only when there is no other it could belong to. */
static bool adopted_remain(struct exec *x, const struct process *p, bool do_kill)
{
    pid_t pids[CHILDREN_MAX];
    size_t n = proc_children(pids, CHILDREN_MAX);
    struct proc_info info;
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        if (is_main_pid(x, pids[i]) || x->opts.is_known_pid(x->opts.ctx, pids[i]))
            continue;
        if (!proc_get(pids[i], &info) || info.state == 'Z')
            continue;
        if (!proc_has_env(pids[i], p->mark) && !is_alone(x, p))
            continue;
        found = true;
        if (do_kill)
            (void)kill(pids[i], SIGKILL);
    }
    return found;
}

/* Has the run processes left? With do_kill they get SIGKILL; ask again until none is left. */
static bool leftovers(struct exec *x, const struct process *p, bool do_kill)
{
    struct cgroup_slot *g = x->groups[p->slot];
    bool found;

    if (cgroup_can_hold(g)) {
        found = !cgroup_is_empty(g);
        if (found && do_kill)
            cgroup_kill(g);
        return found;
    }
    found = kill(-p->pid, do_kill ? SIGKILL : 0) == 0;
    return adopted_remain(x, p, do_kill) || found;
}

/* ---- the end ---- */

static void finish(struct exec *x, struct process *p, struct mono now)
{
    struct agent_exit *e = &p->exit;

    arena_reset(&x->arena);
    for (uint32_t i = 0; i < STREAM_COUNT; i++)
        let_go(x, p, now, i, true); /* of a pipe that somebody else still holds open */
    if (p->tap != NULL) {
        p->tap_now = now;
        tap_end(p->tap, !e->is_signal && !p->was_signalled);
    }
    e->oom = cgroup_was_oom(x->groups[p->slot]);
    e->log_dropped = log_close(x, p);
    if (p->note != NULL)
        spool_stream_end(x->opts.spool, p->run, STREAM_LOG, p->note, strlen(p->note));
    for (uint32_t i = 0; i < STREAM_COUNT; i++)
        e->len[i] = spool_len(x->opts.spool, p->run, i);
    e->text = slice_of(p->text);
    post(x, now, &(struct agent_event){.kind = AG_EV_EXITED, .run = p->run, .exit = e, .wall = e->wall});
    process_free(x, p);
}

static void begin_killing(struct process *p, struct mono now)
{
    if (p->phase == PHASE_KILLING)
        return;
    p->phase = PHASE_KILLING;
    p->phase_end = mono_add_ms(now, KILL_GIVE_UP_MS);
    p->next_check = now;
}

/* Go as far towards the end as is possible now. */
void exec_advance(struct exec *x, struct process *p, struct mono now)
{
    if (p->phase == PHASE_RUNNING)
        return;
    for (uint32_t i = 0; i < STREAM_COUNT; i++)
        (void)exec_pipe_read(x, p, now, i);
    if (p->phase == PHASE_DRAINING) {
        if (!pipes_are_closed(p) && mono_before(now, p->phase_end))
            return;
        begin_killing(p, now);
    }
    if (p->phase == PHASE_REPORTING || p->phase == PHASE_KEEPING) {
        if (!exec_reporting_is_over(x, p, now) || exec_begin_keeping(x, p, now))
            return;
        finish(x, p, now);
        return;
    }
    if (leftovers(x, p, true) && mono_before(now, p->phase_end)) {
        p->next_check = mono_add_ms(now, KILL_CHECK_MS);
        return;
    }
    for (uint32_t i = 0; i < STREAM_COUNT; i++)
        (void)exec_pipe_read(x, p, now, i); /* last words of those just killed */
    if (p->reports != NULL && !p->has_reported) {
        exec_begin_reporting(x, p, now);
        if (p->reader > 0)
            return;
    }
    if (!exec_begin_keeping(x, p, now))
        finish(x, p, now);
}

bool exec_reaped(struct exec *x, struct mono now, pid_t pid, int status, const struct rusage *ru)
{
    struct process *p = NULL;

    for (uint32_t i = 0; i < x->slots_used && p == NULL; i++) {
        if (x->slots[i] != NULL && x->slots[i]->reader == pid) {
            exec_reader_ended(x, x->slots[i], now, status);
            return true;
        }
        if (x->slots[i] != NULL && x->slots[i]->pid == pid && x->slots[i]->phase == PHASE_RUNNING)
            p = x->slots[i];
    }
    if (p == NULL)
        return false;
    p->exit.at = now;
    p->exit.wall = wall_now();
    p->exit.is_signal = WIFSIGNALED(status);
    p->exit.code = (uint32_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    p->exit.user_us = (uint64_t)ru->ru_utime.tv_sec * 1000000u + (uint64_t)ru->ru_utime.tv_usec;
    p->exit.system_us = (uint64_t)ru->ru_stime.tv_sec * 1000000u + (uint64_t)ru->ru_stime.tv_usec;
    p->exit.max_rss_kib = (uint64_t)ru->ru_maxrss;
    p->phase = PHASE_DRAINING;
    p->phase_end = mono_add_ms(now, EXEC_DRAIN_MS);
    exec_advance(x, p, now);
    return true;
}

/* The end of what it wrote. */
static void last_bytes(struct exec *x, const struct process *p, struct buf *b)
{
    size_t n = p->log_over > KIB(1) ? KIB(1) : (size_t)p->log_over;

    if (p->log_over == 0)
        spool_tail(x->opts.spool, p->run, STREAM_LOG, KIB(1), b);
    if (n > p->tail_max)
        n = p->tail_max;
    for (uint64_t i = p->log_over - n; i < p->log_over; i++)
        buf_putc(b, p->tail[i % (p->tail_max + 1)]);
}

/* What it does now, before a limit ends it: for the reason, and for the end of its log. */
static void describe(struct exec *x, struct process *p)
{
    pid_t pids[CHILDREN_MAX];
    struct describe_from f = {.pids = pids, .mask = p->mask};
    struct buf reason, note, results, last;

    f.n_pids = cgroup_pids(x->groups[p->slot], pids, CHILDREN_MAX);
    if (f.n_pids == 0) {
        f.n_pids = proc_all(pids, CHILDREN_MAX);
        f.session = p->pid;
    }
    buf_init(&reason, KIB(16));
    buf_init(&note, KIB(64));
    buf_init(&results, DESCRIBE_RESULTS_BYTES + 1);
    buf_init(&last, KIB(4));
    spool_tail(x->opts.spool, p->run, STREAM_RESULTS, DESCRIBE_RESULTS_BYTES, &results);
    last_bytes(x, p, &last);
    f.results = buf_slice(&results);
    f.last = buf_slice(&last);
    describe_run(&f, DESCRIBE_MAX, &reason, &note);
    buf_done(&results);
    buf_done(&last);
    free(p->text);
    free(p->note);
    p->text = buf_take(&reason, NULL);
    p->note = buf_take(&note, NULL);
}

void exec_signal(struct exec *x, struct mono now, uint64_t run, enum agent_signal sig, bool do_describe)
{
    struct process *p = process_of(x, run);

    if (p == NULL)
        return;
    p->was_signalled = true;
    if (p->phase == PHASE_REPORTING) {
        p->phase_end = now;
        return;
    }
    if (p->phase == PHASE_KEEPING) { /* its processes are gone: only who wants nothing more of it kills */
        p->phase_end = sig == AG_KILL ? now : p->phase_end;
        return;
    }
    if (p->phase != PHASE_RUNNING) {
        begin_killing(p, now);
        return;
    }
    if (do_describe) {
        (void)exec_pipe_read(x, p, now, STREAM_LOG);
        describe(x, p);
    }
    (void)kill(-p->pid, sig == AG_TERM ? SIGTERM : SIGKILL);
    if (sig == AG_TERM)
        (void)kill(-p->pid, SIGCONT); /* a stopped process does not see TERM */
    else if (x->groups[p->slot] != NULL)
        cgroup_kill(x->groups[p->slot]);
}

/* ---- the loop's side ---- */

size_t exec_poll_add(struct exec *x, struct mono now, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    x->polled_at = now;
    for (uint32_t i = 0; i < x->slots_used; i++) {
        struct process *p = x->slots[i];

        for (int k = 0; p != NULL && k < STREAM_COUNT; k++)
            if (p->pipe[k].fd >= 0 && n < max && !mono_before(now, p->pipe[k].look_at))
                fds[n++] = (struct pollfd){.fd = p->pipe[k].fd, .events = POLLIN};
    }
    return n;
}

void exec_poll_done(struct exec *x, struct mono now, const struct pollfd *fds, size_t n)
{
    for (uint32_t i = 0; i < x->slots_used; i++) {
        struct process *p = x->slots[i];
        bool ready = false;

        for (uint32_t k = 0; p != NULL && k < STREAM_COUNT; k++) {
            for (size_t f = 0; f < n && p->pipe[k].fd >= 0; f++) {
                if (fds[f].fd != p->pipe[k].fd || fds[f].revents == 0)
                    continue;
                ready = true;
                next_look(&p->pipe[k], now, exec_pipe_read(x, p, now, k));
                break;
            }
        }
        if (ready)
            exec_advance(x, p, now);
    }
}

struct mono exec_deadline(const struct exec *x)
{
    struct mono t = MONO_NEVER;

    for (uint32_t i = 0; i < x->slots_used; i++) {
        const struct process *p = x->slots[i];

        if (p == NULL)
            continue;
        for (int k = 0; k < STREAM_COUNT; k++) {
            if (p->pipe[k].fd >= 0 && mono_before(x->polled_at, p->pipe[k].look_at))
                t = mono_min(t, p->pipe[k].look_at);
            t = mono_min(t, p->pipe[k].quiet_at);
        }
        if (p->phase == PHASE_DRAINING || p->phase == PHASE_REPORTING || p->phase == PHASE_KEEPING)
            t = mono_min(t, p->phase_end);
        if (p->phase == PHASE_KILLING)
            t = mono_min(t, p->next_check);
    }
    return t;
}

void exec_tick(struct exec *x, struct mono now)
{
    for (uint32_t i = 0; i < x->slots_used; i++) {
        struct process *p = x->slots[i];

        for (uint32_t k = 0; p != NULL && k < STREAM_COUNT; k++)
            if (!mono_before(now, p->pipe[k].quiet_at))
                let_go(x, p, now, k, false);
        if (p == NULL || p->phase == PHASE_RUNNING)
            continue;
        if (!mono_before(now, p->phase == PHASE_KILLING ? p->next_check : p->phase_end))
            exec_advance(x, p, now);
    }
}

/* ---- after a crash of the agent ---- */

static void kill_recorded(const struct spool_started *st)
{
    pid_t pid = (pid_t)st->pid;
    struct proc_info info;

    if (proc_get(pid, &info)) {
        uint64_t diff =
            info.start_us > st->start_us ? info.start_us - st->start_us : st->start_us - info.start_us;

        if (diff <= START_TOLERANCE_US && info.pgrp == pid)
            (void)kill(-pid, SIGKILL);
    }
}

void exec_kill_leftovers(struct exec *x, const struct spool_started *started, size_t n)
{
    char prefix[128];
    size_t max = 32768;
    pid_t *pids;
    bool found = true;

    for (size_t i = 0; i < n; i++)
        if (started[i].boot == x->boot)
            kill_recorded(&started[i]);
    cgroup_kill_all(x->opts.cgroup);
    (void)snprintf(prefix, sizeof(prefix), "WRATA_AGENT_RUN=%.60s/", x->mark);
    pids = xmalloc(max * sizeof(pid_t));
    for (int round = 0; found && round < 200; round++) {
        size_t all = proc_all(pids, max);

        found = false;
        for (size_t i = 0; i < all; i++) {
            struct proc_info info;

            if (pids[i] == getpid() || !proc_has_env(pids[i], prefix) || !proc_get(pids[i], &info) ||
                info.state == 'Z')
                continue;
            found = true;
            (void)kill(pids[i], SIGKILL);
        }
        if (found)
            (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    free(pids);
}
