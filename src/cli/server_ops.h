/* server_ops.h - verbs of `wrata servers`, and what `wrata fleets take` shares with them. */
#ifndef WRATA_CLI_SERVER_OPS_H
#define WRATA_CLI_SERVER_OPS_H

#include "cli/cli_private.h"

int servers_on(struct cli *cli);
int servers_off(struct cli *cli);
int servers_book(struct cli *cli);
int servers_unbook(struct cli *cli);
int servers_drain(struct cli *cli);
int servers_resume(struct cli *cli);
int servers_idle(struct cli *cli);
int servers_set(struct cli *cli);
int servers_show(struct cli *cli); /* server_show.c */
/* Append how its clock goes: "3.2 s behind that of wrata, give or take 8 ms". `health` as the API says it. */
void server_clock_text(const json_t *health, struct buf *out);

/* Print those of an answer {"servers":[...]}; with --wait, until none is being created: EXIT_INFRA when one is not
 * created then. */
int servers_say(struct cli *cli, json_t *answer, const char *done);
int servers_wait(struct cli *cli, json_t *answer, const char *done);

/* "never" 0, "fleet" -1, or a duration. */
MUST_USE enum err idle_of(const char *word, int64_t *ret, struct why *reterr);

#endif
