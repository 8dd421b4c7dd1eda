/* servers.c - servers: all, one, add, change the record, remove. */
#include <string.h>

#include "api/api_private.h"
#include "model/pattern.h"

/* ---- reading ---- */

struct server_list {
    struct req *rq;
    struct busy_runs busy;
};

static void each_server(void *ctx, const struct server_row *row)
{
    struct server_list *list = ctx;

    render_server(&list->rq->render, row, &list->busy);
}

static void list_job(struct reader *r, struct req *rq)
{
    struct server_list list = {.rq = rq, .busy = {.arena = &rq->arena}};
    struct page none = {0};

    rq->err = busy_runs_read(r, (struct server_id){0}, &list.busy, &rq->why);
    if (rq->err != ERR_OK)
        return;
    page_begin(rq);
    rq->err = read_servers(r, each_server, &list, &rq->why);
    page_end(rq, &none);
}

void server_job(struct reader *r, struct req *rq)
{
    struct server_list list = {.rq = rq, .busy = {.arena = &rq->arena}};
    struct server_id id = {rq->ids[0]};

    rq->err = busy_runs_read(r, id, &list.busy, &rq->why);
    if (rq->err == ERR_OK)
        rq->err = read_server(r, id, each_server, &list, &rq->why);
}

static void servers_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

static void servers_one(struct req *rq)
{
    req_read(rq, server_job, NULL);
}

/* ---- commands ---- */

struct server_body {
    const char *name;
    const char *fleet;
    const char *address;
    int64_t port;
    const char *user;
    int64_t slots;
    const char *identity;
    int64_t idle_ms;
};

static const struct field body_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct server_body, name),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 80,
     .help = "letters, digits, dot, dash, underscore; starts with a letter or digit"},
    {.name = "fleet",
     .type = FIELD_TEXT,
     .offset = offsetof(struct server_body, fleet),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 63,
     .help = "its name: local, ssh, or one that makes machines; there a server begins switched off"},
    {.name = "address",
     .type = FIELD_TEXT,
     .offset = offsetof(struct server_body, address),
     .max = 255,
     .help = "ssh: host name, address or alias of ssh's own configuration"},
    {.name = "port",
     .type = FIELD_INT,
     .offset = offsetof(struct server_body, port),
     .max = 65535,
     .help = "ssh: 0 leaves it to ssh",
     .preset = "0"},
    {.name = "user",
     .type = FIELD_TEXT,
     .offset = offsetof(struct server_body, user),
     .max = 63,
     .help = "ssh: empty leaves it to ssh"},
    {.name = "slots",
     .type = FIELD_INT,
     .offset = offsetof(struct server_body, slots),
     .min = 1,
     .max = SERVER_SLOTS_MAX,
     .help = "how many runs at once",
     .preset = "1"},
    {.name = "identity",
     .type = FIELD_TEXT,
     .offset = offsetof(struct server_body, identity),
     .max = PATH_BYTES_MAX,
     .help = "ssh: path of a private key on this machine; empty leaves it to ssh"},
    {.name = "idle_ms",
     .type = FIELD_INT,
     .offset = offsetof(struct server_body, idle_ms),
     .min = IDLE_AS_FLEET,
     .max = INT64_MAX,
     .help = "its machine is destroyed when it has done nothing for so long; 0 never, -1 as its fleet says",
     .preset = "-1"},
    {.type = FIELD_END},
};
static const struct server_body body_preset = {
    .address = "", .user = "", .slots = 1, .identity = "", .idle_ms = IDLE_AS_FLEET};

static void on_added(struct req *rq, uint64_t id)
{
    const struct server_body *in = rq->body;

    audit_say(rq, arena_printf(&rq->arena, "server %s", in->name), "%s %s", in->fleet, in->address);
    rq->ids[0] = id;
    req_read(rq, server_job, NULL);
}

static void on_many_added(struct req *rq, uint64_t id)
{
    const struct server_body *in = rq->body;

    (void)id;
    audit_say(rq, arena_printf(&rq->arena, "servers %s", in->name), "%s", in->fleet);
    servers_answer(rq);
}

static void take_fleet(void *ctx, const struct fleet_row *row)
{
    struct req *rq = ctx;
    const struct server_body *in = rq->body;

    if (strcmp(row->name, in->fleet) == 0)
        rq->ids[0] = row->id.v;
}

