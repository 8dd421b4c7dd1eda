/* inside.c - what the server asks of its own API: a launch that a schedule starts goes the way of every other. */
#include "api/api_private.h"

#include <stdio.h>

#define TICKETS_INSIDE (UINT64_C(1) << 63) /* requests of clients are counted from 1 */

struct inside {
    api_started_fn *done;
    void *ctx;
};

struct req *inside_new(struct api *a, const struct user_row *user, api_started_fn *done, void *ctx)
{
    static uint64_t n; /* loop thread only */
    struct req *rq = xcalloc(1, sizeof(*rq));

    rq->api = a;
    rq->id = TICKETS_INSIDE | ++n;
    rq->refs = 1;
    (void)snprintf(rq->name, sizeof(rq->name), "s-%llx", (unsigned long long)n);
    arena_init(&rq->arena);
    buf_init(&rq->raw, 1);
    rq->who = (struct principal){.role = accounts_role(a->accounts, user),
                                 .via = VIA_NOTHING,
                                 .scope = SCOPE_RUN,
                                 .user = user->id,
                                 .login = arena_strdup(&rq->arena, user->login)};
    rq->inside = arena_alloc(&rq->arena, sizeof(*rq->inside));
    *rq->inside = (struct inside){done, ctx};
    api_hold(a);
    return rq;
}

bool inside_still(struct req *rq)
{
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);

    if (u != NULL && u->deleted_at.ms == 0 && u->locked_at.ms == 0 &&
        accounts_role(rq->api->accounts, u) >= ROLE_USER)
        return true;
    req_fail(rq, ERR_DENIED, NULL, "the account of its owner is deleted, locked, or not verified any more");
    return false;
}

void inside_end(struct req *rq, enum err err, const struct why *why, uint64_t id)
{
    struct inside *in = rq->inside;

    rq->inside = NULL;
    if (in != NULL)
        in->done(in->ctx, err, why, id);
}

void inside_drop(struct api *a)
{
    struct req *rq;
    struct req *next;

    HASH_ITER(hh, a->tickets, rq, next) {
        if ((rq->id & TICKETS_INSIDE) == 0)
            continue;
        HASH_DEL(a->tickets, rq);
        rq->has_ticket = false;
        req_release(rq);
    }
}
