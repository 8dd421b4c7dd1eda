/* fleet_loop.c - the world of fleets on the loop: a timer, HTTP, child processes. */
#include <stdlib.h>
#include <uv.h>

#include "fleet/fleet_private.h"

struct flight {
    struct flight *prev;
    struct flight *next;
    struct fleet_loop *in;
    uint64_t number;
    struct http_call *call;
};

struct fleet_loop {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct http_calls *calls;
    struct flight *first;
    struct fleets *all; /* NULL until they are there */
};

static struct mono loop_now(void *ctx)
{
    (void)ctx;
    return mono_now();
}

static struct wall loop_wall(void *ctx)
{
    (void)ctx;
    return wall_now();
}

static void on_timer(uv_timer_t *t)
{
    struct fleet_loop *in = t->data;

    fleets_turn(in->all);
}

static void loop_wake_at(void *ctx, struct mono at)
{
    struct fleet_loop *in = ctx;
    int64_t us = at.us - mono_now().us;

    if (at.us == MONO_NEVER.us) {
        (void)uv_timer_stop(&in->timer);
        return;
    }
    uv_update_time(in->loop);
    /* Rounded up: woken too early there would be nothing to do yet. */
    (void)uv_timer_start(&in->timer, on_timer, us > 0 ? (uint64_t)(us + 999) / 1000 : 0, 0);
}

static void flight_free(struct flight *x)
{
    if (x->prev != NULL)
        x->prev->next = x->next;
    else
        x->in->first = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
    free(x);
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct flight *x = ctx;
    struct fleets *all = x->in->all;
    uint64_t number = x->number;

    flight_free(x);
    fleets_answered(all, number, a);
}

static void loop_send(void *ctx, uint64_t number, const struct http_call_opts *rq)
{
    struct fleet_loop *in = ctx;
    struct flight *x = xcalloc(1, sizeof(*x));
    struct http_call_opts o = *rq;

    x->in = in;
    x->number = number;
    x->next = in->first;
    if (x->next != NULL)
        x->next->prev = x;
    in->first = x;
    o.on_answer = on_answer;
    o.ctx = x;
    http_call_start(in->calls, &o, &x->call);
}

static void loop_cancel(void *ctx, uint64_t number)
{
    struct fleet_loop *in = ctx;
    struct flight *x = in->first;

    while (x != NULL && x->number != number)
        x = x->next;
    if (x == NULL)
        return;
    http_call_cancel(&x->call);
    flight_free(x);
}

static void on_timer_closed(uv_handle_t *h)
{
    free(h->data);
}

static void loop_free(void *ctx)
{
    struct fleet_loop *in = ctx;

    while (in->first != NULL)
        loop_cancel(in, in->first->number);
    http_calls_free(in->calls);
    uv_close((uv_handle_t *)&in->timer, on_timer_closed);
}

enum err fleets_new(uv_loop_t *loop, const struct fleets_opts *opts, const struct fleet_told *told, void *ctx,
                    struct fleets **ret, struct why *reterr)
{
    struct fleet_loop *in = xcalloc(1, sizeof(*in));
    struct fleet_io io = {
        .ctx = in,
        .now = loop_now,
        .wall = loop_wall,
        .wake_at = loop_wake_at,
        .send = loop_send,
        .cancel = loop_cancel,
        .loop = loop,
        .free = loop_free,
    };
    enum err err;

    in->loop = loop;
    CHECK(uv_timer_init(loop, &in->timer) == 0);
    in->timer.data = in;
    in->calls = http_calls_new(loop, &(struct http_calls_opts){.ca = opts->cloud_ca});
    err = fleets_new_in(&io, opts, told, ctx, ret, reterr);
    if (err == ERR_OK)
        in->all = *ret;
    return err;
}
