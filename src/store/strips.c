#include "store/strips.h"

#include <stdlib.h>
#include <string.h>

#define PATHS_OF_FILE_MAX 64u

struct strip_commit {
    struct strip_commit *next;
    const char *commit;
    uint64_t failed; /* a run that failed; 0 none */
    uint64_t passed;
};

/* ---- names ------------------------------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t h, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
    h = (h ^ 0xff) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

uint64_t example_name(const char *file, struct slice description)
{
    uint64_t h = hash_bytes(UINT64_C(0xcbf29ce484222325), file, strlen(file));

    h = hash_bytes(h, description.ptr, description.len);
    return h != 0 ? h : 1;
}

static uint64_t params_of(const char *language, const char *browser, const char *location)
{
    uint64_t h = hash_bytes(UINT64_C(0xcbf29ce484222325), language, strlen(language));

    h = hash_bytes(h, browser, strlen(browser));
    return hash_bytes(h, location, strlen(location));
}

size_t file_of_path(const char *path)
{
    size_t n = 0;

    while (path[n] != '\0') {
        char next = path[n + 1];

        if (n > 0 && ((path[n] == ':' && (next == ':' || (next >= '0' && next <= '9'))) ||
                      (path[n] == '[' && next >= '0' && next <= '9')))
            break;
        n++;
    }
    return n;
}

/* "a.rb:…" stands between "a.rb:" and "a.rb;", the sign behind ':'; the same for '['. */
static uint32_t paths_between(struct reader *r, uint64_t project, const char *file, char sign, uint64_t *ids,
                              uint32_t max)
{
    struct db_stmt *s = db_sql(r->db, "SELECT id FROM paths WHERE project = ? AND path >= ? AND path < ? "
                                      "ORDER BY path LIMIT ?");
    struct buf from;
    struct buf to;
    uint32_t n = 0;

    buf_init(&from, PATH_BYTES_MAX + 2);
    buf_init(&to, PATH_BYTES_MAX + 2);
    buf_printf(&from, "%s%c", file, sign);
    buf_printf(&to, "%s%c", file, sign + 1);
    db_uint(s, project);
    db_text(s, buf_str(&from));
    db_text(s, buf_str(&to));
    db_int(s, max);
    while (n < max && db_row(s))
        ids[n++] = db_get_uint(s);
    db_end(s);
    buf_done(&from);
    buf_done(&to);
    return n;
}

uint32_t paths_of_file(struct reader *r, uint64_t project, const char *file, uint64_t *ids, uint32_t max)
{
    struct db_stmt *s = db_sql(r->db, "SELECT id FROM paths WHERE project = ? AND path = ?");
    uint32_t n = 0;

    db_uint(s, project);
    db_text(s, file);
    while (n < max && db_row(s))
        ids[n++] = db_get_uint(s);
    db_end(s);
    if (strlen(file) >= PATH_BYTES_MAX)
        return n;
    n += paths_between(r, project, file, ':', ids + n, max - n);
    return n + paths_between(r, project, file, '[', ids + n, max - n);
}

/* ---- the runs of a file ------------------------------------------------------------------------------------ */

struct known_launch {
    UT_hash_handle hh;
    uint64_t id;
    const char *ref;
    const char *commit;
    const char *location;
};

struct file_run {
    uint64_t id;
    struct wall at;
    enum outcome outcome;
    const struct known_launch *launch;
    const char *language;
    const char *browser;
    uint64_t params;
    bool is_needed;
};

struct known_case {
    UT_hash_handle hh;
    uint64_t id;
    uint64_t name;
    const char *description;
    const char *example_id;
};

struct walk {
    struct reader *r;
    const struct strips_opts *opts;
    struct strips *to;
    struct known_launch *launches;
    struct known_case *cases;
    struct file_run *runs;
    uint32_t n;
    uint32_t cap;
};

static const struct known_launch *launch_get(struct walk *k, uint64_t id)
{
    struct arena *a = &k->to->arena;
    struct known_launch *l;
    struct db_stmt *s;

    HASH_FIND(hh, k->launches, &id, sizeof(id), l);
    if (l != NULL)
        return l;
    l = arena_alloc(a, sizeof(*l));
    *l = (struct known_launch){.id = id, .ref = "", .commit = "", .location = ""};
    s = db_sql(k->r->db, "SELECT ref, commit_hash, location FROM launches WHERE id = ?");
    db_uint(s, id);
    while (db_row(s)) {
        l->ref = arena_strdup(a, db_get_text(s));
        l->commit = arena_strdup(a, db_get_text(s));
        l->location = arena_strdup(a, db_get_text(s));
    }
    HASH_ADD(hh, k->launches, id, sizeof(l->id), l);
    return l;
}

static bool is_bad(enum outcome o)
{
    return o == OUTCOME_FAILED || o == OUTCOME_ERROR || o == OUTCOME_TIMED_OUT;
}

