/* launches.c - launches, and the counters of each: derived from its tests and runs, moved in the transactions
 * that change those, collected over a batch so that a launch is updated once however many tests moved. */
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "store/store_private.h"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static const char *servers_text(struct arena *a, const struct launch_row *row)
{
    struct buf b;
    char *text;
    uint32_t i;

    if (row->n_servers == 0)
        return "";
    buf_init(&b, (size_t)row->n_servers * 21 + 1);
    for (i = 0; i < row->n_servers; i++)
        buf_printf(&b, "%s%llu", i == 0 ? "" : ",", (unsigned long long)row->servers[i]);
    text = arena_strdup(a, buf_str(&b));
    buf_done(&b);
    return text;
}

static void secrets_add(struct writer *w, const struct launch_row *row)
{
    struct slice lines = words_in(&w->batch, row->secrets, row->n_secrets);
    struct db_stmt *s;

    if (row->n_secrets == 0)
        return;
    s = db_sql(w->db, "INSERT INTO launch_secrets (launch, secrets) VALUES (?,?)");
    db_uint(s, row->id.v);
    db_bytes(s, lines.ptr, lines.len);
    (void)db_run(s);
}

/* It is over, and nothing of it runs again: what is left of a secret is its name. */
static void secrets_forget(struct writer *w, struct launch_id id)
{
    struct db_stmt *s = db_sql(w->db, "SELECT secrets FROM launch_secrets WHERE launch = ?");
    const char *const *lines = NULL;
    const char **names;
    struct slice kept;
    uint32_t n = 0;

    db_uint(s, id.v);
    while (db_row(s))
        lines = words_decode(&w->batch, db_get_bytes(s), &n);
    if (n == 0)
        return;
    names = arena_alloc(&w->batch, n * sizeof(*names));
    for (uint32_t i = 0; i < n; i++)
        names[i] = arena_strndup(&w->batch, lines[i], strcspn(lines[i], "="));
    kept = words_in(&w->batch, names, n);
    s = db_sql(w->db, "UPDATE launch_secrets SET secrets = ? WHERE launch = ?");
    db_bytes(s, kept.ptr, kept.len);
    db_uint(s, id.v);
    (void)db_run(s);
}

static void setup_add(struct writer *w, const struct launch_row *row)
{
    struct slice lines = words_in(&w->batch, row->setup, row->n_setup);
    struct db_stmt *s;

    if (row->n_setup == 0)
        return;
    s = db_sql(w->db, "INSERT INTO launch_setup (launch, setup) VALUES (?,?)");
    db_uint(s, row->id.v);
    db_bytes(s, lines.ptr, lines.len);
    (void)db_run(s);
}

static void own_artifacts_add(struct writer *w, const struct launch_row *row)
{
    struct slice globs = words_in(&w->batch, row->artifacts, row->n_artifacts);
    struct db_stmt *s;

    if (row->n_artifacts == 0)
        return;
    s = db_sql(w->db, "INSERT INTO launch_artifacts (launch, globs) VALUES (?,?)");
    db_uint(s, row->id.v);
    db_bytes(s, globs.ptr, globs.len);
    (void)db_run(s);
}

