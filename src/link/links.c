/* links.c - the registry of links: who connects when, what is queued for whom, and how a link ends.
 *
 * Nothing happens inside the public calls: link_connect() puts the link in a queue, a link that turns out to be
 * broken is marked as doomed. The turn (just before the loop sleeps) starts what may start, ends the doomed, writes
 * what was queued - one uv_write for each link - and frees what is over. So an op can call anything here.
 *
 * Invariants:
 *   K1  a server has at most one link in the table
 *   K2  ops.down is called once for each link_connect() that link_disconnect() or link_bye() did not end
 *   K3  a link in the table is not PHASE_ENDED, one outside of it is */
#include "link/link_private.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define BYE_MS 2000
#define ACKS_PER_FRAME 1024u

static bool is_connecting(const struct link *l)
{
    return l->phase == PHASE_BOOTSTRAP || l->phase == PHASE_HELLO;
}

/* ---- the table ---- */

struct link *link_find(struct links *ls, struct server_id server)
{
    struct link *l = ls->by_id[server.v % LINK_BUCKETS];

    while (l != NULL && l->server.v != server.v)
        l = l->next_of_id;
    return l;
}

static void table_remove(struct link *l)
{
    struct link **at = &l->ls->by_id[l->server.v % LINK_BUCKETS];

    while (*at != l) {
        CHECK(*at != NULL); /* K3 */
        at = &(*at)->next_of_id;
    }
    *at = l->next_of_id;
}

static void waiting_add(struct link *l)
{
    struct links *ls = l->ls;

    l->next_waiting = NULL;
    if (ls->waiting_last != NULL)
        ls->waiting_last->next_waiting = l;
    else
        ls->waiting_first = l;
    ls->waiting_last = l;
}

static void waiting_remove(struct link *l)
{
    struct links *ls = l->ls;
    struct link *before = NULL;

    for (struct link *w = ls->waiting_first; w != l; w = w->next_waiting) {
        CHECK(w != NULL);
        before = w;
    }
    if (before != NULL)
        before->next_waiting = l->next_waiting;
    else
        ls->waiting_first = l->next_waiting;
    if (ls->waiting_last == l)
        ls->waiting_last = before;
}

/* ---- timers: memory of their own, for they outlive the link by one turn ---- */

static void on_timer_closed(uv_handle_t *h)
{
    free(h);
}

static uv_timer_t *timer_new(uv_loop_t *loop, void *data)
{
    uv_timer_t *t = xcalloc(1, sizeof(*t));

    CHECK(uv_timer_init(loop, t) == 0);
    t->data = data;
    return t;
}

static void timer_free(uv_timer_t **t)
{
    if (*t != NULL)
        uv_close((uv_handle_t *)*t, on_timer_closed);
    *t = NULL;
}

static void on_wake(uv_timer_t *t)
{
    (void)t; /* the turn follows by itself */
}

/* Have a turn soon, even when nothing else happens. */
static void turn_soon(struct links *ls)
{
    (void)uv_timer_start(ls->wake, on_wake, 0, 0);
}

/* ---- runs that a link does not get ---- */

static void link_refuse(void *ctx, struct run_id run, const char *reason)
{
    struct link *l = ctx;
    struct refusal *r = xcalloc(1, sizeof(*r));

    r->run = run;
    (void)snprintf(r->reason, sizeof(r->reason), "%s", reason);
    r->next = l->refused;
    l->refused = r;
    l->ls->has_refused = true;
    turn_soon(l->ls);
}

static void refusals_free(struct link *l)
{
    struct refusal *r;

    while ((r = l->refused) != NULL) {
        l->refused = r->next;
        free(r);
    }
}

/* Told as the agent would tell it: the run is over before it began. When the link ends first, its runs are sent anew with the
 * next one, and refused anew. */
