/* history.h - the filters of `wrata history`, for all of its verbs. */
#ifndef WRATA_CLI_HISTORY_H
#define WRATA_CLI_HISTORY_H

#include "cli/cli_private.h"

/* Append to a path "?NAME=VALUE&…" of the filters that were given: names of users, projects and servers as their ids, times as UTC. */
MUST_USE enum err history_query(struct cli *cli, struct buf *path, struct why *reterr);

/* cmd_history_delete.c */
int history_kept(struct cli *cli);
int history_prune(struct cli *cli);
int history_delete(struct cli *cli);
int history_clear(struct cli *cli);

#endif
