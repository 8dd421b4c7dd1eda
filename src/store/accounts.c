/* accounts.c - users, sessions, API tokens, one-time links and users' variables: a change is a row, boot gives the
 * rows back as the same changes. Nothing is read in between: accounts/ holds all of it in memory. */
#include <string.h>

#include "store/store_private.h"

#define USER_COLUMNS                                                                      \
    "id, login, email, first_name, last_name, position, password, is_admin, created_at, " \
    "verified_at, email_confirmed_at, locked_at, deleted_at, seen_at, zone, "             \
    "mail_launches, mail_launch_min_s, mail_schedule_launches, mail_schedule_failed, "    \
    "mail_schedule_missed, mail_schedule_disabled"
#define SESSION_COLUMNS "id, user_id, digest, created_at, seen_at, address, agent"
#define TOKEN_COLUMNS "id, user_id, name, digest, scope, created_at, expires_at, used_at, used_from"
#define LINK_COLUMNS "id, user_id, purpose, digest, email, created_at, expires_at"

/* ---- change -> SQL --------------------------------------------------------------------------------------- */

static void bind_choices(struct db_stmt *s, const struct mail_choices *c)
{
    db_text(s, mail_when_name(c->launches));
    db_uint(s, c->launch_min_s);
    db_text(s, mail_when_name(c->schedule_launches));
    db_int(s, c->schedule_failed);
    db_int(s, c->schedule_missed);
    db_int(s, c->schedule_disabled);
}

static void user_put(struct writer *w, const struct user_row *row)
{
    struct db_stmt *s;

    ids_used(w, ID_USER, row->id.v);
    s = db_sql(w->db,
               "INSERT INTO users (" USER_COLUMNS ") VALUES "
               "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
               "ON CONFLICT (id) DO UPDATE SET login = excluded.login, email = excluded.email, "
               "first_name = excluded.first_name, last_name = excluded.last_name, "
               "position = excluded.position, password = excluded.password, is_admin = excluded.is_admin, "
               "created_at = excluded.created_at, verified_at = excluded.verified_at, "
               "email_confirmed_at = excluded.email_confirmed_at, locked_at = excluded.locked_at, "
               "deleted_at = excluded.deleted_at, seen_at = excluded.seen_at, zone = excluded.zone, "
               "mail_launches = excluded.mail_launches, mail_launch_min_s = excluded.mail_launch_min_s, "
               "mail_schedule_launches = excluded.mail_schedule_launches, "
               "mail_schedule_failed = excluded.mail_schedule_failed, "
               "mail_schedule_missed = excluded.mail_schedule_missed, "
               "mail_schedule_disabled = excluded.mail_schedule_disabled");
    db_uint(s, row->id.v);
    db_text(s, row->login);
    db_text(s, row->email);
    db_text(s, row->first_name);
    db_text(s, row->last_name);
    db_text(s, row->position);
    db_text(s, row->password);
    db_int(s, row->is_admin);
    db_int(s, row->created_at.ms);
    db_int(s, row->verified_at.ms);
    db_int(s, row->email_confirmed_at.ms);
    db_int(s, row->locked_at.ms);
    db_int(s, row->deleted_at.ms);
    db_int(s, row->seen_at.ms);
    db_text(s, row->zone);
    bind_choices(s, &row->mail);
    (void)db_run(s);
    if (row->deleted_at.ms != 0) {
        lists_of_user_gone(w, row);
        hooks_of_user_gone(w, row->id);
    }
}

static void session_put(struct writer *w, const struct session_row *row)
{
    struct db_stmt *s;

    ids_used(w, ID_SESSION, row->id);
    s = db_sql(w->db,
               "INSERT INTO sessions (" SESSION_COLUMNS ") VALUES (?,?,?,?,?,?,?) "
               "ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, digest = excluded.digest, "
               "created_at = excluded.created_at, seen_at = excluded.seen_at, address = excluded.address, "
               "agent = excluded.agent");
    db_uint(s, row->id);
    db_uint(s, row->user.v);
    db_bytes(s, row->digest.at, DIGEST_BYTES);
    db_int(s, row->created_at.ms);
    db_int(s, row->seen_at.ms);
    db_text(s, row->address);
    db_text(s, row->agent);
    (void)db_run(s);
}

