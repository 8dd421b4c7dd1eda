/* retention.c - what is old or too much goes, by itself, a small step after the other.
 *
 * One step is under way at a time. What is to be done is asked anew before each, the most urgent first:
 *
 *   files               of rows that are gone: removed from the disk, then their names from the list (store/prune.h)
 *   the disk is low     logs, the oldest first, then artifacts, some at a time, until there is room again (disk.c says so). What is
 *                       younger than a day stays: it may be looked at now, and somebody else may have filled the disk
 *   a round             every ROUND_MS: artifacts, logs, examples, launches, ended jobs, by age and by size
 *   space               free pages of the database go back to the disk
 *
 * Between two steps it rests as long as pacer.h says, so that commits of runs hardly wait. Nothing of a round is remembered: one
 * that a crash cut off is begun again. */
#include "server/retention.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "server/disk.h"
#include "server/keeper.h"
#include "server/pacer.h"
#include "store/prune.h"

#define ROUND_MS 600000u
#define AGAIN_MS 60000u /* after something that should not be */
#define DISK_LOOK_MS 5000u
#define DISK_KEPT_MS DAY_MS
#define FILES_GO_MS 1000u /* they are removed beside this: the disk is looked at when they are gone */
#define UNCUT_MAX 5u
#define CAUSE_DAYS 400 /* at least; and a day longer than history, since last_at may be a day too early */
#define DAY_MS INT64_C(86400000)
#define CUT_AGAIN_MS 1000u
#define FILES_MAX 100u
#define LOOK_MAX 200u
#define JOBS_MAX 500u
#define SPACE_STEP_BYTES KIB(512)
#define SPACE_KEPT_BYTES MIB(1) /* stays free in the file: it is needed again soon */

enum phase {
    PHASE_ARTIFACTS,
    PHASE_LOGS_AGE,
    PHASE_LOGS_SIZE,
    PHASE_EXAMPLES_AGE,
    PHASE_EXAMPLES_SIZE,
    PHASE_LAUNCHES_AGE,
    PHASE_LAUNCHES_SIZE,
    PHASE_TEXTS,
    PHASE_JOBS,
    PHASE_NONE /* no round is under way */
};

/* What is given up while the disk is low. */
enum giving_up { GIVE_LOGS, GIVE_ARTIFACTS, GIVE_NOTHING /* there is nothing left that may go */ };

struct retention {
    struct server *server;
    uv_timer_t timer;
    uv_timer_t round_timer;
    uv_timer_t disk_timer;
    uv_work_t work;
    struct pacer pacer;
    bool is_busy;
    bool is_halted;
    bool files_due;
    bool space_due;
    bool round_due;
    uint32_t n_uncut; /* times in a row that somebody's read kept the write-ahead log from being cut */
    bool is_low;      /* the disk: told */
    enum giving_up giving_up;
    uint64_t disk_after;   /* logs: looked at up to here */
    uint64_t disk_missing; /* bytes */
    uint64_t bytes_at_low;
    enum phase phase;
    uint64_t after; /* of the phase: looked at up to here */

    /* of the step under way */
    struct kept_look look;
    struct launches_look launches;
    struct kept_sums sums;
    struct kept_drop drop;
    struct history_delete d;
    struct space_back space;
    struct going_files files;
    char paths[FILES_MAX][GOING_FILE_BYTES];
    uint64_t n_deleted;
    enum err err;
    struct why why;

    /* of the round, for the log */
    uint32_t n_gone[KEPT_COUNT];
    uint64_t bytes_gone;
    uint32_t n_launches;
};

static void next(struct retention *r);

static const struct settings *settings_in_force(const struct retention *r)
{
    return &r->server->opts.config->set;
}

static void on_timer(uv_timer_t *t)
{
    struct retention *r = t->data;

    r->is_busy = false;
    next(r);
}

/* The step is over; the next one after `ms`. */
static void rest(struct retention *r, uint64_t ms)
{
    if (r->is_halted) {
        r->is_busy = false;
        return;
    }
    uv_update_time(&r->server->loop);
    (void)uv_timer_start(&r->timer, on_timer, ms, 0);
}

/* How long to rest after a step that took so long. */
static uint64_t pause_ms(struct retention *r, int64_t us, bool was_full)
{
    struct engine_stats st = engine_stats(r->server->engine);

    return pacer_rest_ms(&r->pacer, us, was_full, st.runs_active == 0 && st.tests_waiting == 0);
}

