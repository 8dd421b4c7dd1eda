/* exec.c - see exec.h. A slot's process goes through:
 *
 *     starting (exec_start.c) -> running -> (exit seen) -> draining its pipes -> killing what is left
 *         -> gone, AG_EV_EXITED
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

#define KILL_CHECK_MS 2
#define KILL_GIVE_UP_MS 3000 /* a process the kernel does not let die must not hold the slot for ever */
#define DESCRIBE_MAX 900u
#define CHILDREN_MAX 512
#define MASKED_BYTES_MAX (MASK_GROWTH * (READ_BYTES + MASK_FORM_BYTES_MAX))
#define START_TOLERANCE_US 50000u

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
    x->warm = exec_warm_new(x);
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

void exec_process_free(struct exec *x, struct process *p)
{
    if (p->reader > 0)
        (void)kill(-p->reader, SIGKILL);
    exec_box_leave(x, p);
    exec_start_free(p->start);
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
    warm_leave(x->warm, mono_now(), p->slot);
    while (x->slots_used > 0 && x->slots[x->slots_used - 1] == NULL)
        x->slots_used--;
    log_ring_free(p->tail);
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
            if (x->slots[i]->box != NULL)
                (void)kill(x->slots[i]->box->pid, SIGQUIT); /* it removes the container, also without us */
            else if (x->slots[i]->pid > 0)
                (void)kill(-x->slots[i]->pid, SIGKILL);
            exec_process_free(x, x->slots[i]);
        }
        if (x->groups[i] != NULL)
            cgroup_kill(x->groups[i]);
        cgroup_slot_close(x->groups[i]);
    }
    warm_free(x->warm);
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

static bool pipes_are_closed(const struct process *p)
{
    return p->pipe[STREAM_LOG].fd < 0 && p->pipe[STREAM_RESULTS].fd < 0;
}

/* ---- what a run leaves behind ---- */

static bool is_main_pid(const struct exec *x, pid_t pid)
{
    for (uint32_t i = 0; i < x->slots_used; i++)
        if (x->slots[i] != NULL &&
            ((x->slots[i]->pid == pid && x->slots[i]->phase == PHASE_RUNNING) || x->slots[i]->reader == pid ||
             (x->slots[i]->box != NULL && x->slots[i]->box->pid == pid)))
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
    const char *warm = warm_mark(x->warm, p->slot);
    struct proc_info info;
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        if (is_main_pid(x, pids[i]) || warm_is_known_pid(x->warm, pids[i]) ||
            x->opts.is_known_pid(x->opts.ctx, pids[i]))
            continue;
        if (!proc_get(pids[i], &info) || info.state == 'Z')
            continue;
        if (!proc_has_env(pids[i], p->mark) && !is_alone(x, p) &&
            (warm == NULL || !proc_has_env(pids[i], warm)))
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

    if (p->is_boxed) /* whoever said that it ended had ended all of it */
        return false;
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
        exec_let_go(x, p, now, i, true); /* of a pipe that somebody else still holds open */
    if (p->tap != NULL) {
        p->tap_now = now;
        tap_end(p->tap, !e->is_signal && !p->was_signalled);
    }
    if (!p->is_boxed)
        e->oom = cgroup_was_oom(x->groups[p->slot]);
    e->log_dropped = exec_log_close(x, p);
    e->log_gap_plus_one = p->gap_plus_one;
    if (p->note != NULL)
        spool_stream_end(x->opts.spool, p->run, STREAM_LOG, p->note, strlen(p->note));
    for (uint32_t i = 0; i < STREAM_COUNT; i++)
        e->len[i] = spool_len(x->opts.spool, p->run, i);
    e->text = slice_of(p->text);
    post(x, now, &(struct agent_event){.kind = AG_EV_EXITED, .run = p->run, .exit = e, .wall = e->wall});
    exec_process_free(x, p);
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
    if (p->phase == PHASE_STARTING || p->phase == PHASE_RUNNING)
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

    if (exec_box_reaped(x, now, pid, status))
        return true;
    for (uint32_t i = 0; i < x->slots_used && p == NULL; i++) {
        if (x->slots[i] != NULL && x->slots[i]->reader == pid) {
            exec_reader_ended(x, x->slots[i], now, status);
            return true;
        }
        if (x->slots[i] != NULL && x->slots[i]->pid == pid && x->slots[i]->phase == PHASE_RUNNING)
            p = x->slots[i];
    }
    if (p == NULL)
        return warm_reaped(x->warm, now, pid);
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
    uint64_t n = p->tail == NULL ? 0 : log_ring_kept(p->tail);
    char *to;

    if (n == 0) {
        spool_tail(x->opts.spool, p->run, STREAM_LOG, KIB(1), b);
        return;
    }
    n = n < KIB(1) ? n : KIB(1);
    to = buf_reserve(b, (size_t)n);
    if (to != NULL && log_ring_read(p->tail, n, to, (size_t)n))
        buf_commit(b, (size_t)n);
}

