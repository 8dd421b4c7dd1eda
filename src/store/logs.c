/* logs.c - the logs of runs: appended at the group commit, compressed by blocks, read from any byte.
 *
 * A log is three pieces, in order:
 *
 *     blob file (log_blocks tells where)  |  logs.body  |  rows of log_tail
 *     [0, blob_raw_bytes)                    small       what came since
 *
 * Appends of a batch are collected per log and written once: to `body` when the log is new and tiny, else as one row
 * of log_tail. When body and tail reach a block, they become one in the run's blob file, which is on disk before the
 * transaction that records the block and deletes the rows commits: a crash in between leaves a file that is longer
 * than its rows say, and the next start cuts it. A log that ends small becomes one compressed body and has no file.
 *
 * Invariants:
 *   S1  size_bytes = blob_raw_bytes + body_raw_bytes + bytes of log_tail
 *   S2  a blob file is at least blob_file_bytes long, and exactly that when no batch is being written
 *   S3  a complete log has no tail, and either a body or a blob file */
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/fault.h"
#include "base/log.h"
#include "store/blob.h"
#include "store/log_times.h"
#include "store/store_private.h"

#define LOG_INLINE_MAX 1024u /* of a first append that goes into body: the row is rewritten by each append */
#define LOG_GZIP_MIN 256u    /* below, the header alone eats what is won */
#define LOG_SMALL_MAX \
    KIB(64) /* at its end such a log stays a row: about 10 KiB, where a file costs two syncs */
#define CACHE_MAX 4096

/* Bytes of this batch, and when they were printed; 0: not known. */
struct pending {
    struct slice bytes;
    int64_t ms;
};

struct log_state {
    uint64_t run;
    bool exists; /* has a row */
    bool complete;
    bool ending; /* in this batch */
    bool dirty;  /* is in the writer's list */
    bool body_is_gzip;
    uint64_t size;  /* with what this batch appends */
    uint64_t lines; /* newlines, without what this batch appends until it is flushed */
    uint64_t body_raw;
    struct blob_pos blob;
    bool open_line;   /* the last byte is no newline, in the rows */
    int64_t last_ms;  /* of the last mark; 0 none, or not since the start of the program */
    int64_t block_ms; /* the same, of those in the blob file */
    uint64_t stored;  /* of one that is complete: what it takes */
    struct pending *pending;
    uint32_t n_pending;
    uint32_t cap_pending;
    uint64_t pending_bytes;
    struct log_state *next_dirty;
    UT_hash_handle hh;
};

/* Eight bytes at a time: it is done to every byte of every log, and some are nothing but newlines. */
static uint64_t count_lines(const char *p, size_t n)
{
    uint64_t lines = 0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        uint64_t w;

        memcpy(&w, p + i, 8);
        w ^= 0x0a0a0a0a0a0a0a0au; /* a newline is 0 now; the high bit of each byte that is 0 stays */
        w = ~(((w & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu) | w | 0x7f7f7f7f7f7f7f7fu);
        lines += (uint64_t)__builtin_popcountll(w);
    }
    for (; i < n; i++)
        lines += p[i] == '\n';
    return lines;
}

/* ---- where a log stands ---------------------------------------------------------------------------------- */

static struct log_state *log_state_add(struct writer *w, uint64_t run)
{
    struct log_state *st = xcalloc(1, sizeof(*st));

    st->run = run;
    HASH_ADD(hh, w->logs, run, sizeof(st->run), st);
    return st;
}

static void log_state_free(struct writer *w, struct log_state *st)
{
    CHECK(w->logs != NULL);
    HASH_DEL(w->logs, st);
    free(st->pending);
    free(st);
}

void log_new(struct writer *w, uint64_t run)
{
    (void)log_state_add(w, run);
}

static void keep_ms(void *ctx, struct log_mark mark)
{
    *(int64_t *)ctx = mark.ms;
}

