/* choices.c - locations, browsers and languages, and the locations of users' own.
 *
 * A kind has few rows (CHOICES_MAX), so an edit reads them all, and writes anew the places of those that moved. */
#include <stdlib.h>
#include <string.h>

#include "model/choice.h"
#include "store/store_private.h"

#define COLUMNS "id, kind, name, type, url, health_url, position, is_preset, created_at, archived_at, used_at"

static void get_choice(struct db_stmt *s, struct choice_row *row)
{
    *row = (struct choice_row){0};
    row->id = db_get_uint(s);
    row->kind = choice_kind_parse(db_get_text(s));
    row->name = db_get_text(s);
    row->type = db_get_text(s);
    row->url = db_get_text(s);
    row->health_url = db_get_text(s);
    row->position = (uint32_t)db_get_uint(s);
    row->is_preset = db_get_int(s) != 0;
    row->created_at.ms = db_get_int(s);
    row->archived_at.ms = db_get_int(s);
    row->used_at.ms = db_get_int(s);
}

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

/* All of a kind, those that may be chosen in their order, then the archived ones. In the arena of the batch. */
struct kind_rows {
    struct choice_row *at;
    uint32_t n;
};

static struct kind_rows rows_of_kind(struct writer *w, enum choice_kind kind)
{
    struct db_stmt *s =
        db_sql(w->db, "SELECT " COLUMNS " FROM choices WHERE kind = ? ORDER BY position, id LIMIT ?");
    struct kind_rows rows = {arena_alloc(&w->batch, CHOICES_MAX * sizeof(struct choice_row)), 0};

    db_text(s, choice_kind_name(kind));
    db_int(s, CHOICES_MAX);
    while (db_row(s)) {
        struct choice_row *row = &rows.at[rows.n++];

        get_choice(s, row);
        row->name = arena_strdup(&w->batch, row->name);
        row->type = arena_strdup(&w->batch, row->type);
        row->url = arena_strdup(&w->batch, row->url);
        row->health_url = arena_strdup(&w->batch, row->health_url);
    }
    return rows;
}

static struct choice_row *find_row(const struct kind_rows *rows, uint64_t id)
{
    for (uint32_t i = 0; i < rows->n; i++) {
        if (rows->at[i].id == id)
            return &rows->at[i];
    }
    return NULL;
}

static enum err no_choice(enum choice_kind kind, uint64_t id, struct why *reterr)
{
    return why_set(reterr, ERR_NOTFOUND, NULL, "there is no %s %llu", choice_kind_name(kind),
                   (unsigned long long)id);
}

static enum err edit_fits(const struct kind_rows *rows, const struct choice_edit *e,
                          const struct choice_row *old, struct why *reterr)
{
    const char *kind = choice_kind_name(e->kind);

    if (e->id != 0 && old == NULL)
        return no_choice(e->kind, e->id, reterr);
    if (old == NULL && rows->n >= CHOICES_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "there are %u %ss already, the most there can be", rows->n,
                       kind);
    for (uint32_t i = 0; i < rows->n && e->name != NULL; i++) {
        if (&rows->at[i] != old && strcmp(rows->at[i].name, e->name) == 0)
            return why_set(reterr, ERR_CONFLICT, "name", "name: there is a %s '%s' already%s", kind, e->name,
                           rows->at[i].position == 0 ? ", an archived one; take it back instead" : "");
    }
    if (old != NULL && old->is_preset && (e->is_preset == 0 || e->is_archived == 1))
        return why_set(reterr, ERR_CONFLICT, e->is_preset == 0 ? "preset" : NULL,
                       "'%s' is the preset; make another %s that first", old->name, kind);
    if (e->is_preset == 1 && old != NULL && old->position == 0 && e->is_archived != 0)
        return why_set(reterr, ERR_CONFLICT, "preset",
                       "preset: '%s' is archived; take it back (archived: false) first", old->name);
    return ERR_OK;
}

