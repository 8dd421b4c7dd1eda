/* projects.c - mirrors, their jobs, and the children that do them.
 *
 * A job is a row of steps; each step is one child, its end starts the next. Jobs that change a mirror go one after
 * another, in the order of asking. Jobs that only read it - refs, trees, plans - go beside them, for git allows that
 * and no page shall wait for a fetch; but a mirror that is not there yet, or is being removed, they wait for.
 *
 * Nothing starts inside the public calls: they queue, and a timer of 0 ms starts what may start. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/log.h"
#include "project/project_private.h"

#define MIRROR_BUCKETS 256u
#define READERS_MAX 4u   /* of one mirror */
#define REFRESHES_MAX 4u /* of all: they wait for the network and unpack with all cores */
#define TREES_MAX 32u
#define TREES_BYTES_MAX MIB(128)
#define ARGV_MAX 48u

struct projects {
    uv_loop_t *loop;
    char *dir;
    struct children *children;
    uv_timer_t *kick;
    struct mirror *mirrors[MIRROR_BUCKETS];
    struct tree *trees; /* newest use first */
    uint32_t n_refreshing;
    struct git_login login; /* borrowed */
};

static const struct {
    const char *name;
    bool is_write;
    job_step_fn *step;
} kinds[] = {
    [JOB_REFRESH] = {"refresh", true, refresh_step}, [JOB_REMOVE] = {"remove", true, remove_step},
    [JOB_BUNDLE] = {"bundle", true, bundle_step},    [JOB_PRUNE] = {"prune", true, prune_step},
    [JOB_SUBS] = {"submodules", true, subs_step},    [JOB_LFS] = {"lfs", false, lfs_step},
    [JOB_REFS] = {"refs", false, refs_step},         [JOB_TREE] = {"tree", false, tree_step},
    [JOB_PLAN] = {"plan", false, tree_step},         [JOB_CONFIG] = {"config", false, tree_step},
    [JOB_FILE] = {"file", false, file_step},
};
_Static_assert(ARRAY_LEN(kinds) == JOB_KIND_COUNT, "a row for each");

/* ---- lists ---- */

static void list_append(struct job **at, struct job *j)
{
    while (*at != NULL)
        at = &(*at)->next;
    j->next = NULL;
    *at = j;
}

static void list_remove(struct job **at, struct job *j)
{
    while (*at != NULL && *at != j)
        at = &(*at)->next;
    if (*at == j)
        *at = j->next;
    j->next = NULL;
}

static void kick(struct projects *ps);

static struct mirror *mirror_get(struct projects *ps, struct project_id id)
{
    struct mirror **bucket = &ps->mirrors[id.v % MIRROR_BUCKETS];
    struct mirror *m = *bucket;
    char path[PATH_BYTES_MAX];

    while (m != NULL && m->id.v != id.v)
        m = m->next;
    if (m != NULL)
        return m;
    m = xcalloc(1, sizeof(*m));
    m->ps = ps;
    m->id = id;
    projects_mirror_path(ps, id, path, sizeof(path) - 8);
    m->path = xstrdup(path);
    (void)strncat(path, ".new", 5);
    m->path_new = xstrdup(path);
    arena_init(&m->refs.arena);
    m->next = *bucket;
    *bucket = m;
    return m;
}

/* ---- jobs ---- */

struct job *job_new(struct projects *ps, struct project_id id, enum job_kind kind, void *ctx)
{
    struct job *j = xcalloc(1, sizeof(*j));

    j->mirror = mirror_get(ps, id);
    j->kind = kind;
    j->ctx = ctx;
    j->url = xstrdup("");
    j->ref = xstrdup("");
    arena_init(&j->arena);
    list_append(&j->mirror->queue, j);
    kick(ps);
    return j;
}

