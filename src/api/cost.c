/* cost.c - what machines cost: today, now, in a time, and for what. docs/cost.md says how it is counted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/account_common.h"
#include "model/cost.h"

#define CURSOR_BYTES_MAX 48
#define DAYS_PRESET 30

static const char *const bys[] = {"day", "server", "fleet", "launch", "user", "schedule", NULL};
_Static_assert(ARRAY_LEN(bys) == COST_BY_COUNT + 1, "a word for each, in their order");

struct cost_query {
    int by;
    const char *from;
    const char *to;
    int64_t user;
    const char *cursor;
    int64_t limit;
};

static const struct field fields[] = {
    {.name = "by",
     .type = FIELD_ENUM,
     .offset = offsetof(struct cost_query, by),
     .names = bys,
     .help = "what the items are; days come newest first, all else the dearest first; server and fleet are "
             "for admins",
     .preset = "day"},
    {.name = "from",
     .type = FIELD_TEXT,
     .offset = offsetof(struct cost_query, from),
     .max = JSON_TIME_BYTES,
     .help = "the first day, of UTC: 2026-11-01",
     .preset = "29 days before `to`"},
    {.name = "to",
     .type = FIELD_TEXT,
     .offset = offsetof(struct cost_query, to),
     .max = JSON_TIME_BYTES,
     .help = "the last day, which is included",
     .preset = "today"},
    {.name = "user",
     .type = FIELD_INT,
     .offset = offsetof(struct cost_query, user),
     .min = 1,
     .max = INT64_MAX,
     .help = "only launches of this user, by id; others than oneself are for admins",
     .preset = "oneself, and for admins all"},
    {.name = "cursor",
     .type = FIELD_TEXT,
     .offset = offsetof(struct cost_query, cursor),
     .max = CURSOR_BYTES_MAX,
     .help = "next of the page before"},
    {.name = "limit",
     .type = FIELD_INT,
     .offset = offsetof(struct cost_query, limit),
     .min = 1,
     .max = PAGE_LIMIT_MAX,
     .help = "most items of a page",
     .preset = "50"},
    {.type = FIELD_END},
};
static const struct cost_query preset = {.by = COST_BY_DAY, .limit = PAGE_LIMIT};

struct cost_job {
    struct cost_filter filter;
    struct cost_page page;
    int64_t today;
};

/* ---- what is asked for ---- */

/* "12345.17": the sum and the key of the last item. */
static enum err cursor_read(const char *text, struct cost_page *p, struct why *reterr)
{
    char *end = NULL;

    if (text == NULL)
        return ERR_OK;
    errno = 0;
    p->after_nanousd = strtoll(text, &end, 10);
    if (errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '.' && end[1] >= '0' && end[1] <= '9') {
        p->after_key = strtoll(end + 1, &end, 10);
        p->has_after = true;
        if (errno == 0 && *end == '\0')
            return ERR_OK;
    }
    return why_set(reterr, ERR_INVALID, "cursor", "cursor: '%.48s' is not the next of a page of costs", text);
}

static enum err day_read(const char *field, const char *text, int64_t *ret, struct why *reterr)
{
    struct wall at;

    if (text == NULL)
        return ERR_OK;
    if (strlen(text) != 10 || time_read(field, text, &at, reterr) != ERR_OK)
        return why_set(reterr, ERR_INVALID, field, "%s: '%.40s' is not a day like 2026-11-23", field, text);
    *ret = cost_day(at);
    return ERR_OK;
}

static enum err rights_check(const struct req *rq, struct cost_filter *f, struct why *reterr)
{
    if (rq->who.role == ROLE_ADMIN)
        return ERR_OK;
    if (f->user.v == 0)
        f->user = rq->who.user;
    if (f->user.v != rq->who.user.v)
        return why_set(reterr, ERR_DENIED, "user", "what others cost is shown to admins");
    return ERR_OK;
}

static enum err job_read(const struct req *rq, struct cost_job *job, struct why *reterr)
{
    const struct cost_query *q = rq->query;
    struct cost_filter *f = &job->filter;
    enum err err;

    job->today = cost_day(wall_now());
    *f = (struct cost_filter){.by = (enum cost_by)q->by, .user = {(uint64_t)q->user}, .to_day = job->today};
    job->page.limit = (uint32_t)q->limit;
    err = rights_check(rq, f, reterr);
    if (err == ERR_OK)
        err = day_read("to", q->to, &f->to_day, reterr);
    f->from_day = f->to_day - (DAYS_PRESET - 1);
    if (err == ERR_OK)
        err = day_read("from", q->from, &f->from_day, reterr);
    if (err == ERR_OK && f->from_day > f->to_day)
        err = why_set(reterr, ERR_INVALID, "from", "from: %s is after the last day, %s", q->from,
                      q->to != NULL ? q->to : "today");
    if (err == ERR_OK && f->user.v != 0 && (f->by == COST_BY_SERVER || f->by == COST_BY_FLEET))
        err = why_set(reterr, rq->who.role == ROLE_ADMIN ? ERR_INVALID : ERR_DENIED, "by",
                      "by: %s is of all users together%s", bys[f->by],
                      rq->who.role == ROLE_ADMIN ? ": leave out user" : ", and for admins");
    return err == ERR_OK ? cursor_read(q->cursor, &job->page, reterr) : err;
}

