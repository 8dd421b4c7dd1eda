/* lfs.c - the job that brings the files of Git LFS of a commit, and of its submodules, into the mirror.
 *
 *   for each of the commits:
 *     list      its files                                         (skipped when the tree is kept)
 *     attrs     does any .gitattributes say filter=lfs?           (skipped when there is none)
 *     sizes     which files are as short as a pointer
 *     pointers  which of them are pointers
 *     index, filtered   which of these have the attribute, by git's own rules
 *     config    where .lfsconfig says that they come from         (skipped when all are here, or there is none)
 *     fetch     `git lfs fetch`                                   (skipped when all are here)
 *
 * They lie in MIRROR/lfs/objects, where git-lfs puts them: by their SHA-256, whatever commit they are of. Agents get them
 * through a channel of their own (lfs_send.c). A file's time of access is that of the last launch with it (prune.c).
 * A commit whose files cannot be had is not launched: a test that reads a pointer finds anything.
 *
 * Sizes are in the pointers, and the pointers are written by whoever may push: so there is a most for all of them, and no file
 * that git-lfs writes may be larger than the largest that is wanted. .lfsconfig of the mirror's HEAD, which git-lfs would read,
 * counts nothing: what it may say is said on the command line, from that of the commit. */
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "project/project_private.h"

#define LFS_FILES_MAX 100000u               /* of a launch */
#define LFS_BYTES_MAX (UINT64_C(100) << 30) /* to fetch for one */
#define LFS_DISK_LEFT (UINT64_C(1) << 30)   /* after it */
#define LFS_SLACK_BYTES MIB(1)              /* what else git-lfs writes */
#define LFS_CONFIG_BYTES KIB(64)            /* of .lfsconfig */
#define ATTRIBUTES_MAX 10000u               /* files of that name */
#define USED_FRESH_S 86400
#define KEY_BYTES 16u

enum {
    LFS_BEGIN,
    LFS_LISTED,
    LFS_ATTRIBUTES,
    LFS_SIZES,
    LFS_POINTERS_READ,
    LFS_INDEXED,
    LFS_FILTERED,
    LFS_CONFIG,
    LFS_FETCH,
    LFS_FETCHED
};

struct lfs_tree {
    const char *path; /* of the submodule; "" the project */
    const char *commit;
    const char *url; /* "" not known */
};

struct lfs {
    struct lfs_tree *trees;
    uint32_t n_trees;
    uint32_t current;
    struct lfs_files files; /* of the current one */
    const char *config;     /* the blob of its .lfsconfig; NULL: none */
    char *index;            /* a file of ours, while git reads attributes from it */
    uint32_t n_files;       /* of all */
    uint64_t bytes;
    uint64_t missing_bytes; /* of the current one */
    uint64_t largest;
    crypto_generichash_state attributes;
    struct mono deadline;
};

static void index_drop(struct lfs *l)
{
    if (l->index != NULL)
        (void)unlink(l->index);
    free(l->index);
    l->index = NULL;
}

void lfs_free(struct lfs *l)
{
    if (l == NULL)
        return;
    index_drop(l);
    free(l);
}

/* End with "Git LFS: …", of a submodule with its path. */
static void lfs_fail(struct job *j, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void lfs_fail(struct job *j, enum err code, const char *fmt, ...)
{
    const char *path = j->lfs->trees[j->lfs->current].path;
    char text[480];
    struct why why;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)why_set(&why, code, "lfs", "Git LFS: %s%.60s%s%s", path[0] != '\0' ? "submodule " : "", path,
                  path[0] != '\0' ? ": " : "", text);
    job_end(j, why.code, &why);
}

/* ---- what is here ---- */

static void object_path(const struct job *j, const char *oid, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/lfs/objects/%.2s/%.2s/%s", j->mirror->path, oid, oid + 2, oid);
}

static bool is_here(const struct job *j, const struct lfs_pointer *p)
{
    char path[PATH_BYTES_MAX];
    struct stat st;

    if (p->size == 0) /* nobody needs to bring nothing */
        return true;
    object_path(j, p->oid, path, sizeof(path));
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != p->size)
        return false;
    /* Not the time of change: a file may be the same as one in somebody's folder. */
    if (wall_now().ms / 1000 - (int64_t)st.st_atim.tv_sec >= USED_FRESH_S)
        (void)utimensat(AT_FDCWD, path, (struct timespec[]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}},
                        0);
    return true;
}

