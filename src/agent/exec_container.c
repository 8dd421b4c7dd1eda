/* exec_container.c - runs in containers, as the agent's loop sees them: a helper each (container_run.h), its words, its end.
 *
 *     STARTING   the helper makes and starts the container, the image's hook runs: the log is read already
 *     RUNNING    it said `began`
 *     DRAINING   it said `exited`: all in the container is gone. The helper goes on removing it, which the next run of this slot
 *                does not wait for (containers.c sees to it)
 *
 * A helper that ends without `exited` means that the run could not be started, or that somebody ended the helper: its container
 * ends then as well, for nobody is at the other end of its socket. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container_plan.h"
#include "agent/container_start.h"
#include "agent/exec_private.h"
#include "agent/procs.h"

#define GIVE_UP_MS 420000 /* a helper that was told to end: longer than all it may wait for */
#define PIDS_MAX 32768u

/* ---- starting ---- */

/* The value of a variable of the run; "": it has none of that name. */
static const char *value_of(const struct frame_run_spec *spec, const char *name, struct arena *a)
{
    size_t n = strlen(name);

    for (uint32_t i = 0; i < spec->n_env; i++) {
        struct slice s = spec->env[i].s;

        if (s.len > n && memcmp(s.ptr, name, n) == 0 && s.ptr[n] == '=')
            return arena_strndup(a, s.ptr + n + 1, s.len - n - 1);
    }
    return "";
}

static const char *order_make(struct exec *x, struct process *p, const struct frame_run_spec *spec,
                              const struct exec_box *box, struct container_order *ret)
{
    struct arena *a = &p->start->arena;
    struct slice *lines = arena_alloc(a, (spec->n_setup + 1) * sizeof(*lines));
    struct container_place place = {.dir = x->dir, .mark = x->mark, .incarnation = x->opts.incarnation};
    struct container_what what = {.run = p->run,
                                  .slot = p->slot,
                                  .server = value_of(spec, "WRATA_SERVER", a),
                                  .tree = p->cwd,
                                  .git = box->git,
                                  .environment = box->environment,
                                  .memory_max_bytes = spec->memory_max_bytes,
                                  .pids_max = spec->pids_max};
    struct why why = {0};
    struct setup *setup = arena_alloc(a, sizeof(*setup));
    const char *fault;

    for (uint32_t i = 0; i < spec->n_setup; i++)
        lines[i] = spec->setup[i].s;
    if (setup_read(lines, spec->n_setup, a, setup, &why) != ERR_OK)
        return arena_strdup(a, why.text);
    fault = container_plan(a, &place, box->ground, &setup->container, &what, ret);
    if (fault != NULL)
        return fault;
    for (char **word = p->start->argv; *word != NULL; word++)
        order_add(a, &ret->inside.argv, *word);
    ret->inside.has_results = p->start->to[STREAM_RESULTS] >= 0;
    run_env_boxed(a, spec,
                  &(struct run_env_opts){.slot = p->slot,
                                         .has_channel = ret->inside.has_results,
                                         .pytest_folder = x->pytest_folder,
                                         .mark = p->mark},
                  &ret->inside);
    return NULL;
}

void exec_start_boxed(struct exec *x, struct process *p, const struct frame_run_spec *spec,
                      const struct exec_box *box)
{
    struct start *s = p->start;
    struct spool_started st = {.slot = p->slot, .start_us = proc_boottime_us(), .boot = x->boot};
    struct container_order order;
    struct container_start c = {.order = &order, .out = s->to[STREAM_LOG], .results = s->to[STREAM_RESULTS]};
    const char *fault = order_make(x, p, spec, box, &order);
    struct box *b;

    if (fault == NULL) {
        fault = container_start(&c, &s->arena);
        for (uint32_t i = 0; i < order.inside.secrets.n; i++)
            mem_wipe((char *)(uintptr_t)order.inside.secrets.at[i], strlen(order.inside.secrets.at[i]));
    }
    if (fault != NULL) {
        exec_start_failed(x, p, fault);
        return;
    }
    for (int i = 0; i < STREAM_COUNT; i++) { /* the helper has them */
        if (s->to[i] >= 0)
            (void)close(s->to[i]);
        s->to[i] = -1;
    }
    b = xcalloc(1, sizeof(*b));
    b->pid = c.pid;
    b->fd = c.side;
    b->give_up = MONO_NEVER;
    (void)snprintf(b->name, sizeof(b->name), "%s", order.spec.name);
    p->box = b;
    /* An agent that dies now must not start it again: what the hook wrote is in the log. */
    spool_started(x->opts.spool, p->run, &st);
    exec_pipes_begin(p, mono_now());
}

/* ---- what its helper says ---- */

void exec_box_leave(struct exec *x, struct process *p)
{
    struct box *b = p->box;

    if (b == NULL)
        return;
    p->box = NULL;
    if (b->pid > 0)
        x->opts.leave(x->opts.ctx, b->pid, b->name);
    else if (!b->is_cleared)
        x->opts.leave(x->opts.ctx, 0, b->name);
    if (b->fd >= 0)
        (void)close(b->fd);
    free(b->failure);
    free(b);
}

