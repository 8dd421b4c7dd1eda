/* jobs.c - what takes longer than an answer may, a step after the other: jobs take turns, the oldest one first.
 *
 *   look ─▶ [reader: whose turn, what is next] ─▶ [storage thread: a step and what the job says of itself, one commit] ─▶ rest ─▶ look
 *
 * All that a job is stands in its row, so that the next start goes on where this one ended, and nothing is counted twice. */
#include "server/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "server/pacer.h"
#include "server/retention.h"
#include "store/prune.h"

#define AGAIN_MS 60000  /* after the store has refused something that it should not */
#define CLEAR_RUNS 100u /* looked for at a time */
#define COUNT_PAGES 20u /* of PAGE_LIMIT_MAX, between two looks */
#define SHOWN_MS 250    /* a job is shown at most so often while it moves */

struct jobs {
    struct server *server;
    uv_timer_t timer;
    bool is_busy;
    bool look_again;
    bool is_halted;
    uint64_t last; /* whose turn it was */
    struct pacer pacer;
    struct count {
        uint64_t job;
        uint64_t after;
        uint64_t n;
        bool is_over;
    } count;        /* of a clear: how much there is of it */
    uint64_t shown; /* the job that was shown, and when */
    struct mono shown_at;
};

/* A step on its way. */
struct step {
    struct jobs *jobs;
    struct arena arena;
    struct job_row row;
    bool has_row;
    struct job_what what;
    struct history_delete d;
    uint64_t ids[CLEAR_RUNS];
    uint32_t n_ids;
    bool is_count; /* not counted yet */
    bool is_end;   /* nothing more is found */
    enum err err;
    struct why why;
};

static void look(struct jobs *j);

static void on_timer(uv_timer_t *t)
{
    look(t->data);
}

static void rest(struct jobs *j, uint64_t ms)
{
    j->is_busy = false;
    if (j->is_halted)
        return;
    if (j->look_again && ms > SHOWN_MS)
        ms = 0;
    uv_update_time(&j->server->loop);
    (void)uv_timer_start(&j->timer, on_timer, ms, 0);
}

static void step_free(struct step *s)
{
    arena_done(&s->arena);
    free(s);
}

static bool is_idle(const struct jobs *j)
{
    struct engine_stats st = engine_stats(j->server->engine);

    return st.runs_active == 0 && st.tests_waiting == 0;
}

/* ---- for who watches ---- */

static void show(struct jobs *j, const struct job_row *row, bool is_end)
{
    struct mono now = mono_now();

    if (!is_end && j->shown == row->id && mono_ms_between(j->shown_at, now) < SHOWN_MS)
        return;
    j->shown = row->id;
    j->shown_at = now;
    api_job(j->server->api, row);
}

/* ---- a step ---- */

static void on_ended(void *ctx, enum err err, const struct why *why)
{
    struct step *s = ctx;
    struct jobs *j = s->jobs;
    char text[400];

    if (err == ERR_IO)
        server_die("jobs.commit", why);
    if (err == ERR_OK && !j->is_halted) {
        LOG_INFO("job.ended", "job=%llu kind=%s state=%s runs=%llu", (unsigned long long)s->row.id,
                 job_kind_name(s->row.kind), job_state_name(s->row.state), (unsigned long long)s->row.done);
        (void)snprintf(text, sizeof(text), "%s: %llu runs%s%s", job_state_name(s->row.state),
                       (unsigned long long)s->row.done, s->row.error[0] != '\0' ? ": " : "", s->row.error);
        api_audit(j->server->api, "job.end",
                  arena_printf(&s->arena, "job %llu", (unsigned long long)s->row.id), text);
        show(j, &s->row, true);
    }
    step_free(s);
    rest(j, 0); /* the next one's turn */
}

static void end(struct step *s, enum job_state state, const char *error)
{
    s->row.state = state;
    s->row.error = arena_strdup(&s->arena, error);
    s->row.ended_at = wall_now();
    store_job_end(s->jobs->server->store, s->row.id, state, error, s->row.ended_at, on_ended, s);
}

static void on_stepped(void *ctx, enum err err, const struct why *why)
{
    struct step *s = ctx;
    struct jobs *j = s->jobs;
    uint64_t ms;

    if (err == ERR_IO)
        server_die("jobs.commit", why);
    fault_crash("job.crash_after_step");
    if (j->is_halted || err != ERR_OK) { /* it was canceled meanwhile */
        step_free(s);
        rest(j, 0);
        return;
    }
    s->row.done += s->d.n_gone;
    api_history_gone(j->server->api, &s->d);
    show(j, &s->row, false);
    retention_files(j->server);
    if (s->d.is_whole && s->row.kind == JOB_DELETE) {
        end(s, JOB_DONE, "");
        return;
    }
    ms = pacer_rest_ms(&j->pacer, s->d.us, s->d.budget == 0, is_idle(j));
    step_free(s);
    rest(j, ms);
}

static void take_row(void *ctx, const struct job_row *row)
{
    struct step *s = ctx;

    s->has_row = true;
    s->row = *row;
    s->row.login = arena_strdup(&s->arena, row->login);
    s->row.what = arena_strdup(&s->arena, row->what);
    s->row.error = arena_strdup(&s->arena, row->error);
}

/* ---- a clear: what the filter finds below its cursor ---- */

static void take_id(void *ctx, const struct run_row *run, const char *commit, uint64_t log_bytes)
{
    struct step *s = ctx;

    (void)commit;
    (void)log_bytes;
    s->ids[s->n_ids++] = run->id.v;
}