/* The last times of a log that is not in the cache. */
static void log_state_times(struct writer *w, struct log_state *st)
{
    struct db_stmt *s;

    s = db_sql(w->db, "SELECT times FROM log_blocks WHERE run = ? ORDER BY raw_offset DESC LIMIT 1");
    db_uint(s, st->run);
    while (db_row(s))
        log_times_each(db_get_bytes(s), keep_ms, &st->block_ms);
    st->last_ms = st->block_ms;
    s = db_sql(w->db, "SELECT times FROM log_tail WHERE run = ? ORDER BY raw_offset DESC LIMIT 1");
    db_uint(s, st->run);
    while (db_row(s))
        log_times_each(db_get_bytes(s), keep_ms, &st->last_ms);
}

static enum err log_state_of(struct writer *w, uint64_t run, struct log_state **ret, struct why *reterr)
{
    struct log_state *st;
    struct db_stmt *s;

    HASH_FIND(hh, w->logs, &run, sizeof(run), st);
    if (st != NULL) {
        *ret = st;
        return ERR_OK;
    }
    st = log_state_add(w, run);
    s = db_sql(w->db, "SELECT size_bytes, lines, complete, blob_raw_bytes, blob_file_bytes, blob_crc, "
                      "body_raw_bytes, body_is_gzip, open_line FROM logs WHERE run = ?");
    db_uint(s, run);
    while (db_row(s)) {
        st->exists = true;
        st->size = db_get_uint(s);
        st->lines = db_get_uint(s);
        st->complete = db_get_int(s) != 0;
        st->blob.raw_bytes = db_get_uint(s);
        st->blob.file_bytes = db_get_uint(s);
        st->blob.crc = (uint32_t)db_get_uint(s);
        st->body_raw = db_get_uint(s);
        st->body_is_gzip = db_get_int(s) != 0;
        st->open_line = db_get_int(s) != 0;
    }
    if (st->exists)
        log_state_times(w, st);
    if (!st->exists && live_run_get(w, run) == NULL && !db_failed(w->db)) {
        log_state_free(w, st);
        (void)why_set(reterr, ERR_NOTFOUND, NULL, "there is no run %llu", (unsigned long long)run);
        return ERR_NOTFOUND;
    }
    *ret = st;
    return ERR_OK;
}

void log_forget(struct writer *w)
{
    struct log_state *st = w->logs;

    HASH_CLEAR(hh, w->logs); /* the table; the entries stay chained */
    while (st != NULL) {
        struct log_state *next = st->hh.next;

        free(st->pending);
        free(st);
        st = next;
    }
    w->dirty_logs = NULL;
}

static void mark_dirty(struct writer *w, struct log_state *st)
{
    if (st->dirty)
        return;
    st->dirty = true;
    st->next_dirty = w->dirty_logs;
    w->dirty_logs = st;
}

enum err log_append(struct writer *w, struct run_id run, uint64_t offset, const char *bytes, uint32_t len,
                    struct wall at, struct why *reterr)
{
    struct log_state *st;
    enum err err = log_state_of(w, run.v, &st, reterr);
    uint64_t known;

    if (err != ERR_OK)
        return err;
    if (offset > st->size)
        return why_set(reterr, ERR_CONFLICT, NULL,
                       "the log of run %llu has %llu bytes, so it cannot go on at %llu",
                       (unsigned long long)run.v, (unsigned long long)st->size, (unsigned long long)offset);
    known = st->size - offset;
    if (known >= len)
        return ERR_OK;
    if (st->complete || st->ending)
        return why_set(reterr, ERR_CONFLICT, NULL, "the log of run %llu is complete with %llu bytes",
                       (unsigned long long)run.v, (unsigned long long)st->size);
    if (st->n_pending == st->cap_pending) {
        st->cap_pending = st->cap_pending == 0 ? 2 : st->cap_pending * 2;
        st->pending = xrealloc(st->pending, st->cap_pending * sizeof(*st->pending));
    }
    st->pending[st->n_pending++] = (struct pending){{bytes + known, len - (size_t)known}, at.ms};
    st->pending_bytes += len - known;
    st->size += len - known;
    mark_dirty(w, st);
    return ERR_OK;
}

