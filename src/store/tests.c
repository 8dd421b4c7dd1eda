/* tests.c - the tests of launches. 100,000 of them arrive in one change list, so a row is small: its path is a
 * number (each path of a project is kept once), and so is its command (tests of a launch differ in their path only). */
#include <string.h>

#include "store/store_private.h"

/* In a kept command this word stands for the test's own path; a real word that begins with the mark gets it twice. */
#define PATH_MARK '\1'

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static uint64_t path_id(struct writer *w, uint64_t project, const char *path)
{
    struct slice text = slice_of(path);
    uint64_t id = live_path_get(w, project, text);
    struct db_stmt *s;

    if (id != 0)
        return id;
    s = db_sql(w->db, "SELECT id FROM paths WHERE project = ? AND path = ?");
    db_uint(s, project);
    db_text(s, path);
    while (db_row(s))
        id = db_get_uint(s);
    if (id == 0) {
        id = ids_take(w, ID_PATH);
        s = db_sql(w->db, "INSERT INTO paths (id, project, path) VALUES (?, ?, ?)");
        db_uint(s, id);
        db_uint(s, project);
        db_text(s, path);
        (void)db_run(s);
    }
    live_path_add(w, project, text, id);
    return id;
}

/* Tests come launch by launch: remember the one at hand. */
static void use_launch(struct writer *w, uint64_t launch)
{
    struct db_stmt *s;
    bool found = false;

    if (w->tests_launch == launch)
        return;
    s = db_sql(w->db, "SELECT project FROM launches WHERE id = ?");
    db_uint(s, launch);
    while (db_row(s)) {
        w->tests_project = db_get_uint(s);
        found = true;
    }
    if (!found)
        db_fail(w->db, "tests were added to launch %llu, which is not in the database",
                (unsigned long long)launch);
    s = db_sql(w->db, "SELECT COALESCE(MAX(number), 0) FROM commands WHERE launch = ?");
    db_uint(s, launch);
    while (db_row(s))
        w->n_commands = (uint32_t)db_get_uint(s);
    w->tests_launch = launch;
    w->command_adapter = ADAPTER_COUNT;
    buf_clear(&w->command);
    buf_clear(&w->command_reports);
}

static struct slice command_encode(struct arena *a, const struct test_row *row)
{
    size_t len = 0;
    char *out;
    char *p;
    uint32_t i;

    for (i = 0; i < row->n_argv; i++)
        len += strlen(row->argv[i]) + 2;
    out = p = arena_alloc(a, len + 1);
    for (i = 0; i < row->n_argv; i++) {
        const char *word = row->argv[i];
        size_t size = strlen(word) + 1;

        if (strcmp(word, row->path) == 0) {
            *p++ = PATH_MARK;
            *p++ = '\0';
            continue;
        }
        if (word[0] == PATH_MARK)
            *p++ = PATH_MARK;
        memcpy(p, word, size);
        p += size;
    }
    return (struct slice){out, (size_t)(p - out)};
}

static bool limits_same(const struct test_limits *a, const struct test_limits *b)
{
    return a->time_limit_ms == b->time_limit_ms && a->silence_limit_ms == b->silence_limit_ms &&
           a->retries_plus_one == b->retries_plus_one;
}

/* The number of the test's command within its launch. Only the newest is remembered: a launch that alternates
 * keeps some of them twice, which is only space. */
