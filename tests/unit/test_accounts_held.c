/* test_accounts_held.c - what users hold: tokens, one-time links, variables; and changes, boot, time. */
#include "unit/test_accounts_world.h"

/* ---- tokens ---- */

static void test_accounts__a_token_has_a_name_a_scope_and_an_end(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct user_id eva = add(w, "eva", "");
    struct digest d = add_token(w, mira, "ci", HOUR);
    struct digest other = digest_of(500);
    struct new_token in = {"ci", SCOPE_READ, {0}, &other};
    struct principal who;
    uint64_t id;

    assert_true(accounts_token(w->a, w->now, &d, "192.0.2.5", &who, &w->out));
    assert_int_equal(who.role, ROLE_USER);
    assert_int_equal(who.via, VIA_TOKEN);
    assert_int_equal(who.scope, SCOPE_RUN);
    assert_string_equal(who.login, "mira");
    assert_int_equal(w->out.n, 1);
    assert_string_equal(w->out.at[0].token.used_from, "192.0.2.5");
    forget(w);

    assert_int_equal(accounts_add_token(w->a, w->now, mira, &in, &w->out, &id, &w->why), ERR_CONFLICT);
    in.name = "";
    assert_int_equal(accounts_add_token(w->a, w->now, mira, &in, &w->out, &id, &w->why), ERR_INVALID);
    in = (struct new_token){"old", SCOPE_READ, w->now, &other};
    assert_int_equal(accounts_add_token(w->a, w->now, mira, &in, &w->out, &id, &w->why), ERR_INVALID);
    assert_string_equal(w->why.field, "expires_at");
    assert_int_equal(accounts_remove_token(w->a, eva, who.id, &w->out, &w->why), ERR_NOTFOUND);
    assert_int_equal(w->out.n, 0);

    w->now.ms += HOUR - 1;
    assert_true(token_is_good(w, &d));
    w->now.ms += 1;
    assert_false(token_is_good(w, &d));
    (void)add_token(w, mira, "ci", 0); /* the name of one that is over is free */
    assert_int_equal(accounts_remove_token(w->a, mira, who.id, &w->out, &w->why), ERR_NOTFOUND);
}

static void test_accounts__a_user_has_only_so_many_tokens(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct digest d = digest_of(5000);
    struct new_token in = {"one more", SCOPE_READ, {0}, &d};
    char name[16];
    uint64_t id;

    for (unsigned i = 0; i < TOKENS_OF_USER_MAX; i++) {
        (void)snprintf(name, sizeof(name), "t%u", i);
        (void)add_token(w, mira, name, i == 0 ? HOUR : 0);
    }
    assert_int_equal(accounts_add_token(w->a, w->now, mira, &in, &w->out, &id, &w->why), ERR_LIMIT);
    w->now.ms += HOUR;
    assert_int_equal(accounts_add_token(w->a, w->now, mira, &in, &w->out, &id, &w->why), ERR_OK);
}

/* ---- one-time links ---- */

static void test_accounts__a_link_can_be_used_once(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "mira@firm.test");
    struct digest session = sign_in(w, mira);
    struct digest older = add_link(w, mira, LINK_RESET, true);
    struct digest newer = add_link(w, mira, LINK_RESET, true);
    struct digest unknown = digest_of(12345);
    enum link_purpose purpose;
    struct user_id id;
    char sentence[sizeof(w->why.text)];

    assert_int_equal(use_link(w, &unknown), ERR_NOTFOUND);
    memcpy(sentence, w->why.text, sizeof(sentence));
    assert_int_equal(accounts_look_link(w->a, w->now, &newer, &purpose, &id, &w->why), ERR_OK);
    assert_int_equal(purpose, LINK_RESET);
    assert_int_equal(accounts_use_link(w->a, w->now, &newer, "", &w->out, &id, &w->why), ERR_INVALID);
    assert_int_equal(use_link(w, &newer), ERR_OK);
    assert_false(is_in(w, &session));
    assert_string_equal(accounts_user(w->a, mira)->password, "$linked");
    assert_int_equal(accounts_by_email(w->a, "MIRA@firm.test")->id.v, mira.v);
    assert_int_equal(use_link(w, &newer), ERR_NOTFOUND);
    assert_string_equal(w->why.text, sentence);
    assert_int_equal(use_link(w, &older), ERR_NOTFOUND); /* one voids all */
    assert_string_equal(w->why.text, sentence);

    newer = add_link(w, mira, LINK_INVITE, false);
    w->now.ms += DAY;
    assert_int_equal(use_link(w, &newer), ERR_NOTFOUND);
    assert_string_equal(w->why.text, sentence);
    assert_int_equal(accounts_expire(w->a, w->now, 100, &w->out), 1);
}

