/* stability.c - which examples of a project are flaky, which are slow, and how its durations go.
 *
 * Nothing is kept for it: the runs of a file stand together in an index, the examples of a run in one place, so a page walks
 * the files in their order and reads the last runs of each. The work of a page is bounded: it may end early, with a cursor. */
#include <stdlib.h>
#include <string.h>

#include "store/strips.h"

#define ROWS_MAX 100000u /* of a page that are read; the file at hand is read whole */
#define WALK_PATHS 100
#define OFFSET_BITS 20
#define OFFSET_MAX ((1u << OFFSET_BITS) - 1)

/* ---- the files of a project, in the order of their paths -------------------------------------------------- */

struct file {
    uint64_t id; /* of the path that stands for it */
    char *path;  /* of that one */
};

/* The next path behind `after` that stands for its file: the file itself, else the first with something behind it. */
static bool file_next(struct reader *r, uint64_t project, struct arena *a, const char *after,
                      struct file *ret)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT id, path FROM paths WHERE project = ? AND path > ? ORDER BY path LIMIT ?");
    struct file found[WALK_PATHS];
    uint32_t n = 0;

    db_uint(s, project);
    db_text(s, after);
    db_int(s, WALK_PATHS);
    while (n < WALK_PATHS && db_row(s)) {
        found[n].id = db_get_uint(s);
        found[n++].path = arena_strdup(a, db_get_text(s));
        if (file_of_path(found[n - 1].path) == strlen(found[n - 1].path))
            break;
    }
    db_end(s);
    for (uint32_t i = 0; i < n; i++) {
        const char *file = arena_strndup(a, found[i].path, file_of_path(found[i].path));
        uint64_t first;

        if (paths_of_file(r, project, file, &first, 1) == 1 && first == found[i].id) {
            *ret = found[i];
            return true;
        }
    }
    return n == WALK_PATHS && file_next(r, project, a, found[n - 1].path, ret);
}

static char *path_text(struct reader *r, struct arena *a, uint64_t project, uint64_t id)
{
    struct db_stmt *s = db_sql(r->db, "SELECT path FROM paths WHERE id = ? AND project = ?");
    char *text = arena_strdup(a, "");

    db_uint(s, id);
    db_uint(s, project);
    while (db_row(s))
        text = arena_strdup(a, db_get_text(s));
    return text;
}

/* ---- stability --------------------------------------------------------------------------------------------- */

struct pages {
    const struct stability_filter *f;
    struct page *p;
    stability_fn *each;
    void *ctx;
    uint32_t n;
};

static bool is_wanted(const struct pages *pg, const struct strips *all, const struct strip *s)
{
    if (s->row.n_points == 0)
        return false;
    if (s->key.name == 0 && s->row.n_failed == 0 && all->has_examples)
        return false; /* its examples say it */
    return pg->f->verdicts == 0 || (pg->f->verdicts >> s->row.verdict & 1) != 0;
}

/* False: the page is full. */
static bool file_show(struct pages *pg, const struct file *file, const struct strips *all, uint32_t from)
{
    uint32_t i = 0;

    for (struct strip *s = all->first; s != NULL && i < OFFSET_MAX; s = s->next, i++) {
        if (i < from || !is_wanted(pg, all, s))
            continue;
        if (pg->n == pg->p->limit) {
            pg->p->next = file->id << OFFSET_BITS | i;
            return false;
        }
        pg->n++;
        s->row.path = file->path;
        pg->each(pg->ctx, &s->row);
    }
    return true;
}