static struct file_run *run_add(struct walk *k)
{
    if (k->n == k->cap) {
        k->cap = k->cap == 0 ? 64 : k->cap * 2;
        k->runs = xrealloc(k->runs, k->cap * sizeof(*k->runs));
    }
    return &k->runs[k->n++];
}

/* Those that say something of the file: it passed or failed. */
static void runs_of_path(struct walk *k, uint64_t path)
{
    struct arena *a = &k->to->arena;
    struct db_stmt *s;

    s = db_sql(k->r->db,
               "SELECT r.id, r.outcome, r.launch, r.created_at, o.language, o.browser FROM runs r "
               "LEFT JOIN origins o ON o.id = r.origin WHERE r.path = ? ORDER BY r.id DESC LIMIT ?");
    db_uint(s, path);
    db_int(s, FILE_RUNS_MAX);
    while (db_row(s)) {
        struct file_run run = {.id = db_get_uint(s)};

        k->to->n_rows++;
        run.outcome = outcome_of(db_get_text(s));
        if (run.outcome != OUTCOME_PASSED && !is_bad(run.outcome))
            continue;
        run.launch = launch_get(k, db_get_uint(s));
        if (k->opts->ref != NULL && strcmp(run.launch->ref, k->opts->ref) != 0)
            continue;
        run.at.ms = db_get_int(s);
        run.language = arena_strdup(a, db_get_text(s));
        run.browser = arena_strdup(a, db_get_text(s));
        run.params = params_of(run.language, run.browser, run.launch->location);
        *run_add(k) = run;
    }
}

static int newest_first(const void *va, const void *vb)
{
    const struct file_run *a = va;
    const struct file_run *b = vb;

    return (a->id < b->id) - (a->id > b->id);
}

static bool in_window(const struct walk *k, const struct file_run *run)
{
    return run->at.ms >= k->opts->since.ms && run->launch->commit[0] != '\0';
}

/* The last ones of each kind of parameters, and those on a commit where one failed. True: one of them failed. */
static bool runs_choose(struct walk *k)
{
    bool any_bad = false;

    for (uint32_t i = 0; i < k->n; i++) {
        struct file_run *run = &k->runs[i];
        uint32_t before = 0;

        for (uint32_t j = 0; j < i && before < k->opts->n_runs; j++)
            before += k->runs[j].params == run->params;
        run->is_needed = before < k->opts->n_runs;
        any_bad = any_bad || (is_bad(run->outcome) && (run->is_needed || in_window(k, run)));
    }
    for (uint32_t i = 0; i < k->n; i++) {
        const struct file_run *bad = &k->runs[i];

        if (!is_bad(bad->outcome) || !in_window(k, bad))
            continue;
        for (uint32_t j = 0; j < k->n; j++)
            if (k->runs[j].params == bad->params && in_window(k, &k->runs[j]) &&
                strcmp(k->runs[j].launch->commit, bad->launch->commit) == 0)
                k->runs[j].is_needed = true;
    }
    return any_bad;
}

/* ---- what they came to ------------------------------------------------------------------------------------- */

static struct strip *strip_of(struct walk *k, uint64_t name, const struct file_run *run)
{
    struct strip_key key = {name, run->params};
    struct strip *s;

    HASH_FIND(hh, k->to->by_key, &key, sizeof(key), s);
    if (s != NULL)
        return s;
    s = arena_alloc(&k->to->arena, sizeof(*s));
    s->key = key;
    s->row = (struct stability_row){.description = "",
                                    .id = "",
                                    .language = run->language,
                                    .browser = run->browser,
                                    .location = run->launch->location,
                                    .points = s->points,
                                    .flaky_commit = ""};
    HASH_ADD(hh, k->to->by_key, key, sizeof(s->key), s);
    *k->to->last = s;
    k->to->last = &s->next;
    return s;
}

/* Runs come newest first. */
static void strip_add(struct walk *k, struct strip *s, const struct file_run *run, bool failed)
{
    struct stability_row *row = &s->row;
    struct strip_commit *c;

    if (row->n_points > 0 && s->points[row->n_points - 1].run.v == run->id) {
        s->points[row->n_points - 1].failed |= failed; /* two examples of one name */
    } else if (row->n_points < k->opts->n_runs) {
        s->points[row->n_points++] = (struct stability_point){.run = {run->id}, .failed = failed};
    }
    if (!in_window(k, run))
        return;
    for (c = s->commits; c != NULL && strcmp(c->commit, run->launch->commit) != 0; c = c->next)
        continue;
    if (c == NULL) {
        c = arena_alloc(&k->to->arena, sizeof(*c));
        c->commit = run->launch->commit;
        c->next = s->commits;
        s->commits = c;
    }
    if (failed)
        c->failed = run->id;
    else if (c->failed != run->id)
        c->passed = run->id;
}

