#include "agent/container_order.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIT_LINES_MAX 1000u /* of GIT_CONFIG_COUNT, that somebody else set */

/* ---- writing ---- */

static void put(struct buf *out, const char *key, const char *value)
{
    buf_puts(out, key);
    buf_putc(out, '=');
    buf_put(out, value, strlen(value) + 1);
}

static void put_text(struct buf *out, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0')
        put(out, key, value);
}

static void put_number(struct buf *out, const char *key, uint64_t n)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, n);
    if (n > 0)
        put(out, key, text);
}

static void put_list(struct buf *out, const char *key, const struct order_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        put(out, key, list->at[i]);
}

void inside_order_write(const struct inside_order *o, struct buf *out)
{
    put_text(out, "cwd", o->cwd);
    put_list(out, "arg", &o->argv);
    put_list(out, "env", &o->env);
    put_list(out, "default", &o->defaults);
    put_list(out, "prepend", &o->prepends);
    put_list(out, "secret", &o->secrets);
    put_list(out, "safe", &o->safe);
    put_text(out, "user", o->user);
    put_number(out, "has_home", o->has_home);
    put_number(out, "has_results", o->has_results);
    put_number(out, "has_hook", o->has_hook);
    put_number(out, "is_limited", o->is_limited);
    put_list(out, "way", &o->ways);
    put_list(out, "lent", &o->lent);
    put_list(out, "given", &o->given);
}

void container_order_write(const struct container_order *o, struct buf *out)
{
    const struct container_spec *s = &o->spec;

    put_number(out, "is_step", o->is_step);
    put_number(out, "patience_ms", (uint64_t)o->patience_ms);
    put_number(out, "has_notes", o->has_notes);
    put_text(out, "engine", engine_name(s->engine));
    put_text(out, "name", s->name);
    put_text(out, "mark", s->mark);
    put_number(out, "run", s->run);
    put_text(out, "image", s->image);
    put_text(out, "host", s->host);
    put_text(out, "network", s->network);
    put_number(out, "shm", s->shm_bytes);
    put_number(out, "memory", s->memory_bytes);
    put_number(out, "pids", s->pids);
    put_number(out, "is_privileged", s->is_privileged);
    put_number(out, "has_new_privileges", s->has_new_privileges);
    for (uint32_t i = 0; i < s->n_mounts; i++) {
        put(out, s->mounts[i].is_read_only ? "mount_ro" : "mount", s->mounts[i].source);
        put(out, "at", s->mounts[i].target);
    }
    inside_order_write(&o->inside, out);
}

/* ---- reading ---- */

void order_add(struct arena *a, struct order_list *list, const char *text)
{
    if (list->n == 0 || (list->n >= 8 && (list->n & (list->n - 1)) == 0)) { /* full at 8, 16, 32 ... */
        const char **more = arena_alloc(a, (list->n == 0 ? 8 : (size_t)list->n * 2) * sizeof(*more));

        if (list->n > 0)
            memcpy(more, list->at, list->n * sizeof(*more));
        list->at = more;
    }
    list->at[list->n++] = text;
}

struct reader {
    struct arena *a;
    struct container_order *to;
    struct container_mount *mounts;
};

enum kind { KIND_TEXT, KIND_NUMBER, KIND_FLAG, KIND_LIST };

#define AT(member) offsetof(struct container_order, member)

static const struct {
    const char *key;
    enum kind kind;
    size_t at;
} keys[] = {
    {"is_step", KIND_FLAG, AT(is_step)},
    {"patience_ms", KIND_NUMBER, AT(patience_ms)},
    {"has_notes", KIND_FLAG, AT(has_notes)},
    {"name", KIND_TEXT, AT(spec.name)},
    {"mark", KIND_TEXT, AT(spec.mark)},
    {"run", KIND_NUMBER, AT(spec.run)},
    {"image", KIND_TEXT, AT(spec.image)},
    {"host", KIND_TEXT, AT(spec.host)},
    {"network", KIND_TEXT, AT(spec.network)},
    {"shm", KIND_NUMBER, AT(spec.shm_bytes)},
    {"memory", KIND_NUMBER, AT(spec.memory_bytes)},
    {"pids", KIND_NUMBER, AT(spec.pids)},
    {"is_privileged", KIND_FLAG, AT(spec.is_privileged)},
    {"has_new_privileges", KIND_FLAG, AT(spec.has_new_privileges)},
    {"cwd", KIND_TEXT, AT(inside.cwd)},
    {"arg", KIND_LIST, AT(inside.argv)},
    {"env", KIND_LIST, AT(inside.env)},
    {"default", KIND_LIST, AT(inside.defaults)},
    {"prepend", KIND_LIST, AT(inside.prepends)},
    {"secret", KIND_LIST, AT(inside.secrets)},
    {"safe", KIND_LIST, AT(inside.safe)},
    {"user", KIND_TEXT, AT(inside.user)},
    {"has_home", KIND_FLAG, AT(inside.has_home)},
    {"has_results", KIND_FLAG, AT(inside.has_results)},
    {"has_hook", KIND_FLAG, AT(inside.has_hook)},
    {"is_limited", KIND_FLAG, AT(inside.is_limited)},
    {"way", KIND_LIST, AT(inside.ways)},
    {"lent", KIND_LIST, AT(inside.lent)},
    {"given", KIND_LIST, AT(inside.given)},
};

static bool take_mount(struct reader *r, const char *key, char *value)
{
    struct container_spec *s = &r->to->spec;

    if (strcmp(key, "at") == 0) {
        if (s->n_mounts == 0 || r->mounts[s->n_mounts - 1].target != NULL)
            return false;
        r->mounts[s->n_mounts - 1].target = value;
        return true;
    }
    if (s->n_mounts == ORDER_LIST_MAX)
        return false;
    if (r->mounts == NULL)
        r->mounts = arena_alloc(r->a, ORDER_LIST_MAX * sizeof(*r->mounts));
    s->mounts = r->mounts;
    r->mounts[s->n_mounts++] =
        (struct container_mount){.source = value, .is_read_only = strcmp(key, "mount_ro") == 0};
    return true;
}

