/* ready.c - see ready.h. A slot's job goes through:
 *
 *     image      the launch's image is fetched          (of a launch that has one; others of it wait)
 *     wait       somebody else makes the environment    (or it is there, or it failed a moment ago)
 *     clear      what an earlier try left goes
 *     steps      one command after the other
 *     pack       what they left in the tree -> tree.tar
 *     unpack     tree.tar -> the tree                   (of slots that find it made)
 *
 * An environment is there when its folder holds `ok`, which is written last, after all else is on disk. */
#include "agent/ready.h"

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

#include "agent/container_call.h"
#include "agent/container_run.h"
#include "agent/exec.h"
#include "agent/ready_private.h"
#include "base/log.h"

#define KILL_GRACE_MS 5000
#define OWN_LIMIT_MS 600000 /* of our own commands: git, rm, tar */
#define TRIES 2u
#define IMAGE_LIMIT_MS 2100000 /* of fetching an image, tried once more: 35 minutes */

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
    struct ready_job *j = r->jobs[slot];

    if (j == NULL)
        return;
    r->jobs[slot] = NULL;
    if (j->pid > 0)
        (void)kill(j->is_boxed ? j->pid : -j->pid, j->is_boxed ? SIGQUIT : SIGKILL);
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

/* Where things lie in an environment. */
static const struct {
    const char *name;
    const char *path;
} places[] = {{"WRATA_CACHE", ""}, {"BUNDLE_PATH", "/bundle"}, {"npm_config_cache", "/npm"}};

size_t ready_places(const struct ready *r, const char *name, struct arena *a, const char **lines)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        lines[i] = arena_printf(a, "%s=%s/cache/ready/%s%s", places[i].name, r->dir, name, places[i].path);
    return ARRAY_LEN(places);
}

/* A variable of the run; NULL: it has none of that name. */
static const char *value_of(const struct frame_run_spec *spec, const char *name, struct arena *a)
{
    size_t n = strlen(name);

    for (uint32_t i = 0; i < spec->n_env; i++) {
        struct slice s = spec->env[i].s;

        if (s.len > n && memcmp(s.ptr, name, n) == 0 && s.ptr[n] == '=')
            return arena_strndup(a, s.ptr + n + 1, s.len - n - 1);
    }
    return NULL;
}

void ready_expect(struct ready *r, uint32_t slot, const struct frame_run_spec *spec, const char *tree)
{
    struct slice *lines;
    struct why why = {0};
    struct ready_job *j;

    CHECK(slot < AGENT_SLOTS_MAX);
    job_free(r, slot);
    r->used[slot][0] = '\0';
    r->grounds[slot] = (struct container_ground){0};
    if (spec->n_setup == 0)
        return;
    j = xcalloc(1, sizeof(*j));
    j->run = spec->run;
    j->project = spec->project;
    j->launch = spec->launch;
    j->fd = -1;
    (void)snprintf(j->tree, sizeof(j->tree), "%s", tree);
    (void)snprintf(j->commit, sizeof(j->commit), "%.*s", (int)spec->commit.len, spec->commit.ptr);
    arena_init(&j->arena);
    j->server = value_of(spec, "WRATA_SERVER", &j->arena);
    if (j->server == NULL)
        j->server = "";
    lines = arena_alloc(&j->arena, spec->n_setup * sizeof(*lines));
    for (uint32_t i = 0; i < spec->n_setup; i++) {
        struct slice s = spec->setup[i].s;

        lines[i] = (struct slice){arena_strndup(&j->arena, s.ptr, s.len), s.len};
    }
    if (setup_read(lines, spec->n_setup, &j->arena, &j->setup, &why) != ERR_OK)
        (void)snprintf(j->bad, sizeof(j->bad), "%.250s", why.text);
    r->jobs[slot] = j;
    if (spec->project == 0)
        j->setup.n_steps = 0;
    j->has_image = j->setup.container.image.len > 0;
    if (j->setup.n_steps == 0 && !j->has_image && j->bad[0] == '\0')
        job_free(r, slot);
}

void ready_env(const struct ready *r, uint32_t slot, struct frame_run_spec *spec, struct arena *lists)
{
    const char *lines[READY_PLACES];
    struct wire_text *env;
    size_t n;

    if (r->used[slot][0] == '\0')
        return;
    env = arena_alloc(lists, (spec->n_env + ARRAY_LEN(places)) * sizeof(*env));
    if (spec->n_env > 0)
        memcpy(env, spec->env, spec->n_env * sizeof(*env));
    spec->env = env;
    n = ready_places(r, r->used[slot], lists, lines);
    for (size_t i = 0; i < n; i++)
        if (value_of(spec, places[i].name, lists) == NULL)
            env[spec->n_env++].s = slice_of(lines[i]);
}

