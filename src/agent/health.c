/* health.c - see health.h. Whatever cannot be read is 0 or empty, which means: not known. */
#include "agent/health.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container_call.h"
#include "agent/container_image.h"
#include "agent/launch.h"
#include "agent/run_env.h"
#include "base/check.h"

#define TOOLS_AFTER_MS \
    10000 /* first things first: a run may be waiting for this link, and Ruby takes a while to say its version */
#define TOOLS_MAX 16u
#define TOOLS_BYTES 2048u
#define TOOL_MS 5000
#define TOOL_NICE 10
#define MOVED_LEAST_BYTES (UINT64_C(16) << 20)

struct disk {
    uint64_t free_bytes;
    uint64_t total_bytes;
};

struct health {
    char dir[3072];
    char self[3072];
    char os[128];
    char kernel[128];
    uint32_t link; /* that it was told on */
    struct mono link_since;
    struct mono told_at;
    struct disk told_disk;
    struct disk told_tmp;
    bool has_begun_tools;
    pid_t tools_pid; /* 0: none runs */
    int tools_fd;    /* -1 */
    char tools_text[TOOLS_BYTES];
    size_t tools_len;
    bool has_new_tools;
    struct wire_text tools[TOOLS_MAX];
    uint32_t n_tools;
};

/* ---- figures ---- */

static struct disk disk_of(const char *path)
{
    struct statvfs v;

    if (statvfs(path, &v) != 0 || v.f_blocks == 0)
        return (struct disk){0};
    return (struct disk){(uint64_t)v.f_bavail * v.f_frsize, (uint64_t)v.f_blocks * v.f_frsize};
}

/* NAME="value" of a file of such lines; false: it is not there. */
static bool line_value(const char *path, const char *name, char *out, size_t size)
{
    char line[512];
    size_t n = strlen(name);
    bool found = false;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), f) != NULL) {
        char *value = line + n + 1;

        if (strncmp(line, name, n) != 0 || (line[n] != '=' && line[n] != ':'))
            continue;
        value += strspn(value, " \t\"'");
        value[strcspn(value, "\"'\r\n")] = '\0';
        (void)snprintf(out, size, "%s", value);
        found = true;
    }
    (void)fclose(f);
    return found;
}

static uint64_t memory_of(const char *name)
{
    char text[64];

    return line_value("/proc/meminfo", name, text, sizeof(text)) ? strtoull(text, NULL, 10) * 1024 : 0;
}

static bool has_moved(const struct disk *now, const struct disk *told)
{
    uint64_t by = now->free_bytes > told->free_bytes ? now->free_bytes - told->free_bytes
                                                     : told->free_bytes - now->free_bytes;

    return now->total_bytes != told->total_bytes || (by >= MOVED_LEAST_BYTES && by >= told->free_bytes / 8);
}

/* ---- tools: a child of its own ---- */

static void tools_begin(struct health *h)
{
    struct launch l = {.argv = (char *[]){h->self, (char[]){"tools"}, NULL}, .results = -1};
    struct arena a;
    const char *step;
    int fds[2];

    h->has_begun_tools = true;
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return;
    arena_init(&a);
    l.envp = engine_env(&a);
    l.in = fds[0]; /* it reads nothing */
    l.out = fds[1];
    h->tools_pid = launch_child(&l, &a, &step);
    if (h->tools_pid < 0)
        h->tools_pid = 0;
    (void)close(fds[1]);
    h->tools_fd = fds[0];
    arena_done(&a);
}

static void tools_take(struct health *h)
{
    char *p = h->tools_text;

    h->tools_text[h->tools_len] = '\0';
    h->n_tools = 0;
    while (*p != '\0' && h->n_tools < TOOLS_MAX) {
        size_t n = strcspn(p, "\n");

        if (n > 0 && p[n] == '\n') /* a line that was cut says nothing */
            h->tools[h->n_tools++].s = (struct slice){p, n};
        p += n + (p[n] == '\n');
    }
    h->has_new_tools = true;
}

/* What it has said so far; all of it fits in a pipe, so nobody waits. */
static void tools_read(struct health *h)
{
    ssize_t got;

    while (h->tools_fd >= 0) {
        got = h->tools_len < TOOLS_BYTES - 1
                  ? read(h->tools_fd, h->tools_text + h->tools_len, TOOLS_BYTES - 1 - h->tools_len)
                  : 0;
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got > 0) {
            h->tools_len += (size_t)got;
            continue;
        }
        (void)close(h->tools_fd);
        h->tools_fd = -1;
        tools_take(h);
    }
}

bool health_is_known_pid(const struct health *h, pid_t pid)
{
    return h->tools_pid == pid && pid > 0;
}

bool health_reaped(struct health *h, pid_t pid)
{
    if (!health_is_known_pid(h, pid))
        return false;
    h->tools_pid = 0;
    return true;
}

/* ---- telling ---- */

