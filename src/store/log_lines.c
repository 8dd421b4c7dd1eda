/* log_lines.c - logs by lines: how many there are, where one begins, when it was printed.
 *
 * `logs.lines` and `log_blocks.first_line` count newlines, so the index leads to a block, and only what is in that
 * block is counted. */
#include <string.h>

#include "store/blob.h"
#include "store/log_times.h"
#include "store/store_private.h"

enum err read_log_shape(struct reader *r, struct run_id run, struct log_shape *ret, struct why *reterr)
{
    struct db_stmt *s;
    struct log_info info;
    struct buf last;
    enum err err;

    *ret = (struct log_shape){0};
    s = db_sql(r->db, "SELECT size_bytes, lines, complete FROM logs WHERE run = ?");
    db_uint(s, run.v);
    while (db_row(s)) {
        ret->size = db_get_uint(s);
        ret->lines = db_get_uint(s);
        ret->complete = db_get_int(s) != 0;
    }
    if (ret->size == 0)
        return read_run(r, run, NULL, NULL, reterr); /* nothing yet, or no such run */
    buf_init(&last, 1);
    err = read_log(r, run, ret->size - 1, 1, &last, &info, reterr);
    if (err == ERR_OK && (last.len != 1 || last.data[0] != '\n'))
        ret->lines++;
    buf_done(&last);
    return err;
}

/* The block before the one where the line's count begins may hold its first byte, so look for "fewer newlines before
 * it": the line then begins behind a newline of this block, or of what follows the last block. */
enum err read_log_line(struct reader *r, struct run_id run, uint64_t line, uint64_t *ret_offset,
                       struct why *reterr)
{
    struct db_stmt *s;
    struct log_info info;
    struct buf part;
    uint64_t at = 0;
    uint64_t seen = 0; /* newlines before `at` */
    enum err err = ERR_OK;

    if (line == 0) {
        *ret_offset = 0;
        return ERR_OK;
    }
    s = db_sql(r->db, "SELECT raw_offset, first_line FROM log_blocks WHERE run = ? AND first_line < ? "
                      "ORDER BY raw_offset DESC LIMIT 1");
    db_uint(s, run.v);
    db_uint(s, line);
    while (db_row(s)) {
        at = db_get_uint(s);
        seen = db_get_uint(s);
    }
    buf_init(&part, BLOB_BLOCK_BYTES);
    while (err == ERR_OK) {
        const char *p;
        const char *end;

        buf_clear(&part);
        err = read_log(r, run, at, BLOB_BLOCK_BYTES, &part, &info, reterr);
        if (err == ERR_OK && part.len == 0)
            err = why_set(reterr, ERR_NOTFOUND, NULL, "the log of run %llu has no line %llu",
                          (unsigned long long)run.v, (unsigned long long)line);
        if (err != ERR_OK)
            break;
        p = part.data;
        end = part.data + part.len;
        while (seen < line && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
            p++;
            seen++;
        }
        if (seen == line) {
            *ret_offset = at + (uint64_t)(p - part.data);
            break;
        }
        at += part.len;
    }
    buf_done(&part);
    return err;
}

/* ---- times ---- */

struct times {
    uint64_t from;
    uint64_t end;
    log_time_fn *each;
    void *ctx;
    struct log_mark held; /* the last at or before `from`; ms 0: none */
    uint64_t next;        /* marks of lines before this were given already */
    bool stop;
};

static void times_give(struct times *t, struct log_mark m)
{
    if (!t->stop && m.line >= t->next) {
        t->next = m.line + 1;
        t->stop = !t->each(t->ctx, m.line, (struct wall){m.ms});
    }
}

static void times_take(void *ctx, struct log_mark m)
{
    struct times *t = ctx;

    if (t->stop || m.line <= t->from) {
        t->held = m;
        return;
    }
    if (t->held.ms != 0)
        times_give(t, t->held);
    t->held.ms = 0;
    if (m.line < t->end)
        times_give(t, m);
    else
        t->stop = true;
}

static void times_rows(struct times *t, struct db_stmt *s)
{
    while (db_row(s))
        log_times_each(db_get_bytes(s), times_take, t);
}

enum err read_log_times(struct reader *r, struct run_id run, uint64_t from, uint64_t lines, log_time_fn *each,
                        void *ctx, struct why *reterr)
{
    struct times t = {.from = from, .each = each, .ctx = ctx};
    enum err err = read_run(r, run, NULL, NULL, reterr);
    struct db_stmt *s;

    if (err != ERR_OK)
        return err;
    if (from > INT64_MAX)
        return ERR_OK;
    t.end = lines < INT64_MAX - from ? from + lines : INT64_MAX;
    /* A block begins with the time of the line that it begins in. */
    s = db_sql(r->db, "SELECT times FROM log_blocks WHERE run = ? AND raw_offset >= COALESCE((SELECT "
                      "MAX(raw_offset) FROM log_blocks WHERE run = ? AND first_line <= ?), 0) AND "
                      "first_line < ? ORDER BY raw_offset");
    db_uint(s, run.v);
    db_uint(s, run.v);
    db_uint(s, from);
    db_uint(s, t.end);
    times_rows(&t, s);
    s = db_sql(r->db, "SELECT times FROM logs WHERE run = ?");
    db_uint(s, run.v);
    times_rows(&t, s);
    s = db_sql(r->db, "SELECT times FROM log_tail WHERE run = ? ORDER BY raw_offset");
    db_uint(s, run.v);
    times_rows(&t, s);
    if (t.held.ms != 0)
        times_give(&t, t.held);
    return db_error(r->db, reterr);
}
