/* tree.c - the files of a commit, as `git ls-tree -r -z` lists them.
 *
 * A name may hold any byte but NUL. One that is not UTF-8 cannot travel through JSON and is passed over; how many
 * were is counted and logged. Submodules are no files, but kept beside them; a symbolic link is one, without the executable bit. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "project/project_private.h"

#define FILES_MAX 4000000u

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct tree_file *)a)->path, ((const struct tree_file *)b)->path);
}

static int by_link_path(const void *a, const void *b)
{
    return strcmp(((const struct tree_link *)a)->path, ((const struct tree_link *)b)->path);
}

static uint32_t count_entries(struct slice out)
{
    uint32_t n = 0;

    for (size_t i = 0; i < out.len; i++)
        n += out.ptr[i] == '\0';
    return n;
}

/* One more than SUBMODULES_MAX is enough to refuse them. */
static void add_link(struct tree *t, const char *path, const char *commit)
{
    if (t->links == NULL)
        t->links = arena_alloc(&t->arena, (SUBMODULES_MAX + 1) * sizeof(*t->links));
    if (t->n_links <= SUBMODULES_MAX)
        t->links[t->n_links++] = (struct tree_link){.path = path, .commit = commit};
}

/* "100644 blob <oid>\t<path>" of n bytes. */
static void add_entry(struct tree *t, const char *p, size_t n)
{
    const char *tab = memchr(p, '\t', n);
    const char *blank;
    const char *blob;
    size_t len;
    char *path;

    if (tab == NULL || tab - p < 7)
        return;
    blank = memrchr(p, ' ', (size_t)(tab - p));
    blob = blank != NULL ? blank + 1 : tab;
    if (!answer_is_id(blob, (size_t)(tab - blob)))
        return;
    len = n - (size_t)(tab + 1 - p);
    if (len == 0 || len >= PATH_BYTES_MAX || !text_is_utf8(tab + 1, len)) {
        t->n_skipped++;
        return;
    }
    path = arena_strndup(&t->arena, tab + 1, len);
    if (strncmp(p, "160000", 6) == 0) {
        add_link(t, path, arena_strndup(&t->arena, blob, (size_t)(tab - blob)));
        return;
    }
    t->files[t->n_files++] = (struct tree_file){.path = path,
                                                .blob = arena_strndup(&t->arena, blob, (size_t)(tab - blob)),
                                                .is_executable = strncmp(p, "100755", 6) == 0,
                                                .is_link = strncmp(p, "120000", 6) == 0};
    if (strcmp(path, "Gemfile.lock") == 0)
        t->has_gemfile_lock = true;
}

enum err tree_parse(struct slice out, struct tree **ret, struct why *reterr)
{
    uint32_t n = count_entries(out);
    bool is_sorted = true;
    struct tree *t;

    if (n > FILES_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "the tree has %u files; %u is the most", n, FILES_MAX);
    t = xcalloc(1, sizeof(*t));
    arena_init(&t->arena);
    t->files = arena_alloc(&t->arena, (n + 1) * sizeof(*t->files));
    for (size_t at = 0; at < out.len;) {
        const char *end = memchr(out.ptr + at, '\0', out.len - at);

        if (end == NULL)
            break;
        add_entry(t, out.ptr + at, (size_t)(end - (out.ptr + at)));
        at = (size_t)(end + 1 - out.ptr);
    }
    for (uint32_t i = 1; i < t->n_files && is_sorted; i++)
        is_sorted = by_path(&t->files[i - 1], &t->files[i]) < 0;
    if (!is_sorted)
        qsort(t->files, t->n_files, sizeof(*t->files), by_path);
    if (t->n_links > 1)
        qsort(t->links, t->n_links, sizeof(*t->links), by_link_path);
    t->paths = arena_alloc(&t->arena, (n + 1) * sizeof(*t->paths));
    for (uint32_t i = 0; i < t->n_files; i++)
        t->paths[i] = t->files[i].path;
    *ret = t;
    return ERR_OK;
}

void tree_free(struct tree *t)
{
    if (t == NULL)
        return;
    arena_done(&t->arena);
    free(t);
}

