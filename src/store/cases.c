/* cases.c - what examples have in common, each once: who they are, and why they did not pass.
 *
 * An example of a project runs every night under the same names, and fails with the same backtrace on ten servers. A row of
 * `examples` is a few numbers; the texts are here, found by a digest of them. Two texts with one digest of 128 bits do not
 * happen. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/store_private.h"

#define MARK_BYTES 16u
#define CASES_SEEN_MAX 20000u
#define CASES_AHEAD 100
#define USED_STEP_MS \
    (INT64_C(7) * 86400000) /* used_at moves in such steps: a row is not written for each run */

struct case_key {
    uint64_t project;
    unsigned char digest[MARK_BYTES];
};

struct case_seen {
    UT_hash_handle hh;
    struct case_key key;
    uint64_t id;
    int64_t used_at;
};

/* ---- digests: of texts with their lengths, so that no two lists of them are the same bytes ---- */

static void digest_part(crypto_generichash_state *h, const void *p, size_t n)
{
    uint64_t len = n;

    (void)crypto_generichash_update(h, (const unsigned char *)&len, sizeof(len));
    (void)crypto_generichash_update(h, p, n);
}

static void digest_text(crypto_generichash_state *h, const char *s)
{
    digest_part(h, s, strlen(s));
}

static void digest_words(crypto_generichash_state *h, const char *const *words, uint32_t n)
{
    digest_part(h, &n, sizeof(n));
    for (uint32_t i = 0; i < n; i++)
        digest_text(h, words[i]);
}

/* ---- cases ---- */

void cases_done(struct writer *w)
{
    struct case_seen *c = w->cases;

    HASH_CLEAR(hh, w->cases); /* the table; the entries stay chained */
    while (c != NULL) {
        struct case_seen *next = c->hh.next;

        free(c);
        c = next;
    }
}

void cases_trim(struct writer *w)
{
    if (HASH_COUNT(w->cases) > CASES_SEEN_MAX)
        cases_done(w);
}

static uint64_t case_add(struct writer *w, const struct case_key *key, struct wall at,
                         const struct example_row *row)
{
    struct slice description = words_in(&w->batch, row->path, row->n_path);
    uint64_t id = ids_take(w, ID_CASE);
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO cases (id, project, digest, example_id, file, description, "
                      "used_at) VALUES (?, ?, ?, ?, ?, ?, ?)");

    db_uint(s, id);
    db_uint(s, key->project);
    db_bytes(s, key->digest, MARK_BYTES);
    db_text(s, row->id);
    db_text(s, row->file);
    db_bytes(s, description.ptr, description.len);
    db_int(s, at.ms);
    (void)db_run(s);
    return id;
}

static struct case_seen *case_keep(struct writer *w, const struct case_key *key, uint64_t id, int64_t used_at)
{
    struct case_seen *c = xcalloc(1, sizeof(*c));

    c->key = *key;
    c->id = id;
    c->used_at = used_at;
    HASH_ADD(hh, w->cases, key, sizeof(c->key), c);
    return c;
}

/* The cases of a file were made one after the other, and come again so: who needs one will need those behind it. */
static void cases_ahead(struct writer *w, uint64_t project, uint64_t id)
{
    struct db_stmt *s =
        db_sql(w->db, "SELECT id, project, digest, used_at FROM cases WHERE id > ? ORDER BY id LIMIT ?");

    db_uint(s, id);
    db_int(s, CASES_AHEAD);
    while (db_row(s)) {
        struct case_key key = {0};
        struct case_seen *c;
        struct slice digest;
        int64_t used_at;

        id = db_get_uint(s);
        key.project = db_get_uint(s);
        digest = db_get_bytes(s);
        if (digest.len == MARK_BYTES)
            memcpy(key.digest, digest.ptr, MARK_BYTES);
        used_at = db_get_int(s);
        if (key.project != project || digest.len != MARK_BYTES)
            continue;
        HASH_FIND(hh, w->cases, &key, sizeof(key), c);
        if (c == NULL)
            (void)case_keep(w, &key, id, used_at);
    }
}

