/* audit.c - who did what: the list, and the whole of it as a file.
 *
 * The export is read a page at a time while the one before it is on its way, so its size is no matter of memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/account_common.h"
#include "base/log.h"
#include "wire/csv.h"

#define EXPORT_ROWS_MAX 100000u
#define CHUNK_BYTES_MAX MIB(4) /* PAGE_LIMIT_MAX rows: some hundred bytes each, a few KiB at most */

struct audit_query {
    int64_t user;
    const char *action;
    const char *object;
    const char *from;
    const char *to;
    bool refused;
};

#define AUDIT_FIELDS(owner)                                                          \
    {.name = "user",                                                                 \
     .type = FIELD_INT,                                                              \
     .offset = offsetof(owner, q.user),                                              \
     .max = INT64_MAX,                                                               \
     .help = "only what this user asked for, by id"},                                \
        {.name = "action",                                                           \
         .type = FIELD_TEXT,                                                         \
         .offset = offsetof(owner, q.action),                                        \
         .min = 1,                                                                   \
         .max = 64,                                                                  \
         .help = "launch.start, or launch for all that begin so"},                   \
        {.name = "object",                                                           \
         .type = FIELD_TEXT,                                                         \
         .offset = offsetof(owner, q.object),                                        \
         .min = 1,                                                                   \
         .max = 160,                                                                 \
         .help = "exactly this one: launch 12"},                                     \
        {.name = "from",                                                             \
         .type = FIELD_TEXT,                                                         \
         .offset = offsetof(owner, q.from),                                          \
         .max = JSON_TIME_BYTES,                                                     \
         .help = "not before 2026-11-23 or 2026-11-23T02:49:53.120Z"},               \
        {.name = "to",                                                               \
         .type = FIELD_TEXT,                                                         \
         .offset = offsetof(owner, q.to),                                            \
         .max = JSON_TIME_BYTES,                                                     \
         .help = "before this time; of a date alone: before its midnight"},          \
    {                                                                                \
        .name = "refused", .type = FIELD_BOOL, .offset = offsetof(owner, q.refused), \
        .help = "only what was refused", .preset = "0"                               \
    }

/* ---- times ---- */

/* n digits at *s, which moves on. -1: they are not there. */
static int64_t digits(const char **s, unsigned n)
{
    int64_t v = 0;

    for (; n > 0; n--, ++*s) {
        if (**s < '0' || **s > '9')
            return -1;
        v = v * 10 + (**s - '0');
    }
    return v;
}

static bool take(const char **s, char c)
{
    if (**s != c)
        return false;
    ++*s;
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar (the algorithm of H. Hinnant). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t era;
    int64_t of_era;

    y -= m <= 2;
    era = y / 400;
    of_era = y - era * 400;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 +
           d - 1 - 719468;
}

