/* prepare.c - see prepare.h. A job is a list of steps, one child process each:
 *
 *     init                   make the cache                      (skipped when it is there)   | one job at a
 *     look                   is the commit in the cache?                                      | time for each
 *     fetch                  bring it                            (only when it is not)        | project
 *     remove, prune, tree    a work tree for the slot            (skipped when it is there)   |
 *     checkout, clean        in parallel */
#include "agent/prepare.h"

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

#include "agent/exec.h"
#include "agent/launch.h"

#define ERRORS_KEPT 800u /* of what git said last */
#define TREE_GONE "work/gone"
#define CACHE_REFS 200u        /* commits kept by name in a cache */
#define CACHE_TIDY_FETCHES 50u /* and after so many fetches it is looked after */

enum step {
    STEP_NEW,
    STEP_EMPTY,
    STEP_INIT,
    STEP_LOOK,
    STEP_FETCH,
    STEP_REMOVE,
    STEP_PRUNE,
    STEP_TREE,
    STEP_CHECKOUT,
    STEP_CLEAN,
    STEP_DONE
};

struct job {
    uint32_t slot;
    uint64_t project;
    char commit[65];
    enum step step;
    bool has_lock; /* on the project's cache */
    bool has_fetched;
    bool is_late;
    bool is_remade; /* its tree was broken: it is made anew, once */
    pid_t pid;      /* 0: no child */
    int fd;         /* its output; -1: closed */
    struct mono deadline;
    char errors[ERRORS_KEPT + 1];
    size_t errors_len;
    struct job *next;
};

struct prepare {
    struct prepare_opts opts;
    char *dir;
    char *self;
    struct job *jobs;
    pid_t removing; /* an rm of old trees; 0: none */
    pid_t tidying;  /* of a cache; 0: none */
    uint32_t fetches;
    int null_fd;
    char folder[4096];
    char channel_error[256];
    struct arena arena;
};

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

void prepare_channel_error(struct prepare *p, struct slice text)
{
    (void)snprintf(p->channel_error, sizeof(p->channel_error), "%.*s", (int)text.len, text.ptr);
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

static void job_fail(struct prepare *p, struct job *j, struct mono now, const char *what)
{
    char text[ERRORS_KEPT + 400];

    while (j->errors_len > 0 && j->errors[j->errors_len - 1] == '\n')
        j->errors_len--;
    j->errors[j->errors_len] = '\0';
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s", what, j->errors_len > 0 ? ": " : "", j->errors,
                   p->channel_error[0] != '\0' ? "; " : "", p->channel_error);
    p->channel_error[0] = '\0';
    job_end(p, j, now, text);
}

static pid_t run_child(struct prepare *p, char *const *argv, int *retout)
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
    j->pid = run_child(p, argv, &j->fd);
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

static bool has_cache(uint64_t project)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "cache/p%" PRIu64 ".git/HEAD", project);
    return access(path, F_OK) == 0;
}

static bool has_tree(const struct job *j)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "work/p%" PRIu64 "-s%u/.git", j->project, j->slot);
    return access(path, F_OK) == 0 && !j->is_remade;
}

#define GIT "git", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false"

static void job_run_step(struct prepare *p, struct job *j, struct mono now)
{
    struct arena *a = &p->arena;
    const char *self = p->self;
    char *cache;
    char *tree;
    char *ref;

    arena_reset(a);
    if (access(self, X_OK) != 0) /* removed or replaced by an upgrade: this name still leads to what we are */
        self = arena_printf(a, "/proc/%d/exe", (int)getpid());
    cache = arena_printf(a, "cache/p%" PRIu64 ".git", j->project);
    tree = arena_printf(a, "%s/work/p%" PRIu64 "-s%u", p->dir, j->project, j->slot);
    ref = arena_printf(a, "%s:refs/wrata/%s", j->commit, j->commit);
    switch (j->step) {
    case STEP_EMPTY:
        job_child(p, j, now, (char *[]){"rm", "-rf", "--", arena_printf(a, "work/none-s%u", j->slot), NULL});
        break;
    case STEP_INIT:
        job_child(p, j, now, (char *[]){GIT, "init", "--quiet", "--bare", cache, NULL});
        break;
    case STEP_LOOK:
        job_child(p, j, now,
                  (char *[]){GIT, "--git-dir", cache, "cat-file", "-e",
                             arena_printf(a, "%s^{commit}", j->commit), NULL});
        break;
    case STEP_FETCH:
        j->has_fetched = true;
        p->channel_error[0] = '\0';
        job_child(p, j, now,
                  (char *[]){GIT, "-c", "protocol.ext.allow=always", "--git-dir", cache, "fetch", "--no-tags",
                             "--quiet",
                             arena_printf(a, "ext::%s channel %s git:%" PRIu64 ":%s", ext_escape(p, self),
                                          ext_escape(p, arena_printf(a, "%s/agent.sock", p->dir)), j->project,
                                          j->commit),
                             ref, NULL});
        break;
    case STEP_REMOVE:
        job_child(p, j, now, (char *[]){"rm", "-rf", "--", tree, NULL});
        break;
    case STEP_PRUNE:
        job_child(p, j, now, (char *[]){GIT, "--git-dir", cache, "worktree", "prune", NULL});
        break;
    case STEP_TREE:
        job_child(p, j, now,
                  (char *[]){GIT, "--git-dir", cache, "worktree", "add", "--quiet", "--force", "--detach",
                             "--no-checkout", tree, j->commit, NULL});
        break;
    case STEP_CHECKOUT:
        job_child(p, j, now,
                  (char *[]){GIT, "-C", tree, "checkout", "--quiet", "--force", "--detach", j->commit, NULL});
        break;
    case STEP_CLEAN:
        job_child(p, j, now, (char *[]){GIT, "-C", tree, "clean", "-ffdxq", NULL});
        break;
    case STEP_NEW:
    case STEP_DONE:
    default:
        CHECK(!"a step with a child");
    }
}

