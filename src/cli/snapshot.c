/* snapshot.c - the work tree as it is now, as a commit that the server can have.
 *
 * Everything is written in a folder of our own: a bare repository whose objects stand beside those of the user's
 * (objects/info/alternates) and a copy of the user's index, so that git looks only at files that changed. Nothing of
 * the user's repository is written.
 *
 * The commits are made of content alone: fixed names and dates. So an unchanged tree is the same commit, which the
 * server has already. They carry no history: it could be gigabytes, or half missing in a shallow clone. In its place
 * stands the *anchor*, a commit of the tree that was sent first; what is bundled later is the difference to it. Its
 * tree's id is kept in DATA/snapshots/PROJECT; the anchor itself is made again each time from that. */
#include "cli/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/git.h"
#include "cli/snapshot_private.h"

#define FIXED_DATE "2000-01-01T00:00:00Z"
#define LIST_BYTES_MAX MIB(512)
#define PROJECT_STEM_MAX 48

static void join(char *out, const char *folder, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        out[0] = '\0'; /* opening it fails then, with its own message */
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void snapshot_free(struct snapshot *s)
{
    if (s == NULL)
        return;
    if (s->temp[0] != '\0')
        (void)nftw(s->temp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free((void *)s->files);
    buf_done(&s->listing);
    free(s);
}

const char *snapshot_commit(const struct snapshot *s)
{
    return s->commit;
}

const char *snapshot_root(const struct snapshot *s)
{
    return s->root;
}

const char *snapshot_project(const struct snapshot *s)
{
    return s->project;
}

const char *snapshot_url(const struct snapshot *s)
{
    return s->url;
}

const char *const *snapshot_files(const struct snapshot *s, size_t *ret_n)
{
    *ret_n = s->n_files;
    return s->files;
}

/* ---- where and what ---- */

/* FNV-1a: only to tell folders of one name apart. */
static uint32_t path_hash(const char *path)
{
    uint32_t h = 2166136261u;

    for (; *path != '\0'; path++)
        h = (h ^ (unsigned char)*path) * 16777619u;
    return h;
}

static void name_project(struct snapshot *s)
{
    const char *base = strrchr(s->root, '/');
    struct buf url;
    size_t n = 0;

    for (base = base != NULL ? base + 1 : s->root; *base != '\0' && n < PROJECT_STEM_MAX; base++) {
        char c = *base;
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (is_word || (n > 0 && strchr("._-", c) != NULL))
            s->project[n++] = c;
        else if (n > 0 && s->project[n - 1] != '-')
            s->project[n++] = '-';
    }
    if (n == 0)
        s->project[n++] = 'p';
    (void)snprintf(s->project + n, sizeof(s->project) - n, "-%08x", path_hash(s->root));

    buf_init(&url, sizeof(s->url));
    buf_puts(&url, "file://");
    for (const char *p = s->root; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;

        if (url.len + 4 > sizeof(s->url))
            break;
        if (c > 0x20 && c < 0x7f && strchr("%#?\"<>\\^`{|}", c) == NULL)
            buf_putc(&url, (char)c);
        else
            buf_printf(&url, "%%%02X", c);
    }
    (void)snprintf(s->url, sizeof(s->url), "%s", buf_str(&url));
    buf_done(&url);
}

/* The top of the work tree that holds dir; a folder outside of any repository is its own. */
static enum err find_root(struct snapshot *s, const char *dir, struct why *reterr)
{
    char here[PATH_MAX];
    struct stat st;
    struct buf top;
    struct why why = {0};
    const char *home = getenv("HOME");
    enum err err;

    if (realpath(dir, here) == NULL)
        return why_errno(reterr, ERR_INVALID, errno, "--dir: %s", dir);
    if (stat(here, &st) != 0 || !S_ISDIR(st.st_mode))
        return why_set(reterr, ERR_INVALID, "dir", "--dir: %s is not a folder", dir);
    buf_init(&top, PATH_MAX);
    err = git_line(&(struct git){.folder = here}, GIT_ARGS("rev-parse", "--show-toplevel"), &top, &why);
    s->is_repo = err == ERR_OK;
    (void)snprintf(s->root, sizeof(s->root), "%s", s->is_repo ? buf_str(&top) : here);
    buf_done(&top);
    if (err != ERR_OK && strstr(why.text, "not a git repository") == NULL) {
        if (reterr != NULL)
            *reterr = why;
        return err;
    }
    if (!s->is_repo && (strcmp(here, "/") == 0 || (home != NULL && strcmp(here, home) == 0)))
        return why_set(
            reterr, ERR_INVALID, "dir",
            "--dir: %s is no git repository and too much to send as a whole; name the folder of the tests",
            here);
    return ERR_OK;
}

/* ---- the repository of our own ---- */

static enum err write_file(const char *path, const char *text, struct why *reterr)
{
    FILE *f = fopen(path, "we");
    bool ok = f != NULL && fputs(text, f) >= 0;

    if (f != NULL)
        ok = fclose(f) == 0 && ok;
    return ok ? ERR_OK : why_errno(reterr, ERR_IO, errno, "%s cannot be written", path);
}

static enum err copy_file(const char *from, const char *to, struct why *reterr)
{
    char bytes[65536];
    FILE *in = fopen(from, "re");
    FILE *out = in != NULL ? fopen(to, "we") : NULL;
    bool ok = out != NULL;
    size_t n;

    if (in == NULL)
        return ERR_OK; /* a repository without an index yet */
    while (ok && (n = fread(bytes, 1, sizeof(bytes), in)) > 0)
        ok = fwrite(bytes, 1, n, out) == n;
    ok = ok && ferror(in) == 0;
    (void)fclose(in);
    if (out != NULL)
        ok = fclose(out) == 0 && ok;
    return ok ? ERR_OK : why_errno(reterr, ERR_IO, errno, "%s cannot be written", to);
}

/* A path of the user's repository in that folder, absolute. */
static enum err user_path(const char *folder, const char *name, char *out, struct why *reterr)
{
    struct buf b;
    enum err err;

    buf_init(&b, PATH_MAX);
    err = git_line(&(struct git){.folder = folder},
                   GIT_ARGS("rev-parse", "--path-format=absolute", "--git-path", name), &b, reterr);
    (void)snprintf(out, PATH_MAX, "%s", buf_str(&b));
    buf_done(&b);
    return err;
}

/* One line of info/alternates; a path that begins with a quote must be quoted as C does. */
static void alternate_line(struct buf *out, const char *path)
{
    if (strpbrk(path, "\"\n#\\") == NULL) {
        buf_printf(out, "%s\n", path);
        return;
    }
    buf_putc(out, '"');
    for (; *path != '\0'; path++) {
        if (*path == '\n')
            buf_puts(out, "\\n");
        else
            buf_printf(out, *path == '"' || *path == '\\' ? "\\%c" : "%c", *path);
    }
    buf_puts(out, "\"\n");
}

enum err snapshot_borrow(struct snapshot *s, const char *folder, const char *index, struct why *reterr)
{
    char path[PATH_MAX];
    char target[PATH_MAX];
    struct buf line;
    FILE *f;
    enum err err = user_path(folder, "objects", path, reterr);

    if (err != ERR_OK)
        return err;
    buf_init(&line, PATH_MAX * 3);
    alternate_line(&line, path);
    join(target, s->repo, "objects/info/alternates");
    f = fopen(target, "ae");
    if (f == NULL || fputs(buf_str(&line), f) < 0)
        err = why_errno(reterr, ERR_IO, errno, "%s cannot be written", target);
    if (f != NULL && fclose(f) != 0 && err == ERR_OK)
        err = why_errno(reterr, ERR_IO, errno, "%s cannot be written", target);
    buf_done(&line);
    if (err == ERR_OK)
        err = user_path(folder, "index", path, reterr);
    if (err == ERR_OK)
        err = copy_file(path, index, reterr);
    return err;
}

static enum err make_repo(struct snapshot *s, struct why *reterr)
{
    const char *tmp = getenv("TMPDIR");
    char info[PATH_MAX];
    struct buf format;
    enum err err;

    if (snprintf(s->temp, sizeof(s->temp), "%s/wrata-XXXXXX", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp") >=
            (int)sizeof(s->temp) - 64 ||
        mkdtemp(s->temp) == NULL) {
        s->temp[0] = '\0';
        return why_errno(reterr, ERR_IO, errno, "no folder for temporary files");
    }
    join(s->repo, s->temp, "repo.git");
    join(s->objects, s->repo, "objects");
    join(s->index, s->temp, "index");
    join(s->bundle, s->temp, "bundle");
    buf_init(&format, 256);
    buf_puts(&format, s->is_repo ? "--object-format=" : "--object-format=sha1");
    err = s->is_repo ? git_line(&(struct git){.folder = s->root},
                                GIT_ARGS("rev-parse", "--show-object-format"), &format, reterr)
                     : ERR_OK;
    if (err == ERR_OK)
        err =
            git_run(&(struct git){0},
                    GIT_ARGS("init", "-q", "--bare", "--template=", buf_str(&format), s->repo), NULL, reterr);
    buf_done(&format);
    join(info, s->objects, "info");
    if (err == ERR_OK && mkdir(info, 0700) != 0 && errno != EEXIST)
        err = why_errno(reterr, ERR_IO, errno, "%s cannot be made", info);
    return err == ERR_OK && s->is_repo ? snapshot_borrow(s, s->root, s->index, reterr) : err;
}

struct git snapshot_git(const struct snapshot *s, const char *folder, const char *index)
{
    return (struct git){.folder = folder, .index_file = index, .object_dir = s->objects, .date = FIXED_DATE};
}

enum err snapshot_id(const struct git *g, const char *const *argv, char *ret, struct why *reterr)
{
    struct buf id;
    enum err err;

    buf_init(&id, 256);
    err = git_line(g, argv, &id, reterr);
    (void)snprintf(ret, ID_BYTES, "%s", buf_str(&id));
    buf_done(&id);
    return err;
}

/* git at work on the user's files: with the user's configuration and ignore rules, and with our index and objects. */
static struct git at_work(const struct snapshot *s)
{
    return (struct git){
        .folder = s->root,
        .git_dir = s->is_repo ? NULL : s->repo,
        .work_tree = s->is_repo ? NULL : s->root,
        .index_file = s->index,
        .object_dir = s->objects,
        .date = FIXED_DATE,
    };
}

/* ---- trees and commits ---- */

/* Everything but the data folder, should that lie inside: it changes while we look. */
static enum err write_tree(struct snapshot *s, const char *data, char *ret, struct why *reterr)
{
    const struct git g = at_work(s);
    size_t n = strlen(s->root);
    char exclude[PATH_MAX + 32];
    bool is_inside = strncmp(data, s->root, n) == 0 && data[n] == '/';
    enum err err;

    (void)snprintf(exclude, sizeof(exclude), ":(exclude,top,literal)%s", is_inside ? data + n + 1 : "");
    err = git_run(&g, GIT_ARGS("add", "-A", "--", ".", is_inside ? exclude : NULL), NULL, reterr);
    if (err == ERR_OK)
        err = snapshot_subs(s, &g, 0, reterr);
    return err == ERR_OK ? snapshot_id(&g, GIT_ARGS("write-tree"), ret, reterr) : err;
}

static enum err commit_tree(const struct snapshot *s, const char *tree, const char *parent, char *ret,
                            struct why *reterr)
{
    const struct git g = at_work(s);
    char message[128];
    struct buf id;
    enum err err;

    (void)snprintf(message, sizeof(message), "work tree of %s", s->project);
    buf_init(&id, 256);
    err = parent[0] != '\0'
              ? git_line(&g, GIT_ARGS("commit-tree", tree, "-m", message, "-p", parent), &id, reterr)
              : git_line(&g, GIT_ARGS("commit-tree", tree, "-m", message), &id, reterr);
    (void)snprintf(ret, ID_BYTES, "%s", buf_str(&id));
    buf_done(&id);
    return err;
}

static void memo_path(const struct snapshot *s, char *out)
{
    if (snprintf(out, PATH_MAX, "%s/snapshots/%s", s->data, s->project) >= PATH_MAX)
        out[0] = '\0';
}

static bool is_id(const char *s)
{
    size_t n = strlen(s);

    return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

static void memo_read(const struct snapshot *s, char *ret)
{
    char path[PATH_MAX];
    FILE *f;

    ret[0] = '\0';
    memo_path(s, path);
    f = fopen(path, "re");
    if (f == NULL)
        return;
    if (fgets(ret, ID_BYTES, f) == NULL)
        ret[0] = '\0';
    (void)fclose(f);
    ret[strcspn(ret, "\n")] = '\0';
    if (!is_id(ret))
        ret[0] = '\0';
}

void snapshot_sent(struct snapshot *s)
{
    char path[PATH_MAX];
    char text[ID_BYTES + 2];
    struct why ignored; /* without it the next upload is larger, and that is all */

    if (s->anchor_tree[0] == '\0')
        return;
    (void)mkdir(s->data, 0700);
    if (snprintf(path, sizeof(path), "%s/snapshots", s->data) >= (int)sizeof(path))
        return;
    (void)mkdir(path, 0700);
    memo_path(s, path);
    (void)snprintf(text, sizeof(text), "%s\n", s->anchor_tree);
    if (write_file(path, text, &ignored) != ERR_OK)
        (void)unlink(path);
}

/* The tree of HEAD; "" when there is no commit yet. */
static void head_tree(const struct snapshot *s, char *ret)
{
    struct buf id;
    struct why ignored;

    buf_init(&id, 256);
    if (!s->is_repo ||
        git_line(&(struct git){.folder = s->root}, GIT_ARGS("rev-parse", "-q", "--verify", "HEAD^{tree}"),
                 &id, &ignored) != ERR_OK)
        buf_clear(&id);
    (void)snprintf(ret, ID_BYTES, "%s", is_id(buf_str(&id)) ? buf_str(&id) : "");
    buf_done(&id);
}

/* Make the anchor from its tree: the remembered one, else that of HEAD. A repository may have lost the first. */
static enum err make_anchor(struct snapshot *s, struct why *reterr)
{
    struct why ignored;

    memo_read(s, s->anchor_tree);
    if (s->is_repo && s->anchor_tree[0] != '\0' &&
        commit_tree(s, s->anchor_tree, "", s->anchor, &ignored) == ERR_OK)
        return ERR_OK;
    head_tree(s, s->anchor_tree);
    s->anchor[0] = '\0';
    return s->anchor_tree[0] != '\0' ? commit_tree(s, s->anchor_tree, "", s->anchor, reterr) : ERR_OK;
}

/* "MODE TYPE ID\tPATH\0" for each; a TYPE commit is a submodule, whose files git does not hand out. */
static enum err list_files(struct snapshot *s, const char *tree, struct why *reterr)
{
    const struct git g = at_work(s);
    enum err err = git_run(&g, GIT_ARGS("ls-tree", "-r", "-z", "--full-tree", tree), &s->listing, reterr);
    const char *end = buf_str(&s->listing) + s->listing.len;
    size_t cap = 0;

    for (const char *p = buf_str(&s->listing); err == ERR_OK && p < end; p += strlen(p) + 1) {
        const char *path = strchr(p, '\t');
        const char *type = strchr(p, ' ');

        if (path == NULL || type == NULL || strncmp(type, " blob ", 6) != 0)
            continue;
        if (s->n_files == cap) {
            cap = cap == 0 ? 256 : cap * 2;
            s->files = xrealloc((void *)s->files, cap * sizeof(*s->files));
        }
        s->files[s->n_files++] = path + 1;
    }
    return err;
}

enum err snapshot_take(const char *dir, const char *data, struct snapshot **ret, struct why *reterr)
{
    struct snapshot *s = xcalloc(1, sizeof(*s));
    char tree[ID_BYTES] = "";
    enum err err;

    buf_init(&s->listing, LIST_BYTES_MAX);
    (void)snprintf(s->data, sizeof(s->data), "%s", data);
    err = find_root(s, dir, reterr);
    if (err == ERR_OK) {
        name_project(s);
        err = make_repo(s, reterr);
    }
    if (err == ERR_OK)
        err = write_tree(s, data, tree, reterr);
    if (err == ERR_OK)
        err = list_files(s, tree, reterr);
    if (err == ERR_OK)
        err = make_anchor(s, reterr);
    if (err == ERR_OK && strcmp(tree, s->anchor_tree) == 0)
        (void)snprintf(s->commit, sizeof(s->commit), "%s", s->anchor);
    else if (err == ERR_OK)
        err = commit_tree(s, tree, s->anchor, s->commit, reterr);
    if (err != ERR_OK) {
        snapshot_free(s);
        return err;
    }
    *ret = s;
    return ERR_OK;
}

/* ---- what the server lacks ---- */

/* Those of the submodules that are missing there, as words for git bundle. */
static enum err bundle_subs(struct snapshot *s, const struct git *g, snapshot_has_fn *has, void *ctx,
                            const char **words, size_t *n, struct arena *arena, struct why *reterr)
{
    enum err err = ERR_OK;

    for (unsigned i = 0; i < s->n_subs && err == ERR_OK; i++) {
        const char *ref = arena_printf(arena, "refs/heads/wrata-submodule-%u", i);

        if (has(ctx, s->subs[i]))
            continue;
        err = git_run(g, GIT_ARGS("update-ref", ref, s->subs[i]), NULL, reterr);
        words[(*n)++] = ref;
    }
    return err;
}

enum err snapshot_bundle(struct snapshot *s, snapshot_has_fn *has, void *ctx, const char **ret_path,
                         struct why *reterr)
{
    const struct git g = {.git_dir = s->repo, .object_dir = s->objects};
    const char *words[SNAPSHOT_SUBS_MAX + 8] = {"bundle", "create", "-q", s->bundle};
    size_t n = 4;
    struct arena arena;
    bool has_commit = has(ctx, s->commit);
    enum err err;

    *ret_path = NULL;
    arena_init(&arena);
    err = bundle_subs(s, &g, has, ctx, words, &n, &arena, reterr);
    if (err == ERR_OK && has_commit && n == 4) {
        arena_done(&arena);
        return ERR_OK;
    }
    if (err == ERR_OK)
        err = git_run(&g, GIT_ARGS("update-ref", "refs/heads/wrata-snapshot", s->commit), NULL, reterr);
    if (!has_commit) {
        words[n++] = "refs/heads/wrata-snapshot";
        if (s->anchor[0] != '\0' && strcmp(s->anchor, s->commit) != 0 && has(ctx, s->anchor))
            words[n++] = arena_printf(&arena, "^%s", s->anchor);
    }
    words[n] = NULL;
    if (err == ERR_OK)
        err = git_run(&g, words, NULL, reterr);
    arena_done(&arena);
    if (err != ERR_OK && err != ERR_TIMEOUT) {
        char path[PATH_MAX];

        memo_path(s, path); /* the remembered anchor may be what is broken: begin anew the next time */
        (void)unlink(path);
        return err;
    }
    *ret_path = s->bundle;
    return err;
}
