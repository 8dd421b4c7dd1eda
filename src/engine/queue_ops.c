/* queue_ops.c - what people do to a queue: move, delete, shuffle, remove duplicates, sort, undo; pause and resume are in pause.c.
 *
 * Each operation is one event: it is done as a whole or refused, and answered once. What it names and does not wait any
 * more (it was given to a server meanwhile) is passed over and counted. An operation changes the version of the queue; a
 * server that takes a test does not, so a page that shows the queue of a moment ago can still be worked with.
 *
 * What was taken out is REMOVED, not done: for ten minutes the operation can be undone, and its launch stays open. */
#include "engine/engine_private.h"

#define ROOM_MIN \
    64 /* between two tests when ranks are made anew: room for the next moves to the same place */

/* Tests of a queue in its order. */
struct picked {
    struct test **at;
    uint32_t n;
    uint32_t n_passed;
};

static int in_order(const void *a, const void *b)
{
    const struct test *x = *(const struct test *const *)a;
    const struct test *y = *(const struct test *const *)b;

    return test_before(x, y) ? -1 : test_before(y, x);
}

static uint32_t waiting_of(const struct user *u)
{
    return u->queue != NULL ? u->queue->order.sums.n : 0;
}

static struct picked pick_all(struct user *u)
{
    struct picked p = {.n = waiting_of(u)};

    p.at = xmalloc(((size_t)p.n + 1) * sizeof(struct test *));
    (void)order_list(u->queue, p.at);
    return p;
}

static struct picked pick(const struct engine *e, const struct user *u, const struct queue_change *q)
{
    struct picked p = {.at = xmalloc(((size_t)q->n_tests + 1) * sizeof(struct test *))};
    struct test *t;
    uint32_t i;

    for (i = 0; i < q->n_tests; i++) {
        t = test_by_id(e, q->tests[i]);
        if (t == NULL || t->state != TEST_WAITING || t->launch->user != u || t->is_chosen) {
            p.n_passed++;
            continue;
        }
        t->is_chosen = true;
        p.at[p.n++] = t;
    }
    qsort(p.at, p.n, sizeof(struct test *), in_order);
    return p;
}

static void pick_done(struct picked *p)
{
    uint32_t i;

    for (i = 0; i < p->n; i++)
        p->at[i]->is_chosen = false;
    free(p->at);
}

static void answer(struct engine *e, struct ticket t, const struct user *u, uint32_t n, uint32_t n_passed,
                   struct undo_id undo)
{
    struct queue_answer a = {.n_done = n, .n_passed = n_passed, .undo = undo};

    if (u != NULL) {
        a.version = u->version;
        a.paused_by = u->paused_by;
        a.paused_at = u->paused_at;
        a.n_waiting = waiting_of(u);
    }
    outbox_reply_queue(e->out, t, &a);
}

/* ---- moving ---- */

static int64_t *ranks_from(int64_t first, int64_t step, uint32_t n)
{
    int64_t *ranks = xmalloc(((size_t)n + 1) * sizeof(*ranks));
    uint32_t i;

    for (i = 0; i < n; i++)
        ranks[i] = first + (int64_t)i * step;
    return ranks;
}

/* The next test that stays where it is. */
static struct test *next_staying(const struct user *u, const struct test *t)
{
    struct test *next = order_after(u->queue, t->rank, t->id.v);

    while (next != NULL && next->is_chosen)
        next = order_after(u->queue, next->rank, next->id.v);
    return next;
}

static struct test *last_staying(const struct user *u, const struct test *t)
{
    struct test *last = order_before(u->queue, t->rank, t->id.v);

    while (last != NULL && last->is_chosen)
        last = order_before(u->queue, last->rank, last->id.v);
    return last;
}

/* Between `last` and `to`. When there is no room, as many tests from `to` on get new ranks as it takes to have some;
 * ranks are sparse, so that is a handful. */
