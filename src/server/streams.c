/* streams.c - logs and results of living runs, between the links, the store and the watchers.
 *
 * Bytes come with their offset and count once, whichever link or life of this server brought them. What arrived is
 * queued for the store at once and acknowledged when it is durable; watchers see it then, too. The store keeps
 * the order in which things were queued, so a run's end, queued behind its bytes, is never durable before them.
 *
 * Invariants:
 *   S1  what was received, and the results parser's position, never go back
 *   S2  an acknowledgement never passes what the store said is durable
 *       (nothing is acknowledged while the disk is as good as full)
 *   S3  EV_RUN_FINISHED is posted only when both streams were received up to their final lengths */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/results.h"
#include "server/server.h"
#include "wire/agent_image.h"

#include <uthash.h>

struct run_stream {
    uint64_t run; /* key */
    struct launch_id launch;
    struct server_id holder; /* it was given to */
    struct server_id server; /* its bytes came from last */
    uint64_t received[STREAM_COUNT];
    uint64_t durable[STREAM_COUNT]; /* acknowledged at most up to here */
    uint64_t held[STREAM_COUNT];    /* its agent has, as it said last; only for /metrics */
    struct results results;
    bool has_finish; /* FINISHED came before its last bytes */
    uint64_t finish_link;
    struct frame_finished finish;
    char finish_reason[REASON_BYTES_MAX];
    char finish_image[RUN_IMAGE_BYTES_MAX + 1]; /* "": none */
    UT_hash_handle hh;
};

struct streams {
    struct server *server;
    struct run_stream *runs; /* by run id: assigned, running and stopping ones */
    bool is_tight;           /* the disk is as good as full (room.c) */
};

/* A write that is on its way to disk. */
struct write {
    struct streams *streams;
    struct server_id server;
    struct run_id run;
    struct launch_id launch;
    uint32_t stream;
    uint64_t upto; /* acknowledge this when it is durable */
    uint64_t from; /* log: offset of bytes[0] */
    char *bytes;   /* log: a copy for the watchers */
    uint32_t len;
    struct example_list list; /* results */
    struct tally tally;
};

struct streams *streams_new(struct server *s)
{
    struct streams *st = xcalloc(1, sizeof(*st));

    st->server = s;
    return st;
}

static struct run_stream *find(const struct streams *st, uint64_t run)
{
    struct run_stream *rs;

    HASH_FIND(hh, st->runs, &run, sizeof(run), rs);
    return rs;
}

static struct run_stream *add(struct streams *st, struct run_id run, struct launch_id launch,
                              struct server_id server)
{
    struct run_stream *rs = xcalloc(1, sizeof(*rs));

    rs->run = run.v;
    rs->launch = launch;
    rs->holder = rs->server = server;
    HASH_ADD(hh, st->runs, run, sizeof(rs->run), rs);
    return rs;
}

static void drop(struct streams *st, struct run_stream *rs)
{
    HASH_DEL(st->runs, rs);
    results_done(&rs->results);
    free(rs);
}

void streams_free(struct streams *st)
{
    struct run_stream *rs;
    struct run_stream *next;

    if (st == NULL)
        return;
    HASH_ITER(hh, st->runs, rs, next)
        drop(st, rs);
    free(st);
}

void streams_resume(struct streams *st, const struct stream_pos *pos, struct launch_id launch,
                    struct server_id server)
{
    struct run_stream *rs = find(st, pos->run.v);

    if (rs == NULL)
        rs = add(st, pos->run, launch, server);
    rs->received[STREAM_LOG] = rs->durable[STREAM_LOG] = pos->log_bytes;
    rs->received[STREAM_RESULTS] = rs->durable[STREAM_RESULTS] = pos->results_bytes;
    results_done(&rs->results);
    results_init(&rs->results, pos->run, pos->results_bytes, &pos->tally, pos->next_seq);
}

/* The stream of a run that was given to this server; NULL: there is none, or it is another server's, about which this one
 * has nothing to say. */
static struct run_stream *find_of(const struct streams *st, struct server_id server, uint64_t run)
{
    struct run_stream *rs = find(st, run);

    if (rs == NULL || rs->holder.v == server.v)
        return rs;
    LOG_WARN("stream.foreign", "run=%llu holder=%llu server=%llu", (unsigned long long)run,
             (unsigned long long)rs->holder.v, (unsigned long long)server.v);
    return NULL;
}

bool streams_is_held(const struct streams *st, struct server_id server, struct run_id run)
{
    return find_of(st, server, run.v) != NULL;
}

void streams_note_changes(struct streams *st, const struct change *changes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct run_row *run = &changes[i].run;
        struct run_stream *rs;

        switch (changes[i].kind) {
        case CHANGE_RUN_ADD:
            rs = add(st, run->id, run->launch, run->server);
            results_init(&rs->results, run->id, 0, NULL, 0);
            break;
        case CHANGE_RUN_SET:
            rs = run->state == RUN_DONE || run->state == RUN_LOST ? find(st, run->id.v) : NULL;
            if (rs != NULL)
                drop(st, rs); /* its log ends in the transaction that ends it */
            break;
        default:
            break;
        }
    }
}

