/* schedules.c - schedules and what came of each time at which one was due.
 *
 * That a schedule has started a launch is written with the launch (launch_row_add() calls schedule_started()): there is
 * no moment at which one is known and the other is not. */
#include <stdlib.h>
#include <string.h>

#include "model/list.h"
#include "store/store_private.h"

#define COLUMNS                                                                                   \
    "s.id, s.user_id, s.name, s.list, COALESCE(l.name, ''), s.kind, s.at_text, s.every_minutes, " \
    "s.weekdays, "                                                                                \
    "s.cron, s.zone, s.until_text, s.start_at, s.is_enabled, s.reason, s.overlap, s.give_up_h, "  \
    "s.created_at, s.changed_at, s.version, s.next_at, s.servers_book, s.servers_fleet, "         \
    "COALESCE(f.name, ''), s.servers_size, COALESCE(t.due_at, 0), COALESCE(t.at, 0), "            \
    "COALESCE(t.result, ''), COALESCE(t.launch, 0), COALESCE(t.text, '')"
#define FROM                                                                                             \
    " FROM schedules s LEFT JOIN lists l ON l.id = s.list LEFT JOIN fleets f ON f.id = s.servers_fleet " \
    "LEFT JOIN schedule_starts t ON t.schedule = s.id "                                                  \
    "AND t.due_at = (SELECT MAX(due_at) FROM schedule_starts m WHERE m.schedule = s.id) "