/* False: the step is over. */
static bool goes_on(struct retention *r, enum err err, const struct why *why)
{
    if (err == ERR_IO)
        server_die("retention.commit", why);
    if (r->is_halted) {
        r->is_busy = false;
        return false;
    }
    return true;
}

static bool read_failed(struct retention *r)
{
    char text[300];

    if (!goes_on(r, ERR_OK, NULL))
        return true;
    if (r->err == ERR_OK)
        return false;
    LOG_WARN("retention.later", "why=%s", log_quote(text, sizeof(text), r->why.text));
    rest(r, AGAIN_MS);
    return true;
}

/* ---- files ----------------------------------------------------------------------------------------------- */

static void on_files_gone(void *ctx, enum err err, const struct why *why)
{
    struct retention *r = ctx;

    if (goes_on(r, err, why))
        rest(r, 0);
}

static void on_files_work(uv_work_t *work)
{
    struct retention *r = work->data;

    fault_crash("retention.crash_before_files");
    r->err = going_files_remove(r->server->opts.data_dir, &r->files, &r->why) ? ERR_OK : ERR_IO;
    fault_crash("retention.crash_after_files");
}

static void on_files_removed(uv_work_t *work, int status)
{
    struct retention *r = work->data;
    char text[300];

    (void)status;
    if (!goes_on(r, ERR_OK, NULL))
        return;
    if (r->err != ERR_OK) { /* the next round tries again; what else is to go does not wait for it */
        LOG_WARN("retention.later", "why=%s", log_quote(text, sizeof(text), r->why.text));
        r->files_due = false;
        rest(r, 0);
        return;
    }
    store_going_files_gone(r->server->store, &r->files, on_files_gone, r);
}

static void files_job(struct reader *reader, void *arg)
{
    struct retention *r = arg;

    r->files.paths = r->paths;
    r->err = read_going_files(reader, &r->files, FILES_MAX, &r->why);
}

static void on_files_read(void *arg)
{
    struct retention *r = arg;

    if (read_failed(r))
        return;
    if (r->files.n == 0) {
        rest(r, 0);
        return;
    }
    r->files_due = true; /* there may be more */
    CHECK(uv_queue_work(&r->server->loop, &r->work, on_files_work, on_files_removed) == 0);
}

static void step_files(struct retention *r)
{
    r->files_due = false;
    store_read(r->server->store, files_job, on_files_read, r);
}

/* ---- space ----------------------------------------------------------------------------------------------- */

static void on_space(void *ctx, enum err err, const struct why *why)
{
    struct retention *r = ctx;

    if (!goes_on(r, err, why))
        return;
    r->n_uncut = r->space.may_cut && !r->space.is_cut ? r->n_uncut + 1 : 0;
    r->space_due = r->space.left > SPACE_KEPT_BYTES || (r->space.may_cut && !r->space.is_cut);
    if (r->space.may_cut && !r->space.is_cut)
        rest(r, CUT_AGAIN_MS); /* somebody reads: what was moved is not where it belongs yet */
    else
        rest(r, pause_ms(r, r->space.us, false));
}

static void sums_job(struct reader *reader, void *arg)
{
    struct retention *r = arg;

    r->err = read_kept_sums(reader, &r->sums, &r->why);
}

/* The last step cuts the write-ahead log as well: what it holds is nowhere else until then. */
static void on_space_read(void *arg)
{
    struct retention *r = arg;
    uint64_t much = r->sums.free_bytes > SPACE_KEPT_BYTES ? r->sums.free_bytes - SPACE_KEPT_BYTES : 0;

    if (read_failed(r))
        return;
    r->space = (struct space_back){.bytes = much < SPACE_STEP_BYTES ? much : SPACE_STEP_BYTES,
                                   .may_cut = much <= SPACE_STEP_BYTES};
    store_space_back(r->server->store, &r->space, on_space, r);
}

static void step_space(struct retention *r)
{
    r->space_due = false;
    store_read(r->server->store, sums_job, on_space_read, r);
}

/* ---- a round --------------------------------------------------------------------------------------------- */

