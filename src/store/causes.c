/* causes.c - which causes the runs of a launch failed by, and where a project has seen each first.
 *
 * Counted as failures arrive: a row per run and cause, moved in the transaction of the examples. So what a launch failed by is
 * the sum of a few rows of the runs that its tests came to, whenever somebody asks; and what was lost and ran again never
 * counts twice. */
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static void cause_seen(struct writer *w, uint64_t run, uint64_t launch, uint64_t project, struct wall at,
                       const struct cause *cause)
{
    struct db_stmt *s;

    s = db_sql(w->db,
               "INSERT INTO causes (project, cause, title, exception, frame, first_launch, first_run, "
               "first_at, last_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, cause) "
               "DO UPDATE SET last_at = excluded.last_at WHERE causes.last_at < excluded.last_at - 86400000");
    db_uint(s, project);
    db_uint(s, cause->id);
    db_text(s, cause->title);
    db_text(s, cause->exception);
    db_text(s, cause->frame);
    db_uint(s, launch);
    db_uint(s, run);
    db_int(s, at.ms);
    db_int(s, at.ms);
    (void)db_run(s);
}

void cause_count(struct writer *w, uint64_t run, uint64_t launch, uint64_t project, struct wall at,
                 const struct cause *cause, bool is_run)
{
    struct db_stmt *s;

    s = db_sql(w->db, "UPDATE run_causes SET n = n + 1 WHERE run = ? AND cause = ?");
    db_uint(s, run);
    db_uint(s, cause->id);
    if (db_run(s) > 0 || db_failed(w->db))
        return;
    s = db_sql(w->db, "INSERT INTO run_causes (run, cause, launch, n, is_run) VALUES (?, ?, ?, 1, ?)");
    db_uint(s, run);
    db_uint(s, cause->id);
    db_uint(s, launch);
    db_int(s, is_run);
    (void)db_run(s);
    cause_seen(w, run, launch, project, at, cause);
}

/* Examples explain that a run failed, errors outside of them that it is an error; neither explains that it met a limit or lost
 * its machine. */
static bool is_its_own_cause(enum outcome outcome, bool has_failed, bool has_errors)
{
    switch (outcome) {
    case OUTCOME_NONE:
    case OUTCOME_PASSED:
    case OUTCOME_STOPPED:
        return false;
    case OUTCOME_FAILED:
        return !has_failed;
    case OUTCOME_ERROR:
        return !has_errors;
    default:
        return true;
    }
}

void cause_of_ended_run(struct writer *w, const struct run_row *row, uint64_t launch, bool has_failed,
                        bool has_errors)
{
    struct cause cause;

    if (!is_its_own_cause(row->outcome, has_failed, has_errors))
        return;
    cause_of_run(&w->batch, row->outcome, row->reason != NULL ? row->reason : "", &cause);
    cause_count(w, row->id.v, launch, launch_project(w, launch),
                row->ended_at.ms != 0 ? row->ended_at : row->created_at, &cause, true);
}

uint64_t causes_prune(struct writer *w, struct wall before, uint32_t limit)
{
    struct db_stmt *s;

    s = db_sql(w->db, "DELETE FROM causes WHERE (project, cause) IN (SELECT project, cause FROM causes "
                      "WHERE last_at < ? ORDER BY last_at LIMIT ?)");
    db_int(s, before.ms);
    db_int(s, limit);
    return db_run(s);
}

/* ---- rows -> model: what a launch failed by --------------------------------------------------------------- */

struct known_path {
    UT_hash_handle hh;
    uint64_t path;
};

struct known_server {
    UT_hash_handle hh;
    const char *name;
};

struct sum {
    struct cause_row row;
    const char *servers[CAUSE_SERVERS_MAX];
    struct cause_example examples[CAUSE_EXAMPLES_MAX];
    uint64_t first; /* the first run of the launch that failed by it */
    bool is_run;    /* the newest row of it is a run's own */
};

struct sums {
    struct reader *r;
    struct arena arena;
    struct sum *at;
    uint32_t n;
    uint32_t cap;
    struct known_path *paths;     /* of the cause at hand */
    struct known_server *servers; /* the same */
    struct launch_id launch;
    uint64_t project;
};

static void forget_known(struct sums *all)
{
    HASH_CLEAR(hh, all->paths); /* the entries are the arena's */
    HASH_CLEAR(hh, all->servers);
}

static struct sum *sum_of(struct sums *all, uint64_t cause)
{
    struct sum *at;

    if (all->n > 0 && all->at[all->n - 1].row.id == cause)
        return &all->at[all->n - 1];
    forget_known(all);
    if (all->n == all->cap) {
        all->cap = all->cap == 0 ? 16 : all->cap * 2;
        all->at = xrealloc(all->at, all->cap * sizeof(*all->at));
    }
    at = &all->at[all->n++];
    *at = (struct sum){.row = {.id = cause, .title = "", .exception = "", .frame = ""}};
    return at;
}

static void add_server(struct sums *all, struct sum *sum, const char *name)
{
    struct known_server *k;

    HASH_FIND_STR(all->servers, name, k);
    if (k != NULL)
        return;
    k = arena_alloc(&all->arena, sizeof(*k));
    k->name = arena_strdup(&all->arena, name);
    HASH_ADD_KEYPTR(hh, all->servers, k->name, strlen(k->name), k);
    sum->row.n_servers_all++;
    if (sum->row.n_servers < CAUSE_SERVERS_MAX)
        sum->servers[sum->row.n_servers++] = k->name;
}

