/* prune.c - what goes from the history: the storage thread's side, and what may go next. See prune.h. */
#include "store/prune.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "store/folder.h"
#include "store/store_private.h"

#define EXAMPLE_BYTES 47u /* of one, with its part of the indexes: bench/bench_examples.c */
#define RUN_WEIGHT 8      /* of a budget: its row, its log, its indexes */

static const char *const kind_names[] = {[KEPT_LOG] = "log", [KEPT_EXAMPLE] = "example", [KEPT_RUN] = "run"};
_Static_assert(ARRAY_LEN(kind_names) == KEPT_COUNT, "a name for each kind");

static const struct {
    const char *name;
    const char *text;
} whys[] = {
    [GONE_AGE] = {"age", "it was older than such things are kept"},
    [GONE_SIZE] = {"size", "all of them together took more than they may"},
    [GONE_DISK] = {"disk", "the disk of the server was nearly full"},
};
_Static_assert(ARRAY_LEN(whys) == GONE_WHY_COUNT, "a name for each");

const char *gone_why_name(enum gone_why w)
{
    CHECK((unsigned)w < GONE_WHY_COUNT);
    return whys[w].name;
}

enum gone_why gone_why_parse(const char *name)
{
    unsigned i = 0;

    while (i < GONE_WHY_COUNT && strcmp(whys[i].name, name) != 0)
        i++;
    return (enum gone_why)i;
}

const char *gone_why_text(enum gone_why w)
{
    return (unsigned)w < GONE_WHY_COUNT ? whys[w].text : "it was given up";
}

/* ---- sums, files ----------------------------------------------------------------------------------------- */

void kept_add(struct writer *w, enum kept_kind kind, int64_t items, int64_t bytes)
{
    w->kept_items[kind] += items;
    w->kept_bytes[kind] += bytes;
}

void kept_flush(struct writer *w)
{
    for (int k = 0; k < KEPT_COUNT; k++) {
        struct db_stmt *s;

        if (w->kept_items[k] == 0 && w->kept_bytes[k] == 0)
            continue;
        s = db_sql(w->db, "UPDATE kept_sums SET items = items + ?, bytes = bytes + ? WHERE kind = ?");
        db_int(s, w->kept_items[k]);
        db_int(s, w->kept_bytes[k]);
        db_text(s, kind_names[k]);
        (void)db_run(s);
        w->kept_items[k] = w->kept_bytes[k] = 0;
    }
}

void going_file(struct writer *w, const char *path)
{
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO going_files (path) VALUES (?) ON CONFLICT (path) DO NOTHING");

    db_text(s, path);
    (void)db_run(s);
}

/* ---- a run, a launch ------------------------------------------------------------------------------------- */

struct run_facts {
    uint64_t id;
    uint64_t test;
    uint64_t launch;
    enum run_state state;
    enum outcome outcome;
    struct tally said;
    struct user_id user;
    bool is_over; /* its launch is done */
};

static bool run_facts(struct writer *w, uint64_t id, struct run_facts *ret)
{
    struct db_stmt *s =
        db_sql(w->db, "SELECT r.test, r.launch, r.state, r.outcome, r.discovered, r.passed, r.failed, "
                      "r.pending, r.errors, r.flags, r.bad_lines, r.not_run, r.not_run_reason, "
                      "l.user_id, l.state "
                      "FROM runs r JOIN launches l ON l.id = r.launch WHERE r.id = ?");
    bool found = false;

    *ret = (struct run_facts){.id = id};
    db_uint(s, id);
    while (db_row(s)) {
        found = true;
        ret->test = db_get_uint(s);
        ret->launch = db_get_uint(s);
        ret->state = run_state_of(db_get_text(s));
        ret->outcome = outcome_of(db_get_text(s));
        ret->said = get_tally(s);
        ret->user.v = db_get_uint(s);
        ret->is_over = launch_state_of(db_get_text(s)) == LAUNCH_DONE;
    }
    return found;
}

