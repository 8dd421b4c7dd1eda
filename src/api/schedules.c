/* schedules.c - schedules: make, edit, look ahead, run by hand. What is due is started by server/schedules.c. */
#include <stdlib.h>
#include <string.h>

#include "api/account_common.h"
#include "api/schedule_rule.h"
#include "schedule/schedule.h"

#define GIVE_UP_H_PRESET 24
#define GIVE_UP_H_MAX 8760
#define PREVIEW_MAX 1000

static const char *const kinds[] = {"once", "every", "daily", "weekly", "cron", NULL};
static const char *const overlaps[] = {"skip", "queue", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

/* ---- reading ---- */

/* For whom rows are rendered: times are shown in the zone of who asks, too. */
struct looker {
    struct req *rq;
    struct zone *zone;
};

/* On the loop, before the job: accounts are there. */
static const char *zone_of_asker(struct req *rq)
{
    const struct user_row *u = accounts_user(rq->api->accounts, rq->who.user);

    return arena_strdup(&rq->arena, u != NULL ? u->zone : USER_ZONE_PRESET);
}

/* Without a tz database, or with one that has lost the zone, in UTC: the offset is shown. */
static struct looker looker_of(struct req *rq)
{
    struct looker look = {.rq = rq};
    struct why why;

    if (zone_load(rq->zone, &look.zone, &why) != ERR_OK)
        CHECK(zone_load(USER_ZONE_PRESET, &look.zone, &why) == ERR_OK);
    return look;
}

static void render_local(const struct looker *look, const char *key, struct wall at)
{
    char local[LOCAL_TEXT_BYTES];

    if (at.ms != 0)
        local_text(look->zone, at, local);
    jo_ktext(&look->rq->render.j, key, at.ms != 0 ? local : NULL);
}

static void render_start(const struct looker *look, const struct start_row *row)
{
    struct json_out *j = &look->rq->render.j;

    jo_obj(j);
    jo_ktime(j, "due_at", row->due_at);
    render_local(look, "due_local", row->due_at);
    jo_ktime(j, "at", row->at);
    jo_kint(j, "late_ms", row->at.ms - row->due_at.ms);
    jo_ktext(j, "result", start_result_name(row->result));
    jo_key(j, "launch");
    if (row->launch.v != 0)
        jo_uint(j, row->launch.v);
    else
        jo_null(j);
    jo_ktext(j, "text", row->text);
    jo_obj_end(j);
}

/* "mon,fri", as it is taken. */
static const char *days_text(struct arena *arena, uint32_t bits)
{
    const char *text = "";

    for (int d = 0; d < 7; d++) {
        if ((bits >> d & 1) != 0)
            text = arena_printf(arena, "%s%s%s", text, text[0] != '\0' ? "," : "", weekdays[d]);
    }
    return text;
}

static void render_schedule(const struct looker *look, const struct schedule_row *row)
{
    struct req *rq = look->rq;
    struct json_out *j = &rq->render.j;
    struct wall next = row->is_enabled ? row->next_at : (struct wall){0};

    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_ktext(j, "name", row->name);
    render_who(&rq->render, "user", row->user);
    jo_kobj(j, "list");
    jo_kuint(j, "id", row->list);
    jo_ktext(j, "name", row->list_name);
    jo_obj_end(j);
    jo_ktext(j, "kind", row->kind);
    jo_ktext(j, "at", row->at);
    jo_kint(j, "hours", row->every_minutes / 60);
    jo_kint(j, "minutes", row->every_minutes % 60);
    jo_ktext(j, "days", days_text(&rq->arena, row->weekdays));
    jo_ktext(j, "cron", row->cron);
    jo_ktext(j, "zone", row->zone);
    jo_ktext(j, "until", row->until);
    jo_kbool(j, "enabled", row->is_enabled);
    jo_ktext(j, "reason", row->reason);
    jo_ktext(j, "overlap", schedule_overlap_name(row->overlap));
    jo_kuint(j, "give_up_h", row->give_up_h);
    jo_key(j, "servers");
    if (row->servers_book == 0) {
        jo_null(j);
    } else {
        jo_obj(j);
        jo_kuint(j, "book", row->servers_book);
        jo_ktext(j, "fleet", row->servers_fleet_name);
        jo_ktext(j, "size", row->servers_size);
        jo_obj_end(j);
    }
    jo_kuint(j, "version", row->version);
    jo_ktime(j, "created_at", row->created_at);
    jo_ktime(j, "changed_at", row->changed_at);
    jo_ktime(j, "next_at", next);
    render_local(look, "next_local", next);
    jo_key(j, "last");
    if (row->last.due_at.ms != 0)
        render_start(look, &row->last);
    else
        jo_null(j);
    jo_obj_end(j);
}

struct schedules_query {
    struct page_query page;
    int64_t user;
    int64_t list;
    bool all;
};

static const struct field schedules_query_fields[] = {
    PAGE_FIELDS(struct schedules_query),
    {.name = "user",
     .type = FIELD_INT,
     .offset = offsetof(struct schedules_query, user),
     .min = 1,
     .max = INT64_MAX,
     .help = "for admins: those of this user"},
    {.name = "all",
     .type = FIELD_BOOL,
     .offset = offsetof(struct schedules_query, all),
     .help = "for admins: those of everybody"},
    {.name = "list",
     .type = FIELD_INT,
     .offset = offsetof(struct schedules_query, list),
     .min = 1,
     .max = INT64_MAX,
     .help = "only those that start this list"},
    {.type = FIELD_END},
};
static const struct schedules_query schedules_query_preset = {.page = PAGE_PRESET};

static void each_schedule(void *ctx, const struct schedule_row *row)
{
    render_schedule(ctx, row);
}

static void schedules_job(struct reader *r, struct req *rq)
{
    const struct schedules_query *q = rq->query;
    struct schedule_filter f = {.user = rq->who.user, .list = (uint64_t)q->list};
    struct looker look = looker_of(rq);
    struct page p = page_of(&q->page);

    if (q->user != 0)
        f.user.v = (uint64_t)q->user;
    if (q->all)
        f.user.v = 0;
    page_begin(rq);
    rq->err = read_schedules(r, &f, &p, each_schedule, &look, &rq->why);
    page_end(rq, &p);
    zone_free(look.zone);
}

static void schedules_all(struct req *rq)
{
    const struct schedules_query *q = rq->query;
    bool is_own = q->user == 0 || (uint64_t)q->user == rq->who.user.v;

    rq->zone = zone_of_asker(rq);
    if ((q->all || !is_own) && rq->who.role != ROLE_ADMIN)
        req_fail(rq, ERR_DENIED, q->all ? "all" : "user", "%s: only an admin sees the schedules of others",
                 q->all ? "all" : "user");
    else
        req_read(rq, schedules_job, NULL);
}

static void schedule_job(struct reader *r, struct req *rq)
{
    struct looker look = looker_of(rq);

    rq->err = read_schedule(r, rq->ids[0], each_schedule, &look, &rq->why);
    zone_free(look.zone);
}

static void schedules_one(struct req *rq)
{
    rq->zone = zone_of_asker(rq);
    req_read(rq, schedule_job, NULL);
}

struct starts_query {
    struct page_query page;
};

static const struct field starts_query_fields[] = {
    PAGE_FIELDS(struct starts_query),
    {.type = FIELD_END},
};
static const struct starts_query starts_query_preset = {.page = PAGE_PRESET};

static void each_start(void *ctx, const struct start_row *row)
{
    render_start(ctx, row);
}

static void starts_job(struct reader *r, struct req *rq)
{
    const struct starts_query *q = rq->query;
    struct looker look = looker_of(rq);
    struct page p = page_of(&q->page);

    page_begin(rq);
    rq->err = read_starts(r, rq->ids[0], &p, each_start, &look, &rq->why);
    page_end(rq, &p);
    zone_free(look.zone);
}

static void schedules_starts(struct req *rq)
{
    rq->zone = zone_of_asker(rq);
    req_read(rq, starts_job, NULL);
}

/* ---- the rule ---- */

struct rule_body {
    int kind; /* -1: not given */
    const char *at;
    int64_t hours; /* -1: not given */
    int64_t minutes;
    uint32_t days;
    const char *cron;
    const char *zone;
    const char *until;
};

#define RULE_FIELDS(owner, required_)                                                                        \
    {.name = "kind",                                                                                         \
     .type = FIELD_ENUM,                                                                                     \
     .offset = offsetof(owner, rule.kind),                                                                   \
     .flags = (required_),                                                                                   \
     .names = kinds,                                                                                         \
     .help = "how often"},                                                                                   \
        {.name = "at",                                                                                       \
         .type = FIELD_TEXT,                                                                                 \
         .offset = offsetof(owner, rule.at),                                                                 \
         .max = SCHEDULE_TEXT_MAX,                                                                           \
         .help =                                                                                             \
             "once: 2026-11-24T02:30 in the zone, or with Z in UTC; daily, weekly: 02:30; every: the first " \
             "time"},                                                                                        \
        {.name = "hours",                                                                                    \
         .type = FIELD_INT,                                                                                  \
         .offset = offsetof(owner, rule.hours),                                                              \
         .max = EVERY_MINUTES_MAX / 60,                                                                      \
         .help = "every: so many"},                                                                          \
        {.name = "minutes",                                                                                  \
         .type = FIELD_INT,                                                                                  \
         .offset = offsetof(owner, rule.minutes),                                                            \
         .max = EVERY_MINUTES_MAX,                                                                           \
         .help = "every: and so many"},                                                                      \
        {.name = "days",                                                                                     \
         .type = FIELD_ENUM_SET,                                                                             \
         .offset = offsetof(owner, rule.days),                                                               \
         .names = weekdays,                                                                                  \
         .help = "weekly: on these, like mon,fri"},                                                          \
        {.name = "cron",                                                                                     \
         .type = FIELD_TEXT,                                                                                 \
         .offset = offsetof(owner, rule.cron),                                                               \
         .max = CRON_BYTES_MAX,                                                                              \
         .help = "cron: minute hour day month weekday"},                                                     \
        {.name = "zone",                                                                                     \
         .type = FIELD_TEXT,                                                                                 \
         .offset = offsetof(owner, rule.zone),                                                               \
         .min = 1,                                                                                           \
         .max = ZONE_NAME_MAX,                                                                               \
         .help = "the time zone of all times, like Europe/Berlin",                                           \
         .preset = "that of the account"},                                                                   \
    {                                                                                                        \
        .name = "until", .type = FIELD_TEXT, .offset = offsetof(owner, rule.until),                          \
        .max = SCHEDULE_TEXT_MAX, .help = "no start after this local time"                                   \
    }
#define RULE_PRESET .rule = {.kind = -1, .hours = -1, .minutes = -1}

/* What is not given stays; another kind begins anew. True: the rule is another one now. */
static bool merge_rule(struct schedule_row *row, const struct rule_body *in)
{
    bool has_every = in->hours >= 0 || in->minutes >= 0;

    if (in->kind >= 0) {
        row->kind = kinds[in->kind];
        row->at = "";
        row->every_minutes = 0;
        row->weekdays = 0;
        row->cron = "";
    }
    if (in->at != NULL)
        row->at = in->at;
    if (has_every)
        row->every_minutes = (in->hours > 0 ? in->hours * 60 : 0) + (in->minutes > 0 ? in->minutes : 0);
    if (in->days != 0)
        row->weekdays = in->days;
    if (in->cron != NULL)
        row->cron = in->cron;
    if (in->zone != NULL)
        row->zone = in->zone;
    if (in->until != NULL)
        row->until = in->until;
    return in->kind >= 0 || in->at != NULL || has_every || in->days != 0 || in->cron != NULL ||
           in->zone != NULL || in->until != NULL;
}

/* ---- looking ahead ---- */

struct preview_query {
    struct rule_body rule;
    const char *from;
    int64_t count;
};

static const struct field preview_fields[] = {
    RULE_FIELDS(struct preview_query, FIELD_REQUIRED),
    {.name = "from",
     .type = FIELD_TEXT,
     .offset = offsetof(struct preview_query, from),
     .max = SCHEDULE_TEXT_MAX,
     .help = "after this time, written as `at`",
     .preset = "now"},
    {.name = "count",
     .type = FIELD_INT,
     .offset = offsetof(struct preview_query, count),
     .min = 1,
     .max = PREVIEW_MAX,
     .help = "so many times",
     .preset = "5"},
    {.type = FIELD_END},
};
static const struct preview_query preview_preset = {RULE_PRESET, .count = 5};

static void render_due(struct json_out *j, const struct zone *z, struct wall at)
{
    char local[LOCAL_TEXT_BYTES];

    local_text(z, at, local);
    jo_obj(j);
    jo_ktime(j, "at", at);
    jo_ktext(j, "local", local);
    jo_obj_end(j);
}

static void preview_job(struct reader *r, struct req *rq)
{
    const struct preview_query *q = rq->query;
    struct schedule_row row = {.at = "", .cron = "", .zone = rq->zone, .until = "", .start_at = wall_now()};
    struct zone *z = NULL;
    struct rule rule;
    struct wall at = row.start_at;

    (void)r;
    (void)merge_rule(&row, &q->rule);
    rq->err = zone_load(row.zone, &z, &rq->why);
    if (rq->err == ERR_OK && q->from != NULL)
        rq->err = local_parse("from", q->from, z, &at, &rq->why);
    zone_free(z);
    row.start_at = at;
    if (rq->err == ERR_OK)
        rq->err = schedule_rule(&row, &z, &rule, &rq->why);
    if (rq->err != ERR_OK)
        return;
    page_begin(rq);
    for (int64_t i = 0; i < q->count; i++) {
        at = rule_next(&rule, z, at);
        if (at.ms == 0)
            break;
        render_due(&rq->render.j, z, at);
    }
    page_end(rq, &(struct page){0});
    zone_free(z);
}

static void schedules_preview(struct req *rq)
{
    rq->zone = zone_of_asker(rq);
    req_read(rq, preview_job, NULL);
}

/* ---- making and changing ---- */

struct schedule_body {
    const char *name;
    struct field_int_or_text list;
    struct rule_body rule;
    int enabled;
    int overlap;
    int64_t give_up_h;
    int64_t servers_book; /* -1: not given */
    const char *servers_fleet;
    const char *servers_size;
    int64_t version;
};

#define SCHEDULE_FIELDS(required_)                                                                          \
    {.name = "name",                                                                                        \
     .type = FIELD_TEXT,                                                                                    \
     .offset = offsetof(struct schedule_body, name),                                                        \
     .min = 1,                                                                                              \
     .max = LIST_NAME_CHARS_MAX * 4,                                                                        \
     .help = "1 to 80 characters, no two of one's schedules the same",                                      \
     .preset = "the list's"},                                                                               \
        {.name = "list",                                                                                    \
         .type = FIELD_INT_OR_TEXT,                                                                         \
         .offset = offsetof(struct schedule_body, list),                                                    \
         .flags = (required_),                                                                              \
         .min = 1,                                                                                          \
         .max = LIST_NAME_CHARS_MAX * 4,                                                                    \
         .help = "what is started: the id of a list, or the name of an own one"},                           \
        RULE_FIELDS(struct schedule_body, required_),                                                       \
        {.name = "enabled",                                                                                 \
         .type = FIELD_MAYBE,                                                                               \
         .offset = offsetof(struct schedule_body, enabled),                                                 \
         .help = "whether it starts anything",                                                              \
         .preset = "true"},                                                                                 \
        {.name = "overlap",                                                                                 \
         .type = FIELD_ENUM,                                                                                \
         .offset = offsetof(struct schedule_body, overlap),                                                 \
         .names = overlaps,                                                                                 \
         .help = "when the launch of the time before is not done: skip this time, or queue one more",       \
         .preset = "skip"},                                                                                 \
        {.name = "give_up_h",                                                                               \
         .type = FIELD_INT,                                                                                 \
         .offset = offsetof(struct schedule_body, give_up_h),                                               \
         .min = 1,                                                                                          \
         .max = GIVE_UP_H_MAX,                                                                              \
         .help = "a start that was missed is made up for once, unless it is so many hours late",            \
         .preset = "24"},                                                                                   \
        {.name = "servers_book",                                                                            \
         .type = FIELD_INT,                                                                                 \
         .offset = offsetof(struct schedule_body, servers_book),                                            \
         .max = SERVERS_CHANGE_MAX,                                                                         \
         .help = "book so many servers for its launch, as far as there are, and give them back; 0: none",   \
         .preset = "0"},                                                                                    \
        {.name = "servers_fleet",                                                                           \
         .type = FIELD_TEXT,                                                                                \
         .offset = offsetof(struct schedule_body, servers_fleet),                                           \
         .min = 1,                                                                                          \
         .max = NAME_BYTES_MAX,                                                                             \
         .help = "of this fleet, by name"},                                                                 \
    {                                                                                                       \
        .name = "servers_size", .type = FIELD_TEXT, .offset = offsetof(struct schedule_body, servers_size), \
        .max = NAME_BYTES_MAX, .help = "those that are made have this size; '' the fleet's own"             \
    }

static const struct field new_fields[] = {
    SCHEDULE_FIELDS(FIELD_REQUIRED),
    {.type = FIELD_END},
};
static const struct field edit_fields[] = {
    SCHEDULE_FIELDS(0),
    {.name = "version",
     .type = FIELD_INT,
     .offset = offsetof(struct schedule_body, version),
     .min = 1,
     .max = INT64_MAX,
     .help = "the one that was seen: 409 when somebody has changed the schedule meanwhile"},
    {.type = FIELD_END},
};
static const struct schedule_body preset = {RULE_PRESET, .enabled = -1, .overlap = -1, .give_up_h = -1,
                                            .servers_book = -1};

/* A change on its way. Lives in the request's arena. */
struct change_schedule {
    struct schedule_row row;
    uint64_t id;
};

static void take_row(void *ctx, const struct schedule_row *row)
{
    struct req *rq = ctx;

    schedule_row_keep(&rq->arena, row, &((struct change_schedule *)rq->state)->row);
}

/* One that its owner may launch. */
static void take_list(void *ctx, const struct list_row *list)
{
    struct req *rq = ctx;
    struct change_schedule *c = rq->state;

    if (!list->is_shared && list->user.v != rq->who.user.v && rq->who.role != ROLE_ADMIN) {
        rq->err = why_set(&rq->why, ERR_INVALID, "list", "list: there is no list %llu",
                          (unsigned long long)list->id);
        return;
    }
    c->row.list = list->id;
    if (c->row.name[0] == '\0')
        c->row.name = arena_strdup(&rq->arena, list->name);
}

static enum err find_list(struct reader *r, struct req *rq, const struct field_int_or_text *in)
{
    uint64_t id = (uint64_t)in->number;
    enum err err = ERR_OK;

    if (in->text == NULL && id == 0)
        return ERR_OK; /* not given */
    if (in->text != NULL)
        err = read_list_named(r, rq->who.user, in->text, &id, &rq->why);
    if (err == ERR_OK)
        err = read_list(r, id, take_list, rq, &rq->why);
    if (err == ERR_NOTFOUND)
        err = in->text != NULL
                  ? why_set(&rq->why, ERR_INVALID, "list", "list: you have no list named '%.80s'", in->text)
                  : why_set(&rq->why, ERR_INVALID, "list", "list: there is no list %llu",
                            (unsigned long long)id);
    return err != ERR_OK ? err : rq->err;
}

static enum err set_next(struct schedule_row *row, struct why *reterr)
{
    struct zone *z = NULL;
    struct rule rule;
    enum err err = schedule_rule(row, &z, &rule, reterr);

    if (err != ERR_OK)
        return err;
    row->next_at = rule_next(&rule, z, row->changed_at);
    zone_free(z);
    if (row->next_at.ms != 0 || !row->is_enabled)
        return ERR_OK;
    if (rule.kind == RULE_ONCE && rule.first.ms <= row->changed_at.ms)
        return why_set(reterr, ERR_INVALID, "at", "at: %.40s in %.64s is past", row->at, row->zone);
    return why_set(reterr, ERR_INVALID, "until", "until: it is never due before %.40s", row->until);
}

struct fleet_search {
    const char *name;
    struct fleet_id found;
};

static void each_fleet(void *ctx, const struct fleet_row *row)
{
    struct fleet_search *s = ctx;

    if (strcmp(row->name, s->name) == 0)
        s->found = row->id;
}

/* What is booked: so many, of a fleet that is named. */
static enum err merge_servers(struct reader *r, struct schedule_row *row, const struct schedule_body *in,
                              struct why *reterr)
{
    struct fleet_search s = {.name = in->servers_fleet};
    enum err err = ERR_OK;

    if (in->servers_fleet != NULL) {
        err = read_fleets(r, each_fleet, &s, reterr);
        if (err == ERR_OK && s.found.v == 0)
            err = why_set(reterr, ERR_INVALID, "servers_fleet", "servers_fleet: there is no fleet '%.80s'",
                          in->servers_fleet);
        row->servers_fleet = s.found;
    }
    if (in->servers_book >= 0)
        row->servers_book = (uint32_t)in->servers_book;
    if (in->servers_size != NULL)
        row->servers_size = in->servers_size;
    if (row->servers_book == 0) {
        row->servers_fleet.v = 0;
        row->servers_size = "";
    }
    if (err != ERR_OK)
        return err;
    if (row->servers_book > 0 && row->servers_fleet.v == 0)
        return why_set(reterr, ERR_INVALID, "servers_fleet",
                       "servers_fleet: of which fleet are %u servers to be booked?", row->servers_book);
    if (row->servers_book == 0 &&
        (in->servers_fleet != NULL || (in->servers_size != NULL && in->servers_size[0] != '\0')))
        return why_set(reterr, ERR_INVALID, "servers_book",
                       "servers_book: how many servers are to be booked?");
    return ERR_OK;
}

static enum err merge(struct schedule_row *row, const struct schedule_body *in, struct why *reterr)
{
    bool was_enabled = row->is_enabled;
    bool is_other = merge_rule(row, &in->rule);
    enum err err;

    if (in->overlap >= 0)
        row->overlap = (enum schedule_overlap)in->overlap;
    if (in->give_up_h > 0)
        row->give_up_h = (uint32_t)in->give_up_h;
    if (in->enabled >= 0)
        row->is_enabled = in->enabled == 1;
    if (row->is_enabled)
        row->reason = "";
    err = list_name_check("name", row->name, reterr);
    if (err != ERR_OK)
        return err;
    if (is_other)
        row->start_at = row->changed_at;
    /* A time that is due at this moment is not lost by another name. */
    if (is_other || (row->is_enabled && !was_enabled))
        err = set_next(row, reterr);
    return err;
}

static void change_job(struct reader *r, struct req *rq)
{
    const struct schedule_body *in = rq->body;
    struct change_schedule *c = rq->state;
    struct wall now = wall_now();

    c->row = (struct schedule_row){.user = rq->who.user,
                                   .name = "",
                                   .list_name = "",
                                   .kind = "",
                                   .at = "",
                                   .cron = "",
                                   .zone = rq->zone,
                                   .until = "",
                                   .is_enabled = true,
                                   .reason = "",
                                   .overlap = OVERLAP_SKIP,
                                   .give_up_h = GIVE_UP_H_PRESET,
                                   .created_at = now,
                                   .servers_fleet_name = "",
                                   .servers_size = "",
                                   .last = {.text = ""}};
    if (rq->ids[0] != 0)
        rq->err = read_schedule(r, rq->ids[0], take_row, rq, &rq->why);
    if (rq->err != ERR_OK)
        return;
    if (in->name != NULL)
        c->row.name = in->name;
    c->row.changed_at = now;
    rq->err = find_list(r, rq, &in->list);
    if (rq->err == ERR_OK)
        rq->err = merge_servers(r, &c->row, in, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = merge(&c->row, in, &rq->why);
}

static void tell(struct api *a)
{
    if (!a->is_closed && a->opts.schedules_changed != NULL)
        a->opts.schedules_changed(a->opts.ctx);
}

static void on_put(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    const struct change_schedule *c = rq->state;

    if (err == ERR_OK)
        tell(rq->api);
    if (req_lives(rq)) {
        rq->ids[0] = c->id;
        if (err != ERR_OK)
            req_error(rq, why);
        else
            req_read(rq, schedule_job, NULL);
    }
    req_release(rq);
}

static void on_changed(struct req *rq)
{
    const struct schedule_body *in = rq->body;
    struct change_schedule *c = rq->state;

    if (rq->err != ERR_OK) {
        req_field_error(rq, &rq->why);
        return;
    }
    audit_say(rq, arena_printf(&rq->arena, "schedule %.80s", c->row.name), "%s of list %llu, %s", c->row.kind,
              (unsigned long long)c->row.list, c->row.is_enabled ? "enabled" : "disabled");
    req_hold(rq);
    store_schedule_put(rq->api->opts.store, &c->row, (uint64_t)in->version, &c->id, on_put, rq);
}

static void schedules_change(struct req *rq)
{
    rq->state = arena_alloc(&rq->arena, sizeof(struct change_schedule));
    rq->zone = zone_of_asker(rq);
    req_read(rq, change_job, on_changed);
}

/* ---- deleting, and by hand ---- */

static void on_deleted(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;

    if (err == ERR_OK)
        tell(rq->api);
    if (req_lives(rq)) {
        if (err != ERR_OK)
            req_error(rq, why);
        else
            answer_nothing(rq);
    }
    req_release(rq);
}

static void schedules_delete(struct req *rq)
{
    req_hold(rq);
    store_schedule_delete(rq->api->opts.store, rq->ids[0], on_deleted, rq);
}

static void run_job_of_schedule(struct reader *r, struct req *rq)
{
    struct change_schedule *c = rq->state;

    rq->err = read_schedule(r, rq->ids[0], take_row, rq, &rq->why);
    if (rq->err == ERR_OK)
        list_launch_job(r, rq, c->row.list, NULL);
    if (rq->err == ERR_NOTFOUND && c->row.id != 0)
        rq->err = rq->why.code = ERR_CONFLICT;
}

static void on_run_body(struct req *rq)
{
    const struct schedule_row *row = &((const struct change_schedule *)rq->state)->row;

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    rq->cause = (struct launch_schedule){.id = rq->ids[0], .due_at = wall_now(), .book = schedule_book(row)};
    launch_start(rq);
}

static void schedules_run(struct req *rq)
{
    struct change_schedule *c = arena_alloc(&rq->arena, sizeof(*c));

    *c = (struct change_schedule){.id = 0};
    rq->state = c;
    req_read(rq, run_job_of_schedule, on_run_body);
}

const struct route schedule_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/schedules", schedules_all, "The own schedules, newest first.",
           "page of schedule"),
     .query = schedules_query_fields, .query_bytes = sizeof(struct schedules_query),
     .query_preset = &schedules_query_preset},
    {ROUTE(GET, LOOK, "/api/v1/schedules/preview", schedules_preview,
           "The next times of a rule, whether there is such a schedule or not.", "page of due"),
     .query = preview_fields, .query_bytes = sizeof(struct preview_query), .query_preset = &preview_preset},
    {ROUTE(GET, OWN_SCHEDULE_LOOK, "/api/v1/schedules/{schedule}", schedules_one, "One schedule.",
           "schedule")},
    {ROUTE(GET, OWN_SCHEDULE_LOOK, "/api/v1/schedules/{schedule}/starts", schedules_starts,
           "What came of its times, newest first.", "page of start"),
     .query = starts_query_fields, .query_bytes = sizeof(struct starts_query),
     .query_preset = &starts_query_preset},
    {ROUTE(POST, WORK, "/api/v1/schedules", schedules_change, "Make a schedule.", "schedule"),
     .audit = "schedule.add", .status = 201, BODY(new_fields, struct schedule_body), .body_preset = &preset},
    {ROUTE(POST, OWN_SCHEDULE, "/api/v1/schedules/{schedule}", schedules_change,
           "Change a schedule; what is not given stays.", "schedule"),
     .audit = "schedule.edit", BODY(edit_fields, struct schedule_body), .body_preset = &preset},
    {ROUTE(DELETE, OWN_SCHEDULE, "/api/v1/schedules/{schedule}", schedules_delete, "Delete a schedule.",
           "nothing"),
     .audit = "schedule.delete"},
    {ROUTE(POST, OWN_SCHEDULE, "/api/v1/schedules/{schedule}/run", schedules_run,
           "Start its list now; its next time stays.", "launch"),
     .audit = "schedule.run", .status = 201},
    ROUTES_END,
};
