/* sick.c - the breaker: a server that does not work is taken out, lest it goes through the queue and fails it all.
 *
 * Taken out it gets no more runs, finishes what has begun and gives back the rest; its row says why, and it stays so until a
 * person puts it back. Reasons:
 *   failures  `sick_failures` runs in a row failed there, each within FAULT_QUICK_MS, and not for what they are: their code did
 *             not come, they could not be prepared or started. A run that comes to an end of its own ends the row
 *   losses    it was lost `sick_losses` times within an hour: it fell silent past a lease, or its agent forgot what it ran
 *   disk      less than `sick_disk_bytes` and less than `sick_disk_percent` of a disk are free. When twice as much is free again
 *             it comes back by itself
 *
 * One event counts once, however many runs it takes along: a run that the server had by then belongs to it (rest, retry.c, sees
 * to it that others are not given at once). What takes all servers is the fault of none:
 *   - the last server that can run tests is never taken out;
 *   - a launch (or the project it is of) whose runs failed on two servers, and have come to an end nowhere since the first of
 *     these failures, is blamed: what fails of it counts against no server, and who was taken out for it alone is put back.
 *     When one of its runs comes to an end somewhere the blame is over;
 *   - a loss does not count when no other server is online, nor of a run that is older than this start of wrata.
 *
 * What the failures and losses of a sick server took from the retries of their tests is given back, and those that were
 * given up for it wait again as long as their launch goes on: at most PARDONS_MAX times for a test, so that one which makes
 * servers sick ends, too.
 *
 * Which failures are in the row is not stored: after a start it begins anew. That a server is out, and its losses, are.
 *
 * Invariants (engine_check.c):
 *   E28  a server is out exactly when it has a cause and a time; then it does not rest, and a machine's end is set
 *   E29  suspects are the servers with faults; none is of a launch that is blamed, unless it was sure before */
#include "engine/engine_private.h"

#define FAULTS_MAX 256u /* as many as a server may have slots */
#define FAULT_QUICK_MS (INT64_C(10) * 60 * 1000)
#define LOSSES_WITHIN_MS (INT64_C(3600) * 1000)
#define PARDONS_MAX 3u
#define REASON_SHOWN_BYTES 300u

/* ---- whose fault it may be ---- */

static uint32_t blamed_at(const struct engine *e, struct project_id p)
{
    uint32_t i;

    for (i = 0; i < e->n_blamed && e->blamed[i] != p.v; i++)
        ;
    return i;
}

/* It is the project, whose code and prepare its launches share; else the launch. */
bool launch_is_blamed(const struct engine *e, const struct launch *l)
{
    return l->row.project.v != 0 ? blamed_at(e, l->row.project) < e->n_blamed : l->is_blamed;
}

/* The blame of a project outlives its launches: the next one is mostly no better. */
static void blame_set(struct engine *e, struct launch *l)
{
    if (l->row.project.v == 0) {
        l->is_blamed = true;
        return;
    }
    if (e->n_blamed == BLAMED_MAX)
        memmove(e->blamed, e->blamed + 1, --e->n_blamed * sizeof(*e->blamed));
    e->blamed[e->n_blamed++] = l->row.project.v;
}

static void blame_end(struct engine *e, struct launch *l)
{
    uint32_t at = blamed_at(e, l->row.project);

    l->is_blamed = false;
    if (at < e->n_blamed)
        memmove(e->blamed + at, e->blamed + at + 1, (--e->n_blamed - at) * sizeof(*e->blamed));
}

static bool is_of(const struct fault *f, const struct launch *l)
{
    return l->row.project.v != 0 ? f->project.v == l->row.project.v : f->launch.v == l->id.v;
}

static void suspect_update(struct engine *e, struct server *s)
{
    if (s->n_faults > 0)
        SET_ADD(e->suspects, s, suspect);
    else
        SET_REMOVE(e->suspects, s, suspect);
}

