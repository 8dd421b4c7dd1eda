/* compare.c - a launch beside the last one that it can be compared with: new, known, fixed, flaky, gone.
 *
 * Only what failed on either side is read, and the examples of those runs of this launch whose file failed before: so ten
 * thousand tests that pass cost a row each. Both launches are held test by test: path, language, browser. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/strips.h"

#define CANDIDATES_MAX 300 /* launches of the project that are looked at, the newest before it */
#define LOOKS_MAX 20u      /* of them whose tests are counted */
#define FLAKY_FILES_MAX 200u
#define FLAKY_RUNS 10u
#define FLAKY_DAYS 14

const char *compare_what_name(enum compare_what what)
{
    static const char *const names[] = {"new", "flaky", "known", "fixed", "gone"};
    _Static_assert(ARRAY_LEN(names) == COMPARE_COUNT, "a name for each");

    return names[what];
}

struct failure {
    UT_hash_handle hh; /* in those of its run, by name */
    uint64_t name;     /* example_name(), or the cause of an error outside of examples */
    int64_t seq;       /* -1: the run itself */
    uint64_t cause;
    const char *description;
    bool is_met; /* the other side has it, too */
};

struct side {
    uint64_t run; /* that the test came to; 0 none */
    enum outcome outcome;
    struct failure *failures;
};

struct pair {
    UT_hash_handle hh;
    struct pair_key {
        uint64_t path;
        uint64_t params;
    } key;
    const char *path;
    const char *language;
    const char *browser;
    struct side now;
    struct side then;
    bool was_then;
    struct pair *next;
};

struct by_run {
    UT_hash_handle hh;
    uint64_t run;
    struct side *side;
};

struct launch {
    uint64_t id;
    uint64_t project;
    const char *ref;
    const char *commit;
    const char *location;
    struct wall at;
    bool is_done;
};

/* Of a file whose strips were read. */
struct flaky_file {
    UT_hash_handle hh;
    const char *file;
    struct strips strips;
};

struct comparison {
    struct reader *r;
    struct arena arena;
    struct launch now;
    struct launch then;
    struct pair *pairs;
    struct pair *first;
    struct by_run *runs;
    uint32_t n_pairs;
    struct compare_item *items;
    uint32_t n_items;
    uint32_t cap_items;
    struct flaky_file *flaky;
    struct compare *ret;
};

/* ---- launches ---------------------------------------------------------------------------------------------- */

static bool launch_read(struct comparison *c, uint64_t id, struct launch *l)
{
    struct db_stmt *s = db_sql(c->r->db, "SELECT project, ref, commit_hash, location, created_at, state "
                                         "FROM launches WHERE id = ?");
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        found = true;
        l->id = id;
        l->project = db_get_uint(s);
        l->ref = arena_strdup(&c->arena, db_get_text(s));
        l->commit = arena_strdup(&c->arena, db_get_text(s));
        l->location = arena_strdup(&c->arena, db_get_text(s));
        l->at.ms = db_get_int(s);
        l->is_done = strcmp(db_get_text(s), launch_state_name(LAUNCH_DONE)) == 0;
    }
    return found;
}

static uint64_t params_hash(const char *language, const char *browser)
{
    return example_name(language, slice_of(browser));
}

static struct pair *pair_find(struct comparison *c, uint64_t path, const char *language, const char *browser)
{
    struct pair_key key = {path, params_hash(language, browser)};
    struct pair *p;

    HASH_FIND(hh, c->pairs, &key, sizeof(key), p);
    return p;
}

static void side_set(struct comparison *c, struct side *side, uint64_t run, enum outcome outcome)
{
    struct by_run *b;

    side->run = run;
    side->outcome = outcome;
    if (run == 0)
        return;
    b = arena_alloc(&c->arena, sizeof(*b));
    b->run = run;
    b->side = side;
    HASH_ADD(hh, c->runs, run, sizeof(b->run), b);
}

#define TESTS_SQL                                                                                           \
    "SELECT t.path, t.language, t.browser, t.run, t.outcome, t.state, p.path FROM tests t LEFT JOIN paths " \
    "p "                                                                                                    \
    "ON p.id = t.path WHERE t.launch = ? ORDER BY t.position"

