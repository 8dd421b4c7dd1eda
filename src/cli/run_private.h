/* run_private.h - the steps of `wrata run`, split over run_*.c. */
#ifndef WRATA_CLI_RUN_PRIVATE_H
#define WRATA_CLI_RUN_PRIVATE_H

#include "cli/cli_private.h"
#include "cli/junit.h"
#include "cli/report.h"
#include "cli/snapshot.h"
#include "cli/view.h"

/* Which servers the launch is limited to, made into a JSON array of names; *ret NULL: any.
 * With a server of our own it may add machines: this computer, with as many slots as --slots says. */
MUST_USE enum err run_choose_servers(struct cli *cli, json_t **ret, struct why *reterr);

/* Make the snapshot known to the server. *ret_project is the project's id there. */
MUST_USE enum err run_send(struct cli *cli, struct snapshot *s, int64_t *ret_project, struct why *reterr);

/* Failures, summary, files for other programs; what the exit code of the launch is. */
int run_report(struct cli *cli, const struct view *v, const struct report_again *again, int64_t elapsed_ms);
MUST_USE enum err run_junit(struct cli *cli, const struct view *v, struct junit_file *f, struct why *reterr);
int run_exit_code(enum outcome o);

/* What `--dry-run` answered. */
void run_say_plan(const struct cli *cli, const json_t *plan);

#endif