uint32_t sick_failures(const struct server *s)
{
    uint32_t n = 0;
    uint32_t i;

    for (i = 0; i < s->n_faults; i++)
        n += s->faults[i].counts && !s->faults[i].is_loss;
    return n;
}

/* Those for which `drop` says so go. */
static void faults_drop(struct engine *e, struct server *s,
                        bool (*drop)(const struct fault *f, const struct launch *l), const struct launch *l)
{
    uint32_t n = 0;
    uint32_t i;

    for (i = 0; i < s->n_faults; i++) {
        if (!drop(&s->faults[i], l))
            s->faults[n++] = s->faults[i];
    }
    s->n_faults = n;
    suspect_update(e, s);
}

static bool drop_all(const struct fault *f, const struct launch *l)
{
    (void)f;
    (void)l;
    return true;
}

static bool drop_failures(const struct fault *f, const struct launch *l)
{
    (void)l;
    return !f->is_loss;
}

static bool drop_unsure_of(const struct fault *f, const struct launch *l)
{
    return !f->is_loss && !f->is_sure && is_of(f, l);
}

/* Room for one more: the oldest that does not count goes, so that a server with many slots does not forget what it did before. */
static void fault_drop_oldest(struct server *s)
{
    uint32_t at = 0;
    uint32_t i;

    for (i = 0; i < s->n_faults; i++) {
        if (!s->faults[i].counts) {
            at = i;
            break;
        }
    }
    s->n_faults--;
    memmove(s->faults + at, s->faults + at + 1, (s->n_faults - at) * sizeof(*s->faults));
}

static struct fault *fault_add(struct engine *e, struct server *s, const struct run *r, bool is_loss)
{
    struct fault *f;

    if (s->faults == NULL)
        s->faults = xcalloc(FAULTS_MAX, sizeof(*s->faults));
    if (s->n_faults == FAULTS_MAX)
        fault_drop_oldest(s);
    f = &s->faults[s->n_faults++];
    *f = (struct fault){
        .test = r->test->id, .launch = r->launch->id, .project = r->launch->row.project, .is_loss = is_loss};
    suspect_update(e, s);
    return f;
}

void sick_forget(struct engine *e, struct server *s)
{
    faults_drop(e, s, drop_all, NULL);
    s->row.losses = 0;
    s->row.losses_since.ms = 0;
    s->row.lost_at.ms = 0;
    s->failed_at.ms = 0;
}

/* ---- tests that need not pay for it ---- */

static void pardon(struct engine *e, struct test *t)
{
    if (t->losses == 0 || t->pardons == PARDONS_MAX || t->launch->row.state != LAUNCH_RUNNING ||
        (t->state == TEST_DONE && t->outcome != OUTCOME_INFRASTRUCTURE))
        return;
    t->pardons++;
    t->losses--;
    if (t->state == TEST_DONE)
        CHECK(test_state_set(e, t, TEST_BY_PARDON, OUTCOME_NONE));
    else
        test_changed(e, t);
}

static void pardon_all(struct engine *e, const struct server *s)
{
    struct test *t;
    uint32_t i;

    for (i = 0; i < s->n_faults; i++) {
        t = test_by_id(e, s->faults[i].test);
        if (t != NULL)
            pardon(e, t);
    }
}

/* ---- out, and back ---- */

/* Another one that can run what this one would. */
static bool has_stand_in(const struct engine *e, const struct server *s)
{
    const struct server *o;

    if (s->pool == NULL)
        return true; /* nobody uses it */
    for (o = e->servers; o != NULL; o = o->hh.next) {
        if (o != s && server_is_usable(o) && o->row.link == LINK_ONLINE &&
            (o->pool == s->pool || (s->booker != NULL && o->pool == &e->free)))
            return true;
    }
    return false;
}

