/* queue.c - the queue of each user, and what of it may be given to a server.
 *
 * A user has one queue: every waiting test of the user's launches, by rank. It is kept twice. As a tree that counts
 * (order.h), for people: who is ahead, what is the next page. And for placement, which asks for the first test that
 * may go to a server: per launch a heap of the tests never lost, since these go wherever the launch may; a user's
 * launches of each project by their first one, and these lanes by theirs (share.c). Tests that were lost may each be choosy about their server (place.c), so those of a
 * launch wait in a list; they keep their rank.
 *
 * Ranks are sparse, so that a test can be moved by writing one row; they only ever grow at both ends.
 *
 * Invariants: E5, E6, E19 (engine_check.c). Not here: what people do to a queue (queue_ops.c). */
#include "engine/engine_private.h"

void launch_predict(struct launch *l)
{
    int64_t sum = 0;
    int64_t n = 0;
    uint32_t i;

    for (i = 0; i < l->row.n_tests; i++) {
        if (l->tests[i].predicted_ms > 0) {
            sum += l->tests[i].predicted_ms;
            n++;
        }
    }
    l->mean_known_ms = n > 0 ? sum / n : 0;
}

/* ---- ranks ---- */

void rank_seen(struct user *u, int64_t rank)
{
    if (rank < u->rank_low)
        u->rank_low = rank;
    if (rank > u->rank_high)
        u->rank_high = rank;
}

/* 2^43 ranks: at a thousand tests a second they last for longer than two centuries. */
int64_t rank_end(struct user *u, uint32_t n)
{
    int64_t first = u->rank_high + RANK_GAP;

    u->rank_high += (int64_t)n * RANK_GAP;
    return first;
}

int64_t rank_front(struct user *u, uint32_t n)
{
    u->rank_low -= (int64_t)n * RANK_GAP;
    return u->rank_low;
}

/* As a heap wants it: unsigned, in the same order. */
static uint64_t rank_key(const struct test *t)
{
    return (uint64_t)t->rank ^ (UINT64_C(1) << 63);
}

/* ---- who waits ---- */

static void count_waiting(struct engine *e, const struct test *t, bool in)
{
    struct launch *l = t->launch;
    uint32_t one = in ? 1 : UINT32_MAX; /* unsigned -1 */

    l->n_waiting += one;
    e->stats.tests_waiting += one;
    if (t->predicted_ms > 0)
        l->waiting_ms += in ? t->predicted_ms : -t->predicted_ms;
    else
        l->waiting_unknown += one;
    SET_ADD(e->queues_noted, l->user, noted);
}

void queue_add(struct engine *e, struct test *t)
{
    struct launch *l = t->launch;

    CHECK(t->state == TEST_WAITING);
    order_add(&l->user->queue, t);
    if (t->n_lost_on > 0) {
        t->in_retry = true;
        DL_APPEND2(l->retry, t, retry_prev, retry_next);
    } else {
        heap_add(&l->waiting, &t->waiting, rank_key(t), t->id.v);
    }
    count_waiting(e, t, true);
    if (l->row.state == LAUNCH_RUNNING)
        SET_ADD(e->fresh, l, fresh);
}

void queue_remove(struct engine *e, struct test *t)
{
    struct launch *l = t->launch;

    order_remove(&l->user->queue, t);
    if (t->in_retry) {
        t->in_retry = false;
        DL_DELETE2(l->retry, t, retry_prev, retry_next);
    } else {
        heap_remove(&l->waiting, &t->waiting);
    }
    count_waiting(e, t, false);
}

/* ---- what is ready for placement ---- */

bool user_is_fairer(const struct user *a, const struct user *b)
{
    return b == NULL || a->n_active < b->n_active || (a->n_active == b->n_active && a->turn < b->turn);
}

void user_ready_update(struct engine *e, struct user *u)
{
    bool ready = !user_is_paused(u) && (u->ready.n > 0 || u->limited != NULL || u->choosy != NULL);

    if (!ready) {
        if (heap_has(&u->fair))
            heap_remove(&e->ready, &u->fair);
    } else if (!heap_has(&u->fair)) {
        heap_add(&e->ready, &u->fair, u->n_active, u->turn);
    } else if (u->fair.k1 != u->n_active || u->fair.k2 != u->turn) {
        heap_move(&e->ready, &u->fair, u->n_active, u->turn);
    }
}

void launch_ready_update(struct engine *e, struct launch *l)
{
    struct user *u = l->user;
    bool runs = l->row.state == LAUNCH_RUNNING;
    bool has_first = runs && l->waiting.n > 0;

    if (l->row.n_servers == 0)
        lane_follow(l, has_first);
    else if (has_first)
        SET_ADD(u->limited, l, limited_ready);
    else
        SET_REMOVE(u->limited, l, limited_ready);
    if (runs && l->retry != NULL)
        SET_ADD(u->choosy, l, choosy);
    else
        SET_REMOVE(u->choosy, l, choosy);
    if (!runs || l->n_waiting == 0)
        SET_REMOVE(e->fresh, l, fresh);
    user_ready_update(e, u);
}

/* ---- other ranks ---- */

static void rank_set(struct engine *e, struct test *t, int64_t rank)
{
    t->rank = rank;
    rank_seen(t->launch->user, rank);
    if (heap_has(&t->waiting)) {
        heap_move(&t->launch->waiting, &t->waiting, rank_key(t), t->id.v);
        launch_ready_update(e, t->launch);
    }
}

static void ranks_change(struct engine *e, struct test *const *tests, uint32_t n)
{
    struct change c = {.kind = CHANGE_TEST_RANKS, .ranks = {.n = n}};
    struct test_rank *at;
    uint32_t i;

    if (n == 0)
        return;
    at = xmalloc(n * sizeof(*at));
    for (i = 0; i < n; i++)
        at[i] = (struct test_rank){tests[i]->id, tests[i]->rank};
    c.ranks.at = at;
    outbox_change(e->out, &c);
    free(at);
}

void queue_rank_all(struct engine *e, struct user *u, struct test *const *sorted, const int64_t *ranks,
                    uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        rank_set(e, sorted[i], ranks[i]);
    order_build(&u->queue, sorted, n);
    ranks_change(e, sorted, n);
}

void queue_rank_some(struct engine *e, struct user *u, struct test *const *tests, const int64_t *ranks,
                     uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        order_remove(&u->queue, tests[i]);
    for (i = 0; i < n; i++) {
        rank_set(e, tests[i], ranks[i]);
        order_add(&u->queue, tests[i]);
    }
    ranks_change(e, tests, n);
}

/* ---- telling ---- */

void queue_changed(struct engine *e, struct user *u)
{
    uint64_t now = (uint64_t)e->now.wall.ms;

    u->version = now > u->version ? now : u->version + 1;
    SET_ADD(e->queues_noted, u, noted);
}

void queue_notes_flush(struct engine *e)
{
    struct user *u;
    struct user *next;
    struct note n;

    DL_FOREACH_SAFE2(e->queues_noted, u, next, noted_next)
    {
        n = (struct note){.kind = NOTE_QUEUE};
        n.queue.user = u->id;
        n.queue.version = u->version;
        n.queue.n_waiting = u->queue != NULL ? u->queue->order.sums.n : 0;
        n.queue.paused_by = u->paused_by;
        n.queue.paused_at = u->paused_at;
        outbox_note(e->out, &n);
        SET_REMOVE(e->queues_noted, u, noted);
    }
}
