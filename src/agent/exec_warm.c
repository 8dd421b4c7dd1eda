/* exec_warm.c - a run whose process is a fork of one that has RSpec loaded already (warm.h). */
#include <string.h>

#include "agent/exec_private.h"
#include "agent/procs.h"
#include "wire/agent_setup.h"

static struct process *waiting_of(struct exec *x, uint64_t run)
{
    for (uint32_t i = 0; i < x->slots_used; i++)
        if (x->slots[i] != NULL && x->slots[i]->run == run && x->slots[i]->phase == PHASE_STARTING)
            return x->slots[i];
    return NULL;
}

/* It is the run's from here on: in its groups and on record before it does anything. */
static void on_child(void *ctx, uint64_t run, pid_t pid, struct slice said)
{
    struct exec *x = ctx;
    struct process *p = waiting_of(x, run);
    struct spool_started st = {.pid = (uint32_t)pid, .boot = x->boot};
    struct proc_info info;

    CHECK(p != NULL); /* it is told when one goes (warm_leave) */
    st.slot = p->slot;
    st.start_us = proc_get(pid, &info) ? info.start_us : proc_boottime_us();
    cgroup_join(x->groups[p->slot], pid);
    exec_started(x, p, &st);
    if (said.len > 0)
        exec_take_raw(x, p, mono_now(), STREAM_LOG, said.ptr, said.len);
}

static void on_plain(void *ctx, uint64_t run, const char *why)
{
    struct exec *x = ctx;
    struct process *p = waiting_of(x, run);

    CHECK(p != NULL);
    if (why != NULL)
        exec_take_bytes(x, p, mono_now(), STREAM_LOG, why, strlen(why));
    exec_start_plain(x, p);
}

struct warm *exec_warm_new(struct exec *x)
{
    return warm_new(&(struct warm_opts){.script = x->opts.warm_script,
                                        .mark = x->mark,
                                        .incarnation = x->opts.incarnation,
                                        .cgroup = x->opts.cgroup,
                                        .child = on_child,
                                        .plain = on_plain,
                                        .ctx = x});
}

bool exec_start_warm(struct exec *x, struct process *p, const struct frame_run_spec *spec)
{
    struct start *s = p->start;
    struct slice *lines;
    struct setup setup;

    if (!slice_eq(spec->adapter, SLICE("rspec")) || x->adapter_rspec == NULL)
        return false;
    lines = arena_alloc(&s->arena, (spec->n_setup + 1) * sizeof(*lines));
    for (uint32_t i = 0; i < spec->n_setup; i++)
        lines[i] = spec->setup[i].s;
    if (setup_read(lines, spec->n_setup, &s->arena, &setup, NULL) != ERR_OK || setup.is_cold)
        return false;
    return warm_take(x->warm, mono_now(),
                     &(struct warm_run){.run = p->run,
                                        .launch = spec->launch,
                                        .project = spec->project,
                                        .commit = spec->commit,
                                        .slot = p->slot,
                                        .argv = s->argv,
                                        .envp = s->envp,
                                        .secrets = &s->secrets,
                                        .cwd = p->cwd,
                                        .preload = setup.preload,
                                        .log = s->to[STREAM_LOG],
                                        .results = s->to[STREAM_RESULTS]});
}
