/* env.c - the variables of a user. Secrets are sealed before they come here: nothing in memory or in a change of
 * ours can be read without the master key. */
#include "accounts/accounts_private.h"
#include "model/rules.h"

static void lines_free(struct user_env_row *at, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        text_free(at[i].name);
        text_free(at[i].value);
    }
    free(at);
}

void env_put(struct user *u, const struct user_env_row *at, uint32_t n)
{
    struct user_env_row *old = u->env;
    uint32_t n_old = u->n_env;
    uint32_t i;

    u->env = n == 0 ? NULL : xcalloc(n, sizeof(*u->env));
    u->n_env = n;
    for (i = 0; i < n; i++)
        u->env[i] = (struct user_env_row){text_copy(at[i].name), text_copy(at[i].value), at[i].is_secret};
    lines_free(old, n_old); /* not before: lines may keep the value they had */
}

static enum err env_name_check(const char *name, struct why *reterr)
{
    const char *p;
    enum err err = text_check("name", name, NAME_BYTES_MAX, reterr);
    bool ok = name[0] != '\0' && !(name[0] >= '0' && name[0] <= '9');

    if (err != ERR_OK)
        return err;
    for (p = name; ok && *p != '\0'; p++)
        ok = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_';
    if (!ok)
        return why_set(reterr, ERR_INVALID, "name",
                       "name \"%s\" of a variable: letters, digits and '_', not beginning with a digit",
                       name);
    if (strncmp(name, "WRATA_", 6) == 0)
        return why_set(reterr, ERR_INVALID, "name", "name \"%s\": names beginning with WRATA_ are wrata's",
                       name);
    return ERR_OK;
}

static const char *kept_secret(const struct user *u, const char *name)
{
    uint32_t i;

    for (i = 0; i < u->n_env; i++) {
        if (u->env[i].is_secret && strcmp(u->env[i].name, name) == 0)
            return u->env[i].value;
    }
    return NULL;
}

/* The line as it will be: a secret without value gets the one it had. */
static enum err resolve(const struct user *u, const struct user_env_row *in, struct user_env_row *ret,
                        struct why *reterr)
{
    uint32_t max = in->is_secret ? SEALED_BYTES_MAX : ENV_LINE_BYTES_MAX;
    enum err err = env_name_check(in->name, reterr);

    if (err != ERR_OK)
        return err;
    *ret = *in;
    if (ret->value == NULL && in->is_secret)
        ret->value = kept_secret(u, in->name);
    if (ret->value == NULL)
        return why_set(reterr, ERR_INVALID, "value", "%s has no value%s", in->name,
                       in->is_secret ? " yet: say one" : "");
    if (strlen(ret->value) > max)
        return why_set(reterr, ERR_INVALID, "value",
                       "the value of %s is %zu bytes long, at most %u are allowed", in->name,
                       strlen(ret->value), max);
    return ERR_OK;
}

static enum err resolve_all(const struct user *u, const struct user_env_row *in, uint32_t n,
                            struct user_env_row *ret, struct why *reterr)
{
    size_t bytes = 0;
    enum err err = ERR_OK;
    uint32_t i;
    uint32_t k;

    for (i = 0; err == ERR_OK && i < n; i++) {
        err = resolve(u, &in[i], &ret[i], reterr);
        if (err != ERR_OK)
            break;
        bytes += strlen(ret[i].name) + 1 + strlen(ret[i].value);
        for (k = 0; k < i; k++) {
            if (strcmp(ret[k].name, ret[i].name) == 0)
                return why_set(reterr, ERR_INVALID, "name", "%s is there twice", ret[i].name);
        }
    }
    if (err == ERR_OK && bytes > LAUNCH_ENV_BYTES_MAX)
        return why_set(reterr, ERR_LIMIT, "lines",
                       "the lines have %zu bytes together, at most %u are allowed", bytes,
                       LAUNCH_ENV_BYTES_MAX);
    return err;
}

enum err accounts_set_env(struct accounts *a, struct user_id user, const struct user_env_row *lines,
                          uint32_t n, struct accounts_out *out, struct why *reterr)
{
    struct user_env_row now[USER_ENV_MAX];
    struct user *u;
    enum err err = user_find(a, user, &u, reterr);

    if (err != ERR_OK)
        return err;
    if (n > USER_ENV_MAX)
        return why_set(reterr, ERR_LIMIT, "lines", "%u lines, at most %u are allowed", n, USER_ENV_MAX);
    err = resolve_all(u, lines, n, now, reterr);
    if (err != ERR_OK)
        return err;
    env_put(u, now, n);
    out_env(out, user, u->env, n);
    return ERR_OK;
}

const struct user_env_row *accounts_env(const struct accounts *a, struct user_id user, uint32_t *retn)
{
    const struct user *u = user_by_id(a, user.v);

    *retn = u == NULL ? 0 : u->n_env;
    return u == NULL ? NULL : u->env;
}
