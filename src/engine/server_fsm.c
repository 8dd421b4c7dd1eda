/* server_fsm.c - the connection to a server: the table, and the only writer of row.link. */
#include "engine/engine_private.h"

static const struct edge edges[] = {
    /* clang-format off */
    {LINK_OFFLINE,    LINK_BY_CONNECT, LINK_CONNECTING, "a try to connect begins"},
    {LINK_LOST,       LINK_BY_CONNECT, LINK_CONNECTING, "another try to connect begins"},
    {LINK_CONNECTING, LINK_BY_UP,      LINK_ONLINE,     "the agent answered"},
    {LINK_OFFLINE,    LINK_BY_UP,      LINK_ONLINE,     "the agent answered"},
    {LINK_LOST,       LINK_BY_UP,      LINK_ONLINE,     "the agent answered on a new link"},
    {LINK_ONLINE,     LINK_BY_UP,      LINK_ONLINE,     "a new link took the place of the old one"},
    {LINK_LOST,       LINK_BY_BEAT,    LINK_ONLINE,     "beats arrive again"},
    {LINK_ONLINE,     LINK_BY_SILENCE, LINK_LOST,       "no beat has arrived for a while"},
    {LINK_CONNECTING, LINK_BY_DOWN,    LINK_OFFLINE,    "it could not be reached"},
    {LINK_ONLINE,     LINK_BY_DOWN,    LINK_LOST,       "the link broke"},
    {LINK_LOST,       LINK_BY_DOWN,    LINK_LOST,       "the silent link broke"},
    {LINK_CONNECTING, LINK_BY_BOOT,    LINK_OFFLINE,    "wrata was started"},
    {LINK_ONLINE,     LINK_BY_BOOT,    LINK_OFFLINE,    "wrata was started"},
    {LINK_LOST,       LINK_BY_BOOT,    LINK_OFFLINE,    "wrata was started"},
    {LINK_CONNECTING, LINK_BY_MACHINE_GONE, LINK_OFFLINE, "its machine is gone"},
    {LINK_ONLINE,     LINK_BY_MACHINE_GONE, LINK_OFFLINE, "its machine is gone"},
    {LINK_LOST,       LINK_BY_MACHINE_GONE, LINK_OFFLINE, "its machine is gone"},
    {LINK_CONNECTING, LINK_BY_EDIT,    LINK_OFFLINE,    "its record was changed"},
    {LINK_ONLINE,     LINK_BY_EDIT,    LINK_OFFLINE,    "its record was changed"},
    {LINK_LOST,       LINK_BY_EDIT,    LINK_OFFLINE,    "its record was changed"},
    /* clang-format on */
};

static const char *const states[] = {"OFFLINE", "CONNECTING", "ONLINE", "LOST"};
static const char *const causes[] = {"try to connect", "link up", "beat",         "silence",
                                     "link down",      "boot",    "machine gone", "edit"};
_Static_assert(ARRAY_LEN(states) == LINK_STATE_COUNT, "a name for each");
_Static_assert(ARRAY_LEN(causes) == LINK_CAUSE_COUNT, "a name for each");

const struct edge_table link_table = {
    .name = "link",
    .edges = edges,
    .n = ARRAY_LEN(edges),
    .states = states,
    .causes = causes,
    .first = LINK_OFFLINE,
};

bool link_state_set(struct engine *e, struct server *s, enum link_cause cause, const char *reason)
{
    const struct edge *edge = edge_find(&link_table, s->row.link, cause);
    const char *shown = reason;

    if (edge == NULL)
        return false;
    if (edge->to == LINK_ONLINE)
        shown = "";
    else if (cause == LINK_BY_CONNECT)
        shown = s->row.link_reason; /* why the last try failed stays on screen during the next */
    else if (shown == NULL || shown[0] == '\0')
        shown = edge->sentence;
    TRACE(e, "server %s: %s -> %s: %s%s%s", s->row.name, states[edge->from], states[edge->to], edge->sentence,
          shown[0] != '\0' && shown != edge->sentence ? ": " : "", shown != edge->sentence ? shown : "");
    s->row.link = (enum link_state)edge->to;
    s->row.link_since = e->now.wall;
    if (shown != s->row.link_reason)
        s->row.link_reason = text_keep(s->row.link_reason, shown);
    if (edge->from == LINK_ONLINE && edge->to == LINK_LOST)
        notice_server_lost(e, s);
    server_changed(e, s);
    server_refresh(e, s);
    return true;
}