static bool is_valid(struct world *w, const struct digest *d)
{
    enum link_purpose purpose;
    struct user_id id;

    return accounts_look_link(w->a, w->now, d, &purpose, &id, NULL) == ERR_OK;
}

static void test_accounts__what_strangers_ask_for_voids_no_link(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "mira@firm.test");
    struct digest by_hand = add_link(w, mira, LINK_RESET, false);
    struct digest confirm = add_link(w, mira, LINK_CONFIRM, true);
    struct digest mailed[20];

    for (unsigned i = 0; i < ARRAY_LEN(mailed); i++) {
        mailed[i] = add_link(w, mira, LINK_RESET, true);
        assert_true(is_valid(w, &by_hand));
        assert_true(is_valid(w, &confirm));
        for (unsigned k = 0; k <= i; k++) /* five in all: the last three of these */
            assert_int_equal(is_valid(w, &mailed[k]), i - k < LINKS_OF_USER_MAX - 2);
        accounts_check(w->a);
    }
    assert_int_equal(use_link(w, &by_hand), ERR_OK);
    assert_false(is_valid(w, &confirm));
    assert_false(is_valid(w, &mailed[ARRAY_LEN(mailed) - 1]));
}

static void test_accounts__room_is_made_in_an_order(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "mira@firm.test");
    struct digest over = add_link(w, mira, LINK_INVITE, false);
    struct digest invite, confirm, reset[4];

    w->now.ms += DAY; /* it is over, and takes nobody's place */
    invite = add_link(w, mira, LINK_INVITE, false);
    confirm = add_link(w, mira, LINK_CONFIRM, true);
    for (unsigned i = 0; i < 3; i++)
        reset[i] = add_link(w, mira, LINK_RESET, false);
    assert_false(is_valid(w, &over));
    assert_true(is_valid(w, &confirm));
    reset[3] = add_link(w, mira, LINK_RESET, false); /* a mailed one goes before one handed over */
    assert_false(is_valid(w, &confirm));
    assert_true(is_valid(w, &reset[0]));
    (void)add_link(w, mira, LINK_RESET, false); /* of the same purpose before another, the oldest of them */
    assert_false(is_valid(w, &reset[0]));
    assert_true(is_valid(w, &reset[1]));
    assert_true(is_valid(w, &invite));
}

static void test_accounts__a_confirmed_address_voids_the_other_links_to_confirm_it(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "mira@firm.test");
    struct digest older = add_link(w, mira, LINK_CONFIRM, true);
    struct digest newer = add_link(w, mira, LINK_CONFIRM, true);
    struct digest reset = add_link(w, mira, LINK_RESET, true);

    assert_int_equal(use_link(w, &older), ERR_OK);
    assert_false(is_valid(w, &newer));
    assert_true(is_valid(w, &reset));
}

static void test_accounts__a_link_confirms_the_address_it_went_to(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "mira@firm.test");
    struct digest confirm = add_link(w, mira, LINK_CONFIRM, true);
    struct digest reset = add_link(w, mira, LINK_RESET, true);
    struct digest by_hand = add_link(w, mira, LINK_INVITE, false);
    struct profile other = {.email = "chief@firm.test"};

    assert_int_equal(accounts_edit(w->a, mira, &other, &w->out, &w->why), ERR_OK);
    assert_int_equal(use_link(w, &confirm), ERR_NOTFOUND);
    assert_int_equal(use_link(w, &reset), ERR_NOTFOUND);
    assert_int_equal(use_link(w, &by_hand), ERR_OK);
    assert_int_equal(role(w, mira), ROLE_USER);
    confirm = add_link(w, mira, LINK_CONFIRM, true);
    assert_int_equal(use_link(w, &confirm), ERR_OK);
    assert_int_equal(role(w, mira), ROLE_ADMIN);
}

static void test_accounts__an_address_is_confirmed_by_one_user_only(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "team@firm.test");
    struct user_id eva = add(w, "eva", "Team@firm.test");
    struct digest first = add_link(w, mira, LINK_CONFIRM, true);
    struct digest second = add_link(w, eva, LINK_CONFIRM, true);

    assert_int_equal(use_link(w, &first), ERR_OK);
    assert_int_equal(use_link(w, &second), ERR_CONFLICT);
    assert_string_equal(w->why.field, "email");
    second = add_link(w, eva, LINK_RESET, true);
    assert_int_equal(use_link(w, &second), ERR_OK); /* the password is set all the same */
    assert_string_equal(accounts_user(w->a, eva)->password, "$linked");
    assert_int_equal(accounts_user(w->a, eva)->email_confirmed_at.ms, 0);
    assert_int_equal(accounts_by_email(w->a, "team@firm.test")->id.v, mira.v);
}

