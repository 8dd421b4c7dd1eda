/* test_accounts_random.c - 100,000 random commands beside a model that is too simple to be wrong: who is let in, which
 * sessions, tokens and links live, and that an admin stays. And what was said to the store makes the same again.
 *
 * WRATA_SEED=7 runs that seed alone. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

#include "accounts/accounts_private.h"
#include "base/rng.h"

#define WORLDS 250u
#define COMMANDS 400u
#define PEOPLE 400u
#define SLOTS 24u

#define MINUTE INT64_C(60000)
#define IDLE (30 * MINUTE)
#define LONGEST (180 * MINUTE)
#define LINK_LASTS (60 * MINUTE)

static const char *const logins[] = {"mira", "Mira",           "ida",      "otto",
                                     "eva",  "boss@firm.test", "Operator", "zoe"};
static const char *const emails[] = {
    "", "mira@firm.test", "Boss@Firm.test", "boss@firm.test", "chief@firm.test", "eva@home.test"};
static const char *const listed[] = {"BOSS@firm.test", "chief@firm.test"};

static uint64_t seed_now;

/* ---- the model ---- */

struct person {
    uint64_t id;
    const char *login;
    const char *email;
    bool confirmed, verified, locked, admin, deleted, password;
};

/* A session, a token or a link: something with a secret. */
struct held {
    bool lives;
    uint64_t id;
    uint64_t secret;
    unsigned person;
    int64_t created, seen, until; /* until: 0 never */
    enum link_purpose purpose;
    const char *email;
};

struct world {
    struct accounts *a;
    struct accounts *twin; /* made of nothing but the changes */
    struct accounts_out out;
    struct rng rng;
    struct wall now;
    uint64_t next_secret;
    struct person people[PEOPLE];
    unsigned n_people;
    struct held sessions[SLOTS];
    struct held tokens[SLOTS];
    struct held links[SLOTS];
};

static bool is_listed(const char *email)
{
    return strcasecmp(email, listed[0]) == 0 || strcasecmp(email, listed[1]) == 0;
}

static enum role role_of(const struct person *p)
{
    if (p->deleted)
        return ROLE_NOBODY;
    if (p->admin || (!p->locked && p->confirmed && is_listed(p->email)))
        return ROLE_ADMIN;
    return p->verified ? ROLE_USER : ROLE_UNVERIFIED;
}

static bool is_able(const struct person *p)
{
    return !p->deleted && !p->locked && p->password && role_of(p) == ROLE_ADMIN;
}

static unsigned n_able(const struct world *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->n_people; i++)
        n += is_able(&w->people[i]);
    return n;
}

static bool has_confirmed(const struct world *w, const char *email)
{
    for (unsigned i = 0; i < w->n_people; i++) {
        const struct person *p = &w->people[i];

        if (!p->deleted && p->confirmed && strcasecmp(p->email, email) == 0)
            return true;
    }
    return false;
}

/* ERR_OK when the person may become `next`; it is then. */
static enum err become(struct world *w, struct person *p, struct person next)
{
    if (p->deleted)
        return ERR_NOTFOUND;
    if (is_able(p) && !is_able(&next) && n_able(w) == 1)
        return ERR_CONFLICT;
    *p = next;
    return ERR_OK;
}

static void drop(struct held *list, unsigned person, const struct held *keep)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (list[i].person == person && &list[i] != keep)
            list[i].lives = false;
    }
}

static void drop_mailed(struct world *w, unsigned person)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (w->links[i].person == person && w->links[i].email[0] != '\0')
            w->links[i].lives = false;
    }
}

static bool is_over(const struct world *w, const struct held *h)
{
    return h->until != 0 && w->now.ms >= h->until;
}

static bool is_over_session(const struct world *w, const struct held *s)
{
    return w->now.ms >= s->created + LONGEST || w->now.ms >= s->seen + IDLE;
}

/* ---- commands, on both sides ---- */

static unsigned below(struct world *w, unsigned n)
{
    return (unsigned)rng_below(&w->rng, n);
}

static bool coin(struct world *w)
{
    return below(w, 2) == 0;
}

static struct digest digest_of(uint64_t secret)
{
    struct digest d = {{0}};

    memcpy(d.at, &secret, sizeof(secret));
    return d;
}

#define SAME(got, want)                                                                                      \
    do {                                                                                                     \
        long long got_ = (long long)(got);                                                                   \
        long long want_ = (long long)(want);                                                                 \
        if (got_ != want_)                                                                                   \
            fail_msg("WRATA_SEED=%llu: %s is %lld, the model says %lld", (unsigned long long)seed_now, #got, \
                     got_, want_);                                                                           \
    } while (0)

