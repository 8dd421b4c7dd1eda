/* test_queue.c - 100,000 random operations on the queues of three users, beside a model that is too simple to be wrong:
 * a list of ids per user. Launches at both ends, every operation, servers that take tests, undos, their end, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine_private.h"

#include "sim/store.c"

#define USERS 3u
#define LIST_MAX 4096u
#define OPS 100000u

struct model {
    uint64_t ids[LIST_MAX]; /* as they should stand */
    uint32_t n;
    bool paused; /* nothing of it may be given to a server */
};

struct bed {
    struct engine *e;
    struct outbox *out;
    struct sim_store store;
    struct now now;
    struct rng rng;
    struct model users[USERS + 1];
    uint64_t server;
    uint64_t links;
    uint64_t ops;
    struct reply reply;
    struct queue_answer answer;
    uint64_t shown[LIST_MAX];
};

static uint32_t below(struct bed *b, uint32_t n)
{
    return (uint32_t)rng_below(&b->rng, n);
}

/* ---- the model ---- */

static void model_take(struct model *m, uint64_t id)
{
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->ids[i] == id) {
            memmove(&m->ids[i], &m->ids[i + 1], (m->n - i - 1) * sizeof(m->ids[0]));
            m->n--;
            return;
        }
    }
    fail_msg("test %llu is not in the model", (unsigned long long)id);
}

static bool model_has(const struct model *m, uint64_t id)
{
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->ids[i] == id)
            return true;
    }
    return false;
}

static void model_put(struct model *m, uint32_t at, const uint64_t *ids, uint32_t n)
{
    assert_true(m->n + n <= LIST_MAX);
    memmove(&m->ids[at + n], &m->ids[at], (m->n - at) * sizeof(m->ids[0]));
    memcpy(&m->ids[at], ids, n * sizeof(ids[0]));
    m->n += n;
}

/* ---- the engine ---- */

static void turn(struct bed *b, const struct event *ev)
{
    outbox_clear(b->out);
    engine_step(b->e, b->now, ev, b->out);
    engine_turn_end(b->e, b->now, b->out);
    for (uint32_t i = 0; i < b->out->changes.n; i++)
        sim_store_apply(&b->store, &b->out->changes.at[i]);
    if (b->store.fault[0] != '\0')
        fail_msg("op %llu: %s", (unsigned long long)b->ops, b->store.fault);
    if (ev->ticket.v != 0) {
        assert_int_equal(b->out->replies.n, 1);
        b->reply = b->out->replies.at[0];
        if (b->reply.queue != NULL)
            b->answer = *b->reply.queue;
    }
    /* What a server took leaves the queue, and it was the first of its user. */
    for (uint32_t i = 0; i < b->out->changes.n; i++) {
        const struct change *c = &b->out->changes.at[i];

        if (c->kind == CHANGE_RUN_ADD) {
            struct model *m = &b->users[test_by_id(b->e, c->run.test)->launch->user->id.v];

            assert_false(m->paused);
            if (m->n > 0 && model_has(m, c->run.test.v)) {
                assert_int_equal(m->ids[0], c->run.test.v);
                model_take(m, c->run.test.v);
            }
        }
    }
}

static void link_up(struct bed *b)
{
    struct event ev = {.kind = EV_LINK_UP};

    ev.link_up.server.v = b->server;
    ev.link_up.link = ++b->links;
    ev.link_up.incarnation = b->links; /* another agent: what ran is lost, and waits again */
    ev.link_up.agent_version = "";
    ev.link_up.facts = "";
    turn(b, &ev);
}

/* A page at a time, as people see it. */
static uint32_t look(struct bed *b, uint64_t user)
{
    struct event ev = {.kind = EV_QUEUE_LOOK, .ticket = {1}};
    uint32_t n = 0;

    ev.queue_look.user.v = user;
    ev.queue_look.limit = 1 + below(b, 40);
    do {
        turn(b, &ev);
        assert_int_equal(b->reply.err, ERR_OK);
        for (uint32_t i = 0; i < b->answer.n_items; i++) {
            assert_int_equal(b->answer.items[i].ahead, n);
            b->shown[n++] = b->answer.items[i].test.id.v;
        }
        if (n > 0)
            ev.queue_look.after.v = b->shown[n - 1];
    } while (b->answer.has_more);
    assert_int_equal(n, b->answer.n_waiting);
    return n;
}

static void compare(struct bed *b)
{
    engine_check(b->e);
    for (uint64_t u = 1; u <= USERS; u++) {
        uint32_t n = look(b, u);

        assert_int_equal(n, b->users[u].n);
        if (n > 0)
            assert_memory_equal(b->shown, b->users[u].ids, n * sizeof(b->shown[0]));
    }
}

