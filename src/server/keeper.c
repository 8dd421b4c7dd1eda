/* keeper.c - sendings: what a run left, from its channel to a pack and rows. See keeper.h; what goes is in keeper_tidy.c.
 *
 *   bytes ─▶ waiting ─▶ [thread pool: parse, write] ─▶ credit ─▶ … ─▶ [sync, rename] ─▶ rows ─▶ "ok", watchers
 *
 * A sending is worked on by one job at a time, and KEEP_JOBS sendings at a time; the others wait in a line. While a job
 * works, all but `waiting`, `chan` and `is_dropped` is the job's. While rows are written, all is theirs.
 *
 * Invariants:
 *   P1  "ok" is said after the commit of the rows, which comes after the pack has its name
 *   P2  a pack is removed only when no row names it, or none will */
#include "server/keeper_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/fault.h"
#include "base/log.h"
#include "wire/agent_artifacts.h"

#define KEEP_JOBS 2u /* of the pool's four threads: others wait for them, too */

struct piece {
    struct piece *next;
    char *bytes;
    size_t n;
};

struct pieces {
    struct piece *first;
    struct piece **last;
    size_t bytes;
};

struct sending {
    struct keeper *keeper;
    struct sending *next;       /* in the line */
    struct artifact_chan *chan; /* NULL: answered, or gone */
    struct server_id server;
    struct run_id run;
    uint64_t number;
    struct pieces waiting;
    bool is_in_line;
    bool is_working;
    bool is_dropped; /* nobody waits for it any more */
    bool is_put;     /* its rows are on their way to the disk: on_put() ends it, and nothing else */

    /* of the job */
    uv_work_t work;
    struct pieces taken;
    struct artifact_reader reader;
    struct pack *pack;  /* NULL: not begun, or given up */
    struct arena arena; /* of the rows' paths */
    struct artifact_row *rows;
    uint32_t n_rows;
    uint32_t cap_rows;
    bool has_ended; /* the stream is whole, and the pack under its name */
    enum err err;
    struct why why;

    struct artifacts_put put;
};

/* ---- pieces ---- */

static void pieces_add(struct pieces *p, char *bytes, size_t n)
{
    struct piece *one = xmalloc(sizeof(*one));

    *one = (struct piece){NULL, bytes, n};
    if (p->first == NULL)
        p->last = &p->first;
    *p->last = one;
    p->last = &one->next;
    p->bytes += n;
}

static void pieces_done(struct pieces *p)
{
    struct piece *one;

    while ((one = p->first) != NULL) {
        p->first = one->next;
        free(one->bytes);
        free(one);
    }
    p->bytes = 0;
}

/* ---- on the thread pool ---- */

static enum err begin_file(struct sending *s)
{
    const struct artifact_reader *r = &s->reader;
    enum err err = ERR_OK;

    if (s->pack == NULL)
        err = pack_begin(s->keeper->dir, s->run, s->keeper->stamp, s->number, &s->pack, &s->why);
    if (err != ERR_OK)
        return err;
    if (s->n_rows == s->cap_rows) {
        s->cap_rows = s->cap_rows == 0 ? 16 : s->cap_rows * 2;
        s->rows = xrealloc(s->rows, s->cap_rows * sizeof(*s->rows));
    }
    s->rows[s->n_rows++] = (struct artifact_row){.path = arena_strdup(&s->arena, r->path),
                                                 .bytes = r->size,
                                                 .mtime_ms = r->mtime_ms,
                                                 .offset = pack_bytes(s->pack),
                                                 .crc = (uint32_t)crc32(0, NULL, 0)};
    return ERR_OK;
}

static enum err take_bytes(struct sending *s)
{
    struct artifact_row *row = &s->rows[s->n_rows - 1];
    struct slice bytes = s->reader.bytes;

    row->crc = (uint32_t)crc32(row->crc, (const Bytef *)bytes.ptr, (uInt)bytes.len);
    return pack_write(s->pack, bytes.ptr, bytes.len, &s->why);
}

static enum err end_all(struct sending *s)
{
    enum err err = s->pack == NULL ? ERR_OK : pack_keep(s->pack, &s->why);

    s->has_ended = err == ERR_OK;
    return err;
}

