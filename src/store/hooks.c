/* hooks.c - programs elsewhere that are told what happens, and what is on its way to them.
 *
 * A delivery is written in the commit of what it tells of, for each hook that wants it. The writer keeps in memory who wants what:
 * without hooks an event costs nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

#define HOOK_COLUMNS                                                                        \
    "id, type, name, user_id, url, repository, kinds, is_all, project, seal_name, secret, " \
    "is_enabled, reason, created_at, failing_since, failures, paused_until, last_at, "      \
    "last_status, last_error"
#define DELIVERY_COLUMNS                                                                          \
    "id, hook, kind, state, is_open, object, word, name, reason, runs, n, at, last_at, next_at, " \
    "give_up_at, ended_at, tries, status, took_ms, answer, error"
#define GIVE_UP_MS (INT64_C(24) * 3600 * 1000)
#define AT_ONCE 0 /* next_at of what somebody asked for: before all that waits, also while the hook pauses */

/* ---- rows ------------------------------------------------------------------------------------------------ */

static enum hook_type type_of(const char *name)
{
    enum hook_type t = hook_type_parse(name);

    return t == HOOK_TYPE_COUNT ? HOOK_WEBHOOK : t;
}

/* Kinds of a later version are passed over. */
static uint32_t kinds_of(const char *text)
{
    uint32_t found = 0;

    for (const char *p = text; *p != '\0'; p += *p == ',') {
        size_t n = strcspn(p, ",");
        char word[40];

        (void)snprintf(word, sizeof(word), "%.*s", n < sizeof(word) ? (int)n : 0, p);
        if (hook_kind_parse(word) < HOOK_KIND_TEST)
            found |= 1u << hook_kind_parse(word);
        p += n;
    }
    return found;
}

static void get_hook(struct db_stmt *s, struct hook_row *row)
{
    row->id = db_get_uint(s);
    row->type = type_of(db_get_text(s));
    row->name = db_get_text(s);
    row->user.v = db_get_uint(s);
    row->url = db_get_text(s);
    row->repository = db_get_text(s);
    row->kinds = kinds_of(db_get_text(s));
    row->is_all = db_get_int(s) != 0;
    row->project.v = db_get_uint(s);
    row->seal_name = db_get_text(s);
    row->secret = db_get_text(s);
    row->is_enabled = db_get_int(s) != 0;
    row->reason = db_get_text(s);
    row->created_at.ms = db_get_int(s);
    row->failing_since.ms = db_get_int(s);
    row->failures = (uint32_t)db_get_uint(s);
    row->paused_until.ms = db_get_int(s);
    row->last_at.ms = db_get_int(s);
    row->last_status = (uint32_t)db_get_uint(s);
    row->last_error = db_get_text(s);
}

static void get_delivery(struct db_stmt *s, struct delivery_row *row)
{
    *row = (struct delivery_row){.body = ""};
    row->id = db_get_uint(s);
    row->hook = db_get_uint(s);
    row->kind = hook_kind_parse(db_get_text(s));
    if (row->kind == HOOK_KIND_COUNT)
        row->kind = HOOK_KIND_TEST; /* of a later version */
    row->state = delivery_state_parse(db_get_text(s));
    row->is_open = db_get_int(s) != 0;
    row->object = db_get_uint(s);
    row->word = db_get_text(s);
    row->name = db_get_text(s);
    row->text = db_get_text(s);
    row->runs = db_get_text(s);
    row->n = db_get_uint(s);
    row->at.ms = db_get_int(s);
    row->last_at.ms = db_get_int(s);
    row->next_at.ms = db_get_int(s);
    row->give_up_at.ms = db_get_int(s);
    row->ended_at.ms = db_get_int(s);
    row->tries = (uint32_t)db_get_uint(s);
    row->status = (uint32_t)db_get_uint(s);
    row->took_ms = (uint32_t)db_get_uint(s);
    row->answer = db_get_text(s);
    row->error = db_get_text(s);
}