static void token_put(struct writer *w, const struct token_row *row)
{
    struct db_stmt *s;

    ids_used(w, ID_TOKEN, row->id);
    s = db_sql(w->db, "INSERT INTO api_tokens (" TOKEN_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?) "
                      "ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, name = excluded.name, "
                      "digest = excluded.digest, scope = excluded.scope, created_at = excluded.created_at, "
                      "expires_at = excluded.expires_at, used_at = excluded.used_at, "
                      "used_from = excluded.used_from");
    db_uint(s, row->id);
    db_uint(s, row->user.v);
    db_text(s, row->name);
    db_bytes(s, row->digest.at, DIGEST_BYTES);
    db_text(s, token_scope_name(row->scope));
    db_int(s, row->created_at.ms);
    db_int(s, row->expires_at.ms);
    db_int(s, row->used_at.ms);
    db_text(s, row->used_from);
    (void)db_run(s);
}

static void link_put(struct writer *w, const struct one_time_link_row *row)
{
    struct db_stmt *s;

    ids_used(w, ID_LINK, row->id);
    s = db_sql(w->db,
               "INSERT INTO one_time_links (" LINK_COLUMNS ") VALUES (?,?,?,?,?,?,?) "
               "ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, purpose = excluded.purpose, "
               "digest = excluded.digest, email = excluded.email, created_at = excluded.created_at, "
               "expires_at = excluded.expires_at");
    db_uint(s, row->id);
    db_uint(s, row->user.v);
    db_text(s, link_purpose_name(row->purpose));
    db_bytes(s, row->digest.at, DIGEST_BYTES);
    db_text(s, row->email);
    db_int(s, row->created_at.ms);
    db_int(s, row->expires_at.ms);
    (void)db_run(s);
}

static void env_put(struct writer *w, struct user_id user, const struct user_env_row *lines, uint32_t n)
{
    struct db_stmt *s = db_sql(w->db, "DELETE FROM user_env WHERE user_id = ?");
    uint32_t i;

    db_uint(s, user.v);
    (void)db_run(s);
    for (i = 0; i < n; i++) {
        s = db_sql(w->db,
                   "INSERT INTO user_env (user_id, position, name, value, is_secret) VALUES (?,?,?,?,?)");
        db_uint(s, user.v);
        db_uint(s, i);
        db_text(s, lines[i].name);
        db_text(s, lines[i].value);
        db_int(s, lines[i].is_secret);
        (void)db_run(s);
    }
}

static void delete_row(struct writer *w, const char *literal, uint64_t id)
{
    struct db_stmt *s = db_sql(w->db, literal);

    db_uint(s, id);
    (void)db_run(s);
}

void account_change_write(struct writer *w, const struct account_change *c)
{
    switch (c->kind) {
    case ACCOUNT_USER_PUT:
        user_put(w, &c->user);
        if (c->user.deleted_at.ms != 0)
            own_locations_delete(w, c->user.id);
        break;
    case ACCOUNT_SESSION_PUT:
        session_put(w, &c->session);
        break;
    case ACCOUNT_SESSION_DELETE:
        delete_row(w, "DELETE FROM sessions WHERE id = ?", c->session.id);
        break;
    case ACCOUNT_TOKEN_PUT:
        token_put(w, &c->token);
        break;
    case ACCOUNT_TOKEN_DELETE:
        delete_row(w, "DELETE FROM api_tokens WHERE id = ?", c->token.id);
        break;
    case ACCOUNT_LINK_PUT:
        link_put(w, &c->link);
        break;
    case ACCOUNT_LINK_DELETE:
        delete_row(w, "DELETE FROM one_time_links WHERE id = ?", c->link.id);
        break;
    case ACCOUNT_ENV:
        env_put(w, c->env.user, c->env.at, c->env.n);
        break;
    case ACCOUNT_AUDIT_ADD:
        audit_add(w, &c->audit);
        break;
    case ACCOUNT_AUDIT_SET:
        audit_set(w, &c->audit);
        break;
    case ACCOUNT_IDS:
    case ACCOUNT_CHANGE_KIND_COUNT:
        CHECK(!"a change that only boot makes");
        break;
    }
}

