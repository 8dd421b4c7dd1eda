/* test_accounts.c - the rules of users and sessions one by one. What users hold is in test_accounts_held.c, random commands
 * in test_accounts_random.c. */
#include "unit/test_accounts_world.h"

/* ---- rules ---- */

static void test_accounts__logins(void **state)
{
    static const char *const good[] = {"a", "Mira", "mira.k_2-x", "mira+ci", "mira@firm.test", "7"};
    static const char *const bad[] = {"",       " ",     "-x",         ".x",    "@x",       "mira k",
                                      "mi\nra", "m/../", "m\xc3\xa4x", "m\xff", "<script>", "a\tb"};
    char longest[LOGIN_CHARS_MAX + 2];
    struct why why;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(login_check(good[i], &why), ERR_OK);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        if (login_check(bad[i], &why) != ERR_INVALID)
            fail_msg("login \"%s\" is taken for one", bad[i]);
        assert_string_equal(why.field, "login");
    }
    memset(longest, 'x', sizeof(longest));
    longest[LOGIN_CHARS_MAX + 1] = '\0';
    assert_int_equal(login_check(longest, &why), ERR_INVALID);
    longest[LOGIN_CHARS_MAX] = '\0';
    assert_int_equal(login_check(longest, &why), ERR_OK);
}

static void test_accounts__emails(void **state)
{
    static const char *const good[] = {
        "", "mira@firm.test", "m@x", "root@localhost", "a.b+c@d-e.f.example", "o'neill@firm.test"};
    static const char *const bad[] = {"mira",
                                      "@firm.test",
                                      "mira@",
                                      "a@b@c",
                                      "a b@c.d",
                                      "a@b.",
                                      "a@.b",
                                      "a@-b",
                                      "a@b-",
                                      ".a@b",
                                      "a.@b",
                                      "a..b@c",
                                      "a@b..c",
                                      "<a@b.c>",
                                      "a@b.c>",
                                      "a@b.c,d@e.f",
                                      "a@b.c\r\nBcc: x",
                                      "\"a\"@b.c",
                                      "a@[1.2.3.4]",
                                      "m\xc3\xa4@b.c"};
    struct why why;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(email_check(good[i], &why), ERR_OK);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        if (email_check(bad[i], &why) != ERR_INVALID)
            fail_msg("email \"%s\" is taken for one", bad[i]);
        assert_string_equal(why.field, "email");
    }
}

static void test_accounts__passwords(void **state)
{
    static const char *const bad[] = {"",
                                      "short",
                                      "ninebytes",
                                      "1234567890",
                                      "PassWord123",
                                      "qwertyuiop",
                                      "Mira.Kramer1",
                                      "xxxxxxxxxxxxxxx",
                                      "a b\tc d e f",
                                      "0123456\xff"
                                      "89"};
    static char longest[PASSWORD_BYTES_MAX + 2];
    struct why why;

    (void)state;
    assert_int_equal(password_check("ten bytes.", "mira", &why), ERR_OK);
    assert_int_equal(password_check("gr\xc3\xbc\xc3\x9f Gott \xf0\x9f\x90\xb4", "mira", &why), ERR_OK);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        if (password_check(bad[i], "mira.kramer1", &why) != ERR_INVALID)
            fail_msg("password \"%s\" is taken for a good one", bad[i]);
        assert_string_equal(why.field, "password");
        assert_true(strlen(bad[i]) < 6 ||
                    strstr(why.text, bad[i]) == NULL); /* it stands in no log and on no page */
    }
    for (unsigned i = 0; i <= PASSWORD_BYTES_MAX; i++)
        longest[i] = (char)('a' + i % 26);
    assert_int_equal(password_check(longest, "mira", &why), ERR_INVALID);
    longest[PASSWORD_BYTES_MAX] = '\0';
    assert_int_equal(password_check(longest, "mira", &why), ERR_OK);
}

/* ---- users ---- */

