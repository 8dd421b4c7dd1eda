/* cgroup.c - see cgroup.h. Folders: <hierarchy>/<our own group there>/wrata-<name>/s<slot>, and w<slot>. */
#include "agent/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define PATH_BYTES 512
#define KILL_ROUNDS 100
#define PIDS_READ 4096

/* The hierarchies looked for, in v1; HOLD is v2's or, without it, the first of these that can be written. */
enum hier { HIER_HOLD, HIER_MEMORY, HIER_PIDS, HIER_COUNT };

struct cgroup {
    char dir[HIER_COUNT][PATH_BYTES]; /* "": not there. All the same for v2 alone */
    bool is_v2;                       /* of HOLD: has cgroup.kill */
    bool has_memory;
    bool has_pids;
    char facts[64];
};

struct cgroup_slot {
    struct cgroup *c;
    char dir[HIER_COUNT][PATH_BYTES];
    int procs[HIER_COUNT]; /* cgroup.procs, -1: none */
    int kill_fd;           /* cgroup.kill of v2 */
    bool use[HIER_COUNT];  /* by the present run */
    uint64_t oom_before;
    bool is_limited[HIER_COUNT];
};

static bool put_file(const char *dir, const char *name, const char *text)
{
    char path[PATH_BYTES + 40];
    ssize_t n;
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return false;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = write(fd, text, strlen(text));
    (void)close(fd);
    return n == (ssize_t)strlen(text);
}

static size_t get_file(const char *dir, const char *name, char *out, size_t size)
{
    char path[PATH_BYTES + 40];
    ssize_t n;
    int fd;

    out[0] = '\0';
    if (snprintf(path, sizeof(path), "%s%s%s", dir, name[0] != '\0' ? "/" : "", name) >= (int)sizeof(path))
        return 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, out, size - 1);
    (void)close(fd);
    if (n < 0)
        n = 0;
    out[n] = '\0';
    return (size_t)n;
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = strstr(list, word); p != NULL; p = strstr(p + 1, word))
        if ((p == list || strchr(" ,\n", p[-1]) != NULL) && (p[n] == '\0' || strchr(" ,\n", p[n]) != NULL))
            return true;
    return false;
}