/* What it does now, before a limit ends it: for the reason, and for the end of its log. */
static void describe(struct exec *x, struct process *p)
{
    pid_t pids[CHILDREN_MAX];
    struct describe_from f = {.pids = pids, .mask = p->mask};
    struct buf reason, note, results, last;

    f.n_pids = p->box != NULL ? exec_box_pids(p, pids, CHILDREN_MAX)
                              : cgroup_pids(x->groups[p->slot], pids, CHILDREN_MAX);
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
    if (p->phase == PHASE_STARTING && p->box != NULL) {
        exec_box_signal(x, p, now, AG_KILL);
        return;
    }
    if (p->phase == PHASE_STARTING) {
        exec_start_failed(x, p, "it was given up before its process was there");
        return;
    }
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
    if (p->box != NULL) {
        exec_box_signal(x, p, now, sig);
        return;
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
        if (p != NULL && p->box != NULL && n < max)
            fds[n++] = (struct pollfd){.fd = p->box->fd, .events = POLLIN};
    }
    return n + warm_poll_add(x->warm, fds + n, max - n);
}

void exec_poll_done(struct exec *x, struct mono now, const struct pollfd *fds, size_t n)
{
    for (uint32_t i = 0; i < x->slots_used; i++) {
        struct process *p = x->slots[i];
        bool ready = false;

        for (size_t f = 0; p != NULL && p->box != NULL && f < n; f++)
            if (fds[f].fd == p->box->fd && fds[f].revents != 0) {
                exec_box_read(x, p, now);
                break;
            }
        p = x->slots[i]; /* its start may have failed */
        for (uint32_t k = 0; p != NULL && k < STREAM_COUNT; k++) {
            for (size_t f = 0; f < n && p->pipe[k].fd >= 0; f++) {
                if (fds[f].fd != p->pipe[k].fd || fds[f].revents == 0)
                    continue;
                ready = true;
                exec_next_look(&p->pipe[k], now, exec_pipe_read(x, p, now, k));
                break;
            }
        }
        if (ready)
            exec_advance(x, p, now);
    }
    warm_poll_done(x->warm, now, fds, n);
}

struct mono exec_deadline(const struct exec *x)
{
    struct mono t = warm_deadline(x->warm);

    for (uint32_t i = 0; i < x->slots_used; i++) {
        const struct process *p = x->slots[i];

        if (p == NULL)
            continue;
        for (int k = 0; k < STREAM_COUNT; k++) {
            if (p->pipe[k].fd >= 0 && mono_before(x->polled_at, p->pipe[k].look_at))
                t = mono_min(t, p->pipe[k].look_at);
            t = mono_min(t, p->pipe[k].quiet_at);
        }
        if (p->box != NULL)
            t = mono_min(t, p->box->give_up);
        if (p->phase == PHASE_DRAINING || p->phase == PHASE_REPORTING || p->phase == PHASE_KEEPING)
            t = mono_min(t, p->phase_end);
        if (p->phase == PHASE_KILLING)
            t = mono_min(t, p->next_check);
    }
    return t;
}

void exec_tick(struct exec *x, struct mono now)
{
    warm_tick(x->warm, now);
    for (uint32_t i = 0; i < x->slots_used; i++) {
        struct process *p = x->slots[i];

        for (uint32_t k = 0; p != NULL && k < STREAM_COUNT; k++)
            if (!mono_before(now, p->pipe[k].quiet_at))
                exec_let_go(x, p, now, k, false);
        if (p != NULL && p->box != NULL)
            exec_box_tick(x, p, now);
        if (p == NULL || p->phase == PHASE_STARTING || p->phase == PHASE_RUNNING)
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
