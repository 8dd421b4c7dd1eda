/* store.c - the threads: one that writes, two that read, and the two queues between them and the loop.
 *
 * The writer takes everything that is queued, up to a bound, as one transaction (group commit) and hands the items
 * back in their order; wake() is called once per batch. What an item's failure means depends on who is at fault: an
 * item that asks for the impossible (a run that does not exist) is refused alone, before anything of it is written;
 * a database that fails is final for the process, because the caller's memory is ahead of it from then on.
 *
 * A disk that is full is waited for, before anything of a batch is written: nothing is told meanwhile, and nothing lost.
 *
 * Files of the data folder: `lock` and `instance` (folder.c), `wrata.db`, `blobs/`. */
#include "store/store.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/histogram.h"
#include "base/log.h"
#include "store/blob.h"
#include "store/folder.h"
#include "store/pace.h"
#include "store/store_private.h"

#define BATCH_ITEMS_MAX 5000u
#define BATCH_LOG_BYTES_MAX \
    MIB(4) /* of logs in a batch: what is compressed between two commits stays near 0.1 s */
#define BATCH_ARENA_KEEP MIB(1)
#define READERS 2
/* Of the disk, before a transaction begins: what the write-ahead log may grow by. Of a small disk this part of it. */
#define ROOM_BYTES MIB(8)
#define ROOM_PART 256u
#define ROOM_LOOK_MS 200
#define COMMAND_BYTES_MAX MIB(32) /* of a test's command: 256 words of 64 KiB, and their marks */

enum item_kind {
    ITEM_CHANGES,
    ITEM_ACCOUNTS,
    ITEM_AUDIT_PRUNE,
    ITEM_LOG,
    ITEM_LOG_END,
    ITEM_EXAMPLES,
    ITEM_PROJECT_PUT,
    ITEM_PROJECT_DELETE,
    ITEM_CALL,
    ITEM_READ
};

/* One submission: in a queue, then in a batch, then in the list of finished ones. */
struct item {
    struct item *next;
    enum item_kind kind;
    enum err err;
    struct why *why; /* OWNED; NULL: none */
    store_done_fn *done;
    void *ctx;
    union {
        struct {
            const struct change *rows;
            uint32_t n;
        } changes;
        struct {
            const struct account_change *rows;
            uint32_t n;
        } accounts;
        struct {
            struct wall before;
            uint32_t max;
            uint64_t *ret_deleted;
        } prune;
        struct {
            struct run_id run;
            uint64_t offset;
            char *bytes;
            uint32_t len;
            struct wall at;
        } log;
        struct {
            struct run_id run;
            const struct example_row *rows;
            uint32_t n;
            uint64_t results_bytes;
            struct tally tally;
        } examples;
        struct {
            struct project_row row;
            uint64_t *ret_id;
            char *texts; /* OWNED: name, url, error */
        } project;
        struct {
            write_fn *fn;
            void *arg;
            void (*free_arg)(void *arg);
        } call;
        struct {
            void (*fn)(struct reader *r, void *arg);
            void (*done)(void *arg);
        } read;
    };
};

struct item_list {
    struct item *head;
    struct item *tail;
};

/* A queue that one or more threads empty. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct item_list items; /* under lock */
    bool stop;              /* under lock: end when it is empty */
};

struct store {
    char *dir;
    int lock_fd;
    char instance[INSTANCE_DIGITS + 1];
    void (*wake)(void *ctx);
    void *wake_ctx;
    bool is_unpaced;

    struct queue writes;
    struct queue reads;
    pthread_mutex_t done_lock;
    struct item_list finished; /* under done_lock */

    struct writer writer; /* the storage thread's, once it runs */
    struct why *broken;   /* the storage thread's: why nothing more can be written */
    struct reader readers[READERS];
    pthread_t writer_thread;
    pthread_t reader_threads[READERS];
    uint32_t n_reader_threads;
    bool has_writer_thread;
    struct histogram commits; /* any thread: how long they took */
    int64_t writing_since_us; /* atomic: when the commit at work began; 0: none is */
    bool closing;             /* the loop's: the threads are gone */
};

/* ---- lists and queues ------------------------------------------------------------------------------------ */

static void list_add(struct item_list *l, struct item *it)
{
    it->next = NULL;
    if (l->tail != NULL)
        l->tail->next = it;
    else
        l->head = it;
    l->tail = it;
}

