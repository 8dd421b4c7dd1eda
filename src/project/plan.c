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

/* The first item of `commands` that fits the file; NULL: the built-in rules are for it. */
static const struct yml_command *command_of(struct planner *p, const char *file)
{
    const struct yml_file *yml = &p->t->yml;

    for (uint32_t i = 0; i < yml->commands.n; i++) {
        p->work++;
        if (glob_match(yml->commands.at[i].glob, file))
            return &yml->commands.at[i];
    }
    return NULL;
}

/* `path` is `file`, or has ":12" or "[1:2]" behind it. */
static void fill_file(struct planner *p, const char *path, const char *file,
                      const struct yml_command *command, struct plan_file *ret)
{
    const char *end = path + strlen(file);
    const struct yml_target target = {.chosen = path,
                                      .file = file,
                                      .line = end[0] == ':' ? end + 1 : "",
                                      .id = end[0] == '[' ? arena_strndup(p->arena, end + 1, strlen(end) - 2)
                                                          : ""};
    int report = command->report >= 0    ? command->report
                 : p->t->yml.report >= 0 ? p->t->yml.report
                                         : YML_REPORT_EXIT;

    *ret = (struct plan_file){.path = path,
                              .adapter = adapter_parse(yml_report_name(report)),
                              .reports = command->reports.at,
                              .n_reports = command->reports.n,
                              .command = command};
    ret->argv = yml_command_words(command, &target, p->arena, &ret->n_argv);
    CHECK(ret->adapter != ADAPTER_COUNT);
}

static enum err add_file(struct planner *p, const char *path, bool is_executable)
{
    size_t file_len = command_path_len(path);
    const char *file = path;
    const struct yml_command *command;

    if (p->n == LAUNCH_TESTS_MAX)
        return why_set(p->reterr, ERR_LIMIT, "files", "files: more than %u files", LAUNCH_TESTS_MAX);
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 64 : p->cap * 2;
        p->files = xrealloc(p->files, p->cap * sizeof(*p->files));
    }
    if (tree_find(p->t, path, strlen(path)) == NULL) {
        if (file_len == strlen(path))
            file_len = command_any_path_len(path);
        file = arena_strndup(p->arena, path, file_len);
    }
    command = command_of(p, file);
    if (command != NULL) {
        fill_file(p, path, file, command, &p->files[p->n++]);
        return ERR_OK;
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
    const struct tree_link *link = tree_link_of(p->t, path, strlen(path));

    if (link != NULL)
        return why_set(p->reterr, ERR_INVALID, "files",
                       "files: '%.90s' is in the submodule %.60s, whose files are not run by themselves",
                       pattern, link->path);
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
    const struct tree_file *file = tree_find(p->t, path, n);

    if (file != NULL)
        *ret = (uint32_t)(file - p->t->files);
    return file != NULL;
}

static enum err too_much_work(struct planner *p, const char *pattern)
{
    return why_set(p->reterr, ERR_LIMIT, "files",
                   "files: '%.100s' and the globs before it look at too many files", pattern);
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
        if (!command_is_test(p->t->files[i].path) && command_of(p, p->t->files[i].path) == NULL)
            continue;
        if (p->work > GLOB_WORK_MAX)
            return too_much_work(p, pattern);
        tests++;
        err = add_found(p, i);
    }
    if (err == ERR_OK && tests == 0)
        return why_set(p->reterr, ERR_INVALID, "files",
                       "files: below '%.100s' is no *_spec.rb, test_*.py, *_test.py or *.sh%s", pattern,
                       p->t->yml.commands.n > 0 ? ", and nothing that " WRATA_YML " has a command for" : "");
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
            return too_much_work(p, pattern);
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
    file_len = command_any_path_len(path);
    if (file_len < n && find_file(p, path, file_len, &i) && command_of(p, p->t->files[i].path) != NULL)
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

/* With half of what the project says nothing is run. */
static enum err yml_refused(const struct yml_problems *problems, struct why *reterr)
{
    uint32_t more = problems->n - 1 + problems->n_more;
    char text[1024];

    yml_problem_text(&problems->at[0], WRATA_YML, text, sizeof(text));
    if (more > 0)
        return why_set(reterr, ERR_INVALID, WRATA_YML, "%.200s; and %u more", text, more);
    return why_set(reterr, ERR_INVALID, WRATA_YML, "%s", text);
}

enum err plan_tests(struct tree *t, struct why *reterr)
{
    struct planner p = {.t = t, .arena = &t->arena, .reterr = reterr};
    const char **tests;
    uint32_t n = 0;

    if (t->tests != NULL)
        return ERR_OK;
    tests = arena_alloc(&t->arena, (t->n_files + 1) * sizeof(*tests));
    for (uint32_t i = 0; i < t->n_files; i++) {
        if (p.work > GLOB_WORK_MAX)
            return why_set(reterr, ERR_LIMIT, NULL, "the globs of " WRATA_YML " look at too many files");
        if (command_is_test(t->paths[i]) || (t->yml_problems.n == 0 && command_of(&p, t->paths[i]) != NULL))
            tests[n++] = t->paths[i];
    }
    t->tests = tests;
    t->n_tests = n;
    return ERR_OK;
}

enum err plan_make(const struct tree *t, const char *const *patterns, uint32_t n_patterns,
                   struct arena *arena, struct plan *ret, struct why *reterr)
{
    struct planner p = {.t = t, .arena = arena, .reterr = reterr};
    struct plan_file *files;
    enum err err = ERR_OK;

    if (t->yml_problems.n > 0)
        return yml_refused(&t->yml_problems, reterr);
    if (n_patterns == 0)
        return why_set(reterr, ERR_INVALID, "files", "files: name at least one file, folder or glob");
    p.seen = xcalloc(t->n_files, 1);
    for (uint32_t i = 0; i < n_patterns && err == ERR_OK; i++)
        err = add_pattern(&p, patterns[i]);
    if (err == ERR_OK) {
        files = arena_alloc(arena, (p.n + 1) * sizeof(*files));
        if (p.n > 0)
            memcpy(files, p.files, p.n * sizeof(*files));
        *ret = (struct plan){
            .commit = t->commit, .yml = &t->yml, .has_yml = t->has_yml, .files = files, .n_files = p.n};
        err = prepare_make(t, arena, ret, reterr);
    }
    free(p.files);
    free(p.seen);
    return err;
}
