/* session.c - the frames of one link: what an agent may say, when, and how much of it.
 *
 * The table below is the whole rule. Whatever is not in it closes the link, with a reason; it is never a CHECK. A
 * frame number that the schema does not know comes from a newer agent and is passed over - once the agent has said
 * hello. docs/protocol.md shows the same table. */
#include "link/link_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define IN_HELLO (1u << PHASE_HELLO)
#define IN_OPEN (1u << PHASE_OPEN)
#define IN_LEAVING (1u << PHASE_LEAVING)

#define PROTOCOL_MIN 1u /* the oldest agent we still speak with */
#define HELD_MAX 4096u
#define HELD_LIST_BYTES ((size_t)HELD_MAX * 72) /* twice the size of its parts today */
#define HEALTH_WINDOW_MS 10000
#define HEALTH_WINDOW_MAX 20u /* frames of this kind in a window: an agent sends one each 2 s at most */
#define OFFSET_MAX \
    (UINT64_C(1) << 60) /* no stream is an exabyte: what comes above is an overflow in the making */

static void on_hello(struct link *l, const struct frame *f);
static void on_beat(struct link *l, const struct frame *f);
static void on_started(struct link *l, const struct frame *f);
static void on_preparing(struct link *l, const struct frame *f);
static void on_health(struct link *l, const struct frame *f);
static void on_stream(struct link *l, const struct frame *f);
static void on_finished(struct link *l, const struct frame *f);
static void on_agent_log(struct link *l, const struct frame *f);
static void on_chan_open(struct link *l, const struct frame *f);
static void on_chan_data(struct link *l, const struct frame *f);
static void on_chan_credit(struct link *l, const struct frame *f);
static void on_chan_close(struct link *l, const struct frame *f);

/* A newer agent may append fields: the sizes leave it KIB(4) for that. */
static const struct rule {
    struct session_rule what;
    void (*on_frame)(struct link *l, const struct frame *f);
} rules[] = {
    {{FRAME_HELLO, IN_HELLO, KIB(8) + HELD_LIST_BYTES}, on_hello},
    {{FRAME_BEAT, IN_OPEN | IN_LEAVING, KIB(4) + HELD_LIST_BYTES}, on_beat},
    {{FRAME_STARTED, IN_OPEN | IN_LEAVING, KIB(4)}, on_started},
    {{FRAME_PREPARING, IN_OPEN | IN_LEAVING, KIB(4)}, on_preparing},
    {{FRAME_HEALTH, IN_OPEN | IN_LEAVING, KIB(16)}, on_health},
    {{FRAME_STREAM, IN_OPEN | IN_LEAVING, KIB(68)}, on_stream},
    {{FRAME_FINISHED, IN_OPEN | IN_LEAVING, KIB(8)}, on_finished},
    {{FRAME_AGENT_LOG, IN_OPEN | IN_LEAVING, KIB(8)}, on_agent_log},
    {{FRAME_CHAN_OPEN, IN_OPEN | IN_LEAVING, KIB(4)}, on_chan_open},
    {{FRAME_CHAN_DATA, IN_OPEN | IN_LEAVING, KIB(68)}, on_chan_data},
    {{FRAME_CHAN_CREDIT, IN_OPEN | IN_LEAVING, KIB(4)}, on_chan_credit},
    {{FRAME_CHAN_CLOSE, IN_OPEN | IN_LEAVING, KIB(8)}, on_chan_close},
};

static const char *const phase_names[] = {
    [PHASE_WAITING] = "before it was connected",
    [PHASE_BOOTSTRAP] = "before its agent was there",
    [PHASE_HELLO] = "before HELLO",
    [PHASE_OPEN] = "after HELLO",
    [PHASE_LEAVING] = "while leaving",
    [PHASE_ENDED] = "after the end",
};

char *link_clean_text(struct slice text, char *out, size_t size)
{
    size_t n = 0;
    size_t i = 0;

    while (i < text.len && n + 5 < size) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t len = c < 0x80                ? 1
                     : c >= 0xc2 && c < 0xe0 ? 2
                     : c >= 0xe0 && c < 0xf0 ? 3
                     : c >= 0xf0 && c < 0xf5 ? 4
                                             : 0;
        bool fine = len > 0 && len <= text.len - i && (c >= 0x80 || (c >= 0x20 && c != 0x7f));

        for (size_t k = 1; fine && k < len; k++)
            fine = ((unsigned char)text.ptr[i + k] & 0xc0) == 0x80;
        /* Overlong forms, surrogates and what lies above U+10FFFF. */
        if (fine && len >= 3) {
            unsigned char d = (unsigned char)text.ptr[i + 1];

            fine = !(c == 0xe0 && d < 0xa0) && !(c == 0xed && d >= 0xa0) && !(c == 0xf0 && d < 0x90) &&
                   !(c == 0xf4 && d >= 0x90);
        }
        if (!fine) {
            out[n++] = c == '\t' || c == '\n' ? ' ' : '?';
            i++;
            continue;
        }
        if (n > 0 || c != ' ') {
            memcpy(out + n, text.ptr + i, len);
            n += len;
        }
        i += len;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return out;
}

