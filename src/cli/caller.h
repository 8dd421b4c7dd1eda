/* caller.h - as whom a command asks the server.
 *
 * By a token, the first of: WRATA_TOKEN; the one that `wrata login` keeps for this server's URL; on the data folder the
 * host's own, in serve.json. What no token may do (an account's password, tokens, sessions, variables) is asked in a
 * session of its own, opened with the password and ended with the command.
 *
 * A token goes to the server it belongs to and to no other, and neither token nor password over a way on which others
 * can read: plain http to another computer, unless WRATA_INSECURE=1 says that this one is safe. */
#ifndef WRATA_CLI_CALLER_H
#define WRATA_CLI_CALLER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

struct cli;
struct client;

/* Take WRATA_TOKEN out of the environment: nothing that we start inherits it. Before anything else. */
void caller_init(void);
void caller_done(void);
bool caller_has_env_token(void);

/* Give the client what it shows. host_token: of serve.json, "" when it has none; NULL: the server was named by its URL.
 * ERR_INVALID: the way is not safe, or WRATA_TOKEN is no token; else what token_file_get() says. */
MUST_USE enum err caller_authorize(struct client *c, const char *host_token, struct why *reterr);

/* GET /me; *ret is the caller's. */
MUST_USE enum err caller_me(struct cli *cli, json_t **ret, struct why *reterr);

/* Sign in: from now on cli->client shows a session instead of a token. *ret_me (may be NULL) is the caller's. */
MUST_USE enum err caller_session_begin(struct cli *cli, const char *login, const char *password,
                                       json_t **ret_me, struct why *reterr);
/* Before what no token may do: asks for the password and begins a session, if it is a token that we show. When
 * keep_password is not NULL the password is appended to it, or nothing when none was asked; the caller wipes it. */
MUST_USE enum err caller_account(struct cli *cli, struct buf *keep_password, struct why *reterr);
/* Ends the session that was begun, if one was. */
void caller_session_end(struct cli *cli);

#endif