static void write_places(struct writer *w, const struct kind_rows *rows, uint64_t mine, uint32_t place)
{
    uint32_t at = 1;

    for (uint32_t i = 0; i < rows->n; i++) {
        const struct choice_row *row = &rows->at[i];
        struct db_stmt *s;

        if (row->position == 0 || row->id == mine)
            continue;
        if (at == place)
            at++;
        if (row->position != at) {
            s = db_sql(w->db, "UPDATE choices SET position = ? WHERE id = ?");
            db_uint(s, at);
            db_uint(s, row->id);
            (void)db_run(s);
        }
        at++;
    }
}

static void write_row(struct writer *w, const struct choice_row *row)
{
    struct db_stmt *s = db_sql(w->db, "INSERT INTO choices (" COLUMNS
                                      ") VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
                                      "name = excluded.name, type = excluded.type, url = excluded.url, "
                                      "health_url = excluded.health_url, position = excluded.position, "
                                      "is_preset = excluded.is_preset, archived_at = excluded.archived_at");

    db_uint(s, row->id);
    db_text(s, choice_kind_name(row->kind));
    db_text(s, row->name);
    db_text(s, row->type);
    db_text(s, row->url);
    db_text(s, row->health_url);
    db_uint(s, row->position);
    db_int(s, row->is_preset);
    db_int(s, row->created_at.ms);
    db_int(s, row->archived_at.ms);
    db_int(s, row->used_at.ms);
    (void)db_run(s);
}

static uint32_t place_of(const struct kind_rows *rows, const struct choice_edit *e,
                         const struct choice_row *old, bool is_archived)
{
    uint32_t others = 0;

    if (is_archived)
        return 0;
    if (old != NULL && old->position != 0 && e->position == 0)
        return old->position;
    for (uint32_t i = 0; i < rows->n; i++)
        others += rows->at[i].position != 0 && &rows->at[i] != old;
    return e->position == 0 || e->position > others + 1 ? others + 1 : e->position;
}

struct choice_job {
    struct arena arena;
    struct choice_edit edit;
    struct choices_used used;
    const char *forget;
    uint64_t *ret_id;
    bool *ret_archived;
};

static enum err choice_put(struct writer *w, void *arg, struct why *reterr)
{
    const struct choice_job *job = arg;
    const struct choice_edit *e = &job->edit;
    struct kind_rows rows = rows_of_kind(w, e->kind);
    struct choice_row *old = e->id != 0 ? find_row(&rows, e->id) : NULL;
    struct choice_row row = {
        .kind = e->kind, .name = "", .type = "", .url = "", .health_url = "", .created_at = e->at};
    enum err err = edit_fits(&rows, e, old, reterr);
    bool is_archived;

    if (err != ERR_OK)
        return err;
    if (old != NULL)
        row = *old;
    else
        row.id = ids_take(w, ID_CHOICE);
    row.name = e->name != NULL ? e->name : row.name;
    row.type = e->type != NULL ? e->type : row.type;
    row.url = e->url != NULL ? e->url : row.url;
    row.health_url = e->health_url != NULL ? e->health_url : row.health_url;
    is_archived = e->is_archived >= 0 ? e->is_archived == 1 : row.archived_at.ms != 0;
    if (is_archived != (row.archived_at.ms != 0))
        row.archived_at = is_archived ? e->at : (struct wall){0};
    if (e->is_preset >= 0)
        row.is_preset = e->is_preset == 1;
    row.position = place_of(&rows, e, old, is_archived);
    if (row.is_preset && (old == NULL || !old->is_preset)) {
        struct db_stmt *s = db_sql(w->db, "UPDATE choices SET is_preset = 0 WHERE kind = ?");

        db_text(s, choice_kind_name(e->kind));
        (void)db_run(s);
    }
    write_places(w, &rows, row.id, row.position);
    write_row(w, &row);
    *job->ret_id = row.id;
    return ERR_OK;
}

static enum err choice_delete(struct writer *w, void *arg, struct why *reterr)
{
    const struct choice_job *job = arg;
    const struct choice_edit *e = &job->edit;
    struct kind_rows rows = rows_of_kind(w, e->kind);
    struct choice_row *old = find_row(&rows, e->id);
    enum err err = edit_fits(&rows, e, old, reterr);

