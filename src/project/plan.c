/* plan.c - patterns to files: a path, a folder, a glob. Pure.
 *
 * Order: that of the patterns, each one's matches in the order of bytes. What a folder or a glob finds is added once;
 * a path that was named is added each time it was named. */
#include <stdlib.h>
#include <string.h>

#include "project/project_private.h"

#define GLOB_WORK_MAX 50000000u /* files looked at by all globs together: a second's work at the most */
#define NEAR_MAX 3u
#define NEAR_EDITS 4
#define NEAR_BYTES_MAX 200u

enum { SEEN_FOUND = 1, SEEN_NAMED = 2 };

struct planner {
    const struct tree *t;
    struct arena *arena;
    unsigned char *seen; /* of each file of the tree */
    struct plan_file *files;
    uint32_t n;
    uint32_t cap;
    uint64_t work;
    struct why *reterr;
};

static enum err add_file(struct planner *p, const char *path, bool is_executable)
{
    if (p->n == LAUNCH_TESTS_MAX)
        return why_set(p->reterr, ERR_LIMIT, "files", "files: more than %u files", LAUNCH_TESTS_MAX);
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 64 : p->cap * 2;
        p->files = xrealloc(p->files, p->cap * sizeof(*p->files));
    }
    return command_for(path, is_executable, p->t->has_gemfile_lock, p->arena, &p->files[p->n++], p->reterr);
}

static enum err add_found(struct planner *p, uint32_t i)
{
    if (p->seen[i] != 0)
        return ERR_OK;
    p->seen[i] = SEEN_FOUND;
    return add_file(p, p->t->files[i].path, p->t->files[i].is_executable);
}

static enum err add_named(struct planner *p, uint32_t i)
{
    bool was_found = p->seen[i] == SEEN_FOUND;

    p->seen[i] |= SEEN_NAMED;
    return was_found ? ERR_OK : add_file(p, p->t->files[i].path, p->t->files[i].is_executable);
}

/* ---- names that are near ---- */

