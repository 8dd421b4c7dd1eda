/* server_edit.c - the record of a server is changed: what it is called, where it is, how many slots it has, when its machine goes.
 *
 * Its agent was told the name and the slots when the link began, and another address is another machine. So but for the idle
 * time nothing changes while it holds runs, and the link begins anew. */
#include "engine/engine_private.h"

#include "model/rules.h"

static bool is_other(const char *said, const char *is)
{
    return said != NULL && strcmp(said, is) != 0;
}

/* Another machine, or another way to it. */
static bool moves(const struct server *s, const struct server_row *row)
{
    return strcmp(row->address, s->row.address) != 0 || strcmp(row->user, s->row.user) != 0 ||
           strcmp(row->identity, s->row.identity) != 0 || row->port != s->row.port;
}

static bool wants_new_link(const struct server *s, const struct server_row *row)
{
    return moves(s, row) || strcmp(row->name, s->row.name) != 0 || row->slots != s->row.slots;
}

/* What the fleet decides is not for people to say. */
static enum err kind_check(const struct server_edit *in, const struct server *s, struct why *reterr)
{
    const char *field = is_other(in->address, s->row.address)      ? "address"
                        : is_other(in->user, s->row.user)          ? "user"
                        : is_other(in->identity, s->row.identity)  ? "identity"
                        : in->sets_port && in->port != s->row.port ? "port"
                                                                   : NULL;

    if (s->row.fleet == FLEET_LOCAL && is_other(in->name, s->row.name))
        return why_set(
            reterr, ERR_INVALID, "name",
            "name: %s is on this computer, where its folder has its name; only other servers can get "
            "another one",
            s->row.name);
    if (s->row.fleet != FLEET_SSH && field != NULL)
        return why_set(reterr, ERR_INVALID, field,
                       "%s: %s is of the fleet %s; only servers of ssh have one to set", field, s->row.name,
                       s->fleet->row.name);
    if (!fleet_kind_makes_machines(s->row.fleet) && in->sets_idle && in->idle_ms != s->row.idle_ms)
        return why_set(reterr, ERR_INVALID, "idle_ms",
                       "idle_ms: %s is of the fleet %s: wrata neither makes its machine nor destroys it",
                       s->row.name, s->fleet->row.name);
    return ERR_OK;
}

static enum err edit_check(const struct engine *e, const struct server_edit *in, const struct server *s,
                           const struct server_row *row, struct why *reterr)
{
    struct server_row ruled = *row;
    const struct server *other;
    enum err err = kind_check(in, s, reterr);

    if (s->row.fleet != FLEET_SSH)
        ruled.address = ""; /* that of a machine is its fleet's */
    if (err == ERR_OK)
        err = server_row_check(&ruled, reterr);
    if (err != ERR_OK)
        return err;
    other = server_named(e, row->name);
    if (other != NULL && other != s)
        return why_set(reterr, ERR_CONFLICT, "name", "there is a server named \"%s\" already", row->name);
    if (s->n_runs > 0 && wants_new_link(s, row))
        return why_set(reterr, ERR_CONFLICT, NULL,
                       "%s holds %u run%s: put it into maintenance, and change it when they are over",
                       s->row.name, s->n_runs, s->n_runs == 1 ? "" : "s");
    return ERR_OK;
}

static void edit_apply(struct engine *e, struct server *s, const struct server_row *row, const char *login)
{
    bool is_new_link = wants_new_link(s, row);

    if (is_new_link)
        link_drop(e, s, LINK_BY_EDIT); /* it counts nowhere from here on: its slots may change */
    if (moves(s, row)) {
        s->incarnation = 0;
        sick_forget(e, s);
    }
    if (row->slots != s->row.slots)
        cost_slots_set(e, s, row->slots);
    TRACE(e, "server %s: changed by %s%s%s", s->row.name, login,
          strcmp(row->name, s->row.name) != 0 ? ", now " : "",
          strcmp(row->name, s->row.name) != 0 ? row->name : "");
    s->row.name = text_keep(s->row.name, row->name);
    s->row.address = text_keep(s->row.address, row->address);
    s->row.user = text_keep(s->row.user, row->user);
    s->row.identity = text_keep(s->row.identity, row->identity);
    s->row.port = row->port;
    s->row.idle_ms = row->idle_ms;
    server_changed(e, s);
    idle_rule_changed(e, s);
    server_refresh(e, s);
    if (is_new_link && server_is_reachable(s))
        link_connect_at(e, s, 0);
}

void on_server_edit(struct engine *e, const struct event *ev)
{
    const struct server_edit *in = &ev->server_edit;
    struct server *s = server_by_id(e, in->server);
    struct server_row row;
    struct why why;

    if (command_is_refused(e, ev))
        return;
    if (s == NULL) {
        outbox_refuse(e->out, ev->ticket, ERR_NOTFOUND, "server", "there is no server %llu",
                      (unsigned long long)in->server.v);
        return;
    }
    row = s->row;
    row.name = arena_strdup(&e->out->arena, in->name != NULL ? in->name : row.name);
    row.address = arena_strdup(&e->out->arena, in->address != NULL ? in->address : row.address);
    row.user = arena_strdup(&e->out->arena, in->user != NULL ? in->user : row.user);
    row.identity = arena_strdup(&e->out->arena, in->identity != NULL ? in->identity : row.identity);
    row.port = in->sets_port ? in->port : row.port;
    row.slots = in->slots != 0 ? in->slots : row.slots;
    row.idle_ms = in->sets_idle ? in->idle_ms : row.idle_ms;
    if (edit_check(e, in, s, &row, &why) != ERR_OK) {
        outbox_refuse(e->out, ev->ticket, why.code, why.field, "%s", why.text);
        return;
    }
    edit_apply(e, s, &row, in->login);
    outbox_reply(e->out, ev->ticket, s->id.v);
}