enum err log_end(struct writer *w, struct run_id run, struct why *reterr)
{
    struct log_state *st;
    enum err err = log_state_of(w, run.v, &st, reterr);

    if (err != ERR_OK || st->complete || st->ending)
        return err;
    st->ending = true;
    mark_dirty(w, st);
    return ERR_OK;
}

/* ---- writing what a batch appended ----------------------------------------------------------------------- */

/* The bytes that are not in the blob file yet: those of the rows first. *ret_rows: how many were in rows. */
static void gather(struct writer *w, struct log_state *st, struct buf *out, size_t *ret_rows)
{
    uint64_t in_rows = st->size - st->pending_bytes - st->blob.raw_bytes;
    struct db_stmt *s;
    uint32_t i;

    buf_init(out, (size_t)(st->size - st->blob.raw_bytes) + 1);
    if (in_rows > 0) {
        s = db_sql(w->db, "SELECT body FROM logs WHERE run = ?");
        db_uint(s, st->run);
        while (db_row(s)) {
            struct slice b = db_get_bytes(s);

            if (b.len != st->body_raw)
                db_fail(w->db, "the stored log of run %llu is damaged", (unsigned long long)st->run);
            else
                buf_put(out, b.ptr, b.len);
        }
        s = db_sql(w->db, "SELECT bytes FROM log_tail WHERE run = ? ORDER BY raw_offset");
        db_uint(s, st->run);
        while (db_row(s)) {
            struct slice b = db_get_bytes(s);

            if (out->len + b.len > in_rows)
                db_fail(w->db, "the stored log of run %llu is damaged", (unsigned long long)st->run);
            else
                buf_put(out, b.ptr, b.len);
        }
        if (out->len != in_rows)
            db_fail(w->db, "the stored log of run %llu is damaged", (unsigned long long)st->run);
    }
    *ret_rows = out->len;
    for (i = 0; i < st->n_pending; i++)
        buf_put(out, st->pending[i].bytes.ptr, st->pending[i].bytes.len);
}

static void add_mark(void *ctx, struct log_mark mark)
{
    log_marks_add(ctx, mark.line, mark.ms);
}

/* The marks of what is in rows. */
static void gather_marks(struct writer *w, const struct log_state *st, struct log_marks *m)
{
    struct db_stmt *s;

    if (!st->exists)
        return;
    s = db_sql(w->db, "SELECT times FROM logs WHERE run = ?");
    db_uint(s, st->run);
    while (db_row(s))
        log_times_each(db_get_bytes(s), add_mark, m);
    s = db_sql(w->db, "SELECT times FROM log_tail WHERE run = ? ORDER BY raw_offset");
    db_uint(s, st->run);
    while (db_row(s))
        log_times_each(db_get_bytes(s), add_mark, m);
}

/* Those of what this batch appended: of each piece the first line that begins in it. Lines and their ends are counted up to
 * the end of the batch; `lines` those before it. */
static void pending_marks(struct log_state *st, uint64_t lines, struct log_marks *m)
{
    bool is_open = st->open_line;

    for (uint32_t i = 0; i < st->n_pending; i++) {
        struct slice b = st->pending[i].bytes;
        int64_t ms = st->pending[i].ms > st->last_ms ? st->pending[i].ms : st->last_ms;
        const char *newline = memchr(b.ptr, '\n', b.len);

        if (st->pending[i].ms > 0 && (!is_open || (newline != NULL && newline + 1 < b.ptr + b.len))) {
            log_marks_add(m, lines + is_open, ms);
            st->last_ms = ms;
        }
        lines += count_lines(b.ptr, b.len);
        is_open = b.ptr[b.len - 1] != '\n';
    }
    st->open_line = is_open;
}

/* The time of the last mark of a piece; *ms stays when there is none. */
static void last_mark(struct slice times, int64_t *ms)
{
    log_times_each(times, keep_ms, ms);
}

/* Take the marks of lines that begin before `end` out of `m`, coded; the first of them stands for line `from` at the latest, so
 * that a piece of a log is understood by itself. */
