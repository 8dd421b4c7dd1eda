/* git_channel.c - a program behind a channel: how code gets from the mirror to a server. For the kind `git` it is git upload-pack, for
 * `lfs` this program itself, which gives files of Git LFS (project/lfs_send.c).
 *
 *   agent --CHAN_OPEN--> [waits for a process] --> git upload-pack MIRROR
 *         --CHAN_DATA--> its input, credit given back when git has taken it
 *         <--CHAN_DATA-- its output, read only while the agent gives credit
 *         <--CHAN_CLOSE- at its end: empty, or what git said
 *
 * So neither side's memory fills: what lies here is at most a window for each way of each channel. A channel is
 * forgotten when CHAN_CLOSE was sent; what the agent still says of it then is late news, not a fault. */
#include "link/link_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/agent_lfs.h"

#define CHUNK_BYTES KIB(64) /* most in one CHAN_DATA */
#define CREDIT_MAX MIB(64)
#define DRAIN_MS 10000
#define PROJECT_MAX (UINT64_C(1) << 53)

static struct git_chan *chan_find(struct link *l, uint32_t number)
{
    struct git_chan *c = l->chans;

    while (c != NULL && c->number != number)
        c = c->next;
    return c;
}

static void chan_free(struct git_chan *c)
{
    struct links *ls = c->link->ls;
    struct git_chan **at = &c->link->chans;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (c->is_waiting) {
        at = &ls->chan_wait_first;
        while (*at != c)
            at = &(*at)->next_wait;
        *at = c->next_wait;
    }
    if (c->child != NULL) {
        child_abandon(&c->child);
        ls->n_chans_running--;
    }
    buf_done(&c->from_git);
    buf_done(&c->to_git);
    free(c);
}

static void send_close(struct link *l, uint32_t number, const char *error)
{
    struct frame f = {.type = FRAME_CHAN_CLOSE, .chan_close = {.chan = number, .error = slice_of(error)}};

    link_send(l, &f);
}

/* Tell the agent and forget the channel. */
static void chan_close(struct git_chan *c, const char *error)
{
    send_close(c->link, c->number, error);
    chan_free(c);
}

void git_chans_end(struct link *l)
{
    while (l->chans != NULL)
        chan_free(l->chans);
}

/* ---- from git to the agent ---- */

static void chan_send(struct git_chan *c, const char *bytes, size_t n)
{
    struct frame f = {.type = FRAME_CHAN_DATA};

    CHECK(n <= c->send_credit);
    c->send_credit -= n;
    for (size_t at = 0; at < n; at += f.chan_data.bytes.len) {
        f.chan_data.chan = c->number;
        f.chan_data.bytes = (struct slice){bytes + at, n - at < CHUNK_BYTES ? n - at : CHUNK_BYTES};
        link_send(c->link, &f);
    }
}

static void on_git_out(void *ctx, const char *bytes, size_t n)
{
    struct git_chan *c = ctx;
    size_t now = n < c->send_credit ? n : (size_t)c->send_credit;

    chan_send(c, bytes, now);
    if (now < n)
        buf_put(&c->from_git, bytes + now, n - now);
    if (c->send_credit == 0)
        child_pause_out(c->child);
}

void git_chan_on_credit(struct link *l, const struct frame_chan_credit *f)
{
    struct git_chan *c = chan_find(l, f->chan);
    size_t now;

    if (c == NULL)
        return;
    if (f->bytes > CREDIT_MAX || c->send_credit > CREDIT_MAX) {
        link_fail(l, "the agent on %s broke the protocol: credit of %llu bytes for a channel", l->name,
                  (unsigned long long)f->bytes);
        return;
    }
    c->send_credit += f->bytes;
    now = c->from_git.len < c->send_credit ? c->from_git.len : (size_t)c->send_credit;
    if (now > 0) {
        chan_send(c, c->from_git.data, now);
        buf_consume(&c->from_git, now);
    }
    if (c->send_credit > 0 && c->child != NULL)
        child_resume_out(c->child);
}

/* ---- from the agent to git ---- */

static void on_git_wrote(void *ctx, size_t n)
{
    struct git_chan *c = ctx;
    struct frame f = {.type = FRAME_CHAN_CREDIT};

    c->to_grant += n;
    if (c->to_grant < c->link->ls->window_bytes / 4)
        return; /* a frame for every write would be most of the traffic */
    f.chan_credit.chan = c->number;
    f.chan_credit.bytes = c->to_grant;
    c->receive_credit += c->to_grant;
    c->to_grant = 0;
    link_send(c->link, &f);
}

void git_chan_on_data(struct link *l, const struct frame_chan_data *f)
{
    struct git_chan *c = chan_find(l, f->chan);
    size_t n = f->bytes.len;

    if (c == NULL)
        return;
    if (n > c->receive_credit || c->input_ended) {
        link_fail(l, "the agent on %s broke the protocol: %s", l->name,
                  c->input_ended ? "bytes on a channel that it had closed"
                                 : "more bytes on a channel than its credit");
        return;
    }
    c->receive_credit -= n;
    if (c->child == NULL)
        buf_put(&c->to_git, f->bytes.ptr, n);
    else if (n > 0)
        child_write(c->child, xstrndup(f->bytes.ptr, n), n);
}

