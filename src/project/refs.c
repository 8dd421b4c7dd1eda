/* refs.c - branches and tags for people to choose from, and a name to a commit. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "project/project_private.h"

#define REFS_MAX 200000u
#define SUBJECT_BYTES_MAX 200u

/* ---- a name to a commit ---- */

/* What `git check-ref-format` refuses cannot be a ref, and some of it would mean something else to git. */
enum err ref_check(const char *ref, struct why *reterr)
{
    size_t n = strlen(ref);

    if (n > 250)
        return why_set(reterr, ERR_INVALID, "ref", "ref: '%.60s…' is longer than 250 bytes", ref);
    if (!text_is_utf8(ref, n))
        return why_set(reterr, ERR_INVALID, "ref", "ref: it is not UTF-8");
    for (const char *p = ref; *p != '\0'; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f || strchr("~^:?*[\\", *p) != NULL ||
            (p[0] == '.' && p[1] == '.') || (p[0] == '@' && p[1] == '{'))
            return why_set(reterr, ERR_INVALID, "ref", "ref: '%.100s' cannot be a branch, tag or commit",
                           ref);
    }
    if (ref[0] == '-' || ref[0] == '/' || (n > 0 && (ref[n - 1] == '/' || ref[n - 1] == '.')))
        return why_set(reterr, ERR_INVALID, "ref", "ref: '%.100s' cannot be a branch, tag or commit", ref);
    return ERR_OK;
}

static bool is_hex(const char *s, size_t n)
{
    return n >= 4 && n <= COMMIT_CHARS_MAX && strspn(s, "0123456789abcdefABCDEF") >= n;
}

void ref_questions(const char *ref, const char *head, struct buf *out)
{
    static const char *const usual[] = {"develop", "master", "main"};

    if (ref[0] == '\0') {
        if (head[0] != '\0')
            buf_printf(out, "refs/heads/%s^{commit}\n", head);
        for (unsigned i = 0; i < ARRAY_LEN(usual); i++)
            buf_printf(out, "refs/heads/%s^{commit}\n", usual[i]);
        return;
    }
    if (strncmp(ref, "refs/", 5) == 0)
        buf_printf(out, "%s^{commit}\n", ref);
    buf_printf(out, "refs/heads/%s^{commit}\nrefs/tags/%s^{commit}\n", ref, ref);
    if (is_hex(ref, strlen(ref)))
        buf_printf(out, "%s^{commit}\n", ref);
}

enum err ref_answer(struct slice out, const char *ref, char *ret, size_t size, struct why *reterr)
{
    bool is_ambiguous = false;
    struct slice line;

    while (answer_line(&out, &line)) {
        const char *blank = memchr(line.ptr, ' ', line.len);
        size_t hex = blank != NULL ? (size_t)(blank - line.ptr) : 0;

        if (answer_is_id(line.ptr, hex) && hex < size && line.len > hex + 8 &&
            memcmp(blank, " commit ", 8) == 0) {
            memcpy(ret, line.ptr, hex);
            ret[hex] = '\0';
            return ERR_OK;
        }
        if (line.len > 10 && memcmp(line.ptr + line.len - 10, " ambiguous", 10) == 0)
            is_ambiguous = true;
    }
    if (ref[0] == '\0')
        return why_set(reterr, ERR_NOTFOUND, "ref",
                       "ref: the default branch is not known; name a branch, tag or commit");
    if (is_ambiguous)
        return why_set(reterr, ERR_INVALID, "ref",
                       "ref: several commits begin with '%.64s'; write more of it", ref);
    return why_set(reterr, ERR_NOTFOUND, "ref", "ref: there is no branch, tag or commit '%.120s'", ref);
}

/* ---- lists ---- */

/* develop, master, main; then the newest first; then by name. */
static int rank_of(const char *name)
{
    static const char *const first[] = {"develop", "master", "main"};

    for (unsigned i = 0; i < ARRAY_LEN(first); i++) {
        if (strcmp(name, first[i]) == 0)
            return (int)i;
    }
    return (int)ARRAY_LEN(first);
}

