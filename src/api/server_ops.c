/* server_ops.c - what is done to servers, one or many at once: on, off, book, drain, and put right by hand. Each is one event
 * of the engine: done to all, or to none and said why. */
#include <stdio.h>
#include <string.h>

#include "api/api_private.h"

struct op_body {
    struct field_ints servers;
    const char *size;
    bool force;
    int64_t idle_ms;
    int status;
    const char *address;
};

#define SERVERS_FIELD(flags_)                                                                                \
    {                                                                                                        \
        .name = "servers", .type = FIELD_INTS, .offset = offsetof(struct op_body, servers), .flags = flags_, \
        .min = 1, .max = INT64_MAX, .items_max = SERVERS_CHANGE_MAX, .help = "their ids"                     \
    }

static const struct field on_fields[] = {
    SERVERS_FIELD(FIELD_REQUIRED),
    {.name = "size",
     .type = FIELD_TEXT,
     .offset = offsetof(struct op_body, size),
     .max = NAME_BYTES_MAX,
     .help = "of the machine, as the fleet's catalog names it",
     .preset = "the fleet's own"},
    {.type = FIELD_END},
};
static const struct field off_fields[] = {
    SERVERS_FIELD(FIELD_REQUIRED),
    {.name = "force",
     .type = FIELD_BOOL,
     .offset = offsetof(struct op_body, force),
     .help = "also while it holds runs: they are queued again elsewhere",
     .preset = "false"},
    {.type = FIELD_END},
};
static const struct field servers_fields[] = {SERVERS_FIELD(FIELD_REQUIRED), {.type = FIELD_END}};
static const struct field unbook_fields[] = {
    {.name = "servers",
     .type = FIELD_INTS,
     .offset = offsetof(struct op_body, servers),
     .min = 1,
     .max = INT64_MAX,
     .items_max = SERVERS_CHANGE_MAX,
     .help = "their ids",
     .preset = "all that one has booked"},
    {.type = FIELD_END},
};
static const struct field idle_fields[] = {
    SERVERS_FIELD(FIELD_REQUIRED),
    {.name = "idle_ms",
     .type = FIELD_INT,
     .offset = offsetof(struct op_body, idle_ms),
     .flags = FIELD_REQUIRED,
     .min = IDLE_AS_FLEET,
     .max = INT64_MAX,
     .help = "the machine is destroyed when it has done nothing for so long; 0 never, -1 as its fleet says"},
    {.type = FIELD_END},
};
static const char *const by_hand[] = {"created", "destroyed", NULL};
static const struct field status_fields[] = {
    SERVERS_FIELD(FIELD_REQUIRED),
    {.name = "status",
     .type = FIELD_ENUM,
     .offset = offsetof(struct op_body, status),
     .flags = FIELD_REQUIRED,
     .names = by_hand,
     .help = "what it really is, when wrata has it wrong"},
    {.name = "address",
     .type = FIELD_TEXT,
     .offset = offsetof(struct op_body, address),
     .max = 255,
     .help = "created: where it is, unless that is known"},
    {.type = FIELD_END},
};
static const struct op_body op_preset = {.size = "", .address = "", .idle_ms = IDLE_AS_FLEET};

/* ---- answers ---- */

struct several {
    struct req *rq;
    struct busy_runs busy;
    uint64_t *ids;
    uint32_t n;
};

static void each_of_several(void *ctx, const struct server_row *row)
{
    struct several *all = ctx;

    for (uint32_t i = 0; i < all->n; i++) {
        if (all->ids[i] == row->id.v) {
            render_server(&all->rq->render, row, &all->busy);
            return;
        }
    }
}

static void several_job(struct reader *r, struct req *rq)
{
    struct several *all = rq->state;

    all->busy.arena = &rq->arena;
    rq->err = busy_runs_read(r, (struct server_id){0}, &all->busy, &rq->why);
    if (rq->err != ERR_OK)
        return;
    jo_obj(&rq->render.j);
    jo_karr(&rq->render.j, "servers");
    rq->err = read_servers(r, each_of_several, all, &rq->why);
    jo_arr_end(&rq->render.j);
    jo_obj_end(&rq->render.j);
}

