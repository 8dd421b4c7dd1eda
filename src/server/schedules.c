/* schedules.c - starts what schedules are due: the only part that holds them against the wall clock.
 *
 * One timer, for the earliest `next_at` but never long: the clock may jump, the computer sleep. What is due is read and
 * judged on a reader thread (judge()), then
 *
 *     start      the launch goes the way of POST /launches; the commit that adds it also says that this time is dealt
 *                with, and when the next is. Died before it: the time is still due. Died after it: it is not.
 *     anything   else is one row of the same kind, without a launch.
 *
 * A time that was dealt with has its row, so neither a clock that goes back nor an edit at the wrong moment starts it
 * again. Of many times that were missed the last is made up for, if it is not too late. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/schedule_rule.h"
#include "base/log.h"
#include "model/list.h"
#include "schedule/schedule.h"
#include "server/server.h"

#define LOOK_MS 5000      /* at the latest: the clock may have jumped */
#define JUMP_BACK_MS 2000 /* less is how clocks are corrected */
#define READ_MAX 256u     /* of those that are due, at a time */
#define ALL_MAX 1000000u  /* after a jump: all */
#define FLIGHT_MAX 4u     /* launches that are being prepared at a time */
#define RETRIES_MAX \
    64u /* schedules that wait for another try; fewer than READ_MAX, or nothing else would start */
#define TRIES_MAX 5u
#define BOOK_TRIES_MAX 31u /* when no server can be booked: half an hour */
#define RETRY_MS 60000

enum verdict { V_WAIT, V_START, V_ALREADY, V_SKIP, V_MISSED, V_DISABLE, V_EARLIER };

struct judged {
    struct schedule_row row;
    enum verdict verdict;
    struct wall due;
    struct wall next;
    char text[300];
};

struct look {
    struct schedules *sc;
    struct arena arena;
    struct wall now;
    bool all; /* the clock has gone back: also those that are not due */
    struct judged *at;
    uint32_t n;
    uint32_t cap;
    enum err err;
    struct why why;
};

/* A launch on its way. */
struct flight {
    struct schedules *sc;
    struct flight *next;
    uint64_t schedule;
    uint64_t version;
    struct user_id user;
    bool books; /* servers of its own */
    char name[LIST_NAME_CHARS_MAX * 4 + 1];
    struct wall due;
    struct wall next_at;
};

struct retry {
    uint64_t schedule;
    struct wall due;
    unsigned tries;
    struct mono again;
};

struct schedules {
    struct server *server;
    uv_timer_t timer;
    bool is_reading;
    bool look_again;
    bool settle; /* at the next look: all of them */
    bool is_halted;
    struct wall next;  /* 0: nothing is due ever */
    int64_t clocks_ms; /* wall minus monotonic, when they were read last */
    struct flight *flights;
    unsigned n_flights;
    struct retry retries[RETRIES_MAX];
    unsigned n_retries;
};

static void look(struct schedules *sc);

/* ---- judging, on a reader thread ------------------------------------------------------------------------- */