static void job_tell(struct job *j, enum err err, const struct why *why)
{
    if (j->is_told)
        return;
    j->is_told = true;
    switch (j->kind) {
    case JOB_REFRESH:
    case JOB_REMOVE:
    case JOB_PRUNE:
        if (j->done != NULL)
            j->done(j->ctx, err, why);
        break;
    case JOB_BUNDLE:
        j->on_bundle(j->ctx, err, why, NULL, 0);
        break;
    case JOB_SUBS:
        j->on_subs(j->ctx, err, why, NULL, 0);
        break;
    case JOB_LFS:
        j->on_lfs(j->ctx, err, why, NULL, 0, 0);
        break;
    case JOB_REFS:
        j->on_refs(j->ctx, err, why, NULL);
        break;
    case JOB_TREE:
        j->on_tree(j->ctx, err, why, NULL, NULL, 0);
        break;
    case JOB_PLAN:
        j->on_plan(j->ctx, err, why, NULL);
        break;
    case JOB_CONFIG:
        j->on_config(j->ctx, err, why, NULL);
        break;
    case JOB_FILE:
        j->on_file(j->ctx, err, why, (struct slice){"", 0});
        break;
    case JOB_KIND_COUNT:
    default:
        CHECK(!"a kind of job");
    }
}

static void job_free(struct job *j)
{
    for (uint32_t i = 0; i < j->n_patterns; i++)
        free(j->patterns[i]);
    free(j->patterns);
    free(j->url);
    free(j->ref);
    free(j->bundle);
    free(j->input);
    subs_free(j->subs);
    lfs_free(j->lfs);
    arena_done(&j->arena);
    free(j);
}

void job_end(struct job *j, enum err err, const struct why *why)
{
    struct projects *ps = j->mirror->ps;

    CHECK(j->child == NULL);
    list_remove(&j->mirror->running, j);
    if (j->kind == JOB_REFRESH)
        ps->n_refreshing--;
    kick(ps);
    job_tell(j, err, why);
    job_free(j);
}

bool job_failed(const struct child_exit *e)
{
    return !e->exited || e->exit_code != 0;
}

void job_said(const struct job *j, const struct child_exit *e, char *out, size_t size)
{
    const struct git_login *login = &j->mirror->ps->login;
    char how[96];
    struct buf err;

    buf_init(&err, (e->err.len + 1) * 4); /* a mask may be longer than a token */
    login_mask(login->token, e->err, &err);
    if (!j->is_remote || !login_explains(login, j->url, buf_slice(&err), out, size))
        (void)text_of_git(buf_slice(&err), out, size);
    buf_done(&err);
    if (out[0] == '\0' || e->timed_out)
        (void)snprintf(out, size, "%s", child_exit_text(e, how, sizeof(how)));
}

void job_end_git(struct job *j, const struct child_exit *e, enum err code, const char *what)
{
    char said[200];
    struct why why;

    job_said(j, e, said, sizeof(said));
    (void)why_set(&why, e->timed_out ? ERR_TIMEOUT : code, NULL, "cannot %s: %s", what, said);
    job_end(j, why.code, &why);
}

/* ---- children ---- */

static void on_child_exit(void *ctx, const struct child_exit *e)
{
    struct job *j = ctx;

    j->child = NULL;
    kinds[j->kind].step(j, e);
}

/* No ways but these to a remote (`ext::` runs commands). */
static const char protocols[] = "GIT_ALLOW_PROTOCOL=https:http:ssh:git:file";
static const char foreign_protocols[] = "GIT_ALLOW_PROTOCOL=https:http:ssh:git";

/* Nothing of a shell we were started from, and no questions. */
static const char *const git_env[] = {
    "GIT_TERMINAL_PROMPT=0",
    "SSH_ASKPASS_REQUIRE=never",
    "GIT_OPTIONAL_LOCKS=0",
    "LC_ALL=C",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
    /* These write what is sent, and where it is sent to. */
    "GIT_TRACE",
    "GIT_TRACE_CURL",
    "GIT_TRACE_REDACT",
    "GIT_CURL_VERBOSE",
    "GIT_TRACE2",
    "GIT_TRACE2_EVENT",
    "GIT_TRACE2_PERF",
};

#define LOGIN_ENV_MAX 8

/* Into all (NULL-ended). Nobody answers for what is not for this login. */
static void job_env(struct job *j, struct login_env *login, const char **all)
{
    size_t n = ARRAY_LEN(git_env);

    memcpy(all, git_env, sizeof(git_env));
    *login = (struct login_env){0};
    if (j->is_remote && login_fits(&j->mirror->ps->login, j->url)) {
        login_env(&j->mirror->ps->login, j->url, login);
        all[n++] = "GIT_SSL_NO_VERIFY";
        all[n++] = login->askpass;
        all[n++] = login->host;
        all[n++] = login->user;
        all[n++] = buf_str(&login->token);
    } else {
        all[n++] = "GIT_ASKPASS=";
    }
    if (j->index != NULL)
        all[n++] = arena_printf(&j->arena, "GIT_INDEX_FILE=%s", j->index);
    all[n++] = j->is_foreign ? foreign_protocols : protocols;
    all[n] = NULL;
}

