/* test_store_accounts.c - accounts and the audit log on disk: what was written comes back, all of it or none. */
#include "unit/test_store_world.h"

/* ---- rows as text, so that they can be compared ------------------------------------------------------------ */

static void put_times(struct buf *b, const struct wall *at, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        buf_printf(b, " %lld", (long long)at[i].ms);
}

static void put_digest(struct buf *b, const struct digest *d)
{
    uint32_t i;

    buf_putc(b, ' ');
    for (i = 0; i < DIGEST_BYTES; i++)
        buf_printf(b, "%02x", d->at[i]);
}

static void put_user(struct buf *b, const struct user_row *u)
{
    const struct wall at[] = {u->created_at, u->verified_at, u->email_confirmed_at,
                              u->locked_at,  u->deleted_at,  u->seen_at};

    buf_printf(b, "user %llu %s|%s|%s|%s|%s|%s|%s| %d", (unsigned long long)u->id.v, u->login, u->email,
               u->first_name, u->last_name, u->position, u->zone, u->password, u->is_admin);
    put_times(b, at, ARRAY_LEN(at));
    buf_puts(b, "\n");
}

static void put_env(struct buf *b, const struct account_change *c)
{
    uint32_t i;

    buf_printf(b, "env %llu", (unsigned long long)c->env.user.v);
    for (i = 0; i < c->env.n; i++)
        buf_printf(b, " %s=%s=%d", c->env.at[i].name, c->env.at[i].value, c->env.at[i].is_secret);
    buf_puts(b, "\n");
}

static void put_account_change(void *ctx, const struct account_change *c)
{
    struct buf *b = ctx;

    switch (c->kind) {
    case ACCOUNT_IDS:
        buf_printf(b, "ids %llu %llu %llu %llu %llu\n", (unsigned long long)c->ids.user,
                   (unsigned long long)c->ids.session, (unsigned long long)c->ids.token,
                   (unsigned long long)c->ids.link, (unsigned long long)c->ids.audit);
        break;
    case ACCOUNT_USER_PUT:
        put_user(b, &c->user);
        break;
    case ACCOUNT_SESSION_PUT:
        buf_printf(b, "session %llu %llu %s|%s|", (unsigned long long)c->session.id,
                   (unsigned long long)c->session.user.v, c->session.address, c->session.agent);
        put_digest(b, &c->session.digest);
        put_times(b, (const struct wall[]){c->session.created_at, c->session.seen_at}, 2);
        buf_puts(b, "\n");
        break;
    case ACCOUNT_TOKEN_PUT:
        buf_printf(b, "token %llu %llu %s|%s|%s|", (unsigned long long)c->token.id,
                   (unsigned long long)c->token.user.v, c->token.name, token_scope_name(c->token.scope),
                   c->token.used_from);
        put_digest(b, &c->token.digest);
        put_times(b, (const struct wall[]){c->token.created_at, c->token.expires_at, c->token.used_at}, 3);
        buf_puts(b, "\n");
        break;
    case ACCOUNT_LINK_PUT:
        buf_printf(b, "link %llu %llu %s|%s|", (unsigned long long)c->link.id,
                   (unsigned long long)c->link.user.v, link_purpose_name(c->link.purpose), c->link.email);
        put_digest(b, &c->link.digest);
        put_times(b, (const struct wall[]){c->link.created_at, c->link.expires_at}, 2);
        buf_puts(b, "\n");
        break;
    case ACCOUNT_ENV:
        put_env(b, c);
        break;
    default:
        buf_printf(b, "kind %d\n", c->kind);
        break;
    }
}

