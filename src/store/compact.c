/* compact.c - the rows of examples as they were kept before migration "compact_examples", moved to where they are kept now.
 *
 * One pass in the order of the rows, in the migration's transaction: a crash leaves the database as it was. It takes about 5
 * seconds for a million examples; the log says how far it is. Memory: the caches of the writer, trimmed as in a batch. */
#include "base/log.h"
#include "store/store_private.h"

#define STEP_ROWS 1000u
#define SAY_EVERY_MS 2000

static uint64_t count_before(struct writer *w)
{
    struct db_stmt *s = db_sql(w->db, "SELECT COUNT(*) FROM examples_before");
    uint64_t n = 0;

    while (db_row(s))
        n = db_get_uint(s);
    return n;
}

static void get_before(struct arena *a, struct db_stmt *s, struct example_row *row, uint64_t *ret_launch,
                       struct wall *ret_at)
{
    *row = (struct example_row){.page_url = "", .screenshot = ""};
    row->run.v = db_get_uint(s);
    row->seq = (uint32_t)db_get_uint(s);
    *ret_launch = db_get_uint(s);
    row->status = example_status_of(db_get_text(s));
    row->id = db_get_text(s);
    row->path = words_decode(a, db_get_bytes(s), &row->n_path);
    row->file = db_get_text(s);
    row->line = (uint32_t)db_get_uint(s);
    row->duration_ms = db_get_double(s);
    row->exception = db_get_text(s);
    row->message = db_get_text(s);
    row->backtrace = words_decode(a, db_get_bytes(s), &row->n_backtrace);
    row->pending = db_get_text(s);
    row->artifacts = words_decode(a, db_get_bytes(s), &row->n_artifacts);
    ret_at->ms = db_get_int(s);
}

static void say_how_far(uint64_t n, uint64_t total, struct mono *said)
{
    if (mono_now().us - said->us < SAY_EVERY_MS * INT64_C(1000))
        return;
    *said = mono_now();
    LOG_INFO("store.migrating", "what=examples done=%llu of=%llu", (unsigned long long)n,
             (unsigned long long)total);
}

static void move_examples(struct writer *w)
{
    uint64_t total = count_before(w);
    struct mono said = mono_now();
    struct example_row row;
    struct db_stmt *s;
    uint64_t launch;
    struct wall at;
    uint64_t n = 0;

    if (total > 0)
        LOG_INFO("store.migrating", "what=examples rows=%llu about_s=%llu", (unsigned long long)total,
                 (unsigned long long)(total / 200000 + 1));
    s = db_sql(w->db,
               "SELECT e.run, e.seq, e.launch, e.status, e.example_id, e.description, e.file, e.line, "
               "e.duration_ms, e.exception, e.message, e.backtrace, e.pending, e.artifacts, r.created_at "
               "FROM examples_before e CROSS JOIN runs r WHERE r.id = e.run ORDER BY e.run, e.seq");
    while (db_row(s)) {
        get_before(&w->batch, s, &row, &launch, &at);
        example_insert(w, launch, launch_project(w, launch), at, &row);
        if (++n % STEP_ROWS != 0)
            continue;
        arena_reset(&w->batch);
        cases_trim(w);
        say_how_far(n, total, &said);
    }
    arena_reset(&w->batch);
    if (total > 0)
        LOG_INFO("store.migrated", "what=examples rows=%llu", (unsigned long long)n);
}

/* Runs that no example explains have causes, too. */
static void move_runs(struct writer *w)
{
    struct db_stmt *s =
        db_sql(w->db, "SELECT id, launch, outcome, reason, created_at, ended_at, failed > 0, errors > 0 "
                      "FROM runs WHERE outcome NOT IN ('', 'passed') ORDER BY outcome, id");
    struct run_row row;
    uint64_t launch;
    bool has_failed;
    uint32_t n = 0;

    while (db_row(s)) {
        row = (struct run_row){.id = {db_get_uint(s)}};
        launch = db_get_uint(s);
        row.outcome = outcome_of(db_get_text(s));
        row.reason = db_get_text(s);
        row.created_at.ms = db_get_int(s);
        row.ended_at.ms = db_get_int(s);
        has_failed = db_get_int(s) != 0;
        cause_of_ended_run(w, &row, launch, has_failed, db_get_int(s) != 0);
        if (++n % STEP_ROWS == 0)
            arena_reset(&w->batch);
    }
    arena_reset(&w->batch);
}

void examples_compact(struct writer *w)
{
    ids_load(w);
    move_examples(w);
    move_runs(w);
    db_script(w->db, "DROP TABLE examples_before");
    kept_flush(w);
    ids_flush(w);
}