static bool is_date(int64_t y, int64_t m, int64_t d)
{
    static const int last[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return y >= 1970 && m >= 1 && m <= 12 && d >= 1 && d <= last[m - 1] + (m == 2 && is_leap);
}

/* "T02:49", "T02:49:53" or "T02:49:53.120", then "Z"; the ms of the day, -1: not one. */
static int64_t time_of_day(const char **s)
{
    int64_t h;
    int64_t min;
    int64_t sec = 0;
    int64_t ms = 0;

    if (!take(s, 'T') || (h = digits(s, 2)) < 0 || !take(s, ':') || (min = digits(s, 2)) < 0)
        return -1;
    if (take(s, ':')) {
        sec = digits(s, 2);
        if (take(s, '.'))
            ms = digits(s, 3);
    }
    if (h > 23 || min > 59 || sec < 0 || sec > 59 || ms < 0 || !take(s, 'Z'))
        return -1;
    return ((h * 60 + min) * 60 + sec) * 1000 + ms;
}

enum err time_read(const char *field, const char *text, struct wall *ret, struct why *reterr)
{
    const char *s = text;
    int64_t y = digits(&s, 4);
    int64_t m = y >= 0 && take(&s, '-') ? digits(&s, 2) : -1;
    int64_t d = m >= 0 && take(&s, '-') ? digits(&s, 2) : -1;
    int64_t ms = d >= 0 && *s != '\0' ? time_of_day(&s) : 0;

    if (d < 0 || !is_date(y, m, d) || ms < 0 || *s != '\0')
        return why_set(reterr, ERR_INVALID, field,
                       "%s: '%s' is not a time like 2026-11-23 or 2026-11-23T02:49:53.120Z", field, text);
    ret->ms = days_of(y, m, d) * 24 * 3600 * 1000 + ms;
    return ERR_OK;
}

static bool filter_of(struct req *rq, const struct audit_query *q, struct audit_filter *ret)
{
    *ret = (struct audit_filter){
        .user = {(uint64_t)q->user}, .action = q->action, .object = q->object, .refused = q->refused};
    if ((q->from != NULL && time_read("from", q->from, &ret->from, &rq->why) != ERR_OK) ||
        (q->to != NULL && time_read("to", q->to, &ret->to, &rq->why) != ERR_OK)) {
        req_error(rq, &rq->why);
        return false;
    }
    return true;
}

/* ---- the list ---- */

struct list_query {
    struct page_query page;
    struct audit_query q;
};

static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_query), AUDIT_FIELDS(struct list_query), {.type = FIELD_END}};
static const struct list_query list_preset = {.page = PAGE_PRESET};

static void render_audit(struct json_out *j, const struct audit_row *row)
{
    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_ktime(j, "at", row->at);
    jo_kint_if(j, "user", row->user.v != 0, (int64_t)row->user.v);
    jo_ktext(j, "login", row->login);
    jo_ktext(j, "via", row->via);
    jo_ktext(j, "address", row->address);
    jo_ktext(j, "action", row->action);
    jo_ktext(j, "object", row->object);
    jo_ktext(j, "detail", row->detail);
    jo_kint(j, "status", row->status);
    jo_obj_end(j);
}

static void each_row(void *ctx, const struct audit_row *row)
{
    render_audit(&((struct req *)ctx)->render.j, row);
}

static void list_job(struct reader *r, struct req *rq)
{
    const struct list_query *q = rq->query;
    struct page p = page_of(&q->page);

    page_begin(rq);
    rq->err = read_audit(r, rq->state, &p, each_row, rq, &rq->why);
    page_end(rq, &p);
}

static void audit_list(struct req *rq)
{
    struct audit_filter *f = arena_alloc(&rq->arena, sizeof(*f));

    rq->state = f;
    if (filter_of(rq, &((const struct list_query *)rq->query)->q, f))
        req_read(rq, list_job, NULL);
}

/* ---- the whole ---- */

enum { FORMAT_JSON, FORMAT_CSV };
static const char *const formats[] = {"json", "csv", NULL};

struct export_query {
    struct audit_query q;
    int format;
};

static const struct field export_fields[] = {
    AUDIT_FIELDS(struct export_query),
    {.name = "format",
     .type = FIELD_ENUM,
     .offset = offsetof(struct export_query, format),
     .names = formats,
     .help = "what to write",
     .preset = "json"},
    {.type = FIELD_END},
};
static const struct export_query export_preset = {.format = FORMAT_JSON};

struct export
{
    struct audit_filter filter;
    struct page page;
    struct buf chunk;
    size_t taken;
    uint32_t rows;
    bool is_csv;
    bool is_reading;
    bool has_started;
    bool is_done; /* the last chunk is here */
};

static void csv_row(struct buf *out, const struct audit_row *row)
{
    char at[JSON_TIME_BYTES];
    const char *const texts[] = {row->login, row->via, row->address, row->action, row->object, row->detail};

    jo_time_text(row->at, at);
    buf_printf(out, "%llu,%s,", (unsigned long long)row->id, at);
    if (row->user.v != 0)
        buf_printf(out, "%llu", (unsigned long long)row->user.v);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        buf_putc(out, ',');
        csv_text(out, texts[i]);
    }
    buf_printf(out, ",%d\r\n", row->status);
}