static struct item *list_take(struct item_list *l)
{
    struct item *it = l->head;

    if (it != NULL) {
        l->head = it->next;
        if (l->head == NULL)
            l->tail = NULL;
    }
    return it;
}

static void queue_init(struct queue *q)
{
    CHECK(pthread_mutex_init(&q->lock, NULL) == 0);
    CHECK(pthread_cond_init(&q->more, NULL) == 0);
}

static void queue_done(struct queue *q)
{
    CHECK(pthread_cond_destroy(&q->more) == 0);
    CHECK(pthread_mutex_destroy(&q->lock) == 0);
}

static void queue_add(struct queue *q, struct item *it)
{
    (void)pthread_mutex_lock(&q->lock);
    list_add(&q->items, it);
    (void)pthread_cond_signal(&q->more);
    (void)pthread_mutex_unlock(&q->lock);
}

static void queue_stop(struct queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->stop = true;
    (void)pthread_cond_broadcast(&q->more);
    (void)pthread_mutex_unlock(&q->lock);
}

/* Wait for something and move up to items_max of it, not much more than log_bytes_max of logs, into ret.
 * False: the queue has been stopped and is empty. */
static bool queue_take(struct queue *q, uint32_t items_max, size_t log_bytes_max, struct item_list *ret,
                       size_t *ret_log_bytes)
{
    uint32_t n = 0;
    size_t log_bytes = 0;

    *ret = (struct item_list){NULL, NULL};
    (void)pthread_mutex_lock(&q->lock);
    while (q->items.head == NULL && !q->stop)
        (void)pthread_cond_wait(&q->more, &q->lock);
    while (q->items.head != NULL && n < items_max && log_bytes < log_bytes_max) {
        struct item *it = list_take(&q->items);

        if (it->kind == ITEM_LOG)
            log_bytes += it->log.len;
        list_add(ret, it);
        n++;
    }
    (void)pthread_mutex_unlock(&q->lock);
    *ret_log_bytes = log_bytes;
    return n > 0;
}

static void finish_list(struct store *st, struct item_list *l)
{
    (void)pthread_mutex_lock(&st->done_lock);
    if (l->head != NULL) {
        if (st->finished.tail != NULL)
            st->finished.tail->next = l->head;
        else
            st->finished.head = l->head;
        st->finished.tail = l->tail;
    }
    (void)pthread_mutex_unlock(&st->done_lock);
    st->wake(st->wake_ctx);
}

/* ---- the storage thread ---------------------------------------------------------------------------------- */

/* The first of `c`; tests that are added many at a time. Returns how many were written. */
static uint32_t write_change(struct writer *w, const struct change *c, uint32_t n)
{
    switch (c->kind) {
    case CHANGE_SERVER_PUT:
        server_row_put(w, &c->server);
        break;
    case CHANGE_SERVER_DELETE:
        server_row_delete(w, c->server.id);
        break;
    case CHANGE_FLEET_PUT:
        fleet_row_put(w, &c->fleet);
        break;
    case CHANGE_FLEET_DELETE:
        fleet_row_delete(w, c->fleet.id);
        break;
    case CHANGE_LAUNCH_ADD:
        launch_row_add(w, &c->launch);
        break;
    case CHANGE_LAUNCH_SET:
        launch_row_set(w, &c->launch);
        break;
    case CHANGE_TEST_ADD:
        return test_rows_add(w, c, n);
    case CHANGE_LAUNCH_NAME:
        launch_row_name(w, &c->launch);
        break;
    case CHANGE_TEST_SET:
        test_row_set(w, &c->test);
        break;
    case CHANGE_TEST_RANKS:
        test_ranks_set(w, c->ranks.at, c->ranks.n);
        break;
    case CHANGE_TESTS_SET:
        tests_range_set(w, c);
        break;
    case CHANGE_UNDO_ADD:
        undo_row_add(w, &c->undo);
        break;
    case CHANGE_UNDO_DELETE:
        undo_row_delete(w, c->undo.id);
        break;
    case CHANGE_PAUSE_ADD:
        pause_row_add(w, &c->pause);
        break;
    case CHANGE_PAUSE_DELETE:
        pause_row_delete(w, c->pause.user);
        break;
    case CHANGE_START_FAILED:
        schedule_start_failed(w, c->start_failed.launch, c->start_failed.reason);
        break;
    case CHANGE_RUN_ADD:
        run_row_add(w, &c->run);
        break;
    case CHANGE_RUN_SET:
        run_row_set(w, &c->run);
        break;
    case CHANGE_COST:
        cost_add(w, &c->cost);
        break;
    case CHANGE_NOTICE:
        notice_add(w, &c->notice);
        break;
    case CHANGE_HOOK_EVENT:
        hook_event_add(w, &c->hook_event);
        break;
    case CHANGE_IDS:
    case CHANGE_KIND_COUNT:
        CHECK(!"a change that only boot makes");
        break;
    }
    return 1;
}

