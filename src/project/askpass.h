/* askpass.h - what git asks for when a remote wants a name and a password: this program, in a mode of its own.
 *
 * git starts $GIT_ASKPASS with its question as the argument and reads the answer from standard output. Ours is the program
 * itself, told so by variables that only this one child of the server has (projects.c). It answers two questions,
 * compared whole: name and password for https at the one host. So another host, plain http, another user, or a redirect to
 * any of these gets nothing, whatever git has been made to ask. */
#ifndef WRATA_PROJECT_ASKPASS_H
#define WRATA_PROJECT_ASKPASS_H

#include <stdbool.h>
#include <stddef.h>

#define ASKPASS_HOST "WRATA_ASKPASS_HOST"
#define ASKPASS_USER "WRATA_ASKPASS_USER"
#define ASKPASS_TOKEN "WRATA_ASKPASS_TOKEN"

/* Was this process started for that? */
bool askpass_is_wanted(void);
/* The exit code: 0 answered, 1 there is no answer. */
int askpass_main(int argc, char **argv);

/* The answer to a question; NULL: none. Pure. */
const char *askpass_answer(const char *question, const char *host, const char *user, const char *token);

#endif