enum err read_stability(struct reader *r, const struct stability_filter *f, struct page *p,
                        stability_fn *each, void *ctx, struct why *reterr)
{
    struct pages pg = {f, p, each, ctx, 0};
    /* A file of which nothing failed is stable. */
    bool only_bad = f->verdicts != 0 && (f->verdicts & 1u << STABILITY_STABLE) == 0;
    struct strips_opts opts = {f->project, f->ref, f->since, f->n_runs, only_bad};
    uint32_t from = (uint32_t)(p->after & OFFSET_MAX);
    struct strips all;
    struct arena a;
    struct file file;
    uint64_t rows = 0;
    bool has_room = true;
    enum err err = ERR_OK;
    const char *after = "";

    arena_init(&a);
    file.id = p->after >> OFFSET_BITS;
    p->next = 0;
    file.path = f->path != NULL ? arena_strndup(&a, f->path, file_of_path(f->path)) : NULL;
    if (f->path != NULL && paths_of_file(r, f->project.v, file.path, &file.id, 1) == 0)
        file.path[0] = '\0';
    if (f->path == NULL && file.id != 0)
        file.path = path_text(r, &a, f->project.v, file.id);
    else if (f->path == NULL && !file_next(r, f->project.v, &a, "", &file))
        file.path = arena_strdup(&a, "");
    while (err == ERR_OK && has_room && file.path[0] != '\0') {
        const char *name = arena_strndup(&a, file.path, file_of_path(file.path));

        err = strips_read(r, &opts, name, &all, reterr);
        has_room = err == ERR_OK && file_show(&pg, &file, &all, from);
        rows += all.n_rows;
        strips_done(&all);
        from = 0;
        after = file.path;
        if (!has_room || f->path != NULL || !file_next(r, f->project.v, &a, after, &file))
            break;
        if (rows > ROWS_MAX) {
            p->next = file.id << OFFSET_BITS;
            break;
        }
    }
    arena_done(&a);
    return err != ERR_OK ? err : db_error(r->db, reterr);
}

/* ---- the slowest ------------------------------------------------------------------------------------------- */

#define SLOW_RUNS 10u     /* of a file, for its median */
#define SLOW_RUNS_READ 40 /* of any outcome, to find these */
#define SLOW_ROWS_MAX 300000u

struct slow_file {
    const char *path;
    int64_t median_us;
    uint64_t run; /* the newest */
    int64_t run_us;
    uint32_t n_runs;
};

struct slow_files {
    struct slow_file *at;
    uint32_t n;
    uint32_t cap;
};

static int by_size(const void *va, const void *vb)
{
    const int64_t *a = va;
    const int64_t *b = vb;

    return (*a > *b) - (*a < *b);
}

int64_t median_of(int64_t *at, uint32_t n)
{
    CHECK(n > 0);
    qsort(at, n, sizeof(at[0]), by_size);
    return n % 2 == 1 ? at[n / 2] : at[n / 2 - 1] + (at[n / 2] - at[n / 2 - 1]) / 2;
}

static bool ref_fits(struct reader *r, uint64_t origin, const char *ref)
{
    struct db_stmt *s;
    bool fits = false;

    if (ref == NULL)
        return true;
    s = db_sql(r->db, "SELECT 1 FROM origins WHERE id = ? AND ref = ?");
    db_uint(s, origin);
    db_text(s, ref);
    while (db_row(s))
        fits = true;
    return fits;
}

/* The last runs of a path that came to an end of their own. */
static bool slow_file_read(struct reader *r, uint64_t path, const char *ref, struct slow_file *ret)
{
    struct db_stmt *s = db_sql(r->db, "SELECT id, origin, outcome, duration_us FROM runs WHERE path = ? "
                                      "ORDER BY id DESC LIMIT ?");
    int64_t us[SLOW_RUNS];

    db_uint(s, path);
    db_int(s, SLOW_RUNS_READ);
    while (ret->n_runs < SLOW_RUNS && db_row(s)) {
        uint64_t id = db_get_uint(s);
        uint64_t origin = db_get_uint(s);
        enum outcome outcome = outcome_of(db_get_text(s));
        int64_t duration = db_get_int(s);

        if ((outcome != OUTCOME_PASSED && outcome != OUTCOME_FAILED) || !ref_fits(r, origin, ref))
            continue;
        if (ret->n_runs == 0) {
            ret->run = id;
            ret->run_us = duration;
        }
        us[ret->n_runs++] = duration;
    }
    db_end(s);
    if (ret->n_runs > 0)
        ret->median_us = median_of(us, ret->n_runs);
    return ret->n_runs > 0;
}

