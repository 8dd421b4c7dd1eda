/* sessions.c - who is signed in.
 *
 * A session is found by the digest of its cookie's secret in a plain hash table, whose comparison takes longer the more
 * bytes are alike. That tells an attacker nothing: what is compared is BLAKE2b of the secret, so to make the first
 * bytes of a digest right one has to try secrets blindly, and a secret has 256 bits. Tokens and one-time links are the same. */
#include "accounts/accounts_private.h"

struct wall accounts_session_expires(const struct accounts *a, const struct session_row *s)
{
    int64_t idle = ms_add(s->seen_at.ms, a->opts.session_idle_ms);
    int64_t max = ms_add(s->created_at.ms, a->opts.session_max_ms);

    return (struct wall){idle < max ? idle : max};
}

int64_t session_over_at(const struct accounts *a, const struct session *s)
{
    return accounts_session_expires(a, &s->row).ms;
}

bool session_is_over(const struct accounts *a, const struct session *s, struct wall now)
{
    return now.ms >= session_over_at(a, s);
}

static struct session *by_id(const struct accounts *a, uint64_t id)
{
    struct session *s;

    HASH_FIND(hh, a->sessions, &id, sizeof(id), s);
    return s;
}

static struct session *by_digest(const struct accounts *a, const struct digest *digest)
{
    struct session *s;

    HASH_FIND(hh_digest, a->session_digests, digest, sizeof(*digest), s);
    return s;
}

static void session_seen(struct accounts *a, struct session *s, struct wall at, const char *address)
{
    text_free(s->row.address);
    s->row.address = text_clean(address, ADDRESS_BYTES_MAX);
    s->row.seen_at = at;
    over_no_later(a, session_over_at(a, s));
}

struct session *session_put(struct accounts *a, const struct session_row *row)
{
    struct user *u = user_by_id(a, row->user.v);
    struct session *s = by_id(a, row->id);

    if (s != NULL) {
        session_seen(a, s, row->seen_at, row->address);
        return s;
    }
    if (u == NULL || by_digest(a, &row->digest) != NULL)
        return NULL;
    s = xcalloc(1, sizeof(*s));
    s->row = *row;
    s->row.address = text_clean(row->address, ADDRESS_BYTES_MAX);
    s->row.agent = text_clean(row->agent, AGENT_BYTES_MAX);
    s->user = u;
    HASH_ADD(hh, a->sessions, row.id, sizeof(s->row.id), s);
    HASH_ADD(hh_digest, a->session_digests, row.digest, sizeof(s->row.digest), s);
    DL_APPEND(u->sessions, s);
    u->n_sessions++;
    if (a->next_session <= row->id)
        a->next_session = row->id + 1;
    over_no_later(a, session_over_at(a, s));
    return s;
}

void session_end(struct accounts *a, struct session *s, struct accounts_out *out)
{
    if (out != NULL)
        out_delete(out, ACCOUNT_SESSION_DELETE, s->row.id);
    DL_DELETE(s->user->sessions, s);
    s->user->n_sessions--;
    HASH_DELETE(hh, a->sessions, s);
    HASH_DELETE(hh_digest, a->session_digests, s);
    text_free(s->row.address);
    text_free(s->row.agent);
    free(s);
}

bool accounts_session(struct accounts *a, struct wall now, const struct digest *digest, const char *address,
                      struct principal *ret, struct accounts_out *out)
{
    struct session *s = by_digest(a, digest);
    struct principal was = {.via = VIA_SESSION};
    int64_t since;

    if (s == NULL)
        return false;
    was.user = s->user->row.id;
    was.id = s->row.id;
    if (!accounts_again(a, now, &was, ret))
        return false;
    since = now.ms - s->row.seen_at.ms;
    if (since >= MINUTE_MS || since <= -MINUTE_MS) { /* the clock may have been set back */
        session_seen(a, s, now, address);
        out_session(out, &s->row);
    }
    return true;
}

/* The one that was idle longest; of equals the oldest. */
static struct session *idlest(const struct user *u)
{
    struct session *worst = u->sessions;
    struct session *s;

    DL_FOREACH(u->sessions, s) {
        if (s->row.seen_at.ms < worst->row.seen_at.ms)
            worst = s;
    }
    return worst;
}

enum err accounts_sign_in(struct accounts *a, struct wall now, struct user_id id, const struct digest *digest,
                          const char *address, const char *agent, struct accounts_out *out,
                          uint64_t *ret_session, struct why *reterr)
{
    struct user *u;
    struct session *s;
    struct user_row next;
    struct session_row row = {.id = a->next_session,
                              .user = id,
                              .digest = *digest,
                              .created_at = now,
                              .seen_at = now,
                              .address = address,
                              .agent = agent};
    enum err err = person_find(a, id, &u, reterr);

    if (err != ERR_OK)
        return err;
    if (u->row.locked_at.ms != 0)
        return why_set(reterr, ERR_DENIED, NULL, "%s is locked: an admin can unlock it", u->row.login);
    next = u->row;
    next.seen_at = now;
    err = user_change(a, u, &next, out, reterr);
    CHECK(err == ERR_OK); /* a time more takes no admin away */
    while (u->n_sessions >= SESSIONS_OF_USER_MAX)
        session_end(a, idlest(u), out);
    s = session_put(a, &row);
    CHECK(s != NULL); /* 256 random bits were there before: the random source is broken */
    out_session(out, &s->row);
    *ret_session = s->row.id;
    return ERR_OK;
}

enum err accounts_end_session(struct accounts *a, struct user_id user, uint64_t session,
                              struct accounts_out *out, struct why *reterr)
{
    struct session *s = by_id(a, session);

    if (s == NULL || s->row.user.v != user.v)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no session %llu of yours (any more)",
                       (unsigned long long)session);
    session_end(a, s, out);
    return ERR_OK;
}

uint32_t accounts_end_sessions(struct accounts *a, struct user_id user, uint64_t keep,
                               struct accounts_out *out)
{
    struct user *u = user_by_id(a, user.v);
    struct session *s;
    struct session *next;
    uint32_t n = 0;

    if (u == NULL)
        return 0;
    DL_FOREACH_SAFE(u->sessions, s, next) {
        if (s->row.id == keep)
            continue;
        session_end(a, s, out);
        n++;
    }
    return n;
}

void accounts_each_session(const struct accounts *a, struct user_id user,
                           void (*each)(void *ctx, const struct session_row *s), void *ctx)
{
    const struct user *u = user_by_id(a, user.v);
    const struct session *s;

    if (u == NULL)
        return;
    DL_FOREACH(u->sessions, s) {
        each(ctx, &s->row);
    }
}
