/* artifacts.c - see artifacts.h. What goes over the channel is in wire/agent_artifacts.h, and "ok\n" comes back when everything is
 * durable there, or "no REASON\n", perhaps before all was sent. A link that breaks in between means all of it again: files that
 * arrived already are replaced by themselves. */
#include "agent/artifacts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/serve.h"
#include "base/glob.h"
#include "base/mem.h"
#include "wire/agent_artifacts.h"

#define DEPTH_MAX 40
#define AGAIN_MS 500
#define TOLD_MAX 20u /* lines about files that are not kept */
#define FIRST_GLOB 6

struct found {
    char *path;
    uint64_t size;
    int64_t mtime_ms;
};

struct collect {
    const char *run;
    int tree; /* the work tree */
    int64_t since_ns;
    uint64_t file_max;
    uint64_t run_max;
    uint32_t files_max;
    char **globs; /* glob, bytes, glob, bytes, NULL */
    struct found *files;
    uint32_t n_files;
    uint64_t bytes;
    uint32_t skipped;
    uint32_t looked_at;
    int64_t newest_ns; /* of what matches */
    uint32_t told;
};

static uint64_t number(const char *s)
{
    return strtoull(s, NULL, 10);
}

/* A line of the run's log. */
static void tell(struct collect *c, const char *path, const char *why)
{
    c->skipped++;
    if (c->told++ < TOLD_MAX)
        (void)printf("[wrata: artifact %.200s is not kept: %s]\n", path, why);
}

/* The bytes that a file of this name may have; 0: no glob takes it. */
static uint64_t max_of(const struct collect *c, const char *path)
{
    uint64_t max = 0;

    for (char **g = c->globs; g[0] != NULL && g[1] != NULL; g += 2)
        if (glob_match(g[0], path)) {
            uint64_t n = number(g[1]);

            max = n > max ? n : max;
        }
    return max < c->file_max ? max : c->file_max;
}

static void take_file(struct collect *c, const struct stat *st, const char *path)
{
    uint64_t max = max_of(c, path);
    uint64_t size = (uint64_t)st->st_size;
    int64_t ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    struct why why;

    if (max == 0 || ns < c->since_ns)
        return;
    if (ns > c->newest_ns)
        c->newest_ns = ns;
    if (artifact_path_check(slice_of(path), &why) != ERR_OK) {
        tell(c, "with an odd name", why.text);
    } else if (size > max) {
        tell(c, path, "it is larger than one file may be");
    } else if (c->n_files == c->files_max) {
        tell(c, path, "the run has as many files as are kept");
    } else if (size > c->run_max - c->bytes) {
        tell(c, path, "the files of the run are larger together than is kept");
    } else {
        c->files = xrealloc(c->files, (c->n_files + 1) * sizeof(*c->files));
        c->files[c->n_files++] =
            (struct found){.path = xstrdup(path),
                           .size = size,
                           .mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000};
        c->bytes += size;
    }
}

/* dir is taken. */
static void walk(struct collect *c, int dir, const char *path, int depth)
{
    char below[PATH_MAX];
    DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
    struct dirent *e;
    struct stat st;

    if (d == NULL) {
        if (dir >= 0)
            (void)close(dir);
        return;
    }
    while ((e = readdir(d)) != NULL && ++c->looked_at <= ARTIFACTS_LOOKED_AT_MAX) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, ".git") == 0 ||
            snprintf(below, sizeof(below), "%s%s%s", path, path[0] != '\0' ? "/" : "", e->d_name) >=
                (int)sizeof(below) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISREG(st.st_mode))
            take_file(c, &st, below);
        else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            walk(c, openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), below,
                 depth + 1);
    }
    (void)closedir(d);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

/* ---- sending ---- */