static void each_exported(void *ctx, const struct audit_row *row)
{
    struct export *e = ctx;
    struct json_out j;

    if (e->rows == EXPORT_ROWS_MAX)
        return;
    if (e->is_csv) {
        csv_row(&e->chunk, row);
    } else {
        if (e->rows > 0)
            buf_puts(&e->chunk, ",\n");
        jo_begin(&j, &e->chunk);
        render_audit(&j, row);
    }
    e->rows++;
}

static void export_job(struct reader *r, struct req *rq)
{
    struct export *e = rq->state;

    if (!e->has_started)
        buf_puts(&e->chunk, e->is_csv ? "id,at,user,login,via,address,action,object,detail,status\r\n" : "[");
    rq->err = read_audit(r, &e->filter, &e->page, each_exported, e, &rq->why);
    e->page.after = e->page.next;
    e->is_done = rq->err != ERR_OK || e->page.next == 0 || e->rows == EXPORT_ROWS_MAX;
    if (e->is_done && rq->err == ERR_OK && !e->is_csv)
        buf_puts(&e->chunk, "]\n");
}

static void read_chunk(struct req *rq);

static ssize_t on_take(void *user, char *out, size_t max)
{
    struct req *rq = user;
    struct export *e = rq->state;
    size_t n;

    if (e->is_reading)
        return HTTP_WAIT;
    if (e->taken == e->chunk.len) {
        if (e->is_done)
            return HTTP_END;
        read_chunk(rq);
        return HTTP_WAIT;
    }
    n = e->chunk.len - e->taken < max ? e->chunk.len - e->taken : max;
    memcpy(out, e->chunk.data + e->taken, n);
    e->taken += n;
    return (ssize_t)n;
}

static void on_chunk(struct req *rq)
{
    struct export *e = rq->state;
    char text[300];

    e->is_reading = false;
    if (rq->err != ERR_OK && e->has_started)
        LOG_ERROR("audit.export", "request=%s rows=%u why=%s", rq->name, e->rows,
                  log_quote(text, sizeof(text), rq->why.text));
    if (e->has_started) {
        http_wake(rq->http);
        return;
    }
    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    e->has_started = true;
    http_add(rq->http, "Content-Type", e->is_csv ? "text/csv; charset=utf-8" : "application/json");
    http_add(rq->http, "Cache-Control", "no-store");
    http_add(rq->http, "X-Content-Type-Options", "nosniff");
    http_add(rq->http, "X-Request-Id", rq->name);
    http_addf(rq->http, "Content-Disposition", "attachment; filename=\"audit.%s\"",
              e->is_csv ? "csv" : "json");
    http_reply_stream(rq->http, 200, on_take);
}

static void read_chunk(struct req *rq)
{
    struct export *e = rq->state;

    buf_clear(&e->chunk);
    e->taken = 0;
    e->is_reading = true;
    req_read(rq, export_job, on_chunk);
}

static void audit_export(struct req *rq)
{
    const struct export_query *q = rq->query;
    struct export *e = arena_alloc(&rq->arena, sizeof(*e));

    rq->state = e;
    if (!filter_of(rq, &q->q, &e->filter))
        return;
    e->is_csv = q->format == FORMAT_CSV;
    e->page.limit = PAGE_LIMIT_MAX;
    buf_init(&e->chunk, CHUNK_BYTES_MAX);
    rq->owned = &e->chunk;
    read_chunk(rq);
}

const struct route audit_routes[] = {
    {ROUTE(GET, ADMIN_LOOK, "/api/v1/audit", audit_list, "Who did what, newest first.", "page of audit"),
     .query = list_fields, .query_bytes = sizeof(struct list_query), .query_preset = &list_preset},
    {ROUTE(GET, ADMIN_LOOK, "/api/v1/audit/export", audit_export, "The same as a file, at most 100,000 rows.",
           "[audit]"),
     .query = export_fields, .query_bytes = sizeof(struct export_query), .query_preset = &export_preset},
    ROUTES_END,
};
