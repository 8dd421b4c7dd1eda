/* test_store_accounts_walk.c - accounts that were saved and read again are those that were never away.
 *
 * A random walk over the commands of accounts/, each saved like the server saves it; now and then the store is closed,
 * opened and replayed into fresh accounts, which must say the same of everybody and then walk on in their place. */
#include "unit/test_store_world.h"

#include "accounts/accounts.h"

#define STEPS 600u
#define REPLAY_EVERY 60u
#define LINES_MAX 4096u
#define SECRETS 240u

/* ---- all that accounts say, as sorted lines ----------------------------------------------------------------- */

struct lines {
    const struct accounts *a;
    char *at[LINES_MAX];
    uint32_t n;
};

static void add_line(struct lines *l, struct buf *b)
{
    assert_true(l->n < LINES_MAX);
    l->at[l->n++] = buf_take(b, NULL);
}

static void add_session(void *ctx, const struct session_row *s)
{
    struct buf b;

    buf_init(&b, KIB(64));
    buf_printf(&b, "session %llu %llu %02x %lld %lld %s %s", (unsigned long long)s->id,
               (unsigned long long)s->user.v, s->digest.at[0], (long long)s->created_at.ms,
               (long long)s->seen_at.ms, s->address, s->agent);
    add_line(ctx, &b);
}

static void add_token(void *ctx, const struct token_row *t)
{
    struct buf b;

    buf_init(&b, KIB(64));
    buf_printf(&b, "token %llu %llu %02x %s %d %lld %lld %lld %s", (unsigned long long)t->id,
               (unsigned long long)t->user.v, t->digest.at[0], t->name, t->scope, (long long)t->created_at.ms,
               (long long)t->expires_at.ms, (long long)t->used_at.ms, t->used_from);
    add_line(ctx, &b);
}

static void add_user(void *ctx, const struct user_row *u)
{
    struct lines *l = ctx;
    struct buf b;
    const struct user_env_row *env_at;
    uint32_t n = 0;
    uint32_t i;

    buf_init(&b, KIB(256));
    buf_printf(&b, "user %llu %s|%s|%s|%s|%s|%s| %d %d %lld %lld %lld %lld %lld %lld",
               (unsigned long long)u->id.v, u->login, u->email, u->first_name, u->last_name, u->position,
               u->password, u->is_admin, accounts_role(l->a, u), (long long)u->created_at.ms,
               (long long)u->verified_at.ms, (long long)u->email_confirmed_at.ms, (long long)u->locked_at.ms,
               (long long)u->deleted_at.ms, (long long)u->seen_at.ms);
    env_at = accounts_env(l->a, u->id, &n);
    for (i = 0; i < n; i++)
        buf_printf(&b, " %s=%s=%d", env_at[i].name, env_at[i].value, env_at[i].is_secret);
    add_line(l, &b);
    accounts_each_session(l->a, u->id, add_session, l);
    accounts_each_token(l->a, u->id, add_token, l);
}

static struct digest secret(uint64_t n)
{
    struct digest d = {0};

    d.at[0] = (unsigned char)n;
    d.at[1] = (unsigned char)(n >> 8);
    d.at[31] = 0xff;
    return d;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *all_of(const struct accounts *a, struct wall now)
{
    struct lines *l = xcalloc(1, sizeof(*l));
    struct buf all;
    uint32_t i;

    l->a = a;
    accounts_each_user(a, add_user, l);
    qsort(l->at, l->n, sizeof(l->at[0]), by_text);
    buf_init(&all, MIB(16));
    for (i = 0; i < l->n; i++) {
        buf_printf(&all, "%s\n", l->at[i]);
        free(l->at[i]);
    }
    for (i = 0; i < SECRETS; i++) {
        enum link_purpose purpose;
        struct user_id user;
        struct digest d = secret(i);

        if (accounts_look_link(a, now, &d, &purpose, &user, NULL) == ERR_OK)
            buf_printf(&all, "link %u %d %llu\n", i, purpose, (unsigned long long)user.v);
    }
    buf_printf(&all, "admin %d pending %u\n", accounts_has_admin(a), accounts_pending(a));
    free(l);
    return buf_take(&all, NULL);
}

/* ---- the walk ------------------------------------------------------------------------------------------------ */

struct walk {
    struct world *w;
    struct accounts *a;
    struct rng rng;
    struct wall now;
    uint64_t n_secrets;
    uint64_t last_audit;
    struct accounts_out out;
    uint32_t n_done; /* commands that were not refused */
};

static const char *const emails[] = {"root@example.org", "b@example.org"};
static const struct accounts_opts opts = {.session_idle_ms = 40000,
                                          .session_max_ms = 200000,
                                          .link_ms = 30000,
                                          .admin_emails = emails,
                                          .n_admin_emails = 1};

static void load_one(void *ctx, const struct account_change *c)
{
    accounts_load(ctx, c);
}

static struct accounts *replayed(struct world *w)
{
    struct accounts *a = accounts_new(&opts);
    struct why why = {0};

