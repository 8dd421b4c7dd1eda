/* fuzz_git.c - any bytes as what git printed: lists of refs and files, answers of cat-file, a bundle's heads, the remote's
 * default branch, .gitmodules, complaints, urls. No crash, and what comes out is what the rest of the program believes of it: names are UTF-8,
 * ids are ids, orders that go back to git are whole lines of ours, a token is in no sentence.
 *
 * The first byte says which parser. Where a parser needs a second text (a ref, a url, a pattern), it is what comes before the
 * first NUL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/git_url.h"
#include "project/askpass.h"
#include "project/project_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TOKEN "tok3n"
#define SCHEME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."

static bool is_plain(const char *s) /* UTF-8 without control characters */
{
    for (const char *p = s; *p != '\0'; p++) {
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return false;
    }
    return text_is_utf8(s, strlen(s));
}

/* Up to the first NUL, as a string of its own; *in is what follows. */
static char *cut(struct slice *in)
{
    const char *nul = memchr(in->ptr, '\0', in->len);
    size_t n = nul != NULL ? (size_t)(nul - in->ptr) : in->len;
    char *s = xstrndup(in->ptr, n);

    *in = nul != NULL ? (struct slice){nul + 1, in->len - n - 1} : (struct slice){in->ptr, 0};
    return s;
}

/* ---- refs.c ---- */

static void check_ref(const struct git_ref *r)
{
    CHECK(r->name[0] != '\0');
    CHECK(text_is_utf8(r->name, strlen(r->name)));
    CHECK(answer_is_id(r->commit, strlen(r->commit)));
    CHECK(strlen(r->subject) <= 200);
    CHECK(is_plain(r->subject));
}

static void fuzz_refs(struct slice in)
{
    struct refs_cache cache = {.is_valid = false};
    struct why why;

    arena_init(&cache.arena);
    if (refs_parse(in, "main", &cache, &why) == ERR_OK) {
        CHECK(cache.is_valid);
        for (uint32_t i = 0; i < cache.refs.n_branches; i++) {
            check_ref(&cache.refs.branches[i]);
            CHECK(i == 0 || strcmp(cache.refs.branches[i].name, "develop") != 0 ||
                  strcmp(cache.refs.branches[0].name, "develop") == 0);
        }
        for (uint32_t i = 0; i < cache.refs.n_tags; i++) {
            check_ref(&cache.refs.tags[i]);
            CHECK(i == 0 || cache.refs.tags[i - 1].time_s >= cache.refs.tags[i].time_s);
        }
    }
    arena_done(&cache.arena);
}

static void fuzz_answer(struct slice in)
{
    char commit[COMMIT_CHARS_MAX + 1] = "";
    char *ref = cut(&in);
    struct buf questions;
    struct why why;

    if (ref_check(ref, &why) == ERR_OK) {
        buf_init(&questions, KIB(16)); /* as tree.c has it */
        ref_questions(ref, "main", &questions);
        for (const char *p = buf_str(&questions); *p != '\0'; p += strcspn(p, "\n") + 1)
            CHECK(strncmp(p + strcspn(p, "^"), "^{commit}\n", 10) == 0); /* a line is a question of ours */
        buf_done(&questions);
    }
    if (ref_answer(in, ref, commit, sizeof(commit), &why) == ERR_OK)
        CHECK(answer_is_id(commit, strlen(commit)));
    else
        CHECK(why.text[0] != '\0');
    free(ref);
}

static void fuzz_head(struct slice in)
{
    char head[256];
    struct why why;

    answer_head(in, head, sizeof(head));
    CHECK(ref_check(head, &why) == ERR_OK);
}

static void fuzz_bundle(struct slice in)
{
    static const char order[] = "update refs/wrata/";
    struct arena arena;
    struct buf out;
    const char **commits;
    uint32_t n;

    arena_init(&arena);
    buf_init(&out, MIB(2));
    bundle_questions(in, &out);
    for (const char *p = buf_str(&out); *p != '\0'; p += strcspn(p, "\n") + 1)
        CHECK(answer_is_id(p, strcspn(p, "^")));
    buf_clear(&out);
    n = bundle_commits(in, &arena, &commits, &out);
    for (const char *p = buf_str(&out); *p != '\0'; p += strcspn(p, "\n") + 1, n--) {
        CHECK(n > 0);
        CHECK(strncmp(p, order, sizeof(order) - 1) == 0);
        p += sizeof(order) - 1;
        CHECK(answer_is_id(p, strcspn(p, " ")));
    }
    CHECK(n == 0);
    buf_done(&out);
    arena_done(&arena);
}

/* ---- tree.c, plan.c ---- */

static void fuzz_plan(struct tree *t, char *pattern)
{
    const char *patterns[] = {pattern, "spec/"};
    struct arena arena;
    struct plan plan;
    struct why why;
    uint32_t n;

    arena_init(&arena);
    if (plan_make(t, patterns, ARRAY_LEN(patterns), &arena, &plan, &why) == ERR_OK) {
        CHECK(plan.n_files > 0);
        for (uint32_t i = 0; i < plan.n_files; i++) {
            CHECK(plan.files[i].n_argv > 0);
            CHECK(plan.files[i].argv[0][0] != '-');
        }
        (void)plan_setup(&plan, &(struct plan_keep){.file_bytes = 1}, &arena, &n);
    }
    arena_done(&arena);
}