void streams_held(struct streams *st, struct server_id server, const struct wire_held *held, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct run_stream *rs = find(st, held[i].run);

        if (rs == NULL || rs->holder.v != server.v)
            continue;
        rs->held[STREAM_LOG] = held[i].log_len;
        rs->held[STREAM_RESULTS] = held[i].results_len;
    }
}

uint64_t streams_spooled(const struct streams *st)
{
    uint64_t n = 0;

    for (const struct run_stream *rs = st->runs; rs != NULL; rs = rs->hh.next) {
        for (unsigned i = 0; i < STREAM_COUNT; i++) {
            uint64_t has = rs->held[i] > rs->received[i] ? rs->held[i] : rs->received[i];

            n += has > rs->durable[i] ? has - rs->durable[i] : 0;
        }
    }
    return n;
}

static void write_free(struct write *w)
{
    free(w->bytes);
    arena_done(&w->list.arena);
    free(w);
}

static void on_durable(void *ctx, enum err err, const struct why *why)
{
    struct write *w = ctx;
    struct server *s = w->streams->server;
    struct run_stream *rs = find(w->streams, w->run.v);

    if (err == ERR_IO)
        server_die("streams.commit", why);
    if (err != ERR_OK) { /* refused alone: nothing of it is durable, so nothing is acknowledged or shown */
        char text[300];

        LOG_WARN("stream.refused", "run=%llu stream=%u why=%s", (unsigned long long)w->run.v, w->stream,
                 log_quote(text, sizeof(text), why->text));
        write_free(w);
        return;
    }
    if (rs != NULL && s->links != NULL) { /* else its run has ended: the goals say so */
        rs->durable[w->stream] = w->upto;
        if (!w->streams->is_tight)
            link_ack(s->links, w->server, w->run, w->stream, w->upto); /* S2 */
    }
    if (s->api != NULL) {
        if (w->stream == STREAM_LOG)
            api_log(s->api, w->run, w->from, w->bytes, w->len);
        else
            api_examples(s->api, w->launch, w->list.rows, w->list.n, &w->tally);
    }
    write_free(w);
}

static struct write *write_new(struct streams *st, const struct run_stream *rs, struct server_id server,
                               uint32_t stream)
{
    struct write *w = xcalloc(1, sizeof(*w));

    w->streams = st;
    w->server = server;
    w->run.v = rs->run;
    w->launch = rs->launch;
    w->stream = stream;
    arena_init(&w->list.arena);
    return w;
}

/* When bytes were printed, by our clock: the machine's may go wrong, but not past now. What an agent does not know (it began anew
 * meanwhile, or is older) was printed just now, as far as we know. */
static struct wall printed_at(const struct streams *st, struct server_id server, uint64_t at_ms)
{
    struct wall now = wall_now();
    int64_t skew_ms = healths_skew_ms(st->server, server);
    int64_t ms;

    if (at_ms == 0 || at_ms > INT64_MAX || __builtin_sub_overflow((int64_t)at_ms, skew_ms, &ms) ||
        ms > now.ms || ms <= 0)
        return now;
    return (struct wall){ms};
}

static void take_log(struct streams *st, struct run_stream *rs, struct server_id server, struct slice bytes,
                     uint64_t at_ms)
{
    struct write *w = write_new(st, rs, server, STREAM_LOG);

    w->from = rs->received[STREAM_LOG];
    w->bytes = xstrndup(bytes.ptr, bytes.len);
    w->len = (uint32_t)bytes.len;
    rs->received[STREAM_LOG] += bytes.len; /* S1 */
    w->upto = rs->received[STREAM_LOG];
    store_log_append_at(st->server->store, w->run, w->from, xstrndup(bytes.ptr, bytes.len), w->len,
                        printed_at(st, server, at_ms), on_durable, w);
}

static void take_results(struct streams *st, struct run_stream *rs, struct server_id server,
                         struct slice bytes)
{
    struct write *w = write_new(st, rs, server, STREAM_RESULTS);

    results_feed(&rs->results, bytes.ptr, bytes.len, &w->list);
    rs->received[STREAM_RESULTS] += bytes.len; /* S1 */
    w->tally = rs->results.tally;
    w->upto = results_position(&rs->results);
    store_examples(st->server->store, w->run, rs->launch, w->list.rows, w->list.n, w->upto, &w->tally,
                   on_durable, w);
}