/* "3 h 12 min", "45 s" */
static void span_text(int64_t ms, char *out, size_t size)
{
    int64_t s = ms / 1000;

    if (s >= 3600)
        (void)snprintf(out, size, "%lld h %lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
    else if (s >= 60)
        (void)snprintf(out, size, "%lld min", (long long)(s / 60));
    else
        (void)snprintf(out, size, "%lld s", (long long)s);
}

static void set_launch(void *ctx, const struct start_row *row)
{
    *(bool *)ctx = row->launch.v != 0;
}

static enum err judge_due(struct reader *r, struct judged *j, struct wall now, struct why *reterr)
{
    const struct schedule_row *row = &j->row;
    struct launch_id living = {0};
    bool is_started = false;
    int64_t late = now.ms - j->due.ms;
    enum err err = read_start(r, row->id, j->due, set_launch, &is_started, reterr);

    if (err == ERR_OK && row->overlap == OVERLAP_SKIP)
        err = read_schedule_launch_living(r, row->id, &living, reterr);
    if (err != ERR_OK)
        return err;
    j->verdict = V_START;
    if (is_started) {
        j->verdict = V_ALREADY;
    } else if (late > (int64_t)row->give_up_h * 3600 * 1000) {
        char span[40];

        j->verdict = V_MISSED;
        span_text(late, span, sizeof(span));
        (void)snprintf(j->text, sizeof(j->text),
                       "no server was there; it is %s late, and given up after %u h", span, row->give_up_h);
    } else if (living.v != 0) {
        j->verdict = V_SKIP;
        (void)snprintf(j->text, sizeof(j->text), "launch %llu of the time before is not done",
                       (unsigned long long)living.v);
    }
    return ERR_OK;
}

/* Nothing that stands in a row can stop the others: a rule that makes no sense disables its schedule. */
static enum err judge(struct reader *r, struct judged *j, struct wall now, struct why *reterr)
{
    struct zone *z = NULL;
    struct rule rule;
    struct why why = {0};
    enum err err = ERR_OK;

    if (schedule_rule(&j->row, &z, &rule, &why) != ERR_OK) {
        j->verdict = V_DISABLE;
        (void)snprintf(j->text, sizeof(j->text), "%s", why.text);
        zone_free(z);
        return ERR_OK;
    }
    j->next = rule_next(&rule, z, now);
    if (j->row.next_at.ms > now.ms) {
        j->verdict = j->next.ms != 0 && j->next.ms < j->row.next_at.ms ? V_EARLIER : V_WAIT;
    } else {
        j->due = rule_last(&rule, z, (struct wall){j->row.next_at.ms - 1}, now);
        if (j->due.ms == 0)
            j->due = j->row.next_at;
        err = judge_due(r, j, now, reterr);
    }
    zone_free(z);
    return err;
}

static void take(void *ctx, const struct schedule_row *row)
{
    struct look *l = ctx;

    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->at = xrealloc(l->at, l->cap * sizeof(*l->at));
    }
    l->at[l->n] = (struct judged){.verdict = V_WAIT};
    schedule_row_keep(&l->arena, row, &l->at[l->n].row);
    l->n++;
}

static void look_job(struct reader *r, void *arg)
{
    struct look *l = arg;

    l->err = read_schedules_due(r, l->all ? ALL_MAX : READ_MAX, take, l, &l->why);
    for (uint32_t i = 0; i < l->n && l->err == ERR_OK; i++) {
        if (l->all || l->at[i].row.next_at.ms <= l->now.ms)
            l->err = judge(r, &l->at[i], l->now, &l->why);
    }
}

/* ---- acting ---------------------------------------------------------------------------------------------- */

static void on_stepped(void *ctx, enum err err, const struct why *why)
{
    struct schedules *sc = ctx;
    char text[300];

    if (err != ERR_OK)
        LOG_ERROR("schedule.step", "why=%s", log_quote(text, sizeof(text), why->text));
    if (!sc->is_halted)
        look(sc);
}

static void on_told(void *ctx, enum err err, const struct why *why)
{
    struct schedules *sc = ctx;

    if (err == ERR_OK && !sc->is_halted)
        notices_look(sc->server);
    on_stepped(ctx, err, why);
}

static void step(struct schedules *sc, const struct schedule_step *step)
{
    store_schedule_step(sc->server->store, step, step->has_notice ? on_told : on_stepped, sc);
}

/* Its user should hear of it: saved with the step. */
static void tell(struct schedule_step *s, enum notice_kind kind, struct user_id user, const char *name,
                 struct wall due, const char *text)
{
    s->has_notice = true;
    s->notice = (struct notice_row){.kind = kind,
                                    .user = user,
                                    .object = s->schedule,
                                    .word = "",
                                    .name = name,
                                    .text = text,
                                    .at = due.ms != 0 ? due : wall_now()};
}

static void say(const char *event, uint64_t id, const char *name, const char *text)
{
    char a[400];
    char b[400];

    LOG_INFO(event, "schedule=%llu name=%s why=%s", (unsigned long long)id, log_quote(a, sizeof(a), name),
             log_quote(b, sizeof(b), text));
}

static struct retry *retry_of(struct schedules *sc, uint64_t schedule)
{
    for (unsigned i = 0; i < sc->n_retries; i++) {
        if (sc->retries[i].schedule == schedule)
            return &sc->retries[i];
    }
    return NULL;
}

static void retry_forget(struct schedules *sc, uint64_t schedule)
{
    struct retry *r = retry_of(sc, schedule);

    if (r != NULL)
        *r = sc->retries[--sc->n_retries];
}

