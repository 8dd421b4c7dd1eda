/* examples_found.c - examples across launches, newest first: of a project, a launch, a file, by id, status, cause, words.
 *
 * Ten million examples have no index for all of this. So the most telling filter leads (a cause, the runs of a file, the
 * failures that hold the words, what did not pass), its candidates come in the order of the list, and each is looked at for the
 * rest. Words are looked for in failures, which stand there once however often they happened. The work of a page is
 * bounded: it may end early, with a cursor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/strips.h"

#define SEQ_BITS 24
#define SEQ_ALL ((UINT64_C(1) << SEQ_BITS) - 1)
#define LOOKS_MAX 50000u        /* candidates of a page */
#define TEXTS_LOOKED_MAX 200000 /* failures, the newest ones */
#define TEXTS_FOUND_MAX 64u     /* more of them, and one is never far away */
#define RUNS_AT_ONCE 500u
#define PATHS_MAX 64u
#define CASES_MAX 256u

struct candidate {
    uint64_t run;
    uint64_t seq;
    uint64_t case_id;
    uint64_t failure;
    uint64_t cause;
    int64_t status;
};

struct run_facts {
    uint64_t id;
    uint64_t launch;
    uint64_t project;
    uint64_t path;
    bool counts; /* it was not lost */
};

struct found {
    struct reader *r;
    const struct example_search *f;
    struct page *p;
    example_fn *each;
    void *ctx;
    uint64_t project; /* the filter's, or its launch's */
    const char *words[SEARCH_WORDS_MAX];
    uint32_t n_words;
    uint64_t texts[TEXTS_FOUND_MAX + 1];
    uint32_t n_texts;
    uint64_t cases[CASES_MAX];
    uint32_t n_cases;
    uint64_t paths[PATHS_MAX];
    uint32_t n_paths;
    struct run_facts run;
    struct artifact_marks marks;
    struct arena arena;
    uint32_t n;
    uint32_t looks;
    uint64_t last; /* the last one that was looked at */
    bool is_full;
};

#define CANDIDATE "SELECT e.run, e.seq, e.case_id, e.failure, e.cause, e.status FROM examples e "

static bool next_candidate(struct db_stmt *s, struct candidate *c)
{
    if (!db_row(s))
        return false;
    c->run = db_get_uint(s);
    c->seq = db_get_uint(s);
    c->case_id = db_get_uint(s);
    c->failure = db_get_uint(s);
    c->cause = db_get_uint(s);
    c->status = db_get_int(s);
    return true;
}

/* ---- what is looked for ------------------------------------------------------------------------------------ */

static void texts_find(struct found *q)
{
    struct db_stmt *s =
        db_sql(q->r->db, "SELECT id, message, exception, pending FROM failures ORDER BY id DESC LIMIT ?");

    db_int(s, TEXTS_LOOKED_MAX);
    while (q->n_texts <= TEXTS_FOUND_MAX && db_row(s)) {
        uint64_t id = db_get_uint(s);
        bool fits = search_fits(db_get_text(s), q->words, q->n_words);

        fits = search_fits(db_get_text(s), q->words, q->n_words) || fits;
        if (search_fits(db_get_text(s), q->words, q->n_words) || fits)
            q->texts[q->n_texts++] = id;
    }
    db_end(s);
}

static void cases_find(struct found *q)
{
    struct db_stmt *s = db_sql(
        q->r->db, "SELECT id, file FROM cases WHERE project = ? AND example_id = ? ORDER BY id LIMIT ?");
    char file[PATH_BYTES_MAX + 1] = "";

    db_uint(s, q->project);
    db_text(s, q->f->id);
    db_int(s, CASES_MAX);
    while (q->n_cases < CASES_MAX && db_row(s)) {
        const char *text;

        q->cases[q->n_cases++] = db_get_uint(s);
        text = db_get_text(s);
        while (text[0] == '.' && text[1] == '/')
            text += 2;
        (void)snprintf(file, sizeof(file), "%s", text);
    }
    db_end(s);
    if (q->f->path == NULL && file[0] != '\0')
        q->n_paths = paths_of_file(q->r, q->project, file, q->paths, PATHS_MAX);
}