void hook_row_keep(struct arena *a, const struct hook_row *from, struct hook_row *to)
{
    *to = *from;
    to->name = arena_strdup(a, from->name);
    to->url = arena_strdup(a, from->url);
    to->repository = arena_strdup(a, from->repository);
    to->seal_name = arena_strdup(a, from->seal_name);
    to->secret = arena_strdup(a, from->secret);
    to->reason = arena_strdup(a, from->reason);
    to->last_error = arena_strdup(a, from->last_error);
}

void delivery_row_keep(struct arena *a, const struct delivery_row *from, struct delivery_row *to)
{
    *to = *from;
    to->word = arena_strdup(a, from->word);
    to->name = arena_strdup(a, from->name);
    to->text = arena_strdup(a, from->text);
    to->runs = arena_strdup(a, from->runs);
    to->answer = arena_strdup(a, from->answer);
    to->error = arena_strdup(a, from->error);
    to->body = arena_strdup(a, from->body);
}

/* ---- who wants what -------------------------------------------------------------------------------------- */

void hooks_load(struct writer *w)
{
    struct db_stmt *s = db_sql(w->db, "SELECT " HOOK_COLUMNS " FROM hooks WHERE is_enabled = 1 ORDER BY id");

    w->n_hooks = 0;
    if (w->hooks == NULL)
        w->hooks = xcalloc(HOOKS_MAX, sizeof(*w->hooks));
    while (db_row(s)) {
        struct hook_row row;

        get_hook(s, &row);
        row.name = row.url = row.repository = row.seal_name = row.secret = row.reason = row.last_error = "";
        if (w->n_hooks < HOOKS_MAX)
            w->hooks[w->n_hooks++] = row;
    }
}

/* ---- something happened ---------------------------------------------------------------------------------- */

/* Counted in where the same is open already. Of a status on GitHub only the newest of a launch matters, whatever its kind. */
static bool count_in(struct writer *w, const struct hook_row *h, const struct hook_event *ev)
{
    struct db_stmt *s;

    if (h->type != HOOK_GITHUB && !hook_kind_is_many(ev->kind))
        return false;
    s = db_sql(w->db, "UPDATE deliveries SET kind = ?, n = n + 1, last_at = ?, name = ?, reason = ?, "
                      "runs = CASE WHEN n < ? AND ? > 0 THEN runs || ',' || CAST(? AS TEXT) ELSE runs END "
                      "WHERE hook = ? AND is_open = 1 AND object = ? AND (? = 1 OR (kind = ? AND word = ?))");
    db_text(s, hook_kind_name(ev->kind));
    db_int(s, ev->at.ms);
    db_text(s, ev->name);
    db_text(s, ev->text);
    db_int(s, HOOK_RUNS_MAX);
    db_uint(s, ev->run.v);
    db_uint(s, ev->run.v);
    db_uint(s, h->id);
    db_uint(s, ev->object);
    db_int(s, h->type == HOOK_GITHUB);
    db_text(s, hook_kind_name(ev->kind));
    db_text(s, ev->word);
    return db_run(s) > 0;
}

/* A status that is tried again must not come after the newer one. */
static void replace_older(struct writer *w, const struct hook_row *h, const struct hook_event *ev)
{
    struct db_stmt *s =
        db_sql(w->db, "UPDATE deliveries SET state = 'failed', ended_at = ?, error = 'a newer status of the "
                      "launch took its place' WHERE hook = ? AND object = ? AND state = 'waiting' AND "
                      "is_open = 0");

    db_int(s, ev->at.ms);
    db_uint(s, h->id);
    db_uint(s, ev->object);
    (void)db_run(s);
}

static uint64_t count_waiting(struct writer *w, uint64_t hook)
{
    struct db_stmt *s = db_sql(w->db, "SELECT COUNT(*) FROM deliveries WHERE hook = ? AND state = 'waiting'");
    uint64_t n = 0;

    db_uint(s, hook);
    while (db_row(s))
        n = db_get_uint(s);
    return n;
}