static void test_accounts__a_login_is_taken_whatever_its_case(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "Mira", "");
    struct new_user again = {.login = "mIRA"};
    struct new_user op = {.login = "Operator"};
    struct new_user bad = {.login = "ida", .first_name = "I\nda"};
    struct user_id id;

    assert_ptr_equal(accounts_by_login(w->a, "mira"), accounts_user(w->a, mira));
    assert_int_equal(accounts_add(w->a, w->now, &again, &w->out, &id, &w->why), ERR_CONFLICT);
    assert_string_equal(w->why.field, "login");
    assert_int_equal(accounts_add(w->a, w->now, &op, &w->out, &id, &w->why), ERR_CONFLICT);
    assert_int_equal(accounts_add(w->a, w->now, &bad, &w->out, &id, &w->why), ERR_INVALID);
    assert_string_equal(w->why.field, "first_name");
    assert_int_equal(w->out.n, 0);
}

/* The old program made whoever registered an admin's login an admin. */
static void test_accounts__only_a_confirmed_address_makes_an_admin(void **state)
{
    struct world *w = *state;
    struct new_user in = {.login = "chief@firm.test", .email = "chief@FIRM.test", .password = "$hash"};
    struct profile other = {.email = "other@firm.test"};
    struct digest link;
    struct user_id stranger;

    assert_int_equal(accounts_add(w->a, w->now, &in, &w->out, &stranger, &w->why), ERR_OK);
    assert_int_equal(role(w, stranger), ROLE_UNVERIFIED);
    assert_int_equal(accounts_pending(w->a), 1);

    /* An admin may hand the stranger a link: that shows nothing about the address. */
    link = add_link(w, stranger, LINK_RESET, false);
    assert_int_equal(use_link(w, &link), ERR_OK);
    link = add_link(w, stranger, LINK_INVITE, false);
    assert_int_equal(use_link(w, &link), ERR_OK);
    assert_int_equal(role(w, stranger), ROLE_UNVERIFIED);
    assert_false(accounts_has_admin(w->a));
    assert_null(accounts_by_email(w->a, "chief@firm.test"));

    link = add_link(w, stranger, LINK_RESET, true);
    assert_int_equal(use_link(w, &link), ERR_OK);
    assert_int_equal(role(w, stranger), ROLE_ADMIN);
    assert_int_equal(accounts_pending(w->a), 0);
    assert_true(accounts_has_admin(w->a));

    (void)add_admin(w, "ida");
    assert_int_equal(accounts_edit(w->a, stranger, &other, &w->out, &w->why), ERR_OK);
    assert_int_equal(role(w, stranger), ROLE_UNVERIFIED);
}

static void test_accounts__admin_emails_can_be_reloaded(void **state)
{
    struct world *w = *state;
    struct user_id ida = add(w, "ida", "ida@firm.test");
    static const char *const now[] = {"IDA@firm.test"};
    struct accounts_opts reloaded = opts;

    assert_int_equal(accounts_confirm_email(w->a, w->now, ida, &w->out, &w->why), ERR_OK);
    assert_int_equal(role(w, ida), ROLE_USER);
    reloaded.admin_emails = now;
    reloaded.n_admin_emails = 1;
    accounts_set_opts(w->a, &reloaded);
    assert_int_equal(role(w, ida), ROLE_ADMIN);
    assert_true(accounts_has_admin(w->a));
    accounts_set_opts(w->a, &opts);
    assert_int_equal(role(w, ida), ROLE_USER);
    assert_false(accounts_has_admin(w->a));
}