static void take_piece(struct sending *s, const struct piece *p)
{
    struct slice in = {p->bytes, p->n};
    enum artifact_step step;

    while (s->err == ERR_OK && (step = artifact_read(&s->reader, &in)) != ARTIFACT_MORE) {
        if (step == ARTIFACT_FILE)
            s->err = begin_file(s);
        else if (step == ARTIFACT_BYTES)
            s->err = take_bytes(s);
        else if (step == ARTIFACT_END && in.len > 0)
            continue; /* the next step says what is wrong with it */
        else if (step == ARTIFACT_END)
            s->err = end_all(s);
        else
            s->err = why_set(&s->why, s->reader.why.code, NULL, "%s", s->reader.why.text);
        if (step == ARTIFACT_END)
            break;
    }
}

static void on_work(uv_work_t *work)
{
    struct sending *s = work->data;

    for (const struct piece *p = s->taken.first; p != NULL && s->err == ERR_OK; p = p->next) {
        if (s->has_ended)
            s->err = why_set(&s->why, ERR_PROTO, NULL, "bytes after the end");
        else
            take_piece(s, p);
    }
}

/* ---- on the loop ---- */

static void start_jobs(struct keeper *k);

static void line_up(struct sending *s)
{
    struct sending **at = &s->keeper->line;

    if (s->is_in_line || s->is_working)
        return;
    s->is_in_line = true;
    s->next = NULL;
    while (*at != NULL)
        at = &(*at)->next;
    *at = s;
}

/* A file that is removed may take long to remove, so this is for a sending without one, or for the pool. */
static void sending_free(struct sending *s)
{
    struct keeper *k = s->keeper;

    CHECK(s->pack == NULL);
    pieces_done(&s->waiting);
    pieces_done(&s->taken);
    arena_done(&s->arena);
    free(s->rows);
    free(s);
    k->n_sendings--;
}

static void on_freed_work(uv_work_t *work)
{
    struct sending *s = work->data;

    pack_free(s->pack);
    s->pack = NULL;
}

static void on_freed(uv_work_t *work, int status)
{
    (void)status;
    sending_free(work->data);
}

static void give_up(struct sending *s)
{
    if (s->pack == NULL) {
        sending_free(s);
        return;
    }
    CHECK(uv_queue_work(&s->keeper->server->loop, &s->work, on_freed_work, on_freed) == 0);
}

/* With `reason`, or because what came makes no sense. */
static void refuse(struct sending *s, enum err err, const char *reason)
{
    char text[sizeof(s->why.text) * 2];

    LOG_WARN("artifacts.refused", "run=%llu server=%llu why=%s", (unsigned long long)s->run.v,
             (unsigned long long)s->server.v, log_quote(text, sizeof(text), reason));
    if (s->chan != NULL && err == ERR_PROTO)
        artifact_chan_break(s->chan, reason); /* the channel is gone */
    if (s->chan != NULL && err != ERR_PROTO) {
        artifact_chan_took(s->chan, s->waiting.bytes); /* without credit the agent would not look up */
        artifact_chan_answer(s->chan, reason);
    }
    s->chan = NULL;
}

static void on_put(void *ctx, enum err err, const struct why *why)
{
    struct sending *s = ctx;
    struct keeper *k = s->keeper;

    if (err == ERR_IO)
        server_die("artifacts.commit", why);
    if (err != ERR_OK) {
        /* It has its name already, and no row will name it (P2). */
        refuse(s, err, why->text);
        if (s->put.n > 0)
            keeper_remove(k, s->put.pack);
    } else {
        fault_crash("artifacts.crash_after_commit");
        if (s->put.replaced[0] != '\0')
            keeper_remove(k, s->put.replaced);
        if (s->chan != NULL)
            artifact_chan_answer(s->chan, NULL); /* P1 */
        s->chan = NULL;
        LOG_INFO("artifacts.kept", "run=%llu files=%u bytes=%llu skipped=%u", (unsigned long long)s->run.v,
                 s->put.n, (unsigned long long)s->reader.n_bytes, s->reader.skipped);
        if (k->server->api != NULL)
            api_artifacts(k->server->api, s->put.launch, s->run);
    }
    pack_free(s->pack); /* kept: only memory and a descriptor */
    s->pack = NULL;
    sending_free(s);
}

static void put_rows(struct sending *s)
{
    s->put = (struct artifacts_put){.run = s->run,
                                    .pack = s->pack != NULL ? pack_name(s->pack) : "",
                                    .rows = s->rows,
                                    .n = s->n_rows,
                                    .at = wall_now()};
    s->is_put = true;
    store_artifacts_put(s->keeper->server->store, &s->put, on_put, s);
}