static void split_marks(struct log_marks *m, uint64_t from, uint64_t end, int64_t before_ms, struct buf *out)
{
    struct log_marks part = {0};
    uint32_t n = 0;

    while (n < m->n && m->at[n].line < end)
        n++;
    if (before_ms > 0 && (n == 0 || m->at[0].line > from))
        log_marks_add(&part, from, before_ms);
    for (uint32_t i = 0; i < n; i++)
        log_marks_add(&part, m->at[i].line, m->at[i].ms);
    memmove(m->at, m->at + n, (m->n - n) * sizeof(*m->at));
    m->n -= n;
    log_times_encode(&part, out);
}

static void tail_add(struct writer *w, struct log_state *st, uint64_t offset, struct slice bytes,
                     const struct log_marks *marks)
{
    struct db_stmt *s =
        db_sql(w->db, "INSERT INTO log_tail (run, raw_offset, bytes, times) VALUES (?, ?, ?, ?)");
    struct buf times;

    buf_init(&times, LOG_TIMES_BYTES_MAX);
    log_times_encode(marks, &times);
    db_uint(s, st->run);
    db_uint(s, offset);
    db_bytes(s, bytes.ptr, bytes.len);
    db_bytes(s, buf_str(&times), times.len);
    (void)db_run(s);
    buf_done(&times);
}

static void tail_clear(struct writer *w, struct log_state *st)
{
    struct db_stmt *s;

    if (st->size - st->pending_bytes - st->blob.raw_bytes == st->body_raw)
        return; /* there is none */
    s = db_sql(w->db, "DELETE FROM log_tail WHERE run = ?");
    db_uint(s, st->run);
    (void)db_run(s);
}

/* Write the row. body NULL leaves the body and its marks as they are. */
static void row_put(struct writer *w, struct log_state *st, const struct slice *body,
                    const struct log_marks *marks)
{
    struct slice none = {"", 0};
    struct db_stmt *s;
    struct buf times;

    if (!st->exists && body == NULL)
        body = &none;
    if (!st->exists)
        s = db_sql(w->db, "INSERT INTO logs (size_bytes, lines, complete, blob_raw_bytes, blob_file_bytes, "
                          "blob_crc, body_raw_bytes, body_is_gzip, open_line, body, times, run) "
                          "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)");
    else if (body != NULL)
        s = db_sql(w->db, "UPDATE logs SET size_bytes = ?, lines = ?, complete = ?, blob_raw_bytes = ?, "
                          "blob_file_bytes = ?, blob_crc = ?, body_raw_bytes = ?, body_is_gzip = ?, "
                          "open_line = ?, body = ?, times = ? WHERE run = ?");
    else
        s = db_sql(w->db, "UPDATE logs SET size_bytes = ?, lines = ?, complete = ?, blob_raw_bytes = ?, "
                          "blob_file_bytes = ?, blob_crc = ?, body_raw_bytes = ?, body_is_gzip = ?, "
                          "open_line = ? WHERE run = ?");
    buf_init(&times, LOG_TIMES_BYTES_MAX);
    if (marks != NULL)
        log_times_encode(marks, &times);
    db_uint(s, st->size);
    db_uint(s, st->lines);
    db_int(s, st->complete);
    db_uint(s, st->blob.raw_bytes);
    db_uint(s, st->blob.file_bytes);
    db_int(s, st->blob.crc);
    db_uint(s, st->body_raw);
    db_int(s, st->body_is_gzip);
    db_int(s, st->open_line);
    if (body != NULL) {
        db_bytes(s, body->ptr, body->len);
        db_bytes(s, buf_str(&times), times.len);
    }
    db_uint(s, st->run);
    (void)db_run(s);
    buf_done(&times);
    st->exists = true;
}

