/* queue.c - the queue of a user: look, move, delete, clear, shuffle, remove duplicates, sort, undo, pause, resume.
 *
 * All of them, looking too, are events of the engine, which alone knows the order; what is answered has been saved. */
#include <sodium.h>

#include "api/api_private.h"

struct queue_query {
    struct page_query page;
    int64_t user;
};

#define USER_FIELD(owner)                                                                               \
    {                                                                                                   \
        .name = "user", .type = FIELD_INT, .offset = offsetof(owner, user), .min = 1, .max = INT64_MAX, \
        .help = "whose queue, by id; for admins", .preset = "one's own"                                 \
    }

static const struct field queue_query_fields[] = {
    {.name = "cursor",
     .type = FIELD_INT,
     .offset = offsetof(struct queue_query, page.cursor),
     .max = INT64_MAX,
     .help = "next of the page before"},
    {.name = "limit",
     .type = FIELD_INT,
     .offset = offsetof(struct queue_query, page.limit),
     .min = 1,
     .max = QUEUE_PAGE_MAX,
     .help = "most items of a page",
     .preset = "50"},
    USER_FIELD(struct queue_query),
    {.type = FIELD_END},
};
static const struct queue_query queue_query_preset = {.page = PAGE_PRESET};

struct queue_body {
    int64_t user;
    int64_t version;
    struct field_ints tests;
    int to; /* -1: not given */
    int64_t before;
    int64_t undo;
};

static const char *const ends[] = {"end", "front", NULL};

#define COMMON_FIELDS                                                                                   \
    USER_FIELD(struct queue_body),                                                                      \
    {                                                                                                   \
        .name = "version", .type = FIELD_INT, .offset = offsetof(struct queue_body, version), .min = 1, \
        .max = INT64_MAX, .help = "of the queue as it was seen; 409 when it is another one",            \
        .preset = "whatever it is"                                                                      \
    }
#define TESTS_FIELD                                                                         \
    {                                                                                       \
        .name = "tests", .type = FIELD_INTS, .offset = offsetof(struct queue_body, tests),  \
        .flags = FIELD_REQUIRED, .min = 1, .max = INT64_MAX, .items_max = LAUNCH_TESTS_MAX, \
        .help = "ids of waiting tests"                                                      \
    }

static const struct field move_fields[] = {
    COMMON_FIELDS,
    TESTS_FIELD,
    {.name = "to",
     .type = FIELD_ENUM,
     .offset = offsetof(struct queue_body, to),
     .names = ends,
     .help = "an end of the queue"},
    {.name = "before",
     .type = FIELD_INT,
     .offset = offsetof(struct queue_body, before),
     .min = 1,
     .max = INT64_MAX,
     .help = "the waiting test that they shall stand before; instead of `to`"},
    {.type = FIELD_END},
};
static const struct field delete_fields[] = {COMMON_FIELDS, TESTS_FIELD, {.type = FIELD_END}};
static const struct field common_fields[] = {COMMON_FIELDS, {.type = FIELD_END}};
static const struct field undo_fields[] = {
    COMMON_FIELDS,
    {.name = "undo",
     .type = FIELD_INT,
     .offset = offsetof(struct queue_body, undo),
     .min = 1,
     .max = INT64_MAX,
     .help = "what the operation answered",
     .preset = "the newest"},
    {.type = FIELD_END},
};
static const struct queue_body queue_preset = {.to = -1};

/* false: answered. */
static bool whose(struct req *rq, int64_t named, struct user_id *ret)
{
    *ret = rq->who.user;
    if (named == 0 || (uint64_t)named == rq->who.user.v)
        return true;
    if (rq->who.role != ROLE_ADMIN) {
        req_fail(rq, ERR_DENIED, "user", "user: the queue of somebody else; an admin may");
        return false;
    }
    ret->v = (uint64_t)named;
    if (accounts_user(rq->api->accounts, *ret) == NULL) {
        req_fail(rq, ERR_INVALID, "user", "user: there is no user with the id %lld", (long long)named);
        return false;
    }
    return true;
}

