/* out.c - the changes of a command, with texts of their own; and the audit log, which is nothing but changes. */
#include "accounts/accounts_private.h"

void accounts_out_init(struct accounts_out *o)
{
    *o = (struct accounts_out){0};
    arena_init(&o->arena);
}

void accounts_out_done(struct accounts_out *o)
{
    free(o->at);
    arena_done(&o->arena);
    *o = (struct accounts_out){0};
}

static struct account_change *append(struct accounts_out *o, enum account_change_kind kind)
{
    if (o->n == o->cap) {
        o->cap = o->cap == 0 ? 8 : o->cap * 2;
        o->at = xrealloc(o->at, o->cap * sizeof(*o->at));
    }
    o->at[o->n] = (struct account_change){.kind = kind};
    return &o->at[o->n++];
}

static const char *copy(struct accounts_out *o, const char *s)
{
    return arena_strdup(&o->arena, s == NULL ? "" : s);
}

void out_user(struct accounts_out *o, const struct user_row *row)
{
    struct account_change *c = append(o, ACCOUNT_USER_PUT);

    c->user = *row;
    c->user.login = copy(o, row->login);
    c->user.email = copy(o, row->email);
    c->user.first_name = copy(o, row->first_name);
    c->user.last_name = copy(o, row->last_name);
    c->user.position = copy(o, row->position);
    c->user.zone = copy(o, row->zone);
    c->user.password = copy(o, row->password);
}

void out_session(struct accounts_out *o, const struct session_row *row)
{
    struct account_change *c = append(o, ACCOUNT_SESSION_PUT);

    c->session = *row;
    c->session.address = copy(o, row->address);
    c->session.agent = copy(o, row->agent);
}

void out_token(struct accounts_out *o, const struct token_row *row)
{
    struct account_change *c = append(o, ACCOUNT_TOKEN_PUT);

    c->token = *row;
    c->token.name = copy(o, row->name);
    c->token.used_from = copy(o, row->used_from);
}

void out_link(struct accounts_out *o, const struct one_time_link_row *row)
{
    struct account_change *c = append(o, ACCOUNT_LINK_PUT);

    c->link = *row;
    c->link.email = copy(o, row->email);
}

void out_env(struct accounts_out *o, struct user_id user, const struct user_env_row *at, uint32_t n)
{
    struct account_change *c = append(o, ACCOUNT_ENV);
    struct user_env_row *lines = arena_alloc(&o->arena, n * sizeof(*lines));
    uint32_t i;

    for (i = 0; i < n; i++)
        lines[i] = (struct user_env_row){copy(o, at[i].name), copy(o, at[i].value), at[i].is_secret};
    c->env.user = user;
    c->env.at = lines;
    c->env.n = n;
}

/* Only the id is looked at, but texts are never NULL. */
void out_delete(struct accounts_out *o, enum account_change_kind kind, uint64_t id)
{
    struct account_change *c = append(o, kind);

    switch (kind) {
    case ACCOUNT_SESSION_DELETE:
        c->session = (struct session_row){.id = id, .address = "", .agent = ""};
        return;
    case ACCOUNT_TOKEN_DELETE:
        c->token = (struct token_row){.id = id, .name = "", .used_from = ""};
        return;
    case ACCOUNT_LINK_DELETE:
        c->link = (struct one_time_link_row){.id = id, .email = ""};
        return;
    default:
        CHECK(!"a kind of change that deletes");
    }
}

uint64_t accounts_audit(struct accounts *a, const struct audit_row *row, struct accounts_out *out)
{
    struct account_change *c = append(out, ACCOUNT_AUDIT_ADD);

    c->audit = *row;
    c->audit.id = a->next_audit++;
    c->audit.login = copy(out, row->login);
    c->audit.via = copy(out, row->via);
    c->audit.address = copy(out, row->address);
    c->audit.action = copy(out, row->action);
    c->audit.object = copy(out, row->object);
    c->audit.detail = copy(out, row->detail);
    return c->audit.id;
}

void accounts_audit_end(struct accounts *a, uint64_t id, int status, const char *object, const char *detail,
                        struct accounts_out *out)
{
    struct account_change *c;

    CHECK(id > 0 && id < a->next_audit);
    c = append(out, ACCOUNT_AUDIT_SET);
    c->audit =
        (struct audit_row){.id = id, .status = status, .login = "", .via = "", .address = "", .action = ""};
    c->audit.object = object == NULL ? NULL : copy(out, object);
    c->audit.detail = detail == NULL ? NULL : copy(out, detail);
}
