/* prepare_steps.c - the command of each step of a preparation (prepare.c). */
#include "agent/prepare_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/exec.h"
#include "agent/launch.h"
#include "agent/worktrees.h"

#define STALE_MAX SETUP_SUBMODULES_MAX

pid_t prepare_child(struct prepare *p, char *const *argv, int *retout)
{
    size_t n;
    char **env = exec_base_env(&p->arena, 8, &n);
    struct launch l = {.argv = argv, .cwd = p->dir, .in = p->null_fd, .results = -1};
    const char *step;
    int fds[2];
    pid_t pid;

    env[n++] = arena_strdup(&p->arena, "GIT_TERMINAL_PROMPT=0");
    env[n++] = arena_strdup(&p->arena, "GIT_CONFIG_NOSYSTEM=1");
    env[n++] = arena_strdup(&p->arena, "GIT_CONFIG_GLOBAL=/dev/null");
    env[n++] = arena_strdup(&p->arena, "GIT_OPTIONAL_LOCKS=0");
    env[n] = NULL;
    l.envp = env;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    l.out = fds[1];
    pid = launch_child(&l, &p->arena, &step);
    (void)close(fds[1]);
    if (pid < 0) {
        int e = errno;

        (void)close(fds[0]);
        errno = e;
        return -1;
    }
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    *retout = fds[0];
    return pid;
}

static void job_child(struct prepare *p, struct job *j, struct mono now, char *const *argv)
{
    j->errors_len = 0;
    j->pid = prepare_child(p, argv, &j->fd);
    if (j->pid > 0)
        return;
    j->pid = 0;
    (void)snprintf(j->errors, sizeof(j->errors), "%s",
                   errno == ENOENT ? "command not found on this server" : strerror(errno));
    j->errors_len = strlen(j->errors);
    job_fail(p, j, now, argv[0]);
}

/* git's ext:: takes blanks as ends of arguments and % as its escape. */
static const char *ext_escape(struct prepare *p, const char *s)
{
    char *out = arena_alloc(&p->arena, strlen(s) * 2 + 1);
    size_t n = 0;

    for (; *s != '\0'; s++) {
        if (*s == ' ' || *s == '%')
            out[n++] = '%';
        out[n++] = *s;
    }
    return out;
}

const char *job_git_dir(struct prepare *p, const struct job *j, const char *rel)
{
    const char *cache = arena_printf(&p->arena, "%s/cache/p%" PRIu64 ".git", p->dir, j->project);

    return worktree_git_dir(cache, prepare_folder(p, j->slot, j->project), rel, &p->arena);
}

static bool is_wanted(void *ctx, const char *rel)
{
    const struct job *j = ctx;

    for (uint32_t i = 0; i < j->n_subs; i++)
        if (strcmp(j->subs[i].path, rel) == 0)
            return true;
    return false;
}

#define GIT "git", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false"

static size_t add_words(char **argv, size_t n, char *const *words)
{
    while (*words != NULL)
        argv[n++] = *words++;
    argv[n] = NULL;
    return n;
}

/* A bad id among many ends rev-list, which then looks no further. */
static void start_look(struct prepare *p, struct job *j, struct mono now, char *cache)
{
    struct arena *a = &p->arena;
    char **argv = arena_alloc(a, (24 + (size_t)j->n_subs) * sizeof(*argv));
    size_t n = add_words(argv, 0, (char *[]){GIT, "--git-dir", cache, NULL});

    if (j->n_subs == 0) {
        (void)add_words(argv, n,
                        (char *[]){"cat-file", "-e", arena_printf(a, "%s^{commit}", j->commit), NULL});
    } else {
        n = add_words(argv, n, (char *[]){"rev-list", "--no-walk", "--quiet", j->commit, NULL});
        for (uint32_t i = 0; i < j->n_subs; i++)
            argv[n++] = arena_strdup(a, j->subs[i].commit);
        argv[n] = NULL;
    }
    job_child(p, j, now, argv);
}

static void start_fetch(struct prepare *p, struct job *j, struct mono now, char *cache)
{
    struct arena *a = &p->arena;
    char **argv = arena_alloc(a, (24 + (size_t)j->n_subs) * sizeof(*argv));
    const char *self = prepare_self(p);
    size_t n;

    n = add_words(argv, 0,
                  (char *[]){GIT, "-c", "protocol.ext.allow=always", "--git-dir", cache, "fetch", "--no-tags",
                             "--quiet",
                             arena_printf(a, "ext::%s channel %s git:%" PRIu64 ":%s", ext_escape(p, self),
                                          ext_escape(p, arena_printf(a, "%s/agent.sock", p->dir)), j->project,
                                          j->commit),
                             arena_printf(a, "%s:refs/wrata/%s", j->commit, j->commit), NULL});
    for (uint32_t i = 0; i < j->n_subs; i++)
        argv[n++] = arena_printf(a, "%s:refs/wrata/%s", j->subs[i].commit, j->subs[i].commit);
    argv[n] = NULL;
    j->has_fetched = true;
    j->channel_error[0] = '\0';
    job_child(p, j, now, argv);
}

