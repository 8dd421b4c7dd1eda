/* check.c - what always holds, for tests. */
#include "accounts/accounts_private.h"

struct sums {
    unsigned users;
    unsigned living;
    unsigned logins;
    unsigned emails;
    unsigned pending;
    unsigned able;
    unsigned sessions;
    unsigned tokens;
    unsigned links;
};

static void check_sessions(const struct accounts *a, const struct user *u, struct sums *sum)
{
    const struct session *s;
    const struct session *found;
    unsigned n = 0;

    DL_FOREACH(u->sessions, s) {
        CHECK(s->user == u && s->row.user.v == u->row.id.v);
        HASH_FIND(hh, a->sessions, &s->row.id, sizeof(s->row.id), found);
        CHECK(found == s);
        HASH_FIND(hh_digest, a->session_digests, &s->row.digest, sizeof(s->row.digest), found);
        CHECK(found == s);
        CHECK(s->row.id < a->next_session);
        CHECK(a->over_at <= session_over_at(a, s));
        n++;
    }
    CHECK(n == u->n_sessions && n <= SESSIONS_OF_USER_MAX);
    sum->sessions += n;
}

static void check_tokens(const struct accounts *a, const struct user *u, struct sums *sum)
{
    const struct token *t;
    const struct token *found;
    unsigned n = 0;

    DL_FOREACH(u->tokens, t) {
        CHECK(t->user == u && t->row.user.v == u->row.id.v);
        HASH_FIND(hh, a->tokens, &t->row.id, sizeof(t->row.id), found);
        CHECK(found == t);
        HASH_FIND(hh_digest, a->token_digests, &t->row.digest, sizeof(t->row.digest), found);
        CHECK(found == t);
        CHECK(t->row.id < a->next_token);
        CHECK(t->row.expires_at.ms == 0 || a->over_at <= t->row.expires_at.ms);
        n++;
    }
    CHECK(n == u->n_tokens && n <= TOKENS_OF_USER_MAX);
    sum->tokens += n;
}

static void check_links(const struct accounts *a, const struct user *u, struct sums *sum)
{
    const struct once *l;
    const struct once *found;
    unsigned n = 0;

    DL_FOREACH(u->links, l) {
        CHECK(l->user == u && l->row.user.v == u->row.id.v);
        HASH_FIND(hh, a->links, &l->row.id, sizeof(l->row.id), found);
        CHECK(found == l);
        HASH_FIND(hh_digest, a->link_digests, &l->row.digest, sizeof(l->row.digest), found);
        CHECK(found == l);
        CHECK(l->row.id < a->next_link);
        CHECK(a->over_at <= l->row.expires_at.ms);
        CHECK(l->row.email[0] == '\0' || strcmp(l->row.email, u->row.email) == 0);
        n++;
    }
    CHECK(n == u->n_links && n <= LINKS_OF_USER_MAX);
    sum->links += n;
}

static void check_user(const struct accounts *a, const struct user *u, struct sums *sum)
{
    const struct user_row *row = &u->row;
    bool is_living = row->deleted_at.ms == 0;

    CHECK(user_by_id(a, row->id.v) == u && row->id.v < a->next_user);
    CHECK((u->login_key != NULL) == is_living);
    CHECK(!is_living || user_by_login(a, row->login) == u);
    CHECK((u->email_key != NULL) == (is_living && row->email[0] != '\0' && row->email_confirmed_at.ms != 0));
    CHECK(u->email_key == NULL || user_by_email(a, row->email) == u);
    CHECK(is_living || (row->email[0] == '\0' && row->password[0] == '\0' && !row->is_admin));
    CHECK(user_is_in(u) || (u->n_sessions == 0 && u->n_links == 0));
    CHECK(is_living || (u->n_tokens == 0 && u->n_env == 0));
    CHECK(row->id.v != OPERATOR_ID || (is_living && u->n_sessions == 0 && u->n_links == 0));
    CHECK(u->n_env <= USER_ENV_MAX);
    CHECK(u->is_pending == (user_is_in(u) && accounts_role(a, row) == ROLE_UNVERIFIED));
    CHECK(!u->is_able_admin || (user_is_in(u) && accounts_role(a, row) == ROLE_ADMIN));
    sum->users++;
    sum->living += is_living;
    sum->logins += u->login_key != NULL;
    sum->emails += u->email_key != NULL;
    sum->pending += u->is_pending;
    sum->able += u->is_able_admin;
    check_sessions(a, u, sum);
    check_tokens(a, u, sum);
    check_links(a, u, sum);
}

void accounts_check(const struct accounts *a)
{
    struct sums sum = {0};
    const struct user *u;

    for (u = a->users; u != NULL; u = u->hh.next)
        check_user(a, u, &sum);
    CHECK(sum.users == HASH_COUNT(a->users) && sum.users <= USER_ROWS_MAX);
    CHECK(sum.living == a->n_living && sum.living <= USERS_MAX);
    CHECK(sum.logins == HASH_CNT(hh_login, a->by_login));
    CHECK(sum.emails == HASH_CNT(hh_email, a->by_email));
    CHECK(sum.pending == a->n_pending);
    CHECK(sum.able == a->n_able_admins);
    CHECK(sum.sessions == HASH_COUNT(a->sessions));
    CHECK(sum.sessions == HASH_CNT(hh_digest, a->session_digests));
    CHECK(sum.tokens == HASH_COUNT(a->tokens) && sum.tokens == HASH_CNT(hh_digest, a->token_digests));
    CHECK(sum.links == HASH_COUNT(a->links) && sum.links == HASH_CNT(hh_digest, a->link_digests));
}