static void move_between(struct engine *e, struct user *u, const struct picked *p, const struct test *last,
                         struct test *to)
{
    int64_t from = last->rank;
    int64_t step = (to->rank - from) / ((int64_t)p->n + 1);
    struct test **all = NULL;
    struct test *const *tests = p->at;
    uint32_t cap = 0;
    uint32_t n = p->n;
    int64_t *ranks;

    while (step < (n == p->n ? 1 : ROOM_MIN)) {
        if (n == p->n || n == cap) {
            cap = n * 2 + 16;
            all = xrealloc(all, cap * sizeof(struct test *));
            if (n == p->n)
                memcpy(all, p->at, p->n * sizeof(struct test *));
            tests = all;
        }
        all[n++] = to;
        to = next_staying(u, to);
        step = to != NULL ? (to->rank - from) / ((int64_t)n + 1) : RANK_GAP;
    }
    ranks = ranks_from(from + step, step, n);
    queue_rank_some(e, u, tests, ranks, n);
    free(ranks);
    free(all);
}

static void move_outside(struct engine *e, struct user *u, const struct picked *p, bool to_front)
{
    int64_t *ranks = ranks_from(to_front ? rank_front(u, p->n) : rank_end(u, p->n), RANK_GAP, p->n);

    queue_rank_some(e, u, p->at, ranks, p->n);
    free(ranks);
}

static void queue_move(struct engine *e, struct user *u, const struct queue_change *q, struct ticket ticket)
{
    struct test *to = q->to == QUEUE_TO_BEFORE ? test_by_id(e, q->before) : NULL;
    struct test *last;
    struct picked p;

    if (q->to == QUEUE_TO_BEFORE && (to == NULL || to->state != TEST_WAITING || to->launch->user != u)) {
        outbox_refuse(e->out, ticket, ERR_CONFLICT, "before",
                      "test %llu does not wait in this queue any more: look again",
                      (unsigned long long)q->before.v);
        return;
    }
    p = pick(e, u, q);
    if (to != NULL && to->is_chosen) /* the block stays around it */
        to = next_staying(u, to);
    last = to != NULL ? last_staying(u, to) : NULL;
    if (p.n > 0) {
        if (to != NULL && last != NULL)
            move_between(e, u, &p, last, to);
        else
            move_outside(e, u, &p, to != NULL || q->to == QUEUE_TO_FRONT);
        TRACE(e, "queue of user %llu: %u moved", (unsigned long long)u->id.v, p.n);
        queue_changed(e, u);
    }
    answer(e, ticket, u, p.n, p.n_passed, (struct undo_id){0});
    pick_done(&p);
}

/* ---- the whole order ---- */

/* The tests of p in their new order take over the ranks that the queue had. */
static void reorder(struct engine *e, struct user *u, const struct picked *p, struct ticket ticket)
{
    int64_t *ranks = xmalloc(((size_t)p->n + 1) * sizeof(*ranks));
    struct picked old = pick_all(u);
    uint32_t i;

    for (i = 0; i < p->n; i++) {
        ranks[i] = old.at[i]->rank;
        if (i > 0 && ranks[i] <= ranks[i - 1])
            ranks[i] = ranks[i - 1] + 1;
    }
    queue_rank_all(e, u, p->at, ranks, p->n);
    if (p->n > 0)
        queue_changed(e, u);
    answer(e, ticket, u, p->n, 0, (struct undo_id){0});
    free(old.at);
    free(ranks);
}

static void queue_shuffle(struct engine *e, struct user *u, uint64_t seed, struct ticket ticket)
{
    struct picked p = pick_all(u);
    struct test *t;
    struct rng rng;
    uint32_t i;
    uint32_t k;

    rng_seed(&rng, seed);
    for (i = p.n; i > 1; i--) {
        k = (uint32_t)rng_below(&rng, i);
        t = p.at[i - 1];
        p.at[i - 1] = p.at[k];
        p.at[k] = t;
    }
    TRACE(e, "queue of user %llu: shuffled", (unsigned long long)u->id.v);
    reorder(e, u, &p, ticket);
    free(p.at);
}