struct launch_facts {
    struct user_id user;
    bool is_over;
};

static bool launch_facts(struct writer *w, uint64_t id, struct launch_facts *ret)
{
    struct db_stmt *s = db_sql(w->db, "SELECT user_id, state FROM launches WHERE id = ?");
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        found = true;
        ret->user.v = db_get_uint(s);
        ret->is_over = launch_state_of(db_get_text(s)) == LAUNCH_DONE;
    }
    return found;
}

static void spend(struct history_delete *d, uint32_t n)
{
    d->budget = n < d->budget ? d->budget - n : 0;
}

/* Examples, as many as the budget allows. False: there are more. */
static bool take_examples(struct writer *w, struct history_delete *d, uint64_t run)
{
    uint32_t max = d->budget;
    uint32_t n;

    if (max == 0)
        return false;
    n = examples_delete(w, run, max);
    spend(d, n);
    return n < max;
}

/* The tests of a launch but this one: those whose runs are gone, or that had none. False: there are more. */
static bool take_tests(struct writer *w, struct history_delete *d, uint64_t launch, uint64_t but)
{
    struct db_stmt *s =
        db_sql(w->db, "SELECT id, state, outcome FROM tests WHERE launch = ? AND id <> ? LIMIT ?");
    uint32_t max = d->budget;
    uint64_t *ids;
    uint32_t n = 0;

    if (max == 0)
        return false;
    ids = arena_alloc(&w->batch, max * sizeof(*ids));
    db_uint(s, launch);
    db_uint(s, but);
    db_int(s, max);
    while (db_row(s)) {
        enum test_state state;

        ids[n++] = db_get_uint(s);
        state = test_state_of(db_get_text(s));
        sums_tests(w, launch, state, outcome_of(db_get_text(s)), -1);
    }
    for (uint32_t i = 0; i < n; i++) {
        s = db_sql(w->db, "DELETE FROM tests WHERE id = ?");
        db_uint(s, ids[i]);
        (void)db_run(s);
        live_test_drop(w, ids[i]);
    }
    spend(d, n);
    return n < max;
}

static void launch_row_gone(struct writer *w, struct history_delete *d, uint64_t launch)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM launches WHERE id = ?"); /* with all that refers to it */

    db_uint(s, launch);
    (void)db_run(s);
    if (d->n_launches < PRUNE_IDS_MAX)
        d->launches[d->n_launches] = launch;
    d->n_launches++;
}

static bool is_last_of_launch(struct writer *w, const struct run_facts *r)
{
    struct db_stmt *s = db_sql(w->db, "SELECT 1 FROM runs WHERE launch = ? AND id <> ? LIMIT 1");
    bool is_last = true;

    db_uint(s, r->launch);
    db_uint(s, r->id);
    while (db_row(s))
        is_last = false;
    return is_last;
}

/* The row itself, after all that it has; its test stays, with what it came to. */
static void run_row_gone(struct writer *w, struct history_delete *d, const struct run_facts *r)
{
    struct db_stmt *s;

    (void)log_delete(w, r->id);
    artifacts_delete(w, (struct run_id){r->id});
    if (run_counts(r->state, r->outcome))
        sums_tally(w, r->launch, &r->said, -1);
    s = db_sql(w->db, "DELETE FROM runs WHERE id = ?");
    db_uint(s, r->id);
    (void)db_run(s);
    live_run_drop(w, r->id);
    kept_add(w, KEPT_RUN, -1, 0);
    s = db_sql(w->db,
               "UPDATE tests SET run = COALESCE((SELECT MAX(r.id) FROM runs r WHERE r.test = tests.id), 0) "
               "WHERE id = ? AND run = ?");
    db_uint(s, r->test);
    db_uint(s, r->id);
    (void)db_run(s);
    if (d->n_gone < PRUNE_IDS_MAX)
        d->gone[d->n_gone] = r->id;
    d->n_gone++;
    spend(d, RUN_WEIGHT);
}

