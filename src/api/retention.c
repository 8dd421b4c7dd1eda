/* retention.c - what is kept, how old it is, what goes next; and a round at once. What does it is server/retention.c. */
#include <string.h>

#include "api/api_private.h"

#define DAY_MS INT64_C(86400000)
#define COUNT_STEP PRUNE_IDS_MAX

static const struct {
    const char *name;
    enum api_kept kind;
} kinds[] = {{"logs", API_KEPT_LOGS},
             {"artifacts", API_KEPT_ARTIFACTS},
             {"examples", API_KEPT_EXAMPLES},
             {"history", API_KEPT_HISTORY}};
_Static_assert(ARRAY_LEN(kinds) == API_KEPT_COUNT, "a name for each");

/* What a kind has, and the oldest of it. */
struct kept {
    uint64_t items;
    uint64_t bytes;
    struct wall oldest; /* 0 none */
};

struct asked {
    struct api_retention set;
    struct kept_sums sums;
    struct artifact_sums artifacts;
    struct kept kept[API_KEPT_COUNT];
    uint64_t go_items[API_KEPT_COUNT]; /* of a dry run: by age */
    uint64_t go_bytes[API_KEPT_COUNT];
    struct wall now;
};

static void oldest_pack(void *ctx, const struct artifact_pack_row *row)
{
    *(struct wall *)ctx = row->created_at;
}

static enum err oldest_kept(struct reader *r, enum kept_kind kind, struct wall now, struct wall *ret,
                            struct why *reterr)
{
    struct kept_look look = {.kind = kind, .now = now, .max = 1};
    enum err err = read_kept_oldest(r, &look, reterr);

    *ret = look.first;
    return err;
}

static enum err oldest_launch(struct reader *r, struct wall now, struct wall *ret, struct why *reterr)
{
    struct launches_look look = {.now = now, .max = PRUNE_IDS_MAX};
    enum err err = read_launches_oldest(r, &look, reterr);

    *ret = look.first;
    return err;
}

static enum err look_at_all(struct reader *r, struct asked *a, struct why *reterr)
{
    struct kept *k = a->kept;
    enum err err = read_kept_sums(r, &a->sums, reterr);

    if (err == ERR_OK)
        err = read_artifact_sums(r, &a->artifacts, reterr);
    if (err == ERR_OK)
        err = oldest_kept(r, KEPT_LOG, a->now, &k[API_KEPT_LOGS].oldest, reterr);
    if (err == ERR_OK)
        err = oldest_kept(r, KEPT_EXAMPLE, a->now, &k[API_KEPT_EXAMPLES].oldest, reterr);
    if (err == ERR_OK)
        err = read_artifact_packs_oldest(r, 1, oldest_pack, &k[API_KEPT_ARTIFACTS].oldest, reterr);
    if (err == ERR_OK)
        err = oldest_launch(r, a->now, &k[API_KEPT_HISTORY].oldest, reterr);
    k[API_KEPT_LOGS].items = a->sums.items[KEPT_LOG];
    k[API_KEPT_LOGS].bytes = a->sums.bytes[KEPT_LOG];
    k[API_KEPT_EXAMPLES].items = a->sums.items[KEPT_EXAMPLE];
    k[API_KEPT_EXAMPLES].bytes = a->sums.bytes[KEPT_EXAMPLE];
    k[API_KEPT_ARTIFACTS].items = a->artifacts.files;
    k[API_KEPT_ARTIFACTS].bytes = a->artifacts.bytes;
    k[API_KEPT_HISTORY].items = a->sums.items[KEPT_RUN];
    k[API_KEPT_HISTORY].bytes = a->sums.database_bytes;
    return err;
}

/* When the oldest one goes: now when there is too much, by its age, or never (0). */
static struct wall goes_next(const struct asked *a, enum api_kept kind)
{
    const struct kept *k = &a->kept[kind];
    int64_t days = a->set.kinds[kind].days;

    if (k->oldest.ms == 0)
        return (struct wall){0};
    if (a->set.kinds[kind].max_bytes > 0 && k->bytes > (uint64_t)a->set.kinds[kind].max_bytes)
        return a->now;
    if (days == 0)
        return (struct wall){0};
    return (struct wall){k->oldest.ms + days * DAY_MS > a->now.ms ? k->oldest.ms + days * DAY_MS : a->now.ms};
}

static void put_limit(struct json_out *j, const char *key, int64_t v)
{
    if (v > 0)
        jo_kint(j, key, v);
    else
        jo_knull(j, key);
}

static void render_kept(struct json_out *j, const struct asked *a, bool is_dry)
{
    jo_karr(j, "kinds");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        enum api_kept kind = kinds[i].kind;

        jo_obj(j);
        jo_ktext(j, "kind", kinds[i].name);
        put_limit(j, "days", a->set.kinds[kind].days);
        put_limit(j, "max_bytes", a->set.kinds[kind].max_bytes);
        jo_kuint(j, "items", a->kept[kind].items);
        jo_kuint(j, "bytes", a->kept[kind].bytes);
        jo_ktime(j, "oldest_at", a->kept[kind].oldest);
        jo_ktime(j, "goes_next", goes_next(a, kind));
        if (is_dry) {
            jo_kuint(j, "goes", a->go_items[kind]);
            jo_kuint(j, "goes_bytes", a->go_bytes[kind]);
        }
        jo_obj_end(j);
    }
    jo_arr_end(j);
}

