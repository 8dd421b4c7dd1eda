/* serve.h - `wrata serve`: the server as a command. */
#ifndef WRATA_SERVER_SERVE_H
#define WRATA_SERVER_SERVE_H

#include "cli/cli.h"

/* Run the server until SIGINT or SIGTERM (or, with private_fd, until its starter is gone and nothing runs).
 * returns the exit code of the program: 0, 2 usage, 3 could not serve. */
int serve_main(const struct serve_args *args);

/* Whoever looks for a server on this data folder shall not find this one any more. */
void serve_unannounce(const char *data);

#endif
