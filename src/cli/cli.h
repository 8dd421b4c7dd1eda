/* cli.h - the command line: everything of `wrata` that is not the server. */
#ifndef WRATA_CLI_CLI_H
#define WRATA_CLI_CLI_H

/* Do what the arguments say. `serve` runs the server for `wrata serve`; its argv[0] is "serve".
 * returns the exit code: 0 passed, 1 failed, 2 usage, 3 infrastructure. */
int cli_main(int argc, char **argv, int (*serve)(int argc, char **argv));

#endif