static const struct known_case *case_get(struct walk *k, uint64_t id)
{
    struct arena *a = &k->to->arena;
    struct known_case *c;
    struct db_stmt *s;

    HASH_FIND(hh, k->cases, &id, sizeof(id), c);
    if (c != NULL)
        return c;
    c = arena_alloc(a, sizeof(*c));
    *c = (struct known_case){.id = id, .description = "", .example_id = ""};
    s = db_sql(k->r->db, "SELECT file, description, example_id FROM cases WHERE id = ?");
    db_uint(s, id);
    while (db_row(s)) {
        const char *file = arena_strdup(a, db_get_text(s));
        struct slice words = db_get_bytes(s);

        c->name = words.len > 0 ? example_name(file, words) : 0; /* an error outside of examples has none */
        c->description = names_joined(a, words);
        c->example_id = arena_strdup(a, db_get_text(s));
    }
    HASH_ADD(hh, k->cases, id, sizeof(c->id), c);
    return c;
}

/* The file itself passed, or failed in a way that no example of it says. */
static void run_look(struct walk *k, const struct file_run *run)
{
    struct db_stmt *s = db_sql(k->r->db, "SELECT status, case_id FROM examples WHERE run = ? ORDER BY seq");
    bool is_explained = false;

    db_uint(s, run->id);
    while (db_row(s)) {
        int64_t status = db_get_int(s);
        const struct known_case *c = case_get(k, db_get_uint(s));
        struct strip *strip;

        k->to->n_rows++;
        if ((status != EXAMPLE_PASSED && status != EXAMPLE_FAILED) || c->name == 0)
            continue;
        k->to->has_examples = true;
        strip = strip_of(k, c->name, run);
        if (strip->row.description[0] == '\0') {
            strip->row.description = c->description;
            strip->row.id = c->example_id;
        }
        strip_add(k, strip, run, status == EXAMPLE_FAILED);
        is_explained = is_explained || status == EXAMPLE_FAILED;
    }
    if (!is_bad(run->outcome) || !is_explained || run->outcome == OUTCOME_TIMED_OUT)
        strip_add(k, strip_of(k, 0, run), run, is_bad(run->outcome));
}

/* ---- verdicts ---------------------------------------------------------------------------------------------- */

static void judge(struct strip *s)
{
    struct stability_row *row = &s->row;

    for (uint32_t i = 0; i < row->n_points; i++) {
        row->n_failed += s->points[i].failed;
        row->n_changes += i > 0 && s->points[i].failed != s->points[i - 1].failed;
    }
    for (const struct strip_commit *c = s->commits; c != NULL; c = c->next) {
        if (c->failed == 0 || c->passed == 0)
            continue;
        if (row->flaky_failed.v != 0 && c->failed < row->flaky_failed.v)
            continue; /* the newest of them */
        row->flaky_commit = c->commit;
        row->flaky_failed.v = c->failed;
        row->flaky_passed.v = c->passed;
    }
    if (row->flaky_commit[0] != '\0')
        row->verdict = STABILITY_FLAKY;
    else if (row->n_changes >= STABILITY_CHANGES_MIN)
        row->verdict = STABILITY_UNSTABLE;
    else if (row->n_points > 0 && s->points[0].failed)
        row->verdict = STABILITY_FAILING;
    else
        row->verdict = STABILITY_STABLE;
}

enum err strips_read(struct reader *r, const struct strips_opts *opts, const char *file, struct strips *ret,
                     struct why *reterr)
{
    struct walk k = {.r = r, .opts = opts, .to = ret};
    uint64_t paths[PATHS_OF_FILE_MAX];
    uint32_t n;

    *ret = (struct strips){.last = NULL};
    ret->last = &ret->first;
    arena_init(&ret->arena);
    n = paths_of_file(r, opts->project.v, file, paths, PATHS_OF_FILE_MAX);
    for (uint32_t i = 0; i < n; i++)
        runs_of_path(&k, paths[i]);
    if (k.n > 0)
        qsort(k.runs, k.n, sizeof(*k.runs), newest_first);
    if (k.n > FILE_RUNS_MAX)
        k.n = FILE_RUNS_MAX;
    if (runs_choose(&k) || !opts->only_bad)
        for (uint32_t i = 0; i < k.n; i++)
            if (k.runs[i].is_needed)
                run_look(&k, &k.runs[i]);
    for (struct strip *s = ret->first; s != NULL; s = s->next)
        judge(s);
    free(k.runs);
    HASH_CLEAR(hh, k.launches); /* the entries are the arena's */
    HASH_CLEAR(hh, k.cases);
    return db_error(r->db, reterr);
}

void strips_done(struct strips *s)
{
    HASH_CLEAR(hh, s->by_key);
    arena_done(&s->arena);
}

const struct strip *strips_find(const struct strips *s, uint64_t name, const char *language,
                                const char *browser, const char *location)
{
    struct strip_key key = {name, params_of(language, browser, location)};
    struct strip *found;

    HASH_FIND(hh, s->by_key, &key, sizeof(key), found);
    return found;
}
