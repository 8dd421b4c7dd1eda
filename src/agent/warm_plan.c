/* warm_plan.c - see warm_plan.h.
 *
 * The process that forks is booted with the environment of its first run, without its secrets and without what is another
 * value for each run. So its key holds every other variable: none has to be known to matter. What of a run's environment it
 * does not have can only be missed by code that looks while it boots. That is Ruby's own and RSpec's, of which the names are
 * known, and where there is one the project's: a Gemfile, and what is preloaded. */
#include "agent/warm_plan.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/launch.h"

#define GEMFILE_BYTES KIB(256) /* a longer one is taken to look at everything */

/* Room in the memory of its words for a title that tells what a child runs. */
#define TITLE_ROOM                                                                                     \
    "................................................................................................" \
    "................................................................................................" \
    "................................................................................................"

/* Never the same for two runs, or ours. */
static const char *const own_names[] = {"WRATA_RUN_ID", "WRATA_ATTEMPT", "WRATA_RESULTS_FD",
                                        "WRATA_AGENT_RUN", "RUBYOPT"};
/* Differ within a launch; they say nothing to Ruby, bundler or RSpec. */
static const char *const test_names[] = {"SPEC_LANGUAGE", "SPEC_BROWSER"};
/* How names begin that say something while Ruby boots. */
static const char *const boot_prefixes[] = {
    "RUBY",  "GEM",  "BUNDLE", "LD_", "LC_",  "LANG",   "MALLOC", "GLIBC", "PATH",  "HOME", "TMPDIR", "TZ",
    "RBENV", "ASDF", "MISE",   "RVM", "rvm_", "CHRUBY", "XDG_",   "USER",  "SHELL", "PWD",  "WRATA"};

static bool is_one_of(const char *entry, const char *const *names, size_t n)
{
    size_t len = strcspn(entry, "=");

    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == len && memcmp(entry, names[i], len) == 0)
            return true;
    return false;
}

static bool matters_to_boot(const char *entry)
{
    for (size_t i = 0; i < ARRAY_LEN(boot_prefixes); i++)
        if (strncmp(entry, boot_prefixes[i], strlen(boot_prefixes[i])) == 0)
            return true;
    return false;
}

static bool is_secret(const struct secret_env *s, const char *entry)
{
    return s->at != NULL && entry >= s->at && entry < s->at + s->len;
}

/* ---- code of the project that looks at the environment ---- */

static bool file_has_env(int folder, const char *path, char *text)
{
    int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n;

    if (fd < 0)
        return false;
    while (len < GEMFILE_BYTES && (n = read(fd, text + len, GEMFILE_BYTES - len)) > 0)
        len += (size_t)n;
    (void)close(fd);
    return len == GEMFILE_BYTES || memmem(text, len, "ENV", 3) != NULL ||
           memmem(text, len, "eval_gemfile", 12) != NULL;
}

static bool gemfile_has_env(const char *cwd, const char *named)
{
    char *text = xmalloc(GEMFILE_BYTES);
    int folder = open(cwd, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool found = file_has_env(folder, named != NULL ? named : "Gemfile", text) ||
                 file_has_env(folder, "gems.rb", text);
    DIR *d = folder >= 0 ? fdopendir(folder) : NULL;
    struct dirent *de;

    while (d != NULL && !found && (de = readdir(d)) != NULL) {
        size_t n = strlen(de->d_name);

        if (n > 8 && strcmp(de->d_name + n - 8, ".gemspec") == 0)
            found = file_has_env(dirfd(d), de->d_name, text);
    }
    if (d != NULL)
        (void)closedir(d);
    else if (folder >= 0)
        (void)close(folder);
    free(text);
    return found;
}

/* ---- the plan ---- */

/* How many words the program is: "rspec", or "bundle exec rspec"; 0: it is neither. */
static uint32_t program_words(char *const *argv)
{
    if (strcmp(argv[0], "rspec") == 0)
        return 1;
    if (strcmp(argv[0], "bundle") == 0 && argv[1] != NULL && strcmp(argv[1], "exec") == 0 &&
        argv[2] != NULL && strcmp(argv[2], "rspec") == 0)
        return 3;
    return 0;
}

/* --version: should nobody stop it before it looks at its words, it does no harm. */
static char *const *boot_argv(const struct warm_run *r, uint32_t n_words, struct arena *a)
{
    char **argv = arena_alloc(a, (n_words + 3) * sizeof(*argv));
    uint32_t n = 0;

    for (; n < n_words; n++)
        argv[n] = r->argv[n];
    argv[n++] = arena_strdup(a, "--version");
    argv[n++] = arena_strdup(a, TITLE_ROOM);
    return argv;
}

/* With the key, which the kept variables are a part of. */
static char *const *boot_env(const struct warm_run *r, const struct warm_plan *p, const char *script,
                             const char *mark, bool env_is_read, struct buf *key, struct arena *a)
{
    const char *opt = env_get(r->envp, "RUBYOPT");
    size_t n = 0;
    char **env;

    while (r->envp[n] != NULL)
        n++;
    env = arena_alloc(a, (n + 4) * sizeof(*env));
    n = 0;
    for (char *const *e = r->envp; *e != NULL; e++) {
        if (is_one_of(*e, own_names, ARRAY_LEN(own_names)) || is_secret(r->secrets, *e) ||
            (!env_is_read && is_one_of(*e, test_names, ARRAY_LEN(test_names))))
            continue;
        env[n++] = *e;
        buf_put(key, *e, strlen(*e) + 1);
    }
    env[n++] = arena_printf(a, "RUBYOPT=-r%s%s%s", script, opt != NULL ? " " : "", opt != NULL ? opt : "");
    buf_put(key, env[n - 1], strlen(env[n - 1]) + 1);
    env[n++] = arena_printf(a, "WRATA_WARM=%.*s", (int)p->preload.len, p->preload.ptr);
    env[n++] = arena_strdup(a, mark);
    env[n] = NULL;
    return env;
}

bool warm_plan(const struct warm_run *r, const char *script, const char *mark, struct arena *a,
               struct warm_plan *ret)
{
    struct warm_plan p = {.preload = r->preload, .n_words = program_words(r->argv)};
    bool has_secrets = r->secrets->at != NULL;
    bool env_is_read;
    struct buf key;

    if (p.n_words == 0 || strcspn(script, " \t\n") != strlen(script)) /* RUBYOPT would end at a blank */
        return false;
    if (has_secrets) /* what is preloaded would miss them */
        p.preload = (struct slice){"", 0};
    env_is_read =
        p.preload.len > 0 || (p.n_words > 1 && gemfile_has_env(r->cwd, env_get(r->envp, "BUNDLE_GEMFILE")));
    if (has_secrets && env_is_read)
        return false;
    for (char *const *e = r->envp; *e != NULL; e++)
        if (is_secret(r->secrets, *e) && matters_to_boot(*e))
            return false;
    buf_init(&key, MIB(16));
    buf_printf(&key, "%" PRIu64 " %" PRIu64 " %.*s %u %.*s\n%s\n", r->launch, r->project, (int)r->commit.len,
               r->commit.ptr, p.n_words, (int)p.preload.len, p.preload.ptr, r->cwd);
    p.argv = boot_argv(r, p.n_words, a);
    p.envp = boot_env(r, &p, script, mark, env_is_read, &key, a);
    p.key.len = key.len;
    p.key.ptr = memcpy(arena_alloc(a, key.len), key.data, key.len);
    buf_done(&key);
    *ret = p;
    return true;
}