static struct held *free_slot(struct world *w, struct held *list)
{
    struct held *h = &list[below(w, SLOTS)];

    return h->lives ? NULL : h;
}

static void do_add(struct world *w)
{
    struct person p = {.login = logins[below(w, ARRAY_LEN(logins))],
                       .email = emails[below(w, ARRAY_LEN(emails))],
                       .verified = coin(w),
                       .admin = below(w, 6) == 0,
                       .password = below(w, 4) != 0};
    struct new_user in = {.login = p.login,
                          .email = p.email,
                          .first_name = "F",
                          .password = p.password ? "$hash" : "",
                          .verified = p.verified,
                          .admin = p.admin};
    struct user_id id = {0};
    enum err want = strcasecmp(p.login, OPERATOR_LOGIN) == 0 ? ERR_CONFLICT : ERR_OK;

    for (unsigned i = 0; i < w->n_people; i++) {
        if (!w->people[i].deleted && strcasecmp(w->people[i].login, p.login) == 0)
            want = ERR_CONFLICT;
    }
    if (w->n_people == PEOPLE)
        return;
    SAME(accounts_add(w->a, w->now, &in, &w->out, &id, NULL), want);
    if (want == ERR_OK) {
        p.id = id.v;
        w->people[w->n_people++] = p;
    }
}

static void do_switch(struct world *w, unsigned i, unsigned which)
{
    struct person *p = &w->people[i];
    struct person next = *p;
    struct user_id id = {p->id};
    bool on = coin(w);
    enum err want;

    if (which == 0) {
        next.verified = on;
        want = become(w, p, next);
        SAME(accounts_set_verified(w->a, w->now, id, on, &w->out, NULL), want);
    } else if (which == 1) {
        next.admin = on;
        want = become(w, p, next);
        SAME(accounts_set_admin(w->a, id, on, &w->out, NULL), want);
    } else {
        next.locked = on;
        want = become(w, p, next);
        SAME(accounts_set_locked(w->a, w->now, id, on, &w->out, NULL), want);
        if (want == ERR_OK && on) {
            drop(w->sessions, i, NULL);
            drop(w->links, i, NULL);
        }
    }
}

static void do_edit(struct world *w, unsigned i)
{
    struct person *p = &w->people[i];
    struct person next = *p;
    struct profile in = {.email = emails[below(w, ARRAY_LEN(emails))], .position = coin(w) ? "P" : NULL};
    bool is_new = strcmp(in.email, p->email) != 0;
    enum err want;

    next.email = in.email;
    next.confirmed = p->confirmed && !is_new;
    want = become(w, p, next);
    SAME(accounts_edit(w->a, (struct user_id){p->id}, &in, &w->out, NULL), want);
    if (want == ERR_OK && is_new)
        drop_mailed(w, i);
}

static enum err confirm(struct world *w, struct person *p)
{
    if (p->deleted)
        return ERR_NOTFOUND;
    if (p->confirmed)
        return ERR_OK;
    if (p->email[0] == '\0' || has_confirmed(w, p->email))
        return ERR_CONFLICT;
    p->confirmed = true;
    return ERR_OK;
}

static void do_password(struct world *w, unsigned i)
{
    struct person *p = &w->people[i];
    struct person next = *p;
    struct held *keep = &w->sessions[below(w, SLOTS)];
    enum err want;

    next.password = true;
    want = become(w, p, next);
    if (below(w, 3) == 0) {
        SAME(accounts_renew_password(w->a, (struct user_id){p->id}, "$anew", &w->out, NULL), want);
        return;
    }
    SAME(accounts_set_password(w->a, (struct user_id){p->id}, "$next", keep->lives ? keep->id : 0, &w->out,
                               NULL),
         want);
    if (want == ERR_OK) {
        drop(w->sessions, i, keep);
        drop(w->links, i, NULL);
    }
}

static void do_delete(struct world *w, unsigned i)
{
    struct person *p = &w->people[i];
    struct person next = {.id = p->id, .login = p->login, .email = "", .locked = p->locked, .deleted = true};
    enum err want = become(w, p, next);

    SAME(accounts_delete(w->a, w->now, (struct user_id){p->id}, &w->out, NULL), want);
    if (want == ERR_OK) {
        drop(w->sessions, i, NULL);
        drop(w->tokens, i, NULL);
        drop(w->links, i, NULL);
    }
}

