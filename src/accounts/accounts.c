#include "accounts/accounts_private.h"

static const char *const roles[] = {
    [ROLE_NOBODY] = "nobody", [ROLE_UNVERIFIED] = "unverified", [ROLE_USER] = "user", [ROLE_ADMIN] = "admin"};
_Static_assert(ARRAY_LEN(roles) == ROLE_COUNT, "a name for each");

static const char *const vias[] = {[VIA_NOTHING] = "nothing",
                                   [VIA_SESSION] = "session",
                                   [VIA_TOKEN] = "token",
                                   [VIA_HOST] = "host",
                                   [VIA_OPEN] = "open"};
_Static_assert(ARRAY_LEN(vias) == VIA_COUNT, "a name for each");

const char *role_name(enum role r)
{
    CHECK(r < ROLE_COUNT);
    return roles[r];
}

const char *via_name(enum via v)
{
    CHECK(v < VIA_COUNT);
    return vias[v];
}

/* ---- begin and end ---- */

static struct listed *listed_find(const struct accounts *a, const char *email)
{
    const char *key = text_lower(email);
    struct listed *l;

    HASH_FIND(hh, a->listed, key, strlen(key), l);
    text_free(key);
    return l;
}

static void listed_clear(struct accounts *a)
{
    struct listed *l;
    struct listed *next;

    HASH_ITER(hh, a->listed, l, next) {
        HASH_DEL(a->listed, l);
        free(l);
    }
}

static void listed_add(struct accounts *a, const char *email)
{
    size_t n = strlen(email);
    const char *key;
    struct listed *l;

    if (n == 0 || listed_find(a, email) != NULL)
        return;
    key = text_lower(email);
    l = xcalloc(1, sizeof(*l) + n + 1);
    memcpy(l->email, key, n + 1);
    text_free(key);
    HASH_ADD_KEYPTR(hh, a->listed, l->email, n, l);
}

void accounts_set_opts(struct accounts *a, const struct accounts_opts *opts)
{
    struct user *u;
    struct user *next;
    uint32_t i;

    CHECK(opts->session_idle_ms > 0 && opts->session_max_ms > 0 && opts->link_ms > 0);
    a->opts = *opts;
    a->opts.admin_emails = NULL;
    a->opts.n_admin_emails = 0;
    listed_clear(a);
    for (i = 0; i < opts->n_admin_emails; i++)
        listed_add(a, opts->admin_emails[i]);
    HASH_ITER(hh, a->users, u, next) {
        user_weigh(a, u);
    }
    a->over_at = 0; /* sessions may be over earlier than they were */
}

struct accounts *accounts_new(const struct accounts_opts *opts)
{
    struct accounts *a = xcalloc(1, sizeof(*a));
    /* A database that was just made may not have it yet. */
    const struct user_row op = {.id = {OPERATOR_ID},
                                .login = OPERATOR_LOGIN,
                                .email = "",
                                .first_name = "",
                                .last_name = "",
                                .position = "",
                                .zone = USER_ZONE_PRESET,
                                .mail = MAIL_CHOICES_PRESET,
                                .password = "",
                                .is_admin = true};

    a->next_user = 1;
    a->next_session = 1;
    a->next_token = 1;
    a->next_link = 1;
    a->next_audit = 1;
    accounts_set_opts(a, opts);
    (void)user_put(a, &op);
    return a;
}

void accounts_free(struct accounts *a)
{
    struct user *u;
    struct user *next;

    if (a == NULL)
        return;
    HASH_ITER(hh, a->users, u, next) {
        user_free(a, u);
    }
    listed_clear(a);
    free(a);
}

static void no_less(uint64_t *next, uint64_t id)
{
    if (*next < id)
        *next = id;
}

