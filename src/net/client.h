/* client.h - the HTTP client: one request at a time, and one live stream beside it.
 *
 * Knows JSON errors of the form {"error":{"code","message","field"}} and nothing else of what is behind the URL.
 * Errors: ERR_BUSY nobody listens there (nothing was sent); ERR_TIMEOUT; ERR_IO the connection broke;
 * ERR_PROTO it is not the server we expect; otherwise what the server said. One thread. */
#ifndef WRATA_NET_CLIENT_H
#define WRATA_NET_CLIENT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/client_sse.h"

struct client;

/* url: "http://host:port" or "https://…", a path in front of the API is allowed. */
MUST_USE enum err client_new(const char *url, struct client **ret, struct why *reterr);
void client_free(struct client *c); /* NULL is fine */
/* Whom to believe behind https, instead of the authorities of this computer and the name in the URL: the authorities in
 * a PEM file, or exactly one public key ("sha256//BASE64"), whatever its name. NULL: as usual. Copied. */
void client_trust(struct client *c, const char *ca, const char *pin);
const char *client_url(const struct client *c);
/* Is it this computer that answers there: localhost, a loopback address, or the address of an interface of ours? */
bool client_is_here(const struct client *c);

#define CLIENT_SECRET_BYTES_MAX 512u

/* How the client shows who asks, on every request and stream. Texts are copied, and overwritten at their end. */
struct client_auth {
    const char *bearer; /* NULL or "": none */
    const char *cookie; /* "name=value" */
    const char *csrf;   /* goes with the cookie */
    const char *hint;   /* what a person can do about an answer of 401; added to the server's sentence */
};
/* ERR_INVALID: one of them cannot stand in a header (its text is not repeated). Whether the way there is safe enough
 * for a secret is the caller's to decide: client_is_secret(). */
MUST_USE enum err client_authorize(struct client *c, const struct client_auth *auth, struct why *reterr);
/* Can nobody on the way read along: https, or this computer? */
bool client_is_secret(const struct client *c);

/* The form under which a URL is known: scheme and host in lower case, no user, no port that goes without saying, no
 * slash at the end. ERR_INVALID. */
MUST_USE enum err client_url_normal(const char *url, struct buf *out, struct why *reterr);

/* While *flag is not 0, requests end with ERR_TIMEOUT. NULL: none. The flag may be set by a signal handler. */
void client_cancel_by(struct client *c, const volatile sig_atomic_t *flag);

struct client_request {
    const char *method; /* NULL: GET */
    const char *path;   /* "/api/v1/launches?limit=5" */
    const char *body;   /* NULL: none */
    size_t body_len;
    const char *body_file;  /* instead of body: a file to stream */
    const char *body_type;  /* NULL: application/json */
    int64_t deadline_ms;    /* for the whole request; 0: 60 s */
    size_t reply_max_bytes; /* 0: 64 MiB */
    FILE *
        reply_to; /* the body of a success goes here instead, however long it is; it may stand still for a minute */
};

struct client_reply {
    int status;
    struct buf body;
    struct buf headers; /* "name: value\r\n" as they came */
};

/* A reply of 200..299 is ERR_OK; ret is filled then, and with an error that the server sent. The caller calls
 * client_reply_done() in every case. */
MUST_USE enum err client_call(struct client *c, const struct client_request *rq, struct client_reply *ret,
                              struct why *reterr);
void client_reply_done(struct client_reply *r);

/* "name=value" of the first cookie that the reply sets; false: none. */
bool client_reply_cookie(const struct client_reply *r, struct buf *out);

/* A numeric header; fallback when it is absent or no number. */
uint64_t client_reply_number(const struct client_reply *r, const char *name, uint64_t fallback);

/* ---- live ---- */

struct client_stream;

/* Connects in the background; events come from client_stream_wait(). last_id: "" or NULL, else where to go on. */
struct client_stream *client_stream_open(struct client *c, const char *path, const char *last_id,
                                         sse_event_fn *on_event, void *ctx);
void client_stream_close(struct client_stream *s);         /* NULL is fine */
bool client_stream_is_open(const struct client_stream *s); /* the server has answered 200 */
const char *client_stream_last_id(const struct client_stream *s);

/* Deliver what has come, waiting at most timeout_ms or until `fd` (-1: none) is readable. ERR_OK: go on; else the
 * stream has ended. on_event may call client_call(). */
MUST_USE enum err client_stream_wait(struct client_stream *s, int fd, int timeout_ms, struct why *reterr);

/* Append `s` with everything but unreserved characters as %XX. */
void client_escape(struct buf *out, const char *s);

#endif