/* Between two changes nothing is borrowed from the arena. */
static void trim_arena(struct writer *w)
{
    if (w->batch.total_bytes > BATCH_ARENA_KEEP) {
        arena_done(&w->batch);
        arena_init(&w->batch);
    }
}

static enum err write_item(struct writer *w, struct item *it, struct why *reterr)
{
    uint32_t i;

    switch (it->kind) {
    case ITEM_CHANGES:
        for (i = 0; i < it->changes.n; trim_arena(w))
            i += write_change(w, &it->changes.rows[i], it->changes.n - i);
        return ERR_OK;
    case ITEM_ACCOUNTS:
        for (i = 0; i < it->accounts.n; i++) {
            account_change_write(w, &it->accounts.rows[i]);
            trim_arena(w);
        }
        return ERR_OK;
    case ITEM_AUDIT_PRUNE:
        *it->prune.ret_deleted = audit_prune(w, it->prune.before, it->prune.max);
        return ERR_OK;
    case ITEM_LOG:
        return log_append(w, it->log.run, it->log.offset, it->log.bytes, it->log.len, it->log.at, reterr);
    case ITEM_LOG_END:
        return log_end(w, it->log.run, reterr);
    case ITEM_EXAMPLES:
        return examples_add(w, it->examples.run, it->examples.rows, it->examples.n,
                            it->examples.results_bytes, &it->examples.tally, reterr);
    case ITEM_PROJECT_PUT:
        return project_put(w, &it->project.row, it->project.ret_id, reterr);
    case ITEM_PROJECT_DELETE:
        return project_delete(w, it->project.row.id, reterr);
    case ITEM_CALL:
        return it->call.fn(w, it->call.arg, reterr);
    case ITEM_READ:
        break;
    }
    CHECK(!"a read among the writes");
    return ERR_OK;
}

static void item_fail(struct item *it, enum err err, const struct why *why)
{
    it->err = err;
    if (it->why == NULL)
        it->why = xmalloc(sizeof(*it->why));
    *it->why = *why;
}

/* One transaction. False: nothing of it is in the database, and *reterr says why. */
/* Which ids were given when; on a new day, what is derived of rows that were deleted goes. */
static void history_flush(struct writer *w)
{
    id_times_flush(w);
    if (!w->is_history_day_new)
        return;
    w->is_history_day_new = false;
    id_times_trim(w);
    origins_sweep(w);
}

static bool write_batch(struct writer *w, struct item_list *batch, struct why *reterr)
{
    struct item *it;
    struct why why;
    enum err err;

    db_begin(w->db);
    for (it = batch->head; it != NULL && !db_failed(w->db); it = it->next) {
        err = write_item(w, it, &why);
        if (err != ERR_OK)
            item_fail(it, err, &why);
    }
    err = log_flush(w, &why);
    if (err != ERR_OK)
        db_fail(w->db, "%s", why.text);
    costs_flush(w);
    sums_flush(w);
    history_flush(w);
    kept_flush(w);
    ids_flush(w);
    live_trim(w);
    cases_trim(w);
    fault_crash("store.crash_before_commit");
    err = db_commit(w->db, reterr);
    fault_crash("store.crash_after_commit");
    if (w->batch.total_bytes > BATCH_ARENA_KEEP)
        arena_done(&w->batch);
    arena_reset(&w->batch);
    return err == ERR_OK;
}

static void break_store(struct store *st, const struct why *why)
{
    char text[2 * sizeof(why->text)];

    st->broken = xmalloc(sizeof(*st->broken));
    *st->broken = *why;
    st->broken->code = ERR_IO;
    LOG_ERROR("store.broken", "why=%s", log_quote(text, sizeof(text), why->text));
}