static char *boot_text(struct world *w)
{
    struct buf b;
    struct why why = {0};

    buf_init(&b, MIB(16));
    if (store_boot_accounts(w->st, put_account_change, &b, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return buf_take(&b, NULL);
}

/* The same after the store was closed and opened. */
static char *boot_again(struct world *w)
{
    world_reopen(w);
    return boot_text(w);
}

/* ---- rows to write ----------------------------------------------------------------------------------------- */

static struct digest digest_of(unsigned seed)
{
    struct digest d;
    unsigned i;

    for (i = 0; i < DIGEST_BYTES; i++)
        d.at[i] = (unsigned char)(seed * 7u + i * 11u); /* also NUL and bytes that are no text */
    return d;
}

static struct account_change a_user(uint64_t id, const char *login)
{
    struct account_change c = {.kind = ACCOUNT_USER_PUT};

    c.user = (struct user_row){.id = {id},
                               .login = login,
                               .email = NASTY,
                               .first_name = NASTY "1",
                               .last_name = NASTY "2",
                               .position = "",
                               .zone = "Europe/Berlin",
                               .password = "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA",
                               .is_admin = id % 2 == 1,
                               .created_at = {1700000000001},
                               .verified_at = {1700000000002},
                               .email_confirmed_at = {1700000000003},
                               .locked_at = {1700000000004},
                               .seen_at = {1700000000006}};
    return c;
}

static struct account_change a_session(uint64_t id, uint64_t user)
{
    struct account_change c = {.kind = ACCOUNT_SESSION_PUT};

    c.session = (struct session_row){.id = id,
                                     .user = {user},
                                     .digest = digest_of((unsigned)id),
                                     .created_at = {11},
                                     .seen_at = {12},
                                     .address = "2001:db8::1",
                                     .agent = NASTY};
    return c;
}

static struct account_change a_token(uint64_t id, uint64_t user, enum token_scope scope)
{
    struct account_change c = {.kind = ACCOUNT_TOKEN_PUT};

    c.token = (struct token_row){.id = id,
                                 .user = {user},
                                 .name = NASTY,
                                 .digest = digest_of(100 + (unsigned)id),
                                 .scope = scope,
                                 .created_at = {21},
                                 .expires_at = {22},
                                 .used_at = {23},
                                 .used_from = "10.0.0.9"};
    return c;
}

static struct account_change a_link(uint64_t id, uint64_t user, enum link_purpose purpose)
{
    struct account_change c = {.kind = ACCOUNT_LINK_PUT};

    c.link = (struct one_time_link_row){.id = id,
                                        .user = {user},
                                        .purpose = purpose,
                                        .digest = digest_of(200 + (unsigned)id),
                                        .email = NASTY,
                                        .created_at = {31},
                                        .expires_at = {32}};
    return c;
}

static const struct user_env_row env_lines[] = {
    {"PLAIN", "value", false}, {"A_SECRET", "sealed:" NASTY, true}, {"EMPTY", "", false}};

static struct account_change an_env(uint64_t user, uint32_t n)
{
    struct account_change c = {.kind = ACCOUNT_ENV};

    c.env.user.v = user;
    c.env.at = n > 0 ? env_lines : NULL;
    c.env.n = n;
    return c;
}

static struct account_change an_audit(uint64_t id, int64_t at, const char *action)
{
    struct account_change c = {.kind = ACCOUNT_AUDIT_ADD};

    c.audit = (struct audit_row){.id = id,
                                 .at = {at},
                                 .user = {1},
                                 .login = "operator",
                                 .via = "session",
                                 .address = "127.0.0.1",
                                 .action = action,
                                 .object = "",
                                 .detail = ""};
    return c;
}

static void submit_accounts(struct world *w, const struct account_change *c, uint32_t n)
{
    w->pending++;
    store_account_changes(w->st, c, n, on_done, w);
}

static void put_accounts(struct world *w, const struct account_change *c, uint32_t n)
{
    w->n_failed = 0;
    submit_accounts(w, c, n);
    settle(w);
    if (w->n_failed > 0)
        fail_msg("%s", w->last_why.text);
}

/* As put_accounts(), but it must fail, and leave nothing behind. */
static void refuse_accounts(struct world *w, const struct account_change *c, uint32_t n, const char *because)
{
    char *before = boot_text(w);
    char *after;

    w->n_failed = 0;
    submit_accounts(w, c, n);
    settle(w);
    assert_int_equal(w->n_failed, 1);
    assert_int_equal(w->last_err, ERR_IO);
    if (strstr(w->last_why.text, because) == NULL)
        fail_msg("'%s' does not say '%s'", w->last_why.text, because);
    after = boot_again(w);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* What the table says beside the store's own functions. */
static int64_t sql_number(struct world *w, const char *sql)
{
    struct db_stmt *s;
    struct db *db;
    char path[128];
    int64_t v = -1;

    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_READ}, &db, NULL), ERR_OK);
    s = db_built(db, sql);
    while (db_row(s))
        v = db_get_int(s);
    assert_int_equal(db_error(db, NULL), ERR_OK);
    db_close(db);
    return v;
}

static void sql_write(struct world *w, const char *sql)
{
    struct db *db;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_WRITE}, &db, NULL), ERR_OK);
    db_script(db, sql);
    assert_int_equal(db_error(db, NULL), ERR_OK);
    db_close(db);
}

/* ---- boot -------------------------------------------------------------------------------------------------- */

static void test_store_accounts__a_new_folder_has_the_operator_alone(void **state)
{
    struct world *w = *state;
    char *text = boot_text(w);
    char expected[200];
    long long made = sql_number(w, "SELECT applied_at FROM schema_version WHERE version = 1");

    assert_true(made > 0);
    (void)snprintf(expected, sizeof(expected),
                   "ids 2 1 1 1 1\nuser 1 operator|||||UTC|| 1 %lld %lld 0 0 0 0\n", made, made);
    assert_string_equal(text, expected);
    free(text);
}

