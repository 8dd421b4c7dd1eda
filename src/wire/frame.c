/* frame.c - encode and decode, generated from frames.def by the preprocessor.
 *
 * A part in a list is preceded by its own length, so that a newer peer may append fields to it. */
#include "wire/frame.h"

#include <string.h>

static const char *const how_sentences[] = {
#define X(name, number, text) [number] = (text),
    FINISH_HOW_MAP(X)
#undef X
};
_Static_assert(ARRAY_LEN(how_sentences) == FINISH_HOW_COUNT, "a sentence for each");

const char *finish_how_sentence(enum finish_how how)
{
    return (unsigned)how < FINISH_HOW_COUNT ? how_sentences[how]
                                            : "it ended in a way this version does not know";
}

/* ---- writing ---- */

static void put_u32(struct buf *b, uint32_t v)
{
    unsigned char p[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 24)};

    buf_put(b, p, sizeof(p));
}

static void put_u64(struct buf *b, uint64_t v)
{
    put_u32(b, (uint32_t)v);
    put_u32(b, (uint32_t)(v >> 32));
}

static void put_bytes(struct buf *b, struct slice s, size_t max)
{
    CHECK(s.len <= max);
    put_u32(b, (uint32_t)s.len);
    buf_put(b, s.ptr, s.len);
}

static void patch_u32(struct buf *b, size_t at, uint32_t v)
{
    unsigned char p[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 24)};

    memcpy(b->data + at, p, sizeof(p));
}

/* ---- reading: a cursor that turns to zero and empty at the end of what the peer sent ---- */

struct reader {
    const unsigned char *p;
    size_t left;
    struct arena *lists;
    const char *bad; /* the field that broke a rule; NULL while all is well */
};

static uint32_t peek_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t get_u32(struct reader *r, const char *field)
{
    uint32_t v;

    if (r->left == 0)
        return 0;
    if (r->left < 4) {
        r->bad = field;
        r->left = 0;
        return 0;
    }
    v = peek_u32(r->p);
    r->p += 4;
    r->left -= 4;
    return v;
}

static uint64_t get_u64(struct reader *r, const char *field)
{
    uint64_t low = get_u32(r, field);

    if (r->left == 0 && low != 0)
        r->bad = field;
    return low | (uint64_t)get_u32(r, field) << 32;
}

static struct slice get_bytes(struct reader *r, size_t max, const char *field)
{
    uint32_t n = get_u32(r, field);
    struct slice s;

    if (n > max || n > r->left) {
        r->bad = field;
        r->left = 0;
        n = 0;
    }
    s = (struct slice){n > 0 ? (const char *)r->p : "", n};
    r->p += n;
    r->left -= n;
    return s;
}

static struct slice get_text(struct reader *r, size_t max, const char *field)
{
    struct slice s = get_bytes(r, max, field);

    if (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL)
        r->bad = field;
    return s;
}

/* clang-format off */
/* ---- the parts used in lists ---- */

#define STRUCT(name)                                                             \
    static void put_part_##name(struct buf *b, const struct wire_##name *v)      \
    {                                                                            \
        size_t at_ = b->len;                                                     \
        put_u32(b, 0);
#define END_STRUCT(name)                                                         \
        patch_u32(b, at_, (uint32_t)(b->len - at_ - 4));                         \
    }
