#include "agent/containers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/container_call.h"
#include "agent/container_run.h"
#include "agent/launch.h"
#include "base/log.h"

#define AGAIN_MS 60000
#define LEFT_MAX 300u /* more than slots: what is beyond waits for the next start of the agent */

struct left {
    pid_t helper; /* that removes it; 0: nobody does */
    char *name;
};

struct mending {
    struct mending *next;
    pid_t pid;
    int fd;
    uint32_t slot;
    char *spec; /* it may hold secrets */
    size_t spec_len;
};

static void mending_free(struct mending *m)
{
    (void)close(m->fd);
    mem_wipe(m->spec, m->spec_len);
    free(m->spec);
    free(m);
}

struct containers {
    struct containers_opts opts;
    char *mark;
    struct mending *mendings;
    int null_fd;
    struct arena arena;
    pid_t sweep;
    struct mono sweep_at; /* MONO_NEVER: all that other incarnations left is gone */
    pid_t remover;
    struct mono remove_at; /* MONO_NEVER: nothing waits for it */
    struct left left[LEFT_MAX];
    uint32_t n_left;
};

static pid_t start(struct containers *c, const char *const *words, int out)
{
    struct launch l = {.envp = engine_env(&c->arena), .in = c->null_fd, .out = out, .results = -1};
    const char *step = "";
    char **argv;
    size_t n = 0;
    pid_t pid;

    while (words[n] != NULL)
        n++;
    argv = arena_alloc(&c->arena, (n + 3) * sizeof(*argv));
    argv[0] = arena_strdup(&c->arena, "/proc/self/exe");
    argv[1] = arena_strdup(&c->arena, "container");
    for (size_t i = 0; i < n; i++)
        argv[i + 2] = arena_strdup(&c->arena, words[i]);
    l.argv = argv;
    pid = launch_child(&l, &c->arena, &step);
    if (pid < 0)
        LOG_WARN("container.helper", "verb=%s errno=%d", words[0], errno);
    return pid > 0 ? pid : 0;
}

struct containers *containers_new(const struct containers_opts *opts)
{
    struct containers *c = xcalloc(1, sizeof(*c));

    c->opts = *opts;
    c->mark = xstrdup(opts->mark);
    c->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    c->remove_at = MONO_NEVER;
    c->sweep_at =
        access(BOX_FOLDER, F_OK) == 0 ? (struct mono){0} : MONO_NEVER; /* none: there was never one */
    arena_init(&c->arena);
    return c;
}

void containers_free(struct containers *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->n_left; i++)
        free(c->left[i].name);
    while (c->mendings != NULL) {
        struct mending *m = c->mendings;

        c->mendings = m->next;
        mending_free(m);
    }
    if (c->null_fd >= 0)
        (void)close(c->null_fd);
    arena_done(&c->arena);
    free(c->mark);
    free(c);
}

/* ---- work trees ---- */

static const char *incarnation_text(struct containers *c)
{
    return arena_printf(&c->arena, "%016" PRIx64, c->opts.incarnation);
}

bool containers_mend(struct containers *c, uint32_t slot, const char *tree, struct slice spec)
{
    const char *slash = strrchr(tree, '/');
    const char *note = slash != NULL ? slash + 1 : tree;
    struct mending *m;
    int fds[2];

    arena_reset(&c->arena);
    if (access(arena_printf(&c->arena, LENT_FOLDER "/%s", note), F_OK) != 0 || pipe2(fds, O_CLOEXEC) != 0)
        return false;
    m = xcalloc(1, sizeof(*m));
    m->slot = slot;
    m->spec = xstrndup(spec.ptr, spec.len);
    m->spec_len = spec.len;
    m->fd = fds[0];
    (void)fcntl(m->fd, F_SETFL, O_NONBLOCK);
    m->pid = start(c, (const char *[]){"mend", c->mark, incarnation_text(c), note, NULL}, fds[1]);
    (void)close(fds[1]);
    if (m->pid == 0) {
        mending_free(m);
        return false;
    }
    m->next = c->mendings;
    c->mendings = m;
    return true;
}