static bool anything_gone(const struct retention *r)
{
    return r->n_gone[KEPT_LOG] + r->n_gone[KEPT_EXAMPLE] + r->n_launches > 0;
}

static void round_end(struct retention *r)
{
    r->phase = PHASE_NONE;
    if (anything_gone(r))
        LOG_INFO("retention.pruned", "logs=%u examples_of=%u launches=%u runs=%u bytes=%llu",
                 r->n_gone[KEPT_LOG], r->n_gone[KEPT_EXAMPLE], r->n_launches, r->n_gone[KEPT_RUN],
                 (unsigned long long)r->bytes_gone);
    memset(r->n_gone, 0, sizeof(r->n_gone));
    r->n_launches = 0;
    r->bytes_gone = 0;
}

static void phase_end(struct retention *r)
{
    r->after = 0;
    r->phase = (enum phase)(r->phase + 1);
    if (r->phase == PHASE_NONE)
        round_end(r);
    rest(r, 0);
}

static void on_artifacts(void *ctx, uint32_t n, uint64_t bytes)
{
    struct retention *r = ctx;

    (void)n;
    r->bytes_gone += bytes;
    if (goes_on(r, ERR_OK, NULL))
        phase_end(r);
}

static void on_jobs(void *ctx, enum err err, const struct why *why)
{
    struct retention *r = ctx;

    if (!goes_on(r, err, why))
        return;
    if (r->n_deleted == JOBS_MAX)
        rest(r, 0);
    else
        phase_end(r);
}

/* ---- logs and examples ---- */

static const struct kept_rule {
    enum kept_kind kind;
    enum gone_why why;
    size_t setting; /* days, or bytes */
} kept_rules[] = {
    [PHASE_LOGS_AGE] = {KEPT_LOG, GONE_AGE, offsetof(struct settings, log_days)},
    [PHASE_LOGS_SIZE] = {KEPT_LOG, GONE_SIZE, offsetof(struct settings, logs_max_bytes)},
    [PHASE_EXAMPLES_AGE] = {KEPT_EXAMPLE, GONE_AGE, offsetof(struct settings, example_days)},
    [PHASE_EXAMPLES_SIZE] = {KEPT_EXAMPLE, GONE_SIZE, offsetof(struct settings, examples_max_bytes)},
};

static int64_t setting_of(const struct retention *r, size_t offset)
{
    return *(const int64_t *)((const char *)settings_in_force(r) + offset);
}

static void on_dropped(void *ctx, enum err err, const struct why *why);

/* What is left of the list, as far as the budget goes. */
static void drop_some(struct retention *r)
{
    r->drop.budget = pacer_rows(&r->pacer);
    store_kept_drop(r->server->store, &r->drop, on_dropped, r);
}

static void on_drop_timer(uv_timer_t *t)
{
    struct retention *r = t->data;

    if (goes_on(r, ERR_OK, NULL))
        drop_some(r);
}

static void on_dropped(void *ctx, enum err err, const struct why *why)
{
    struct retention *r = ctx;
    uint64_t ms;

    if (!goes_on(r, err, why))
        return;
    fault_crash("retention.crash_after_step");
    r->n_gone[r->drop.kind] += r->drop.n_done;
    r->bytes_gone += r->drop.bytes;
    r->files_due = r->space_due = true;
    r->drop.n -= r->drop.n_done;
    ms = pause_ms(r, r->drop.us, r->drop.budget == 0);
    if (r->drop.n == 0) {
        rest(r, ms);
        return;
    }
    memmove(r->drop.runs, r->drop.runs + r->drop.n_done, r->drop.n * sizeof(r->drop.runs[0]));
    (void)uv_timer_start(&r->timer, on_drop_timer, ms, 0);
}

static void drop_looked(struct retention *r, enum gone_why why)
{
    r->drop = (struct kept_drop){.kind = r->look.kind, .why = why, .at = wall_now(), .n = r->look.n};
    memcpy(r->drop.runs, r->look.runs, r->look.n * sizeof(r->drop.runs[0]));
    drop_some(r);
}