static int by_age(const void *va, const void *vb)
{
    const struct git_ref *a = va;
    const struct git_ref *b = vb;

    if (a->time_s != b->time_s)
        return a->time_s > b->time_s ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_rank(const void *va, const void *vb)
{
    const struct git_ref *a = va;
    const struct git_ref *b = vb;
    int ra = rank_of(a->name);
    int rb = rank_of(b->name);

    return ra != rb ? ra - rb : by_age(a, b);
}

/* Bytes that are no UTF-8 or control characters as '?'. */
static const char *clean_subject(struct arena *a, struct slice s)
{
    char *out;
    size_t n = s.len;

    if (n > SUBJECT_BYTES_MAX) {
        n = SUBJECT_BYTES_MAX;
        while (n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
            n--;
    }
    out = arena_strndup(a, s.ptr, n);
    for (size_t i = 0; i < n;) {
        size_t len;
        uint32_t rune = text_rune(out + i, n - i, &len);

        if (len == 0 || rune < 0x20 || (rune >= 0x7f && rune < 0xa0)) {
            memset(out + i, '?', len > 0 ? len : 1);
            len = len > 0 ? len : 1;
        }
        i += len;
    }
    return out;
}

/* Up to the next NUL, which *s moves past. */
static struct slice to_nul(struct slice *s)
{
    const char *nul = memchr(s->ptr, '\0', s->len);
    struct slice head = {s->ptr, nul != NULL ? (size_t)(nul - s->ptr) : s->len};
    size_t over = head.len + (nul != NULL);

    *s = (struct slice){s->ptr + over, s->len - over};
    return head;
}

/* "type:oid:peeled type:peeled oid:time:peeled time:refname NUL subject NUL peeled subject"; false: not a ref that people
 * can launch. */
static bool parse_line(const char *line, size_t n, struct arena *a, struct git_ref *ret, bool *ret_is_tag)
{
    struct slice field[7];
    struct slice rest;
    struct slice subject;
    unsigned k = 0;
    size_t start = 0;
    unsigned commit;

    for (size_t i = 0; i < n && k < 6; i++) {
        if (line[i] == ':') {
            field[k++] = (struct slice){line + start, i - start};
            start = i + 1;
        }
    }
    if (k != 6)
        return false;
    rest = (struct slice){line + start, n - start};
    field[6] = to_nul(&rest);
    subject = to_nul(&rest);
    commit = slice_eq(field[0], SLICE("commit")) ? 1 : slice_eq(field[2], SLICE("commit")) ? 3 : 0;
    if (commit == 0 || !answer_is_id(field[commit].ptr, field[commit].len) ||
        !text_is_utf8(field[6].ptr, field[6].len))
        return false;
    *ret_is_tag = field[6].len > 10 && memcmp(field[6].ptr, "refs/tags/", 10) == 0;
    if (!*ret_is_tag && !(field[6].len > 11 && memcmp(field[6].ptr, "refs/heads/", 11) == 0))
        return false;
    start = *ret_is_tag ? 10 : 11;
    ret->name = arena_strndup(a, field[6].ptr + start, field[6].len - start);
    ret->commit = arena_strndup(a, field[commit].ptr, field[commit].len);
    ret->subject = clean_subject(a, commit == 1 ? subject : rest);
    ret->time_s = strtoll(field[commit == 1 ? 4 : 5].ptr, NULL, 10);
    return true;
}

/* The branch that a launch of the default branch uses (ref_questions()), among those that are there; "": none. */
static const char *default_of(const struct git_ref *branches, uint32_t n, const char *head)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(branches[i].name, head) == 0)
            return branches[i].name;
    }
    return n > 0 && rank_of(branches[0].name) < rank_of("") ? branches[0].name : "";
}

enum err refs_parse(struct slice out, const char *head, struct refs_cache *ret, struct why *reterr)
{
    struct git_ref *branches;
    struct git_ref *tags;
    uint32_t lines = 0;
    uint32_t skipped = 0;
    uint32_t n_branches = 0;
    uint32_t n_tags = 0;

    for (size_t i = 0; i < out.len; i++)
        lines += out.ptr[i] == '\n';
    if (lines > REFS_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "there are %u branches and tags; %u is the most", lines,
                       REFS_MAX);
    arena_reset(&ret->arena);
    branches = arena_alloc(&ret->arena, (lines + 1) * sizeof(*branches));
    tags = arena_alloc(&ret->arena, (lines + 1) * sizeof(*tags));
    for (size_t at = 0; at < out.len;) {
        const char *end = memchr(out.ptr + at, '\n', out.len - at);
        size_t n = end != NULL ? (size_t)(end - (out.ptr + at)) : out.len - at;
        struct git_ref ref;
        bool is_tag = false;

        if (!parse_line(out.ptr + at, n, &ret->arena, &ref, &is_tag))
            skipped++;
        else if (is_tag)
            tags[n_tags++] = ref;
        else
            branches[n_branches++] = ref;
        at += n + 1;
    }
    if (skipped > 0)
        LOG_DEBUG("project.refs_skipped", "refs=%u", skipped);
    qsort(branches, n_branches, sizeof(*branches), by_rank);
    qsort(tags, n_tags, sizeof(*tags), by_age);
    ret->refs = (struct git_refs){.branches = branches,
                                  .n_branches = n_branches,
                                  .tags = tags,
                                  .n_tags = n_tags,
                                  .head = default_of(branches, n_branches, head)};
    ret->is_valid = true;
    return ERR_OK;
}

/* ---- the job ---- */

enum { REFS_ASK, REFS_ANSWERED };

static void refs_deliver(struct job *j)
{
    j->is_told = true;
    j->on_refs(j->ctx, ERR_OK, NULL, &j->mirror->refs.refs);
    job_end(j, ERR_OK, NULL);
}

void refs_step(struct job *j, const struct child_exit *e)
{
    const char *const words[] = {"for-each-ref",
                                 "--format=%(objecttype):%(objectname):%(*objecttype):%(*objectname):"
                                 "%(committerdate:unix):%(*committerdate:unix):%(refname)"
                                 "%00%(subject)%00%(*subject)",
                                 "refs/heads", "refs/tags", NULL};
    char head[256];
    struct why why;

    if (j->step == REFS_ASK) {
        if (j->mirror->refs.is_valid) {
            refs_deliver(j);
            return;
        }
        if (!mirror_exists(j->mirror)) {
            (void)why_set(&why, ERR_NOTFOUND, NULL, "the project has not been fetched yet");
            job_end(j, why.code, &why);
            return;
        }
        j->step = REFS_ANSWERED;
        j->generation = j->mirror->generation;
        job_git(j, j->mirror->path, words, NULL, GIT_LOCAL_MS);
        return;
    }
    CHECK(j->step == REFS_ANSWERED);
    if (job_failed(e) || e->out_cut) {
        job_end_git(j, e, ERR_IO, "list branches and tags");
        return;
    }
    mirror_head(j->mirror, head, sizeof(head));
    if (refs_parse(e->out, head, &j->mirror->refs, &why) != ERR_OK) {
        job_end(j, why.code, &why);
        return;
    }
    j->mirror->refs.is_valid = j->generation == j->mirror->generation;
    refs_deliver(j);
}