struct timed {
    int64_t ms;
    uint32_t place;
    struct test *test;
};

static int by_length(const void *a, const void *b)
{
    const struct timed *x = a;
    const struct timed *y = b;

    if (x->ms != y->ms)
        return x->ms > y->ms ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static void queue_sort(struct engine *e, struct user *u, struct ticket ticket)
{
    struct picked p = pick_all(u);
    struct timed *timed = xmalloc(((size_t)p.n + 1) * sizeof(*timed));
    int64_t mean = 0;
    uint32_t i;

    if (p.n > 0 && u->queue->order.sums.n_known > 0)
        mean = u->queue->order.sums.known_ms / u->queue->order.sums.n_known;
    for (i = 0; i < p.n; i++)
        timed[i] = (struct timed){p.at[i]->predicted_ms > 0 ? p.at[i]->predicted_ms : mean, i, p.at[i]};
    if (p.n > 1)
        qsort(timed, p.n, sizeof(*timed), by_length);
    for (i = 0; i < p.n; i++)
        p.at[i] = timed[i].test;
    TRACE(e, "queue of user %llu: sorted, the longest first", (unsigned long long)u->id.v);
    reorder(e, u, &p, ticket);
    free(timed);
    free(p.at);
}

/* ---- taking out ---- */

static void undo_end(struct engine *e, struct undo *u)
{
    const char *reason = arena_printf(&e->out->arena, "removed from the queue by %s", u->login);
    struct test **tests = xmalloc(((size_t)u->n_tests + 1) * sizeof(struct test *));
    struct test *t;
    uint32_t n = 0;

    DL_FOREACH2(u->tests, t, undo_next)
    tests[n++] = t;
    tests_state_set(e, tests, n, TEST_BY_EXPIRY, NULL, reason); /* with its last test the undo goes */
    free(tests);
}

void undo_on_timer(struct engine *e, struct undo *u)
{
    undo_end(e, u);
}

void undo_start(struct engine *e, struct undo *u)
{
    int64_t left = u->at.ms + UNDO_MS - e->now.wall.ms;

    left = left < 0 ? 0 : left > UNDO_MS ? UNDO_MS : left;
    timer_set(&e->timers, &u->end, TIMER_UNDO, u, mono_add_ms(e->now.mono, left));
}

void undo_take(struct engine *e, struct undo *u, struct test *t)
{
    (void)e;
    t->undo = u;
    DL_APPEND2(u->tests, t, undo_prev, undo_next);
    u->n_tests++;
}

void undo_drop(struct engine *e, struct test *t)
{
    struct undo *u = t->undo;
    struct change c = {.kind = CHANGE_UNDO_DELETE, .undo = {.id = u->id, .login = ""}};

    t->undo = NULL;
    DL_DELETE2(u->tests, t, undo_prev, undo_next);
    if (--u->n_tests > 0)
        return;
    outbox_change(e->out, &c);
    undo_delete(e, u);
}

static void take_out(struct engine *e, struct user *u, const struct queue_change *q, struct picked *p,
                     struct ticket ticket)
{
    struct undo_row row = {.id = {e->next_undo}, .user = u->id, .login = q->login, .at = e->now.wall};
    struct change c = {.kind = CHANGE_UNDO_ADD, .undo = row};
    struct undo *undo;

    if (p->n == 0) {
        answer(e, ticket, u, 0, p->n_passed, (struct undo_id){0});
        return;
    }
    if (u->n_undos == UNDOS_MAX)
        undo_end(e, u->undos);
    undo = undo_new(e, &row);
    outbox_change(e->out, &c);
    undo_start(e, undo);
    tests_state_set(e, p->at, p->n, TEST_BY_REMOVE, undo, NULL);
    queue_changed(e, u);
    answer(e, ticket, u, p->n, p->n_passed, undo->id);
}

static void queue_delete(struct engine *e, struct user *u, const struct queue_change *q, struct ticket ticket)
{
    struct picked p = q->op == QUEUE_CLEAR ? pick_all(u) : pick(e, u, q);

    take_out(e, u, q, &p, ticket);
    pick_done(&p);
}

static void queue_undo(struct engine *e, struct user *u, const struct queue_change *q, struct ticket ticket)
{
    struct undo *undo = u->undos != NULL ? u->undos->prev : NULL;
    struct test **tests;
    struct test *t;
    uint32_t n = 0;
    uint32_t n_passed = 0;

    if (q->undo.v != 0)
        HASH_FIND(hh, e->undos, &q->undo.v, sizeof(q->undo.v), undo);
    if (undo == NULL || undo->user != u) {
        outbox_refuse(e->out, ticket, ERR_NOTFOUND, "undo",
                      q->undo.v == 0
                          ? "there is nothing to undo: nothing was removed in the last 10 minutes"
                          : "this cannot be undone: it was undone already, or more than 10 minutes "
                            "ago");
        return;
    }
    tests = xmalloc((size_t)undo->n_tests * sizeof(struct test *));
    DL_FOREACH2(undo->tests, t, undo_next)
    {
        if (t->launch->row.state == LAUNCH_RUNNING)
            tests[n++] = t;
        else
            n_passed++; /* its launch is being stopped, and so will this test be */
    }
    tests_state_set(e, tests, n, TEST_BY_UNDO, NULL, NULL);
    if (n > 0)
        queue_changed(e, u);
    answer(e, ticket, u, n, n_passed, (struct undo_id){0});
    free(tests);
}

/* ---- held back as a whole ---- */

static void pause_or_resume(struct engine *e, struct user *u, const struct queue_change *q,
                            struct ticket ticket)
{
    bool is_done = q->op == QUEUE_PAUSE ? queue_pause(e, u, q->login) : queue_resume(e, u, q->login);

    answer(e, ticket, u, is_done ? waiting_of(u) : 0, 0, (struct undo_id){0});
}

/* ---- duplicates ---- */

/* Things seen so far, by hash; with open addressing. */
struct seen {
    struct {
        uint64_t hash;
        const void *at;
    } * slots;
    uint64_t mask;
};

static struct seen seen_new(uint32_t n)
{
    struct seen s = {.mask = 15};

    while (s.mask < (uint64_t)n * 2)
        s.mask = s.mask * 2 + 1;
    s.slots = xcalloc(s.mask + 1, sizeof(*s.slots));
    return s;
}

/* One like it that was seen before; else `at` itself, which is seen from now on. */
static const void *seen_like(struct seen *s, uint64_t hash, const void *at,
                             bool (*is_like)(const void *a, const void *b))
{
    uint64_t i = hash & s->mask;

    for (; s->slots[i].at != NULL; i = (i + 1) & s->mask) {
        if (s->slots[i].hash == hash && is_like(s->slots[i].at, at))
            return s->slots[i].at;
    }
    s->slots[i].hash = hash;
    s->slots[i].at = at;
    return at;
}

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    while (n-- > 0)
        h = (h ^ *p++) * UINT64_C(0x100000001b3); /* FNV-1a */
    return h;
}