static void tests_read(struct comparison *c)
{
    struct db_stmt *s = db_sql(c->r->db, TESTS_SQL);
    struct pair **last = &c->first;

    db_uint(s, c->now.id);
    while (db_row(s)) {
        uint64_t path = db_get_uint(s);
        const char *language = arena_strdup(&c->arena, db_get_text(s));
        const char *browser = arena_strdup(&c->arena, db_get_text(s));
        uint64_t run = db_get_uint(s);
        enum outcome outcome = outcome_of(db_get_text(s));
        bool waits = test_state_of(db_get_text(s)) == TEST_WAITING;
        struct pair *p = pair_find(c, path, language, browser);

        if (p == NULL) {
            p = arena_alloc(&c->arena, sizeof(*p));
            *p = (struct pair){.key = {path, params_hash(language, browser)},
                               .language = language,
                               .browser = browser,
                               .path = arena_strdup(&c->arena, db_get_text(s))};
            HASH_ADD(hh, c->pairs, key, sizeof(p->key), p);
            *last = p;
            last = &p->next;
            c->n_pairs++;
        }
        if (p->now.run == 0) /* the same twice: the first one counts */
            side_set(c, &p->now, waits ? 0 : run, outcome);
    }
}

static void tests_read_then(struct comparison *c)
{
    struct db_stmt *s = db_sql(c->r->db, TESTS_SQL);

    db_uint(s, c->then.id);
    while (db_row(s)) {
        uint64_t path = db_get_uint(s);
        const char *language = arena_strdup(&c->arena, db_get_text(s));
        struct pair *p = pair_find(c, path, language, db_get_text(s));
        uint64_t run = db_get_uint(s);

        if (p == NULL || p->was_then)
            continue;
        p->was_then = true;
        side_set(c, &p->then, run, outcome_of(db_get_text(s)));
    }
}

/* How many of this launch's tests that one has. */
static uint32_t overlap(struct comparison *c, uint64_t launch)
{
    struct db_stmt *s = db_sql(c->r->db, TESTS_SQL);
    uint32_t n = 0;

    db_uint(s, launch);
    while (db_row(s)) {
        uint64_t path = db_get_uint(s);
        char language[256];

        (void)snprintf(language, sizeof(language), "%s", db_get_text(s));
        n += pair_find(c, path, language, db_get_text(s)) != NULL;
    }
    return n;
}

/* The last one before it, of the same ref and location, that has at least half of its tests. */
static void then_choose(struct comparison *c)
{
    struct db_stmt *s =
        db_sql(c->r->db, "SELECT id, ref, location, state FROM launches WHERE project = ? AND id < ? "
                         "ORDER BY id DESC LIMIT ?");
    uint64_t alike[LOOKS_MAX];
    uint32_t n = 0;
    char *why = c->ret->why;

    db_uint(s, c->now.project);
    db_uint(s, c->now.id);
    db_int(s, CANDIDATES_MAX);
    while (n < LOOKS_MAX && db_row(s)) {
        uint64_t id = db_get_uint(s);
        bool is_alike = strcmp(db_get_text(s), c->now.ref) == 0;

        is_alike = strcmp(db_get_text(s), c->now.location) == 0 && is_alike;
        if (strcmp(db_get_text(s), launch_state_name(LAUNCH_DONE)) == 0 && is_alike)
            alike[n++] = id;
    }
    db_end(s);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t same = overlap(c, alike[i]);

        if (same * 2 < c->n_pairs || same == 0)
            continue;
        (void)launch_read(c, alike[i], &c->then);
        (void)snprintf(
            why, sizeof(c->ret->why),
            "launch %llu is the last one of this project, ref and location with at least half of these "
            "tests: %u of %u",
            (unsigned long long)alike[i], same, c->n_pairs);
        return;
    }
    if (n == 0)
        (void)snprintf(why, sizeof(c->ret->why),
                       "no earlier launch of this project has its ref and location and is done");
    else
        (void)snprintf(
            why, sizeof(c->ret->why),
            "of the last %u launches of this project, ref and location none has half of these tests", n);
}

/* ---- what failed ------------------------------------------------------------------------------------------- */

static struct side *side_of(struct comparison *c, uint64_t run)
{
    struct by_run *b;

    HASH_FIND(hh, c->runs, &run, sizeof(run), b);
    return b != NULL ? b->side : NULL;
}

static struct failure *failure_find(struct failure *all, uint64_t name)
{
    struct failure *f;

