/* runs.c - the executions of tests, and the durations that predict; history.c finds them. */
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

#define PREDICT_RUNS 10

bool run_counts(enum run_state state, enum outcome outcome)
{
    if (state == RUN_LOST)
        return false;
    return state != RUN_DONE || !outcome_is_infrastructure(outcome);
}

const struct tally *tally_so_far(enum run_state state, const struct tally *said, const struct tally *seen)
{
    bool living = state != RUN_DONE && state != RUN_LOST;
    bool has_seen =
        seen->discovered + seen->passed + seen->failed + seen->pending + seen->errors > 0 || seen->started;

    return living && has_seen ? seen : said;
}

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static void bind_finish(struct db_stmt *s, const struct finish *f)
{
    db_int(s, f->how);
    db_int(s, f->exit_code);
    db_int(s, f->signal);
    db_int(s, f->duration_us);
    db_int(s, f->user_us);
    db_int(s, f->system_us);
    db_int(s, f->max_rss_kib);
    db_int(s, f->gap_us);
    db_uint(s, f->log_bytes);
    db_uint(s, f->log_dropped_bytes);
    db_uint(s, f->log_gap_plus_one);
}

void run_row_add(struct writer *w, const struct run_row *row)
{
    struct live_test *test = live_test_get(w, row->test.v);
    struct live_run *live;
    struct db_stmt *s;

    ids_used(w, ID_RUN, row->id.v);
    if (test == NULL) {
        db_fail(w->db, "run %llu is of test %llu, which is not in the database",
                (unsigned long long)row->id.v, (unsigned long long)row->test.v);
        return;
    }
    s = db_sql(w->db,
               "INSERT INTO runs (id, test, launch, server, server_name, path, attempt, slot, state, "
               "outcome, reason, created_at, started_at, ended_at, how, exit_code, signal, duration_us, "
               "user_us, system_us, max_rss_kib, gap_us, log_bytes, log_dropped_bytes, log_gap_plus_one, "
               "discovered, passed, "
               "failed, pending, errors, flags, bad_lines, not_run, not_run_reason, image, slot_at, "
               "cost_nanousd, origin) "
               "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    db_uint(s, row->id.v);
    db_uint(s, row->test.v);
    db_uint(s, row->launch.v);
    db_uint(s, row->server.v);
    db_text(s, row->server_name);
    db_uint(s, test->path);
    db_int(s, row->attempt);
    db_int(s, row->slot);
    db_text(s, run_state_name(row->state));
    db_text(s, outcome_name(row->outcome));
    db_text(s, row->reason);
    db_int(s, row->created_at.ms);
    db_int(s, row->started_at.ms);
    db_int(s, row->ended_at.ms);
    bind_finish(s, &row->finish);
    bind_tally(s, &row->tally);
    db_text(s, row->image);
    db_int(s, row->slot_at.ms);
    db_int(s, row->cost_nanousd);
    db_uint(s, test->origin);
    (void)db_run(s);
    id_time_add(w, ID_TIME_RUN, row->created_at, row->id.v);
    kept_add(w, KEPT_RUN, 1, 0);
    if (run_counts(row->state, row->outcome))
        sums_tally(w, row->launch.v, &row->tally, 1);
    if (db_failed(w->db))
        return;
    live = live_run_add(w, row->id.v);
    live->launch = row->launch.v;
    live->state = row->state;
    live->outcome = row->outcome;
    live->said = row->tally;
    log_new(w, row->id.v);
}

void run_row_set(struct writer *w, const struct run_row *row)
{
    struct live_run *live = live_run_get(w, row->id.v);
    struct db_stmt *s;
    struct why why;

    if (live == NULL) {
        db_fail(w->db, "run %llu should change and is not in the database: something else wrote to it",
                (unsigned long long)row->id.v);
        return;
    }
    /* Move the launch's sums from what the run counted so far to what it counts now. */
    if (run_counts(live->state, live->outcome))
        sums_tally(w, live->launch, tally_so_far(live->state, &live->said, &live->seen), -1);
    if (run_counts(row->state, row->outcome))
        sums_tally(w, live->launch, tally_so_far(row->state, &row->tally, &live->seen), 1);
    live->state = row->state;
    live->outcome = row->outcome;
    live->said = row->tally;
    if (row->state == RUN_DONE || row->state == RUN_LOST) {
        if (log_end(w, row->id, &why) != ERR_OK)
            db_fail(w->db, "%s", why.text);
        if (live->has_artifacts)
            artifacts_link(w, row->id);
        cause_of_ended_run(w, row, live->launch, live->seen.failed > 0, live->seen.errors > 0);
        live_run_forget(w, live);
    }
    s = db_sql(w->db,
               "UPDATE runs SET slot = ?, state = ?, outcome = ?, reason = ?, started_at = ?, ended_at = ?, "
               "how = ?, exit_code = ?, signal = ?, duration_us = ?, user_us = ?, system_us = ?, "
               "max_rss_kib = ?, gap_us = ?, log_bytes = ?, log_dropped_bytes = ?, log_gap_plus_one = ?, "
               "discovered = ?, "
               "passed = ?, failed = ?, pending = ?, errors = ?, flags = ?, bad_lines = ?, not_run = ?, "
               "not_run_reason = ?, image = ?, slot_at = ?, cost_nanousd = ? WHERE id = ?");
    db_int(s, row->slot);
    db_text(s, run_state_name(row->state));
    db_text(s, outcome_name(row->outcome));
    db_text(s, row->reason);
    db_int(s, row->started_at.ms);
    db_int(s, row->ended_at.ms);
    bind_finish(s, &row->finish);
    bind_tally(s, &row->tally);
    db_text(s, row->image);
    db_int(s, row->slot_at.ms);
    db_int(s, row->cost_nanousd);
    db_uint(s, row->id.v);
    (void)db_run(s);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

#define RUN_COLUMNS                                                                                    \
    "r.id, r.test, r.launch, r.server, r.server_name, p.path, r.attempt, r.slot, r.state, r.outcome, " \
    "r.reason, "                                                                                       \
    "r.created_at, r.started_at, r.ended_at, r.how, r.exit_code, r.signal, r.duration_us, r.user_us, " \
    "r.system_us, r.max_rss_kib, r.gap_us, r.log_bytes, r.log_dropped_bytes, r.log_gap_plus_one, "     \
    "r.discovered, r.passed, "                                                                         \
    "r.failed, "                                                                                       \
    "r.pending, r.errors, r.flags, r.bad_lines, r.not_run, r.not_run_reason, r.image, r.slot_at, "     \
    "r.cost_nanousd, r.log_gone, r.log_gone_at, r.examples_gone, r.examples_gone_at"
#define MORE_COLUMNS                                                                                         \
    ", r.seen_discovered, r.seen_passed, r.seen_failed, r.seen_pending, r.seen_errors, r.seen_flags, "       \
    "r.seen_bad_lines, r.seen_not_run, r.seen_not_run_reason, l.user_id, l.project, "                        \
    "COALESCE(l.project_name, ''), COALESCE(l.ref, ''), COALESCE(o.language, ''), COALESCE(o.browser, ''), " \
    "COALESCE(l.commit_hash, ''), "                                                                          \
    "COALESCE(g.size_bytes, r.log_bytes)"
#define PATH_JOIN " LEFT JOIN paths p ON p.id = r.path"
#define MORE_JOINS                                                                               \
    PATH_JOIN " LEFT JOIN launches l ON l.id = r.launch LEFT JOIN origins o ON o.id = r.origin " \
              "LEFT JOIN logs g ON g.run = r.id "

static void get_finish(struct db_stmt *s, struct finish *f)
{
    f->how = (uint32_t)db_get_uint(s);
    f->exit_code = (int32_t)db_get_int(s);
    f->signal = (int32_t)db_get_int(s);
    f->duration_us = db_get_int(s);
    f->user_us = db_get_int(s);
    f->system_us = db_get_int(s);
    f->max_rss_kib = db_get_int(s);
    f->gap_us = db_get_int(s);
    f->log_bytes = db_get_uint(s);
    f->log_dropped_bytes = db_get_uint(s);
    f->log_gap_plus_one = db_get_uint(s);
}

static void get_run(struct db_stmt *s, struct run_row *row)
{
    *row = (struct run_row){0};
    row->id.v = db_get_uint(s);
    row->test.v = db_get_uint(s);
    row->launch.v = db_get_uint(s);
    row->server.v = db_get_uint(s);
    row->server_name = db_get_text(s);
    row->path = db_get_text(s);
    row->attempt = (uint32_t)db_get_uint(s);
    row->slot = (uint32_t)db_get_uint(s);
    row->state = run_state_of(db_get_text(s));
    row->outcome = outcome_of(db_get_text(s));
    row->reason = db_get_text(s);
    row->created_at.ms = db_get_int(s);
    row->started_at.ms = db_get_int(s);
    row->ended_at.ms = db_get_int(s);
    get_finish(s, &row->finish);
    row->tally = get_tally(s);
    row->image = db_get_text(s);
    row->slot_at.ms = db_get_int(s);
    row->cost_nanousd = db_get_int(s);
    row->log_gone = db_get_text(s);
    row->log_gone_at.ms = db_get_int(s);
    row->examples_gone = db_get_text(s);
    row->examples_gone_at.ms = db_get_int(s);
}

/* What stands behind the columns of get_run(). */
static void each_run(struct db_stmt *s, struct run_row *row, run_fn *each, void *ctx)
{
    struct tally seen = get_tally(s);
    const char *commit;

    row->tally = *tally_so_far(row->state, &row->tally, &seen);
    row->from.user.v = db_get_uint(s);
    row->from.project.v = db_get_uint(s);
    row->from.project_name = db_get_text(s);
    row->from.ref = db_get_text(s);
    row->from.language = db_get_text(s);
    row->from.browser = db_get_text(s);
    commit = db_get_text(s);
    each(ctx, row, commit, db_get_uint(s));
}

enum err read_run(struct reader *r, struct run_id id, run_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s;
    struct run_row row;
    bool found = false;

    s = db_sql(r->db, "SELECT " RUN_COLUMNS MORE_COLUMNS " FROM runs r" MORE_JOINS "WHERE r.id = ?");
    db_uint(s, id.v);
    while (db_row(s)) {
        found = true;
        if (each == NULL)
            continue;
        get_run(s, &row);
        each_run(s, &row, each, ctx);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no run %llu", (unsigned long long)id.v);
    return db_error(r->db, reterr);
}

bool run_read_within(struct reader *r, uint64_t id, const struct run_filter *f, run_fn *each, void *ctx)
{
    struct db_stmt *s;
    bool fits = false;

    if (each == NULL && f->since.ms == 0 && f->until.ms == 0)
        return true;
    s = db_sql(r->db, "SELECT " RUN_COLUMNS MORE_COLUMNS " FROM runs r" MORE_JOINS "WHERE r.id = ?");
    db_uint(s, id);
    while (db_row(s)) {
        struct run_row row;

        get_run(s, &row);
        fits = row.created_at.ms >= f->since.ms && (f->until.ms == 0 || row.created_at.ms < f->until.ms);
        if (fits && each != NULL)
            each_run(s, &row, each, ctx);
    }
    return fits;
}

/* ---- predictions ----------------------------------------------------------------------------------------- */

enum err read_predictions(struct reader *r, struct project_id project,
                          void (*each)(void *ctx, const char *path, int64_t ms), void *ctx,
                          struct why *reterr)
{
    struct db_stmt *paths = db_sql(r->db, "SELECT id, path FROM paths WHERE project = ? ORDER BY path");

    db_uint(paths, project.v);
    while (db_row(paths)) {
        uint64_t id = db_get_uint(paths);
        const char *path = db_get_text(paths);
        int64_t us[PREDICT_RUNS];
        int64_t median;
        struct db_stmt *s;
        size_t n = 0;

        s = db_sql(r->db, "SELECT duration_us FROM runs WHERE path = ? AND outcome IN ('passed', 'failed') "
                          "ORDER BY id DESC LIMIT ?");
        db_uint(s, id);
        db_int(s, PREDICT_RUNS);
        while (db_row(s) && n < PREDICT_RUNS)
            us[n++] = db_get_int(s);
        if (n == 0)
            continue;
        median = median_of(us, (uint32_t)n);
        each(ctx, path, median < 1000 ? 1 : median / 1000); /* 0 would be "not known", which goes first */
    }
    return db_error(r->db, reterr);
}

/* ---- boot ------------------------------------------------------------------------------------------------ */

/* Living runs of launches that are done do not exist; if they did, the engine could not place them. */
void runs_boot(struct reader *r, change_fn *each, void *ctx)
{
    struct db_stmt *s;

    s = db_sql(r->db,
               "SELECT " RUN_COLUMNS " FROM runs r" PATH_JOIN " LEFT JOIN launches l ON l.id = r.launch "
               "WHERE r.state NOT IN ('done', 'lost') AND l.state <> 'done' ORDER BY r.id");
    while (db_row(s)) {
        struct change c = {.kind = CHANGE_RUN_ADD};

        get_run(s, &c.run);
        each(ctx, &c);
    }
}

void streams_boot(struct reader *r, void (*each)(void *ctx, const struct stream_pos *p), void *ctx)
{
    struct db_stmt *s;

    s = db_sql(r->db,
               "SELECT r.id, COALESCE(g.size_bytes, 0), r.results_bytes, r.next_seq, r.seen_discovered, "
               "r.seen_passed, r.seen_failed, r.seen_pending, r.seen_errors, r.seen_flags, r.seen_bad_lines, "
               "r.seen_not_run, r.seen_not_run_reason "
               "FROM runs r LEFT JOIN logs g ON g.run = r.id "
               "WHERE r.state NOT IN ('done', 'lost') ORDER BY r.id");
    while (db_row(s)) {
        struct stream_pos p = {0};

        p.run.v = db_get_uint(s);
        p.log_bytes = db_get_uint(s);
        p.results_bytes = db_get_uint(s);
        p.next_seq = (uint32_t)db_get_uint(s);
        p.tally = get_tally(s);
        each(ctx, &p);
    }
}
