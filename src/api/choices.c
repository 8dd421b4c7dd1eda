/* choices.c - what a launch may choose from: locations, browsers, languages. The three differ by their path alone, but for
 * the urls of locations and those that are a user's own. */
#include <string.h>

#include "api/account_common.h"

static enum choice_kind kind_of(const struct req *rq)
{
    static const char *const paths[] = {[CHOICE_LOCATION] = "/api/v1/locations",
                                        [CHOICE_BROWSER] = "/api/v1/browsers",
                                        [CHOICE_LANGUAGE] = "/api/v1/languages"};

    for (unsigned k = 0; k < ARRAY_LEN(paths); k++) {
        if (strncmp(rq->route->path, paths[k], strlen(paths[k])) == 0)
            return (enum choice_kind)k;
    }
    CHECK(!"a route of choices.c");
    return CHOICE_KIND_COUNT;
}

/* ---- reading ---- */

struct list_query {
    bool archived;
};

static const struct field list_fields[] = {
    {.name = "archived",
     .type = FIELD_BOOL,
     .offset = offsetof(struct list_query, archived),
     .help = "also those that cannot be chosen any more",
     .preset = "0"},
    {.type = FIELD_END},
};

static void each_choice(void *ctx, const struct choice_row *row)
{
    struct req *rq = ctx;
    struct json_out *j = &rq->render.j;

    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_ktext(j, "name", row->name);
    if (row->kind == CHOICE_LOCATION) {
        jo_ktext(j, "type", row->type);
        jo_ktext_or_null(j, "url", row->url);
        jo_ktext_or_null(j, "health_url", row->health_url);
    }
    jo_kuint(j, "position", row->position);
    jo_kbool(j, "preset", row->is_preset);
    jo_kbool(j, "archived", row->archived_at.ms != 0);
    jo_ktime(j, "used_at", row->used_at);
    jo_obj_end(j);
}

static void each_own(void *ctx, const struct own_location_row *row)
{
    struct req *rq = ctx;
    struct json_out *j = &rq->render.j;

    jo_obj(j);
    jo_ktext(j, "url", row->url);
    jo_ktime(j, "used_at", row->used_at);
    jo_obj_end(j);
}

static void render_list(struct reader *r, struct req *rq, bool archived)
{
    struct json_out *j = &rq->render.j;
    enum choice_kind kind = kind_of(rq);

    jo_obj(j);
    jo_karr(j, "items");
    rq->err = read_choices(r, kind, archived, each_choice, rq, &rq->why);
    jo_arr_end(j);
    if (kind == CHOICE_LOCATION && rq->err == ERR_OK) {
        jo_karr(j, "own");
        rq->err = read_own_locations(r, rq->who.user, each_own, rq, &rq->why);
        jo_arr_end(j);
    }
    jo_ktext(j, "next", NULL);
    jo_obj_end(j);
}

static void list_job(struct reader *r, struct req *rq)
{
    const struct list_query *q = rq->query;

    render_list(r, rq, q->archived);
}

static void choices_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

static void one_job(struct reader *r, struct req *rq)
{
    rq->err = read_choice(r, kind_of(rq), rq->ids[0], each_choice, rq, &rq->why);
}

static void choices_one(struct req *rq)
{
    req_read(rq, one_job, NULL);
}

/* ---- commands ---- */

struct choice_body {
    const char *name, *type, *url, *health_url;
    int64_t position;
    int preset;
    int archived;
};

#define TEXT_FIELD(member_, flags_, max_, help_)                                               \
    {                                                                                          \
        .name = #member_, .type = FIELD_TEXT, .offset = offsetof(struct choice_body, member_), \
        .flags = (flags_), .max = (max_), .help = (help_)                                      \
    }
#define URL_FIELDS                                                                                   \
    TEXT_FIELD(type, 0, CHOICE_NAME_BYTES_MAX, "a word that groups locations"),                      \
        TEXT_FIELD(url, 0, URL_BYTES_MAX, "http or https url of the server under test; \"\": none"), \
        TEXT_FIELD(health_url, 0, URL_BYTES_MAX, "an url that says whether it is well; \"\": none")