static void fuzz_tree(struct slice in)
{
    char *pattern = cut(&in);
    struct tree *t;
    struct why why;

    if (tree_parse(in, &t, &why) != ERR_OK) {
        free(pattern);
        return;
    }
    for (uint32_t i = 0; i < t->n_files; i++) {
        const struct tree_file *f = &t->files[i];
        size_t n = strlen(f->path);

        CHECK(n > 0 && n < PATH_BYTES_MAX);
        CHECK(text_is_utf8(f->path, n));
        CHECK(answer_is_id(f->blob, strlen(f->blob)));
        CHECK(t->paths[i] == f->path);
        CHECK(i == 0 || strcmp(t->files[i - 1].path, f->path) <= 0);
        CHECK(strcmp(tree_find(t, f->path, n)->path, f->path) == 0);
    }
    tree_take_yml(t, NULL);
    fuzz_plan(t, pattern);
    tree_free(t);
    free(pattern);
}

/* ---- what git says, and what it is told ---- */

static void fuzz_said(struct slice in)
{
    const struct git_login login = {"git.example.org", "me", TOKEN};
    char *url = cut(&in);
    char said[200];
    struct buf masked;

    buf_init(&masked, (in.len + 1) * 4); /* as projects.c has it */
    login_mask(TOKEN, in, &masked);
    CHECK(memmem(buf_str(&masked), masked.len, TOKEN, strlen(TOKEN)) == NULL);
    (void)text_of_git(buf_slice(&masked), said, sizeof(said));
    CHECK(is_plain(said));
    CHECK(strstr(said, TOKEN) == NULL);
    if (login_explains(&login, url, in, said, sizeof(said))) {
        CHECK(said[0] != '\0');
        CHECK(strstr(said, TOKEN) == NULL || strstr(url, TOKEN) != NULL);
    }
    buf_done(&masked);
    free(url);
}

static void fuzz_url(struct slice in)
{
    const struct git_login login = {"git.example.org", "me", TOKEN};
    char *url = cut(&in);
    char *question = cut(&in);
    char out[URL_BYTES_MAX + 64];
    const char *answer;
    struct why why;

    if (project_url(url, login.host, out, sizeof(out), &why) == ERR_OK) {
        CHECK(out[0] != '-');
        CHECK(strncmp(out + strspn(out, SCHEME_CHARS), "::", 2) !=
              0); /* no helper of git's: "ext::sh -c …" */
        if (login_fits(&login, out))
            CHECK(strncasecmp(out, "https://git.example.org", 23) == 0);
    }
    (void)git_url_key(url, login.host, out, sizeof(out));
    answer = askpass_answer(question, login.host, login.user, login.token);
    CHECK(answer == NULL || strstr(question, "'https://") != NULL);
    free(question);
    free(url);
}

/* ---- submodules ---- */

/* What .gitmodules says, and then what its urls mean, each relative to the one before. */
static void fuzz_gitmodules(struct slice in)
{
    char *parent = cut(&in);
    char out[URL_BYTES_MAX + 64];
    char https[URL_BYTES_MAX + 64];
    char shown[160];
    struct gitmodules m;
    struct arena arena;
    struct why why;

    arena_init(&arena);
    if (gitmodules_parse(in, &arena, &m, &why) != ERR_OK) {
        CHECK(why.text[0] != '\0');
        m.n = 0;
    }
    for (uint32_t i = 0; i < m.n; i++) {
        const struct gitmodule *one = &m.at[i];

        CHECK(text_is_utf8(one->name, strlen(one->name)) && text_is_utf8(one->url, strlen(one->url)));
        CHECK(strcmp(gitmodules_find(&m, one->path)->path, one->path) == 0);
        (void)url_shown(one->url, shown, sizeof(shown));
        for (int kind = URL_NONE; kind <= URL_LOCAL; kind++) {
            if (submodule_url((enum url_kind)kind, parent, one->url, out, sizeof(out), &why) != ERR_OK)
                continue;
            CHECK(url_kind(out) != URL_NONE);
            CHECK(out[0] != '-');
            CHECK(kind == URL_LOCAL || url_kind(out) != URL_LOCAL);
            CHECK(kind != URL_HTTPS || url_kind(out) == URL_HTTPS || url_kind(out) == URL_SSH);
            if (url_as_https(out, https, sizeof(https)))
                CHECK(url_kind(https) == URL_HTTPS);
        }
    }
    arena_done(&arena);
    free(parent);
}

/* Where the submodules of a tree may be: what passes can be made below a folder, whoever wrote the tree. */
static void fuzz_places(struct slice in)
{
    struct tree *t;
    struct why why;

    if (tree_parse(in, &t, &why) != ERR_OK)
        return;
    if (submodule_places_check(t, &why) == ERR_OK) {
        for (uint32_t i = 0; i < t->n_links; i++) {
            const char *path = t->links[i].path;

            CHECK(path[0] != '/' && path[0] != '-');
            CHECK(strstr(path, "//") == NULL && strstr(path, "/../") == NULL && strncmp(path, "../", 3) != 0);
            CHECK(strncasecmp(path, ".git/", 5) != 0 && strcasecmp(path, ".git") != 0);
            CHECK(tree_find(t, path, strlen(path)) == NULL);
            CHECK(tree_link_of(t, path, strlen(path)) == &t->links[i]);
        }
    }
    tree_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(struct slice in) = {fuzz_refs,   fuzz_answer,     fuzz_head,
                                                       fuzz_bundle, fuzz_tree,       fuzz_said,
                                                       fuzz_url,    fuzz_gitmodules, fuzz_places};

    if (size > 0)
        parsers[data[0] % ARRAY_LEN(parsers)]((struct slice){(const char *)data + 1, size - 1});
    return 0;
}
