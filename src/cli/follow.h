/* follow.h - watching a launch until its end, through lost connections and restarts of the server. */
#ifndef WRATA_CLI_FOLLOW_H
#define WRATA_CLI_FOLLOW_H

#include "cli/cli_private.h"
#include "cli/view.h"

struct follow_opts {
    int64_t launch;
    bool as_json; /* events on standard output instead of lines */
};

/* Ctrl-C stops the launch; a second one makes this return at once.
 * ERR_OK: it is over, *ret has all of its tests. ERR_TIMEOUT with interrupts_twice: left. Otherwise it could not be
 * followed any more. *ret is the caller's in every case. cli->client may be another one afterwards. */
MUST_USE enum err follow_launch(struct cli *cli, const struct follow_opts *opts, struct view **ret,
                                struct why *reterr);

/* Load what the lists know into the view: the launch, its tests that are over, their runs, the failures. */
MUST_USE enum err follow_load(struct cli *cli, struct view *v, int64_t launch, struct why *reterr);

#endif