const struct container_ground *ready_ground(const struct ready *r, uint32_t slot, struct arena *a,
                                            const char **retenvironment)
{
    *retenvironment = NULL;
    if (r->grounds[slot].engine == ENGINE_NONE)
        return NULL;
    if (r->used[slot][0] != '\0')
        *retenvironment = arena_printf(a, "%s/cache/ready/%s", r->dir, r->used[slot]);
    return &r->grounds[slot];
}

/* ---- what people read ---- */

static void say(struct ready *r, struct ready_job *j, struct mono now, const char *bytes, size_t n)
{
    static const char cut[] = "\n[wrata: more output of the preparation is not kept]\n";

    if (j->said > READY_LOG_BYTES_MAX)
        return;
    j->said += n;
    r->opts.say(r->opts.ctx, now, j->run, (struct slice){bytes, n});
    if (j->said > READY_LOG_BYTES_MAX)
        r->opts.say(r->opts.ctx, now, j->run, (struct slice){cut, sizeof(cut) - 1});
}

static void say_line(struct ready *r, struct ready_job *j, struct mono now, const char *text)
{
    char line[1400];
    int n = snprintf(line, sizeof(line), "[wrata: %.1300s]\n", text);

    say(r, j, now, line, (size_t)n);
}

/* What is shown of the run meanwhile. */
static void tell_step(struct ready *r, uint32_t slot, struct mono now, const char *text)
{
    r->opts.post(
        r->opts.ctx, now,
        &(struct agent_event){.kind = AG_EV_STEP, .slot = slot, .wall = wall_now(), .text = slice_of(text)});
}

static void keep_tail(struct ready_job *j, const char *bytes, size_t n)
{
    if (n > READY_TAIL_BYTES) {
        bytes += n - READY_TAIL_BYTES;
        n = READY_TAIL_BYTES;
    }
    if (j->tail_len + n > READY_TAIL_BYTES) {
        size_t drop = j->tail_len + n - READY_TAIL_BYTES;

        memmove(j->tail, j->tail + drop, j->tail_len - drop);
        j->tail_len -= drop;
    }
    memcpy(j->tail + j->tail_len, bytes, n);
    j->tail_len += n;
}

/* The last three lines, on one. */
static const char *last_lines(struct ready_job *j)
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

static const char *step_name(const struct ready_job *j, struct arena *a)
{
    const struct setup_step *s = &j->setup.steps[j->step];
    struct slice n = s->name.len > 0 ? s->name : s->argv[0];

    return arena_printf(a, "%.*s", n.len > 100 ? 100 : (int)n.len, n.ptr);
}

/* ---- children ---- */

static char **step_env(struct ready *r, const struct ready_job *j)
{
    struct arena *a = &r->arena;
    size_t n;
    char **env = exec_base_env(a, j->setup.n_env + 8, &n);
    const char *lines[READY_PLACES];
    size_t n_lines = ready_places(r, j->name, a, lines);

    for (size_t i = 0; i < n_lines; i++)
        env[n++] = arena_strdup(a, lines[i]);
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

static void job_fail(struct ready *r, uint32_t slot, struct mono now, const char *text);
static void job_next(struct ready *r, uint32_t slot, struct mono now, int status);

static void job_begin(struct ready_job *j, struct mono now, int64_t limit_ms)
{
    j->tail_len = 0;
    j->is_late = j->is_killed = j->is_boxed = false;
    j->deadline = mono_add_ms(now, limit_ms);
}

static void not_started(struct ready *r, uint32_t slot, struct mono now, const char *why)
{
    struct ready_job *j = r->jobs[slot];

    j->pid = 0;
    (void)snprintf(j->tail, sizeof(j->tail), "%s", why);
    j->tail_len = strlen(j->tail);
    say_line(r, j, now, j->tail);
    job_next(r, slot, now, 127 << 8);
}

static void job_child(struct ready *r, uint32_t slot, struct mono now, char *const *argv, char *const *env,
                      const char *cwd, int64_t limit_ms)
{
    struct ready_job *j = r->jobs[slot];

    job_begin(j, now, limit_ms);
    j->pid = ready_start_child(r, argv, env, cwd, &j->fd);
    if (j->pid < 0)
        not_started(r, slot, now,
                    arena_printf(&r->arena, "%.200s: %s", argv[0],
                                 errno == ENOENT ? "command not found on this server" : strerror(errno)));
}

/* ---- one environment, many slots ---- */

static const struct ready_failure *failure_of(const struct ready *r, const char *name, struct mono now)
{
    for (size_t i = 0; i < ARRAY_LEN(r->failures); i++)
        if (strcmp(r->failures[i].name, name) == 0 && mono_before(now, r->failures[i].until))
            return &r->failures[i];
    return NULL;
}

static uint32_t maker_of(const struct ready *r, const char *name)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (r->jobs[i] != NULL && r->jobs[i]->stage >= STAGE_IMAGE && r->jobs[i]->stage <= STAGE_PACK &&
            strcmp(r->jobs[i]->name, name) == 0)
            return i;
    return AGENT_NO_SLOT;
}

