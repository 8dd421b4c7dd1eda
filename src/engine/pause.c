/* pause.c - a queue that is paused: none of its tests starts until somebody resumes it.
 *
 * What runs goes on to its end. What was given to a server and has not begun there is asked back, and waits again where it
 * stood; an agent that is just about to begin one keeps it. Others get the slots: a user that is paused is not ready
 * for placement (queue.c), and place.c passes over its tests. New launches go in and wait like the rest; moving,
 * deleting and undoing work as ever.
 *
 * Pausing is a row of its own, so it is there again after a restart, before anything is placed.
 *
 * Invariant: E27 (engine_check.c). */
#include "engine/engine_private.h"

bool user_is_paused(const struct user *u)
{
    return u->paused_by != NULL;
}

/* Which servers may take what has changed for all of its launches. */
static void launches_follow(struct engine *e, struct user *u)
{
    struct launch *l;

    for (l = e->launches; l != NULL; l = l->hh.next) {
        if (l->user != u || l->n_waiting == 0)
            continue;
        if (!user_is_paused(u) && l->row.state == LAUNCH_RUNNING)
            SET_ADD(e->fresh, l, fresh);
        launch_note(e, l);
    }
    user_ready_update(e, u);
}

void pause_load(struct engine *e, const struct pause_row *row)
{
    struct user *u = user_get(e, row->user);

    u->paused_by = text_keep(u->paused_by, row->login);
    u->paused_at = row->at;
}

/* Of what was given before the end of the last controller some may not have begun. */
void pause_boot(struct engine *e)
{
    const struct user *u;

    for (u = e->users; u != NULL; u = u->hh.next) {
        if (user_is_paused(u))
            user_ask_back(e, u);
    }
}

bool queue_pause(struct engine *e, struct user *u, const char *login)
{
    struct change c = {.kind = CHANGE_PAUSE_ADD, .pause = {u->id, login, e->now.wall}};

    if (user_is_paused(u))
        return false;
    u->paused_by = text_keep(NULL, login);
    u->paused_at = e->now.wall;
    outbox_change(e->out, &c);
    TRACE(e, "queue of user %llu: paused by %s", (unsigned long long)u->id.v, login);
    user_ask_back(e, u);
    launches_follow(e, u);
    queue_changed(e, u);
    return true;
}

bool queue_resume(struct engine *e, struct user *u, const char *login)
{
    struct change c = {.kind = CHANGE_PAUSE_DELETE, .pause = {.user = u->id, .login = ""}};

    if (!user_is_paused(u))
        return false;
    text_drop(u->paused_by);
    u->paused_by = NULL;
    u->paused_at.ms = 0;
    outbox_change(e->out, &c);
    TRACE(e, "queue of user %llu: resumed by %s", (unsigned long long)u->id.v, login);
    launches_follow(e, u);
    queue_changed(e, u);
    return true;
}