static bool take_out(struct engine *e, struct server *s, enum sick_cause cause, const char *why)
{
    struct note n = {.kind = NOTE_SERVER_SICK};

    if (!server_is_usable(s))
        return false;
    if (!has_stand_in(e, s)) {
        TRACE(e, "server %s: would be taken out, and is the last one: %s", s->row.name, why);
        return false;
    }
    s->row.sick = text_keep(s->row.sick, why);
    s->row.sick_cause = cause;
    s->row.sick_since = e->now.wall;
    s->rest_ms = 0;
    s->resting = false;
    timer_stop(&e->timers, &s->rest);
    TRACE(e, "server %s: taken out: %s", s->row.name, why);
    idle_rule_changed(e, s);
    server_changed(e, s);
    n.server = s->row;
    outbox_note(e->out, &n);
    notice_sick(e, s);
    server_refresh(e, s);
    server_ask_back(e, s);
    pardon_all(e, s);
    return true;
}

void sick_end(struct engine *e, struct server *s)
{
    s->row.sick = text_keep(s->row.sick, "");
    s->row.sick_cause = SICK_NOT;
    s->row.sick_since.ms = 0;
    s->row.destroy_at.ms = 0;
    s->row.active_at = e->now.wall;
}

static void put_back(struct engine *e, struct server *s, const char *why)
{
    if (s->row.sick_cause == SICK_DISK)
        faults_drop(e, s, drop_failures, NULL); /* they came of that */
    TRACE(e, "server %s: put back: %s", s->row.name, why);
    sick_end(e, s);
    idle_rule_changed(e, s);
    server_changed(e, s);
    server_refresh(e, s);
}

/* At most n bytes of it, cut between characters. */
static const char *cut(struct engine *e, const char *text, size_t n)
{
    size_t len = strlen(text);

    if (len <= n)
        return text;
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return arena_printf(&e->out->arena, "%.*s...", (int)n, text);
}

/* ---- failures ---- */

static bool failed_elsewhere(const struct engine *e, const struct server *s, const struct launch *l)
{
    const struct server *o;
    uint32_t i;

    DL_FOREACH2(e->suspects, o, suspect_next)
    {
        for (i = 0; o != s && i < o->n_faults; i++) {
            if (drop_unsure_of(&o->faults[i], l))
                return true;
        }
    }
    return false;
}

static void blame(struct engine *e, struct launch *l)
{
    struct server *s;
    struct server *next;

    blame_set(e, l);
    if (l->row.project.v != 0)
        TRACE(e, "project %llu: fails on several servers: that counts against none of them",
              (unsigned long long)l->row.project.v);
    else
        TRACE(e, "launch %llu: fails on several servers: that counts against none of them",
              (unsigned long long)l->id.v);
    DL_FOREACH_SAFE2(e->suspects, s, next, suspect_next)
    {
        faults_drop(e, s, drop_unsure_of, l);
        if (s->row.sick_cause == SICK_FAILURES && sick_failures(s) < e->opts.sick_failures)
            put_back(e, s, "what failed there fails elsewhere, too");
    }
}

static void on_failure(struct engine *e, struct run *r, const char *reason)
{
    struct server *s = r->server;
    struct fault *f;
    uint32_t n;

    if (launch_is_blamed(e, r->launch))
        return;
    if (failed_elsewhere(e, s, r->launch)) {
        blame(e, r->launch);
        return;
    }
    f = fault_add(e, s, r, false);
    if (r->created_at.ms <= s->failed_at.ms || e->now.wall.ms - r->created_at.ms > FAULT_QUICK_MS)
        return;
    f->counts = true;
    s->failed_at = e->now.wall;
    n = sick_failures(s);
    if (n >= e->opts.sick_failures)
        (void)take_out(e, s, SICK_FAILURES,
                       arena_printf(&e->out->arena, "%u runs in a row failed there, the last one: %s", n,
                                    cut(e, reason, REASON_SHOWN_BYTES)));
}

/* ---- losses ---- */

static bool is_alone(const struct engine *e, const struct server *s)
{
    return e->stats.servers_online == (s->row.link == LINK_ONLINE ? 1u : 0u);
}