static void find_fleet(struct reader *r, struct req *rq)
{
    rq->ids[0] = 0;
    rq->err = read_fleets(r, take_fleet, rq, &rq->why);
}

static void add_to_fleet(struct req *rq)
{
    const struct server_body *in = rq->body;
    struct event ev = {.kind = EV_SERVER_ADD,
                       .server_add.row = {.name = in->name,
                                          .fleet_id = {rq->ids[0]},
                                          .address = in->address,
                                          .user = in->user,
                                          .identity = in->identity,
                                          .port = (uint32_t)in->port,
                                          .slots = (uint32_t)in->slots,
                                          .idle_ms = in->idle_ms,
                                          .created_at = wall_now(),
                                          .link_reason = "",
                                          .agent_version = "",
                                          .facts = ""}};
    struct why why;

    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    if (rq->ids[0] == 0) {
        req_fail(rq, ERR_INVALID, "fleet", "fleet: there is no fleet named \"%s\"", in->fleet);
        return;
    }
    if (rq->state == NULL) {
        req_post(rq, &ev, on_added);
        return;
    }
    if (pattern_expand("name", in->name, &rq->arena, &ev.server_add.names, &ev.server_add.n_names, &why) !=
        ERR_OK)
        req_error(rq, &why);
    else
        req_post(rq, &ev, on_many_added);
}

static void servers_add(struct req *rq)
{
    req_read(rq, find_fleet, add_to_fleet);
}

static void servers_add_many(struct req *rq)
{
    rq->state = rq; /* tells it from the other */
    req_read(rq, find_fleet, add_to_fleet);
}

/* ---- a record changes ---- */

struct edit_body {
    const char *name; /* NULL: it stays, as of all texts here */
    const char *address;
    int64_t port; /* -1: it stays */
    const char *user;
    int64_t slots; /* 0: it stays */
    const char *identity;
    int64_t idle_ms; /* IDLE_STAYS */
};

#define IDLE_STAYS (-2)

static const struct field edit_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct edit_body, name),
     .min = 1,
     .max = 63,
     .help = "letters, digits, dot, dash, underscore; starts with a letter or digit. Of a local server it "
             "stays: its "
             "folder has it"},
    {.name = "address",
     .type = FIELD_TEXT,
     .offset = offsetof(struct edit_body, address),
     .min = 1,
     .max = 255,
     .help = "ssh: host name, address or alias of ssh's own configuration"},
    {.name = "port",
     .type = FIELD_INT,
     .offset = offsetof(struct edit_body, port),
     .max = 65535,
     .help = "ssh: 0 leaves it to ssh"},
    {.name = "user",
     .type = FIELD_TEXT,
     .offset = offsetof(struct edit_body, user),
     .max = 63,
     .help = "ssh: empty leaves it to ssh"},
    {.name = "slots",
     .type = FIELD_INT,
     .offset = offsetof(struct edit_body, slots),
     .min = 1,
     .max = SERVER_SLOTS_MAX,
     .help = "how many runs at once"},
    {.name = "identity",
     .type = FIELD_TEXT,
     .offset = offsetof(struct edit_body, identity),
     .max = PATH_BYTES_MAX,
     .help = "ssh: path of a private key on this machine; empty leaves it to ssh"},
    {.name = "idle_ms",
     .type = FIELD_INT,
     .offset = offsetof(struct edit_body, idle_ms),
     .min = IDLE_AS_FLEET,
     .max = INT64_MAX,
     .help = "its machine is destroyed when it has done nothing for so long; 0 never, -1 as its fleet says"},
    {.type = FIELD_END},
};
static const struct edit_body edit_preset = {.port = -1, .idle_ms = IDLE_STAYS};

static void said(struct buf *out, const char *field, const char *value)
{
    if (value != NULL)
        buf_printf(out, "%s%s=%s", out->len > 0 ? " " : "", field, value);
}

static void said_number(struct buf *out, const char *field, int64_t value, bool is_said)
{
    if (is_said)
        buf_printf(out, "%s%s=%lld", out->len > 0 ? " " : "", field, (long long)value);
}

