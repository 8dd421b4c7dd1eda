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

#define COLUMNS                                                                                         \
    "e.run, e.seq, e.example_id, e.description, e.file, e.line, e.status, e.duration_ms, e.exception, " \
    "e.message, "                                                                                       \
    "e.backtrace, e.pending"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static void example_add(struct writer *w, uint64_t run, uint64_t launch, const struct example_row *row)
{
    struct slice path = words_in(&w->batch, row->path, row->n_path);
    struct slice backtrace = words_in(&w->batch, row->backtrace, row->n_backtrace);
    struct slice artifacts = words_in(&w->batch, row->artifacts, row->n_artifacts);
    struct db_stmt *s;

    s = db_sql(w->db, "INSERT INTO examples (run, seq, launch, status, example_id, description, file, line, "
                      "duration_ms, exception, message, backtrace, pending, artifacts) "
                      "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    db_uint(s, run);
    db_int(s, row->seq);
    db_uint(s, launch);
    db_text(s, example_status_name(row->status));
    db_text(s, row->id);
    db_bytes(s, path.ptr, path.len);
    db_text(s, row->file);
    db_int(s, row->line);
    db_double(s, row->duration_ms);
    db_text(s, row->exception);
    db_text(s, row->message);
    db_bytes(s, backtrace.ptr, backtrace.len);
    db_text(s, row->pending);
    db_bytes(s, artifacts.ptr, artifacts.len);
    (void)db_run(s);
}

enum err examples_add(struct writer *w, struct run_id run, const struct example_row *rows, uint32_t n,
                      uint64_t results_bytes, const struct tally *tally, struct why *reterr)
{
    struct live_run *live = live_run_get(w, run.v);
    struct db_stmt *s;
    uint32_t i;

    if (db_failed(w->db))
        return ERR_OK; /* the whole batch fails, with its own sentence */
    if (live == NULL)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no run %llu", (unsigned long long)run.v);
    for (i = 0; i < n; i++) {
        if (rows[i].seq < live->next_seq)
            continue;
        CHECK(rows[i].seq <= SEQ_MAX);
        example_add(w, run.v, live->launch, &rows[i]);
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

static void get_example(struct arena *a, struct db_stmt *s, struct example_row *row)
{
    *row = (struct example_row){0};
    row->run.v = db_get_uint(s);
    row->seq = (uint32_t)db_get_uint(s);
    row->id = db_get_text(s);
    row->path = words_decode(a, db_get_bytes(s), &row->n_path);
    row->file = db_get_text(s);
    row->line = (uint32_t)db_get_uint(s);
    row->status = example_status_of(db_get_text(s));
    row->duration_ms = db_get_double(s);
    row->exception = db_get_text(s);
    row->message = db_get_text(s);
    row->backtrace = words_decode(a, db_get_bytes(s), &row->n_backtrace);
    row->pending = db_get_text(s);
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
        buf_printf(b, "%s'%s'", comma, example_status_name((enum example_status)i));
        comma = ", ";
    }
    buf_puts(b, ")");
    if ((statuses & (1u << EXAMPLE_PASSED)) == 0)
        buf_puts(b, " AND e.status <> 'passed'");
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
        buf_puts(&b, "SELECT " COLUMNS " FROM examples e WHERE e.run = ? AND e.seq >= ?");
    else if (f->statuses != 0 && (f->statuses & (1u << EXAMPLE_PASSED)) == 0)
        buf_puts(&b, "SELECT " COLUMNS " FROM examples e CROSS JOIN runs r CROSS JOIN tests t "
                     "WHERE e.launch = ? AND e.run >= ? AND (e.run, e.seq) >= (?, ?) "
                     "AND r.id = e.run AND t.id = r.test AND t.run = r.id AND t.state <> 'waiting'");
    else
        buf_puts(&b, "SELECT " COLUMNS " FROM runs r CROSS JOIN tests t CROSS JOIN examples e "
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