static enum err write_block(struct writer *w, struct log_state *st, const char *bytes, uint32_t len,
                            bool last, uint64_t first_line, struct slice times, struct why *reterr)
{
    uint64_t raw_offset = st->blob.raw_bytes;
    uint64_t file_offset;
    struct db_stmt *s;
    enum err err;

    err = blob_write(w->blobs, st->run, &st->blob, bytes, len, last, &file_offset, reterr);
    if (err != ERR_OK || len == 0)
        return err;
    s = db_sql(w->db,
               "INSERT INTO log_blocks (run, raw_offset, raw_bytes, file_offset, file_bytes, first_line, "
               "times) VALUES (?, ?, ?, ?, ?, ?, ?)");
    db_uint(s, st->run);
    db_uint(s, raw_offset);
    db_int(s, len);
    db_uint(s, file_offset);
    db_uint(s, st->blob.file_bytes - file_offset);
    db_uint(s, first_line);
    db_bytes(s, times.ptr, times.len);
    (void)db_run(s);
    return ERR_OK;
}

/* Whole blocks to the blob file; the rest stays a row, or is the last block when the log ends. */
static enum err flush_to_blob(struct writer *w, struct log_state *st, struct why *reterr)
{
    struct slice none = {"", 0};
    struct log_marks marks = {0};
    int64_t before_ms = st->block_ms; /* of the last mark of what is in the file */
    struct slice rest;
    struct buf times;
    struct buf all;
    size_t rows;
    uint64_t line;
    enum err err = ERR_OK;

    gather(w, st, &all, &rows);
    gather_marks(w, st, &marks);
    pending_marks(st, st->lines, &marks);
    buf_init(&times, LOG_TIMES_BYTES_MAX);
    rest = buf_slice(&all);
    line = st->lines - count_lines(rest.ptr, rows);
    tail_clear(w, st);
    while (err == ERR_OK && (rest.len >= BLOB_BLOCK_BYTES || st->ending)) {
        uint32_t len = rest.len < BLOB_BLOCK_BYTES ? (uint32_t)rest.len : BLOB_BLOCK_BYTES;
        bool last = st->ending && len == rest.len;
        uint64_t next = line + count_lines(rest.ptr, len);
        uint64_t end = last || (len > 0 && rest.ptr[len - 1] != '\n') ? next + 1 : next;

        buf_clear(&times);
        split_marks(&marks, line, end, before_ms, &times);
        last_mark(buf_slice(&times), &before_ms);
        err = write_block(w, st, rest.ptr, len, last, line, buf_slice(&times), reterr);
        line = next;
        rest.ptr += len;
        rest.len -= len;
        if (last)
            break;
    }
    st->block_ms = before_ms;
    if (err == ERR_OK) {
        if (rest.len > 0)
            tail_add(w, st, st->blob.raw_bytes, rest, &marks);
        st->lines = line + count_lines(rest.ptr, rest.len);
        st->complete = st->ending;
        st->stored = st->blob.file_bytes;
        st->body_raw = 0;
        st->body_is_gzip = false;
        row_put(w, st, &none, NULL);
    }
    buf_done(&times);
    buf_done(&all);
    return err;
}

/* The log ends small: its bytes become the body. */
static void flush_to_body(struct writer *w, struct log_state *st)
{
    struct log_marks marks = {0};
    struct slice body;
    struct buf all;
    struct buf gz;
    size_t rows;

    gather(w, st, &all, &rows);
    gather_marks(w, st, &marks);
    pending_marks(st, st->lines, &marks);
    buf_init(&gz, 2 * LOG_SMALL_MAX);
    tail_clear(w, st);
    body = buf_slice(&all);
    st->lines += count_lines(body.ptr + rows, body.len - rows);
    st->complete = true;
    if (body.len >= LOG_GZIP_MIN)
        blob_gzip(w->blobs, body.ptr, (uint32_t)body.len, &gz);
    st->body_is_gzip = gz.len > 0 && gz.len < body.len;
    if (st->body_is_gzip)
        body = buf_slice(&gz);
    st->stored = body.len;
    if (st->exists && st->body_raw == st->size && !st->body_is_gzip) {
        row_put(w, st, NULL, NULL); /* it is there already */
    } else {
        st->body_raw = st->size;
        row_put(w, st, &body, &marks);
    }
    buf_done(&gz);
    buf_done(&all);
}