    if (store_boot_accounts(w->st, load_one, a, &why) != ERR_OK)
        fail_msg("%s", why.text);
    accounts_check(a);
    return a;
}

static struct user_id any_user(struct walk *k)
{
    return (struct user_id){1 + rng_below(&k->rng, 25)};
}

static bool coin(struct walk *k)
{
    return rng_below(&k->rng, 2) == 0;
}

/* One of the newest, most of which live; or one that nobody had. */
static struct digest any_secret(struct walk *k)
{
    return secret(k->n_secrets - rng_below(&k->rng, k->n_secrets < 20 ? k->n_secrets + 1 : 20));
}

static enum err step_users(struct walk *k, struct user_id u)
{
    char login[32];
    char name[64];
    struct user_id made;
    struct new_user in = {
        .login = login, .email = emails[rng_below(&k->rng, 2)], .first_name = NASTY, .verified = coin(k)};
    struct profile p = {.email = coin(k) ? emails[rng_below(&k->rng, 2)] : NULL, .last_name = name};

    (void)snprintf(login, sizeof(login), "%cser%llu", coin(k) ? 'u' : 'U',
                   (unsigned long long)rng_below(&k->rng, 30));
    (void)snprintf(name, sizeof(name), "it's %llu", (unsigned long long)rng_below(&k->rng, 9));
    in.first_name = name;
    switch (rng_below(&k->rng, 8)) {
    case 0:
    case 1:
        return accounts_add(k->a, k->now, &in, &k->out, &made, NULL);
    case 2:
        return accounts_edit(k->a, u, &p, &k->out, NULL);
    case 3:
        return accounts_set_verified(k->a, k->now, u, coin(k), &k->out, NULL);
    case 4:
        return accounts_set_locked(k->a, k->now, u, rng_below(&k->rng, 4) == 0, &k->out, NULL);
    case 5:
        return accounts_set_admin(k->a, u, coin(k), &k->out, NULL);
    case 6:
        return accounts_confirm_email(k->a, k->now, u, &k->out, NULL);
    default:
        return rng_below(&k->rng, 3) != 0 ? ERR_OK : accounts_delete(k->a, k->now, u, &k->out, NULL);
    }
}

static enum err step_keys(struct walk *k, struct user_id u)
{
    struct digest fresh = secret(k->n_secrets);
    struct digest old = any_secret(k);
    struct wall expires;
    struct principal who;
    char name[32];
    struct new_token token = {name, (enum token_scope)rng_below(&k->rng, SCOPE_COUNT), {0}, &fresh};
    uint64_t id;