static void add_path(struct sums *all, struct sum *sum, uint64_t path)
{
    struct known_path *p;

    HASH_FIND(hh, all->paths, &path, sizeof(path), p);
    if (p != NULL)
        return;
    p = arena_alloc(&all->arena, sizeof(*p));
    p->path = path;
    HASH_ADD(hh, all->paths, path, sizeof(p->path), p);
    sum->row.n_files++;
}

/* In the order of the index: all rows of a cause together. */
static void sum_up(struct sums *all, struct cause_sums *ret)
{
    struct db_stmt *s;

    s = db_sql(
        all->r->db,
        "SELECT c.cause, c.run, c.n, c.is_run, r.path, r.server_name, p.path "
        "FROM run_causes c CROSS JOIN runs r CROSS JOIN tests t LEFT JOIN paths p ON p.id = r.path "
        "WHERE c.launch = ? AND r.id = c.run AND t.id = r.test AND t.run = r.id AND t.state <> 'waiting' "
        "ORDER BY c.cause, c.run");
    db_uint(s, all->launch.v);
    while (db_row(s)) {
        struct sum *sum = sum_of(all, db_get_uint(s));
        uint64_t run = db_get_uint(s);
        uint64_t n = db_get_uint(s);

        sum->first = sum->row.n_runs == 0 ? run : sum->first;
        sum->is_run = db_get_int(s) != 0;
        add_path(all, sum, db_get_uint(s));
        add_server(all, sum, db_get_text(s));
        sum->row.count += n;
        sum->row.n_runs++;
        ret->failures += n;
        if (sum->is_run && sum->row.n_examples < CAUSE_EXAMPLES_MAX)
            sum->examples[sum->row.n_examples++] =
                (struct cause_example){.run = {run},
                                       .seq = -1,
                                       .path = arena_strdup(&all->arena, db_get_text(s)),
                                       .description = ""};
    }
    forget_known(all);
    ret->causes = all->n;
}

static int most_first(const void *va, const void *vb)
{
    const struct sum *a = va;
    const struct sum *b = vb;

    if (a->row.count != b->row.count)
        return (a->row.count < b->row.count) - (a->row.count > b->row.count);
    if (a->first != b->first)
        return (a->first > b->first) - (a->first < b->first);
    return (a->row.id > b->row.id) - (a->row.id < b->row.id);
}

static void read_sum_examples(struct sums *all, struct sum *sum)
{
    struct db_stmt *s;

    s = db_sql(
        all->r->db,
        "SELECT e.run, e.seq, p.path, c.description FROM examples e CROSS JOIN runs r CROSS JOIN tests t "
        "LEFT JOIN paths p ON p.id = r.path LEFT JOIN cases c ON c.id = e.case_id "
        "WHERE e.launch = ? AND e.cause = ? AND e.cause <> 0 AND r.id = e.run AND t.id = r.test "
        "AND t.run = r.id AND t.state <> 'waiting' ORDER BY e.run, e.seq LIMIT ?");
    db_uint(s, all->launch.v);
    db_uint(s, sum->row.id);
    db_int(s, CAUSE_EXAMPLES_MAX);
    while (db_row(s) && sum->row.n_examples < CAUSE_EXAMPLES_MAX) {
        struct cause_example *e = &sum->examples[sum->row.n_examples++];

        e->run.v = db_get_uint(s);
        e->seq = db_get_int(s);
        e->path = arena_strdup(&all->arena, db_get_text(s));
        e->description = names_joined(&all->arena, db_get_bytes(s));
    }
    db_end(s);
}

static void read_sum_texts(struct sums *all, struct sum *sum)
{
    struct cause_row *row = &sum->row;
    struct db_stmt *s =
        db_sql(all->r->db, "SELECT title, exception, frame, first_launch, first_run, first_at "
                           "FROM causes WHERE project = ? AND cause = ?");

    db_uint(s, all->project);
    db_uint(s, row->id);
    while (db_row(s)) {
        row->title = arena_strdup(&all->arena, db_get_text(s));
        row->exception = arena_strdup(&all->arena, db_get_text(s));
        row->frame = arena_strdup(&all->arena, db_get_text(s));
        row->first_launch.v = db_get_uint(s);
        row->first_run.v = db_get_uint(s);
        row->first_at.ms = db_get_int(s);
    }
    row->is_known = row->first_launch.v != 0 && row->first_launch.v < all->launch.v;
}

enum err read_causes(struct reader *r, struct launch_id launch, uint32_t max, cause_fn *each, void *ctx,
                     struct cause_sums *ret, struct why *reterr)
{
    struct sums all = {.r = r, .launch = launch};
    struct db_stmt *s = db_sql(r->db, "SELECT project FROM launches WHERE id = ?");
    bool found = false;

    *ret = (struct cause_sums){0};
    db_uint(s, launch.v);
    while (db_row(s)) {
        all.project = db_get_uint(s);
        found = true;
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no launch %llu", (unsigned long long)launch.v);
    arena_init(&all.arena);
    sum_up(&all, ret);
    if (all.n > 0)
        qsort(all.at, all.n, sizeof(*all.at), most_first);
    for (uint32_t i = 0; i < all.n && i < max; i++) {
        struct sum *sum = &all.at[i];

        if (!sum->is_run)
            read_sum_examples(&all, sum);
        read_sum_texts(&all, sum);
        sum->row.servers = sum->servers;
        sum->row.examples = sum->examples;
        each(ctx, &sum->row);
    }
    free(all.at);
    arena_done(&all.arena);
    return db_error(r->db, reterr);
}