static void test_store_accounts__a_folder_of_the_version_before_opens(void **state)
{
    struct world *w = *state;
    struct db *db;
    char path[128];
    char *text;

    store_close(w->st);
    w->st = NULL;
    (void)snprintf(path, sizeof(path), "%s/wrata.db", w->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(db_open(&(struct db_opts){&db_sqlite, path, DB_WRITE}, &db, NULL), ERR_OK);
    db_begin(db);
    db_script(db, "CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, "
                  "applied_at BIGINT NOT NULL)");
    db_script(db, migrations[0].sql);
    db_script(db,
              "INSERT INTO schema_version VALUES (1, 'first_tables', 1600000000000);"
              "INSERT INTO launches VALUES (5, 1, 0, '', 'old', '', '', 'as-given', 0, 0, 0, 120000, 0, 7, "
              "'running', '', 0, 0, '', x'');"
              "INSERT INTO launch_sums (launch) VALUES (5);"
              "INSERT INTO ids VALUES ('launch', 9)");
    assert_int_equal(db_commit(db, NULL), ERR_OK);
    db_close(db);
    assert_int_equal(world_open(w, NULL), ERR_OK);
    text = boot_text(w);
    assert_string_equal(text,
                        "ids 2 1 1 1 1\nuser 1 operator|||||UTC|| 1 1600000000000 1600000000000 0 0 0 0\n");
    free(text);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM launches WHERE name = 'old' AND user_id = 1"), 1);
    assert_int_equal(sql_number(w, "SELECT next_id FROM ids WHERE kind = 'launch'"), 9);
    assert_int_equal(sql_number(w, "SELECT MAX(version) FROM schema_version"), migrations_count);
}

static void test_store_accounts__boot_equals_what_was_written_in_its_order(void **state)
{
    struct world *w = *state;
    /* in the order in which boot gives them */
    const struct account_change rows[] = {a_user(1, "operator"),
                                          a_user(2, NASTY),
                                          a_user(3, "Mira"),
                                          a_session(7, 2),
                                          a_session(9, 3),
                                          a_token(4, 2, SCOPE_READ),
                                          a_token(5, 3, SCOPE_RUN),
                                          a_token(6, 3, SCOPE_ADMIN),
                                          a_link(11, 2, LINK_INVITE),
                                          a_link(12, 3, LINK_RESET),
                                          a_link(13, 3, LINK_CONFIRM),
                                          an_env(2, 1),
                                          an_env(3, ARRAY_LEN(env_lines))};
    /* written in another order, as far as each has its user before */
    const uint32_t order[] = {2, 12, 10, 7, 4, 0, 1, 11, 9, 8, 3, 6, 5};
    struct account_change c[ARRAY_LEN(rows)];
    struct buf expected;
    char *text;
    uint32_t i;

    for (i = 0; i < ARRAY_LEN(rows); i++)
        c[i] = rows[order[i]];
    put_accounts(w, c, ARRAY_LEN(c));
    buf_init(&expected, MIB(1));
    buf_puts(&expected, "ids 4 10 7 14 1\n");
    for (i = 0; i < ARRAY_LEN(rows); i++)
        put_account_change(&expected, &rows[i]);
    text = boot_text(w);
    assert_string_equal(text, buf_str(&expected));
    free(text);
    text = boot_again(w);
    assert_string_equal(text, buf_str(&expected));
    free(text);
    buf_done(&expected);
}

static void test_store_accounts__a_later_change_replaces_or_deletes(void **state)
{
    struct world *w = *state;
    struct account_change c[] = {a_user(2, "mira"),
                                 a_user(3, "ben"),
                                 a_session(1, 2),
                                 a_session(2, 2),
                                 a_token(1, 2, SCOPE_READ),
                                 a_token(2, 2, SCOPE_READ),
                                 a_link(1, 2, LINK_RESET),
                                 a_link(2, 2, LINK_RESET),
                                 an_env(2, 3),
                                 an_env(3, 2)};
    struct account_change d[] = {a_user(2, "mira"),
                                 a_session(1, 3),
                                 {.kind = ACCOUNT_SESSION_DELETE, .session = {.id = 2}},
                                 a_token(1, 3, SCOPE_ADMIN),
                                 {.kind = ACCOUNT_TOKEN_DELETE, .token = {.id = 2}},
                                 a_link(1, 3, LINK_CONFIRM),
                                 {.kind = ACCOUNT_LINK_DELETE, .link = {.id = 2}},
                                 an_env(2, 0),
                                 an_env(3, 1)};
    struct buf expected;
    char *text;

    put_accounts(w, c, ARRAY_LEN(c));
    d[0].user = (struct user_row){.id = {2},
                                  .login = "MIRA",
                                  .email = "",
                                  .first_name = "",
                                  .last_name = "",
                                  .position = "x",
                                  .zone = "Europe/Berlin",
                                  .password = "",
                                  .is_admin = true,
                                  .deleted_at = {5}};
    d[1].session.digest = digest_of(50);
    d[1].session.created_at.ms = 51;
    d[1].session.seen_at.ms = 52;
    d[1].session.address = "a";
    d[1].session.agent = "b";
    d[3].token.name = "c";
    d[3].token.digest = digest_of(60);
    d[3].token.created_at.ms = 61;
    d[3].token.expires_at.ms = 0;
    d[3].token.used_at.ms = 63;
    d[3].token.used_from = "";
    d[5].link.digest = digest_of(70);
    d[5].link.email = "d";
    d[5].link.created_at.ms = 71;
    d[5].link.expires_at.ms = 72;
    put_accounts(w, d, ARRAY_LEN(d));
    buf_init(&expected, MIB(1));
    put_account_change(&expected, &d[0]);
    put_account_change(&expected, &c[1]);
    put_account_change(&expected, &d[1]);
    put_account_change(&expected, &d[3]);
    put_account_change(&expected, &d[5]);
    put_account_change(&expected, &d[8]);
    text = boot_again(w);
    assert_ptr_equal(strstr(text, "ids 4 3 3 3 1\nuser 1 operator|"), text);
    assert_string_equal(strstr(text, "user 2 "), buf_str(&expected));
    free(text);
    buf_done(&expected);
}

static void test_store_accounts__an_id_is_never_given_twice(void **state)
{
    struct world *w = *state;
    struct account_change c[] = {a_user(2, "mira"),          a_session(30, 2),
                                 a_token(40, 2, SCOPE_READ), a_link(50, 2, LINK_RESET),
                                 an_audit(60, 1000, "a.b"),  an_audit(61, 1001, "a.b")};
    struct account_change d[] = {{.kind = ACCOUNT_SESSION_DELETE, .session = {.id = 30}},
                                 {.kind = ACCOUNT_TOKEN_DELETE, .token = {.id = 40}},
                                 {.kind = ACCOUNT_LINK_DELETE, .link = {.id = 50}}};
    uint64_t deleted = 77;
    char *text;

    put_accounts(w, c, ARRAY_LEN(c));
    put_accounts(w, d, ARRAY_LEN(d));
    w->pending++;
    store_audit_prune(w->st, (struct wall){9999}, 100, &deleted, on_done, w);
    settle(w);
    assert_int_equal(deleted, 2);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM audit"), 0);
    text = boot_again(w);
    assert_ptr_equal(strstr(text, "ids 3 31 41 51 62\n"), text);
    free(text);
}

static void test_store_accounts__a_damaged_digest_stops_the_boot(void **state)
{
    struct world *w = *state;
    struct account_change c[] = {a_user(2, "mira"), a_session(1, 2), an_env(2, 3)};
    struct why why = {0};
    struct buf b;

    put_accounts(w, c, ARRAY_LEN(c));
    sql_write(w, "UPDATE sessions SET digest = x'0102'");
    buf_init(&b, MIB(1));
    assert_int_equal(store_boot_accounts(w->st, put_account_change, &b, &why), ERR_IO);
    assert_non_null(strstr(why.text, "sessions"));
    assert_null(strstr(buf_str(&b), "session "));
    assert_null(strstr(buf_str(&b), "env "));
    buf_done(&b);
}

/* ---- all or none, in one order ----------------------------------------------------------------------------- */

static void test_store_accounts__a_login_is_unique_among_the_living(void **state)
{
    struct world *w = *state;
    struct account_change c[] = {a_user(2, "mira"), a_user(3, "gone"), a_user(4, "GONE"), a_user(5, "Gone")};
    struct account_change again = a_user(6, "MiRa");
    struct account_change renamed = a_user(5, "mirA");
    struct account_change operator_too = a_user(6, "Operator");

    c[1].user.deleted_at.ms = 5;
    c[2].user.deleted_at.ms = 6;
    put_accounts(w, c, ARRAY_LEN(c));
    refuse_accounts(w, &again, 1, "UNIQUE");
    refuse_accounts(w, &renamed, 1, "UNIQUE");
    refuse_accounts(w, &operator_too, 1, "UNIQUE");
    c[0].user.deleted_at.ms = 7;
    put_accounts(w, c, 1);
    put_accounts(w, &again, 1);
}

static void test_store_accounts__one_bad_change_refuses_all_of_its_batch(void **state)
{
    struct world *w = *state;
    struct account_change two[] = {a_user(2, "mira"), a_session(1, 2), a_token(1, 2, SCOPE_RUN)};
    struct account_change bad[][3] = {
        {a_user(3, "ben"), an_env(2, 3), a_session(2, 99)},
        {a_user(3, "ben"), a_token(2, 99, SCOPE_READ), an_env(3, 3)},
        {a_link(1, 99, LINK_RESET), a_user(3, "ben"), an_env(3, 3)},
        {a_user(3, "ben"), an_env(99, 1), a_session(2, 3)},
        {a_user(3, "ben"), {.kind = ACCOUNT_SESSION_DELETE, .session = {.id = 1}}, a_token(2, 3, SCOPE_RUN)},
    };
    uint32_t i;

    put_accounts(w, two, ARRAY_LEN(two));
    bad[4][2].token.digest = two[2].token.digest; /* a secret that somebody has */
    for (i = 0; i < ARRAY_LEN(bad); i++)
        refuse_accounts(w, bad[i], 3, i == 4 ? "UNIQUE" : "FOREIGN KEY");
}

static void test_store_accounts__a_failed_commit_fails_everything_after_it(void **state)
{
    struct world *w = *state;
    struct account_change c = a_user(2, "mira");
    uint64_t deleted = 5;

    fault_arm("db.commit", 1);
    submit_accounts(w, &c, 1);
    settle(w);
    assert_int_equal(w->last_err, ERR_IO);
    w->n_failed = 0;
    submit_accounts(w, NULL, 0);
    w->pending++;
    store_audit_prune(w->st, (struct wall){1}, 1, &deleted, on_done, w);
    put_changes(w, NULL, 0);
    settle(w);
    assert_int_equal(w->n_failed, 3);
    assert_int_equal(deleted, 0);
    world_reopen(w);
    put_accounts(w, &c, 1);
}

struct order {
    struct world *w;
    uint32_t next;
    uint32_t n_wrong;
};

struct numbered {
    struct order *o;
    uint32_t number;
};

static void on_numbered(void *ctx, enum err err, const struct why *why)
{
    struct numbered *n = ctx;

    (void)why;
    assert_int_equal(err, ERR_OK);
    if (n->o->next++ != n->number)
        n->o->n_wrong++;
    n->o->w->pending--;
}

#define N_ORDERED 2000u

static void test_store_accounts__all_items_go_in_one_order(void **state)
{
    struct world *w = *state;
    struct order o = {w, 0, 0};
    struct numbered n[N_ORDERED];
    struct account_change *c = xcalloc(N_ORDERED, sizeof(*c));
    struct change server = a_server(1, "local-1");
    uint64_t deleted = 0;
    uint32_t i;

    for (i = 0; i < N_ORDERED; i++) {
        n[i] = (struct numbered){&o, i};
        w->pending++;
        switch (i % 4) {
        case 0:
            c[i] = an_audit(i + 1, 1000, "a.b");
            store_account_changes(w->st, &c[i], 1, on_numbered, &n[i]);
            break;
        case 1:
            c[i].kind = ACCOUNT_AUDIT_SET; /* finds what the item before has added */
            c[i].audit = (struct audit_row){.id = i, .status = 200 + (int)(i % 100)};
            store_account_changes(w->st, &c[i], 1, on_numbered, &n[i]);
            break;
        case 2:
            store_changes(w->st, &server, 1, on_numbered, &n[i]);
            break;
        default:
            store_audit_prune(w->st, (struct wall){1000}, 1, &deleted, on_numbered, &n[i]);
            break;
        }
    }
    settle(w);
    assert_int_equal(o.n_wrong, 0);
    assert_int_equal(o.next, N_ORDERED);
    assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM audit WHERE status = 200 + id % 100"),
                     N_ORDERED / 4);
    free(c);
}