static uint32_t command_number(struct writer *w, const struct test_row *row)
{
    struct slice argv;
    struct slice reports;
    struct db_stmt *s;

    argv = command_encode(&w->batch, row);
    reports = words_in(&w->batch, row->reports, row->n_reports);
    if (w->command_adapter == row->adapter && limits_same(&w->command_limits, &row->limits) &&
        slice_eq(argv, buf_slice(&w->command)) && slice_eq(reports, buf_slice(&w->command_reports)))
        return w->n_commands;
    buf_clear(&w->command);
    buf_put(&w->command, argv.ptr, argv.len);
    buf_clear(&w->command_reports);
    buf_put(&w->command_reports, reports.ptr, reports.len);
    w->command_adapter = row->adapter;
    w->command_limits = row->limits;
    w->n_commands++;
    s = db_sql(w->db, "INSERT INTO commands (launch, number, adapter, argv, reports, time_limit_ms, "
                      "silence_limit_ms, retries_plus_one) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    db_uint(s, row->launch.v);
    db_int(s, w->n_commands);
    db_text(s, adapter_name(row->adapter));
    db_bytes(s, argv.ptr, argv.len);
    db_bytes(s, reports.ptr, reports.len);
    db_int(s, row->limits.time_limit_ms);
    db_int(s, row->limits.silence_limit_ms);
    db_int(s, row->limits.retries_plus_one);
    (void)db_run(s);
    return w->n_commands;
}

/* So many rows go into one statement: opening the table and its indexes costs as much as two rows. */
#define ADD_MAX 32
#define ADD_SQL                                                                                        \
    "INSERT INTO tests (id, launch, position, path, command, predicted_ms, state, outcome, attempts, " \
    "losses, run, language, browser, rank, undo, reason) VALUES "
#define ROW_1 "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
#define ROWS_4 ROW_1 "," ROW_1 "," ROW_1 "," ROW_1
#define ROWS_16 ROWS_4 "," ROWS_4 "," ROWS_4 "," ROWS_4

static void bind_test(struct db_stmt *s, const struct test_row *row, uint64_t path, uint32_t command)
{
    db_uint(s, row->id.v);
    db_uint(s, row->launch.v);
    db_int(s, row->position);
    db_uint(s, path);
    db_int(s, command);
    db_int(s, row->predicted_ms);
    db_text(s, test_state_name(row->state));
    db_text(s, outcome_name(row->outcome));
    db_int(s, row->attempts);
    db_int(s, row->losses);
    db_uint(s, row->run.v);
    db_text(s, row->language);
    db_text(s, row->browser);
    db_int(s, row->rank);
    db_uint(s, row->undo.v);
    db_text(s, row->reason);
}

uint32_t test_rows_add(struct writer *w, const struct change *rows, uint32_t n)
{
    uint64_t paths[ADD_MAX];
    uint32_t commands[ADD_MAX];
    struct db_stmt *s;
    uint32_t i;

    for (i = 0; i < n && i < ADD_MAX && rows[i].kind == CHANGE_TEST_ADD; i++)
        ;
    n = i == ADD_MAX ? ADD_MAX : 1;
    /* What they refer to is written first: a statement that is being bound is not to be disturbed. */
    for (i = 0; i < n; i++) {
        const struct test_row *row = &rows[i].test;

        ids_used(w, ID_TEST, row->id.v);
        use_launch(w, row->launch.v);
        if (db_failed(w->db))
            return n;
        paths[i] = path_id(w, w->tests_project, row->path);
        commands[i] = command_number(w, row);
    }
    if (n == ADD_MAX)
        s = db_sql(w->db, ADD_SQL ROWS_16 "," ROWS_16);
    else
        s = db_sql(w->db, ADD_SQL ROW_1);
    for (i = 0; i < n; i++)
        bind_test(s, &rows[i].test, paths[i], commands[i]);
    (void)db_run(s);
    for (i = 0; i < n; i++)
        sums_tests(w, rows[i].test.launch.v, rows[i].test.state, rows[i].test.outcome, 1);
    return n;
}

void test_row_set(struct writer *w, const struct test_row *row)
{
    struct live_test *t = live_test_get(w, row->id.v);
    struct db_stmt *s;

    if (t == NULL) {
        db_fail(w->db, "test %llu should change and is not in the database: something else wrote to it",
                (unsigned long long)row->id.v);
        return;
    }
    sums_tests(w, t->launch, t->state, t->outcome, -1);
    sums_tests(w, t->launch, row->state, row->outcome, 1);
    t->state = row->state;
    t->outcome = row->outcome;
    if (row->state == TEST_DONE)
        live_test_forget(w, t);
    s = db_sql(
        w->db,
        "UPDATE tests SET state = ?, outcome = ?, attempts = ?, losses = ?, run = ?, undo = ?, reason = ? "
        "WHERE id = ?");
    db_text(s, test_state_name(row->state));
    db_text(s, outcome_name(row->outcome));
    db_int(s, row->attempts);
    db_int(s, row->losses);
    db_uint(s, row->run.v);
    db_uint(s, row->undo.v);
    db_text(s, row->reason);
    db_uint(s, row->id.v);
    (void)db_run(s);
}

void test_ranks_set(struct writer *w, const struct test_rank *at, uint32_t n)
{
    struct db_stmt *s;
    uint32_t i;

    for (i = 0; i < n && !db_failed(w->db); i++) {
        s = db_sql(w->db, "UPDATE tests SET rank = ? WHERE id = ?");
        db_int(s, at[i].rank);
        db_uint(s, at[i].test.v);
        if (db_run(s) != 1)
            db_fail(w->db, "test %llu should move and is not in the database: something else wrote to it",
                    (unsigned long long)at[i].test.v);
    }
}

/* Tens of thousands that change alike: a statement per range of ids, and one move of the counters. */
void tests_range_set(struct writer *w, const struct change *c)
{
    struct db_stmt *s;
    uint64_t n;
    uint32_t i;

    for (i = 0; i < c->tests.n && !db_failed(w->db); i++) {
        const struct test_range *r = &c->tests.at[i];

        n = r->last - r->first + 1;
        live_tests_forget(w, r->first, r->last);
        s = db_sql(w->db, "UPDATE tests SET state = ?, outcome = ?, undo = ?, reason = ? "
                          "WHERE id BETWEEN ? AND ? AND state = ?");
        db_text(s, test_state_name(c->tests.state));
        db_text(s, outcome_name(c->tests.outcome));
        db_uint(s, c->tests.undo.v);
        db_text(s, c->tests.reason);
        db_uint(s, r->first);
        db_uint(s, r->last);
        db_text(s, test_state_name(c->tests.from));
        if ((uint64_t)db_run(s) != n)
            db_fail(w->db, "tests %llu to %llu should change and are not in the database as they were",
                    (unsigned long long)r->first, (unsigned long long)r->last);
        sums_tests(w, r->launch.v, c->tests.from, OUTCOME_NONE, -(int32_t)n);
        sums_tests(w, r->launch.v, c->tests.state, c->tests.outcome, (int32_t)n);
    }
}

void undo_row_add(struct writer *w, const struct undo_row *row)
{
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO queue_undos (id, user_id, login, created_at) VALUES (?,?,?,?)");

    ids_used(w, ID_UNDO, row->id.v);
    db_uint(s, row->id.v);
    db_uint(s, row->user.v);
    db_text(s, row->login);
    db_int(s, row->at.ms);
    (void)db_run(s);
}

void undo_row_delete(struct writer *w, struct undo_id id)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM queue_undos WHERE id = ?");

    db_uint(s, id.v);
    (void)db_run(s);
}

