/* prepare.c - see prepare.h. A job is a list of steps, one child process each:
 *
 *     init                   make the cache                      (skipped when it is there)   | one job at a
 *     lfs                    git's filter for Git LFS            (once, when a launch has such)
 *     look                   are the commits in the cache?                                    | time for each
 *     fetch                  bring them                          (only when one is not)       | project
 *     remove, prune, tree    a work tree for the slot            (skipped when it is there)   |
 *     stale                  folders that were submodules go     (only when the commit is another)
 *     checkout, clean        in parallel
 *   and then for each submodule, parents first:
 *     remove, prune, active, tree    as above                    (skipped when it is there)   | as above
 *     checkout, clean        in parallel
 *
 * git is told where its git dir and its work tree are: what a run has made of `.git` in its folder is not followed. */
#include "agent/prepare_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/lfs.h"
#include "agent/worktrees.h"

struct prepare *prepare_new(const struct prepare_opts *opts)
{
    struct prepare *p = xcalloc(1, sizeof(*p));

    p->opts = *opts;
    p->dir = xstrdup(opts->dir);
    p->self = xstrdup(opts->self);
    p->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    arena_init(&p->arena);
    (void)mkdir("cache", 0700); /* a folder that is missing shows in the first step that needs it */
    (void)mkdir("work", 0755);
    return p;
}

static void job_free(struct prepare *p, struct job *j)
{
    struct job **at = &p->jobs;

    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    if (j->fd >= 0)
        (void)close(j->fd);
    arena_done(&j->arena);
    free(j);
}

void prepare_free(struct prepare *p)
{
    if (p == NULL)
        return;
    while (p->jobs != NULL) {
        if (p->jobs->pid > 0)
            (void)kill(-p->jobs->pid, SIGKILL);
        job_free(p, p->jobs);
    }
    if (p->tidying > 0)
        (void)kill(-p->tidying, SIGKILL);
    if (p->null_fd >= 0)
        (void)close(p->null_fd);
    arena_done(&p->arena);
    free(p->dir);
    free(p->self);
    free(p);
}

const char *prepare_folder(struct prepare *p, uint32_t slot, uint64_t project)
{
    if (project == 0)
        (void)snprintf(p->folder, sizeof(p->folder), "%s/work/none-s%u", p->dir, slot);
    else
        (void)snprintf(p->folder, sizeof(p->folder), "%s/work/p%" PRIu64 "-s%u", p->dir, project, slot);
    return p->folder;
}

void prepare_channel_error(struct prepare *p, uint64_t project, const char *commit, struct slice text)
{
    for (struct job *j = p->jobs; j != NULL; j = j->next) {
        bool is_its_own = commit[0] != '\0' ? strcmp(j->commit, commit) == 0 : j->lfs[0] != '\0';

        if (j->pid > 0 && j->project == project && is_its_own)
            (void)snprintf(j->channel_error, sizeof(j->channel_error), "%.*s", (int)text.len, text.ptr);
    }
}

/* ---- steps ---- */

static void next_for_cache(struct prepare *p, uint64_t project, struct mono now);

static void job_end(struct prepare *p, struct job *j, struct mono now, const char *error)
{
    uint64_t project = j->project;
    bool had_lock = j->has_lock;

    p->opts.post(p->opts.ctx, now,
                 &(struct agent_event){
                     .kind = AG_EV_PREPARED, .slot = j->slot, .wall = wall_now(), .text = slice_of(error)});
    job_free(p, j);
    if (had_lock)
        next_for_cache(p, project, now);
}

bool prepare_is_of_sub(const struct job *j)
{
    return j->step >= STEP_SUB_REMOVE && j->step <= STEP_SUB_CLEAN;
}

void job_fail(struct prepare *p, struct job *j, struct mono now, const char *what)
{
    char text[ERRORS_KEPT + SETUP_SUBMODULE_PATH_MAX + 400];

    while (j->errors_len > 0 && j->errors[j->errors_len - 1] == '\n')
        j->errors_len--;
    j->errors[j->errors_len] = '\0';
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s", prepare_is_of_sub(j) ? "submodule " : "",
                   prepare_is_of_sub(j) ? j->subs[j->sub].path : "", prepare_is_of_sub(j) ? ": " : "", what,
                   j->errors_len > 0 ? ": " : "", j->errors, j->channel_error[0] != '\0' ? "; " : "",
                   j->channel_error);
    job_end(p, j, now, text);
}

static bool has_cache(uint64_t project)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "cache/p%" PRIu64 ".git/HEAD", project);
    return access(path, F_OK) == 0;
}

