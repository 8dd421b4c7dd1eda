/* snapshot_path.c - from what a person wrote to a path of the project, or a sentence that says what is wrong.
 *
 * A path that is there wins over everything, also when its name looks like a glob or ends like ":12". */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "cli/options.h"
#include "cli/snapshot_private.h"

/* ---- globs ---- */

bool snapshot_glob(const char *glob, const char *path)
{
    char segment[NAME_MAX + 1];
    char pattern[NAME_MAX + 1];
    size_t g = strcspn(glob, "/");
    size_t n = strcspn(path, "/");

    if (g == 2 && strncmp(glob, "**", 2) == 0) {
        if (glob[2] == '\0')
            return true;
        if (snapshot_glob(glob + 3, path))
            return true;
        return path[n] == '/' && snapshot_glob(glob, path + n + 1);
    }
    if (g > NAME_MAX || n > NAME_MAX)
        return false;
    (void)snprintf(pattern, sizeof(pattern), "%.*s", (int)g, glob);
    (void)snprintf(segment, sizeof(segment), "%.*s", (int)n, path);
    if (fnmatch(pattern, segment, 0) != 0)
        return false;
    if (glob[g] == '\0' || path[n] == '\0')
        return glob[g] == path[n];
    return snapshot_glob(glob + g + 1, path + n + 1);
}

/* ---- paths ---- */

/* Take "." and ".." out of an absolute path, by its words alone. */
static void normalize(char *path)
{
    char *out = path;
    const char *in = path;

    while (*in != '\0') {
        size_t n;

        in += strspn(in, "/");
        n = strcspn(in, "/");
        if (n == 2 && in[0] == '.' && in[1] == '.') {
            while (out > path && *--out != '/')
                continue;
        } else if (n > 0 && !(n == 1 && in[0] == '.')) {
            *out++ = '/';
            memmove(out, in, n);
            out += n;
        }
        in += n;
    }
    *out = '\0';
}

/* What follows the root in an absolute path; NULL when it lies elsewhere. */
static const char *below(const char *root, const char *path)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return NULL;
    return path[n] == '/' ? path + n + 1 : path + n;
}

static int compare(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

/* ls-tree sorts as bytes, whole paths: good for a binary search. */
static bool has_file(const struct snapshot *s, const char *path, size_t n)
{
    char *key = xstrndup(path, n);
    bool found = s->n_files > 0 && bsearch(key, s->files, s->n_files, sizeof(*s->files), compare) != NULL;

    free(key);
    return found;
}

static bool has_folder(const struct snapshot *s, const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < s->n_files; i++) {
        if (n == 0 || (strncmp(s->files[i], path, n) == 0 && s->files[i][n] == '/'))
            return true;
    }
    return false;
}

static bool has_match(const struct snapshot *s, const char *glob)
{
    for (size_t i = 0; i < s->n_files; i++) {
        if (snapshot_glob(glob, s->files[i]))
            return true;
    }
    return false;
}

/* Length of the path in "path:12:34" or "path[1:2,1:3]"; all of it when there is no such end. */
static size_t without_selector(const char *path)
{
    static const char digits[] = "0123456789";
    size_t n = strlen(path);
    size_t at = n;

    if (n > 0 && path[n - 1] == ']') {
        const char *open = strrchr(path, '[');

        if (open != NULL && open + strspn(open + 1, "0123456789:,") + 1 == path + n - 1)
            return (size_t)(open - path);
        return n;
    }
    while (at > 0 && strchr(digits, path[at - 1]) != NULL) {
        while (at > 0 && strchr(digits, path[at - 1]) != NULL)
            at--;
        if (at == 0 || path[at - 1] != ':')
            break;
        n = --at;
    }
    return n;
}

static const char *basename_at(const void *ctx, size_t i)
{
    const struct snapshot *s = ctx;

    return i < s->n_files ? s->files[i] : NULL;
}

/* The file's path from the root, absolute links resolved; false when it is not below the root. */
static bool locate(const struct snapshot *s, const char *cwd, const char *given, char *out)
{
    char path[PATH_MAX];
    char folder[PATH_MAX];
    const char *rel;
    char *slash;

    if (snprintf(path, sizeof(path), given[0] == '/' ? "%.0s%s" : "%s/%s", cwd, given) >= (int)sizeof(path))
        return false;
    normalize(path);
    rel = below(s->root, path);
    if (rel == NULL) { /* perhaps by another way: a link to the root or above it */
        slash = strrchr(path, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
        if (realpath(path[0] != '\0' ? path : "/", folder) == NULL)
            return false;
        if (strlen(folder) + strlen(slash + 1) + 2 > sizeof(folder))
            return false;
        memmove(path + strlen(folder) + 1, slash + 1, strlen(slash + 1) + 1);
        memcpy(path, folder, strlen(folder));
        path[strlen(folder)] = '/';
        rel = below(s->root, path);
    }
    if (rel == NULL)
        return false;
    memmove(out, rel, strlen(rel) + 1);
    return true;
}

enum err snapshot_path(const struct snapshot *s, const char *cwd, const char *given, char **ret,
                       struct why *reterr)
{
    char rel[PATH_MAX] = "";
    struct stat st;
    const char *near;
    size_t n;

    if (given[0] == '\0')
        return why_set(reterr, ERR_INVALID, "files", "an empty file name");
    if (!locate(s, cwd, given, rel))
        return why_set(reterr, ERR_INVALID, "files", "%s is outside of the project %s", given, s->root);
    n = without_selector(rel);
    if (has_file(s, rel, strlen(rel)) || has_file(s, rel, n) ||
        (strpbrk(rel, "*?[") != NULL && has_match(s, rel))) {
        *ret = xstrdup(rel);
        return ERR_OK;
    }
    if (has_folder(s, rel)) {
        *ret = xcalloc(1, strlen(rel) + 2);
        (void)snprintf(*ret, strlen(rel) + 2, "%s%s", rel, rel[0] != '\0' ? "/" : ".");
        return ERR_OK;
    }
    if (strpbrk(rel, "*?[") != NULL)
        return why_set(reterr, ERR_INVALID, "files", "no file matches %s", given);
    {
        char path[PATH_MAX];

        if (snprintf(path, sizeof(path), "%s/%.*s", s->root, (int)n, rel) < (int)sizeof(path) &&
            lstat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode))
                return why_set(reterr, ERR_INVALID, "files",
                               "the folder %s holds no file that git would take", given);
            return why_set(reterr, ERR_INVALID, "files",
                           "%s is there, but is not sent: git ignores it, or it belongs to a submodule",
                           given);
        }
    }
    near = nearest_name(rel, basename_at, s);
    if (near != NULL)
        return why_set(reterr, ERR_INVALID, "files", "there is no file %s; did you mean %s?", given, near);
    return why_set(reterr, ERR_INVALID, "files", "there is no file %s", given);
}