/* In the work tree itself, or in that of the submodule whose turn it is. */
static void start_in_tree(struct prepare *p, struct job *j, struct mono now, char *tree, char *const *words)
{
    struct arena *a = &p->arena;
    const char *rel = prepare_is_of_sub(j) ? j->subs[j->sub].path : "";
    const char *git_dir = job_git_dir(p, j, rel);
    char *argv[32];
    size_t n;

    if (git_dir == NULL) { /* it was there a step ago */
        j->errors_len = 0;
        job_fail(p, j, now, "the work tree has gone");
        return;
    }
    prepare_lfs_settle(p, git_dir, j->lfs);
    n = add_words(argv, 0, (char *[]){GIT, NULL});
    if (j->lfs[0] == '\0') /* the configuration of the cache may be from a launch that wanted them */
        n = add_words(argv, n,
                      (char *[]){"-c", "filter.lfs.process=", "-c", "filter.lfs.required=false", NULL});
    n = add_words(argv, n,
                  (char *[]){"-C", tree, "--git-dir", arena_strdup(a, git_dir), "--work-tree", tree, NULL});
    (void)add_words(argv, n, words);
    job_child(p, j, now, argv);
}

/* What was a submodule in the last commit and is none in this one: git leaves such folders, or writes files into them beside
 * their `.git`. */
static void start_stale(struct prepare *p, struct job *j, struct mono now)
{
    struct arena *a = &p->arena;
    const char *cache = arena_printf(a, "%s/cache/p%" PRIu64 ".git", p->dir, j->project);
    const char *tree = arena_strdup(a, prepare_folder(p, j->slot, j->project));
    const char **stale = arena_alloc(a, STALE_MAX * sizeof(*stale));
    char **argv = arena_alloc(a, (STALE_MAX + 8) * sizeof(*argv));
    size_t found = worktrees_stale(cache, tree, is_wanted, j, stale, STALE_MAX, a);
    size_t n = add_words(argv, 0, (char *[]){"rm", "-rf", "--", NULL});

    if (found == 0) {
        job_go(p, j, now, STEP_CHECKOUT);
        return;
    }
    for (size_t i = 0; i < found; i++)
        argv[n++] = arena_printf(a, "%s/%s", tree, stale[i]);
    argv[n] = NULL;
    job_child(p, j, now, argv);
}

static void start_lfs(struct prepare *p, struct job *j, struct mono now, char *cache)
{
    bool is_included = true;

    if (j->lfs[0] != '\0' && !prepare_lfs_config(p, j, &is_included)) {
        j->errors_len = (size_t)snprintf(j->errors, sizeof(j->errors), "%s", strerror(errno));
        job_fail(p, j, now, "the configuration for Git LFS cannot be written");
    } else if (is_included) {
        job_go(p, j, now, STEP_LOOK);
    } else {
        job_child(p, j, now,
                  (char *[]){GIT, "--git-dir", cache, "config", "include.path", "lfs.config", NULL});
    }
}

void job_run_step(struct prepare *p, struct job *j, struct mono now)
{
    struct arena *a = &p->arena;
    const struct submodule *sub = prepare_is_of_sub(j) ? &j->subs[j->sub] : NULL;
    char *cache;
    char *tree;
    char *commit;

    arena_reset(a);
    cache = arena_printf(a, "cache/p%" PRIu64 ".git", j->project);
    tree = arena_printf(a, "%s/work/p%" PRIu64 "-s%u%s%s", p->dir, j->project, j->slot,
                        sub != NULL ? "/" : "", sub != NULL ? sub->path : "");
    commit = arena_strdup(a, sub != NULL ? sub->commit : j->commit);
    switch (j->step) {
    case STEP_EMPTY:
        job_child(p, j, now, (char *[]){"rm", "-rf", "--", arena_printf(a, "work/none-s%u", j->slot), NULL});
        break;
    case STEP_INIT:
        job_child(p, j, now, (char *[]){GIT, "init", "--quiet", "--bare", cache, NULL});
        break;
    case STEP_LFS:
        start_lfs(p, j, now, cache);
        break;
    case STEP_LOOK:
        start_look(p, j, now, cache);
        break;
    case STEP_FETCH:
        start_fetch(p, j, now, cache);
        break;
    case STEP_REMOVE:
    case STEP_SUB_REMOVE:
        job_child(p, j, now, (char *[]){"rm", "-rf", "--", tree, NULL});
        break;
    case STEP_PRUNE:
    case STEP_SUB_PRUNE:
        job_child(p, j, now, (char *[]){GIT, "--git-dir", cache, "worktree", "prune", NULL});
        break;
    case STEP_SUB_ACTIVE: /* for `git submodule` inside */
        job_child(p, j, now, (char *[]){GIT, "--git-dir", cache, "config", "submodule.active", ".", NULL});
        break;
    case STEP_TREE:
    case STEP_SUB_TREE: /* forced twice: also where a git that was killed has left it locked */
        job_child(p, j, now,
                  (char *[]){GIT, "--git-dir", cache, "worktree", "add", "--quiet", "--force", "--force",
                             "--detach", "--no-checkout", tree, commit, NULL});
        break;
    case STEP_STALE:
        start_stale(p, j, now);
        break;
    case STEP_CHECKOUT:
    case STEP_SUB_CHECKOUT:
        if (j->lfs[0] != '\0')
            p->opts.post(p->opts.ctx, now,
                         &(struct agent_event){.kind = AG_EV_STEP,
                                               .slot = j->slot,
                                               .wall = wall_now(),
                                               .text = SLICE("brings the files of Git LFS")});
        start_in_tree(p, j, now, tree,
                      (char *[]){"checkout", "--quiet", "--force", "--detach", commit, NULL});
        break;
    case STEP_CLEAN:
    case STEP_SUB_CLEAN:
        start_in_tree(p, j, now, tree, (char *[]){"clean", "-ffdxq", NULL});
        break;
    case STEP_NEW:
    case STEP_DONE:
    default:
        CHECK(!"a step with a child");
    }
}
