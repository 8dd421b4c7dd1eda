/* fleets.c - fleets: all, one, add, change, remove; what can be had of one; book so many of it. */
#include <string.h>

#include "api/api_private.h"
#include "model/cost.h"
#include "model/rules.h"

/* ---- reading ---- */

static void render_fleet(struct json_out *j, const struct fleet_row *row)
{
    jo_obj(j);
    jo_kuint(j, "id", row->id.v);
    jo_ktext(j, "name", row->name);
    jo_ktext(j, "kind", fleet_kind_name(row->kind));
    jo_kbool(j, "makes_machines", fleet_kind_makes_machines(row->kind));
    jo_key(j, "options");
    jo_raw(j, row->options, strlen(row->options));
    jo_kbool(j, "booked_only", row->booked_only);
    jo_kint(j, "idle_ms", row->idle_ms);
    jo_kuint(j, "machines_max", row->machines_max);
    render_usd(j, "day_usd_max", row->day_microusd_max * NANOUSD_PER_MICROUSD);
    render_usd(j, "usd_per_hour", row->hour_microusd * NANOUSD_PER_MICROUSD);
    render_usd(j, "today_usd", row->spent_day == cost_day(wall_now()) ? row->spent_nanousd : 0);
    jo_karr(j, "kept");
    for (uint32_t i = 0; i < row->n_kept; i++)
        jo_text(j, row->kept[i]);
    jo_arr_end(j);
    jo_ktext_or_null(j, "error", row->error);
    jo_ktime(j, "created_at", row->created_at);
    jo_obj_end(j);
}

static void each_fleet(void *ctx, const struct fleet_row *row)
{
    struct req *rq = ctx;

    render_fleet(&rq->render.j, row);
}

static void list_job(struct reader *r, struct req *rq)
{
    struct page none = {0};

    page_begin(rq);
    rq->err = read_fleets(r, each_fleet, rq, &rq->why);
    page_end(rq, &none);
}

static void fleet_job(struct reader *r, struct req *rq)
{
    rq->err = read_fleet(r, (struct fleet_id){rq->ids[0]}, each_fleet, rq, &rq->why);
}

static void fleets_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

static void fleets_one(struct req *rq)
{
    req_read(rq, fleet_job, NULL);
}

static void fleets_catalog(struct req *rq)
{
    struct api_opts *o = &rq->api->opts;
    struct buf out;

    buf_init(&out, RENDER_BYTES_MAX);
    if (o->fleet_catalog == NULL || !o->fleet_catalog(o->ctx, (struct fleet_id){rq->ids[0]}, &out)) {
        buf_done(&out);
        req_fail(rq, ERR_NOTFOUND, NULL, "there is no fleet %llu that makes machines",
                 (unsigned long long)rq->ids[0]);
        return;
    }
    req_json(rq, 200, &out);
}

/* ---- changing ---- */

#define NOT_GIVEN INT64_MIN /* of a sum: all others can be said */

struct fleet_body {
    const char *name; /* NULL: not given */
    int kind;         /* -1 */
    const char *options;
    int booked_only; /* -1 */
    int64_t idle_ms; /* -1 */
    int64_t machines_max;
    struct field_int_or_text day_usd_max;
    struct field_int_or_text usd_per_hour;
};

static const char *const kinds[] = {"local", "ssh", "digitalocean", "command", "fake", NULL};
_Static_assert(ARRAY_LEN(kinds) == FLEET_COUNT + 1, "a word for each, in their order");

#define COMMON_FIELDS                                                                             \
    {.name = "options",                                                                           \
     .type = FIELD_OBJECT,                                                                        \
     .offset = offsetof(struct fleet_body, options),                                              \
     .max = FLEET_OPTIONS_BYTES_MAX,                                                              \
     .help = "of its kind; given, they replace all there were"},                                  \
        {.name = "booked_only",                                                                   \
         .type = FIELD_MAYBE,                                                                     \
         .offset = offsetof(struct fleet_body, booked_only),                                      \
         .help = "its servers run tests of who booked them alone; else free ones serve all"},     \
        {.name = "idle_ms",                                                                       \
         .type = FIELD_INT,                                                                       \
         .offset = offsetof(struct fleet_body, idle_ms),                                          \
         .max = INT64_MAX,                                                                        \
         .help = "a machine that has done nothing for so long is destroyed; 0 never",             \
         .preset = "3600000"},                                                                    \
        {.name = "machines_max",                                                                  \
         .type = FIELD_INT,                                                                       \
         .offset = offsetof(struct fleet_body, machines_max),                                     \
         .max = SERVERS_MAX,                                                                      \
         .help = "how many machines there may be at once; 0 no matter",                           \
         .preset = "0"},                                                                          \
        {.name = "day_usd_max",                                                                   \
         .type = FIELD_INT_OR_TEXT,                                                               \
         .offset = offsetof(struct fleet_body, day_usd_max),                                      \
         .max = 32,                                                                               \
         .help = "dollars that they may cost at most in a day of UTC, as a number or \"12.50\"; " \
                 "0 no matter",                                                                   \
         .preset = "0"},                                                                          \
    {                                                                                             \
        .name = "usd_per_hour", .type = FIELD_INT_OR_TEXT,                                        \
        .offset = offsetof(struct fleet_body, usd_per_hour), .max = 32,                           \
        .help = "dollars that one of its machines costs an hour, where no cloud says it, as for " \
                "hosts of your own; 0 nothing",                                                   \
        .preset = "0"                                                                             \
    }

