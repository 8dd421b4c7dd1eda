/* err.h - one list of error codes with three faces: HTTP status, exit code, a sentence.
 *
 * A failure that a caller handles returns `enum err`; one that a person reads also fills `struct why`.
 * Whoever returns an error does not log it. */
#ifndef WRATA_BASE_ERR_H
#define WRATA_BASE_ERR_H

#include "base/check.h"

/* Exit codes of the command line are decided by PRODUCT promises: 0 passed, 1 failed, 2 usage,
 * 3 infrastructure; every code here is 2 (the request is at fault) or 3 (the world is). */
/* clang-format off */
#define ERR_MAP(X)                                                \
    /* name      HTTP exit  sentence for a person */              \
    X(INVALID,   422, 2,    "the request does not make sense")    \
    X(SIGN_IN,   401, 2,    "sign in first")                      \
    X(DENIED,    403, 2,    "you may not do this")                \
    X(CSRF,      403, 2,    "the page's token is missing")        \
    X(NOTFOUND,  404, 2,    "there is no such thing")             \
    X(CONFLICT,  409, 2,    "it does not fit the present state")  \
    X(LIMIT,     429, 2,    "a limit was reached")                \
    X(PROTO,     400, 3,    "the peer broke the protocol")        \
    X(TIMEOUT,   504, 3,    "it took too long")                   \
    X(BUSY,      503, 3,    "it is not ready yet")                \
    X(IO,        500, 3,    "reading or writing failed")

enum err {
    ERR_OK = 0,
#define X(name, http, exit, text) ERR_##name,
    ERR_MAP(X)
#undef X
    ERR_COUNT
};
/* clang-format on */

/* Why something failed, for a person. Filled only on failure. */
struct why {
    enum err code;
    const char *field; /* the input field at fault, static text; NULL when none is */
    char text[240];    /* what happened, to what, and what would be right */
};

const char *err_name(enum err e);     /* "INVALID"; "OK" for ERR_OK */
int err_http(enum err e);             /* 422; 200 for ERR_OK */
int err_exit(enum err e);             /* 2 or 3; 0 for ERR_OK */
const char *err_sentence(enum err e); /* never NULL */

/* Fill `reterr` (may be NULL) and return `code`, so that `return why_set(...)` is the whole exit.
 * `field` is kept as a pointer: static text or NULL. A text too long is cut. */
enum err why_set(struct why *reterr, enum err code, const char *field, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* As why_set, with ": " and strerror(errno_value) appended. */
enum err why_errno(struct why *reterr, enum err code, int errno_value, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
