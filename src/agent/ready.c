/* ready.c - see ready.h. A slot's job goes through:
 *
 *     wait       somebody else makes the environment    (or it is there, or it failed a moment ago)
 *     clear      what an earlier try left goes
 *     steps      one command after the other
 *     pack       what they left in the tree -> tree.tar
 *     unpack     tree.tar -> the tree                   (of slots that find it made)
 *
 * An environment is there when its folder holds `ok`, which is written last, after all else is on disk. */
#include "agent/ready.h"

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
#include <time.h>
#include <unistd.h>

#include "agent/exec.h"
#include "agent/launch.h"
#include "agent/sha256.h"
#include "base/log.h"

#define KILL_GRACE_MS 5000
#define OWN_LIMIT_MS 600000 /* of our own commands: git, rm, tar */
#define TAIL_BYTES 800u     /* of what a step said last, for the reason */
#define KEY_TEXT_MAX MIB(4)
#define TRIES 2u
#define GONE "cache/ready/gone"
#define NAME_BYTES 64u

enum stage { STAGE_NONE, STAGE_WAIT, STAGE_CLEAR, STAGE_STEP, STAGE_PACK, STAGE_UNPACK };

struct job {
    uint64_t run;
    uint64_t project;
    char commit[65];
    struct arena arena; /* of setup's texts and lists */
    struct setup setup;
    char bad[256]; /* why the setup cannot be used; "": it can */
    char tree[4096];
    enum stage stage;
    uint32_t step;
    uint32_t tries;
    char name[NAME_BYTES]; /* p1-0123456789abcdef; "": none */
    pid_t pid;
    int fd;
    struct mono deadline;
    struct mono began;
    bool is_late;
    bool is_killed;
    size_t said; /* bytes in the run's log */
    char tail[TAIL_BYTES + 1];
    size_t tail_len;
};

struct failure {
    char name[NAME_BYTES];
    char text[1200];
    struct mono until;
};

struct ready {
    struct ready_opts opts;
    char *dir;
    char *mark;
    struct job *jobs[AGENT_SLOTS_MAX];
    char used[AGENT_SLOTS_MAX][NAME_BYTES]; /* of the slot's present runs */
    struct failure failures[16];
    uint32_t next_failure;
    pid_t removing;
    int null_fd;
    struct arena arena;
};

struct ready *ready_new(const struct ready_opts *opts)
{
    struct ready *r = xcalloc(1, sizeof(*r));

    r->opts = *opts;
    r->dir = xstrdup(opts->dir);
    r->mark = xstrdup(opts->mark);
    r->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    arena_init(&r->arena);
    return r;
}

static void job_free(struct ready *r, uint32_t slot)
{
    struct job *j = r->jobs[slot];

    if (j == NULL)
        return;
    r->jobs[slot] = NULL;
    if (j->pid > 0)
        (void)kill(-j->pid, SIGKILL);
    if (j->fd >= 0)
        (void)close(j->fd);
    arena_done(&j->arena);
    free(j);
}

void ready_free(struct ready *r)
{
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        job_free(r, i);
    if (r->removing > 0)
        (void)kill(-r->removing, SIGKILL);
    if (r->null_fd >= 0)
        (void)close(r->null_fd);
    arena_done(&r->arena);
    free(r->mark);
    free(r->dir);
    free(r);
}

void ready_expect(struct ready *r, uint32_t slot, const struct frame_run_spec *spec, const char *tree)
{
    struct slice *lines;
    struct why why = {0};
    struct job *j;

    CHECK(slot < AGENT_SLOTS_MAX);
    job_free(r, slot);
    r->used[slot][0] = '\0';
    if (spec->n_setup == 0 || spec->project == 0)
        return;
    j = xcalloc(1, sizeof(*j));
    j->run = spec->run;
    j->project = spec->project;
    j->fd = -1;
    (void)snprintf(j->tree, sizeof(j->tree), "%s", tree);
    (void)snprintf(j->commit, sizeof(j->commit), "%.*s", (int)spec->commit.len, spec->commit.ptr);
    arena_init(&j->arena);
    lines = arena_alloc(&j->arena, spec->n_setup * sizeof(*lines));
    for (uint32_t i = 0; i < spec->n_setup; i++) {
        struct slice s = spec->setup[i].s;

        lines[i] = (struct slice){arena_strndup(&j->arena, s.ptr, s.len), s.len};
    }
    if (setup_read(lines, spec->n_setup, &j->arena, &j->setup, &why) != ERR_OK)
        (void)snprintf(j->bad, sizeof(j->bad), "%.250s", why.text);
    r->jobs[slot] = j;
    if (j->setup.n_steps == 0 && j->bad[0] == '\0')
        job_free(r, slot);
}