    (void)snprintf(name, sizeof(name), "t'%llu", (unsigned long long)rng_below(&k->rng, 20));
    token.expires_at.ms = coin(k) ? 0 : k->now.ms + 30000;
    switch (rng_below(&k->rng, 8)) {
    case 0:
    case 1:
        k->n_secrets++;
        return accounts_sign_in(k->a, k->now, u, &fresh, "10.0.0.1", "it's \"me\"", &k->out, &id, NULL);
    case 2:
        k->n_secrets++;
        return accounts_add_token(k->a, k->now, u, &token, &k->out, &id, NULL);
    case 3:
        k->n_secrets++;
        return accounts_add_link(k->a, k->now, u, (enum link_purpose)rng_below(&k->rng, LINK_PURPOSE_COUNT),
                                 coin(k), &fresh, &k->out, &expires, NULL);
    case 4:
        return accounts_use_link(k->a, k->now, &old, "$argon2id$again", &k->out, &u, NULL);
    case 5:
        return accounts_remove_token(k->a, u, 1 + rng_below(&k->rng, 40), &k->out, NULL);
    case 6:
        return accounts_session(k->a, k->now, &old, "10.0.0.2", &who, &k->out) ? ERR_OK : ERR_NOTFOUND;
    default:
        return accounts_token(k->a, k->now, &old, "10.0.0.3", &who, &k->out) ? ERR_OK : ERR_NOTFOUND;
    }
}

static enum err step_rest(struct walk *k, struct user_id u)
{
    const struct user_env_row lines[] = {
        {"A", NASTY, false}, {"B", "sealed:long enough", true}, {"C", "", false}};
    const struct audit_row row = {.at = k->now,
                                  .user = u,
                                  .login = "l",
                                  .via = "session",
                                  .address = "a",
                                  .action = "user.edit",
                                  .object = "o",
                                  .detail = "d"};

    switch (rng_below(&k->rng, 5)) {
    case 0:
        return accounts_set_env(k->a, u, lines, (uint32_t)rng_below(&k->rng, 4), &k->out, NULL);
    case 1:
        k->last_audit = accounts_audit(k->a, &row, &k->out);
        return ERR_OK;
    case 2:
        if (k->last_audit == 0)
            return ERR_OK;
        accounts_audit_end(k->a, k->last_audit, 204, NULL, "it's done", &k->out);
        return ERR_OK;
    case 3:
        (void)accounts_expire(k->a, k->now, 5, &k->out);
        return ERR_OK;
    default:
        return accounts_set_password(k->a, u, "$argon2id$it", rng_below(&k->rng, 9), &k->out, NULL);
    }
}

static void step(struct walk *k)
{
    struct user_id u = any_user(k);
    uint64_t which = rng_below(&k->rng, 6);
    enum err err;

    k->now.ms += (int64_t)rng_below(&k->rng, 2000);
    accounts_out_init(&k->out);
    err = which < 2 ? step_users(k, u) : which < 5 ? step_keys(k, u) : step_rest(k, u);
    if (err == ERR_OK)
        k->n_done++;
    accounts_check(k->a);
    k->w->pending++;
    store_account_changes(k->w->st, k->out.at, k->out.n, on_done, k->w);
    settle(k->w);
    if (k->w->n_failed > 0)
        fail_msg("%s", k->w->last_why.text);
    accounts_out_done(&k->out);
}

static void replay(struct walk *k)
{
    struct accounts *fresh;
    char *before = all_of(k->a, k->now);
    char *after;

    world_reopen(k->w);
    fresh = replayed(k->w);
    after = all_of(fresh, k->now);
    assert_string_equal(before, after);
    free(before);
    free(after);
    accounts_free(k->a);
    k->a = fresh;
}

static void test_store_accounts_walk__saved_and_replayed_is_the_same(void **state)
{
    uint64_t seed;

    for (seed = 1; seed <= 2; seed++) {
        struct walk k = {.w = *state, .now = {1700000000000}};
        uint32_t i;

        rng_seed(&k.rng, seed);
        k.n_secrets = (seed - 1) * SECRETS / 2;
        k.a = replayed(k.w);
        for (i = 1; i <= STEPS && k.n_secrets < seed * SECRETS / 2; i++) {
            step(&k);
            if (i % REPLAY_EVERY == 0)
                replay(&k);
        }
        replay(&k);
        assert_true(k.n_done > 50);
        accounts_free(k.a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_accounts_walk__##name, setup, teardown)
        TEST(saved_and_replayed_is_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