/* "/sys/fs/cgroup/memory" + "/user/1" for a controller; name NULL: the v2 hierarchy. */
static bool own_group(const char *mounts, const char *mine, const char *name, char *out, size_t size)
{
    char line[1024];
    char base[256] = "";
    char at[256] = "";

    for (const char *p = mounts; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
        char dev[64], dir[256], type[32], opts[256];

        (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
        if (sscanf(line, "%63s %255s %31s %255s", dev, dir, type, opts) != 4)
            continue;
        if (base[0] == '\0' && (name == NULL ? strcmp(type, "cgroup2") == 0
                                             : strcmp(type, "cgroup") == 0 && has_word(opts, name)))
            (void)snprintf(base, sizeof(base), "%s", dir);
    }
    for (const char *p = mine; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
        char *names;
        char *path;

        (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
        names = strchr(line, ':');
        path = names != NULL ? strchr(names + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = '\0';
        names++;
        if (at[0] == '\0' && (name == NULL ? names[0] == '\0' : has_word(names, name)))
            (void)snprintf(at, sizeof(at), "%s", path);
    }
    if (base[0] == '\0' || at[0] == '\0')
        return false;
    return snprintf(out, size, "%s%s", base, strcmp(at, "/") == 0 ? "" : at) < (int)size;
}

/* Make our folder in a hierarchy, if we may. */
static bool folder_make(const char *own, const char *name, char *out, size_t size)
{
    char path[PATH_BYTES];

    if (snprintf(path, sizeof(path), "%s/wrata-%s", own, name) >= (int)size)
        return false;
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return false;
    if (access(path, W_OK) != 0)
        return false;
    memcpy(out, path, strlen(path) + 1);
    return true;
}

static void open_v2(struct cgroup *c, const char *mounts, const char *mine, const char *name)
{
    char own[PATH_BYTES];
    char text[256];

    if (!own_group(mounts, mine, NULL, own, sizeof(own)))
        return;
    /* Controllers for the groups below can only be switched on where no processes are: in our own group that
     * works when it is the root or was delegated empty. Without them the group still holds and kills. */
    (void)put_file(own, "cgroup.subtree_control", "+memory");
    (void)put_file(own, "cgroup.subtree_control", "+pids");
    if (!folder_make(own, name, c->dir[HIER_HOLD], PATH_BYTES))
        return;
    if (get_file(c->dir[HIER_HOLD], "cgroup.type", text, sizeof(text)) == 0) {
        c->dir[HIER_HOLD][0] = '\0';
        return;
    }
    c->is_v2 = true;
    (void)put_file(c->dir[HIER_HOLD], "cgroup.subtree_control", "+memory");
    (void)put_file(c->dir[HIER_HOLD], "cgroup.subtree_control", "+pids");
    (void)get_file(c->dir[HIER_HOLD], "cgroup.subtree_control", text, sizeof(text));
    c->has_memory = has_word(text, "memory");
    c->has_pids = has_word(text, "pids");
}

static void open_v1(struct cgroup *c, const char *mounts, const char *mine, const char *name,
                    const char *controller, enum hier h, bool *rethas)
{
    char own[PATH_BYTES];

    if (*rethas || !own_group(mounts, mine, controller, own, sizeof(own)))
        return;
    *rethas = folder_make(own, name, c->dir[h], PATH_BYTES);
    if (*rethas && c->dir[HIER_HOLD][0] == '\0')
        memcpy(c->dir[HIER_HOLD], c->dir[h], PATH_BYTES);
}

struct cgroup *cgroup_open(const char *name)
{
    struct cgroup *c = xcalloc(1, sizeof(*c));
    char *mounts = xmalloc(KIB(64));
    char *mine = xmalloc(KIB(8));
    bool v2_has;

    (void)get_file("/proc/self/mounts", "", mounts, KIB(64));
    (void)get_file("/proc/self/cgroup", "", mine, KIB(8));
    open_v2(c, mounts, mine, name);
    v2_has = c->has_memory || c->has_pids;
    if (!v2_has) {
        open_v1(c, mounts, mine, name, "pids", HIER_PIDS, &c->has_pids);
        open_v1(c, mounts, mine, name, "memory", HIER_MEMORY, &c->has_memory);
    }
    free(mounts);
    free(mine);
    if (c->dir[HIER_HOLD][0] == '\0') {
        free(c);
        return NULL;
    }
    (void)snprintf(c->facts, sizeof(c->facts), "cgroup %s (%s%s%s)",
                   v2_has                         ? "v2"
                   : c->has_memory || c->has_pids ? c->is_v2 ? "v1 and v2" : "v1"
                                                  : "v2",
                   c->is_v2 ? "kill" : "", c->has_memory ? " memory" : "", c->has_pids ? " pids" : "");
    return c;
}

const char *cgroup_facts(const struct cgroup *c)
{
    return c != NULL ? c->facts : "no cgroup";
}

/* Read pids from an open cgroup.procs. */
static size_t read_pids(int fd, pid_t *pids, size_t max)
{
    char text[PIDS_READ];
    ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);
    size_t count = 0;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    for (char *p = text; *p != '\0' && count < max;) {
        char *end;
        long v = strtol(p, &end, 10);

        if (end == p)
            break;
        if (v > 0 && *end == '\n')
            pids[count++] = (pid_t)v;
        p = end + (*end == '\n');
    }
    return count;
}

static void kill_group(int procs, int kill_fd)
{
    pid_t pids[256];
    size_t n;

    if (kill_fd >= 0 && pwrite(kill_fd, "1", 1, 0) == 1)
        return;
    n = read_pids(procs, pids, ARRAY_LEN(pids));
    for (size_t i = 0; i < n; i++)
        (void)kill(pids[i], SIGKILL);
}

static void kill_dir(const char *dir)
{
    char path[PATH_BYTES + 40];
    pid_t one;
    int procs;
    int kill_fd;

    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
    procs = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof(path), "%s/cgroup.kill", dir);
    kill_fd = open(path, O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < KILL_ROUNDS && read_pids(procs, &one, 1) > 0; i++) {
        kill_group(procs, kill_fd);
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    if (procs >= 0)
        (void)close(procs);
    if (kill_fd >= 0)
        (void)close(kill_fd);
}

static void each_slot_dir(const struct cgroup *c, enum hier h, void (*fn)(const char *dir))
{
    char path[PATH_BYTES + 24];
    struct dirent *de;
    DIR *d;

    if (c->dir[h][0] == '\0' || (d = opendir(c->dir[h])) == NULL)
        return;
    while ((de = readdir(d)) != NULL) {
        if ((de->d_name[0] != 's' && de->d_name[0] != 'w') || de->d_name[1] < '0' || de->d_name[1] > '9' ||
            strlen(de->d_name) > 8)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%.8s", c->dir[h], de->d_name);
        fn(path);
    }
    (void)closedir(d);
}

static void remove_dir(const char *dir)
{
    (void)rmdir(dir);
}

void cgroup_kill_all(struct cgroup *c)
{
    if (c == NULL)
        return;
    for (int h = 0; h < HIER_COUNT; h++)
        each_slot_dir(c, (enum hier)h, kill_dir);
}

void cgroup_close(struct cgroup *c)
{
    if (c == NULL)
        return;
    for (int h = 0; h < HIER_COUNT; h++) {
        each_slot_dir(c, (enum hier)h, remove_dir);
        if (c->dir[h][0] != '\0')
            (void)rmdir(c->dir[h]);
    }
    free(c);
}

static struct cgroup_slot *group_open(struct cgroup *c, char kind, uint32_t slot)
{
    struct cgroup_slot *s;
    char path[PATH_BYTES + 40];

    if (c == NULL)
        return NULL;
    s = xcalloc(1, sizeof(*s));
    s->c = c;
    s->kill_fd = -1;
    for (int h = 0; h < HIER_COUNT; h++) {
        s->procs[h] = -1;
        if (c->dir[h][0] == '\0' || strlen(c->dir[h]) > PATH_BYTES - 16)
            continue;
        (void)snprintf(s->dir[h], PATH_BYTES, "%.*s/%c%u", PATH_BYTES - 16, c->dir[h], kind, slot);
        if (mkdir(s->dir[h], 0755) != 0 && errno != EEXIST)
            continue;
        (void)snprintf(path, sizeof(path), "%s/cgroup.procs", s->dir[h]);
        s->procs[h] = open(path, O_RDWR | O_CLOEXEC);
    }
    if (s->procs[HIER_HOLD] < 0) {
        cgroup_slot_close(s);
        return NULL;
    }
    if (c->is_v2) {
        (void)snprintf(path, sizeof(path), "%s/cgroup.kill", s->dir[HIER_HOLD]);
        s->kill_fd = open(path, O_WRONLY | O_CLOEXEC);
    }
    s->use[HIER_HOLD] = true;
    return s;
}

struct cgroup_slot *cgroup_slot_open(struct cgroup *c, uint32_t slot)
{
    return group_open(c, 's', slot);
}

struct cgroup_slot *cgroup_warm_open(struct cgroup *c, uint32_t slot)
{
    return group_open(c, 'w', slot);
}

void cgroup_slot_close(struct cgroup_slot *s)
{
    if (s == NULL)
        return;
    for (int h = 0; h < HIER_COUNT; h++)
        if (s->procs[h] >= 0)
            (void)close(s->procs[h]);
    if (s->kill_fd >= 0)
        (void)close(s->kill_fd);
    free(s);
}

static const char *memory_dir(const struct cgroup_slot *s)
{
    return s->c->dir[HIER_MEMORY][0] != '\0' ? s->dir[HIER_MEMORY] : s->dir[HIER_HOLD];
}

/* UINT64_MAX: it cannot be told. */
static uint64_t oom_kills(const char *dir, const char *name)
{
    char text[512];
    const char *p;

    (void)get_file(dir, name, text, sizeof(text));
    p = strstr(text, "oom_kill ");
    return p == NULL ? UINT64_MAX : strtoull(p + 9, NULL, 10);
}

static uint64_t oom_count(const struct cgroup_slot *s)
{
    bool v1 = s->c->dir[HIER_MEMORY][0] != '\0';
    uint64_t n = oom_kills(memory_dir(s), v1 ? "memory.oom_control" : "memory.events");

    return n == UINT64_MAX ? 0 : n;
}

static bool limit_memory(struct cgroup_slot *s, uint64_t bytes)
{
    bool v1 = s->c->dir[HIER_MEMORY][0] != '\0';
    char text[32] = "max";

    if (bytes == 0 && !s->is_limited[HIER_MEMORY])
        return true;
    if (!s->c->has_memory)
        return bytes == 0;
    if (bytes > 0)
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
    else if (v1)
        (void)snprintf(text, sizeof(text), "-1");
    s->is_limited[HIER_MEMORY] = bytes > 0;
    s->use[HIER_MEMORY] = v1 && bytes > 0;
    s->oom_before = oom_count(s);
    if (!v1) {
        (void)put_file(memory_dir(s), "memory.swap.max", bytes > 0 ? "0" : "max");
        return put_file(memory_dir(s), "memory.max", text);
    }
    /* Page cache of the run before would be counted as the next one's: let it go first. */
    (void)put_file(memory_dir(s), "memory.force_empty", "0");
    (void)put_file(memory_dir(s), "memory.memsw.limit_in_bytes", "-1");
    if (!put_file(memory_dir(s), "memory.limit_in_bytes", text))
        return false;
    (void)put_file(memory_dir(s), "memory.memsw.limit_in_bytes", text); /* absent without swap accounting */
    return true;
}

static bool limit_pids(struct cgroup_slot *s, uint32_t pids)
{
    bool v1 = s->c->dir[HIER_PIDS][0] != '\0';
    char text[32] = "max";

    if (pids == 0 && !s->is_limited[HIER_PIDS])
        return true;
    if (!s->c->has_pids)
        return pids == 0;
    if (pids > 0)
        (void)snprintf(text, sizeof(text), "%u", pids);
    s->is_limited[HIER_PIDS] = pids > 0;
    s->use[HIER_PIDS] = v1 && pids > 0;
    return put_file(v1 ? s->dir[HIER_PIDS] : s->dir[HIER_HOLD], "pids.max", text);
}

bool cgroup_limit(struct cgroup_slot *s, uint64_t memory_bytes, uint32_t pids)
{
    bool ok;

    if (s == NULL)
        return memory_bytes == 0 && pids == 0;
    ok = limit_memory(s, memory_bytes);
    return limit_pids(s, pids) && ok;
}

size_t cgroup_join_fds(const struct cgroup_slot *s, int fds[3])
{
    size_t n = 0;

    if (s == NULL)
        return 0;
    for (int h = 0; h < HIER_COUNT; h++) {
        /* Without v2, the group that holds is the same folder as one of the others. */
        bool again = h != HIER_HOLD && strcmp(s->dir[h], s->dir[HIER_HOLD]) == 0;

        if (s->use[h] && s->procs[h] >= 0 && !again)
            fds[n++] = s->procs[h];
    }
    return n;
}

void cgroup_join(const struct cgroup_slot *s, pid_t pid)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%d", (int)pid);
    int fds[HIER_COUNT];
    size_t n_fds = cgroup_join_fds(s, fds);

    for (size_t i = 0; i < n_fds; i++)
        if (pwrite(fds[i], text, (size_t)n, 0) != n)
            continue; /* as in launch.c: /proc is walked at the run's end */
}

bool cgroup_can_hold(const struct cgroup_slot *s)
{
    return s != NULL;
}

bool cgroup_is_empty(const struct cgroup_slot *s)
{
    pid_t one;

    return read_pids(s->procs[HIER_HOLD], &one, 1) == 0;
}

void cgroup_kill(const struct cgroup_slot *s)
{
    kill_group(s->procs[HIER_HOLD], s->kill_fd);
}

bool cgroup_was_oom(const struct cgroup_slot *s)
{
    return s != NULL && s->is_limited[HIER_MEMORY] && oom_count(s) > s->oom_before;
}

bool cgroup_oom_file(pid_t pid, char *ret, size_t size)
{
    char *mounts = xmalloc(KIB(64));
    char *its = xmalloc(KIB(8));
    char dir[PATH_BYTES];
    char path[64];
    bool v1;
    bool ok;

    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    (void)get_file("/proc/self/mounts", "", mounts, KIB(64));
    (void)get_file(path, "", its, KIB(8));
    v1 = own_group(mounts, its, "memory", dir, sizeof(dir));
    ok = v1 || own_group(mounts, its, NULL, dir, sizeof(dir));
    free(mounts);
    free(its);
    return ok && snprintf(ret, size, "%s/%s", dir, v1 ? "memory.oom_control" : "memory.events") < (int)size;
}

uint64_t cgroup_oom_kills(const char *file)
{
    return oom_kills(file, "");
}

size_t cgroup_pids(const struct cgroup_slot *s, pid_t *pids, size_t max)
{
    return s == NULL ? 0 : read_pids(s->procs[HIER_HOLD], pids, max);
}