static void job_done(struct ready *r, uint32_t slot, struct mono now, const char *error)
{
    struct ready_job *j = r->jobs[slot];

    if (error == NULL && j->setup.n_steps > 0)
        memcpy(r->used[slot], j->name, sizeof(j->name));
    if (error == NULL && j->has_image)
        r->grounds[slot] = j->ground;
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
    struct ready_job *j = r->jobs[slot];

    j->stage = STAGE_CLEAR;
    j->step = 0;
    job_child(r, slot, now, ready_remove_argv(r, j->name, j->name), ready_own_env(r), r->dir, OWN_LIMIT_MS);
}

/* The key is known: use what is there, wait for who makes it, or make it. */
static void use_or_make(struct ready *r, uint32_t slot, struct mono now)
{
    struct ready_job *j = r->jobs[slot];
    const struct ready_failure *f = failure_of(r, j->name, now);
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
            (void)snprintf(text, sizeof(text), "run %" PRIu64 " prepares this machine already",
                           r->jobs[maker]->run);
            tell_step(r, slot, now, text);
        }
        j->stage = STAGE_WAIT;
    } else if (ready_has_file(j->name, "ok")) {
        j->stage = STAGE_UNPACK;
        if (!ready_has_file(j->name, "tree.tar")) {
            job_done(r, slot, now, NULL);
            return;
        }
        arena_reset(&r->arena);
        job_child(r, slot, now,
                  (char *[]){"tar", "-xf",
                             arena_printf(&r->arena, "%s/cache/ready/%s/tree.tar", r->dir, j->name), NULL},
                  ready_own_env(r), j->tree, OWN_LIMIT_MS);
    } else {
        j->tries = 1;
        j->began = now;
        arena_reset(&r->arena);
        clear(r, slot, now);
    }
}

/* ---- the image ---- */

static void with_ground(struct ready *r, uint32_t slot, struct mono now);

/* Use the image as it was found, wait for who fetches it, or fetch it. */
static void use_or_fetch(struct ready *r, uint32_t slot, struct mono now)
{
    struct ready_job *j = r->jobs[slot];
    const struct container_ground *known = ready_image_known(r, j->name);
    const struct ready_failure *f = failure_of(r, j->name, now);
    uint32_t maker = maker_of(r, j->name);
    char text[1200];

    arena_reset(&r->arena);
    if (known != NULL) {
        j->ground = *known;
        with_ground(r, slot, now);
    } else if (f != NULL) {
        memcpy(text, f->text, sizeof(text));
        say_line(r, j, now, text);
        job_done(r, slot, now, text);
    } else if (maker != AGENT_NO_SLOT) {
        (void)snprintf(text, sizeof(text),
                       "its image is being fetched for run %" PRIu64 " already, see its log; waiting",
                       r->jobs[maker]->run);
        if (j->stage != STAGE_WAIT)
            say_line(r, j, now, text);
        j->stage = STAGE_WAIT;
    } else {
        j->stage = STAGE_IMAGE;
        job_child(r, slot, now, ready_image_argv(r, slot), engine_env(&r->arena), r->dir, IMAGE_LIMIT_MS);
    }
}

/* Those that waited for this image or environment go on. */
static void wake(struct ready *r, const char *name, struct mono now)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (r->jobs[i] != NULL && r->jobs[i]->stage == STAGE_WAIT && strcmp(r->jobs[i]->name, name) == 0) {
            if (strncmp(name, "image-", 6) == 0)
                use_or_fetch(r, i, now);
            else
                use_or_make(r, i, now);
        }
}