static void render_retention(struct json_out *j, const struct asked *a, bool is_dry)
{
    jo_obj(j);
    render_kept(j, a, is_dry);
    jo_kobj(j, "disk");
    jo_kuint(j, "free", a->set.disk.free_bytes);
    jo_kuint(j, "total", a->set.disk.total_bytes);
    jo_kuint(j, "database_free", a->sums.free_bytes);
    jo_kbool(j, "low", a->set.disk.is_low);
    jo_kbool(j, "full", a->set.disk.is_full);
    jo_ktext_or_null(j, "why", a->set.disk.why);
    jo_obj_end(j);
    jo_obj_end(j);
}

static struct asked *asked_new(struct req *rq)
{
    struct asked *a = arena_alloc(&rq->arena, sizeof(*a));

    rq->api->opts.retention(rq->api->opts.ctx, &a->set);
    a->now = wall_now();
    rq->state = a;
    return a;
}

static void look_job(struct reader *r, struct req *rq)
{
    rq->err = look_at_all(r, rq->state, &rq->why);
    if (rq->err == ERR_OK)
        render_retention(&rq->render.j, rq->state, false);
}

static void retention_get(struct req *rq)
{
    (void)asked_new(rq);
    req_read(rq, look_job, NULL);
}

/* ---- a round at once ---- */

/* Things and bytes that are too old, or too much. */
static enum err count_kept(struct reader *r, struct asked *a, enum api_kept kind, enum kept_kind kept,
                           struct why *reterr)
{
    struct kept_look look = {.kind = kept,
                             .now = a->now,
                             .before = {a->now.ms - a->set.kinds[kind].days * DAY_MS},
                             .max = COUNT_STEP};
    uint64_t max = (uint64_t)a->set.kinds[kind].max_bytes;
    enum err err = ERR_OK;

    if (a->set.kinds[kind].days > 0) {
        do {
            err = read_kept_oldest(r, &look, reterr);
            a->go_items[kind] += look.n;
            a->go_bytes[kind] += look.n_bytes;
        } while (err == ERR_OK && look.after != 0);
    }
    if (max > 0 && a->kept[kind].bytes > max && a->go_bytes[kind] < a->kept[kind].bytes - max)
        a->go_bytes[kind] = a->kept[kind].bytes - max;
    return err;
}

static enum err count_launches(struct reader *r, struct asked *a, struct why *reterr)
{
    int64_t days = a->set.kinds[API_KEPT_HISTORY].days;
    struct launches_look look = {.now = a->now, .before = {a->now.ms - days * DAY_MS}, .max = COUNT_STEP};
    enum err err = ERR_OK;

    while (days > 0 && err == ERR_OK) {
        err = read_launches_oldest(r, &look, reterr);
        a->go_items[API_KEPT_HISTORY] += look.n_runs;
        if (look.after == 0)
            break;
    }
    return err;
}

static void count_pack(void *ctx, const struct artifact_pack_row *row)
{
    struct asked *a = ctx;
    int64_t days = a->set.kinds[API_KEPT_ARTIFACTS].days;

    if (days == 0 || row->created_at.ms >= a->now.ms - days * DAY_MS)
        return;
    a->go_items[API_KEPT_ARTIFACTS] += row->files;
    a->go_bytes[API_KEPT_ARTIFACTS] += row->bytes;
}

static void prune_job(struct reader *r, struct req *rq)
{
    struct asked *a = rq->state;

    rq->err = look_at_all(r, a, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = count_kept(r, a, API_KEPT_LOGS, KEPT_LOG, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = count_kept(r, a, API_KEPT_EXAMPLES, KEPT_EXAMPLE, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = count_launches(r, a, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = read_artifact_packs_oldest(r, UINT32_MAX, count_pack, a, &rq->why);
    if (rq->err == ERR_OK)
        render_retention(&rq->render.j, a, true);
}

struct prune_body {
    bool dry_run;
};

static const struct field prune_fields[] = {
    {.name = "dry_run",
     .type = FIELD_BOOL,
     .offset = offsetof(struct prune_body, dry_run),
     .help = "only say what would go",
     .preset = "false"},
    {.type = FIELD_END},
};

static void on_counted(struct req *rq)
{
    const struct prune_body *b = rq->body;

    if (rq->err == ERR_OK && !b->dry_run && !rq->api->is_closed)
        rq->api->opts.prune(rq->api->opts.ctx);
    req_finish(rq);
}

static void retention_prune(struct req *rq)
{
    (void)asked_new(rq);
    req_read(rq, prune_job, on_counted);
}

const struct route retention_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/retention", retention_get,
           "What is kept of each kind and how long, how old it is, what goes next; room on the disk.",
           "retention")},
    {ROUTE(POST, ADMIN, "/api/v1/retention/prune", retention_prune,
           "What is too old or too much goes now, beside everything else; or only says what would.",
           "pruned"),
     .audit = "history.prune", .body_kind = BODY_JSON, .body = prune_fields,
     .body_bytes = sizeof(struct prune_body)},
    ROUTES_END,
};