/* With the last run of a launch the launch goes: so that it is found again when the budget ends, its other tests go before
 * that run does. False: something of it is left. */
static bool run_take(struct writer *w, struct history_delete *d, const struct run_facts *r)
{
    bool is_last = is_last_of_launch(w, r);

    if (!take_examples(w, d, r->id))
        return false;
    if (is_last && !take_tests(w, d, r->launch, r->test))
        return false;
    run_row_gone(w, d, r);
    if (is_last)
        launch_row_gone(w, d, r->launch);
    return true;
}

static uint64_t first_run_of(struct writer *w, uint64_t launch)
{
    struct db_stmt *s = db_sql(w->db, "SELECT id FROM runs WHERE launch = ? ORDER BY id LIMIT 1");
    uint64_t id = 0;

    db_uint(s, launch);
    while (db_row(s))
        id = db_get_uint(s);
    return id;
}

static bool launch_take(struct writer *w, struct history_delete *d, uint64_t launch)
{
    struct launch_facts l;
    struct run_facts r;
    uint64_t run;

    while (launch_facts(w, launch, &l) && !db_failed(w->db)) {
        run = first_run_of(w, launch);
        if (run != 0) {
            if (!run_facts(w, run, &r) || !run_take(w, d, &r))
                return false;
        } else if (!take_tests(w, d, launch, 0)) {
            return false;
        } else {
            launch_row_gone(w, d, launch);
        }
    }
    return true;
}

/* ---- may they go? ---------------------------------------------------------------------------------------- */

static enum err not_over(struct why *reterr, const char *what, uint64_t id, uint64_t launch)
{
    char of[64] = "";

    if (strcmp(what, "run") == 0)
        (void)snprintf(of, sizeof(of), "run %llu is of launch %llu, and that", (unsigned long long)id,
                       (unsigned long long)launch);
    else
        (void)snprintf(of, sizeof(of), "launch %llu", (unsigned long long)launch);
    return why_set(reterr, ERR_CONFLICT, NULL,
                   "%s is not over: wait for its end, or stop it first (wrata stop %llu)", of,
                   (unsigned long long)launch);
}

static enum err of_another(struct why *reterr, const char *what, uint64_t id)
{
    return why_set(reterr, ERR_DENIED, NULL, "%s %llu is of somebody else", what, (unsigned long long)id);
}

static enum err not_there(struct why *reterr, const char *what, uint64_t id)
{
    return why_set(reterr, ERR_NOTFOUND, NULL, "there is no %s %llu", what, (unsigned long long)id);
}

static bool is_owned(const struct history_delete *d, struct user_id user)
{
    return d->owner.v == 0 || d->owner.v == user.v;
}

static enum err check_strictly(struct writer *w, const struct history_delete *d, struct why *reterr)
{
    struct launch_facts l;
    struct run_facts r;

    if (d->launch.v != 0) {
        if (!launch_facts(w, d->launch.v, &l))
            return not_there(reterr, "launch", d->launch.v);
        if (!is_owned(d, l.user))
            return of_another(reterr, "launch", d->launch.v);
        return l.is_over ? ERR_OK : not_over(reterr, "launch", d->launch.v, d->launch.v);
    }
    for (uint32_t i = 0; i < d->n_runs; i++) {
        if (!run_facts(w, d->runs[i], &r))
            return not_there(reterr, "run", d->runs[i]);
        if (!is_owned(d, r.user))
            return of_another(reterr, "run", r.id);
        if (!r.is_over)
            return not_over(reterr, "run", r.id, r.launch);
    }
    return ERR_OK;
}

/* ---- a step ---------------------------------------------------------------------------------------------- */