static uint64_t insert_delivery(struct writer *w, const struct hook_row *h, const struct hook_event *ev)
{
    uint64_t id = ids_take(w, ID_DELIVERY);
    bool fits = count_waiting(w, h->id) < DELIVERIES_WAITING_MAX;
    bool is_many = hook_kind_is_many(ev->kind);
    int64_t delay_ms = is_many ? w->hook_gather_ms : 0;
    char run[24] = "";
    struct db_stmt *s = db_sql(w->db, "INSERT INTO deliveries (" DELIVERY_COLUMNS ", body) VALUES "
                                      "(?,?,?,?,?,?,?,?,?,?,1,?,?,?,?,?,0,0,0,'',?,'')");

    if (ev->run.v != 0)
        (void)snprintf(run, sizeof(run), "%llu", (unsigned long long)ev->run.v);
    db_uint(s, id);
    db_uint(s, h->id);
    db_text(s, hook_kind_name(ev->kind));
    db_text(s, delivery_state_name(fits ? DELIVERY_WAITING : DELIVERY_FAILED));
    db_int(s, fits);
    db_uint(s, ev->object);
    db_text(s, ev->word);
    db_text(s, ev->name);
    db_text(s, ev->text);
    db_text(s, run);
    db_int(s, ev->at.ms);
    db_int(s, ev->at.ms);
    db_int(s, ev->kind == HOOK_KIND_TEST ? AT_ONCE : ev->at.ms + delay_ms);
    db_int(s, ev->at.ms + delay_ms + GIVE_UP_MS);
    db_int(s, fits ? 0 : ev->at.ms);
    db_text(s, fits ? "" : "too many waited already; `wrata hooks retry` sends it");
    (void)db_run(s);
    return id;
}

void hook_event_add(struct writer *w, const struct hook_event *ev)
{
    for (uint32_t i = 0; i < w->n_hooks; i++) {
        const struct hook_row *h = &w->hooks[i];

        if (!hook_wants(h, ev))
            continue;
        if (h->type == HOOK_GITHUB)
            replace_older(w, h, ev);
        if (!count_in(w, h, ev))
            (void)insert_delivery(w, h, ev);
    }
}

/* What people are told by mail, programs can hear as well; launches and runs come from the engine themselves. */
void hook_event_of_notice(struct writer *w, const struct notice_row *row)
{
    static const struct {
        enum notice_kind notice;
        enum hook_kind kind;
    } same[] = {{NOTICE_SCHEDULE_FAILED, HOOK_KIND_SCHEDULE_FAILED},
                {NOTICE_SCHEDULE_MISSED, HOOK_KIND_SCHEDULE_MISSED},
                {NOTICE_SCHEDULE_DISABLED, HOOK_KIND_SCHEDULE_DISABLED},
                {NOTICE_NOT_CREATED, HOOK_KIND_SERVER_NOT_CREATED},
                {NOTICE_SICK, HOOK_KIND_SERVER_SICK},
                {NOTICE_ERROR, HOOK_KIND_ERROR}};

    for (unsigned i = 0; i < ARRAY_LEN(same) && w->n_hooks > 0; i++) {
        struct hook_event ev = {.kind = same[i].kind,
                                .user = row->user,
                                .object = row->object,
                                .word = row->word,
                                .name = row->name,
                                .text = row->text,
                                .at = row->at};

        if (row->kind == same[i].notice)
            hook_event_add(w, &ev);
    }
}

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

struct hook_job {
    struct arena arena; /* of the texts */
    struct hook_row row;
    struct delivery_row delivery;
    struct hook_fate fate;
    uint64_t id;
    struct wall at;
    int64_t ms;
    uint32_t max;
    uint64_t *ret;
};

