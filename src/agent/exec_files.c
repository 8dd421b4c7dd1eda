/* exec_files.c - what is done with the files of a run when its processes are gone: reports are read, artifacts are sent. Both by
 * processes of their own: the loop here never waits for a disk, and a file that is made to hurt hurts only those. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/artifacts.h"
#include "agent/exec_private.h"
#include "agent/launch.h"

static void report_error_line(struct exec *x, struct process *p, struct mono now, const char *text)
{
    char *line = arena_printf(&x->arena, "{\"e\":\"error\",\"message\":\"%s\"}\n", text);

    exec_take_bytes(x, p, now, STREAM_RESULTS, line, strlen(line));
}

/* A process of its own reads them: the loop here never waits for a disk, and a file that is made to hurt hurts only that. */
void exec_begin_reporting(struct exec *x, struct process *p, struct mono now)
{
    struct launch l = {.cwd = p->cwd, .in = x->null_fd, .out = x->null_fd, .results = -1};
    bool whole = !p->was_signalled && !p->exit.is_signal;
    const char *step = "";
    int fds[2];
    size_t n = 0;
    char **argv;
    char **env;

    arena_reset(&x->arena);
    p->has_reported = true;
    p->phase = PHASE_REPORTING;
    p->phase_end = mono_add_ms(now, EXEC_REPORT_MS);
    if (p->pipe[STREAM_RESULTS].fd >= 0 || pipe2(fds, O_CLOEXEC) != 0) {
        report_error_line(x, p, now, "the report files cannot be read: there is no pipe for it");
        return;
    }
    argv = arena_alloc(&x->arena, (p->n_reports + 5) * sizeof(*argv));
    argv[n++] = arena_strdup(&x->arena, "/proc/self/exe");
    argv[n++] = arena_strdup(&x->arena, "reports");
    argv[n++] = arena_printf(&x->arena, "%" PRId64, p->started_ns);
    argv[n++] = arena_strdup(&x->arena, whole ? "whole" : "cut");
    for (uint32_t i = 0; i < p->n_reports; i++)
        argv[n++] = p->reports[i];
    argv[n] = NULL;
    l.argv = argv;
    env = exec_base_env(&x->arena, 1, &n);
    env[n] = NULL;
    l.envp = env;
    l.results = fds[1];
    p->reader = launch_child(&l, &x->arena, &step);
    (void)close(fds[1]);
    if (p->reader < 0) {
        p->reader = 0;
        (void)close(fds[0]);
        report_error_line(x, p, now, "the report files cannot be read: their reader does not start");
        return;
    }
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    p->pipe[STREAM_RESULTS].fd = fds[0];
    p->pipe[STREAM_RESULTS].look_at = now;
}

/* NULL: it said itself what was wrong. */
static void helper_failed(struct exec *x, struct process *p, struct mono now, const char *reports,
                          const char *artifacts)
{
    const char *line;

    if (p->phase == PHASE_REPORTING) {
        report_error_line(x, p, now, reports);
    } else if (artifacts != NULL) {
        line = arena_printf(&x->arena, "[wrata: artifacts are not kept: %s]\n", artifacts);
        exec_take_bytes(x, p, now, STREAM_LOG, line, strlen(line));
    }
}

/* Is all told that the files say? The pipes were read just now. */
bool exec_reporting_is_over(struct exec *x, struct process *p, struct mono now)
{
    if (p->reader > 0 && mono_before(now, p->phase_end))
        return false;
    if (p->reader > 0) {
        (void)kill(-p->reader, SIGKILL); /* it is reaped like an orphan */
        p->reader = 0;
        helper_failed(x, p, now, "reading the report files took too long", "sending them took too long");
    }
    return true;
}

void exec_reader_ended(struct exec *x, struct process *p, struct mono now, int status)
{
    for (uint32_t i = 0; i < STREAM_COUNT; i++)
        (void)exec_pipe_read(x, p, now, i);
    p->reader = 0;
    if (status != 0)
        helper_failed(x, p, now, "the reader of the report files failed", NULL);
    exec_advance(x, p, now);
}

/* What the run leaves to be kept is sent, by a process of its own as well. False: there is nothing (more) of it. */
bool exec_begin_keeping(struct exec *x, struct process *p, struct mono now)
{
    struct launch l = {.argv = p->keep, .cwd = p->cwd, .in = x->null_fd, .results = -1};
    const char *step = "";
    int fds[2];
    size_t n = 0;
    char **env;

    if (p->keep == NULL || p->pipe[STREAM_LOG].fd >= 0 || pipe2(fds, O_CLOEXEC) != 0)
        return false;
    arena_reset(&x->arena);
    env = exec_base_env(&x->arena, 1, &n);
    env[n] = NULL;
    l.envp = env;
    l.out = fds[1];
    p->phase = PHASE_KEEPING;
    p->phase_end = mono_add_ms(now, ARTIFACTS_LIMIT_MS);
    p->reader = launch_child(&l, &x->arena, &step);
    (void)close(fds[1]);
    artifacts_command_free(p->keep);
    p->keep = NULL;
    if (p->reader < 0) {
        p->reader = 0;
        (void)close(fds[0]);
        return false;
    }
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    p->pipe[STREAM_LOG].fd = fds[0];
    p->pipe[STREAM_LOG].look_at = now;
    x->opts.post(x->opts.ctx, now, &(struct agent_event){.kind = AG_EV_KEEPING, .run = p->run});
    return true;
}
