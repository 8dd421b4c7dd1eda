/* cloud.c - whose turn it is to call the cloud; see cloud.h.
 *
 *     waiting, by rank ──▶ flying ──▶ done
 *        ▲                   │
 *        └── another try ◀───┘
 *
 * One timer serves all waits: it is set to the earliest moment at which something here may change. */
#include "fleet/cloud.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

#define MINUTE_US INT64_C(60000000)
#define HOUR_MINUTES 60u
#define TRY_FIRST_MS 1000
#define TRY_MAX_MS 60000
#define LIMITED_FIRST_MS 5000 /* after a 429 that does not say how long */
#define LIMITED_MAX_MS 300000
#define FAILURES_PROBE \
    3u /* so many failures one after another, and one call at a time asks whether it is over */
#define REMAINING_LEAST 10 /* by the cloud's own count; kept for destroying and looking */
#define TOKEN_BYTES_MAX 512u
#define TOKEN_MISSING "cloud_token is missing in the credentials"
#define TOKEN_MALFORMED                                                                                      \
    "cloud_token of the credentials is not used: it holds what no token has (a blank, a line's end), or is " \
    "too long"

struct cloud_call {
    struct cloud *cloud;
    struct cloud_call *prev;
    struct cloud_call *next; /* of its rank while it waits, else of those that fly */
    uint64_t number;         /* of the try that flies; 0: it waits */
    struct mono not_before;
    struct mono patience_end;
    unsigned tries;
    int64_t retry_after_ms; /* of the last answer */
    char last_error[200];   /* why the last try was none; "" there was none */
    struct cloud_call_opts o;
    char *method;
    char *path;
    char *body;
};

struct list {
    struct cloud_call *first;
    struct cloud_call *last;
};

struct cloud {
    struct fleets *all;
    char *url;
    char *token;             /* NULL: none, and */
    const char *token_fault; /* what is wrong with it */
    struct rng rng;
    struct fleet_timer timer;
    struct list waiting[CLOUD_RANK_COUNT];
    struct list flying;
    uint32_t n_flying;
    uint64_t last_number;
    /* the budget */
    struct mono sent_at[CLOUD_MINUTE_CALLS]; /* a ring of the newest calls */
    uint32_t sent_next;
    int64_t minutes[HOUR_MINUTES]; /* which minute this is a count of */
    uint32_t minute_calls[HOUR_MINUTES];
    int64_t hour_calls_max;
    int64_t remaining;        /* the cloud's word less what was sent since; -1 unknown */
    struct wall reset_at;     /* when the oldest call of the hour no longer counts there */
    struct mono paused_until; /* 429 */
    int64_t pause_ms;         /* the last such pause; 0: the last answer was none */
    unsigned failures;        /* one after another */
    struct mono probe_at;
    struct cloud_counts counts;
};

/* ---- lists ---- */

static void list_add(struct list *l, struct cloud_call *x)
{
    x->prev = l->last;
    x->next = NULL;
    if (l->last != NULL)
        l->last->next = x;
    else
        l->first = x;
    l->last = x;
}

static void list_remove(struct list *l, struct cloud_call *x)
{
    if (x->prev != NULL)
        x->prev->next = x->next;
    else
        l->first = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
    else
        l->last = x->prev;
}

static void call_free(struct cloud_call *x)
{
    if (x->o.body_is_secret && x->body != NULL)
        mem_wipe(x->body, x->o.body.len);
    free(x->body);
    free(x->method);
    free(x->path);
    free(x);
}

/* ---- the budget ---- */

static uint32_t hour_calls(const struct cloud *c, struct mono now)
{
    int64_t minute = now.us / MINUTE_US;
    uint32_t n = 0;

    for (uint32_t i = 0; i < HOUR_MINUTES; i++) {
        if (c->minutes[i] > minute - (int64_t)HOUR_MINUTES)
            n += c->minute_calls[i];
    }
    return n;
}