static void links_tell_refused(struct links *ls)
{
    if (!ls->has_refused)
        return;
    ls->has_refused = false;
    for (unsigned i = 0; i < LINK_BUCKETS; i++) {
        for (struct link *l = ls->by_id[i]; l != NULL; l = l->next_of_id) {
            while (l->phase == PHASE_OPEN && l->refused != NULL) {
                struct refusal *r = l->refused;
                struct frame_finished f = {
                    .run = r->run.v, .how = FINISH_NO_SECRET, .reason = slice_of(r->reason)};

                l->refused = r->next;
                LOG_WARN("link.refused", "server=%llu run=%llu", (unsigned long long)l->server.v,
                         (unsigned long long)r->run.v);
                ls->ops.finished(ls->ctx, l->server, l->number, &f);
                free(r);
            }
        }
    }
}

/* ---- the end of a link ---- */

static void link_stop_child(struct link *l)
{
    if (is_connecting(l)) {
        CHECK(l->ls->n_connecting > 0);
        l->ls->n_connecting--;
        turn_soon(l->ls);
    }
    child_abandon(&l->child);
    timer_free(&l->timer);
    git_chans_end(l);
    artifact_chans_end(l);
}

static void link_end(struct link *l)
{
    CHECK(l->phase != PHASE_ENDED);
    if (l->phase == PHASE_WAITING)
        waiting_remove(l);
    link_stop_child(l);
    table_remove(l);
    l->phase = PHASE_ENDED;
    l->next_dead = l->ls->dead;
    l->ls->dead = l;
    turn_soon(l->ls);
}

static void link_free(struct link *l)
{
    buf_done(&l->in);
    buf_done(&l->out);
    buf_done(&l->err_tail);
    refusals_free(l);
    free(l->acks);
    free(l->doomed);
    free(l->fault);
    free(l->name);
    free(l->address);
    free(l->user);
    free(l->identity);
    free(l->host_key);
    for (uint32_t i = 0; i < l->n_argv; i++)
        free(l->argv[i]);
    free(l->argv);
    free(l);
}

void link_fail(struct link *l, const char *fmt, ...)
{
    struct links *ls = l->ls;
    struct server_id server = l->server;
    uint64_t number = l->number;
    uint64_t era = l->era;
    bool is_told = l->phase != PHASE_LEAVING;
    char reason[REASON_BYTES_MAX];
    va_list ap;

    if (l->phase == PHASE_ENDED)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    link_end(l);
    if (is_told)
        ls->ops.down(ls->ctx, server, era, number, reason); /* K2 */
}

void link_doom(struct link *l, const char *fmt, ...)
{
    char reason[REASON_BYTES_MAX];
    va_list ap;

    if (l->doomed != NULL || l->phase == PHASE_ENDED)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    l->doomed = xstrdup(reason);
    l->ls->has_doomed = true;
    turn_soon(l->ls);
}

static void on_link_timer(uv_timer_t *t)
{
    struct link *l = t->data;
    char text[REASON_BYTES_MAX];

    if (l->phase == PHASE_LEAVING) {
        link_end(l);
        return;
    }
    (void)bootstrap_reason(l, NULL, text, sizeof(text));
    link_fail(l, "%s: no answer within %u s%s%s", l->way == WAY_SSH ? l->address : l->name,
              l->ls->connect_ms / 1000, text[0] != '\0' ? ": " : "", text);
}

/* ---- the child's callbacks ---- */

void link_on_out(void *ctx, const char *bytes, size_t n)
{
    struct link *l = ctx;

    if (l->phase == PHASE_BOOTSTRAP)
        bootstrap_bytes(l, bytes, n);
    else if (l->phase != PHASE_ENDED)
        session_bytes(l, bytes, n);
}

void link_on_err(void *ctx, const char *bytes, size_t n)
{
    struct link *l = ctx;

    if (n > LINK_STDERR_BYTES) {
        bytes += n - LINK_STDERR_BYTES;
        n = LINK_STDERR_BYTES;
    }
    if (l->err_tail.len + n > LINK_STDERR_BYTES)
        buf_consume(&l->err_tail, l->err_tail.len + n - LINK_STDERR_BYTES);
    buf_put(&l->err_tail, bytes, n);
}

