#include "wire/agent_artifacts.h"

#include <string.h>

#include "base/glob.h"

/* ---- names ---- */

/* C0, DEL, C1, and the two line ends of Unicode. */
static bool is_control(uint32_t rune)
{
    return rune < 0x20 || (rune >= 0x7f && rune <= 0x9f) || rune == 0x2028 || rune == 0x2029;
}

enum err artifact_path_check(struct slice path, struct why *reterr)
{
    size_t part = 0; /* where it began */

    if (path.len == 0 || path.len > ARTIFACT_NAME_BYTES_MAX)
        return why_set(reterr, ERR_INVALID, NULL, "its name has %zu bytes, 1 to %u are allowed", path.len,
                       ARTIFACT_NAME_BYTES_MAX);
    for (size_t i = 0; i <= path.len;) {
        size_t n = 1;

        if (i == path.len || path.ptr[i] == '/') {
            struct slice name = {path.ptr + part, i - part};

            if (name.len == 0 || slice_eq(name, SLICE(".")) || slice_eq(name, SLICE("..")))
                return why_set(reterr, ERR_INVALID, NULL,
                               "its name is absolute, or has an empty part, '.' or '..'");
            part = i + 1;
        } else if (is_control(text_rune(path.ptr + i, path.len - i, &n)) || n == 0) {
            return why_set(reterr, ERR_INVALID, NULL, "its name %s",
                           n == 0 ? "is not UTF-8" : "holds control characters");
        }
        i += n;
    }
    return ERR_OK;
}

/* ---- the stream ---- */

void artifact_reader_init(struct artifact_reader *r, const struct artifact_limits *limits)
{
    *r = (struct artifact_reader){.limits = *limits, .at = ARTIFACT_AT_LINE};
}

static enum artifact_step bad(struct artifact_reader *r, enum err code, const char *what)
{
    r->at = ARTIFACT_AT_FAULT;
    (void)why_set(&r->why, code, NULL, "%s", what);
    return ARTIFACT_BAD;
}

/* Digits up to `end`, which is passed over; *s moves on. False: it is none, or more than max. */
static bool number(struct slice *s, char end, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    size_t n = 0;

    while (n < s->len && n < 19 && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        v = v * 10 + (uint64_t)(s->ptr[n++] - '0');
    if (n == 0 || n == 19 || n == s->len || s->ptr[n] != end || v > max)
        return false;
    *ret = v;
    *s = (struct slice){s->ptr + n + 1, s->len - n - 1};
    return true;
}

static bool word(struct slice *s, struct slice w)
{
    if (s->len < w.len || memcmp(s->ptr, w.ptr, w.len) != 0)
        return false;
    *s = (struct slice){s->ptr + w.len, s->len - w.len};
    return true;
}

/* A time before 1970 counts as its begin, one far ahead as the last there is: it is for people alone. */
static bool mtime(struct slice *s, int64_t *ret)
{
    bool is_before = word(s, SLICE("-"));
    uint64_t v = 0;

    if (!number(s, ' ', UINT64_MAX, &v))
        return false;
    *ret = is_before ? 0 : v > (uint64_t)ARTIFACT_MTIME_MAX ? ARTIFACT_MTIME_MAX : (int64_t)v;
    return true;
}

/* The line is whole, its end included. */
static enum artifact_step take_line(struct artifact_reader *r)
{
    struct slice s = {r->line, r->line_len};
    uint64_t skipped = 0;

    r->line_len = 0;
    if (word(&s, SLICE("end "))) {
        if (!number(&s, '\n', UINT32_MAX, &skipped) || s.len > 0)
            return bad(r, ERR_PROTO, "an `end` line that is none");
        r->skipped = (uint32_t)skipped;
        r->at = ARTIFACT_AT_END;
        return ARTIFACT_END;
    }
    if (!word(&s, SLICE("file ")) || !number(&s, ' ', UINT64_MAX, &r->size) || !mtime(&s, &r->mtime_ms) ||
        !number(&s, '\n', ARTIFACT_NAME_BYTES_MAX, &r->left) || r->left == 0 || s.len > 0)
        return bad(r, ERR_PROTO, "neither a `file` line nor `end`");
    if (r->n_files >= r->limits.files)
        return bad(r, ERR_LIMIT, "the run left more files than are kept of one");
    memcpy(r->before, r->path, sizeof(r->before));
    r->path_len = 0;
    r->at = ARTIFACT_AT_PATH;
    return ARTIFACT_MORE;
}

/* The path is whole: a file begins. */
static enum artifact_step take_path(struct artifact_reader *r)
{
    struct why why;

    r->path[r->path_len] = '\0';
    if (artifact_path_check((struct slice){r->path, r->path_len}, &why) != ERR_OK)
        return bad(r, ERR_PROTO, why.text);
    if (r->n_files > 0 && strcmp(r->before, r->path) >= 0)
        return bad(r, ERR_PROTO, "the files do not come in the order of their names");
    if (r->size > r->limits.file_bytes)
        return bad(r, ERR_LIMIT, "a file of the run is larger than is kept");
    if (r->size > r->limits.run_bytes - r->n_bytes)
        return bad(r, ERR_LIMIT, "the files of the run are larger together than is kept of one");
    r->n_files++;
    r->n_bytes += r->size;
    r->left = r->size;
    r->at = r->size > 0 ? ARTIFACT_AT_BYTES : ARTIFACT_AT_LINE;
    return ARTIFACT_FILE;
}

static struct slice take(struct slice *in, uint64_t max)
{
    size_t n = in->len < max ? in->len : (size_t)max;
    struct slice head = {in->ptr, n};

    *in = (struct slice){in->ptr + n, in->len - n};
    return head;
}

static enum artifact_step read_line(struct artifact_reader *r, struct slice *in)
{
    const char *nl = memchr(in->ptr, '\n', in->len);
    struct slice part = take(in, nl != NULL ? (size_t)(nl - in->ptr) + 1 : in->len);

    if (part.len > sizeof(r->line) - r->line_len)
        return bad(r, ERR_PROTO, "a line that is too long");
    memcpy(r->line + r->line_len, part.ptr, part.len);
    r->line_len += (uint32_t)part.len;
    return nl != NULL ? take_line(r) : ARTIFACT_MORE;
}

static enum artifact_step read_path(struct artifact_reader *r, struct slice *in)
{
    struct slice part = take(in, r->left);

    if (memchr(part.ptr, '\0', part.len) != NULL)
        return bad(r, ERR_PROTO, "a NUL in a name");
    memcpy(r->path + r->path_len, part.ptr, part.len);
    r->path_len += (uint32_t)part.len;
    r->left -= part.len;
    return r->left == 0 ? take_path(r) : ARTIFACT_MORE;
}

enum artifact_step artifact_read(struct artifact_reader *r, struct slice *in)
{
    enum artifact_step step = ARTIFACT_MORE;

    while (step == ARTIFACT_MORE && in->len > 0) {
        switch (r->at) {
        case ARTIFACT_AT_LINE:
            step = read_line(r, in);
            break;
        case ARTIFACT_AT_PATH:
            step = read_path(r, in);
            break;
        case ARTIFACT_AT_BYTES:
            r->bytes = take(in, r->left);
            r->left -= r->bytes.len;
            if (r->left == 0)
                r->at = ARTIFACT_AT_LINE;
            return ARTIFACT_BYTES;
        case ARTIFACT_AT_END:
            return bad(r, ERR_PROTO, "bytes after the end");
        case ARTIFACT_AT_FAULT:
            return ARTIFACT_BAD;
        }
    }
    return step;
}