static void render_item(struct json_out *j, const struct queue_item *item)
{
    const struct test_row *t = &item->test;

    jo_obj(j);
    jo_kuint(j, "id", t->id.v);
    jo_ktext(j, "path", t->path);
    jo_kobj(j, "launch");
    jo_kuint(j, "id", t->launch.v);
    jo_ktext(j, "name", item->launch_name);
    jo_obj_end(j);
    jo_kobj(j, "project");
    jo_kuint(j, "id", item->project.v);
    jo_ktext(j, "name", item->project_name);
    jo_obj_end(j);
    jo_ktext(j, "ref", item->ref);
    jo_ktext(j, "commit", item->commit);
    jo_ktext(j, "location", item->location);
    jo_ktext(j, "language", t->language);
    jo_ktext(j, "browser", t->browser);
    jo_kuint(j, "attempts", t->attempts);
    jo_kuint(j, "ahead", item->ahead);
    jo_key(j, "predicted_ms");
    if (t->predicted_ms > 0)
        jo_int(j, t->predicted_ms);
    else
        jo_null(j);
    jo_key(j, "starts_in_ms");
    if (item->start_in_ms >= 0)
        jo_int(j, item->start_in_ms);
    else
        jo_null(j);
    jo_ktext(j, "why", item->why);
    jo_obj_end(j);
}

static void render_paused(struct json_out *j, const struct queue_answer *a)
{
    render_pause(j, "paused", a->paused_by != NULL ? a->paused_by : "", a->paused_at);
}

static void render_undos(struct json_out *j, const struct queue_answer *a)
{
    jo_karr(j, "undos");
    for (uint32_t i = 0; i < a->n_undos; i++) {
        jo_obj(j);
        jo_kuint(j, "id", a->undos[i].id.v);
        jo_ktext(j, "by", a->undos[i].login);
        jo_ktime(j, "at", a->undos[i].at);
        jo_ktime(j, "until", a->undos[i].until);
        jo_kuint(j, "tests", a->undos[i].n_tests);
        jo_obj_end(j);
    }
    jo_arr_end(j);
}

static void on_looked(struct req *rq, uint64_t id)
{
    const struct queue_answer *a = rq->queue;
    struct json_out j;
    struct buf out;
    char next[24];

    (void)id;
    buf_init(&out, RENDER_BYTES_MAX);
    jo_begin(&j, &out);
    jo_obj(&j);
    jo_kuint(&j, "version", a->version);
    jo_kuint(&j, "waiting", a->n_waiting);
    render_paused(&j, a);
    jo_karr(&j, "items");
    for (uint32_t i = 0; i < a->n_items; i++)
        render_item(&j, &a->items[i]);
    jo_arr_end(&j);
    (void)snprintf(next, sizeof(next), "%llu",
                   a->n_items > 0 ? (unsigned long long)a->items[a->n_items - 1].test.id.v : 0);
    jo_ktext(&j, "next", a->has_more ? next : NULL);
    render_undos(&j, a);
    jo_obj_end(&j);
    req_json(rq, 200, &out);
}

static void queue_get(struct req *rq)
{
    const struct queue_query *q = rq->query;
    struct event ev = {.kind = EV_QUEUE_LOOK};

    if (!whose(rq, q->user, &ev.queue_look.user))
        return;
    ev.queue_look.after.v = (uint64_t)q->page.cursor;
    ev.queue_look.limit = (uint32_t)q->page.limit;
    req_post(rq, &ev, on_looked);
}

static void on_changed(struct req *rq, uint64_t id)
{
    const struct queue_answer *a = rq->queue;
    const struct queue_body *in = rq->body;
    const struct user_row *user;
    struct json_out j;
    struct buf out;

    (void)id;
    user =
        accounts_user(rq->api->accounts, in->user == 0 ? rq->who.user : (struct user_id){(uint64_t)in->user});
    audit_say(rq, arena_printf(&rq->arena, "queue of %s", user != NULL ? user->login : "somebody"),
              "%u tests, %u passed over", a->n_done, a->n_passed);
    buf_init(&out, KIB(4));
    jo_begin(&j, &out);
    jo_obj(&j);
    jo_kuint(&j, "version", a->version);
    jo_kuint(&j, "waiting", a->n_waiting);
    render_paused(&j, a);
    jo_kuint(&j, "done", a->n_done);
    jo_kuint(&j, "passed_over", a->n_passed);
    jo_key(&j, "undo");
    if (a->undo.v != 0)
        jo_uint(&j, a->undo.v);
    else
        jo_null(&j);
    jo_obj_end(&j);
    req_json(rq, 200, &out);
}

