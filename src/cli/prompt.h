/* prompt.h - asking the person at the terminal, and reading secrets that a script hands over.
 *
 * The terminal is standard input, else /dev/tty: so a password can be asked while standard input holds something
 * else. Questions go to standard error. */
#ifndef WRATA_CLI_PROMPT_H
#define WRATA_CLI_PROMPT_H

#include <stdbool.h>

#include "base/buf.h"

#define PROMPT_BYTES_MAX 4096u

struct cli;

/* A line, without its end, appended to `out`. ERR_INVALID: there is no terminal, or it was ended with Ctrl-D;
 * ERR_LIMIT: longer than out->max. Of prompt_unseen() nothing shows on the screen; a signal gives the terminal back its
 * echo before it does what it does. */
MUST_USE enum err prompt_line(const char *what, struct buf *out, struct why *reterr);
MUST_USE enum err prompt_unseen(const char *what, struct buf *out, struct why *reterr);

/* The next line of standard input, without its end. ERR_INVALID: there is none. Reads not a byte more. */
MUST_USE enum err stdin_line(const char *what, struct buf *out, struct why *reterr);
/* All the rest of it. */
MUST_USE enum err stdin_rest(const char *what, struct buf *out, struct why *reterr);

/* A password: with --password-stdin the next line of standard input, else asked unseen. `what` begins the question
 * ("Password of mira"). The caller wipes `out`. */
MUST_USE enum err prompt_password(const struct cli *cli, const char *what, struct buf *out,
                                  struct why *reterr);

/* "QUESTION [y/N] ": true only for a yes. ERR_INVALID: there is nobody to ask. */
MUST_USE enum err prompt_yes(const char *question, bool *ret, struct why *reterr);

#endif
