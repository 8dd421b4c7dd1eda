/* run_env.c - see run_env.h. */
#include "agent/run_env.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/container_order.h"
#include "agent/launch.h"
#include "base/mask.h"

static bool has_entry(char *const *env, const char *name)
{
    return env_get(env, name) != NULL;
}

/* Every folder of the usual three that the agent's own PATH does not name is put behind it: an ssh command may come with
 * none at all. A PATH that the launch gives is taken as it is. */
static char *path_entry(struct arena *a, const char *path)
{
    static const char *const usual[] = {"/usr/local/bin", "/usr/bin", "/bin"};
    char *out = arena_printf(a, "PATH=%s", path != NULL ? path : "");

    for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
        const char *list = out + 5;
        size_t n = strlen(usual[i]);
        bool found = false;

        for (const char *p = list; *p != '\0'; p += strcspn(p, ":"), p += *p == ':')
            found = found || (strcspn(p, ":") == n && strncmp(p, usual[i], n) == 0);
        if (!found)
            out = arena_printf(a, "%s%s%s", out, *list != '\0' ? ":" : "", usual[i]);
    }
    return out;
}

char **exec_base_env(struct arena *a, size_t extra, size_t *retn)
{
    /* Where version managers live is passed on, which version they chose is not. */
    static const char *const names[] = {"HOME",   "USER", "LOGNAME",    "SHELL",    "LANG",         "LC_ALL",
                                        "TMPDIR", "TZ",   "RBENV_ROOT", "ASDF_DIR", "ASDF_DATA_DIR"};
    char **env = arena_alloc(a, (ARRAY_LEN(names) + 3 + extra) * sizeof(char *));
    size_t n = 0;

    env[n++] = path_entry(a, getenv("PATH"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *v = getenv(names[i]);

        if (v != NULL)
            env[n++] = arena_printf(a, "%s=%s", names[i], v);
        else if (strcmp(names[i], "HOME") == 0)
            env[n++] = arena_strdup(a, "HOME=/");
    }
    /* An ssh command often comes without a locale, and then ruby and python take text for ASCII: suites that pass on
     * anybody's desk fail. C.UTF-8 is there on every machine that has git. */
    if (getenv("LANG") == NULL && getenv("LC_ALL") == NULL)
        env[n++] = arena_strdup(a, "LANG=C.UTF-8");
    *retn = n;
    return env;
}

static void env_put(char **env, size_t *n, char *entry)
{
    size_t name = (size_t)(strchrnul(entry, '=') - entry);

    if (entry[name] != '=' || name == 0)
        return;
    for (size_t i = 0; i < *n; i++)
        if (strncmp(env[i], entry, name + 1) == 0) {
            env[i] = entry;
            return;
        }
    env[(*n)++] = entry;
}

static struct secret_env secret_env_make(const struct frame_run_spec *spec, char **env, size_t *n)
{
    struct secret_env s = {.len = 1};
    char *to;

    for (uint32_t i = 0; i < spec->n_secrets; i++)
        s.len += spec->secrets[i].s.len + 1;
    to = s.at = xcalloc(s.len, 1);
    for (uint32_t i = 0; i < spec->n_secrets; i++) {
        if (spec->secrets[i].s.len > 0)
            memcpy(to, spec->secrets[i].s.ptr, spec->secrets[i].s.len);
        env_put(env, n, to);
        to += spec->secrets[i].s.len + 1;
    }
    return s;
}

void secret_env_done(struct secret_env *s)
{
    if (s->at != NULL)
        mem_wipe(s->at, s->len);
    free(s->at);
    s->at = NULL;
}

/* Where python looks for modules: our plugin's folder before the project's own. */
static char *python_path(struct arena *a, char *const *env, const char *folder)
{
    const char *path = env_get(env, "PYTHONPATH");

    if (path == NULL || path[0] == '\0')
        return arena_printf(a, "PYTHONPATH=%s", folder);
    return arena_printf(a, "PYTHONPATH=%s:%s", folder, path);
}

/* What a run is told of itself; at most so many lines. */
#define TOLD_MAX 4

static size_t told(struct arena *a, const struct run_env_opts *opts, char **lines)
{
    size_t n = 0;

    lines[n++] = arena_printf(a, "WRATA_SLOT=%u", opts->slot);
    lines[n++] = opts->slot == 0 ? arena_strdup(a, "TEST_ENV_NUMBER=")
                                 : arena_printf(a, "TEST_ENV_NUMBER=%u", opts->slot + 1);
    if (opts->has_channel)
        lines[n++] = arena_strdup(a, "WRATA_RESULTS_FD=3");
    lines[n++] = arena_strdup(a, opts->mark);
    return n;
}

char **run_env(struct arena *a, const struct frame_run_spec *spec, const struct run_env_opts *opts,
               struct secret_env *secrets)
{
    size_t n;
    char **env = exec_base_env(a, spec->n_env + spec->n_secrets + 8, &n);
    char *lines[TOLD_MAX];
    size_t n_lines;

    for (uint32_t i = 0; i < spec->n_env; i++)
        env_put(env, &n, arena_strndup(a, spec->env[i].s.ptr, spec->env[i].s.len));
    if (spec->n_secrets > 0)
        *secrets = secret_env_make(spec, env, &n);
    env[n] = NULL;
    if (!has_entry(env, "DISPLAY"))
        env_put(env, &n, arena_strdup(a, "DISPLAY=:0.0"));
    n_lines = told(a, opts, lines);
    for (size_t i = 0; i < n_lines; i++)
        env_put(env, &n, lines[i]);
    env[n] = NULL;
    if (slice_eq(spec->adapter, SLICE("pytest")) && opts->pytest_folder != NULL)
        env_put(env, &n, python_path(a, env, opts->pytest_folder));
    env[n] = NULL;
    return env;
}

void run_env_boxed(struct arena *a, const struct frame_run_spec *spec, const struct run_env_opts *opts,
                   struct inside_order *ret)
{
    char *lines[TOLD_MAX];
    size_t n = told(a, opts, lines);

    for (uint32_t i = 0; i < spec->n_env; i++)
        order_add(a, &ret->env, arena_strndup(a, spec->env[i].s.ptr, spec->env[i].s.len));
    for (size_t i = 0; i < n; i++)
        order_add(a, &ret->env, lines[i]);
    for (uint32_t i = 0; i < spec->n_secrets; i++)
        order_add(a, &ret->secrets, arena_strndup(a, spec->secrets[i].s.ptr, spec->secrets[i].s.len));
    order_add(a, &ret->defaults, "DISPLAY=:0.0");
    order_add(a, &ret->defaults, "LANG=C.UTF-8");
    if (slice_eq(spec->adapter, SLICE("pytest")) && opts->pytest_folder != NULL)
        order_add(a, &ret->prepends, arena_printf(a, "PYTHONPATH=%s", opts->pytest_folder));
}

/* ---- arguments ---- */

/* "rspec ...", "bundle exec rspec ..." */
static bool is_rspec(char *const *argv, uint32_t i)
{
    if (strcmp(argv[i], "rspec") != 0)
        return false;
    return i == 0 || (i == 2 && strcmp(argv[0], "bundle") == 0 && strcmp(argv[1], "exec") == 0);
}

/* "pytest ...", "python3 -m pytest ...", "uv run pytest ...", "venv/bin/pytest ..." */
static bool is_pytest(char *const *argv, uint32_t i)
{
    const char *slash = strrchr(argv[i], '/');
    const char *name = slash != NULL ? slash + 1 : argv[i];

    return i < 4 &&
           (strcmp(name, "pytest") == 0 || strcmp(name, "pytest-3") == 0 || strcmp(name, "py.test") == 0);
}

char **run_argv(struct arena *a, const struct frame_run_spec *spec, const char *adapter_rspec,
                const char *pytest_folder)
{
    char **argv = arena_alloc(a, (spec->n_argv + 3) * sizeof(char *));
    bool wants_rspec = slice_eq(spec->adapter, SLICE("rspec")) && adapter_rspec != NULL;
    bool wants_pytest = slice_eq(spec->adapter, SLICE("pytest")) && pytest_folder != NULL;
    size_t n = 0;

    for (uint32_t i = 0; i < spec->n_argv; i++) {
        argv[n++] = arena_strndup(a, spec->argv[i].s.ptr, spec->argv[i].s.len);
        if (wants_rspec && is_rspec(argv, i)) {
            argv[n++] = arena_strdup(a, "--require");
            argv[n++] = arena_strdup(a, adapter_rspec);
            wants_rspec = false;
        } else if (wants_pytest && is_pytest(argv, i)) {
            argv[n++] = arena_strdup(a, "-p");
            argv[n++] = arena_strdup(a, "wrata_pytest");
            wants_pytest = false;
        }
    }
    argv[n] = NULL;
    return argv;
}