static struct case_seen *case_find(struct writer *w, const struct case_key *key, struct wall at,
                                   const struct example_row *row)
{
    struct case_seen *c;
    struct db_stmt *s;
    int64_t used_at = at.ms;
    uint64_t id = 0;

    HASH_FIND(hh, w->cases, key, sizeof(*key), c);
    if (c != NULL)
        return c;
    s = db_sql(w->db, "SELECT id, used_at FROM cases WHERE project = ? AND digest = ?");
    db_uint(s, key->project);
    db_bytes(s, key->digest, MARK_BYTES);
    while (db_row(s)) {
        id = db_get_uint(s);
        used_at = db_get_int(s);
    }
    if (id == 0)
        return case_keep(w, key, case_add(w, key, at, row), at.ms);
    c = case_keep(w, key, id, used_at);
    cases_ahead(w, key->project, id);
    return c;
}

uint64_t case_id(struct writer *w, uint64_t project, struct wall at, const struct example_row *row)
{
    struct case_key key = {.project = project};
    crypto_generichash_state h;
    struct case_seen *c;
    struct db_stmt *s;

    (void)crypto_generichash_init(&h, NULL, 0, MARK_BYTES);
    digest_text(&h, row->id);
    digest_text(&h, row->file);
    digest_words(&h, row->path, row->n_path);
    (void)crypto_generichash_final(&h, key.digest, MARK_BYTES);
    c = case_find(w, &key, at, row);
    if (at.ms >= c->used_at + USED_STEP_MS) {
        c->used_at = at.ms;
        s = db_sql(w->db, "UPDATE cases SET used_at = ? WHERE id = ?");
        db_int(s, at.ms);
        db_uint(s, c->id);
        (void)db_run(s);
    }
    return c->id;
}

/* ---- texts and failures ---- */

static uint64_t backtrace_id(struct writer *w, const struct example_row *row)
{
    struct slice body = words_in(&w->batch, row->backtrace, row->n_backtrace);
    unsigned char digest[MARK_BYTES];
    struct db_stmt *s;
    uint64_t id = 0;

    if (body.len == 0)
        return 0;
    (void)crypto_generichash(digest, MARK_BYTES, (const unsigned char *)body.ptr, body.len, NULL, 0);
    s = db_sql(w->db, "SELECT id FROM texts WHERE digest = ?");
    db_bytes(s, digest, MARK_BYTES);
    while (db_row(s))
        id = db_get_uint(s);
    if (id != 0)
        return id;
    id = ids_take(w, ID_TEXT);
    s = db_sql(w->db, "INSERT INTO texts (id, digest, body) VALUES (?, ?, ?)");
    db_uint(s, id);
    db_bytes(s, digest, MARK_BYTES);
    db_bytes(s, body.ptr, body.len);
    (void)db_run(s);
    return id;
}