void job_run(struct job *j, const char *const *argv, int64_t deadline_ms)
{
    const char *env[ARRAY_LEN(git_env) + LOGIN_ENV_MAX];
    struct child_opts opts = {.argv = argv,
                              .env = env,
                              .in = j->input != NULL ? CHILD_PIPE : CHILD_NULL,
                              .out = CHILD_PIPE,
                              .err = CHILD_PIPE,
                              .new_session = true,
                              .deadline_ms = deadline_ms,
                              .out_max = j->out_max != 0 ? j->out_max : GIT_OUT_MAX,
                              .on_exit = on_child_exit,
                              .ctx = j};
    struct login_env login;
    struct why why;
    char *input = j->input;
    size_t n_input = j->input_bytes;
    enum err err;

    CHECK(j->child == NULL);
    j->input = NULL;
    j->input_bytes = 0;
    job_env(j, &login, env);
    err = child_start(j->mirror->ps->children, &opts, &j->child, &why);
    login_env_done(&login);
    if (err != ERR_OK) {
        free(input);
        job_end(j, why.code, &why);
        return;
    }
    if (input == NULL)
        return;
    child_write(j->child, input, n_input != 0 ? n_input : strlen(input));
    child_close_in(j->child);
}

static const char *const login_config[] = {"credential.helper=", "http.sslVerify=true",
                                           "http.followRedirects=initial", "credential.useHttpPath=false"};

/* git-lfs wants a remote, and takes the url from lfs.url. */
static const char *const lfs_config[] = {
    "remote.wrata.url=wrata:", "remote.wrata.lfsurl=", "lfs.pushurl=", "lfs.transfer.maxretries=2"};

static void start_git(struct job *j, const char *git_dir, const char *const *words, int64_t deadline_ms)
{
    static const char *const begin[] = {"git",       "-c", "core.hooksPath=/dev/null",    "-c",
                                        "gc.auto=0", "-c", "fetch.writeCommitGraph=false"};
    const char *argv[ARGV_MAX];
    unsigned n = 0;

    if (j->file_bytes_max > 0) {
        argv[n++] = "prlimit";
        argv[n++] = arena_printf(&j->arena, "--fsize=%llu", (unsigned long long)j->file_bytes_max);
        argv[n++] = "--";
    }
    for (unsigned i = 0; i < ARRAY_LEN(begin); i++)
        argv[n++] = begin[i];
    for (unsigned i = 0; j->lfs_url != NULL && i < ARRAY_LEN(lfs_config); i++) {
        argv[n++] = "-c";
        argv[n++] = lfs_config[i];
    }
    if (j->lfs_url != NULL) {
        argv[n++] = "-c";
        argv[n++] = j->lfs_url;
    }
    argv[n++] = "-c";
    argv[n++] = arena_printf(&j->arena, "safe.directory=%s", git_dir);
    if (j->is_remote && login_fits(&j->mirror->ps->login, j->url)) {
        /* No helper is asked or told, TLS is checked, and only the first request may be sent elsewhere. */
        for (unsigned i = 0; i < ARRAY_LEN(login_config); i++) {
            argv[n++] = "-c";
            argv[n++] = login_config[i];
        }
    }
    argv[n++] = arena_printf(&j->arena, "--git-dir=%s", git_dir);
    for (unsigned i = 0; words[i] != NULL; i++) {
        CHECK(n + 1 < ARGV_MAX);
        argv[n++] = words[i];
    }
    argv[n] = NULL;
    job_run(j, argv, deadline_ms);
}

void job_git(struct job *j, const char *git_dir, const char *const *words, char *input, int64_t deadline_ms)
{
    j->input = input;
    j->is_remote = false;
    start_git(j, git_dir, words, deadline_ms);
}

void job_git_remote(struct job *j, const char *git_dir, const char *const *words, int64_t deadline_ms)
{
    j->is_remote = true;
    start_git(j, git_dir, words, deadline_ms);
}

/* ---- who may start ---- */