#define PLACE_FIELDS                                                                           \
    {.name = "position",                                                                       \
     .type = FIELD_INT,                                                                        \
     .offset = offsetof(struct choice_body, position),                                         \
     .min = 1,                                                                                 \
     .max = CHOICES_MAX,                                                                       \
     .help = "its place in the list, from 1; the others make room",                            \
     .preset = "where it is; a new one goes to the end"},                                      \
    {                                                                                          \
        .name = "preset", .type = FIELD_MAYBE, .offset = offsetof(struct choice_body, preset), \
        .help = "taken when a launch names none; then no other is"                             \
    }
#define ARCHIVED_FIELD                                                                             \
    {                                                                                              \
        .name = "archived", .type = FIELD_MAYBE, .offset = offsetof(struct choice_body, archived), \
        .help = "cannot be chosen any more"                                                        \
    }
#define NAME_HELP "what launches keep and scripts see"

static const struct field location_add_fields[] = {
    TEXT_FIELD(name, FIELD_REQUIRED, CHOICE_NAME_BYTES_MAX, NAME_HELP),
    URL_FIELDS,
    PLACE_FIELDS,
    {.type = FIELD_END},
};
static const struct field location_edit_fields[] = {
    TEXT_FIELD(name, 0, CHOICE_NAME_BYTES_MAX, NAME_HELP),
    URL_FIELDS,
    PLACE_FIELDS,
    ARCHIVED_FIELD,
    {.type = FIELD_END},
};
static const struct field add_fields[] = {
    TEXT_FIELD(name, FIELD_REQUIRED, CHOICE_NAME_BYTES_MAX, NAME_HELP),
    PLACE_FIELDS,
    {.type = FIELD_END},
};
static const struct field edit_fields[] = {
    TEXT_FIELD(name, 0, CHOICE_NAME_BYTES_MAX, NAME_HELP),
    PLACE_FIELDS,
    ARCHIVED_FIELD,
    {.type = FIELD_END},
};
static const struct choice_body body_preset = {.preset = -1, .archived = -1};

/* What the store writes its answers to. In the request's arena. */
struct changed {
    uint64_t id;
    bool was_archived;
};

static void on_put(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    const struct changed *c = rq->state;

    if (rq->http != NULL && !rq->api->is_closed) {
        rq->ids[0] = c->id;
        if (err != ERR_OK)
            req_error(rq, why);
        else
            req_read(rq, one_job, NULL);
    }
    req_release(rq);
}

static void choices_put(struct req *rq)
{
    const struct choice_body *in = rq->body;
    struct changed *c = arena_alloc(&rq->arena, sizeof(*c));
    const struct choice_edit edit = {.id = rq->route->status == 201 ? 0 : rq->ids[0],
                                     .kind = kind_of(rq),
                                     .name = in->name,
                                     .type = in->type,
                                     .url = in->url,
                                     .health_url = in->health_url,
                                     .position = (uint32_t)in->position,
                                     .is_preset = in->preset,
                                     .is_archived = in->archived,
                                     .at = wall_now()};
    struct why why = {0};

    if (choice_edit_check(&edit, &why) != ERR_OK) {
        req_error(rq, &why);
        return;
    }
    if (in->name != NULL)
        audit_say(rq, NULL, "%s", in->name);
    c->id = edit.id;
    rq->state = c;
    req_hold(rq);
    store_choice_put(rq->api->opts.store, &edit, &c->id, on_put, rq);
}

static void on_deleted(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    const struct changed *c = rq->state;
    struct json_out j;
    struct buf out;

    if (rq->http != NULL && err != ERR_OK) {
        req_error(rq, why);
    } else if (rq->http != NULL) {
        buf_init(&out, KIB(1));
        jo_begin(&j, &out);
        jo_obj(&j);
        jo_kbool(&j, "archived", c->was_archived);
        jo_obj_end(&j);
        req_json(rq, 200, &out);
    }
    req_release(rq);
}

static void choices_delete(struct req *rq)
{
    struct changed *c = arena_alloc(&rq->arena, sizeof(*c));

    *c = (struct changed){0};
    rq->state = c;
    req_hold(rq);
    store_choice_delete(rq->api->opts.store, kind_of(rq), rq->ids[0], wall_now(), &c->was_archived,
                        on_deleted, rq);
}

/* ---- a user's own locations ---- */

struct own_params {
    const char *url;
};

static const struct field own_fields[] = {
    {.name = "url",
     .type = FIELD_TEXT,
     .offset = offsetof(struct own_params, url),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = URL_BYTES_MAX,
     .help = "http or https url of a server under test"},
    {.type = FIELD_END},
};