static void do_sign_in(struct world *w, unsigned i)
{
    const struct person *p = &w->people[i];
    struct held *s = free_slot(w, w->sessions);
    struct digest d = digest_of(w->next_secret);
    uint64_t id = 0;
    enum err want = p->deleted ? ERR_NOTFOUND : p->locked ? ERR_DENIED : ERR_OK;

    if (s == NULL)
        return;
    SAME(accounts_sign_in(w->a, w->now, (struct user_id){p->id}, &d, "192.0.2.1", "browser", &w->out, &id,
                          NULL),
         want);
    if (want == ERR_OK)
        *s = (struct held){true, id, w->next_secret, i, w->now.ms, w->now.ms, 0, 0, ""};
    w->next_secret++;
}

static void do_end(struct world *w, unsigned i)
{
    struct held *s = &w->sessions[below(w, SLOTS)];
    struct user_id user = {w->people[i].id};
    bool is_own = s->lives && s->person == i;

    if (coin(w)) {
        enum err err = accounts_end_session(w->a, user, s->id, &w->out, NULL);

        if (!is_own || !is_over_session(w, s)) /* what is over may be gone, or not yet */
            SAME(err, is_own ? ERR_OK : ERR_NOTFOUND);
        s->lives = s->lives && !is_own;
    } else if (below(w, 4) == 0) {
        (void)accounts_end_sessions(w->a, user, s->id, &w->out);
        drop(w->sessions, i, s);
    }
}

static void do_add_token(struct world *w, unsigned i)
{
    const struct person *p = &w->people[i];
    struct held *t = free_slot(w, w->tokens);
    struct digest d = digest_of(w->next_secret);
    int64_t until = coin(w) ? 0 : w->now.ms + 1 + (int64_t)below(w, 120) * MINUTE;
    char name[32];
    struct new_token in = {.name = name, .scope = SCOPE_RUN, .expires_at = {until}, .digest = &d};
    uint64_t id = 0;
    enum err want = p->deleted ? ERR_NOTFOUND : ERR_OK;

    if (t == NULL)
        return;
    (void)snprintf(name, sizeof(name), "t%llu", (unsigned long long)w->next_secret);
    SAME(accounts_add_token(w->a, w->now, (struct user_id){p->id}, &in, &w->out, &id, NULL), want);
    if (want == ERR_OK)
        *t = (struct held){true, id, w->next_secret, i, 0, 0, until, 0, ""};
    w->next_secret++;
}

static void do_remove_token(struct world *w, unsigned i)
{
    struct held *t = &w->tokens[below(w, SLOTS)];
    bool is_own = t->lives && t->person == i;
    enum err err = accounts_remove_token(w->a, (struct user_id){w->people[i].id}, t->id, &w->out, NULL);

    if (!is_own || !is_over(w, t)) /* the same */
        SAME(err, is_own ? ERR_OK : ERR_NOTFOUND);
    t->lives = t->lives && !is_own;
}

/* Which of a person's links goes when there are as many as may be; NULL: none. Slots hold them in no order: secrets do. */
static struct held *link_to_go(struct world *w, unsigned person, enum link_purpose purpose)
{
    struct held *goes = NULL;
    unsigned n = 0;

    for (unsigned k = 0; k < SLOTS; k++) {
        struct held *l = &w->links[k];
        int more;

        if (!l->lives || l->person != person || is_over(w, l))
            continue;
        n++;
        more = goes == NULL ? 1
                            : ((l->email[0] != '\0') - (goes->email[0] != '\0')) * 2 +
                                  ((l->purpose == purpose) - (goes->purpose == purpose));
        if (more > 0 || (more == 0 && l->secret < goes->secret))
            goes = l;
    }
    return n < LINKS_OF_USER_MAX ? NULL : goes;
}

static void do_add_link(struct world *w, unsigned i)
{
    const struct person *p = &w->people[i];
    struct held *l = free_slot(w, w->links);
    enum link_purpose purpose = (enum link_purpose)below(w, LINK_PURPOSE_COUNT);
    bool by_mail = purpose == LINK_CONFIRM || coin(w);
    struct digest d = digest_of(w->next_secret);
    struct wall until;
    enum err want = ERR_OK;

    if (l == NULL)
        return;
    if (p->deleted)
        want = ERR_NOTFOUND;
    else if (p->locked || (by_mail && p->email[0] == '\0') || (purpose == LINK_CONFIRM && p->confirmed))
        want = ERR_CONFLICT;
    SAME(
        accounts_add_link(w->a, w->now, (struct user_id){p->id}, purpose, by_mail, &d, &w->out, &until, NULL),
        want);
    if (want == ERR_OK) {
        struct held *goes = link_to_go(w, i, purpose);

        if (goes != NULL)
            goes->lives = false;
        *l = (struct held){
            true, 0, w->next_secret, i, 0, 0, w->now.ms + LINK_LASTS, purpose, by_mail ? p->email : ""};
    }
    w->next_secret++;
}

