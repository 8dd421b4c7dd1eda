/* lfs_read.c - which files of a commit are of Git LFS, and where their content is: what git printed, taken apart. Pure.
 *
 * A file is one when its content is a pointer and its attribute `filter` is `lfs`, as git itself evaluates it: a pointer in the
 * tests of somebody who writes about LFS is a file like any other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "project/project_private.h"

#define CANDIDATES_MAX 1000000u

bool lfs_is_attributes(const char *path)
{
    const char *name = strrchr(path, '/');

    return strcmp(name != NULL ? name + 1 : path, ".gitattributes") == 0;
}

/* ---- ls-tree -r -l -z ---- */

/* "100644 blob OID    SIZE\tPATH": a file that is as short as pointers are. */
static bool is_candidate(struct slice entry, struct slice *retblob, struct slice *retpath)
{
    const char *tab = entry.len > 0 ? memchr(entry.ptr, '\t', entry.len) : NULL;
    size_t id_at = sizeof("100644 blob ") - 1;
    const char *blank;
    uint64_t size = 0;

    if (tab == NULL || (size_t)(tab - entry.ptr) < id_at ||
        (memcmp(entry.ptr, "100644 blob ", id_at) != 0 && memcmp(entry.ptr, "100755 blob ", id_at) != 0))
        return false;
    blank = memchr(entry.ptr + id_at, ' ', (size_t)(tab - entry.ptr) - id_at);
    if (blank == NULL)
        return false;
    *retblob = (struct slice){entry.ptr + id_at, (size_t)(blank - entry.ptr) - id_at};
    *retpath = (struct slice){tab + 1, entry.len - (size_t)(tab + 1 - entry.ptr)};
    while (blank < tab && *blank == ' ')
        blank++;
    for (; blank < tab && size <= LFS_POINTER_BYTES_MAX; blank++) {
        if (*blank < '0' || *blank > '9')
            return false;
        size = size * 10 + (uint64_t)(*blank - '0');
    }
    return size >= LFS_POINTER_BYTES_MIN && size <= LFS_POINTER_BYTES_MAX &&
           answer_is_id(retblob->ptr, retblob->len) && retpath->len > 0 && retpath->len < PATH_BYTES_MAX;
}

enum err lfs_candidates(struct slice out, struct arena *arena, struct lfs_files *ret, struct why *reterr)
{
    uint32_t cap = 0;

    *ret = (struct lfs_files){.n = 0};
    for (size_t at = 0; at < out.len;) {
        const char *end = memchr(out.ptr + at, '\0', out.len - at);
        struct slice blob;
        struct slice path;

        if (end == NULL)
            break;
        if (is_candidate((struct slice){out.ptr + at, (size_t)(end - (out.ptr + at))}, &blob, &path)) {
            if (ret->n == CANDIDATES_MAX)
                return why_set(reterr, ERR_LIMIT, "lfs", "lfs: more than %u small files to look at",
                               CANDIDATES_MAX);
            if (ret->n == cap) {
                struct lfs_file *more = arena_alloc(arena, ((size_t)cap * 2 + 64) * sizeof(*more));

                if (cap > 0)
                    memcpy(more, ret->at, cap * sizeof(*more));
                ret->at = more;
                cap = cap * 2 + 64;
            }
            ret->at[ret->n++] = (struct lfs_file){.path = arena_strndup(arena, path.ptr, path.len),
                                                  .blob = arena_strndup(arena, blob.ptr, blob.len)};
        }
        at = (size_t)(end + 1 - out.ptr);
    }
    return ERR_OK;
}

/* ---- cat-file --batch ---- */

/* "OID blob SIZE\n", SIZE bytes, "\n": the content of `blob`, which *rest moves past. */
static bool take_blob(struct slice *rest, const char *blob, struct slice *ret)
{
    size_t id = strlen(blob);
    struct slice line;
    size_t size = 0;

    if (!answer_line(rest, &line) || line.len < id + 7 || memcmp(line.ptr, blob, id) != 0 ||
        memcmp(line.ptr + id, " blob ", 6) != 0)
        return false;
    for (size_t i = id + 6; i < line.len; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9' || size > LFS_POINTER_BYTES_MAX)
            return false;
        size = size * 10 + (size_t)(line.ptr[i] - '0');
    }
    if (rest->len <= size)
        return false;
    *ret = (struct slice){rest->ptr, size};
    *rest = (struct slice){rest->ptr + size + 1, rest->len - size - 1};
    return true;
}

enum err lfs_pointers(struct slice out, struct lfs_files *files, struct why *reterr)
{
    uint32_t to = 0;