struct schedule_job {
    struct arena arena; /* of the row's texts */
    struct schedule_row row;
    struct schedule_step step;
    uint64_t version;
    uint64_t *ret_id;
};

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static enum err check_put(struct writer *w, const struct schedule_job *job, struct why *reterr)
{
    const struct schedule_row *row = &job->row;
    struct db_stmt *s = db_sql(w->db, "SELECT id FROM schedules WHERE user_id = ? AND name = ? AND id <> ?");
    uint64_t n;

    db_uint(s, row->user.v);
    db_text(s, row->name);
    db_uint(s, row->id);
    if (db_one_uint(s) != 0)
        return why_set(reterr, ERR_CONFLICT, "name", "name: you have a schedule named '%.80s' already",
                       row->name);
    s = db_sql(w->db, "SELECT id FROM lists WHERE id = ?");
    db_uint(s, row->list);
    if (row->is_enabled && db_one_uint(s) == 0 && !db_failed(w->db))
        return why_set(reterr, ERR_CONFLICT, "list", "list: the list %llu is gone",
                       (unsigned long long)row->list);
    if (row->id == 0) {
        s = db_sql(w->db, "SELECT COUNT(*) FROM schedules WHERE user_id = ?");
        db_uint(s, row->user.v);
        if (db_one_uint(s) >= SCHEDULES_OF_USER_MAX)
            return why_set(reterr, ERR_LIMIT, NULL,
                           "you have %u schedules, which is the most; delete one first",
                           SCHEDULES_OF_USER_MAX);
        return ERR_OK;
    }
    s = db_sql(w->db, "SELECT version FROM schedules WHERE id = ?");
    db_uint(s, row->id);
    n = db_one_uint(s);
    if (n == 0 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no schedule %llu", (unsigned long long)row->id);
    if (job->version != 0 && job->version != n)
        return why_set(
            reterr, ERR_CONFLICT, "version",
            "version: somebody has changed the schedule meanwhile: it is at version %llu, not %llu",
            (unsigned long long)n, (unsigned long long)job->version);
    return ERR_OK;
}

static enum err schedule_put(struct writer *w, void *arg, struct why *reterr)
{
    struct schedule_job *job = arg;
    struct schedule_row *row = &job->row;
    enum err err = check_put(w, job, reterr);
    struct db_stmt *s;

    if (err != ERR_OK)
        return err;
    if (row->id == 0) {
        row->id = ids_take(w, ID_SCHEDULE);
        s = db_sql(w->db,
                   "INSERT INTO schedules (name, list, kind, at_text, every_minutes, weekdays, cron, zone, "
                   "until_text, start_at, is_enabled, reason, overlap, give_up_h, created_at, changed_at, "
                   "next_at, user_id, servers_book, servers_fleet, servers_size, id, version) "
                   "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)");
    } else {
        s = db_sql(
            w->db,
            "UPDATE schedules SET name = ?, list = ?, kind = ?, at_text = ?, every_minutes = ?, "
            "weekdays = ?, cron = ?, zone = ?, until_text = ?, start_at = ?, is_enabled = ?, reason = ?, "
            "overlap = ?, give_up_h = ?, created_at = ?, changed_at = ?, next_at = ?, user_id = ?, "
            "servers_book = ?, servers_fleet = ?, servers_size = ?, "
            "version = version + 1 WHERE id = ?");
    }
    db_text(s, row->name);
    db_uint(s, row->list);
    db_text(s, row->kind);
    db_text(s, row->at);
    db_int(s, row->every_minutes);
    db_uint(s, row->weekdays);
    db_text(s, row->cron);
    db_text(s, row->zone);
    db_text(s, row->until);
    db_int(s, row->start_at.ms);
    db_int(s, row->is_enabled);
    db_text(s, row->reason);
    db_text(s, schedule_overlap_name(row->overlap));
    db_uint(s, row->give_up_h);
    db_int(s, row->created_at.ms);
    db_int(s, row->changed_at.ms);
    db_int(s, row->next_at.ms);
    db_uint(s, row->user.v);
    db_uint(s, row->servers_book);
    db_uint(s, row->servers_fleet.v);
    db_text(s, row->servers_size);
    db_uint(s, row->id);
    (void)db_run(s);
    *job->ret_id = row->id;
    return ERR_OK;
}

static enum err schedule_delete(struct writer *w, void *arg, struct why *reterr)
{
    const struct schedule_job *job = arg;
    struct db_stmt *s = db_sql(w->db, "DELETE FROM schedules WHERE id = ?");

    db_uint(s, job->row.id);
    if (db_run(s) != 1 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no schedule %llu",
                       (unsigned long long)job->row.id);
    return ERR_OK;
}

/* A launch is the stronger truth: "failed" never hides that one was started for the same time. */
static void start_add(struct writer *w, const struct start_row *row)
{
    struct db_stmt *s = db_sql(
        w->db, "INSERT INTO schedule_starts (schedule, due_at, at, result, launch, text) "
               "SELECT id, ?, ?, ?, ?, ? FROM schedules WHERE id = ? "
               "ON CONFLICT (schedule, due_at) DO UPDATE SET at = excluded.at, result = excluded.result, "
               "launch = excluded.launch, text = excluded.text WHERE schedule_starts.launch = 0");

    db_int(s, row->due_at.ms);
    db_int(s, row->at.ms);
    db_text(s, start_result_name(row->result));
    db_uint(s, row->launch.v);
    db_text(s, row->text);
    db_uint(s, row->schedule);
    (void)db_run(s);
    s = db_sql(w->db,
               "DELETE FROM schedule_starts WHERE schedule = ? AND due_at < (SELECT MIN(due_at) FROM "
               "(SELECT due_at FROM schedule_starts WHERE schedule = ? ORDER BY due_at DESC LIMIT ?))");
    db_uint(s, row->schedule);
    db_uint(s, row->schedule);
    db_uint(s, STARTS_KEPT);
    (void)db_run(s);
}

/* An edited schedule has the next time of its new rule already: nothing may overwrite that. */
static void set_next(struct writer *w, uint64_t id, uint64_t version, struct wall next)
{
    struct db_stmt *s = db_sql(w->db, "UPDATE schedules SET next_at = ? WHERE id = ? AND version = ?");

    db_int(s, next.ms);
    db_uint(s, id);
    db_uint(s, version);
    (void)db_run(s);
}

void schedule_started(struct writer *w, const struct launch_row *l)
{
    if (l->schedule.id == 0)
        return;
    start_add(w, &(struct start_row){.schedule = l->schedule.id,
                                     .due_at = l->schedule.due_at,
                                     .at = l->created_at,
                                     .result = START_STARTED,
                                     .launch = l->id,
                                     .text = ""});
    if (l->schedule.version != 0)
        set_next(w, l->schedule.id, l->schedule.version, l->schedule.next_at);
}

/* Whoever looks before the step of a time is committed decides the same again: it is told once. */
static bool is_dealt_with(struct writer *w, const struct start_row *row)
{
    struct db_stmt *s =
        db_sql(w->db, "SELECT COUNT(*) FROM schedule_starts WHERE schedule = ? AND due_at = ?");

    db_uint(s, row->schedule);
    db_int(s, row->due_at.ms);
    return db_one_uint(s) != 0;
}

/* It was started, and the servers that it was to run on never came. */
void schedule_start_failed(struct writer *w, struct launch_id launch, const char *reason)
{
    struct db_stmt *s = db_sql(w->db, "UPDATE schedule_starts SET result = ?, text = ? WHERE launch = ?");

    db_text(s, start_result_name(START_FAILED));
    db_text(s, reason);
    db_uint(s, launch.v);
    (void)db_run(s);
}

static enum err schedule_step(struct writer *w, void *arg, struct why *reterr)
{
    const struct schedule_job *job = arg;
    const struct schedule_step *step = &job->step;

    bool is_news = false;

    (void)reterr;
    if (step->start.due_at.ms != 0) {
        is_news = !is_dealt_with(w, &step->start);
        start_add(w, &step->start);
    }
    set_next(w, step->schedule, step->version, step->next_at);
    if (step->disable != NULL) {
        struct db_stmt *s =
            db_sql(w->db, "UPDATE schedules SET is_enabled = 0, reason = ?, version = version + 1 "
                          "WHERE id = ? AND version = ?");

        db_text(s, step->disable);
        db_uint(s, step->schedule);
        db_uint(s, step->version);
        if (db_run(s) == 1 && step->start.due_at.ms == 0)
            is_news = true;
    }
    if (step->has_notice && is_news)
        notice_add(w, &step->notice);
    return ERR_OK;
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

void schedule_row_keep(struct arena *a, const struct schedule_row *from, struct schedule_row *to)
{
    *to = *from;
    to->name = arena_strdup(a, from->name);
    to->list_name = arena_strdup(a, from->list_name);
    to->kind = arena_strdup(a, from->kind);
    to->at = arena_strdup(a, from->at);
    to->cron = arena_strdup(a, from->cron);
    to->zone = arena_strdup(a, from->zone);
    to->until = arena_strdup(a, from->until);
    to->reason = arena_strdup(a, from->reason);
    to->servers_fleet_name = arena_strdup(a, from->servers_fleet_name);
    to->servers_size = arena_strdup(a, from->servers_size);
    to->last.text = arena_strdup(a, from->last.text);
}

static struct schedule_job *job_new(void)
{
    struct schedule_job *job = xcalloc(1, sizeof(*job));

    arena_init(&job->arena);
    return job;
}

static void job_free(void *arg)
{
    struct schedule_job *job = arg;

    arena_done(&job->arena);
    free(job);
}

void store_schedule_put(struct store *st, const struct schedule_row *row, uint64_t version, uint64_t *ret_id,
                        store_done_fn *done, void *ctx)
{
    struct schedule_job *job = job_new();

    schedule_row_keep(&job->arena, row, &job->row);
    job->version = version;
    job->ret_id = ret_id;
    store_call(st, schedule_put, job, job_free, done, ctx);
}

void store_schedule_delete(struct store *st, uint64_t id, store_done_fn *done, void *ctx)
{
    struct schedule_job *job = job_new();

    job->row.id = id;
    store_call(st, schedule_delete, job, job_free, done, ctx);
}

void store_schedule_step(struct store *st, const struct schedule_step *step, store_done_fn *done, void *ctx)
{
    struct schedule_job *job = job_new();

    job->step = *step;
    job->step.start.text = arena_strdup(&job->arena, step->start.text == NULL ? "" : step->start.text);
    if (step->has_notice) {
        job->step.notice.word = arena_strdup(&job->arena, step->notice.word);
        job->step.notice.name = arena_strdup(&job->arena, step->notice.name);
        job->step.notice.text = arena_strdup(&job->arena, step->notice.text);
    }
    job->step.disable = step->disable == NULL ? NULL : arena_strdup(&job->arena, step->disable);
    store_call(st, schedule_step, job, job_free, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

static void get_start(struct db_stmt *s, struct start_row *row)
{
    row->due_at.ms = db_get_int(s);
    row->at.ms = db_get_int(s);
    row->result = start_result_parse(db_get_text(s));
    row->launch.v = db_get_uint(s);
    row->text = db_get_text(s);
    if (row->result == START_RESULT_COUNT)
        row->result = START_FAILED;
}

static void get_schedule(struct db_stmt *s, struct schedule_row *row)
{
    *row = (struct schedule_row){0};
    row->id = db_get_uint(s);
    row->user.v = db_get_uint(s);
    row->name = db_get_text(s);
    row->list = db_get_uint(s);
    row->list_name = db_get_text(s);
    row->kind = db_get_text(s);
    row->at = db_get_text(s);
    row->every_minutes = db_get_int(s);
    row->weekdays = (uint32_t)db_get_uint(s);
    row->cron = db_get_text(s);
    row->zone = db_get_text(s);
    row->until = db_get_text(s);
    row->start_at.ms = db_get_int(s);
    row->is_enabled = db_get_int(s) != 0;
    row->reason = db_get_text(s);
    row->overlap = schedule_overlap_parse(db_get_text(s));
    row->give_up_h = (uint32_t)db_get_uint(s);
    row->created_at.ms = db_get_int(s);
    row->changed_at.ms = db_get_int(s);
    row->version = db_get_uint(s);
    row->next_at.ms = db_get_int(s);
    row->servers_book = (uint32_t)db_get_uint(s);
    row->servers_fleet.v = db_get_uint(s);
    row->servers_fleet_name = db_get_text(s);
    row->servers_size = db_get_text(s);
    row->last.schedule = row->id;
    get_start(s, &row->last);
    if (row->overlap == OVERLAP_COUNT)
        row->overlap = OVERLAP_SKIP;
}

enum err read_schedule(struct reader *r, uint64_t id, schedule_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS FROM "WHERE s.id = ?");
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        struct schedule_row row;

        found = true;
        get_schedule(s, &row);
        each(ctx, &row);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no schedule %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}

enum err read_schedules(struct reader *r, const struct schedule_filter *f, struct page *p, schedule_fn *each,
                        void *ctx, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT " COLUMNS FROM "WHERE s.id < ? AND (? = 0 OR s.user_id = ?) AND "
                      "(? = 0 OR s.list = ?) ORDER BY s.id DESC LIMIT ?");
    uint64_t last = 0;
    uint32_t n = 0;

    db_uint(s, p->after != 0 ? p->after : KEY_MAX);
    db_uint(s, f->user.v);
    db_uint(s, f->user.v);
    db_uint(s, f->list);
    db_uint(s, f->list);
    db_int(s, page_limit(p));
    p->next = 0;
    while (db_row(s)) {
        struct schedule_row row;

        if (!page_take(p, &n, last)) {
            db_end(s);
            break;
        }
        get_schedule(s, &row);
        last = row.id;
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_schedules_due(struct reader *r, uint32_t max, schedule_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS FROM "WHERE s.is_enabled = 1 AND s.next_at > 0 "
                                      "ORDER BY s.next_at, s.id LIMIT ?");

    db_uint(s, max);
    while (db_row(s)) {
        struct schedule_row row;

        get_schedule(s, &row);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_starts(struct reader *r, uint64_t schedule, struct page *p, start_fn *each, void *ctx,
                     struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT due_at, at, result, launch, text FROM schedule_starts "
                                      "WHERE schedule = ? AND due_at < ? ORDER BY due_at DESC LIMIT ?");
    uint64_t last = 0;
    uint32_t n = 0;

    db_uint(s, schedule);
    db_uint(s, p->after != 0 ? p->after : KEY_MAX);
    db_int(s, page_limit(p));
    p->next = 0;
    while (db_row(s)) {
        struct start_row row = {.schedule = schedule};

        if (!page_take(p, &n, last)) {
            db_end(s);
            break;
        }
        get_start(s, &row);
        last = (uint64_t)row.due_at.ms;
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_start(struct reader *r, uint64_t schedule, struct wall due, start_fn *each, void *ctx,
                    struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT due_at, at, result, launch, text FROM schedule_starts "
                                      "WHERE schedule = ? AND due_at = ?");

    db_uint(s, schedule);
    db_int(s, due.ms);
    while (db_row(s)) {
        struct start_row row = {.schedule = schedule};

        get_start(s, &row);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_schedule_launch_living(struct reader *r, uint64_t schedule, struct launch_id *ret,
                                     struct why *reterr)
{
    struct db_stmt *s = db_sql(
        r->db, "SELECT l.id FROM schedule_starts t JOIN launches l ON l.id = t.launch "
               "WHERE t.schedule = ? AND t.launch > 0 AND l.state <> 'done' ORDER BY t.due_at DESC LIMIT 1");

    db_uint(s, schedule);
    ret->v = db_one_uint(s);
    return db_error(r->db, reterr);
}

enum err read_launch_schedule(struct reader *r, struct launch_id launch, uint64_t *ret_id,
                              struct arena *arena, const char **ret_name, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT s.id, s.name FROM launches l JOIN schedules s "
                                      "ON s.id = l.schedule WHERE l.id = ?");

    *ret_id = 0;
    *ret_name = "";
    db_uint(s, launch.v);
    while (db_row(s)) {
        *ret_id = db_get_uint(s);
        *ret_name = arena_strdup(arena, db_get_text(s));
    }
    return db_error(r->db, reterr);
}

enum err read_schedule_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT user_id FROM schedules WHERE id = ?");

    db_uint(s, id);
    ret->v = db_one_uint(s);
    if (ret->v == 0 && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no schedule %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}