static enum err no_hook(uint64_t id, struct why *reterr)
{
    return why_set(reterr, ERR_NOTFOUND, NULL, "there is no hook %llu", (unsigned long long)id);
}

static uint64_t count_hooks(struct writer *w, struct user_id user)
{
    struct db_stmt *s = db_sql(w->db, "SELECT COUNT(*) FROM hooks WHERE ? = 0 OR user_id = ?");
    uint64_t n = 0;

    db_uint(s, user.v);
    db_uint(s, user.v);
    while (db_row(s))
        n = db_get_uint(s);
    return n;
}

static bool name_is_taken(struct writer *w, const struct hook_row *row)
{
    struct db_stmt *s = db_sql(w->db, "SELECT id FROM hooks WHERE user_id = ? AND name = ? AND id <> ?");
    bool found = false;

    db_uint(s, row->user.v);
    db_text(s, row->name);
    db_uint(s, row->id);
    while (db_row(s))
        found = true;
    return found;
}

static void bind_settings(struct db_stmt *s, const struct hook_row *row, char kinds[HOOK_KINDS_BYTES])
{
    hook_kinds_write(row->kinds, kinds, HOOK_KINDS_BYTES);
    db_text(s, hook_type_name(row->type));
    db_text(s, row->name);
    db_uint(s, row->user.v);
    db_text(s, row->url);
    db_text(s, row->repository);
    db_text(s, kinds);
    db_int(s, row->is_all);
    db_uint(s, row->project.v);
    db_text(s, row->seal_name);
    db_text(s, row->secret);
    db_int(s, row->is_enabled);
    db_text(s, row->reason);
}

static enum err hook_put(struct writer *w, void *arg, struct why *reterr)
{
    struct hook_job *job = arg;
    struct hook_row *row = &job->row;
    char kinds[HOOK_KINDS_BYTES];
    struct db_stmt *s;

    if (name_is_taken(w, row))
        return why_set(reterr, ERR_CONFLICT, "name", "name: there is a hook '%.100s' already", row->name);
    if (row->id == 0 && count_hooks(w, (struct user_id){0}) >= HOOKS_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "there are %u hooks already", HOOKS_MAX);
    if (row->id == 0 && count_hooks(w, row->user) >= HOOKS_OF_USER_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "you have %u hooks already", HOOKS_OF_USER_MAX);
    if (row->id == 0) {
        row->id = ids_take(w, ID_HOOK);
        s = db_sql(w->db, "INSERT INTO hooks (type, name, user_id, url, repository, kinds, is_all, project, "
                          "seal_name, secret, is_enabled, reason, id, created_at, failing_since, failures, "
                          "paused_until, last_at, last_status, last_error) "
                          "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,0,0,0,0,'')");
        bind_settings(s, row, kinds);
        db_uint(s, row->id);
        db_int(s, row->created_at.ms);
        (void)db_run(s);
    } else {
        /* What failed so far may be what was changed: it begins anew. */
        s = db_sql(w->db, "UPDATE hooks SET type = ?, name = ?, user_id = ?, url = ?, repository = ?, "
                          "kinds = ?, is_all = ?, project = ?, seal_name = ?, secret = ?, is_enabled = ?, "
                          "reason = ?, failing_since = 0, failures = 0, paused_until = 0 WHERE id = ?");
        bind_settings(s, row, kinds);
        db_uint(s, row->id);
        if (db_run(s) == 0 && !db_failed(w->db))
            return no_hook(row->id, reterr);
    }
    *job->ret = row->id;
    hooks_load(w);
    return ERR_OK;
}

static enum err hook_delete(struct writer *w, void *arg, struct why *reterr)
{
    const struct hook_job *job = arg;
    struct db_stmt *s = db_sql(w->db, "DELETE FROM hooks WHERE id = ?");

    db_uint(s, job->id);
    if (db_run(s) == 0 && !db_failed(w->db))
        return no_hook(job->id, reterr);
    s = db_sql(w->db, "DELETE FROM deliveries WHERE hook = ?");
    db_uint(s, job->id);
    (void)db_run(s);
    hooks_load(w);
    return ERR_OK;
}

