/* translate.c - what agents say, as events of the engine.
 *
 * Frames are input from outside: texts are cut and cleaned here, so that the engine and everything behind it may
 * trust them. Numbers that the engine looks up (run ids, links) need no check: unknown ones are late news. */
#include <string.h>

#include "server/keeper.h"
#include "server/server.h"

#define HELD_MAX 4096u

/* A NUL-ended copy of at most max - 1 bytes in out, control characters shown as '?'. */
static const char *clean(struct slice s, char *out, size_t max)
{
    size_t n = s.len < max - 1 ? s.len : max - 1;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        out[i] = (c < 0x20 || c == 0x7f) ? (c == '\n' ? ' ' : '?') : (char)c;
    }
    out[n] = '\0';
    return out;
}

/* Borrow the list of a frame as the engine's. Static memory is safe: one loop thread, used at once. */
static const struct held_run *held_runs(const struct wire_held *held, uint32_t n)
{
    static struct held_run list[HELD_MAX];

    CHECK(n <= HELD_MAX); /* the codec's maximum */
    for (uint32_t i = 0; i < n; i++)
        list[i] = (struct held_run){{held[i].run}, held[i].state, held[i].slot};
    return list;
}

static void on_up(void *ctx, struct server_id server, uint64_t era, uint64_t link,
                  const struct frame_hello *hello)
{
    struct server *s = ctx;
    char version[64];
    char facts[1024];

    streams_hello(s->streams, server, hello);
    healths_begin(s, server, hello->protocol);
    server_post(s,
                &(struct event){.kind = EV_LINK_UP,
                                .link_up = {.server = server,
                                            .era = era,
                                            .link = link,
                                            .incarnation = hello->incarnation,
                                            .agent_version = clean(hello->version, version, sizeof(version)),
                                            .facts = clean(hello->facts, facts, sizeof(facts)),
                                            .held = held_runs(hello->held, hello->n_held),
                                            .n_held = hello->n_held}});
}

static void on_down(void *ctx, struct server_id server, uint64_t era, uint64_t link, const char *reason)
{
    char text[REASON_BYTES_MAX];

    server_post(ctx, &(struct event){.kind = EV_LINK_DOWN,
                                     .link_down = {.server = server,
                                                   .link = link,
                                                   .era = era,
                                                   .reason = clean(slice_of(reason), text, sizeof(text))}});
}

static void on_beat(void *ctx, struct server_id server, uint64_t link, const struct frame_beat *beat)
{
    struct server *s = ctx;

    streams_held(s->streams, server, beat->held, beat->n_held);
    server_post(ctx, &(struct event){.kind = EV_BEAT,
                                     .beat = {.server = server,
                                              .link = link,
                                              .seq = beat->seq,
                                              .goals_seq = beat->goals_seq,
                                              .held = held_runs(beat->held, beat->n_held),
                                              .n_held = beat->n_held}});
}

static void on_health(void *ctx, struct server_id server, uint64_t link, const struct frame_health *f)
{
    healths_frame(ctx, server, link, f);
}

static void on_started(void *ctx, struct server_id server, uint64_t link, const struct frame_started *f)
{
    server_post(ctx,
                &(struct event){.kind = EV_RUN_STARTED, .run_started = {server, link, {f->run}, f->slot}});
}

static void on_preparing(void *ctx, struct server_id server, uint64_t link, const struct frame_preparing *f)
{
    char step[RUN_STEP_BYTES_MAX];

    server_post(ctx, &(struct event){.kind = EV_RUN_PREPARING,
                                     .run_preparing = {.server = server,
                                                       .link = link,
                                                       .run = {f->run},
                                                       .slot = f->slot,
                                                       .step = clean(f->step, step, sizeof(step))}});
}

static void on_stream(void *ctx, struct server_id server, uint64_t link, const struct frame_stream *f)
{
    struct server *s = ctx;

    (void)link; /* bytes count by run and offset, whichever link brought them */
    streams_bytes(s->streams, server, f);
}

static void on_finished(void *ctx, struct server_id server, uint64_t link, const struct frame_finished *f)
{
    struct server *s = ctx;

    streams_finished(s->streams, server, link, f);
}

const struct link_ops server_link_ops = {
    .up = on_up,
    .down = on_down,
    .beat = on_beat,
    .started = on_started,
    .preparing = on_preparing,
    .health = on_health,
    .stream = on_stream,
    .finished = on_finished,
    .artifacts_begin = keeper_begin,
    .artifacts_bytes = keeper_bytes,
    .artifacts_drop = keeper_drop,
};