#define U32(f) put_u32(b, v->f);
#define U64(f) put_u64(b, v->f);
#define I64(f) put_u64(b, (uint64_t)v->f);
#define STR(f, max) put_bytes(b, v->f, max);
#define BYTES(f, max) put_bytes(b, v->f, max);
#define LIST(f, type, max)                                                       \
    CHECK(v->n_##f <= (max));                                                    \
    put_u32(b, v->n_##f);                                                        \
    for (uint32_t i_ = 0; i_ < v->n_##f; i_++)                                   \
        put_part_##type(b, &v->f[i_]);
#include "wire/frames.def"
#undef STRUCT
#undef END_STRUCT

/* ---- frames, writing ---- */
#define FRAME(NAME, name, number)                                                \
    static void put_frame_##name(struct buf *b, const struct frame_##name *v)    \
    {
#define END_FRAME(NAME, name) }
#include "wire/frames.def"
#undef FRAME
#undef END_FRAME
#undef U32
#undef U64
#undef I64
#undef STR
#undef BYTES
#undef LIST

/* ---- reading ---- */
#define U32(f) v->f = get_u32(r, #f);
#define U64(f) v->f = get_u64(r, #f);
#define I64(f) v->f = (int64_t)get_u64(r, #f);
#define STR(f, max) v->f = get_text(r, max, #f);
#define BYTES(f, max) v->f = get_bytes(r, max, #f);
/* A list may not claim more elements than bytes are left: 4 each, at the least. */
#define LIST(f, type, max)                                                       \
    v->n_##f = get_u32(r, #f);                                                   \
    if (v->n_##f > (max) || v->n_##f > r->left / 4) {                            \
        r->bad = #f;                                                             \
        v->n_##f = 0;                                                            \
    }                                                                            \
    v->f = v->n_##f == 0 ? NULL : arena_alloc(r->lists, v->n_##f * sizeof(*v->f)); \
    for (uint32_t i_ = 0; i_ < v->n_##f && r->bad == NULL; i_++)                 \
        get_part_##type(r, &v->f[i_]);

#define STRUCT(name)                                                             \
    static void get_part_##name(struct reader *outer, struct wire_##name *v)     \
    {                                                                            \
        struct slice body_ = get_bytes(outer, FRAME_BODY_MAX, #name);            \
        struct reader inner_ = {(const unsigned char *)body_.ptr, body_.len, outer->lists, NULL}; \
        struct reader *r = &inner_;
#define END_STRUCT(name)                                                         \
        if (r->bad != NULL)                                                      \
            outer->bad = r->bad;                                                 \
    }
#include "wire/frames.def"
#undef STRUCT
#undef END_STRUCT

#define FRAME(NAME, name, number)                                                \
    static void get_frame_##name(struct reader *r, struct frame_##name *v)       \
    {
#define END_FRAME(NAME, name) }
#include "wire/frames.def"
#undef FRAME
#undef END_FRAME
#undef U32
#undef U64
#undef I64
#undef STR
#undef BYTES
#undef LIST

/* ---- dispatch ---- */
#define U32(f)
#define U64(f)
#define I64(f)
#define STR(f, max)
#define BYTES(f, max)
#define LIST(f, type, max)
#define END_FRAME(NAME, name)

const char *frame_name(uint32_t type)
{
    switch (type) {
#define FRAME(NAME, name, number) \
    case number:                  \
        return #NAME;
#include "wire/frames.def"
#undef FRAME
    default:
        return "?";
    }
}

void frame_encode(const struct frame *f, struct buf *out)
{
    size_t at = out->len;

    put_u32(out, 0);
    put_u32(out, (uint32_t)f->type);
    switch (f->type) {
#define FRAME(NAME, name, number)          \
    case FRAME_##NAME:                     \
        put_frame_##name(out, &f->name);   \
        break;
#include "wire/frames.def"
#undef FRAME
    default:
        CHECK(!"a frame type of the schema");
    }
    CHECK(out->len - at - FRAME_HEADER_BYTES <= FRAME_BODY_MAX);
    patch_u32(out, at, (uint32_t)(out->len - at - FRAME_HEADER_BYTES));
}

/* clang-format on */

enum err frame_decode(const char *data, size_t len, struct arena *lists, struct frame *ret, size_t *retused,
                      struct why *reterr)
{
    const unsigned char *p = (const unsigned char *)data;
    struct reader r;
    uint32_t body;
    uint32_t type;

    *retused = 0;
    if (len < FRAME_HEADER_BYTES)
        return ERR_OK;
    body = peek_u32(p);
    type = peek_u32(p + 4);
    if (body > FRAME_BODY_MAX)
        return why_set(reterr, ERR_PROTO, NULL, "a frame of %u bytes is over the limit of %zu", body,
                       (size_t)FRAME_BODY_MAX);
    if (len - FRAME_HEADER_BYTES < body)
        return ERR_OK;
    r = (struct reader){p + FRAME_HEADER_BYTES, body, lists, NULL};
    memset(ret, 0, sizeof(*ret));
    switch (type) {
#define FRAME(NAME, name, number)         \
    case number:                          \
        ret->type = FRAME_##NAME;         \
        get_frame_##name(&r, &ret->name); \
        break;
#include "wire/frames.def"
#undef FRAME
    default:
        break; /* a newer peer's frame: skipped whole */
    }
    if (r.bad != NULL)
        return why_set(reterr, ERR_PROTO, NULL, "frame %s: field %s is cut off, too long or holds a NUL byte",
                       frame_name(type), r.bad);
    *retused = FRAME_HEADER_BYTES + body;
    return ERR_OK;
}