static void test_accounts__a_link_needs_what_it_is_for(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct profile in = {.email = "mira@firm.test"};
    struct digest d = digest_of(9);
    struct wall until;

    assert_int_equal(accounts_add_link(w->a, w->now, mira, LINK_RESET, true, &d, &w->out, &until, &w->why),
                     ERR_CONFLICT);
    assert_int_equal(accounts_add_link(w->a, w->now, mira, LINK_CONFIRM, false, &d, &w->out, &until, &w->why),
                     ERR_INVALID);
    assert_int_equal(accounts_confirm_email(w->a, w->now, mira, &w->out, &w->why), ERR_CONFLICT);
    assert_int_equal(accounts_edit(w->a, mira, &in, &w->out, &w->why), ERR_OK);
    assert_int_equal(accounts_confirm_email(w->a, w->now, mira, &w->out, &w->why), ERR_OK);
    assert_int_equal(accounts_add_link(w->a, w->now, mira, LINK_CONFIRM, true, &d, &w->out, &until, &w->why),
                     ERR_CONFLICT);
}

/* ---- variables ---- */

static void test_accounts__a_secret_keeps_its_value(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    const struct user_env_row first[] = {
        {"URL", "http://x", false}, {"KEY", "sealed", true}, {"EMPTY", "", false}};
    const struct user_env_row second[] = {{"KEY", NULL, true}, {"_2", "two\nlines", false}};
    const struct user_env_row open[] = {{"KEY", NULL, false}};
    const struct user_env_row none[] = {
        {"_2", NULL, true}}; /* was no secret: nothing of it may be taken for sealed */
    const struct user_env_row *now;
    uint32_t n;

    assert_int_equal(accounts_set_env(w->a, mira, first, 3, &w->out, &w->why), ERR_OK);
    assert_int_equal(accounts_set_env(w->a, mira, second, 2, &w->out, &w->why), ERR_OK);
    now = accounts_env(w->a, mira, &n);
    assert_int_equal(n, 2);
    assert_string_equal(now[0].value, "sealed");
    assert_true(now[0].is_secret);
    assert_string_equal(now[1].value, "two\nlines");
    assert_int_equal(w->out.n, 2);
    assert_int_equal(w->out.at[1].env.n, 2);
    assert_string_equal(w->out.at[1].env.at[0].value, "sealed");
    forget(w);
    assert_int_equal(accounts_set_env(w->a, mira, open, 1, &w->out, &w->why), ERR_INVALID);
    assert_int_equal(accounts_set_env(w->a, mira, none, 1, &w->out, &w->why), ERR_INVALID);
    assert_non_null(strstr(w->why.text, "_2"));
    assert_int_equal(w->out.n, 0);
    assert_int_equal(accounts_set_env(w->a, mira, NULL, 0, &w->out, &w->why), ERR_OK);
    (void)accounts_env(w->a, mira, &n);
    assert_int_equal(n, 0);
}

static void test_accounts__variables_have_names_and_limits(void **state)
{
    static const char *const bad[] = {"", "1A", "A-B", "A B", "A=B", "\xc3\xa4", "WRATA_RUN_ID", "A\n"};
    static struct user_env_row lines[USER_ENV_MAX + 1];
    static char names[USER_ENV_MAX + 1][8];
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct user_env_row twice[] = {{"A", "1", false}, {"A", "2", false}};
    char *longest = xcalloc(1, ENV_LINE_BYTES_MAX + 2);

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct user_env_row line = {bad[i], "x", false};

        assert_int_equal(accounts_set_env(w->a, mira, &line, 1, &w->out, &w->why), ERR_INVALID);
    }
    assert_int_equal(accounts_set_env(w->a, mira, twice, 2, &w->out, &w->why), ERR_INVALID);
    memset(longest, 'x', ENV_LINE_BYTES_MAX + 1);
    twice[0].value = longest;
    assert_int_equal(accounts_set_env(w->a, mira, twice, 1, &w->out, &w->why), ERR_INVALID);
    longest[ENV_LINE_BYTES_MAX] = '\0';
    assert_int_equal(accounts_set_env(w->a, mira, twice, 1, &w->out, &w->why), ERR_OK);
    for (unsigned i = 0; i <= USER_ENV_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "N%u", i);
        lines[i] = (struct user_env_row){names[i], longest, false};
    }
    assert_int_equal(accounts_set_env(w->a, mira, lines, USER_ENV_MAX, &w->out, &w->why),
                     ERR_LIMIT); /* together */
    for (unsigned i = 0; i <= USER_ENV_MAX; i++)
        lines[i].value = "x";
    assert_int_equal(accounts_set_env(w->a, mira, lines, USER_ENV_MAX + 1, &w->out, &w->why), ERR_LIMIT);
    assert_int_equal(accounts_set_env(w->a, mira, lines, USER_ENV_MAX, &w->out, &w->why), ERR_OK);
    free(longest);
}

