/* cmd_log.h - what the files of `wrata log` share. */
#ifndef WRATA_CLI_CMD_LOG_H
#define WRATA_CLI_CMD_LOG_H

#include "cli/cli_private.h"

/* "12", "10-20" or "10-": lines from 1; open: *ret_last is larger than any. ERR_INVALID says what would be right. */
MUST_USE enum err log_lines_parse(const char *text, int64_t *ret_first, int64_t *ret_last,
                                  struct why *reterr);

/* A time of day here, and two blanks; 0: as many blanks. */
void log_clock(struct buf *out, int64_t ms);

/* cmd_log_find.c: --grep and --regex. 0: lines were found; 1: none; as usual when something is wrong. */
int log_find(struct cli *cli, int64_t run);

#endif