/* What the world may have put right a minute later: a git server that does not answer, a full disk. */
static bool try_again(struct schedules *sc, const struct flight *f, enum err err)
{
    struct retry *r = retry_of(sc, f->schedule);

    bool may_be_free = f->books && (err == ERR_CONFLICT || err == ERR_LIMIT); /* a server, or room for one */

    if (err != ERR_IO && err != ERR_TIMEOUT && err != ERR_BUSY && err != ERR_PROTO && !may_be_free)
        return false;
    if (r == NULL && sc->n_retries < RETRIES_MAX) {
        r = &sc->retries[sc->n_retries++];
        *r = (struct retry){.schedule = f->schedule, .due = f->due};
    }
    if (r == NULL)
        return false;
    if (r->due.ms != f->due.ms)
        *r = (struct retry){.schedule = f->schedule, .due = f->due};
    r->again = mono_add_ms(mono_now(), RETRY_MS);
    return ++r->tries < (may_be_free ? BOOK_TRIES_MAX : TRIES_MAX);
}

static void failed(struct schedules *sc, const struct flight *f, enum err err, const struct why *why)
{
    bool is_over = err == ERR_NOTFOUND || err == ERR_DENIED; /* it would be the same the next time */
    struct schedule_step s;

    say("schedule.failed", f->schedule, f->name, why->text);
    retry_forget(sc, f->schedule);
    s = (struct schedule_step){.schedule = f->schedule,
                               .version = f->version,
                               .start = {.schedule = f->schedule,
                                         .due_at = f->due,
                                         .at = wall_now(),
                                         .result = START_FAILED,
                                         .text = why->text},
                               .next_at = f->next_at,
                               .disable = is_over ? why->text : NULL};
    tell(&s, is_over ? NOTICE_SCHEDULE_DISABLED : NOTICE_SCHEDULE_FAILED, f->user, f->name, f->due,
         why->text);
    step(sc, &s);
}

static void flight_end(struct flight *f)
{
    struct flight **at = &f->sc->flights;

    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->sc->n_flights--;
    free(f);
}

static void on_started(void *ctx, enum err err, const struct why *why, uint64_t launch)
{
    struct flight *f = ctx;
    struct schedules *sc = f->sc;
    char text[100];

    if (!sc->is_halted && err == ERR_OK) {
        (void)snprintf(text, sizeof(text), "launch %llu", (unsigned long long)launch);
        say("schedule.started", f->schedule, f->name, text);
        retry_forget(sc, f->schedule);
    } else if (!sc->is_halted && try_again(sc, f, err)) {
        say("schedule.try_again", f->schedule, f->name, why->text);
    } else if (!sc->is_halted) {
        failed(sc, f, err, why);
    }
    flight_end(f);
    if (!sc->is_halted)
        look(sc);
}

static bool is_flying(const struct schedules *sc, uint64_t schedule)
{
    for (const struct flight *f = sc->flights; f != NULL; f = f->next) {
        if (f->schedule == schedule)
            return true;
    }
    return false;
}

static void start(struct schedules *sc, const struct judged *j)
{
    struct launch_schedule cause = {.id = j->row.id,
                                    .version = j->row.version,
                                    .due_at = j->due,
                                    .next_at = j->next,
                                    .book = schedule_book(&j->row)};
    const struct retry *r = retry_of(sc, j->row.id);
    struct flight *f;

    if (is_flying(sc, j->row.id) || sc->n_flights >= FLIGHT_MAX)
        return; /* looked at again when one has landed */
    if (r != NULL && r->due.ms == j->due.ms && mono_before(mono_now(), r->again))
        return;
    f = xcalloc(1, sizeof(*f));
    *f = (struct flight){.sc = sc,
                         .next = sc->flights,
                         .schedule = j->row.id,
                         .version = j->row.version,
                         .user = j->row.user,
                         .books = j->row.servers_book > 0,
                         .due = j->due,
                         .next_at = j->next};
    (void)snprintf(f->name, sizeof(f->name), "%s", j->row.name);
    sc->flights = f;
    sc->n_flights++;
    api_start_list(sc->server->api, j->row.user, j->row.list, &cause, on_started, f);
}

