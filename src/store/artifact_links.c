/* artifact_links.c - which example a file belongs to.
 *
 * By what the example said (the paths of its line on the results channel); else by name: the longest of an example's id, the names
 * that lead to it, or its own name that stands in the file's path, all of them as lower case words with '-' between. Where two
 * examples fit alike, none is taken. Decided once, in the transaction that ends the run: all its examples are stored by then. */
#include <string.h>

#include "store/store_private.h"

#define EXAMPLES_MAX 3000u /* looked at by name, the first ones */
#define LOOKS_MAX 300000u  /* names tried together, about 30 ms */
#define SLUG_BYTES_MAX 2000u
#define OWN_NAME_MIN 12u /* of an example's own name alone: "works" fits everything */
#define WHOLE_NAME_MIN 6u

struct file {
    uint64_t id;
    const char *path;
    const char *slug; /* "-tmp-shots-a-png-" */
    int64_t example;
    size_t fit; /* length of the name that fitted best */
    bool is_tied;
};

struct files {
    struct file *at;
    uint32_t n;
    uint32_t looks;
};

/* "Log in shows: ÄB" -> "-log-in-shows-Äb-": other than ASCII stays as it is. */
static const char *slug_of(struct arena *a, struct slice text)
{
    char *out = arena_alloc(a, text.len + 3);
    size_t n = 0;

    out[n++] = '-';
    for (size_t i = 0; i < text.len && n < SLUG_BYTES_MAX; i++) {
        char c = text.ptr[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80)
            out[n++] = c;
        else if (out[n - 1] != '-')
            out[n++] = '-';
    }
    if (out[n - 1] != '-')
        out[n++] = '-';
    out[n] = '\0';
    return out;
}

static struct files files_of_run(struct writer *w, uint64_t run)
{
    struct db_stmt *s = db_sql(w->db, "SELECT COUNT(*) FROM artifacts WHERE run = ?");
    struct files files = {0};
    uint64_t n = 0;

    db_uint(s, run);
    while (db_row(s))
        n = db_get_uint(s);
    files.at = arena_alloc(&w->batch, (n + 1) * sizeof(*files.at));
    s = db_sql(w->db, "SELECT id, path FROM artifacts WHERE run = ? ORDER BY id LIMIT ?");
    db_uint(s, run);
    db_uint(s, n);
    while (db_row(s)) {
        struct file *f = &files.at[files.n++];

        *f = (struct file){.id = db_get_uint(s), .example = -1};
        f->path = arena_strdup(&w->batch, db_get_text(s));
    }
    return files;
}

/* ---- by what the example said ---- */

/* The whole path, or the end of one that the adapter could not shorten. */
static bool is_path_of(const char *said, const char *path)
{
    size_t n = strlen(said);
    size_t m = strlen(path);

    return n >= m && strcmp(said + n - m, path) == 0 && (n == m || said[n - m - 1] == '/');
}

static void link_by_word(struct writer *w, uint64_t run, struct files *files)
{
    struct db_stmt *s = db_sql(
        w->db, "SELECT seq, artifacts FROM examples WHERE run = ? AND length(artifacts) > 0 ORDER BY seq");

    db_uint(s, run);
    while (db_row(s)) {
        int64_t seq = db_get_int(s);
        uint32_t n;
        const char *const *said = words_decode(&w->batch, db_get_bytes(s), &n);

        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < files->n && files->looks < LOOKS_MAX; k++) {
                files->looks++;
                if (files->at[k].example < 0 && is_path_of(said[i], files->at[k].path))
                    files->at[k].example = seq;
            }
    }
}

/* ---- by name ---- */

static void try_name(struct files *files, int64_t seq, const char *slug, size_t least)
{
    size_t len = strlen(slug);

    if (len < least + 2)
        return;
    for (uint32_t i = 0; i < files->n && files->looks < LOOKS_MAX; i++) {
        struct file *f = &files->at[i];

        if (f->slug == NULL || f->fit > len)
            continue;
        files->looks++;
        if (strstr(f->slug, slug) == NULL)
            continue;
        if (f->fit == len) {
            f->is_tied = f->is_tied || f->example != seq;
            continue;
        }
        f->is_tied = false;
        f->fit = len;
        f->example = seq;
    }
}

