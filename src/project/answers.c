/* answers.c - what git printed, taken apart: names of default branches, commits of a bundle. Pure.
 *
 * Lists of refs are read in refs.c, lists of files in tree.c, what is for people in text.c. What a remote said is in these
 * answers, so nothing in them is believed: a name is checked as one that a person typed, an id has its length and its digits. */
#include <string.h>

#include "project/project_private.h"

bool answer_is_id(const char *s, size_t n)
{
    if (n != 40 && n != COMMIT_CHARS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
            return false;
    }
    return true;
}

bool answer_line(struct slice *rest, struct slice *ret)
{
    const char *end;

    if (rest->len == 0)
        return false;
    end = memchr(rest->ptr, '\n', rest->len);
    *ret = (struct slice){rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len};
    *rest = end != NULL ? (struct slice){end + 1, rest->len - ret->len - 1} : (struct slice){rest->ptr, 0};
    return true;
}

void answer_head(struct slice out, char *ret, size_t size)
{
    static const char before[] = "ref: refs/heads/";
    const size_t skip = sizeof(before) - 1;
    struct why ignored;
    struct slice line;
    size_t n = 0;

    ret[0] = '\0';
    if (!answer_line(&out, &line) || line.len < skip || memcmp(line.ptr, before, skip) != 0)
        return;
    while (skip + n < line.len && line.ptr[skip + n] != '\t' && line.ptr[skip + n] != '\0')
        n++;
    if (n >= size)
        return;
    memcpy(ret, line.ptr + skip, n);
    ret[n] = '\0';
    if (ref_check(ret, &ignored) != ERR_OK) /* no branch that anybody could name */
        ret[0] = '\0';
}

/* ---- bundles ---- */

#define BUNDLE_COMMITS_MAX 10000u

void bundle_questions(struct slice out, struct buf *questions)
{
    struct slice line;

    for (uint32_t n = 0; n < BUNDLE_COMMITS_MAX && answer_line(&out, &line);) {
        const char *blank = memchr(line.ptr, ' ', line.len);
        size_t hex = blank != NULL ? (size_t)(blank - line.ptr) : line.len;

        if (!answer_is_id(line.ptr, hex))
            continue;
        buf_printf(questions, "%.*s^{commit}\n", (int)hex, line.ptr);
        n++;
    }
}

static bool has_commit(const char *const *commits, uint32_t n, const char *commit)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(commits[i], commit) == 0)
            return true;
    }
    return false;
}

uint32_t bundle_commits(struct slice out, struct arena *arena, const char ***ret, struct buf *orders)
{
    const char **commits = arena_alloc(arena, BUNDLE_COMMITS_MAX * sizeof(*commits));
    struct slice line;
    uint32_t n = 0;

    while (n < BUNDLE_COMMITS_MAX && answer_line(&out, &line)) {
        char commit[COMMIT_CHARS_MAX + 1];
        struct why ignored;

        if (ref_answer(line, "", commit, sizeof(commit), &ignored) != ERR_OK ||
            has_commit(commits, n, commit))
            continue;
        commits[n++] = arena_strdup(arena, commit);
        buf_printf(orders, "update refs/wrata/%s %s\n", commit, commit);
    }
    *ret = commits;
    return n;
}
