/* token_file.h - the API tokens that `wrata login` keeps: which one belongs to which server.
 *
 * $XDG_CONFIG_HOME/wrata/tokens.json, else ~/.config/wrata/tokens.json: a folder of mode 0700, a file of mode 0600 that is
 * only ever replaced by a whole new one. Not used when others can read it. Messages never hold a token. */
#ifndef WRATA_CLI_TOKEN_FILE_H
#define WRATA_CLI_TOKEN_FILE_H

#include <stdint.h>

#include "base/err.h"

#define TOKEN_FILE_BYTES_MAX KIB(256)

struct saved_token {
    char *token; /* NULL: none */
    char *login; /* of its user */
    int64_t id;  /* of the token on its server; 0: not known */
};
void saved_token_done(struct saved_token *t); /* overwrites, frees */

/* The token kept for the server at `url`, whatever way that is written. ERR_NOTFOUND: none, with *ret empty;
 * ERR_DENIED: others can read the file; ERR_INVALID: it is damaged. */
MUST_USE enum err token_file_get(const char *url, struct saved_token *ret, struct why *reterr);
/* Keep it, in place of the one that was there. */
MUST_USE enum err token_file_put(const char *url, const struct saved_token *t, struct why *reterr);
/* ERR_NOTFOUND: there was none. */
MUST_USE enum err token_file_forget(const char *url, struct why *reterr);

#endif
