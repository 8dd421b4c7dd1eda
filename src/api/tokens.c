/* tokens.c - API tokens of one's own: made, looked at without their secret, revoked. */
#include "api/account_common.h"

#define EXPIRES_DAYS_MAX 3650
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static void render_token(struct json_out *j, const struct token_row *t)
{
    jo_kuint(j, "id", t->id);
    jo_ktext(j, "name", t->name);
    jo_ktext(j, "scope", token_scope_name(t->scope));
    jo_ktime(j, "created_at", t->created_at);
    jo_ktime(j, "expires_at", t->expires_at);
    jo_ktime(j, "used_at", t->used_at);
    jo_ktext(j, "used_from", t->used_from);
}

static void each_token(void *ctx, const struct token_row *t)
{
    struct json_out *j = ctx;

    jo_obj(j);
    render_token(j, t);
    jo_obj_end(j);
}

static void tokens_list(struct req *rq)
{
    struct json_out *j = answer_begin(rq);

    jo_arr(j);
    accounts_each_token(rq->api->accounts, rq->who.user, each_token, j);
    jo_arr_end(j);
    answer_send(rq);
}

/* ---- making one ---- */

struct token_body {
    const char *name;
    int scope;
    int64_t expires_days;
};

static const char *const scopes[] = {"read", "run", "admin", NULL};
_Static_assert(ARRAY_LEN(scopes) == SCOPE_COUNT + 1, "a name for each scope, in their order");

static const struct field token_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct token_body, name),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = NAME_BYTES_MAX,
     .help = "what it is for"},
    {.name = "scope",
     .type = FIELD_ENUM,
     .offset = offsetof(struct token_body, scope),
     .flags = FIELD_REQUIRED,
     .names = scopes,
     .help = "look; also start and stop; or everything that its owner may"},
    {.name = "expires_days",
     .type = FIELD_INT,
     .offset = offsetof(struct token_body, expires_days),
     .max = EXPIRES_DAYS_MAX,
     .help = "days from now; 0: never",
     .preset = "90"},
    {.type = FIELD_END},
};
static const struct token_body token_preset = {.expires_days = 90};

struct made_token {
    char secret[SECRET_TEXT_BYTES];
    uint64_t id;
};

struct token_find {
    const struct made_token *made;
    struct json_out *j;
};

static void render_made(void *ctx, const struct token_row *t)
{
    const struct token_find *find = ctx;

    if (t->id == find->made->id)
        render_token(find->j, t);
}

static void on_token(struct req *rq)
{
    struct token_find find = {.made = rq->state, .j = answer_begin(rq)};

    jo_obj(find.j);
    accounts_each_token(rq->api->accounts, rq->who.user, render_made, &find);
    jo_ktext(find.j, "token", find.made->secret);
    jo_obj_end(find.j);
    answer_send(rq);
}

static void token_make(struct req *rq)
{
    const struct token_body *in = rq->body;
    struct wall now = wall_now();
    struct made_token *made = arena_alloc(&rq->arena, sizeof(*made));
    struct digest digest;
    struct new_token token = {.name = in->name,
                              .scope = (enum token_scope)in->scope,
                              .expires_at = {in->expires_days == 0 ? 0 : now.ms + in->expires_days * DAY_MS},
                              .digest = &digest};
    struct accounts_out out;
    enum err err;

    audit_say(rq, NULL, "token %s, scope %s, %lld days", in->name, scopes[in->scope],
              (long long)in->expires_days);
    secret_text("wrt_", made->secret, &digest);
    rq->state = made;
    accounts_out_init(&out);
    err = accounts_add_token(rq->api->accounts, now, rq->who.user, &token, &out, &made->id, &rq->why);
    finish_command(rq, err, &out, on_token);
}

static void token_remove(struct req *rq)
{
    struct accounts_out out;
    enum err err;

    accounts_out_init(&out);
    err = accounts_remove_token(rq->api->accounts, rq->who.user, rq->ids[0], &out, &rq->why);
    finish_command(rq, err, &out, answer_nothing);
}

const struct route token_routes[] = {
    {ROUTE(GET, ACCOUNT_LOOK, "/api/v1/tokens", tokens_list, "The own API tokens, without their secret.",
           "[token]")},
    {ROUTE(POST, ACCOUNT, "/api/v1/tokens", token_make, "Make an API token; it is shown this once.",
           "new_token"),
     .audit = "token.make", .status = 201, BODY(token_fields, struct token_body),
     .body_preset = &token_preset},
    {ROUTE(DELETE, ACCOUNT, "/api/v1/tokens/{token}", token_remove, "Revoke an API token.", "nothing"),
     .audit = "token.revoke"},
    ROUTES_END,
};