void link_on_exit(void *ctx, const struct child_exit *e)
{
    struct link *l = ctx;
    char text[REASON_BYTES_MAX];
    bool was_up = l->number != 0;
    bool again;

    l->child = NULL; /* it is gone on return */
    again = bootstrap_reason(l, e, text, sizeof(text));
    if (again && !was_up && l->phase != PHASE_LEAVING) {
        link_restart(l);
        return;
    }
    link_fail(l, "%s", text);
}

/* ---- connecting ---- */

static void link_start(struct link *l)
{
    struct links *ls = l->ls;
    struct why why;

    waiting_remove(l);
    l->sent_agent = false;
    buf_clear(&l->in);
    buf_clear(&l->err_tail);
    l->phase = PHASE_BOOTSTRAP;
    ls->n_connecting++;
    if (bootstrap_start(l, &why) != ERR_OK) {
        link_fail(l, "%s", why.text);
        return;
    }
    l->timer = timer_new(ls->loop, l);
    (void)uv_timer_start(l->timer, on_link_timer, ls->connect_ms, 0);
}

void link_restart(struct link *l)
{
    link_stop_child(l);
    l->phase = PHASE_WAITING;
    waiting_add(l);
    turn_soon(l->ls);
}

/* As many as may connect; those that ops.down() adds meanwhile wait for the next turn. */
static void links_connect(struct links *ls)
{
    struct link *last = ls->waiting_last;
    struct link *l;
    bool is_last = false;

    while (!is_last && (l = ls->waiting_first) != NULL && ls->n_connecting < LINKS_CONNECTING_MAX) {
        is_last = l == last;
        link_start(l);
    }
    if (ls->waiting_first != NULL && ls->n_connecting < LINKS_CONNECTING_MAX)
        turn_soon(ls);
}

void link_connect(struct links *ls, const struct server_row *server)
{
    link_connect_by(ls, server, &(struct link_way){0});
}

static void words_keep(struct link *l, const char *const *argv, uint32_t n)
{
    l->argv = xcalloc(n + 1, sizeof(*l->argv));
    for (uint32_t i = 0; i < n; i++)
        l->argv[l->n_argv++] = xstrdup(argv[i]);
}

void link_connect_by(struct links *ls, const struct server_row *server, const struct link_way *way)
{
    struct link *l;

    link_disconnect(ls, server->id); /* K1 */
    l = xcalloc(1, sizeof(*l));
    l->ls = ls;
    l->server = server->id;
    l->era = way->era;
    l->way = way->argv != NULL ? WAY_WORDS : server->fleet == FLEET_LOCAL ? WAY_LOCAL : WAY_SSH;
    l->name = xstrdup(server->name);
    l->address = xstrdup(server->address != NULL ? server->address : "");
    l->user = xstrdup(server->user != NULL ? server->user : "");
    l->identity = xstrdup(server->identity != NULL ? server->identity : "");
    l->host_key = way->host_key != NULL ? xstrdup(way->host_key) : NULL;
    if (way->argv != NULL)
        words_keep(l, way->argv, way->n_argv);
    l->port = server->port;
    l->slots = server->slots;
    buf_init(&l->in, FRAME_HEADER_BYTES + FRAME_BODY_MAX + KIB(64));
    buf_init(&l->out, LINK_OUT_HARD_MAX);
    buf_init(&l->err_tail, LINK_STDERR_BYTES);
    l->phase = PHASE_WAITING;
    l->next_of_id = ls->by_id[l->server.v % LINK_BUCKETS];
    ls->by_id[l->server.v % LINK_BUCKETS] = l;
    waiting_add(l);
    turn_soon(ls);
}

void link_disconnect(struct links *ls, struct server_id server)
{
    struct link *l = link_find(ls, server);

    if (l != NULL)
        link_end(l);
}

void link_bye(struct links *ls, struct server_id server)
{
    struct link *l = link_find(ls, server);
    struct frame f = {.type = FRAME_BYE, .bye = {.reason = SLICE("the controller closes this link")}};

    if (l == NULL)
        return;
    if (l->phase != PHASE_OPEN || l->doomed != NULL) {
        link_end(l);
        return;
    }
    link_send(l, &f);
    l->phase = PHASE_LEAVING;
    if (l->timer == NULL)
        l->timer = timer_new(ls->loop, l);
    (void)uv_timer_start(l->timer, on_link_timer, BYE_MS, 0);
}