/* Edits from a to b, counted up to NEAR_EDITS + 1. */
static int edits(const char *a, const char *b)
{
    int la = (int)strlen(a);
    int lb = (int)strlen(b);
    int row[NEAR_BYTES_MAX + 1];

    if (la > (int)NEAR_BYTES_MAX || lb > (int)NEAR_BYTES_MAX || abs(la - lb) > NEAR_EDITS)
        return NEAR_EDITS + 1;
    for (int k = 0; k <= lb; k++)
        row[k] = k;
    for (int i = 1; i <= la; i++) {
        int diagonal = row[0];
        int least = row[0] = i;

        for (int k = 1; k <= lb; k++) {
            int above = row[k];
            int best = diagonal + (a[i - 1] != b[k - 1]);

            if (above + 1 < best)
                best = above + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            diagonal = above;
            row[k] = best;
            if (best < least)
                least = best;
        }
        if (least > NEAR_EDITS)
            return NEAR_EDITS + 1;
    }
    return row[lb];
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static enum err no_such_path(struct planner *p, const char *pattern, const char *path)
{
    const char *near[NEAR_MAX];
    int cost[NEAR_MAX];
    unsigned n = 0;
    struct buf text;
    enum err err;

    for (uint32_t i = 0; i < p->t->n_files; i++) {
        const char *file = p->t->files[i].path;
        int c = strcmp(base_of(file), base_of(path)) == 0 ? 0 : edits(file, path);
        unsigned at = n;

        if (c > NEAR_EDITS || c * 6 > (int)strlen(path))
            continue;
        while (at > 0 && cost[at - 1] > c)
            at--;
        if (at == NEAR_MAX)
            continue;
        if (n < NEAR_MAX)
            n++;
        for (unsigned k = n - 1; k > at; k--) {
            near[k] = near[k - 1];
            cost[k] = cost[k - 1];
        }
        near[at] = file;
        cost[at] = c;
    }
    buf_init(&text, KIB(16));
    for (unsigned i = 0; i < n; i++)
        buf_printf(&text, "%s%s", i == 0 ? "; did you mean " : i + 1 == n ? " or " : ", ", near[i]);
    err = why_set(p->reterr, ERR_INVALID, "files", "files: there is no '%.90s' in commit %.10s%.110s%s",
                  pattern, p->t->commit, buf_str(&text), n > 0 && text.len <= 110 ? "?" : "");
    buf_done(&text);
    return err;
}

/* ---- one pattern ---- */

static enum err pattern_check(const char *pattern, struct why *reterr)
{
    size_t n = strlen(pattern);

    if (n == 0)
        return why_set(reterr, ERR_INVALID, "files", "files: a path is empty; '.' is the whole project");
    if (n >= PATH_BYTES_MAX || !text_is_utf8(pattern, n))
        return why_set(reterr, ERR_INVALID, "files", "files: '%.60s' is too long or not UTF-8", pattern);
    if (pattern[0] == '/')
        return why_set(reterr, ERR_INVALID, "files",
                       "files: '%.100s' is absolute; paths begin at the project's root", pattern);
    for (const char *p = pattern; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return why_set(reterr, ERR_INVALID, "files", "files: a path holds a control character");
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0') && (p == pattern || p[-1] == '/'))
            return why_set(reterr, ERR_INVALID, "files", "files: '%.100s' leads out of the project by '..'",
                           pattern);
    }
    return ERR_OK;
}

static bool find_file(const struct planner *p, const char *path, size_t n, uint32_t *ret)
{
    uint32_t i = tree_lower(p->t, path, n);

    /* Among those that begin so, the path itself comes first. */
    if (i == p->t->n_files || strlen(p->t->files[i].path) != n || memcmp(p->t->files[i].path, path, n) != 0)
        return false;
    *ret = i;
    return true;
}

/* "spec/": what is a test below it. */
static enum err add_folder(struct planner *p, const char *pattern, const char *folder, size_t n)
{
    uint32_t first = tree_lower(p->t, folder, n);
    uint32_t tests = 0;
    enum err err = ERR_OK;

    for (uint32_t i = first; i < p->t->n_files && err == ERR_OK; i++) {
        if (strncmp(p->t->files[i].path, folder, n) != 0)
            break;
        if (!command_is_test(p->t->files[i].path))
            continue;
        tests++;
        err = add_found(p, i);
    }
    if (err == ERR_OK && tests == 0)
        return why_set(p->reterr, ERR_INVALID, "files",
                       "files: below '%.100s' is no *_spec.rb, test_*.py, *_test.py or *.sh", pattern);
    return err;
}

static enum err add_glob(struct planner *p, const char *pattern, const char *glob)
{
    size_t fixed = strcspn(glob, "*?[\\");
    uint32_t matches = 0;
    enum err err = ERR_OK;

    for (uint32_t i = tree_lower(p->t, glob, fixed); i < p->t->n_files && err == ERR_OK; i++) {
        const struct tree_file *f = &p->t->files[i];

        if (strncmp(f->path, glob, fixed) != 0)
            break;
        if (++p->work > GLOB_WORK_MAX)
            return why_set(p->reterr, ERR_LIMIT, "files",
                           "files: '%.100s' and the globs before it look at too many files", pattern);
        if (!glob_match(glob, f->path))
            continue;
        matches++;
        err = add_found(p, i);
        if (err == ERR_INVALID)
            return why_set(
                p->reterr, ERR_INVALID, "files",
                "files: '%.60s' matches %.80s, which is not runnable; a folder ('spec/') takes only tests",
                pattern, f->path);
    }
    if (err == ERR_OK && matches == 0)
        return why_set(p->reterr, ERR_INVALID, "files", "files: '%.120s' matches nothing in commit %.10s",
                       pattern, p->t->commit);
    return err;
}

/* "spec/a_spec.rb:12": the file must be there, the end goes to rspec. */
static enum err add_examples(struct planner *p, const char *pattern, const char *path, size_t file_len)
{
    uint32_t i;

    if (memchr(path, '*', file_len) != NULL || memchr(path, '?', file_len) != NULL)
        return why_set(p->reterr, ERR_INVALID, "files",
                       "files: '%.120s': a line or an example needs the path of one file, not a glob",
                       pattern);
    if (!find_file(p, path, file_len, &i))
        return no_such_path(p, pattern, arena_strndup(p->arena, path, file_len));
    return add_file(p, arena_strdup(p->arena, path), p->t->files[i].is_executable);
}

static enum err add_pattern(struct planner *p, const char *pattern)
{
    const char *path = pattern;
    size_t n;
    size_t file_len;
    uint32_t i;
    enum err err = pattern_check(pattern, p->reterr);

    if (err != ERR_OK)
        return err;
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
        path += strspn(path, "/");
    }
    n = strlen(path);
    if (n == 0 || strcmp(path, ".") == 0)
        return add_folder(p, pattern, "", 0);
    if (find_file(p, path, n, &i))
        return add_named(p, i);
    file_len = command_path_len(path);
    if (file_len < n)
        return add_examples(p, pattern, path, file_len);
    if (strpbrk(path, "*?[") != NULL)
        return add_glob(p, pattern, path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    path = arena_printf(p->arena, "%.*s/", (int)n, path);
    i = tree_lower(p->t, path, n + 1);
    if (i < p->t->n_files && strncmp(p->t->files[i].path, path, n + 1) == 0)
        return add_folder(p, pattern, path, n + 1);
    return no_such_path(p, pattern, arena_strndup(p->arena, path, n));
}

enum err plan_make(const struct tree *t, const char *const *patterns, uint32_t n_patterns,
                   struct arena *arena, struct plan *ret, struct why *reterr)
{
    struct planner p = {.t = t, .arena = arena, .reterr = reterr};
    struct plan_file *files;
    enum err err = ERR_OK;

    if (n_patterns == 0)
        return why_set(reterr, ERR_INVALID, "files", "files: name at least one file, folder or glob");
    p.seen = xcalloc(t->n_files, 1);
    for (uint32_t i = 0; i < n_patterns && err == ERR_OK; i++)
        err = add_pattern(&p, patterns[i]);
    if (err == ERR_OK) {
        files = arena_alloc(arena, (p.n + 1) * sizeof(*files));
        if (p.n > 0)
            memcpy(files, p.files, p.n * sizeof(*files));
        *ret = (struct plan){.commit = t->commit, .files = files, .n_files = p.n};
    }
    free(p.files);
    free(p.seen);
    return err;
}