static bool has_room(const struct store *st, size_t log_bytes, uint64_t *ret_free)
{
    struct statvfs fs;
    uint64_t need;

    if (statvfs(st->dir, &fs) != 0 || fs.f_blocks == 0)
        return true; /* not known: the transaction says what is wrong */
    need = (uint64_t)fs.f_blocks * fs.f_frsize / ROOM_PART;
    need = (need < ROOM_BYTES ? need : ROOM_BYTES) + 2 * log_bytes;
    *ret_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    return *ret_free >= need;
}

static bool is_stopped(struct queue *q)
{
    bool stop;

    (void)pthread_mutex_lock(&q->lock);
    stop = q->stop;
    (void)pthread_mutex_unlock(&q->lock);
    return stop;
}

/* Whoever ends the program does not wait: the batch fails then, or fits after all. */
static void wait_for_room(struct store *st, size_t log_bytes)
{
    const struct timespec look = {.tv_nsec = ROOM_LOOK_MS * 1000000L};
    struct mono since = mono_now();
    uint64_t free_bytes = 0;

    if (has_room(st, log_bytes, &free_bytes))
        return;
    LOG_ERROR("store.waits",
              "free=%llu why=\"the disk of the data folder is full: nothing is saved until there is room\"",
              (unsigned long long)free_bytes);
    while (!has_room(st, log_bytes, &free_bytes) && !is_stopped(&st->writes))
        (void)nanosleep(&look, NULL);
    LOG_INFO("store.goes_on", "after_ms=%lld free=%llu", (long long)mono_ms_between(since, mono_now()),
             (unsigned long long)free_bytes);
}

static void *writer_main(void *arg)
{
    struct store *st = arg;
    size_t log_bytes;
    struct pace pace = {0};
    struct mono began;
    struct item_list batch;
    struct item *it;
    struct why why;

    while (queue_take(&st->writes, BATCH_ITEMS_MAX, BATCH_LOG_BYTES_MAX, &batch, &log_bytes)) {
        began = pace_note(&pace);
        __atomic_store_n(&st->writing_since_us, began.us, __ATOMIC_RELAXED);
        if (st->broken == NULL)
            wait_for_room(st, log_bytes);
        if (st->broken == NULL && !write_batch(&st->writer, &batch, &why))
            break_store(st, &why);
        if (st->broken == NULL && st->writer.cut != NULL)
            *st->writer.cut = db_cut(st->writer.db);
        st->writer.cut = NULL;
        for (it = batch.head; it != NULL; it = it->next) {
            if (st->broken != NULL)
                item_fail(it, ERR_IO, st->broken);
            if (it->kind == ITEM_LOG) {
                free(it->log.bytes);
                it->log.bytes = NULL;
            }
        }
        __atomic_store_n(&st->writing_since_us, 0, __ATOMIC_RELAXED);
        if (st->broken == NULL)
            histogram_add(&st->commits, mono_now().us - began.us);
        finish_list(st, &batch);
        if (!st->is_unpaced)
            pace_wait(&pace);
    }
    return NULL;
}

/* ---- reader threads -------------------------------------------------------------------------------------- */

struct reader_start {
    struct store *st;
    struct reader *r;
};

/* One job, one snapshot: what it reads twice, it reads the same. */
static void run_read(struct reader *r, struct item *it)
{
    db_begin(r->db);
    it->read.fn(r, it->ctx);
    db_rollback(r->db); /* nothing was written; a failure has been told by the read that met it */
}

static void *reader_main(void *arg)
{
    struct reader_start start = *(struct reader_start *)arg;
    struct item_list one;
    size_t none;

    free(arg);
    while (queue_take(&start.st->reads, 1, SIZE_MAX, &one, &none)) {
        run_read(start.r, one.head);
        finish_list(start.st, &one);
    }
    return NULL;
}

/* ---- connections --------------------------------------------------------------------------------------- */

static enum err open_db(const struct store *st, enum db_mode mode, struct db **ret, struct why *reterr)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/wrata.db", st->dir);
    return db_open(&(struct db_opts){.driver = &db_sqlite, .path = path, .mode = mode}, ret, reterr);
}

static enum err reader_open(const struct store *st, struct reader *r, struct why *reterr)
{
    enum err err = open_db(st, DB_READ, &r->db, reterr);