/* Copy FINISHED out of the frame's memory. */
static void keep_finish(struct run_stream *rs, uint64_t link, const struct frame_finished *f)
{
    size_t n = f->reason.len < sizeof(rs->finish_reason) - 1 ? f->reason.len : sizeof(rs->finish_reason) - 1;

    rs->has_finish = true;
    rs->finish_link = link;
    rs->finish = *f;
    memcpy(rs->finish_reason, f->reason.ptr, n);
    rs->finish_reason[n] = '\0';
    rs->finish.reason = (struct slice){rs->finish_reason, n};
    n = f->image.len < sizeof(rs->finish_image) ? f->image.len : 0;
    if (n > 0)
        memcpy(rs->finish_image, f->image.ptr, n);
    rs->finish_image[n] = '\0';
    if (image_text_fault(rs->finish_image) != NULL)
        rs->finish_image[0] = '\0';
    rs->finish.image = (struct slice){"", 0};
}

static void post_finish(struct streams *st, struct run_stream *rs, struct server_id server)
{
    const struct frame_finished *f = &rs->finish;

    rs->has_finish = false;
    for (char *p = rs->finish_reason; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    server_post(st->server,
                &(struct event){.kind = EV_RUN_FINISHED,
                                .run_finished = {.server = server,
                                                 .link = rs->finish_link,
                                                 .run = {rs->run},
                                                 .slot = f->slot_plus_one - 1, /* 0: UINT32_MAX */
                                                 .finish = {.how = f->how,
                                                            .exit_code = (int32_t)f->exit_code,
                                                            .signal = (int32_t)f->signal,
                                                            .duration_us = (int64_t)f->duration_us,
                                                            .user_us = (int64_t)f->user_us,
                                                            .system_us = (int64_t)f->system_us,
                                                            .max_rss_kib = (int64_t)f->max_rss_kib,
                                                            .gap_us = (int64_t)f->gap_us,
                                                            .log_bytes = f->log_len,
                                                            .log_dropped_bytes = f->log_dropped,
                                                            .log_gap_plus_one = f->log_gap_plus_one},
                                                 .tally = rs->results.tally,
                                                 .reason = rs->finish_reason,
                                                 .image = rs->finish_image}});
}

static bool has_all(const struct run_stream *rs)
{
    return rs->received[STREAM_LOG] >= rs->finish.log_len &&
           rs->received[STREAM_RESULTS] >= rs->finish.results_len;
}

void streams_bytes(struct streams *st, struct server_id server, const struct frame_stream *f)
{
    struct run_stream *rs = find_of(st, server, f->run);
    uint64_t received;
    struct slice fresh;

    if (rs == NULL || f->stream >= STREAM_COUNT)
        return; /* late news: the next goals do not list that run, the agent forgets it */
    received = rs->received[f->stream];
    rs->server = server;
    if (f->offset > received) {
        /* Not acknowledged, so the agent sends it again from where we are after its next hello. */
        LOG_WARN("stream.gap", "run=%llu stream=%u offset=%llu received=%llu", (unsigned long long)f->run,
                 f->stream, (unsigned long long)f->offset, (unsigned long long)received);
        return;
    }
    if (f->offset + f->bytes.len <= received) {
        /* The acknowledgement was lost with a link. Without a new one a full window would stand still. */
        if (!st->is_tight)
            link_ack(st->server->links, server, (struct run_id){f->run}, f->stream, rs->durable[f->stream]);
        return;
    }
    fresh =
        (struct slice){f->bytes.ptr + (received - f->offset), f->bytes.len - (size_t)(received - f->offset)};
    if (f->stream == STREAM_LOG)
        take_log(st, rs, server, fresh, f->at_ms);
    else
        take_results(st, rs, server, fresh);
    if (rs->has_finish && has_all(rs)) /* S3 */
        post_finish(st, rs, server);
}

void streams_hello(struct streams *st, struct server_id server, const struct frame_hello *hello)
{
    for (uint32_t i = 0; i < hello->n_held; i++) {
        struct run_stream *rs = find_of(st, server, hello->held[i].run);

        for (uint32_t stream = 0; rs != NULL && stream < STREAM_COUNT; stream++)
            link_ack(st->server->links, server, (struct run_id){rs->run}, stream, rs->durable[stream]);
    }
}

void streams_tight(struct streams *st, bool is_tight)
{
    st->is_tight = is_tight;
    if (is_tight || st->server->links == NULL)
        return;
    for (const struct run_stream *rs = st->runs; rs != NULL; rs = rs->hh.next) {
        for (uint32_t stream = 0; stream < STREAM_COUNT; stream++)
            link_ack(st->server->links, rs->holder, (struct run_id){rs->run}, stream, rs->durable[stream]);
    }
}

void streams_finished(struct streams *st, struct server_id server, uint64_t link,
                      const struct frame_finished *f)
{
    struct run_stream *rs = find_of(st, server, f->run);

    if (rs == NULL)
        return;
    keep_finish(rs, link, f);
    if (has_all(rs)) /* S3 */
        post_finish(st, rs, server);
}
