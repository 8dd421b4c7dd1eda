/* deletion.c - the end of an account: what goes with it, what stays, and the order in which it goes. */
#include "api/account_common.h"

struct deletion {
    struct user_id user;
    struct user_sums sums;
    uint64_t *living; /* launches of the user that are not done */
    uint32_t n;
    uint32_t cap;
    void (*then)(struct req *rq);
};

static struct deletion *deletion_new(struct req *rq, struct user_id user)
{
    struct deletion *d = arena_alloc(&rq->arena, sizeof(*d));

    d->user = user;
    rq->state = d;
    return d;
}

/* ---- the question before it ---- */

static void sums_job(struct reader *r, struct req *rq)
{
    struct deletion *d = rq->state;

    rq->err = read_user_sums(r, d->user, &d->sums, &rq->why);
}

static void count_session(void *ctx, const struct session_row *s)
{
    (void)s;
    ++*(uint32_t *)ctx;
}

static void count_token(void *ctx, const struct token_row *t)
{
    (void)t;
    ++*(uint32_t *)ctx;
}

static void on_sums(struct req *rq)
{
    const struct accounts *a = rq->api->accounts;
    const struct deletion *d = rq->state;
    uint32_t sessions = 0;
    uint32_t tokens = 0;
    uint32_t env = 0;
    struct json_out *j;

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    accounts_each_session(a, d->user, count_session, &sessions);
    accounts_each_token(a, d->user, count_token, &tokens);
    (void)accounts_env(a, d->user, &env);
    j = answer_begin(rq);
    jo_obj(j);
    jo_kuint(j, "launches", d->sums.launches);
    jo_kuint(j, "running", d->sums.launches_living);
    jo_kuint(j, "sessions", sessions);
    jo_kuint(j, "tokens", tokens);
    jo_kuint(j, "env", env);
    jo_obj_end(j);
    answer_send(rq);
}

void deletion_answer(struct req *rq, struct user_id user)
{
    (void)deletion_new(rq, user);
    req_read(rq, sums_job, on_sums);
}

/* ---- the deed ---- */

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct req *rq = ctx;
    struct deletion *d = rq->state;

    (void)sums;
    if (row->user.v != d->user.v)
        return;
    if (d->n == d->cap) {
        uint32_t cap = d->cap == 0 ? 16 : d->cap * 2;
        uint64_t *at = arena_alloc(&rq->arena, cap * sizeof(*at));

        for (uint32_t i = 0; i < d->n; i++)
            at[i] = d->living[i];
        d->living = at;
        d->cap = cap;
    }
    d->living[d->n++] = row->id.v;
}

static void living_job(struct reader *r, struct req *rq)
{
    struct launch_filter f = {.state = LAUNCH_RUNNING};
    struct page p = {.limit = PAGE_LIMIT_MAX};

    do {
        rq->err = read_launches(r, &f, &p, take_launch, rq, &rq->why);
        p.after = p.next;
    } while (rq->err == ERR_OK && p.next != 0);
}

/* Nobody could resume it any more, and nothing is to be kept of it. */
static void queue_go_on(struct req *rq, struct user_id user)
{
    struct event ev = {.kind = EV_QUEUE_CHANGE,
                       .queue_change = {.user = user, .op = QUEUE_RESUME, .login = ""}};

    rq->api->opts.post(rq->api->opts.ctx, &ev);
}

static void on_living(struct req *rq)
{
    const struct deletion *d = rq->state;

    if (rq->api->is_closed)
        return;
    for (uint32_t i = 0; i < d->n && rq->err == ERR_OK; i++) {
        struct event ev = {.kind = EV_LAUNCH_STOP, .launch_stop = {d->living[i]}};

        rq->api->opts.post(rq->api->opts.ctx, &ev);
    }
    if (rq->err == ERR_OK)
        queue_go_on(rq, d->user);
    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else
        d->then(rq);
}

static void on_deleted(struct req *rq)
{
    hooks_gone(rq->api, 0);
    req_read_always(rq, living_job, on_living); /* also when nobody waits for the answer */
}

/* The account goes first, and is gone on disk before its launches are looked for: when it may not go (the last admin), nothing
 * of it is stopped; and a launch that was being made meanwhile is found, while none begins after it (auth_still). */
void deletion_do(struct req *rq, struct user_id user, void (*then)(struct req *rq))
{
    struct accounts_out out;
    enum err err;

    deletion_new(rq, user)->then = then;
    accounts_out_init(&out);
    err = accounts_delete(rq->api->accounts, wall_now(), user, &out, &rq->why);
    finish_command(rq, err, &out, on_deleted);
}