/* What the hour has room for when a call of this rank is to go: the last tenth is not for everybody. */
static int64_t share(int64_t all, enum cloud_rank rank)
{
    if (rank <= CLOUD_LIST)
        return all;
    return rank <= CLOUD_CREATE ? all - all / 20 : all - all / 10;
}

/* The earliest moment at which the budget has room for a call of this rank. */
static struct mono budget_at(const struct cloud *c, enum cloud_rank rank, struct mono now)
{
    uint32_t minute_max = (uint32_t)share(CLOUD_MINUTE_CALLS, rank);
    struct mono nth = c->sent_at[(c->sent_next + CLOUD_MINUTE_CALLS - minute_max) % CLOUD_MINUTE_CALLS];
    struct mono at = now;

    if (nth.us != 0 && now.us - nth.us < MINUTE_US)
        at.us = nth.us + MINUTE_US;
    if ((int64_t)hour_calls(c, now) >= share(c->hour_calls_max, rank)) {
        int64_t next_minute = (now.us / MINUTE_US + 1) * MINUTE_US;

        at.us = at.us > next_minute ? at.us : next_minute;
    }
    if (c->remaining >= 0 && c->remaining < (rank <= CLOUD_LIST ? 1 : REMAINING_LEAST)) {
        /* Its count is as old as its last answer: after the reset one call asks again. */
        int64_t wait_ms = c->reset_at.ms - c->all->io.wall(c->all->io.ctx).ms;
        struct mono reset = mono_add_ms(now, wait_ms > 60000 ? 60000 : wait_ms);

        if (wait_ms > 0 && mono_before(at, reset))
            at = reset;
    }
    return at;
}

static void budget_spend(struct cloud *c, struct mono now)
{
    int64_t minute = now.us / MINUTE_US;
    uint32_t i = (uint32_t)(minute % (int64_t)HOUR_MINUTES);

    c->sent_at[c->sent_next] = now;
    c->sent_next = (c->sent_next + 1) % CLOUD_MINUTE_CALLS;
    if (c->minutes[i] != minute) {
        c->minutes[i] = minute;
        c->minute_calls[i] = 0;
    }
    c->minute_calls[i]++;
    if (c->remaining > 0)
        c->remaining--;
}

static void budget_learn(struct cloud *c, const struct http_answer *a)
{
    int64_t limit = http_call_number(a->headers, "RateLimit-Limit");
    int64_t remaining = http_call_number(a->headers, "RateLimit-Remaining");
    int64_t reset = http_call_number(a->headers, "RateLimit-Reset");

    if (limit > 0 && limit < CLOUD_HOUR_CALLS * 100)
        c->hour_calls_max = limit - limit / 25;
    if (remaining >= 0) {
        c->remaining = remaining;
        c->counts.remaining = remaining;
    }
    if (reset > 0 && reset < INT64_MAX / 1000)
        c->reset_at.ms = reset * 1000;
}

/* ---- waits ---- */

/* Between half and the whole of min(first * 2^n, most). */
static int64_t jitter(struct cloud *c, int64_t first_ms, unsigned n, int64_t most_ms)
{
    int64_t ms = first_ms;

    while (n-- > 0 && ms < most_ms)
        ms *= 2;
    ms = ms > most_ms ? most_ms : ms;
    return ms / 2 + (int64_t)rng_below(&c->rng, (uint64_t)(ms - ms / 2) + 1);
}

/* When a call of this rank could go, if nothing else changes; MONO_NEVER: not before a call that flies has ended. */
static struct mono rank_at(const struct cloud *c, enum cloud_rank rank, struct mono now)
{
    struct mono at = budget_at(c, rank, now);

    if (c->n_flying >= CLOUD_AT_ONCE || (c->failures >= FAILURES_PROBE && c->n_flying > 0))
        return MONO_NEVER;
    if (c->failures >= FAILURES_PROBE && mono_before(at, c->probe_at))
        at = c->probe_at;
    return mono_before(at, c->paused_until) ? c->paused_until : at;
}