/* The first file of the current tree that is not here; NULL: all are. */
static const struct lfs_file *look_for_missing(struct job *j)
{
    struct lfs *l = j->lfs;
    const struct lfs_file *first = NULL;

    l->missing_bytes = 0;
    l->largest = 0;
    for (uint32_t i = 0; i < l->files.n; i++) {
        const struct lfs_file *f = &l->files.at[i];

        if (f->is_broken || is_here(j, &f->pointer))
            continue;
        if (first == NULL)
            first = f;
        l->missing_bytes += f->pointer.size;
        l->largest = f->pointer.size > l->largest ? f->pointer.size : l->largest;
    }
    return first;
}

/* ---- which files ---- */

static void lfs_open(struct job *j);
static void lfs_have(struct job *j);

static void lfs_next(struct job *j)
{
    j->lfs->current++;
    lfs_open(j);
}

static void lfs_deliver(struct job *j)
{
    struct lfs *l = j->lfs;
    unsigned char digest[KEY_BYTES];
    char key[KEY_BYTES * 2 + 1] = "";

    if (l->n_files > 0) {
        (void)crypto_generichash_final(&l->attributes, digest, sizeof(digest));
        (void)sodium_bin2hex(key, sizeof(key), digest, sizeof(digest));
    }
    j->is_told = true;
    j->on_lfs(j->ctx, ERR_OK, NULL, key, l->n_files, l->bytes);
    job_end(j, ERR_OK, NULL);
}

static void hash_text(struct lfs *l, const char *s)
{
    (void)crypto_generichash_update(&l->attributes, (const unsigned char *)s, strlen(s) + 1);
}

static void lfs_look(struct job *j, struct tree *t)
{
    static const char *const words[] = {"cat-file", "--batch", NULL};
    const struct tree_file *config = tree_find(t, ".lfsconfig", strlen(".lfsconfig"));
    struct lfs *l = j->lfs;
    struct buf questions;
    uint32_t n = 0;

    buf_init(&questions, MIB(1));
    hash_text(l, l->trees[l->current].path);
    for (uint32_t i = 0; i < t->n_files && n < ATTRIBUTES_MAX; i++) {
        if (t->files[i].is_link || !lfs_is_attributes(t->files[i].path))
            continue;
        hash_text(l, t->files[i].path);
        hash_text(l, t->files[i].blob);
        buf_printf(&questions, "%s\n", t->files[i].blob);
        n++;
    }
    l->files = (struct lfs_files){.n = 0};
    l->config = config != NULL && !config->is_link ? arena_strdup(&j->arena, config->blob) : NULL;
    if (n == 0 || t->lfs_is_read) {
        buf_done(&questions);
        l->files = t->lfs; /* for as long as this call: lfs_have() copies */
        lfs_have(j);
        return;
    }
    j->step = LFS_ATTRIBUTES;
    j->out_max = MIB(16);
    job_git(j, j->mirror->path, words, buf_take(&questions, NULL), GIT_LOCAL_MS);
}

static void lfs_open(struct job *j)
{
    struct lfs *l = j->lfs;
    const char *words[] = {"ls-tree", "-r", "-z", "--full-tree", NULL, NULL};
    struct tree *t;

    if (l->current == l->n_trees) {
        lfs_deliver(j);
        return;
    }
    t = projects_tree_find(j->mirror->ps, j->mirror->id, l->trees[l->current].commit);
    if (t != NULL) {
        lfs_look(j, t);
        return;
    }
    words[4] = l->trees[l->current].commit;
    j->step = LFS_LISTED;
    job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
}