    if (err != ERR_OK)
        return err;
    r->dir = st->dir;
    r->blobs = blob_reader_new(st->dir);
    arena_init(&r->row);
    return ERR_OK;
}

static void reader_close(struct reader *r)
{
    if (r->db == NULL)
        return;
    db_close(r->db);
    blob_reader_free(r->blobs);
    arena_done(&r->row);
    r->db = NULL;
}

/* ---- open and close -------------------------------------------------------------------------------------- */

static enum err open_writer(struct store *st, struct why *reterr)
{
    struct writer *w = &st->writer;
    char path[PATH_MAX];
    enum err err;

    (void)snprintf(path, sizeof(path), "%s/blobs", st->dir);
    err = folder_make(path, reterr);
    if (err == ERR_OK)
        err = open_db(st, DB_WRITE, &w->db, reterr);
    if (err != ERR_OK)
        return err;
    w->dir = st->dir;
    w->blobs = blob_writer_new(st->dir);
    buf_init(&w->command, COMMAND_BYTES_MAX);
    buf_init(&w->command_reports, COMMAND_BYTES_MAX);
    buf_init(&w->origin_ref, COMMAND_BYTES_MAX);
    arena_init(&w->batch);
    err = schema_migrate(w, reterr);
    if (err == ERR_OK)
        err = log_repair(w->db, st->dir, reterr);
    if (err != ERR_OK)
        return err;
    db_begin(w->db);
    ids_load(w);
    hooks_load(w);
    return db_commit(w->db, reterr);
}

static enum err start_threads(struct store *st, struct why *reterr)
{
    sigset_t all;
    sigset_t before;
    uint32_t i;
    int rc;

    /* Signals belong to the loop thread. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&st->writer_thread, NULL, writer_main, st);
    st->has_writer_thread = rc == 0;
    for (i = 0; rc == 0 && i < READERS; i++) {
        struct reader_start *start = xmalloc(sizeof(*start));

        *start = (struct reader_start){st, &st->readers[i]};
        rc = pthread_create(&st->reader_threads[i], NULL, reader_main, start);
        if (rc != 0)
            free(start);
        else
            st->n_reader_threads++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? ERR_OK : why_errno(reterr, ERR_IO, rc, "cannot start a thread");
}

void store_commits(const struct store *st, struct histogram *ret)
{
    histogram_read(&st->commits, ret);
}

int64_t store_writing_ms(const struct store *st)
{
    int64_t since_us = __atomic_load_n(&st->writing_since_us, __ATOMIC_RELAXED);

    return since_us == 0 ? 0 : (mono_now().us - since_us) / 1000;
}

enum err store_open(const struct store_opts *opts, struct store **ret, struct why *reterr)
{
    struct store *st = xcalloc(1, sizeof(*st));
    enum err err;
    uint32_t i;

    st->dir = xstrdup(opts->dir);
    st->lock_fd = -1;
    st->wake = opts->wake;
    st->wake_ctx = opts->wake_ctx;
    st->is_unpaced = opts->is_unpaced;
    queue_init(&st->writes);
    queue_init(&st->reads);
    CHECK(pthread_mutex_init(&st->done_lock, NULL) == 0);
    err = folder_make(st->dir, reterr);
    if (err == ERR_OK)
        err = folder_lock(st->dir, opts->lock_wait_ms, &st->lock_fd, reterr);
    if (err == ERR_OK)
        err = folder_instance(st->dir, st->instance, reterr);
    if (err == ERR_OK)
        err = open_writer(st, reterr);
    for (i = 0; err == ERR_OK && i < READERS; i++)
        err = reader_open(st, &st->readers[i], reterr);
    if (err == ERR_OK)
        err = start_threads(st, reterr);
    if (err != ERR_OK) {
        store_close(st);
        return err;
    }
    *ret = st;
    return ERR_OK;
}

static void stop_threads(struct store *st)
{
    uint32_t i;

    queue_stop(&st->writes);
    if (st->has_writer_thread)
        CHECK(pthread_join(st->writer_thread, NULL) == 0);
    queue_stop(&st->reads);
    for (i = 0; i < st->n_reader_threads; i++)
        CHECK(pthread_join(st->reader_threads[i], NULL) == 0);
}

void store_close(struct store *st)
{
    struct writer *w;
    uint32_t i;

    if (st == NULL)
        return;
    w = &st->writer;
    stop_threads(st);
    st->closing = true;
    while (st->finished.head != NULL)
        store_turn(st); /* what these submit is answered at once: see submit() */
    for (i = 0; i < READERS; i++)
        reader_close(&st->readers[i]);
    if (w->db != NULL) {
        log_forget(w);
        live_done(w);
        origins_drop(w);
        buf_done(&w->origin_ref);
        cases_done(w);
        costs_drop(w);
        free(w->hooks);
        sums_drop(w);
        blob_writer_free(w->blobs);
        arena_done(&w->batch);
        buf_done(&w->command);
        buf_done(&w->command_reports);
        db_close(w->db);
    }
    free(st->broken);
    queue_done(&st->writes);
    queue_done(&st->reads);
    CHECK(pthread_mutex_destroy(&st->done_lock) == 0);
    if (st->lock_fd >= 0)
        (void)close(st->lock_fd);
    free(st->dir);
    free(st);
}

