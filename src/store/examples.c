/* examples.c - what a run's results channel said, example by example.
 *
 * The rows and the position in the channel move in one transaction, so after a crash the agent is asked for
 * exactly what is missing; what comes twice is passed over by its number. */
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

/* Examples of a launch are paged by (run, seq), both in one key. */
#define SEQ_BITS 24
#define SEQ_MAX ((1u << SEQ_BITS) - 2)

#define COLUMNS                                                                                     \
    "e.run, e.seq, c.example_id, c.description, c.file, e.line, e.status, e.duration_us, e.cause, " \
    "f.exception, f.message, x.body, f.pending, f.page_url, f.screenshot"
#define JOINS                                                                          \
    " LEFT JOIN cases c ON c.id = e.case_id LEFT JOIN failures f ON f.id = e.failure " \
    "LEFT JOIN texts x ON x.id = f.backtrace "

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

uint64_t launch_project(struct writer *w, uint64_t launch)
{
    struct db_stmt *s;

    if (w->examples_launch == launch)
        return w->examples_project;
    w->examples_launch = launch;
    w->examples_project = 0;
    s = db_sql(w->db, "SELECT project FROM launches WHERE id = ?");
    db_uint(s, launch);
    while (db_row(s))
        w->examples_project = db_get_uint(s);
    return w->examples_project;
}

static int64_t us_of(double ms)
{
    return ms > 0 && ms < 1e12 ? (int64_t)(ms * 1000 + 0.5) : 0;
}

/* Most of them: a few numbers. */
static void passed_insert(struct writer *w, uint64_t case_row, const struct example_row *row)
{
    struct slice artifacts = words_in(&w->batch, row->artifacts, row->n_artifacts);
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO examples (run, seq, status, case_id, line, duration_us, artifacts) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?)");

    db_uint(s, row->run.v);
    db_int(s, row->seq);
    db_int(s, EXAMPLE_PASSED);
    db_uint(s, case_row);
    db_int(s, row->line);
    db_int(s, us_of(row->duration_ms));
    db_bytes(s, artifacts.ptr, artifacts.len);
    (void)db_run(s);
}

void example_insert(struct writer *w, uint64_t launch, uint64_t project, struct wall at,
                    const struct example_row *row)
{
    uint64_t case_row = case_id(w, project, at, row);
    struct slice artifacts;
    uint64_t failure = failure_id(w, row);
    struct cause cause = {0};
    struct db_stmt *s;

    kept_add(w, KEPT_EXAMPLE, 1, 0);
    if (row->status == EXAMPLE_PASSED && failure == 0) {
        passed_insert(w, case_row, row);
        return;
    }
    artifacts = words_in(&w->batch, row->artifacts, row->n_artifacts);
    if (row->status == EXAMPLE_FAILED || row->status == EXAMPLE_ERROR) {
        cause_of_failure(&w->batch, row->exception, row->message, row->backtrace, row->n_backtrace, &cause);
        cause_count(w, row->run.v, launch, project, at, &cause, false);
    }
    s = db_sql(w->db, "INSERT INTO examples (run, seq, status, case_id, line, duration_us, launch, failure, "
                      "cause, artifacts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    db_uint(s, row->run.v);
    db_int(s, row->seq);
    db_int(s, row->status);
    db_uint(s, case_row);
    db_int(s, row->line);
    db_int(s, us_of(row->duration_ms));
    db_uint(s, launch);
    db_uint(s, failure);
    db_uint(s, cause.id);
    db_bytes(s, artifacts.ptr, artifacts.len);
    (void)db_run(s);
}

uint32_t examples_delete(struct writer *w, uint64_t run, uint32_t max)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM examples WHERE run = ? AND seq IN "
                                      "(SELECT seq FROM examples WHERE run = ? ORDER BY seq LIMIT ?)");
    uint32_t n;

    db_uint(s, run);
    db_uint(s, run);
    db_int(s, max);
    n = (uint32_t)db_run(s);
    kept_add(w, KEPT_EXAMPLE, -(int64_t)n, 0);
    left_behind_prune(w, n);
    return n;
}