static bool is_locked(const struct prepare *p, uint64_t project)
{
    for (const struct job *j = p->jobs; j != NULL; j = j->next)
        if (j->has_lock && j->project == project)
            return true;
    return false;
}

static void job_go(struct prepare *p, struct job *j, struct mono now, enum step step);

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
    job_go(p, oldest, now, has_cache(project) ? STEP_LOOK : STEP_INIT);
}

static void trees_bound(struct prepare *p, uint32_t slot);
static void cache_tidy(struct prepare *p, uint64_t project);

static void job_go(struct prepare *p, struct job *j, struct mono now, enum step step)
{
    uint64_t project = j->project;
    bool unlock = j->has_lock && (step == STEP_CHECKOUT || step == STEP_DONE);

    if (unlock)
        j->has_lock = false;
    j->step = step;
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

static void job_next(struct prepare *p, struct job *j, struct mono now, bool ok)
{
    if (j->is_late) {
        job_fail(p, j, now, "bringing the code took longer than 10 minutes");
    } else if (j->step == STEP_EMPTY) {
        if (ok && mkdir(prepare_folder(p, j->slot, 0), 0755) == 0)
            job_go(p, j, now, STEP_DONE);
        else
            job_fail(p, j, now, "the empty folder cannot be made");
    } else if (j->step == STEP_LOOK) {
        job_go(p, j, now, !ok ? STEP_FETCH : has_tree(j) ? STEP_CHECKOUT : STEP_REMOVE);
    } else if (!ok && (j->step == STEP_CHECKOUT || j->step == STEP_CLEAN) && !j->is_remade) {
        j->is_remade = true;
        j->step = STEP_NEW;
        next_for_cache(p, j->project, now);
    } else if (!ok && (j->step == STEP_CHECKOUT || j->step == STEP_CLEAN)) {
        job_fail(p, j, now,
                 j->step == STEP_CLEAN ? "the work tree cannot be cleaned" : "git checkout failed");
    } else if (!ok) {
        job_fail(p, j, now, j->step == STEP_FETCH ? "git fetch failed" : "git failed");
    } else {
        job_go(p, j, now,
               j->step == STEP_INIT       ? STEP_LOOK
               : j->step == STEP_FETCH    ? (has_tree(j) ? STEP_CHECKOUT : STEP_REMOVE)
               : j->step == STEP_REMOVE   ? STEP_PRUNE
               : j->step == STEP_PRUNE    ? STEP_TREE
               : j->step == STEP_TREE     ? STEP_CHECKOUT
               : j->step == STEP_CHECKOUT ? STEP_CLEAN
                                          : STEP_DONE);
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

void prepare_start(struct prepare *p, struct mono now, uint32_t slot, uint64_t project, struct slice commit)
{
    struct job *j = xcalloc(1, sizeof(*j));

    j->slot = slot;
    j->project = project;
    j->fd = -1;
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
    if (!is_commit(commit)) {
        job_fail(p, j, now, "the commit is not a full commit id");
        return;
    }
    memcpy(j->commit, commit.ptr, commit.len);
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
    p->removing = run_child(p, (char *[]){"rm", "-rf", "--", TREE_GONE, NULL}, &fd);
    if (p->removing < 0)
        p->removing = 0;
    if (fd >= 0)
        (void)close(fd);
}

/* ---- old commits ---- */

/* What was fetched long ago goes from the cache: names beyond the newest CACHE_REFS, and, when git thinks that it is worth
 * it, what only they held. A tree's own commit stays, and so does what is younger than two weeks; so this may run beside
 * jobs. A commit that is wanted again is fetched again. */
static void cache_tidy(struct prepare *p, uint64_t project)
{
    static const char script[] =
        "nice git --git-dir \"$1\" for-each-ref --sort=-committerdate --format=\"delete %(refname)\" "
        "refs/wrata/ | "
        "tail -n +\"$2\" | nice git --git-dir \"$1\" update-ref --stdin; "
        "exec nice git -c core.hooksPath=/dev/null -c gc.autoDetach=false --git-dir \"$1\" gc --auto --quiet";
    int fd = -1;

    if (p->fetches++ % CACHE_TIDY_FETCHES != 0 || p->tidying != 0)
        return;
    arena_reset(&p->arena);
    p->tidying = run_child(p,
                           (char *[]){"sh", "-c", arena_strdup(&p->arena, script), "tidy",
                                      arena_printf(&p->arena, "cache/p%" PRIu64 ".git", project),
                                      arena_printf(&p->arena, "%u", CACHE_REFS + 1), NULL},
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
