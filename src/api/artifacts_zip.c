/* artifacts_zip.c - the artifacts of a run or of a launch as a zip, made while it is taken.
 *
 * Nothing here grows with their number: rows come a page at a time, bytes a piece at a time, and the entries that stand at
 * the end of a zip gather in a file without a name. What is deleted meanwhile is left out, or cuts the connection when it is just
 * being sent. */
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "api/api_private.h"
#include "api/zip_index.h"
#include "store/pack.h"

#define PIECE_BYTES 262144u
#define ROWS 100u
#define PREFIX_BYTES (ARTIFACT_FOLDER_BYTES + 1)

enum zip_phase { ZIP_FILES, ZIP_ENTRIES, ZIP_END };

struct zip {
    struct artifact_filter of;
    enum zip_phase phase;
    uint64_t after; /* the page of rows goes on behind this one */
    bool is_last_page;
    struct arena rows_arena;
    struct artifact_row rows[ROWS];
    uint32_t n_rows;
    uint32_t at; /* the row that is sent */
    bool is_open;
    uint64_t sent; /* of its bytes */
    uint32_t crc;  /* of them */
    uint64_t run;  /* whose prefix it is */
    char prefix[PREFIX_BYTES];
    uint64_t written; /* of the zip */
    struct zip_index index;
    uint64_t entries_at;
    struct buf out;
    size_t taken;
    bool has_started;
    bool is_reading;
};

static void zip_free(struct req *rq)
{
    struct zip *z = rq->state;

    zip_index_done(&z->index);
    arena_done(&z->rows_arena);
    buf_done(&z->out);
}

/* ---- on a reader thread ---- */

static void take_row(void *ctx, const struct artifact_row *row)
{
    struct zip *z = ctx;
    struct artifact_row *to = &z->rows[z->n_rows++];

    *to = *row;
    to->path = arena_strdup(&z->rows_arena, row->path);
    to->pack = arena_strdup(&z->rows_arena, row->pack);
    z->after = row->id;
}

static enum err next_page(struct reader *r, struct zip *z, struct why *reterr)
{
    struct page p = {.after = z->after, .limit = ROWS};
    enum err err;

    arena_reset(&z->rows_arena);
    z->n_rows = z->at = 0;
    if (z->is_last_page)
        return ERR_OK;
    err = read_artifacts(r, &z->of, &p, take_row, z, reterr);
    z->is_last_page = p.next == 0;
    return err;
}

static void take_prefix(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct zip *z = ctx;
    char folder[ARTIFACT_FOLDER_BYTES];

    (void)commit;
    (void)log_bytes;
    artifact_folder(row->id, row->path, folder, sizeof(folder));
    (void)snprintf(z->prefix, sizeof(z->prefix), "%s/", folder);
}

static enum err prefix_of(struct reader *r, struct zip *z, struct run_id run, struct why *reterr)
{
    enum err err;

    if (z->of.launch.v == 0 || z->run == run.v)
        return ERR_OK;
    z->run = run.v;
    (void)snprintf(z->prefix, sizeof(z->prefix), "%llu/", (unsigned long long)run.v);
    err = read_run(r, run, take_prefix, z, reterr);
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

/* What went since its row was read, or is not there after a backup was put back, is left out: nothing of it was said yet. */
static bool is_there(const struct req *rq, const struct artifact_row *row)
{
    char byte;
    size_t n;

    return row->bytes == 0 ||
           pack_read(rq->api->data_dir, row->pack, row->offset, &byte, 1, &n, NULL) != ERR_NOTFOUND;
}

static enum err file_begin(struct reader *r, struct req *rq, struct zip *z)
{
    const struct artifact_row *row = &z->rows[z->at];
    char name[PREFIX_BYTES + ARTIFACT_PATH_BYTES];
    char safe[ARTIFACT_PATH_BYTES];
    struct zip_file f = {.name = name,
                         .bytes = row->bytes,
                         .crc = row->crc,
                         .mtime_ms = row->mtime_ms,
                         .at = z->written + z->out.len};
    enum err err;

    if (!is_there(rq, row)) {
        z->at++;
        return ERR_OK;
    }
    err = prefix_of(r, z, row->run, &rq->why);
    if (err != ERR_OK)
        return err;
    zip_safe_name(row->path, safe, sizeof(safe));
    (void)snprintf(name, sizeof(name), "%s%s", z->prefix, safe);
    err = zip_index_add(&z->index, rq->api->data_dir, &f, &rq->why);
    zip_local(&z->out, &f);
    z->is_open = true;
    z->sent = 0;
    z->crc = (uint32_t)crc32(0, NULL, 0);
    return err;
}

/* The next bytes of the row that is sent, as many as there is room for. */
static enum err file_bytes(struct req *rq, struct zip *z)
{
    const struct artifact_row *row = &z->rows[z->at];
    size_t room = PIECE_BYTES - z->out.len;
    size_t want = row->bytes - z->sent < room ? (size_t)(row->bytes - z->sent) : room;
    size_t got = 0;
    char *to = buf_reserve(&z->out, want + 1);
    enum err err = ERR_OK;