/* A child adds users, each with all that belongs to one, and says which were acknowledged; it is killed. */
static void child_writes(struct world *w, int out)
{
    uint64_t id;

    for (id = 2;; id++) {
        char login[32];
        struct account_change c[] = {a_user(id, login), a_session(id, id), an_env(id, 2),
                                     an_audit(id, (int64_t)id, "user.add")};

        (void)snprintf(login, sizeof(login), "u%llu", (unsigned long long)id);
        put_accounts(w, c, ARRAY_LEN(c));
        if (write(out, &id, sizeof(id)) != (ssize_t)sizeof(id))
            _exit(1);
    }
}

static uint64_t child_killed(struct world *w, struct rng *rng)
{
    uint64_t want = 2 + rng_below(rng, 30);
    uint64_t last = 0;
    uint64_t id;
    struct pollfd p = {.fd = -1};
    int pipes[2];
    pid_t pid;

    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (world_open(w, NULL) != ERR_OK)
            _exit(1);
        child_writes(w, pipes[1]);
    }
    (void)close(pipes[1]);
    while (last < want && read(pipes[0], &id, sizeof(id)) == (ssize_t)sizeof(id))
        last = id;
    (void)poll(&p, 1, (int)rng_below(rng, 3)); /* anywhere in a commit */
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (read(pipes[0], &id, sizeof(id)) == (ssize_t)sizeof(id))
        last = id;
    (void)close(pipes[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(last >= want);
    return last;
}

static void test_store_accounts__everything_acknowledged_survives_kill_9(void **state)
{
    struct world *w = *state;
    struct rng rng;
    int round;

    rng_seed(&rng, 23);
    for (round = 0; round < 5; round++) {
        int64_t last;
        int64_t users;

        store_close(w->st);
        w->st = NULL;
        (void)nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        last = (int64_t)child_killed(w, &rng);
        assert_int_equal(world_open(w, NULL), ERR_OK);
        users = sql_number(w, "SELECT MAX(id) FROM users");
        assert_in_range(users, last,
                        last + 1); /* at most one that was not acknowledged yet, and then whole */
        assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM users"), users);
        assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM sessions"), users - 1);
        assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM user_env"), 2 * (users - 1));
        assert_int_equal(sql_number(w, "SELECT COUNT(*) FROM audit"), users - 1);
        assert_int_equal(sql_number(w, "SELECT next_id FROM ids WHERE kind = 'audit'"), users + 1);
    }
}

/* ---- whose it is ------------------------------------------------------------------------------------------- */

struct owner {
    uint64_t id;
    struct user_id launch;
    struct user_id run;
    struct user_sums sums;
    enum err launch_err;
    enum err run_err;
    struct why launch_why;
    struct why run_why;
};

static void read_owner(struct reader *r, void *arg)
{
    struct owner *o = arg;

    o->launch_err = read_launch_user(r, (struct launch_id){o->id}, &o->launch, &o->launch_why);
    o->run_err = read_run_user(r, (struct run_id){o->id}, &o->run, &o->run_why);
    assert_int_equal(read_user_sums(r, (struct user_id){o->id}, &o->sums, NULL), ERR_OK);
}

static void test_store_accounts__launches_and_runs_say_whose_they_are(void **state)
{
    struct world *w = *state;
    struct owner o = {.id = 2};
    struct change c[] = {a_launch(1),          a_launch(2),         a_launch(3), a_launch(4),
                         a_test(1, 2, 0, "a"), a_run(2, 1, 2, "a"), a_launch(3)};

    c[0].launch.user.v = 2;
    c[1].launch.user.v = 7;
    c[2].launch.user.v = 2;
    c[3].launch.user.v = 2;
    c[6].kind = CHANGE_LAUNCH_SET;
    c[6].launch = (struct launch_row){.id = {3}, .state = LAUNCH_DONE, .outcome = OUTCOME_PASSED};
    put(w, c, ARRAY_LEN(c));
    read_now(w, read_owner, &o);
    assert_int_equal(o.launch_err, ERR_OK);
    assert_int_equal(o.launch.v, 7);
    assert_int_equal(o.run_err, ERR_OK);
    assert_int_equal(o.run.v, 7);
    assert_int_equal(o.sums.launches, 3);
    assert_int_equal(o.sums.launches_living, 2);
    o.id = 9;
    read_now(w, read_owner, &o);
    assert_int_equal(o.launch_err, ERR_NOTFOUND);
    assert_string_equal(o.launch_why.text, "there is no launch 9");
    assert_int_equal(o.run_err, ERR_NOTFOUND);
    assert_string_equal(o.run_why.text, "there is no run 9");
    assert_int_equal(o.sums.launches, 0);
    assert_int_equal(o.sums.launches_living, 0);
}

/* ---- the audit log ----------------------------------------------------------------------------------------- */

struct list {
    struct audit_filter f;
    struct page page;
    struct buf ids; /* "3 2 1 " */
    struct buf rows;
};

static void add_row(void *ctx, const struct audit_row *a)
{
    struct list *l = ctx;

    buf_printf(&l->ids, "%llu ", (unsigned long long)a->id);
    buf_printf(&l->rows, "%llu %lld %llu %s|%s|%s|%s|%s|%s| %d\n", (unsigned long long)a->id,
               (long long)a->at.ms, (unsigned long long)a->user.v, a->login, a->via, a->address, a->action,
               a->object, a->detail, a->status);
}

static void list_rows(struct reader *r, void *arg)
{
    struct list *l = arg;

    assert_int_equal(read_audit(r, &l->f, &l->page, add_row, l, NULL), ERR_OK);
}

/* All pages of `limit` rows behind row `after`, as ids in their order. */
static void expect_after(struct world *w, struct audit_filter f, uint64_t after, uint32_t limit,
                         const char *ids)
{
    struct list l = {.f = f, .page = {.after = after, .limit = limit}};

    buf_init(&l.ids, MIB(1));
    buf_init(&l.rows, MIB(1));
    do {
        read_now(w, list_rows, &l);
        l.page.after = l.page.next;
    } while (l.page.next != 0);
    assert_string_equal(buf_str(&l.ids), ids);
    buf_done(&l.ids);
    buf_done(&l.rows);
}

static void expect(struct world *w, struct audit_filter f, uint32_t limit, const char *ids)
{
    expect_after(w, f, 0, limit, ids);
}

static char *all_rows(struct world *w)
{
    struct list l = {.page = {.limit = 500}};

    buf_init(&l.ids, MIB(1));
    buf_init(&l.rows, MIB(1));
    read_now(w, list_rows, &l);
    buf_done(&l.ids);
    return buf_take(&l.rows, NULL);
}

static void test_store_accounts__audit_rows_are_added_and_completed(void **state)
{
    struct world *w = *state;
    struct account_change c[] = {an_audit(1, 1000, "launch.start"), an_audit(2, 1001, "launch.start"),
                                 an_audit(3, 1002, "launch.start"), an_audit(4, 1003, "launch.start"),
                                 an_audit(5, 1004, "session.start")};
    struct account_change d[4];
    char *text;
    uint32_t i;

    for (i = 0; i < 4; i++) {
        d[i].kind = ACCOUNT_AUDIT_SET;
        d[i].audit = (struct audit_row){.id = i + 1, .status = 200 + (int)i};
        c[i].audit.object = "o";
        c[i].audit.detail = "d";
    }
    d[1].audit.object = NASTY;
    d[2].audit.detail = NASTY;
    d[3].audit.object = "";
    d[3].audit.detail = "";
    c[4].audit = (struct audit_row){5,         {1004},    {0},       NASTY "1", NASTY "2",
                                    NASTY "3", NASTY "4", NASTY "5", NASTY "6", 401};
    put_accounts(w, c, ARRAY_LEN(c));
    put_accounts(w, d, ARRAY_LEN(d));
    world_reopen(w);
    text = all_rows(w);
    assert_string_equal(text,
                        "5 1004 0 " NASTY "1|" NASTY "2|" NASTY "3|" NASTY "4|" NASTY "5|" NASTY "6| 401\n"
                        "4 1003 1 operator|session|127.0.0.1|launch.start||| 203\n"
                        "3 1002 1 operator|session|127.0.0.1|launch.start|o|" NASTY "| 202\n"
                        "2 1001 1 operator|session|127.0.0.1|launch.start|" NASTY "|d| 201\n"
                        "1 1000 1 operator|session|127.0.0.1|launch.start|o|d| 200\n");
    free(text);
}

static void put_some_audit(struct world *w)
{
    struct account_change c[] = {an_audit(1, 1000, "launch.start"), an_audit(2, 2000, "launch.stop"),
                                 an_audit(3, 2000, "launch"),       an_audit(4, 3000, "launches.x"),
                                 an_audit(5, 4000, "user.add"),     an_audit(6, 5000, "launch.start")};

    c[0].audit.status = 201;
    c[1].audit.status = 399;
    c[2].audit.status = 400;
    c[3].audit.status = 503;
    c[0].audit.object = "launch 1";
    c[1].audit.object = "launch 1";
    c[2].audit.object = "launch 12";
    c[4].audit.object = NASTY;
    c[4].audit.user.v = 0;
    c[5].audit.user.v = 2;
    c[1].audit.user.v = 2;
    c[5].audit.status = 403;
    put_accounts(w, c, ARRAY_LEN(c));
}

static void test_store_accounts__audit_filters(void **state)
{
    struct world *w = *state;
    static const struct {
        struct audit_filter f;
        const char *ids;
    } cases[] = {
        {{.user = {0}}, "6 5 4 3 2 1 "},
        {{.user = {2}}, "6 2 "},
        {{.user = {3}}, ""},
        {{.action = "launch.start"}, "6 1 "},
        {{.action = "launch"}, "6 3 2 1 "},
        {{.action = "launch."}, ""},
        {{.action = "laun"}, ""},
        {{.action = "launc%"}, ""},
        {{.action = ""}, ""},
        {{.object = "launch 1"}, "2 1 "},
        {{.object = "LAUNCH 1"}, ""},
        {{.object = NASTY}, "5 "},
        {{.object = ""}, "6 4 "},
        {{.refused = true}, "6 4 3 "},
        {{.from = {2000}}, "6 5 4 3 2 "},
        {{.from = {2001}}, "6 5 4 "},
        {{.to = {2000}}, "1 "},
        {{.to = {2001}}, "3 2 1 "},
        {{.from = {2000}, .to = {4000}}, "4 3 2 "},
        {{.from = {4000}, .to = {2000}}, ""},
        {{.user = {2}, .action = "launch", .refused = true}, "6 "},
        {{.user = {1}, .action = "launch", .object = "launch 1"}, "1 "},
        {{.user = {2}, .action = "launch", .object = "launch 1", .from = {2000}, .to = {2001}}, "2 "},
        {{.action = "launch", .refused = true, .to = {5000}}, "3 "},
    };
    uint32_t limit;
    size_t i;

    put_some_audit(w);
    for (i = 0; i < ARRAY_LEN(cases); i++) {
        for (limit = 1; limit < 8; limit++)
            expect(w, cases[i].f, limit, cases[i].ids);
    }
}

static void test_store_accounts__audit_is_listed_by_time_when_the_clock_was_set_back(void **state)
{
    struct world *w = *state;
    struct account_change c[] = {an_audit(1, 1000, "a.a"), an_audit(2, 5000, "a.b"), an_audit(3, 2000, "a.c"),
                                 an_audit(4, 2000, "a.d"), an_audit(5, 9000, "a.e"), an_audit(6, 500, "b.a")};
    uint32_t limit;

    put_accounts(w, c, ARRAY_LEN(c));
    for (limit = 1; limit < 8; limit++) {
        expect(w, (struct audit_filter){.user = {0}}, limit, "5 2 4 3 1 6 ");
        expect(w, (struct audit_filter){.action = "a"}, limit, "5 2 4 3 1 ");
        expect(w, (struct audit_filter){.from = {1000}, .to = {5000}}, limit, "4 3 1 ");
        expect_after(w, (struct audit_filter){.to = {2000}}, 4, limit, "1 6 ");
        expect_after(w, (struct audit_filter){.to = {2000}}, 1, limit, "6 ");
        expect_after(w, (struct audit_filter){.to = {2000}}, 99, limit, "");
    }
}

static uint64_t prune(struct world *w, int64_t before, uint32_t max)
{
    uint64_t deleted = 99;

    w->n_failed = 0;
    w->pending++;
    store_audit_prune(w->st, (struct wall){before}, max, &deleted, on_done, w);
    settle(w);
    assert_int_equal(w->n_failed, 0);
    return deleted;
}

static void test_store_accounts__audit_is_pruned_in_steps_the_oldest_first(void **state)
{
    struct world *w = *state;
    struct account_change late = {.kind = ACCOUNT_AUDIT_SET, .audit = {.id = 1, .status = 200}};
    struct list l = {.page = {.limit = 2}};

    put_some_audit(w);
    assert_int_equal(prune(w, 1000, 10), 0);
    assert_int_equal(prune(w, 4000, 0), 0);
    assert_int_equal(prune(w, 4000, 3), 3);
    expect(w, (struct audit_filter){.user = {0}}, 50, "6 5 4 ");
    expect(w, (struct audit_filter){.object = "launch 1"}, 50, "");
    put_accounts(w, &late, 1); /* its row is gone: no fault, and it does not come back */
    buf_init(&l.ids, KIB(4));
    buf_init(&l.rows, KIB(4));
    read_now(w, list_rows, &l);
    assert_string_equal(buf_str(&l.ids), "6 5 ");
    assert_int_equal(l.page.next, 5);
    assert_int_equal(prune(w, 4001, 3), 2);
    assert_int_equal(prune(w, 4001, 3), 0);
    l.page.after = l.page.next; /* taken meanwhile, and all behind it, too */
    read_now(w, list_rows, &l);
    assert_string_equal(buf_str(&l.ids), "6 5 ");
    assert_int_equal(l.page.next, 0);
    world_reopen(w);
    expect(w, (struct audit_filter){.user = {0}}, 50, "6 ");
    buf_done(&l.ids);
    buf_done(&l.rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_accounts__##name, setup, teardown)
        TEST(a_new_folder_has_the_operator_alone),
        TEST(a_folder_of_the_version_before_opens),
        TEST(boot_equals_what_was_written_in_its_order),
        TEST(a_later_change_replaces_or_deletes),
        TEST(an_id_is_never_given_twice),
        TEST(a_damaged_digest_stops_the_boot),
        TEST(a_login_is_unique_among_the_living),
        TEST(one_bad_change_refuses_all_of_its_batch),
        TEST(a_failed_commit_fails_everything_after_it),
        TEST(all_items_go_in_one_order),
        TEST(everything_acknowledged_survives_kill_9),
        TEST(launches_and_runs_say_whose_they_are),
        TEST(audit_rows_are_added_and_completed),
        TEST(audit_filters),
        TEST(audit_is_listed_by_time_when_the_clock_was_set_back),
        TEST(audit_is_pruned_in_steps_the_oldest_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
