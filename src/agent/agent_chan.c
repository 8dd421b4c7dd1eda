/* agent_chan.c - byte channels between local clients (git's helper) and the controller.
 *
 * Both directions are under credit: a client is read only as far as the controller takes bytes, and the
 * controller is given credit back only for what the client has read. So neither side's memory fills. */
#include <string.h>

#include "agent/agent_private.h"

static struct chan *chan_by_local(struct agent *a, uint32_t local)
{
    for (uint32_t i = 0; i < AGENT_CHANS_MAX; i++)
        if (a->chans[i].id != 0 && a->chans[i].local == local)
            return &a->chans[i];
    return NULL;
}

static struct chan *chan_by_id(struct agent *a, uint32_t id)
{
    for (uint32_t i = 0; id != 0 && i < AGENT_CHANS_MAX; i++)
        if (a->chans[i].id == id)
            return &a->chans[i];
    return NULL;
}

static void client_close(uint32_t local, struct slice why, struct agent_out *out)
{
    struct agent_action *act = out_add(out, AG_ACT_CHAN_CLOSE);

    act->local = local;
    act->text = out_text(out, why, 512);
}

static void client_may_send(uint32_t local, uint64_t bytes, struct agent_out *out)
{
    struct agent_action *act = out_add(out, AG_ACT_CHAN_READ);

    act->local = local;
    act->len = bytes;
}

static void send_close(uint32_t id, const char *error, struct agent_out *out)
{
    struct frame *f = out_frame(out, FRAME_CHAN_CLOSE);

    f->chan_close.chan = id;
    f->chan_close.error = slice_of(error);
}

static void chan_end(struct chan *c, struct slice why, struct agent_out *out)
{
    client_close(c->local, why, out);
    *c = (struct chan){0};
}

void chan_open(struct agent *a, uint32_t local, const struct frame_chan_open *what, struct agent_out *out)
{
    struct chan *c = NULL;
    struct frame *f;

    for (uint32_t i = 0; i < AGENT_CHANS_MAX && c == NULL; i++)
        if (a->chans[i].id == 0)
            c = &a->chans[i];
    if (!a->is_welcome || c == NULL) {
        client_close(
            local, c == NULL ? SLICE("too many channels") : SLICE("there is no link to the controller"), out);
        return;
    }
    if (++a->next_chan == 0)
        a->next_chan = 1;
    *c = (struct chan){
        .id = a->next_chan, .local = local, .send_left = a->window_bytes, .recv_left = a->window_bytes};
    f = out_frame(out, FRAME_CHAN_OPEN);
    f->chan_open.chan = c->id;
    f->chan_open.kind = out_text(out, what->kind, 16);
    f->chan_open.project = what->project;
    f->chan_open.commit = out_text(out, what->commit, 64);
    client_may_send(local, c->send_left, out);
}

void chan_bytes(struct agent *a, uint32_t local, struct slice bytes, struct agent_out *out)
{
    struct chan *c = chan_by_local(a, local);
    size_t at = 0;

    if (c == NULL || c->sent_eof)
        return;
    CHECK(bytes.len <= c->send_left);
    c->send_left -= bytes.len;
    while (at < bytes.len) {
        size_t n = bytes.len - at < KIB(64) ? bytes.len - at : KIB(64);
        struct frame *f = out_frame(out, FRAME_CHAN_DATA);

        f->chan_data.chan = c->id;
        f->chan_data.bytes = out_text(out, (struct slice){bytes.ptr + at, n}, n);
        at += n;
    }
}

void chan_taken(struct agent *a, uint32_t local, uint64_t n, struct agent_out *out)
{
    struct chan *c = chan_by_local(a, local);
    struct frame *f;

    if (c == NULL || c->got_eof)
        return;
    c->taken += n;
    if (c->taken < a->window_bytes / 4)
        return; /* a frame for every read would be most of the traffic */
    f = out_frame(out, FRAME_CHAN_CREDIT);
    f->chan_credit.chan = c->id;
    f->chan_credit.bytes = c->taken;
    c->recv_left += c->taken;
    c->taken = 0;
}

void chan_eof(struct agent *a, uint32_t local, struct agent_out *out)
{
    struct chan *c = chan_by_local(a, local);

    if (c == NULL || c->sent_eof)
        return;
    c->sent_eof = true;
    send_close(c->id, "", out);
    if (c->got_eof)
        chan_end(c, SLICE(""), out);
}

void chan_gone(struct agent *a, uint32_t local, struct agent_out *out)
{
    struct chan *c = chan_by_local(a, local);

    if (c == NULL)
        return;
    if (!c->sent_eof || !c->got_eof)
        send_close(c->id, "the client went away", out);
    *c = (struct chan){0};
}

void chan_on_data(struct agent *a, const struct frame_chan_data *f, struct agent_out *out)
{
    struct chan *c = chan_by_id(a, f->chan);
    struct agent_action *act;

    if (c == NULL || c->got_eof)
        return; /* it ended here while these bytes were on their way */
    if (f->bytes.len > c->recv_left) {
        send_close(c->id, "more bytes than the credit allows", out);
        chan_end(c, SLICE("the controller sent more than its credit"), out);
        return;
    }
    c->recv_left -= f->bytes.len;
    act = out_add(out, AG_ACT_CHAN_WRITE);
    act->local = c->local;
    act->text = f->bytes;
}

void chan_on_credit(struct agent *a, const struct frame_chan_credit *f, struct agent_out *out)
{
    struct chan *c = chan_by_id(a, f->chan);

    if (c == NULL || c->sent_eof || f->bytes > MIB(64) || c->send_left > MIB(64))
        return;
    c->send_left += f->bytes;
    client_may_send(c->local, f->bytes, out);
}

void chan_on_close(struct agent *a, const struct frame_chan_close *f, struct agent_out *out)
{
    struct chan *c = chan_by_id(a, f->chan);

    if (c == NULL)
        return;
    if (f->error.len > 0) {
        chan_end(c, f->error, out);
        return;
    }
    if (!c->got_eof)
        out_add(out, AG_ACT_CHAN_EOF)->local = c->local;
    c->got_eof = true;
    if (c->sent_eof)
        chan_end(c, SLICE(""), out);
}

void chans_drop(struct agent *a, struct agent_out *out)
{
    for (uint32_t i = 0; i < AGENT_CHANS_MAX; i++)
        if (a->chans[i].id != 0)
            chan_end(&a->chans[i], SLICE("the link to the controller broke"), out);
}
