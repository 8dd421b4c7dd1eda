/* subs.c - the job that brings the submodules of a commit into the project's own mirror.
 *
 *   for the commit, and then for that of each submodule:
 *     list    its files, for its submodules and its .gitmodules            (skipped when the tree is kept)
 *     config  what .gitmodules says of them, read by git                   (skipped when there are none)
 *     ask     which of their commits are in the mirror
 *     fetch   the missing ones, url by url: by id, or all branches where the remote does not hand out commits by id
 *     pin     refs/wrata/sub/COMMIT keeps each from being collected; its file is as old as its last use (prune.c)
 *
 * So a machine gets any of them through the channel that it gets the project's commit from, and needs no credentials.
 * A commit is what it is wherever it came from: one that is here, because a bundle brought it, is not asked for elsewhere.
 * Every level, count and length has a maximum, for a .gitmodules is written by whoever may push. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "project/project_private.h"

#define SUBS_MS GIT_FETCH_MS /* for all of them */
#define ALL_HEADS "refs/wrata/all/"

enum {
    SUBS_BEGIN,
    SUBS_LISTED,
    SUBS_SAID,
    SUBS_ASKED,
    SUBS_FETCHED,
    SUBS_ASKED_AGAIN,
    SUBS_PINNED,
    SUBS_HEADS_LISTED,
    SUBS_HEADS_DROPPED
};

struct sub {
    const char *path; /* from the root of the project; "" is the project itself */
    const char *commit;
    const char *url;   /* "" not known */
    const char *fault; /* what is wrong with the url; NULL: nothing */
    uint32_t depth;
    bool is_missing; /* in the mirror */
    bool is_left_out;
};

struct subs {
    struct sub at[SUBMODULES_MAX + 1]; /* at[0] is the project */
    uint32_t n;
    uint32_t current;   /* whose submodules are being looked for */
    uint32_t first_new; /* those of `current` are first_new..n-1 */
    uint32_t fetching;
    uint32_t n_fetched;
    bool by_heads; /* the remote gives no commits by id */
    bool has_heads;
    enum url_kind project;
    struct mono deadline;
};

void subs_free(struct subs *s)
{
    free(s);
}

/* End with "submodule PATH: …". */
static void subs_fail(struct job *j, const struct sub *sub, enum err code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void subs_fail(struct job *j, const struct sub *sub, enum err code, const char *fmt, ...)
{
    char text[400];
    struct why why;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)why_set(&why, code, "submodules", "submodule %.60s: %s", sub->path[0] != '\0' ? sub->path : "?",
                  text);
    job_end(j, why.code, &why);
}

static int64_t left_ms(const struct subs *s)
{
    int64_t ms = mono_ms_between(mono_now(), s->deadline);

    return ms > 1000 ? ms : 1000;
}

/* ---- list: which submodules a commit has ---- */

static void subs_open(struct job *j);
static void subs_ask(struct job *j, unsigned step);