const struct session_rule *session_rule(unsigned i)
{
    return i < ARRAY_LEN(rules) ? &rules[i].what : NULL;
}

/* ---- HELLO and WELCOME ---- */

static void on_hello(struct link *l, const struct frame *f)
{
    struct links *ls = l->ls;
    struct frame welcome = {.type = FRAME_WELCOME};

    if (f->hello.protocol < PROTOCOL_MIN) {
        link_fail(
            l,
            "the agent on %s speaks protocol %u; this wrata needs at least %u: end that agent, a new one is "
            "brought along",
            l->name, f->hello.protocol, PROTOCOL_MIN);
        return;
    }
    welcome.welcome = (struct frame_welcome){
        .protocol = WRATA_PROTOCOL,
        .instance = slice_of(ls->instance),
        .server = slice_of(l->name),
        .server_id = l->server.v,
        .slots = l->slots,
        .beat_ms = ls->beat_ms,
        .grace_ms = ls->grace_ms,
        .window_bytes = ls->window_bytes,
    };
    ls->n_connecting--;
    l->phase = PHASE_OPEN;
    l->protocol = f->hello.protocol;
    l->number = ++ls->last_number;
    (void)uv_timer_stop(l->timer);
    buf_clear(&l->err_tail); /* what the shell said while it connected is not why it will end */
    link_send(l, &welcome);
    ls->ops.up(ls->ctx, l->server, l->era, l->number, &f->hello);
}

/* ---- after it ---- */

static void on_beat(struct link *l, const struct frame *f)
{
    l->ls->ops.beat(l->ls->ctx, l->server, l->number, &f->beat);
}

static void on_preparing(struct link *l, const struct frame *f)
{
    l->ls->ops.preparing(l->ls->ctx, l->server, l->number, &f->preparing);
}

/* More often than agents do it nobody needs it: what is over is dropped. */
static void on_health(struct link *l, const struct frame *f)
{
    struct mono now = mono_now();

    if (l->n_health == 0 || mono_ms_between(l->health_from, now) >= HEALTH_WINDOW_MS) {
        l->health_from = now;
        l->n_health = 0;
    }
    if (++l->n_health > HEALTH_WINDOW_MAX)
        return;
    l->ls->ops.health(l->ls->ctx, l->server, l->number, &f->health);
}

static void on_started(struct link *l, const struct frame *f)
{
    l->ls->ops.started(l->ls->ctx, l->server, l->number, &f->started);
}

static void on_stream(struct link *l, const struct frame *f)
{
    if (f->stream.stream >= STREAM_COUNT || f->stream.offset > OFFSET_MAX) {
        link_fail(l, "the agent on %s broke the protocol: bytes for stream %u at offset %llu", l->name,
                  f->stream.stream, (unsigned long long)f->stream.offset);
        return;
    }
    l->ls->ops.stream(l->ls->ctx, l->server, l->number, &f->stream);
}

static void on_finished(struct link *l, const struct frame *f)
{
    if (f->finished.log_len > OFFSET_MAX || f->finished.results_len > OFFSET_MAX) {
        link_fail(l, "the agent on %s broke the protocol: a stream of %llu bytes", l->name,
                  (unsigned long long)(f->finished.log_len > OFFSET_MAX ? f->finished.log_len
                                                                        : f->finished.results_len));
        return;
    }
    l->ls->ops.finished(l->ls->ctx, l->server, l->number, &f->finished);
}

static void on_agent_log(struct link *l, const struct frame *f)
{
    char text[1040];
    char quoted[1200];
    enum log_level level =
        f->agent_log.level <= LOG_LEVEL_ERROR ? (enum log_level)f->agent_log.level : LOG_LEVEL_INFO;

    (void)link_clean_text(f->agent_log.text, text, sizeof(text));
    log_line(level, "agent.says", "server=%llu link=%llu text=%s", (unsigned long long)l->server.v,
             (unsigned long long)l->number, log_quote(quoted, sizeof(quoted), text));
}