    HASH_FIND(hh, all, &name, sizeof(name), f);
    return f;
}

/* Of two examples of one name the first counts. */
static void failure_add(struct comparison *c, struct side *side, const struct failure *from)
{
    struct failure *f;

    if (failure_find(side->failures, from->name) != NULL)
        return;
    f = arena_alloc(&c->arena, sizeof(*f));
    *f = *from;
    HASH_ADD(hh, side->failures, name, sizeof(f->name), f);
}

static void failures_read(struct comparison *c, uint64_t launch)
{
    struct db_stmt *s;
    uint32_t n = 0;

    s = db_sql(c->r->db, "SELECT e.run, e.seq, e.cause, c.file, c.description FROM examples e "
                         "LEFT JOIN cases c ON c.id = e.case_id "
                         "WHERE e.launch = ? AND e.status <> 0 AND e.status IN (1, 3) ORDER BY e.run, e.seq");
    db_uint(s, launch);
    while (db_row(s)) {
        struct side *side = side_of(c, db_get_uint(s));
        struct failure f = {.seq = db_get_int(s)};
        struct slice words;
        const char *file;

        if (side == NULL)
            continue;
        f.cause = db_get_uint(s);
        file = arena_strdup(&c->arena, db_get_text(s));
        words = db_get_bytes(s);
        f.name = words.len > 0 ? example_name(file, words) : f.cause;
        f.description = names_joined(&c->arena, words);
        if (++n > COMPARE_FAILURES_MAX) {
            c->ret->is_whole = false;
            break;
        }
        failure_add(c, side, &f);
    }
    db_end(s);
    s = db_sql(c->r->db,
               "SELECT run, cause FROM run_causes WHERE launch = ? AND is_run = 1 ORDER BY cause, run");
    db_uint(s, launch);
    while (db_row(s)) {
        struct side *side = side_of(c, db_get_uint(s));
        struct failure f = {.name = 1, .seq = -1, .cause = db_get_uint(s), .description = ""};

        if (side != NULL)
            failure_add(c, side, &f);
    }
}

/* ---- flaky: it failed and passed on one commit lately ------------------------------------------------------ */

static const struct strips *strips_of(struct comparison *c, const struct pair *p)
{
    const char *file = arena_strndup(&c->arena, p->path, file_of_path(p->path));
    struct strips_opts opts = {.project = {c->now.project}, .n_runs = FLAKY_RUNS, .only_bad = true};
    struct flaky_file *f;

    HASH_FIND(hh, c->flaky, file, strlen(file), f);
    if (f != NULL)
        return &f->strips;
    if (HASH_COUNT(c->flaky) >= FLAKY_FILES_MAX)
        return NULL;
    f = arena_alloc(&c->arena, sizeof(*f));
    f->file = file;
    opts.since.ms = c->now.at.ms - FLAKY_DAYS * INT64_C(86400000);
    if (strips_read(c->r, &opts, file, &f->strips, NULL) != ERR_OK) {
        strips_done(&f->strips); /* a failure sticks to the connection */
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, c->flaky, f->file, strlen(f->file), f);
    return &f->strips;
}

static bool is_flaky(struct comparison *c, const struct pair *p, const struct failure *f)
{
    const struct strips *all = strips_of(c, p);
    const struct strip *s;

    if (all == NULL)
        return false;
    s = strips_find(all, f->seq >= 0 ? f->name : 0, p->language, p->browser, c->now.location);
    return s != NULL && s->row.verdict == STABILITY_FLAKY;
}

/* ---- items ------------------------------------------------------------------------------------------------- */

static void item_add(struct comparison *c, enum compare_what what, const struct pair *p,
                     const struct failure *f, uint64_t run, int64_t seq, uint64_t before)
{
    if (c->n_items == c->cap_items) {
        c->cap_items = c->cap_items == 0 ? 64 : c->cap_items * 2;
        c->items = xrealloc(c->items, c->cap_items * sizeof(*c->items));
    }
    c->items[c->n_items++] = (struct compare_item){.what = what,
                                                   .path = p->path,
                                                   .language = p->language,
                                                   .browser = p->browser,
                                                   .description = f->description,
                                                   .run = {run},
                                                   .seq = seq,
                                                   .cause = f->cause,
                                                   .before = {before}};
    c->ret->n[what]++;
}