void hooks_of_user_gone(struct writer *w, struct user_id user)
{
    struct db_stmt *s =
        db_sql(w->db, "DELETE FROM deliveries WHERE hook IN (SELECT id FROM hooks WHERE user_id = ?)");

    db_uint(s, user.v);
    (void)db_run(s);
    s = db_sql(w->db, "DELETE FROM hooks WHERE user_id = ?");
    db_uint(s, user.v);
    if (db_run(s) > 0)
        hooks_load(w);
}

static enum err hook_test(struct writer *w, void *arg, struct why *reterr)
{
    const struct hook_job *job = arg;
    struct hook_event ev = {.kind = HOOK_KIND_TEST, .word = "", .name = "", .text = "", .at = job->at};
    const struct hook_row *h = NULL;

    for (uint32_t i = 0; i < w->n_hooks; i++) {
        if (w->hooks[i].id == job->id)
            h = &w->hooks[i];
    }
    if (h == NULL)
        return why_set(reterr, ERR_CONFLICT, NULL,
                       "the hook is disabled, or gone; `wrata hooks enable` enables it");
    if (count_waiting(w, h->id) >= DELIVERIES_WAITING_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "%u deliveries wait already", DELIVERIES_WAITING_MAX);
    *job->ret = insert_delivery(w, h, &ev);
    return ERR_OK;
}

static enum err delivery_retry(struct writer *w, void *arg, struct why *reterr)
{
    const struct hook_job *job = arg;
    uint64_t hook = 0;
    struct db_stmt *s = db_sql(w->db, "SELECT h.id FROM deliveries d JOIN hooks h ON h.id = d.hook "
                                      "WHERE d.id = ? AND h.is_enabled = 1");

    db_uint(s, job->id);
    while (db_row(s))
        hook = db_get_uint(s);
    if (hook == 0)
        return why_set(reterr, ERR_CONFLICT, NULL,
                       "its hook is disabled, or gone; `wrata hooks enable` enables it");
    /* A status says what is so now, not what was so once. */
    s = db_sql(w->db, "UPDATE deliveries SET body = CASE WHEN state <> 'waiting' AND hook IN (SELECT id FROM "
                      "hooks WHERE type = 'github') THEN '' ELSE body END, state = 'waiting', next_at = ?, "
                      "give_up_at = ?, ended_at = 0 WHERE id = ?");
    db_int(s, AT_ONCE);
    db_int(s, job->at.ms + GIVE_UP_MS);
    db_uint(s, job->id);
    (void)db_run(s);
    return ERR_OK;
}

/* What has been counted in since it was read is not in the body: it is read again. */
static enum err delivery_close(struct writer *w, void *arg, struct why *reterr)
{
    const struct hook_job *job = arg;
    const struct delivery_row *d = &job->delivery;
    struct db_stmt *s = db_sql(w->db, "UPDATE deliveries SET is_open = 0, body = ? "
                                      "WHERE id = ? AND state = 'waiting' AND n = ?");

    db_text(s, d->body);
    db_uint(s, d->id);
    db_uint(s, d->n);
    if (db_run(s) != 1 && !db_failed(w->db))
        return why_set(reterr, ERR_CONFLICT, NULL, "delivery %llu changed meanwhile",
                       (unsigned long long)d->id);
    return ERR_OK;
}

static void set_hook(struct writer *w, uint64_t hook, const struct hook_fate *a)
{
    struct db_stmt *s = db_sql(w->db, "UPDATE hooks SET failing_since = ?, failures = ?, paused_until = ?, "
                                      "last_at = ?, last_status = ?, last_error = ? WHERE id = ?");

    db_int(s, a->failing_since.ms);
    db_uint(s, a->failures);
    db_int(s, a->paused_until.ms);
    db_int(s, a->at.ms);
    db_uint(s, a->status);
    db_text(s, a->error);
    db_uint(s, hook);
    (void)db_run(s);
}