static void job_fail(struct ready *r, uint32_t slot, struct mono now, const char *text)
{
    struct ready_job *j = r->jobs[slot];
    struct ready_failure *f = &r->failures[r->next_failure++ % ARRAY_LEN(r->failures)];
    char name[READY_NAME_BYTES];
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

static void image_came(struct ready *r, uint32_t slot, struct mono now)
{
    char name[READY_NAME_BYTES];
    const char *why;

    arena_reset(&r->arena);
    memcpy(name, r->jobs[slot]->name, sizeof(name));
    why = ready_image_take(r, slot);
    if (why != NULL) {
        job_fail(r, slot, now, why);
        return;
    }
    with_ground(r, slot, now);
    wake(r, name, now);
}

/* ---- the steps ---- */

static void begin_step(struct ready *r, uint32_t slot, struct mono now)
{
    struct ready_job *j = r->jobs[slot];
    const struct setup_step *s = &j->setup.steps[j->step];
    const char *fault;
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
    buf_clear(&b);
    buf_printf(&b, "step %u of %u: %s", j->step + 1, j->setup.n_steps, step_name(j, &r->arena));
    tell_step(r, slot, now, buf_str(&b));
    buf_done(&b);
    j->stage = STAGE_STEP;
    if (!j->has_image) {
        job_child(r, slot, now, argv, step_env(r, j), j->tree, s->limit_ms);
        return;
    }
    job_begin(j, now, s->limit_ms);
    fault = ready_step_boxed(r, j);
    if (fault != NULL)
        not_started(r, slot, now, fault);
}

static void step_failed(struct ready *r, uint32_t slot, struct mono now, int status)
{
    struct ready_job *j = r->jobs[slot];
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
    struct ready_job *j = r->jobs[slot];

    j->stage = STAGE_PACK;
    arena_reset(&r->arena);
    job_child(r, slot, now,
              (char *[]){"sh", "-c", arena_strdup(&r->arena, script), "pack",
                         arena_printf(&r->arena, "%s/cache/ready/%s", r->dir, j->name), NULL},
              ready_own_env(r), j->tree, OWN_LIMIT_MS);
}

static void made(struct ready *r, uint32_t slot, struct mono now)
{
    struct ready_job *j = r->jobs[slot];
    char name[READY_NAME_BYTES];
    uint64_t project = j->project;
    char text[80];

    memcpy(name, j->name, sizeof(name));
    if (!ready_mark_ok(name)) {
        job_fail(r, slot, now, "what was prepared cannot be kept on the disk of the server");
        return;
    }
    (void)snprintf(text, sizeof(text), "prepared in %.1f s", (double)(now.us - j->began.us) / 1e6);
    say_line(r, j, now, text);
    job_done(r, slot, now, NULL);
    wake(r, name, now);
    ready_old_ones_go(r, project);
}

static void job_next(struct ready *r, uint32_t slot, struct mono now, int status)
{
    struct ready_job *j = r->jobs[slot];
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    char path[160];

    switch (j->stage) {
    case STAGE_IMAGE:
        image_came(r, slot, now);
        break;
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

/* What the slot's runs run on is known: the steps. */
static void with_ground(struct ready *r, uint32_t slot, struct mono now)
{
    struct ready_job *j = r->jobs[slot];

    j->stage = STAGE_NONE;
    j->name[0] = '\0';
    if (j->setup.n_steps == 0)
        job_done(r, slot, now, NULL);
    else if (ready_name_make(j))
        use_or_make(r, slot, now);
    else
        job_fail(r, slot, now, "its folder on the server cannot be made");
}

bool ready_start(struct ready *r, struct mono now, uint32_t slot)
{
    struct ready_job *j = r->jobs[slot];

    if (j == NULL)
        return false;
    arena_reset(&r->arena);
    if (j->bad[0] != '\0') {
        job_fail(r, slot, now, j->bad);
    } else if (j->has_image) {
        ready_image_name(j);
        use_or_fetch(r, slot, now);
    } else {
        with_ground(r, slot, now);
    }
    return true;
}

/* ---- the loop's side ---- */

bool ready_is_known_pid(const struct ready *r, pid_t pid)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (r->jobs[i] != NULL && r->jobs[i]->pid == pid)
            return true;
    return pid == r->removing;
}

static void job_read(struct ready *r, struct ready_job *j, struct mono now)
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
        if (j->stage == STAGE_STEP || (j->stage == STAGE_IMAGE && j->said < READY_IMAGE_LOG_BYTES_MAX))
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
        struct ready_job *j = r->jobs[i];

        if (j == NULL || j->pid != pid)
            continue;
        (void)kill(-pid, SIGKILL); /* what a step left running would write into what others use */
        if (j->is_boxed && (WIFSIGNALED(status) || WEXITSTATUS(status) == CONTAINER_STEP_FAILED))
            r->opts.leave(r->opts.ctx, 0, j->box);
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
        struct ready_job *j = r->jobs[i];

        if (j == NULL || j->pid <= 0 || j->is_killed || mono_before(now, j->deadline))
            continue;
        if (!j->is_boxed) {
            (void)kill(-j->pid, j->is_late ? SIGKILL : SIGTERM);
            j->is_killed = j->is_late;
        } else { /* its helper ends the container, and then itself */
            (void)kill(j->pid, !j->is_late ? SIGTERM : SIGQUIT);
        }
        j->is_late = true;
        j->deadline = mono_add_ms(now, KILL_GRACE_MS);
    }
}
