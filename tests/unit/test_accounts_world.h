/* test_accounts_world.h - accounts with a clock and secrets of their own, and the steps that most tests begin with. */
#ifndef TEST_ACCOUNTS_WORLD_H
#define TEST_ACCOUNTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "accounts/accounts.h"
#include "base/mem.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const char *const admin_emails[] = {"Chief@Firm.test", "", "chief@firm.test", "second@firm.test"};
static const struct accounts_opts opts = {7 * DAY, 30 * DAY, DAY, admin_emails, ARRAY_LEN(admin_emails)};

struct world {
    struct accounts *a;
    struct accounts_out out;
    struct wall now;
    struct why why;
    uint64_t next_secret;
    uint64_t session; /* the last one signed in */
};

static inline int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->a = accounts_new(&opts);
    w->now.ms = 1000 * DAY;
    w->next_secret = 1;
    accounts_out_init(&w->out);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;

    accounts_check(w->a);
    accounts_free(w->a);
    accounts_out_done(&w->out);
    free(w);
    return 0;
}

static inline struct digest digest_of(uint64_t secret)
{
    struct digest d = {{0}};

    memcpy(d.at, &secret, sizeof(secret));
    return d;
}

/* The changes so far are looked at no more. */
static inline void forget(struct world *w)
{
    accounts_check(w->a);
    accounts_out_done(&w->out);
    accounts_out_init(&w->out);
}

static inline struct user_id add(struct world *w, const char *login, const char *email)
{
    struct new_user in = {.login = login, .email = email, .password = "$hash", .verified = true};
    struct user_id id = {0};

    assert_int_equal(accounts_add(w->a, w->now, &in, &w->out, &id, &w->why), ERR_OK);
    forget(w);
    return id;
}

static inline struct user_id add_admin(struct world *w, const char *login)
{
    struct user_id id = add(w, login, "");

    assert_int_equal(accounts_set_admin(w->a, id, true, &w->out, &w->why), ERR_OK);
    forget(w);
    return id;
}

static inline struct digest sign_in(struct world *w, struct user_id id)
{
    struct digest d = digest_of(w->next_secret++);

    assert_int_equal(
        accounts_sign_in(w->a, w->now, id, &d, "192.0.2.1", "browser", &w->out, &w->session, &w->why),
        ERR_OK);
    forget(w);
    return d;
}

static inline bool is_in(struct world *w, const struct digest *d)
{
    struct principal who;
    bool ok = accounts_session(w->a, w->now, d, "192.0.2.1", &who, &w->out);

    forget(w);
    return ok;
}

static inline struct digest add_link(struct world *w, struct user_id id, enum link_purpose purpose,
                                     bool by_mail)
{
    struct digest d = digest_of(w->next_secret++);
    struct wall until;

    assert_int_equal(accounts_add_link(w->a, w->now, id, purpose, by_mail, &d, &w->out, &until, &w->why),
                     ERR_OK);
    assert_int_equal(until.ms, w->now.ms + opts.link_ms);
    forget(w);
    return d;
}

static inline enum err use_link(struct world *w, const struct digest *d)
{
    struct user_id id;
    enum err err = accounts_use_link(w->a, w->now, d, "$linked", &w->out, &id, &w->why);

    forget(w);
    return err;
}

static inline enum role role(struct world *w, struct user_id id)
{
    return accounts_role(w->a, accounts_user(w->a, id));
}

static inline struct digest add_token(struct world *w, struct user_id id, const char *name, int64_t lasts)
{
    struct digest d = digest_of(w->next_secret++);
    struct new_token in = {name, SCOPE_RUN, {lasts == 0 ? 0 : w->now.ms + lasts}, &d};
    uint64_t token;

    assert_int_equal(accounts_add_token(w->a, w->now, id, &in, &w->out, &token, &w->why), ERR_OK);
    forget(w);
    return d;
}

static inline bool token_is_good(struct world *w, const struct digest *d)
{
    struct principal who;
    bool ok = accounts_token(w->a, w->now, d, "192.0.2.1", &who, &w->out);

    forget(w);
    return ok;
}

#define T(name) cmocka_unit_test_setup_teardown(test_accounts__##name, setup, teardown)

#endif