uint32_t tree_lower(const struct tree *t, const char *path, size_t n)
{
    uint32_t low = 0;
    uint32_t high = t->n_files;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (strncmp(t->files[mid].path, path, n) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct tree_file *tree_find(const struct tree *t, const char *path, size_t n)
{
    uint32_t i = tree_lower(t, path, n);

    /* Among those that begin so, the path itself comes first. */
    if (i == t->n_files || strlen(t->files[i].path) != n || memcmp(t->files[i].path, path, n) != 0)
        return NULL;
    return &t->files[i];
}

const struct tree_link *tree_link_of(const struct tree *t, const char *path, size_t n)
{
    for (uint32_t i = 0; i < t->n_links; i++) {
        size_t len = strlen(t->links[i].path);

        if (len <= n && memcmp(t->links[i].path, path, len) == 0 && (len == n || path[len] == '/'))
            return &t->links[i];
    }
    return NULL;
}

/* ---- wrata.yml ---- */

static const struct tree_file *yml_file(const struct tree *t)
{
    return tree_find(t, WRATA_YML, sizeof(WRATA_YML) - 1);
}

static const char *path_fault(void *ctx, const char *path, bool is_script)
{
    const struct tree *t = ctx;
    const struct tree_file *file = tree_find(t, path, strlen(path));
    struct plan_file ignored;
    struct arena arena;
    struct why why;
    bool is_fine;

    if (file == NULL && tree_link_of(t, path, strlen(path)) != NULL)
        return "is in a submodule; it must be a file of the project itself";
    if (file == NULL)
        return "is not in the project";
    if (!is_script)
        return NULL;
    arena_init(&arena);
    is_fine = command_for(path, file->is_executable, t->has_gemfile_lock, &arena, &ignored, &why) == ERR_OK;
    arena_done(&arena);
    return is_fine ? NULL : "cannot be run: it has neither the executable bit nor a name like *.sh or *.rb";
}

void tree_take_yml(struct tree *t, const struct slice *text)
{
    const struct tree_file *file = yml_file(t);

    t->yml_is_read = true;
    t->has_yml = file != NULL;
    t->yml_problems = (struct yml_problems){.arena = &t->arena};
    wrata_yml_empty(&t->yml);
    if (file == NULL)
        return;
    if (file->is_link || text == NULL)
        yml_problem_add(&t->yml_problems, 0, "", "is a symbolic link; it must be a file");
    else if (wrata_yml_parse(*text, &t->yml, &t->yml_problems) == ERR_OK)
        wrata_yml_check_paths(&t->yml, path_fault, t, &t->yml_problems);
}

/* ---- the job: a ref to a commit to its files, and to a plan when that was asked for ---- */

enum { TREE_RESOLVE, TREE_RESOLVED, TREE_ANY_REF, TREE_LISTED, TREE_YML, TREE_AGAIN, TREE_PIN, TREE_PINNED };

#define PIN_FRESH_S 86400 /* of the month that a pin lasts (prune.c) */

static void pin_path(const struct job *j, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/refs/wrata/%s", j->mirror->path, j->commit);
}

static bool is_pinned(const struct job *j)
{
    char path[PATH_BYTES_MAX];
    struct stat st;

    pin_path(j, path, sizeof(path));
    return stat(path, &st) == 0 && wall_now().ms / 1000 - (int64_t)st.st_mtim.tv_sec < PIN_FRESH_S;
}

/* refs/wrata/COMMIT keeps what a launch began with, whatever becomes of its branch. */
static void tree_pin(struct job *j)
{
    const char *const words[] = {"update-ref", "--stdin", NULL};
    struct buf orders;

    if (job_waits_for_prune(j, TREE_PIN))
        return;
    buf_init(&orders, KIB(1));
    buf_printf(&orders, "update refs/wrata/%s %s\n", j->commit, j->commit);
    j->step = TREE_PINNED;
    job_git(j, j->mirror->path, words, buf_take(&orders, NULL), GIT_LOCAL_MS);
}

static void tree_again(struct job *j);

static void tree_pinned(struct job *j, const struct child_exit *e)
{
    char path[PATH_BYTES_MAX];

    /* git writes no ref that is right already */
    pin_path(j, path, sizeof(path));
    (void)utimensat(AT_FDCWD, path, NULL, 0);
    if (!is_pinned(j))
        job_end_git(j, e, ERR_IO, "keep the commit");
    else
        tree_again(j);
}

static void config_deliver(struct job *j, const struct tree *t)
{
    const struct project_config config = {.commit = t->commit,
                                          .has_file = t->has_yml,
                                          .yml = t->yml_problems.n == 0 ? &t->yml : NULL,
                                          .problems = &t->yml_problems};

    j->is_told = true;
    j->on_config(j->ctx, ERR_OK, NULL, &config);
    job_end(j, ERR_OK, NULL);
}

static bool may_have_lfs(const struct tree *t)
{
    for (uint32_t i = 0; i < t->n_files; i++) {
        if (lfs_is_attributes(t->files[i].path))
            return true;
    }
    return false;
}

static void plan_deliver(struct job *j, const struct tree *t)
{
    struct plan plan;
    struct why why;
    enum err err = plan_make(t, (const char *const *)j->patterns, j->n_patterns, &j->arena, &plan, &why);

    if (err != ERR_OK) {
        job_end(j, err, &why);
        return;
    }
    if (!is_pinned(j)) {
        tree_pin(j);
        return;
    }
    if (t->n_links > 0 && t->yml.submodules != 0 && !j->has_submodules) {
        job_subs_first(j, TREE_AGAIN);
        return;
    }
    if (t->yml.lfs != 0 && !j->has_lfs && (t->n_links > 0 || may_have_lfs(t))) {
        job_lfs_first(j, TREE_AGAIN);
        return;
    }
    plan.submodules = j->submodules;
    plan.n_submodules = j->n_submodules;
    plan.lfs_key = j->has_lfs ? j->lfs_key : "";
    plan.n_lfs_files = j->n_lfs_files;
    plan.lfs_bytes = j->lfs_bytes;
    j->is_told = true;
    j->on_plan(j->ctx, ERR_OK, NULL, &plan);
    job_end(j, ERR_OK, NULL);
}

static void tests_deliver(struct job *j, struct tree *t)
{
    struct why why;
    enum err err = plan_tests(t, &why);

    if (err != ERR_OK) {
        job_end(j, err, &why);
        return;
    }
    j->is_told = true;
    j->on_tree(j->ctx, ERR_OK, NULL, t->commit, t->tests, t->n_tests);
    job_end(j, ERR_OK, NULL);
}

static void tree_deliver(struct job *j, struct tree *t)
{
    const struct tree_file *file;

    if (j->kind == JOB_TREE && !j->tests_only) {
        j->is_told = true;
        j->on_tree(j->ctx, ERR_OK, NULL, t->commit, t->paths, t->n_files);
        job_end(j, ERR_OK, NULL);
        return;
    }
    file = yml_file(t);
    if (!t->yml_is_read && file != NULL && !file->is_link) {
        const char *const words[] = {"cat-file", "blob", file->blob, NULL};

        j->step = TREE_YML;
        j->out_max = YML_BYTES_MAX + 1;
        job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
        return;
    }
    if (!t->yml_is_read)
        tree_take_yml(t, NULL);
    if (j->kind == JOB_TREE)
        tests_deliver(j, t);
    else if (j->kind == JOB_CONFIG)
        config_deliver(j, t);
    else
        plan_deliver(j, t);
}

static void tree_unknown_ref(struct job *j, const struct why *why)
{
    if (j->kind == JOB_PLAN && !j->has_refreshed && j->url[0] != '\0') {
        job_refresh_first(j);
        return;
    }
    job_end(j, why->code, why);
}

/* There is no default branch: is there anything? */
static void tree_any_ref(struct job *j, const struct child_exit *e)
{
    const char *const words[] = {"for-each-ref", "--count=1", "refs/heads", "refs/tags", NULL};
    struct why why;
    enum err err;

    if (e == NULL) {
        j->step = TREE_ANY_REF;
        job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
        return;
    }
    if (!job_failed(e) && e->out.len == 0)
        err = why_set(&why, ERR_NOTFOUND, "ref", "ref: the repository has no branches and no tags yet");
    else
        err = ref_answer((struct slice){"", 0}, j->ref, j->commit, sizeof(j->commit), &why);
    CHECK(err != ERR_OK);
    tree_unknown_ref(j, &why);
}

static void tree_resolve(struct job *j)
{
    struct buf questions;
    struct why why;
    char head[256];
    const char *const words[] = {"cat-file", "--batch-check", NULL};

    if (ref_check(j->ref, &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return;
    }
    if (!mirror_exists(j->mirror)) {
        (void)why_set(&why, ERR_NOTFOUND, "ref", "ref: the project has not been fetched yet");
        tree_unknown_ref(j, &why);
        return;
    }
    mirror_head(j->mirror, head, sizeof(head));
    buf_init(&questions, KIB(16));
    ref_questions(j->ref, head, &questions);
    j->step = TREE_RESOLVED;
    job_git(j, j->mirror->path, words, buf_take(&questions, NULL), GIT_LOCAL_MS);
}

static void tree_ls(struct job *j)
{
    const char *const words[] = {"ls-tree", "-r", "-z", "--full-tree", j->commit, NULL};

    j->step = TREE_LISTED;
    job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
}

static void tree_list(struct job *j, const struct child_exit *e)
{
    struct tree *t;
    struct why why;

    if (ref_answer(e->out, j->ref, j->commit, sizeof(j->commit), &why) != ERR_OK) {
        if (j->ref[0] == '\0')
            tree_any_ref(j, NULL);
        else
            tree_unknown_ref(j, &why);
        return;
    }
    t = projects_tree_find(j->mirror->ps, j->mirror->id, j->commit);
    if (t != NULL) {
        tree_deliver(j, t);
        return;
    }
    tree_ls(j);
}

struct tree *tree_take_list(struct job *j, const char *commit, const struct child_exit *e)
{
    struct tree *t;
    struct why why;

    if (job_failed(e)) {
        job_end_git(j, e, ERR_IO, "list the files");
        return NULL;
    }
    if (e->out_cut) {
        (void)why_set(&why, ERR_LIMIT, NULL, "the list of files is longer than %zu bytes",
                      (size_t)GIT_OUT_MAX);
        job_end(j, why.code, &why);
        return NULL;
    }
    if (tree_parse(e->out, &t, &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return NULL;
    }
    t->project = j->mirror->id;
    (void)snprintf(t->commit, sizeof(t->commit), "%s", commit);
    if (t->n_skipped > 0)
        LOG_WARN("project.names_skipped", "project=%llu commit=%s files=%u", (unsigned long long)t->project.v,
                 t->commit, t->n_skipped);
    projects_tree_keep(j->mirror->ps, t);
    return t;
}

static void tree_listed(struct job *j, const struct child_exit *e)
{
    struct tree *t = tree_take_list(j, j->commit, e);

    if (t != NULL)
        tree_deliver(j, t);
}

/* The submodules are there; the tree may have been dropped meanwhile. */
static void tree_again(struct job *j)
{
    struct tree *t = projects_tree_find(j->mirror->ps, j->mirror->id, j->commit);

    if (t != NULL)
        tree_deliver(j, t);
    else
        tree_ls(j);
}

static void tree_yml(struct job *j, const struct child_exit *e)
{
    struct tree *t = projects_tree_find(j->mirror->ps, j->mirror->id, j->commit);

    j->out_max = 0;
    if (job_failed(e) && !e->out_cut) {
        job_end_git(j, e, ERR_IO, "read " WRATA_YML);
    } else if (t == NULL) { /* others were asked for meanwhile, and this one was dropped */
        tree_ls(j);
    } else {
        tree_take_yml(t, &e->out);
        tree_deliver(j, t);
    }
}

void tree_step(struct job *j, const struct child_exit *e)
{
    switch (j->step) {
    case TREE_RESOLVE:
        tree_resolve(j);
        break;
    case TREE_RESOLVED:
        tree_list(j, e);
        break;
    case TREE_ANY_REF:
        tree_any_ref(j, e);
        break;
    case TREE_LISTED:
        tree_listed(j, e);
        break;
    case TREE_YML:
        tree_yml(j, e);
        break;
    case TREE_AGAIN:
        tree_again(j);
        break;
    case TREE_PIN: /* it waited */
        tree_pin(j);
        break;
    case TREE_PINNED:
        tree_pinned(j, e);
        break;
    default:
        CHECK(!"a step of tree_step");
    }
}