/* After something that the model does not follow: it takes over what it must be a permutation or a superset of. */
static void adopt(struct bed *b, uint64_t user)
{
    b->users[user].n = look(b, user);
    memcpy(b->users[user].ids, b->shown, b->users[user].n * sizeof(b->shown[0]));
}

/* ---- operations ---- */

static void op_launch(struct bed *b, uint64_t user)
{
    static const char *const files[] = {"a", "b", "c", "d"};
    static const char *const argv[] = {"true"};
    struct event ev = {.kind = EV_LAUNCH_CREATE, .ticket = {1}};
    struct new_test tests[8];
    uint64_t ids[8];
    uint32_t n = 1 + below(b, 8);

    if (b->users[user].n > 60)
        return;
    for (uint32_t i = 0; i < n; i++) {
        tests[i] = (struct new_test){.path = files[below(b, 4)],
                                     .argv = argv,
                                     .n_argv = 1,
                                     .language = below(b, 2) ? "en-US" : "de-DE",
                                     .predicted_ms = below(b, 5) * 1000};
        ids[i] = b->e->next_test + i;
    }
    ev.launch_create.launch = (struct launch_row){.name = "",
                                                  .project_name = "",
                                                  .ref = "",
                                                  .commit = "",
                                                  .lease_ms = 3600000,
                                                  .retries = 10,
                                                  .user = {user},
                                                  .location = below(b, 2) ? "x" : "y"};
    ev.launch_create.tests = tests;
    ev.launch_create.n_tests = n;
    ev.launch_create.at_front = below(b, 2);
    model_put(&b->users[user], ev.launch_create.at_front ? 0 : b->users[user].n, ids, n);
    turn(b, &ev);
    assert_int_equal(b->reply.err, ERR_OK);
}

/* Some of the queue in any order, some that are not there. */
static uint32_t choose(struct bed *b, const struct model *m, struct test_id *ids, uint32_t max)
{
    uint32_t n = 1 + below(b, max);

    for (uint32_t i = 0; i < n; i++)
        ids[i].v =
            m->n == 0 || below(b, 8) == 0 ? 1 + below(b, (uint32_t)b->e->next_test) : m->ids[below(b, m->n)];
    return n;
}

/* Those of `ids` that wait there, in the order of the queue, taken out of the model. */
static uint32_t model_pick(struct model *m, const struct test_id *ids, uint32_t n, uint64_t *ret)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < m->n; i++) {
        for (uint32_t j = 0; j < n; j++) {
            if (ids[j].v == m->ids[i]) {
                ret[k++] = m->ids[i];
                break;
            }
        }
    }
    for (uint32_t i = 0; i < k; i++)
        model_take(m, ret[i]);
    return k;
}

static void op_move(struct bed *b, uint64_t user, struct event *ev)
{
    struct model *m = &b->users[user];
    struct queue_change *q = &ev->queue_change;
    struct test_id ids[12];
    uint64_t moved[12];
    uint64_t anchor = 0;
    uint32_t at = 0;
    uint32_t n;

    q->tests = ids;
    q->n_tests = choose(b, m, ids, 12);
    q->to = (enum queue_to)below(b, 3);
    if (q->to == QUEUE_TO_BEFORE) {
        q->before.v = m->n > 0 ? m->ids[below(b, m->n)] : 1;
        for (uint32_t i = 0; i < m->n; i++) { /* the first from there on that stays */
            bool stays = true;

            for (uint32_t j = 0; j < q->n_tests; j++)
                stays = stays && ids[j].v != m->ids[i];
            at = at || m->ids[i] == q->before.v;
            if (at && stays && anchor == 0)
                anchor = m->ids[i];
        }
        if (m->n == 0) {
            turn(b, ev);
            assert_int_equal(b->reply.err, ERR_CONFLICT);
            return;
        }
    }
    n = model_pick(m, ids, q->n_tests, moved);
    at = q->to == QUEUE_TO_FRONT ? 0 : m->n;
    for (uint32_t i = 0; q->to == QUEUE_TO_BEFORE && i < m->n; i++) {
        if (m->ids[i] == anchor)
            at = i;
    }
    model_put(m, at, moved, n);
    turn(b, ev);
    assert_int_equal(b->reply.err, ERR_OK);
    assert_int_equal(b->answer.n_done, n);
}

