/* share.c - how much of a server a project takes, and how much it may: `slots` of a launch, "at most so many runs of this
 * project at once on one machine".
 *
 * What the launches of a project say counts while they are not over, and the least of it counts for all of them: a run
 * that may share its machine with two others of its project does so whoever starts these. Counted is what a server holds,
 * also what has not begun there: its agent begins it as soon as a slot is free. A server that has no more slots than that
 * can never do too much, and takes work in advance as ever.
 *
 * A server may hold runs of several projects: a share of each. A project that may not have more of an open server does not
 * make it busy: it takes other tests, and it looks again for one of this project as soon as one has ended (place.c).
 *
 *     project ──┬── launches            lane ── a user's launches of it, that any server may take
 *               └── shares ── server
 *
 * Invariants (engine_check.c):
 *   E21  every run is in the share of its project at its server, and what is said of shares, lanes and projects is so
 *   E22  a server with more slots than that never holds more runs of a project than any launch of these runs allows */
#include "engine/engine_private.h"

/* ---- full, or not ---- */

static bool share_is_full(const struct share *sh)
{
    uint32_t slots = sh->project->slots;

    return slots > 0 && slots < sh->server->row.slots && sh->n_runs >= slots;
}

static void share_look(struct engine *e, struct share *sh)
{
    struct server *s = sh->server;
    bool full = share_is_full(sh);
    uint32_t one = full ? 1 : UINT32_MAX; /* unsigned -1 */

    if (full == sh->is_full)
        return;
    sh->is_full = full;
    s->n_full += one;
    if (s->place == PLACE_PART)
        sh->project->n_full_part += one;
    if (full)
        server_refresh(e, s);
    else
        server_look_again(e, s);
}

struct share *server_share(const struct server *s, const struct project *p)
{
    struct share *sh;

    DL_FOREACH2(s->shares, sh, of_server_next)
    {
        if (sh->project == p)
            return sh;
    }
    return NULL;
}

bool server_has_room(const struct server *s, const struct project *p)
{
    const struct share *sh;

    if (s->n_full == 0)
        return true;
    sh = server_share(s, p);
    return sh == NULL || !sh->is_full;
}

uint32_t project_slots_on(const struct project *p, const struct server *s)
{
    return p->slots > 0 && p->slots < s->row.slots ? p->slots : s->row.slots;
}

/* ---- runs come and go ---- */

void share_add(struct engine *e, struct run *r)
{
    struct project *p = r->launch->project;
    struct server *s = r->server;
    struct share *sh = server_share(s, p);

    if (sh == NULL) {
        sh = xcalloc(1, sizeof(*sh));
        sh->project = p;
        sh->server = s;
        DL_APPEND2(s->shares, sh, of_server_prev, of_server_next);
        DL_APPEND2(p->shares, sh, of_project_prev, of_project_next);
    }
    sh->n_runs++;
    share_look(e, sh);
}

void share_remove(struct engine *e, struct run *r)
{
    struct project *p = r->launch->project;
    struct server *s = r->server;
    struct share *sh = server_share(s, p);

    CHECK(sh != NULL);
    CHECK(sh->n_runs > 0);
    sh->n_runs--;
    share_look(e, sh);
    if (sh->n_runs > 0)
        return;
    DL_DELETE2(s->shares, sh, of_server_prev, of_server_next);
    DL_DELETE2(p->shares, sh, of_project_prev, of_project_next);
    free(sh);
}

/* ---- projects ---- */

static struct project *project_get(struct engine *e, struct project_id id)
{
    struct project *p;

    HASH_FIND(hh, e->projects, &id.v, sizeof(id.v), p);
    if (p != NULL)
        return p;
    p = xcalloc(1, sizeof(*p));
    p->id = id;
    HASH_ADD(hh, e->projects, id.v, sizeof(p->id.v), p);
    return p;
}