static bool mended(struct containers *c, struct mono now, pid_t pid, int status)
{
    struct mending **at = &c->mendings;
    struct mending *m;
    char text[400];
    ssize_t n;

    while (*at != NULL && (*at)->pid != pid)
        at = &(*at)->next;
    m = *at;
    if (m == NULL)
        return false;
    *at = m->next;
    n = read(m->fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    c->opts.on_mended(c->opts.ctx, now, m->slot, (struct slice){m->spec, m->spec_len},
                      status == 0 ? NULL : text);
    mending_free(m);
    return true;
}

/* ---- what is left ---- */

void containers_leave(struct containers *c, struct mono now, pid_t helper, const char *name)
{
    if (c->n_left == LEFT_MAX) {
        LOG_WARN("container.left", "name=%s", name);
        return;
    }
    c->left[c->n_left++] = (struct left){.helper = helper, .name = xstrdup(name)};
    if (helper == 0)
        c->remove_at = mono_min(c->remove_at, now);
}

static void forget(struct containers *c, uint32_t i)
{
    free(c->left[i].name);
    c->left[i] = c->left[--c->n_left];
}

bool containers_is_known_pid(const struct containers *c, pid_t pid)
{
    for (uint32_t i = 0; i < c->n_left; i++)
        if (c->left[i].helper == pid)
            return true;
    for (const struct mending *m = c->mendings; m != NULL; m = m->next)
        if (m->pid == pid)
            return true;
    return pid == c->sweep || pid == c->remover;
}

bool containers_reaped(struct containers *c, struct mono now, pid_t pid, int status)
{
    if (pid == c->sweep) {
        c->sweep = 0;
        c->sweep_at = status == 0 ? MONO_NEVER : mono_add_ms(now, AGAIN_MS);
        return true;
    }
    if (pid == c->remover) {
        c->remover = 0;
        for (uint32_t i = 0; i < c->n_left && status == 0;) /* it was given all that nobody removed */
            if (c->left[i].helper == pid)
                forget(c, i);
            else
                i++;
        for (uint32_t i = 0; i < c->n_left; i++)
            if (c->left[i].helper == pid) {
                c->left[i].helper = 0;
                c->remove_at = mono_add_ms(now, AGAIN_MS);
            }
        return true;
    }
    for (uint32_t i = 0; i < c->n_left; i++)
        if (c->left[i].helper == pid) {
            c->left[i].helper = 0;
            if (status == 0)
                forget(c, i);
            else
                c->remove_at = mono_min(c->remove_at, now);
            return true;
        }
    return mended(c, now, pid, status);
}

struct mono containers_deadline(const struct containers *c)
{
    struct mono t = c->sweep == 0 ? c->sweep_at : MONO_NEVER;

    return c->remover == 0 ? mono_min(t, c->remove_at) : t;
}

static void remove_left(struct containers *c)
{
    const char **words = arena_alloc(&c->arena, (c->n_left + 2) * sizeof(*words));
    size_t n = 0;

    words[n++] = "remove";
    for (uint32_t i = 0; i < c->n_left; i++)
        if (c->left[i].helper == 0)
            words[n++] = c->left[i].name;
    if (n > 1)
        c->remover = start(c, words, STDERR_FILENO);
    for (uint32_t i = 0; i < c->n_left && c->remover > 0; i++)
        if (c->left[i].helper == 0)
            c->left[i].helper = c->remover;
}

void containers_tick(struct containers *c, struct mono now)
{
    arena_reset(&c->arena);
    if (c->sweep == 0 && !mono_before(now, c->sweep_at)) {
        c->sweep = start(c, (const char *[]){"sweep", c->mark, incarnation_text(c), NULL}, STDERR_FILENO);
        c->sweep_at = mono_add_ms(now, AGAIN_MS); /* when it could not even be started */
    }
    if (c->remover == 0 && !mono_before(now, c->remove_at)) {
        c->remove_at = MONO_NEVER;
        remove_left(c);
        if (c->remover == 0 && c->n_left > 0)
            c->remove_at = mono_add_ms(now, AGAIN_MS);
    }
}
