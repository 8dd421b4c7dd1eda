/* mask.c - the automaton and the bytes it holds back. The forms of a secret are in mask_forms.c.
 *
 * The trie has a list of children per node instead of a table: forms share little, so almost every node has one. Only
 * the root, where most bytes of a log are, has a table.
 *
 * Invariants:
 *   M1  held is what lies in base .. pos
 *   M2  covers are sorted, do not overlap, and end behind base
 *   M3  no occurrence that is not known yet begins before pos - depth of the node's live suffix */
#include "base/mask.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ROOT 0u
#define REST_SHARE 4u /* a beginning of more than 1/4 of a form is kept in silence */
#define END_SHARE 2u  /* and one of more than 1/2 is hidden at the end */

struct node {
    uint32_t child; /* ROOT: none */
    uint32_t sibling;
    uint32_t fail;
    uint32_t live; /* the longest suffix of this, itself included, that a form goes on from */
    uint32_t depth;
    uint32_t out; /* bytes of the longest form that ends here; 0 none */
    uint32_t min; /* bytes of the shortest form that goes through here */
    unsigned char byte;
};

struct mask {
    struct node *nodes;
    uint32_t n;
    uint32_t cap;
    uint32_t longest;
    uint32_t root[256];
};

struct mask_cover {
    uint64_t start;
    uint64_t end;
    bool is_starred; /* its stars are out */
};

/* ---- the automaton ---- */

static uint32_t child_of(const struct mask *m, uint32_t at, unsigned char c)
{
    uint32_t k;

    if (at == ROOT)
        return m->root[c];
    for (k = m->nodes[at].child; k != ROOT && m->nodes[k].byte != c; k = m->nodes[k].sibling)
        ;
    return k;
}

static uint32_t step(const struct mask *m, uint32_t at, unsigned char c)
{
    uint32_t next;

    while ((next = child_of(m, at, c)) == ROOT && at != ROOT)
        at = m->nodes[at].fail;
    return next;
}

/* Growing by hand: realloc would leave a copy behind. */
static void grow(struct mask *m)
{
    uint32_t cap = m->cap == 0 ? 256 : m->cap * 2;
    struct node *nodes = xcalloc(cap, sizeof(*nodes));

    if (m->nodes != NULL) {
        memcpy(nodes, m->nodes, m->n * sizeof(*nodes));
        mem_wipe(m->nodes, m->cap * sizeof(*nodes));
        free(m->nodes);
    }
    m->nodes = nodes;
    m->cap = cap;
}

static uint32_t child_make(struct mask *m, uint32_t at, unsigned char c)
{
    uint32_t k = child_of(m, at, c);

    if (k != ROOT)
        return k;
    if (m->n == m->cap)
        grow(m);
    k = m->n++;
    m->nodes[k] = (struct node){
        .byte = c, .depth = m->nodes[at].depth + 1, .sibling = m->nodes[at].child, .min = UINT32_MAX};
    m->nodes[at].child = k;
    if (at == ROOT)
        m->root[c] = k;
    return k;
}

static void add_form(void *ctx, struct slice form)
{
    struct mask *m = ctx;
    uint32_t at = ROOT;

    for (size_t i = 0; i < form.len; i++) {
        at = child_make(m, at, (unsigned char)form.ptr[i]);
        if (m->nodes[at].min > form.len)
            m->nodes[at].min = (uint32_t)form.len;
    }
    if (at != ROOT)
        m->nodes[at].out = (uint32_t)form.len;
    if (m->longest < form.len)
        m->longest = (uint32_t)form.len;
}

/* Level by level, so that a node's suffix, which is shorter, is finished before it. */
static void link_suffixes(struct mask *m)
{
    uint32_t *queue = xmalloc(m->n * sizeof(*queue));
    uint32_t head = 0;
    uint32_t tail = 0;

    queue[tail++] = ROOT;
    while (head < tail) {
        uint32_t at = queue[head++];
        struct node *a = &m->nodes[at];

        a->live = a->child != ROOT || at == ROOT ? at : m->nodes[a->fail].live;
        if (a->out == 0)
            a->out = m->nodes[a->fail].out; /* of the root: 0 */
        for (uint32_t k = a->child; k != ROOT; k = m->nodes[k].sibling) {
            m->nodes[k].fail = at == ROOT ? ROOT : step(m, a->fail, m->nodes[k].byte);
            queue[tail++] = k;
        }
    }
    CHECK(tail == m->n);
    free(queue);
}

struct mask *mask_new(const struct slice *secrets, uint32_t n)
{
    struct mask *m = xcalloc(1, sizeof(*m));
    size_t bytes = 0;

    grow(m);
    m->n = 1;
    for (uint32_t i = 0; i < n; i++) {
        bytes += secrets[i].len;
        CHECK(bytes <= MASK_SECRETS_BYTES_MAX);
        mask_forms(secrets[i], add_form, m);
    }
    if (m->longest == 0) {
        mask_free(m);
        return NULL;
    }
    link_suffixes(m);
    return m;
}