static void op_delete(struct bed *b, uint64_t user, struct event *ev)
{
    struct model *m = &b->users[user];
    struct test_id ids[12];
    uint64_t gone[LIST_MAX];
    uint32_t n = m->n;

    if (ev->queue_change.op == QUEUE_DELETE) {
        ev->queue_change.tests = ids;
        ev->queue_change.n_tests = choose(b, m, ids, 12);
        n = model_pick(m, ids, ev->queue_change.n_tests, gone);
    } else {
        m->n = 0;
    }
    turn(b, ev);
    assert_int_equal(b->answer.n_done, n);
    assert_int_equal(b->answer.undo.v != 0, n > 0);
}

static bool alike(const struct bed *b, uint64_t x, uint64_t y)
{
    const struct test *s = test_by_id(b->e, (struct test_id){x});
    const struct test *t = test_by_id(b->e, (struct test_id){y});

    return strcmp(s->path, t->path) == 0 && strcmp(s->language, t->language) == 0 &&
           strcmp(s->launch->row.location, t->launch->row.location) == 0;
}

static void op_dedupe(struct bed *b, uint64_t user, const struct event *ev)
{
    struct model *m = &b->users[user];
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n; i++) {
        bool is_first = true;

        for (uint32_t j = 0; j < n; j++)
            is_first = is_first && !alike(b, m->ids[j], m->ids[i]);
        if (is_first)
            m->ids[n++] = m->ids[i];
    }
    m->n = n;
    turn(b, ev);
}

static int64_t length(const struct bed *b, const struct model *m, uint64_t id)
{
    int64_t known = 0;
    int64_t sum = 0;
    int64_t ms = test_by_id(b->e, (struct test_id){id})->predicted_ms;

    for (uint32_t i = 0; i < m->n; i++) {
        int64_t one = test_by_id(b->e, (struct test_id){m->ids[i]})->predicted_ms;

        known += one > 0;
        sum += one;
    }
    return ms > 0 || known == 0 ? ms : sum / known;
}

static void op_sort(struct bed *b, uint64_t user, const struct event *ev)
{
    struct model *m = &b->users[user];
    int64_t ms[LIST_MAX];

    for (uint32_t i = 0; i < m->n; i++)
        ms[i] = length(b, m, m->ids[i]);
    for (uint32_t i = 1; i < m->n; i++) { /* by insertion: stable */
        for (uint32_t j = i; j > 0 && ms[j] > ms[j - 1]; j--) {
            uint64_t id = m->ids[j];
            int64_t one = ms[j];

            m->ids[j] = m->ids[j - 1];
            ms[j] = ms[j - 1];
            m->ids[j - 1] = id;
            ms[j - 1] = one;
        }
    }
    turn(b, ev);
}

/* What comes back has the ranks that it had, and all that stands keeps its order. */
static void op_undo(struct bed *b, uint64_t user, struct event *ev)
{
    struct model *m = &b->users[user];
    struct user *u = user_of_id(b->e, (struct user_id){user});
    struct model before = *m;
    struct undo *undo = u != NULL ? u->undos : NULL;
    uint32_t n = 0;
    uint32_t kept = 0;

    if (undo != NULL && below(b, 2))
        ev->queue_change.undo = undo->id; /* the oldest */
    else if (undo != NULL)
        undo = undo->prev;
    n = undo != NULL ? undo->n_tests : 0;
    turn(b, ev);
    assert_int_equal(b->reply.err, n > 0 ? ERR_OK : ERR_NOTFOUND);
    if (n == 0)
        return;
    assert_int_equal(b->answer.n_done, n);
    adopt(b, user);
    for (uint32_t i = 0; i < m->n; i++) {
        const struct test *t = test_by_id(b->e, (struct test_id){m->ids[i]});

        assert_int_equal(sim_store_test(&b->store, t->id.v)->row.rank, t->rank);
        if (kept < before.n && before.ids[kept] == m->ids[i])
            kept++;
    }
    assert_int_equal(kept, before.n);
}

/* What was on its way to the server may come back: that, and nothing else, may be in the queue that was not. */
static void op_pause(struct bed *b, uint64_t user, struct event *ev)
{
    struct model *m = &b->users[user];
    struct model before = *m;
    uint32_t kept = 0;

    m->paused = ev->queue_change.op == QUEUE_PAUSE;
    turn(b, ev);
    assert_int_equal(b->reply.err, ERR_OK);
    assert_int_equal(b->answer.paused_by != NULL, m->paused);
    if (m->paused)
        assert_int_equal(m->n, before.n); /* nothing left it in this turn */
    adopt(b, user);
    for (uint32_t i = 0; i < before.n && kept < m->n; i++)
        kept += model_has(m, before.ids[i]);
    assert_true(kept + 1 >= before.n); /* one slot: resumed, the first may have begun */
}