/* ---- boot ------------------------------------------------------------------------------------------------ */

static struct digest get_digest(struct db *db, struct db_stmt *s, const char *table)
{
    struct slice bytes = db_get_bytes(s);
    struct digest d = {0};

    if (bytes.len == DIGEST_BYTES)
        memcpy(d.at, bytes.ptr, DIGEST_BYTES);
    else
        db_fail(db, "a digest in the table %s has %zu bytes, not %u: restore the database from a backup",
                table, bytes.len, DIGEST_BYTES);
    return d;
}

/* A word that this version does not know is the preset. */
static enum mail_when get_when(struct db_stmt *s)
{
    enum mail_when w = mail_when_parse(db_get_text(s));

    return w == WHEN_AS_CHOSEN || w == MAIL_WHEN_COUNT ? WHEN_FAILED : w;
}

static void get_choices(struct db_stmt *s, struct mail_choices *c)
{
    c->launches = get_when(s);
    c->launch_min_s = (uint32_t)db_get_uint(s);
    c->schedule_launches = get_when(s);
    c->schedule_failed = db_get_int(s) != 0;
    c->schedule_missed = db_get_int(s) != 0;
    c->schedule_disabled = db_get_int(s) != 0;
}

static void users_boot(struct reader *r, account_change_fn *each, void *ctx)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " USER_COLUMNS " FROM users ORDER BY id");

    while (db_row(s)) {
        struct account_change c = {.kind = ACCOUNT_USER_PUT};

        c.user.id.v = db_get_uint(s);
        c.user.login = db_get_text(s);
        c.user.email = db_get_text(s);
        c.user.first_name = db_get_text(s);
        c.user.last_name = db_get_text(s);
        c.user.position = db_get_text(s);
        c.user.password = db_get_text(s);
        c.user.is_admin = db_get_int(s) != 0;
        c.user.created_at.ms = db_get_int(s);
        c.user.verified_at.ms = db_get_int(s);
        c.user.email_confirmed_at.ms = db_get_int(s);
        c.user.locked_at.ms = db_get_int(s);
        c.user.deleted_at.ms = db_get_int(s);
        c.user.seen_at.ms = db_get_int(s);
        c.user.zone = db_get_text(s);
        get_choices(s, &c.user.mail);
        each(ctx, &c);
    }
}

static void sessions_boot(struct reader *r, account_change_fn *each, void *ctx)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " SESSION_COLUMNS " FROM sessions ORDER BY id");

    while (db_row(s)) {
        struct account_change c = {.kind = ACCOUNT_SESSION_PUT};

        c.session.id = db_get_uint(s);
        c.session.user.v = db_get_uint(s);
        c.session.digest = get_digest(r->db, s, "sessions");
        c.session.created_at.ms = db_get_int(s);
        c.session.seen_at.ms = db_get_int(s);
        c.session.address = db_get_text(s);
        c.session.agent = db_get_text(s);
        if (!db_failed(r->db))
            each(ctx, &c);
    }
}

static void tokens_boot(struct reader *r, account_change_fn *each, void *ctx)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " TOKEN_COLUMNS " FROM api_tokens ORDER BY id");

    while (db_row(s)) {
        struct account_change c = {.kind = ACCOUNT_TOKEN_PUT};

        c.token.id = db_get_uint(s);
        c.token.user.v = db_get_uint(s);
        c.token.name = db_get_text(s);
        c.token.digest = get_digest(r->db, s, "api_tokens");
        c.token.scope = scope_of(db_get_text(s));
        c.token.created_at.ms = db_get_int(s);
        c.token.expires_at.ms = db_get_int(s);
        c.token.used_at.ms = db_get_int(s);
        c.token.used_from = db_get_text(s);
        if (!db_failed(r->db))
            each(ctx, &c);
    }
}

