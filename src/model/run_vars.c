/* run_vars.c - see run_vars.h. */
#include "model/run_vars.h"

#include <string.h>

static bool env_has(const struct launch_row *l, const char *name)
{
    size_t n = strlen(name);
    uint32_t i;

    for (i = 0; i < l->n_env; i++) {
        if (strncmp(l->env[i], name, n) == 0 && l->env[i][n] == '=')
            return true;
    }
    return false;
}

/* The host of a URL without user and port: "https://u@[::1]:80/x" -> "::1". NULL: it is no URL. */
static const char *host_of(struct arena *a, const char *location)
{
    const char *host = strstr(location, "://");
    size_t n;
    size_t i;

    if (host == NULL)
        return NULL;
    host += 3;
    n = strcspn(host, "/?#");
    for (i = n; i > 0; i--) {
        if (host[i - 1] == '@') {
            host += i;
            n -= i;
            break;
        }
    }
    if (n > 0 && host[0] == '[')
        return arena_strndup(a, host + 1, strcspn(host, "]") - 1);
    return arena_strndup(a, host, strcspn(host, ":/?#"));
}

/* What wrata says unless the launch's own lines do. "" and NULL: it says nothing. */
static void env_put(struct arena *a, const struct launch_row *l, const char **env, uint32_t *n,
                    const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0' && !env_has(l, name))
        env[(*n)++] = arena_printf(a, "%s=%s", name, value);
}

const char *const *run_vars(struct arena *a, const struct run_vars *of, uint32_t *retn)
{
    const struct launch_row *l = of->launch;
    const char **env = arena_alloc(a, (l->n_env + 16) * sizeof(*env));
    uint32_t n = 0;
    uint32_t i;

    for (i = 0; i < l->n_env; i++)
        env[n++] = l->env[i];
    env_put(a, l, env, &n, "DISPLAY", ":0.0");
    env_put(a, l, env, &n, "SPEC_REGION", l->location);
    env_put(a, l, env, &n, "SPEC_SERVER_IP", host_of(a, l->location));
    env_put(a, l, env, &n, "SPEC_LANGUAGE", of->language);
    if (strcmp(of->browser, "default") != 0)
        env_put(a, l, env, &n, "SPEC_BROWSER", of->browser);
    env[n++] = arena_printf(a, "WRATA_RUN_ID=%llu", (unsigned long long)of->run.v);
    env[n++] = arena_printf(a, "WRATA_LAUNCH_ID=%llu", (unsigned long long)l->id.v);
    env[n++] = arena_printf(a, "WRATA_ATTEMPT=%u", of->attempt);
    env[n++] = arena_printf(a, "WRATA_COMMIT=%s", l->commit);
    env[n++] = arena_printf(a, "WRATA_SERVER=%s", of->server);
    *retn = n;
    return env;
}