static bool add_links(struct job *j, const struct tree *t)
{
    struct subs *s = j->subs;
    const struct sub *parent = &s->at[s->current];
    struct why why;

    if (submodule_places_check(t, &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return false;
    }
    if (parent->depth == SUBMODULES_DEPTH_MAX || s->n + t->n_links > SUBMODULES_MAX + 1) {
        (void)why_set(&why, ERR_LIMIT, "submodules",
                      s->n + t->n_links > SUBMODULES_MAX + 1
                          ? "submodules: more than %u, counting those of submodules"
                          : "submodules: more than %u levels deep",
                      s->n + t->n_links > SUBMODULES_MAX + 1 ? SUBMODULES_MAX : SUBMODULES_DEPTH_MAX);
        job_end(j, why.code, &why);
        return false;
    }
    s->first_new = s->n;
    for (uint32_t i = 0; i < t->n_links; i++) {
        const char *path = arena_printf(&j->arena, "%s%s%s", parent->path, parent->path[0] != '\0' ? "/" : "",
                                        t->links[i].path);

        s->at[s->n++] = (struct sub){.path = path,
                                     .commit = arena_strdup(&j->arena, t->links[i].commit),
                                     .url = "",
                                     .depth = parent->depth + 1};
        if (submodule_path_check(path, &why) != ERR_OK) { /* as a whole it may be too long */
            job_end(j, why.code, &why);
            return false;
        }
    }
    return true;
}

static void subs_look(struct job *j, const struct tree *t)
{
    const struct tree_file *file = tree_find(t, ".gitmodules", strlen(".gitmodules"));
    const char *words[] = {"config", "-z", "--no-includes", "--blob", NULL, "--list", NULL};

    if (!add_links(j, t))
        return;
    if (file == NULL || file->is_link) { /* then only what a bundle brought can be had */
        for (uint32_t i = j->subs->first_new; i < j->subs->n; i++)
            j->subs->at[i].fault =
                file == NULL
                    ? "there is no .gitmodules that says where it comes from; `submodules: false` in "
                      "wrata.yml leaves its folder empty"
                    : ".gitmodules is a symbolic link; it must be a file";
        subs_ask(j, SUBS_ASKED);
        return;
    }
    words[4] = file->blob;
    j->step = SUBS_SAID;
    j->out_max = GITMODULES_BYTES_MAX;
    job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
}

static void subs_deliver(struct job *j)
{
    const struct subs *s = j->subs;
    struct plan_submodule *all = arena_alloc(&j->arena, s->n * sizeof(*all));

    for (uint32_t i = 1; i < s->n; i++)
        all[i - 1] = (struct plan_submodule){s->at[i].path, s->at[i].commit, s->at[i].url};
    LOG_DEBUG("project.submodules", "project=%llu commit=%s n=%u fetched=%u",
              (unsigned long long)j->mirror->id.v, j->commit, s->n - 1, s->n_fetched);
    j->is_told = true;
    j->on_subs(j->ctx, ERR_OK, NULL, all, s->n - 1);
    job_end(j, ERR_OK, NULL);
}

static void subs_finish(struct job *j)
{
    const char *const words[] = {"for-each-ref", "--format=delete %(refname)", ALL_HEADS, NULL};

    if (!j->subs->has_heads) {
        subs_deliver(j);
        return;
    }
    j->step = SUBS_HEADS_LISTED;
    job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
}

/* The next commit whose submodules are not known yet. */
static void subs_open(struct job *j)
{
    struct subs *s = j->subs;
    const char *words[] = {"ls-tree", "-r", "-z", "--full-tree", NULL, NULL};

    for (; s->current < s->n; s->current++) {
        const struct tree *t = projects_tree_find(j->mirror->ps, j->mirror->id, s->at[s->current].commit);

        if (t == NULL) {
            words[4] = s->at[s->current].commit;
            j->step = SUBS_LISTED;
            job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
            return;
        }
        if (t->n_links > 0) {
            subs_look(j, t);
            return;
        }
    }
    subs_finish(j);
}

static void subs_begin(struct job *j)
{
    struct subs *s = xcalloc(1, sizeof(*s));
    char url[URL_BYTES_MAX + 64] = "";
    struct why ignored; /* what is not fetched needs no url */

    if (project_url(j->url, projects_login(j->mirror->ps)->host, url, sizeof(url), &ignored) != ERR_OK)
        url[0] = '\0';
    s->project = url_kind(url);
    s->deadline = mono_add_ms(mono_now(), SUBS_MS);
    s->at[s->n++] = (struct sub){.path = "", .commit = j->commit, .url = arena_strdup(&j->arena, url)};
    j->subs = s;
    subs_open(j);
}

static void subs_listed(struct job *j, const struct child_exit *e)
{
    if (tree_take_list(j, j->subs->at[j->subs->current].commit, e) != NULL)
        subs_open(j);
}

/* ---- config: where they come from ---- */

static void take_url(struct job *j, struct sub *sub, const struct gitmodule *m)
{
    const struct subs *s = j->subs;
    char url[URL_BYTES_MAX + 64];
    char https[URL_BYTES_MAX + 64];
    char shown[160];
    struct why why;

    if (submodule_url(s->project, s->at[s->current].url, m->url, url, sizeof(url), &why) != ERR_OK) {
        sub->fault =
            arena_printf(&j->arena, "its url '%.80s' %s", url_shown(m->url, shown, sizeof(shown)), why.text);
        return;
    }
    /* People write git@host:… for their own keys; a machine's token is for https. */
    if (url_as_https(url, https, sizeof(https)) && login_fits(projects_login(j->mirror->ps), https))
        (void)memcpy(url, https, sizeof(url));
    sub->url = arena_strdup(&j->arena, url);
}

/* Those with `update = none` stay empty, as git leaves them. */
static void drop_left_out(struct subs *s)
{
    uint32_t to = s->first_new;

    for (uint32_t i = s->first_new; i < s->n; i++) {
        if (!s->at[i].is_left_out)
            s->at[to++] = s->at[i];
    }
    s->n = to;
}

static void subs_ask(struct job *j, unsigned step)
{
    static const char *const words[] = {"cat-file", "--batch-check", NULL};
    const struct subs *s = j->subs;
    struct buf questions;

    buf_init(&questions, MIB(1));
    for (uint32_t i = s->first_new; i < s->n; i++)
        buf_printf(&questions, "%s^{commit}\n", s->at[i].commit);
    j->step = step;
    job_git(j, j->mirror->path, words, buf_take(&questions, NULL), GIT_LOCAL_MS);
}

static void subs_next(struct job *j)
{
    j->subs->current++;
    subs_open(j);
}

static void subs_said(struct job *j, const struct child_exit *e)
{
    struct subs *s = j->subs;
    struct gitmodules m;
    struct why why;

    j->out_max = 0;
    if (e->out_cut) {
        (void)why_set(&why, ERR_LIMIT, "submodules", ".gitmodules: more than %zu bytes",
                      GITMODULES_BYTES_MAX);
        job_end(j, why.code, &why);
        return;
    }
    if (job_failed(e)) {
        job_end_git(j, e, ERR_INVALID, "read .gitmodules");
        return;
    }
    if (gitmodules_parse(e->out, &j->arena, &m, &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return;
    }
    for (uint32_t i = s->first_new; i < s->n; i++) {
        const char *parent = s->at[s->current].path;
        const struct gitmodule *one =
            gitmodules_find(&m, s->at[i].path + strlen(parent) + (parent[0] != '\0'));

        if (one != NULL && one->is_left_out)
            s->at[i].is_left_out = true;
        else if (one == NULL || one->url[0] == '\0')
            s->at[i].fault = ".gitmodules does not say where it comes from";
        else
            take_url(j, &s->at[i], one);
    }
    drop_left_out(s);
    if (s->first_new == s->n)
        subs_next(j);
    else
        subs_ask(j, SUBS_ASKED);
}

/* ---- ask, fetch ---- */

static void take_answers(struct subs *s, struct slice out)
{
    struct slice line;

    for (uint32_t i = s->first_new; i < s->n; i++) {
        char commit[COMMIT_CHARS_MAX + 1];
        struct why ignored;

        s->at[i].is_missing = !answer_line(&out, &line) ||
                              ref_answer(line, "", commit, sizeof(commit), &ignored) != ERR_OK ||
                              strcmp(commit, s->at[i].commit) != 0;
    }
}

/* All that is missing and comes from the url of at[s->fetching]. */
static void subs_fetch(struct job *j)
{
    struct subs *s = j->subs;
    const struct sub *first = &s->at[s->fetching];
    const char *words[] = {"fetch",
                           "--quiet",
                           "--no-tags",
                           "--no-auto-maintenance",
                           "--no-write-fetch-head",
                           "--no-recurse-submodules",
                           "--stdin",
                           "--",
                           first->url,
                           NULL};
    struct buf specs;
    char shown[160];

    buf_init(&specs, MIB(1));
    if (s->by_heads)
        buf_puts(&specs, "+refs/heads/*:" ALL_HEADS "h/*\n+refs/tags/*:" ALL_HEADS "t/*\n");
    for (uint32_t i = s->fetching; i < s->n && !s->by_heads; i++) {
        if (s->at[i].is_missing && strcmp(s->at[i].url, first->url) == 0)
            buf_printf(&specs, "+%s:refs/wrata/sub/%s\n", s->at[i].commit, s->at[i].commit);
    }
    s->has_heads |= s->by_heads;
    LOG_INFO("project.submodule", "project=%llu path=%.200s url=%.200s by=%s",
             (unsigned long long)j->mirror->id.v, first->path, url_shown(first->url, shown, sizeof(shown)),
             s->by_heads ? "branches" : "commit");
    free(j->url);
    j->url = xstrdup(first->url);
    j->is_foreign = s->project != URL_LOCAL;
    j->input = buf_take(&specs, NULL);
    j->step = SUBS_FETCHED;
    job_git_remote(j, j->mirror->path, words, left_ms(s));
}

static void subs_pin(struct job *j);

static void subs_fetch_next(struct job *j)
{
    struct subs *s = j->subs;

    for (uint32_t i = s->first_new; i < s->n; i++) {
        if (!s->at[i].is_missing)
            continue;
        if (s->at[i].fault != NULL) {
            subs_fail(j, &s->at[i], ERR_INVALID, "%s", s->at[i].fault);
            return;
        }
        s->fetching = i;
        s->by_heads = false;
        subs_fetch(j);
        return;
    }
    subs_pin(j);
}

/* Did the remote refuse to give a commit by its id? Then one that a branch or a tag holds may still be had. */
static bool refuses_ids(struct slice said)
{
    static const char *const words[] = {"unadvertised object", "not our ref", "not valid", "Unable to find"};

    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (memmem(said.ptr, said.len, words[i], strlen(words[i])) != NULL)
            return true;
    }
    return false;
}

static void not_there(struct job *j, const struct sub *sub)
{
    char shown[160];

    subs_fail(j, sub, ERR_INVALID,
              "commit %.10s is not in %.80s: it was not pushed there, or the history there was rewritten",
              sub->commit, url_shown(sub->url, shown, sizeof(shown)));
}

static void subs_fetched(struct job *j, const struct child_exit *e)
{
    struct subs *s = j->subs;
    const struct sub *sub = &s->at[s->fetching];
    char said[160];
    char shown[160];

    if (job_failed(e) && !e->timed_out && !s->by_heads && refuses_ids(e->err)) {
        s->by_heads = true;
        subs_fetch(j);
        return;
    }
    if (job_failed(e)) {
        job_said(j, e, said, sizeof(said));
        subs_fail(j, sub, e->timed_out ? ERR_TIMEOUT : ERR_IO, "cannot fetch %.70s: %s",
                  url_shown(sub->url, shown, sizeof(shown)), said);
        return;
    }
    subs_ask(j, SUBS_ASKED_AGAIN);
}

static void subs_asked_again(struct job *j, const struct child_exit *e)
{
    struct subs *s = j->subs;

    if (job_failed(e)) {
        job_end_git(j, e, ERR_IO, "look for commits");
        return;
    }
    take_answers(s, e->out);
    for (uint32_t i = s->fetching; i < s->n; i++) {
        if (s->at[i].is_missing && strcmp(s->at[i].url, s->at[s->fetching].url) == 0) {
            not_there(j, &s->at[i]);
            return;
        }
    }
    s->n_fetched++;
    subs_fetch_next(j);
}

/* ---- pin ---- */

static bool is_first_of_commit(const struct subs *s, uint32_t at)
{
    for (uint32_t i = s->first_new; i < at; i++) {
        if (strcmp(s->at[i].commit, s->at[at].commit) == 0)
            return false;
    }
    return true;
}

static void subs_pin(struct job *j)
{
    static const char *const words[] = {"update-ref", "--stdin", NULL};
    const struct subs *s = j->subs;
    struct buf orders;

    buf_init(&orders, MIB(1));
    for (uint32_t i = s->first_new; i < s->n; i++) {
        if (is_first_of_commit(s, i))
            buf_printf(&orders, "update refs/wrata/sub/%s %s\n", s->at[i].commit, s->at[i].commit);
    }
    j->step = SUBS_PINNED;
    job_git(j, j->mirror->path, words, buf_take(&orders, NULL), GIT_LOCAL_MS);
}

static void subs_pinned(struct job *j, const struct child_exit *e)
{
    const struct subs *s = j->subs;
    char path[PATH_BYTES_MAX];

    if (job_failed(e)) {
        job_end_git(j, e, ERR_IO, "keep the submodules");
        return;
    }
    for (uint32_t i = s->first_new; i < s->n; i++) { /* git writes no ref that is right already */
        (void)snprintf(path, sizeof(path), "%s/refs/wrata/sub/%s", j->mirror->path, s->at[i].commit);
        (void)utimensat(AT_FDCWD, path, NULL, 0);
    }
    subs_next(j);
}

/* ---- the job ---- */

void subs_step(struct job *j, const struct child_exit *e)
{
    static const char *const drop[] = {"update-ref", "--stdin", NULL};

    switch (j->step) {
    case SUBS_BEGIN:
        subs_begin(j);
        break;
    case SUBS_LISTED:
        subs_listed(j, e);
        break;
    case SUBS_SAID:
        subs_said(j, e);
        break;
    case SUBS_ASKED:
        if (job_failed(e)) {
            job_end_git(j, e, ERR_IO, "look for commits");
            break;
        }
        take_answers(j->subs, e->out);
        subs_fetch_next(j);
        break;
    case SUBS_FETCHED:
        subs_fetched(j, e);
        break;
    case SUBS_ASKED_AGAIN:
        subs_asked_again(j, e);
        break;
    case SUBS_PINNED:
        subs_pinned(j, e);
        break;
    case SUBS_HEADS_LISTED: /* what was fetched beside them is not kept: the next fetch begins at the pins */
        j->step = SUBS_HEADS_DROPPED;
        job_git(j, j->mirror->path, drop, xstrndup(e->out.ptr, e->out.len), GIT_LOCAL_MS);
        break;
    case SUBS_HEADS_DROPPED:
        subs_deliver(j);
        break;
    default:
        CHECK(!"a step of subs_step");
    }
}