static uint64_t hash_text(uint64_t h, const char *s)
{
    return hash_bytes(h, s, strlen(s) + 1);
}

static uint64_t launch_hash(const struct launch *l)
{
    uint64_t h = hash_bytes(UINT64_C(0xcbf29ce484222325), &l->row.project.v, sizeof(l->row.project.v));
    uint32_t i;

    h = hash_text(hash_text(h, l->row.commit), l->row.location);
    for (i = 0; i < l->row.n_env; i++)
        h = hash_text(h, l->row.env[i]);
    return h;
}

static bool texts_are_like(const char *const *a, uint32_t n_a, const char *const *b, uint32_t n_b)
{
    uint32_t i;

    if (n_a != n_b)
        return false;
    for (i = 0; i < n_a; i++) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

static bool launches_are_like(const void *a, const void *b)
{
    const struct launch_row *x = &((const struct launch *)a)->row;
    const struct launch_row *y = &((const struct launch *)b)->row;

    return x->project.v == y->project.v && strcmp(x->commit, y->commit) == 0 &&
           strcmp(x->location, y->location) == 0 && texts_are_like(x->env, x->n_env, y->env, y->n_env);
}

static uint64_t test_hash(const struct test *t)
{
    uint64_t h = hash_bytes(UINT64_C(0xcbf29ce484222325), &t->launch->like, sizeof(t->launch->like));
    uint32_t i;

    h = hash_text(hash_text(hash_text(h, t->path), t->language), t->browser);
    for (i = 0; i < t->n_argv; i++)
        h = hash_text(h, t->argv[i]);
    return h;
}

static bool tests_are_like(const void *a, const void *b)
{
    const struct test *x = a;
    const struct test *y = b;

    return x->launch->like == y->launch->like && x->adapter == y->adapter && strcmp(x->path, y->path) == 0 &&
           strcmp(x->language, y->language) == 0 && strcmp(x->browser, y->browser) == 0 &&
           texts_are_like(x->argv, x->n_argv, y->argv, y->n_argv);
}

/* Launches that differ in nothing that a test sees get the same `like`. */
static void launches_compare(const struct engine *e, const struct picked *p)
{
    struct seen s = seen_new(HASH_COUNT(e->launches));
    uint32_t i;

    for (i = 0; i < p->n; i++)
        p->at[i]->launch->like = 0;
    for (i = 0; i < p->n; i++) {
        struct launch *l = p->at[i]->launch;
        const struct launch *first;

        if (l->like != 0)
            continue;
        first = seen_like(&s, launch_hash(l), l, launches_are_like);
        l->like = first->id.v;
    }
    free(s.slots);
}

/* The outcome does not hang on the table's shape: the first in the queue's order stays. */
static void queue_dedupe(struct engine *e, struct user *u, const struct queue_change *q, struct ticket ticket)
{
    struct picked p = pick_all(u);
    struct seen s = seen_new(p.n);
    uint32_t n = 0;
    uint32_t i;

    launches_compare(e, &p);
    for (i = 0; i < p.n; i++) {
        if (seen_like(&s, test_hash(p.at[i]), p.at[i], tests_are_like) != p.at[i])
            p.at[n++] = p.at[i];
    }
    p.n = n;
    take_out(e, u, q, &p, ticket);
    free(s.slots);
    free(p.at);
}

/* ---- */

void on_queue_change(struct engine *e, const struct event *ev)
{
    const struct queue_change *q = &ev->queue_change;
    struct user *u = user_of_id(e, q->user);

    CHECK((unsigned)q->op < QUEUE_OP_COUNT);
    if (q->version != 0 && (u == NULL || u->version != q->version)) {
        outbox_refuse(e->out, ev->ticket, ERR_CONFLICT, "version",
                      "the queue changed since version %llu: look again", (unsigned long long)q->version);
        return;
    }
    if (u == NULL)
        u = user_get(e, q->user);
    switch (q->op) {
    case QUEUE_MOVE:
        queue_move(e, u, q, ev->ticket);
        break;
    case QUEUE_DELETE:
    case QUEUE_CLEAR:
        queue_delete(e, u, q, ev->ticket);
        break;
    case QUEUE_SHUFFLE:
        queue_shuffle(e, u, q->seed, ev->ticket);
        break;
    case QUEUE_DEDUPE:
        queue_dedupe(e, u, q, ev->ticket);
        break;
    case QUEUE_SORT:
        queue_sort(e, u, ev->ticket);
        break;
    case QUEUE_UNDO:
        queue_undo(e, u, q, ev->ticket);
        break;
    case QUEUE_PAUSE:
    case QUEUE_RESUME:
        pause_or_resume(e, u, q, ev->ticket);
        break;
    case QUEUE_OP_COUNT:
        break;
    }
}