static void test_accounts__a_change_is_made_whole_or_not_at_all(void **state)
{
    struct world *w = *state;
    struct user_id ida = add_admin(w, "ida");
    struct user_id eva = add(w, "eva", "eva@firm.test");
    struct digest session = sign_in(w, ida);
    struct user_edit wrong[] = {
        {{.email = "ida@home.test"}, -1, -1, 0, -1},                  /* the last admin */
        {{.first_name = "I"}, 0, 1, -1, -1},                          /* the same, locked */
        {{.email = "eva@firm.test"}, 0, -1, -1, 1},                   /* confirmed by another */
        {{.email = "nowhere"}, 0, -1, -1, -1},                        /* no address */
        {{.email = "ida@home.test", .position = "\n"}, 0, -1, -1, 1}, /* no position */
        {{.first_name = "I"}, 0, -1, -1, 1},                          /* nothing to confirm */
    };
    struct user_edit right = {{.email = "ida@home.test", .first_name = "I"}, 0, 1, 0, 1};

    assert_int_equal(accounts_confirm_email(w->a, w->now, eva, &w->out, &w->why), ERR_OK);
    forget(w);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const struct user_row *u = accounts_user(w->a, ida);

        assert_int_not_equal(accounts_change(w->a, w->now, ida, &wrong[i], &w->out, &w->why), ERR_OK);
        assert_int_equal(w->out.n, 0);
        assert_string_equal(u->email, "");
        assert_string_equal(u->first_name, "");
        assert_true(u->is_admin && u->verified_at.ms != 0 && u->locked_at.ms == 0);
        assert_true(is_in(w, &session));
    }
    (void)add_admin(w, "zoe"); /* now another one can */
    assert_int_equal(accounts_change(w->a, w->now, ida, &right, &w->out, &w->why), ERR_OK);
    assert_int_equal(w->out.n, 2); /* one row, and the session */
    assert_int_equal(accounts_by_email(w->a, "ida@home.test")->id.v, ida.v);
    assert_false(accounts_user(w->a, ida)->is_admin || accounts_user(w->a, ida)->verified_at.ms != 0);
    forget(w);
    assert_false(is_in(w, &session));
    assert_int_equal(accounts_change(w->a, w->now, ida, &right, &w->out, &w->why), ERR_OK);
    assert_int_equal(w->out.n, 0); /* it is so already */
}

static void test_accounts__the_last_admin_stays(void **state)
{
    struct world *w = *state;
    struct user_id ida = add_admin(w, "ida");
    struct user_id eva = add(w, "eva", "second@firm.test");
    struct profile other = {.email = "eva@home.test"};

    assert_int_equal(accounts_set_admin(w->a, ida, false, &w->out, &w->why), ERR_CONFLICT);
    assert_int_equal(accounts_set_locked(w->a, w->now, ida, true, &w->out, &w->why), ERR_CONFLICT);
    assert_int_equal(accounts_delete(w->a, w->now, ida, &w->out, &w->why), ERR_CONFLICT);
    assert_non_null(strstr(w->why.text, "ida"));
    assert_int_equal(w->out.n, 0);

    /* Eva is one by her address: the other may go, and now she is the last. */
    assert_int_equal(accounts_confirm_email(w->a, w->now, eva, &w->out, &w->why), ERR_OK);
    assert_int_equal(accounts_delete(w->a, w->now, ida, &w->out, &w->why), ERR_OK);
    forget(w);
    assert_int_equal(accounts_edit(w->a, eva, &other, &w->out, &w->why), ERR_CONFLICT);
    assert_int_equal(accounts_set_locked(w->a, w->now, eva, true, &w->out, &w->why), ERR_CONFLICT);
    assert_int_equal(w->out.n, 0);
    /* Whoever has no password yet cannot sign in, so is not counted. */
    {
        struct new_user invited = {.login = "zoe", .admin = true};
        struct user_id zoe;
        struct digest link;

        assert_int_equal(accounts_add(w->a, w->now, &invited, &w->out, &zoe, &w->why), ERR_OK);
        assert_int_equal(accounts_delete(w->a, w->now, eva, &w->out, &w->why), ERR_CONFLICT);
        link = add_link(w, zoe, LINK_INVITE, false);
        assert_int_equal(use_link(w, &link), ERR_OK);
        assert_int_equal(accounts_delete(w->a, w->now, eva, &w->out, &w->why), ERR_OK);
    }
}

