/* serve.h - `wrata serve`: the server as a command. */
#ifndef WRATA_SERVER_SERVE_H
#define WRATA_SERVER_SERVE_H

/* Run the server until SIGINT or SIGTERM (or, with --private, until its starter is gone and nothing runs).
 * argv[0] is "serve". returns the exit code of the program: 0, 2 usage, 3 could not serve. */
int serve_main(int argc, char **argv);

/* Whoever looks for a server on this data folder shall not find this one any more. */
void serve_unannounce(const char *data);

#endif
