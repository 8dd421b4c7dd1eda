/* queue.c - which test of a launch is next, and which launch is next.
 *
 * Tests never lost wait in a heap: in the order given, or the longest predicted first (a test without a
 * prediction counts as the mean of those with one). Tests that were lost wait in a list before them, since each
 * may be choosy about its server (place.c). Launches share servers by the number of tests they have running; the
 * oldest is first among equals.
 *
 * Invariants: E5, E6 (engine_check.c). */
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

static uint64_t order_key(const struct test *t)
{
    const struct launch *l = t->launch;
    int64_t ms = t->predicted_ms > 0 ? t->predicted_ms : l->mean_known_ms;

    return l->row.order == ORDER_FINISH_SOONEST ? (uint64_t)(INT64_MAX - ms) : 0;
}

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
}

void queue_add(struct engine *e, struct test *t)
{
    struct launch *l = t->launch;

    CHECK(t->state == TEST_WAITING);
    if (t->n_lost_on > 0) {
        t->in_retry = true;
        DL_APPEND2(l->retry, t, retry_prev, retry_next);
    } else {
        heap_add(&l->waiting, &t->waiting, order_key(t), t->position);
    }
    count_waiting(e, t, true);
    if (l->row.state == LAUNCH_RUNNING)
        SET_ADD(e->fresh, l, fresh);
    else
        SET_ADD(e->stopping, l, stopping);
}

void queue_remove(struct engine *e, struct test *t)
{
    struct launch *l = t->launch;

    if (t->in_retry) {
        t->in_retry = false;
        DL_DELETE2(l->retry, t, retry_prev, retry_next);
    } else {
        heap_remove(&l->waiting, &t->waiting);
    }
    count_waiting(e, t, false);
}

struct test *queue_any(const struct launch *l)
{
    struct heap_item *top = heap_top(&l->waiting);

    if (top != NULL)
        return CONTAINER_OF(top, struct test, waiting);
    return l->retry;
}

uint32_t queue_ahead_of(const struct launch *l, const struct test *t)
{
    const struct test *other;
    uint32_t ahead = 0;
    uint32_t i;

    DL_FOREACH2(l->retry, other, retry_next)
    {
        if (other == t)
            return ahead;
        ahead++;
    }
    for (i = 0; i < l->waiting.n; i++)
        ahead += heap_before(l->waiting.items[i], &t->waiting);
    return ahead;
}

void launch_ready_update(struct engine *e, struct launch *l)
{
    bool ready = l->row.state == LAUNCH_RUNNING && l->n_waiting > 0;

    if (l->row.n_servers > 0) {
        if (ready)
            SET_ADD(e->limited, l, limited_ready);
        else
            SET_REMOVE(e->limited, l, limited_ready);
    } else if (!ready) {
        if (heap_has(&l->ready))
            heap_remove(&e->ready, &l->ready);
    } else if (heap_has(&l->ready)) {
        if (l->ready.k1 != l->n_active)
            heap_move(&e->ready, &l->ready, l->n_active, l->id.v);
    } else {
        heap_add(&e->ready, &l->ready, l->n_active, l->id.v);
    }
    if (!ready)
        SET_REMOVE(e->fresh, l, fresh);
}