static bool take_value(struct reader *r, enum kind kind, void *at, char *value)
{
    char *end;

    switch (kind) {
    case KIND_TEXT:
        *(const char **)at = value;
        return true;
    case KIND_FLAG:
        *(bool *)at = true;
        return strcmp(value, "1") == 0;
    case KIND_NUMBER:
        *(uint64_t *)at = strtoull(value, &end, 10);
        return end != value && *end == '\0';
    case KIND_LIST:
        if (((struct order_list *)at)->n == ORDER_LIST_MAX)
            return false;
        order_add(r->a, at, value);
        return true;
    default:
        return false;
    }
}

static bool take_record(struct reader *r, char *key, char *value)
{
    if (strcmp(key, "engine") == 0) {
        r->to->spec.engine = engine_parse(value);
        return r->to->spec.engine != ENGINE_COUNT;
    }
    if (strcmp(key, "mount") == 0 || strcmp(key, "mount_ro") == 0 || strcmp(key, "at") == 0)
        return take_mount(r, key, value);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(keys[i].key, key) == 0)
            return take_value(r, keys[i].kind, (char *)r->to + keys[i].at, value);
    return false;
}

enum err container_order_read(char *bytes, size_t n, struct arena *a, struct container_order *ret)
{
    struct reader r = {.a = a, .to = ret};

    *ret = (struct container_order){.spec = {.name = "", .mark = "", .image = "", .host = "", .network = ""},
                                    .inside = {.cwd = "", .user = ""}};
    for (size_t i = 0; i < n;) {
        char *end = memchr(bytes + i, '\0', n - i);
        char *eq = end != NULL ? memchr(bytes + i, '=', (size_t)(end - bytes) - i) : NULL;
        char *key = bytes + i;

        if (eq == NULL)
            return ERR_INVALID;
        *eq = '\0';
        if (!take_record(&r, key, eq + 1))
            return ERR_INVALID;
        i = (size_t)(end - bytes) + 1;
    }
    for (uint32_t i = 0; i < ret->spec.n_mounts; i++)
        if (r.mounts[i].target == NULL)
            return ERR_INVALID;
    return ret->inside.argv.n > 0 && ret->inside.cwd[0] == '/' ? ERR_OK : ERR_INVALID;
}

enum err inside_order_read(char *bytes, size_t n, struct arena *a, struct inside_order *ret)
{
    struct container_order whole;
    enum err err = container_order_read(bytes, n, a, &whole);

    *ret = whole.inside;
    return err;
}

/* ---- the environment ---- */

/* Where the name of `line` is in env, or n. */
static size_t place_of(char *const *env, size_t n, const char *line)
{
    size_t name = strcspn(line, "=");
    size_t at = 0;

    while (at < n && (strncmp(env[at], line, name) != 0 || env[at][name] != '='))
        at++;
    return at;
}

static void env_put(char **env, size_t *n, const char *line)
{
    size_t at = place_of(env, *n, line);

    if (line[0] == '=' || strchr(line, '=') == NULL)
        return;
    env[at] = (char *)(uintptr_t)line;
    *n += at == *n;
}

/* Git refuses what belongs to somebody else. What others said this way before goes on to count. */
static void put_safe(struct arena *a, const struct order_list *folders, char **env, size_t *n)
{
    size_t at = place_of(env, *n, "GIT_CONFIG_COUNT=");
    const char *text = at < *n ? strchr(env[at], '=') + 1 : "";
    unsigned long count = strtoul(text, NULL, 10);

    if (folders->n == 0 || strspn(text, "0123456789") != strlen(text) || count > GIT_LINES_MAX)
        return;
    for (uint32_t i = 0; i < folders->n; i++, count++) {
        env_put(env, n, arena_printf(a, "GIT_CONFIG_KEY_%lu=safe.directory", count));
        env_put(env, n, arena_printf(a, "GIT_CONFIG_VALUE_%lu=%s", count, folders->at[i]));
    }
    env_put(env, n, arena_printf(a, "GIT_CONFIG_COUNT=%lu", count));
}

char **inside_env(struct arena *a, const struct inside_order *o, char *const *image, bool with_secrets)
{
    size_t n = 0;
    size_t max = (size_t)o->env.n + o->defaults.n + o->prepends.n + o->secrets.n + 2 * o->safe.n + 2;
    char **env;

    while (image[n] != NULL)
        n++;
    env = arena_alloc(a, (n + max) * sizeof(*env));
    n = 0;
    for (; *image != NULL; image++)
        env_put(env, &n, *image);
    for (uint32_t i = 0; i < o->env.n; i++)
        env_put(env, &n, o->env.at[i]);
    for (uint32_t i = 0; with_secrets && i < o->secrets.n; i++)
        env_put(env, &n, o->secrets.at[i]);
    for (uint32_t i = 0; i < o->defaults.n; i++)
        if (place_of(env, n, o->defaults.at[i]) == n)
            env_put(env, &n, o->defaults.at[i]);
    for (uint32_t i = 0; i < o->prepends.n; i++) {
        const char *line = o->prepends.at[i];
        size_t at = place_of(env, n, line);
        const char *old = at < n ? strchr(env[at], '=') + 1 : "";

        env_put(env, &n, old[0] != '\0' ? arena_printf(a, "%s:%s", line, old) : line);
    }
    put_safe(a, &o->safe, env, &n);
    env[n] = NULL;
    return env;
}
