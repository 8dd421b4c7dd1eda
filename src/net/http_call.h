/* http_call.h - HTTP requests to others on the loop: libcurl's multi interface on libuv.
 *
 * Made for calls that cost money: the answer says whether the request can have arrived (`fate`), and no request is ever
 * sent twice by itself. libcurl repeats a request when a kept connection turns out to be dead, also a POST that the other side
 * may have read; so only GET and HEAD use kept connections here.
 *
 * Certificates are verified, redirects are not followed, https alone is spoken except to a loopback address, unless the caller looks at
 * each address itself (`fault_of`). Secrets are
 * overwritten after use and stand in no error. Loop thread. Answers never come from inside a call of this module. */
#ifndef WRATA_NET_HTTP_CALL_H
#define WRATA_NET_HTTP_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct sockaddr;
struct uv_loop_s;
struct http_calls; /* all calls of one owner, and their connections */
struct http_call;

struct http_calls_opts {
    const char *ca;   /* PEM file of authorities to believe; NULL: those of this computer */
    unsigned at_once; /* connections at a time; more calls wait; 0: 16 */
};

OWNED struct http_calls *http_calls_new(struct uv_loop_s *loop, const struct http_calls_opts *opts);
/* Ends all calls without an answer. The loop must turn once more for the handles to close. NULL is fine. Not from inside an
 * answer. */
void http_calls_free(struct http_calls *all);

/* May we speak to this URL: https, or http to a loopback address, with a host and without a name or password in it?
 * ERR_INVALID. */
MUST_USE enum err http_call_url_check(const char *url, struct why *reterr);

/* What became of a request. */
enum http_fate {
    HTTP_ANSWERED, /* `status` and a whole body */
    HTTP_NOT_SENT, /* not a byte of it left: nobody can have acted on it */
    HTTP_LOST,     /* it was sent, at least in part, and no whole answer came */
};

struct http_answer {
    enum http_fate fate;
    int status;           /* 0 when there is none */
    struct slice body;    /* borrowed for the call */
    struct slice headers; /* of the final answer, as they came; borrowed for the call */
    const char *error;    /* a sentence for people; "" when it was answered */
};

#define HTTP_CALL_BODY_BYTES_MAX MIB(16) /* the preset of answer_max */
#define HTTP_CALL_HEADERS_BYTES_MAX KIB(64)

/* All is copied. */
struct http_call_opts {
    const char *method; /* NULL: GET */
    const char *url;    /* http_call_url_check() was asked */
    const char *type;   /* of the body; NULL: application/json */
    struct slice body;  /* ptr NULL: none */
    struct slice bearer;
    const char *const *headers; /* n_headers more of them, "Name: value" */
    uint32_t n_headers;
    /* Asked before each connection, with the address that the name was resolved to just now: a sentence why not, or NULL. No proxy
     * of the environment is used then, since it would connect elsewhere. NULL: every address will do. */
    const char *(*fault_of)(void *ctx, const struct sockaddr *sa);
    bool cuts_answer;    /* what is longer than answer_max is cut there, and answered */
    bool body_is_secret; /* overwrite it at the end */
    int64_t deadline_ms; /* of all of it; 0: 30000 */
    int64_t connect_ms;  /* of that, to be connected; 0: 10000 */
    size_t
        answer_max; /* bytes of the answer's body; a longer one is HTTP_LOST; 0: HTTP_CALL_BODY_BYTES_MAX */
    /* Exactly once, unless it was cancelled. The call is gone on return. */
    void (*on_answer)(void *ctx, const struct http_answer *a);
    void *ctx;
};

/* Cannot fail: what is wrong comes as an answer. *ret is valid until on_answer or http_call_cancel(). */
void http_call_start(struct http_calls *all, const struct http_call_opts *opts, struct http_call **ret);
/* No answer comes. What was sent may be acted upon all the same. NULL is fine. */
void http_call_cancel(struct http_call **call);

/* A header's value, of the first of that name, without blanks around it; false: there is none. Case is no matter. */
bool http_call_header(struct slice headers, const char *name, struct slice *ret);
/* The same as a whole number of 0..INT64_MAX; -1: none, or it is not one. */
int64_t http_call_number(struct slice headers, const char *name);

#endif