/* ---- ends ---- */

static void deliver(struct cloud_call *x, const struct cloud_answer *a)
{
    cloud_done_fn *done = x->o.done;
    void *ctx = x->o.ctx;

    call_free(x);
    done(ctx, a);
}

/* Its patience ended while it waited. */
static void give_up(struct cloud *c, struct cloud_call *x)
{
    char text[400];
    struct cloud_answer a = {.fate = HTTP_NOT_SENT, .retry_after_ms = x->retry_after_ms, .error = text};

    list_remove(&c->waiting[x->o.rank], x);
    c->counts.waiting--;
    (void)snprintf(text, sizeof(text), "%s%s",
                   x->last_error[0] != '\0' ? x->last_error : "too many calls wait their turn",
                   x->tries > 1 ? " (after several tries)" : "");
    deliver(x, &a);
}

static void fly(struct cloud *c, struct cloud_call *x, struct mono now)
{
    char url[2048];
    struct http_call_opts rq = {.method = x->method,
                                .url = url,
                                .body = x->o.body,
                                .body_is_secret = x->o.body_is_secret,
                                .bearer = slice_of(c->token),
                                .answer_max = x->o.answer_max};

    list_remove(&c->waiting[x->o.rank], x);
    list_add(&c->flying, x);
    c->counts.waiting--;
    c->n_flying++;
    x->number = ++c->last_number;
    x->tries++;
    budget_spend(c, now);
    c->counts.sent++;
    c->counts.by_rank[x->o.rank]++;
    CHECK((size_t)snprintf(url, sizeof(url), "%s%s", c->url, x->path) < sizeof(url));
    c->all->io.send(c->all->io.ctx, x->number, &rq);
}

static void unauthorized(struct cloud *c, struct cloud_call *x)
{
    struct cloud_answer a = {.fate = HTTP_ANSWERED, .status = 401, .error = ""};
    char body[256];

    (void)snprintf(body, sizeof(body), "{\"id\":\"unauthorized\",\"message\":\"%s\"}", c->token_fault);
    a.body = slice_of(body);

    list_remove(&c->waiting[x->o.rank], x);
    c->counts.waiting--;
    deliver(x, &a);
}

/* Calls of one rank: those that can go, go. False: done() of one was called, and the lists may be others now. */
static bool turn_rank(struct cloud *c, enum cloud_rank rank, struct mono now, struct mono *wake)
{
    struct mono from = rank_at(c, rank, now);
    struct cloud_call *next;

    for (struct cloud_call *x = c->waiting[rank].first; x != NULL; x = next) {
        struct mono at = mono_before(from, x->not_before) ? x->not_before : from;

        next = x->next;
        if (c->token == NULL) {
            unauthorized(c, x);
            return false;
        }
        if (!mono_before(now, at)) {
            fly(c, x, now);
            from = rank_at(c, rank, now);
        } else if (!mono_before(now, x->patience_end)) {
            give_up(c, x);
            return false;
        } else {
            *wake = mono_min(*wake, mono_min(at, x->patience_end));
        }
    }
    return true;
}

static void turn(void *ctx)
{
    struct cloud *c = ctx;
    struct mono now = c->all->io.now(c->all->io.ctx);
    struct mono wake = MONO_NEVER;

    for (int rank = 0; rank < CLOUD_RANK_COUNT; rank++) {
        if (!turn_rank(c, (enum cloud_rank)rank, now, &wake)) {
            fleet_timer_set(c->all, &c->timer, now);
            return;
        }
    }
    if (wake.us == MONO_NEVER.us)
        fleet_timer_stop(c->all, &c->timer);
    else
        fleet_timer_set(c->all, &c->timer, wake);
}

/* ---- answers ---- */

static bool is_failure(const struct http_answer *a)
{
    return a->fate != HTTP_ANSWERED || a->status >= 500;
}

