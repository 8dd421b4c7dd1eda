/* room.c - the disk of wrata's own server is full: nothing begins until there is room.
 *
 * Who looks at the disk says so (EV_ROOM), and says it again after a start, before EV_BOOTED: it is no row of the store. Every
 * test that waits goes on waiting and says why; what was given to a server and has not begun there is asked back. What runs goes
 * on: its agent keeps on its own disk what is not taken here. A machine stays for tests that wait for this alone.
 *
 * Invariant: E33 (engine_check.c). */
#include "engine/engine_private.h"

/* Watchers see another reason, or none; tests may go where they could not. */
static void launches_follow(struct engine *e)
{
    struct launch *l;
    struct user *u;

    for (l = e->launches; l != NULL; l = l->hh.next) {
        if (l->n_waiting == 0)
            continue;
        if (e->no_room == NULL && l->row.state == LAUNCH_RUNNING)
            SET_ADD(e->fresh, l, fresh);
        launch_note(e, l);
    }
    for (u = e->users; u != NULL; u = u->hh.next) {
        if (u->queue != NULL && u->queue->order.sums.n > 0)
            queue_changed(e, u);
    }
}

void room_boot(struct engine *e)
{
    struct server *s;

    if (e->no_room == NULL)
        return;
    for (s = e->servers; s != NULL; s = s->hh.next) {
        if (!s->removed)
            server_ask_back(e, s);
    }
}

void on_room(struct engine *e, const struct event *ev)
{
    const char *why = ev->no_room;
    bool was_held = e->no_room != NULL;
    struct server *s;

    if (was_held ? why != NULL && strcmp(why, e->no_room) == 0 : why == NULL)
        return;
    text_drop(e->no_room);
    e->no_room = why != NULL ? text_keep(NULL, why) : NULL;
    if (!e->booted)
        return;
    if (was_held != (why != NULL)) {
        TRACE(e, "disk: %s", why != NULL ? why : "there is room again");
        room_boot(e);
        for (s = e->servers; s != NULL; s = s->hh.next)
            server_refresh(e, s);
    }
    launches_follow(e);
}