/* What was said, for the audit log: none of it is secret. */
static void on_edited(struct req *rq, uint64_t id)
{
    const struct edit_body *in = rq->body;
    struct buf what;

    buf_init(&what, KIB(8));
    said(&what, "name", in->name);
    said(&what, "address", in->address);
    said_number(&what, "port", in->port, in->port >= 0);
    said(&what, "user", in->user);
    said_number(&what, "slots", in->slots, in->slots != 0);
    said(&what, "identity", in->identity);
    said_number(&what, "idle_ms", in->idle_ms, in->idle_ms != IDLE_STAYS);
    audit_say(rq, NULL, "%s", buf_str(&what));
    buf_done(&what);
    rq->ids[0] = id;
    req_read(rq, server_job, NULL);
}

static void servers_edit(struct req *rq)
{
    const struct edit_body *in = rq->body;
    struct event ev = {.kind = EV_SERVER_EDIT,
                       .server_edit = {.server = {rq->ids[0]},
                                       .login = rq->who.login,
                                       .name = in->name,
                                       .address = in->address,
                                       .user = in->user,
                                       .identity = in->identity,
                                       .sets_port = in->port >= 0,
                                       .port = in->port >= 0 ? (uint32_t)in->port : 0,
                                       .slots = (uint32_t)in->slots,
                                       .sets_idle = in->idle_ms != IDLE_STAYS,
                                       .idle_ms = in->idle_ms}};

    req_post(rq, &ev, on_edited);
}

/* ---- and goes ---- */

struct remove_query {
    bool force;
    int machine;
};

static const char *const fates[] = {"refuse", "destroy", "keep", NULL};
_Static_assert(ARRAY_LEN(fates) == FATE_COUNT + 1, "a word for each, in their order");

static const struct field remove_fields[] = {
    {.name = "force",
     .type = FIELD_BOOL,
     .offset = offsetof(struct remove_query, force),
     .help = "also while it holds runs: they are queued again",
     .preset = "0"},
    {.name = "machine",
     .type = FIELD_ENUM,
     .offset = offsetof(struct remove_query, machine),
     .names = fates,
     .help = "what becomes of its machine: nothing is done while it has one; it is destroyed, and the record "
             "goes with it; "
             "it stays, whatever it costs",
     .preset = "refuse"},
    {.type = FIELD_END},
};

static void on_removed(struct req *rq, uint64_t id)
{
    struct buf out;

    (void)id;
    buf_init(&out, KIB(1));
    buf_puts(&out, "{}");
    req_json(rq, 200, &out);
}

static void servers_remove(struct req *rq)
{
    const struct remove_query *q = rq->query;
    struct event ev = {.kind = EV_SERVER_REMOVE,
                       .server_remove = {.server = {rq->ids[0]},
                                         .force = q->force,
                                         .machine = (enum machine_fate)q->machine}};

    req_post(rq, &ev, on_removed);
}

const struct route server_routes[] = {
    {ROUTE(GET, LOOK, "/api/v1/servers", servers_list, "All servers, by name.", "page of server")},
    {ROUTE(POST, ADMIN, "/api/v1/servers", servers_add, "Add a server.", "server"), .audit = "server.add",
     .status = 201, .body_kind = BODY_JSON, .body = body_fields, .body_bytes = sizeof(struct server_body),
     .body_preset = &body_preset},
    {ROUTE(POST, ADMIN, "/api/v1/servers/add_many", servers_add_many,
           "Add many: the name is a pattern, \"web-{0..19}\" are twenty.", "servers"),
     .audit = "server.add", .status = 201, .body_kind = BODY_JSON, .body = body_fields,
     .body_bytes = sizeof(struct server_body), .body_preset = &body_preset},
    {ROUTE(GET, LOOK, "/api/v1/servers/{server}", servers_one, "One server.", "server")},
    {ROUTE(POST, ADMIN, "/api/v1/servers/{server}", servers_edit,
           "Change what the body names of its record; all but idle_ms: 409 while it holds runs.", "server"),
     .audit = "server.edit", .body_kind = BODY_JSON, .body = edit_fields,
     .body_bytes = sizeof(struct edit_body), .body_preset = &edit_preset},
    {ROUTE(DELETE, ADMIN, "/api/v1/servers/{server}", servers_remove,
           "Remove a server; 409 while it holds runs or has a machine.", "nothing"),
     .audit = "server.remove", .query = remove_fields, .query_bytes = sizeof(struct remove_query)},
    ROUTES_END,
};
