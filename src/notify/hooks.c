#include "notify/hooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/fault.h"
#include "base/log.h"
#include "notify/backoff.h"
#include "wire/json_out.h"

#define LOOK_MS (60 * 1000)     /* the wall clock may jump: no timer is set for longer */
#define PAUSE_MIN_MS (5 * 1000) /* of a hook whose receiver fails; doubles up to */
#define PAUSE_MAX_MS (300 * 1000)
#define PATIENCE_MAX_S 3600 /* of a receiver's own Retry-After */
#define DEAD_FAILURES 5u    /* at least so many in a row, however long it is ago */
#define PRUNE_FIRST_MS (45 * 1000)
#define PRUNE_MS (600 * 1000)

/* Seconds between one try and the next, less or more by a fifth; the last goes on until the day is over. */
static const uint16_t retry_s[] = {10, 30, 120, 600, 1800, 3600, 7200, 14400};

struct flight {
    struct hooks *hooks;
    struct flight *next;
    struct arena arena; /* of the texts */
    struct hook_due due;
    struct wall sent_at;
    bool is_sending;
    bool is_set; /* its result is on its way to disk */
};

struct hooks {
    struct hooks_opts opts;
    uv_timer_t timer;
    uv_timer_t prune_timer;
    unsigned handles; /* not yet closed */
    struct rng rng;
    struct flight *flights;
    uint32_t n_flights;
    bool is_looking;
    bool look_again;
    bool is_halted;
    uint64_t n_pruned;
    struct hooks_counts counts;
};

static void look(struct hooks *h);

/* ---- when ------------------------------------------------------------------------------------------------ */

static struct wall now_of(const struct hooks *h)
{
    return h->opts.ops->now(h->opts.ctx);
}

static int64_t retry_ms(struct hooks *h, uint32_t tries)
{
    size_t i = tries > 0 ? tries - 1 : 0;

    if (i >= ARRAY_LEN(retry_s))
        i = ARRAY_LEN(retry_s) - 1;
    return backoff_jittered(&h->rng, retry_s[i] * INT64_C(1000));
}

static int64_t pause_ms(struct hooks *h, uint32_t failures)
{
    return backoff_doubled(&h->rng, PAUSE_MIN_MS, PAUSE_MAX_MS, failures > 0 ? failures - 1 : 0);
}

static void on_timer(uv_timer_t *t)
{
    look(t->data);
}

static void look_in(struct hooks *h, int64_t ms)
{
    if (h->is_halted)
        return;
    uv_update_time(h->opts.loop);
    (void)uv_timer_start(&h->timer, on_timer, ms < 1 ? 1 : (uint64_t)(ms < LOOK_MS ? ms : LOOK_MS), 0);
}

/* ---- one delivery ---------------------------------------------------------------------------------------- */

static void flight_end(struct flight *f)
{
    struct hooks *h = f->hooks;
    struct flight **at = &h->flights;

    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    h->n_flights--;
    arena_done(&f->arena);
    free(f);
    if (!h->is_halted)
        look(h);
}

static void on_set(void *arg, enum err err, const struct why *why)
{
    struct flight *f = arg;
    struct hooks *h = f->hooks;
    char text[300];

    /* ERR_NOTFOUND is nobody's harm: it is deleted, or a newer one took its place. A broken store ends the server by itself. */
    if (err != ERR_OK && err != ERR_NOTFOUND && !h->is_halted)
        LOG_WARN("hook.not_stored", "delivery=%" PRIu64 " why=%s", f->due.delivery.id,
                 log_quote(text, sizeof(text), why->text));
    if (!h->is_halted)
        h->opts.ops->tried(h->opts.ctx, &f->due);
    flight_end(f);
}

/* What came back, for people: valid UTF-8 without control characters but for line ends. */
static const char *clean_answer(struct arena *a, struct slice body)
{
    char out[HOOK_ANSWER_BYTES_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < body.len && n + 4 < sizeof(out);) {
        int len = utf8_next(body.ptr + i, body.len - i);
        unsigned char c = (unsigned char)body.ptr[i];

        if (len <= 0 || (c < 0x20 && c != '\n') || c == 0x7f) {
            out[n++] = '?';
            i++;
            continue;
        }
        memcpy(out + n, body.ptr + i, (size_t)len);
        n += (size_t)len;
        i += (size_t)len;
    }
    out[n] = '\0';
    return arena_strdup(a, out);
}