/* Can it be done again without harm? */
static bool may_try_again(const struct cloud_call *x, const struct http_answer *a)
{
    if (a->fate == HTTP_NOT_SENT || (a->fate == HTTP_ANSWERED && a->status == 429))
        return true;
    return is_failure(a) && !x->o.only_once;
}

static int64_t retry_after(const struct http_answer *a)
{
    int64_t s = a->fate == HTTP_ANSWERED ? http_call_number(a->headers, "Retry-After") : -1;

    return s > 0 ? (s > 3600 ? 3600 : s) * 1000 : 0;
}

static void remember(struct cloud *c, const struct http_answer *a, struct mono now)
{
    if (a->fate == HTTP_ANSWERED)
        budget_learn(c, a);
    if (a->fate == HTTP_ANSWERED && a->status == 429) {
        int64_t ms = retry_after(a);

        c->counts.limited++;
        c->pause_ms = c->pause_ms == 0 ? LIMITED_FIRST_MS : c->pause_ms * 2;
        c->pause_ms = c->pause_ms > LIMITED_MAX_MS ? LIMITED_MAX_MS : c->pause_ms;
        ms = ms > 0 ? ms + jitter(c, 1000, 0, 1000) : jitter(c, c->pause_ms, 0, LIMITED_MAX_MS);
        if (mono_before(c->paused_until, mono_add_ms(now, ms)))
            c->paused_until = mono_add_ms(now, ms);
    } else {
        c->pause_ms = 0;
    }
    if (is_failure(a)) {
        c->counts.failed++;
        c->failures++;
        c->probe_at = mono_add_ms(now, jitter(c, TRY_FIRST_MS, c->failures, TRY_MAX_MS));
    } else {
        c->failures = 0;
    }
}

static void say_last(struct cloud_call *x, const struct http_answer *a)
{
    if (a->fate != HTTP_ANSWERED)
        (void)snprintf(x->last_error, sizeof(x->last_error), "%.190s", a->error);
    else
        (void)snprintf(x->last_error, sizeof(x->last_error), "the cloud answered %d%s", a->status,
                       a->status == 429 ? " (too many requests)" : "");
}

void cloud_answered(struct cloud *c, uint64_t number, const struct http_answer *a)
{
    struct mono now = c->all->io.now(c->all->io.ctx);
    struct cloud_call *x = c->flying.first;

    while (x != NULL && x->number != number)
        x = x->next;
    if (x == NULL)
        return; /* cancelled meanwhile */
    list_remove(&c->flying, x);
    c->n_flying--;
    x->number = 0;
    remember(c, a, now);
    fleet_timer_set(c->all, &c->timer, now);
    LOG_DEBUG("cloud.call", "method=%s path=%s status=%d fate=%d tries=%u",
              x->method != NULL ? x->method : "GET", x->path, a->status, (int)a->fate, x->tries);
    x->retry_after_ms = retry_after(a);
    if (may_try_again(x, a)) {
        struct mono again = mono_add_ms(now, jitter(c, TRY_FIRST_MS, x->tries - 1, TRY_MAX_MS));

        if (mono_before(again, x->patience_end)) {
            say_last(x, a);
            x->not_before = again;
            list_add(&c->waiting[x->o.rank], x);
            c->counts.waiting++;
            return;
        }
    }
    deliver(x, &(struct cloud_answer){.fate = a->fate,
                                      .status = a->status,
                                      .body = a->body,
                                      .retry_after_ms = x->retry_after_ms,
                                      .error = a->error});
}

/* ---- calls ---- */

void cloud_call(struct cloud *c, const struct cloud_call_opts *o, struct cloud_call **ret)
{
    struct mono now = c->all->io.now(c->all->io.ctx);
    struct cloud_call *x = xcalloc(1, sizeof(*x));

    CHECK(o->done != NULL);
    CHECK(o->patience_ms > 0);
    x->cloud = c;
    x->o = *o;
    x->method = o->method != NULL ? xstrdup(o->method) : NULL;
    x->path = xstrdup(o->path);
    if (o->body.ptr != NULL) {
        x->body = xstrndup(o->body.ptr, o->body.len);
        x->o.body.ptr = x->body;
    }
    x->not_before = mono_add_ms(now, o->delay_ms);
    x->patience_end = mono_add_ms(now, o->patience_ms);
    list_add(&c->waiting[o->rank], x);
    c->counts.waiting++;
    *ret = x;
    fleet_timer_set(c->all, &c->timer, now);
}