void pause_row_add(struct writer *w, const struct pause_row *row)
{
    struct db_stmt *s = db_sql(w->db, "INSERT INTO queue_pauses (user_id, login, created_at) VALUES (?,?,?)");

    db_uint(s, row->user.v);
    db_text(s, row->login);
    db_int(s, row->at.ms);
    (void)db_run(s);
}

void pause_row_delete(struct writer *w, struct user_id user)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM queue_pauses WHERE user_id = ?");

    db_uint(s, user.v);
    (void)db_run(s);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

#define COLUMNS                                                                           \
    "t.id, t.launch, t.position, p.path, c.adapter, c.argv, c.reports, c.time_limit_ms, " \
    "c.silence_limit_ms, c.retries_plus_one, t.predicted_ms, t.state, t.outcome, "        \
    "t.attempts, "                                                                        \
    "t.losses, t.run, t.language, t.browser, t.rank, t.undo, t.reason"
#define JOINS                             \
    " LEFT JOIN paths p ON p.id = t.path" \
    " LEFT JOIN commands c ON c.launch = t.launch AND c.number = t.command "

static const char *const *command_decode(struct arena *a, struct slice bytes, const char *path,
                                         uint32_t *retn)
{
    const char *const *kept = words_decode(a, bytes, retn);
    const char **words = arena_alloc(a, ((size_t)*retn + 1) * sizeof(*words));
    uint32_t i;

    for (i = 0; i < *retn; i++) {
        const char *word = kept[i];

        if (word[0] != PATH_MARK)
            words[i] = word;
        else
            words[i] = word[1] == '\0' ? path : word + 1;
    }
    return words;
}

static void get_test(struct arena *a, struct db_stmt *s, struct test_row *row)
{
    *row = (struct test_row){0};
    row->id.v = db_get_uint(s);
    row->launch.v = db_get_uint(s);
    row->position = (uint32_t)db_get_uint(s);
    row->path = db_get_text(s);
    row->adapter = adapter_of(db_get_text(s));
    row->argv = command_decode(a, db_get_bytes(s), row->path, &row->n_argv);
    row->reports = words_decode(a, db_get_bytes(s), &row->n_reports);
    row->limits.time_limit_ms = db_get_int(s);
    row->limits.silence_limit_ms = db_get_int(s);
    row->limits.retries_plus_one = (uint32_t)db_get_uint(s);
    row->predicted_ms = db_get_int(s);
    row->state = test_state_of(db_get_text(s));
    row->outcome = outcome_of(db_get_text(s));
    row->attempts = (uint32_t)db_get_uint(s);
    row->losses = (uint32_t)db_get_uint(s);
    row->run.v = db_get_uint(s);
    row->language = db_get_text(s);
    row->browser = db_get_text(s);
    row->rank = db_get_int(s);
    row->undo.v = db_get_uint(s);
    row->reason = db_get_text(s);
}