static const char *error_of(struct arena *a, const struct hook_answer *x)
{
    if (x->status == 0)
        return arena_printf(a, "%.*s", (int)HOOK_ERROR_BYTES_MAX, x->error);
    if (x->status >= 300 && x->status < 400)
        return arena_printf(a, "it answered %d: redirects are not followed, give the hook the address itself",
                            x->status);
    return arena_printf(a, "it answered %d", x->status);
}

static void log_try(const struct flight *f, const struct hook_fate *fate, struct wall now)
{
    const struct delivery_row *d = &f->due.delivery;
    char text[500];

    (void)log_quote(text, sizeof(text), d->error);
    if (d->state == DELIVERY_DELIVERED)
        LOG_INFO("hook.delivered",
                 "hook=%" PRIu64 " delivery=%" PRIu64 " kind=%s status=%u tries=%u took_ms=%u", d->hook,
                 d->id, hook_kind_name(d->kind), d->status, d->tries, d->took_ms);
    else if (d->state == DELIVERY_FAILED)
        LOG_WARN("hook.failed", "hook=%" PRIu64 " delivery=%" PRIu64 " kind=%s tries=%u why=%s", d->hook,
                 d->id, hook_kind_name(d->kind), d->tries, text);
    else
        LOG_WARN("hook.later",
                 "hook=%" PRIu64 " delivery=%" PRIu64 " kind=%s tries=%u in_s=%" PRId64 " why=%s", d->hook,
                 d->id, hook_kind_name(d->kind), d->tries, (d->next_at.ms - now.ms) / 1000, text);
    if (fate->disable[0] != '\0')
        LOG_WARN("hook.disabled", "hook=%" PRIu64 " why=%s", d->hook,
                 log_quote(text, sizeof(text), fate->disable));
}

/* It is not taken: when again, and what that means for its hook. */
static void not_taken(struct flight *f, const struct hook_answer *a, struct hook_fate *fate)
{
    struct hooks *h = f->hooks;
    const struct hook_row *hook = &f->due.hook;
    struct delivery_row *d = &f->due.delivery;
    struct wall now = fate->at;
    int64_t patience_s = a->retry_after_s < PATIENCE_MAX_S ? a->retry_after_s : PATIENCE_MAX_S;

    h->counts.failed++;
    d->error = error_of(&f->arena, a);
    fate->error = d->error;
    fate->failing_since = hook->failing_since.ms != 0 ? hook->failing_since : now;
    fate->failures = hook->failures + 1;
    fate->paused_until.ms = now.ms + pause_ms(h, fate->failures);
    d->next_at.ms = now.ms + retry_ms(h, d->tries);
    if (patience_s > 0 && fate->paused_until.ms < now.ms + patience_s * 1000)
        fate->paused_until.ms = now.ms + patience_s * 1000;
    if (patience_s > 0 && d->next_at.ms < fate->paused_until.ms)
        d->next_at = fate->paused_until;
    if (a->status == 410)
        fate->disable = "the receiver says that it is gone (410)";
    else if (now.ms - fate->failing_since.ms >= h->opts.dead_ms && fate->failures >= DEAD_FAILURES)
        fate->disable = arena_printf(&f->arena, "nothing was taken for %" PRId64 " hours: %s",
                                     (now.ms - fate->failing_since.ms) / 3600000, d->error);
    if (a->is_hopeless || a->status == 410 || now.ms >= d->give_up_at.ms) {
        d->state = DELIVERY_FAILED;
        d->ended_at = now;
    }
    if (a->is_hopeless) { /* the fault of this one alone */
        fate->failing_since = hook->failing_since;
        fate->failures = hook->failures;
        fate->paused_until.ms = 0;
    }
    if (fate->disable[0] != '\0') {
        f->due.hook.is_enabled = false;
        h->counts.disabled++;
    }
}

