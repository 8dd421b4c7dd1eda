/* engine_why.c - why a test waits, for the person who looks at it. */
#include "engine/engine_private.h"

#define SHOWN_MAX 3 /* so many servers are named in a sentence */

struct look look_at(const struct engine *e, const struct test *t)
{
    const struct server *s;
    struct look k = {0};

    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (s->removed || !launch_allows(t->launch, s->id))
            continue;
        k.servers++;
        if (!server_is_for(s, t->launch)) {
            k.others++;
            continue;
        }
        if (!server_is_usable(s)) {
            k.off += s->row.status == SERVER_DESTROYED;
            k.coming += s->row.status == SERVER_CREATING;
            k.out += s->row.status == SERVER_CREATED;
            k.sick += s->row.status == SERVER_CREATED && s->row.sick[0] != '\0';
            continue;
        }
        k.usable++;
        if (s->row.link != LINK_ONLINE)
            continue;
        k.online++;
        k.slots += s->resting ? 0 : s->row.slots;
        k.resting += s->resting;
        k.shared += s->booker == NULL;
        k.avoided += server_is_open(e, s) && test_avoids(e, t, s);
        k.full += server_is_open(e, s) && !server_has_room(s, t->launch->project);
        k.busy += !s->resting && s->n_runs >= s->row.slots;
    }
    return k;
}

static void put_offline(const struct engine *e, const struct test *t, struct buf *b)
{
    const struct server *s;
    uint32_t n = 0;

    buf_puts(b, t->launch->row.n_servers > 0 ? "none of its servers is online" : "no server is online");
    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (!server_is_usable(s) || !launch_allows(t->launch, s->id) || !server_is_for(s, t->launch))
            continue;
        if (n++ == SHOWN_MAX) {
            buf_puts(b, ", and so on");
            return;
        }
        buf_printf(b, "%s%s is %s", n == 1 ? ": " : ", ", s->row.name, link_state_name(s->row.link));
        if (s->row.link_reason[0] != '\0')
            buf_printf(b, " (%s)", s->row.link_reason);
    }
}

/* Of "3 servers: " what applies. */
static void put_count(struct buf *b, uint32_t n, const char *what, uint32_t *put)
{
    if (n > 0)
        buf_printf(b, "%s%u %s %s", (*put)++ == 0 ? "" : ", ", n, n == 1 ? "is" : "are", what);
}

/* None may be used: what of each. */
static void put_unusable(const struct engine *e, const struct test *t, struct look k, struct buf *b)
{
    const struct server *s;
    uint32_t put = 0;

    if (k.servers == 1) {
        for (s = e->servers; s != NULL; s = s->hh.next) {
            if (s->removed || !launch_allows(t->launch, s->id))
                continue;
            if (k.others > 0)
                buf_printf(b, "%s is %s", s->row.name,
                           s->booker != NULL ? "booked by somebody else" : "not booked: book it first");
            else if (s->row.status != SERVER_CREATED)
                buf_printf(b, "%s is %s%s%s", s->row.name,
                           s->row.status == SERVER_DESTROYED ? "switched off"
                                                             : server_status_name(s->row.status),
                           s->row.progress[0] != '\0' ? ": it " : "", s->row.progress);
            else
                buf_printf(b, "%s takes no tests: %s", s->row.name,
                           s->row.maintenance ? "it is in maintenance" : s->row.sick);
        }
        return;
    }
    buf_printf(b, "none of %u servers may be used: ", k.servers);
    put_count(b, k.coming, "being created", &put);
    put_count(b, k.off, "switched off", &put);
    put_count(b, k.others, "booked by others, or not booked", &put);
    put_count(b, k.out, "in maintenance or taken out", &put);
    put_count(b, k.servers - k.coming - k.off - k.others - k.out, "being destroyed", &put);
}

/* "; qa-3 is taken out: its disk is full" of those that could run it otherwise. */
static void put_sick(const struct engine *e, const struct test *t, struct buf *b)
{
    const struct server *s;
    uint32_t n = 0;

    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (s->removed || s->row.status != SERVER_CREATED || s->row.sick[0] == '\0' ||
            !launch_allows(t->launch, s->id) || !server_is_for(s, t->launch))
            continue;
        if (n++ == SHOWN_MAX) {
            buf_puts(b, "; and so on");
            return;
        }
        buf_printf(b, "; %s is taken out: %s", s->row.name, s->row.sick);
    }
}

static void put_resting(const struct engine *e, const struct test *t, struct buf *b)
{
    const struct server *s;
    int64_t ms;
    uint32_t n = 0;

    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (!server_is_usable(s) || !s->resting || !launch_allows(t->launch, s->id) ||
            !server_is_for(s, t->launch))
            continue;
        if (n++ == SHOWN_MAX)
            break;
        ms = ((int64_t)s->rest.item.k1 - e->now.mono.us) / 1000;
        buf_printf(b, "%s%s rests for %lld s after a failure (%s)", n == 1 ? "" : ", ", s->row.name,
                   (long long)(ms > 0 ? (ms + 999) / 1000 : 0), s->rest_reason);
    }
}

static void put_avoided(const struct engine *e, const struct test *t, struct buf *b)
{
    const struct server *s;
    uint32_t i;

    buf_puts(b, "it was lost on");
    for (i = 0; i < t->n_lost_on; i++) {
        s = server_by_id_any(e, (struct server_id){t->lost_on[i]});
        buf_printf(b, "%s %s", i == 0 ? "" : ",", s != NULL ? s->row.name : "a server now removed");
    }
    buf_puts(b, " and waits for another server");
}

