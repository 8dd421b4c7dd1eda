/* live.c - what the writer would read again and again: of tests and runs at work, and the numbers of paths.
 *
 * Only the storage thread writes to the database, so what it has read or written stays true; and a batch that fails
 * is the last one, so nothing here is ever taken back. A row leaves when its test or run is over, or when there are
 * too many: then all leave, and come back as they are asked for. */
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

#define LIVE_MAX 8192u
/* Paths of the project that tests were added to last: the whole suite of nearly all, launched again and again. */
#define LIVE_PATHS_MAX 32768u

struct live_path {
    uint64_t id;
    UT_hash_handle hh;
    char text[]; /* the key; not terminated */
};

struct live_test *live_test_get(struct writer *w, uint64_t id)
{
    const char *language;
    const char *browser;
    struct live_test *t;
    struct db_stmt *s;
    bool found = false;

    HASH_FIND(hh, w->tests, &id, sizeof(id), t);
    if (t != NULL)
        return t;
    t = xcalloc(1, sizeof(*t));
    t->id = id;
    s = db_sql(w->db, "SELECT launch, path, state, outcome, language, browser FROM tests WHERE id = ?");
    db_uint(s, id);
    while (db_row(s)) {
        found = true;
        t->launch = db_get_uint(s);
        t->path = db_get_uint(s);
        t->state = test_state_of(db_get_text(s));
        t->outcome = outcome_of(db_get_text(s));
        language = db_get_text(s);
        browser = db_get_text(s);
        t->origin = origin_id(w, t->launch, language, browser);
    }
    if (!found) {
        free(t);
        return NULL;
    }
    HASH_ADD(hh, w->tests, id, sizeof(t->id), t);
    return t;
}

void live_tests_forget(struct writer *w, uint64_t first, uint64_t last)
{
    struct live_test *t;
    struct live_test *next;
    uint64_t id;

    if (last - first < HASH_COUNT(w->tests)) {
        for (id = first; id <= last; id++) {
            HASH_FIND(hh, w->tests, &id, sizeof(id), t);
            if (t != NULL)
                live_test_forget(w, t);
        }
        return;
    }
    HASH_ITER(hh, w->tests, t, next) {
        if (t->id >= first && t->id <= last)
            live_test_forget(w, t);
    }
}

struct live_run *live_run_add(struct writer *w, uint64_t id)
{
    struct live_run *r = xcalloc(1, sizeof(*r));

    r->id = id;
    HASH_ADD(hh, w->runs, id, sizeof(r->id), r);
    return r;
}

struct live_run *live_run_get(struct writer *w, uint64_t id)
{
    struct live_run *r;
    struct db_stmt *s;

    HASH_FIND(hh, w->runs, &id, sizeof(id), r);
    if (r != NULL)
        return r;
    s = db_sql(
        w->db,
        "SELECT launch, state, outcome, results_bytes, next_seq, discovered, passed, failed, pending, "
        "errors, flags, bad_lines, not_run, not_run_reason, seen_discovered, seen_passed, seen_failed, "
        "seen_pending, seen_errors, seen_flags, seen_bad_lines, seen_not_run, seen_not_run_reason, "
        "EXISTS (SELECT 1 FROM artifact_packs p WHERE p.run = runs.id) FROM runs WHERE id = ?");
    db_uint(s, id);
    while (db_row(s)) {
        r = live_run_add(w, id);
        r->launch = db_get_uint(s);
        r->state = run_state_of(db_get_text(s));
        r->outcome = outcome_of(db_get_text(s));
        r->results_bytes = db_get_uint(s);
        r->next_seq = (uint32_t)db_get_uint(s);
        r->said = get_tally(s);
        r->seen = get_tally(s);
        r->has_artifacts = db_get_int(s) != 0;
    }
    return r;
}

void live_test_forget(struct writer *w, struct live_test *t)
{
    HASH_DEL(w->tests, t);
    free(t);
}

void live_run_forget(struct writer *w, struct live_run *r)
{
    HASH_DEL(w->runs, r);
    free(r);
}

void live_run_drop(struct writer *w, uint64_t id)
{
    struct live_run *r;

    HASH_FIND(hh, w->runs, &id, sizeof(id), r);
    if (r != NULL)
        live_run_forget(w, r);
}

void live_test_drop(struct writer *w, uint64_t id)
{
    struct live_test *t;

    HASH_FIND(hh, w->tests, &id, sizeof(id), t);
    if (t != NULL)
        live_test_forget(w, t);
}

uint64_t live_path_get(struct writer *w, uint64_t project, struct slice path)
{
    struct live_path *p = NULL;

    if (project == w->paths_project)
        HASH_FIND(hh, w->paths, path.ptr, path.len, p);
    return p == NULL ? 0 : p->id;
}

static void live_paths_done(struct writer *w)
{
    struct live_path *p = w->paths;

    HASH_CLEAR(hh, w->paths);
    while (p != NULL) {
        struct live_path *next = p->hh.next;

        free(p);
        p = next;
    }
}

void live_path_add(struct writer *w, uint64_t project, struct slice path, uint64_t id)
{
    struct live_path *p;

    if (project != w->paths_project || HASH_COUNT(w->paths) >= LIVE_PATHS_MAX)
        live_paths_done(w);
    w->paths_project = project;
    p = xmalloc(sizeof(*p) + path.len);
    p->id = id;
    memcpy(p->text, path.ptr, path.len);
    HASH_ADD_KEYPTR(hh, w->paths, p->text, path.len, p);
}

static void live_rows_done(struct writer *w)
{
    struct live_test *t = w->tests;
    struct live_run *r = w->runs;

    /* The tables; the entries stay chained. */
    HASH_CLEAR(hh, w->tests);
    HASH_CLEAR(hh, w->runs);
    while (t != NULL) {
        struct live_test *next = t->hh.next;

        free(t);
        t = next;
    }
    while (r != NULL) {
        struct live_run *next = r->hh.next;

        free(r);
        r = next;
    }
}

void live_trim(struct writer *w)
{
    if (HASH_COUNT(w->tests) + HASH_COUNT(w->runs) > LIVE_MAX)
        live_rows_done(w);
}

void live_done(struct writer *w)
{
    live_rows_done(w);
    live_paths_done(w);
}