/* Where things lie in an environment. */
static const struct {
    const char *name;
    const char *path;
} places[] = {{"WRATA_CACHE", ""}, {"BUNDLE_PATH", "/bundle"}, {"npm_config_cache", "/npm"}};

static bool has_name(const struct frame_run_spec *spec, const char *name)
{
    size_t n = strlen(name);

    for (uint32_t i = 0; i < spec->n_env; i++)
        if (spec->env[i].s.len > n && memcmp(spec->env[i].s.ptr, name, n) == 0 &&
            spec->env[i].s.ptr[n] == '=')
            return true;
    return false;
}

void ready_env(const struct ready *r, uint32_t slot, struct frame_run_spec *spec, struct arena *lists)
{
    struct wire_text *env;

    if (r->used[slot][0] == '\0')
        return;
    env = arena_alloc(lists, (spec->n_env + ARRAY_LEN(places)) * sizeof(*env));
    if (spec->n_env > 0)
        memcpy(env, spec->env, spec->n_env * sizeof(*env));
    spec->env = env;
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (!has_name(spec, places[i].name))
            env[spec->n_env++].s = slice_of(arena_printf(lists, "%s=%s/cache/ready/%s%s", places[i].name,
                                                         r->dir, r->used[slot], places[i].path));
}

/* ---- what people read ---- */

static void say(struct ready *r, struct job *j, struct mono now, const char *bytes, size_t n)
{
    static const char cut[] = "\n[wrata: more output of the preparation is not kept]\n";

    if (j->said > READY_LOG_BYTES_MAX)
        return;
    j->said += n;
    r->opts.say(r->opts.ctx, now, j->run, (struct slice){bytes, n});
    if (j->said > READY_LOG_BYTES_MAX)
        r->opts.say(r->opts.ctx, now, j->run, (struct slice){cut, sizeof(cut) - 1});
}

static void say_line(struct ready *r, struct job *j, struct mono now, const char *text)
{
    char line[1400];
    int n = snprintf(line, sizeof(line), "[wrata: %.1300s]\n", text);

    say(r, j, now, line, (size_t)n);
}

static void keep_tail(struct job *j, const char *bytes, size_t n)
{
    if (n > TAIL_BYTES) {
        bytes += n - TAIL_BYTES;
        n = TAIL_BYTES;
    }
    if (j->tail_len + n > TAIL_BYTES) {
        size_t drop = j->tail_len + n - TAIL_BYTES;

        memmove(j->tail, j->tail + drop, j->tail_len - drop);
        j->tail_len -= drop;
    }
    memcpy(j->tail + j->tail_len, bytes, n);
    j->tail_len += n;
}

/* The last three lines, on one. */
static const char *last_lines(struct job *j)
{
    size_t from;
    int lines = 0;

    while (j->tail_len > 0 && strchr("\r\n ", j->tail[j->tail_len - 1]) != NULL &&
           j->tail[j->tail_len - 1] != '\0')
        j->tail_len--;
    j->tail[j->tail_len] = '\0';
    for (from = j->tail_len; from > 0; from--)
        if (j->tail[from - 1] == '\n' && ++lines == 3)
            break;
    for (size_t i = from; i < j->tail_len; i++)
        if (j->tail[i] == '\n')
            j->tail[i] = '|';
        else if ((unsigned char)j->tail[i] < 0x20 || j->tail[i] == 0x7f)
            j->tail[i] = ' ';
    return j->tail + from;
}