static bool has_tree(struct prepare *p, const struct job *j)
{
    return !j->is_remade && job_git_dir(p, j, "") != NULL;
}

static bool is_locked(const struct prepare *p, uint64_t project)
{
    for (const struct job *j = p->jobs; j != NULL; j = j->next)
        if (j->has_lock && j->project == project)
            return true;
    return false;
}

/* Jobs that wait for a cache, oldest first (new ones are put in front). */
static void next_for_cache(struct prepare *p, uint64_t project, struct mono now)
{
    struct job *oldest = NULL;

    if (is_locked(p, project))
        return;
    for (struct job *j = p->jobs; j != NULL; j = j->next)
        if (j->project == project && j->step == STEP_NEW)
            oldest = j;
    if (oldest == NULL)
        return;
    oldest->has_lock = true;
    arena_reset(&p->arena);
    worktrees_mend(arena_printf(&p->arena, "cache/p%" PRIu64 ".git", project));
    job_go(p, oldest, now,
           oldest->waiting != STEP_NEW ? oldest->waiting
           : has_cache(project)        ? STEP_LFS
                                       : STEP_INIT);
}

static void trees_bound(struct prepare *p, uint32_t slot);
static void cache_tidy(struct prepare *p, uint64_t project);

void job_go(struct prepare *p, struct job *j, struct mono now, enum step step)
{
    uint64_t project = j->project;
    bool unlock = j->has_lock && (step == STEP_STALE || step == STEP_CHECKOUT || step == STEP_SUB_CHECKOUT ||
                                  step == STEP_DONE);

    if (unlock)
        j->has_lock = false;
    j->step = step;
    j->waiting = STEP_NEW;
    if (step == STEP_DONE) {
        uint32_t slot = j->slot;
        bool has_fetched = j->has_fetched;

        /* Its age is when it was last used: the oldest tree goes first. */
        if (project != 0)
            (void)utimensat(AT_FDCWD, prepare_folder(p, slot, project), NULL, 0);
        job_end(p, j, now, NULL);
        trees_bound(p, slot);
        if (has_fetched)
            cache_tidy(p, project);
    } else {
        job_run_step(p, j, now);
    }
    if (unlock)
        next_for_cache(p, project, now);
}

/* Begin again at `step`, when it is this job's turn at the cache. */
static void job_wait(struct prepare *p, struct job *j, struct mono now, enum step step)
{
    j->step = STEP_NEW;
    j->waiting = step;
    next_for_cache(p, j->project, now);
}

/* The slot's tree is there: what comes first for this commit? */
static enum step after_tree(struct prepare *p, const struct job *j)
{
    const char *git_dir = job_git_dir(p, j, "");

    /* The submodules are those of the commit. */
    return git_dir != NULL && worktree_is_at(git_dir, j->commit) ? STEP_CHECKOUT : STEP_STALE;
}

/* An empty folder is what a parent's checkout leaves for it. */
static bool is_empty_folder(const char *tree, const char *rel)
{
    const char *name = strrchr(rel, '/');
    char parent[SETUP_SUBMODULE_PATH_MAX + 1] = "";
    bool is_empty = false;
    int fd;

    if (name != NULL)
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(name - rel), rel);
    name = name != NULL ? name + 1 : rel;
    fd = worktree_open(tree, parent);
    if (fd >= 0) {
        is_empty = unlinkat(fd, name, AT_REMOVEDIR) == 0 && mkdirat(fd, name, 0755) == 0;
        (void)close(fd);
    }
    return is_empty;
}

/* The turn of the next submodule, the first at `sub`. */
static void job_sub(struct prepare *p, struct job *j, struct mono now, uint32_t sub)
{
    const char *path;
    int fd;

    if (sub == j->n_subs) {
        job_go(p, j, now, STEP_DONE);
        return;
    }
    arena_reset(&p->arena);
    j->sub = sub;
    path = j->subs[sub].path;
    fd = worktree_open(prepare_folder(p, j->slot, j->project), path);
    j->errors_len = 0;
    if (fd < 0) { /* git makes it for each submodule of the commit */
        j->step = STEP_SUB_CHECKOUT;
        job_fail(p, j, now, "its folder is not there after the checkout");
        return;
    }
    (void)close(fd);
    if (!j->is_sub_anew && job_git_dir(p, j, path) != NULL)
        job_go(p, j, now, STEP_SUB_CHECKOUT);
    else
        job_wait(p, j, now,
                 is_empty_folder(prepare_folder(p, j->slot, j->project), path) ? STEP_SUB_PRUNE
                                                                               : STEP_SUB_REMOVE);
}