static void kept_job(struct reader *reader, void *arg)
{
    struct retention *r = arg;
    const struct kept_rule *rule = &kept_rules[r->phase];
    int64_t set = setting_of(r, rule->setting);
    struct wall now = wall_now();

    r->look = (struct kept_look){.kind = rule->kind, .now = now, .max = LOOK_MAX, .after = r->after};
    r->err = ERR_OK;
    if (rule->why == GONE_AGE) {
        r->look.before.ms = now.ms - set * DAY_MS;
    } else {
        r->err = read_kept_sums(reader, &r->sums, &r->why);
        r->look.bytes =
            r->sums.bytes[rule->kind] > (uint64_t)set ? r->sums.bytes[rule->kind] - (uint64_t)set : 0;
        r->look.after = r->look.bytes > 0 ? r->after : 0;
    }
    if (r->err == ERR_OK && (rule->why == GONE_AGE || r->look.bytes > 0))
        r->err = read_kept_oldest(reader, &r->look, &r->why);
}

static void on_kept_read(void *arg)
{
    struct retention *r = arg;

    if (read_failed(r))
        return;
    r->after = r->look.after;
    if (r->look.n > 0) {
        if (r->after == 0 && kept_rules[r->phase].why == GONE_AGE)
            r->after = r->look.runs[r->look.n - 1]; /* once more behind it, and then there is nothing */
        drop_looked(r, kept_rules[r->phase].why);
    } else if (r->after == 0) {
        phase_end(r);
    } else {
        rest(r, 1);
    }
}

static void step_kept(struct retention *r)
{
    if (setting_of(r, kept_rules[r->phase].setting) == 0) {
        phase_end(r); /* for ever; no limit */
        return;
    }
    store_read(r->server->store, kept_job, on_kept_read, r);
}

/* ---- launches ---- */

static void launch_go(struct retention *r);

static void on_launch_timer(uv_timer_t *t)
{
    struct retention *r = t->data;

    if (goes_on(r, ERR_OK, NULL))
        launch_go(r);
}

static void on_launch_step(void *ctx, enum err err, const struct why *why)
{
    struct retention *r = ctx;
    uint64_t ms;

    if (!goes_on(r, err, why))
        return;
    fault_crash("retention.crash_after_step");
    r->n_gone[KEPT_RUN] += r->d.n_gone;
    r->n_launches += r->d.n_launches;
    r->files_due = r->space_due = true;
    api_history_gone(r->server->api, &r->d);
    if (r->d.is_whole)
        r->launches.n--;
    ms = pause_ms(r, r->d.us, r->d.budget == 0);
    if (r->launches.n == 0)
        rest(r, ms);
    else
        (void)uv_timer_start(&r->timer, on_launch_timer, ms, 0);
}

/* From the end of the list; by size there is only one in it. */
static void launch_go(struct retention *r)
{
    r->d = (struct history_delete){.launch = {r->launches.launches[r->launches.n - 1]},
                                   .budget = pacer_rows(&r->pacer)};
    store_history_delete(r->server->store, &r->d, on_launch_step, r);
}

static void launches_job(struct reader *reader, void *arg)
{
    struct retention *r = arg;
    const struct settings *set = settings_in_force(r);
    bool is_size = r->phase == PHASE_LAUNCHES_SIZE;
    struct wall now = wall_now();

    r->launches = (struct launches_look){.before = {now.ms - set->history_days * DAY_MS},
                                         .now = now,
                                         .is_any = is_size,
                                         .max = is_size ? 1 : LOOK_MAX,
                                         .after = r->after};
    r->err = is_size ? read_kept_sums(reader, &r->sums, &r->why) : ERR_OK;
    if (r->err == ERR_OK && is_size && r->sums.database_bytes <= (uint64_t)set->history_max_bytes)
        r->launches.after = 0;
    else if (r->err == ERR_OK)
        r->err = read_launches_oldest(reader, &r->launches, &r->why);
}

static void on_launches_read(void *arg)
{
    struct retention *r = arg;

    if (read_failed(r))
        return;
    r->after = r->launches.after;
    if (r->launches.n > 0) {
        if (r->after == 0)
            r->after = r->launches.launches[r->launches.n - 1];
        launch_go(r);
    } else if (r->after == 0) {
        phase_end(r);
    } else {
        rest(r, 1);
    }
}

static void step_launches(struct retention *r)
{
    const struct settings *set = settings_in_force(r);

    if ((r->phase == PHASE_LAUNCHES_AGE ? set->history_days : set->history_max_bytes) == 0) {
        phase_end(r);
        return;
    }
    store_read(r->server->store, launches_job, on_launches_read, r);
}

