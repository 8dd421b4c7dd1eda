#include "agent/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/crc32.h"
#include "base/mem.h"

#define ENV_READ_BYTES KIB(256)

static ssize_t read_file(const char *path, char *out, size_t size)
{
    size_t len = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    while (len < size - 1 && (n = read(fd, out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    (void)close(fd);
    out[len] = '\0';
    return (ssize_t)len;
}

bool proc_get(pid_t pid, struct proc_info *ret)
{
    char path[40];
    char text[1024];
    unsigned long long start = 0;
    int ppid, pgrp, session;
    char *open_paren;
    char *close_paren;
    size_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (read_file(path, text, sizeof(text)) <= 0)
        return false;
    open_paren = strchr(text, '(');
    close_paren = strrchr(text, ')'); /* the name may hold any of these */
    if (open_paren == NULL || close_paren == NULL || close_paren < open_paren)
        return false;
    *ret = (struct proc_info){.pid = pid};
    if (sscanf(close_paren + 1,
               " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ret->state,
               &ppid, &pgrp, &session, &start) != 5)
        return false;
    ret->ppid = ppid;
    ret->pgrp = pgrp;
    ret->session = session;
    ret->start_us = (uint64_t)start * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
    n = (size_t)(close_paren - open_paren - 1);
    if (n >= sizeof(ret->name))
        n = sizeof(ret->name) - 1;
    memcpy(ret->name, open_paren + 1, n);
    return true;
}

bool proc_has_env(pid_t pid, const char *prefix)
{
    char path[40];
    char *text = xmalloc(ENV_READ_BYTES);
    size_t want = strlen(prefix);
    bool found = false;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    n = read_file(path, text, ENV_READ_BYTES);
    for (ssize_t at = 0; at < n && !found; at += (ssize_t)strlen(text + at) + 1)
        found = strncmp(text + at, prefix, want) == 0;
    free(text);
    return found;
}

size_t proc_cmdline(pid_t pid, char *out, size_t size)
{
    char path[40];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    n = read_file(path, out, size);
    for (ssize_t i = 0; i < n; i++)
        if (out[i] == '\0')
            out[i] = ' ';
    return n < 0 ? 0 : (size_t)n;
}

uint64_t proc_boot_id(void)
{
    char text[64];
    ssize_t n = read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text));

    return n <= 0 ? 0 : (uint64_t)crc32_of(0, text, (size_t)n) << 32 | crc32_of(1, text, (size_t)n);
}

uint64_t proc_boottime_us(void)
{
    struct timespec ts;

    if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

size_t proc_all(pid_t *pids, size_t max)
{
    size_t n = 0;
    struct dirent *de;
    DIR *d = opendir("/proc");

    if (d == NULL)
        return 0;
    while (n < max && (de = readdir(d)) != NULL) {
        long v = strtol(de->d_name, NULL, 10);

        if (v > 0)
            pids[n++] = (pid_t)v;
    }
    (void)closedir(d);
    return n;
}

/* A kernel built without the list of children: look at every process. */
static size_t children_by_walk(pid_t *pids, size_t max)
{
    size_t all_max = 32768;
    pid_t *all = xmalloc(all_max * sizeof(pid_t));
    size_t n_all = proc_all(all, all_max);
    struct proc_info info;
    size_t n = 0;

    for (size_t i = 0; i < n_all && n < max; i++)
        if (proc_get(all[i], &info) && info.ppid == getpid())
            pids[n++] = all[i];
    free(all);
    return n;
}

size_t proc_children(pid_t *pids, size_t max)
{
    static int fd = -2; /* kept: this is asked at the end of every run */
    char text[4096];
    size_t n = 0;
    ssize_t len;

    if (fd == -2) {
        char path[48];

        (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return children_by_walk(pids, max);
    len = pread(fd, text, sizeof(text) - 1, 0);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    for (char *p = text; n < max;) {
        char *end;
        long v = strtol(p, &end, 10);

        if (end == p || *end != ' ')
            break;
        pids[n++] = (pid_t)v;
        p = end;
    }
    return n;
}