static enum step step_after(struct prepare *p, struct job *j)
{
    switch (j->step) {
    case STEP_INIT:
        return STEP_LFS;
    case STEP_LFS:
        return STEP_LOOK;
    case STEP_FETCH:
        return has_tree(p, j) ? after_tree(p, j) : STEP_REMOVE;
    case STEP_REMOVE:
        return STEP_PRUNE;
    case STEP_PRUNE:
        return STEP_TREE;
    case STEP_TREE:
    case STEP_STALE:
        return STEP_CHECKOUT;
    case STEP_CHECKOUT:
        return STEP_CLEAN;
    case STEP_SUB_REMOVE:
        return STEP_SUB_PRUNE;
    case STEP_SUB_PRUNE:
        return STEP_SUB_ACTIVE;
    case STEP_SUB_ACTIVE:
        return STEP_SUB_TREE;
    case STEP_SUB_TREE:
        return STEP_SUB_CHECKOUT;
    case STEP_SUB_CHECKOUT:
        return STEP_SUB_CLEAN;
    case STEP_NEW:
    case STEP_EMPTY:
    case STEP_LOOK:
    case STEP_CLEAN:
    case STEP_SUB_CLEAN:
    case STEP_DONE:
    default:
        return STEP_DONE;
    }
}

static bool is_in_tree(const struct job *j)
{
    return j->step == STEP_CHECKOUT || j->step == STEP_CLEAN || j->step == STEP_SUB_CHECKOUT ||
           j->step == STEP_SUB_CLEAN;
}

/* A tree that git does not want any more is made anew, once: that of a submodule alone. */
static void job_not_ok(struct prepare *p, struct job *j, struct mono now)
{
    if (j->step == STEP_SUB_ACTIVE) { /* `git submodule status` says less then, and that is all */
        job_go(p, j, now, STEP_SUB_TREE);
    } else if (prepare_is_of_sub(j) && is_in_tree(j) && !j->is_sub_anew) {
        j->is_sub_anew = true;
        job_sub(p, j, now, j->sub);
    } else if (!prepare_is_of_sub(j) && (is_in_tree(j) || j->step == STEP_STALE) && !j->is_remade) {
        j->is_remade = true;
        job_wait(p, j, now, STEP_NEW);
    } else {
        job_fail(p, j, now,
                 j->step == STEP_CLEAN || j->step == STEP_SUB_CLEAN ? "the work tree cannot be cleaned"
                 : is_in_tree(j)                                    ? "git checkout failed"
                 : j->step == STEP_FETCH                            ? "git fetch failed"
                                                                    : "git failed");
    }
}

static void job_next(struct prepare *p, struct job *j, struct mono now, bool ok)
{
    arena_reset(&p->arena);
    if (j->is_late) {
        job_fail(p, j, now,
                 j->lfs[0] != '\0' ? "bringing the code and its files of Git LFS took longer than an hour"
                                   : "bringing the code took longer than 10 minutes");
    } else if (j->step == STEP_EMPTY) {
        if (ok && mkdir(prepare_folder(p, j->slot, 0), 0755) == 0)
            job_go(p, j, now, STEP_DONE);
        else
            job_fail(p, j, now, "the empty folder cannot be made");
    } else if (j->step == STEP_LOOK) {
        job_go(p, j, now, !ok ? STEP_FETCH : has_tree(p, j) ? after_tree(p, j) : STEP_REMOVE);
    } else if (!ok) {
        job_not_ok(p, j, now);
    } else if (j->step == STEP_CLEAN) {
        job_sub(p, j, now, 0);
    } else if (j->step == STEP_SUB_CLEAN) {
        j->is_sub_anew = false;
        job_sub(p, j, now, j->sub + 1);
    } else {
        job_go(p, j, now, step_after(p, j));
    }
}

static bool is_commit(struct slice s)
{
    if (s.len != 40 && s.len != 64)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (strchr("0123456789abcdef", s.ptr[i]) == NULL || s.ptr[i] == '\0')
            return false;
    return true;
}