    for (uint32_t i = 0; i < files->n; i++) {
        struct lfs_file f = files->at[i];
        struct slice content;
        enum lfs_kind kind;

        if (!take_blob(&out, f.blob, &content))
            return why_set(reterr, ERR_IO, "lfs", "lfs: git does not say what is in %.200s", f.path);
        kind = lfs_pointer_read(content, &f.pointer);
        f.is_broken = kind == LFS_BROKEN;
        if (kind != LFS_NONE)
            files->at[to++] = f;
    }
    files->n = to;
    return ERR_OK;
}

/* ---- check-attr -z --stdin filter ---- */

static bool take_word(struct slice *rest, struct slice *ret)
{
    const char *nul = rest->len > 0 ? memchr(rest->ptr, '\0', rest->len) : NULL;

    if (nul == NULL)
        return false;
    *ret = (struct slice){rest->ptr, (size_t)(nul - rest->ptr)};
    *rest = (struct slice){nul + 1, rest->len - ret->len - 1};
    return true;
}

enum err lfs_filtered(struct slice out, struct lfs_files *files, struct why *reterr)
{
    uint32_t to = 0;

    for (uint32_t i = 0; i < files->n; i++) {
        struct slice path;
        struct slice name;
        struct slice value;

        if (!take_word(&out, &path) || !take_word(&out, &name) || !take_word(&out, &value) ||
            !slice_eq(path, slice_of(files->at[i].path)))
            return why_set(reterr, ERR_IO, "lfs", "lfs: git does not say the attributes of %.200s",
                           files->at[i].path);
        if (slice_eq(value, SLICE("lfs")))
            files->at[to++] = files->at[i];
    }
    files->n = to;
    return ERR_OK;
}

/* ---- where from ---- */

const char *lfs_config_url(struct slice out, struct arena *arena)
{
    const char *own = "";
    const char *of_remote = "";
    struct slice word;

    while (take_word(&out, &word)) {
        const char *line = word.len > 0 ? memchr(word.ptr, '\n', word.len) : NULL;
        struct slice key = {word.ptr, line != NULL ? (size_t)(line - word.ptr) : word.len};

        if (line == NULL)
            continue;
        if (slice_eq(key, SLICE("lfs.url")))
            own = arena_strndup(arena, line + 1, word.len - key.len - 1);
        else if (slice_eq(key, SLICE("remote.origin.lfsurl")))
            of_remote = arena_strndup(arena, line + 1, word.len - key.len - 1);
    }
    return own[0] != '\0' ? own : of_remote;
}

/* As git-lfs finds the server of a repository whose url is `source`. */
static enum err usual_endpoint(const char *source, char *out, size_t size, struct why *reterr)
{
    size_t n = strlen(source);
    int len;

    switch (url_kind(source)) {
    case URL_HTTPS:
    case URL_HTTP:
        while (n > 0 && source[n - 1] == '/')
            n--;
        len = snprintf(out, size, "%.*s%s/info/lfs", (int)n, source,
                       n > 4 && memcmp(source + n - 4, ".git", 4) == 0 ? "" : ".git");
        break;
    case URL_LOCAL:
        len = snprintf(out, size, "%s%s", source[0] == '/' ? "file://" : "", source);
        break;
    case URL_SSH:
        len = snprintf(out, size, "%s", source);
        break;
    case URL_GIT:
        return why_set(reterr, ERR_INVALID, "lfs",
                       "git:// has no place for files of Git LFS; `lfs.url` in .lfsconfig names one");
    case URL_NONE:
    default:
        return why_set(reterr, ERR_INVALID, "lfs", "nobody says where they come from");
    }
    return len > 0 && (size_t)len < size
               ? ERR_OK
               : why_set(reterr, ERR_LIMIT, "lfs", "the url of their server is too long");
}

enum err lfs_endpoint(const struct git_login *login, enum url_kind project, const char *source,
                      const char *said, char *out, size_t size, struct why *reterr)
{
    char https[URL_BYTES_MAX + 64];
    char shown[160];
    struct why why;

    if (said[0] != '\0' && url_kind(said) == URL_NONE)
        return why_set(reterr, ERR_INVALID, "lfs",
                       "lfs.url '%.80s' in .lfsconfig is no url with https:// or ssh://",
                       url_shown(said, shown, sizeof(shown)));
    /* Whoever may push writes it: the rule of submodules. */
    if (said[0] != '\0' && submodule_url(project, "", said, out, size, &why) != ERR_OK)
        return why_set(reterr, ERR_INVALID, "lfs", "lfs.url '%.80s' in .lfsconfig %s",
                       url_shown(said, shown, sizeof(shown)), why.text);
    if (said[0] != '\0')
        return ERR_OK;
    if (url_as_https(source, https, sizeof(https)) && login_fits(login, https))
        source = https;
    return usual_endpoint(source, out, size, reterr);
}
