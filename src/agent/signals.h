/* signals.h - signals as two flags, set only while the loop sleeps. */
#ifndef WRATA_AGENT_SIGNALS_H
#define WRATA_AGENT_SIGNALS_H

#include <signal.h>

struct signals {
    volatile sig_atomic_t child_ended; /* SIGCHLD came; the reader clears it */
    volatile sig_atomic_t told_to_end; /* SIGTERM, SIGINT or SIGHUP came */
};
extern struct signals signals;

/* Block them; *sleep_mask is for ppoll, which lets them through. */
void signals_init(sigset_t *sleep_mask);

/* ppoll does not let them through when a descriptor is ready already, and beside a script that never stops writing one
 * always is: then they are asked for. */
void signals_take(void);

#endif