static void slow_files_read(struct reader *r, struct arena *a, uint64_t project, const char *ref,
                            struct slow_files *files)
{
    struct db_stmt *s = db_sql(r->db, "SELECT id, path FROM paths WHERE project = ? ORDER BY path");

    db_uint(s, project);
    while (db_row(s)) {
        struct slow_file file = {0};
        uint64_t id = db_get_uint(s);

        if (!slow_file_read(r, id, ref, &file))
            continue;
        file.path = arena_strdup(a, db_get_text(s));
        if (files->n == files->cap) {
            files->cap = files->cap == 0 ? 256 : files->cap * 2;
            files->at = xrealloc(files->at, files->cap * sizeof(*files->at));
        }
        files->at[files->n++] = file;
    }
}

static int slowest_first(const void *va, const void *vb)
{
    const struct slow_file *a = va;
    const struct slow_file *b = vb;

    if (a->median_us != b->median_us)
        return (a->median_us < b->median_us) - (a->median_us > b->median_us);
    return strcmp(a->path, b->path);
}

static int slowest_run_first(const void *va, const void *vb)
{
    const struct slow_file *a = va;
    const struct slow_file *b = vb;

    if (a->run_us != b->run_us)
        return (a->run_us < b->run_us) - (a->run_us > b->run_us);
    return strcmp(a->path, b->path);
}

/* The `max` slowest so far, in order; one more finds its place, the last one falls out. */
static void slow_insert(struct slow_row *at, uint32_t *n, uint32_t max, const struct slow_row *row)
{
    uint32_t i;

    if (*n == max && at[max - 1].us >= row->us)
        return;
    if (*n < max)
        (*n)++;
    for (i = *n - 1; i > 0 && at[i - 1].us < row->us; i--)
        at[i] = at[i - 1];
    at[i] = *row;
}

/* Of the newest run of each file, the slowest files first: no example takes longer than its file, so most files need not be
 * looked at. */
static void slow_examples_read(struct reader *r, struct arena *a, struct slow_files *files,
                               struct slow_row *at, uint32_t *n, uint32_t max)
{
    uint32_t rows = 0;

    if (files->n > 0)
        qsort(files->at, files->n, sizeof(*files->at), slowest_run_first);
    for (uint32_t i = 0; i < files->n && rows < SLOW_ROWS_MAX; i++) {
        const struct slow_file *f = &files->at[i];
        struct db_stmt *s;

        if (*n == max && at[max - 1].us >= f->run_us)
            return;
        s = db_sql(r->db, "SELECT e.seq, e.duration_us, c.example_id, c.description FROM examples e "
                          "LEFT JOIN cases c ON c.id = e.case_id WHERE e.run = ? ORDER BY e.seq");
        db_uint(s, f->run);
        while (db_row(s)) {
            struct slow_row row = {.path = f->path, .run = {f->run}, .n_runs = 1, .seq = db_get_int(s)};

            rows++;
            row.us = db_get_int(s);
            if (*n == max && at[max - 1].us >= row.us)
                continue;
            row.id = arena_strdup(a, db_get_text(s));
            row.description = names_joined(a, db_get_bytes(s));
            slow_insert(at, n, max, &row);
        }
    }
}

enum err read_slowest(struct reader *r, const struct slow_filter *f, slow_fn *each, void *ctx,
                      struct why *reterr)
{
    struct slow_files files = {0};
    struct slow_row *at = xcalloc(f->max, sizeof(*at));
    struct arena a;
    uint32_t n = 0;