static void finish(struct flight *f, const struct hook_answer *a)
{
    struct hooks *h = f->hooks;
    struct delivery_row *d = &f->due.delivery;
    struct wall now = now_of(h);
    struct hook_fate fate = {.at = now, .status = (uint32_t)a->status, .error = "", .disable = ""};

    f->is_sending = false;
    f->is_set = true;
    d->tries++;
    d->status = (uint32_t)a->status;
    d->took_ms = (uint32_t)(now.ms > f->sent_at.ms ? now.ms - f->sent_at.ms : 0);
    d->answer = clean_answer(&f->arena, a->body);
    d->error = "";
    if (a->status >= 200 && a->status < 300) {
        d->state = DELIVERY_DELIVERED;
        d->ended_at = now;
        h->counts.delivered++;
    } else {
        not_taken(f, a, &fate);
    }
    log_try(f, &fate, now);
    h->opts.ops->set(h->opts.ctx, d, &fate, on_set, f);
}

static void on_answer(void *arg, const struct hook_answer *a)
{
    struct flight *f = arg;

    CHECK(f->is_sending);
    if (f->hooks->is_halted)
        return;
    fault_crash("hook.crash_before_set");
    finish(f, a);
}

static void take_off(struct flight *f)
{
    struct hooks *h = f->hooks;
    const char *fault = h->opts.ops->fault(h->opts.ctx, &f->due.hook);
    struct delivery_row *d = &f->due.delivery;
    struct wall now = now_of(h);

    f->sent_at = now;
    if (fault != NULL) {
        struct hook_fate fate = {.at = now, .error = fault, .disable = fault};

        d->state = DELIVERY_FAILED;
        d->ended_at = now;
        d->error = arena_strdup(&f->arena, fault);
        f->due.hook.is_enabled = false;
        h->counts.disabled++;
        log_try(f, &fate, now);
        f->is_set = true;
        h->opts.ops->set(h->opts.ctx, d, &fate, on_set, f);
        return;
    }
    f->is_sending = true;
    h->opts.ops->send(h->opts.ctx, &f->due, on_answer, f);
}

static void on_closed_delivery(void *arg, enum err err, const struct why *why)
{
    struct flight *f = arg;

    (void)why; /* it changed meanwhile: it is read again. A broken store says so by itself */
    if (err != ERR_OK || f->hooks->is_halted) {
        flight_end(f);
        return;
    }
    f->due.delivery.is_open = false;
    take_off(f);
}

static void hook_copy(struct arena *a, struct hook_row *row)
{
    row->name = arena_strdup(a, row->name);
    row->url = arena_strdup(a, row->url);
    row->repository = arena_strdup(a, row->repository);
    row->seal_name = arena_strdup(a, row->seal_name);
    row->secret = arena_strdup(a, row->secret);
    row->reason = arena_strdup(a, row->reason);
    row->last_error = arena_strdup(a, row->last_error);
}

static void delivery_copy(struct arena *a, struct delivery_row *row)
{
    row->word = arena_strdup(a, row->word);
    row->name = arena_strdup(a, row->name);
    row->text = arena_strdup(a, row->text);
    row->runs = arena_strdup(a, row->runs);
    row->answer = arena_strdup(a, row->answer);
    row->error = arena_strdup(a, row->error);
    row->body = arena_strdup(a, row->body);
}

static void begin(struct hooks *h, const struct hook_due *due)
{
    struct flight *f = xcalloc(1, sizeof(*f));

    f->hooks = h;
    arena_init(&f->arena);
    f->due = *due;
    hook_copy(&f->arena, &f->due.hook);
    delivery_copy(&f->arena, &f->due.delivery);
    f->next = h->flights;
    h->flights = f;
    h->n_flights++;
    if (due->delivery.is_open)
        h->opts.ops->close(h->opts.ctx, &f->due.delivery, on_closed_delivery, f);
    else
        take_off(f);
}

/* ---- what is due ----------------------------------------------------------------------------------------- */