/* ---- sending ---- */

static size_t link_queued(const struct link *l)
{
    return l->out.len + (l->child != NULL ? child_unwritten(l->child) : 0);
}

static void link_is_dirty(struct link *l)
{
    l->ls->is_dirty = true;
    turn_soon(l->ls);
}

static void link_put(struct link *l, const struct frame *f)
{
    if (l->doomed != NULL || l->child == NULL)
        return;
    frame_encode(f, &l->out);
    if (link_queued(l) > LINK_OUT_MAX)
        link_doom(l, "%s does not take what is sent to it: %zu bytes wait", l->name, link_queued(l));
}

void link_send(struct link *l, const struct frame *f)
{
    link_put(l, f);
    link_is_dirty(l);
}

void link_goal(struct links *ls, const struct goal *g)
{
    struct link *l = link_find(ls, g->server);
    struct link_opener opener = {
        .open_secret = ls->open_secret, .ctx = ls->ctx, .refused = link_refuse, .refused_ctx = l};
    struct goal stamped = *g;

    if (l == NULL || l->phase != PHASE_OPEN || l->number != g->link || l->doomed != NULL)
        return;
    if (link_goal_too_large(g) != 0) {
        link_doom(l, "run %llu: its command and environment are more than %zu bytes",
                  (unsigned long long)link_goal_too_large(g), (size_t)FRAME_BODY_MAX);
        return;
    }
    if (link_queued(l) + link_goal_bytes(g) > LINK_OUT_MAX) {
        link_doom(l, "%s does not take what is sent to it: %zu bytes wait", l->name, link_queued(l));
        return;
    }
    opener.protocol = l->protocol;
    opener.log_max_bytes = ls->log_max_bytes;
    stamped.at = wall_now();
    link_encode_goal(&stamped, &opener, &l->out);
    link_is_dirty(l);
}

void link_ack(struct links *ls, struct server_id server, struct run_id run, uint32_t stream, uint64_t offset)
{
    struct link *l = link_find(ls, server);
    struct wire_ack *a;

    if (l == NULL || l->phase != PHASE_OPEN)
        return;
    for (uint32_t i = l->n_acks; i > 0; i--) {
        a = &l->acks[i - 1];
        if (a->run == run.v && a->stream == stream) {
            if (a->offset < offset)
                a->offset = offset;
            return;
        }
    }
    if (l->n_acks == l->cap_acks) {
        l->cap_acks = l->cap_acks == 0 ? 16 : l->cap_acks * 2;
        l->acks = xrealloc(l->acks, l->cap_acks * sizeof(*l->acks));
    }
    l->acks[l->n_acks++] = (struct wire_ack){.run = run.v, .stream = stream, .offset = offset};
    link_is_dirty(l);
}

static void link_flush(struct link *l)
{
    struct frame f = {.type = FRAME_ACKS};
    size_t n;
    char *bytes;

    for (uint32_t at = 0; at < l->n_acks; at += ACKS_PER_FRAME) {
        f.acks.acks = l->acks + at;
        f.acks.n_acks = l->n_acks - at < ACKS_PER_FRAME ? l->n_acks - at : ACKS_PER_FRAME;
        link_put(l, &f);
    }
    l->n_acks = 0;
    if (l->out.len == 0 || l->child == NULL)
        return;
    bytes = buf_take(&l->out, &n);
    child_write(l->child, bytes, n);
    if (l->phase == PHASE_LEAVING)
        child_close_in(l->child); /* attach ends by that, and the link with it */
}

void links_flush(struct links *ls)
{
    if (!ls->is_dirty)
        return;
    ls->is_dirty = false;
    for (unsigned i = 0; i < LINK_BUCKETS; i++) {
        for (struct link *l = ls->by_id[i]; l != NULL; l = l->next_of_id) {
            if (l->out.len > 0 || l->n_acks > 0)
                link_flush(l);
        }
    }
}

/* ---- the turn ---- */