static void flush_to_rows(struct writer *w, struct log_state *st)
{
    struct log_marks marks = {0};
    struct slice bytes = st->pending[0].bytes;
    struct buf joined;
    uint32_t i;

    pending_marks(st, st->lines, &marks);
    buf_init(&joined, (size_t)st->pending_bytes + 1);
    if (st->n_pending > 1) {
        for (i = 0; i < st->n_pending; i++)
            buf_put(&joined, st->pending[i].bytes.ptr, st->pending[i].bytes.len);
        bytes = buf_slice(&joined);
    }
    st->lines += count_lines(bytes.ptr, bytes.len);
    if (!st->exists && bytes.len <= LOG_INLINE_MAX) {
        st->body_raw = bytes.len;
        row_put(w, st, &bytes, &marks);
    } else {
        row_put(w, st, NULL, NULL);
        tail_add(w, st, st->size - st->pending_bytes, bytes, &marks);
    }
    buf_done(&joined);
}

static enum err flush_one(struct writer *w, struct log_state *st, struct why *reterr)
{
    uint64_t outside = st->size - st->blob.raw_bytes;

    if (st->complete)
        return ERR_OK;
    if (outside >= BLOB_BLOCK_BYTES || (st->ending && (st->blob.file_bytes > 0 || st->size > LOG_SMALL_MAX)))
        return flush_to_blob(w, st, reterr);
    if (st->ending)
        flush_to_body(w, st);
    else
        flush_to_rows(w, st);
    return ERR_OK;
}

enum err log_flush(struct writer *w, struct why *reterr)
{
    enum err err = ERR_OK;

    while (w->dirty_logs != NULL) {
        struct log_state *st = w->dirty_logs;

        w->dirty_logs = st->next_dirty;
        if (err == ERR_OK && !db_failed(w->db))
            err = flush_one(w, st, reterr);
        st->dirty = false;
        st->n_pending = 0;
        st->pending_bytes = 0;
        if (st->complete && err == ERR_OK)
            kept_add(w, KEPT_LOG, 1, (int64_t)st->stored);
        if (st->complete)
            log_state_free(w, st);
    }
    if (HASH_COUNT(w->logs) > CACHE_MAX)
        log_forget(w);
    return err == ERR_OK ? blob_sync(w->blobs, reterr) : err;
}

/* ---- its end --------------------------------------------------------------------------------------------- */