static bool may_start(const struct mirror *m, const struct job *j, bool write_before, bool remove_before)
{
    bool write_runs = false;
    bool remove_runs = false;
    bool prune_runs = false;
    bool plan_runs = false;
    bool lfs_runs = false;
    bool lfs_fetches = false;
    uint32_t n_running = 0;

    for (const struct job *r = m->running; r != NULL; r = r->next) {
        write_runs |= kinds[r->kind].is_write;
        remove_runs |= r->kind == JOB_REMOVE;
        prune_runs |= r->kind == JOB_PRUNE;
        plan_runs |= r->kind == JOB_PLAN;
        lfs_runs |= r->kind == JOB_LFS;
        lfs_fetches |= r->fetches_lfs;
        n_running++;
    }
    if (j->kind == JOB_REMOVE)
        return n_running == 0 && !write_before;
    if (j->kind == JOB_PRUNE && (plan_runs || lfs_runs)) /* about to say that something is needed */
        return false;
    if ((j->waits_for_prune || j->kind == JOB_LFS) && prune_runs)
        return false;
    if (j->waits_for_lfs && lfs_fetches) /* what that one brings this one need not */
        return false;
    if (kinds[j->kind].is_write)
        return !write_runs && !write_before &&
               (j->kind != JOB_REFRESH || m->ps->n_refreshing < REFRESHES_MAX);
    if (remove_runs || remove_before || n_running >= READERS_MAX + 1)
        return false;
    return mirror_exists(m) || (!write_runs && !write_before);
}

/* The first job that may start; NULL: none. */
static struct job *next_job(const struct mirror *m)
{
    bool write_before = false;
    bool remove_before = false;

    for (struct job *j = m->queue; j != NULL; j = j->next) {
        if (may_start(m, j, write_before, remove_before))
            return j;
        write_before |= kinds[j->kind].is_write;
        remove_before |= j->kind == JOB_REMOVE;
    }
    return NULL;
}

static void on_kick(uv_timer_t *t)
{
    struct projects *ps = t->data;
    struct mirror *m;
    struct job *j;

    for (unsigned i = 0; i < MIRROR_BUCKETS; i++) {
        for (m = ps->mirrors[i]; m != NULL; m = m->next) {
            while ((j = next_job(m)) != NULL) {
                list_remove(&m->queue, j);
                list_append(&m->running, j);
                if (j->kind == JOB_REFRESH)
                    ps->n_refreshing++;
                kinds[j->kind].step(j, NULL);
            }
        }
    }
}

static void kick(struct projects *ps)
{
    if (ps->kick != NULL)
        (void)uv_timer_start(ps->kick, on_kick, 0, 0);
}

void job_unlist(struct job *j)
{
    list_remove(&j->mirror->running, j);
}

void job_requeue(struct job *j)
{
    j->next = j->mirror->queue;
    j->mirror->queue = j;
    kick(j->mirror->ps);
}

/* ---- trees that are kept ---- */

struct tree *projects_tree_find(struct projects *ps, struct project_id id, const char *commit)
{
    for (struct tree **at = &ps->trees; *at != NULL; at = &(*at)->next) {
        struct tree *t = *at;

        if (t->project.v != id.v || strcmp(t->commit, commit) != 0)
            continue;
        *at = t->next;
        t->next = ps->trees;
        ps->trees = t;
        return t;
    }
    return NULL;
}

void projects_tree_keep(struct projects *ps, struct tree *t)
{
    struct tree **at = &ps->trees;
    struct tree *over;
    size_t bytes = 0;
    uint32_t n = 0;

    t->next = ps->trees;
    ps->trees = t;
    while (*at != NULL) {
        n++;
        bytes += (*at)->arena.total_bytes;
        if (*at == t || (n <= TREES_MAX && bytes <= TREES_BYTES_MAX)) {
            at = &(*at)->next;
            continue;
        }
        over = *at;
        *at = over->next;
        tree_free(over);
    }
}

void projects_trees_drop(struct projects *ps, struct project_id id)
{
    struct tree **at = &ps->trees;
    struct tree *t;

    while ((t = *at) != NULL) {
        if (t->project.v != id.v) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        tree_free(t);
    }
}

/* ---- what others call ---- */

void projects_mirror_path(const struct projects *ps, struct project_id id, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/p%llu.git", ps->dir, (unsigned long long)id.v);
}