static void links_boot(struct reader *r, account_change_fn *each, void *ctx)
{
    struct db_stmt *s = db_sql(r->db, "SELECT " LINK_COLUMNS " FROM one_time_links ORDER BY id");

    while (db_row(s)) {
        struct account_change c = {.kind = ACCOUNT_LINK_PUT};

        c.link.id = db_get_uint(s);
        c.link.user.v = db_get_uint(s);
        c.link.purpose = purpose_of(db_get_text(s));
        c.link.digest = get_digest(r->db, s, "one_time_links");
        c.link.email = db_get_text(s);
        c.link.created_at.ms = db_get_int(s);
        c.link.expires_at.ms = db_get_int(s);
        if (!db_failed(r->db))
            each(ctx, &c);
    }
}

/* The lines of one user, gathered until the next one's begin. */
struct env_lines {
    struct user_id user;
    struct user_env_row *at;
    uint32_t n;
    uint32_t cap;
};

static void env_give(struct reader *r, struct env_lines *l, account_change_fn *each, void *ctx)
{
    struct account_change c = {.kind = ACCOUNT_ENV};

    if (l->n > 0 && !db_failed(r->db)) {
        c.env.user = l->user;
        c.env.at = l->at;
        c.env.n = l->n;
        each(ctx, &c);
    }
    l->n = 0;
    arena_reset(&r->row);
}

static void env_boot(struct reader *r, account_change_fn *each, void *ctx)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT user_id, name, value, is_secret FROM user_env ORDER BY user_id, position");
    struct env_lines l = {0};

    arena_reset(&r->row);
    while (db_row(s)) {
        uint64_t user = db_get_uint(s);
        struct user_env_row *line;

        if (user != l.user.v)
            env_give(r, &l, each, ctx);
        l.user.v = user;
        if (l.n == l.cap) {
            l.cap = l.cap == 0 ? 16 : l.cap * 2;
            l.at = xrealloc(l.at, l.cap * sizeof(*l.at));
        }
        line = &l.at[l.n++];
        line->name = arena_strdup(&r->row, db_get_text(s));
        line->value = arena_strdup(&r->row, db_get_text(s));
        line->is_secret = db_get_int(s) != 0;
    }
    env_give(r, &l, each, ctx);
    free(l.at);
}

void accounts_boot(struct reader *r, account_change_fn *each, void *ctx)
{
    struct account_change ids;

    ids_boot_accounts(r->db, &ids);
    if (!db_failed(r->db))
        each(ctx, &ids);
    users_boot(r, each, ctx);
    sessions_boot(r, each, ctx);
    tokens_boot(r, each, ctx);
    links_boot(r, each, ctx);
    env_boot(r, each, ctx);
}

/* ---- what belongs to whom -------------------------------------------------------------------------------- */

enum err read_launch_user(struct reader *r, struct launch_id id, struct user_id *ret, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT user_id FROM launches WHERE id = ?");
    bool found = false;

    db_uint(s, id.v);
    while (db_row(s)) {
        found = true;
        ret->v = db_get_uint(s);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no launch %llu", (unsigned long long)id.v);
    return db_error(r->db, reterr);
}

enum err read_run_user(struct reader *r, struct run_id id, struct user_id *ret, struct why *reterr)
{
    struct db_stmt *s =
        db_sql(r->db, "SELECT l.user_id FROM runs r JOIN launches l ON l.id = r.launch WHERE r.id = ?");
    bool found = false;

    db_uint(s, id.v);
    while (db_row(s)) {
        found = true;
        ret->v = db_get_uint(s);
    }
    if (!found && !db_failed(r->db))
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no run %llu", (unsigned long long)id.v);
    return db_error(r->db, reterr);
}

enum err read_user_sums(struct reader *r, struct user_id id, struct user_sums *ret, struct why *reterr)
{
    struct db_stmt *s = db_sql(r->db, "SELECT COUNT(*) FROM launches WHERE user_id = ?");

    *ret = (struct user_sums){0};
    db_uint(s, id.v);
    while (db_row(s))
        ret->launches = db_get_uint(s);
    /* The plus keeps it away from launches_user: few launches live, and a user may have had very many. */
    s = db_sql(r->db, "SELECT COUNT(*) FROM launches l WHERE l.state <> 'done' AND +l.user_id = ?");
    db_uint(s, id.v);
    while (db_row(s))
        ret->launches_living = db_get_uint(s);
    return db_error(r->db, reterr);
}
