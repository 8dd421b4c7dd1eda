/* cloud.h - calls to a cloud's API under one token.
 *
 * All fleets of a controller share it, because the cloud counts their calls together: a sliding minute and a sliding hour, and
 * what its own headers say is left. When there is not enough for all, what saves money goes first (enum cloud_rank).
 *
 * What is tried again, and how soon, is decided here: with a wait that doubles and is drawn at random, never before the cloud said
 * (Retry-After), and only what may be. A call that could do harm twice is tried again only while it is certain that it did
 * nothing: it was not sent, or refused with 429. */
#ifndef WRATA_FLEET_CLOUD_H
#define WRATA_FLEET_CLOUD_H

#include "fleet/fleet_private.h"

/* Of the cloud's limits a part is left to others who use the same token: people, and `wrata reap`. */
#define CLOUD_MINUTE_CALLS 225u /* of 250 */
#define CLOUD_HOUR_CALLS 4800u  /* of 5,000, or of what the cloud says */
#define CLOUD_AT_ONCE 8u

enum cloud_rank {
    CLOUD_DESTROY, /* stops costs */
    CLOUD_LIST,    /* shows what costs */
    CLOUD_RENEW,   /* keeps what is in use */
    CLOUD_CREATE,
    CLOUD_CATALOG,
    CLOUD_TIDY,
    CLOUD_RANK_COUNT
};

struct cloud_answer {
    enum http_fate fate; /* of the last try */
    int status;          /* 0 when there is none */
    struct slice body;
    int64_t retry_after_ms; /* as the cloud said; 0: it did not */
    const char *error;      /* "" when it was answered */
};

typedef void cloud_done_fn(void *ctx, const struct cloud_answer *a);

struct cloud_call_opts {
    const char *method; /* NULL: GET */
    const char *path;   /* "/v2/droplets?page=1" */
    struct slice body;  /* ptr NULL: none; copied */
    bool body_is_secret;
    enum cloud_rank rank;
    bool only_once;   /* it must not be done twice */
    int64_t delay_ms; /* not before */
    int64_t
        patience_ms; /* from now on, until the last try begins; then the last answer is handed over, or HTTP_NOT_SENT */
    size_t answer_max;   /* 0: HTTP_CALL_BODY_BYTES_MAX */
    cloud_done_fn *done; /* once, from the loop; the call is gone on return */
    void *ctx;
};

struct cloud_call;

/* ERR_INVALID: url. */
MUST_USE enum err cloud_new(struct fleets *all, const char *url, uint64_t seed, struct cloud **ret,
                            struct why *reterr);
void cloud_free(struct cloud *c); /* its calls are not answered; NULL is fine */

void cloud_set_token(struct cloud *c, struct slice token);
bool cloud_has_token(const struct cloud *c);

/* Answers 401 by itself while there is no token. *ret is valid until done, or cloud_cancel(). */
void cloud_call(struct cloud *c, const struct cloud_call_opts *opts, struct cloud_call **ret);
bool cloud_call_waits(
    const struct cloud_call *call); /* it did nothing so far: it has not left, or was refused with 429 */
void cloud_cancel(struct cloud_call **call); /* NULL is fine; clears it */

void cloud_answered(struct cloud *c, uint64_t number, const struct http_answer *a);

/* For tests and people. */
struct cloud_counts {
    uint64_t sent;
    uint64_t by_rank[CLOUD_RANK_COUNT];
    uint64_t limited; /* answered 429 */
    uint64_t failed;  /* 5xx, lost, not sent */
    uint32_t waiting;
    uint32_t flying;
    int64_t remaining; /* as the cloud said last; -1: it did not */
};
void cloud_counts(const struct cloud *c, struct cloud_counts *ret);

#endif
