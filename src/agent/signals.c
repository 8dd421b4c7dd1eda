#include "agent/signals.h"

#include <stddef.h>
#include <time.h>

#include "base/mem.h"

struct signals signals;

static void on_signal(int sig)
{
    if (sig == SIGCHLD)
        signals.child_ended = 1;
    else if (sig != SIGPIPE) /* SIGPIPE has a handler, not "ignore", which children would inherit */
        signals.told_to_end = 1;
}

/* Those that are blocked outside of ppoll. */
static const int used[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};

static void used_set(sigset_t *set)
{
    (void)sigemptyset(set);
    for (size_t i = 0; i < ARRAY_LEN(used); i++)
        (void)sigaddset(set, used[i]);
}

void signals_init(sigset_t *sleep_mask)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigset_t block;

    for (size_t i = 0; i < ARRAY_LEN(used); i++)
        (void)sigaction(used[i], &sa, NULL);
    (void)sigaction(SIGPIPE, &sa, NULL);
    used_set(&block);
    (void)sigprocmask(SIG_BLOCK, &block, NULL);
    (void)sigemptyset(sleep_mask);
}

void signals_take(void)
{
    static const struct timespec none = {0};
    sigset_t set;
    int sig;

    used_set(&set);
    while ((sig = sigtimedwait(&set, NULL, &none)) > 0)
        on_signal(sig);
}
