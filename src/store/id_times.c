/* id_times.c - which ids were given when: a piece of time as a range of ids.
 *
 * Lists are newest first by id, and their indexes end with it; a filter by time becomes a bound of the id. Ids and times
 * mostly rise together, but a clock may be set: so the smallest and the largest id of each day and of each minute are kept, and the
 * bounds of a piece of time are taken over all days of it, and over the minutes of its first and last day. They hold every
 * row of that time, whatever clocks did; what else lies between is told by the row's own time.
 *
 * One row per day and per minute with any; written once per batch. Once a day the rows of what is deleted go. */
#include "store/store_private.h"

#define DAY_MS INT64_C(86400000)
#define MINUTE_MS INT64_C(60000)

static const int64_t spans[ID_TIME_SPANS] = {DAY_MS, MINUTE_MS};
static const char *const kinds[ID_TIME_KINDS] = {[ID_TIME_RUN] = "run", [ID_TIME_LAUNCH] = "launch"};

static int64_t begin_of(int64_t ms, int64_t span)
{
    return ms - ((ms % span) + span) % span;
}

static void time_write(struct writer *w, enum id_time_kind kind, int span)
{
    struct id_time *t = &w->id_times[kind][span];
    struct db_stmt *s;

    if (!t->is_dirty)
        return;
    t->is_dirty = false;
    s = db_sql(w->db, "INSERT INTO id_times (kind, span_ms, at, first_id, last_id) VALUES (?,?,?,?,?) "
                      "ON CONFLICT (kind, span_ms, at) DO UPDATE SET "
                      "first_id = CASE WHEN excluded.first_id < id_times.first_id THEN excluded.first_id "
                      "ELSE id_times.first_id END, "
                      "last_id = CASE WHEN excluded.last_id > id_times.last_id THEN excluded.last_id "
                      "ELSE id_times.last_id END");
    db_text(s, kinds[kind]);
    db_int(s, spans[span]);
    db_int(s, t->at);
    db_uint(s, t->first);
    db_uint(s, t->last);
    (void)db_run(s);
}

void id_time_add(struct writer *w, enum id_time_kind kind, struct wall at, uint64_t id)
{
    int i;

    for (i = 0; i < ID_TIME_SPANS; i++) {
        struct id_time *t = &w->id_times[kind][i];
        int64_t begin = begin_of(at.ms, spans[i]);

        if (t->is_dirty && t->at != begin)
            time_write(w, kind, i);
        if (!t->is_dirty) {
            if (spans[i] == DAY_MS && begin != w->history_day) {
                w->history_day = begin;
                w->is_history_day_new = true;
            }
            *t = (struct id_time){.is_dirty = true, .at = begin, .first = id, .last = id};
            continue;
        }
        t->first = id < t->first ? id : t->first;
        t->last = id > t->last ? id : t->last;
    }
}

void id_times_flush(struct writer *w)
{
    int k;
    int i;

    for (k = 0; k < ID_TIME_KINDS; k++)
        for (i = 0; i < ID_TIME_SPANS; i++)
            time_write(w, (enum id_time_kind)k, i);
}

/* Days and minutes before the day of the oldest row, of ids that are all deleted. */
static void times_trim(struct writer *w, enum id_time_kind kind)
{
    static const char *const oldest[ID_TIME_KINDS] = {
        [ID_TIME_RUN] = "SELECT id, created_at FROM runs ORDER BY id LIMIT 1",
        [ID_TIME_LAUNCH] = "SELECT id, created_at FROM launches ORDER BY id LIMIT 1",
    };
    struct db_stmt *s = db_sql(w->db, oldest[kind]);
    uint64_t id = 0;
    int64_t at = 0;
    int i;

    while (db_row(s)) {
        id = db_get_uint(s);
        at = db_get_int(s);
    }
    for (i = 0; i < ID_TIME_SPANS; i++) {
        s = db_sql(w->db, "DELETE FROM id_times WHERE kind = ? AND span_ms = ? AND at < ? AND last_id < ?");
        db_text(s, kinds[kind]);
        db_int(s, spans[i]);
        db_int(s, begin_of(at, DAY_MS));
        db_uint(s, id);
        (void)db_run(s);
    }
}

void id_times_trim(struct writer *w)
{
    times_trim(w, ID_TIME_RUN);
    times_trim(w, ID_TIME_LAUNCH);
}

/* ---- a time -> ids ---------------------------------------------------------------------------------------- */

static uint64_t one_id(struct db_stmt *s, enum id_time_kind kind, int64_t span, int64_t from, int64_t to)
{
    uint64_t id = 0;

    db_text(s, kinds[kind]);
    db_int(s, span);
    db_int(s, from);
    db_int(s, to);
    while (db_row(s))
        id = db_get_uint(s);
    return id;
}

static uint64_t first_id(struct reader *r, enum id_time_kind kind, int64_t span, int64_t from, int64_t to)
{
    return one_id(db_sql(r->db, "SELECT COALESCE(MIN(first_id), 0) FROM id_times "
                                "WHERE kind = ? AND span_ms = ? AND at >= ? AND at < ?"),
                  kind, span, from, to);
}

static uint64_t last_id(struct reader *r, enum id_time_kind kind, int64_t span, int64_t from, int64_t to)
{
    return one_id(db_sql(r->db, "SELECT COALESCE(MAX(last_id), 0) FROM id_times "
                                "WHERE kind = ? AND span_ms = ? AND at >= ? AND at < ?"),
                  kind, span, from, to);
}

void id_times_bound(struct reader *r, enum id_time_kind kind, struct wall since, struct wall until,
                    struct id_range *range)
{
    if (since.ms != 0) {
        int64_t day = begin_of(since.ms, DAY_MS);
        uint64_t later = first_id(r, kind, DAY_MS, day + DAY_MS, INT64_MAX);
        uint64_t first = first_id(r, kind, MINUTE_MS, begin_of(since.ms, MINUTE_MS), day + DAY_MS);

        first = first == 0 || (later != 0 && later < first) ? later : first;
        if (first == 0)
            range->end = 0; /* nothing is so new */
        else if (first > range->begin)
            range->begin = first;
    }
    if (until.ms != 0) {
        int64_t day = begin_of(until.ms - 1, DAY_MS);
        uint64_t before = last_id(r, kind, DAY_MS, INT64_MIN, day);
        uint64_t last = last_id(r, kind, MINUTE_MS, day, begin_of(until.ms - 1, MINUTE_MS) + MINUTE_MS);

        last = before > last ? before : last;
        if (last + 1 < range->end)
            range->end = last + 1;
    }
}
