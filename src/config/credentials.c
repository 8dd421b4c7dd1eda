#include "config/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "config/vault.h"

const struct credential_row credential_rows[N_CREDENTIALS] = {
#define X(name_, kind_, is_secret_, was_, was_too_, env_, help_) \
    [CREDENTIAL_##name_] = {#name_, CREDENTIAL_##kind_, is_secret_, {was_, was_too_}, env_, help_},
    CREDENTIAL_MAP(X)
#undef X
};

/* Names of the predecessor's file that have no use here. */
static const struct {
    const char *name;
    const char *why; /* NULL: nothing to say */
} unused[] = {
    {"ssh_pass", "machines are reached with a key, not with a password"},
    {"secret_key_base", NULL},
};

int credential_find(const char *name)
{
    for (int i = 0; i < N_CREDENTIALS; i++) {
        const struct credential_row *row = &credential_rows[i];

        if (strcmp(row->name, name) == 0)
            return i;
        for (size_t k = 0; k < ARRAY_LEN(row->was); k++) {
            if (row->was[k] != NULL && strcmp(row->was[k], name) == 0)
                return i;
        }
    }
    return -1;
}

static const char *row_name(const void *ctx, size_t i)
{
    (void)ctx;
    return i < N_CREDENTIALS ? credential_rows[i].name : NULL;
}

const char *credential_nearest(const char *name)
{
    return nearest_name(name, row_name, NULL);
}

/* ---- values ---- */

/* NULL: it is fine; else what would be right. */
static const char *wrong_text(const char *value, bool may_have_lines)
{
    if (value[0] == '\0')
        return "is empty; write a value, or remove the line";
    for (const char *p = value; *p != '\0'; p++) {
        if (((unsigned char)*p < 0x20 || *p == 0x7f) && !(may_have_lines && (*p == '\n' || *p == '\r')))
            return may_have_lines ? "holds a control character" : "has one line, without control characters";
    }
    return NULL;
}

static const char *wrong_email(const char *value)
{
    const char *at = strchr(value, '@');

    if (wrong_text(value, false) != NULL || at == NULL || at == value || at[1] == '\0' ||
        strpbrk(value, " <>,;\"") != NULL || strchr(at + 1, '@') != NULL)
        return "takes addresses like qa@example.org";
    return NULL;
}

static const char *wrong_value(const struct credential_row *row, const char *value)
{
    static const char pem[] = "-----BEGIN ";

    switch (row->kind) {
    case CREDENTIAL_PEM:
        if (strncmp(value, pem, sizeof(pem) - 1) != 0 || strstr(value, "PRIVATE KEY-----") == NULL)
            return "takes the whole private key, from \"-----BEGIN ...\" on; write it as a block, after |";
        return wrong_text(value, true);
    case CREDENTIAL_PORT:
        if (strspn(value, "0123456789") != strlen(value) || value[0] == '\0' || strlen(value) > 5 ||
            strtol(value, NULL, 10) < 1 || strtol(value, NULL, 10) > 65535)
            return "takes a port, from 1 to 65535";
        return NULL;
    case CREDENTIAL_EMAILS:
        return wrong_email(value);
    case CREDENTIAL_TEXT:
        break;
    }
    return wrong_text(value, false);
}

static struct secret *joined(const struct flat_item *it)
{
    struct secret *s;
    size_t n = 0;
    unsigned char *p;

    for (uint32_t i = 0; i < it->n; i++)
        n += strlen(it->values[i]) + (i > 0);
    s = secret_new(NULL, n);
    p = secret_bytes(s);
    for (uint32_t i = 0; i < it->n; i++) {
        size_t len = strlen(it->values[i]);

        if (i > 0)
            *p++ = '\n';
        memcpy(p, it->values[i], len);
        p += len;
    }
    return s;
}

/* ---- the text ---- */

static void warn_unknown(const char *where, const char *key, struct buf *warnings)
{
    const char *near = credential_nearest(key);

    for (size_t i = 0; i < ARRAY_LEN(unused); i++) {
        if (strcmp(unused[i].name, key) == 0) {
            if (unused[i].why != NULL)
                buf_printf(warnings, "%s: is not used: %s\n", where, unused[i].why);
            return;
        }
    }
    if (near != NULL)
        buf_printf(warnings, "%s: is not known and not used; did you mean %s?\n", where, near);
    else
        buf_printf(warnings, "%s: is not known and not used\n", where);
}

static bool take_item(const char *file, const struct flat_item *it, struct credentials *c,
                      struct buf *problems, struct buf *warnings)
{
    int id = credential_find(it->key);
    char where[400];
    char shown[100];
    const struct credential_row *row;

    (void)snprintf(where, sizeof(where), "%s:%d: %s", file, it->line,
                   flat_show(shown, sizeof(shown), it->key));
    if (id < 0) {
        warn_unknown(where, it->key, warnings);
        return true;
    }
    row = &credential_rows[id];
    if (it->is_null || it->n == 0)
        return true; /* a line of the template that was not filled in */
    if (c->at[id] != NULL) {
        buf_printf(problems, "%s: is there already, in line %d (%s); remove one of them\n", where,
                   c->line[id], row->name);
        return false;
    }
    if (it->is_list && row->kind != CREDENTIAL_EMAILS) {
        buf_printf(problems, "%s: is a list, but takes one value\n", where);
        return false;
    }
    for (uint32_t i = 0; i < it->n; i++) {
        const char *wrong = wrong_value(row, it->values[i]);

        if (wrong != NULL) {
            buf_printf(problems, "%s: %s\n", where, wrong);
            return false;
        }
    }
    c->at[id] = joined(it);
    c->line[id] = it->line;
    return true;
}

enum err credentials_parse(const char *file, struct slice text, struct credentials *ret, struct buf *problems,
                           struct buf *warnings)
{
    struct arena arena;
    struct flat flat;
    bool ok;

    *ret = (struct credentials){0};
    arena_init(&arena);
    ok = flat_read(file, text, &arena, &flat, problems) == ERR_OK;
    for (uint32_t i = 0; i < flat.n; i++)
        ok = take_item(file, &flat.items[i], ret, problems, warnings) && ok;
    flat_wipe(&flat);
    arena_done(&arena);
    return ok ? ERR_OK : ERR_INVALID;
}

static void take_env(struct credentials *c)
{
    for (int i = 0; i < N_CREDENTIALS; i++) {
        const char *env = credential_rows[i].env != NULL ? getenv(credential_rows[i].env) : NULL;

        if (c->at[i] == NULL && env != NULL && wrong_value(&credential_rows[i], env) == NULL)
            c->at[i] = secret_new(env, strlen(env));
    }
}

enum err credentials_load(const char *data, struct credentials *ret, struct buf *problems,
                          struct buf *warnings)
{
    struct vault v;
    struct secret *text = NULL;
    struct why why = {0};
    enum err err;

    *ret = (struct credentials){0};
    err = vault_open(&v, data, false, &why);
    if (err == ERR_OK)
        err = vault_read(&v, &text, &why);
    vault_close(&v);
    if (err != ERR_OK) {
        buf_printf(problems, "%s\n", why.text);
        return ERR_INVALID;
    }
    err = credentials_parse(VAULT_FILE, (struct slice){secret_reveal(text), secret_len(text)}, ret, problems,
                            warnings);
    secret_free(text);
    take_env(ret);
    return err;
}

void credentials_done(struct credentials *c)
{
    for (int i = 0; i < N_CREDENTIALS; i++)
        secret_free(c->at[i]);
    *c = (struct credentials){0};
}

/* ---- for people ---- */

void credentials_template(struct buf *out)
{
    buf_puts(out,
             "# Credentials of this wrata. Remove the # of what you need; what is not set is not used.\n");
    for (int i = 0; i < N_CREDENTIALS; i++) {
        const struct credential_row *row = &credential_rows[i];

        buf_printf(out, "\n# %s\n# %s:%s\n", row->help, row->name,
                   row->kind == CREDENTIAL_PEM      ? " |"
                   : row->kind == CREDENTIAL_EMAILS ? " [qa@example.org]"
                                                    : "");
    }
}

void credentials_markdown(struct buf *out)
{
    buf_puts(out, "| key | what | in the predecessor's file |\n|---|---|---|\n");
    for (int i = 0; i < N_CREDENTIALS; i++) {
        const struct credential_row *row = &credential_rows[i];

        buf_printf(out, "| `%s` | %s |", row->name, row->help);
        for (size_t k = 0; k < ARRAY_LEN(row->was) && row->was[k] != NULL; k++)
            buf_printf(out, "%s `%s`", k > 0 ? "," : "", row->was[k]);
        if (row->env != NULL)
            buf_printf(out, " `%s` in the environment", row->env);
        buf_puts(out, " |\n");
    }
}