static const char *step_name(const struct job *j, struct arena *a)
{
    const struct setup_step *s = &j->setup.steps[j->step];
    struct slice n = s->name.len > 0 ? s->name : s->argv[0];

    return arena_printf(a, "%.*s", n.len > 100 ? 100 : (int)n.len, n.ptr);
}

/* ---- children ---- */

static char **step_env(struct ready *r, const struct job *j)
{
    struct arena *a = &r->arena;
    size_t n;
    char **env = exec_base_env(a, j->setup.n_env + 8, &n);
    const char *cache = arena_printf(a, "%s/cache/ready/%s", r->dir, j->name);

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        env[n++] = arena_printf(a, "%s=%s%s", places[i].name, cache, places[i].path);
    env[n++] = arena_printf(a, "WRATA_COMMIT=%s", j->commit);
    env[n++] = arena_printf(a, "WRATA_AGENT_RUN=%.60s/ready/", r->mark);
    for (uint32_t i = 0; i < j->setup.n_env; i++) {
        char *line = arena_strndup(a, j->setup.env[i].ptr, j->setup.env[i].len);
        size_t name = strcspn(line, "=");
        size_t at = 0;

        while (at < n && (strncmp(env[at], line, name) != 0 || env[at][name] != '='))
            at++;
        env[at] = line;
        n += at == n;
    }
    env[n] = NULL;
    return env;
}

static pid_t start_child(struct ready *r, char *const *argv, char *const *env, const char *cwd, int *retfd)
{
    struct launch l = {.argv = argv, .envp = env, .cwd = cwd, .in = r->null_fd, .results = -1};
    const char *step;
    int fds[2];
    pid_t pid;
    int e;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    l.out = fds[1];
    pid = launch_child(&l, &r->arena, &step);
    e = errno;
    (void)close(fds[1]);
    if (pid < 0) {
        (void)close(fds[0]);
        errno = e;
        return -1;
    }
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    *retfd = fds[0];
    return pid;
}

static void job_fail(struct ready *r, uint32_t slot, struct mono now, const char *text);
static void job_next(struct ready *r, uint32_t slot, struct mono now, int status);

static void job_child(struct ready *r, uint32_t slot, struct mono now, char *const *argv, char *const *env,
                      int64_t limit_ms)
{
    struct job *j = r->jobs[slot];

    j->tail_len = 0;
    j->is_late = j->is_killed = false;
    j->deadline = mono_add_ms(now, limit_ms);
    j->pid = start_child(r, argv, env, j->tree, &j->fd);
    if (j->pid > 0)
        return;
    j->pid = 0;
    (void)snprintf(j->tail, sizeof(j->tail), "%.200s: %s", argv[0],
                   errno == ENOENT ? "command not found on this server" : strerror(errno));
    j->tail_len = strlen(j->tail);
    say_line(r, j, now, j->tail);
    job_next(r, slot, now, 127 << 8);
}

static char **own_env(struct ready *r)
{
    size_t n;
    char **env = exec_base_env(&r->arena, 4, &n);

    env[n++] = arena_strdup(&r->arena, "GIT_CONFIG_NOSYSTEM=1");
    env[n++] = arena_strdup(&r->arena, "GIT_CONFIG_GLOBAL=/dev/null");
    env[n++] = arena_strdup(&r->arena, "GIT_OPTIONAL_LOCKS=0");
    env[n] = NULL;
    return env;
}

/* ---- the key ---- */

static void put_slice(struct buf *b, const char *what, struct slice s)
{
    buf_printf(b, "%s %zu ", what, s.len);
    buf_put(b, s.ptr, s.len);
    buf_putc(b, '\n');
}