void git_chan_on_close(struct link *l, const struct frame_chan_close *f)
{
    struct git_chan *c = chan_find(l, f->chan);

    if (c == NULL)
        return;
    if (f->error.len > 0) {
        chan_free(c); /* it wants nothing more of it: no answer */
        return;
    }
    c->input_ended = true;
    if (c->child != NULL)
        child_close_in(c->child);
}

/* ---- its process ---- */

static void on_git_exit(void *ctx, const struct child_exit *e)
{
    struct git_chan *c = ctx;
    char said[300];
    char how[96];
    char text[480];

    c->child = NULL;
    c->link->ls->n_chans_running--;
    if (e->exited && e->exit_code == 0 && !e->held) {
        chan_close(c, c->from_git.len > 0 ? "the agent gave no credit for the last bytes" : "");
        return;
    }
    (void)link_clean_text(e->err, said, sizeof(said));
    (void)snprintf(text, sizeof(text), "%s: %s%s%s", c->is_lfs ? "files of Git LFS" : "git upload-pack",
                   child_exit_text(e, how, sizeof(how)), said[0] != '\0' ? ": " : "", said);
    chan_close(c, text);
}

/* A mirror is ours, whoever owns its files; any commit of it may be wanted, also one that no branch holds (a bundle).
 * Version 2 of git's protocol does not list all refs first. */
static enum err chan_start(struct git_chan *c, struct why *reterr)
{
    struct links *ls = c->link->ls;
    char mirror[PATH_BYTES_MAX];
    char safe[PATH_BYTES_MAX + 32];
    char store[PATH_BYTES_MAX + 32];
    char self[64];
    const char *const lfs_argv[] = {self, NULL};
    const char *const lfs_env[] = {store, "LC_ALL=C", NULL};
    const char *argv[] = {"git",
                          "-c",
                          "uploadpack.allowAnySHA1InWant=true",
                          "-c",
                          safe,
                          "upload-pack",
                          "--strict",
                          "--timeout=600",
                          mirror,
                          NULL};
    static const char *const env[] = {"GIT_PROTOCOL=version=2", "GIT_DIR", "GIT_NAMESPACE", "LC_ALL=C", NULL};
    struct child_opts opts = {.argv = c->is_lfs ? lfs_argv : argv,
                              .env = c->is_lfs ? lfs_env : env,
                              .in = CHILD_PIPE,
                              .out = CHILD_PIPE,
                              .err = CHILD_PIPE,
                              .new_session = true,
                              .drain_ms = DRAIN_MS,
                              .on_out = on_git_out,
                              .on_wrote = on_git_wrote,
                              .on_exit = on_git_exit,
                              .ctx = c};
    struct stat st;
    enum err err;

    mirror[0] = '\0';
    ls->mirror_path(ls->ctx, (struct project_id){c->project}, mirror, sizeof(mirror));
    if (mirror[0] != '/' || stat(mirror, &st) != 0)
        return why_set(reterr, ERR_NOTFOUND, NULL, "project %llu has no mirror",
                       (unsigned long long)c->project);
    (void)snprintf(safe, sizeof(safe), "safe.directory=%s", mirror);
    (void)snprintf(store, sizeof(store), LFS_STORE_ENV "=%s/lfs/objects", mirror);
    /* Our own program, even when its file was replaced by a newer one meanwhile. */
    (void)snprintf(self, sizeof(self), "/proc/%ld/exe", (long)getpid());
    err = child_start(ls->children, &opts, &c->child, reterr);
    if (err != ERR_OK)
        return err;
    ls->n_chans_running++;
    if (c->to_git.len > 0) {
        size_t n;
        char *bytes = buf_take(&c->to_git, &n);

        child_write(c->child, bytes, n);
    }
    if (c->input_ended)
        child_close_in(c->child);
    return ERR_OK;
}

void git_chans_start(struct links *ls)
{
    struct git_chan *c;
    struct why why;

    while ((c = ls->chan_wait_first) != NULL && ls->n_chans_running < CHANS_RUNNING_MAX) {
        ls->chan_wait_first = c->next_wait;
        c->is_waiting = false;
        if (chan_start(c, &why) != ERR_OK)
            chan_close(c, why.text);
    }
}

unsigned git_chans_count(const struct link *l, uint32_t number, bool *ret_is_open)
{
    unsigned n = 0;

    for (const struct git_chan *c = l->chans; c != NULL; c = c->next) {
        n++;
        if (c->number == number)
            *ret_is_open = true;
    }
    return n;
}

void git_chan_on_open(struct link *l, const struct frame_chan_open *f)
{
    struct links *ls = l->ls;
    struct git_chan **at;
    struct git_chan *c;

    if (f->project == 0 || f->project > PROJECT_MAX) {
        send_close(l, f->chan, "there is no such thing to open");
        return;
    }
    c = xcalloc(1, sizeof(*c));
    c->link = l;
    c->number = f->chan;
    c->project = f->project;
    c->is_lfs = slice_eq(f->kind, SLICE("lfs"));
    c->send_credit = ls->window_bytes;
    c->receive_credit = ls->window_bytes;
    buf_init(&c->from_git, CHUNK_BYTES);
    buf_init(&c->to_git, ls->window_bytes);
    c->next = l->chans;
    l->chans = c;
    c->is_waiting = true;
    for (at = &ls->chan_wait_first; *at != NULL; at = &(*at)->next_wait) {
    }
    *at = c;
}