const char *store_instance(const struct store *st)
{
    return st->instance;
}

/* ---- the loop's side ------------------------------------------------------------------------------------- */

static void item_free(struct item *it)
{
    if (it->kind == ITEM_LOG)
        free(it->log.bytes);
    if (it->kind == ITEM_PROJECT_PUT)
        free(it->project.texts);
    if (it->kind == ITEM_CALL && it->call.free_arg != NULL)
        it->call.free_arg(it->call.arg);
    free(it->why);
    free(it);
}

void store_turn(struct store *st)
{
    static const struct why fine = {.code = ERR_OK};
    struct item_list l;
    struct item *it;

    (void)pthread_mutex_lock(&st->done_lock);
    l = st->finished;
    st->finished = (struct item_list){NULL, NULL};
    (void)pthread_mutex_unlock(&st->done_lock);
    while ((it = list_take(&l)) != NULL) {
        if (it->kind == ITEM_READ)
            it->read.done(it->ctx);
        else if (it->done != NULL)
            it->done(it->ctx, it->err, it->why != NULL ? it->why : &fine);
        item_free(it);
    }
}

/* A callback of store_close() may submit: the threads are gone, so a read is done here and a write refused. */
static void submit(struct store *st, struct item *it)
{
    struct item_list one = {NULL, NULL};
    struct why why;

    if (!st->closing) {
        queue_add(it->kind == ITEM_READ ? &st->reads : &st->writes, it);
        return;
    }
    if (it->kind == ITEM_READ) {
        run_read(&st->readers[0], it);
    } else {
        (void)why_set(&why, ERR_BUSY, NULL, "the program is ending");
        item_fail(it, ERR_BUSY, &why);
    }
    list_add(&one, it);
    finish_list(st, &one);
}

static struct item *item_new(enum item_kind kind, store_done_fn *done, void *ctx)
{
    struct item *it = xcalloc(1, sizeof(*it));

    it->kind = kind;
    it->done = done;
    it->ctx = ctx;
    return it;
}

void store_changes(struct store *st, const struct change *changes, uint32_t n, store_done_fn *done, void *ctx)
{
    struct item *it = item_new(ITEM_CHANGES, done, ctx);

    it->changes.rows = changes;
    it->changes.n = n;
    submit(st, it);
}

void store_account_changes(struct store *st, const struct account_change *changes, uint32_t n,
                           store_done_fn *done, void *ctx)
{
    struct item *it = item_new(ITEM_ACCOUNTS, done, ctx);

    it->accounts.rows = changes;
    it->accounts.n = n;
    submit(st, it);
}

void store_audit_prune(struct store *st, struct wall before, uint32_t max, uint64_t *ret_deleted,
                       store_done_fn *done, void *ctx)
{
    struct item *it = item_new(ITEM_AUDIT_PRUNE, done, ctx);

    *ret_deleted = 0;
    it->prune.before = before;
    it->prune.max = max;
    it->prune.ret_deleted = ret_deleted;
    submit(st, it);
}

void store_log_append(struct store *st, struct run_id run, uint64_t offset, TAKES char *bytes, uint32_t len,
                      store_done_fn *done, void *ctx)
{
    store_log_append_at(st, run, offset, bytes, len, (struct wall){0}, done, ctx);
}