static void on_texts(void *ctx, enum err err, const struct why *why)
{
    struct retention *r = ctx;

    if (!goes_on(r, err, why))
        return;
    r->space_due = r->space_due || r->n_deleted > 0;
    if (r->n_deleted > 0)
        rest(r, 20);
    else
        phase_end(r);
}

static struct wall causes_before(const struct settings *set)
{
    int64_t days = set->history_days > CAUSE_DAYS ? set->history_days : CAUSE_DAYS;

    return (struct wall){set->history_days == 0 ? 0 : wall_now().ms - (days + 1) * DAY_MS};
}

static void step_phase(struct retention *r)
{
    const struct settings *set = settings_in_force(r);

    switch (r->phase) {
    case PHASE_ARTIFACTS:
        keeper_prune(r->server, 0, on_artifacts, r);
        break;
    case PHASE_LOGS_AGE:
    case PHASE_LOGS_SIZE:
    case PHASE_EXAMPLES_AGE:
    case PHASE_EXAMPLES_SIZE:
        step_kept(r);
        break;
    case PHASE_LAUNCHES_AGE:
    case PHASE_LAUNCHES_SIZE:
        step_launches(r);
        break;
    case PHASE_TEXTS:
        store_texts_prune(r->server->store, causes_before(set), &r->n_deleted, on_texts, r);
        break;
    case PHASE_JOBS:
        store_jobs_prune(r->server->store, (struct wall){wall_now().ms - JOB_KEPT_MS}, JOBS_MAX,
                         &r->n_deleted, on_jobs, r);
        break;
    case PHASE_NONE:
        CHECK(!"no round is under way");
    }
}

/* ---- the disk is low ------------------------------------------------------------------------------------- */

/* An error line: admins are told by mail, once for as long as it lasts. */
static void disk_watch(struct retention *r)
{
    struct api_disk disk;
    char text[400];
    bool was_low = r->is_low;

    disk_look(r->server->opts.data_dir, settings_in_force(r), was_low, &disk);
    r->is_low = disk.is_low;
    r->disk_missing = disk.missing_bytes;
    if (disk.is_low && !was_low) {
        r->bytes_at_low = disk.free_bytes;
        LOG_ERROR("disk.low", "free=%llu total=%llu why=%s", (unsigned long long)disk.free_bytes,
                  (unsigned long long)disk.total_bytes, log_quote(text, sizeof(text), disk.why));
        LOG_WARN("disk.gives_up",
                 "what=\"logs, the oldest first, then artifacts, until there is room; what is "
                 "younger than a day stays\"");
    } else if (was_low && !disk.is_low) {
        LOG_INFO("disk.has_room", "free=%llu before=%llu", (unsigned long long)disk.free_bytes,
                 (unsigned long long)r->bytes_at_low);
    }
}

static void on_disk_artifacts(void *ctx, uint32_t n, uint64_t bytes)
{
    struct retention *r = ctx;

    r->bytes_gone += bytes;
    if (n == 0)
        r->giving_up = GIVE_NOTHING;
    if (goes_on(r, ERR_OK, NULL))
        rest(r, n > 0 ? FILES_GO_MS : 0);
}

static void disk_job(struct reader *reader, void *arg)
{
    struct retention *r = arg;
    struct wall now = wall_now();

    r->look = (struct kept_look){.kind = KEPT_LOG,
                                 .before = {now.ms - DISK_KEPT_MS},
                                 .now = now,
                                 .max = LOOK_MAX,
                                 .after = r->disk_after};
    r->err = read_kept_oldest(reader, &r->look, &r->why);
}

/* Of the logs that were found, if all were of one size. Too few is mended by the next look at the disk. */
static uint32_t as_many_as_needed(const struct kept_look *look, uint64_t missing)
{
    uint64_t each = look->n_bytes / look->n + 1;

    return missing / each < look->n ? (uint32_t)(missing / each) + (missing < each) : look->n;
}

static void on_disk_read(void *arg)
{
    struct retention *r = arg;

    if (read_failed(r))
        return;
    r->disk_after = r->look.n > 0 ? 0 : r->look.after; /* those that go are not met again */
    if (r->look.n > 0) {
        r->look.n = as_many_as_needed(&r->look, r->disk_missing);
        drop_looked(r, GONE_DISK);
        return;
    }
    if (r->disk_after == 0)
        r->giving_up = GIVE_ARTIFACTS;
    rest(r, 1);
}

