/* queue_look.c - a page of a queue: who waits, why, how many are ahead, and when it should start. */
#include "engine/engine_private.h"

/* What the user's runs will still take, as far as is known; `mean` for those without a prediction. */
static int64_t active_left_ms(const struct engine *e, const struct user *u, int64_t mean)
{
    const struct launch *l;
    int64_t left = 0;
    int64_t spent;
    int64_t ms;

    for (l = e->launches; l != NULL; l = l->hh.next) {
        if (l->user != u || l->n_active == 0)
            continue;
        ms = l->active_ms + (int64_t)l->active_unknown * mean;
        spent = ((int64_t)l->active_started * e->now.mono.us - l->active_start_us) / 1000;
        left += ms > spent ? ms - spent : 0;
    }
    return left;
}

/* Of a test without a prediction; -1 unknown. */
static int64_t mean_ms(const struct user *u)
{
    const struct order_sums *sums = &u->queue->order.sums;

    if (sums->n_known > 0)
        return sums->known_ms / sums->n_known;
    return u->n_measured > 0 ? u->measured_us / 1000 / (int64_t)u->n_measured : -1;
}

struct guess {
    int64_t mean_ms;
    int64_t active_ms;
    int64_t slots; /* the user's share of them */
};

static struct guess guess_of(const struct engine *e, const struct user *u)
{
    struct guess g = {.mean_ms = mean_ms(u), .slots = e->stats.slots};
    uint32_t users = e->ready.n;

    if (users > 1)
        g.slots = (g.slots + users - 1) / users;
    g.active_ms = active_left_ms(e, u, g.mean_ms > 0 ? g.mean_ms : 0);
    return g;
}

static int64_t start_in_ms(const struct guess *g, const struct order_sums *ahead)
{
    uint32_t unknown = ahead->n - ahead->n_known;

    if (g->slots == 0 || (g->mean_ms < 0 && (unknown > 0 || g->active_ms == 0)))
        return -1;
    return (ahead->known_ms + (unknown > 0 ? (int64_t)unknown * g->mean_ms : 0) + g->active_ms) / g->slots;
}

static struct queue_item item_of(struct engine *e, const struct test *t, const struct look *look,
                                 const struct order_sums *ahead, const struct guess *g)
{
    const struct launch_row *l = &t->launch->row;
    char why[512];

    engine_why_in(e, t, look, ahead->n, why, sizeof(why));
    return (struct queue_item){.test = test_row_of(t),
                               .launch_name = l->name,
                               .project = l->project,
                               .project_name = l->project_name,
                               .ref = l->ref,
                               .commit = l->commit,
                               .location = l->location,
                               .ahead = ahead->n,
                               .start_in_ms = start_in_ms(g, ahead),
                               .why = arena_strdup(&e->out->arena, why)};
}

static void page_fill(struct engine *e, const struct user *u, struct test *t, uint32_t limit,
                      struct queue_answer *a)
{
    struct queue_item *items = arena_alloc(&e->out->arena, ((size_t)limit + 1) * sizeof(*items));
    struct order_sums ahead = order_ahead(u->queue, t);
    struct guess g = guess_of(e, u);
    const struct launch *looked = NULL;
    struct look look = {0};

    for (; t != NULL && a->n_items < limit; t = order_after(u->queue, t->rank, t->id.v)) {
        /* Servers are looked at once per launch: tests of one that were never lost are all alike in this. */
        if (t->launch != looked || t->n_lost_on > 0) {
            look = look_at(e, t);
            looked = t->n_lost_on > 0 ? NULL : t->launch;
        }
        items[a->n_items++] = item_of(e, t, &look, &ahead, &g);
        ahead.n++;
        ahead.n_known += t->predicted_ms > 0;
        ahead.known_ms += t->predicted_ms > 0 ? t->predicted_ms : 0;
    }
    a->items = items;
    a->has_more = t != NULL;
}

static void undos_fill(struct engine *e, const struct user *u, struct queue_answer *a)
{
    struct queue_undo *at = arena_alloc(&e->out->arena, (UNDOS_MAX + 1) * sizeof(*at));
    const struct undo *undo;
    uint32_t i = u->n_undos;

    DL_FOREACH(u->undos, undo)
        at[--i] =
            (struct queue_undo){undo->id, undo->login, undo->at, {undo->at.ms + UNDO_MS}, undo->n_tests};
    a->undos = at;
    a->n_undos = u->n_undos;
}

void on_queue_look(struct engine *e, const struct event *ev)
{
    const struct user *u = user_of_id(e, ev->queue_look.user);
    const struct test *after = test_by_id(e, ev->queue_look.after);
    struct queue_answer a = {0};
    struct test *first;

    if (ev->queue_look.after.v != 0 && (after == NULL || after->launch->user != u)) {
        outbox_refuse(e->out, ev->ticket, ERR_CONFLICT, "cursor",
                      "test %llu has left the queue meanwhile: begin again at its front",
                      (unsigned long long)ev->queue_look.after.v);
        return;
    }
    if (u != NULL) {
        a.version = u->version;
        a.paused_by = u->paused_by;
        a.paused_at = u->paused_at;
        a.n_waiting = u->queue != NULL ? u->queue->order.sums.n : 0;
        first = after != NULL ? order_after(u->queue, after->rank, after->id.v) : order_first(u->queue);
        if (first != NULL)
            page_fill(e, u, first, ev->queue_look.limit, &a);
        undos_fill(e, u, &a);
    }
    outbox_reply_queue(e->out, ev->ticket, &a);
}