/* ---- the answer ---- */

static void put_day(struct json_out *j, const char *key, int64_t day)
{
    char text[COST_DATE_BYTES];

    cost_date_text(day, text);
    jo_ktext(j, key, text);
}

/* Of one user nobody knows which part of a machine's idle time to count. */
static void put_sums(struct json_out *j, const struct cost_sums *s, bool has_idle)
{
    render_usd(j, "cost_usd", s->nanousd);
    render_usd(j, "runs_usd", s->runs_nanousd);
    if (has_idle)
        render_usd(j, "idle_usd", s->nanousd - s->runs_nanousd);
    else
        jo_knull(j, "idle_usd");
    jo_kint_if(j, "machines_s", has_idle, s->ms / 1000);
    jo_kint(j, "runs_s", s->slot_ms / 1000);
}

static bool item_has_idle(const struct cost_filter *f)
{
    return f->user.v == 0 && (f->by == COST_BY_DAY || f->by == COST_BY_SERVER || f->by == COST_BY_FLEET);
}

static void each_item(void *ctx, const struct cost_item *item)
{
    struct req *rq = ctx;
    const struct cost_job *job = rq->state;
    struct json_out *j = &rq->render.j;

    jo_obj(j);
    if (job->filter.by == COST_BY_DAY) {
        put_day(j, "day", item->key);
        jo_knull(j, "id");
    } else {
        jo_knull(j, "day");
        jo_kint(j, "id", item->key);
    }
    jo_ktext(j, "name", item->name);
    jo_ktext(j, "of", item->also);
    put_sums(j, &item->sums, item_has_idle(&job->filter));
    jo_obj_end(j);
}

/* How much of all was for nothing, and how much that is a day. */
static void put_means(struct json_out *j, const struct cost_sums *s, bool has_idle)
{
    int64_t idle = s->nanousd - s->runs_nanousd;

    jo_kuint(j, "days", s->n_days);
    if (!has_idle || s->nanousd <= 0) {
        jo_knull(j, "idle_percent");
        jo_knull(j, "idle_usd_per_day");
        return;
    }
    jo_kint(j, "idle_percent", (idle * 100 + s->nanousd / 2) / s->nanousd);
    render_usd(j, "idle_usd_per_day", idle / s->n_days);
}

static enum err put_today(struct reader *r, struct req *rq)
{
    const struct cost_job *job = rq->state;
    struct cost_filter f = job->filter;
    struct json_out *j = &rq->render.j;
    struct cost_rate rate = {0};
    struct cost_sums sums;
    enum err err;

    f.from_day = f.to_day = job->today;
    err = read_cost_sums(r, &f, &sums, &rq->why);
    if (err == ERR_OK)
        err = read_cost_rate(r, &rate, &rq->why);
    if (err != ERR_OK)
        return err;
    jo_kobj(j, "today");
    put_day(j, "day", job->today);
    put_sums(j, &sums, f.user.v == 0);
    jo_obj_end(j);
    jo_kobj(j, "now");
    jo_kuint(j, "machines", rate.n_machines);
    render_usd(j, "usd_per_hour", rate.hour_microusd * NANOUSD_PER_MICROUSD);
    jo_ktime(j, "charged_at", rate.charged_at);
    jo_obj_end(j);
    return ERR_OK;
}

static void cost_read(struct reader *r, struct req *rq)
{
    struct cost_job *job = rq->state;
    const struct cost_filter *f = &job->filter;
    struct json_out *j = &rq->render.j;
    char next[CURSOR_BYTES_MAX];
    struct cost_sums total;

    jo_obj(j);
    rq->err = put_today(r, rq);
    if (rq->err == ERR_OK)
        rq->err = read_cost_sums(r, f, &total, &rq->why);
    if (rq->err != ERR_OK)
        return;
    put_day(j, "from", f->from_day);
    put_day(j, "to", f->to_day);
    jo_ktext(j, "by", bys[f->by]);
    jo_kobj(j, "total");
    put_sums(j, &total, f->user.v == 0);
    put_means(j, &total, f->user.v == 0);
    jo_obj_end(j);
    jo_karr(j, "items");
    rq->err = read_costs(r, f, &job->page, each_item, rq, &rq->why);
    jo_arr_end(j);
    (void)snprintf(next, sizeof(next), "%lld.%lld", (long long)job->page.next_nanousd,
                   (long long)job->page.next_key);
    jo_ktext_or_null(j, "next", job->page.has_next ? next : "");
    jo_obj_end(j);
}

static void cost_get(struct req *rq)
{
    struct cost_job *job = arena_alloc(&rq->arena, sizeof(*job));

    rq->state = job;
    if (job_read(rq, job, &rq->why) != ERR_OK)
        req_error(rq, &rq->why);
    else
        req_read(rq, cost_read, NULL);
}

const struct route cost_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/cost", cost_get,
           "What machines cost: today, now, and in a time by day, server, fleet, launch, user or schedule.",
           "cost"),
     .query = fields, .query_bytes = sizeof(struct cost_query), .query_preset = &preset},
    ROUTES_END,
};