static bool take_all(struct writer *w, struct history_delete *d)
{
    struct launch_facts l;
    struct run_facts r;

    if (d->launch.v != 0) {
        if (!launch_facts(w, d->launch.v, &l) || !is_owned(d, l.user) || !l.is_over)
            return true;
        return launch_take(w, d, d->launch.v);
    }
    for (uint32_t i = 0; i < d->n_runs && !db_failed(w->db); i++) {
        if (!run_facts(w, d->runs[i], &r) || !is_owned(d, r.user) || !r.is_over)
            continue;
        if (!run_take(w, d, &r))
            return false;
    }
    return true;
}

static void job_moved(struct writer *w, const struct history_delete *d)
{
    struct db_stmt *s = d->is_whole && d->job_cursor != 0
                            ? db_sql(w->db, "UPDATE jobs SET done = done + ?, work_cursor = ? WHERE id = ?")
                            : db_sql(w->db, "UPDATE jobs SET done = done + ? WHERE id = ?");

    db_uint(s, d->n_gone);
    if (d->is_whole && d->job_cursor != 0)
        db_uint(s, d->job_cursor);
    db_uint(s, d->job);
    (void)db_run(s);
}

static enum err history_delete(struct writer *w, void *arg, struct why *reterr)
{
    struct history_delete *d = arg;
    struct mono begin = mono_now();
    enum err err = ERR_OK;

    if (db_failed(w->db))
        return ERR_OK;
    if (d->job != 0 && !job_is_running(w, d->job))
        return not_there(reterr, "running job", d->job);
    if (d->is_strict)
        err = check_strictly(w, d, reterr);
    if (err == ERR_OK && d->rest != NULL)
        err = jobs_have_room(w, reterr);
    if (err != ERR_OK)
        return err;
    d->is_whole = take_all(w, d);
    if (d->job != 0)
        job_moved(w, d);
    if (!d->is_whole && d->rest != NULL) {
        d->rest->done = d->n_gone;
        job_insert(w, d->rest);
    }
    fault_crash("prune.crash_before_commit");
    d->us = mono_now().us - begin.us;
    return ERR_OK;
}

/* ---- what is given up ------------------------------------------------------------------------------------ */

static bool run_is_over(struct writer *w, uint64_t run)
{
    struct db_stmt *s = db_sql(w->db, "SELECT state FROM runs WHERE id = ?");
    bool is_over = false;

    db_uint(s, run);
    while (db_row(s)) {
        enum run_state state = run_state_of(db_get_text(s));

        is_over = state == RUN_DONE || state == RUN_LOST;
    }
    return is_over;
}

static void say_gone(struct writer *w, const struct kept_drop *d, uint64_t run)
{
    struct db_stmt *s =
        d->kind == KEPT_LOG
            ? db_sql(w->db, "UPDATE runs SET log_gone = ?, log_gone_at = ? WHERE id = ?")
            : db_sql(w->db, "UPDATE runs SET examples_gone = ?, examples_gone_at = ? WHERE id = ?");

    db_text(s, gone_why_name(d->why));
    db_int(s, d->at.ms);
    db_uint(s, run);
    (void)db_run(s);
}

static enum err kept_drop(struct writer *w, void *arg, struct why *reterr)
{
    struct kept_drop *d = arg;
    struct mono begin = mono_now();
    int64_t before = d->kind == KEPT_LOG ? w->kept_bytes[KEPT_LOG] : w->kept_items[KEPT_EXAMPLE];

    (void)reterr;
    while (d->n_done < d->n && d->budget > 0 && !db_failed(w->db)) {
        uint64_t run = d->runs[d->n_done];
        uint32_t spent = 2;

        if (run_is_over(w, run)) {
            if (d->kind == KEPT_LOG)
                (void)log_delete(w, run);
            else
                spent += examples_delete(w, run, d->budget);
            if (spent - 2 == d->budget)
                break; /* it may have more */
            say_gone(w, d, run);
        }
        d->budget = spent < d->budget ? d->budget - spent : 0;
        d->n_done++;
    }
    if (d->kind == KEPT_LOG)
        d->bytes = (uint64_t)(before - w->kept_bytes[KEPT_LOG]);
    else
        d->bytes = (uint64_t)(before - w->kept_items[KEPT_EXAMPLE]) * EXAMPLE_BYTES;
    fault_crash("prune.crash_before_commit");
    d->us = mono_now().us - begin.us;
    return ERR_OK;
}