static bool flies(const struct hooks *h, uint64_t hook)
{
    for (const struct flight *f = h->flights; f != NULL; f = f->next) {
        if (f->due.hook.id == hook)
            return true;
    }
    return false;
}

static void on_due(void *arg, enum err err, const struct hook_due *all, uint32_t n, struct wall next)
{
    struct hooks *h = arg;
    int64_t ms = next.ms == 0 ? LOOK_MS : next.ms - now_of(h).ms;

    if (h->is_halted)
        return;
    if (err != ERR_OK) {
        LOG_WARN("hook.not_read", "why=\"the store cannot be read\"");
        ms = LOOK_MS;
    }
    for (uint32_t i = 0; err == ERR_OK && i < n && h->n_flights < HOOKS_FLYING_MAX; i++) {
        if (!flies(h, all[i].hook.id))
            begin(h, &all[i]);
    }
    h->is_looking = false; /* what ends from inside a beginning waits for the next look: `all` would be old */
    look_in(h, ms);
    if (h->look_again) {
        h->look_again = false;
        look(h);
    }
}

/* Asked whenever there may be something to do, also by the end of each flight. */
static void look(struct hooks *h)
{
    if (h->is_halted)
        return;
    if (h->is_looking) {
        h->look_again = true;
        return;
    }
    if (h->n_flights >= HOOKS_FLYING_MAX)
        return;
    h->is_looking = true;
    h->opts.ops->due(h->opts.ctx, now_of(h), on_due, h);
}

void hooks_look(struct hooks *h)
{
    look(h);
}

/* ---- what is over, goes ---------------------------------------------------------------------------------- */

static void on_prune_timer(uv_timer_t *t);

static void on_pruned(void *arg, enum err err, const struct why *why)
{
    struct hooks *h = arg;

    (void)err;
    (void)why; /* a broken store says so by itself */
    if (h->n_pruned > 0)
        LOG_DEBUG("hook.pruned", "rows=%" PRIu64, h->n_pruned);
    if (!h->is_halted)
        (void)uv_timer_start(&h->prune_timer, on_prune_timer, h->n_pruned > 0 ? 1000 : PRUNE_MS, 0);
}

static void on_prune_timer(uv_timer_t *t)
{
    struct hooks *h = t->data;

    h->n_pruned = 0;
    h->opts.ops->prune(h->opts.ctx, now_of(h), &h->n_pruned, on_pruned, h);
}

/* ---- begin and end --------------------------------------------------------------------------------------- */

struct hooks *hooks_new(const struct hooks_opts *opts)
{
    struct hooks *h = xcalloc(1, sizeof(*h));

    h->opts = *opts;
    rng_seed(&h->rng, opts->seed);
    CHECK(uv_timer_init(opts->loop, &h->timer) == 0);
    CHECK(uv_timer_init(opts->loop, &h->prune_timer) == 0);
    h->handles = 2;
    h->timer.data = h->prune_timer.data = h;
    CHECK(uv_timer_start(&h->prune_timer, on_prune_timer, PRUNE_FIRST_MS, 0) == 0);
    return h;
}

void hooks_set_dead(struct hooks *h, int64_t dead_ms)
{
    h->opts.dead_ms = dead_ms;
}

struct hooks_counts hooks_counts(const struct hooks *h)
{
    return h->counts;
}

void hooks_halt(struct hooks *h)
{
    if (h == NULL || h->is_halted)
        return;
    h->is_halted = true;
    (void)uv_timer_stop(&h->timer);
    (void)uv_timer_stop(&h->prune_timer);
}

static void on_closed(uv_handle_t *t)
{
    struct hooks *h = t->data;

    if (--h->handles == 0)
        free(h);
}

void hooks_free(struct hooks *h)
{
    if (h == NULL)
        return;
    hooks_halt(h);
    while (h->flights != NULL) { /* those that no answer ended */
        struct flight *f = h->flights;

        h->flights = f->next;
        arena_done(&f->arena);
        free(f);
    }
    uv_close((uv_handle_t *)&h->timer, on_closed);
    uv_close((uv_handle_t *)&h->prune_timer, on_closed);
}