/* What the environment is made of, as text, for people as well; its hash is the name. False: the disk refuses. */
static bool name_make(struct job *j)
{
    char path[64];
    char hash[65];
    struct buf b;
    bool ok;
    int fd;

    buf_init(&b, KEY_TEXT_MAX);
    buf_printf(&b, "wrata environment 1\nproject %" PRIu64 "\n", j->project);
    for (uint32_t i = 0; i < j->setup.n_steps; i++) {
        buf_puts(&b, "step\n");
        for (uint32_t k = 0; k < j->setup.steps[i].n_argv; k++)
            put_slice(&b, "arg", j->setup.steps[i].argv[k]);
    }
    for (uint32_t i = 0; i < j->setup.n_env; i++)
        put_slice(&b, "env", j->setup.env[i]);
    if (j->setup.key.len > 0)
        put_slice(&b, "key", j->setup.key);
    else
        buf_printf(&b, "commit %s\n", j->commit);
    (void)mkdir("cache", 0700);
    (void)mkdir("cache/ready", 0700);
    (void)snprintf(path, sizeof(path), "cache/ready/key.tmp");
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ok = fd >= 0 && write(fd, b.data, b.len) == (ssize_t)b.len;
    if (fd >= 0)
        (void)close(fd);
    ok = ok && sha256_file(path, hash) == ERR_OK;
    if (ok)
        (void)snprintf(j->name, sizeof(j->name), "p%" PRIu64 "-%.24s", j->project, hash);
    buf_done(&b);
    return ok;
}

/* ---- one environment, many slots ---- */

static bool has_file(const char *name, const char *file)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "cache/ready/%s/%s", name, file);
    return access(path, F_OK) == 0;
}

static const struct failure *failure_of(const struct ready *r, const char *name, struct mono now)
{
    for (size_t i = 0; i < ARRAY_LEN(r->failures); i++)
        if (strcmp(r->failures[i].name, name) == 0 && mono_before(now, r->failures[i].until))
            return &r->failures[i];
    return NULL;
}

static uint32_t maker_of(const struct ready *r, const char *name)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (r->jobs[i] != NULL && r->jobs[i]->stage >= STAGE_CLEAR && r->jobs[i]->stage <= STAGE_PACK &&
            strcmp(r->jobs[i]->name, name) == 0)
            return i;
    return AGENT_NO_SLOT;
}

static void job_done(struct ready *r, uint32_t slot, struct mono now, const char *error)
{
    struct job *j = r->jobs[slot];

    if (error == NULL)
        memcpy(r->used[slot], j->name, sizeof(j->name));
    r->opts.post(r->opts.ctx, now,
                 &(struct agent_event){.kind = AG_EV_PREPARED,
                                       .slot = slot,
                                       .wall = wall_now(),
                                       .is_not_ready = error != NULL,
                                       .text = slice_of(error)});
    job_free(r, slot);
}

static void clear(struct ready *r, uint32_t slot, struct mono now)
{
    struct job *j = r->jobs[slot];

    j->stage = STAGE_CLEAR;
    j->step = 0;
    job_child(
        r, slot, now,
        (char *[]){"rm", "-rf", "--", arena_printf(&r->arena, "%s/cache/ready/%s", r->dir, j->name), NULL},
        own_env(r), OWN_LIMIT_MS);
}

/* The key is known: use what is there, wait for who makes it, or make it. */
static void use_or_make(struct ready *r, uint32_t slot, struct mono now)
{
    struct job *j = r->jobs[slot];
    const struct failure *f = failure_of(r, j->name, now);
    uint32_t maker = maker_of(r, j->name);
    char text[200];

    if (f != NULL) {
        char copy[sizeof(f->text)];

        memcpy(copy, f->text, sizeof(copy));
        say_line(r, j, now, copy);
        job_done(r, slot, now, copy);
    } else if (maker != AGENT_NO_SLOT) {
        if (j->stage != STAGE_WAIT) {
            (void)snprintf(text, sizeof(text),
                           "this machine is being prepared for run %" PRIu64 " already, see its log; waiting",
                           r->jobs[maker]->run);
            say_line(r, j, now, text);
        }
        j->stage = STAGE_WAIT;
    } else if (has_file(j->name, "ok")) {
        j->stage = STAGE_UNPACK;
        if (!has_file(j->name, "tree.tar")) {
            job_done(r, slot, now, NULL);
            return;
        }
        arena_reset(&r->arena);
        job_child(r, slot, now,
                  (char *[]){"tar", "-xf",
                             arena_printf(&r->arena, "%s/cache/ready/%s/tree.tar", r->dir, j->name), NULL},
                  own_env(r), OWN_LIMIT_MS);
    } else {
        j->tries = 1;
        j->began = now;
        arena_reset(&r->arena);
        clear(r, slot, now);
    }
}