/* ---- files and space ------------------------------------------------------------------------------------- */

static enum err files_gone(struct writer *w, void *arg, struct why *reterr)
{
    const struct going_files *f = arg;

    (void)reterr;
    for (uint32_t i = 0; i < f->n; i++) {
        struct db_stmt *s = db_sql(w->db, "DELETE FROM going_files WHERE path = ?");

        db_text(s, f->paths[i]);
        (void)db_run(s);
    }
    return ERR_OK;
}

static enum err space_back(struct writer *w, void *arg, struct why *reterr)
{
    struct space_back *b = arg;
    struct mono begin = mono_now();
    uint64_t used;

    (void)reterr;
    if (b->bytes > 0)
        b->left = db_give_back(w->db, b->bytes);
    else
        db_space(w->db, &used, &b->left);
    if (b->may_cut)
        w->cut = &b->is_cut;
    b->us = mono_now().us - begin.us;
    return ERR_OK;
}

#define TEXTS_STEP 200u

struct texts_prune {
    struct wall before;
    uint64_t *ret_n;
};

static enum err texts_step(struct writer *w, void *arg, struct why *reterr)
{
    const struct texts_prune *t = arg;

    (void)reterr;
    *t->ret_n = texts_prune(w, TEXTS_STEP) + cases_prune(w, TEXTS_STEP);
    if (t->before.ms > 0)
        *t->ret_n += causes_prune(w, t->before, TEXTS_STEP);
    return ERR_OK;
}

