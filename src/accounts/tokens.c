/* tokens.c - API tokens: like sessions, but with a name and a scope, and over at a time that was said. */
#include "accounts/accounts_private.h"
#include "model/rules.h"

bool token_is_over(const struct token *t, struct wall now)
{
    return t->row.expires_at.ms != 0 && now.ms >= t->row.expires_at.ms;
}

static struct token *by_id(const struct accounts *a, uint64_t id)
{
    struct token *t;

    HASH_FIND(hh, a->tokens, &id, sizeof(id), t);
    return t;
}

static struct token *by_digest(const struct accounts *a, const struct digest *digest)
{
    struct token *t;

    HASH_FIND(hh_digest, a->token_digests, digest, sizeof(*digest), t);
    return t;
}

static void token_used(struct token *t, struct wall at, const char *from)
{
    text_free(t->row.used_from);
    t->row.used_from = text_clean(from, ADDRESS_BYTES_MAX);
    t->row.used_at = at;
}

struct token *token_put(struct accounts *a, const struct token_row *row)
{
    struct user *u = user_by_id(a, row->user.v);
    struct token *t = by_id(a, row->id);

    if (t != NULL) {
        token_used(t, row->used_at, row->used_from);
        return t;
    }
    if (u == NULL || by_digest(a, &row->digest) != NULL)
        return NULL;
    t = xcalloc(1, sizeof(*t));
    t->row = *row;
    t->row.name = text_copy(row->name);
    t->row.used_from = text_clean(row->used_from, ADDRESS_BYTES_MAX);
    t->user = u;
    HASH_ADD(hh, a->tokens, row.id, sizeof(t->row.id), t);
    HASH_ADD(hh_digest, a->token_digests, row.digest, sizeof(t->row.digest), t);
    DL_APPEND(u->tokens, t);
    u->n_tokens++;
    if (a->next_token <= row->id)
        a->next_token = row->id + 1;
    if (row->expires_at.ms != 0)
        over_no_later(a, row->expires_at.ms);
    return t;
}

void token_end(struct accounts *a, struct token *t, struct accounts_out *out)
{
    if (out != NULL)
        out_delete(out, ACCOUNT_TOKEN_DELETE, t->row.id);
    DL_DELETE(t->user->tokens, t);
    t->user->n_tokens--;
    HASH_DELETE(hh, a->tokens, t);
    HASH_DELETE(hh_digest, a->token_digests, t);
    text_free(t->row.name);
    text_free(t->row.used_from);
    free(t);
}

void user_end_tokens(struct accounts *a, struct user *u, struct accounts_out *out)
{
    while (u->tokens != NULL)
        token_end(a, u->tokens, out);
}

bool accounts_token(struct accounts *a, struct wall now, const struct digest *digest, const char *address,
                    struct principal *ret, struct accounts_out *out)
{
    struct token *t = by_digest(a, digest);
    struct principal was = {.via = VIA_TOKEN};
    int64_t since;

    if (t == NULL)
        return false;
    was.user = t->user->row.id;
    was.id = t->row.id;
    if (!accounts_again(a, now, &was, ret))
        return false;
    since = now.ms - t->row.used_at.ms;
    if (since >= MINUTE_MS || since <= -MINUTE_MS) {
        token_used(t, now, address);
        out_token(out, &t->row);
    }
    return true;
}

/* Those that are over do not count: they go as soon as somebody comes by. */
static enum err add_check(const struct user *u, struct wall now, const struct new_token *in,
                          struct why *reterr)
{
    const struct token *t;
    uint32_t n = 0;
    enum err err = text_check("name", in->name, NAME_BYTES_MAX, reterr);

    if (err != ERR_OK)
        return err;
    if (in->name[0] == '\0')
        return why_set(reterr, ERR_INVALID, "name", "name is empty: say what the token is for");
    if ((unsigned)in->scope >= SCOPE_COUNT)
        return why_set(reterr, ERR_INVALID, "scope", "scope %u is not known: read, run or admin",
                       (unsigned)in->scope);
    if (in->expires_at.ms != 0 && in->expires_at.ms <= now.ms)
        return why_set(reterr, ERR_INVALID, "expires_at", "the token would be over before it begins");
    DL_FOREACH(u->tokens, t) {
        if (token_is_over(t, now))
            continue;
        n++;
        if (strcmp(t->row.name, in->name) == 0)
            return why_set(reterr, ERR_CONFLICT, "name", "there is a token \"%s\" already", in->name);
    }
    if (n >= TOKENS_OF_USER_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "there are %u tokens of yours: remove one first", n);
    return ERR_OK;
}

enum err accounts_add_token(struct accounts *a, struct wall now, struct user_id user,
                            const struct new_token *in, struct accounts_out *out, uint64_t *ret_id,
                            struct why *reterr)
{
    struct token_row row = {.id = a->next_token,
                            .user = user,
                            .name = in->name,
                            .digest = *in->digest,
                            .scope = in->scope,
                            .created_at = now,
                            .expires_at = in->expires_at,
                            .used_from = ""};
    struct token *t;
    struct token *next;
    struct user *u;
    enum err err = user_find(a, user, &u, reterr);

    if (err == ERR_OK)
        err = add_check(u, now, in, reterr);
    if (err != ERR_OK)
        return err;
    DL_FOREACH_SAFE(u->tokens, t, next) {
        if (token_is_over(t, now))
            token_end(a, t, out);
    }
    t = token_put(a, &row);
    CHECK(t != NULL); /* 256 random bits were there before: the random source is broken */
    out_token(out, &t->row);
    *ret_id = t->row.id;
    return ERR_OK;
}

enum err accounts_remove_token(struct accounts *a, struct user_id user, uint64_t token,
                               struct accounts_out *out, struct why *reterr)
{
    struct token *t = by_id(a, token);

    if (t == NULL || t->row.user.v != user.v)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no token %llu of yours (any more)",
                       (unsigned long long)token);
    token_end(a, t, out);
    return ERR_OK;
}

void accounts_each_token(const struct accounts *a, struct user_id user,
                         void (*each)(void *ctx, const struct token_row *t), void *ctx)
{
    const struct user *u = user_by_id(a, user.v);
    const struct token *t;

    if (u == NULL)
        return;
    DL_FOREACH(u->tokens, t) {
        each(ctx, &t->row);
    }
}
