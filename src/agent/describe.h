/* describe.h - what a run was doing when a limit ended it, for its reason and the end of its log. */
#ifndef WRATA_AGENT_DESCRIBE_H
#define WRATA_AGENT_DESCRIBE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/mask.h"

#define DESCRIBE_RESULTS_BYTES KIB(128) /* of the end of the results channel, to find the example that ran */

struct describe_from {
    const pid_t *pids; /* processes that may be the run's */
    size_t n_pids;
    pid_t session;           /* only those of this session; 0: all are */
    const struct mask *mask; /* NULL: nothing has to be hidden */
    struct slice results;    /* the end of its results channel, as it was let go */
    struct slice last;       /* the end of its log */
};

/* reason: "running: sh -c x, ruby y; example: a b (./spec/a_spec.rb[1:1]); last lines: a | b", at most `max` bytes.
 * note: the same for the log, a process a line. Command lines are hidden where they hold secrets. */
void describe_run(const struct describe_from *f, size_t max, struct buf *reason, struct buf *note);

#endif