/* Lines that cannot be read are a fault of the preparation, which begins with them (ready.c). */
static void take_setup(struct job *j, const struct frame_run_spec *spec)
{
    struct slice *lines = arena_alloc(&j->arena, ((size_t)spec->n_setup + 1) * sizeof(*lines));
    struct setup setup;

    for (uint32_t i = 0; i < spec->n_setup; i++)
        lines[i] = spec->setup[i].s;
    if (setup_read(lines, spec->n_setup, &j->arena, &setup, NULL) != ERR_OK)
        return;
    j->lfs = arena_strndup(&j->arena, setup.lfs.ptr, setup.lfs.len);
    j->subs = arena_alloc(&j->arena, ((size_t)setup.n_submodules + 1) * sizeof(*j->subs));
    for (uint32_t i = 0; i < setup.n_submodules; i++) {
        const struct setup_submodule *m = &setup.submodules[i];

        j->subs[j->n_subs++] =
            (struct submodule){.commit = arena_strndup(&j->arena, m->commit.ptr, m->commit.len),
                               .path = arena_strndup(&j->arena, m->path.ptr, m->path.len)};
    }
}

void prepare_start(struct prepare *p, struct mono now, uint32_t slot, const struct frame_run_spec *spec)
{
    struct job *j = xcalloc(1, sizeof(*j));
    uint64_t project = spec->project;

    j->slot = slot;
    j->project = project;
    j->fd = -1;
    arena_init(&j->arena);
    j->lfs = "";
    j->deadline = mono_add_ms(now, PREPARE_TIME_LIMIT_MS);
    j->next = p->jobs;
    p->jobs = j;
    if (project == 0) {
        const char *folder = prepare_folder(p, slot, 0);

        /* Empty already is the common case: then no child is needed. */
        if ((rmdir(folder) == 0 || errno == ENOENT) && mkdir(folder, 0755) == 0)
            job_go(p, j, now, STEP_DONE);
        else
            job_go(p, j, now, STEP_EMPTY);
        return;
    }
    if (!is_commit(spec->commit)) {
        job_fail(p, j, now, "the commit is not a full commit id");
        return;
    }
    take_setup(j, spec);
    if (j->lfs[0] != '\0')
        j->deadline = mono_add_ms(now, PREPARE_LFS_TIME_LIMIT_MS);
    memcpy(j->commit, spec->commit.ptr, spec->commit.len);
    next_for_cache(p, project, now);
}

/* ---- old trees ---- */

/* Keep PREPARE_TREES_PER_SLOT trees of a slot; one rm at a time, the rest at the next preparation. The tree gets another
 * name first: under its own it could be wanted again while it is being removed. */
static void trees_bound(struct prepare *p, uint32_t slot)
{
    char suffix[24];
    char oldest[256] = "";
    struct timespec oldest_at = {0};
    struct dirent *de;
    unsigned count = 0;
    DIR *d = p->removing == 0 ? opendir("work") : NULL;
    int fd = -1;

    if (d == NULL)
        return;
    (void)snprintf(suffix, sizeof(suffix), "-s%u", slot);
    while ((de = readdir(d)) != NULL) {
        size_t n = strlen(de->d_name);
        struct stat st;

        if (de->d_name[0] != 'p' || n < strlen(suffix) || n >= sizeof(oldest) ||
            strcmp(de->d_name + n - strlen(suffix), suffix) != 0 ||
            fstatat(dirfd(d), de->d_name, &st, 0) != 0)
            continue;
        count++;
        if (oldest[0] == '\0' || st.st_mtim.tv_sec < oldest_at.tv_sec ||
            (st.st_mtim.tv_sec == oldest_at.tv_sec && st.st_mtim.tv_nsec < oldest_at.tv_nsec)) {
            memcpy(oldest, de->d_name, n + 1);
            oldest_at = st.st_mtim;
        }
    }
    (void)closedir(d);
    if (count <= PREPARE_TREES_PER_SLOT)
        return;
    arena_reset(&p->arena);
    if (rename(arena_printf(&p->arena, "work/%s", oldest), TREE_GONE) != 0 && errno != ENOTEMPTY &&
        errno != EEXIST)
        return; /* else one is still there from an agent that died meanwhile: it goes now */
    p->removing = prepare_child(p, (char *[]){"rm", "-rf", "--", TREE_GONE, NULL}, &fd);
    if (p->removing < 0)
        p->removing = 0;
    if (fd >= 0)
        (void)close(fd);
}

/* ---- old commits ---- */

/* What was fetched long ago goes from the cache: files of Git LFS that no checkout wrote for two weeks; names beyond the newest CACHE_REFS, and, when git thinks that it is worth
 * it, what only they held. A tree's own commit stays, and so does what is younger than two weeks; so this may run beside
 * jobs. A commit that is wanted again is fetched again. */