void store_log_append_at(struct store *st, struct run_id run, uint64_t offset, TAKES char *bytes,
                         uint32_t len, struct wall at, store_done_fn *done, void *ctx)
{
    struct item *it = item_new(ITEM_LOG, done, ctx);

    it->log.run = run;
    it->log.offset = offset;
    it->log.bytes = bytes;
    it->log.len = len;
    it->log.at = at;
    submit(st, it);
}

void store_log_end(struct store *st, struct run_id run, store_done_fn *done, void *ctx)
{
    struct item *it = item_new(ITEM_LOG_END, done, ctx);

    it->log.run = run;
    submit(st, it);
}

void store_examples(struct store *st, struct run_id run, struct launch_id launch,
                    const struct example_row *rows, uint32_t n, uint64_t results_bytes,
                    const struct tally *tally, store_done_fn *done, void *ctx)
{
    struct item *it = item_new(ITEM_EXAMPLES, done, ctx);

    (void)launch; /* the run's own row knows */
    it->examples.run = run;
    it->examples.rows = rows;
    it->examples.n = n;
    it->examples.results_bytes = results_bytes;
    it->examples.tally = *tally;
    submit(st, it);
}

void store_project_put(struct store *st, const struct project_row *row, uint64_t *ret_id, store_done_fn *done,
                       void *ctx)
{
    struct item *it = item_new(ITEM_PROJECT_PUT, done, ctx);
    size_t name = strlen(row->name) + 1;
    size_t url = strlen(row->url) + 1;
    size_t error = strlen(row->error) + 1;
    char *texts = xmalloc(name + url + error);

    it->project.row = *row;
    it->project.row.name = memcpy(texts, row->name, name);
    it->project.row.url = memcpy(texts + name, row->url, url);
    it->project.row.error = memcpy(texts + name + url, row->error, error);
    it->project.texts = texts;
    it->project.ret_id = ret_id;
    submit(st, it);
}

void store_project_delete(struct store *st, struct project_id id, store_done_fn *done, void *ctx)
{
    struct item *it = item_new(ITEM_PROJECT_DELETE, done, ctx);

    it->project.row.id = id;
    submit(st, it);
}

void store_call(struct store *st, write_fn *fn, TAKES void *arg, void (*free_arg)(void *arg),
                store_done_fn *done, void *ctx)
{
    struct item *it = item_new(ITEM_CALL, done, ctx);

    it->call.fn = fn;
    it->call.arg = arg;
    it->call.free_arg = free_arg;
    submit(st, it);
}

void store_read(struct store *st, void (*fn)(struct reader *r, void *arg), void (*done)(void *arg), void *arg)
{
    struct item *it = item_new(ITEM_READ, NULL, arg);

    it->read.fn = fn;
    it->read.done = done;
    submit(st, it);
}

/* ---- boot ------------------------------------------------------------------------------------------------ */

enum err store_boot(struct store *st, void (*each)(void *ctx, const struct change *c), void *ctx,
                    struct why *reterr)
{
    struct reader r = {0};
    struct change ids;
    enum err err = reader_open(st, &r, reterr);

    if (err != ERR_OK)
        return err;
    db_begin(r.db);
    ids_boot(r.db, &ids);
    if (!db_failed(r.db))
        each(ctx, &ids);
    fleets_boot(&r, each, ctx);
    servers_boot(&r, each, ctx);
    launches_boot(&r, each, ctx);
    undos_boot(&r, each, ctx);
    pauses_boot(&r, each, ctx);
    tests_boot(&r, each, ctx);
    runs_boot(&r, each, ctx);
    err = db_commit(r.db, reterr);
    reader_close(&r);
    return err;
}

enum err store_boot_accounts(struct store *st, void (*each)(void *ctx, const struct account_change *c),
                             void *ctx, struct why *reterr)
{
    struct reader r = {0};
    enum err err = reader_open(st, &r, reterr);

    if (err != ERR_OK)
        return err;
    db_begin(r.db);
    accounts_boot(&r, each, ctx);
    err = db_commit(r.db, reterr);
    reader_close(&r);
    return err;
}

enum err store_boot_streams(struct store *st, void (*each)(void *ctx, const struct stream_pos *p), void *ctx,
                            struct why *reterr)
{
    struct reader r = {0};
    enum err err = reader_open(st, &r, reterr);

    if (err != ERR_OK)
        return err;
    db_begin(r.db);
    streams_boot(&r, each, ctx);
    err = db_commit(r.db, reterr);
    reader_close(&r);
    return err;
}