/* "3 runs of docs are on local-1, 3 on local-2, and docs says at most 3" */
static void put_full(const struct engine *e, const struct test *t, const struct look *k, struct buf *b)
{
    const struct project *p = t->launch->project;
    const char *name = t->launch->row.project_name;
    const struct server *s;
    uint32_t held;
    uint32_t n = 0;

    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (s->removed || !server_is_open(e, s) || !launch_allows(t->launch, s->id) ||
            !server_is_for(s, t->launch) || server_has_room(s, p))
            continue;
        held = server_share(s, p)->n_runs;
        if (n == SHOWN_MAX) {
            buf_puts(b, ", and so on");
            break;
        }
        if (n++ == 0)
            buf_printf(b, "%u run%s of %s %s on %s", held, held == 1 ? "" : "s", name,
                       held == 1 ? "is" : "are", s->row.name);
        else
            buf_printf(b, ", %u on %s", held, s->row.name);
    }
    buf_printf(b, ", and %s says at most %u%s", name, p->slots,
               k->busy > 0 ? "; all slots of other servers are taken" : "");
}

/* "all slots of 2 servers are taken, and 1 rests after a failure; 4 tests of its queue are ahead of it, and 1 other user
 * waits for them, too" */
static void put_taken(const struct engine *e, const struct look *k, uint32_t ahead, struct buf *b)
{
    uint32_t servers = k->online - k->resting;
    uint32_t others = k->shared > 0 && e->ready.n > 1 ? e->ready.n - 1 : 0;

    buf_printf(b, "%s slot%s of %u server%s %s taken", k->slots == 1 ? "the one" : "all",
               k->slots == 1 ? "" : "s", servers, servers == 1 ? "" : "s", k->slots == 1 ? "is" : "are");
    if (k->resting > 0)
        buf_printf(b, ", and %u rest%s after a failure", k->resting, k->resting == 1 ? "s" : "");
    buf_printf(b, "; %u test%s of its queue %s ahead of it", ahead, ahead == 1 ? "" : "s",
               ahead == 1 ? "is" : "are");
    if (others > 0)
        buf_printf(b, ", and %u other user%s wait%s for them, too", others, others == 1 ? "" : "s",
                   others == 1 ? "s" : "");
}

static void put_paused(const struct user *u, struct buf *b)
{
    char since[WALL_MINUTE_BYTES];

    wall_minute(u->paused_at, since);
    buf_printf(b, "the queue is paused by %s since %s", u->paused_by, since);
}

static void put_cause(const struct engine *e, const struct test *t, struct look k, uint32_t ahead,
                      struct buf *b)
{
    if (t->launch->row.state == LAUNCH_STOPPING) {
        buf_puts(b, "its launch is being stopped");
    } else if (e->closing) {
        buf_puts(b, "wrata is shutting down; it goes on after the next start");
    } else if (user_is_paused(t->launch->user)) {
        put_paused(t->launch->user, b);
    } else if (e->no_room != NULL) {
        buf_puts(b, e->no_room);
    } else if (k.servers == 0) {
        buf_puts(b, t->launch->row.n_servers > 0
                        ? "none of the servers that its launch may use exists any more"
                        : "there is no server: add one with `wrata servers add`");
    } else if (k.usable == 0) {
        put_unusable(e, t, k, b);
    } else if (k.online == 0) {
        put_offline(e, t, b);
    } else if (k.resting == k.online) {
        put_resting(e, t, b);
    } else if (k.avoided > 0) {
        put_avoided(e, t, b);
    } else if (k.full > 0) {
        put_full(e, t, &k, b);
    } else {
        put_taken(e, &k, ahead, b);
    }
}

static void put_why(const struct engine *e, const struct test *t, struct look k, uint32_t ahead,
                    struct buf *b)
{
    put_cause(e, t, k, ahead, b);
    if (k.sick > 0 && k.servers > 1 && t->launch->row.state != LAUNCH_STOPPING && !e->closing &&
        !user_is_paused(t->launch->user) && e->no_room == NULL)
        put_sick(e, t, b);
}

/* A run that was given to a server and has not begun. */
static void early_why(const struct run *r, char *out, uint32_t size)
{
    struct buf b;
    size_t n;

    buf_init(&b, KIB(4));
    if (r->state == RUN_PREPARING)
        buf_printf(&b, "%s is made ready for it: %s", r->server->row.name, r->step);
    else
        buf_printf(&b, "%s has it and begins it as soon as a slot is free", r->server->row.name);
    n = b.len < size ? b.len : size - 1;
    memcpy(out, buf_str(&b), n);
    out[n] = '\0';
    buf_done(&b);
}

void engine_why(const struct engine *e, struct test_id id, char *out, uint32_t size)
{
    const struct test *t = test_by_id(e, id);
    struct look look;

    if (size == 0)
        return;
    out[0] = '\0';
    if (t != NULL && t->active != NULL && run_is_early(t->active))
        early_why(t->active, out, size);
    if (t == NULL || t->state != TEST_WAITING)
        return;
    look = look_at(e, t);
    engine_why_in(e, t, &look, order_ahead(t->launch->user->queue, t).n, out, size);
}

void engine_why_in(const struct engine *e, const struct test *t, const struct look *look, uint32_t ahead,
                   char *out, uint32_t size)
{
    struct buf b;
    size_t n;

    buf_init(&b, KIB(64));
    put_why(e, t, *look, ahead, &b);
    n = b.len < size ? b.len : size - 1;
    memcpy(out, buf_str(&b), n);
    out[n] = '\0';
    buf_done(&b);
}