enum err read_test(struct reader *r, struct test_id id, test_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " FROM tests t" JOINS "WHERE t.id = ?");
    struct test_row row;
    bool found = false;

    db_uint(s, id.v);
    while (db_row(s)) {
        found = true;
        arena_reset(&r->row);
        get_test(&r->row, s, &row);
        each(ctx, &row);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no test %llu", (unsigned long long)id.v);
    return db_error(r->db, reterr);
}

/* Outcomes other than passed have an index of their own, each state has one. Tests that passed are most of those
 * that are done, so they are found among these. */
static struct db_stmt *tests_query(struct reader *r, const struct test_filter *f)
{
    struct db_stmt *s;
    struct buf b;

    buf_init(&b, SQL_BYTES_MAX);
    buf_puts(&b, "SELECT " COLUMNS " FROM tests t" JOINS "WHERE t.launch = ? AND t.position >= ?");
    if (f->outcome == OUTCOME_NONE)
        buf_puts(&b, " AND t.outcome = ''");
    else if (f->outcome == OUTCOME_PASSED)
        buf_puts(&b, " AND t.state = 'done' AND t.outcome = 'passed'");
    else if (f->outcome >= 0)
        buf_puts(&b, " AND t.outcome = ? AND t.outcome NOT IN ('', 'passed')");
    if (f->state >= 0)
        buf_puts(&b, " AND t.state = ?");
    buf_puts(&b, " ORDER BY t.position LIMIT ?");
    s = db_built(r->db, buf_str(&b));
    buf_done(&b);
    return s;
}

enum err read_tests(struct reader *r, const struct test_filter *f, struct page *p, test_fn *each, void *ctx,
                    struct why *reterr)
{
    struct db_stmt *s = tests_query(r, f);
    uint32_t n = 0;
    uint64_t last = 0;

    p->next = 0;
    db_uint(s, f->launch.v);
    db_uint(s, p->after);
    if (f->outcome > OUTCOME_PASSED)
        db_text(s, outcome_name((enum outcome)f->outcome));
    if (f->state >= 0)
        db_text(s, test_state_name((enum test_state)f->state));
    db_int(s, page_limit(p));
    while (db_row(s)) {
        struct test_row row;

        if (!page_take(p, &n, last + 1)) {
            db_end(s);
            break;
        }
        arena_reset(&r->row);
        get_test(&r->row, s, &row);
        last = row.position;
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

void undos_boot(struct reader *r, change_fn *each, void *ctx)
{
    struct db_stmt *s = db_sql(r->db, "SELECT id, user_id, login, created_at FROM queue_undos ORDER BY id");

    while (db_row(s)) {
        struct change c = {.kind = CHANGE_UNDO_ADD};

        c.undo.id.v = db_get_uint(s);
        c.undo.user.v = db_get_uint(s);
        c.undo.login = db_get_text(s);
        c.undo.at.ms = db_get_int(s);
        each(ctx, &c);
    }
}

void pauses_boot(struct reader *r, change_fn *each, void *ctx)
{
    struct db_stmt *s = db_sql(r->db, "SELECT user_id, login, created_at FROM queue_pauses ORDER BY user_id");

    while (db_row(s)) {
        struct change c = {.kind = CHANGE_PAUSE_ADD};

        c.pause.user.v = db_get_uint(s);
        c.pause.login = db_get_text(s);
        c.pause.at.ms = db_get_int(s);
        each(ctx, &c);
    }
}

void tests_boot(struct reader *r, change_fn *each, void *ctx)
{
    struct db_stmt *s;

    s = db_sql(r->db, "SELECT " COLUMNS " FROM launches l CROSS JOIN tests t" JOINS
                      "WHERE l.state <> 'done' AND t.launch = l.id ORDER BY l.id, t.position");
    while (db_row(s)) {
        struct change c = {.kind = CHANGE_TEST_ADD};

        arena_reset(&r->row);
        get_test(&r->row, s, &c.test);
        each(ctx, &c);
    }
}