static const struct field add_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct fleet_body, name),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 63,
     .help = "letters, digits, dot, dash, underscore; starts with a letter or digit"},
    {.name = "kind",
     .type = FIELD_ENUM,
     .offset = offsetof(struct fleet_body, kind),
     .flags = FIELD_REQUIRED,
     .names = kinds,
     .help = "where its machines come from"},
    COMMON_FIELDS,
    {.type = FIELD_END},
};
static const struct field edit_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct fleet_body, name),
     .min = 1,
     .max = 63,
     .help = "letters, digits, dot, dash, underscore; starts with a letter or digit"},
    COMMON_FIELDS,
    {.type = FIELD_END},
};
static const struct fleet_body body_preset = {.kind = -1,
                                              .booked_only = -1,
                                              .idle_ms = -1,
                                              .machines_max = -1,
                                              .day_usd_max = {.number = NOT_GIVEN},
                                              .usd_per_hour = {.number = NOT_GIVEN}};

/* "12.5" -> 12500000; false: no such amount. */
static bool read_usd(const struct field_int_or_text *in, int64_t max_microusd, int64_t *ret)
{
    const char *p = in->text;
    int64_t micro = 1000000;

    if (p == NULL) {
        *ret = in->number;
        return in->number >= 0 && in->number <= max_microusd / 1000000 && (*ret = in->number * 1000000, true);
    }
    *ret = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        *ret = *ret * 10 + (*p - '0');
        if (*ret > max_microusd / 1000000)
            return false;
    }
    *ret *= 1000000;
    if (*p == '.')
        p++;
    for (; *p >= '0' && *p <= '9' && micro > 1; p++) {
        micro /= 10;
        *ret += (*p - '0') * micro;
    }
    return *p == '\0';
}

static void take_row(void *ctx, const struct fleet_row *row)
{
    struct req *rq = ctx;
    struct fleet_row *kept = arena_alloc(&rq->arena, sizeof(*kept));

    *kept = *row;
    kept->name = arena_strdup(&rq->arena, row->name);
    kept->options = arena_strdup(&rq->arena, row->options);
    kept->error = "";
    kept->kept = NULL;
    kept->n_kept = 0;
    rq->state = kept;
}

static void row_job(struct reader *r, struct req *rq)
{
    rq->err = read_fleet(r, (struct fleet_id){rq->ids[0]}, take_row, rq, &rq->why);
}

static void on_put(struct req *rq, uint64_t id)
{
    const struct fleet_row *row = rq->state;

    audit_say(rq, arena_printf(&rq->arena, "fleet %s", row->name), "%s", fleet_kind_name(row->kind));
    rq->ids[0] = id;
    req_read(rq, fleet_job, NULL);
}

static bool take_usd(const char *field, const struct field_int_or_text *in, int64_t max_microusd,
                     int64_t *ret, struct why *reterr)
{
    if ((in->text == NULL && in->number == NOT_GIVEN) || read_usd(in, max_microusd, ret))
        return true;
    (void)why_set(reterr, ERR_INVALID, field, "%s: it is no amount of dollars like 12.50, of at most %lld",
                  field, (long long)(max_microusd / 1000000));
    return false;
}

/* What the body says, over what there is. */
static bool merge(struct req *rq, struct fleet_row *row, struct why *reterr)
{
    const struct fleet_body *in = rq->body;

    if (in->name != NULL)
        row->name = in->name;
    if (in->options != NULL)
        row->options = in->options;
    if (in->booked_only >= 0)
        row->booked_only = in->booked_only != 0;
    if (in->idle_ms >= 0)
        row->idle_ms = in->idle_ms;
    if (in->machines_max >= 0)
        row->machines_max = (uint32_t)in->machines_max;
    return take_usd("day_usd_max", &in->day_usd_max, DAY_MICROUSD_MAX, &row->day_microusd_max, reterr) &&
           take_usd("usd_per_hour", &in->usd_per_hour, PRICE_HOUR_MICROUSD_MAX, &row->hour_microusd, reterr);
}