static void try_example(struct writer *w, struct files *files, int64_t seq, const char *id,
                        struct slice words)
{
    struct arena *a = &w->batch;
    uint32_t n;
    const char *const *path = words_decode(a, words, &n);
    struct buf all;

    try_name(files, seq, slug_of(a, slice_of(id)), WHOLE_NAME_MIN);
    if (n == 0)
        return;
    buf_init(&all, KIB(128));
    for (uint32_t i = 0; i < n; i++) {
        buf_puts(&all, path[i]);
        buf_putc(&all, ' ');
    }
    try_name(files, seq, slug_of(a, buf_slice(&all)), WHOLE_NAME_MIN);
    buf_done(&all);
    try_name(files, seq, slug_of(a, slice_of(path[n - 1])), OWN_NAME_MIN);
}

static void link_by_name(struct writer *w, uint64_t run, struct files *files)
{
    struct db_stmt *s;
    bool any = false;

    for (uint32_t i = 0; i < files->n; i++) {
        if (files->at[i].example >= 0)
            continue;
        files->at[i].slug = slug_of(&w->batch, slice_of(files->at[i].path));
        any = true;
    }
    if (!any)
        return;
    s = db_sql(w->db, "SELECT e.seq, c.example_id, c.description FROM examples e CROSS JOIN cases c "
                      "WHERE e.run = ? AND c.id = e.case_id ORDER BY e.seq LIMIT ?");
    db_uint(s, run);
    db_int(s, EXAMPLES_MAX);
    while (db_row(s)) {
        int64_t seq = db_get_int(s);
        const char *id = arena_strdup(&w->batch, db_get_text(s));

        try_example(w, files, seq, id, db_get_bytes(s));
    }
}

void artifacts_link(struct writer *w, struct run_id run)
{
    struct files files = files_of_run(w, run.v);

    link_by_word(w, run.v, &files);
    link_by_name(w, run.v, &files);
    for (uint32_t i = 0; i < files.n; i++) {
        const struct file *f = &files.at[i];
        struct db_stmt *s;

        if (f->example < 0 || f->is_tied)
            continue;
        s = db_sql(w->db, "UPDATE artifacts SET example = ? WHERE id = ?");
        db_int(s, f->example);
        db_uint(s, f->id);
        (void)db_run(s);
    }
}

/* ---- rows -> model: for examples ---- */

void artifact_marks_read(struct reader *r, uint64_t run, struct artifact_marks *marks)
{
    struct db_stmt *s;

    if (marks->run == run)
        return;
    marks->run = run;
    marks->n = 0;
    s = db_sql(r->db, "SELECT id, example FROM artifacts WHERE run = ? AND example >= 0 ORDER BY id");
    db_uint(s, run);
    while (db_row(s)) {
        if (marks->n == marks->cap) {
            marks->cap = marks->cap == 0 ? 32 : marks->cap * 2;
            marks->at = xrealloc(marks->at, marks->cap * sizeof(*marks->at));
        }
        marks->at[marks->n].id = db_get_uint(s);
        marks->at[marks->n++].example = db_get_int(s);
    }
}

const uint64_t *artifact_marks_of(const struct artifact_marks *marks, struct arena *a, uint32_t seq,
                                  uint32_t *retn)
{
    uint64_t *ids = NULL;
    uint32_t n = 0;

    for (uint32_t i = 0; i < marks->n; i++)
        n += marks->at[i].example == seq;
    if (n > 0)
        ids = arena_alloc(a, n * sizeof(*ids));
    *retn = n;
    n = 0;
    for (uint32_t i = 0; i < marks->n; i++)
        if (marks->at[i].example == seq)
            ids[n++] = marks->at[i].id;
    return ids;
}