void projects_refresh(struct projects *ps, struct project_id id, const char *url, project_done_fn *done,
                      void *ctx)
{
    struct job *j = job_new(ps, id, JOB_REFRESH, ctx);

    free(j->url);
    j->url = xstrdup(url);
    j->done = done;
}

void projects_remove(struct projects *ps, struct project_id id)
{
    (void)job_new(ps, id, JOB_REMOVE, NULL);
}

void projects_refs(struct projects *ps, struct project_id id,
                   void (*done)(void *ctx, enum err err, const struct why *why, const struct git_refs *refs),
                   void *ctx)
{
    job_new(ps, id, JOB_REFS, ctx)->on_refs = done;
}

void projects_plan(struct projects *ps, struct project_id id, const char *url, const char *ref,
                   const char *const *patterns, uint32_t n_patterns,
                   void (*done)(void *ctx, enum err err, const struct why *why, const struct plan *plan),
                   void *ctx)
{
    struct job *j = job_new(ps, id, JOB_PLAN, ctx);

    free(j->url);
    free(j->ref);
    j->url = xstrdup(url);
    j->ref = xstrdup(ref);
    j->patterns = xcalloc(n_patterns, sizeof(*j->patterns));
    for (uint32_t i = 0; i < n_patterns; i++)
        j->patterns[i] = xstrdup(patterns[i]);
    j->n_patterns = n_patterns;
    j->on_plan = done;
}

void projects_config(struct projects *ps, struct project_id id, const char *ref,
                     void (*done)(void *ctx, enum err err, const struct why *why,
                                  const struct project_config *config),
                     void *ctx)
{
    struct job *j = job_new(ps, id, JOB_CONFIG, ctx);

    free(j->ref);
    j->ref = xstrdup(ref);
    j->on_config = done;
}

void projects_tree(struct projects *ps, struct project_id id, const char *ref, bool tests_only,
                   void (*done)(void *ctx, enum err err, const struct why *why, const char *commit,
                                const char *const *files, uint32_t n_files),
                   void *ctx)
{
    struct job *j = job_new(ps, id, JOB_TREE, ctx);

    free(j->ref);
    j->ref = xstrdup(ref);
    j->tests_only = tests_only;
    j->on_tree = done;
}

void projects_bundle(struct projects *ps, struct project_id id, const char *bundle_path,
                     void (*done)(void *ctx, enum err err, const struct why *why, const char *const *commits,
                                  uint32_t n_commits),
                     void *ctx)
{
    struct job *j = job_new(ps, id, JOB_BUNDLE, ctx);

    CHECK(bundle_path[0] == '/');
    j->bundle = xstrdup(bundle_path);
    j->on_bundle = done;
}

void projects_prune(struct projects *ps, struct project_id id, struct wall older_than,
                    const char *const *keep, uint32_t n_keep, project_done_fn *done, void *ctx)
{
    struct job *j = job_new(ps, id, JOB_PRUNE, ctx);

    j->older_than = older_than;
    j->done = done;
    j->patterns = xcalloc(n_keep, sizeof(*j->patterns));
    for (uint32_t i = 0; i < n_keep; i++)
        j->patterns[i] = xstrdup(keep[i]);
    j->n_patterns = n_keep;
}

/* ---- open and close ---- */

#define GONE "gone-"
#define SWEEP_MAX 1000u

static void on_swept(void *ctx, const struct child_exit *e)
{
    (void)ctx;
    (void)e; /* what is left of it goes the next time */
}

/* What a crash left: first fetches that never became a mirror, and mirrors that were being removed. They get another name at
 * once, so that the next fetch has the place, and go meanwhile. */