    if (err != ERR_OK)
        return err;
    *job->ret_archived = old->used_at.ms != 0;
    write_places(w, &rows, old->id, 0);
    if (old->used_at.ms != 0) {
        old->position = 0;
        if (old->archived_at.ms == 0)
            old->archived_at = e->at;
        write_row(w, old);
    } else {
        struct db_stmt *s = db_sql(w->db, "DELETE FROM choices WHERE id = ?");

        db_uint(s, old->id);
        (void)db_run(s);
    }
    return ERR_OK;
}

/* ---- what was used --------------------------------------------------------------------------------------- */

static void own_location_put(struct writer *w, struct user_id user, const char *url, struct wall at)
{
    struct db_stmt *s = db_sql(w->db, "INSERT INTO own_locations (user_id, url, used_at) VALUES (?, ?, ?) "
                                      "ON CONFLICT (user_id, url) DO UPDATE SET used_at = excluded.used_at");

    db_uint(s, user.v);
    db_text(s, url);
    db_int(s, at.ms);
    (void)db_run(s);
    /* two of the same instant: the one just used must not be the one that goes */
    s = db_sql(w->db, "DELETE FROM own_locations WHERE user_id = ? AND url IN (SELECT url FROM own_locations "
                      "WHERE user_id = ? AND url <> ? ORDER BY used_at DESC, url LIMIT 1000 OFFSET ?)");
    db_uint(s, user.v);
    db_uint(s, user.v);
    db_text(s, url);
    db_int(s, OWN_LOCATIONS_MAX - 1);
    (void)db_run(s);
}

static enum err choices_used(struct writer *w, void *arg, struct why *reterr)
{
    const struct choice_job *job = arg;

    (void)reterr;
    for (uint32_t i = 0; i < job->used.n_ids; i++) {
        struct db_stmt *s = db_sql(w->db, "UPDATE choices SET used_at = ? WHERE id = ?");

        db_int(s, job->used.at.ms);
        db_uint(s, job->used.ids[i]);
        (void)db_run(s);
    }
    if (job->used.own_location != NULL)
        own_location_put(w, job->used.user, job->used.own_location, job->used.at);
    return ERR_OK;
}

static enum err own_location_forget(struct writer *w, void *arg, struct why *reterr)
{
    const struct choice_job *job = arg;
    struct db_stmt *s = db_sql(w->db, "DELETE FROM own_locations WHERE user_id = ? AND url = ?");

    db_uint(s, job->used.user.v);
    db_text(s, job->forget);
    if (db_run(s) != 1 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, "url", "url: '%.100s' is none of your own locations",
                       job->forget);
    return ERR_OK;
}

void own_locations_delete(struct writer *w, struct user_id user)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM own_locations WHERE user_id = ?");

    db_uint(s, user.v);
    (void)db_run(s);
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

static struct choice_job *job_new(void)
{
    struct choice_job *job = xcalloc(1, sizeof(*job));

    arena_init(&job->arena);
    return job;
}

static void job_free(void *arg)
{
    struct choice_job *job = arg;

    arena_done(&job->arena);
    free(job);
}

static const char *keep(struct choice_job *job, const char *text)
{
    return text != NULL ? arena_strdup(&job->arena, text) : NULL;
}

void store_choice_put(struct store *st, const struct choice_edit *edit, uint64_t *ret_id, store_done_fn *done,
                      void *ctx)
{
    struct choice_job *job = job_new();

    job->edit = *edit;
    job->edit.name = keep(job, edit->name);
    job->edit.type = keep(job, edit->type);
    job->edit.url = keep(job, edit->url);
    job->edit.health_url = keep(job, edit->health_url);
    job->ret_id = ret_id;
    store_call(st, choice_put, job, job_free, done, ctx);
}