    if (want > 0)
        err = pack_read(rq->api->data_dir, row->pack, row->offset + z->sent, to, want, &got, &rq->why);
    if (err == ERR_OK) {
        z->crc = (uint32_t)crc32(z->crc, (const Bytef *)to, (uInt)got);
        z->sent += got;
        buf_commit(&z->out, got);
    }
    if (err == ERR_OK && (got < want || (z->sent == row->bytes && z->crc != row->crc)))
        err =
            why_set(&rq->why, ERR_IO, NULL, "artifact %llu is not what it was", (unsigned long long)row->id);
    if (z->sent == row->bytes) {
        z->is_open = false;
        z->at++;
    }
    return err;
}

static enum err files_step(struct reader *r, struct req *rq, struct zip *z)
{
    enum err err;

    if (z->at == z->n_rows) {
        err = next_page(r, z, &rq->why);
        if (err == ERR_OK && z->n_rows == 0) {
            z->phase = ZIP_ENTRIES;
            z->entries_at = z->written + z->out.len;
        }
        return err;
    }
    if (!z->is_open)
        return file_begin(r, rq, z);
    return file_bytes(rq, z);
}

static enum err entries_step(struct req *rq, struct zip *z)
{
    bool is_end;
    enum err err = zip_index_read(&z->index, PIECE_BYTES - z->out.len, &z->out, &is_end, &rq->why);

    if (err == ERR_OK && is_end) {
        zip_end(&z->out, z->index.n, z->entries_at, z->index.bytes);
        z->phase = ZIP_END;
    }
    return err;
}

/* Is there anything to be zipped? */
static enum err look(struct reader *r, struct req *rq, struct zip *z)
{
    bool is_run = z->of.run.v != 0;
    enum err err = is_run ? read_run(r, z->of.run, NULL, NULL, &rq->why)
                          : read_launch(r, z->of.launch, NULL, NULL, &rq->why);

    if (err == ERR_OK)
        err = next_page(r, z, &rq->why);
    if (err == ERR_OK && z->n_rows == 0)
        return why_set(&rq->why, ERR_NOTFOUND, NULL, "there are no artifacts of %s %llu",
                       is_run ? "run" : "launch", (unsigned long long)rq->ids[0]);
    return err;
}

/* Fill `out`: it has room for a whole header beyond PIECE_BYTES. */
static void zip_job(struct reader *r, struct req *rq)
{
    struct zip *z = rq->state;

    if (!z->has_started)
        rq->err = look(r, rq, z);
    while (rq->err == ERR_OK && z->out.len < PIECE_BYTES && z->phase != ZIP_END)
        rq->err = z->phase == ZIP_FILES ? files_step(r, rq, z) : entries_step(rq, z);
}

/* ---- on the loop ---- */

static void read_more(struct req *rq);

static ssize_t on_take(void *user, char *out, size_t max)
{
    struct req *rq = user;
    struct zip *z = rq->state;
    size_t n;

    if (z->is_reading)
        return HTTP_WAIT;
    if (z->taken == z->out.len) {
        if (rq->err != ERR_OK)
            return HTTP_FAIL;
        if (z->phase == ZIP_END)
            return HTTP_END;
        read_more(rq);
        return HTTP_WAIT;
    }
    n = z->out.len - z->taken < max ? z->out.len - z->taken : max;
    memcpy(out, z->out.data + z->taken, n);
    z->taken += n;
    return (ssize_t)n;
}

static void on_more(struct req *rq)
{
    struct zip *z = rq->state;

    z->is_reading = false;
    if (z->has_started) {
        http_wake(rq->http);
        return;
    }
    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    z->has_started = true;
    http_add(rq->http, "Content-Type", "application/zip");
    http_addf(rq->http, "Content-Disposition", "attachment; filename=\"%s-%llu-artifacts.zip\"",
              z->of.run.v != 0 ? "run" : "launch", (unsigned long long)rq->ids[0]);
    http_add(rq->http, "Cache-Control", "no-store");
    http_add(rq->http, "X-Request-Id", rq->name);
    http_reply_stream_of(rq->http, 200, HTTP_SIZE_UNKNOWN, on_take);
}

static void read_more(struct req *rq)
{
    struct zip *z = rq->state;

    z->written += z->out.len;
    buf_clear(&z->out);
    z->taken = 0;
    z->is_reading = true;
    req_read(rq, zip_job, on_more);
}

static void zip_begin(struct req *rq, const struct artifact_filter *of)
{
    struct zip *z = arena_alloc(&rq->arena, sizeof(*z));

    z->of = *of;
    zip_index_init(&z->index);
    arena_init(&z->rows_arena);
    buf_init(&z->out, PIECE_BYTES + ZIP_PART_BYTES_MAX);
    rq->state = z;
    rq->on_free = zip_free;
    read_more(rq);
}

void artifacts_zip_of_run(struct req *rq)
{
    zip_begin(rq, &(struct artifact_filter){.run = {rq->ids[0]}});
}

void artifacts_zip_of_launch(struct req *rq)
{
    zip_begin(rq, &(struct artifact_filter){.launch = {rq->ids[0]}});
}
