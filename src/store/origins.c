/* origins.c - where runs come from: user, project, ref, language and browser, each combination once.
 *
 * There are as many as launches in different languages at most, and a run holds only the number: so a filter of any of the
 * five is a set of numbers, found among thousands of rows instead of millions. */
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

#define CACHE_MAX 4096u
#define KEY_BYTES_MAX MIB(1)
#define SWEEP_ROWS 2000 /* of a day */

struct origin_entry {
    uint64_t id;
    size_t key_len;
    UT_hash_handle hh;
    char key[];
};

void origins_drop(struct writer *w)
{
    struct origin_entry *e = w->origins;

    HASH_CLEAR(hh, w->origins); /* the table; the entries stay chained */
    while (e != NULL) {
        struct origin_entry *next = e->hh.next;

        free(e);
        e = next;
    }
    w->origins = NULL;
    w->origin_launch = 0;
}

/* Runs come launch by launch, mostly: remember the one at hand. */
static bool use_launch(struct writer *w, uint64_t launch)
{
    struct db_stmt *s;
    bool found = false;

    if (w->origin_launch == launch)
        return true;
    s = db_sql(w->db, "SELECT user_id, project, ref FROM launches WHERE id = ?");
    db_uint(s, launch);
    while (db_row(s)) {
        found = true;
        w->origin_user = db_get_uint(s);
        w->origin_project = db_get_uint(s);
        buf_clear(&w->origin_ref);
        buf_puts(&w->origin_ref, db_get_text(s));
    }
    w->origin_launch = found ? launch : 0;
    return found;
}

static void bind_key(struct writer *w, struct db_stmt *s, const char *language, const char *browser)
{
    db_uint(s, w->origin_user);
    db_uint(s, w->origin_project);
    db_text(s, buf_str(&w->origin_ref));
    db_text(s, language);
    db_text(s, browser);
}

static uint64_t origin_find_or_add(struct writer *w, const char *language, const char *browser)
{
    struct db_stmt *s;
    uint64_t id = 0;

    s = db_sql(w->db, "SELECT id FROM origins WHERE user_id = ? AND project = ? AND ref = ? AND "
                      "language = ? AND browser = ?");
    bind_key(w, s, language, browser);
    while (db_row(s))
        id = db_get_uint(s);
    if (id != 0)
        return id;
    id = ids_take(w, ID_ORIGIN);
    s = db_sql(w->db, "INSERT INTO origins (user_id, project, ref, language, browser, id) "
                      "VALUES (?,?,?,?,?,?)");
    bind_key(w, s, language, browser);
    db_uint(s, id);
    (void)db_run(s);
    return id;
}

uint64_t origin_id(struct writer *w, uint64_t launch, const char *language, const char *browser)
{
    struct origin_entry *e;
    struct buf key;
    uint64_t id;

    if (!use_launch(w, launch))
        return 0;
    buf_init(&key, KEY_BYTES_MAX);
    buf_printf(&key, "%llu %llu %s", (unsigned long long)w->origin_user,
               (unsigned long long)w->origin_project, language);
    buf_putc(&key, '\0');
    buf_puts(&key, browser);
    buf_putc(&key, '\0');
    buf_puts(&key, buf_str(&w->origin_ref));
    HASH_FIND(hh, w->origins, buf_str(&key), key.len, e);
    if (e == NULL) {
        if (HASH_COUNT(w->origins) >= CACHE_MAX) {
            origins_drop(w);
            (void)use_launch(w, launch);
        }
        e = xmalloc(sizeof(*e) + key.len);
        e->id = origin_find_or_add(w, language, browser);
        e->key_len = key.len;
        memcpy(e->key, key.data, key.len);
        HASH_ADD_KEYPTR(hh, w->origins, e->key, e->key_len, e);
    }
    id = e->id;
    buf_done(&key);
    return id;
}

/* Those that no run has any more, a piece of all each day. What is remembered of them goes, too. */
void origins_sweep(struct writer *w)
{
    uint64_t last = w->origin_swept;
    struct db_stmt *s;
    uint64_t n = 0;

    s = db_sql(w->db, "SELECT id FROM origins WHERE id > ? ORDER BY id LIMIT ?");
    db_uint(s, w->origin_swept);
    db_int(s, SWEEP_ROWS);
    while (db_row(s)) {
        last = db_get_uint(s);
        n++;
    }
    s = db_sql(w->db, "DELETE FROM origins WHERE id > ? AND id <= ? AND "
                      "NOT EXISTS (SELECT 1 FROM runs r WHERE r.origin = origins.id)");
    db_uint(s, w->origin_swept);
    db_uint(s, last);
    if (db_run(s) > 0) {
        origins_drop(w);
        live_done(w);
    }
    w->origin_swept = n < SWEEP_ROWS ? 0 : last;
}

/* ---- filter -> set ---------------------------------------------------------------------------------------- */

void id_set_add(struct id_set *set, uint64_t id)
{
    uint64_t word = id / 64;

    if (word >= set->n_words) {
        uint64_t n = set->n_words * 2 > word + 1 ? set->n_words * 2 : word + 64;

        set->words = xrealloc(set->words, n * sizeof(*set->words));
        memset(set->words + set->n_words, 0, (n - set->n_words) * sizeof(*set->words));
        set->n_words = n;
    }
    set->words[word] |= UINT64_C(1) << (id % 64);
    if (set->n == set->cap) {
        set->cap = set->cap == 0 ? 64 : set->cap * 2;
        set->ids = xrealloc(set->ids, set->cap * sizeof(*set->ids));
    }
    set->ids[set->n++] = id;
}

bool id_set_has(const struct id_set *set, uint64_t id)
{
    return id / 64 < set->n_words && (set->words[id / 64] >> (id % 64) & 1) != 0;
}

void id_set_done(struct id_set *set)
{
    free(set->words);
    free(set->ids);
    *set = (struct id_set){0};
}

bool origins_are_asked(const struct run_filter *f)
{
    return f->user.v != 0 || f->project.v != 0 || f->ref != NULL || f->language != NULL || f->browser != NULL;
}

void origins_find(struct reader *r, const struct run_filter *f, struct id_set *set)
{
    const char *const texts[] = {f->ref, f->language, f->browser};
    struct db_stmt *s;
    struct buf b;
    size_t i;

    buf_init(&b, SQL_BYTES_MAX);
    buf_puts(&b, "SELECT o.id FROM origins o WHERE o.id > 0");
    if (f->user.v != 0)
        buf_puts(&b, " AND o.user_id = ?");
    if (f->project.v != 0)
        buf_puts(&b, " AND o.project = ?");
    if (f->ref != NULL)
        buf_puts(&b, " AND o.ref = ?");
    if (f->language != NULL)
        buf_puts(&b, " AND o.language = ?");
    if (f->browser != NULL)
        buf_puts(&b, " AND o.browser = ?");
    s = db_built(r->db, buf_str(&b));
    buf_done(&b);
    if (f->user.v != 0)
        db_uint(s, f->user.v);
    if (f->project.v != 0)
        db_uint(s, f->project.v);
    for (i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i] != NULL)
            db_text(s, texts[i]);
    while (db_row(s))
        id_set_add(set, db_get_uint(s));
}