static void links_end_doomed(struct links *ls)
{
    if (!ls->has_doomed)
        return;
    ls->has_doomed = false;
    for (unsigned i = 0; i < LINK_BUCKETS; i++) {
        struct link *l = ls->by_id[i];

        while (l != NULL) {
            if (l->doomed == NULL) {
                l = l->next_of_id;
                continue;
            }
            link_fail(l, "%s", l->doomed);
            l = ls->by_id[i]; /* the chain has changed */
        }
    }
}

static void links_free_dead(struct links *ls)
{
    struct link **at = &ls->dead;
    struct link *l;

    while ((l = *at) != NULL) {
        if (l->is_reading) {
            at = &l->next_dead;
            continue;
        }
        *at = l->next_dead;
        link_free(l);
    }
}

static void on_turn(uv_prepare_t *p)
{
    struct links *ls = p->data;

    links_end_doomed(ls);
    links_tell_refused(ls);
    links_connect(ls);
    git_chans_start(ls);
    links_flush(ls);
    links_free_dead(ls);
}

/* ---- open and close ---- */

static bool is_plain_word(const char *s)
{
    size_t n = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_");

    return n > 0 && n <= 64 && s[n] == '\0';
}

enum err links_new(struct uv_loop_s *loop, const struct link_opts *opts, const struct link_ops *ops,
                   void *ctx, struct links **ret, struct why *reterr)
{
    struct links *ls;
    char dir[PATH_MAX];
    enum err err;

    if (!is_plain_word(opts->instance))
        return why_set(reterr, ERR_INVALID, "instance", "'%s' must be 1 to 64 letters, digits, - or _",
                       opts->instance);
    if (realpath(opts->data_dir, dir) == NULL) /* git and ssh get absolute paths */
        return why_errno(reterr, ERR_IO, errno, "%s", opts->data_dir);
    ls = xcalloc(1, sizeof(*ls));
    ls->loop = loop;
    ls->ops = *ops;
    ls->ctx = ctx;
    ls->data_dir = xstrdup(dir);
    ls->instance = xstrdup(opts->instance);
    ls->beat_ms = opts->beat_ms != 0 ? opts->beat_ms : 1000;
    ls->grace_ms = opts->grace_ms != 0 ? opts->grace_ms : 5000;
    ls->window_bytes = opts->window_bytes != 0 ? opts->window_bytes : KIB(256);
    ls->log_max_bytes = opts->log_max_bytes != 0 ? opts->log_max_bytes : LINK_LOG_MAX_BYTES;
    ls->connect_ms = opts->connect_ms != 0 ? opts->connect_ms : 30000;
    ls->open_secret = opts->open_secret;
    ls->mirror_path = opts->mirror_path;
    arena_init(&ls->arena);
    err = bootstrap_open(ls, opts->agent_path, reterr);
    if (err != ERR_OK) {
        free(ls->data_dir);
        free(ls->instance);
        free(ls->own_agent);
        free(ls);
        return err;
    }
    ls->children = children_new(loop);
    ls->turn = xcalloc(1, sizeof(*ls->turn));
    CHECK(uv_prepare_init(loop, ls->turn) == 0);
    ls->turn->data = ls;
    CHECK(uv_prepare_start(ls->turn, on_turn) == 0);
    uv_unref((uv_handle_t *)ls->turn);
    ls->wake = timer_new(loop, NULL);
    *ret = ls;
    return ERR_OK;
}

static void on_prepare_closed(uv_handle_t *h)
{
    free(h);
}

void links_free(struct links *ls)
{
    if (ls == NULL)
        return;
    for (unsigned i = 0; i < LINK_BUCKETS; i++) {
        while (ls->by_id[i] != NULL)
            link_end(ls->by_id[i]);
    }
    links_free_dead(ls);
    CHECK(ls->dead == NULL); /* not from inside an op */
    children_free(ls->children);
    uv_close((uv_handle_t *)ls->turn, on_prepare_closed);
    timer_free(&ls->wake);
    arena_done(&ls->arena);
    free(ls->own_agent);
    free(ls->data_dir);
    free(ls->instance);
    free(ls);
}