static void project_slots_set(struct engine *e, struct project *p, uint32_t slots)
{
    struct share *sh;

    if (p->slots == slots)
        return;
    p->slots = slots;
    DL_FOREACH2(p->shares, sh, of_project_next)
    share_look(e, sh);
}

/* The least of what its launches say that are not over. Mostly they all say the same, and the first ends the walk. */
static uint32_t least_slots(const struct project *p)
{
    const struct launch *l;
    uint32_t least = 0;

    DL_FOREACH2(p->launches, l, of_project_next)
    {
        if (l->row.state == LAUNCH_DONE || l->row.slots == 0)
            continue;
        if (l->row.slots == p->slots)
            return p->slots;
        if (least == 0 || l->row.slots < least)
            least = l->row.slots;
    }
    return least;
}

void project_launch_done(struct engine *e, struct launch *l)
{
    if (l->row.slots > 0 && l->row.slots == l->project->slots)
        project_slots_set(e, l->project, least_slots(l->project));
}

/* ---- lanes ---- */

static struct lane *lane_get(struct user *u, struct project *p)
{
    struct lane *lane;

    DL_FOREACH(u->lanes, lane) {
        if (lane->project == p)
            return lane;
    }
    lane = xcalloc(1, sizeof(*lane));
    lane->project = p;
    DL_APPEND(u->lanes, lane);
    return lane;
}

/* In `h` by the keys of `first`; out of it for NULL. */
static void heap_follow(struct heap *h, struct heap_item *item, const struct heap_item *first)
{
    if (first == NULL) {
        if (heap_has(item))
            heap_remove(h, item);
    } else if (!heap_has(item)) {
        heap_add(h, item, first->k1, first->k2);
    } else if (item->k1 != first->k1 || item->k2 != first->k2) {
        heap_move(h, item, first->k1, first->k2);
    }
}

void lane_follow(struct launch *l, bool ready)
{
    struct lane *lane = l->lane;

    heap_follow(&lane->launches, &l->ready, ready ? heap_top(&l->waiting) : NULL);
    heap_follow(&l->user->ready, &lane->ready, heap_top(&lane->launches));
}

/* ---- launches come and go ---- */

void project_enter(struct engine *e, struct launch *l)
{
    struct project *p = project_get(e, l->row.project);

    l->project = p;
    DL_APPEND2(p->launches, l, of_project_prev, of_project_next);
    l->lane = lane_get(l->user, p);
    l->lane->n_launches++;
    if (l->row.slots > 0 && (p->slots == 0 || l->row.slots < p->slots))
        project_slots_set(e, p, l->row.slots);
}

void project_leave(struct engine *e, struct launch *l)
{
    struct project *p = l->project;
    struct lane *lane = l->lane;

    DL_DELETE2(p->launches, l, of_project_prev, of_project_next);
    if (--lane->n_launches == 0) {
        CHECK(!heap_has(&lane->ready));
        DL_DELETE(l->user->lanes, lane);
        heap_done(&lane->launches);
        free(lane);
    }
    if (p->launches != NULL)
        return;
    CHECK(p->shares == NULL); /* no launch of it holds a run */
    HASH_DEL(e->projects, p);
    free(p);
}

void projects_release(struct engine *e)
{
    struct project *p = e->projects;
    struct project *p_next;
    struct share *sh;
    struct share *sh_next;
    struct lane *lane;
    struct lane *lane_next;
    struct user *u;

    HASH_CLEAR(hh, e->projects); /* the table; its elements stay linked */
    for (; p != NULL; p = p_next) {
        p_next = p->hh.next;
        DL_FOREACH_SAFE2(p->shares, sh, sh_next, of_project_next)
        free(sh);
        free(p);
    }
    for (u = e->users; u != NULL; u = u->hh.next) {
        DL_FOREACH_SAFE(u->lanes, lane, lane_next) {
            heap_done(&lane->launches);
            free(lane);
        }
    }
}