/* Rows that belong to nobody are passed over: they let nobody in. */
static void load_rest(struct accounts *a, const struct account_change *c)
{
    struct session *s;
    struct token *t;
    struct once *l;

    switch (c->kind) {
    case ACCOUNT_SESSION_DELETE:
        HASH_FIND(hh, a->sessions, &c->session.id, sizeof(c->session.id), s);
        if (s != NULL)
            session_end(a, s, NULL);
        return;
    case ACCOUNT_TOKEN_DELETE:
        HASH_FIND(hh, a->tokens, &c->token.id, sizeof(c->token.id), t);
        if (t != NULL)
            token_end(a, t, NULL);
        return;
    case ACCOUNT_LINK_DELETE:
        HASH_FIND(hh, a->links, &c->link.id, sizeof(c->link.id), l);
        if (l != NULL)
            once_end(a, l, NULL);
        return;
    case ACCOUNT_AUDIT_ADD:
        no_less(&a->next_audit, c->audit.id + 1);
        return;
    case ACCOUNT_AUDIT_SET: /* nothing of it is kept in memory */
        return;
    default:
        CHECK(!"a kind of change");
    }
}

void accounts_load(struct accounts *a, const struct account_change *c)
{
    struct user *u;

    switch (c->kind) {
    case ACCOUNT_IDS:
        no_less(&a->next_user, c->ids.user);
        no_less(&a->next_session, c->ids.session);
        no_less(&a->next_token, c->ids.token);
        no_less(&a->next_link, c->ids.link);
        no_less(&a->next_audit, c->ids.audit);
        return;
    case ACCOUNT_USER_PUT:
        (void)user_put(a, &c->user);
        return;
    case ACCOUNT_SESSION_PUT:
        (void)session_put(a, &c->session);
        return;
    case ACCOUNT_TOKEN_PUT:
        (void)token_put(a, &c->token);
        return;
    case ACCOUNT_LINK_PUT:
        (void)once_put(a, &c->link);
        return;
    case ACCOUNT_ENV:
        u = user_by_id(a, c->env.user.v);
        if (u != NULL)
            env_put(u, c->env.at, c->env.n);
        return;
    default:
        load_rest(a, c);
    }
}

/* ---- who is it ---- */

void accounts_each_admin_email(const struct accounts *a, void (*each)(void *ctx, const char *email),
                               void *ctx)
{
    const struct user *u;
    const struct listed *l;

    for (u = a->users; u != NULL; u = u->hh.next) {
        if (user_is_in(u) && u->email_key != NULL && accounts_role(a, &u->row) == ROLE_ADMIN)
            each(ctx, u->row.email);
    }
    /* One that a locked account has confirmed is that person's: not written to. */
    for (l = a->listed; l != NULL; l = l->hh.next) {
        if (user_by_email(a, l->email) == NULL)
            each(ctx, l->email);
    }
}

enum role accounts_role(const struct accounts *a, const struct user_row *u)
{
    if (u->deleted_at.ms != 0)
        return ROLE_NOBODY;
    if (u->id.v == OPERATOR_ID || u->is_admin)
        return ROLE_ADMIN;
    /* Only a confirmed address: whoever types an admin's address when signing up has shown nothing. */
    if (u->locked_at.ms == 0 && u->email_confirmed_at.ms != 0 && listed_find(a, u->email) != NULL)
        return ROLE_ADMIN;
    return u->verified_at.ms != 0 ? ROLE_USER : ROLE_UNVERIFIED;
}

void accounts_operator(const struct accounts *a, enum via via, struct principal *ret)
{
    const struct user *u = user_by_id(a, OPERATOR_ID);

    CHECK(u != NULL);
    *ret = (struct principal){
        .role = ROLE_ADMIN, .via = via, .scope = SCOPE_ADMIN, .user = u->row.id, .login = u->row.login};
}

static bool session_lives(const struct accounts *a, struct wall now, const struct principal *was)
{
    const struct session *s;

    HASH_FIND(hh, a->sessions, &was->id, sizeof(was->id), s);
    return s != NULL && s->row.user.v == was->user.v && !session_is_over(a, s, now);
}

static bool token_lives(const struct accounts *a, struct wall now, const struct principal *was,
                        enum token_scope *ret_scope)
{
    const struct token *t;