static void do_use_link(struct world *w)
{
    struct held *l = &w->links[below(w, SLOTS)];
    struct person *p = &w->people[l->person];
    struct digest d = digest_of(l->secret);
    struct user_id user;
    enum link_purpose purpose;
    enum err want = l->lives && !is_over(w, l) ? ERR_OK : ERR_NOTFOUND;

    SAME(accounts_look_link(w->a, w->now, &d, &purpose, &user, NULL), want);
    if (want == ERR_OK) {
        SAME(purpose, l->purpose);
        SAME(user.v, p->id);
    }
    if (want == ERR_OK && l->purpose == LINK_CONFIRM) {
        want = confirm(w, p);
        for (unsigned k = 0; k < SLOTS && want == ERR_OK; k++) {
            if (w->links[k].person == l->person && w->links[k].purpose == LINK_CONFIRM)
                w->links[k].lives = false;
        }
    } else if (want == ERR_OK) {
        p->password = true;
        drop(w->sessions, l->person, NULL);
        drop(w->links, l->person, NULL);
        if (l->email[0] != '\0')
            (void)confirm(w, p);
    }
    SAME(accounts_use_link(w->a, w->now, &d, "$linked", &w->out, &user, NULL), want);
}

static void do_look(struct world *w)
{
    struct held *s = &w->sessions[below(w, SLOTS)];
    struct digest d = digest_of(s->secret);
    struct principal who;
    bool want = s->lives && !is_over_session(w, s);

    SAME(accounts_session(w->a, w->now, &d, "192.0.2.2", &who, &w->out), want);
    if (want) {
        SAME(who.user.v, w->people[s->person].id);
        SAME(who.id, s->id);
        if (w->now.ms - s->seen >= MINUTE)
            s->seen = w->now.ms;
    }
}

static void do_confirm(struct world *w, unsigned i)
{
    enum err want = confirm(w, &w->people[i]);

    SAME(accounts_confirm_email(w->a, w->now, (struct user_id){w->people[i].id}, &w->out, NULL), want);
}

static void do_something(struct world *w)
{
    unsigned what = below(w, 34);
    unsigned i = w->n_people == 0 ? 0 : below(w, w->n_people);

    if (w->n_people == 0 || what < 3)
        do_add(w);
    else if (what < 9)
        do_switch(w, i, (what - 3) % 3);
    else if (what < 11)
        do_edit(w, i);
    else if (what < 13)
        do_confirm(w, i);
    else if (what < 14)
        do_password(w, i);
    else if (what < 15)
        do_delete(w, i);
    else if (what < 20)
        do_sign_in(w, i);
    else if (what < 21)
        do_end(w, i);
    else if (what < 23)
        do_add_token(w, i);
    else if (what < 24)
        do_remove_token(w, i);
    else if (what < 27)
        do_add_link(w, i);
    else if (what < 29)
        do_use_link(w);
    else if (what < 31)
        do_look(w);
    else if (what < 33)
        w->now.ms += (int64_t)rng_below(&w->rng, 15 * (uint64_t)MINUTE);
    else
        (void)accounts_expire(w->a, w->now, 1 + below(w, 4), &w->out);
}

/* ---- both sides compared ---- */

static void compare_held(struct world *w)
{
    struct principal who;
    enum link_purpose purpose;
    struct user_id user;

    for (unsigned i = 0; i < SLOTS; i++) {
        const struct held *s = &w->sessions[i];
        const struct held *t = &w->tokens[i];
        const struct held *l = &w->links[i];
        const struct person *p = &w->people[s->person];
        const struct person *q = &w->people[t->person];
        struct principal as_session = {.via = VIA_SESSION, .user = {p->id}, .id = s->id};
        struct principal as_token = {.via = VIA_TOKEN, .user = {q->id}, .id = t->id};
        struct digest d = digest_of(l->secret);

        if (s->id != 0 && accounts_again(w->a, w->now, &as_session, &who))
            SAME(who.role, role_of(p));
        if (s->id != 0)
            SAME(accounts_again(w->a, w->now, &as_session, &who), s->lives && !is_over_session(w, s));
        if (t->id != 0)
            SAME(accounts_again(w->a, w->now, &as_token, &who), t->lives && !is_over(w, t) && !q->locked);
        if (l->secret != 0)
            SAME(accounts_look_link(w->a, w->now, &d, &purpose, &user, NULL) == ERR_OK,
                 l->lives && !is_over(w, l));
    }
}

