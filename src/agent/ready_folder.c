/* ready_folder.c - the environments of a machine on its disk: how they are named, when one is whole, which go. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container_run.h"
#include "agent/exec.h"
#include "agent/launch.h"
#include "agent/ready_private.h"
#include "agent/sha256.h"

#define KEY_TEXT_MAX MIB(4)
#define GONE "cache/ready/gone"

/* ---- the key ---- */

static void put_slice(struct buf *b, const char *what, struct slice s)
{
    buf_printf(b, "%s %zu ", what, s.len);
    buf_put(b, s.ptr, s.len);
    buf_putc(b, '\n');
}

/* As text, for people as well. */
bool ready_name_make(struct ready_job *j)
{
    char path[64];
    char hash[65];
    struct buf b;
    bool ok;
    int fd;

    buf_init(&b, KEY_TEXT_MAX);
    buf_printf(&b, "wrata environment 1\nproject %" PRIu64 "\n", j->project);
    if (j->has_image) {
        buf_printf(&b, "image %s\n", j->ground.image.id);
        put_slice(&b, "user", j->setup.container.user);
    }
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

bool ready_has_file(const char *name, const char *file)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "cache/ready/%s/%s", name, file);
    return access(path, F_OK) == 0;
}

bool ready_mark_ok(const char *name)
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

/* ---- old environments ---- */

static bool is_used(const struct ready *r, const char *name)
{
    for (uint32_t i = 0; i < AGENT_SLOTS_MAX; i++)
        if (strcmp(r->used[i], name) == 0 || (r->jobs[i] != NULL && strcmp(r->jobs[i]->name, name) == 0))
            return true;
    return false;
}

/* It gets another name first: one that is half gone must not be taken for whole. */
void ready_old_ones_go(struct ready *r, uint64_t project)
{
    char prefix[32];
    char oldest[READY_NAME_BYTES] = "";
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
    r->removing = ready_start_child(r, ready_remove_argv(r, oldest, "gone"), ready_own_env(r), r->dir, &fd);
    if (r->removing < 0)
        r->removing = 0;
    if (fd >= 0)
        (void)close(fd);
}

/* ---- children ---- */

int ready_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    return 0;
}

char **ready_remove_argv(struct ready *r, const char *name, const char *folder)
{
    char **argv = arena_alloc(&r->arena, 8 * sizeof(*argv));
    char *path = arena_printf(&r->arena, "%s/cache/ready/%s", r->dir, folder);
    size_t n = 0;

    if (access(arena_printf(&r->arena, LENT_FOLDER "/%s", name), F_OK) ==
        0) { /* some are a container user's */
        argv[n++] = arena_strdup(&r->arena, "/proc/self/exe");
        argv[n++] = arena_strdup(&r->arena, "container");
        argv[n++] = arena_strdup(&r->arena, "clear");
        argv[n++] = r->mark;
        argv[n++] = arena_printf(&r->arena, "%016" PRIx64, r->opts.incarnation);
        argv[n++] = arena_strdup(&r->arena, name);
    } else {
        argv[n++] = arena_strdup(&r->arena, "rm");
        argv[n++] = arena_strdup(&r->arena, "-rf");
        argv[n++] = arena_strdup(&r->arena, "--");
    }
    argv[n++] = path;
    argv[n] = NULL;
    return argv;
}

pid_t ready_start_child(struct ready *r, char *const *argv, char *const *env, const char *cwd, int *retfd)
{
    struct launch l = {.argv = argv, .envp = env, .cwd = cwd, .in = r->null_fd, .results = -1};
    const char *step;
    int fds[2];
    pid_t pid;
    int e;

    if (ready_pipe(fds) != 0)
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
    *retfd = fds[0];
    return pid;
}

char **ready_own_env(struct ready *r)
{
    size_t n;
    char **env = exec_base_env(&r->arena, 4, &n);

    env[n++] = arena_strdup(&r->arena, "GIT_CONFIG_NOSYSTEM=1");
    env[n++] = arena_strdup(&r->arena, "GIT_CONFIG_GLOBAL=/dev/null");
    env[n++] = arena_strdup(&r->arena, "GIT_OPTIONAL_LOCKS=0");
    env[n] = NULL;
    return env;
}