/* Those that waited for this environment go on. */
static void wake(struct ready *r, const char *name, struct mono now)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (r->jobs[i] != NULL && r->jobs[i]->stage == STAGE_WAIT && strcmp(r->jobs[i]->name, name) == 0)
            use_or_make(r, i, now);
}

static void job_fail(struct ready *r, uint32_t slot, struct mono now, const char *text)
{
    struct job *j = r->jobs[slot];
    struct failure *f = &r->failures[r->next_failure++ % ARRAY_LEN(r->failures)];
    char name[NAME_BYTES];
    char copy[sizeof(f->text)];

    (void)snprintf(copy, sizeof(copy), "%s", text);
    memcpy(name, j->name, sizeof(name));
    if (name[0] != '\0') {
        memcpy(f->name, name, sizeof(name));
        memcpy(f->text, copy, sizeof(copy));
        f->until = mono_add_ms(now, READY_FAILURE_KEPT_MS);
    }
    say_line(r, j, now, copy);
    LOG_WARN("ready.failed", "run=%" PRIu64 " name=%s", j->run, name);
    job_done(r, slot, now, copy);
    if (name[0] != '\0')
        wake(r, name, now);
}

/* ---- the steps ---- */

static void begin_step(struct ready *r, uint32_t slot, struct mono now)
{
    struct job *j = r->jobs[slot];
    const struct setup_step *s = &j->setup.steps[j->step];
    char **argv;
    struct buf b;

    arena_reset(&r->arena);
    argv = arena_alloc(&r->arena, (s->n_argv + 1) * sizeof(*argv));
    buf_init(&b, KIB(64));
    buf_printf(&b, "prepare: step %u of %u, %s:", j->step + 1, j->setup.n_steps, step_name(j, &r->arena));
    for (uint32_t i = 0; i < s->n_argv; i++) {
        argv[i] = arena_strndup(&r->arena, s->argv[i].ptr, s->argv[i].len);
        if (b.len < 1000)
            buf_printf(&b, " %.200s", argv[i]);
    }
    argv[s->n_argv] = NULL;
    say_line(r, j, now, buf_str(&b));
    buf_done(&b);
    j->stage = STAGE_STEP;
    job_child(r, slot, now, argv, step_env(r, j), s->limit_ms);
}

static void step_failed(struct ready *r, uint32_t slot, struct mono now, int status)
{
    struct job *j = r->jobs[slot];
    char how[80];
    char text[1200];
    const char *lines = last_lines(j);

    if (j->is_late)
        (void)snprintf(how, sizeof(how), "it took longer than its limit of %" PRId64 " s",
                       j->setup.steps[j->step].limit_ms / 1000);
    else if (WIFSIGNALED(status))
        (void)snprintf(how, sizeof(how), "signal %d ended it", WTERMSIG(status));
    else
        (void)snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status));
    arena_reset(&r->arena);
    (void)snprintf(text, sizeof(text), "step '%s': %s%s%s", step_name(j, &r->arena), how,
                   lines[0] != '\0' ? "; last lines: " : "", lines);
    if (j->tries < TRIES) {
        j->tries++;
        say_line(r, j, now, text);
        say_line(r, j, now, "prepare: tried once more from the beginning");
        arena_reset(&r->arena);
        clear(r, slot, now);
        return;
    }
    job_fail(r, slot, now, text);
}

