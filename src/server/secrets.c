/* secrets.c - secrets of users: sealed for the API, opened for the link. The data key is read when it is first needed and
 * made with the first secret. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/seal.h"
#include "server/server.h"

#define TRY_AGAIN_MS \
    5000 /* after a key that could not be read: a launch of thousands asks for each of its runs */

static enum err need_sealer(struct server *s, bool may_make, struct why *reterr)
{
    char text[512];
    enum err err;

    if (s->sealer != NULL)
        return ERR_OK;
    if (!may_make && mono_before(mono_now(), s->sealer_again))
        return why_set(reterr, s->sealer_why.code, NULL, "%s", s->sealer_why.text);
    err = sealer_open(s->opts.data_dir, may_make, &s->sealer, reterr);
    if (err == ERR_OK)
        return ERR_OK;
    LOG_WARN("secrets.no_key", "why=%s", log_quote(text, sizeof(text), reterr->text));
    s->sealer_why = *reterr;
    s->sealer_again = mono_add_ms(mono_now(), TRY_AGAIN_MS);
    return err;
}

enum err secrets_seal(void *ctx, const char *context, const char *value, struct buf *out, struct why *reterr)
{
    struct server *s = ctx;
    enum err err = need_sealer(s, true, reterr);

    if (err == ERR_OK)
        seal_value(s->sealer, context, value, strlen(value), out);
    return err;
}

/* The context is that of the user's own line: whose and of which name it is, not where it was copied to. */
enum err secrets_open(void *ctx, struct user_id user, const char *line, struct buf *out, struct why *reterr)
{
    struct server *s = ctx;
    const char *eq = strchr(line, '=');
    struct secret *value = NULL;
    char context[NAME_BYTES_MAX + 64];
    enum err err;

    if (eq == NULL || eq - line > (ptrdiff_t)NAME_BYTES_MAX)
        return why_set(reterr, ERR_INVALID, NULL, "it is not NAME=sealed text");
    err = need_sealer(s, false, reterr);
    if (err != ERR_OK)
        return err;
    (void)snprintf(context, sizeof(context), "user_env %llu %.*s", (unsigned long long)user.v,
                   (int)(eq - line), line);
    err = unseal_value(s->sealer, context, eq + 1, &value, reterr);
    if (err == ERR_OK && buf_add(out, secret_reveal(value), secret_len(value)) != ERR_OK)
        err = why_set(reterr, ERR_LIMIT, NULL, "it is longer than what is sealed can be");
    secret_free(value);
    return err;
}

enum err secrets_sealer(struct server *s, const struct sealer **ret, struct why *reterr)
{
    enum err err = need_sealer(s, true, reterr);

    if (err == ERR_OK)
        *ret = s->sealer;
    return err;
}