/* Its owner hears of it: once, in this commit. */
static void disable(struct writer *w, uint64_t hook, const struct hook_fate *a)
{
    struct notice_row notice = {
        .kind = NOTICE_HOOK_DISABLED, .object = hook, .word = "", .text = a->disable, .at = a->at};
    struct db_stmt *s =
        db_sql(w->db, "UPDATE hooks SET is_enabled = 0, reason = ? WHERE id = ? AND is_enabled = 1");

    db_text(s, a->disable);
    db_uint(s, hook);
    if (db_run(s) == 0)
        return;
    hooks_load(w);
    s = db_sql(w->db, "SELECT user_id, name FROM hooks WHERE id = ?");
    db_uint(s, hook);
    while (db_row(s)) {
        notice.user.v = db_get_uint(s);
        notice.name = arena_strdup(&w->batch, db_get_text(s));
    }
    if (notice.user.v > 1) /* whoever is at the command line has no address */
        notice_add(w, &notice);
}

static enum err delivery_set(struct writer *w, void *arg, struct why *reterr)
{
    const struct hook_job *job = arg;
    const struct delivery_row *d = &job->delivery;
    struct db_stmt *s =
        db_sql(w->db, "UPDATE deliveries SET state = ?, next_at = ?, ended_at = ?, tries = ?, "
                      "status = ?, took_ms = ?, answer = ?, error = ? "
                      "WHERE id = ? AND state = 'waiting'");

    db_text(s, delivery_state_name(d->state));
    db_int(s, d->next_at.ms);
    db_int(s, d->ended_at.ms);
    db_uint(s, d->tries);
    db_uint(s, d->status);
    db_uint(s, d->took_ms);
    db_text(s, d->answer);
    db_text(s, d->error);
    db_uint(s, d->id);
    if (db_run(s) != 1 && !db_failed(w->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "delivery %llu does not wait", (unsigned long long)d->id);
    set_hook(w, d->hook, &job->fate);
    if (job->fate.disable[0] != '\0')
        disable(w, d->hook, &job->fate);
    return ERR_OK;
}

/* What a disabled hook would have sent is given up by its own time. */
static void give_up(struct writer *w, struct wall now)
{
    struct db_stmt *s =
        db_sql(w->db, "UPDATE deliveries SET state = 'failed', is_open = 0, ended_at = ?, "
                      "error = 'its hook was disabled' WHERE state = 'waiting' AND "
                      "give_up_at < ? AND hook IN (SELECT id FROM hooks WHERE is_enabled = 0)");

    db_int(s, now.ms);
    db_int(s, now.ms);
    (void)db_run(s);
}

static enum err deliveries_prune(struct writer *w, void *arg, struct why *reterr)
{
    const struct hook_job *job = arg;
    struct db_stmt *s = db_sql(
        w->db, "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE state <> 'waiting' "
               "AND ended_at < ? ORDER BY ended_at LIMIT ?)");

    (void)reterr;
    db_int(s, job->at.ms - DELIVERIES_KEPT_MS);
    db_uint(s, job->max);
    *job->ret = db_run(s);
    s = db_sql(w->db, "DELETE FROM deliveries WHERE id IN (SELECT d.id FROM deliveries d JOIN hooks h ON "
                      "h.id = d.hook WHERE d.state <> 'waiting' AND d.id < (SELECT x.id FROM deliveries x "
                      "WHERE x.hook = h.id ORDER BY x.id DESC LIMIT 1 OFFSET ?) LIMIT ?)");
    db_uint(s, DELIVERIES_KEPT);
    db_uint(s, job->max);
    *job->ret += db_run(s);
    give_up(w, job->at);
    return ERR_OK;
}

static enum err hooks_gather(struct writer *w, void *arg, struct why *reterr)
{
    const struct hook_job *job = arg;

