/* status_fsm.c - a server's status, which is its machine's life: the table, and the only writer of row.status. The
 * connection stands beside it (server_fsm.c). What is done in a status: machine.c. */
#include "engine/engine_private.h"

static const struct edge edges[] = {
    /* clang-format off */
    {SERVER_DESTROYED,  SERVER_BY_ON,             SERVER_CREATING,   "somebody switched it on"},
    {SERVER_CREATING,   SERVER_BY_ANSWER,         SERVER_CREATED,    "its agent answered"},
    {SERVER_CREATING,   SERVER_BY_REFUSAL,        SERVER_DESTROYED,  "the cloud does not make it"},
    {SERVER_CREATING,   SERVER_BY_NEVER_MADE,     SERVER_DESTROYED,  "no try to make it came to anything"},
    {SERVER_CREATING,   SERVER_BY_NOTHING,        SERVER_DESTROYED,  "it was switched off before anything was made"},
    {SERVER_CREATING,   SERVER_BY_NOT_READY,      SERVER_DESTROYING, "it was not ready in time"},
    {SERVER_CREATING,   SERVER_BY_OFF,            SERVER_DESTROYING, "somebody switched it off"},
    {SERVER_CREATED,    SERVER_BY_OFF,            SERVER_DESTROYING, "somebody switched it off"},
    {SERVER_CREATED,    SERVER_BY_IDLE,           SERVER_DESTROYING, "it did nothing for too long"},
    {SERVER_CREATED,    SERVER_BY_SICK,           SERVER_DESTROYING, "it was taken out, and nobody put it back in time"},
    {SERVER_CREATED,    SERVER_BY_MISSING,        SERVER_DESTROYING, "the cloud does not show it running any more"},
    {SERVER_DESTROYING, SERVER_BY_GONE,           SERVER_DESTROYED,  "its machine is gone"},
    {SERVER_DESTROYING, SERVER_BY_NOTHING,        SERVER_DESTROYED,  "it never had a machine"},
    {SERVER_DESTROYED,  SERVER_BY_HAND_CREATED,   SERVER_CREATED,    "an admin says that it is there"},
    {SERVER_CREATING,   SERVER_BY_HAND_CREATED,   SERVER_CREATED,    "an admin says that it is there"},
    {SERVER_DESTROYING, SERVER_BY_HAND_CREATED,   SERVER_CREATED,    "an admin says that it is there"},
    {SERVER_CREATING,   SERVER_BY_HAND_DESTROYED, SERVER_DESTROYED,  "an admin says that it is gone"},
    {SERVER_CREATED,    SERVER_BY_HAND_DESTROYED, SERVER_DESTROYED,  "an admin says that it is gone"},
    {SERVER_DESTROYING, SERVER_BY_HAND_DESTROYED, SERVER_DESTROYED,  "an admin says that it is gone"},
    /* clang-format on */
};

static const char *const states[] = {"DESTROYED", "CREATING", "CREATED", "DESTROYING"};
static const char *const causes[] = {
    "on",      "answer", "refusal", "never made",      "not ready",        "off", "idle", "sick",
    "missing", "gone",   "nothing", "created by hand", "destroyed by hand"};
_Static_assert(ARRAY_LEN(states) == SERVER_STATUS_COUNT, "a name for each");
_Static_assert(ARRAY_LEN(causes) == SERVER_CAUSE_COUNT, "a name for each");

const struct edge_table server_table = {
    .name = "server",
    .edges = edges,
    .n = ARRAY_LEN(edges),
    .states = states,
    .causes = causes,
    .first = SERVER_DESTROYED,
};

/* What belongs to a machine is forgotten with it. */
static void forget_machine(struct engine *e, struct server *s)
{
    s->row.machine = text_keep(s->row.machine, "");
    s->row.region = text_keep(s->row.region, "");
    s->row.address = text_keep(s->row.address, "");
    s->row.intent = 0;
    s->row.price_hour_microusd = -1;
    s->row.billed_at.ms = 0;
    s->row.lease_until.ms = 0;
    s->is_asked = false;
    s->is_doubtful = false;
    s->is_ending = false;
    s->is_missing = false;
    s->end_tries = 0;
    s->incarnation = 0; /* the next agent there is another one, whatever it says */
    server_book(e, s, (struct user_id){0});
    s->row.booked_at.ms = 0;
}

/* Nothing can come from there any more, and what it ran is lost for certain. */
static void machine_gone(struct engine *e, struct server *s)
{
    struct run *r;
    struct run *next;

    link_drop(e, s, LINK_BY_MACHINE_GONE);
    DL_FOREACH_SAFE(s->runs, r, next)
        retry_after_loss(e, r, RUN_BY_MACHINE_GONE, NULL);
}

static void enter(struct engine *e, struct server *s, enum server_status from)
{
    struct fleet *f = s->fleet;

    s->retry_at = MONO_NEVER;
    s->row.destroy_at.ms = 0;
    s->row.progress = text_keep(s->row.progress, "");
    switch (s->row.status) {
    case SERVER_CREATING:
        f->n_machines++;
        s->row.creates = 0;
        break;
    case SERVER_CREATED:
        f->n_machines += from == SERVER_DESTROYED;
        s->row.active_at = e->now.wall;
        s->is_missing = false;
        sick_end(e, s); /* of the machine before, when an admin says that it is there */
        sick_forget(e, s);
        break;
    case SERVER_DESTROYING:
        s->row.active_at.ms = 0;
        break;
    case SERVER_DESTROYED:
        f->n_machines--;
        s->row.active_at.ms = 0;
        sick_end(e, s);
        sick_forget(e, s);
        s->row.active_at.ms = 0;
        machine_gone(e, s);
        cost_meter_end(e, s);
        forget_machine(e, s);
        break;
    case SERVER_STATUS_COUNT:
        CHECK(!"no such status");
        break;
    }
}

bool server_status_set(struct engine *e, struct server *s, enum server_cause cause, const char *reason)
{
    const struct edge *edge = edge_find(&server_table, s->row.status, cause);
    enum server_status from = s->row.status;
    bool is_well = cause == SERVER_BY_ON || cause == SERVER_BY_ANSWER || cause == SERVER_BY_GONE ||
                   cause == SERVER_BY_NOTHING;

    if (edge == NULL)
        return false;
    TRACE(e, "server %s: %s -> %s: %s%s%s", s->row.name, states[edge->from], states[edge->to], edge->sentence,
          reason != NULL ? ": " : "", reason != NULL ? reason : "");
    s->row.status = (enum server_status)edge->to;
    s->row.status_since = e->now.wall;
    /* Why it had to go stays on screen when it is gone. */
    if (!is_well || reason != NULL)
        s->row.status_reason = text_keep(s->row.status_reason, reason != NULL ? reason : edge->sentence);
    else if (edge->to == SERVER_CREATING || edge->to == SERVER_CREATED)
        s->row.status_reason = text_keep(s->row.status_reason, "");
    if (cause == SERVER_BY_REFUSAL || cause == SERVER_BY_NEVER_MADE || cause == SERVER_BY_NOT_READY)
        notice_not_created(e, s);
    enter(e, s, from);
    server_changed(e, s);
    server_refresh(e, s);
    life_arm(e, s);
    return true;
}