static void all_job(struct reader *r, struct req *rq)
{
    render_list(r, rq, false);
}

static void on_own(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;

    if (rq->http != NULL && !rq->api->is_closed) {
        if (err != ERR_OK)
            req_field_error(rq, why);
        else
            req_read(rq, all_job, NULL);
    }
    req_release(rq);
}

static void own_add(struct req *rq)
{
    const struct own_params *in = rq->body;
    const struct choices_used used = {.user = rq->who.user, .own_location = in->url, .at = wall_now()};
    struct why why = {0};

    if (http_url_check("url", in->url, &why) != ERR_OK) {
        req_error(rq, &why);
        return;
    }
    audit_say(rq, NULL, "%s", in->url);
    req_hold(rq);
    store_choices_used(rq->api->opts.store, &used, on_own, rq);
}

static void own_forget(struct req *rq)
{
    const struct own_params *in = rq->query;

    audit_say(rq, NULL, "%s", in->url);
    req_hold(rq);
    store_own_location_forget(rq->api->opts.store, rq->who.user, in->url, on_own, rq);
}

#define LIST .query = list_fields, .query_bytes = sizeof(struct list_query)
#define EDIT(fields_) BODY(fields_, struct choice_body), .body_preset = &body_preset

const struct route choice_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/locations", choices_list,
           "Servers under test, in their order; `own` are the urls that the caller chose last.", "locations"),
     LIST},
    {ROUTE(POST, ADMIN, "/api/v1/locations", choices_put, "Add a location.", "location"),
     .audit = "location.add", .status = 201, EDIT(location_add_fields)},
    {ROUTE(POST, WORK, "/api/v1/locations/own", own_add, "Remember an url as one's own location.",
           "locations"),
     .audit = "location.own", BODY(own_fields, struct own_params)},
    {ROUTE(DELETE, WORK, "/api/v1/locations/own", own_forget, "Forget one's own location.", "locations"),
     .audit = "location.forget", .query = own_fields, .query_bytes = sizeof(struct own_params)},
    {ROUTE(GET, LOOK, "/api/v1/locations/{location}", choices_one, "One location.", "location")},
    {ROUTE(POST, ADMIN, "/api/v1/locations/{location}", choices_put, "Change what the body names.",
           "location"),
     .audit = "location.edit", EDIT(location_edit_fields)},
    {ROUTE(DELETE, ADMIN, "/api/v1/locations/{location}", choices_delete,
           "Remove it; one that was used is archived.", "choice_removed"),
     .audit = "location.remove"},
    {ROUTE(GET, LOOK, "/api/v1/browsers", choices_list, "Browsers, in their order.", "page of choice"), LIST},
    {ROUTE(POST, ADMIN, "/api/v1/browsers", choices_put, "Add a browser.", "choice"), .audit = "browser.add",
     .status = 201, EDIT(add_fields)},
    {ROUTE(GET, LOOK, "/api/v1/browsers/{browser}", choices_one, "One browser.", "choice")},
    {ROUTE(POST, ADMIN, "/api/v1/browsers/{browser}", choices_put, "Change what the body names.", "choice"),
     .audit = "browser.edit", EDIT(edit_fields)},
    {ROUTE(DELETE, ADMIN, "/api/v1/browsers/{browser}", choices_delete,
           "Remove it; one that was used is archived.", "choice_removed"),
     .audit = "browser.remove"},
    {ROUTE(GET, LOOK, "/api/v1/languages", choices_list, "Languages, in their order.", "page of choice"),
     LIST},
    {ROUTE(POST, ADMIN, "/api/v1/languages", choices_put, "Add a language.", "choice"),
     .audit = "language.add", .status = 201, EDIT(add_fields)},
    {ROUTE(GET, LOOK, "/api/v1/languages/{language}", choices_one, "One language.", "choice")},
    {ROUTE(POST, ADMIN, "/api/v1/languages/{language}", choices_put, "Change what the body names.", "choice"),
     .audit = "language.edit", EDIT(edit_fields)},
    {ROUTE(DELETE, ADMIN, "/api/v1/languages/{language}", choices_delete,
           "Remove it; one that was used is archived.", "choice_removed"),
     .audit = "language.remove"},
    ROUTES_END,
};