    (void)reterr;
    w->hook_gather_ms = job->ms;
    return ERR_OK;
}

/* ---- submitting ------------------------------------------------------------------------------------------ */

static struct hook_job *job_new(uint64_t *ret)
{
    struct hook_job *job = xcalloc(1, sizeof(*job));

    arena_init(&job->arena);
    job->ret = ret;
    return job;
}

static void job_free(void *arg)
{
    struct hook_job *job = arg;

    arena_done(&job->arena);
    free(job);
}

void store_hook_put(struct store *st, const struct hook_row *row, uint64_t *ret_id, store_done_fn *done,
                    void *ctx)
{
    struct hook_job *job = job_new(ret_id);

    hook_row_keep(&job->arena, row, &job->row);
    store_call(st, hook_put, job, job_free, done, ctx);
}

void store_hook_delete(struct store *st, uint64_t id, store_done_fn *done, void *ctx)
{
    struct hook_job *job = job_new(NULL);

    job->id = id;
    store_call(st, hook_delete, job, job_free, done, ctx);
}

void store_hook_test(struct store *st, uint64_t id, struct wall now, uint64_t *ret_delivery,
                     store_done_fn *done, void *ctx)
{
    struct hook_job *job = job_new(ret_delivery);

    job->id = id;
    job->at = now;
    store_call(st, hook_test, job, job_free, done, ctx);
}

void store_delivery_retry(struct store *st, uint64_t id, struct wall now, store_done_fn *done, void *ctx)
{
    struct hook_job *job = job_new(NULL);

    job->id = id;
    job->at = now;
    store_call(st, delivery_retry, job, job_free, done, ctx);
}

void store_delivery_close(struct store *st, const struct delivery_row *row, store_done_fn *done, void *ctx)
{
    struct hook_job *job = job_new(NULL);

    delivery_row_keep(&job->arena, row, &job->delivery);
    store_call(st, delivery_close, job, job_free, done, ctx);
}

void store_delivery_set(struct store *st, const struct delivery_row *row, const struct hook_fate *fate,
                        store_done_fn *done, void *ctx)
{
    struct hook_job *job = job_new(NULL);

    delivery_row_keep(&job->arena, row, &job->delivery);
    job->fate = *fate;
    job->fate.error = arena_strdup(&job->arena, fate->error);
    job->fate.disable = arena_strdup(&job->arena, fate->disable);
    store_call(st, delivery_set, job, job_free, done, ctx);
}

void store_deliveries_prune(struct store *st, struct wall now, uint32_t max, uint64_t *ret_deleted,
                            store_done_fn *done, void *ctx)
{
    struct hook_job *job = job_new(ret_deleted);

    job->at = now;
    job->max = max;
    store_call(st, deliveries_prune, job, job_free, done, ctx);
}

void store_hooks_gather(struct store *st, int64_t ms, store_done_fn *done, void *ctx)
{
    struct hook_job *job = job_new(NULL);

    job->ms = ms;
    store_call(st, hooks_gather, job, job_free, done, ctx);
}

/* ---- rows -> model --------------------------------------------------------------------------------------- */

enum err read_hooks(struct reader *r, struct user_id user, hook_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " HOOK_COLUMNS " FROM hooks WHERE ? = 0 OR user_id = ? "
                                      "ORDER BY id LIMIT ?");
    struct hook_row row;

    db_uint(s, user.v);
    db_uint(s, user.v);
    db_uint(s, HOOKS_MAX);
    while (db_row(s)) {
        get_hook(s, &row);
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

enum err read_hook(struct reader *r, uint64_t id, hook_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " HOOK_COLUMNS " FROM hooks WHERE id = ?");
    struct hook_row row;
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        get_hook(s, &row);
        found = true;
        if (each != NULL)
            each(ctx, &row);
    }
    return found || db_failed(r->db) ? db_error(r->db, reterr) : no_hook(id, reterr);
}

static void take_user(void *ctx, const struct hook_row *row)
{
    *(struct user_id *)ctx = row->user;
}

enum err read_hook_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr)
{
    return read_hook(r, id, take_user, ret, reterr);
}