static void count_id(void *ctx, const struct run_row *run, const char *commit, uint64_t log_bytes)
{
    (void)run;
    (void)commit;
    (void)log_bytes;
    ++*(uint64_t *)ctx;
}

/* Some pages, so that other reads are not kept waiting. One job is counted at a time; a restart begins anew. */
static void count_some(struct reader *r, struct step *s)
{
    struct count *c = &s->jobs->count;

    if (c->job != s->row.id)
        *c = (struct count){.job = s->row.id, .after = s->row.cursor};
    for (uint32_t i = 0; i < COUNT_PAGES && s->err == ERR_OK && !c->is_over; i++) {
        struct page p = {.after = c->after, .limit = 500};

        s->err = read_runs(r, &s->what.filter, &p, count_id, &c->n, &s->why);
        c->after = p.next;
        c->is_over = p.next == 0;
    }
}

static void find_some(struct reader *r, struct step *s)
{
    struct page p = {.after = s->row.cursor, .limit = CLEAR_RUNS};

    s->err = read_runs(r, &s->what.filter, &p, take_id, s, &s->why);
    if (s->err != ERR_OK)
        return;
    s->d.job_cursor = p.next != 0 ? p.next : 1; /* below 1 there is nothing */
    s->is_end = s->n_ids == 0 && p.next == 0;
    if (s->is_end && s->what.is_all) {
        s->err = read_launch_empty(r, s->row.owner, s->row.created_at, &s->d.launch, &s->why);
        s->is_end = s->d.launch.v == 0;
    }
}

static void clear_job(struct reader *r, struct step *s)
{
    s->is_count = s->row.total < 0;
    if (s->is_count)
        count_some(r, s);
    else
        find_some(r, s);
}

/* Whose turn is it, and what comes next of it? */
static void look_job(struct reader *r, void *arg)
{
    struct step *s = arg;

    s->err = read_job_next(r, s->jobs->last, take_row, s, &s->why);
    if (s->err == ERR_NOTFOUND && s->jobs->last != 0)
        s->err = read_job_next(r, 0, take_row, s, &s->why);
    if (s->err != ERR_OK)
        return;
    s->err = api_job_what(&s->row, &s->arena, &s->what, &s->why);
    if (s->err == ERR_OK && s->row.kind == JOB_CLEAR)
        clear_job(r, s);
}

static void on_count(void *ctx, enum err err, const struct why *why)
{
    struct step *s = ctx;
    struct jobs *j = s->jobs;

    if (err == ERR_IO)
        server_die("jobs.commit", why);
    if (err == ERR_OK && !j->is_halted) {
        s->row.total = (int64_t)j->count.n;
        show(j, &s->row, true);
    }
    step_free(s);
    rest(j, 0);
}

static void count_on(struct step *s)
{
    struct jobs *j = s->jobs;

    if (j->count.is_over) {
        store_job_count(j->server->store, s->row.id, j->count.n, on_count, s);
        return;
    }
    j->last = s->row.id - 1; /* its turn again: there is one count, which another job would begin anew */
    step_free(s);
    rest(j, 1);
}

static void on_looked(void *arg)
{
    struct step *s = arg;
    struct jobs *j = s->jobs;
    bool is_none = !s->has_row;

    if (!is_none)
        j->last = s->row.id;
    if (j->is_halted || is_none) {
        enum err err = s->err;

        step_free(s);
        j->is_busy = false;
        if (!j->is_halted && (j->look_again || err != ERR_NOTFOUND))
            rest(j, j->look_again ? 0 : AGAIN_MS);
        return;
    }
    if (s->err != ERR_OK) {
        end(s, JOB_FAILED, s->why.text);
        return;
    }
    if (s->row.kind == JOB_CLEAR && s->is_count) {
        count_on(s);
        return;
    }
    if (s->row.kind == JOB_CLEAR && s->is_end) {
        end(s, JOB_DONE, "");
        return;
    }
    s->d.owner = s->row.owner;
    if (s->row.kind == JOB_CLEAR) {
        s->d.runs = s->ids;
        s->d.n_runs = s->n_ids;
    } else {
        s->d.runs = s->what.runs;
        s->d.n_runs = s->what.n_runs;
        s->d.launch = s->what.launch;
    }
    s->d.budget = pacer_rows(&j->pacer);
    s->d.job = s->row.id;
    store_history_delete(j->server->store, &s->d, on_stepped, s);
}

static void look(struct jobs *j)
{
    struct step *s;

    if (j->is_halted)
        return;
    j->look_again = j->is_busy;
    if (j->is_busy)
        return;
    j->is_busy = true;
    (void)uv_timer_stop(&j->timer);
    s = xcalloc(1, sizeof(*s));
    s->jobs = j;
    arena_init(&s->arena);
    store_read(j->server->store, look_job, on_looked, s);
}

/* ---- begin and end ---- */

void jobs_open(struct server *s)
{
    struct jobs *j = xcalloc(1, sizeof(*j));

    j->server = s;
    CHECK(uv_timer_init(&s->loop, &j->timer) == 0);
    j->timer.data = j;
    s->jobs = j;
    look(j);
}

/* One that was canceled is shown by the next look at it: there is none, so it is shown here. */
void jobs_look(struct server *s)
{
    if (s->jobs != NULL)
        look(s->jobs);
}

void jobs_halt(struct server *s)
{
    if (s->jobs == NULL)
        return;
    s->jobs->is_halted = true;
    (void)uv_timer_stop(&s->jobs->timer);
}

void jobs_free(struct server *s)
{
    free(s->jobs);
    s->jobs = NULL;
}