struct health *health_new(const struct health_opts *opts)
{
    struct health *h = xcalloc(1, sizeof(*h));
    struct utsname u = {0};

    (void)snprintf(h->dir, sizeof(h->dir), "%s", opts->dir);
    (void)snprintf(h->self, sizeof(h->self), "%s", opts->self);
    h->tools_fd = -1;
    (void)uname(&u);
    (void)snprintf(h->kernel, sizeof(h->kernel), "%.60s %.65s", u.sysname, u.release);
    if (!line_value("/etc/os-release", "PRETTY_NAME", h->os, sizeof(h->os)))
        (void)line_value("/usr/lib/os-release", "PRETTY_NAME", h->os, sizeof(h->os));
    return h;
}

void health_free(struct health *h)
{
    if (h == NULL)
        return;
    if (h->tools_pid > 0) {
        (void)kill(-h->tools_pid, SIGKILL);
        (void)waitpid(h->tools_pid, NULL, 0);
    }
    if (h->tools_fd >= 0)
        (void)close(h->tools_fd);
    free(h);
}

bool health_look(struct health *h, struct mono now, uint32_t link, struct frame_health *ret)
{
    struct disk disk;
    struct disk tmp;
    double load[1];
    bool is_new = link != h->link;
    bool has_news;

    if (is_new)
        h->link_since = now;
    h->link = link;
    if (link == 0)
        return false;
    if (!h->has_begun_tools && mono_ms_between(h->link_since, now) >= TOOLS_AFTER_MS)
        tools_begin(h);
    tools_read(h);
    if (!is_new && mono_ms_between(h->told_at, now) < HEALTH_LEAST_MS)
        return false;
    disk = disk_of(h->dir);
    tmp = disk_of("/tmp");
    has_news = is_new || h->has_new_tools || has_moved(&disk, &h->told_disk) || has_moved(&tmp, &h->told_tmp);
    if (!has_news && mono_ms_between(h->told_at, now) < HEALTH_EVERY_MS)
        return false;
    *ret = (struct frame_health){.disk_path = slice_of(h->dir),
                                 .disk_free_bytes = disk.free_bytes,
                                 .disk_total_bytes = disk.total_bytes,
                                 .tmp_free_bytes = tmp.free_bytes,
                                 .tmp_total_bytes = tmp.total_bytes,
                                 .load_percent = getloadavg(load, 1) == 1 ? (uint32_t)(load[0] * 100.0) : 0,
                                 .cores = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
                                 .memory_available_bytes = memory_of("MemAvailable"),
                                 .memory_total_bytes = memory_of("MemTotal")};
    if (is_new) {
        ret->os = slice_of(h->os);
        ret->kernel = slice_of(h->kernel);
    }
    if (is_new || h->has_new_tools) {
        ret->tools = h->tools;
        ret->n_tools = h->n_tools;
    }
    h->told_at = now;
    h->told_disk = disk;
    h->told_tmp = tmp;
    h->has_new_tools = false;
    return true;
}

/* ---- the child ---- */

/* "2.39.5" of "git version 2.39.5": the first word that begins with a digit. */
static void put_tool(const char *name, const char *said)
{
    const char *p = said;
    int n;

    while (*p != '\0' && *p != '\n' && !(isdigit((unsigned char)*p) && (p == said || p[-1] == ' ')))
        p++;
    n = (int)strcspn(p, " ,\n\r\t");
    if (isdigit((unsigned char)*p))
        (void)printf("%s %.*s\n", name, n < 40 ? n : 40, p);
}

static void ask_tool(char *name, struct arena *a, char **env)
{
    struct launch l = {.argv = (char *[]){name, (char[]){"--version"}, NULL}, .envp = env, .results = -1};
    struct pollfd p = {.events = POLLIN};
    struct mono end = mono_add_ms(mono_now(), TOOL_MS);
    char said[256];
    size_t len = 0;
    const char *step;
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return;
    l.in = fds[0];
    l.out = fds[1];
    pid = launch_child(&l, a, &step);
    (void)close(fds[1]);
    p.fd = fds[0];
    while (pid > 0 && len < sizeof(said) - 1) {
        int64_t left_ms = mono_ms_between(mono_now(), end);
        ssize_t got;

        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0)
            break;
        got = read(fds[0], said + len, sizeof(said) - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    said[len] = '\0';
    if (pid > 0) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    (void)close(fds[0]);
    put_tool(name, said);
}

int health_tools_main(void)
{
    static char tools[][8] = {"git", "ruby", "rspec", "python3", "node", "podman", "docker"};
    struct arena a;
    char **env;
    size_t n;

    (void)setpriority(PRIO_PROCESS, 0, TOOL_NICE);
    launch_init();
    arena_init(&a);
    env = exec_base_env(&a, 1, &n);
    env[n] = NULL;
    for (size_t i = 0; i < ARRAY_LEN(tools); i++)
        ask_tool(tools[i], &a, env);
    container_engine_say();
    arena_done(&a);
    return 0;
}