static void test_accounts__the_operator_is_nobodys_to_change(void **state)
{
    struct world *w = *state;
    struct user_id op = {OPERATOR_ID};
    struct digest d = digest_of(1);
    struct profile in = {.first_name = "x"};
    struct principal who;
    struct wall until;
    uint64_t id;

    assert_int_equal(accounts_edit(w->a, op, &in, &w->out, &w->why), ERR_DENIED);
    assert_int_equal(accounts_set_locked(w->a, w->now, op, true, &w->out, &w->why), ERR_DENIED);
    assert_int_equal(accounts_set_password(w->a, op, "$hash", 0, &w->out, &w->why), ERR_DENIED);
    assert_int_equal(accounts_delete(w->a, w->now, op, &w->out, &w->why), ERR_DENIED);
    assert_int_equal(accounts_sign_in(w->a, w->now, op, &d, "", "", &w->out, &id, &w->why), ERR_DENIED);
    assert_int_equal(accounts_add_link(w->a, w->now, op, LINK_RESET, false, &d, &w->out, &until, &w->why),
                     ERR_DENIED);
    assert_int_equal(w->out.n, 0);
    accounts_operator(w->a, VIA_HOST, &who);
    assert_int_equal(who.role, ROLE_ADMIN);
    assert_int_equal(who.scope, SCOPE_ADMIN);
    assert_int_equal(who.user.v, OPERATOR_ID);
    assert_string_equal(who.login, OPERATOR_LOGIN);
    assert_true(accounts_again(w->a, w->now, &who, &who));
    assert_false(accounts_has_admin(w->a)); /* it cannot sign in */
}

static void test_accounts__a_deleted_one_leaves_its_name_in_history_and_frees_it(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "mira@firm.test");
    struct digest session = sign_in(w, mira);
    struct digest token = add_token(w, mira, "ci", 0);
    struct digest link = add_link(w, mira, LINK_RESET, false);
    struct user_env_row line = {"NAME", "value", false};
    const struct user_row *row;
    struct user_id again;
    uint32_t n;

    assert_int_equal(accounts_set_env(w->a, mira, &line, 1, &w->out, &w->why), ERR_OK);
    assert_int_equal(accounts_confirm_email(w->a, w->now, mira, &w->out, &w->why), ERR_OK);
    forget(w);
    assert_int_equal(accounts_delete(w->a, w->now, mira, &w->out, &w->why), ERR_OK);
    assert_int_equal(w->out.n, 5); /* the row, session, token, link, variables */
    forget(w);
    row = accounts_user(w->a, mira);
    assert_string_equal(row->login, "mira");
    assert_string_equal(row->email, "");
    assert_string_equal(row->password, "");
    assert_int_equal(accounts_role(w->a, row), ROLE_NOBODY);
    assert_null(accounts_by_login(w->a, "mira"));
    assert_null(accounts_by_email(w->a, "mira@firm.test"));
    assert_false(is_in(w, &session));
    assert_false(token_is_good(w, &token));
    assert_int_equal(use_link(w, &link), ERR_NOTFOUND);
    (void)accounts_env(w->a, mira, &n);
    assert_int_equal(n, 0);
    assert_int_equal(accounts_set_admin(w->a, mira, true, &w->out, &w->why), ERR_NOTFOUND);
    again = add(w, "Mira", "mira@firm.test");
    assert_int_not_equal(again.v, mira.v);
    assert_int_equal(accounts_by_login(w->a, "mira")->id.v, again.v);
}

static void test_accounts__what_is_so_already_is_not_saved_again(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "mira@firm.test");
    struct profile same = {"mira@firm.test", "", NULL, "", "UTC", NULL};
    int64_t verified = accounts_user(w->a, mira)->verified_at.ms;

    w->now.ms += DAY;
    assert_int_equal(accounts_edit(w->a, mira, &same, &w->out, &w->why), ERR_OK);
    assert_int_equal(accounts_set_verified(w->a, w->now, mira, true, &w->out, &w->why), ERR_OK);
    assert_int_equal(accounts_set_locked(w->a, w->now, mira, false, &w->out, &w->why), ERR_OK);
    assert_int_equal(accounts_set_admin(w->a, mira, false, &w->out, &w->why), ERR_OK);
    assert_int_equal(w->out.n, 0);
    assert_int_equal(accounts_user(w->a, mira)->verified_at.ms, verified);
}

