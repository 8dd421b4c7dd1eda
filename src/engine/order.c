#include "engine/order.h"

#include "engine/engine_private.h"

bool test_before(const struct test *a, const struct test *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->id.v < b->id.v;
}

static bool key_before(int64_t rank, uint64_t id, const struct test *t)
{
    return rank != t->rank ? rank < t->rank : id < t->id.v;
}

/* As good as random, and the same for ever: the finalizer of splitmix64. */
static uint64_t height_of(const struct test *t)
{
    uint64_t x = t->id.v + UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static bool is_higher(const struct test *a, const struct test *b)
{
    return height_of(a) > height_of(b); /* a bijection: never equal */
}

static void sums_add(struct order_sums *to, const struct order_sums *from)
{
    to->n += from->n;
    to->n_known += from->n_known;
    to->known_ms += from->known_ms;
}

static struct order_sums sums_of_one(const struct test *t)
{
    bool is_known = t->predicted_ms > 0;

    return (struct order_sums){1, is_known, is_known ? t->predicted_ms : 0};
}

static void sums_update(struct test *t)
{
    t->order.sums = sums_of_one(t);
    if (t->order.left != NULL)
        sums_add(&t->order.sums, &t->order.left->order.sums);
    if (t->order.right != NULL)
        sums_add(&t->order.sums, &t->order.right->order.sums);
}

/* Into those before the key of `at` and those after it. */
static void split(struct test *root, const struct test *at, struct test **before, struct test **after)
{
    if (root == NULL) {
        *before = *after = NULL;
    } else if (test_before(root, at)) {
        split(root->order.right, at, &root->order.right, after);
        *before = root;
        sums_update(root);
    } else {
        split(root->order.left, at, before, &root->order.left);
        *after = root;
        sums_update(root);
    }
}

static struct test *merge(struct test *before, struct test *after)
{
    if (before == NULL || after == NULL)
        return before != NULL ? before : after;
    if (is_higher(before, after)) {
        before->order.right = merge(before->order.right, after);
        sums_update(before);
        return before;
    }
    after->order.left = merge(before, after->order.left);
    sums_update(after);
    return after;
}

void order_add(struct test **root, struct test *t)
{
    struct order_sums one = sums_of_one(t);

    t->order = (struct order_node){0};
    while (*root != NULL && is_higher(*root, t)) {
        sums_add(&(*root)->order.sums, &one);
        root = test_before(t, *root) ? &(*root)->order.left : &(*root)->order.right;
    }
    split(*root, t, &t->order.left, &t->order.right);
    sums_update(t);
    *root = t;
}

void order_remove(struct test **root, struct test *t)
{
    struct order_sums one = sums_of_one(t);
    struct order_sums *sums;

    while (*root != t) {
        CHECK(*root != NULL);
        sums = &(*root)->order.sums;
        sums->n -= one.n;
        sums->n_known -= one.n_known;
        sums->known_ms -= one.known_ms;
        root = test_before(t, *root) ? &(*root)->order.left : &(*root)->order.right;
    }
    *root = merge(t->order.left, t->order.right);
    t->order = (struct order_node){0};
}

/* Each test is put at the lower end of the right edge; what is less high there becomes its left side. */
void order_build(struct test **root, struct test *const *sorted, uint32_t n)
{
    struct test **edge = xmalloc((n + 1) * sizeof(struct test *));
    uint32_t depth = 0;
    uint32_t i;

    for (i = 0; i < n; i++) {
        struct test *t = sorted[i];
        struct test *under = NULL;

        while (depth > 0 && is_higher(t, edge[depth - 1])) {
            under = edge[--depth];
            sums_update(under);
        }
        t->order = (struct order_node){.left = under};
        if (depth > 0)
            edge[depth - 1]->order.right = t;
        edge[depth++] = t;
    }
    *root = depth > 0 ? edge[0] : NULL;
    while (depth > 0)
        sums_update(edge[--depth]);
    free(edge);
}

struct test *order_first(const struct test *root)
{
    while (root != NULL && root->order.left != NULL)
        root = root->order.left;
    return (struct test *)(uintptr_t)root;
}

struct test *order_last(const struct test *root)
{
    while (root != NULL && root->order.right != NULL)
        root = root->order.right;
    return (struct test *)(uintptr_t)root;
}

struct test *order_after(const struct test *root, int64_t rank, uint64_t id)
{
    const struct test *found = NULL;

    while (root != NULL) {
        if (key_before(rank, id, root)) {
            found = root;
            root = root->order.left;
        } else {
            root = root->order.right;
        }
    }
    return (struct test *)(uintptr_t)found;
}

struct test *order_before(const struct test *root, int64_t rank, uint64_t id)
{
    const struct test *found = NULL;

    while (root != NULL) {
        if (root->rank < rank || (root->rank == rank && root->id.v < id)) {
            found = root;
            root = root->order.right;
        } else {
            root = root->order.left;
        }
    }
    return (struct test *)(uintptr_t)found;
}

struct order_sums order_ahead(const struct test *root, const struct test *t)
{
    struct order_sums sums = {0};
    struct order_sums one;

    while (root != NULL) {
        if (!test_before(root, t)) {
            root = root->order.left;
            continue;
        }
        one = sums_of_one(root);
        sums_add(&sums, &one);
        if (root->order.left != NULL)
            sums_add(&sums, &root->order.left->order.sums);
        root = root->order.right;
    }
    return sums;
}

struct order_sums order_upto(const struct test *root, uint32_t n)
{
    struct order_sums sums = {0};
    struct order_sums one;
    uint32_t left;

    while (root != NULL && n > 0) {
        left = root->order.left != NULL ? root->order.left->order.sums.n : 0;
        if (n <= left) {
            root = root->order.left;
            continue;
        }
        one = sums_of_one(root);
        sums_add(&sums, &one);
        if (root->order.left != NULL)
            sums_add(&sums, &root->order.left->order.sums);
        n -= left + 1;
        root = root->order.right;
    }
    return sums;
}

static void walk_down(struct order_walk *w, const struct test *t)
{
    for (; t != NULL; t = t->order.left) {
        if (w->n == w->cap) {
            w->cap = w->cap == 0 ? 64 : w->cap * 2;
            w->path = xrealloc(w->path, w->cap * sizeof(*w->path));
        }
        w->path[w->n++] = t;
    }
}

void order_walk_begin(struct order_walk *w, const struct test *root)
{
    *w = (struct order_walk){0};
    walk_down(w, root);
}

const struct test *order_walk_next(struct order_walk *w)
{
    const struct test *t;

    if (w->n == 0)
        return NULL;
    t = w->path[--w->n];
    walk_down(w, t->order.right);
    return t;
}

void order_walk_end(struct order_walk *w)
{
    free(w->path);
    *w = (struct order_walk){0};
}

uint32_t order_list(struct test *root, struct test **out)
{
    uint32_t n;

    if (root == NULL)
        return 0;
    n = order_list(root->order.left, out);
    out[n++] = root;
    return n + order_list(root->order.right, out + n);
}

void order_check(const struct test *root)
{
    const struct test *left;
    const struct test *right;
    struct order_sums sums;

    if (root == NULL)
        return;
    left = root->order.left;
    right = root->order.right;
    sums = sums_of_one(root);
    if (left != NULL) {
        CHECK(test_before(left, root));
        CHECK(is_higher(root, left));
        sums_add(&sums, &left->order.sums);
    }
    if (right != NULL) {
        CHECK(test_before(root, right));
        CHECK(is_higher(root, right));
        sums_add(&sums, &right->order.sums);
    }
    CHECK(sums.n == root->order.sums.n);
    CHECK(sums.n_known == root->order.sums.n_known);
    CHECK(sums.known_ms == root->order.sums.known_ms);
    order_check(left);
    order_check(right);
}
