#include "agent/worktrees.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define LINE_BYTES 8192 /* of the small files that git writes */

int worktree_open(const char *tree, const char *rel)
{
    char part[256];
    int fd = open(tree, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    while (fd >= 0 && *rel != '\0') {
        size_t n = strcspn(rel, "/");
        int next = -1;

        if (n > 0 && n < sizeof(part)) {
            memcpy(part, rel, n);
            part[n] = '\0';
            next = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        (void)close(fd);
        fd = next;
        rel += n + (rel[n] == '/');
    }
    return fd;
}

/* The first line of a file without its end, in the arena. NULL: it is no file, or has none. */
static const char *read_line(int dir, const char *name, struct arena *arena)
{
    char text[LINE_BYTES];
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
    const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;

    if (fd >= 0)
        (void)close(fd);
    return end != NULL ? arena_strndup(arena, text, (size_t)(end - text)) : NULL;
}

const char *worktree_git_dir(const char *cache, const char *tree, const char *rel, struct arena *arena)
{
    const char *before = arena_printf(arena, "gitdir: %s/worktrees/", cache);
    const char *itself = arena_printf(arena, "%s%s%s/.git", tree, rel[0] != '\0' ? "/" : "", rel);
    const char *line;
    const char *git_dir;
    const char *back;
    int fd = worktree_open(tree, rel);

    if (fd < 0)
        return NULL;
    line = read_line(fd, ".git", arena);
    (void)close(fd);
    if (line == NULL || strncmp(line, before, strlen(before)) != 0 || line[strlen(before)] == '\0' ||
        line[strlen(before)] == '.' || strchr(line + strlen(before), '/') != NULL)
        return NULL;
    git_dir = line + strlen("gitdir: ");
    back = read_line(AT_FDCWD, arena_printf(arena, "%s/gitdir", git_dir), arena);
    return back != NULL && strcmp(back, itself) == 0 ? git_dir : NULL;
}

bool worktree_is_at(const char *git_dir, const char *commit)
{
    struct arena arena;
    const char *head;
    bool is_at;

    arena_init(&arena);
    head = read_line(AT_FDCWD, arena_printf(&arena, "%s/HEAD", git_dir), &arena);
    is_at = head != NULL && strcmp(head, commit) == 0;
    arena_done(&arena);
    return is_at;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* `git worktree add` writes these first, and holds a lock until it has. */
static bool is_whole(int dir, const char *name)
{
    static const char *const files[] = {"HEAD", "commondir", "gitdir"};
    char path[512];
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (snprintf(path, sizeof(path), "%s/%s", name, files[i]) >= (int)sizeof(path) ||
            fstatat(dir, path, &st, 0) != 0 || st.st_size == 0)
            return false;
    }
    (void)snprintf(path, sizeof(path), "%s/locked", name);
    return fstatat(dir, path, &st, 0) != 0;
}

void worktrees_mend(const char *cache)
{
    char path[1024];
    struct dirent *de;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/worktrees", cache);
    dir = opendir(path);
    while (dir != NULL && (de = readdir(dir)) != NULL) {
        if (de->d_name[0] == '.' || is_whole(dirfd(dir), de->d_name) ||
            snprintf(path, sizeof(path), "%s/worktrees/%s", cache, de->d_name) >= (int)sizeof(path))
            continue;
        LOG_WARN("agent.worktree", "half_done=%s", path);
        (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

/* "TREE/a/b/.git" is "a/b"; NULL: it is elsewhere. */
static const char *rel_of(const char *tree, const char *line, struct arena *arena)
{
    static const char end[] = "/.git";
    size_t before = strlen(tree) + 1;
    size_t n = strlen(line);

    if (n <= before + sizeof(end) - 1 || strncmp(line, tree, before - 1) != 0 || line[before - 1] != '/' ||
        strcmp(line + n - (sizeof(end) - 1), end) != 0)
        return NULL;
    return arena_strndup(arena, line + before, n - before - (sizeof(end) - 1));
}

static bool is_there(const char *tree, const char *rel)
{
    int fd = worktree_open(tree, rel);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

size_t worktrees_stale(const char *cache, const char *tree, bool (*wanted)(void *ctx, const char *rel),
                       void *ctx, const char **ret, size_t max, struct arena *arena)
{
    DIR *dir = opendir(arena_printf(arena, "%s/worktrees", cache));
    struct dirent *de;
    size_t n = 0;

    while (dir != NULL && n < max && (de = readdir(dir)) != NULL) {
        const char *line;
        const char *rel;
        size_t at = n;

        if (de->d_name[0] == '.')
            continue;
        line = read_line(dirfd(dir), arena_printf(arena, "%s/gitdir", de->d_name), arena);
        rel = line != NULL ? rel_of(tree, line, arena) : NULL;
        if (rel == NULL || wanted(ctx, rel) || !is_there(tree, rel))
            continue;
        while (at > 0 && strcmp(ret[at - 1], rel) > 0) {
            ret[at] = ret[at - 1];
            at--;
        }
        ret[at] = rel;
        n++;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return n;
}
