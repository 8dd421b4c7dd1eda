/* notice.c - what of all that happens people should be told by mail, and programs by hooks: decided here, saved in the commit of
 * what it tells of. Who wants to hear it, and when it is sent, is decided later (notify/notice.h, notify/hooks.h). */
#include "engine/engine_private.h"

static void say(struct engine *e, const struct notice_row *row)
{
    struct change c = {.kind = CHANGE_NOTICE, .notice = *row};

    if (!e->opts.notices || e->out == NULL)
        return;
    c.notice.at = e->now.wall;
    outbox_change(e->out, &c);
}

static void happened(struct engine *e, const struct hook_event *ev)
{
    struct change c = {.kind = CHANGE_HOOK_EVENT, .hook_event = *ev};

    if (!e->opts.notices || e->out == NULL)
        return;
    c.hook_event.word = "";
    c.hook_event.at = e->now.wall;
    outbox_change(e->out, &c);
}

static void launch_happened(struct engine *e, const struct launch *l, enum hook_kind kind)
{
    happened(e, &(struct hook_event){.kind = kind,
                                     .user = l->user->id,
                                     .project = l->row.project,
                                     .object = l->id.v,
                                     .name = l->row.name,
                                     .text = ""});
}

void notice_launch_started(struct engine *e, const struct launch *l)
{
    launch_happened(e, l, HOOK_KIND_LAUNCH_STARTED);
}

void notice_server_lost(struct engine *e, const struct server *s)
{
    happened(e, &(struct hook_event){.kind = HOOK_KIND_SERVER_LOST,
                                     .object = s->id.v,
                                     .name = s->row.name,
                                     .text = s->row.link_reason});
}

/* User 1 is whoever is at the command line on the host: it has no address. */
void notice_launch_done(struct engine *e, const struct launch *l)
{
    launch_happened(e, l, HOOK_KIND_LAUNCH_ENDED);
    if (l->user->id.v != 1)
        say(e, &(struct notice_row){.kind = NOTICE_LAUNCH_DONE,
                                    .user = l->user->id,
                                    .object = l->id.v,
                                    .word = "",
                                    .name = "",
                                    .text = ""});
}

/* That a person removed a server is no news to people. */
void notice_run_over(struct engine *e, const struct run *r, enum run_cause cause, const struct run_row *row)
{
    bool is_lost = row->outcome == OUTCOME_INFRASTRUCTURE && cause != RUN_BY_REMOVED;

    if (is_lost || row->outcome == OUTCOME_NO_TESTS)
        say(e, &(struct notice_row){.kind = is_lost ? NOTICE_RUNS_LOST : NOTICE_NO_TESTS,
                                    .object = r->launch->id.v,
                                    .word = "",
                                    .name = r->server->row.name,
                                    .text = row->reason,
                                    .run = r->id});
    /* What a person stopped has not failed. */
    if (cause != RUN_BY_REMOVED && row->outcome != OUTCOME_PASSED && row->outcome != OUTCOME_STOPPED &&
        row->outcome != OUTCOME_NONE)
        happened(e, &(struct hook_event){.kind = HOOK_KIND_RUNS_FAILED,
                                         .user = r->launch->user->id,
                                         .project = r->launch->row.project,
                                         .object = r->launch->id.v,
                                         .name = r->launch->row.name,
                                         .text = row->reason,
                                         .run = r->id});
}

void notice_not_created(struct engine *e, const struct server *s)
{
    say(e, &(struct notice_row){.kind = NOTICE_NOT_CREATED,
                                .object = s->id.v,
                                .word = "",
                                .name = s->row.name,
                                .text = s->row.status_reason});
}

void notice_sick(struct engine *e, const struct server *s)
{
    say(e, &(struct notice_row){
               .kind = NOTICE_SICK, .object = s->id.v, .word = "", .name = s->row.name, .text = s->row.sick});
}
