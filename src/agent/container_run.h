/* container_run.h - `wrata-agent container run`: one run, or one step of a preparation, in a container, from making it to its
 * removal. A process of its own beside the agent: an engine that hangs costs that run.
 *
 *     make -> start -> give `inside` its order and the run's pipes -> pass on what it says -> remove
 *
 * Standard input is the order (container_order.h), standard output the run's log, descriptor 3 its results, descriptor 4
 * where it says, a line each, what has become of it:
 *
 *     began PID            the script runs; PID is the container's first process, as seen here
 *     exited ...           as `inside` says it: everything in the container is gone
 *     failed TEXT          it could not be started; for people
 *     say TEXT             a line for the log
 *
 * Exit status 0: the container is removed, nothing of it is left. Of a step there is no descriptor 4: what is wrong goes to standard output, the end is its exit status.
 * SIGTERM ends the script gracefully, SIGQUIT at once; so does the end of the agent. */
#ifndef WRATA_AGENT_CONTAINER_RUN_H
#define WRATA_AGENT_CONTAINER_RUN_H

#include "agent/container_call.h"

#define LENT_FOLDER "lent" /* in DIR/ID: a note for each folder that is in the hands of a container's user */
#define CONTAINER_STEP_FAILED 125

int container_run_main(int argc, char **argv);

/* Remove a container, whatever its state. NULL: it is gone; else why not, in the helper's arena. */
const char *container_clear(struct helper *h, enum engine e, const char *name);

void container_folder_remove(const char *folder); /* of a container that is gone */

#endif