static void on_worked(uv_work_t *work, int status)
{
    struct sending *s = work->data;
    struct keeper *k = s->keeper;
    size_t took = s->taken.bytes;

    (void)status;
    s->is_working = false;
    k->n_jobs--;
    pieces_done(&s->taken);
    if (s->chan != NULL)
        artifact_chan_took(s->chan, took);
    if (s->is_dropped || k->is_halted || s->err != ERR_OK) {
        if (!s->is_dropped && s->err != ERR_OK)
            refuse(s, s->err, s->why.text);
        if (s->has_ended && s->pack != NULL)
            keeper_remove(k, pack_name(s->pack)); /* P2 */
        give_up(s);
    } else if (s->has_ended && s->waiting.first != NULL) {
        line_up(s); /* bytes after the end: the job says so */
    } else if (s->has_ended) {
        put_rows(s);
    } else if (s->waiting.first != NULL) {
        line_up(s);
    }
    start_jobs(k);
}

static void start_jobs(struct keeper *k)
{
    struct sending *s;

    while (!k->is_halted && k->n_jobs < KEEP_JOBS && (s = k->line) != NULL) {
        k->line = s->next;
        s->is_in_line = false;
        s->taken = s->waiting;
        s->waiting = (struct pieces){0};
        s->is_working = true;
        k->n_jobs++;
        CHECK(uv_queue_work(&k->server->loop, &s->work, on_work, on_worked) == 0);
    }
}

/* ---- from the links ---- */

void *keeper_begin(void *ctx, struct server_id server, struct run_id run, struct artifact_chan *chan,
                   struct why *reterr)
{
    struct server *srv = ctx;
    struct keeper *k = srv->keeper;
    const struct settings *set = &srv->opts.config->set;
    struct artifact_limits limits = {.file_bytes = (uint64_t)set->artifact_file_max_bytes,
                                     .run_bytes = (uint64_t)set->artifact_run_max_bytes,
                                     .files = (uint32_t)set->artifact_files_max};
    struct sending *s;

    if (k->is_halted || !streams_is_held(srv->streams, server, run)) {
        (void)why_set(reterr, ERR_CONFLICT, NULL, "run %llu is over, or not of this server",
                      (unsigned long long)run.v);
        return NULL;
    }
    s = xcalloc(1, sizeof(*s));
    s->keeper = k;
    s->chan = chan;
    s->server = server;
    s->run = run;
    s->number = ++k->last_number;
    s->work.data = s;
    arena_init(&s->arena);
    artifact_reader_init(&s->reader, &limits);
    k->n_sendings++;
    return s;
}

void keeper_bytes(void *sink, char *bytes, size_t n)
{
    struct sending *s = sink;

    if (s->is_put) { /* it was whole; what comes behind it is nobody's */
        free(bytes);
        return;
    }
    pieces_add(&s->waiting, bytes, n);
    line_up(s);
    start_jobs(s->keeper);
}

void keeper_drop(void *sink)
{
    struct sending *s = sink;
    struct sending **at = &s->keeper->line;

    s->chan = NULL;
    s->is_dropped = true;
    if (s->is_in_line) {
        while (*at != s)
            at = &(*at)->next;
        *at = s->next;
        s->is_in_line = false;
    }
    if (s->is_working || s->is_put)
        return; /* they come back to it */
    if (s->has_ended && s->pack != NULL)
        keeper_remove(s->keeper, pack_name(s->pack)); /* P2 */
    give_up(s);
}

/* ---- life ---- */

enum err keeper_open(struct server *s, struct why *reterr)
{
    struct keeper *k;
    enum err err = pack_tidy(s->opts.data_dir, reterr);

    if (err != ERR_OK)
        return err;
    k = xcalloc(1, sizeof(*k));
    k->server = s;
    k->dir = xstrdup(s->opts.data_dir);
    (void)snprintf(k->stamp, sizeof(k->stamp), "%llx", (unsigned long long)s->started_at.ms);
    s->keeper = k;
    return ERR_OK;
}

void keeper_start(struct server *s)
{
    tidy_start(s->keeper);
}

void keeper_halt(struct server *s)
{
    if (s->keeper == NULL)
        return;
    s->keeper->is_halted = true;
}

void keeper_free(struct server *s)
{
    struct keeper *k = s->keeper;

    if (k == NULL)
        return;
    CHECK(k->n_sendings == 0);
    CHECK(k->n_removals == 0);
    CHECK(k->tidy == NULL);
    CHECK(k->prune == NULL);
    free(k->dir);
    free(k);
    s->keeper = NULL;
}
