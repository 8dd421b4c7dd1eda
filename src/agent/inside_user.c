#include "agent/inside_user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 200 /* a descriptor each */
#define FIELDS_MAX 7
#define NAME_BYTES 64u

/* ---- passwd and group ---- */

/* The fields of a line "a:b:c"; what is missing is "". */
static void fields_of(const char *line, size_t n, const char *at[FIELDS_MAX], size_t len[FIELDS_MAX])
{
    size_t from = 0;

    for (int i = 0; i < FIELDS_MAX; i++) {
        size_t to = from;

        while (to < n && line[to] != ':')
            to++;
        at[i] = line + from;
        len[i] = to - from;
        from = to < n ? to + 1 : n;
    }
}

static bool is_number(const char *s, size_t n, unsigned long *ret)
{
    unsigned long v = 0;

    if (n == 0 || n > 10)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (unsigned long)(s[i] - '0');
    }
    *ret = v;
    return v < 0xffffffffu; /* that one means "leave it" to the kernel */
}

static bool is_text(const char *s, size_t n, const char *text)
{
    return strlen(text) == n && memcmp(s, text, n) == 0;
}

/* The line of a file whose name (field 0) or number (field `number_at`) it is. */
static bool find_line(const char *file, const char *name, unsigned long number, bool by_number,
                      const char *at[FIELDS_MAX], size_t len[FIELDS_MAX])
{
    for (const char *p = file; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
        unsigned long n;

        fields_of(p, strcspn(p, "\n"), at, len);
        if (by_number ? is_number(at[2], len[2], &n) && n == number : is_text(at[0], len[0], name))
            return true;
    }
    return false;
}

/* "a,b,c" holds the name. */
static bool lists(const char *s, size_t n, const char *name)
{
    size_t from = 0;

    while (from < n) {
        size_t to = from;

        while (to < n && s[to] != ',')
            to++;
        if (is_text(s + from, to - from, name))
            return true;
        from = to + 1;
    }
    return false;
}

static void put_group(struct inside_user *u, gid_t gid)
{
    for (size_t i = 0; i < u->n_groups; i++)
        if (u->groups[i] == gid)
            return;
    if (u->n_groups < INSIDE_GROUPS_MAX)
        u->groups[u->n_groups++] = gid;
}

static void put_groups(struct inside_user *u, const char *group, const char *name)
{
    const char *at[FIELDS_MAX];
    size_t len[FIELDS_MAX];

    put_group(u, u->gid);
    for (const char *p = group; *p != '\0' && name[0] != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
        unsigned long gid;

        fields_of(p, strcspn(p, "\n"), at, len);
        if (is_number(at[2], len[2], &gid) && lists(at[3], len[3], name))
            put_group(u, (gid_t)gid);
    }
}

bool inside_user_find(const char *user, const char *passwd, const char *group, struct inside_user *ret,
                      char *ret_why, size_t size)
{
    const char *colon = strchr(user, ':');
    const char *at[FIELDS_MAX];
    size_t len[FIELDS_MAX];
    unsigned long n = 0;
    char name[NAME_BYTES];
    char known[NAME_BYTES] = "";
    bool by_number;

    *ret = (struct inside_user){.home = "/"};
    if (user[0] == '\0')
        user = "0";
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(user, ":"), user);
    by_number = is_number(name, strlen(name), &n);
    if (find_line(passwd, name, n, by_number, at, len)) {
        unsigned long gid;

        if (!is_number(at[2], len[2], &n) || !is_number(at[3], len[3], &gid)) {
            (void)snprintf(ret_why, size, "user %s has a line in the image's /etc/passwd that cannot be read",
                           name);
            return false;
        }
        ret->gid = (gid_t)gid;
        (void)snprintf(known, sizeof(known), "%.*s", (int)len[0], at[0]);
        if (len[5] > 0)
            (void)snprintf(ret->home, sizeof(ret->home), "%.*s", (int)len[5], at[5]);
    } else if (!by_number) {
        (void)snprintf(ret_why, size, "the image knows no user %s", name);
        return false;
    }
    ret->uid = (uid_t)n;
    if (colon == NULL) {
        put_groups(ret, group, known);
        return true;
    }
    if (!is_number(colon + 1, strlen(colon + 1), &n) &&
        (!find_line(group, colon + 1, 0, false, at, len) || !is_number(at[2], len[2], &n))) {
        (void)snprintf(ret_why, size, "the image knows no group %.60s", colon + 1);
        return false;
    }
    ret->gid = (gid_t)n;
    put_group(ret, ret->gid);
    return true;
}

/* ---- files ---- */

struct owning {
    uid_t uid;
    gid_t gid;
    dev_t dev;
    size_t failed;
    int error;
};

static void fault(struct owning *o)
{
    if (o->failed++ == 0)
        o->error = errno;
}

/* dir is taken. */
static void own_below(struct owning *o, int dir, int depth)
{
    DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
    struct dirent *e;
    struct stat st;

    if (d == NULL) {
        fault(o);
        if (dir >= 0)
            (void)close(dir);
        return;
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_dev != o->dev)
            continue;
        if ((st.st_uid != o->uid || st.st_gid != o->gid) &&
            fchownat(dirfd(d), e->d_name, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
            fault(o);
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            own_below(o, openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                      depth + 1);
    }
    (void)closedir(d);
}

size_t inside_own(const char *folder, uid_t uid, gid_t gid, int *ret_errno)
{
    struct owning o = {.uid = uid, .gid = gid};
    struct stat st;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0) {
        fault(&o);
        if (fd >= 0)
            (void)close(fd);
    } else {
        o.dev = st.st_dev;
        if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) != 0)
            fault(&o);
        own_below(&o, fd, 0);
    }
    *ret_errno = o.error;
    return o.failed;
}

void inside_open_way(const char *path)
{
    char part[4096];
    struct stat st;

    for (const char *p = strchr(path + (path[0] == '/'), '/'); p != NULL; p = strchr(p + 1, '/')) {
        if (snprintf(part, sizeof(part), "%.*s", (int)(p - path), path) >= (int)sizeof(part))
            return;
        if (stat(part, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & S_IXOTH) == 0)
            (void)chmod(part,
                        (st.st_mode & 07777) | S_IXGRP | S_IXOTH); /* where that fails, entering says why */
    }
}