void store_choice_delete(struct store *st, enum choice_kind kind, uint64_t id, struct wall now,
                         bool *ret_archived, store_done_fn *done, void *ctx)
{
    struct choice_job *job = job_new();

    job->edit = (struct choice_edit){.id = id, .kind = kind, .is_preset = -1, .is_archived = 1, .at = now};
    job->ret_archived = ret_archived;
    store_call(st, choice_delete, job, job_free, done, ctx);
}

void store_choices_used(struct store *st, const struct choices_used *used, store_done_fn *done, void *ctx)
{
    struct choice_job *job = job_new();

    job->used = *used;
    job->used.own_location = keep(job, used->own_location);
    if (used->n_ids > 0) {
        uint64_t *ids = arena_alloc(&job->arena, used->n_ids * sizeof(*ids));

        memcpy(ids, used->ids, used->n_ids * sizeof(*ids));
        job->used.ids = ids;
    }
    store_call(st, choices_used, job, job_free, done, ctx);
}

void store_own_location_forget(struct store *st, struct user_id user, const char *url, store_done_fn *done,
                               void *ctx)
{
    struct choice_job *job = job_new();

    job->used.user = user;
    job->forget = keep(job, url);
    store_call(st, own_location_forget, job, job_free, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

static uint32_t each_choice(struct db_stmt *s, choice_fn *each, void *ctx)
{
    uint32_t n = 0;

    while (db_row(s)) {
        struct choice_row row;

        get_choice(s, &row);
        each(ctx, &row);
        n++;
    }
    return n;
}

enum err read_choices(struct reader *r, enum choice_kind kind, bool archived, choice_fn *each, void *ctx,
                      struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT " COLUMNS
                      " FROM choices WHERE kind = ? AND position >= 1 ORDER BY position, id LIMIT ?");

    db_text(s, choice_kind_name(kind));
    db_int(s, CHOICES_MAX);
    (void)each_choice(s, each, ctx);
    if (archived) {
        s = db_sql(r->db,
                   "SELECT " COLUMNS " FROM choices WHERE kind = ? AND position = 0 ORDER BY id LIMIT ?");
        db_text(s, choice_kind_name(kind));
        db_int(s, CHOICES_MAX);
        (void)each_choice(s, each, ctx);
    }
    return db_error(r->db, reterr);
}

enum err read_choice(struct reader *r, enum choice_kind kind, uint64_t id, choice_fn *each, void *ctx,
                     struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " FROM choices WHERE id = ? AND kind = ?");

    db_uint(s, id);
    db_text(s, choice_kind_name(kind));
    if (each_choice(s, each, ctx) == 0 && !db_failed(r->db))
        return no_choice(kind, id, reterr);
    return db_error(r->db, reterr);
}

enum err read_choice_named(struct reader *r, enum choice_kind kind, const char *name, choice_fn *each,
                           void *ctx, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT " COLUMNS " FROM choices WHERE kind = ? AND name = ? AND position >= 1");
    const char *word = choice_kind_name(kind);

    db_text(s, word);
    db_text(s, name);
    if (each_choice(s, each, ctx) == 0 && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, word, "%s: there is no %s '%.100s'; `wrata %ss` lists them",
                       word, word, name, word);
    return db_error(r->db, reterr);
}

enum err read_choice_preset(struct reader *r, enum choice_kind kind, choice_fn *each, void *ctx,
                            struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " COLUMNS " FROM choices WHERE kind = ? AND position >= 1 "
                                      "AND is_preset = 1 ORDER BY position, id LIMIT 1");
    const char *word = choice_kind_name(kind);

    db_text(s, word);
    if (each_choice(s, each, ctx) == 0 && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, word, "%s: none is named, and none is the preset", word);
    return db_error(r->db, reterr);
}

enum err read_own_locations(struct reader *r, struct user_id user, own_location_fn *each, void *ctx,
                            struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT url, used_at FROM own_locations WHERE user_id = ? "
                                      "ORDER BY used_at DESC LIMIT ?");

    db_uint(s, user.v);
    db_int(s, OWN_LOCATIONS_MAX);
    while (db_row(s)) {
        struct own_location_row row = {.url = db_get_text(s)};

        row.used_at.ms = db_get_int(s);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}