    arena_init(&a);
    slow_files_read(r, &a, f->project.v, f->ref, &files);
    if (f->of_examples) {
        slow_examples_read(r, &a, &files, at, &n, f->max);
    } else {
        if (files.n > 0)
            qsort(files.at, files.n, sizeof(*files.at), slowest_first);
        for (; n < files.n && n < f->max; n++)
            at[n] = (struct slow_row){.path = files.at[n].path,
                                      .description = "",
                                      .id = "",
                                      .run = {files.at[n].run},
                                      .seq = -1,
                                      .us = files.at[n].median_us,
                                      .n_runs = files.at[n].n_runs};
    }
    for (uint32_t i = 0; i < n; i++)
        each(ctx, &at[i]);
    free(files.at);
    free(at);
    arena_done(&a);
    return db_error(r->db, reterr);
}

/* ---- the trend --------------------------------------------------------------------------------------------- */

#define TREND_LOOKS 2000

static void trend_of_file(struct reader *r, const struct trend_filter *f, trend_fn *each, void *ctx)
{
    struct db_stmt *s;
    uint64_t path;
    uint32_t n = 0;

    s = db_sql(r->db, "SELECT id FROM paths WHERE project = ? AND path = ?");
    db_uint(s, f->project.v);
    db_text(s, f->path);
    path = db_row(s) ? db_get_uint(s) : 0;
    db_end(s);
    s = db_sql(r->db, "SELECT r.id, r.launch, r.created_at, r.outcome, r.duration_us, l.commit_hash, l.ref, "
                      "r.passed, r.failed FROM runs r LEFT JOIN launches l ON l.id = r.launch "
                      "WHERE r.path = ? ORDER BY r.id DESC LIMIT ?");
    db_uint(s, path);
    db_int(s, TREND_LOOKS);
    while (n < f->max && db_row(s)) {
        struct trend_row row = {.run = {db_get_uint(s)}};
        bool fits;

        row.launch.v = db_get_uint(s);
        row.at.ms = db_get_int(s);
        row.outcome = outcome_of(db_get_text(s));
        row.us = db_get_int(s);
        row.commit = db_get_text(s);
        fits = f->ref == NULL;
        if (strcmp(db_get_text(s), f->ref != NULL ? f->ref : "") == 0)
            fits = true;
        if (!fits || row.outcome == OUTCOME_NONE || outcome_is_infrastructure(row.outcome))
            continue;
        row.n_passed = db_get_uint(s);
        row.n_failed = db_get_uint(s);
        each(ctx, &row);
        n++;
    }
    db_end(s);
}

static void trend_of_project(struct reader *r, const struct trend_filter *f, trend_fn *each, void *ctx)
{
    struct db_stmt *s;
    uint32_t n = 0;

    s = db_sql(r->db, "SELECT l.id, l.created_at, l.outcome, l.started_at, l.ended_at, l.ref, l.commit_hash, "
                      "s.passed, s.failed FROM launches l LEFT JOIN launch_sums s ON s.launch = l.id "
                      "WHERE l.project = ? ORDER BY l.id DESC LIMIT ?");
    db_uint(s, f->project.v);
    db_int(s, TREND_LOOKS);
    while (n < f->max && db_row(s)) {
        struct trend_row row = {.launch = {db_get_uint(s)}};
        int64_t started;
        int64_t ended;
        bool fits;

        row.at.ms = db_get_int(s);
        row.outcome = outcome_of(db_get_text(s));
        started = db_get_int(s);
        ended = db_get_int(s);
        fits = f->ref == NULL;
        if (strcmp(db_get_text(s), f->ref != NULL ? f->ref : "") == 0)
            fits = true;
        row.commit = db_get_text(s);
        row.n_passed = db_get_uint(s);
        row.n_failed = db_get_uint(s);
        row.us = started != 0 && ended > started ? (ended - started) * 1000 : 0;
        if (!fits || ended == 0)
            continue;
        each(ctx, &row);
        n++;
    }
    db_end(s);
}

enum err read_trend(struct reader *r, const struct trend_filter *f, trend_fn *each, void *ctx,
                    struct why *reterr)
{
    if (f->path != NULL)
        trend_of_file(r, f, each, ctx);
    else
        trend_of_project(r, f, each, ctx);
    return db_error(r->db, reterr);
}