static void on_exited(struct exec *x, struct process *p, struct mono now, const char *text)
{
    struct agent_exit *e = &p->exit;
    int how = 1;
    int oom = 0;

    e->code = SIGKILL;
    if (sscanf(text, "%d %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %d %" SCNu64, &how, &e->code,
               &e->user_us, &e->system_us, &e->max_rss_kib, &oom, &e->ran_us) != 7)
        how = 1;
    e->at = now;
    e->wall = wall_now();
    e->is_signal = how != 0;
    e->oom = oom == 1;
    p->phase = PHASE_DRAINING;
    p->phase_end = mono_add_ms(now, EXEC_DRAIN_MS);
    exec_box_leave(x, p);
    exec_advance(x, p, now);
}

/* False: the run is over, and its box gone. */
static bool on_line(struct exec *x, struct process *p, struct mono now, const char *line)
{
    struct box *b = p->box;
    struct spool_started st = {.slot = p->slot, .start_us = proc_boottime_us(), .boot = x->boot};

    if (strncmp(line, "began ", 6) == 0 && p->phase == PHASE_STARTING) {
        b->first = (pid_t)strtol(line + 6, NULL, 10);
        exec_started(x, p, &st);
    } else if (strncmp(line, "exited ", 7) == 0 && p->phase == PHASE_RUNNING) {
        on_exited(x, p, now, line + 7);
        return false;
    } else if (strncmp(line, "failed ", 7) == 0 && b->failure == NULL) {
        b->failure = xstrdup(line + 7);
    } else if (strncmp(line, "say ", 4) == 0) {
        char text[1600];
        int n = snprintf(text, sizeof(text), "[wrata: %s]\n", line + 4);

        exec_take_bytes(x, p, now, STREAM_LOG, text, (size_t)n);
    }
    return true;
}

void exec_box_read(struct exec *x, struct process *p, struct mono now)
{
    struct box *b = p->box;
    char bytes[1024];
    ssize_t n;

    while ((n = read(b->fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR)) {
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] != '\n') {
                if (b->len + 1 < sizeof(b->line))
                    b->line[b->len++] = bytes[i];
                continue;
            }
            b->line[b->len] = '\0';
            b->len = 0;
            if (!on_line(x, p, now, b->line))
                return;
        }
    }
    if (n == 0) {
        (void)close(b->fd);
        b->fd = -1;
    }
}

/* ---- its end ---- */

void exec_box_signal(struct exec *x, struct process *p, struct mono now, enum agent_signal sig)
{
    (void)x;
    (void)kill(p->box->pid, sig == AG_TERM ? SIGTERM : SIGQUIT);
    if (sig == AG_KILL && p->box->give_up.us == MONO_NEVER.us)
        p->box->give_up = mono_add_ms(now, GIVE_UP_MS);
}

void exec_box_tick(struct exec *x, struct process *p, struct mono now)
{
    (void)x;
    if (mono_before(now, p->box->give_up))
        return;
    (void)kill(p->box->pid, SIGKILL); /* the container ends with it */
    p->box->give_up = mono_add_ms(now, GIVE_UP_MS);
}

bool exec_box_reaped(struct exec *x, struct mono now, pid_t pid, int status)
{
    struct process *p = NULL;
    uint32_t slot;

    for (uint32_t i = 0; i < x->slots_used && p == NULL; i++)
        if (x->slots[i] != NULL && x->slots[i]->box != NULL && x->slots[i]->box->pid == pid)
            p = x->slots[i];
    if (p == NULL)
        return false;
    p->box->pid = 0;
    p->box->is_cleared = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    slot = p->slot;
    if (p->box->fd >= 0)
        exec_box_read(x, p, now);
    if (x->slots[slot] != p || p->box == NULL)
        return true; /* the last it said was the end of the run */
    if (p->phase == PHASE_STARTING) {
        char text[1500];

        (void)exec_pipe_read(x, p, now, STREAM_LOG);
        (void)snprintf(text, sizeof(text), "%s",
                       p->box->failure != NULL ? p->box->failure
                                               : "the helper that starts its container failed");
        exec_start_failed(x, p, text);
        return true;
    }
    on_exited(x, p, now, "");
    return true;
}

/* The container's first process is ours, the others descend from it: what lost its parent became its child. */
size_t exec_box_pids(const struct process *p, pid_t *pids, size_t max)
{
    struct proc_info *all = xmalloc(PIDS_MAX * sizeof(*all));
    pid_t *every = xmalloc(PIDS_MAX * sizeof(*every));
    size_t n = p->box->first > 0 ? proc_all(every, PIDS_MAX) : 0;
    size_t known = 0;
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        known += proc_get(every[i], &all[known]);
    for (size_t i = 0; i < known && found < max; i++) /* its children, */
        if (all[i].ppid == p->box->first)
            pids[found++] = all[i].pid;
    for (size_t k = 0; k < found; k++) /* and theirs */
        for (size_t i = 0; i < known && found < max; i++)
            if (all[i].ppid == pids[k])
                pids[found++] = all[i].pid;
    free(every);
    free(all);
    return found;
}