/* Folders are brought to disk once each: the paths are sorted, since they are read by their key. */
bool going_files_remove(const char *dir, const struct going_files *files, struct why *reterr)
{
    char path[PATH_MAX];
    char folder[PATH_MAX] = "";

    for (uint32_t i = 0; i <= files->n; i++) {
        const char *name = i < files->n ? files->paths[i] : "";
        const char *slash = strrchr(name, '/');
        size_t n = slash != NULL ? (size_t)(slash - name) : 0;
        char here[PATH_MAX];

        (void)snprintf(here, sizeof(here), "%s/%.*s", dir, (int)n, name);
        if (folder[0] != '\0' && strcmp(folder, here) != 0 && !folder_entries_sync(folder) &&
            errno != ENOENT) {
            (void)why_errno(reterr, ERR_IO, errno, "cannot sync %s", folder);
            return false;
        }
        if (i == files->n)
            break;
        (void)snprintf(folder, sizeof(folder), "%s", here);
        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        if (unlink(path) != 0 && errno != ENOENT) {
            (void)why_errno(reterr, ERR_IO, errno, "cannot remove %s", path);
            return false;
        }
    }
    return true;
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

static void not_ours(void *arg)
{
    (void)arg; /* the caller's, until `done` */
}

void store_history_delete(struct store *st, struct history_delete *d, store_done_fn *done, void *ctx)
{
    CHECK(d->n_runs <= PRUNE_IDS_MAX);
    CHECK(d->budget > 0);
    d->is_whole = false;
    d->n_gone = d->n_launches = 0;
    d->us = 0;
    store_call(st, history_delete, d, not_ours, done, ctx);
}

void store_kept_drop(struct store *st, struct kept_drop *d, store_done_fn *done, void *ctx)
{
    CHECK(d->n <= PRUNE_IDS_MAX);
    CHECK(d->kind == KEPT_LOG || d->kind == KEPT_EXAMPLE);
    d->n_done = 0;
    d->bytes = 0;
    d->us = 0;
    store_call(st, kept_drop, d, not_ours, done, ctx);
}

void store_texts_prune(struct store *st, struct wall before, uint64_t *ret_n, store_done_fn *done, void *ctx)
{
    struct texts_prune *t = xcalloc(1, sizeof(*t));

    *ret_n = 0;
    t->before = before;
    t->ret_n = ret_n;
    store_call(st, texts_step, t, free, done, ctx);
}

void store_going_files_gone(struct store *st, const struct going_files *files, store_done_fn *done, void *ctx)
{
    store_call(st, files_gone, (void *)(uintptr_t)files, not_ours, done, ctx);
}

void store_space_back(struct store *st, struct space_back *s, store_done_fn *done, void *ctx)
{
    s->left = 0;
    s->is_cut = false;
    s->us = 0;
    store_call(st, space_back, s, not_ours, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

/* A row that is looked at: is it old enough, and could those behind it be? A row of the future (the clock was wrong) says
 * nothing about those behind it. */
static bool is_young(struct wall made, struct wall before, struct wall now)
{
    return made.ms >= before.ms && made.ms <= now.ms;
}

static bool takes(const struct kept_look *l, struct wall ended)
{
    if (ended.ms == 0 || l->n == PRUNE_IDS_MAX)
        return false;
    return l->bytes > 0 ? l->n_bytes < l->bytes : ended.ms < l->before.ms;
}

static void look_logs(struct reader *r, struct kept_look *l, uint32_t *ret_looked, bool *ret_all_young)
{
    struct db_stmt *s = db_sql(
        r->db, "SELECT g.run, r.ended_at, r.created_at, g.blob_file_bytes + length(g.body) FROM logs g "
               "CROSS JOIN runs r WHERE g.run > ? AND g.complete = 1 AND r.id = g.run "
               "ORDER BY g.run LIMIT ?");

    db_uint(s, l->after);
    db_int(s, l->max);
    while (db_row(s)) {
        uint64_t run = db_get_uint(s);
        struct wall ended = {db_get_int(s)};
        struct wall made = {db_get_int(s)};

        l->after = run;
        ++*ret_looked;
        *ret_all_young = *ret_all_young && is_young(made, l->before, l->now);
        if (l->first.ms == 0)
            l->first = ended;
        if (!takes(l, ended))
            continue;
        l->runs[l->n++] = run;
        l->n_bytes += db_get_uint(s);
    }
}

/* The next run that has examples: by their key, from one to the next. */
static uint64_t next_with_examples(struct reader *r, uint64_t after)
{
    struct db_stmt *s = db_sql(r->db, "SELECT run FROM examples WHERE run > ? ORDER BY run, seq LIMIT 1");
    uint64_t run = 0;

    db_uint(s, after);
    while (db_row(s))
        run = db_get_uint(s);
    return run;
}

static void look_examples(struct reader *r, struct kept_look *l, uint32_t *ret_looked, bool *ret_all_young)
{
    uint64_t run;

    while (*ret_looked < l->max && (run = next_with_examples(r, l->after)) != 0) {
        struct db_stmt *s = db_sql(r->db, "SELECT ended_at, created_at, next_seq FROM runs WHERE id = ?");

        l->after = run;
        ++*ret_looked;
        db_uint(s, run);
        while (db_row(s)) {
            struct wall ended = {db_get_int(s)};
            struct wall made = {db_get_int(s)};

            *ret_all_young = *ret_all_young && is_young(made, l->before, l->now);
            if (l->first.ms == 0)
                l->first = ended;
            if (!takes(l, ended))
                continue;
            l->runs[l->n++] = run;
            l->n_bytes += db_get_uint(s) * EXAMPLE_BYTES;
        }
    }
}

enum err read_kept_oldest(struct reader *r, struct kept_look *look, struct why *reterr)
{
    uint32_t looked = 0;
    bool all_young = look->bytes == 0;

    CHECK(look->max >= 1);
    CHECK(look->max <= PRUNE_IDS_MAX);
    look->n = 0;
    look->n_bytes = 0;
    look->first.ms = 0;
    if (look->kind == KEPT_LOG)
        look_logs(r, look, &looked, &all_young);
    else
        look_examples(r, look, &looked, &all_young);
    if (looked < look->max || all_young)
        look->after = 0;
    return db_error(r->db, reterr);
}

enum err read_launches_oldest(struct reader *r, struct launches_look *l, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT l.id, l.ended_at, l.created_at, l.state, l.n_tests FROM launches l "
                      "WHERE l.id > ? ORDER BY l.id LIMIT ?");
    bool all_young = !l->is_any;
    uint32_t looked = 0;

    CHECK(l->max <= PRUNE_IDS_MAX);
    l->n = 0;
    l->n_runs = 0;
    l->first.ms = 0;
    db_uint(s, l->after);
    db_int(s, l->max);
    while (db_row(s)) {
        uint64_t id = db_get_uint(s);
        struct wall ended = {db_get_int(s)};
        struct wall made = {db_get_int(s)};

        l->after = id;
        looked++;
        all_young = all_young && is_young(made, l->before, l->now);
        if (launch_state_of(db_get_text(s)) != LAUNCH_DONE)
            continue;
        if (l->first.ms == 0)
            l->first = ended;
        if (!l->is_any && ended.ms >= l->before.ms)
            continue;
        l->launches[l->n++] = id;
        l->n_runs += db_get_uint(s);
    }
    if (looked < l->max || all_young)
        l->after = 0;
    return db_error(r->db, reterr);
}

enum err read_launch_empty(struct reader *r, struct user_id user, struct wall until, struct launch_id *ret,
                           struct why *reterr)
{
    struct db_stmt *s =
        user.v != 0 ? db_sql(r->db, "SELECT l.id FROM launches l WHERE l.user_id = ? AND l.created_at <= ? "
                                    "AND l.state = 'done' AND NOT EXISTS "
                                    "(SELECT 1 FROM runs r WHERE r.launch = l.id) ORDER BY l.id LIMIT 1")
                    : db_sql(r->db, "SELECT l.id FROM launches l WHERE l.id > 0 AND l.created_at <= ? AND "
                                    "l.state = 'done' AND NOT EXISTS "
                                    "(SELECT 1 FROM runs r WHERE r.launch = l.id) ORDER BY l.id LIMIT 1");

    ret->v = 0;
    if (user.v != 0)
        db_uint(s, user.v);
    db_int(s, until.ms);
    while (db_row(s))
        ret->v = db_get_uint(s);
    return db_error(r->db, reterr);
}

enum err read_kept_sums(struct reader *r, struct kept_sums *ret, struct why *reterr)
{
    *ret = (struct kept_sums){0};
    for (int k = 0; k < KEPT_COUNT; k++) {
        struct db_stmt *s = db_sql(r->db, "SELECT items, bytes FROM kept_sums WHERE kind = ?");

        db_text(s, kind_names[k]);
        while (db_row(s)) {
            ret->items[k] = db_get_uint(s);
            ret->bytes[k] = db_get_uint(s);
        }
    }
    ret->bytes[KEPT_EXAMPLE] = ret->items[KEPT_EXAMPLE] * EXAMPLE_BYTES;
    db_space(r->db, &ret->database_bytes, &ret->free_bytes);
    return db_error(r->db, reterr);
}

enum err read_going_files(struct reader *r, struct going_files *files, uint32_t max, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT path FROM going_files WHERE path > '' ORDER BY path LIMIT ?");

    files->n = 0;
    db_int(s, max);
    while (db_row(s))
        (void)snprintf(files->paths[files->n++], GOING_FILE_BYTES, "%s", db_get_text(s));
    return db_error(r->db, reterr);
}
