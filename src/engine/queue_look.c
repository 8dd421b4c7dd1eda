/* queue_look.c - a page of a queue: who waits, why, how many are ahead, and when it should start. */
#include "engine/engine_private.h"

static struct queue_item item_of(struct engine *e, const struct test *t, const struct look *look,
                                 uint32_t ahead, int64_t start_ms)
{
    const struct launch_row *l = &t->launch->row;
    char why[512];

    engine_why_in(e, t, look, ahead, why, sizeof(why));
    return (struct queue_item){.test = test_row_of(t),
                               .launch_name = l->name,
                               .project = l->project,
                               .project_name = l->project_name,
                               .ref = l->ref,
                               .commit = l->commit,
                               .location = l->location,
                               .ahead = ahead,
                               .start_in_ms = start_ms,
                               .why = arena_strdup(&e->out->arena, why)};
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void page_fill(struct engine *e, const struct user *u, struct test *t, uint32_t limit,
                      struct queue_answer *a)
{
    struct queue_item *items = arena_alloc(&e->out->arena, ((size_t)limit + 1) * sizeof(*items));
    int64_t *starts_ms = arena_alloc(&e->out->arena, ((size_t)limit + 1) * sizeof(*starts_ms));
    uint32_t ahead = order_ahead(u->queue, t).n;
    const struct launch *looked = NULL;
    struct look look = {0};

    queue_forecast(e, u, t, ahead, least(limit, a->n_waiting - ahead), starts_ms);
    for (; t != NULL && a->n_items < limit; t = order_after(u->queue, t->rank, t->id.v)) {
        /* Servers are looked at once per launch: tests of one that were never lost are all alike in this. */
        if (t->launch != looked || t->n_lost_on > 0) {
            look = look_at(e, t);
            looked = t->n_lost_on > 0 ? NULL : t->launch;
        }
        items[a->n_items] = item_of(e, t, &look, ahead + a->n_items, starts_ms[a->n_items]);
        a->n_items++;
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