static void refuse_chan(struct link *l, uint32_t number, const char *error)
{
    struct frame f = {.type = FRAME_CHAN_CLOSE, .chan_close = {.chan = number, .error = slice_of(error)}};

    link_send(l, &f);
}

static void on_chan_open(struct link *l, const struct frame *f)
{
    const struct frame_chan_open *open = &f->chan_open;
    bool is_open = false;
    unsigned n = git_chans_count(l, open->chan, &is_open) + artifact_chans_count(l, open->chan, &is_open);

    if (is_open)
        link_fail(l, "the agent on %s broke the protocol: channel %u is open already", l->name, open->chan);
    else if (n >= CHANS_MAX)
        refuse_chan(l, open->chan, "too many channels are open on this link");
    else if (slice_eq(open->kind, SLICE("git")) || slice_eq(open->kind, SLICE("lfs")))
        git_chan_on_open(l, open);
    else if (slice_eq(open->kind, SLICE("artifacts")))
        artifact_chan_on_open(l, open);
    else
        refuse_chan(l, open->chan, "there is no such thing to open");
}

static void on_chan_data(struct link *l, const struct frame *f)
{
    if (!artifact_chan_on_data(l, &f->chan_data))
        git_chan_on_data(l, &f->chan_data);
}

static void on_chan_credit(struct link *l, const struct frame *f)
{
    if (!artifact_chan_on_credit(l, &f->chan_credit))
        git_chan_on_credit(l, &f->chan_credit);
}

static void on_chan_close(struct link *l, const struct frame *f)
{
    if (!artifact_chan_on_close(l, &f->chan_close))
        git_chan_on_close(l, &f->chan_close);
}

/* ---- bytes into frames ---- */

static uint32_t peek_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static bool is_known(uint32_t type)
{
    return frame_name(type)[0] != '?';
}

/* May this frame come now? Asked as soon as its header is there: what is refused is not gathered first.
 * Returns the row, -1 for one to pass over, -2 when the link was closed. */
static int rule_find(struct link *l, const char *header)
{
    uint32_t body = peek_u32(header);
    uint32_t type = peek_u32(header + 4);

    if (!is_known(type) && l->phase != PHASE_HELLO && body <= FRAME_BODY_MAX)
        return -1;
    for (unsigned i = 0; i < ARRAY_LEN(rules); i++) {
        if ((uint32_t)rules[i].what.type != type)
            continue;
        if ((rules[i].what.phases & (1u << l->phase)) == 0)
            break;
        if (body <= rules[i].what.body_max)
            return (int)i;
        link_fail(l, "the agent on %s broke the protocol: frame %s of %u bytes, at most %zu are allowed",
                  l->name, frame_name(type), body, rules[i].what.body_max);
        return -2;
    }
    if (l->phase == PHASE_HELLO && !is_known(type))
        link_fail(l, "%s does not speak as an agent: its first bytes are not HELLO", l->name);
    else
        link_fail(l, "the agent on %s broke the protocol: frame %u (%s) of %u bytes %s", l->name, type,
                  frame_name(type), body, phase_names[l->phase]);
    return -2;
}

/* Handle one whole frame at the start of p. Returns the bytes used; 0: more are needed, or the link has ended. */
static size_t session_frame(struct link *l, const char *p, size_t n)
{
    struct links *ls = l->ls;
    struct frame f;
    struct why why;
    size_t used;
    int row;

    if (n < FRAME_HEADER_BYTES)
        return 0;
    row = rule_find(l, p);
    if (row == -2)
        return 0;
    arena_reset(&ls->arena);
    if (frame_decode(p, n, &ls->arena, &f, &used, &why) != ERR_OK) {
        link_fail(l, "the agent on %s broke the protocol: %s", l->name, why.text);
        return 0;
    }
    if (used > 0 && row >= 0)
        rules[row].on_frame(l, &f);
    return used;
}

void session_bytes(struct link *l, const char *bytes, size_t n)
{
    size_t at = 0;
    size_t used;

    CHECK(!l->is_reading);
    l->is_reading = true;
    if (l->in.len == 0) { /* most reads hold whole frames: those are not copied */
        while (l->phase != PHASE_ENDED && (used = session_frame(l, bytes + at, n - at)) > 0)
            at += used;
        bytes += at;
        n -= at;
        at = 0;
    }
    if (l->phase != PHASE_ENDED && n > 0) {
        buf_put(&l->in, bytes, n);
        while (l->phase != PHASE_ENDED && (used = session_frame(l, l->in.data + at, l->in.len - at)) > 0)
            at += used;
        buf_consume(&l->in, at);
    }
    l->is_reading = false;
}