    HASH_FIND(hh, a->tokens, &was->id, sizeof(was->id), t);
    if (t == NULL || t->row.user.v != was->user.v || token_is_over(t, now))
        return false;
    *ret_scope = t->row.scope;
    return true;
}

bool accounts_again(const struct accounts *a, struct wall now, const struct principal *was,
                    struct principal *ret)
{
    const struct user *u = user_by_id(a, was->user.v);
    enum token_scope scope = SCOPE_ADMIN;

    if (was->via == VIA_NOTHING) {
        *ret = (struct principal){.login = "", .scope = SCOPE_ADMIN};
        return true;
    }
    if (was->via == VIA_HOST || was->via == VIA_OPEN) {
        accounts_operator(a, was->via, ret);
        return true;
    }
    if (u == NULL || !user_is_in(u))
        return false;
    if (was->via == VIA_SESSION ? !session_lives(a, now, was) : !token_lives(a, now, was, &scope))
        return false;
    *ret = (struct principal){.role = accounts_role(a, &u->row),
                              .via = was->via,
                              .scope = scope,
                              .user = u->row.id,
                              .id = was->id,
                              .login = u->row.login};
    return true;
}

const struct user_row *accounts_user(const struct accounts *a, struct user_id id)
{
    const struct user *u = user_by_id(a, id.v);

    return u == NULL ? NULL : &u->row;
}

const struct user_row *accounts_by_login(const struct accounts *a, const char *login)
{
    const struct user *u = user_by_login(a, login);

    return u == NULL ? NULL : &u->row;
}

const struct user_row *accounts_by_email(const struct accounts *a, const char *email)
{
    const struct user *u = user_by_email(a, email);

    return u == NULL ? NULL : &u->row;
}

bool accounts_has_admin(const struct accounts *a)
{
    return a->n_able_admins > 0;
}

uint32_t accounts_pending(const struct accounts *a)
{
    return a->n_pending;
}

void accounts_each_user(const struct accounts *a, void (*each)(void *ctx, const struct user_row *u),
                        void *ctx)
{
    struct user *u;
    struct user *next;

    HASH_ITER(hh, a->users, u, next) {
        each(ctx, &u->row);
    }
}

/* ---- what is over ---- */

struct sweep {
    struct accounts *a;
    struct wall now;
    uint32_t max;
    uint32_t n;
    int64_t next_at; /* of what is left, the first that will be over */
};

/* Must it go? Then it is counted. */
static bool sweep_takes(struct sweep *w, int64_t over_at)
{
    if (w->now.ms >= over_at && w->n < w->max) {
        w->n++;
        return true;
    }
    if (over_at < w->next_at)
        w->next_at = over_at;
    return false;
}

static void sweep_sessions(struct sweep *w, struct accounts_out *out)
{
    struct session *s;
    struct session *next;

    HASH_ITER(hh, w->a->sessions, s, next) {
        if (sweep_takes(w, session_over_at(w->a, s)))
            session_end(w->a, s, out);
    }
}

static void sweep_rest(struct sweep *w, struct accounts_out *out)
{
    struct token *t;
    struct token *next_token;
    struct once *l;
    struct once *next_link;

    HASH_ITER(hh, w->a->tokens, t, next_token) {
        if (t->row.expires_at.ms != 0 && sweep_takes(w, t->row.expires_at.ms))
            token_end(w->a, t, out);
    }
    HASH_ITER(hh, w->a->links, l, next_link) {
        if (sweep_takes(w, l->row.expires_at.ms))
            once_end(w->a, l, out);
    }
}

uint32_t accounts_expire(struct accounts *a, struct wall now, uint32_t max, struct accounts_out *out)
{
    struct sweep w = {.a = a, .now = now, .max = max, .next_at = INT64_MAX};

    if (now.ms < a->over_at)
        return 0;
    sweep_sessions(&w, out);
    sweep_rest(&w, out);
    a->over_at = w.next_at;
    return w.n;
}