static void cache_tidy(struct prepare *p, uint64_t project)
{
    static const char script[] =
        "nice git --git-dir \"$1\" for-each-ref --sort=-committerdate --format=\"delete %(refname)\" "
        "refs/wrata/ | "
        "tail -n +\"$2\" | nice git --git-dir \"$1\" update-ref --stdin; "
        "test ! -d \"$3\" || nice find \"$3\" -type f -mtime +14 -exec rm -f -- {} +; "
        "exec nice git -c core.hooksPath=/dev/null -c gc.autoDetach=false --git-dir \"$1\" gc --auto --quiet";
    int fd = -1;

    if (p->fetches++ % CACHE_TIDY_FETCHES != 0 || p->tidying != 0)
        return;
    arena_reset(&p->arena);
    p->tidying = prepare_child(p,
                               (char *[]){"sh", "-c", arena_strdup(&p->arena, script), "tidy",
                                          arena_printf(&p->arena, "cache/p%" PRIu64 ".git", project),
                                          arena_printf(&p->arena, "%u", CACHE_REFS + 1),
                                          arena_printf(&p->arena, LFS_CACHE "%" PRIu64, project), NULL},
                               &fd);
    if (p->tidying < 0)
        p->tidying = 0;
    if (fd >= 0)
        (void)close(fd);
}

/* ---- the loop's side ---- */

bool prepare_is_known_pid(const struct prepare *p, pid_t pid)
{
    for (const struct job *j = p->jobs; j != NULL; j = j->next)
        if (j->pid == pid)
            return true;
    return pid == p->removing || pid == p->tidying;
}

static void job_read(struct job *j)
{
    char text[1024];
    ssize_t n;

    while (j->fd >= 0 && (n = read(j->fd, text, sizeof(text))) != 0) {
        size_t len = (size_t)n;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        if (j->errors_len + len > ERRORS_KEPT) { /* the last of it tells the cause */
            size_t keep = len >= ERRORS_KEPT ? 0 : ERRORS_KEPT - len;

            if (keep > j->errors_len)
                keep = j->errors_len;
            memmove(j->errors, j->errors + j->errors_len - keep, keep);
            j->errors_len = keep;
            if (len > ERRORS_KEPT)
                len = ERRORS_KEPT;
        }
        memcpy(j->errors + j->errors_len, text + (size_t)n - len, len);
        j->errors_len += len;
    }
    if (j->fd >= 0)
        (void)close(j->fd);
    j->fd = -1;
}

bool prepare_reaped(struct prepare *p, struct mono now, pid_t pid, int status)
{
    if (pid == p->removing) {
        p->removing = 0;
        return true;
    }
    if (pid == p->tidying) {
        p->tidying = 0;
        return true;
    }
    for (struct job *j = p->jobs; j != NULL; j = j->next) {
        if (j->pid != pid)
            continue;
        (void)kill(-pid, SIGKILL); /* helpers that outlived git */
        j->pid = 0;
        job_read(j);
        if (j->fd >= 0)
            (void)close(j->fd);
        j->fd = -1;
        job_next(p, j, now, WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return true;
    }
    return false;
}

size_t prepare_poll_add(struct prepare *p, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    for (const struct job *j = p->jobs; j != NULL && n < max; j = j->next)
        if (j->fd >= 0)
            fds[n++] = (struct pollfd){.fd = j->fd, .events = POLLIN};
    return n;
}

void prepare_poll_done(struct prepare *p, const struct pollfd *fds, size_t n)
{
    for (struct job *j = p->jobs; j != NULL; j = j->next)
        for (size_t i = 0; i < n; i++)
            if (fds[i].fd == j->fd && fds[i].revents != 0) {
                job_read(j);
                break;
            }
}

struct mono prepare_deadline(const struct prepare *p)
{
    struct mono t = MONO_NEVER;

    for (const struct job *j = p->jobs; j != NULL; j = j->next)
        if (!j->is_late)
            t = mono_min(t, j->deadline);
    return t;
}

void prepare_tick(struct prepare *p, struct mono now)
{
    struct job *next;

    for (struct job *j = p->jobs; j != NULL; j = next) {
        next = j->next;
        if (j->is_late || mono_before(now, j->deadline))
            continue;
        j->is_late = true;
        if (j->pid > 0) {
            (void)kill(-j->pid, SIGKILL); /* the end is seen when it is reaped */
        } else {
            job_fail(p, j, now, "bringing the code took longer than 10 minutes");
            return; /* the list changed; the next turn goes on */
        }
    }
}