bool cloud_call_waits(const struct cloud_call *call)
{
    return call->number == 0 && (call->tries == 0 || call->o.only_once);
}

void cloud_cancel(struct cloud_call **call)
{
    struct cloud_call *x = *call;
    struct cloud *c;

    if (x == NULL)
        return;
    *call = NULL;
    c = x->cloud;
    if (x->number != 0) {
        c->all->io.cancel(c->all->io.ctx, x->number);
        list_remove(&c->flying, x);
        c->n_flying--;
        fleet_timer_set(c->all, &c->timer, c->all->io.now(c->all->io.ctx));
    } else {
        list_remove(&c->waiting[x->o.rank], x);
        c->counts.waiting--;
    }
    call_free(x);
}

void cloud_counts(const struct cloud *c, struct cloud_counts *ret)
{
    *ret = c->counts;
    ret->flying = c->n_flying;
}

/* ---- the whole ---- */

enum err cloud_new(struct fleets *all, const char *url, uint64_t seed, struct cloud **ret, struct why *reterr)
{
    struct cloud *c;
    size_t n = strlen(url);
    enum err err = http_call_url_check(url, reterr);

    if (err != ERR_OK)
        return err;
    while (n > 0 && url[n - 1] == '/')
        n--;
    c = xcalloc(1, sizeof(*c));
    c->all = all;
    c->url = xstrndup(url, n);
    c->timer.fn = turn;
    c->timer.ctx = c;
    c->token_fault = TOKEN_MISSING;
    c->hour_calls_max = CLOUD_HOUR_CALLS;
    c->remaining = -1;
    c->counts.remaining = -1;
    for (uint32_t i = 0; i < HOUR_MINUTES; i++)
        c->minutes[i] = INT64_MIN / 2;
    rng_seed(&c->rng, seed);
    *ret = c;
    return ERR_OK;
}

static void forget_token(struct cloud *c)
{
    if (c->token != NULL)
        mem_wipe(c->token, strlen(c->token));
    free(c->token);
    c->token = NULL;
}

void cloud_free(struct cloud *c)
{
    if (c == NULL)
        return;
    for (struct cloud_call *x = c->flying.first, *next; x != NULL; x = next) {
        next = x->next;
        c->all->io.cancel(c->all->io.ctx, x->number);
        call_free(x);
    }
    for (int rank = 0; rank < CLOUD_RANK_COUNT; rank++) {
        for (struct cloud_call *x = c->waiting[rank].first, *next; x != NULL; x = next) {
            next = x->next;
            call_free(x);
        }
    }
    fleet_timer_stop(c->all, &c->timer);
    forget_token(c);
    free(c->url);
    free(c);
}

/* What cannot stand in a header is no token. */
static bool is_token(struct slice t)
{
    if (t.len == 0 || t.len > TOKEN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] <= ' ' || t.ptr[i] == 127)
            return false;
    }
    return true;
}

void cloud_set_token(struct cloud *c, struct slice token)
{
    forget_token(c);
    c->token_fault = token.len == 0 ? TOKEN_MISSING : TOKEN_MALFORMED;
    if (is_token(token))
        c->token = xstrndup(token.ptr, token.len);
    else if (token.len > 0)
        LOG_WARN("cloud.token", "why=\"" TOKEN_MALFORMED "\"");
    c->remaining = -1;
    c->paused_until.us = 0;
    c->failures = 0;
    fleet_timer_set(c->all, &c->timer, c->all->io.now(c->all->io.ctx));
}

bool cloud_has_token(const struct cloud *c)
{
    return c->token != NULL;
}