static void op_queue(struct bed *b, uint64_t user)
{
    struct event ev = {.kind = EV_QUEUE_CHANGE, .ticket = {1}};
    struct model *m = &b->users[user];
    uint32_t n = m->n;

    ev.queue_change = (struct queue_change){
        .user = {user}, .op = (enum queue_op)below(b, QUEUE_OP_COUNT), .seed = b->ops, .login = "mira"};
    if (ev.queue_change.op == QUEUE_CLEAR && below(b, 3) != 0)
        ev.queue_change.op = QUEUE_MOVE;
    if (ev.queue_change.op == QUEUE_PAUSE && below(b, 2) != 0)
        ev.queue_change.op = QUEUE_RESUME; /* else hardly anything would run */
    switch (ev.queue_change.op) {
    case QUEUE_MOVE:
        op_move(b, user, &ev);
        break;
    case QUEUE_DELETE:
    case QUEUE_CLEAR:
        op_delete(b, user, &ev);
        break;
    case QUEUE_SHUFFLE:
        turn(b, &ev);
        adopt(b, user);
        assert_int_equal(m->n, n);
        break;
    case QUEUE_DEDUPE:
        op_dedupe(b, user, &ev);
        break;
    case QUEUE_SORT:
        op_sort(b, user, &ev);
        break;
    case QUEUE_UNDO:
        op_undo(b, user, &ev);
        break;
    case QUEUE_PAUSE:
    case QUEUE_RESUME:
        op_pause(b, user, &ev);
        break;
    case QUEUE_OP_COUNT:
        break;
    }
}

static void op_finish(struct bed *b)
{
    struct event ev = {.kind = EV_RUN_FINISHED};
    struct run *r = b->e->runs;

    if (r == NULL || r->server->link == 0)
        return;
    ev.run_finished.server = r->server->id;
    ev.run_finished.link = r->server->link;
    ev.run_finished.run = r->id;
    ev.run_finished.finish.duration_us = 1000000;
    ev.run_finished.reason = "";
    turn(b, &ev);
}

static void op_restart(struct bed *b)
{
    struct event ev = {.kind = EV_BOOTED};
    struct buf died;
    struct buf rebuilt;

    buf_init(&died, MIB(16));
    buf_init(&rebuilt, MIB(16));
    engine_dump(b->e, &died);
    engine_free(b->e);
    b->e = engine_new(NULL);
    sim_store_boot(&b->store, b->e, b->now);
    engine_dump(b->e, &rebuilt);
    assert_string_equal(buf_str(&died), buf_str(&rebuilt));
    buf_done(&died);
    buf_done(&rebuilt);
    turn(b, &ev);
    link_up(b);
    for (uint64_t u = 1; u <= USERS; u++)
        adopt(b, u); /* what ran may wait again */
}

static void op_time(struct bed *b)
{
    struct event ev = {.kind = EV_TICK};
    int64_t ms = below(b, 4) == 0 ? 700000 : below(b, 1000);

    b->now.mono.us += ms * 1000;
    b->now.wall.ms += ms;
    turn(b, &ev);
    link_up(b);
    for (uint64_t u = 1; u <= USERS; u++)
        adopt(b, u);
}

static void test_queue__is_what_a_simple_list_says(void **state)
{
    static struct bed b;
    struct event ev = {.kind = EV_BOOTED};

    (void)state;
    b = (struct bed){.e = engine_new(NULL), .out = outbox_new(), .now = {{1000000}, {1000}}};
    sim_store_init(&b.store);
    rng_seed(&b.rng, 42);
    turn(&b, &ev);
    ev = (struct event){.kind = EV_SERVER_ADD, .ticket = {1}};
    ev.server_add.row =
        (struct server_row){.name = "a", .address = "", .user = "", .identity = "", .slots = 1};
    turn(&b, &ev);
    b.server = b.reply.id;
    link_up(&b);
    for (b.ops = 0; b.ops < OPS; b.ops++) {
        uint32_t what = below(&b, 1000);
        uint64_t user = 1 + below(&b, USERS);

        if (what < 200)
            op_launch(&b, user);
        else if (what < 700)
            op_queue(&b, user);
        else if (what < 990)
            op_finish(&b);
        else if (what < 995)
            op_time(&b);
        else
            op_restart(&b);
        if (b.ops % 16 == 0)
            compare(&b);
    }
    compare(&b);
    engine_free(b.e);
    outbox_free(b.out);
    sim_store_done(&b.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue__is_what_a_simple_list_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