enum err read_delivery_user(struct reader *r, uint64_t id, struct user_id *ret, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT h.user_id FROM deliveries d JOIN hooks h ON h.id = d.hook WHERE d.id = ?");
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        ret->v = db_get_uint(s);
        found = true;
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no delivery %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}

enum err read_delivery(struct reader *r, uint64_t id, delivery_fn *each, void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " DELIVERY_COLUMNS ", body FROM deliveries WHERE id = ?");
    struct delivery_row row;
    bool found = false;

    db_uint(s, id);
    while (db_row(s)) {
        get_delivery(s, &row);
        row.body = db_get_text(s);
        found = true;
        each(ctx, &row);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no delivery %llu", (unsigned long long)id);
    return db_error(r->db, reterr);
}

enum err read_deliveries(struct reader *r, uint64_t hook, int state, struct page *p, delivery_fn *each,
                         void *ctx, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " DELIVERY_COLUMNS " FROM deliveries WHERE hook = ? AND id < ? "
                                      "AND (? < 0 OR state = ?) ORDER BY id DESC LIMIT ?");
    uint64_t last = 0;
    uint32_t n = 0;

    db_uint(s, hook);
    db_uint(s, p->after != 0 ? p->after : KEY_MAX);
    db_int(s, state);
    db_text(s, state >= 0 ? delivery_state_name((enum delivery_state)state) : "");
    db_int(s, page_limit(p));
    p->next = 0;
    while (db_row(s)) {
        struct delivery_row row;

        if (!page_take(p, &n, last)) {
            db_end(s);
            break;
        }
        get_delivery(s, &row);
        last = row.id;
        each(ctx, &row);
    }
    return db_error(r->db, reterr);
}

/* The first of each hook that may be sent now. */
enum err read_deliveries_due(struct reader *r, struct wall now, delivery_fn *each, void *ctx,
                             struct wall *ret_next, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT d.id, d.hook, d.kind, d.state, d.is_open, d.object, d.word, d.name, d.reason, "
                      "d.runs, d.n, d.at, d.last_at, d.next_at, d.give_up_at, d.ended_at, d.tries, d.status, "
                      "d.took_ms, d.answer, d.error, d.body FROM hooks h JOIN deliveries d ON d.id = "
                      "(SELECT x.id FROM deliveries x WHERE x.hook = h.id AND x.state = 'waiting' "
                      "AND x.next_at <= ? ORDER BY x.next_at, x.id LIMIT 1) "
                      "WHERE h.is_enabled = 1 AND (h.paused_until <= ? OR d.next_at = ?) "
                      "ORDER BY d.next_at, d.id LIMIT ?");

    db_int(s, now.ms);
    db_int(s, now.ms);
    db_int(s, AT_ONCE);
    db_uint(s, HOOKS_MAX);
    while (db_row(s)) {
        struct delivery_row row;

        get_delivery(s, &row);
        row.body = db_get_text(s);
        row.is_open = row.is_open || row.body[0] == '\0'; /* tried again, and not written yet */
        each(ctx, &row);
    }
    s = db_sql(r->db, "SELECT COALESCE(MIN(CASE WHEN h.paused_until > d.next_at THEN h.paused_until ELSE "
                      "d.next_at END), 0) FROM hooks h JOIN deliveries d ON d.hook = h.id AND "
                      "d.state = 'waiting' WHERE h.is_enabled = 1 AND (h.paused_until > ? OR d.next_at > ?)");
    db_int(s, now.ms);
    db_int(s, now.ms);
    ret_next->ms = 0;
    while (db_row(s))
        ret_next->ms = db_get_int(s);
    return db_error(r->db, reterr);
}