static void put(struct req *rq, struct fleet_row *row)
{
    struct api_opts *o = &rq->api->opts;
    struct event ev = {.kind = EV_FLEET_PUT};
    struct why why = {0};

    rq->state = row;
    if (!merge(rq, row, &why)) {
        req_error(rq, &why);
        return;
    }
    if (o->fleet_check != NULL && o->fleet_check(o->ctx, fleet_kind_name(row->kind), row->options,
                                                 strlen(row->options), &why) != ERR_OK) {
        req_error(rq, &why);
        return;
    }
    ev.fleet_put = *row;
    req_post(rq, &ev, on_put);
}

static void fleets_add(struct req *rq)
{
    const struct fleet_body *in = rq->body;
    struct fleet_row *row = arena_alloc(&rq->arena, sizeof(*row));

    *row = (struct fleet_row){
        .kind = (enum fleet_kind)in->kind, .options = "{}", .idle_ms = FLEET_IDLE_MS_PRESET, .error = ""};
    put(rq, row);
}

static void edit(struct req *rq)
{
    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else
        put(rq, rq->state);
}

static void fleets_edit(struct req *rq)
{
    req_read(rq, row_job, edit);
}

static void on_removed(struct req *rq, uint64_t id)
{
    struct buf out;

    (void)id;
    buf_init(&out, KIB(1));
    buf_puts(&out, "{}");
    req_json(rq, 200, &out);
}

static void fleets_remove(struct req *rq)
{
    struct event ev = {.kind = EV_FLEET_REMOVE, .fleet_remove = {rq->ids[0]}};

    req_post(rq, &ev, on_removed);
}

/* ---- so many, please ---- */

struct take_body {
    int64_t count;
    const char *size;
};

static const struct field take_fields[] = {
    {.name = "count",
     .type = FIELD_INT,
     .offset = offsetof(struct take_body, count),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = SERVERS_CHANGE_MAX,
     .help = "how many"},
    {.name = "size",
     .type = FIELD_TEXT,
     .offset = offsetof(struct take_body, size),
     .max = NAME_BYTES_MAX,
     .help = "of their machines",
     .preset = "any; of new ones the fleet's own"},
    {.type = FIELD_END},
};
static const struct take_body take_preset = {.size = ""};

static void on_taken(struct req *rq, uint64_t id)
{
    (void)id;
    servers_answer(rq);
}

static void fleets_take(struct req *rq)
{
    const struct take_body *in = rq->body;
    struct event ev = {.kind = EV_SERVERS_TAKE};

    audit_say(rq, NULL, "%lld of size \"%s\"", (long long)in->count, in->size);
    ev.servers_take = (struct servers_take){.fleet = {rq->ids[0]},
                                            .n = (uint32_t)in->count,
                                            .size = in->size,
                                            .user = rq->who.user,
                                            .login = rq->who.login};
    req_post(rq, &ev, on_taken);
}

const struct route fleet_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/fleets", fleets_list, "All fleets.", "page of fleet")},
    {ROUTE(POST, ADMIN, "/api/v1/fleets", fleets_add, "Add a fleet that makes machines.", "fleet"),
     .audit = "fleet.add", .status = 201, .body_kind = BODY_JSON, .body = add_fields,
     .body_bytes = sizeof(struct fleet_body), .body_preset = &body_preset},
    {ROUTE(GET, LOOK, "/api/v1/fleets/{fleet}", fleets_one, "One fleet.", "fleet")},
    {ROUTE(POST, ADMIN, "/api/v1/fleets/{fleet}", fleets_edit, "Change what the body names.", "fleet"),
     .audit = "fleet.edit", .body_kind = BODY_JSON, .body = edit_fields,
     .body_bytes = sizeof(struct fleet_body), .body_preset = &body_preset},
    {ROUTE(DELETE, ADMIN, "/api/v1/fleets/{fleet}", fleets_remove,
           "Remove a fleet; 409 while it has servers.", "nothing"),
     .audit = "fleet.remove"},
    {ROUTE(GET, LOOK, "/api/v1/fleets/{fleet}/catalog", fleets_catalog,
           "Sizes with their prices, regions and images, as they were last read.", "catalog")},
    {ROUTE(POST, WORK, "/api/v1/fleets/{fleet}/take", fleets_take,
           "Book so many of its servers: free ones, then such as are switched on for it, then new ones.",
           "servers"),
     .audit = "fleet.take", .body_kind = BODY_JSON, .body = take_fields,
     .body_bytes = sizeof(struct take_body), .body_preset = &take_preset},
    ROUTES_END,
};