uint64_t log_delete(struct writer *w, uint64_t run)
{
    static const char *const tables[] = {"DELETE FROM log_tail WHERE run = ?",
                                         "DELETE FROM log_blocks WHERE run = ?",
                                         "DELETE FROM logs WHERE run = ?"};
    struct db_stmt *s = db_sql(w->db, "SELECT complete, blob_file_bytes, blob_file_bytes + length(body) "
                                      "FROM logs WHERE run = ?");
    struct log_state *st;
    bool is_complete = false;
    bool has_file = false;
    uint64_t bytes = 0;

    HASH_FIND(hh, w->logs, &run, sizeof(run), st);
    if (st != NULL && st->dirty) { /* it ended in this very batch: nothing of it is to be written any more */
        struct log_state **at = &w->dirty_logs;

        while (*at != st)
            at = &(*at)->next_dirty;
        *at = st->next_dirty;
    }
    if (st != NULL)
        log_state_free(w, st);
    db_uint(s, run);
    while (db_row(s)) {
        is_complete = db_get_int(s) != 0;
        has_file = db_get_int(s) > 0;
        bytes = db_get_uint(s);
    }
    if (has_file) {
        char path[GOING_FILE_BYTES];

        blob_path(path, sizeof(path), "", run);
        going_file(w, path + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        s = db_built(w->db, tables[i]);
        db_uint(s, run);
        (void)db_run(s);
    }
    if (is_complete)
        kept_add(w, KEPT_LOG, -1, -(int64_t)bytes);
    return bytes;
}

/* ---- at open --------------------------------------------------------------------------------------------- */

static void cut(const char *dir, uint64_t run, uint64_t file_bytes)
{
    struct why why;
    char text[2 * sizeof(why.text)];

    /* A file that was lost or cut by somebody else spoils one log, not the start of the program. */
    if (blob_cut(dir, run, file_bytes, &why) != ERR_OK)
        LOG_WARN("log.damaged", "run=%llu why=%s", (unsigned long long)run,
                 log_quote(text, sizeof(text), why.text));
}

enum err log_repair(struct db *db, const char *dir, struct why *reterr)
{
    struct db_stmt *s;

    db_begin(db);
    s = db_sql(db, "SELECT run, blob_file_bytes FROM logs WHERE complete = 0");
    while (db_row(s)) {
        uint64_t run = db_get_uint(s);

        cut(dir, run, db_get_uint(s));
    }
    s = db_sql(db, "SELECT r.id FROM runs r LEFT JOIN logs g ON g.run = r.id "
                   "WHERE r.state NOT IN ('done', 'lost') AND g.run IS NULL");
    while (db_row(s))
        cut(dir, db_get_uint(s), 0);
    return db_commit(db, reterr);
}

/* ---- reading --------------------------------------------------------------------------------------------- */

/* A piece of the log that begins at `at`, of which [from, to) is wanted. */
static void put_piece(struct buf *out, uint64_t from, uint64_t to, uint64_t at, struct slice piece)
{
    uint64_t begin = from > at ? from - at : 0;
    uint64_t end = to - at < piece.len ? to - at : piece.len;

    if (at < to && begin < end)
        buf_put(out, piece.ptr + begin, (size_t)(end - begin));
}

static enum err read_blocks(struct reader *r, uint64_t run, uint64_t from, uint64_t to, struct buf *out,
                            struct why *reterr)
{
    struct db_stmt *s;
    char *raw = NULL;
    enum err err = ERR_OK;

    s = db_sql(r->db, "SELECT raw_offset, raw_bytes, file_offset, file_bytes FROM log_blocks "
                      "WHERE run = ? AND raw_offset > ? AND raw_offset < ? ORDER BY raw_offset");
    db_uint(s, run);
    db_int(s, (int64_t)from - (int64_t)BLOB_BLOCK_BYTES); /* no block is longer */
    db_uint(s, to);
    while (err == ERR_OK && db_row(s)) {
        uint64_t raw_offset = db_get_uint(s);
        uint32_t raw_bytes = (uint32_t)db_get_uint(s);
        uint64_t file_offset = db_get_uint(s);
        uint64_t file_bytes = db_get_uint(s);

        if (raw_offset + raw_bytes <= from)
            continue;
        if (raw == NULL)
            raw = xmalloc(BLOB_BLOCK_BYTES);
        err = blob_read(r->blobs, run, file_offset, file_bytes, raw_bytes, raw, reterr);
        if (err == ERR_OK)
            put_piece(out, from, to, raw_offset, (struct slice){raw, raw_bytes});
    }
    db_end(s);
    free(raw);
    return err;
}

static enum err read_body(struct reader *r, uint64_t run, uint64_t at, uint64_t raw_bytes, bool is_gzip,
                          uint64_t from, uint64_t to, struct buf *out, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT body FROM logs WHERE run = ?");
    enum err err = ERR_OK;

    db_uint(s, run);
    while (err == ERR_OK && db_row(s)) {
        struct slice body = db_get_bytes(s);
        char *raw;

        if (!is_gzip) {
            put_piece(out, from, to, at, body);
            continue;
        }
        if (raw_bytes > LOG_SMALL_MAX) {
            err = why_set(reterr, ERR_IO, NULL, "the stored log of run %llu is damaged",
                          (unsigned long long)run);
            continue;
        }
        raw = xmalloc((size_t)raw_bytes);
        err = blob_gunzip(r->blobs, body, (uint32_t)raw_bytes, raw, reterr);
        if (err == ERR_OK)
            put_piece(out, from, to, at, (struct slice){raw, (size_t)raw_bytes});
        free(raw);
    }
    db_end(s);
    return err;
}

static void read_tail(struct reader *r, uint64_t run, uint64_t from, uint64_t to, struct buf *out)
{
    struct db_stmt *s;

    /* Begin with the row that holds `from`: the last one at or before it. */
    s = db_sql(r->db,
               "SELECT raw_offset, bytes FROM log_tail WHERE run = ? AND raw_offset < ? AND raw_offset >= "
               "COALESCE((SELECT MAX(raw_offset) FROM log_tail WHERE run = ? AND raw_offset <= ?), 0) "
               "ORDER BY raw_offset");
    db_uint(s, run);
    db_uint(s, to);
    db_uint(s, run);
    db_uint(s, from);
    while (db_row(s)) {
        uint64_t at = db_get_uint(s);

        put_piece(out, from, to, at, db_get_bytes(s));
    }
}

/* It was given up: says so. */
static bool log_is_gone(struct reader *r, uint64_t run, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT log_gone, log_gone_at FROM runs WHERE id = ? AND log_gone <> ''");
    char day[WALL_MINUTE_BYTES];
    bool is_gone = false;

    db_uint(s, run);
    while (db_row(s)) {
        enum gone_why why = gone_why_parse(db_get_text(s));

        is_gone = true;
        wall_minute((struct wall){db_get_int(s)}, day);
        (void)why_set(reterr, ERR_NOTFOUND, NULL, "the log of run %llu is gone since %s: %s",
                      (unsigned long long)run, day, gone_why_text(why));
    }
    return is_gone;
}

enum err read_log(struct reader *r, struct run_id run, uint64_t from, uint32_t max, struct buf *out,
                  struct log_info *ret, struct why *reterr)
{
    struct db_stmt *s;
    uint64_t size = 0;
    uint64_t blob_raw = 0;
    uint64_t body_raw = 0;
    bool complete = false;
    bool is_gzip = false;
    bool found = false;
    bool has_row = false;
    size_t before = out->len;
    uint64_t to;
    enum err err = ERR_OK;

    s = db_sql(r->db,
               "SELECT 0, size_bytes, complete, blob_raw_bytes, body_raw_bytes, body_is_gzip FROM logs "
               "WHERE run = ? UNION ALL SELECT 1, 0, 0, 0, 0, 0 FROM runs WHERE id = ? ORDER BY 1 LIMIT 1");
    db_uint(s, run.v);
    db_uint(s, run.v);
    while (db_row(s)) {
        found = true;
        has_row = db_get_int(s) == 0;
        size = db_get_uint(s);
        complete = db_get_int(s) != 0;
        blob_raw = db_get_uint(s);
        body_raw = db_get_uint(s);
        is_gzip = db_get_int(s) != 0;
    }
    if (db_failed(r->db))
        return db_error(r->db, reterr);
    if (!found)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no run %llu", (unsigned long long)run.v);
    if (!has_row && log_is_gone(r, run.v, reterr))
        return ERR_NOTFOUND;
    to = size - (from < size ? from : size) < max ? size : from + max;
    if (from < to && out->max - out->len < to - from)
        return why_set(reterr, ERR_LIMIT, NULL, "there is no room for %llu bytes of log",
                       (unsigned long long)(to - from));
    if (from < to && from < blob_raw)
        err = read_blocks(r, run.v, from, to < blob_raw ? to : blob_raw, out, reterr);
    if (err == ERR_OK && from < to && from < blob_raw + body_raw && to > blob_raw)
        err = read_body(r, run.v, blob_raw, body_raw, is_gzip, from, to, out, reterr);
    if (err == ERR_OK && from < to && to > blob_raw + body_raw)
        read_tail(r, run.v, from, to, out);
    if (err == ERR_OK)
        err = db_error(r->db, reterr);
    if (err == ERR_OK && from < to && out->len - before != to - from)
        err =
            why_set(reterr, ERR_IO, NULL, "the stored log of run %llu is damaged between byte %llu and %llu",
                    (unsigned long long)run.v, (unsigned long long)from, (unsigned long long)to);
    if (err == ERR_OK)
        *ret = (struct log_info){.size = size, .complete = complete};
    return err;
}