static void compare(struct world *w)
{
    unsigned pending = 0;

    for (unsigned i = 0; i < w->n_people; i++) {
        const struct person *p = &w->people[i];
        const struct user_row *row = accounts_user(w->a, (struct user_id){p->id});

        assert_non_null(row);
        SAME(accounts_role(w->a, row), role_of(p));
        SAME(row->deleted_at.ms != 0, p->deleted);
        SAME(row->locked_at.ms != 0, p->locked);
        SAME(accounts_by_login(w->a, p->login) == row, !p->deleted);
        pending += !p->locked && role_of(p) == ROLE_UNVERIFIED;
    }
    SAME(accounts_pending(w->a), pending);
    SAME(accounts_has_admin(w->a), n_able(w) > 0);
    compare_held(w);
}

static void compare_twin(const struct world *w)
{
    const struct user *u;

    accounts_check(w->twin);
    SAME(HASH_COUNT(w->twin->users), HASH_COUNT(w->a->users));
    SAME(HASH_COUNT(w->twin->sessions), HASH_COUNT(w->a->sessions));
    SAME(HASH_COUNT(w->twin->tokens), HASH_COUNT(w->a->tokens));
    SAME(HASH_COUNT(w->twin->links), HASH_COUNT(w->a->links));
    SAME(w->twin->n_able_admins, w->a->n_able_admins);
    SAME(w->twin->n_pending, w->a->n_pending);
    for (u = w->a->users; u != NULL; u = u->hh.next) {
        const struct user *t = user_by_id(w->twin, u->row.id.v);
        const struct session *s;
        const struct session *ts;

        assert_string_equal(t->row.login, u->row.login);
        assert_string_equal(t->row.email, u->row.email);
        assert_string_equal(t->row.password, u->row.password);
        SAME(t->row.seen_at.ms, u->row.seen_at.ms);
        SAME(t->row.email_confirmed_at.ms, u->row.email_confirmed_at.ms);
        ts = t->sessions;
        DL_FOREACH(u->sessions, s) {
            SAME(ts->row.id, s->row.id);
            SAME(ts->row.seen_at.ms, s->row.seen_at.ms);
            assert_string_equal(ts->row.address, s->row.address);
            ts = ts->next;
        }
    }
}

static void save(struct world *w)
{
    for (uint32_t i = 0; i < w->out.n; i++)
        accounts_load(w->twin, &w->out.at[i]);
    accounts_out_done(&w->out);
    accounts_out_init(&w->out);
}

static void run_world(struct world *w, uint64_t seed)
{
    struct accounts_opts opts = {IDLE, LONGEST, LINK_LASTS, listed, ARRAY_LEN(listed)};

    seed_now = seed;
    *w = (struct world){.a = accounts_new(&opts), .twin = accounts_new(&opts), .now = {1000 * MINUTE}};
    w->next_secret = 1;
    rng_seed(&w->rng, seed);
    accounts_out_init(&w->out);
    for (unsigned i = 0; i < SLOTS; i++)
        w->sessions[i].email = w->tokens[i].email = w->links[i].email = "";
    for (unsigned i = 0; i < COMMANDS; i++) {
        unsigned before = n_able(w);

        do_something(w);
        save(w);
        accounts_check(w->a);
        compare(w);
        if (before > 0 && n_able(w) == 0)
            fail_msg("WRATA_SEED=%llu: the last admin is gone", (unsigned long long)seed);
    }
    compare_twin(w);
    accounts_out_done(&w->out);
    accounts_free(w->a);
    accounts_free(w->twin);
}

/* A CHECK() ends the process: say with which seed. */
static void on_abort(int sig)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "WRATA_SEED=%llu\n", (unsigned long long)seed_now);

    (void)sig;
    (void)!write(STDERR_FILENO, text, (size_t)n);
}

static void test_accounts__do_what_a_simple_model_does(void **state)
{
    struct world *w = xmalloc(sizeof(*w));
    const char *only = getenv("WRATA_SEED");

    (void)state;
    (void)signal(SIGABRT, on_abort);
    if (only != NULL)
        run_world(w, strtoull(only, NULL, 10));
    for (uint64_t seed = 1; only == NULL && seed <= WORLDS; seed++)
        run_world(w, seed);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accounts__do_what_a_simple_model_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