void launch_row_add(struct writer *w, const struct launch_row *row)
{
    struct slice env = words_in(&w->batch, row->env, row->n_env);
    struct db_stmt *s;

    ids_used(w, ID_LAUNCH, row->id.v);
    s = db_sql(w->db,
               "INSERT INTO launches (id, user_id, project, project_name, name, ref, commit_hash, "
               "test_order, retries, time_limit_ms, silence_limit_ms, lease_ms, n_tests, created_at, "
               "state, outcome, started_at, ended_at, servers, env, location, slots, note, schedule, mail, "
               "books) "
               "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    db_uint(s, row->id.v);
    db_uint(s, row->user.v);
    db_uint(s, row->project.v);
    db_text(s, row->project_name);
    db_text(s, row->name);
    db_text(s, row->ref);
    db_text(s, row->commit);
    db_text(s, launch_order_name(row->order));
    db_int(s, row->retries);
    db_int(s, row->time_limit_ms);
    db_int(s, row->silence_limit_ms);
    db_int(s, row->lease_ms);
    db_int(s, row->n_tests);
    db_int(s, row->created_at.ms);
    db_text(s, launch_state_name(row->state));
    db_text(s, outcome_name(row->outcome));
    db_int(s, row->started_at.ms);
    db_int(s, row->ended_at.ms);
    db_text(s, servers_text(&w->batch, row));
    db_bytes(s, env.ptr, env.len);
    db_text(s, row->location);
    db_int(s, row->slots);
    db_text(s, row->note);
    db_uint(s, row->schedule.id);
    db_text(s, mail_when_name(row->mail));
    db_int(s, row->books);
    (void)db_run(s);
    secrets_add(w, row);
    setup_add(w, row);
    own_artifacts_add(w, row);
    s = db_sql(w->db, "INSERT INTO launch_sums (launch) VALUES (?)");
    db_uint(s, row->id.v);
    (void)db_run(s);
    id_time_add(w, ID_TIME_LAUNCH, row->created_at, row->id.v);
    schedule_started(w, row);
}

void launch_row_set(struct writer *w, const struct launch_row *row)
{
    struct db_stmt *s;

    s = db_sql(w->db,
               "UPDATE launches SET state = ?, outcome = ?, started_at = ?, ended_at = ? WHERE id = ?");
    db_text(s, launch_state_name(row->state));
    db_text(s, outcome_name(row->outcome));
    db_int(s, row->started_at.ms);
    db_int(s, row->ended_at.ms);
    db_uint(s, row->id.v);
    if (db_run(s) != 1)
        db_fail(w->db, "launch %llu should change and is not in the database: something else wrote to it",
                (unsigned long long)row->id.v);
    if (row->state != LAUNCH_DONE)
        return;
    secrets_forget(w, row->id);
    s = db_sql(w->db, "DELETE FROM launch_setup WHERE launch = ?");
    db_uint(s, row->id.v);
    (void)db_run(s);
}

/* It may have been deleted meanwhile: then there is nothing to be called anything. */
void launch_row_name(struct writer *w, const struct launch_row *row)
{
    struct db_stmt *s = db_sql(w->db, "UPDATE launches SET name = ? WHERE id = ?");

    db_text(s, row->name);
    db_uint(s, row->id.v);
    (void)db_run(s);
}

/* ---- counters -------------------------------------------------------------------------------------------- */

struct sums_delta {
    uint64_t launch;
    int64_t waiting;
    int64_t active;
    int64_t removed;
    int64_t by_outcome[OUTCOME_COUNT];
    int64_t discovered;
    int64_t passed;
    int64_t failed;
    int64_t pending;
    int64_t not_run;
    int64_t errors;
    int64_t cost_nanousd;
    UT_hash_handle hh;
};

static struct sums_delta *sums_of(struct writer *w, uint64_t launch)
{
    struct sums_delta *d;

    HASH_FIND(hh, w->sums, &launch, sizeof(launch), d);
    if (d == NULL) {
        d = xcalloc(1, sizeof(*d));
        d->launch = launch;
        HASH_ADD(hh, w->sums, launch, sizeof(d->launch), d);
    }
    return d;
}

void sums_tests(struct writer *w, uint64_t launch, enum test_state state, enum outcome outcome, int32_t by)
{
    struct sums_delta *d = sums_of(w, launch);

    switch (state) {
    case TEST_WAITING:
        d->waiting += by;
        break;
    case TEST_ACTIVE:
        d->active += by;
        break;
    case TEST_REMOVED:
        d->removed += by;
        break;
    case TEST_DONE:
    case TEST_STATE_COUNT:
        d->by_outcome[outcome] += by;
        break;
    }
}

void sums_tally(struct writer *w, uint64_t launch, const struct tally *t, int32_t by)
{
    struct sums_delta *d;

    if (t->discovered == 0 && t->not_run == 0 && tally_reported(t) == 0 && t->errors == 0)
        return;
    d = sums_of(w, launch);
    d->discovered += (int64_t)t->discovered * by;
    d->passed += (int64_t)t->passed * by;
    d->failed += (int64_t)t->failed * by;
    d->pending += (int64_t)t->pending * by;
    d->not_run += (int64_t)t->not_run * by;
    d->errors += (int64_t)t->errors * by;
}

void sums_cost(struct writer *w, uint64_t launch, int64_t nanousd)
{
    sums_of(w, launch)->cost_nanousd += nanousd;
}

/* The order of the tests_ columns wherever they are named. */
static const enum outcome sum_columns[] = {OUTCOME_PASSED,        OUTCOME_STOPPED,   OUTCOME_NO_TESTS,
                                           OUTCOME_FAILED,        OUTCOME_TIMED_OUT, OUTCOME_ERROR,
                                           OUTCOME_INFRASTRUCTURE};
_Static_assert(ARRAY_LEN(sum_columns) == OUTCOME_COUNT - 1, "a column for each outcome but NONE");

void sums_flush(struct writer *w)
{
    struct sums_delta *d;
    struct sums_delta *next;

    HASH_ITER(hh, w->sums, d, next) {
        struct db_stmt *s;
        size_t i;

        s = db_sql(
            w->db,
            "UPDATE launch_sums SET waiting = waiting + ?, active = active + ?, removed = removed + ?, "
            "tests_passed = tests_passed + ?, tests_stopped = tests_stopped + ?, "
            "tests_no_tests = tests_no_tests + ?, tests_failed = tests_failed + ?, "
            "tests_timed_out = tests_timed_out + ?, tests_error = tests_error + ?, "
            "tests_infrastructure = tests_infrastructure + ?, discovered = discovered + ?, "
            "passed = passed + ?, failed = failed + ?, pending = pending + ?, not_run = not_run + ?, "
            "errors = errors + ?, cost_nanousd = cost_nanousd + ? WHERE launch = ?");
        db_int(s, d->waiting);
        db_int(s, d->active);
        db_int(s, d->removed);
        for (i = 0; i < ARRAY_LEN(sum_columns); i++)
            db_int(s, d->by_outcome[sum_columns[i]]);
        db_int(s, d->discovered);
        db_int(s, d->passed);
        db_int(s, d->failed);
        db_int(s, d->pending);
        db_int(s, d->not_run);
        db_int(s, d->errors);
        db_int(s, d->cost_nanousd);
        db_uint(s, d->launch);
        (void)db_run(s);
    }
    sums_drop(w);
}

void sums_drop(struct writer *w)
{
    struct sums_delta *d = w->sums;

    HASH_CLEAR(hh, w->sums); /* the table; the entries stay chained */
    while (d != NULL) {
        struct sums_delta *next = d->hh.next;

        free(d);
        d = next;
    }
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

#define COLUMNS                                                                                           \
    "l.id, l.user_id, l.project, l.project_name, l.name, l.ref, l.commit_hash, l.test_order, l.retries, " \
    "l.time_limit_ms, l.silence_limit_ms, l.lease_ms, l.n_tests, l.created_at, l.state, l.outcome, "      \
    "l.started_at, l.ended_at, l.servers, l.env, l.location, l.slots, l.note, l.mail, l.books"
#define SUM_COLUMNS                                                                                         \
    ", s.waiting, s.active, s.removed, s.tests_passed, s.tests_stopped, s.tests_no_tests, s.tests_failed, " \
    "s.tests_timed_out, s.tests_error, s.tests_infrastructure, s.discovered, s.passed, s.failed, "          \
    "s.pending, s.not_run, s.errors, COALESCE(p.login, ''), COALESCE(p.created_at, 0), "                    \
    "COALESCE(s.cost_nanousd, 0), c.launch, c.other, c.n_new, c.n_flaky, c.n_known, c.n_fixed, c.n_gone"
#define FROM                                                       \
    " FROM launches l LEFT JOIN launch_sums s ON s.launch = l.id " \
    "LEFT JOIN queue_pauses p ON p.user_id = l.user_id "           \
    "LEFT JOIN launch_compares c ON c.launch = l.id "

static const uint64_t *servers_parse(struct arena *a, const char *text, uint32_t *retn)
{
    uint64_t *ids;
    uint32_t n = 0;
    const char *p;
    char *end;

    for (p = text; *p != '\0'; p++)
        n += *p == ',';
    ids = arena_alloc(a, ((size_t)n + 1) * sizeof(*ids));
    n = 0;
    for (p = text; *p != '\0'; p = *end == ',' ? end + 1 : end) {
        ids[n] = strtoull(p, &end, 10);
        if (end == p)
            break;
        n++;
    }
    *retn = n;
    return ids;
}

static void get_launch(struct arena *a, struct db_stmt *s, struct launch_row *row)
{
    *row = (struct launch_row){0};
    row->id.v = db_get_uint(s);
    row->user.v = db_get_uint(s);
    row->project.v = db_get_uint(s);
    row->project_name = db_get_text(s);
    row->name = db_get_text(s);
    row->ref = db_get_text(s);
    row->commit = db_get_text(s);
    row->order = order_of(db_get_text(s));
    row->retries = (uint32_t)db_get_uint(s);
    row->time_limit_ms = db_get_int(s);
    row->silence_limit_ms = db_get_int(s);
    row->lease_ms = (uint32_t)db_get_uint(s);
    row->n_tests = (uint32_t)db_get_uint(s);
    row->created_at.ms = db_get_int(s);
    row->state = launch_state_of(db_get_text(s));
    row->outcome = outcome_of(db_get_text(s));
    row->started_at.ms = db_get_int(s);
    row->ended_at.ms = db_get_int(s);
    row->servers = servers_parse(a, db_get_text(s), &row->n_servers);
    row->env = words_decode(a, db_get_bytes(s), &row->n_env);
    row->location = db_get_text(s);
    row->slots = (uint32_t)db_get_uint(s);
    row->note = db_get_text(s);
    row->mail = mail_when_parse(db_get_text(s));
    if (row->mail == MAIL_WHEN_COUNT)
        row->mail = WHEN_AS_CHOSEN;
    row->books = (uint32_t)db_get_uint(s);
}

/* With what it cost so far, which stands beside them. */
static void get_sums(struct db_stmt *s, struct launch_row *row, struct launch_sums *sums)
{
    size_t i;

    *sums = (struct launch_sums){0};
    sums->waiting = (uint32_t)db_get_uint(s);
    sums->active = (uint32_t)db_get_uint(s);
    sums->removed = (uint32_t)db_get_uint(s);
    for (i = 0; i < ARRAY_LEN(sum_columns); i++)
        sums->by_outcome[sum_columns[i]] = (uint32_t)db_get_uint(s);
    sums->tally.discovered = (uint32_t)db_get_uint(s);
    sums->tally.passed = (uint32_t)db_get_uint(s);
    sums->tally.failed = (uint32_t)db_get_uint(s);
    sums->tally.pending = (uint32_t)db_get_uint(s);
    sums->tally.not_run = (uint32_t)db_get_uint(s);
    sums->tally.errors = (uint32_t)db_get_uint(s);
    sums->paused_by = db_get_text(s);
    sums->paused_at.ms = db_get_int(s);
    row->cost_nanousd = db_get_int(s);
    sums->is_compared = db_get_uint(s) != 0;
    sums->compared_with.v = db_get_uint(s);
    for (i = 0; i < COMPARE_COUNT; i++)
        sums->compared[i] = (uint32_t)db_get_uint(s);
}

enum err read_launch(struct reader *r, struct launch_id id, launch_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS SUM_COLUMNS FROM "WHERE l.id = ?");
    struct launch_row row;
    struct launch_sums sums;
    bool found = false;

    db_uint(s, id.v);
    while (db_row(s)) {
        found = true;
        if (each == NULL)
            continue;
        arena_reset(&r->row);
        get_launch(&r->row, s, &row);
        get_sums(s, &row, &sums);
        each(ctx, &row, &sums);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no launch %llu", (unsigned long long)id.v);
    return db_error(r->db, reterr);
}

enum err read_launch_secrets(struct reader *r, struct launch_id id, void (*each)(void *ctx, const char *name),
                             void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT secrets FROM launch_secrets WHERE launch = ?");

    db_uint(s, id.v);
    while (db_row(s)) {
        uint32_t n;
        const char *const *lines = words_decode(&r->row, db_get_bytes(s), &n);

        for (uint32_t i = 0; i < n; i++)
            each(ctx, arena_strndup(&r->row, lines[i], strcspn(lines[i], "=")));
    }
    return db_error(r->db, reterr);
}

void launches_boot(struct reader *r, change_fn *each, void *ctx)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT " COLUMNS ", x.secrets, y.setup, COALESCE(s.cost_nanousd, 0) FROM launches l "
                      "LEFT JOIN launch_secrets x ON x.launch = l.id "
                      "LEFT JOIN launch_sums s ON s.launch = l.id LEFT JOIN launch_setup y ON y.launch = "
                      "l.id WHERE l.state <> 'done' ORDER BY l.id");

    while (db_row(s)) {
        struct change c = {.kind = CHANGE_LAUNCH_ADD};

        arena_reset(&r->row);
        get_launch(&r->row, s, &c.launch);
        c.launch.secrets = words_decode(&r->row, db_get_bytes(s), &c.launch.n_secrets);
        c.launch.setup = words_decode(&r->row, db_get_bytes(s), &c.launch.n_setup);
        c.launch.cost_nanousd = db_get_int(s);
        each(ctx, &c);
    }
}