static bool is_one_of(uint64_t id, const uint64_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static void run_know(struct found *q, uint64_t run)
{
    struct db_stmt *s;

    if (q->run.id == run)
        return;
    q->run = (struct run_facts){.id = run};
    s = db_sql(q->r->db,
               "SELECT r.launch, r.path, r.state, l.project, t.run, t.state FROM runs r "
               "LEFT JOIN launches l ON l.id = r.launch LEFT JOIN tests t ON t.id = r.test WHERE r.id = ?");
    db_uint(s, run);
    while (db_row(s)) {
        bool is_lost;

        q->run.launch = db_get_uint(s);
        q->run.path = db_get_uint(s);
        is_lost = run_state_of(db_get_text(s)) == RUN_LOST;
        q->run.project = db_get_uint(s);
        q->run.counts = db_get_uint(s) == run && test_state_of(db_get_text(s)) != TEST_WAITING && !is_lost;
    }
}

static bool text_fits(struct found *q, uint64_t failure)
{
    struct db_stmt *s;
    bool fits = false;

    if (q->n_words == 0)
        return true;
    if (q->n_texts <= TEXTS_FOUND_MAX)
        return is_one_of(failure, q->texts, q->n_texts);
    s = db_sql(q->r->db, "SELECT message, exception, pending FROM failures WHERE id = ?");
    db_uint(s, failure);
    while (db_row(s))
        for (int i = 0; i < 3; i++)
            fits = search_fits(db_get_text(s), q->words, q->n_words) || fits;
    return fits;
}

static bool fits(struct found *q, const struct candidate *c)
{
    const struct example_search *f = q->f;

    if (f->statuses != 0 && (f->statuses >> c->status & 1) == 0)
        return false;
    if (f->cause != 0 && c->cause != f->cause)
        return false;
    if (f->id != NULL && !is_one_of(c->case_id, q->cases, q->n_cases))
        return false;
    run_know(q, c->run);
    if (!q->run.counts || (f->launch.v != 0 && q->run.launch != f->launch.v))
        return false;
    if (f->project.v != 0 && q->run.project != f->project.v)
        return false;
    if (f->path != NULL && !is_one_of(q->run.path, q->paths, q->n_paths))
        return false;
    return text_fits(q, c->failure);
}

/* False: the page is full, or its work is done. */
static bool take(struct found *q, const struct candidate *c)
{
    if (q->n == q->p->limit || q->looks++ >= LOOKS_MAX) {
        q->p->next = q->last;
        q->is_full = true;
        return false;
    }
    q->last = c->run << SEQ_BITS | c->seq;
    if (!fits(q, c))
        return true;
    q->n++;
    (void)example_each(q->r, c->run, (uint32_t)c->seq, &q->marks, q->each, q->ctx);
    return true;
}

static void walk(struct found *q, struct db_stmt *s)
{
    struct candidate c;

    while (next_candidate(s, &c)) {
        if (take(q, &c))
            continue;
        db_end(s);
        return;
    }
}

/* ---- the ways ---------------------------------------------------------------------------------------------- */

static void bind_after(const struct found *q, struct db_stmt *s)
{
    uint64_t after = q->p->after != 0 ? q->p->after : KEY_MAX;

    db_uint(s, after >> SEQ_BITS);
    db_uint(s, after >> SEQ_BITS);
    db_uint(s, after & SEQ_ALL);
}

#define BELOW "e.run <= ? AND (e.run, e.seq) < (?, ?) "
#define NEWEST "ORDER BY e.run DESC, e.seq DESC"

static int last_first(const void *va, const void *vb)
{
    const struct candidate *a = va;
    const struct candidate *b = vb;

    if (a->run != b->run)
        return (a->run < b->run) - (a->run > b->run);
    return (a->seq < b->seq) - (a->seq > b->seq);
}

/* Of a few failures: of each as many as the page could need, then the newest of all. */
static void by_texts(struct found *q)
{
    uint32_t each = q->p->limit * 4 + 1;
    struct candidate *all = xmalloc(((size_t)q->n_texts * each + 1) * sizeof(*all));
    uint64_t floor = 0; /* below it, a failure that was cut may have more */
    uint32_t n = 0;

    for (uint32_t i = 0; i < q->n_texts; i++) {
        struct db_stmt *s =
            db_sql(q->r->db, CANDIDATE "WHERE e.failure = ? AND e.failure <> 0 AND " BELOW NEWEST " LIMIT ?");
        uint32_t from = n;

        db_uint(s, q->texts[i]);
        bind_after(q, s);
        db_int(s, each);
        while (n < from + each && next_candidate(s, &all[n]))
            n++;
        db_end(s);
        if (n == from + each && (all[n - 1].run << SEQ_BITS | all[n - 1].seq) > floor)
            floor = all[n - 1].run << SEQ_BITS | all[n - 1].seq;
    }
    if (n > 0)
        qsort(all, n, sizeof(*all), last_first);
    for (uint32_t i = 0; i < n; i++)
        if ((all[i].run << SEQ_BITS | all[i].seq) < floor || !take(q, &all[i]))
            break;
    if (!q->is_full && floor != 0)
        q->p->next = floor;
    free(all);
}

static int greatest_first(const void *va, const void *vb)
{
    const uint64_t *a = va;
    const uint64_t *b = vb;

    return (*a < *b) - (*a > *b);
}

/* The newest runs of a few paths. */
static uint32_t runs_of_paths(struct found *q, uint64_t *ids, uint64_t *retfloor)
{
    uint64_t after = q->p->after != 0 ? q->p->after : KEY_MAX;
    uint32_t n = 0;

    *retfloor = 0;
    for (uint32_t i = 0; i < q->n_paths; i++) {
        struct db_stmt *s =
            db_sql(q->r->db, "SELECT id FROM runs WHERE path = ? AND id <= ? ORDER BY id DESC LIMIT ?");
        uint32_t from = n;

        db_uint(s, q->paths[i]);
        db_uint(s, after >> SEQ_BITS);
        db_int(s, RUNS_AT_ONCE);
        while (n < from + RUNS_AT_ONCE && db_row(s))
            ids[n++] = db_get_uint(s);
        db_end(s);
        if (n == from + RUNS_AT_ONCE && ids[n - 1] > *retfloor)
            *retfloor = ids[n - 1];
    }
    if (n > 0)
        qsort(ids, n, sizeof(*ids), greatest_first);
    return n;
}

static void of_run(struct found *q, uint64_t run)
{
    struct db_stmt *s = db_sql(q->r->db, CANDIDATE "WHERE e.run = ? AND e.seq < ? ORDER BY e.seq DESC");

    db_uint(s, run);
    db_uint(s, q->p->after >> SEQ_BITS == run ? q->p->after & SEQ_ALL : SEQ_ALL);
    walk(q, s);
}

static void by_paths(struct found *q)
{
    uint64_t *ids = xmalloc((size_t)PATHS_MAX * RUNS_AT_ONCE * sizeof(*ids));
    uint64_t floor;
    uint32_t n = runs_of_paths(q, ids, &floor);

    for (uint32_t i = 0; i < n && ids[i] >= floor && !q->is_full; i++)
        of_run(q, ids[i]);
    if (!q->is_full && floor != 0)
        q->p->next = floor << SEQ_BITS;
    free(ids);
}

static void by_launch(struct found *q)
{
    uint64_t after = q->p->after != 0 ? q->p->after : KEY_MAX;
    struct db_stmt *s;

    if (q->f->cause != 0) {
        s = db_sql(q->r->db,
                   CANDIDATE "WHERE e.launch = ? AND e.cause = ? AND e.cause <> 0 AND " BELOW NEWEST);
        db_uint(s, q->f->launch.v);
        db_uint(s, q->f->cause);
        bind_after(q, s);
        walk(q, s);
    } else if (q->f->statuses != 0 && (q->f->statuses & 1u << EXAMPLE_PASSED) == 0) {
        s = db_sql(q->r->db, CANDIDATE "WHERE e.launch = ? AND e.status <> 0 AND " BELOW NEWEST);
        db_uint(s, q->f->launch.v);
        bind_after(q, s);
        walk(q, s);
    } else {
        s = db_sql(q->r->db, "SELECT id FROM runs WHERE launch = ? AND id <= ? ORDER BY id DESC");
        db_uint(s, q->f->launch.v);
        db_uint(s, after >> SEQ_BITS);
        while (!q->is_full && db_row(s))
            of_run(q, db_get_uint(s));
        db_end(s);
    }
}

static void by_all(struct found *q)
{
    bool notable = (q->f->statuses != 0 && (q->f->statuses & 1u << EXAMPLE_PASSED) == 0) ||
                   q->f->cause != 0 || q->n_words > 0;
    struct db_stmt *s = notable ? db_sql(q->r->db, CANDIDATE "WHERE e.status <> 0 AND " BELOW NEWEST)
                                : db_sql(q->r->db, CANDIDATE "WHERE " BELOW NEWEST);

    bind_after(q, s);
    walk(q, s);
}

static enum err prepare(struct found *q, struct why *reterr)
{
    const struct example_search *f = q->f;
    struct db_stmt *s;

    q->project = f->project.v;
    if (f->launch.v != 0) {
        bool found = false;

        s = db_sql(q->r->db, "SELECT project FROM launches WHERE id = ?");
        db_uint(s, f->launch.v);
        while (db_row(s)) {
            q->project = db_get_uint(s);
            found = true;
        }
        if (!found && !db_failed(q->r->db))
            return why_set(reterr, ERR_INVALID, "launch", "there is no launch %llu",
                           (unsigned long long)f->launch.v);
    }
    if ((f->path != NULL || f->id != NULL) && q->project == 0 && f->launch.v == 0)
        return why_set(reterr, ERR_INVALID, f->path != NULL ? "path" : "id",
                       "a file or an id is of a project: say `project` or `launch`, too");
    q->n_words = search_words(&q->arena, f->q, q->words);
    if (f->path != NULL) {
        s = db_sql(q->r->db, "SELECT id FROM paths WHERE project = ? AND path = ?");
        db_uint(s, q->project);
        db_text(s, f->path);
        while (q->n_paths < PATHS_MAX && db_row(s))
            q->paths[q->n_paths++] = db_get_uint(s);
    }
    if (f->id != NULL)
        cases_find(q);
    if (q->n_words > 0 && f->launch.v == 0 && q->n_paths == 0)
        texts_find(q);
    else if (q->n_words > 0)
        q->n_texts = TEXTS_FOUND_MAX + 1; /* each candidate is looked at */
    return ERR_OK;
}

enum err read_examples_found(struct reader *r, const struct example_search *f, struct page *p,
                             example_fn *each, void *ctx, struct why *reterr)
{
    struct found q = {.r = r, .f = f, .p = p, .each = each, .ctx = ctx};
    enum err err;

    p->next = 0;
    arena_init(&q.arena);
    err = prepare(&q, reterr);
    if (err != ERR_OK) {
        arena_done(&q.arena);
        return err;
    }
    if (f->launch.v != 0)
        by_launch(&q);
    else if (f->path != NULL || q.n_paths > 0 || (f->id != NULL && q.n_cases == 0))
        by_paths(&q); /* of no file: there are none */
    else if (q.n_words > 0 && q.n_texts <= TEXTS_FOUND_MAX)
        by_texts(&q);
    else
        by_all(&q);
    free(q.marks.at);
    arena_done(&q.arena);
    return db_error(r->db, reterr);
}