static void test_accounts__there_are_only_so_many_users(void **state)
{
    struct world *w = *state;
    char login[32];

    for (unsigned i = 1; i <= USERS_MAX; i++) { /* the operator is one */
        struct new_user in = {.login = login};
        struct user_id id;

        (void)snprintf(login, sizeof(login), "user%u", i);
        assert_int_equal(accounts_add(w->a, w->now, &in, &w->out, &id, &w->why),
                         i < USERS_MAX ? ERR_OK : ERR_LIMIT);
    }
    forget(w);
}

/* ---- sessions ---- */

static void test_accounts__a_session_ends_when_idle_and_when_old(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct digest idle = sign_in(w, mira);
    struct digest used = sign_in(w, mira);

    assert_int_equal(accounts_user(w->a, mira)->seen_at.ms, w->now.ms);
    for (unsigned day = 1; day < 30; day++) {
        w->now.ms += DAY;
        assert_true(is_in(w, &used));
        if (day == 6)
            assert_int_equal(accounts_expire(w->a, w->now, 100, &w->out), 0);
        if (day == 7) {
            assert_false(is_in(w, &idle));
            assert_int_equal(accounts_expire(w->a, w->now, 100, &w->out), 1);
            forget(w);
        }
    }
    w->now.ms += DAY - 1;
    assert_true(is_in(w, &used));
    w->now.ms += 1;
    assert_false(is_in(w, &used));
}

static void test_accounts__a_session_is_seen_once_a_minute(void **state)
{
    struct world *w = *state;
    struct digest d = sign_in(w, add(w, "mira", ""));
    struct principal who;
    unsigned saved = 0;

    for (unsigned s = 1; s <= 600; s++) {
        w->now.ms += SECOND;
        assert_true(accounts_session(w->a, w->now, &d, "192.0.2.77", &who, &w->out));
        saved += w->out.n;
        if (w->out.n > 0) {
            assert_int_equal(w->out.at[0].kind, ACCOUNT_SESSION_PUT);
            assert_int_equal(w->out.at[0].session.seen_at.ms, w->now.ms);
            assert_string_equal(w->out.at[0].session.address, "192.0.2.77");
            assert_string_equal(w->out.at[0].session.agent, "browser");
        }
        forget(w);
    }
    assert_int_equal(saved, 10);
    w->now.ms -= HOUR; /* the clock was set right */
    assert_true(accounts_session(w->a, w->now, &d, "192.0.2.77", &who, &w->out));
    assert_int_equal(w->out.n, 1);
}

static void test_accounts__one_session_too_many_ends_the_idlest(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct digest d[SESSIONS_OF_USER_MAX + 1];

    for (unsigned i = 0; i < SESSIONS_OF_USER_MAX; i++) {
        d[i] = sign_in(w, mira);
        w->now.ms += MINUTE;
    }
    assert_true(is_in(w, &d[0])); /* used just now: number 1 is the idlest */
    d[SESSIONS_OF_USER_MAX] = sign_in(w, mira);
    assert_true(is_in(w, &d[0]));
    assert_false(is_in(w, &d[1]));
    assert_true(is_in(w, &d[2]));
    assert_true(is_in(w, &d[SESSIONS_OF_USER_MAX]));
}