void mask_free(struct mask *m)
{
    if (m == NULL)
        return;
    mem_wipe(m->nodes, m->cap * sizeof(*m->nodes));
    free(m->nodes);
    free(m);
}

size_t mask_longest(const struct mask *m)
{
    return m->longest;
}

/* ---- a stream ---- */

void mask_stream_init(struct mask_stream *s, const struct mask *m)
{
    *s = (struct mask_stream){.mask = m};
    buf_init(&s->held, m->longest + MASK_FEED_BYTES_MAX + 1);
    /* at once, for a buffer that grows leaves copies behind */
    CHECK(buf_reserve(&s->held, m->longest + MASK_FEED_BYTES_MAX) != NULL);
}

void mask_stream_done(struct mask_stream *s)
{
    if (s->held.data != NULL)
        mem_wipe(s->held.data, s->held.cap);
    buf_done(&s->held);
    free(s->covers);
    *s = (struct mask_stream){0};
}

size_t mask_held(const struct mask_stream *s)
{
    return s->held.len;
}

static struct mask_cover *last_cover(const struct mask_stream *s)
{
    return s->n_covers == 0 ? NULL : &s->covers[s->covers_first + s->n_covers - 1];
}

/* Hide start .. pos. Whatever it overlaps becomes one with it: each cover is made and taken away once. */
static void cover(struct mask_stream *s, uint64_t start)
{
    struct mask_cover c = {.start = start < s->base ? s->base : start, .end = s->pos};
    struct mask_cover *last;

    while ((last = last_cover(s)) != NULL && last->end > c.start) {
        c.start = last->start < c.start ? last->start : c.start;
        c.is_starred = c.is_starred || last->is_starred;
        s->n_covers--;
    }
    if (s->n_covers == 0)
        s->covers_first = 0;
    if (s->covers_first + s->n_covers == s->covers_cap) {
        s->covers_cap = s->covers_cap == 0 ? 16 : s->covers_cap * 2;
        s->covers = xrealloc(s->covers, s->covers_cap * sizeof(*s->covers));
    }
    s->covers[s->covers_first + s->n_covers++] = c;
}

/* Let go what lies before `upto`. */
static void let_go(struct mask_stream *s, uint64_t upto, struct buf *out)
{
    uint64_t from = s->base;

    while (s->base < upto) {
        struct mask_cover *c = s->n_covers > 0 ? &s->covers[s->covers_first] : NULL;
        uint64_t plain = c == NULL || c->start > upto ? upto : c->start;

        if (plain > s->base) {
            buf_put(out, s->held.data + (s->base - from), (size_t)(plain - s->base));
            s->base = plain;
            continue;
        }
        CHECK(c != NULL);
        if (!c->is_starred)
            buf_puts(out, MASK_STARS);
        c->is_starred = true;
        s->base = c->end < upto ? c->end : upto;
        if (s->base == c->end) { /* M2 */
            s->covers_first++;
            s->n_covers--;
        }
    }
    buf_consume(&s->held, (size_t)(s->base - from)); /* M1 */
}

void mask_feed(struct mask_stream *s, const char *data, size_t n, struct buf *out)
{
    const struct mask *m = s->mask;
    uint32_t at = s->node;

    CHECK(n <= MASK_FEED_BYTES_MAX);
    buf_put(&s->held, data, n);
    for (size_t i = 0; i < n; i++) {
        at = step(m, at, (unsigned char)data[i]);
        s->pos++;
        if (m->nodes[at].out > 0)
            cover(s, s->pos > m->nodes[at].out ? s->pos - m->nodes[at].out : 0);
    }
    s->node = at;
    if (s->pos - m->nodes[m->nodes[at].live].depth > s->base) /* M3 */
        let_go(s, s->pos - m->nodes[m->nodes[at].live].depth, out);
}

/* Where the longest beginning of a form begins that ends the stream, is more than 1/share of the form and is not
 * hidden already; pos: there is none. */
static uint64_t beginning(const struct mask_stream *s, uint32_t share)
{
    const struct mask *m = s->mask;
    const struct mask_cover *last = last_cover(s);

    for (uint32_t at = m->nodes[s->node].live; at != ROOT; at = m->nodes[m->nodes[at].fail].live) {
        const struct node *a = &m->nodes[at];
        uint64_t start = s->pos - a->depth;

        if ((uint64_t)a->depth * share <= a->min)
            continue;
        if (last == NULL || last->end != s->pos || last->start > (start > s->base ? start : s->base))
            return start;
    }
    return s->pos;
}

void mask_rest(struct mask_stream *s, struct buf *out)
{
    uint64_t upto = beginning(s, REST_SHARE);

    if (upto > s->base)
        let_go(s, upto, out);
}

void mask_end(struct mask_stream *s, struct buf *out)
{
    uint64_t start = beginning(s, END_SHARE);

    if (start < s->pos && s->base < s->pos)
        cover(s, start);
    let_go(s, s->pos, out);
    s->node = ROOT;
}