static void act(struct schedules *sc, const struct judged *j, struct wall now)
{
    struct schedule_step s = {.schedule = j->row.id, .version = j->row.version, .next_at = j->next};

    switch (j->verdict) {
    case V_WAIT:
        return;
    case V_START:
        start(sc, j);
        return;
    case V_ALREADY:
    case V_EARLIER:
        break;
    case V_SKIP:
    case V_MISSED:
        if (is_flying(sc, j->row.id))
            return;
        s.start = (struct start_row){.schedule = j->row.id,
                                     .due_at = j->due,
                                     .at = now,
                                     .result = j->verdict == V_SKIP ? START_SKIPPED : START_MISSED,
                                     .text = j->text};
        if (j->verdict == V_MISSED)
            tell(&s, NOTICE_SCHEDULE_MISSED, j->row.user, j->row.name, j->due, j->text);
        say(j->verdict == V_SKIP ? "schedule.skipped" : "schedule.missed", j->row.id, j->row.name, j->text);
        break;
    case V_DISABLE:
        s.disable = j->text;
        tell(&s, NOTICE_SCHEDULE_DISABLED, j->row.user, j->row.name, (struct wall){0}, j->text);
        say("schedule.disabled", j->row.id, j->row.name, j->text);
        break;
    }
    step(sc, &s);
}

/* ---- the clock ------------------------------------------------------------------------------------------- */

static int64_t clocks(void)
{
    return wall_now().ms - mono_now().us / 1000;
}

static void on_timer(uv_timer_t *h)
{
    struct schedules *sc = h->data;
    int64_t now = clocks();

    if (now < sc->clocks_ms - JUMP_BACK_MS) {
        LOG_WARN("schedule.clock", "jumped_ms=%lld", (long long)(now - sc->clocks_ms));
        sc->settle = true;
    }
    sc->clocks_ms = now;
    look(sc);
}

static void arm(struct schedules *sc)
{
    int64_t ms = LOOK_MS;

    if (sc->next.ms != 0 && sc->next.ms - wall_now().ms < ms)
        ms = sc->next.ms - wall_now().ms;
    uv_update_time(&sc->server->loop);
    (void)uv_timer_start(&sc->timer, on_timer, ms < 1 ? 1 : (uint64_t)ms, 0);
}

static void on_looked(void *arg)
{
    struct look *l = arg;
    struct schedules *sc = l->sc;
    char text[300];

    sc->is_reading = false;
    sc->next = (struct wall){0};
    if (l->err != ERR_OK)
        LOG_ERROR("schedule.look", "why=%s", log_quote(text, sizeof(text), l->why.text));
    for (uint32_t i = 0; i < l->n && l->err == ERR_OK && !sc->is_halted; i++) {
        if (sc->next.ms == 0 && l->at[i].row.next_at.ms > l->now.ms)
            sc->next = l->at[i].row.next_at; /* the earliest comes first */
        act(sc, &l->at[i], l->now);
    }
    arena_done(&l->arena);
    free(l->at);
    free(l);
    if (sc->is_halted)
        return;
    if (sc->look_again)
        look(sc);
    arm(sc);
}

static void look(struct schedules *sc)
{
    struct look *l;

    if (sc->is_reading || sc->is_halted) {
        sc->look_again = sc->is_reading;
        return;
    }
    l = xcalloc(1, sizeof(*l));
    l->sc = sc;
    l->now = wall_now();
    l->all = sc->settle;
    arena_init(&l->arena);
    sc->settle = false;
    sc->look_again = false;
    sc->is_reading = true;
    store_read(sc->server->store, look_job, on_looked, l);
}

/* ---- begin and end --------------------------------------------------------------------------------------- */

void schedules_changed(void *ctx)
{
    struct server *s = ctx;

    if (s->schedules != NULL)
        look(s->schedules);
    notices_look(s); /* with its list a schedule is disabled, and somebody is to be told */
}

void schedules_open(struct server *s)
{
    struct schedules *sc;

    if (s->opts.private_fd >= 0)
        return; /* it lives as long as somebody's `wrata run`: nothing else shall begin there */
    sc = xcalloc(1, sizeof(*sc));
    sc->server = s;
    sc->settle = true;
    sc->clocks_ms = clocks();
    CHECK(uv_timer_init(&s->loop, &sc->timer) == 0);
    sc->timer.data = sc;
    s->schedules = sc;
    look(sc);
}

void schedules_halt(struct server *s)
{
    struct schedules *sc = s->schedules;

    if (sc == NULL)
        return;
    sc->is_halted = true;
    (void)uv_timer_stop(&sc->timer);
}

static void on_closed(uv_handle_t *h)
{
    struct schedules *sc = h->data;

    CHECK(sc->flights == NULL);
    free(sc);
}

void schedules_free(struct server *s)
{
    if (s->schedules != NULL)
        uv_close((uv_handle_t *)&s->schedules->timer, on_closed);
    s->schedules = NULL;
}