static void change(struct req *rq, enum queue_op op)
{
    const struct queue_body *in = rq->body;
    const struct user_row *me = accounts_user(rq->api->accounts, rq->who.user);
    struct event ev = {.kind = EV_QUEUE_CHANGE};
    struct queue_change *q = &ev.queue_change;
    struct test_id *ids = arena_alloc(&rq->arena, ((size_t)in->tests.n + 1) * sizeof(*ids));

    if (!whose(rq, in->user, &q->user))
        return;
    for (uint32_t i = 0; i < in->tests.n; i++)
        ids[i].v = (uint64_t)in->tests.at[i];
    q->op = op;
    q->version = (uint64_t)in->version;
    q->tests = ids;
    q->n_tests = in->tests.n;
    q->to = in->before != 0 ? QUEUE_TO_BEFORE : in->to == 1 ? QUEUE_TO_FRONT : QUEUE_TO_END;
    q->before.v = (uint64_t)in->before;
    q->undo.v = (uint64_t)in->undo;
    q->login = me != NULL ? me->login : OPERATOR_LOGIN;
    randombytes_buf(&q->seed, sizeof(q->seed));
    req_post(rq, &ev, on_changed);
}

static void queue_move(struct req *rq)
{
    const struct queue_body *in = rq->body;

    if ((in->to < 0) == (in->before == 0))
        req_fail(rq, ERR_INVALID, "to", "to: say either an end of the queue (to) or a test (before)");
    else
        change(rq, QUEUE_MOVE);
}

static void queue_delete(struct req *rq)
{
    change(rq, QUEUE_DELETE);
}

static void queue_clear(struct req *rq)
{
    change(rq, QUEUE_CLEAR);
}

static void queue_shuffle(struct req *rq)
{
    change(rq, QUEUE_SHUFFLE);
}

static void queue_dedupe(struct req *rq)
{
    change(rq, QUEUE_DEDUPE);
}

static void queue_sort(struct req *rq)
{
    change(rq, QUEUE_SORT);
}

static void queue_undo(struct req *rq)
{
    change(rq, QUEUE_UNDO);
}

static void queue_pause(struct req *rq)
{
    change(rq, QUEUE_PAUSE);
}

static void queue_resume(struct req *rq)
{
    change(rq, QUEUE_RESUME);
}

#define BODY(fields)                                                                 \
    .body_kind = BODY_JSON, .body = fields, .body_bytes = sizeof(struct queue_body), \
    .body_preset = &queue_preset, .body_max = BODY_LAUNCH_BYTES

const struct route queue_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/queue", queue_get, "The waiting tests of a user, in their order.", "queue"),
     .query = queue_query_fields, .query_bytes = sizeof(struct queue_query),
     .query_preset = &queue_query_preset},
    {ROUTE(POST, WORK, "/api/v1/queue/move", queue_move, "Move waiting tests; they keep their order.",
           "queue_changed"),
     .audit = "queue.move", BODY(move_fields)},
    {ROUTE(POST, WORK, "/api/v1/queue/delete", queue_delete,
           "Take tests out of the queue; for ten minutes they can be put back.", "queue_changed"),
     .audit = "queue.delete", BODY(delete_fields)},
    {ROUTE(POST, WORK, "/api/v1/queue/clear", queue_clear,
           "Take all tests out of the queue; for ten minutes they can be put back.", "queue_changed"),
     .audit = "queue.clear", BODY(common_fields)},
    {ROUTE(POST, WORK, "/api/v1/queue/shuffle", queue_shuffle, "Bring the queue into a random order.",
           "queue_changed"),
     .audit = "queue.shuffle", BODY(common_fields)},
    {ROUTE(POST, WORK, "/api/v1/queue/dedupe", queue_dedupe,
           "Of tests that would do the same only the first stays.", "queue_changed"),
     .audit = "queue.dedupe", BODY(common_fields)},
    {ROUTE(POST, WORK, "/api/v1/queue/sort", queue_sort, "The longest predicted first.", "queue_changed"),
     .audit = "queue.sort", BODY(common_fields)},
    {ROUTE(POST, WORK, "/api/v1/queue/undo", queue_undo, "Put back what an operation took out.",
           "queue_changed"),
     .audit = "queue.undo", BODY(undo_fields)},
    {ROUTE(POST, WORK, "/api/v1/queue/pause", queue_pause,
           "Start no new test of the queue; what runs goes on.", "queue_changed"),
     .audit = "queue.pause", BODY(common_fields)},
    {ROUTE(POST, WORK, "/api/v1/queue/resume", queue_resume, "Start tests of the queue again.",
           "queue_changed"),
     .audit = "queue.resume", BODY(common_fields)},
    ROUTES_END,
};