/* What the steps left in the tree beside the commit's files. An empty list leaves no archive. */
static void pack(struct ready *r, uint32_t slot, struct mono now)
{
    static const char script[] = "git ls-files -o -z > \"$1/left\" || exit 1; [ -s \"$1/left\" ] || exit 0; "
                                 "exec tar --null --no-recursion -cf \"$1/tree.tar\" -T \"$1/left\"";
    struct job *j = r->jobs[slot];

    j->stage = STAGE_PACK;
    arena_reset(&r->arena);
    job_child(r, slot, now,
              (char *[]){"sh", "-c", arena_strdup(&r->arena, script), "pack",
                         arena_printf(&r->arena, "%s/cache/ready/%s", r->dir, j->name), NULL},
              own_env(r), OWN_LIMIT_MS);
}

static bool mark_ok(const char *name)
{
    char path[160];
    int fd;
    bool ok;

    (void)snprintf(path, sizeof(path), "cache/ready/%s/ok", name);
    fd = open("cache/ready", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = fd >= 0 && syncfs(fd) == 0; /* the mark must not outlive what it stands for */
    if (fd >= 0)
        (void)close(fd);
    fd = ok ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static void old_ones_go(struct ready *r, uint64_t project);

static void made(struct ready *r, uint32_t slot, struct mono now)
{
    struct job *j = r->jobs[slot];
    char name[NAME_BYTES];
    uint64_t project = j->project;
    char text[80];

    memcpy(name, j->name, sizeof(name));
    if (!mark_ok(name)) {
        job_fail(r, slot, now, "what was prepared cannot be kept on the disk of the server");
        return;
    }
    (void)snprintf(text, sizeof(text), "prepared in %.1f s", (double)(now.us - j->began.us) / 1e6);
    say_line(r, j, now, text);
    job_done(r, slot, now, NULL);
    wake(r, name, now);
    old_ones_go(r, project);
}

static void job_next(struct ready *r, uint32_t slot, struct mono now, int status)
{
    struct job *j = r->jobs[slot];
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    char path[160];

    switch (j->stage) {
    case STAGE_CLEAR:
        (void)snprintf(path, sizeof(path), "cache/ready/%s", j->name);
        if (!ok || (mkdir(path, 0700) != 0 && errno != EEXIST))
            job_fail(r, slot, now, "its folder on the server cannot be made");
        else
            begin_step(r, slot, now);
        break;
    case STAGE_STEP:
        if (!ok || j->is_late) {
            step_failed(r, slot, now, status);
        } else if (++j->step < j->setup.n_steps) {
            begin_step(r, slot, now);
        } else {
            pack(r, slot, now);
        }
        break;
    case STAGE_PACK:
        if (ok)
            made(r, slot, now);
        else
            job_fail(r, slot, now, "what the steps left in the work tree cannot be kept");
        break;
    case STAGE_UNPACK:
        if (ok)
            job_done(r, slot, now, NULL);
        else
            job_fail(r, slot, now, "what was prepared earlier cannot be unpacked");
        break;
    case STAGE_NONE:
    case STAGE_WAIT:
    default:
        CHECK(!"a stage with a child");
    }
}

bool ready_start(struct ready *r, struct mono now, uint32_t slot)
{
    struct job *j = r->jobs[slot];

    if (j == NULL)
        return false;
    arena_reset(&r->arena);
    if (j->bad[0] != '\0')
        job_fail(r, slot, now, j->bad);
    else if (name_make(j))
        use_or_make(r, slot, now);
    else
        job_fail(r, slot, now, "its folder on the server cannot be made");
    return true;
}

/* ---- old environments ---- */

static bool is_used(const struct ready *r, const char *name)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (strcmp(r->used[i], name) == 0 || (r->jobs[i] != NULL && strcmp(r->jobs[i]->name, name) == 0))
            return true;
    return false;
}

/* Keep READY_KEPT that no slot uses; the oldest beyond them gets another name and is removed, one at a time. */
static void old_ones_go(struct ready *r, uint64_t project)
{
    char prefix[32];
    char oldest[NAME_BYTES] = "";
    time_t oldest_at = 0;
    struct dirent *de;
    unsigned count = 0;
    DIR *d = r->removing == 0 ? opendir("cache/ready") : NULL;
    int fd = -1;

    if (d == NULL)
        return;
    (void)snprintf(prefix, sizeof(prefix), "p%" PRIu64 "-", project);
    while ((de = readdir(d)) != NULL) {
        struct stat st;

        if (strncmp(de->d_name, prefix, strlen(prefix)) != 0 || strlen(de->d_name) >= sizeof(oldest) ||
            is_used(r, de->d_name) || fstatat(dirfd(d), de->d_name, &st, 0) != 0)
            continue;
        count++;
        if (oldest[0] == '\0' || st.st_mtime < oldest_at) {
            memcpy(oldest, de->d_name, strlen(de->d_name) + 1);
            oldest_at = st.st_mtime;
        }
    }
    (void)closedir(d);
    if (count <= READY_KEPT)
        return;
    arena_reset(&r->arena);
    if (rename(arena_printf(&r->arena, "cache/ready/%s", oldest), GONE) != 0 && errno != ENOTEMPTY &&
        errno != EEXIST)
        return;
    r->removing = start_child(r, (char *[]){"rm", "-rf", "--", GONE, NULL}, own_env(r), r->dir, &fd);
    if (r->removing < 0)
        r->removing = 0;
    if (fd >= 0)
        (void)close(fd);
}

/* ---- the loop's side ---- */

bool ready_is_known_pid(const struct ready *r, pid_t pid)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (r->jobs[i] != NULL && r->jobs[i]->pid == pid)
            return true;
    return pid == r->removing;
}