void servers_answer(struct req *rq)
{
    struct several *all = arena_alloc(&rq->arena, sizeof(*all));

    all->rq = rq;
    all->n = rq->n_reply_ids;
    all->ids = arena_alloc(&rq->arena, (all->n + 1) * sizeof(*all->ids));
    if (all->n > 0)
        memcpy(all->ids, rq->reply_ids, all->n * sizeof(*all->ids));
    rq->state = all;
    req_read(rq, several_job, NULL);
}

/* ---- commands ---- */

static void on_changed(struct req *rq, uint64_t id)
{
    char names[200] = "";
    size_t n = 0;

    (void)id;
    for (uint32_t i = 0; i < rq->n_reply_ids && n < sizeof(names) - 24; i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%llu", i > 0 ? "," : "",
                              (unsigned long long)rq->reply_ids[i]);
    audit_say(rq, NULL, "%u server%s: %s", rq->n_reply_ids, rq->n_reply_ids == 1 ? "" : "s", names);
    servers_answer(rq);
}

static void change(struct req *rq, enum server_op op)
{
    const struct op_body *in = rq->body;
    struct event ev = {.kind = EV_SERVERS_CHANGE};
    struct server_id *ids = arena_alloc(&rq->arena, (in->servers.n + 1) * sizeof(*ids));

    for (uint32_t i = 0; i < in->servers.n; i++)
        ids[i].v = (uint64_t)in->servers.at[i];
    ev.servers_change = (struct servers_change){.op = op,
                                                .servers = ids,
                                                .n = in->servers.n,
                                                .user = rq->who.user,
                                                .login = rq->who.login,
                                                .may_any = rq->who.role == ROLE_ADMIN,
                                                .force = in->force,
                                                .size = in->size,
                                                .idle_ms = in->idle_ms,
                                                .address = in->address};
    req_post(rq, &ev, on_changed);
}

static void servers_on(struct req *rq)
{
    change(rq, SERVER_ON);
}

static void servers_off(struct req *rq)
{
    change(rq, SERVER_OFF);
}

static void servers_book(struct req *rq)
{
    change(rq, SERVER_BOOK);
}

static void servers_unbook(struct req *rq)
{
    change(rq, SERVER_UNBOOK);
}

static void servers_drain(struct req *rq)
{
    change(rq, SERVER_DRAIN);
}

static void servers_resume(struct req *rq)
{
    change(rq, SERVER_RESUME);
}

static void servers_idle(struct req *rq)
{
    change(rq, SERVER_SET_IDLE);
}

static void servers_status(struct req *rq)
{
    const struct op_body *in = rq->body;

    change(rq, in->status == 0 ? SERVER_SET_CREATED : SERVER_SET_DESTROYED);
}

#define OP(audit_, fields_)                                                  \
    .audit = audit_, .status = 200, .body_kind = BODY_JSON, .body = fields_, \
    .body_bytes = sizeof(struct op_body), .body_preset = &op_preset

const struct route server_op_routes[] = {
    {ROUTE(POST, WORK, "/api/v1/servers/power_on", servers_on,
           "Have their machines made; answers at once, and the servers show how it goes.", "servers"),
     OP("server.on", on_fields)},
    {ROUTE(POST, WORK, "/api/v1/servers/power_off", servers_off,
           "Have their machines destroyed, also while they are being made. What others have booked an admin "
           "may.",
           "servers"),
     OP("server.off", off_fields)},
    {ROUTE(POST, WORK, "/api/v1/servers/book", servers_book, "Book them: they run the own tests alone.",
           "servers"),
     OP("server.book", servers_fields)},
    {ROUTE(POST, WORK, "/api/v1/servers/unbook", servers_unbook,
           "Give them back; an admin those of others, too.", "servers"),
     OP("server.unbook", unbook_fields)},
    {ROUTE(POST, ADMIN, "/api/v1/servers/drain", servers_drain,
           "Maintenance: they finish what they run, and take no more.", "servers"),
     OP("server.drain", servers_fields)},
    {ROUTE(POST, ADMIN, "/api/v1/servers/resume", servers_resume,
           "They take tests again, after maintenance or after they were taken out.", "servers"),
     OP("server.resume", servers_fields)},
    {ROUTE(POST, ADMIN, "/api/v1/servers/idle", servers_idle,
           "After how much doing nothing their machines go.", "servers"),
     OP("server.idle", idle_fields)},
    {ROUTE(POST, ADMIN, "/api/v1/servers/status", servers_status,
           "Say what they really are, when wrata has it wrong.", "servers"),
     OP("server.status", status_fields)},
    ROUTES_END,
};