enum err examples_add(struct writer *w, struct run_id run, const struct example_row *rows, uint32_t n,
                      uint64_t results_bytes, const struct tally *tally, struct why *reterr)
{
    struct live_run *live = live_run_get(w, run.v);
    struct wall now = wall_now();
    struct example_row row;
    struct db_stmt *s;
    uint64_t project;
    uint32_t i;

    if (db_failed(w->db))
        return ERR_OK; /* the whole batch fails, with its own sentence */
    if (live == NULL)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no run %llu", (unsigned long long)run.v);
    project = n > 0 ? launch_project(w, live->launch) : 0;
    for (i = 0; i < n; i++) {
        if (rows[i].seq < live->next_seq)
            continue;
        CHECK(rows[i].seq <= SEQ_MAX);
        row = rows[i];
        row.run = run;
        example_insert(w, live->launch, project, now, &row);
        live->next_seq = rows[i].seq + 1;
    }
    if (results_bytes < live->results_bytes) /* old news */
        return ERR_OK;
    s = db_sql(w->db,
               "UPDATE runs SET results_bytes = ?, next_seq = ?, seen_discovered = ?, seen_passed = ?, "
               "seen_failed = ?, seen_pending = ?, seen_errors = ?, seen_flags = ?, seen_bad_lines = ?, "
               "seen_not_run = ?, seen_not_run_reason = ? WHERE id = ?");
    db_uint(s, results_bytes);
    db_int(s, live->next_seq);
    bind_tally(s, tally);
    db_uint(s, run.v);
    (void)db_run(s);
    if (live->state != RUN_DONE && live->state != RUN_LOST) {
        sums_tally(w, live->launch, tally_so_far(live->state, &live->said, &live->seen), -1);
        sums_tally(w, live->launch, tally_so_far(live->state, &live->said, tally), 1);
    }
    live->seen = *tally;
    live->results_bytes = results_bytes;
    return ERR_OK;
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

static enum example_status status_of(int64_t v)
{
    return v >= 0 && v < EXAMPLE_STATUS_COUNT ? (enum example_status)v : EXAMPLE_ERROR;
}

static void get_example(struct arena *a, struct db_stmt *s, struct example_row *row)
{
    *row = (struct example_row){0};
    row->run.v = db_get_uint(s);
    row->seq = (uint32_t)db_get_uint(s);
    row->id = db_get_text(s);
    row->path = words_decode(a, db_get_bytes(s), &row->n_path);
    row->file = db_get_text(s);
    row->line = (uint32_t)db_get_uint(s);
    row->status = status_of(db_get_int(s));
    row->duration_ms = (double)db_get_int(s) / 1000;
    row->cause = db_get_uint(s);
    row->exception = db_get_text(s);
    row->message = db_get_text(s);
    row->backtrace = words_decode(a, db_get_bytes(s), &row->n_backtrace);
    row->pending = db_get_text(s);
    row->page_url = db_get_text(s);
    row->screenshot = db_get_text(s);
}

static void put_statuses(struct buf *b, uint32_t statuses)
{
    const char *comma = "";
    int i;

    if (statuses == 0)
        return;
    buf_puts(b, " AND e.status IN (");
    for (i = 0; i < EXAMPLE_STATUS_COUNT; i++) {
        if ((statuses & (1u << i)) == 0)
            continue;
        buf_printf(b, "%s%d", comma, i);
        comma = ", ";
    }
    buf_puts(b, ")");
    if ((statuses & (1u << EXAMPLE_PASSED)) == 0)
        buf_puts(b, " AND e.status <> 0");
}

/* Of a launch, only the runs that its tests came to: a run that was lost does not count. Without the passed
 * ones there is an index over the launch; with them, the runs are walked. The order of the tables is the order
 * of the loops (CROSS JOIN keeps it so). */
static struct db_stmt *examples_query(struct reader *r, const struct example_filter *f)
{
    struct db_stmt *s;
    struct buf b;

    buf_init(&b, SQL_BYTES_MAX);
    if (f->run.v != 0)
        buf_puts(&b, "SELECT " COLUMNS " FROM examples e" JOINS "WHERE e.run = ? AND e.seq >= ?");
    else if (f->statuses != 0 && (f->statuses & (1u << EXAMPLE_PASSED)) == 0)
        buf_puts(&b, "SELECT " COLUMNS " FROM examples e CROSS JOIN runs r CROSS JOIN tests t" JOINS
                     "WHERE e.launch = ? AND e.run >= ? AND (e.run, e.seq) >= (?, ?) "
                     "AND r.id = e.run AND t.id = r.test AND t.run = r.id AND t.state <> 'waiting'");
    else
        buf_puts(&b, "SELECT " COLUMNS " FROM runs r CROSS JOIN tests t CROSS JOIN examples e" JOINS
                     "WHERE r.launch = ? AND r.id >= ? AND (e.run, e.seq) >= (?, ?) "
                     "AND t.id = r.test AND t.run = r.id AND t.state <> 'waiting' AND e.run = r.id");
    put_statuses(&b, f->statuses);
    if (f->run.v != 0)
        buf_puts(&b, " ORDER BY e.seq LIMIT ?");
    else if (f->statuses != 0 && (f->statuses & (1u << EXAMPLE_PASSED)) == 0)
        buf_puts(&b, " ORDER BY e.run, e.seq LIMIT ?");
    else
        buf_puts(&b, " ORDER BY r.id, e.seq LIMIT ?");
    s = db_built(r->db, buf_str(&b));
    buf_done(&b);
    return s;
}

enum err read_examples(struct reader *r, const struct example_filter *f, struct page *p, example_fn *each,
                       void *ctx, struct why *reterr)
{
    struct db_stmt *s = examples_query(r, f);
    struct artifact_marks marks = {0};
    uint32_t n = 0;
    uint64_t next = 0;

    CHECK((f->run.v == 0) != (f->launch.v == 0));
    p->next = 0;
    if (f->run.v != 0) {
        db_uint(s, f->run.v);
        db_uint(s, p->after);
    } else {
        db_uint(s, f->launch.v);
        db_uint(s, p->after >> SEQ_BITS);
        db_uint(s, p->after >> SEQ_BITS);
        db_uint(s, p->after & ((1u << SEQ_BITS) - 1));
    }
    db_int(s, page_limit(p));
    while (db_row(s)) {
        struct example_row row;

        if (!page_take(p, &n, next)) {
            db_end(s);
            break;
        }
        arena_reset(&r->row);
        get_example(&r->row, s, &row);
        artifact_marks_read(r, row.run.v, &marks);
        row.kept = artifact_marks_of(&marks, &r->row, row.seq, &row.n_kept);
        next = f->run.v != 0 ? row.seq + 1 : (row.run.v << SEQ_BITS) + row.seq + 1;
        each(ctx, &row);
    }
    free(marks.at);
    return db_error(r->db, reterr);
}

bool example_each(struct reader *r, uint64_t run, uint32_t seq, struct artifact_marks *marks,
                  example_fn *each, void *ctx)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT " COLUMNS " FROM examples e" JOINS "WHERE e.run = ? AND e.seq = ?");
    bool found = false;

    artifact_marks_read(r, run, marks);
    db_uint(s, run);
    db_int(s, seq);
    while (db_row(s)) {
        struct example_row row;

        found = true;
        arena_reset(&r->row);
        get_example(&r->row, s, &row);
        row.kept = artifact_marks_of(marks, &r->row, seq, &row.n_kept);
        each(ctx, &row);
    }
    return found;
}

enum err read_example(struct reader *r, struct run_id run, uint32_t seq, example_fn *each, void *ctx,
                      struct why *reterr)
{
    struct artifact_marks marks = {0};
    bool found = example_each(r, run.v, seq, &marks, each, ctx);

    free(marks.at);
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "run %llu has no example %u", (unsigned long long)run.v,
                       seq);
    return db_error(r->db, reterr);
}