/* ---- changes, boot, time ---- */

static void test_accounts__changes_outlive_the_accounts(void **state)
{
    struct accounts *a = accounts_new(&opts);
    struct accounts_out out;
    char login[8] = "mira";
    struct new_user in = {.login = login, .email = "mira@firm.test"};
    struct audit_row row = {.at = {5}, .login = login, .action = "user.add"};
    struct user_id id;
    uint64_t audit;

    (void)state;
    accounts_out_init(&out);
    audit = accounts_audit(a, &row, &out);
    assert_int_equal(accounts_add(a, (struct wall){7}, &in, &out, &id, NULL), ERR_OK);
    accounts_audit_end(a, audit, 201, "user mira", NULL, &out);
    memset(login, 'x', 4);
    accounts_free(a);
    assert_int_equal(out.n, 3);
    assert_int_equal(out.at[0].kind, ACCOUNT_AUDIT_ADD);
    assert_string_equal(out.at[0].audit.login, "mira");
    assert_string_equal(out.at[0].audit.object, "");
    assert_int_equal(out.at[1].kind, ACCOUNT_USER_PUT);
    assert_string_equal(out.at[1].user.login, "mira");
    assert_int_equal(out.at[2].audit.id, out.at[0].audit.id);
    assert_int_equal(out.at[2].audit.status, 201);
    assert_string_equal(out.at[2].audit.object, "user mira");
    assert_null(out.at[2].audit.detail);
    accounts_out_done(&out);
}

static void test_accounts__boot_goes_on_where_it_was(void **state)
{
    struct world *w = *state;
    struct account_change ids = {.kind = ACCOUNT_IDS, .ids = {70, 80, 90, 100, 110}};
    struct account_change orphan = {.kind = ACCOUNT_SESSION_PUT,
                                    .session = {.id = 3, .user = {66}, .address = "", .agent = ""}};
    struct audit_row row = {.login = "", .action = "x"};
    struct user_id mira;

    accounts_load(w->a, &ids);
    accounts_load(w->a, &orphan); /* of nobody: lets nobody in */
    assert_false(is_in(w, &orphan.session.digest));
    mira = add(w, "mira", "");
    assert_int_equal(mira.v, 70);
    (void)sign_in(w, mira);
    assert_int_equal(w->session, 80);
    assert_int_equal(accounts_audit(w->a, &row, &w->out), 110);
}

static void test_accounts__what_is_over_goes_in_small_pieces(void **state)
{
    struct world *w = *state;
    struct user_id mira = add(w, "mira", "");
    struct accounts_opts shorter = opts;
    unsigned gone = 0;

    for (unsigned i = 0; i < 40; i++)
        (void)sign_in(w, mira);
    (void)add_token(w, mira, "ci", DAY);
    w->now.ms += 2 * DAY;
    assert_int_equal(accounts_expire(w->a, w->now, 100, &w->out), 1);
    forget(w);
    assert_int_equal(accounts_expire(w->a, w->now, 100, &w->out), 0);
    shorter.session_idle_ms = HOUR;
    accounts_set_opts(w->a, &shorter);
    for (unsigned i = 0; i < 5; i++) {
        uint32_t n = accounts_expire(w->a, w->now, 16, &w->out);

        assert_int_equal(n, i < 2 ? 16 : i == 2 ? 8 : 0);
        assert_int_equal(w->out.n, n);
        gone += n;
        forget(w);
    }
    assert_int_equal(gone, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_token_has_a_name_a_scope_and_an_end),
        T(a_user_has_only_so_many_tokens),
        T(a_link_can_be_used_once),
        T(what_strangers_ask_for_voids_no_link),
        T(room_is_made_in_an_order),
        T(a_confirmed_address_voids_the_other_links_to_confirm_it),
        T(a_link_confirms_the_address_it_went_to),
        T(an_address_is_confirmed_by_one_user_only),
        T(a_link_needs_what_it_is_for),
        T(a_secret_keeps_its_value),
        T(variables_have_names_and_limits),
        T(changes_outlive_the_accounts),
        T(boot_goes_on_where_it_was),
        T(what_is_over_goes_in_small_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