static void on_loss(struct engine *e, struct run *r, const char *reason)
{
    struct server *s = r->server;
    const char *times;

    if (r->created_at.ms <= e->booted_at.ms || is_alone(e, s))
        return;
    (void)fault_add(e, s, r, true);
    if (r->created_at.ms <= s->row.lost_at.ms)
        return;
    if (s->row.losses == 0 || e->now.wall.ms - s->row.losses_since.ms > LOSSES_WITHIN_MS) {
        s->row.losses = 0;
        s->row.losses_since = e->now.wall;
    }
    s->row.losses++;
    s->row.lost_at = e->now.wall;
    server_changed(e, s);
    times = s->row.losses == 1   ? "once"
            : s->row.losses == 2 ? "twice"
                                 : arena_printf(&e->out->arena, "%u times", s->row.losses);
    if (s->row.losses >= e->opts.sick_losses)
        (void)take_out(e, s, SICK_LOSSES,
                       arena_printf(&e->out->arena, "it was lost %s within an hour, the last time: %s", times,
                                    cut(e, reason, REASON_SHOWN_BYTES)));
}

void sick_on_fault(struct engine *e, struct run *r, bool is_loss, const char *reason)
{
    struct server *s = r->server;

    if (s->removed || s->row.status != SERVER_CREATED)
        return;
    if (s->row.sick[0] != '\0') /* it had begun before */
        pardon(e, r->test);
    else if (is_loss)
        on_loss(e, r, reason);
    else
        on_failure(e, r, reason);
}

void sick_on_success(struct engine *e, struct run *r)
{
    struct server *s;
    uint32_t i;

    blame_end(e, r->launch);
    if (e->suspects == NULL)
        return;
    faults_drop(e, r->server, drop_failures, NULL);
    DL_FOREACH2(e->suspects, s, suspect_next)
    {
        for (i = 0; i < s->n_faults; i++)
            s->faults[i].is_sure = s->faults[i].is_sure || is_of(&s->faults[i], r->launch);
    }
}

/* ---- disks ---- */

static bool is_low(const struct engine *e, const struct disk_room *d, uint64_t factor)
{
    uint64_t least = e->opts.sick_disk_bytes;
    uint64_t part = d->total_bytes / 100 * e->opts.sick_disk_percent;

    if (least == UINT64_MAX || d->total_bytes == 0)
        return false;
    return d->free_bytes < (part < least ? part : least) * factor;
}

static const char *size_text(struct engine *e, uint64_t bytes)
{
    if (bytes < UINT64_C(10) << 30)
        return arena_printf(&e->out->arena, "%llu MiB", (unsigned long long)(bytes >> 20));
    return arena_printf(&e->out->arena, "%llu GiB", (unsigned long long)(bytes >> 30));
}

void on_health(struct engine *e, const struct event *ev)
{
    struct server *s = server_by_id(e, ev->health.server);
    const struct disk_room *low = NULL;
    bool has_room = false;
    bool is_tight = false;
    bool was_low;
    uint32_t i;

    if (s == NULL || s->link == 0 || s->link != ev->health.link) {
        late_news(e, "the disks of server", ev->health.server.v);
        return;
    }
    for (i = 0; i < ev->health.n_disks; i++) {
        if (low == NULL && is_low(e, &ev->health.disks[i], 1))
            low = &ev->health.disks[i];
        is_tight = is_tight || is_low(e, &ev->health.disks[i], 2);
        has_room = has_room || ev->health.disks[i].total_bytes > 0;
    }
    has_room = has_room && !is_tight;
    was_low = s->is_disk_low;
    if (low != NULL)
        s->is_disk_low = true;
    else if (has_room)
        s->is_disk_low = false;
    if (low != NULL && server_is_usable(s) &&
        (!was_low || has_stand_in(e, s))) /* the last one is told once */
        (void)take_out(e, s, SICK_DISK,
                       arena_printf(&e->out->arena, "its disk is full: %s of %s are free in %s",
                                    size_text(e, low->free_bytes), size_text(e, low->total_bytes),
                                    low->where));
    else if (has_room && s->row.sick_cause == SICK_DISK)
        put_back(e, s, "there is room on its disk again");
}