static void job_read(struct ready *r, struct job *j, struct mono now)
{
    char text[16384];
    ssize_t n;

    for (int i = 0; i < 16 && j->fd >= 0; i++) {
        n = read(j->fd, text, sizeof(text));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        if (n == 0) {
            (void)close(j->fd);
            j->fd = -1;
            return;
        }
        keep_tail(j, text, (size_t)n);
        if (j->stage == STAGE_STEP)
            say(r, j, now, text, (size_t)n);
    }
}

bool ready_reaped(struct ready *r, struct mono now, pid_t pid, int status)
{
    if (pid == r->removing) {
        r->removing = 0;
        return true;
    }
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++) {
        struct job *j = r->jobs[i];

        if (j == NULL || j->pid != pid)
            continue;
        (void)kill(-pid, SIGKILL); /* what a step left running would write into what others use */
        j->pid = 0;
        job_read(r, j, now);
        if (j->fd >= 0)
            (void)close(j->fd);
        j->fd = -1;
        job_next(r, i, now, status);
        return true;
    }
    return false;
}

size_t ready_poll_add(struct ready *r, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    for (uint32_t i = 0; i < AGENT_SLOTS_MAX && n < max; i++)
        if (r->jobs[i] != NULL && r->jobs[i]->fd >= 0)
            fds[n++] = (struct pollfd){.fd = r->jobs[i]->fd, .events = POLLIN};
    return n;
}

void ready_poll_done(struct ready *r, struct mono now, const struct pollfd *fds, size_t n)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        for (size_t k = 0; k < n && r->jobs[i] != NULL; k++)
            if (fds[k].fd == r->jobs[i]->fd && fds[k].revents != 0) {
                job_read(r, r->jobs[i], now);
                break;
            }
}

struct mono ready_deadline(const struct ready *r)
{
    struct mono t = MONO_NEVER;

    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (r->jobs[i] != NULL && r->jobs[i]->pid > 0 && !r->jobs[i]->is_killed)
            t = mono_min(t, r->jobs[i]->deadline);
    return t;
}

void ready_tick(struct ready *r, struct mono now)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++) {
        struct job *j = r->jobs[i];

        if (j == NULL || j->pid <= 0 || j->is_killed || mono_before(now, j->deadline))
            continue;
        (void)kill(-j->pid, j->is_late ? SIGKILL : SIGTERM);
        j->is_killed = j->is_late;
        j->is_late = true;
        j->deadline = mono_add_ms(now, KILL_GRACE_MS);
    }
}