static void step_disk(struct retention *r)
{
    if (r->giving_up == GIVE_LOGS)
        store_read(r->server->store, disk_job, on_disk_read, r);
    else
        keeper_prune(r->server, r->disk_missing > 0 ? r->disk_missing : 1, on_disk_artifacts, r);
}

/* ---- what is next ---------------------------------------------------------------------------------------- */

static void next(struct retention *r)
{
    if (r->is_busy || r->is_halted)
        return;
    if (r->phase == PHASE_NONE && r->round_due) {
        r->round_due = false;
        r->files_due = true;
        r->phase = PHASE_ARTIFACTS;
        r->after = 0;
    }
    r->is_busy = true;
    (void)uv_timer_stop(&r->timer);
    if (r->is_low)
        disk_watch(r);
    if (r->files_due)
        step_files(r);
    else if (r->is_low && r->space_due && (r->n_uncut < UNCUT_MAX || r->giving_up == GIVE_NOTHING))
        step_space(r); /* what went is room only when the file is shorter */
    else if (r->is_low && r->giving_up != GIVE_NOTHING)
        step_disk(r);
    else if (r->phase != PHASE_NONE)
        step_phase(r);
    else if (r->space_due)
        step_space(r);
    else
        r->is_busy = false;
}

static void on_round_timer(uv_timer_t *t)
{
    retention_now(((struct retention *)t->data)->server);
}

/* What was too young a while ago may be old enough by now. */
static void on_disk_timer(uv_timer_t *t)
{
    struct retention *r = t->data;

    r->giving_up = GIVE_LOGS;
    r->n_uncut = 0;
    disk_watch(r);
    if (r->is_low)
        next(r);
}

void retention_open(struct server *s)
{
    struct retention *r = xcalloc(1, sizeof(*r));

    r->server = s;
    CHECK(uv_timer_init(&s->loop, &r->timer) == 0);
    CHECK(uv_timer_init(&s->loop, &r->round_timer) == 0);
    CHECK(uv_timer_init(&s->loop, &r->disk_timer) == 0);
    r->timer.data = r->round_timer.data = r->disk_timer.data = r->work.data = r;
    r->phase = PHASE_NONE;
    s->retention = r;
    retention_files(s);
}

void retention_start(struct server *s)
{
    if (s->retention == NULL || s->retention->is_halted)
        return;
    (void)uv_timer_start(&s->retention->disk_timer, on_disk_timer, 0, DISK_LOOK_MS);
    (void)uv_timer_start(&s->retention->round_timer, on_round_timer, 0, ROUND_MS);
}

void retention_now(struct server *s)
{
    if (s->retention == NULL)
        return;
    s->retention->round_due = true;
    next(s->retention);
}

void retention_files(struct server *s)
{
    if (s->retention == NULL)
        return;
    s->retention->files_due = s->retention->space_due = true;
    next(s->retention);
}

void retention_api(struct server *s, struct api_retention *ret)
{
    const struct settings *set = &s->opts.config->set;

    *ret = (struct api_retention){
        .kinds = {[API_KEPT_LOGS] = {set->log_days, set->logs_max_bytes},
                  [API_KEPT_ARTIFACTS] = {set->artifact_days, set->artifacts_max_bytes},
                  [API_KEPT_EXAMPLES] = {set->example_days, set->examples_max_bytes},
                  [API_KEPT_HISTORY] = {set->history_days, set->history_max_bytes}}};
    disk_look(s->opts.data_dir, set, s->retention != NULL && s->retention->is_low, &ret->disk);
    ret->disk.is_full = s->room.state != DISK_ROOM;
    if (ret->disk.is_full)
        (void)snprintf(ret->disk.why, sizeof(ret->disk.why), "%s", s->room.why);
}

void retention_halt(struct server *s)
{
    if (s->retention == NULL)
        return;
    s->retention->is_halted = true;
    (void)uv_timer_stop(&s->retention->timer);
    (void)uv_timer_stop(&s->retention->round_timer);
    (void)uv_timer_stop(&s->retention->disk_timer);
}

void retention_free(struct server *s)
{
    free(s->retention);
    s->retention = NULL;
}
