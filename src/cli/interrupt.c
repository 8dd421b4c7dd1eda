/* interrupt.c - signals as something that a poll can wait for. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/cli_private.h"

volatile sig_atomic_t interrupts;
volatile sig_atomic_t interrupts_twice;

static int pipe_fds[2] = {-1, -1};

static void wake(void)
{
    const int e = errno;
    ssize_t n = write(pipe_fds[1], "x", 1);

    (void)n; /* a full pipe wakes as well */
    errno = e;
}

static void on_interrupt(int signum)
{
    (void)signum;
    if (interrupts == 1)
        interrupts_twice = 1;
    interrupts = 1;
    wake();
}

static void on_resize(int signum)
{
    (void)signum;
    wake();
}

void interrupts_watch(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt};

    if (pipe_fds[0] >= 0)
        return;
    CHECK(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) == 0);
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
    sa.sa_handler = on_resize;
    sa.sa_flags = SA_RESTART;
    (void)sigaction(SIGWINCH, &sa, NULL);
}

int interrupts_fd(void)
{
    return pipe_fds[0];
}

void interrupts_drain(void)
{
    char bytes[64];

    while (pipe_fds[0] >= 0 && read(pipe_fds[0], bytes, sizeof(bytes)) > 0)
        continue;
}