/* What the examples of the run came to, by name: for those that failed before and do not now. */
struct outcome_now {
    UT_hash_handle hh;
    uint64_t name;
    int64_t seq;
    bool has_passed;
};

static struct outcome_now *outcomes_read(struct comparison *c, uint64_t run)
{
    struct db_stmt *s =
        db_sql(c->r->db, "SELECT e.seq, e.status, c.file, c.description FROM examples e "
                         "LEFT JOIN cases c ON c.id = e.case_id WHERE e.run = ? ORDER BY e.seq");
    struct outcome_now *all = NULL;
    struct outcome_now *o;

    db_uint(s, run);
    while (db_row(s)) {
        int64_t seq = db_get_int(s);
        bool has_passed = db_get_int(s) == EXAMPLE_PASSED;
        const char *file = arena_strdup(&c->arena, db_get_text(s));
        uint64_t name = example_name(file, db_get_bytes(s));

        HASH_FIND(hh, all, &name, sizeof(name), o);
        if (o != NULL)
            continue;
        o = arena_alloc(&c->arena, sizeof(*o));
        *o = (struct outcome_now){.name = name, .seq = seq, .has_passed = has_passed};
        HASH_ADD(hh, all, name, sizeof(o->name), o);
    }
    return all;
}

static bool ran_to_its_end(enum outcome o)
{
    return o == OUTCOME_PASSED || o == OUTCOME_FAILED;
}

static void failed_before(struct comparison *c, struct pair *p, bool same_commit)
{
    struct outcome_now *now = NULL;
    bool has_read = false;

    for (struct failure *f = p->then.failures; f != NULL; f = f->hh.next) {
        struct outcome_now *o = NULL;

        if (f->is_met || !ran_to_its_end(p->now.outcome))
            continue;                            /* it fails still, or nobody knows */
        if (f->seq < 0 || f->name == f->cause) { /* the file failed as a whole */
            if (p->now.outcome == OUTCOME_PASSED)
                item_add(c, same_commit ? COMPARE_FLAKY : COMPARE_FIXED, p, f, p->now.run, -1, p->then.run);
            continue;
        }
        if (!has_read)
            now = outcomes_read(c, p->now.run);
        has_read = true;
        HASH_FIND(hh, now, &f->name, sizeof(f->name), o);
        if (o == NULL || !o->has_passed)
            item_add(c, COMPARE_GONE, p, f, p->now.run, -1, p->then.run);
        else
            item_add(c, same_commit ? COMPARE_FLAKY : COMPARE_FIXED, p, f, p->now.run, o->seq, p->then.run);
    }
    HASH_CLEAR(hh, now);
}

static void pair_look(struct comparison *c, struct pair *p)
{
    bool same_commit = c->now.commit[0] != '\0' && strcmp(c->now.commit, c->then.commit) == 0;

    for (struct failure *f = p->now.failures; f != NULL; f = f->hh.next) {
        struct failure *before = failure_find(p->then.failures, f->name);
        bool had_passed = p->was_then && ran_to_its_end(p->then.outcome);
        enum compare_what what = COMPARE_NEW;

        if (before != NULL) {
            before->is_met = true;
            what = COMPARE_KNOWN;
        } else if ((same_commit && had_passed) || is_flaky(c, p, f)) {
            what = COMPARE_FLAKY;
        }
        item_add(c, what, p, f, p->now.run, f->seq, p->then.run);
    }
    if (p->then.failures != NULL && p->now.run != 0)
        failed_before(c, p, same_commit);
}

static int in_order(const void *va, const void *vb)
{
    const struct compare_item *a = va;
    const struct compare_item *b = vb;
    int by_path;

    if (a->what != b->what)
        return (a->what > b->what) - (a->what < b->what);
    by_path = strcmp(a->path, b->path);
    if (by_path != 0)
        return by_path;
    if (a->run.v != b->run.v)
        return (a->run.v > b->run.v) - (a->run.v < b->run.v);
    if (a->seq != b->seq)
        return (a->seq > b->seq) - (a->seq < b->seq);
    return strcmp(a->description, b->description);
}