static void sweep(struct projects *ps)
{
    const char *argv[SWEEP_MAX + 4] = {"rm", "-rf", "--"};
    struct child_opts opts = {.argv = argv,
                              .in = CHILD_NULL,
                              .out = CHILD_NULL,
                              .err = CHILD_NULL,
                              .new_session = true,
                              .deadline_ms = GIT_FETCH_MS,
                              .on_exit = on_swept};
    struct arena arena;
    struct child *child;
    struct dirent *d;
    struct why why;
    DIR *dir = opendir(ps->dir);
    unsigned n = 3;

    if (dir == NULL)
        return;
    arena_init(&arena);
    while (n < SWEEP_MAX + 3 && (d = readdir(dir)) != NULL) {
        size_t len = strlen(d->d_name);
        char *old = arena_printf(&arena, "%s/%s", ps->dir, d->d_name);
        char *gone = old;

        if (strncmp(d->d_name, GONE, strlen(GONE)) != 0) {
            if (d->d_name[0] != 'p' || len < 10 || strcmp(d->d_name + len - 8, ".git.new") != 0)
                continue;
            gone = arena_printf(&arena, "%s/" GONE "%llu-%s", ps->dir, (unsigned long long)wall_now().ms,
                                d->d_name);
            if (rename(old, gone) != 0)
                continue;
        }
        argv[n++] = gone;
    }
    (void)closedir(dir);
    argv[n] = NULL;
    if (n > 3 && child_start(ps->children, &opts, &child, &why) != ERR_OK)
        LOG_WARN("project.sweep", "failed=1");
    arena_done(&arena);
}

enum err projects_new(struct uv_loop_s *loop, const char *dir, struct projects **ret, struct why *reterr)
{
    struct projects *ps;
    char path[PATH_MAX];

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return why_errno(reterr, ERR_IO, errno, "%s", dir);
    if (realpath(dir, path) == NULL)
        return why_errno(reterr, ERR_IO, errno, "%s", dir);
    if (strlen(path) > PATH_BYTES_MAX - 64)
        return why_set(reterr, ERR_LIMIT, NULL, "%.60s…: the path is too long", path);
    ps = xcalloc(1, sizeof(*ps));
    ps->loop = loop;
    ps->dir = xstrdup(path);
    ps->login = (struct git_login){.host = GIT_HOST_DEFAULT, .user = ""};
    ps->children = children_new(loop);
    ps->kick = xcalloc(1, sizeof(*ps->kick));
    CHECK(uv_timer_init(loop, ps->kick) == 0);
    ps->kick->data = ps;
    sweep(ps);
    *ret = ps;
    return ERR_OK;
}

enum err projects_set_login(struct projects *ps, const struct git_login *login, struct why *reterr)
{
    if (!login_is_host(login->host))
        return why_set(reterr, ERR_INVALID, "git_host",
                       "git_host: '%.80s' is not a host like github.com or git.example.org:8443",
                       login->host);
    if (strlen(login->user) > 255 || (login->token != NULL && strlen(login->token) > KIB(32)))
        return why_set(reterr, ERR_INVALID, "git_user", "git_user, git_token: too long");
    ps->login = *login;
    return ERR_OK;
}

const struct git_login *projects_login(const struct projects *ps)
{
    return &ps->login;
}

const char *projects_git_host(const struct projects *ps)
{
    return ps->login.host;
}

static void on_kick_closed(uv_handle_t *h)
{
    free(h);
}

static void jobs_give_up(struct job **list)
{
    struct why why;
    struct job *j;

    (void)why_set(&why, ERR_BUSY, NULL, "wrata is shutting down");
    while ((j = *list) != NULL) {
        *list = j->next;
        j->next = NULL;
        j->child = NULL;
        job_tell(j, ERR_BUSY, &why);
        job_free(j);
    }
}

void projects_halt(struct projects *ps)
{
    if (ps == NULL || ps->kick == NULL)
        return;
    children_free(ps->children);
    ps->children = NULL;
    uv_close((uv_handle_t *)ps->kick, on_kick_closed);
    ps->kick = NULL;
    for (unsigned i = 0; i < MIRROR_BUCKETS; i++) {
        for (struct mirror *m = ps->mirrors[i]; m != NULL; m = m->next) {
            jobs_give_up(&m->running);
            jobs_give_up(&m->queue);
        }
    }
}

void projects_free(struct projects *ps)
{
    struct mirror *m;

    if (ps == NULL)
        return;
    projects_halt(ps);
    for (unsigned i = 0; i < MIRROR_BUCKETS; i++) {
        while ((m = ps->mirrors[i]) != NULL) {
            jobs_give_up(&m->queue); /* those that were asked for after the halt */
            ps->mirrors[i] = m->next;
            arena_done(&m->refs.arena);
            free(m->path);
            free(m->path_new);
            free(m);
        }
    }
    while (ps->trees != NULL) {
        struct tree *t = ps->trees;

        ps->trees = t->next;
        tree_free(t);
    }
    free(ps->dir);
    free(ps);
}
