/* compare.c - a launch beside another one: what is new, known, fixed, flaky, gone (docs/causes.md).
 *
 * When a launch is done it is compared once by itself, so that lists can say "2 new, 5 known, 3 fixed" of it; whoever asks for one
 * that was missed, because the server ended in between, has its counts kept as well. */
#include <stdlib.h>

#include "api/api_private.h"
#include "api/live/hub.h"
#include "base/log.h"

struct compare_query {
    struct page_query page;
    int64_t with;
    uint32_t whats;
};

static const char *const whats[] = {"new", "flaky", "known", "fixed", "gone", NULL};
_Static_assert(ARRAY_LEN(whats) == COMPARE_COUNT + 1, "a name for each, in their order");

static const struct field query_fields[] = {
    PAGE_FIELDS(struct compare_query),
    {.name = "with",
     .type = FIELD_INT,
     .offset = offsetof(struct compare_query, with),
     .max = INT64_MAX,
     .help = "the launch to compare with; without: the last one that can be"},
    {.name = "what",
     .type = FIELD_ENUM_SET,
     .offset = offsetof(struct compare_query, whats),
     .names = whats,
     .help = "only these items, with commas between; all are counted"},
    {.type = FIELD_END},
};
static const struct compare_query query_preset = {.page = PAGE_PRESET};

struct asked {
    struct compare compare;
    bool has_launch; /* its row was rendered */
};

static void each_item(void *ctx, const struct compare_item *item)
{
    struct json_out *j = ctx;

    jo_obj(j);
    jo_ktext(j, "what", compare_what_name(item->what));
    jo_ktext(j, "path", item->path);
    jo_ktext(j, "language", item->language);
    jo_ktext(j, "browser", item->browser);
    jo_ktext(j, "description", item->description);
    jo_kint_if(j, "run", item->run.v != 0, (int64_t)item->run.v);
    jo_kint_if(j, "seq", item->seq >= 0, item->seq);
    render_cause_id(j, "cause", item->cause);
    jo_key(j, "before");
    if (item->before.v != 0) {
        jo_obj(j);
        jo_kuint(j, "run", item->before.v);
        jo_obj_end(j);
    } else {
        jo_null(j);
    }
    jo_obj_end(j);
}

void render_compare_counts(struct json_out *j, const uint32_t n[COMPARE_COUNT])
{
    for (int what = 0; what < COMPARE_COUNT; what++)
        jo_kuint(j, compare_what_name((enum compare_what)what), n[what]);
}

static void take_with(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct req *rq = ctx;
    struct asked *asked = rq->state;

    asked->has_launch = true;
    render_launch(&rq->render, row, sums);
}

static void compare_job(struct reader *r, struct req *rq)
{
    const struct compare_query *q = rq->query;
    struct asked *asked = rq->state;
    struct compare *c = &asked->compare;
    struct json_out *j = &rq->render.j;
    struct page p = page_of(&q->page);

    jo_obj(j);
    jo_kuint(j, "launch", rq->ids[0]);
    jo_karr(j, "items");
    rq->err = read_compare(r, (struct launch_id){rq->ids[0]}, (struct launch_id){(uint64_t)q->with}, q->whats,
                           &p, each_item, j, c, &rq->why);
    jo_arr_end(j);
    if (rq->err != ERR_OK)
        return;
    jo_key(j, "with");
    if (c->other.v != 0)
        rq->err = read_launch(r, c->other, take_with, rq, &rq->why);
    if (!asked->has_launch)
        jo_null(j);
    jo_ktext(j, "why", c->why);
    jo_kobj(j, "counts");
    render_compare_counts(j, c->n);
    jo_obj_end(j);
    jo_kbool(j, "whole", c->is_whole);
    render_next(j, &p);
    jo_obj_end(j);
}

static void on_compared(struct req *rq)
{
    const struct compare_query *q = rq->query;
    const struct asked *asked = rq->state;

    if (rq->err == ERR_OK && q->with == 0 && asked->compare.is_done)
        store_compare_put(rq->api->opts.store, (struct launch_id){rq->ids[0]}, &asked->compare, NULL, NULL);
    if (rq->err == ERR_INVALID)
        req_field_error(rq, &rq->why);
    else
        req_finish(rq);
}

static void compare(struct req *rq)
{
    rq->state = arena_alloc(&rq->arena, sizeof(struct asked));
    req_read(rq, compare_job, on_compared);
}

const struct route compare_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/launches/{launch}/compare", compare,
           "The launch beside the last one like it: failures that are new, flaky, known, fixed, gone.",
           "compared"),
     .query = query_fields, .query_bytes = sizeof(struct compare_query), .query_preset = &query_preset},
    ROUTES_END,
};

/* ---- when a launch is done --------------------------------------------------------------------------------- */

struct ended {
    struct api *api;
    struct launch_id launch;
    struct compare compare;
    enum err err;
};

static void ended_free(struct ended *e)
{
    struct api *a = e->api;

    free(e);
    api_unhold(a);
}

static void on_kept(void *ctx, enum err err, const struct why *why)
{
    struct ended *e = ctx;

    if (err != ERR_OK)
        LOG_WARN("compare.keep", "launch=%llu why=\"%s\"", (unsigned long long)e->launch.v, why->text);
    else if (!e->api->is_closed)
        hub_launch(e->api->hub, e->launch);
    ended_free(e);
}

static void ended_job(struct reader *r, void *arg)
{
    struct ended *e = arg;
    struct page p = {.limit = 1};
    struct why why;

    e->err = read_compare(r, e->launch, (struct launch_id){0}, 0, &p, NULL, NULL, &e->compare, &why);
    if (e->err != ERR_OK && e->err != ERR_NOTFOUND)
        LOG_WARN("compare.read", "launch=%llu why=\"%s\"", (unsigned long long)e->launch.v, why.text);
}

static void ended_done(void *arg)
{
    struct ended *e = arg;

    if (e->err != ERR_OK || e->api->is_closed)
        ended_free(e);
    else
        store_compare_put(e->api->opts.store, e->launch, &e->compare, on_kept, e);
}

void compare_ended(struct api *a, struct launch_id launch)
{
    struct ended *e = xcalloc(1, sizeof(*e));

    e->api = a;
    e->launch = launch;
    api_hold(a);
    store_read(a->opts.store, ended_job, ended_done, e);
}
