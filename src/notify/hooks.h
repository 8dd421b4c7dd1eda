/* hooks.h - what waits to be told to programs elsewhere: sent to each hook one at a time, again and again until it is taken or a day
 * is over.
 *
 * Where deliveries are kept, what their bodies say and how bytes travel are the caller's (struct hooks_ops). A body is saved
 * before it is first sent, so every try has the same bytes and the same id. What a receiver took is saved after it said so:
 * when the program dies in between, it is sent again, and the receiver knows it by its id. At least once, never lost.
 *
 * A hook has one delivery in flight; other hooks do not wait for it. While its receiver fails, the hook pauses, longer each time;
 * after days of nothing but failures it is disabled. Order is not kept: what failed is tried later than what came after it.
 *
 * Loop thread. Nothing here blocks it. */
#ifndef WRATA_NOTIFY_HOOKS_H
#define WRATA_NOTIFY_HOOKS_H

#include "base/buf.h"
#include "base/mem.h"
#include "model/hook.h"

struct uv_loop_s;
struct hooks;

#define HOOKS_FLYING_MAX 16u

/* A hook and what is to be sent to it. Of a delivery that is open, or has no body yet and counts as open here, the body is what it says
 * by now. */
struct hook_due {
    struct hook_row hook;
    struct delivery_row delivery;
};

/* What came of a try. Texts borrowed for the call. */
struct hook_answer {
    int status;            /* of HTTP; 0: no answer */
    struct slice body;     /* the first of it */
    const char *error;     /* a sentence; "" when there was an answer */
    int64_t retry_after_s; /* it asks for so much patience; -1: it does not say */
    bool is_hopeless;      /* no other try would do better */
};

typedef void hooks_done_fn(void *arg, enum err err, const struct why *why);
/* `all` is borrowed for the call. next.ms 0: nothing else waits. */
typedef void hooks_due_fn(void *arg, enum err err, const struct hook_due *all, uint32_t n, struct wall next);
typedef void hooks_answer_fn(void *arg, const struct hook_answer *a);

/* Each calls back later, once, from the loop; of the store's also when it is closing. */
struct hooks_ops {
    struct wall (*now)(void *ctx);
    void (*due)(void *ctx, struct wall now, hooks_due_fn *got, void *arg);
    void (*close)(void *ctx, const struct delivery_row *row, hooks_done_fn *done, void *arg);
    void (*set)(void *ctx, const struct delivery_row *row, const struct hook_fate *fate, hooks_done_fn *done,
                void *arg);
    void (*prune)(void *ctx, struct wall now, uint64_t *ret_n, hooks_done_fn *done, void *arg);
    /* The answer may come from inside the call. None after halt(). */
    void (*send)(void *ctx, const struct hook_due *what, hooks_answer_fn *answer, void *arg);
    /* Why this hook may not send any more ("its user is no admin any more"); NULL it may. */
    const char *(*fault)(void *ctx, const struct hook_row *hook);
    /* A try is over, and saved; is_enabled of its hook says whether that disabled it. */
    void (*tried)(void *ctx, const struct hook_due *what);
};

struct hooks_opts {
    struct uv_loop_s *loop;
    const struct hooks_ops *ops;
    void *ctx;
    uint64_t seed;   /* of the jitter */
    int64_t dead_ms; /* a hook that took nothing for so long is disabled */
};

OWNED struct hooks *hooks_new(const struct hooks_opts *opts);
void hooks_set_dead(struct hooks *h, int64_t dead_ms);
void hooks_look(struct hooks *h); /* something may be due */
/* Nothing is sent any more, and no answer is taken: what flies is tried again by the next process. Before the store closes. */
void hooks_halt(struct hooks *h);
/* After the store has closed. Its memory goes when the loop has turned once more. NULL is fine. */
void hooks_free(struct hooks *h);

/* Tries by what came of them, since the start. */
struct hooks_counts {
    uint64_t delivered;
    uint64_t failed; /* tries */
    uint64_t disabled;
};
struct hooks_counts hooks_counts(const struct hooks *h);

#endif