static void items_show(struct comparison *c, uint32_t whats, struct page *p, compare_fn *each, void *ctx)
{
    uint32_t n = 0;

    if (c->n_items > 0)
        qsort(c->items, c->n_items, sizeof(*c->items), in_order);
    p->next = 0;
    for (uint64_t i = p->after; i < c->n_items; i++) {
        if (whats != 0 && (whats >> c->items[i].what & 1) == 0)
            continue;
        if (!page_take(p, &n, i))
            break;
        if (each != NULL)
            each(ctx, &c->items[i]);
    }
}

static void comparison_done(struct comparison *c)
{
    struct flaky_file *f;
    struct flaky_file *next;

    HASH_ITER(hh, c->flaky, f, next) {
        HASH_DEL(c->flaky, f);
        strips_done(&f->strips);
    }
    for (struct pair *p = c->first; p != NULL; p = p->next) {
        HASH_CLEAR(hh, p->now.failures); /* the tables; the entries are the arena's */
        HASH_CLEAR(hh, p->then.failures);
    }
    HASH_CLEAR(hh, c->pairs);
    HASH_CLEAR(hh, c->runs);
    free(c->items);
    arena_done(&c->arena);
}

/* Which launch it is compared with, if any. */
static enum err then_find(struct comparison *c, struct launch_id with, struct why *reterr)
{
    if (with.v == 0) {
        if (c->now.project != 0)
            then_choose(c);
        else
            (void)snprintf(c->ret->why, sizeof(c->ret->why),
                           "a launch without a project is compared with none");
        return ERR_OK;
    }
    if (with.v == c->now.id)
        return why_set(reterr, ERR_INVALID, "with", "launch %llu is the launch itself",
                       (unsigned long long)with.v);
    if (!launch_read(c, with.v, &c->then) && !db_failed(c->r->db))
        return why_set(reterr, ERR_INVALID, "with", "there is no launch %llu", (unsigned long long)with.v);
    if (c->then.project != c->now.project)
        return why_set(reterr, ERR_INVALID, "with", "launch %llu is of another project",
                       (unsigned long long)with.v);
    (void)snprintf(c->ret->why, sizeof(c->ret->why), "launch %llu was asked for", (unsigned long long)with.v);
    return ERR_OK;
}

enum err read_compare(struct reader *r, struct launch_id launch, struct launch_id with, uint32_t whats,
                      struct page *p, compare_fn *each, void *ctx, struct compare *ret, struct why *reterr)
{
    struct comparison c = {.r = r, .ret = ret};
    enum err err;

    *ret = (struct compare){.is_whole = true};
    p->next = 0;
    arena_init(&c.arena);
    if (!launch_read(&c, launch.v, &c.now) && !db_failed(r->db)) {
        arena_done(&c.arena);
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no launch %llu", (unsigned long long)launch.v);
    }
    ret->is_done = c.now.is_done;
    tests_read(&c);
    err = then_find(&c, with, reterr);
    if (err == ERR_OK && c.then.id != 0) {
        ret->other.v = c.then.id;
        tests_read_then(&c);
        failures_read(&c, c.now.id);
        failures_read(&c, c.then.id);
        for (struct pair *pair = c.first; pair != NULL; pair = pair->next)
            pair_look(&c, pair);
        items_show(&c, whats, p, each, ctx);
    }
    comparison_done(&c);
    return err != ERR_OK ? err : db_error(r->db, reterr);
}

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

struct compare_put {
    struct launch_id launch;
    struct compare compare;
};

static enum err compare_write(struct writer *w, void *arg, struct why *reterr)
{
    const struct compare_put *put = arg;
    struct db_stmt *s;

    (void)reterr;
    s = db_sql(w->db, "INSERT INTO launch_compares (launch, other, n_new, n_flaky, n_known, n_fixed, n_gone) "
                      "SELECT id, ?, ?, ?, ?, ?, ? FROM launches WHERE id = ? "
                      "ON CONFLICT (launch) DO NOTHING"); /* what it came to then: less may be there by now */
    db_uint(s, put->compare.other.v);
    for (int i = 0; i < COMPARE_COUNT; i++)
        db_int(s, put->compare.n[i]);
    db_uint(s, put->launch.v);
    (void)db_run(s);
    return ERR_OK;
}

void store_compare_put(struct store *st, struct launch_id launch, const struct compare *compare,
                       store_done_fn *done, void *ctx)
{
    struct compare_put *put = xmalloc(sizeof(*put));

    *put = (struct compare_put){launch, *compare};
    store_call(st, compare_write, put, free, done, ctx);
}
