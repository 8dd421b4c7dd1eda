/* artifact_channel.c - what a run left to be kept, from its agent to a sink of the wiring's.
 *
 *   agent --CHAN_OPEN---> ops.artifacts_begin: a sink, or "no REASON\n"
 *         --CHAN_DATA---> ops.artifacts_bytes; credit is given back when the sink has taken them
 *         <--CHAN_DATA--- its answer: "ok\n" or "no REASON\n", and CHAN_CLOSE
 *         --CHAN_CLOSE--> forgotten
 *
 * Nothing of the bytes is looked at here, and no more of them lie about than a window for each channel. Between the answer
 * and the agent's CHAN_CLOSE the rest is taken and dropped: an agent that was refused in the middle may be writing still, and
 * would never look up without credit. */
#include "link/link_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_MAX (UINT64_C(1) << 53)
#define ANSWER_BYTES 560u

struct artifact_chan {
    struct artifact_chan *next; /* of the link */
    struct link *link;
    uint32_t number;
    void *sink;              /* NULL: answered */
    uint64_t receive_credit; /* bytes that we have said we take */
    uint64_t to_grant;       /* taken, not yet given back as credit */
};

static struct artifact_chan *chan_find(struct link *l, uint32_t number)
{
    struct artifact_chan *c = l->artifact_chans;

    while (c != NULL && c->number != number)
        c = c->next;
    return c;
}

/* Forget it; whoever waits for its bytes hears that there are no more. */
static void chan_free(struct artifact_chan *c)
{
    struct links *ls = c->link->ls;
    struct artifact_chan **at = &c->link->artifact_chans;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (c->sink != NULL)
        ls->ops.artifacts_drop(c->sink);
    free(c);
}

void artifact_chans_end(struct link *l)
{
    while (l->artifact_chans != NULL)
        chan_free(l->artifact_chans);
}

unsigned artifact_chans_count(const struct link *l, uint32_t number, bool *ret_is_open)
{
    unsigned n = 0;

    for (const struct artifact_chan *c = l->artifact_chans; c != NULL; c = c->next) {
        n++;
        if (c->number == number)
            *ret_is_open = true;
    }
    return n;
}

static void send_close(struct artifact_chan *c, const char *error)
{
    struct frame f = {.type = FRAME_CHAN_CLOSE, .chan_close = {.chan = c->number, .error = slice_of(error)}};

    link_send(c->link, &f);
}

static void grant(struct artifact_chan *c, size_t n, size_t least)
{
    struct frame f = {.type = FRAME_CHAN_CREDIT};

    c->to_grant += n;
    if (c->to_grant == 0 || c->to_grant < least)
        return; /* a frame for every piece would be most of the traffic */
    f.chan_credit.chan = c->number;
    f.chan_credit.bytes = c->to_grant;
    c->receive_credit += c->to_grant;
    c->to_grant = 0;
    link_send(c->link, &f);
}

/* ---- from the sink ---- */

void artifact_chan_took(struct artifact_chan *c, size_t n)
{
    grant(c, n, (size_t)(c->link->ls->window_bytes / 4));
}

void artifact_chan_answer(struct artifact_chan *c, const char *reason)
{
    char clean[ANSWER_BYTES - 8];
    char text[ANSWER_BYTES];
    struct frame f = {.type = FRAME_CHAN_DATA};

    c->sink = NULL;
    if (reason == NULL)
        (void)snprintf(text, sizeof(text), "ok\n");
    else
        (void)snprintf(text, sizeof(text), "no %s\n",
                       link_clean_text(slice_of(reason), clean, sizeof(clean)));
    f.chan_data.chan = c->number;
    f.chan_data.bytes = slice_of(text);
    link_send(c->link, &f);
    send_close(c, "");
    grant(c, 0, 1);
}

void artifact_chan_break(struct artifact_chan *c, const char *error)
{
    c->sink = NULL;
    send_close(c, error);
    chan_free(c);
}

/* ---- from the agent ---- */

bool artifact_chan_on_data(struct link *l, const struct frame_chan_data *f)
{
    struct artifact_chan *c = chan_find(l, f->chan);
    size_t n = f->bytes.len;

    if (c == NULL)
        return false;
    if (n > c->receive_credit) {
        link_fail(l, "the agent on %s broke the protocol: more bytes on a channel than its credit", l->name);
        return true;
    }
    c->receive_credit -= n;
    if (c->sink == NULL)
        grant(c, n, 1);
    else if (n > 0)
        l->ls->ops.artifacts_bytes(c->sink, xstrndup(f->bytes.ptr, n), n);
    return true;
}

bool artifact_chan_on_credit(struct link *l, const struct frame_chan_credit *f)
{
    return chan_find(l, f->chan) != NULL; /* an answer is shorter than any window */
}

/* With or without a reason, it is over: nobody waits for an answer any more. */
bool artifact_chan_on_close(struct link *l, const struct frame_chan_close *f)
{
    struct artifact_chan *c = chan_find(l, f->chan);

    if (c == NULL)
        return false;
    if (c->sink != NULL && f->error.len == 0)
        send_close(c, "it ended before its end");
    chan_free(c);
    return true;
}

void artifact_chan_on_open(struct link *l, const struct frame_chan_open *f)
{
    struct links *ls = l->ls;
    struct artifact_chan *c = xcalloc(1, sizeof(*c));
    struct why why = {0};

    c->link = l;
    c->number = f->chan;
    c->receive_credit = ls->window_bytes;
    c->next = l->artifact_chans;
    l->artifact_chans = c;
    if (f->project == 0 || f->project > RUN_MAX || ls->ops.artifacts_begin == NULL)
        (void)why_set(&why, ERR_NOTFOUND, NULL, "there is no such run");
    else
        c->sink = ls->ops.artifacts_begin(ls->ctx, l->server, (struct run_id){f->project}, c, &why);
    if (c->sink == NULL)
        artifact_chan_answer(c, why.text);
}