/* False: the other side is gone, or has answered already. Nothing is sent after an answer: nobody may be reading. */
static bool send_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
        ssize_t w;

        if (poll(&p, 1, -1) < 0 && errno == EINTR)
            continue;
        if ((p.revents & POLLOUT) == 0 || (p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
            return false;
        w = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (w < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (w <= 0)
            return false;
        data += w;
        n -= (size_t)w;
    }
    return true;
}

/* No part of the path may be a link: somebody may have put one there since it was found. */
static int open_below(int tree, const char *path)
{
    int dir = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[PATH_MAX];

    while (dir >= 0) {
        size_t n = strcspn(path, "/");
        int next;

        (void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
        next = openat(dir, name,
                      O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (path[n] == '/' ? O_DIRECTORY : 0));
        (void)close(dir);
        if (next < 0 || path[n] == '\0')
            return next;
        dir = next;
        path += n + 1;
    }
    return -1;
}

/* As many bytes as were promised: a file that shrank meanwhile is filled up with zeros, one that grew is cut. */
static bool send_file(int tree, int to, const struct found *f)
{
    static char data[KIB(64)];
    char head[128];
    int fd = open_below(tree, f->path);
    uint64_t left = f->size;
    struct stat st;
    int n = snprintf(head, sizeof(head), "file %" PRIu64 " %" PRId64 " %zu\n", f->size, f->mtime_ms,
                     strlen(f->path));
    bool ok = send_all(to, head, (size_t)n) && send_all(to, f->path, strlen(f->path));

    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        (void)close(fd);
        fd = -1;
    }
    while (ok && left > 0) {
        size_t want = left < sizeof(data) ? (size_t)left : sizeof(data);
        ssize_t got = fd >= 0 ? read(fd, data, want) : 0;

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            memset(data, 0, want);
            got = (ssize_t)want;
        }
        ok = send_all(to, data, (size_t)got);
        left -= (uint64_t)got;
    }
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* 1: all is there. 0: again, later. -1: never, and the reason was told. */
static int send_once(const struct collect *c)
{
    char line[AGENT_HELLO_LINE_MAX];
    char answer[600] = "";
    struct why why = {0};
    size_t have = 0;
    ssize_t n;
    bool ok = true;
    int fd;

    (void)snprintf(line, sizeof(line), "channel artifacts:%s:\n", c->run);
    if (serve_connect(line, &fd, &why) != ERR_OK)
        return 0;
    for (uint32_t i = 0; i < c->n_files && ok; i++)
        ok = send_file(c->tree, fd, &c->files[i]);
    (void)snprintf(line, sizeof(line), "end %u\n", c->skipped);
    ok = ok && send_all(fd, line, strlen(line));
    while (have < sizeof(answer) - 1 && (n = read(fd, answer + have, sizeof(answer) - 1 - have)) > 0)
        have += (size_t)n;
    (void)close(fd);
    if (strcmp(answer, "ok\n") == 0)
        return 1;
    if (strncmp(answer, "no ", 3) == 0) { /* the controller will not have them */
        answer[strcspn(answer, "\n")] = '\0';
        (void)printf("[wrata: artifacts are not kept: %s]\n", answer + 3);
        return -1;
    }
    return 0;
}

/* Files are stamped with a clock of a few milliseconds a tick. The next run in this folder must begin in a later one than our
 * files, or it would take them for its own. A time that was set into the future is nobody's business. */
static void await_tick(const struct collect *c)
{
    struct timespec ts = {0};

    for (int i = 0; i < 50; i++) {
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &ts);
        if ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec > c->newest_ns)
            return;
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

int artifacts_main(int argc, char **argv)
{
    struct collect c = {0};
    int sent;

    if (argc < FIRST_GLOB + 2)
        return 2;
    c = (struct collect){.run = argv[1],
                         .since_ns = strtoll(argv[2], NULL, 10),
                         .file_max = number(argv[3]),
                         .run_max = number(argv[4]),
                         .files_max = (uint32_t)number(argv[5]),
                         .globs = argv + FIRST_GLOB};
    (void)signal(SIGPIPE, SIG_IGN);
    walk(&c, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", 0);
    if (c.n_files == 0 && c.skipped == 0)
        return 0;
    if (c.n_files > 0)
        qsort(c.files, c.n_files, sizeof(*c.files), by_path);
    if (c.told > TOLD_MAX)
        (void)printf("[wrata: and %u more artifacts are not kept]\n", c.told - TOLD_MAX);
    (void)fflush(stdout);
    /* A socket's path is short: it is spoken to from its own folder. */
    c.tree = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c.tree < 0 || chdir(argv[0]) != 0)
        return 1;
    await_tick(&c);
    while ((sent = send_once(&c)) == 0) /* whoever started this ends it after ARTIFACTS_LIMIT_MS */
        (void)nanosleep(&(struct timespec){.tv_nsec = AGAIN_MS * 1000000L}, NULL);
    return sent > 0 ? 0 : 1;
}

/* ---- the command ---- */

char **artifacts_command(const struct frame_run_spec *spec, const char *dir, int64_t began_ns)
{
    struct arena a;
    struct slice *lines;
    struct setup setup;
    char **argv = NULL;
    size_t n = 0;

    if (spec->n_setup == 0)
        return NULL;
    arena_init(&a);
    lines = arena_alloc(&a, spec->n_setup * sizeof(*lines));
    for (uint32_t i = 0; i < spec->n_setup; i++)
        lines[i] = spec->setup[i].s;
    if (setup_read(lines, spec->n_setup, &a, &setup, NULL) == ERR_OK && setup.n_artifacts > 0) {
        argv = xcalloc((size_t)setup.n_artifacts * 2 + FIRST_GLOB + 3, sizeof(*argv));
        argv[n++] = xstrdup("/proc/self/exe");
        argv[n++] = xstrdup("artifacts");
        argv[n++] = xstrdup(dir);
        argv[n++] = xstrdup(arena_printf(&a, "%" PRIu64, spec->run));
        argv[n++] = xstrdup(arena_printf(&a, "%" PRId64, began_ns));
        argv[n++] = xstrdup(arena_printf(&a, "%" PRIu64, setup.file_bytes_max));
        argv[n++] = xstrdup(arena_printf(&a, "%" PRIu64, setup.run_bytes_max));
        argv[n++] = xstrdup(arena_printf(&a, "%u", setup.files_max));
        for (uint32_t i = 0; i < setup.n_artifacts; i++) {
            argv[n++] = xstrndup(setup.artifacts[i].glob.ptr, setup.artifacts[i].glob.len);
            argv[n++] = xstrdup(arena_printf(&a, "%" PRIu64, setup.artifacts[i].max_bytes));
        }
    }
    arena_done(&a);
    return argv;
}

void artifacts_command_free(char **command)
{
    for (char **w = command; w != NULL && *w != NULL; w++)
        free(*w);
    free(command);
}