/* Remember what was found, when the tree is still kept. */
static void lfs_found(struct job *j)
{
    struct lfs *l = j->lfs;
    struct tree *t = projects_tree_find(j->mirror->ps, j->mirror->id, l->trees[l->current].commit);

    if (t != NULL && !t->lfs_is_read) {
        t->lfs.n = l->files.n;
        t->lfs.at = arena_alloc(&t->arena, ((size_t)l->files.n + 1) * sizeof(*t->lfs.at));
        for (uint32_t i = 0; i < l->files.n; i++) {
            t->lfs.at[i] = l->files.at[i];
            t->lfs.at[i].path = arena_strdup(&t->arena, l->files.at[i].path);
            t->lfs.at[i].blob = "";
        }
        t->lfs_is_read = true;
    }
    lfs_have(j);
}

static void lfs_attributes(struct job *j, const struct child_exit *e)
{
    const char *const words[] = {
        "ls-tree", "-r", "-l", "-z", "--full-tree", j->lfs->trees[j->lfs->current].commit, NULL};

    j->out_max = 0;
    if (job_failed(e) && !e->out_cut) {
        job_end_git(j, e, ERR_IO, "read .gitattributes");
    } else if (!e->out_cut && memmem(e->out.ptr, e->out.len, "filter=lfs", 10) == NULL) {
        lfs_found(j);
    } else {
        j->step = LFS_SIZES;
        job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
    }
}

