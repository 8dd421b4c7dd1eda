/* cli.h - the command line: everything of `wrata` that is not the server. */
#ifndef WRATA_CLI_CLI_H
#define WRATA_CLI_CLI_H

#include "cli/doctor.h"
#include "config/config.h"

/* What `wrata serve` was told. Borrowed for the call. */
struct serve_args {
    struct config_sources config; /* its data folder is absolute */
    int private_fd;               /* -1, or a pipe whose end means: the starter is gone */
};

/* Run the server; returns the exit code of the program. */
typedef int serve_fn(const struct serve_args *args);

/* Do what the arguments say. returns the exit code: 0 passed, 1 failed, 2 usage, 3 infrastructure. */
int cli_main(int argc, char **argv, serve_fn *serve, look_fn *look);

#endif