static void test_accounts__who_is_locked_is_out_at_once(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "mira@firm.test");
    struct digest session = sign_in(w, mira);
    struct digest token = add_token(w, mira, "ci", 0);
    struct digest link = add_link(w, mira, LINK_RESET, true);
    struct digest d = digest_of(999);
    struct principal who;
    struct principal now;
    struct wall until;
    uint64_t id;

    assert_true(accounts_session(w->a, w->now, &session, "", &who, &w->out));
    assert_int_equal(accounts_set_locked(w->a, w->now, mira, true, &w->out, &w->why), ERR_OK);
    forget(w);
    assert_false(is_in(w, &session));
    assert_false(accounts_again(w->a, w->now, &who, &now)); /* a stream that stayed open */
    assert_false(token_is_good(w, &token));
    assert_int_equal(use_link(w, &link), ERR_NOTFOUND);
    assert_int_equal(accounts_add_link(w->a, w->now, mira, LINK_RESET, true, &d, &w->out, &until, &w->why),
                     ERR_CONFLICT);
    assert_int_equal(accounts_sign_in(w->a, w->now, mira, &d, "", "", &w->out, &id, &w->why), ERR_DENIED);
    assert_non_null(strstr(w->why.text, "locked"));
    assert_int_equal(accounts_set_locked(w->a, w->now, mira, false, &w->out, &w->why), ERR_OK);
    forget(w);
    assert_false(is_in(w, &session));
    assert_true(token_is_good(w, &token)); /* it was only held */
    (void)sign_in(w, mira);
}

static void test_accounts__a_new_password_ends_the_other_sessions(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct digest other = sign_in(w, mira);
    struct digest own = sign_in(w, mira);
    struct digest link = add_link(w, mira, LINK_RESET, false);

    assert_int_equal(accounts_renew_password(w->a, mira, "$anew", &w->out, &w->why), ERR_OK);
    assert_int_equal(w->out.n, 1);
    assert_true(is_in(w, &other));
    assert_int_equal(accounts_set_password(w->a, mira, "", w->session, &w->out, &w->why), ERR_INVALID);
    assert_int_equal(accounts_set_password(w->a, mira, "$next", w->session, &w->out, &w->why), ERR_OK);
    assert_true(is_in(w, &own));
    assert_false(is_in(w, &other));
    assert_int_equal(use_link(w, &link), ERR_NOTFOUND);
    assert_string_equal(accounts_user(w->a, mira)->password, "$next");
}

static void test_accounts__nobody_ends_a_session_of_somebody_else(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct user_id eva = add(w, "eva", "");
    struct digest d = sign_in(w, mira);

    assert_int_equal(accounts_end_session(w->a, eva, w->session, &w->out, &w->why), ERR_NOTFOUND);
    assert_int_equal(accounts_end_sessions(w->a, eva, 0, &w->out), 0);
    assert_true(is_in(w, &d));
    assert_int_equal(accounts_end_session(w->a, mira, w->session, &w->out, &w->why), ERR_OK);
    assert_false(is_in(w, &d));
}

static void test_accounts__what_a_client_says_of_itself_is_cut_and_cleaned(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct digest d = digest_of(7);
    char agent[5000];

    memset(agent, 'x', sizeof(agent));
    agent[sizeof(agent) - 1] = '\0';
    memcpy(agent, "a\x1b[2J\n\xff", 7);
    assert_int_equal(
        accounts_sign_in(w->a, w->now, mira, &d, "fe80::1%eth0", agent, &w->out, &w->session, &w->why),
        ERR_OK);
    assert_int_equal(w->out.n, 2);
    assert_memory_equal(w->out.at[1].session.agent, "a?[2J??xxx", 10);
    assert_int_equal(strlen(w->out.at[1].session.agent), 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(logins),
        T(emails),
        T(passwords),
        T(a_login_is_taken_whatever_its_case),
        T(only_a_confirmed_address_makes_an_admin),
        T(admin_emails_can_be_reloaded),
        T(a_change_is_made_whole_or_not_at_all),
        T(the_last_admin_stays),
        T(the_operator_is_nobodys_to_change),
        T(a_deleted_one_leaves_its_name_in_history_and_frees_it),
        T(what_is_so_already_is_not_saved_again),
        T(there_are_only_so_many_users),
        T(a_session_ends_when_idle_and_when_old),
        T(a_session_is_seen_once_a_minute),
        T(one_session_too_many_ends_the_idlest),
        T(who_is_locked_is_out_at_once),
        T(a_new_password_ends_the_other_sessions),
        T(nobody_ends_a_session_of_somebody_else),
        T(what_a_client_says_of_itself_is_cut_and_cleaned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