static void lfs_sizes(struct job *j, const struct child_exit *e)
{
    static const char *const words[] = {"cat-file", "--batch", NULL};
    struct lfs *l = j->lfs;
    struct buf questions;
    struct why why;

    if (job_failed(e) || e->out_cut) {
        job_end_git(j, e, ERR_IO, "list the files");
        return;
    }
    if (lfs_candidates(e->out, &j->arena, &l->files, &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return;
    }
    if (l->files.n == 0) {
        lfs_found(j);
        return;
    }
    buf_init(&questions, MIB(128));
    for (uint32_t i = 0; i < l->files.n; i++)
        buf_printf(&questions, "%s\n", l->files.at[i].blob);
    j->step = LFS_POINTERS_READ;
    job_git(j, j->mirror->path, words, buf_take(&questions, NULL), GIT_LOCAL_MS);
}

static void lfs_pointers_read(struct job *j, const struct child_exit *e)
{
    struct lfs *l = j->lfs;
    const char *const words[] = {"read-tree", l->trees[l->current].commit, NULL};
    const char *folder;
    struct why why;

    if (job_failed(e) || e->out_cut) {
        job_end_git(j, e, ERR_IO, "look for pointers of Git LFS");
        return;
    }
    if (lfs_pointers(e->out, &l->files, &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return;
    }
    if (l->files.n == 0) {
        lfs_found(j);
        return;
    }
    folder = arena_printf(&j->arena, "%s/lfs", j->mirror->path);
    (void)mkdir(folder, 0700); /* without it git says what is wrong */
    l->index = xstrdup(arena_printf(&j->arena, "%s/index.%lld", folder, (long long)mono_now().us));
    j->index = l->index;
    j->step = LFS_INDEXED;
    job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
}

static void lfs_indexed(struct job *j, const struct child_exit *e)
{
    static const char *const words[] = {"check-attr", "--cached", "-z", "--stdin", "filter", NULL};
    const struct lfs *l = j->lfs;
    struct buf paths;

    if (job_failed(e)) {
        job_end_git(j, e, ERR_IO, "read the tree");
        return;
    }
    buf_init(&paths, MIB(512));
    for (uint32_t i = 0; i < l->files.n; i++)
        buf_put(&paths, l->files.at[i].path, strlen(l->files.at[i].path) + 1);
    j->step = LFS_FILTERED;
    j->input_bytes = paths.len;
    job_git(j, j->mirror->path, words, buf_take(&paths, NULL), GIT_LOCAL_MS);
}

static void lfs_take_filtered(struct job *j, const struct child_exit *e)
{
    struct lfs *l = j->lfs;
    struct why why;

    j->index = NULL;
    index_drop(l);
    if (job_failed(e) || e->out_cut) {
        job_end_git(j, e, ERR_IO, "read attributes");
        return;
    }
    if (lfs_filtered(e->out, &l->files, &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return;
    }
    lfs_found(j);
}

/* ---- bringing them ---- */

static bool fits_the_disk(const struct job *j, uint64_t bytes)
{
    struct statvfs fs;

    return statvfs(j->mirror->path, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize > bytes + LFS_DISK_LEFT;
}

/* Somebody else may have brought them meanwhile. */
static void lfs_fetch(struct job *j)
{
    struct lfs *l = j->lfs;
    const struct lfs_tree *tree = &l->trees[l->current];
    const char *words[] = {"lfs", "fetch", "--include=", "--exclude=", "wrata", tree->commit, NULL};
    int64_t left = mono_ms_between(mono_now(), l->deadline);
    char shown[160];

    if (job_waits_for_lfs(j, LFS_FETCH))
        return;
    if (look_for_missing(j) == NULL) {
        lfs_next(j);
        return;
    }
    LOG_INFO("project.lfs", "project=%llu commit=%.40s url=%.200s bytes=%llu",
             (unsigned long long)j->mirror->id.v, tree->commit, url_shown(j->url, shown, sizeof(shown)),
             (unsigned long long)l->missing_bytes);
    j->lfs_url = arena_printf(&j->arena, "lfs.url=%s", j->url);
    j->file_bytes_max = l->largest + LFS_SLACK_BYTES;
    j->fetches_lfs = true;
    j->step = LFS_FETCHED;
    job_git_remote(j, j->mirror->path, words, left > 1000 ? left : 1000);
}

/* `said`: by .lfsconfig, "" nothing. */
static void lfs_find_server(struct job *j, const char *said)
{
    struct lfs *l = j->lfs;
    char url[URL_BYTES_MAX + 128];
    struct why why;

    if (lfs_endpoint(projects_login(j->mirror->ps), url_kind(j->project_url), l->trees[l->current].url, said,
                     url, sizeof(url), &why) != ERR_OK) {
        lfs_fail(j, why.code, "%s", why.text);
        return;
    }
    free(j->url);
    j->url = xstrdup(url);
    lfs_fetch(j);
}

static bool said_not_installed(struct slice said)
{
    static const char words[] = "'lfs' is not a git command";

    return memmem(said.ptr, said.len, words, sizeof(words) - 1) != NULL;
}

static void lfs_fetched(struct job *j, const struct child_exit *e)
{
    struct lfs *l = j->lfs;
    const struct lfs_file *missing = look_for_missing(j);
    char shown[160];
    char said[200];

    j->lfs_url = NULL;
    j->file_bytes_max = 0;
    j->fetches_lfs = false;
    if (missing == NULL) { /* it may have met pointers that are no files of LFS, and failed for them */
        lfs_next(j);
        return;
    }
    if (said_not_installed(e->err)) {
        lfs_fail(j, ERR_INVALID,
                 "%.100s of %.80s is in Git LFS, and git-lfs is not installed on the server of wrata; "
                 "`apt-get install "
                 "git-lfs` there, or `lfs: false` in wrata.yml for runs with the pointers",
                 missing->path, url_shown(l->trees[l->current].url, shown, sizeof(shown)));
        return;
    }
    if (job_failed(e))
        job_said(j, e, said, sizeof(said));
    else
        (void)snprintf(said, sizeof(said), "git-lfs did not bring it");
    lfs_fail(j, e->timed_out ? ERR_TIMEOUT : ERR_IO, "%.100s (%.12s…) cannot be fetched from %.80s: %s",
             missing->path, missing->pointer.oid, url_shown(j->url, shown, sizeof(shown)), said);
}

static bool are_fine(struct job *j)
{
    const struct lfs *l = j->lfs;

    for (uint32_t i = 0; i < l->files.n; i++) {
        if (!l->files.at[i].is_broken)
            continue;
        lfs_fail(j, ERR_INVALID, "%.200s is a pointer that says nothing git-lfs understands",
                 l->files.at[i].path);
        return false;
    }
    if (l->n_files > LFS_FILES_MAX) {
        lfs_fail(j, ERR_LIMIT, "more than %u files", LFS_FILES_MAX);
        return false;
    }
    return true;
}

/* The files of the current tree are known. */
static void lfs_have(struct job *j)
{
    struct lfs *l = j->lfs;
    const char *words[] = {"config", "-z", "--no-includes", "--blob", l->config, "--list", NULL};
    struct lfs_file *own = arena_alloc(&j->arena, ((size_t)l->files.n + 1) * sizeof(*own));

    for (uint32_t i = 0; i < l->files.n; i++) {
        own[i] = l->files.at[i];
        own[i].path = arena_strdup(&j->arena, own[i].path);
        l->bytes += own[i].pointer.size;
    }
    l->files.at = own;
    l->n_files += l->files.n;
    if (!are_fine(j))
        return;
    if (look_for_missing(j) == NULL) {
        lfs_next(j);
    } else if (l->missing_bytes > LFS_BYTES_MAX) {
        lfs_fail(j, ERR_LIMIT, "%llu GiB are to be fetched, and %llu GiB is the most",
                 (unsigned long long)(l->missing_bytes >> 30), (unsigned long long)(LFS_BYTES_MAX >> 30));
    } else if (!fits_the_disk(j, l->missing_bytes)) {
        lfs_fail(j, ERR_LIMIT, "%llu MiB are to be fetched, and the disk of the server has no room for them",
                 (unsigned long long)(l->missing_bytes >> 20));
    } else if (l->config == NULL) {
        lfs_find_server(j, "");
    } else {
        j->step = LFS_CONFIG;
        j->out_max = LFS_CONFIG_BYTES;
        job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
    }
}

static void lfs_said(struct job *j, const struct child_exit *e)
{
    j->out_max = 0;
    if (e->out_cut)
        lfs_fail(j, ERR_LIMIT, ".lfsconfig: more than %zu bytes", LFS_CONFIG_BYTES);
    else if (job_failed(e))
        job_end_git(j, e, ERR_INVALID, "read .lfsconfig");
    else
        lfs_find_server(j, lfs_config_url(e->out, &j->arena));
}

/* ---- the job ---- */

static void lfs_begin(struct job *j)
{
    struct lfs *l = xcalloc(1, sizeof(*l));
    char url[URL_BYTES_MAX + 64] = "";
    struct why ignored; /* what is not fetched needs no url */

    if (project_url(j->url, projects_login(j->mirror->ps)->host, url, sizeof(url), &ignored) != ERR_OK)
        url[0] = '\0';
    j->project_url = arena_strdup(&j->arena, url);
    l->trees = arena_alloc(&j->arena, ((size_t)j->n_submodules + 1) * sizeof(*l->trees));
    l->trees[l->n_trees++] = (struct lfs_tree){.path = "", .commit = j->commit, .url = j->project_url};
    for (uint32_t i = 0; i < j->n_submodules; i++)
        l->trees[l->n_trees++] =
            (struct lfs_tree){j->submodules[i].path, j->submodules[i].commit, j->submodules[i].url};
    l->deadline = mono_add_ms(mono_now(), GIT_FETCH_MS);
    (void)crypto_generichash_init(&l->attributes, NULL, 0, KEY_BYTES);
    j->lfs = l;
    lfs_open(j);
}

void lfs_step(struct job *j, const struct child_exit *e)
{
    struct tree *t;

    switch (j->step) {
    case LFS_BEGIN:
        lfs_begin(j);
        break;
    case LFS_LISTED:
        t = tree_take_list(j, j->lfs->trees[j->lfs->current].commit, e);
        if (t != NULL)
            lfs_look(j, t);
        break;
    case LFS_ATTRIBUTES:
        lfs_attributes(j, e);
        break;
    case LFS_SIZES:
        lfs_sizes(j, e);
        break;
    case LFS_POINTERS_READ:
        lfs_pointers_read(j, e);
        break;
    case LFS_INDEXED:
        lfs_indexed(j, e);
        break;
    case LFS_FILTERED:
        lfs_take_filtered(j, e);
        break;
    case LFS_CONFIG:
        lfs_said(j, e);
        break;
    case LFS_FETCH: /* it waited */
        lfs_fetch(j);
        break;
    case LFS_FETCHED:
        lfs_fetched(j, e);
        break;
    default:
        CHECK(!"a step of lfs_step");
    }
}