static uint64_t failure_add(struct writer *w, const unsigned char *digest, const struct example_row *row)
{
    uint64_t backtrace = backtrace_id(w, row);
    uint64_t id = ids_take(w, ID_FAILURE);
    struct db_stmt *s;

    s = db_sql(w->db,
               "INSERT INTO failures (id, digest, backtrace, exception, page_url, screenshot, pending, "
               "message) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    db_uint(s, id);
    db_bytes(s, digest, MARK_BYTES);
    db_uint(s, backtrace);
    db_text(s, row->exception);
    db_text(s, row->page_url);
    db_text(s, row->screenshot);
    db_text(s, row->pending);
    db_text(s, row->message);
    (void)db_run(s);
    return id;
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

uint64_t failure_id(struct writer *w, const struct example_row *row)
{
    unsigned char digest[MARK_BYTES];
    crypto_generichash_state h;
    struct db_stmt *s;
    uint64_t id = 0;

    if (!is_set(row->exception) && !is_set(row->message) && !is_set(row->pending) && !is_set(row->page_url) &&
        !is_set(row->screenshot) && row->n_backtrace == 0)
        return 0;
    (void)crypto_generichash_init(&h, NULL, 0, MARK_BYTES);
    digest_text(&h, row->exception);
    digest_text(&h, row->message);
    digest_text(&h, row->pending);
    digest_text(&h, is_set(row->page_url) ? row->page_url : "");
    digest_text(&h, is_set(row->screenshot) ? row->screenshot : "");
    digest_words(&h, row->backtrace, row->n_backtrace);
    (void)crypto_generichash_final(&h, digest, MARK_BYTES);
    s = db_sql(w->db, "SELECT id FROM failures WHERE digest = ?");
    db_bytes(s, digest, MARK_BYTES);
    while (db_row(s))
        id = db_get_uint(s);
    return id != 0 ? id : failure_add(w, digest, row);
}

/* ---- retention ---- */

#define PRUNE_MAX 1000u

static bool is_used(struct writer *w, const char *sql, uint64_t id)
{
    struct db_stmt *s = db_sql(w->db, sql);
    bool is_there = false;

    db_uint(s, id);
    while (db_row(s))
        is_there = true;
    return is_there;
}

static void row_delete(struct writer *w, const char *sql, uint64_t id)
{
    struct db_stmt *s = db_sql(w->db, sql);

    db_uint(s, id);
    (void)db_run(s);
}

uint64_t texts_prune(struct writer *w, uint32_t limit)
{
    struct db_stmt *s = db_sql(w->db, "SELECT id, backtrace FROM failures WHERE id > ? ORDER BY id LIMIT ?");
    uint64_t ids[PRUNE_MAX];
    uint64_t backtraces[PRUNE_MAX];
    uint32_t n = 0;
    uint64_t n_deleted = 0;

    limit = limit < PRUNE_MAX ? limit : PRUNE_MAX;
    db_uint(s, w->prune_failure);
    db_int(s, limit);
    while (n < PRUNE_MAX && db_row(s)) {
        ids[n] = db_get_uint(s);
        backtraces[n++] = db_get_uint(s);
    }
    db_end(s);
    w->prune_failure = n == limit && n > 0 ? ids[n - 1] : 0;
    for (uint32_t i = 0; i < n && !db_failed(w->db); i++) {
        if (is_used(w, "SELECT 1 FROM examples WHERE failure = ? AND failure <> 0 LIMIT 1", ids[i]))
            continue;
        row_delete(w, "DELETE FROM failures WHERE id = ?", ids[i]);
        n_deleted++;
        if (backtraces[i] == 0 ||
            is_used(w, "SELECT 1 FROM failures WHERE backtrace = ? AND backtrace <> 0 LIMIT 1",
                    backtraces[i]))
            continue;
        row_delete(w, "DELETE FROM texts WHERE id = ?", backtraces[i]);
        n_deleted++;
    }
    return n_deleted;
}

/* So many more are looked at than one of them can have left behind: the walk over all comes round in days. */
void left_behind_prune(struct writer *w, uint32_t n)
{
    if (n == 0)
        return;
    (void)texts_prune(w, 10 + n / 5);
    (void)cases_prune(w, 10 + n / 20);
}

/* A case that was last used longer ago than the oldest run is of no run: its used_at lags by less than a step. */
uint64_t cases_prune(struct writer *w, uint32_t limit)
{
    /* The first of all days in which runs were made, whatever clocks did: the lowest id does not tell it. */
    struct db_stmt *s = db_sql(w->db, "SELECT COALESCE(MIN(at), 0) FROM id_times WHERE kind = 'run' AND "
                                      "span_ms = 86400000");
    int64_t oldest = 0;
    uint64_t ids[PRUNE_MAX];
    uint32_t n = 0;

    while (db_row(s))
        oldest = db_get_int(s);
    s = db_sql(w->db, "SELECT 1 FROM runs LIMIT 1");
    if (db_one_uint(s) == 0)
        oldest = wall_now().ms; /* there are no examples */
    s = db_sql(w->db, "SELECT id FROM cases WHERE used_at < ? ORDER BY used_at, id LIMIT ?");
    db_int(s, oldest - USED_STEP_MS - 86400000); /* a day for clocks that were set */
    db_int(s, limit < PRUNE_MAX ? limit : PRUNE_MAX);
    while (n < PRUNE_MAX && db_row(s))
        ids[n++] = db_get_uint(s);
    db_end(s);
    for (uint32_t i = 0; i < n; i++)
        row_delete(w, "DELETE FROM cases WHERE id = ?", ids[i]);
    if (n > 0)
        cases_done(w);
    return n;
}
